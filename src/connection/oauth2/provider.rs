//! A provider that speaks plain OAuth 2.0, as data: what it does as RFC 6749 says needs no word, and
//! what it does otherwise is one key.
//!
//! A text may hold values in braces, `{name}`. What the catalogue knows as a variable is filled in when
//! the connection is read, wherever it stands. What is known only during a login may stand in the
//! path and the query of a URL, in parameters and in headers, never in a host: `{access_token}`,
//! `{client_id}`, `{appsecret_proof}` (HMAC-SHA256 of the access token under the client secret, in
//! hexadecimal), and whatever a `carry` of an earlier step has named.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::connection::config::Field;

/// How one provider speaks.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// The authorization request and the way back (RFC 6749 sections 4.1.1 and 4.1.2).
    pub(crate) authorization: Authorization,
    /// The token request (RFC 6749 section 4.1.3).
    pub(crate) token: Token,
    /// What is asked about the person, in this order. None, if the token answer says it all.
    pub(crate) profile: Vec<Call>,
    /// The path to what the provider never changes and never gives to somebody else: a text or an
    /// integer of the claims. Default: `id`.
    pub(crate) subject: String,
    /// Where the fields of the profile are, as the common key `claims`, which goes over this.
    /// Default: the standard claims' names.
    pub(crate) claims: BTreeMap<Field, String>,
    /// Claims that are made of other claims: name = text with `{claim}`s. If one of these is
    /// missing, it is not made. In a text that begins with `https://` they are percent-encoded.
    pub(crate) compose: BTreeMap<String, String>,
    /// What is asked for, where the connection says nothing else.
    pub(crate) scopes: Vec<String>,
    /// Whether a code verifier is sent (RFC 7636, S256). Default: yes; no only for a provider that
    /// refuses the parameter.
    pub(crate) pkce: bool,
    /// The issuer that the authorization response must name (RFC 9207). Default: none is looked for.
    pub(crate) issuer: Option<String>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            authorization: Authorization::default(),
            token: Token::default(),
            profile: Vec::new(),
            subject: "id".to_owned(),
            claims: BTreeMap::new(),
            compose: BTreeMap::new(),
            scopes: Vec::new(),
            pkce: true,
            issuer: None,
        }
    }
}

/// Where the browser is sent, and what comes back with it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authorization {
    /// An https URL. It may hold a query and a fragment of its own.
    pub(crate) endpoint: String,
    /// Parameters besides those of RFC 6749; the common key `upstream_params` goes over them.
    pub(crate) params: BTreeMap<String, String>,
    /// The provider's names for standard parameters: `client_id = "client_key"`. An empty one leaves
    /// the parameter out. `code` and `error` are those of the answer.
    pub(crate) names: BTreeMap<String, String>,
    /// What stands between two scopes. Default: a space.
    pub(crate) scope_separator: String,
    /// Parameters of the answer that later calls need: `["device_id"]` gives `{device_id}`. They
    /// came through the browser, so they never become claims.
    pub(crate) carry: Vec<String>,
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            params: BTreeMap::new(),
            names: BTreeMap::new(),
            scope_separator: " ".to_owned(),
            carry: Vec::new(),
        }
    }
}

