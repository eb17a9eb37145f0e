//! The composition root: from settings to a running process.
//!
//! [`App`] holds what lives as long as the process: stores, keys, sessions, the hashing threads.
//! [`App::build`] makes from one set of settings what a reload swaps, [`Live`]; every `Arc<dyn …>`
//! is made here and nowhere else. What goes on beside the requests is in [`App::watch`].

mod certificates;
mod recheck;
mod second_factor;
mod tend;

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use crate::{
    clock::{Clock, SystemClock},
    config::{self, ConnectionEntry, Settings},
    connection::{
        Common, Connection, ConnectionSettings, Connections, Counters, MailRules, MailedProofs,
        SealedRows, SignInProofs, SyncProfile, Throttle, VerifyEmail, passkey,
        registry::{self, Family},
    },
    crypto::{self, Cost, Hasher, Pool},
    egress,
    flow::{self, Base, CookieNames, Engine, Offers},
    gate::Gate,
    headers::assertion::Assertions,
    identity::ConnectionId,
    keys::Keys,
    mail::{self, Outbox},
    metrics,
    page::Site,
    policy::{Known, KnownConnection},
    problem::{Causes, Problem},
    protocol::{CanonicalPath, Origin},
    proxy::{Edge, Live, Peers},
    random::{OsRandom, Random},
    route::Router,
    session::{self, Lifetimes, Sessions},
    sms,
    store::{
        ChangeFeed, EventKind, OneTimeStore, SessionStore, StoreError, UserStore, memory::Memory,
        redis::Redis, sql::Sql,
    },
    text::Pages,
    user::{Directory, Factors},
};

/// How many sessions `session.store = "memory"` holds.
const MOST_IN_MEMORY: usize = 1_000_000;

/// What lives as long as the process.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) keys: Keys,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) factors: Arc<Factors>,
    pub(crate) owner_links: Arc<dyn OneTimeStore>,
    once: Arc<dyn OneTimeStore>,
    users: Arc<dyn UserStore>,
    hasher: Arc<Hasher>,
    http: egress::http::Client,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) texts: Arc<sms::Outbox>,
    /// The connections that were opened last: one whose settings did not change keeps what it has
    /// learned of its provider.
    opened: Mutex<HashMap<ConnectionId, Opened>>,
    flows: Arc<flow::Parts>,
    generation: AtomicU64,
}

/// A connection, and what it was opened with.
type Opened = (u64, Arc<dyn Connection>);

