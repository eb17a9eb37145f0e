//! TLS towards the visitor: which certificate for which name and whose client certificates are
//! taken, read again when the files change.
//!
//! A client certificate is demanded of everybody, by the authorities of the listener, or asked for. One
//! that was asked for is taken as it is: the handshake proves that the visitor holds its key (RFC 8446
//! section 4.4.3), and whether it is good, each connection knows for itself ([`crate::connection`]).

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
    protocols::tls::{ALPN, TlsRef},
    proxy::Session as Downstream,
    tls::ext,
};

use super::Live;
use crate::{
    problem::Problem,
    protocol::{ChannelBinding, ClientCertificate},
};

/// So many certificates may stand above one that was asked for: none of them is believed here.
const MOST_BETWEEN: u32 = 8;

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
    pub(crate) visitors: Visitors,
    /// The key of the listener in the file.
    pub(crate) key: String,
}

/// What a listener wants of a visitor's certificate.
#[derive(Clone, Debug)]
pub(crate) enum Visitors {
    /// Whoever has one may show it, also one that is no good.
    Asked,
    /// Only a client whose certificate comes from one of these authorities may speak.
    Demanded(PathBuf),
    /// Nobody is asked.
    Ignored,
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
struct Handshakes {
    tls: ListenerTls,
    certificate_login: bool,
    live: Arc<ArcSwap<Live>>,
}

/// What a handshake said. It stays with the connection, and a request looks at it in place.
#[derive(Debug)]
pub(super) struct Handshaken {
    /// The name that was asked for, where it binds the requests that follow.
    pub(super) name: Option<String>,
    /// The certificate that was shown.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// Of the certificate that was shown to the visitor.
    pub(super) channel_binding: Option<ChannelBinding>,
    /// Whether the listener serves logins by certificate and nothing else.
    pub(super) certificate_login: bool,
}

impl Handshaken {
    /// That of the connection by which a request came.
    pub(super) fn of(downstream: &Downstream) -> Option<&Self> {
        let tls = downstream.digest()?.ssl_digest.as_ref()?;
        tls.extension.get::<Self>()
    }
}

#[derive(Debug)]
struct Certificate {
    names: Vec<String>,
    channel_binding: Option<ChannelBinding>,
    leaf: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Read {
    /// What is shown to whoever asks for a host. A client that names none, or nobody's, sees the
    /// first: it will be told 421.
    fn certificate_for(&self, host: &str) -> Option<&Certificate> {
        let all = &self.certificates;
        let named = |names: fn(&str, &str) -> bool| {
            let mut each = all.iter();
            each.find(|one| one.names.iter().any(|name| names(name, host)))
        };
        let exact = named(|name, host| name == host);
        exact.or_else(|| named(covers)).or_else(|| all.first())
    }
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
            .chain(self.0.files.visitors.authorities())
    }

    /// The settings of a listener that speaks so.
    pub(super) fn settings(
        &self,
        certificate_login: bool,
        live: Arc<ArcSwap<Live>>,
    ) -> anyhow::Result<TlsSettings> {
        let mut settings = TlsSettings::with_callbacks(Box::new(Handshakes {
            tls: self.clone(),
            certificate_login,
            live,
        }))?;
        // Each login by certificate makes a connection of its own, so that browsers ask again.
        settings.set_alpn(if certificate_login {
            ALPN::H1
        } else {
            ALPN::H2H1
        });
        match self.0.files.visitors {
            Visitors::Ignored => return Ok(settings),
            Visitors::Demanded(_) => {
                settings.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
            }
            // Whatever comes is taken; OpenSSL checks CertificateVerify all the same.
            Visitors::Asked => {
                settings.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
                settings.set_verify_depth(MOST_BETWEEN);
            }
        }
        // A resumed session shows no certificate: each one is asked of today's authorities.
        settings.set_options(SslOptions::NO_TICKET);
        settings.set_session_cache_mode(SslSessionCacheMode::OFF);
        Ok(settings)
    }
}

impl Visitors {
    fn authorities(&self) -> Option<&PathBuf> {
        match self {
            Self::Demanded(file) => Some(file),
            Self::Asked | Self::Ignored => None,
        }
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
    if let Some(file) = files.visitors.authorities() {
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
        channel_binding: ChannelBinding::of(&leaf),
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
        let host = asked_for(ssl);
        // A resumed session shows no certificate; it is for the same name, and so of the same one.
        let read = self.tls.0.read.load();
        let chosen = read.certificate_for(&host);
        let visitors = &self.tls.0.files.visitors;
        Some(Arc::new(Handshaken {
            channel_binding: chosen.and_then(|chosen| chosen.channel_binding.clone()),
            certificate: match visitors {
                Visitors::Asked | Visitors::Demanded(_) => shown(ssl).map(Arc::new),
                Visitors::Ignored => None,
            },
            name: match visitors {
                Visitors::Demanded(_) => Some(host),
                // Everybody is asked alike, whatever the name.
                Visitors::Asked | Visitors::Ignored => None,
            },
            certificate_login: self.certificate_login,
        }))
    }

    async fn certificate_callback(&self, ssl: &mut TlsRef) {
        let host = asked_for(ssl);
        let read = self.tls.0.read.load();
        if matches!(self.tls.0.files.visitors, Visitors::Asked)
            && let Err(error) = self.name_authorities(ssl)
        {
            // Browsers then offer every certificate that they have.
            tracing::warn!(%error, "the authorities could not be named in a handshake");
        }
        if let Some(authorities) = &read.authorities
            && let Err(error) = verify_against(ssl, authorities)
        {
            // Without a store of its own the handshake trusts nobody, so it fails.
            tracing::error!(%error, "the client authorities could not be used for a handshake");
        }
        let Some(chosen) = read.certificate_for(&host) else {
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

impl Handshakes {
    /// Tells whose certificates the connections take, so that no other is offered (RFC 8446 section
    /// 4.2.4). Where none takes any, nobody is asked.
    fn name_authorities(&self, ssl: &mut TlsRef) -> Result<(), ErrorStack> {
        let live = self.live.load();
        let mut desks = live.site.engine.connections.certificates().peekable();
        if desks.peek().is_none() {
            ssl.set_verify(SslVerifyMode::NONE);
        }
        for desk in desks {
            for authority in desk.authorities().certificates() {
                ssl.add_client_ca(authority)?;
            }
        }
        Ok(())
    }
}

/// The host that a handshake is for (RFC 6066 section 3); empty, if it names none.
fn asked_for(ssl: &TlsRef) -> String {
    let name = ssl.servername(NameType::HOST_NAME).unwrap_or_default();
    name.to_ascii_lowercase()
}

/// The certificate that the visitor showed, and has the key of.
fn shown(ssl: &TlsRef) -> Option<ClientCertificate> {
    let leaf = ssl.peer_certificate()?.to_der().ok()?;
    // On this side it has what came with the certificate, and not that itself.
    let chain = ssl.peer_cert_chain();
    let chain = chain.map_or_else(Vec::new, |chain| {
        let all = chain.iter().filter_map(|one| one.to_der().ok());
        all.filter(|one| *one != leaf).collect()
    });
    ClientCertificate::new(leaf, chain)
        .map_err(|error| tracing::info!(%error, "a client certificate was not taken"))
        .ok()
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
