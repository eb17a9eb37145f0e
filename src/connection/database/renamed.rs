//! A username becomes another one.

use super::Database;
use crate::{
    connection::{AccountError, Allowed, Fault, LoginNames, Peer, UsernameChange, UsernamesChange},
    identity::Subject,
    store::{AccountRecord, EventKind},
};

impl Database {
    /// See [`Accounts::usernames_change`](crate::connection::Accounts::usernames_change).
    pub(super) fn who_renames(&self) -> UsernamesChange {
        match (self.names, self.lets_rename) {
            (LoginNames::Email, _) => UsernamesChange::ByNobody,
            (_, false) => UsernamesChange::ByOperator,
            (_, true) => UsernamesChange::ByPerson,
        }
    }

    /// See [`Accounts::change_username`](crate::connection::Accounts::change_username).
    ///
    /// Of two who want one name at once the key that is unique in the storage lets one have it.
    pub(super) async fn replace_username(
        &self,
        subject: &Subject,
        typed: &str,
        peer: &Peer,
    ) -> Result<Option<UsernameChange>, AccountError> {
        let allowed = peer.allowed.as_ref();
        let operator = allowed.is_some_and(Allowed::is_operator);
        let may = match self.who_renames() {
            UsernamesChange::ByNobody => false,
            UsernamesChange::ByOperator => operator,
            UsernamesChange::ByPerson => true,
        };
        if !may {
            return Err(self.reject(Fault::Denied, "usernames-stay").into());
        }
        if !operator && !allowed.is_some_and(Allowed::covers_sign_up) {
            return Err(self.reject(Fault::Internal, "spend-budget").into());
        }
        let name = self.usernames.read(typed, operator)?;
        for _ in 0..3 {
            let account = self.account_of(subject).await?;
            if account.username.as_ref() == Some(&name) {
                return Ok(None);
            }
            let users = &self.parts.users;
            let broken = |error| self.failed(Fault::Internal, "write-account", error);
            let other = users.account_by_login(&self.id, &name.normalised).await;
            let other = other.map_err(broken)?;
            if other.is_some_and(|other| other.subject != account.subject) {
                return Err(AccountError::UsernameTaken);
            }
            let reason = if operator { "operator" } else { "person" };
            let event = self.event(EventKind::UsernameChanged, reason, (&account, peer));
            let event = event.await?;
            let was = account.version;
            let change = UsernameChange {
                was: account.username.as_ref().map(|name| name.typed.clone()),
                now: name.typed.clone(),
            };
            let renamed = AccountRecord {
                username: Some(name.clone()),
                version: was + 1,
                ..account
            };
            let written = users.replace_account(renamed, was, Some(event.clone()));
            if written.await.map_err(broken)? {
                event.log();
                return Ok(Some(change));
            }
        }
        Err(self.reject(Fault::Busy, "write-account").into())
    }
}
