//! Texts with values in braces, `{name}`.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use url::Url;

use crate::egress::http::is_loopback;

/// What stays as it is in a path or a query (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The longest value that is carried from one call to the next, in bytes.
const MOST_VALUE: usize = 2048;

/// A text with gaps. Braces around anything but a name are text: JSON stays what it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Value(String),
}

/// What is known during a login, by name.
pub(crate) type Values = BTreeMap<String, String>;

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut pieces = vec![];
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            match after.split_once('}') {
                Some((name, after)) if is_name(name) => {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    pieces.push(Piece::Value(name.to_owned()));
                    rest = after;
                }
                _ => {
                    plain.push('{');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Self(pieces)
    }

    /// The names in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(name) => Some(name.as_str()),
        })
    }

    /// The text with its values; the name of one that is missing.
    pub(crate) fn fill(&self, values: &Values) -> Result<String, String> {
        self.fill_with(|name| values.get(name).cloned())
    }

    fn fill_with(&self, find: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Value(name) => find(name).ok_or_else(|| name.clone()),
        });
        pieces.collect()
    }

    /// A claim made of other claims. Values are encoded in what is a URL.
    pub(crate) fn compose(&self, claims: &Map<String, Value>) -> Option<String> {
        let is_url =
            matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with("https://"));
        let find = |name: &str| {
            let text = text_of(claims.get(name)?)?;
            if !is_url {
                return Some(text);
            }
            encode(&text)
        };
        self.fill_with(find).ok()
    }
}

/// A URL whose path and query may have gaps. Its host has none: nothing that comes during a login
/// chooses whom we call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    template: Template,
    /// The URL with a letter in each gap.
    sample: Url,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const NOT: &str = "an endpoint is an https URL";
        let template = Template::parse(text);
        let (_, behind) = text.split_once("://").ok_or(NOT)?;
        let authority = behind.split(['/', '?', '#', '\\']).next().unwrap_or(behind);
        if authority.contains('{') {
            return Err("nothing fills what stands in braces in the host");
        }
        let sample = template.fill_with(|_| Some("x".to_owned()));
        let sample = Url::parse(&sample.map_err(|_| NOT)?).map_err(|_| NOT)?;
        if sample.host_str().is_none_or(str::is_empty) {
            return Err(NOT);
        }
        if !sample.username().is_empty() || sample.password().is_some() {
            return Err("an endpoint has no user name and no password");
        }
        Ok(Self { template, sample })
    }

    /// Whether what is sent there can be read on the way.
    pub(crate) fn check_secure(&self, danger_plain_http: bool) -> Result<(), &'static str> {
        match self.sample.scheme() {
            "https" => Ok(()),
            "http" if danger_plain_http || is_loopback(&self.sample) => Ok(()),
            "http" => Err("plain http to another machine: what the provider says can be forged"),
            _ => Err("an endpoint is an https URL"),
        }
    }

    /// The URL as far as it is always the same.
    pub(crate) fn sample(&self) -> &Url {
        &self.sample
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    /// The URL; the name of a value that is missing, or that cannot be part of one.
    pub(crate) fn fill(&self, values: &Values) -> Result<Url, String> {
        let find = |name: &str| values.get(name).and_then(|value| encode(value));
        let url = self.template.fill_with(find)?;
        Url::parse(&url).map_err(|_| "endpoint".to_owned())
    }
}

/// A value as a part of a URL. Dots alone would lead to another path.
fn encode(value: &str) -> Option<String> {
    let leads_away = value.bytes().all(|byte| byte == b'.');
    (!leads_away).then(|| utf8_percent_encode(value, UNRESERVED).to_string())
}

/// A text or an integer of an answer as a text that can be sent on and kept.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    let sound = !text.is_empty() && text.len() <= MOST_VALUE && !text.chars().any(char::is_control);
    sound.then_some(text)
}

/// Whether a text in braces is a name.
pub(crate) fn is_name(text: &str) -> bool {
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte == b'.';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(all: &[(&str, &str)]) -> Values {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(own).collect()
    }

    #[test]
    fn names_in_braces_are_gaps_and_json_is_not() {
        let values = values(&[("a", "1"), ("b_c", "2")]);
        for (text, filled) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("{a}", Ok("1")),
            ("x{a}y{b_c}z{a}", Ok("x1y2z1")),
            (
                "{\"userinfo\":{\"email\":null}}",
                Ok("{\"userinfo\":{\"email\":null}}"),
            ),
            ("{}{ a}{a", Ok("{}{ a}{a")),
            ("{{a}}", Ok("{1}")),
            ("{a}{other}", Err("other")),
        ] {
            let found = Template::parse(text).fill(&values);
            let wanted = filled.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_value_stays_in_its_place_of_a_url() {
        let endpoint = Endpoint::parse("https://a.example/users/{id}?x={id}").unwrap();
        for (id, url) in [
            ("7", Some("https://a.example/users/7?x=7")),
            (
                "a/../b?c#d",
                Some("https://a.example/users/a%2F..%2Fb%3Fc%23d?x=a%2F..%2Fb%3Fc%23d"),
            ),
            ("..", None),
            (".", None),
        ] {
            let found = endpoint.fill(&values(&[("id", id)])).ok();
            assert_eq!(found.as_ref().map(Url::as_str), url, "{id}");
        }
    }

    #[test]
    fn nothing_fills_a_host() {
        for bad in [
            "",
            "a.example",
            "https://",
            "https://{host}/",
            "https://a.{zone}/x",
            "https://a.example:{port}/x",
            "https://{a}@b.example/",
            "https://u:p@a.example/",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
        let endpoint = Endpoint::parse("https://a.example{id}/x");
        assert!(endpoint.is_err());
    }

    #[test]
    fn claims_are_made_of_claims_and_encoded_in_a_url() {
        let claims = json!({ "id": 7, "avatar": "a/b", "null": null, "first": "Ål", "obj": {} });
        let claims = claims.as_object().unwrap();
        for (text, made) in [
            ("{first} {id}", Some("Ål 7")),
            (
                "https://cdn.example/{id}/{avatar}.png",
                Some("https://cdn.example/7/a%2Fb.png"),
            ),
            ("https://cdn.example/{null}.png", None),
            ("{obj}", None),
            ("{missing}", None),
        ] {
            let found = Template::parse(text).compose(claims);
            assert_eq!(found.as_deref(), made, "{text}");
        }
    }
}
