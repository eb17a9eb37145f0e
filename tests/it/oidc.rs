//! Login by OpenID Connect at the certified provider and at Django: what must work, by hand and in
//! Chromium. What must not, stands in `oidc_conformance` and in `attacks::openid`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Browser, DjangoProvider, OpenIdProvider, Sidecar, Upstream, Visitor, apps, django_provider,
    federated::{APP, Site, app, callback, go_to_provider, oidc, visitor},
    forms, openid_provider, route,
    sidecar::list,
    visitor::Page,
    websocket,
};

const GROUPS: [&str; 4] = ["openid", "profile", "email", "groups"];

/// What `/.auth/me` says of the person behind a visitor.
#[track_caller]
fn profile(visitor: &mut Visitor) -> Value {
    visitor.me().expect("a session")
}

#[test]
fn four_lines_let_people_in_and_bring_them_to_the_page_they_wanted() {
    let site = Site::new();
    let (mut alice, page) = site.sign_in("/page?x=1", &[("login", "alice")]);
    site.expect_session(&alice, &page);
    assert_eq!(page.url.as_str(), site.url("/page?x=1"));
    let seen = site.upstream.last();
    assert_eq!(seen.target(), "/page?x=1");
    assert_eq!(seen.header("X-Forwarded-User"), Some("op|alice"));
    assert_eq!(seen.header("X-Forwarded-Email"), Some("alice@example.org"));
    let me = profile(&mut alice);
    assert_eq!(me["user"]["id"], "op|alice", "{me}");
    // RFC 9700, section 2.1.1; OpenID Connect Core, section 3.1.2.1; RFC 9207
    let asked = &site.provider.calls("/auth")[0]["query"];
    assert_eq!(asked["code_challenge_method"], "S256", "{asked}");
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["scope"], "openid profile email");
    for parameter in ["state", "nonce"] {
        assert!(asked[parameter].as_str().unwrap().len() >= 22, "{asked}");
    }
    let redeemed = &site.provider.calls("/token")[0];
    assert_eq!(redeemed["scheme"], "Basic", "{redeemed}");
    assert_eq!(site.provider.calls("/me")[0]["scheme"], "Bearer");
    assert!(!site.upstream.last().everything().contains("id_token"));
}

#[test]
fn groups_open_and_close_pages() {
    let site = Site::with(
        &json!({}),
        &json!({"accounts": {"alice": {"groups": ["ops"]}}}),
        &[("scopes", list(&GROUPS))],
    );
    let only = route("/ops").to(&site.upstream).allow(&["group:ops"]);
    let mut sidecar = site.sidecar;
    sidecar = sidecar.route(only);
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.go("/ops").answer.status, 200);
    let mut bob = site.signed_in("bob");
    assert_eq!(bob.go("/ops").answer.status, 403);
}

#[test]
fn an_answer_by_form_post_comes_in_by_our_own_page() {
    let site = Site::with(
        &json!({}),
        &json!({}),
        &[("response_mode", "form_post".into())],
    );
    let mut alice = site.visitor();
    let page = go_to_provider(&mut alice, "/page", "op");
    let form = page.form_with("login").fill("login", "alice");
    let mut page = alice.submit(&page, &form);
    while !page.text().contains("<form") {
        page = alice.open(page.url.join(page.answer.location()).unwrap().as_str());
    }
    // the browser sends no Lax cookie with what another site posts
    let cookies = alice.jar.clone();
    alice.jar.retain(|cookie| cookie.host != APP);
    let answer = page.form_with("code");
    let ours = alice.submit(&page, &answer);
    assert_eq!(ours.answer.status, 200, "{ours:?}");
    assert!(ours.text().contains("<form"), "{ours:?}");
    alice.jar = cookies;
    let page = alice.carry_on(ours);
    site.expect_session(&alice, &page);
    assert_eq!(page.url.as_str(), site.url("/page"));
}

