//! Passkeys in Chromium, with its virtual authenticator: the whole way in life.

use serde_json::{Value, json};

use crate::support::{
    Browser, Sidecar, Upstream,
    federated::{APP, Site},
    passkey::{self, SYNCED, SoftPasskey},
    route,
    trial::Trial,
    visitor::PASSWORD,
};

/// Nothing of ours broke our own policy.
#[track_caller]
fn quiet(browser: &Browser) {
    let mut said = browser.console();
    said.retain(|line| line.contains("Content Security Policy") || line.contains("Refused"));
    assert!(said.is_empty(), "the console says: {said:#?}");
}

/// Pictures of a page in both widths and colour schemes, for the eyes of whoever works on it.
fn look(browser: &Browser, name: &str) {
    for (width, height) in [(360, 1300), (1280, 1300)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("passkey-{name}-{width}-{scheme}"));
        }
    }
}

fn sidecar(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .set("connections.members.second_factor", "optional")
        .set("connections.passkey.strategy", "passkey")
        .set("connections.passkey.signup", true)
        .route(route("/").to(upstream))
}

/// The same with nothing else: no field in which the browser offers a passkey, which the virtual
/// authenticator takes at once.
fn alone(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .without("connections.members")
        .set("connections.passkey.strategy", "passkey")
        .set("connections.passkey.signup", true)
        .route(route("/").to(upstream))
        .start()
}

/// What the session of a browser says.
fn me(browser: &Browser) -> Value {
    let said = browser.script_async(
        "const done = arguments[arguments.length - 1]; \
         fetch('/.auth/me').then(a => a.ok ? a.json() : null).then(done)",
    );
    assert!(!said.is_null(), "nobody is signed in at {}", browser.url());
    said
}

fn sign_out(browser: &Browser, origin: &str) {
    browser.goto(&format!("{origin}/.auth/logout"));
    if browser.has("main form button[type=submit]") {
        browser.click("main form button[type=submit]");
    }
    browser.shows("signed out");
}

const CREATE: &str = "form[data-passkey=create] button";
const GET: &str = "form[data-passkey=get] button";

#[test]
fn somebody_makes_an_account_and_signs_in_without_a_name() {
    let upstream = Upstream::start();
    let sidecar = alone(&upstream);
    let browser = Browser::start();
    browser.authenticator();
    let origin = sidecar.origin();
    browser.goto(&format!("{origin}/private"));
    look(&browser, "alone");
    browser.click("a[href*='/signup/passkey']");
    look(&browser, "sign-up");
    browser.fill("#passkey-name", "Ada Lovelace");
    browser.fill("#passkey-email", "ada@example.com");
    browser.click(CREATE).arrives(&format!("{origin}/private"));
    let said = me(&browser);
    assert_eq!(said["user"]["profile"]["name"], "Ada Lovelace");
    assert_eq!(said["user"]["profile"]["email"], "ada@example.com");
    assert_ne!(said["user"]["profile"]["email_verified"], true);
    let id = said["user"]["id"].as_str().unwrap();
    assert!(id.starts_with("passkey|") && !id.contains("ada"), "{id}");
    let seen = upstream.last();
    assert_eq!(seen.header("X-Forwarded-User"), Some(id));
    // an address that somebody typed reaches no application
    assert_eq!(seen.header("X-Forwarded-Email"), None);
    let made = browser.passkeys();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["rpId"], "localhost");
    assert_eq!(made[0]["isResidentCredential"], true);
    sign_out(&browser, &origin);
    // with the button
    browser.goto(&format!("{origin}/again"));
    browser.click(GET).arrives(&format!("{origin}/again"));
    let said = me(&browser);
    assert_eq!(said["user"]["id"], id);
    let held = &said["authentications"][0];
    let amr = held["amr"].as_array().unwrap();
    for method in ["pop", "user", "mfa"] {
        assert!(amr.contains(&method.into()), "{held}");
    }
    assert!(
        !amr.contains(&"hwk".into()) && !amr.contains(&"pwd".into()),
        "{held}"
    );
    sign_out(&browser, &origin);
    // an authenticator that cannot say who holds it
    browser.verifies(false);
    browser.goto(&format!("{origin}/again"));
    browser.click(GET).shows("or it was cancelled");
    browser.verifies(true);
    // and one that has no passkey of anybody here
    browser.remove_passkeys();
    browser.goto(&format!("{origin}/again"));
    browser.click(GET).shows("or it was cancelled");
    quiet(&browser);
}

