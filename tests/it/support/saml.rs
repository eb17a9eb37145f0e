//! A sidecar and SimpleSAMLphp that know each other.

use std::{fs, process::Command};

use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use super::{
    Sidecar, Upstream, Visitor,
    federated::{app, assertion_consumer_service, go_to_provider, visitor},
    forms::Form,
    route,
    simplesamlphp::SimpleSamlPhp,
    visitor::Page,
};

/// An app behind a sidecar whose only connection is `idp`.
pub(crate) struct Site {
    pub(crate) upstream: Upstream,
    pub(crate) sidecar: Sidecar,
    pub(crate) provider: SimpleSamlPhp,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(&json!({}), &[], &[])
    }

    /// One whose provider knows it with `registered` over what everybody says (`ACS` and
    /// `SLO` in it are our addresses), and whose connection
    /// has these keys besides its two lines.
    pub(crate) fn with(
        registered: &Value,
        environment: &[(&str, &str)],
        keys: &[(&str, Toml)],
    ) -> Self {
        let sidecar = app();
        let acs = assertion_consumer_service(&sidecar, "idp");
        let entity_id = acs.replace("/acs", "/metadata");
        let slo = acs.replace("/acs", "/slo");
        let mut known = json!({
            "AssertionConsumerService": [{
                "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
                "Location": acs,
            }],
            "SingleLogoutService": [{
                "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
                "Location": "SLO",
            }],
            "metadata-set": "saml20-sp-remote",
        });
        for (name, value) in registered.as_object().unwrap() {
            known[name] = value.clone();
        }
        let known = known.to_string();
        let known = known.replace("\"SLO\"", &json!(slo).to_string());
        let known = known.replace("\"ACS\"", &json!(acs).to_string());
        let known: Value = serde_json::from_str(&known).unwrap();
        let provider = SimpleSamlPhp::with(&json!({ entity_id: known }), environment);
        let lines = [
            ("strategy", "saml".to_owned()),
            ("metadata_url", provider.entity_id()),
        ];
        let table: Table = lines
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Toml::from(value)))
            .collect();
        let mut sidecar = sidecar.set("connections.idp", Toml::Table(table));
        for (key, value) in keys {
            sidecar.change(&format!("connections.idp.{key}"), value.clone());
        }
        let upstream = Upstream::start();
        let sidecar = sidecar.route(route("/").to(&upstream)).start();
        Self {
            upstream,
            sidecar,
            provider,
        }
    }

    /// Somebody new, and where signing in at the provider led them.
    #[track_caller]
    pub(crate) fn sign_in(&self, path: &str, login: &str) -> (Visitor, Page) {
        let mut somebody = visitor(&self.sidecar);
        let page = go_to_provider(&mut somebody, path, "idp");
        let page = somebody.carry_on(page);
        let page = self.provider.sign_in(&mut somebody, &page, login);
        (somebody, page)
    }

    /// The `RelayState` of a login that somebody has just begun.
    pub(crate) fn relay_state(&self, visitor: &mut Visitor) -> String {
        let page = visitor.open("/.auth/login/idp?rd=/");
        let to: url::Url = page.answer.location().parse().unwrap();
        let mut pairs = to.query_pairs();
        let found = pairs.find(|(name, _)| name == "RelayState");
        found.unwrap().1.into_owned()
    }

    /// The same, up to the provider's answer.
    pub(crate) fn answer(&self, login: &str) -> (Visitor, Page, Form) {
        let mut somebody = visitor(&self.sidecar);
        let page = go_to_provider(&mut somebody, "/", "idp");
        let form = page.form_with("password");
        let form = form.fill("username", login).fill("password", login);
        let page = somebody.submit(&page, &form);
        let page = somebody.follow(page);
        let form = page.form_with("SAMLResponse");
        (somebody, page, form)
    }

    #[track_caller]
    pub(crate) fn expect_session(&self, visitor: &Visitor, page: &Page) {
        assert!(
            visitor.session().is_some(),
            "no session, but {} {:?}\n{}\n{}",
            page.url,
            page.answer,
            self.sidecar.log_about("idp"),
            self.provider.log(),
        );
    }

    #[track_caller]
    pub(crate) fn expect_refused(&self, visitor: &Visitor, page: &Page, why: &str) {
        assert!(visitor.session().is_none(), "{why}");
        assert!(page.answer.status >= 400, "{why}: {page:?}");
        let log = self.sidecar.log_about("idp");
        assert!(log.contains(why), "{why}: {log}");
    }
}

/// A key and its certificate, for the side of the application.
pub(crate) fn key_pair() -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=sp", "-keyout"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("crt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let certificate = fs::read_to_string(path("crt")).unwrap();
    let lines = certificate.lines().filter(|line| !line.contains("---"));
    (fs::read_to_string(path("key")).unwrap(), lines.collect())
}
