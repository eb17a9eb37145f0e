//! `[storage]` on PostgreSQL and MariaDB: a restart, two processes beside each other, a server that
//! is killed, and one that does not let us in.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::support::{
    Answer, Request, Sidecar, Upstream, Visitor,
    database_servers::{DatabaseServer, Engine, PASSWORD as DATABASE_PASSWORD},
    http::exchange,
    redis::Redis,
    route,
    tls::Authority,
    visitor::{Cookie, PASSWORD, is_session, target},
};

/// Each of these is a test on each engine.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(crate::support::database_servers::Engine::Postgres); })*
        }
        mod mariadb {
            $(#[test] fn $test() { super::$test(crate::support::database_servers::Engine::MariaDb); })*
        }
    };
}

on_each_engine! {
    people_and_their_sessions_outlive_the_program,
    sessions_may_be_in_redis_all_the_same,
    one_login_serves_both_and_what_was_used_at_one_is_refused_by_the_other,
    two_that_start_at_once_make_one_schema,
    a_server_that_is_killed_under_load_loses_nothing_and_lets_nobody_in,
    what_is_wrong_with_the_server_is_said_with_what_to_do,
    a_certificate_of_another_authority_is_refused,
}

fn on(url: &str, upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .set("storage.url", url)
        .set("storage.password", DATABASE_PASSWORD)
        .route(route("/").to(upstream))
}

fn people_and_their_sessions_outlive_the_program(engine: Engine) {
    let (server, upstream) = (DatabaseServer::start(engine), Upstream::start());
    let mut sidecar = on(&server.database("people"), &upstream).start();
    let mut alice = sidecar.signed_up("alice");
    let mut bob = sidecar.signed_up("bob");
    assert!(!sidecar.path("data/vestibule.db").exists());
    sidecar.kill9();
    sidecar.start_again();
    assert!(alice.me().is_some() && bob.me().is_some());
    alice.sign_out();
    assert!(alice.me().is_none());
    alice.sign_in("/.auth/login", "alice", "a wrong password");
    assert!(alice.me().is_none());
    alice.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(alice.me().is_some());
    // A name that PostgreSQL takes for no text is a wrong name like others.
    let mut nobody = sidecar.visitor();
    let page = nobody.go("/.auth/login");
    let wrong = nobody.try_password(&page, "nobody", PASSWORD).answer.status;
    let page = nobody.go("/.auth/login");
    let page = nobody.try_password(&page, "alice\0", PASSWORD);
    assert_eq!(page.answer.status, wrong, "{page:?}");
    assert!(nobody.session().is_none());

    // Commands, to the running program and without it.
    sidecar.cli_ok(&["sessions", "revoke", "--user", "bob"]);
    assert!(bob.me().is_none());
    sidecar.cli_ok(&["check", "--online"]);
    sidecar.stop();
    let found = sidecar.cli_json(&["users", "list", "--search", "ALICE@", "--json"]);
    assert!(found.to_string().contains("members|"), "{found}");
    let none = sidecar.cli_json(&["users", "list", "--search", "%lic_", "--json"]);
    assert!(!none.to_string().contains("alice"), "{none}");
    let zoe = json!({
        "user_id": "auth0|zoe", "email": "zoe@example.com", "email_verified": true,
        "name": "Zoë Ångström 🦊", "nickname": "zoe", "app_metadata": { "plan": "pro" },
    });
    let file = sidecar.path("people.json");
    std::fs::write(&file, json!([zoe]).to_string()).unwrap();
    let file = file.to_str().unwrap();
    sidecar.cli_ok(&["users", "import", "--connection", "members", file]);
    let exported = sidecar.cli_ok(&["users", "export", "--with-password-hashes"]);
    assert_eq!(exported.lines().count(), 3, "{exported}");
    assert!(exported.contains("Zoë Ångström 🦊"), "{exported}");
    sidecar.start_again();
    assert!(alice.me().is_some());
    let log = sidecar.output();
    assert!(
        !log.contains(DATABASE_PASSWORD),
        "the password is in the log"
    );
    // The server of these tests forgets what it had when the power is cut, and that is said.
    let setting = match engine {
        Engine::Postgres => "fsync",
        Engine::MariaDb => "innodb_flush_log_at_trx_commit",
    };
    assert!(log.contains(setting), "no warning of {setting}");
}

