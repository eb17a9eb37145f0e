//! From the keys of the configuration to a connection.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    Config, Ldap,
    certificate::{Certificates, user_filter},
    directory::Directory,
    kerberos::Kerberos,
    person::Rules,
    servers::{Credentials, Servers},
};
use crate::{
    connection::{
        Common, Connection, Mapping, certificate,
        registry::{OpenConnection, Parts},
    },
    egress::ldap::{Limits, Server, Tls},
    identity::ConnectionId,
    problem::Problem,
    protocol::ldap::FilterTemplate,
};

const CONNECT: Duration = Duration::from_secs(5);
const OPERATION: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 32;
const MOST_CONNECTIONS: usize = 1024;
const MOST_SERVERS: usize = 16;
const RECHECK: Duration = Duration::from_mins(15);
const LEAST_RECHECK: Duration = Duration::from_secs(10);
const LONGEST_RECHECK: Duration = Duration::from_hours(24);
impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        self.read(common).err().unwrap_or_default()
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let Set {
            servers,
            rules,
            mapping,
            recheck,
            kerberos,
            certificate_filter,
        } = self.read(common)?;
        let certificates = match (&self.certificate, certificate_filter) {
            (Some(config), Some(filter)) => {
                let opened = Certificates::open(config, filter, (id.clone(), parts));
                let under = |problem: Problem| problem.under("certificate");
                Some(opened.map_err(|found| found.into_iter().map(under).collect::<Vec<_>>())?)
            }
            _ => None,
        };
        let rules = Arc::new(rules);
        Ok(Arc::new(Ldap {
            id,
            directory: Directory::new(servers, rules, parts.clock.clone()),
            mapping,
            recheck,
            kerberos,
            certificates,
        }))
    }

    fn files(&self) -> Vec<&Path> {
        let keytab = self
            .kerberos
            .as_ref()
            .map(|kerberos| kerberos.keytab.as_path());
        let authorities = self.certificate.iter().flat_map(|config| config.ca.all());
        let authorities = authorities.map(std::path::PathBuf::as_path);
        let ca = self.ca.as_deref().into_iter();
        ca.chain(keytab).chain(authorities).collect()
    }

    fn certificates(&self) -> Option<&certificate::Config> {
        self.certificate.as_ref()
    }
}

/// What is set, read and checked.
struct Set {
    servers: Servers,
    rules: Rules,
    mapping: Mapping,
    recheck: Option<Duration>,
    kerberos: Option<Kerberos>,
    certificate_filter: Option<FilterTemplate>,
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        found: Result<T, E>,
    ) -> Option<T> {
        found
            .map_err(|error| self.0.push(Problem::new(key, error.to_string())))
            .ok()
    }

    pub(super) fn add(&mut self, key: &str, message: &str, hint: &str) {
        self.0.push(Problem::new(key, message).hint(hint));
    }
}

impl Config {
    fn read(&self, common: &Common) -> Result<Set, Vec<Problem>> {
        let mut problems = Problems::default();
        let servers = self.servers(&mut problems);
        let mut rules = self.rules(&mut problems);
        let mapping = self.mapping(common, &mut problems);
        if let (Some(rules), Some(mapping)) = (&mut rules, &mapping) {
            rules.attributes = self.attributes(rules, mapping);
        }
        let kerberos = self.kerberos.as_ref().map(|kerberos| {
            let username = self.username_attribute.as_deref().unwrap_or("uid");
            kerberos.read(username)
        });
        let kerberos = kerberos.transpose().unwrap_or_else(|found| {
            let found = found.into_iter();
            problems
                .0
                .extend(found.map(|problem| problem.under("kerberos")));
            None
        });
        let certificate_filter = self.certificates(&mut problems);
        for (key, is_set) in [
            ("kerberos", self.kerberos.is_some()),
            ("certificate", self.certificate.is_some()),
        ] {
            if is_set && self.direct_bind.is_some() {
                let message = "it is no password to bind with: somebody must look people up";
                problems.add(key, message, "set bind_dn instead of direct_bind");
            }
        }
        let recheck = self.recheck.map_or(RECHECK, |span| span.0);
        if !recheck.is_zero() && recheck < LEAST_RECHECK {
            problems.add(
                "recheck",
                "that is too often",
                "10s at least, or 0s for never",
            );
        }
        if recheck > LONGEST_RECHECK {
            problems.add(
                "recheck",
                "that is too seldom",
                "a day at most, or 0s for never",
            );
        }
        if self.direct_bind.is_some() && self.recheck.is_some_and(|span| !span.0.is_zero()) {
            let message = "nobody looks people up, so nobody can look again";
            problems.add(
                "recheck",
                message,
                "set bind_dn instead of direct_bind, or 0s",
            );
        }
        self.check_attributes(&mut problems);
        if !common.upstream_params.is_empty() {
            problems.add(
                "upstream_params",
                "a directory is asked by no browser, so nothing is passed on",
                "remove it",
            );
        }
        match (servers, rules, mapping) {
            (Some(servers), Some(rules), Some(mapping)) if problems.0.is_empty() => {
                // Only the account that looks people up can look again.
                let looks = rules.direct_bind.is_none() && !recheck.is_zero();
                Ok(Set {
                    servers,
                    rules,
                    mapping,
                    recheck: looks.then_some(recheck),
                    kerberos,
                    certificate_filter,
                })
            }
            _ => Err(problems.0),
        }
    }

