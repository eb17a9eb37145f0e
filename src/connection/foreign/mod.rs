//! People in a store that is somebody else's: an application's own user table ([`sql`](super::sql)),
//! or whatever is behind an HTTP endpoint ([`http`](super::http_store)).
//!
//! The strategies know how to ask such a store ([`ForeignStore`]); what a sign-in with it is stands
//! here once, as [`Foreign`]. The store says who has the name, and whether the password is theirs; for
//! a name that nobody has as much work is done, and no refusal comes sooner than another. One name
//! that fits two people is nobody's.
//!
//! With `import` the store is a place that people leave ([`import`]): who signs in from there gets an
//! account here, with the same subject and so the same user id, and the store is not asked about them
//! again. These accounts are those of the strategy [`database`], which this one then holds inside.

mod accounts;
mod config;
mod import;
mod person;
mod refused;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub(in crate::connection) use self::{
    config::Import,
    person::{Columns, Found, People, StoredHash, subject_of},
    refused::{Refused, StoreFault},
};
use super::{
    AccountKey, Accounts, Authenticated, Common, Connection, ConnectionData, Facts, Form,
    InlineForm, LoginName, LoginNames, Migration, NewPassword, Password, PasswordForm,
    PasswordReply, PasswordRules, Peer, Rejection, Reply, Start, Step, SyncProfile, UsernameRules,
    database, registry::Parts,
};
use crate::{
    identity::{ConnectionId, Subject},
    problem::Problem,
    store::Pin,
};

/// Nobody is refused sooner: a store answers about somebody who is not there more quickly than a
/// password is checked.
const REFUSED_AFTER: Duration = Duration::from_millis(400);
/// Whose budget a try is paid from is not found sooner of somebody who has moved than of others,
/// about whom the store is asked.
const KNOWN_AFTER: Duration = Duration::from_millis(100);

/// What may be asked of a store.
#[async_trait]
pub(in crate::connection) trait ForeignStore:
    fmt::Debug + Send + Sync
{
    /// What else than looking people up it can do.
    fn can(&self) -> Abilities;
    /// Who this is. `None`: nobody. More than one is [`StoreFault::Ambiguous`].
    async fn find(&self, who: Who<'_>) -> Result<Option<Found>, StoreFault>;
    /// Whether the password is this person's: then what the store says of them now.
    async fn verify(
        &self,
        who: Who<'_>,
        found: &Found,
        password: &Password,
    ) -> Result<Option<Found>, StoreFault>;
    /// As much work as [`verify`](Self::verify) for a name that nobody has.
    async fn verify_nobody(&self, login: &LoginName, password: &Password)
    -> Result<(), StoreFault>;
    /// Makes somebody. `false`: one of the names is taken.
    async fn create(&self, new: &NewPerson) -> Result<bool, StoreFault>;
    /// Replaces a password.
    async fn change_password(&self, subject: &Subject, new: &NewPassword)
    -> Result<(), StoreFault>;
    /// Removes somebody; it is no mistake if nobody is there.
    async fn delete(&self, subject: &Subject) -> Result<(), StoreFault>;
    /// How many people there are, where that can be asked.
    async fn count(&self) -> Result<Option<u64>, StoreFault>;
    /// Sees that all it will be asked can be answered.
    async fn reach(&self) -> Result<(), StoreFault>;
}

/// By what somebody is looked up.
#[derive(Clone, Copy, Debug)]
pub(in crate::connection) enum Who<'a> {
    Login(&'a LoginName),
    Subject(&'a Subject),
}

/// What a store can do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::connection) struct Abilities {
    pub(in crate::connection) create: bool,
    pub(in crate::connection) change_password: bool,
    pub(in crate::connection) delete: bool,
}

/// Somebody who is to be made in the store.
#[derive(Clone, Debug)]
pub(in crate::connection) struct NewPerson {
    pub(in crate::connection) email: Option<String>,
    pub(in crate::connection) username: Option<String>,
    pub(in crate::connection) name: Option<String>,
    pub(in crate::connection) password: NewPassword,
}

/// A connection whose people are in a store elsewhere, or come from there.
#[derive(Debug)]
pub(in crate::connection) struct Foreign {
    id: ConnectionId,
    strategy: &'static str,
    /// `None`: everybody has left it.
    store: Option<Arc<dyn ForeignStore>>,
    /// The accounts here that people get; a connection of the strategy `database`.
    local: Option<Arc<dyn Connection>>,
    people: People,
    names: LoginNames,
    signup: bool,
    rules: PasswordRules,
    usernames: UsernameRules,
    parts: Parts,
}

/// What a strategy has read of its settings.
#[derive(Debug)]
pub(in crate::connection) struct Settings<'a> {
    pub(in crate::connection) strategy: &'static str,
    pub(in crate::connection) import: Import,
    pub(in crate::connection) accounts: &'a database::Config,
    pub(in crate::connection) people: People,
    pub(in crate::connection) store: Option<Arc<dyn ForeignStore>>,
}

impl Foreign {
    /// Makes the connection, with the accounts here if people move.
    pub(in crate::connection) fn open(
        set: Settings<'_>,
        (id, common, parts): (ConnectionId, &Common, &Parts),
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let local = match set.import {
            Import::No => None,
            Import::FromStore | Import::Finished => {
                Some(database::local(set.accounts, (id.clone(), common, parts))?)
            }
        };
        if local.is_none() && set.accounts.password.has_history() {
            let message = "the passwords that people had before are not kept here";
            let hint = "leave it out, or let people move with import";
            return Err(vec![Problem::new("password.history", message).hint(hint)]);
        }
        let makes = set.store.as_ref().is_some_and(|store| store.can().create);
        let may = common.signup == Some(true) && common.sync_profile != SyncProfile::Never;
        Ok(Arc::new(Self {
            id,
            strategy: set.strategy,
            signup: may && (makes || local.is_some()),
            store: set.store,
            local,
            people: set.people,
            names: set.accounts.login.into(),
            rules: PasswordRules::open(&set.accounts.password, &parts.http),
            usernames: UsernameRules::open(&set.accounts.username),
            parts: parts.clone(),
        }))
    }
}

