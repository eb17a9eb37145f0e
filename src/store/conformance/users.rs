//! The checks of [`UserStore`].

use super::*;
use crate::identity::Groups;

type Store = Fresh<dyn Directory>;

async fn created(store: &dyn Directory, new: NewUser) -> UserRecord {
    let user = new.user.clone();
    assert_eq!(store.create(new).await.unwrap(), Created::Created);
    user
}

fn note(kind: EventKind) -> Event {
    Event::new(at(30), kind, "command")
}

pub(super) async fn a_created_user_is_found_every_way(Fresh { store, .. }: &Store) {
    let new = sign_up("acme", "älice|1");
    assert_eq!(store.find(&new.user.id).await.unwrap(), None);
    let user = Some(created(store.as_ref(), new.clone()).await);
    let Identity {
        connection,
        subject,
        ..
    } = &new.identity;
    assert_eq!(store.find(&new.user.id).await.unwrap(), user);
    assert_eq!(store.find_by_handle("älice|1").await.unwrap(), user);
    let found = store.find_by_identity(connection, subject).await.unwrap();
    assert_eq!(found, user);
    let record = IdentityRecord {
        user: new.user.id.clone(),
        identity: new.identity.clone(),
        created_at: new.user.created_at,
        refreshed_at: new.user.created_at,
    };
    let identities = store.identities(&new.user.id).await.unwrap();
    assert_eq!(identities, [record]);
    assert_eq!(store.events(10).await.unwrap(), [new.event]);
    assert_eq!(store.find_by_handle("älice").await.unwrap(), None);
    let found = store.find_by_identity(&name("acme-2"), subject).await;
    assert_eq!(found.unwrap(), None);
}

pub(super) async fn create_says_what_is_taken_and_writes_nothing(Fresh { store, .. }: &Store) {
    created(store.as_ref(), sign_up("acme", "alice")).await;
    let mut same_handle = sign_up("members", "bob");
    same_handle.user.handle = "alice".to_owned();
    let mut same_identity = sign_up("members", "bob");
    same_identity.identity = identity("acme", "alice");
    let mut same_user = sign_up("acme", "alice");
    same_user.user.handle = "bob".to_owned();
    same_user.identity = identity("members", "bob");
    for (new, taken) in [
        (same_handle, Created::HandleTaken),
        (same_identity, Created::IdentityTaken),
        (same_user, Created::IdentityTaken),
    ] {
        assert_eq!(store.create(new).await.unwrap(), taken);
        let bob = user("members", "bob").id;
        assert_eq!(store.find(&bob).await.unwrap(), None);
        assert_eq!(store.find_by_handle("bob").await.unwrap(), None);
        assert_eq!(store.identities(&bob).await.unwrap(), []);
        assert_eq!(store.events(10).await.unwrap().len(), 1);
    }
    // The handle of a refused sign-up is free.
    created(store.as_ref(), sign_up("members", "bob")).await;
}

pub(super) async fn a_link_of_the_owner_works_once(Fresh { store, .. }: &Store) {
    let mut alice = sign_up("acme", "alice");
    alice.uses = vec![first(Purpose::Owner, 1)];
    created(store.as_ref(), alice).await;
    let mut bob = sign_up("acme", "bob");
    bob.uses = vec![first(Purpose::Flow, 1), first(Purpose::Owner, 1)];
    assert_eq!(
        store.create(bob.clone()).await.unwrap(),
        Created::AlreadyUsed(Purpose::Owner)
    );
    assert_eq!(store.find(&bob.user.id).await.unwrap(), None);
    // A refusal of another kind leaves the use unspent.
    bob.uses.pop();
    bob.user.handle = "alice".to_owned();
    let refused = store.create(bob.clone()).await.unwrap();
    assert_eq!(refused, Created::HandleTaken);
    bob.user.handle = "bob".to_owned();
    created(store.as_ref(), bob).await;
}

