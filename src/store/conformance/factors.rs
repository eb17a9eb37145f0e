//! The checks of [`FactorStore`].

use super::*;

type Store = Fresh<dyn Directory>;

fn factor(number: u8, of: &UserId) -> FactorRecord {
    FactorRecord {
        id: FactorId([number; 16]),
        user: of.clone(),
        kind: FactorKind::Totp {
            sealed: vec![number, 0, 255],
            last_step: 1000,
        },
        name: format!("Télephone {number}"),
        created_at: at(i64::from(number)),
        last_used_at: None,
    }
}

fn note(kind: EventKind, seconds: i64) -> Event {
    Event::new(at(seconds), kind, "person")
}

fn added() -> Event {
    note(EventKind::FactorAdded, 20)
}

/// Somebody with one factor and three recovery codes.
async fn ann(store: &dyn Directory) -> UserId {
    assert_eq!(
        store.create(sign_up("members", "ann")).await.unwrap(),
        Created::Created
    );
    let ann = user("members", "ann").id;
    let done = store.add_factor(factor(1, &ann), 5, added()).await.unwrap();
    assert_eq!(done, FactorAdded::Added);
    let codes = [[1; 32], [2; 32], [3; 32]];
    let replaced = store.replace_recovery_codes(&ann, &codes, None).await;
    assert!(replaced.unwrap());
    ann
}

pub(super) async fn factors_are_added_up_to_a_number(Fresh { store, .. }: &Store) {
    let nobody = UserId::new(&name("members"), &name("nobody"));
    let add = async |number, of: &UserId, most| {
        let factor = factor(number, of);
        store.add_factor(factor, most, added()).await.unwrap()
    };
    assert_eq!(add(1, &nobody, 5).await, FactorAdded::UnknownUser);
    let ann = ann(store.as_ref()).await;
    assert_eq!(store.events(1).await.unwrap(), [added()]);
    assert_eq!(add(1, &ann, 5).await, FactorAdded::Exists);
    assert_eq!(add(2, &ann, 1).await, FactorAdded::TooMany);
    assert_eq!(add(2, &ann, 2).await, FactorAdded::Added);
    assert_eq!(add(3, &ann, 2).await, FactorAdded::TooMany);
    assert_eq!(
        store.factors(&ann).await.unwrap(),
        [factor(1, &ann), factor(2, &ann)]
    );
    // the number is each user's own
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    assert_eq!(store.factors(&bob).await.unwrap(), []);
    assert_eq!(add(4, &bob, 1).await, FactorAdded::Added);
}

async fn created_too(store: &dyn Directory, who: &str) {
    let created = store.create(sign_up("members", who)).await.unwrap();
    assert_eq!(created, Created::Created);
}

pub(super) async fn one_of_many_first_factors_is_added(Fresh { store, .. }: &Store) {
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let racing = (1..=10).map(|number| {
        let (store, factor) = (store.clone(), factor(number, &bob));
        tokio::spawn(async move { store.add_factor(factor, 1, added()).await.unwrap() })
    });
    let racing: Vec<_> = racing.collect();
    let mut wins = 0;
    for one in racing {
        wins += usize::from(one.await.unwrap() == FactorAdded::Added);
    }
    assert_eq!(wins, 1);
    assert_eq!(store.factors(&bob).await.unwrap().len(), 1);
}

pub(super) async fn a_factor_is_changed_by_its_user_alone(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let id = FactorId([1; 16]);
    let changed = note(EventKind::FactorRenamed, 21);
    let removed = note(EventKind::FactorRemoved, 22);
    let rename = store.rename_factor(&bob, id, "Mine", changed.clone());
    assert!(!rename.await.unwrap());
    let remove = store.remove_factor(&bob, id, removed.clone());
    assert!(!remove.await.unwrap());
    assert_eq!(store.factors(&ann).await.unwrap(), [factor(1, &ann)]);
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 3);
    let rename = store.rename_factor(&ann, id, "Mine", changed.clone());
    assert!(rename.await.unwrap());
    assert_eq!(store.factors(&ann).await.unwrap()[0].name, "Mine");
    assert_eq!(store.events(1).await.unwrap(), [changed]);
    // with the last factor the codes are gone, which stand in for it
    let other = store.add_factor(factor(2, &ann), 5, added()).await;
    assert_eq!(other.unwrap(), FactorAdded::Added);
    let remove = store.remove_factor(&ann, id, removed.clone());
    assert!(remove.await.unwrap());
    assert_eq!(
        store.events(1).await.unwrap(),
        std::slice::from_ref(&removed)
    );
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 3);
    let remove = store.remove_factor(&ann, FactorId([2; 16]), removed.clone());
    assert!(remove.await.unwrap());
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 0);
    let remove = store.remove_factor(&ann, id, removed);
    assert!(!remove.await.unwrap());
}

