//! Why a login with somebody else's store did not go on.

use crate::{
    connection::{BadReply, Fault, Rejection, TooManyClaims},
    crypto::HashError,
    store::StoreError,
};

/// The steps, for the operator.
pub(super) const IDENTITY: &str = "identity";

/// What a store did not do. Nothing of what was asked is in it.
#[derive(Debug, thiserror::Error)]
pub(in crate::connection) enum StoreFault {
    #[error("more than one person fits, and one must")]
    Ambiguous,
    #[error("the store is not there: {0}")]
    Away(String),
    #[error("all connections to the store are in use")]
    Busy,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error("the store gave what cannot be used: {0}")]
    Misbehaved(String),
    #[error("the settings do not fit the store: {0}")]
    Misfit(String),
    #[error("the store takes passwords of at most {0} bytes")]
    TooLong(usize),
    #[error("the store can do no such thing: {0}")]
    Unable(&'static str),
}

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(in crate::connection) enum Refused {
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the store says that the account is closed")]
    Closed,
    #[error("what was sent is no answer to the form: {0}")]
    Form(#[from] BadReply),
    #[error("nobody has this name")]
    NoPerson,
    #[error("{0}")]
    Local(Rejection),
    #[error(transparent)]
    Storage(#[from] StoreError),
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error("this try was not paid for")]
    Unpaid,
    #[error("the password is another one")]
    WrongPassword,
}

impl From<HashError> for Refused {
    fn from(error: HashError) -> Self {
        Self::Store(error.into())
    }
}

impl Refused {
    /// The step that failed.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Claims(_) => IDENTITY,
            Self::Closed => "account",
            Self::Form(_) | Self::Unasked => "read-form",
            Self::Local(rejection) => rejection.step,
            Self::NoPerson => "find-person",
            Self::Storage(_) => "find-account",
            Self::Store(StoreFault::Hash(_)) => "hash-password",
            Self::Store(_) => "ask-store",
            Self::Unpaid => "spend-budget",
            Self::WrongPassword => "verify-password",
        }
    }

    /// Who must act.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Closed => Fault::AccountClosed,
            Self::Form(_) | Self::NoPerson | Self::Unasked | Self::WrongPassword => Fault::Denied,
            Self::Local(rejection) => rejection.fault,
            Self::Storage(_) | Self::Unpaid => Fault::Internal,
            Self::Claims(_) => Fault::Misbehaved,
            Self::Store(fault) => match fault {
                StoreFault::Ambiguous => Fault::Denied,
                StoreFault::Away(_) => Fault::Unreachable,
                StoreFault::Busy | StoreFault::Hash(HashError::Busy) => Fault::Busy,
                StoreFault::Hash(_) => Fault::Internal,
                StoreFault::Misbehaved(_) => Fault::Misbehaved,
                StoreFault::Misfit(_) | StoreFault::TooLong(_) | StoreFault::Unable(_) => {
                    Fault::Misconfigured
                }
            },
        }
    }
}
