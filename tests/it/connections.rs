//! What an operator sees of connections: `check`, `show`, and `try`, a real login that ends in a report
//! and in no session.

use std::{
    cmp::Ordering,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    LyingProvider, PATIENCE, Upstream, Visitor, eventually,
    federated::{Site, app, oidc, visitor},
    openid_provider::CLIENT,
    route,
    sidecar::{binary, list},
    trial::{Trial, claims},
};

/// Each step, or each check at one, with its outcome.
fn outcomes(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    let steps = steps.iter();
    let name = |step: &Value| match &step["check"] {
        Value::Null => text(&step["step"]),
        check => format!("{}: {}", text(&step["step"]), text(check)),
    };
    steps
        .map(|step| (name(step), text(&step["outcome"])))
        .collect()
}

/// All checks of a login by OpenID Connect, in order.
const CHECKS: [&str; 23] = [
    "provider-metadata",
    "authorization-request",
    "pushed-request",
    "authorization-response",
    "token-request",
    "verify-id-token",
    "verify-id-token: keys",
    "verify-id-token: signature",
    "verify-id-token: typ",
    "verify-id-token: iss",
    "verify-id-token: sub",
    "verify-id-token: aud",
    "verify-id-token: azp",
    "verify-id-token: exp",
    "verify-id-token: iat",
    "verify-id-token: nbf",
    "verify-id-token: nonce",
    "verify-id-token: at_hash",
    "verify-id-token: auth_time",
    "verify-id-token: acr",
    "verify-id-token: hd",
    "userinfo-request",
    "identity",
];

/// Fails the test unless all checks up to this one passed, and none was made after it.
#[track_caller]
fn expect_failed_at(report: &Value, check: &str) {
    let outcomes = outcomes(report);
    let names: Vec<_> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, CHECKS);
    let at = CHECKS.iter().position(|name| *name == check).unwrap();
    for (index, (name, outcome)) in outcomes.iter().enumerate() {
        let expected = match index.cmp(&at) {
            Ordering::Less => "passed",
            Ordering::Equal => "failed",
            Ordering::Greater => "not_reached",
        };
        assert_eq!(outcome, expected, "{name}, not {check}: {report:#}");
    }
}

#[test]
fn a_trial_shows_what_the_provider_says_and_signs_nobody_in() {
    let site = Site::new();
    let trial = Trial::begin(&site.sidecar, "op");
    let mut alice = site.visitor();
    let page = alice.go(&trial.url);
    let page = site.provider.sign_in(&mut alice, &page, "alice");
    assert!(page.text().contains("It works"), "{page:?}");
    assert!(alice.session().is_none() && alice.flows().is_empty());
    let link = trial.url.clone();
    let (report, code) = trial.end();
    assert_eq!(code, Some(0));
    assert_eq!(report["said"]["subject"], "alice");
    assert_eq!(report["said"]["profile"]["email"], "alice@example.org");
    // Each answer as it came: what is about the token as well, and no answer over another.
    let said = claims(&report);
    let steps: Vec<_> = said.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, ["verify-id-token", "userinfo-request"]);
    let (of_the_token, of_userinfo) = (said[0].1, said[1].1);
    assert_eq!(of_the_token["iss"], site.provider.issuer());
    assert_eq!(of_the_token["aud"], CLIENT);
    for claim in ["sub", "exp", "iat", "nonce"] {
        assert!(!of_the_token[claim].is_null(), "{claim}: {report:#}");
    }
    assert_eq!(of_userinfo["family_name"], "alice");
    assert!(of_userinfo["nonce"].is_null(), "{report:#}");
    // They are for the operator alone, and a token is for nobody.
    assert!(!report.to_string().contains("eyJ"), "{report:#}");
    assert!(!site.sidecar.output().contains("family_name"));
    assert!(
        outcomes(&report)
            .iter()
            .all(|(_, outcome)| outcome == "passed")
    );
    let users = site.sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users, json!([]), "somebody was stored");
    // The link was good for one login.
    assert_eq!(site.visitor().go(&link).answer.status, 404);
    // What is kept of it for the operator is not for whoever reads the store.
    for file in std::fs::read_dir(site.sidecar.path("data")).unwrap() {
        let path = file.unwrap().path();
        let stored = std::fs::read(&path).unwrap_or_default();
        let stored = String::from_utf8_lossy(&stored);
        assert!(!stored.contains("alice@example.org"), "{path:?}");
    }
}

