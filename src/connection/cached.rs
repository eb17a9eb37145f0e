//! What providers say of themselves, fetched when it is needed.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};

/// How long what was fetched is used without asking again.
pub(crate) const FRESH: Duration = Duration::from_secs(3600);
/// And how long when asking again fails: a provider that is away for a night still gets nobody in
/// by old keys for longer than this.
pub(crate) const STALE: Duration = Duration::from_secs(24 * 3600);
/// After a failure nobody asks again for so long.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// A failure.
pub(crate) trait Passing: Clone + fmt::Display {
    /// Whether asking later could help.
    fn is_passing(&self) -> bool;
}

/// Something that is fetched by one at a time and kept for a while.
#[derive(Debug)]
pub(crate) struct Cached<T, E> {
    held: ArcSwapOption<Held<T>>,
    clock: Arc<dyn Clock>,
    fresh: Duration,
    stale: Duration,
    /// The last failure, and when.
    fetching: Mutex<Option<(Timestamp, E)>>,
}

#[derive(Debug)]
struct Held<T> {
    at: Timestamp,
    value: Arc<T>,
}

impl<T, E: Passing> Cached<T, E> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            held: ArcSwapOption::empty(),
            clock,
            fresh: FRESH,
            stale: STALE,
            fetching: Mutex::new(None),
        }
    }

    /// The same, with what is used for `fresh` without asking again, and for `stale` when asking
    /// again fails.
    pub(crate) fn keeping(self, fresh: Duration, stale: Duration) -> Self {
        Self {
            fresh,
            stale,
            ..self
        }
    }

    /// The value, fetched if it is not there or not fresh. Who comes while it is fetched has the
    /// old one, or waits for that one fetch, whose failure is theirs as well.
    pub(crate) async fn get<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.younger(self.clock.now(), self.fresh) {
            return Ok(value);
        }
        let mut failed = match self.fetching.try_lock() {
            Ok(failed) => failed,
            Err(_) => match self.younger(self.clock.now(), self.stale) {
                Some(value) => return Ok(value),
                None => self.fetching.lock().await,
            },
        };
        let now = self.clock.now();
        if let Some(value) = self.younger(now, self.fresh) {
            return Ok(value);
        }
        let error = match &*failed {
            Some((at, error)) if now.since(*at) < PAUSE => error.clone(),
            _ => match fetch().await {
                Ok(value) => {
                    let value = Arc::new(value);
                    *failed = None;
                    self.put(now, value.clone());
                    return Ok(value);
                }
                Err(error) => {
                    // When it failed, and not when it was asked: that may be long ago.
                    *failed = Some((self.clock.now(), error.clone()));
                    error
                }
            },
        };
        match self.younger(now, self.stale).filter(|_| error.is_passing()) {
            Some(value) => {
                tracing::warn!(%error, "what was known of a provider is used for longer");
                Ok(value)
            }
            None => Err(error),
        }
    }

    /// What is held, if it is younger than that.
    pub(crate) fn younger(&self, now: Timestamp, than: Duration) -> Option<Arc<T>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        (now.since(held.at) < than).then(|| held.value.clone())
    }

    /// Holds another value.
    pub(crate) fn put(&self, now: Timestamp, value: Arc<T>) {
        self.held.store(Some(Arc::new(Held { at: now, value })));
    }
}
