//! The providers of the catalogue, each by the lines that an operator writes, against servers that
//! answer as the providers' documentation shows. Only where a provider is, the environment says.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{
    Browser, OpenIdProvider, Sidecar, Upstream, Visitor,
    federated::{APP, Site, app, callback, oidc, visitor},
    forms::links,
    openid_provider::{CLIENT, SECRET, client},
    presets::{Presets, connection, private_key},
    route,
    shapes::Shapes,
    sidecar::list,
    visitor::Page,
};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// The lines of a connection that has no more than a secret.
fn with_secret(strategy: &str) -> Vec<(&str, &str)> {
    vec![
        ("strategy", strategy),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ]
}

/// An app whose connections are those of the catalogue.
struct Known {
    presets: Presets,
    upstream: Upstream,
    sidecar: Sidecar,
}

impl Known {
    fn start() -> Self {
        Self::with(|sidecar, _| sidecar)
    }

    fn with(more: impl FnOnce(Sidecar, &Upstream) -> Sidecar) -> Self {
        let presets = Presets::start();
        let upstream = Upstream::start();
        let entra = format!("microsoft/{TENANT}/v2.0");
        let graph = format!("{}/graph/", presets.origin());
        let mut sidecar = app();
        for (name, keys, path) in [
            ("google", vec![], "google"),
            (
                "google_workspace",
                vec![("domain", "example.com")],
                "google",
            ),
            ("linkedin", vec![], "linkedin"),
            ("line", vec![], "line"),
            ("entra", vec![("tenant", TENANT)], entra.as_str()),
            ("microsoft", vec![], "microsoft/common/v2.0"),
            (
                "microsoft_",
                vec![("tenant", "consumers")],
                "microsoft/consumers/v2.0",
            ),
            ("idura", vec![("domain", "acme.criipto.id")], "idura"),
        ] {
            let strategy = name.trim_end_matches('_').replace('_', "-");
            let mut lines = with_secret(&strategy);
            lines.extend(keys);
            let name = name.replace("microsoft_", "personal").replace('_', "");
            sidecar = presets.connect(sidecar, &name, &lines, path);
        }
        let tenant_issuer = format!(
            "{{ before = \"{}/microsoft/\", after = \"/v2.0\" }}",
            presets.origin()
        );
        let sidecar = sidecar
            .set(
                "connections.idura.acr_values",
                list(&["urn:grn:authn:no:bankid"]),
            )
            .env(
                "VESTIBULE__CONNECTIONS__ENTRA__QUIRKS__GRAPH_ENDPOINT",
                &graph,
            )
            .env(
                "VESTIBULE__CONNECTIONS__MICROSOFT__QUIRKS__TENANT_ISSUER",
                &tenant_issuer,
            )
            .env(
                "VESTIBULE__CONNECTIONS__PERSONAL__QUIRKS__TENANT_ISSUER",
                &tenant_issuer,
            )
            .route(route("/").to(&upstream));
        let sidecar = more(sidecar, &upstream).start();
        Self {
            presets,
            upstream,
            sidecar,
        }
    }

    /// Somebody new who goes to a provider and comes back.
    fn go(&self, name: &str) -> (Visitor, Page) {
        let mut somebody = visitor(&self.sidecar);
        let page = somebody.go(&format!("/.auth/login/{name}?rd=/"));
        (somebody, page)
    }

    #[track_caller]
    fn signed_in(&self, name: &str) -> Visitor {
        let (somebody, page) = self.go(name);
        assert!(
            somebody.session().is_some(),
            "{name}: {} {:?}\n{}\n{}",
            page.url,
            page.answer,
            self.sidecar.log_about(name),
            self.presets.output()
        );
        somebody
    }

    #[track_caller]
    fn expect_refused(&self, name: &str, step: &str) {
        let before = self.refusals(name, step);
        let (somebody, page) = self.go(name);
        assert!(somebody.session().is_none(), "{name}: a session: {page:?}");
        assert!(page.answer.status >= 400, "{page:?}");
        let log = self.sidecar.log_about(name);
        assert_eq!(self.refusals(name, step), before + 1, "{step}?\n{log}");
    }

