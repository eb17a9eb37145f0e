//! What the process does on the operator's word, asked by the admin socket or in a process of the
//! command's own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{
    Place, factors,
    remote::{self, Command, NewUser, Outcome, Revoke},
    socket, transfer,
};
use crate::{
    app::App,
    config::Loaded,
    connection::{Accounts, Allowed, LoginName, Peer, Seen, SignUp, UsernamesChange},
    identity::{ConnectionId, Identity, Subject, UserId},
    proxy::Live,
    secret::Secret,
    store::{Event, EventKind, KeyRecord, SessionId, SessionRecord, UserRecord, Whose},
    user::{Editor, MetadataRule, NewPerson, Origin, ProfileEdit},
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
    /// What a connection knows of its provider.
    async fn facts(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let found = self.live.site.engine.connections.find(&id);
        let (connection, _) = found.ok_or_else(|| anyhow!("there is no connection {name:?}"))?;
        Ok(Value::Object(connection.facts().await))
    }

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

    /// How far people have come who move here from a store elsewhere.
    async fn migration(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let found = self.live.site.engine.connections.find(&id);
        let (connection, _) = found.ok_or_else(|| anyhow!("there is no connection {name:?}"))?;
        let Some(migration) = connection.migration().await else {
            bail!("nobody moves here from {id}: it has no \"import\"");
        };
        let imported = self.app.directory.store().count_accounts(&id).await?;
        let in_old_store = match migration {
            Ok(migration) => migration.in_old_store,
            Err(rejection) => bail!("{}", crate::problem::causes(&rejection)),
        };
        let left = in_old_store.map(|all| all.saturating_sub(imported));
        Ok(json!({
            "connection": id,
            "imported": imported,
            "in_old_store": in_old_store,
            "left": left,
        }))
    }

    /// A link for one trial login.
    async fn begin_trial(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let engine = &self.live.site.engine;
        let (connection, _) = engine
            .connections
            .enabled(&id)
            .ok_or_else(|| anyhow!("there is no connection {id} that is enabled"))?;
        if connection.checks().is_empty() {
            bail!("{id} asks with a form of ours: there is no provider to try");
        }
        let drawn: [u8; 32] = self.app.random.bytes();
        let token = URL_SAFE_NO_PAD.encode(drawn);
        let url = engine.offer_trial(&id, &token).await?;
        Ok(json!({ "url": url, "token": token }))
    }

    /// What became of a trial login.
    async fn trial_report(&self, token: &str) -> anyhow::Result<Value> {
        let report = self.live.site.engine.trial(token).await?;
        let report = report.ok_or_else(|| anyhow!("there is no such trial any more"))?;
        Ok(serde_json::to_value(report)?)
    }

    async fn adopt(&self, name: &str) -> anyhow::Result<Value> {
        let id: ConnectionId = name.parse()?;
        let connections = &self.live.site.engine.connections;
        let (connection, _) = connections
            .find(&id)
            .ok_or_else(|| anyhow!("there is no connection {id} in the configuration"))?;
        self.app
            .directory
            .adopt(connection.as_ref(), &Origin::default())
            .await?;
        Ok(json!({ "adopted": id }))
    }

    async fn rename(&self, from: &str, to: &str) -> anyhow::Result<Value> {
        let (from, to): (ConnectionId, ConnectionId) = (from.parse()?, to.parse()?);
        let directory = &self.app.directory;
        let identities = directory.rename(&from, &to, &Origin::default()).await?;
        // Those that the users' store does not hold.
        self.app.sessions.rename_connection(&from, &to).await?;
        Ok(json!({ "renamed": from, "to": to, "identities": identities }))
    }

    async fn count(&self) -> anyhow::Result<Value> {
        let counts = self.app.directory.store().counts().await?;
        Ok(counts
            .into_iter()
            .map(|(id, users)| json!({ "connection": id, "users": users }))
            .collect())
    }

    async fn rotate(&self) -> anyhow::Result<Value> {
        let longest = self.app.sessions.lifetimes().absolute;
        if !self.app.keys.rotate(longest).await? {
            bail!("another process rotated the keys at the same moment; look with keys list");
        }
        Ok(self.app.keys.list().await?.iter().map(key).collect())
    }

    async fn sessions(&self, user: Option<&str>, most: usize) -> anyhow::Result<Value> {
        let whose = match user {
            Some(user) => Whose::User(self.user(user).await?.id),
            None => Whose::All,
        };
        let listed = self
            .app
            .sessions
            .store()
            .list(&whose, most.min(MOST))
            .await?;
        Ok(listed.iter().map(session).collect())
    }

    async fn revoke(&self, which: Revoke) -> anyhow::Result<Value> {
        let event = self.event(EventKind::SessionRevoked);
        let sessions = &self.app.sessions;
        let ended = match which {
            Revoke::All => sessions.revoke_all(&Whose::All, event).await?,
            Revoke::Connection(name) => {
                let id: ConnectionId = name.parse()?;
                sessions
                    .revoke_all(&Whose::Connection(id.clone()), event.connection(&id))
                    .await?
            }
            Revoke::Session(id) => {
                let id: SessionId = id.parse()?;
                if !sessions.revoke(id, event.session(id)).await? {
                    bail!("there is no session {id}; it may have ended already");
                }
                1
            }
            Revoke::User(user) => {
                let user = self.user(&user).await?.id;
                sessions
                    .revoke_all(&Whose::User(user.clone()), event.user(&user))
                    .await?
            }
        };
        Ok(json!({ "ended": ended }))
    }

    async fn add(&self, new: NewUser) -> anyhow::Result<Value> {
        let id: ConnectionId = new.connection.parse()?;
        let Some(password) = new.password else {
            let address = new.phone.or(new.email);
            return self.add_without_password(&id, address, new.owner).await;
        };
        let wish = SignUp {
            email: new.email,
            username: new.username,
            name: new.name,
            password: Secret::new(password),
            reserved: true,
        };
        let prepared = self.accounts(&id)?.sign_up(wish, &self.peer()).await?;
        let person = NewPerson {
            identity: prepared.who.identity().clone(),
            account: prepared.account,
            factor: None,
            owner: new.owner,
            uses: Vec::new(),
        };
        let added = self.app.directory.add(person, &Origin::default()).await?;
        Ok(user(&added))
    }

    /// Whoever reads what is sent to the address is that user from now on.
    async fn add_without_password(
        &self,
        id: &ConnectionId,
        address: Option<String>,
        owner: bool,
    ) -> anyhow::Result<Value> {
        let found = self.live.site.engine.connections.find(id);
        let (connection, _) =
            found.ok_or_else(|| anyhow!("there is no connection {id} in the configuration"))?;
        let passwordless = connection
            .passwordless()
            .ok_or_else(|| anyhow!("the connection {id} asks for a password"))?;
        let address = address.unwrap_or_default();
        let to = passwordless.recipient(&address);
        let to = to.filter(|to| passwordless.takes(to));
        let identity = to.and_then(|to| passwordless.identity(&to));
        let person = NewPerson {
            identity: identity.ok_or_else(|| anyhow!("{id} takes no {address:?}"))?,
            account: None,
            factor: None,
            owner,
            uses: Vec::new(),
        };
        let added = self.app.directory.add(person, &Origin::default()).await?;
        Ok(user(&added))
    }

    async fn block(&self, name: &str, blocked: bool) -> anyhow::Result<Value> {
        let found = self.user(name).await?;
        let directory = &self.app.directory;
        if blocked {
            directory.block(&found.id, &Origin::default()).await?;
            self.end_sessions(&found.id, "blocked").await?;
        } else {
            directory.unblock(&found.id, &Origin::default()).await?;
            self.app.sessions.forget_user(&found.id);
        }
        Ok(json!({ "user": found.id, "blocked": blocked }))
    }

    async fn delete(&self, name: &str) -> anyhow::Result<Value> {
        let found = self.user(name).await?;
        // Whoever is still in a store elsewhere would be back with the next login.
        for known in self.app.directory.store().identities(&found.id).await? {
            if let Ok(accounts) = self.accounts(&known.identity.connection) {
                accounts.delete(&known.identity.subject).await?;
            }
        }
        self.app
            .directory
            .delete(&found.id, "operator", &Origin::default())
            .await?;
        self.end_sessions(&found.id, "deleted").await?;
        Ok(json!({ "deleted": found.id }))
    }

    async fn link(
        &self,
        (connection, subject): (&str, &str),
        to: &str,
        metadata: MetadataRule,
    ) -> anyhow::Result<Value> {
        let (connection, subject): (ConnectionId, Subject) =
            (connection.parse()?, subject.parse()?);
        let to = self.user(to).await?.id;
        let was = self
            .app
            .directory
            .link(
                (&connection, &subject),
                &to,
                ("operator", metadata),
                &Origin::default(),
            )
            .await?;
        if let Some(was) = &was {
            self.end_sessions(was, "identity-linked").await?;
        }
        self.app.sessions.forget_user(&to);
        Ok(json!({ "linked_to": to, "was": was }))
    }

    async fn unlink(&self, connection: &str, subject: &str) -> anyhow::Result<Value> {
        let (connection, subject): (ConnectionId, Subject) =
            (connection.parse()?, subject.parse()?);
        let (was, user) = self
            .app
            .directory
            .unlink((&connection, &subject), "operator", &Origin::default())
            .await?;
        self.end_sessions(&was, "identity-unlinked").await?;
        Ok(json!({ "unlinked_from": was, "user": user }))
    }

    async fn set(&self, name: &str, changes: &[(String, String)]) -> anyhow::Result<Value> {
        let found = self.user(name).await?;
        let (renames, changes): (Vec<_>, Vec<_>) =
            (changes.iter().cloned()).partition(|(field, _)| field == "username");
        let edit = profile_edit(&changes)?;
        if let Some((_, username)) = renames.last() {
            self.set_username(&found.id, username).await?;
        }
        let engine = &self.live.site.engine;
        let mode = |id: &ConnectionId| engine.sync_mode(id);
        let by = (Editor::Operator, &Origin::default());
        let edited = self.app.directory.edit(&found.id, &edit, by, &mode).await?;
        if edited.blocked {
            self.end_sessions(&found.id, "blocked").await?;
        }
        self.app.sessions.forget_user(&found.id);
        Ok(user(&edited))
    }

    /// Gives somebody another username, in the first connection that has one for them.
    async fn set_username(&self, id: &UserId, username: &str) -> anyhow::Result<()> {
        let directory = &self.app.directory;
        for known in directory.store().identities(id).await? {
            let Identity {
                connection,
                subject,
                ..
            } = known.identity;
            let Ok(accounts) = self.accounts(&connection) else {
                continue;
            };
            if accounts.usernames_change() == UsernamesChange::ByNobody {
                continue;
            }
            let peer = self.peer();
            let changed = accounts.change_username(&subject, username, &peer);
            if let Some(change) = changed.await? {
                let whose = (&connection, &subject);
                directory.note_username(whose, &change).await?;
            }
            return Ok(());
        }
        bail!("{id} signs in by no connection whose usernames are kept here")
    }

    async fn set_password(&self, name: &str, password: Secret) -> anyhow::Result<Value> {
        let found = self.user(name).await?;
        for known in self.app.directory.store().identities(&found.id).await? {
            let identity = known.identity;
            let Ok(accounts) = self.accounts(&identity.connection) else {
                continue;
            };
            accounts
                .set_password(&identity.subject, &password, &self.peer())
                .await?;
            self.end_sessions(&found.id, "password-set").await?;
            return Ok(json!({ "user": found.id, "connection": identity.connection }));
        }
        bail!(
            "{} signs in by no connection whose passwords are kept here",
            found.id
        )
    }

    async fn show(&self, name: &str) -> anyhow::Result<Value> {
        let found = self.user(name).await?;
        let identities = self.app.directory.store().identities(&found.id).await?;
        let whose = Whose::User(found.id.clone());
        let sessions = self.app.sessions.store().list(&whose, MOST).await?;
        let second_factors = factors::told(self.app, &found).await?;
        let mut shown = user(&found);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("second_factors".to_owned(), second_factors.into());
            let identities = identities.iter().map(|known| {
                json!({
                    "connection": known.identity.connection,
                    "subject": known.identity.subject,
                    "profile": known.identity.profile,
                    "claims": known.identity.claims,
                    "groups": known.identity.groups,
                    "created_at": known.created_at.to_string(),
                    "refreshed_at": known.refreshed_at.to_string(),
                })
            });
            shown.insert("identities".to_owned(), identities.collect());
            shown.insert(
                "sessions".to_owned(),
                sessions.iter().map(session).collect(),
            );
        }
        Ok(shown)
    }

    async fn users(
        &self,
        search: Option<&str>,
        after: Option<&str>,
        most: usize,
    ) -> anyhow::Result<Value> {
        let after = after.map(str::parse).transpose()?;
        let listed = self
            .app
            .directory
            .store()
            .list(search, after.as_ref(), most.min(MOST))
            .await?;
        Ok(listed.iter().map(user).collect())
    }

    async fn user(&self, name: &str) -> anyhow::Result<UserRecord> {
        find_user(self.app, self.live, name).await
    }

    fn accounts(&self, id: &ConnectionId) -> anyhow::Result<&dyn Accounts> {
        let (connection, _) = self
            .live
            .site
            .engine
            .connections
            .find(id)
            .ok_or_else(|| anyhow!("there is no connection {id} in the configuration"))?;
        connection
            .accounts()
            .ok_or_else(|| anyhow!("the connection {id} keeps no passwords of its own"))
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

/// A user by id, handle or, where a connection keeps accounts, the name they sign in with.
pub(super) async fn find_user(app: &App, live: &Live, name: &str) -> anyhow::Result<UserRecord> {
    let store = app.directory.store();
    if let Ok(id) = name.parse::<UserId>()
        && let Some(found) = store.find(&id).await?
    {
        return Ok(found);
    }
    if let Some(found) = store.find_by_handle(name).await? {
        return Ok(found);
    }
    if let Ok(login) = LoginName::parse(name) {
        for (connection, _) in live.site.engine.connections.iter() {
            let account = store
                .account_by_login(connection.id(), login.as_str())
                .await?;
            let Some(account) = account else { continue };
            let found = store
                .find_by_identity(connection.id(), &account.subject)
                .await?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }
    bail!("there is no user {name:?}: give an id, a handle or a name to sign in with")
}

/// `name=…`, `user_metadata={…}`, `blocked=true` …
fn profile_edit(changes: &[(String, String)]) -> anyhow::Result<ProfileEdit> {
    let mut edit = ProfileEdit::default();
    for (field, value) in changes {
        let text = Some(value.clone());
        match field.as_str() {
            "name" => edit.name = text,
            "given_name" => edit.given_name = text,
            "family_name" => edit.family_name = text,
            "nickname" => edit.nickname = text,
            "picture" => edit.picture = text,
            "user_metadata" => {
                edit.user_metadata = Some(serde_json::from_str(value).context("user_metadata")?);
            }
            "app_metadata" => {
                edit.app_metadata = Some(serde_json::from_str(value).context("app_metadata")?);
            }
            "blocked" => edit.blocked = Some(value.parse().context("blocked")?),
            "owner" => edit.owner = Some(value.parse().context("owner")?),
            "email" => bail!("an e-mail address changes by proof, not by hand"),
            other => bail!(
                "{other:?} is no field: there are username, name, given_name, family_name, nickname, \
                 picture, user_metadata, app_metadata, blocked and owner"
            ),
        }
    }
    Ok(edit)
}

fn key(record: &KeyRecord) -> Value {
    json!({ "id": record.id, "state": record.state, "since": record.since.to_string() })
}

fn session(record: &SessionRecord) -> Value {
    json!({
        "id": record.id,
        "user": record.user,
        "connections": record.authentications.iter().map(|held| &held.connection).collect::<Vec<_>>(),
        "amr": record.authentications.iter().flat_map(|held| &held.amr).collect::<Vec<_>>(),
        "created_at": record.created_at.to_string(),
        "last_used_at": record.last_used_at.to_string(),
        "expires_at": record.expires_at.to_string(),
        "address": record.address,
        "user_agent": record.user_agent,
    })
}

fn user(record: &UserRecord) -> Value {
    json!({
        "id": record.id,
        "handle": record.handle,
        "profile": record.profile,
        "user_metadata": record.user_metadata,
        "app_metadata": record.app_metadata,
        "blocked": record.blocked,
        "owner": record.owner,
        "synced_by": record.synced_by,
        "created_at": record.created_at.to_string(),
        "updated_at": record.updated_at.to_string(),
        "last_login_at": record.last_login_at.map(|at| at.to_string()),
        "logins": record.logins,
    })
}
