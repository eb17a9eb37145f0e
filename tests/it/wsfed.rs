//! Login by WS-Federation, at SimpleSAMLphp: assertions of SAML 1.1.

use std::fs;

use serde_json::json;
use toml::Value as Toml;

use crate::support::{
    Visitor,
    browser::Browser,
    federated::{APP, go_to_provider, visitor},
    key_pair::KeyPair,
    route,
    sidecar::list,
    simplesamlphp::SimpleSamlPhp,
    trial::{Trial, claims},
    visitor::Page,
    wsfed::{self, Provider},
};

type Site = wsfed::Site<SimpleSamlPhp>;

impl Provider for SimpleSamlPhp {
    fn metadata(&self) -> String {
        self.federation_metadata()
    }

    fn answer(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        let form = page.form_with("password");
        let form = form.fill("username", login).fill("password", login);
        let page = visitor.submit(page, &form);
        visitor.follow(page)
    }

    fn wrote(&self) -> String {
        self.log()
    }
}

fn site() -> Site {
    with(&[], &[])
}

/// One whose provider has this environment, and whose connection has these keys.
fn with(environment: &[(&str, &str)], keys: &[(&str, Toml)]) -> Site {
    Site::with(
        |realm, reply| {
            let known = json!({ "prp": reply, "simplesaml.nameidattribute": "uid" });
            SimpleSamlPhp::with_relying_parties(&json!({ realm: known }), environment)
        },
        keys,
    )
}

#[test]
fn somebody_signs_in_at_the_page_that_was_wanted() {
    let site = site();
    let (mut alice, page) = site.sign_in("/wanted?x=1", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(page.url.path(), "/wanted");
    let me = alice.me().unwrap();
    assert_eq!(me["user"]["id"], "idp|alice");
    let profile = &me["user"]["profile"];
    assert_eq!(profile["name"], "Alice Ängström", "{me}");
    assert_eq!(profile["given_name"], "Alice");
    assert_eq!(profile["family_name"], "Ängström");
    assert_eq!(profile["email"], "alice@example.org");
    // nobody has said that it is hers
    assert_eq!(profile["email_verified"], false);
    let mut bob = site.signed_in("bob");
    assert_eq!(bob.me().unwrap()["user"]["id"], "idp|bob");
    let seen = site.upstream.last();
    assert!(!seen.everything().contains("wresult"));
}

#[test]
fn groups_open_and_close_pages_also_one_alone() {
    let site = site();
    let staff = route("/staff").to(&site.upstream).allow(&["group:staff"]);
    let guests = route("/guests").to(&site.upstream).allow(&["group:guests"]);
    let mut sidecar = site.sidecar.route(staff).route(guests);
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.go("/staff").answer.status, 200);
    assert_eq!(alice.go("/guests").answer.status, 403);
    let mut bob = site.signed_in("bob");
    assert_eq!(bob.go("/guests").answer.status, 200);
    assert_eq!(bob.go("/staff").answer.status, 403);
}

#[test]
fn people_are_known_by_the_claim_that_is_set() {
    let claim = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
    let site = with(&[], &[("user_id_attribute", claim.into())]);
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.me().unwrap()["user"]["id"], "idp|alice@example.org");
    let site = with(&[], &[("user_id_attribute", "urn:nothing".into())]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "set user_id_attribute");
}

