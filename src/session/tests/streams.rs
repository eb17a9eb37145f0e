//! What goes on after its request, and for how long.

use futures_util::FutureExt as _;

use super::{guarded::EVERYTHING, *};

pub(super) fn has_ended(stream: &OpenStream) -> bool {
    stream.ended().now_or_never().is_some()
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_no_other() {
    for world in World::each().await {
        let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        let streams = world.sessions.streams();
        let [first, second] = [(); 2].map(|()| streams.open(&alice.session));
        let other = streams.open(&bob.session);
        assert!(world.revoke(&alice.session).await);
        assert!(has_ended(&first) && has_ended(&second) && !has_ended(&other));
        world.sessions.follow().await.unwrap();
        world.sessions.watch_streams();
        assert!(!has_ended(&other));
    }
}

#[tokio::test]
async fn a_stream_ends_when_another_process_ends_its_session() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let streams = world.sessions.streams();
    let (mine, other) = (streams.open(&alice.session), streams.open(&bob.session));
    let whose = Whose::Connection("acme".parse().unwrap());
    neighbour.revoke(&alice.session).await;
    world.sessions.follow().await.unwrap();
    assert!(has_ended(&mine) && !has_ended(&other));
    neighbour
        .sessions
        .revoke_all(&whose, event(EventKind::SessionRevoked))
        .await
        .unwrap();
    world.sessions.follow().await.unwrap();
    assert!(has_ended(&other));
}

#[tokio::test]
async fn a_stream_ends_with_its_user() {
    for world in World::each().await {
        let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        let streams = world.sessions.streams();
        let (mine, other) = (streams.open(&alice.session), streams.open(&bob.session));
        world.block("alice", true).await;
        world.sessions.follow().await.unwrap();
        assert!(has_ended(&mine) && !has_ended(&other));
        world
            .users
            .delete(&id_of("bob"), event(EventKind::UserDeleted))
            .await
            .unwrap();
        world.sessions.follow().await.unwrap();
        assert!(has_ended(&other));
    }
}

#[tokio::test]
async fn a_stream_goes_on_when_its_session_or_user_merely_changes() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let stream = world.sessions.streams().open(&opened.session);
        let refreshed = Identity {
            groups: vec!["admins".to_owned()].into(),
            ..identity("acme", "alice")
        };
        world
            .users
            .refresh_identity(&refreshed, world.clock.now())
            .await
            .unwrap();
        let mut login = world.login("alice", "members").await;
        login.held = Some((opened.session, opened.token));
        world.sessions.open(login).await.unwrap();
        world.sessions.follow().await.unwrap();
        assert!(!has_ended(&stream));
    }
}

#[tokio::test]
async fn a_stream_ends_at_the_absolute_end_and_is_a_use_until_then() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let idle = world.sign_in("alice").await;
        let stream = world.sessions.streams().open(&opened.session);
        let mut passed = Duration::ZERO;
        while passed + SECOND * 600 < LIFETIMES.absolute {
            passed += SECOND * 600;
            world.pass(SECOND * 600).await;
            world.sessions.watch_streams();
            world.sessions.flush().await.unwrap();
            world.sessions.sweep().await.unwrap();
            assert!(!has_ended(&stream), "{passed:?}");
        }
        // No request came, and the session is in use all the same.
        assert!(world.is_in(&opened.token).await);
        assert!(!world.is_in(&idle.token).await);
        world.pass(LIFETIMES.absolute.saturating_sub(passed)).await;
        world.sessions.watch_streams();
        assert!(has_ended(&stream));
    }
}

/// A revocation may fall between the decision about a request and the registration of its stream.
#[tokio::test]
async fn a_stream_that_is_registered_late_is_found_by_the_second_look() {
    for world in World::each().await {
        let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        world.revoke(&alice.session).await;
        world.sessions.follow().await.unwrap();
        for opened in [&alice, &bob] {
            let stream = world.sessions.streams().open(&opened.session);
            world
                .sessions
                .recheck_session(opened.session.id())
                .await
                .unwrap();
            assert_eq!(
                has_ended(&stream),
                opened.session.id() == alice.session.id()
            );
        }
        world.engine.fail("find");
        assert!(
            world
                .sessions
                .recheck_session(bob.session.id())
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_stream_outlives_the_store_as_long_as_a_cached_session() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let stream = world.sessions.streams().open(&opened.session);
        world.engine.fail(EVERYTHING);
        world.clock.advance(LIFETIMES.stale_for);
        assert!(world.sessions.follow().await.is_err());
        assert!(!has_ended(&stream));
        world.clock.advance(SECOND);
        assert!(world.sessions.follow().await.is_err());
        assert!(has_ended(&stream));
        // A machine that slept is no such case: the next look at the feed is all it takes.
        world.engine.recover();
        let stream = world.sessions.streams().open(&opened.session);
        world.clock.advance(SECOND * 60);
        world.sessions.watch_streams();
        world.sessions.follow().await.unwrap();
        assert!(!has_ended(&stream));
    }
}

#[tokio::test]
async fn the_register_forgets_what_is_over() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let streams: Vec<_> = (0..100)
        .map(|_| world.sessions.streams().open(&opened.session))
        .collect();
    assert_eq!(world.sessions.streams().all().len(), 100);
    drop(streams);
    assert!(world.sessions.streams().all().is_empty());
}
