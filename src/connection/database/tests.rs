//! Signing in, signing up, and what guessing costs, with the real store and the real hasher.

use std::{net::IpAddr, path::Path, time::Duration};

use super::*;
use crate::connection::UpstreamParam;
use crate::{
    clock::{ManualClock, Timestamp},
    connection::{
        AccountError, Allowed, Attempt, BadNewPassword, BadUsername, Budgets, KnownBrowser, Rule,
        Seen, SignUp, Throttle, Throttled, UsernameChange,
    },
    crypto::{Cost, Hasher, Pool},
    identity::UserId,
    metrics,
    random::OsRandom,
    secret::Secret,
    store::{Created, Event, EventKind, NewUser, UserRecord, UserStore as _, sql::Sql},
    units::Size,
};

struct World {
    store: Arc<Sql>,
    clock: Arc<ManualClock>,
    parts: Parts,
    throttle: Throttle,
    members: Arc<dyn Connection>,
}

const CHEAP: Cost = Cost {
    memory: Size(64 << 10),
    passes: 1,
    lanes: 1,
};

impl World {
    async fn at(path: &Path, config: &str, budgets: Budgets) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let store = Arc::new(Sql::open_file(path, clock.clone()).await.unwrap());
        let pool = Pool {
            queue: 300,
            deadline: Duration::from_mins(1),
            ..Pool::default()
        };
        let hasher = Hasher::start(CHEAP, pool, Arc::new(OsRandom)).unwrap();
        let parts = Parts {
            pages: "http://localhost:8080/.auth/".parse().unwrap(),
            http: crate::egress::http::Client::new(),
            ring: Arc::new(arc_swap::ArcSwap::from_pointee(
                crate::crypto::KeyRing::of_root(&[7; 32]),
            )),
            keep_tokens: false,
            users: store.clone(),
            once: store.clone(),
            passkeys: Arc::new(crate::connection::passkey::Records::new(
                store.clone(),
                &[7; 32],
                Arc::new(OsRandom),
            )),
            hasher: Arc::new(hasher),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
        };
        let throttle = Throttle::new(store.clone(), clock.clone(), &[7; 32], budgets);
        let members = open(config, &parts).unwrap();
        Self {
            store,
            clock,
            parts,
            throttle,
            members,
        }
    }

    async fn new(config: &str) -> (Self, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let world = Self::at(&folder.path().join("v.db"), config, Budgets::default()).await;
        (world, folder)
    }

    fn accounts(&self) -> &dyn Accounts {
        self.members.accounts().unwrap()
    }

    fn peer(&self, allowed: Option<Allowed>) -> Peer {
        Peer {
            address: None,
            now: self.parts.clock.now(),
            certificate: None,
            channel_binding: None,
            allowed,
            seen: Seen::default(),
        }
    }

    /// Signs up and writes what the admission would write.
    async fn member(&self, email: Option<&str>, username: Option<&str>, password: &str) -> UserId {
        let wish = SignUp {
            email: email.map(ToOwned::to_owned),
            username: username.map(ToOwned::to_owned),
            name: Some("A Name".to_owned()),
            password: Secret::new(password.to_owned()),
            reserved: false,
        };
        let peer = self.peer(Some(Allowed::operator()));
        let prepared = self.accounts().sign_up(wish, &peer).await.unwrap();
        let (identity, ..) = prepared.who.into_parts();
        let id = UserId::new(&identity.connection, &identity.subject);
        let now = self.parts.clock.now();
        let user = UserRecord {
            id: id.clone(),
            handle: identity.subject.to_string(),
            profile: identity.profile.clone(),
            user_metadata: serde_json::Map::new(),
            app_metadata: serde_json::Map::new(),
            blocked: false,
            owner: false,
            synced_by: identity.connection.clone(),
            created_at: now,
            updated_at: now,
            last_login_at: None,
            logins: 0,
            version: 1,
        };
        let new = NewUser {
            user,
            identity,
            account: prepared.account,
            factor: None,
            uses: Vec::new(),
            event: Event::new(now, EventKind::UserCreated, "test"),
        };
        assert_eq!(self.store.create(new).await.unwrap(), Created::Created);
        id
    }

    /// What the flow does with a submitted form.
    async fn sign_in(&self, login: &str, password: &str, from: &From) -> Outcome {
        let body = form(login, password);
        let reply = PasswordReply::parse(&body).unwrap();
        let account = self.members.account_key(reply.login.clone()).await.unwrap();
        let attempt = Attempt {
            account: &account,
            address: from.address,
            browser: from.browser.as_ref(),
        };
        let allowance = match self.throttle.login(attempt).await {
            Ok(allowance) => allowance,
            Err(Throttled::Until(until)) => return Outcome::Throttled(until),
            Err(Throttled::Store(error)) => panic!("{error}"),
        };
        let peer = self.peer(Some(allowance.proof()));
        let kept = ConnectionData::default();
        match self
            .members
            .resume(Some(&kept), Reply::Form(&body), &peer)
            .await
        {
            Ok(Step::Done { who }) => {
                self.throttle.succeeded(allowance).await.unwrap();
                Outcome::In(who)
            }
            Ok(other) => panic!("{other:?}"),
            Err(rejection) => Outcome::Rejected(rejection),
        }
    }
}

