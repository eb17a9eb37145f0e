//! The one table of strategies.
//!
//! The loader takes a `[connections.NAME]` table, splits [`Common`]'s keys and `strategy` off, finds
//! the strategy here and lets it read what is left: so a mistake is found at its own key and line,
//! and the root of the configuration knows no strategy by name. Reading and opening are two steps.
//! Opening checks the settings against each other and calls no network: discovery is lazy.

use std::{fmt, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    Common, Connection, catalog, certificate, database, http_store, ldap, mtls, oauth1, oauth2,
    oidc, passkey, passwordless, saml, sql, wsfed,
};
use crate::{
    clock::Clock,
    crypto::{Hasher, KeyRing},
    egress,
    identity::ConnectionId,
    problem::Problem,
    random::Random,
    store::{OneTimeStore, UserStore},
};

/// Every strategy that is code, in the order of the documentation. The [catalogue](catalog) has more.
pub(crate) static STRATEGIES: &[Strategy] = &[
    Strategy {
        name: "database",
        family: Family::Database,
        speaks: Speaks::Other,
        parse: parse::<database::Config>,
        schema: |generator| generator.subschema_for::<database::Config>(),
    },
    Strategy {
        name: "email",
        family: Family::Passwordless,
        speaks: Speaks::Other,
        parse: parse::<passwordless::EmailConfig>,
        schema: |generator| generator.subschema_for::<passwordless::EmailConfig>(),
    },
    Strategy {
        name: "sms",
        family: Family::Passwordless,
        speaks: Speaks::Other,
        parse: parse::<passwordless::SmsConfig>,
        schema: |generator| generator.subschema_for::<passwordless::SmsConfig>(),
    },
    Strategy {
        name: "oidc",
        family: Family::Enterprise,
        speaks: Speaks::OpenIdConnect,
        parse: parse::<oidc::Config>,
        schema: |generator| generator.subschema_for::<oidc::Config>(),
    },
    Strategy {
        name: "oauth2",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<oauth2::Config>,
        schema: |generator| generator.subschema_for::<oauth2::Config>(),
    },
    Strategy {
        name: "oauth1",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<oauth1::Config>,
        schema: |generator| generator.subschema_for::<oauth1::Config>(),
    },
    Strategy {
        name: "saml",
        family: Family::Enterprise,
        speaks: Speaks::Saml,
        parse: parse::<saml::Config>,
        schema: |generator| generator.subschema_for::<saml::Config>(),
    },
    Strategy {
        name: "wsfed",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<wsfed::Config>,
        schema: |generator| generator.subschema_for::<wsfed::Config>(),
    },
    Strategy {
        name: "ldap",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<ldap::Config>,
        schema: |generator| generator.subschema_for::<ldap::Config>(),
    },
    Strategy {
        name: "sql",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<sql::Config>,
        schema: |generator| generator.subschema_for::<sql::Config>(),
    },
    Strategy {
        name: "http",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<http_store::Config>,
        schema: |generator| generator.subschema_for::<http_store::Config>(),
    },
    Strategy {
        name: "mtls",
        family: Family::Enterprise,
        speaks: Speaks::Other,
        parse: parse::<mtls::Config>,
        schema: |generator| generator.subschema_for::<mtls::Config>(),
    },
    Strategy {
        name: "passkey",
        family: Family::Passwordless,
        speaks: Speaks::Other,
        parse: parse::<passkey::Config>,
        schema: |generator| generator.subschema_for::<passkey::Config>(),
    },
];

/// A kind of connection.
pub(crate) struct Strategy {
    /// What `strategy` says in the configuration.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) speaks: Speaks,
    /// Reads the strategy's own keys: the table without `strategy` and without [`Common::KEYS`].
    pub(crate) parse:
        fn(toml::de::Deserializer<'_>) -> Result<Box<dyn OpenConnection>, toml::de::Error>,
    /// The JSON schema of these keys.
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Strategy {
    /// The strategy of that name, or the provider of the catalogue.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        Self::of_its_own(name).or_else(|| catalog::find(name))
    }

    /// The strategy of that name that is code.
    pub(super) fn of_its_own(name: &str) -> Option<&'static Self> {
        STRATEGIES.iter().find(|strategy| strategy.name == name)
    }

    /// Whether people type a password of theirs into a page of ours.
    pub(crate) fn asks_for_passwords(&self) -> bool {
        let own = matches!(self.name, "database" | "http" | "ldap" | "sql");
        own || catalog::entry(self.name)
            .is_some_and(|entry| entry.about.protocol == catalog::Protocol::Ldap)
    }

