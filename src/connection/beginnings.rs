//! Beginnings of logins that call the provider. Anybody can begin a login, and each may wait for a
//! provider that is slow: so there are few at once, and who comes then is told to come again.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Calls of one connection at once.
const AT_ONCE: usize = 16;
/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// The turns of one connection.
#[derive(Debug)]
pub(crate) struct Beginnings(Semaphore);

/// There was no turn.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{AT_ONCE} logins wait for the provider already")]
pub(crate) struct AllWaiting;

impl Default for Beginnings {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Beginnings {
    /// A turn, until it is dropped.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AllWaiting> {
        match timeout(PATIENCE, self.0.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(AllWaiting),
        }
    }
}
