//! The rows that a relying party is held to: the modules of the OpenID conformance suite, those of
//! the FAPI profiles that fit plain OpenID Connect, and the attacks on tokens and answers. Each is a
//! switch of the lying provider, and the issuer of a connection of its own.
//!
//! Each test prints its table, and keeps it as `conformance/NAME.txt` in the target folder.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use openssl::rsa::Rsa;
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    LyingProvider, Request, Sidecar, Upstream, Visitor,
    federated::{APP, app, oidc, visitor},
    http::exchange,
    lying_provider::Lie,
    openid_provider::SECRET,
    route,
    sidecar::list,
    visitor::target,
};

/// How one row went.
struct Row {
    lie: Lie,
    seen: String,
    /// Why, as the sidecar's log says it.
    why: String,
}

impl Row {
    fn demanded(&self) -> &str {
        if self.lie.stops.is_some() {
            "rejected"
        } else {
            "accepted"
        }
    }

    fn kept(&self) -> bool {
        let says = self.lie.says.as_deref().unwrap_or_default();
        // a refusal that the operator cannot read about is only half of one
        let told = self.lie.stops.is_none() || !self.why.is_empty();
        self.demanded() == self.seen && told && self.why.contains(says)
    }
}

/// Every row as a line: what it is, what was demanded, what was seen, and why.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "  {:<32} {:<55} {:<9} {:<9} why\n",
        "switch", "row", "demanded", "seen"
    );
    for row in rows {
        let mark = if row.kept() { ' ' } else { '!' };
        let _ = writeln!(
            text,
            "{mark} {:<32} {:<55} {:<9} {:<9} {}",
            row.lie.name,
            row.lie.row,
            row.demanded(),
            row.seen,
            row.why
        );
    }
    text
}

/// Shows the table, keeps it, and fails the test if a row is not as demanded.
#[track_caller]
fn judge(name: &str, mut rows: Vec<Row>) {
    rows.sort_by(|a, b| a.lie.name.cmp(&b.lie.name));
    let whole = table(&rows);
    eprintln!("{whole}");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../conformance");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.txt")), whole).unwrap();
    rows.retain(|row| !row.kept());
    assert!(rows.is_empty(), "not as demanded:\n{}", table(&rows));
}

/// Logs in at the connection of a row as often as it takes; what was seen.
fn drive(sidecar: &Sidecar, liar: &LyingProvider, lie: &Lie) -> Row {
    let mut seen = String::new();
    for _ in 0..lie.logins {
        let mut alice = visitor(sidecar);
        let page = alice.open(&format!("/.auth/login/{}?rd=/page", lie.name));
        let page = alice.carry_on(page);
        let (session, status) = (alice.session().is_some(), page.answer.status);
        seen = match (session, status) {
            _ if page.text().contains("<script>alert") => "a script on the page".to_owned(),
            (true, 200) => "accepted".to_owned(),
            (false, 400..) => "rejected".to_owned(),
            _ => format!("session: {session}, status: {status}"),
        };
    }
    if let Some(stops) = &lie.stops {
        seen += &went_on(liar, lie, stops);
    }
    row(sidecar, lie, seen)
}

fn row(sidecar: &Sidecar, lie: &Lie, seen: String) -> Row {
    Row {
        lie: lie.clone(),
        seen,
        why: why(sidecar, &lie.name),
    }
}

/// What the client did after the point where it had to stop.
fn went_on(liar: &LyingProvider, lie: &Lie, stops: &str) -> String {
    let after: &[&str] = match stops {
        "discovery" => &["auth", "par", "token", "userinfo"],
        "answer" => &["token", "userinfo"],
        "token" => &["userinfo"],
        "userinfo" => &[],
        other => panic!("{}: stops at {other}", lie.name),
    };
    // the logins before the last one are honest where a row takes several
    let allowed = usize::try_from(lie.logins).unwrap() - 1;
    after
        .iter()
        .filter(|endpoint| liar.calls(&lie.name, endpoint).len() > allowed)
        .map(|endpoint| format!(", then {endpoint}"))
        .collect()
}

