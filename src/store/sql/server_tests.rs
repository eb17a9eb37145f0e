//! The suite on PostgreSQL and MariaDB, and what can happen to a server.

#[expect(clippy::disallowed_methods, reason = "a server starts in real time")]
#[path = "../../../tests/it/support/database_servers.rs"]
mod database_servers;

use self::database_servers::{DatabaseServer, Engine, PASSWORD};
use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    secret::Secret,
    store::{
        Change, ChangeFeed as _, Changes, Created, FactorStore as _, Issued, KeyStore as _,
        NewSession, NewUser, SessionStore, UserStore, Whose,
        conformance::{self, Directory, Fresh},
    },
};

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

fn config(url: &str) -> Config {
    Config {
        url: Secret::new(url.to_owned()),
        password: Some(Secret::new(PASSWORD.to_owned())),
        ..Config::default()
    }
}

async fn open(url: &str, clock: Arc<ManualClock>) -> Result<Sql, StoreError> {
    Sql::open(&config(url).build().unwrap(), clock).await
}

/// Empties a database that an earlier check has used: to make one takes far longer.
const EMPTY: [&str; 20] = [
    "DELETE FROM recovery_codes",
    "DELETE FROM factors",
    "DELETE FROM account_logins",
    "DELETE FROM accounts",
    "DELETE FROM identities",
    "DELETE FROM users",
    "DELETE FROM handles",
    "DELETE FROM session_handles",
    "DELETE FROM session_identities",
    "DELETE FROM session_sids",
    "DELETE FROM sessions",
    "DELETE FROM session_cutoffs",
    "DELETE FROM one_time_rows",
    "DELETE FROM one_time_uses",
    "DELETE FROM counters",
    "DELETE FROM pins",
    "DELETE FROM \"keys\"",
    "DELETE FROM events",
    "DELETE FROM changes",
    "UPDATE feed SET newest = 0",
];

async fn fresh(url: &str) -> (Arc<Sql>, Arc<ManualClock>) {
    let clock = clock();
    let store = open(url, clock.clone()).await.unwrap();
    let mut write = store.write().await.unwrap();
    for statement in EMPTY {
        write.command(statement).await.unwrap();
    }
    write.end(true).await.unwrap();
    (Arc::new(store), clock)
}

/// Each of these is a test on each engine.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(super::Engine::Postgres).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(super::Engine::MariaDb).await;
            })*
        }
    };
}

on_each_engine! {
    keeps_sessions_as_promised,
    keeps_users_as_promised,
    a_follower_misses_nothing,
    a_login_under_way_is_seen_by_who_ends_sessions,
    two_that_wait_for_each_other_both_get_through,
    a_server_that_was_away_is_found_again,
    a_program_that_is_too_old_is_refused,
    many_open_an_empty_database_at_once,
    a_pool_has_an_end,
    a_newer_program_may_add_columns_meanwhile,
}

async fn keeps_sessions_as_promised(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let url = server.database("sessions");
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (store, clock) = fresh(&url).await;
        let store: Arc<dyn SessionStore> = store;
        Fresh {
            store,
            clock,
            _folder: None,
        }
    })
    .await;
}

async fn keeps_users_as_promised(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let url = server.database("users");
    let suite = conformance::user_store(async || -> Fresh<dyn Directory> {
        let (store, clock) = fresh(&url).await;
        let store: Arc<dyn Directory> = store;
        Fresh {
            store,
            clock,
            _folder: None,
        }
    });
    Box::pin(suite).await;
}

fn numbered(number: u32) -> NewSession {
    let mut new = conformance::login(conformance::session(1, "alice"), 1);
    new.record.id.0[..4].copy_from_slice(&number.to_be_bytes());
    new.handle.hash.0[..4].copy_from_slice(&number.to_be_bytes());
    new.handle.session = new.record.id;
    new
}

