//! Things that work once, and counters that run out.

use async_trait::async_trait;

use super::{
    Redis,
    script::{
        COUNT, Call, FIRST_USE, Kind, LEASE, PEEK, PUT, REFUND, RELEASE, SWEEP_ONE_TIME, TAKE,
        WAS_USED,
    },
    session_arguments::{name_of, name_of_counter},
};
use crate::{
    clock::Timestamp,
    store::{Budget, Counter, OneTimeKey, OneTimeRow, OneTimeStore, OneTimeUse, Spend, StoreError},
};

#[async_trait]
impl OneTimeStore for Redis {
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Promise, &FIRST_USE);
        self.call(call.with_uses(&[used])).await
    }

    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Read, &WAS_USED).with(name_of(key));
        self.call(call.with(now)).await
    }

    async fn lease(
        &self,
        key: &OneTimeKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Promise, &LEASE).with(name_of(key));
        self.call(call.with(now).with(until)).await
    }

    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.call(Call::new(Kind::Write, &RELEASE).with(name_of(key)))
            .await
    }

    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError> {
        let call = Call::new(Kind::Write, &PUT).with(name_of(&row.key));
        self.call(call.with(row.payload).with(row.until)).await
    }

    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let call = Call::new(Kind::Read, &PEEK).with(name_of(key));
        self.call(call.with(now)).await
    }

    async fn take(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let call = Call::new(Kind::Promise, &TAKE).with(name_of(key));
        self.call(call.with(now)).await
    }

    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError> {
        let (left, until) = self.counted(Kind::Write, spend, now).await?;
        Ok(match left {
            Some(left) => Budget::Spent { left },
            None => Budget::Exhausted { until },
        })
    }

    async fn exhausted(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (left, until) = self.counted(Kind::Read, spend, now).await?;
        Ok(left.is_none().then_some(until))
    }

    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        let call = Call::new(Kind::Write, &REFUND);
        self.call(call.with(name_of_counter(*counter))).await
    }

    async fn sweep_one_time(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let call = Call::new(Kind::Write, &SWEEP_ONE_TIME).with(now);
        self.call(call.with(most)).await
    }
}

impl Redis {
    /// What is left of a budget after this, if anything was, and when it begins anew. It is spent
    /// by a call that writes.
    async fn counted(
        &self,
        kind: Kind,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<(Option<u32>, Timestamp), StoreError> {
        let call = Call::new(kind, &COUNT)
            .with(name_of_counter(spend.counter))
            .with(spend.limit)
            .with(spend.window.as_millis())
            .with(now)
            .with(if kind == Kind::Read { "ask" } else { "spend" });
        let (left, until): (i64, i64) = self.call(call).await?;
        Ok((u32::try_from(left).ok(), Timestamp::from_millis(until)))
    }
}