fn open(given: &str, parts: &Parts) -> Result<Arc<dyn Connection>, Vec<Problem>> {
    let mut config: Config = toml::from_str(given).unwrap();
    if !given.contains("password") {
        config.password = toml::from_str("min_length = 8").unwrap();
    }
    let common = Common {
        signup: Some(true),
        ..Common::default()
    };
    config.open("members".parse().unwrap(), &common, parts)
}

#[derive(Default)]
struct From {
    address: Option<IpAddr>,
    browser: Option<KnownBrowser>,
}

fn address(text: &str) -> From {
    From {
        address: Some(text.parse().unwrap()),
        browser: None,
    }
}

#[derive(Debug)]
enum Outcome {
    In(Box<Authenticated>),
    Rejected(Rejection),
    Throttled(Timestamp),
}

impl Outcome {
    fn subject(&self) -> Option<&str> {
        match self {
            Self::In(who) => Some(who.identity().subject.as_str()),
            _ => None,
        }
    }

    fn denied_at(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) if rejection.fault == Fault::Denied => Some(rejection.step),
            _ => None,
        }
    }

    fn throttled(&self) -> bool {
        matches!(self, Self::Throttled(_))
    }
}

fn form(login: &str, password: &str) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("login", login)
        .append_pair("password", password)
        .finish()
        .into_bytes()
}

#[tokio::test]
async fn every_spelling_of_both_names_is_one_account() {
    let (world, _folder) = World::new("").await;
    world
        .member(Some("Alice@Example.com"), Some("Alice"), "correct horse")
        .await;
    let here = From::default();
    let first = world.sign_in("alice", "correct horse", &here).await;
    let subject = first.subject().unwrap();
    assert!(
        subject.len() == 20 && !subject.contains("alice"),
        "{subject}"
    );
    for name in [
        "ALICE",
        "alice ",
        "ａｌｉｃｅ",
        "alice@example.com",
        "ALICE@EXAMPLE.COM ",
    ] {
        let again = world.sign_in(name, "correct horse", &here).await;
        assert_eq!(again.subject(), Some(subject), "{name}");
    }
    let Outcome::In(who) = first else { panic!() };
    let profile = &who.identity().profile;
    assert_eq!(who.authentication().amr, ["pwd"]);
    assert_eq!(profile.email.as_deref(), Some("Alice@example.com"));
    assert!(!profile.email_verified);
    assert_eq!(profile.preferred_username.as_deref(), Some("Alice"));
    assert_eq!(
        profile.name.as_deref(),
        Some("A Name"),
        "kept from the sign-up"
    );
    let other = world.sign_in("alice", "correct horse ", &here).await;
    assert_eq!(
        other.denied_at(),
        Some("verify-password"),
        "nothing is trimmed"
    );
}

#[tokio::test]
async fn passwords_are_compared_whole() {
    let (world, _folder) = World::new("").await;
    let mut long = "correct horse battery staple, ".repeat(40);
    long.truncate(1023);
    world.member(None, Some("alice"), &format!("{long}y")).await;
    world.member(None, Some("bob"), "nul\0inside").await;
    let here = From::default();
    assert!(
        world
            .sign_in("alice", &format!("{long}y"), &here)
            .await
            .subject()
            .is_some()
    );
    assert!(
        world
            .sign_in("alice", &format!("{long}z"), &here)
            .await
            .subject()
            .is_none()
    );
    assert!(
        world
            .sign_in("bob", "nul\0inside", &here)
            .await
            .subject()
            .is_some()
    );
    assert!(
        world
            .sign_in("bob", "nul\0insidf", &here)
            .await
            .subject()
            .is_none()
    );
    assert!(world.sign_in("bob", "nul", &here).await.subject().is_none());
}

#[tokio::test]
async fn the_names_that_count_are_those_of_the_setting() {
    let (world, _folder) = World::new("").await;
    world
        .member(Some("alice@example.com"), Some("alice"), "correct horse")
        .await;
    for (config, by_email, by_name) in [
        ("login = \"email\"", true, false),
        ("login = \"username\"", false, true),
        ("login = \"email_or_username\"", true, true),
    ] {
        let members = open(config, &world.parts).unwrap();
        let world = World {
            members,
            store: world.store.clone(),
            clock: world.clock.clone(),
            parts: world.parts.clone(),
            throttle: Throttle::new(
                world.store.clone(),
                world.clock.clone(),
                &[8; 32],
                Budgets::default(),
            ),
        };
        let here = From::default();
        let email = world
            .sign_in("alice@example.com", "correct horse", &here)
            .await;
        let name = world.sign_in("alice", "correct horse", &here).await;
        assert_eq!(email.subject().is_some(), by_email, "{config}");
        assert_eq!(name.subject().is_some(), by_name, "{config}");
    }
}

