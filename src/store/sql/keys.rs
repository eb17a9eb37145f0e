//! The key ring, sealed.

use async_trait::async_trait;

use super::{
    Sql,
    query::{Target, query},
    row::{Row, column, count, damage, time},
};
use crate::store::{Change, Event, KeyRecord, KeyState, KeyStore, StoreError};

#[async_trait]
impl KeyStore for Sql {
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.within_patience(ring(&self.readers)).await
    }

    async fn replace_keys(
        &self,
        was: &[u32],
        ring: Vec<KeyRecord>,
        event: Option<Event>,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            // Two processes that start on an empty storage both make the first key.
            write.lock_feed().await?;
            let held = self::ring(write.sql()).await?;
            if !held.iter().map(|key| key.id).eq(was.iter().copied()) {
                write.end(false).await?;
                return Ok(false);
            }
            query("DELETE FROM \"keys\"").execute(write.sql()).await?;
            for key in &ring {
                query("INSERT INTO \"keys\" (id, state, since, sealed) VALUES (?1, ?2, ?3, ?4)")
                    .bind(i64::from(key.id))
                    .bind(state_name(key.state))
                    .bind(key.since.millis())
                    .bind(key.sealed.as_slice())
                    .execute(write.sql())
                    .await?;
            }
            write.note_changes(&[Change::Keys]).await?;
            write.record(event.as_ref()).await?;
            write.end(true).await?;
            Ok(true)
        })
        .await
    }
}

async fn ring<'t>(sql: impl Into<Target<'t>>) -> Result<Vec<KeyRecord>, StoreError> {
    let rows = query("SELECT \"keys\".* FROM \"keys\" ORDER BY id")
        .fetch_all(sql)
        .await?;
    rows.iter().map(record).collect()
}

fn record(row: &Row) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        id: count(row, "id")?,
        state: state(column(row, "state")?)?,
        since: time(row, "since")?,
        sealed: column(row, "sealed")?,
    })
}

const fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Current => "current",
        KeyState::Next => "next",
        KeyState::Old => "old",
    }
}

fn state(name: &str) -> Result<KeyState, StoreError> {
    match name {
        "current" => Ok(KeyState::Current),
        "next" => Ok(KeyState::Next),
        "old" => Ok(KeyState::Old),
        _ => Err(damage("state", "an unknown state of a key")),
    }
}
