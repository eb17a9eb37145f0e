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
mod certificate;
mod head;
mod hop;
mod kept;
mod ours;
mod peer;
mod present;
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
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::{
    Error, ErrorType,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, Session as Downstream},
    upstreams::peer::HttpPeer,
};

pub(crate) use self::peer::Peers;
use self::{
    answer::Decided,
    head::Head,
    kept::Kept,
    ours::Ours,
    peer::{Tries, Waits},
    present::Present,
    server::ActiveRequest,
};
use crate::{
    clock::Clock,
    gate::{Gate, Permitted},
    page::Site,
    protocol::TrustedProxies,
    random::{Random, hex},
    session::{Peek, Session, Sessions, Token},
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
    active: Option<ActiveRequest>,
    head: Option<Head>,
    permitted: Option<Permitted>,
    live: Option<Arc<Live>>,
    /// Drawn when something must be named: most requests need none.
    request_id: Option<String>,
    /// Tokens of the provider for the application.
    tokens: Vec<(HeaderName, HeaderValue)>,
    waits: Waits,
    tries: Tries,
    /// The fields of the request, once pingora needs them no more: it copies its own for each try.
    theirs: Option<HeaderMap>,
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

    /// The token in the request's cookie.
    fn token(&self, live: &Live, head: &Head, downstream: &Downstream) -> Option<Token> {
        let name = live.site.engine.base.names.session();
        let lines = downstream.req_header().headers.get_all(header::COOKIE);
        let mut each = lines.iter();
        if let (Some(line), None) = (each.next(), each.next()) {
            let cookie = |line| head::one_cookie([line], name);
            let kept = |kept: &mut Kept| kept.token(&self.sessions, (line, head.host()), cookie);
            if let Some(token) = streams::with_kept(kept) {
                return token;
            }
        }
        let cookie = head::one_cookie(lines, name)?;
        self.sessions.token(cookie, head.host().as_str())
    }

    /// The session behind the request's cookie, if nobody has to be asked.
    fn known(&self, live: &Live, head: &Head, downstream: &Downstream) -> Known {
        let Some(token) = self.token(live, head, downstream) else {
            return Known::As(Found::Nobody);
        };
        match self.sessions.cached(&token, head.now) {
            Peek::Live(session) => Known::As(Found::Session(session, token)),
            Peek::Dead => Known::As(Found::Nobody),
            Peek::Unknown => Known::OnlyToTheStore(token),
        }
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

/// What memory says about a cookie.
#[derive(Debug)]
enum Known {
    As(Found),
    OnlyToTheStore(Token),
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
        passage.active = streams::head_arrived();
        let live = self.live.load_full();
        let head = Head::read(downstream, &live, self.clock.now());
        let decided = head.map(|head| self.decide(downstream, passage, &live, head));
        let kept = passage.live.insert(live);
        // What is rare has its own box, or every request would allocate and copy the room for it.
        let answered = match decided {
            Ok(Decided::Passes) => false,
            Ok(Decided::Answer(answer)) => {
                let live = kept.clone();
                Box::pin(self.answer(downstream, passage, &live, answer)).await?
            }
            Err(bad) => {
                let live = kept.clone();
                Box::pin(self.refuse_head(downstream, passage, &live, bad)).await?
            }
        };
        if !answered && needs_no_fields(downstream, passage) {
            passage.theirs = Some(swap_fields(downstream, HeaderMap::new()));
        }
        Ok(answered)
    }

    async fn upstream_peer(
        &self,
        _downstream: &mut Downstream,
        passage: &mut Passage,
    ) -> pingora::Result<Box<HttpPeer>> {
        let (Some(permitted), Some(live)) = (&passage.permitted, &passage.live) else {
            // No permit, no way: whatever brought us here is a mistake, and it fails closed.
            return Err(Error::explain(ErrorType::HTTPStatus(403), "no permit"));
        };
        let (route, waits, tries) = (permitted.route(), passage.waits, &mut passage.tries);
        match live.peers.known(route, waits, tries) {
            Some(peer) => Ok(peer),
            None => Box::pin(live.peers.look_up(route, waits, tries)).await,
        }
    }

    /// Nothing was sent yet, so another address or another upstream may have it.
    fn fail_to_connect(
        &self,
        _downstream: &mut Downstream,
        _peer: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(passage.tries.are_left());
        error
    }

    async fn upstream_request_filter(
        &self,
        downstream: &mut Downstream,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        let (Some(live), Some(head), Some(permitted)) =
            (&passage.live, &passage.head, &passage.permitted)
        else {
            return Err(Error::explain(ErrorType::HTTPStatus(403), "no permit"));
        };
        let theirs = passage.theirs.as_ref();
        let visitor = (&head.client, theirs.unwrap_or(&request.headers));
        let ours = match streams::with_kept(|kept| kept.ours(permitted, visitor)) {
            Some(ours) => ours?,
            None => Ours::fields(permitted, visitor, &mut None, HeaderValue::clone)?,
        };
        let websocket = hop::asks_for_websocket(downstream.req_header(), head.present);
        let what = (permitted, passage.tokens.as_slice());
        rewrite::request(request, (live, head), what, (theirs, ours), websocket)?;
        // A second try sends the body again.
        passage.body = 0;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        downstream: &mut Downstream,
        body: &mut Option<Bytes>,
        end: bool,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        streams::body_arrived(end);
        if downstream.was_upgraded() {
            return Ok(());
        }
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
        let has_length = rewrite::response(response, live, permitted)?;
        if let Some(session) = permitted.permit().session()
            && is_stream(response.status, has_length)
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
        if let Some(theirs) = passage.theirs.take() {
            swap_fields(downstream, theirs);
        }
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

    /// What pingora writes when it tries again: no query, no header.
    fn request_summary(&self, downstream: &Downstream, passage: &Passage) -> String {
        let method = &downstream.req_header().method;
        let host = passage.head.as_ref().map(|head| head.host().as_str());
        let path = answer::path_to_log(passage).unwrap_or_default();
        format!("{method} {}{path}", host.unwrap_or_default())
    }

    fn suppress_error_log(&self, _: &Downstream, _: &Passage, _: &Error) -> bool {
        // `failed` has written it, with the request's id and what to do.
        true
    }
}

/// Whether pingora knows all that it has to know of a request: how its body is framed and whether
/// the connection stays. It looks at no other field, unless the protocol is to be changed or the
/// body is waited for.
fn needs_no_fields(downstream: &mut Downstream, passage: &Passage) -> bool {
    let asks = [Present::UPGRADE, Present::EXPECT];
    passage
        .head
        .as_ref()
        .is_some_and(|head| !head.present.any(&asks))
        && !downstream.is_http2()
        && downstream.is_body_empty()
}

/// Puts these fields in the place of the request's.
fn swap_fields(downstream: &mut Downstream, fields: HeaderMap) -> HeaderMap {
    let request = downstream.req_header_mut();
    let nothing = RequestHeader::from(http::Request::new(()).into_parts().0);
    let mut parts = http::request::Parts::from(std::mem::replace(request, nothing));
    let old = std::mem::replace(&mut parts.headers, fields);
    *request = RequestHeader::from(parts);
    old
}

/// Whether an answer goes on after its head: a WebSocket, events, or anything without a length.
fn is_stream(status: StatusCode, has_length: bool) -> bool {
    let bodiless = matches!(status.as_u16(), 204 | 205 | 304);
    status == StatusCode::SWITCHING_PROTOCOLS || (!bodiless && !has_length)
}

/// A header value that is known to be one.
fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
