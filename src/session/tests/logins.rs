//! What a login makes of the session before it.

use super::*;
use crate::store::Unlinked;

fn once(number: u8) -> OneTimeUse {
    let key = OneTimeKey {
        purpose: Purpose::Flow,
        hash: [number; 32],
    };
    OneTimeUse::First {
        key,
        until: Timestamp::from_millis(START) + SECOND * 600,
    }
}

#[tokio::test]
async fn a_linked_identity_adds_a_proof_under_a_new_token() {
    for world in World::each().await {
        let before = world.sign_in("alice").await;
        let stream = world.sessions.streams().open(&before.session);
        let elsewhere = world.handed_over(&before.session, "blog.example").await;
        let offered = |name: &str| [name.parse().unwrap()];
        assert!(
            before
                .session
                .contents()
                .principal(&offered("members"))
                .is_none()
        );
        let mut login = world.login("alice", "members").await;
        login.held = Some((before.session.clone(), before.token.clone()));
        let after = world.sessions.open(login).await.unwrap();
        assert_eq!(after.session.id(), before.session.id());
        assert_eq!(connections(&after.session), ["acme", "members"]);
        assert!(
            after
                .session
                .contents()
                .principal(&offered("members"))
                .is_some()
        );
        assert!(
            !world.is_in(&before.token).await,
            "a token is never kept over a login"
        );
        assert!(world.is_in(&after.token).await);
        // The other hosts go on, and know the new proof at once.
        let there = world.request(&elsewhere).await.unwrap().unwrap();
        assert_eq!(connections(&there), ["acme", "members"]);
        world.sessions.follow().await.unwrap();
        assert!(!streams::has_ended(&stream));
    }
}

