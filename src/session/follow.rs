//! What goes on beside the requests: the change feed, the last uses, the sweep.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use super::Sessions;
use crate::{
    identity::ConnectionId,
    store::{Change, Changes, EVENTS_KEPT, SessionId, StoreError},
};

/// Rows removed at a time, so that a sweep never holds the writer for long.
const SWEEP: usize = 500;
/// How long changes are kept for processes that were away.
const CHANGES_KEPT: Duration = Duration::from_secs(600);
/// Last uses that are not written yet must not look idle.
const SLACK: Duration = Duration::from_secs(180);

impl Sessions {
    /// Begins to follow the feeds at their present ends.
    pub(crate) async fn begin_to_follow(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        seen.clear();
        for feed in &self.feeds {
            seen.push(feed.newest().await?);
        }
        Ok(())
    }

    /// Notices what other processes (and this one) changed. Called a few times a second; says
    /// whether the key ring is among it.
    pub(crate) async fn follow(&self) -> Result<bool, StoreError> {
        let mut seen = self.seen.lock().await;
        let began = self.clock.now();
        let mut keys = false;
        for (feed, seen) in self.feeds.iter().zip(seen.iter_mut()) {
            loop {
                match feed.since(*seen, 1000).await? {
                    Changes::Gap { newest } => {
                        self.forget(|_| true);
                        self.recheck(|_| true).await?;
                        keys = true;
                        *seen = newest;
                    }
                    Changes::Listed { changes, newest } => {
                        *seen = newest;
                        for change in &changes {
                            keys |= self.notice(change).await?;
                        }
                        if changes.is_empty() {
                            break;
                        }
                    }
                }
            }
        }
        self.contact.store(began.millis(), Ordering::Relaxed);
        Ok(keys)
    }

    async fn notice(&self, change: &Change) -> Result<bool, StoreError> {
        match change {
            Change::Connection(connection) => self.forget_connection(connection).await?,
            Change::Keys => return Ok(true),
            Change::Session(id) => {
                self.forget(|session| session.id() == *id);
                self.recheck(|stream| stream.session == *id).await?;
            }
            Change::User(user) => {
                self.forget_user(user);
                self.recheck(|stream| stream.user == *user).await?;
            }
        }
        Ok(false)
    }

    async fn forget_connection(&self, connection: &ConnectionId) -> Result<(), StoreError> {
        self.forget(|session| {
            session
                .record
                .authentications
                .iter()
                .any(|held| held.connection == *connection)
        });
        self.recheck(|_| true).await
    }

    /// Cuts the streams whose session is over.
    async fn recheck(
        &self,
        which: impl Fn(&super::streams::Stream) -> bool,
    ) -> Result<(), StoreError> {
        for id in self.streams().sessions(which) {
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
            session.is_some_and(|session| now < session.record.expires_at && !session.user.blocked);
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
        let open = self.streams().sessions(|stream| stream.expires_at > now);
        self.used
            .lock()
            .extend(open.into_iter().map(|id| (id, now)));
    }

    /// Writes the last uses that were noted, in one batch.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let used: HashMap<_, _> = self.used.lock().clone();
        if used.is_empty() {
            return Ok(());
        }
        let batch: Vec<_> = used.iter().map(|(id, at)| (*id, *at)).collect();
        for part in batch.chunks(SWEEP) {
            self.store.touch(part).await?;
        }
        self.used
            .lock()
            .retain(|id, at| used.get(id).is_none_or(|written| written < at));
        Ok(())
    }

    /// Removes what ended, in small batches.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let idle = now - self.lifetimes().idle - SLACK;
        let mut swept = 0;
        loop {
            let some = self.store.sweep(now, idle, SWEEP).await?;
            let more = self.store.sweep_one_time(now, SWEEP).await?;
            let events = self.users.sweep_events(now - EVENTS_KEPT, SWEEP).await?;
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
