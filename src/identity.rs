//! Who somebody is: the words that every floor shares.
//!
//! An identity is `(connection, subject)`; that pair, never an e-mail address, is the key of an
//! account (OpenID Connect Core 1.0 section 5.7). The user id an application sees carries the
//! connection's name, so that two providers that use the same subject never meet.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The name of a connection: `[a-z0-9-]{1,32}`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectionId {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&name.len()) && name.bytes().all(known) {
            Ok(Self(name.into()))
        } else {
            Err(BadName {
                what: "a connection's name",
                rule: "1 to 32 of a-z, 0-9 and -",
            })
        }
    }
}

/// A name that breaks the rule of its kind.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{what} has {rule}")]
pub(crate) struct BadName {
    what: &'static str,
    rule: &'static str,
}

impl TryFrom<String> for ConnectionId {
    type Error = BadName;

    fn try_from(name: String) -> Result<Self, BadName> {
        name.parse()
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ConnectionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier a connection gives a person: `sub`, NameID, a directory's unique id.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Subject(Arc<str>);

impl Subject {
    /// The subject as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if (1..=512).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(BadName {
                what: "a subject",
                rule: "1 to 512 bytes without control characters",
            })
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0.as_ref().to_owned()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user's id: `connection|subject` of the identity that made the account, percent-encoded ASCII.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct UserId(Arc<str>);

/// What stays as it is in a user id: the characters that are safe in a header, a path and a shell.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'@');

impl UserId {
    /// The id of the account that this identity makes.
    pub(crate) fn new(connection: &ConnectionId, subject: &Subject) -> Self {
        Self(
            format!(
                "{connection}|{}",
                utf8_percent_encode(subject.as_str(), KEPT)
            )
            .into(),
        )
    }

    /// Whether an identity of this subject may have made it: its connection may have been renamed
    /// since.
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        let subject = utf8_percent_encode(subject.as_str(), KEPT);
        let own = self.0.split_once('|').map(|(_, own)| own);
        own.is_some_and(|own| subject.to_string() == own)
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@%".contains(&byte);
        match text.split_once('|') {
            Some((connection, subject))
                if connection.parse::<ConnectionId>().is_ok()
                    && (1..=1536).contains(&subject.len())
                    && subject.bytes().all(known) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(BadName {
                what: "a user id",
                rule: "the form connection|subject",
            }),
        }
    }
}

impl TryFrom<String> for UserId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The standard claims (OpenID Connect Core 1.0 section 5.1), normalised over all connections.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Whether the connection says that it has verified `email`.
    pub(crate) email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) birthdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zoneinfo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<String>,
    /// Whether the connection says that it has verified `phone_number`.
    pub(crate) phone_number_verified: bool,
}

/// What a connection asserts about a person in one login.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Identity {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    /// The normalised profile.
    pub(crate) profile: Profile,
    /// The claims as the provider sent them.
    pub(crate) claims: Map<String, Value>,
    /// The names of the groups, as the provider sent them.
    pub(crate) groups: Groups,
}

/// The groups of a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Option<Vec<String>>", into = "Option<Vec<String>>")]
pub(crate) enum Groups {
    /// All of them, by name.
    Known(Vec<String>),
    /// The provider has some, but what it says of them was not had, or is no list of names. No rule
    /// about groups can be answered.
    Unknown,
}

impl Groups {
    /// The names that are known.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Known(names) => names,
            Self::Unknown => &[],
        }
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

impl From<Option<Vec<String>>> for Groups {
    fn from(names: Option<Vec<String>>) -> Self {
        names.map_or(Self::Unknown, Self::Known)
    }
}

impl From<Groups> for Option<Vec<String>> {
    fn from(groups: Groups) -> Self {
        match groups {
            Groups::Known(names) => Some(names),
            Groups::Unknown => None,
        }
    }
}

impl From<Vec<String>> for Groups {
    fn from(names: Vec<String>) -> Self {
        Self::Known(names)
    }
}

/// How and when somebody proved who they are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Authentication {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    /// When the person last proved it (OpenID Connect Core 1.0 section 2).
    pub(crate) auth_time: crate::clock::Timestamp,
    /// The methods used (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// The authentication context class reference, if the provider names one.
    pub(crate) acr: Option<String>,
    /// When the proof came here, which may be long after `auth_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proven_at: Option<crate::clock::Timestamp>,
    /// When a second factor was proven here, and not at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) second_factor_at: Option<crate::clock::Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_never_merges_two_identities() {
        let id = |connection: &str, subject: &str| {
            UserId::new(&connection.parse().unwrap(), &subject.parse().unwrap())
        };
        assert_eq!(id("google", "110|x").as_str(), "google|110%7Cx");
        assert_ne!(id("a", "b|c"), id("a-b", "c"));
        assert_eq!(id("members", "älice%").as_str(), "members|%C3%A4lice%25");
        assert_eq!(
            id("acme", "x y").as_str().parse::<UserId>().unwrap(),
            id("acme", "x y")
        );
    }

    #[test]
    fn names_that_break_the_rule_are_refused() {
        for bad in ["", "Acme", "a b", "a|b", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<ConnectionId>().is_err(), "{bad:?}");
        }
        for bad in ["", "a\r\nb", "\0", &"s".repeat(513)] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
        for bad in ["alice", "|x", "a|", "a|b|c", "a|b c", "A|b"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }
}
