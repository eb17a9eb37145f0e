//! A listener that only sends people to https.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::{
    apps::http_app::{HttpServer, ServeHttp},
    http::RequestHeader,
    protocols::http::ServerSession,
};

use super::Live;
use crate::protocol::{CanonicalTarget, HostPort};

/// Redirects every request to the same host under `public_url`'s scheme and port. A host that is
/// none of ours makes no link: what stands in a Host header is the sender's choice.
#[derive(Debug)]
pub(crate) struct Redirect {
    live: Arc<ArcSwap<Live>>,
}

impl Redirect {
    /// The application of such a listener.
    pub(super) fn app(live: Arc<ArcSwap<Live>>) -> HttpServer<Self> {
        HttpServer::new_app(Self { live })
    }

    /// Where the same thing is by https.
    fn location(&self, request: &RequestHeader) -> Result<HeaderValue, StatusCode> {
        let target = std::str::from_utf8(request.raw_path()).ok();
        let target = target.and_then(|target| CanonicalTarget::parse(target).ok());
        let mut hosts = request.headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            _ => None,
        };
        let host = host.and_then(|host| HostPort::parse(host).ok());
        let (Some(target), Some(host)) = (target, host) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let live = self.live.load();
        if !live.gate.router().knows(&host.host) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        let to = live.site.engine.base.login.at(host.host);
        HeaderValue::from_str(&format!("{to}{target}")).map_err(|_| StatusCode::BAD_REQUEST)
    }
}

#[async_trait]
impl ServeHttp for Redirect {
    async fn response(&self, downstream: &mut ServerSession) -> Response<Vec<u8>> {
        let mut answer = Response::new(Vec::new());
        match self.location(downstream.req_header()) {
            Ok(location) => {
                *answer.status_mut() = StatusCode::FOUND;
                answer.headers_mut().insert(header::LOCATION, location);
            }
            Err(status) => *answer.status_mut() = status,
        }
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}