#[test]
fn the_browser_offers_passkeys_in_the_field_of_the_name() {
    let upstream = Upstream::start();
    let sidecar = sidecar(&upstream).start();
    let browser = Browser::start();
    let origin = sidecar.origin();
    browser.goto(&format!("{origin}/private"));
    look(&browser, "login");
    browser.authenticator();
    browser.goto(&format!("{origin}/.auth/signup/passkey"));
    browser.fill("#passkey-name", "Ada");
    browser.click(CREATE).arrives(&format!("{origin}/"));
    sign_out(&browser, &origin);
    // the virtual authenticator chooses for whoever is offered something
    browser.goto(&format!("{origin}/private"));
    browser.arrives(&format!("{origin}/private"));
    assert_eq!(me(&browser)["user"]["profile"]["name"], "Ada");
    quiet(&browser);
}

#[test]
fn without_javascript_the_page_says_so_and_the_other_ways_stay() {
    let upstream = Upstream::start();
    let sidecar = sidecar(&upstream).start();
    sidecar.signed_up("alice");
    let browser = Browser::start();
    browser.without_scripts();
    let origin = sidecar.origin();
    browser.goto(&format!("{origin}/private"));
    browser.shows("Passkeys need JavaScript");
    look(&browser, "no-script");
    browser.click(GET).shows("Passkeys need JavaScript");
    browser.fill("#login", "alice").fill("#password", PASSWORD);
    browser.click("form:not([data-passkey]) button.primary");
    browser.shows("Sign in faster next time");
    browser
        .click("p.below a")
        .arrives(&format!("{origin}/private"));
}

#[test]
fn whoever_came_by_a_provider_is_offered_a_passkey_and_signs_in_by_it() {
    let site = site();
    let browser = Browser::start();
    browser.authenticator();
    site.sign_in_up_to(&browser, "/page?x=1", "alice");
    browser.shows("Sign in faster next time");
    look(&browser, "offer");
    browser.fill("#factor_name", "Laptop").click(CREATE);
    browser.arrives(&site.url("/page?x=1"));
    let by_provider = me(&browser)["user"].clone();
    sign_out_at_all(&browser, &site);
    browser.goto(&site.url("/page"));
    browser.click(GET).arrives(&site.url("/page"));
    let by_passkey = me(&browser);
    assert_eq!(by_passkey["user"]["id"], by_provider["id"]);
    assert_eq!(by_passkey["user"]["profile"], by_provider["profile"]);
    assert_eq!(by_passkey["authentications"][0]["connection"], "passkey");
    assert_eq!(
        site.upstream.last().header("X-Forwarded-User"),
        Some("op|alice")
    );
    let shown = site.sidecar.cli_json(&["users", "show", "op|alice"]);
    let identities = shown["identities"].as_array().unwrap();
    assert_eq!(identities.len(), 2, "{shown}");
    let [factor] = shown["second_factors"].as_array().unwrap().as_slice() else {
        panic!("{shown}")
    };
    assert_eq!(
        (&factor["kind"], &factor["name"]),
        (&json!("passkey"), &json!("Laptop"))
    );
    // the profile is the provider's still
    assert_eq!(shown["synced_by"], "op", "{shown}");
    // one passkey is enough: nobody is asked again
    browser.goto(&site.url("/.auth/account"));
    browser.shows("Laptop");
    look(&browser, "account");
    quiet(&browser);
}

#[test]
fn an_offer_that_was_skipped_is_not_made_again_soon() {
    let site = site();
    let browser = Browser::start();
    site.sign_in_up_to(&browser, "/page", "alice");
    browser.shows("Sign in faster next time");
    browser.click("p.below a").arrives(&site.url("/page"));
    sign_out_at_all(&browser, &site);
    site.sign_in_up_to(&browser, "/page", "alice");
    browser.arrives(&site.url("/page"));
    sign_out_at_all(&browser, &site);
    // somebody else at the same browser is asked
    site.sign_in_up_to(&browser, "/page", "bob");
    browser.shows("Sign in faster next time");
}

