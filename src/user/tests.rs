//! Admission and what is changed by hand, with the real store.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{change::ChangeError, import::ImportError, *};
use crate::{
    clock::ManualClock,
    connection::{
        Authenticated, Connection, ConnectionData, Peer, Rejection, Reply, Start, Step, SyncProfile,
    },
    identity::{ConnectionId, Identity, Profile, Subject, UserId},
    random::OsRandom,
    store::{
        OneTimeKey, OneTimeRow, OneTimeStore as _, OneTimeUse, Pin, Purpose, UserRecord, sql::Sql,
    },
};

struct World {
    store: Arc<Sql>,
    clock: Arc<ManualClock>,
    people: Directory,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let store = Sql::open_file(&folder.path().join("v.db"), clock.clone())
            .await
            .unwrap();
        let store = Arc::new(store);
        let people = Directory::new(store.clone(), clock.clone(), Arc::new(OsRandom));
        Self {
            store,
            clock,
            people,
            _folder: folder,
        }
    }

    async fn login(&self, identity: Identity, mode: SyncProfile) -> Result<Admitted, Refusal> {
        self.clock.advance(Duration::from_mins(1));
        let rules = Admission {
            sync_profile: mode,
            signup: true,
            rules: true,
        };
        self.people
            .admit(proven(identity), rules, &Origin::default())
            .await
    }

    async fn edit(
        &self,
        id: &UserId,
        edit: Value,
        by: Editor,
        mode: SyncProfile,
    ) -> Result<UserRecord, EditError> {
        let edit: ProfileEdit = serde_json::from_value(edit).unwrap();
        let modes = |connection: &ConnectionId| (connection.as_str() == "acme").then_some(mode);
        self.people
            .edit(id, &edit, (by, &Origin::default()), &modes)
            .await
    }

    async fn reasons(&self) -> Vec<String> {
        let events = self.store.events(20).await.unwrap();
        let mut names: Vec<_> = events
            .iter()
            .map(|event| format!("{} {}", event.kind.name(), event.reason))
            .collect();
        names.reverse();
        names
    }
}

fn proven(identity: Identity) -> Authenticated {
    Authenticated::for_tests(identity)
}

fn acme(subject: &str, profile: Value) -> Identity {
    at("acme", subject, profile)
}

fn at(connection: &str, subject: &str, profile: Value) -> Identity {
    let profile: Profile = serde_json::from_value(profile).unwrap();
    let mut claims = Map::new();
    claims.insert("raw_name".into(), json!(profile.name));
    Identity {
        connection: connection.parse().unwrap(),
        subject: subject.parse().unwrap(),
        groups: vec![format!("g-{}", profile.name.clone().unwrap_or_default())].into(),
        profile,
        claims,
    }
}

fn names(text: &str) -> Value {
    json!({
        "name": text, "nickname": text, "given_name": text, "family_name": text,
        "picture": format!("https://p.example/{text}"), "locale": text, "middle_name": text,
        "email": format!("{text}@example.com"), "email_verified": true,
    })
}

#[tokio::test]
async fn each_login_overwrites_and_nobody_edits() {
    let world = World::new().await;
    let mode = SyncProfile::EachLogin;
    let first = world.login(acme("1", names("one")), mode).await.unwrap();
    assert!(first.new);
    assert_eq!((first.user.logins, first.user.version), (1, 1));
    let id = first.user.id.clone();
    assert_eq!(id.as_str(), "acme|1");
    for by in [Editor::Operator, Editor::Person] {
        for field in ["name", "nickname", "given_name", "family_name", "picture"] {
            let error = world
                .edit(&id, json!({ field: "https://x.example/" }), by, mode)
                .await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("acme") && error.contains(field), "{error}");
        }
    }
    let edit = json!({ "user_metadata": { "a": 1 } });
    let kept = world.edit(&id, edit, Editor::Person, mode).await.unwrap();
    assert_eq!(
        kept.user_metadata["a"], 1,
        "metadata is not the connection's"
    );
    let second = world.login(acme("1", names("two")), mode).await.unwrap();
    assert!(!second.new);
    let stored = world.store.find(&id).await.unwrap().unwrap();
    assert_eq!(stored, second.user);
    let said = acme("1", names("two")).profile;
    assert_eq!(stored.profile, said, "the e-mail and all the rest too");
    assert_eq!((stored.logins, stored.version), (2, 3));
    assert_eq!(stored.last_login_at, Some(world.clock.now()));
    let third = world
        .login(acme("1", json!({ "name": "three" })), mode)
        .await
        .unwrap();
    assert_eq!(
        third.user.profile.picture, None,
        "what the provider takes back is gone"
    );
    assert_eq!(third.user.handle, "one", "the handle stays");
}

