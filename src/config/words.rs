//! Serde's messages in the operator's words. They are taken apart, because serde says no more than
//! a text; and no value is repeated, because it may be a secret in the wrong place.

use super::schema::marked;
use crate::policy::distance;

/// What serde found.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Complaint {
    /// A key that is missing.
    Missing(String),
    /// Another mistake, with what to do about it.
    Other {
        message: String,
        hint: Option<String>,
    },
    /// A key that nobody knows, and those that are known.
    Unknown(Vec<String>),
}

impl Complaint {
    /// Reads a message of serde or toml.
    pub(super) fn read(message: &str) -> Self {
        let message = message.trim_end();
        if let Some(rest) = message.strip_prefix("unknown field `") {
            if rest.starts_with("$__toml_private_datetime") {
                return Self::other("expected something else, found a date".to_owned());
            }
            let known = rest.split_once("`, ").map_or("", |(_, known)| known);
            return Self::Unknown(quoted(known));
        }
        if let Some(rest) = message.strip_prefix("missing field `") {
            return Self::Missing(rest.trim_end_matches('`').to_owned());
        }
        if let Some(rest) = message.strip_prefix("unknown variant `") {
            return unknown_variant(rest);
        }
        for (prefix, wrong_type) in [("invalid type: ", true), ("invalid value: ", false)] {
            if let Some(rest) = message.strip_prefix(prefix) {
                let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
                return Self::other(if wrong_type {
                    format!("expected {}, found {}", in_words(expected), kind(found))
                } else {
                    format!("the value does not fit, expected {}", in_words(expected))
                });
            }
        }
        if let Some(name) = message.strip_prefix("data did not match any variant of untagged enum ")
        {
            return Self::other(format!("expected {}", forms(name)));
        }
        if message.starts_with("wanted string or table") {
            return Self::other("expected a string".to_owned());
        }
        Self::other(message.to_owned())
    }

    fn other(message: String) -> Self {
        Self::Other {
            message,
            hint: None,
        }
    }
}

fn unknown_variant(rest: &str) -> Complaint {
    let (given, known) = rest.split_once("`, ").unwrap_or((rest, ""));
    let known = quoted(known);
    let known = known.iter().map(String::as_str);
    Complaint::Other {
        message: "the value is not one of those that are possible".to_owned(),
        hint: Some(suggestion(given, known.clone()).map_or_else(
            || format!("it can be {}", listed(known)),
            |near| format!("did you mean {near:?}"),
        )),
    }
}

/// The forms that a value may have, by the schema of its type.
fn forms(type_name: &str) -> String {
    let schema = marked();
    let defined = |name: &str| schema.get("$defs").and_then(|types| types.get(name));
    let alternatives = defined(type_name).and_then(|one| one.get("anyOf")?.as_array());
    let mut words = Vec::new();
    for form in alternatives.into_iter().flatten() {
        let named = form.get("$ref").and_then(serde_json::Value::as_str);
        let form = named
            .and_then(|path| defined(path.rsplit('/').next()?))
            .unwrap_or(form);
        let constants = form.get("oneOf").and_then(|one| one.as_array());
        let constants = constants
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("const"));
        words.extend(constants.map(ToString::to_string));
        words.extend(match form.get("type").and_then(|kind| kind.as_str()) {
            Some("array") => Some("an array of strings".to_owned()),
            Some("object") => Some("a table of strings".to_owned()),
            Some("string") => Some("a string".to_owned()),
            _ => None,
        });
    }
    words.sort_unstable();
    words.join(" or ")
}

/// The texts between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The known word that is most like the given one, if any is.
pub(super) fn suggestion<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = given.to_lowercase().replace('-', "_");
    // A long text is no misspelling, and comparing it would take long.
    let near = |word: &&str| {
        let most = if word.len() <= 3 {
            1
        } else {
            2.max(word.len() / 3)
        };
        given.len() <= 64 && distance(&folded, &word.replace('-', "_")) <= most
    };
    known
        .into_iter()
        .filter(near)
        .min_by_key(|word| (distance(given, word), *word))
}

/// Words for a hint, at most a line of them.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_unstable();
    words.join(", ")
}

/// Serde's word for the type that was found, without the value.
fn kind(found: &str) -> &'static str {
    for (prefix, words) in [
        ("string", "a string"),
        ("integer", "a whole number"),
        ("floating point", "a number with a fraction"),
        ("boolean", "true or false"),
        ("sequence", "an array"),
        ("map", "a table"),
    ] {
        if found.starts_with(prefix) {
            return words;
        }
    }
    "something else"
}

/// Serde's word for the type that was expected.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "a table",
        "path string" => "a string (a path)",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_repeated() {
        for (message, expected) in [
            (
                "invalid type: string \"canary, expected x\", expected u64",
                "expected a whole number, 0 or more, found a string",
            ),
            (
                "invalid type: integer `5`, expected a string",
                "expected a string, found a whole number",
            ),
            (
                "invalid value: integer `-1`, expected usize",
                "the value does not fit, expected a whole number, 0 or more",
            ),
        ] {
            assert_eq!(
                Complaint::read(message),
                Complaint::other(expected.to_owned())
            );
        }
        let variant =
            Complaint::read("unknown variant `vreified`, expected `always` or `verified`");
        let Complaint::Other { hint, .. } = variant else {
            panic!("{variant:?}")
        };
        assert_eq!(hint.unwrap(), "did you mean \"verified\"");
    }

    #[test]
    fn known_words_are_suggested() {
        let known = ["listen", "public_url", "threads"];
        assert_eq!(suggestion("lisen", known), Some("listen"));
        assert_eq!(suggestion("public-url", known), Some("public_url"));
        assert_eq!(suggestion("nonsense", known), None);
        assert_eq!(suggestion(&"x".repeat(1 << 20), known), None);
    }
}
