//! The embedded engine: one SQLite file that remembers everything.
//!
//! One connection writes, several read. A write begins with `BEGIN IMMEDIATE`, so that it either
//! has the lock or fails at once instead of half-way, and nothing but SQL is awaited before its
//! end. The journal is a WAL and the writer runs with `synchronous=FULL`: a commit is on the disk
//! before its caller is told, because a session that a browser holds, a code that was used up or a
//! revocation that was promised must survive kill -9 and a power cut. (`NORMAL`, the usual choice
//! with a WAL, may forget the last commits then, and a used code would work again.)
//!
//! Every call ends within [`PATIENCE`], with an error if need be, and every error is counted. The
//! file belongs to its owner alone (0600; SQLite gives its companions the same mode).

mod accounts;
mod changes;
mod error;
mod events;
mod factors;
mod identities;
mod keys;
mod one_time;
mod open;
mod pins;
mod row;
mod session_rows;
mod sessions;
#[cfg(test)]
mod tests;
mod user_rows;
mod users;
mod write;

use std::{sync::Arc, time::Duration};

use sqlx::SqlitePool;

use super::StoreError;
use crate::{clock::Clock, metrics};

/// A database file. It implements every port of [`crate::store`].
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    clock: Arc<dyn Clock>,
    readers: SqlitePool,
    /// One connection, never more.
    writer: SqlitePool,
}

/// The longest that one call may take. Waiting for a connection and for another process's lock
/// end earlier, with an error that says so; this is for a disk that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Waits for `work`, but not for ever, and counts its failure.
    async fn within_patience<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|late| Err(StoreError::Unavailable(Box::new(late))))
            .inspect_err(|_| metrics::STORE_ERRORS.inc())
    }
}
