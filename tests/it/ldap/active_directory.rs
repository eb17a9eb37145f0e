//! Active Directory: passwords, the states of accounts, groups of groups.

use toml::{Table, Value};

use super::{attempt, certificate::Site, change_password};
use crate::support::{
    Browser, Sidecar, Upstream,
    active_directory::{ActiveDirectory, BASE, READER, in_own_network},
    client_certificates::Says,
    route,
    sidecar::list,
};

/// A sidecar whose only connection `corp` is this domain, and which is not started yet.
fn domain(directory: &ActiveDirectory) -> Sidecar {
    let ca = directory.ca();
    let lines = [
        ("strategy", "active-directory"),
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
    Sidecar::new()
        .without("connections.members")
        .set("connections.corp", Value::Table(table))
        .set("connections.corp.servers", list(&["ldaps://localhost"]))
        .set(
            "connections.corp.domain_names",
            list(&["CORP", "corp.test"]),
        )
}

#[test]
fn people_of_active_directory_sign_in() {
    in_own_network("ldap::active_directory::inside");
}

#[test]
#[ignore = "started by people_of_active_directory_sign_in, in a network of its own"]
fn inside() {
    let directory = ActiveDirectory::start();
    every_name_is_the_same_person_with_groups_of_groups(&directory);
    a_ticket_is_the_same_person_in_curl_and_in_chromium(&directory);
    a_certificate_is_the_same_person(&directory);
    the_state_of_an_account_is_told_to_who_knows_the_password(&directory);
    a_password_that_must_be_changed_is_changed(&directory);
    start_tls_and_a_bind_by_principal_name(&directory);
    a_principal_name_of_another_domain_is_not_somebody_else(&directory);
    a_locked_account_is_told_to_the_operator_alone(&directory);
}

fn every_name_is_the_same_person_with_groups_of_groups(directory: &ActiveDirectory) {
    let upstream = Upstream::start();
    let sidecar = domain(directory).route(route("/").to(&upstream)).start();
    for login in ["alice", "CORP\\alice", "corp\\ALICE", "alice@corp.test"] {
        let (mut visitor, page) = attempt(&sidecar, login, "alice-secret");
        assert!(visitor.session().is_some(), "{login}: {page:?}");
        visitor.go("/");
        let seen = upstream.last();
        assert_eq!(
            seen.header("x-forwarded-groups"),
            Some("all staff,engineers")
        );
        assert_eq!(seen.header("x-forwarded-email"), Some("alice@corp.test"));
        assert_eq!(seen.header("x-forwarded-preferred-username"), Some("alice"));
        let id = seen.header("x-forwarded-user").unwrap();
        let (_, guid) = id.split_once('|').unwrap();
        let shown = directory.tool(&["user", "show", "alice", "--attributes=objectGUID"]);
        assert!(shown.contains(guid), "{id}: {shown}");
    }
    let users = sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 1, "{users:#}");
    for login in [
        "OTHER\\alice",
        "alice@other.test",
        "CN=Alice Ng,CN=Users,DC=corp,DC=test",
    ] {
        let (visitor, _) = attempt(&sidecar, login, "alice-secret");
        assert!(visitor.session().is_none(), "{login}");
    }
    // 52e
    let (visitor, page) = attempt(&sidecar, "alice", "wrong");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("do not match"), "{page:?}");
    assert_eventually!(sidecar.output().contains("data 52e"));
}

fn a_ticket_is_the_same_person_in_curl_and_in_chromium(directory: &ActiveDirectory) {
    let upstream = Upstream::start();
    let sidecar = domain(directory)
        .set(
            "connections.corp.kerberos.keytab",
            directory.keytab().to_str().unwrap(),
        )
        .set(
            "connections.corp.kerberos.networks",
            list(&["127.0.0.0/8", "::1/128"]),
        )
        .route(route("/").to(&upstream))
        .start();
    let (mut visitor, _) = attempt(&sidecar, "alice", "alice-secret");
    visitor.go("/");
    let by_password = upstream
        .last()
        .header("x-forwarded-user")
        .unwrap()
        .to_owned();
    let alice = directory.tickets("alice");
    let said = alice.curl(&format!("{}/by-curl", sidecar.origin()));
    let seen = upstream.last();
    assert_eq!(seen.target(), "/by-curl", "{said}");
    assert_eq!(seen.header("x-forwarded-user"), Some(by_password.as_str()));
    assert_eq!(
        seen.header("x-forwarded-groups"),
        Some("all staff,engineers")
    );
    // the same account's other service, by the same key
    let hits = upstream.hits();
    alice.forget_cookies();
    alice.curl_by(&[], &["--service-name", "cifs", &sidecar.origin()]);
    assert_eq!(upstream.hits(), hits);
    assert_eventually!(sidecar.output().contains("cifs/localhost"));
    let browser = Browser::with_ticket(&alice.environment(), &sidecar.origin());
    upstream.forget();
    browser.goto(&format!("{}/by-chromium", sidecar.origin()));
    assert_eventually!(upstream.hits() > 0, "{}", browser.text("body"));
    assert_eq!(
        upstream.last().header("x-forwarded-user"),
        Some(by_password.as_str())
    );
    let users = sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 1, "{users:#}");
}

