//! Streams that outlive a request's decision: WebSockets, server-sent events, long answers.
//!
//! A request is decided once, but a stream goes on, and nothing runs for it while it is idle. Each
//! one is therefore registered here, under its session; when the session ends the stream is cut.
//! Whoever registers one has the session checked once more afterwards, so that a revocation that
//! fell between decision and registration is not missed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Session, hot::Pulse};
use crate::{clock::Timestamp, identity::UserId, store::SessionId};

/// The open streams of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Stream>>,
}

/// What is known of an open stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) expires_at: Timestamp,
    pub(super) pulse: Arc<Pulse>,
    end: Arc<Notify>,
}

impl Streams {
    /// Registers a stream that goes on under `session`.
    pub(crate) fn open(&self, session: &Session) -> OpenStream {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let end = Arc::new(Notify::new());
        let stream = Stream {
            session: session.id(),
            user: session.user().id.clone(),
            expires_at: session.expires_at(),
            pulse: session.pulse.clone(),
            end: end.clone(),
        };
        self.0.open.lock().insert(number, stream);
        OpenStream {
            number,
            registry: self.0.clone(),
            end,
        }
    }

    /// Cuts the streams that `which` names.
    pub(crate) fn end(&self, which: impl Fn(&Stream) -> bool) {
        for stream in self.0.open.lock().values().filter(|stream| which(stream)) {
            stream.end.notify_one();
        }
    }

    /// The sessions, each once, of the streams that `which` names.
    pub(crate) fn sessions(&self, which: impl Fn(&Stream) -> bool) -> Vec<SessionId> {
        let open = self.0.open.lock();
        let mut sessions: Vec<_> = open
            .values()
            .filter(|stream| which(stream))
            .map(|stream| stream.session)
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }
}

impl Streams {
    /// What is open at the moment.
    pub(super) fn all(&self) -> Vec<Stream> {
        self.0.open.lock().values().cloned().collect()
    }
}

/// A registered stream; dropping it takes it off the register.
#[derive(Debug)]
pub(crate) struct OpenStream {
    number: u64,
    registry: Arc<Registry>,
    end: Arc<Notify>,
}

impl OpenStream {
    /// Waits until the stream must end.
    pub(crate) async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.registry.open.lock().remove(&self.number);
    }
}
