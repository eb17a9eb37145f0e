//! The connections of one generation of the configuration.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use super::{
    Common, Connection, Offer, SecondFactor, UpstreamParam, VerifyEmail,
    certificate::Desk,
    discovery::{DomainRule, Realms, realm_of},
};
use crate::{identity::ConnectionId, protocol::ClientFacts};

/// What is set about a connection, besides what its strategy reads.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) common: Common,
    /// The strategy's name in the configuration.
    pub(crate) strategy: &'static str,
    /// What people read on the button.
    pub(crate) display_name: String,
    /// Whether strangers may come in.
    pub(crate) signup: bool,
    /// What is done by mail.
    pub(crate) mail: MailRules,
    /// Whether its people prove a second factor.
    pub(crate) second_factor: SecondFactor,
    /// Changes with any of the settings: a flow that began before the change does not go on.
    pub(crate) fingerprint: u64,
}

/// What is done by mail for the people of a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct MailRules {
    /// Whether a forgotten password is replaced.
    pub(crate) reset: bool,
    /// Whether the address of an account is confirmed.
    pub(crate) verify: VerifyEmail,
    /// Whether people who have signed up are welcomed.
    pub(crate) welcome: bool,
}

impl ConnectionSettings {
    /// Whether its people may delete their own account.
    pub(crate) fn deletes_accounts(&self) -> bool {
        self.common.delete_account.unwrap_or(self.signup)
    }

    /// What the login page draws.
    pub(crate) fn icon(&self) -> &str {
        self.common.icon.as_deref().unwrap_or(self.strategy)
    }
}

/// All connections, found by name, by e-mail domain and by network in constant time.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: HashMap<ConnectionId, Entry>,
    /// In the order of their names.
    names: Vec<ConnectionId>,
    realms: Realms,
    /// Those that may be used and take client certificates.
    certificates: Vec<Arc<dyn Connection>>,
    /// What the query of a login may have for a provider.
    passed: HashSet<String>,
    /// Whether any may be begun with before somebody has chosen it.
    may_be_preselected: bool,
}

/// The rule that a domain meets, and the connections that have it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: DomainRule,
    /// In the order of their names.
    pub(crate) connections: Vec<ConnectionId>,
}

#[derive(Clone)]
struct Entry {
    connection: Arc<dyn Connection>,
    settings: Arc<ConnectionSettings>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}

impl Connections {
    /// Takes the connections in.
    pub(crate) fn new(opened: Vec<(Arc<dyn Connection>, ConnectionSettings)>) -> Self {
        let mut connections = Self::default();
        for (connection, settings) in opened {
            let id = connection.id().clone();
            if settings.common.enabled {
                connections.realms.add(&id, &settings.common);
                let is_directory = connection.inline().is_some() && connection.accounts().is_none();
                connections.may_be_preselected |= is_directory
                    || !settings.common.is_button()
                    || !settings.common.networks.is_empty();
                let params = settings.common.upstream_params.values();
                let passed = params.filter_map(UpstreamParam::from);
                connections.passed.extend(passed.map(str::to_owned));
                if connection.certificates().is_some() {
                    connections.certificates.push(connection.clone());
                }
            }
            connections.names.push(id.clone());
            let entry = Entry {
                connection,
                settings: Arc::new(settings),
            };
            connections.all.insert(id, entry);
        }
        connections.names.sort();
        connections
    }

    /// One that may be used.
    pub(crate) fn enabled(
        &self,
        id: &ConnectionId,
    ) -> Option<(&Arc<dyn Connection>, &Arc<ConnectionSettings>)> {
        self.find(id)
            .filter(|(_, settings)| settings.common.enabled)
    }

    /// One by its name, in use or not.
    pub(crate) fn find(
        &self,
        id: &ConnectionId,
    ) -> Option<(&Arc<dyn Connection>, &Arc<ConnectionSettings>)> {
        self.all
            .get(id)
            .map(|entry| (&entry.connection, &entry.settings))
    }

    /// All of them, by name.
    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (&Arc<dyn Connection>, &Arc<ConnectionSettings>)> {
        self.names.iter().filter_map(|id| self.find(id))
    }

    /// Those that may be used, by name.
    pub(crate) fn all_enabled(
        &self,
    ) -> impl Iterator<Item = (&Arc<dyn Connection>, &Arc<ConnectionSettings>)> {
        self.iter().filter(|(_, settings)| settings.common.enabled)
    }

    /// Which of the offered connections people of this name's domain sign in with: those of the
    /// most specific rule that any of them has. Private ones are found by a visitor to whom they are
    /// `known`; to anybody else it is as if they had no rule.
    pub(crate) fn by_domain(
        &self,
        typed: &str,
        offer: &Offer,
        known: &[ConnectionId],
    ) -> Option<Found> {
        let domain = realm_of(typed)?;
        self.realms.of(&domain).find_map(|(rule, ids)| {
            let shown = |id: &&ConnectionId| {
                offer.contains(id) && (known.contains(id) || !self.is_private(id))
            };
            let mut connections: Vec<_> = ids.iter().filter(shown).cloned().collect();
            connections.sort();
            (!connections.is_empty()).then_some(Found { rule, connections })
        })
    }

    /// Which of the offered connections have this address in one of their networks, by name.
    pub(crate) fn near(&self, address: Option<IpAddr>, offer: &Offer) -> Vec<ConnectionId> {
        let near = address
            .into_iter()
            .flat_map(|address| self.realms.near(address));
        let mut near: Vec<_> = near.filter(|id| offer.contains(id)).cloned().collect();
        near.sort();
        near.dedup();
        near
    }

    /// Whether outsiders are not to learn whose people sign in with it.
    pub(crate) fn is_private(&self, id: &ConnectionId) -> bool {
        let found = self.enabled(id);
        found.is_some_and(|(_, settings)| settings.common.is_private())
    }

    /// Whether any may be begun with before somebody has chosen it.
    pub(crate) fn may_be_preselected(&self) -> bool {
        self.may_be_preselected
    }

    pub(super) fn realms(&self) -> &Realms {
        &self.realms
    }

    /// Whether any of them passes a parameter of this name on to its provider.
    pub(crate) fn passes(&self, name: &str) -> bool {
        self.passed.contains(name)
    }

    /// Those that may be used and take client certificates, as far as that goes.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Desk> {
        let all = self.certificates.iter();
        all.filter_map(|connection| connection.certificates())
    }

    /// Whether one of them asks for certificates at the origin that a visitor came to.
    pub(crate) fn ask_for_certificates_at(&self, client: &ClientFacts) -> bool {
        let mut origins = self.certificates().filter_map(Desk::origin);
        origins.any(|origin| {
            origin.scheme == client.scheme
                && origin.host == client.host.host
                && origin.explicit_port() == client.host.port
        })
    }
}
