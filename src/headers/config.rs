//! The keys of a route that say how the application learns who is calling.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Identity headers: the name of a preset, or a table of header = template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Headers {
    Preset(String),
    Table(BTreeMap<String, String>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Preset("x-forwarded".to_owned())
    }
}

/// How a value that is not printable ASCII is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HeaderEncoding {
    /// UTF-8, then percent-encoding of everything outside printable ASCII and of `%`.
    #[default]
    Percent,
    /// The UTF-8 octets as they are, but for control characters and `%`.
    Utf8,
}
