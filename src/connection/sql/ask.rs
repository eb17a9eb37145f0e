//! Asking the database: a query with its values, within its time, and rows as JSON.
//!
//! A query that reads stands inside another (`SELECT … FROM (…)`): so nothing that writes is taken for
//! one that reads, and no more rows come than are wanted.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column as _, Either, Executor as _, Statement as _, TypeInfo as _};
use tokio::sync::OnceCell;

use super::{
    pool::{Pool, Pools},
    query::{Dialect, Query},
    row,
};
use crate::connection::foreign::StoreFault;

/// The value of a parameter. `None`: NULL.
pub(super) type Values<'a> = [(&'static str, Option<&'a str>)];

/// A query that has been shown to the database.
#[derive(Debug)]
pub(super) struct Ready {
    query: Query,
    kind: Kind,
    text: OnceCell<String>,
}

/// What is wanted of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// So many rows at most.
    Read(usize),
    Write,
}

impl Ready {
    pub(super) fn new(query: Query, kind: Kind) -> Self {
        Self {
            query,
            kind,
            text: OnceCell::new(),
        }
    }

    /// The rows that a query finds.
    pub(super) async fn rows(
        &self,
        pools: &Pools,
        values: &Values<'_>,
    ) -> Result<Vec<Map<String, Value>>, StoreFault> {
        within(pools, async {
            let text = AssertSqlSafe(self.text(pools).await?.to_owned());
            let bound = self.bound(pools.place.dialect, values);
            match pools.get() {
                Pool::Postgres(pool) => {
                    let mut query = sqlx::query::<sqlx::Postgres>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    let rows = query.fetch_all(&pool).await.map_err(Failed::from)?;
                    rows.iter().map(row::of_postgres).collect()
                }
                Pool::MySql(pool) => {
                    let mut query = sqlx::query::<sqlx::MySql>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    let rows = query.fetch_all(&pool).await.map_err(Failed::from)?;
                    rows.iter().map(row::of_mysql).collect()
                }
                Pool::Sqlite(pool) => {
                    let mut query = sqlx::query::<sqlx::Sqlite>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    let rows = query.fetch_all(&pool).await.map_err(Failed::from)?;
                    rows.iter().map(row::of_sqlite).collect()
                }
            }
        })
        .await
        .or_else(Failed::nobody)
    }

