//! The checks of [`SessionStore`].

use super::*;
use crate::clock::Clock as _;

type Store = Fresh<dyn SessionStore>;

async fn issued(store: &dyn SessionStore, new: NewSession) {
    assert_eq!(store.issue(new).await.unwrap(), Issued::Issued);
}

pub(super) async fn an_issued_session_is_found_by_its_handle_and_id(Fresh { store, .. }: &Store) {
    assert_eq!(store.load(&handle_hash(1)).await.unwrap(), None);
    assert_eq!(store.find(session_id(1)).await.unwrap(), None);
    let record = session(1, "älice|x");
    issued(store.as_ref(), login(record.clone(), 1)).await;
    let loaded = Loaded {
        host: "a.example".to_owned(),
        session: record.clone(),
    };
    assert_eq!(store.load(&handle_hash(1)).await.unwrap(), Some(loaded));
    assert_eq!(store.find(record.id).await.unwrap(), Some(record));
    assert_eq!(store.load(&handle_hash(2)).await.unwrap(), None);
}

pub(super) async fn issue_is_all_or_nothing(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    assert!(store.first_use(first(Purpose::Answer, 9)).await.unwrap());
    store.put(row(Purpose::Pending, 7)).await.unwrap();
    let (_, newest) = changes_after(store.as_ref(), 0).await;

    let mut second = login(session(2, "bob"), 2);
    second.uses = vec![
        first(Purpose::Flow, 8),
        row_use(Purpose::Pending, 7, 50),
        first(Purpose::Answer, 9),
    ];
    second.ends = Some(session_id(1));
    second.drops = Some(handle_hash(1));
    let refused = store.issue(second.clone()).await.unwrap();
    assert_eq!(refused, Issued::AlreadyUsed(Purpose::Answer));

    assert_eq!(store.find(session_id(2)).await.unwrap(), None);
    assert_eq!(store.load(&handle_hash(2)).await.unwrap(), None);
    assert!(store.load(&handle_hash(1)).await.unwrap().is_some());
    assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
    // What was used before the refusal can still be used.
    second.uses.pop();
    issued(store.as_ref(), second.clone()).await;
    second.record = session(3, "bob");
    second.handle = handle(3, 3, "a.example");
    assert_eq!(
        store.issue(second).await.unwrap(),
        Issued::AlreadyUsed(Purpose::Flow)
    );
}

pub(super) async fn the_same_thing_is_not_used_twice_in_one_issue(Fresh { store, .. }: &Store) {
    store.put(row(Purpose::Owner, 1)).await.unwrap();
    for (number, used) in [
        (1, first(Purpose::Flow, 1)),
        (2, row_use(Purpose::Owner, 1, 50)),
    ] {
        let mut new = login(session(number, "alice"), number);
        let purpose = used.key().purpose;
        new.uses = vec![used.clone(), used.clone()];
        let refused = store.issue(new.clone()).await.unwrap();
        assert_eq!(refused, Issued::AlreadyUsed(purpose));
        new.uses = vec![used];
        issued(store.as_ref(), new).await;
    }
    // A row that nobody put, or that has ended, pays for nothing.
    let mut late = row(Purpose::Owner, 3);
    late.until = at(50);
    store.put(late).await.unwrap();
    for used in [
        row_use(Purpose::Owner, 2, 50),
        row_use(Purpose::Owner, 3, 51),
    ] {
        let mut new = login(session(4, "alice"), 4);
        new.uses = vec![used];
        let refused = store.issue(new).await.unwrap();
        assert_eq!(refused, Issued::AlreadyUsed(Purpose::Owner));
    }
}

pub(super) async fn an_answer_issues_one_session_however_often_it_comes(
    Fresh { store, .. }: &Store,
) {
    let tasks: Vec<_> = (1..=30)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut new = login(session(number, "alice"), number);
                new.uses = vec![first(Purpose::Flow, number), first(Purpose::Answer, 1)];
                store.issue(new).await.unwrap()
            })
        })
        .collect();
    let mut wins = 0;
    for task in tasks {
        match task.await.unwrap() {
            Issued::Issued => wins += 1,
            other => assert_eq!(other, Issued::AlreadyUsed(Purpose::Answer)),
        }
    }
    assert_eq!(wins, 1);
    assert_eq!(store.list(&Whose::All, 100).await.unwrap().len(), 1);
}

