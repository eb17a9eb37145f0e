//! `vestibule users`: the people.

use std::io::{IsTerminal, Read};

use clap::Subcommand;
use serde_json::Value;

use super::{
    Ended, Place, Unusable, execute, output,
    remote::{self, NewUser},
    transfer,
};
use crate::user::MetadataRule;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The users, by id.
    List {
        /// Only those with this in their id, handle, name or e-mail address.
        #[arg(long)]
        search: Option<String>,
        /// Begin after this id.
        #[arg(long)]
        after: Option<String>,
        #[arg(long, default_value_t = 100)]
        most: usize,
    },
    /// One user with identities and sessions.
    Show { user: String },
    /// Make an account in a connection that keeps passwords, or a user of one that signs people in
    /// by a message. The password is asked for, or read from standard input.
    Add {
        #[arg(long, default_value = "members")]
        connection: String,
        #[arg(long)]
        email: Option<String>,
        #[arg(long)]
        username: Option<String>,
        #[arg(long)]
        name: Option<String>,
        /// A telephone number, for a connection that sends text messages.
        #[arg(long)]
        phone: Option<String>,
        /// For a connection that asks for none.
        #[arg(long)]
        without_password: bool,
        /// Make them the owner of this place.
        #[arg(long)]
        owner: bool,
    },
    /// Change fields: `name=Ada user_metadata={"team":"a"} blocked=true`.
    Set {
        user: String,
        #[arg(required = true, value_name = "FIELD=VALUE")]
        changes: Vec<String>,
    },
    /// Replace a password and end the user's sessions.
    SetPassword { user: String },
    /// Cut a user off at once.
    Block { user: String },
    /// Let a user in again.
    Unblock { user: String },
    /// Remove a user. The handle is never given to anybody else.
    Delete { user: String },
    /// Write all users, as JSON lines or CSV.
    Export(transfer::Export),
    /// Read users from a file, or from standard input.
    Import(transfer::Import),
    /// The second factors of a user, without their secrets.
    Factors { user: String },
    /// Take all second factors and recovery codes of a user away, because they lost them, and end
    /// their sessions. Make sure that it is them who ask.
    ResetFactors {
        user: String,
        /// Why, for the audit trail.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Move an identity to a user, with its account. A user whose last one it was ends.
    Link {
        connection: String,
        subject: String,
        to: String,
        /// What the user gets of the metadata of one who ends.
        #[arg(long, default_value = "fill")]
        metadata: MetadataRule,
    },
    /// Say how many people have moved here from the store of a connection with `import`, and how
    /// many are left there.
    Migration { connection: String },
    /// Make a user of their own of an identity, with its account.
    Unlink { connection: String, subject: String },
}

/// Does it.
pub(super) fn run(place: &Place, command: Command, json: bool) -> anyhow::Result<Ended> {
    use remote::Command as Ask;
    let ask = match command {
        Command::List {
            search,
            after,
            most,
        } => {
            let listed = execute::have_done(
                place,
                &Ask::UsersList {
                    search,
                    after,
                    most,
                },
            )?;
            if json {
                output::json(&listed);
            } else {
                show(&listed);
            }
            return Ok(Ended::Done);
        }
        Command::Export(export) => return transfer::export(place, &export),
        Command::Import(import) => return transfer::import(place, &import),
        Command::Show { user } => Ask::UserShow { user },
        Command::Add {
            connection,
            email,
            username,
            name,
            phone,
            without_password,
            owner,
        } => {
            let named = [&email, &username, &phone];
            if named.iter().all(|name| name.is_none()) {
                return Err(Unusable("give --email, --username or --phone".to_owned()).into());
            }
            let without_password = without_password || phone.is_some();
            let password = (!without_password).then(password).transpose()?;
            Ask::UserAdd(NewUser {
                connection,
                email,
                username,
                name,
                phone,
                password,
                owner,
            })
        }
        Command::Set { user, changes } => {
            let pair = |change: &String| match change.split_once('=') {
                Some((field, value)) => Ok((field.to_owned(), value.to_owned())),
                None => Err(Unusable(format!(
                    "{change:?} is not of the form field=value"
                ))),
            };
            let changes = changes.iter().map(pair).collect::<Result<_, _>>()?;
            Ask::UserSet { user, changes }
        }
        Command::SetPassword { user } => Ask::UserSetPassword {
            user,
            password: password()?,
        },
        Command::Block { user } => Ask::UserBlock {
            user,
            blocked: true,
        },
        Command::Unblock { user } => Ask::UserBlock {
            user,
            blocked: false,
        },
        Command::Migration { connection } => Ask::Migration { name: connection },
        Command::Delete { user } => Ask::UserDelete { user },
        Command::Factors { user } => Ask::UserFactors { user },
        Command::ResetFactors { user, reason } => Ask::UserResetFactors { user, reason },
        Command::Link {
            connection,
            subject,
            to,
            metadata,
        } => Ask::UserLink {
            connection,
            subject,
            to,
            metadata,
        },
        Command::Unlink {
            connection,
            subject,
        } => Ask::UserUnlink {
            connection,
            subject,
        },
    };
    output::json(&execute::have_done(place, &ask)?);
    Ok(Ended::Done)
}

/// Asks without showing it, twice; or takes the first line of standard input. Never an argument:
/// the process list would show it.
fn password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Again: ")? != first {
            return Err(Unusable("these are two different passwords".to_owned()).into());
        }
        return Ok(first);
    }
    let mut text = String::new();
    std::io::stdin().take(8 << 10).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        let why = "give the password on standard input or at a terminal";
        return Err(Unusable(why.to_owned()).into());
    }
    Ok(line.to_owned())
}

fn show(listed: &Value) {
    let mut rows = vec![
        ["ID", "HANDLE", "NAME", "LAST LOGIN", "BLOCKED"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for one in listed.as_array().into_iter().flatten() {
        let name = one
            .get("profile")
            .map(|profile| output::cell(profile, "name"));
        rows.push(vec![
            output::cell(one, "id"),
            output::cell(one, "handle"),
            name.unwrap_or_default(),
            output::cell(one, "last_login_at"),
            output::cell(one, "blocked"),
        ]);
    }
    output::table(&rows);
}