/// What stands behind the last failure of a connection in the log, after the step.
fn why(sidecar: &Sidecar, connection: &str) -> String {
    let log = sidecar.log();
    let mut lines = log.lines().rev().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["connection"] == connection).then(|| line["error"].as_str().map(str::to_owned))?
    });
    let error = lines.next().unwrap_or_default();
    let after = error.splitn(3, ": ").nth(2).unwrap_or_default();
    after.chars().take(150).collect()
}

/// A sidecar with one connection for each row.
fn connections(sidecar: Sidecar, liar: &LyingProvider, lies: &[Lie]) -> Sidecar {
    lies.iter().fold(sidecar, |sidecar, lie| {
        oidc(sidecar, &lie.name, &liar.issuer(&lie.name))
    })
}

fn drive_all(sidecar: &Sidecar, liar: &LyingProvider, lies: &[Lie]) -> Vec<Row> {
    let rows = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(lie) = lies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = drive(sidecar, liar, lie);
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    rows.into_inner().unwrap()
}

/// A switch that fails by itself would be refused for no reason of its own; and nobody went where a
/// token or a redirect led.
#[track_caller]
fn expect_sound(liar: &LyingProvider) {
    assert_eq!(liar.output().trim(), "ready");
    assert_eq!(liar.strayed(), Vec::<Value>::new());
}

/// LOG-1, at its most talkative: what a login depends on is said nowhere, also where one failed.
#[track_caller]
fn expect_discreet(sidecar: &Sidecar, liar: &LyingProvider) {
    let said = sidecar.output();
    assert!(!said.contains(SECRET), "the client's secret");
    let calls = liar.all_calls();
    let redeemed = calls.iter().filter(|call| call["endpoint"] == "token");
    let secrets = redeemed.flat_map(|call| {
        let parameters = ["code", "code_verifier", "client_secret", "client_assertion"];
        parameters.map(|name| call["form"][name].as_str().unwrap_or_default())
    });
    let mut counted = 0;
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        let at = said
            .find(secret)
            .map(|at| &said[at.saturating_sub(200)..at]);
        assert_eq!(at, None, "said behind this");
        counted += 1;
    }
    assert!(counted > 100, "{counted}");
}

#[test]
fn every_lie_at_a_login_is_answered_as_demanded() {
    let liar = LyingProvider::start();
    let mut lies = liar.lies("login");
    lies.retain(|lie| lie.needs.as_deref() != Some("encryption"));
    let upstream = Upstream::start();
    let sidecar = oidc(app(), "honest", &liar.issuer("honest"));
    let sidecar = connections(sidecar, &liar, &lies)
        .route(route("/").to(&upstream))
        .start();
    let rows = drive_all(&sidecar, &liar, &lies);
    judge("openid-login", rows);
    expect_sound(&liar);
    // what one provider does is nothing to the others
    log_in(&sidecar);
    expect_discreet(&sidecar, &liar);
    // a gigabyte is not read to its end
    for huge in ["discovery-huge", "jwks-huge", "token-huge", "userinfo-huge"] {
        let sent = liar.sent(huge);
        assert!(sent < 64 << 20, "{huge}: {sent} octets were taken");
    }
}

#[test]
fn every_lie_about_an_encrypted_id_token_is_answered_as_demanded() {
    let sidecar = app();
    let keys = format!("{}/.auth/jwks/NAME", sidecar.origin_of(APP));
    let liar = LyingProvider::with(json!({"client_jwks": keys}));
    let mut lies = liar.lies("login");
    lies.retain(|lie| lie.needs.as_deref() == Some("encryption"));
    assert!(lies.len() > 5, "{lies:?}");
    let key = Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    let key = String::from_utf8(key).unwrap();
    let upstream = Upstream::start();
    let mut sidecar = connections(sidecar, &liar, &lies).route(route("/").to(&upstream));
    for lie in &lies {
        let connection = format!("connections.{}", lie.name);
        sidecar.change(&format!("{connection}.encrypted_id_token"), true);
        sidecar.change(&format!("{connection}.decryption_keys"), list(&[&key]));
    }
    let sidecar = sidecar.start();
    let rows = drive_all(&sidecar, &liar, &lies);
    judge("openid-encryption", rows);
    expect_sound(&liar);
}

