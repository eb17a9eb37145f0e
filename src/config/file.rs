//! `config.toml` as the operator writes it: [`File`] and the tables that belong to no other part.
//!
//! A key that is a path has the mark `x-vestibule` in its schema, and so has a key that is a secret
//! of a strategy; [`super::marks`] says what happens to them.

use std::{path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::settings::ConnectionEntry;
use crate::{
    connection::ProtectionConfig,
    mail, route,
    secret::{Secret, SecretRef},
    store::{redis, sql},
    text,
    units::Span,
};

/// The whole file.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Vestibule's config.toml")]
pub(crate) struct File {
    /// The version of this format. There is one, 1.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) config_version: Option<u64>,
    #[schemars(default)]
    pub(crate) server: ServerConfig,
    #[schemars(default)]
    pub(crate) admin: AdminConfig,
    #[schemars(default)]
    pub(crate) storage: sql::Config,
    #[schemars(default)]
    pub(crate) session: SessionConfig,
    #[schemars(default)]
    pub(crate) protection: ProtectionConfig,
    #[schemars(default)]
    pub(crate) log: LogConfig,
    #[schemars(default)]
    pub(crate) pages: text::Config,
    #[schemars(default)]
    pub(crate) mail: mail::Config,
    /// How people may sign in, by name: a-z, 0-9 and -.
    #[schemars(default)]
    pub(crate) connections: Connections,
    /// What is behind the login: the longest host and then the longest path wins.
    #[schemars(default)]
    pub(crate) routes: Vec<route::Config>,
}

impl File {
    /// The keys of the root.
    pub(super) const KEYS: [&'static str; 11] = [
        "config_version",
        "server",
        "admin",
        "storage",
        "session",
        "protection",
        "log",
        "pages",
        "mail",
        "connections",
        "routes",
    ];
}

/// The `[connections.NAME]` tables, read and with their secrets in place, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Connections(pub(super) Vec<ConnectionEntry>);

impl JsonSchema for Connections {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Connections".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        super::schema::connections(generator)
    }
}

/// The `[server]` table: where we listen and who we are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Addresses to listen on without TLS: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/v.sock`.
    /// Default: `127.0.0.1:8080` if there are no `listeners` either.
    #[schemars(extend("x-vestibule" = "unix"))]
    pub(crate) listen: Vec<String>,
    /// Addresses to listen on, with all that can be said about them.
    pub(crate) listeners: Vec<ListenerConfig>,
    /// The origin where people sign in; every redirect URI lies there. It is never taken from the
    /// Host header. Default: `http://localhost:8080`.
    pub(crate) public_url: String,
    /// Networks, addresses and `unix`: the peers whose `Forwarded` and `X-Forwarded-*` count.
    /// Default: nobody.
    pub(crate) trusted_proxies: Vec<String>,
    /// The path below which our own pages are. Default: `/.auth`.
    pub(crate) auth_prefix: String,
    /// The root of all keys, at least 32 bytes. A file that is not there is made once.
    /// Default: `{ file = "data/secret" }`.
    pub(crate) secret: SecretRef,
    /// How many threads serve requests. Default: one for each processor.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) threads: Option<usize>,
    /// Allow plain http where others than this machine could read it. Default: no.
    pub(crate) danger_plain_http: bool,
    /// How long requests may go on after the order to stop. Default: 30 s.
    pub(crate) shutdown_timeout: Span,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listeners: Vec::new(),
            public_url: "http://localhost:8080".to_owned(),
            trusted_proxies: Vec::new(),
            auth_prefix: "/.auth".to_owned(),
            secret: SecretRef::File(DEFAULT_SECRET.into()),
            threads: None,
            danger_plain_http: false,
            shutdown_timeout: Span(Duration::from_secs(30)),
        }
    }
}

/// Where the root secret is if nobody says so.
pub(super) const DEFAULT_SECRET: &str = "data/secret";
/// Where the admin socket is if nobody says so.
pub(super) const DEFAULT_SOCKET: &str = "data/admin.sock";

