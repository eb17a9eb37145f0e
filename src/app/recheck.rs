//! Providers are asked, on schedule, about the people who are signed in by them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{FutureExt as _, StreamExt as _, stream};
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

/// Goes on for as long as the process lives.
pub(super) async fn recheck(live: &ArcSwap<Live>, sessions: &Sessions, clock: &dyn Clock) {
    let mut next: HashMap<ConnectionId, Timestamp> = HashMap::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let connections = live.load().site.engine.connections.clone();
        let enabled: HashMap<ConnectionId, Arc<dyn Connection>> = connections
            .all_enabled()
            .filter(|(connection, _)| connection.recheck().is_some())
            .map(|(connection, _)| (connection.id().clone(), connection.clone()))
            .collect();
        next.retain(|id, _| enabled.contains_key(id));
        let now = clock.now();
        let due = enabled.into_values().filter(|one| {
            // The first time is one interval after the start: whoever comes in is asked about then.
            let first = || now + one.recheck().map_or(PAUSE, Recheck::every);
            now >= *next.entry(one.id().clone()).or_insert_with(first)
        });
        let due: Vec<_> = due.map(|one| rechecked(one, sessions).boxed()).collect();
        let mut done = stream::iter(due).buffer_unordered(AT_ONCE);
        while let Some((id, pause)) = done.next().await {
            next.insert(id, clock.now() + pause);
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
