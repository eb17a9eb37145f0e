//! What strategies keep with a session.

use super::*;

fn kept(text: &'static str, sid: Option<&str>) -> Kept {
    Kept {
        data: ConnectionData(bytes::Bytes::from_static(text.as_bytes())),
        sids: sid.map(str::to_owned).into_iter().collect(),
        ends: None,
    }
}

async fn sign_in(world: &World, connection: &str, held: Option<&Opened>, kept: Kept) -> Opened {
    let login = Login {
        brings: Brings::Login(kept),
        held: held.map(|held| (held.session.clone(), held.token.clone())),
        ..world.login("alice", connection).await
    };
    world.sessions.open(login).await.unwrap()
}

async fn of(world: &World, opened: &Opened) -> Vec<(String, Kept)> {
    let all = world.sessions.kept_by(opened.session.id()).await.unwrap();
    let all = all.into_iter();
    all.map(|one| (one.connection.into(), one.kept)).collect()
}

#[tokio::test]
async fn each_authentication_keeps_its_own() {
    for world in World::each().await {
        let first = sign_in(&world, "acme", None, kept("a", Some("1"))).await;
        let both = sign_in(&world, "members", Some(&first), kept("m", None)).await;
        let own = ("acme".to_owned(), kept("a", Some("1")));
        let other = ("members".to_owned(), kept("m", None));
        assert_eq!(of(&world, &both).await, [own, other.clone()]);
        let again = sign_in(&world, "acme", Some(&both), kept("b", Some("2"))).await;
        let own = ("acme".to_owned(), kept("b", Some("2")));
        assert_eq!(of(&world, &again).await, [other.clone(), own]);
        let record = world.engine.find(again.session.id()).await.unwrap();
        let acme = "acme".parse().unwrap();
        assert_eq!(record.unwrap().sids, [sid_hash(&acme, "2")]);
        // A proof that keeps nothing takes away what the one before it kept.
        let last = sign_in(&world, "acme", Some(&again), Kept::default()).await;
        assert_eq!(of(&world, &last).await, [other]);
    }
}

#[tokio::test]
async fn a_session_ends_by_the_name_that_its_provider_has_for_it() {
    for world in World::each().await {
        let one = sign_in(&world, "acme", None, kept("", Some("1"))).await;
        let two = sign_in(&world, "acme", None, kept("", Some("2"))).await;
        let end = |connection: &str, sid| {
            let whose = Whose::Sid(sid_hash(&connection.parse().unwrap(), sid));
            let sessions = world.sessions.clone();
            async move {
                let revoked = event(EventKind::SessionRevoked);
                sessions.revoke_all(&whose, revoked).await.unwrap()
            }
        };
        assert_eq!(end("members", "1").await, 0, "another provider's word");
        assert_eq!(end("acme", "1").await, 1);
        assert_eq!(
            (world.is_in(&one.token).await, world.is_in(&two.token).await),
            (false, true)
        );
    }
}

#[tokio::test]
async fn what_is_kept_is_sealed_and_opens_in_its_own_session_alone() {
    let world = World::new().await;
    let one = sign_in(&world, "acme", None, kept("a-refresh-token", None)).await;
    let two = sign_in(&world, "acme", None, kept("another", None)).await;
    let find = |opened: &Opened| world.engine.find(opened.session.id());
    let (one, two) = (find(&one).await.unwrap(), find(&two).await.unwrap());
    let (one, mut two) = (one.unwrap(), two.unwrap());
    let clear = URL_SAFE_NO_PAD.encode("a-refresh-token");
    for secret in ["a-refresh-token", &clear] {
        let found = (one.sealed.windows(secret.len())).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret}");
    }
    assert_eq!(world.sessions.kept(&one).len(), 1);
    two.sealed.clone_from(&one.sealed);
    assert!(world.sessions.kept(&two).is_empty());
}
