//! Second factors and recovery codes.

use async_trait::async_trait;

use super::{
    Sql,
    query::query,
    row::{Row, bytes, column, count, damage, number, parsed, time},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::UserId,
    store::{Event, FactorAdded, FactorId, FactorKind, FactorRecord, FactorStore, StoreError},
};

pub(super) const FACTORS: &str =
    "SELECT factors.* FROM factors WHERE user_id = ?1 ORDER BY created_at, id";

pub(super) const FACTOR: &str = "SELECT factors.* FROM factors WHERE id = ?1";

pub(super) const CODES_LEFT: &str =
    "SELECT count(*) AS codes FROM recovery_codes WHERE user_id = ?1";

#[async_trait]
impl FactorStore for Sql {
    async fn find_factor(&self, id: FactorId) -> Result<Option<FactorRecord>, StoreError> {
        self.within_patience(async {
            let row = query(FACTOR)
                .bind(id.0.as_slice())
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(record).transpose()
        })
        .await
    }

    async fn factors(&self, user: &UserId) -> Result<Vec<FactorRecord>, StoreError> {
        self.within_patience(async {
            let rows = query(FACTORS)
                .bind(user.as_str())
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(record).collect()
        })
        .await
    }

    async fn add_factor(
        &self,
        factor: FactorRecord,
        most: usize,
        event: Event,
    ) -> Result<FactorAdded, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let added = if !write.lock_user(&factor.user).await? {
                FactorAdded::UnknownUser
            } else if write.has_factor(factor.id).await? {
                FactorAdded::Exists
            } else if write.count_factors(&factor.user).await? >= number(most) {
                FactorAdded::TooMany
            } else {
                write.insert_factor(&factor).await?;
                write.record(Some(&event)).await?;
                FactorAdded::Added
            };
            write.end(added == FactorAdded::Added).await?;
            Ok(added)
        })
        .await
    }

    async fn rename_factor(
        &self,
        user: &UserId,
        id: FactorId,
        name: &str,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let renamed = query("UPDATE factors SET name = ?3 WHERE id = ?1 AND user_id = ?2")
                .bind(id.0.as_slice())
                .bind(user.as_str())
                .bind(name)
                .execute(write.sql())
                .await?
                == 1;
            write.record(Some(&event)).await?;
            write.end(renamed).await?;
            Ok(renamed)
        })
        .await
    }

    async fn remove_factor(
        &self,
        user: &UserId,
        id: FactorId,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            write.lock_user(user).await?;
            let removed = query("DELETE FROM factors WHERE id = ?1 AND user_id = ?2")
                .bind(id.0.as_slice())
                .bind(user.as_str())
                .execute(write.sql())
                .await?
                == 1;
            if write.count_factors(user).await? == 0 {
                write.delete_codes(user).await?;
            }
            write.record(Some(&event)).await?;
            write.end(removed).await?;
            Ok(removed)
        })
        .await
    }

    async fn use_step(&self, id: FactorId, step: u64, event: Event) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let used = query(
                "UPDATE factors SET counter = ?2, last_used_at = ?3 WHERE id = ?1 AND counter < ?2",
            )
            .bind(id.0.as_slice())
            .bind(number(step))
            .bind(event.at.millis())
            .execute(write.sql())
            .await?
                == 1;
            write.record(Some(&event)).await?;
            write.end(used).await?;
            Ok(used)
        })
        .await
    }

    async fn use_passkey(
        &self,
        id: FactorId,
        (counter, sealed): (u64, &[u8]),
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let used = query(
                "UPDATE factors SET counter = ?2, sealed = ?3, last_used_at = ?4 WHERE id = ?1 \
                 AND kind = 'passkey' AND (counter < ?2 OR (counter = 0 AND ?2 = 0))",
            )
            .bind(id.0.as_slice())
            .bind(number(counter))
            .bind(sealed)
            .bind(event.at.millis())
            .execute(write.sql())
            .await?
                == 1;
            write.record(Some(&event)).await?;
            write.end(used).await?;
            Ok(used)
        })
        .await
    }

    async fn move_factor(
        &self,
        id: FactorId,
        from: &UserId,
        to: &UserId,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let moved = write.lock_user(to).await?
                && query("UPDATE factors SET user_id = ?3 WHERE id = ?1 AND user_id = ?2")
                    .bind(id.0.as_slice())
                    .bind(from.as_str())
                    .bind(to.as_str())
                    .execute(write.sql())
                    .await?
                    == 1;
            write.end(moved).await?;
            Ok(moved)
        })
        .await
    }

    async fn replace_recovery_codes(
        &self,
        user: &UserId,
        hashes: &[[u8; 32]],
        event: Option<Event>,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            write.lock_user(user).await?;
            let may = write.count_factors(user).await? > 0;
            write.delete_codes(user).await?;
            for hash in hashes.iter().filter(|_| may) {
                write.insert_code(user, hash).await?;
            }
            write.record(event.as_ref()).await?;
            write.end(may).await?;
            Ok(may)
        })
        .await
    }

    async fn recovery_codes_left(&self, user: &UserId) -> Result<u64, StoreError> {
        self.within_patience(async {
            let row = query(CODES_LEFT)
                .bind(user.as_str())
                .fetch_one(&self.readers)
                .await?;
            count(&row, "codes")
        })
        .await
    }

    async fn use_recovery_code(
        &self,
        user: &UserId,
        hash: &[u8; 32],
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let used = query("DELETE FROM recovery_codes WHERE user_id = ?1 AND hash = ?2")
                .bind(user.as_str())
                .bind(hash.as_slice())
                .execute(write.sql())
                .await?
                == 1;
            write.record(Some(&event)).await?;
            write.end(used).await?;
            Ok(used)
        })
        .await
    }

    async fn reset_factors(&self, user: &UserId, event: Event) -> Result<u64, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            write.lock_user(user).await?;
            let removed = query("DELETE FROM factors WHERE user_id = ?1")
                .bind(user.as_str())
                .execute(write.sql())
                .await?;
            write.delete_codes(user).await?;
            write.record(Some(&event)).await?;
            write.end(removed > 0).await?;
            Ok(removed)
        })
        .await
    }
}

