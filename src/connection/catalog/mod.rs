//! The catalogue: providers as data, one small file each.
//!
//! A file says what an operator need not know: issuer or endpoints, scopes, what this provider does
//! otherwise. What it says is laid under the operator's own keys, and the whole is then a connection
//! of `oidc` or `oauth2` like any other: so every key of those can be written over it, and an unknown
//! one is refused. Variables, like the host of a self-hosted server, are keys of such a connection.

mod lay;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::OnceLock};

use serde::{Deserialize, Serialize};

use super::registry::{Family, Strategy};

/// Declares the files.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        /// Every provider, by name.
        static FILES: [File; [$($name),+].len()] = [
            $(File {
                name: $name,
                text: include_str!(concat!("data/", $name, ".toml")),
                read: OnceLock::new(),
            }),+
        ];
    };
}

include!("files.rs");

/// A file of the catalogue. It is read when somebody asks for it.
#[derive(Debug)]
struct File {
    name: &'static str,
    text: &'static str,
    read: OnceLock<Option<(Entry, Strategy)>>,
}

/// What a file says about its provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) about: About,
    /// Further keys of such a connection, and what they stand for.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    /// What is laid under the operator's keys.
    connection: toml::Table,
    #[serde(skip)]
    text: &'static str,
}

/// The provider itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// What people call it.
    pub(crate) name: String,
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    /// The provider's own page about it.
    pub(crate) docs: String,
    /// Which independent sources confirm the endpoints: one letter each.
    pub(crate) evidence: Vec<String>,
    /// What an operator should know.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// Why it cannot be used any more.
    pub(crate) retired: Option<String>,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    OAuth1,
    OAuth2,
    Oidc,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::OAuth1, Self::OAuth2, Self::Oidc];

    /// The strategy that does the work.
    pub(crate) const fn strategy(self) -> &'static str {
        match self {
            Self::OAuth1 => "oauth1",
            Self::OAuth2 => "oauth2",
            Self::Oidc => "oidc",
        }
    }
}

/// A key whose value stands in the texts of a file, as `{name}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) description: String,
    /// `None`: the key is needed.
    pub(crate) default: Option<String>,
}

/// What shows the provider that the client is this deployment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Credential {
    /// A secret that the provider gave.
    ClientSecret,
    /// A private key whose public half the provider has; its file is the operator's.
    PrivateKey,
    /// The keys of this deployment, which the provider reads at the connection's JWKS URI.
    PrivateKeyJwt,
    /// Nothing: it is a public client.
    None,
}

impl Entry {
    /// What an operator has to write or register for the client.
    pub(crate) fn credential(&self) -> Credential {
        let at = |path: &[&str]| {
            let (last, tables) = path.split_last()?;
            let own = &self.connection;
            let table = tables
                .iter()
                .try_fold(own, |in_, name| in_.get(*name)?.as_table());
            table?.get(*last)?.as_str()
        };
        let minted = ["quirks", "minted_secret", "audience"];
        let method = at(&["token_endpoint_auth_method"])
            .or_else(|| at(&["provider", "token", "auth_method"]));
        match method {
            _ if at(&minted).is_some() => Credential::PrivateKey,
            Some("private_key_jwt") => Credential::PrivateKeyJwt,
            Some("none") => Credential::None,
            _ => Credential::ClientSecret,
        }
    }

    /// Whether the provider needs the public keys of this deployment: to check what is signed, or to
    /// encrypt.
    pub(crate) fn needs_keys(&self) -> bool {
        let set = |key| self.connection.get(key).and_then(toml::Value::as_bool) == Some(true);
        self.credential() == Credential::PrivateKeyJwt
            || set("signed_request")
            || set("encrypted_id_token")
    }
}

/// The strategy of a provider. `None`: the catalogue has none of that name.
pub(super) fn find(name: &str) -> Option<&'static Strategy> {
    let file = FILES.iter().find(|file| file.name == name)?;
    file.read().map(|(_, strategy)| strategy)
}

/// All of them, by name.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    FILES.iter().filter_map(|file| {
        let (entry, _) = file.read()?;
        Some((file.name, entry))
    })
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

/// The variables of all providers that speak this, for the schema.
pub(crate) fn variables(protocol: Protocol) -> BTreeMap<&'static str, &'static str> {
    let speak = all().filter(|(_, entry)| entry.about.protocol == protocol);
    let variables = speak.flat_map(|(_, entry)| &entry.variables);
    variables
        .map(|(name, variable)| (name.as_str(), variable.description.as_str()))
        .collect()
}

impl File {
    /// The tests see that every file can be read.
    fn read(&'static self) -> Option<&'static (Entry, Strategy)> {
        let read = self.read.get_or_init(|| {
            let entry: Entry = toml::from_str(self.text).ok()?;
            let entry = Entry {
                text: self.text,
                ..entry
            };
            let base = Strategy::of_its_own(entry.about.protocol.strategy())?;
            let strategy = Strategy {
                name: self.name,
                family: entry.about.family,
                speaks_openid: base.speaks_openid,
                parse: base.parse,
                schema: base.schema,
            };
            Some((entry, strategy))
        });
        read.as_ref()
    }
}

/// What the catalogue says about a strategy. `None`: it is one of its own.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    let file = FILES.iter().find(|file| file.name == name)?;
    file.read().map(|(entry, _)| entry)
}
