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
/// After a failure a provider is left alone for so long, and twice as long after each more.
const PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// So many are asked at once.
const AT_ONCE: usize = 16;
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
    failures: u32,
    /// When the last failure was told.
    failure_told: Option<Timestamp>,
    ends: HashMap<&'static str, Ending>,
}

/// What is known of something that ends.
#[derive(Clone, Copy, Debug)]
struct Ending {
    at: Timestamp,
    /// Since when it is known to end then.
    since: Timestamp,
    told: Option<Timestamp>,
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
                one.ends.keys().for_each(|what| forget(id, what));
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
    if let Some(error) = &tended.failed {
        known.failures = known.failures.saturating_add(1);
        let pause = PAUSE * 2_u32.pow(known.failures.saturating_sub(1).min(6));
        known.rests_until = Some(now + pause.min(LONGEST_PAUSE));
        // Also when nothing has changed: what serves on may be old by now.
        if known.failure_told.is_none_or(|at| now >= at + REMIND) {
            known.failure_told = Some(now);
            tracing::warn!(connection = %id, error, "what a provider says of itself was not read");
        }
    } else {
        known.failures = 0;
        known.rests_until = None;
        known.failure_told = None;
    }
    known.ends.retain(|what, _| {
        let stays = tended.ends.iter().any(|expiry| expiry.what == *what);
        if !stays {
            forget(id, what);
        }
        stays
    });
    for Expiry { what, at } in tended.ends {
        let before = known.ends.get(what).copied();
        let since = before.filter(|before| before.at == at);
        let mut ending = Ending {
            at,
            since: since.map_or(now, |before| before.since),
            told: before.and_then(|before| before.told),
        };
        if !is_worth_telling(what, &ending, now) {
            ending.told = None;
            forget(id, what);
        } else if ending.told.is_none_or(|told| now >= told + REMIND) {
            ending.told = Some(now);
            tell(id, Expiry { what, at }, now);
        }
        known.ends.insert(what, ending);
    }
}

/// Metadata that are signed anew each day are good for some days at any time: they are worth a word
/// when no newer ones have come for a day.
fn is_worth_telling(what: &str, ending: &Ending, now: Timestamp) -> bool {
    let soon = ending.at <= now + AHEAD;
    let moves = what == "metadata" && now < ending.since + REMIND && ending.at > now + REMIND;
    soon && !moves
}

fn tell(id: &ConnectionId, Expiry { what, at: ends }: Expiry, now: Timestamp) {
    metrics::EXPIRIES
        .with_label_values(&[id.as_str(), what])
        .set(ends.seconds());
    if ends <= now {
        tracing::error!(connection = %id, what, %ends, "what a connection needs has ended");
    } else {
        tracing::warn!(connection = %id, what, %ends, "what a connection needs ends soon");
    }
}

fn forget(id: &ConnectionId, what: &str) {
    _ = metrics::EXPIRIES.remove_label_values(&[id.as_str(), what]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(days: i64) -> Timestamp {
        Timestamp::from_millis(days * 86_400_000)
    }

    fn told(name: &str, what: &str) -> Option<i64> {
        let all = prometheus::gather();
        let family = all
            .iter()
            .find(|one| one.name().ends_with("expiry_timestamp_seconds"))?;
        let is = |metric: &&prometheus::proto::Metric| {
            let labels = metric.get_label();
            labels.iter().any(|label| label.value() == name)
                && labels.iter().any(|label| label.value() == what)
        };
        let metric = family.get_metric().iter().find(is)?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds of the sixties")]
        Some(metric.get_gauge().get_value() as i64)
    }

    fn ends(what: &'static str, days: i64) -> Tended {
        let at = at(days);
        Tended {
            failed: None,
            ends: vec![Expiry { what, at }],
        }
    }

    #[test]
    fn what_ends_within_thirty_days_is_told_until_it_is_renewed() {
        let id: ConnectionId = "tended-one".parse().unwrap();
        let mut known = Known::default();
        take_in(&id, &mut known, ends("certificate", 100), at(0));
        assert_eq!(told("tended-one", "certificate"), None);
        take_in(&id, &mut known, ends("certificate", 100), at(71));
        assert_eq!(told("tended-one", "certificate"), Some(at(100).seconds()));
        let first = known.ends["certificate"].told;
        take_in(&id, &mut known, ends("certificate", 100), at(71) + DAY / 2);
        assert_eq!(known.ends["certificate"].told, first, "once a day");
        take_in(&id, &mut known, ends("certificate", 100), at(72));
        assert_ne!(known.ends["certificate"].told, first);
        take_in(&id, &mut known, ends("certificate", 400), at(73));
        assert_eq!(told("tended-one", "certificate"), None);
        take_in(&id, &mut known, ends("certificate", 400), at(390));
        assert!(told("tended-one", "certificate").is_some());
        take_in(&id, &mut known, Tended::default(), at(391));
        assert_eq!(told("tended-one", "certificate"), None);
    }

    #[test]
    fn metadata_that_are_renewed_all_the_time_are_no_news() {
        let id: ConnectionId = "tended-two".parse().unwrap();
        let mut known = Known::default();
        for day in 0..5 {
            take_in(&id, &mut known, ends("metadata", day + 14), at(day));
            assert_eq!(told("tended-two", "metadata"), None, "{day}");
        }
        // the next ones do not come
        take_in(&id, &mut known, ends("metadata", 18), at(5));
        assert_eq!(told("tended-two", "metadata"), Some(at(18).seconds()));
    }

    #[test]
    fn a_provider_that_fails_is_left_alone_for_longer_each_time() {
        let id: ConnectionId = "tended-three".parse().unwrap();
        let mut known = Known::default();
        let failed = || Tended {
            failed: Some("no".to_owned()),
            ends: Vec::new(),
        };
        let mut rests = Vec::new();
        for _ in 0..8 {
            take_in(&id, &mut known, failed(), at(0));
            let until = known.rests_until.unwrap();
            rests.push(until.since(at(0)).as_secs() / 60);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        take_in(&id, &mut known, Tended::default(), at(0));
        assert_eq!(known.rests_until, None);
    }
}