impl Write {
    pub(super) async fn has_factor(&mut self, id: FactorId) -> Result<bool, StoreError> {
        let row = query("SELECT id FROM factors WHERE id = ?1")
            .bind(id.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    async fn count_factors(&mut self, user: &UserId) -> Result<i64, StoreError> {
        let row = query("SELECT count(*) AS factors FROM factors WHERE user_id = ?1")
            .bind(user.as_str())
            .fetch_one(self.sql())
            .await?;
        column(&row, "factors")
    }

    pub(super) async fn insert_factor(&mut self, factor: &FactorRecord) -> Result<(), StoreError> {
        let (sealed, counter) = match &factor.kind {
            FactorKind::Passkey { sealed, counter } => (sealed, *counter),
            FactorKind::Totp { sealed, last_step } => (sealed, *last_step),
        };
        query(
            "INSERT INTO factors (id, user_id, kind, name, sealed, counter, created_at, \
             last_used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(factor.id.0.as_slice())
        .bind(factor.user.as_str())
        .bind(factor.kind.name())
        .bind(factor.name.as_str())
        .bind(sealed.as_slice())
        .bind(number(counter))
        .bind(factor.created_at.millis())
        .bind(factor.last_used_at.map(Timestamp::millis))
        .execute(self.sql())
        .await?;
        Ok(())
    }

    async fn insert_code(&mut self, user: &UserId, hash: &[u8; 32]) -> Result<(), StoreError> {
        query("INSERT INTO recovery_codes (user_id, hash, created_at) VALUES (?1, ?2, ?3)")
            .bind(user.as_str())
            .bind(hash.as_slice())
            .bind(self.now.millis())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    async fn delete_codes(&mut self, user: &UserId) -> Result<(), StoreError> {
        query("DELETE FROM recovery_codes WHERE user_id = ?1")
            .bind(user.as_str())
            .execute(self.sql())
            .await?;
        Ok(())
    }
}

fn record(row: &Row) -> Result<FactorRecord, StoreError> {
    let kind = match column::<&str>(row, "kind")? {
        "passkey" => FactorKind::Passkey {
            sealed: column(row, "sealed")?,
            counter: count(row, "counter")?,
        },
        "totp" => FactorKind::Totp {
            sealed: column(row, "sealed")?,
            last_step: count(row, "counter")?,
        },
        _ => return Err(damage("kind", "no factor that this program knows")),
    };
    Ok(FactorRecord {
        id: FactorId(bytes(row, "id")?),
        user: parsed(row, "user_id")?,
        kind,
        name: column(row, "name")?,
        created_at: time(row, "created_at")?,
        last_used_at: column::<Option<i64>>(row, "last_used_at")?.map(Timestamp::from_millis),
    })
}
