//! From the keys of the configuration to a connection.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use openssl::x509::X509;
use url::Url;

use super::{
    Config, Saml, Set, Source, attributes,
    descriptor::OwnKey,
    metadata::{Demands, IdentityProvider},
};
use crate::{
    clock::Timestamp,
    connection::{
        Common, Connection,
        cached::Cached,
        registry::{OpenConnection, Parts},
    },
    egress::http::{Client, ClientTls, Written},
    identity::ConnectionId,
    problem::Problem,
    protocol::xml::{Ciphers, Hashes, SigningCertificate},
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
        Ok(Arc::new(Saml {
            entity_id: self.entity_id.clone().unwrap_or_else(|| own.into()),
            id,
            set,
            metadata: Cached::new(parts.clock.clone()),
            parts: parts.clone(),
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
        let source = self.source();
        keep(source.as_ref().map(drop).map_err(Clone::clone));
        let signer = self.metadata_certificate.as_deref().map(signer).transpose();
        keep(signer.as_ref().map(drop).map_err(Clone::clone));
        let signing = self.signing_key.as_ref().map(OwnKey::parse).transpose();
        let signing = signing.map_err(|_| {
            Problem::new("signing_key", "it is no private key in PEM").hint("openssl genrsa 3072")
        });
        keep(signing.as_ref().map(drop).map_err(Clone::clone));
        let decryption = self.decryption_keys.iter().enumerate();
        let decryption: Result<Vec<OwnKey>, Problem> = decryption
            .map(|(index, text)| {
                let key = OwnKey::parse(text).ok().filter(OwnKey::is_rsa);
                let at = format!("decryption_keys[{index}]");
                key.ok_or_else(|| Problem::new(at, "it is no RSA key in PEM"))
            })
            .collect();
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
        let mapping = attributes::mapping(&common.claims).map_err(|found| problems.extend(found));
        let http = self.http(client).map_err(|problem| problems.push(problem));
        if let (Ok(Source::File(octets)), Ok(signer)) = (&source, &signer) {
            let demands = Demands {
                entity_id: self.idp_entity_id.as_deref(),
                signer: signer.as_ref(),
                // They may have ended, which no start hangs on.
                now: Timestamp::from_millis(i64::MIN),
                danger_plain_http: self.danger_plain_http,
            };
            if let Err(error) = IdentityProvider::parse(octets, &demands) {
                problems.push(Problem::new("metadata", error.to_string()));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (Ok(source), Ok(signer), Ok(signing), Ok(decryption), Ok(mapping), Ok(http)) =
            (source, signer, signing, decryption, mapping, http)
        else {
            return Err(problems);
        };
        Ok(Set {
            source,
            signer,
            idp_entity_id: self.idp_entity_id.clone(),
            signed: self.signed,
            name_id_format: self.name_id_format.clone(),
            user_id_attribute: self.user_id_attribute.clone(),
            authn_contexts: self.authn_contexts.clone(),
            force_authn: self.force_authn,
            provider_name: self.provider_name.clone(),
            signing,
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
            expired_certificates: self.danger_expired_certificates,
            danger_plain_http: self.danger_plain_http,
            upstream_params: common.upstream_params.clone(),
            mapping,
            http,
        })
    }

    /// Where the metadata come from.
    fn source(&self) -> Result<Source, Problem> {
        match (&self.metadata_url, &self.metadata) {
            (Some(url), None) => {
                let parsed = Url::parse(url).ok();
                let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()));
                let problem = Problem::new("metadata_url", "it is no http(s) address").hint(url);
                parsed.map(Source::Url).ok_or(problem)
            }
            (None, Some(path)) => {
                let read = fs::read(path).map(|octets| Source::File(octets.into()));
                read.map_err(|error| {
                    let why = format!("{} cannot be read: {error}", path.display());
                    Problem::new("metadata", why)
                })
            }
            (None, None) => Err(
                Problem::new("metadata_url", "the key metadata_url is missing")
                    .hint("the provider shows it; metadata names a file instead"),
            ),
            (Some(_), Some(_)) => Err(Problem::new(
                "metadata",
                "metadata and metadata_url are both there",
            )
            .hint("one of them is enough")),
        }
    }

    fn http(&self, client: &Client) -> Result<Client, Problem> {
        let url = self.metadata_url.as_ref();
        let url = url.and_then(|url| Url::parse(url).ok());
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        let client = client.written(Written {
            hosts: host.into_iter().collect(),
            danger_plain_http: self.danger_plain_http,
        });
        let Some(path) = &self.ca else {
            return Ok(client);
        };
        let ca = fs::read(path).map_err(|error| {
            Problem::new("ca", format!("{} cannot be read: {error}", path.display()))
        })?;
        let tls = ClientTls {
            ca: Some(ca),
            identity: None,
        };
        client
            .with_tls(&tls)
            .map_err(|error| Problem::new("ca", error.to_string()))
    }
}

/// Who must have signed the metadata.
fn signer(path: &Path) -> Result<SigningCertificate, Problem> {
    let problem = |why: String| Problem::new("metadata_certificate", why);
    let pem = fs::read(path)
        .map_err(|error| problem(format!("{} cannot be read: {error}", path.display())))?;
    let der = X509::from_pem(&pem).and_then(|certificate| certificate.to_der());
    let der = der.map_err(|error| problem(format!("{}: {error}", path.display())))?;
    SigningCertificate::from_der(&der).map_err(|error| problem(error.to_string()))
}
