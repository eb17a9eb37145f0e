//! Requests that can be ended from outside, and heads that must arrive in time.
//!
//! pingora runs nothing for an idle stream and knows no deadline for a whole request head. Both
//! are had by standing around the inner proxy: the future of one request is polled here together
//! with two others, which the phases of that request set up through [`WATCHED`]. Dropping the
//! request's future closes the connection (RFC 6455 section 7.1.5: the visitor sees 1006).

use std::{
    any::Any,
    cell::Cell,
    collections::HashSet,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    protocols::{
        ALPN, Stream,
        http::{
            ServerSession,
            v2::server::{H2Options, default_h2_options},
        },
    },
    proxy::{HttpProxy, ProxyHttp},
    server::ShutdownWatch,
};
use tokio::time::{Instant, Sleep};

use super::{
    kept::Kept,
    server::{ActiveRequest, Traffic},
};
use crate::session::OpenStream;

/// For the first head on a connection.
const HEAD: Duration = Duration::from_secs(15);
/// So many times [`HEAD`], and up to one more, for a later head: the keep-alive, and then as long as
/// for a first one. The alarm runs on from request to request, and nobody looks at a clock.
const NEXT_HEAD: u8 = 5;
/// How long an HTTP/2 connection without a stream is kept, like one of HTTP/1.1.
const IDLE: Duration = Duration::from_mins(1);

/// `Sync`, as is all that pingora carries from request to request.
type Signal = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// What is watched of a connection, or of one stream of HTTP/2.
struct Watched {
    traffic: Traffic,
    /// Its streams come with their heads, and have no next one.
    over_h2: bool,
    /// Goes off every [`HEAD`], counted from when a head was first waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    /// How often the alarm may still go off before the head is there.
    head_waits: u8,
    request: WatchedRequest,
    kept: Kept,
}

/// What is watched of the request that is under way.
#[derive(Default)]
struct WatchedRequest {
    head_arrived: bool,
    end: Option<Signal>,
    body: Option<BodyDue>,
}

/// The next part of a body over HTTP/2, where pingora knows no read timeout.
struct BodyDue {
    patience: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Watched {
    /// Waits for the first head.
    fn new(traffic: Traffic, over_h2: bool) -> Self {
        Self {
            traffic,
            over_h2,
            alarm: None,
            head_waits: 0,
            request: WatchedRequest::default(),
            kept: Kept::default(),
        }
    }

    /// Waits for the next head.
    fn wait_again(&mut self) {
        self.head_waits = NEXT_HEAD;
        self.request = WatchedRequest::default();
    }

    /// Whether the request ends before it is done: at its stream's end, or when its head or a part
    /// of its body is not there in time.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(body) = &mut self.request.body
            && body.alarm.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        if let Some(end) = &mut self.request.end {
            return end.as_mut().poll(context);
        }
        if self.request.head_arrived || self.over_h2 {
            return Poll::Pending;
        }
        let alarm = (self.alarm).get_or_insert_with(|| Box::pin(tokio::time::sleep(HEAD)));
        while alarm.as_mut().poll(context).is_ready() {
            let Some(left) = self.head_waits.checked_sub(1) else {
                return Poll::Ready(());
            };
            self.head_waits = left;
            alarm.as_mut().reset(Instant::now() + HEAD);
        }
        Poll::Pending
    }
}

thread_local! {
    /// That of the request that is being polled. (A task-local of tokio does the same for any value
    /// in any nesting, which costs as much as the gate does: there are five polls to a request.)
    static WATCHED: Cell<Option<Box<Watched>>> = const { Cell::new(None) };
}

/// Does something with what is watched, if anything is.
fn with_watched<T>(with: impl FnOnce(&mut Watched) -> T) -> Option<T> {
    let mut watched = WATCHED.take()?;
    let done = with(&mut watched);
    WATCHED.set(Some(watched));
    Some(done)
}

/// The head of this request is complete: its deadline is off, and the request is under way.
pub(super) fn head_arrived() -> Option<ActiveRequest> {
    with_watched(|watched| {
        watched.request.head_arrived = true;
        watched.traffic.enter()
    })
}

/// This request goes on as a stream, and ends with its session.
pub(super) fn end_with(stream: OpenStream) {
    let end: Signal = Box::pin(async move { stream.ended().await });
    with_watched(|watched| watched.request.end = Some(end));
}

/// Over HTTP/2: each part of the body must come within this time.
pub(super) fn await_body(patience: Duration) {
    let alarm = Box::pin(tokio::time::sleep(patience));
    with_watched(|watched| watched.request.body = Some(BodyDue { patience, alarm }));
}

/// A part of the body came, perhaps the last.
pub(super) fn body_arrived(last: bool) {
    with_watched(|watched| {
        let body = &mut watched.request.body;
        if last {
            *body = None;
        } else if let Some(body) = body {
            body.alarm.as_mut().reset(Instant::now() + body.patience);
        }
    });
}

