//! Providers are asked, on schedule, about the people who are signed in by them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    clock::{Clock, Timestamp},
    connection::{Connection, Recheck},
    identity::ConnectionId,
    problem::Causes,
    proxy::Live,
    session::Sessions,
};

/// How often it is looked whether it is time.
const TICK: Duration = Duration::from_secs(1);
/// After a failure, and while another process does it.
const PAUSE: Duration = Duration::from_mins(1);
/// So many providers are asked at once.
const AT_ONCE: usize = 8;

/// Goes on for as long as the process lives. One provider that is slow delays no other.
pub(super) async fn recheck(live: &ArcSwap<Live>, sessions: &Sessions, clock: &dyn Clock) {
    let mut next: HashMap<ConnectionId, Timestamp> = HashMap::new();
    let mut asked = FuturesUnordered::new();
    let mut under_way: HashSet<ConnectionId> = HashSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some((id, pause)) = asked.next() => {
                under_way.remove(&id);
                next.insert(id, clock.now() + pause);
                continue;
            }
            _ = ticks.tick() => {}
        }
        let connections = live.load().site.engine.connections.clone();
        let enabled: Vec<Arc<dyn Connection>> = connections
            .all_enabled()
            .filter(|(connection, _)| connection.recheck().is_some())
            .map(|(connection, _)| connection.clone())
            .collect();
        next.retain(|id, _| connections.enabled(id).is_some());
        let now = clock.now();
        for one in enabled {
            let id = one.id();
            // Soon after the start: what was missed meanwhile must not wait for a whole interval.
            let every = one.recheck().map_or(PAUSE, Recheck::every);
            let at = *next.entry(id.clone()).or_insert(now + every.min(PAUSE));
            if now >= at && under_way.len() < AT_ONCE && under_way.insert(id.clone()) {
                asked.push(rechecked(one, sessions).boxed());
            }
        }
    }
}

/// When it is time again.
async fn rechecked(
    connection: Arc<dyn Connection>,
    sessions: &Sessions,
) -> (ConnectionId, Duration) {
    let id = connection.id().clone();
    let Some(recheck) = connection.recheck() else {
        return (id, PAUSE);
    };
    let every = recheck.every();
    match sessions.recheck(&id, recheck).await {
        Ok(Some(done)) => {
            tracing::debug!(connection = %id, ?done, "people who are signed in were looked up again");
            (id, every)
        }
        Ok(None) => (id, every.min(PAUSE)),
        Err(error) => {
            tracing::warn!(
                connection = %id,
                error = %Causes(&error),
                "people who are signed in were not looked up again: they stay signed in"
            );
            (id, every.min(PAUSE))
        }
    }
}
