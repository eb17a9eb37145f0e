//! A statement with its values, in the words of the engine that is asked.
//!
//! Statements are written once, with SQLite's numbered parameters. PostgreSQL has `$1` for `?1`;
//! MySQL has `?` alone, so a value that is named twice is sent twice. A list stands for as many
//! values as it has.

use std::{borrow::Cow, fmt::Write as _};

use sqlx::AssertSqlSafe;

use super::{
    dialect::{Dialect, Text},
    error::is_duplicate,
    pool::{Connection, Pool},
    row::Row,
};
use crate::store::StoreError;

/// Begins a statement.
pub(super) fn query<'q>(text: impl Into<Text>) -> Query<'q> {
    Query {
        text: text.into(),
        tail: Tail::None,
        values: Vec::new(),
    }
}

/// A statement that is not yet sent.
#[derive(Debug)]
pub(super) struct Query<'q> {
    text: Text,
    tail: Tail,
    values: Vec<Value<'q>>,
}

/// What follows the text, which each engine says in its own way.
#[derive(Clone, Copy, Debug)]
enum Tail {
    Locking,
    None,
    OrUpdate {
        key: &'static str,
        columns: &'static [&'static str],
    },
    UnlessThere,
}

/// What a parameter stands for.
#[derive(Clone, Debug)]
pub(super) enum Value<'q> {
    Bytes(Option<Cow<'q, [u8]>>),
    Flag(bool),
    /// Separated by commas, for `IN (?1)`.
    List(Vec<Self>),
    Number(Option<i64>),
    /// Each in brackets, separated by commas, for `VALUES ?1`.
    Rows(Vec<Vec<Self>>),
    Text(Option<Cow<'q, str>>),
}

/// Where a question goes.
#[derive(Debug)]
pub(super) enum Target<'t> {
    Connection(&'t mut Connection),
    Pool(&'t Pool),
}

impl<'t> From<&'t mut Connection> for Target<'t> {
    fn from(connection: &'t mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        Self::Pool(pool)
    }
}

/// A query of sqlx for one engine, with its values.
macro_rules! bound {
    ($engine:ty, $said:expr) => {{
        let mut query = sqlx::query::<$engine>(AssertSqlSafe($said.text)).persistent($said.lasts);
        for value in $said.values {
            query = match value {
                Value::Bytes(bytes) => query.bind(bytes.as_deref()),
                Value::Flag(flag) => query.bind(*flag),
                Value::Number(number) => query.bind(*number),
                Value::Text(text) => query.bind(text.as_deref()),
                // Said one by one.
                Value::List(_) | Value::Rows(_) => query,
            };
        }
        query
    }};
}

impl<'q> Query<'q> {
    /// The next parameter's value.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Keeps the rows that are found from others until the transaction ends.
    pub(super) fn locking(self) -> Self {
        Self {
            tail: Tail::Locking,
            ..self
        }
    }

    /// An `INSERT` that does nothing where a row with such a key is.
    pub(super) fn unless_there(self) -> Self {
        Self {
            tail: Tail::UnlessThere,
            ..self
        }
    }

    /// An `INSERT` that writes these columns where a row with this key is.
    pub(super) fn or_update(self, key: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            tail: Tail::OrUpdate { key, columns },
            ..self
        }
    }

    /// Does it; says how many rows it met.
    pub(super) async fn execute(self, connection: &mut Connection) -> Result<u64, StoreError> {
        let said = self.said(connection.dialect());
        let done = match connection {
            Connection::MySql(connection) => bound!(sqlx::MySql, said)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Connection::Postgres(connection) => bound!(sqlx::Postgres, said)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Connection::Sqlite(connection) => bound!(sqlx::Sqlite, said)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
        };
        match (done, self.tail) {
            // InnoDB takes back the statement alone.
            (Err(error), Tail::UnlessThere) if is_duplicate(&error) => Ok(0),
            (done, _) => Ok(done?),
        }
    }

    /// All rows.
    pub(super) async fn fetch_all<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut own;
        let connection = match target.into() {
            Target::Connection(connection) => connection,
            Target::Pool(pool) => {
                own = pool.acquire().await?;
                &mut own
            }
        };
        let said = self.said(connection.dialect());
        Ok(match connection {
            Connection::MySql(connection) => bound!(sqlx::MySql, said)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::MySql)
                .collect(),
            Connection::Postgres(connection) => bound!(sqlx::Postgres, said)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
            Connection::Sqlite(connection) => bound!(sqlx::Sqlite, said)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
        })
    }

    /// The one row that there can be.
    pub(super) async fn fetch_optional<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(target).await?.into_iter().next())
    }

    /// The one row that there is.
    pub(super) async fn fetch_one<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Row, StoreError> {
        let row = self.fetch_optional(target).await?;
        row.ok_or_else(|| StoreError::Corrupt("a row that must be there is not".to_owned()))
    }

    fn said(&self, dialect: Dialect) -> Said<'_> {
        let mut said = Said {
            text: String::new(),
            values: Vec::new(),
            lasts: true,
        };
        // Where each parameter's first value stands.
        let mut places = vec![None; self.values.len()];
        let text = named(self.text.in_dialect(dialect));
        let mut rest = text.as_ref();
        while let Some((before, after)) = rest.split_once('?') {
            said.text.push_str(before);
            let digits = after.find(|next: char| !next.is_ascii_digit());
            let (number, after) = after.split_at(digits.unwrap_or(after.len()));
            let index = number.parse::<usize>().unwrap_or(0).wrapping_sub(1);
            if let (Some(value), Some(place)) = (self.values.get(index), places.get_mut(index)) {
                said.value(dialect, value, place);
            }
            rest = after;
        }
        said.text.push_str(rest);
        said.tail(dialect, self.tail);
        said
    }
}