    /// How many rows a query changes. `None`: what is unique is there already.
    pub(super) async fn write(
        &self,
        pools: &Pools,
        values: &Values<'_>,
    ) -> Result<Option<u64>, StoreFault> {
        let written = within(pools, async {
            let text = AssertSqlSafe(self.text(pools).await?.to_owned());
            let bound = self.bound(pools.place.dialect, values);
            Ok(match pools.get() {
                Pool::Postgres(pool) => {
                    let mut query = sqlx::query::<sqlx::Postgres>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    query.execute(&pool).await.map(|done| done.rows_affected())
                }
                Pool::MySql(pool) => {
                    let mut query = sqlx::query::<sqlx::MySql>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    query.execute(&pool).await.map(|done| done.rows_affected())
                }
                Pool::Sqlite(pool) => {
                    let mut query = sqlx::query::<sqlx::Sqlite>(text);
                    for value in bound {
                        query = query.bind(value);
                    }
                    query.execute(&pool).await.map(|done| done.rows_affected())
                }
            }?)
        });
        match written.await {
            Ok(rows) => Ok(Some(rows)),
            Err(Failed::Taken) => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// The names of the columns that the database would give.
    pub(super) async fn columns(&self, pools: &Pools) -> Result<Vec<String>, StoreFault> {
        let described = within(pools, async {
            let text = AssertSqlSafe(self.query.text(pools.place.dialect, None));
            let shown = sqlx::SqlSafeStr::into_sql_str(text);
            Ok(match pools.get() {
                Pool::Postgres(pool) => (pool.acquire().await?.prepare(shown).await?.columns())
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect(),
                Pool::MySql(pool) => (pool.acquire().await?.prepare(shown).await?.columns())
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect(),
                Pool::Sqlite(pool) => (pool.acquire().await?.prepare(shown).await?.columns())
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect(),
            })
        });
        Ok(described.await?)
    }

    fn bound(&self, dialect: Dialect, values: &Values<'_>) -> Vec<Option<String>> {
        let names = self.query.names(dialect).into_iter();
        let value = |name| values.iter().find(|(known, _)| *known == name);
        names
            .map(|name| value(name).and_then(|(_, value)| value.map(str::to_owned)))
            .collect()
    }

    /// What is sent. PostgreSQL is asked once what it takes the parameters for.
    async fn text(&self, pools: &Pools) -> Result<&str, Failed> {
        let text = self.text.get_or_try_init(|| async {
            let dialect = pools.place.dialect;
            let types = match pools.get() {
                Pool::Postgres(pool) => {
                    let text = AssertSqlSafe(self.query.text(dialect, None));
                    let text = sqlx::SqlSafeStr::into_sql_str(text);
                    let statement = pool.acquire().await?.prepare(text).await?;
                    match statement.parameters() {
                        Some(Either::Left(types)) => {
                            let types = types.iter().map(|of| of.name().to_owned());
                            Some(types.collect::<Vec<_>>())
                        }
                        _ => None,
                    }
                }
                Pool::MySql(_) | Pool::Sqlite(_) => None,
            };
            let text = self.query.text(dialect, types.as_deref());
            Ok::<String, Failed>(match (self.kind, dialect) {
                (Kind::Write, _) => text,
                (Kind::Read(most), Dialect::Postgres) => {
                    format!("SELECT row_to_json(q)::text FROM ({text}\n) AS q LIMIT {most}")
                }
                (Kind::Read(most), _) => format!("SELECT * FROM ({text}\n) AS q LIMIT {most}"),
            })
        });
        Ok(text.await?.as_str())
    }
}

/// Why a query failed.
pub(super) enum Failed {
    /// A value is nothing that the column could hold, so nobody has it.
    Absurd,
    Fault(StoreFault),
    Taken,
}

impl Failed {
    fn nobody(self) -> Result<Vec<Map<String, Value>>, StoreFault> {
        match self {
            Self::Absurd => Ok(Vec::new()),
            other => Err(other.into()),
        }
    }
}

impl From<Failed> for StoreFault {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Absurd => Self::Misfit("a value does not fit its column".to_owned()),
            Failed::Fault(fault) => fault,
            Failed::Taken => Self::Misfit("what is unique is there twice".to_owned()),
        }
    }
}

impl From<StoreFault> for Failed {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        Self::Fault(match error {
            Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                // Class 22: data exception (SQL:2016). 22021: a NUL, which no text of PostgreSQL holds.
                let absurd = ["22P02", "22003", "22007", "22008", "22021"];
                if error.is_unique_violation() {
                    return Self::Taken;
                } else if absurd.contains(&code.as_str()) {
                    return Self::Absurd;
                } else if is_passing(&code, error.message()) {
                    StoreFault::Away(format!("the database says {code}"))
                } else if is_about_the_query(&code) {
                    // It speaks of names in the query, and has no value.
                    StoreFault::Misfit(format!("{} ({code})", error.message()))
                } else {
                    // The text may have a value in it.
                    StoreFault::Misfit(format!("the database says {code}"))
                }
            }
            Error::Io(error) => StoreFault::Away(error.to_string()),
            Error::Tls(error) => StoreFault::Away(format!("TLS: {error}")),
            Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
                StoreFault::Away("no connection came about in time".to_owned())
            }
            Error::Protocol(_) => StoreFault::Misbehaved("it broke the protocol".to_owned()),
            Error::Configuration(error) => StoreFault::Misfit(error.to_string()),
            _ => StoreFault::Misbehaved("an answer cannot be read".to_owned()),
        })
    }
}

/// Whether the same may succeed later: class 08 (connection), 53 (resources), 57P (shutdown), or, of
/// SQLite, busy and locked.
fn is_passing(code: &str, message: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("53")
        || code.starts_with("57")
        || (["5", "6", "14"].contains(&code)
            && (message.contains("locked") || message.contains("unable to open")))
        || ["1040", "1053", "1205"].contains(&code)
}

/// Class 42: syntax error or access rule violation; of SQLite 1.
fn is_about_the_query(code: &str) -> bool {
    code.starts_with("42") || code == "1"
}

async fn within<T>(
    pools: &Pools,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    // Beside the database's own limit, for one that does not answer at all.
    let most = pools.place.timeout + std::time::Duration::from_secs(1);
    match tokio::time::timeout(most, work).await {
        Ok(done) => done,
        Err(_) => Err(Failed::Fault(StoreFault::Away(
            "no answer came in time".to_owned(),
        ))),
    }
}
