//! The checks of [`ChangeFeed`].

use super::*;
use crate::clock::Clock as _;

type Store = Fresh<dyn SessionStore>;

/// Ends sessions `numbers`, which makes a change each.
async fn make_changes(store: &dyn SessionStore, numbers: std::ops::RangeInclusive<u8>) {
    for number in numbers {
        let new = login(session(number, "alice"), number);
        assert_eq!(store.issue(new).await.unwrap(), Issued::Issued);
        assert!(store.remove(session_id(number), None).await.unwrap());
    }
}

fn ended(numbers: std::ops::RangeInclusive<u8>) -> Vec<Change> {
    numbers
        .map(|number| Change::Session(session_id(number)))
        .collect()
}

pub(super) async fn the_feed_is_in_order_and_in_pages(Fresh { store, .. }: &Store) {
    assert_eq!(store.newest().await.unwrap(), 0);
    assert_eq!(changes_after(store.as_ref(), 0).await, (vec![], 0));
    make_changes(store.as_ref(), 1..=5).await;
    let newest = store.newest().await.unwrap();
    assert_eq!(
        changes_after(store.as_ref(), 0).await,
        (ended(1..=5), newest)
    );
    assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
    let mut seen = 0;
    for page in [1..=2, 3..=4, 5..=5] {
        match store.since(seen, 2).await.unwrap() {
            Changes::Listed { changes, newest } => {
                assert_eq!(changes, ended(page));
                seen = newest;
            }
            gap @ Changes::Gap { .. } => panic!("{gap:?}"),
        }
    }
    assert_eq!(seen, newest);
}

pub(super) async fn what_ends_sessions_is_told(Fresh { store, .. }: &Store) {
    let alice = || session(1, "alice").user;
    let one = || vec![Change::Session(session_id(1))];
    for (whose, told) in [
        (Whose::All, one()),
        (
            Whose::Connection(name("acme")),
            vec![Change::Connection(name("acme"))],
        ),
        (Whose::Identity(name("acme"), name("alice")), one()),
        (Whose::Sid([1; 32]), one()),
        (Whose::User(alice()), vec![Change::User(alice())]),
        (Whose::UserExcept(alice(), session_id(2)), one()),
    ] {
        let newest = store.newest().await.unwrap();
        // A new session is no news.
        let new = login(session(1, "alice"), 1);
        assert_eq!(store.issue(new).await.unwrap(), Issued::Issued);
        assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
        assert_eq!(store.remove_all(&whose, None).await.unwrap(), 1);
        assert_eq!(changes_after(store.as_ref(), newest).await.0, told);
        // Nor is nothing.
        let newest = store.newest().await.unwrap();
        assert_eq!(store.remove_all(&whose, None).await.unwrap(), 0);
        assert!(!store.remove(session_id(1), None).await.unwrap());
        assert!(!store.replace(session(1, "alice"), 1).await.unwrap());
        assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
    }
}

pub(super) async fn a_swept_feed_has_a_gap(Fresh { store, clock, .. }: &Store) {
    let start = clock.now();
    make_changes(store.as_ref(), 1..=3).await;
    clock.advance(Duration::from_mins(1));
    make_changes(store.as_ref(), 4..=5).await;
    let newest = store.newest().await.unwrap();
    assert_eq!(store.sweep_changes(start).await.unwrap(), 0);
    let later = start + Duration::from_secs(1);
    assert_eq!(store.sweep_changes(later).await.unwrap(), 3);
    for seen in [0, newest - 3] {
        let listed = store.since(seen, 10).await.unwrap();
        assert_eq!(listed, Changes::Gap { newest }, "after {seen}");
    }
    let (changes, _) = changes_after(store.as_ref(), newest - 2).await;
    assert_eq!(changes, ended(4..=5));
    // An empty feed still knows how far it was.
    let later = start + Duration::from_secs(61);
    assert_eq!(store.sweep_changes(later).await.unwrap(), 2);
    assert_eq!(store.newest().await.unwrap(), newest);
    assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
    let listed = store.since(newest - 1, 10).await.unwrap();
    assert_eq!(listed, Changes::Gap { newest });
    make_changes(store.as_ref(), 6..=6).await;
    assert_eq!(changes_after(store.as_ref(), newest).await.0, ended(6..=6));
}

pub(super) async fn another_feed_is_a_gap(Fresh { store, .. }: &Store) {
    make_changes(store.as_ref(), 1..=2).await;
    let newest = store.newest().await.unwrap();
    let listed = store.since(newest + 5, 10).await.unwrap();
    assert_eq!(listed, Changes::Gap { newest });
}