/// One sidecar whose connection `honest` has an honest issuer, and somebody who is signed in by it.
struct SignedIn {
    liar: LyingProvider,
    sidecar: Sidecar,
    alice: Visitor,
    _upstream: Upstream,
}

fn signed_in() -> SignedIn {
    let liar = LyingProvider::start();
    let upstream = Upstream::start();
    let sidecar = oidc(app(), "honest", &liar.issuer("honest"))
        .route(route("/").to(&upstream))
        .start();
    let alice = log_in(&sidecar);
    SignedIn {
        liar,
        sidecar,
        alice,
        _upstream: upstream,
    }
}

fn log_in(sidecar: &Sidecar) -> Visitor {
    let mut alice = visitor(sidecar);
    let page = alice.open("/.auth/login/honest");
    alice.carry_on(page);
    assert!(alice.session().is_some(), "{}", sidecar.log_about("honest"));
    alice
}

/// What the provider sends to the back channel (OpenID Connect Back-Channel Logout, section 2.5).
fn notify(sidecar: &Sidecar, token: &str) -> (u16, Option<String>) {
    let body = format!("logout_token={token}");
    let request = Request::new("POST", "/.auth/backchannel-logout/honest")
        .body("application/x-www-form-urlencoded", body);
    let host = format!("{APP}:{}", sidecar.port);
    let answer = exchange(sidecar.port, &host, &request);
    let cache = answer.header("cache-control").map(str::to_owned);
    (answer.status, cache)
}

#[test]
fn every_lie_in_a_logout_token_is_answered_as_demanded() {
    let SignedIn {
        liar,
        sidecar,
        mut alice,
        ..
    } = signed_in();
    let mut rows = Vec::new();
    for lie in liar.lies("logout") {
        if alice.session().is_none() || alice.me().is_none() {
            alice = log_in(&sidecar);
        }
        let token = liar.mint("honest", "logout", &[&lie.name], &json!({"sub": "alice"}));
        let seen = match (notify(&sidecar, &token), alice.me().is_some()) {
            ((400, Some(cache)), true) if cache.contains("no-store") => "rejected".to_owned(),
            ((200, Some(cache)), false) if cache.contains("no-store") => "accepted".to_owned(),
            other => format!("{other:?}"),
        };
        rows.push(Row {
            why: why(&sidecar, "honest"),
            lie,
            seen,
        });
    }
    judge("openid-logout", rows);
    expect_sound(&liar);

    // an ID token is none
    let mut alice = log_in(&sidecar);
    let claims = json!({"sub": "alice", "jti": "1", "nonce": "n"});
    let id_token = liar.mint("honest", "id", &[], &claims);
    assert_eq!(notify(&sidecar, &id_token).0, 400);
    assert!(alice.me().is_some());

    // and the honest one ends the session, once
    let token = liar.mint("honest", "logout", &[], &json!({"sub": "alice"}));
    let (status, cache) = notify(&sidecar, &token);
    assert!(status == 200 && cache.unwrap().contains("no-store"));
    assert!(alice.me().is_none());
    let mut again = log_in(&sidecar);
    assert_eq!(notify(&sidecar, &token).0, 400, "a replay");
    assert!(again.me().is_some());
}

/// A logout token with a `sid` ends that session; one with a `sub` every session of the person.
#[test]
fn a_logout_token_ends_what_it_names() {
    let SignedIn {
        liar,
        sidecar,
        alice: mut first,
        ..
    } = signed_in();
    let mut second = log_in(&sidecar);
    let asked = liar.calls("honest", "auth");
    let sid = |login: usize| {
        let challenge = asked[login]["query"]["code_challenge"].as_str().unwrap();
        challenge[..20].to_owned()
    };
    let of_the_first = json!({"sub": "alice", "sid": sid(0)});
    let token = liar.mint("honest", "logout", &[], &of_the_first);
    assert_eq!(notify(&sidecar, &token).0, 200);
    assert!(first.me().is_none() && second.me().is_some());
    let mut third = log_in(&sidecar);
    let token = liar.mint("honest", "logout", &[], &json!({"sub": "alice"}));
    assert_eq!(notify(&sidecar, &token).0, 200);
    assert!(second.me().is_none() && third.me().is_none());
}

