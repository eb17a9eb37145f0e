//! The providers of `tests/servers/shapes.mjs`: each answers exactly as its documentation shows.

use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use super::{
    openid_provider::{CLIENT, SECRET},
    servers::Server,
    sidecar::Sidecar,
};

/// All of them, running.
#[derive(Debug)]
pub(crate) struct Shapes {
    server: Server,
}

impl Shapes {
    pub(crate) fn start() -> Self {
        Self::with(json!({}))
    }

    /// With these settings besides its client.
    pub(crate) fn with(mut settings: Value) -> Self {
        settings["client_id"] = CLIENT.into();
        settings["client_secret"] = SECRET.into();
        Self {
            server: Server::node("shapes", settings),
        }
    }

    /// Where a provider is.
    pub(crate) fn base(&self, name: &str) -> String {
        format!("http://shapes.localhost:{}/{name}", self.server.port)
    }

    /// A connection `name` to the provider of that name, which `data` describe; `BASE` in them is
    /// where it is.
    pub(crate) fn connect(&self, sidecar: Sidecar, name: &str, data: &str) -> Sidecar {
        connect(sidecar, name, &data.replace("BASE", &self.base(name)))
    }

    /// What a provider's profile says from now on, over what it says of itself.
    pub(crate) fn profile(&self, provider: &str, profile: &Value) {
        let told = json!({"provider": provider, "profile": profile});
        self.server.tell("/admin/profile", &told);
    }

    /// A provider refuses the next code.
    pub(crate) fn fail(&self, provider: &str) {
        self.server
            .tell("/admin/fail", &json!({"provider": provider}));
    }

    /// Every call to a path of a provider.
    pub(crate) fn calls(&self, provider: &str, path: &str) -> Vec<Value> {
        let mut calls = self.server.ask("/admin/calls").as_array().unwrap().clone();
        calls.retain(|call| call["provider"] == provider && call["path"] == path);
        calls
    }

    pub(crate) fn output(&self) -> String {
        self.server.output()
    }
}

/// A connection by OAuth 2.0 with these data.
pub(crate) fn connect(sidecar: Sidecar, name: &str, data: &str) -> Sidecar {
    let provider: Table = toml::from_str(data).unwrap();
    let none = provider
        .get("token")
        .and_then(|token| token.get("auth_method"));
    let mut table = Table::from_iter([
        ("strategy".to_owned(), Toml::from("oauth2")),
        ("client_id".to_owned(), CLIENT.into()),
    ]);
    if none.and_then(Toml::as_str) != Some("none") {
        table.insert("client_secret".to_owned(), SECRET.into());
    }
    table.insert("provider".to_owned(), provider.into());
    sidecar.set(&format!("connections.{name}"), Toml::Table(table))
}