/// How a code becomes an access token.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Token {
    /// An https URL.
    pub(crate) endpoint: String,
    /// How the parameters travel. Default: as a form.
    pub(crate) send: Send,
    /// How the client shows who it is. Default: `client_secret_basic`.
    pub(crate) auth_method: AuthMethod,
    /// Parameters besides those of RFC 6749.
    pub(crate) params: BTreeMap<String, String>,
    /// The provider's names for standard parameters, as in `authorization`: also `client_secret`,
    /// `code`, `code_verifier`, `grant_type` and `redirect_uri`.
    pub(crate) names: BTreeMap<String, String>,
    /// Headers besides `Accept: application/json`, or instead of it.
    pub(crate) headers: BTreeMap<String, String>,
    /// The path to the access token in the answer. Default: `access_token`.
    pub(crate) access_token: String,
    /// What the answer says of the token's type. Default: `bearer`.
    pub(crate) token_type: TokenType,
    /// The paths to an error code, whatever the status of the answer is. Default: `error`. No value,
    /// `""`, `0` and `ok` are no error.
    pub(crate) error: String,
    /// Values of the answer that later calls need and that become claims: `uid = "uid"`. What is
    /// true or false becomes a claim alone.
    pub(crate) carry: BTreeMap<String, String>,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            send: Send::default(),
            auth_method: AuthMethod::default(),
            params: BTreeMap::new(),
            names: BTreeMap::new(),
            headers: BTreeMap::new(),
            access_token: "access_token".to_owned(),
            token_type: TokenType::default(),
            error: "error".to_owned(),
            carry: BTreeMap::new(),
        }
    }
}

/// One question about the person. The access token goes as `Authorization: Bearer`, unless a header
/// or a parameter here holds `{access_token}`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Call {
    /// An https URL.
    pub(crate) endpoint: String,
    /// How the parameters travel. Default: `get`. A POST without parameters has no body.
    pub(crate) send: Send,
    pub(crate) params: BTreeMap<String, String>,
    /// Headers besides `Accept: application/json`, or instead of it.
    pub(crate) headers: BTreeMap<String, String>,
    /// The path to what the answer is about. Default: the whole answer.
    pub(crate) at: Option<String>,
    /// The claim that it becomes. Default: its members become claims.
    pub(crate) into: Option<String>,
    /// It is a list of e-mail addresses (GitHub, Bitbucket): the one that is the main one and
    /// verified becomes `email`, with `email_verified`.
    pub(crate) emails: Option<Emails>,
    /// The paths to an error code, whatever the status of the answer is. Default: `error`. No value,
    /// `""`, `0` and `ok` are no error.
    pub(crate) error: String,
    /// Values of the answer that later calls need and that become claims: `openid = "openid"`.
    pub(crate) carry: BTreeMap<String, String>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            send: Send::Get,
            params: BTreeMap::new(),
            headers: BTreeMap::new(),
            at: None,
            into: None,
            emails: None,
            error: "error".to_owned(),
            carry: BTreeMap::new(),
        }
    }
}

/// The members of one entry in a list of e-mail addresses.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Emails {
    /// Default: `email`.
    pub(crate) address: String,
    /// Default: `primary`.
    pub(crate) primary: String,
    /// Default: `verified`.
    pub(crate) verified: String,
}

impl Default for Emails {
    fn default() -> Self {
        Self {
            address: "email".to_owned(),
            primary: "primary".to_owned(),
            verified: "verified".to_owned(),
        }
    }
}

/// The verb of a request and where its parameters are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Send {
    /// POST, `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// GET, in the query.
    Get,
    /// POST, a JSON object of texts.
    Json,
}

/// How the client authenticates at the token endpoint (RFC 6749 section 2.3.1). With `post` the
/// credentials are where the other parameters are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    None,
}

/// What is asked of `token_type` (RFC 6749 section 7.1). Its case does not count.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenType {
    /// It is there, and says so.
    #[default]
    Bearer,
    /// The provider leaves it out; if it is there, it says so.
    BearerOrNone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_keeps_to_the_rfc_needs_its_addresses_alone() {
        let provider: Provider = toml::from_str(
            "authorization.endpoint = \"https://a.example/authorize\"\n\
             token.endpoint = \"https://a.example/token\"\n\
             profile = [{ endpoint = \"https://a.example/api/v3/user\" }]",
        )
        .unwrap();
        assert!(provider.pkce);
        assert_eq!(provider.token.auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(provider.profile[0].send, Send::Get);
        assert!(toml::from_str::<Provider>("tokn.endpoint = \"x\"").is_err());
    }
}