pub(super) async fn one_handle_goes_to_one_of_many(Fresh { store, .. }: &Store) {
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut new = sign_up("acme", &format!("alice{number}"));
                new.user.handle = "alice".to_owned();
                store.create(new).await.unwrap()
            })
        })
        .collect();
    let mut wins = 0;
    for task in tasks {
        match task.await.unwrap() {
            Created::Created => wins += 1,
            other => assert_eq!(other, Created::HandleTaken),
        }
    }
    assert_eq!(wins, 1);
}

pub(super) async fn a_handle_is_never_given_to_another_person(Fresh { store, .. }: &Store) {
    let alice = created(store.as_ref(), sign_up("acme", "alice")).await;
    let deleted = store.delete(&alice.id, note(EventKind::UserDeleted)).await;
    assert!(deleted.unwrap());
    assert_eq!(store.find_by_handle("alice").await.unwrap(), None);
    let refused = store.create(sign_up("members", "alice")).await.unwrap();
    assert_eq!(refused, Created::HandleTaken);
    // Whoever comes back as the same identity is the same person.
    created(store.as_ref(), sign_up("acme", "alice")).await;
}

pub(super) async fn replace_needs_the_version_and_keeps_the_handle(Fresh { store, .. }: &Store) {
    let mut alice = user("acme", "alice");
    assert!(!store.replace(alice.clone(), 1, None).await.unwrap());
    created(store.as_ref(), sign_up("acme", "alice")).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    alice.blocked = true;
    alice.owner = true;
    alice.profile.name = None;
    alice.profile.nickname = Some("Ali".to_owned());
    alice.app_metadata.clear();
    alice.last_login_at = None;
    alice.logins = 7;
    let event = || Some(note(EventKind::UserBlocked));
    let mut renamed = alice.clone();
    renamed.handle = "alison".to_owned();
    assert!(!store.replace(renamed, 1, event()).await.unwrap());
    assert!(!store.replace(alice.clone(), 0, event()).await.unwrap());
    assert_eq!(store.events(10).await.unwrap().len(), 1);
    assert!(store.replace(alice.clone(), 1, event()).await.unwrap());
    assert!(!store.replace(alice.clone(), 1, event()).await.unwrap());
    alice.version = 2;
    let found = store.find(&alice.id).await.unwrap();
    assert_eq!(found, Some(alice.clone()));
    assert_eq!(store.events(1).await.unwrap(), [event().unwrap()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(alice.id.clone())]
    );
    let deleted = store.delete(&alice.id, note(EventKind::UserDeleted)).await;
    assert!(deleted.unwrap());
    assert!(!store.replace(alice, 2, None).await.unwrap());
}

pub(super) async fn a_refreshed_identity_is_told_only_when_it_differs(Fresh { store, .. }: &Store) {
    let mut said = identity("acme", "alice");
    assert!(!store.refresh_identity(&said, at(20)).await.unwrap());
    let alice = created(store.as_ref(), sign_up("acme", "alice")).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let held = async || store.identities(&alice.id).await.unwrap().remove(0);
    assert!(store.refresh_identity(&said, at(20)).await.unwrap());
    assert_eq!(held().await.refreshed_at, at(20));
    assert_eq!(changes_after(store.as_ref(), newest).await.0, []);
    said.groups = Groups::Unknown;
    said.claims.insert("plan".to_owned(), "free".into());
    said.profile.email = Some("new@mail.example".to_owned());
    assert!(store.refresh_identity(&said, at(19)).await.unwrap());
    let record = held().await;
    assert_eq!(record.identity, said);
    assert_eq!(record.refreshed_at, at(20), "never back");
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(alice.id)]
    );
}

