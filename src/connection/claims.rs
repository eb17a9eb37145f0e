//! From what a provider says about a person to the normalised profile.
//!
//! Types are strict: a name that is an object is no name, and `email_verified` is true only as the
//! JSON value `true`. Whatever is not as it must be is left out, never turned into something else;
//! groups that are not a list of texts are not known, so that a rule about them refuses.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};

use super::config::Field;
use crate::{
    identity::{Groups, Profile},
    problem::Problem,
};

/// The longest text of a profile, in bytes; a longer one is left out.
const MOST_TEXT: usize = 2048;
/// What a path is like, for those who wrote another.
pub(crate) const PATH_HINT: &str = "a path is like \"name\", \"address.country\" or \
                                    \"emails[0].value\"; a name with dots stands in quotation marks";
/// More groups than this are none: a cut list would hide what was cut.
const MOST_GROUPS: usize = 10_000;
/// The longest name of a group, in bytes.
const MOST_GROUP: usize = 256;

/// What the claims of one person may take, in bytes of JSON: a session holds them in memory.
const MOST_CLAIMS: usize = 256 * 1024;

/// The provider says more about a person than is kept. To keep a part would hide what was cut from
/// the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the claims take {0} bytes, and {MOST_CLAIMS} at most are kept: ask for fewer scopes")]
pub(crate) struct TooManyClaims(usize);

/// Where each field is found.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    paths: Arc<BTreeMap<Field, Paths>>,
    /// Whether a text counts as a list of one: SAML does not say which it is.
    texts_as_lists: bool,
}

/// What most connections have, which all share.
static STANDARD: LazyLock<Mapping> = LazyLock::new(|| {
    let standard = FIELDS.map(|(field, name)| (field, Paths(vec![Path::of(name)])));
    Mapping {
        paths: Arc::new(BTreeMap::from(standard)),
        texts_as_lists: false,
    }
});

/// Several ways to a value: the first that leads somewhere counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Paths(Vec<Path>);

/// The way to a value: members and elements, from the outside in.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Path(Vec<Hop>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Hop {
    Element(usize),
    Member(String),
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("a name is missing")]
    Empty,
    #[error("a quotation mark or bracket is not closed, or stands where none can")]
    Unbalanced,
    #[error("an element has a number, counted from 0")]
    NoNumber,
}

/// The standard claims have the fields' names (OpenID Connect Core 1.0 section 5.1).
const FIELDS: [(Field, &str); 18] = [
    (Field::Birthdate, "birthdate"),
    (Field::Email, "email"),
    (Field::EmailVerified, "email_verified"),
    (Field::FamilyName, "family_name"),
    (Field::Gender, "gender"),
    (Field::GivenName, "given_name"),
    (Field::Groups, "groups"),
    (Field::Locale, "locale"),
    (Field::MiddleName, "middle_name"),
    (Field::Name, "name"),
    (Field::Nickname, "nickname"),
    (Field::PhoneNumber, "phone_number"),
    (Field::PhoneNumberVerified, "phone_number_verified"),
    (Field::Picture, "picture"),
    (Field::PreferredUsername, "preferred_username"),
    (Field::Profile, "profile"),
    (Field::Website, "website"),
    (Field::Zoneinfo, "zoneinfo"),
];

impl Mapping {
    /// The standard claims, but for what is written here: `field = "path"`, or several with `|`
    /// between, of which the first that leads somewhere counts.
    pub(crate) fn new(written: &BTreeMap<Field, String>) -> Result<Self, Vec<Problem>> {
        STANDARD.clone().over(written)
    }

    /// The same, where something else is written.
    pub(crate) fn over(mut self, written: &BTreeMap<Field, String>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (field, text) in written {
            match Paths::parse(text) {
                Ok(paths) => drop(Arc::make_mut(&mut self.paths).insert(*field, paths)),
                Err(error) => {
                    let key = format!("claims.{}", field.name());
                    problems.push(Problem::new(key, error.to_string()).hint(PATH_HINT));
                }
            }
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(problems)
        }
    }

    /// The same, where a text counts as a list of one.
    pub(crate) fn with_texts_as_lists(self) -> Self {
        Self {
            texts_as_lists: true,
            ..self
        }
    }

