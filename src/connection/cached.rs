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
/// So long before it ends, what is held is asked for again, and at most this often then.
const AHEAD: Duration = Duration::from_mins(5);
const LEAST: Duration = Duration::from_secs(10);
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
    /// `None`: for as long as nothing else comes.
    stale: Option<Duration>,
    /// When a value ends by its own word.
    ends: fn(&T) -> Option<Timestamp>,
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
            stale: Some(STALE),
            ends: |_| None,
            fetching: Mutex::new(None),
        }
    }

    /// The same, for what is [renewed](Self::renew) on schedule: after `fresh`, and shortly before it
    /// ends, it is asked for again. The last good one serves until that has worked, or it has ended.
    pub(crate) fn scheduled(self, fresh: Duration, ends: fn(&T) -> Option<Timestamp>) -> Self {
        Self {
            fresh,
            stale: None,
            ends,
            ..self
        }
    }

    /// The last good value, fetched if there is none.
    pub(crate) async fn last_or<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        match self.stale(self.clock.now()) {
            Some(value) => Ok(value),
            None => self.get(fetch).await,
        }
    }

    /// Fetches it again if it is not fresh. A failure changes nothing.
    pub(crate) async fn renew<F>(&self, fetch: impl FnOnce() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut failed = self.fetching.lock().await;
        let now = self.clock.now();
        if self.is_renewed(now) {
            return Ok(());
        }
        match fetch().await {
            Ok(value) => {
                *failed = None;
                self.put(now, Arc::new(value));
                Ok(())
            }
            Err(error) => {
                *failed = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    fn is_renewed(&self, now: Timestamp) -> bool {
        let held = self.held.load();
        let Some(held) = held.as_ref() else {
            return false;
        };
        let ends_soon = (self.ends)(&held.value).is_some_and(|ends| ends <= now + AHEAD);
        let age = now.since(held.at);
        age < self.fresh && (!ends_soon || age < LEAST)
    }

    /// What is held, whatever its age.
    pub(crate) fn last(&self) -> Option<Arc<T>> {
        let held = self.held.load();
        held.as_ref().map(|held| held.value.clone())
    }

    /// What is held, if it may be used when there is nothing better.
    fn stale(&self, now: Timestamp) -> Option<Arc<T>> {
        match self.stale {
            Some(than) => self.younger(now, than),
            None => self.last().filter(|value| self.is_good(value, now)),
        }
    }

    fn is_good(&self, value: &T, now: Timestamp) -> bool {
        (self.ends)(value).is_none_or(|ends| now < ends)
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
            Err(_) => match self.stale(self.clock.now()) {
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
        match self.stale(now).filter(|_| error.is_passing()) {
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
        let is_younger = now.since(held.at) < than && self.is_good(&held.value, now);
        is_younger.then(|| held.value.clone())
    }

    /// Holds another value.
    pub(crate) fn put(&self, now: Timestamp, value: Arc<T>) {
        self.held.store(Some(Arc::new(Held { at: now, value })));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    #[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
    #[error("no")]
    struct No {
        passing: bool,
    }

    impl Passing for No {
        fn is_passing(&self) -> bool {
            self.passing
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_is_fetched_serves_for_a_while_and_longer_if_asking_fails_in_passing() {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        let cached = Cached::<u32, No>::new(clock.clone());
        let no = |passing| async move { Err(No { passing }) };
        assert_eq!(cached.get(|| async { Ok(1) }).await, Ok(Arc::new(1)));
        assert_eq!(cached.get(|| async { Ok(2) }).await, Ok(Arc::new(1)));
        clock.advance(FRESH);
        assert_eq!(cached.get(|| no(true)).await, Ok(Arc::new(1)));
        clock.advance(PAUSE);
        let wrong = cached.get(|| no(false)).await;
        assert_eq!(wrong, Err(No { passing: false }));
        clock.advance(STALE);
        let away = cached.get(|| no(true)).await;
        assert_eq!(away, Err(No { passing: true }));
    }

    #[tokio::test]
    async fn what_is_renewed_on_schedule_serves_until_there_is_a_better_one() {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        let cached = Cached::<u32, No>::new(clock.clone()).scheduled(HOUR, |_| None);
        let asked = AtomicU32::new(0);
        let fetch = |value: Option<u32>| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move { value.ok_or(No { passing: false }) }
        };
        assert!(cached.last_or(|| fetch(None)).await.is_err());
        assert_eq!(cached.renew(|| fetch(Some(1))).await, Ok(()));
        assert_eq!(cached.renew(|| fetch(Some(2))).await, Ok(()));
        assert_eq!(cached.last_or(|| fetch(Some(3))).await, Ok(Arc::new(1)));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        clock.advance(HOUR * 24 * 365);
        assert!(cached.renew(|| fetch(None)).await.is_err());
        // nobody who signs in waits for the provider
        assert_eq!(cached.last_or(|| fetch(Some(4))).await, Ok(Arc::new(1)));
        assert_eq!(cached.renew(|| fetch(Some(5))).await, Ok(()));
        assert_eq!(cached.last_or(|| fetch(None)).await, Ok(Arc::new(5)));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }
    #[tokio::test]
    async fn what_ends_is_renewed_before_and_does_not_serve_behind_its_end() {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        // each is good until the second that it says
        let cached = Cached::<i64, No>::new(clock.clone())
            .scheduled(HOUR, |until| Some(Timestamp::from_millis(until * 1000)));
        let no = || async { Err(No { passing: true }) };
        assert_eq!(cached.renew(|| async { Ok(1000) }).await, Ok(()));
        clock.advance(Duration::from_secs(690));
        assert_eq!(cached.renew(no).await, Ok(()));
        clock.advance(Duration::from_secs(20));
        assert!(cached.renew(no).await.is_err());
        assert_eq!(cached.last_or(no).await, Ok(Arc::new(1000)));
        clock.advance(Duration::from_secs(290));
        assert!(cached.last_or(no).await.is_err());
        clock.advance(PAUSE);
        // here somebody has to wait for it
        assert_eq!(
            cached.last_or(|| async { Ok(5000) }).await,
            Ok(Arc::new(5000))
        );
    }
}