pub(super) async fn a_changed_session_is_not_issued_over(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    let mut again = login(session(1, "alice"), 2);
    again
        .record
        .authentications
        .push(authentication("members", "a"));
    again.uses = vec![first(Purpose::Answer, 1)];
    for was in [None, Some(0), Some(2)] {
        again.was = was;
        let refused = store.issue(again.clone()).await.unwrap();
        assert_eq!(refused, Issued::Changed, "{was:?}");
    }
    assert_eq!(store.load(&handle_hash(2)).await.unwrap(), None);
    again.was = Some(1);
    again.drops = Some(handle_hash(1));
    issued(store.as_ref(), again.clone()).await;
    assert_eq!(store.load(&handle_hash(1)).await.unwrap(), None);
    let loaded = store.load(&handle_hash(2)).await.unwrap().unwrap();
    assert_eq!(loaded.session.version, 2);
    assert_eq!(loaded.session.authentications.len(), 2);
    // A handle that exists is not given to another session.
    let taken = login(session(2, "bob"), 2);
    assert_eq!(store.issue(taken).await.unwrap(), Issued::Changed);
    assert_eq!(store.find(session_id(2)).await.unwrap(), None);
}

pub(super) async fn issue_drops_the_old_handle_and_ends_the_other_session(
    Fresh { store, .. }: &Store,
) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    issued(store.as_ref(), login(session(2, "alice"), 2)).await;
    let mut new = login(session(3, "bob"), 3);
    new.ends = Some(session_id(1));
    new.drops = Some(handle_hash(2));
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    issued(store.as_ref(), new).await;
    assert_eq!(store.find(session_id(1)).await.unwrap(), None);
    assert_eq!(store.load(&handle_hash(1)).await.unwrap(), None);
    // The session behind a dropped handle goes on, and its caches hear of it.
    assert!(store.find(session_id(2)).await.unwrap().is_some());
    assert_eq!(store.load(&handle_hash(2)).await.unwrap(), None);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [
            Change::Session(session_id(1)),
            Change::Session(session_id(2))
        ]
    );
    // Ending a session that is gone stops nobody.
    let mut new = login(session(4, "bob"), 4);
    new.ends = Some(session_id(1));
    new.drops = Some(handle_hash(1));
    issued(store.as_ref(), new).await;
}

pub(super) async fn issue_never_brings_a_removed_session_back(Fresh { store, .. }: &Store) {
    for round in 0..20 {
        let number = 1 + round;
        issued(store.as_ref(), login(session(number, "alice"), number)).await;
        let mut again = login(session(number, "alice"), 100 + number);
        again.was = Some(1);
        let issue = tokio::spawn({
            let store = store.clone();
            async move { store.issue(again).await.unwrap() }
        });
        assert!(store.remove(session_id(number), None).await.unwrap());
        issue.await.unwrap();
        assert_eq!(store.find(session_id(number)).await.unwrap(), None);
        let loaded = store.load(&handle_hash(100 + number)).await.unwrap();
        assert_eq!(loaded, None);
    }
}

pub(super) async fn each_host_has_its_handle(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    store.put(row(Purpose::Handover, 1)).await.unwrap();
    let paid = row_use(Purpose::Handover, 1, 50);
    let other = handle(2, 1, "b.example");
    assert!(store.add_handle(other, paid, handed_over()).await.unwrap());
    for (number, host) in [(1, "a.example"), (2, "b.example")] {
        let loaded = store.load(&handle_hash(number)).await.unwrap().unwrap();
        assert_eq!(
            (loaded.host.as_str(), loaded.session.id),
            (host, session_id(1))
        );
    }
    assert!(store.remove(session_id(1), None).await.unwrap());
    for number in [1, 2] {
        assert_eq!(store.load(&handle_hash(number)).await.unwrap(), None);
    }
}

