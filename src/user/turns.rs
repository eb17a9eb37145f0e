//! Logins of one person take turns.
//!
//! Each writes to the same record, over the version that it has read. A few that meet read again; of
//! fifty at once most would use up their [tries](super::TRIES) on each other.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::identity::{ConnectionId, Subject};

/// How many people may be admitted at once in one process. Two who share a turn wait for each other
/// as long as a write takes.
const LINES: usize = 256;

/// The lines in which logins wait.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    lines: Arc<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            lines: (0..LINES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits for the turn of whoever has this identity, which lasts until it is dropped.
    pub(super) async fn of(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Option<MutexGuard<'_, ()>> {
        let hash = self.hasher.hash_one((connection, subject));
        let line = usize::try_from(hash % self.lines.len() as u64).ok()?;
        Some(self.lines.get(line)?.lock().await)
    }
}
