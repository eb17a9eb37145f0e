//! The same pingora proxy with an empty filter: what script/bench holds Vestibule against.
//!
//!     bare_pingora LISTEN UPSTREAM THREADS [stealing]
//!
//! Allocator, host and settings are the product's; everything that knows a login is left out. With
//! `stealing` its threads take work from each other, as pingora's do unless they are told not to.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::{
    prelude::{HttpPeer, ProxyHttp, Server, Session, http_proxy_service},
    server::configuration::ServerConf,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
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
    let conf = ServerConf {
        threads,
        work_stealing: words.next().as_deref() == Some("stealing"),
        // The bench does not wait for what is still under way.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Bare { upstream });
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.run_forever();
}