/// A client that is registered for as much as there is: pushed, signed requests, a key instead of a
/// secret, encrypted ID tokens and userinfo, an authentication context.
fn strict(more: &[(&str, toml::Value)]) -> Site {
    let metadata = json!({
        "client_secret": null,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "require_pushed_authorization_requests": true,
        "require_signed_request_object": true,
        "request_object_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "PS256",
        "userinfo_encrypted_response_alg": "ECDH-ES",
        "userinfo_encrypted_response_enc": "A256GCM",
    });
    let keys = [
        ("token_endpoint_auth_method", "private_key_jwt".into()),
        ("pushed_authorization", true.into()),
        ("signed_request", true.into()),
        ("encrypted_id_token", true.into()),
        ("acr_values", list(&["substantial", "high"])),
    ];
    let keys: Vec<_> = keys.into_iter().chain(more.iter().cloned()).collect();
    Site::with(&metadata, &json!({"require_par": true}), &keys)
}

#[test]
fn pushed_signed_encrypted_and_with_a_key_instead_of_a_secret() {
    let site = strict(&[]);
    let (mut alice, page) = site.sign_in("/", &[("login", "alice"), ("acr", "high")]);
    site.expect_session(&alice, &page);
    assert_eq!(profile(&mut alice)["user"]["id"], "op|alice");
    let pushed = &site.provider.calls("/request")[0]["form"];
    assert!(pushed["request"].is_string(), "{pushed}");
    let asked = &site.provider.calls("/auth")[0]["query"];
    assert_eq!(
        asked.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["client_id", "request_uri"],
        "{asked}"
    );
    let redeemed = &site.provider.calls("/token")[0]["form"];
    assert!(redeemed["client_assertion"].is_string(), "{redeemed}");
}

#[test]
fn a_lower_authentication_context_than_was_asked_for_is_refused() {
    let site = strict(&[]);
    for acr in ["low", ""] {
        let (lower, page) = site.sign_in("/", &[("login", "alice"), ("acr", acr)]);
        site.expect_refused(&lower, &page, "verify-id-token");
    }
    // the same provider, connection and account with what was asked for
    let (alice, page) = site.sign_in("/", &[("login", "alice"), ("acr", "substantial")]);
    site.expect_session(&alice, &page);
}

#[test]
fn each_way_of_client_authentication_is_taken() {
    let ways = [
        ("client_secret_post", json!({})),
        (
            "client_secret_jwt",
            json!({"token_endpoint_auth_signing_alg": "HS256"}),
        ),
        ("private_key_jwt", json!({"client_secret": null})),
        ("none", json!({"client_secret": null})),
    ];
    for (way, mut metadata) in ways {
        metadata["token_endpoint_auth_method"] = way.into();
        let keys = [("token_endpoint_auth_method", way.into())];
        let site = Site::with(&metadata, &json!({}), &keys);
        site.signed_in("alice");
        let redeemed = &site.provider.calls("/token")[0];
        let form = &redeemed["form"];
        let shown = match way {
            "client_secret_post" => form["client_secret"].is_string(),
            "none" => form["client_secret"].is_null() && form["client_assertion"].is_null(),
            _ => form["client_assertion"].is_string(),
        };
        assert!(shown && redeemed["scheme"].is_null(), "{way}: {redeemed}");
    }
}

#[test]
fn tokens_can_be_bound_to_a_key_also_where_the_provider_wants_a_nonce() {
    for nonce in [false, true] {
        let site = Site::with(
            &json!({"dpop_bound_access_tokens": true}),
            &json!({"dpop_nonce": nonce}),
            &[("dpop", true.into())],
        );
        site.signed_in("alice");
        let calls = site.provider.calls("/token");
        assert!(calls.iter().all(|call| call["dpop"] == true), "{calls:?}");
        assert_eq!(site.provider.calls("/me").last().unwrap()["scheme"], "DPoP");
    }
}

#[test]
fn new_keys_of_the_provider_are_fetched_when_they_are_seen() {
    let site = Site::new();
    site.signed_in("alice");
    site.provider.rotate_keys(false);
    site.signed_in("bob");
    assert_eq!(site.provider.calls("/jwks").len(), 2);
    // and kept
    site.signed_in("carol");
    assert_eq!(site.provider.calls("/jwks").len(), 2);
}

