//! Accounts whose credentials a connection keeps.

use async_trait::async_trait;

use super::{
    Authenticated, BadNewPassword, BadUsername, ByMail, LoginName, LoginNames, Peer, Rejection,
    Rule, UsernameChange, UsernameRules, UsernamesChange,
};
use crate::{identity::Subject, protocol::EmailAddress, secret::Secret, store::AccountRecord};

/// Accounts whose credentials this connection keeps.
#[async_trait]
pub(crate) trait Accounts: Send + Sync {
    /// Whether strangers may make an account.
    fn signup(&self) -> bool;
    /// What an account is named by.
    fn names(&self) -> LoginNames;
    /// What a username must be like.
    fn username_rules(&self) -> &UsernameRules;
    /// What the password of a new account must be like.
    fn password_rules(&self) -> &[Rule];
    /// What the next password of an account must be like.
    fn next_password_rules(&self) -> &[Rule] {
        self.password_rules()
    }
    /// Checks what was typed and hashes the password; the admission writes it.
    async fn sign_up(&self, wish: SignUp, peer: &Peer) -> Result<PreparedAccount, AccountError>;
    /// Replaces the password of a person who knows the current one.
    async fn change_password(
        &self,
        subject: &Subject,
        current: &Secret,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
    /// Whom a message about the account of this name reaches, if it is to be had here.
    async fn addressee(&self, login: &LoginName) -> Result<Option<Addressee>, Rejection>;
    /// The same by the subject.
    async fn addressee_of(&self, subject: &Subject) -> Result<Option<Addressee>, Rejection>;
    /// Whether a password would be taken as the new one.
    async fn judge_password(&self, subject: &Subject, new: &Secret) -> Result<(), AccountError>;
    /// Replaces the password of a person who has shown that they read the account's mail.
    async fn reset_password(
        &self,
        proof: &ByMail,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
    /// Notes that the address of an account is its owner's, as long as it is the one that was
    /// proven. `false`: it is another one by now, or not kept here.
    async fn confirm_email(&self, proof: &ByMail, peer: &Peer) -> Result<bool, AccountError>;
    /// Whether the current password of a person is this.
    async fn check_password(
        &self,
        subject: &Subject,
        current: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
    /// Whether people can change their e-mail address here.
    fn changes_email(&self) -> bool {
        false
    }
    /// Replaces the address of an account by the one that is proven, as long as it is the one that was
    /// to be replaced. `false`: it is another one by now, or somebody else has the new one.
    async fn change_email(&self, _: &ByMail, _: &Peer) -> Result<bool, AccountError> {
        Ok(false)
    }
    /// Who can change usernames here.
    fn usernames_change(&self) -> UsernamesChange {
        UsernamesChange::ByNobody
    }
    /// Gives an account another username, which nobody else has; the old one is free then. Nothing, if
    /// it is the one it has.
    async fn change_username(
        &self,
        subject: &Subject,
        typed: &str,
        peer: &Peer,
    ) -> Result<Option<UsernameChange>, AccountError>;
    /// Whether people can change their password.
    fn changes_passwords(&self) -> bool {
        true
    }
    /// Removes the credentials where they are kept elsewhere, before the user goes.
    async fn delete(&self, _: &Subject) -> Result<(), AccountError> {
        Ok(())
    }
    /// Replaces a password on the operator's word.
    async fn set_password(
        &self,
        subject: &Subject,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
}

/// Whom a message reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Addressee {
    pub(crate) subject: Subject,
    pub(crate) email: EmailAddress,
    pub(crate) verified: bool,
}

/// What a stranger typed into the sign-up form.
#[derive(Clone, Debug)]
pub(crate) struct SignUp {
    pub(crate) email: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) password: Secret,
    /// Whether they may have a reserved username: the operator and the owner may.
    pub(crate) reserved: bool,
}

/// An account that is ready to be written, and the proof of who it will be.
#[derive(Debug)]
pub(crate) struct PreparedAccount {
    /// What is kept here; nothing, where the credentials are elsewhere.
    pub(crate) account: Option<AccountRecord>,
    pub(crate) who: Box<Authenticated>,
}

/// How far people have come who move here from a store elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// How many the store has; `None`: it does not say.
    pub(crate) in_old_store: Option<u64>,
}

/// Why an account was not made or changed. The person may know all of it but
/// [`Rejected`](Self::Rejected).
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the e-mail address is not one")]
    BadEmail,
    #[error("a name has at most 256 bytes and no control characters")]
    BadName,
    #[error(transparent)]
    BadUsername(#[from] BadUsername),
    #[error("the e-mail address or username is taken")]
    LoginTaken,
    #[error(transparent)]
    BadNewPassword(#[from] BadNewPassword),
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("{0}")]
    Rejected(Rejection),
}

impl From<Rejection> for AccountError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
