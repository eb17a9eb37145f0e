//! Asking the running process, or doing it ourselves.
//!
//! The admin socket speaks one JSON document a line: a [`Command`] in, an [`Outcome`] out. Only the
//! owner of the file can open it (mode 0600). When no process answers there, the command is carried
//! out on the storage by the same code.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::{Duration, timeout},
};

use crate::user::MetadataRule;

/// Something to be done or told by whoever holds the stores.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do", content = "with")]
pub(super) enum Command {
    ConnectionAdopt {
        name: String,
    },
    ConnectionFacts {
        name: String,
    },
    ConnectionRename {
        from: String,
        to: String,
    },
    ConnectionTry {
        name: String,
    },
    ConnectionTried {
        token: String,
    },
    ConnectionsCount,
    KeysList,
    KeysRotate,
    Migration {
        name: String,
    },
    SessionsList {
        user: Option<String>,
        most: usize,
    },
    SessionsRevoke {
        which: Revoke,
    },
    UserAdd(NewUser),
    UserBlock {
        user: String,
        blocked: bool,
    },
    UserDelete {
        user: String,
    },
    UserExport(Page),
    UserFactors {
        user: String,
    },
    UserImport(Batch),
    UserResetFactors {
        user: String,
        reason: String,
    },
    UserLink {
        connection: String,
        subject: String,
        to: String,
        metadata: MetadataRule,
    },
    /// Pairs of field and value; an empty value clears a profile field.
    UserSet {
        user: String,
        changes: Vec<(String, String)>,
    },
    UserSetPassword {
        user: String,
        password: String,
    },
    UserShow {
        user: String,
    },
    UserUnlink {
        connection: String,
        subject: String,
    },
    UsersList {
        search: Option<String>,
        after: Option<String>,
        most: usize,
    },
}

/// Which sessions to end.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Revoke {
    All,
    Connection(String),
    Session(String),
    User(String),
}

/// `users add`. It holds a password and cannot be printed.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct NewUser {
    pub(super) connection: String,
    pub(super) email: Option<String>,
    pub(super) username: Option<String>,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) phone: Option<String>,
    /// `None` where a message proves who they are.
    pub(super) password: Option<String>,
    pub(super) owner: bool,
}

/// Some users of `users export`.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Page {
    pub(super) with_hashes: bool,
    #[serde(default)]
    pub(super) with_second_factors: bool,
    /// The id of the last user of the page before.
    pub(super) after: Option<String>,
}

/// Some records of `users import`. They hold password hashes and cannot be printed.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Batch {
    /// Each with its number in the file.
    pub(super) records: Vec<(u64, String)>,
    pub(super) connection: Option<String>,
    pub(super) upsert: bool,
    pub(super) dry_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "with")]
pub(super) enum Outcome {
    /// Done, or told.
    Done(Value),
    /// Not as asked: one line that says what is wrong and what to do.
    Refused(String),
}

/// Asks the process behind the socket. `None`: nobody answers there.
pub(super) async fn ask(socket: &Path, command: &Command) -> anyhow::Result<Option<Outcome>> {
    let Ok(stream) = UnixStream::connect(socket).await else {
        return Ok(None);
    };
    let exchange = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(read).read_line(&mut answer).await?;
        anyhow::Ok(serde_json::from_str(&answer)?)
    };
    let answer = timeout(Duration::from_secs(60), exchange).await;
    let answer = answer.context("the running process took too long to answer")?;
    answer
        .context("the running process gave no readable answer")
        .map(Some)
}
