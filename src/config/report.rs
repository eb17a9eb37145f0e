//! Everything that is wrong with a configuration, with the line of each mistake.

use std::{fmt, sync::Arc};

use super::source::{Place, Places};
use crate::problem::Problem;

/// All mistakes of a configuration, in the order of the file. There is at least one.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    name: Arc<str>,
    findings: Vec<(Place, Problem)>,
}

impl Report {
    /// Finds the lines of the problems.
    pub(super) fn new(places: &Places, problems: Vec<Problem>) -> Self {
        let mut findings: Vec<_> = problems
            .into_iter()
            .map(|problem| (places.find(&problem.key), problem))
            .collect();
        findings.sort_by(|(one, _), (other, _)| one.cmp(other));
        findings.dedup();
        Self {
            name: places.name.clone(),
            findings,
        }
    }

    /// One mistake that is in no key, or at a place that was found otherwise.
    pub(super) fn at(name: &str, place: Place, problem: Problem) -> Self {
        Self {
            name: name.into(),
            findings: vec![(place, problem)],
        }
    }

    /// Takes in what was found at places of its own.
    pub(super) fn add(&mut self, findings: Vec<(Place, Problem)>) {
        self.findings.extend(findings);
        self.findings.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// The mistakes, without their lines.
    #[cfg(test)]
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.findings.iter().map(|(_, problem)| problem)
    }
}

impl fmt::Display for Report {
    /// A line for each: `config.toml:LINE:COL: key.path: message (hint)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, problem)) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match place {
                Place::File => write!(f, "{}: ", self.name)?,
                Place::Line(line, column) => write!(f, "{}:{line}:{column}: ", self.name)?,
                Place::Variable(name) => write!(f, "{name}: ")?,
            }
            if problem.key.is_empty() {
                f.write_str(&problem.message)?;
                if let Some(hint) = &problem.hint {
                    write!(f, " ({hint})")?;
                }
            } else {
                write!(f, "{problem}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
