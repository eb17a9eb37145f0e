//! The provider of `tests/servers/lying-provider.mjs`, which is honest but for one thing: each path
//! below its host is an issuer, and one with the name of a switch of `lies.mjs` has that switch on.
//! It asks nobody to sign in: whoever comes is `alice`.

use serde_json::{Value, json};

use super::{
    openid_provider::{CLIENT, SECRET},
    servers::Server,
};

/// A running one.
#[derive(Debug)]
pub(crate) struct LyingProvider {
    server: Server,
}

/// One switch: what it is called, the row it stands for, and what a client must do about it.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    pub(crate) name: String,
    /// The row of the conformance list or of the catalogue of attacks.
    pub(crate) row: String,
    /// Which test drives it: `login`, `account`, `refresh`, `logout`.
    pub(crate) of: String,
    /// Where a login must end, or `None` where it must be accepted.
    pub(crate) stops: Option<String>,
    /// What the connection must be configured with for it to mean anything.
    pub(crate) needs: Option<String>,
    /// A word of the reason that must be given.
    pub(crate) says: Option<String>,
    /// How many logins it takes until it shows.
    pub(crate) logins: u64,
}

impl LyingProvider {
    pub(crate) fn start() -> Self {
        Self::with(json!({}))
    }

    /// One with other settings than those that stand at the head of its script.
    pub(crate) fn with(mut settings: Value) -> Self {
        settings["client_id"] = CLIENT.into();
        settings["client_secret"] = SECRET.into();
        Self {
            server: Server::node("lying-provider", settings),
        }
    }

    pub(crate) fn issuer(&self, name: &str) -> String {
        format!("http://liar.localhost:{}/{name}", self.server.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.server.output()
    }

    /// Every switch that a test of this kind drives.
    pub(crate) fn lies(&self, of: &str) -> Vec<Lie> {
        let all = self.server.ask("/admin/lies");
        let lies = all.as_array().unwrap().iter().map(|lie| Lie {
            name: lie["name"].as_str().unwrap().to_owned(),
            row: lie["row"].as_str().unwrap().to_owned(),
            of: lie["of"].as_str().unwrap().to_owned(),
            stops: match lie["demand"].as_str().unwrap() {
                "accept" => None,
                "reject" => Some(lie["stops"].as_str().unwrap().to_owned()),
                other => panic!("{lie}: {other}"),
            },
            needs: lie["needs"].as_str().map(str::to_owned),
            says: lie["says"].as_str().map(str::to_owned),
            logins: lie["logins"].as_u64().unwrap_or(1),
        });
        lies.filter(|lie| lie.of == of).collect()
    }

    /// Turns exactly these switches on at an issuer.
    pub(crate) fn lie(&self, issuer: &str, lies: &[&str]) {
        let told = json!({"issuer": issuer, "lies": lies});
        self.server.tell("/admin/lie", &told);
    }

    /// What an issuer says of whoever signs in, over what it says of everybody.
    pub(crate) fn claims(&self, issuer: &str, claims: &Value) {
        let told = json!({"issuer": issuer, "claims": claims});
        self.server.tell("/admin/claims", &told);
    }

    /// Puts new keys in the place of an issuer's.
    pub(crate) fn rotate_keys(&self, issuer: &str) {
        self.server
            .tell("/admin/rotate", &json!({"issuer": issuer}));
    }

    /// The same, under the names of the first ones.
    pub(crate) fn rotate_keys_under_their_names(&self, issuer: &str) {
        let told = json!({"issuer": issuer, "names": "1"});
        self.server.tell("/admin/rotate", &told);
    }

    /// A token with these claims over those that belong there: of the kind `logout` or `id`.
    pub(crate) fn mint(&self, issuer: &str, kind: &str, lies: &[&str], claims: &Value) -> String {
        let told = json!({"issuer": issuer, "kind": kind, "lies": lies, "claims": claims});
        let made = self.server.tell("/admin/mint", &told);
        made["token"].as_str().unwrap().to_owned()
    }

    /// Every call so far to an endpoint of an issuer: `discovery`, `jwks`, `auth`, `par`, `token`,
    /// `userinfo`, `end`.
    pub(crate) fn calls(&self, issuer: &str, endpoint: &str) -> Vec<Value> {
        let mut calls = self.all_calls();
        calls.retain(|call| call["issuer"] == issuer && call["endpoint"] == endpoint);
        calls
    }

    /// Every call to a place where no honest client has a reason to go.
    pub(crate) fn strayed(&self) -> Vec<Value> {
        let mut calls = self.all_calls();
        calls.retain(|call| call["endpoint"] == "canary");
        calls
    }

    pub(crate) fn all_calls(&self) -> Vec<Value> {
        self.server.ask("/admin/calls").as_array().unwrap().clone()
    }

    /// How much of a gigabyte an issuer got rid of.
    pub(crate) fn sent(&self, issuer: &str) -> u64 {
        let memory = self.server.ask("/admin/memory");
        memory[issuer]["sent"].as_u64().unwrap_or(0)
    }
}
