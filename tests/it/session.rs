//! Sessions: who is signed in, for how long, and who may end it.

use std::time::{Duration, Instant};

use crate::support::{
    Raw, Request, Sidecar, Upstream, route,
    visitor::PASSWORD,
    websocket::{self, masked_text},
};

#[test]
fn a_stranger_signs_up_and_arrives_where_they_wanted() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.visitor();
    let challenge = alice.open("/deep/page?x=1&y=%2F");
    assert_eq!(challenge.answer.status, 302);
    assert!(
        challenge.answer.location().contains("/.auth/login?rd="),
        "{challenge:?}"
    );
    assert!(challenge.answer.location().contains("rd="));
    assert_eq!(upstream.hits(), 0);
    let page = alice.sign_up("/deep/page?x=1&y=%2F", "alice");
    assert_eq!(page.answer.status, 200);
    let seen = upstream.last();
    assert_eq!(seen.target(), "/deep/page?x=1&y=%2F");
    let me = alice.me().unwrap();
    assert_eq!(seen.header("X-Forwarded-User"), me["user"]["id"].as_str());
    assert_eq!(seen.header("X-Forwarded-Preferred-Username"), Some("alice"));
    assert!(
        me["user"]["id"].as_str().unwrap().starts_with("members|"),
        "{me}"
    );
}

#[test]
fn a_script_is_told_where_to_sign_in() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let answer = sidecar.visitor().fetch("/api/things").expect(401);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    assert!(
        answer.json()["login_url"]
            .as_str()
            .unwrap()
            .contains("/.auth/login")
    );
    assert!(answer.header("location").is_none() && answer.all("set-cookie").is_empty());
    for request in [
        Request::get("/x").header("Accept", "*/*"),
        Request::get("/x")
            .header("Accept", "text/html")
            .header("Sec-Fetch-Mode", "cors"),
        Request::get("/x")
            .header("Accept", "image/png")
            .header("Sec-Fetch-Mode", "no-cors"),
        Request::new("DELETE", "/x").header("Accept", "text/html"),
    ] {
        assert_eq!(sidecar.ask(&request).status, 401, "{request:?}");
    }
    let plain = Request::get("/x").header("Accept", "text/html,*/*");
    assert_eq!(sidecar.ask(&plain).status, 302);
}

#[test]
fn sessions_are_listed_and_revoked_at_once() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let mut bob = sidecar.signed_up("bob");
    alice.go("/x");
    bob.go("/x");
    let list = sidecar.cli_json(&["sessions", "list", "--json"]);
    let sessions = list
        .as_array()
        .cloned()
        .unwrap_or_else(|| list["sessions"].as_array().unwrap().clone());
    assert_eq!(sessions.len(), 2, "{list}");
    let id_of_alice = alice.me().unwrap()["user"]["id"].clone();
    let held = sessions
        .iter()
        .find(|session| session["user"] == id_of_alice)
        .unwrap();
    let start = Instant::now();
    sidecar.cli_ok(&["sessions", "revoke", held["id"].as_str().unwrap()]);
    assert!(alice.me().is_none(), "alice's session lives on");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(bob.me().is_some(), "bob's session ended too");
    let unknown = sidecar.cli(&["sessions", "revoke", "00000000000000000000000000000000"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn a_blocked_user_is_cut_off_at_once() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let id = alice.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    sidecar.cli_ok(&["users", "block", &id]);
    assert!(alice.me().is_none());
    let mut again = sidecar.visitor();
    again.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(again.session().is_none(), "a blocked user signs in");
    sidecar.cli_ok(&["users", "unblock", &id]);
    again.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(again.session().is_some());
}

#[test]
fn a_session_survives_a_restart_and_a_power_cut() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    sidecar.restart();
    assert!(alice.me().is_some(), "a restart ended it");
    sidecar.kill9();
    sidecar.start_again();
    assert!(alice.me().is_some(), "a power cut ended it");
}

#[test]
fn a_session_in_memory_ends_with_the_process() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new()
        .set("session.store", "memory")
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    assert!(alice.me().is_some());
    sidecar.restart();
    assert!(alice.me().is_none());
    alice.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(alice.me().is_some(), "the user did not survive");
}

#[test]
fn revoking_ends_an_open_websocket() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let alice = sidecar.signed_up("alice");
    let mut raw: Raw = sidecar.raw();
    let opening = websocket::opening("/ws", &sidecar.origin())
        .header("Cookie", &alice.session().unwrap().pair());
    raw.send(opening.bytes(&format!("localhost:{}", sidecar.port)));
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    raw.send(masked_text("hello"));
    let most = Duration::from_secs(5);
    assert_eq!(
        websocket::frame(&mut raw, most),
        Some((1, b"hello".to_vec()))
    );
    sidecar.cli_ok(&["sessions", "revoke", "--user", "alice"]);
    assert!(raw.ends_within(most));
    assert_eventually!(upstream.open() == 0);
}
