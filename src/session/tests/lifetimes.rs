//! Idle and absolute ends, and the last uses that decide the first.

use super::*;

const MILLI: Duration = Duration::from_millis(1);

#[tokio::test]
async fn an_unused_session_ends_to_the_second() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.pass(LIFETIMES.idle.saturating_sub(MILLI)).await;
        assert!(world.is_in(&opened.token).await);
        // That was a use: it begins anew.
        world.pass(LIFETIMES.idle.saturating_sub(MILLI)).await;
        assert!(world.is_in(&opened.token).await);
        world.pass(LIFETIMES.idle).await;
        assert!(!world.is_in(&opened.token).await);
        // And asking did not wake it.
        assert!(!world.is_in(&opened.token).await);
    }
}

#[tokio::test]
async fn a_used_session_ends_to_the_second() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let mut left = LIFETIMES.absolute;
        while left > MILLI {
            let step = left.saturating_sub(MILLI).min(SECOND * 600);
            world.pass(step).await;
            left -= step;
            assert!(world.is_in(&opened.token).await, "{left:?}");
        }
        world.pass(MILLI).await;
        assert!(!world.is_in(&opened.token).await);
        world.sessions.forget_user(&id_of("alice"));
        assert!(!world.is_in(&opened.token).await, "from the store neither");
    }
}

/// A login by another identity adds a proof, and no time.
#[tokio::test]
async fn an_extended_session_keeps_its_end() {
    let world = World::new().await;
    let before = world.sign_in("alice").await;
    world.pass(SECOND * 60).await;
    let mut login = world.login("alice", "members").await;
    login.held = Some((before.session.clone(), before.token));
    let after = world.sessions.open(login).await.unwrap();
    assert_eq!(after.session.expires_at(), before.session.expires_at());
}

#[tokio::test]
async fn a_use_on_one_host_counts_on_the_others() {
    for world in World::each().await {
        let here = world.sign_in("alice").await;
        let there = world.handed_over(&here.session, "blog.example").await;
        assert!(world.is_in(&there).await);
        for _ in 0..3 {
            world.pass(LIFETIMES.idle / 2).await;
            assert!(world.is_in(&here.token).await);
        }
        assert!(world.is_cached(&there));
    }
}

#[tokio::test]
async fn a_use_in_another_process_counts_here() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let opened = world.sign_in("alice").await;
    for _ in 0..3 {
        neighbour.pass(LIFETIMES.idle / 2).await;
        assert!(neighbour.is_in(&opened.token).await);
        neighbour.sessions.flush().await.unwrap();
    }
    world.sessions.follow().await.unwrap();
    assert!(world.is_in(&opened.token).await);
}

#[tokio::test]
async fn a_use_that_is_not_written_yet_counts() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.pass(LIFETIMES.idle.saturating_sub(SECOND)).await;
        assert!(world.is_in(&opened.token).await);
        world.pass(SECOND * 30).await;
        assert!(world.is_in(&opened.token).await);
        // Whatever is read anew still knows it, to the second.
        world.sessions.forget_user(&id_of("alice"));
        world.pass(LIFETIMES.idle.saturating_sub(SECOND)).await;
        assert!(world.is_in(&opened.token).await);
    }
}

/// The same when every copy of the session went away meanwhile.
#[tokio::test]
async fn a_use_that_is_not_written_yet_counts_for_a_new_copy() {
    for world in World::each().await {
        let here = world.sign_in("alice").await;
        world.pass(LIFETIMES.idle.saturating_sub(SECOND)).await;
        assert!(world.is_in(&here.token).await);
        let waiting = world.sessions.used.lock().clone();
        let there = Sessions::new(world.parts(), LIFETIMES, 10);
        there.begin_to_follow().await.unwrap();
        *there.used.lock() = waiting;
        world.clock.advance(SECOND * 2);
        assert!(there.load(&here.token).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_last_use_is_written_once_a_minute_and_in_batches() {
    for world in World::each().await {
        let tokens = [world.sign_in("alice").await, world.sign_in("bob").await];
        let host = world.handed_over(&tokens[0].session, "blog.example").await;
        // A second copy of the session that is used as well, and a stream.
        let _stream = world.sessions.streams().open(&tokens[0].session);
        world.engine.touched();
        for second in 1..=600 {
            world.pass(SECOND).await;
            for token in [&tokens[0].token, &tokens[1].token, &host] {
                assert!(world.is_in(token).await);
            }
            if second % 2 == 0 {
                world.sessions.watch_streams();
            }
            if second % 100 == 50 {
                world.sessions.forget_user(&id_of("alice"));
            }
            if second % 10 == 0 {
                world.sessions.flush().await.unwrap();
            }
        }
        let batches = world.engine.touched();
        assert!(batches.iter().all(|batch| batch.len() == 2), "{batches:?}");
        assert!((9..=10).contains(&batches.len()), "{}", batches.len());
        // Nothing was used: nothing is written.
        world.pass(SECOND * 120).await;
        world.sessions.flush().await.unwrap();
        assert_eq!(world.engine.touched().len(), 0);
    }
}

#[tokio::test]
async fn a_last_use_waits_until_the_store_takes_it() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    world.pass(SECOND * 90).await;
    assert!(world.is_in(&opened.token).await);
    let used = world.clock.now();
    world.engine.fail("touch");
    assert!(world.sessions.flush().await.is_err());
    world.engine.recover();
    world.sessions.flush().await.unwrap();
    assert_eq!(world.engine.touched(), [[(opened.session.id(), used)]]);
    let stored = world
        .engine
        .find(opened.session.id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.last_used_at, used);
    assert!(world.sessions.used.lock().is_empty());
}

/// The request itself waits for no writing.
#[tokio::test]
async fn a_request_writes_nothing() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let before = world.engine.all_calls();
    for _ in 0..5 {
        world.clock.advance(SECOND);
        assert!(world.is_in(&opened.token).await);
    }
    assert_eq!(world.engine.all_calls(), before);
}

#[tokio::test]
async fn new_lifetimes_hold_for_the_sessions_there_are() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.pass(SECOND * 900).await;
        assert!(world.is_in(&opened.token).await);
        let absolute = SECOND * 900;
        world.sessions.use_lifetimes(Lifetimes {
            absolute,
            ..LIFETIMES
        });
        assert!(!world.is_in(&opened.token).await);
        world.sessions.use_lifetimes(LIFETIMES);
        assert!(world.is_in(&opened.token).await);
        world.sessions.use_lifetimes(Lifetimes {
            absolute: LIFETIMES.absolute * 2,
            ..LIFETIMES
        });
        let session = world.request(&opened.token).await.unwrap().unwrap();
        assert_eq!(session.expires_at(), opened.session.expires_at());
        assert!(world.is_in(&opened.token).await);
    }
}

impl World {
    fn parts(&self) -> Parts {
        Parts {
            store: self.engine.clone(),
            users: self.users.clone(),
            feeds: vec![self.engine.clone()],
            ring: self.ring.clone(),
            clock: self.clock.clone(),
            random: Arc::new(OsRandom),
        }
    }
}
