//! Templates: `{given_name} <{email}>`, with `{{` and `}}` for the braces themselves.

use serde_json::{Map, Value};

use super::{
    HeaderEncoding,
    encoding::{Place, encode, encode_list},
};
use crate::{protocol::EmailAddress, session::Principal};

/// The text of a header, with places for what is known about the person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::headers) struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Value(Field),
}

/// What a placeholder stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Field {
    Acr,
    Amr,
    AppMetadata(Vec<String>),
    AuthTime,
    Claims(Vec<String>),
    Connection,
    Email,
    FamilyName,
    GivenName,
    Groups,
    Handle,
    Locale,
    Name,
    Nickname,
    Picture,
    Subject,
    User,
    UserMetadata(Vec<String>),
    Zoneinfo,
}

/// A person, with the e-mail address that may be shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::headers) struct Shown<'a> {
    pub(in crate::headers) who: Principal<'a>,
    pub(in crate::headers) email: Option<&'a EmailAddress>,
}

impl Template {
    /// Reads a template.
    pub(in crate::headers) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let after = rest.get(letter.len_utf8()..).unwrap_or_default();
            rest = match letter {
                '{' | '}' if after.starts_with(letter) => {
                    plain.push(letter);
                    after.get(1..).unwrap_or_default()
                }
                '{' => {
                    let (name, after) = after.split_once('}').ok_or(TemplateError::Open)?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Value(Field::parse(name)?));
                    after
                }
                '}' => return Err(TemplateError::Closed),
                ' '..='~' => {
                    plain.push(letter);
                    after
                }
                other => return Err(TemplateError::Unprintable(other)),
            };
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The header's value for a person; `None` when there is nothing to say: the text is empty,
    /// or every placeholder is.
    pub(in crate::headers) fn render(
        &self,
        shown: Shown<'_>,
        encoding: HeaderEncoding,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut places = 0;
        let mut filled = 0;
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(field) => {
                    let before = out.len();
                    field.write(shown, encoding, &mut out);
                    places += 1;
                    filled += usize::from(out.len() > before);
                }
            }
        }
        let value = out.trim_ascii();
        (!value.is_empty() && (places == 0 || filled > 0)).then(|| value.to_vec())
    }
}

impl Field {
    fn parse(name: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError::Unknown(name.to_owned());
        let at = name.find(['.', '[']).unwrap_or(name.len());
        let (root, path) = name.split_at_checked(at).ok_or_else(unknown)?;
        let whole = |field| {
            if path.is_empty() {
                Ok(field)
            } else {
                Err(unknown())
            }
        };
        match root {
            "acr" => whole(Self::Acr),
            "amr" => whole(Self::Amr),
            "app_metadata" => Ok(Self::AppMetadata(parse_path(path).ok_or_else(unknown)?)),
            "auth_time" => whole(Self::AuthTime),
            "claims" => Ok(Self::Claims(parse_path(path).ok_or_else(unknown)?)),
            "connection" => whole(Self::Connection),
            "email" => whole(Self::Email),
            "family_name" => whole(Self::FamilyName),
            "given_name" => whole(Self::GivenName),
            "groups" => whole(Self::Groups),
            "handle" => whole(Self::Handle),
            "locale" => whole(Self::Locale),
            "name" => whole(Self::Name),
            "nickname" => whole(Self::Nickname),
            "picture" => whole(Self::Picture),
            "subject" => whole(Self::Subject),
            "user" => whole(Self::User),
            "user_metadata" => Ok(Self::UserMetadata(parse_path(path).ok_or_else(unknown)?)),
            "zoneinfo" => whole(Self::Zoneinfo),
            _ => Err(unknown()),
        }
    }

    fn write(&self, shown: Shown<'_>, encoding: HeaderEncoding, out: &mut Vec<u8>) {
        let Principal {
            user,
            authentication,
            identity,
        } = shown.who;
        let identity = &identity.identity;
        let profile = &user.profile;
        let mut text = |text: Option<&str>| {
            encode(text.unwrap_or_default(), Place::Text, encoding, out);
        };
        match self {
            Self::Acr => text(authentication.acr.as_deref()),
            Self::Amr => {
                encode_list(authentication.amr.iter().map(String::as_str), encoding, out);
            }
            Self::AppMetadata(path) => json(&user.app_metadata, path, encoding, out),
            Self::AuthTime => text(Some(&authentication.auth_time.seconds().to_string())),
            Self::Claims(path) => json(&identity.claims, path, encoding, out),
            Self::Connection => text(Some(identity.connection.as_str())),
            Self::Email => text(shown.email.map(EmailAddress::as_str)),
            Self::FamilyName => text(profile.family_name.as_deref()),
            Self::GivenName => text(profile.given_name.as_deref()),
            Self::Groups => encode_list(
                identity.groups.names().iter().map(String::as_str),
                encoding,
                out,
            ),
            Self::Handle => text(Some(&user.handle)),
            Self::Locale => text(profile.locale.as_deref()),
            Self::Name => text(profile.name.as_deref()),
            Self::Nickname => text(profile.nickname.as_deref()),
            Self::Picture => text(profile.picture.as_deref()),
            Self::Subject => text(Some(identity.subject.as_str())),
            // a user id is percent-encoded ASCII already, and one spelling of it is enough
            Self::User => out.extend_from_slice(user.id.as_str().as_bytes()),
            Self::UserMetadata(path) => json(&user.user_metadata, path, encoding, out),
            Self::Zoneinfo => text(profile.zoneinfo.as_deref()),
        }
    }
}

/// `.plan`, `.address.city`, `["https://acme.example/roles"]`.
fn parse_path(path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix("[\"") {
            quoted.split_once("\"]")?
        } else {
            let plain = rest.strip_prefix('.')?;
            plain.split_at_checked(plain.find(['.', '[']).unwrap_or(plain.len()))?
        };
        if name.is_empty() {
            return None;
        }
        names.push(name.to_owned());
        rest = after;
    }
    (!names.is_empty()).then_some(names)
}

/// Writes a value out of a tree: a text, number or truth value, or a flat list of them. A comma in
/// it is encoded even when it stands alone, for the same name may hold a list next time. Anything
/// else is nothing.
fn json(tree: &Map<String, Value>, path: &[String], encoding: HeaderEncoding, out: &mut Vec<u8>) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let found = rest.iter().try_fold(tree.get(first), |value, name| {
        Some(value?.as_object()?.get(name))
    });
    match found.flatten() {
        Some(Value::Array(items)) => {
            if let Some(items) = items.iter().map(scalar).collect::<Option<Vec<_>>>() {
                encode_list(items.iter().map(String::as_str), encoding, out);
            }
        }
        Some(value) => encode_list(scalar(value).as_deref(), encoding, out),
        None => {}
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Null | Value::Object(_) => None,
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
    }
}

/// Why a template cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::headers) enum TemplateError {
    #[error("a }} closes nothing; write }}}} for the brace itself")]
    Closed,
    #[error("a {{ is never closed; write {{{{ for the brace itself")]
    Open,
    #[error("there is no placeholder {{{0}}}")]
    Unknown(String),
    #[error("{0:?} is not printable ASCII")]
    Unprintable(char),
}
