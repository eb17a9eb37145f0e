//! A provider's tokens for the application: only where a route says so, fresh, and nowhere else.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Answer, LyingProvider, Request, Sidecar, Upstream, Visitor,
    federated::{APP, Site, app, oidc, visitor},
    route,
    sidecar::list,
};

const ACCESS: &str = "X-Forwarded-Access-Token";
const ID: &str = "X-Forwarded-Id-Token";

/// How long an access token is good for, in seconds, and from when on a new one is fetched.
const TTL: u64 = 6;
const RENEWED: Duration = Duration::from_millis(4200);

/// An app that gets both tokens below `/tokens`, and none elsewhere.
fn site(settings: &Value) -> Site {
    let scopes = ["openid", "profile", "email", "groups"];
    let keys = [("scopes", list(&scopes))];
    let mut site = Site::with(&json!({}), settings, &keys);
    let tokens = route("/tokens")
        .to(&site.upstream)
        .set("tokens", list(&["access_token", "id_token"]))
        .set("deny", list(&["group:suspended"]));
    site.sidecar = site.sidecar.route(tokens);
    site.sidecar.write();
    site.sidecar.reload();
    site
}

/// A GET with these headers.
fn with(visitor: &mut Visitor, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    visitor.send(&visitor.url(path), &request)
}

fn refreshes(site: &Site) -> Vec<Value> {
    let all = site.provider.calls("/token").into_iter();
    all.filter(|call| call["form"]["grant_type"] == "refresh_token")
        .collect()
}

#[test]
fn tokens_go_where_a_route_says_so_and_nowhere_else() {
    let mut site = site(&json!({}));
    let mut alice = site.signed_in("alice");
    let forged = [
        (ACCESS, "forged"),
        (ID, "forged"),
        ("x_forwarded_access_token", "forged"),
    ];
    assert_eq!(with(&mut alice, "/tokens/x", &forged).status, 200);
    let seen = site.upstream.last();
    let access = seen.header(ACCESS).expect("an access token").to_owned();
    let id = seen.header(ID).expect("an ID token").to_owned();
    assert_eq!(id.matches('.').count(), 2, "{id}");
    assert!(
        !seen.everything().contains("forged"),
        "{}",
        seen.everything()
    );
    with(&mut alice, "/page", &forged);
    let elsewhere = site.upstream.last().everything();
    for secret in [&access, &id, "forged", "X-Forwarded-Access"] {
        assert!(!elsewhere.contains(secret), "{secret}: {elsewhere}");
    }
    let me = alice.me().unwrap().to_string();
    let listed = site.sidecar.cli_ok(&["sessions", "list", "--json"]);
    site.sidecar.stop();
    let stored = std::fs::read_dir(site.sidecar.path("data")).unwrap();
    let stored = stored.filter_map(|file| std::fs::read(file.unwrap().path()).ok());
    let stored: Vec<u8> = stored.flatten().collect();
    let code = site.provider.calls("/token")[0]["form"]["code"].clone();
    for secret in [&*access, &*id, code.as_str().unwrap()] {
        assert!(!me.contains(secret) && !listed.contains(secret), "{secret}");
        assert!(!site.sidecar.output().contains(secret), "{secret}");
        let found = stored
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "the storage holds {secret}");
    }
}

#[test]
fn fifty_requests_at_the_end_of_a_token_fetch_one() {
    let site = site(&json!({"access_token_ttl": TTL}));
    let mut alice = site.signed_in("alice");
    alice.go("/tokens");
    let first = site.upstream.last().header(ACCESS).unwrap().to_owned();
    assert!(refreshes(&site).is_empty());
    thread::sleep(RENEWED);
    let before = site.upstream.hits();
    thread::scope(|scope| {
        for _ in 0..50 {
            let mut alice = alice.clone();
            scope.spawn(move || assert_eq!(alice.go("/tokens").answer.status, 200));
        }
    });
    assert_eq!(site.upstream.hits() - before, 50);
    assert_eq!(refreshes(&site).len(), 1);
    alice.go("/tokens");
    let second = site.upstream.last().header(ACCESS).unwrap().to_owned();
    assert_ne!(first, second);
    // The refresh token was replaced: the next refresh works with the new one.
    thread::sleep(RENEWED);
    assert_eq!(alice.go("/tokens").answer.status, 200);
    assert_ne!(site.upstream.last().header(ACCESS), Some(&*second));
    let used = refreshes(&site);
    let [one, two] = &used[..] else {
        panic!("{used:?}")
    };
    assert_ne!(one["form"]["refresh_token"], two["form"]["refresh_token"]);
}

