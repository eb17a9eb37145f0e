//! The sessions of this process: a cache in front of the store, and the rules that keep it honest.
//!
//! The path of a signed-in request is [`Sessions::cached`]: one MAC, one look-up, two comparisons.
//! A miss goes to [`Sessions::load`]. Revocation writes the store first, then the cache forgets; a
//! load that began before a revocation never enters the cache after it (the fence). What another
//! process revoked arrives by the `changes` feed; when the feed is silent for longer than
//! `stale_for`, nothing cached is trusted until the store has been asked again.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::{Lifetimes, Session, Streams, Token};
use crate::{
    clock::{Clock, Timestamp},
    crypto::{self, KeyRing},
    identity::{Authentication, UserId},
    random::Random,
    store::{
        ChangeFeed, Event, EventKind, HandleHash, HandleRecord, Issued, NewSession, OneTimeKey,
        OneTimeRow, OneTimeUse, Purpose, SessionId, SessionRecord, SessionStore, StoreError,
        UserRecord, UserStore, Whose,
    },
};

/// How long a ticket for another host lives.
const HANDOVER: Duration = Duration::from_secs(60);
/// A last use is written when the one on record is older than this.
const NOTE_AFTER: Duration = Duration::from_secs(60);
/// At most one authentication per connection and subject, and no more than this in all.
const MOST_AUTHENTICATIONS: usize = 16;

/// What the parts of a process share about sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) users: Arc<dyn UserStore>,
    pub(super) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ring: Arc<ArcSwap<KeyRing>>,
    lifetimes: ArcSwap<Lifetimes>,
    cache: Cache<[u8; 32], Cached, BuildHasherDefault<FirstBytes>>,
    /// Counts revocations. A load that saw another number does not enter the cache.
    fence: Mutex<u64>,
    /// When the change feed last answered, in milliseconds.
    pub(super) contact: AtomicI64,
    pub(super) used: Mutex<HashMap<SessionId, Timestamp>>,
    streams: Streams,
    pub(super) feeds: Vec<Arc<dyn ChangeFeed>>,
    /// The newest change seen in each feed.
    pub(super) seen: tokio::sync::Mutex<Vec<u64>>,
}

/// A handle never comes to life again, so a dead one may be remembered like a live one.
#[derive(Clone, Debug)]
enum Cached {
    Dead,
    Live(Arc<Session>),
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

/// What a login brings.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: UserRecord,
    pub(crate) authentication: Authentication,
    /// The session and the token that the browser had so far on this host.
    pub(crate) held: Option<(Arc<Session>, Token)>,
    /// The host that the browser is at.
    pub(crate) host: String,
    pub(crate) address: Option<std::net::IpAddr>,
    pub(crate) user_agent: String,
    /// What this login used up: it counts once.
    pub(crate) uses: Vec<OneTimeUse>,
    pub(crate) request_id: String,
}

