//! How much of it a session takes.

use std::mem::size_of;

use serde_json::{Map, Value, json};

use super::*;

/// Somebody as an ordinary OpenID provider knows them: eight claims and three groups.
fn somebody() -> Contents {
    let at = Timestamp::from_millis(1_795_716_936_209);
    let profile = Profile {
        name: Some("Robin Person 4711".to_owned()),
        given_name: Some("Robin".to_owned()),
        family_name: Some("Person 4711".to_owned()),
        preferred_username: Some("person-0004711".to_owned()),
        email: Some("person-0004711@example.com".to_owned()),
        email_verified: true,
        locale: Some("en-GB".to_owned()),
        ..Profile::default()
    };
    let Value::Object(claims) = json!({
        "sub": "0004711-305838-4c1b", "email_verified": true, "name": profile.name,
        "preferred_username": profile.preferred_username, "given_name": profile.given_name,
        "locale": profile.locale, "family_name": profile.family_name, "email": profile.email,
    }) else {
        panic!("an object")
    };
    let mut user = user("person-0004711", at);
    user.profile.clone_from(&profile);
    let identity = Identity {
        profile,
        claims,
        groups: ["staff", "editors", "team-11"]
            .map(str::to_owned)
            .to_vec()
            .into(),
        ..identity("members", "0004711-305838-4c1b")
    };
    (user.created_at, user.updated_at) = Default::default();
    (user.logins, user.version, user.synced_by) = (0, 0, identity.connection.clone());
    user.id = UserId::new(&identity.connection, &identity.subject);
    Contents {
        authentications: vec![authentication("members", identity.subject.as_str(), at)],
        identities: vec![IdentityRecord {
            user: user.id.clone(),
            identity,
            created_at: Timestamp::default(),
            refreshed_at: Timestamp::default(),
        }],
        user,
        created_at: at,
    }
}

/// With the headers of one route, the cache and the marks this stays below 1 KiB for each hot
/// session; script/bench sessions measures the whole.
#[test]
fn a_session_takes_little_memory() {
    let packed = Packed::new(&somebody()).unwrap();
    assert!(packed.len() <= 256, "{} bytes", packed.len());
    let session = size_of::<Session>();
    assert!(session <= 96, "{session} bytes");
    assert_eq!(size_of::<hot::Held>(), 8);
}

#[test]
fn what_is_packed_comes_out_again() {
    let mut contents = somebody();
    let few = Packed::new(&contents).unwrap();
    assert_eq!(few.contents(), contents);
    assert!(!format!("{few:?}").contains("person"));
    let again = Packed::new(&contents).unwrap();
    assert_eq!(few.digest(), again.digest());
    let groups = (0..5000).map(|at| format!("team-{at}"));
    contents.identities[0].identity.groups = groups.collect::<Vec<_>>().into();
    let many = Packed::new(&contents).unwrap();
    assert_eq!(many.contents(), contents);
    assert_ne!(many.digest(), few.digest());
}

/// What the store could still read, but a whole session around it not: it is an error of the load
/// and no panic of a later request.
#[test]
fn what_would_not_come_out_again_is_refused() {
    let mut contents = somebody();
    let mut nested = |depth: usize| {
        let deep = (0..depth).fold(Value::Null, |inner, _| json!([inner]));
        contents.identities[0].identity.claims = Map::from_iter([("deep".to_owned(), deep)]);
        Packed::new(&contents)
    };
    assert!(nested(100).is_ok());
    assert!(matches!(nested(125), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn what_nobody_uses_cools_down() {
    let world = World::new().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let hot = || [&alice, &bob].map(|one| world.sessions.hot.find(one.token.key()).is_some());
    for _ in 0..7 {
        world.pass(SECOND * 600).await;
        assert!(world.is_in(&bob.token).await);
        world.sessions.flush().await.unwrap();
    }
    assert_eq!(hot(), [true, true]);
    world.sessions.sweep().await.unwrap();
    assert_eq!(hot(), [false, true]);
}

/// Views of other configurations are forgotten, those of other routes stay.
#[tokio::test]
async fn a_view_is_made_once_for_each_route_and_configuration() {
    let world = World::new().await;
    let session = world.sign_in("alice").await.session;
    let mut made = 0;
    let mut view = |generation, route| {
        *session.view(ViewKey::new(generation, route), |_| {
            made += 1;
            made
        })
    };
    assert_eq!(
        [view(1, 0), view(1, 1), view(1, 0), view(1, 1)],
        [1, 2, 1, 2]
    );
    assert_eq!([view(2, 1), view(2, 0), view(2, 1)], [3, 4, 3]);
    assert_eq!([view(1, 0), view(2, 0)], [5, 6]);
}
