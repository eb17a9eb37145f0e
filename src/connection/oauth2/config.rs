//! The keys of a connection with `strategy = "oauth2"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Provider;
use crate::secret::Secret;

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What the provider knows this deployment as.
    pub(crate) client_id: String,
    /// The secret that it gave with it, where there is one.
    pub(crate) client_secret: Option<Secret>,
    /// What is asked for. Default: what `provider` says.
    pub(crate) scopes: Option<Vec<String>>,
    /// How the provider speaks.
    pub(crate) provider: Provider,
    /// Certificates (a PEM file) that the provider's must be signed by. Default: the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// Allows plain http to a provider that is not on this machine: what it says can be forged.
    pub(crate) danger_plain_http: bool,
}
