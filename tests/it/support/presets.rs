//! The providers of `tests/servers/presets.mjs`: each does what it does in its own way exactly as its
//! documentation shows, and signs in whoever comes.

use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};
use serde_json::{Value, json};

use super::{
    openid_provider::{CLIENT, SECRET},
    servers::Server,
    sidecar::Sidecar,
};

/// All of them, running.
#[derive(Debug)]
pub(crate) struct Presets {
    server: Server,
    /// The key that the developer downloaded from Apple, as PEM.
    pub(crate) apple_key: String,
}

impl Presets {
    pub(crate) fn start() -> Self {
        let key = private_key();
        let public = PKey::private_key_from_pem(key.as_bytes())
            .unwrap()
            .public_key_to_pem()
            .unwrap();
        let settings = json!({
            "client_id": CLIENT,
            "client_secret": SECRET,
            "apple_key": String::from_utf8(public).unwrap(),
        });
        Self {
            server: Server::node("presets", settings),
            apple_key: key,
        }
    }

    /// Where it is.
    pub(crate) fn origin(&self) -> String {
        format!("http://presets.localhost:{}", self.server.port)
    }

    /// A connection with these lines, whose provider is the one at `path` instead of the real one:
    /// the environment says so, and the file is what an operator would write.
    pub(crate) fn connect(
        &self,
        sidecar: Sidecar,
        name: &str,
        lines: &[(&str, &str)],
        path: &str,
    ) -> Sidecar {
        let issuer = format!("{}/{path}", self.origin());
        let variable = format!("VESTIBULE__CONNECTIONS__{}__ISSUER", name.to_uppercase());
        connection(sidecar, name, lines).env(&variable, &issuer)
    }

    /// What a provider's ID tokens say from now on, over what they said; `null`: not at all.
    pub(crate) fn claims(&self, provider: &str, claims: &Value) {
        let told = json!({"provider": provider, "claims": claims});
        self.server.tell("/admin/claims", &told);
    }

    /// How Microsoft Graph pages from now on: `whole`, `broken`, `elsewhere`, `endless`.
    pub(crate) fn graph(&self, pages: &str) {
        self.server.tell("/admin/graph", &json!({"as": pages}));
    }

    /// Every call to an address that ends so.
    pub(crate) fn calls(&self, path: &str) -> Vec<Value> {
        let mut calls = self.server.ask("/admin/calls").as_array().unwrap().clone();
        calls.retain(|call| call["path"].as_str().unwrap().ends_with(path));
        calls
    }

    pub(crate) fn output(&self) -> String {
        self.server.output()
    }
}

/// A connection of these lines.
pub(crate) fn connection(sidecar: Sidecar, name: &str, lines: &[(&str, &str)]) -> Sidecar {
    lines.iter().fold(sidecar, |sidecar, (key, value)| {
        sidecar.set(&format!("connections.{name}.{key}"), *value)
    })
}

/// A key as Apple gives it out: P-256, PKCS#8.
pub(crate) fn private_key() -> String {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}
