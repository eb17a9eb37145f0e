//! The way to the one server that has the keys.
//!
//! A sentinel is asked for it, a node of a cluster sends us to it, and one server is it. It is
//! looked for when there is a call and no link, by one caller for all. A link that failed is given
//! up, and the next call looks again: that is how a failover and a restart are followed, whoever
//! stays connected to a server that is none any more.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates, aio::MultiplexedConnection,
};

use super::{
    options::{Address, Login, Options},
    script::{Call, Kind},
};
use crate::{clock::Timestamp, random::Random};

/// How long one step of the search may take: a connection, a question.
pub(super) const STEP: Duration = Duration::from_secs(1);
/// How long replicas may take to acknowledge, in milliseconds.
const ACKNOWLEDGED_WITHIN: u64 = 1000;

/// The present link, and how to get another one.
pub(super) struct Links {
    pub(super) options: Options,
    pub(super) random: Arc<dyn Random>,
    current: ArcSwapOption<Link>,
    /// One looks, the others wait for what they find.
    search: tokio::sync::Mutex<()>,
    pub(super) searches: AtomicU64,
    last_error: Mutex<Option<String>>,
    /// The name of the data that were joined last.
    pub(super) joined: Mutex<Option<String>>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Links {
    pub(super) fn new(options: Options, random: Arc<dyn Random>) -> Self {
        Self {
            options,
            random,
            current: ArcSwapOption::empty(),
            search: tokio::sync::Mutex::default(),
            searches: AtomicU64::new(0),
            last_error: Mutex::default(),
            joined: Mutex::default(),
        }
    }

    /// The link, or what the search for one that has just ended brought.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Arc<Link>, LinkError> {
        if let Some(link) = self.current.load_full() {
            return Ok(link);
        }
        let before = self.searches.load(Ordering::Acquire);
        let _turn = self.search.lock().await;
        if let Some(link) = self.current.load_full() {
            return Ok(link);
        }
        if self.searches.load(Ordering::Acquire) != before {
            let why = self.last_error.lock().clone();
            return Err(LinkError::Away(why.unwrap_or_default()));
        }
        let found = self.find().await;
        self.searches.fetch_add(1, Ordering::AcqRel);
        match found {
            Ok(link) => {
                tracing::info!(address = %link.address, "connected to the sessions' server");
                let link = Arc::new(link);
                self.current.store(Some(link.clone()));
                self.watch(&link);
                Ok(link)
            }
            Err(error) => {
                *self.last_error.lock() = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Whether this is the present link.
    pub(super) fn is_current(&self, link: &Arc<Link>) -> bool {
        let current = self.current.load();
        current.as_ref().is_some_and(|one| Arc::ptr_eq(one, link))
    }

    /// Looks for another link from now on, unless that was done already.
    pub(super) fn give_up(&self, link: &Arc<Link>) {
        self.current.compare_and_swap(link, None);
    }

    /// A connection to this address, with nothing said yet but who we are.
    pub(super) async fn connect(
        &self,
        address: &Address,
        login: &Login,
        database: u16,
    ) -> Result<MultiplexedConnection, LinkError> {
        let failed = |error| LinkError::Redis(address.clone(), error);
        let client = self.client(address, login, database).await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(STEP))
            .set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(STEP, connecting).await {
            Ok(connected) => connected.map_err(failed),
            Err(_) => Err(LinkError::Silent(address.clone())),
        }
    }

    async fn client(
        &self,
        address: &Address,
        login: &Login,
        database: u16,
    ) -> Result<Client, LinkError> {
        let failed = |error| LinkError::Redis(address.clone(), error);
        let (host, port) = (address.host.clone(), address.port);
        let place = if self.options.tls.is_some() {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default()
            .set_db(i64::from(database))
            .set_lib_name("vestibule", env!("CARGO_PKG_VERSION"));
        if let Some(username) = &login.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password.expose());
        }
        let info = place.into_connection_info().map_err(failed)?;
        let info = info.set_redis_settings(settings);
        match &self.options.tls {
            None => Client::open(info).map_err(failed),
            Some(tls) => {
                let root_cert = match &tls.ca {
                    Some(path) => Some(read(path).await?),
                    None => None,
                };
                let client_tls = match &tls.identity {
                    Some((certificate, key)) => Some(ClientTlsConfig {
                        client_cert: read(certificate).await?,
                        client_key: read(key).await?,
                    }),
                    None => None,
                };
                let certificates = TlsCertificates {
                    client_tls,
                    root_cert,
                };
                Client::build_with_tls(info, certificates).map_err(failed)
            }
        }
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, LinkError> {
    tokio::fs::read(path)
        .await
        .map_err(|error| LinkError::File {
            path: path.to_owned(),
            error,
        })
}

/// A server that has the keys and was joined.
pub(super) struct Link {
    pub(super) address: Address,
    pub(super) reads: MultiplexedConnection,
    /// Apart, where answers wait for replicas: nobody who reads waits with them.
    pub(super) writes: MultiplexedConnection,
    pub(super) front: String,
    /// The name of the data, which every script compares.
    pub(super) feed: String,
    pub(super) wait_for_replicas: u8,
}

impl Link {
    /// Runs a script, and waits for the replicas if it promises something.
    pub(super) async fn run(
        &self,
        call: &Call,
        now: Timestamp,
    ) -> Result<redis::Value, RedisError> {
        let mut connection = match call.kind {
            Kind::Read => self.reads.clone(),
            Kind::Promise | Kind::Write => self.writes.clone(),
        };
        let mut arguments = Vec::with_capacity(call.arguments.len() + 2);
        arguments.push(self.feed.clone().into_bytes());
        arguments.push(now.millis().to_string().into_bytes());
        arguments.extend(call.arguments.iter().cloned());
        let answer = call
            .script
            .run(&mut connection, &self.front, &arguments)
            .await?;
        let wanted = self.wait_for_replicas;
        if call.kind == Kind::Promise && wanted > 0 && has_written(&answer) {
            let have: u64 = redis::cmd("WAIT")
                .arg(wanted)
                .arg(ACKNOWLEDGED_WITHIN)
                .query_async(&mut connection)
                .await?;
            if have < u64::from(wanted) {
                return Err(redis::make_extension_error(
                    "NOREPLICAS".to_owned(),
                    Some(format!("{have} of {wanted} replicas have acknowledged")),
                ));
            }
        }
        Ok(answer)
    }
}

/// Whether a script that answers this has done what it was asked for: those that refuse write
/// nothing, so there is nothing to wait for.
fn has_written(answer: &redis::Value) -> bool {
    match answer {
        redis::Value::Int(number) => *number > 0,
        redis::Value::Nil => false,
        _ => true,
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// Somebody else has just looked.
    #[error("{0}")]
    Away(String),
    #[error(
        "{address}: its maxmemory-policy is {policy}: when its memory is full it forgets what was \
         used, which could be used again; set it to noeviction"
    )]
    Evicts { address: Address, policy: String },
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{0}")]
    Nowhere(String),
    #[error("{address} is a {role}, no master")]
    NotMaster { address: Address, role: String },
    #[error("{0}: {1}")]
    Redis(Address, #[source] RedisError),
    #[error("{0} does not answer")]
    Silent(Address),
    #[error("{0} knows no master called {1:?}")]
    UnknownMaster(Address, String),
}
