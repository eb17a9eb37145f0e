//! The sessions that are held in memory, and what tells that one of them is out of date.
//!
//! Every copy of a session has two marks, its own and its user's, and knows how they stood when it
//! was read. A change raises the mark; from then on every copy that was read before is asked for
//! anew. So a change costs one look-up, however many sessions are held, and a request one
//! comparison. A load that a change overtook is not kept ([`Watch`]): what it read may be what the
//! change ended.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use super::Session;
use crate::{clock::Timestamp, identity::UserId, store::SessionId};

/// What nobody asked for this long is not hot.
const HOT: Duration = Duration::from_hours(1);
/// The most sessions for which room is reserved at the start, which costs no memory until they are
/// there; growing by doubling would cost twice as much.
const RESERVED: usize = 1 << 20;
/// Marks are looked through for unused ones when there are more than this, and then whenever
/// their number has doubled.
const FEW_MARKS: usize = 1024;

/// The sessions in memory, by token.
#[derive(Debug)]
pub(super) struct Hot {
    held: Cache<[u8; 32], Held, UnitWeighter, BuildHasherDefault<FirstBytes>>,
    marks: Mutex<Marks>,
    pub(super) user_marks: Arc<UserMarks>,
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
    sessions: Register,
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

/// What sessions that are in use have in common; of those that are not it goes away by and by.
#[derive(Debug)]
struct Register {
    held: HashMap<SessionId, Weak<Pulse>>,
    most: usize,
}

impl Register {
    fn new() -> Self {
        Self {
            held: HashMap::new(),
            most: FEW_MARKS,
        }
    }

    fn find(&self, id: &SessionId) -> Option<Arc<Pulse>> {
        self.held.get(id).and_then(Weak::upgrade)
    }

    fn find_or_make(&mut self, id: SessionId, used: Timestamp) -> Arc<Pulse> {
        if let Some(found) = self.find(&id) {
            return found;
        }
        if self.held.len() >= self.most {
            self.held.retain(|_, held| held.strong_count() > 0);
            self.most = FEW_MARKS.max(self.held.len().saturating_mul(2));
        }
        let new = Arc::new(Pulse::new(used));
        self.held.insert(id, Arc::downgrade(&new));
        new
    }

    fn all(&self) -> impl Iterator<Item = Arc<Pulse>> {
        self.held.values().filter_map(Weak::upgrade)
    }
}

/// The marks of all users there may be, a fixed number: they cost nothing for each. Users who share
/// one are read anew together, which is rare and harms nobody.
///
/// They are made when one of their block is first raised. Until then they stand at none.
#[derive(Debug)]
pub(super) struct UserMarks([OnceLock<Box<[Mark; BLOCK]>>; BLOCK]);

/// So many blocks, of so many marks each.
const BLOCK: usize = 1 << 8;

impl UserMarks {
    fn new() -> Self {
        Self([const { OnceLock::new() }; BLOCK])
    }

    /// Where a user's mark is.
    pub(super) fn place(user: &UserId) -> u16 {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let [first, second, ..] = hasher.finish().to_ne_bytes();
        u16::from_ne_bytes([first, second])
    }

    pub(super) fn now(&self, place: u16) -> u64 {
        let [block, mark] = place.to_be_bytes().map(usize::from);
        let marks = self.0.get(block).and_then(OnceLock::get);
        marks.and_then(|marks| marks.get(mark)).map_or(0, Mark::now)
    }

    fn raise(&self, place: u16) {
        let [block, mark] = place.to_be_bytes().map(usize::from);
        let Some(marks) = self.0.get(block) else {
            return;
        };
        let marks = marks.get_or_init(|| Box::new([const { Mark(AtomicU64::new(0)) }; BLOCK]));
        if let Some(mark) = marks.get(mark) {
            mark.raise();
        }
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
        /// How they stood.
        seen: u64,
        /// A session's mark is one and the same for as long as somebody has it.
        _alive: Arc<Pulse>,
    },
}

impl Hot {
    /// Room for this many.
    pub(super) fn new(most: u64) -> Self {
        Self {
            held: Cache::with(
                usize::try_from(most).map_or(RESERVED, |most| most.min(RESERVED)),
                most,
                UnitWeighter,
                BuildHasherDefault::default(),
                DefaultLifecycle::default(),
            ),
            marks: Mutex::new(Marks {
                changes: 0,
                sessions: Register::new(),
            }),
            user_marks: Arc::new(UserMarks::new()),
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
        let used = read.last_used_at();
        {
            let mut marks = self.marks.lock();
            read.pulse = marks.sessions.find_or_make(read.id(), used);
            // Under the lock, under which they are raised.
            read.seen = read.marks_now();
            let unchanged = match watch {
                Watch::Any { changes } => *changes == marks.changes,
                Watch::Marks { seen, .. } => *seen == read.seen,
            };
            if !unchanged {
                return Err(Watch::Marks {
                    seen: read.seen,
                    _alive: read.pulse,
                });
            }
        }
        read.pulse.written(used);
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
        for user in users {
            self.user_marks.raise(UserMarks::place(user));
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

    /// Lets go of what nobody has used for long, and of all that opens nothing.
    pub(super) fn cool(&self, now: Timestamp) {
        self.held.retain(|_, held| match held {
            Held::Dead => false,
            Held::Live(session) => now.since(session.last_used_at()) < HOT,
        });
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
    /// How many sessions have a mark.
    pub(super) fn marks(&self) -> usize {
        self.marks.lock().sessions.held.len()
    }
}
