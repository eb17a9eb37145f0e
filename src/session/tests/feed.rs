//! What other processes do, and what becomes of us while nobody can tell.

use super::{guarded::EVERYTHING, *};

#[tokio::test]
async fn what_another_process_revoked_is_noticed() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let mut tokens = Vec::new();
    for who in ["alice", "bob", "alice"] {
        let opened = world.sign_in(who).await;
        assert!(neighbour.is_in(&opened.token).await);
        tokens.push(opened);
    }
    assert!(world.revoke(&tokens[0].session).await);
    assert!(!world.is_in(&tokens[0].token).await);
    assert!(neighbour.is_cached(&tokens[0].token), "nobody told it yet");
    assert!(!neighbour.sessions.follow().await.unwrap());
    assert!(!neighbour.is_in(&tokens[0].token).await);
    assert!(neighbour.is_cached(&tokens[1].token) && neighbour.is_cached(&tokens[2].token));

    let whose = Whose::User(id_of("alice"));
    world
        .sessions
        .revoke_all(&whose, event(EventKind::SessionRevoked))
        .await
        .unwrap();
    neighbour.sessions.follow().await.unwrap();
    assert!(!neighbour.is_in(&tokens[2].token).await && neighbour.is_in(&tokens[1].token).await);

    let whose = Whose::Connection("acme".parse().unwrap());
    world
        .sessions
        .revoke_all(&whose, event(EventKind::SessionRevoked))
        .await
        .unwrap();
    neighbour.sessions.follow().await.unwrap();
    assert!(!neighbour.is_in(&tokens[1].token).await);
}

#[tokio::test]
async fn many_end_at_once_here_too() {
    let whose = [
        Whose::All,
        Whose::Connection("acme".parse().unwrap()),
        Whose::Identity("acme".parse().unwrap(), "alice".parse().unwrap()),
        Whose::User(id_of("alice")),
    ];
    for world in World::each().await {
        for whose in &whose {
            let opened = world.sign_in("alice").await;
            // Even when the feed cannot be read at this moment.
            world.engine.fail("since");
            let ended = world
                .sessions
                .revoke_all(whose, event(EventKind::SessionRevoked))
                .await;
            world.engine.recover();
            assert_eq!(ended.unwrap(), 1, "{whose:?}");
            assert!(!world.is_in(&opened.token).await, "{whose:?}");
            // What is proven in the moment of the end is not newer than it.
            world.clock.advance(SECOND);
        }
        let [keep, end] = [world.sign_in("alice").await, world.sign_in("alice").await];
        let whose = Whose::UserExcept(id_of("alice"), keep.session.id());
        world
            .sessions
            .revoke_all(&whose, event(EventKind::SessionRevoked))
            .await
            .unwrap();
        assert!(world.is_in(&keep.token).await && !world.is_in(&end.token).await);
    }
}

#[tokio::test]
async fn a_gap_in_the_feed_makes_everything_be_read_again() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let (gone, kept) = (world.sign_in("alice").await, world.sign_in("bob").await);
    assert!(neighbour.is_in(&gone.token).await && neighbour.is_in(&kept.token).await);
    world.revoke(&gone.session).await;
    let end = world.clock.now() + SECOND;
    assert!(world.users.sweep_changes(end).await.unwrap() > 0);
    // What was swept may have been a rotation.
    assert!(neighbour.sessions.follow().await.unwrap());
    assert!(!neighbour.is_cached(&kept.token));
    assert!(!neighbour.is_in(&gone.token).await && neighbour.is_in(&kept.token).await);
    assert!(!neighbour.sessions.follow().await.unwrap());
}

#[tokio::test]
async fn a_rotation_is_told_whoever_read_it_first() {
    use crate::store::KeyStore as _;
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    assert!(
        world
            .users
            .replace_keys(&[], Vec::new(), None)
            .await
            .unwrap()
    );
    let whose = Whose::User(id_of("bob"));
    world
        .sessions
        .revoke_all(&whose, event(EventKind::SessionRevoked))
        .await
        .unwrap();
    assert!(world.sessions.follow().await.unwrap());
    assert!(!world.sessions.follow().await.unwrap());
    assert!(world.is_cached(&opened.token));
}

