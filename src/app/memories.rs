//! Which store remembers what: sessions, what is used once, and the counters of failures.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    clock::Clock,
    config::{self, Settings},
    connection::Counters,
    random::Random,
    session::Lifetimes,
    store::{ChangeFeed, OneTimeStore, SessionStore, memory::Memory, redis::Redis, sql::Sql},
};

/// How many sessions `session.store = "memory"` holds.
const MOST_IN_MEMORY: usize = 1_000_000;

/// Where sessions live, what is used once outside of them, and the feeds of all stores, each once.
pub(super) struct Memories {
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) once: Arc<dyn OneTimeStore>,
    pub(super) feeds: Vec<Arc<dyn ChangeFeed>>,
}

impl Memories {
    pub(super) async fn open(
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
pub(super) fn counters(
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

pub(super) fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes {
        idle: settings.session.idle_timeout,
        absolute: settings.session.absolute_timeout,
        stale_for: settings.session.stale_for,
    }
}
