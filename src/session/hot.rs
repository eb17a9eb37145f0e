//! The sessions that are held in memory, and what tells that one of them is out of date.
//!
//! Every copy of a session points at two marks, its own and its user's, and knows how they stood
//! when it was read. A change raises the mark; from then on every copy that was read before is
//! asked for anew. So a change costs one look-up, however many sessions are held, and a request
//! two comparisons. A load that a change overtook is not kept ([`Watch`]): what it read may be
//! what the change ended.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use parking_lot::Mutex;

use super::Session;
use crate::{clock::Timestamp, identity::UserId, store::SessionId};

/// What nobody asked for this long is not hot.
const HOT: Duration = Duration::from_hours(1);
/// Marks are looked through for unused ones when there are more than this, and then whenever
/// their number has doubled.
const FEW_MARKS: usize = 1024;

/// The sessions in memory, by token.
#[derive(Debug)]
pub(super) struct Hot {
    held: Cache<[u8; 32], Held, BuildHasherDefault<FirstBytes>>,
    marks: Mutex<Marks>,
}

/// What is remembered of a token.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// It opens nothing. A handle never comes to life again, so this is never out of date.
    Dead,
    Live(Arc<Session>),
}

#[derive(Debug)]
struct Marks {
    /// Counts the changes of whatever kind.
    changes: u64,
    sessions: Register<SessionId, Pulse>,
    users: Register<UserId, Mark>,
}

/// Is raised by each change.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicU64);

impl Mark {
    fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What all copies of a session have in common: every host has its own.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) mark: Mark,
    last_used: AtomicI64,
    /// The last use that was handed on to be written.
    noted: AtomicI64,
}

impl Pulse {
    pub(super) fn new(last_used: Timestamp) -> Self {
        Self {
            mark: Mark::default(),
            last_used: last_used.millis().into(),
            noted: last_used.millis().into(),
        }
    }

    pub(super) fn last_used(&self) -> Timestamp {
        Timestamp::from_millis(self.last_used.load(Ordering::Relaxed))
    }

    /// The store knows of this use.
    fn written(&self, at: Timestamp) {
        self.last_used.fetch_max(at.millis(), Ordering::Relaxed);
        self.noted.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Notes a use. `true` when the last one that was handed on is `after` old: then the caller
    /// hands on this one.
    pub(super) fn beat(&self, now: Timestamp, after: Duration) -> bool {
        self.last_used.fetch_max(now.millis(), Ordering::Relaxed);
        let noted = self.noted.load(Ordering::Relaxed);
        if now.since(Timestamp::from_millis(noted)) < after {
            return false;
        }
        let (order, millis) = (Ordering::Relaxed, now.millis());
        self.noted
            .compare_exchange(noted, millis, order, order)
            .is_ok()
    }
}

/// The marks of what is in use; those of what is not go away by and by.
#[derive(Debug)]
struct Register<K, V> {
    held: HashMap<K, Weak<V>>,
    most: usize,
}

impl<K: Eq + Hash, V> Register<K, V> {
    fn new() -> Self {
        Self {
            held: HashMap::new(),
            most: FEW_MARKS,
        }
    }

    fn find(&self, key: &K) -> Option<Arc<V>> {
        self.held.get(key).and_then(Weak::upgrade)
    }

    fn find_or_make(&mut self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(found) = self.find(&key) {
            return found;
        }
        if self.held.len() >= self.most {
            self.held.retain(|_, held| held.strong_count() > 0);
            self.most = FEW_MARKS.max(self.held.len().saturating_mul(2));
        }
        let new = Arc::new(make());
        self.held.insert(key, Arc::downgrade(&new));
        new
    }

    fn all(&self) -> impl Iterator<Item = Arc<V>> {
        self.held.values().filter_map(Weak::upgrade)
    }
}

/// What must not have changed while a session was read. At first nobody knows which session a
/// token opens, so any change counts; a second try watches only the two marks that matter, so
/// that it ends however much changes elsewhere.
#[derive(Debug)]
pub(super) enum Watch {
    Any {
        changes: u64,
    },
    Marks {
        /// How the session's mark and the user's stood.
        seen: (u64, u64),
        /// A mark is one and the same for as long as somebody has it.
        _alive: (Arc<Pulse>, Arc<Mark>),
    },
}

impl Hot {
    /// Room for this many.
    pub(super) fn new(most: u64) -> Self {
        Self {
            held: Cache::builder()
                .max_capacity(most)
                .time_to_idle(HOT)
                .build_with_hasher(BuildHasherDefault::default()),
            marks: Mutex::new(Marks {
                changes: 0,
                sessions: Register::new(),
                users: Register::new(),
            }),
        }
    }

    /// What is held under a token's key; `None` also for what is out of date.
    pub(super) fn find(&self, key: &[u8; 32]) -> Option<Held> {
        match self.held.get(key)? {
            Held::Live(session) if !session.is_current() => None,
            held => Some(held),
        }
    }

    /// Begins a load.
    pub(super) fn watch(&self) -> Watch {
        Watch::Any {
            changes: self.marks.lock().changes,
        }
    }

    /// Ends a load that found nothing.
    pub(super) fn keep_dead(&self, key: [u8; 32]) {
        self.held.insert(key, Held::Dead);
    }

    /// Ends a load: keeps what was read, unless something changed meanwhile. Then it must be read
    /// again, under the watch that comes back.
    pub(super) fn keep(
        &self,
        key: [u8; 32],
        watch: &Watch,
        mut read: Session,
    ) -> Result<Arc<Session>, Watch> {
        let (pulse, user_mark) = {
            let mut marks = self.marks.lock();
            let used = read.record.last_used_at;
            let pulse = marks.sessions.find_or_make(read.id(), || Pulse::new(used));
            let user_mark = marks
                .users
                .find_or_make(read.user.id.clone(), Mark::default);
            // Under the lock, under which they are raised.
            read.seen = (pulse.mark.now(), user_mark.now());
            let unchanged = match watch {
                Watch::Any { changes } => *changes == marks.changes,
                Watch::Marks { seen, .. } => *seen == read.seen,
            };
            if !unchanged {
                return Err(Watch::Marks {
                    seen: read.seen,
                    _alive: (pulse, user_mark),
                });
            }
            (pulse, user_mark)
        };
        pulse.written(read.record.last_used_at);
        (read.pulse, read.user_mark) = (pulse, user_mark);
        let read = Arc::new(read);
        self.held.insert(key, Held::Live(read.clone()));
        Ok(read)
    }

    /// Whatever is held of these is out of date.
    pub(super) fn forget<'a>(
        &self,
        sessions: impl IntoIterator<Item = &'a SessionId>,
        users: impl IntoIterator<Item = &'a UserId>,
    ) {
        let mut marks = self.marks.lock();
        marks.changes += 1;
        for pulse in sessions
            .into_iter()
            .filter_map(|id| marks.sessions.find(id))
        {
            pulse.mark.raise();
        }
        for mark in users.into_iter().filter_map(|id| marks.users.find(id)) {
            mark.raise();
        }
    }

    /// Whatever is held is out of date.
    pub(super) fn forget_all(&self) {
        let mut marks = self.marks.lock();
        marks.changes += 1;
        for pulse in marks.sessions.all() {
            pulse.mark.raise();
        }
    }
}

/// Session keys are random: their first bytes are hash enough.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
impl Hot {
    /// How many marks there are: of sessions, and of users.
    pub(super) fn marks(&self) -> (usize, usize) {
        let marks = self.marks.lock();
        (marks.sessions.held.len(), marks.users.held.len())
    }
}
