//! Reading tables into types, with every mistake and not only the first.
//!
//! Serde stops at a mistake. So the key where it stopped is noted and taken out, and the table is
//! read again, until nothing is wrong with the rest. A value that came by a variable and was not
//! what was wanted is first tried as a string and then as a list with commas: nobody writes TOML
//! into an environment variable without need.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    path::PathBuf,
};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, ValueDeserializer},
};

use super::{
    source::{Node, Source, push_index, push_key},
    words::{Complaint, listed, suggestion},
};
use crate::problem::Problem;

/// Reads and collects what is wrong.
#[derive(Debug)]
pub(super) struct Reader<'a, 'i> {
    source: &'a Source<'i>,
    /// The files that secrets were read from, by their keys.
    pub(super) secret_files: BTreeMap<String, PathBuf>,
    pub(super) problems: Vec<Problem>,
}

impl<'a, 'i> Reader<'a, 'i> {
    pub(super) fn new(source: &'a Source<'i>) -> Self {
        Self {
            source,
            secret_files: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Reads the value at `path`. `None`: something is wrong with it, and that was noted.
    pub(super) fn read<T: DeserializeOwned>(&mut self, path: &str, node: Node<'i>) -> Option<T> {
        self.read_with(path, node, &[], |node| {
            T::deserialize(ValueDeserializer::from(node))
        })
    }

    /// Reads the value at `path` by a function. `more` are keys that may stand there, too.
    pub(super) fn read_with<T>(
        &mut self,
        path: &str,
        mut node: Node<'i>,
        more: &[&str],
        read: impl Fn(Node<'i>) -> Result<T, toml::de::Error>,
    ) -> Option<T> {
        let original = node.clone();
        let mut attempt = Attempt {
            path,
            more,
            retried: HashSet::new(),
            done_with: HashSet::new(),
            clean: true,
        };
        loop {
            match read(node.clone()) {
                Ok(value) => return attempt.clean.then_some(value),
                Err(error) => {
                    let span = error.span().unwrap_or(0..0);
                    if self.reread(&mut node, &span, &mut attempt) {
                        continue;
                    }
                    // Taking elements out of an array moves the others: paths are of the original.
                    let cut_at = cut(&mut node, &span, path);
                    let more_to_read = cut_at.is_some();
                    let known_at = cut(&mut original.clone(), &span, path).or(cut_at);
                    self.note(error.message(), known_at, &mut attempt);
                    attempt.clean = false;
                    if !more_to_read {
                        return None;
                    }
                }
            }
        }
    }

    /// Takes a variable's value for another type. `false`: there is nothing left to try.
    fn reread(&self, node: &mut Node<'i>, span: &Range<usize>, attempt: &mut Attempt<'_>) -> bool {
        let Some(overlay) = self.source.overlay_of(span) else {
            return false;
        };
        if !self.source.is_whole_overlay(span) {
            return false;
        }
        let raw = overlay.raw;
        let Some(value) = find(node, span) else {
            return false;
        };
        let was_string = matches!(value, DeValue::String(_));
        if !attempt.retried.insert((span.start, was_string)) {
            return false;
        }
        *value = if was_string {
            let inside = span.start..span.start;
            let part = |text: &'i str| Spanned::new(inside.clone(), DeValue::String(text.into()));
            let parts = raw
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty());
            DeValue::Array(parts.map(part).collect())
        } else {
            DeValue::String(raw.into())
        };
        true
    }

    fn note(&mut self, message: &str, cut: Option<String>, attempt: &mut Attempt<'_>) {
        let path = cut.unwrap_or_else(|| attempt.path.to_owned());
        let problem = match Complaint::read(message) {
            Complaint::Missing(key) => {
                let mut missing = path.clone();
                push_key(&mut missing, &key);
                if attempt.done_with.contains(&missing) {
                    return;
                }
                Problem::new(missing, "the key is missing")
            }
            Complaint::Other { message, hint } => Problem {
                key: path.clone(),
                message,
                hint,
            },
            Complaint::Unknown(known) => {
                let known = known.iter().map(String::as_str);
                // The common keys of a connection stand beside those of its strategy.
                let inside = attempt.path.len();
                let direct = !path
                    .get(inside + 1..)
                    .unwrap_or_default()
                    .contains(['.', '[']);
                let more = attempt.more.iter().copied().filter(|_| direct);
                let (problem, meant) = unknown_key(&path, known.chain(more));
                attempt.done_with.extend(meant);
                problem
            }
        };
        attempt.done_with.insert(path);
        self.problems.push(problem);
    }
}

/// How far the reading of one value is.
struct Attempt<'p> {
    path: &'p str,
    more: &'p [&'p str],
    /// The variables that were taken for another type, by their start and whether as a list.
    retried: HashSet<(usize, bool)>,
    /// The keys that need no second complaint.
    done_with: HashSet<String>,
    clean: bool,
}

/// The problem of a key that nobody knows, and the path of the one that was meant.
pub(super) fn unknown_key<'k>(
    path: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> (Problem, Option<String>) {
    let at = path.rfind('.').map_or(0, |dot| dot + 1);
    let (around, key) = path.split_at_checked(at).unwrap_or(("", path));
    let problem = Problem::new(path, "there is no such key");
    if let Some(near) = suggestion(key, known.clone()) {
        let meant = format!("{around}{near}");
        (problem.hint(format!("did you mean {near:?}")), Some(meant))
    } else {
        let hint = format!("the keys here are {}", listed(known));
        (problem.hint(hint), None)
    }
}

/// The value whose place is `span`.
fn find<'n, 'i>(node: &'n mut Node<'i>, span: &Range<usize>) -> Option<&'n mut DeValue<'i>> {
    if node.span() == *span {
        return Some(node.get_mut());
    }
    match node.get_mut() {
        DeValue::Table(table) => table.iter_mut().find_map(|(_, value)| find(value, span)),
        DeValue::Array(array) => array.iter_mut().find_map(|value| find(value, span)),
        _ => None,
    }
}

/// Takes out the innermost value that stands at `span`, or whose key does, and says its path.
fn cut(node: &mut Node<'_>, span: &Range<usize>, path: &str) -> Option<String> {
    match node.get_mut() {
        DeValue::Table(table) => cut_from_table(table, span, path),
        DeValue::Array(array) => {
            let mut at = None;
            for (index, element) in array.iter_mut().enumerate() {
                let mut path = path.to_owned();
                push_index(&mut path, index);
                if let Some(cut) = cut(element, span, &path) {
                    return Some(cut);
                }
                if element.span() == *span {
                    at = Some((index, path));
                    break;
                }
            }
            let (at, path) = at?;
            let rest = std::mem::replace(array, DeArray::new())
                .into_iter()
                .enumerate();
            *array = rest
                .filter(|(index, _)| *index != at)
                .map(|(_, value)| value)
                .collect();
            Some(path)
        }
        _ => None,
    }
}

fn cut_from_table(table: &mut DeTable<'_>, span: &Range<usize>, path: &str) -> Option<String> {
    let mut at = None;
    for (key, value) in table.iter_mut() {
        let mut path = path.to_owned();
        push_key(&mut path, key.get_ref());
        if let Some(cut) = cut(value, span, &path) {
            return Some(cut);
        }
        if key.span() == *span || value.span() == *span {
            at = Some((key.get_ref().to_string(), path));
            break;
        }
    }
    let (key, path) = at?;
    table.remove(key.as_str());
    Some(path)
}
