//! The suite, and what can happen to a file.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use sqlx::{AssertSqlSafe, Row as _, SqlitePool, migrate::Migrator};

use super::{
    dialect::{Dialect, Text},
    *,
};
use crate::{
    clock::{ManualClock, SystemClock, Timestamp},
    store::{
        AccountRecord, Change, ChangeFeed, Changes, Event, EventKind, HandleHash, HandleRecord,
        Issued, NewSession, OneTimeStore, OneTimeUse, SessionId, SessionRecord, SessionStore,
        UserStore, Whose,
        conformance::{self, Directory, Fresh},
    },
};

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

async fn open(path: &Path) -> Result<Sql, StoreError> {
    Sql::open_file(path, clock()).await
}

async fn fresh() -> (Arc<Sql>, Arc<ManualClock>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let path = folder.path().join("test.db");
    let store = Sql::open_file(&path, clock.clone()).await.unwrap();
    (Arc::new(store), clock, folder)
}

fn sqlite(pool: &Pool) -> &SqlitePool {
    match pool {
        Pool::Sqlite(pool) => pool,
        Pool::MySql(_) | Pool::Postgres(_) => panic!("{pool:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_sessions_as_promised() {
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (sqlite, clock, folder) = fresh().await;
        let store: Arc<dyn SessionStore> = sqlite;
        Fresh {
            store,
            clock,
            _folder: Some(folder),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_users_as_promised() {
    let suite = conformance::user_store(async || -> Fresh<dyn Directory> {
        let (sqlite, clock, folder) = fresh().await;
        let store: Arc<dyn Directory> = sqlite;
        Fresh {
            store,
            clock,
            _folder: Some(folder),
        }
    });
    Box::pin(suite).await;
}

/// Session `number` of alice, and handle `number` to it.
fn numbered(number: u32) -> NewSession {
    let mut new = conformance::login(conformance::session(1, "alice"), 1);
    new.record.id.0[..4].copy_from_slice(&number.to_be_bytes());
    new.handle.hash.0[..4].copy_from_slice(&number.to_be_bytes());
    new.handle.session = new.record.id;
    new
}

async fn holds(store: &Sql, new: &NewSession) -> bool {
    let loaded = store.load(&new.handle.hash).await.unwrap();
    loaded.is_some_and(|loaded| loaded.session.id == new.record.id)
}

async fn checked(path: &Path) {
    let store = open(path).await.unwrap();
    let row = sqlx::query("PRAGMA integrity_check").fetch_one(sqlite(&store.writers));
    assert_eq!(row.await.unwrap().get::<String, _>(0), "ok");
    store.close().await;
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let (store, _, folder) = fresh().await;
    let new = numbered(1);
    assert_eq!(store.issue(new.clone()).await.unwrap(), Issued::Issued);
    let newest = store.newest().await.unwrap();
    store
        .put(conformance::row(crate::store::Purpose::Owner, 1))
        .await
        .unwrap();
    store
        .create(conformance::sign_up("acme", "alice"))
        .await
        .unwrap();
    store.close().await;

    let store = open(&folder.path().join("test.db")).await.unwrap();
    assert!(holds(&store, &new).await);
    assert_eq!(store.newest().await.unwrap(), newest);
    let owner = conformance::key(crate::store::Purpose::Owner, 1);
    assert!(
        store
            .take(&owner, conformance::at(1))
            .await
            .unwrap()
            .is_some()
    );
    assert!(store.find_by_handle("alice").await.unwrap().is_some());
}

#[tokio::test]
async fn an_event_is_kept_with_its_change_and_only_then() {
    let (store, _, _folder) = fresh().await;
    let events = async || store.events(10).await.unwrap().len();
    let mut again = numbered(1);
    assert_eq!(store.issue(again.clone()).await.unwrap(), Issued::Issued);
    assert_eq!(events().await, 1);
    assert_eq!(store.issue(again.clone()).await.unwrap(), Issued::Changed);
    again.was = Some(9);
    assert_eq!(store.issue(again.clone()).await.unwrap(), Issued::Changed);
    assert_eq!(events().await, 1);
    let handle = HandleRecord {
        hash: HandleHash([9; 32]),
        host: "b.example".to_owned(),
        ..again.handle.clone()
    };
    let mut handed_over = 0;
    for put in [true, false] {
        let row = conformance::row(crate::store::Purpose::Handover, 1);
        let paid = OneTimeUse::Row {
            key: row.key,
            now: conformance::at(1),
        };
        if put {
            store.put(row).await.unwrap();
        }
        let event = Event::new(START, EventKind::HandleIssued, "handover");
        let added = store.add_handle(handle.clone(), paid, event);
        handed_over += usize::from(added.await.unwrap());
        assert_eq!(events().await, 1 + handed_over);
    }
    assert_eq!(handed_over, 1);
    let revoked = || Some(Event::new(START, EventKind::SessionRevoked, "command"));
    assert!(store.remove(again.record.id, revoked()).await.unwrap());
    assert!(!store.remove(again.record.id, revoked()).await.unwrap());
    assert_eq!(store.remove_all(&Whose::All, revoked()).await.unwrap(), 0);
    assert_eq!(events().await, 3);
    // One for all, also when they do not end in one step.
    for number in 0..1001 {
        store.issue(numbered(number)).await.unwrap();
    }
    let before = store.events(10_000).await.unwrap().len();
    assert_eq!(
        store.remove_all(&Whose::All, revoked()).await.unwrap(),
        1001
    );
    assert_eq!(store.events(10_000).await.unwrap().len(), before + 1);
}

#[tokio::test]
async fn a_deleted_user_is_signed_out_everywhere() {
    let (store, _, _folder) = fresh().await;
    let alice = conformance::sign_up("acme", "alice");
    store.create(alice.clone()).await.unwrap();
    for number in 1..4 {
        store.issue(numbered(number)).await.unwrap();
    }
    let mut bob = numbered(9);
    bob.record.user = conformance::user("acme", "bob").id;
    store.issue(bob.clone()).await.unwrap();
    let newest = store.newest().await.unwrap();
    let event = Event::new(START, EventKind::UserDeleted, "command");
    assert!(store.delete(&alice.user.id, event).await.unwrap());
    assert!(!holds(&store, &numbered(2)).await);
    assert!(holds(&store, &bob).await);
    assert_eq!(
        store.since(newest, 10).await.unwrap(),
        Changes::Listed {
            changes: vec![Change::User(alice.user.id)],
            newest: newest + 1
        }
    );
}

#[tokio::test]
async fn a_kind_of_change_from_a_newer_program_is_a_gap() {
    let (store, _, _folder) = fresh().await;
    store.issue(numbered(1)).await.unwrap();
    store.remove(numbered(1).record.id, None).await.unwrap();
    sqlx::query("INSERT INTO changes (at, kind, subject) VALUES (1, 'weather', 'rain')")
        .execute(sqlite(&store.writers))
        .await
        .unwrap();
    let newest = store.newest().await.unwrap();
    let listed = store.since(0, 10).await.unwrap();
    assert_eq!(listed, Changes::Gap { newest });
}

const CHILDS_FILE: &str = "VESTIBULE_TEST_KILLED_WRITER";

/// Not a test by itself: the process that is killed. It says which sessions it has committed.
#[tokio::test]
#[ignore = "started by kill_nine_loses_no_committed_session"]
async fn killed_writer() {
    let Some(path) = std::env::var_os(CHILDS_FILE) else {
        return;
    };
    let store = Sql::open_file(path.as_ref(), Arc::new(SystemClock))
        .await
        .unwrap();
    let mut told = std::io::stdout();
    for number in 0.. {
        assert_eq!(store.issue(numbered(number)).await.unwrap(), Issued::Issued);
        writeln!(told, "committed {number}").unwrap();
        told.flush().unwrap();
    }
}

#[tokio::test]
async fn kill_nine_loses_no_committed_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut committed = 0;
    for round in 0..3_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("store::sql::tests::killed_writer")
            .env(CHILDS_FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        while lines.matches("committed").count() < 40 + 13 * round {
            assert_ne!(told.read_line(&mut lines).unwrap(), 0, "{lines}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told.read_to_string(&mut lines).unwrap();

        checked(&path).await;
        let store = open(&path).await.unwrap();
        // The last line may be cut, but not what it speaks of.
        for number in 0..lines.matches("committed").count() {
            let number = u32::try_from(number).unwrap();
            assert!(holds(&store, &numbered(number)).await, "{number}");
            committed += 1;
        }
        store.remove_all(&Whose::All, None).await.unwrap();
        store.close().await;
    }
    assert!(committed >= 120);
}

/// Fills a store until it says so; says how many sessions went in.
async fn fill(store: &Sql) -> u32 {
    for number in 0..100_000 {
        let mut new = numbered(number);
        new.record.sealed = vec![7; 4000];
        match store.issue(new).await {
            Ok(issued) => assert_eq!(issued, Issued::Issued),
            Err(StoreError::Full(_)) => return number,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("it never got full");
}

async fn a_full_store_goes_on(store: &Sql, held: u32) {
    assert!(held > 3);
    for _ in 0..5 {
        let refused = store.issue(numbered(held + 1)).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    }
    for number in 0..held {
        assert!(holds(store, &numbered(number)).await);
    }
    assert!(!holds(store, &numbered(held + 1)).await);
}

#[tokio::test]
async fn a_full_file_refuses_and_keeps_what_it_has() {
    let (store, _, folder) = fresh().await;
    let limit = async |pages: u32| {
        let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(limit)
            .fetch_all(sqlite(&store.writers))
            .await
            .unwrap();
    };
    // A connection that failed is opened anew, and this limit is its own.
    limit(120).await;
    let held = fill(&store).await;
    for number in 0..held {
        assert!(holds(&store, &numbered(number)).await);
    }
    assert!(!holds(&store, &numbered(held)).await);
    assert_eq!(store.issue(numbered(held)).await.unwrap(), Issued::Issued);
    store.close().await;
    checked(&folder.path().join("test.db")).await;
}

/// A device of a megabyte, gone with the value.
struct TinyDevice(tempfile::TempDir);

impl TinyDevice {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(folder))
    }
}

impl Drop for TinyDevice {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_device_refuses_and_keeps_what_it_has() {
    let Some(device) = TinyDevice::mount() else {
        println!("no right to mount; a_full_file_refuses_and_keeps_what_it_has stands for this");
        return;
    };
    let ballast = device.0.path().join("ballast");
    fs::write(&ballast, vec![0; 200 * 1024]).unwrap();
    let path = device.0.path().join("test.db");
    let store = open(&path).await.unwrap();
    let held = fill(&store).await;
    a_full_store_goes_on(&store, held).await;
    // Room was made: it works again without a restart.
    fs::remove_file(&ballast).unwrap();
    assert_eq!(store.issue(numbered(held)).await.unwrap(), Issued::Issued);
    store.close().await;
    checked(&path).await;

    let rest = device.0.path().join("rest");
    let mut rest = fs::File::create(rest).unwrap();
    while rest.write_all(&[0; 512]).is_ok() {}
    let opened = open(&device.0.path().join("new/test.db")).await;
    assert!(matches!(opened, Err(StoreError::Full(_))), "{opened:?}");
}

#[tokio::test]
async fn a_locked_file_is_unavailable_in_time() {
    let (store, _, folder) = fresh().await;
    store.issue(numbered(1)).await.unwrap();
    let other = open(&folder.path().join("test.db")).await.unwrap();
    let lock = other.write().await.unwrap();
    let errors = metrics::STORE_ERRORS.get();
    #[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
    let begun = Instant::now();
    let (first, second) = tokio::join!(store.issue(numbered(2)), store.issue(numbered(3)));
    for refused in [first, second] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    }
    assert!(begun.elapsed() < PATIENCE + Duration::from_secs(1));
    assert!(metrics::STORE_ERRORS.get() >= errors + 2);
    // Whoever reads does not wait.
    assert!(holds(&store, &numbered(1)).await);
    drop(lock);
    assert_eq!(store.issue(numbered(2)).await.unwrap(), Issued::Issued);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_writer_free() {
    let (store, _, _folder) = fresh().await;
    for number in 0..60 {
        let wait = Duration::from_micros(u64::from(number) * 40);
        let _ = tokio::time::timeout(wait, store.issue(numbered(number))).await;
    }
    let mut abandoned = store.write().await.unwrap();
    abandoned
        .delete_sessions(&[numbered(1).record.id])
        .await
        .unwrap();
    drop(abandoned);
    assert_eq!(store.issue(numbered(100)).await.unwrap(), Issued::Issued);
    assert!(holds(&store, &numbered(100)).await);
}

#[tokio::test]
async fn what_is_no_database_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    fs::write(&path, "this is a letter, not a database\n".repeat(200)).unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains("file is not a database"), "{said}");
}

#[tokio::test]
async fn overwritten_bytes_are_corrupt() {
    let (store, _, folder) = fresh().await;
    for number in 0..200 {
        store.issue(numbered(number)).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join("test.db");
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(3) {
        page.fill(0xa5);
    }
    fs::write(&path, &bytes).unwrap();
    let said = match open(&path).await {
        Err(refused) => refused,
        Ok(store) => SessionStore::find(&store, numbered(1).record.id)
            .await
            .unwrap_err(),
    };
    assert!(matches!(said, StoreError::Corrupt(_)), "{said:?}");
    let said = said.to_string();
    assert!(said.contains("malformed"), "{said}");
}

#[tokio::test]
async fn a_value_that_does_not_parse_is_corrupt_and_not_repeated() {
    let (store, _, _folder) = fresh().await;
    for (change, column) in [
        (
            "UPDATE sessions SET authentications = '\"hunter2\"'",
            "authentications",
        ),
        ("UPDATE sessions SET user_id = 'hunter2'", "user_id"),
        ("UPDATE sessions SET sids = 'hunter2'", "sids"),
        ("UPDATE sessions SET version = -1", "version"),
    ] {
        store.issue(numbered(1)).await.unwrap();
        // STRICT keeps text out of a column of bytes; what slips through does not parse.
        let _ = sqlx::query(change).execute(sqlite(&store.writers)).await;
        let cast = "UPDATE sessions SET sids = CAST(sids || 'x' AS BLOB)";
        if column == "sids" {
            sqlx::query(cast)
                .execute(sqlite(&store.writers))
                .await
                .unwrap();
        }
        let said = SessionStore::find(&*store, numbered(1).record.id)
            .await
            .unwrap_err();
        assert!(matches!(said, StoreError::Corrupt(_)), "{said:?}");
        let said = said.to_string();
        assert!(said.contains(column) && !said.contains("hunter2"), "{said}");
        store.remove_all(&Whose::All, None).await.unwrap();
    }
}

#[tokio::test]
async fn the_files_belong_to_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/test.db");
    let store = open(&path).await.unwrap();
    store.issue(numbered(1)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        assert_eq!(mode(name.as_ref()), 0o600, "{}", name.display());
    }
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(&folder.path().join("a/b")), 0o700);
}

#[tokio::test]
async fn connections_are_set_up_to_last() {
    let (store, _, _folder) = fresh().await;
    let ask = async |pool: &SqlitePool, pragma: &'static str| {
        let row = sqlx::query(pragma).fetch_one(pool).await.unwrap();
        row.try_get::<i64, _>(0)
            .map_or_else(|_| row.get::<String, _>(0), |number| number.to_string())
    };
    for (pragma, value) in [
        ("PRAGMA synchronous", "2"), // FULL
        ("PRAGMA journal_mode", "wal"),
        ("PRAGMA foreign_keys", "1"),
        ("PRAGMA busy_timeout", "2000"),
    ] {
        assert_eq!(ask(sqlite(&store.writers), pragma).await, value, "{pragma}");
    }
    assert_eq!(
        ask(sqlite(&store.readers), "PRAGMA busy_timeout").await,
        "2000"
    );
    let write = sqlx::query("DELETE FROM sessions").execute(sqlite(&store.readers));
    let refused = write.await.unwrap_err().to_string();
    assert!(refused.contains("readonly"), "{refused}");
}

#[tokio::test]
async fn a_program_that_is_too_old_is_refused() {
    let (store, _, folder) = fresh().await;
    store.close().await;
    let path = folder.path().join("test.db");
    // A newer program: it has one migration more, which older programs can live with.
    let newer = folder.path().join("migrations");
    fs::create_dir(&newer).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql/migrations/sqlite");
    let mut known = 0;
    for file in fs::read_dir(ours).unwrap().map(Result::unwrap) {
        let name = file.file_name();
        fs::copy(file.path(), newer.join(&name)).unwrap();
        let number = name.to_str().unwrap().split('_').next().unwrap();
        known = known.max(number.parse().unwrap());
    }
    fs::write(
        newer.join(format!("{:04}_more.sql", known + 1)),
        "ALTER TABLE users ADD COLUMN nickname TEXT;",
    )
    .unwrap();
    let newer_program = async || {
        let migrations = Migrator::new(newer.as_path()).await.unwrap();
        let store = Sql::open_file_with(&path, clock(), &migrations).await;
        store.unwrap().close().await;
    };
    newer_program().await;
    let store = open(&path).await.unwrap();
    store.issue(numbered(1)).await.unwrap();
    store.close().await;
    // The next one takes away what older programs read.
    let least = known + 2;
    fs::write(
        newer.join(format!("{least:04}_less.sql")),
        format!("UPDATE schema_info SET oldest = {least}; DROP TABLE pins;"),
    )
    .unwrap();
    newer_program().await;
    let refused = open(&path).await.unwrap_err();
    let StoreError::TooNew { demands, knows } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!((*demands, *knows), (least, known));
    let said = refused.to_string();
    assert!(said.contains("newer version"), "{said}");
    newer_program().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_can_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let path = path.clone();
            tokio::spawn(async move {
                let store = open(&path).await.unwrap();
                store.issue(numbered(number)).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let store = open(&path).await.unwrap();
    assert_eq!(
        SessionStore::list(&store, &Whose::All, 20)
            .await
            .unwrap()
            .len(),
        12
    );
}

#[test]
fn a_storage_url_names_a_file() {
    let path = |url| Sql::path_in(url).map(|path| path.display().to_string());
    assert_eq!(path("sqlite://data/a.db").as_deref(), Some("data/a.db"));
    assert_eq!(path("sqlite:///var/a.db").as_deref(), Some("/var/a.db"));
    for bad in [
        "sqlite://",
        "sqlite://:memory:",
        "sqlite://a.db?mode=ro",
        "sqlite:a.db",
        "postgres://x",
        "a.db",
    ] {
        assert_eq!(path(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn every_look_up_has_an_index() {
    let (store, _, _folder) = fresh().await;
    let user = conformance::user("acme", "alice").id;
    let connection = || "acme".parse().unwrap();
    let statements = [
        accounts::BY_LOGIN,
        factors::CODES_LEFT,
        factors::FACTOR,
        factors::FACTORS,
        identities::IDENTITIES,
        one_time::COUNTED,
        one_time::PEEK,
        one_time::WAS_USED,
        session_rows::DELETE,
        session_rows::OUTDATED,
        whose::ids_statement(&Whose::Connection(connection())),
        whose::ids_statement(&Whose::Identity(connection(), "a".parse().unwrap())),
        whose::ids_statement(&Whose::Sid([1; 32])),
        whose::ids_statement(&Whose::User(user.clone())),
        whose::ids_statement(&Whose::UserExcept(user.clone(), SessionId([1; 16]))),
        sessions::LOAD,
        sessions::SWEEP,
        whose::list_statement(&Whose::All),
        whose::list_statement(&Whose::Identity(connection(), "a".parse().unwrap())),
        whose::list_statement(&Whose::Sid([1; 32])),
        whose::list_statement(&Whose::User(user)),
        users::BY_HANDLE,
        users::BY_IDENTITY,
        search::LIST,
    ];
    let statements = statements.into_iter().map(Text::from);
    let more = [sessions::TOUCH, users::OWNER, search::SEARCH];
    for statement in statements.chain(more).chain(one_time::SWEEPS) {
        let statement = statement.in_dialect(Dialect::Sqlite);
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explain)
            .fetch_all(sqlite(&store.writers))
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        for step in &plan {
            let scans = step.starts_with("SCAN") && !step.contains("INDEX");
            let of_json = step.contains("json_each") || step.contains("VIRTUAL TABLE");
            let of_a_list = ["SCAN used", "SCAN ended", "SCAN idle", "SCAN (subquery"]
                .iter()
                .any(|list| step.starts_with(list));
            assert!(!scans || of_json || of_a_list, "{statement}\n{plan:#?}");
        }
    }
}

#[tokio::test]
async fn what_an_old_password_proved_opens_nothing() {
    let (store, clock, _folder) = fresh().await;
    let mut new = conformance::sign_up("acme", "alice");
    let account = conformance::account("acme", "alice");
    new.account = Some(account.clone());
    store.create(new).await.unwrap();
    let proven = |number| NewSession {
        proven_at: START,
        ..numbered(number)
    };
    // A hash with other parameters is of the same password.
    let rehashed = store.replace_account(account.clone(), 1, None).await;
    assert!(rehashed.unwrap());
    assert_eq!(store.issue(proven(1)).await.unwrap(), Issued::Issued);
    clock.advance(Duration::from_secs(1));
    let changed = AccountRecord {
        password_changed_at: clock.now(),
        ..account
    };
    let replaced = store.replace_account(changed.clone(), 1, None).await;
    assert!(!replaced.unwrap(), "another one was faster");
    assert_eq!(store.issue(proven(2)).await.unwrap(), Issued::Issued);
    assert!(store.replace_account(changed, 2, None).await.unwrap());
    assert_eq!(store.issue(proven(3)).await.unwrap(), Issued::Outdated);
}

/// What a page of sessions holds is read in one statement.
#[tokio::test]
async fn a_record_comes_back_as_it_went_in() {
    let (store, _, _folder) = fresh().await;
    let plain = SessionRecord {
        authentications: Vec::new(),
        address: None,
        sids: Vec::new(),
        sealed: Vec::new(),
        user_agent: String::new(),
        ..numbered(1).record
    };
    let new = NewSession {
        record: plain.clone(),
        ..numbered(1)
    };
    store.issue(new).await.unwrap();
    assert_eq!(
        SessionStore::find(&*store, plain.id).await.unwrap(),
        Some(plain)
    );
}