#[tokio::test]
async fn another_user_ends_the_session_before() {
    for world in World::each().await {
        let before = world.sign_in("alice").await;
        let elsewhere = world.handed_over(&before.session, "blog.example").await;
        assert!(world.is_in(&elsewhere).await);
        let stream = world.sessions.streams().open(&before.session);
        let mut login = world.login("bob", "acme").await;
        login.held = Some((before.session.clone(), before.token.clone()));
        let after = world.sessions.open(login).await.unwrap();
        assert_ne!(after.session.id(), before.session.id());
        assert_eq!(after.session.user().id, id_of("bob"));
        assert_eq!(connections(&after.session), ["acme"]);
        assert!(streams::has_ended(&stream), "at once");
        assert!(!world.is_in(&before.token).await && !world.is_in(&elsewhere).await);
        assert!(
            world
                .engine
                .find(before.session.id())
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn the_same_identity_again_renews_its_proof() {
    let world = World::new().await;
    let before = world.sign_in("alice").await;
    world.pass(SECOND * 60).await;
    let mut login = world.login("alice", "acme").await;
    login.held = Some((before.session.clone(), before.token.clone()));
    let after = world.sessions.open(login).await.unwrap();
    let [held] = &after.session.contents().authentications[..] else {
        panic!("one")
    };
    assert_eq!(held.auth_time, world.clock.now());
}

#[tokio::test]
async fn the_oldest_proofs_go_when_there_are_too_many() {
    let world = World::new().await;
    let mut opened = world.sign_in("alice").await;
    for number in 0..20 {
        let mut login = world.login("alice", &format!("c{number}")).await;
        login.held = Some((opened.session, opened.token));
        opened = world.sessions.open(login).await.unwrap();
    }
    let held = connections(&opened.session);
    assert_eq!((held.len(), &*held[0], &*held[15]), (16, "c4", "c19"));
}

#[tokio::test]
async fn a_flow_ends_in_one_session() {
    for world in World::each().await {
        let mut login = world.login("alice", "acme").await;
        login.uses = vec![once(1)];
        let first = world.sessions.open(login).await.unwrap();
        for held in [None, Some((first.session.clone(), first.token.clone()))] {
            let mut again = world.login("alice", "acme").await;
            (again.uses, again.held) = (vec![once(1)], held);
            let refused = world.sessions.open(again).await;
            assert!(
                matches!(refused, Err(OpenError::AlreadyUsed(Purpose::Flow))),
                "{refused:?}"
            );
        }
        assert!(
            world.is_in(&first.token).await,
            "the first one stays as it is"
        );
        let whose = Whose::User(id_of("alice"));
        assert_eq!(world.engine.list(&whose, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_login_over_a_session_that_ended_begins_anew() {
    for world in World::each().await {
        let before = world.sign_in("alice").await;
        assert!(world.revoke(&before.session).await);
        let mut login = world.login("alice", "members").await;
        login.held = Some((before.session.clone(), before.token.clone()));
        let after = world.sessions.open(login).await.unwrap();
        assert_ne!(after.session.id(), before.session.id());
        assert_eq!(
            connections(&after.session),
            ["members"],
            "nothing of what was revoked"
        );
        assert!(!world.is_in(&before.token).await);
        // Nor is one extended whose time is over.
        world.pass(LIFETIMES.absolute).await;
        let mut login = world.login("alice", "acme").await;
        login.held = Some((after.session.clone(), after.token));
        let last = world.sessions.open(login).await.unwrap();
        assert_ne!(last.session.id(), after.session.id());
        assert_eq!(connections(&last.session), ["acme"]);
    }
}

#[tokio::test]
async fn a_store_that_is_away_signs_nobody_in_or_out() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        for call in ["issue", "load"] {
            world.engine.fail(call);
            let login = world.login("bob", "acme").await;
            let refused = world.sessions.open(login).await;
            assert!(
                matches!(refused, Err(OpenError::Store(_))),
                "{call}: {refused:?}"
            );
            world.engine.recover();
        }
        world.engine.fail("remove");
        let ended = event(EventKind::SessionRevoked);
        assert!(
            world
                .sessions
                .revoke(opened.session.id(), ended.clone())
                .await
                .is_err()
        );
        world.engine.recover();
        assert!(world.is_in(&opened.token).await);
        assert!(
            world
                .sessions
                .revoke(opened.session.id(), ended.clone())
                .await
                .unwrap()
        );
        assert!(
            !world
                .sessions
                .revoke(opened.session.id(), ended)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn the_principal_is_the_newest_proof_that_is_offered() {
    let world = World::new().await;
    let first = world.sign_in("alice").await;
    world.pass(SECOND).await;
    let mut login = world.login("alice", "members").await;
    login.held = Some((first.session, first.token));
    let session = world.sessions.open(login).await.unwrap().session;
    let by = |offered: &[&str]| {
        let offered: Vec<_> = offered.iter().map(|name| name.parse().unwrap()).collect();
        session
            .contents()
            .principal(&offered)
            .map(|who| who.identity.identity.connection.to_string())
    };
    assert_eq!(by(&["acme", "members"]).as_deref(), Some("members"));
    assert_eq!(by(&["acme"]).as_deref(), Some("acme"));
    assert_eq!(by(&["google"]), None);
    assert_eq!(by(&[]), None);
}

/// A proof by an identity that was taken away from the user counts no more.
#[tokio::test]
async fn an_unlinked_identity_opens_nothing() {
    for world in World::each().await {
        let opened = world
            .sessions
            .open(world.login("alice", "members").await)
            .await
            .unwrap();
        let members = ["members".parse().unwrap()];
        assert!(opened.session.contents().principal(&members).is_some());
        let alice = "alice".parse().unwrap();
        let of_alice = world.users.find_by_identity(&members[0], &alice).await;
        let alone = UserRecord {
            id: UserId::new(&"alone".parse().unwrap(), &alice),
            handle: "alice-alone".to_owned(),
            ..of_alice.unwrap().unwrap()
        };
        let event = event(EventKind::IdentityUnlinked);
        let unlinked = world.users.unlink(&members[0], &alice, alone, event).await;
        assert_eq!(unlinked.unwrap(), Unlinked::Unlinked);
        world.sessions.follow().await.unwrap();
        let session = world.request(&opened.token).await.unwrap().unwrap();
        assert!(session.contents().principal(&members).is_none());
    }
}

#[tokio::test]
async fn a_second_factor_raises_a_session_that_is_there_and_makes_none() {
    for world in World::each().await {
        let before = world.sign_in("alice").await;
        let elsewhere = world.handed_over(&before.session, "blog.example").await;
        let held = before.session.contents().authentications.remove(0);
        let raised = async |change: fn(&mut Authentication)| {
            let mut more = held.clone();
            more.amr.push("mfa".to_owned());
            more.second_factor_at = Some(world.clock.now());
            change(&mut more);
            let login = Login {
                authentication: more,
                brings: Brings::StepUp,
                held: Some((before.session.clone(), before.token.clone())),
                ..world.login("alice", "acme").await
            };
            world.sessions.open(login).await
        };
        // of a proof that the session does not have
        for change in [
            (|more| more.connection = "members".parse().unwrap()) as fn(&mut Authentication),
            |more| more.auth_time = Timestamp::default(),
        ] {
            assert!(matches!(raised(change).await, Err(OpenError::Changed)));
        }
        let after = raised(|_| {}).await.unwrap();
        assert_eq!(after.session.id(), before.session.id());
        let [held_now] = &after.session.contents().authentications[..] else {
            panic!("not one proof");
        };
        assert_eq!(held_now.amr, ["pwd", "mfa"]);
        assert!(held_now.second_factor_at.is_some());
        assert!(!world.is_in(&before.token).await, "the token is a new one");
        assert!(world.is_in(&elsewhere).await);
        // the session ended meanwhile: a second factor alone opens none
        let event = event(EventKind::SessionRevoked);
        world
            .sessions
            .revoke(after.session.id(), event)
            .await
            .unwrap();
        assert!(matches!(raised(|_| {}).await, Err(OpenError::Changed)));
        assert!(!world.is_in(&after.token).await);
    }
}
