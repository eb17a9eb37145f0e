//! Making an account and changing its password.

use async_trait::async_trait;

use super::{Database, assertion, mailed::addressee};
use crate::{
    clock::Timestamp,
    connection::{
        AccountError, AccountKey, Accounts, Addressee, Allowed, Authenticated, BadNewPassword,
        ByMail, ConnectionData, Fault, Form, Judged, LoginName, LoginNames, NewPassword,
        NewPasswordForm, NewPasswordWhy, NextPassword, NotNext, Password, PasswordReply, Peer,
        Personal, PreparedAccount, Rejection, Rule, SignUp, Step, UsernameChange, UsernameRules,
        UsernamesChange, names::Names,
    },
    identity::{Identity, Subject},
    secret::Secret,
    store::{AccountRecord, Event, EventKind},
};

#[async_trait]
impl Accounts for Database {
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
        self.rules.next_rules()
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
        let names = Names::read(&wish, (self.names, &self.usernames))?;
        if self.needs_email && names.email.is_none() && !operator {
            return Err(AccountError::BadEmail);
        }
        let profile = names.profile();
        let personal = names.personal();
        let password = self.rules.admit(&wish.password, personal).await?;
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
        let account = self.knows_password(subject, current, peer).await?;
        let new = self.next_password(&account, new).await?;
        self.write(account, &new, peer, "changed").await
    }

    async fn addressee(&self, login: &LoginName) -> Result<Option<Addressee>, Rejection> {
        let account = self.find_account(login).await?;
        Ok(account.as_ref().and_then(addressee))
    }

    async fn addressee_of(&self, subject: &Subject) -> Result<Option<Addressee>, Rejection> {
        let account = self.stored(subject).await?;
        Ok(account.as_ref().and_then(addressee))
    }

    async fn judge_password(&self, subject: &Subject, new: &Secret) -> Result<(), AccountError> {
        let account = self.account_of(subject).await?;
        self.next_password(&account, new).await.map(drop)
    }

    async fn reset_password(
        &self,
        proof: &ByMail,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let account = self.account_of(&proof.claimed().subject).await?;
        let new = self.next_password(&account, new).await?;
        self.write(account, &new, peer, "reset").await?;
        self.confirm_email(proof, peer).await.map(drop)
    }

    async fn confirm_email(&self, proof: &ByMail, peer: &Peer) -> Result<bool, AccountError> {
        self.note_confirmed(proof, peer).await
    }

    async fn check_password(
        &self,
        subject: &Subject,
        current: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        self.knows_password(subject, current, peer).await.map(drop)
    }

    fn changes_email(&self) -> bool {
        true
    }

    async fn change_email(&self, proof: &ByMail, peer: &Peer) -> Result<bool, AccountError> {
        self.replace_email(proof, peer).await
    }

    fn usernames_change(&self) -> UsernamesChange {
        self.who_renames()
    }

    async fn change_username(
        &self,
        subject: &Subject,
        typed: &str,
        peer: &Peer,
    ) -> Result<Option<UsernameChange>, AccountError> {
        self.replace_username(subject, typed, peer).await
    }

    async fn set_password(
        &self,
        subject: &Subject,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let account = self.account_of(subject).await?;
        let new = self.next_password(&account, new).await?;
        self.write(account, &new, peer, "set-by-operator").await
    }
}

impl Database {
    /// The account of a person who knows its password.
    async fn knows_password(
        &self,
        subject: &Subject,
        current: &Secret,
        peer: &Peer,
    ) -> Result<AccountRecord, AccountError> {
        let key = AccountKey::Subject(self.id.clone(), subject.clone());
        if !peer.has_paid_for(&key) {
            return Err(self.reject(Fault::Internal, "spend-budget").into());
        }
        let current = Password::parse(current).map_err(|_| AccountError::WrongPassword)?;
        match self.verify(self.stored(subject).await?, &current).await {
            Err(rejection) if rejection.fault == Fault::Denied => Err(AccountError::WrongPassword),
            other => Ok(other?),
        }
    }