#[tokio::test]
async fn nobody_and_somebody_are_refused_alike_and_both_cost_a_hash() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    world.member(None, Some("carol"), "correct horse").await;
    world.member(None, Some("dave"), "correct horse").await;
    spoil(&world, "carol", "$argon2id$v=19$m=nonsense").await;
    spoil(&world, "dave", "").await;
    let names = ["alice", "nobody", "carol", "dave"];
    for name in names {
        let outcome = world.sign_in(name, "wrong horse", &From::default()).await;
        assert_eq!(outcome.denied_at(), Some("verify-password"), "{name}");
        let Outcome::Rejected(rejection) = outcome else {
            panic!()
        };
        assert!(
            rejection.source.is_none(),
            "nothing tells them apart: {name}"
        );
    }
    // With a hasher that is never done in time, whoever asks for a hash is told so.
    let pool = Pool {
        deadline: Duration::ZERO,
        ..Pool::default()
    };
    let slow = Cost {
        memory: Size(64 << 20),
        passes: 10,
        lanes: 1,
    };
    let stuck = Hasher::start(slow, pool, Arc::new(OsRandom)).unwrap();
    let parts = Parts {
        hasher: Arc::new(stuck),
        ..world.parts.clone()
    };
    let world = World {
        members: open("", &parts).unwrap(),
        ..world
    };
    for name in ["nobody", "carol", "dave"] {
        let Outcome::Rejected(rejection) = world.sign_in(name, "wrong", &From::default()).await
        else {
            panic!("{name}")
        };
        assert_eq!(rejection.fault, Fault::Busy, "{name} costs no hash");
    }
}

async fn spoil(world: &World, name: &str, hash: &str) {
    let members = "members".parse().unwrap();
    let mut account = world
        .store
        .account_by_login(&members, name)
        .await
        .unwrap()
        .unwrap();
    account.password_hash = hash.to_owned();
    assert!(world.store.replace_account(account, 1, None).await.unwrap());
}

#[tokio::test]
async fn a_password_is_not_looked_at_without_the_proof() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    world.member(None, Some("bob"), "correct horse").await;
    let bob = world
        .members
        .account_key(LoginName::parse("bob").unwrap())
        .await
        .unwrap();
    let attempt = Attempt {
        account: &bob,
        address: None,
        browser: None,
    };
    let for_bob = world.throttle.login(attempt).await.unwrap().proof();
    let sign_up = world.throttle.sign_up(None).await.unwrap().proof();
    let body = form("alice", "correct horse");
    let kept = ConnectionData::default();
    for allowed in [
        None,
        Some(for_bob.clone()),
        Some(sign_up),
        Some(Allowed::operator()),
    ] {
        let peer = world.peer(allowed);
        let rejection = world
            .members
            .resume(Some(&kept), Reply::Form(&body), &peer)
            .await;
        assert_eq!(rejection.unwrap_err().step, "spend-budget");
    }
    let body = form("bob", "correct horse");
    let peer = world.peer(Some(for_bob.clone()));
    assert!(
        world
            .members
            .resume(Some(&kept), Reply::Form(&body), &peer)
            .await
            .is_ok()
    );
    let unasked = world
        .members
        .resume(None, Reply::Form(&body), &peer)
        .await
        .unwrap_err();
    assert_eq!((unasked.fault, unasked.step), (Fault::Denied, "find-flow"));
    let peer = world.peer(Some(for_bob));
    let wish = wish(Some("eve@example.com"), None, "correct horse");
    let error = world.accounts().sign_up(wish, &peer).await.unwrap_err();
    assert!(matches!(error, AccountError::Rejected(r) if r.step == "spend-budget"));
}

fn wish(email: Option<&str>, username: Option<&str>, password: &str) -> SignUp {
    SignUp {
        email: email.map(ToOwned::to_owned),
        username: username.map(ToOwned::to_owned),
        name: None,
        password: Secret::new(password.to_owned()),
        reserved: false,
    }
}

#[tokio::test]
async fn a_sign_up_says_what_is_wrong() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    let try_it = async |wish: SignUp| {
        let paid = world.throttle.sign_up(None).await.unwrap();
        let peer = world.peer(Some(paid.proof()));
        world.accounts().sign_up(wish, &peer).await
    };
    let good = "correct horse";
    let error = |wish| async { try_it(wish).await.unwrap_err().to_string() };
    assert!(
        error(wish(None, Some("ＡＬＩＣＥ"), good))
            .await
            .contains("taken")
    );
    assert!(
        error(wish(None, Some("a@b"), good))
            .await
            .contains("username")
    );
    assert!(
        error(wish(None, Some("a b"), good))
            .await
            .contains("username")
    );
    assert!(
        error(wish(None, Some(&"a".repeat(65)), good))
            .await
            .contains("username")
    );
    assert!(
        error(wish(Some("a@evil@x.com"), None, good))
            .await
            .contains("e-mail")
    );
    assert!(
        error(wish(Some("\"a@evil\"@x.com"), None, good))
            .await
            .contains("e-mail")
    );
    assert!(error(wish(None, None, good)).await.contains("e-mail"));
    assert!(
        error(wish(None, Some("bob"), "seven77"))
            .await
            .contains("8 characters")
    );
    assert!(
        error(wish(None, Some("bob"), &"x".repeat(1025)))
            .await
            .contains("1024")
    );
    let prepared = try_it(wish(Some(" Bob@Example.com "), Some("Bob"), good))
        .await
        .unwrap();
    let account = prepared.account.unwrap();
    assert_eq!(account.email.unwrap().normalised, "bob@example.com");
    assert!(!account.email_verified);
    assert!(account.password_hash.starts_with("$argon2id$"));
    let common = Common::default();
    let config = Box::new(Config::default());
    let closed = config
        .open("members".parse().unwrap(), &common, &world.parts)
        .unwrap();
    let paid = world.throttle.sign_up(None).await.unwrap();
    let peer = world.peer(Some(paid.proof()));
    let wish = wish(None, Some("bob"), good);
    let error = closed
        .accounts()
        .unwrap()
        .sign_up(wish, &peer)
        .await
        .unwrap_err();
    assert!(matches!(error, AccountError::Rejected(r) if r.step == "sign-up-closed"));
}

