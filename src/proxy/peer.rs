//! From an upstream to a connection: addresses, TLS, timeouts.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use http::header;
use moka::sync::Cache;
use openssl::{pkey::PKey, x509::X509};
use pingora::{
    Error, ErrorType, OrErr, protocols::ALPN, proxy::Session as Downstream,
    tls::x509::X509 as PeerCertificate, upstreams::peer::HttpPeer, utils::tls::CertKey,
};

use crate::{
    problem::Problem,
    protocol::Host,
    route::{Route, Router, Upstream, UpstreamTls},
};

/// How long a name's addresses are kept.
const NAMES_KEPT: Duration = Duration::from_secs(10);
/// How long an idle connection to an application is kept.
const IDLE: Duration = Duration::from_secs(60);

/// What is needed to connect to the applications of one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Peers {
    names: Cache<(Host, u16), Arc<[SocketAddr]>>,
    /// By the number of the route.
    tls: Vec<Option<TlsParts>>,
}

/// TLS towards an application, read from its files.
#[derive(Debug, Default)]
struct TlsParts {
    authorities: Option<Arc<Box<[PeerCertificate]>>>,
    client: Option<Arc<CertKey>>,
}

/// How patient a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waits {
    /// For an answer within the route's timeouts.
    Answer,
    /// For as long as the stream goes on.
    Stream,
}

impl Waits {
    /// What the request asks for: a WebSocket and server-sent events are silent for as long as
    /// they like.
    pub(super) fn of(downstream: &Downstream) -> Self {
        let events = || {
            let accept = downstream.req_header().headers.get(header::ACCEPT);
            accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
        };
        if downstream.is_upgrade_req() || events() {
            Self::Stream
        } else {
            Self::Answer
        }
    }
}

impl Peers {
    /// Reads the certificates of all routes.
    pub(crate) fn build(router: &Router) -> Result<Self, Vec<Problem>> {
        let mut tls = Vec::new();
        let mut problems = Vec::new();
        tls.resize_with(router.routes().len(), || None);
        for route in router.routes() {
            for upstream in route.upstreams.all() {
                let Upstream::Https { tls: wanted, .. } = upstream else {
                    continue;
                };
                match TlsParts::read(wanted) {
                    Ok(parts) => {
                        if let Some(slot) = tls.get_mut(route.index) {
                            *slot = Some(parts);
                        }
                    }
                    Err(problem) => {
                        let key = format!("routes[{}].upstream_tls", route.index);
                        problems.push(problem.under(&key));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let names = Cache::builder()
            .max_capacity(4096)
            .time_to_live(NAMES_KEPT)
            .build();
        Ok(Self { names, tls })
    }

    /// A connection to the next upstream of a route.
    pub(super) async fn peer(&self, route: &Route, waits: Waits) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = match route.upstreams.next() {
            Upstream::BuiltinDemo => {
                return Err(Error::explain(
                    ErrorType::InternalError,
                    "the demo has no address",
                ));
            }
            Upstream::Http { host, port } => {
                HttpPeer::new(self.address(host, *port).await?, false, String::new())
            }
            Upstream::Https { host, port, tls } => {
                let name = tls
                    .server_name
                    .clone()
                    .unwrap_or_else(|| host.as_str().to_owned());
                let mut peer = HttpPeer::new(self.address(host, *port).await?, true, name);
                if let Some(Some(parts)) = self.tls.get(route.index) {
                    peer.options.ca.clone_from(&parts.authorities);
                    peer.client_cert_key.clone_from(&parts.client);
                }
                // A connection that was made for one route's certificates is not another's.
                peer.group_key = route.index as u64 + 1;
                peer
            }
            Upstream::Unix { path } => {
                HttpPeer::new_uds(&path.to_string_lossy(), false, String::new())?
            }
        };
        let options = &mut peer.options;
        options.alpn = ALPN::H1;
        options.connection_timeout = Some(route.timeouts.connect.0);
        options.total_connection_timeout = Some(route.timeouts.connect.0);
        options.write_timeout = Some(route.timeouts.write.0);
        options.read_timeout = (waits == Waits::Answer).then_some(route.timeouts.read.0);
        options.idle_timeout = Some(IDLE);
        Ok(Box::new(peer))
    }

    async fn address(&self, host: &Host, port: u16) -> pingora::Result<SocketAddr> {
        if host.is_address() {
            let text = host.as_str().trim_matches(['[', ']']);
            let address = text
                .parse()
                .or_err(ErrorType::ConnectError, "not an address")?;
            return Ok(SocketAddr::new(address, port));
        }
        let key = (host.clone(), port);
        if let Some(first) = self
            .names
            .get(&key)
            .and_then(|known| known.first().copied())
        {
            return Ok(first);
        }
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((host.as_str(), port))
            .await
            .or_err_with(ErrorType::ConnectError, || {
                format!("no address for {}", host.as_str())
            })?
            .collect();
        let first = found.first().copied();
        self.names.insert(key, found);
        first.ok_or_else(|| Error::explain(ErrorType::ConnectError, "a name without an address"))
    }
}

impl TlsParts {
    fn read(tls: &UpstreamTls) -> Result<Self, Problem> {
        let authorities = tls
            .ca
            .as_deref()
            .map(|path| certificates(path, "ca"))
            .transpose()?;
        let client = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert, "cert")?;
                let pem = read(key, "key")?;
                let key = PKey::private_key_from_pem(&pem).map_err(|_| {
                    Problem::new("key", format!("{} is not a PEM key", key.display()))
                })?;
                Some(Arc::new(CertKey::new(chain, key)))
            }
            _ => None,
        };
        let authorities = authorities.map(|all| Arc::new(all.into_boxed_slice()));
        Ok(Self {
            authorities,
            client,
        })
    }
}

fn certificates(path: &Path, key: &str) -> Result<Vec<X509>, Problem> {
    let all = X509::stack_from_pem(&read(path, key)?).unwrap_or_default();
    if all.is_empty() {
        return Err(Problem::new(
            key,
            format!("{} holds no PEM certificate", path.display()),
        ));
    }
    Ok(all)
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, Problem> {
    std::fs::read(path)
        .map_err(|error| Problem::new(key, format!("cannot read {}: {error}", path.display())))
}
