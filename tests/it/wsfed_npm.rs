//! Login by WS-Federation, at npm's `wsfed`: two keys, JWT, encryption, faults.

use serde_json::{Value, json};
use toml::Value as Toml;

use crate::support::{
    Visitor,
    browser::Browser,
    federated::{APP, go_to_provider, visitor},
    key_pair::KeyPair,
    samlp_wsfed::SamlpWsfed,
    sidecar::list,
    visitor::Page,
    wsfed::{self, Provider},
};

type Site = wsfed::Site<SamlpWsfed>;

impl Provider for SamlpWsfed {
    fn metadata(&self) -> String {
        self.federation_metadata()
    }

    fn answer(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        Self::answer(self, visitor, page, login)
    }

    fn wrote(&self) -> String {
        self.output()
    }
}

/// Tokens that last no longer: the library writes their end where the login belongs.
const LIFETIME: u64 = 50;

/// A site whose provider knows it as `known` says over what everybody says.
fn with(known: &Value, keys: &[(&str, Toml)]) -> Site {
    naming(&KeyPair::rsa(), known, keys)
}

/// One whose provider names another key before its own.
fn naming(other: &KeyPair, known: &Value, keys: &[(&str, Toml)]) -> Site {
    Site::with(
        |realm, reply| {
            let mut party = json!({ "wreply": reply, "options": { "lifetime": LIFETIME } });
            for (name, value) in known.as_object().unwrap() {
                party[name] = value.clone();
            }
            SamlpWsfed::with(json!({
                "relying_parties": { realm: party },
                "other_certificate": other.certificate,
            }))
        },
        keys,
    )
}

#[test]
fn somebody_signs_in_and_out_and_goes_on_where_they_wanted() {
    let site = with(&json!({}), &[]);
    let (mut alice, page) = site.sign_in("/wanted", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(page.url.path(), "/wanted");
    let me = alice.me().unwrap();
    assert_eq!(me["user"]["id"], "idp|alice");
    assert_eq!(me["user"]["profile"]["name"], "User alice", "{me}");
    assert_eq!(me["user"]["profile"]["email"], "alice@example.org");
    let page = alice.go("/.auth/logout?rd=/bye");
    let page = match page.forms().into_iter().find(|form| form.has("csrf")) {
        Some(form) => {
            let page = alice.submit(&page, &form);
            alice.follow(page)
        }
        None => page,
    };
    assert!(alice.session().is_none());
    assert!(page.url.as_str().contains("bye"), "{page:?}");
    let page = go_to_provider(&mut alice, "/", "idp");
    assert!(
        page.forms().iter().any(|form| form.has("login")),
        "{page:?}"
    );
}

#[test]
fn each_key_of_the_metadata_signs_and_no_other() {
    let [named, unknown] = [KeyPair::rsa(), KeyPair::rsa()];
    for (key, good) in [(&named, true), (&unknown, false)] {
        for jwt in [false, true] {
            let options = json!({
                "lifetime": LIFETIME, "jwt": jwt, "key": key.key, "cert": key.certificate,
                "extendJWT": { "sub": "alice" },
            });
            let site = naming(&named, &json!({ "options": options }), &[]);
            let (alice, page) = site.sign_in("/", "alice");
            if good {
                site.expect_session(&alice, &page);
            } else {
                site.expect_refused(&alice, &page, "the signature is wrong");
            }
        }
    }
}

#[test]
fn in_chromium_in_and_out() {
    let site = with(&json!({}), &[]);
    let browser = Browser::start();
    let origin = site.sidecar.origin_of(APP);
    let (page, login) = (format!("{origin}/page"), format!("{origin}/.auth/login"));
    browser.goto(&page);
    browser.arrives(&login).click("a[href*='/login/idp']");
    site.provider.sign_in_by_browser(&browser, "alice");
    browser.arrives(&page);
    browser.goto(&format!("{origin}/.auth/logout?rd=/bye"));
    if browser.has("form[action*='/.auth/logout']") {
        browser.click("form[action*='/.auth/logout'] button");
    }
    browser.arrives(&login);
    assert!(browser.url().contains("bye"), "{}", browser.url());
    browser.click("a[href*='/login/idp']");
    browser.arrives(&site.provider.origin());
    assert!(browser.has("input[name=login]"), "{}", browser.url());
}

#[test]
fn a_jwt_is_good_where_it_says_who_that_is() {
    let jwt = |more: Value| {
        let mut options = json!({ "jwt": true, "lifetime": LIFETIME });
        for (name, value) in more.as_object().unwrap() {
            options[name] = value.clone();
        }
        json!({ "options": options })
    };
    let by_id = [("user_id_attribute", "id".into())];
    let site = with(&jwt(json!({})), &by_id);
    let (mut alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(alice.me().unwrap()["user"]["id"], "idp|alice");
    // by default it is `sub`, which is what the library leaves to others
    let site = with(&jwt(json!({})), &[]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "set user_id_attribute");
    let site = with(&jwt(json!({ "extendJWT": { "sub": "of-alice" } })), &[]);
    let (mut alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(alice.me().unwrap()["user"]["id"], "idp|of-alice");
    // by a key that everybody has
    let site = with(&jwt(json!({ "jwtAlgorithm": "HS256" })), &by_id);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "HS256 is not allowed");
    // when somebody signed in is not said, so that no login is known to be fresh
    let keys = [by_id[0].clone(), ("wfresh", "1h".into())];
    let site = with(&jwt(json!({})), &keys);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "does not say when the person signed in");
}

#[test]
fn what_is_encrypted_is_opened_and_by_a_weak_cipher_only_where_that_is_said() {
    let own = KeyPair::rsa();
    let known = json!({ "certificate": own.certificate });
    let keys = [
        ("decryption_keys", list(&[&own.key])),
        ("danger_cbc", true.into()),
    ];
    let site = with(&known, &keys);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    let site = with(&known, &keys[..1]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "it does not open");
    let other = [
        ("decryption_keys", list(&[&KeyPair::rsa().key])),
        ("danger_cbc", true.into()),
    ];
    let site = with(&known, &other);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "it does not open");
}

