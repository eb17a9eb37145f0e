//! A sidecar and its provider under different host names, as in life: the app is at
//! `app.localhost`, so that what the provider sends comes from another site.

use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use super::{
    browser::Browser,
    forms::links,
    openid_provider::{CLIENT, OpenIdProvider, SECRET, client},
    process::free_port,
    sidecar::{Sidecar, list, route},
    tls::{Authority, Leaf},
    upstream::Upstream,
    visitor::{Page, Visitor},
};

/// Where the app is.
pub(crate) const APP: &str = "app.localhost";

/// A sidecar at [`APP`] that has no connection yet and is not started yet.
pub(crate) fn app() -> Sidecar {
    let sidecar = Sidecar::new().without("connections.members");
    let origin = sidecar.origin_of(APP);
    sidecar.set("server.public_url", origin)
}

/// Where a connection of it takes the provider's answers.
pub(crate) fn callback(sidecar: &Sidecar, name: &str) -> String {
    format!("{}/.auth/callback/{name}", sidecar.origin_of(APP))
}

/// The same of one by SAML.
pub(crate) fn assertion_consumer_service(sidecar: &Sidecar, name: &str) -> String {
    format!("{}/.auth/saml/{name}/acs", sidecar.origin_of(APP))
}

/// The four lines of a connection by OpenID Connect.
pub(crate) fn oidc(sidecar: Sidecar, name: &str, issuer: &str) -> Sidecar {
    let lines = [
        ("strategy", "oidc"),
        ("issuer", issuer),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let table: Table = lines
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Toml::from(value)))
        .collect();
    sidecar.set(&format!("connections.{name}"), Toml::Table(table))
}

/// Somebody new at the app.
pub(crate) fn visitor(sidecar: &Sidecar) -> Visitor {
    Visitor::new(&sidecar.origin_of(APP))
}

/// Opens a page, and where that leads to the login, goes on by the button of a connection; the
/// provider's page.
#[track_caller]
pub(crate) fn go_to_provider(visitor: &mut Visitor, path: &str, name: &str) -> Page {
    let page = visitor.go(path);
    let button = |link: &String| link.contains(&format!("/.auth/login/{name}?"));
    match links(&page.text()).into_iter().find(button) {
        Some(link) => visitor.go(page.url.join(&link).unwrap().as_str()),
        None => page,
    }
}

