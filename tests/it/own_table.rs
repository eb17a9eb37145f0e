//! A `sql` connection that writes: people sign up into a table of the operator's own, change their
//! password there and go; and hashes that say nothing of how they were made.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::support::{
    Sidecar, Upstream,
    database_servers::{DatabaseServer, Engine, PASSWORD},
    route,
    tls::Authority,
    visitor::PASSWORD as SIGN_UP_PASSWORD,
};

const COLUMNS: &str = "id, email, username, name, password, salt, blocked";

/// A database with a table `people`.
struct Table {
    url: String,
    kind: Kind,
}

enum Kind {
    File(String),
    Server(DatabaseServer),
}

impl Table {
    fn sqlite(dir: &Path) -> Self {
        let path = dir.join("people.sqlite3").display().to_string();
        let table = Self {
            url: format!("sqlite://{path}"),
            kind: Kind::File(path),
        };
        table.make("id INTEGER PRIMARY KEY", "TEXT");
        table
    }

    fn on(engine: Engine) -> Self {
        Self::of(DatabaseServer::start(engine))
    }

    fn of(server: DatabaseServer) -> Self {
        let engine = server.engine;
        let word = PASSWORD.replace('/', "%2F");
        let url = match engine {
            Engine::Postgres => server.url("postgres"),
            Engine::MariaDb => server.database("app"),
        };
        let table = Self {
            url: url.replace("vestibule@", &format!("vestibule:{word}@")),
            kind: Kind::Server(server),
        };
        match engine {
            Engine::Postgres => table.make("id uuid PRIMARY KEY DEFAULT gen_random_uuid()", "text"),
            Engine::MariaDb => table.make("id INT AUTO_INCREMENT PRIMARY KEY", "VARCHAR(190)"),
        }
        table
    }

    fn make(&self, id: &str, text: &str) {
        self.sql(&format!(
            "CREATE TABLE people ({id}, email {text} UNIQUE, username {text} UNIQUE, name {text}, \
             password {text}, salt {text}, blocked INT DEFAULT 0)"
        ));
    }

    /// What the administrator of the database sees.
    fn sql(&self, statement: &str) -> String {
        match &self.kind {
            Kind::File(path) => {
                let done = Command::new("sqlite3").args([path, statement]).output();
                let done = done.unwrap();
                let error = String::from_utf8_lossy(&done.stderr);
                assert!(done.status.success(), "{statement}: {error}");
                String::from_utf8_lossy(&done.stdout).into_owned()
            }
            Kind::Server(server) if server.engine == Engine::MariaDb => {
                server.sql(&format!("USE app; {statement}"))
            }
            Kind::Server(server) => server.sql(statement),
        }
    }

    fn before(&self) -> Sidecar {
        let by = |what: &str| format!("SELECT {COLUMNS} FROM people WHERE {what}");
        Sidecar::new()
            .without("connections.members")
            .set("connections.app.strategy", "sql")
            .set("connections.app.url", self.url.as_str())
            .set("connections.app.columns.password_hash", "password")
            .set(
                "connections.app.queries.get_user",
                by("lower(email) = :login OR lower(username) = :login"),
            )
            .set("connections.app.queries.get_user_by_id", by("id = :id"))
    }

    /// Where strangers may sign up.
    fn open_to_all(&self) -> Sidecar {
        self.before()
            .set("connections.app.signup", true)
            .set(
                "connections.app.queries.create",
                "INSERT INTO people (email, username, name, password) \
                 VALUES (:email, :username, :name, :password_hash)",
            )
            .set(
                "connections.app.queries.change_password",
                "UPDATE people SET password = :password_hash WHERE id = :id",
            )
            .set(
                "connections.app.queries.delete",
                "DELETE FROM people WHERE id = :id",
            )
    }
}

#[track_caller]
fn they_come_change_and_go(table: &Table) {
    let upstream = Upstream::start();
    let sidecar = (table.open_to_all())
        .route(route("/").to(&upstream))
        .start();
    sidecar.cli_ok(&["check", "--online"]);
    let mut dora = sidecar.visitor();
    let page = dora.go("/.auth/signup/app");
    dora.submit_sign_up(&page, "dora");
    let me = dora.me().expect("signed in");
    let id = me["user"]["id"].as_str().unwrap().to_owned();
    let stored = table.sql("SELECT email, password FROM people");
    assert!(stored.contains("dora@example.com"), "{stored}");
    assert!(stored.contains("$argon2id$"), "{stored}");
    assert!(!stored.contains(SIGN_UP_PASSWORD), "{stored}");

    // Nobody takes what is somebody's there, in either case.
    let taken = |email: &str| {
        let mut other = sidecar.visitor();
        let page = other.go("/.auth/signup/app");
        let form = page.form_with("password").fill("email", email);
        let page = other.submit(&page, &form.fill("password", SIGN_UP_PASSWORD));
        assert!(other.session().is_none(), "{page:?}");
        page.answer.status
    };
    assert_eq!(taken("dora@example.com"), 422);
    assert_eq!(taken("DORA@example.com"), 422);
    assert_eq!(table.sql("SELECT count(*) FROM people").trim(), "1");
    // What was typed is a value.
    let odd = "'); DROP TABLE people; --@example.com";
    assert_eq!(taken(odd), 422);
    assert_eq!(table.sql("SELECT count(*) FROM people").trim(), "1");

    sidecar.cli_told(&["users", "set-password", &id], "another password here");
    let sign_in = |password: &str| {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/login");
        visitor.try_password(&page, "dora@example.com", password);
        visitor.session().is_some()
    };
    assert!(sign_in("another password here") && !sign_in(SIGN_UP_PASSWORD));
    table.sql("UPDATE people SET blocked = 1");
    assert!(!sign_in("another password here"), "blocked there");
    table.sql("UPDATE people SET blocked = 0");
    sidecar.cli_ok(&["users", "delete", &id]);
    assert_eq!(table.sql("SELECT count(*) FROM people").trim(), "0");
    assert!(!sign_in("another password here"));
}

