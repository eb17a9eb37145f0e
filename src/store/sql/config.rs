//! `[storage]`: where the database is, as the operator writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{
    ConnectOptions as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{Sql, dialect::Dialect};
use crate::{problem::Problem, secret::Secret};

/// Where the file lies when nobody says so.
pub(crate) const DEFAULT_URL: &str = "sqlite://data/vestibule.db";

/// The `[storage]` table: where users, sessions and keys are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `sqlite://` and a path, `postgres://USER@HOST/DATABASE` or `mysql://USER@HOST/DATABASE`
    /// (MariaDB too). Default: `sqlite://data/vestibule.db`.
    #[schemars(extend("x-vestibule" = "sqlite"))]
    pub(crate) url: Secret,
    /// The user's password, if the URL does not have it.
    pub(crate) password: Option<Secret>,
    /// A PEM file with the authorities that may sign the server's certificate. Default: those of the
    /// system.
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(crate) ca: Option<PathBuf>,
    /// How many connections to a server are open at once, half of them for what only reads.
    /// Default: 16.
    #[schemars(range(min = 2, max = 1000))]
    pub(crate) max_connections: Option<u32>,
    /// Allow a server on another machine without TLS, or with a certificate that nobody verifies:
    /// whoever is between reads and writes users, sessions and password hashes.
    pub(crate) danger_plain_database: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: Secret::new(DEFAULT_URL.to_owned()),
            password: None,
            ca: None,
            max_connections: None,
            danger_plain_database: false,
        }
    }
}

/// Where the database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    File(PathBuf),
    Server(Box<Server>),
}

/// A server, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Server {
    pub(super) options: Options,
    pub(super) max_connections: u32,
    said: Config,
}

/// What the driver needs.
#[derive(Clone)]
pub(super) enum Options {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// A password is in it.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without user and password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port, database) = match &self.options {
            Options::MySql(it) => ("mysql", it.get_host(), it.get_port(), it.get_database()),
            Options::Postgres(it) => ("postgres", it.get_host(), it.get_port(), it.get_database()),
        };
        write!(
            f,
            "{scheme}://{host}:{port}/{}",
            database.unwrap_or_default()
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => write!(f, "{server}"),
        }
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.said, &other.said);
        let same_password = match (&one.password, &other.password) {
            (Some(one), Some(other)) => one.matches(other.expose()),
            (None, None) => true,
            _ => false,
        };
        one.url.matches(other.url.expose())
            && same_password
            && one.ca == other.ca
            && one.max_connections == other.max_connections
            && one.danger_plain_database == other.danger_plain_database
    }
}

impl Eq for Server {}

/// How many connections there are when nobody says so.
const CONNECTIONS: u32 = 16;

