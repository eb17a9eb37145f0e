//! Logins by OpenID Connect: answers that were made for somebody else, and people who are not who
//! the provider's words could be taken to mean. What a token or an endpoint can have wrong stands in
//! `oidc_conformance`.

use openssl::asn1::Asn1Time;
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    LyingProvider, Request, Sidecar, Upstream, Visitor,
    federated::{self, APP, app, oidc, visitor},
    http::exchange,
    route,
    tls::Authority,
    visitor::{PASSWORD, Page, target},
};

/// An app behind a sidecar with connections of these names, each to the lying provider's issuer of
/// that name: those that no switch has are honest.
struct Site {
    liar: LyingProvider,
    upstream: Upstream,
    sidecar: Sidecar,
}

fn site(names: &[&str]) -> Site {
    site_with(names, |sidecar, _| sidecar)
}

fn site_with(names: &[&str], more: impl FnOnce(Sidecar, &Upstream) -> Sidecar) -> Site {
    let liar = LyingProvider::start();
    let upstream = Upstream::start();
    let sidecar = names.iter().fold(app(), |sidecar, name| {
        oidc(sidecar, name, &liar.issuer(name))
    });
    let sidecar = more(sidecar.route(route("/").to(&upstream)), &upstream).start();
    Site {
        liar,
        upstream,
        sidecar,
    }
}

impl Site {
    fn visitor(&self) -> Visitor {
        visitor(&self.sidecar)
    }

    /// Goes to the provider and gets an answer there; where that answer would go.
    fn answer(&self, visitor: &mut Visitor, name: &str) -> Url {
        let page = visitor.open(&format!("/.auth/login/{name}"));
        let there = page.answer.location().to_owned();
        let page = visitor.open(&there);
        page.answer.location().parse().unwrap()
    }

    /// Logs in; the visitor with a session, and where that ended.
    #[track_caller]
    fn log_in(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let page = visitor.open(&format!("/.auth/login/{name}"));
        visitor.carry_on(page);
        self.expect_session(&visitor, name);
        visitor
    }

    #[track_caller]
    fn expect_session(&self, visitor: &Visitor, name: &str) {
        assert!(
            visitor.session().is_some(),
            "{name}: no session\n{}",
            self.sidecar.log_about(name)
        );
    }

    /// Opens a page of the app; what it was told, or the status that was in the way.
    fn ask(&self, visitor: &mut Visitor, path: &str) -> u16 {
        visitor.open(path).answer.status
    }
}

#[track_caller]
fn expect_nothing(visitor: &mut Visitor, page: &Page) {
    assert!(visitor.session().is_none(), "a session: {page:?}");
    assert!(page.answer.status >= 400, "{page:?}");
}

#[test]
fn flow_1_an_answer_in_another_browser_is_nobodys() {
    let site = site(&["honest"]);
    let mut attacker = site.visitor();
    let mut victim = site.visitor();
    // one who has no login under way, and one who has
    let answer = site.answer(&mut attacker, "honest");
    let page = victim.go(answer.as_str());
    expect_nothing(&mut victim, &page);
    site.answer(&mut victim, "honest");
    let page = victim.go(answer.as_str());
    expect_nothing(&mut victim, &page);
    assert_eq!(site.liar.calls("honest", "token"), Vec::<Value>::new());
    attacker.go(answer.as_str());
    site.expect_session(&attacker, "honest");
}

#[test]
fn flow_2_an_answer_of_one_connection_is_none_for_another() {
    let site = site(&["one", "two"]);
    let mut mallory = site.visitor();
    let answer = site.answer(&mut mallory, "one");
    let elsewhere = answer.as_str().replace("/callback/one", "/callback/two");
    let page = mallory.go(&elsewhere);
    expect_nothing(&mut mallory, &page);
    for name in ["one", "two"] {
        assert_eq!(site.liar.calls(name, "token"), Vec::<Value>::new());
    }
    site.log_in("one");
    site.log_in("two");
}

#[test]
fn flow_6_an_answer_is_good_once_also_for_twenty_at_a_time() {
    let site = site(&["honest"]);
    let mut alice = site.visitor();
    let answer = site.answer(&mut alice, "honest");
    let sessions: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let (mut same, answer) = (alice.clone(), answer.clone());
                scope.spawn(move || {
                    same.open(answer.as_str());
                    same
                })
            })
            .collect();
        let ended = tries.into_iter().map(|one| one.join().unwrap());
        ended.filter(|one| one.session().is_some()).collect()
    });
    assert_eq!(sessions.len(), 1, "{}", site.sidecar.log_about("honest"));
    // later, in the same browser and in another
    alice.go(answer.as_str());
    assert!(alice.session().is_none());
    let mut other = site.visitor();
    let page = other.go(answer.as_str());
    expect_nothing(&mut other, &page);
}

