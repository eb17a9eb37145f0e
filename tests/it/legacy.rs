//! People in an application's own table (`sql`) or behind its endpoint (`http`), and how they move
//! here. The table is Django's, made by Django itself in a real database.

use std::{path::Path, process::Command, thread};

use serde_json::json;
use toml::Value;

use crate::support::{
    Page, Sidecar, Upstream, Visitor,
    database_servers::{DatabaseServer, Engine, PASSWORD},
    process::free_port,
    route,
    servers::{Server, folder, installed},
    sidecar::list,
};

const GET_USER: &str = "SELECT id, username, email, first_name, last_name, password, is_active, \
    date_joined FROM auth_user WHERE lower(username) = :login OR lower(email) = :login";
const GROUPS: &str = "SELECT g.name FROM auth_group g JOIN auth_user_groups ug ON g.id = \
    ug.group_id WHERE ug.user_id = :id";

/// What Django calls a database, and what we do.
struct Database {
    settings: serde_json::Value,
    url: String,
    server: Option<DatabaseServer>,
}

impl Database {
    fn sqlite(dir: &Path) -> Self {
        let path = dir.join("app.sqlite3");
        Self {
            settings: json!({ "ENGINE": "django.db.backends.sqlite3", "NAME": path }),
            url: format!("sqlite://{}", path.display()),
            server: None,
        }
    }

    fn on(engine: Engine) -> Self {
        let server = DatabaseServer::start(engine);
        let url = server.database("app");
        let (backend, port) = match engine {
            Engine::Postgres => ("postgresql", server.port),
            Engine::MariaDb => ("mysql", server.port),
        };
        let word = PASSWORD.replace('/', "%2F");
        Self {
            settings: json!({
                "ENGINE": format!("django.db.backends.{backend}"),
                "NAME": "app", "USER": "vestibule", "PASSWORD": PASSWORD,
                "HOST": "127.0.0.1", "PORT": port,
            }),
            url: url.replace("vestibule@", &format!("vestibule:{word}@")),
            server: Some(server),
        }
    }

