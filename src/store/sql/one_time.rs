//! Things that work once, and counters that run out.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    row::{column, count, number, time},
    write::Write,
};
use crate::{
    clock::Timestamp,
    store::{
        Budget, Counter, OneTimeKey, OneTimeRow, OneTimeStore, OneTimeUse, Purpose, Spend,
        StoreError,
    },
};

const NOTE_USE: &str = "INSERT INTO one_time_uses (purpose, hash, until) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO NOTHING";

const LEASE: &str = "INSERT INTO one_time_uses (purpose, hash, until) VALUES (?1, ?2, ?3) \
    ON CONFLICT (purpose, hash) DO UPDATE SET until = excluded.until \
    WHERE one_time_uses.until <= ?4";

const TAKE: &str = "DELETE FROM one_time_rows WHERE purpose = ?1 AND hash = ?2 AND until > ?3 \
    RETURNING payload";

pub(super) const WAS_USED: &str =
    "SELECT 1 FROM one_time_uses WHERE purpose = ?1 AND hash = ?2 AND until > ?3";

pub(super) const PEEK: &str =
    "SELECT payload FROM one_time_rows WHERE purpose = ?1 AND hash = ?2 AND until > ?3";

/// Starts a window, or counts within one. No row comes back when the budget is spent.
const COUNT: &str = "INSERT INTO counters (counts, slot, spent, until) VALUES (?1, ?2, 1, ?3) \
    ON CONFLICT (counts, slot) DO UPDATE SET \
        spent = CASE WHEN until <= ?4 THEN 1 ELSE spent + 1 END, \
        until = CASE WHEN until <= ?4 THEN ?3 ELSE until END \
    WHERE until <= ?4 OR spent < ?5 \
    RETURNING spent";

pub(super) const COUNTED: &str =
    "SELECT until FROM counters WHERE counts = ?1 AND slot = ?2 AND until > ?3 AND spent >= ?4";

impl Write {
    /// Uses each of these up, or says which of them was used before. Then the caller rolls back.
    pub(super) async fn use_up(
        &mut self,
        uses: &[OneTimeUse],
    ) -> Result<Result<(), Purpose>, StoreError> {
        for used in uses {
            if !use_once(self.sql(), used).await? {
                return Ok(Err(used.key().purpose));
            }
        }
        Ok(Ok(()))
    }
}

async fn use_once(sql: &mut SqliteConnection, used: &OneTimeUse) -> Result<bool, StoreError> {
    match *used {
        OneTimeUse::First { key, until } => {
            let noted = sqlx::query(NOTE_USE)
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .bind(until.millis())
                .execute(sql)
                .await?;
            Ok(noted.rows_affected() == 1)
        }
        OneTimeUse::Row { key, now } => Ok(take(sql, &key, now).await?.is_some()),
    }
}

async fn take(
    sql: &mut SqliteConnection,
    key: &OneTimeKey,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query(TAKE)
        .bind(key.purpose.name())
        .bind(key.hash.as_slice())
        .bind(now.millis())
        .fetch_optional(sql)
        .await?;
    row.map(|row| column(&row, "payload")).transpose()
}

