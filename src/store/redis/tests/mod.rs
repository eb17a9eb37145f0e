//! The suite on everything that we speak to, and what becomes of a server.

mod failures;
mod servers;
mod settings;

use std::sync::atomic::{AtomicU32, Ordering};

use self::servers::{Server, cluster, replica, sentinel};
use super::{
    options::{Address, Login, Servers},
    *,
};
use crate::{
    clock::{ManualClock, Timestamp},
    random::OsRandom,
    secret::Secret,
    store::{
        Change, ChangeFeed as _, Changes, Issued, OneTimeStore as _, Purpose, SessionId,
        SessionStore, Whose,
        conformance::{self, Fresh},
    },
};

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn address(port: u16) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

/// Other keys each time, at these servers.
fn options(servers: Servers) -> Options {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    Options {
        servers,
        login: Login::default(),
        database: 0,
        tls: None,
        prefix: format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        wait_for_replicas: 0,
    }
}

async fn open(options: Options) -> Result<(Arc<Redis>, Arc<ManualClock>), StoreError> {
    let clock = Arc::new(ManualClock::at(START));
    let redis = Redis::open(options, clock.clone(), Arc::new(OsRandom)).await?;
    Ok((Arc::new(redis), clock))
}

async fn opened(servers: Servers) -> Arc<Redis> {
    open(options(servers)).await.unwrap().0
}

/// Runs the suite, each check with keys of its own.
async fn conforms(options_of: impl Fn() -> Options) {
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (redis, clock) = open(options_of()).await.unwrap();
        let store: Arc<dyn SessionStore> = redis;
        Fresh {
            store,
            clock,
            _folder: None,
        }
    })
    .await;
}

fn login(number: u8) -> crate::store::NewSession {
    conformance::login(conformance::session(number, "alice"), number)
}

fn id(number: u8) -> SessionId {
    SessionId([number; 16])
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_sessions_as_promised() {
    let server = Server::redis(&[]).await;
    let port = server.port;
    conforms(|| options(Servers::One(address(port)))).await;
    // Nothing stays for ever, whatever was done.
    let endless = "local keys = redis.call('KEYS', '*') for _, key in ipairs(keys) do \
                   if redis.call('PTTL', key) < 0 then return key end end return #keys";
    let keys = server.cli(&["eval", endless, "0"]);
    let keys: u32 = keys
        .parse()
        .unwrap_or_else(|_| panic!("{keys:?} has no end"));
    assert!(keys > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_keeps_sessions_as_promised() {
    let server = Server::valkey(&[]).await;
    conforms(|| options(Servers::One(address(server.port)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_sessions_as_promised() {
    let nodes = cluster().await;
    // Wherever the search begins, it ends at the node that has the slot.
    let seeds: Vec<_> = nodes.iter().map(|node| address(node.port)).collect();
    conforms(|| options(Servers::Cluster(seeds.clone()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_waits_for_its_replica_keeps_sessions_as_promised() {
    let master = Server::redis(&[]).await;
    let _replica = replica(&master).await;
    let sentinel = sentinel(&master).await;
    conforms(|| Options {
        wait_for_replicas: 1,
        ..options(behind(&sentinel))
    })
    .await;
}

fn behind(sentinel: &Server) -> Servers {
    Servers::Sentinels {
        addresses: vec![address(sentinel.port)],
        master: "sessions".to_owned(),
        login: Login::default(),
    }
}
