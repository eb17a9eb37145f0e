//! From the keys of the configuration to how people and their groups are found.

use std::collections::BTreeMap;

use super::{
    Config, NestedGroups,
    groups::{GroupSearch, Groups},
    open::Problems,
    person::Rules,
};
use crate::{
    connection::{Common, Field, Mapping},
    protocol::ldap::{Dn, FilterTemplate, NameTemplate, attribute},
};

/// What a person typed, and the same without the name of a domain.
pub(super) const TYPED: [&str; 2] = ["login", "username"];
const GROUP_HOLES: [&str; 2] = ["dn", "username"];
const DISABLED_HOLES: [&str; 2] = ["filetime", "now"];

const USER_FILTER: &str = "(&(objectClass=person)(uid={username}))";
const GROUP_FILTER: &str = "(&(objectClass=groupOfNames)(member={dn}))";
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

impl Config {
    /// Names that are no attributes, and passwords among those that are read.
    pub(super) fn check_attributes(&self, problems: &mut Problems) {
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

    pub(super) fn rules(&self, problems: &mut Problems) -> Option<Rules> {
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
    pub(super) fn attributes(&self, rules: &Rules, mapping: &Mapping) -> Vec<String> {
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

    pub(super) fn mapping(&self, common: &Common, problems: &mut Problems) -> Option<Mapping> {
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
