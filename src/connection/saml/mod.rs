//! SAML 2.0, as a service provider: the Web Browser SSO profile (profiles section 4.1).
//!
//! [`Connection::begin`] makes the request ([`request`]) for the provider that the metadata name
//! ([`metadata`]); its ID travels in the flow's sealed cookie. [`Connection::resume`] checks the
//! response ([`response`]) and the assertion in it ([`assertion`]), and reads who that is
//! ([`attributes`]). Nothing in a message chooses the keys by which it is verified.

mod assertion;
mod attributes;
mod config;
mod descriptor;
mod metadata;
mod open;
mod refused;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

pub(crate) use self::config::*;
use self::{
    assertion::{Assertion, SKEW},
    descriptor::{Descriptor, OwnKey},
    metadata::{Demands, IdentityProvider, MetadataError},
    refused::{IDENTITY, METADATA, ProviderError, REQUEST, RESPONSE, Refused},
    request::Request,
    response::{Expected, Signed},
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Kept, Mapping, Once, Peer, Rejection, Reply,
    Start, Step, UpstreamParam, cached::Cached, registry::Parts,
};
use crate::{
    clock::Timestamp,
    crypto,
    egress::http::Client,
    identity::{ConnectionId, Identity, Subject},
    protocol::xml::{Ciphers, Hashes, SigningCertificate, base64},
    random,
    store::Pin,
};

/// The names of one login only (core section 8.3.8).
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// So many responses are verified at once, in all.
static VERIFYING: Semaphore = Semaphore::const_new(4);
/// The longest encoded message, in bytes.
const MOST_ENCODED: usize = response::MOST_BYTES / 3 * 4 + (8 << 10);

/// A provider that speaks SAML 2.0.
#[derive(Debug)]
pub(crate) struct Saml {
    id: ConnectionId,
    /// Of this side.
    entity_id: String,
    set: Set,
    metadata: Cached<IdentityProvider, ProviderError>,
    parts: Parts,
}

/// What is set, read and checked.
#[derive(Clone, Debug)]
struct Set {
    source: Source,
    /// Who must have signed the metadata.
    signer: Option<SigningCertificate>,
    idp_entity_id: Option<String>,
    signed: Signed,
    name_id_format: Option<String>,
    user_id_attribute: Option<String>,
    authn_contexts: Vec<String>,
    force_authn: bool,
    provider_name: Option<String>,
    signing: Option<OwnKey>,
    decryption: Vec<OwnKey>,
    keys: Vec<PKey<Private>>,
    ciphers: Ciphers,
    hashes: Hashes,
    expired_certificates: bool,
    danger_plain_http: bool,
    upstream_params: BTreeMap<String, UpstreamParam>,
    mapping: Mapping,
    http: Client,
}

/// Where the metadata come from.
#[derive(Clone, Debug)]
enum Source {
    File(Bytes),
    Url(Url),
}

/// What a flow remembers between the request and the response.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Asked {
    #[serde(rename = "i")]
    id: String,
    /// The oldest login that is good enough, in seconds.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    /// The person must sign in after that.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    signed_in_since: Option<Timestamp>,
    /// One of these contexts must come back.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    authn_contexts: Vec<String>,
}

/// What is done and checked at a login, in order.
const CHECKS: [Check; 4] = [
    Check::step(METADATA, "the provider's metadata are there and good"),
    Check::step(REQUEST, "the request was made"),
    Check::step(
        RESPONSE,
        "signed by the provider, an answer to this request, for this service, and good now",
    ),
    Check::step(IDENTITY, "it says who that is for longer than this login"),
];

#[async_trait]
impl Connection for Saml {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let issuer = match (&self.set.idp_entity_id, &self.set.source) {
            (Some(id), _) => id.clone(),
            (None, Source::Url(url)) => url.to_string(),
            (None, Source::File(_)) => self.read_file_entity_id(),
        };
        let by = self.set.user_id_attribute.as_deref().unwrap_or("NameID");
        Pin {
            strategy: "saml".to_owned(),
            issuer: format!("{issuer}#{by}"),
        }
    }

    fn takes_saml(&self) -> bool {
        true
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let begun = self.request(&start).await;
        begun.map_err(|refused| self.reject(refused))
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let asked = kept.and_then(ConnectionData::read).ok_or(Refused::Unasked);
        let who = match asked {
            Ok(asked) => self.finish(asked, reply, peer).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let known = self.identity_provider().await;
        let known = known.map_err(Refused::from);
        known.map(drop).map_err(|refused| self.reject(refused))
    }

    fn checks(&self) -> Vec<Check> {
        CHECKS.to_vec()
    }

    fn metadata(&self) -> Option<String> {
        let acs = self.parts.assertion_consumer_service(&self.id);
        let descriptor = Descriptor {
            entity_id: &self.entity_id,
            acs: acs.as_str(),
            name_id_format: self.set.name_id_format.as_deref(),
            signing: self.set.signing.as_ref(),
            decryption: &self.set.decryption,
            wants_signed_assertions: matches!(self.set.signed, Signed::Assertion | Signed::Both),
        };
        Some(descriptor.to_xml())
    }
}