#[tokio::test]
async fn a_username_is_changed_by_whom_the_settings_let() {
    let (world, _folder) = World::new("username = { change = true }").await;
    let id = world.member(None, Some("alice"), "correct horse").await;
    world.member(None, Some("bob"), "correct horse").await;
    let subject = subject_of(&world, "alice").await;
    let paid = world.throttle.sign_up(None).await.unwrap();
    let person = world.peer(Some(paid.proof()));
    let operator = world.peer(Some(Allowed::operator()));
    let accounts = world.accounts();
    let unpaid = accounts
        .change_username(&subject, "eve", &world.peer(None))
        .await;
    assert!(matches!(unpaid, Err(AccountError::Rejected(r)) if r.step == "spend-budget"));
    let taken = accounts.change_username(&subject, "Bob", &person).await;
    assert!(matches!(taken, Err(AccountError::UsernameTaken)));
    let reserved = accounts.change_username(&subject, "admin", &person).await;
    assert!(matches!(
        reserved,
        Err(AccountError::BadUsername(BadUsername::Reserved))
    ));
    let changed = accounts.change_username(&subject, "Alicia", &person).await;
    let change = UsernameChange {
        was: Some("alice".to_owned()),
        now: "Alicia".to_owned(),
    };
    assert_eq!(changed.unwrap(), Some(change));
    let again = accounts.change_username(&subject, "Alicia", &person).await;
    assert_eq!(again.unwrap(), None);
    let event = &world.store.events(1).await.unwrap()[0];
    assert_eq!(
        (event.kind, event.reason.as_str()),
        (EventKind::UsernameChanged, "person")
    );
    assert_eq!(event.user, Some(id));
    let changed = accounts.change_username(&subject, "admin", &operator).await;
    assert!(changed.unwrap().is_some());

    let closed = open("", &world.parts).unwrap();
    let accounts = closed.accounts().unwrap();
    let refused = accounts.change_username(&subject, "eve", &person).await;
    assert!(matches!(refused, Err(AccountError::Rejected(r)) if r.step == "usernames-stay"));
    let changed = accounts.change_username(&subject, "alice", &operator).await;
    assert!(changed.unwrap().is_some());

    let none = open("login = 'email'", &world.parts).unwrap();
    let accounts = none.accounts().unwrap();
    let refused = accounts.change_username(&subject, "eve", &operator).await;
    assert!(matches!(refused, Err(AccountError::Rejected(r)) if r.step == "usernames-stay"));
}

async fn subject_of(world: &World, login: &str) -> crate::identity::Subject {
    let members = "members".parse().unwrap();
    let account = world.store.account_by_login(&members, login).await;
    account.unwrap().unwrap().subject
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let (world, _folder) = World::new("").await;
    let id = world.member(None, Some("alice"), "correct horse").await;
    let key = world
        .members
        .account_key(LoginName::parse("alice").unwrap())
        .await
        .unwrap();
    let AccountKey::Subject(_, subject) = &key else {
        panic!()
    };
    let secret = |text: &str| Secret::new(text.to_owned());
    let change = async |current: &str, new: &str| {
        let attempt = Attempt {
            account: &key,
            address: None,
            browser: None,
        };
        let paid = world.throttle.login(attempt).await.unwrap();
        let peer = world.peer(Some(paid.proof()));
        world
            .accounts()
            .change_password(subject, &secret(current), &secret(new), &peer)
            .await
    };
    let wrong = change("wrong horse", "battery staple").await;
    assert!(matches!(wrong, Err(AccountError::WrongPassword)));
    let short = change("correct horse", "short").await;
    assert!(matches!(
        short,
        Err(AccountError::BadNewPassword(BadNewPassword::Refused(_)))
    ));
    let unpaid = world.peer(None);
    let unpaid = world
        .accounts()
        .change_password(
            subject,
            &secret("correct horse"),
            &secret("battery staple"),
            &unpaid,
        )
        .await;
    assert!(matches!(unpaid, Err(AccountError::Rejected(r)) if r.step == "spend-budget"));
    change("correct horse", "battery staple").await.unwrap();
    let here = From::default();
    assert!(
        world
            .sign_in("alice", "correct horse", &here)
            .await
            .subject()
            .is_none()
    );
    assert!(
        world
            .sign_in("alice", "battery staple", &here)
            .await
            .subject()
            .is_some()
    );
    world.clock.advance(Duration::from_secs(1));
    let operator = world.peer(Some(Allowed::operator()));
    world
        .accounts()
        .set_password(subject, &secret("third password"), &operator)
        .await
        .unwrap();
    assert!(
        world
            .sign_in("alice", "third password", &here)
            .await
            .subject()
            .is_some()
    );
    let events = world.store.events(10).await.unwrap();
    let changes: Vec<_> = events
        .iter()
        .filter(|e| e.kind == EventKind::PasswordChanged)
        .collect();
    let reasons: Vec<_> = changes.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["set-by-operator", "changed"]);
    assert!(changes.iter().all(|event| event.user.as_ref() == Some(&id)));
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed_at_the_next_login() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    let dearer = Cost { passes: 2, ..CHEAP };
    let hasher = Hasher::start(dearer, Pool::default(), Arc::new(OsRandom)).unwrap();
    let parts = Parts {
        hasher: Arc::new(hasher),
        ..world.parts.clone()
    };
    let world = World {
        members: open("", &parts).unwrap(),
        ..world
    };
    let members = "members".parse().unwrap();
    let hash = async || {
        let account = world
            .store
            .account_by_login(&members, "alice")
            .await
            .unwrap()
            .unwrap();
        account.password_hash
    };
    assert!(hash().await.contains("t=1"));
    assert!(
        world
            .sign_in("alice", "wrong horse", &From::default())
            .await
            .subject()
            .is_none()
    );
    assert!(hash().await.contains("t=1"));
    assert!(
        world
            .sign_in("alice", "correct horse", &From::default())
            .await
            .subject()
            .is_some()
    );
    assert!(hash().await.contains("t=2"));
    assert!(
        world
            .sign_in("alice", "correct horse", &From::default())
            .await
            .subject()
            .is_some()
    );
}

