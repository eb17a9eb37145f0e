//! From an upstream to a connection: addresses, TLS, timeouts.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use http::header;
use moka::sync::Cache;
use pingora::{
    Error, ErrorType, OrErr,
    protocols::ALPN,
    proxy::Session as Downstream,
    upstreams::peer::HttpPeer,
};

use crate::route::{Route, Upstream};

/// How long a name's addresses are kept.
const NAMES_KEPT: Duration = Duration::from_secs(10);
/// How long an idle connection to an application is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Finds the address of an upstream.
#[derive(Debug)]
pub(crate) struct Resolver {
    names: Cache<(String, u16), Arc<[SocketAddr]>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { names: Cache::builder().max_capacity(4096).time_to_live(NAMES_KEPT).build() }
    }
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
        if downstream.is_upgrade_req() || events() { Self::Stream } else { Self::Answer }
    }
}

impl Resolver {
    /// A connection to the next upstream of a route.
    pub(super) async fn peer(
        &self,
        route: &Route,
        waits: Waits,
    ) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = match route.next_upstream() {
            Upstream::BuiltinDemo => {
                return Err(Error::explain(ErrorType::InternalError, "the demo has no address"));
            }
            Upstream::Http { host, port } => {
                HttpPeer::new(self.address(host, *port).await?, false, String::new())
            }
            Upstream::Https { host, port, tls } => {
                let mut peer =
                    HttpPeer::new(self.address(host, *port).await?, true, tls.server_name.clone());
                peer.options.ca = tls.authorities.clone();
                peer.client_cert_key = tls.client.clone();
                // Connections shown one certificate are not shared with those shown another.
                peer.group_key = tls.group;
                peer
            }
            Upstream::Unix { path } => HttpPeer::new_uds(path, false, String::new())?,
        };
        let timeouts = route.timeouts();
        let options = &mut peer.options;
        options.alpn = ALPN::H1;
        options.connection_timeout = Some(timeouts.connect.0);
        options.total_connection_timeout = Some(timeouts.connect.0);
        options.write_timeout = Some(timeouts.write.0);
        options.read_timeout = (waits == Waits::Answer).then_some(timeouts.read.0);
        options.idle_timeout = Some(IDLE);
        Ok(Box::new(peer))
    }

    async fn address(&self, host: &str, port: u16) -> pingora::Result<SocketAddr> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(SocketAddr::new(address, port));
        }
        let name = (host.to_owned(), port);
        if let Some(known) = self.names.get(&name) {
            if let Some(first) = known.first() {
                return Ok(*first);
            }
        }
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((host, port))
            .await
            .or_err_with(ErrorType::ConnectError, || format!("no address for {host}"))?
            .collect();
        let first = found.first().copied();
        self.names.insert(name, found);
        first.ok_or_else(|| Error::explain(ErrorType::ConnectError, format!("no address for {host}")))
    }
}
