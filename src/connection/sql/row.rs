//! Rows as JSON. What has no form there, like bytes that are no text, is left out.

use serde_json::{Map, Number, Value};
use sqlx::{
    Column as _, Row as _, TypeInfo as _, ValueRef as _, mysql::MySqlRow, postgres::PgRow,
    sqlite::SqliteRow,
};

use super::ask::Failed;
use crate::connection::foreign::StoreFault;

type Fields = Map<String, Value>;

/// PostgreSQL makes the JSON itself.
pub(super) fn of_postgres(row: &PgRow) -> Result<Fields, Failed> {
    let text: String = row.try_get(0)?;
    serde_json::from_str(&text).map_err(|_| unreadable("row"))
}

pub(super) fn of_mysql(row: &MySqlRow) -> Result<Fields, Failed> {
    let mut fields = Fields::new();
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index)?;
        let name = column.name().to_owned();
        if raw.is_null() {
            fields.insert(name, Value::Null);
            continue;
        }
        let of = raw.type_info().name().to_owned();
        let value = match of.as_str() {
            "BOOLEAN" => Some(Value::from(row.try_get_unchecked::<i8, _>(index)? != 0)),
            "TINYINT" | "SMALLINT" | "INT" | "MEDIUMINT" | "BIGINT" => {
                Some(Value::from(row.try_get_unchecked::<i64, _>(index)?))
            }
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "INT UNSIGNED" | "MEDIUMINT UNSIGNED"
            | "BIGINT UNSIGNED" | "YEAR" | "BIT" => {
                Some(Value::from(row.try_get_unchecked::<u64, _>(index)?))
            }
            "FLOAT" => finite(f64::from(row.try_get_unchecked::<f32, _>(index)?)),
            "DOUBLE" => finite(row.try_get_unchecked::<f64, _>(index)?),
            "DATE" | "DATETIME" | "TIMESTAMP" => date(row.try_get_unchecked::<&[u8], _>(index)?),
            "TIME" | "GEOMETRY" | "NULL" => None,
            "JSON" => {
                let text = row.try_get_unchecked::<&[u8], _>(index)?;
                Some(serde_json::from_slice(text).map_err(|_| unreadable(&name))?)
            }
            "DECIMAL" => {
                let text = row.try_get_unchecked::<&[u8], _>(index)?;
                serde_json::from_slice(text).ok()
            }
            _ => text(row.try_get_unchecked::<&[u8], _>(index)?),
        };
        if let Some(value) = value {
            fields.insert(name, value);
        }
    }
    Ok(fields)
}

/// A value has its own type there, and a column perhaps a declared one.
pub(super) fn of_sqlite(row: &SqliteRow) -> Result<Fields, Failed> {
    let mut fields = Fields::new();
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index)?;
        let of = raw.type_info().name().to_owned();
        let value = match of.as_str() {
            _ if raw.is_null() => Some(Value::Null),
            "BOOLEAN" => match row.try_get_unchecked::<i64, _>(index)? {
                0 => Some(Value::from(false)),
                1 => Some(Value::from(true)),
                other => Some(Value::from(other)),
            },
            "INTEGER" => {
                let number = row.try_get_unchecked::<i64, _>(index)?;
                let declared = column.type_info().name().to_owned();
                match (declared.as_str(), number) {
                    ("BOOLEAN", 0) => Some(Value::from(false)),
                    ("BOOLEAN", 1) => Some(Value::from(true)),
                    _ => Some(Value::from(number)),
                }
            }
            "REAL" => finite(row.try_get_unchecked::<f64, _>(index)?),
            _ => text(row.try_get_unchecked::<&[u8], _>(index)?),
        };
        if let Some(value) = value {
            fields.insert(column.name().to_owned(), value);
        }
    }
    Ok(fields)
}

fn unreadable(what: &str) -> Failed {
    StoreFault::Misbehaved(format!("the {what} cannot be read as JSON")).into()
}

fn finite(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn text(bytes: &[u8]) -> Option<Value> {
    std::str::from_utf8(bytes).ok().map(Value::from)
}

/// The binary form of a date in MySQL's protocol: its length, year, month and day, perhaps a time of
/// day, perhaps microseconds.
fn date(bytes: &[u8]) -> Option<Value> {
    let [_, low, high, month, day, time @ ..] = bytes else {
        return None;
    };
    let year = u16::from_le_bytes([*low, *high]);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(Value::from(match time {
        [hour, minute, second, ..] => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        _ => date,
    }))
}
