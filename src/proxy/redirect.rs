//! A listener that only sends people to https.

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::{apps::http_app::ServeHttp, protocols::http::ServerSession};

use crate::protocol::{CanonicalTarget, HostPort, Origin};

/// Redirects every request to the same host under `public_url`'s scheme and port.
#[derive(Debug)]
pub(crate) struct Redirect {
    to: Origin,
}

impl Redirect {
    /// The application of such a listener.
    pub(super) fn to(to: Origin) -> pingora::apps::http_app::HttpServer<Self> {
        pingora::apps::http_app::HttpServer::new_app(Self { to })
    }
}

#[async_trait]
impl ServeHttp for Redirect {
    async fn response(&self, downstream: &mut ServerSession) -> Response<Vec<u8>> {
        let request = downstream.req_header();
        let target = std::str::from_utf8(request.raw_path()).ok();
        let target = target.and_then(|target| CanonicalTarget::parse(target).ok());
        let host = request
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| HostPort::parse(host).ok());
        let mut answer = Response::new(Vec::new());
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        if let (Some(target), Some(host)) = (target, host) {
            let to = format!("{}{target}", self.to.at(host.host));
            if let Ok(to) = HeaderValue::from_str(&to) {
                *answer.status_mut() = StatusCode::FOUND;
                answer.headers_mut().insert(header::LOCATION, to);
            }
        }
        answer
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        answer
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}