pub(super) async fn a_session_has_one_handle_for_each_host(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    issued(store.as_ref(), login(session(2, "bob"), 2)).await;
    let add = async |number, of, host| {
        store.put(row(Purpose::Handover, number)).await.unwrap();
        let paid = row_use(Purpose::Handover, number, 50);
        let added = store.add_handle(handle(number, of, host), paid, handed_over());
        assert!(added.await.unwrap());
    };
    add(3, 1, "b.example").await;
    add(4, 2, "b.example").await;
    add(5, 1, "c.example").await;
    let newest = changes_after(store.as_ref(), 0).await.1;
    add(6, 1, "b.example").await;
    assert_eq!(store.load(&handle_hash(3)).await.unwrap(), None);
    // other hosts, and other sessions at this one, are as they were
    for number in [1, 2, 4, 5, 6] {
        assert!(store.load(&handle_hash(number)).await.unwrap().is_some());
    }
    let (changes, newest) = changes_after(store.as_ref(), newest).await;
    assert_eq!(changes, [Change::Session(session_id(1))]);
    // one that was not paid for takes nothing away
    let paid = row_use(Purpose::Handover, 6, 50);
    let added = store.add_handle(handle(7, 1, "b.example"), paid, handed_over());
    assert!(!added.await.unwrap());
    assert!(store.load(&handle_hash(6)).await.unwrap().is_some());
    assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
}

fn handed_over() -> Event {
    Event::new(at(1), EventKind::HandleIssued, "handover")
}

pub(super) async fn a_handle_is_paid_for_once_and_only_for_a_session(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    store.put(row(Purpose::Handover, 1)).await.unwrap();
    let paid = |now| row_use(Purpose::Handover, 1, now);
    // The ticket ran out; the session is not there; the ticket is for something else.
    for (of, used) in [
        (1, paid(101)),
        (2, paid(50)),
        (1, row_use(Purpose::Owner, 1, 50)),
    ] {
        assert!(
            !store
                .add_handle(handle(9, of, "b"), used, handed_over())
                .await
                .unwrap()
        );
        assert_eq!(store.load(&handle_hash(9)).await.unwrap(), None);
    }
    let tasks: Vec<_> = (10..40)
        .map(|number| {
            let (store, paid) = (store.clone(), paid(50));
            tokio::spawn(async move {
                store
                    .add_handle(handle(number, 1, "b"), paid, handed_over())
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        added += usize::from(task.await.unwrap());
    }
    assert_eq!(added, 1);
}

pub(super) async fn replace_needs_the_version_and_never_resurrects(Fresh { store, .. }: &Store) {
    let mut record = session(1, "alice");
    assert!(!store.replace(record.clone(), 1).await.unwrap());
    issued(store.as_ref(), login(record.clone(), 1)).await;
    record.sealed = vec![1, 2, 3];
    assert!(!store.replace(record.clone(), 2).await.unwrap());
    assert!(store.replace(record.clone(), 1).await.unwrap());
    assert!(!store.replace(record.clone(), 1).await.unwrap());
    record.version = 2;
    let stored = store.find(session_id(1)).await.unwrap();
    assert_eq!(stored, Some(record.clone()));

    // Of many who read the same version, one writes.
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, record) = (store.clone(), record.clone());
            tokio::spawn(async move { store.replace(record, 2).await.unwrap() })
        })
        .collect();
    let mut replaced = 0;
    for task in tasks {
        replaced += usize::from(task.await.unwrap());
    }
    assert_eq!(replaced, 1);

    assert!(store.remove(session_id(1), None).await.unwrap());
    for was in 0..5 {
        assert!(!store.replace(record.clone(), was).await.unwrap());
    }
    assert_eq!(store.find(session_id(1)).await.unwrap(), None);
}

pub(super) async fn remove_ends_the_session_with_its_handles(Fresh { store, .. }: &Store) {
    assert!(!store.remove(session_id(1), Some(event())).await.unwrap());
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    issued(store.as_ref(), login(session(2, "alice"), 2)).await;
    assert!(store.remove(session_id(1), Some(event())).await.unwrap());
    assert!(!store.remove(session_id(1), Some(event())).await.unwrap());
    assert_eq!(store.load(&handle_hash(1)).await.unwrap(), None);
    assert!(store.load(&handle_hash(2)).await.unwrap().is_some());
}

/// Five sessions: two of alice, one of which also holds an identity of another connection, and
/// three of people with similar names.
async fn five(store: &dyn SessionStore) {
    let mut linked = session(2, "alice");
    linked.authentications.push(authentication("members", "a"));
    for record in [
        session(1, "alice"),
        linked,
        session(3, "bob"),
        session(4, "alic"),
        SessionRecord {
            authentications: vec![authentication("acme-2", "alice")],
            sids: vec![[77; 32]],
            ..session(5, "alice2")
        },
    ] {
        let [number, ..] = record.id.0;
        issued(store, login(record, number)).await;
    }
}