impl Config {
    /// What is meant, or everything that is wrong with it, without a word of the URL: it may hold a
    /// password.
    pub(crate) fn build(&self) -> Result<Place, Vec<Problem>> {
        let url = self.url.expose();
        let dialect = match url.split(':').next().unwrap_or_default() {
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::MySql,
            "sqlite" => Dialect::Sqlite,
            // It could not be fetched, which is said already.
            "" => return Err(Vec::new()),
            _ => {
                let message = "the URL is of no storage that is known";
                return Err(vec![problem("url", message).hint(FORMS)]);
            }
        };
        let mut problems = Vec::new();
        if dialect == Dialect::Sqlite {
            problems.extend(self.for_servers_only());
            match Sql::path_in(url) {
                Some(path) if problems.is_empty() => return Ok(Place::File(path)),
                Some(_) => {}
                None => {
                    let message = "the URL is not sqlite:// and the path of a file";
                    problems.push(problem("url", message).hint(FORMS));
                }
            }
            return Err(problems);
        }
        if self
            .max_connections
            .is_some_and(|most| !(2..=1000).contains(&most))
        {
            problems.push(problem(
                "max_connections",
                "the number is not from 2 to 1000",
            ));
        }
        match self.options(dialect) {
            Ok(options) if problems.is_empty() => Ok(Place::Server(Box::new(Server {
                options,
                max_connections: self.max_connections.unwrap_or(CONNECTIONS),
                said: self.clone(),
            }))),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    /// Keys that mean nothing to a file.
    fn for_servers_only(&self) -> Vec<Problem> {
        [
            ("password", self.password.is_some()),
            ("ca", self.ca.is_some()),
            ("max_connections", self.max_connections.is_some()),
            ("danger_plain_database", self.danger_plain_database),
        ]
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(key, _)| problem(key, "it counts with postgres:// and mysql:// only"))
        .collect()
    }

    fn options(&self, dialect: Dialect) -> Result<Options, Problem> {
        let text = self.url.expose();
        let (_, rest) = text
            .split_once("://")
            .ok_or_else(|| problem("url", "the URL has no ://").hint(FORMS))?;
        let unreadable = |_| problem("url", "the URL cannot be read").hint(FORMS);
        let password = self.password.as_ref().map(Secret::expose);
        // What a colon leads in before the last @.
        let user = rest.split(['/', '?']).next().unwrap_or_default();
        let user = user.rsplit_once('@').map_or("", |(user, _)| user);
        if password.is_some() && user.contains(':') {
            let hint = "leave it out of the URL";
            return Err(problem("password", "the URL has a password too").hint(hint));
        }
        let options = match dialect {
            Dialect::MySql => {
                let options = MySqlConnectOptions::from_str(&format!("mysql://{rest}"));
                Options::MySql(Box::new(self.mysql(options.map_err(unreadable)?, password)))
            }
            Dialect::Postgres | Dialect::Sqlite => {
                let options = PgConnectOptions::from_str(&format!("postgres://{rest}"));
                let options = options.map_err(unreadable)?;
                Options::Postgres(Box::new(self.postgres(options, password)))
            }
        };
        let (has_database, has_user) = match &options {
            Options::MySql(it) => (it.get_database().is_some(), !user.is_empty()),
            Options::Postgres(it) => (it.get_database().is_some(), !user.is_empty()),
        };
        if !has_database || !has_user {
            let message = "the URL does not name a user and a database";
            return Err(problem("url", message).hint(FORMS));
        }
        Ok(options)
    }

    fn postgres(&self, options: PgConnectOptions, password: Option<&str>) -> PgConnectOptions {
        let is_inside = options.get_socket().is_some() || is_inside(options.get_host());
        let options = options
            .application_name("vestibule")
            .disable_statement_logging();
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        let options = match &self.ca {
            Some(ca) => options.ssl_root_cert(ca),
            None => options,
        };
        if self.is_protected(is_inside) {
            options.ssl_mode(PgSslMode::VerifyFull)
        } else {
            options
        }
    }

    fn mysql(&self, options: MySqlConnectOptions, password: Option<&str>) -> MySqlConnectOptions {
        let is_inside = options.get_socket().is_some() || is_inside(options.get_host());
        let options = options.disable_statement_logging();
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        let options = match &self.ca {
            Some(ca) => options.ssl_ca(ca),
            None => options,
        };
        if self.is_protected(is_inside) {
            options.ssl_mode(MySqlSslMode::VerifyIdentity)
        } else {
            options
        }
    }

    /// Whether TLS and a verified name are demanded, whatever the URL says.
    const fn is_protected(&self, is_inside: bool) -> bool {
        !self.danger_plain_database && (!is_inside || self.ca.is_some())
    }
}

const FORMS: &str = "like \"sqlite://data/vestibule.db\", \"postgres://USER@HOST/DATABASE\" or \
    \"mysql://USER@HOST/DATABASE\"";

fn problem(key: &str, message: &str) -> Problem {
    Problem::new(format!("storage.{key}"), message)
}

/// Whether a host is this machine.
fn is_inside(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // PostgreSQL takes a folder with a socket for a host.
    host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}