pub(super) async fn a_step_is_used_once_and_never_after_a_later_one(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    let id = FactorId([1; 16]);
    let used = |seconds| note(EventKind::FactorUsed, seconds);
    for (step, seconds, first) in [
        (1000, 1, false),
        (1001, 2, true),
        (1001, 3, false),
        (1003, 4, true),
        (1002, 5, false),
        (1003, 6, false),
        (1004, 7, true),
    ] {
        let done = store.use_step(id, step, used(seconds)).await.unwrap();
        assert_eq!(done, first, "{step}");
        let newest = store.events(1).await.unwrap();
        assert_eq!(newest == [used(seconds)], first, "{step}");
    }
    let [held] = &store.factors(&ann).await.unwrap()[..] else {
        panic!("not one factor");
    };
    assert_eq!(held.last_used_at, Some(at(7)));
    assert!(matches!(
        held.kind,
        FactorKind::Totp {
            last_step: 1004,
            ..
        }
    ));
    let gone = store.use_step(FactorId([9; 16]), 2000, used(1)).await;
    assert!(!gone.unwrap());
}

pub(super) async fn many_use_one_step_and_one_wins(Fresh { store, .. }: &Store) {
    ann(store.as_ref()).await;
    let racing = (0..20).map(|_| {
        let store = store.clone();
        let event = note(EventKind::FactorUsed, 30);
        tokio::spawn(async move { store.use_step(FactorId([1; 16]), 1001, event).await })
    });
    let racing: Vec<_> = racing.collect();
    let mut wins = 0;
    for one in racing {
        wins += usize::from(one.await.unwrap().unwrap());
    }
    assert_eq!(wins, 1);
}

pub(super) async fn a_recovery_code_works_once_and_for_its_user(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let event = note(EventKind::RecoveryCodeUsed, 31);
    let spend = async |who: &UserId, code: [u8; 32]| {
        let used = store.use_recovery_code(who, &code, event.clone());
        used.await.unwrap()
    };
    let before = store.events(1).await.unwrap();
    assert!(!spend(&bob, [1; 32]).await);
    assert!(!spend(&ann, [9; 32]).await);
    assert_eq!(store.events(1).await.unwrap(), before);
    let racing = (0..20).map(|_| {
        let (store, ann, event) = (store.clone(), ann.clone(), event.clone());
        tokio::spawn(async move { store.use_recovery_code(&ann, &[1; 32], event).await })
    });
    let racing: Vec<_> = racing.collect();
    let mut wins = 0;
    for one in racing {
        wins += usize::from(one.await.unwrap().unwrap());
    }
    assert_eq!(wins, 1);
    assert_eq!(store.events(1).await.unwrap(), std::slice::from_ref(&event));
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 2);
    // new ones end the old ones
    let made = note(EventKind::RecoveryCodesMade, 32);
    let replaced = store.replace_recovery_codes(&ann, &[[7; 32]], Some(made.clone()));
    assert!(replaced.await.unwrap());
    assert_eq!(store.events(1).await.unwrap(), std::slice::from_ref(&made));
    assert!(!spend(&ann, [2; 32]).await);
    assert!(spend(&ann, [7; 32]).await);
    // nobody has codes without a factor
    let replaced = store.replace_recovery_codes(&bob, &[[8; 32]], Some(made));
    assert!(!replaced.await.unwrap());
    assert_eq!(store.recovery_codes_left(&bob).await.unwrap(), 0);
}

pub(super) async fn a_reset_takes_everything_of_one_user(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    let other = store.add_factor(factor(2, &ann), 5, added()).await;
    assert_eq!(other.unwrap(), FactorAdded::Added);
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let of_bob = store.add_factor(factor(3, &bob), 5, added()).await;
    assert_eq!(of_bob.unwrap(), FactorAdded::Added);
    let event = note(EventKind::FactorsReset, 33);
    assert_eq!(store.reset_factors(&ann, event.clone()).await.unwrap(), 2);
    assert_eq!(store.events(1).await.unwrap(), std::slice::from_ref(&event));
    assert_eq!(store.factors(&ann).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 0);
    assert_eq!(store.factors(&bob).await.unwrap().len(), 1);
    let again = Event {
        at: at(34),
        ..event.clone()
    };
    assert_eq!(store.reset_factors(&ann, again).await.unwrap(), 0);
    assert_eq!(store.events(1).await.unwrap(), [event]);
}