async fn left(store: &dyn SessionStore) -> Vec<u8> {
    let mut left = Vec::new();
    for number in 1..=5 {
        let found = store.find(session_id(number)).await.unwrap();
        let loaded = store.load(&handle_hash(number)).await.unwrap();
        assert_eq!(found.is_some(), loaded.is_some());
        left.extend(found.map(|_| number));
    }
    left
}

pub(super) async fn remove_all_ends_exactly_those(Fresh { store, .. }: &Store) {
    let alice = || UserId::new(&name("acme"), &name("alice"));
    for (whose, rest) in [
        (Whose::Connection(name("members")), vec![1, 3, 4, 5]),
        (Whose::Connection(name("acme")), vec![5]),
        (Whose::Connection(name("acm")), vec![1, 2, 3, 4, 5]),
        (Whose::Identity(name("acme"), name("alice")), vec![3, 4, 5]),
        (
            Whose::Identity(name("members"), name("a")),
            vec![1, 3, 4, 5],
        ),
        (Whose::Sid([77; 32]), vec![1, 2, 3, 4]),
        (Whose::Sid([200; 32]), vec![5]),
        (Whose::User(alice()), vec![3, 4, 5]),
        (Whose::UserExcept(alice(), session_id(2)), vec![2, 3, 4, 5]),
        (Whose::UserExcept(alice(), session_id(3)), vec![3, 4, 5]),
        (Whose::All, vec![]),
    ] {
        let gone = 5 - rest.len() as u64;
        let mut listed: Vec<_> = store
            .list(&whose, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|record| record.id.0[0])
            .collect();
        assert!(listed.is_empty());
        five(store.as_ref()).await;
        listed.extend(
            store
                .list(&whose, 10)
                .await
                .unwrap()
                .into_iter()
                .map(|record| record.id.0[0]),
        );
        assert_eq!(listed.len() as u64, gone, "{whose:?}");
        assert!(listed.is_sorted_by(|a, b| a > b), "newest first");
        assert!(listed.iter().all(|number| !rest.contains(number)));
        let removed = store.remove_all(&whose, Some(event())).await.unwrap();
        assert_eq!(
            (removed, left(store.as_ref()).await),
            (gone, rest),
            "{whose:?}"
        );
        assert_eq!(store.remove_all(&whose, Some(event())).await.unwrap(), 0);
        store.remove_all(&Whose::All, None).await.unwrap();
    }
}

pub(super) async fn what_was_proven_before_an_end_opens_nothing(
    Fresh { store, clock, .. }: &Store,
) {
    let alice = || UserId::new(&name("acme"), &name("alice"));
    let proven = |number, who, proven_at| NewSession {
        proven_at,
        ..login(session(number, who), number)
    };
    for whose in [
        Whose::All,
        Whose::Connection(name("acme")),
        Whose::Identity(name("acme"), name("alice")),
        Whose::User(alice()),
        Whose::UserExcept(alice(), session_id(9)),
        // The provider's session that the proof is of.
        Whose::Sid([1; 32]),
    ] {
        let end = clock.now();
        // There need not be a session yet.
        assert_eq!(store.remove_all(&whose, None).await.unwrap(), 0);
        clock.advance(Duration::from_secs(60));
        let mut late = proven(1, "alice", end);
        late.uses = vec![first(Purpose::Answer, 1)];
        let refused = store.issue(late.clone()).await.unwrap();
        assert_eq!(refused, Issued::Outdated, "{whose:?}");
        assert_eq!(store.find(session_id(1)).await.unwrap(), None);
        let proof = authentication("acme", "alice");
        for (at, outdated) in [(end, true), (clock.now(), false)] {
            // Which of the provider's sessions it is of, is not asked here.
            if !matches!(whose, Whose::Sid(_)) {
                let told = store.outdated((&alice(), &proof), at).await.unwrap();
                assert_eq!(told, outdated, "{whose:?}");
            }
        }
        if whose != Whose::All && whose != Whose::Connection(name("acme")) {
            issued(store.as_ref(), proven(2, "bob", end)).await;
        }
        // A later proof opens one; nor does an earlier one extend it.
        late.proven_at = clock.now();
        late.uses.clear();
        issued(store.as_ref(), late).await;
        let mut again = proven(1, "alice", end);
        (again.was, again.handle) = (Some(1), handle(3, 1, "a.example"));
        assert_eq!(store.issue(again).await.unwrap(), Issued::Outdated);
        for number in [1, 2] {
            store.remove(session_id(number), None).await.unwrap();
        }
    }
    // A sweep forgets what is long over.
    let now = clock.now();
    store.sweep(now, now, 10).await.unwrap();
    let end = now - Duration::from_secs(60);
    let refused = store.issue(proven(1, "alice", end)).await.unwrap();
    assert_eq!(refused, Issued::Outdated);
    let later = now + Duration::from_secs(2 * 3600);
    store.sweep(later, now, 10).await.unwrap();
    issued(store.as_ref(), proven(1, "alice", end)).await;
}

