//! The engine of the databases that speak SQL: it remembers everything, in one SQLite file, in
//! PostgreSQL or in MySQL (MariaDB).
//!
//! There is one engine, not three: a statement is written once and said in the words of whoever is
//! asked ([`query`]), a connection and a row are those of one of three drivers ([`pool`], [`row`]),
//! and what differs stands beside each other in a [`dialect::Text`]. (sqlx's own `Any` maps neither
//! parameters nor upserts, and knows no texts that are kept as bytes.) What each promises is held
//! by one suite, in `conformance`.
//!
//! **SQLite.** One connection writes, several read. A write begins with `BEGIN IMMEDIATE`, so that
//! it either has the lock or fails at once instead of half-way. The journal is a WAL and the writer
//! runs with `synchronous=FULL`. (`NORMAL`, the usual choice with a WAL, may forget the last
//! commits, and a used code would work again.) The file belongs to its owner alone (0600; SQLite
//! gives its companions the same mode).
//!
//! Everywhere nothing but SQL is awaited inside a transaction, and a commit is on the disk before
//! its caller is told: a session that a browser holds, a code that was used up or a revocation that
//! was promised must survive kill -9 and a power cut. Every call ends within [`PATIENCE`], with an
//! error if need be, and every error is counted.

mod accounts;
mod changes;
mod config;
mod dialect;
mod error;
mod events;
mod factors;
mod file;
mod identities;
mod keys;
mod migrate;
mod one_time;
mod pins;
mod pool;
mod query;
mod row;
mod search;
mod server;
#[cfg(test)]
mod server_tests;
mod session_rows;
mod sessions;
#[cfg(test)]
mod tests;
mod user_rows;
mod users;
mod whose;
mod write;

use std::{sync::Arc, time::Duration};

pub(crate) use self::config::{Config, DEFAULT_URL, Place};
use self::pool::Pool;
use super::StoreError;
use crate::{clock::Clock, metrics};

/// A database. It implements every port of [`crate::store`].
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    clock: Arc<dyn Clock>,
    readers: Pool,
    /// To SQLite one connection, never more.
    writers: Pool,
}

/// The longest that one call may take. Waiting for a connection and for another process's lock
/// end earlier, with an error that says so; this is for a disk that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that has a connection's name is given another one at once.
const RENAME_PATIENCE: Duration = Duration::from_mins(2);

/// How often a transaction is begun anew when others are in its way, and the pause before: twice,
/// three times … as long each time.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(5);

impl Sql {
    /// Opens the database, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// The database cannot be had, or demands a newer program.
    pub(crate) async fn open(place: &Place, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        match place {
            Place::File(path) => Self::open_file(path, clock).await,
            Place::Server(server) => Self::open_server(server, clock).await,
        }
    }

    /// Waits for `work`, but not for ever, and counts its failure.
    async fn within_patience<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(PATIENCE, work).await
    }

    /// The same for a transaction, which is begun anew when another one is in its way: two that
    /// each wait for the other, or both of which took the same name. SQLite, where one writes at a
    /// time, has no such.
    async fn change<T, W>(&self, work: impl Fn() -> W) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>>,
    {
        self.change_within(PATIENCE, work).await
    }

    /// The same for one that may take longer.
    async fn change_within<T, W>(
        &self,
        patience: Duration,
        work: impl Fn() -> W,
    ) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>>,
    {
        within(patience, async {
            let mut pauses = 0;
            loop {
                match work().await {
                    Err(error) if pauses < TRIES && error::is_conflict(&error) => {
                        pauses += 1;
                        tokio::time::sleep(PAUSE * pauses).await;
                    }
                    done => return done,
                }
            }
        })
        .await
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|late| Err(StoreError::Unavailable(Box::new(late))))
        .inspect_err(|_| metrics::STORE_ERRORS.inc())
}
