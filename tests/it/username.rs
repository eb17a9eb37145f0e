//! People give themselves another username.

use crate::support::{
    Browser, Sidecar, Upstream, Visitor,
    forms::Form,
    mail_server::MailServer,
    route,
    visitor::{PASSWORD, Page},
};

fn form(page: &Page) -> Option<Form> {
    let mut forms = page.forms().into_iter();
    forms.find(|form| form.value("action") == Some("username"))
}

/// Asks for another name on the account page.
fn rename(visitor: &mut Visitor, name: &str) -> Page {
    let account = visitor.go("/.auth/account");
    let form = form(&account).unwrap().fill("new_username", name);
    visitor.submit(&account, &form)
}

fn before(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .set("connections.members.username.change", true)
        .route(route("/").to(upstream))
}

fn signs_in(sidecar: &Sidecar, login: &str) -> bool {
    let mut visitor = sidecar.visitor();
    visitor.sign_in("/", login, PASSWORD);
    visitor.session().is_some()
}

/// The user's id, handle and username, as `/me` says them.
fn me(visitor: &mut Visitor) -> [String; 3] {
    let me = visitor.me().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let user = &me["user"];
    [
        text(&user["id"]),
        text(&user["handle"]),
        text(&user["profile"]["preferred_username"]),
    ]
}

/// Whether people may, from now on.
fn set(sidecar: &mut Sidecar, change: bool) {
    sidecar.change("connections.members.username.change", change);
    sidecar.write();
    sidecar.reload();
}

#[test]
fn another_username_counts_at_once_and_the_old_one_is_free() {
    let upstream = Upstream::start();
    let server = MailServer::start();
    let sidecar = server.behind(before(&upstream)).start();
    let mut alice = sidecar.signed_up("alice");
    let mut elsewhere = sidecar.visitor();
    elsewhere.sign_in("/", "alice", PASSWORD);
    let [id, handle, _] = me(&mut alice);
    server.nth("alice@example.com", 1);
    let page = rename(&mut alice, " Alicia ");
    assert_eq!(page.answer.status, 303, "{}", page.text());
    let page = alice.follow(page);
    assert!(page.text().contains("Your username is changed"), "{page:?}");
    assert!(
        page.text().contains("You sign in with Alicia."),
        "{}",
        page.text()
    );
    for visitor in [&mut alice, &mut elsewhere] {
        let is = [id.as_str(), handle.as_str(), "Alicia"].map(str::to_owned);
        assert_eq!(me(visitor), is, "the session goes on, with the name");
    }
    assert!(signs_in(&sidecar, "alicia") && signs_in(&sidecar, "alice@example.com"));
    assert!(!signs_in(&sidecar, "alice"), "the old name");
    let mail = server.nth("alice@example.com", 2);
    assert_eq!(mail.subject(), "Your username at Vestibule was changed");
    assert!(mail.text().contains("changed just now"), "{}", mail.text());
    let log = sidecar.log_about("username-changed");
    assert!(log.contains("person") && log.contains(&id), "{log}");
    // Somebody else takes the old one, is another person, and has another handle.
    let mut other = sidecar.visitor();
    let page = other.go("/.auth/signup/members");
    let form = page
        .form_with("password")
        .fill("username", "alice")
        .fill("password", PASSWORD);
    other.submit(&page, &form);
    let [other_id, other_handle, _] = me(&mut other);
    assert!(other_id != id && other_handle != handle);
    // The same name once more changes nothing and tells nobody.
    let changed = sidecar.log_about("username-changed").lines().count();
    let page = rename(&mut alice, "Alicia");
    assert_eq!(page.answer.status, 303);
    assert_eq!(
        sidecar.log_about("username-changed").lines().count(),
        changed
    );
    // Another spelling of one's own is no other name.
    let page = rename(&mut alice, "ALICIA");
    assert_eq!(page.answer.status, 303);
    assert_eq!(me(&mut alice)[2], "ALICIA");
}

