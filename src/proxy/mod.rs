//! The edge: the only folder that names pingora.
//!
//! [`Edge`] is pingora's view of us; each of its phases is a few calls. `request_filter` reads the
//! head ([`head`]), answers our own pages ([`bridge`]), finds the session and asks the gate; what
//! the gate lets through stays in the [`Passage`] as a `Permitted`, and `upstream_peer` has nowhere
//! to go without one. `upstream_request_filter` runs once for each try at an upstream, on a fresh
//! copy of the head, so it is the one place where owned headers are dropped and ours are set.

pub(crate) mod admin;
mod answer;
mod bridge;
mod head;
mod peer;
mod redirect;
mod rewrite;
pub(crate) mod server;
mod streams;
pub(crate) mod tls;
mod worker;

use std::{any::Any, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::{
    Error, ErrorType,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, Session as Downstream},
    upstreams::peer::HttpPeer,
};

pub(crate) use self::peer::Peers;
use self::{head::Head, rewrite::Forwarding};
use crate::{
    clock::Clock,
    gate::{Gate, Permitted},
    page::Site,
    protocol::TrustedProxies,
    random::{Random, hex},
    session::{Session, Sessions, Token},
};

/// What a reload swaps. A request takes one snapshot and keeps it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) gate: Arc<Gate>,
    pub(crate) site: Site,
    pub(crate) trusted: TrustedProxies,
    pub(crate) peers: Peers,
    /// One line for each request that was answered or passed on.
    pub(crate) access_log: bool,
}

/// pingora's view of us.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// One request on its way through.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    head: Option<Head>,
    permitted: Option<Permitted>,
    live: Option<Arc<Live>>,
    /// Drawn when something must be named: most requests need none.
    request_id: Option<String>,
    /// Bytes of the request's body so far.
    body: u64,
}

impl Edge {
    fn request_id<'a>(&self, passage: &'a mut Passage) -> &'a str {
        passage.request_id.get_or_insert_with(|| {
            let id: [u8; 8] = self.random.bytes();
            hex(&id)
        })
    }

    /// The session behind the request's cookie.
    async fn session(&self, live: &Live, head: &Head, downstream: &Downstream) -> Found {
        let names = &live.site.engine.base.names;
        let lines = downstream.req_header().headers.get_all(header::COOKIE);
        let Some(cookie) = head::one_cookie(lines, names.session()) else {
            return Found::Nobody;
        };
        let Some(token) = self.sessions.token(cookie, head.host().as_str()) else {
            return Found::Nobody;
        };
        self.look_up(token).await
    }

    /// Ends the answer with its session. Only if the session changed since it was looked up, which
    /// may have been its end, is the store asked once more.
    fn watch_stream(&self, session: &Session) {
        streams::end_with(self.sessions.streams().open(session));
        if session.is_current() {
            return;
        }
        let (sessions, id) = (self.sessions.clone(), session.id());
        tokio::spawn(async move {
            if let Err(error) = sessions.recheck_session(id).await {
                tracing::warn!(%error, "a stream's session could not be checked");
                sessions.streams().end(|stream| stream.session == id);
            }
        });
    }

    async fn look_up(&self, token: Token) -> Found {
        use crate::session::Peek;
        match self.sessions.cached(&token) {
            Peek::Live(session) => Found::Session(session, token),
            Peek::Dead => Found::Nobody,
            // What is rare has its own box here and below, or every request would allocate and
            // copy the room it needs.
            Peek::Unknown => Box::pin(self.load(token)).await,
        }
    }

    async fn load(&self, token: Token) -> Found {
        crate::metrics::SESSION_LOADS.inc();
        match self.sessions.load(&token).await {
            Ok(Some(session)) => Found::Session(session, token),
            Ok(None) => Found::Nobody,
            Err(error) => {
                crate::metrics::STORE_ERRORS.inc();
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a session could not be looked up: see that the storage is reachable"
                );
                Found::StoreAway
            }
        }
    }
}

/// Whom a cookie speaks for.
#[derive(Debug)]
enum Found {
    Nobody,
    Session(Arc<Session>, Token),
    /// Nobody can tell at the moment.
    StoreAway,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage::default()
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // None: pingora's compression, which is off, would be made and asked for each request.
    }

    async fn request_filter(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
    ) -> pingora::Result<bool> {
        streams::head_arrived();
        let live = self.live.load_full();
        passage.live = Some(live.clone());
        match Head::read(downstream, &live) {
            Ok(head) => {
                passage.head = Some(head);
                self.decide(downstream, passage, &live).await
            }
            Err(bad) => Box::pin(self.refuse_head(downstream, passage, &live, bad)).await,
        }
    }

    async fn upstream_peer(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
    ) -> pingora::Result<Box<HttpPeer>> {
        let (Some(permitted), Some(live)) = (&passage.permitted, &passage.live) else {
            // No permit, no way: whatever brought us here is a mistake, and it fails closed.
            return Err(Error::explain(ErrorType::HTTPStatus(403), "no permit"));
        };
        live.peers
            .peer(permitted.route(), peer::Waits::of(downstream))
            .await
    }

    async fn upstream_request_filter(
        &self,
        _downstream: &mut Downstream,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        let (Some(live), Some(head), Some(permitted)) =
            (&passage.live, &passage.head, &passage.permitted)
        else {
            return Err(Error::explain(ErrorType::HTTPStatus(403), "no permit"));
        };
        let forwarding = Forwarding::of(&head.client, streams::kept_forwarding())?;
        let now = self.clock.now();
        rewrite::request(request, live, (head, &forwarding), permitted, now)?;
        streams::keep_forwarding(forwarding);
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _downstream: &mut Downstream,
        body: &mut Option<Bytes>,
        _end: bool,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        passage.body += body.as_ref().map_or(0, |part| part.len() as u64);
        let most = passage
            .permitted
            .as_ref()
            .and_then(|one| one.route().limits.body);
        if most.is_some_and(|most| passage.body > most.0) {
            return Err(Error::explain(
                ErrorType::HTTPStatus(413),
                "request body over the limit",
            ));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _downstream: &mut Downstream,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        let (Some(live), Some(permitted)) = (&passage.live, &passage.permitted) else {
            return Ok(());
        };
        rewrite::response(response, live, permitted)?;
        if let Some(session) = permitted.permit().session()
            && is_stream(response)
        {
            self.watch_stream(session);
        }
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        downstream: &mut Downstream,
        error: &Error,
        passage: &mut Passage,
    ) -> FailToProxy {
        self.failed(downstream, error, passage).await
    }

    async fn logging(
        &self,
        downstream: &mut Downstream,
        error: Option<&Error>,
        passage: &mut Passage,
    ) {
        if passage.live.as_ref().is_some_and(|live| live.access_log) {
            self.log_access(downstream, error, passage);
        }
    }

    fn persist_connection_context(
        &self,
        _: &Downstream,
        _: &Passage,
    ) -> Option<Box<dyn Any + Send + Sync>> {
        streams::hand_on()
    }

    fn suppress_error_log(&self, _: &Downstream, _: &Passage, _: &Error) -> bool {
        // `failed` has written it, with the request's id and what to do.
        true
    }
}

/// Whether an answer goes on after its head: a WebSocket, events, or anything without a length.
fn is_stream(response: &ResponseHeader) -> bool {
    let status = response.status.as_u16();
    let bodiless = matches!(status, 204 | 205 | 304);
    status == 101 || (!bodiless && !response.headers.contains_key(header::CONTENT_LENGTH))
}

/// A header value that is known to be one.
fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
