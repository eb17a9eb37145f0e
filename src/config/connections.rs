//! `[connections.NAME]`: the keys that all have, and those of the strategy.

use std::{
    collections::HashMap,
    fmt::Display,
    hash::{DefaultHasher, Hash, Hasher},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    reader::{Reader, unknown_key},
    settings::ConnectionEntry,
    source::Node,
    words::{listed, suggestion},
};
use crate::{
    connection::{
        Common, TrustEmail, catalog,
        registry::{Family, Strategy},
    },
    flow::LOGIN_QUERY,
    identity::ConnectionId,
    problem::Problem,
};

const STRATEGY: &str = "strategy";

/// Reads all connections.
pub(super) fn read<'i>(reader: &mut Reader<'_, 'i>, node: Node<'i>) -> Vec<ConnectionEntry> {
    let DeValue::Table(table) = node.into_inner() else {
        let message = "expected tables with the names of the connections";
        let problem = Problem::new("connections", message).hint("write [connections.NAME]");
        reader.problems.push(problem);
        return Vec::new();
    };
    table
        .into_iter()
        .filter_map(|(name, node)| read_one(reader, name.get_ref(), node))
        .collect()
}

fn read_one<'i>(
    reader: &mut Reader<'_, 'i>,
    name: &str,
    node: Node<'i>,
) -> Option<ConnectionEntry> {
    let path = format!("connections.{name}");
    let id = name.parse::<ConnectionId>();
    if let Err(error) = &id {
        reader.problems.push(Problem::new(&path, error.to_string()));
    }
    let fingerprint = fingerprint(node.get_ref());
    let span = node.span();
    let DeValue::Table(mut table) = node.into_inner() else {
        reader
            .problems
            .push(Problem::new(&path, "expected a table"));
        return None;
    };
    let strategy = strategy(reader, &path, &mut table)?;
    let mut keys_besides = Common::KEYS.to_vec();
    if let Some(entry) = catalog::entry(strategy.name) {
        let needed = entry.variables.keys().chain(entry.needs.keys());
        let needed: Vec<&str> = needed.map(String::as_str).collect();
        keys_besides.extend(&needed);
        let misspelt = misspelt_of(&path, &table, &needed);
        if !misspelt.is_empty() {
            reader.problems.extend(misspelt);
            return None;
        }
        let file_of = |key: &str| {
            let file = reader.secret_files.get(&format!("{path}.{key}"))?;
            file.file_name()?.to_str()
        };
        if let Err(found) = entry.lay_under(&mut table, &span, file_of) {
            let found = found.into_iter().map(|problem| problem.under(&path));
            reader.problems.extend(found);
            return None;
        }
    }
    let common = common_of(&mut table);
    let common: Option<Common> = reader.read(&path, Spanned::new(span.clone(), common));
    let own = Spanned::new(span, DeValue::Table(table));
    let own = reader.read_with(&path, own, &keys_besides, |node| {
        let span = node.span();
        // Made of a table a line above, so it is one.
        let table = match node.into_inner() {
            DeValue::Table(table) => table,
            _ => DeTable::new(),
        };
        (strategy.parse)(Deserializer::from(Spanned::new(span, table)))
    });
    let common = common?;
    let before = reader.problems.len();
    check(&mut reader.problems, &path, &common, strategy);
    let sound = reader.problems.len() == before;
    Some(ConnectionEntry {
        id: id.ok()?,
        common,
        strategy,
        own: own?,
        fingerprint,
    })
    .filter(|_| sound)
}

/// The keys that look as if they were meant to be one that this provider needs and that is not
/// there.
fn misspelt_of(path: &str, table: &DeTable<'_>, needed: &[&str]) -> Vec<Problem> {
    let known = |key: &&str| needed.contains(key) || Common::KEYS.contains(key);
    let written = table.keys().map(|key| key.get_ref().as_ref());
    let strange: Vec<&str> = written.filter(|key| !known(key)).collect();
    let absent = needed.iter().filter(|name| !table.contains_key(**name));
    absent
        .filter_map(|name| Some((name, suggestion(name, strange.iter().copied())?)))
        .map(|(name, near)| unknown_key(&format!("{path}.{near}"), [*name].into_iter()).0)
        .collect()
}

