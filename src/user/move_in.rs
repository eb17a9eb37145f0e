//! Somebody who signed in with a store elsewhere gets an account here (`import`).
//!
//! Many logins of one person may come at once, and an earlier one may have been cut off half-way: each
//! leaves whatever is there already as it is, and adds what is missing.

use super::{Directory, Origin, TRIES, admit::Refusal};
use crate::store::{AccountAdded, AccountRecord, EventKind, Login, StoreError};

impl Directory {
    /// Writes the account of a user who has none.
    pub(super) async fn move_in(
        &self,
        account: AccountRecord,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let mut account = account;
        for _ in 0..TRIES {
            let event = origin.event(self.clock.now(), EventKind::AccountImported, "first-login");
            let event = event.connection(&account.connection);
            let owner = (self.users)
                .find_by_identity(&account.connection, &account.subject)
                .await?;
            let Some(owner) = owner else {
                return Ok(());
            };
            let event = event.user(&owner.id);
            let added = self.users.add_account(account.clone(), Some(event.clone()));
            match added.await? {
                AccountAdded::Added => {
                    event.log();
                    return Ok(());
                }
                AccountAdded::Exists => return self.complete(account).await,
                AccountAdded::NoIdentity => return Ok(()),
                AccountAdded::LoginTaken => match self.with_free_names(account).await? {
                    Some(free) => account = free,
                    None => return Ok(()),
                },
            }
        }
        Err(Refusal::Contended)
    }

    /// Gives an account without a password the one that was just proven.
    async fn complete(&self, account: AccountRecord) -> Result<(), Refusal> {
        let (connection, subject) = (&account.connection, &account.subject);
        let there = self.users.account(connection, subject).await?;
        let Some(there) = there.filter(|there| there.password_hash.is_empty()) else {
            return Ok(());
        };
        let was = there.version;
        let completed = AccountRecord {
            password_hash: account.password_hash,
            version: was + 1,
            ..there
        };
        // Whoever was faster had a right password too.
        self.users.replace_account(completed, was, None).await?;
        Ok(())
    }

    /// The account without the names that sign in somebody else here. `None`: none is left, and so
    /// this person goes on signing in with the store.
    pub(super) async fn with_free_names(
        &self,
        account: AccountRecord,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let email = self.free(account.email.clone(), &account).await?;
        let username = self.free(account.username.clone(), &account).await?;
        tracing::warn!(
            connection = %account.connection,
            subject = %account.subject,
            "somebody else signs in here with a name of a person who moves: that name stays theirs"
        );
        let account = AccountRecord {
            email_verified: account.email_verified && email.is_some(),
            email,
            username,
            ..account
        };
        Ok((account.email.is_some() || account.username.is_some()).then_some(account))
    }

    async fn free(
        &self,
        name: Option<Login>,
        account: &AccountRecord,
    ) -> Result<Option<Login>, StoreError> {
        let Some(name) = name else { return Ok(None) };
        let holder = self
            .users
            .account_by_login(&account.connection, &name.normalised)
            .await?;
        let free = holder.is_none_or(|holder| holder.subject == account.subject);
        Ok(free.then_some(name))
    }
}