    fn ends(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        } else {
            std::fs::remove_file(self.url.strip_prefix("sqlite://").unwrap()).unwrap();
        }
    }

    fn django(&self, words: &[&str]) -> String {
        let done = Command::new(installed("venv/bin/python"))
            .arg(folder().join("django_users.py"))
            .arg(self.settings.to_string())
            .args(words)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

fn sidecar(database: &Database) -> Sidecar {
    Sidecar::new()
        .without("connections.members")
        .set("connections.app.strategy", "sql")
        .set("connections.app.url", database.url.as_str())
        .set("connections.app.columns.password_hash", "password")
        .set("connections.app.columns.active", "is_active")
        .set("connections.app.queries.get_user", GET_USER)
        .set("connections.app.queries.groups", GROUPS)
        .set(
            "connections.app.queries.count",
            "SELECT count(*) FROM auth_user",
        )
}

fn attempt(sidecar: &Sidecar, login: &str, password: &str) -> (Visitor, Page) {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/login");
    let answer = visitor.try_password(&page, login, password);
    (visitor, answer)
}

fn in_as(sidecar: &Sidecar, login: &str, password: &str) -> Option<String> {
    let (mut visitor, _) = attempt(sidecar, login, password);
    let me = visitor.me()?;
    Some(me["user"]["id"].as_str().unwrap().to_owned())
}

#[track_caller]
fn everybody_signs_in_and_moves(mut database: Database) {
    assert_eq!(database.django(&[]), "10");
    let upstream = Upstream::start();
    let mut sidecar = sidecar(&database).route(route("/").to(&upstream)).start();
    sidecar.cli_ok(&["check", "--online"]);
    they_sign_in_unchanged(&sidecar);
    they_move(&mut sidecar);
    database.ends();
    sidecar.restart();
    who_has_moved_stays(&mut sidecar);
}

/// With Django's own hashes.
#[track_caller]
fn they_sign_in_unchanged(sidecar: &Sidecar) {
    for (login, id) in [
        ("alice", "app|1"),
        ("ALICE", "app|1"),
        ("alice@example.com", "app|1"),
        ("bob", "app|2"),
        ("carol", "app|3"),
        ("dora", "app|4"),
        ("erik", "app|5"),
    ] {
        let name = login.split('@').next().unwrap().to_lowercase();
        let name = if name == "erik" { "Erik" } else { &name };
        let password = format!("{name}-secret");
        assert_eq!(
            in_as(sidecar, login, &password).as_deref(),
            Some(id),
            "{login}"
        );
    }
    let shown = sidecar.cli_json(&["users", "show", "app|1"]);
    assert_eq!(shown["profile"]["given_name"], "Alice");
    assert_eq!(shown["profile"]["preferred_username"], "alice");
    assert_eq!(shown["identities"][0]["groups"], json!(["staff"]));
    assert!(!shown.to_string().contains("pbkdf2"), "{shown}");
    for (login, password) in [
        ("alice", "alice-secreT"),
        ("alice", ""),
        ("nobody", "alice-secret"),
        ("frank", "frank-secret"),
        ("gina", ""),
        ("gina", "!"),
        ("hugo", "hugo-secret"),
        ("twins@example.com", "twin-secret"),
        ("' OR 1=1 --", "alice-secret"),
        ("alice' --", "alice-secret"),
        ("alice'; DROP TABLE auth_user; --", "alice-secret"),
        ("\\' OR 1=1 #", "alice-secret"),
        ("%", "alice-secret"),
    ] {
        assert_eq!(
            in_as(sidecar, login, password),
            None,
            "{login:?} with {password:?}"
        );
    }
    assert!(
        in_as(sidecar, "bob", "bob-secret").is_some(),
        "the table is there"
    );
}

/// Alice, who was here before, and a person who was not.
#[track_caller]
fn they_move(sidecar: &mut Sidecar) {
    sidecar.change("connections.app.import", true);
    sidecar.write();
    sidecar.reload();
    assert_eq!(
        in_as(sidecar, "alice", "alice-secret").as_deref(),
        Some("app|1")
    );
    assert_eq!(
        in_as(sidecar, "twin1", "twin-secret").as_deref(),
        Some("app|9")
    );
    let migration = sidecar.cli_json(&["users", "migration", "app"]);
    assert_eq!(
        migration,
        json!({ "connection": "app", "imported": 2, "in_old_store": 10, "left": 8 })
    );
}

/// The old store is gone.
#[track_caller]
fn who_has_moved_stays(sidecar: &mut Sidecar) {
    for login in ["alice", "Alice@Example.com"] {
        assert_eq!(
            in_as(sidecar, login, "alice-secret").as_deref(),
            Some("app|1"),
            "{login}"
        );
    }
    assert_eq!(in_as(sidecar, "alice", "wrong"), None);
    let (visitor, page) = attempt(sidecar, "carol", "carol-secret");
    assert!(visitor.session().is_none());
    assert!(page.answer.status >= 500, "{page:?}");
    let shown = sidecar.cli_json(&["users", "show", "app|1"]);
    assert_eq!(
        shown["identities"][0]["groups"],
        json!(["staff"]),
        "they stay"
    );
    let hashes = sidecar.cli_ok(&["users", "export", "--with-hashes"]);
    assert!(
        hashes.contains("$argon2id$") && !hashes.contains("pbkdf2_sha256$"),
        "{hashes}"
    );

    sidecar.change("connections.app.import", "finished");
    let app = sidecar.config["connections"]["app"].as_table_mut().unwrap();
    app.remove("url");
    app.remove("queries");
    sidecar.write();
    sidecar.reload();
    assert_eq!(
        in_as(sidecar, "alice", "alice-secret").as_deref(),
        Some("app|1")
    );
    assert_eq!(in_as(sidecar, "carol", "carol-secret"), None);
    let log = sidecar.log();
    for secret in ["alice-secret", "carol-secret", "v-secret", "pbkdf2_sha256$"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn djangos_people_sign_in_from_sqlite_and_move() {
    let dir = tempfile::tempdir().unwrap();
    everybody_signs_in_and_moves(Database::sqlite(dir.path()));
}

#[test]
fn djangos_people_sign_in_from_postgresql_and_move() {
    everybody_signs_in_and_moves(Database::on(Engine::Postgres));
}

#[test]
fn djangos_people_sign_in_from_mariadb_and_move() {
    everybody_signs_in_and_moves(Database::on(Engine::MariaDb));
}

#[test]
fn a_database_that_checks_passwords_says_no_more_than_that() {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let database = Database::on(engine);
        database.django(&[]);
        let upstream = Upstream::start();
        let verify = "SELECT 1 FROM auth_user WHERE id = :id AND :password = 'open sesame'";
        let sidecar = sidecar(&database)
            .set("connections.app.queries.verify", verify)
            .route(route("/").to(&upstream))
            .start();
        assert_eq!(
            in_as(&sidecar, "alice", "open sesame").as_deref(),
            Some("app|1")
        );
        // No text of PostgreSQL holds a NUL: that is a wrong password like any other.
        let answers: Vec<_> = ["open sesam", "alice-secret", "a\0b", "' OR '' = '", ""]
            .into_iter()
            .flat_map(|password| ["alice", "nobody"].map(|login| (login, password)))
            .map(|(login, password)| {
                let (visitor, page) = attempt(&sidecar, login, password);
                assert!(visitor.session().is_none(), "{login} {password:?}");
                (page.answer.status, page.text().contains("do not match"))
            })
            .collect();
        assert_eq!(answers, vec![(422, true); answers.len()], "{engine:?}");
    }
}

#[test]
fn many_first_logins_at_once_make_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::sqlite(dir.path());
    database.django(&[]);
    let upstream = Upstream::start();
    let sidecar = sidecar(&database)
        .set("connections.app.import", true)
        .route(route("/").to(&upstream))
        .start();
    let all: Vec<String> = thread::scope(|scope| {
        // So many at once are told to wait by the budgets for guessing; that alone may happen.
        let until_in = || loop {
            let (mut visitor, page) = attempt(&sidecar, "carol", "carol-secret");
            if let Some(me) = visitor.me() {
                return me["user"]["id"].as_str().unwrap().to_owned();
            }
            let status = page.answer.status;
            assert!([429, 503].contains(&status), "{status} {}", page.text());
            thread::sleep(std::time::Duration::from_millis(500));
        };
        let one = |_| scope.spawn(until_in);
        let all: Vec<_> = (0..50).map(one).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(all.iter().all(|id| id == "app|3"), "{all:?}");
    let users = sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 1);
    let migration = sidecar.cli_json(&["users", "migration", "app"]);
    assert_eq!(migration["imported"], 1);
}

#[test]
fn a_query_that_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::sqlite(dir.path());
    database.django(&[]);
    let upstream = Upstream::start();
    let told = |path: &str, value: &str, online: bool| {
        let sidecar = sidecar(&database)
            .route(route("/").to(&upstream))
            .set(path, Value::from(value));
        sidecar.write();
        let words: &[&str] = if online {
            &["check", "--online"]
        } else {
            &["check"]
        };
        let done = sidecar.cli(words);
        assert!(!done.status.success(), "{path} = {value}");
        let said = [done.stdout, done.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    };
    let said = told(
        "connections.app.queries.get_user",
        "SELECT 1 WHERE a = :logn",
        false,
    );
    assert!(
        said.contains("queries.get_user") && said.contains(":logn"),
        "{said}"
    );
    assert!(said.contains("it may have :login"), "{said}");
    let said = told("connections.app.columns.subject", "uuid", true);
    assert!(
        said.contains("no column \"uuid\", which the settings name as subject"),
        "{said}"
    );
    let said = told(
        "connections.app.queries.groups",
        "SELECT nam FROM auth_group WHERE :id = 1",
        true,
    );
    assert!(
        said.contains("queries.groups") && said.contains("nam"),
        "{said}"
    );
}

#[test]
fn a_new_password_is_one_that_django_takes() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::sqlite(dir.path());
    database.django(&[]);
    let upstream = Upstream::start();
    for hash in ["django_pbkdf2_sha256", "django_argon2"] {
        let by_id = format!(
            "{} WHERE id = :id",
            GET_USER.split(" WHERE").next().unwrap()
        );
        let sidecar = sidecar(&database)
            .set("connections.app.hash", hash)
            .set("connections.app.queries.get_user_by_id", by_id)
            .set(
                "connections.app.queries.change_password",
                "UPDATE auth_user SET password = :password_hash WHERE id = :id",
            )
            .route(route("/").to(&upstream))
            .start();
        let password = format!("a new one by {hash}");
        if hash == "django_pbkdf2_sha256" {
            assert!(in_as(&sidecar, "bob", "bob-secret").is_some());
        }
        if hash == "django_argon2" {
            assert!(in_as(&sidecar, "bob", "a new one by django_pbkdf2_sha256").is_some());
        }
        sidecar.cli_told(&["users", "set-password", "app|2"], &password);
        assert_eq!(database.django(&["bob", &password]), "True");
        assert_eq!(database.django(&["bob", "bob-secret"]), "False");
        assert_eq!(in_as(&sidecar, "bob", &password).as_deref(), Some("app|2"));
        assert_eq!(in_as(&sidecar, "bob", "bob-secret"), None);
    }
}

const KEY: &str = "whsec_c2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMtYXQtbGVhc3Q=";
const NEXT_KEY: &str = "whsec_bmV4dC1vZi10aGlydHktdHdvLWJ5dGVzLWF0LWxlYXN0LTE=";

/// An endpoint that takes signatures by `key`.
fn endpoint(key: &str) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut command = Command::new(installed("venv/bin/python"));
    command
        .arg(folder().join("people_endpoint.py"))
        .args([&port.to_string(), key]);
    Server::spawn("people-endpoint", &mut command, port, dir)
}