#[tokio::test]
async fn an_attacker_empties_the_budget_and_the_owner_still_comes_in() {
    let (world, _folder) = World::new("").await;
    world
        .member(Some("alice@example.com"), Some("alice"), "correct horse")
        .await;
    let account = world
        .members
        .account_key(LoginName::parse("alice").unwrap())
        .await
        .unwrap();
    // All spellings and both names spend the same budget, from all addresses of a network.
    let spellings = [
        "alice",
        "ALICE",
        "alice@example.com",
        "ａｌｉｃｅ",
        "alice ",
    ];
    for i in 0_u8..10 {
        let name = spellings[usize::from(i) % spellings.len()];
        let outcome = world
            .sign_in(name, "a guess", &address(&format!("198.51.100.{i}")))
            .await;
        assert_eq!(outcome.denied_at(), Some("verify-password"), "{i}");
    }
    for name in spellings {
        assert!(
            world
                .sign_in(name, "correct horse", &address("198.51.100.7"))
                .await
                .throttled()
        );
    }
    let known = KnownBrowser {
        account: account.clone(),
        browser: [1; 16],
    };
    let owner = From {
        browser: Some(known.clone()),
        ..address("198.51.100.1")
    };
    for _ in 0..12 {
        let outcome = world.sign_in("alice", "correct horse", &owner).await;
        assert!(
            outcome.subject().is_some(),
            "a success costs nothing: {outcome:?}"
        );
    }
    // A browser known to somebody else is a stranger here.
    world.member(None, Some("mallory"), "correct horse").await;
    let name = LoginName::parse("mallory").unwrap();
    let mallory = world.members.account_key(name).await.unwrap();
    let other = KnownBrowser {
        account: mallory,
        browser: [2; 16],
    };
    let thief = From {
        browser: Some(other),
        ..address("198.51.100.8")
    };
    assert!(world.sign_in("alice", "a guess", &thief).await.throttled());
    // The owner's browser has a budget too, and it is that browser's alone.
    for _ in 0..10 {
        assert!(
            world
                .sign_in("alice", "a typo", &owner)
                .await
                .denied_at()
                .is_some()
        );
    }
    assert!(
        world
            .sign_in("alice", "correct horse", &owner)
            .await
            .throttled()
    );
    let second = KnownBrowser {
        account,
        browser: [3; 16],
    };
    let second = From {
        browser: Some(second),
        ..From::default()
    };
    assert!(
        world
            .sign_in("alice", "correct horse", &second)
            .await
            .subject()
            .is_some()
    );
    world.clock.advance(Duration::from_mins(15));
    let later = world
        .sign_in("alice", "correct horse", &address("203.0.113.9"))
        .await;
    assert!(later.subject().is_some(), "a window ends");
}

#[tokio::test]
async fn an_empty_shared_budget_leaves_each_network_a_few_tries() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    for i in 0..10 {
        let guess = address(&format!("198.51.100.{i}"));
        world.sign_in("alice", "a guess", &guess).await;
    }
    let guess = address("198.51.100.10");
    assert!(world.sign_in("alice", "a guess", &guess).await.throttled());
    // The owner on a new device uses none of them up.
    for _ in 0..4 {
        let new_device = address("203.0.113.7");
        let outcome = world.sign_in("alice", "correct horse", &new_device).await;
        assert!(outcome.subject().is_some(), "locked out: {outcome:?}");
    }
    for i in 0..3 {
        let guess = address(&format!("192.0.2.{i}"));
        let outcome = world.sign_in("alice", "a guess", &guess).await;
        assert_eq!(outcome.denied_at(), Some("verify-password"), "{i}");
    }
    let guess = address("192.0.2.9");
    assert!(world.sign_in("alice", "a guess", &guess).await.throttled());
}