    /// How the directory is asked for whom a certificate names.
    fn certificates(&self, problems: &mut Problems) -> Option<FilterTemplate> {
        let Some(config) = &self.certificate else {
            if self.certificate_user_filter.is_some() {
                let message = "no certificates are taken";
                problems.add("certificate_user_filter", message, "set certificate");
            }
            return None;
        };
        let found = config.problems().into_iter();
        problems
            .0
            .extend(found.map(|problem| problem.under("certificate")));
        let username = self.username_attribute.as_deref().unwrap_or("uid");
        let written = self.certificate_user_filter.as_deref();
        user_filter(config, written, username)
            .map_err(|problem| problems.0.push(problem))
            .ok()
    }

    fn servers(&self, problems: &mut Problems) -> Option<Servers> {
        if self.servers.is_empty() || self.servers.len() > MOST_SERVERS {
            problems.add(
                "servers",
                "a directory has 1 to 16 servers",
                "like servers = [\"ldaps://ldap.example.com\"]",
            );
        }
        let mut servers = Vec::new();
        for (index, text) in self.servers.iter().enumerate() {
            let key = format!("servers[{index}]");
            servers.extend(problems.take(&key, Server::parse(text, self.danger_plain_ldap)));
        }
        let ca = self.ca.as_deref().map(std::fs::read).transpose();
        let ca = problems.take("ca", ca)?;
        let tls = problems.take("ca", Tls::new(ca.as_deref()))?;
        let limits = Limits {
            connect: self.limit("connect_timeout", self.connect_timeout, CONNECT, problems),
            operation: self.limit("timeout", self.timeout, OPERATION, problems),
        };
        let at_once = self.connections.unwrap_or(CONNECTIONS);
        if !(1..=MOST_CONNECTIONS).contains(&at_once) {
            let message = "so many connections are not possible";
            problems.add("connections", message, "1 to 1024");
        }
        let reader = self.reader(problems);
        Some(Servers::new(servers, tls, limits, (at_once, reader)))
    }

    fn limit(
        &self,
        key: &str,
        span: Option<crate::units::Span>,
        default: Duration,
        problems: &mut Problems,
    ) -> Duration {
        let limit = span.map_or(default, |span| span.0);
        if limit.is_zero() || limit > LONGEST {
            problems.add(
                key,
                "somebody waits for it",
                "more than 0s, and 60s at most",
            );
        }
        limit
    }

    /// The account that looks people up.
    fn reader(&self, problems: &mut Problems) -> Option<Credentials> {
        match (&self.bind_dn, &self.bind_password) {
            (None, None) => None,
            (Some(name), Some(password)) => {
                if self.direct_bind.is_some() {
                    let message = "people bind themselves, so nobody looks them up";
                    problems.add("bind_dn", message, "set either bind_dn or direct_bind");
                }
                if name.is_empty() || password.expose().trim().is_empty() {
                    let message = "a bind without a password proves nothing";
                    problems.add("bind_password", message, "RFC 4513 section 5.1.2");
                }
                Some(Credentials {
                    name: name.clone(),
                    password: password.clone(),
                })
            }
            (Some(_), None) => {
                let message = "the key bind_password is missing";
                problems.add("bind_dn", message, "bind_password = { env = \"…\" }");
                None
            }
            (None, Some(_)) => {
                let message = "the key bind_dn is missing";
                problems.add("bind_password", message, "whose password is it?");
                None
            }
        }
    }
}