fn sessions_may_be_in_redis_all_the_same(engine: Engine) {
    let (server, redis) = (DatabaseServer::start(engine), Redis::start());
    let upstream = Upstream::start();
    let mut sidecar = on(&server.database("apart"), &upstream)
        .set("session.store", redis.url())
        .start();
    let mut alice = sidecar.signed_up("alice");
    let count = |table: &str| server.sql_in("apart", &format!("SELECT count(*) FROM {table}"));
    assert_eq!(count("sessions").trim(), "0");
    assert_eq!(count("users").trim(), "1");
    sidecar.restart();
    assert!(alice.me().is_some());
    // What is ended with its user in the database is ended in Redis too.
    sidecar.cli_ok(&["users", "block", "alice"]);
    assert!(alice.me().is_none());
}

/// Two processes with one storage.
struct Replicas {
    one: Sidecar,
    two: Sidecar,
    upstream: Upstream,
    _server: DatabaseServer,
}

impl Replicas {
    fn start(engine: Engine) -> Self {
        let (server, upstream) = (DatabaseServer::start(engine), Upstream::start());
        let url = server.database("shared");
        let one = on(&url, &upstream)
            .route(route("/").host("wiki.localhost").to(&upstream))
            .start();
        let two = beside(&one, &url, &upstream)
            .route(route("/").host("wiki.localhost").to(&upstream))
            .start();
        Self {
            one,
            two,
            upstream,
            _server: server,
        }
    }

    /// What `visitor`'s request gets at the second process: a balancer could have sent it there.
    fn at_two(&self, visitor: &Visitor, host: &str, request: &Request) -> Answer {
        let cookies = visitor.jar.iter().filter(|cookie| cookie.host == host);
        let cookies: Vec<_> = cookies.map(Cookie::pair).collect();
        let request = request.clone().header("Cookie", &cookies.join("; "));
        let authority = format!("{host}:{}", self.one.port);
        exchange(self.two.port, &authority, &request)
    }

    fn status_at_two(&self, visitor: &Visitor) -> u16 {
        let request = Request::get("/x").header("Accept", "application/json");
        self.at_two(visitor, "localhost", &request).status
    }
}

/// Another process for the same people.
fn beside(one: &Sidecar, url: &str, upstream: &Upstream) -> Sidecar {
    let mut secret = toml::Table::new();
    let file = one.path("data/secret").to_str().unwrap().to_owned();
    secret.insert("file".to_owned(), file.into());
    on(url, upstream)
        .set("server.public_url", one.origin())
        .set("server.secret", secret)
}

fn has_session(answer: &Answer) -> bool {
    answer.all("set-cookie").iter().any(|line| {
        let (name, rest) = line.split_once('=').unwrap();
        is_session(name) && !rest.starts_with(';')
    })
}

