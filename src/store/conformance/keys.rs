//! The checks of [`KeyStore`].

use super::*;

pub(super) async fn the_ring_is_replaced_only_as_it_was_read(
    Fresh { store, .. }: &Fresh<dyn Directory>,
) {
    let key = |id: u32, state| KeyRecord {
        id,
        state,
        since: at(i64::from(10 - id)),
        sealed: vec![0, 255, 7],
    };
    assert_eq!(store.keys().await.unwrap(), []);
    let ring = vec![key(2, KeyState::Current), key(1, KeyState::Next)];
    assert!(!store.replace_keys(&[1], ring.clone(), None).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), []);
    assert!(store.replace_keys(&[], ring.clone(), None).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), ring, "oldest first");

    let turned = vec![
        key(3, KeyState::Old),
        key(2, KeyState::Old),
        key(1, KeyState::Current),
    ];
    let event = || Some(Event::new(at(20), EventKind::KeysRotated, "command"));
    for was in [&[][..], &[2], &[1, 2], &[2, 1, 3]] {
        let replaced = store.replace_keys(was, turned.clone(), event()).await;
        assert!(!replaced.unwrap(), "{was:?}");
    }
    assert_eq!(store.events(10).await.unwrap(), []);
    let (told, newest) = changes_after(store.as_ref(), 0).await;
    assert_eq!(told, [Change::Keys]);
    assert!(
        store
            .replace_keys(&[2, 1], turned.clone(), event())
            .await
            .unwrap()
    );
    assert_eq!(store.keys().await.unwrap(), turned);
    assert_eq!(store.events(10).await.unwrap(), [event().unwrap()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::Keys]
    );
}
