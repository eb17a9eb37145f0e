//! Why a passkey lets nobody in.

use crate::{
    connection::{Fault, Rejection},
    identity::ConnectionId,
    protocol::webauthn,
    store::StoreError,
};

/// The step of a login, for the operator.
pub(super) const STEP: &str = "verify-passkey";

/// Why a passkey lets nobody in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Answer(#[from] webauthn::Refused),
    #[error("the challenge is not ours, or for something else")]
    Challenge,
    #[error("the challenge is older than five minutes")]
    Late,
    #[error("the authenticator does not say whose passkey it is")]
    Nameless,
    #[error("it is the passkey of another user")]
    NotTheirs,
    #[error("the form came without a passkey")]
    Nothing,
    #[error("the storage failed")]
    Store(#[from] StoreError),
    #[error("nobody here has this passkey")]
    Unknown,
    #[error("nobody asked for it")]
    Unasked,
}

impl Refused {
    /// The check that failed.
    pub(crate) fn check(&self) -> Option<&'static str> {
        match self {
            Self::Answer(webauthn::Refused::Cloned) => Some("counter"),
            Self::Answer(_) => Some("answer"),
            Self::Challenge => Some("challenge"),
            Self::Late => Some("late"),
            Self::Nameless | Self::NotTheirs => Some("user"),
            Self::Nothing => Some("nothing"),
            Self::Unknown => Some("known"),
            Self::Store(_) | Self::Unasked => None,
        }
    }

    /// The end of a login.
    pub(super) fn rejection(self, connection: &ConnectionId) -> Rejection {
        let fault = match self {
            Self::Store(_) => Fault::Internal,
            _ => Fault::Denied,
        };
        Rejection {
            connection: connection.clone(),
            fault,
            step: STEP,
            check: self.check(),
            source: Some(Box::new(self)),
        }
    }
}
