//! `vestibule sessions`: who is signed in.

use clap::Subcommand;
use serde_json::Value;

use super::{
    Ended, Place, Unusable, execute, output,
    remote::{self, Revoke},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The sessions, the newest first.
    List {
        /// Only this user's: an id, a handle or a name to sign in with.
        #[arg(long)]
        user: Option<String>,
        #[arg(long, default_value_t = 100)]
        most: usize,
    },
    /// End sessions, at once and on every host.
    Revoke {
        /// The id of a session.
        session: Option<String>,
        /// All of this user's.
        #[arg(long, conflicts_with = "session")]
        user: Option<String>,
        /// All that came by this connection.
        #[arg(long, conflicts_with_all = ["session", "user"])]
        connection: Option<String>,
        /// All there are.
        #[arg(long, conflicts_with_all = ["session", "user", "connection"])]
        all: bool,
    },
}

/// Does it.
pub(super) fn run(place: &Place, command: Command, json: bool) -> anyhow::Result<Ended> {
    match command {
        Command::List { user, most } => {
            let listed = execute::have_done(place, &remote::Command::SessionsList { user, most })?;
            if json {
                output::json(&listed);
            } else {
                show(&listed);
            }
        }
        Command::Revoke {
            session,
            user,
            connection,
            all,
        } => {
            let which = match (session, user, connection, all) {
                (Some(session), ..) => Revoke::Session(session),
                (_, Some(user), ..) => Revoke::User(user),
                (_, _, Some(connection), _) => Revoke::Connection(connection),
                (_, _, _, true) => Revoke::All,
                _ => {
                    let why = "say which: a session's id, --user, --connection or --all";
                    return Err(Unusable(why.to_owned()).into());
                }
            };
            let done = execute::have_done(place, &remote::Command::SessionsRevoke { which })?;
            if json {
                output::json(&done);
            } else {
                output::line(&format!(
                    "sessions ended: {}",
                    done.get("ended").unwrap_or(&Value::Null)
                ));
            }
        }
    }
    Ok(Ended::Done)
}

fn show(listed: &Value) {
    let mut rows = vec![
        ["ID", "USER", "CONNECTIONS", "LAST USED", "ADDRESS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for one in listed.as_array().into_iter().flatten() {
        rows.push(vec![
            output::cell(one, "id"),
            output::cell(one, "user"),
            output::cell(one, "connections"),
            output::cell(one, "last_used_at"),
            output::cell(one, "address"),
        ]);
    }
    output::table(&rows);
}