/// More than any engine would touch or end in one step.
pub(super) async fn many_are_touched_and_end_at_once(Fresh { store, .. }: &Store) {
    for number in 0..2100_u16 {
        let mut new = login(session(1, "alice"), 1);
        let [high, low] = number.to_be_bytes();
        new.record.id.0[..2].copy_from_slice(&[high, low]);
        new.handle.hash.0[..2].copy_from_slice(&[high, low]);
        new.handle.session = new.record.id;
        issued(store.as_ref(), new).await;
    }
    let all = store.list(&Whose::All, 3000).await.unwrap();
    let used: Vec<_> = all.iter().map(|record| (record.id, at(90))).collect();
    store.touch(&used).await.unwrap();
    let all = store.list(&Whose::All, 3000).await.unwrap();
    assert_eq!(all.len(), 2100);
    assert!(all.iter().all(|record| record.last_used_at == at(90)));
    let whose = Whose::Identity(name("acme"), name("alice"));
    assert_eq!(store.remove_all(&whose, None).await.unwrap(), 2100);
    assert_eq!(store.list(&Whose::All, 1).await.unwrap(), []);
}

pub(super) async fn an_index_follows_the_session(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    let moved = SessionRecord {
        user: UserId::new(&name("members"), &name("a")),
        authentications: vec![authentication("members", "a")],
        sids: vec![[9; 32]],
        ..session(1, "alice")
    };
    assert!(store.replace(moved, 1).await.unwrap());
    for (whose, found) in [
        (Whose::Connection(name("acme")), 0),
        (Whose::Identity(name("acme"), name("alice")), 0),
        (Whose::Sid([1; 32]), 0),
        (Whose::User(UserId::new(&name("acme"), &name("alice"))), 0),
        (Whose::Connection(name("members")), 1),
        (Whose::Identity(name("members"), name("a")), 1),
        (Whose::Sid([9; 32]), 1),
        (Whose::User(UserId::new(&name("members"), &name("a"))), 1),
    ] {
        let listed = store.list(&whose, 10).await.unwrap();
        assert_eq!(listed.len(), found, "{whose:?}");
    }
}

pub(super) async fn a_last_use_never_goes_back(Fresh { store, .. }: &Store) {
    issued(store.as_ref(), login(session(1, "alice"), 1)).await;
    issued(store.as_ref(), login(session(2, "alice"), 2)).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let used = async |number| {
        let record = store.find(session_id(number)).await.unwrap().unwrap();
        (record.last_used_at, record.version)
    };
    store.touch(&[]).await.unwrap();
    let batch = [
        (session_id(1), at(60)),
        (session_id(99), at(60)),
        (session_id(2), at(80)),
        (session_id(2), at(70)),
    ];
    store.touch(&batch).await.unwrap();
    assert_eq!(used(1).await, (at(60), 1));
    assert_eq!(used(2).await, (at(80), 1));
    store.touch(&[(session_id(1), at(59))]).await.unwrap();
    assert_eq!(used(1).await, (at(60), 1));
    // Nor does a new state that was read before the touch set it back.
    assert!(store.replace(session(1, "alice"), 1).await.unwrap());
    assert_eq!(used(1).await, (at(60), 2));
    // A time is not news, and no session comes of one.
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::Session(session_id(1))]
    );
    assert_eq!(store.find(session_id(99)).await.unwrap(), None);
    assert!(store.remove(session_id(1), None).await.unwrap());
    store.touch(&[(session_id(1), at(90))]).await.unwrap();
    assert_eq!(store.find(session_id(1)).await.unwrap(), None);
}

