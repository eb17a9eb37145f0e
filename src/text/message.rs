//! What the pages say: one catalogue for each language, looked up by key.
//!
//! A catalogue is a file in `messages/`: tables of keys, `{placeholders}` in the sentences, and
//! where a number decides the form two keys, `….one` and `….other`. Another language is another
//! file and one line in [`LANGUAGES`]; a test holds it to the English keys and placeholders. A file
//! that has no such line is still being translated: nobody is shown half of a language.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// A language that the pages speak.
#[derive(Debug)]
pub(crate) struct Language {
    /// The language tag (BCP 47).
    pub(crate) tag: &'static str,
    /// The writing direction, as `dir` wants it.
    pub(crate) dir: &'static str,
    /// The catalogue.
    source: &'static str,
    /// Whether this number takes the form `one`.
    one: fn(u64) -> bool,
}

/// Spoken where nothing better is asked for.
pub(crate) static ENGLISH: Language = Language {
    tag: "en",
    dir: "ltr",
    source: include_str!("messages/en.toml"),
    one: |number| number == 1,
};

/// Every language there is.
pub(crate) static LANGUAGES: [&Language; 1] = [&ENGLISH];

/// The most language ranges of a header that are looked at.
const MOST_RANGES: usize = 32;

/// The language of one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locale(pub(crate) &'static Language);

impl Default for Locale {
    fn default() -> Self {
        Self(&ENGLISH)
    }
}

impl PartialEq for Locale {
    fn eq(&self, other: &Self) -> bool {
        self.0.tag == other.0.tag
    }
}

impl Eq for Locale {}

impl Locale {
    /// The language that suits an `Accept-Language` best (RFC 9110 section 12.5.4, by the lookup
    /// of RFC 4647 section 3.4), or English.
    pub(crate) fn negotiate(accept_language: Option<&str>) -> Self {
        Self(best(accept_language.unwrap_or(""), &LANGUAGES).unwrap_or(&ENGLISH))
    }
}

/// The language that the header wants most.
fn best<'a>(header: &str, languages: &[&'a Language]) -> Option<&'a Language> {
    let mut ranges: Vec<(u16, &str)> = header
        .split(',')
        .take(MOST_RANGES)
        .filter_map(|item| {
            let (range, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            Some((quality(weight)?, range.trim()))
        })
        .filter(|(quality, _)| *quality > 0)
        .collect();
    ranges.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    ranges.iter().find_map(|(_, range)| {
        let mut range = *range;
        loop {
            let known = languages.iter().find(|l| l.tag.eq_ignore_ascii_case(range));
            if let Some(language) = known {
                return Some(*language);
            }
            range = range.rsplit_once('-')?.0;
        }
    })
}

/// `q=0.8` in thousandths.
fn quality(parameter: &str) -> Option<u16> {
    let number: f32 = parameter.trim().strip_prefix("q=")?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000 after the check"
    )]
    (0.0..=1.0)
        .contains(&number)
        .then(|| (number * 1000.0).round() as u16)
}

/// A sentence of the catalogue, not yet in a language.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Text {
    key: &'static str,
    args: BTreeMap<&'static str, String>,
    count: Option<u64>,
}

impl Text {
    /// The sentence with this key.
    pub(crate) fn new(key: &'static str) -> Self {
        Self {
            key,
            args: BTreeMap::new(),
            count: None,
        }
    }

    /// Fills in a placeholder.
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.insert(name, value.to_string());
        self
    }

    /// Fills in `{count}`, which also picks the form `one` or `other`.
    pub(crate) fn count(mut self, number: u64) -> Self {
        self.count = Some(number);
        self
    }
}

/// The sentences of one language.
#[derive(Debug)]
pub(crate) struct Catalogue {
    one: fn(u64) -> bool,
    sentences: BTreeMap<String, String>,
}

impl Catalogue {
    /// Reads the catalogue of a language.
    pub(crate) fn read(language: &Language) -> Result<Self, toml::de::Error> {
        let mut sentences = BTreeMap::new();
        flatten("", &toml::from_str(language.source)?, &mut sentences);
        Ok(Self {
            one: language.one,
            sentences,
        })
    }

