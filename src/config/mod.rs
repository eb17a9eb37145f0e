//! The one file that says everything, `config.toml`, and what the environment says instead.
//!
//! [`load`] takes it through these steps. `tree` reads text into tables that remember their places.
//! `overlay` lays `VESTIBULE__…` variables over them. `inspect` walks them along their `shape`, which
//! comes from the same types as the JSON [`schema`]: all unknown keys, missing keys and wrong types
//! are found at once, secrets are fetched, relative paths become absolute. What is left is read by
//! serde into [`File`]: the parts' own settings, each beside its part; a connection in two steps,
//! the common keys and then its strategy's. `check` compares what must fit together.
//!
//! Every mistake names file, line, column and key, or the variable it came from, and never repeats a
//! value, which may be a secret. Whoever builds parts from the settings turns their `Problem`s into
//! lines with [`Places::report`]. [`Watcher`] notices changes, [`diff`] says which of them cannot be
//! swapped in.

mod check;
mod inspect;
mod load;
mod overlay;
mod report;
mod root;
mod secret_file;
mod server;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod watch;

pub(crate) use self::{
    check::{NeedsRestart, diff},
    load::{Loaded, load, trial},
    overlay::Environment,
    report::{Finding, Place, Places, Report},
    root::{ConnectionFile, File, schema},
    server::*,
    watch::{Changed, Watcher},
};
