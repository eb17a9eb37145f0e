//! What happens at the same time.

use super::{
    guarded::Moment::{After, Before},
    *,
};

#[tokio::test]
async fn a_load_that_a_revocation_overtook_brings_nothing_back() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.sessions.forget_user(&id_of("alice"));
        let pause = world.engine.pause("load", After);
        let (sessions, token) = (world.sessions.clone(), opened.token.clone());
        let loading = tokio::spawn(async move { sessions.load(&token).await });
        pause.reached().await;
        assert!(world.revoke(&opened.session).await);
        pause.go_on();
        assert!(loading.await.unwrap().unwrap().is_none());
        assert!(!world.is_cached(&opened.token));
        assert!(!world.is_in(&opened.token).await);
    }
}

#[tokio::test]
async fn a_load_that_a_block_overtook_brings_nothing_back() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.sessions.forget_user(&id_of("alice"));
        // The user was read already when they are blocked, and the feed says so.
        let pause = world.engine.pause("load", After);
        let (sessions, token) = (world.sessions.clone(), opened.token.clone());
        let mut loading = Box::pin(async move { sessions.load(&token).await });
        tokio::select! {
            _ = &mut loading => panic!("it waits"),
            () = pause.reached() => {}
        }
        pause.go_on();
        let second = world.engine.pause("load", After);
        world.sessions.forget_user(&id_of("bob"));
        tokio::select! {
            _ = &mut loading => panic!("somebody changed: it reads again"),
            () = second.reached() => {}
        }
        world.block("alice", true).await;
        world.sessions.follow().await.unwrap();
        second.go_on();
        assert!(loading.await.unwrap().is_none());
        assert!(!world.is_in(&opened.token).await);
        world.block("alice", false).await;
        world.sessions.follow().await.unwrap();
        assert!(world.is_in(&opened.token).await);
    }
}

/// However much changes elsewhere: the second reading watches nothing but the session.
#[tokio::test]
async fn changes_of_others_do_not_hold_a_load_up() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    world.sessions.forget_user(&id_of("alice"));
    let before = world.engine.calls("load");
    let pauses = [(); 2].map(|()| world.engine.pause("load", After));
    let (sessions, token) = (world.sessions.clone(), opened.token.clone());
    let loading = tokio::spawn(async move { sessions.load(&token).await });
    for pause in pauses {
        pause.reached().await;
        world.sessions.forget_user(&id_of("bob"));
        pause.go_on();
    }
    assert!(loading.await.unwrap().unwrap().is_some());
    assert_eq!(world.engine.calls("load"), before + 2);
    assert!(world.is_cached(&opened.token));
}

#[tokio::test]
async fn a_load_that_everything_changed_under_is_repeated() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let opened = world.sign_in("alice").await;
    world.sessions.forget_user(&id_of("alice"));
    let pauses = [(); 2].map(|()| world.engine.pause("load", After));
    let (sessions, token) = (world.sessions.clone(), opened.token.clone());
    let loading = tokio::spawn(async move { sessions.load(&token).await });
    pauses[0].reached().await;
    world.sessions.forget_user(&id_of("bob"));
    pauses[0].go_on();
    pauses[1].reached().await;
    // The feed says no more than that sessions of a connection ended.
    let whose = Whose::Connection("acme".parse().unwrap());
    let ended = event(EventKind::SessionRevoked);
    assert_eq!(
        neighbour.sessions.revoke_all(&whose, ended).await.unwrap(),
        1
    );
    world.sessions.follow().await.unwrap();
    pauses[1].go_on();
    assert!(loading.await.unwrap().unwrap().is_none());
    assert!(!world.is_in(&opened.token).await);
}

#[tokio::test]
async fn a_session_that_is_revoked_while_it_opens_is_not_handed_out() {
    for world in World::each().await {
        let pause = world.engine.pause("issue", After);
        let login = world.login("alice", "acme").await;
        let sessions = world.sessions.clone();
        let opening = tokio::spawn(async move { sessions.open(login).await });
        pause.reached().await;
        let whose = Whose::User(id_of("alice"));
        let ended = world
            .sessions
            .revoke_all(&whose, event(EventKind::SessionRevoked))
            .await;
        assert_eq!(ended.unwrap(), 1);
        pause.go_on();
        let opened = opening.await.unwrap();
        assert!(matches!(opened, Err(OpenError::Changed)), "{opened:?}");
    }
}

#[tokio::test]
async fn somebody_who_is_barred_while_they_sign_in_stays_out() {
    for world in World::each().await {
        let login = world.login("alice", "acme").await;
        world.block("alice", true).await;
        let opened = world.sessions.open(login).await;
        assert!(matches!(opened, Err(OpenError::Changed)), "{opened:?}");
    }
}

/// Two tabs extend the same session at the same moment: both succeed, and neither proof is lost.
#[tokio::test]
async fn two_logins_at_once_both_count() {
    for world in World::each().await {
        let before = world.sign_in("alice").await;
        let held = Some((before.session.clone(), before.token.clone()));
        let mut first = world.login("alice", "members").await;
        first.held.clone_from(&held);
        let mut second = world.login("alice", "acme").await;
        second.held = held;
        let pause = world.engine.pause("issue", Before);
        let sessions = world.sessions.clone();
        let waiting = tokio::spawn(async move { sessions.open(first).await });
        pause.reached().await;
        let second = world.sessions.open(second).await.unwrap();
        pause.go_on();
        let first = waiting.await.unwrap().unwrap();
        assert_eq!(first.session.id(), before.session.id());
        for token in [&first.token, &second.token] {
            let session = world.request(token).await.unwrap().unwrap();
            assert_eq!(connections(&session), ["acme", "members"]);
        }
        assert!(!world.is_in(&before.token).await);
    }
}

#[tokio::test]
async fn a_last_use_brings_no_session_back() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        world.pass(SECOND * 90).await;
        assert!(world.is_in(&opened.token).await);
        let pause = world.engine.pause("touch", Before);
        let sessions = world.sessions.clone();
        let flushing = tokio::spawn(async move { sessions.flush().await });
        pause.reached().await;
        assert!(world.revoke(&opened.session).await);
        pause.go_on();
        flushing.await.unwrap().unwrap();
        assert!(
            world
                .engine
                .find(opened.session.id())
                .await
                .unwrap()
                .is_none()
        );
        assert!(!world.is_in(&opened.token).await);
        assert!(world.sessions.used.lock().is_empty());
    }
}

/// CK-9: many requests while somebody signs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sign_out_wins_against_the_requests_under_way() {
    for world in World::each().await {
        for _ in 0..20 {
            let opened = world.sign_in("alice").await;
            world.sessions.forget_user(&id_of("alice"));
            let requests: Vec<_> = (0..50)
                .map(|_| {
                    let (sessions, token) = (world.sessions.clone(), opened.token.clone());
                    let now = world.clock.now();
                    tokio::spawn(async move {
                        let _ = sessions.cached(&token, now);
                        sessions.load(&token).await.unwrap();
                    })
                })
                .collect();
            assert!(world.revoke(&opened.session).await);
            assert!(!world.is_in(&opened.token).await);
            for request in requests {
                request.await.unwrap();
            }
            assert!(!world.is_in(&opened.token).await);
        }
    }
}
