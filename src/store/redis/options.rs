//! Which server, and how it is spoken to.

use std::{fmt, path::PathBuf};

use crate::secret::Secret;

/// Everything that must be known to find the server and to be let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Options {
    pub(super) servers: Servers,
    pub(super) login: Login,
    pub(super) database: u16,
    /// `None`: plain TCP.
    pub(super) tls: Option<Tls>,
    /// What all keys begin with; several deployments share a server by it.
    pub(super) prefix: String,
    /// How many replicas must have what was used or ended before it is answered.
    pub(super) wait_for_replicas: u8,
}

/// Where the one server that has the keys is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Servers {
    /// Nodes of a cluster; they know each other.
    Cluster(Vec<Address>),
    One(Address),
    /// Whom to ask for the server that is called `master`.
    Sentinels {
        addresses: Vec<Address>,
        master: String,
        login: Login,
    },
}

/// A host and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who we are to the server. Without a username: the user `default`.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.password, &other.password) {
            (Some(one), Some(two)) => one.matches(two.expose()),
            (None, None) => true,
            _ => false,
        };
        same && self.username == other.username
    }
}

impl Eq for Login {}

/// PEM files, read at each new connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tls {
    /// Whose certificates are trusted; `None`: the authorities of the system.
    pub(super) ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}
