//! What the process does on the operator's word, asked by the admin socket or in a process of the
//! command's own.

mod connections;
mod sessions;
mod users;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

pub(super) use self::users::find_user;
use super::{
    Place, factors,
    remote::{self, Command, Outcome},
    socket, transfer,
};
use crate::{
    app::App,
    config::Loaded,
    connection::{Allowed, Peer, Seen},
    identity::UserId,
    proxy::Live,
    secret::Secret,
    store::{Event, EventKind, KeyRecord, Whose},
};

/// The longest command: a batch of users.
const MOST_COMMAND: u64 = 64 << 20;
/// How long to wait when no connection can be taken.
const AGAIN: Duration = Duration::from_millis(500);
/// Lists are cut after this many.
const MOST: usize = 10_000;

/// Has it done by the running process, or here when there is none.
pub(super) fn have_done(place: &Place, command: &Command) -> anyhow::Result<Value> {
    Hand::open(place)?.have_done(command)
}

/// Whoever does what commands say. Once the storage was opened here, it stays open for those that
/// follow.
pub(super) struct Hand {
    runtime: tokio::runtime::Runtime,
    loaded: Loaded,
    own: Option<(App, Live)>,
}

impl Hand {
    /// Reads the settings.
    pub(super) fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Runtime::new().context("no threads")?,
            loaded: place.load()?,
            own: None,
        })
    }

    /// Has one command done.
    pub(super) fn have_done(&mut self, command: &Command) -> anyhow::Result<Value> {
        let (loaded, own) = (&self.loaded, &mut self.own);
        let outcome = self.runtime.block_on(async {
            if own.is_none() {
                let socket = &loaded.settings.admin.socket;
                if let Some(outcome) = remote::ask(socket, command).await? {
                    return anyhow::Ok(outcome);
                }
                let app = App::open(&loaded.settings, false).await?;
                let live = app
                    .build(&loaded.settings)
                    .map_err(|problems| loaded.report(problems))?;
                *own = Some((app, live));
            }
            let Some((app, live)) = own else {
                bail!("the storage is not open");
            };
            Ok(carry_out(app, live, command.clone()).await)
        })?;
        match outcome {
            Outcome::Done(value) => Ok(value),
            Outcome::Refused(why) => Err(anyhow!(why)),
        }
    }
}

/// Listens for commands, for as long as the process lives.
pub(super) async fn serve(path: PathBuf, app: Arc<App>, live: Arc<ArcSwap<Live>>) {
    let listener = match socket::open(&path).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                socket = %path.display(),
                "the admin socket cannot be opened: commands will work on the storage"
            );
            return;
        }
    };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, mostly: asking again at once would only keep a processor busy.
                tracing::warn!(%error, "the admin socket could not take a connection");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        if let Err(why) = socket::operator(&stream) {
            tracing::warn!(error = format!("{why:#}"), "a command was refused");
            continue;
        }
        let (app, live) = (app.clone(), live.load_full());
        tokio::spawn(async move {
            if let Err(error) = exchange(stream, &app, &live).await {
                tracing::warn!(error = format!("{error:#}"), "a command was not answered");
            }
        });
    }
}

async fn exchange(stream: UnixStream, app: &App, live: &Live) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read)
        .take(MOST_COMMAND)
        .read_line(&mut line)
        .await?;
    if line.trim().is_empty() {
        return Ok(());
    }
    let outcome = match serde_json::from_str(&line) {
        Ok(command) => carry_out(app, live, command).await,
        Err(error) => Outcome::Refused(format!("this process does not know the command: {error}")),
    };
    let mut answer = serde_json::to_vec(&outcome)?;
    answer.push(b'\n');
    write.write_all(&answer).await?;
    Ok(())
}

/// Does what a command says.
async fn carry_out(app: &App, live: &Live, command: Command) -> Outcome {
    let operator = Operator { app, live };
    match operator.carry_out(command).await {
        Ok(value) => Outcome::Done(value),
        Err(error) => Outcome::Refused(format!("{error:#}")),
    }
}

/// The operator at work.
struct Operator<'a> {
    app: &'a App,
    live: &'a Live,
}

impl Operator<'_> {
    async fn carry_out(&self, command: Command) -> anyhow::Result<Value> {
        match command {
            Command::ConnectionAdopt { name } => self.adopt(&name).await,
            Command::ConnectionFacts { name } => self.facts(&name).await,
            Command::ConnectionRename { from, to } => self.rename(&from, &to).await,
            Command::ConnectionTry { name } => self.begin_trial(&name).await,
            Command::ConnectionTried { token } => self.trial_report(&token).await,
            Command::ConnectionsCount => self.count().await,
            Command::KeysList => Ok(self.app.keys.list().await?.iter().map(key).collect()),
            Command::KeysRotate => self.rotate().await,
            Command::Migration { name } => self.migration(&name).await,
            Command::SessionsList { user, most } => self.sessions(user.as_deref(), most).await,
            Command::SessionsRevoke { which } => self.revoke(which).await,
            Command::UserAdd(new) => self.add(new).await,
            Command::UserBlock { user, blocked } => self.block(&user, blocked).await,
            Command::UserDelete { user } => self.delete(&user).await,
            Command::UserExport(page) => transfer::export_page(self.app, page).await,
            Command::UserImport(batch) => transfer::import_batch(self.app, self.live, batch).await,
            Command::UserFactors { user } => {
                factors::list(self.app, &self.user(&user).await?).await
            }
            Command::UserResetFactors { user, reason } => {
                factors::reset(self.app, &self.user(&user).await?, &reason).await
            }
            Command::UserLink {
                connection,
                subject,
                to,
                metadata,
            } => self.link((&connection, &subject), &to, metadata).await,
            Command::UserSet { user, changes } => self.set(&user, &changes).await,
            Command::UserSetPassword { user, password } => {
                self.set_password(&user, Secret::new(password)).await
            }
            Command::UserShow { user } => self.show(&user).await,
            Command::UserUnlink {
                connection,
                subject,
            } => self.unlink(&connection, &subject).await,
            Command::UsersList {
                search,
                after,
                most,
            } => self.users(search.as_deref(), after.as_deref(), most).await,
        }
    }

    async fn rotate(&self) -> anyhow::Result<Value> {
        let longest = self.app.sessions.lifetimes().absolute;
        if !self.app.keys.rotate(longest).await? {
            bail!("another process rotated the keys at the same moment; look with keys list");
        }
        Ok(self.app.keys.list().await?.iter().map(key).collect())
    }

    async fn end_sessions(&self, user: &UserId, reason: &str) -> anyhow::Result<()> {
        let mut event = self.event(EventKind::SessionRevoked).user(user);
        reason.clone_into(&mut event.reason);
        self.app
            .sessions
            .revoke_all(&Whose::User(user.clone()), event)
            .await?;
        Ok(())
    }

    fn event(&self, kind: EventKind) -> Event {
        Event::new(self.app.clock.now(), kind, "operator")
    }

    fn peer(&self) -> Peer {
        Peer {
            address: None,
            now: self.app.clock.now(),
            certificate: None,
            channel_binding: None,
            allowed: Some(Allowed::operator()),
            seen: Seen::default(),
        }
    }
}

fn key(record: &KeyRecord) -> Value {
    json!({ "id": record.id, "state": record.state, "since": record.since.to_string() })
}