    /// The profile and the groups that these claims hold.
    pub(crate) fn apply(
        &self,
        claims: &Map<String, Value>,
    ) -> Result<(Profile, Groups), TooManyClaims> {
        let taken = serde_json::to_vec(claims).map_or(usize::MAX, |json| json.len());
        if taken > MOST_CLAIMS {
            return Err(TooManyClaims(taken));
        }
        let text = |field| self.find(claims, field).and_then(text_of);
        let flag = |field| self.find(claims, field) == Some(&Value::Bool(true));
        let profile = Profile {
            name: text(Field::Name),
            given_name: text(Field::GivenName),
            family_name: text(Field::FamilyName),
            middle_name: text(Field::MiddleName),
            nickname: text(Field::Nickname),
            preferred_username: text(Field::PreferredUsername),
            profile: text(Field::Profile),
            picture: text(Field::Picture),
            website: text(Field::Website),
            email: text(Field::Email),
            email_verified: flag(Field::EmailVerified),
            gender: text(Field::Gender),
            birthdate: text(Field::Birthdate),
            zoneinfo: text(Field::Zoneinfo),
            locale: text(Field::Locale),
            phone_number: text(Field::PhoneNumber),
            phone_number_verified: flag(Field::PhoneNumberVerified),
        };
        let groups = self.find(claims, Field::Groups);
        let groups = groups.filter(|value| !value.is_null());
        let groups = groups.map(|value| match value {
            Value::String(_) if self.texts_as_lists => groups_of(&vec![value.clone()].into()),
            value => groups_of(value),
        });
        Ok((profile, groups.unwrap_or_default()))
    }

    /// The names of all claims that something is found in.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let paths = self.paths.values().flat_map(|paths| &paths.0);
        paths.filter_map(|path| match path.0.first() {
            Some(Hop::Member(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    fn find<'a>(&self, claims: &'a Map<String, Value>, field: Field) -> Option<&'a Value> {
        self.paths.get(&field)?.find(claims)
    }
}

impl Paths {
    /// Reads paths with `|` between them.
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        text.split('|')
            .map(Path::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The first value that is there.
    pub(crate) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        self.0.iter().find_map(|path| path.follow(claims))
    }
}

impl Field {
    /// Its key in the configuration.
    fn name(self) -> &'static str {
        let found = FIELDS.into_iter().find(|(field, _)| *field == self);
        found.map_or("", |(_, name)| name)
    }
}

impl Path {
    fn of(name: &str) -> Self {
        Self(vec![Hop::Member(name.to_owned())])
    }

    fn parse(text: &str) -> Result<Self, PathError> {
        let mut rest = text.trim();
        let mut hops = Vec::new();
        loop {
            rest = if let Some(quoted) = rest.strip_prefix('"') {
                let (name, rest) = quoted.split_once('"').ok_or(PathError::Unbalanced)?;
                hops.push(member(name)?);
                rest
            } else {
                let end = rest.find(['.', '[', '"', ']']).unwrap_or(rest.len());
                let (name, rest) = rest.split_at_checked(end).ok_or(PathError::Unbalanced)?;
                hops.push(member(name)?);
                rest
            };
            while let Some(inside) = rest.strip_prefix('[') {
                let (number, after) = inside.split_once(']').ok_or(PathError::Unbalanced)?;
                let number = number.parse().map_err(|_| PathError::NoNumber)?;
                hops.push(Hop::Element(number));
                rest = after;
            }
            if rest.is_empty() {
                return Ok(Self(hops));
            }
            rest = rest.strip_prefix('.').ok_or(PathError::Unbalanced)?;
        }
    }

    fn follow<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let Hop::Member(name) = first else {
            return None;
        };
        let found = rest
            .iter()
            .try_fold(claims.get(name)?, |at, hop| match hop {
                Hop::Element(number) => at.as_array()?.get(*number),
                Hop::Member(name) => at.as_object()?.get(name),
            })?;
        (!found.is_null()).then_some(found)
    }
}

fn member(name: &str) -> Result<Hop, PathError> {
    let name = name.trim();
    if name.is_empty() {
        Err(PathError::Empty)
    } else {
        Ok(Hop::Member(name.to_owned()))
    }
}

/// A text that can be shown and written into a header: without control characters, and not empty.
fn text_of(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let sound = !text.is_empty() && text.len() <= MOST_TEXT && !text.chars().any(char::is_control);
    sound.then(|| text.to_owned())
}

