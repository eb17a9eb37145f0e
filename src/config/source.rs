//! The text that is read, and where in it something stands.
//!
//! The file and the variables that overlay it are one row of bytes: the file first, then each
//! variable's value. So every span that the TOML parser or serde hands out leads back to a line of
//! the file or to the name of a variable.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// A value as it was read, with its place.
pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// More keys than any setting has above it.
pub(super) const MOST_KEYS: usize = 8;

/// The file's text and the variables behind it.
pub(super) struct Source<'i> {
    /// How the file is called in messages.
    pub(super) name: &'i str,
    text: &'i str,
    /// Where the lines begin.
    lines: Vec<usize>,
    overlays: Vec<Overlay<'i>>,
}

/// One variable.
pub(super) struct Overlay<'i> {
    span: Range<usize>,
    pub(super) name: &'i str,
    pub(super) raw: &'i str,
}

impl<'i> Source<'i> {
    /// A file.
    pub(super) fn new(name: &'i str, text: &'i str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            name,
            text,
            lines: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
            overlays: Vec::new(),
        }
    }

    /// The value of a variable: TOML if it is a TOML value, else a string.
    ///
    /// Spans of the variable that are not its value's are handed back, too: one for each key that
    /// its name could have, so that each has a place that is no other's.
    pub(super) fn overlay(
        &mut self,
        name: &'i str,
        raw: &'i str,
    ) -> (Node<'i>, impl Fn(usize) -> Range<usize> + use<'i>) {
        let start = self
            .overlays
            .last()
            .map_or(self.text.len(), |last| last.span.end)
            + 1;
        let end = start + raw.len() + 1;
        let span = start..end + MOST_KEYS;
        self.overlays.push(Overlay {
            span: span.clone(),
            name,
            raw,
        });
        let value = DeValue::parse(raw).map_or(DeValue::String(raw.into()), Spanned::into_inner);
        // Its outermost span is the variable's, so that it is known when it must be read again.
        let inner = shift(Spanned::new(0..raw.len(), value), start).into_inner();
        (Spanned::new(span, inner), move |depth| {
            end + depth..end + depth + 1
        })
    }

    /// The variable that a span lies in.
    pub(super) fn overlay_of(&self, span: &Range<usize>) -> Option<&Overlay<'i>> {
        let after = self
            .overlays
            .partition_point(|overlay| overlay.span.start <= span.start);
        let overlay = self.overlays.get(after.checked_sub(1)?)?;
        (span.start < overlay.span.end).then_some(overlay)
    }

    /// Whether a span is all that a variable says.
    pub(super) fn is_whole_overlay(&self, span: &Range<usize>) -> bool {
        self.overlay_of(span)
            .is_some_and(|overlay| overlay.span == *span)
    }

    /// Where a span begins, for people.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        if let Some(overlay) = self.overlay_of(span) {
            return Place::Variable(overlay.name.into());
        }
        let start = span.start.min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= start);
        let begin = line
            .checked_sub(1)
            .and_then(|line| self.lines.get(line))
            .copied()
            .unwrap_or_default();
        let before = self.text.get(begin..start).unwrap_or_default();
        // An editor shows no byte order mark.
        let columns = before.trim_start_matches('\u{feff}').chars().count();
        Place::Line(line, columns + 1)
    }

    /// Notes where every key stands.
    pub(super) fn places(&self, root: &DeTable<'_>) -> Places {
        let mut places = Places {
            name: self.name.into(),
            known: HashMap::new(),
        };
        self.note_table(root, &mut String::new(), &mut places);
        places
    }

    fn note_table(&self, table: &DeTable<'_>, path: &mut String, places: &mut Places) {
        for (key, value) in table {
            let length = path.len();
            push_key(path, key.get_ref());
            let span = if self.overlay_of(&value.span()).is_some() {
                value.span()
            } else {
                key.span()
            };
            places.known.insert(path.clone(), self.place(&span));
            self.note(value.get_ref(), path, places);
            path.truncate(length);
        }
    }

    fn note(&self, value: &DeValue<'_>, path: &mut String, places: &mut Places) {
        match value {
            DeValue::Table(table) => self.note_table(table, path, places),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    let length = path.len();
                    push_index(path, index);
                    places
                        .known
                        .insert(path.clone(), self.place(&element.span()));
                    self.note(element.get_ref(), path, places);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Source<'_> {
    /// Without the text: secrets may stand in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Makes a key path one key longer.
pub(super) fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Makes a key path one index longer.
pub(super) fn push_index(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

/// The same value `by` bytes further on.
fn shift(node: Node<'_>, by: usize) -> Node<'_> {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let span = moved(node.span());
    let value = match node.into_inner() {
        DeValue::Array(array) => DeValue::Array(
            array
                .into_iter()
                .map(|value| shift(value, by))
                .collect::<DeArray<'_>>(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let span = moved(key.span());
                    (Spanned::new(span, key.into_inner()), shift(value, by))
                })
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(span, value)
}

/// Where a mistake is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Place {
    /// In the file as a whole.
    File,
    /// At a line and column, both from 1; columns are characters.
    Line(usize, usize),
    /// In an environment variable of that name.
    Variable(Arc<str>),
}

/// Where each key of a configuration stands.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(super) name: Arc<str>,
    known: HashMap<String, Place>,
}

impl Places {
    /// A file in which nothing stands.
    pub(super) fn nowhere(name: &str) -> Self {
        Self {
            name: name.into(),
            known: HashMap::new(),
        }
    }

    /// Where a key stands, or else the nearest table around it.
    pub(super) fn find(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.known.get(key) {
                return place.clone();
            }
            match key.rfind(['.', '[']).and_then(|end| key.get(..end)) {
                Some(around) => key = around,
                None => return Place::File,
            }
        }
    }
}
