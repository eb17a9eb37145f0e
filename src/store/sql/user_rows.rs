//! The rows of users and handles, written inside a transaction.

use super::{
    query::query,
    row::{Row, column, count, json, number, parsed, time, to_json},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{Created, NewUser, StoreError, Unlinked, UserRecord},
};

impl Write {
    pub(super) async fn create_user(&mut self, new: &NewUser) -> Result<Created, StoreError> {
        if let Err(purpose) = self.use_up(&new.uses).await? {
            return Ok(Created::AlreadyUsed(purpose));
        }
        let user = &new.user;
        let Identity {
            connection,
            subject,
            ..
        } = &new.identity;
        if self.owner_of(connection, subject).await?.is_some() {
            return Ok(Created::IdentityTaken);
        }
        if !self.claim_handle(&user.handle, &user.id).await? {
            return Ok(Created::HandleTaken);
        }
        if !self.insert_user(user).await?
            || !self
                .insert_identity(&new.identity, &user.id, user.created_at)
                .await?
        {
            return Ok(Created::IdentityTaken);
        }
        if let Some(account) = &new.account
            && !self.insert_account(account).await?
        {
            return Ok(Created::LoginTaken);
        }
        if let Some(factor) = &new.factor {
            if self.has_factor(factor.id).await? {
                return Ok(Created::IdentityTaken);
            }
            self.insert_factor(factor).await?;
        }
        self.record(Some(&new.event)).await?;
        Ok(Created::Created)
    }

    pub(super) async fn unlink(
        &mut self,
        connection: &ConnectionId,
        subject: &Subject,
        user: &UserRecord,
    ) -> Result<Unlinked, StoreError> {
        if !self.claim_handle(&user.handle, &user.id).await? {
            return Ok(Unlinked::HandleTaken);
        }
        if !self.insert_user(user).await? {
            return Ok(Unlinked::UserTaken);
        }
        if !self.move_identity(connection, subject, &user.id).await? {
            return Ok(Unlinked::UnknownIdentity);
        }
        Ok(Unlinked::Unlinked)
    }

    /// `false` when the handle is or once was somebody else's. Who comes back after a deletion
    /// with the same identity, and so with the same id, is not somebody else.
    async fn claim_handle(&mut self, handle: &str, user: &UserId) -> Result<bool, StoreError> {
        let now = self.now.millis();
        let claimed =
            query("INSERT INTO handles (handle, user_id, claimed_at) VALUES (?1, ?2, ?3)")
                .unless_there()
                .bind(handle)
                .bind(user.as_str())
                .bind(now)
                .execute(self.sql())
                .await?;
        if claimed == 1 {
            return Ok(true);
        }
        let theirs = query("SELECT handle FROM handles WHERE handle = ?1 AND user_id = ?2")
            .bind(handle)
            .bind(user.as_str())
            .fetch_optional(self.sql())
            .await?;
        Ok(theirs.is_some())
    }

    /// `false` when there is a user of this id.
    async fn insert_user(&mut self, user: &UserRecord) -> Result<bool, StoreError> {
        let inserted = query(
            "INSERT INTO users (id, handle, profile, user_metadata, app_metadata, blocked, owner, \
             synced_by, created_at, updated_at, last_login_at, logins, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )
        .unless_there()
        .bind(user.id.as_str())
        .bind(user.handle.as_str())
        .bind(to_json(&user.profile)?)
        .bind(to_json(&user.user_metadata)?)
        .bind(to_json(&user.app_metadata)?)
        .bind(user.blocked)
        .bind(user.owner)
        .bind(user.synced_by.as_str())
        .bind(user.created_at.millis())
        .bind(user.updated_at.millis())
        .bind(user.last_login_at.map(Timestamp::millis))
        .bind(number(user.logins))
        .bind(number(user.version))
        .execute(self.sql())
        .await?;
        Ok(inserted == 1)
    }

    /// `false` when there is no such user in version `was` with this handle, which never changes.
    pub(super) async fn update_user(
        &mut self,
        user: &UserRecord,
        was: u64,
    ) -> Result<bool, StoreError> {
        let updated = query(
            "UPDATE users SET profile = ?4, user_metadata = ?5, app_metadata = ?6, blocked = ?7, \
             owner = ?8, synced_by = ?9, updated_at = ?10, last_login_at = ?11, logins = ?12, \
             version = ?13 WHERE id = ?1 AND handle = ?2 AND version = ?3",
        )
        .bind(user.id.as_str())
        .bind(user.handle.as_str())
        .bind(number(was))
        .bind(to_json(&user.profile)?)
        .bind(to_json(&user.user_metadata)?)
        .bind(to_json(&user.app_metadata)?)
        .bind(user.blocked)
        .bind(user.owner)
        .bind(user.synced_by.as_str())
        .bind(user.updated_at.millis())
        .bind(user.last_login_at.map(Timestamp::millis))
        .bind(number(user.logins))
        .bind(number(was.saturating_add(1)))
        .execute(self.sql())
        .await?;
        Ok(updated == 1)
    }

    /// Removes a user, by reference their identities and accounts, and the sessions that are kept
    /// here. The handle stays claimed.
    pub(super) async fn delete_user(&mut self, id: &UserId) -> Result<bool, StoreError> {
        let mut deleted = false;
        for statement in [
            "DELETE FROM sessions WHERE user_id = ?1",
            "DELETE FROM users WHERE id = ?1",
        ] {
            let rows = query(statement)
                .bind(id.as_str())
                .execute(self.sql())
                .await?;
            deleted = rows == 1;
        }
        Ok(deleted)
    }
}

/// A whole row.
pub(super) fn record(row: &Row) -> Result<UserRecord, StoreError> {
    Ok(UserRecord {
        id: parsed(row, "id")?,
        handle: column(row, "handle")?,
        profile: json(row, "profile")?,
        user_metadata: json(row, "user_metadata")?,
        app_metadata: json(row, "app_metadata")?,
        blocked: column(row, "blocked")?,
        owner: column(row, "owner")?,
        synced_by: parsed(row, "synced_by")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        last_login_at: column::<Option<i64>>(row, "last_login_at")?.map(Timestamp::from_millis),
        logins: count(row, "logins")?,
        version: count(row, "version")?,
    })
}
