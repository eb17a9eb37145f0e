//! The same pingora proxy with an empty filter: what script/bench holds Vestibule against.
//!
//!     bare_pingora LISTEN UPSTREAM THREADS [stealing] [fields] [timeouts]
//!
//! Allocator, host and settings are the product's; everything that knows a login is left out. With
//! `stealing` its threads take work from each other, as pingora's do unless they are told not to.
//! With `fields` it writes the fields that the product writes, always the same ones and in the cheapest
//! way there is, and decides nothing: what is above that is the price of the decision. With
//! `timeouts` an application must answer in the product's default times, which costs a timer. With
//! both it does for a request what the product does, but for whom.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use pingora::{
    http::{RequestHeader, ResponseHeader},
    prelude::{HttpPeer, ProxyHttp, Server, Session, http_proxy_service},
    server::configuration::ServerConf,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As the product's default preset and its forwarding headers have them.
const FIELDS: [(&str, &str); 9] = [
    ("x-real-ip", "127.0.0.1"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-host", "localhost:8080"),
    ("x-forwarded-port", "8080"),
    ("x-forwarded-proto", "http"),
    (
        "forwarded",
        "for=127.0.0.1;host=\"localhost:8080\";proto=http",
    ),
    ("x-forwarded-user", "usr_0123456789abcdefghijkl"),
    ("x-forwarded-email", "alice@example.com"),
    ("x-forwarded-preferred-username", "alice"),
];

struct Bare {
    upstream: SocketAddr,
    /// Whether an application must answer in the product's default time.
    timeouts: bool,
    /// Ready to be cloned; none without `fields`.
    fields: Vec<(HeaderName, HeaderValue)>,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        if self.timeouts {
            peer.options.connection_timeout = Some(Duration::from_secs(5));
            peer.options.total_connection_timeout = Some(Duration::from_secs(5));
            peer.options.read_timeout = Some(Duration::from_mins(1));
            peer.options.write_timeout = Some(Duration::from_mins(1));
        }
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> pingora::Result<()> {
        if self.fields.is_empty() {
            return Ok(());
        }
        // Without pingora's second table, for the case of names, as the product does it.
        let nothing = RequestHeader::from(http::Request::new(()).into_parts().0);
        let mut parts = http::request::Parts::from(std::mem::replace(request, nothing));
        parts.headers.reserve(self.fields.len());
        for (name, value) in &self.fields {
            parts.headers.insert(name, value.clone());
        }
        *request = RequestHeader::from(parts);
        Ok(())
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        (): &mut (),
    ) -> pingora::Result<()> {
        if !self.fields.is_empty() {
            let private = HeaderValue::from_static("private");
            response.insert_header(header::CACHE_CONTROL, private)?;
        }
        Ok(())
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (Some(listen), Some(upstream), Some(threads)) = (
        words.next(),
        words.next().and_then(|address| address.parse().ok()),
        words.next().and_then(|number| number.parse().ok()),
    ) else {
        return;
    };
    let modes: Vec<String> = words.collect();
    let is = |mode: &str| modes.iter().any(|given| given == mode);
    let fields: &[_] = if is("fields") { &FIELDS } else { &[] };
    let fields = fields.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    let fields = fields.collect();
    let conf = ServerConf {
        threads,
        work_stealing: is("stealing"),
        // The bench does not wait for what is still under way.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let bare = Bare {
        upstream,
        timeouts: is("timeouts"),
        fields,
    };
    let mut proxy = http_proxy_service(&server.configuration, bare);
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.run_forever();
}
