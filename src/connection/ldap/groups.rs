//! The groups that somebody is in.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use rasn_ldap::Filter;

use super::{
    person::Person,
    refused::{self, Refused},
};
use crate::{
    egress::ldap::{LdapError, LdapStream, Scope, Search},
    protocol::ldap::{Dn, FilterTemplate},
};

/// Groups of groups are followed so far.
const DEEPEST_GROUP: usize = 16;
/// Nobody may be in more groups: a list that is cut would hide what was cut.
const MOST_GROUPS: usize = 5000;
/// Groups that are asked about in one search.
const GROUPS_AT_ONCE: usize = 50;
/// Where groups are from.
#[derive(Debug)]
pub(super) enum Groups {
    /// An attribute of the person has their names; those below `base` count.
    Attribute {
        attribute: String,
        base: Dn,
    },
    None,
    Search(GroupSearch),
}

/// How groups are looked up.
#[derive(Debug)]
pub(super) struct GroupSearch {
    pub(super) base: String,
    pub(super) filter: FilterTemplate,
    /// The attribute that a group is called by; `dn`: its whole name.
    pub(super) name: String,
    pub(super) recursive: bool,
}

impl Groups {
    /// Where they are looked for.
    pub(super) fn place(&self) -> Option<&str> {
        match self {
            Self::Search(search) => Some(&search.base),
            Self::Attribute { .. } | Self::None => None,
        }
    }

    /// The names of all groups of somebody.
    pub(super) async fn of(
        &self,
        stream: &mut LdapStream,
        person: &Person,
        username_attribute: &str,
    ) -> Result<Vec<String>, Refused> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Attribute { attribute, base } => {
                let values = person.entry.values(attribute);
                if values.len() > MOST_GROUPS || person.entry.has_more(attribute) {
                    return Err(Refused::TooManyGroups(MOST_GROUPS));
                }
                names_below(values, base)
            }
            Self::Search(search) => {
                let username = person.entry.values(username_attribute).first();
                let username = username.map(|value| value.to_vec());
                follow(stream, search, (&person.entry.dn, username)).await
            }
        }
    }
}

/// The names of groups below a base, of their whole names. One that cannot be read is not passed
/// over: a rule may be about it.
fn names_below(values: &[Bytes], base: &Dn) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    for value in values {
        let odd = || Refused::OddGroup(String::from_utf8_lossy(value).into_owned());
        let text = std::str::from_utf8(value).map_err(|_| odd())?;
        if Dn::parse(text).map_err(|_| odd())?.is_within(base) {
            names.push(Dn::first_value(text).ok_or_else(odd)?);
        }
    }
    Ok(names)
}

/// The groups that somebody is in, and those that these are in.
async fn follow(
    stream: &mut LdapStream,
    rules: &GroupSearch,
    (dn, username): (&str, Option<Vec<u8>>),
) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    // By their whole names: two groups may be called the same.
    let mut seen = HashSet::new();
    let mut left = VecDeque::from([(dn.to_owned(), username, 0)]);
    while !left.is_empty() {
        let most = left.len().min(GROUPS_AT_ONCE);
        let asked: Vec<_> = left.drain(..most).collect();
        let depth = asked.iter().map(|(.., depth)| *depth).max().unwrap_or(0);
        let filters = asked.iter().filter_map(|(dn, username, _)| {
            rules.filter.fill(&|name| match name {
                "dn" => Some(dn.clone().into_bytes()),
                "username" => username.clone(),
                _ => None,
            })
        });
        let mut filters: Vec<Filter> = filters.collect();
        let filter = match filters.len() {
            0 => continue,
            1 => filters.remove(0),
            _ => Filter::Or(filters.into()),
        };
        let search = Search {
            base: &rules.base,
            scope: Scope::Subtree,
            filter,
            attributes: std::slice::from_ref(&rules.name),
            most: MOST_GROUPS,
        };
        let found = stream.search(&search).await.map_err(|error| match error {
            LdapError::TooMany(_) => Refused::TooManyGroups(MOST_GROUPS),
            error => Refused::ldap(refused::GROUPS, error),
        })?;
        for entry in found {
            let odd = || Refused::OddGroup(entry.dn.clone());
            if !seen.insert(Dn::parse(&entry.dn).map_err(|_| odd())?) {
                continue;
            }
            if seen.len() > MOST_GROUPS || depth >= DEEPEST_GROUP {
                return Err(Refused::TooManyGroups(MOST_GROUPS));
            }
            let named = match rules.name.as_str() {
                "dn" => Some(entry.dn.as_str()),
                name => {
                    (entry.values(name).first()).and_then(|name| std::str::from_utf8(name).ok())
                }
            };
            names.push(named.ok_or_else(odd)?.to_owned());
            if rules.recursive {
                left.push_back((entry.dn, None, depth + 1));
            }
        }
    }
    Ok(names)
}