#[test]
fn a_person_whom_the_provider_does_not_know_any_more_is_signed_out() {
    let site = site(&json!({"access_token_ttl": TTL}));
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.go("/tokens").answer.status, 200);
    site.provider
        .change_account("alice", &json!({"disabled": true}));
    thread::sleep(RENEWED);
    let hits = site.upstream.hits();
    let page = alice.go("/tokens");
    assert!(page.url.path().starts_with("/.auth/login"), "{page:?}");
    assert_eq!(site.upstream.hits(), hits);
    assert!(alice.me().is_none(), "the session goes on");
    assert!(site.sidecar.log().contains("refresh-refused"));
}

#[test]
fn what_the_provider_says_anew_decides_before_the_request_goes_on() {
    let site = site(&json!({"access_token_ttl": TTL}));
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.go("/tokens").answer.status, 200);
    site.provider
        .change_account("alice", &json!({"groups": ["suspended"]}));
    thread::sleep(RENEWED);
    let hits = site.upstream.hits();
    assert_eq!(alice.go("/tokens").answer.status, 403);
    assert_eq!(site.upstream.hits(), hits);
}

#[test]
fn a_provider_that_is_away_for_a_moment_signs_nobody_out() {
    let mut site = site(&json!({"access_token_ttl": TTL}));
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.go("/tokens").answer.status, 200);
    site.provider.stop();
    thread::sleep(RENEWED);
    assert_eq!(
        alice.go("/tokens").answer.status,
        200,
        "it is good for a moment yet"
    );
    thread::sleep(Duration::from_secs(TTL) - RENEWED);
    assert_eq!(alice.go("/tokens").answer.status, 503);
    assert_eq!(alice.go("/page").answer.status, 200);
}

/// At a refresh the provider speaks of somebody else, or takes its word back.
#[test]
fn every_lie_at_a_refresh_ends_the_session() {
    let liar = LyingProvider::with(json!({"access_token_ttl": 3}));
    let lies = liar.lies("refresh");
    assert!(lies.len() >= 4, "{lies:?}");
    let upstream = Upstream::start();
    let mut sidecar = app();
    for lie in &lies {
        sidecar = oidc(sidecar, &lie.name, &liar.issuer(&lie.name));
    }
    let tokens = route("/")
        .to(&upstream)
        .set("tokens", list(&["access_token"]));
    let sidecar = sidecar.route(tokens).start();
    let mut people: Vec<(Visitor, &str)> = Vec::new();
    for lie in &lies {
        let mut someone = visitor(&sidecar);
        let begin = format!("/.auth/login/{}?rd=/", lie.name);
        let page = someone.go(&begin);
        assert_eq!(page.answer.status, 200, "{}: {page:?}", lie.name);
        assert!(someone.jar.iter().any(|cookie| cookie.host == APP));
        assert!(upstream.last().header(ACCESS).is_some(), "{}", lie.name);
        people.push((someone, &lie.name));
    }
    thread::sleep(Duration::from_secs(3));
    for (someone, lie) in &mut people {
        let hits = upstream.hits();
        let page = someone.go("/");
        let (seen, log) = (upstream.hits(), sidecar.log());
        println!(
            "{lie}: demanded: the session ends; seen: {}",
            page.url.path()
        );
        assert!(
            page.url.path().starts_with("/.auth/login"),
            "{lie}: {page:?}\n{log}"
        );
        assert_eq!(seen, hits, "{lie}");
        assert!(someone.me().is_none(), "{lie}");
    }
}

#[test]
fn a_person_who_left_the_domain_is_signed_out_at_the_next_refresh() {
    let liar = LyingProvider::with(json!({"access_token_ttl": 3}));
    let upstream = Upstream::start();
    let tokens = route("/")
        .to(&upstream)
        .set("tokens", list(&["access_token"]));
    let sidecar = oidc(app(), "workspace", &liar.issuer("workspace"))
        .set("connections.workspace.quirks.hosted_domain", "example.org")
        .route(tokens)
        .start();
    liar.claims("workspace", &json!({"hd": "example.org"}));
    let mut alice = visitor(&sidecar);
    let page = alice.go("/.auth/login/workspace?rd=/");
    assert_eq!(page.answer.status, 200, "{page:?}");
    liar.claims("workspace", &json!({"hd": "elsewhere.example"}));
    thread::sleep(Duration::from_secs(3));
    let hits = upstream.hits();
    let page = alice.go("/");
    assert_eq!(upstream.hits(), hits, "{page:?}");
    assert!(alice.me().is_none(), "the session goes on");
}

