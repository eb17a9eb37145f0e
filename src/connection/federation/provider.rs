//! A provider, by its metadata as they are now.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{Demands, MetadataError, ProviderError, Source};
use crate::{
    clock::{Clock, Timestamp},
    connection::{Expiry, Facts, Tended, cached::Cached},
    egress::http::Client,
    protocol::xml::SigningCertificate,
};

/// Metadata are read again after an hour, unless something else is set.
const REFRESH: Duration = Duration::from_secs(3600);

/// What metadata say of a provider.
pub(crate) trait Described: Sized + Send + Sync + 'static {
    /// Reads the metadata of one provider, or of several, of which one is meant.
    fn parse(octets: &[u8], demands: &Demands<'_>) -> Result<Self, MetadataError>;
    fn entity_id(&self) -> &str;
    /// Those whose keys sign.
    fn certificates(&self) -> &[SigningCertificate];
    fn valid_until(&self) -> Option<Timestamp>;
    /// Where it is asked for what, for the operator.
    fn addresses(&self) -> Vec<(&'static str, Value)>;
}

/// What is set about a provider's metadata.
#[derive(Clone, Debug)]
pub(crate) struct MetadataRules {
    pub(crate) source: Source,
    /// Who must have signed them.
    pub(crate) signer: Option<SigningCertificate>,
    pub(crate) entity_id: Option<String>,
    /// Whether certificates are good after their end.
    pub(crate) expired_certificates: bool,
    pub(crate) danger_plain_http: bool,
}

impl MetadataRules {
    fn demands(&self, now: Timestamp) -> Demands<'_> {
        Demands {
            entity_id: self.entity_id.as_deref(),
            signer: self.signer.as_ref(),
            now,
            danger_plain_http: self.danger_plain_http,
        }
    }

    /// What the file says, if they are in one. Whether they have ended is not asked: no start hangs
    /// on that, and who it is does not end with them.
    pub(crate) fn in_file<P: Described>(&self) -> Option<Result<P, MetadataError>> {
        match &self.source {
            Source::File(octets) => {
                let demands = self.demands(Timestamp::from_millis(i64::MIN));
                Some(P::parse(octets, &demands))
            }
            Source::Url(_) => None,
        }
    }

    /// Who the provider is, for as long as the settings say the same.
    pub(crate) fn issuer<P: Described>(&self) -> String {
        match (&self.entity_id, &self.source) {
            (Some(id), _) => id.clone(),
            (None, Source::Url(url)) => url.to_string(),
            (None, Source::File(_)) => {
                let read = self.in_file::<P>().and_then(Result::ok);
                read.map(|one| one.entity_id().to_owned())
                    .unwrap_or_default()
            }
        }
    }
}

/// A provider that is known by its metadata.
#[derive(Debug)]
pub(crate) struct Provider<P> {
    held: Cached<P, ProviderError>,
    rules: MetadataRules,
    http: Client,
    clock: Arc<dyn Clock>,
}

impl<P: Described> Provider<P> {
    /// One whose metadata are read anew every so often.
    pub(crate) fn new(
        rules: MetadataRules,
        every: Option<Duration>,
        http: Client,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let held = Cached::new(clock.clone());
        Self {
            held: held.scheduled(every.unwrap_or(REFRESH), P::valid_until),
            rules,
            http,
            clock,
        }
    }

    /// As it is now.
    pub(crate) async fn now(&self) -> Result<Arc<P>, ProviderError> {
        let provider = self.held.last_or(|| self.read()).await?;
        // They may have ended since they were read.
        let now = self.clock.now();
        match provider.valid_until().filter(|until| *until <= now) {
            Some(until) => Err(MetadataError::Expired(until).into()),
            None => Ok(provider),
        }
    }

    /// Its certificates that are between their dates. `None`: there are none.
    pub(crate) fn usable(&self, provider: &P, now: Timestamp) -> Option<Vec<SigningCertificate>> {
        let all = provider.certificates().iter();
        let usable = all.filter(|one| self.rules.expired_certificates || one.is_valid_at(now));
        let usable: Vec<SigningCertificate> = usable.cloned().collect();
        (!usable.is_empty()).then_some(usable)
    }

    async fn read(&self) -> Result<P, ProviderError> {
        let octets = self.rules.source.read(&self.http).await?;
        let (rules, now) = (self.rules.clone(), self.clock.now());
        let read = tokio::task::spawn_blocking(move || P::parse(&octets, &rules.demands(now)));
        Ok(read.await.map_err(|_| ProviderError::Reader)??)
    }

    /// Adds who it is, and until when what is needed of it is good.
    pub(crate) async fn add_facts(&self, facts: &mut Facts) {
        let mut add = |name: &str, value: Value| drop(facts.insert(name.to_owned(), value));
        let source = match &self.rules.source {
            Source::File(_) => "a file".to_owned(),
            Source::Url(url) => url.to_string(),
        };
        add("provider_metadata", source.into());
        let provider = match self.now().await {
            Ok(provider) => provider,
            Err(error) => return add("provider_problem", error.to_string().into()),
        };
        add("provider_entity_id", provider.entity_id().into());
        for (name, value) in provider.addresses() {
            add(name, value);
        }
        let certificate = |one: &SigningCertificate| {
            let (from, until) = (one.not_before, one.not_after);
            format!("{from} to {until}, {}", one.name())
        };
        let certificates = provider.certificates().iter().map(certificate);
        let certificates: Vec<String> = certificates.collect();
        add("provider_certificates", certificates.into());
        let until = provider.valid_until().map(|until| until.to_string());
        add("provider_metadata_until", until.into());
    }

    /// Reads the metadata again when it is time, and says what ends.
    pub(crate) async fn tend(&self) -> Tended {
        let read = self.held.renew(|| self.read()).await;
        let failed = read.err().map(|error| error.to_string());
        let mut ends = Vec::new();
        if let Some(held) = self.held.last() {
            let newest = held.certificates().iter().map(|one| one.not_after).max();
            let certificate = newest.map(|at| ("certificate", at));
            let metadata = held.valid_until().map(|at| ("metadata", at));
            let all = certificate.into_iter().chain(metadata);
            ends.extend(all.map(|(what, at)| Expiry { what, at }));
        }
        Tended { failed, ends }
    }
}
