//! Login by LDAP, at OpenLDAP's own server: who comes in, what the application is told, and what
//! happens when a server is gone, slow or wrong.

mod active_directory;
mod bindings;
mod certificate;
mod failover;
mod hostile;
mod kerberos;
mod passwords;

use toml::{Table, Value};

use crate::support::{
    Page, Route, Sidecar, Slapd, Upstream, Visitor, route,
    sidecar::list,
    slapd::{BASE, READER},
    trial::Trial,
};

/// A sidecar whose only connection `dir` is this directory, and which is not started yet.
pub(crate) fn directory(slapd: &Slapd, keys: &[(&str, Value)]) -> Sidecar {
    let ca = slapd.ca();
    let lines = [
        ("strategy", "openldap"),
        ("base_dn", BASE),
        ("bind_dn", READER.0),
        ("bind_password", READER.1),
        ("ca", ca.to_str().unwrap()),
        ("trust_email", "always"),
    ];
    let table: Table = lines
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    let url = slapd.url();
    let mut sidecar = Sidecar::new()
        .without("connections.members")
        .set("connections.dir", Value::Table(table))
        .set("connections.dir.servers", list(&[&url]));
    for (key, value) in keys {
        sidecar.change(&format!("connections.dir.{key}"), value.clone());
    }
    sidecar
}

/// The same, in front of an application.
fn started(slapd: &Slapd, keys: &[(&str, Value)]) -> (Upstream, Sidecar) {
    let upstream = Upstream::start();
    let sidecar = directory(slapd, keys).route(route("/").to(&upstream));
    (upstream, sidecar.start())
}

fn demo() -> Route {
    route("/").set("upstream", "builtin:demo")
}

/// Somebody types their password and a new one.
pub(crate) fn change_password(visitor: &mut Visitor, page: &Page, old: &str, new: &str) -> Page {
    let form = page.form_with("new_password");
    let form = form.fill("password", old).fill("new_password", new);
    let page = visitor.submit(page, &form);
    visitor.carry_on(page)
}

/// Somebody tries to sign in.
pub(crate) fn attempt(sidecar: &Sidecar, login: &str, password: &str) -> (Visitor, Page) {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/");
    let answer = visitor.try_password(&page, login, password);
    (visitor, answer)
}

#[test]
fn somebody_of_the_directory_signs_in_and_the_application_knows_their_groups() {
    let slapd = Slapd::start();
    let (upstream, sidecar) = started(&slapd, &[]);
    for login in ["alice", "ALICE", "alice@example.org"] {
        let (mut visitor, page) = attempt(&sidecar, login, "alice-secret");
        assert!(visitor.session().is_some(), "{login}: {page:?}");
        visitor.go("/");
        let seen = upstream.last();
        let id = slapd
            .read("uid=alice,ou=people,dc=example,dc=org", "entryUUID")
            .unwrap();
        assert_eq!(
            seen.header("x-forwarded-user").unwrap(),
            format!("dir|{id}")
        );
        assert_eq!(seen.header("x-forwarded-email"), Some("alice@example.org"));
        assert_eq!(seen.header("x-forwarded-preferred-username"), Some("alice"));
        // one by its own name, one that the other is in, and one by the account's name
        assert_eq!(
            seen.header("x-forwarded-groups"),
            Some("everybody,staff,unix")
        );
    }
    let users = sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 1, "{users:#}");
    let (visitor, _) = attempt(&sidecar, "b*o)b", "bob-secret");
    assert!(visitor.session().is_some());
}

#[test]
fn who_does_not_know_the_password_does_not_come_in() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    for (login, password) in [
        ("alice", "wrong"),
        ("alice", "bob-secret"),
        ("nobody", "alice-secret"),
        ("b*", "bob-secret"),
        ("*", "bob-secret"),
        ("alice)(uid=*", "alice-secret"),
        ("uid=alice,ou=people,dc=example,dc=org", "alice-secret"),
        ("reader", "reader-secret"),
    ] {
        let (visitor, page) = attempt(&sidecar, login, password);
        assert!(visitor.session().is_none(), "{login:?} with {password:?}");
        assert_eq!(page.answer.status, 422, "{login:?}: {page:?}");
        assert!(page.text().contains("do not match"), "{page:?}");
    }
}

#[test]
fn start_tls_is_enough_and_nothing_less() {
    let slapd = Slapd::start();
    let servers = |url: &str| vec![("servers", list(&[url]))];
    let (_, sidecar) = started(&slapd, &servers(&slapd.start_tls_url()));
    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    // by its number the certificate does not name it
    let by_number = format!("ldaps://127.0.0.1:{}", slapd.tls_port);
    let (_, sidecar) = started(&slapd, &servers(&by_number));
    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_none(), "{page:?}");
    assert_eq!(page.answer.status, 502, "{page:?}");
    assert_eventually!(sidecar.output().contains("IP address mismatch"));
    // nobody of the system's authorities vouches for it
    let sidecar = directory(&slapd, &[]).without("connections.dir.ca");
    let sidecar = sidecar.route(demo()).start();
    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_none(), "{page:?}");
    assert_eventually!(sidecar.output().contains("is not accepted"));
}

