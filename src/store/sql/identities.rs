//! Identities: which user each belongs to, and what its connection last said.

use super::{
    Sql,
    query::query,
    row::{Row, json, parsed, time, to_json},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{Change, IdentityRecord, StoreError},
};

pub(super) const IDENTITIES: &str = "SELECT identities.* FROM identities WHERE user_id = ?1 ORDER BY created_at, connection, subject";

impl Sql {
    pub(super) async fn identities_of(
        &self,
        user: &UserId,
    ) -> Result<Vec<IdentityRecord>, StoreError> {
        let rows = query(IDENTITIES)
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
        let inserted = query(
            "INSERT INTO identities (connection, subject, user_id, profile, claims, \"groups\", \
             created_at, refreshed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )
        .unless_there()
        .bind(identity.connection.as_str())
        .bind(identity.subject.as_str())
        .bind(user.as_str())
        .bind(to_json(&identity.profile)?)
        .bind(to_json(&identity.claims)?)
        .bind(to_json(&identity.groups)?)
        .bind(at.millis())
        .execute(self.sql())
        .await?;
        Ok(inserted == 1)
    }

    /// Whether there is a user of this id. Nobody else changes what they have until the end.
    pub(super) async fn lock_user(&mut self, id: &UserId) -> Result<bool, StoreError> {
        let row = query("SELECT id FROM users WHERE id = ?1")
            .bind(id.as_str())
            .locking()
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
        let row =
            query("SELECT identities.* FROM identities WHERE connection = ?1 AND subject = ?2")
                .bind(identity.connection.as_str())
                .bind(identity.subject.as_str())
                .locking()
                .fetch_optional(self.sql())
                .await?;
        let Some(held) = row.as_ref().map(record).transpose()? else {
            return Ok(false);
        };
        query(
            "UPDATE identities SET profile = ?3, claims = ?4, \"groups\" = ?5, \
             refreshed_at = CASE WHEN refreshed_at < ?6 THEN ?6 ELSE refreshed_at END \
             WHERE connection = ?1 AND subject = ?2",
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
        let moved = query(
            "UPDATE identities SET user_id = ?3 WHERE connection = ?1 AND subject = ?2 \
             AND EXISTS (SELECT 1 FROM users WHERE id = ?3)",
        )
        .bind(connection.as_str())
        .bind(subject.as_str())
        .bind(to.as_str())
        .execute(self.sql())
        .await?
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
        let row = query("SELECT user_id FROM identities WHERE connection = ?1 AND subject = ?2")
            .bind(connection.as_str())
            .bind(subject.as_str())
            .locking()
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| parsed(&row, "user_id")).transpose()
    }
}

fn record(row: &Row) -> Result<IdentityRecord, StoreError> {
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