#[async_trait]
impl Connection for Foreign {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Itself: where the store is may change, and who is in it does not.
    fn pin(&self) -> Pin {
        Pin {
            strategy: self.strategy.to_owned(),
            issuer: self.id.to_string(),
        }
    }

    async fn begin(&self, _: Start<'_>) -> Result<Step, Rejection> {
        Ok(Step::Prompt {
            form: Form::Password(self.form()),
            keep: ConnectionData::default(),
        })
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let not_before = tokio::time::sleep(REFUSED_AFTER);
        let step = self.sign_in(kept, reply, peer).await;
        if step.is_err() {
            not_before.await;
        }
        step.map_err(|refused| self.reject(refused))
    }

    async fn account_key(&self, login: LoginName) -> Result<AccountKey, Rejection> {
        let not_before = tokio::time::sleep(KNOWN_AFTER);
        let key = self.key(login).await;
        if self.local.is_some() && self.store.is_some() {
            not_before.await;
        }
        key.map_err(|refused| self.reject(refused))
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        let can = (self.store.as_ref()).map_or_else(Abilities::default, |store| store.can());
        (self.local.is_some() || can.create || can.change_password || can.delete).then_some(self)
    }

    fn inline(&self) -> Option<InlineForm> {
        Some(InlineForm::Password(self.form()))
    }

    async fn reach(&self) -> Result<(), Rejection> {
        match &self.store {
            Some(store) => {
                let reached = store.reach().await;
                reached.map_err(|fault| self.reject(fault.into()))
            }
            None => Ok(()),
        }
    }

    async fn migration(&self) -> Option<Result<Migration, Rejection>> {
        self.local.as_ref()?;
        let counted = match &self.store {
            Some(store) => store.count().await,
            None => Ok(Some(0)),
        };
        let counted = counted.map_err(|fault| self.reject(fault.into()));
        Some(counted.map(|in_old_store| Migration { in_old_store }))
    }

    async fn facts(&self) -> Facts {
        let store = if self.store.is_some() {
            "asked"
        } else {
            "left"
        };
        let import = self.local.is_some();
        Facts::from_iter([
            ("store".to_owned(), store.into()),
            ("import".to_owned(), import.into()),
        ])
    }
}

impl Foreign {
    fn form(&self) -> PasswordForm {
        PasswordForm {
            names: self.names,
            signup: self.signup,
            certificate: false,
        }
    }

    /// Whose budget a try is paid from: all names of one person are one.
    async fn key(&self, login: LoginName) -> Result<AccountKey, Refused> {
        if let Some(account) = self.local_account(&login).await? {
            return Ok(AccountKey::Subject(self.id.clone(), account.subject));
        }
        let found = self.find_elsewhere(&login).await?;
        Ok(self.key_of(found.as_ref(), &login))
    }

    fn key_of(&self, found: Option<&Found>, login: &LoginName) -> AccountKey {
        found.map_or_else(
            || AccountKey::Name(self.id.clone(), login.clone()),
            |found| AccountKey::Subject(self.id.clone(), found.subject.clone()),
        )
    }

    async fn sign_in(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let (Some(_), Reply::Form(body)) = (kept, reply) else {
            return Err(Refused::Unasked);
        };
        let typed = PasswordReply::parse(body)?;
        if self.local_account(&typed.login).await?.is_some() {
            return self.sign_in_here(kept, reply, peer).await;
        }
        let found = self.find_elsewhere(&typed.login).await?;
        let key = self.key_of(found.as_ref(), &typed.login);
        if !peer.has_paid_for(&key) {
            return Err(Refused::Unpaid);
        }
        let (Some(store), Some(found)) = (&self.store, found) else {
            self.verify_nobody(&typed).await?;
            return Err(Refused::NoPerson);
        };
        let who = Who::Login(&typed.login);
        let verified = store.verify(who, &found, &typed.password).await?;
        let known = verified.ok_or(Refused::WrongPassword)?;
        if known.subject != found.subject {
            return Err(
                StoreFault::Misbehaved("it names two people in one login".to_owned()).into(),
            );
        }
        if known.closed {
            return Err(Refused::Closed);
        }
        let identity = self.people.identity(&self.id, &known)?;
        peer.seen.add(refused::IDENTITY, &identity.claims);
        let who = Authenticated::new(identity, peer.now, vec!["pwd".to_owned()], None);
        let who = self.with_account(who, &typed, peer.now).await?;
        Ok(Step::Done { who: Box::new(who) })
    }

    async fn verify_nobody(&self, typed: &PasswordReply) -> Result<(), Refused> {
        if let Some(store) = &self.store {
            return Ok(store.verify_nobody(&typed.login, &typed.password).await?);
        }
        let hasher = &self.parts.hasher;
        Ok(hasher.verify_dummy(typed.password.secret()).await?)
    }

    /// Whom the store knows by this name. A name of several people is nobody's.
    async fn find_elsewhere(&self, login: &LoginName) -> Result<Option<Found>, Refused> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        match store.find(Who::Login(login)).await {
            Err(fault @ StoreFault::Ambiguous) => {
                tracing::warn!(connection = %self.id, error = %fault, "a name that several people have signs in nobody");
                Ok(None)
            }
            found => Ok(found?),
        }
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: None,
            source: Some(Box::new(refused)),
        }
    }
}