/// What `TABLE.*` stands for: the columns that this program knows. The engine must not be asked for
/// whatever is there, since a newer program may add to that while this one runs, and PostgreSQL
/// refuses a prepared statement whose answer has another shape than it had.
const COLUMNS: [(&str, &str); 7] = [
    (
        "accounts",
        "connection subject email_typed email username_typed username email_verified password_hash \
         previous_hashes password_changed_at created_at version",
    ),
    (
        "events",
        "at kind reason user_id connection session_id address request_id",
    ),
    (
        "factors",
        "id user_id kind name sealed counter created_at last_used_at",
    ),
    (
        "identities",
        "connection subject user_id profile claims \"groups\" created_at refreshed_at",
    ),
    ("\"keys\"", "id state since sealed"),
    (
        "sessions",
        "id user_id authentications created_at last_used_at expires_at address user_agent sids \
         sealed version",
    ),
    (
        "users",
        "id handle profile user_metadata app_metadata blocked owner synced_by created_at \
         updated_at last_login_at logins version",
    ),
];

/// The text with the names of columns in place of a star.
fn named(text: &'static str) -> Cow<'static, str> {
    let star = COLUMNS.into_iter().find_map(|(table, columns)| {
        let (before, after) = text.split_once(&format!("{table}.*"))?;
        let columns = columns.split(' ').map(|column| format!("{table}.{column}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        Some(format!("{before}{columns}{after}"))
    });
    star.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The longest list that statements are remembered with.
const LASTING_LIST: usize = 12;

/// A statement in the words of one engine.
struct Said<'q> {
    text: String,
    values: Vec<&'q Value<'q>>,
    /// Whether it is worth remembering: one with a list is another one for each length. Forgetting
    /// has its price too: MySQL answers nothing to that, and the next packet waits for its word.
    lasts: bool,
}

impl<'q> Said<'q> {
    /// Says the parameters of a value that is named here, and perhaps was before.
    fn value(&mut self, dialect: Dialect, value: &'q Value<'q>, place: &mut Option<usize>) {
        let begin = match *place {
            // Where parameters have no numbers, each of them has its own value.
            Some(begin) if dialect != Dialect::MySql => begin,
            _ => self.values.len(),
        };
        *place = Some(begin);
        let mut next = begin;
        match value {
            Value::List(list) => {
                self.lasts &= list.len() <= LASTING_LIST;
                self.list(dialect, list, &mut next);
            }
            Value::Rows(rows) => {
                self.lasts &= rows.len() <= LASTING_LIST;
                for (index, row) in rows.iter().enumerate() {
                    self.text.push_str(if index == 0 { "(" } else { ", (" });
                    self.list(dialect, row, &mut next);
                    self.text.push(')');
                }
            }
            one => self.one(dialect, one, &mut next),
        }
    }

    fn list(&mut self, dialect: Dialect, list: &'q [Value<'q>], next: &mut usize) {
        for (index, value) in list.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.one(dialect, value, next);
        }
    }

    fn one(&mut self, dialect: Dialect, value: &'q Value<'q>, next: &mut usize) {
        if *next == self.values.len() {
            self.values.push(value);
        }
        *next += 1;
        // Writing to a String does not fail.
        let _ = match dialect {
            Dialect::MySql => write!(self.text, "?"),
            Dialect::Postgres => write!(self.text, "${next}"),
            Dialect::Sqlite => write!(self.text, "?{next}"),
        };
    }

    fn tail(&mut self, dialect: Dialect, tail: Tail) {
        match (tail, dialect) {
            (Tail::None, _) | (Tail::UnlessThere, Dialect::MySql) => {}
            (Tail::Locking, _) => self.text.push_str(dialect.for_update()),
            (Tail::UnlessThere, _) => self.text.push_str(" ON CONFLICT DO NOTHING"),
            (Tail::OrUpdate { key, columns }, _) => {
                let _ = match dialect {
                    Dialect::MySql => write!(self.text, " ON DUPLICATE KEY UPDATE "),
                    _ => write!(self.text, " ON CONFLICT ({key}) DO UPDATE SET "),
                };
                for (index, column) in columns.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    let _ = match dialect {
                        Dialect::MySql => write!(self.text, "{comma}{column} = VALUES({column})"),
                        _ => write!(self.text, "{comma}{column} = excluded.{column}"),
                    };
                }
            }
        }
    }
}