#[test]
fn the_first_login_by_a_link_is_the_one_that_is_reported() {
    let site = Site::new();
    let trial = Trial::begin(&site.sidecar, "op");
    let (mut alice, mut bob) = (site.visitor(), site.visitor());
    let (first, second) = (alice.go(&trial.url), bob.go(&trial.url));
    let page = site.provider.sign_in(&mut alice, &first, "alice");
    assert!(page.text().contains("It works"), "{page:?}");
    let page = site.provider.sign_in(&mut bob, &second, "bob");
    assert_eq!(page.answer.status, 404, "{page:?}");
    assert!(bob.session().is_none() && bob.flows().is_empty());
    let (report, code) = trial.end();
    assert_eq!(
        (&report["said"]["subject"], code),
        (&json!("alice"), Some(0))
    );
}

#[test]
fn a_trial_that_fails_says_at_which_check() {
    let keys = [("acr_values", list(&["high"]))];
    let site = Site::with(&json!({}), &json!({"acr": ["low", "high"]}), &keys);
    let trial = Trial::begin(&site.sidecar, "op");
    let mut alice = site.visitor();
    let page = alice.go(&trial.url);
    let fields = [("login", "alice"), ("acr", "low")];
    let page = site.provider.sign_in_with(&mut alice, &page, &fields);
    assert!(page.text().contains("does not work yet"), "{page:?}");
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "not as asked");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("acr is \"low\""), "{error}");
    expect_failed_at(&report, "verify-id-token: acr");
}