    /// Whether people are sent a message by which they sign in.
    pub(crate) fn sends_messages(&self) -> bool {
        matches!(self.name, "email" | "sms")
    }

    /// All names.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let own = STRATEGIES.iter().map(|strategy| strategy.name);
        own.chain(catalog::names())
    }
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strategy")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What kinds of connections are grouped by where people look at them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    Database,
    Enterprise,
    Legal,
    Passwordless,
    Social,
}

/// By what an operator and a provider introduce themselves to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speaks {
    OpenIdConnect,
    Other,
    Saml,
}

/// A strategy's settings, read and ready to be opened.
pub(crate) trait OpenConnection: fmt::Debug + Send + Sync {
    /// All that is wrong with the settings, found without a store and without a network: what
    /// `check` tells. The keys begin inside the connection's table.
    fn problems(&self, common: &Common) -> Vec<Problem>;
    /// Makes the connection `id`, or says all that is wrong with its settings.
    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>>;
    /// The files that it reads when it opens, besides secrets: another content is another
    /// connection.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }
    /// What is set about accounts that are kept here, or passwords that can be changed.
    fn accounts(&self) -> Option<&database::Config> {
        None
    }
    /// Whether nobody signs in with it where no mail is sent.
    fn needs_mail(&self) -> bool {
        false
    }
    /// What is set about client certificates, where it takes them.
    fn certificates(&self) -> Option<&certificate::Config> {
        None
    }
}

/// What connections are built from.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The prefix of our pages at the login host, with a slash at its end.
    pub(crate) pages: Url,
    pub(crate) http: egress::http::Client,
    pub(crate) ring: Arc<ArcSwap<KeyRing>>,
    /// Whether a route forwards the provider's tokens of this connection: only then are they kept.
    pub(crate) keep_tokens: bool,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) once: Arc<dyn OneTimeStore>,
    /// What is known of all passkeys.
    pub(crate) passkeys: Arc<passkey::Records>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Parts {
    /// Where a provider sends its answers: the redirect URI of a connection.
    pub(crate) fn callback(&self, id: &ConnectionId) -> Url {
        self.page(&format!("callback/{id}"))
    }

    /// Where a provider that speaks SAML sends its responses.
    pub(crate) fn assertion_consumer_service(&self, id: &ConnectionId) -> Url {
        self.page(&format!("saml/{id}/acs"))
    }

    /// Where it sends and answers requests to end sessions.
    pub(crate) fn single_logout_service(&self, id: &ConnectionId) -> Url {
        self.page(&format!("saml/{id}/slo"))
    }

    /// One of our pages.
    pub(crate) fn page(&self, path: &str) -> Url {
        let mut url = self.pages.clone();
        url.set_path(&format!("{}{path}", url.path()));
        url
    }
}

fn parse<C>(table: toml::de::Deserializer<'_>) -> Result<Box<dyn OpenConnection>, toml::de::Error>
where
    C: DeserializeOwned + JsonSchema + OpenConnection + 'static,
{
    let config = C::deserialize(table)?;
    Ok(Box::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for strategy in STRATEGIES {
            assert_eq!(Strategy::find(strategy.name).unwrap().name, strategy.name);
            let same = STRATEGIES
                .iter()
                .filter(|other| other.name == strategy.name);
            assert_eq!(same.count(), 1, "{}", strategy.name);
        }
        assert!(Strategy::find("Database").is_none());
    }

    #[test]
    fn no_strategy_has_a_key_that_every_connection_has() {
        for strategy in STRATEGIES {
            let mut generator = SchemaGenerator::default();
            let schema = (strategy.schema)(&mut generator);
            let of = schema.get("$ref").unwrap().as_str().unwrap();
            let of = of.rsplit('/').next().unwrap();
            let definition = &generator.take_definitions(false)[of];
            for key in Common::KEYS {
                let own = definition.pointer(&format!("/properties/{key}"));
                assert!(own.is_none(), "{} has {key}", strategy.name);
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_where_it_stands() {
        let text = "strategy = \"database\"\nlogin = \"email\"\nlogn = \"email\"\n";
        let mut table = toml::de::DeTable::parse(text).unwrap();
        table.get_mut().remove("strategy");
        let strategy = Strategy::find("database").unwrap();
        let error = (strategy.parse)(table.into()).unwrap_err();
        assert!(error.message().contains("logn"), "{error}");
        assert_eq!(text.get(error.span().unwrap()), Some("logn"));
    }
}
