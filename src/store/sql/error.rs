//! What SQLite's errors mean to a caller.

use sqlx::{error::DatabaseError, sqlite::SqliteError};

use crate::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_) => return Self::Corrupt(error.to_string()),
            sqlx::Error::Database(told) => told
                .try_downcast_ref::<SqliteError>()
                .and_then(DatabaseError::code)
                .and_then(|code| code.parse::<i32>().ok()),
            _ => None,
        };
        match code {
            Some(code) if means_full(code) => Self::Full(Box::new(error)),
            Some(code) if means_corrupt(code) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

/// No room on the device. SQLite says `SQLITE_FULL` for it, except when it cannot make the
/// WAL's index grow (`SQLITE_IOERR_SHMSIZE`, which has no other usual cause).
fn means_full(extended: i32) -> bool {
    const SQLITE_FULL: i32 = 13;
    const SQLITE_IOERR_SHMSIZE: i32 = 0x130a;
    primary(extended) == SQLITE_FULL || extended == SQLITE_IOERR_SHMSIZE
}

/// Damaged, not a database, or a schema that is not ours (a table is missing, a value breaks a
/// rule that every writer keeps).
fn means_corrupt(extended: i32) -> bool {
    const SQLITE_ERROR: i32 = 1;
    const SQLITE_CORRUPT: i32 = 11;
    const SQLITE_CONSTRAINT: i32 = 19;
    const SQLITE_MISMATCH: i32 = 20;
    const SQLITE_NOTADB: i32 = 26;
    [
        SQLITE_ERROR,
        SQLITE_CORRUPT,
        SQLITE_CONSTRAINT,
        SQLITE_MISMATCH,
        SQLITE_NOTADB,
    ]
    .contains(&primary(extended))
}

/// The primary result code of an extended one (<https://www.sqlite.org/rescode.html>).
fn primary(extended: i32) -> i32 {
    extended & 0xff
}
