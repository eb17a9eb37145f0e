//! What the errors of the engines mean to a caller.

use sqlx::{
    error::DatabaseError, mysql::MySqlDatabaseError, postgres::PgDatabaseError, sqlite::SqliteError,
};

use crate::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match meaning(&error) {
            Meaning::Corrupt => Self::Corrupt(error.to_string()),
            Meaning::Full => Self::Full(Box::new(error)),
            Meaning::Refused(why) => Self::Refused {
                why,
                source: Box::new(error),
            },
            Meaning::Conflict | Meaning::Unavailable => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Whether another transaction was in the way of this one: nothing of it was done, and the same
/// once more may go through. A key that is taken, or a row that is gone, after it was looked for is
/// of that kind.
pub(super) fn is_conflict(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else {
        return false;
    };
    let error = source.downcast_ref::<sqlx::Error>();
    error.is_some_and(|error| meaning(error) == Meaning::Conflict)
}

/// Whether a row with this key is there already; as MySQL says it.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    const ER_DUP_ENTRY: u16 = 1062;
    of_mysql(error) == Some(ER_DUP_ENTRY)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    Conflict,
    Corrupt,
    Full,
    /// Somebody must do something about it.
    Refused(&'static str),
    Unavailable,
}

fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_) => Meaning::Corrupt,
        sqlx::Error::Tls(_) => Meaning::Refused(
            "its certificate is not good for this: see that storage.ca has the authority that \
             signed it, and that the host in storage.url is the one it is for",
        ),
        sqlx::Error::Database(told) => of_database(told.as_ref()),
        _ => Meaning::Unavailable,
    }
}

fn of_database(told: &dyn DatabaseError) -> Meaning {
    if let Some(told) = told.try_downcast_ref::<PgDatabaseError>() {
        return of_postgres(told.code());
    }
    if let Some(told) = told.try_downcast_ref::<MySqlDatabaseError>() {
        return of_mysql_number(told.number());
    }
    let code = told
        .try_downcast_ref::<SqliteError>()
        .and_then(DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok());
    match code {
        Some(code) if means_full(code) => Meaning::Full,
        Some(code) if means_corrupt(code) => Meaning::Corrupt,
        _ => Meaning::Unavailable,
    }
}

const LOGIN: &str = "the user or the password is wrong: see storage.url and storage.password";
const NO_DATABASE: &str = "there is no such database: make it (CREATE DATABASE), or correct \
    storage.url";
const NO_RIGHT: &str = "the user may not do this: let it own the database, or grant it all rights \
    there";
const READS_ONLY: &str = "the server only reads: name the primary in storage.url, not a standby";

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_postgres(code: &str) -> Meaning {
    match code {
        // unique_violation, foreign_key_violation; serialization_failure, deadlock_detected;
        // lock_not_available
        "23503" | "23505" | "40001" | "40P01" | "55P03" => Meaning::Conflict,
        // disk_full
        "53100" => Meaning::Full,
        "28000" | "28P01" => Meaning::Refused(LOGIN),
        "3D000" => Meaning::Refused(NO_DATABASE),
        "42501" => Meaning::Refused(NO_RIGHT),
        // read_only_sql_transaction
        "25006" => Meaning::Refused(READS_ONLY),
        // data_corrupted, index_corrupted; syntax_error, undefined_column, undefined_table: a
        // schema that is not ours
        "XX001" | "XX002" | "42601" | "42703" | "42P01" => Meaning::Corrupt,
        _ => Meaning::Unavailable,
    }
}

/// By number (<https://mariadb.com/kb/en/mariadb-error-code-reference/>).
fn of_mysql_number(number: u16) -> Meaning {
    match number {
        // ER_DUP_ENTRY, ER_NO_REFERENCED_ROW_2; ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK;
        // ER_CHECKREAD
        1020 | 1062 | 1205 | 1213 | 1452 => Meaning::Conflict,
        // ER_DISK_FULL, ER_RECORD_FILE_FULL
        1021 | 1114 => Meaning::Full,
        // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR
        1045 | 1698 => Meaning::Refused(LOGIN),
        // ER_DBACCESS_DENIED_ERROR: also for one that is not there, to whoever may not know
        1049 => Meaning::Refused(NO_DATABASE),
        // ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR
        1044 | 1142 | 1143 => Meaning::Refused(NO_RIGHT),
        // ER_OPTION_PREVENTS_STATEMENT (--read-only), ER_READ_ONLY_MODE
        1290 | 1836 => Meaning::Refused(READS_ONLY),
        // ER_BAD_FIELD_ERROR, ER_NO_SUCH_TABLE, ER_CRASHED_ON_USAGE
        1054 | 1146 | 1194 => Meaning::Corrupt,
        _ => Meaning::Unavailable,
    }
}

fn of_mysql(error: &sqlx::Error) -> Option<u16> {
    let told = error.as_database_error()?;
    let told = told.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(told.number())
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