pub(super) async fn the_newest_are_listed_first(Fresh { store, .. }: &Store) {
    for number in [3, 1, 2] {
        issued(store.as_ref(), login(session(number, "alice"), number)).await;
    }
    let user = Whose::User(session(1, "alice").user);
    for whose in [Whose::All, user, Whose::Connection(name("acme"))] {
        let listed = store.list(&whose, 2).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|record| record.id).collect();
        assert_eq!(ids, [session_id(3), session_id(2)]);
    }
}

pub(super) async fn sweeps_end_what_is_over_in_batches(Fresh { store, .. }: &Store) {
    for number in 1..=5 {
        let mut record = session(number, "alice");
        record.expires_at = at(100 + i64::from(number));
        issued(store.as_ref(), login(record, number)).await;
    }
    assert_eq!(store.sweep(at(101), at(1), 10).await.unwrap(), 0);
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    // One and two have ended, two and three were not used for long.
    store.touch(&[(session_id(1), at(50))]).await.unwrap();
    assert_eq!(store.sweep(at(103), at(4), 2).await.unwrap(), 2);
    assert_eq!(store.sweep(at(103), at(4), 2).await.unwrap(), 1);
    assert_eq!(store.sweep(at(103), at(4), 2).await.unwrap(), 0);
    assert_eq!(left(store.as_ref()).await, [4, 5]);
    // Whoever has one of them in a cache hears of it.
    let (mut told, _) = changes_after(store.as_ref(), newest).await;
    told.sort_by_key(|change| format!("{change:?}"));
    let ended: Vec<_> = (1..=3)
        .map(|number| Change::Session(session_id(number)))
        .collect();
    assert_eq!(told, ended);
}

pub(super) async fn a_renamed_connection_keeps_its_sessions(Fresh { store, .. }: &Store) {
    let mut both = session(1, "alice");
    both.authentications = vec![
        authentication("acme", "alice"),
        authentication("members", "alice"),
    ];
    issued(store.as_ref(), login(both.clone(), 1)).await;
    let other = session(2, "bob");
    let other = SessionRecord {
        authentications: vec![authentication("acme-2", "bob")],
        ..other
    };
    issued(store.as_ref(), login(other.clone(), 2)).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let (acme, corp) = (name("acme"), name("corp"));
    store.rename_connection(&acme, &corp).await.unwrap();

    let renamed = SessionRecord {
        authentications: vec![
            authentication("corp", "alice"),
            authentication("members", "alice"),
        ],
        version: 2,
        ..both.clone()
    };
    let loaded = store.load(&handle_hash(1)).await.unwrap();
    assert_eq!(loaded.map(|loaded| loaded.session), Some(renamed.clone()));
    assert_eq!(store.find(other.id).await.unwrap(), Some(other));
    for (whose, found) in [
        (Whose::Connection(acme.clone()), vec![]),
        (Whose::Connection(corp), vec![renamed.clone()]),
        (Whose::Identity(name("corp"), name("alice")), vec![renamed]),
    ] {
        assert_eq!(store.list(&whose, 10).await.unwrap(), found, "{whose:?}");
    }
    let told = [Change::Connection(acme.clone())];
    assert_eq!(changes_after(store.as_ref(), newest).await.0, told);
    // Whoever read it under the old name does not write that back.
    assert!(!store.replace(both, 1).await.unwrap());
    // Nothing is left to do.
    store.rename_connection(&acme, &name("x")).await.unwrap();
    assert_eq!(changes_after(store.as_ref(), newest).await.0, told);
}

pub(super) async fn who_is_signed_in_is_told_in_pages(Fresh { store, .. }: &Store) {
    let acme = name("acme");
    for (number, who) in [(1, "carol"), (2, "alice"), (3, "bob"), (4, "alice")] {
        issued(store.as_ref(), login(session(number, who), number)).await;
    }
    let mut linked = session(5, "dave");
    linked.authentications = vec![
        authentication("corp", "dave"),
        authentication("acme", "eve"),
    ];
    issued(store.as_ref(), login(linked, 5)).await;
    let told = async |after: Option<&str>, most| {
        let after = after.map(name);
        let found = store.signed_in(&acme, after.as_ref(), most).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(None, 2).await, ["alice", "bob"]);
    assert_eq!(told(Some("bob"), 2).await, ["carol", "eve"]);
    assert_eq!(told(Some("eve"), 2).await, [""; 0]);
}