impl App {
    /// Opens the stores and the keys.
    pub(crate) async fn open(settings: &Settings, trial: bool) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        for kind in EventKind::ALL {
            // Every kind is there from the start, at zero, so that an alert can be built on it.
            metrics::EVENTS.with_label_values(&[kind.name()]);
        }
        let storage = Sql::open(&settings.storage, clock.clone())
            .await
            .with_context(|| format!("the storage {} cannot be opened", settings.storage))?;
        let storage = Arc::new(storage);
        let users: Arc<dyn UserStore> = storage.clone();
        let owner_links: Arc<dyn OneTimeStore> = storage.clone();
        let Memories {
            sessions: store,
            once,
            feeds,
        } = Memories::open(settings, &storage, &clock, &random).await?;
        let root = settings.secret.expose().as_bytes();
        let keys = Keys::open(storage, root, clock.clone(), random.clone())
            .await
            .context("the keys cannot be opened")?;
        let parts = session::Parts {
            store,
            users: users.clone(),
            feeds,
            ring: keys.ring(),
            clock: clock.clone(),
            random: random.clone(),
        };
        let cached = settings.session.cache;
        let sessions = Arc::new(Sessions::new(parts, lifetimes(settings), cached));
        sessions
            .begin_to_follow()
            .await
            .context("the storage does not answer")?;
        let hasher = Hasher::start(Cost::default(), Pool::default(), random.clone())
            .context("password hashing cannot start")?;
        let passkeys = passkey::Records::new(users.clone(), root, random.clone());
        let passkeys = Arc::new(passkeys);
        let directory = Directory::new(users.clone(), clock.clone(), random.clone());
        let directory = Arc::new(directory.with_passkeys(passkeys.clone()));
        let throttle = Throttle::new(
            counters(settings, &once, &clock),
            clock.clone(),
            &crypto::derive(root, "throttle"),
            settings.budgets.clone(),
        );
        let throttle = Arc::new(throttle);
        let rows = SealedRows::new(once.clone(), keys.ring(), random.clone());
        let factors = Factors::new(
            directory.clone(),
            passkeys.clone(),
            throttle.clone(),
            (root, rows.clone()),
        );
        let factors = Arc::new(factors);
        let outbox = Outbox::new(clock.clone(), random.clone());
        let texts = Arc::new(sms::Outbox::new(clock.clone()));
        let flows = Arc::new(flow::Parts {
            sessions: sessions.clone(),
            directory: directory.clone(),
            throttle,
            factors: factors.clone(),
            passkeys,
            once: once.clone(),
            owner_links: owner_links.clone(),
            outbox: outbox.clone(),
            texts: texts.clone(),
            mailed: MailedProofs::new(rows.clone()),
            sign_in: SignInProofs::new(rows),
            ring: keys.ring(),
            clock: clock.clone(),
            random: random.clone(),
            answering: flow::Answering::default(),
            trial,
        });
        Ok(Self {
            clock,
            random,
            keys,
            sessions,
            directory,
            factors,
            owner_links,
            once,
            users,
            hasher: Arc::new(hasher),
            http: egress::http::Client::new(),
            outbox,
            texts,
            opened: Mutex::default(),
            flows,
            generation: AtomicU64::new(0),
        })
    }

    /// Makes what a reload swaps, or says everything that is wrong with the settings.
    pub(crate) fn build(&self, settings: &Settings) -> Result<Live, Vec<Problem>> {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let opened = self.open_connections(settings);
        let known = Known::new(generation, settings.connections.iter().map(known).collect());
        let routes = build_routes(settings, &known);
        let text = load_pages(settings);
        let mut problems = Vec::new();
        let connections = keep(opened, &mut problems);
        let router = keep(routes, &mut problems);
        let mail = self.outbox.open(settings.mail.as_ref());
        let mail = mail.map_err(|error| vec![Problem::new("mail", Causes(&error).to_string())]);
        let mail = keep(mail, &mut problems);
        let text = keep(text, &mut problems);
        let peers = router
            .as_ref()
            .and_then(|router| keep(Peers::build(router), &mut problems));
        let (Some(connections), Some(router), Some(text), Some(peers), Some(mail)) =
            (connections, router, text, peers, mail)
        else {
            return Err(problems);
        };
        let text = Arc::new(text);
        let gate = Arc::new(Gate::new(router, settings.public_url.clone()));
        let signing = self.keys.signing().map_err(|error| broken_keys(&error))?;
        let assertions =
            Assertions::new(&settings.public_url, signing).map_err(|error| broken_keys(&error))?;
        let desk = desk(&connections, &settings.public_url, &self.flows.passkeys);
        let engine = Engine {
            desk,
            parts: self.flows.clone(),
            offers: Offers::new(&connections, gate.router()),
            connections: Arc::new(connections),
            gate: gate.clone(),
            mail,
            text: text.clone(),
            base: Base {
                names: CookieNames::new(&settings.public_url),
                login: settings.public_url.clone(),
                prefix: settings.auth_prefix.clone(),
            },
        };
        Ok(Live {
            gate,
            site: Site {
                engine,
                text,
                assertions: ArcSwap::from_pointee(assertions),
            },
            trusted: settings.trusted_proxies.clone(),
            peers,
            access_log: settings.log.access,
        })
    }

    /// The edge in front of `live`.
    pub(crate) fn edge(&self, live: Arc<ArcSwap<Live>>) -> Edge {
        self.note_generation();
        self.outbox.adopt(live.load().site.engine.mail.clone());
        Edge {
            live,
            sessions: self.sessions.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }

    /// What was built last is in use from now on.
    fn note_generation(&self) {
        let generation = self.generation.load(Ordering::Relaxed);
        metrics::CONFIG_GENERATION.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Opens the connections; none of them calls a network.
    fn open_connections(&self, settings: &Settings) -> Result<Connections, Vec<Problem>> {
        let pages = format!("{}{}/", settings.public_url, settings.auth_prefix.as_str());
        let parts = registry::Parts {
            // An origin and a path are a URL.
            pages: Url::parse(&pages)
                .map_err(|error| vec![Problem::new("server.public_url", error.to_string())])?,
            http: self.http.clone(),
            ring: self.keys.ring(),
            keep_tokens: false,
            users: self.users.clone(),
            once: self.once.clone(),
            passkeys: self.flows.passkeys.clone(),
            hasher: self.hasher.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        };
        let mut problems = Vec::new();
        let mut opened: Vec<(Arc<dyn Connection>, ConnectionSettings)> = Vec::new();
        let mut known = self.opened.lock();
        let mut now = HashMap::new();
        let all = settings;
        for entry in &settings.connections {
            let parts = registry::Parts {
                keep_tokens: forwards_tokens(settings, &entry.id),
                ..parts.clone()
            };
            let settings = identity_of(entry, &parts);
            let same = known.get(&entry.id).filter(|(was, _)| *was == settings);
            if let Some((_, connection)) = same {
                now.insert(entry.id.clone(), (settings, connection.clone()));
                opened.push((connection.clone(), connection_settings(entry, all)));
                continue;
            }
            match entry.own.open(entry.id.clone(), &entry.common, &parts) {
                Ok(connection) => {
                    now.insert(entry.id.clone(), (settings, connection.clone()));
                    opened.push((connection, connection_settings(entry, all)));
                }
                Err(found) => {
                    let key = format!("connections.{}", entry.id);
                    problems.extend(found.into_iter().map(|problem| problem.under(&key)));
                }
            }
        }
        if problems.is_empty() {
            *known = now;
            Ok(Connections::new(opened))
        } else {
            Err(problems)
        }
    }

    /// Refuses a connection whose name stood for something else until now.
    pub(crate) async fn check_pins(&self, live: &Live) -> Vec<String> {
        let mut refused = Vec::new();
        for (connection, _) in live.site.engine.connections.iter() {
            if let Err(error) = self.directory.check_pin(connection.as_ref()).await {
                refused.push(error.to_string());
            }
        }
        refused
    }

    /// Takes new settings into use; the last good ones stay when they are broken.
    pub(crate) async fn adopt(
        &self,
        live: &ArcSwap<Live>,
        settings: &Settings,
    ) -> Result<(), Vec<Problem>> {
        let next = self.build(settings)?;
        let refused = self.check_pins(&next).await;
        if !refused.is_empty() {
            let problems = refused
                .into_iter()
                .map(|text| Problem::new("connections", text));
            return Err(problems.collect());
        }
        self.sessions.use_lifetimes(lifetimes(settings));
        self.flows.throttle.use_budgets(settings.budgets.clone());
        self.outbox.adopt(next.site.engine.mail.clone());
        let before = live.swap(Arc::new(next));
        self.note_generation();
        self.end_removed(&before, live).await;
        Ok(())
    }

    /// A connection that is gone, or switched off, ends the sessions that came by it.
    async fn end_removed(&self, before: &Live, live: &ArcSwap<Live>) {
        let now = live.load_full();
        for (connection, _) in before.site.engine.connections.all_enabled() {
            if now
                .site
                .engine
                .connections
                .enabled(connection.id())
                .is_some()
            {
                continue;
            }
            let event = crate::store::Event::new(
                self.clock.now(),
                EventKind::SessionRevoked,
                "connection-removed",
            )
            .connection(connection.id());
            let whose = crate::store::Whose::Connection(connection.id().clone());
            if let Err(error) = self.sessions.revoke_all(&whose, event).await {
                tracing::error!(%error, connection = %connection.id(), "sessions were not ended");
            }
        }
    }

    /// The key ring was rotated, here or elsewhere. Says whether the new keys are in use.
    async fn refresh_keys(&self, live: &ArcSwap<Live>) -> bool {
        let read = self.keys.refresh().await;
        let signing = read.and_then(|()| Ok(self.keys.signing()?));
        let issuer = live.load().site.engine.base.login.clone();
        match signing.map(|keys| Assertions::new(&issuer, keys)) {
            Ok(Ok(assertions)) => {
                live.load().site.assertions.store(Arc::new(assertions));
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the rotated keys cannot be used");
                false
            }
            Err(error) => {
                tracing::error!(%error, "the rotated keys cannot be read");
                false
            }
        }
    }

    /// What goes on beside the requests, for as long as the process lives.
    ///
    /// The feed is followed apart from the rest: a slow sweep must not delay a revocation.
    pub(crate) async fn watch(&self, live: &ArcSwap<Live>) {
        let clock = self.clock.as_ref();
        tokio::join!(
            self.follow(live),
            self.keep_house(),
            tend::tend(live, clock),
            recheck::recheck(live, &self.sessions, clock)
        );
    }

    async fn follow(&self, live: &ArcSwap<Live>) {
        let mut follow = interval(Duration::from_millis(250));
        follow.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keys_are_stale = false;
        loop {
            follow.tick().await;
            match self.sessions.follow().await {
                Ok(changed) => keys_are_stale |= changed,
                Err(error) => note_failure(&error),
            }
            if keys_are_stale {
                // Until it has worked: the notice comes once.
                keys_are_stale = !self.refresh_keys(live).await;
            }
        }
    }

    async fn keep_house(&self) {
        let mut flush = interval(Duration::from_secs(10));
        let mut sweep = interval(Duration::from_secs(60));
        let mut streams = interval(Duration::from_secs(2));
        for timer in [&mut flush, &mut sweep, &mut streams] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            let done = tokio::select! {
                _ = flush.tick() => self.sessions.flush().await,
                _ = sweep.tick() => self.sweep().await,
                _ = streams.tick() => {
                    self.sessions.watch_streams();
                    Ok(())
                }
            };
            if let Err(error) = done {
                note_failure(&error);
            }
        }
    }
}