/// FLOW-13: no two logins share anything.
#[test]
fn two_hundred_people_at_once_are_two_hundred_people() {
    let site = Site::new();
    let names: Vec<String> = (0..200).map(|number| format!("person{number}")).collect();
    std::thread::scope(|scope| {
        for some in names.chunks(10) {
            let site = &site;
            scope.spawn(move || {
                // all of them stand at the provider's form before the first one fills it in
                let mut waiting: Vec<_> = some
                    .iter()
                    .map(|name| {
                        let mut visitor = site.visitor();
                        let page = go_to_provider(&mut visitor, &format!("/of/{name}"), "op");
                        (name, visitor, page)
                    })
                    .collect();
                for (name, visitor, page) in &mut waiting {
                    let page = site.provider.sign_in(visitor, page, name);
                    site.expect_session(visitor, &page);
                    assert_eq!(page.url.path(), format!("/of/{name}"));
                }
                for (name, visitor, _) in &mut waiting {
                    let me = profile(visitor);
                    assert_eq!(me["user"]["id"], format!("op|{name}"), "{me}");
                }
            });
        }
    });
    for seen in site.upstream.seen() {
        let name = seen.target().strip_prefix("/of/").unwrap();
        let user = format!("op|{name}");
        assert_eq!(
            seen.header("X-Forwarded-User"),
            Some(user.as_str()),
            "{seen:?}"
        );
    }
    assert_eq!(site.upstream.hits(), 200);
}

#[test]
fn who_turns_back_at_the_provider_is_told_so_and_can_try_again() {
    let site = Site::new();
    let mut alice = site.visitor();
    let page = go_to_provider(&mut alice, "/", "op");
    let abort = forms::links(&page.text())
        .into_iter()
        .find(|link| link.contains("abort"));
    let refused = alice.go(page.url.join(&abort.unwrap()).unwrap().as_str());
    site.expect_refused(&alice, &refused, "authorization-response");
    let page = go_to_provider(&mut alice, "/", "op");
    let page = site.provider.sign_in(&mut alice, &page, "alice");
    site.expect_session(&alice, &page);
}

#[test]
fn signing_out_ends_the_session_of_the_provider_as_well() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let page = alice.go("/.auth/logout");
    assert!(
        page.url.as_str().starts_with(&site.provider.issuer()),
        "{page:?}"
    );
    assert!(
        alice.me().is_none(),
        "the session here outlives the way there"
    );
    let left = leave(&mut alice, &page);
    assert!(
        left.url.as_str().starts_with(&site.url("/.auth/")),
        "{left:?}"
    );
    assert_eq!(left.answer.status, 200, "{left:?}");
    assert!(alice.session().is_none());
    // who comes again is asked to sign in again
    let page = go_to_provider(&mut alice, "/", "op");
    page.form_with("login");
    let asked = &site.provider.calls("/session/end")[0]["query"];
    assert!(asked["id_token_hint"].is_string(), "{asked}");
}

