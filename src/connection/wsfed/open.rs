//! From the keys of the configuration to a connection.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use openssl::pkey::{Id, PKey, Private};
use url::Url;

use super::{Config, Set, Wsfed, metadata::SecurityTokenService};
use crate::{
    connection::{
        Common, Connection,
        federation::{Logout, MetadataRules, Provider, Source, mapping, signer},
        registry::{OpenConnection, Parts},
    },
    egress::http::{Client, Written},
    identity::ConnectionId,
    problem::Problem,
    protocol::xml::{Ciphers, Hashes, SigningCertificate},
};

/// What an operator may not set with `upstream_params` (WS-Federation 1.2 section 13.2).
const OURS: [&str; 7] = ["wa", "wauth", "wct", "wctx", "wfresh", "wreply", "wtrealm"];
/// Nobody's metadata change more often.
const LEAST_REFRESH: Duration = Duration::from_secs(10);

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let set = self.read(common, &Client::new()).err();
        set.unwrap_or_default()
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let set = self.read(common, &parts.http)?;
        let wreply = parts.callback(&id);
        let every = self.metadata_refresh.map(|span| span.0);
        let (rules, http) = (set.metadata.clone(), set.http.clone());
        Ok(Arc::new(Wsfed {
            wtrealm: self.wtrealm.clone().unwrap_or_else(|| wreply.to_string()),
            wreply,
            id,
            set,
            provider: Provider::new(rules, every, http, parts.clock.clone()),
        }))
    }

    fn files(&self) -> Vec<&Path> {
        let files = [&self.metadata, &self.metadata_certificate, &self.ca];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

impl Config {
    /// Everything that is set, or all that is wrong with it.
    fn read(&self, common: &Common, client: &Client) -> Result<Set, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut keep = |found: Result<(), Problem>| problems.extend(found.err());
        let source = Source::of(self.metadata_url.as_deref(), self.metadata.as_deref());
        keep(source.as_ref().map(drop).map_err(Clone::clone));
        let signer = self.metadata_certificate.as_deref().map(signer).transpose();
        keep(signer.as_ref().map(drop).map_err(Clone::clone));
        let keys = self.keys();
        keep(keys.as_ref().map(drop).map_err(Clone::clone));
        let refresh = self.metadata_refresh.map(|span| span.0);
        if refresh.is_some_and(|every| every < LEAST_REFRESH) {
            let problem = Problem::new("metadata_refresh", "that is too often");
            keep(Err(problem.hint("10s at least")));
        }
        for (key, text) in [
            ("wtrealm", &self.wtrealm),
            ("idp_entity_id", &self.idp_entity_id),
        ] {
            let text = text.as_deref().unwrap_or("-");
            if text.is_empty() || text.len() > 1024 {
                keep(Err(Problem::new(key, "it has 1 to 1024 characters")));
            }
        }
        let ours = common.upstream_params.keys();
        for name in ours.filter(|name| OURS.contains(&name.as_str())) {
            let key = format!("upstream_params.{name}");
            let problem = Problem::new(key, "this parameter is set by us");
            keep(Err(problem.hint("the checks of the answer hang on it")));
        }
        let mapping = mapping(&common.claims).map_err(|found| problems.extend(found));
        let http = self.http(client).map_err(|problem| problems.push(problem));
        let rules = self.metadata_rules(source, signer);
        let known = rules
            .as_ref()
            .and_then(MetadataRules::in_file::<SecurityTokenService>);
        if let Some(Err(error)) = known {
            problems.push(Problem::new("metadata", error.to_string()));
        }
        let (true, Some(metadata), Ok(keys), Ok(mapping), Ok(http)) =
            (problems.is_empty(), rules, keys, mapping, http)
        else {
            return Err(problems);
        };
        Ok(Set {
            metadata,
            wauth: self.wauth.clone(),
            whr: self.whr.clone(),
            wfresh: self.wfresh.map(|span| span.0),
            user_id_attribute: self.user_id_attribute.clone(),
            logout: self.logout == Logout::Provider,
            keys,
            ciphers: if self.danger_cbc {
                Ciphers::WithCbc
            } else {
                Ciphers::Authenticated
            },
            hashes: if self.danger_sha1 {
                Hashes::WithSha1
            } else {
                Hashes::Strong
            },
            future_authentication: self.danger_future_authentication,
            upstream_params: common.upstream_params.clone(),
            mapping,
            http,
        })
    }

    fn metadata_rules(
        &self,
        source: Result<Source, Problem>,
        signer: Result<Option<SigningCertificate>, Problem>,
    ) -> Option<MetadataRules> {
        Some(MetadataRules {
            source: source.ok()?,
            signer: signer.ok()?,
            entity_id: self.idp_entity_id.clone(),
            expired_certificates: self.danger_expired_certificates,
            danger_plain_http: self.danger_plain_http,
        })
    }

    fn keys(&self) -> Result<Vec<PKey<Private>>, Problem> {
        let keys = self.decryption_keys.iter().enumerate();
        keys.map(|(index, text)| {
            let key = PKey::private_key_from_pem(text.expose().as_bytes()).ok();
            let key = key.filter(|key| key.id() == Id::RSA);
            let at = format!("decryption_keys[{index}]");
            key.ok_or_else(|| Problem::new(at, "it is no RSA key in PEM"))
        })
        .collect()
    }

    fn http(&self, client: &Client) -> Result<Client, Problem> {
        let url = self.metadata_url.as_ref();
        let url = url.and_then(|url| Url::parse(url).ok());
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        client
            .written(Written {
                hosts: host.into_iter().collect(),
                danger_plain_http: self.danger_plain_http,
            })
            .trusting(self.ca.as_deref())
    }
}