/// A provider and passkeys, and a route that wants a second factor here.
fn site() -> Site {
    let mut site = Site::new();
    site.sidecar
        .change("connections.passkey.strategy", "passkey");
    site.sidecar.write();
    site.sidecar.reload();
    site
}

impl Site {
    /// Signs in at the provider; what comes then is the test's.
    fn sign_in_up_to(&self, browser: &Browser, path: &str, login: &str) {
        browser.goto(&self.url(path));
        if !browser.url().starts_with(&self.provider.issuer()) {
            browser.click("a[href*='/.auth/login/op']");
        }
        browser.arrives(&self.provider.issuer());
        self.provider.sign_in_by_browser(browser, login);
    }
}

fn sign_out_at_all(browser: &Browser, site: &Site) {
    browser.goto(&site.url("/.auth/logout"));
    for cookie in browser.cookies() {
        let name = cookie["name"].as_str().unwrap().to_owned();
        if name.contains("vestibule") && !name.contains("offered") {
            browser.delete_cookie(&name);
        }
    }
    browser.goto(&format!("{}/", site.provider.issuer()));
    for cookie in browser.cookies() {
        browser.delete_cookie(cookie["name"].as_str().unwrap());
    }
}

#[test]
fn a_passkey_is_the_second_factor_of_whoever_came_by_a_provider() {
    let site = Site::with(
        &json!({}),
        &json!({}),
        &[("second_factor", "required".into())],
    );
    let browser = Browser::start();
    browser.authenticator();
    // who has none sets one up in the same login
    site.sign_in_up_to(&browser, "/page", "alice");
    browser.shows("Set up a second step");
    look(&browser, "required");
    browser.click(CREATE).shows("Keep your recovery codes");
    browser.click("a.primary").arrives(&site.url("/page"));
    let held = me(&browser)["authentications"][0].clone();
    let amr = held["amr"].as_array().unwrap();
    assert!(
        amr.contains(&"pop".into()) && amr.contains(&"mfa".into()),
        "{held}"
    );
    sign_out_at_all(&browser, &site);
    // and is asked for it from then on
    site.sign_in_up_to(&browser, "/page", "alice");
    browser.shows("Confirm that it is you");
    look(&browser, "factor");
    assert!(!browser.has("#code"));
    assert!(browser.has("#recovery_code"));
    browser.click(GET).arrives(&site.url("/page"));
    let factors = site.sidecar.cli_json(&["users", "factors", "op|alice"]);
    let [factor] = factors["factors"].as_array().unwrap().as_slice() else {
        panic!("{factors}")
    };
    assert_eq!(factor["kind"], "passkey");
    assert_eq!(factor["rp_id"], APP);
    assert!(factor["last_used_at"].is_string(), "{factor}");
    // the last one stays where one is needed
    browser.goto(&site.url("/.auth/account"));
    browser.click("section[aria-labelledby=passkeys] form[action$=account]:not(.row-edit) button");
    browser.shows("A second step is needed here");
    quiet(&browser);
}

#[test]
fn a_route_asks_for_a_passkey_of_whoever_has_signed_in_without() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.second_factor", "optional")
        .route(route("/").to(&upstream))
        .route(
            route("/admin")
                .to(&upstream)
                .set("second_factor", "required_here"),
        )
        .start();
    let mut alice = sidecar.signed_up("alice");
    let mut passkey = SoftPasskey::at(&sidecar.origin());
    // sets one up at the route that wants it, right after the first proof
    let page = alice.go("/admin");
    assert_eq!(page.url.path(), "/.auth/factor", "{page:?}");
    let end = passkey::make(&mut alice, &page, &mut passkey);
    assert!(end.text().contains("recovery codes"), "{end:?}");
    assert_eq!(alice.go("/admin").answer.status, 200);
    // another session, from before
    let mut other = sidecar.visitor();
    let page = other.sign_in("/", "alice", PASSWORD);
    assert_eq!(page.url.path(), "/.auth/factor");
    let (options, _) = passkey::asked(&page, "get");
    assert_eq!(options["userVerification"], "preferred");
    // as a second factor it is enough that somebody is there
    passkey.flags = passkey::PRESENT;
    let end = passkey::prove(&mut other, &page, &mut passkey);
    assert_eq!(end.answer.status, 200, "{end:?}");
    let held = other.me().unwrap()["authentications"][0].clone();
    assert_eq!(held["amr"], json!(["pwd", "pop", "user", "mfa"]));
    assert_eq!(other.go("/admin").answer.status, 200);
}

