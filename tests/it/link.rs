//! Linking: one person, several ways to sign in, each proven.

use crate::support::{
    OpenIdProvider, Sidecar, Upstream, Visitor,
    federated::{APP, app, callback, oidc},
    forms::Form,
    openid_provider, route,
    visitor::{PASSWORD, Page},
};

fn two_connections(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").to(upstream))
        .route(route("/").host("wiki.localhost").to(upstream))
        .start()
}

/// Somebody with an account at `staff`.
fn of_staff(sidecar: &Sidecar, name: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/signup/staff");
    visitor.finish_sign_up(&page, name);
    assert!(visitor.me().is_some());
    visitor
}

fn account_form(page: &Page, action: &str, connection: &str) -> Option<Form> {
    page.forms().into_iter().find(|form| {
        form.value("action") == Some(action) && form.value("connection") == Some(connection)
    })
}

/// Begins to link; the page that asks for the password.
fn begin(visitor: &mut Visitor, connection: &str) -> Page {
    let account = visitor.go("/.auth/account");
    let form = account_form(&account, "link", connection).unwrap();
    visitor.submit(&account, &form)
}

/// Agrees that the two accounts become one.
fn agree(visitor: &mut Visitor, question: &Page) -> Page {
    let answer = visitor.submit(question, &question.form_with("ticket"));
    visitor.follow(answer)
}

fn id_of(visitor: &mut Visitor) -> String {
    let me = visitor.me().expect("signed in");
    me["user"]["id"].as_str().unwrap().to_owned()
}

fn sign_in_at_staff(sidecar: &Sidecar, name: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/login/staff");
    visitor.try_password(&page, name, PASSWORD);
    visitor
}