impl Saml {
    async fn request(&self, start: &Start<'_>) -> Result<Step, Refused> {
        let provider = self.identity_provider().await?;
        let wants = &start.wants;
        let authn_contexts = if wants.acr.is_empty() {
            &self.set.authn_contexts
        } else {
            wants.acr
        };
        let drawn: [u8; 16] = self.parts.random.bytes();
        let force_authn = self.set.force_authn || wants.again;
        let asked = Asked {
            // An ID does not begin with a digit.
            id: format!("_{}", random::hex(&drawn)),
            max_age: wants.max_age.map(|age| age.as_secs()),
            signed_in_since: force_authn.then_some(start.peer.now),
            authn_contexts: authn_contexts.to_vec(),
        };
        let acs = self.parts.assertion_consumer_service(&self.id);
        let request = Request {
            id: &asked.id,
            now: start.peer.now,
            to: &provider.sign_on,
            destination: &provider.sign_on_written,
            issuer: &self.entity_id,
            acs: acs.as_str(),
            force_authn,
            name_id_format: self.set.name_id_format.as_deref(),
            authn_contexts,
            comparison: "exact",
            provider_name: self.set.provider_name.as_deref(),
        };
        let signing = self.set.signing.as_ref();
        if provider.wants_signed_requests && signing.is_none() {
            return Err(Refused::NoSigningKey);
        }
        let mut to = request.redirect(start.state, signing)?;
        for (name, param) in &self.set.upstream_params {
            if let Some(value) = param.value(start.passed) {
                to.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(Step::Redirect {
            to,
            keep: ConnectionData::of(&asked),
        })
    }

    async fn finish(
        &self,
        asked: Asked,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let octets = message(reply)?;
        let provider = self.identity_provider().await?;
        let assertion = self.verified(octets, asked, provider, peer).await?;
        self.authenticated(&assertion, peer)
    }

    /// Verifies and checks a response, off the threads that serve.
    async fn verified(
        &self,
        octets: Vec<u8>,
        asked: Asked,
        provider: Arc<IdentityProvider>,
        peer: &Peer,
    ) -> Result<Assertion, Refused> {
        let (set, service_provider) = (self.set.clone(), self.entity_id.clone());
        let acs = self.parts.assertion_consumer_service(&self.id);
        let now = peer.now;
        // Anybody may bring a response.
        let _turn = VERIFYING.acquire().await.map_err(|_| Refused::Verifier)?;
        let checked = tokio::task::spawn_blocking(move || {
            let all = provider.certificates.iter();
            let usable = all.filter(|one| set.expired_certificates || one.is_valid_at(now));
            let certificates: Vec<SigningCertificate> = usable.cloned().collect();
            if certificates.is_empty() {
                return Err(Refused::NoCertificate);
            }
            let expected = Expected {
                identity_provider: &provider.entity_id,
                service_provider: &service_provider,
                acs: acs.as_str(),
                request_id: &asked.id,
                certificates: &certificates,
                keys: &set.keys,
                ciphers: set.ciphers,
                signed: set.signed,
                hashes: set.hashes,
                max_age: asked.max_age,
                signed_in_since: asked.signed_in_since,
                name_id_format: set.name_id_format.as_deref(),
                authn_contexts: &asked.authn_contexts,
                now,
            };
            Ok(response::check(&octets, &expected)?)
        });
        checked.await.map_err(|_| Refused::Verifier)?
    }

    /// Who the assertion is about.
    fn authenticated(&self, assertion: &Assertion, peer: &Peer) -> Result<Authenticated, Refused> {
        let claims = attributes::claims(assertion);
        peer.seen
            .add(RESPONSE, &serde_json::Value::Object(claims.clone()));
        let subject = match &self.set.user_id_attribute {
            Some(name) => attributes::only(assertion, name),
            None => Some(assertion.name_id.value.as_str())
                .filter(|_| assertion.name_id.format.as_deref() != Some(TRANSIENT)),
        };
        let subject = subject.and_then(|text| text.parse::<Subject>().ok());
        let (profile, groups) = self.set.mapping.apply(&claims)?;
        let identity = Identity {
            connection: self.id.clone(),
            subject: subject.ok_or(Refused::NoSubject)?,
            profile,
            claims,
            groups,
        };
        let (at, context) = (assertion.authn_instant, assertion.authn_context.clone());
        let kept = Kept {
            data: ConnectionData::default(),
            sids: assertion.session_index.clone().into_iter().collect(),
            ends: assertion.session_not_on_or_after,
        };
        let named = [
            b"assertion",
            self.id.as_str().as_bytes(),
            assertion.id.as_bytes(),
        ];
        let once = Once {
            hash: crypto::sha256_parts(&named),
            until: assertion.not_on_or_after + Duration::from_secs(SKEW.unsigned_abs()),
        };
        let who = Authenticated::new(identity, at, Vec::new(), context);
        Ok(who.keeping(kept).once(once))
    }

    /// The provider, by its metadata as they are now.
    async fn identity_provider(&self) -> Result<Arc<IdentityProvider>, ProviderError> {
        let provider = self.metadata.get(|| self.read_metadata()).await?;
        // They may end before they are read again.
        let now = self.parts.clock.now();
        match provider.valid_until.filter(|until| *until <= now) {
            Some(until) => Err(MetadataError::Expired(until).into()),
            None => Ok(provider),
        }
    }

    async fn read_metadata(&self) -> Result<IdentityProvider, ProviderError> {
        let octets = match &self.set.source {
            Source::File(octets) => octets.clone(),
            Source::Url(url) => self.fetch(url).await?,
        };
        let (signer, entity_id) = (self.set.signer.clone(), self.set.idp_entity_id.clone());
        let demands = self.demands();
        let (now, danger_plain_http) = (demands.now, demands.danger_plain_http);
        let read = tokio::task::spawn_blocking(move || {
            let demands = Demands {
                entity_id: entity_id.as_deref(),
                signer: signer.as_ref(),
                now,
                danger_plain_http,
            };
            IdentityProvider::parse(&octets, &demands)
        });
        Ok(read.await.map_err(|_| ProviderError::Reader)??)
    }

    fn demands(&self) -> Demands<'_> {
        Demands {
            entity_id: self.set.idp_entity_id.as_deref(),
            signer: self.set.signer.as_ref(),
            now: self.parts.clock.now(),
            danger_plain_http: self.set.danger_plain_http,
        }
    }

    /// The entity ID that a file names, if it can be read.
    fn read_file_entity_id(&self) -> String {
        let Source::File(octets) = &self.set.source else {
            return String::new();
        };
        // Who it is does not end with the metadata.
        let demands = Demands {
            now: Timestamp::from_millis(i64::MIN),
            ..self.demands()
        };
        let provider = IdentityProvider::parse(octets, &demands);
        provider.map(|one| one.entity_id).unwrap_or_default()
    }

    async fn fetch(&self, url: &Url) -> Result<Bytes, ProviderError> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(
                header::ACCEPT,
                "application/samlmetadata+xml, application/xml;q=0.9",
            )
            .body(Bytes::new());
        // A URL is a URI.
        let answer = self.set.http.send(request.unwrap_or_default()).await;
        let answer =
            answer.map_err(|error| ProviderError::Http(url.to_string(), Arc::new(error)))?;
        if answer.status() != StatusCode::OK {
            return Err(ProviderError::Status(url.to_string(), answer.status()));
        }
        Ok(answer.into_body())
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: None,
            source: Some(Box::new(refused)),
        }
    }
}

/// The message in the answer of the browser (bindings section 3.5.4).
fn message(reply: Reply<'_>) -> Result<Vec<u8>, Refused> {
    let Reply::Form(body) = reply else {
        return Err(Refused::NoMessage);
    };
    let mut found = form_urlencoded::parse(body).filter(|(name, _)| name == "SAMLResponse");
    let (Some((_, text)), None) = (found.next(), found.next()) else {
        return Err(Refused::NoMessage);
    };
    let text = Some(text).filter(|text| text.len() <= MOST_ENCODED);
    text.and_then(|text| base64(&text))
        .ok_or(Refused::NoMessage)
}