#[test]
fn flow_11_a_login_begins_a_new_session_and_ends_the_old_one() {
    let site = site(&["honest"]);
    let mut alice = site.log_in("honest");
    let old = alice.session().unwrap().clone();
    let page = alice.open("/.auth/login/honest?switch=1");
    alice.carry_on(page);
    let new = alice.session().unwrap().clone();
    assert_ne!(old.value, new.value);
    let me = |pair: &str| {
        let request = Request::get("/.auth/me").header("Cookie", pair);
        exchange(
            site.sidecar.port,
            &format!("{APP}:{}", site.sidecar.port),
            &request,
        )
        .status
    };
    assert_eq!((me(&old.pair()), me(&new.pair())), (401, 200));
    // a cookie that somebody else planted is not taken over
    let mut bob = site.visitor();
    bob.jar.push(old.clone());
    let page = bob.open("/.auth/login/honest");
    bob.carry_on(page);
    assert_ne!(bob.session().unwrap().value, old.value);
}

#[test]
fn flow_18_a_provider_shows_a_certificate_that_is_good() {
    let (authority, other) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let leaf = |hosts: &[&str], end: &Asn1Time| authority.leaf_until(dir.path(), hosts, end);
    let later = Asn1Time::days_from_now(1).unwrap();
    let good = leaf(&["idp.localhost"], &later);
    let elsewhere = leaf(&["liar.localhost"], &later);
    let old = leaf(
        &["idp.localhost"],
        &Asn1Time::from_unix(1_600_000_000).unwrap(),
    );
    for (what, shown, trusted) in [
        ("of somebody else's authority", &good, &other),
        ("for another host", &elsewhere, &authority),
        ("that has ended", &old, &authority),
    ] {
        let site = federated::Site::by_certificate(&authority, shown, trusted);
        let (mallory, page) = site.sign_in("/", &[("login", "alice")]);
        site.expect_refused(&mallory, &page, "token-request");
        assert!(site.provider.calls("/token").is_empty(), "{what}");
    }
    federated::Site::by_certificate(&authority, &good, &authority).signed_in("alice");
}

#[test]
fn flow_19_a_link_to_the_login_changes_nothing_of_the_request() {
    let site = site(&["honest"]);
    let mut alice = site.visitor();
    let link = "/.auth/login/honest?iss=http://evil.test&target_link_uri=//evil.test&scope=admin\
        &redirect_uri=//evil.test&acr_values=low&state=x&nonce=y&client_id=evil&prompt=none\
        &response_mode=fragment&code_challenge=z&rd=//evil.test";
    let page = alice.open(link);
    let page = alice.carry_on(page);
    site.expect_session(&alice, "honest");
    assert_eq!(page.url.host_str(), Some(APP), "{page:?}");
    let asked = &site.liar.calls("honest", "auth")[0]["query"];
    let origin = site.sidecar.origin_of(APP);
    assert_eq!(
        asked["redirect_uri"],
        format!("{origin}/.auth/callback/honest")
    );
    assert_eq!(
        (&asked["scope"], &asked["client_id"]),
        (&"openid profile email".into(), &"app".into())
    );
    for parameter in [
        "iss",
        "target_link_uri",
        "acr_values",
        "prompt",
        "response_mode",
    ] {
        assert_eq!(asked[parameter], Value::Null, "{asked}");
    }
    for parameter in ["state", "nonce", "code_challenge"] {
        assert!(asked[parameter].as_str().unwrap().len() > 20, "{asked}");
    }
}

#[test]
fn flow_22_tokens_in_an_answer_are_not_looked_at() {
    let site = site(&["honest"]);
    let stolen = site
        .liar
        .mint("honest", "id", &[], &json!({"sub": "admin"}));
    let mut mallory = site.visitor();
    let mut answer = site.answer(&mut mallory, "honest");
    answer
        .query_pairs_mut()
        .append_pair("access_token", "stolen")
        .append_pair("id_token", &stolen);
    mallory.go(answer.as_str());
    site.expect_session(&mallory, "honest");
    mallory.go("/");
    assert_eq!(
        site.upstream.last().header("X-Forwarded-User"),
        Some("honest|alice")
    );
    // and without a code there is nothing
    let mut mallory = site.visitor();
    let answer = site.answer(&mut mallory, "honest");
    let bare = answer.as_str().replace("?code=", "?access_token=");
    assert_ne!(bare, answer.as_str());
    let page = mallory.go(&bare);
    expect_nothing(&mut mallory, &page);
}

#[test]
fn jwt_12_an_id_token_is_no_credential_here() {
    let site = site(&["honest"]);
    let claims = json!({"sub": "alice", "nonce": "n", "email": "alice@example.org"});
    let token = site.liar.mint("honest", "id", &[], &claims);
    let host = format!("{APP}:{}", site.sidecar.port);
    for header in ["Authorization", "X-Forwarded-Access-Token", "Cookie"] {
        let value = match header {
            "Authorization" => format!("Bearer {token}"),
            "Cookie" => format!("vestibule={token}"),
            _ => token.clone(),
        };
        let request = Request::get("/").header(header, &value);
        let answer = exchange(site.sidecar.port, &host, &request);
        assert_eq!(answer.status, 401, "{header}: {answer:?}");
    }
    assert_eq!(site.upstream.hits(), 0);
    let mut alice = site.log_in("honest");
    let at = alice.url("/");
    alice.send(&at, &Request::get(&target(&at))).expect(200);
}