impl App {
    /// Removes what is over.
    async fn sweep(&self) -> Result<(), StoreError> {
        self.sessions.sweep().await?;
        let longest = self.sessions.lifetimes().absolute;
        self.keys.drop_expired(longest).await.map(drop)
    }
}

fn note_failure(error: &StoreError) {
    metrics::STORE_ERRORS.inc();
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the storage failed"
    );
}

/// Everything that building finds wrong with the settings, without opening a store.
pub(crate) fn problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known = Known::new(0, settings.connections.iter().map(known).collect());
    if let Some(router) = keep(build_routes(settings, &known), &mut problems) {
        keep(Peers::build(&router), &mut problems);
    }
    keep(load_pages(settings), &mut problems);
    for entry in &settings.connections {
        let key = format!("connections.{}", entry.id);
        let found = entry.own.problems(&entry.common).into_iter();
        let mut found: Vec<_> = found.collect();
        if settings.mail.is_none() {
            found.extend(without_mail(entry));
        }
        found.extend(second_factor::misfits(entry, settings.mail.is_some()));
        problems.extend(found.into_iter().map(|problem| problem.under(&key)));
    }
    problems.extend(certificates::misfits(settings));
    let mail = settings.mail.as_ref();
    problems.extend(mail.into_iter().flat_map(mail::Settings::problems));
    if settings.routes.is_empty() {
        // A file that was cut short while it was written must not take every application away.
        let hint = "add [[routes]] with an upstream, or upstream = \"builtin:demo\"";
        problems.push(Problem::new("routes", "there is no route: nothing is served").hint(hint));
    }
    problems
}

