//! The environment variables of the process, taken once: whatever reads one holds this.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
};

/// Environment variables. `Debug` shows their names only: the values may be secrets.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

/// The value of a variable is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotUtf8;

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The variables of a list.
    #[cfg(test)]
    pub(crate) fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.into(), value.into());
        Self(variables.into_iter().map(own).collect())
    }

    /// The value of a variable, if it is set.
    pub(crate) fn variable(&self, name: &str) -> Option<Result<&str, NotUtf8>> {
        self.0
            .get(OsStr::new(name))
            .map(|value| value.to_str().ok_or(NotUtf8))
    }

    /// The variables whose names begin with `prefix`, sorted by name.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, Result<&'a str, NotUtf8>)> {
        self.0.iter().filter_map(move |(name, value)| {
            let name = name.to_str()?;
            name.starts_with(prefix)
                .then(|| (name, value.to_str().ok_or(NotUtf8)))
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
