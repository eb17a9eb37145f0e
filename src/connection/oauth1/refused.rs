//! Why a login by OAuth 1.0a did not go on.

use http::StatusCode;
use openssl::error::ErrorStack;

use crate::{
    connection::{Fault, TooManyClaims, beginnings::AllWaiting},
    egress::http::HttpError,
};

/// The steps, for the operator.
pub(super) const TEMPORARY: &str = "request-token";
pub(super) const TOKEN: &str = "access-token";
pub(super) const PROFILE: &str = "profile-request";

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    AllWaiting(#[from] AllWaiting),
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the person or the provider said no")]
    Denied,
    #[error("the endpoint was not reached: {error}")]
    Http {
        step: &'static str,
        error: HttpError,
    },
    #[error("nothing says who it is: the subject is a text or an integer")]
    NoSubject,
    #[error("the value {{{0}}} is not there, or cannot be sent on")]
    NoValue(String),
    #[error("there is no oauth_verifier in the answer")]
    NoVerifier,
    #[error("the answer is about another request")]
    OtherToken,
    #[error("the parameter {0} is there twice")]
    Repeated(&'static str),
    #[error("the request was not signed: {error}")]
    Sign {
        step: &'static str,
        error: ErrorStack,
    },
    #[error("the endpoint answered {status}")]
    Status {
        step: &'static str,
        status: StatusCode,
    },
    #[error("nobody asked for this answer")]
    Unasked,
    #[error(
        "the provider does not confirm the callback: it speaks OAuth 1.0, where a login can be put on somebody else"
    )]
    Unconfirmed,
    #[error("the answer cannot be read: {why}")]
    Unreadable { step: &'static str, why: String },
}

impl Refused {
    /// The step that failed.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Denied
            | Self::NoVerifier
            | Self::OtherToken
            | Self::Repeated(_)
            | Self::Unasked => "authorization-response",
            Self::Claims(_) | Self::NoSubject => "identity",
            Self::NoValue(_) => PROFILE,
            Self::AllWaiting(_) | Self::Unconfirmed => TEMPORARY,
            Self::Http { step, .. }
            | Self::Sign { step, .. }
            | Self::Status { step, .. }
            | Self::Unreadable { step, .. } => step,
        }
    }

    /// Who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::AllWaiting(_) => Fault::Busy,
            Self::Denied
            | Self::NoVerifier
            | Self::OtherToken
            | Self::Repeated(_)
            | Self::Unasked => Fault::Denied,
            Self::Http { .. } => Fault::Unreachable,
            Self::Status { status, .. } if status.is_server_error() => Fault::Unreachable,
            // The verifier was used, or is too old.
            Self::Status {
                step: TOKEN,
                status,
            } if status.is_client_error() => Fault::Denied,
            Self::Status { status, .. } if status.is_client_error() => Fault::Misconfigured,
            Self::Sign { .. } => Fault::Internal,
            Self::Claims(_)
            | Self::NoSubject
            | Self::NoValue(_)
            | Self::Status { .. }
            | Self::Unconfirmed
            | Self::Unreadable { .. } => Fault::Misbehaved,
        }
    }
}
