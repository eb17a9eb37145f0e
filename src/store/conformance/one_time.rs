//! The checks of [`OneTimeStore`].

use super::*;

type Store = Fresh<dyn SessionStore>;

pub(super) async fn the_first_use_is_the_only_one(Fresh { store, .. }: &Store) {
    assert!(store.first_use(first(Purpose::Answer, 1)).await.unwrap());
    assert!(!store.first_use(first(Purpose::Answer, 1)).await.unwrap());
    assert!(store.first_use(first(Purpose::Answer, 2)).await.unwrap());
    let one = key(Purpose::Answer, 1);
    assert!(store.was_used(&one, at(1)).await.unwrap());
    assert!(
        !store
            .was_used(&key(Purpose::Answer, 3), at(1))
            .await
            .unwrap()
    );
    assert!(!store.was_used(&key(Purpose::Flow, 1), at(1)).await.unwrap());
    assert!(
        !store.was_used(&one, at(1000)).await.unwrap(),
        "it has ended"
    );
    // A noted use is no row.
    let taken = store.take(&key(Purpose::Answer, 1), at(1)).await.unwrap();
    assert_eq!(taken, None);
    // A row can be used up here too.
    store.put(row(Purpose::Owner, 1)).await.unwrap();
    let used = || row_use(Purpose::Owner, 1, 50);
    assert!(store.first_use(used()).await.unwrap());
    assert!(!store.first_use(used()).await.unwrap());
}

pub(super) async fn a_lease_is_held_by_one_until_its_end(Fresh { store, .. }: &Store) {
    let key = key(Purpose::Lease, 1);
    assert!(store.lease(&key, at(1), at(5)).await.unwrap());
    assert!(!store.lease(&key, at(4), at(9)).await.unwrap());
    assert!(
        store.lease(&key, at(5), at(9)).await.unwrap(),
        "it has ended"
    );
    assert!(!store.lease(&key, at(6), at(9)).await.unwrap());
    store.release(&key).await.unwrap();
    assert!(store.lease(&key, at(6), at(9)).await.unwrap());
}

pub(super) async fn a_row_is_taken_once(Fresh { store, .. }: &Store) {
    let key = key(Purpose::Pending, 1);
    assert_eq!(store.peek(&key, at(1)).await.unwrap(), None);
    assert_eq!(store.take(&key, at(1)).await.unwrap(), None);
    store.put(row(Purpose::Pending, 1)).await.unwrap();
    let payload = Some(vec![1, 0, 255]);
    assert_eq!(store.peek(&key, at(1)).await.unwrap(), payload);
    assert_eq!(store.peek(&key, at(1)).await.unwrap(), payload);
    assert_eq!(store.take(&key, at(1)).await.unwrap(), payload);
    assert_eq!(store.take(&key, at(1)).await.unwrap(), None);
    assert_eq!(store.peek(&key, at(1)).await.unwrap(), None);
    // A later row stands in for an earlier one.
    store.put(row(Purpose::Pending, 1)).await.unwrap();
    let mut later = row(Purpose::Pending, 1);
    later.payload = vec![5];
    later.until = at(200);
    store.put(later).await.unwrap();
    assert_eq!(store.take(&key, at(150)).await.unwrap(), Some(vec![5]));
}

pub(super) async fn a_row_ends_in_time(Fresh { store, .. }: &Store) {
    let key = key(Purpose::Pending, 1);
    store.put(row(Purpose::Pending, 1)).await.unwrap();
    for late in [at(100), at(101)] {
        assert_eq!(store.peek(&key, late).await.unwrap(), None);
        assert_eq!(store.take(&key, late).await.unwrap(), None);
    }
    assert!(store.take(&key, at(99)).await.unwrap().is_some());
}

pub(super) async fn purposes_never_meet(Fresh { store, .. }: &Store) {
    assert!(store.first_use(first(Purpose::Answer, 1)).await.unwrap());
    assert!(store.first_use(first(Purpose::Flow, 1)).await.unwrap());
    store.put(row(Purpose::Pending, 1)).await.unwrap();
    for purpose in [Purpose::Owner, Purpose::Handover, Purpose::Answer] {
        let taken = store.take(&key(purpose, 1), at(1)).await.unwrap();
        assert_eq!(taken, None);
    }
    // The use of a key does not use up a row of the same key, nor the other way round.
    assert!(store.first_use(first(Purpose::Pending, 1)).await.unwrap());
    let taken = store.take(&key(Purpose::Pending, 1), at(1)).await.unwrap();
    assert!(taken.is_some());
}