pub(super) async fn who_is_deleted_takes_factors_along(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    let event = Event::new(at(40), EventKind::UserDeleted, "operator");
    assert!(store.delete(&ann, event).await.unwrap());
    assert_eq!(store.factors(&ann).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 0);
    // whoever comes back under this id begins without
    created_again(store.as_ref()).await;
    assert_eq!(store.factors(&ann).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 0);
}

async fn created_again(store: &dyn Directory) {
    let created = store.create(sign_up("members", "ann")).await.unwrap();
    assert_eq!(created, Created::Created);
}

pub(super) async fn a_moved_identity_leaves_factors_where_they_are(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let event = Event::new(at(41), EventKind::IdentityLinked, "person");
    let (members, subject) = (name("members"), name("ann"));
    let moved = store.link(&members, &subject, &bob, event);
    assert!(moved.await.unwrap());
    assert_eq!(store.factors(&bob).await.unwrap(), []);
    assert_eq!(store.factors(&ann).await.unwrap(), [factor(1, &ann)]);
    assert_eq!(store.recovery_codes_left(&ann).await.unwrap(), 3);
}

fn passkey(number: u8, of: &UserId, counter: u64) -> FactorRecord {
    FactorRecord {
        kind: FactorKind::Passkey {
            sealed: vec![number, 1],
            counter,
        },
        ..factor(number, of)
    }
}

pub(super) async fn a_passkey_is_found_and_its_counter_goes_up(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    let add = store.add_factor(passkey(7, &ann, 5), 9, added());
    assert_eq!(add.await.unwrap(), FactorAdded::Added);
    let add = store.add_factor(passkey(8, &ann, 0), 9, added());
    assert_eq!(add.await.unwrap(), FactorAdded::Added);
    let id = FactorId([7; 16]);
    assert_eq!(
        store.find_factor(id).await.unwrap(),
        Some(passkey(7, &ann, 5))
    );
    assert_eq!(store.find_factor(FactorId([9; 16])).await.unwrap(), None);
    let used = |seconds| note(EventKind::FactorUsed, seconds);
    for (id, counter, seconds, good) in [
        (7, 5, 1, false),
        (7, 0, 2, false),
        (7, 6, 3, true),
        (7, 6, 4, false),
        (8, 0, 5, true),
        (8, 0, 6, true),
        (8, 1, 7, true),
        (8, 0, 8, false),
        // no passkey
        (1, 2000, 9, false),
        (9, 2000, 10, false),
    ] {
        let known = (counter, &[id, 9][..]);
        let done = store.use_passkey(FactorId([id; 16]), known, used(seconds));
        assert_eq!(done.await.unwrap(), good, "{id} {counter}");
        let newest = store.events(1).await.unwrap();
        assert_eq!(newest == [used(seconds)], good, "{id} {counter}");
    }
    let held = store.find_factor(id).await.unwrap().unwrap();
    assert_eq!(held.last_used_at, Some(at(3)));
    let kind = FactorKind::Passkey {
        sealed: vec![7, 9],
        counter: 6,
    };
    assert_eq!(held.kind, kind);
}

pub(super) async fn a_factor_goes_to_another_user(Fresh { store, .. }: &Store) {
    let ann = ann(store.as_ref()).await;
    created_too(store.as_ref(), "bob").await;
    let bob = user("members", "bob").id;
    let nobody = UserId::new(&name("members"), &name("nobody"));
    let id = FactorId([1; 16]);
    for (from, to, good) in [
        (&bob, &ann, false),
        (&ann, &nobody, false),
        (&ann, &bob, true),
        (&ann, &bob, false),
    ] {
        assert_eq!(store.move_factor(id, from, to).await.unwrap(), good);
    }
    assert!(store.factors(&ann).await.unwrap().is_empty());
    assert_eq!(store.factors(&bob).await.unwrap(), [factor(1, &bob)]);
}

pub(super) async fn somebody_new_comes_with_a_passkey(Fresh { store, .. }: &Store) {
    let new = |who: &str, number| {
        let mut new = sign_up("passkey", who);
        new.factor = Some(passkey(number, &new.user.id, 0));
        new
    };
    assert_eq!(store.create(new("ann", 7)).await.unwrap(), Created::Created);
    // that of somebody else makes nobody
    let taken = store.create(new("bob", 7)).await.unwrap();
    assert_eq!(taken, Created::IdentityTaken);
    let bob = user("passkey", "bob").id;
    assert_eq!(store.find(&bob).await.unwrap(), None);
    let ann = user("passkey", "ann").id;
    assert_eq!(store.factors(&ann).await.unwrap(), [passkey(7, &ann, 0)]);
}