#[tokio::test]
async fn first_login_sets_once_and_leaves_five_fields_editable() {
    let world = World::new().await;
    let mode = SyncProfile::FirstLogin;
    let id = world
        .login(acme("1", names("one")), mode)
        .await
        .unwrap()
        .user
        .id;
    let edit = json!({ "name": "Mine", "nickname": "", "picture": "https://me.example/a b" });
    let edited = world.edit(&id, edit, Editor::Person, mode).await.unwrap();
    assert_eq!(edited.profile.name.as_deref(), Some("Mine"));
    assert_eq!(edited.profile.nickname, None);
    assert_eq!(
        edited.profile.picture.as_deref(),
        Some("https://me.example/a%20b")
    );
    let again = world.login(acme("1", names("two")), mode).await.unwrap();
    assert_eq!(
        again.user.profile, edited.profile,
        "e-mail and locale are the first login's too"
    );
    assert_eq!(again.user.logins, 2);
    let identities = world.store.identities(&id).await.unwrap();
    assert_eq!(
        identities[0].identity,
        acme("1", names("two")),
        "raw claims and groups are fresh"
    );
    assert_eq!(identities[0].refreshed_at, world.clock.now());
    // The connection may change its mind.
    let synced = world
        .login(acme("1", names("two")), SyncProfile::EachLogin)
        .await
        .unwrap();
    assert_eq!(synced.user.profile.name.as_deref(), Some("two"));
}

#[tokio::test]
async fn never_admits_only_who_exists_and_changes_nothing() {
    let world = World::new().await;
    let mode = SyncProfile::Never;
    let stranger = world.login(acme("1", names("one")), mode).await;
    assert!(matches!(stranger, Err(Refusal::UnknownUser)));
    assert!(world.store.list(None, None, 9).await.unwrap().is_empty());
    let person = NewPerson {
        identity: acme("1", json!({ "name": "Given", "email": "g@example.com" })),
        account: None,
        factor: None,
        owner: false,
        uses: Vec::new(),
    };
    let added = world
        .people
        .add(person.clone(), &Origin::default())
        .await
        .unwrap();
    assert_eq!((added.logins, added.last_login_at), (0, None));
    let twice = world.people.add(person, &Origin::default()).await;
    assert!(matches!(twice, Err(Refusal::Exists)));
    let known = world.login(acme("1", names("one")), mode).await.unwrap();
    assert_eq!(known.user.profile, added.profile);
    assert_eq!(known.user.logins, 1);
    let identities = world.store.identities(&added.id).await.unwrap();
    assert_eq!(identities[0].identity.groups.names(), ["g-one"]);
    let edit = json!({ "name": "By hand" });
    assert!(
        world
            .edit(&added.id, edit, Editor::Operator, mode)
            .await
            .is_ok()
    );
    assert_eq!(
        world.reasons().await,
        ["user-created added", "user-changed operator"]
    );
}

