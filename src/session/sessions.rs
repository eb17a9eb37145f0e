//! The sessions of this process: memory in front of the store, and the rules that keep it honest.
//!
//! The path of a signed-in request is [`Sessions::cached`]: one MAC, one look-up, a few
//! comparisons. A miss goes to [`Sessions::load`]. Revocation writes the store first, then memory
//! forgets; a load that began before a revocation is not kept after it. What another process
//! revoked arrives by the `changes` feed; when the feed is silent for longer than `stale_for`,
//! nothing in memory is trusted until the store has been asked again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{
    Lifetimes, Session, Streams, Token,
    hot::{Held, Hot, Pulse},
    tokens::Refreshing,
};
use crate::{
    clock::{Clock, Timestamp},
    crypto::KeyRing,
    identity::{ConnectionId, UserId},
    random::Random,
    store::{
        ChangeFeed, Event, HandleHash, SessionId, SessionRecord, SessionStore, StoreError,
        UserStore, Whose,
    },
};

/// A last use is written when the one on record is older than this.
const NOTE_AFTER: Duration = Duration::from_mins(1);

/// What the parts of a process share about sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) users: Arc<dyn UserStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) ring: Arc<ArcSwap<KeyRing>>,
    lifetimes: ArcSwap<Lifetimes>,
    pub(super) hot: Hot,
    /// When the change feeds last answered, in milliseconds.
    pub(super) contact: AtomicI64,
    /// Last uses that are not written yet: at most one of each session that was alive since the
    /// store last took some.
    pub(super) used: Mutex<HashMap<SessionId, Timestamp>>,
    streams: Streams,
    pub(super) feeds: Vec<Arc<dyn ChangeFeed>>,
    /// The newest change noticed in each feed; `None` until it is followed.
    pub(super) seen: tokio::sync::Mutex<Vec<Option<u64>>>,
    /// The key ring changed, and nobody was told yet.
    pub(super) keys: AtomicBool,
    /// The sessions whose tokens are being fetched.
    pub(super) refreshing: Refreshing,
}

/// What a look in the cache says.
#[derive(Debug)]
pub(crate) enum Peek {
    /// The token opens nothing.
    Dead,
    Live(Arc<Session>),
    /// The store must be asked.
    Unknown,
}