    /// A sentence with its placeholders filled in.
    pub(crate) fn say(
        &self,
        key: &str,
        args: &BTreeMap<&str, String>,
        count: Option<u64>,
    ) -> Result<String, CatalogueError> {
        let unknown = || CatalogueError::UnknownKey(key.to_owned());
        let Some(number) = count else {
            return fill(key, self.sentences.get(key).ok_or_else(unknown)?, args);
        };
        let form = if (self.one)(number) { "one" } else { "other" };
        let sentence = self.sentences.get(&format!("{key}.{form}"));
        let mut args = args.clone();
        args.insert("count", number.to_string());
        fill(key, sentence.ok_or_else(unknown)?, &args)
    }

    /// The keys and sentences, for the tests that hold languages together.
    #[cfg(test)]
    pub(crate) fn sentences(&self) -> &BTreeMap<String, String> {
        &self.sentences
    }
}

/// Turns `[login] title` into `login.title`.
fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::String(sentence) => {
                into.insert(key, sentence.clone());
            }
            other => {
                into.insert(key, other.to_string());
            }
        }
    }
}

/// Puts the values where `{names}` stand. What a value holds is never looked at again.
fn fill(
    key: &str,
    sentence: &str,
    args: &BTreeMap<&str, String>,
) -> Result<String, CatalogueError> {
    let mut said = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let missing = |name: &str| CatalogueError::MissingValue {
            key: key.to_owned(),
            name: name.to_owned(),
        };
        let (name, behind) = after.split_once('}').ok_or_else(|| missing(after))?;
        said.push_str(before);
        said.push_str(args.get(name).ok_or_else(|| missing(name))?);
        rest = behind;
    }
    said.push_str(rest);
    Ok(said)
}

/// A sentence that cannot be said.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error("the message {key:?} needs a value for {{{name}}}")]
    MissingValue { key: String, name: String },
    #[error("there is no message {0:?}")]
    UnknownKey(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    static GERMAN: Language = Language {
        tag: "de",
        dir: "ltr",
        source: "a = 'x'",
        one: |number| number == 1,
    };
    static CHINESE: Language = Language {
        tag: "zh-Hant",
        dir: "ltr",
        source: "",
        one: |_| false,
    };

    #[test]
    fn the_best_language_that_exists_is_spoken() {
        let tag = |header: &str| best(header, &[&ENGLISH, &GERMAN, &CHINESE]).map(|l| l.tag);
        assert_eq!(tag("de-CH, en;q=0.8"), Some("de"));
        assert_eq!(tag("en;q=0.8, de;q=0.9"), Some("de"));
        assert_eq!(tag("de;q=0, EN-gb"), Some("en"));
        assert_eq!(tag("zh-hant-TW"), Some("zh-Hant"));
        assert_eq!(tag("de;q=0"), None);
        assert_eq!(tag("zh"), None);
        for nonsense in [
            "", "*", ";;;", "q=1", "de;q=2", "de;q=NaN", "de;x=1", "-", "ü",
        ] {
            assert_eq!(tag(nonsense), None, "{nonsense:?}");
            assert_eq!(Locale::negotiate(Some(nonsense)), Locale::default());
        }
        let within = "xx,".repeat(MOST_RANGES - 1) + "de";
        let beyond = "xx,".repeat(MOST_RANGES) + "de";
        assert_eq!(tag(&within), Some("de"));
        assert_eq!(tag(&beyond), None);
    }

    #[test]
    fn placeholders_are_filled_in_once() {
        let args = BTreeMap::from([("a", "{b}".to_owned()), ("b", "x".to_owned())]);
        assert_eq!(fill("k", "{a} and {b}", &args).unwrap(), "{b} and x");
        let missing = |name: &str| CatalogueError::MissingValue {
            key: "k".to_owned(),
            name: name.to_owned(),
        };
        assert_eq!(fill("k", "{c}", &args), Err(missing("c")));
        assert_eq!(fill("k", "{open", &args), Err(missing("open")));
    }

    #[test]
    fn a_number_picks_its_form() {
        let catalogue = Catalogue::read(&ENGLISH).unwrap();
        let say = |n| {
            catalogue
                .say("time.minutes", &BTreeMap::new(), Some(n))
                .unwrap()
        };
        assert_eq!(say(1), "1 minute ago");
        assert_eq!(say(5), "5 minutes ago");
        assert_eq!(
            catalogue.say("time.minutes", &BTreeMap::new(), None),
            Err(CatalogueError::UnknownKey("time.minutes".to_owned()))
        );
    }
}