macro_rules! values {
    ($($variant:ident($type:ty) => $value:ident: $made:expr),* $(,)?) => {$(
        impl<'q> From<$type> for Value<'q> {
            fn from($value: $type) -> Self {
                Self::$variant($made)
            }
        }
    )*};
}

values! {
    Bytes(&'q [u8]) => value: Some(Cow::Borrowed(value)),
    Bytes(Option<&'q [u8]>) => value: value.map(Cow::Borrowed),
    Bytes(Vec<u8>) => value: Some(Cow::Owned(value)),
    Flag(bool) => value: value,
    List(Vec<Self>) => value: value,
    Number(i64) => value: Some(value),
    Number(Option<i64>) => value: value,
    Rows(Vec<Vec<Self>>) => value: value,
    Text(&'q str) => value: Some(Cow::Borrowed(value)),
    Text(Option<&'q str>) => value: value.map(Cow::Borrowed),
    Text(Option<String>) => value: value.map(Cow::Owned),
    Text(String) => value: Some(Cow::Owned(value)),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(query: &Query<'_>, dialect: Dialect) -> (String, String) {
        let said = query.said(dialect);
        let values = said.values.iter().map(|value| match value {
            Value::Number(Some(number)) => number.to_string(),
            Value::Text(Some(text)) => text.to_string(),
            other => format!("{other:?}"),
        });
        let values = values.collect::<Vec<_>>().join(" ");
        (said.text, values)
    }

    #[test]
    fn each_engine_hears_its_own_words() {
        let written = || {
            query("UPDATE a SET b = ?2, c = ?3 WHERE d = ?1 AND b < ?2 AND e IN (?4)")
                .bind("d")
                .bind(2)
                .bind("c")
                .bind(vec![Value::from(7), Value::from(8)])
        };
        for (dialect, text, values) in [
            (
                Dialect::Sqlite,
                "UPDATE a SET b = ?1, c = ?2 WHERE d = ?3 AND b < ?1 AND e IN (?4, ?5)",
                "2 c d 7 8",
            ),
            (
                Dialect::Postgres,
                "UPDATE a SET b = $1, c = $2 WHERE d = $3 AND b < $1 AND e IN ($4, $5)",
                "2 c d 7 8",
            ),
            (
                Dialect::MySql,
                "UPDATE a SET b = ?, c = ? WHERE d = ? AND b < ? AND e IN (?, ?)",
                "2 c d 2 7 8",
            ),
        ] {
            let expected = (text.to_owned(), values.to_owned());
            assert_eq!(said(&written(), dialect), expected);
        }
    }

    #[test]
    fn rows_and_what_is_there_already() {
        let rows = || {
            let rows = vec![vec![Value::from(1), Value::from("a")]; 2];
            query("INSERT INTO t (n, x) VALUES ?1").bind(rows)
        };
        for (dialect, nothing, update) in [
            (
                Dialect::Sqlite,
                "(?1, ?2), (?3, ?4) ON CONFLICT DO NOTHING",
                "(?1, ?2), (?3, ?4) ON CONFLICT (n) DO UPDATE SET x = excluded.x",
            ),
            (
                Dialect::Postgres,
                "($1, $2), ($3, $4) ON CONFLICT DO NOTHING",
                "($1, $2), ($3, $4) ON CONFLICT (n) DO UPDATE SET x = excluded.x",
            ),
            (
                Dialect::MySql,
                "(?, ?), (?, ?)",
                "(?, ?), (?, ?) ON DUPLICATE KEY UPDATE x = VALUES(x)",
            ),
        ] {
            let insert = "INSERT INTO t (n, x) VALUES ";
            for (query, end) in [
                (rows().unless_there(), nothing),
                (rows().or_update("n", &["x"]), update),
            ] {
                let expected = (format!("{insert}{end}"), "1 a 1 a".to_owned());
                assert_eq!(said(&query, dialect), expected);
            }
        }
    }
}