#[test]
fn several_passkeys_are_named_and_removed_but_the_last_way_in() {
    let upstream = Upstream::start();
    let sidecar = alone(&upstream);
    let browser = Browser::start();
    browser.authenticator();
    let origin = sidecar.origin();
    browser.goto(&format!("{origin}/.auth/signup/passkey"));
    browser.fill("#passkey-name", "Ada");
    browser.click(CREATE).arrives(&format!("{origin}/"));
    // an authenticator is set up once
    browser.goto(&format!("{origin}/.auth/account?add=passkey"));
    browser.shows("Add a passkey");
    look(&browser, "add");
    browser.click(CREATE).shows("There is a passkey");
    assert_eq!(browser.passkeys().len(), 1);
    // nobody takes the only way in away
    let remove = "section[aria-labelledby=passkeys] li > form button";
    browser.goto(&format!("{origin}/.auth/account"));
    browser.click(remove).shows("no other way to sign in");
    look(&browser, "last");
    // another authenticator
    browser.remove_passkeys();
    browser.goto(&format!("{origin}/.auth/account?add=passkey"));
    browser.fill("#factor_name", "Key ring");
    browser.click(CREATE).shows("The passkey is set up");
    browser.shows("Key ring");
    browser.click(remove).shows("It is removed");
    let user = "ada";
    let factors = sidecar.cli_json(&["users", "factors", user]);
    assert_eq!(factors["factors"][0]["name"], "Key ring", "{factors}");
    assert_eq!(factors["factors"].as_array().unwrap().len(), 1);
    // the one that is left signs in
    sign_out(&browser, &origin);
    browser.goto(&format!("{origin}/private"));
    browser.click(GET).arrives(&format!("{origin}/private"));
    quiet(&browser);
    // who lost all of them is reset by the operator
    sidecar.cli_ok(&["users", "reset-factors", user, "--reason", "lost"]);
    browser.goto(&format!("{origin}/private"));
    browser.click(GET).shows("Nobody here has that passkey");
}

#[test]
fn a_synced_passkey_says_so_and_keeps_its_user_through_a_merge() {
    let upstream = Upstream::start();
    let sidecar = sidecar(&upstream)
        .set("connections.passkey.offer_enrolment", false)
        .start();
    let mut passkey = SoftPasskey::at(&sidecar.origin());
    passkey.flags |= SYNCED;
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/signup/passkey");
    let (options, form) = passkey::asked(&page, "create");
    let answer = passkey.make(&options);
    passkey::send(&mut visitor, &page, &form.fill("name", "Ada"), &answer);
    let held = visitor.me().unwrap()["authentications"][0].clone();
    assert_eq!(held["amr"], json!(["pop", "swk", "user", "mfa"]));
    assert!(visitor.go("/.auth/account").text().contains("Synced"));
    // somebody with a password shows that this is theirs, too
    let mut alice = sidecar.signed_up("alice");
    let account = alice.go("/.auth/account");
    let forms = account.forms();
    let link = forms.iter().find(|form| {
        form.value("action") == Some("link") && form.value("connection") == Some("passkey")
    });
    let page = alice.submit(&account, link.expect("a way to link"));
    let page = alice.follow(page);
    let page = passkey::prove(&mut alice, &page, &mut passkey);
    let confirm = page.form_with("ticket");
    let answer = alice.submit(&page, &confirm);
    let end = alice.follow(answer);
    assert_eq!(end.answer.status, 200, "{end:?}");
    let user = alice.me().unwrap()["user"]["id"].clone();
    assert!(user.as_str().unwrap().starts_with("members|"), "{user}");
    // the passkey goes with its identity
    let mut again = sidecar.visitor();
    let page = again.go("/private");
    let end = passkey::prove(&mut again, &page, &mut passkey);
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert_eq!(again.me().unwrap()["user"]["id"], user);
    // whoever is deleted takes them along
    sidecar.cli_ok(&["users", "delete", user.as_str().unwrap()]);
    let mut gone = sidecar.visitor();
    let page = gone.go("/private");
    let end = passkey::prove(&mut gone, &page, &mut passkey);
    assert_eq!((end.answer.status, gone.me()), (422, None));
}

