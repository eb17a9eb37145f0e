//! The end of a login: who is this, may they come in, and what is known about them now.

use super::{Directory, Origin, TRIES, handle};
use crate::{
    clock::Timestamp,
    connection::{Authenticated, Proof, SyncProfile},
    identity::{ConnectionId, Identity, UserId},
    store::{
        AccountRecord, Created, EventKind, FactorRecord, NewUser, OneTimeUse, Purpose, StoreError,
        UserRecord,
    },
};

/// On what terms a connection's people come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub(crate) sync_profile: SyncProfile,
    /// Whether people who were never here may.
    pub(crate) signup: bool,
    /// Whether the profile is this connection's to rule from now on.
    pub(crate) rules: bool,
}

/// Somebody who may have a session.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) user: UserRecord,
    pub(crate) proof: Proof,
    /// Whether this login made the user.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests ask who is new"))]
    pub(crate) new: bool,
}

/// Why somebody may not come in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// What allowed the sign-up was used before.
    #[error("the link was used before")]
    AlreadyUsed(Purpose),
    #[error("the user is blocked")]
    Blocked,
    /// Others kept changing the same record.
    #[error("the user's record changes too fast")]
    Contended,
    #[error("this person has an account already")]
    Exists,
    #[error("no handle is free for this person")]
    HandleExhausted,
    #[error("the e-mail address or username belongs to somebody else")]
    LoginTaken,
    #[error("the connection admits nobody new")]
    SignUpClosed,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `sync_profile = "never"`: only who exists already.
    #[error("the connection admits only users who exist already")]
    UnknownUser,
}

/// A user to be.
#[derive(Clone, Debug)]
pub(crate) struct NewPerson {
    pub(crate) identity: Identity,
    /// The credentials, where they are ours.
    pub(crate) account: Option<AccountRecord>,
    /// The passkey that they sign in with.
    pub(crate) factor: Option<FactorRecord>,
    pub(crate) owner: bool,
    /// What is used up by it: the owner's first-run link.
    pub(crate) uses: Vec<OneTimeUse>,
}

impl Directory {
    /// Admits whoever a connection vouched for.
    pub(crate) async fn admit(
        &self,
        mut who: Authenticated,
        rules: Admission,
        origin: &Origin,
    ) -> Result<Admitted, Refusal> {
        let mut account = who.take_account();
        let (identity, proof) = who.into_parts();
        let _turn = (self.turns)
            .of(&identity.connection, &identity.subject)
            .await;
        for _ in 0..TRIES {
            let found = self
                .users
                .find_by_identity(&identity.connection, &identity.subject)
                .await?;
            let (user, new) = match found {
                Some(user) => match self.welcome_back(user, &identity, rules).await? {
                    Some(user) => {
                        if let Some(account) = account.take() {
                            self.move_in(account, origin).await?;
                        }
                        (user, false)
                    }
                    None => continue,
                },
                None if rules.sync_profile == SyncProfile::Never => {
                    return Err(Refusal::UnknownUser);
                }
                None if !rules.signup => return Err(Refusal::SignUpClosed),
                None => {
                    let person = NewPerson {
                        identity: identity.clone(),
                        account: account.clone(),
                        factor: None,
                        owner: false,
                        uses: Vec::new(),
                    };
                    match self
                        .create(person, Logins::First, "first-login", origin)
                        .await
                    {
                        Ok(user) => (user, true),
                        // Another login of the same person was faster.
                        Err(Refusal::Exists) => continue,
                        Err(Refusal::LoginTaken) if account.is_some() => {
                            account = match account {
                                Some(account) => self.with_free_names(account).await?,
                                None => None,
                            };
                            continue;
                        }
                        Err(refusal) => return Err(refusal),
                    }
                }
            };
            return Ok(Admitted { user, proof, new });
        }
        Err(Refusal::Contended)
    }

    /// Makes the user of a sign-up, with the account that the strategy prepared, and admits them.
    /// Whether strangers may sign up is asked of the connection before.
    pub(crate) async fn sign_up(
        &self,
        person: NewPerson,
        who: Authenticated,
        origin: &Origin,
    ) -> Result<Admitted, Refusal> {
        let (identity, proof) = who.into_parts();
        let person = NewPerson {
            identity: identity.clone(),
            ..person
        };
        let user = self
            .create(person, Logins::First, "sign-up", origin)
            .await?;
        Ok(Admitted {
            user,
            proof,
            new: true,
        })
    }

