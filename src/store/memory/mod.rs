//! The engine for sessions that may be lost: everything in this process, nothing on a disk.
//!
//! One lock around plain maps; whatever is done under it takes microseconds. Sessions, one-time
//! things and the feed are bounded, so the memory is too: a new session beyond the bound is refused
//! with [`StoreError::Full`], and of the feed the oldest end is forgotten, which its followers see
//! as a gap.

mod held;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

use self::held::{Held, Key};
use super::{
    Budget, CUTOFFS_KEPT, Change, ChangeFeed, Changes, Counter, Event, HandleHash, HandleRecord,
    Issued, Loaded, NewSession, OneTimeKey, OneTimeRow, OneTimeStore, OneTimeUse, SessionId,
    SessionRecord, SessionStore, Spend, StoreError, Whose, cutoffs,
};
use crate::{
    clock::{Clock, Timestamp},
    identity::{Authentication, ConnectionId, Subject, UserId},
    metrics,
};

/// Sessions in memory.
pub(crate) struct Memory {
    clock: Arc<dyn Clock>,
    most: usize,
    held: Mutex<Held>,
}

impl Memory {
    /// An empty store for at most `most` sessions, and as many one-time things.
    pub(crate) fn new(clock: Arc<dyn Clock>, most: usize) -> Self {
        Self {
            clock,
            most,
            held: Mutex::default(),
        }
    }

