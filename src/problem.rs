//! What is wrong with a setting, before anybody knows on which line it stands; and an error with
//! what is behind it.

use std::{error::Error, fmt};

/// One mistake in the configuration. Parts collect them; `config` adds file and line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// Where: the path of keys from the root, like `routes[2].allow[0]` or `connections.acme.ca`.
    pub(crate) key: String,
    /// What is wrong, in one sentence without a full stop.
    pub(crate) message: String,
    /// What to do, in one sentence without a full stop.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A mistake at `key`.
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same mistake, seen from the part that holds this one: `key` goes in front.
    pub(crate) fn under(mut self, key: &str) -> Self {
        self.key = if self.key.is_empty() {
            key.to_owned()
        } else if self.key.starts_with('[') {
            format!("{key}{}", self.key)
        } else {
            format!("{key}.{}", self.key)
        };
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl Error for Problem {}

/// An error and what is behind it, on one line. The log's JSON format keeps only the error itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(next) = cause {
            write!(f, ": {next}")?;
            cause = next.source();
        }
        Ok(())
    }
}

/// An error and what is behind it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(at) = cause {
        // Some errors say what is behind them by themselves.
        let more = at.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = at.source();
    }
    text
}
