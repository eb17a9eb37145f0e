//! The one HTTP client of this program.
//!
//! It speaks https with checked certificates, follows no redirect, keeps no cookie, asks no proxy
//! of the environment, reads no more than it was told and waits no longer than a login can. Names
//! are resolved by us, and what was looked at is what is connected to: an answer that changes
//! between the two (DNS rebinding) gains nothing.

use std::{
    collections::HashSet,
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Certificate, Identity,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

use super::address::{is_localhost, is_public};
use crate::{
    problem::{Problem, causes},
    secret::Secret,
};

/// How long a connection may take to come about, and the whole call.
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// Idle connections that are kept for each host.
const MOST_IDLE: usize = 16;

/// The client, as one part of the program may use it. All share their connections, but for those
/// with a trust of their own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pools: Arc<Pools>,
    written: Arc<Written>,
}

/// What the operator wrote about whom is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// Hosts that may be inside: on this machine, in this network.
    pub(crate) hosts: HashSet<String>,
    /// Allows plain http to them although they are not on this machine.
    pub(crate) danger_plain_http: bool,
}

/// A trust of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientTls {
    /// Certificates (PEM) that the other side's must be signed by, instead of the system's.
    pub(crate) ca: Option<Vec<u8>>,
    /// A certificate (PEM) and its key (PKCS #8, PEM) to show.
    pub(crate) identity: Option<(Vec<u8>, Secret)>,
}

/// Why there is no answer. Nothing of what was sent is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("the answer broke off: {0}")]
    Broken(String),
    #[error("no connection: {0}")]
    Connect(String),
    #[error("the HTTP client cannot start: {0}")]
    NoClient(String),
    #[error("{0} is inside, and only a host that is written in the configuration may be")]
    Inside(String),
    #[error("the address is not one: {0}")]
    NotAUrl(String),
    #[error("plain http to {0}: what comes from there can be forged")]
    PlainHttp(String),
    #[error("no answer within {} seconds", TOTAL.as_secs())]
    TimedOut,
    #[error("the answer is larger than {MOST_BYTES} bytes")]
    TooLarge,
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsError(String);

impl Client {
    /// A client that goes to public addresses alone. Nothing is opened before the first call.
    pub(crate) fn new() -> Self {
        Self {
            pools: Arc::new(Pools::default()),
            written: Arc::default(),
        }
    }

    /// The same, for a part whose configuration names these hosts.
    pub(crate) fn written(&self, written: Written) -> Self {
        Self {
            pools: self.pools.clone(),
            written: Arc::new(written),
        }
    }

    /// The same with a trust of its own, and connections of its own.
    pub(crate) fn with_tls(&self, tls: &ClientTls) -> Result<Self, TlsError> {
        Ok(Self {
            pools: Arc::new(Pools {
                trust: Trust::read(tls)?,
                ..Pools::default()
            }),
            written: self.written.clone(),
        })
    }

    /// The same; with a file of root certificates (PEM), it trusts those alone. What is wrong with
    /// it is a problem of the key `ca`.
    pub(crate) fn trusting(self, ca: Option<&Path>) -> Result<Self, Problem> {
        let Some(path) = ca else {
            return Ok(self);
        };
        let wrong = |why: String| Problem::new("ca", why);
        let pem = std::fs::read(path)
            .map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
        let tls = ClientTls {
            ca: Some(pem),
            identity: None,
        };
        self.with_tls(&tls)
            .map_err(|error| wrong(error.to_string()))
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let url = Url::parse(&request.uri().to_string())
            .map_err(|error| HttpError::NotAUrl(error.to_string()))?;
        let client = self.client_for(&url)?;
        let (head, body) = request.into_parts();
        let sent = client
            .request(head.method, url)
            .headers(head.headers)
            .body(body);
        let mut answer = sent.send().await.map_err(from_reqwest)?;
        let mut head = http::Response::new(());
        *head.status_mut() = answer.status();
        *head.headers_mut() = std::mem::take(answer.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(from_reqwest)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(head.map(|()| body.freeze()))
    }

    /// The client for this address, if it may be called.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        let host = url.host_str().unwrap_or_default();
        let named = host.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::NotAUrl("it holds a user name".to_owned()));
        }
        let written = self.written.hosts.contains(host);
        match url.scheme() {
            "https" => {}
            "http" if written && (self.written.danger_plain_http || is_loopback(url)) => {}
            "http" => return Err(HttpError::PlainHttp(named)),
            other => return Err(HttpError::NotAUrl(format!("its scheme is {other}"))),
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(HttpError::NotAUrl("it has no host".to_owned())),
        };
        if !written && address.is_some_and(|address| !is_public(address)) {
            return Err(HttpError::Inside(named));
        }
        self.pools.get(written)
    }
}

