//! The shared engine for sessions: Redis or Valkey, alone, behind sentinels or as a cluster.
//!
//! Users and keys stay in the storage; sessions, their handles, whatever works once, the counters
//! and the feed of changes are here. Every call is one script, and a script runs alone: what a
//! transaction is elsewhere is a script here ([`script`]). It checks first and writes then. A server
//! that is out of memory, read-only or short of replicas refuses the first write of a script, so
//! there is no half of one.
//!
//! All keys begin with the prefix in braces, like `{vestibule}:s:…`. To a cluster that is a hash
//! tag: all of them are in one slot, on one server, and a script may touch any of them. A login
//! touches indexes by user, connection, provider session and time, which no division by key puts
//! together; so a cluster brings failover here, and the speed of one of its nodes. It also makes
//! all three kinds of deployment the same thing: [`link`] finds the one server that has the keys.
//!
//! Times are ours ([`Clock`]). The server forgets each key by itself an hour after its end, so that
//! nothing stays for ever when this program is switched off; until then the sweeps are exact.
//!
//! Replication is asynchronous: the server that takes over may lack the last writes. The feed says
//! so: it knows which run of which server it was joined at, and whoever joins another one makes its
//! numbers jump, which every follower sees as a gap. What was used in those last moments would be
//! new again; with `wait_for_replicas` whatever is used or ended is answered only when so many
//! replicas have it.

mod changes;
mod config;
mod join;
mod link;
mod one_time;
mod options;
mod place;
mod reply;
mod script;
mod session_arguments;
mod sessions;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use redis::{ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::time::timeout;

pub(crate) use self::{config::Config, options::Options};
use self::{
    link::{Link, LinkError, Links},
    script::{Call, Kind},
};
use super::StoreError;
use crate::{clock::Clock, metrics, random::Random};

/// A server, wherever it is just now. It implements the ports of the sessions.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    clock: Arc<dyn Clock>,
    links: Arc<Links>,
}

/// The longest that one call may take, with all that it takes to find the server again.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that a server which was found may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

impl Redis {
    /// Finds the server and sees that it is fit: it must not forget keys when its memory is full.
    pub(crate) async fn open(
        options: Options,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let links = Arc::new(Links::new(options, random));
        links.get().await.map_err(unavailable)?;
        Ok(Self { clock, links })
    }

    /// Runs a script and reads its answer.
    async fn call<T: FromRedisValue>(&self, call: Call) -> Result<T, StoreError> {
        timeout(PATIENCE, self.tries(&call))
            .await
            .unwrap_or_else(|late| Err(StoreError::Unavailable(Box::new(late))))
            .and_then(|value| T::from_redis_value(value).map_err(|error| damage("answer", error)))
            .inspect_err(|_| metrics::STORE_ERRORS.inc())
    }

    /// Once, and once more where that repeats nothing: the server did not do it, or it only reads.
    async fn tries(&self, call: &Call) -> Result<redis::Value, StoreError> {
        let now = self.clock.now();
        let mut is_again = false;
        loop {
            let link = self.links.get().await.map_err(unavailable)?;
            let failed = match timeout(ANSWER, link.run(call, now)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => Failed::Told(error),
                Err(_) => Failed::Silent,
            };
            let lost = failed.means_lost();
            if lost {
                self.links.give_up(&link);
            }
            let repeats = call.kind != Kind::Read && !failed.was_not_done();
            if !lost || repeats || is_again {
                return Err(failed.into_store_error(&link));
            }
            is_again = true;
        }
    }
}

/// Why a call brought nothing.
#[derive(Debug)]
enum Failed {
    Silent,
    Told(RedisError),
}

/// What a script answers when the data are not those that were joined.
const FEED_LOST: &str = "FEEDLOST";

impl Failed {
    /// Whether the server is to be looked for anew.
    fn means_lost(&self) -> bool {
        let Self::Told(error) = self else {
            return true;
        };
        match error.kind() {
            ErrorKind::Server(kind) => !matches!(
                kind,
                ServerErrorKind::ResponseError
                    | ServerErrorKind::NoPerm
                    | ServerErrorKind::CrossSlot
                    | ServerErrorKind::NoScript
            ),
            ErrorKind::Extension => error.code() == Some(FEED_LOST),
            _ => true,
        }
    }

    /// Whether the server said that it did nothing.
    fn was_not_done(&self) -> bool {
        let Self::Told(error) = self else {
            return false;
        };
        match error.kind() {
            ErrorKind::Server(_) => true,
            ErrorKind::Extension => error.code() == Some(FEED_LOST),
            _ => false,
        }
    }

    fn into_store_error(self, link: &Link) -> StoreError {
        match self {
            Self::Told(error) if error.code() == Some("OOM") => StoreError::Full(Box::new(error)),
            Self::Told(error) => unavailable(LinkError::Redis(link.address.clone(), error)),
            Self::Silent => unavailable(LinkError::Silent(link.address.clone())),
        }
    }
}

fn unavailable(error: LinkError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// What is stored has another form than ours. The value is not repeated.
fn damage(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {why}"))
}
