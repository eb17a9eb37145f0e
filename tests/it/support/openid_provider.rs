//! The certified OpenID Provider of npm's `oidc-provider`, as `tests/servers/openid-provider.mjs`
//! starts it: its issuer is `http://idp.localhost:PORT`, any login name works.

use serde_json::{Value, json};

use super::{
    browser::Browser,
    servers::Server,
    tls::{Authority, Leaf},
    visitor::{Page, Visitor},
};

/// A running provider. What its settings may say stands at the head of the script.
#[derive(Debug)]
pub(crate) struct OpenIdProvider {
    server: Server,
}

impl OpenIdProvider {
    /// One that knows these clients and is otherwise as it comes.
    pub(crate) fn start(clients: &[Value]) -> Self {
        Self::with(json!({"clients": clients}))
    }

    pub(crate) fn with(settings: Value) -> Self {
        let server = Server::node("openid-provider", settings);
        Self { server }
    }

    /// One that also listens at `tls_port`, where it asks for certificates of `authority`.
    pub(crate) fn with_tls(
        mut settings: Value,
        authority: &Authority,
        leaf: &Leaf,
        tls_port: u16,
    ) -> Self {
        let pem = |bytes: Result<Vec<u8>, _>| String::from_utf8(bytes.unwrap()).unwrap();
        settings["tls"] = json!({
            "port": tls_port,
            "key": pem(leaf.key.private_key_to_pem_pkcs8()),
            "cert": pem(leaf.certificate.to_pem()),
            "ca": pem(authority.certificate().to_pem()),
        });
        Self::with(settings)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://idp.localhost:{}", self.server.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// What it has written so far: each request that it refused, and why.
    pub(crate) fn output(&self) -> String {
        self.server.output()
    }

    /// Signs in at its login page with the `acr` that was asked for first, if any; where that ended.
    #[track_caller]
    pub(crate) fn sign_in(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        self.sign_in_with(visitor, page, &[("login", login)])
    }

    /// The same with other fields of its form: `acr`, `amr`.
    #[track_caller]
    pub(crate) fn sign_in_with(
        &self,
        visitor: &mut Visitor,
        page: &Page,
        fields: &[(&str, &str)],
    ) -> Page {
        assert!(
            page.url.as_str().starts_with(&self.issuer()),
            "not at the provider, but at {}: {:?}\n{}",
            page.url,
            page.answer,
            self.output()
        );
        let mut form = page.form_with("login");
        for (field, value) in fields {
            form = form.fill(field, value);
        }
        let answer = visitor.submit(page, &form);
        visitor.carry_on(answer)
    }

    /// Signs in at its login page in Chromium.
    #[track_caller]
    pub(crate) fn sign_in_by_browser(&self, browser: &Browser, login: &str) {
        browser.arrives(&self.issuer());
        browser.fill("input[name=login]", login).click("button");
    }

    /// Signs with new keys from now on; with `keep` the JWKS has the old ones too.
    pub(crate) fn rotate_keys(&self, keep: bool) {
        self.server.tell("/admin/rotate", &json!({"keep": keep}));
    }

    /// Says something else of an account from now on; `{"disabled": true}` takes it away.
    pub(crate) fn change_account(&self, id: &str, claims: &Value) {
        self.server
            .tell("/admin/account", &json!({"id": id, "claims": claims}));
    }

    /// Every request to this path: `query`, `form`, `scheme` of its authorization, `dpop`,
    /// `certificate`.
    pub(crate) fn calls(&self, path: &str) -> Vec<Value> {
        let all = self.server.ask("/admin/calls");
        let all = all.as_array().unwrap().clone();
        all.into_iter()
            .filter(|call| call["path"] == path)
            .collect()
    }

    /// What became of its back-channel logouts, as `{"logout": "done" | "failed", …}`.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.server.ask("/admin/events").as_array().unwrap().clone()
    }
}

/// A client that authenticates with a secret in the `Authorization` header and may refresh.
pub(crate) fn client(redirect_uri: &str) -> Value {
    json!({
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

/// The name of [`client`].
pub(crate) const CLIENT: &str = "app";

/// The secret of [`client`], long enough for `client_secret_jwt`.
pub(crate) const SECRET: &str = "a secret of forty-eight octets, for HS256 as well";