#[test]
fn an_operator_reads_what_was_checked_and_what_was_said() {
    let liar = LyingProvider::start();
    let upstream = Upstream::start();
    // The provider's words move no cursor.
    let claims = json!({"acr": "low", "amr": ["\u{1b}[31m"], "note": "\u{9b}31m"});
    liar.claims("honest", &claims);
    let sidecar = oidc(app(), "honest", &liar.issuer("honest"))
        .set("connections.honest.acr_values", list(&["high"]))
        .route(route("/").to(&upstream))
        .start();
    let mut command = Command::new(binary())
        .args(["connections", "try", "honest"])
        .current_dir(sidecar.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(command.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    let url = text.split_whitespace().last().unwrap();
    visitor(&sidecar).go(url);
    out.read_to_string(&mut text).unwrap();
    assert_eq!(command.wait().unwrap().code(), Some(1), "{text}");
    for line in [
        "ok      verify-id-token         there is an ID token",
        "ok        signature             by one of them",
        "FAILED    acr                   one of those that were asked for",
        "-         hd                    the domain",
        "-       userinfo-request        the userinfo answer",
        "It stopped: connection honest: denied at verify-id-token: acr is \"low\"",
        "What the provider said at verify-id-token:",
        "  \"sub\": \"alice\"",
    ] {
        let found = text.lines().any(|known| known.starts_with(line));
        assert!(found, "{line}\n{text}");
    }
    let moves = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(moves), "{text:?}");
}

#[test]
fn each_check_of_a_trial_has_a_line_of_its_own() {
    let liar = LyingProvider::start();
    let upstream = Upstream::start();
    let wrong = [
        ("discovery-500", "provider-metadata"),
        ("answer-code-twice", "authorization-response"),
        ("token-500", "token-request"),
        ("without-id-token", "verify-id-token"),
        ("jwks-500", "verify-id-token: keys"),
        ("invalid-sig-rs256", "verify-id-token: signature"),
        ("at-jwt-as-id-token", "verify-id-token: typ"),
        ("invalid-iss", "verify-id-token: iss"),
        ("missing-sub", "verify-id-token: sub"),
        ("invalid-aud", "verify-id-token: aud"),
        ("foreign-azp", "verify-id-token: azp"),
        ("expired", "verify-id-token: exp"),
        ("missing-iat", "verify-id-token: iat"),
        ("nbf-tomorrow", "verify-id-token: nbf"),
        ("nonce-invalid", "verify-id-token: nonce"),
        ("invalid-athash", "verify-id-token: at_hash"),
        ("aud-as-array", "verify-id-token: hd"),
        ("userinfo-invalid-sub", "userinfo-request"),
        ("userinfo-more-than-is-kept", "identity"),
    ];
    let sidecar = wrong.iter().fold(app(), |sidecar, (name, _)| {
        oidc(sidecar, name, &liar.issuer(name))
    });
    let sidecar = sidecar
        .set(
            "connections.aud-as-array.quirks.hosted_domain",
            "example.com",
        )
        .route(route("/").to(&upstream))
        .start();
    let trials = wrong.map(|(name, check)| {
        let trial = Trial::begin(&sidecar, name);
        let page = visitor(&sidecar).go(&trial.url);
        assert!(
            page.text().contains("does not work yet"),
            "{name}: {page:?}"
        );
        (trial, check)
    });
    for (trial, check) in trials {
        let (report, code) = trial.end();
        assert_eq!(code, Some(1), "not as asked");
        expect_failed_at(&report, check);
        // What was wrong can be seen, as far as the provider's signature vouches for it.
        let said = claims(&report);
        let at = CHECKS.iter().position(|name| *name == check).unwrap();
        let had = if at <= 7 { 0 } else { 1 + usize::from(at > 20) };
        assert_eq!(said.len(), had, "{check}: {report:#}");
        match check {
            "verify-id-token: iss" => assert_eq!(said[0].1["iss"], "http://other.localhost/"),
            "verify-id-token: aud" => assert_eq!(said[0].1["aud"], "another-client"),
            "userinfo-request" => assert_eq!(said[1].1["sub"], "admin"),
            _ => {}
        }
    }
}

#[test]
fn nobody_begins_a_trial_but_the_operator() {
    let site = Site::new();
    let mut mallory: Visitor = site.visitor();
    for token in ["", "x", &"A".repeat(43)] {
        let page = mallory.go(&format!("/.auth/login/op?trial={token}"));
        assert_eq!(page.answer.status, 404, "{token}");
    }
    assert!(site.provider.calls("/auth").is_empty());
}

#[test]
fn a_mistake_in_a_connection_is_found_without_a_store_and_with_its_line() {
    let mut site = Site::new();
    site.sidecar
        .change("connections.op.scopes", list(&["profile"]));
    site.sidecar.write();
    let text = std::fs::read_to_string(site.sidecar.path("config.toml")).unwrap();
    let line = text
        .lines()
        .position(|line| line.starts_with("scopes"))
        .unwrap()
        + 1;
    let said = site.sidecar.cli(&["check"]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains(&format!("config.toml:{line}:")), "{said}");
    assert!(said.contains("connections.op.scopes"), "{said}");
}

#[test]
fn check_online_asks_the_providers() {
    let mut site = Site::new();
    site.sidecar.cli_ok(&["check", "--online"]);
    assert!(!site.provider.calls("/jwks").is_empty());
    site.provider.stop();
    let said = site.sidecar.cli(&["check", "--online"]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    for word in [
        "connection op",
        "provider-metadata",
        "openid-configuration",
        "refused",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn show_tells_what_to_register_at_the_provider() {
    let site = Site::new();
    let shown = site
        .sidecar
        .cli_json(&["connections", "show", "op", "--json"]);
    for (field, page) in [
        ("redirect_uri", "callback/op"),
        ("post_logout_redirect_uri", "logout"),
        ("backchannel_logout_uri", "backchannel-logout/op"),
        ("frontchannel_logout_uri", "frontchannel-logout/op"),
        ("metadata", "jwks/op"),
    ] {
        assert_eq!(shown[field], site.url(&format!("/.auth/{page}")), "{field}");
    }
    let keys = site.visitor().go("/.auth/jwks/op").answer.text();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let all = keys["keys"].as_array().unwrap();
    let uses: Vec<_> = all.iter().map(|key| key["use"].as_str().unwrap()).collect();
    // The current and the next one of each.
    assert_eq!(uses, ["sig", "sig", "enc", "enc"]);
    assert!(all.iter().all(|key| key.get("d").is_none()), "{keys}");
}

#[test]
fn a_reload_forgets_nothing_about_a_connection_that_did_not_change() {
    let mut site = Site::new();
    site.signed_in("alice");
    let asked = |site: &Site| {
        let metadata = "/.well-known/openid-configuration";
        (
            site.provider.calls(metadata).len(),
            site.provider.calls("/jwks").len(),
        )
    };
    assert_eq!(asked(&site), (1, 1));
    site.sidecar.change("pages.title", "Something else");
    site.sidecar.write();
    site.sidecar.reload();
    site.signed_in("bob");
    assert_eq!(asked(&site), (1, 1));
    site.sidecar
        .change("connections.op.display_name", "Another name");
    site.sidecar.write();
    site.sidecar.reload();
    // A reload that was counted may have been the one before.
    let login = || site.visitor().go("/.auth/login").text();
    assert!(eventually(PATIENCE, || login().contains("Another name")));
    site.signed_in("carol");
    assert_eq!(asked(&site), (2, 2));
}
