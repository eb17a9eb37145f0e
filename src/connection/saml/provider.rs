//! The provider, by its metadata as they are now, and calls to it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, header};
use serde_json::Value;
use url::Url;

use super::{
    Saml,
    metadata::{Demands, Endpoint, IdentityProvider, MetadataError},
    refused::Refused,
};
use crate::{
    clock::Timestamp,
    connection::{
        Facts, Tended,
        federation::{ProviderError, Source, send, tended},
    },
    protocol::xml::SigningCertificate,
};

/// What a SOAP request is about (SAML 2.0 bindings section 3.2.3.1).
const SOAP_ACTION: &str = "http://www.oasis-open.org/committees/security";

impl Saml {
    /// The provider, by its metadata as they are now.
    pub(super) async fn identity_provider(&self) -> Result<Arc<IdentityProvider>, ProviderError> {
        let provider = self.metadata.last_or(|| self.read_metadata()).await?;
        // They may end before they are read again.
        let now = self.parts.clock.now();
        match provider.valid_until.filter(|until| *until <= now) {
            Some(until) => Err(MetadataError::Expired(until).into()),
            None => Ok(provider),
        }
    }

    /// Its certificates that are between their dates.
    pub(super) fn usable(
        &self,
        provider: &IdentityProvider,
        now: Timestamp,
    ) -> Result<Vec<SigningCertificate>, Refused> {
        let all = provider.certificates.iter();
        let usable = all.filter(|one| self.set.expired_certificates || one.is_valid_at(now));
        let usable: Vec<SigningCertificate> = usable.cloned().collect();
        let some = (!usable.is_empty()).then_some(usable);
        some.ok_or(Refused::NoCertificate)
    }

    async fn read_metadata(&self) -> Result<IdentityProvider, ProviderError> {
        let octets = self.set.source.read(&self.set.http).await?;
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

    pub(super) fn demands(&self) -> Demands<'_> {
        Demands {
            entity_id: self.set.idp_entity_id.as_deref(),
            signer: self.set.signer.as_ref(),
            now: self.parts.clock.now(),
            danger_plain_http: self.set.danger_plain_http,
        }
    }

    /// The entity ID that a file names, if it can be read.
    pub(super) fn read_file_entity_id(&self) -> String {
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

    /// Calls the provider from here (bindings section 3.2.3).
    pub(super) async fn call(&self, url: &Url, envelope: String) -> Result<Vec<u8>, ProviderError> {
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("soapaction", SOAP_ACTION)
            .body(Bytes::from(envelope));
        Ok(send(&self.set.http, url, request).await?.to_vec())
    }

    /// Who both sides are, and until when what they need is good.
    pub(super) async fn known_facts(&self) -> Facts {
        let mut facts = Facts::new();
        facts.insert("entity_id".to_owned(), self.entity_id.clone().into());
        let source = match &self.set.source {
            Source::File(_) => "a file".to_owned(),
            Source::Url(url) => url.to_string(),
        };
        facts.insert("provider_metadata".to_owned(), source.into());
        let provider = match self.identity_provider().await {
            Ok(provider) => provider,
            Err(error) => {
                facts.insert("provider_problem".to_owned(), error.to_string().into());
                return facts;
            }
        };
        let addresses = |all: &[Endpoint]| {
            let one = |one: &Endpoint| format!("{:?} {}", one.binding, one.written);
            all.iter().map(one).collect::<Vec<_>>()
        };
        let certificate = |one: &SigningCertificate| {
            let (from, until) = (one.not_before, one.not_after);
            format!("{from} to {until}, {}", one.name())
        };
        let certificates = provider.certificates.iter().map(certificate);
        let until = provider.valid_until.map(|until| until.to_string());
        let more = [
            ("provider_entity_id", provider.entity_id.clone().into()),
            ("provider_sign_on", addresses(&provider.sign_on).into()),
            ("provider_logout", addresses(&provider.logout).into()),
            (
                "provider_certificates",
                certificates.collect::<Vec<_>>().into(),
            ),
            ("provider_metadata_until", until.into()),
        ];
        facts.extend(more.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
        facts
    }

    /// Reads the metadata again when it is time, and says what ends soon.
    pub(super) async fn tend_metadata(&self) -> Tended {
        let read = self.metadata.renew(|| self.read_metadata()).await;
        let held = self.metadata.last();
        let held = held.as_deref();
        tended(
            read,
            held.map(|one| (one.certificates.as_slice(), one.valid_until)),
        )
    }
}

/// Metadata are read again after an hour, unless something else is set.
pub(super) const REFRESH: Duration = Duration::from_secs(3600);