#[async_trait]
impl OneTimeStore for Sqlite {
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            let first = use_once(write.sql(), &used).await?;
            write.end(first).await?;
            Ok(first)
        })
        .await
    }

    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        self.within_patience(async {
            let row = sqlx::query(WAS_USED)
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .bind(now.millis())
                .fetch_optional(&self.readers)
                .await?;
            Ok(row.is_some())
        })
        .await
    }

    async fn lease(
        &self,
        key: &OneTimeKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            let noted = sqlx::query(LEASE)
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .bind(until.millis())
                .bind(now.millis())
                .execute(write.sql())
                .await?;
            let first = noted.rows_affected() == 1;
            write.end(first).await?;
            Ok(first)
        })
        .await
    }

    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            sqlx::query("DELETE FROM one_time_uses WHERE purpose = ?1 AND hash = ?2")
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .execute(write.sql())
                .await?;
            write.end(true).await
        })
        .await
    }

    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            sqlx::query(
                "INSERT INTO one_time_rows (purpose, hash, payload, until) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET \
                 payload = excluded.payload, until = excluded.until",
            )
            .bind(row.key.purpose.name())
            .bind(row.key.hash.as_slice())
            .bind(row.payload)
            .bind(row.until.millis())
            .execute(write.sql())
            .await?;
            write.end(true).await
        })
        .await
    }

    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.within_patience(async {
            let row = sqlx::query(PEEK)
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .bind(now.millis())
                .fetch_optional(&self.readers)
                .await?;
            row.map(|row| column(&row, "payload")).transpose()
        })
        .await
    }

    async fn take(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            let payload = take(write.sql(), key, now).await?;
            write.end(payload.is_some()).await?;
            Ok(payload)
        })
        .await
    }

    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError> {
        self.within_patience(async {
            // Whoever keeps trying after the end must not keep the writer busy.
            if let Some(until) = self.at_limit(spend, now).await? {
                return Ok(Budget::Exhausted { until });
            }
            let mut write = self.write().await?;
            let total = count_one(write.sql(), spend, now).await?;
            write.end(total.is_some()).await?;
            if let Some(total) = total {
                let left = spend.limit.saturating_sub(total);
                return Ok(Budget::Spent { left });
            }
            let until = self.at_limit(spend, now).await?;
            Ok(Budget::Exhausted {
                until: until.unwrap_or(now + spend.window),
            })
        })
        .await
    }

    async fn exhausted(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.within_patience(self.at_limit(spend, now)).await
    }

    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            sqlx::query(
                "UPDATE counters SET spent = spent - 1 \
                 WHERE counts = ?1 AND slot = ?2 AND spent > 0",
            )
            .bind(counter.counts.name())
            .bind(i64::from(counter.slot))
            .execute(write.sql())
            .await?;
            write.end(true).await
        })
        .await
    }

    async fn sweep_one_time(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.within_patience(async {
            let mut write = self.write().await?;
            let mut swept = 0;
            for statement in SWEEPS {
                let left = number(most).saturating_sub(number(swept));
                swept += sqlx::query(statement)
                    .bind(now.millis())
                    .bind(left)
                    .execute(write.sql())
                    .await?
                    .rows_affected();
            }
            write.end(swept > 0).await?;
            Ok(swept)
        })
        .await
    }
}

pub(super) const SWEEPS: [&str; 3] = [
    "DELETE FROM one_time_rows WHERE rowid IN \
     (SELECT rowid FROM one_time_rows WHERE until < ?1 ORDER BY until LIMIT ?2)",
    "DELETE FROM one_time_uses WHERE (purpose, hash) IN \
     (SELECT purpose, hash FROM one_time_uses WHERE until < ?1 ORDER BY until LIMIT ?2)",
    "DELETE FROM counters WHERE (counts, slot) IN \
     (SELECT counts, slot FROM counters WHERE until < ?1 ORDER BY until LIMIT ?2)",
];

/// What is spent with this one; `None` when there was nothing left.
async fn count_one(
    sql: &mut SqliteConnection,
    spend: &Spend,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let row = sqlx::query(COUNT)
        .bind(spend.counter.counts.name())
        .bind(i64::from(spend.counter.slot))
        .bind((now + spend.window).millis())
        .bind(now.millis())
        .bind(i64::from(spend.limit))
        .fetch_optional(sql)
        .await?;
    row.map(|row| count(&row, "spent")).transpose()
}

impl Sqlite {
    /// When the budget comes back, if it is spent.
    async fn at_limit(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if spend.limit == 0 {
            return Ok(Some(now + spend.window));
        }
        let row = sqlx::query(COUNTED)
            .bind(spend.counter.counts.name())
            .bind(i64::from(spend.counter.slot))
            .bind(now.millis())
            .bind(i64::from(spend.limit))
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| time(&row, "until")).transpose()
    }
}
