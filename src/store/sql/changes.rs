//! The feed that the caches of every process follow.

use super::{
    Sql,
    dialect::{Dialect, Text},
    query::{Value, query},
    row::{Row, column, count, number, parsed, time},
    write::Write,
};
use crate::{
    clock::Timestamp,
    store::{Change, ChangeFeed, Changes, StoreError},
};
use async_trait::async_trait;

/// How many rows one transaction of a sweep removes, so that a login never waits long for it.
const SWEPT_AT_ONCE: usize = 1000;

/// The last number given, which outlives the row: SQLite keeps it by itself (AUTOINCREMENT).
const NEWEST: Text = Text::Each {
    mysql: "SELECT newest FROM feed",
    postgres: "SELECT newest FROM feed",
    sqlite: "SELECT COALESCE(MAX(seq), 0) AS newest FROM sqlite_sequence WHERE name = 'changes'",
};

/// One statement, so that both parts see the same state: the newest number on every row, beside
/// no change at all when there is none.
const SINCE: Text = Text::Each {
    mysql: SINCE_FED,
    postgres: SINCE_FED,
    sqlite: "SELECT newest, number, kind, subject \
        FROM (SELECT COALESCE(MAX(seq), 0) AS newest FROM sqlite_sequence WHERE name = 'changes') \
        LEFT JOIN (SELECT number, kind, subject FROM changes WHERE number > ?1 \
            ORDER BY number LIMIT ?2) \
        ORDER BY number",
};

const SINCE_FED: &str = "SELECT newest, number, kind, subject \
    FROM feed LEFT JOIN (SELECT number, kind, subject FROM changes WHERE number > ?1 \
        ORDER BY number LIMIT ?2) AS later ON 1 = 1 \
    ORDER BY number";

impl Write {
    /// Adds to the feed, in this order.
    pub(super) async fn note_changes(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let now = self.now.millis();
        let rows = changes.iter().map(|change| {
            let (kind, subject) = to_columns(change);
            vec![now.into(), kind.into(), subject.into()]
        });
        if self.dialect() == Dialect::Sqlite {
            query("INSERT INTO changes (at, kind, subject) VALUES ?1")
                .bind(rows.collect::<Vec<_>>())
                .execute(self.sql())
                .await?;
            return Ok(());
        }
        let first = self.take_numbers(changes.len()).await?;
        let rows = rows.zip(first..).map(|(mut row, number)| {
            row.push(Value::from(number));
            row
        });
        query("INSERT INTO changes (at, kind, subject, number) VALUES ?1")
            .bind(rows.collect::<Vec<_>>())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// The first of so many numbers, which nobody else can take until the end of this transaction:
    /// a sequence would give them out in another order than that of the commits, and lose those of
    /// a transaction that is rolled back, and a follower would miss what comes late.
    async fn take_numbers(&mut self, many: usize) -> Result<i64, StoreError> {
        query("UPDATE feed SET newest = newest + ?1")
            .bind(number(many))
            .execute(self.sql())
            .await?;
        let row = query(NEWEST).fetch_one(self.sql()).await?;
        let newest: i64 = column(&row, "newest")?;
        Ok(newest - number(many) + 1)
    }
}

fn to_columns(change: &Change) -> (&'static str, String) {
    match change {
        Change::Connection(id) => ("connection", id.to_string()),
        Change::Keys => ("keys", String::new()),
        Change::Session(id) => ("session", id.to_string()),
        Change::User(id) => ("user", id.to_string()),
    }
}

/// `None` for a kind that only a newer program knows.
fn from_columns(row: &Row) -> Result<Option<Change>, StoreError> {
    Ok(Some(match column::<&str>(row, "kind")? {
        "connection" => Change::Connection(parsed(row, "subject")?),
        "keys" => Change::Keys,
        "session" => Change::Session(parsed(row, "subject")?),
        "user" => Change::User(parsed(row, "subject")?),
        _ => return Ok(None),
    }))
}

#[async_trait]
impl ChangeFeed for Sql {
    async fn newest(&self) -> Result<u64, StoreError> {
        self.within_patience(async {
            let row = query(NEWEST).fetch_one(&self.readers).await?;
            count(&row, "newest")
        })
        .await
    }

    async fn since(&self, seen: u64, most: usize) -> Result<Changes, StoreError> {
        self.within_patience(async {
            let rows = query(SINCE)
                .bind(number(seen))
                .bind(number(most))
                .fetch_all(&self.readers)
                .await?;
            listed(&rows, seen)
        })
        .await
    }

    async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let removed = self.change(|| self.sweep_some(before)).await?;
            swept += removed;
            if removed < SWEPT_AT_ONCE as u64 {
                return Ok(swept);
            }
        }
    }
}

impl Sql {
    /// Removes from the old end only, so that what is left has no hole even when the clock was set
    /// back in between.
    async fn sweep_some(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let rows = query("SELECT number, at FROM changes ORDER BY number LIMIT ?1")
            .bind(number(SWEPT_AT_ONCE))
            .fetch_all(write.sql())
            .await?;
        let mut last: i64 = 0;
        for row in &rows {
            if time(row, "at")? >= before {
                break;
            }
            last = column(row, "number")?;
        }
        let swept = query("DELETE FROM changes WHERE number <= ?1")
            .bind(last)
            .execute(write.sql())
            .await?;
        write.end(true).await?;
        Ok(swept)
    }
}

/// The changes, if they follow on `seen` and this program knows what they mean. A feed that ends
/// before `seen` is another one than the caller has followed (a backup was put back): a gap too.
fn listed(rows: &[Row], seen: u64) -> Result<Changes, StoreError> {
    let newest_of_all = match rows.first() {
        Some(row) => count(row, "newest")?,
        None => 0,
    };
    let gap = Changes::Gap {
        newest: newest_of_all,
    };
    let mut newest = seen;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(number) = column::<Option<i64>>(row, "number")? else {
            break;
        };
        let follows = u64::try_from(number).is_ok_and(|number| number == newest + 1);
        match from_columns(row)? {
            Some(change) if follows => changes.push(change),
            _ => return Ok(gap),
        }
        newest += 1;
    }
    if changes.is_empty() && newest_of_all != seen {
        return Ok(gap);
    }
    Ok(Changes::Listed { changes, newest })
}