#[test]
fn an_answer_is_for_one_login_in_one_browser() {
    let site = site();
    let (mut alice, page, answer) = site.answer("alice");
    let state = answer.value("wctx").unwrap().to_owned();
    // it says nothing, and least of all where to go
    assert!(!state.contains('/') && state.len() > 20, "{state}");
    // by another browser, which has begun a login of its own
    let (mut mallory, _, _) = site.answer("bob");
    let refused = mallory.submit(&page, &answer);
    mallory.carry_on(refused);
    assert!(mallory.session().is_none(), "wctx is another browser's");
    // by one that has begun none
    let mut stranger = visitor(&site.sidecar);
    for wctx in [state.as_str(), "", "https://evil.example/", "/evil"] {
        let unasked = answer.clone().fill("wctx", wctx);
        let refused = stranger.submit(&page, &unasked);
        let refused = stranger.carry_on(refused);
        assert!(stranger.session().is_none(), "{wctx}");
        assert!(
            refused
                .url
                .as_str()
                .starts_with(&site.sidecar.origin_of(APP))
        );
    }
    let mut bare = answer.clone();
    bare.fields.retain(|(name, _)| name != "wctx");
    let refused = stranger.submit(&page, &bare);
    stranger.carry_on(refused);
    assert!(stranger.session().is_none(), "without wctx");
    // forged on the way
    let (mut eve, page_of_eve, own) = site.answer("alice");
    let text = own.value("wresult").unwrap();
    assert!(text.contains(">alice@example.org<"), "{text}");
    let forged = text.replace(">alice@example.org<", ">admin@example.org<");
    let before = eve.clone();
    let refused = eve.submit(&page_of_eve, &own.clone().fill("wresult", &forged));
    let refused = eve.carry_on(refused);
    site.expect_refused(&eve, &refused, "the signature is wrong");
    // and then as it was meant, by a browser that has kept the cookie: one answer ends a login
    let mut eve = before;
    let refused = eve.submit(&page_of_eve, &own);
    eve.carry_on(refused);
    assert!(
        eve.session().is_none(),
        "an answer that was refused ends the login"
    );
    // as it was meant, and then once more
    let mut again = alice.clone();
    let home = alice.submit(&page, &answer);
    let home = alice.carry_on(home);
    site.expect_session(&alice, &home);
    let page = again.submit(&page, &answer);
    again.carry_on(page);
    assert!(again.session().is_none(), "an answer is good once");
}

#[test]
fn a_token_opens_one_session() {
    let site = site();
    // whoever has got hold of a token puts it into a login of their own
    for round in 0..3 {
        let (alice, page, answer) = site.answer("alice");
        let (mallory, _, own) = site.answer("bob");
        let stolen = own.fill("wresult", answer.value("wresult").unwrap());
        let post = |mut visitor: Visitor, form| {
            let page = visitor.submit(&page, form);
            visitor.carry_on(page);
            visitor.session().is_some()
        };
        let got_in = std::thread::scope(|scope| {
            let one = scope.spawn(|| post(alice, &answer));
            let two = scope.spawn(|| post(mallory, &stolen));
            [one.join().unwrap(), two.join().unwrap()]
        });
        let count = got_in.into_iter().filter(|got_in| *got_in).count();
        assert_eq!(count, 1, "{round}: {}", site.sidecar.log_about("idp"));
    }
}

#[test]
fn signing_out_ends_the_session_there_too() {
    let site = site();
    let mut alice = site.signed_in("alice");
    alice.sign_out();
    assert!(alice.me().is_none());
    // SimpleSAMLphp asks again who it is
    let page = go_to_provider(&mut alice, "/", "idp");
    assert!(
        page.forms().iter().any(|form| form.has("password")),
        "{page:?}"
    );
    // and does not where its session goes on
    let local = with(&[], &[("logout", "local".into())]);
    let mut alice = local.signed_in("alice");
    alice.sign_out();
    assert!(alice.me().is_none());
    let page = go_to_provider(&mut alice, "/", "idp");
    let page = alice.carry_on(page);
    local.expect_session(&alice, &page);
}

#[test]
fn the_provider_ends_the_session_of_this_browser_and_leads_nowhere() {
    let site = site();
    for word in ["wsignoutcleanup1.0", "wsignout1.0"] {
        let mut alice = site.signed_in("alice");
        let bob = site.signed_in("bob");
        // without our cookies, as in a picture on another site: nothing happens
        let address = format!("/.auth/callback/idp?wa={word}&wreply=https://evil.example/");
        let answer = visitor(&site.sidecar).open(&address).answer;
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("evil"), "{}", answer.text());
        assert!(alice.me().is_some());
        let page = alice.open(&address);
        assert_eq!(page.answer.status, 200, "{page:?}");
        assert!(!page.text().contains("evil"), "{page:?}");
        assert!(alice.me().is_none(), "{word}");
        assert!(bob.clone().me().is_some());
    }
    // a session that rests on something else is nobody's to end from there
    let name = "connections.other";
    let table = toml::Table::from_iter([
        ("strategy".to_owned(), Toml::from("wsfed")),
        ("metadata_url".to_owned(), site.provider.metadata().into()),
    ]);
    let mut sidecar = site.sidecar.set(name, Toml::Table(table));
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let mut alice = site.signed_in("alice");
    alice.open("/.auth/callback/other?wa=wsignoutcleanup1.0");
    assert!(alice.me().is_some());
    // nor does a form
    let (_, page, answer) = site.answer("bob");
    let cleanup = answer.fill("wa", "wsignoutcleanup1.0");
    let page = alice.submit(&page, &cleanup);
    alice.carry_on(page);
    assert!(alice.me().is_some());
}