#[test]
fn a_name_that_cannot_be_had_is_said_to_be_and_nothing_changes() {
    let upstream = Upstream::start();
    let sidecar = before(&upstream)
        .set("connections.members.username.max_length", 10)
        .start();
    let mut alice = sidecar.signed_up("alice");
    sidecar.signed_up("bob");
    for (name, said) in [
        ("BOB", "Somebody else has this name."),
        ("", "Enter a username."),
        ("a b", "Use only the characters that are named below."),
        ("a@b.example", "A username has no @ in it."),
        ("abcdefghijk", "Use at most 10 characters."),
        ("Root", "This name is not given to anybody here."),
    ] {
        let page = rename(&mut alice, name);
        assert_eq!(page.answer.status, 422, "{name}");
        assert!(page.text().contains(said), "{name}: {}", page.text());
        assert!(page.text().contains("1 to 10 characters"), "{name}");
    }
    // A forged form does nothing, and neither does somebody else's.
    let account = alice.go("/.auth/account");
    let form = form(&account).unwrap().fill("new_username", "eve");
    alice.submit(&account, &form.clone().fill("csrf", "forged"));
    let mut bob = sidecar.visitor();
    bob.sign_in("/", "bob", PASSWORD);
    bob.submit(&account, &form);
    assert!(signs_in(&sidecar, "alice") && signs_in(&sidecar, "bob"));
    assert!(!signs_in(&sidecar, "eve"));
    assert_eq!(sidecar.log_about("username-changed"), "");
}

#[test]
fn who_signed_in_long_ago_signs_in_again_before_a_new_username() {
    let upstream = Upstream::start();
    let mut sidecar = before(&upstream).start();
    let mut alice = sidecar.signed_up("alice");
    sidecar.stop();
    sidecar.age_logins();
    sidecar.start_again();
    let answer = rename(&mut alice, "alicia");
    assert_eq!(answer.answer.status, 303);
    assert!(answer.answer.location().contains("/login?"), "{answer:?}");
    let login = alice.follow(answer);
    let back = alice.try_password(&login, "alice", PASSWORD);
    let account = alice.follow(back);
    assert_eq!(account.url.path(), "/.auth/account");
    assert!(!signs_in(&sidecar, "alicia"));
    rename(&mut alice, "alicia");
    assert!(signs_in(&sidecar, "alicia"));
}

#[test]
fn asking_for_usernames_one_by_one_is_paid_for_like_signing_up() {
    let upstream = Upstream::start();
    let sidecar = before(&upstream)
        .set("protection.sign_up.address", "4/1h")
        .start();
    let mut alice = sidecar.signed_up("alice");
    for name in ["root", "admin", "no"] {
        assert_ne!(rename(&mut alice, name).answer.status, 429, "{name}");
    }
    let page = rename(&mut alice, "bob");
    assert_eq!(page.answer.status, 429);
    assert!(page.text().contains("Too many tries"), "{}", page.text());
    assert!(page.answer.header("retry-after").is_some());
    assert!(!signs_in(&sidecar, "bob"));
}

#[test]
fn of_many_who_want_one_name_at_once_one_has_it() {
    let upstream = Upstream::start();
    let sidecar = before(&upstream).start();
    let names: Vec<String> = (0..8).map(|n| format!("member{n}")).collect();
    let mut visitors: Vec<_> = names.iter().map(|name| sidecar.signed_up(name)).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (visitors.iter_mut())
            .map(|visitor| scope.spawn(|| rename(visitor, "wanted").answer.status))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let won = statuses.iter().filter(|status| **status == 303).count();
    let lost = statuses.iter().filter(|status| **status == 422).count();
    assert_eq!((won, lost), (1, 7), "{statuses:?}");
    assert!(signs_in(&sidecar, "wanted"));
    let old = names.iter().filter(|name| signs_in(&sidecar, name));
    assert_eq!(old.count(), 7, "who lost has the name of before");
    assert_eq!(sidecar.log_about("username-changed").lines().count(), 1);
}