fn a_certificate_is_the_same_person(directory: &ActiveDirectory) {
    let site = Site::with(
        domain(directory),
        "corp",
        &[("certificate.subject", "upn".into())],
    );
    let mut visitor = site.visitor(None);
    let page = visitor.go("/page");
    visitor.try_password(&page, "alice", "alice-secret");
    visitor.go("/page");
    let by_password = site.told();
    let mut says = Says::name("Alice");
    says.upn = Some("alice@corp.test".to_owned());
    let alice = site.issue(&says);
    assert_eq!(site.sign_in(&alice), Some(by_password));
}

/// 533
fn the_state_of_an_account_is_told_to_who_knows_the_password(directory: &ActiveDirectory) {
    let sidecar = domain(directory).route(route("/").set("upstream", "builtin:demo"));
    let sidecar = sidecar.start();
    let (visitor, page) = attempt(&sidecar, "carol", "carol-secret");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("cannot be used"), "{page:?}");
    assert_eventually!(sidecar.output().contains("data 533"));
    let (_, page) = attempt(&sidecar, "carol", "wrong");
    assert!(page.text().contains("do not match"), "{page:?}");
}

/// 773
fn a_password_that_must_be_changed_is_changed(directory: &ActiveDirectory) {
    let sidecar = domain(directory).route(route("/").set("upstream", "builtin:demo"));
    let sidecar = sidecar.start();
    let (mut visitor, page) = attempt(&sidecar, "bob", "bob-secret");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("must be changed"), "{page:?}");
    let page = change_password(&mut visitor, &page, "bob-secret", "short");
    assert!(page.text().contains("is not accepted"), "{page:?}");
    let page = change_password(&mut visitor, &page, "bob-secret", "a new one of bob");
    assert!(visitor.session().is_some(), "{page:?}");
    let (visitor, _) = attempt(&sidecar, "bob", "a new one of bob");
    assert!(visitor.session().is_some());
}

fn start_tls_and_a_bind_by_principal_name(directory: &ActiveDirectory) {
    let sidecar = domain(directory)
        .without("connections.corp.bind_dn")
        .without("connections.corp.bind_password")
        .set("connections.corp.direct_bind", "{username}@corp.test")
        .set("connections.corp.servers", list(&["ldap://localhost"]))
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    let page = visitor.go("/");
    assert!(page.text().contains("engineers"), "{page:?}");
    let (visitor, _) = attempt(&sidecar, "alice", "wrong");
    assert!(visitor.session().is_none());
}

/// Whoever binds by a name need not be who is found by it.
fn a_principal_name_of_another_domain_is_not_somebody_else(directory: &ActiveDirectory) {
    let sidecar = domain(directory)
        .without("connections.corp.bind_dn")
        .without("connections.corp.bind_password")
        .set("connections.corp.direct_bind", "{username}@mail.example")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    // mallory's principal name, mallory's password, alice's account name
    let (visitor, page) = attempt(&sidecar, "alice", "mallory-secret");
    assert!(visitor.session().is_none(), "{page:?}");
    assert_eq!(page.answer.status, 422, "{page:?}");
}

/// 775
fn a_locked_account_is_told_to_the_operator_alone(directory: &ActiveDirectory) {
    let sidecar = domain(directory).route(route("/").set("upstream", "builtin:demo"));
    let sidecar = sidecar.start();
    for _ in 0..3 {
        attempt(&sidecar, "dave", "wrong");
    }
    let (visitor, page) = attempt(&sidecar, "dave", "dave-secret");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("do not match"), "{page:?}");
    assert_eventually!(sidecar.output().contains("data 775"));
}
