//! Laying what a file says under what the operator wrote.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Entry, InName};
use crate::problem::Problem;

/// The longest value of a variable.
const MOST: usize = 253;

impl Entry {
    /// Puts what this file says into the operator's table wherever nothing is written. `at`: where
    /// the strategy is named; a mistake in what is laid there would be told of that place. `file_of`:
    /// the name of the file that the secret of a key was read from.
    pub(crate) fn lay_under<'a>(
        &self,
        table: &mut DeTable<'_>,
        at: &Range<usize>,
        file_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(), Vec<Problem>> {
        if let Some(why) = &self.about.retired {
            let message = format!("{} is gone: {why}", self.about.name);
            return Err(vec![Problem::new("strategy", message)]);
        }
        let values = self.take_variables(table, file_of)?;
        let Ok(file) = DeTable::parse(self.text) else {
            return Ok(());
        };
        let mut file = file.into_inner();
        if let Some(own) = file.remove("connection")
            && let DeValue::Table(own) = own.into_inner()
        {
            lay(table, own, &values, at);
        }
        Ok(())
    }

    fn take_variables<'a>(
        &self,
        table: &mut DeTable<'_>,
        file_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<BTreeMap<String, String>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut values = BTreeMap::new();
        for (name, variable) in &self.variables {
            let written = table.remove(name.as_str());
            let value = if let Some(written) = &written {
                written.get_ref().as_str().map(str::to_owned)
            } else {
                let in_name = variable.in_name.as_ref();
                let said = in_name.and_then(|in_name| in_name.part(file_of(&in_name.of)?));
                said.or_else(|| variable.default.clone())
            };
            match value {
                Some(value) if is_sound(&value) => drop(values.insert(name.clone(), value)),
                Some(_) => problems.push(
                    Problem::new(
                        name,
                        "it is put into addresses, and may have letters, digits and . _ - : alone",
                    )
                    .hint(&variable.description),
                ),
                None if written.is_some() => {
                    problems.push(Problem::new(name, "expected a string"));
                }
                None => problems.push(missing(name, &variable.description)),
            }
        }
        let absent = self
            .needs
            .iter()
            .filter(|(key, _)| !table.contains_key(key.as_str()));
        problems.extend(absent.map(|(key, about)| missing(key, about)));
        if problems.is_empty() {
            Ok(values)
        } else {
            Err(problems)
        }
    }
}

impl InName {
    fn part(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix(&self.after)?.strip_suffix(&self.before)?;
        Some(name.to_owned())
    }
}

fn missing(key: &str, about: &str) -> Problem {
    Problem::new(key, format!("the key {key} is missing")).hint(about)
}

fn is_sound(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    (1..=MOST).contains(&value.len()) && value.bytes().all(plain)
}

/// What the operator wrote counts more; tables are laid together.
fn lay(
    over: &mut DeTable<'_>,
    under: DeTable<'static>,
    values: &BTreeMap<String, String>,
    at: &Range<usize>,
) {
    for (key, value) in under {
        let key = key.into_inner();
        // One of both is enough: an operator who has the file needs no address.
        if key == "metadata_url" && over.contains_key("metadata") {
            continue;
        }
        match (over.get_mut(&*key), value.into_inner()) {
            (None, value) => {
                let value = filled(value, values, at);
                let at = || at.clone();
                over.insert(Spanned::new(at(), key), Spanned::new(at(), value));
            }
            (Some(written), DeValue::Table(under)) => {
                if let DeValue::Table(over) = written.get_mut() {
                    lay(over, under, values, at);
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// A value with the variables in its texts, as if it had been written at `at`.
fn filled<'i>(
    value: DeValue<'i>,
    values: &BTreeMap<String, String>,
    at: &Range<usize>,
) -> DeValue<'i> {
    let here = |value| Spanned::new(at.clone(), filled(value, values, at));
    match value {
        DeValue::String(text) => {
            let mut text = text.into_owned();
            for (name, value) in values {
                text = text.replace(&format!("{{{name}}}"), value);
            }
            DeValue::String(text.into())
        }
        DeValue::Array(all) => {
            DeValue::Array(all.into_iter().map(|one| here(one.into_inner())).collect())
        }
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    (
                        Spanned::new(at.clone(), key.into_inner()),
                        here(value.into_inner()),
                    )
                })
                .collect(),
        ),
        other => other,
    }
}
