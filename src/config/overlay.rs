//! Environment variables that stand in for keys: `VESTIBULE__SERVER__PUBLIC_URL=https://…`.
//!
//! `__` separates the keys and case does not matter. A number is the index of an element, which
//! is there or comes next. A connection's name has `-` where the variable has `_`.

use std::borrow::Cow;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::source::{MOST_KEYS, Node, Place, Source};
use crate::{environment::Environment, problem::Problem};

/// How the names of the variables begin.
const PREFIX: &str = "VESTIBULE__";

/// Puts the variables into the table. What cannot be put anywhere is handed back.
pub(super) fn overlay<'i>(
    root: &mut DeTable<'i>,
    source: &mut Source<'i>,
    environment: &'i Environment,
) -> Vec<(Place, Problem)> {
    let mut problems = Vec::new();
    for (name, value) in environment.with_prefix(PREFIX) {
        let put = match value {
            Ok(raw) => put(root, source, name, raw),
            Err(_) => Err("the variable is not UTF-8".to_owned()),
        };
        if let Err(message) = put {
            let problem = Problem::new("", message)
                .hint("the name is VESTIBULE__TABLE__KEY, like VESTIBULE__SERVER__PUBLIC_URL");
            problems.push((Place::Variable(name.into()), problem));
        }
    }
    problems
}

fn put<'i>(
    root: &mut DeTable<'i>,
    source: &mut Source<'i>,
    name: &'i str,
    raw: &'i str,
) -> Result<(), String> {
    let keys: Vec<String> = name
        .strip_prefix(PREFIX)
        .unwrap_or_default()
        .split("__")
        .map(str::to_lowercase)
        .collect();
    if keys.iter().any(String::is_empty) {
        return Err("the variable names no key".to_owned());
    }
    if keys.len() > MOST_KEYS {
        return Err("the variable names more keys than there are".to_owned());
    }
    let (value, span_of) = source.overlay(name, raw);
    let made = |depth, value| {
        let start = span_of(depth).start;
        Spanned::new(start..start, value)
    };
    let Some((last, front)) = keys.split_last() else {
        return Err("the variable names no key".to_owned());
    };
    // Borrowed anew at each step, from the table or the array's element.
    let mut table = root;
    let mut keys = front.iter().enumerate().peekable();
    while let Some((depth, key)) = keys.next() {
        let key = spelling(table, depth, front, key);
        let next = front.get(depth + 1).unwrap_or(last);
        let empty = if next == "0" {
            DeValue::Array(toml::de::DeArray::new())
        } else {
            DeValue::Table(DeTable::new())
        };
        let entry = entry(table, &key, span_of(depth)).or_insert(made(depth, empty));
        table = match entry.get_mut() {
            DeValue::Table(table) => table,
            DeValue::Array(array) => {
                let at = keys.next().map_or(last, |(_, index)| index);
                let at: usize = at
                    .parse()
                    .map_err(|_| format!("{key} has no key {at}, it is a list"))?;
                if keys.peek().is_none() && depth + 1 == front.len() {
                    return put_element(array, at, value);
                }
                if at == array.len() {
                    array.push(made(depth, DeValue::Table(DeTable::new())));
                }
                match array.get_mut(at).map(Spanned::get_mut) {
                    Some(DeValue::Table(table)) => table,
                    _ => return Err(format!("{key} has no table {at}")),
                }
            }
            _ => return Err(format!("{key} is no table")),
        };
    }
    let last = spelling(table, front.len(), front, last);
    table.remove(last.as_str());
    entry(table, &last, span_of(front.len())).or_insert(value);
    Ok(())
}

fn put_element<'i>(
    array: &mut toml::de::DeArray<'i>,
    at: usize,
    value: Node<'i>,
) -> Result<(), String> {
    if at == array.len() {
        array.push(value);
        return Ok(());
    }
    match array.get_mut(at) {
        Some(element) => {
            *element = value;
            Ok(())
        }
        None => Err(format!("the list has no element {at}")),
    }
}

/// The key as it is written in the table: a variable's name has no case and no `-`.
fn spelling(table: &DeTable<'_>, depth: usize, front: &[String], key: &str) -> String {
    let is_connection = depth == 1 && front.first().is_some_and(|root| root == "connections");
    if is_connection {
        return key.replace('_', "-");
    }
    let like = |known: &&str| known.to_lowercase().replace('-', "_") == key;
    let known = table.keys().map(|known| known.get_ref().as_ref());
    known.into_iter().find(like).unwrap_or(key).to_owned()
}

fn entry<'t, 'i>(
    table: &'t mut DeTable<'i>,
    key: &str,
    span: std::ops::Range<usize>,
) -> toml::map::Entry<'t, Spanned<Cow<'i, str>>, Spanned<DeValue<'i>>> {
    table.entry(Spanned::new(span, Cow::Owned(key.to_owned())))
}