    pub(super) async fn account_of(&self, subject: &Subject) -> Result<AccountRecord, Rejection> {
        let account = self.stored(subject).await?;
        account.ok_or_else(|| self.reject(Fault::Denied, "find-account"))
    }

    /// An event about an account.
    pub(super) async fn event(
        &self,
        kind: EventKind,
        reason: &'static str,
        (account, peer): (&AccountRecord, &Peer),
    ) -> Result<Event, Rejection> {
        let user = self
            .parts
            .users
            .find_by_identity(&self.id, &account.subject);
        let user = user.await;
        let user = user.map_err(|error| self.failed(Fault::Internal, "write-account", error))?;
        let mut event = Event::new(peer.now, kind, reason).connection(&self.id);
        event.address = peer.address;
        event.user = user.map(|user| user.id);
        Ok(event)
    }

    /// A new password for an account that is there.
    async fn next_password(
        &self,
        account: &AccountRecord,
        typed: &Secret,
    ) -> Result<NextPassword, AccountError> {
        let profile = self.identity(account).await?.profile;
        let personal = Personal::new(&profile, &[]);
        let hasher = &self.parts.hasher;
        let admitted = self.rules.admit_next(typed, personal, account, hasher);
        admitted.await.map_err(|not| match not {
            NotNext::Bad(bad) => bad.into(),
            NotNext::Hash(error) => self.unhashed(error).into(),
        })
    }

    /// Replaces a password that is known from a leak, by the one that the person has typed besides;
    /// or asks for one.
    pub(super) async fn replace_leaked(
        &self,
        (account, identity): (AccountRecord, &Identity),
        reply: &PasswordReply,
        peer: &Peer,
    ) -> Result<Option<Step>, Rejection> {
        let untold = || self.rules.next_rules().iter().cloned().map(Judged::untold);
        let (refused, rules) = match &reply.new_password {
            None => (false, untold().collect()),
            Some(new) => {
                let personal = Personal::new(&identity.profile, &[]);
                let hasher = &self.parts.hasher;
                let admitted = self
                    .rules
                    .admit_next(new.secret(), personal, &account, hasher);
                match admitted.await {
                    Err(NotNext::Bad(BadNewPassword::Refused(judged))) => (true, judged),
                    Err(NotNext::Bad(BadNewPassword::TooLong)) => (true, untold().collect()),
                    Err(NotNext::Hash(error)) => return Err(self.unhashed(error)),
                    Ok(new) => {
                        return match self.write(account, &new, peer, "leaked").await {
                            Ok(()) => Ok(None),
                            Err(AccountError::Rejected(rejection)) => Err(rejection),
                            Err(_) => Err(self.reject(Fault::Internal, "write-account")),
                        };
                    }
                }
            }
        };
        let form = NewPasswordForm {
            login: reply.login.to_string(),
            why: NewPasswordWhy::Breached,
            refused,
            rules,
        };
        Ok(Some(Step::Prompt {
            form: Form::NewPassword(form),
            keep: ConnectionData::default(),
        }))
    }

    async fn account(
        &self,
        names: Names,
        password: &NewPassword,
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
            previous_hashes: Vec::new(),
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

    async fn hash(&self, password: &NewPassword) -> Result<String, Rejection> {
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
        new: &NextPassword,
        peer: &Peer,
        reason: &'static str,
    ) -> Result<(), AccountError> {
        let proven = account.password_changed_at;
        let password_hash = self.hash(new.new_password()).await?;
        for _ in 0..3 {
            let was = account.version;
            let event = self.event(EventKind::PasswordChanged, reason, (&account, peer));
            let event = event.await?;
            let users = &self.parts.users;
            let broken = |error| self.failed(Fault::Internal, "write-account", error);
            account.password_hash.clone_from(&password_hash);
            account.previous_hashes = new.previous_hashes().to_vec();
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