#[tokio::test]
async fn the_last_passwords_are_not_taken_again() {
    let (world, _folder) = World::new("password.history = 3").await;
    world
        .member(None, Some("alice"), "first correct horse")
        .await;
    let stored = async || {
        let found = (world.store)
            .account_by_login(&"members".parse().unwrap(), "alice")
            .await;
        found.unwrap().unwrap()
    };
    let subject = stored().await.subject;
    let change = async |current: &str, new: &str| {
        let key = AccountKey::Subject("members".parse().unwrap(), subject.clone());
        let attempt = Attempt {
            account: &key,
            address: None,
            browser: None,
        };
        let paid = world.throttle.login(attempt).await.unwrap();
        let peer = world.peer(Some(paid.proof()));
        world.throttle.succeeded(paid).await.unwrap();
        let secret = |text: &str| Secret::new(text.to_owned());
        let changed = world
            .accounts()
            .change_password(&subject, &secret(current), &secret(new), &peer)
            .await;
        match changed {
            Ok(()) => true,
            Err(AccountError::BadNewPassword(BadNewPassword::Refused(judged))) => {
                let unmet: Vec<_> = judged.iter().filter(|one| one.met != Some(true)).collect();
                assert_eq!(unmet.len(), 1, "{unmet:?}");
                assert_eq!(unmet[0].rule, Rule::NotUsedBefore { last: 3 });
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    let [first, second, third, fourth] =
        ["first", "second", "third", "fourth"].map(|word| format!("{word} correct horse"));
    assert!(!change(&first, &first).await, "the present one");
    assert!(change(&first, &second).await);
    assert!(change(&second, &third).await);
    for before in [&first, &second, &third] {
        assert!(!change(&third, before).await, "{before}");
    }
    assert!(change(&third, &fourth).await);
    assert_eq!(stored().await.previous_hashes.len(), 3);
    assert!(change(&fourth, &first).await, "four ago");
    let accounts = world.accounts();
    let next = accounts.next_password_rules();
    assert!(next.contains(&Rule::NotUsedBefore { last: 3 }));
    assert_eq!(accounts.password_rules().len() + 1, next.len());
}

/// What `[protection]` says.
fn budgets(protection: &str) -> Budgets {
    Budgets::open(&toml::from_str(protection).unwrap()).unwrap()
}

#[tokio::test]
async fn an_address_has_its_budget_for_a_day_and_accounts_for_less() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    let from = address("192.0.2.1");
    for number in 0..100 {
        let name = format!("nobody{number}");
        let outcome = world.sign_in(&name, "a guess", &from).await;
        assert!(!outcome.throttled(), "{number}");
    }
    let right = async || world.sign_in("alice", "correct horse", &from).await;
    assert!(right().await.throttled());
    world.clock.advance(Duration::from_hours(23));
    assert!(right().await.throttled());
    world.clock.advance(Duration::from_hours(1));
    assert!(right().await.subject().is_some());
}

#[tokio::test]
async fn whoever_is_allowed_shares_no_budget_of_an_address_but_that_of_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let protection = "allow = ['192.0.2.0/24']\n[login]\naddress = '2/1h'\nnetwork = '2/1h'\n\
        [sign_up]\naddress = '1/1h'\nnetwork = '1/1h'\nall = '2/1h'";
    let world = World::at(&folder.path().join("v.db"), "", budgets(protection)).await;
    let (office, elsewhere) = (address("192.0.2.7"), address("198.51.100.7"));
    for number in 0..20 {
        let name = format!("nobody{number}");
        let outcome = world.sign_in(&name, "a guess", &office).await;
        assert!(!outcome.throttled(), "{number}");
        let outcome = world.sign_in(&name, "a guess", &elsewhere).await;
        assert_eq!(outcome.throttled(), number >= 2, "{number}");
        assert!(world.throttle.is_left_to(office.address).await.is_ok());
    }
    for number in 0..11 {
        let outcome = world.sign_in("alice", "a guess", &office).await;
        assert_eq!(outcome.throttled(), number == 10, "{number}");
    }
    // Sign-ups from there are counted by all alone.
    let sign_up = async |from: &From| world.throttle.sign_up(from.address).await.is_ok();
    assert!(sign_up(&office).await && sign_up(&office).await && !sign_up(&office).await);
    assert!(!sign_up(&elsewhere).await);
}

#[tokio::test]
async fn where_budgets_are_only_watched_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let protection = "mode = 'monitor'\n[login]\naddress = '2/1h'\n[sign_up]\naddress = '1/1h'";
    let world = World::at(&folder.path().join("v.db"), "", budgets(protection)).await;
    let from = address("192.0.2.1");
    let monitored = |counts: &str| {
        metrics::THROTTLED
            .with_label_values(&[counts, "monitored"])
            .get()
    };
    let before = [monitored("login-address"), monitored("sign-up-address")];
    for _ in 0..4 {
        assert!(!world.sign_in("alice", "a guess", &from).await.throttled());
        assert!(world.throttle.is_left_to(from.address).await.is_ok());
        assert!(world.throttle.sign_up(from.address).await.is_ok());
    }
    let after = [monitored("login-address"), monitored("sign-up-address")];
    // Two tries, and three questions whether something is left.
    assert_eq!([after[0] - before[0], after[1] - before[1]], [5, 3]);
    // It is enforced at once when the settings say so, with what was counted.
    let enforced = "[login]\naddress = '2/1h'\n[sign_up]\naddress = '1/1h'";
    world.throttle.use_budgets(budgets(enforced));
    assert!(world.sign_in("alice", "a guess", &from).await.throttled());
}