/// What a login is let in to where a rule asks for an address, for its domain, and what the
/// application is told.
fn address_counts(site: &Site, name: &str) -> (u16, u16, Option<String>) {
    let mut visitor = site.log_in(name);
    let statuses = ["/address", "/domain"].map(|path| site.ask(&mut visitor, path));
    assert_eq!(site.ask(&mut visitor, "/"), 200);
    let told = site
        .upstream
        .last()
        .header("X-Forwarded-Email")
        .map(str::to_owned);
    (statuses[0], statuses[1], told)
}

fn with_rules(names: &[&str]) -> Site {
    site_with(names, |sidecar, upstream| {
        let rules = ["email:alice@example.org", "email:admin@example.org"];
        sidecar
            .route(route("/address").to(upstream).allow(&rules))
            .route(route("/domain").to(upstream).allow(&["domain:example.org"]))
    })
}

#[test]
fn acc_1_an_address_counts_only_where_it_is_said_to_be_verified() {
    let lies = [
        "email-verified-false",
        "email-verified-text",
        "email-verified-one",
        "email-verified-absent",
    ];
    let names: Vec<_> = lies.into_iter().chain(["honest"]).collect();
    let site = with_rules(&names);
    let told = Some("alice@example.org".to_owned());
    assert_eq!(address_counts(&site, "honest"), (200, 200, told));
    for lie in lies {
        assert_eq!(address_counts(&site, lie), (403, 403, None), "{lie}");
    }
}

#[test]
fn acc_3_what_is_no_address_has_no_domain() {
    let lies = ["email-is-an-array", "email-two-ats", "email-line-break"];
    let site = with_rules(&lies);
    for lie in lies {
        assert_eq!(address_counts(&site, lie), (403, 403, None), "{lie}");
    }
    assert!(!site.upstream.last().everything().contains("X-Role"));
}

#[test]
fn acc_2_the_same_address_joins_no_accounts() {
    let site = site_with(&["honest"], |sidecar, _| {
        sidecar
            .set("connections.members.strategy", "database")
            .set("connections.members.signup", true)
    });
    // somebody was here first with the victim's address
    let mut mallory = site.visitor();
    let page = mallory.go("/.auth/signup/members");
    let form = page.form_with("password");
    let form = form
        .fill("email", "alice@example.org")
        .fill("password", PASSWORD);
    let form = if form.has("username") {
        form.fill("username", "mallory")
    } else {
        form
    };
    mallory.submit(&page, &form);
    let before = mallory.me().expect("a session")["user"]["id"].clone();
    let mut alice = site.log_in("honest");
    let after = alice.me().unwrap()["user"]["id"].clone();
    assert_eq!(after, "honest|alice");
    assert_ne!(before, after);
}

#[test]
fn acc_4_one_subject_at_two_providers_is_two_people() {
    let site = site_with(&["one", "two"], |sidecar, upstream| {
        sidecar.route(route("/one").to(upstream).allow(&["user:one|alice"]))
    });
    let mut people = ["one", "two"].map(|name| site.log_in(name));
    let ids = people
        .each_mut()
        .map(|who| who.me().unwrap()["user"]["id"].clone());
    assert_eq!(ids, ["one|alice", "two|alice"]);
    let statuses = people.each_mut().map(|who| site.ask(who, "/one"));
    assert_eq!(statuses, [200, 403]);
}

#[test]
fn acc_5_groups_of_another_type_are_no_groups() {
    let lies = [
        "groups-as-text",
        "groups-as-object",
        "groups-null",
        "groups-nested",
        "groups-with-number",
        "groups-with-comma",
    ];
    let site = site_with(&["honest"], |sidecar, upstream| {
        sidecar.route(route("/admin").to(upstream).allow(&["group:admins"]))
    });
    site.liar
        .claims("honest", &json!({"groups": ["users", "admins"]}));
    assert_eq!(site.ask(&mut site.log_in("honest"), "/admin"), 200);
    for lie in lies {
        site.liar.lie("honest", &[lie]);
        assert_eq!(site.ask(&mut site.log_in("honest"), "/admin"), 403, "{lie}");
    }
    site.liar.lie("honest", &[]);
    // more than anybody has is not cut to what fits
    let many: Vec<_> = (0..20_000).map(|number| format!("g{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).chain(["admins"]).collect();
    site.liar.claims("honest", &json!({"groups": many}));
    let mut visitor = site.visitor();
    let page = visitor.open("/.auth/login/honest");
    visitor.carry_on(page);
    assert_ne!(site.ask(&mut visitor, "/admin"), 200);
}
