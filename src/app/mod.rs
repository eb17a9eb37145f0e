//! The composition root: from settings to a running process.
//!
//! [`App`] holds what lives as long as the process: stores, keys, sessions, the hashing threads.
//! [`App::build`] makes from one set of settings what a reload swaps, [`Live`]; every `Arc<dyn …>`
//! is made here and nowhere else. What goes on beside the requests is in [`App::watch`].

mod certificates;
mod entries;
mod memories;
mod problems;
mod recheck;
mod routes;
mod second_factor;
mod tend;
mod upkeep;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use url::Url;

pub(crate) use self::problems::problems;
use self::{
    entries::{connection_settings, forwards_tokens, identity_of},
    memories::{Memories, counters, lifetimes},
};
use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    connection::{
        Connection, ConnectionSettings, Connections, MailedProofs, SealedRows, SignInProofs,
        Throttle, passkey, registry,
    },
    crypto::{self, Cost, Hasher, Pool},
    egress,
    flow::{self, Base, CookieNames, Engine, Offers},
    gate::Gate,
    headers::assertion::Assertions,
    identity::ConnectionId,
    keys::Keys,
    mail::Outbox,
    metrics,
    page::Site,
    policy::Known,
    problem::{Causes, Problem},
    protocol::Origin,
    proxy::{Edge, Live, Peers},
    random::{OsRandom, Random},
    session::{self, Sessions},
    sms,
    store::{EventKind, OneTimeStore, UserStore, sql::Sql},
    text::Pages,
    user::{Directory, Factors},
};

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
        let known = Known::new(
            generation,
            settings.connections.iter().map(entries::known).collect(),
        );
        let routes = routes::build(settings, &known);
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
        let connections = live.site.engine.connections.iter();
        let connections = connections.map(|(connection, _)| connection.as_ref());
        match self.directory.check_pins(connections).await {
            Ok(differ) => differ.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        }
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
