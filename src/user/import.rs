//! Users from a file: one at a time, or many in one transaction.
//!
//! To import is idempotent. Whoever exists already is left as they are, or with
//! [`upsert`](ImportMode::upsert) brought to what the file says; so an import that was cut short is
//! finished by doing it again.

use super::{
    Directory, IdentityLine, NewPerson, Origin, PersonLine, Refusal, TRIES,
    admit::{self, Logins},
    edit, handle,
};
use crate::{
    clock::Timestamp,
    connection::LoginName,
    crypto::{BadHash, check_hash},
    identity::{Identity, UserId},
    store::{AccountRecord, Created, Event, EventKind, Login, NewUser, StoreError, UserRecord},
};

/// What is done with a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ImportMode {
    /// Nothing is written.
    pub(crate) dry_run: bool,
    /// Users who exist are changed.
    pub(crate) upsert: bool,
}

/// What became of a line, or in a dry run would become of it.
#[derive(Debug)]
pub(crate) enum Imported {
    Created,
    /// The user or one of the identities exists; nothing was changed.
    Exists,
    /// The user exists and is now as the line says. Whoever calls ends the sessions of a blocked one.
    Updated(Box<UserRecord>),
}

/// Why a line was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("the password hash cannot be used: {0}")]
    BadHash(#[from] BadHash),
    #[error("{0:?} is no e-mail address or username to sign in with")]
    BadLogin(String),
    #[error("{0} is larger than {most} bytes", most = edit::MOST_METADATA)]
    MetadataTooLarge(&'static str),
    #[error("the user has no identity")]
    NoIdentity,
    #[error("the id is not that of the first identity, {0}, nor of the same subject")]
    OtherId(UserId),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl Directory {
    /// Makes or changes the users of many lines; an answer for each, in their order. Those who are
    /// new and have one identity are written in one transaction.
    pub(crate) async fn import_all(
        &self,
        lines: &[PersonLine],
        mode: ImportMode,
        origin: &Origin,
    ) -> Vec<Result<Imported, ImportError>> {
        let mut new = Vec::new();
        let mut places = Vec::new();
        if !mode.dry_run {
            for (place, line) in lines.iter().enumerate() {
                if let Ok([person]) = self.people(line).as_deref() {
                    new.push(self.first_try(person, line, origin));
                    places.push(place);
                }
            }
        }
        let events: Vec<Event> = new.iter().map(|new| new.event.clone()).collect();
        let written = self.users.create_all(new).await.unwrap_or_default();
        let mut done: Vec<bool> = vec![false; lines.len()];
        for ((place, event), created) in places.into_iter().zip(events).zip(written) {
            if created == Created::Created {
                event.log();
                done.get_mut(place)
                    .into_iter()
                    .for_each(|done| *done = true);
            }
        }
        let mut answers = Vec::with_capacity(lines.len());
        for (line, done) in lines.iter().zip(done) {
            answers.push(if done {
                Ok(Imported::Created)
            } else {
                self.import(line, mode, origin).await
            });
        }
        answers
    }

    /// Makes or changes the user of a line. A second identity is first a user of its own, for a
    /// moment: no store writes two at once.
    pub(crate) async fn import(
        &self,
        line: &PersonLine,
        mode: ImportMode,
        origin: &Origin,
    ) -> Result<Imported, ImportError> {
        let people = self.people(line)?;
        for person in &people {
            let Identity {
                connection,
                subject,
                ..
            } = &person.identity;
            if self
                .users
                .find_by_identity(connection, subject)
                .await?
                .is_some()
            {
                return self.meet(line, &people, mode, origin).await;
            }
        }
        if mode.dry_run {
            return self.would_create(&people).await;
        }
        let mut people = people.into_iter();
        let first = people.next().ok_or(ImportError::NoIdentity)?;
        let again = first.clone();
        let user = match self.write_imported(first, line, origin).await {
            Err(Refusal::Exists) => return self.meet(line, &[again], mode, origin).await,
            other => other?,
        };
        for person in people {
            self.attach(person, &user, origin).await?;
        }
        Ok(Imported::Created)
    }

    /// The identities of a line, if all of it can be taken.
    fn people(&self, line: &PersonLine) -> Result<Vec<NewPerson>, ImportError> {
        let first = line.identities.first().ok_or(ImportError::NoIdentity)?;
        if !line.id.is_of(&first.subject) {
            let founding = UserId::new(&first.connection, &first.subject);
            return Err(ImportError::OtherId(founding));
        }
        for (field, map) in [
            ("user_metadata", &line.user_metadata),
            ("app_metadata", &line.app_metadata),
        ] {
            if edit::json_len(map) > edit::MOST_METADATA {
                return Err(ImportError::MetadataTooLarge(field));
            }
        }
        let now = self.clock.now();
        let identities = line.identities.iter();
        identities.map(|identity| person(identity, now)).collect()
    }

    /// The user of a line under the handle that they would like best.
    fn first_try(&self, person: &NewPerson, line: &PersonLine, origin: &Origin) -> NewUser {
        let connection = &person.identity.connection;
        let mut user = self.draft(person, line);
        let wish = line.handle.as_deref();
        let wish = wish.map_or_else(|| handle::wish(&person.identity), handle::wish_for);
        let best = handle::candidates(&wish, connection).into_iter().next();
        user.handle = best.unwrap_or(wish);
        let event = origin.event(self.clock.now(), EventKind::UserCreated, "imported");
        NewUser {
            event: event.user(&user.id).connection(connection),
            user,
            identity: person.identity.clone(),
            account: person.account.clone(),
            factor: None,
            uses: Vec::new(),
        }
    }

    fn draft(&self, person: &NewPerson, line: &PersonLine) -> UserRecord {
        UserRecord {
            id: line.id.clone(),
            profile: line.profile.clone(),
            user_metadata: line.user_metadata.clone(),
            app_metadata: line.app_metadata.clone(),
            blocked: line.blocked.unwrap_or_default(),
            owner: line.owner.unwrap_or_default(),
            ..admit::new_user(person, Logins::None, self.clock.now())
        }
    }

    async fn write_imported(
        &self,
        person: NewPerson,
        line: &PersonLine,
        origin: &Origin,
    ) -> Result<UserRecord, Refusal> {
        let draft = self.draft(&person, line);
        let wish = line.handle.as_deref();
        let created = (EventKind::UserCreated, "imported");
        self.write(person, (draft, wish), created, origin).await
    }

    /// What a dry run says of somebody new.
    async fn would_create(&self, people: &[NewPerson]) -> Result<Imported, ImportError> {
        for account in people.iter().filter_map(|person| person.account.as_ref()) {
            for login in account.email.iter().chain(&account.username) {
                let users = &self.users;
                let connection = &account.connection;
                let found = users
                    .account_by_login(connection, &login.normalised)
                    .await?;
                if found.is_some() {
                    return Err(Refusal::LoginTaken.into());
                }
            }
        }
        Ok(Imported::Created)
    }

    /// Brings somebody who exists to what a line says, if that is wanted.
    async fn meet(
        &self,
        line: &PersonLine,
        people: &[NewPerson],
        mode: ImportMode,
        origin: &Origin,
    ) -> Result<Imported, ImportError> {
        if !mode.upsert {
            return Ok(Imported::Exists);
        }
        for _ in 0..TRIES {
            let Some(before) = self.users.find(&line.id).await? else {
                return Ok(Imported::Exists);
            };
            if mode.dry_run {
                return Ok(Imported::Updated(Box::new(before)));
            }
            let now = self.clock.now();
            let was = before.version;
            let user = UserRecord {
                profile: line.profile.clone(),
                user_metadata: line.user_metadata.clone(),
                app_metadata: line.app_metadata.clone(),
                blocked: line.blocked.unwrap_or(before.blocked),
                owner: line.owner.unwrap_or(before.owner),
                updated_at: now,
                version: was + 1,
                ..before
            };
            let event = origin.event(now, EventKind::UserChanged, "imported");
            let event = event.user(&user.id);
            let users = &self.users;
            if !users
                .replace(user.clone(), was, Some(event.clone()))
                .await?
            {
                continue;
            }
            event.log();
            for person in people {
                users.refresh_identity(&person.identity, now).await?;
                if let Some(account) = &person.account {
                    self.update_account(account, &user).await?;
                }
            }
            return Ok(Imported::Updated(Box::new(user)));
        }
        Err(Refusal::Contended.into())
    }

    /// A hash from the file replaces one here only until the first login: after that the one here
    /// is newer.
    async fn update_account(
        &self,
        given: &AccountRecord,
        user: &UserRecord,
    ) -> Result<(), ImportError> {
        let (connection, subject) = (&given.connection, &given.subject);
        let Some(held) = self.users.account(connection, subject).await? else {
            return Ok(());
        };
        let was = held.version;
        let takes_hash = user.last_login_at.is_none() && !given.password_hash.is_empty();
        let renewed = AccountRecord {
            email: given.email.clone(),
            username: given.username.clone(),
            email_verified: given.email_verified,
            password_hash: if takes_hash {
                given.password_hash.clone()
            } else {
                held.password_hash.clone()
            },
            version: was + 1,
            ..held
        };
        if self.users.replace_account(renewed, was, None).await? {
            Ok(())
        } else {
            Err(Refusal::LoginTaken.into())
        }
    }

    async fn attach(
        &self,
        person: NewPerson,
        user: &UserRecord,
        origin: &Origin,
    ) -> Result<(), ImportError> {
        let Identity {
            connection,
            subject,
            ..
        } = person.identity.clone();
        let own = admit::new_user(&person, Logins::None, self.clock.now());
        // No handle that somebody may want is used up by this.
        let passing = format!("import{}", self.drawn_suffix());
        let created = (EventKind::UserCreated, "imported");
        let own = self
            .write(person, (own, Some(&passing)), created, origin)
            .await?;
        let now = self.clock.now();
        let linked = origin.event(now, EventKind::IdentityLinked, "imported");
        let linked = linked.user(&user.id).connection(&connection);
        if self
            .users
            .link(&connection, &subject, &user.id, linked)
            .await?
        {
            let gone = origin
                .event(now, EventKind::UserDeleted, "linked-away")
                .user(&own.id);
            self.users.delete(&own.id, gone).await?;
        }
        Ok(())
    }
}

/// A hash that can be checked, or nothing.
fn readable(hash: Option<&str>) -> Result<String, ImportError> {
    let hash = hash.unwrap_or_default();
    if !hash.is_empty() {
        check_hash(hash)?;
    }
    Ok(hash.to_owned())
}

fn person(line: &IdentityLine, now: Timestamp) -> Result<NewPerson, ImportError> {
    let login = |typed: &Option<String>| -> Result<Option<Login>, ImportError> {
        typed
            .as_ref()
            .map(|typed| {
                let name = LoginName::parse(typed);
                let name = name.map_err(|_| ImportError::BadLogin(typed.clone()))?;
                Ok(Login {
                    typed: typed.clone(),
                    normalised: name.as_str().to_owned(),
                })
            })
            .transpose()
    };
    let account = line.account.as_ref().map(|account| {
        Ok::<_, ImportError>(AccountRecord {
            connection: line.connection.clone(),
            subject: line.subject.clone(),
            email: login(&account.email)?,
            username: login(&account.username)?,
            email_verified: account.email_verified,
            password_hash: readable(account.password_hash.as_deref())?,
            previous_hashes: Vec::new(),
            password_changed_at: now,
            created_at: now,
            version: 1,
        })
    });
    Ok(NewPerson {
        identity: Identity {
            connection: line.connection.clone(),
            subject: line.subject.clone(),
            profile: line.profile.clone(),
            claims: line.claims.clone(),
            groups: line.groups.clone(),
        },
        account: account.transpose()?,
        factor: None,
        owner: false,
        uses: Vec::new(),
    })
}
