//! Django with django-oauth-toolkit, as `tests/servers/django_provider` sets it up: an OpenID
//! Provider on another code base, and a plain OAuth 2.0 server with a profile API.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    openid_provider::{CLIENT, SECRET},
    process::free_port,
    servers::{Server, folder, installed},
    visitor::{Page, Visitor},
};

/// A running one, with the accounts `alice` (of the group `ops`) and `bob`.
#[derive(Debug)]
pub(crate) struct DjangoProvider {
    server: Server,
}

impl DjangoProvider {
    /// One that knows this client.
    pub(crate) fn start(client: &Value) -> Self {
        Self::with_tokens_for(client, 600)
    }

    /// The same, with access tokens that are good for so many seconds.
    pub(crate) fn with_tokens_for(client: &Value, seconds: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let settings = json!({
            "port": port,
            "data": dir.path(),
            "access_token_ttl": seconds,
            "clients": [client],
            "accounts": {"alice": {"groups": ["ops"]}, "bob": {}},
        });
        let mut command = Command::new(installed("venv/bin/gunicorn"));
        command
            .args(["-k", "gthread", "--threads", "8", "--chdir"])
            .arg(folder().join("django_provider"))
            .args(["-b", &format!("127.0.0.1:{port}"), "provider:application"])
            .env("DJANGO_PROVIDER", settings.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(dir.path());
        Self {
            server: Server::spawn("django-provider", &mut command, port, dir),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// The issuer; its endpoints are below, like `authorize/` and `token/`.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/o", self.origin())
    }

    /// Where the profile API is, as `/api/me` and `/api/emails`.
    pub(crate) fn origin(&self) -> String {
        format!("http://django.localhost:{}", self.server.port)
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.server.output()
    }

    /// Signs in at its login page; where that ended.
    #[track_caller]
    pub(crate) fn sign_in(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        assert!(
            page.url.as_str().starts_with(&self.origin()),
            "not at the provider, but at {}: {:?}\n{}",
            page.url,
            page.answer,
            self.output()
        );
        let form = page
            .form_with("username")
            .fill("username", login)
            .fill("password", "password");
        let answer = visitor.submit(page, &form);
        visitor.carry_on(answer)
    }
}

/// A client of it; a `plain` one gets no ID token.
pub(crate) fn client(redirect_uri: &str, plain: bool) -> Value {
    json!({
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uris": [redirect_uri],
        "plain": plain,
    })
}
