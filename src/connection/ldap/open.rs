//! From the keys of the configuration to a connection.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{
    Config, Ldap, NestedGroups,
    certificate::{Certificates, user_filter},
    directory::{Directory, GroupSearch, Groups, Rules},
    kerberos::Kerberos,
    servers::{Credentials, Servers},
};
use crate::{
    connection::{
        Common, Connection, Field, Mapping, certificate,
        registry::{OpenConnection, Parts},
    },
    egress::ldap::{Limits, Server, Tls},
    identity::ConnectionId,
    problem::Problem,
    protocol::ldap::{Dn, FilterTemplate, NameTemplate},
};

/// What a person typed, and the same without the name of a domain.
pub(super) const TYPED: [&str; 2] = ["login", "username"];
const GROUP_HOLES: [&str; 2] = ["dn", "username"];
const DISABLED_HOLES: [&str; 2] = ["filetime", "now"];

const USER_FILTER: &str = "(&(objectClass=person)(uid={username}))";
const GROUP_FILTER: &str = "(&(objectClass=groupOfNames)(member={dn}))";

const CONNECT: Duration = Duration::from_secs(5);
const OPERATION: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 32;
const MOST_CONNECTIONS: usize = 1024;
const MOST_SERVERS: usize = 16;
const RECHECK: Duration = Duration::from_mins(15);
const LEAST_RECHECK: Duration = Duration::from_secs(10);

/// The attributes that everybody knows (RFC 2798, RFC 4519), for the fields of the profile.
const CLAIMS: [(Field, &str); 8] = [
    (Field::Email, "mail[0] | mail"),
    (Field::FamilyName, "sn[0] | sn"),
    (Field::GivenName, "givenName[0] | givenName"),
    (Field::Groups, "groups"),
    (Field::Locale, "preferredLanguage"),
    (Field::Name, "displayName | cn[0] | cn"),
    (Field::PhoneNumber, "telephoneNumber[0] | telephoneNumber"),
    (Field::Website, "labeledURI"),
];

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
struct Problems(Vec<Problem>);

impl Problems {
    fn take<T, E: std::fmt::Display>(&mut self, key: &str, found: Result<T, E>) -> Option<T> {
        found
            .map_err(|error| self.0.push(Problem::new(key, error.to_string())))
            .ok()
    }

    fn add(&mut self, key: &str, message: &str, hint: &str) {
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

    fn rules(&self, problems: &mut Problems) -> Option<Rules> {
        problems.take("base_dn", Dn::parse(&self.base_dn))?;
        let user_base = self.below(&mut *problems, "user_base_dn", self.user_base_dn.as_deref());
        let user_filter = self.user_filter.as_deref().unwrap_or(USER_FILTER);
        let user_filter = FilterTemplate::parse(user_filter, &TYPED);
        let user_filter = problems.take("user_filter", user_filter);
        let direct_bind = self.direct_bind.as_deref();
        let direct_bind = direct_bind
            .map(|name| NameTemplate::parse(name, &TYPED))
            .transpose();
        let direct_bind = problems.take("direct_bind", direct_bind);
        let disabled = self.disabled_filter.as_deref();
        let disabled = disabled
            .map(|filter| FilterTemplate::parse(filter, &DISABLED_HOLES))
            .transpose();
        let disabled = problems.take("disabled_filter", disabled);
        let groups = self.groups(problems);
        let user_id = self.user_id_attribute.as_deref().unwrap_or("entryUUID");
        let username = self.username_attribute.as_deref().unwrap_or("uid");
        Some(Rules {
            base_dn: self.base_dn.clone(),
            user_base: user_base?,
            user_filter: user_filter?,
            direct_bind: direct_bind?,
            domain_names: self
                .domain_names
                .iter()
                .map(|one| one.to_lowercase())
                .collect(),
            user_id: user_id.to_owned(),
            username: username.to_owned(),
            attributes: Vec::new(),
            groups: groups?,
            disabled: disabled?,
            change_password: self.change_password,
        })
    }

    fn groups(&self, problems: &mut Problems) -> Option<Groups> {
        let name = self
            .group_name_attribute
            .as_deref()
            .unwrap_or("cn")
            .to_owned();
        if let Some(attribute) = &self.group_attribute {
            if self.group_filter.is_some() {
                let message = "groups are either looked up or read from the person's entry";
                problems.add("group_attribute", message, "set it or group_filter");
            }
            let base = self.below(problems, "group_base_dn", self.group_base_dn.as_deref())?;
            let base = problems.take("group_base_dn", Dn::parse(&base))?;
            let attribute = attribute.clone();
            return Some(Groups::Attribute { attribute, base });
        }
        let filter = self.group_filter.as_deref().unwrap_or(GROUP_FILTER);
        if filter.is_empty() {
            return Some(Groups::None);
        }
        let filter = FilterTemplate::parse(filter, &GROUP_HOLES);
        let filter = problems.take("group_filter", filter);
        let base = self.below(problems, "group_base_dn", self.group_base_dn.as_deref());
        Some(Groups::Search(GroupSearch {
            base: base?,
            filter: filter?,
            name,
            recursive: self.nested_groups == NestedGroups::Recursive,
        }))
    }

    /// A name that ends in the base's, or is put before it.
    fn below(&self, problems: &mut Problems, key: &str, written: Option<&str>) -> Option<String> {
        let Some(written) = written.filter(|written| !written.is_empty()) else {
            return Some(self.base_dn.clone());
        };
        let whole = problems.take(key, Dn::parse(written))?;
        let base = Dn::parse(&self.base_dn).ok()?;
        Some(if whole.is_within(&base) {
            written.to_owned()
        } else {
            format!("{written},{}", self.base_dn)
        })
    }

    /// All that is read of a person, each once.
    fn attributes(&self, rules: &Rules, mapping: &Mapping) -> Vec<String> {
        let group = match &rules.groups {
            Groups::Attribute { attribute, .. } => Some(attribute.as_str()),
            Groups::None | Groups::Search(_) => None,
        };
        let mut all: Vec<String> = Vec::new();
        let named = [rules.user_id.as_str(), &rules.username]
            .into_iter()
            .chain(group);
        let further = self.attributes.iter().map(String::as_str);
        // These are not the directory's.
        let mapped = mapping
            .names()
            .filter(|name| !["dn", "groups"].contains(name));
        for name in named.chain(further).chain(mapped) {
            if !all.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                all.push(name.to_owned());
            }
        }
        all
    }

    fn mapping(&self, common: &Common, problems: &mut Problems) -> Option<Mapping> {
        let username = self.username_attribute.as_deref().unwrap_or("uid");
        let standard = CLAIMS
            .iter()
            .map(|(field, path)| (*field, (*path).to_owned()));
        let mut standard: BTreeMap<Field, String> = standard.collect();
        for field in [Field::PreferredUsername, Field::Nickname] {
            standard.insert(field, format!("{username}[0] | {username}"));
        }
        let mapping = Mapping::new(&standard)
            .and_then(|mapping| mapping.over(&common.claims))
            .map_err(|found| problems.0.extend(found));
        mapping.ok().map(Mapping::with_texts_as_lists)
    }
}
