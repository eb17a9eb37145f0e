//! Durations and sizes as people write them: `8h`, `500ms`, `64KiB`; and how a text is read into a
//! type of its own.

use std::{fmt, marker::PhantomData, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// A duration with its unit: `10s`, `8h`, `7d`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(\d+\s*(ms|s|m|min|h|d|w)\s*)+$"))]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| BadUnit {
                like: "\"30s\", \"8h\" or \"7d\"",
            })
    }
}

impl TryFrom<String> for Span {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// A number of bytes with its unit: `16KiB`, `10MiB`, `1GiB`, `512B`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^\d+\s*(B|KiB|MiB|GiB)$"))]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || BadUnit {
            like: "\"512B\", \"16KiB\" or \"10MiB\"",
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let factor = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl TryFrom<String> for Size {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

/// Reads a text by its [`FromStr`]. Unlike `#[serde(try_from = "String")]` it fails within the text:
/// so a mistake in a list is found at its own place, and not at that of the list.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Not a quantity with a unit.
#[derive(Clone, Debug, thiserror::Error)]
// What was given is not repeated: it may be a secret in the wrong place.
#[error("the value is not a number with a unit, like {like}")]
pub(crate) struct BadUnit {
    pub(crate) like: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_required() {
        assert_eq!(
            "8h".parse::<Span>().unwrap().0,
            Duration::from_secs(8 * 3600)
        );
        assert_eq!("16KiB".parse::<Size>().unwrap().0, 16 << 10);
        assert!("8".parse::<Span>().is_err());
        for bad in ["16", "16kb", "KiB", "", "-1B", "99999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?}");
        }
    }
}