/// Whether a URL leads to this machine (RFC 6761 section 6.3): there plain http is no danger.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// One client that goes everywhere, for hosts that are written; one that stays outside.
#[derive(Debug, Default)]
struct Pools {
    trust: Trust,
    anywhere: OnceLock<Result<reqwest::Client, String>>,
    outside: OnceLock<Result<reqwest::Client, String>>,
}

impl Pools {
    fn get(&self, anywhere: bool) -> Result<&reqwest::Client, HttpError> {
        let cell = if anywhere {
            &self.anywhere
        } else {
            &self.outside
        };
        let made = cell.get_or_init(|| self.trust.client(anywhere));
        made.as_ref()
            .map_err(|why| HttpError::NoClient(why.clone()))
    }
}

/// Whom is believed, and who we are.
#[derive(Clone, Debug, Default)]
struct Trust {
    ca: Option<Vec<Certificate>>,
    identity: Option<Identity>,
}

impl Trust {
    fn read(tls: &ClientTls) -> Result<Self, TlsError> {
        let said = |error: reqwest::Error| TlsError(causes(&error));
        let ca = match &tls.ca {
            Some(pem) => {
                let all = Certificate::from_pem_bundle(pem).map_err(said)?;
                if all.is_empty() {
                    return Err(TlsError("there is no certificate in the file".to_owned()));
                }
                Some(all)
            }
            None => None,
        };
        let identity = match &tls.identity {
            Some((certificate, key)) => {
                let key = key.expose().as_bytes();
                Some(Identity::from_pkcs8_pem(certificate, key).map_err(said)?)
            }
            None => None,
        };
        Ok(Self { ca, identity })
    }

    fn client(&self, anywhere: bool) -> Result<reqwest::Client, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_max_idle_per_host(MOST_IDLE)
            .dns_resolver(Arc::new(Names { anywhere }));
        if let Some(ca) = &self.ca {
            builder = builder.tls_certs_only(ca.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        builder.build().map_err(|error| causes(&error))
    }
}

/// Looks names up, and lets through only what may be called.
#[derive(Debug)]
struct Names {
    anywhere: bool,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let anywhere = self.anywhere;
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = if is_localhost(name) {
                // Not every system's resolver knows them (RFC 6761 section 6.3).
                let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                both.map(|address| SocketAddr::new(address, 0)).into()
            } else {
                tokio::net::lookup_host((name, 0)).await?.collect()
            };
            // One address inside is enough: somebody tries something.
            if !anywhere && !found.iter().all(|address| is_public(address.ip())) {
                return Err(Box::new(Inside(name.to_owned())) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A name that leads inside.
#[derive(Debug, thiserror::Error)]
#[error("{0} leads inside")]
struct Inside(String);

fn from_reqwest(error: reqwest::Error) -> HttpError {
    // The address may hold what is nobody's business.
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(at) = cause {
        if let Some(Inside(name)) = at.downcast_ref() {
            return HttpError::Inside(name.clone());
        }
        cause = at.source();
    }
    if error.is_timeout() {
        HttpError::TimedOut
    } else if error.is_connect() {
        HttpError::Connect(causes(&error))
    } else {
        HttpError::Broken(causes(&error))
    }
}