/// A change counts as seen when it took effect, and one that cannot does not hide the others.
#[tokio::test]
async fn no_change_is_lost_when_the_store_fails_half_way() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let (first, second) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let stream = world.sessions.streams().open(&first.session);
    neighbour.revoke(&first.session).await;
    neighbour.revoke(&second.session).await;
    world.engine.fail("find");
    assert!(world.sessions.follow().await.is_err());
    assert!(!world.is_cached(&first.token) && !world.is_cached(&second.token));
    assert!(!streams::has_ended(&stream));
    world.engine.recover();
    world.sessions.follow().await.unwrap();
    assert!(streams::has_ended(&stream));
}

#[tokio::test]
async fn a_feed_that_could_not_be_read_at_first_is_followed_from_then_on() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    *world.sessions.seen.lock().await = vec![None];
    world.engine.fail("newest");
    assert!(world.sessions.begin_to_follow().await.is_err());
    world.engine.recover();
    assert!(world.is_cached(&opened.token));
    // Whatever happened before, nobody saw.
    world.sessions.follow().await.unwrap();
    assert!(!world.is_cached(&opened.token) && world.is_in(&opened.token).await);
    world.neighbour().await.revoke(&opened.session).await;
    world.sessions.follow().await.unwrap();
    assert!(!world.is_in(&opened.token).await);
}

#[tokio::test]
async fn a_cached_session_outlives_the_store_by_so_much_and_no_more() {
    for world in World::each().await {
        let (opened, uncached) = (world.sign_in("alice").await, world.sign_in("bob").await);
        world.sessions.forget_user(&id_of("bob"));
        world.sessions.follow().await.unwrap();
        world.engine.fail(EVERYTHING);
        assert!(world.sessions.follow().await.is_err());
        assert!(!world.sessions.answers().await);
        world.clock.advance(LIFETIMES.stale_for);
        assert!(world.is_in(&opened.token).await);
        // What is not in memory is neither let in nor sent away.
        assert!(world.request(&uncached.token).await.is_err());
        world.clock.advance(Duration::from_millis(1));
        assert!(world.request(&opened.token).await.is_err());
        // The store answers again, the feed was not read yet: the store has the word.
        world.engine.recover();
        let before = world.engine.calls("load");
        assert!(world.is_in(&opened.token).await && world.is_in(&opened.token).await);
        assert_eq!(world.engine.calls("load"), before + 2);
        world.sessions.follow().await.unwrap();
        assert!(world.is_cached(&opened.token));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_lends_no_trust() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let ahead = world.clock.now() + SECOND * 3600;
    world
        .sessions
        .contact
        .store(ahead.millis(), std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(
        world.sessions.cached(&opened.token, world.clock.now()),
        Peek::Unknown
    ));
    world.sessions.follow().await.unwrap();
    assert!(world.is_cached(&opened.token));
}

#[tokio::test]
async fn a_blocked_or_deleted_user_is_out_at_once() {
    for world in World::each().await {
        let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        world.block("alice", true).await;
        let gone = event(EventKind::UserDeleted);
        assert!(world.users.delete(&id_of("bob"), gone).await.unwrap());
        world.sessions.follow().await.unwrap();
        assert!(!world.is_in(&alice.token).await);
        assert!(!world.is_in(&bob.token).await);
    }
}

/// Sessions in memory do not go with the user that SQLite deletes.
#[tokio::test]
async fn a_new_user_of_the_same_id_does_not_inherit_a_session() {
    for world in World::each().await {
        let bob = world.sign_in("bob").await;
        world
            .users
            .delete(&id_of("bob"), event(EventKind::UserDeleted))
            .await
            .unwrap();
        world.pass(SECOND).await;
        let mut again = new_user("bob", identity("acme", "bob"), world.clock.now());
        again.user.handle = "bob-2".to_owned();
        let created = world.users.create(again).await.unwrap();
        assert_eq!(created, crate::store::Created::Created);
        world.sessions.follow().await.unwrap();
        assert!(!world.is_in(&bob.token).await);
        let new = world.sign_in("bob").await;
        assert!(world.is_in(&new.token).await);
    }
}

#[tokio::test]
async fn a_change_of_a_user_shows_in_the_next_request() {
    for world in World::each().await {
        let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        let refreshed = Identity {
            groups: vec!["admins".to_owned()].into(),
            ..identity("acme", "alice")
        };
        world
            .users
            .refresh_identity(&refreshed, world.clock.now())
            .await
            .unwrap();
        world.sessions.follow().await.unwrap();
        assert!(world.is_cached(&bob.token), "others stay");
        let session = world.request(&alice.token).await.unwrap().unwrap();
        let contents = session.contents();
        let who = contents.principal(&["acme".parse().unwrap()]).unwrap();
        assert_eq!(who.identity.identity.groups.names(), ["admins"]);
    }
}

/// The marks of what is not in memory any more do not pile up.
#[tokio::test]
async fn the_number_of_marks_is_bounded_by_what_is_held() {
    let world = World::new().await;
    for number in 0..5000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let mut record = world.sign_in_record();
        record.id = crate::store::SessionId(id);
        let who = user(&format!("u{number}"), Timestamp::from_millis(START));
        let read = Session::new(record, who, Vec::new(), &world.sessions.hot.user_marks).unwrap();
        let watch = world.sessions.hot.watch();
        let mut key = [0; 32];
        key[..4].copy_from_slice(&(number % 10).to_be_bytes());
        world.sessions.hot.keep(key, &watch, read).unwrap();
    }
    let marks = world.sessions.hot.marks();
    assert!(marks < 3000, "{marks}");
}

