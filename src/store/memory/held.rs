//! The maps under the lock, and what keeps them in step.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Subject, UserId},
    store::{
        Change, Counter, HandleHash, HandleRecord, OneTimeKey, OneTimeRow, OneTimeUse, Purpose,
        SessionId, SessionRecord, Spend, Whose,
    },
};

/// How many changes the feed remembers: far more than a follower misses in the seconds that it
/// may be late.
pub(super) const CHANGES_KEPT: usize = 65_536;

/// Everything, under the lock.
#[derive(Default)]
pub(super) struct Held {
    pub(super) sessions: HashMap<SessionId, Kept>,
    pub(super) handles: HashMap<HandleHash, HandleRecord>,
    /// Every way to find sessions, in one ordered set.
    pub(super) index: BTreeSet<(Key, SessionId)>,
    pub(super) rows: HashMap<OneTimeKey, OneTimeRow>,
    pub(super) uses: HashMap<OneTimeKey, Timestamp>,
    pub(super) counters: HashMap<Counter, (u32, Timestamp)>,
    /// When all sessions of a kind were last ended.
    pub(super) cutoffs: HashMap<String, Timestamp>,
    pub(super) changes: VecDeque<(Timestamp, Change)>,
    /// The number of the last change.
    pub(super) newest: u64,
}

/// A session and its handles.
pub(super) struct Kept {
    pub(super) record: SessionRecord,
    pub(super) handles: Vec<HandleHash>,
}

/// What sessions are found by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Key {
    Age(Timestamp),
    Connection(ConnectionId),
    End(Timestamp),
    Identity(ConnectionId, Subject),
    Sid([u8; 32]),
    Use(Timestamp),
    User(UserId),
}

impl Held {
    /// What was spent of a counter, and when it begins anew.
    pub(super) fn counted(&self, spend: &Spend, now: Timestamp) -> (u32, Timestamp) {
        let running = self.counters.get(&spend.counter).copied();
        running
            .filter(|(_, until)| *until > now)
            .unwrap_or((0, now + spend.window))
    }

    /// Writes a record, new or over version `was`. The time of its last use does not go back.
    pub(super) fn write(&mut self, mut record: SessionRecord, was: Option<u64>) {
        let id = record.id;
        let mut handles = Vec::new();
        if let Some(was) = was {
            record.version = was.saturating_add(1);
        }
        if let Some(before) = self.sessions.remove(&id) {
            for key in keys_of(&before.record) {
                self.index.remove(&(key, id));
            }
            record.last_used_at = record.last_used_at.max(before.record.last_used_at);
            handles = before.handles;
        }
        self.index
            .extend(keys_of(&record).into_iter().map(|key| (key, id)));
        self.sessions.insert(id, Kept { record, handles });
    }

    /// Whether one of these ends came after a proof was given.
    pub(super) fn outdated(&self, ends: &[String], proven_at: Timestamp) -> bool {
        let mut ends = ends.iter().filter_map(|whose| self.cutoffs.get(whose));
        ends.any(|end| proven_at <= *end)
    }

    pub(super) fn touch(&mut self, id: SessionId, at: Timestamp) {
        let Some(kept) = self.sessions.get_mut(&id) else {
            return;
        };
        let before = kept.record.last_used_at;
        if before < at {
            kept.record.last_used_at = at;
            self.index.remove(&(Key::Use(before), id));
            self.index.insert((Key::Use(at), id));
        }
    }

    /// Removes a session with its handles; whether there was one.
    pub(super) fn end(&mut self, id: SessionId) -> bool {
        let Some(kept) = self.sessions.remove(&id) else {
            return false;
        };
        for handle in &kept.handles {
            self.handles.remove(handle);
        }
        for key in keys_of(&kept.record) {
            self.index.remove(&(key, id));
        }
        true
    }

    pub(super) fn add_handle(&mut self, handle: HandleRecord) {
        if let Some(kept) = self.sessions.get_mut(&handle.session) {
            kept.handles.push(handle.hash);
            self.handles.insert(handle.hash, handle);
        }
    }

    /// The session that the handle opened.
    pub(super) fn drop_handle(&mut self, hash: &HandleHash) -> Option<SessionId> {
        let id = self.handles.remove(hash)?.session;
        if let Some(kept) = self.sessions.get_mut(&id) {
            kept.handles.retain(|held| held != hash);
        }
        Some(id)
    }

