//! What everybody knows of attributes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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
            "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        ],
    ),
];
const GROUPS: &str = "groups";

/// Where the fields of a profile are: as is set, or as everybody knows.
pub(crate) fn mapping(set: &BTreeMap<Field, String>) -> Result<Mapping, Vec<Problem>> {
    Mapping::new(set).map(Mapping::with_texts_as_lists)
}

/// Adds the claims that everybody knows under the names of the profile's fields.
pub(crate) fn name_known(claims: &mut Map<String, Value>) {
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
}