pub(super) async fn many_race_and_one_wins(Fresh { store, .. }: &Store) {
    store.put(row(Purpose::Pending, 1)).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let first = store.first_use(first(Purpose::Answer, 1)).await.unwrap();
                let taken = store.take(&key(Purpose::Pending, 1), at(1)).await.unwrap();
                (usize::from(first), usize::from(taken.is_some()))
            })
        })
        .collect();
    let mut wins = (0, 0);
    for task in tasks {
        let (first, taken) = task.await.unwrap();
        wins = (wins.0 + first, wins.1 + taken);
    }
    assert_eq!(wins, (1, 1));
}

fn spend(counts: Counts, slot: u16, limit: u32) -> Spend {
    Spend {
        counter: Counter { counts, slot },
        limit,
        window: Duration::from_mins(1),
    }
}

pub(super) async fn a_budget_is_never_passed(Fresh { store, .. }: &Store) {
    let spend = spend(Counts::LoginAccount, 65_535, 50);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.count(&spend, at(10)).await.unwrap() })
        })
        .collect();
    let mut lefts = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Budget::Spent { left } => lefts.push(left),
            Budget::Exhausted { until } => assert_eq!(until, at(70)),
        }
    }
    lefts.sort_unstable();
    assert_eq!(lefts, (0..50).collect::<Vec<_>>());
}

pub(super) async fn a_budget_comes_back_with_its_window(Fresh { store, .. }: &Store) {
    let two = spend(Counts::LoginAddress, 1, 2);
    let count = async |spend: &Spend, seconds| store.count(spend, at(seconds)).await.unwrap();
    assert_eq!(count(&two, 10).await, Budget::Spent { left: 1 });
    let exhausted = async |spend: &Spend, seconds| {
        let until = store.exhausted(spend, at(seconds)).await;
        until.unwrap()
    };
    assert_eq!(exhausted(&two, 10).await, None);
    // The window began with the first count, and refusals do not move it.
    assert_eq!(count(&two, 60).await, Budget::Spent { left: 0 });
    let over = Budget::Exhausted { until: at(70) };
    assert_eq!(count(&two, 61).await, over);
    assert_eq!(count(&two, 69).await, over);
    // To ask is not to spend.
    assert_eq!(exhausted(&two, 69).await, Some(at(70)));
    assert_eq!(exhausted(&two, 70).await, None);
    assert_eq!(count(&two, 70).await, Budget::Spent { left: 1 });
    // A smaller limit holds at once, and none at all allows nothing.
    assert_eq!(
        count(&spend(Counts::LoginAddress, 1, 1), 71).await,
        Budget::Exhausted { until: at(130) }
    );
    let nothing = spend(Counts::LoginAll, 0, 0);
    assert_eq!(
        count(&nothing, 10).await,
        Budget::Exhausted { until: at(70) }
    );
    assert_eq!(exhausted(&nothing, 10).await, Some(at(70)));
}

pub(super) async fn sweeps_take_what_is_over_in_batches(Fresh { store, .. }: &Store) {
    for number in 1..=3 {
        store.put(row(Purpose::Pending, number)).await.unwrap();
        let used = first(Purpose::Answer, number);
        assert!(store.first_use(used).await.unwrap());
        let spend = spend(Counts::LoginAll, number.into(), 1);
        store.count(&spend, at(40)).await.unwrap();
    }
    let mut later = row(Purpose::Pending, 9);
    later.until = at(300);
    store.put(later).await.unwrap();
    assert_eq!(store.sweep_one_time(at(99), 100).await.unwrap(), 0);
    for swept in [4, 4, 1, 0] {
        assert_eq!(store.sweep_one_time(at(101), 4).await.unwrap(), swept);
    }
    let key = key(Purpose::Pending, 9);
    assert!(store.peek(&key, at(101)).await.unwrap().is_some());
    // The end of a note is the end of what it remembers.
    assert!(store.first_use(first(Purpose::Answer, 1)).await.unwrap());
}
