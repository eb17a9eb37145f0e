//! From columns to types and back. What does not parse is reported as damage.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, mysql::MySqlRow, postgres::PgRow, sqlite::SqliteRow};

use crate::{clock::Timestamp, store::StoreError};

/// What an engine answered.
pub(super) enum Row {
    MySql(MySqlRow),
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

/// A type that a column can be read as.
pub(super) trait Column<'r>: Sized {
    fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error>;
}

macro_rules! columns {
    ($($type:ty),* $(,)?) => {$(
        impl<'r> Column<'r> for $type {
            fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
                match row {
                    // What is a key there is kept as bytes (see its first migration), and to sqlx
                    // bytes are no text.
                    Row::MySql(row) => row.try_get_unchecked(name),
                    Row::Postgres(row) => row.try_get(name),
                    Row::Sqlite(row) => row.try_get(name),
                }
            }
        }
    )*};
}

columns! {
    bool, i64, &'r [u8], &'r str, String, Vec<u8>,
    Option<i64>, Option<&'r [u8]>, Option<&'r str>, Option<String>,
}

/// The column as the engine keeps it.
pub(super) fn column<'r, T: Column<'r>>(row: &'r Row, name: &str) -> Result<T, StoreError> {
    Ok(T::read(row, name)?)
}

/// A text column that has a form.
pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
    row: &Row,
    name: &str,
) -> Result<T, StoreError> {
    parse(column::<&str>(row, name)?, name)
}

/// The same where it may be empty.
pub(super) fn parsed_option<T: FromStr<Err: fmt::Display>>(
    row: &Row,
    name: &str,
) -> Result<Option<T>, StoreError> {
    column::<Option<&str>>(row, name)?
        .map(|text| parse(text, name))
        .transpose()
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str, name: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| damage(name, error))
}

/// A column of JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row, name: &str) -> Result<T, StoreError> {
    serde_json::from_str(column(row, name)?).map_err(|error| {
        // serde's own words quote the value.
        let what = error.classify();
        damage(name, format_args!("{what:?} error in its JSON"))
    })
}

/// A column of bytes of a known number.
pub(super) fn bytes<const N: usize>(row: &Row, name: &str) -> Result<[u8; N], StoreError> {
    column::<&[u8]>(row, name)?
        .try_into()
        .map_err(|error| damage(name, error))
}

/// A column with a time.
pub(super) fn time(row: &Row, name: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(column(row, name)?))
}

/// A column with a count.
pub(super) fn count<T: TryFrom<i64, Error: fmt::Display>>(
    row: &Row,
    name: &str,
) -> Result<T, StoreError> {
    T::try_from(column(row, name)?).map_err(|error| damage(name, error))
}

/// What to say of a column that does not parse. The value stays out of it: it may be a secret.
pub(super) fn damage(name: &str, error: impl fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("column {name}: {error}"))
}

/// A value as JSON text.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Bytes as the text that SQL's `unhex` reads.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A count for a column or a `LIMIT`.
pub(super) fn number<T>(count: T) -> i64
where
    i64: TryFrom<T>,
{
    i64::try_from(count).unwrap_or(i64::MAX)
}
