use std::{fs, path::Path, sync::Arc, time::Duration};

use super::{
    message::{Stamp, Subject, message},
    *,
};
use crate::{
    clock::{Clock as _, SystemClock, Timestamp},
    metrics,
    protocol::EmailAddress,
    random::OsRandom,
    text::{self, Letter, Locale, Pages, letter, page::Href},
};

fn settings(text: &str) -> Settings {
    let config: Config = toml::from_str(text).unwrap();
    config.build().unwrap().unwrap()
}

fn folder(at: &Path) -> Settings {
    settings(&format!(
        "url = 'file:{}'\nfrom = 'Acme <a@acme.example>'",
        at.display()
    ))
}

fn draft(letter: Letter) -> Draft {
    Draft {
        to: EmailAddress::parse("ada@example.com").unwrap(),
        letter,
        locale: Locale::default(),
        text: Arc::new(Pages::load(&text::Config::default(), "/.auth", &[]).unwrap()),
        until: SystemClock.now() + Duration::from_hours(1),
    }
}

fn outbox() -> Arc<Outbox> {
    Outbox::new(Arc::new(SystemClock), Arc::new(OsRandom))
}

fn welcome() -> Letter {
    Letter::Welcome {
        sign_in: Href::root(),
    }
}

fn messages(at: &Path) -> Vec<String> {
    let files = fs::read_dir(at).into_iter().flatten();
    let files = files.map(|one| one.unwrap().path());
    files
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

fn stamp() -> Stamp {
    Stamp {
        id: [7; 16],
        at: Timestamp::from_millis(1_780_000_000_000),
    }
}

#[test]
fn no_value_begins_a_line_of_its_own() {
    let settings =
        settings("url = 'file:x'\nfrom = 'Acme <a@acme.example>'\nreply_to = 'help@acme.example'");
    let written = text::Written {
        locale: Locale::default(),
        subject: "Hello\r\nBcc: victim@example.com\nX: y\0".to_owned(),
        html: "<p>h</p>".to_owned(),
        text: "t".to_owned(),
    };
    assert_eq!(Subject::new("a\r\nb"), Subject::new("a  b"));
    let to = EmailAddress::parse("ada@example.com").unwrap();
    let text = message(&settings, &to, written, stamp())
        .unwrap()
        .formatted();
    let text = String::from_utf8(text).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let names: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let mut known = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Reply-To",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "Content-Language",
        "MIME-Version",
        "Content-Type",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    known.sort_unstable();
    assert_eq!(sorted, known, "{head}");
    for bad in [
        "a@b.example\r\nBcc: c@d.example",
        "a b@c.example",
        "a@b@c.example",
        "<a@b.example>",
    ] {
        assert!(EmailAddress::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_letter_is_written_in_both_forms_with_what_it_is_for() {
    let pages = draft(welcome()).text;
    for letter in letter::samples() {
        let written = pages.write(&letter, Locale::default()).unwrap();
        let kind = letter.kind();
        assert!(
            !written.subject.contains(['\n', '{']),
            "{kind}: {}",
            written.subject
        );
        for form in [&written.html, &written.text] {
            assert!(
                !form.contains("undefined") && !form.contains("{{"),
                "{kind}: {form}"
            );
        }
        // Nothing is fetched when it is looked at.
        for sign in ["<img", "src=", "<link", "@import", "url(", "<script"] {
            assert!(!written.html.contains(sign), "{kind}: {sign}");
        }
        let page = serde_json::to_value(&letter).unwrap();
        for place in ["/button/href", "/code/digits"] {
            if let Some(value) = page.pointer(place).and_then(|value| value.as_str()) {
                assert!(
                    written.html.contains(value) && written.text.contains(value),
                    "{kind} {place}"
                );
            }
        }
    }
    let evil = Letter::AddressChanged {
        new: "<b>x</b>@example.com".to_owned(),
    };
    let written = pages.write(&evil, Locale::default()).unwrap();
    assert!(written.html.contains("&lt;b&gt;x") && !written.html.contains("<b>x"));
    assert!(
        written.text.contains("<b>x</b>@example.com"),
        "plain text is as it is"
    );
}

#[tokio::test]
async fn what_waits_is_bounded_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox();
    let dropped = || metrics::MAILS.with_label_values(&["dropped"]).get();
    let before = dropped();
    outbox.post_when(std::future::pending());
    assert_eq!(
        dropped(),
        before,
        "without [mail] nothing is taken, and nothing lost"
    );
    outbox.adopt(outbox.open(Some(&folder(dir.path()))).unwrap());
    for _ in 0..1000 {
        outbox.post_when(std::future::pending());
    }
    assert_eq!(dropped(), before);
    outbox.post_when(async { Some(draft(welcome())) });
    assert_eq!(dropped(), before + 1);
    assert!(messages(dir.path()).is_empty());
}

#[tokio::test]
async fn what_waits_at_the_end_is_tried_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox();
    // Where a file is no folder can be made, until it is gone.
    let place = dir.path().join("outbox");
    fs::write(&place, "").unwrap();
    outbox.adopt(outbox.open(Some(&folder(&place))).unwrap());
    let retried = || metrics::MAILS.with_label_values(&["retried"]).get();
    let before = retried();
    outbox.post_when(async { Some(draft(welcome())) });
    while retried() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(&place).unwrap();
    outbox.close(Duration::from_secs(4)).await;
    assert_eq!(messages(&place).len(), 1, "the pause is cut short");
}

#[tokio::test]
async fn a_letter_that_is_too_old_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = outbox();
    let place = dir.path().join("outbox");
    fs::write(&place, "").unwrap();
    outbox.adopt(outbox.open(Some(&folder(&place))).unwrap());
    let failed = || metrics::MAILS.with_label_values(&["failed"]).get();
    let before = failed();
    let old = Draft {
        until: SystemClock.now() + Duration::from_secs(1),
        ..draft(welcome())
    };
    outbox.post_when(async { Some(old) });
    let end = tokio::time::Instant::now() + Duration::from_secs(4);
    while failed() == before {
        assert!(
            tokio::time::Instant::now() < end,
            "before the pause is over"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
