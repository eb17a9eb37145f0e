//! A write transaction.

use super::{
    Sql,
    dialect::{Dialect, Text},
    pool::Connection,
    query::query,
};
use crate::{clock::Timestamp, store::StoreError};

/// A connection between the beginning of a transaction and [`end`](Self::end).
///
/// sqlx has a transaction of its own, but it counts depth by hand: when SQLite has already rolled
/// back by itself, as it does on a full disk, the count stays and every later `BEGIN` is refused.
/// This one closes its connection when it is dropped before its end (an error, a caller that went
/// away), which always rolls back; the pool opens the next one.
pub(super) struct Write {
    connection: Connection,
    ended: bool,
    /// The time that the changes of this transaction carry.
    pub(super) now: Timestamp,
}

/// What a transaction does with the times at which sessions were ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cutoffs {
    /// It opens a session, if there is none that forbids it.
    Heed,
    /// It sets one.
    Set,
}

impl Sql {
    /// Takes a connection that writes.
    pub(super) async fn write(&self) -> Result<Write, StoreError> {
        let mut write = Write {
            connection: self.writers.acquire().await?,
            ended: false,
            now: self.clock.now(),
        };
        let begin = write.dialect().begin();
        write.command(begin).await?;
        Ok(write)
    }
}

impl Write {
    pub(super) const fn dialect(&self) -> Dialect {
        self.connection.dialect()
    }

    /// Where the statements go.
    pub(super) fn sql(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Does what takes no parameters and answers nothing.
    pub(super) async fn command(&mut self, text: &'static str) -> Result<(), StoreError> {
        Ok(self.connection.command(text).await?)
    }

    /// Whoever sets a cutoff waits for those who heed them, and they for it: or a session could be
    /// opened by somebody who did not see the cutoff yet, unseen by the one who ends sessions.
    pub(super) async fn lock_cutoffs(&mut self, cutoffs: Cutoffs) -> Result<(), StoreError> {
        // Advisory locks are given in turn, locks of a row to whoever shares it first.
        let text = match cutoffs {
            Cutoffs::Heed => Text::Each {
                mysql: "SELECT name FROM locks WHERE name = 'cutoffs' LOCK IN SHARE MODE",
                postgres: "SELECT pg_advisory_xact_lock_shared(8530219466374213749)",
                sqlite: ONE_WRITES,
            },
            Cutoffs::Set => Text::Each {
                mysql: "SELECT name FROM locks WHERE name = 'cutoffs' FOR UPDATE",
                postgres: "SELECT pg_advisory_xact_lock(8530219466374213749)",
                sqlite: ONE_WRITES,
            },
        };
        self.lock(text).await
    }

    /// Lets nobody else note a change until the end: the order of the numbers is the order of the
    /// commits, and whoever has this knows that nothing that is noted is going on.
    pub(super) async fn lock_feed(&mut self) -> Result<(), StoreError> {
        self.lock(Text::Each {
            mysql: "SELECT newest FROM feed FOR UPDATE",
            postgres: "SELECT newest FROM feed FOR UPDATE",
            sqlite: ONE_WRITES,
        })
        .await
    }

    async fn lock(&mut self, text: Text) -> Result<(), StoreError> {
        if !text.in_dialect(self.dialect()).is_empty() {
            query(text).fetch_all(self.sql()).await?;
        }
        Ok(())
    }

    /// Lets a statement take longer than others may.
    pub(super) async fn take_time(&mut self) -> Result<(), StoreError> {
        match self.dialect() {
            Dialect::MySql => {
                self.connection.close_on_drop();
                match self.command("SET SESSION max_statement_time = 120").await {
                    // MySQL has such a limit for what only reads.
                    Err(StoreError::Unavailable(told)) if told.is::<sqlx::Error>() => Ok(()),
                    done => done,
                }
            }
            Dialect::Postgres => self.command("SET LOCAL statement_timeout = 120000").await,
            Dialect::Sqlite => Ok(()),
        }
    }

    /// Lets rows point at rows that are there only at the end. Elsewhere than in SQLite, a row
    /// follows the one that it points at by itself.
    pub(super) async fn defer_references(&mut self) -> Result<(), StoreError> {
        match self.connection {
            Connection::Sqlite(_) => self.command("PRAGMA defer_foreign_keys = ON").await,
            Connection::MySql(_) | Connection::Postgres(_) => Ok(()),
        }
    }

    /// Keeps everything or nothing of what was done.
    pub(super) async fn end(mut self, keep: bool) -> Result<(), StoreError> {
        self.command(if keep { "COMMIT" } else { "ROLLBACK" })
            .await?;
        self.ended = true;
        Ok(())
    }
}

/// SQLite has no locks of rows: one transaction writes at a time.
const ONE_WRITES: &str = "";

impl Drop for Write {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
