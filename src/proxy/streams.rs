//! Requests that can be ended from outside, and heads that must arrive in time.
//!
//! pingora runs nothing for an idle stream and knows no deadline for a whole request head. Both
//! are had by standing around the inner proxy: the future of one request is polled here together
//! with two others, which the phases of that request set up through a task-local. Dropping the
//! request's future closes the connection (RFC 6455 section 7.1.5: the visitor sees 1006).

use std::{
    any::Any,
    cell::RefCell,
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

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Watched {
    /// Set when the head is complete; counts the request as under way.
    active: Option<ActiveRequest>,
    traffic: Traffic,
    end: Option<Signal>,
    /// `None` over HTTP/2: its streams come with their heads, and have no next one.
    connection: Option<Box<Connection>>,
    /// How often the alarm may still go off before the head is there.
    head_waits: u8,
    body: Option<BodyDue>,
}

/// The next part of a body over HTTP/2, where pingora knows no read timeout.
struct BodyDue {
    patience: Duration,
    alarm: Pin<Box<Sleep>>,
}

/// What one request of a connection hands on to the next.
#[derive(Default)]
struct Connection {
    /// Goes off every [`HEAD`], counted from when a head was first waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    kept: Kept,
}

impl Watched {
    /// Whether the request ends before it is done: at its stream's end, or when its head or a part
    /// of its body is not there in time.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(body) = &mut self.body
            && body.alarm.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        if let Some(end) = &mut self.end {
            return end.as_mut().poll(context);
        }
        let (None, Some(connection)) = (&self.active, &mut self.connection) else {
            return Poll::Pending;
        };
        let alarm = (connection.alarm).get_or_insert_with(|| Box::pin(tokio::time::sleep(HEAD)));
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

tokio::task_local! {
    static WATCHED: RefCell<Watched>;
}

/// The head of this request is complete: its deadline is off.
pub(super) fn head_arrived() {
    // Outside the scope (HTTP/2 reads its heads elsewhere) there is no deadline to lift.
    let _ = WATCHED.try_with(|watched| {
        let mut watched = watched.borrow_mut();
        watched.active = Some(watched.traffic.enter());
    });
}

/// This request goes on as a stream, and ends with its session.
pub(super) fn end_with(stream: OpenStream) {
    let end: Signal = Box::pin(async move { stream.ended().await });
    let _ = WATCHED.try_with(|watched| watched.borrow_mut().end = Some(end));
}

/// Over HTTP/2: each part of the body must come within this time.
pub(super) fn await_body(patience: Duration) {
    let _ = WATCHED.try_with(|watched| {
        let alarm = Box::pin(tokio::time::sleep(patience));
        watched.borrow_mut().body = Some(BodyDue { patience, alarm });
    });
}

/// A part of the body came, perhaps the last.
pub(super) fn body_arrived(last: bool) {
    let _ = WATCHED.try_with(|watched| {
        let body = &mut watched.borrow_mut().body;
        if last {
            *body = None;
        } else if let Some(body) = body {
            body.alarm.as_mut().reset(Instant::now() + body.patience);
        }
    });
}

/// What earlier requests of this connection left; nothing over HTTP/2.
pub(super) fn with_kept<T>(with: impl FnOnce(&mut Kept) -> T) -> Option<T> {
    let done = WATCHED.try_with(|watched| {
        let mut watched = watched.borrow_mut();
        Some(with(&mut watched.connection.as_mut()?.kept))
    });
    done.ok().flatten()
}

/// Hands over what the connection's next request gets.
pub(super) fn hand_on() -> Option<Box<dyn Any + Send + Sync>> {
    let connection = WATCHED.try_with(|watched| watched.borrow_mut().connection.take());
    Some(connection.ok()??)
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
        let kept = session.take_connection_user_context();
        let kept: Option<Box<Connection>> = kept.and_then(|kept| kept.downcast().ok());
        let head_waits = if kept.is_some() { NEXT_HEAD } else { 0 };
        let watched = Watched {
            active: None,
            traffic: self.traffic.clone(),
            end: None,
            connection: (!session.is_http2()).then(|| kept.unwrap_or_default()),
            head_waits,
            body: None,
        };
        let mut request = self.inner.process_new_http(session, shutdown);
        let watch = poll_fn(move |context| {
            if let Poll::Ready(done) = request.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            WATCHED.with(|watched| watched.borrow_mut().poll(context).map(|()| None))
        });
        Box::pin(WATCHED.scope(RefCell::new(watched), watch))
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

    fn watched(connection: Option<Box<Connection>>) -> Watched {
        Watched {
            active: None,
            traffic: Traffic::default(),
            end: None,
            head_waits: connection.as_ref().map_or(0, |_| NEXT_HEAD),
            connection: Some(connection.unwrap_or_default()),
            body: None,
        }
    }

    async fn waits(watched: &mut Watched) -> Duration {
        let begun = Instant::now();
        poll_fn(|context| watched.poll(context)).await;
        begun.elapsed()
    }

    /// The alarm of an earlier request goes off too early, and is set again.
    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_whole_time() {
        let mut first = watched(None);
        let tried = tokio::time::timeout(Duration::from_secs(5), waits(&mut first));
        assert!(tried.await.is_err(), "the first head has 15 s");
        let left = waits(&mut first).await;
        assert_eq!(
            left.as_secs(),
            10,
            "counted from when it was first waited for"
        );

        let mut next = watched(first.connection.take());
        for begun in [0, 1, 14] {
            tokio::time::sleep(Duration::from_secs(begun)).await;
            let waited = waits(&mut next).await.as_secs();
            assert!((75..=90).contains(&waited), "{waited} s");
            next = watched(next.connection.take());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_has_no_deadline() {
        let mut under_way = watched(None);
        under_way.active = Some(under_way.traffic.enter());
        let tried = tokio::time::timeout(Duration::from_secs(100), waits(&mut under_way));
        assert!(tried.await.is_err());
    }
}