#[test]
fn people_sign_up_into_a_table_of_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    they_come_change_and_go(&Table::sqlite(dir.path()));
}

#[test]
fn people_sign_up_into_a_table_of_postgresql_with_ids_that_are_uuids() {
    they_come_change_and_go(&Table::on(Engine::Postgres));
}

#[test]
fn people_sign_up_into_a_table_of_mariadb() {
    they_come_change_and_go(&Table::on(Engine::MariaDb));
}

/// SHA-256 of `pepper` before the password, in hex.
#[test]
fn a_digest_that_is_declared_is_verified_and_leaves_with_the_first_new_password() {
    let dir = tempfile::tempdir().unwrap();
    let table = Table::sqlite(dir.path());
    let made = Command::new("sh")
        .args([
            "-c",
            "printf 'pepperan old password' | sha256sum | cut -c1-64",
        ])
        .output()
        .unwrap();
    let digest = String::from_utf8(made.stdout).unwrap();
    table.sql(&format!(
        "INSERT INTO people (email, password, salt) VALUES ('ann@example.com', '{}', 'pepper')",
        digest.trim()
    ));
    let upstream = Upstream::start();
    let mut sidecar = table
        .open_to_all()
        .set("connections.app.digest.algorithm", "sha256")
        .set("connections.app.digest.encoding", "hex")
        .set("connections.app.digest.salt.column", "salt")
        .set("connections.app.digest.salt.position", "prefix")
        .route(route("/").to(&upstream))
        .start();
    let signed_in = |sidecar: &Sidecar, password: &str| {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/login");
        visitor.try_password(&page, "ann@example.com", password);
        visitor.session().is_some()
    };
    assert!(signed_in(&sidecar, "an old password"));
    for wrong in ["pepperan old password", "an old passwor", "", digest.trim()] {
        assert!(!signed_in(&sidecar, wrong), "{wrong}");
    }
    // The same hash after the other way round is another one.
    sidecar.change("connections.app.digest.salt.position", "suffix");
    sidecar.write();
    sidecar.reload();
    assert!(!signed_in(&sidecar, "an old password"));
    sidecar.change("connections.app.digest.salt.position", "prefix");
    sidecar.write();
    sidecar.reload();
    sidecar.cli_told(&["users", "set-password", "app|1"], "another password here");
    let stored = table.sql("SELECT password FROM people");
    assert!(stored.starts_with("$argon2id$"), "{stored}");
    assert!(signed_in(&sidecar, "another password here"));
    assert!(!signed_in(&sidecar, "an old password"));
}

/// The server has a certificate for `127.0.0.1` of an authority of its own, which nobody else trusts.
#[track_caller]
fn nothing_is_said_to_a_server_with_another_certificate(engine: Engine) {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let leaf = ours.leaf(folder.path(), &["127.0.0.1"]);
    let mut table = Table::of(leaf.database(engine));
    let file = |authority: &Authority, name: &str| {
        let dir = folder.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        authority.file(&dir).to_str().unwrap().to_owned()
    };
    let refused = |table: &Table, ca: String| {
        let sidecar = (table.open_to_all())
            .set("connections.app.ca", ca)
            .route(route("/").to(&upstream))
            .start();
        let check = sidecar.cli(&["check", "--online"]);
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert!(!check.status.success(), "{said}");
        assert!(said.contains("certificate"), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        let mut dora = sidecar.visitor();
        let page = dora.go("/.auth/login");
        let page = dora.try_password(&page, "dora@example.com", SIGN_UP_PASSWORD);
        assert!(dora.session().is_none());
        assert_eq!(page.answer.status, 502, "{page:?}");
    };
    refused(&table, file(&other, "other"));
    // The right authority, and the name of another machine.
    let right = table.url.clone();
    table.url = right.replace("127.0.0.1", "localhost");
    refused(&table, file(&ours, "elsewhere"));
    table.url = right;

    let sidecar = (table.open_to_all())
        .set("connections.app.ca", file(&ours, "ours"))
        .route(route("/").to(&upstream))
        .start();
    sidecar.cli_ok(&["check", "--online"]);
    let mut dora = sidecar.visitor();
    let page = dora.go("/.auth/signup/app");
    dora.submit_sign_up(&page, "dora");
    assert!(dora.me().is_some());
    let Kind::Server(server) = &table.kind else {
        unreachable!("it is one");
    };
    let encrypted = match engine {
        Engine::Postgres => server.sql("SELECT count(*) FROM pg_stat_ssl WHERE ssl"),
        Engine::MariaDb => server.sql("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'"),
    };
    let number = encrypted.split_whitespace().last().unwrap();
    assert!(number.parse::<u64>().unwrap() > 0, "{encrypted}");
}

#[test]
fn a_postgresql_of_another_authority_is_told_no_password() {
    nothing_is_said_to_a_server_with_another_certificate(Engine::Postgres);
}

#[test]
fn a_mariadb_of_another_authority_is_told_no_password() {
    nothing_is_said_to_a_server_with_another_certificate(Engine::MariaDb);
}
