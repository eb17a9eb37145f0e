//! Requests with places for what changes: `{{ to }}`, `{{ text }}`.
//!
//! A template is taken apart where it is read. What fills a place becomes a value of the format, whatever
//! is in it: nobody ends a string of JSON or begins another field of a form.

use std::fmt;

use serde_json::Value;
use url::{Url, form_urlencoded};

/// What can be put into a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Code,
    Digits,
    From,
    Link,
    Password,
    Text,
    To,
    User,
}

impl Place {
    const ALL: [(&'static str, Self); 8] = [
        ("code", Self::Code),
        ("to_digits", Self::Digits),
        ("from", Self::From),
        ("link", Self::Link),
        ("password", Self::Password),
        ("text", Self::Text),
        ("to", Self::To),
        ("user", Self::User),
    ];

    fn read(name: &str) -> Result<Self, BadTemplate> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, place)| *place).ok_or(BadTemplate::NoPlace)
    }
}

/// A text with places in it.
#[derive(Clone)]
pub(crate) struct Line(Vec<Piece>);

#[derive(Clone)]
enum Piece {
    Place(Place),
    Text(String),
}

/// A body of one format.
#[derive(Clone)]
pub(crate) enum Body {
    Form(Vec<(String, Line)>),
    Json(Json),
    Plain(Line),
}

/// A value of JSON with places in its strings.
#[derive(Clone)]
pub(crate) enum Json {
    All(Vec<Json>),
    Keys(Vec<(String, Json)>),
    Line(Line),
    Other(Value),
}

/// An address with places in the values of its query.
#[derive(Clone)]
pub(crate) struct Address {
    /// Without a query.
    url: Url,
    query: Vec<(String, Line)>,
}

/// Why something is no template. What is in it is not repeated: it may be a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadTemplate {
    #[error("it is not JSON; a place stands inside of a string, like \"{{{{ to }}}}\"")]
    Json,
    #[error("a place stands in the value of a field, and nowhere else")]
    Misplaced,
    #[error(
        "the places are {{{{ to }}}}, {{{{ to_digits }}}}, {{{{ text }}}}, {{{{ code }}}}, {{{{ link }}}}, \
         {{{{ from }}}}, {{{{ user }}}} and {{{{ password }}}}"
    )]
    NoPlace,
    #[error("it is not an address of the web")]
    Url,
}

/// There may be secrets in it.
macro_rules! hidden {
    ($($kind:ty),*) => {
        $(impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[template]")
            }
        })*
    };
}
hidden!(Address, Body, Json, Line);

impl Line {
    pub(crate) fn read(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or(BadTemplate::NoPlace)?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Place(Place::read(name.trim())?));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn fill(&self, value: &dyn Fn(Place) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Place(place) => value(*place),
            Piece::Text(text) => text.clone(),
        });
        pieces.collect()
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(*place),
            Piece::Text(_) => None,
        })
    }
}

fn fields<'a>(
    pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
) -> Result<Vec<(String, Line)>, BadTemplate> {
    let read = pairs.map(|(name, value)| {
        if name.contains("{{") {
            return Err(BadTemplate::Misplaced);
        }
        Ok((name.into_owned(), Line::read(&value)?))
    });
    read.collect()
}

impl Json {
    fn read(value: Value) -> Result<Self, BadTemplate> {
        Ok(match value {
            Value::Array(all) => {
                Self::All(all.into_iter().map(Self::read).collect::<Result<_, _>>()?)
            }
            Value::Object(keys) => {
                let read = keys.into_iter().map(|(key, value)| {
                    if key.contains("{{") {
                        return Err(BadTemplate::Misplaced);
                    }
                    Ok((key, Self::read(value)?))
                });
                Self::Keys(read.collect::<Result<_, _>>()?)
            }
            Value::String(text) => Self::Line(Line::read(&text)?),
            other => Self::Other(other),
        })
    }

    fn fill(&self, value: &dyn Fn(Place) -> String) -> Value {
        match self {
            Self::All(all) => all.iter().map(|one| one.fill(value)).collect(),
            Self::Keys(keys) => {
                let filled = keys.iter().map(|(key, one)| (key.clone(), one.fill(value)));
                Value::Object(filled.collect())
            }
            Self::Line(line) => Value::String(line.fill(value)),
            Self::Other(other) => other.clone(),
        }
    }

    fn places(&self, found: &mut Vec<Place>) {
        match self {
            Self::All(all) => all.iter().for_each(|one| one.places(found)),
            Self::Keys(keys) => keys.iter().for_each(|(_, one)| one.places(found)),
            Self::Line(line) => found.extend(line.places()),
            Self::Other(_) => {}
        }
    }
}

impl Body {
    pub(crate) fn json(text: &str) -> Result<Self, BadTemplate> {
        let value = serde_json::from_str(text).map_err(|_| BadTemplate::Json)?;
        Ok(Self::Json(Json::read(value)?))
    }

    pub(crate) fn form(text: &str) -> Result<Self, BadTemplate> {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Ok(Self::Form(fields(pairs)?))
    }

    pub(crate) fn plain(text: &str) -> Result<Self, BadTemplate> {
        Ok(Self::Plain(Line::read(text)?))
    }

    /// `Content-Type`.
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Json(_) => "application/json",
            Self::Plain(_) => "text/plain; charset=utf-8",
        }
    }

    pub(crate) fn fill(&self, value: &dyn Fn(Place) -> String) -> Vec<u8> {
        match self {
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields.iter().map(|(name, line)| (name, line.fill(value))));
                form.finish().into_bytes()
            }
            Self::Json(json) => json.fill(value).to_string().into_bytes(),
            Self::Plain(line) => line.fill(value).into_bytes(),
        }
    }

    pub(crate) fn has(&self, place: Place) -> bool {
        let mut found = Vec::new();
        match self {
            Self::Form(fields) => {
                found.extend(fields.iter().flat_map(|(_, line)| line.places()));
            }
            Self::Json(json) => json.places(&mut found),
            Self::Plain(line) => found.extend(line.places()),
        }
        found.contains(&place)
    }
}

impl Address {
    pub(crate) fn read(text: &str) -> Result<Self, BadTemplate> {
        let mut url = Url::parse(text).map_err(|_| BadTemplate::Url)?;
        let is_plain = ["http", "https"].contains(&url.scheme())
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if !is_plain {
            return Err(BadTemplate::Url);
        }
        let front = text.split('?').next().unwrap_or_default();
        if front.contains("{{") {
            return Err(BadTemplate::Misplaced);
        }
        let query = fields(url.query_pairs())?;
        url.set_query(None);
        Ok(Self { url, query })
    }

    /// Where it leads, without a query.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn fill(&self, value: &dyn Fn(Place) -> String) -> Url {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(
                self.query
                    .iter()
                    .map(|(name, line)| (name, line.fill(value))),
            );
        }
        url
    }

    pub(crate) fn has(&self, place: Place) -> bool {
        let mut lines = self.query.iter().map(|(_, line)| line);
        lines.any(|line| line.places().any(|found| found == place))
    }
}
