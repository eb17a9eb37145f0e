//! Who may pass: public paths, rules, connections, and what `explain` says about it.

use crate::support::{Request, Sidecar, Upstream, route, sidecar::list, visitor::PASSWORD};

#[test]
fn a_rule_lets_in_whom_it_names_and_no_one_else() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(
            route("/handle")
                .to(&upstream)
                .allow(&["user.handle == 'alice'"]),
        )
        .route(route("/any").to(&upstream).allow(&["any"]))
        .route(
            route("/members")
                .to(&upstream)
                .allow(&["connection:members"]),
        )
        .route(
            route("/others")
                .to(&upstream)
                .allow(&["connection:members"])
                .set("deny", list(&["user.handle == 'bob'"])),
        )
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let mut bob = sidecar.signed_up("bob");
    for (path, for_alice, for_bob) in [
        ("/handle/x", 200, 403),
        ("/any/x", 200, 200),
        ("/members/x", 200, 200),
        ("/others/x", 200, 403),
    ] {
        let before = upstream.hits();
        assert_eq!(alice.open(path).answer.status, for_alice, "alice at {path}");
        assert_eq!(bob.open(path).answer.status, for_bob, "bob at {path}");
        let let_in = [for_alice, for_bob]
            .iter()
            .filter(|status| **status == 200)
            .count();
        assert_eq!(upstream.hits() - before, let_in, "{path}");
    }
    let page = bob.open("/handle/x");
    assert!(page.text().contains("Reference"), "no reference: {page:?}");
    assert_eq!(bob.fetch("/handle/x").status, 403);
}

#[test]
fn an_unverified_address_opens_nothing() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(
            route("/mail")
                .to(&upstream)
                .allow(&["email:alice@example.com"]),
        )
        .route(
            route("/domain")
                .to(&upstream)
                .allow(&["domain:example.com"]),
        )
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    assert_eq!(alice.open("/mail").answer.status, 403);
    assert_eq!(alice.open("/domain").answer.status, 403);
    assert_eq!(upstream.hits(), 0);
    assert_eq!(alice.open("/x").answer.status, 200);
}

#[test]
fn a_public_path_knows_who_is_there_and_lets_everybody_in() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream).public(&["/open/**"]))
        .start();
    sidecar.ask(&Request::get("/open/x")).expect(200);
    assert_eq!(upstream.last().header("X-Forwarded-User"), None);
    let mut alice = sidecar.signed_up("alice");
    alice.open("/open/x");
    let id = alice.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        upstream.last().header("X-Forwarded-User"),
        Some(id.as_str())
    );
}

#[test]
fn a_session_of_another_connection_is_challenged() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(
            route("/staff")
                .to(&upstream)
                .set("connections", list(&["staff"])),
        )
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    assert_eq!(alice.open("/x").answer.status, 200);
    let challenge = alice.open("/staff/x");
    assert_eq!(challenge.answer.status, 302, "{challenge:?}");
    assert_eq!(alice.fetch("/staff/x").status, 401);
    let cookie = alice.session().unwrap().pair();
    let copied = Request::get("/staff/x").header("Cookie", &cookie);
    assert_eq!(sidecar.ask(&copied).status, 401);
    assert_eq!(upstream.hits(), 1);
    let page = alice.follow(challenge);
    assert_eq!(page.answer.status, 200, "{page:?}");
}

