//! People delete their own account.

use crate::support::{
    Sidecar, Upstream, Visitor,
    forms::Form,
    route,
    visitor::{PASSWORD, Page},
};

fn ask(page: &Page) -> Option<Form> {
    let mut forms = page.forms().into_iter();
    forms.find(|form| form.value("action") == Some("delete-account"))
}

fn id_of(visitor: &mut Visitor) -> Option<String> {
    let me = visitor.me()?;
    Some(me["user"]["id"].as_str().unwrap().to_owned())
}

fn is_there(sidecar: &Sidecar, id: &str) -> bool {
    sidecar.cli(&["users", "show", id]).status.success()
}

#[test]
fn an_account_goes_with_all_its_sessions_and_its_name_to_nobody() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new().route(route("/").to(&upstream)).start();
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice).unwrap();
    let mut elsewhere = sidecar.visitor();
    elsewhere.sign_in("/", "alice", PASSWORD);
    assert_eq!(id_of(&mut elsewhere).as_deref(), Some(id.as_str()));
    let account = alice.go("/.auth/account");
    let page = alice.submit(&account, &ask(&account).unwrap());
    assert_eq!(page.answer.status, 200);
    assert!(page.text().contains("for good"), "{page:?}");
    assert!(is_there(&sidecar, &id), "nothing happens before the answer");
    // without the token of this session nothing happens either
    let confirm = page.form_with("action");
    alice.submit(&page, &confirm.clone().fill("csrf", "forged"));
    assert!(is_there(&sidecar, &id));
    let mut bob = sidecar.signed_up("bob");
    bob.submit(&page, &confirm);
    assert!(is_there(&sidecar, &id) && bob.me().is_some());

    let end = alice.submit(&page, &confirm);
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert!(end.text().contains("Your account is deleted"), "{end:?}");
    assert!(alice.me().is_none() && elsewhere.me().is_none());
    assert!(!is_there(&sidecar, &id));
    let mut again = sidecar.visitor();
    again.sign_in("/", "alice", PASSWORD);
    assert!(again.session().is_none(), "the password opens nothing");
    // Somebody else may sign up by the name, and is another one with another handle.
    let mut other = sidecar.signed_up("alice");
    assert_ne!(id_of(&mut other).as_deref(), Some(id.as_str()));
    let shown = sidecar.cli_json(&["users", "show", &id_of(&mut other).unwrap()]);
    assert_ne!(shown["handle"], "alice");
    assert!(bob.me().is_some(), "others stay");
    let log = sidecar.log();
    assert!(log.contains("user-deleted") && log.contains("person"));
}

#[test]
fn who_signed_in_long_ago_signs_in_again_first() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new().route(route("/").to(&upstream)).start();
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice).unwrap();
    let account = alice.go("/.auth/account");
    let page = alice.submit(&account, &ask(&account).unwrap());
    let confirm = page.form_with("action");
    sidecar.stop();
    sidecar.age_logins();
    sidecar.start_again();
    for form in [ask(&account).unwrap(), confirm] {
        let answer = alice.submit(&account, &form);
        assert_eq!(answer.answer.status, 303, "{}", answer.text());
        assert!(answer.answer.location().contains("/login?"), "{answer:?}");
        assert!(is_there(&sidecar, &id));
    }
    let answer = alice.submit(&account, &ask(&account).unwrap());
    let login = alice.follow(answer);
    let back = alice.try_password(&login, "alice", PASSWORD);
    let account = alice.follow(back);
    assert_eq!(account.url.path(), "/.auth/account");
    let page = alice.submit(&account, &ask(&account).unwrap());
    alice.submit(&page, &page.form_with("action"));
    assert!(!is_there(&sidecar, &id));
}

#[test]
fn the_operator_says_whose_people_may() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new()
        .set("connections.members.delete_account", false)
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice).unwrap();
    let account = alice.go("/.auth/account");
    assert!(ask(&account).is_none());
    let other = account.form_with("action");
    for action in ["delete-account", "delete-account-confirmed"] {
        alice.submit(&account, &other.clone().fill("action", action));
        assert!(is_there(&sidecar, &id), "{action}");
    }
    sidecar.change("connections.members.delete_account", true);
    sidecar.write();
    sidecar.reload();
    assert!(ask(&alice.go("/.auth/account")).is_some());
    // whoever owns the place stays
    sidecar.cli_ok(&["users", "set", &id, "owner=true"]);
    let account = alice.go("/.auth/account");
    assert!(ask(&account).is_none());
    let forged = account
        .form_with("action")
        .fill("action", "delete-account-confirmed");
    alice.submit(&account, &forged);
    assert!(is_there(&sidecar, &id));
}