pub(super) async fn delete_takes_identities_and_accounts_along(Fresh { store, .. }: &Store) {
    let id = user("members", "ann").id;
    let event = || note(EventKind::UserDeleted);
    assert!(!store.delete(&id, event()).await.unwrap());
    let mut new = sign_up("members", "ann");
    new.account = Some(account("members", "ann"));
    created(store.as_ref(), new.clone()).await;
    created(store.as_ref(), sign_up("acme", "bob")).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    assert!(store.delete(&id, event()).await.unwrap());
    assert!(!store.delete(&id, event()).await.unwrap());
    let members = name("members");
    assert_eq!(store.find(&id).await.unwrap(), None);
    assert_eq!(store.identities(&id).await.unwrap(), []);
    let found = store
        .find_by_identity(&members, &name("ann"))
        .await
        .unwrap();
    assert_eq!(found, None);
    let found = store.account_by_login(&members, "ann-x").await.unwrap();
    assert_eq!(found, None);
    assert_eq!(store.events(1).await.unwrap(), [event()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(id)]
    );
    assert!(store.find_by_handle("bob").await.unwrap().is_some());
    // The names of the account are free again; the same person may come back.
    created(store.as_ref(), new).await;
}

pub(super) async fn an_identity_of_nobody_becomes_somebodys(Fresh { store, .. }: &Store) {
    let alice = created(store.as_ref(), sign_up("acme", "alice")).await;
    let bob = created(store.as_ref(), sign_up("acme", "bob")).await;
    let new = identity("members", "al");
    let event = || note(EventKind::IdentityLinked);
    let nobody = UserId::new(&name("acme"), &name("nobody"));
    assert!(!store.add_identity(&new, &nobody, event()).await.unwrap());
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    assert!(store.add_identity(&new, &alice.id, event()).await.unwrap());
    // it is taken now, like the one that made somebody
    for taken in [new.clone(), identity("acme", "alice")] {
        assert!(!store.add_identity(&taken, &bob.id, event()).await.unwrap());
    }
    let found = store.find_by_identity(&new.connection, &new.subject).await;
    assert_eq!(found.unwrap(), Some(alice.clone()));
    assert_eq!(store.identities(&alice.id).await.unwrap().len(), 2);
    assert_eq!(store.events(1).await.unwrap(), [event()]);
    assert_eq!(store.events(10).await.unwrap().len(), 3);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(alice.id)]
    );
}

pub(super) async fn an_identity_moves_between_users(Fresh { store, .. }: &Store) {
    let alice = created(store.as_ref(), sign_up("acme", "alice")).await;
    let bob = created(store.as_ref(), sign_up("members", "bob")).await;
    let (acme, subject) = (name("acme"), name("alice"));
    let event = || note(EventKind::IdentityLinked);
    let nobody = UserId::new(&acme, &name("nobody"));
    assert!(
        !store
            .link(&acme, &name("x"), &bob.id, event())
            .await
            .unwrap()
    );
    assert!(!store.link(&acme, &subject, &nobody, event()).await.unwrap());
    assert_eq!(store.events(10).await.unwrap().len(), 2);
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    assert!(store.link(&acme, &subject, &bob.id, event()).await.unwrap());
    let found = store.find_by_identity(&acme, &subject).await.unwrap();
    assert_eq!(found, Some(bob.clone()));
    // Whose last identity has left stays.
    assert_eq!(store.find(&alice.id).await.unwrap(), Some(alice.clone()));
    assert_eq!(store.identities(&alice.id).await.unwrap(), []);
    assert_eq!(store.identities(&bob.id).await.unwrap().len(), 2);
    assert_eq!(store.events(1).await.unwrap(), [event()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(alice.id.clone()), Change::User(bob.id)]
    );
    // The id stays with the user whom the identity once made.
    let again = store.create(sign_up("acme", "alice")).await.unwrap();
    assert_eq!(again, Created::IdentityTaken);
}

