//! Several hosts behind one sidecar: one login, each host its own token.

use std::time::{Duration, Instant};

use crate::support::{
    Request, Seen, Sidecar, Upstream, Visitor,
    http::exchange,
    route,
    visitor::PASSWORD,
    websocket::{self, masked_text},
};

fn two_hosts(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .route(route("/").host("wiki.localhost").to(upstream))
        .route(route("/").host("git.localhost").to(upstream))
        .start()
}

#[test]
fn one_login_opens_every_host_with_a_token_of_its_own() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let (wiki, git) = (
        sidecar.origin_of("wiki.localhost"),
        sidecar.origin_of("git.localhost"),
    );
    let mut alice = sidecar.visitor();
    let page = alice.sign_up(&format!("{wiki}/page?x=1"), "alice");
    assert_eq!(page.url.as_str(), format!("{wiki}/page?x=1"));
    assert_eq!(upstream.last().target(), "/page?x=1");
    // no second form: the login host knows her
    let page = alice.go(&format!("{git}/repo"));
    assert_eq!(page.url.as_str(), format!("{git}/repo"));
    assert_eq!(page.answer.status, 200);
    let tokens = ["localhost", "wiki.localhost", "git.localhost"].map(|host| {
        alice
            .session_at(host)
            .unwrap_or_else(|| panic!("no token at {host}"))
            .clone()
    });
    assert!(tokens[0].value != tokens[1].value && tokens[1].value != tokens[2].value);
    let users: Vec<_> = upstream
        .seen()
        .iter()
        .map(|s| s.header("X-Forwarded-User").unwrap().to_owned())
        .collect();
    assert_eq!(users[0], users[1]);
}

#[test]
fn two_tabs_at_one_host_both_end_at_their_pages() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    sidecar.signed_up("alice");
    let wiki = sidecar.origin_of("wiki.localhost");
    let mut browser = sidecar.visitor();
    let tabs = ["/first?tab=1", "/second?tab=2"].map(|path| browser.go(&format!("{wiki}{path}")));
    for tab in &tabs {
        let done = browser.try_password(tab, "alice", PASSWORD);
        let end = browser.follow(done);
        assert_eq!(end.answer.status, 200, "{end:?}");
        // nothing of the first way is left but the nonce
        let token = browser.session_at("wiki.localhost").unwrap().clone();
        browser.jar.retain(|cookie| *cookie != token);
    }
    let seen = upstream.seen();
    let reached: Vec<_> = seen.iter().map(Seen::target).collect();
    assert_eq!(reached, ["/first?tab=1", "/second?tab=2"]);
}

#[test]
fn a_hand_over_without_its_nonce_goes_on_where_a_session_is() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let wiki = sidecar.origin_of("wiki.localhost");
    let mut alice = sidecar.visitor();
    alice.sign_up(&format!("{wiki}/x"), "alice");
    alice.jar.retain(|cookie| !cookie.name.contains("nonce"));
    let address = format!("{wiki}/.auth/handover?ticket=old&rd=%2Fwanted");
    let page = alice.open(&address);
    assert_eq!(page.answer.status, 303, "{page:?}");
    assert_eq!(page.answer.location(), "/wanted");
    let lost = sidecar.visitor().open(&address);
    assert_eq!(lost.answer.status, 400, "{lost:?}");
}

#[test]
fn a_new_token_of_a_host_takes_the_place_of_the_old_one() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let wiki = sidecar.origin_of("wiki.localhost");
    let mut alice = sidecar.visitor();
    alice.sign_up(&format!("{wiki}/x"), "alice");
    let mut old = alice.clone();
    let lost = alice.session_at("wiki.localhost").unwrap().clone();
    alice.jar.retain(|cookie| *cookie != lost);
    let wanted = format!("{wiki}/y");
    assert_eq!(alice.go(&wanted).url.as_str(), wanted);
    assert_eq!(alice.fetch(&wanted).status, 200);
    assert_eq!(old.fetch(&wanted).status, 401, "the store keeps both");
    assert_eq!(old.fetch("/.auth/me").status, 200);
    let issued = sidecar.metric("vestibule_events_total{event=\"handle-issued\"}");
    assert!((issued - 2.0).abs() < 0.5, "{issued}");
}

