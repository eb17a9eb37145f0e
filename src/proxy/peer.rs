//! From an upstream to a connection: addresses, TLS, timeouts.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, header};
use moka::sync::Cache;
use openssl::{pkey::PKey, x509::X509};
use pingora::{
    Error, ErrorType, OrErr,
    protocols::{ALPN, TcpKeepalive},
    proxy::Session as Downstream,
    tls::x509::X509 as PeerCertificate,
    upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, Scheme},
    utils::tls::CertKey,
};

use super::present::Present;
use crate::{
    problem::Problem,
    protocol::Host,
    route::{Route, Router, Upstream, UpstreamTls},
};

/// How long a name's addresses are kept.
const NAMES_KEPT: Duration = Duration::from_secs(10);
/// Of a name's addresses so many are tried.
const MOST_ADDRESSES: usize = 4;
/// An idle connection to an application is kept until the application ends it, or until others take
/// its place. One that broke in silence answers no probe: the first comes after `idle`. (An idle
/// timeout of ours would set and clear a timer with each request.)
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(10),
    count: 3,
    // As the system has it.
    user_timeout: Duration::ZERO,
};

/// What is needed to connect to the applications of one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Peers {
    names: Cache<(Host, u16), Arc<[SocketAddr]>>,
    /// By the number of the route, then by the place of the upstream in it.
    targets: Vec<Vec<Target>>,
}

/// An upstream, with all that does not change from request to request.
#[derive(Debug)]
enum Target {
    BuiltinDemo,
    /// Where the address is known: a connection to it.
    At(HttpPeer),
    /// A connection to that name and port, which lacks the address.
    Named(Host, u16, HttpPeer),
}

/// TLS towards an application, read from its files.
#[derive(Debug, Default)]
struct TlsParts {
    authorities: Option<Arc<Box<[PeerCertificate]>>>,
    client: Option<Arc<CertKey>>,
    /// Of what the files hold.
    hash: u64,
}

/// How patient a connection is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Waits {
    /// For an answer within the route's timeouts.
    #[default]
    Answer,
    /// The application is silent for as long as it likes (server-sent events).
    Events,
    /// Both sides are.
    WebSocket,
}

impl Waits {
    /// What the request asks for. One that has a body has to send it in time all the same.
    pub(super) fn of(downstream: &mut Downstream, present: Present) -> Self {
        if !present.any(&[Present::ACCEPT, Present::UPGRADE]) {
            return Self::Answer;
        }
        let fields = &downstream.req_header().headers;
        let is = |name, wanted: &[u8]| {
            let field = fields.get(name).map(HeaderValue::as_bytes);
            let start = field.and_then(|field| field.get(..wanted.len()));
            start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        };
        if is(header::ACCEPT, b"text/event-stream") {
            Self::Events
        } else if is(header::UPGRADE, b"websocket")
            && downstream.is_upgrade_req()
            && downstream.is_body_empty()
        {
            Self::WebSocket
        } else {
            Self::Answer
        }
    }

    fn apply(self, mut peer: Box<HttpPeer>) -> Box<HttpPeer> {
        if self != Self::Answer {
            peer.options.read_timeout = None;
        }
        peer
    }
}

/// Which upstreams of a route, and which of their addresses, a request has tried to connect to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    first: Option<usize>,
    made: usize,
    most: usize,
}

impl Tries {
    /// Whether there is another place to try.
    pub(super) fn are_left(&self) -> bool {
        self.made < self.most
    }

    /// The place of the next upstream among so many, and how often it was tried before.
    fn next(&self, first: usize, upstreams: usize) -> Option<(usize, usize)> {
        let at = (first + self.made).checked_rem(upstreams)?;
        Some((at, self.made.checked_div(upstreams)?))
    }
}

