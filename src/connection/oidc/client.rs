//! This deployment as the provider's client: how it shows who it is (OpenID Connect Core 1.0
//! section 9, RFC 7523, RFC 8705, RFC 9449), and what the provider's endpoints answer.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, header, request};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::{AssertionAudience, AuthMethod, Metadata, Oidc, Refused, authorization::Parameters};
use crate::{
    clock::Timestamp,
    connection::oauth::{basic, printable},
    crypto::{self, jose},
};

/// How long a client assertion is good for, in seconds.
const ASSERTION_LIVES: i64 = 60;

/// One call to the provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) to: &'a Url,
    /// The step of the login, for the operator.
    pub(crate) step: &'static str,
    pub(crate) now: Timestamp,
    pub(crate) dpop: Dpop<'a>,
}

/// Whether a call proves a key of ours (RFC 9449).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dpop<'a> {
    No,
    /// To get a token that is bound to it.
    Key,
    /// With such a token.
    KeyAnd(&'a str),
}

impl Dpop<'_> {
    fn token(&self) -> Option<&str> {
        match self {
            Self::KeyAnd(token) => Some(token),
            Self::No | Self::Key => None,
        }
    }
}

/// What an endpoint answered with 2xx.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) media_type: String,
    pub(crate) body: Bytes,
}

impl Answered {
    /// The body as JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self, step: &'static str) -> Result<T, Refused> {
        serde_json::from_slice(&self.body).map_err(|error| Refused::Unreadable {
            step,
            why: error.to_string(),
        })
    }
}

/// An error response (RFC 6749 section 5.2).
#[derive(Debug, Default, Deserialize)]
struct ErrorAnswer {
    #[serde(default)]
    error: String,
}