#[tokio::test]
async fn what_is_left_to_an_address_is_asked_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut budgets = budgets("[login]\naddress = '3/15m'\nnetwork = '5/15m'\nall = '8/15m'");
    budgets.scarce = 1;
    let world = World::at(&folder.path().join("v.db"), "", budgets).await;
    let guess = async |from: &str, times: u32| {
        for number in 0..times {
            let name = format!("nobody{number}.{from}");
            let outcome = world.sign_in(&name, "a guess", &address(from)).await;
            assert!(outcome.denied_at().is_some(), "{outcome:?}");
        }
    };
    let is_left = async |from: &str| {
        let left = world.throttle.is_left_to(address(from).address).await;
        left.map_err(|throttled| assert!(matches!(throttled, Throttled::Until(_))))
            .is_ok()
    };
    for _ in 0..9 {
        assert!(is_left("192.0.2.1").await, "asking spends something");
    }
    guess("192.0.2.1", 3).await;
    assert!(!is_left("192.0.2.1").await);
    assert!(is_left("192.0.2.2").await);
    guess("192.0.2.2", 2).await;
    assert!(!is_left("192.0.2.3").await, "the network's is spent");
    guess("198.51.100.1", 1).await;
    assert!(is_left("198.51.100.1").await);
    guess("203.0.113.1", 2).await;
    assert!(!is_left("198.51.100.1").await, "that of all is spent");
    assert!(is_left("10.0.0.1").await);
}

#[tokio::test]
async fn an_address_has_a_budget_that_a_success_does_not_clear() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = budgets("[login]\naddress = '50/15m'\nnetwork = '200/15m'");
    let world = World::at(&folder.path().join("v.db"), "", budgets).await;
    world.member(None, Some("mallory"), "correct horse").await;
    let mut guesses = 0;
    for i in 0..60_u32 {
        // The whole /64 is one client.
        let from = address(&format!("2001:db8:0:1::{i:x}"));
        match world.sign_in(&format!("victim{i}"), "a guess", &from).await {
            Outcome::Throttled(until) => assert_eq!(until.millis(), 1_000_000 + 900_000),
            outcome => {
                assert!(outcome.denied_at().is_some());
                guesses += 1;
            }
        }
        world.sign_in("mallory", "correct horse", &from).await;
    }
    assert!((49..=50).contains(&guesses), "{guesses}");
    let neighbour = world
        .sign_in("victim1", "a guess", &address("2001:db8:0:2::1"))
        .await;
    assert!(neighbour.denied_at().is_some());
    // The networks around it share another one: 51 of 200 are spent.
    let mut guesses = 51;
    for i in 0..200_u32 {
        let from = address(&format!("2001:db8:0:{:x}::1", 3 + i / 40));
        let guess = world.sign_in(&format!("other{i}"), "a guess", &from).await;
        guesses += u32::from(!guess.throttled());
    }
    assert_eq!(guesses, 200);
    let elsewhere = address("2001:db8:1:3::1");
    let elsewhere = world.sign_in("other0", "a guess", &elsewhere).await;
    assert!(elsewhere.denied_at().is_some());
    let mapped = address("::ffff:192.0.2.1");
    let plain = address("192.0.2.1");
    for i in 0..50 {
        let from = if i % 2 == 0 { &mapped } else { &plain };
        assert!(
            !world
                .sign_in(&format!("v{i}"), "a guess", from)
                .await
                .throttled(),
            "{i}"
        );
    }
    assert!(world.sign_in("v99", "a guess", &plain).await.throttled());
    assert!(world.sign_in("v99", "a guess", &mapped).await.throttled());
}