/// Takes the strategy out of the table.
fn strategy(
    reader: &mut Reader<'_, '_>,
    path: &str,
    table: &mut DeTable<'_>,
) -> Option<&'static Strategy> {
    let names = Strategy::names;
    let Some(given) = table.remove(STRATEGY) else {
        let keys = table.keys().map(|key| key.get_ref().as_ref());
        let known = |key: &&str| Common::KEYS.contains(key);
        reader
            .problems
            .push(match suggestion(STRATEGY, keys.filter(|key| !known(key))) {
                Some(near) => unknown_key(&format!("{path}.{near}"), [STRATEGY].into_iter()).0,
                None => Problem::new(path, "the key strategy is missing")
                    .hint(format!("the strategies are {}", listed(names()))),
            });
        return None;
    };
    let path = format!("{path}.{STRATEGY}");
    let Some(given) = given.get_ref().as_str() else {
        reader
            .problems
            .push(Problem::new(path, "expected a string"));
        return None;
    };
    let found = Strategy::find(given);
    if found.is_none() {
        let hint = suggestion(given, names()).map_or_else(
            || format!("the strategies are {}", listed(names())),
            |near| format!("did you mean {near:?}"),
        );
        reader
            .problems
            .push(Problem::new(path, "there is no such strategy").hint(hint));
    }
    found
}

/// Takes the keys that every connection may have out of the table.
fn common_of<'i>(table: &mut DeTable<'i>) -> DeValue<'i> {
    let (common, own) = std::mem::take(table)
        .into_iter()
        .partition(|(key, _)| Common::KEYS.contains(&key.get_ref().as_ref()));
    *table = own;
    DeValue::Table(common)
}

fn check(problems: &mut Vec<Problem>, path: &str, common: &Common, strategy: &Strategy) {
    if strategy.family == Family::Database && common.trust_email == TrustEmail::Always {
        problems.push(
            Problem::new(
                format!("{path}.trust_email"),
                "anybody can type any e-mail address into a sign-up form, so it is not always true",
            )
            .hint("leave it at \"verified\""),
        );
    }
    for (name, param) in &common.upstream_params {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let sound = |from: &&str| !from.is_empty() && from.len() <= 64 && from.bytes().all(token);
        let problem = match param.from() {
            Some(from) if !sound(&from) => "it is no name of a parameter",
            Some(from) if LOGIN_QUERY.contains(&from) => {
                "the login page means something else by it"
            }
            _ => continue,
        };
        problems.push(
            Problem::new(format!("{path}.upstream_params.{name}.from"), problem)
                .hint("the name of a parameter in the query of the login, like \"ui_locales\""),
        );
    }
    if common.is_private() && common.button == Some(true) {
        problems.push(
            Problem::new(
                format!("{path}.button"),
                "everybody would see the button, and discovery is \"private\"",
            )
            .hint("leave `button` out, or set discovery = \"public\""),
        );
    }
    repeated(problems, &format!("{path}.domains"), &common.domains);
    repeated(problems, &format!("{path}.networks"), &common.networks);
}

/// Refuses what has been listed before, also in another spelling.
fn repeated<T: Eq + Hash + Display>(problems: &mut Vec<Problem>, path: &str, list: &[T]) {
    let mut seen = HashMap::new();
    for (index, one) in list.iter().enumerate() {
        if let Some(first) = seen.get(one) {
            problems.push(
                Problem::new(format!("{path}[{index}]"), format!("{one} is listed twice"))
                    .hint(format!("take it out: it is {path}[{first}] already")),
            );
        } else {
            seen.insert(one, index);
        }
    }
}

/// A number for what the table says: that of another table differs.
fn fingerprint(value: &DeValue<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(value, &mut hasher);
    hasher.finish()
}

fn hash(value: &DeValue<'_>, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(number) => (number.as_str(), number.radix()).hash(hasher),
        DeValue::Float(number) => number.as_str().hash(hasher),
        DeValue::Boolean(value) => value.hash(hasher),
        DeValue::Datetime(time) => time.to_string().hash(hasher),
        DeValue::Array(array) => {
            array.len().hash(hasher);
            array
                .iter()
                .for_each(|element| hash(element.get_ref(), hasher));
        }
        DeValue::Table(table) => {
            table.len().hash(hasher);
            for (key, value) in table {
                key.get_ref().hash(hasher);
                hash(value.get_ref(), hasher);
            }
        }
    }
}
