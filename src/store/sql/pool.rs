//! Connections, of whichever engine.

use sqlx::{
    Executor as _, MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool, pool::PoolConnection,
};

use super::dialect::Dialect;

/// Connections to one database.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    MySql(MySqlPool),
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Pool {
    /// Waits for a connection that works.
    pub(super) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::MySql(pool) => Connection::MySql(pool.acquire().await?),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            Self::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
        })
    }

    #[cfg(test)]
    pub(super) async fn close(&self) {
        match self {
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

/// One connection, on its way back to the pool when it is dropped.
#[derive(Debug)]
pub(super) enum Connection {
    MySql(PoolConnection<MySql>),
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Connection {
    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::MySql(_) => Dialect::MySql,
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Does what takes no parameters and answers nothing.
    pub(super) async fn command(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::MySql(connection) => connection.execute(text).await.map(drop),
            Self::Postgres(connection) => connection.execute(text).await.map(drop),
            Self::Sqlite(connection) => connection.execute(text).await.map(drop),
        }
    }

    /// Lets it be closed instead of going back.
    pub(super) fn close_on_drop(&mut self) {
        match self {
            Self::MySql(connection) => connection.close_on_drop(),
            Self::Postgres(connection) => connection.close_on_drop(),
            Self::Sqlite(connection) => connection.close_on_drop(),
        }
    }
}