#[test]
fn it_is_for_the_operator_unless_people_may() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    assert!(form(&alice.go("/.auth/account")).is_none());

    let [id, handle, _] = me(&mut alice);
    sidecar.cli_ok(&[
        "users",
        "set",
        &id,
        "username=Admin",
        "user_metadata={\"team\":\"a\"}",
    ]);
    assert!(signs_in(&sidecar, "admin") && !signs_in(&sidecar, "alice"));
    assert_eq!(
        me(&mut alice),
        [id.as_str(), handle.as_str(), "Admin"].map(str::to_owned)
    );
    let shown = sidecar.cli_json(&["users", "show", &id]);
    assert_eq!(shown["user_metadata"]["team"], "a");
    assert!(sidecar.log_about("username-changed").contains("operator"));
    sidecar.signed_up("bob");
    for (name, said) in [("bob", "taken"), ("a b", "character"), ("a@b", "e-mail")] {
        let set = sidecar.cli(&["users", "set", &id, &format!("username={name}")]);
        assert_eq!(set.status.code(), Some(1), "{name}");
        let error = String::from_utf8_lossy(&set.stderr).into_owned();
        assert!(error.contains(said), "{name}: {error}");
    }

    set(&mut sidecar, true);
    let account = alice.go("/.auth/account");
    let form = form(&account).unwrap().fill("new_username", "alicia");
    set(&mut sidecar, false);
    alice.submit(&account, &form);
    assert!(!signs_in(&sidecar, "alicia"), "it is closed by now");
    set(&mut sidecar, true);
    alice.submit(&account, &form);
    assert!(signs_in(&sidecar, "alicia"));
}

#[test]
fn rules_that_cannot_be_meant_are_refused_with_their_line() {
    let sidecar = Sidecar::new();
    for (rules, line, says) in [
        (
            "min_length = 9\nmax_length = 8",
            4,
            "at least 9 and at most 8",
        ),
        (
            "min_length = 2\nmax_length = 129",
            5,
            "129 characters are no bound",
        ),
        ("symbols = '@'", 4, "e-mail address"),
        ("reserved = ['a', '-']", 4, "nobody's name"),
    ] {
        let head = "[connections.members]\nstrategy = 'database'\n[connections.members.username]";
        sidecar.write_text(&format!("{head}\n{rules}\n"));
        let output = sidecar.cli(&["check"]);
        assert_ne!(output.status.code(), Some(0), "{rules}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let at = format!("config.toml:{line}:");
        assert!(said.contains(&at) && said.contains(says), "{rules}: {said}");
    }
}

/// Pictures in both widths and colour schemes, for the eyes of whoever works on it.
fn look(browser: &Browser, name: &str, height: u32) {
    for width in [360, 1280] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("username-{name}-{width}-{scheme}"));
        }
    }
}

#[test]
fn a_browser_shows_the_rules_and_changes_the_name() {
    let sidecar = Sidecar::new()
        .set("connections.members.login", "username")
        .set("connections.members.username.change", true)
        .set("connections.members.username.min_length", 3)
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser.click("a[href*='/signup/members']");
    browser.shows("3 to 64 characters: letters, digits and .\u{a0}_\u{a0}-");
    let submit = "button[type=submit].primary";
    browser
        .fill("#username", "support")
        .fill("#password", PASSWORD);
    browser.click(submit);
    browser.shows("This name is not given to anybody here.");
    look(&browser, "sign-up", 900);
    browser
        .fill("#username", "alice")
        .fill("#password", PASSWORD);
    browser.click(submit);
    browser.arrives(&format!("{}/private", sidecar.origin()));
    browser.goto(&format!("{}/.auth/account", sidecar.origin()));
    browser.shows("You sign in with alice.");
    let form = "section[aria-labelledby=change-username] button";
    browser.fill("#new_username", "al");
    browser.click(form);
    browser.shows("Use at least 3 characters.");
    look(&browser, "account", 2300);
    browser.fill("#new_username", "alicia");
    browser.click(form);
    browser.shows("Your username is changed.");
    browser.shows("You sign in with alicia.");
    assert!(signs_in(&sidecar, "alicia") && !signs_in(&sidecar, "alice"));
}
