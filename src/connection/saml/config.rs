//! The keys of a connection with `strategy = "saml"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{metadata::Binding, request::Comparison, response::Signed};
use crate::{connection::federation::Logout, secret::Secret, units::Span};

/// How responses come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResponseBinding {
    Artifact,
    #[default]
    Post,
}

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the provider's metadata are fetched, again each hour.
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
    /// What the provider knows this deployment as. Default: the address of its own metadata,
    /// `…/.auth/saml/NAME/metadata`.
    pub(crate) entity_id: Option<String>,
    /// What must be signed: `either` (default), `assertion`, `response` or `both`.
    pub(crate) signed: Signed,
    /// The kind of name that is asked for. Default: whatever the provider likes.
    pub(crate) name_id_format: Option<String>,
    /// The attribute that says who somebody is, by its name or its friendly name. Default: the
    /// NameID, which then must not be a transient one.
    pub(crate) user_id_attribute: Option<String>,
    /// The authentication contexts that are asked for; one of them must come back.
    pub(crate) authn_contexts: Vec<String>,
    /// How the provider compares: `exact` (default) with all of them; `minimum`, `maximum` or
    /// `better` with the first of them, and one of them must come back all the same.
    pub(crate) authn_context_comparison: Comparison,
    /// The attributes that are asked for, by our metadata.
    pub(crate) requested_attributes: Vec<String>,
    /// Whether the provider must not ask anybody. Default: false.
    pub(crate) is_passive: bool,
    /// Whether logins may begin at the provider. Default: false. People are asked whether they want
    /// that: another site may have begun it.
    pub(crate) idp_initiated: bool,
    /// How requests are sent: `redirect` or `post`. Default: whichever the provider takes.
    pub(crate) request_binding: Option<Binding>,
    /// How responses come: `post` (default) or `artifact`, which is resolved from here.
    pub(crate) response_binding: ResponseBinding,
    /// Signing out ends the session at the provider as well: `provider` (default) or `local`.
    pub(crate) logout: Logout,
    /// How often the metadata are read again. Default: 1h.
    pub(crate) metadata_refresh: Option<Span>,
    /// Whether people sign in at the provider each time. Default: false.
    pub(crate) force_authn: bool,
    /// What the provider may call this deployment on its pages.
    pub(crate) provider_name: Option<String>,
    /// A private key (PEM, RSA or P-256) by which requests are signed. Default: they are not.
    pub(crate) signing_key: Option<Secret>,
    /// The key that will sign: our metadata name it ahead.
    pub(crate) next_signing_key: Option<Secret>,
    /// Whether our metadata are signed. Default: false.
    pub(crate) sign_metadata: bool,
    /// Private keys (PEM, RSA) for what the provider encrypts, in the order in which they are tried.
    pub(crate) decryption_keys: Vec<Secret>,
    /// Root certificates (PEM) for calls to the provider, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// A client certificate and its key (PEM files), for calls to the provider.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_certificate_key: Option<Secret>,
    /// Accepts AES-CBC, which whoever is between can change unseen.
    pub(crate) danger_cbc: bool,
    /// Accepts certificates of the provider after their end.
    pub(crate) danger_expired_certificates: bool,
    /// Accepts signatures with SHA-1, which can be forged.
    pub(crate) danger_sha1: bool,
    /// Allows plain http to a provider that is not on this machine: what it says can be forged.
    pub(crate) danger_plain_http: bool,
}
