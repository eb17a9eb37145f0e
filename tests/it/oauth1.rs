//! Login by OAuth 1.0a, at oauthlib's server side, which checks every signature.

use serde_json::{Value, json};
use toml::{Table, Value as Toml};
use url::Url;

use crate::support::{
    Sidecar, Upstream, Visitor,
    federated::{app, visitor},
    oauth1_provider::OAuth1Provider,
    openid_provider::{CLIENT, SECRET},
    route,
    trial::{Trial, claims},
    visitor::Page,
};

const DATA: &str = r#"
request_token_endpoint = "BASE/request_token"
authorization_endpoint = "BASE/authorize"
access_token_endpoint = "BASE/access_token"
profile_endpoint = "BASE/me?include_email=true&of={user_id}&x=a%20b"
at = "user"
carry = { user_id = "user_id" }
claims = { preferred_username = "screen_name" }
"#;

struct Site {
    upstream: Upstream,
    sidecar: Sidecar,
    provider: OAuth1Provider,
}

impl Site {
    fn with(settings: Value, secret: &str) -> Self {
        let provider = OAuth1Provider::with(settings);
        let data: Table = toml::from_str(&DATA.replace("BASE", &provider.origin())).unwrap();
        let table = Table::from_iter([
            ("strategy".to_owned(), Toml::from("oauth1")),
            ("client_id".to_owned(), CLIENT.into()),
            ("client_secret".to_owned(), secret.into()),
            ("provider".to_owned(), data.into()),
        ]);
        let upstream = Upstream::start();
        let sidecar = app()
            .set("connections.old", Toml::Table(table))
            .route(route("/").to(&upstream))
            .start();
        Self {
            upstream,
            sidecar,
            provider,
        }
    }

    /// Somebody new at the provider's page.
    fn begin(&self) -> (Visitor, Url) {
        let mut somebody = visitor(&self.sidecar);
        let page = somebody.open("/.auth/login/old?rd=/page");
        let at = page.url.join(page.answer.location()).unwrap();
        let origin = self.provider.origin();
        assert!(
            at.as_str().starts_with(&origin),
            "{page:?}\n{}",
            self.logs()
        );
        (somebody, at)
    }

    /// The answer of the provider's page about one of its people.
    fn answer(&self, somebody: &mut Visitor, at: &Url, who: &str) -> Url {
        let mut at = at.clone();
        at.query_pairs_mut().append_pair("as", who);
        let page = somebody.open(at.as_str());
        page.url.join(page.answer.location()).unwrap()
    }

    fn logs(&self) -> String {
        format!(
            "{}\n{}",
            self.sidecar.log_about("old"),
            self.provider.output()
        )
    }

    #[track_caller]
    fn expect_refused(&self, visitor: &Visitor, page: &Page, words: &[&str]) {
        let log = self.sidecar.log();
        assert!(visitor.session().is_none(), "a session: {page:?}");
        assert!(page.answer.status >= 400, "{page:?}");
        let mut lines = log.lines().filter(|line| line.contains("flow::failures"));
        let told = lines.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "the log does not name {words:?}:\n{}", self.logs());
    }
}

#[test]
fn a_signed_login_lets_people_in_by_their_number() {
    let site = Site::with(json!({}), SECRET);
    for (who, id) in [("alice", "old|7"), ("bob", "old|8")] {
        let (mut somebody, at) = site.begin();
        let answer = site.answer(&mut somebody, &at, who);
        let page = somebody.go(answer.as_str());
        assert!(somebody.session().is_some(), "{page:?}\n{}", site.logs());
        assert_eq!(site.upstream.last().target(), "/page");
        assert_eq!(site.upstream.last().header("X-Forwarded-User"), Some(id));
        let me = somebody.me().unwrap();
        assert_eq!(me["user"]["profile"]["preferred_username"], who, "{me}");
        // nothing says that the address is verified
        assert_eq!(site.upstream.last().header("X-Forwarded-Email"), None);
    }
}

#[test]
fn a_trial_shows_what_came_with_the_tokens_and_the_profile() {
    let site = Site::with(json!({}), SECRET);
    let trial = Trial::begin(&site.sidecar, "old");
    let mut alice = visitor(&site.sidecar);
    let page = alice.open(&trial.url);
    let at = page.url.join(page.answer.location()).unwrap();
    let answer = site.answer(&mut alice, &at, "alice");
    let page = alice.go(answer.as_str());
    assert!(page.text().contains("It works"), "{page:?}");
    let (report, code) = trial.end();
    assert_eq!(code, Some(0), "{report:#}");
    let said = claims(&report);
    assert_eq!(said[0], ("access-token", &json!({"user_id": "7"})));
    assert_eq!(said[1].0, "profile-request");
    assert_eq!(said[1].1["user"]["screen_name"], "alice", "{report:#}");
}

#[test]
fn a_wrong_secret_a_no_and_an_old_provider_are_refused() {
    let site = Site::with(json!({}), "another secret");
    let mut somebody = visitor(&site.sidecar);
    let page = somebody.go("/.auth/login/old?rd=/page");
    site.expect_refused(&somebody, &page, &["request-token", "401"]);

    let site = Site::with(json!({"unconfirmed": true}), SECRET);
    let mut somebody = visitor(&site.sidecar);
    let page = somebody.go("/.auth/login/old?rd=/page");
    site.expect_refused(&somebody, &page, &["request-token", "confirm"]);

    let site = Site::with(json!({}), SECRET);
    let (mut somebody, at) = site.begin();
    let answer = site.answer(&mut somebody, &at, "");
    let page = somebody.go(answer.as_str());
    site.expect_refused(&somebody, &page, &["authorization-response", "denied"]);
}

/// OAuth Security Advisory 2009.1, FLOW-1, FLOW-6: an answer belongs to the login that asked for it.
#[test]
fn an_answer_of_another_login_is_refused() {
    let site = Site::with(json!({}), SECRET);
    let (mut mallory, at) = site.begin();
    let stolen = site.answer(&mut mallory, &at, "bob");
    let (mut alice, at) = site.begin();
    let page = alice.go(stolen.as_str());
    assert!(alice.session().is_none(), "{page:?}");
    // with her own state, but the other's yes
    let mut mixed = site.answer(&mut alice, &at, "alice");
    let part = |url: &Url, name: &str| {
        let mut all = url.query_pairs();
        all.find(|(known, _)| known == name).unwrap().1.into_owned()
    };
    let state = part(&mixed, "state");
    mixed.query_pairs_mut().clear().extend_pairs([
        ("state", state.as_str()),
        ("oauth_token", &part(&stolen, "oauth_token")),
        ("oauth_verifier", &part(&stolen, "oauth_verifier")),
    ]);
    let page = alice.go(mixed.as_str());
    site.expect_refused(
        &alice,
        &page,
        &["authorization-response", "another request"],
    );
    // a guessed verifier
    let (mut carol, at) = site.begin();
    let mut guessed = site.answer(&mut carol, &at, "alice");
    let (state, token) = (part(&guessed, "state"), part(&guessed, "oauth_token"));
    guessed.query_pairs_mut().clear().extend_pairs([
        ("state", state.as_str()),
        ("oauth_token", &token),
        ("oauth_verifier", &"A".repeat(30)),
    ]);
    let page = carol.go(guessed.as_str());
    site.expect_refused(&carol, &page, &["access-token"]);
}
