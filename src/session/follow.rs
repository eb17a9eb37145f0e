//! What goes on beside the requests: the change feed, the last uses, the sweep.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering,
    time::Duration,
};

use super::{Sessions, Stream};
use crate::{
    identity::UserId,
    store::{Change, ChangeFeed, Changes, EVENTS_KEPT, SessionId, StoreError},
};

/// Changes read at a time.
const PAGE: usize = 1000;
/// Rows removed or written at a time, so that nobody waits long for the writer.
const BATCH: usize = 500;
/// Batches of one sweep. The feed must be followed meanwhile; what is left waits for the next.
const BATCHES: usize = 20;
/// How long changes are kept for processes that were away.
const CHANGES_KEPT: Duration = Duration::from_mins(10);
/// Last uses that are not written yet must not look idle.
const SLACK: Duration = Duration::from_mins(3);

impl Sessions {
    /// Begins to follow the feeds at their present ends.
    pub(crate) async fn begin_to_follow(&self) -> Result<(), StoreError> {
        self.catch_up().await
    }

    /// Notices what other processes (and this one) changed. Called a few times a second; says
    /// whether the key ring is among it. Safe to be dropped half way: what was not noticed in
    /// full is read again.
    pub(crate) async fn follow(&self) -> Result<bool, StoreError> {
        self.catch_up().await?;
        Ok(self.keys.swap(false, Ordering::Relaxed))
    }

    /// The same, for one who has no use for keys: those who follow are told by the next call.
    ///
    /// While the feed is silent nobody knows which sessions ended. Streams under them go on as
    /// long as a cached session does, and no longer.
    pub(super) async fn catch_up(&self) -> Result<(), StoreError> {
        let done = self.read_feeds().await;
        if done.is_err() && self.out_of_contact(self.clock.now()) {
            self.streams().end(|_| true);
        }
        done
    }

    async fn read_feeds(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        let began = self.clock.now();
        for (feed, seen) in self.feeds.iter().zip(seen.iter_mut()) {
            loop {
                let (touched, newest) = read(feed.as_ref(), *seen).await?;
                // Memory first, whatever becomes of the streams; and only what was noticed in
                // full counts as seen.
                self.forget(&touched);
                self.cut(&touched).await?;
                *seen = Some(newest);
                if touched.is_nothing() {
                    break;
                }
            }
        }
        self.contact.store(began.millis(), Ordering::Relaxed);
        Ok(())
    }

    fn forget(&self, touched: &Touched) {
        if touched.keys {
            self.keys.store(true, Ordering::Relaxed);
        }
        if touched.everything {
            self.hot.forget_all();
        } else if !touched.is_nothing() {
            self.hot.forget(&touched.sessions, &touched.users);
        }
    }

    /// Cuts the streams whose session is over.
    async fn cut(&self, touched: &Touched) -> Result<(), StoreError> {
        for id in self.streams().sessions(|stream| touched.names(stream)) {
            self.recheck_session(id).await?;
        }
        Ok(())
    }

    /// Cuts the streams of one session if it is over.
    pub(crate) async fn recheck_session(&self, id: SessionId) -> Result<(), StoreError> {
        let session = match self.store.find(id).await? {
            Some(record) => self.complete(record).await?,
            None => None,
        };
        let now = self.clock.now();
        // An open stream is a use: it does not run into the idle timeout.
        let alive =
            session.is_some_and(|session| now < session.expires_at && !session.user.blocked);
        if !alive {
            self.streams().end(|stream| stream.session == id);
        }
        Ok(())
    }

    /// Ends the streams whose session has reached its absolute end, and keeps the sessions of the
    /// others from running idle. Called every few seconds.
    pub(crate) fn watch_streams(&self) {
        let now = self.clock.now();
        self.streams().end(|stream| stream.expires_at <= now);
        for stream in self.streams().all() {
            self.note_use(stream.session, &stream.pulse, now);
        }
    }

    /// Writes the last uses that were noted, in batches.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let used: HashMap<_, _> = self.used.lock().clone();
        let batch: Vec<_> = used.iter().map(|(id, at)| (*id, *at)).collect();
        for part in batch.chunks(BATCH) {
            self.store.touch(part).await?;
        }
        let mut left = self.used.lock();
        left.retain(|id, at| used.get(id).is_none_or(|written| written < at));
        // After a busy minute it would keep room for all who were there.
        left.shrink_to(BATCH);
        drop(left);
        Ok(())
    }

    /// Removes what ended, in small batches and not for long, and what cooled down in memory; says
    /// how much ended.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.hot.cool(now);
        let idle = now - self.lifetimes().idle - SLACK;
        let mut swept = 0;
        for _ in 0..BATCHES {
            let some = self.store.sweep(now, idle, BATCH).await?;
            let more = self.store.sweep_one_time(now, BATCH).await?;
            let events = self.users.sweep_events(now - EVENTS_KEPT, BATCH).await?;
            swept += some + more + events;
            if some + more + events == 0 {
                break;
            }
        }
        for feed in &self.feeds {
            swept += feed.sweep_changes(now - CHANGES_KEPT).await?;
        }
        Ok(swept)
    }
}

/// The next changes of a feed, and the number of the last.
async fn read(feed: &dyn ChangeFeed, seen: Option<u64>) -> Result<(Touched, u64), StoreError> {
    let Some(seen) = seen else {
        return Ok((Touched::everything(), feed.newest().await?));
    };
    Ok(match feed.since(seen, PAGE).await? {
        Changes::Gap { newest } => (Touched::everything(), newest),
        Changes::Listed { changes, newest } => (Touched::of(changes), newest),
    })
}

/// What some changes touch, each once: people who sign in all day make many.
#[derive(Debug, Default)]
struct Touched {
    everything: bool,
    keys: bool,
    sessions: HashSet<SessionId>,
    users: HashSet<UserId>,
}

impl Touched {
    fn everything() -> Self {
        Self {
            everything: true,
            keys: true,
            ..Self::default()
        }
    }

    fn of(changes: Vec<Change>) -> Self {
        let mut touched = Self::default();
        for change in changes {
            match change {
                // Rare, and then it touches most.
                Change::Connection(_) => touched.everything = true,
                Change::Keys => touched.keys = true,
                Change::Session(id) => drop(touched.sessions.insert(id)),
                Change::User(user) => drop(touched.users.insert(user)),
            }
        }
        touched
    }

    fn is_nothing(&self) -> bool {
        !self.everything && !self.keys && self.sessions.is_empty() && self.users.is_empty()
    }

    fn names(&self, stream: &Stream) -> bool {
        self.everything
            || self.sessions.contains(&stream.session)
            || self.users.contains(&stream.user)
    }
}