/// One `[[server.listeners]]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerConfig {
    /// `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/v.sock`.
    #[schemars(extend("x-vestibule" = "unix"))]
    pub(crate) address: String,
    /// Certificates with their keys; the visitor's SNI chooses, the first one is for all others.
    /// Default: no TLS.
    #[serde(default)]
    pub(crate) tls: Vec<CertificateConfig>,
    /// A PEM file with the authorities whose client certificates are demanded.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether visitors are asked for a certificate that they may leave out: `ask`, for connections
    /// that take one, or `ignore` (default).
    #[serde(default)]
    pub(crate) client_certificates: ClientCertificates,
    /// What is served: `proxy` (default); `redirect`, which sends everybody to https; or
    /// `certificate_login`, which asks for a certificate and serves logins by it alone, for the
    /// `origin` of a connection.
    #[serde(default)]
    pub(crate) serves: ServesConfig,
    /// The mode of a Unix socket, in octal digits. Default: `0660`.
    #[schemars(extend("pattern" = "^[0-7]{3,4}$"))]
    pub(crate) mode: Option<String>,
}

/// A certificate and its key, as PEM files that are read again when they change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateConfig {
    /// The certificate, then those between it and the authority.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) cert: PathBuf,
    /// The private key.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) key: PathBuf,
}

/// Whether a listener asks for client certificates.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCertificates {
    Ask,
    #[default]
    Ignore,
}

/// One thing a listener serves, or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ServesConfig {
    Many(Vec<Serves>),
    One(Serves),
}

impl Default for ServesConfig {
    fn default() -> Self {
        Self::One(Serves::default())
    }
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Serves {
    /// Logins by client certificate.
    CertificateLogin,
    /// The applications and our own pages.
    #[default]
    Proxy,
    /// A redirect of everything to the same place by https.
    Redirect,
}

/// The `[admin]` table: what is for the operator only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdminConfig {
    /// The address of `/healthz`, `/readyz` and `/metrics`. Default: `127.0.0.1:9091`.
    pub(crate) listen: String,
    /// The Unix socket by which the command line speaks to the running process.
    /// Default: `data/admin.sock`.
    #[schemars(extend("x-vestibule" = "socket"))]
    pub(crate) socket: PathBuf,
    /// Names, besides addresses and `localhost`, by which the admin listener may be called.
    pub(crate) hosts: Vec<String>,
    /// Allow an address that others than this machine can reach: nobody is asked who they are.
    pub(crate) danger_off_loopback: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9091".to_owned(),
            socket: DEFAULT_SOCKET.into(),
            hosts: Vec::new(),
            danger_off_loopback: false,
        }
    }
}

/// The `[session]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionConfig {
    /// `storage` (default); `memory`: then a restart signs everybody out; `redis`, or the URL of a
    /// Redis or Valkey, which several processes can share.
    pub(crate) store: Secret,
    /// Where that is, and how it is spoken to.
    pub(crate) redis: redis::Config,
    /// How long a session lives without a request. Default: 8 h, or `absolute_timeout` if that is
    /// shorter.
    pub(crate) idle_timeout: Option<Span>,
    /// How long a session lives at most. Default: 7 days.
    pub(crate) absolute_timeout: Span,
    /// How long a session from the cache still counts while the store does not answer.
    /// Default: 10 s.
    pub(crate) stale_for: Span,
    /// How many sessions are kept in memory. Default: 100000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub(crate) cache: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            store: Secret::new("storage".to_owned()),
            redis: redis::Config::default(),
            idle_timeout: None,
            absolute_timeout: seconds(7 * 24 * 3600),
            stale_for: seconds(10),
            cache: 100_000,
        }
    }
}

/// The `[log]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// `json` or `pretty`. Default: `pretty` on a terminal, else `json`.
    pub(crate) format: Option<LogFormat>,
    /// What is logged, like `info` or `info,vestibule::proxy=debug`. Default: `info`.
    pub(crate) level: String,
    /// A line for every request. Default: no.
    pub(crate) access: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: None,
            level: "info".to_owned(),
            access: false,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Json,
    Pretty,
}
