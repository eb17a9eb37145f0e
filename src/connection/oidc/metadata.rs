//! What a provider says of itself: its metadata and its keys, fetched when they are needed.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode, header};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::{Endpoints, Issuer};
use crate::{
    clock::{Clock, Timestamp},
    connection::{
        cached::{Cached, FRESH, PAUSE, Passing, STALE},
        oauth::NamedIssuer,
    },
    crypto::jose::{JwkSet, JwkSetError},
    egress::http::{Client, HttpError},
};

/// How often a signature that does not fit may have the keys fetched again.
const ROTATIONS: Duration = Duration::from_secs(30);

/// Provider metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2), as far as they
/// matter here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    pub(crate) pushed_authorization_request_endpoint: Option<Url>,
    #[serde(default)]
    pub(crate) require_pushed_authorization_requests: bool,
    /// RFC 9207 section 3.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(crate) claims_parameter_supported: bool,
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    pub(crate) id_token_signing_alg_values_supported: Option<Vec<String>>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub(crate) mtls_endpoint_aliases: Option<Aliases>,
}

impl Metadata {
    /// What the authorization response says of who it is from.
    pub(crate) fn named_issuer(&self) -> NamedIssuer<'_> {
        if self.authorization_response_iss_parameter_supported {
            NamedIssuer::Always(&self.issuer)
        } else {
            NamedIssuer::IfThere(&self.issuer)
        }
    }
}

/// Endpoints for clients that use mutual TLS (RFC 8705 section 5).
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Aliases {
    pub(crate) token_endpoint: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) pushed_authorization_request_endpoint: Option<Url>,
}

/// Why there are no metadata or no keys.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("{0} was not fetched: {1}")]
    Http(String, Arc<HttpError>),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("{0} holds no provider metadata: {1}")]
    NotMetadata(String, String),
    #[error("the metadata name the issuer {found:?}, and not {wanted:?}")]
    OtherIssuer { wanted: String, found: String },
    #[error("the metadata name {0}, which is not where an endpoint can be")]
    NoEndpoint(Url),
    #[error("{0} holds no key set: {1}")]
    NotKeys(String, Arc<JwkSetError>),
    #[error("the provider takes no PKCE challenge but plain ones")]
    NoS256,
}

impl Passing for ProviderError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Http(..) => true,
            Self::Status(_, status) => status.is_server_error(),
            _ => false,
        }
    }
}

/// Whose signature does not fit the keys that are known. One may not spend what the other needs: a
/// token of a login comes from the provider, a logout token from anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signed {
    AtLogin,
    AtLogout,
}

/// The provider of one connection. Nothing is fetched before the first login.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: Issuer,
    own: Endpoints,
    pub(crate) http: Client,
    clock: Arc<dyn Clock>,
    metadata: Cached<Metadata, ProviderError>,
    keys: Cached<JwkSet, ProviderError>,
    /// Until when a signature does not have the keys fetched again.
    rotations: [Mutex<Timestamp>; 2],
}

