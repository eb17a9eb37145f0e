//! The operator's folder of templates.

use std::path::Path;

use super::{Sources, built_in, names};
use crate::problem::Problem;

/// The most bytes of one template of the operator's.
const MOST_TEMPLATE: u64 = 1 << 20;

/// The built-in files with the operator's over them, and what is wrong with the folder.
pub(super) fn over_ours(folder: &Path) -> (Sources, Vec<Problem>) {
    let mut sources = built_in();
    let mut problems = Vec::new();
    let problem = |message: String| Problem::new("pages.templates", message);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot read the folder {}: {error}", folder.display());
            return (sources, vec![problem(message)]);
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(problem(format!(
                    "cannot read {}: {error}",
                    folder.display()
                )));
                continue;
            }
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let known = sources.contains_key(&name);
        let is_html = path
            .extension()
            .is_some_and(|extension| extension == "html");
        if is_html && !known && !name.starts_with('_') {
            problems.push(
                problem(format!("no page is drawn by {name}"))
                    .hint(format!("there are {}", names().join(", "))),
            );
        } else if is_html || known {
            match read_template(&path) {
                Ok(source) => {
                    sources.insert(name, source.into());
                }
                Err(error) => problems.push(problem(format!("cannot read {name}: {error}"))),
            }
        }
    }
    (sources, problems)
}

/// Reads one file of the operator's, up to a limit.
fn read_template(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MOST_TEMPLATE {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}