#[test]
fn in_chromium_with_two_lines() {
    let site = site();
    let browser = Browser::start();
    let origin = site.sidecar.origin_of(APP);
    let (page, login) = (format!("{origin}/page"), format!("{origin}/.auth/login"));
    browser.goto(&page);
    browser.arrives(&login).click("a[href*='/login/idp']");
    site.provider.sign_in_by_browser(&browser, "alice");
    browser.arrives(&page);
    browser.goto(&format!("{origin}/.auth/logout"));
    if browser.has("form[action*='/.auth/logout']") {
        browser.click("form[action*='/.auth/logout'] button");
    }
    // SimpleSAMLphp tells each application of it, and first the one that has asked
    browser.arrives(&format!(
        "{origin}/.auth/callback/idp?wa=wsignoutcleanup1.0"
    ));
    browser.goto(&page);
    browser.arrives(&login).click("a[href*='/login/idp']");
    browser.arrives(&site.provider.origin());
    assert!(browser.has("input[name=password]"), "{}", browser.url());
}

#[test]
fn metadata_are_pinned_where_a_certificate_is_named() {
    for (sign, is_signer, good) in [("1", true, true), ("1", false, false), ("", true, false)] {
        let mut site = with(&[("SAML_SIGN_METADATA", sign)], &[]);
        let pinned = site.sidecar.path("pinned.pem");
        let own = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            site.provider.certificate()
        );
        let pem = if is_signer {
            own
        } else {
            KeyPair::rsa().certificate
        };
        fs::write(&pinned, pem).unwrap();
        site.sidecar.change(
            "connections.idp.metadata_certificate",
            pinned.display().to_string(),
        );
        site.sidecar.write();
        site.sidecar.reload();
        let mut alice = visitor(&site.sidecar);
        let page = go_to_provider(&mut alice, "/", "idp");
        let there = page.forms().iter().any(|form| form.has("password"));
        let log = site.sidecar.log_about("idp");
        assert_eq!(there, good, "{sign:?} {is_signer}: {log}");
    }
}

#[test]
fn a_trial_shows_each_check_and_what_the_provider_said() {
    let site = site();
    let trial = Trial::begin(&site.sidecar, "idp");
    let mut operator = site.sidecar.visitor();
    let page = operator.go(&trial.url);
    let page = site.provider.answer(&mut operator, &page, "alice");
    operator.carry_on(page);
    let (report, code) = trial.end();
    assert_eq!(code, Some(0), "{report}");
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.len() > 15, "{report}");
    let mut outcomes = steps.iter().map(|step| &step["outcome"]);
    assert!(outcomes.all(|outcome| outcome == "passed"), "{report}");
    let claims = claims(&report);
    let (_, said) = claims[1];
    assert_eq!(said["email"], "alice@example.org", "{said}");
    assert!(operator.session().is_none());
    // and which one failed
    let keys = [("wauth", list(&["urn:example:better"]))];
    let site = with(&[], &keys);
    let trial = Trial::begin(&site.sidecar, "idp");
    let mut operator = site.sidecar.visitor();
    let page = operator.go(&trial.url);
    let page = site.provider.answer(&mut operator, &page, "alice");
    operator.carry_on(page);
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "{report}");
    let steps = report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["outcome"] == "failed");
    assert_eq!(failed.unwrap()["check"], "wauth", "{report}");
}

#[test]
fn what_is_known_of_both_sides_is_shown() {
    let site = site();
    let shown = site.sidecar.cli_ok(&["connections", "show", "idp"]);
    for part in [
        "/.auth/callback/idp",
        &site.provider.federation_metadata(),
        "/module.php/adfs/idp/prp.php",
        "CN=idp (SHA-256 ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