impl Provider {
    pub(crate) fn new(issuer: Issuer, own: Endpoints, http: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer,
            own,
            http,
            metadata: Cached::new(clock.clone()),
            keys: Cached::new(clock.clone()),
            clock,
            rotations: Default::default(),
        }
    }

    /// The provider's metadata.
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        self.metadata.get(|| self.discover()).await
    }

    /// The same, if they are known already.
    pub(crate) fn known_metadata(&self) -> Option<Arc<Metadata>> {
        self.metadata.younger(self.clock.now(), STALE)
    }

    /// Its keys.
    pub(crate) async fn keys(&self) -> Result<Arc<JwkSet>, ProviderError> {
        let metadata = self.metadata().await?;
        self.keys.get(|| self.fetch_keys(&metadata)).await
    }

    /// Its keys as they are now, because something was signed by none of the `known` ones. `None`:
    /// that was looked up a moment ago. An attacker names unknown keys as often as they like.
    pub(crate) async fn keys_anew(
        &self,
        known: &Arc<JwkSet>,
        signed: Signed,
    ) -> Result<Option<Arc<JwkSet>>, ProviderError> {
        let [at_login, at_logout] = &self.rotations;
        let mut not_before = match signed {
            Signed::AtLogin => at_login,
            Signed::AtLogout => at_logout,
        }
        .lock()
        .await;
        // Somebody else waited for the same keys.
        let held = self.keys.younger(self.clock.now(), FRESH);
        if let Some(held) = held.filter(|held| !Arc::ptr_eq(held, known)) {
            return Ok(Some(held));
        }
        if self.clock.now() < *not_before {
            return Ok(None);
        }
        let metadata = self.metadata().await?;
        let fetched = self.fetch_keys(&metadata).await;
        let now = self.clock.now();
        *not_before = now + if fetched.is_ok() { ROTATIONS } else { PAUSE };
        let keys = Arc::new(fetched?);
        self.keys.put(now, keys.clone());
        Ok(Some(keys))
    }

    /// The same, if they were not fetched a moment ago: keys may change and keep their name.
    pub(crate) async fn keys_anew_if_old(
        &self,
        known: &Arc<JwkSet>,
        signed: Signed,
    ) -> Result<Option<Arc<JwkSet>>, ProviderError> {
        if self.keys.younger(self.clock.now(), ROTATIONS).is_some() {
            return Ok(None);
        }
        self.keys_anew(known, signed).await
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        if let Some(metadata) = self.own.complete(&self.issuer) {
            return Ok(metadata);
        }
        let at = self.issuer.discovery();
        let text = self.fetch(&at).await?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|error| ProviderError::NotMetadata(at.clone(), error.to_string()))?;
        // OpenID Connect Discovery 1.0 section 4.3: exactly the issuer that was asked.
        if !self.issuer.is_named(&metadata.issuer) {
            return Err(ProviderError::OtherIssuer {
                wanted: self.issuer.as_str().to_owned(),
                found: metadata.issuer,
            });
        }
        if let Some(url) = metadata.urls().find(|url| !self.may_be(url)) {
            return Err(ProviderError::NoEndpoint(url.clone()));
        }
        let methods = metadata.code_challenge_methods_supported.as_deref();
        // Many providers say nothing and take S256 all the same.
        if methods.is_some_and(|all| !all.is_empty() && !all.iter().any(|one| one == "S256")) {
            return Err(ProviderError::NoS256);
        }
        Ok(self.own.over(metadata))
    }

    /// Endpoints are at https (RFC 8414 section 2): one of them is where the browser goes. Plain
    /// http only where the operator wrote an issuer that is at plain http.
    fn may_be(&self, endpoint: &Url) -> bool {
        match endpoint.scheme() {
            "https" => true,
            "http" => self.issuer.as_str().starts_with("http:"),
            _ => false,
        }
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<JwkSet, ProviderError> {
        let at = metadata.jwks_uri.to_string();
        let text = self.fetch(&at).await?;
        JwkSet::parse(&text).map_err(|error| ProviderError::NotKeys(at, Arc::new(error)))
    }

    async fn fetch(&self, at: &str) -> Result<bytes::Bytes, ProviderError> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(at)
            .header(header::ACCEPT, "application/json")
            .body(bytes::Bytes::new());
        // A URL is a URI.
        let request = request.unwrap_or_default();
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|error| ProviderError::Http(at.to_owned(), Arc::new(error)))?;
        if answer.status() != StatusCode::OK {
            return Err(ProviderError::Status(at.to_owned(), answer.status()));
        }
        Ok(answer.into_body())
    }
}

impl Metadata {
    /// Every address that they name.
    fn urls(&self) -> impl Iterator<Item = &Url> {
        let aliases = self.mtls_endpoint_aliases.as_ref();
        let needed = [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.jwks_uri,
        ];
        let offered = [
            &self.userinfo_endpoint,
            &self.end_session_endpoint,
            &self.pushed_authorization_request_endpoint,
        ];
        let aliases = aliases.into_iter().flat_map(|aliases| {
            [
                &aliases.token_endpoint,
                &aliases.userinfo_endpoint,
                &aliases.pushed_authorization_request_endpoint,
            ]
        });
        needed
            .into_iter()
            .chain(offered.into_iter().chain(aliases).flatten())
    }
}

impl Endpoints {
    /// Metadata without asking: everything that is needed was written by the operator.
    fn complete(&self, issuer: &Issuer) -> Option<Metadata> {
        let own = self.clone();
        Some(Metadata {
            issuer: issuer.as_str().to_owned(),
            authorization_endpoint: own.authorization_endpoint?,
            token_endpoint: own.token_endpoint?,
            jwks_uri: own.jwks_uri?,
            userinfo_endpoint: own.userinfo_endpoint,
            end_session_endpoint: own.end_session_endpoint,
            pushed_authorization_request_endpoint: own.pushed_authorization_request_endpoint,
            require_pushed_authorization_requests: false,
            authorization_response_iss_parameter_supported: false,
            claims_parameter_supported: false,
            code_challenge_methods_supported: None,
            id_token_signing_alg_values_supported: None,
            token_endpoint_auth_methods_supported: None,
            mtls_endpoint_aliases: None,
        })
    }

    /// What the operator wrote counts more.
    fn over(&self, metadata: Metadata) -> Metadata {
        let own = self.clone();
        Metadata {
            authorization_endpoint: own
                .authorization_endpoint
                .unwrap_or(metadata.authorization_endpoint),
            token_endpoint: own.token_endpoint.unwrap_or(metadata.token_endpoint),
            jwks_uri: own.jwks_uri.unwrap_or(metadata.jwks_uri),
            userinfo_endpoint: own.userinfo_endpoint.or(metadata.userinfo_endpoint),
            end_session_endpoint: own.end_session_endpoint.or(metadata.end_session_endpoint),
            pushed_authorization_request_endpoint: own
                .pushed_authorization_request_endpoint
                .or(metadata.pushed_authorization_request_endpoint),
            ..metadata
        }
    }

    /// The addresses that the operator wrote.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Url> {
        [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.userinfo_endpoint,
            &self.jwks_uri,
            &self.end_session_endpoint,
            &self.pushed_authorization_request_endpoint,
        ]
        .into_iter()
        .flatten()
    }
}
