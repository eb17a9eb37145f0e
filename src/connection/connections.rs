//! The connections of one generation of the configuration.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use super::{Common, Connection, InlineForm, PasswordForm, UpstreamParam, certificate::Desk};
use crate::{
    identity::ConnectionId,
    protocol::{ClientFacts, EmailAddress, Host},
};

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
    /// Changes with any of the settings: a flow that began before the change does not go on.
    pub(crate) fingerprint: u64,
}

impl ConnectionSettings {
    /// What the login page draws.
    pub(crate) fn icon(&self) -> &str {
        self.common.icon.as_deref().unwrap_or(self.strategy)
    }
}

/// All connections, found by name and by e-mail domain in constant time.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: HashMap<ConnectionId, Entry>,
    /// In the order of their names.
    names: Vec<ConnectionId>,
    domains: Domains,
    /// Those that may be used and take client certificates.
    certificates: Vec<Arc<dyn Connection>>,
    /// What the query of a login may have for a provider.
    passed: HashSet<String>,
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

/// Home realm discovery: exact domains in a map, `*.domain` by walking up the labels.
#[derive(Debug, Default)]
struct Domains {
    exact: HashMap<String, Vec<ConnectionId>>,
    below: HashMap<String, Vec<ConnectionId>>,
}

impl Connections {
    /// Takes the connections in.
    pub(crate) fn new(opened: Vec<(Arc<dyn Connection>, ConnectionSettings)>) -> Self {
        let mut connections = Self::default();
        for (connection, settings) in opened {
            let id = connection.id().clone();
            if settings.common.enabled {
                connections.domains.add(&id, &settings.common.domains);
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

    /// The first of these that has a form for the login page itself.
    pub(crate) fn inline(&self, offered: &[ConnectionId]) -> Option<(ConnectionId, PasswordForm)> {
        offered.iter().find_map(|id| {
            let (connection, settings) = self.enabled(id)?;
            let InlineForm::Password(form) =
                connection.inline().filter(|_| settings.common.button)?;
            Some((id.clone(), form))
        })
    }

    /// Which of these take people of this address's domain.
    pub(crate) fn by_domain(&self, typed: &str, offered: &[ConnectionId]) -> Vec<ConnectionId> {
        let Ok(address) = EmailAddress::parse(typed) else {
            return Vec::new();
        };
        let mut found = self.domains.of(address.domain());
        found.retain(|id| offered.contains(id));
        found
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

    /// Whether any of these is found by a domain.
    pub(crate) fn any_by_domain(&self, offered: &[ConnectionId]) -> bool {
        let mut settings = offered.iter().filter_map(|id| self.enabled(id));
        settings.any(|(_, settings)| !settings.common.domains.is_empty())
    }
}

impl Domains {
    fn add(&mut self, id: &ConnectionId, patterns: &[String]) {
        for pattern in patterns {
            let (map, domain) = match pattern.strip_prefix("*.") {
                Some(domain) => (&mut self.below, domain),
                None => (&mut self.exact, pattern.as_str()),
            };
            // The loader has refused whatever is no domain.
            if let Ok(host) = Host::parse(domain) {
                map.entry(host.as_str().to_owned())
                    .or_default()
                    .push(id.clone());
            }
        }
    }

    fn of(&self, domain: &str) -> Vec<ConnectionId> {
        let mut found = self.exact.get(domain).cloned().unwrap_or_default();
        let mut rest = domain;
        while let Some((_, parent)) = rest.split_once('.') {
            found.extend(self.below.get(parent).into_iter().flatten().cloned());
            rest = parent;
        }
        found.sort();
        found.dedup();
        found
    }
}