#[test]
fn people_can_bind_by_a_name_made_of_what_they_typed() {
    let slapd = Slapd::start();
    let upstream = Upstream::start();
    let sidecar = directory(
        &slapd,
        &[
            (
                "direct_bind",
                "uid={username},ou=people,dc=example,dc=org".into(),
            ),
            // people may read nothing here but their own entry
            ("group_filter", "".into()),
        ],
    )
    .without("connections.dir.bind_dn")
    .without("connections.dir.bind_password")
    .route(route("/").to(&upstream))
    .start();
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    visitor.go("/");
    assert_eq!(
        upstream.last().header("x-forwarded-email"),
        Some("alice@example.org")
    );
    for (login, password) in [
        ("alice", "wrong"),
        ("alice,ou=people", "alice-secret"),
        ("alice@example.org", "alice-secret"),
        ("nobody", "alice-secret"),
    ] {
        let (visitor, page) = attempt(&sidecar, login, password);
        assert!(visitor.session().is_none(), "{login:?}: {page:?}");
    }
}

#[test]
fn the_operator_sees_each_step() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let shown = sidecar.cli_json(&["connections", "show", "dir", "--json"]);
    assert_eq!(shown["servers"][slapd.url()], "answers", "{shown:#}");
    sidecar.cli_ok(&["check", "--online"]);
    let wrong = directory(&slapd, &[("bind_password", "not-it".into())]).route(demo());
    wrong.write();
    let said = wrong.cli(&["check", "--online"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("the account that looks people up cannot bind"),
        "{said}"
    );
}

#[test]
fn who_is_gone_or_has_lost_a_group_is_signed_out_soon() {
    let slapd = Slapd::start();
    let (upstream, sidecar) = started(&slapd, &[("recheck", "10s".into())]);
    let (mut alice, _) = attempt(&sidecar, "alice", "alice-secret");
    let (mut bob, _) = attempt(&sidecar, "b*o)b", "bob-secret");
    let (mut twin, _) = attempt(&sidecar, "twin1", "twin-secret");
    for visitor in [&mut alice, &mut bob, &mut twin] {
        assert!(visitor.me().is_some());
    }
    let group = "cn=unix,ou=groups,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {group}\nchangetype: modify\ndelete: memberUid\nmemberUid: alice\n"
    ));
    let locked = "uid=b*o)b,ou=people,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {locked}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    ));
    let renamed = "uid=twin1,ou=people,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {renamed}\nchangetype: modify\nreplace: mail\nmail: one@example.org\n"
    ));
    assert_eventually!(within 30, alice.me().is_none() && bob.me().is_none());
    for why in ["recheck-gone", "recheck-group-removed"] {
        assert_eventually!(
            sidecar.log_about(why).contains("session-revoked"),
            "{}",
            sidecar.log_about(why)
        );
    }
    // who is still there stays, and what is new about them arrives
    assert!(twin.me().is_some());
    // Each of them is looked at in turn.
    let mut told = || {
        twin.go("/");
        upstream
            .last()
            .header("x-forwarded-email")
            .map(str::to_owned)
    };
    assert_eventually!(told().as_deref() == Some("one@example.org"));
}

#[test]
fn a_trial_login_shows_each_step() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    for (password, failed) in [("alice-secret", None), ("wrong", Some("bind"))] {
        let trial = Trial::begin(&sidecar, "dir");
        let mut alice = sidecar.visitor();
        let page = alice.go(&trial.url);
        alice.try_password(&page, "alice", password);
        assert!(alice.session().is_none());
        let (report, code) = trial.end();
        assert_eq!(code, Some(i32::from(failed.is_some())), "{report:#}");
        let steps = report["steps"].as_array().unwrap();
        let steps: Vec<_> = steps
            .iter()
            .map(|step| step["step"].as_str().unwrap())
            .collect();
        let all = [
            "connect",
            "tls",
            "bind-reader",
            "search",
            "bind",
            "account",
            "groups",
            "identity",
        ];
        assert_eq!(steps, all);
        let at = |outcome: &str| {
            let steps = report["steps"].as_array().unwrap().iter();
            let found = steps.filter(|step| step["outcome"] == outcome);
            found
                .map(|step| step["step"].as_str().unwrap())
                .collect::<Vec<_>>()
        };
        match failed {
            None => {
                assert_eq!(at("passed"), all);
                assert_eq!(report["said"]["profile"]["email"], "alice@example.org");
                assert_eq!(report["said"]["groups"][0], "everybody");
            }
            Some(step) => assert_eq!(at("failed"), [step], "{report:#}"),
        }
    }
}
