//! The keys of a connection with `strategy = "wsfed"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{connection::federation::Logout, secret::Secret, units::Span};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the provider's federation metadata are fetched, again each hour.
    pub(crate) metadata_url: Option<String>,
    /// A file with them instead.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) metadata: Option<PathBuf>,
    /// The certificate (PEM) that must have signed the metadata. Default: whoever gave them is
    /// trusted.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) metadata_certificate: Option<PathBuf>,
    /// Which provider is meant, if the metadata have several: its entity ID.
    pub(crate) idp_entity_id: Option<String>,
    /// What the provider knows this deployment as. Default: where its answers come to,
    /// `…/.auth/callback/NAME`.
    pub(crate) wtrealm: Option<String>,
    /// How people must sign in at the provider: the first is asked for, and one of them must come
    /// back.
    pub(crate) wauth: Vec<String>,
    /// The home realm of the people: the provider behind the provider.
    pub(crate) whr: Option<String>,
    /// How long ago people may have signed in at the provider. `0s`: they sign in each time.
    pub(crate) wfresh: Option<Span>,
    /// The claim that says who somebody is, by its name. Default: the NameIdentifier, which then
    /// must not be a transient one; in a JWT, `sub`.
    pub(crate) user_id_attribute: Option<String>,
    /// Signing out ends the session at the provider as well: `provider` (default) or `local`.
    pub(crate) logout: Logout,
    /// How often the metadata are read again. Default: 1h.
    pub(crate) metadata_refresh: Option<Span>,
    /// Private keys (PEM, RSA) for tokens that the provider encrypts, in the order in which they are
    /// tried.
    pub(crate) decryption_keys: Vec<Secret>,
    /// Root certificates (PEM) for calls to the provider, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// Accepts AES-CBC, which whoever is between can change unseen.
    pub(crate) danger_cbc: bool,
    /// Accepts certificates of the provider after their end.
    pub(crate) danger_expired_certificates: bool,
    /// Accepts tokens that say that people sign in in the future: when they did is then not known.
    pub(crate) danger_future_authentication: bool,
    /// Accepts signatures with SHA-1, which can be forged.
    pub(crate) danger_sha1: bool,
    /// Allows plain http to a provider that is not on this machine: what it says can be forged.
    pub(crate) danger_plain_http: bool,
}