pub(super) async fn an_unlinked_identity_takes_its_account_along(Fresh { store, .. }: &Store) {
    let mut new = sign_up("members", "ann");
    new.account = Some(account("members", "ann"));
    let ann = created(store.as_ref(), new).await;
    let (members, subject) = (name("members"), name("ann"));
    let event = || note(EventKind::IdentityUnlinked);
    let bea = created(store.as_ref(), sign_up("acme", "bea")).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let alone = UserRecord {
        handle: "ann-again".to_owned(),
        ..user("others", "ann")
    };
    let unlink = async |subject: &str, user: &UserRecord| {
        let subject = name(subject);
        let unlinked = store.unlink(&members, &subject, user.clone(), event());
        unlinked.await.unwrap()
    };
    assert_eq!(unlink("x", &alone).await, Unlinked::UnknownIdentity);
    let taken = UserRecord {
        handle: bea.handle.clone(),
        ..alone.clone()
    };
    assert_eq!(unlink("ann", &taken).await, Unlinked::HandleTaken);
    let taken = UserRecord {
        id: bea.id.clone(),
        ..alone.clone()
    };
    assert_eq!(unlink("ann", &taken).await, Unlinked::UserTaken);
    // Nothing is left of what did not succeed: the handle is free.
    assert_eq!(unlink("ann", &alone).await, Unlinked::Unlinked);
    assert_eq!(store.identities(&ann.id).await.unwrap(), []);
    let found = store.find_by_identity(&members, &subject).await.unwrap();
    assert_eq!(found, Some(alone.clone()));
    let found = store.account_by_login(&members, "ann-x").await.unwrap();
    assert_eq!(found, Some(account("members", "ann")));
    assert_eq!(store.find(&ann.id).await.unwrap(), Some(ann.clone()));
    assert_eq!(store.events(1).await.unwrap(), [event()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(ann.id), Change::User(alone.id)]
    );
}

pub(super) async fn a_list_has_pages_and_a_plain_search(Fresh { store, .. }: &Store) {
    for who in ["carol", "alice", "bob", "x_y", "xzy", "100%", r"a\b"] {
        created(store.as_ref(), sign_up("acme", who)).await;
    }
    let mut named = sign_up("acme", "plain");
    named.user.profile.name = Some("Zoë Ångström".to_owned());
    named.user.profile.email = Some("Zoe@Other.example".to_owned());
    created(store.as_ref(), named).await;
    let found = async |search: Option<&str>, after: Option<&str>, most| {
        let after = after.map(name);
        let users = store.list(search, after.as_ref(), most).await.unwrap();
        let handles: Vec<_> = users.into_iter().map(|user| user.handle).collect();
        handles.join(" ")
    };
    let all = r"100% a\b alice bob carol plain x_y xzy";
    assert_eq!(found(None, None, 100).await, all);
    assert_eq!(found(None, None, 2).await, r"100% a\b");
    assert_eq!(found(None, Some("acme|alice"), 2).await, "bob carol");
    assert_eq!(found(None, Some("acme|xzy"), 2).await, "");
    for (search, handles) in [
        ("b", r"a\b bob"),
        ("_", "x_y"),
        ("%", r"100% a\b"), // both ids hold percent-encoded bytes
        ("0%", "100%"),
        (r"\", r"a\b"),
        ("OTHER.ex", "plain"),
        ("Zoë Å", "plain"),
        ("Dr al", "alice"),
        ("acme|car", "carol"),
        ("' OR 1=1 --", ""),
        ("x*y", ""),
    ] {
        assert_eq!(found(Some(search), None, 100).await, handles, "{search}");
    }
    // Nothing that is kept has a NUL, and PostgreSQL knows no such character.
    assert_eq!(found(Some("a\0"), None, 100).await, "");
    assert_eq!(found(Some("o"), None, 1).await, "bob");
    assert_eq!(found(Some("mail"), Some("acme|bob"), 2).await, "carol x_y");
}

pub(super) async fn names_are_the_same_only_byte_by_byte(Fresh { store, .. }: &Store) {
    let names = [
        "ann",
        "Ann",
        "ann ",
        " ann",
        "änn",
        "a\u{308}nn",
        "ann\u{200b}",
    ];
    for who in names {
        let mut new = sign_up("members", who);
        let mut account = account("members", who);
        account.email = None;
        let login = who.to_owned();
        account.username = Some(Login {
            normalised: login.clone(),
            typed: login,
        });
        new.account = Some(account);
        created(store.as_ref(), new).await;
    }
    let members = name("members");
    for who in names {
        let id = user("members", who).id;
        let found = store.find_by_identity(&members, &name(who)).await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(id.clone()), "{who:?}");
        let found = store.find_by_handle(who).await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(id), "{who:?}");
        let found = store.account_by_login(&members, who).await.unwrap();
        assert_eq!(found.map(|account| account.subject), Some(name(who)));
    }
    for login in ["ANN", "ann  ", "ann\0", "\0"] {
        let found = store.account_by_login(&members, login).await.unwrap();
        assert_eq!(found, None, "{login:?}");
    }
}