    fn full(&self, of: &'static str) -> StoreError {
        metrics::STORE_ERRORS.inc();
        StoreError::Full(Box::new(NoRoom {
            most: self.most,
            of,
        }))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// The bound is reached.
#[derive(Debug, thiserror::Error)]
#[error("there are {most} {of} in memory, and no room for more")]
struct NoRoom {
    most: usize,
    of: &'static str,
}

#[async_trait]
impl SessionStore for Memory {
    async fn issue(&self, new: NewSession) -> Result<Issued, StoreError> {
        let mut held = self.held.lock();
        if new.was.is_none() && held.sessions.len() >= self.most {
            return Err(self.full("sessions"));
        }
        if new.uses.len().saturating_add(held.uses.len()) > self.most {
            return Err(self.full("one-time uses"));
        }
        if let Err(purpose) = held.all_unused(&new.uses) {
            return Ok(Issued::AlreadyUsed(purpose));
        }
        if held.outdated(&new.cutoffs(), new.proven_at) {
            return Ok(Issued::Outdated);
        }
        let id = new.record.id;
        let version = held.sessions.get(&id).map(|kept| kept.record.version);
        // A handle that is known already is none that chance made.
        if version != new.was
            || new.handle.session != id
            || held.handles.contains_key(&new.handle.hash)
        {
            return Ok(Issued::Changed);
        }
        for used in &new.uses {
            held.use_once(used);
        }
        let now = self.clock.now();
        held.write(new.record, new.was);
        if new.was.is_some() {
            held.note(now, Change::Session(id));
        }
        if let Some(ended) = new.ends.filter(|ended| *ended != id)
            && held.end(ended)
        {
            held.note(now, Change::Session(ended));
        }
        if let Some(lost) = new.drops.and_then(|dropped| held.drop_handle(&dropped))
            && !(lost == id && new.was.is_some())
        {
            held.note(now, Change::Session(lost));
        }
        held.add_handle(new.handle);
        // There is no trail in memory; the log has the event.
        Ok(Issued::Issued)
    }

    async fn outdated(
        &self,
        (user, proof): (&UserId, &Authentication),
        proven_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let ends = cutoffs(user, Some(proof));
        Ok(self.held.lock().outdated(&ends, proven_at))
    }

    async fn load(&self, handle: &HandleHash) -> Result<Option<Loaded>, StoreError> {
        let held = self.held.lock();
        let Some(handle) = held.handles.get(handle) else {
            return Ok(None);
        };
        Ok(held.sessions.get(&handle.session).map(|kept| Loaded {
            host: handle.host.clone(),
            session: kept.record.clone(),
        }))
    }

    async fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let held = self.held.lock();
        Ok(held.sessions.get(&id).map(|kept| kept.record.clone()))
    }

    async fn add_handle(
        &self,
        handle: HandleRecord,
        paid: OneTimeUse,
        _: Event,
    ) -> Result<bool, StoreError> {
        let mut held = self.held.lock();
        if held.all_unused(std::slice::from_ref(&paid)).is_err()
            || !held.sessions.contains_key(&handle.session)
            || held.handles.contains_key(&handle.hash)
        {
            return Ok(false);
        }
        held.use_once(&paid);
        if held.drop_handles_for(handle.session, &handle.host) {
            held.note(self.clock.now(), Change::Session(handle.session));
        }
        held.add_handle(handle);
        Ok(true)
    }

    async fn replace(&self, record: SessionRecord, was: u64) -> Result<bool, StoreError> {
        let mut held = self.held.lock();
        let id = record.id;
        let version = held.sessions.get(&id).map(|kept| kept.record.version);
        if version != Some(was) {
            return Ok(false);
        }
        held.write(record, Some(was));
        held.note(self.clock.now(), Change::Session(id));
        Ok(true)
    }

    async fn remove(&self, id: SessionId, _: Option<Event>) -> Result<bool, StoreError> {
        let mut held = self.held.lock();
        let ended = held.end(id);
        if ended {
            held.note(self.clock.now(), Change::Session(id));
        }
        Ok(ended)
    }

    async fn remove_all(&self, whose: &Whose, _: Option<Event>) -> Result<u64, StoreError> {
        let mut held = self.held.lock();
        let ids = held.ids_of(whose);
        let now = self.clock.now();
        for id in &ids {
            held.end(*id);
        }
        held.cutoffs.insert(whose.cutoff(), now);
        match whose {
            _ if ids.is_empty() => {}
            Whose::Connection(connection) => held.note(now, Change::Connection(connection.clone())),
            Whose::User(user) => held.note(now, Change::User(user.clone())),
            Whose::All | Whose::Identity(..) | Whose::Sid(_) | Whose::UserExcept(..) => {
                for id in &ids {
                    held.note(now, Change::Session(*id));
                }
            }
        }
        Ok(ids.len() as u64)
    }

    async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError> {
        let mut held = self.held.lock();
        let ids = held.ids_of(&Whose::Connection(from.clone()));
        for id in &ids {
            let Some(mut record) = held.sessions.get(id).map(|kept| kept.record.clone()) else {
                continue;
            };
            for authentication in &mut record.authentications {
                if authentication.connection == *from {
                    authentication.connection.clone_from(to);
                }
            }
            let was = record.version;
            held.write(record, Some(was));
        }
        if !ids.is_empty() {
            held.note(self.clock.now(), Change::Connection(from.clone()));
        }
        Ok(())
    }

    async fn touch(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        let mut held = self.held.lock();
        for (id, at) in used {
            held.touch(*id, *at);
        }
        Ok(())
    }

    async fn list(&self, whose: &Whose, most: usize) -> Result<Vec<SessionRecord>, StoreError> {
        let held = self.held.lock();
        let record = |id: &SessionId| held.sessions.get(id).map(|kept| &kept.record);
        if *whose == Whose::All {
            let newest = held.ages().rev().take(most).filter_map(record);
            return Ok(newest.cloned().collect());
        }
        let ids = held.ids_of(whose);
        let mut records: Vec<_> = ids.iter().filter_map(record).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
        Ok(records.into_iter().take(most).cloned().collect())
    }

    async fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        let held = self.held.lock();
        Ok(held.signed_in(connection, after, most))
    }

    async fn sweep(&self, now: Timestamp, idle: Timestamp, most: usize) -> Result<u64, StoreError> {
        let mut held = self.held.lock();
        let ended = held.between(Key::End(Timestamp::from_millis(i64::MIN)), Key::End(now));
        let unused = held.between(Key::Use(Timestamp::from_millis(i64::MIN)), Key::Use(idle));
        let ids: BTreeSet<_> = ended.chain(unused).take(most).copied().collect();
        for id in &ids {
            held.end(*id);
            held.note(self.clock.now(), Change::Session(*id));
        }
        let kept = now - CUTOFFS_KEPT..=now + CUTOFFS_KEPT;
        held.cutoffs.retain(|_, end| kept.contains(end));
        Ok(ids.len() as u64)
    }
}