/// Rows about what the client sends, rather than what it believes.
#[test]
fn what_the_client_sends_is_as_demanded() {
    let SignedIn { liar, .. } = signed_in();
    let call = |endpoint: &str| liar.calls("honest", endpoint)[0].clone();
    let asked = call("auth")["query"].clone();
    // oidcc-nonce-unless-code-flow, oidcc-scope-userinfo-claims
    assert!(asked["nonce"].as_str().unwrap().len() >= 22, "{asked}");
    assert_eq!(asked["scope"], "openid profile email");
    // oidcc-client-secret-basic, oidcc-userinfo-bearer-header
    assert_eq!(call("token")["scheme"], "Basic");
    assert_eq!(call("userinfo")["scheme"], "Bearer");
    // oidcc-discovery-openid-config, oidcc-discovery-jwks-uri-keys: each was fetched once
    for endpoint in ["discovery", "jwks"] {
        assert_eq!(liar.calls("honest", endpoint).len(), 1, "{endpoint}");
    }
    // FLOW-17: whoever else's token endpoint it is, the assertion is for the issuer; see `oidc`
    assert_eq!(asked["code_challenge_method"], "S256");
}

/// oidcc-rp-init-logout, with the state that was sent, without one and with another.
#[test]
fn the_way_back_from_a_logout_takes_any_state() {
    let SignedIn {
        liar,
        sidecar,
        mut alice,
        ..
    } = signed_in();
    let page = alice.go("/.auth/logout");
    assert_eq!(page.answer.status, 200, "{page:?}");
    assert!(alice.session().is_none());
    let left = &liar.calls("honest", "end")[0]["query"];
    assert!(left["id_token_hint"].is_string(), "{left}");
    let back = left["post_logout_redirect_uri"].as_str().unwrap();
    let mut bob = log_in(&sidecar);
    for state in ["", "?state=another", "?state="] {
        let page = alice.go(&format!("{back}{state}"));
        assert_eq!(page.answer.status, 200, "{state}: {page:?}");
    }
    assert!(bob.me().is_some());
}

/// OpenID Connect Front-Channel Logout: who it is for is said by issuer and session together.
#[test]
fn a_logout_in_a_frame_ends_the_session_that_it_names() {
    let SignedIn {
        liar,
        sidecar,
        mut alice,
        ..
    } = signed_in();
    let challenge = liar.calls("honest", "auth")[0]["query"]["code_challenge"].clone();
    let sid = challenge.as_str().unwrap()[..20].to_owned();
    let frame = |iss: &str, sid: &str| {
        let mut url = alice_url(&sidecar, "/.auth/frontchannel-logout/honest");
        url.query_pairs_mut().extend_pairs(
            [("iss", iss), ("sid", sid)]
                .iter()
                .filter(|pair| !pair.1.is_empty()),
        );
        let host = format!("{APP}:{}", sidecar.port);
        // in a frame of another site: without cookies
        exchange(sidecar.port, &host, &Request::get(&target(&url))).status
    };
    let issuer = liar.issuer("honest");
    for (iss, sid) in [
        ("http://other.localhost", sid.as_str()),
        ("", &sid),
        (&issuer, ""),
    ] {
        assert_eq!(frame(iss, sid), 400, "{iss} {sid}");
    }
    assert_eq!(frame(&issuer, "another"), 200);
    assert!(alice.me().is_some());
    assert_eq!(frame(&issuer, &sid), 200);
    assert!(alice.me().is_none());
}

fn alice_url(sidecar: &Sidecar, path: &str) -> Url {
    format!("{}{path}", sidecar.origin_of(APP)).parse().unwrap()
}

/// JWT-5: tokens with keys that nobody knows do not make us ask for the keys each time.
#[test]
fn unknown_keys_are_looked_for_seldom() {
    let SignedIn { liar, sidecar, .. } = signed_in();
    liar.lie("honest", &["kid-unknown"]);
    for _ in 0..30 {
        let mut alice = visitor(&sidecar);
        let page = alice.open("/.auth/login/honest");
        alice.carry_on(page);
        assert!(alice.session().is_none());
    }
    // the first login's, and one for all of these
    assert_eq!(liar.calls("honest", "jwks").len(), 2);
    assert_eq!(liar.calls("honest", "token").len(), 31);
}
