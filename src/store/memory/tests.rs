//! The suite, and the bounds.

use super::{held::CHANGES_KEPT, *};
use crate::{
    clock::ManualClock,
    store::{
        Purpose,
        conformance::{self, Fresh},
    },
};

fn memory(most: usize) -> (Arc<Memory>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    (Arc::new(Memory::new(clock.clone(), most)), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_sessions_as_promised() {
    conformance::session_store(async || -> Fresh<dyn SessionStore> {
        let (memory, clock) = memory(1_000_000);
        let store: Arc<dyn SessionStore> = memory;
        Fresh {
            store,
            clock,
            _folder: None,
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_memory_refuses_and_keeps_what_it_has() {
    let (store, _) = memory(3);
    let new = |number| conformance::login(conformance::session(number, "alice"), number);
    for number in 1..=3 {
        assert_eq!(store.issue(new(number)).await.unwrap(), Issued::Issued);
    }
    let refused = store.issue(new(4)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    // Those who are in may go on, and the next one may come when somebody leaves.
    let mut again = new(2);
    again.was = Some(1);
    again.handle = conformance::handle(5, 2, "a.example");
    assert_eq!(store.issue(again).await.unwrap(), Issued::Issued);
    assert!(store.remove(SessionId([1; 16]), None).await.unwrap());
    assert_eq!(store.issue(new(4)).await.unwrap(), Issued::Issued);

    for number in 1..=3 {
        let row = conformance::row(Purpose::Pending, number);
        store.put(row).await.unwrap();
        let used = conformance::first(Purpose::Answer, number);
        assert!(store.first_use(used).await.unwrap());
    }
    let refused = store.put(conformance::row(Purpose::Pending, 4)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    let refused = store
        .first_use(conformance::first(Purpose::Answer, 4))
        .await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    // What is there can be used up and written again, and what was used stays used.
    store
        .put(conformance::row(Purpose::Pending, 3))
        .await
        .unwrap();
    let used = store
        .first_use(conformance::first(Purpose::Answer, 3))
        .await;
    assert!(!used.unwrap());
    let mut again = new(2);
    again.was = Some(2);
    again.handle = conformance::handle(6, 2, "a.example");
    again.uses = vec![conformance::first(Purpose::Flow, 1)];
    let refused = store.issue(again).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
}

#[tokio::test]
async fn the_feed_forgets_its_oldest_end() {
    let (store, clock) = memory(3);
    for _ in 0..=CHANGES_KEPT {
        store.held.lock().note(clock.now(), Change::Keys);
    }
    let newest = store.newest().await.unwrap();
    assert_eq!(store.since(0, 5).await.unwrap(), Changes::Gap { newest });
    let listed = store.since(1, 5).await.unwrap();
    assert!(matches!(listed, Changes::Listed { newest: 6, .. }));
}

#[tokio::test]
async fn nothing_is_left_of_a_session_that_ended() {
    let (store, _) = memory(10);
    for number in 1..=4 {
        let new = conformance::login(conformance::session(number, "alice"), number);
        store.issue(new).await.unwrap();
    }
    store
        .touch(&[(SessionId([1; 16]), conformance::at(900))])
        .await
        .unwrap();
    store.remove_all(&Whose::All, None).await.unwrap();
    let held = store.held.lock();
    assert!(held.index.is_empty() && held.handles.is_empty() && held.sessions.is_empty());
}
