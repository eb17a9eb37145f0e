//! The feed that the caches of every process follow: a list of the last changes, and the number of
//! the newest one.

use async_trait::async_trait;

use super::{
    Redis, damage,
    reply::parse,
    script::{Call, Kind, NEWEST, SINCE, SWEEP_CHANGES},
};
use crate::{
    clock::Timestamp,
    store::{Change, ChangeFeed, Changes, StoreError},
};

/// How many changes one script of a sweep removes.
const SWEPT_AT_ONCE: usize = 1000;

#[async_trait]
impl ChangeFeed for Redis {
    async fn newest(&self) -> Result<u64, StoreError> {
        self.call(Call::new(Kind::Read, &NEWEST)).await
    }

    async fn since(&self, seen: u64, most: usize) -> Result<Changes, StoreError> {
        let call = Call::new(Kind::Read, &SINCE).with(seen).with(most);
        let (last, is_gap, told): (u64, bool, Vec<String>) = self.call(call).await?;
        let gap = Changes::Gap { newest: last };
        if is_gap {
            return Ok(gap);
        }
        let mut changes = Vec::with_capacity(told.len());
        for text in &told {
            match change(text)? {
                Some(change) => changes.push(change),
                None => return Ok(gap),
            }
        }
        let newest = seen.saturating_add(changes.len() as u64);
        Ok(Changes::Listed { changes, newest })
    }

    async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let call = Call::new(Kind::Write, &SWEEP_CHANGES)
                .with(before)
                .with(SWEPT_AT_ONCE);
            let (some, is_more): (u64, bool) = self.call(call).await?;
            swept += some;
            if !is_more {
                return Ok(swept);
            }
        }
    }
}

/// `TIME KIND SUBJECT`; `None` for a kind that only a newer program knows.
fn change(text: &str) -> Result<Option<Change>, StoreError> {
    let mut words = text.splitn(3, ' ').skip(1);
    let (Some(kind), Some(subject)) = (words.next(), words.next()) else {
        return Err(damage("change", "it has no subject"));
    };
    Ok(Some(match kind {
        "connection" => Change::Connection(parse(subject, kind)?),
        "session" => Change::Session(parse(subject, kind)?),
        "user" => Change::User(parse(subject, kind)?),
        _ => return Ok(None),
    }))
}
