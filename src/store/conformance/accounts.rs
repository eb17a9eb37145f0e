//! The checks of the accounts in [`UserStore`].

use super::*;

type Store = Fresh<dyn Directory>;

async fn with_account(store: &dyn Directory, connection: &str, who: &str) -> Created {
    let mut new = sign_up(connection, who);
    new.user.handle = format!("{connection}-{who}");
    new.account = Some(account(connection, who));
    store.create(new).await.unwrap()
}

pub(super) async fn an_account_is_found_by_each_login(Fresh { store, .. }: &Store) {
    let members = name("members");
    let created = with_account(store.as_ref(), "members", "ann").await;
    assert_eq!(created, Created::Created);
    let ann = Some(account("members", "ann"));
    for login in ["ann@mail.example", "ann-x"] {
        let found = store.account_by_login(&members, login).await.unwrap();
        assert_eq!(found, ann);
    }
    assert_eq!(store.account(&members, &name("ann")).await.unwrap(), ann);
    for (connection, login) in [
        ("members", "ann@Mail.example"),
        ("members", "ann"),
        ("others", "ann-x"),
    ] {
        let found = store.account_by_login(&name(connection), login).await;
        assert_eq!(found.unwrap(), None);
    }
}

pub(super) async fn logins_are_unique_within_a_connection(Fresh { store, .. }: &Store) {
    let created = with_account(store.as_ref(), "members", "ann").await;
    assert_eq!(created, Created::Created);
    // Another connection is another space of names.
    let created = with_account(store.as_ref(), "others", "ann").await;
    assert_eq!(created, Created::Created);
    // A username that is somebody's e-mail address is taken, and the whole sign-up with it.
    let mut new = sign_up("members", "eve");
    let mut eve = account("members", "eve");
    eve.username = account("members", "ann").email;
    new.account = Some(eve.clone());
    assert_eq!(
        store.create(new.clone()).await.unwrap(),
        Created::LoginTaken
    );
    assert_eq!(store.find(&new.user.id).await.unwrap(), None);
    assert_eq!(store.find_by_handle("eve").await.unwrap(), None);
    // One's own may be the same twice.
    eve.username = eve.email.clone();
    new.account = Some(eve.clone());
    assert_eq!(store.create(new).await.unwrap(), Created::Created);
    let found = store.account(&eve.connection, &eve.subject).await.unwrap();
    assert_eq!(found, Some(eve));
}

pub(super) async fn an_account_is_added_once(Fresh { store, .. }: &Store) {
    let members = name("members");
    let ann = account("members", "ann");
    let add = async |account: &AccountRecord| {
        let event = Event::new(at(20), EventKind::AccountImported, "first-login");
        store
            .add_account(account.clone(), Some(event))
            .await
            .unwrap()
    };
    assert_eq!(add(&ann).await, AccountAdded::NoIdentity);
    assert_eq!(
        store.create(sign_up("members", "ann")).await.unwrap(),
        Created::Created
    );
    assert_eq!(store.count_accounts(&members).await.unwrap(), 0);
    assert_eq!(add(&ann).await, AccountAdded::Added);
    let events = store.events(10).await.unwrap().len();
    assert_eq!(add(&ann).await, AccountAdded::Exists);
    let mut eve = sign_up("members", "eve");
    eve.user.handle = "eve".to_owned();
    assert_eq!(store.create(eve).await.unwrap(), Created::Created);
    let mut taken = account("members", "eve");
    taken.username = ann.email.clone();
    assert_eq!(add(&taken).await, AccountAdded::LoginTaken);
    let none = store.account(&members, &taken.subject).await.unwrap();
    assert_eq!(none, None, "nothing of it is there");
    assert_eq!(
        store.events(10).await.unwrap().len(),
        events + 1,
        "eve's own"
    );
    let found = store.account_by_login(&members, "ann-x").await.unwrap();
    assert_eq!(found, Some(ann));
    assert_eq!(store.count_accounts(&members).await.unwrap(), 1);
    assert_eq!(store.count_accounts(&name("others")).await.unwrap(), 0);
}

