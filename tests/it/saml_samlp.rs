//! Login by SAML 2.0 at npm's `samlp`: what SimpleSAMLphp cannot show, above all encryption by
//! AES-GCM.

use serde_json::{Value, json};

use crate::support::{
    Sidecar, Upstream, Visitor,
    browser::Browser,
    federated::{APP, app, assertion_consumer_service, go_to_provider, visitor},
    key_pair::KeyPair,
    route,
    samlp_wsfed::SamlpWsfed,
    sidecar::list,
    visitor::Page,
};

/// A sidecar whose only connection, of four lines, is `idp`.
struct Site {
    sidecar: Sidecar,
    provider: SamlpWsfed,
    _upstream: Upstream,
}

impl Site {
    /// One whose provider encrypts, with these settings of the library besides.
    fn encrypting(options: &Value) -> Self {
        let own = KeyPair::rsa();
        let sidecar = app();
        let acs = assertion_consumer_service(&sidecar, "idp");
        let known = json!({
            "acs": acs,
            "slo": acs.replace("/acs", "/slo"),
            "certificate": own.certificate,
            "encrypt": true,
            "options": options,
        });
        let entity_id = acs.replace("/acs", "/metadata");
        let provider = SamlpWsfed::with(json!({ "service_providers": { entity_id: known } }));
        let upstream = Upstream::start();
        let sidecar = sidecar
            .set("connections.idp.strategy", "saml")
            .set("connections.idp.metadata_url", provider.entity_id())
            .set("connections.idp.signing_key", own.key.clone())
            .set("connections.idp.decryption_keys", list(&[&own.key]))
            .route(route("/").to(&upstream))
            .start();
        Self {
            sidecar,
            provider,
            _upstream: upstream,
        }
    }

    #[track_caller]
    fn sign_in(&self, login: &str) -> (Visitor, Page) {
        let mut somebody = visitor(&self.sidecar);
        let page = go_to_provider(&mut somebody, "/wanted", "idp");
        let page = somebody.carry_on(page);
        let page = self.provider.sign_in(&mut somebody, &page, login);
        (somebody, page)
    }

    #[track_caller]
    fn signed_in(&self, login: &str) -> Visitor {
        let (somebody, page) = self.sign_in(login);
        assert!(
            somebody.session().is_some(),
            "{} {:?}\n{}\n{}",
            page.url,
            page.answer,
            self.sidecar.log_about("idp"),
            self.provider.output()
        );
        assert_eq!(page.url.path(), "/wanted");
        somebody
    }
}

#[test]
fn what_is_encrypted_by_aes_gcm_is_opened() {
    for algorithm in ["aes128-gcm", "aes256-gcm"] {
        let algorithm = format!("http://www.w3.org/2009/xmlenc11#{algorithm}");
        let options = json!({ "encryptionAlgorithm": algorithm });
        let site = Site::encrypting(&options);
        let mut alice = site.signed_in("alice");
        let me = alice.me().unwrap();
        assert_eq!(me["user"]["id"], "idp|alice", "{me}");
        assert_eq!(me["user"]["profile"]["family_name"], "alice");
    }
}

#[test]
fn in_chromium_with_four_lines_there_and_out_again() {
    let site = Site::encrypting(&json!({}));
    let browser = Browser::start();
    let url = format!("{}/page", site.sidecar.origin_of(APP));
    let login = format!("{}/.auth/login", site.sidecar.origin_of(APP));
    browser.goto(&url);
    browser.arrives(&login).click("a[href*='/login/idp']");
    site.provider.sign_in_by_browser(&browser, "alice");
    browser.arrives(&url);
    browser.goto(&format!(
        "{}/.auth/logout?rd=/bye",
        site.sidecar.origin_of(APP)
    ));
    browser.arrives(&login);
    assert!(browser.url().contains("bye"), "{}", browser.url());
}

#[test]
fn signing_out_ends_the_session_there_and_there_it_ends_ours() {
    let site = Site::encrypting(&json!({}));
    let mut alice = site.signed_in("alice");
    let page = alice.go("/.auth/logout?rd=/bye");
    let page = alice.carry_on(page);
    assert_eq!(
        page.url.path(),
        "/.auth/login",
        "{page:?}\n{}\n{}",
        site.sidecar.log(),
        site.provider.output()
    );
    assert!(alice.me().is_none());
    let page = go_to_provider(&mut alice, "/", "idp");
    page.form_with("login");
    // and by its word
    let mut bob = site.signed_in("bob");
    let page = bob.go(&format!("{}/slo", site.provider.origin()));
    let page = bob.carry_on(page);
    assert!(
        bob.me().is_none(),
        "{page:?}\n{}\n{}",
        site.sidecar.log(),
        site.provider.output()
    );
}

/// The library makes the audience the destination, unless it is told otherwise: a provider that
/// sends its answers elsewhere.
#[test]
fn an_answer_for_another_address_is_refused() {
    for (option, why) in [("destination", "Destination"), ("recipient", "Recipient")] {
        let site = Site::encrypting(&json!({ option: "https://elsewhere.example/acs" }));
        let (alice, page) = site.sign_in("alice");
        assert!(alice.session().is_none());
        assert_eq!(page.answer.status, 502, "{page:?}");
        let log = site.sidecar.log();
        assert!(log.contains(why), "{why}: {log}");
    }
}