/// An app with the tokens of an honest provider, which are good for three seconds, and somebody who
/// has signed in.
fn honest() -> (LyingProvider, Upstream, Sidecar, Visitor) {
    let liar = LyingProvider::with(json!({"access_token_ttl": 3}));
    let upstream = Upstream::start();
    let tokens = route("/")
        .to(&upstream)
        .set("tokens", list(&["access_token"]));
    let sidecar = oidc(app(), "honest", &liar.issuer("honest"))
        .set("connections.honest.scopes", list(&["openid", "groups"]))
        .route(tokens)
        .route(route("/plain").to(&upstream))
        .start();
    let mut alice = visitor(&sidecar);
    let page = alice.go("/.auth/login/honest?rd=/");
    assert_eq!(page.answer.status, 200, "{page:?}");
    (liar, upstream, sidecar, alice)
}

/// The provider takes each refresh token once, and says nothing of the person for a moment.
#[test]
fn a_refresh_token_that_was_replaced_is_not_lost_with_a_call_that_fails() {
    let (liar, upstream, _sidecar, mut alice) = honest();
    let first = upstream.last().header(ACCESS).unwrap().to_owned();
    thread::sleep(Duration::from_secs(3));
    liar.lie("honest", &["userinfo-500"]);
    let hits = upstream.hits();
    assert_eq!(alice.go("/").answer.status, 503);
    assert_eq!(upstream.hits(), hits, "tokens of nobody were forwarded");
    liar.lie("honest", &[]);
    assert_eq!(alice.go("/").answer.status, 503, "not again at once");
    assert_eq!(alice.go("/plain").answer.status, 200);
    thread::sleep(Duration::from_secs(15));
    assert_eq!(alice.go("/").answer.status, 200);
    assert_ne!(upstream.last().header(ACCESS).unwrap(), first);
    assert!(alice.me().is_some());
}

#[test]
fn a_person_whom_a_fresh_token_does_not_lead_to_is_signed_out() {
    let (liar, upstream, sidecar, mut alice) = honest();
    thread::sleep(Duration::from_secs(3));
    liar.lie("honest", &["userinfo-403"]);
    let hits = upstream.hits();
    let page = alice.go("/");
    assert!(page.url.path().starts_with("/.auth/login"), "{page:?}");
    assert_eq!(upstream.hits(), hits);
    assert!(alice.me().is_none(), "{}", sidecar.log());
}

#[test]
fn groups_of_the_id_token_go_on_where_a_refresh_brings_none() {
    let (liar, upstream, _sidecar, mut alice) = honest();
    assert_eq!(upstream.last().header("X-Forwarded-Groups"), Some("staff"));
    thread::sleep(Duration::from_secs(3));
    liar.lie(
        "honest",
        &["refresh-without-id-token", "userinfo-without-groups"],
    );
    assert_eq!(alice.go("/").answer.status, 200);
    assert_eq!(upstream.last().header("X-Forwarded-Groups"), Some("staff"));
}

/// A provider that gives no refresh token: the access token goes on to its end, and then none.
#[test]
fn without_a_refresh_token_there_is_a_token_until_it_ends() {
    let metadata = json!({"grant_types": ["authorization_code"]});
    let mut site = Site::with(&metadata, &json!({"access_token_ttl": 3}), &[]);
    let tokens = route("/tokens")
        .to(&site.upstream)
        .set("tokens", list(&["access_token"]));
    site.sidecar = site.sidecar.route(tokens);
    site.sidecar.write();
    site.sidecar.reload();
    let mut alice = site.signed_in("alice");
    let mut told = || {
        assert_eq!(alice.go("/tokens").answer.status, 200);
        site.upstream.last().header(ACCESS).map(str::to_owned)
    };
    told().expect("an access token");
    assert_eventually!(told().is_none());
    assert!(refreshes(&site).is_empty());
}
