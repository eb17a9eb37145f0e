//! The keys of a connection with `strategy = "oauth1"`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{connection::config::Field, secret::Secret};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What the provider knows this deployment as: the consumer key.
    pub(crate) client_id: String,
    /// The consumer secret, for `HMAC-SHA1`.
    pub(crate) client_secret: Option<Secret>,
    /// An RSA key (PEM), for `RSA-SHA1`. The provider has the public one.
    pub(crate) private_key: Option<Secret>,
    /// How the provider speaks.
    pub(crate) provider: Provider,
    /// Allows plain http to a provider that is not on this machine: what it says can be forged.
    pub(crate) danger_plain_http: bool,
}

/// How one provider speaks.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// Where temporary credentials are had (RFC 5849 section 2.1).
    pub(crate) request_token_endpoint: String,
    /// Where the person is sent (section 2.2).
    pub(crate) authorization_endpoint: String,
    /// Where token credentials are had (section 2.3).
    pub(crate) access_token_endpoint: String,
    /// How requests are signed (section 3.4). Default: `hmac_sha1`.
    pub(crate) signature_method: SignatureMethod,
    /// Parameters of the authorization URL besides `oauth_token`; the common key `upstream_params`
    /// goes over them.
    pub(crate) params: BTreeMap<String, String>,
    /// What is asked about the person, with values of `carry` in braces. Default: nothing; the
    /// token answer says it all.
    pub(crate) profile_endpoint: Option<String>,
    /// The path to what its answer is about. Default: the whole answer.
    pub(crate) at: Option<String>,
    /// Values of the token answer that become claims: `id = "user_id"`.
    pub(crate) carry: BTreeMap<String, String>,
    /// The path to what the provider never changes and never gives to somebody else: a text or an
    /// integer of the claims. Default: `id`.
    pub(crate) subject: String,
    /// Where the fields of the profile are, as the common key `claims`, which goes over this.
    pub(crate) claims: BTreeMap<Field, String>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            request_token_endpoint: String::new(),
            authorization_endpoint: String::new(),
            access_token_endpoint: String::new(),
            signature_method: SignatureMethod::default(),
            params: BTreeMap::new(),
            profile_endpoint: None,
            at: None,
            carry: BTreeMap::new(),
            subject: "id".to_owned(),
            claims: BTreeMap::new(),
        }
    }
}

/// How requests are signed. `PLAINTEXT` is none of them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignatureMethod {
    #[default]
    HmacSha1,
    RsaSha1,
}
