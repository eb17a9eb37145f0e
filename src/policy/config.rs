//! The keys of a route that the policy reads.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// Step-up: what a login must have been like.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Require {
    /// Methods that must all have been used (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// One of these authentication contexts.
    pub(crate) acr: Vec<String>,
    /// How old the login may be.
    pub(crate) max_age: Option<Span>,
}