impl Oidc {
    /// Posts a form as this client.
    pub(super) async fn post(
        &self,
        metadata: &Metadata,
        call: Call<'_>,
        mut form: Parameters,
    ) -> Result<Answered, Refused> {
        let mut head = http::Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(credentials) = self.authenticate(metadata, call, &mut form)? {
            head = head.header(header::AUTHORIZATION, credentials);
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.call(call, head, body.into()).await
    }

    /// Sends a request; once more if the provider wants its own nonce in the proof (RFC 9449
    /// section 8).
    pub(super) async fn call(
        &self,
        call: Call<'_>,
        head: request::Builder,
        body: Bytes,
    ) -> Result<Answered, Refused> {
        let broken = |error: http::Error| Refused::Unreadable {
            step: call.step,
            why: error.to_string(),
        };
        let mut request = head
            .uri(call.to.as_str())
            .header(header::ACCEPT, "application/json, application/jwt;q=0.9")
            .body(body)
            .map_err(broken)?;
        let mut nonce = None;
        loop {
            if !matches!(call.dpop, Dpop::No) {
                let proof = self.dpop_proof(call, request.method(), nonce.as_deref())?;
                let proof =
                    http::HeaderValue::try_from(proof).map_err(|error| broken(error.into()))?;
                request.headers_mut().insert("dpop", proof);
            }
            let answer = self.provider.http.send(request.clone()).await;
            let answer = answer.map_err(|error| Refused::Http {
                step: call.step,
                error,
            })?;
            let given = answer.headers().get("dpop-nonce");
            let given = given.and_then(|value| value.to_str().ok());
            if let Some(given) = given.filter(|_| !answer.status().is_success())
                && !matches!(call.dpop, Dpop::No)
                && nonce.is_none()
            {
                nonce = Some(given.to_owned());
                continue;
            }
            return read(call.step, answer);
        }
    }

    /// Puts this client's credentials into the form; returns those that are a header.
    fn authenticate(
        &self,
        metadata: &Metadata,
        call: Call<'_>,
        form: &mut Parameters,
    ) -> Result<Option<String>, Refused> {
        let set = &self.set;
        let secret = || set.client_secret.as_ref().ok_or(Refused::NoSecret);
        let method = self.auth_method(metadata);
        if method == AuthMethod::ClientSecretBasic {
            return Ok(Some(basic(&set.client_id, secret()?)));
        }
        if !form_has(form, "client_id") {
            form.push(("client_id".to_owned(), set.client_id.clone()));
        }
        let mut add = |name: &str, value: String| form.push((name.to_owned(), value));
        match method {
            AuthMethod::ClientSecretPost => {
                let secret = match &set.quirks.minted_secret {
                    Some(minted) => self.mint(minted, call)?,
                    None => secret()?.expose().to_owned(),
                };
                add("client_secret", secret);
            }
            AuthMethod::ClientSecretJwt | AuthMethod::PrivateKeyJwt => {
                let claims = self.assertion(metadata, call.now);
                let assertion = if method == AuthMethod::PrivateKeyJwt {
                    self.sign((call.step, "JWT"), &claims)?
                } else {
                    let algorithm = set.signing_alg.unwrap_or(jose::Algorithm::HS256);
                    let signed = jose::sign_with_secret(secret()?, algorithm, "JWT", &claims);
                    signed.map_err(|error| Refused::unsigned(call.step, error))?
                };
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                add("client_assertion_type", kind.to_owned());
                add("client_assertion", assertion);
            }
            AuthMethod::ClientSecretBasic | AuthMethod::None | AuthMethod::TlsClientAuth => {}
        }
        Ok(None)
    }

    /// How this client authenticates: as is set, or by what is there and the provider takes.
    fn auth_method(&self, metadata: &Metadata) -> AuthMethod {
        let set = &self.set;
        if set.quirks.minted_secret.is_some() {
            return AuthMethod::ClientSecretPost;
        }
        if let Some(method) = set.auth_method {
            return method;
        }
        let supported = metadata.token_endpoint_auth_methods_supported.as_deref();
        // OpenID Connect Discovery 1.0 section 3: without the list it is client_secret_basic.
        let takes = |name| supported.is_none_or(|all| all.iter().any(|one| one == name));
        match (&set.client_secret, set.has_certificate) {
            (None, true) => AuthMethod::TlsClientAuth,
            (None, false) if set.has_own_key => AuthMethod::PrivateKeyJwt,
            (None, false) => AuthMethod::None,
            (Some(_), _) if takes("client_secret_basic") => AuthMethod::ClientSecretBasic,
            (Some(_), _) if takes("client_secret_post") => AuthMethod::ClientSecretPost,
            (Some(_), _) => AuthMethod::ClientSecretJwt,
        }
    }

    /// The claims of a client assertion (RFC 7523 section 3).
    fn assertion(&self, metadata: &Metadata, now: Timestamp) -> Map<String, Value> {
        let audience = match self.set.assertion_audience {
            // What is set here, and not what metadata say.
            AssertionAudience::Issuer => self.provider.issuer.as_str(),
            AssertionAudience::TokenEndpoint => metadata.token_endpoint.as_str(),
        };
        let claims = [
            ("iss", json!(self.set.client_id)),
            ("sub", json!(self.set.client_id)),
            ("aud", json!(audience)),
            ("jti", json!(self.draw())),
            ("iat", json!(now.seconds())),
            ("exp", json!(now.seconds() + ASSERTION_LIVES)),
        ];
        let own = |(name, value): (&str, Value)| (name.to_owned(), value);
        claims.into_iter().map(own).collect()
    }

    /// A DPoP proof (RFC 9449 section 4.2).
    fn dpop_proof(
        &self,
        call: Call<'_>,
        method: &Method,
        nonce: Option<&str>,
    ) -> Result<String, Refused> {
        let mut to = call.to.clone();
        to.set_query(None);
        to.set_fragment(None);
        let mut claims = Map::from_iter([
            ("jti".to_owned(), json!(self.draw())),
            ("htm".to_owned(), json!(method.as_str())),
            ("htu".to_owned(), json!(to.as_str())),
            ("iat".to_owned(), json!(call.now.seconds())),
        ]);
        if let Some(token) = call.dpop.token() {
            let hash = URL_SAFE_NO_PAD.encode(crypto::sha256(token.as_bytes()));
            claims.insert("ath".to_owned(), hash.into());
        }
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), nonce.into());
        }
        let proof = self.keys.sign_dpop(&claims);
        proof.map_err(|error| Refused::Key {
            step: call.step,
            error,
        })
    }

    pub(super) fn draw(&self) -> String {
        let drawn: [u8; 16] = self.parts.random.bytes();
        URL_SAFE_NO_PAD.encode(drawn)
    }

    /// The same endpoints, or those for clients with a certificate.
    pub(super) fn token_endpoint(&self, metadata: &Metadata) -> Url {
        let alias = self
            .aliases(metadata)
            .and_then(|all| all.token_endpoint.clone());
        alias.unwrap_or_else(|| metadata.token_endpoint.clone())
    }

    pub(super) fn userinfo_endpoint(&self, metadata: &Metadata) -> Option<Url> {
        let alias = self
            .aliases(metadata)
            .and_then(|all| all.userinfo_endpoint.clone());
        alias.or_else(|| metadata.userinfo_endpoint.clone())
    }

    pub(super) fn pushed_endpoint(&self, metadata: &Metadata) -> Option<Url> {
        let alias = self.aliases(metadata);
        let alias = alias.and_then(|all| all.pushed_authorization_request_endpoint.clone());
        alias.or_else(|| metadata.pushed_authorization_request_endpoint.clone())
    }

    fn aliases<'a>(&self, metadata: &'a Metadata) -> Option<&'a super::Aliases> {
        let aliases = metadata.mtls_endpoint_aliases.as_ref();
        aliases.filter(|_| self.set.has_certificate)
    }
}

fn form_has(form: &Parameters, name: &str) -> bool {
    form.iter().any(|(known, _)| known == name)
}

fn read(step: &'static str, answer: http::Response<Bytes>) -> Result<Answered, Refused> {
    let status = answer.status();
    if !status.is_success() {
        let error: ErrorAnswer = serde_json::from_slice(answer.body()).unwrap_or_default();
        return Err(Refused::Status {
            step,
            status,
            error: printable(&error.error),
        });
    }
    let media_type = answer.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    Ok(Answered {
        media_type: media_type.unwrap_or_default().trim().to_ascii_lowercase(),
        body: answer.into_body(),
    })
}
