//! Identities: which user each belongs to, and what its connection last said.

use sqlx::sqlite::SqliteRow;

use super::{
    Sqlite,
    row::{json, parsed, time, to_json},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{Change, IdentityRecord, StoreError},
};

pub(super) const IDENTITIES: &str =
    "SELECT * FROM identities WHERE user_id = ?1 ORDER BY created_at, connection, subject";

impl Sqlite {
    pub(super) async fn identities_of(
        &self,
        user: &UserId,
    ) -> Result<Vec<IdentityRecord>, StoreError> {
        let rows = sqlx::query(IDENTITIES)
            .bind(user.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(record).collect()
    }
}

impl Write {
    /// `false` when it belongs to somebody already.
    pub(super) async fn insert_identity(
        &mut self,
        identity: &Identity,
        user: &UserId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO identities (connection, subject, user_id, profile, claims, groups, \
             created_at, refreshed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) \
             ON CONFLICT DO NOTHING",
        )
        .bind(identity.connection.as_str())
        .bind(identity.subject.as_str())
        .bind(user.as_str())
        .bind(to_json(&identity.profile)?)
        .bind(to_json(&identity.claims)?)
        .bind(to_json(&identity.groups)?)
        .bind(at.millis())
        .execute(self.sql())
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// Whether there is a user of this id.
    pub(super) async fn has_user(&mut self, id: &UserId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM users WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// Writes what is new. Caches hear of it only when something besides the time is.
    pub(super) async fn refresh(
        &mut self,
        identity: &Identity,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT * FROM identities WHERE connection = ?1 AND subject = ?2")
            .bind(identity.connection.as_str())
            .bind(identity.subject.as_str())
            .fetch_optional(self.sql())
            .await?;
        let Some(held) = row.as_ref().map(record).transpose()? else {
            return Ok(false);
        };
        sqlx::query(
            "UPDATE identities SET profile = ?3, claims = ?4, groups = ?5, \
             refreshed_at = MAX(refreshed_at, ?6) WHERE connection = ?1 AND subject = ?2",
        )
        .bind(identity.connection.as_str())
        .bind(identity.subject.as_str())
        .bind(to_json(&identity.profile)?)
        .bind(to_json(&identity.claims)?)
        .bind(to_json(&identity.groups)?)
        .bind(at.millis())
        .execute(self.sql())
        .await?;
        if held.identity != *identity {
            self.note_changes(&[Change::User(held.user)]).await?;
        }
        Ok(true)
    }

    /// Gives an identity to another user; `false` when either is not there.
    pub(super) async fn move_identity(
        &mut self,
        connection: &ConnectionId,
        subject: &Subject,
        to: &UserId,
    ) -> Result<bool, StoreError> {
        let Some(from) = self.owner_of(connection, subject).await? else {
            return Ok(false);
        };
        let moved = sqlx::query(
            "UPDATE identities SET user_id = ?3 WHERE connection = ?1 AND subject = ?2 \
             AND EXISTS (SELECT 1 FROM users WHERE id = ?3)",
        )
        .bind(connection.as_str())
        .bind(subject.as_str())
        .bind(to.as_str())
        .execute(self.sql())
        .await?
        .rows_affected()
            == 1;
        if moved {
            self.note_changes(&[Change::User(from), Change::User(to.clone())])
                .await?;
        }
        Ok(moved)
    }

    /// The user that an identity belongs to.
    pub(super) async fn owner_of(
        &mut self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<UserId>, StoreError> {
        let row =
            sqlx::query("SELECT user_id FROM identities WHERE connection = ?1 AND subject = ?2")
                .bind(connection.as_str())
                .bind(subject.as_str())
                .fetch_optional(self.sql())
                .await?;
        row.map(|row| parsed(&row, "user_id")).transpose()
    }
}

fn record(row: &SqliteRow) -> Result<IdentityRecord, StoreError> {
    Ok(IdentityRecord {
        user: parsed(row, "user_id")?,
        identity: Identity {
            connection: parsed(row, "connection")?,
            subject: parsed(row, "subject")?,
            profile: json(row, "profile")?,
            claims: json(row, "claims")?,
            groups: json(row, "groups")?,
        },
        created_at: time(row, "created_at")?,
        refreshed_at: time(row, "refreshed_at")?,
    })
}
