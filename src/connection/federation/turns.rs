//! Work with keys that anybody can cause: it is done off the threads that serve, little of it at
//! once, and who waits too long for a turn is told to come again.

use std::time::Duration;

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// How long somebody waits for a turn. Their message waits with them, in memory.
const PATIENCE: Duration = Duration::from_secs(3);

/// The turns of one kind of work.
#[derive(Debug)]
pub(crate) struct Turns {
    turns: Semaphore,
    patience: Duration,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("too many signatures wait to be made or verified")]
    Busy,
    #[error("what makes and verifies signatures did not end")]
    Broken,
}

impl Turns {
    /// So many at once.
    pub(crate) const fn new(at_once: usize) -> Self {
        Self {
            turns: Semaphore::const_new(at_once),
            patience: PATIENCE,
        }
    }

    /// Does it when it is its turn, which it has until it is done, whoever goes away meanwhile.
    pub(crate) async fn done<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let turn = timeout(self.patience, self.turns.acquire()).await;
        let turn = turn
            .map_err(|_| NotDone::Busy)?
            .map_err(|_| NotDone::Broken)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| NotDone::Broken)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_told_so_and_a_turn_is_held_until_the_work_is_done() {
        static TURNS: Turns = Turns {
            patience: Duration::from_millis(50),
            ..Turns::new(1)
        };
        let (go_on, wait) = mpsc::channel::<()>();
        let held = tokio::spawn(TURNS.done(move || wait.recv().is_ok()));
        while TURNS.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(TURNS.done(|| 1).await, Err(NotDone::Busy));
        // whoever asked has gone away
        held.abort();
        tokio::task::yield_now().await;
        assert_eq!(TURNS.turns.available_permits(), 0);
        go_on.send(()).unwrap();
        assert_eq!(TURNS.done(|| 2).await, Ok(2));
    }
}
