//! The authorization response (RFC 6749 section 4.1.2, RFC 9207).

use url::form_urlencoded;

use super::{Metadata, ResponseMode};
use crate::connection::{Fault, Reply};

/// A longer code than any provider gives, in bytes.
const MOST_CODE: usize = 8 << 10;

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: String,
    /// What Apple sends with the first answer about a person, as JSON.
    pub(crate) user: Option<String>,
}

/// Why an answer is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the answer came in another way than was asked for")]
    OtherMode,
    #[error("the parameter {0} is there twice")]
    Repeated(&'static str),
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
    pub(crate) fn read(
        reply: Reply<'_>,
        mode: ResponseMode,
        metadata: &Metadata,
    ) -> Result<Self, AnswerError> {
        let octets = match (reply, mode) {
            (Reply::Query(query), ResponseMode::Query) => query.as_bytes(),
            (Reply::Form(body), ResponseMode::FormPost) => body,
            _ => return Err(AnswerError::OtherMode),
        };
        let one = |name: &'static str| {
            let mut found = form_urlencoded::parse(octets).filter(|(known, _)| known == name);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(AnswerError::Repeated(name)),
                (found, None) => Ok(found.map(|(_, value)| value.into_owned())),
            }
        };
        one("state")?;
        let (code, error, iss) = (one("code")?, one("error")?, one("iss")?);
        // An error's issuer counts as much (RFC 9207 section 2.4).
        match iss {
            Some(iss) if iss == metadata.issuer => {}
            Some(_) => return Err(AnswerError::OtherIssuer),
            None if metadata.authorization_response_iss_parameter_supported => {
                return Err(AnswerError::NoIssuer);
            }
            None => {}
        }
        if let Some(error) = error {
            return Err(AnswerError::Refused(printable(&error)));
        }
        match code {
            Some(code) if !code.is_empty() && code.len() <= MOST_CODE => Ok(Self {
                code,
                user: one("user")?.filter(|_| mode == ResponseMode::FormPost),
            }),
            _ => Err(AnswerError::NoCode),
        }
    }
}

/// An error code as RFC 6749 section 4.1.2.1 has them, short and without anything that could do
/// harm in a log.
pub(crate) fn printable(code: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() && *c != '"' && *c != '\\';
    code.chars().filter(plain).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::oidc::tests::metadata;

    fn read(query: &str) -> Result<String, AnswerError> {
        let metadata = metadata(false);
        Answer::read(Reply::Query(query), ResponseMode::Query, &metadata).map(|answer| answer.code)
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
        let (query, strict) = ("code=a", metadata(true));
        let read = |query| Answer::read(Reply::Query(query), ResponseMode::Query, &strict);
        assert_eq!(read(query).unwrap_err(), AnswerError::NoIssuer);
        let denied = "error=access_denied";
        assert_eq!(read(denied).unwrap_err(), AnswerError::NoIssuer);
    }

    #[test]
    fn it_comes_as_it_was_asked_for() {
        let metadata = metadata(false);
        let form = Reply::Form(b"code=a&user=%7B%7D");
        let query = Reply::Query("code=a&user=%7B%7D");
        let read = |reply, mode| Answer::read(reply, mode, &metadata);
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
