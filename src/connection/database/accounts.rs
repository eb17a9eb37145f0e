//! Making an account and changing its password.

use async_trait::async_trait;

use super::{Database, assertion};
use crate::{
    clock::Timestamp,
    connection::{
        AccountError, AccountKey, Accounts, Allowed, Authenticated, Fault, LoginName, LoginNames,
        MOST_PASSWORD, Password, Peer, PreparedAccount, Rejection, SignUp,
    },
    identity::{Profile, Subject},
    protocol::EmailAddress,
    secret::Secret,
    store::{AccountRecord, Event, EventKind, Login},
};

#[async_trait]
impl Accounts for Database {
    fn signup(&self) -> bool {
        self.signup
    }

    fn names(&self) -> LoginNames {
        self.names
    }

    fn least_password(&self) -> usize {
        self.min_length
    }

    /// A username that is taken is said to be. An e-mail address that is taken is not looked up
    /// here: the work is the same, and the refusal comes from the admission, for which the page
    /// has one sentence.
    async fn sign_up(&self, wish: SignUp, peer: &Peer) -> Result<PreparedAccount, AccountError> {
        let allowed = peer.allowed.as_ref();
        let operator = allowed.is_some_and(Allowed::is_operator);
        if !operator {
            if !self.signup {
                return Err(self.reject(Fault::Denied, "sign-up-closed").into());
            }
            if !allowed.is_some_and(Allowed::covers_sign_up) {
                return Err(self.reject(Fault::Internal, "spend-budget").into());
            }
        }
        let names = self.read_names(&wish)?;
        let name = wish
            .name
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        if name
            .as_ref()
            .is_some_and(|name| name.len() > 256 || name.chars().any(char::is_control))
        {
            return Err(AccountError::BadName);
        }
        let password = self.new_password(&wish.password)?;
        if let Some(username) = &names.username {
            let taken = self
                .parts
                .users
                .account_by_login(&self.id, &username.normalised)
                .await;
            if taken
                .map_err(|error| self.failed(Fault::Internal, "find-account", error))?
                .is_some()
            {
                return Err(AccountError::UsernameTaken);
            }
        }
        let account = self.account(names, &password, peer.now).await?;
        let profile = Profile {
            name,
            ..Profile::default()
        };
        let identity = assertion(&account, profile);
        let who = Authenticated::new(identity, peer.now, vec!["pwd".to_owned()], None);
        Ok(PreparedAccount {
            account: Some(account),
            who: Box::new(who),
        })
    }

    async fn change_password(
        &self,
        subject: &Subject,
        current: &Secret,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let key = AccountKey::Subject(self.id.clone(), subject.clone());
        if !peer
            .allowed
            .as_ref()
            .is_some_and(|allowed| allowed.covers(&key))
        {
            return Err(self.reject(Fault::Internal, "spend-budget").into());
        }
        let new = self.new_password(new)?;
        let current = Password::parse(current).map_err(|_| AccountError::WrongPassword)?;
        let account = match self.verify(self.stored(subject).await?, &current).await {
            Err(rejection) if rejection.fault == Fault::Denied => {
                return Err(AccountError::WrongPassword);
            }
            other => other?,
        };
        self.write(account, &new, peer, "changed").await
    }

    async fn set_password(
        &self,
        subject: &Subject,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let new = self.new_password(new)?;
        let account = self.stored(subject).await?;
        let account = account.ok_or_else(|| self.reject(Fault::Denied, "find-account"))?;
        self.write(account, &new, peer, "set-by-operator").await
    }
}

/// The names of an account to be.
struct Names {
    email: Option<Login>,
    username: Option<Login>,
}

impl Database {
    /// Reads the names that this connection needs and allows.
    fn read_names(&self, wish: &SignUp) -> Result<Names, AccountError> {
        let given = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let email = given(&wish.email)
            .map(|email| read_email(&email))
            .transpose()?;
        let username = given(&wish.username)
            .map(|name| read_username(&name))
            .transpose()?;
        match self.names {
            LoginNames::Email if email.is_none() => Err(AccountError::BadEmail),
            LoginNames::EmailOrUsername if email.is_none() && username.is_none() => {
                Err(AccountError::BadEmail)
            }
            LoginNames::Username if username.is_none() => Err(AccountError::BadUsername),
            _ => Ok(Names { email, username }),
        }
    }

