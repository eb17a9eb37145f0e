//! TLS towards the visitor: which certificate for which name, reloaded when the files change.

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openssl::{
    pkey::{PKey, Private},
    ssl::{NameType, SslVerifyMode},
    x509::X509,
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

/// The certificates of one listener. What is in it can be replaced while it serves.
#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<ArcSwap<Vec<Certificate>>>);

/// What stands behind one listener's handshakes.
struct Handshakes {
    certificates: Certificates,
    /// Whether the visitor must show a certificate: then the name in the handshake binds.
    demands: bool,
}

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

impl Certificates {
    /// Reads the files; `key` names the setting they come from.
    pub(crate) fn load(files: &[CertificateFiles], key: &str) -> Result<Self, Vec<Problem>> {
        read(files, key).map(|read| Self(Arc::new(ArcSwap::from_pointee(read))))
    }

    /// Reads the files again; the certificates in use stay when one of them is broken.
    pub(crate) fn reload(&self, files: &[CertificateFiles], key: &str) -> Result<(), Vec<Problem>> {
        self.0.store(Arc::new(read(files, key)?));
        Ok(())
    }

    /// The settings of a listener that shows these certificates. With `client_ca`, only a client
    /// whose certificate comes from one of its authorities may speak.
    pub(crate) fn settings(&self, client_ca: Option<&Path>) -> anyhow::Result<TlsSettings> {
        let handshakes = Handshakes {
            certificates: self.clone(),
            demands: client_ca.is_some(),
        };
        let mut settings = TlsSettings::with_callbacks(Box::new(handshakes))?;
        settings.enable_h2();
        if let Some(authorities) = client_ca {
            settings.set_ca_file(authorities)?;
            settings.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        Ok(settings)
    }
}

fn read(files: &[CertificateFiles], key: &str) -> Result<Vec<Certificate>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut certificates = Vec::new();
    for (number, pair) in files.iter().enumerate() {
        match read_one(pair) {
            Ok(certificate) => certificates.push(certificate),
            Err(problem) => problems.push(problem.under(&format!("{key}[{number}]"))),
        }
    }
    if problems.is_empty() {
        Ok(certificates)
    } else {
        Err(problems)
    }
}

fn read_one(files: &CertificateFiles) -> Result<Certificate, Problem> {
    let text = |path: &Path, what: &str| {
        std::fs::read(path)
            .map_err(|error| Problem::new(what, format!("cannot read {}: {error}", path.display())))
    };
    let chain = X509::stack_from_pem(&text(&files.cert, "cert")?).map_err(|_| {
        Problem::new(
            "cert",
            format!("{} is not a PEM certificate", files.cert.display()),
        )
    })?;
    let mut chain = chain.into_iter();
    let leaf = chain.next().ok_or_else(|| {
        Problem::new(
            "cert",
            format!("{} holds no certificate", files.cert.display()),
        )
    })?;
    let key = PKey::private_key_from_pem(&text(&files.key, "key")?).map_err(|_| {
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
        chain: chain.collect(),
        key,
    })
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
        self.demands
            .then(|| Arc::new(AskedFor(name.to_ascii_lowercase())) as Arc<dyn Any + Send + Sync>)
    }

    async fn certificate_callback(&self, ssl: &mut TlsRef) {
        let host = ssl
            .servername(NameType::HOST_NAME)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let certificates = self.certificates.0.load();
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
