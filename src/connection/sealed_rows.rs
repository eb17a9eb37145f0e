//! Rows of the store for things that happen once: sealed, and bound to their own key.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    clock::Timestamp,
    crypto::{self, KeyRing},
    random::Random,
    store::{OneTimeKey, OneTimeRow, OneTimeStore, StoreError},
};

/// Writes and reads them.
#[derive(Clone)]
pub(crate) struct SealedRows {
    once: Arc<dyn OneTimeStore>,
    ring: Arc<ArcSwap<KeyRing>>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for SealedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedRows").finish_non_exhaustive()
    }
}

impl SealedRows {
    pub(crate) fn new(
        once: Arc<dyn OneTimeStore>,
        ring: Arc<ArcSwap<KeyRing>>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { once, ring, random }
    }

    #[cfg(test)]
    pub(super) fn for_tests(once: Arc<dyn OneTimeStore>) -> Self {
        let ring = KeyRing::of_root(b"0123456789abcdef0123456789abcdef");
        Self::new(
            once,
            Arc::new(ArcSwap::from_pointee(ring)),
            Arc::new(crate::random::OsRandom),
        )
    }

    /// `N` unpredictable bytes.
    pub(super) fn draw<const N: usize>(&self) -> [u8; N] {
        self.random.bytes()
    }

    /// Keeps a row until then, instead of one with the same key.
    pub(super) async fn put(
        &self,
        key: OneTimeKey,
        row: &impl Serialize,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_vec(row);
        let text = text.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (ring, random) = (self.ring.load(), self.random.as_ref());
        let payload = crypto::seal(&ring, place(&[&key.hash]), &text, random);
        let row = OneTimeRow {
            key,
            payload,
            until,
        };
        self.once.put(row).await
    }

    /// `None` too for what was sealed elsewhere, or by a key that nobody knows any more.
    pub(super) async fn peek<T: DeserializeOwned>(
        &self,
        key: OneTimeKey,
        now: Timestamp,
    ) -> Result<Option<T>, StoreError> {
        let row = self.once.peek(&key, now).await?;
        Ok(row.and_then(|row| {
            let text = crypto::open(&self.ring.load(), place(&[&key.hash]), &row).ok()?;
            serde_json::from_slice(&text).ok()
        }))
    }

    /// Whether it was there: the second caller hears that it was not.
    pub(super) async fn take(&self, key: OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.once.take(&key, now).await?.is_some())
    }
}

fn place<'a>(context: &'a [&'a [u8]]) -> crypto::Place<'a> {
    crypto::Place {
        purpose: crypto::Purpose::OneTime,
        context,
    }
}