/// What a session is made of, besides the settings.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) users: Arc<dyn UserStore>,
    /// The feeds of the stores, each once.
    pub(crate) feeds: Vec<Arc<dyn ChangeFeed>>,
    pub(crate) ring: Arc<ArcSwap<KeyRing>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Sessions {
    /// Nothing in memory yet, in front of these stores. `cached`: how many sessions are held.
    pub(crate) fn new(parts: Parts, lifetimes: Lifetimes, cached: u64) -> Self {
        let contact = AtomicI64::new(parts.clock.now().millis());
        Self {
            store: parts.store,
            users: parts.users,
            clock: parts.clock,
            random: parts.random,
            ring: parts.ring,
            lifetimes: ArcSwap::from_pointee(lifetimes),
            hot: Hot::new(cached),
            contact,
            used: Mutex::default(),
            streams: Streams::default(),
            seen: vec![None; parts.feeds.len()].into(),
            feeds: parts.feeds,
            keys: AtomicBool::new(false),
            refreshing: Refreshing::default(),
        }
    }

    /// The settings changed.
    pub(crate) fn use_lifetimes(&self, lifetimes: Lifetimes) {
        let before = self.lifetimes.swap(Arc::new(lifetimes));
        if *before != lifetimes {
            self.hot.forget_all();
        }
    }

    /// The store, for lists.
    pub(crate) fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Whether the stores answer.
    pub(crate) async fn answers(&self) -> bool {
        for feed in &self.feeds {
            if feed.newest().await.is_err() {
                return false;
            }
        }
        true
    }

    /// The streams that are open under a session.
    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The lifetimes in force.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        **self.lifetimes.load()
    }

    /// The token in a cookie's value, if it was made for this host.
    pub(crate) fn token(&self, cookie: &[u8], host: &str) -> Option<Token> {
        Token::verify(&self.ring.load(), cookie, host)
    }

    /// The keys in force.
    pub(crate) fn ring(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// Looks in memory. This is the path of a signed-in request: it waits for nothing.
    pub(crate) fn cached(&self, token: &Token, now: Timestamp) -> Peek {
        let session = match self.hot.find(token.key()) {
            None => return Peek::Unknown,
            Some(Held::Dead) => return Peek::Dead,
            Some(Held::Live(session)) => session,
        };
        if self.out_of_contact(now) {
            return Peek::Unknown;
        }
        match self.life(&session, now) {
            Life::Over => Peek::Dead,
            // Another process may have seen it used.
            Life::Idle => Peek::Unknown,
            Life::Live => {
                self.note_use(session.id(), &session.pulse, now);
                Peek::Live(session)
            }
        }
    }

    /// Whether the feeds have not answered for so long that memory may be out of date. A clock
    /// that was set back counts like one that went on.
    pub(super) fn out_of_contact(&self, now: Timestamp) -> bool {
        let contact = self.contact.load(Ordering::Relaxed);
        let silent = Duration::from_millis(now.millis().abs_diff(contact));
        silent > self.lifetimes.load().stale_for
    }

    /// Asks the store, and remembers the answer.
    pub(crate) async fn load(&self, token: &Token) -> Result<Option<Arc<Session>>, StoreError> {
        let mut watch = self.hot.watch();
        let session = loop {
            let Some(read) = self.read(&token.hash()).await? else {
                self.hot.keep_dead(*token.key());
                return Ok(None);
            };
            match self.hot.keep(*token.key(), &watch, read) {
                Ok(session) => break session,
                Err(again) => watch = again,
            }
        };
        let now = self.clock.now();
        if self.life(&session, now) != Life::Live {
            return Ok(None);
        }
        self.note_use(session.id(), &session.pulse, now);
        Ok(Some(session))
    }

    async fn read(&self, handle: &HandleHash) -> Result<Option<Session>, StoreError> {
        let Some(mut loaded) = self.store.load(handle).await? else {
            return Ok(None);
        };
        if let Some(used) = self.used.lock().get(&loaded.session.id) {
            loaded.session.last_used_at = loaded.session.last_used_at.max(*used);
        }
        self.complete(loaded.session).await
    }

    /// The record with its user and identities, under the lifetimes of now; `None` when the user
    /// is gone. So is one whose id somebody has again: the session is older than they are.
    pub(super) async fn complete(
        &self,
        mut record: SessionRecord,
    ) -> Result<Option<Session>, StoreError> {
        let user = self.users.find(&record.user).await?;
        let Some(user) = user.filter(|user| user.created_at <= record.created_at) else {
            return Ok(None);
        };
        let identities = self.users.identities(&record.user).await?;
        let end = record.created_at + self.lifetimes.load().absolute;
        record.expires_at = record.expires_at.min(end);
        Session::new(record, user, identities, &self.hot.user_marks).map(Some)
    }

    fn life(&self, session: &Session, now: Timestamp) -> Life {
        if now >= session.expires_at || session.user.blocked {
            Life::Over
        } else if now.since(session.last_used_at()) >= self.lifetimes.load().idle {
            Life::Idle
        } else {
            Life::Live
        }
    }

    pub(super) fn note_use(&self, id: SessionId, pulse: &Pulse, now: Timestamp) {
        if pulse.beat(now, NOTE_AFTER) {
            self.used.lock().insert(id, now);
        }
    }

    /// Ends one session, here at once and elsewhere by the feed.
    pub(crate) async fn revoke(&self, id: SessionId, event: Event) -> Result<bool, StoreError> {
        let ended = self.store.remove(id, Some(event.clone())).await?;
        self.forget_session(id, true);
        if ended {
            event.log();
        }
        Ok(ended)
    }

    /// Ends many, here at once and elsewhere by the feed.
    pub(crate) async fn revoke_all(&self, whose: &Whose, event: Event) -> Result<u64, StoreError> {
        let ended = self.store.remove_all(whose, Some(event.clone())).await?;
        if ended > 0 {
            event.log();
        }
        match whose {
            Whose::User(user) | Whose::UserExcept(user, _) => self.forget_user(user),
            Whose::All | Whose::Connection(_) | Whose::Identity(..) | Whose::Sid(_) => {
                self.hot.forget_all();
            }
        }
        // The streams are cut by the feed; what fails here is tried again in a moment.
        if let Err(error) = self.catch_up().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the streams of ended sessions are not cut yet");
        }
        Ok(ended)
    }

    /// A user changed: whatever is held about them is read anew.
    pub(crate) fn forget_user(&self, user: &UserId) {
        self.hot.forget([], [user]);
    }

    /// A connection has another name from now on.
    pub(crate) async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError> {
        self.store.rename_connection(from, to).await?;
        self.hot.forget_all();
        Ok(())
    }

    /// A session changed; the streams under it go on unless it ended.
    pub(super) fn forget_session(&self, id: SessionId, ended: bool) {
        self.hot.forget([&id], []);
        if ended {
            self.streams.end(|stream| stream.session == id);
        }
    }
}

/// Whether a session may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    /// It was not used for too long, as far as this process knows.
    Idle,
    Live,
    /// Its time is over, or its user is barred.
    Over,
}
