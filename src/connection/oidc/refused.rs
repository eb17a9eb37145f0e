//! Why a login by OpenID Connect did not go on.

use http::StatusCode;

use super::{
    authorization, checks,
    id_token::{self, IdTokenError},
    keys::KeyError,
    logout::LogoutTokenError,
    metadata::ProviderError,
    token, userinfo,
};
use crate::{
    connection::{
        Fault, TooManyClaims, beginnings::AllWaiting, cached::Passing, oauth::AnswerError,
    },
    crypto::jose::{JweError, JwsError, SignError},
    egress::http::HttpError,
    store::StoreError,
};

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    AllWaiting(#[from] AllWaiting),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the token does not open: {error}")]
    Decryption { step: &'static str, error: JweError },
    #[error("the ID token is {}", if *encrypted { "encrypted, which is not set here" } else { "not encrypted, as is set here" })]
    Encryption { encrypted: bool },
    #[error("the endpoint was not reached: {error}")]
    Http {
        step: &'static str,
        error: HttpError,
    },
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    #[error("this client's key does not work: {error}")]
    Key { step: &'static str, error: KeyError },
    #[error("the provider's keys are not there: {error}")]
    Keys {
        step: &'static str,
        error: ProviderError,
    },
    #[error("the logout token: {0}")]
    Logout(#[from] LogoutTokenError),
    #[error("the answer holds no ID token: is openid among the scopes?")]
    NoIdToken,
    #[error("the client_secret is missing, and the client authenticates with it")]
    NoSecret,
    #[error("the provider does not offer {0}")]
    NotOffered(&'static str),
    #[error("the person is of another domain than is set here")]
    OtherDomain,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the signature is not accepted: {error}")]
    Signature { step: &'static str, error: JwsError },
    #[error("the endpoint answered {status} {error:?}")]
    Status {
        step: &'static str,
        status: StatusCode,
        error: String,
    },
    #[error("the storage failed: {0}")]
    Store(StoreError),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error("the answer cannot be read: {why}")]
    Unreadable { step: &'static str, why: String },
    #[error("the userinfo answer: {0}")]
    Userinfo(IdTokenError),
}

impl Refused {
    /// A key of this client's that does not sign.
    pub(crate) fn unsigned(step: &'static str, error: SignError) -> Self {
        let error = error.into();
        Self::Key { step, error }
    }

    /// The step that failed.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::AllWaiting(_) => authorization::PUSHED,
            Self::Answer(_) | Self::Unasked => checks::ANSWER,
            Self::Encryption { .. } | Self::IdToken(_) | Self::NoIdToken | Self::OtherDomain => {
                id_token::STEP
            }
            Self::Claims(_) | Self::Store(_) => checks::IDENTITY,
            Self::Logout(_) => "logout-token",
            Self::NoSecret => token::STEP,
            Self::NotOffered(_) | Self::Provider(_) => checks::METADATA,
            Self::Userinfo(_) => userinfo::STEP,
            Self::Decryption { step, .. }
            | Self::Http { step, .. }
            | Self::Key { step, .. }
            | Self::Keys { step, .. }
            | Self::Signature { step, .. }
            | Self::Status { step, .. }
            | Self::Unreadable { step, .. } => step,
        }
    }

    /// Which of the [checks of an ID token](id_token::CHECKS).
    pub(crate) fn check(&self) -> Option<&'static str> {
        match self {
            Self::IdToken(error) => Some(error.check()),
            Self::Keys {
                step: id_token::STEP,
                ..
            } => Some("keys"),
            Self::OtherDomain => Some("hd"),
            Self::Signature {
                step: id_token::STEP,
                ..
            } => Some("signature"),
            _ => None,
        }
    }

    /// Who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::AllWaiting(_) => Fault::Busy,
            Self::Answer(error) => error.fault(),
            Self::Http { .. } => Fault::Unreachable,
            // The person must do more there, or be somebody else.
            Self::IdToken(
                IdTokenError::Acr(_) | IdTokenError::AcrMissing | IdTokenError::AuthTimeTooOld(_),
            )
            | Self::OtherDomain
            | Self::Unasked => Fault::Denied,
            Self::Key { .. } | Self::Store(_) => Fault::Internal,
            Self::NoSecret | Self::NotOffered(_) | Self::Encryption { .. } => Fault::Misconfigured,
            Self::Keys { error, .. } | Self::Provider(error) if error.is_passing() => {
                Fault::Unreachable
            }
            Self::Status { status, error, .. } => match error.as_str() {
                // The code was used, or is too old.
                "invalid_grant" => Fault::Denied,
                _ if status.is_server_error() => Fault::Unreachable,
                _ if status.is_client_error() => Fault::Misconfigured,
                _ => Fault::Misbehaved,
            },
            Self::Claims(_)
            | Self::Decryption { .. }
            | Self::IdToken(_)
            | Self::Keys { .. }
            | Self::Logout(_)
            | Self::NoIdToken
            | Self::Provider(_)
            | Self::Signature { .. }
            | Self::Unreadable { .. }
            | Self::Userinfo(_) => Fault::Misbehaved,
        }
    }
}