/// The names of a list. One that is no name makes the whole list worth nothing.
fn groups_of(value: &Value) -> Groups {
    let names = |all: &Vec<Value>| {
        let one = |value: &Value| {
            let name = value.as_str()?;
            let sound =
                !name.is_empty() && name.len() <= MOST_GROUP && !name.chars().any(char::is_control);
            sound.then(|| name.to_owned())
        };
        (all.len() <= MOST_GROUPS)
            .then(|| all.iter().map(one).collect::<Option<Vec<_>>>())
            .flatten()
    };
    let found = value.as_array().and_then(names);
    if found.is_none() {
        tracing::warn!("the groups that a provider sent are no list of names: they are not known");
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(written: &[(Field, &str)], claims: Value) -> (Profile, Groups) {
        let written = written
            .iter()
            .map(|(field, path)| (*field, (*path).to_owned()));
        let Value::Object(claims) = claims else {
            panic!("claims")
        };
        let mapping = Mapping::new(&written.collect()).unwrap();
        mapping.apply(&claims).unwrap()
    }

    #[test]
    fn more_than_is_kept_is_refused_and_not_cut() {
        let claims = |bytes: usize| Map::from_iter([("a".to_owned(), "x".repeat(bytes).into())]);
        let mapping = Mapping::new(&BTreeMap::new()).unwrap();
        let around = r#"{"a":""}"#.len();
        assert!(mapping.apply(&claims(MOST_CLAIMS - around)).is_ok());
        assert_eq!(
            mapping
                .apply(&claims(MOST_CLAIMS - around + 1))
                .unwrap_err(),
            TooManyClaims(MOST_CLAIMS + 1)
        );
    }

    #[test]
    fn standard_claims_need_no_mapping() {
        let (profile, groups) = apply(
            &[],
            json!({
                "name": " Älice ", "given_name": "Älice", "email": "a@example.com",
                "email_verified": true, "groups": ["staff", "a,b"], "locale": "nb-NO", "other": 1,
            }),
        );
        assert_eq!(profile.name.as_deref(), Some("Älice"));
        assert_eq!(profile.email.as_deref(), Some("a@example.com"));
        assert!(profile.email_verified);
        assert_eq!(groups.names(), ["staff", "a,b"]);
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let claims = json!({
            "a": { "b": [{ "c": "found" }] },
            "http://schemas.example/claims/name": "by address",
            "empty": null,
        });
        for (path, found) in [
            ("a.b[0].c", Some("found")),
            ("\"a\".\"b\"[0].c", Some("found")),
            ("\"http://schemas.example/claims/name\"", Some("by address")),
            ("empty | nothing | a.b[0].c", Some("found")),
            ("a.b[1].c", None),
            ("a.b", None),
            ("a.b[0].c.d", None),
            ("empty", None),
        ] {
            let (profile, _) = apply(&[(Field::Name, path)], claims.clone());
            assert_eq!(profile.name.as_deref(), found, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_by_its_key() {
        for (path, error) in [
            ("", PathError::Empty),
            ("a..b", PathError::Empty),
            ("a.", PathError::Empty),
            ("a |", PathError::Empty),
            ("[0]", PathError::Empty),
            ("a[x]", PathError::NoNumber),
            ("a[-1]", PathError::NoNumber),
            ("a[0", PathError::Unbalanced),
            ("a]", PathError::Unbalanced),
            ("\"a", PathError::Unbalanced),
            ("a\"b\"", PathError::Unbalanced),
            ("a[0]b", PathError::Unbalanced),
        ] {
            let written = BTreeMap::from([(Field::GivenName, path.to_owned())]);
            let problems = Mapping::new(&written).unwrap_err();
            assert_eq!(problems[0].key, "claims.given_name");
            assert_eq!(problems[0].message, error.to_string(), "{path}");
        }
    }

    #[test]
    fn nothing_is_turned_into_something_else() {
        for value in [
            json!("true"),
            json!(1),
            json!([true]),
            json!(null),
            json!(false),
        ] {
            let (profile, _) = apply(&[], json!({ "email": "a@b.c", "email_verified": value }));
            assert!(!profile.email_verified, "{value}");
        }
        for value in [
            json!(7),
            json!({}),
            json!(["x"]),
            json!(""),
            json!("a\r\nX-Role: admin"),
        ] {
            let (profile, _) = apply(&[], json!({ "name": value }));
            assert_eq!(profile.name, None, "{value}");
        }
        let (profile, _) = apply(&[], json!({ "name": "x".repeat(MOST_TEXT + 1) }));
        assert_eq!(profile.name, None);
    }

    #[test]
    fn groups_are_a_list_of_names_or_none() {
        for value in [
            json!("admins"),
            json!({ "admins": true }),
            json!(["staff", 7]),
            json!(["staff", "a\nb"]),
            json!(["staff", ""]),
            json!(["staff", "x".repeat(257)]),
            json!(vec!["g"; MOST_GROUPS + 1]),
        ] {
            let (_, groups) = apply(&[], json!({ "groups": value }));
            assert_eq!(groups, Groups::Unknown, "{value:.60}");
        }
        let (_, groups) = apply(
            &[(Field::Groups, "realm.roles")],
            json!({ "realm": { "roles": ["a"] } }),
        );
        assert_eq!(groups.names(), ["a"]);
    }
}
