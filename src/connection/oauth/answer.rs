//! The authorization response (RFC 6749 section 4.1.2, RFC 9207).

use schemars::JsonSchema;
use serde::Deserialize;
use url::form_urlencoded;

use super::printable;
use crate::connection::{Fault, Reply};

/// A longer code than any provider gives, in bytes.
const MOST_CODE: usize = 8 << 10;

/// How the authorization response comes (OAuth 2.0 Multiple Response Type Encoding Practices
/// section 2.1, OAuth 2.0 Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseMode {
    FormPost,
    #[default]
    Query,
}

/// What the answer must be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) mode: ResponseMode,
    pub(crate) issuer: NamedIssuer<'a>,
    /// What the provider calls these two.
    pub(crate) code: &'a str,
    pub(crate) error: &'a str,
}

/// The issuer that an answer names (RFC 9207).
#[derive(Clone, Copy, Debug)]
pub(crate) enum NamedIssuer<'a> {
    /// It must be there, and be this.
    Always(&'a str),
    /// If it is there, it must be this.
    IfThere(&'a str),
    /// Nobody knows what it would be.
    Unknown,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: String,
    /// What Apple sends with the first answer about a person, as JSON.
    pub(crate) user: Option<String>,
    /// All of it, as it came.
    octets: Vec<u8>,
}

/// Why an answer is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the answer came in another way than was asked for")]
    OtherMode,
    #[error("the parameter {0} is there twice")]
    Repeated(String),
    #[error("there is no code in the answer")]
    NoCode,
    #[error("the answer is from another issuer")]
    OtherIssuer,
    #[error("the answer does not say which issuer it is from")]
    NoIssuer,
    #[error("the provider answered {0:?}")]
    Refused(String),
}

impl AnswerError {
    /// Who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Refused(code) => match code.as_str() {
                "server_error" | "temporarily_unavailable" => Fault::Unreachable,
                "access_denied"
                | "account_selection_required"
                | "consent_required"
                | "interaction_required"
                | "login_required"
                | "unmet_authentication_requirements"
                | "user_cancelled_authorize"
                | "user_cancelled_login" => Fault::Denied,
                _ => Fault::Misconfigured,
            },
            Self::OtherMode | Self::Repeated(_) | Self::NoCode => Fault::Denied,
            Self::OtherIssuer | Self::NoIssuer => Fault::Misbehaved,
        }
    }
}

impl Answer {
    /// Reads what came to the redirect URI. Whoever sent it: the flow has checked `state`.
    pub(crate) fn read(reply: Reply<'_>, expected: &Expected<'_>) -> Result<Self, AnswerError> {
        let octets = match (reply, expected.mode) {
            (Reply::Query(query), ResponseMode::Query) => query.as_bytes(),
            (Reply::Form(body), ResponseMode::FormPost) => body,
            _ => return Err(AnswerError::OtherMode),
        };
        let one = |name: &str| parameter(octets, name);
        one("state")?;
        let (code, error, iss) = (one(expected.code)?, one(expected.error)?, one("iss")?);
        // An error's issuer counts as much (RFC 9207 section 2.4).
        match (iss, expected.issuer) {
            (Some(iss), NamedIssuer::Always(issuer) | NamedIssuer::IfThere(issuer))
                if iss != issuer =>
            {
                return Err(AnswerError::OtherIssuer);
            }
            (None, NamedIssuer::Always(_)) => return Err(AnswerError::NoIssuer),
            _ => {}
        }
        if let Some(error) = error {
            return Err(AnswerError::Refused(printable(&error)));
        }
        match code {
            Some(code) if !code.is_empty() && code.len() <= MOST_CODE => Ok(Self {
                code,
                user: one("user")?.filter(|_| expected.mode == ResponseMode::FormPost),
                octets: octets.to_vec(),
            }),
            _ => Err(AnswerError::NoCode),
        }
    }

