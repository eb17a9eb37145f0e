//! From the keys of the configuration to a connection.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{
    Config, Ldap, NestedGroups,
    certificate::{Certificates, user_filter},
    directory::{Directory, Rules},
    groups::{GroupSearch, Groups},
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
    protocol::ldap::{Dn, FilterTemplate, NameTemplate, attribute},
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
const LONGEST_RECHECK: Duration = Duration::from_hours(24);
/// What nobody may have as a claim.
const PASSWORDS: [&str; 3] = ["userpassword", "unicodepwd", "krbprincipalkey"];

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

    /// Names that are no attributes, and passwords among those that are read.
    fn check_attributes(&self, problems: &mut Problems) {
        let one = |key: &'static str, name: &Option<String>| {
            name.clone().map(|name| (key.to_owned(), name))
        };
        let mut all = vec![
            one("user_id_attribute", &self.user_id_attribute),
            one("username_attribute", &self.username_attribute),
            one("group_name_attribute", &self.group_name_attribute),
            one("group_attribute", &self.group_attribute),
        ];
        let further = self.attributes.iter().enumerate();
        all.extend(
            further.map(|(index, name)| Some((format!("attributes[{index}]"), name.clone()))),
        );
        for (key, name) in all.into_iter().flatten() {
            if PASSWORDS.contains(&name.to_ascii_lowercase().as_str()) {
                problems.add(&key, "a password is nobody's claim", "take it out");
            } else {
                problems.take(&key, attribute(&name));
            }
        }
        for (index, name) in self.domain_names.iter().enumerate() {
            if name.is_empty() || name.contains(['\\', '@', ' ']) {
                let key = format!("domain_names[{index}]");
                problems.add(
                    &key,
                    "it is no name of a domain",
                    "like \"CORP\" or \"corp.example.com\"",
                );
            }
        }
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
        if user_filter
            .as_ref()
            .is_some_and(|filter| !filter.depends_on(&TYPED))
        {
            let message = "whoever signs in would be the same person";
            problems.add("user_filter", message, "it must have {username} or {login}");
        }
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
            if self
                .group_filter
                .as_deref()
                .is_some_and(|filter| !filter.is_empty())
            {
                let message = "groups are either looked up or read from the person's entry";
                let hint = "set group_filter = \"\" to read them from the entry";
                problems.add("group_attribute", message, hint);
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
        if filter
            .as_ref()
            .is_some_and(|filter| !filter.depends_on(&GROUP_HOLES))
        {
            let message = "everybody would be in all of these groups";
            let hint =
                "it must have {dn} or {username}, like (&(objectClass=groupOfNames)(member={dn}))";
            problems.add("group_filter", message, hint);
        }
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
        let elsewhere = !whole.is_within(&base) && whole.has("dc");
        if elsewhere {
            problems.add(key, "it is not below base_dn", "like \"ou=people\"");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "servers = [\"ldaps://a\"]\nbase_dn = \"dc=corp,dc=test\"\n";

    fn problems(more: &str) -> Vec<String> {
        let config: Config = toml::from_str(&format!("{LEAST}{more}")).unwrap();
        let found = OpenConnection::problems(&config, &Common::default());
        found.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn what_would_let_the_wrong_people_in_is_refused() {
        assert_eq!(problems(""), [""; 0]);
        for (more, key) in [
            ("user_filter = \"(objectClass=person)\"", "user_filter"),
            ("user_filter = \"(|(uid={username})(cn=x))\"", "user_filter"),
            ("user_filter = \"(!(uid={login}))\"", "user_filter"),
            (
                "group_filter = \"(objectClass=groupOfNames)\"",
                "group_filter",
            ),
            ("bind_dn = \"cn=a\"", "bind_dn"),
            ("bind_password = \"x\"", "bind_password"),
            ("bind_dn = \"cn=a\"\nbind_password = \" \"", "bind_password"),
            ("direct_bind = \"alice@corp.test\"", "direct_bind"),
            (
                "direct_bind = \"{username}@a\"\nrecheck = \"1m\"",
                "recheck",
            ),
            ("recheck = \"1s\"", "recheck"),
            ("recheck = \"100000d\"", "recheck"),
            ("timeout = \"0s\"", "timeout"),
            ("connect_timeout = \"10m\"", "connect_timeout"),
            ("connections = 0", "connections"),
            ("attributes = [\"userPassword\"]", "attributes[0]"),
            ("attributes = [\"display name\"]", "attributes[0]"),
            ("user_id_attribute = \"entry uuid\"", "user_id_attribute"),
            ("domain_names = [\"CORP\\\\\"]", "domain_names[0]"),
            (
                "user_base_dn = \"ou=people,dc=other,dc=test\"",
                "user_base_dn",
            ),
            ("user_base_dn = \"people\"", "user_base_dn"),
            (
                "group_attribute = \"memberOf\"\ngroup_filter = \"(member={dn})\"",
                "group_attribute",
            ),
            ("disabled_filter = \"(a={login})\"", "disabled_filter"),
            (
                "certificate_user_filter = \"(mail={email})\"",
                "certificate_user_filter",
            ),
            ("ca = \"/nowhere.pem\"", "ca"),
            (
                "kerberos = { keytab = \"/nowhere\", networks = [\"10.0.0.0/8\"] }",
                "kerberos.keytab",
            ),
        ] {
            assert!(
                problems(more).iter().any(|found| found == key),
                "{more}: {:?}",
                problems(more)
            );
        }
        for more in [
            "group_filter = \"\"",
            "group_attribute = \"memberOf\"\ngroup_filter = \"\"",
            "user_base_dn = \"ou=people\"",
            "user_base_dn = \"ou=people,dc=corp,dc=test\"",
            "recheck = \"0s\"",
            "direct_bind = \"{username}@a\"\nrecheck = \"0s\"",
        ] {
            assert_eq!(problems(more), [""; 0], "{more}");
        }
    }

    #[test]
    fn servers_are_ldap_urls() {
        for servers in ["[]", "[\"ldap.example.com\"]", "[\"http://a\"]"] {
            let text = format!("servers = {servers}\nbase_dn = \"dc=corp\"");
            let config: Config = toml::from_str(&text).unwrap();
            let found = OpenConnection::problems(&config, &Common::default());
            assert!(
                found.iter().any(|one| one.key.starts_with("servers")),
                "{servers}"
            );
        }
        let text = "servers = [\"ldap://a\"]\nbase_dn = \"dc=corp\"\ndanger_plain_ldap = true";
        let config: Config = toml::from_str(text).unwrap();
        let found = OpenConnection::problems(&config, &Common::default());
        assert_eq!(found[0].key, "servers[0]");
    }
}
