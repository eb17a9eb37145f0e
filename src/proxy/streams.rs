//! Requests that can be ended from outside, and heads that must arrive in time.
//!
//! pingora runs nothing for an idle stream and knows no deadline for a whole request head. Both
//! are had by standing around the inner proxy: the future of one request is polled here together
//! with two others, which the phases of that request set up through a task-local. Dropping the
//! request's future closes the connection (RFC 6455 section 7.1.5: the visitor sees 1006).

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream},
    protocols::http::{ServerSession, server::Session as HttpSession, v2::server::H2Options},
    proxy::{HttpProxy, ProxyHttp},
    server::ShutdownWatch,
};

use super::server::{ActiveRequest, Traffic};
use crate::session::OpenStream;

/// For the first head on a connection, from its first moment.
const HEAD: Duration = Duration::from_secs(15);
/// For a later one: the keep-alive of 60 seconds, and then as long as for a first one.
const NEXT_HEAD: Duration = Duration::from_secs(75);

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Watched {
    /// Set when the head is complete; counts the request as under way.
    active: Option<ActiveRequest>,
    traffic: Traffic,
    end: Option<Signal>,
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
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // HTTP/2 streams come with their head; the connection has its own idle timeout.
        let patience = (!session.is_http2()).then(|| patience(&session));
        let mut request = self.inner.process_new_http(session, shutdown);
        let mut deadline: Option<Signal> = None;
        let watch = poll_fn(move |context| {
            if let Poll::Ready(done) = request.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            WATCHED.with(|watched| {
                let mut watched = watched.borrow_mut();
                if let Some(end) = watched.end.as_mut() {
                    if end.as_mut().poll(context).is_ready() {
                        return Poll::Ready(None);
                    }
                } else if watched.active.is_some() {
                    deadline = None;
                } else if let Some(patience) = patience {
                    let deadline =
                        deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                    if deadline.as_mut().poll(context).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending
            })
        });
        let watched = Watched {
            traffic: self.traffic.clone(),
            ..Watched::default()
        };
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