    fn refusals(&self, name: &str, step: &str) -> usize {
        let log = self.sidecar.log_about("login-failed");
        log.lines()
            .filter(|line| line.contains(name) && line.contains(step))
            .count()
    }
}

#[test]
fn each_provider_lets_people_in_by_what_the_catalogue_knows() {
    let known = Known::start();
    for (name, subject, person, address) in [
        (
            "google",
            "10769150350006150715113082367",
            "J Smith",
            Some("jsmith@example.com"),
        ),
        (
            "googleworkspace",
            "10769150350006150715113082367",
            "J Smith",
            Some("jsmith@example.com"),
        ),
        ("linkedin", "782bbtaQ", "John Doe", Some("doe@email.com")),
        // does not say that it was verified
        (
            "line",
            "U1234567890abcdef1234567890abcdef",
            "Taro Line",
            None,
        ),
        // says whatever an administrator has written
        (
            "entra",
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "Abe Lincoln",
            None,
        ),
        (
            "microsoft",
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "Abe Lincoln",
            None,
        ),
        (
            "personal",
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "Abe Lincoln",
            None,
        ),
        (
            "idura",
            "%7B6f2b9c0d-1111-2222-3333-444455556666%7D",
            "Ola Nordmann",
            None,
        ),
    ] {
        let mut somebody = known.signed_in(name);
        let me = somebody.me().unwrap();
        assert_eq!(me["user"]["id"], format!("{name}|{subject}"), "{me}");
        assert_eq!(me["user"]["profile"]["name"], person, "{me}");
        let seen = known.upstream.last();
        assert_eq!(seen.header("X-Forwarded-Email"), address, "{name}");
    }
    let asked = &known.presets.calls("/line/token")[0]["form"];
    assert_eq!(asked["id_token_key_type"], "JWK", "{asked}");
    let asked = &known.presets.calls("/idura/authorize")[0]["query"];
    assert_eq!(asked["acr_values"], "urn:grn:authn:no:bankid", "{asked}");
    assert_eq!(asked["scope"], "openid");
}

/// https://developers.google.com/identity/openid-connect/openid-connect#hd-param
#[test]
fn google_workspace_is_one_domain() {
    let known = Known::start();
    for domain in [
        json!("other.example"),
        json!("sub.example.com"),
        json!(["example.com"]),
        json!(null),
    ] {
        known.presets.claims("google", &json!({"hd": domain}));
        known.expect_refused("googleworkspace", "verify-id-token");
        known.signed_in("google");
    }
    known.presets.claims("google", &json!({}));
    known.signed_in("googleworkspace");
}

#[test]
fn a_nonce_that_linkedin_sends_all_the_same_must_be_right() {
    let known = Known::start();
    known
        .presets
        .claims("linkedin", &json!({"nonce": "another"}));
    known.expect_refused("linkedin", "verify-id-token");
    known.presets.claims("google", &json!({"nonce": null}));
    known.expect_refused("google", "verify-id-token");
}

/// https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-issuer
#[test]
fn microsoft_is_the_tenant_that_the_token_names() {
    let known = Known::start();
    let other = "00000000-1111-2222-3333-444444444444";
    let issuer = |tenant: &str| format!("{}/microsoft/{tenant}/v2.0", known.presets.origin());
    // another tenant comes in where every one may, and nowhere else
    let foreign = json!({"iss": issuer(other), "tid": other});
    known.presets.claims("microsoft", &foreign);
    known.signed_in("microsoft");
    known.expect_refused("entra", "verify-id-token");
    for claims in [
        json!({"tid": other}),
        json!({"tid": null}),
        json!({"tid": ["x"]}),
        json!({"iss": issuer("{tenantid}")}),
        json!({"iss": issuer("{tenantid}"), "tid": "{tenantid}"}),
        json!({"iss": issuer("../microsoft"), "tid": "../microsoft"}),
        json!({"iss": "https://evil.example/v2.0"}),
    ] {
        known.presets.claims("microsoft", &claims);
        known.expect_refused("microsoft", "verify-id-token");
    }
}

