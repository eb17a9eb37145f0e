//! Stories of sessions, told to the real engines.
//!
//! Users live in an SQLite file in each of them; sessions there or in memory. Between a story and
//! its engine stands a [`Guarded`], which counts, fails and waits as it is told.

mod feed;
mod guarded;
mod handover;
mod kept;
mod lifetimes;
mod logins;
mod memory;
mod races;
mod streams;
mod tokens;

use std::{path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use self::guarded::Guarded;
use super::*;
use crate::{
    clock::{Clock as _, ManualClock},
    connection::{ConnectionData, Kept},
    crypto::{KeyRing, RingKey, RingState},
    identity::{Authentication, Identity, Profile, UserId},
    random::OsRandom,
    store::{
        ChangeFeed, Event, EventKind, NewUser, OneTimeKey, OneTimeUse, Purpose, SessionStore,
        StoreError, UserStore, Whose, memory::Memory, sql::Sql,
    },
};

const START: i64 = 1_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
const LIFETIMES: Lifetimes = Lifetimes {
    idle: Duration::from_mins(30),
    absolute: Duration::from_hours(2),
    stale_for: Duration::from_secs(10),
};
const HOST: &str = "wiki.example";

/// One process, with everything around it.
struct World {
    clock: Arc<ManualClock>,
    users: Arc<Sql>,
    engine: Arc<Guarded>,
    ring: Arc<ArcSwap<KeyRing>>,
    sessions: Arc<Sessions>,
    folder: Arc<tempfile::TempDir>,
}

/// Which engine keeps the sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Memory,
    Sqlite,
}

impl World {
    async fn new() -> Self {
        Self::with(Kind::Sqlite).await
    }

    /// One of each kind.
    async fn each() -> [Self; 2] {
        [
            Self::with(Kind::Sqlite).await,
            Self::with(Kind::Memory).await,
        ]
    }

    async fn with(kind: Kind) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START)));
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let users = Arc::new(open(folder.path(), &clock).await);
        let inner: Arc<dyn SessionStore> = match kind {
            Kind::Memory => Arc::new(Memory::new(clock.clone(), 1000)),
            Kind::Sqlite => users.clone(),
        };
        for (who, connections) in [("alice", &["acme", "members"][..]), ("bob", &["acme"])] {
            let first = connections
                .iter()
                .map(|connection| identity(connection, who));
            for (at, identity) in first.enumerate() {
                let mut new = new_user(who, identity, Timestamp::from_millis(START));
                if at > 0 {
                    new.user = user(&format!("{who}-else"), new.user.created_at);
                    new.user.id = UserId::new(&new.identity.connection, &new.identity.subject);
                }
                users.create(new.clone()).await.unwrap();
                if at > 0 {
                    let Identity {
                        connection,
                        subject,
                        ..
                    } = &new.identity;
                    let linked = event(EventKind::IdentityLinked);
                    users
                        .link(connection, subject, &id_of(who), linked)
                        .await
                        .unwrap();
                }
            }
        }
        let ring = Arc::new(ArcSwap::from_pointee(ring(&[1])));
        Self::process(
            Arc::new(Guarded::new(inner)),
            (clock, users, ring, folder),
            kind,
        )
        .await
    }

    async fn process(
        engine: Arc<Guarded>,
        (clock, users, ring, folder): (
            Arc<ManualClock>,
            Arc<Sql>,
            Arc<ArcSwap<KeyRing>>,
            Arc<tempfile::TempDir>,
        ),
        kind: Kind,
    ) -> Self {
        let mut feeds: Vec<Arc<dyn ChangeFeed>> = vec![engine.clone()];
        if kind == Kind::Memory {
            feeds.push(users.clone());
        }
        let parts = Parts {
            store: engine.clone(),
            users: users.clone(),
            feeds,
            ring: ring.clone(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
        };
        let sessions = Arc::new(Sessions::new(parts, LIFETIMES, 1000));
        sessions.begin_to_follow().await.unwrap();
        sessions.follow().await.unwrap();
        Self {
            clock,
            users,
            engine,
            ring,
            sessions,
            folder,
        }
    }

    /// Another process over the same file.
    async fn neighbour(&self) -> Self {
        let users = Arc::new(open(self.folder.path(), &self.clock).await);
        let engine = Arc::new(Guarded::new(users.clone()));
        let shared = (
            self.clock.clone(),
            users,
            self.ring.clone(),
            self.folder.clone(),
        );
        Self::process(engine, shared, Kind::Sqlite).await
    }

    /// Somebody signs in at [`HOST`] by `acme`.
    async fn sign_in(&self, who: &str) -> Opened {
        self.sessions
            .open(self.login(who, "acme").await)
            .await
            .unwrap()
    }

    /// What a login of somebody by that connection brings, without a session before it.
    async fn login(&self, who: &str, connection: &str) -> Login {
        Login {
            user: UserStore::find(self.users.as_ref(), &id_of(who))
                .await
                .unwrap()
                .unwrap(),
            authentication: authentication(connection, who, self.clock.now()),
            brings: Brings::Login(Kept::default()),
            proven_at: self.clock.now(),
            held: None,
            host: HOST.to_owned(),
            address: None,
            user_agent: "Mozilla/5.0".to_owned(),
            uses: Vec::new(),
            request_id: "r".to_owned(),
        }
    }

    /// What a request with this token finds.
    async fn request(&self, token: &Token) -> Result<Option<Arc<Session>>, StoreError> {
        match self.sessions.cached(token, self.clock.now()) {
            Peek::Dead => Ok(None),
            Peek::Live(session) => Ok(Some(session)),
            Peek::Unknown => self.sessions.load(token).await,
        }
    }

    async fn is_in(&self, token: &Token) -> bool {
        self.request(token).await.unwrap().is_some()
    }

    fn is_cached(&self, token: &Token) -> bool {
        matches!(self.sessions.cached(token, self.clock.now()), Peek::Live(_))
    }

    async fn revoke(&self, session: &Session) -> bool {
        let event = event(EventKind::SessionRevoked);
        self.sessions.revoke(session.id(), event).await.unwrap()
    }

    /// Time passes, and the feed is followed all the while.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.sessions.follow().await.unwrap();
    }

    async fn block(&self, who: &str, blocked: bool) {
        let was = UserStore::find(self.users.as_ref(), &id_of(who))
            .await
            .unwrap()
            .unwrap();
        let version = was.version;
        let replaced = UserStore::replace(
            self.users.as_ref(),
            UserRecord { blocked, ..was },
            version,
            Some(event(EventKind::UserBlocked)),
        );
        assert!(replaced.await.unwrap());
    }
}