fn one_login_serves_both_and_what_was_used_at_one_is_refused_by_the_other(engine: Engine) {
    let replicas = Replicas::start(engine);
    let one = &replicas.one;
    let mut alice = one.signed_up("alice");
    assert_eq!(replicas.status_at_two(&alice), 200);
    assert_eq!(replicas.upstream.last().target(), "/x");

    // A login that was begun at one ends at the other, and is over then at both.
    let mut again = one.visitor();
    let page = again.go("/.auth/login");
    let form = page.form_with("password");
    let form = form.fill("login", "alice").fill("password", PASSWORD);
    let action = page.url.join(&form.action).unwrap();
    let posted = Request::new("POST", &target(&action))
        .header("Accept", "text/html")
        .header("Origin", &one.origin())
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Site", "same-origin")
        .body("application/x-www-form-urlencoded", form.body());
    let before = again.clone();
    let first = replicas.at_two(&before, "localhost", &posted);
    assert!(has_session(&first), "{first:?}");
    let replayed = again.submit(&page, &form);
    assert!(!has_session(&replayed.answer), "{replayed:?}");
    let replayed = replicas.at_two(&before, "localhost", &posted);
    assert!(!has_session(&replayed), "{replayed:?}");

    // A ticket for another host.
    let wiki = one.origin_of("wiki.localhost");
    let mut page = alice.open(&format!("{wiki}/x"));
    while !page.answer.location().contains("/.auth/handover?ticket") {
        page = alice.open(page.url.join(page.answer.location()).unwrap().as_str());
    }
    let ticket = page.url.join(page.answer.location()).unwrap();
    let before = alice.clone();
    let redeemed = replicas.at_two(
        &before,
        "wiki.localhost",
        &Request::navigation(&target(&ticket)),
    );
    assert!(has_session(&redeemed), "{redeemed:?}");
    let again = alice.open(ticket.as_str());
    assert!(!has_session(&again.answer), "{again:?}");

    // A revocation at one reaches the cache of the other within a second.
    let bob = one.signed_up("bob");
    assert_eq!(replicas.status_at_two(&bob), 200);
    one.cli_ok(&["sessions", "revoke", "--user", "alice"]);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(replicas.status_at_two(&alice), 401);
    assert_eq!(replicas.status_at_two(&bob), 200);
}

fn two_that_start_at_once_make_one_schema(engine: Engine) {
    let (server, upstream) = (DatabaseServer::start(engine), Upstream::start());
    let url = server.database("pair");
    let one = on(&url, &upstream);
    std::fs::create_dir_all(one.path("data")).unwrap();
    let two = beside(&one, &url, &upstream);
    let secret = one.path("data/secret");
    std::fs::write(&secret, "R3JhbmQgY2VudHJhbCBzdGF0aW9uIGNsb2Nr").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (one, two) = thread::scope(|scope| {
        let two = scope.spawn(|| two.start());
        (one.start(), two.join().unwrap())
    });
    let replicas = Replicas {
        one,
        two,
        upstream,
        _server: server,
    };
    let alice = replicas.one.signed_up("alice");
    assert_eq!(replicas.status_at_two(&alice), 200);
}

fn a_server_that_is_killed_under_load_loses_nothing_and_lets_nobody_in(engine: Engine) {
    let (mut server, upstream) = (DatabaseServer::start(engine), Upstream::start());
    let sidecar = on(&server.database("busy"), &upstream)
        .set("session.stale_for", "4s")
        .start();
    let mut alice = sidecar.signed_up("alice");
    assert_eq!(alice.fetch("/x").status, 200);
    let origin = sidecar.origin();
    let stop = AtomicBool::new(false);
    let signed = thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|thread| {
                let (origin, stop) = (&origin, &stop);
                scope.spawn(move || sign_up_until(origin, stop, thread))
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        server.kill();
        // A session in the cache goes on for a while, and then nobody can say.
        assert_eq!(alice.fetch("/x").status, 200);
        let mut stranger = sidecar.visitor();
        let page = stranger.go("/.auth/login");
        let page = stranger.try_password(&page, "alice", PASSWORD);
        assert_eq!(page.answer.status, 503, "{page:?}");
        assert!(stranger.session().is_none());
        assert_eventually!(alice.fetch("/x").status == 503);
        assert!(sidecar.metric("vestibule_store_errors_total") > 0.0);
        server.begin();
        assert_eventually!(
            alice.fetch("/x").status == 200,
            "{}",
            sidecar.log_about("storage")
        );
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::SeqCst);
        load.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(!signed.is_empty(), "nobody signed up in time");
    for mut visitor in signed {
        assert!(
            visitor.me().is_some(),
            "a session that was answered for is lost"
        );
    }
}