/// A session that now exists.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The value of the session cookie.
    pub(crate) cookie: String,
    pub(crate) token: Token,
    pub(crate) session: Arc<Session>,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The proof was used before: somebody replays, or pressed the button twice.
    #[error("this {0:?} was used before")]
    AlreadyUsed(Purpose),
    /// The session that was to be extended ended or changed meanwhile.
    #[error("the session changed meanwhile")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// An empty cache over these stores.
    pub(crate) fn new(parts: Parts, lifetimes: Lifetimes, cached: u64) -> Self {
        let contact = AtomicI64::new(parts.clock.now().millis());
        Self {
            store: parts.store,
            users: parts.users,
            clock: parts.clock,
            random: parts.random,
            ring: parts.ring,
            lifetimes: ArcSwap::from_pointee(lifetimes),
            cache: Cache::builder()
                .max_capacity(cached)
                .time_to_idle(Duration::from_secs(3600))
                .build_with_hasher(BuildHasherDefault::default()),
            fence: Mutex::new(0),
            contact,
            used: Mutex::default(),
            streams: Streams::default(),
            feeds: parts.feeds,
            seen: tokio::sync::Mutex::default(),
        }
    }

    /// The settings changed.
    pub(crate) fn use_lifetimes(&self, lifetimes: Lifetimes) {
        self.lifetimes.store(Arc::new(lifetimes));
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

    /// Looks in the cache. This is the path of a signed-in request: it waits for nothing.
    pub(crate) fn cached(&self, token: &Token) -> Peek {
        let now = self.clock.now();
        let stale_for = self.lifetimes.load().stale_for;
        let contact = Timestamp::from_millis(self.contact.load(Ordering::Relaxed));
        if now.since(contact) > stale_for {
            return Peek::Unknown;
        }
        match self.cache.get(&token.key()) {
            None => Peek::Unknown,
            Some(Cached::Dead) => Peek::Dead,
            Some(Cached::Live(session)) if self.alive(&session, now) => {
                self.note_use(&session, now);
                Peek::Live(session)
            }
            Some(Cached::Live(_)) => Peek::Dead,
        }
    }

    /// Asks the store, and lets the cache remember the answer.
    pub(crate) async fn load(&self, token: &Token) -> Result<Option<Arc<Session>>, StoreError> {
        let mut found = None;
        for _ in 0..3 {
            let seen = *self.fence.lock();
            found = self.read(&token.hash()).await?.map(Arc::new);
            let fence = self.fence.lock();
            if *fence == seen {
                let remembered = found.clone().map_or(Cached::Dead, Cached::Live);
                self.cache.insert(token.key(), remembered);
                break;
            }
        }
        let now = self.clock.now();
        Ok(found
            .filter(|session| self.alive(session, now))
            .inspect(|session| {
                self.note_use(session, now);
            }))
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

    /// The record with its user and identities; `None` when the user is gone.
    pub(super) async fn complete(
        &self,
        record: SessionRecord,
    ) -> Result<Option<Session>, StoreError> {
        let Some(user) = self.users.find(&record.user).await? else {
            return Ok(None);
        };
        let identities = self.users.identities(&record.user).await?;
        Ok(Some(Session::new(record, user, identities)))
    }

    fn alive(&self, session: &Session, now: Timestamp) -> bool {
        let idle = self.lifetimes.load().idle;
        now < session.record.expires_at
            && now.since(session.last_used_at()) < idle
            && !session.user.blocked
    }

    fn note_use(&self, session: &Session, now: Timestamp) {
        let before = session.last_used.fetch_max(now.millis(), Ordering::Relaxed);
        let noted = session.noted.load(Ordering::Relaxed);
        if now.millis().max(before) - noted < i64::try_from(NOTE_AFTER.as_millis()).unwrap_or(0) {
            return;
        }
        let won = session.noted.compare_exchange(
            noted,
            now.millis(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if won.is_ok() {
            self.used.lock().insert(session.id(), now);
        }
    }

    /// Signs somebody in. The browser gets a new token in every case; a session of the same user
    /// is extended, one of another user ends.
    pub(crate) async fn open(&self, login: Login) -> Result<Opened, OpenError> {
        let now = self.clock.now();
        let same = login
            .held
            .as_ref()
            .filter(|(held, _)| held.user.id == login.user.id);
        let (mut record, was) = match same {
            Some((held, _)) => (held.record.clone(), Some(held.record.version)),
            None => (self.new_record(&login, now), None),
        };
        add(&mut record.authentications, login.authentication.clone());
        record.last_used_at = now;
        let ends = match (&login.held, was) {
            (Some((held, _)), None) => Some(held.id()),
            _ => None,
        };
        let (token, cookie) = Token::issue(&self.ring.load(), &login.host, self.random.as_ref());
        let event = Event {
            address: login.address,
            request_id: Some(login.request_id.clone()),
            ..Event::new(
                now,
                EventKind::LoginSucceeded,
                login.authentication.amr.join("+"),
            )
        }
        .user(&login.user.id)
        .connection(&login.authentication.connection)
        .session(record.id);
        let handle = HandleRecord {
            hash: token.hash(),
            session: record.id,
            host: login.host,
            created_at: now,
        };
        let issued = self.store.issue(NewSession {
            record: record.clone(),
            was,
            handle,
            ends,
            drops: login.held.as_ref().map(|(_, token)| token.hash()),
            uses: login.uses,
            event: event.clone(),
        });
        match issued.await? {
            Issued::AlreadyUsed(purpose) => return Err(OpenError::AlreadyUsed(purpose)),
            Issued::Changed => return Err(OpenError::Changed),
            Issued::Issued => event.log(),
        }
        if let Some((held, _)) = login.held {
            self.forget_session(held.id(), ends.is_some());
        }
        match self.load(&token).await? {
            Some(session) => Ok(Opened {
                cookie,
                token,
                session,
            }),
            None => Err(OpenError::Changed),
        }
    }

    fn new_record(&self, login: &Login, now: Timestamp) -> SessionRecord {
        SessionRecord {
            id: SessionId(self.random.bytes()),
            user: login.user.id.clone(),
            authentications: Vec::new(),
            created_at: now,
            last_used_at: now,
            expires_at: now + self.lifetimes.load().absolute,
            address: login.address,
            user_agent: login.user_agent.clone(),
            sids: Vec::new(),
            sealed: Vec::new(),
            version: 1,
        }
    }

    /// A ticket with which the browser that holds the nonce gets a token at another host.
    pub(crate) async fn hand_over(
        &self,
        session: &Session,
        host: &str,
        nonce_hash: &[u8; 32],
    ) -> Result<[u8; 32], StoreError> {
        let ticket: [u8; 32] = self.random.bytes();
        let mut payload = Vec::with_capacity(48 + host.len());
        payload.extend_from_slice(&session.id().0);
        payload.extend_from_slice(nonce_hash);
        payload.extend_from_slice(host.as_bytes());
        let until = self.clock.now() + HANDOVER;
        self.store
            .put(OneTimeRow {
                key: ticket_key(&ticket),
                payload,
                until,
            })
            .await?;
        Ok(ticket)
    }

    /// A token for `host` in exchange for a ticket; `None` when the ticket is for another host or
    /// another browser, was used, or ran out. A ticket that was shown wrongly is void.
    pub(crate) async fn redeem(
        &self,
        ticket: &[u8; 32],
        host: &str,
        nonce_hash: &[u8; 32],
    ) -> Result<Option<String>, StoreError> {
        let (key, now) = (ticket_key(ticket), self.clock.now());
        let Some(payload) = self.store.peek(&key, now).await? else {
            return Ok(None);
        };
        let session = payload.split_first_chunk::<16>().and_then(|(id, rest)| {
            let (nonce, for_host) = rest.split_first_chunk::<32>()?;
            (nonce == nonce_hash && for_host == host.as_bytes()).then_some(SessionId(*id))
        });
        let Some(session) = session else {
            self.store.take(&key, now).await?;
            return Ok(None);
        };
        let (token, cookie) = Token::issue(&self.ring.load(), host, self.random.as_ref());
        let handle = HandleRecord {
            hash: token.hash(),
            session,
            host: host.to_owned(),
            created_at: now,
        };
        let added = self
            .store
            .add_handle(handle, OneTimeUse::Row { key, now })
            .await?;
        Ok(added.then_some(cookie))
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

    /// Ends many.
    pub(crate) async fn revoke_all(&self, whose: &Whose, event: Event) -> Result<u64, StoreError> {
        let ended = self.store.remove_all(whose, Some(event.clone())).await?;
        self.follow().await?;
        if ended > 0 {
            event.log();
        }
        Ok(ended)
    }

    /// A user changed: whatever is cached about them is read anew.
    pub(crate) fn forget_user(&self, user: &UserId) {
        self.forget(|session| session.user.id == *user);
    }

    fn forget_session(&self, id: SessionId, ended: bool) {
        self.forget(|session| session.id() == id);
        if ended {
            self.streams.end(|stream| stream.session == id);
        }
    }

    /// Raises the fence, then empties the cache of what `which` names. In this order, and under
    /// the lock, so that a load under way either sees the new fence or is removed here.
    pub(super) fn forget(&self, which: impl Fn(&Session) -> bool) {
        let mut fence = self.fence.lock();
        *fence += 1;
        for (key, cached) in &self.cache {
            if matches!(&cached, Cached::Live(session) if which(session)) {
                self.cache.invalidate(key.as_ref());
            }
        }
    }
}

fn ticket_key(ticket: &[u8; 32]) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::Handover,
        hash: crypto::sha256(ticket),
    }
}

/// The newest proof of each identity stays; the oldest others go when there are too many.
fn add(held: &mut Vec<Authentication>, new: Authentication) {
    held.retain(|one| one.connection != new.connection || one.subject != new.subject);
    held.push(new);
    let excess = held.len().saturating_sub(MOST_AUTHENTICATIONS);
    held.drain(..excess);
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