#[tokio::test]
async fn the_mode_of_the_last_login_rules() {
    let world = World::new().await;
    let id = world
        .login(acme("1", names("one")), SyncProfile::EachLogin)
        .await
        .unwrap()
        .user
        .id;
    world
        .login(at("other", "9", names("nine")), SyncProfile::FirstLogin)
        .await
        .unwrap();
    let other: (ConnectionId, Subject) = ("other".parse().unwrap(), "9".parse().unwrap());
    let origin = Origin::default();
    let from = world
        .people
        .link(
            (&other.0, &other.1),
            &id,
            ("operator", MetadataRule::default()),
            &origin,
        )
        .await
        .unwrap();
    assert_eq!(from.unwrap().as_str(), "other|9");
    assert!(
        world
            .store
            .find(&"other|9".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );
    let linked = world
        .login(at("other", "9", names("ten")), SyncProfile::FirstLogin)
        .await
        .unwrap();
    assert_eq!(linked.user.id, id);
    assert_eq!(linked.user.profile.name.as_deref(), Some("one"));
    assert_eq!(linked.user.synced_by.as_str(), "other");
    // `other` is not configured (any more), so nothing overwrites what is written by hand.
    let edit = json!({ "name": "Mine" });
    world
        .edit(&id, edit, Editor::Person, SyncProfile::EachLogin)
        .await
        .unwrap();
    let back = world
        .login(acme("1", names("one")), SyncProfile::EachLogin)
        .await
        .unwrap();
    assert_eq!(back.user.profile.name.as_deref(), Some("one"));
    assert_eq!(back.user.synced_by.as_str(), "acme");
}

#[tokio::test]
async fn who_may_not_come_in_is_refused() {
    let world = World::new().await;
    let rules = Admission {
        sync_profile: SyncProfile::EachLogin,
        signup: false,
        rules: true,
    };
    let origin = Origin::default();
    let identity = acme("1", names("one"));
    let closed = world
        .people
        .admit(proven(identity.clone()), rules, &origin)
        .await;
    assert!(matches!(closed, Err(Refusal::SignUpClosed)));
    let id = world
        .login(identity.clone(), SyncProfile::EachLogin)
        .await
        .unwrap()
        .user
        .id;
    assert!(
        world
            .people
            .admit(proven(identity.clone()), rules, &origin)
            .await
            .is_ok()
    );
    assert!(world.people.block(&id, &origin).await.unwrap());
    assert!(!world.people.block(&id, &origin).await.unwrap());
    let before = world.store.find(&id).await.unwrap().unwrap();
    for mode in [
        SyncProfile::EachLogin,
        SyncProfile::FirstLogin,
        SyncProfile::Never,
    ] {
        let barred = world.login(acme("1", names("two")), mode).await;
        assert!(matches!(barred, Err(Refusal::Blocked)));
    }
    assert_eq!(
        world.store.find(&id).await.unwrap().unwrap(),
        before,
        "nothing is noted"
    );
    assert!(world.people.unblock(&id, &origin).await.unwrap());
    assert!(world.login(identity, SyncProfile::EachLogin).await.is_ok());
    let reasons = world.reasons().await;
    assert_eq!(
        reasons[1..],
        ["user-blocked operator", "user-unblocked operator"]
    );
    world.store.close().await;
    let broken = world
        .login(acme("1", names("one")), SyncProfile::EachLogin)
        .await;
    assert!(matches!(broken, Err(Refusal::Store(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_logins_at_once_make_one_user() {
    let world = Arc::new(World::new().await);
    let rules = Admission {
        sync_profile: SyncProfile::EachLogin,
        signup: true,
        rules: true,
    };
    let logins = (0..100).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            let who = proven(acme("1", names("one")));
            world.people.admit(who, rules, &Origin::default()).await
        })
    });
    let mut new = 0;
    for admitted in futures_util::future::join_all(logins).await {
        new += u32::from(admitted.unwrap().unwrap().new);
    }
    assert_eq!(new, 1);
    let users = world.store.list(None, None, 9).await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(
        (users[0].handle.as_str(), users[0].logins),
        ("one", 100),
        "no login is lost"
    );
}

#[tokio::test]
async fn handles_are_unique_and_never_given_again() {
    let world = World::new().await;
    let mode = SyncProfile::EachLogin;
    let alice = json!({ "preferred_username": "alice" });
    let handle = async |identity: Identity| world.login(identity, mode).await.unwrap().user.handle;
    assert_eq!(handle(at("members", "1", alice.clone())).await, "alice");
    assert_eq!(handle(acme("2", alice.clone())).await, "alice-acme");
    assert_eq!(handle(acme("3", alice.clone())).await, "alice-acme-2");
    let gone = "members|1".parse().unwrap();
    world
        .people
        .delete(&gone, "test", &Origin::default())
        .await
        .unwrap();
    assert_eq!(
        handle(at("members", "4", alice.clone())).await,
        "alice-members"
    );
    assert_eq!(
        handle(acme("5", json!({ "preferred_username": "Admin" }))).await,
        "admin-acme"
    );
    for i in 10..18 {
        handle(acme(&i.to_string(), alice.clone())).await;
    }
    let drawn = handle(acme("99", alice.clone())).await;
    assert!(
        drawn.starts_with("alice-") && drawn.len() == "alice-".len() + 10,
        "{drawn}"
    );
}

#[tokio::test]
async fn an_edit_is_bounded_and_knows_who_edits() {
    let world = World::new().await;
    let mode = SyncProfile::FirstLogin;
    let id = world
        .login(acme("1", names("one")), mode)
        .await
        .unwrap()
        .user
        .id;
    for field in ["app_metadata", "blocked", "owner"] {
        let value = if field == "app_metadata" {
            json!({})
        } else {
            json!(true)
        };
        let error = world
            .edit(&id, json!({ field: value }), Editor::Person, mode)
            .await;
        assert!(matches!(error, Err(EditError::OperatorOnly(name)) if name == field));
    }
    for (edit, words) in [
        (json!({ "name": "a\u{0}b" }), "name"),
        (json!({ "name": "x".repeat(257) }), "256"),
        (json!({ "picture": "javascript:alert(1)" }), "picture"),
        (json!({ "picture": "/relative" }), "picture"),
        (
            json!({ "user_metadata": { "a": "x".repeat(16 << 10) } }),
            "user_metadata",
        ),
        (
            json!({ "app_metadata": { "a": "x".repeat(16 << 10) } }),
            "app_metadata",
        ),
    ] {
        let error = world
            .edit(&id, edit, Editor::Operator, mode)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let metadata = |value: Value| json!({ "user_metadata": value });
    let first = metadata(json!({ "a": 1, "b": { "c": 2 } }));
    world.edit(&id, first, Editor::Person, mode).await.unwrap();
    let second = metadata(json!({ "a": null, "d": 3 }));
    let merged = world
        .edit(&id, second.clone(), Editor::Person, mode)
        .await
        .unwrap();
    assert_eq!(
        Value::Object(merged.user_metadata.clone()),
        json!({ "b": { "c": 2 }, "d": 3 })
    );
    let same = world.edit(&id, second, Editor::Person, mode).await.unwrap();
    assert_eq!(same.version, merged.version, "no change, no write");
    let edit = json!({ "owner": true, "blocked": true, "app_metadata": { "plan": "pro" } });
    let user = world.edit(&id, edit, Editor::Operator, mode).await.unwrap();
    assert!(user.owner && user.blocked && user.app_metadata["plan"] == "pro");
    assert_eq!(
        world.reasons().await.last().unwrap(),
        "user-blocked operator"
    );
    assert!(serde_json::from_value::<ProfileEdit>(json!({ "email": "a@b.example" })).is_err());
    let nobody = "acme|9".parse().unwrap();
    let error = world
        .edit(&nobody, json!({ "name": "x" }), Editor::Operator, mode)
        .await;
    assert!(matches!(error, Err(EditError::UnknownUser(_))));
}

#[tokio::test]
async fn links_keep_what_they_must() {
    let world = World::new().await;
    let mode = SyncProfile::EachLogin;
    let origin = Origin::default();
    let same_mail = json!({ "email": "one@example.com", "email_verified": true });
    let one = world
        .login(acme("1", same_mail.clone()), mode)
        .await
        .unwrap()
        .user
        .id;
    let two = world
        .login(at("other", "2", same_mail), mode)
        .await
        .unwrap()
        .user
        .id;
    assert_ne!(one, two, "equal e-mail addresses link nobody");
    let a = ("acme".parse().unwrap(), "1".parse().unwrap());
    let o = ("other".parse().unwrap(), "2".parse().unwrap());
    let (a, o) = ((&a.0, &a.1), (&o.0, &o.1));
    let link = async |identity, to: &UserId| {
        let how = ("test", MetadataRule::default());
        world.people.link(identity, to, how, &origin).await
    };
    world.people.block(&two, &origin).await.unwrap();
    assert!(matches!(link(o, &one).await, Err(ChangeError::Blocked(id)) if id == two));
    world.people.unblock(&two, &origin).await.unwrap();
    world
        .edit(&two, json!({ "owner": true }), Editor::Operator, mode)
        .await
        .unwrap();
    assert!(matches!(link(o, &one).await, Err(ChangeError::Owner(_))));
    world
        .edit(&two, json!({ "owner": false }), Editor::Operator, mode)
        .await
        .unwrap();
    assert_eq!(link(o, &one).await.unwrap(), Some(two.clone()));
    assert_eq!(link(o, &one).await.unwrap(), None);
    let three = world
        .login(acme("3", json!({})), mode)
        .await
        .unwrap()
        .user
        .id;
    assert!(matches!(link(a, &three).await, Err(ChangeError::Founding(id)) if id == one));
    let founding = world.people.unlink(a, "test", &origin).await;
    assert!(matches!(founding, Err(ChangeError::Founding(_))));
    let unlinked = world.people.unlink(o, "test", &origin).await.unwrap();
    assert_eq!(unlinked, (one.clone(), two.clone()));
    let again = world.people.unlink(o, "test", &origin).await;
    assert!(matches!(again, Err(ChangeError::Founding(id)) if id == two));
    let back = world
        .login(at("other", "2", json!({})), mode)
        .await
        .unwrap();
    assert!(!back.new && back.user.id == two, "whole since then");
    let nobody = "acme|9".parse().unwrap();
    assert!(matches!(
        link(o, &nobody).await,
        Err(ChangeError::UnknownUser(_))
    ));
    assert!(matches!(
        world.people.delete(&nobody, "test", &origin).await,
        Err(ChangeError::UnknownUser(_))
    ));
}

#[tokio::test]
async fn what_was_written_about_a_user_who_ends_goes_by_the_rule() {
    for (rule, user_metadata, app_metadata) in [
        ("fill", json!({ "a": 1, "b": 2 }), json!({ "plan": "free" })),
        (
            "fill-all",
            json!({ "a": 1, "b": 2 }),
            json!({ "plan": "free", "beta": true }),
        ),
        ("keep", json!({ "a": 1 }), json!({ "plan": "free" })),
    ] {
        let world = World::new().await;
        let mode = SyncProfile::EachLogin;
        let stays = world.login(acme("1", names("one")), mode).await.unwrap();
        let ends = world.login(at("other", "2", names("two")), mode).await;
        let (stays, ends) = (stays.user.id, ends.unwrap().user.id);
        for (id, edit) in [
            (
                &stays,
                json!({ "user_metadata": { "a": 1 }, "app_metadata": { "plan": "free" } }),
            ),
            (
                &ends,
                json!({
                    "user_metadata": { "a": 9, "b": 2 },
                    "app_metadata": { "plan": "pro", "beta": true },
                }),
            ),
        ] {
            world.edit(id, edit, Editor::Operator, mode).await.unwrap();
        }
        let (other, subject) = ("other".parse().unwrap(), "2".parse().unwrap());
        let how = ("test", rule.parse().unwrap());
        let linked = world
            .people
            .link((&other, &subject), &stays, how, &Origin::default())
            .await;
        assert_eq!(linked.unwrap(), Some(ends.clone()));
        assert!(world.store.find(&ends).await.unwrap().is_none());
        let user = world.store.find(&stays).await.unwrap().unwrap();
        assert_eq!(Value::Object(user.user_metadata), user_metadata, "{rule}");
        assert_eq!(Value::Object(user.app_metadata), app_metadata, "{rule}");
    }
    assert!("replace".parse::<MetadataRule>().is_err());
}

#[tokio::test]
async fn who_is_unlinked_is_as_blocked_as_before() {
    let world = World::new().await;
    let (mode, origin) = (SyncProfile::EachLogin, Origin::default());
    let one = world.login(acme("1", names("one")), mode).await.unwrap();
    let two = world.login(at("other", "2", names("two")), mode).await;
    let (one, two) = (one.user.id, two.unwrap().user.id);
    let (other, subject) = ("other".parse().unwrap(), "2".parse().unwrap());
    let identity = (&other, &subject);
    let how = ("test", MetadataRule::Keep);
    world
        .people
        .link(identity, &one, how, &origin)
        .await
        .unwrap();
    world.people.block(&one, &origin).await.unwrap();
    let unlinked = world.people.unlink(identity, "test", &origin).await;
    assert_eq!(unlinked.unwrap(), (one, two.clone()));
    let back = world.login(at("other", "2", names("two")), mode).await;
    assert!(matches!(back, Err(Refusal::Blocked)));
    let user = world.store.find(&two).await.unwrap().unwrap();
    assert_eq!(user.profile.name.as_deref(), Some("two"));
    assert_eq!(user.handle, "two", "the handle that was theirs before");
}

#[tokio::test]
async fn an_identity_of_nobody_is_added_and_anothers_is_named() {
    let world = World::new().await;
    let origin = Origin::default();
    let mode = SyncProfile::EachLogin;
    let login = async |number| world.login(acme(number, json!({})), mode).await.unwrap();
    let (one, two) = (login("1").await.user.id, login("2").await.user.id);
    let new = at("other", "9", json!({}));
    let add = async |identity, to: &UserId| {
        world
            .people
            .add_identity(identity, to, ("person", &origin))
            .await
    };
    assert_eq!(add(&new, &one).await.unwrap(), None);
    assert_eq!(add(&new, &one).await.unwrap(), None);
    let back = world
        .login(at("other", "9", json!({})), mode)
        .await
        .unwrap();
    assert!(!back.new && back.user.id == one);
    let theirs = acme("2", json!({}));
    assert_eq!(add(&theirs, &one).await.unwrap().unwrap().id, two);
    let founding = acme("1", json!({}));
    assert!(matches!(add(&founding, &two).await, Err(ChangeError::Founding(id)) if id == one));
    world.people.block(&two, &origin).await.unwrap();
    assert!(matches!(add(&theirs, &one).await, Err(ChangeError::Blocked(id)) if id == two));
    let more = at("other", "10", json!({}));
    assert!(matches!(add(&more, &two).await, Err(ChangeError::Blocked(id)) if id == two));
}

#[tokio::test]
async fn the_owners_link_is_used_up_by_the_sign_up() {
    let world = World::new().await;
    let key = OneTimeKey {
        purpose: Purpose::Owner,
        hash: [1; 32],
    };
    let now = world.clock.now();
    let until = now + Duration::from_mins(1);
    world
        .store
        .put(OneTimeRow {
            key,
            payload: Vec::new(),
            until,
        })
        .await
        .unwrap();
    let sign_up = async |subject: &str| {
        let identity = acme(subject, names("one"));
        let person = NewPerson {
            identity: identity.clone(),
            account: None,
            factor: None,
            owner: true,
            uses: vec![OneTimeUse::Row { key, now }],
        };
        world
            .people
            .sign_up(person, proven(identity), &Origin::default())
            .await
    };
    assert!(sign_up("1").await.unwrap().user.owner);
    assert!(matches!(
        sign_up("2").await,
        Err(Refusal::AlreadyUsed(Purpose::Owner))
    ));
    assert_eq!(world.store.list(None, None, 9).await.unwrap().len(), 1);
}

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OWFiY2RlZg";

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let line = json!({
        "id": "members|s1", "handle": "alice", "profile": names("one"),
        "user_metadata": { "a": 1 }, "app_metadata": { "b": 2 }, "blocked": true, "owner": false,
        "identities": [
            { "connection": "members", "subject": "s1", "profile": names("one"), "claims": {},
              "groups": [], "account": { "email": "Alice@example.com", "email_verified": true,
              "username": "Alice", "password_hash": HASH } },
            { "connection": "acme", "subject": "2", "profile": names("two"), "claims": { "x": 1 },
              "groups": ["g"] },
        ],
    });
    let line: PersonLine = serde_json::from_value(line).unwrap();
    let world = World::new().await;
    let origin = Origin::default();
    let imported = world
        .people
        .import(&line, ImportMode::default(), &origin)
        .await
        .unwrap();
    assert!(matches!(imported, Imported::Created));
    let user = world.store.find(&line.id).await.unwrap().unwrap();
    assert_eq!(world.people.export(user.clone(), true).await.unwrap(), line);
    let plain = world.people.export(user, false).await.unwrap();
    let text = serde_json::to_string(&plain).unwrap();
    assert!(
        !text.contains("argon2id") && !text.contains("password_hash"),
        "{text}"
    );
    assert!(!format!("{line:?}").contains("argon2id"));
    assert_eq!(
        world.store.list(None, None, 9).await.unwrap().len(),
        1,
        "no helper user is left"
    );
    let members = "members".parse().unwrap();
    let found = world
        .store
        .account_by_login(&members, "alice@example.com")
        .await
        .unwrap();
    assert!(found.unwrap().email_verified);
    let again = world
        .people
        .import(&line, ImportMode::default(), &origin)
        .await
        .unwrap();
    assert!(matches!(again, Imported::Exists));
    let other = PersonLine {
        id: "acme|2".parse().unwrap(),
        ..line.clone()
    };
    let other = world
        .people
        .import(&other, ImportMode::default(), &origin)
        .await;
    assert!(matches!(other, Err(ImportError::OtherId(_))));
    // the connection has another name now, and the user the id they always had
    let mut renamed = PersonLine {
        handle: None,
        ..line.clone()
    };
    renamed.identities.truncate(1);
    renamed.identities[0].connection = "latter".parse().unwrap();
    renamed.identities[0].account = None;
    let subject = renamed.identities[0].subject.clone();
    renamed.id = format!("former|{subject}").parse().unwrap();
    let id = renamed.id.clone();
    let taken = world
        .people
        .import(&renamed, ImportMode::default(), &origin)
        .await
        .unwrap();
    assert!(matches!(taken, Imported::Created));
    assert!(world.store.find(&id).await.unwrap().is_some());
    let latter = "latter".parse().unwrap();
    // it is all that they sign in with, although they are not named after it
    let last = world
        .people
        .unlink((&latter, &subject), "test", &origin)
        .await;
    assert!(matches!(last, Err(ChangeError::Last(_))));
    let none = PersonLine {
        identities: Vec::new(),
        ..line
    };
    let none = world
        .people
        .import(&none, ImportMode::default(), &origin)
        .await;
    assert!(matches!(none, Err(ImportError::NoIdentity)));
}

#[tokio::test]
async fn a_name_that_stands_for_something_else_is_refused_until_adopted() {
    #[derive(Debug)]
    struct Named(ConnectionId, &'static str);
    #[async_trait::async_trait]
    impl Connection for Named {
        fn id(&self) -> &ConnectionId {
            &self.0
        }
        fn pin(&self) -> Pin {
            Pin {
                strategy: "oidc".to_owned(),
                issuer: self.1.to_owned(),
            }
        }
        async fn begin(&self, _: Start<'_>) -> Result<Step, Rejection> {
            unreachable!()
        }
        async fn resume(
            &self,
            _: Option<&ConnectionData>,
            _: Reply<'_>,
            _: &Peer,
        ) -> Result<Step, Rejection> {
            unreachable!()
        }
    }
    let world = World::new().await;
    let named = |issuer| Named("acme".parse().unwrap(), issuer);
    let (first, second) = (named("https://a.example"), named("https://b.example"));
    let differ = async |connection: &Named| {
        let connection: &dyn Connection = connection;
        world.people.check_pins([connection]).await.unwrap()
    };
    assert!(differ(&first).await.is_empty());
    assert!(differ(&first).await.is_empty());
    let [error] = &differ(&second).await[..] else {
        panic!("it differs");
    };
    let error = error.to_string();
    for word in [
        "acme",
        "https://a.example",
        "https://b.example",
        "connections adopt acme",
        "connections rename acme NEW",
    ] {
        assert!(error.contains(word), "{error}");
    }
    world
        .people
        .adopt(&second, &Origin::default())
        .await
        .unwrap();
    assert!(differ(&second).await.is_empty());
    assert_eq!(differ(&first).await.len(), 1);
    assert_eq!(world.reasons().await, ["connection-adopted operator"]);
}
