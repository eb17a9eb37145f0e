//! Sign-up, change of password and removal where the people are in a store elsewhere: in the store, as
//! far as it can do that, or, where people move, here.

use async_trait::async_trait;

use super::{Foreign, ForeignStore, Found, NewPerson, Refused, StoreFault, Who, import};
use crate::{
    connection::{
        AccountError, AccountKey, Accounts, Addressee, Allowed, Authenticated, BadNewPassword,
        BadUsername, ByMail, LoginName, LoginNames, NewPassword, Password, Peer, Personal,
        PreparedAccount, Rejection, Rule, SignUp, UsernameChange, UsernameRules, names::Names,
    },
    identity::Subject,
    protocol::EmailAddress,
    secret::Secret,
    store::{AccountAdded, Event, EventKind},
};

#[async_trait]
impl Accounts for Foreign {
    fn signup(&self) -> bool {
        self.signup
    }

    fn names(&self) -> LoginNames {
        self.names
    }

    fn username_rules(&self) -> &UsernameRules {
        &self.usernames
    }

    fn password_rules(&self) -> &[Rule] {
        self.rules.rules()
    }

    fn next_password_rules(&self) -> &[Rule] {
        let local = self.local.as_ref().and_then(|local| local.accounts());
        local.map_or_else(|| self.rules.rules(), Accounts::next_password_rules)
    }

    fn changes_passwords(&self) -> bool {
        let store = self.store.as_ref();
        self.local.is_some() || store.is_some_and(|store| store.can().change_password)
    }

    async fn sign_up(&self, wish: SignUp, peer: &Peer) -> Result<PreparedAccount, AccountError> {
        let Some(local) = &self.local else {
            return self.sign_up_elsewhere(wish, peer).await;
        };
        let accounts = local.accounts().ok_or_else(|| self.unable("sign up"))?;
        let prepared = accounts.sign_up(wish.clone(), peer).await?;
        // Who has not moved yet keeps their names.
        if let Some(store) = &self.store
            && self.is_taken(store.as_ref(), &wish).await?
        {
            return Err(AccountError::LoginTaken);
        }
        Ok(prepared)
    }

    async fn change_password(
        &self,
        subject: &Subject,
        current: &Secret,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        if let Some(local) = &self.local
            && self.has_moved(subject).await?
        {
            let accounts = local.accounts();
            let accounts = accounts.ok_or_else(|| self.unable("change a password"))?;
            return accounts.change_password(subject, current, new, peer).await;
        }
        let key = AccountKey::Subject(self.id.clone(), subject.clone());
        if !peer.has_paid_for(&key) {
            return Err(self.reject(Refused::Unpaid).into());
        }
        let current = Password::parse(current).map_err(|_| AccountError::WrongPassword)?;
        let store = self.asked("change a password")?;
        let found = self.person(store, subject).await?;
        let verified = store.verify(Who::Subject(subject), &found, &current).await;
        let verified = verified.map_err(|fault| self.reject(fault.into()))?;
        let found = verified.ok_or(AccountError::WrongPassword)?;
        let new = self.rules.admit(new, self.personal(&found)?).await?;
        self.write(&found, &new, peer, "changed").await
    }

    async fn addressee(&self, login: &LoginName) -> Result<Option<Addressee>, Rejection> {
        if let Some(local) = &self.local {
            let account = self.local_account(login).await;
            let account = account.map_err(|refused| self.reject(refused))?;
            if account.is_some() {
                let accounts = local.accounts();
                return match accounts {
                    Some(accounts) => accounts.addressee(login).await,
                    None => Ok(None),
                };
            }
        }
        self.addressee_elsewhere(Who::Login(login)).await
    }

    async fn addressee_of(&self, subject: &Subject) -> Result<Option<Addressee>, Rejection> {
        if let Some(local) = self.local_of(subject).await? {
            return local.addressee_of(subject).await;
        }
        self.addressee_elsewhere(Who::Subject(subject)).await
    }

    async fn judge_password(&self, subject: &Subject, new: &Secret) -> Result<(), AccountError> {
        if let Some(local) = self.local_of(subject).await? {
            return local.judge_password(subject, new).await;
        }
        let found = self
            .person(self.asked("judge a password")?, subject)
            .await?;
        self.rules.admit(new, self.personal(&found)?).await?;
        Ok(())
    }

    async fn reset_password(
        &self,
        proof: &ByMail,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let subject = &proof.claimed().subject;
        if let Some(local) = self.local_of(subject).await? {
            return local.reset_password(proof, new, peer).await;
        }
        let found = self
            .person(self.asked("reset a password")?, subject)
            .await?;
        let new = self.rules.admit(new, self.personal(&found)?).await?;
        self.write(&found, &new, peer, "reset").await?;
        // Who has moved by this has an account here, whose address was just proven.
        match self.local_of(subject).await? {
            Some(local) => local.confirm_email(proof, peer).await.map(drop),
            None => Ok(()),
        }
    }