#[test]
fn what_is_asked_for_is_sent_and_must_come_back() {
    let password = "urn:oasis:names:tc:SAML:1.0:am:password";
    let keys = [
        ("wauth", list(&[password])),
        ("whr", "urn:home".into()),
        ("wfresh", "10m".into()),
    ];
    let site = with(&json!({}), &keys);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    let seen = site.provider.seen();
    let query = &seen[0];
    let wreply = format!("{}/.auth/callback/idp", site.sidecar.origin_of(APP));
    for (name, value) in [
        ("wa", "wsignin1.0"),
        ("wtrealm", &wreply),
        ("wreply", &wreply),
        ("wauth", password),
        ("whr", "urn:home"),
        ("wfresh", "10"),
    ] {
        assert_eq!(query[name], *value, "{query}");
    }
    assert!(query["wct"].as_str().unwrap().ends_with('Z'), "{query}");
    let keys = [("wauth", list(&["urn:oasis:names:tc:SAML:1.0:am:X509-PKI"]))];
    let site = with(&json!({}), &keys);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "which is not what was asked for");
}

#[test]
fn each_time_anew_is_asked_for_each_time() {
    let site = with(
        &json!({}),
        &[("wfresh", "0s".into()), ("logout", "local".into())],
    );
    let mut alice = site.signed_in("alice");
    alice.sign_out();
    let page = go_to_provider(&mut alice, "/", "idp");
    assert!(
        page.forms().iter().any(|form| form.has("login")),
        "{page:?}"
    );
    assert_eq!(site.provider.seen()[0]["wfresh"], "0");
}

#[test]
fn a_fault_is_told_to_the_operator() {
    let fault = json!({ "code": "fed:BadRequest", "description": "no <script>alert(1)</script>" });
    let site = with(&json!({ "fault": fault }), &[]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "fed:BadRequest");
    assert!(!page.text().contains("<script>alert"), "{page:?}");
}

/// The library writes the end of a token where the login belongs.
#[test]
fn a_login_in_the_future_is_none_unless_that_is_said() {
    let known = json!({ "options": {} });
    let site = with(&known, &[]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "the person signed in in the future");
    let danger = ("danger_future_authentication", Toml::from(true));
    let site = with(&known, std::slice::from_ref(&danger));
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    let site = with(&known, &[danger, ("wfresh", "1h".into())]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "does not say when the person signed in");
}

#[test]
fn a_token_for_another_or_by_another_is_none() {
    let options =
        |name: &str, value: &str| json!({ "options": { "lifetime": LIFETIME, name: value } });
    for (name, value, why) in [
        (
            "audience",
            "urn:other",
            "an audience restriction names others",
        ),
        ("issuer", "urn:other", "it was issued by somebody else"),
        ("key", &KeyPair::rsa().key, "the signature is wrong"),
        ("signatureAlgorithm", "rsa-sha1", "rsa-sha1"),
    ] {
        let site = with(&options(name, value), &[]);
        let (alice, page) = site.sign_in("/", "alice");
        site.expect_refused(&alice, &page, why);
    }
    // where SHA-1 is accepted, that is said
    let known = options("signatureAlgorithm", "rsa-sha1");
    let site = with(&known, &[("danger_sha1", true.into())]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    // and nobody's answer is one that nobody asked for
    let (_, page, answer) = site.answer("alice");
    let mut stranger = visitor(&site.sidecar);
    let page = stranger.submit(&page, &answer);
    stranger.carry_on(page);
    assert!(stranger.session().is_none());
}
