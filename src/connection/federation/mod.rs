//! What the strategies share whose providers introduce themselves by metadata in XML: SAML and
//! WS-Federation. Where the metadata come from ([`source`]), whom they are about ([`entity`]), and
//! what everybody knows of the attributes of a person ([`known`]).

mod entity;
mod known;
mod provider;
mod source;
mod turns;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::{
    entity::{Demands, Entity, METADATA, MetadataError, certificates, location, speaks},
    known::{mapping, name_known},
    provider::{Described, MetadataRules, Provider},
    source::{ProviderError, Source, send, signer},
    turns::{NotDone, Turns},
};

/// Whose session ends when somebody signs out here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Logout {
    /// Ours alone.
    Local,
    /// The provider's as well.
    #[default]
    Provider,
}
