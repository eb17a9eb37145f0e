//! What waits to be sent somewhere, and how often it is tried.
//!
//! [`Queue::put`] takes work and returns at once; what comes after that happens beside the requests.
//! What waits is bounded. A [`Lane`] is one way out: so many use it at once, and it is known whether
//! what is sent there is taken.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prometheus::{IntCounterVec, IntGauge};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{
    clock::{Clock, Timestamp},
    problem::Causes,
};

/// The most that wait.
const MOST: usize = 1000;
/// So many are tried at once by one way.
const AT_ONCE: usize = 4;
/// How long it is before the second try; each pause after that is twice as long.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// Nothing is tried for longer.
const PATIENCE: Duration = Duration::from_hours(1);

/// Work that waits. It lives as long as the process.
pub(crate) struct Queue {
    of: Kind,
    /// One permit for each that may still come.
    room: Arc<Semaphore>,
    /// Where the work is done: not among the requests, which end sooner.
    runtime: Handle,
    clock: Arc<dyn Clock>,
    closing: watch::Sender<bool>,
}

/// What a queue holds, for the log and the metrics.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// With its article.
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    /// By what became of them.
    pub(crate) counted: &'static LazyLock<IntCounterVec>,
    pub(crate) waiting: &'static LazyLock<IntGauge>,
}

/// One way out of a queue.
#[derive(Debug)]
pub(crate) struct Lane {
    at_once: Semaphore,
    /// Whether the last try of all was not taken for a reason that others share.
    away: AtomicBool,
}

/// Why something was not taken.
pub(crate) trait NotTaken: std::error::Error {
    /// Whether the same would happen again.
    fn is_for_good(&self) -> bool;

    /// Whether others are not taken either.
    fn is_for_all(&self) -> bool {
        !self.is_for_good()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            at_once: Semaphore::new(AT_ONCE),
            away: AtomicBool::new(false),
        }
    }
}

impl Lane {
    /// Whether nothing is taken there at the moment. What comes now waits.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// A queue whose work is done by the runtime that it is made in.
    pub(crate) fn new(of: Kind, clock: Arc<dyn Clock>) -> Self {
        Self {
            of,
            room: Arc::new(Semaphore::new(MOST)),
            runtime: Handle::current(),
            clock,
            closing: watch::Sender::new(false),
        }
    }

    /// The runtime that does the work.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Does something later, and returns at once. Where there is no room it is dropped and counted,
    /// and whoever called does the same as otherwise.
    pub(crate) fn put<F>(self: &Arc<Self>, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            self.count("dropped");
            tracing::error!("{} was dropped: too many wait", self.of.one);
            return;
        };
        self.note_length();
        let queue = self.clone();
        self.runtime.spawn(async move {
            work.await;
            drop(place);
            queue.note_length();
        });
    }

    /// Tries until something is taken, refused for good, or of no use any more; and counts how it
    /// ended. `kind` is for the log.
    pub(crate) async fn insist<E, A>(
        &self,
        lane: &Lane,
        (kind, until): (&'static str, Timestamp),
        attempt: impl Fn() -> A + Send,
    ) where
        E: NotTaken + Send + 'static,
        A: Future<Output = Result<(), E>> + Send,
    {
        match self.try_until(lane, (kind, until), attempt).await {
            Ok(()) => self.count("sent"),
            Err(error) => {
                tracing::error!(kind, error = %Causes(&error), "{} was not sent", self.of.one);
                self.count("failed");
            }
        }
    }

    async fn try_until<E, A>(
        &self,
        lane: &Lane,
        (kind, until): (&'static str, Timestamp),
        attempt: impl Fn() -> A + Send,
    ) -> Result<(), E>
    where
        E: NotTaken + Send + 'static,
        A: Future<Output = Result<(), E>> + Send,
    {
        let until = until.min(self.clock.now() + PATIENCE);
        let mut closing = self.closing.subscribe();
        let mut pause = PAUSE;
        loop {
            let is_last = *closing.borrow();
            let sent = {
                let _turn = lane.at_once.acquire().await;
                attempt().await
            };
            let is_away = sent.as_ref().is_err_and(NotTaken::is_for_all);
            lane.away.store(is_away, Ordering::Relaxed);
            let error = match sent {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let next = self.clock.now() + pause;
            if error.is_for_good() || is_last || next >= until {
                return Err(error);
            }
            self.count("retried");
            tracing::warn!(
                kind,
                error = %Causes(&error),
                "{} was not taken, and is tried again",
                self.of.one
            );
            tokio::select! {
                () = sleep(pause) => {}
                _ = closing.wait_for(|is| *is) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tries what waits once more, for at most so long.
    pub(crate) async fn close(&self, most: Duration) {
        self.closing.send_replace(true);
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        if timeout(most, self.room.acquire_many(all)).await.is_err() {
            let left = MOST - self.room.available_permits();
            tracing::warn!(left, "{} that were not sent yet are lost", self.of.many);
        }
    }

    /// One more of which this became.
    pub(crate) fn count(&self, result: &str) {
        self.of.counted.with_label_values(&[result]).inc();
    }

    fn note_length(&self) {
        let waiting = MOST - self.room.available_permits();
        self.of
            .waiting
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
