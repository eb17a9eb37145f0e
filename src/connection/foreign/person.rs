//! From what a store says about somebody to an identity.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::StoreFault;
use crate::{
    connection::{Common, Field, Mapping, TooManyClaims},
    identity::{ConnectionId, Identity, Subject},
    problem::Problem,
};

/// Which columns of a row are no claims but something of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Columns {
    /// Who somebody is for good. Default: `id`.
    pub(crate) subject: String,
    /// The hash of the password. Default: `password_hash`.
    pub(crate) password_hash: String,
    /// Groups: a list in JSON, or names with commas between. Default: `groups`.
    pub(crate) groups: String,
    /// True for whoever must not come in. Default: `blocked`, if there is one.
    pub(crate) blocked: Option<String>,
    /// False for whoever must not come in, like Django's `is_active`. Default: none.
    pub(crate) active: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            subject: "id".to_owned(),
            password_hash: "password_hash".to_owned(),
            groups: "groups".to_owned(),
            blocked: None,
            active: None,
        }
    }
}

/// Somebody whom a store knows.
#[derive(Clone, Debug)]
pub(in crate::connection) struct Found {
    pub(in crate::connection) subject: Subject,
    /// All it says that is no secret.
    pub(in crate::connection) claims: Map<String, Value>,
    /// The store lets them not in.
    pub(in crate::connection) closed: bool,
    /// What their password is checked against, where that is done here.
    pub(in crate::connection) password_hash: Option<StoredHash>,
}

/// A password hash of a store; `Debug` hides it.
#[derive(Clone)]
pub(in crate::connection) struct StoredHash(pub(in crate::connection) String);

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hash]")
    }
}

/// Where the fields of the profile are in what a store says.
#[derive(Clone, Debug)]
pub(in crate::connection) struct People(Mapping);

/// What applications call these fields.
const CLAIMS: [(Field, &str); 5] = [
    (Field::FamilyName, "family_name | last_name"),
    (Field::GivenName, "given_name | first_name"),
    (Field::Name, "name | display_name | full_name"),
    (Field::Nickname, "nickname | username"),
    (Field::PreferredUsername, "preferred_username | username"),
];

impl People {
    pub(in crate::connection) fn new(common: &Common) -> Result<Self, Vec<Problem>> {
        let standard = CLAIMS.map(|(field, path)| (field, path.to_owned()));
        let mapping = Mapping::new(&BTreeMap::from(standard))?;
        Ok(Self(mapping.over(&common.claims)?))
    }

    /// What the store asserts of somebody.
    pub(super) fn identity(
        &self,
        connection: &ConnectionId,
        found: &Found,
    ) -> Result<Identity, TooManyClaims> {
        let (profile, groups) = self.0.apply(&found.claims)?;
        Ok(Identity {
            connection: connection.clone(),
            subject: found.subject.clone(),
            profile,
            claims: found.claims.clone(),
            groups,
        })
    }
}

impl Columns {
    /// Takes a row apart.
    pub(in crate::connection) fn read(
        &self,
        mut row: Map<String, Value>,
    ) -> Result<Found, StoreFault> {
        let subject = row.get(&self.subject).unwrap_or(&Value::Null);
        let subject = subject_of(subject).ok_or_else(|| {
            StoreFault::Misbehaved(format!(
                "the column {:?} does not say who it is: it has to be a text or a whole number",
                self.subject
            ))
        })?;
        let password_hash = match row.remove(&self.password_hash) {
            Some(Value::String(hash)) => Some(StoredHash(hash)),
            None => None,
            // No password at all: one that nothing matches.
            Some(_) => Some(StoredHash(String::new())),
        };
        let blocked = match &self.blocked {
            Some(column) => flag(&row, column)?,
            None if row.contains_key("blocked") => flag(&row, "blocked")?,
            None => false,
        };
        let active = match &self.active {
            Some(column) => flag(&row, column)?,
            None => true,
        };
        if let Some(groups) = row.remove(&self.groups) {
            row.insert("groups".to_owned(), list(groups));
        }
        Ok(Found {
            subject,
            claims: row,
            closed: blocked || !active,
            password_hash,
        })
    }
}

/// An identifier as text.
pub(in crate::connection) fn subject_of(value: &Value) -> Option<Subject> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            number.to_string().parse().ok()
        }
        _ => None,
    }
}

/// What is neither yes nor no lets nobody in.
fn flag(row: &Map<String, Value>, column: &str) -> Result<bool, StoreFault> {
    match row.get(column) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Number(number)) if number.as_i64() == Some(0) => Ok(false),
        Some(Value::Number(number)) if number.as_i64() == Some(1) => Ok(true),
        _ => Err(StoreFault::Misbehaved(format!(
            "the column {column:?} is neither true nor false"
        ))),
    }
}

/// A list in JSON, or names with commas between.
fn list(groups: Value) -> Value {
    let Value::String(text) = &groups else {
        return groups;
    };
    if let Ok(list @ Value::Array(_)) = serde_json::from_str(text) {
        return list;
    }
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(columns: &Columns, row: Value) -> Result<Found, StoreFault> {
        let Value::Object(row) = row else {
            panic!("no row")
        };
        columns.read(row)
    }

    #[test]
    fn who_somebody_is_has_to_be_said() {
        let columns = Columns::default();
        for (id, subject) in [
            (json!(7), "7"),
            (json!(-1), "-1"),
            (
                json!(18_446_744_073_709_551_615_u64),
                "18446744073709551615",
            ),
            (json!("0b6e"), "0b6e"),
        ] {
            let found = read(&columns, json!({ "id": id, "email": "a@b.example" })).unwrap();
            assert_eq!(found.subject.as_str(), subject);
        }
        for id in [json!(null), json!(1.5), json!(true), json!(""), json!([1])] {
            assert!(read(&columns, json!({ "id": id })).is_err(), "{id}");
        }
        assert!(read(&columns, json!({ "email": "a@b.example" })).is_err());
    }

    #[test]
    fn what_is_neither_yes_nor_no_lets_nobody_in() {
        let columns = Columns {
            active: Some("is_active".to_owned()),
            ..Columns::default()
        };
        for (active, closed) in [(json!(true), false), (json!(1), false), (json!(0), true)] {
            let found = read(&columns, json!({ "id": 1, "is_active": active })).unwrap();
            assert_eq!(found.closed, closed);
        }
        for active in [json!(null), json!("t"), json!(2)] {
            assert!(read(&columns, json!({ "id": 1, "is_active": active })).is_err());
        }
        assert!(read(&columns, json!({ "id": 1 })).is_err());
        let found = read(
            &columns,
            json!({ "id": 1, "is_active": 1, "blocked": true }),
        );
        assert!(found.unwrap().closed);
    }

    #[test]
    fn a_hash_is_no_claim_and_groups_are_a_list() {
        let row = json!({ "id": 1, "password_hash": "canary", "groups": "a, b,,c" });
        let found = read(&Columns::default(), row).unwrap();
        assert_eq!(found.claims["groups"], json!(["a", "b", "c"]));
        assert!(!found.claims.contains_key("password_hash"));
        assert!(!format!("{found:?}").contains("canary"));
        let row = json!({ "id": 1, "groups": "[\"x, y\"]" });
        let found = read(&Columns::default(), row).unwrap();
        assert_eq!(found.claims["groups"], json!(["x, y"]));
    }
}
