//! From the keys of the configuration to a connection.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use url::Url;

use super::{Config, ResponseBinding, Saml, Set, descriptor::OwnKey, metadata::IdentityProvider};
use crate::{
    connection::{
        Common, Connection,
        beginnings::Beginnings,
        federation::{Logout, MetadataRules, Provider, Source, mapping, signer},
        registry::{OpenConnection, Parts},
    },
    egress::http::{Client, ClientTls, Written},
    identity::ConnectionId,
    problem::Problem,
    protocol::xml::{Ciphers, Hashes, SigningCertificate},
    secret::Secret,
};

/// What an operator may not set with `upstream_params` (bindings section 3.4.4).
const OURS: [&str; 5] = [
    "RelayState",
    "SAMLEncoding",
    "SAMLRequest",
    "SigAlg",
    "Signature",
];

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
        let own = parts.page(&format!("saml/{id}/metadata"));
        let every = self.metadata_refresh.map(|span| span.0);
        let (rules, http) = (set.metadata.clone(), set.http.clone());
        Ok(Arc::new(Saml {
            entity_id: self.entity_id.clone().unwrap_or_else(|| own.into()),
            id,
            set,
            own_metadata: OnceLock::new(),
            resolving: Beginnings::default(),
            provider: Provider::new(rules, every, http, parts.clock.clone()),
            parts: parts.clone(),
        }))
    }

    fn files(&self) -> Vec<&Path> {
        let files = [
            &self.metadata,
            &self.metadata_certificate,
            &self.ca,
            &self.client_certificate,
        ];
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
        let signing = signing_key("signing_key", self.signing_key.as_ref());
        keep(signing.as_ref().map(drop).map_err(Clone::clone));
        let next_signing = signing_key("next_signing_key", self.next_signing_key.as_ref());
        keep(next_signing.as_ref().map(drop).map_err(Clone::clone));
        keep(self.check_signing_key());
        keep(self.check_begun_there());
        let refresh = self.metadata_refresh.map(|span| span.0);
        if refresh.is_some_and(|every| every < LEAST_REFRESH) {
            let problem = Problem::new("metadata_refresh", "that is too often");
            keep(Err(problem.hint("10s at least")));
        }
        let decryption = self.decryption_keys();
        keep(decryption.as_ref().map(drop).map_err(Clone::clone));
        for text in [&self.entity_id, &self.idp_entity_id].into_iter().flatten() {
            if text.is_empty() || text.len() > 1024 {
                let why = "an entity ID has 1 to 1024 characters";
                keep(Err(Problem::new("entity_id", why).hint(text)));
            }
        }
        for name in common.upstream_params.keys() {
            if OURS.contains(&name.as_str()) {
                let key = format!("upstream_params.{name}");
                let problem = Problem::new(key, "this parameter is set by us");
                keep(Err(problem.hint("the checks of the answer hang on it")));
            }
        }
        let mapping = mapping(&common.claims).map_err(|found| problems.extend(found));
        let rules = self.metadata_rules(source, signer);
        let known = rules
            .as_ref()
            .and_then(MetadataRules::in_file::<IdentityProvider>);
        let known = known.transpose();
        let known = known.map_err(|error| {
            problems.push(Problem::new("metadata", error.to_string()));
        });
        let known = known.ok().flatten();
        let http = self.http(client, known.as_ref());
        let http = http.map_err(|problem| problems.push(problem));
        if !problems.is_empty() {
            return Err(problems);
        }
        let (Some(metadata), Ok(signing), Ok(next_signing), Ok(decryption)) =
            (rules, signing, next_signing, decryption)
        else {
            return Err(problems);
        };
        let (Ok(mapping), Ok(http)) = (mapping, http) else {
            return Err(problems);
        };
        Ok(Set {
            metadata,
            signed: self.signed,
            name_id_format: self.name_id_format.clone(),
            user_id_attribute: self.user_id_attribute.clone(),
            authn_contexts: self.authn_contexts.clone(),
            force_authn: self.force_authn,
            provider_name: self.provider_name.clone(),
            is_passive: self.is_passive,
            comparison: self.authn_context_comparison,
            request_binding: self.request_binding,
            artifact: self.response_binding == ResponseBinding::Artifact,
            idp_initiated: self.idp_initiated,
            logout: self.logout == Logout::Provider,
            requested_attributes: self.requested_attributes.clone(),
            signing,
            next_signing,
            sign_metadata: self.sign_metadata,
            keys: decryption.iter().map(|key| key.key().clone()).collect(),
            decryption,
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
            upstream_params: common.upstream_params.clone(),
            mapping,
            http,
        })
    }

    fn decryption_keys(&self) -> Result<Vec<OwnKey>, Problem> {
        let decryption = self.decryption_keys.iter().enumerate();
        decryption
            .map(|(index, text)| {
                let key = OwnKey::parse(text).filter(OwnKey::is_rsa);
                let at = format!("decryption_keys[{index}]");
                key.ok_or_else(|| Problem::new(at, "it is no RSA key in PEM"))
            })
            .collect()
    }

    /// What cannot be had of a login that begins at the provider.
    fn check_begun_there(&self) -> Result<(), Problem> {
        let (why, hint) = if !self.idp_initiated {
            return Ok(());
        } else if self.response_binding == ResponseBinding::Artifact {
            (
                "an artifact is resolved once, before the person is asked and not again",
                "take responses by post",
            )
        } else if self.force_authn {
            (
                "force_authn asks for a login that is new",
                "one that begins at the provider may be an old one",
            )
        } else {
            return Ok(());
        };
        Err(Problem::new("idp_initiated", why).hint(hint))
    }

    /// Whoever signs has a key.
    fn check_signing_key(&self) -> Result<(), Problem> {
        let key = if self.sign_metadata {
            "sign_metadata"
        } else if self.next_signing_key.is_some() {
            "next_signing_key"
        } else {
            return Ok(());
        };
        let problem = Problem::new(key, "there is no signing_key");
        let is_there = self.signing_key.is_some().then_some(());
        is_there.ok_or_else(|| problem.hint("openssl genrsa 3072 > saml.pem"))
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

    /// What calls the provider: also at a private address, if the operator wrote its host, here or
    /// in the file with its metadata.
    fn http(&self, client: &Client, known: Option<&IdentityProvider>) -> Result<Client, Problem> {
        let url = self.metadata_url.as_ref();
        let url = url.and_then(|url| Url::parse(url).ok());
        let endpoints = known.into_iter().flat_map(|known| {
            let all = known.artifacts.iter().chain(&known.logout);
            all.map(|endpoint| endpoint.location.clone())
        });
        let hosts = url.into_iter().chain(endpoints);
        let client = client.written(Written {
            hosts: hosts
                .filter_map(|url| url.host_str().map(str::to_owned))
                .collect(),
            danger_plain_http: self.danger_plain_http,
        });
        let read = |key: &'static str, path: &Path| {
            fs::read(path).map_err(|error| {
                Problem::new(key, format!("{} cannot be read: {error}", path.display()))
            })
        };
        let ca = self
            .ca
            .as_deref()
            .map(|path| read("ca", path))
            .transpose()?;
        let identity = match (&self.client_certificate, &self.client_certificate_key) {
            (Some(path), Some(key)) => Some((read("client_certificate", path)?, key.clone())),
            (None, None) => None,
            _ => {
                let why = "client_certificate and client_certificate_key belong together";
                return Err(Problem::new("client_certificate", why));
            }
        };
        if ca.is_none() && identity.is_none() {
            return Ok(client);
        }
        client
            .with_tls(&ClientTls { ca, identity })
            .map_err(|error| Problem::new("ca", error.to_string()))
    }
}

/// Nobody's metadata change more often.
const LEAST_REFRESH: Duration = Duration::from_secs(10);

fn signing_key(name: &'static str, key: Option<&Secret>) -> Result<Option<OwnKey>, Problem> {
    let problem = || {
        let why = "it is no private key in PEM, RSA of 2048 bits at least or on P-256";
        Problem::new(name, why).hint("openssl genrsa 3072")
    };
    key.map(|key| OwnKey::parse(key).ok_or_else(problem))
        .transpose()
}
