//! A Kerberos ticket as the way into a directory: curl and Chromium with MIT Kerberos.

use std::path::Path;

use toml::{Table, Value};

use super::{attempt, directory};
use crate::support::{
    Answer, Browser, Request, Sidecar, Slapd, Upstream, http::exchange, kerberos::Kdc, route,
    sidecar::list,
};

/// A sidecar that takes tickets from these networks, and is not started yet.
fn negotiating(slapd: &Slapd, keytab: &Path, networks: &[&str]) -> Sidecar {
    let mut kerberos = Table::new();
    kerberos.insert("keytab".to_owned(), keytab.to_str().unwrap().into());
    kerberos.insert("networks".to_owned(), list(networks));
    directory(slapd, &[("kerberos", Value::Table(kerberos))])
}

/// The same, before an application.
fn sidecar(slapd: &Slapd, keytab: &Path, networks: &[&str]) -> (Upstream, Sidecar) {
    let upstream = Upstream::start();
    let sidecar = negotiating(slapd, keytab, networks);
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    (upstream, sidecar)
}

const HERE: [&str; 2] = ["127.0.0.0/8", "::1/128"];

#[test]
fn a_ticket_signs_in_the_same_person_as_the_password() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let (upstream, sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let alice = kdc.tickets("alice");
    let said = alice.curl(&format!("{}/page", sidecar.origin()));
    let seen = upstream.last();
    assert_eq!(seen.target(), "/page", "{said}");
    assert_eq!(seen.header("x-forwarded-email"), Some("alice@example.org"));
    assert_eq!(
        seen.header("x-forwarded-groups"),
        Some("everybody,staff,unix")
    );
    assert_eq!(
        seen.header("authorization"),
        None,
        "the ticket is not the application's"
    );
    let by_ticket = seen.header("x-forwarded-user").unwrap().to_owned();
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    visitor.go("/");
    assert_eq!(
        upstream.last().header("x-forwarded-user"),
        Some(by_ticket.as_str())
    );
    let users = sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 1, "{users:#}");
}

#[test]
fn chromium_signs_in_by_a_ticket_without_a_word() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let (upstream, sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let alice = kdc.tickets("alice");
    let browser = Browser::with_ticket(&alice.environment(), &sidecar.origin());
    upstream.forget();
    browser.goto(&format!("{}/page", sidecar.origin()));
    assert_eventually!(upstream.hits() > 0, "{}", browser.text("body"));
    assert_eq!(
        upstream.last().header("x-forwarded-email"),
        Some("alice@example.org")
    );
    // who leaves is not led in again
    browser.goto(&format!("{}/.auth/logout", sidecar.origin()));
    assert!(browser.text("body").contains("You are signed out"));
}

#[test]
fn without_a_ticket_the_form_is_in_the_same_answer() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let (_, sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/");
    assert_eq!(page.answer.status, 401);
    assert_eq!(page.answer.header("www-authenticate"), Some("Negotiate"));
    visitor.try_password(&page, "alice", "alice-secret");
    assert!(visitor.session().is_some());
    let browser = Browser::start();
    browser.goto(&sidecar.origin());
    assert_eventually!(
        browser.has("input[name=password]"),
        "{}",
        browser.text("body")
    );
}

#[test]
fn elsewhere_nobody_is_asked_for_a_ticket() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let (_, sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &["192.0.2.0/24"]);
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/");
    assert_eq!(page.answer.status, 200);
    assert_eq!(page.answer.header("www-authenticate"), None);
    let alice = kdc.tickets("alice");
    // neither is one taken that was not asked for
    let (_, asking) = self::sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let token = token(&alice.curl(&asking.origin()));
    expect_form(&show(&sidecar, &token));
}

/// The token that curl has shown to the login page.
fn token(said: &str) -> String {
    let (_, login) = said.split_once("> GET /.auth/login").unwrap();
    let (_, token) = login.split_once("> Authorization: Negotiate ").unwrap();
    token.lines().next().unwrap().trim().to_owned()
}

#[track_caller]
fn expect_form(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("type=\"password\""), "{answer:?}");
}

/// Somebody new shows a token.
fn show(sidecar: &Sidecar, token: &str) -> Answer {
    show_at(sidecar, "dir", token)
}

fn show_at(sidecar: &Sidecar, connection: &str, token: &str) -> Answer {
    let request = Request::get(&format!("/.auth/login/{connection}"))
        .header("Authorization", &format!("Negotiate {token}"))
        .header("Accept", "text/html");
    let authority = sidecar.origin().replace("http://", "");
    exchange(sidecar.port, &authority, &request)
}