#[tokio::test]
async fn a_refused_try_costs_the_other_budgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = budgets("[login]\naccount = '3/15m'\naddress = '5/15m'\nall = '6/15m'");
    let world = World::at(&folder.path().join("v.db"), "", budgets).await;
    let from = address("192.0.2.1");
    for _ in 0..30 {
        world.sign_in("alice", "a guess", &from).await;
    }
    // Three failures counted against the address, not thirty; then the address is done.
    assert!(!world.sign_in("bob", "a guess", &from).await.throttled());
    assert!(!world.sign_in("bob", "a guess", &from).await.throttled());
    assert!(world.sign_in("bob", "a guess", &from).await.throttled());
    // And bob's account has one left for somebody near, who spends the last one of all.
    assert!(
        !world
            .sign_in("bob", "a guess", &address("192.0.2.2"))
            .await
            .throttled()
    );
    assert!(
        world
            .sign_in("carol", "a guess", &address("192.0.2.3"))
            .await
            .throttled()
    );
    // That leaves a few for each network, and nobody is refused who comes from another one.
    for (number, throttled) in [(1, false), (2, false), (3, false), (4, true)] {
        let from = address(&format!("203.0.113.{number}"));
        let guess = world
            .sign_in(&format!("dave{number}"), "a guess", &from)
            .await;
        assert_eq!(guess.throttled(), throttled, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_guesses_at_once_are_ten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.db");
    let world = Arc::new(World::at(&path, "", Budgets::default()).await);
    world.member(None, Some("alice"), "correct horse").await;
    let tries: Vec<_> = (0..200)
        .map(|i| {
            let world = world.clone();
            tokio::spawn(async move {
                let from = address(&format!("10.0.0.{}", i % 250));
                world.sign_in("alice", &format!("guess {i}"), &from).await
            })
        })
        .collect();
    let mut hashed = 0;
    for outcome in futures_util::future::join_all(tries).await {
        hashed += usize::from(!outcome.unwrap().throttled());
    }
    assert_eq!(hashed, 10);
    // A restart does not give a new budget.
    let World { store, .. } = Arc::into_inner(world).unwrap();
    store.close().await;
    drop(store);
    let world = World::at(&path, "", Budgets::default()).await;
    assert!(
        world
            .sign_in("alice", "correct horse", &address("10.0.0.1"))
            .await
            .throttled()
    );
}

#[tokio::test]
async fn sign_ups_from_one_address_run_out() {
    let (world, _folder) = World::new("").await;
    let here = Some("192.0.2.1".parse().unwrap());
    for _ in 0..50 {
        let paid = world.throttle.sign_up(here).await.unwrap();
        world.throttle.succeeded(paid).await.unwrap();
    }
    assert!(matches!(
        world.throttle.sign_up(here).await,
        Err(Throttled::Until(_))
    ));
    assert!(
        world
            .throttle
            .sign_up(Some("192.0.2.2".parse().unwrap()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn sign_ups_from_many_addresses_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let budgets = budgets("[sign_up]\naddress = '3/1h'\nnetwork = '4/1h'\nall = '6/1h'");
    let world = World::at(&folder.path().join("v.db"), "", budgets).await;
    let sign_up = async |from: &str| {
        let paid = world.throttle.sign_up(Some(from.parse().unwrap())).await;
        paid.ok()
    };
    for (subnet, allowed) in [(1, true), (2, true), (3, true), (4, true), (5, false)] {
        let paid = sign_up(&format!("2001:db8:0:{subnet}::1")).await;
        assert_eq!(paid.is_some(), allowed, "{subnet}");
    }
    // A sign-up that makes nobody is paid for where it came from, but not by all.
    for _ in 0..3 {
        let paid = sign_up("192.0.2.1").await.expect("paid");
        world.throttle.made_nobody(paid).await;
    }
    assert!(sign_up("192.0.2.1").await.is_none());
    for (network, allowed) in [(3, true), (4, true), (5, false)] {
        let paid = sign_up(&format!("192.0.{network}.1")).await;
        assert_eq!(paid.is_some(), allowed, "{network}");
    }
}

#[tokio::test]
async fn a_broken_store_denies() {
    let (world, _folder) = World::new("").await;
    world.member(None, Some("alice"), "correct horse").await;
    let account = world
        .members
        .account_key(LoginName::parse("alice").unwrap())
        .await
        .unwrap();
    let attempt = Attempt {
        account: &account,
        address: None,
        browser: None,
    };
    let proof = world.throttle.login(attempt).await.unwrap().proof();
    world.store.close().await;
    assert!(matches!(
        world.throttle.login(attempt).await,
        Err(Throttled::Store(_))
    ));
    assert!(matches!(
        world.throttle.sign_up(None).await,
        Err(Throttled::Store(_))
    ));
    let body = form("alice", "correct horse");
    let kept = ConnectionData::default();
    let peer = world.peer(Some(proof));
    let rejection = world
        .members
        .resume(Some(&kept), Reply::Form(&body), &peer)
        .await
        .unwrap_err();
    assert_eq!(rejection.fault, Fault::Internal);
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused() {
    let (world, _folder) = World::new("").await;
    for least in [0, 7, 65] {
        let config = format!("password = {{ min_length = {least} }}");
        let problems = open(&config, &world.parts).unwrap_err();
        assert_eq!(problems[0].key, "password.min_length");
    }
    let config = "login = 'email'\nusername = { change = true }";
    let problems = open(config, &world.parts).unwrap_err();
    assert_eq!(problems[0].key, "username.change");
    let elsewhere: Config = toml::from_str("username = { change = true }").unwrap();
    assert_eq!(elsewhere.problems_elsewhere()[0].key, "username.change");
    let common = Common {
        trust_email: TrustEmail::Always,
        claims: [(crate::connection::config::Field::Name, "cn".to_owned())].into(),
        upstream_params: [("a".to_owned(), UpstreamParam::Text("b".to_owned()))].into(),
        ..Common::default()
    };
    let config = Box::new(Config::default());
    let problems = config
        .open("m".parse().unwrap(), &common, &world.parts)
        .unwrap_err();
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["trust_email", "claims", "upstream_params"]);
    assert!(toml::from_str::<Config>("min_length = 8").is_err());
}