#[test]
fn explain_tells_what_the_gate_does() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .to(&upstream)
                .public(&["/open/**"])
                .allow(&["user.handle == 'alice'"]),
        )
        .start();
    let mut alice = sidecar.signed_up("alice");
    let mut bob = sidecar.signed_up("bob");
    let ids = [&mut alice, &mut bob]
        .map(|one| one.me().unwrap()["user"]["id"].as_str().unwrap().to_owned());
    let explain = |path: &str, user: Option<&str>| {
        let url = format!("{}{path}", sidecar.origin());
        let mut words = vec!["explain", "--url", &url, "--json"];
        if let Some(user) = user {
            words.extend(["--user", user]);
        }
        let output = sidecar.cli(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let verdict = |value: serde_json::Value| value["verdict"].to_string().to_ascii_lowercase();
    assert!(verdict(explain("/private", None)).contains("challenge"));
    assert!(verdict(explain("/open/x", None)).contains("forward"));
    assert!(verdict(explain("/private", Some(&ids[1]))).contains("deny"));
    let allowed = explain("/private", Some(&ids[0]));
    assert!(verdict(allowed.clone()).contains("forward"), "{allowed}");
    alice.open("/private");
    let seen = upstream.last();
    let told = allowed["headers"].to_string();
    assert!(
        told.contains(seen.header("X-Forwarded-User").unwrap()),
        "{allowed}"
    );
    assert!(
        told.contains("X-Forwarded-User") || told.contains("x-forwarded-user"),
        "{allowed}"
    );
}

#[test]
fn explain_can_be_told_how_somebody_came_and_shows_the_assertion() {
    let upstream = Upstream::start();
    let fresh: toml::Table = [("max_age".to_owned(), "1h".into())].into_iter().collect();
    let strong: toml::Table = [("amr".to_owned(), list(&["mfa"]))].into_iter().collect();
    let sidecar = Sidecar::new()
        .route(route("/fresh").to(&upstream).set("require", fresh))
        .route(route("/strong").to(&upstream).set("require", strong))
        .route(
            route("/near")
                .to(&upstream)
                .allow(&["request.address == '192.0.2.7'"]),
        )
        .route(route("/").to(&upstream).set("assertion", true))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let explain = |path: &str, more: &[&str]| {
        let url = format!("{}{path}", sidecar.origin());
        // by the address that she signs in with
        let words = [
            "explain",
            "--url",
            &url,
            "--user",
            "alice@example.com",
            "--json",
        ];
        sidecar.cli_json(&[&words, more].concat())
    };
    for (path, more, verdict) in [
        ("/fresh", &["--auth-age", "59min"][..], "forward"),
        ("/fresh", &["--auth-age", "61min"], "challenge"),
        ("/strong", &["--amr", "pwd", "--amr", "mfa"], "forward"),
        ("/strong", &[], "challenge"),
        ("/near", &["--address", "192.0.2.7"], "forward"),
        ("/near", &["--address", "192.0.3.7"], "deny"),
    ] {
        let told = explain(path, more);
        let says = told["verdict"].as_str().unwrap();
        assert!(says.starts_with(verdict), "{path} {more:?}: {told}");
        assert!(told["assertion"].is_null(), "{told}");
    }
    let told = explain("/x", &[]);
    let assertion = &told["assertion"];
    assert_eq!(assertion["name"], "x-vestibule-assertion");
    assert_eq!(
        assertion["claims"]["sub"],
        alice.me().unwrap()["user"]["id"]
    );
    assert_eq!(assertion["claims"]["aud"], sidecar.origin());
    let url = format!("{}/x", sidecar.origin());
    let text = sidecar.cli_ok(&["explain", "--url", &url, "--user", "alice"]);
    assert!(
        text.contains("x-vestibule-assertion: signed\n      "),
        "{text}"
    );
    let nobody = sidecar.cli_json(&["explain", "--url", &url, "--json"]);
    assert!(nobody["assertion"].is_null(), "{nobody}");
}

#[test]
fn step_up_asks_for_a_fresh_login() {
    let upstream = Upstream::start();
    let fresh: toml::Table = [("max_age".to_owned(), "2s".into())].into_iter().collect();
    let sidecar = Sidecar::new()
        .route(route("/danger").to(&upstream).set("require", fresh))
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    assert_eq!(alice.open("/danger/x").answer.status, 200);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(alice.open("/x").answer.status, 200);
    let challenge = alice.open("/danger/x");
    assert_eq!(challenge.answer.status, 302);
    let page = alice.follow(challenge);
    let done = alice.try_password(&page, "alice", PASSWORD);
    alice.follow(done);
    assert_eq!(upstream.last().target(), "/danger/x");
}
