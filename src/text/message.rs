//! What the pages say: one catalogue for each language, looked up by key.
//!
//! A catalogue is a file in `messages/`: tables of keys, `{placeholders}` in the sentences, and
//! where a number decides the form, one key for each that the language has: `….one`, `….other`.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::language::{Language, Plural};

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

    /// Fills in `{count}`, which also picks the form.
    pub(crate) fn count(mut self, number: u64) -> Self {
        self.count = Some(number);
        self
    }
}

/// The sentences of one language.
#[derive(Debug)]
pub(crate) struct Catalogue {
    plural: Plural,
    sentences: BTreeMap<String, String>,
}

impl Catalogue {
    /// Reads the catalogue of a language.
    pub(crate) fn read(language: &Language) -> Result<Self, toml::de::Error> {
        let mut sentences = BTreeMap::new();
        flatten("", &toml::from_str(language.source)?, &mut sentences);
        Ok(Self {
            plural: language.plural,
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
        let form = self.plural.form(number).name();
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
    use super::{super::language::Locale, *};

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
        let catalogue = Catalogue::read(Locale::default().0).unwrap();
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