/// A logout in a frame says `iss` and `sid`, and no `tid` that would name the tenant.
/// https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc#single-sign-out
#[test]
fn microsoft_ends_a_session_in_a_frame_as_whichever_tenant() {
    let known = Known::start();
    let issuer = |tenant: &str| format!("{}/microsoft/{tenant}/v2.0", known.presets.origin());
    for (name, sid) in [("microsoft", "s-many"), ("entra", "s-one")] {
        known.presets.claims("microsoft", &json!({"sid": sid}));
        let mut somebody = known.signed_in(name);
        let frame = |iss: &str| {
            let page = format!("/.auth/frontchannel-logout/{name}?iss={iss}&sid={sid}");
            visitor(&known.sidecar).go(&page).answer.status
        };
        for iss in [
            issuer("x"),
            issuer("common"),
            issuer("%7Btenantid%7D"),
            format!("https://evil.example/{TENANT}/v2.0"),
        ] {
            assert_eq!(frame(&iss), 400, "{name} {iss}");
        }
        assert!(somebody.me().is_some());
        assert_eq!(frame(&issuer(TENANT)), 200, "{name}");
        assert!(somebody.me().is_none(), "{name}");
    }
}

/// https://learn.microsoft.com/en-us/security/zero-trust/develop/configure-tokens-group-claims-app-roles
#[test]
fn groups_that_do_not_fit_into_a_token_are_had_from_graph_or_not_at_all() {
    let known = Known::with(|sidecar, upstream| {
        let all_but = route("/all-but-z").to(upstream);
        sidecar
            .route(route("/d").to(upstream).allow(&["group:entra/group-d"]))
            .route(all_but.set("deny", list(&["group:entra/group-z"])))
    });
    let left_out = json!({
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x/getMemberObjects"}},
    });
    for (claims, pages, opens) in [
        (&left_out, "whole", true),
        (&json!({"hasgroups": true}), "whole", true),
        (&left_out, "broken", false),
        (&left_out, "elsewhere", false),
        (&left_out, "endless", false),
        // those of the token are no substitute
        (
            &json!({"hasgroups": true, "groups": ["group-d"]}),
            "broken",
            false,
        ),
        (&json!({"groups": ["group-d"]}), "broken", true),
    ] {
        known.presets.claims("microsoft", claims);
        known.presets.graph(pages);
        let mut somebody = known.signed_in("entra");
        let status = somebody.go("/d").answer.status;
        assert_eq!(status == 200, opens, "{claims} {pages}: {status}");
        let all_but = somebody.go("/all-but-z").answer.status;
        assert_eq!(status, all_but, "{claims} {pages}: who has group-z?");
        if !opens {
            assert_eq!(status, 403, "{claims} {pages}");
        }
    }
    let said = known.sidecar.log_about("groups of a person were not had");
    assert!(said.lines().count() >= 4, "{said}");
    // the token goes to Graph alone
    let calls = known.presets.calls("/microsoft.graph.group");
    let stray = |call: &Value| call["provider"] == "elsewhere";
    assert!(!calls.is_empty() && !calls.iter().any(stray), "{calls:?}");
}

#[test]
fn a_way_that_was_not_asked_for_is_refused_by_idura() {
    let known = Known::start();
    for acr in [json!("urn:grn:authn:se:bankid"), json!(null)] {
        let claims = json!({"authenticationtype": acr, "acr": "urn:grn:authn:no:bankid"});
        known.presets.claims("idura", &claims);
        known.expect_refused("idura", "verify-id-token");
    }
}

/// The lines of a connection to Apple. Its key is a file, whose name says the Key ID.
fn apple(presets: &Presets, sidecar: Sidecar, key: &str) -> Sidecar {
    let file = sidecar.path("AuthKey_KEY1234567.p8");
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let lines = [
        ("strategy", "apple"),
        ("client_id", CLIENT),
        ("team_id", "TEAM123456"),
    ];
    let key = toml::Table::from_iter([("file".to_owned(), file.display().to_string().into())]);
    let sidecar = presets.connect(sidecar, "apple", &lines, "apple");
    sidecar.set("connections.apple.private_key", key)
}

fn apple_app(key: Option<&str>) -> (Presets, Upstream, Sidecar) {
    let presets = Presets::start();
    let upstream = Upstream::start();
    let sidecar = apple(&presets, app(), key.unwrap_or(&presets.apple_key));
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    (presets, upstream, sidecar)
}