    async fn confirm_email(&self, proof: &ByMail, peer: &Peer) -> Result<bool, AccountError> {
        match self.local_of(&proof.claimed().subject).await? {
            Some(local) => local.confirm_email(proof, peer).await,
            // What the store says of an address is its own.
            None => Ok(false),
        }
    }

    /// Nothing that is asked of the store elsewhere needs it.
    async fn check_password(
        &self,
        subject: &Subject,
        current: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        match self.local_of(subject).await? {
            Some(local) => local.check_password(subject, current, peer).await,
            None => Err(self.unable("check a password")),
        }
    }

    /// The names are those of the store, by which it would know people still.
    async fn change_username(
        &self,
        _: &Subject,
        _: &str,
        _: &Peer,
    ) -> Result<Option<UsernameChange>, AccountError> {
        Err(self.unable("change a username"))
    }

    async fn set_password(
        &self,
        subject: &Subject,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        if let Some(local) = &self.local
            && self.has_moved(subject).await?
        {
            let accounts = local.accounts();
            let accounts = accounts.ok_or_else(|| self.unable("set a password"))?;
            return accounts.set_password(subject, new, peer).await;
        }
        let found = self.person(self.asked("set a password")?, subject).await?;
        let new = self.rules.admit(new, self.personal(&found)?).await?;
        self.write(&found, &new, peer, "set-by-operator").await
    }

    async fn delete(&self, subject: &Subject) -> Result<(), AccountError> {
        match &self.store {
            Some(store) if store.can().delete => {
                let deleted = store.delete(subject).await;
                Ok(deleted.map_err(|fault| self.reject(fault.into()))?)
            }
            _ => Ok(()),
        }
    }
}

impl Foreign {
    fn unable(&self, what: &'static str) -> AccountError {
        self.reject(StoreFault::Unable(what).into()).into()
    }

    /// What of them a password must not hold.
    fn personal(&self, found: &Found) -> Result<Personal, AccountError> {
        let identity = self.people.identity(&self.id, found);
        let identity = identity.map_err(|error| self.reject(error.into()))?;
        Ok(Personal::new(&identity.profile, &[]))
    }

    fn unwritten(&self, fault: StoreFault) -> AccountError {
        match fault {
            StoreFault::TooLong(_) => BadNewPassword::TooLong.into(),
            fault => self.reject(fault.into()).into(),
        }
    }

    fn asked(&self, what: &'static str) -> Result<&dyn ForeignStore, AccountError> {
        let store = self.store.as_deref();
        store.ok_or_else(|| self.unable(what))
    }

    /// The accounts here, if this person has one.
    async fn local_of(&self, subject: &Subject) -> Result<Option<&dyn Accounts>, Rejection> {
        let Some(local) = &self.local else {
            return Ok(None);
        };
        let account = self.parts.users.account(&self.id, subject).await;
        let account = account.map_err(|error| self.reject(error.into()))?;
        let has_moved = account.is_some_and(|account| !account.password_hash.is_empty());
        Ok(local.accounts().filter(|_| has_moved))
    }