impl Peers {
    /// Reads the certificates of all routes.
    pub(crate) fn build(router: &Router) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut targets = Vec::new();
        targets.resize_with(router.routes().len(), Vec::new);
        for route in router.routes() {
            for upstream in route.upstreams.all() {
                match (Target::build(route, upstream), targets.get_mut(route.index)) {
                    (Ok(target), Some(of_route)) => of_route.push(target),
                    (Ok(_), None) => {}
                    (Err(problem), _) => {
                        problems.push(problem.under(&format!("routes[{}]", route.index)));
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
        Ok(Self { names, targets })
    }

    /// A connection to the next upstream of a route; `None` where its name must be looked up first.
    pub(super) fn known(
        &self,
        route: &Route,
        waits: Waits,
        tries: &mut Tries,
    ) -> Option<Box<HttpPeer>> {
        let targets = self.targets.get(route.index)?;
        let first = *tries.first.get_or_insert_with(|| route.upstreams.turn());
        let (at, round) = tries.next(first, targets.len())?;
        let (peer, addresses) = match targets.get(at)? {
            Target::BuiltinDemo => return None,
            Target::At(peer) => (Box::new(peer.clone()), 1),
            Target::Named(host, port, peer) => {
                let addresses = self.names.get(&(host.clone(), *port))?;
                let mut peer = Box::new(peer.clone());
                peer._address = (*addresses.get(round % addresses.len().max(1))?).into();
                (peer, addresses.len().min(MOST_ADDRESSES))
            }
        };
        tries.made += 1;
        tries.most = tries.most.max(targets.len() * addresses);
        Some(waits.apply(peer))
    }

    /// The same, with a name looked up. One that is not found is passed over while there are others.
    pub(super) async fn look_up(
        &self,
        route: &Route,
        waits: Waits,
        tries: &mut Tries,
    ) -> pingora::Result<Box<HttpPeer>> {
        let targets = self.targets.get(route.index).map_or(&[][..], Vec::as_slice);
        let mut failed = None;
        for _ in 0..targets.len() {
            if let Some(peer) = self.known(route, waits, tries) {
                return Ok(peer);
            }
            let next = tries.next(tries.first.unwrap_or(0), targets.len());
            let Some(Target::Named(host, port, _)) = next.and_then(|(at, _)| targets.get(at))
            else {
                break;
            };
            match self.resolve(host.clone(), *port).await {
                Ok(()) => {
                    if let Some(peer) = self.known(route, waits, tries) {
                        return Ok(peer);
                    }
                }
                Err(error) => failed = Some(error),
            }
            tries.made += 1;
        }
        Err(failed.unwrap_or_else(|| Error::explain(ErrorType::ConnectError, "no address")))
    }

    async fn resolve(&self, host: Host, port: u16) -> pingora::Result<()> {
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((host.as_str(), port))
            .await
            .or_err_with(ErrorType::ConnectError, || {
                format!("no address for {}", host.as_str())
            })?
            .collect();
        self.names.insert((host, port), found);
        Ok(())
    }
}

impl Target {
    fn build(route: &Route, upstream: &Upstream) -> Result<Self, Problem> {
        let target = match upstream {
            Upstream::BuiltinDemo => return Ok(Self::BuiltinDemo),
            Upstream::Http { host, port } => Self::to(host, *port, String::new()),
            Upstream::Https { host, port, tls } => {
                let parts = TlsParts::read(tls).map_err(|problem| problem.under("upstream_tls"))?;
                let name = tls.server_name.clone();
                let name = name.unwrap_or_else(|| host.as_str().to_owned());
                Self::to(host, *port, name).with(|peer| {
                    peer.scheme = Scheme::HTTPS;
                    peer.options.ca = parts.authorities;
                    peer.client_cert_key = parts.client;
                    // A connection that was made under other certificates is not used again.
                    peer.group_key = parts.hash;
                })
            }
            Upstream::Unix { path } => {
                let peer = HttpPeer::new_uds(&path.to_string_lossy(), false, String::new());
                Self::At(peer.map_err(|error| Problem::new("upstream", error.to_string()))?)
            }
        };
        Ok(target.with(|peer| {
            let options = &mut peer.options;
            options.alpn = ALPN::H1;
            options.connection_timeout = Some(route.timeouts.connect.0);
            options.total_connection_timeout = Some(route.timeouts.connect.0);
            options.write_timeout = Some(route.timeouts.write.0);
            options.read_timeout = Some(route.timeouts.read.0);
            options.tcp_keepalive = Some(KEEPALIVE);
            // `rewrite` lets nothing pass that is of one hop.
            options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        }))
    }

    fn to(host: &Host, port: u16, sni: String) -> Self {
        let address: Result<IpAddr, _> = host.as_str().trim_matches(['[', ']']).parse();
        if let Ok(address) = address {
            Self::At(HttpPeer::new((address, port), false, sni))
        } else {
            let nowhere = (Ipv4Addr::UNSPECIFIED, port);
            Self::Named(host.clone(), port, HttpPeer::new(nowhere, false, sni))
        }
    }

    fn with(mut self, change: impl FnOnce(&mut HttpPeer)) -> Self {
        match &mut self {
            Self::BuiltinDemo => {}
            Self::At(peer) | Self::Named(_, _, peer) => change(peer),
        }
        self
    }
}

impl TlsParts {
    fn read(tls: &UpstreamTls) -> Result<Self, Problem> {
        let mut hasher = DefaultHasher::new();
        tls.server_name.hash(&mut hasher);
        let mut pem = |path: &Option<PathBuf>, key: &str| {
            let pem = path.as_deref().map(|path| read(path, key)).transpose()?;
            pem.hash(&mut hasher);
            Ok::<_, Problem>(pem)
        };
        let (ca, cert, key) = (
            pem(&tls.ca, "ca")?,
            pem(&tls.cert, "cert")?,
            pem(&tls.key, "key")?,
        );
        let authorities = (tls.ca.as_deref().zip(ca))
            .map(|(path, pem)| certificates(path, &pem, "ca"))
            .transpose()?;
        let client = match (tls.cert.as_deref().zip(cert), tls.key.as_deref().zip(key)) {
            (Some((cert, chain)), Some((key, pem))) => {
                let chain = certificates(cert, &chain, "cert")?;
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
            hash: hasher.finish(),
        })
    }
}

fn certificates(path: &Path, pem: &[u8], key: &str) -> Result<Vec<X509>, Problem> {
    let all = X509::stack_from_pem(pem).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::parse;

    #[tokio::test]
    async fn each_upstream_is_made_ready_as_it_is_written() {
        let router = parse(
            r#"
            [[routes]]
            path = "/"
            upstream = ["http://127.0.0.1:3000", "http://[::1]:3001", "https://192.0.2.7", "unix:/run/a.sock"]
            timeouts = { read = "7s" }
            [[routes]]
            path = "/name"
            upstream = "https://localhost:3003"
            [[routes]]
            path = "/demo"
            upstream = "builtin:demo"
            "#,
        )
        .unwrap();
        let peers = Peers::build(&router).unwrap();
        let [turns, named, demo] = router.routes() else {
            panic!("three routes");
        };
        let next = |route, tries: &mut Tries| peers.known(route, Waits::Answer, tries);
        for (address, scheme) in [
            ("127.0.0.1:3000", Scheme::HTTP),
            ("[::1]:3001", Scheme::HTTP),
            ("192.0.2.7:443", Scheme::HTTPS),
            ("/run/a.sock", Scheme::HTTP),
        ] {
            let peer = next(turns, &mut Tries::default()).unwrap();
            assert_eq!(peer._address.to_string(), address);
            assert_eq!(peer.scheme, scheme, "{address}");
            assert_eq!(peer.options.read_timeout, Some(Duration::from_secs(7)));
            assert_eq!(peer.options.alpn, ALPN::H1);
        }
        for waits in [Waits::Events, Waits::WebSocket] {
            let peer = peers.known(turns, waits, &mut Tries::default()).unwrap();
            assert_eq!(peer.options.read_timeout, None, "nobody hurries a stream");
        }
        assert!(
            next(named, &mut Tries::default()).is_none(),
            "it has only a name"
        );
        let mut tries = Tries::default();
        let peer = peers
            .look_up(named, Waits::Answer, &mut tries)
            .await
            .unwrap();
        let address = *peer._address.as_inet().unwrap();
        assert!(address.ip().is_loopback() && address.port() == 3003);
        assert_eq!(peer.sni, "localhost");
        let mut tries = Tries::default();
        assert!(
            peers
                .look_up(demo, Waits::Answer, &mut tries)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn each_place_is_tried_before_a_request_fails() {
        let router = parse(
            r#"
            [[routes]]
            upstream = ["http://127.0.0.1:3000", "http://nowhere.invalid:3001", "http://two.test:3002"]
            "#,
        )
        .unwrap();
        let peers = Peers::build(&router).unwrap();
        let [route] = router.routes() else {
            panic!("one route");
        };
        let two = ["[::1]:3002", "127.0.0.1:3002"].map(|text| text.parse().unwrap());
        let name = Host::parse("two.test").unwrap();
        peers.names.insert((name, 3002), Arc::from(two));
        let mut tries = Tries::default();
        let mut tried = Vec::new();
        loop {
            let peer = match peers.known(route, Waits::Answer, &mut tries) {
                Some(peer) => peer,
                None => peers
                    .look_up(route, Waits::Answer, &mut tries)
                    .await
                    .unwrap(),
            };
            tried.push(peer._address.to_string());
            if !tries.are_left() {
                break;
            }
        }
        for wanted in ["127.0.0.1:3000", "[::1]:3002", "127.0.0.1:3002"] {
            assert!(tried.iter().any(|one| one == wanted), "{wanted}: {tried:?}");
        }
        assert!(tried.len() <= 6, "{tried:?}");
    }
}
