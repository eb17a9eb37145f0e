//! A sidecar and a provider of WS-Federation that know each other.

use toml::{Table, Value as Toml};

use super::{
    Sidecar, Upstream, Visitor,
    federated::{app, callback, go_to_provider, visitor},
    forms::Form,
    route,
    visitor::Page,
};

/// An app behind a sidecar whose only connection is `idp`.
pub(crate) struct Site<P> {
    pub(crate) upstream: Upstream,
    pub(crate) sidecar: Sidecar,
    pub(crate) provider: P,
}

/// Where the people of a provider sign in.
pub(crate) trait Provider {
    /// Where its federation metadata are.
    fn metadata(&self) -> String;
    /// Signs somebody in at its page; the page with its answer.
    fn answer(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page;
    /// What it has written so far.
    fn wrote(&self) -> String;
}

impl<P: Provider> Site<P> {
    /// One whose provider is made by `provider`, given our realm and where answers come to, and
    /// whose connection has these keys besides its two lines.
    pub(crate) fn with(provider: impl FnOnce(&str, &str) -> P, keys: &[(&str, Toml)]) -> Self {
        let sidecar = app();
        let wreply = callback(&sidecar, "idp");
        let provider = provider(&wreply, &wreply);
        let lines = [
            ("strategy", "wsfed".to_owned()),
            ("metadata_url", provider.metadata()),
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
        let page = self.provider.answer(&mut somebody, &page, login);
        let page = somebody.carry_on(page);
        (somebody, page)
    }

    /// Somebody new who holds a session.
    #[track_caller]
    pub(crate) fn signed_in(&self, login: &str) -> Visitor {
        let (somebody, page) = self.sign_in("/", login);
        self.expect_session(&somebody, &page);
        somebody
    }

    /// The same, up to the provider's answer.
    #[track_caller]
    pub(crate) fn answer(&self, login: &str) -> (Visitor, Page, Form) {
        let mut somebody = visitor(&self.sidecar);
        let page = go_to_provider(&mut somebody, "/", "idp");
        let page = self.provider.answer(&mut somebody, &page, login);
        let form = page.form_with("wresult");
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
            self.provider.wrote(),
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
