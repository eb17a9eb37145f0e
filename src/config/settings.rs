//! What the file means, in the types that the parts use.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::file::{CertificateConfig, ClientCertificates, LogFormat, Serves};
use crate::{
    connection::{
        Budgets, Common, Counters,
        registry::{OpenConnection, Strategy},
    },
    identity::ConnectionId,
    mail,
    protocol::{Host, Origin, PathPrefix, TrustedProxies},
    route,
    secret::Secret,
    store::{redis, sql},
    text,
};

/// A configuration that holds together. All its paths can be opened as they are.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where we listen, without repetitions; at least one.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) public_url: Origin,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) auth_prefix: PathPrefix,
    /// The root of all keys.
    pub(crate) secret: Secret,
    /// How many threads serve; `None`: one for each processor.
    pub(crate) threads: Option<usize>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) admin: Admin,
    pub(crate) storage: sql::Place,
    pub(crate) session: Session,
    /// Where failures are counted.
    pub(crate) counters: Counters,
    /// What failures cost.
    pub(crate) budgets: Budgets,
    pub(crate) log: Log,
    pub(crate) pages: text::Config,
    /// How messages leave, if they do.
    pub(crate) mail: Option<mail::Settings>,
    /// Sorted by name.
    pub(crate) connections: Vec<ConnectionEntry>,
    /// In the order of the file.
    pub(crate) routes: Vec<route::Config>,
}

impl Settings {
    /// The keys that differ from those of `new` and count only after a restart.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            (
                "server.listeners",
                !same_listeners(&self.listeners, &new.listeners),
            ),
            ("server.secret", !self.secret.matches(new.secret.expose())),
            ("server.threads", self.threads != new.threads),
            (
                "server.shutdown_timeout",
                self.shutdown_timeout != new.shutdown_timeout,
            ),
            ("admin", self.admin != new.admin),
            ("storage", self.storage != new.storage),
            ("session.store", self.session.store != new.session.store),
            ("protection.counters", self.counters != new.counters),
            ("session.cache", self.session.cache != new.session.cache),
            ("log.level", self.log.level != new.log.level),
            ("log.format", self.log.format != new.log.format),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}

/// Whether two lists come to the same, wherever in the file they stand.
fn same_listeners(one: &[Listener], other: &[Listener]) -> bool {
    let facts = |listener: &Listener| Listener {
        key: String::new(),
        ..listener.clone()
    };
    one.iter().map(facts).eq(other.iter().map(facts))
}

/// One address we listen on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listener {
    pub(crate) address: Address,
    /// Without one: no TLS.
    pub(crate) certificates: Vec<CertificateConfig>,
    /// Whose client certificates are demanded.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether they are asked for.
    pub(crate) client_certificates: ClientCertificates,
    pub(crate) serves: Serves,
    /// Where the address stands in the file.
    pub(crate) key: String,
}

/// Where a listener is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// A socket file and its mode.
    Unix(PathBuf, u32),
}

/// What is for the operator only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) hosts: Vec<Host>,
}

/// What holds for every session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    pub(crate) store: SessionStore,
    pub(crate) idle_timeout: Duration,
    pub(crate) absolute_timeout: Duration,
    /// How long a cached session counts while the store does not answer.
    pub(crate) stale_for: Duration,
    /// How many sessions are cached.
    pub(crate) cache: u64,
}

/// Where sessions are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SessionStore {
    Memory,
    Redis(Box<redis::Options>),
    Storage,
}

/// What is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Log {
    /// `None`: as the output is a terminal or not.
    pub(crate) format: Option<LogFormat>,
    /// Directives of `tracing_subscriber::EnvFilter`, known to be sound.
    pub(crate) level: String,
    pub(crate) access: bool,
}

/// One `[connections.NAME]` table, read and not yet opened.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    pub(crate) id: ConnectionId,
    pub(crate) common: Common,
    pub(crate) strategy: &'static Strategy,
    pub(crate) own: Box<dyn OpenConnection>,
    /// Another number means another table, secrets included. Good within this process only.
    pub(crate) fingerprint: u64,
}
