//! Login by SAML 2.0, at SimpleSAMLphp.

use std::{fs, process::Command};

use serde_json::json;
use toml::Value as Toml;

use crate::support::{
    Visitor,
    browser::Browser,
    federated::{APP, assertion_consumer_service, go_to_provider, visitor},
    route,
    saml::{Site, key_pair},
    sidecar::list,
    tls::Authority,
    visitor::Page,
};

#[test]
fn somebody_signs_in_at_the_page_that_was_wanted() {
    let site = Site::new();
    let (mut alice, page) = site.sign_in("/wanted?x=1", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(page.url.path(), "/wanted");
    let me = alice.me().unwrap();
    let profile = &me["user"]["profile"];
    assert_eq!(profile["name"], "Alice Ängström", "{me}");
    assert_eq!(profile["family_name"], "Ängström");
    // nobody has said that it is hers
    assert_eq!(profile["email_verified"], false);
    // SimpleSAMLphp's own session lasts eight hours, and ours would last a week
    let ends = me["session"]["expires_at"].as_str().unwrap();
    assert!(ends < in_hours(9).as_str(), "{me}");
    let first = me["user"]["id"].clone();
    let (mut again, page) = site.sign_in("/", "alice");
    site.expect_session(&again, &page);
    assert_eq!(again.me().unwrap()["user"]["id"], first);
    let (mut bob, page) = site.sign_in("/", "bob");
    site.expect_session(&bob, &page);
    assert_ne!(bob.me().unwrap()["user"]["id"], first);
    let seen = site.upstream.last();
    assert!(!seen.everything().contains("SAMLResponse"));
}

/// A time as pages write it.
fn in_hours(hours: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(hours * 3600);
    let made = Command::new("date")
        .args(["-u", "-Iseconds", "-d"])
        .arg(format!(
            "@{}",
            at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        ))
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap()
}

#[test]
fn groups_open_and_close_pages_also_one_alone() {
    let site = Site::new();
    let staff = route("/staff").to(&site.upstream).allow(&["group:staff"]);
    let guests = route("/guests").to(&site.upstream).allow(&["group:guests"]);
    let mut sidecar = site.sidecar.route(staff).route(guests);
    sidecar.write();
    sidecar.reload();
    let site = Site { sidecar, ..site };
    let (mut alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(alice.go("/staff").answer.status, 200);
    assert_eq!(alice.go("/guests").answer.status, 403);
    let (mut bob, _) = site.sign_in("/", "bob");
    assert_eq!(bob.go("/guests").answer.status, 200);
    assert_eq!(bob.go("/staff").answer.status, 403);
}

#[test]
fn in_chromium_with_two_lines() {
    let site = Site::new();
    let browser = Browser::start();
    let url = format!("{}/page", site.sidecar.origin_of(APP));
    browser.goto(&url);
    browser
        .arrives(&format!("{}/.auth/login", site.sidecar.origin_of(APP)))
        .click("a[href*='/login/idp']");
    site.provider.sign_in_by_browser(&browser, "alice");
    browser.arrives(&url);
}

#[test]
fn requests_are_signed_where_the_provider_wants_that() {
    let (key, certificate) = key_pair();
    let registered = json!({
        "validate.authnrequest": true,
        "certData": certificate,
    });
    let site = Site::with(&registered, &[], &[("signing_key", key.into())]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    // by another key, and not at all
    let (other, _) = key_pair();
    for keys in [vec![("signing_key", other.into())], vec![]] {
        let site = Site::with(&registered, &[], &keys);
        let mut alice = visitor(&site.sidecar);
        let page = go_to_provider(&mut alice, "/", "idp");
        assert!(
            page.forms().iter().all(|form| !form.has("password")),
            "{page:?}"
        );
    }
}

#[test]
fn what_is_encrypted_is_opened_and_by_a_weak_cipher_only_where_that_is_said() {
    let (key, certificate) = key_pair();
    let registered = json!({ "assertion.encryption": true, "certData": certificate });
    let keys = [
        ("decryption_keys", list(&[&key])),
        ("danger_cbc", true.into()),
    ];
    let site = Site::with(&registered, &[], &keys);
    let (mut alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(
        alice.me().unwrap()["user"]["profile"]["given_name"],
        "Alice"
    );
    // SimpleSAMLphp encrypts by AES-CBC
    let site = Site::with(&registered, &[], &keys[..1]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "it does not open");
    let (other, _) = key_pair();
    let keys = [
        ("decryption_keys", list(&[&other])),
        ("danger_cbc", true.into()),
    ];
    let site = Site::with(&registered, &[], &keys);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "it does not open");
}

#[test]
fn a_name_for_one_login_is_nobody() {
    let transient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
    let format = ("name_id_format", Toml::from(transient));
    let site = Site::with(&json!({}), &[], std::slice::from_ref(&format));
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_refused(&alice, &page, "set user_id_attribute");
    let keys = [format, ("user_id_attribute", "uid".into())];
    let site = Site::with(&json!({}), &[], &keys);
    let (mut alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(alice.me().unwrap()["user"]["id"], "idp|alice");
}

#[test]
fn an_answer_is_for_one_login_in_one_browser() {
    let site = Site::new();
    let (mut alice, page, answer) = site.answer("alice");
    // in another browser, that has begun a login of its own
    let (mut mallory, _, own) = site.answer("bob");
    let swapped = answer
        .clone()
        .fill("RelayState", own.value("RelayState").unwrap());
    let refused = mallory.submit(&page, &swapped);
    let refused = mallory.carry_on(refused);
    site.expect_refused(&mallory, &refused, "no answer to the request of this login");
    // in one that has begun none
    let mut stranger = visitor(&site.sidecar);
    let refused = stranger.submit(&page, &answer);
    stranger.carry_on(refused);
    assert!(stranger.session().is_none());
    // forged on the way
    let (mut eve, page_of_eve, own) = site.answer("alice");
    let text = openssl::base64::decode_block(own.value("SAMLResponse").unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(">alice@example.org<"), "{text}");
    let forged = text.replace(">alice@example.org<", ">admin@example.org<");
    let forged = openssl::base64::encode_block(forged.as_bytes());
    let before = eve.clone();
    let refused = eve.submit(&page_of_eve, &own.clone().fill("SAMLResponse", &forged));
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
fn metadata_are_pinned_where_a_certificate_is_named() {
    let site = Site::new();
    let pinned = site.sidecar.path("pinned.pem");
    for (sign, signer, good) in [
        ("1", "its own", true),
        ("1", "another", false),
        ("", "its own", false),
    ] {
        let mut site = Site::with(&json!({}), &[("SAML_SIGN_METADATA", sign)], &[]);
        let certificate = if signer == "another" {
            key_pair().1
        } else {
            site.provider.certificate()
        };
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
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
        assert_eq!(
            there,
            good,
            "{sign:?} {signer}: {}",
            site.sidecar.log_about("idp")
        );
    }
}

#[test]
fn what_it_says_of_itself_is_at_its_own_address() {
    let (key, _) = key_pair();
    let keys = [
        ("signing_key", key.clone().into()),
        ("decryption_keys", list(&[&key])),
        ("signed", "both".into()),
    ];
    let site = Site::with(&json!({}), &[], &keys);
    let mut somebody = visitor(&site.sidecar);
    let page = somebody.open("/.auth/saml/idp/metadata");
    assert_eq!(page.answer.status, 200);
    let media_type = page.answer.header("content-type");
    assert_eq!(media_type, Some("application/samlmetadata+xml"));
    let text = page.text();
    let acs = assertion_consumer_service(&site.sidecar, "idp");
    for part in [
        format!("entityID=\"{}\"", acs.replace("/acs", "/metadata")),
        format!("Location=\"{acs}\""),
        "AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\"".to_owned(),
        "use=\"signing\"".to_owned(),
        "use=\"encryption\"".to_owned(),
        "xmlenc11#aes256-gcm".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    assert!(!text.contains("PRIVATE"));
    // the same each time
    assert_eq!(somebody.open("/.auth/saml/idp/metadata").text(), text);
    assert_eq!(
        somebody.open("/.auth/saml/nobody/metadata").answer.status,
        404
    );
}

/// A login that begins at the provider.
fn begun_there(site: &Site, visitor: &mut Visitor, relay_state: &str) -> Page {
    let entity_id = assertion_consumer_service(&site.sidecar, "idp").replace("/acs", "/metadata");
    let url = format!(
        "{}/saml2/idp/SSOService.php?spentityid={entity_id}&RelayState={relay_state}",
        site.provider.origin()
    );
    let page = visitor.go(&url);
    let page = site.provider.sign_in(visitor, &page, "alice");
    visitor.carry_on(page)
}

#[test]
fn a_login_that_begins_at_the_provider_waits_for_the_person_and_is_off_by_default() {
    let site = Site::new();
    let mut alice = visitor(&site.sidecar);
    let page = begun_there(&site, &mut alice, "/wanted");
    assert!(alice.session().is_none());
    assert!(
        site.sidecar.log().contains("nobody asked for this answer"),
        "{page:?}"
    );
    let site = Site::with(&json!({}), &[], &[("idp_initiated", true.into())]);
    let mut alice = visitor(&site.sidecar);
    let page = begun_there(&site, &mut alice, "/wanted");
    assert!(alice.session().is_none(), "another site may have begun it");
    assert!(page.text().contains("alice@example.org"), "{}", page.text());
    let form = page.form_with("SAMLResponse");
    // which cannot say that the person agreed
    let mut elsewhere = visitor(&site.sidecar);
    let evil = Page {
        url: site.provider.origin().parse().unwrap(),
        answer: page.answer.clone(),
    };
    let mut forged = form.clone();
    forged.action = page.url.join(&form.action).unwrap().to_string();
    let asked = elsewhere.submit(&evil, &forged);
    assert_eq!(asked.answer.status, 200, "{asked:?}");
    assert!(elsewhere.session().is_none());
    let home = alice.submit(&page, &form);
    let home = alice.follow(home);
    site.expect_session(&alice, &home);
    assert_eq!(home.url.path(), "/wanted");
    // and once
    let mut again = visitor(&site.sidecar);
    again.submit(&page, &form);
    assert!(again.session().is_none(), "an answer is good once");
}

#[test]
fn an_address_elsewhere_is_no_place_to_begin_at() {
    let site = Site::with(&json!({}), &[], &[("idp_initiated", true.into())]);
    for evil in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let mut alice = visitor(&site.sidecar);
        let page = begun_there(&site, &mut alice, evil);
        let form = page.form_with("SAMLResponse");
        let home = alice.submit(&page, &form);
        let home = alice.follow(home);
        site.expect_session(&alice, &home);
        assert_eq!(home.url.host_str(), Some(APP), "{evil}");
        assert_eq!(home.url.path(), "/", "{evil}");
    }
}

#[test]
fn a_response_can_be_fetched_for_an_artifact() {
    let (key, certificate) = key_pair();
    let registered = json!({
        "certData": certificate,
        "AssertionConsumerService": [{
            "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact",
            "Location": "ACS",
        }],
    });
    let there = json!({ "saml20.sendartifact": true }).to_string();
    let environment = [("SAML_IDENTITY_PROVIDER", there.as_str())];
    let keys = [
        ("signing_key", Toml::from(key)),
        ("response_binding", "artifact".into()),
    ];
    let site = Site::with(&registered, &environment, &keys);
    let (mut alice, page) = site.sign_in("/wanted", "alice");
    site.expect_session(&alice, &page);
    assert_eq!(page.url.path(), "/wanted");
    assert_eq!(
        alice.me().unwrap()["user"]["profile"]["given_name"],
        "Alice"
    );
    // one of another provider, and one that nobody made
    for artifact in [
        "AAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAA",
    ] {
        let mut bob = visitor(&site.sidecar);
        let state = site.relay_state(&mut bob);
        let url = format!(
            "{}?SAMLart={}&RelayState={state}",
            assertion_consumer_service(&site.sidecar, "idp"),
            artifact.replace('=', "%3D"),
        );
        let page = bob.go(&url);
        assert!(page.answer.status >= 400, "{page:?}");
        assert!(bob.session().is_none());
    }
}

#[test]
fn requests_go_by_a_form_where_the_provider_wants_that_and_signed() {
    let (key, certificate) = key_pair();
    let registered = json!({ "validate.authnrequest": true, "certData": certificate });
    let there = json!({
        "SingleSignOnServiceBinding": ["urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"],
    });
    let there = there.to_string();
    let environment = [("SAML_IDENTITY_PROVIDER", there.as_str())];
    let site = Site::with(&registered, &environment, &[("signing_key", key.into())]);
    let (alice, page) = site.sign_in("/", "alice");
    site.expect_session(&alice, &page);
    let browser = Browser::start();
    let url = format!("{}/page", site.sidecar.origin_of(APP));
    browser.goto(&url);
    browser
        .arrives(&format!("{}/.auth/login", site.sidecar.origin_of(APP)))
        .click("a[href*='/login/idp']");
    site.provider.sign_in_by_browser(&browser, "alice");
    browser.arrives(&url);
    let (other, _) = key_pair();
    let site = Site::with(&registered, &environment, &[("signing_key", other.into())]);
    let mut alice = visitor(&site.sidecar);
    let page = go_to_provider(&mut alice, "/", "idp");
    let page = alice.carry_on(page);
    assert!(page.forms().iter().all(|form| !form.has("password")));
}

/// The artifact is resolved over TLS, and who asks shows a certificate (bindings section 3.2.3.2).
#[test]
fn an_artifact_is_resolved_by_who_has_the_certificate() {
    let (authority, others) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let there = json!({ "saml20.sendartifact": true }).to_string();
    let environment = [("SAML_IDENTITY_PROVIDER", there.as_str())];
    let registered = json!({
        "AssertionConsumerService": [{
            "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact",
            "Location": "ACS",
        }],
    });
    for (own, gets_in) in [(&authority, true), (&others, false)] {
        let keys = [("response_binding", "artifact".into())];
        let mut site = Site::with(&registered, &environment, &keys);
        let leaf = authority.leaf(dir.path(), &["idp.localhost"]);
        let front = authority.front(&leaf, site.provider.port());
        let mut operator = site.sidecar.visitor();
        let metadata = operator.open(&site.provider.entity_id()).text();
        let path = "/saml2/idp/ArtifactResolutionService.php";
        let plain = format!("{}{path}", site.provider.origin());
        assert!(metadata.contains(&plain), "{metadata}");
        let metadata = metadata.replace(&plain, &format!("https://idp.localhost:{front}{path}"));
        let file = site.sidecar.path("idp.xml");
        fs::write(&file, metadata).unwrap();
        let client = own.leaf(dir.path(), &["sp.localhost"]);
        let key = fs::read_to_string(&client.key_file).unwrap();
        site.sidecar = site.sidecar.without("connections.idp.metadata_url");
        for (name, value) in [
            ("metadata", file.display().to_string()),
            ("ca", authority.file(dir.path()).display().to_string()),
            ("client_certificate", client.cert_file.display().to_string()),
            ("client_certificate_key", key),
        ] {
            site.sidecar
                .change(&format!("connections.idp.{name}"), value);
        }
        site.sidecar.write();
        site.sidecar.cli_ok(&["connections", "adopt", "idp"]);
        site.sidecar.restart();
        let (alice, page) = site.sign_in("/", "alice");
        if gets_in {
            site.expect_session(&alice, &page);
        } else {
            site.expect_refused(&alice, &page, "resolve-artifact");
        }
    }
}

#[test]
fn nobody_is_asked_where_the_provider_must_not_ask() {
    let site = Site::with(&json!({}), &[], &[("is_passive", true.into())]);
    // who is not signed in there is not signed in here
    let mut alice = visitor(&site.sidecar);
    let page = go_to_provider(&mut alice, "/", "idp");
    let page = alice.carry_on(page);
    site.expect_refused(&alice, &page, "NoPassive");
    // and who is, is: a login that began there leaves them signed in
    let entity_id = assertion_consumer_service(&site.sidecar, "idp").replace("/acs", "/metadata");
    let there = format!(
        "{}/saml2/idp/SSOService.php?spentityid={entity_id}",
        site.provider.origin()
    );
    let page = alice.go(&there);
    let form = page.form_with("password");
    let form = form.fill("username", "alice").fill("password", "alice");
    let page = alice.submit(&page, &form);
    alice.follow(page);
    let page = go_to_provider(&mut alice, "/", "idp");
    let page = alice.carry_on(page);
    site.expect_session(&alice, &page);
}

#[test]
fn an_answer_comes_to_its_own_address_alone() {
    let site = Site::new();
    let (mut alice, page, answer) = site.answer("alice");
    let mut elsewhere = answer.clone();
    elsewhere.action = answer.action.replace("/saml/idp/acs", "/callback/idp");
    assert_ne!(elsewhere.action, answer.action);
    let refused = alice.submit(&page, &elsewhere);
    assert_eq!(refused.answer.status, 404, "{refused:?}");
    assert!(alice.session().is_none());
    let home = alice.submit(&page, &answer);
    let home = alice.carry_on(home);
    site.expect_session(&alice, &home);
}