/// What earlier requests of this connection left; nothing over HTTP/2.
pub(super) fn with_kept<T>(with: impl FnOnce(&mut Kept) -> T) -> Option<T> {
    with_watched(|watched| (!watched.over_h2).then(|| with(&mut watched.kept))).flatten()
}

/// Hands over what the connection's next request gets.
pub(super) fn hand_on() -> Option<Box<dyn Any + Send + Sync>> {
    if with_watched(|watched| watched.over_h2)? {
        return None;
    }
    let mut watched = WATCHED.take()?;
    watched.wait_again();
    Some(watched)
}

/// The proxy, with each connection and each request under watch.
pub(crate) struct Watching<P>(Arc<Requests<P>>);

impl<P> Watching<P> {
    /// Around `inner`.
    pub(crate) fn new(mut inner: HttpProxy<P>, traffic: Traffic) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(IDLE);
        inner.server_options = Some(options);
        inner.h2_options = Some(default_h2_options());
        Self(Arc::new(Requests {
            inner: Arc::new(inner),
            traffic,
            without_stream: Mutex::default(),
        }))
    }
}

#[async_trait]
impl<P> ServerApp for Watching<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let requests = &self.0;
        let over_h2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let Some(digest) = stream.get_socket_digest().filter(|_| over_h2) else {
            return requests.process_new(stream, shutdown).await;
        };
        // pingora waits without end for the preface (RFC 9113 section 3.4).
        let this = Arc::as_ptr(&digest) as usize;
        requests.without_stream.lock().insert(this);
        let mut connection = requests.process_new(stream, shutdown);
        let done = tokio::select! {
            done = &mut connection => Some(done),
            () = tokio::time::sleep(HEAD) => None,
        };
        let silent = requests.without_stream.lock().remove(&this);
        match done {
            Some(done) => done,
            None if silent => None,
            None => connection.await,
        }
    }

    async fn cleanup(&self) {
        self.0.cleanup().await;
    }
}

/// The requests of all connections.
struct Requests<P> {
    inner: Arc<HttpProxy<P>>,
    traffic: Traffic,
    /// The HTTP/2 connections that are waited for to begin, each by its digest.
    without_stream: Mutex<HashSet<usize>>,
}

/// Without the macro that the trait was written with: it would move the session, which is large,
/// through one future more for each request.
impl<P> HttpServerApp for Requests<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    fn process_new_http<'requests, 'shutdown, 'all>(
        self: &'requests Arc<Self>,
        mut session: ServerSession,
        shutdown: &'shutdown ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'all>>
    where
        'requests: 'all,
        'shutdown: 'all,
    {
        if session.is_http2() {
            let digest = session.digest().and_then(|all| all.socket_digest.as_ref());
            if let Some(digest) = digest {
                let this = Arc::as_ptr(digest) as usize;
                self.without_stream.lock().remove(&this);
            }
        }
        let handed_on = session.take_connection_user_context();
        let mut watched = handed_on.and_then(|watched| watched.downcast().ok());
        if watched.is_none() {
            let fresh = Watched::new(self.traffic.clone(), session.is_http2());
            watched = Some(Box::new(fresh));
        }
        let mut request = self.inner.process_new_http(session, shutdown);
        Box::pin(poll_fn(move |context| {
            WATCHED.set(watched.take());
            let polled = request.as_mut().poll(context);
            watched = WATCHED.take();
            match (polled, &mut watched) {
                (Poll::Pending, Some(watched)) => watched.poll(context).map(|()| None),
                (polled, _) => polled,
            }
        }))
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.inner.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.inner.server_options()
    }

    fn http_cleanup<'requests, 'all>(
        &'requests self,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'all>>
    where
        'requests: 'all,
    {
        self.inner.http_cleanup()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Watched {
        Watched::new(Traffic::default(), false)
    }

    fn next(mut earlier: Watched) -> Watched {
        earlier.wait_again();
        earlier
    }

    async fn waits(watched: &mut Watched) -> Duration {
        let begun = Instant::now();
        poll_fn(|context| watched.poll(context)).await;
        begun.elapsed()
    }

    /// The alarm of an earlier request goes off too early, and is set again.
    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_whole_time() {
        let mut waiting = first();
        let tried = tokio::time::timeout(Duration::from_secs(5), waits(&mut waiting));
        assert!(tried.await.is_err(), "the first head has 15 s");
        let left = waits(&mut waiting).await;
        assert_eq!(
            left.as_secs(),
            10,
            "counted from when it was first waited for"
        );

        let mut waiting = next(waiting);
        for begun in [0, 1, 14] {
            tokio::time::sleep(Duration::from_secs(begun)).await;
            let waited = waits(&mut waiting).await.as_secs();
            assert!((75..=90).contains(&waited), "{waited} s");
            waiting = next(waiting);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_has_no_deadline() {
        let mut under_way = first();
        under_way.request.head_arrived = true;
        let tried = tokio::time::timeout(Duration::from_secs(100), waits(&mut under_way));
        assert!(tried.await.is_err());
    }
}
