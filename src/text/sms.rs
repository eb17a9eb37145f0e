//! What a text message says: a code first, for it is read in a notice, and a link.

use std::time::Duration;

use serde::Serialize;

use super::{message::Text, page::Href};

/// A text message by which somebody signs in, not yet in a language. `sms.txt` draws it.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Sheet")]
pub(crate) struct TextMessage {
    pub(crate) code: String,
    pub(crate) lifetime: Duration,
    pub(crate) link: Option<Href>,
    /// Where alone a browser fills the code in by itself.
    pub(crate) host: Option<String>,
}

/// What the template sees.
#[derive(Serialize)]
struct Sheet {
    code: String,
    text: Text,
    link: Option<Href>,
    host: Option<String>,
}

impl From<TextMessage> for Sheet {
    fn from(message: TextMessage) -> Self {
        let minutes = (message.lifetime.as_secs() / 60).max(1);
        let text = Text::new("sms.code").with("code", &message.code);
        Self {
            text: text.count(minutes),
            code: message.code,
            link: message.link,
            host: message.host,
        }
    }
}

/// One of each kind, for trying the template.
pub(super) fn samples() -> Vec<TextMessage> {
    let full = TextMessage {
        code: "314159".to_owned(),
        lifetime: Duration::from_mins(5),
        link: Some(Href::sample(
            "https://login.example.com/.auth/code?token=b2theTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA",
        )),
        host: Some("login.example.com".to_owned()),
    };
    let short = TextMessage {
        link: None,
        host: None,
        ..full.clone()
    };
    vec![full, short]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Config, Locale, Pages};

    #[test]
    fn the_code_comes_first_and_what_browsers_read_last() {
        let pages = Pages::load(&Config::default(), "/.auth", &[]).unwrap();
        let [full, short] = samples().try_into().unwrap();
        let english = Locale::default();
        let said =
            "314159 is your code for Vestibule. It is good for 5 minutes. Give it to nobody.";
        assert_eq!(pages.write_text(&short, english).unwrap(), said);
        let written = pages.write_text(&full, english).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines[0], said);
        assert!(lines[1].contains(full.link.as_ref().unwrap().as_str()));
        assert_eq!(lines.last(), Some(&"@login.example.com #314159"));
        for locale in Locale::all() {
            let written = pages.write_text(&short, locale).unwrap();
            assert!(written.contains("314159"), "{written}");
        }
    }
}