    /// Another parameter of it.
    pub(crate) fn parameter(&self, name: &str) -> Result<Option<String>, AnswerError> {
        parameter(&self.octets, name)
    }
}

/// A parameter of an answer; no parameter may be there twice (RFC 6749 section 3.1).
fn parameter(octets: &[u8], name: &str) -> Result<Option<String>, AnswerError> {
    let mut found = form_urlencoded::parse(octets).filter(|(known, _)| known == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(AnswerError::Repeated(name.to_owned())),
        (found, None) => Ok(found.map(|(_, value)| value.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected<'static> = Expected {
        mode: ResponseMode::Query,
        issuer: NamedIssuer::IfThere("https://idp.example"),
        code: "code",
        error: "error",
    };

    fn read(query: &str) -> Result<String, AnswerError> {
        Answer::read(Reply::Query(query), &EXPECTED).map(|answer| answer.code)
    }

    #[test]
    fn a_code_is_taken_once() {
        assert_eq!(read("code=a%2Bb&state=s"), Ok("a+b".to_owned()));
        assert_eq!(read("state=s"), Err(AnswerError::NoCode));
        assert_eq!(read("code=&state=s"), Err(AnswerError::NoCode));
        for name in ["code", "state", "iss", "error"] {
            let twice = format!("code=a&state=s&{name}=x&{name}=y");
            assert!(
                matches!(read(&twice), Err(AnswerError::Repeated(_))),
                "{name}"
            );
        }
        let long = format!("code={}", "a".repeat(MOST_CODE + 1));
        assert_eq!(read(&long), Err(AnswerError::NoCode));
    }

    #[test]
    fn an_issuer_that_is_named_is_the_right_one() {
        assert!(read("code=a&iss=https%3A%2F%2Fidp.example").is_ok());
        let other = "code=a&iss=https%3A%2F%2Fidp.example%2F";
        assert_eq!(read(other), Err(AnswerError::OtherIssuer));
        let strict = Expected {
            issuer: NamedIssuer::Always("https://idp.example"),
            ..EXPECTED
        };
        let read = |query| Answer::read(Reply::Query(query), &strict);
        assert!(read("code=a&iss=https%3A%2F%2Fidp.example").is_ok());
        assert_eq!(read(other).unwrap_err(), AnswerError::OtherIssuer);
        assert_eq!(read("code=a").unwrap_err(), AnswerError::NoIssuer);
        let denied = "error=access_denied";
        assert_eq!(read(denied).unwrap_err(), AnswerError::NoIssuer);
    }

    #[test]
    fn it_comes_as_it_was_asked_for() {
        let form = Reply::Form(b"code=a&user=%7B%7D");
        let query = Reply::Query("code=a&user=%7B%7D");
        let read = |reply, mode| Answer::read(reply, &Expected { mode, ..EXPECTED });
        assert!(read(form, ResponseMode::Query).is_err());
        assert!(read(query, ResponseMode::FormPost).is_err());
        let posted = read(form, ResponseMode::FormPost).unwrap();
        assert_eq!(posted.user.as_deref(), Some("{}"));
        assert!(read(query, ResponseMode::Query).unwrap().user.is_none());
    }

    #[test]
    fn an_error_says_who_must_act_and_nothing_else() {
        for (code, fault) in [
            ("access_denied", Fault::Denied),
            ("login_required", Fault::Denied),
            ("temporarily_unavailable", Fault::Unreachable),
            ("invalid_scope", Fault::Misconfigured),
        ] {
            let error = read(&format!("error={code}&error_description=x")).unwrap_err();
            assert_eq!(error, AnswerError::Refused(code.to_owned()));
            assert_eq!(error.fault(), fault, "{code}");
        }
        let hostile = format!("error=%22%0A<script>%1b{}", "x".repeat(100));
        let AnswerError::Refused(shown) = read(&hostile).unwrap_err() else {
            panic!("refused")
        };
        assert!(shown.starts_with("<script>xx") && shown.len() == 64);
    }
}