fn before_endpoint(server: &Server) -> Sidecar {
    Sidecar::new()
        .without("connections.members")
        .set("connections.app.strategy", "http")
        .set(
            "connections.app.url",
            format!("http://127.0.0.1:{}/", server.port),
        )
        .set("connections.app.signing_secret", KEY)
        .set(
            "connections.app.operations",
            list(&["create", "change_password", "delete", "count"]),
        )
        .set("connections.app.signup", true)
}

#[test]
fn people_behind_an_endpoint_sign_in_sign_up_and_go() {
    let server = endpoint(KEY);
    let upstream = Upstream::start();
    let sidecar = before_endpoint(&server)
        .route(route("/").to(&upstream))
        .start();
    sidecar.cli_ok(&["check", "--online"]);
    assert_eq!(
        in_as(&sidecar, "Alice", "alice-secret").as_deref(),
        Some("app|7")
    );
    let shown = sidecar.cli_json(&["users", "show", "app|7"]);
    assert_eq!(shown["identities"][0]["groups"], json!(["staff"]));
    for (login, password) in [
        ("alice", "wrong"),
        ("nobody", "alice-secret"),
        ("closed", "closed-secret"),
    ] {
        assert_eq!(in_as(&sidecar, login, password), None, "{login}");
    }
    // A name that nobody has costs the endpoint as much.
    let asked = server.ask("/asked").to_string();
    assert_eq!(asked.matches("login").count(), 4, "{asked}");

    let mut dora = sidecar.visitor();
    let page = dora.go("/.auth/signup/app");
    let page = dora.submit_sign_up(&page, "dora");
    assert!(dora.session().is_some(), "{page:?}");
    assert!(in_as(&sidecar, "dora", crate::support::visitor::PASSWORD).is_some());
    sidecar.cli_told(&["users", "set-password", "app|7"], "another password");
    assert!(in_as(&sidecar, "alice", "another password").is_some());
    assert_eq!(in_as(&sidecar, "alice", "alice-secret"), None);
    sidecar.cli_ok(&["users", "delete", "app|7"]);
    assert_eq!(
        in_as(&sidecar, "alice", "another password"),
        None,
        "gone there too"
    );
    for secret in ["alice-secret", "another password", &KEY[6..]] {
        assert!(!sidecar.log().contains(secret), "{secret} is in the log");
    }
}

