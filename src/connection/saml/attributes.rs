//! From attributes to claims: under their names and friendly names, and those that everybody knows
//! under the names of the profile's fields.

use serde_json::{Map, Value};

use super::assertion::{Assertion, Attribute};
use crate::connection::federation::name_known;

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
    name_known(&mut claims);
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
