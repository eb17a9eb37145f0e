//! SAML 2.0, as a service provider: the Web Browser SSO profile (profiles section 4.1).
//!
//! A session ends on both sides by messages of their own ([`logout`]). The metadata are read again
//! on schedule.
//!
//! [`Connection::begin`] makes the request ([`request`]) for the provider that the metadata name
//! ([`metadata`]); its ID travels in the flow's sealed cookie. [`Connection::resume`] checks the
//! response ([`response`]) and the assertion in it ([`assertion`]), and reads who that is
//! ([`attributes`]). Nothing in a message chooses the keys by which it is verified.

mod artifact;
mod assertion;
mod attributes;
mod config;
mod descriptor;
#[cfg(test)]
mod fixtures;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
#[cfg(test)]
mod hostile;
mod logout;
mod message;
mod metadata;
mod open;
mod outgoing;
mod received;
mod refused;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) use self::config::*;
use self::{
    assertion::{Assertion, SKEW},
    descriptor::{Descriptor, OwnKey},
    metadata::{Binding, IdentityProvider},
    received::Received,
    refused::{ARTIFACT, IDENTITY, RESPONSE, Refused},
    request::Comparison,
    response::{Expected, Signed},
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Facts, Kept, Mapping, Once, Peer, Rejection,
    Reply, SignOut, SingleLogout, Start, Step, Tended, UpstreamParam,
    beginnings::Beginnings,
    federation::{MetadataRules, Provider, Turns},
    registry::Parts,
};
use crate::{
    clock::Timestamp,
    crypto,
    egress::http::Client,
    identity::{ConnectionId, Identity, Subject},
    protocol::xml::{Ciphers, Hashes},
    store::Pin,
};

/// The names of one login only (core section 8.3.8).
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// So much of a response is shown to the operator of a trial, in bytes.
const MOST_SHOWN: usize = 64 << 10;
/// Responses, messages about logouts, and what we sign, each in all: none takes the turns of another.
static VERIFYING: Turns = Turns::new(4);
static LOGOUTS: Turns = Turns::new(2);
static SIGNING: Turns = Turns::new(4);

/// A provider that speaks SAML 2.0.
#[derive(Debug)]
pub(crate) struct Saml {
    id: ConnectionId,
    /// Of this side.
    entity_id: String,
    set: Set,
    provider: Provider<IdentityProvider>,
    /// Our own metadata, which hang on the settings alone.
    own_metadata: OnceLock<String>,
    /// Who waits for the provider to resolve an artifact.
    resolving: Beginnings,
    parts: Parts,
}

/// What is set, read and checked.
#[derive(Clone, Debug)]
struct Set {
    metadata: MetadataRules,
    signed: Signed,
    name_id_format: Option<String>,
    user_id_attribute: Option<String>,
    authn_contexts: Vec<String>,
    force_authn: bool,
    provider_name: Option<String>,
    is_passive: bool,
    comparison: Comparison,
    /// Set, or whichever the provider has.
    request_binding: Option<Binding>,
    artifact: bool,
    idp_initiated: bool,
    /// Whether the provider's session ends with ours.
    logout: bool,
    requested_attributes: Vec<String>,
    signing: Option<OwnKey>,
    next_signing: Option<OwnKey>,
    sign_metadata: bool,
    decryption: Vec<OwnKey>,
    keys: Vec<PKey<Private>>,
    ciphers: Ciphers,
    hashes: Hashes,
    upstream_params: BTreeMap<String, UpstreamParam>,
    mapping: Mapping,
    http: Client,
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

#[async_trait]
impl Connection for Saml {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let issuer = self.set.metadata.issuer::<IdentityProvider>();
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
        let asked = match kept.map(ConnectionData::read) {
            Some(Some(asked)) => Ok(Some(asked)),
            None if self.set.idp_initiated => Ok(None),
            _ => Err(Refused::Unasked),
        };
        let who = match asked {
            Ok(asked) => self.finish(asked, reply, peer).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let known = self.provider.now().await;
        let known = known.map_err(Refused::from);
        known.map(drop).map_err(|refused| self.reject(refused))
    }

    fn checks(&self) -> Vec<Check> {
        let steps = refused::STEPS.iter().copied();
        // An artifact is resolved only where one is asked for.
        steps
            .filter(|check| self.set.artifact || check.step != ARTIFACT)
            .collect()
    }

