//! The suite, and what can happen to a file.

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    store::{
        SessionStore,
        conformance::{self, Directory, Fresh},
    },
};

const START: Timestamp = Timestamp::from_millis(1_000_000);

async fn fresh() -> (Arc<Sqlite>, Arc<ManualClock>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(START));
    let path = folder.path().join("test.db");
    let store = Sqlite::open(&path, clock.clone()).await.unwrap();
    (Arc::new(store), clock, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_sessions_as_promised() {
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (sqlite, clock, folder) = fresh().await;
        let store: Arc<dyn SessionStore> = sqlite;
        Fresh {
            store,
            clock,
            _folder: Some(folder),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_users_as_promised() {
    conformance::user_store(async || -> Fresh<dyn Directory> {
        let (sqlite, clock, folder) = fresh().await;
        let store: Arc<dyn Directory> = sqlite;
        Fresh {
            store,
            clock,
            _folder: Some(folder),
        }
    })
    .await;
}
