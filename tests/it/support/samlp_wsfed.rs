//! An identity provider made of npm's `samlp` and `wsfed`, as `tests/servers/samlp-wsfed.mjs` starts
//! it: any login name works.

use serde_json::Value;

use super::{
    browser::Browser,
    key_pair::KeyPair,
    servers::Server,
    visitor::{Page, Visitor},
};

/// A running one. What its settings may say stands at the head of the script.
#[derive(Debug)]
pub(crate) struct SamlpWsfed {
    server: Server,
}

impl SamlpWsfed {
    pub(crate) fn with(mut settings: Value) -> Self {
        let signing = KeyPair::rsa();
        settings["key"] = signing.key.into();
        settings["certificate"] = signing.certificate.into();
        Self {
            server: Server::node("samlp-wsfed", settings),
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://idp.localhost:{}", self.server.port)
    }

    /// Its entity ID in SAML, and where its metadata are.
    pub(crate) fn entity_id(&self) -> String {
        format!("{}/metadata", self.origin())
    }

    /// Where its metadata for WS-Federation are.
    pub(crate) fn federation_metadata(&self) -> String {
        let path = "wsfed/FederationMetadata/2007-06/FederationMetadata.xml";
        format!("{}/{path}", self.origin())
    }

    /// The query of every request for a token by WS-Federation.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.server.ask("/admin/seen").as_array().unwrap().clone()
    }

    /// Signs somebody in at its page; where that led.
    #[track_caller]
    pub(crate) fn sign_in(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        let page = self.answer(visitor, page, login);
        visitor.carry_on(page)
    }

    /// The same, up to the page with its answer.
    #[track_caller]
    pub(crate) fn answer(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        let form = page.form_with("login").fill("login", login);
        let page = visitor.submit(page, &form);
        visitor.follow(page)
    }

    /// Signs somebody in at its page in Chromium.
    pub(crate) fn sign_in_by_browser(&self, browser: &Browser, login: &str) {
        browser.arrives(&self.origin());
        browser.fill("input[name=login]", login).click("button");
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.server.output()
    }
}
