//! What the operator of a connection by SAML 2.0 sees of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    saml::Site,
    trial::{Trial, claims},
};

fn certificates(site: &Site) -> Vec<Value> {
    let shown = site
        .sidecar
        .cli_json(&["connections", "show", "idp", "--json"]);
    shown["provider_certificates"].as_array().unwrap().clone()
}

/// The provider says ahead which key will sign, then signs by it, and at last knows no other.
#[test]
fn a_rollover_of_the_providers_key_keeps_nobody_out() {
    let site = Site::with(&json!({}), &[], &[("metadata_refresh", "10s".into())]);
    let get_in = |site: &Site| {
        let (alice, page) = site.sign_in("/", "alice");
        site.expect_session(&alice, &page);
    };
    let until_known = |count: usize| {
        let begun = Instant::now();
        while certificates(&site).len() != count {
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "{}",
                site.sidecar.log()
            );
            get_in(&site);
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    get_in(&site);
    assert_eq!(certificates(&site).len(), 1);
    site.provider.make_key("new");
    let both = json!({ "new_privatekey": "new.key", "new_certificate": "new.crt" });
    site.provider.change(&both);
    until_known(2);
    let new = json!({ "privatekey": "new.key", "certificate": "new.crt" });
    site.provider.change(&new);
    // before anybody has read that
    get_in(&site);
    until_known(1);
    get_in(&site);
    // who has not kept up is out
    let old = json!({ "privatekey": "idp.key", "certificate": "idp.crt" });
    site.provider.change(&old);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "the signature is wrong");
}

#[test]
fn what_is_known_of_both_sides_is_shown() {
    let site = Site::new();
    let shown = site.sidecar.cli_ok(&["connections", "show", "idp"]);
    for part in [
        "/.auth/saml/idp/metadata",
        "/.auth/saml/idp/acs",
        "/.auth/saml/idp/slo",
        &site.provider.entity_id(),
        "/saml2/idp/SSOService.php",
        "CN=idp (SHA-256 ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn what_ends_soon_is_told_and_counted() {
    let site = Site::new();
    // a test's certificate is good for two days
    assert_eventually!(
        site.sidecar
            .log()
            .contains("what a connection needs ends soon"),
        "{}",
        site.sidecar.log()
    );
    let line =
        "vestibule_connection_expiry_timestamp_seconds{connection=\"idp\",what=\"certificate\"}";
    let at = site.sidecar.metric(line);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let left = at - now.as_secs_f64();
    assert!((1.9 * 86_400.0..2.1 * 86_400.0).contains(&left), "{left}");
}

#[test]
fn a_trial_shows_each_check_and_what_the_provider_said() {
    let site = Site::new();
    let trial = Trial::begin(&site.sidecar, "idp");
    let mut operator = site.sidecar.visitor();
    let page = operator.go(&trial.url);
    site.provider.sign_in(&mut operator, &page, "alice");
    let (report, code) = trial.end();
    assert_eq!(code, Some(0), "{report}");
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.len() > 20, "{report}");
    assert!(
        steps.iter().all(|step| step["outcome"] == "passed"),
        "{report}"
    );
    let claims = claims(&report);
    let (_, response) = claims[0];
    assert!(
        response["response"]
            .as_str()
            .unwrap()
            .contains("<saml:Assertion")
    );
    let (_, said) = claims[1];
    assert_eq!(said["attributes"]["mail"], "alice@example.org", "{said}");
    assert!(operator.session().is_none());
    // and which one failed
    let site = Site::with(
        &json!({}),
        &[],
        &[(
            "authn_contexts",
            crate::support::sidecar::list(&["urn:example:better"]),
        )],
    );
    let trial = Trial::begin(&site.sidecar, "idp");
    let mut operator = site.sidecar.visitor();
    let page = operator.go(&trial.url);
    site.provider.sign_in(&mut operator, &page, "alice");
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "{report}");
    let steps = report["steps"].as_array().unwrap();
    let failed: Vec<_> = steps
        .iter()
        .filter(|step| step["outcome"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{report}");
    let reached = failed[0]["check"].as_str().unwrap();
    assert!(["status", "authn-context"].contains(&reached), "{report}");
}
