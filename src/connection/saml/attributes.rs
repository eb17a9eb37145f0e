//! From attributes to claims: under their names and friendly names, and those that everybody knows
//! under the names of the profile's fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::assertion::{Assertion, Attribute};
use crate::{
    connection::{Mapping, config::Field},
    problem::Problem,
};

/// What the well-known attributes are: the names of `LDAP` attributes as object identifiers (SAML
/// V2.0 X.500/LDAP attribute profile), and those of WS-Federation and Microsoft.
const KNOWN: [(&str, &[&str]); 6] = [
    (
        "email",
        &[
            "email",
            "mail",
            "emailAddress",
            "urn:oid:0.9.2342.19200300.100.1.3",
            "urn:oid:1.2.840.113549.1.9.1",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        ],
    ),
    (
        "name",
        &[
            "name",
            "displayName",
            "urn:oid:2.16.840.1.113730.3.1.241",
            "http://schemas.microsoft.com/identity/claims/displayname",
            "cn",
            "urn:oid:2.5.4.3",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        ],
    ),
    (
        "given_name",
        &[
            "givenName",
            "firstName",
            "urn:oid:2.5.4.42",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
        ],
    ),
    (
        "family_name",
        &[
            "sn",
            "surname",
            "lastName",
            "urn:oid:2.5.4.4",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
        ],
    ),
    (
        "preferred_username",
        &[
            "uid",
            "username",
            "urn:oid:0.9.2342.19200300.100.1.1",
            "urn:oid:1.3.6.1.4.1.5923.1.1.1.6",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
        ],
    ),
    (
        GROUPS,
        &[
            "groups",
            "memberOf",
            "isMemberOf",
            "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
            "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
            "http://schemas.xmlsoap.org/claims/Group",
        ],
    ),
];
const GROUPS: &str = "groups";

/// Where the fields of a profile are: as is set, or as everybody knows.
pub(super) fn mapping(set: &BTreeMap<Field, String>) -> Result<Mapping, Vec<Problem>> {
    Mapping::new(set).map(Mapping::with_texts_as_lists)
}

/// The claims of an assertion.
pub(super) fn claims(assertion: &Assertion) -> Map<String, Value> {
    let mut claims = Map::new();
    for attribute in &assertion.attributes {
        let value = value(attribute);
        if let Some(friendly) = &attribute.friendly_name {
            claims.entry(friendly.clone()).or_insert(value.clone());
        }
        claims.insert(attribute.name.clone(), value);
    }
    for (claim, names) in KNOWN {
        let found = names.iter().find_map(|name| claims.get(*name)).cloned();
        let found = found.filter(|_| !claims.contains_key(claim));
        if let Some(value) = found {
            // A person has one address and one name: of several, none is chosen.
            if claim == GROUPS || !value.is_array() {
                claims.insert(claim.to_owned(), value);
            }
        }
    }
    claims
}

/// The attribute of that name or friendly name, if it has one value.
pub(super) fn only<'a>(assertion: &'a Assertion, name: &str) -> Option<&'a str> {
    let by_name = |one: &&Attribute| one.name == name;
    let by_friendly_name = |one: &&Attribute| one.friendly_name.as_deref() == Some(name);
    let mut all = assertion.attributes.iter();
    let found = all
        .find(by_name)
        .or_else(|| assertion.attributes.iter().find(by_friendly_name))?;
    match &found.values[..] {
        [value] => Some(value.trim()),
        _ => None,
    }
}

fn value(attribute: &Attribute) -> Value {
    match &attribute.values[..] {
        [value] => value.clone().into(),
        values => values.to_vec().into(),
    }
}
