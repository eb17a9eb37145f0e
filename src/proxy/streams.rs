//! Requests that can be ended from outside, and heads that must arrive in time.
//!
//! pingora runs nothing for an idle stream and knows no deadline for a whole request head. Both
//! are had by standing around the inner proxy: the future of one request is polled here together
//! with two others, which the phases of that request set up through a task-local. Dropping the
//! request's future closes the connection (RFC 6455 section 7.1.5: the visitor sees 1006).

use std::{
    any::Any,
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream},
    protocols::http::{ServerSession, server::Session as HttpSession, v2::server::H2Options},
    proxy::{HttpProxy, ProxyHttp},
    server::ShutdownWatch,
};
use tokio::time::{Instant, Sleep};

use super::{
    rewrite::Forwarding,
    server::{ActiveRequest, Traffic},
};
use crate::session::OpenStream;

/// For the first head on a connection, from its first moment.
const HEAD: Duration = Duration::from_secs(15);
/// For a later one: the keep-alive of 60 seconds, and then as long as for a first one.
const NEXT_HEAD: Duration = Duration::from_secs(75);

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Watched {
    /// Set when the head is complete; counts the request as under way.
    active: Option<ActiveRequest>,
    traffic: Traffic,
    end: Option<Signal>,
    connection: Option<Box<Connection>>,
}

/// What one request of a connection leaves to the next.
struct Connection {
    /// Set when the first head is waited for, and anew only when it goes off too early: most
    /// requests find one that does.
    alarm: Pin<Box<Sleep>>,
    forwarding: Option<Arc<Forwarding>>,
}

impl Watched {
    /// Whether the request ends before it is done: at its stream's end, or when its head is not
    /// there in time.
    fn poll(&mut self, context: &mut Context<'_>, head_due: Option<Instant>) -> Poll<()> {
        if let Some(end) = &mut self.end {
            return end.as_mut().poll(context);
        }
        let (None, Some(due)) = (&self.active, head_due) else {
            return Poll::Pending;
        };
        let connection = self.connection.get_or_insert_with(|| {
            Box::new(Connection {
                alarm: Box::pin(tokio::time::sleep_until(due)),
                forwarding: None,
            })
        });
        while connection.alarm.as_mut().poll(context).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            connection.alarm.as_mut().reset(due);
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

/// What an earlier request of this connection left for [`Forwarding::of`].
pub(super) fn kept_forwarding() -> Option<Arc<Forwarding>> {
    let kept = WATCHED.try_with(|watched| {
        let watched = watched.borrow();
        watched.connection.as_ref()?.forwarding.clone()
    });
    kept.ok().flatten()
}

/// Leaves it for the next one.
pub(super) fn keep_forwarding(forwarding: Arc<Forwarding>) {
    let _ = WATCHED.try_with(|watched| {
        if let Some(connection) = &mut watched.borrow_mut().connection {
            connection.forwarding = Some(forwarding);
        }
    });
}

/// Hands over what the connection's next request gets.
pub(super) fn hand_on() -> Option<Box<dyn Any + Send + Sync>> {
    let connection = WATCHED.try_with(|watched| watched.borrow_mut().connection.take());
    Some(connection.ok()??)
}

/// The proxy, with each request under watch.
pub(crate) struct Watching<P> {
    inner: Arc<HttpProxy<P>>,
    traffic: Traffic,
}

impl<P> Watching<P> {
    /// Around `inner`.
    pub(crate) fn new(inner: HttpProxy<P>, traffic: Traffic) -> Self {
        Self {
            inner: Arc::new(inner),
            traffic,
        }
    }
}

#[async_trait]
impl<P> HttpServerApp for Watching<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // HTTP/2 streams come with their head; the connection has its own idle timeout.
        let head_due = (!session.is_http2()).then(|| Instant::now() + patience(&session));
        let kept = session.take_connection_user_context();
        let watched = Watched {
            active: None,
            traffic: self.traffic.clone(),
            end: None,
            connection: kept.and_then(|kept| kept.downcast().ok()),
        };
        let mut request = self.inner.process_new_http(session, shutdown);
        let watch = poll_fn(move |context| {
            if let Poll::Ready(done) = request.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            WATCHED.with(|watched| watched.borrow_mut().poll(context, head_due).map(|()| None))
        });
        WATCHED.scope(RefCell::new(watched), watch).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.inner.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.inner.server_options()
    }

    async fn http_cleanup(&self) {
        self.inner.http_cleanup().await;
    }
}

/// How long to wait for the head: less on a connection that was just made.
fn patience(session: &HttpSession) -> Duration {
    let timing = session
        .digest()
        .and_then(|digest| digest.timing_digest.first()?.as_ref());
    let fresh = timing.is_some_and(|timing| {
        timing
            .established_ts
            .elapsed()
            .is_ok_and(|age| age < Duration::from_secs(1))
    });
    if fresh { HEAD } else { NEXT_HEAD }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(connection: Option<Box<Connection>>) -> Watched {
        Watched {
            active: None,
            traffic: Traffic::default(),
            end: None,
            connection,
        }
    }

    async fn waits_until(watched: &mut Watched, due: Instant) -> Duration {
        let begun = Instant::now();
        poll_fn(|context| watched.poll(context, Some(due))).await;
        begun.elapsed()
    }

    /// The alarm of an earlier request goes off too early, and is set again.
    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_whole_time() {
        let mut first = watched(None);
        let due = Instant::now() + Duration::from_secs(15);
        let tried = tokio::time::timeout(Duration::from_secs(5), waits_until(&mut first, due));
        assert!(tried.await.is_err(), "the first head has 15 s");

        let mut second = watched(first.connection.take());
        let due = Instant::now() + Duration::from_secs(75);
        let waited = waits_until(&mut second, due).await;
        assert_eq!(waited.as_secs(), 75);

        let mut third = watched(second.connection.take());
        let waited = waits_until(&mut third, Instant::now()).await;
        assert!(waited.as_secs() == 0, "a late head ends at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_has_no_deadline() {
        let mut under_way = watched(None);
        under_way.active = Some(under_way.traffic.enter());
        let due = Instant::now() + Duration::from_secs(1);
        let waited = waits_until(&mut under_way, due);
        let tried = tokio::time::timeout(Duration::from_secs(100), waited);
        assert!(tried.await.is_err());
    }
}
