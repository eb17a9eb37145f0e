//! Why a login by OAuth 2.0 did not go on.

use http::StatusCode;

use crate::{
    connection::{Fault, TooManyClaims, oauth::AnswerError},
    egress::http::HttpError,
};

/// The steps, for the operator.
pub(super) const TOKEN: &str = "token-request";
pub(super) const PROFILE: &str = "profile-request";

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the endpoint answered {status} with the error {error:?}")]
    Error {
        step: &'static str,
        status: StatusCode,
        error: String,
    },
    #[error("the endpoint was not reached: {error}")]
    Http {
        step: &'static str,
        error: HttpError,
    },
    #[error("the value {{{name}}} is not there, or cannot be sent on")]
    NoValue { step: &'static str, name: String },
    #[error("nothing says who it is: the subject is a text or an integer")]
    NoSubject,
    #[error("the provider speaks of somebody else now")]
    OtherSubject,
    #[error("the access token is of the type {0:?}")]
    OtherTokenType(String),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error("the answer cannot be read: {why}")]
    Unreadable { step: &'static str, why: String },
}

impl Refused {
    /// The step that failed.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Answer(_) | Self::Unasked => "authorization-response",
            Self::Claims(_) | Self::NoSubject | Self::OtherSubject => "identity",
            Self::OtherTokenType(_) => TOKEN,
            Self::Error { step, .. }
            | Self::Http { step, .. }
            | Self::NoValue { step, .. }
            | Self::Unreadable { step, .. } => step,
        }
    }

    /// Who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Answer(error) => error.fault(),
            Self::Error { status, error, .. } => match error.as_str() {
                // The code was used, or is too old, in GitHub's, the standard's and Slack's words.
                "bad_verification_code" | "invalid_code" | "invalid_grant" => Fault::Denied,
                _ if status.is_server_error() => Fault::Unreachable,
                _ if status.is_redirection() => Fault::Misbehaved,
                _ => Fault::Misconfigured,
            },
            Self::Http { .. } => Fault::Unreachable,
            Self::Unasked => Fault::Denied,
            Self::Claims(_)
            | Self::NoSubject
            | Self::OtherSubject
            | Self::NoValue { .. }
            | Self::OtherTokenType(_)
            | Self::Unreadable { .. } => Fault::Misbehaved,
        }
    }
}