#[test]
fn a_ticket_is_taken_once_for_this_service_and_from_somebody_of_the_directory() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let (upstream, mut sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let alice = kdc.tickets("alice");
    let said = alice.curl(&sidecar.origin());
    assert_eq!(upstream.hits(), 1, "{said}");
    // replayed, also after a restart
    let token = token(&said);
    let again = |sidecar: &Sidecar| {
        let answer = show(sidecar, &token);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains("Let’s start again"), "{answer:?}");
    };
    again(&sidecar);
    sidecar.restart();
    again(&sidecar);
    // nobody's entry
    let nobody = kdc.tickets("nobody");
    nobody.curl(&sidecar.origin());
    assert_eq!(upstream.hits(), 1);
    assert_eventually!(sidecar.output().contains("nobody fits"));
    // what is no ticket
    for token in ["", "TlRMTVNTUAABAAAAB4IIogAAAAA=", "YAA=", "!", "YWxpY2U="] {
        let answer = show(&sidecar, token);
        if answer.status != 401 {
            expect_form(&answer);
        }
    }
    assert_eventually!(sidecar.output().contains("offers NTLM"));
}

#[test]
fn a_ticket_for_another_service_is_not_taken() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let alice = kdc.tickets("alice");
    for (keytab, why) in [
        ("elsewhere", "which the keytab has no key of"),
        ("old", "the ticket is not accepted"),
    ] {
        let (upstream, sidecar) = sidecar(&slapd, &kdc.keytab(keytab), &HERE);
        let said = alice.curl(&sidecar.origin());
        assert_eq!(upstream.hits(), 0, "{said}");
        assert_eventually!(sidecar.output().contains(why), "{why}");
    }
}

#[test]
fn a_ticket_of_another_time_is_not_taken() {
    // What `faketime` does, but it stays and leaves the program behind when it is ended.
    let later = [
        "env",
        "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1",
        "FAKETIME=+1h",
        "FAKETIME_DISABLE_SHM=1",
    ];
    let (slapd, kdc) = (Slapd::start(), Kdc::start_by(&later));
    let (upstream, sidecar) = sidecar(&slapd, &kdc.keytab("localhost"), &HERE);
    let alice = kdc.tickets_by(&later, "alice");
    let said = alice.curl_by(&later, &[&sidecar.origin()]);
    assert_eq!(upstream.hits(), 0, "{said}");
    assert_eventually!(
        sidecar.output().contains("the ticket is not accepted"),
        "{said}"
    );
}

/// A page that wants a newer login is not opened by a ticket that comes without a word.
#[test]
fn a_login_anew_is_by_the_person_and_not_by_the_ticket() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let upstream = Upstream::start();
    let mut require = Table::new();
    require.insert("max_age".to_owned(), "3s".into());
    let sidecar = negotiating(&slapd, &kdc.keytab("localhost"), &HERE)
        .route(route("/").to(&upstream).set("require", require))
        .start();
    let alice = kdc.tickets("alice");
    let said = alice.curl(&sidecar.origin());
    assert_eq!(upstream.hits(), 1, "{said}");
    std::thread::sleep(std::time::Duration::from_secs(4));
    let said = alice.curl(&sidecar.origin());
    assert_eq!(upstream.hits(), 1, "{said}");
    assert!(said.contains("type=\"password\""), "{said}");
}

/// One token is one login, whichever connection takes it.
#[test]
fn a_ticket_that_one_connection_took_is_none_for_another() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let upstream = Upstream::start();
    let sidecar = negotiating(&slapd, &kdc.keytab("localhost"), &HERE);
    let twin = sidecar.config["connections"]["dir"].clone();
    let sidecar = sidecar
        .set("connections.twin", twin)
        .route(route("/").to(&upstream))
        .start();
    let token = token(&kdc.tickets("alice").curl(&sidecar.origin()));
    for connection in ["dir", "twin"] {
        let answer = show_at(&sidecar, connection, &token);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
}

/// The same name of another realm is somebody else.
#[test]
fn a_ticket_of_a_realm_that_is_not_taken_lets_nobody_in() {
    let (slapd, kdc) = (Slapd::start(), Kdc::start());
    let upstream = Upstream::start();
    let sidecar = negotiating(&slapd, &kdc.keytab("localhost"), &HERE)
        .set("connections.dir.kerberos.realms", list(&["OTHER.TEST"]))
        .route(route("/").to(&upstream))
        .start();
    let said = kdc.tickets("alice").curl(&sidecar.origin());
    assert_eq!(upstream.hits(), 0, "{said}");
    assert_eventually!(sidecar.output().contains("which is not taken here"));
}