async fn open(folder: &Path, clock: &Arc<ManualClock>) -> Sql {
    Sql::open_file(&folder.join("v.db"), clock.clone())
        .await
        .unwrap()
}

fn id_of(who: &str) -> UserId {
    UserId::new(&"acme".parse().unwrap(), &who.parse().unwrap())
}

fn user(who: &str, at: Timestamp) -> UserRecord {
    UserRecord {
        id: id_of(who),
        handle: who.to_owned(),
        profile: Profile::default(),
        user_metadata: serde_json::Map::new(),
        app_metadata: serde_json::Map::new(),
        blocked: false,
        owner: false,
        synced_by: "acme".parse().unwrap(),
        created_at: at,
        updated_at: at,
        last_login_at: None,
        logins: 1,
        version: 1,
    }
}

fn identity(connection: &str, who: &str) -> Identity {
    Identity {
        connection: connection.parse().unwrap(),
        subject: who.parse().unwrap(),
        profile: Profile::default(),
        claims: serde_json::Map::new(),
        groups: vec!["staff".to_owned()].into(),
    }
}

fn new_user(who: &str, identity: Identity, at: Timestamp) -> NewUser {
    NewUser {
        user: user(who, at),
        identity,
        account: None,
        factor: None,
        uses: Vec::new(),
        event: event(EventKind::UserCreated),
    }
}

fn authentication(connection: &str, who: &str, at: Timestamp) -> Authentication {
    Authentication {
        connection: connection.parse().unwrap(),
        subject: who.parse().unwrap(),
        auth_time: at,
        amr: vec!["pwd".to_owned()],
        acr: None,
        proven_at: None,
        second_factor_at: None,
    }
}

fn event(kind: EventKind) -> Event {
    Event::new(Timestamp::from_millis(START), kind, "test")
}

/// A ring of these keys, the last one current.
fn ring(ids: &[u32]) -> KeyRing {
    let current = ids.last().unwrap();
    let key = |id: &u32| {
        let state = if id == current {
            RingState::Current
        } else {
            RingState::Old
        };
        RingKey::new(
            *id,
            state,
            &Zeroizing::new([u8::try_from(*id).unwrap(); 32]),
        )
    };
    KeyRing::new(ids.iter().map(key).collect()).unwrap()
}

fn connections(session: &Session) -> Vec<String> {
    let held = session.contents().authentications.into_iter();
    held.map(|held| held.connection.into()).collect()
}
