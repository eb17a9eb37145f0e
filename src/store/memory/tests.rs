//! The suite, and the bounds.

use super::*;
use crate::{
    clock::ManualClock,
    store::conformance::{self, Fresh},
};

fn memory(most: usize) -> (Arc<Memory>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    (Arc::new(Memory::new(clock.clone(), most)), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_sessions_as_promised() {
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (memory, clock) = memory(Memory::MOST_SESSIONS);
        let store: Arc<dyn SessionStore> = memory;
        Fresh {
            store,
            clock,
            _folder: None,
        }
    })
    .await;
}
