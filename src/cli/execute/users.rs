//! What the operator asks of users.

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};

use super::{MOST, Operator, sessions::session};
use crate::{
    app::App,
    cli::{factors, remote::NewUser},
    connection::{Accounts, LoginName, SignUp, UsernamesChange},
    identity::{ConnectionId, Identity, Subject, UserId},
    proxy::Live,
    secret::Secret,
    store::{UserRecord, Whose},
    user::{Editor, MetadataRule, NewPerson, Origin, ProfileEdit},
};

impl Operator<'_> {
    pub(super) async fn add(&self, new: NewUser) -> anyhow::Result<Value> {
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

    pub(super) async fn block(&self, name: &str, blocked: bool) -> anyhow::Result<Value> {
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

    pub(super) async fn delete(&self, name: &str) -> anyhow::Result<Value> {
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

    pub(super) async fn link(
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

    pub(super) async fn unlink(&self, connection: &str, subject: &str) -> anyhow::Result<Value> {
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

    pub(super) async fn set(
        &self,
        name: &str,
        changes: &[(String, String)],
    ) -> anyhow::Result<Value> {
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

    pub(super) async fn set_password(&self, name: &str, password: Secret) -> anyhow::Result<Value> {
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

    pub(super) async fn show(&self, name: &str) -> anyhow::Result<Value> {
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

    pub(super) async fn users(
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

    pub(super) async fn user(&self, name: &str) -> anyhow::Result<UserRecord> {
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
}

/// A user by id, handle or, where a connection keeps accounts, the name they sign in with.
pub(in crate::cli) async fn find_user(
    app: &App,
    live: &Live,
    name: &str,
) -> anyhow::Result<UserRecord> {
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
