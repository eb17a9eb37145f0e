//! Who somebody is in a directory.

use std::collections::HashMap;

use super::{ChangePassword, groups::Groups, refused::Refused};
use crate::{
    connection::LoginName,
    egress::ldap::Entry,
    identity::Subject,
    protocol::ldap::{Dn, FilterTemplate, NameTemplate, value},
};

/// How people and their groups are found.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) base_dn: String,
    pub(super) user_base: String,
    pub(super) user_filter: FilterTemplate,
    pub(super) direct_bind: Option<NameTemplate>,
    /// In lower case.
    pub(super) domain_names: Vec<String>,
    pub(super) user_id: String,
    pub(super) username: String,
    /// All that is read of a person.
    pub(super) attributes: Vec<String>,
    pub(super) groups: Groups,
    pub(super) disabled: Option<FilterTemplate>,
    pub(super) change_password: ChangePassword,
}

/// What somebody typed to say who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Typed {
    pub(super) login: String,
    /// Without the name of a domain.
    pub(super) username: String,
}

/// Somebody's entry.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) entry: Entry,
    pub(super) subject: Subject,
}

/// Somebody with all that is asked about them.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) groups: Vec<String>,
}

impl Rules {
    /// What was typed. `None`: it names a domain that is not ours.
    pub(super) fn typed(&self, login: &LoginName) -> Option<Typed> {
        let login = login.as_str();
        let ours = |domain: &str| self.domain_names.iter().any(|one| one == domain);
        let username = match (login.split_once('\\'), login.rsplit_once('@')) {
            (Some((domain, name)), _) if !self.domain_names.is_empty() => {
                ours(domain).then_some(name)?
            }
            (None, Some((name, domain))) if ours(domain) => name,
            _ => login,
        };
        Some(Typed {
            login: login.to_owned(),
            username: username.to_owned(),
        })
    }

    fn subject(&self, entry: &Entry) -> Result<Subject, Refused> {
        let none = || Refused::NoId(self.user_id.clone());
        let [octets] = entry.values(&self.user_id) else {
            return Err(none());
        };
        let text = text_of(&self.user_id, octets).ok_or_else(none)?;
        text.parse().map_err(|_| none())
    }

    /// Who an entry is of.
    pub(super) fn person(&self, entry: Entry) -> Result<Person, Refused> {
        let within = Dn::parse(&entry.dn)
            .ok()
            .zip(Dn::parse(&self.base_dn).ok())
            .is_some_and(|(dn, base)| dn.is_within(&base));
        if !within {
            return Err(Refused::Outside(entry.dn));
        }
        let subject = self.subject(&entry)?;
        Ok(Person { entry, subject })
    }
}

impl Typed {
    /// Its value of this name in templates.
    pub(super) fn value(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "login" => Some(self.login.clone().into_bytes()),
            "username" => Some(self.username.clone().into_bytes()),
            _ => None,
        }
    }
}

/// A value as text: identifiers in the way in which their tools write them.
pub(super) fn text_of(attribute: &str, octets: &[u8]) -> Option<String> {
    match attribute.to_ascii_lowercase().as_str() {
        "objectguid" => value::guid(octets),
        "objectsid" => value::sid(octets),
        _ => std::str::from_utf8(octets).ok().map(str::to_owned),
    }
}

/// Those that were found, by who they are; an identifier that two have is nobody's.
pub(super) fn by_subject(people: Vec<Person>) -> HashMap<Subject, Option<Person>> {
    let mut found = HashMap::new();
    for person in people {
        let subject = person.subject.clone();
        let before = found.insert(subject.clone(), Some(person));
        if before.is_some() {
            found.insert(subject, None);
        }
    }
    found
}