#[test]
fn apple_posts_from_its_own_site_and_says_the_name_once() {
    let (presets, upstream, sidecar) = apple_app(None);
    let page = format!("{}/page", sidecar.origin_of(APP));
    for login in 1..=2 {
        let browser = Browser::start();
        browser.goto(&page);
        if browser.url() != page {
            browser.click("a[href*='/login/apple']").arrives(&page);
        }
        let seen = upstream.last();
        let id = "apple|001999.0e4ad4b1f5d3.1234";
        assert_eq!(seen.header("X-Forwarded-User"), Some(id));
        let address = Some("abc@privaterelay.appleid.com");
        assert_eq!(seen.header("X-Forwarded-Email"), address);
        browser.goto(&format!("{}/.auth/me", sidecar.origin_of(APP)));
        let me = browser.text("body");
        assert!(me.contains("Ada Lovelace"), "login {login}: {me}");
    }
    let asked = &presets.calls("/apple/authorize")[0]["query"];
    assert_eq!(asked["response_mode"], "form_post", "{asked}");
    assert_eq!(asked["scope"], "openid name email", "{asked}");
}

#[test]
fn apple_refuses_a_secret_by_another_key() {
    let (presets, _upstream, sidecar) = apple_app(Some(&private_key()));
    let browser = Browser::start();
    browser.goto(&sidecar.origin_of(APP));
    browser
        .click("a[href*='/login/apple']")
        .shows("did not work");
    let log = sidecar.log_about("login-failed");
    assert!(log.contains("token-request"), "{log}\n{}", presets.output());
}

/// A person at a login page with as many ways in as people have.
#[test]
fn a_browser_goes_in_by_five_of_them_with_a_few_lines_each() {
    let (presets, shapes) = (Presets::start(), Shapes::start());
    let upstream = Upstream::start();
    let sidecar = app();
    let provider = OpenIdProvider::start(&[client(&callback(&sidecar, "acme"))]);
    let sidecar = oidc(sidecar, "acme", &provider.issuer());
    let sidecar = presets.connect(sidecar, "google", &with_secret("google"), "google");
    let mut entra = with_secret("entra");
    entra.push(("tenant", TENANT));
    let at = format!("microsoft/{TENANT}/v2.0");
    let sidecar = presets.connect(sidecar, "entra", &entra, &at);
    let sidecar = apple(&presets, sidecar, &presets.apple_key);
    let github = shapes.base("github");
    let profile = format!(
        "[{{ endpoint = \"{github}/user\", headers = {{ User-Agent = \"vestibule\" }} }}, \
         {{ endpoint = \"{github}/user/emails\", emails = {{}} }}]"
    );
    let base = "VESTIBULE__CONNECTIONS__GITHUB__PROVIDER__";
    let mut sidecar = connection(sidecar, "github", &with_secret("github"));
    for (key, value) in [
        (
            "AUTHORIZATION__ENDPOINT",
            format!("{github}/login/oauth/authorize"),
        ),
        (
            "TOKEN__ENDPOINT",
            format!("{github}/login/oauth/access_token"),
        ),
        ("PROFILE", profile),
    ] {
        sidecar = sidecar.env(&format!("{base}{key}"), &value);
    }
    let sidecar = sidecar.route(route("/").to(&upstream)).start();
    let page = format!("{}/page", sidecar.origin_of(APP));
    for (name, id) in [
        ("google", "google|10769150350006150715113082367"),
        ("github", "github|583231"),
        ("apple", "apple|001999.0e4ad4b1f5d3.1234"),
        ("entra", "entra|AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"),
        ("acme", "acme|alice"),
    ] {
        let browser = Browser::start();
        browser.goto(&page);
        for (width, height) in [(1280, 900), (360, 740)] {
            browser.screen(width, height);
            browser.screenshot(&format!("login-five-{width}"));
        }
        browser.click(&format!("a[href*='/login/{name}?']"));
        if name == "acme" {
            provider.sign_in_by_browser(&browser, "alice");
        }
        browser.arrives(&page);
        assert_eq!(upstream.last().header("X-Forwarded-User"), Some(id));
        let mut said = browser.console();
        said.retain(|line| line.contains("Content Security Policy"));
        assert!(said.is_empty(), "{said:#?}");
    }
}

