//! Things that work once, and counters that run out.

use async_trait::async_trait;

use super::{
    Sql,
    dialect::{Text, delete_some},
    pool::Connection,
    query::query,
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

const NOTE_USE: &str = "INSERT INTO one_time_uses (purpose, hash, until) VALUES (?1, ?2, ?3)";

/// Takes over a lease that has ended.
const LEASE: &str =
    "UPDATE one_time_uses SET until = ?3 WHERE purpose = ?1 AND hash = ?2 AND until <= ?4";

pub(super) const WAS_USED: &str =
    "SELECT 1 AS used FROM one_time_uses WHERE purpose = ?1 AND hash = ?2 AND until > ?3";

pub(super) const PEEK: &str =
    "SELECT payload FROM one_time_rows WHERE purpose = ?1 AND hash = ?2 AND until > ?3";

const DROP: &str = "DELETE FROM one_time_rows WHERE purpose = ?1 AND hash = ?2";

/// Counts within a window, or starts the next; in MySQL each part sees what the one before it did.
/// It meets no row when there is no window yet, and when the budget is spent.
const COUNT: &str = "UPDATE counters SET \
        spent = CASE WHEN until <= ?4 THEN 1 ELSE spent + 1 END, \
        until = CASE WHEN until <= ?4 THEN ?3 ELSE until END \
    WHERE counts = ?1 AND slot = ?2 AND (until <= ?4 OR spent < ?5)";

const FIRST_COUNT: &str = "INSERT INTO counters (counts, slot, spent, until) \
    VALUES (?1, ?2, 1, ?3)";

const SPENT: &str = "SELECT spent FROM counters WHERE counts = ?1 AND slot = ?2";

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

async fn use_once(sql: &mut Connection, used: &OneTimeUse) -> Result<bool, StoreError> {
    match *used {
        OneTimeUse::First { key, until } => {
            let noted = query(NOTE_USE)
                .unless_there()
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .bind(until.millis())
                .execute(sql)
                .await?;
            Ok(noted == 1)
        }
        OneTimeUse::Row { key, now } => Ok(take(sql, &key, now).await?.is_some()),
    }
}

async fn take(
    sql: &mut Connection,
    key: &OneTimeKey,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = query(PEEK)
        .locking()
        .bind(key.purpose.name())
        .bind(key.hash.as_slice())
        .bind(now.millis())
        .fetch_optional(&mut *sql)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let dropped = query(DROP)
        .bind(key.purpose.name())
        .bind(key.hash.as_slice())
        .execute(sql)
        .await?;
    Ok((dropped == 1).then_some(column(&row, "payload")?))
}

#[async_trait]
impl OneTimeStore for Sql {
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let first = use_once(write.sql(), &used).await?;
            write.end(first).await?;
            Ok(first)
        })
        .await
    }

    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        self.within_patience(async {
            let row = query(WAS_USED)
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
        self.change(|| async {
            let mut write = self.write().await?;
            let mut held = 0;
            for take in [query(LEASE), query(NOTE_USE).unless_there()] {
                if held == 0 {
                    held = take
                        .bind(key.purpose.name())
                        .bind(key.hash.as_slice())
                        .bind(until.millis())
                        .bind(now.millis())
                        .execute(write.sql())
                        .await?;
                }
            }
            let first = held == 1;
            write.end(first).await?;
            Ok(first)
        })
        .await
    }

    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            query("DELETE FROM one_time_uses WHERE purpose = ?1 AND hash = ?2")
                .bind(key.purpose.name())
                .bind(key.hash.as_slice())
                .execute(write.sql())
                .await?;
            write.end(true).await
        })
        .await
    }

    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            query(
                "INSERT INTO one_time_rows (purpose, hash, payload, until) \
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .or_update("purpose, hash", &["payload", "until"])
            .bind(row.key.purpose.name())
            .bind(row.key.hash.as_slice())
            .bind(row.payload.as_slice())
            .bind(row.until.millis())
            .execute(write.sql())
            .await?;
            write.end(true).await
        })
        .await
    }

    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.within_patience(async {
            let row = query(PEEK)
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
        self.change(|| async {
            let mut write = self.write().await?;
            let payload = take(write.sql(), key, now).await?;
            write.end(payload.is_some()).await?;
            Ok(payload)
        })
        .await
    }

    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError> {
        self.change(|| async {
            // Whoever keeps trying after the end must not keep the writer busy.
            if let Some(until) = self.at_limit(spend, now).await? {
                return Ok(Budget::Exhausted { until });
            }
            // Whoever begins a window where one is begun meanwhile counts in a second transaction:
            // in the same one, two of them would wait for each other.
            for _ in 0..2 {
                let mut write = self.write().await?;
                let total = count_one(write.sql(), spend, now).await?;
                write.end(total.is_some()).await?;
                if let Some(total) = total {
                    let left = spend.limit.saturating_sub(total);
                    return Ok(Budget::Spent { left });
                }
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
        self.change(|| async {
            let mut write = self.write().await?;
            query(
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
        self.change(|| async {
            let mut write = self.write().await?;
            let mut swept = 0;
            for statement in SWEEPS {
                let left = number(most).saturating_sub(number(swept));
                swept += query(statement)
                    .bind(now.millis())
                    .bind(left)
                    .execute(write.sql())
                    .await?;
            }
            write.end(swept > 0).await?;
            Ok(swept)
        })
        .await
    }
}

pub(super) const SWEEPS: [Text; 3] = [
    delete_some!("one_time_rows", "purpose, hash", "until"),
    delete_some!("one_time_uses", "purpose, hash", "until"),
    delete_some!("counters", "counts, slot", "until"),
];

/// What is spent with this one; `None` when nothing is left, or somebody else has begun the window
/// meanwhile.
async fn count_one(
    sql: &mut Connection,
    spend: &Spend,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let counter = |text: &'static str| {
        query(text)
            .bind(spend.counter.counts.name())
            .bind(i64::from(spend.counter.slot))
    };
    let until = (now + spend.window).millis();
    let counted = counter(COUNT)
        .bind(until)
        .bind(now.millis())
        .bind(i64::from(spend.limit))
        .execute(&mut *sql)
        .await?;
    if counted == 1 {
        let row = counter(SPENT).fetch_one(sql).await?;
        return count(&row, "spent").map(Some);
    }
    let begun = counter(FIRST_COUNT)
        .unless_there()
        .bind(until)
        .execute(sql)
        .await?;
    Ok((begun == 1).then_some(1))
}

impl Sql {
    /// When the budget comes back, if it is spent.
    async fn at_limit(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if spend.limit == 0 {
            return Ok(Some(now + spend.window));
        }
        let row = query(COUNTED)
            .bind(spend.counter.counts.name())
            .bind(i64::from(spend.counter.slot))
            .bind(now.millis())
            .bind(i64::from(spend.limit))
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| time(&row, "until")).transpose()
    }
}
