//! `vestibule keys`: the keys that seal and sign.

use clap::Subcommand;

use super::{Ended, Place, execute, output, remote};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The keys, oldest first: next is known to all, current is used, old still opens.
    List,
    /// next becomes current, current becomes old, a new next is made. Nobody is signed out.
    Rotate,
}

/// Does it.
pub(super) fn run(place: &Place, command: &Command, json: bool) -> anyhow::Result<Ended> {
    let asked = match command {
        Command::List => remote::Command::KeysList,
        Command::Rotate => remote::Command::KeysRotate,
    };
    let keys = execute::have_done(place, &asked)?;
    if json {
        output::json(&keys);
    } else {
        let mut rows = vec![["ID", "STATE", "SINCE"].map(str::to_owned).to_vec()];
        for key in keys.as_array().into_iter().flatten() {
            let cells = ["id", "state", "since"].map(|field| output::cell(key, field));
            rows.push(cells.to_vec());
        }
        output::table(&rows);
    }
    Ok(Ended::Done)
}
