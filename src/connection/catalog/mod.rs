//! The catalogue: providers as data, one small file each.
//!
//! A file says what an operator need not know: issuer or endpoints, scopes, what this provider does
//! otherwise. What it says is laid under the operator's own keys, and the whole is then a connection
//! of `oidc`, `oauth2`, `saml`, `wsfed` or `ldap` like any other: so every key of those can be written over it, and an unknown
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
    /// Keys of the strategy that are needed for this provider, and why.
    #[serde(default)]
    pub(crate) needs: BTreeMap<String, String>,
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
    Ldap,
    OAuth1,
    OAuth2,
    Oidc,
    Saml,
    Wsfed,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Ldap,
        Self::OAuth1,
        Self::OAuth2,
        Self::Oidc,
        Self::Saml,
        Self::Wsfed,
    ];

    /// The strategy that does the work.
    pub(crate) const fn strategy(self) -> &'static str {
        match self {
            Self::Ldap => "ldap",
            Self::OAuth1 => "oauth1",
            Self::OAuth2 => "oauth2",
            Self::Oidc => "oidc",
            Self::Saml => "saml",
            Self::Wsfed => "wsfed",
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
    /// A file whose name says it, where the operator does not.
    pub(crate) in_name: Option<InName>,
}

/// A part of the name that a provider gives to a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InName {
    /// The key that names the file: `{ file = "…" }`.
    pub(crate) of: String,
    /// What stands before and after it.
    pub(crate) after: String,
    pub(crate) before: String,
}

/// What becomes of the e-mail addresses that a provider gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Addresses {
    /// Those count that it says are verified.
    IfVerified,
    /// None counts, whatever it says.
    Never,
    /// It does not say whether they are verified, so none counts.
    Unverified,
}

impl Entry {
    /// What is laid under the operator's keys.
    pub(crate) const fn sets(&self) -> &toml::Table {
        &self.connection
    }

    fn at(&self, path: &[&str]) -> Option<&toml::Value> {
        let (last, tables) = path.split_last()?;
        let own = &self.connection;
        let table = tables
            .iter()
            .try_fold(own, |in_, name| in_.get(*name)?.as_table());
        table?.get(*last)
    }

    fn method(&self) -> Option<&str> {
        let method = self.at(&["token_endpoint_auth_method"]);
        let method = method.or_else(|| self.at(&["provider", "token", "auth_method"]));
        method?.as_str()
    }

    /// Whether this deployment is registered as a client.
    pub(crate) fn has_clients(&self) -> bool {
        !matches!(
            self.about.protocol,
            Protocol::Ldap | Protocol::Saml | Protocol::Wsfed
        )
    }

    /// Whether the provider gives a secret, which shows it that the client is this deployment.
    pub(crate) fn gives_secret(&self) -> bool {
        let minted = self.at(&["quirks", "minted_secret"]).is_some();
        self.has_clients() && !minted && !matches!(self.method(), Some("private_key_jwt" | "none"))
    }

    /// Whether the provider needs the public keys of this deployment: to check what is signed, or to
    /// encrypt.
    pub(crate) fn needs_keys(&self) -> bool {
        let set = |key| self.at(&[key]).and_then(toml::Value::as_bool) == Some(true);
        self.method() == Some("private_key_jwt")
            || set("signed_request")
            || set("encrypted_id_token")
    }

    /// Whether it is told when somebody signs out here.
    pub(crate) fn ends_its_session(&self) -> bool {
        let local = self.at(&["logout"]).and_then(toml::Value::as_str) == Some("local");
        [Protocol::Oidc, Protocol::Wsfed].contains(&self.about.protocol) && !local
    }

    /// What becomes of the e-mail addresses that it gives.
    pub(crate) fn addresses(&self) -> Addresses {
        if self.at(&["trust_email"]).and_then(toml::Value::as_str) == Some("never") {
            return Addresses::Never;
        }
        let calls = self
            .at(&["provider", "profile"])
            .and_then(toml::Value::as_array);
        let listed = calls.is_some_and(|all| all.iter().any(|call| call.get("emails").is_some()));
        let said = self.at(&["provider", "claims", "email_verified"]).is_some();
        if self.about.protocol == Protocol::Oidc || listed || said {
            Addresses::IfVerified
        } else {
            Addresses::Unverified
        }
    }
}

/// What a letter of `evidence` stands for.
pub(crate) fn source_of(letter: &str) -> &str {
    match letter {
        "A" => "Auth0's documentation",
        "G" => "goth",
        "K" => "Ory Kratos",
        "N" => "Auth.js",
        "P" => "the provider's own pages",
        "R" => "memory alone",
        "S" => "Python Social Auth",
        "W" => "unrelated public projects",
        other => other,
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
                speaks: base.speaks,
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
