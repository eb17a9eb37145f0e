//! The same pingora proxy with an empty filter: what script/bench holds Vestibule against.
//!
//!     bare_pingora LISTEN UPSTREAM THREADS [stealing | fields]
//!
//! Allocator, host and settings are the product's; everything that knows a login is left out. With
//! `stealing` its threads take work from each other, as pingora's do unless they are told not to.
//! With `fields` it writes the fields that the product writes, always the same, and decides nothing:
//! what is above that is the price of the decision.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::{
    http::{RequestHeader, ResponseHeader},
    prelude::{HttpPeer, ProxyHttp, Server, Session, http_proxy_service},
    server::configuration::ServerConf,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As the product's default preset and its forwarding headers have them.
const FIELDS: [(&str, &str); 9] = [
    ("X-Real-IP", "127.0.0.1"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Host", "localhost:8080"),
    ("X-Forwarded-Port", "8080"),
    ("X-Forwarded-Proto", "http"),
    (
        "Forwarded",
        "for=127.0.0.1;host=\"localhost:8080\";proto=http",
    ),
    ("X-Forwarded-User", "usr_0123456789abcdefghijkl"),
    ("X-Forwarded-Email", "alice@example.com"),
    ("X-Forwarded-Preferred-Username", "alice"),
];

struct Bare {
    upstream: SocketAddr,
    fields: bool,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> pingora::Result<()> {
        if self.fields {
            for (name, value) in FIELDS {
                request.insert_header(name, value)?;
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        (): &mut (),
    ) -> pingora::Result<()> {
        if self.fields {
            response.insert_header("Cache-Control", "private")?;
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
    let mode = words.next();
    let fields = mode.as_deref() == Some("fields");
    let conf = ServerConf {
        threads,
        work_stealing: mode.as_deref() == Some("stealing"),
        // The bench does not wait for what is still under way.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Bare { upstream, fields });
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.run_forever();
}