/// Whether a route that this connection opens wants its provider's tokens.
fn forwards_tokens(settings: &Settings, id: &ConnectionId) -> bool {
    settings.routes.iter().any(|route| {
        let offered = route.connections.as_ref();
        let offered = offered.is_none_or(|names| names.iter().any(|name| name == id.as_str()));
        offered && !route.tokens.is_empty()
    })
}

/// A number that is another one when a connection would be opened differently.
fn identity_of(entry: &ConnectionEntry, parts: &registry::Parts) -> u64 {
    let mut hasher = DefaultHasher::new();
    (entry.fingerprint, parts.pages.as_str(), parts.keep_tokens).hash(&mut hasher);
    for file in entry.own.files() {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

fn load_pages(settings: &Settings) -> Result<Pages, Vec<Problem>> {
    let icons: Vec<_> = (settings.connections.iter())
        .filter_map(|entry| {
            let icon = entry.common.icon.as_deref()?;
            Some((format!("connections.{}.icon", entry.id), icon))
        })
        .collect();
    Pages::load(&settings.pages, settings.auth_prefix.as_str(), &icons)
}

/// Where sessions live, what is used once outside of them, and the feeds of all stores, each once.
struct Memories {
    sessions: Arc<dyn SessionStore>,
    once: Arc<dyn OneTimeStore>,
    feeds: Vec<Arc<dyn ChangeFeed>>,
}

impl Memories {
    async fn open(
        settings: &Settings,
        storage: &Arc<Sql>,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> anyhow::Result<Self> {
        Ok(match &settings.session.store {
            config::SessionStore::Storage => Self {
                sessions: storage.clone(),
                once: storage.clone(),
                feeds: vec![storage.clone()],
            },
            config::SessionStore::Memory => {
                let memory = Arc::new(Memory::new(clock.clone(), MOST_IN_MEMORY));
                Self {
                    sessions: memory.clone(),
                    // What must outlive a restart is in the storage even when the sessions are not.
                    once: storage.clone(),
                    feeds: vec![memory, storage.clone()],
                }
            }
            config::SessionStore::Redis(options) => {
                let options = options.as_ref().clone();
                let redis = Redis::open(options, clock.clone(), random.clone())
                    .await
                    .context("the sessions cannot be kept in Redis (session.store)")?;
                let redis = Arc::new(redis);
                Self {
                    sessions: redis.clone(),
                    once: redis.clone(),
                    feeds: vec![redis, storage.clone()],
                }
            }
        })
    }
}

/// Where failures are counted.
fn counters(
    settings: &Settings,
    once: &Arc<dyn OneTimeStore>,
    clock: &Arc<dyn Clock>,
) -> Arc<dyn OneTimeStore> {
    match settings.counters {
        // There is a fixed number of counters, so they need no other bound.
        Counters::Memory => Arc::new(Memory::new(clock.clone(), 0)),
        Counters::Store => once.clone(),
    }
}

fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes {
        idle: settings.session.idle_timeout,
        absolute: settings.session.absolute_timeout,
        stale_for: settings.session.stale_for,
    }
}

fn build_routes(settings: &Settings, known: &Known) -> Result<Router, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut routes = Vec::new();
    for (index, config) in settings.routes.iter().enumerate() {
        let Some(route) = keep(config.build(index, known), &mut problems) else {
            continue;
        };
        let ours = CanonicalPath::parse(route.path.as_str())
            .is_ok_and(|path| settings.auth_prefix.matches(&path));
        if ours {
            let prefix = settings.auth_prefix.as_str();
            let message = format!("nothing under {prefix}, where our own pages are, is passed on");
            problems.push(
                Problem::new(format!("routes[{index}].path"), message)
                    .hint("choose another path, or another server.auth_prefix"),
            );
        }
        routes.push(route);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Router::build(routes, &settings.public_url)
}

fn known(entry: &ConnectionEntry) -> KnownConnection {
    KnownConnection {
        id: entry.id.clone(),
        enabled: entry.common.enabled,
        trust_email: entry.common.trust_email,
        second_factor: second_factor::second_factor(entry),
    }
}

fn connection_settings(entry: &ConnectionEntry, settings: &Settings) -> ConnectionSettings {
    // Whoever keeps passwords here lets strangers in only when told to.
    let open = entry.strategy.family != Family::Database && entry.strategy.name != "passkey";
    ConnectionSettings {
        strategy: entry.strategy.name,
        display_name: display_name(entry),
        signup: entry.common.signup.unwrap_or(open),
        mail: mail_rules(entry, settings),
        fingerprint: entry.fingerprint,
        second_factor: second_factor::second_factor(entry),
        common: Common {
            // A passkey says nothing of a profile that could be followed.
            sync_profile: match entry.common.sync_profile {
                SyncProfile::EachLogin if entry.strategy.name == "passkey" => {
                    SyncProfile::FirstLogin
                }
                set => set,
            },
            ..entry.common.clone()
        },
    }
}

/// Who asks for passkeys as second factors, where browsers offer any: as the first connection of that
/// strategy does, so that each is good for both.
fn desk(
    connections: &Connections,
    login: &Origin,
    records: &Arc<passkey::Records>,
) -> Option<passkey::Desk> {
    let mut enabled = connections.all_enabled();
    let of_connection = enabled.find_map(|(connection, _)| {
        let passkeys = connection.passkeys()?;
        Some(passkeys.desk.clone())
    });
    of_connection.or_else(|| {
        let party = passkey::relying_party(login, None).ok()?;
        Some(passkey::Desk::new(party, records.clone()))
    })
}

/// What is done by mail: what is set, and otherwise whatever can be.
fn mail_rules(entry: &ConnectionEntry, settings: &Settings) -> MailRules {
    match (entry.own.accounts(), &settings.mail) {
        (Some(accounts), Some(_)) => MailRules {
            reset: accounts.reset.unwrap_or(true),
            welcome: accounts.welcome,
            verify: match entry.strategy.name {
                "database" => accounts.verify_email.unwrap_or(VerifyEmail::Optional),
                _ => VerifyEmail::Off,
            },
        },
        _ => MailRules::default(),
    }
}

/// What is to be done by mail where there is none.
fn without_mail(entry: &ConnectionEntry) -> Vec<Problem> {
    if entry.own.needs_mail() {
        let message = "it signs people in by mail, and there is none";
        return vec![Problem::new("strategy", message).hint("set [mail] url and from")];
    }
    let Some(accounts) = entry.own.accounts() else {
        return Vec::new();
    };
    let verifies = accounts
        .verify_email
        .is_some_and(|verify| verify != VerifyEmail::Off);
    let asked = [
        ("reset", accounts.reset == Some(true)),
        ("verify_email", verifies),
        ("welcome", accounts.welcome),
    ];
    let asked = asked.into_iter().filter(|(_, asked)| *asked);
    let problem = |(key, _): (&str, bool)| {
        let message = "it needs mail, and there is none";
        Problem::new(key, message).hint("set [mail] url and from")
    };
    asked.map(problem).collect()
}

/// What people read: as set, or the connection's name as a title.
fn display_name(entry: &ConnectionEntry) -> String {
    entry.common.display_name.clone().unwrap_or_else(|| {
        let words = entry.id.as_str().split('-').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect::<Vec<_>>().join(" ")
    })
}

/// The value, or its problems beside the others.
fn keep<T>(result: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|found| problems.extend(found)).ok()
}

fn broken_keys(error: &dyn std::error::Error) -> Vec<Problem> {
    vec![Problem::new(
        "server.secret",
        format!("the signing keys cannot be used: {error}"),
    )]
}