#[test]
fn a_fragment_travels_with_a_hand_over_and_nowhere_else() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let wiki = sidecar.origin_of("wiki.localhost");
    let mut alice = sidecar.signed_up("alice");
    // a Location without a fragment inherits the one that the browser has (RFC 9110 section 10.2.2)
    let bare = alice.open(&format!("/.auth/login?rd={wiki}/x"));
    assert_eq!(bare.answer.location(), format!("{wiki}/x#"));
    let mut page = alice.open(&format!("{wiki}/x"));
    while page.url.path() != "/.auth/handover" {
        page = alice.open(page.url.join(page.answer.location()).unwrap().as_str());
        assert_eq!(page.url.fragment(), None, "the fragment is cut off");
    }
    assert_eq!(page.answer.location(), "/x");
    let away = alice.open(&format!("/.auth/logout?rd={wiki}/bye"));
    assert_eq!(away.answer.location(), format!("{wiki}/bye#"));
}

#[test]
fn a_ticket_is_for_one_host_one_browser_and_one_use() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let (wiki, git) = (
        sidecar.origin_of("wiki.localhost"),
        sidecar.origin_of("git.localhost"),
    );
    let mut alice = sidecar.signed_up("alice");
    // walk to the redirect that carries the ticket, and stop there
    let mut page = alice.open(&format!("{wiki}/x"));
    let ticket = loop {
        let next = page.url.join(page.answer.location()).unwrap();
        if next.query().is_some_and(|query| query.contains("ticket=")) {
            break next;
        }
        page = alice.open(next.as_str());
    };
    assert_eq!(ticket.host_str(), Some("wiki.localhost"));
    let mut thief = sidecar.visitor();
    thief.open(ticket.as_str());
    assert!(
        thief.session_at("wiki.localhost").is_none(),
        "another browser used the ticket"
    );
    let elsewhere = ticket.as_str().replace(&wiki, &git);
    let mut same = alice.clone();
    same.open(&elsewhere);
    assert!(
        same.session_at("git.localhost").is_none(),
        "the ticket opened another host"
    );
    let done = alice.open(ticket.as_str());
    assert!(
        alice.session_at("wiki.localhost").is_some(),
        "the ticket was used up by others: {done:?}"
    );
    let mut later = alice.clone();
    later
        .jar
        .retain(|cookie| cookie.host != "wiki.localhost" || cookie.name.contains("nonce"));
    later.open(ticket.as_str());
    assert!(
        later.session_at("wiki.localhost").is_none(),
        "the ticket worked twice"
    );
}

#[test]
fn revoking_ends_the_session_on_both_hosts_and_its_websocket() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let origins = ["wiki.localhost", "git.localhost"].map(|host| sidecar.origin_of(host));
    let mut alice = sidecar.visitor();
    alice.sign_up(&format!("{}/x", origins[0]), "alice");
    alice.go(&format!("{}/x", origins[1]));
    let cookie = alice.session_at("git.localhost").unwrap().pair();
    let mut raw = sidecar.raw();
    let opening = websocket::opening("/ws", &origins[1]).header("Cookie", &cookie);
    raw.send(opening.bytes(&format!("git.localhost:{}", sidecar.port)));
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    raw.send(masked_text("hello"));
    assert!(websocket::frame(&mut raw, Duration::from_secs(5)).is_some());
    let list = sidecar.cli_json(&["sessions", "list", "--json"]);
    let list = list
        .as_array()
        .unwrap_or_else(|| list["sessions"].as_array().unwrap());
    assert_eq!(list.len(), 1, "one session, whatever the number of hosts");
    sidecar.cli_ok(&["sessions", "revoke", list[0]["id"].as_str().unwrap()]);
    let revoked = Instant::now();
    let alive = |alice: &Visitor, host: &str| {
        let cookie = alice.session_at(host).unwrap().pair();
        let request = Request::get("/y").header("Cookie", &cookie);
        exchange(sidecar.port, &format!("{host}:{}", sidecar.port), &request).status == 200
    };
    assert!(!alive(&alice, "wiki.localhost") && !alive(&alice, "git.localhost"));
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked.elapsed()
    );
    assert!(
        raw.ends_within(Duration::from_secs(5)),
        "the WebSocket lives on"
    );
}

#[test]
fn a_host_that_no_route_names_is_refused() {
    let upstream = Upstream::start();
    let sidecar = two_hosts(&upstream);
    let host = format!("other.localhost:{}", sidecar.port);
    for path in ["/", "/.auth/login", "/.auth/me", "/.auth/jwks.json"] {
        let answer = exchange(sidecar.port, &host, &Request::navigation(path));
        assert_eq!(answer.status, 421, "{path}: {answer:?}");
        assert!(answer.all("set-cookie").is_empty());
    }
    assert_eq!(upstream.hits(), 0);
}
