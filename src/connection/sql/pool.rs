//! Connections to the database: where it is, how it is protected, and what may be asked how long.

use std::{path::Path, str::FromStr, sync::OnceLock, time::Duration};

use sqlx::{
    ConnectOptions as _, Executor as _, MySqlPool, PgPool, SqlitePool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode},
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use url::{Host, Url};

use super::{Config, query::Dialect};
use crate::{problem::Problem, secret::Secret};

/// How long a connection may take to come about or to be free.
const ACQUIRE: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 4;
/// Idle connections are closed after this.
const IDLE: Duration = Duration::from_mins(5);

/// Where a database is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dialect: Dialect,
    options: Options,
    most: u32,
    pub(super) timeout: Duration,
}

#[derive(Clone)]
enum Options {
    MySql(MySqlConnectOptions),
    Postgres(PgConnectOptions),
    Sqlite(SqliteConnectOptions),
}

/// A password is in it.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[a database]")
    }
}

/// The connections, opened when the first is needed.
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) place: Place,
    pool: OnceLock<Pool>,
}

#[derive(Clone, Debug)]
pub(super) enum Pool {
    MySql(MySqlPool),
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Place {
    /// Reads the URL. What is wrong with it is said without it.
    pub(super) fn read(config: &Config, url: &Secret) -> Result<Self, Problem> {
        let text = url.expose();
        let wrong = |message: &str, hint: &str| Problem::new("url", message).hint(hint);
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let forms = "postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME or \
                     sqlite://PATH";
        let dialect = match scheme {
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::MySql,
            "sqlite" => Dialect::Sqlite,
            _ => return Err(wrong("it is no URL of a database that is known", forms)),
        };
        let options = match dialect {
            Dialect::Sqlite => Options::Sqlite(sqlite(rest, config)?),
            Dialect::Postgres => {
                let inside = is_inside(text).ok_or_else(|| wrong("it has no host", forms))?;
                let options = PgConnectOptions::from_str(text);
                let options = options.map_err(|_| wrong("it cannot be read", forms))?;
                Options::Postgres(postgres(options, inside, config))
            }
            Dialect::MySql => {
                let inside = is_inside(text).ok_or_else(|| wrong("it has no host", forms))?;
                let text = format!("mysql://{rest}");
                let options = MySqlConnectOptions::from_str(&text);
                let options = options.map_err(|_| wrong("it cannot be read", forms))?;
                Options::MySql(mysql(options, inside, config))
            }
        };
        Ok(Self {
            dialect,
            options,
            most: config.connections.unwrap_or(CONNECTIONS),
            timeout: config.timeout.map_or(TIMEOUT, |timeout| timeout.0),
        })
    }
}

/// Whether a URL leads to this machine; `None`: it leads nowhere.
fn is_inside(text: &str) -> Option<bool> {
    let url = Url::parse(text).ok()?;
    // Schemes that are not the web's have hosts that are not parsed as its.
    let host = Host::parse(url.host_str().filter(|host| !host.is_empty())?).ok()?;
    Some(match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    })
}

fn postgres(options: PgConnectOptions, inside: bool, config: &Config) -> PgConnectOptions {
    let timeout = config.timeout.map_or(TIMEOUT, |timeout| timeout.0);
    let milliseconds = timeout.as_millis().to_string();
    let options = options
        .options([("statement_timeout", milliseconds.as_str())])
        .application_name("vestibule")
        .disable_statement_logging();
    let options = match &config.ca {
        Some(ca) => options.ssl_root_cert(ca),
        None => options,
    };
    if config.danger_plain_database || (inside && config.ca.is_none()) {
        return options;
    }
    options.ssl_mode(PgSslMode::VerifyFull)
}

fn mysql(options: MySqlConnectOptions, inside: bool, config: &Config) -> MySqlConnectOptions {
    let options = options.disable_statement_logging();
    let options = match &config.ca {
        Some(ca) => options.ssl_ca(ca),
        None => options,
    };
    if config.danger_plain_database || (inside && config.ca.is_none()) {
        return options;
    }
    options.ssl_mode(MySqlSslMode::VerifyIdentity)
}

fn sqlite(path: &str, config: &Config) -> Result<SqliteConnectOptions, Problem> {
    if path.is_empty() || path.contains(['?', '#', '\0']) || path == ":memory:" {
        let message = "it names no file";
        return Err(Problem::new("url", message).hint("like sqlite:///srv/app/db.sqlite3"));
    }
    let queries = &config.queries;
    let writes = [&queries.create, &queries.change_password, &queries.delete];
    let reads_only = writes.into_iter().all(Option::is_none);
    Ok(SqliteConnectOptions::new()
        .filename(Path::new(path))
        .create_if_missing(false)
        .read_only(reads_only)
        .busy_timeout(Duration::from_secs(2))
        .disable_statement_logging())
}

impl Pools {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            pool: OnceLock::new(),
        }
    }

    /// The pool. It opens no connection that is not asked for.
    pub(super) fn get(&self) -> Pool {
        self.pool.get_or_init(|| self.place.pool()).clone()
    }
}

impl Place {
    fn pool(&self) -> Pool {
        let seconds = self.timeout.as_secs().max(1);
        match &self.options {
            Options::Postgres(options) => Pool::Postgres(
                PgPoolOptions::new()
                    .max_connections(self.most)
                    .acquire_timeout(ACQUIRE)
                    .idle_timeout(IDLE)
                    .connect_lazy_with(options.clone()),
            ),
            Options::MySql(options) => Pool::MySql(
                MySqlPoolOptions::new()
                    .max_connections(self.most)
                    .acquire_timeout(ACQUIRE)
                    .idle_timeout(IDLE)
                    .after_connect(move |connection, _| {
                        Box::pin(async move {
                            // The one is MariaDB's, the other MySQL's; each knows its own alone.
                            let limits = [
                                format!("SET SESSION max_statement_time = {seconds}"),
                                format!("SET SESSION max_execution_time = {}", seconds * 1000),
                            ];
                            for limit in limits {
                                let set = sqlx::query(sqlx::AssertSqlSafe(limit));
                                match connection.execute(set).await {
                                    Ok(_) => break,
                                    Err(sqlx::Error::Database(_)) => {}
                                    Err(error) => return Err(error),
                                }
                            }
                            Ok(())
                        })
                    })
                    .connect_lazy_with(options.clone()),
            ),
            Options::Sqlite(options) => Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(self.most)
                    .acquire_timeout(ACQUIRE)
                    .idle_timeout(IDLE)
                    .connect_lazy_with(options.clone()),
            ),
        }
    }
}

/// The file of root certificates, which another connection would be with another content.
pub(super) fn files(config: &Config) -> Vec<&Path> {
    config.ca.as_deref().into_iter().collect()
}
