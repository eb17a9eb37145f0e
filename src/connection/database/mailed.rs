//! What mail says of an account: that its address is its owner's, or another one.

use super::Database;
use crate::{
    connection::{AccountError, Addressee, ByMail, Fault, LoginName, Peer},
    protocol::EmailAddress,
    store::{AccountRecord, EventKind, Login},
};

impl Database {
    /// See [`Accounts::confirm_email`](crate::connection::Accounts::confirm_email).
    pub(super) async fn note_confirmed(
        &self,
        proof: &ByMail,
        peer: &Peer,
    ) -> Result<bool, AccountError> {
        let proven = proof.claimed();
        for _ in 0..3 {
            let account = self.account_of(&proven.subject).await?;
            let is_proven = account
                .email
                .as_ref()
                .is_some_and(|email| email.normalised == proven.email);
            if !is_proven || account.email_verified {
                return Ok(is_proven);
            }
            let was = account.version;
            let event = self.event(EventKind::EmailVerified, "by-mail", (&account, peer));
            let event = event.await?;
            let verified = AccountRecord {
                email_verified: true,
                version: was + 1,
                ..account
            };
            let users = &self.parts.users;
            let written = users
                .replace_account(verified, was, Some(event.clone()))
                .await;
            if written.map_err(|error| self.failed(Fault::Internal, "write-account", error))? {
                event.log();
                return Ok(true);
            }
        }
        Err(self.reject(Fault::Busy, "write-account").into())
    }

    /// See [`Accounts::change_email`](crate::connection::Accounts::change_email).
    pub(super) async fn replace_email(
        &self,
        proof: &ByMail,
        peer: &Peer,
    ) -> Result<bool, AccountError> {
        let proven = proof.claimed();
        let Some(change) = &proven.change else {
            return Ok(false);
        };
        let Ok(normalised) = LoginName::parse(&change.new) else {
            return Ok(false);
        };
        for _ in 0..3 {
            let account = self.account_of(&proven.subject).await?;
            let has = account.email.as_ref().map(|email| &email.normalised);
            if has != change.was.as_ref() {
                return Ok(false);
            }
            let users = &self.parts.users;
            let broken = |error| self.failed(Fault::Internal, "write-account", error);
            let other = users.account_by_login(&self.id, normalised.as_str()).await;
            let other = other.map_err(broken)?;
            if other.is_some_and(|other| other.subject != account.subject) {
                return Ok(false);
            }
            let was = account.version;
            let event = self.event(EventKind::EmailChanged, "by-mail", (&account, peer));
            let event = event.await?;
            let changed = AccountRecord {
                email: Some(Login {
                    typed: change.new.clone(),
                    normalised: normalised.as_str().to_owned(),
                }),
                email_verified: true,
                version: was + 1,
                ..account
            };
            let written = users
                .replace_account(changed, was, Some(event.clone()))
                .await;
            if written.map_err(broken)? {
                event.log();
                return Ok(true);
            }
        }
        Err(self.reject(Fault::Busy, "write-account").into())
    }
}

/// Whom a message about an account reaches.
pub(super) fn addressee(account: &AccountRecord) -> Option<Addressee> {
    let email = account.email.as_ref()?;
    Some(Addressee {
        subject: account.subject.clone(),
        email: EmailAddress::parse(&email.typed).ok()?,
        verified: account.email_verified,
    })
}
