//! What a cookie opens, and where.

use super::*;
use crate::random::Random;

#[tokio::test]
async fn a_token_is_nothing_on_another_host() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let cookie = opened.cookie.as_bytes();
        let token = world.sessions.token(cookie, HOST).unwrap();
        assert_eq!(token.hash(), opened.token.hash());
        assert!(world.is_in(&token).await);
        for host in [
            "blog.example",
            "wiki.example.",
            "wiki.exampl",
            "WIKI.example",
            "",
        ] {
            assert!(world.sessions.token(cookie, host).is_none(), "{host:?}");
        }
    }
}

#[tokio::test]
async fn every_bit_of_a_cookie_counts() {
    let world = World::new().await;
    let cookie = world.sign_in("alice").await.cookie.into_bytes();
    for bit in 0..cookie.len() * 8 {
        let mut other = cookie.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(world.sessions.token(&other, HOST).is_none(), "{bit}");
    }
    for length in 0..cookie.len() {
        assert!(
            world.sessions.token(&cookie[..length], HOST).is_none(),
            "{length}"
        );
    }
    for longer in ["A", "AA", "=", "==", " ", "\n"] {
        let after = [&cookie, longer.as_bytes()].concat();
        let before = [longer.as_bytes(), &cookie].concat();
        assert!(world.sessions.token(&after, HOST).is_none(), "{longer:?}");
        assert!(world.sessions.token(&before, HOST).is_none(), "{longer:?}");
    }
    // CK-7: no weaker form.
    for form in [
        "",
        "null",
        "{\"user\":\"alice\"}",
        &"A".repeat(91),
        &"A".repeat(4000),
    ] {
        assert!(
            world.sessions.token(form.as_bytes(), HOST).is_none(),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_forged_cookie_touches_no_store_and_leaves_no_trace() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let (calls, marks) = (world.engine.all_calls(), world.sessions.hot.marks());
    // Of the same form, by a key of the same id that is not ours.
    let random: &dyn Random = &OsRandom;
    let ours = world.ring.load().current().id();
    let secret = Zeroizing::new(random.bytes());
    let theirs = KeyRing::new(vec![RingKey::new(ours, RingState::Current, &secret)]).unwrap();
    for _ in 0..1000 {
        let (_, cookie) = Token::issue(&theirs, HOST, random);
        assert_eq!(cookie.len(), opened.cookie.len());
        assert!(world.sessions.token(cookie.as_bytes(), HOST).is_none());
    }
    assert_eq!(
        (world.engine.all_calls(), world.sessions.hot.marks()),
        (calls, marks)
    );
}

/// CK-14: what was made here but never issued, or ended, is asked for once.
#[tokio::test]
async fn a_dead_token_is_asked_for_once() {
    for world in World::each().await {
        let (token, _) = Token::issue(&world.ring.load(), HOST, &OsRandom);
        for _ in 0..5 {
            assert!(!world.is_in(&token).await);
        }
        assert_eq!(world.engine.calls("load"), 1);
    }
}

#[tokio::test]
async fn an_old_key_still_opens_and_a_removed_one_does_not() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let cookie = opened.cookie.as_bytes();
    let csrf = opened.token.csrf(&world.ring.load());
    world.ring.store(Arc::new(ring(&[1, 2])));
    let token = world.sessions.token(cookie, HOST).unwrap();
    assert!(world.is_in(&token).await);
    // A page that was open meanwhile still works; new ones carry a code of the new key.
    assert!(token.csrf_matches(&world.ring.load(), &csrf));
    assert_ne!(token.csrf(&world.ring.load()), csrf);
    world.ring.store(Arc::new(ring(&[2, 3])));
    assert!(world.sessions.token(cookie, HOST).is_none());
    assert!(!token.csrf_matches(&world.ring.load(), &csrf));
}

#[tokio::test]
async fn a_form_belongs_to_its_session() {
    let world = World::new().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let ring = world.ring.load();
    let code = alice.token.csrf(&ring);
    assert!(alice.token.csrf_matches(&ring, &code));
    assert!(!bob.token.csrf_matches(&ring, &code));
    for code in [
        "",
        "A",
        &code.replacen(char::is_alphanumeric, "", 1),
        &format!("{code}="),
    ] {
        assert!(!alice.token.csrf_matches(&ring, code), "{code:?}");
    }
    // Neither is the other, whatever their bytes are.
    assert!(!alice.token.csrf_matches(&ring, &alice.cookie));
}

#[tokio::test]
async fn a_token_is_not_printed() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    assert_eq!(format!("{:?}", opened.token), "Token([secret])");
}

/// A stolen store opens no session: it holds hashes.
#[tokio::test]
async fn the_store_knows_the_hash_alone() {
    let world = World::new().await;
    let opened = world.sign_in("alice").await;
    let key = crate::store::HandleHash(*opened.token.key());
    assert!(world.engine.load(&key).await.unwrap().is_none());
    assert!(
        world
            .engine
            .load(&opened.token.hash())
            .await
            .unwrap()
            .is_some()
    );
}