pub(super) async fn a_profile_holds_any_character(Fresh { store, .. }: &Store) {
    let text = "Zo\u{eb} \u{1f98a} \u{10ffff} \0 \u{1} \"\\ '; -- ?1 $1 %";
    let mut new = sign_up("acme", "zoe");
    new.user.profile.name = Some(text.to_owned());
    new.user.profile.email = Some("null".to_owned());
    new.user.app_metadata.insert(text.to_owned(), text.into());
    new.identity.claims.insert("said".to_owned(), text.into());
    new.identity.groups = vec![text.to_owned()].into();
    let zoe = created(store.as_ref(), new.clone()).await;
    assert_eq!(store.find(&zoe.id).await.unwrap(), Some(zoe.clone()));
    let held = store.identities(&zoe.id).await.unwrap().remove(0);
    assert_eq!(held.identity, new.identity);
}

pub(super) async fn users_are_counted_by_connection(Fresh { store, .. }: &Store) {
    assert_eq!(store.counts().await.unwrap(), []);
    for (connection, who) in [("acme", "a"), ("acme", "b"), ("members", "c")] {
        created(store.as_ref(), sign_up(connection, who)).await;
    }
    let acme = name("acme");
    let event = note(EventKind::IdentityLinked);
    let to = user("members", "c").id;
    assert!(store.link(&acme, &name("a"), &to, event).await.unwrap());
    assert_eq!(
        store.counts().await.unwrap(),
        [(acme, 2), (name("members"), 1)]
    );
}

pub(super) async fn the_owner_is_known(Fresh { store, .. }: &Store) {
    created(store.as_ref(), sign_up("acme", "bob")).await;
    assert!(!store.has_owner().await.unwrap());
    let mut new = sign_up("acme", "alice");
    new.user.owner = true;
    let alice = created(store.as_ref(), new).await;
    assert!(store.has_owner().await.unwrap());
    let deleted = store.delete(&alice.id, note(EventKind::UserDeleted)).await;
    assert!(deleted.unwrap());
    assert!(!store.has_owner().await.unwrap());
}