    /// Makes a user who has not been here yet (`users add`).
    pub(crate) async fn add(
        &self,
        person: NewPerson,
        origin: &Origin,
    ) -> Result<UserRecord, Refusal> {
        self.create(person, Logins::None, "added", origin).await
    }

    /// Notes the login of a user who exists; `None`: somebody else wrote first, read again.
    async fn welcome_back(
        &self,
        user: UserRecord,
        identity: &Identity,
        rules: Admission,
    ) -> Result<Option<UserRecord>, Refusal> {
        if user.blocked {
            return Err(Refusal::Blocked);
        }
        let now = self.clock.now();
        let was = user.version;
        let mut user = user;
        if rules.sync_profile == SyncProfile::EachLogin && user.profile != identity.profile {
            user.profile.clone_from(&identity.profile);
            user.updated_at = now;
        }
        if rules.rules {
            user.synced_by.clone_from(&identity.connection);
        }
        user.last_login_at = Some(now);
        user.logins = user.logins.saturating_add(1);
        user.version = was + 1;
        // Over the version in which the user was not blocked.
        if !self.users.replace(user.clone(), was, None).await? {
            return Ok(None);
        }
        let refreshed = self.users.refresh_identity(identity, now).await?;
        Ok(refreshed.then_some(user))
    }

    async fn create(
        &self,
        person: NewPerson,
        logins: Logins,
        reason: &str,
        origin: &Origin,
    ) -> Result<UserRecord, Refusal> {
        let user = new_user(&person, logins, self.clock.now());
        let kind = match logins {
            Logins::First => EventKind::SignUpSucceeded,
            Logins::None => EventKind::UserCreated,
        };
        self.write(person, (user, None), (kind, reason), origin)
            .await
    }

    /// Writes a user under the first handle that is free: `wanted`, or one made of the identity.
    pub(super) async fn write(
        &self,
        person: NewPerson,
        (mut user, wanted): (UserRecord, Option<&str>),
        (kind, reason): (EventKind, &str),
        origin: &Origin,
    ) -> Result<UserRecord, Refusal> {
        let connection = &person.identity.connection;
        let wish = wanted.map_or_else(|| handle::wish(&person.identity), handle::wish_for);
        let event = origin.event(self.clock.now(), kind, reason);
        let event = event.user(&user.id).connection(connection);
        for handle in self.free_handles(&wish, connection) {
            user.handle = handle;
            let new = NewUser {
                user: user.clone(),
                identity: person.identity.clone(),
                account: person.account.clone(),
                factor: person.factor.clone(),
                uses: person.uses.clone(),
                event: event.clone(),
            };
            match self.users.create(new).await? {
                Created::AlreadyUsed(purpose) => return Err(Refusal::AlreadyUsed(purpose)),
                Created::Created => {
                    event.log();
                    return Ok(user);
                }
                Created::HandleTaken => {}
                Created::IdentityTaken => return Err(Refusal::Exists),
                Created::LoginTaken => return Err(Refusal::LoginTaken),
            }
        }
        Err(Refusal::HandleExhausted)
    }

    /// The handles that a user may get, in the order in which they are tried.
    pub(super) fn free_handles(&self, wish: &str, connection: &ConnectionId) -> Vec<String> {
        let mut handles = handle::candidates(wish, connection);
        handles.extend((0..2).map(|_| handle::with_suffix(wish, &self.drawn_suffix())));
        handles
    }

    pub(super) fn drawn_suffix(&self) -> String {
        let bytes: [u8; 5] = self.random.bytes();
        bytes
            .iter()
            .fold("-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// How often a user who is made has signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Logins {
    /// They do so now.
    First,
    None,
}

pub(super) fn new_user(person: &NewPerson, logins: Logins, now: Timestamp) -> UserRecord {
    let identity = &person.identity;
    let here = logins == Logins::First;
    UserRecord {
        id: UserId::new(&identity.connection, &identity.subject),
        handle: String::new(),
        profile: identity.profile.clone(),
        user_metadata: serde_json::Map::new(),
        app_metadata: serde_json::Map::new(),
        blocked: false,
        owner: person.owner,
        synced_by: identity.connection.clone(),
        created_at: now,
        updated_at: now,
        last_login_at: here.then_some(now),
        logins: u64::from(here),
        version: 1,
    }
}
