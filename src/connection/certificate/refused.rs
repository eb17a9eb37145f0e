//! Why a certificate lets nobody in.

use openssl::error::ErrorStack;

use super::STEP;
use crate::{
    connection::{Fault, Rejection, TooManyClaims},
    identity::{BadName, ConnectionId},
    protocol::NamesError,
    store::StoreError,
};

/// Why a certificate lets nobody in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the task that verifies ended")]
    Broken,
    #[error("the certificate says too much: {0}")]
    Claims(#[from] TooManyClaims),
    /// Another time, or for whoever is above it.
    #[error("{0} (at depth {1})")]
    Dates(&'static str, u32),
    #[error("what was shown at the other origin is not there any more: it was used, or is too old")]
    Gone,
    #[error("none of the authorities in ca issued it: {0} (at depth {1})")]
    Issuer(&'static str, u32),
    #[error("{file} cannot be read: {why}")]
    ListFile { file: String, why: String },
    #[error(
        "the revocation list of {issuer} cannot be used: {why}; put a current one into a file of crl"
    )]
    List { issuer: String, why: &'static str },
    #[error("no certificate was shown")]
    NotShown,
    #[error("it is for something else than client authentication: {0} (at depth {1})")]
    Purpose(&'static str, u32),
    #[error("it was revoked (at depth {0})")]
    Revoked(u32),
    #[error("the storage failed")]
    Store(#[from] StoreError),
    #[error("a key or a signature is too weak: {0} (at depth {1})")]
    Strength(&'static str, u32),
    #[error("there are {count} of what says who somebody is, {what}, and not one")]
    Subject { what: &'static str, count: usize },
    #[error("what says who somebody is cannot: {0}")]
    SubjectText(#[from] BadName),
    #[error("it is not readable: {0}")]
    Names(#[from] NamesError),
    #[error("it is not readable: {0}")]
    Unreadable(#[from] ErrorStack),
    #[error("no certificate was asked for")]
    Unasked,
}

impl Refused {
    /// The check that failed, as [`CHECKS`](super::CHECKS) names it.
    pub(crate) fn check(&self) -> Option<&'static str> {
        match self {
            Self::Broken | Self::Store(_) | Self::Unasked | Self::Gone => None,
            Self::Dates(..) => Some("dates"),
            Self::Issuer(..) => Some("issuer"),
            Self::List { .. } | Self::ListFile { .. } => Some("lists"),
            Self::Names(_) | Self::Unreadable(_) => Some("readable"),
            Self::NotShown => Some("shown"),
            Self::Purpose(..) => Some("purpose"),
            Self::Revoked(_) => Some("revoked"),
            Self::Strength(..) => Some("strength"),
            Self::Claims(_) | Self::Subject { .. } | Self::SubjectText(_) => Some("subject"),
        }
    }

    /// Who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Broken | Self::Store(_) => Fault::Internal,
            Self::List { .. } | Self::ListFile { .. } => Fault::Misconfigured,
            Self::NotShown => Fault::CertificateMissing,
            Self::Claims(_)
            | Self::Dates(..)
            | Self::Issuer(..)
            | Self::Names(_)
            | Self::Purpose(..)
            | Self::Revoked(_)
            | Self::Strength(..)
            | Self::Subject { .. }
            | Self::SubjectText(_)
            | Self::Unreadable(_) => Fault::CertificateRefused,
            Self::Gone | Self::Unasked => Fault::Denied,
        }
    }

    /// The end of a login.
    pub(crate) fn rejection(self, connection: &ConnectionId) -> Rejection {
        Rejection {
            connection: connection.clone(),
            fault: self.fault(),
            step: STEP,
            check: self.check(),
            source: Some(Box::new(self)),
        }
    }
}
