//! TLS towards the visitor: which certificate for which name and whose client certificates are
//! taken, read again when the files change.

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    ssl::{NameType, SslOptions, SslSessionCacheMode, SslVerifyMode},
    x509::{X509, store::X509StoreBuilder},
};
use pingora::{
    listeners::{TlsAccept, tls::TlsSettings},
    protocols::tls::TlsRef,
    tls::ext,
};

use crate::problem::Problem;

/// A certificate chain and its key, as files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CertificateFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// What a listener's TLS is made of.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// At least one.
    pub(crate) certificates: Vec<CertificateFiles>,
    /// Only a client whose certificate comes from one of its authorities may speak.
    pub(crate) client_ca: Option<PathBuf>,
    /// The key of the listener in the file.
    pub(crate) key: String,
}

/// The TLS of one listener. What was read from its files can be replaced while it serves.
#[derive(Clone, Debug)]
pub(crate) struct ListenerTls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: TlsFiles,
    read: ArcSwap<Read>,
}

/// What the files hold.
#[derive(Debug)]
struct Read {
    certificates: Vec<Certificate>,
    /// Whose client certificates are taken; `None`: nobody has to show one.
    authorities: Option<Vec<X509>>,
}

/// What stands behind one listener's handshakes.
struct Handshakes(ListenerTls);

/// The name that a visitor's handshake asked for, where it binds the requests that follow.
#[derive(Debug)]
pub(super) struct AskedFor(pub(super) String);

#[derive(Debug)]
struct Certificate {
    names: Vec<String>,
    leaf: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl ListenerTls {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, Vec<Problem>> {
        let read = ArcSwap::from_pointee(read(&files)?);
        Ok(Self(Arc::new(Shared { files, read })))
    }

    /// Reads the files again; what is in use stays when one of them is broken.
    pub(crate) fn reload(&self) -> Result<(), Vec<Problem>> {
        self.0.read.store(Arc::new(read(&self.0.files)?));
        Ok(())
    }

    /// All its files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.0.files.certificates.iter();
        pairs
            .flat_map(|pair| [&pair.cert, &pair.key])
            .chain(&self.0.files.client_ca)
    }

    /// The settings of a listener that speaks so.
    pub(super) fn settings(&self) -> anyhow::Result<TlsSettings> {
        let mut settings = TlsSettings::with_callbacks(Box::new(Handshakes(self.clone())))?;
        settings.enable_h2();
        if self.demands() {
            settings.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
            // A resumed session shows no certificate: each one is asked of today's authorities.
            settings.set_options(SslOptions::NO_TICKET);
            settings.set_session_cache_mode(SslSessionCacheMode::OFF);
        }
        Ok(settings)
    }

    /// Whether the visitor must show a certificate: then the name in the handshake binds.
    fn demands(&self) -> bool {
        self.0.files.client_ca.is_some()
    }
}

fn read(files: &TlsFiles) -> Result<Read, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut certificates = Vec::new();
    for (number, pair) in files.certificates.iter().enumerate() {
        match read_one(pair) {
            Ok(certificate) => certificates.push(certificate),
            Err(problem) => problems.push(problem.under(&format!("{}.tls[{number}]", files.key))),
        }
    }
    let mut authorities = None;
    if let Some(file) = &files.client_ca {
        match read_chain(file, "client_ca") {
            Ok(read) => authorities = Some(read),
            Err(problem) => problems.push(problem.under(&files.key)),
        }
    }
    if problems.is_empty() {
        Ok(Read {
            certificates,
            authorities,
        })
    } else {
        Err(problems)
    }
}

fn read_one(files: &CertificateFiles) -> Result<Certificate, Problem> {
    let mut chain = read_chain(&files.cert, "cert")?;
    let leaf = chain.remove(0);
    let key = PKey::private_key_from_pem(&bytes(&files.key, "key")?).map_err(|_| {
        Problem::new(
            "key",
            format!("{} is not an unencrypted PEM key", files.key.display()),
        )
    })?;
    let matches = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
    if !matches {
        return Err(Problem::new(
            "key",
            format!(
                "{} is not the key of {}",
                files.key.display(),
                files.cert.display()
            ),
        ));
    }
    Ok(Certificate {
        names: names(&leaf),
        leaf,
        chain,
        key,
    })
}

/// At least one certificate.
fn read_chain(file: &Path, key: &str) -> Result<Vec<X509>, Problem> {
    let chain = X509::stack_from_pem(&bytes(file, key)?).unwrap_or_default();
    if chain.is_empty() {
        let message = format!("{} holds no PEM certificate", file.display());
        return Err(Problem::new(key, message));
    }
    Ok(chain)
}

fn bytes(file: &Path, key: &str) -> Result<Vec<u8>, Problem> {
    std::fs::read(file)
        .map_err(|error| Problem::new(key, format!("cannot read {}: {error}", file.display())))
}

/// The DNS names of a certificate (RFC 9525: the subject's common name does not count).
fn names(leaf: &X509) -> Vec<String> {
    let alternatives = leaf.subject_alt_names();
    alternatives
        .iter()
        .flatten()
        .filter_map(|name| name.dnsname().map(str::to_ascii_lowercase))
        .collect()
}

/// Whether a name in a certificate covers a host: exactly, or by `*` as the whole first label.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == host,
    }
}

#[async_trait]
impl TlsAccept for Handshakes {
    async fn handshake_complete_callback(
        &self,
        ssl: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let name = ssl.servername(NameType::HOST_NAME).unwrap_or_default();
        self.0
            .demands()
            .then(|| Arc::new(AskedFor(name.to_ascii_lowercase())) as Arc<dyn Any + Send + Sync>)
    }

    async fn certificate_callback(&self, ssl: &mut TlsRef) {
        let host = ssl
            .servername(NameType::HOST_NAME)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let read = self.0.0.read.load();
        if let Some(authorities) = &read.authorities
            && let Err(error) = verify_against(ssl, authorities)
        {
            // Without a store of its own the handshake trusts nobody, so it fails.
            tracing::error!(%error, "the client authorities could not be used for a handshake");
        }
        let certificates = &read.certificates;
        let exact = certificates.iter().find(|one| one.names.contains(&host));
        let wild = || {
            certificates
                .iter()
                .find(|one| one.names.iter().any(|name| covers(name, &host)))
        };
        // A client that names no host, or one of nobody's, sees the first: it will be told 421.
        let Some(chosen) = exact.or_else(wild).or_else(|| certificates.first()) else {
            return;
        };
        let shown = ext::ssl_use_certificate(ssl, &chosen.leaf)
            .and_then(|()| ext::ssl_use_private_key(ssl, &chosen.key))
            .and_then(|()| {
                chosen
                    .chain
                    .iter()
                    .try_for_each(|above| ext::ssl_add_chain_cert(ssl, above))
            });
        if let Err(error) = shown {
            tracing::error!(%error, "a certificate could not be used for a handshake");
        }
    }
}

/// Only these authorities count in this handshake.
fn verify_against(ssl: &mut TlsRef, authorities: &[X509]) -> Result<(), ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for authority in authorities {
        store.add_cert(authority.clone())?;
    }
    ssl.set_verify_cert_store(store.build())
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("*.example.com", "wiki.example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(covers("example.com", "example.com"));
    }
}