#[test]
fn a_blocked_user_does_not_come_in_by_a_passkey() {
    let upstream = Upstream::start();
    let sidecar = sidecar(&upstream)
        .set("connections.passkey.offer_enrolment", false)
        .start();
    let mut alice = sidecar.signed_up("alice");
    let mut passkey = SoftPasskey::at(&sidecar.origin());
    let page = alice.go("/.auth/account?add=passkey");
    let end = passkey::make(&mut alice, &page, &mut passkey);
    // who types a password is asked for a factor, and has codes for when it is lost
    assert!(end.text().contains("recovery codes"), "{end:?}");
    let user = alice.me().unwrap()["user"]["id"].clone();
    let user = user.as_str().unwrap();
    for first in [true, false] {
        sidecar.cli_ok(&["users", "block", user]);
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/private");
        let end = passkey::prove(&mut visitor, &page, &mut passkey);
        assert_eq!((end.answer.status, visitor.me()), (403, None), "{first}");
        sidecar.cli_ok(&["users", "unblock", user]);
        let page = visitor.go("/private");
        let end = passkey::prove(&mut visitor, &page, &mut passkey);
        assert_eq!(end.answer.status, 200, "{end:?}");
        assert_eq!(visitor.me().unwrap()["user"]["id"], user);
    }
    // nobody new comes in where strangers may not
    let shown = sidecar.cli_json(&["users", "show", user]);
    assert_eq!(shown["identities"].as_array().unwrap().len(), 2, "{shown}");
}

#[test]
fn the_operator_tries_and_reads_what_a_connection_is() {
    let upstream = Upstream::start();
    let mut sidecar = sidecar(&upstream).start();
    let shown = sidecar.cli_json(&["connections", "show", "passkey", "--json"]);
    assert_eq!(shown["strategy"], "passkey", "{shown}");
    assert!(
        shown.to_string().contains(r#""rp_id":"localhost""#),
        "{shown}"
    );
    let listed = sidecar.cli_ok(&["connections", "list"]);
    assert!(listed.contains("passkey"), "{listed}");
    let mut alice = sidecar.signed_up("alice");
    let mut passkey = SoftPasskey::at(&sidecar.origin());
    let page = alice.go("/.auth/account?add=passkey");
    passkey::make(&mut alice, &page, &mut passkey);
    // a trial signs nobody in, and says what was checked
    let trial = Trial::begin(&sidecar, "passkey");
    let mut visitor = sidecar.visitor();
    let page = visitor.go(&trial.url);
    passkey::prove(&mut visitor, &page, &mut passkey);
    let (report, code) = trial.end();
    assert_eq!(
        (&report["worked"], code),
        (&json!(true), Some(0)),
        "{report}"
    );
    assert!(visitor.me().is_none());
    let trial = Trial::begin(&sidecar, "passkey");
    let page = visitor.go(&trial.url);
    passkey.origin = "https://evil.test".to_owned();
    passkey::prove(&mut visitor, &page, &mut passkey);
    let (report, code) = trial.end();
    assert_eq!(
        (&report["worked"], code),
        (&json!(false), Some(1)),
        "{report}"
    );
    assert!(report.to_string().contains("another origin"), "{report}");
    // passkeys of one domain are of no use to another, so the name stands for one
    let origin = sidecar.origin_of("app.localhost");
    sidecar.change("server.public_url", origin);
    sidecar.stop();
    let refused = sidecar.refused();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("localhost"),
        "{said}"
    );
}

#[test]
fn what_no_browser_offers_stops_the_start() {
    let upstream = Upstream::start();
    for (origin, rp_id, says) in [
        (
            "https://login.example.com",
            Some("example.org"),
            "is not above",
        ),
        ("https://login.example.com", Some("com"), "public suffix"),
        ("https://192.0.2.1", None, "passkeys are made for names"),
    ] {
        let mut sidecar = sidecar(&upstream).set("server.public_url", origin);
        if let Some(rp_id) = rp_id {
            sidecar.change("connections.passkey.rp_id", rp_id);
        }
        let refused = sidecar.refused();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{origin} {rp_id:?}");
        assert!(said.contains("passkey") && said.contains(says), "{said}");
    }
}
