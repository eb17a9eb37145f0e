//! Login by OpenID Connect at the certified provider and at Django: what must work, by hand and in
//! Chromium. What must not, stands in `oidc_conformance` and in `attacks::openid`.

use openssl::rsa::Rsa;
use serde_json::{Value, json};

use crate::support::{
    DjangoProvider, Upstream, Visitor, django_provider,
    federated::{APP, Site, app, callback, go_to_provider, oidc, visitor},
    forms,
    jwt::part,
    route,
    sidecar::list,
    tls::Authority,
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

#[test]
fn pushed_signed_encrypted_and_with_a_key_instead_of_a_secret() {
    let site = Site::strict();
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
    // FLOW-17: whose endpoint it is, the metadata say; whom the assertion is for, they do not
    let assertion = part(&redeemed["client_assertion"], 1);
    assert_eq!(assertion["aud"], site.provider.issuer(), "{assertion}");
    let lasts = assertion["exp"].as_i64().unwrap() - assertion["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&lasts), "{assertion}");
    let request = part(&pushed["request"], 1);
    assert_eq!(request["aud"], site.provider.issuer(), "{request}");
}

#[test]
fn a_lower_authentication_context_than_was_asked_for_is_refused() {
    let site = Site::strict();
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
    // RFC 9449, section 10.1: a pushed request is bound to the key, and with it the code
    let keys = [("dpop", true.into()), ("pushed_authorization", true.into())];
    let site = Site::with(
        &json!({"dpop_bound_access_tokens": true}),
        &json!({}),
        &keys,
    );
    site.signed_in("alice");
    assert_eq!(site.provider.calls("/request")[0]["dpop"], true);
}

#[test]
fn a_context_may_be_answered_by_a_better_one_that_is_named() {
    let keys = [
        ("acr_values", list(&["low"])),
        ("accepted_acr_values", list(&["substantial", "high"])),
    ];
    let site = Site::with(&json!({}), &json!({}), &keys);
    let (alice, page) = site.sign_in("/", &[("login", "alice"), ("acr", "high")]);
    site.expect_session(&alice, &page);
    assert_eq!(
        site.provider.calls("/auth")[0]["query"]["acr_values"],
        "low"
    );
    let (lower, page) = site.sign_in("/", &[("login", "alice"), ("acr", "low")]);
    site.expect_refused(&lower, &page, "verify-id-token");
}

/// RFC 8705, section 2.1: at the endpoints that ask for a certificate.
#[test]
fn a_certificate_is_taken_where_the_provider_asks_for_one() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let leaf = authority.leaf(dir.path(), &["idp.localhost"]);
    let site = Site::by_certificate(&authority, &leaf, &authority);
    site.signed_in("alice");
    for endpoint in ["/token", "/me"] {
        let call = &site.provider.calls(endpoint)[0];
        assert_eq!(call["certificate"], true, "{endpoint}: {call}");
    }
}

#[test]
fn a_key_of_the_operators_opens_what_is_encrypted_for_it() {
    let key = Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    let key = String::from_utf8(key).unwrap();
    let metadata = json!({
        "id_token_encrypted_response_alg": "RSA-OAEP-256",
        "id_token_encrypted_response_enc": "A128CBC-HS256",
        "userinfo_signed_response_alg": "RS256",
        "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        "userinfo_encrypted_response_enc": "A256GCM",
    });
    let keys = [
        ("encrypted_id_token", true.into()),
        ("decryption_keys", list(&[&key])),
    ];
    let site = Site::with(&metadata, &json!({}), &keys);
    let mut alice = site.signed_in("alice");
    assert_eq!(profile(&mut alice)["user"]["id"], "op|alice");
}

#[test]
fn what_the_connection_says_about_the_login_is_asked_for() {
    let claims: toml::Table = "id_token = { email = { essential = true } }"
        .parse()
        .unwrap();
    let more: toml::Table = "resource = \"https://api.example\"".parse().unwrap();
    let keys = [
        ("prompt", "login".into()),
        ("max_age", "1h".into()),
        ("ui_locales", list(&["nb", "en"])),
        ("request_claims", claims.into()),
        ("upstream_params", more.into()),
    ];
    let site = Site::with(&json!({}), &json!({}), &keys);
    let mut alice = site.visitor();
    go_to_provider(&mut alice, "/", "op");
    let asked = &site.provider.calls("/auth")[0]["query"];
    assert_eq!(
        (&asked["prompt"], &asked["max_age"]),
        (&"login".into(), &"3600".into())
    );
    assert_eq!(asked["ui_locales"], "nb en");
    assert_eq!(asked["resource"], "https://api.example");
    let claims: Value = serde_json::from_str(asked["claims"].as_str().unwrap()).unwrap();
    assert_eq!(claims["id_token"]["email"]["essential"], true);
}

/// The provider still knows her, and is asked again all the same.
#[test]
fn a_login_that_must_be_fresh_is_asked_for_again_at_the_provider() {
    let site = Site::with(&json!({}), &json!({}), &[("prompt", "login".into())]);
    let mut alice = site.signed_in("alice");
    alice.jar.retain(|cookie| cookie.host != APP);
    let page = go_to_provider(&mut alice, "/", "op");
    let page = site.provider.sign_in(&mut alice, &page, "alice");
    site.expect_session(&alice, &page);
    // without it, the provider's own session is enough
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    alice.jar.retain(|cookie| cookie.host != APP);
    let page = go_to_provider(&mut alice, "/", "op");
    site.expect_session(&alice, &page);
}

/// Step-up: a route that demands more has the provider asked for it, and believes only what came.
#[test]
fn a_route_that_demands_a_higher_context_gets_it_from_the_provider() {
    let site = Site::new();
    let demand: toml::Table = "acr = [\"high\"]".parse().unwrap();
    let vault = route("/vault").to(&site.upstream).set("require", demand);
    let mut sidecar = site.sidecar.route(vault);
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let (mut alice, page) = site.sign_in("/", &[("login", "alice"), ("acr", "low")]);
    site.expect_session(&alice, &page);
    let before = site.upstream.hits();
    let page = go_to_provider(&mut alice, "/vault", "op");
    assert_eq!(site.upstream.hits(), before);
    let asked = site.provider.calls("/auth").last().unwrap()["query"].clone();
    assert_eq!(asked["acr_values"], "high", "{asked}");
    let page =
        site.provider
            .sign_in_with(&mut alice, &page, &[("login", "alice"), ("acr", "high")]);
    assert_eq!(
        (page.answer.status, page.url.path()),
        (200, "/vault"),
        "{page:?}"
    );
    assert_eq!(alice.open("/vault").answer.status, 200);
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
fn two_tabs_are_two_logins_whatever_the_order() {
    for mode in ["query", "form_post"] {
        let site = Site::with(&json!({}), &json!({}), &[("response_mode", mode.into())]);
        let mut alice = site.visitor();
        let tabs = ["/first", "/second", "/third"].map(|path| {
            let page = go_to_provider(&mut alice, path, "op");
            (path, page)
        });
        for (path, tab) in tabs.iter().rev() {
            let page = site.provider.sign_in(&mut alice, tab, "alice");
            assert_eq!(
                (page.answer.status, page.url.path()),
                (200, *path),
                "{page:?}"
            );
        }
    }
}

#[test]
fn who_turns_back_at_the_provider_is_told_so_and_can_try_again() {
    let site = Site::new();
    let mut alice = site.visitor();
    let page = go_to_provider(&mut alice, "/page?x=1", "op");
    let abort = forms::links(&page.text())
        .into_iter()
        .find(|link| link.contains("abort"));
    let refused = alice.go(page.url.join(&abort.unwrap()).unwrap().as_str());
    site.expect_refused(&alice, &refused, "authorization-response");
    // The page that was wanted is not forgotten.
    let again = forms::links(&refused.text())
        .into_iter()
        .find(|link| link.contains("/.auth/login?rd="));
    let page = go_to_provider(&mut alice, &again.expect("a link to try again"), "op");
    let page = site.provider.sign_in(&mut alice, &page, "alice");
    site.expect_session(&alice, &page);
    assert_eq!(page.url.as_str(), site.url("/page?x=1"));
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

#[test]
fn what_the_login_is_asked_with_is_passed_on_where_the_operator_says_so() {
    let more = toml::Table::from_iter([
        ("kind".to_owned(), "staff".into()),
        ("ui_locales".to_owned(), from("ui_locales")),
        ("tenant".to_owned(), from("org")),
    ]);
    let keys = [("upstream_params", more.into())];
    let site = Site::with(&json!({}), &json!({}), &keys);
    let asked = |start: &str| {
        let mut alice = site.visitor();
        go_to_provider(&mut alice, start, "op");
        site.provider.calls("/auth").last().unwrap()["query"].clone()
    };
    // past the login page, by its button
    let passed = asked("/.auth/login?rd=/x&ui_locales=nb&org=acme%20%C3%A4&kind=x&prompt=none");
    assert_eq!(passed["ui_locales"], "nb", "{passed}");
    assert_eq!(passed["tenant"], "acme ä", "{passed}");
    assert_eq!(passed["kind"], "staff", "{passed}");
    assert!(
        passed.get("org").is_none() && passed.get("prompt").is_none(),
        "{passed}"
    );
    // at once
    let passed = asked("/.auth/login/op?ui_locales=nb");
    assert_eq!(passed["ui_locales"], "nb", "{passed}");
    assert!(passed.get("tenant").is_none(), "{passed}");
    // twice is not for us to choose, and what is long or no text is nobody's
    for query in [
        "org=a&org=b",
        "org=a%0Ab",
        &format!("org={}", "x".repeat(257)),
    ] {
        let passed = asked(&format!("/.auth/login/op?{query}"));
        assert!(passed.get("tenant").is_none(), "{query}: {passed}");
    }
}

/// A parameter that comes from the query of the login.
fn from(name: &str) -> toml::Value {
    toml::Table::from_iter([("from".to_owned(), name.into())]).into()
}
