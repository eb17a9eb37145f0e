//! Connections look after themselves: documents of providers are read again on schedule, and what
//! ends soon is told while there is time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    clock::{Clock, Timestamp},
    connection::{Connection, Expiry, Tended},
    identity::ConnectionId,
    metrics,
    proxy::Live,
};

/// How often it is looked whether it is time: no shorter schedule can be set.
const TICK: Duration = Duration::from_secs(5);
/// After a failure a provider is left alone for so long.
const PAUSE: Duration = Duration::from_mins(1);
/// So many are asked at once.
const AT_ONCE: usize = 4;
/// And none for longer.
const LONGEST: Duration = Duration::from_secs(30);
/// What ends within that is told.
const AHEAD: Duration = Duration::from_hours(30 * 24);
/// Once in this time.
const REMIND: Duration = Duration::from_hours(24);

/// What is known of one connection.
#[derive(Debug, Default)]
struct Known {
    /// Nobody is asked before that.
    rests_until: Option<Timestamp>,
    failed: Option<String>,
    told: HashMap<&'static str, (Expiry, Timestamp)>,
}

/// Goes on for as long as the process lives.
pub(super) async fn tend(live: &ArcSwap<Live>, clock: &dyn Clock) {
    let mut known: HashMap<ConnectionId, Known> = HashMap::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let connections = live.load().site.engine.connections.clone();
        let now = clock.now();
        let enabled: Vec<Arc<dyn Connection>> = connections
            .all_enabled()
            .map(|(connection, _)| connection.clone())
            .collect();
        known.retain(|id, one| {
            let stays = connections.enabled(id).is_some();
            if !stays {
                forget(id, one);
            }
            stays
        });
        let rests = |connection: &Arc<dyn Connection>| {
            let until = known.get(connection.id()).and_then(|one| one.rests_until);
            until.is_some_and(|until| now < until)
        };
        let due = enabled.into_iter().filter(|one| !rests(one));
        let due: Vec<_> = due.map(|one| tended(one).boxed()).collect();
        let mut found = stream::iter(due).buffer_unordered(AT_ONCE);
        while let Some((connection, tended)) = found.next().await {
            let nothing = tended.failed.is_none() && tended.ends.is_empty();
            if nothing && !known.contains_key(connection.id()) {
                continue;
            }
            let one = known.entry(connection.id().clone()).or_default();
            take_in(connection.id(), one, tended, clock.now());
        }
    }
}

async fn tended(connection: Arc<dyn Connection>) -> (Arc<dyn Connection>, Tended) {
    let tended = timeout(LONGEST, connection.tend()).await;
    let late = || Tended {
        failed: Some("it took too long".to_owned()),
        ends: Vec::new(),
    };
    (connection, tended.unwrap_or_else(|_| late()))
}

fn take_in(id: &ConnectionId, known: &mut Known, tended: Tended, now: Timestamp) {
    known.rests_until = tended.failed.is_some().then(|| now + PAUSE);
    if tended.failed != known.failed
        && let Some(error) = &tended.failed
    {
        tracing::warn!(connection = %id, error, "what a provider says of itself was not read");
    }
    known.failed = tended.failed;
    known.told.retain(|what, (expiry, _)| {
        let stays = tended.ends.contains(expiry);
        if !stays {
            _ = metrics::EXPIRIES.remove_label_values(&[id.as_str(), what]);
        }
        stays
    });
    for expiry in tended.ends {
        if expiry.at > now + AHEAD {
            continue;
        }
        let told = known.told.get(expiry.what);
        if told.is_some_and(|(_, at)| now < *at + REMIND) {
            continue;
        }
        known.told.insert(expiry.what, (expiry, now));
        metrics::EXPIRIES
            .with_label_values(&[id.as_str(), expiry.what])
            .set(expiry.at.seconds());
        let (what, ends) = (expiry.what, expiry.at);
        if ends <= now {
            tracing::error!(connection = %id, what, %ends, "what a connection needs has ended");
        } else {
            tracing::warn!(connection = %id, what, %ends, "what a connection needs ends soon");
        }
    }
}

fn forget(id: &ConnectionId, known: &Known) {
    for what in known.told.keys() {
        _ = metrics::EXPIRIES.remove_label_values(&[id.as_str(), what]);
    }
}