    fn metadata(&self) -> Option<Result<String, Rejection>> {
        let acs = self.parts.assertion_consumer_service(&self.id);
        let slo = self.parts.single_logout_service(&self.id);
        let descriptor = Descriptor {
            entity_id: &self.entity_id,
            acs: acs.as_str(),
            slo: slo.as_str(),
            artifact: self.set.artifact,
            name_id_format: self.set.name_id_format.as_deref(),
            signing: self.set.signing.as_ref(),
            next_signing: self.set.next_signing.as_ref(),
            decryption: &self.set.decryption,
            signed: self.set.sign_metadata,
            name: self.set.provider_name.as_deref().unwrap_or("Vestibule"),
            requested_attributes: &self.set.requested_attributes,
            wants_signed_assertions: matches!(self.set.signed, Signed::Assertion | Signed::Both),
        };
        if let Some(known) = self.own_metadata.get() {
            return Some(Ok(known.clone()));
        }
        let made = descriptor.to_xml().map_err(Refused::from);
        let made = made.map_err(|refused| self.reject(refused));
        Some(made.map(|made| self.own_metadata.get_or_init(|| made).clone()))
    }

    fn sign_out(&self) -> Option<&dyn SignOut> {
        // Messages that are not signed are refused, or should be (profiles section 4.4.3.1).
        (self.set.logout && self.set.signing.is_some()).then_some(self)
    }

    fn single_logout(&self) -> Option<&dyn SingleLogout> {
        Some(self)
    }

    async fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        facts.insert("entity_id".to_owned(), self.entity_id.clone().into());
        self.provider.add_facts(&mut facts).await;
        facts
    }

    async fn tend(&self) -> Tended {
        self.provider.tend().await
    }
}

impl Saml {
    async fn finish(
        &self,
        asked: Option<Asked>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let provider = self.provider.now().await?;
        let octets = if let Some(artifact) = artifact::read(reply) {
            self.resolve(&artifact, &provider).await?
        } else {
            let posted = Received::posted(reply, "SAMLResponse");
            posted.ok_or(Refused::NoMessage)?
        };
        // Also where it is refused: the operator of a trial looks for what is wrong in it.
        let text = String::from_utf8_lossy(octets.get(..MOST_SHOWN).unwrap_or(&octets));
        peer.seen.add(RESPONSE, &json!({ "response": text }));
        let assertion = self.verified(octets, asked, provider, peer).await?;
        self.authenticated(&assertion, peer)
    }

    /// Verifies and checks a response, off the threads that serve.
    async fn verified(
        &self,
        octets: Vec<u8>,
        asked: Option<Asked>,
        provider: Arc<IdentityProvider>,
        peer: &Peer,
    ) -> Result<Assertion, Refused> {
        let (set, service_provider) = (self.set.clone(), self.entity_id.clone());
        let acs = self.parts.assertion_consumer_service(&self.id);
        let now = peer.now;
        let certificates = self.provider.usable(&provider, now);
        let certificates = certificates.ok_or(Refused::NoCertificate)?;
        // Anybody may bring a response.
        let checked = VERIFYING.done(move || {
            let asked = asked.as_ref();
            let expected = Expected {
                identity_provider: &provider.entity_id,
                service_provider: &service_provider,
                acs: acs.as_str(),
                request_id: asked.map(|asked| asked.id.as_str()),
                certificates: &certificates,
                keys: &set.keys,
                ciphers: set.ciphers,
                signed: set.signed,
                hashes: set.hashes,
                max_age: asked.and_then(|asked| asked.max_age),
                signed_in_since: asked.and_then(|asked| asked.signed_in_since),
                name_id_format: set.name_id_format.as_deref(),
                authn_contexts: asked.map_or(&set.authn_contexts, |asked| &asked.authn_contexts),
                now,
            };
            response::check(&octets, &expected)
        });
        Ok(checked.await??)
    }

    /// Who the assertion is about.
    fn authenticated(&self, assertion: &Assertion, peer: &Peer) -> Result<Authenticated, Refused> {
        let claims = attributes::claims(assertion);
        peer.seen.add(
            IDENTITY,
            &json!({
                "id": assertion.id,
                "name_id": assertion.name_id,
                "authn_instant": assertion.authn_instant.to_string(),
                "authn_context": assertion.authn_context,
                "session_index": assertion.session_index,
                "session_not_on_or_after": assertion.session_not_on_or_after.map(|at| at.to_string()),
                "attributes": claims,
            }),
        );
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
        let (name_id, index) = (&assertion.name_id, assertion.session_index.as_deref());
        let kept = Kept {
            data: logout::remember(name_id, index),
            sids: logout::session_names(&name_id.value, index),
            ends: assertion.session_not_on_or_after,
        };
        let named = [
            b"assertion",
            self.id.as_str().as_bytes(),
            assertion.id.as_bytes(),
        ];
        let once = Once {
            hash: crypto::sha256_parts(&named),
            // The clocks of two processes may be apart as well.
            until: assertion.not_on_or_after + Duration::from_secs(2 * SKEW.unsigned_abs()),
        };
        let who = Authenticated::new(identity, at, Vec::new(), context);
        Ok(who.keeping(kept).once(once))
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: refused.check(),
            source: Some(Box::new(refused)),
        }
    }
}