/// Whoever asks for what comes after the last number seen gets every change, though many note them
/// at once, and some take them back.
async fn a_follower_misses_nothing(engine: Engine) {
    const WRITERS: u32 = 6;
    const EACH: u32 = 15;
    let server = DatabaseServer::start(engine);
    let (store, _) = fresh(&server.database("feed")).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let id = numbered(writer * EACH + number).record.id;
                    let mut write = store.write().await.unwrap();
                    write.note_changes(&[Change::Session(id)]).await.unwrap();
                    let pause = Duration::from_millis(u64::from(number % 3));
                    tokio::time::sleep(pause).await;
                    write.end(number % 5 != 4).await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = 0;
    let mut told = Vec::new();
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        match store.since(seen, 10).await.unwrap() {
            Changes::Listed { changes, newest } => {
                if over && changes.is_empty() {
                    break;
                }
                (seen, told) = (newest, [told, changes].concat());
            }
            gap @ Changes::Gap { .. } => panic!("{gap:?} after {seen}"),
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let kept = u64::from(WRITERS * EACH / 5 * 4);
    assert_eq!((seen, told.len() as u64), (kept, kept));
}

/// A session that was not to be seen yet when all of them were ended would live on.
async fn a_login_under_way_is_seen_by_who_ends_sessions(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let (store, _) = fresh(&server.database("ends")).await;
    let new = NewSession {
        proven_at: START,
        ..numbered(1)
    };
    let mut login = store.write().await.unwrap();
    let issued = login.issue_session(&new).await.unwrap();
    assert_eq!(issued, Issued::Issued);
    let whose = Whose::User(new.record.user.clone());
    let end = tokio::spawn({
        let (store, whose) = (store.clone(), whose.clone());
        async move { store.remove_all(&whose, None).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!end.is_finished(), "it did not wait for the login");
    login.end(true).await.unwrap();
    assert_eq!(end.await.unwrap(), 1);
    assert_eq!(
        SessionStore::find(&*store, new.record.id).await.unwrap(),
        None
    );
    // Nor is one opened by who did not see the end yet.
    assert_eq!(store.issue(new).await.unwrap(), Issued::Outdated);
    // Logins do not wait for each other.
    let mut one = store.write().await.unwrap();
    let fresh = |number| NewSession {
        proven_at: START + Duration::from_mins(1),
        ..numbered(number)
    };
    let issued = one.issue_session(&fresh(2)).await.unwrap();
    assert_eq!(issued, Issued::Issued);
    assert_eq!(store.issue(fresh(3)).await.unwrap(), Issued::Issued);
    one.end(true).await.unwrap();
}

async fn two_that_wait_for_each_other_both_get_through(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let (store, _) = fresh(&server.database("knot")).await;
    for number in [1, 2] {
        let issued = store.issue(numbered(number)).await.unwrap();
        assert_eq!(issued, Issued::Issued);
    }
    let both_hold_one = Arc::new(tokio::sync::Barrier::new(2));
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks: Vec<_> = [[1, 2], [2, 1]]
        .into_iter()
        .map(|order| {
            let (store, barrier) = (store.clone(), both_hold_one.clone());
            let tries = tries.clone();
            tokio::spawn(async move {
                let first = std::sync::atomic::AtomicBool::new(true);
                let locked = store.change(|| async {
                    tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let mut write = store.write().await?;
                    write.lock_session(numbered(order[0]).record.id).await?;
                    if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                        barrier.wait().await;
                    }
                    let locked = write.lock_session(numbered(order[1]).record.id).await?;
                    write.end(true).await?;
                    Ok(locked)
                });
                locked.await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert!(tries.load(std::sync::atomic::Ordering::SeqCst) > 2);
}

async fn a_server_that_was_away_is_found_again(engine: Engine) {
    let mut server = DatabaseServer::start(engine);
    let (store, _) = fresh(&server.database("away")).await;
    assert_eq!(store.issue(numbered(1)).await.unwrap(), Issued::Issued);
    server.kill();
    #[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
    let begun = std::time::Instant::now();
    let lost = store.issue(numbered(2)).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
    let lost = store.load(&numbered(1).handle.hash).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
    assert!(begun.elapsed() < 2 * PATIENCE + Duration::from_secs(1));
    server.begin();
    assert_eq!(store.issue(numbered(3)).await.unwrap(), Issued::Issued);
    for (number, there) in [(1, true), (2, false), (3, true)] {
        let loaded = store.load(&numbered(number).handle.hash).await.unwrap();
        assert_eq!(loaded.is_some(), there, "{number}");
    }
}

async fn a_program_that_is_too_old_is_refused(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let url = server.database("newer");
    drop(fresh(&url).await);
    server.sql_in("newer", "UPDATE schema_info SET oldest = 1000");
    let refused = open(&url, clock()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::TooNew { demands: 1000, .. }),
        "{refused:?}"
    );
}

async fn many_open_an_empty_database_at_once(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let url = server.database("many");
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = open(&url, clock()).await.unwrap();
                assert_eq!(store.issue(numbered(number)).await.unwrap(), Issued::Issued);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Off the loopback the driver verifies what it speaks to, whatever the URL says.
#[test]
fn another_machine_is_spoken_to_over_verified_tls() {
    use sqlx::{mysql::MySqlSslMode, postgres::PgSslMode};
    let verifies = |url: &str, ca: bool, plain: bool| {
        let place = Config {
            url: Secret::new(url.to_owned()),
            ca: ca.then(|| "ca.pem".into()),
            danger_plain_database: plain,
            ..Config::default()
        };
        let Place::Server(server) = place.build().unwrap() else {
            panic!("{url} is no server");
        };
        match server.options {
            config::Options::MySql(options) => {
                matches!(options.get_ssl_mode(), MySqlSslMode::VerifyIdentity)
            }
            config::Options::Postgres(options) => {
                matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
            }
        }
    };
    for (place, is_inside) in [
        ("u@db.example/d", false),
        ("u@10.0.0.1/d", false),
        ("u@localhost.example/d", false),
        ("u@[2001:db8::1]:99/d", false),
        ("u@localhost/d", true),
        ("u@127.0.0.1:99/d", true),
        ("u@[::1]/d", true),
    ] {
        for (scheme, off) in [
            ("postgres", "sslmode=disable"),
            ("mysql", "ssl-mode=DISABLED"),
        ] {
            for query in ["", off] {
                let url = format!("{scheme}://{place}?{query}");
                assert_eq!(verifies(&url, false, false), !is_inside, "{url}");
                assert!(verifies(&url, true, false), "{url} with an authority");
                assert!(!verifies(&url, false, true), "{url}, dangerously");
            }
        }
    }
}

/// A migration that only one engine has would leave the others behind without a word.
#[tokio::test]
async fn every_engine_has_the_same_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let sqlite = Sql::open_file(&path, clock()).await.unwrap();
    let of_sqlite = "SELECT t.name || '.' || c.name AS named FROM sqlite_schema AS t \
        JOIN pragma_table_xinfo(t.name) AS c WHERE t.type = 'table' AND t.name NOT LIKE '%sql%'";
    let held = columns(&sqlite, of_sqlite).await;
    assert!(held.contains("accounts.previous_hashes") && held.contains("users.email"));
    for (engine, own, text) in [
        (
            Engine::Postgres,
            "feed",
            "SELECT table_name || '.' || column_name AS named FROM information_schema.columns \
             WHERE table_schema = current_schema()",
        ),
        (
            Engine::MariaDb,
            "feed locks",
            "SELECT CONCAT(table_name, '.', column_name) AS named \
             FROM information_schema.columns WHERE table_schema = DATABASE()",
        ),
    ] {
        let server = DatabaseServer::start(engine);
        let (store, _) = fresh(&server.database("same")).await;
        let mut found = columns(&store, text).await;
        found.retain(|name| {
            let (table, _) = name.split_once('.').unwrap();
            !own.split(' ').any(|own| own == table) && !table.contains("sql")
        });
        assert_eq!(found, held, "{engine:?}");
    }
}

async fn columns(store: &Sql, text: &'static str) -> std::collections::BTreeSet<String> {
    let rows = query::query(text).fetch_all(&store.readers).await.unwrap();
    let named = rows.iter().map(|row| row::column(row, "named").unwrap());
    named.collect()
}

/// Two versions share a database during a restart.
async fn a_newer_program_may_add_columns_meanwhile(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let (store, _) = fresh(&server.database("newer")).await;
    lives_with_new_columns(&store).await;
}

#[tokio::test]
async fn a_newer_program_may_add_columns_to_a_file_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    lives_with_new_columns(&Sql::open_file(&path, clock()).await.unwrap()).await;
}

async fn lives_with_new_columns(store: &Sql) {
    let new = conformance::sign_up("members", "ann");
    let account = conformance::account("members", "ann");
    let ann = NewUser {
        account: Some(account.clone()),
        factor: None,
        ..new
    };
    let (id, identity) = (ann.user.id.clone(), ann.identity.clone());
    assert_eq!(store.create(ann).await.unwrap(), Created::Created);
    assert_eq!(store.issue(numbered(1)).await.unwrap(), Issued::Issued);
    let (connection, subject) = (&identity.connection, &identity.subject);
    let read = async || {
        assert!(UserStore::find(store, &id).await.unwrap().is_some());
        assert!(store.find_by_handle("ann").await.unwrap().is_some());
        assert!(
            store
                .find_by_identity(connection, subject)
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(
            UserStore::list(store, None, None, 9).await.unwrap().len(),
            1
        );
        assert_eq!(
            UserStore::list(store, Some("n"), None, 9)
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(store.identities(&id).await.unwrap().len(), 1);
        assert!(store.account(connection, subject).await.unwrap().is_some());
        assert!(
            store
                .account_by_login(connection, "ann-x")
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(store.events(9).await.unwrap().len(), 2);
        assert!(
            store
                .load(&numbered(1).handle.hash)
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            SessionStore::find(store, numbered(1).record.id)
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(
            SessionStore::list(store, &Whose::All, 9)
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(store.factors(&id).await.unwrap(), []);
        assert_eq!(store.keys().await.unwrap(), []);
        assert!(store.refresh_identity(&identity, START).await.unwrap());
    };
    read().await;
    read().await;
    let mut newer = store.write().await.unwrap();
    for add in [
        "ALTER TABLE accounts ADD COLUMN more BIGINT",
        "ALTER TABLE events ADD COLUMN more BIGINT",
        "ALTER TABLE factors ADD COLUMN more BIGINT",
        "ALTER TABLE identities ADD COLUMN more BIGINT",
        "ALTER TABLE \"keys\" ADD COLUMN more BIGINT",
        "ALTER TABLE sessions ADD COLUMN more BIGINT",
        "ALTER TABLE users ADD COLUMN more BIGINT",
    ] {
        // STRICT tables of SQLite know INTEGER alone.
        let add = match &store.readers {
            Pool::Sqlite(_) => add.replace("BIGINT", "INTEGER"),
            Pool::MySql(_) | Pool::Postgres(_) => add.to_owned(),
        };
        newer.command(add.leak()).await.unwrap();
    }
    newer.end(true).await.unwrap();
    read().await;
    assert!(store.replace_account(account, 1, None).await.unwrap());
}

/// Whoever writes waits for a connection, but not for long, and whoever reads does not wait for
/// them.
async fn a_pool_has_an_end(engine: Engine) {
    let server = DatabaseServer::start(engine);
    let url = server.database("narrow");
    drop(fresh(&url).await);
    let config = Config {
        max_connections: Some(2),
        ..config(&url)
    };
    let store = Sql::open(&config.build().unwrap(), clock()).await.unwrap();
    let write = store.write().await.unwrap();
    let late = store.issue(numbered(1)).await.unwrap_err();
    assert!(matches!(late, StoreError::Unavailable(_)), "{late:?}");
    let loads: Vec<_> = (0..30)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&numbered(number).handle.hash).await })
        })
        .collect();
    for load in loads {
        assert_eq!(load.await.unwrap().unwrap(), None);
    }
    let open = match engine {
        Engine::Postgres => "SELECT count(*) FROM pg_stat_activity WHERE datname = 'narrow'",
        Engine::MariaDb => {
            "SELECT count(*) FROM information_schema.processlist WHERE db = 'narrow'"
        }
    };
    let open: u32 = server.sql(open).trim().parse().unwrap();
    assert!(open <= 2, "{open} connections");
    // Who goes away in the middle leaves nothing behind, and no lock.
    drop(write);
    assert_eq!(store.issue(numbered(1)).await.unwrap(), Issued::Issued);
}

/// Where the account is set to forget the last commits, each of our connections is not.
#[tokio::test]
async fn a_commit_is_on_the_disk_whatever_the_account_is_set_to() {
    let server = DatabaseServer::start(Engine::Postgres);
    let url = server.database("durable");
    server.sql("ALTER ROLE vestibule SET synchronous_commit = off");
    server.sql("ALTER ROLE vestibule SET default_transaction_isolation = 'repeatable read'");
    let (store, _) = fresh(&url).await;
    let mut write = store.write().await.unwrap();
    for (setting, value) in [
        ("SELECT current_setting('synchronous_commit') AS it", "on"),
        (
            "SELECT current_setting('transaction_isolation') AS it",
            "read committed",
        ),
    ] {
        let row = query::query(setting).fetch_one(write.sql()).await.unwrap();
        assert_eq!(row::column::<String>(&row, "it").unwrap(), value);
    }
    write.end(false).await.unwrap();
}