#[async_trait]
impl OneTimeStore for Memory {
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError> {
        let mut held = self.held.lock();
        if held.all_unused(std::slice::from_ref(&used)).is_err() {
            return Ok(false);
        }
        if held.uses.len() >= self.most {
            return Err(self.full("one-time uses"));
        }
        held.use_once(&used);
        Ok(true)
    }

    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        let held = self.held.lock();
        Ok(held.uses.get(key).is_some_and(|until| *until > now))
    }

    async fn lease(
        &self,
        key: &OneTimeKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut held = self.held.lock();
        if held.uses.get(key).is_some_and(|end| *end > now) {
            return Ok(false);
        }
        if held.uses.len() >= self.most && !held.uses.contains_key(key) {
            return Err(self.full("one-time uses"));
        }
        held.uses.insert(*key, until);
        Ok(true)
    }

    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.held.lock().uses.remove(key);
        Ok(())
    }

    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError> {
        let mut held = self.held.lock();
        if held.rows.len() >= self.most && !held.rows.contains_key(&row.key) {
            return Err(self.full("one-time rows"));
        }
        held.rows.insert(row.key, row);
        Ok(())
    }

    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let held = self.held.lock();
        let row = held.rows.get(key).filter(|row| row.until > now);
        Ok(row.map(|row| row.payload.clone()))
    }

    async fn take(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let mut held = self.held.lock();
        if held.rows.get(key).is_none_or(|row| row.until <= now) {
            return Ok(None);
        }
        Ok(held.rows.remove(key).map(|row| row.payload))
    }

    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError> {
        let mut held = self.held.lock();
        let (before, until) = held.counted(spend, now);
        if before >= spend.limit {
            return Ok(Budget::Exhausted { until });
        }
        let total = before.saturating_add(1);
        held.counters.insert(spend.counter, (total, until));
        Ok(Budget::Spent {
            left: spend.limit.saturating_sub(total),
        })
    }

    async fn exhausted(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (before, until) = self.held.lock().counted(spend, now);
        Ok((before >= spend.limit).then_some(until))
    }

    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        if let Some((spent, _)) = self.held.lock().counters.get_mut(counter) {
            *spent = spent.saturating_sub(1);
        }
        Ok(())
    }

    async fn sweep_one_time(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let mut held = self.held.lock();
        let mut left = most;
        let mut over = |until: Timestamp| {
            let goes = until < now && left > 0;
            left -= usize::from(goes);
            goes
        };
        held.rows.retain(|_, row| !over(row.until));
        held.uses.retain(|_, until| !over(*until));
        held.counters.retain(|_, (_, until)| !over(*until));
        Ok((most - left) as u64)
    }
}

#[async_trait]
impl ChangeFeed for Memory {
    async fn newest(&self) -> Result<u64, StoreError> {
        Ok(self.held.lock().newest)
    }

    async fn since(&self, seen: u64, most: usize) -> Result<Changes, StoreError> {
        let held = self.held.lock();
        let newest = held.newest;
        let missed = newest.checked_sub(seen).map(usize::try_from);
        let Some(Ok(missed)) = missed else {
            return Ok(Changes::Gap { newest });
        };
        let Some(skipped) = held.changes.len().checked_sub(missed) else {
            return Ok(Changes::Gap { newest });
        };
        let unseen = held.changes.iter().skip(skipped).take(most);
        let changes: Vec<_> = unseen.map(|(_, change)| change.clone()).collect();
        let newest = seen.saturating_add(changes.len() as u64);
        Ok(Changes::Listed { changes, newest })
    }

    async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut held = self.held.lock();
        let mut swept = 0;
        while held.changes.front().is_some_and(|(at, _)| *at < before) {
            held.changes.pop_front();
            swept += 1;
        }
        Ok(swept)
    }
}
