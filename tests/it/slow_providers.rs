//! What a provider that is slow, or somebody who asks for much, costs everybody else.

use std::{
    io::Read as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use toml::{Table, Value as Toml};

use crate::support::{
    LyingProvider, Request, Sidecar, Upstream,
    federated::{APP, app, oidc, visitor},
    http::exchange,
    openid_provider::{CLIENT, SECRET},
    route,
};

fn ask(sidecar: &Sidecar, target: &str) -> u16 {
    let host = format!("{APP}:{}", sidecar.port);
    exchange(sidecar.port, &host, &Request::navigation(target)).status
}

/// The status of the login page's button, pressed by as many at once.
fn ask_at_once(sidecar: &Sidecar, target: &str, times: usize) -> Vec<u16> {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..times)
            .map(|_| scope.spawn(|| ask(sidecar, target)))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// An app behind a sidecar whose connection `honest` has an issuer of the lying provider.
fn honest(liar: &LyingProvider, upstream: &Upstream) -> Sidecar {
    oidc(app(), "honest", &liar.issuer("honest"))
        .route(route("/").to(upstream))
        .start()
}

fn notify(sidecar: &Sidecar, token: &str) -> u16 {
    let request = Request::new("POST", "/.auth/backchannel-logout/honest").body(
        "application/x-www-form-urlencoded",
        format!("logout_token={token}"),
    );
    exchange(sidecar.port, &format!("{APP}:{}", sidecar.port), &request).status
}

fn signs_in(sidecar: &Sidecar) -> bool {
    let mut alice = visitor(sidecar);
    let page = alice.open("/.auth/login/honest");
    alice.carry_on(page);
    alice.session().is_some()
}

#[test]
fn those_who_wait_for_a_slow_provider_wait_for_one_answer() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    let sidecar = oidc(app(), "slow", &liar.issuer("discovery-slow"))
        .route(route("/").to(&upstream))
        .start();
    let begun = Instant::now();
    thread::scope(|scope| {
        for number in 0..4 {
            let sidecar = &sidecar;
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(2300) * number);
                assert_eq!(ask(sidecar, "/.auth/login/slow"), 502);
            });
        }
    });
    assert_eq!(liar.calls("discovery-slow", "discovery").len(), 1);
    // one deadline, and not one for each
    assert!(begun.elapsed() < Duration::from_secs(20), "{begun:?}");
}

#[test]
fn new_keys_are_fetched_once_for_all_who_bring_them() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    let sidecar = honest(&liar, &upstream);
    assert!(signs_in(&sidecar));
    liar.rotate_keys("honest");
    liar.lie("honest", &["jwks-late"]);
    let all: Vec<bool> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| signs_in(&sidecar))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(all, [true; 8], "{}", sidecar.log_about("honest"));
    assert_eq!(liar.calls("honest", "jwks").len(), 2);
}

#[test]
fn keys_that_change_and_keep_their_names_are_noticed() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    let sidecar = honest(&liar, &upstream);
    assert!(signs_in(&sidecar));
    liar.rotate_keys_under_their_names("honest");
    // they were fetched a moment ago: whoever brings a bad signature does not have them fetched
    assert!(!signs_in(&sidecar));
    assert_eq!(liar.calls("honest", "jwks").len(), 1);
    thread::sleep(Duration::from_secs(31));
    assert!(signs_in(&sidecar), "{}", sidecar.log_about("honest"));
    assert_eq!(liar.calls("honest", "jwks").len(), 2);
}

#[test]
fn a_logout_token_from_anybody_spends_nothing_that_a_login_needs() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    let sidecar = honest(&liar, &upstream);
    assert!(signs_in(&sidecar));
    let unknown = |claims| liar.mint("honest", "logout", &["kid-unknown"], &claims);
    for claims in [
        json!({"sub": "alice", "iss": "http://elsewhere.localhost"}),
        json!({"sub": "alice", "aud": "another"}),
    ] {
        assert_eq!(notify(&sidecar, &unknown(claims)), 400);
    }
    assert_eq!(liar.calls("honest", "jwks").len(), 1, "for nobody's token");
    for _ in 0..10 {
        assert_eq!(notify(&sidecar, &unknown(json!({"sub": "alice"}))), 400);
    }
    assert_eq!(liar.calls("honest", "jwks").len(), 2, "for all of them");
    liar.rotate_keys("honest");
    assert!(signs_in(&sidecar), "{}", sidecar.log_about("honest"));
}

/// An endpoint that never answers, or hangs up at once, and counts who called.
struct Endpoint {
    url: String,
    calls: Arc<AtomicUsize>,
}

impl Endpoint {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "http://liar.localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let begun = stream.read(&mut [0; 16]).is_ok_and(|octets| octets > 0);
                counted.fetch_add(usize::from(begun), Ordering::SeqCst);
                if !answers {
                    held.push(stream);
                }
            }
        });
        Self { url, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// The connections whose logins begin with a call, which goes to this endpoint.
fn begins_with_a_call(endpoint: &Endpoint, upstream: &Upstream, liar: &LyingProvider) -> Sidecar {
    let mut sidecar = oidc(app(), "pushed", &liar.issuer("honest"));
    sidecar.change("connections.pushed.pushed_authorization", true);
    let pushed = "connections.pushed.endpoints.pushed_authorization_request_endpoint";
    sidecar.change(pushed, endpoint.url.as_str());
    let elsewhere = liar.issuer("honest");
    let data = Table::from_iter(
        [
            ("request_token_endpoint", endpoint.url.as_str()),
            ("authorization_endpoint", &elsewhere),
            ("access_token_endpoint", &elsewhere),
            ("subject", "user_id"),
        ]
        .map(|(key, value)| (key.to_owned(), Toml::from(value))),
    );
    let table = Table::from_iter([
        ("strategy".to_owned(), Toml::from("oauth1")),
        ("client_id".to_owned(), CLIENT.into()),
        ("client_secret".to_owned(), SECRET.into()),
        ("provider".to_owned(), data.into()),
    ]);
    sidecar
        .set("connections.old", Toml::Table(table))
        .route(route("/").to(upstream))
        .start()
}

#[test]
fn few_at_once_wait_for_a_provider_that_is_called_to_begin() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    for name in ["pushed", "old"] {
        let endpoint = Endpoint::start(false);
        let sidecar = begins_with_a_call(&endpoint, &upstream, &liar);
        let mut told = ask_at_once(&sidecar, &format!("/.auth/login/{name}"), 24);
        told.sort_unstable();
        assert_eq!(told, [[502; 16].as_slice(), &[503; 8]].concat(), "{name}");
        assert_eq!(endpoint.calls(), 16, "{name}");
        let log = sidecar.log_about(name);
        assert!(log.contains("16 logins wait"), "{log}");
    }
}

#[test]
fn one_address_does_not_begin_logins_without_end_at_a_provider() {
    let (liar, upstream) = (LyingProvider::start(), Upstream::start());
    for name in ["pushed", "old"] {
        let endpoint = Endpoint::start(true);
        let sidecar = begins_with_a_call(&endpoint, &upstream, &liar);
        let target = format!("/.auth/login/{name}");
        let mut told: Vec<u16> = (0..310).map(|_| ask(&sidecar, &target)).collect();
        told.retain(|status| *status == 429);
        assert!(!told.is_empty(), "{name}: nobody was told to wait");
        assert!(endpoint.calls() <= 301, "{name}: {}", endpoint.calls());
        // logins that call nobody are not counted
        let elsewhere = visitor(&sidecar).open("/.auth/login");
        assert_eq!(elsewhere.answer.status, 200);
    }
}