    /// Whom a message reaches of whom only the store knows, if what it leads to could be written.
    async fn addressee_elsewhere(&self, who: Who<'_>) -> Result<Option<Addressee>, Rejection> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let found = match store.find(who).await {
            Err(StoreFault::Ambiguous) | Ok(None) => return Ok(None),
            Ok(Some(found)) => found,
            Err(fault) => return Err(self.reject(fault.into())),
        };
        let identity = self.people.identity(&self.id, &found);
        let identity = identity.map_err(|error| self.reject(error.into()))?;
        let users = &self.parts.users;
        let known = users.find_by_identity(&self.id, &found.subject).await;
        let known = known.map_err(|error| self.reject(error.into()))?;
        let can_be_written = match &self.local {
            // They move by it, and only somebody who is known can have an account.
            Some(_) => known.is_some(),
            None => store.can().change_password,
        };
        let email = identity.profile.email.as_deref();
        let email = email.and_then(|email| EmailAddress::parse(email).ok());
        Ok(email.filter(|_| can_be_written).map(|email| Addressee {
            subject: found.subject,
            email,
            verified: identity.profile.email_verified,
        }))
    }

    async fn has_moved(&self, subject: &Subject) -> Result<bool, AccountError> {
        let account = self.parts.users.account(&self.id, subject).await;
        let account = account.map_err(|error| self.reject(error.into()))?;
        Ok(account.is_some_and(|account| !account.password_hash.is_empty()))
    }

    async fn person(
        &self,
        store: &dyn ForeignStore,
        subject: &Subject,
    ) -> Result<Found, AccountError> {
        let found = store.find(Who::Subject(subject)).await;
        let found = found.map_err(|fault| self.reject(fault.into()))?;
        Ok(found.ok_or_else(|| self.reject(Refused::NoPerson))?)
    }

    /// Writes a new password: into the store, or, where people move, into an account here, which moves
    /// them.
    async fn write(
        &self,
        found: &Found,
        new: &NewPassword,
        peer: &Peer,
        reason: &'static str,
    ) -> Result<(), AccountError> {
        let mut event =
            Event::new(peer.now, EventKind::PasswordChanged, reason).connection(&self.id);
        event.address = peer.address;
        let users = &self.parts.users;
        let broken = |error| self.reject(Refused::Storage(error));
        let user = users.find_by_identity(&self.id, &found.subject).await;
        event.user = user.map_err(broken)?.map(|user| user.id);
        if self.local.is_some() {
            let hash = self.parts.hasher.hash(new.secret()).await;
            let hash = hash.map_err(|error| self.reject(error.into()))?;
            let identity = self.people.identity(&self.id, found);
            let identity = identity.map_err(|error| self.reject(error.into()))?;
            let account = import::account(&identity, hash, peer.now);
            let added = users.add_account(account, Some(event.clone())).await;
            return match added.map_err(broken)? {
                AccountAdded::Added => {
                    event.log();
                    Ok(())
                }
                AccountAdded::LoginTaken => Err(AccountError::LoginTaken),
                // They moved or went just now.
                AccountAdded::Exists | AccountAdded::NoIdentity => {
                    Err(self.reject(Refused::NoPerson).into())
                }
            };
        }
        let store = self.asked("change a password")?;
        let changed = store.change_password(&found.subject, new).await;
        changed.map_err(|fault| self.unwritten(fault))?;
        users.record(event.clone()).await.map_err(broken)?;
        event.log();
        Ok(())
    }

    /// Makes an account in the store, and reads back who that is.
    async fn sign_up_elsewhere(
        &self,
        wish: SignUp,
        peer: &Peer,
    ) -> Result<PreparedAccount, AccountError> {
        let allowed = peer.allowed.as_ref();
        if !allowed.is_some_and(|allowed| allowed.is_operator() || allowed.covers_sign_up()) {
            return Err(self.reject(Refused::Unpaid).into());
        }
        if !self.signup && !allowed.is_some_and(Allowed::is_operator) {
            return Err(self.unable("sign up"));
        }
        let store = self.asked("sign up")?;
        let names = Names::read(&wish, (self.names, &self.usernames))?;
        let (email, username) = (names.email.as_ref(), names.username.as_ref());
        let login = match self.names {
            LoginNames::Email | LoginNames::EmailOrUsername => email.or(username),
            LoginNames::Username => username,
        };
        let login = login.ok_or(AccountError::BadEmail)?;
        let login = LoginName::parse(&login.typed).map_err(|_| BadUsername::Characters)?;
        let password = self.rules.admit(&wish.password, names.personal()).await?;
        if self.is_taken(store, &wish).await? {
            return Err(AccountError::LoginTaken);
        }
        let new = NewPerson {
            email: names.email.map(|email| email.typed),
            username: names.username.map(|username| username.typed),
            name: names.name,
            password,
        };
        let made = store.create(&new).await;
        if !made.map_err(|fault| self.unwritten(fault))? {
            return Err(AccountError::LoginTaken);
        }
        let found = store.find(Who::Login(&login)).await;
        let found = found.map_err(|fault| self.reject(fault.into()))?;
        let found = found.ok_or_else(|| self.reject(Refused::NoPerson))?;
        let identity = self.people.identity(&self.id, &found);
        let identity = identity.map_err(|error| self.reject(error.into()))?;
        let who = Authenticated::new(identity, peer.now, vec!["pwd".to_owned()], None);
        Ok(PreparedAccount {
            account: None,
            who: Box::new(who),
        })
    }

    /// Whether somebody in the store has one of these names.
    async fn is_taken(
        &self,
        store: &dyn ForeignStore,
        wish: &SignUp,
    ) -> Result<bool, AccountError> {
        for name in [&wish.email, &wish.username].into_iter().flatten() {
            let Ok(login) = LoginName::parse(name) else {
                continue;
            };
            match store.find(Who::Login(&login)).await {
                Ok(None) => {}
                Ok(Some(_)) | Err(StoreFault::Ambiguous) => return Ok(true),
                Err(fault) => return Err(self.reject(fault.into()).into()),
            }
        }
        Ok(false)
    }
}