    fn new_password(&self, typed: &Secret) -> Result<Password, AccountError> {
        let password = Password::parse(typed).map_err(|_| AccountError::PasswordTooLong {
            most: MOST_PASSWORD,
        })?;
        if password.chars() < self.min_length {
            return Err(AccountError::PasswordTooShort {
                least: self.min_length,
            });
        }
        Ok(password)
    }

    async fn account(
        &self,
        names: Names,
        password: &Password,
        now: Timestamp,
    ) -> Result<AccountRecord, AccountError> {
        let password_hash = self.hash(password).await?;
        Ok(AccountRecord {
            connection: self.id.clone(),
            subject: self.new_subject()?,
            email: names.email,
            username: names.username,
            email_verified: false,
            password_hash,
            password_changed_at: now,
            created_at: now,
            version: 1,
        })
    }

    /// Twenty characters of base 32 (RFC 4648 section 6, lower case): 100 random bits that say
    /// nothing about the person.
    fn new_subject(&self) -> Result<Subject, AccountError> {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let bytes: [u8; 20] = self.parts.random.bytes();
        let letters = bytes
            .iter()
            .filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
        let text: String = letters.map(|letter| char::from(*letter)).collect();
        let subject = text.parse();
        Ok(subject.map_err(|error| self.failed(Fault::Internal, "draw-subject", error))?)
    }

    async fn hash(&self, password: &Password) -> Result<String, Rejection> {
        let hash = self.parts.hasher.hash(password.secret()).await;
        hash.map_err(|error| self.unhashed(error))
    }

    async fn stored(&self, subject: &Subject) -> Result<Option<AccountRecord>, Rejection> {
        let account = self.parts.users.account(&self.id, subject).await;
        account.map_err(|error| self.failed(Fault::Internal, "find-account", error))
    }

    /// Writes a new password. The account may have changed since it was read (a rehash, another
    /// change): then the state that is there now gets it, unless its password is another one.
    async fn write(
        &self,
        mut account: AccountRecord,
        new: &Password,
        peer: &Peer,
        reason: &'static str,
    ) -> Result<(), AccountError> {
        let proven = account.password_changed_at;
        let password_hash = self.hash(new).await?;
        for _ in 0..3 {
            let was = account.version;
            let mut event =
                Event::new(peer.now, EventKind::PasswordChanged, reason).connection(&self.id);
            event.address = peer.address;
            let users = &self.parts.users;
            let broken = |error| self.failed(Fault::Internal, "write-account", error);
            event.user = users
                .find_by_identity(&self.id, &account.subject)
                .await
                .map_err(broken)?
                .map(|user| user.id);
            account.password_hash.clone_from(&password_hash);
            account.password_changed_at = peer.now;
            account.version = was + 1;
            let subject = account.subject.clone();
            if users
                .replace_account(account, was, Some(event.clone()))
                .await
                .map_err(broken)?
            {
                event.log();
                return Ok(());
            }
            let again = self.stored(&subject).await?;
            account = again.ok_or_else(|| self.reject(Fault::Denied, "find-account"))?;
            if account.password_changed_at != proven {
                break;
            }
        }
        Err(self.reject(Fault::Denied, "write-account").into())
    }
}

fn read_email(text: &str) -> Result<Login, AccountError> {
    let email = EmailAddress::parse(text).map_err(|_| AccountError::BadEmail)?;
    let name = LoginName::parse(email.as_str()).map_err(|_| AccountError::BadEmail)?;
    Ok(Login {
        typed: email.as_str().to_owned(),
        normalised: name.as_str().to_owned(),
    })
}

/// A username has no `@`, so it is never somebody's e-mail address.
fn read_username(text: &str) -> Result<Login, AccountError> {
    let name = LoginName::parse(text).map_err(|_| AccountError::BadUsername)?;
    let known = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if name.as_str().chars().count() > 64 || !name.as_str().chars().all(known) {
        return Err(AccountError::BadUsername);
    }
    Ok(Login {
        typed: text.to_owned(),
        normalised: name.as_str().to_owned(),
    })
}