/// An app behind a sidecar whose only connection is `op`, the certified provider.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) upstream: Upstream,
    pub(crate) sidecar: Sidecar,
    pub(crate) provider: OpenIdProvider,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(&json!({}), &json!({}), &[])
    }

    /// One whose client is registered with `metadata` over those of [`client`], at a provider with
    /// these settings, and whose connection has these keys besides its four lines. A `null` takes a
    /// member away; without a secret, the connection has none either.
    pub(crate) fn with(metadata: &Value, settings: &Value, keys: &[(&str, Toml)]) -> Self {
        let sidecar = app();
        let mut registered = client(&callback(&sidecar, "op"));
        let ours = |page: &str| format!("{}/.auth/{page}", sidecar.origin_of(APP));
        registered["post_logout_redirect_uris"] = json!([ours("logout")]);
        registered["jwks_uri"] = ours("jwks/op").into();
        over(&mut registered, metadata);
        let secret = registered.get("client_secret").is_some();
        let mut wanted = json!({"clients": [registered]});
        over(&mut wanted, settings);
        let provider = OpenIdProvider::with(wanted);
        let mut sidecar = oidc(sidecar, "op", &provider.issuer());
        if !secret {
            sidecar = sidecar.without("connections.op.client_secret");
        }
        for (key, value) in keys {
            sidecar.change(&format!("connections.op.{key}"), value.clone());
        }
        let upstream = Upstream::start();
        let sidecar = sidecar.route(route("/").to(&upstream)).start();
        Self {
            upstream,
            sidecar,
            provider,
        }
    }

    /// One whose client is registered for as much as there is: pushed, signed requests, a key instead
    /// of a secret, encrypted ID tokens and userinfo, an authentication context.
    pub(crate) fn strict() -> Self {
        let metadata = json!({
            "client_secret": null,
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "require_pushed_authorization_requests": true,
            "require_signed_request_object": true,
            "request_object_signing_alg": "ES256",
            "id_token_signed_response_alg": "ES256",
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_signed_response_alg": "PS256",
            "userinfo_encrypted_response_alg": "ECDH-ES",
            "userinfo_encrypted_response_enc": "A256GCM",
        });
        let keys = [
            ("token_endpoint_auth_method", "private_key_jwt".into()),
            ("pushed_authorization", true.into()),
            ("signed_request", true.into()),
            ("encrypted_id_token", true.into()),
            ("acr_values", list(&["substantial", "high"])),
        ];
        Self::with(&metadata, &json!({"require_par": true}), &keys)
    }

    /// One whose client authenticates by a certificate (RFC 8705) of `authority`, at endpoints that
    /// show `leaf` and that it believes by the word of `trusted`.
    pub(crate) fn by_certificate(authority: &Authority, leaf: &Leaf, trusted: &Authority) -> Self {
        let sidecar = app();
        let own = authority.leaf(sidecar.dir.path(), &[APP]);
        let client = json!({
            "client_id": CLIENT,
            "redirect_uris": [callback(&sidecar, "op")],
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": APP,
            "tls_client_certificate_bound_access_tokens": true,
        });
        let settings = json!({"clients": [client]});
        let provider = OpenIdProvider::with_tls(settings, authority, leaf, free_port());
        let key = std::fs::read_to_string(&own.key_file).unwrap();
        let keys = [
            ("token_endpoint_auth_method", "tls_client_auth".to_owned()),
            ("client_certificate", own.cert_file.display().to_string()),
            ("client_certificate_key", key),
            ("ca", trusted.file(sidecar.dir.path()).display().to_string()),
        ];
        let sidecar = oidc(sidecar, "op", &provider.issuer());
        let sidecar = sidecar.without("connections.op.client_secret");
        let sidecar = keys.into_iter().fold(sidecar, |sidecar, (key, value)| {
            sidecar.set(&format!("connections.op.{key}"), value)
        });
        let upstream = Upstream::start();
        let sidecar = sidecar.route(route("/").to(&upstream)).start();
        Self {
            upstream,
            sidecar,
            provider,
        }
    }

    pub(crate) fn visitor(&self) -> Visitor {
        visitor(&self.sidecar)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sidecar.origin_of(APP))
    }

    /// Somebody new who signs in at the provider on the way to `path`; where that ended.
    #[track_caller]
    pub(crate) fn sign_in(&self, path: &str, fields: &[(&str, &str)]) -> (Visitor, Page) {
        let mut visitor = self.visitor();
        let page = go_to_provider(&mut visitor, path, "op");
        let page = self.provider.sign_in_with(&mut visitor, &page, fields);
        (visitor, page)
    }

    /// Somebody new who holds a session by a login at the provider.
    #[track_caller]
    pub(crate) fn signed_in(&self, login: &str) -> Visitor {
        let (visitor, page) = self.sign_in("/", &[("login", login)]);
        self.expect_session(&visitor, &page);
        visitor
    }

    /// Fails the test, with what both sides say, unless the login has ended with a session.
    #[track_caller]
    pub(crate) fn expect_session(&self, visitor: &Visitor, page: &Page) {
        assert!(
            visitor.session().is_some(),
            "no session, but {} {:?}\n{}\n{}",
            page.url,
            page.answer,
            self.sidecar.log_about("op"),
            self.provider.output(),
        );
    }

    /// Fails the test unless the login was refused at this step, with a page that says so plainly.
    #[track_caller]
    pub(crate) fn expect_refused(&self, visitor: &Visitor, page: &Page, step: &str) {
        let log = self.sidecar.log();
        assert!(visitor.session().is_none(), "a session: {page:?}");
        assert!(page.answer.status >= 400, "{page:?}\n{log}");
        let told = log
            .lines()
            .any(|line| line.contains("login-failed") && line.contains(step));
        assert!(told, "the log does not name {step}:\n{log}");
    }

    /// Signs in at the provider in Chromium on the way to `path`.
    #[track_caller]
    pub(crate) fn sign_in_by_browser(&self, browser: &Browser, path: &str, login: &str) {
        browser.goto(&self.url(path));
        self.provider_by_browser(browser);
        self.provider.sign_in_by_browser(browser, login);
        browser.arrives(&self.url(path));
    }

    /// From our login page to the provider, by the button of its connection.
    #[track_caller]
    pub(crate) fn provider_by_browser(&self, browser: &Browser) {
        browser
            .arrives(&self.url("/.auth/login"))
            .click("a[href*='/login/op']");
    }
}

/// Puts the members of one object over those of another.
fn over(under: &mut Value, members: &Value) {
    let under = under.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            under.remove(name);
        } else {
            under.insert(name.clone(), value.clone());
        }
    }
}
