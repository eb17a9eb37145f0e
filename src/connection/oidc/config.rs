//! The keys of a connection with `strategy = "oidc"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::quirks::Quirks;
use crate::{
    connection::oauth::ResponseMode, crypto::jose::Algorithm, secret::Secret, units::Span,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The provider's issuer identifier, exactly as its tokens say it. Its metadata is read from
    /// `/.well-known/openid-configuration` below it at the first login.
    pub(crate) issuer: String,
    /// What the provider knows this deployment as.
    pub(crate) client_id: String,
    /// The secret that it gave with it, where there is one.
    pub(crate) client_secret: Option<Secret>,
    /// How the client shows who it is. Default: what the provider's metadata prefers of what is
    /// configured here.
    pub(crate) token_endpoint_auth_method: Option<AuthMethod>,
    /// What is asked for. Default: `openid profile email`.
    pub(crate) scopes: Option<Vec<String>>,
    /// The endpoints, where the provider publishes no metadata or other ones are wanted. With
    /// `authorization_endpoint`, `token_endpoint` and `jwks_uri` all given, none are read.
    pub(crate) endpoints: Endpoints,
    /// How the answer comes back: `query` (default) or `form_post`.
    pub(crate) response_mode: ResponseMode,
    /// What the provider is to ask the person: `login`, `consent`, `select_account`.
    pub(crate) prompt: Option<String>,
    /// How long ago the person may have signed in there; the provider's `auth_time` is checked.
    pub(crate) max_age: Option<Span>,
    /// One of these authentication contexts is asked for, and one of them must come back.
    pub(crate) acr_values: Vec<String>,
    /// The authentication contexts that may come back, where they are not those of `acr_values`.
    pub(crate) accepted_acr_values: Option<Vec<String>>,
    /// Languages for the provider's pages, the best first (BCP 47).
    pub(crate) ui_locales: Vec<String>,
    /// The `claims` parameter (OpenID Connect Core 1.0 section 5.5), as a table.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub(crate) request_claims: Option<toml::Table>,
    /// Whether the parameters are pushed to the provider beforehand (RFC 9126). Default: if its
    /// metadata demand it.
    pub(crate) pushed_authorization: Option<bool>,
    /// Whether the parameters are signed (RFC 9101). Default: no.
    pub(crate) signed_request: bool,
    /// A private key (PEM or JWK) for `private_key_jwt` and signed requests. Default: a key of this
    /// deployment's own, which is rotated with the others. The public one is at `jwks/NAME`.
    pub(crate) private_key: Option<Secret>,
    /// What the private key signs with. Default: what fits the key.
    pub(crate) signing_alg: Option<Algorithm>,
    /// Whom a client assertion is for: `issuer` (default) or `token_endpoint`.
    pub(crate) client_assertion_audience: AssertionAudience,
    /// A client certificate and its key (PEM files), for mutual TLS (RFC 8705).
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_certificate_key: Option<Secret>,
    /// Certificates (a PEM file) that the provider's must be signed by. Default: the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// How ID tokens may be signed. Default: RS256, PS256, ES256, ES384, ES512 and EdDSA, as far
    /// as the metadata name them.
    pub(crate) id_token_algs: Vec<Algorithm>,
    /// Whether ID tokens must come encrypted. Then a plain one is refused. Default: no.
    pub(crate) encrypted_id_token: bool,
    /// Private keys (PEM or JWK) that the provider encrypts for. Default: a key of this
    /// deployment's own, for ECDH-ES. The public ones are at `jwks/NAME`.
    pub(crate) decryption_keys: Vec<Secret>,
    /// Audiences besides this client that an ID token may name.
    pub(crate) trusted_audiences: Vec<String>,
    /// Whether the userinfo endpoint is asked as well. Default: if there is one.
    pub(crate) userinfo: Option<bool>,
    /// Whether access tokens are bound to a key of this deployment (RFC 9449). Default: no.
    pub(crate) dpop: bool,
    /// What signing out ends: `provider` (default: there as well, if it offers that) or `local`.
    pub(crate) logout: Logout,
    /// What a provider of the catalogue does otherwise.
    pub(crate) quirks: Quirks,
    /// Allows plain http to a provider that is not on this machine: what it says can be forged.
    pub(crate) danger_plain_http: bool,
}

/// Endpoints that are not taken from the metadata.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Endpoints {
    #[schemars(with = "Option<String>")]
    pub(crate) authorization_endpoint: Option<Url>,
    #[schemars(with = "Option<String>")]
    pub(crate) token_endpoint: Option<Url>,
    #[schemars(with = "Option<String>")]
    pub(crate) userinfo_endpoint: Option<Url>,
    #[schemars(with = "Option<String>")]
    pub(crate) jwks_uri: Option<Url>,
    #[schemars(with = "Option<String>")]
    pub(crate) end_session_endpoint: Option<Url>,
    #[schemars(with = "Option<String>")]
    pub(crate) pushed_authorization_request_endpoint: Option<Url>,
}

/// How a client authenticates at the token endpoint (OpenID Connect Core 1.0 section 9, RFC 8705).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    None,
    PrivateKeyJwt,
    TlsClientAuth,
}

/// The `aud` of a client assertion.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AssertionAudience {
    /// Nobody else can be made to accept it (draft-ietf-oauth-security-topics-update).
    #[default]
    Issuer,
    TokenEndpoint,
}

/// What signing out ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Logout {
    Local,
    #[default]
    Provider,
}
