//! A provider's tokens for the application behind: where they go, and how they are kept fresh.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use toml::Value as Toml;

use crate::support::{
    Request, Visitor,
    federated::{APP, Site},
    http::exchange,
    route,
    sidecar::list,
};

/// A site where `/api` gets both tokens and `/ops` an access token, if its visitor is of the group
/// `ops`; tokens last for so many seconds. They are fetched anew when they have less than 30.
fn site(seconds: u32) -> Site {
    let settings = json!({
        "access_token_ttl": seconds,
        "accounts": {"alice": {"groups": ["ops"]}},
    });
    let scopes = list(&["openid", "profile", "email", "groups", "offline_access"]);
    let site = Site::with(&json!({}), &settings, &[("scopes", scopes)]);
    let api = route("/api")
        .to(&site.upstream)
        .set("tokens", list(&["access_token", "id_token"]));
    let ops = route("/ops")
        .to(&site.upstream)
        .set("tokens", list(&["access_token"]))
        .allow(&["group:ops"]);
    let mut sidecar = site.sidecar.route(api).route(ops);
    sidecar.write();
    sidecar.reload();
    Site { sidecar, ..site }
}

/// How often tokens were fetched anew.
fn refreshes(site: &Site) -> usize {
    let calls = site.provider.calls("/token");
    let anew = calls
        .iter()
        .filter(|call| call["form"]["grant_type"] == "refresh_token");
    anew.count()
}

/// Opens a page; the access token that the application got with it.
#[track_caller]
fn token(site: &Site, visitor: &mut Visitor, path: &str) -> Option<String> {
    let before = site.upstream.hits();
    let page = visitor.open(path);
    assert_eq!(
        page.answer.status,
        200,
        "{page:?}\n{}",
        site.sidecar.log_about("op")
    );
    assert_eq!(site.upstream.hits(), before + 1);
    let seen = site.upstream.last();
    seen.header("X-Forwarded-Access-Token").map(str::to_owned)
}

#[test]
fn tokens_go_where_the_route_says_and_nowhere_else() {
    let site = site(600);
    let mut alice = site.signed_in("alice");
    let got = token(&site, &mut alice, "/api/x").expect("an access token");
    let id_token = site.upstream.last();
    let id_token = id_token.header("X-Forwarded-Id-Token").unwrap().to_owned();
    assert_eq!(id_token.split('.').count(), 3);
    // it opens what it is for
    let request = Request::get("/me").header("Authorization", &format!("Bearer {got}"));
    let authority = format!("127.0.0.1:{}", site.provider.port());
    let told = exchange(site.provider.port(), &authority, &request).expect(200);
    assert_eq!(told.json()["sub"], "alice");
    token(&site, &mut alice, "/ops/x").expect("an access token");
    assert_eq!(site.upstream.last().header("X-Forwarded-Id-Token"), None);

    alice
        .extra
        .push(("X-Forwarded-Access-Token".into(), "forged".into()));
    alice
        .extra
        .push(("X_Forwarded_Id_Token".into(), "forged".into()));
    assert_eq!(token(&site, &mut alice, "/x"), None);
    assert!(!site.upstream.last().everything().contains("forged"));
    assert_eq!(token(&site, &mut alice, "/api/x").as_ref(), Some(&got));
    assert!(!site.upstream.last().everything().contains("forged"));
    alice.extra.clear();

    let me = alice.me().unwrap().to_string();
    let page = alice.go("/.auth/account").text();
    let said = site.sidecar.output();
    for (place, text) in [("me", &me), ("the account page", &page), ("the log", &said)] {
        let tells = [&got, &id_token]
            .iter()
            .any(|token| text.contains(token.as_str()));
        assert!(!tells, "{place} tells a token");
    }
    let stored = std::fs::read_dir(site.sidecar.path("data")).unwrap();
    for file in stored
        .map(|file| file.unwrap().path())
        .filter(|file| file.is_file())
    {
        let octets = std::fs::read(&file).unwrap();
        let held = octets
            .windows(got.len())
            .any(|window| window == got.as_bytes());
        assert!(!held, "{} holds a token in plain text", file.display());
    }
    assert_eq!(refreshes(&site), 0);
}

/// FLOW-16: a refresh token that is replaced with each use is used once.
#[test]
fn fifty_requests_at_the_end_of_a_token_fetch_one() {
    let site = site(33);
    let mut alice = site.signed_in("alice");
    let old = token(&site, &mut alice, "/api/x").unwrap();
    assert_eq!(refreshes(&site), 0);
    std::thread::sleep(Duration::from_secs(4));
    site.upstream.forget();
    let host = format!("{APP}:{}", site.sidecar.port);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            let request = Request::get("/api/y").header("Cookie", &alice.session().unwrap().pair());
            let (port, host) = (site.sidecar.port, &host);
            scope.spawn(move || exchange(port, host, &request).expect(200));
        }
    });
    assert_eq!(refreshes(&site), 1, "{}", site.provider.output());
    let tokens: BTreeSet<_> = site
        .upstream
        .seen()
        .iter()
        .map(|seen| seen.header("X-Forwarded-Access-Token").unwrap().to_owned())
        .collect();
    assert_eq!(site.upstream.hits(), 50);
    assert!(
        tokens.len() == 1 && !tokens.contains(&old),
        "{tokens:?} after {old}"
    );
}

#[test]
fn a_refresh_token_that_is_replaced_each_time_is_followed() {
    let site = site(20);
    let mut alice = site.signed_in("alice");
    let tokens: BTreeSet<_> = (0..4)
        .map(|_| token(&site, &mut alice, "/api/x").unwrap())
        .collect();
    assert_eq!((tokens.len(), refreshes(&site)), (4, 4));
    // also over a restart
    let mut site = site;
    site.sidecar.restart();
    token(&site, &mut alice, "/api/x").unwrap();
    assert_eq!(refreshes(&site), 5, "{}", site.provider.output());
}

/// FLOW-15, ACC-7: an account that is gone at the provider, and one that lost a group.
#[test]
fn what_the_provider_takes_back_is_taken_back_here() {
    let site = site(20);
    let mut alice = site.signed_in("alice");
    let mut bob = site.signed_in("bob");
    token(&site, &mut alice, "/ops/x").unwrap();
    site.provider
        .change_account("alice", &json!({"groups": []}));
    site.upstream.forget();
    assert_eq!(alice.open("/ops/x").answer.status, 403);
    assert_eq!(site.upstream.hits(), 0);
    assert!(alice.me().is_some());

    site.provider
        .change_account("alice", &json!({"disabled": true}));
    let page = alice.open("/api/x");
    assert_ne!(page.answer.status, 200, "{page:?}");
    assert_eq!(site.upstream.hits(), 0);
    assert!(alice.me().is_none());
    token(&site, &mut bob, "/api/x").unwrap();
}

/// A provider that gives no refresh token: the access token goes on to its end, and then none.
#[test]
fn without_a_refresh_token_there_is_a_token_until_it_ends() {
    let metadata = json!({"grant_types": ["authorization_code"]});
    let site = Site::with(&metadata, &json!({"access_token_ttl": 3}), &[]);
    let api = route("/api")
        .to(&site.upstream)
        .set("tokens", Toml::from(vec!["access_token"]));
    let mut sidecar = site.sidecar.route(api);
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let mut alice = site.signed_in("alice");
    token(&site, &mut alice, "/api/x").expect("an access token");
    assert_eventually!(token(&site, &mut alice, "/api/x").is_none());
    assert!(alice.me().is_some());
    assert_eq!(refreshes(&site), 0);
}
