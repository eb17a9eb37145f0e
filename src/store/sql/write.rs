//! A write transaction.

use sqlx::{Sqlite as Engine, SqliteConnection, pool::PoolConnection};

use super::Sqlite;
use crate::{clock::Timestamp, store::StoreError};

/// The writer, between `BEGIN IMMEDIATE` and [`end`](Self::end).
///
/// sqlx has a transaction of its own, but it counts depth by hand: when SQLite has already rolled
/// back by itself, as it does on a full disk, the count stays and every later `BEGIN` is refused.
/// This one closes its connection when it is dropped before its end (an error, a caller that went
/// away), which always rolls back; the pool opens the next one.
pub(super) struct Write {
    connection: PoolConnection<Engine>,
    ended: bool,
    /// The time that the changes of this transaction carry.
    pub(super) now: Timestamp,
}

impl Sqlite {
    /// Takes the writer.
    pub(super) async fn write(&self) -> Result<Write, StoreError> {
        let mut write = Write {
            connection: self.writer.acquire().await?,
            ended: false,
            now: self.clock.now(),
        };
        sqlx::query("BEGIN IMMEDIATE").execute(write.sql()).await?;
        Ok(write)
    }
}

impl Write {
    /// Where the statements go.
    pub(super) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Keeps everything or nothing of what was done.
    pub(super) async fn end(mut self, keep: bool) -> Result<(), StoreError> {
        let statement = if keep { "COMMIT" } else { "ROLLBACK" };
        sqlx::query(statement).execute(self.sql()).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