impl World {
    fn sign_in_record(&self) -> SessionRecord {
        let now = self.clock.now();
        SessionRecord {
            id: crate::store::SessionId([7; 16]),
            user: id_of("alice"),
            authentications: vec![authentication("acme", "alice", now)],
            created_at: now,
            last_used_at: now,
            expires_at: now + LIFETIMES.absolute,
            address: None,
            user_agent: "Mozilla/5.0".to_owned(),
            sids: vec![[1; 32]],
            sealed: vec![1, 2, 3],
            version: 1,
        }
    }
}

/// Tokens are never in memory, and neither is what only lists show.
#[tokio::test]
async fn only_what_the_proofs_speak_of_is_held() {
    let world = World::new().await;
    let record = world.sign_in_record();
    let identities =
        [identity("acme", "alice"), identity("members", "alice")].map(|identity| IdentityRecord {
            user: id_of("alice"),
            identity,
            created_at: record.created_at,
            refreshed_at: record.created_at,
        });
    let session = Session::new(
        record.clone(),
        user("alice", record.created_at),
        identities.into(),
        &world.sessions.hot.user_marks,
    );
    assert_eq!(session.unwrap().contents().identities.len(), 1);
}

#[tokio::test]
async fn the_feed_and_what_ended_are_swept() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.revoke(&world.sign_in("bob").await.session).await;
        world.pass(LIFETIMES.idle + SECOND * 100).await;
        world.sessions.sweep().await.unwrap();
        let id = opened.session.id();
        assert!(
            world.engine.find(id).await.unwrap().is_some(),
            "a use may be on its way"
        );
        world.pass(SECOND * 81).await;
        assert!(world.sessions.sweep().await.unwrap() > 0);
        assert!(world.engine.find(id).await.unwrap().is_none());
        world.sessions.follow().await.unwrap();
        let listed = world.engine.since(0, 10).await.unwrap();
        assert!(
            matches!(listed, crate::store::Changes::Gap { .. }),
            "{listed:?}"
        );
    }
}

/// The feed is followed between sweeps: one of them ends, however much there is.
#[tokio::test]
async fn a_sweep_does_not_go_on_for_ever() {
    let world = World::with(Kind::Memory).await;
    for number in 0..900_u16 {
        let mut record = world.sign_in_record();
        record.id.0[..2].copy_from_slice(&number.to_be_bytes());
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&number.to_be_bytes());
        let handle = crate::store::HandleRecord {
            hash: crate::store::HandleHash(hash),
            session: record.id,
            host: HOST.to_owned(),
            created_at: record.created_at,
        };
        let new = crate::store::NewSession {
            record,
            was: None,
            handle,
            ends: None,
            drops: None,
            uses: Vec::new(),
            proven_at: world.clock.now(),
            event: event(EventKind::LoginSucceeded),
        };
        world.engine.issue(new).await.unwrap();
    }
    world.clock.advance(LIFETIMES.absolute * 2);
    assert!(world.sessions.sweep().await.unwrap() >= 900);
    let batches = world.engine.calls("sweep");
    assert!((2..=20).contains(&batches), "{batches}");
}