/// Says yes at the provider's page about signing out; where that ended.
#[track_caller]
fn leave(visitor: &mut Visitor, page: &Page) -> Page {
    // the button stands outside of its form
    let mut form = page.form_with("xsrf");
    form.fields.push(("logout".to_owned(), "yes".to_owned()));
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

/// OpenID Connect Back-Channel Logout, from a provider that was signed out of elsewhere.
#[test]
fn a_logout_at_the_provider_ends_the_session_here_and_its_open_streams() {
    let sidecar_uri =
        |sidecar: &Sidecar| format!("{}/.auth/backchannel-logout/op", sidecar.origin_of(APP));
    let sidecar = app();
    let mut client = openid_provider::client(&callback(&sidecar, "op"));
    client["backchannel_logout_uri"] = sidecar_uri(&sidecar).into();
    client["backchannel_logout_session_required"] = true.into();
    let provider = OpenIdProvider::start(&[client]);
    let app = apps::websocket();
    let sidecar = oidc(sidecar, "op", &provider.issuer())
        .route(route("/").set("upstream", app.url()))
        .start();
    let mut people = Vec::new();
    for name in ["alice", "bob"] {
        let mut visitor = visitor(&sidecar);
        let page = go_to_provider(&mut visitor, "/.auth/account", "op");
        provider.sign_in(&mut visitor, &page, name);
        let session = visitor.session().expect("a session").pair();
        let mut raw = sidecar.raw();
        let opening = websocket::opening("/", &sidecar.origin_of(APP)).header("Cookie", &session);
        raw.send(opening.bytes(&format!("{APP}:{}", sidecar.port)));
        assert_eq!(raw.answer("GET").unwrap().status, 101, "{}", app.output());
        people.push((visitor, raw));
    }
    let [(mut alice, mut stream), (mut bob, mut other)] = <[_; 2]>::try_from(people).ok().unwrap();
    let page = alice.go(&format!("{}/session/end", provider.issuer()));
    leave(&mut alice, &page);
    assert!(
        stream.ends_within(Duration::from_secs(5)),
        "{:?}",
        provider.events()
    );
    assert!(alice.me().is_none());
    assert_eq!(
        provider.events()[0]["logout"],
        "done",
        "{:?}",
        provider.events()
    );
    assert!(bob.me().is_some());
    assert!(!other.ends_within(Duration::from_millis(300)));
}

#[test]
fn django_lets_people_in_too() {
    let sidecar = app();
    let django = DjangoProvider::start(&django_provider::client(
        &callback(&sidecar, "django"),
        false,
    ));
    let upstream = Upstream::start();
    let sidecar = oidc(sidecar, "django", &django.issuer())
        .route(route("/").to(&upstream))
        .start();
    let mut alice = visitor(&sidecar);
    let page = go_to_provider(&mut alice, "/page?x=1", "django");
    let page = django.sign_in(&mut alice, &page, "alice");
    assert_eq!(
        page.answer.status,
        200,
        "{page:?}\n{}\n{}",
        sidecar.log_about("django"),
        django.output()
    );
    assert_eq!(upstream.last().target(), "/page?x=1");
    assert_eq!(upstream.last().header("X-Forwarded-User"), Some("django|1"));
    assert_eq!(
        upstream.last().header("X-Forwarded-Email"),
        Some("alice@example.org")
    );
}

/// Nothing of ours broke our own policy.
#[track_caller]
fn quiet(browser: &Browser) {
    let mut said = browser.console();
    said.retain(|line| line.contains("Content Security Policy") || line.contains("Refused"));
    assert!(said.is_empty(), "the console says: {said:#?}");
}

#[test]
fn a_browser_goes_to_the_provider_and_back_and_signs_out() {
    let site = Site::new();
    let browser = Browser::start();
    site.sign_in_by_browser(&browser, "/page?x=1", "alice");
    assert_eq!(browser.url(), site.url("/page?x=1"));
    assert_eq!(
        site.upstream.last().header("X-Forwarded-User"),
        Some("op|alice")
    );
    quiet(&browser);
    browser.goto(&site.url("/.auth/logout"));
    if browser.url().starts_with(&site.url("/")) {
        browser.click("button[type=submit]");
    }
    browser
        .arrives(&site.provider.issuer())
        .click("button[name=logout]");
    browser.arrives(&site.url("/.auth/"));
    quiet(&browser);
    browser.goto(&site.url("/"));
    site.provider_by_browser(&browser);
    browser.arrives(&site.provider.issuer());
    assert!(browser.has("input[name=login]"));
}

/// The provider's page posts to another site, which gets no Lax cookie; ours posts once more.
#[test]
fn a_browser_brings_an_answer_by_form_post() {
    for scripts in [true, false] {
        let site = Site::with(
            &json!({}),
            &json!({}),
            &[("response_mode", "form_post".into())],
        );
        let browser = Browser::start();
        browser.goto(&site.url("/page"));
        site.provider_by_browser(&browser);
        if scripts {
            site.provider.sign_in_by_browser(&browser, "alice");
        } else {
            browser.without_scripts();
            site.provider.sign_in_by_browser(&browser, "alice");
            // the provider's page, then ours, each with a button
            browser
                .click("[type=submit]")
                .arrives(&site.url("/.auth/callback/op"));
            browser.click("[type=submit]");
        }
        browser.arrives(&site.url("/page"));
        assert_eq!(
            site.upstream.last().header("X-Forwarded-User"),
            Some("op|alice")
        );
        quiet(&browser);
    }
}
