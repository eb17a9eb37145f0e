//! Challenges, and what is kept of passkeys.

use std::{sync::Arc, time::Duration};

use super::{
    Ceremony, Records, Refused,
    records::{CHALLENGE, Credential},
};
use crate::{
    clock::{ManualClock, Timestamp},
    connection::Once,
    identity::UserId,
    random::OsRandom,
    store::{FactorId, FactorKind, FactorRecord, StoreError, sql::Sql},
};

async fn records() -> (Records, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::default()));
    let store = Sql::open_file(&folder.path().join("v.db"), clock)
        .await
        .unwrap();
    let records = Records::new(Arc::new(store), &[7; 32], Arc::new(OsRandom));
    (records, folder)
}

fn user(name: &str) -> UserId {
    UserId::new(&"members".parse().unwrap(), &name.parse().unwrap())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

#[tokio::test]
async fn a_challenge_is_for_one_ceremony_and_five_minutes() {
    let (records, _folder) = records().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let ceremonies = [
        Ceremony::SignIn {
            connection: "passkey",
            flow: "a",
        },
        Ceremony::SignIn {
            connection: "other",
            flow: "a",
        },
        Ceremony::SignIn {
            connection: "passkey",
            flow: "b",
        },
        Ceremony::SecondFactor {
            user: &ann,
            flow: "a",
        },
        Ceremony::SecondFactor {
            user: &bob,
            flow: "a",
        },
        Ceremony::Enrol {
            user: &ann,
            within: "a",
            handle: b"h",
        },
        Ceremony::Enrol {
            user: &ann,
            within: "a",
            handle: b"i",
        },
        Ceremony::SignUp {
            connection: "passkey",
            flow: "a",
            handle: b"h",
        },
        Ceremony::SignUp {
            connection: "passkey",
            flow: "a",
            handle: b"",
        },
    ];
    for (made_for, one) in ceremonies.iter().enumerate() {
        let challenge = records.challenge(one, at(0));
        assert_ne!(challenge, records.challenge(one, at(0)));
        for (used_for, other) in ceremonies.iter().enumerate() {
            let checked = records.check(&challenge, other, at(1));
            assert_eq!(checked.is_ok(), made_for == used_for, "{one:?} {other:?}");
        }
        let late = at(0) + CHALLENGE;
        assert!(records.check(&challenge, one, late).is_ok());
        let late = late + Duration::from_millis(1);
        let checked = records.check(&challenge, one, late);
        assert!(matches!(checked, Err(Refused::Late)), "{checked:?}");
        for at in 0..challenge.len() {
            let mut turned = challenge.clone();
            turned[at] ^= 1;
            let checked = records.check(&turned, one, self::at(1));
            assert!(matches!(checked, Err(Refused::Challenge)), "{at}");
        }
        for short in [&challenge[..55], &challenge[..24], &challenge[..3], &[]] {
            let checked = records.check(short, one, at(1));
            assert!(matches!(checked, Err(Refused::Challenge)));
        }
    }
}

#[tokio::test]
async fn an_answer_is_noted_for_as_long_as_it_could_come_again() {
    let (records, _folder) = records().await;
    let ceremony = Ceremony::SignIn {
        connection: "passkey",
        flow: "a",
    };
    let challenge = records.challenge(&ceremony, at(0));
    let first: Once = records.check(&challenge, &ceremony, at(1)).unwrap();
    let second = records.check(&challenge, &ceremony, at(200)).unwrap();
    assert_eq!(first, second);
    assert!(first.until > at(0) + CHALLENGE);
    let other = records.challenge(&ceremony, at(0));
    let other = records.check(&other, &ceremony, at(1)).unwrap();
    assert_ne!(other.hash, first.hash);
}

#[tokio::test]
async fn what_is_known_of_a_passkey_is_of_that_one() {
    let (records, _folder) = records().await;
    let credential = Credential {
        id: vec![1],
        key: vec![2],
        handle: vec![3],
        party: "login.test".to_owned(),
        backup_eligible: true,
        backed_up: false,
        transports: vec!["internal".to_owned()],
    };
    let id = FactorId([1; 16]);
    let sealed = records.seal(id, &credential);
    let factor = |id, sealed| FactorRecord {
        id,
        user: user("ann"),
        kind: FactorKind::Passkey { sealed, counter: 0 },
        name: String::new(),
        created_at: at(0),
        last_used_at: None,
    };
    let opened = records.open(&factor(id, sealed.clone())).unwrap();
    assert_eq!(opened, Some(credential));
    // written into the row of another passkey
    let moved = records.open(&factor(FactorId([2; 16]), sealed.clone()));
    assert!(matches!(moved, Err(StoreError::Corrupt(_))));
    let mut turned = sealed;
    *turned.last_mut().unwrap() ^= 1;
    let damaged = records.open(&factor(id, turned));
    assert!(matches!(damaged, Err(StoreError::Corrupt(_))));
}
