//! The admin listener: is it alive, is it ready, what has it counted.
//!
//! It is meant for the loopback. A web page in a browser on the same machine can reach that too, by
//! a name of its own that resolves there, so the Host must be one that only the operator uses.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora::{
    apps::http_app::{HttpServer, ServeHttp},
    listeners::ListenerConfig,
    protocols::http::ServerSession,
    services::listening::Service,
};

use super::server::Traffic;
use crate::{
    metrics,
    protocol::{Host, HostPort},
    session::Sessions,
};

/// What the admin listener tells.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) traffic: Traffic,
    /// Host names it answers to besides addresses and names of the loopback.
    pub(crate) hosts: Vec<Host>,
    /// Set when the listeners are open.
    pub(crate) listening: Arc<AtomicBool>,
}

impl Admin {
    /// The service at `address`.
    pub(crate) fn service(self, address: SocketAddr) -> Service<HttpServer<Self>> {
        let mut service = Service::new("admin".to_owned(), HttpServer::new_app(self));
        service.add_listener(ListenerConfig::tcp(address.to_string()));
        service
    }

    fn is_meant(&self, downstream: &ServerSession) -> bool {
        let request = downstream.req_header();
        let host = request
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let Some(Ok(host)) = host.map(HostPort::parse) else {
            return false;
        };
        let host = host.host;
        host.is_loopback() || host.is_address() || self.hosts.contains(&host)
    }

    async fn ready(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
            && !self.traffic.is_stopping()
            && self.sessions.answers().await
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, downstream: &mut ServerSession) -> Response<Vec<u8>> {
        if !self.is_meant(downstream) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "add this host to admin.hosts\n",
            );
        }
        let request = downstream.req_header();
        if request.method != Method::GET && request.method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match request.uri.path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/metrics" => text(StatusCode::OK, metrics::render()),
            "/readyz" if self.ready().await => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz and /metrics\n",
            ),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Vec<u8>>) -> Response<Vec<u8>> {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer
}
