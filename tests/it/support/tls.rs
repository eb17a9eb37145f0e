//! Certificates made for one test, and connections that trust them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslConnector, SslMethod, SslStream, SslVerifyMode},
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{BasicConstraints, KeyUsage, SubjectAlternativeName},
    },
};

use super::database_servers::{DatabaseServer, Engine};

/// A certificate authority that lives as long as the test.
pub(crate) struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate with its key, as PEM files and in memory.
pub(crate) struct Leaf {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Leaf {
    /// A database server with this certificate, whose account owns the files from then on.
    pub(crate) fn database(&self, engine: Engine) -> DatabaseServer {
        let (certificate, key) = (self.cert_file.display(), self.key_file.display());
        let options = match engine {
            Engine::Postgres => vec![
                "-cssl=on".to_owned(),
                format!("-cssl_cert_file={certificate}"),
                format!("-cssl_key_file={key}"),
            ],
            Engine::MariaDb => vec![
                format!("--ssl-cert={certificate}"),
                format!("--ssl-key={key}"),
            ],
        };
        for file in [&self.cert_file, &self.key_file] {
            let chown = Command::new("chown")
                .arg(engine.account())
                .arg(file)
                .status();
            assert!(chown.unwrap().success());
        }
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        DatabaseServer::start_with(engine, &options)
    }
}

/// Whom a client trusts, and what it shows to whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    trusted: X509,
    shown: Option<(X509, PKey<Private>)>,
    /// What comes with it.
    chain: Vec<X509>,
}

impl Tls {
    pub(crate) fn showing(authority: &Authority, who: Option<&Leaf>) -> Self {
        Self {
            trusted: authority.certificate.clone(),
            shown: who.map(|leaf| (leaf.certificate.clone(), leaf.key.clone())),
            chain: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, above: &X509) -> Self {
        self.chain.push(above.clone());
        self
    }

    /// Connects to a loopback port as `host`.
    pub(crate) fn connect(&self, port: u16, host: &str) -> SslStream<TcpStream> {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        let store = builder.cert_store_mut();
        store.add_cert(self.trusted.clone()).unwrap();
        if let Some((certificate, key)) = &self.shown {
            builder.set_certificate(certificate).unwrap();
            builder.set_private_key(key).unwrap();
            for above in &self.chain {
                builder.add_extra_chain_cert(above.clone()).unwrap();
            }
        }
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        stream.set_nodelay(true).unwrap();
        builder.build().connect(host, stream).unwrap()
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = new_key();
        let mut builder = builder("test authority", &key);
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()
            .unwrap();
        builder.append_extension(constraints).unwrap();
        builder.append_extension(usage).unwrap();
        let own_name = X509NameBuilder::new().map(|mut name| {
            name.append_entry_by_text("CN", "test authority").unwrap();
            name.build()
        });
        builder.set_issuer_name(&own_name.unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self {
            certificate: builder.build(),
            key,
        }
    }

    pub(crate) fn certificate(&self) -> &X509 {
        &self.certificate
    }

    /// A certificate for these host names, written into `dir` as `NAME.crt` and `NAME.key`.
    pub(crate) fn leaf(&self, dir: &Path, hosts: &[&str]) -> Leaf {
        self.leaf_until(dir, hosts, &Asn1Time::days_from_now(2).unwrap())
    }

    /// The same, good until then.
    pub(crate) fn leaf_until(&self, dir: &Path, hosts: &[&str], end: &Asn1TimeRef) -> Leaf {
        let key = new_key();
        let mut builder = builder(hosts[0], &key);
        builder.set_not_after(end).unwrap();
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        let mut names = SubjectAlternativeName::new();
        for host in hosts {
            if host.parse::<std::net::IpAddr>().is_ok() {
                names.ip(host);
            } else {
                names.dns(host);
            }
        }
        let names = names
            .build(&builder.x509v3_context(Some(&self.certificate), None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        let cert_file = dir.join(format!("{}.crt", hosts[0]));
        let key_file = dir.join(format!("{}.key", hosts[0]));
        std::fs::write(&cert_file, certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&key_file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        make_private(&key_file);
        Leaf {
            certificate,
            key,
            cert_file,
            key_file,
        }
    }

    /// Its own certificate as a PEM file.
    pub(crate) fn file(&self, dir: &Path) -> PathBuf {
        let file = dir.join("authority.crt");
        std::fs::write(&file, self.certificate.to_pem().unwrap()).unwrap();
        file
    }

    /// An acceptor for an upstream; `clients` are those whose certificate it demands.
    pub(crate) fn acceptor(&self, leaf: &Leaf, demand_client: bool) -> SslAcceptor {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_certificate(&leaf.certificate).unwrap();
        builder.set_private_key(&leaf.key).unwrap();
        builder
            .cert_store_mut()
            .add_cert(self.certificate.clone())
            .unwrap();
        if demand_client {
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        builder.build()
    }

    /// A port where TLS ends, before a server on loopback that speaks plain HTTP and closes after
    /// each answer. Only who shows a certificate of this authority gets through.
    pub(crate) fn front(&self, leaf: &Leaf, to: u16) -> u16 {
        let acceptor = self.acceptor(leaf, true);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = acceptor.accept(stream.unwrap()) else {
                    continue;
                };
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                    request.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&request).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:"));
                let mut body = vec![0; length.map_or(0, |text| text.trim().parse().unwrap())];
                stream.read_exact(&mut body).unwrap();
                let mut behind = TcpStream::connect(("127.0.0.1", to)).unwrap();
                behind.write_all(&request).unwrap();
                behind.write_all(&body).unwrap();
                let mut answer = Vec::new();
                behind.read_to_end(&mut answer).unwrap();
                stream.write_all(&answer).unwrap();
                let _ = stream.shutdown();
            }
        });
        port
    }

    /// Connects to a loopback port as `host`, trusting this authority; `protocols` in ALPN's own
    /// encoding, like `b"\x02h2"`.
    pub(crate) fn connect(&self, port: u16, host: &str, protocols: &[u8]) -> SslStream<TcpStream> {
        self.connect_as(None, port, host, protocols)
    }

    /// The same, showing a certificate.
    pub(crate) fn connect_as(
        &self,
        who: Option<&Leaf>,
        port: u16,
        host: &str,
        protocols: &[u8],
    ) -> SslStream<TcpStream> {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        builder
            .cert_store_mut()
            .add_cert(self.certificate.clone())
            .unwrap();
        if let Some(leaf) = who {
            builder.set_certificate(&leaf.certificate).unwrap();
            builder.set_private_key(&leaf.key).unwrap();
        }
        if !protocols.is_empty() {
            builder.set_alpn_protos(protocols).unwrap();
        }
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        stream.set_nodelay(true).unwrap();
        builder.build().connect(host, stream).unwrap()
    }
}

fn make_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn builder(name: &str, key: &PKey<Private>) -> X509Builder {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}