pub(super) async fn a_pin_holds_until_it_is_adopted(Fresh { store, .. }: &Store) {
    let acme = name("acme");
    let pin = |issuer: &str| Pin {
        strategy: "oidc".to_owned(),
        issuer: issuer.to_owned(),
    };
    let pinned = async |connection: &ConnectionId, pin: &Pin| pin_one(store, connection, pin).await;
    assert_eq!(pinned(&acme, &pin("a")).await, Pinned::Same);
    assert_eq!(pinned(&acme, &pin("a")).await, Pinned::Same);
    let differs = Pinned::Differs(pin("a"));
    assert_eq!(pinned(&acme, &pin("b")).await, differs);
    let other = Pin {
        strategy: "saml".to_owned(),
        ..pin("a")
    };
    assert_eq!(pinned(&acme, &other).await, differs);
    let elsewhere = pinned(&name("acme-2"), &pin("b")).await;
    assert_eq!(elsewhere, Pinned::Same);
    let event = note(EventKind::ConnectionAdopted);
    store.adopt(&acme, &pin("b"), event.clone()).await.unwrap();
    assert_eq!(pinned(&acme, &pin("b")).await, Pinned::Same);
    let differs = Pinned::Differs(pin("b"));
    assert_eq!(pinned(&acme, &pin("a")).await, differs);
    assert_eq!(store.events(10).await.unwrap(), [event]);
    let (told, _) = changes_after(store.as_ref(), 0).await;
    assert_eq!(told, [Change::Connection(acme)]);

    // Of several who pin at once, all but those who agree with the first are told.
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let (store, pin) = (store.clone(), pin(&number.to_string()));
            tokio::spawn(async move { pin_one(&store, &name("new"), &pin).await })
        })
        .collect();
    let mut same = 0;
    for task in tasks {
        same += usize::from(task.await.unwrap() == Pinned::Same);
    }
    assert_eq!(same, 1);

    // Many at once, in their order: new ones, those that are the same and those that differ.
    let many: Vec<_> = (0..1_500)
        .map(|number| (name(&format!("many-{number}")), pin("a")))
        .collect();
    let said = store.pin(&many).await.unwrap();
    assert!(said.len() == many.len() && said.iter().all(|said| *said == Pinned::Same));
    let mut mixed = many.clone();
    mixed[700].1 = pin("b");
    mixed.insert(3, (name("one-more"), pin("c")));
    let said = store.pin(&mixed).await.unwrap();
    for (number, said) in said.iter().enumerate() {
        let differs = number == 701;
        assert_eq!(*said != Pinned::Same, differs, "{number}");
    }
    assert_eq!(said.len(), mixed.len());
    assert!(store.pin(&[]).await.unwrap().is_empty());
}

/// What is said of one name alone.
async fn pin_one(store: &Arc<dyn Directory>, connection: &ConnectionId, pin: &Pin) -> Pinned {
    let said = store.pin(&[(connection.clone(), pin.clone())]).await;
    said.unwrap().remove(0)
}

pub(super) async fn events_are_kept_newest_first_and_swept(Fresh { store, .. }: &Store) {
    let mut full = Event::new(at(1), EventKind::LoginFailed, "wrong-password");
    full.user = Some(user("acme", "alice").id);
    full.connection = Some(name("acme"));
    full.session = Some(session_id(1));
    full.address = Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
    full.request_id = Some("r-1".to_owned());
    let plain = |seconds| Event::new(at(seconds), EventKind::AccessDenied, "rule");
    for event in [full.clone(), plain(2), plain(3), plain(4)] {
        store.record(event).await.unwrap();
    }
    let all = [plain(4), plain(3), plain(2), full];
    assert_eq!(store.events(10).await.unwrap(), all);
    assert_eq!(store.events(2).await.unwrap(), all[..2]);
    for (most, swept) in [(2, 2), (2, 1), (2, 0)] {
        assert_eq!(store.sweep_events(at(4), most).await.unwrap(), swept);
    }
    assert_eq!(store.events(10).await.unwrap(), all[..1]);
}

pub(super) async fn every_kind_of_event_comes_back(Fresh { store, .. }: &Store) {
    for kind in EventKind::ALL {
        store.record(note(kind)).await.unwrap();
    }
    let kinds: Vec<_> = store.events(100).await.unwrap();
    let kinds: Vec<_> = kinds.into_iter().rev().map(|event| event.kind).collect();
    assert_eq!(kinds, EventKind::ALL);
}