fn sign_up_until(origin: &str, stop: &AtomicBool, thread: usize) -> Vec<Visitor> {
    let mut done = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let (origin, name) = (origin.to_owned(), format!("user-{thread}-{number}"));
        // a page that says that it cannot be done has no form to go on with
        let signed = std::panic::catch_unwind(move || {
            let mut visitor = Visitor::new(&origin);
            visitor.sign_up("/.auth/login", &name);
            visitor
        });
        done.extend(signed.ok().filter(|visitor| visitor.session().is_some()));
    }
    done
}

/// The start and the check are refused with these words, and never with the password.
#[track_caller]
fn refused(sidecar: &Sidecar, words: &[&str]) {
    for output in [sidecar.refused(), sidecar.cli(&["check", "--online"])] {
        let Output { status, stderr, .. } = output;
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(!status.success(), "{said}");
        for words in words {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        assert!(!said.contains(DATABASE_PASSWORD), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

fn what_is_wrong_with_the_server_is_said_with_what_to_do(engine: Engine) {
    let (mut server, upstream) = (DatabaseServer::start(engine), Upstream::start());
    let url = server.database("strict");
    let place = format!("127.0.0.1:{}/strict", server.port);
    let sidecar = on(&url, &upstream);

    let wrong = on(&url, &upstream).set("storage.password", "hush-hush");
    refused(
        &wrong,
        &[&place, "the password is wrong", "storage.password"],
    );
    let elsewhere = on(&server.url("nowhere"), &upstream);
    refused(
        &elsewhere,
        &["/nowhere", "no such database", "CREATE DATABASE"],
    );

    // Somebody who may only look.
    sidecar.write();
    match engine {
        Engine::Postgres => server.sql(&format!(
            "CREATE USER reader PASSWORD '{DATABASE_PASSWORD}'"
        )),
        Engine::MariaDb => server.sql(&format!(
            "CREATE USER reader@'%' IDENTIFIED BY '{DATABASE_PASSWORD}'; \
             GRANT SELECT ON strict.* TO reader@'%'"
        )),
    };
    let reader = on(&url.replace("vestibule@", "reader@"), &upstream);
    refused(&reader, &[&place, "may not do this", "grant"]);

    // A schema of a newer program.
    let mut started = sidecar.start();
    started.stop();
    let newer = "UPDATE schema_info SET oldest = 1000";
    server.sql_in("strict", newer);
    refused(&started, &[&place, "newer version of Vestibule"]);

    server.kill();
    refused(&started, &[&place, "does not answer"]);
    // It needs no server to see that the file is sound.
    started.cli_ok(&["check"]);
}

fn a_certificate_of_another_authority_is_refused(engine: Engine) {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let leaf = ours.leaf(folder.path(), &["127.0.0.1"]);
    let server = leaf.database(engine);
    let url = server.database("guarded");
    let trusting = |authority: &Authority, name: &str, url: &str| {
        let dir = folder.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        on(url, &upstream).set("storage.ca", authority.file(&dir).to_str().unwrap())
    };
    refused(
        &trusting(&other, "other", &url),
        &["certificate", "storage.ca"],
    );
    // The right authority, and the name of another machine.
    let elsewhere = url.replace("127.0.0.1", "localhost");
    refused(
        &trusting(&ours, "elsewhere", &elsewhere),
        &["certificate", "storage.ca"],
    );
    let sidecar = trusting(&ours, "ours", &url).start();
    assert!(sidecar.signed_up("alice").me().is_some());
    let encrypted = match engine {
        Engine::Postgres => server.sql("SELECT count(*) FROM pg_stat_ssl WHERE ssl"),
        Engine::MariaDb => server.sql("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'"),
    };
    let number: i64 = encrypted
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    assert!(number > 0, "{encrypted}");
}
