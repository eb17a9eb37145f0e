//! The only place that prints.

use std::io::Write;

use serde::Serialize;

/// A line for whoever called. A reader that has gone away is no error of ours.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// What went wrong, on stderr.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "vestibule: {text}");
}

/// Lines that name their place themselves, on stderr.
pub(super) fn report(lines: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{lines}");
}

/// A line on stderr that the next one writes over.
pub(super) fn status(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r{text}\x1b[K").and_then(|()| stderr.flush());
}

/// Data, for programs.
pub(super) fn json(data: &impl Serialize) {
    line(&serde_json::to_string_pretty(data).unwrap_or_default());
}

/// Rows in columns, for people. The first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Escapes what could move a terminal's cursor or change its colours.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A field of a JSON object as a cell.
pub(super) fn cell(object: &serde_json::Value, field: &str) -> String {
    use serde_json::Value;
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let shown = match object.get(field) {
        None => "-".to_owned(),
        Some(Value::Array(all)) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        Some(one) => text(one),
    };
    plain(&shown)
}
