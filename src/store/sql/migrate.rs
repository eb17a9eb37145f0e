//! The schema: what a database asks of a program, and the changes that are missing.

use sqlx::migrate::{MigrateError, Migrator};

use super::{
    dialect::{Dialect, Text},
    pool::{Connection, Pool},
    query::query,
    row::column,
};
use crate::store::StoreError;

static MYSQL: Migrator = sqlx::migrate!("src/store/sql/migrations/mysql");
static POSTGRES: Migrator = sqlx::migrate!("src/store/sql/migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("src/store/sql/migrations/sqlite");

/// What this program knows, for one engine.
pub(super) fn known(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::MySql => &MYSQL,
        Dialect::Postgres => &POSTGRES,
        Dialect::Sqlite => &SQLITE,
    }
}

/// Runs the migrations that are missing, unless the database is for newer programs.
pub(super) async fn bring_up_to_date(pool: &Pool, migrations: &Migrator) -> Result<(), StoreError> {
    let knows = migrations.iter().map(|known| known.version).max();
    if let Some(demands) = demanded_schema(pool).await? {
        let knows = knows.unwrap_or(0);
        if knows < demands {
            return Err(StoreError::TooNew { demands, knows });
        }
    }
    // A program that is older than the database, but not too old, leaves it as it is.
    let mut tolerant = Migrator::with_migrations(migrations.iter().cloned().collect());
    tolerant.set_ignore_missing(true);
    // Two processes may start at once. SQLite lets one of them make each change; to the other one
    // the schema looks wrong ("already exists") until it looks again. It can lose at each of them.
    let mut tries_left = migrations.iter().count() + 3;
    loop {
        let mut connection = pool.acquire().await?;
        begin_unhurried(&mut connection).await?;
        let failure = match run(&tolerant, &mut connection).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                StoreError::from(error)
            }
            Err(error) => return Err(StoreError::Corrupt(error.to_string())),
        };
        if tries_left == 0 || !matches!(failure, StoreError::Corrupt(_)) {
            return Err(failure);
        }
        connection.close_on_drop();
        tries_left -= 1;
    }
}

/// The one is MariaDB's, the other MySQL's.
const MYSQL_UNLIMITED: [&str; 2] = [
    "SET SESSION max_statement_time = 0",
    "SET SESSION max_execution_time = 0",
];

/// A change of the schema takes its time, and so does waiting for the process that makes it.
async fn begin_unhurried(connection: &mut Connection) -> Result<(), StoreError> {
    match connection.dialect() {
        Dialect::MySql => {
            connection.close_on_drop();
            for limit in MYSQL_UNLIMITED {
                match connection.command(limit).await {
                    // The other one's.
                    Ok(()) | Err(sqlx::Error::Database(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // sqlx asks to wait for ever, which to MariaDB is not at all.
            let row =
                query("SELECT GET_LOCK(LEFT(CONCAT('vestibule ', DATABASE()), 64), 300) AS locked")
                    .fetch_one(&mut *connection)
                    .await?;
            if column::<Option<i64>>(&row, "locked")? == Some(1) {
                Ok(())
            } else {
                let late = "another process has been at the schema for minutes";
                Err(StoreError::Unavailable(late.into()))
            }
        }
        Dialect::Postgres => {
            connection.close_on_drop();
            let limits = "SET statement_timeout = 0; SET lock_timeout = 0";
            Ok(connection.command(limits).await?)
        }
        Dialect::Sqlite => Ok(()),
    }
}

async fn run(migrations: &Migrator, connection: &mut Connection) -> Result<(), MigrateError> {
    match connection {
        Connection::MySql(connection) => {
            migrations.run_direct(None, &mut **connection, false).await
        }
        Connection::Postgres(connection) => {
            migrations.run_direct(None, &mut **connection, false).await
        }
        Connection::Sqlite(connection) => {
            migrations.run_direct(None, &mut **connection, false).await
        }
    }
}

/// What the database asks of a program; `None` for a new one.
async fn demanded_schema(pool: &Pool) -> Result<Option<i64>, StoreError> {
    const OURS: Text = Text::Each {
        mysql: "SELECT table_name FROM information_schema.tables \
            WHERE table_schema = DATABASE() AND table_name = 'schema_info'",
        postgres: "SELECT table_name FROM information_schema.tables \
            WHERE table_schema = current_schema() AND table_name = 'schema_info'",
        sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'schema_info'",
    };
    if query(OURS).fetch_optional(pool).await?.is_none() {
        return Ok(None);
    }
    let row = query("SELECT oldest FROM schema_info")
        .fetch_optional(pool)
        .await?;
    row.map(|row| column(&row, "oldest")).transpose()
}