pub(super) async fn replace_moves_the_logins(Fresh { store, .. }: &Store) {
    let members = name("members");
    for who in ["ann", "bob"] {
        let created = with_account(store.as_ref(), "members", who).await;
        assert_eq!(created, Created::Created);
    }
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let mut ann = account("members", "ann");
    ann.password_hash = "$argon2id$y".to_owned();
    ann.username = None;
    ann.email_verified = true;
    let event = || Some(Event::new(at(20), EventKind::PasswordChanged, "account"));
    assert!(
        !store
            .replace_account(ann.clone(), 2, event())
            .await
            .unwrap()
    );
    assert!(
        store
            .replace_account(ann.clone(), 1, event())
            .await
            .unwrap()
    );
    assert!(
        !store
            .replace_account(ann.clone(), 1, event())
            .await
            .unwrap()
    );
    ann.version = 2;
    let found = store.account(&members, &ann.subject).await.unwrap();
    assert_eq!(found, Some(ann.clone()));
    let found = store.account_by_login(&members, "ann-x").await.unwrap();
    assert_eq!(found, None, "a name that was given up");
    assert_eq!(store.events(1).await.unwrap(), [event().unwrap()]);
    assert_eq!(
        changes_after(store.as_ref(), newest).await.0,
        [Change::User(user("members", "ann").id)]
    );
    // Somebody else's is refused, and nothing is lost.
    let before = store.events(10).await.unwrap().len();
    ann.email = account("members", "bob").email;
    assert!(!store.replace_account(ann, 2, event()).await.unwrap());
    for (login, who) in [("ann@mail.example", "ann"), ("bob@mail.example", "bob")] {
        let found = store.account_by_login(&members, login).await.unwrap();
        assert_eq!(found.unwrap().subject, name(who));
    }
    assert_eq!(store.events(10).await.unwrap().len(), before);
}

pub(super) async fn a_username_changes_hands_and_two_never_have_it(Fresh { store, .. }: &Store) {
    let members = name("members");
    for who in ["ann", "bob", "cho"] {
        let created = with_account(store.as_ref(), "members", who).await;
        assert_eq!(created, Created::Created);
    }
    let named = |who: &str, username: &str| AccountRecord {
        username: Some(Login {
            typed: username.to_uppercase(),
            normalised: username.to_owned(),
        }),
        ..account("members", who)
    };
    let event = || Some(Event::new(at(20), EventKind::UsernameChanged, "person"));
    let (_, newest) = changes_after(store.as_ref(), 0).await;
    let take = async |who: &str, username: &str, was: u64| {
        let written = store.replace_account(named(who, username), was, event());
        written.await.unwrap()
    };
    let has = async |username: &str| {
        let found = store.account_by_login(&members, username).await.unwrap();
        found.map(|account| account.subject.to_string())
    };
    assert!(!take("ann", "bob-x", 1).await, "somebody has it");
    assert_eq!(has("bob-x").await.as_deref(), Some("bob"));
    assert_eq!(
        has("ann-x").await.as_deref(),
        Some("ann"),
        "nothing is lost"
    );
    assert!(take("ann", "new", 1).await);
    assert_eq!(has("new").await.as_deref(), Some("ann"));
    assert_eq!(has("ann-x").await, None);
    let (changes, _) = changes_after(store.as_ref(), newest).await;
    assert_eq!(changes, [Change::User(user("members", "ann").id)]);
    assert!(take("bob", "ann-x", 1).await, "the old one is free");
    assert_eq!(has("ann-x").await.as_deref(), Some("bob"));
    // Of those who want one at once, one has it.
    let wanted = ["ann", "bob", "cho"].map(|who| {
        let was = if who == "cho" { 1 } else { 2 };
        take(who, "wanted", was)
    });
    let won: Vec<bool> = futures_util::future::join_all(wanted).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let events = store.events(10).await.unwrap();
    let renamed = events
        .iter()
        .filter(|one| one.kind == EventKind::UsernameChanged);
    assert_eq!(renamed.count(), 3);
}
