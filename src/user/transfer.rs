//! Users as JSON lines: what `users export` prints and `users import` reads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Directory, NewPerson, Origin, Refusal, admit::Logins, edit};
use crate::{
    clock::Timestamp,
    connection::LoginName,
    identity::{ConnectionId, Groups, Identity, Profile, Subject, UserId},
    store::{AccountRecord, EventKind, Login, StoreError, UserRecord},
};

/// One user.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonLine {
    pub(crate) id: UserId,
    /// A wish when read: it may be taken.
    #[serde(default)]
    pub(crate) handle: Option<String>,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) user_metadata: Map<String, Value>,
    #[serde(default)]
    pub(crate) app_metadata: Map<String, Value>,
    #[serde(default)]
    pub(crate) blocked: bool,
    #[serde(default)]
    pub(crate) owner: bool,
    /// The first one gives the user's id.
    pub(crate) identities: Vec<IdentityLine>,
}

/// One of their identities.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityLine {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    #[serde(default)]
    pub(crate) groups: Groups,
    /// The credentials, where they are ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<AccountLine>,
}

/// What somebody signs in to a database connection with.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountLine {
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) email_verified: bool,
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// PHC string format. Without one nobody can sign in until a password is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_hash: Option<String>,
}

impl std::fmt::Debug for AccountLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountLine")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// What became of a line.
#[derive(Debug)]
pub(crate) enum Imported {
    Created(
        #[cfg_attr(not(test), expect(dead_code, reason = "tests ask who it is"))] Box<UserRecord>,
    ),
    /// The user or one of the identities exists; nothing was changed.
    Exists,
}

/// Why a line was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
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
    /// The user as a line; hashes only when asked for.
    pub(crate) async fn export(
        &self,
        user: UserRecord,
        with_hashes: bool,
    ) -> Result<PersonLine, StoreError> {
        let mut identities = Vec::new();
        for record in self.users.identities(&user.id).await? {
            let Identity {
                connection,
                subject,
                profile,
                claims,
                groups,
            } = record.identity;
            let account = self.users.account(&connection, &subject).await?;
            let account = account.map(|account| AccountLine {
                email: account.email.map(|email| email.typed),
                email_verified: account.email_verified,
                username: account.username.map(|username| username.typed),
                password_hash: with_hashes.then_some(account.password_hash),
            });
            identities.push(IdentityLine {
                connection,
                subject,
                profile,
                claims,
                groups,
                account,
            });
        }
        // The founding identity may not be the oldest one, after an import.
        identities.sort_by_key(|line| !user.id.is_of(&line.subject));
        Ok(PersonLine {
            id: user.id,
            handle: Some(user.handle),
            profile: user.profile,
            user_metadata: user.user_metadata,
            app_metadata: user.app_metadata,
            blocked: user.blocked,
            owner: user.owner,
            identities,
        })
    }

    /// Makes the user of a line. A second identity is first a user of its own, for a moment: no
    /// store writes two at once.
    pub(crate) async fn import(
        &self,
        line: PersonLine,
        origin: &Origin,
    ) -> Result<Imported, ImportError> {
        let now = self.clock.now();
        let mut identities = line.identities.iter();
        let first = identities.next().ok_or(ImportError::NoIdentity)?;
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
        let mut people = Vec::new();
        for identity in &line.identities {
            let known = self
                .users
                .find_by_identity(&identity.connection, &identity.subject)
                .await?;
            if known.is_some() {
                return Ok(Imported::Exists);
            }
            people.push(person(identity, now)?);
        }
        let mut people = people.into_iter();
        let first = people.next().ok_or(ImportError::NoIdentity)?;
        let user = match self.write_imported(first, &line, origin).await {
            Err(Refusal::Exists) => return Ok(Imported::Exists),
            other => other?,
        };
        for person in people {
            self.attach(person, &user, origin).await?;
        }
        Ok(Imported::Created(Box::new(user)))
    }

    async fn write_imported(
        &self,
        person: NewPerson,
        line: &PersonLine,
        origin: &Origin,
    ) -> Result<UserRecord, Refusal> {
        let draft = UserRecord {
            id: line.id.clone(),
            profile: line.profile.clone(),
            user_metadata: line.user_metadata.clone(),
            app_metadata: line.app_metadata.clone(),
            blocked: line.blocked,
            owner: line.owner,
            ..super::admit::new_user(&person, Logins::None, self.clock.now())
        };
        let wish = line.handle.as_deref();
        self.write(
            person,
            (draft, wish),
            (EventKind::UserCreated, "imported"),
            origin,
        )
        .await
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
        let own = super::admit::new_user(&person, Logins::None, self.clock.now());
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
            password_hash: account.password_hash.clone().unwrap_or_default(),
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
        owner: false,
        uses: Vec::new(),
    })
}