    /// Removes the handles of a session for one host; whether there were any.
    pub(super) fn drop_handles_for(&mut self, id: SessionId, host: &str) -> bool {
        let of_host =
            |hash: &HandleHash| self.handles.get(hash).is_some_and(|one| one.host == host);
        let kept = self.sessions.get(&id);
        let dropped: Vec<_> = kept
            .map(|kept| kept.handles.iter().copied().filter(of_host).collect())
            .unwrap_or_default();
        for hash in &dropped {
            self.drop_handle(hash);
        }
        !dropped.is_empty()
    }

    pub(super) fn ids_of(&self, whose: &Whose) -> Vec<SessionId> {
        let under = |key: Key| self.under(key).copied().collect();
        match whose {
            Whose::All => self.sessions.keys().copied().collect(),
            Whose::Connection(connection) => under(Key::Connection(connection.clone())),
            Whose::Identity(connection, subject) => {
                under(Key::Identity(connection.clone(), subject.clone()))
            }
            Whose::Sid(sid) => under(Key::Sid(*sid)),
            Whose::User(user) => under(Key::User(user.clone())),
            Whose::UserExcept(user, except) => {
                let mut ids: Vec<_> = under(Key::User(user.clone()));
                ids.retain(|id| id != except);
                ids
            }
        }
    }

    /// The subjects of a connection's sessions, each once and in order.
    pub(super) fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Vec<Subject> {
        let records = self.under(Key::Connection(connection.clone()));
        let records = records.filter_map(|id| self.sessions.get(id));
        let proofs = records.flat_map(|kept| &kept.record.authentications);
        let subjects = proofs
            .filter(|proof| proof.connection == *connection)
            .map(|proof| &proof.subject)
            .filter(|subject| after.is_none_or(|after| *subject > after));
        let all: BTreeSet<&Subject> = subjects.collect();
        all.into_iter().take(most).cloned().collect()
    }

    pub(super) fn under(&self, key: Key) -> impl Iterator<Item = &SessionId> {
        let first = (key.clone(), SessionId([0; 16]));
        let last = (key, SessionId([u8::MAX; 16]));
        self.index.range(first..=last).map(|(_, id)| id)
    }

    /// The sessions whose key lies between the two, the second not included.
    pub(super) fn between(&self, first: Key, end: Key) -> impl Iterator<Item = &SessionId> {
        let lowest = SessionId([0; 16]);
        self.index
            .range((first, lowest)..(end, lowest))
            .map(|(_, id)| id)
    }

    /// All sessions, the oldest first.
    pub(super) fn ages(&self) -> impl DoubleEndedIterator<Item = &SessionId> {
        let age = |millis| Key::Age(Timestamp::from_millis(millis));
        let first = (age(i64::MIN), SessionId([0; 16]));
        let last = (age(i64::MAX), SessionId([u8::MAX; 16]));
        self.index.range(first..=last).map(|(_, id)| id)
    }
}

fn keys_of(record: &SessionRecord) -> Vec<Key> {
    let mut keys = vec![
        Key::Age(record.created_at),
        Key::End(record.expires_at),
        Key::Use(record.last_used_at),
        Key::User(record.user.clone()),
    ];
    for held in &record.authentications {
        keys.push(Key::Connection(held.connection.clone()));
        keys.push(Key::Identity(held.connection.clone(), held.subject.clone()));
    }
    keys.extend(record.sids.iter().copied().map(Key::Sid));
    keys
}

impl Held {
    /// Whether each of these can be used once, one after the other.
    pub(super) fn all_unused(&self, uses: &[OneTimeUse]) -> Result<(), Purpose> {
        for (before, used) in uses.iter().enumerate() {
            let unused = match used {
                OneTimeUse::First { key, .. } => !self.uses.contains_key(key),
                OneTimeUse::Row { key, now } => {
                    self.rows.get(key).is_some_and(|row| row.until > *now)
                }
            };
            let same = |other: &OneTimeUse| {
                let same_kind = std::mem::discriminant(other) == std::mem::discriminant(used);
                same_kind && other.key() == used.key()
            };
            if !unused || uses.iter().take(before).any(same) {
                return Err(used.key().purpose);
            }
        }
        Ok(())
    }

    pub(super) fn use_once(&mut self, used: &OneTimeUse) {
        match *used {
            OneTimeUse::First { key, until } => {
                self.uses.insert(key, until);
            }
            OneTimeUse::Row { key, .. } => {
                self.rows.remove(&key);
            }
        }
    }
}

impl Held {
    pub(super) fn note(&mut self, now: Timestamp, change: Change) {
        if self.changes.len() >= CHANGES_KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back((now, change));
        self.newest = self.newest.saturating_add(1);
    }
}