/// What ID-porten demands, at the certified provider.
#[test]
fn id_porten_is_pushed_and_signed_for_by_its_four_lines() {
    let metadata = json!({
        "client_secret": null,
        "token_endpoint_auth_method": "private_key_jwt",
        "require_pushed_authorization_requests": true,
    });
    let settings = json!({"require_par": true, "acr_values": ["idporten-loa-substantial", "idporten-loa-high"]});
    let site = Site::with(&metadata, &settings, &[("strategy", "id-porten".into())]);
    let (alice, page) = site.sign_in("/", &[("login", "alice"), ("acr", "idporten-loa-high")]);
    site.expect_session(&alice, &page);
    let pushed = &site.provider.calls("/request")[0]["form"];
    assert!(pushed["client_assertion"].is_string(), "{pushed}");
    assert_eq!(pushed["scope"], "openid profile");
    let (bob, page) = site.sign_in("/", &[("login", "bob"), ("acr", "")]);
    site.expect_refused(&bob, &page, "verify-id-token");
}

#[test]
fn the_catalogue_says_what_to_register_and_to_write() {
    let upstream = Upstream::start();
    let sidecar = app().route(route("/").to(&upstream));
    sidecar.write();
    let listed = sidecar.cli_json(&["connections", "catalog", "--json"]);
    let all = listed.as_array().unwrap();
    assert!(all.len() >= 75, "{}", all.len());
    let gone: Vec<_> = all
        .iter()
        .filter(|one| one["status"] == "retired")
        .collect();
    assert!(!gone.is_empty() && gone.iter().all(|one| one["retired"].is_string()));
    let text = sidecar.cli_ok(&["connections", "catalog"]);
    for word in [
        "google",
        "Google",
        "social",
        "legal",
        "enterprise",
        "retired",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let porten = sidecar.cli_json(&["connections", "catalog", "id-porten", "--json"]);
    let ours = format!("{}/.auth", sidecar.origin_of(APP));
    assert_eq!(porten["redirect_uri"], format!("{ours}/callback/id-porten"));
    assert_eq!(porten["jwks_uri"], format!("{ours}/jwks/id-porten"));
    for (name, word) in [
        ("google", "issuer = \"https://accounts.google.com\""),
        ("google", "count if it says that they are verified"),
        ("entra", "trust_email is \"never\""),
        ("facebook", "does not say whether they are verified"),
        ("itsme", "decryption_keys = "),
        ("id-porten", "private_key_jwt"),
        ("keycloak", "/.auth/logout"),
        ("line", "Auth.js"),
        ("okta-saml", "/.auth/saml/okta-saml/metadata"),
        ("spid", "Note: Not met"),
    ] {
        let text = sidecar.cli_ok(&["connections", "catalog", name]);
        assert!(text.contains(word), "{word} in {text}");
    }
    let apple = sidecar.cli_ok(&["connections", "catalog", "apple"]);
    let register = format!("{ours}/callback/apple");
    for word in [
        register.as_str(),
        "private_key = ",
        "team_id = ",
        "https://developer.apple.com/",
    ] {
        assert!(apple.contains(word), "{word} in {apple}");
    }
    assert!(!apple.contains("client_secret"), "{apple}");
    let okta = sidecar.cli_ok(&["connections", "catalog", "okta-saml"]);
    assert!(!okta.contains("client_"), "{okta}");
    let gone = sidecar.cli_ok(&["connections", "catalog", "renren"]);
    assert!(gone.contains("cannot be used any more"), "{gone}");
    let unknown = sidecar.cli(&["connections", "catalog", "gogle"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn a_provider_that_is_gone_is_refused_with_the_reason() {
    let sidecar = connection(app(), "old", &with_secret("renren"));
    let said = String::from_utf8(sidecar.refused().stderr).unwrap();
    assert!(said.contains("Renren is gone: its platform"), "{said}");
}

/// The buttons have names, and no picture from elsewhere.
#[test]
fn a_button_has_the_name_of_its_provider() {
    let known = Known::start();
    let page = visitor(&known.sidecar).go("/");
    let text = page.text();
    for name in ["Google", "LinkedIn", "LINE", "Idura (Criipto Verify)"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert_eq!(
        links(&text)
            .iter()
            .filter(|link| link.contains("/.auth/login/"))
            .count(),
        8
    );
}
