//! The certificate that a visitor showed, what ties them to the one they were shown, and the origin
//! where nothing else happens.
//!
//! Two may say which certificate it was: our own handshake, and a proxy in front where TLS ended
//! (RFC 9440). From a trusted proxy only its word counts, since the certificate of that handshake is
//! the proxy's own; from anybody else only the handshake does, and the header fields are dropped
//! unread. No application gets to see either.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora::proxy::Session as Downstream;

use super::{Edge, Live, Passage, bridge, tls::Handshaken};
use crate::{
    page::{Endpoint, headers},
    protocol::{ChannelBinding, ClientCertificate, Scheme},
};

/// The binding of the visitor's own TLS connection. A trusted proxy's connection is not the
/// visitor's, and nobody tells us of that.
pub(super) fn channel_binding(
    downstream: &Downstream,
    passage: &Passage,
) -> Option<ChannelBinding> {
    if passage.head.as_ref()?.client.by_trusted_proxy {
        return None;
    }
    Handshaken::of(downstream)?.channel_binding.clone()
}

impl Edge {
    /// The visitor's certificate, as far as somebody says so who may.
    pub(super) fn certificate(
        &self,
        downstream: &Downstream,
        passage: &mut Passage,
    ) -> Option<Arc<ClientCertificate>> {
        let by_trusted_proxy = passage.head.as_ref()?.client.by_trusted_proxy;
        if !by_trusted_proxy {
            return Handshaken::of(downstream)?.certificate.clone();
        }
        match ClientCertificate::from_headers(&downstream.req_header().headers) {
            Ok(certificate) => certificate.map(Arc::new),
            Err(error) => {
                tracing::warn!(
                    %error,
                    request_id = self.request_id(passage),
                    "the Client-Cert or Client-Cert-Chain of a trusted proxy is not as RFC 9440 says, \
                     and counts as none: see how the proxy makes it"
                );
                None
            }
        }
    }

    /// A request to the origin where browsers are asked for certificates: the callback of a
    /// connection that asks there, and everything else where it always is.
    pub(super) async fn certificate_origin(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
    ) -> pingora::Result<bool> {
        // A browser asks its person again on a new connection only.
        downstream.set_keepalive(None);
        let Some(head) = passage.head.as_ref() else {
            return Ok(true);
        };
        let (engine, path) = (&live.site.engine, head.path().as_str());
        let page = path.strip_prefix(engine.base.prefix.as_str());
        let page = page.and_then(|page| Endpoint::parse(page.strip_prefix('/')?));
        let is_here = match &page {
            Some(Endpoint::Asset(_)) => true,
            Some(Endpoint::Callback(id)) => {
                let connection = engine.connections.enabled(id);
                let desk = connection.and_then(|(connection, _)| connection.certificates());
                desk.is_some_and(|desk| desk.origin().is_some())
            }
            _ => false,
        };
        if is_here && engine.is_login_host(head.host()) {
            return Box::pin(self.own_page(downstream, passage, live)).await;
        }
        let known = live.gate.knows(head.host()) || engine.is_login_host(head.host());
        let safe = matches!(downstream.req_header().method, Method::GET | Method::HEAD);
        if !known || !safe {
            return self.misdirected(downstream, passage, live).await;
        }
        let origin = engine.base.login.at(head.host().clone());
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::FOUND;
        if let Ok(to) = HeaderValue::from_str(&format!("{origin}{}", head.target())) {
            answer.headers_mut().insert(header::LOCATION, to);
        }
        let https = engine.base.login.scheme == Scheme::Https;
        headers::common(answer.headers_mut(), https);
        bridge::write(downstream, answer).await?;
        Ok(true)
    }
}