pub(super) async fn a_renamed_connection_takes_everything_along(Fresh { store, .. }: &Store) {
    let (acme, corp, alice) = (name("acme"), name("corp"), name("alice"));
    let pin = |issuer: &str| Pin {
        strategy: "oidc".to_owned(),
        issuer: issuer.to_owned(),
    };
    pin_one(store, &acme, &pin("https://a.example")).await;
    let mut new = sign_up("acme", "alice");
    new.account = Some(account("acme", "alice"));
    let before = created(store.as_ref(), new).await;
    let bob = created(store.as_ref(), sign_up("members", "bob")).await;
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let event = note(EventKind::ConnectionRenamed);
    let renamed = store.rename(&acme, &corp, event.clone()).await.unwrap();
    assert_eq!(renamed, Renamed::Renamed(1));

    // the id stays: applications know the person by it
    let user = UserRecord {
        synced_by: corp.clone(),
        version: 2,
        ..before.clone()
    };
    let found = store.find_by_identity(&corp, &alice).await.unwrap();
    assert_eq!(found, Some(user.clone()));
    let found = store.find_by_identity(&acme, &alice).await.unwrap();
    assert_eq!(found, None);
    let identities = store.identities(&user.id).await.unwrap();
    assert_eq!(identities[0].identity, identity("corp", "alice"));
    let moved = AccountRecord {
        version: 2,
        ..account("corp", "alice")
    };
    let login = "alice@mail.example";
    let found = store.account_by_login(&corp, login).await.unwrap();
    assert_eq!(found, Some(moved));
    let found = store.account_by_login(&acme, login).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(store.find(&bob.id).await.unwrap(), Some(bob));
    // whoever read the user before does not write the old name back
    let stale = store.replace(before, 1, None).await.unwrap();
    assert!(!stale);
    let same = pin_one(store, &corp, &pin("https://a.example")).await;
    assert_eq!(same, Pinned::Same);
    // the old name is free for something else
    let free = pin_one(store, &acme, &pin("https://b.example")).await;
    assert_eq!(free, Pinned::Same);
    assert_eq!(store.events(10).await.unwrap()[0], event);
    let (told, _) = changes_after(store.as_ref(), newest).await;
    assert_eq!(told, [Change::Connection(acme.clone())]);
    // and whoever would have the same id there is not taken for the person who has it
    let mut other = sign_up("acme", "alice");
    other.user.handle = "alice-2".to_owned();
    assert_eq!(store.create(other).await.unwrap(), Created::IdentityTaken);
}

pub(super) async fn a_name_that_is_taken_is_not_given(Fresh { store, .. }: &Store) {
    let (acme, corp): (ConnectionId, ConnectionId) = (name("acme"), name("corp"));
    let alice = name("alice");
    let pin = |strategy: &str, issuer: &str| Pin {
        strategy: strategy.to_owned(),
        issuer: issuer.to_owned(),
    };
    let rename = |from: ConnectionId, to: ConnectionId| {
        let event = note(EventKind::ConnectionRenamed);
        async move { store.rename(&from, &to, event).await.unwrap() }
    };
    assert_eq!(rename(acme.clone(), corp.clone()).await, Renamed::Unknown);
    pin_one(store, &acme, &pin("database", "acme")).await;
    created(store.as_ref(), sign_up("acme", "alice")).await;
    pin_one(store, &corp, &pin("oidc", "https://b")).await;
    let differs = Renamed::Differs(pin("oidc", "https://b"));
    assert_eq!(rename(acme.clone(), corp.clone()).await, differs);
    let mut bob = sign_up("members", "bob");
    bob.user.handle = "bob".to_owned();
    created(store.as_ref(), bob).await;
    assert_eq!(rename(acme.clone(), name("members")).await, Renamed::Taken);
    let found = store.find_by_identity(&acme, &alice).await.unwrap();
    assert!(found.is_some(), "nothing was moved");
    assert_eq!(store.events(10).await.unwrap().len(), 2);

    // What stands for itself stands for itself under its new name.
    store
        .adopt(
            &corp,
            &pin("database", "corp"),
            note(EventKind::ConnectionAdopted),
        )
        .await
        .unwrap();
    assert_eq!(
        rename(acme.clone(), corp.clone()).await,
        Renamed::Renamed(1)
    );
    let same = pin_one(store, &corp, &pin("database", "corp")).await;
    assert_eq!(same, Pinned::Same);
}