#[test]
fn an_account_that_is_proven_becomes_a_way_in_and_can_be_removed() {
    let upstream = Upstream::start();
    let sidecar = two_connections(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let mut staff = of_staff(&sidecar, "al");
    let (id, other) = (id_of(&mut alice), id_of(&mut staff));
    let account = alice.go("/.auth/account");
    assert!(account_form(&account, "unlink", "members").is_none());
    let login = begin(&mut alice, "staff");
    let question = alice.try_password(&login, "al", PASSWORD);
    assert!(staff.me().is_some(), "nothing happens before the answer");
    let end = agree(&mut alice, &question);
    assert_eq!(end.url.path(), "/.auth/account");
    assert!(end.text().contains("is added"), "{end:?}");
    assert_eq!(id_of(&mut alice), id);
    assert!(staff.me().is_none(), "the other account lives on");
    assert_eq!(
        sidecar.cli(&["users", "show", &other]).status.code(),
        Some(1)
    );
    assert_eq!(id_of(&mut sign_in_at_staff(&sidecar, "al")), id);

    // the one that the user is named after stays
    assert!(account_form(&end, "unlink", "members").is_none());
    let mut forged = account_form(&end, "unlink", "staff").unwrap();
    forged = forged.fill("connection", "members");
    forged = forged.fill("subject", id.strip_prefix("members|").unwrap());
    alice.submit(&end, &forged);
    assert_eq!(id_of(&mut alice), id);
    alice.submit(&end, &account_form(&end, "unlink", "staff").unwrap());
    assert!(alice.me().is_none(), "a session by a way in that is gone");
    let mut whole = sign_in_at_staff(&sidecar, "al");
    assert_eq!(id_of(&mut whole), other, "a user of its own again");
    alice.sign_in("/.auth/account", "alice", PASSWORD);
    assert_eq!(id_of(&mut alice), id);
}

#[test]
fn nobody_takes_what_another_person_keeps() {
    let upstream = Upstream::start();
    let sidecar = two_connections(&upstream);
    let mut alice = sidecar.signed_up("alice");
    of_staff(&sidecar, "al");
    let login = begin(&mut alice, "staff");
    let question = alice.try_password(&login, "al", PASSWORD);
    agree(&mut alice, &question);
    // alice is named after this one and has another
    let mut carol = of_staff(&sidecar, "carol");
    let login = begin(&mut carol, "members");
    let refused = carol.try_password(&login, "alice", PASSWORD);
    assert_eq!(refused.answer.status, 403, "{refused:?}");
    assert!(refused.text().contains("identity-taken"), "{refused:?}");
    let end = carol.go("/.auth/account");
    assert!(account_form(&end, "unlink", "members").is_none());
    // nor does anybody remove what is another's
    let theirs = alice.go("/.auth/account");
    let theirs = account_form(&theirs, "unlink", "staff").unwrap();
    let mut forged = account_form(&end, "link", "staff").unwrap();
    forged = forged.fill("action", "unlink");
    let subject = theirs.value("subject").unwrap().to_owned();
    forged.fields.push(("subject".to_owned(), subject));
    carol.submit(&end, &forged);
    assert_eq!(
        id_of(&mut sign_in_at_staff(&sidecar, "al")),
        id_of(&mut alice)
    );
}

#[test]
fn a_link_is_made_by_the_session_that_began_it_and_no_other() {
    let upstream = Upstream::start();
    let sidecar = two_connections(&upstream);
    let (mut alice, bob) = (sidecar.signed_up("alice"), sidecar.signed_up("bob"));
    let mut staff = of_staff(&sidecar, "al");
    let others = id_of(&mut staff);
    // without its token the form begins nothing
    let account = alice.go("/.auth/account");
    let form = account_form(&account, "link", "staff").unwrap();
    let forged = alice.submit(&account, &form.fill("csrf", "forged"));
    assert!(!forged.forms().iter().any(|form| form.has("flow")));
    let login = begin(&mut alice, "staff");
    let swap = |visitor: &Visitor| {
        let mut swapped = visitor.clone();
        let was = swapped.session().unwrap().clone();
        swapped.jar.retain(|cookie| *cookie != was);
        swapped.jar.push(bob.session().unwrap().clone());
        swapped
    };
    let refused = swap(&alice).try_password(&login, "al", PASSWORD);
    assert_eq!(refused.answer.status, 400, "{refused:?}");
    let question = alice.try_password(&login, "al", PASSWORD);
    let form = question.form_with("ticket");
    let refused = swap(&alice).submit(&question, &form);
    assert_eq!(refused.answer.status, 400, "{refused:?}");
    assert_eq!(id_of(&mut staff), others);
}

/// Whoever once knew a password takes no account along that was closed to them meanwhile.
#[test]
fn what_an_old_password_proved_links_nobody() {
    let upstream = Upstream::start();
    let sidecar = two_connections(&upstream);
    let mut al = of_staff(&sidecar, "al");
    let id = id_of(&mut al);
    let mut password = PASSWORD;
    for (number, end) in ["change", "set-password", "revoke", "block"]
        .into_iter()
        .enumerate()
    {
        let mut mallory = sidecar.signed_up(&format!("mallory{number}"));
        let login = begin(&mut mallory, "staff");
        let question = mallory.try_password(&login, "al", password);
        let form = question.form_with("ticket");
        match end {
            "change" => {
                let page = al.go("/.auth/account");
                let form = page
                    .form_with("current_password")
                    .fill("current_password", password)
                    .fill("new_password", "another battery staple");
                al.submit(&page, &form);
                password = "another battery staple";
            }
            "set-password" => {
                password = "yet another battery staple";
                sidecar.cli_told(&["users", "set-password", "al"], password);
            }
            "revoke" => {
                sidecar.cli_ok(&["sessions", "revoke", "--user", "al"]);
            }
            _ => {
                sidecar.cli_ok(&["users", "block", "al"]);
                sidecar.cli_ok(&["users", "unblock", "al"]);
            }
        }
        let refused = mallory.submit(&question, &form);
        assert_eq!(refused.answer.status, 400, "after {end}: {refused:?}");
        let mut again = sidecar.visitor();
        let page = again.go("/.auth/login/staff");
        again.try_password(&page, "al", password);
        assert_eq!(id_of(&mut again), id, "after {end}");
    }
    // the control: nothing happens meanwhile
    let mut alice = sidecar.signed_up("alice");
    let login = begin(&mut alice, "staff");
    let question = alice.try_password(&login, "al", password);
    let end = agree(&mut alice, &question);
    assert!(end.text().contains("is added"), "{end:?}");
}

#[test]
fn ways_in_are_added_at_the_login_host() {
    let upstream = Upstream::start();
    let sidecar = two_connections(&upstream);
    let mut alice = sidecar.visitor();
    let wiki = sidecar.origin_of("wiki.localhost");
    alice.sign_up(&format!("{wiki}/x"), "alice");
    let there = alice.open(&format!("{wiki}/.auth/account"));
    assert!(account_form(&there, "link", "staff").is_none());
    let way = format!("{}/.auth/account", sidecar.origin());
    assert_eq!(there.answer.location(), way, "{there:?}");
    let account = alice.go(&way);
    let form = account_form(&account, "link", "staff").unwrap();
    let lost = alice.submit(&there, &form);
    assert_eq!(lost.answer.status, 400, "{lost:?}");
    assert!(!lost.forms().iter().any(|form| form.has("flow")));
    let login = alice.submit(&account, &form);
    assert!(login.form_with("password").has("flow"), "{login:?}");
}

/// The way to a provider and back is one way more into the same account; what the provider says of
/// an address plays no part.
#[test]
fn a_login_at_a_provider_becomes_a_way_in_by_asking() {
    let upstream = Upstream::start();
    let sidecar = app()
        .set("connections.members.strategy", "database")
        .set("connections.members.signup", true);
    let client = openid_provider::client(&callback(&sidecar, "op"));
    let provider = OpenIdProvider::start(&[client]);
    let sidecar = oidc(sidecar, "op", &provider.issuer())
        .route(route("/").to(&upstream))
        .start();
    let home = sidecar.origin_of(APP);
    let mut alice = Visitor::new(&home);
    let page = alice.go("/.auth/signup/members");
    alice.finish_sign_up(&page, "alice");
    let id = id_of(&mut alice);
    let there = begin(&mut alice, "op");
    let there = alice.follow(there);
    // nobody has an account by it yet, so there is nothing to be asked
    let end = provider.sign_in(&mut alice, &there, "someone");
    assert_eq!(end.url.path(), "/.auth/account", "{end:?}");
    assert_eq!(id_of(&mut alice), id);
    let sign_in = |login: &str| {
        let mut visitor = Visitor::new(&home);
        let page = visitor.go("/.auth/login/op");
        provider.sign_in(&mut visitor, &page, login);
        visitor
    };
    assert_eq!(id_of(&mut sign_in("someone")), id);
    // alice@example.org of the provider is somebody else
    assert_eq!(id_of(&mut sign_in("alice")), "op|alice");
    alice.submit(&end, &account_form(&end, "unlink", "op").unwrap());
    assert_eq!(id_of(&mut sign_in("someone")), "op|someone");
}
