//! The provider, by its federation metadata as they are now.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{Wsfed, metadata::SecurityTokenService, refused::Refused};
use crate::{
    clock::Timestamp,
    connection::{
        Facts, Tended,
        federation::{Demands, MetadataError, ProviderError, Source, tended},
    },
    protocol::xml::SigningCertificate,
};

/// Metadata are read again after an hour, unless something else is set.
pub(super) const REFRESH: Duration = Duration::from_secs(3600);

impl Wsfed {
    /// The provider, by its metadata as they are now.
    pub(super) async fn provider(&self) -> Result<Arc<SecurityTokenService>, ProviderError> {
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
        provider: &SecurityTokenService,
        now: Timestamp,
    ) -> Result<Vec<SigningCertificate>, Refused> {
        let all = provider.certificates.iter();
        let usable = all.filter(|one| self.set.expired_certificates || one.is_valid_at(now));
        let usable: Vec<SigningCertificate> = usable.cloned().collect();
        let some = (!usable.is_empty()).then_some(usable);
        some.ok_or(Refused::NoCertificate)
    }

    async fn read_metadata(&self) -> Result<SecurityTokenService, ProviderError> {
        let octets = self.set.source.read(&self.set.http).await?;
        let (signer, entity_id) = (self.set.signer.clone(), self.set.idp_entity_id.clone());
        let (now, danger_plain_http) = (self.parts.clock.now(), self.set.danger_plain_http);
        let read = tokio::task::spawn_blocking(move || {
            let demands = Demands {
                entity_id: entity_id.as_deref(),
                signer: signer.as_ref(),
                now,
                danger_plain_http,
            };
            SecurityTokenService::parse(&octets, &demands)
        });
        Ok(read.await.map_err(|_| ProviderError::Reader)??)
    }

    /// The entity ID that a file names, if it can be read.
    pub(super) fn read_file_entity_id(&self) -> String {
        let Source::File(octets) = &self.set.source else {
            return String::new();
        };
        let demands = Demands {
            entity_id: self.set.idp_entity_id.as_deref(),
            signer: self.set.signer.as_ref(),
            // Who it is does not end with the metadata.
            now: Timestamp::from_millis(i64::MIN),
            danger_plain_http: self.set.danger_plain_http,
        };
        let provider = SecurityTokenService::parse(octets, &demands);
        provider.map(|one| one.entity_id).unwrap_or_default()
    }

    /// Who both sides are, and until when what they need is good.
    pub(super) async fn known_facts(&self) -> Facts {
        let mut facts = Facts::new();
        let mut add = |name: &str, value: Value| drop(facts.insert(name.to_owned(), value));
        add("wtrealm", self.wtrealm.clone().into());
        let source = match &self.set.source {
            Source::File(_) => "a file".to_owned(),
            Source::Url(url) => url.to_string(),
        };
        add("provider_metadata", source.into());
        let provider = match self.provider().await {
            Ok(provider) => provider,
            Err(error) => {
                add("provider_problem", error.to_string().into());
                return facts;
            }
        };
        let certificate = |one: &SigningCertificate| {
            let (from, until) = (one.not_before, one.not_after);
            format!("{from} to {until}, {}", one.name())
        };
        let certificates = provider.certificates.iter().map(certificate);
        let until = provider.valid_until.map(|until| until.to_string());
        add("provider_entity_id", provider.entity_id.clone().into());
        add(
            "provider_address",
            provider.passive_requestor.as_str().into(),
        );
        add(
            "provider_certificates",
            certificates.collect::<Vec<_>>().into(),
        );
        add("provider_metadata_until", until.into());
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