#[test]
fn an_endpoint_that_misbehaves_lets_nobody_in() {
    let server = endpoint(KEY);
    let upstream = Upstream::start();
    let sidecar = before_endpoint(&server)
        .route(route("/").to(&upstream))
        .start();
    for how in ["huge", "redirect", "broken", "garbage", "another"] {
        server.tell("/behave", &json!({ "how": how }));
        let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
        assert!(visitor.session().is_none(), "{how}: {page:?}");
        assert!(page.answer.status >= 500, "{how}: {page:?}");
    }
    server.tell("/behave", &json!({ "how": "well" }));
    assert!(in_as(&sidecar, "alice", "alice-secret").is_some());
}

#[test]
fn an_endpoint_knows_who_asks_while_a_secret_is_replaced() {
    let upstream = Upstream::start();
    // Nobody with another secret.
    let server = endpoint(NEXT_KEY);
    let sidecar = before_endpoint(&server)
        .route(route("/").to(&upstream))
        .start();
    assert_eq!(in_as(&sidecar, "alice", "alice-secret"), None);
    // Both, on the way from one to the other.
    let sidecar = before_endpoint(&server)
        .set("connections.app.next_signing_secret", NEXT_KEY)
        .route(route("/").to(&upstream))
        .start();
    assert!(in_as(&sidecar, "alice", "alice-secret").is_some());
    assert_eq!(server.ask("/asked")["asked"][0]["signatures"], 2);
}

#[test]
fn people_move_from_an_endpoint_and_keep_their_password() {
    let mut server = endpoint(KEY);
    let upstream = Upstream::start();
    let mut sidecar = before_endpoint(&server)
        .set("connections.app.import", true)
        .route(route("/").to(&upstream))
        .start();
    assert_eq!(
        in_as(&sidecar, "alice", "alice-secret").as_deref(),
        Some("app|7")
    );
    let migration = sidecar.cli_json(&["users", "migration", "app"]);
    assert_eq!(
        migration,
        json!({ "connection": "app", "imported": 1, "in_old_store": 2, "left": 1 })
    );
    // Nothing comes sooner for a name that has moved.
    for name in ["alice", "nobody"] {
        let start = std::time::Instant::now();
        assert_eq!(in_as(&sidecar, name, "wrong"), None);
        let least = std::time::Duration::from_millis(500);
        assert!(start.elapsed() >= least, "{name}");
    }
    // The names of those who have not moved yet are not free.
    let mut stranger = sidecar.visitor();
    let page = stranger.go("/.auth/signup/app");
    stranger.finish_sign_up(&page, "closed");
    assert!(stranger.session().is_none());
    server.stop();
    sidecar.restart();
    assert_eq!(
        in_as(&sidecar, "alice@example.com", "alice-secret").as_deref(),
        Some("app|7")
    );
}
