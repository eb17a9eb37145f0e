//! What connections find when they look after themselves.

use crate::clock::Timestamp;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tended {
    /// Why a document of the provider is not there.
    pub(crate) failed: Option<String>,
    /// What ends, and when.
    pub(crate) ends: Vec<Expiry>,
}

/// Something that ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Expiry {
    /// `certificate`, `metadata`.
    pub(crate) what: &'static str,
    pub(crate) at: Timestamp,
}
