//! Opening a database on a server: whether it lets us in, what it promises, and how long it may
//! take.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection as _, Executor as _, MySqlConnection, PgConnection,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    PATIENCE, Sql,
    config::{Options, Server},
    dialect::{Dialect, Text},
    migrate::{bring_up_to_date, known},
    pool::Pool,
    query::query,
    row::column,
    within,
};
use crate::{clock::Clock, store::StoreError};

/// How long a call waits for a connection.
const WAIT: Duration = Duration::from_secs(2);

/// Idle connections are closed after this.
const IDLE: Duration = Duration::from_mins(10);

/// No connection is older, so that a name that leads elsewhere is followed.
const LIFETIME: Duration = Duration::from_mins(30);

/// Another process may be at a long migration.
const MIGRATION_PATIENCE: Duration = Duration::from_mins(5);

/// A statement ends within [`PATIENCE`], waiting for a lock ends earlier, and a process that is gone
/// in the middle of a transaction loses its locks. A server whose commits are not on the disk when
/// it says so is told to do better where a session can do that.
const POSTGRES_SESSION: &str = "SET statement_timeout = 5000; SET lock_timeout = 2000; \
    SET idle_in_transaction_session_timeout = 10000; SET client_min_messages = warning; \
    SET bytea_output = 'hex'; SET standard_conforming_strings = on; \
    SELECT set_config('synchronous_commit', 'on', false) \
        WHERE current_setting('synchronous_commit') = 'off'";

/// The same; names stand in double quotes, and nothing that does not fit is cut to fit.
const MYSQL_SESSION: &str = "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,\
    NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', SESSION innodb_lock_wait_timeout = 2, \
    SESSION wait_timeout = 3600; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// The one is MariaDB's, the other MySQL's; each knows its own alone.
const MYSQL_LIMITS: [&str; 2] = [
    "SET SESSION max_statement_time = 5",
    "SET SESSION max_execution_time = 5000",
];

impl Sql {
    /// Connects and brings the schema up to date. A server that does not let us in, or a database
    /// that demands a newer program, is refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] says what to do about it.
    pub(crate) async fn open_server(
        server: &Server,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        // A pool tries again and again, and forgets why it did not work.
        within(PATIENCE, server.knock()).await?;
        let readers = server.pool(server.max_connections.div_ceil(2));
        let writers = server.pool(server.max_connections / 2);
        within(PATIENCE, look_around(&writers)).await?;
        let migrations = known(server.dialect());
        within(MIGRATION_PATIENCE, bring_up_to_date(&writers, migrations)).await?;
        Ok(Self {
            clock,
            readers,
            writers,
        })
    }
}

impl Server {
    const fn dialect(&self) -> Dialect {
        match self.options {
            Options::MySql(_) => Dialect::MySql,
            Options::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn knock(&self) -> Result<(), StoreError> {
        match &self.options {
            Options::MySql(options) => {
                MySqlConnection::connect_with(options)
                    .await?
                    .close()
                    .await?;
            }
            Options::Postgres(options) => {
                PgConnection::connect_with(options).await?.close().await?;
            }
        }
        Ok(())
    }

    /// Connections that are opened when they are needed.
    fn pool(&self, most: u32) -> Pool {
        match &self.options {
            Options::MySql(options) => Pool::MySql(mysql_pool(options, most)),
            Options::Postgres(options) => Pool::Postgres(postgres_pool(options, most)),
        }
    }
}

fn postgres_pool(options: &PgConnectOptions, most: u32) -> sqlx::PgPool {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(WAIT)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(POSTGRES_SESSION).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

fn mysql_pool(options: &MySqlConnectOptions, most: u32) -> sqlx::MySqlPool {
    MySqlPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(WAIT)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(MYSQL_SESSION).await?;
                for limit in MYSQL_LIMITS {
                    match connection.execute(limit).await {
                        Ok(_) => break,
                        Err(sqlx::Error::Database(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.clone())
}

/// Whether the database can hold what we write, and keeps what it says that it has.
async fn look_around(pool: &Pool) -> Result<(), StoreError> {
    const FACTS: Text = Text::Each {
        mysql: "SELECT CAST(@@innodb_flush_log_at_trx_commit AS CHAR) AS durability, \
            'UTF8' AS encoding",
        postgres: "SELECT current_setting('fsync') AS durability, \
            current_setting('server_encoding') AS encoding",
        sqlite: "SELECT '' AS durability, 'UTF8' AS encoding",
    };
    let row = query(FACTS).fetch_one(pool).await?;
    let encoding: String = column(&row, "encoding")?;
    if encoding != "UTF8" {
        let source = format!("its encoding is {encoding}");
        return Err(StoreError::Refused {
            why: "the database does not hold every text: make one with ENCODING 'UTF8'",
            source: source.into(),
        });
    }
    let durability: String = column(&row, "durability")?;
    match pool {
        Pool::MySql(_) if durability != "1" => tracing::warn!(
            innodb_flush_log_at_trx_commit = durability,
            "a power cut makes the storage forget what it said it had: sessions that were ended \
             would live again, and what was used up would work again; set it to 1"
        ),
        Pool::Postgres(_) if durability != "on" => tracing::warn!(
            fsync = durability,
            "a power cut damages the storage: set fsync = on"
        ),
        _ => {}
    }
    Ok(())
}
