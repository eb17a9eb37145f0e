//! Passwords that are empty, guessed, locked, expired, or must be changed.

use super::{attempt, change_password, started};
use crate::support::{Browser, Page, Slapd};

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=org";
const CAROL: &str = "uid=carol,ou=people,dc=example,dc=org";

/// LDAP-1: a bind without a password succeeds, and proves nothing.
#[test]
fn a_password_that_proves_nothing_is_not_asked_about() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    for password in ["", " ", "\t", "\u{a0}", "\0", "alice-secret\0"] {
        let (visitor, page) = attempt(&sidecar, "alice", password);
        assert!(visitor.session().is_none(), "{password:?}: {page:?}");
        assert_eq!(page.answer.status, 422, "{password:?}");
    }
    assert_eq!(slapd.binds(ALICE), 0, "it was asked about one of them");
    attempt(&sidecar, "alice", "wrong");
    assert_eq!(slapd.binds(ALICE), 1);
}

#[test]
fn a_password_that_must_be_changed_is_changed_on_the_way() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let alice = "uid=alice,ou=people,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {alice}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
    ));
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("must be changed"), "{page:?}");
    // the directory has a word in it
    let page = change_password(&mut visitor, &page, "alice-secret", "short");
    assert!(visitor.session().is_none());
    assert!(page.text().contains("is not accepted"), "{page:?}");
    // whoever does not know the old one does not change it
    let other = change_password(&mut visitor, &page, "guessed", "a new one of alice");
    assert!(visitor.session().is_none(), "{other:?}");
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    let page = change_password(&mut visitor, &page, "alice-secret", "a new one of alice");
    assert!(visitor.session().is_some(), "{page:?}");
    let (visitor, _) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_none());
    let (visitor, _) = attempt(&sidecar, "alice", "a new one of alice");
    assert!(visitor.session().is_some());
}

#[test]
fn a_new_password_is_taken_only_where_the_directory_asks_for_one() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/");
    let form = page.form_with("password");
    let mut form = form.fill("login", "alice").fill("password", "alice-secret");
    let extra = ("new_password".to_owned(), "one more field".to_owned());
    form.fields.push(extra);
    visitor.submit(&page, &form);
    assert!(visitor.session().is_some());
    let (visitor, _) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some());
}

#[test]
fn an_expired_password_is_told_to_who_knows_it_alone() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[("change_password", "never".into())]);
    slapd.modify(&format!(
        "dn: {CAROL}\nchangetype: modify\nreplace: userPassword\nuserPassword: carol-secret\n"
    ));
    // it lasts one second
    assert_eventually!({
        let (_, page) = attempt(&sidecar, "carol", "carol-secret");
        page.text().contains("has expired")
    });
    let (visitor, page) = attempt(&sidecar, "carol", "wrong");
    assert!(visitor.session().is_none());
    assert!(!page.text().contains("expired"), "{page:?}");
}

#[test]
fn a_locked_account_looks_like_any_other() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    for _ in 0..3 {
        attempt(&sidecar, "carol", "wrong");
    }
    let (visitor, locked) = attempt(&sidecar, "carol", "carol-secret");
    assert!(visitor.session().is_none());
    assert_eventually!(sidecar.output().contains("Locked"));
    let (_, wrong) = attempt(&sidecar, "alice", "wrong");
    let (_, nobody) = attempt(&sidecar, "nobody", "wrong");
    // what is typed, and what is drawn for each page, is another's
    let plain = |page: &Page, name: &str| {
        let drawn = ["csrf", "flow", "made_for", "action"];
        let text = page.text().replace(name, "NAME");
        let lines = text.lines();
        let kept = lines.filter(|line| !drawn.iter().any(|word| line.contains(word)));
        (page.answer.status, kept.collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(plain(&locked, "carol"), plain(&wrong, "alice"));
    assert_eq!(plain(&locked, "carol"), plain(&nobody, "nobody"));
}

/// LDAP-7: guessing stops here before the directory locks the account, whatever name is used.
#[test]
fn all_names_of_one_person_are_one_budget() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let mut statuses = Vec::new();
    for round in 0..12 {
        let login = if round % 2 == 0 {
            "alice"
        } else {
            "alice@example.org"
        };
        statuses.push(attempt(&sidecar, login, "wrong").1.answer.status);
    }
    assert_eq!(statuses[9], 422, "{statuses:?}");
    assert_eq!(statuses[10..], [429, 429], "{statuses:?}");
    assert_eq!(slapd.binds(ALICE), 10);
}

#[test]
fn in_a_browser_an_expired_password_is_changed_on_one_page() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let alice = "uid=alice,ou=people,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {alice}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
    ));
    let browser = Browser::start();
    let type_in = |field: &str, text: &str| {
        browser.fill(field, text);
    };
    for (width, height) in [(360, 740), (1280, 800)] {
        browser.screen(width, height);
        browser.goto(&sidecar.origin());
        type_in("#login", "alice");
        type_in("#password", "alice-secret");
        browser.click("button[type=submit].primary");
        browser
            .shows("must be changed")
            .screenshot(&format!("new-password-{width}"));
    }
    type_in("#password", "alice-secret");
    type_in("#new_password", "short");
    browser.click("button[type=submit].primary");
    browser
        .shows("is not accepted")
        .screenshot("new-password-refused");
    type_in("#password", "alice-secret");
    type_in("#new_password", "a new one of alice");
    browser.click("button[type=submit].primary");
    browser.arrives(&format!("{}/", sidecar.origin()));
}
