//! Accounts: the credentials of the built-in database connections.

use super::{
    Sql,
    query::query,
    row::{Row, column, count, damage, json, number, parsed, time, to_json},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Subject},
    store::{AccountAdded, AccountRecord, Change, Login, StoreError, Whose},
};

pub(super) const BY_LOGIN: &str = "SELECT accounts.* FROM account_logins \
    JOIN accounts USING (connection, subject) \
    WHERE account_logins.connection = ?1 AND account_logins.login = ?2";

const BY_SUBJECT: &str = "SELECT accounts.* FROM accounts WHERE connection = ?1 AND subject = ?2";

impl Sql {
    pub(super) async fn account_at(
        &self,
        connection: &ConnectionId,
        login: &str,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.one_account(BY_LOGIN, connection, login).await
    }

    pub(super) async fn account_of(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.one_account(BY_SUBJECT, connection, subject.as_str())
            .await
    }

    pub(super) async fn accounts_with_password(
        &self,
        connection: &ConnectionId,
    ) -> Result<u64, StoreError> {
        let statement = "SELECT count(*) AS accounts FROM accounts WHERE connection = ?1 AND password_hash <> ''";
        let row = query(statement)
            .bind(connection.as_str())
            .fetch_one(&self.readers)
            .await?;
        count(&row, "accounts")
    }

    async fn one_account(
        &self,
        statement: &'static str,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let row = query(statement)
            .bind(connection.as_str())
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(record).transpose()
    }
}

impl Write {
    /// `false` when one of its logins signs in somebody else.
    pub(super) async fn insert_account(
        &mut self,
        account: &AccountRecord,
    ) -> Result<bool, StoreError> {
        let [email_typed, email] = halves(account.email.as_ref());
        let [username_typed, username] = halves(account.username.as_ref());
        query(
            "INSERT INTO accounts (connection, subject, email_typed, email, username_typed, \
             username, email_verified, password_hash, previous_hashes, password_changed_at, \
             created_at, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(account.connection.as_str())
        .bind(account.subject.as_str())
        .bind(email_typed)
        .bind(email)
        .bind(username_typed)
        .bind(username)
        .bind(account.email_verified)
        .bind(account.password_hash.as_str())
        .bind(to_json(&account.previous_hashes)?)
        .bind(account.password_changed_at.millis())
        .bind(account.created_at.millis())
        .bind(number(account.version))
        .execute(self.sql())
        .await?;
        self.claim_logins(account).await
    }

    /// To whoever has the identity, and no account yet.
    pub(super) async fn add_account(
        &mut self,
        account: &AccountRecord,
    ) -> Result<AccountAdded, StoreError> {
        let owner = self.owner_of(&account.connection, &account.subject).await?;
        if owner.is_none() {
            return Ok(AccountAdded::NoIdentity);
        }
        if self.password_changed_at(account).await?.is_some() {
            return Ok(AccountAdded::Exists);
        }
        if self.insert_account(account).await? {
            Ok(AccountAdded::Added)
        } else {
            Ok(AccountAdded::LoginTaken)
        }
    }

    /// `false` when it is not in version `was`, or one of its logins signs in somebody else. What
    /// was proven by a password that is now another one opens no session any more.
    pub(super) async fn update_account(
        &mut self,
        account: &AccountRecord,
        was: u64,
    ) -> Result<bool, StoreError> {
        let before = self.password_changed_at(account).await?;
        let [email_typed, email] = halves(account.email.as_ref());
        let [username_typed, username] = halves(account.username.as_ref());
        let updated = query(
            "UPDATE accounts SET email_typed = ?4, email = ?5, username_typed = ?6, \
             username = ?7, email_verified = ?8, password_hash = ?9, password_changed_at = ?10, \
             version = ?11, previous_hashes = ?12 WHERE connection = ?1 AND subject = ?2 AND version = ?3",
        )
        .bind(account.connection.as_str())
        .bind(account.subject.as_str())
        .bind(number(was))
        .bind(email_typed)
        .bind(email)
        .bind(username_typed)
        .bind(username)
        .bind(account.email_verified)
        .bind(account.password_hash.as_str())
        .bind(account.password_changed_at.millis())
        .bind(number(was.saturating_add(1)))
        .bind(to_json(&account.previous_hashes)?)
        .execute(self.sql())
        .await?
            == 1;
        if !updated {
            return Ok(false);
        }
        query("DELETE FROM account_logins WHERE connection = ?1 AND subject = ?2")
            .bind(account.connection.as_str())
            .bind(account.subject.as_str())
            .execute(self.sql())
            .await?;
        if !self.claim_logins(account).await? {
            return Ok(false);
        }
        let owner = self.owner_of(&account.connection, &account.subject).await?;
        if let Some(owner) = owner {
            if before != Some(account.password_changed_at) {
                self.cut_off(&Whose::User(owner.clone())).await?;
            }
            self.note_changes(&[Change::User(owner)]).await?;
        }
        Ok(true)
    }

    async fn password_changed_at(
        &mut self,
        account: &AccountRecord,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = query(BY_SUBJECT)
            .bind(account.connection.as_str())
            .bind(account.subject.as_str())
            .locking()
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| time(&row, "password_changed_at")).transpose()
    }

    /// The e-mail address and the username; they may be the same text.
    async fn claim_logins(&mut self, account: &AccountRecord) -> Result<bool, StoreError> {
        let email = account.email.as_ref();
        let username = account
            .username
            .as_ref()
            .filter(|name| email.is_none_or(|email| email.normalised != name.normalised));
        for login in [email, username].into_iter().flatten() {
            let claimed = query(
                "INSERT INTO account_logins (connection, login, subject) VALUES (?1, ?2, ?3)",
            )
            .unless_there()
            .bind(account.connection.as_str())
            .bind(login.normalised.as_str())
            .bind(account.subject.as_str())
            .execute(self.sql())
            .await?;
            if claimed == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn halves(login: Option<&Login>) -> [Option<&str>; 2] {
    [
        login.map(|login| login.typed.as_str()),
        login.map(|login| login.normalised.as_str()),
    ]
}

fn record(row: &Row) -> Result<AccountRecord, StoreError> {
    Ok(AccountRecord {
        connection: parsed(row, "connection")?,
        subject: parsed(row, "subject")?,
        email: login(row, "email_typed", "email")?,
        username: login(row, "username_typed", "username")?,
        email_verified: column(row, "email_verified")?,
        password_hash: column(row, "password_hash")?,
        previous_hashes: json(row, "previous_hashes")?,
        password_changed_at: time(row, "password_changed_at")?,
        created_at: time(row, "created_at")?,
        version: count(row, "version")?,
    })
}

fn login(row: &Row, typed: &str, normalised: &str) -> Result<Option<Login>, StoreError> {
    match (column(row, typed)?, column(row, normalised)?) {
        (Some(typed), Some(normalised)) => Ok(Some(Login { typed, normalised })),
        (None, None) => Ok(None),
        _ => Err(damage(normalised, "half of a login")),
    }
}
