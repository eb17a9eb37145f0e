//! What a new password must be like: told before, held against what is sent, and looked up in leaks.

use std::fs;

use crate::support::{Browser, Page, Reply, Sidecar, Upstream, Visitor, route, visitor::PASSWORD};

/// Known from a leak, and otherwise good.
const LEAKED: &str = "purple monkey dishwasher";
/// Its SHA-1.
const LEAKED_SHA1: &str = "DF9F89BDDFD95C5D91C1A6E808C2A61EB3085198";

fn sha1(text: &str) -> String {
    let hash = openssl::sha::sha1(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A list of leaked passwords that is set after somebody has chosen one of them.
fn with_list(sidecar: &mut Sidecar, at_login: &str) {
    let list = sidecar.path("leaked");
    fs::write(&list, format!("{}:7\n", sha1(LEAKED))).unwrap();
    let list = list.to_str().unwrap().to_owned();
    sidecar.change("connections.members.password.breached.file", list);
    sidecar.change("connections.members.password.breached.at_login", at_login);
    sidecar.write();
    sidecar.reload();
}

fn sign_up(sidecar: &Sidecar, name: &str, password: &str) -> (Visitor, Page) {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/signup/members");
    let form = page
        .form_with("password")
        .fill("username", name)
        .fill("password", password);
    let answer = visitor.submit(&page, &form);
    (visitor, answer)
}

/// The rules that a page lists, each with its class.
fn rules(page: &Page) -> Vec<(String, String)> {
    let text = page.text();
    let list = text.split("<ul class=\"rules\"").nth(1).unwrap();
    let list = list.split("</ul>").next().unwrap();
    let items = list.split("<li").skip(1);
    items
        .map(|item| {
            let (tag, text) = item.split_once('>').unwrap();
            let class = tag.split("class=\"").nth(1).unwrap_or("\"");
            let class = class.split('"').next().unwrap().to_owned();
            (class, text.split(" <span").next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn the_rules_are_told_and_held_against_what_is_sent() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.password.classes", 3)
        .set("connections.members.password.most_identical", 2)
        .route(route("/").to(&upstream))
        .start();
    let mut visitor = sidecar.visitor();
    let told = rules(&visitor.go("/.auth/signup/members"));
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(told.iter().all(|(class, _)| class.is_empty()), "{told:?}");
    let (refused, answer) = sign_up(&sidecar, "wilhelmina", "Wilhelmina111");
    assert_eq!(answer.answer.status, 422);
    assert!(refused.session().is_none());
    let judged = rules(&answer);
    let met = |words: &str| {
        let rule = judged.iter().find(|(_, text)| text.contains(words));
        rule.unwrap_or_else(|| panic!("no rule {words:?} in {judged:?}"))
            .0
            == "met"
    };
    assert!(!met("At least 15"));
    assert!(met("3 of these"));
    assert!(!met("equal characters"));
    assert!(!met("your name"));
    assert!(met("common"));
    assert!(
        !answer.text().contains("Wilhelmina111"),
        "it is not shown again"
    );
    let (refused, answer) = sign_up(&sidecar, "wilhelmina", "Correct horse 7 battery");
    assert!(refused.session().is_some(), "{answer:?}");
    let said = sidecar.cli(&["users", "set-password", "wilhelmina", "--json"]);
    assert!(!said.status.success());
}

#[test]
fn a_change_of_the_password_keeps_the_rules_too() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let page = alice.go("/.auth/account");
    let change = |new: &str| {
        let form = page.form_with("new_password");
        form.fill("current_password", PASSWORD)
            .fill("new_password", new)
    };
    for bad in ["too short", "aaaaaaaaaaaaaaaaaaaa", "i am alice and here"] {
        let answer = alice.submit(&page, &change(bad));
        assert_eq!(answer.answer.status, 422, "{bad}");
        let judged = rules(&answer);
        assert!(
            judged.iter().any(|(class, _)| class == "unmet"),
            "{judged:?}"
        );
    }
    let answer = alice.submit(&page, &change("another battery staple"));
    assert_eq!(answer.answer.status, 303, "{answer:?}");
}

#[test]
fn a_leaked_password_is_not_taken_and_the_login_tells() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let (_, answer) = sign_up(&sidecar, "alice", LEAKED);
    assert_eq!(
        answer.answer.status, 303,
        "nothing is known of leaks yet: {answer:?}"
    );
    with_list(&mut sidecar, "warn");
    let (refused, answer) = sign_up(&sidecar, "bob", LEAKED);
    assert!(refused.session().is_none());
    let judged = rules(&answer);
    assert!(judged.contains(&("unmet".to_owned(), "Not known from a data leak".to_owned())));
    let mut alice = sidecar.visitor();
    let told = alice.sign_in("/wanted?x=1", "alice", LEAKED);
    assert!(alice.session().is_some());
    assert!(told.text().contains("known from a data leak"), "{told:?}");
    let links = crate::support::forms::links(&told.text());
    assert_eq!(links, ["/.auth/account#password", "/wanted?x=1"]);
    // Other passwords are told nothing.
    let (bob, _) = sign_up(&sidecar, "bob", PASSWORD);
    assert!(bob.session().is_some());
    let mut bob = sidecar.visitor();
    let there = bob.sign_in("/wanted", "bob", PASSWORD);
    assert!(there.text().contains("upstream got"), "{there:?}");
}

#[test]
fn a_leaked_password_is_replaced_before_there_is_a_session() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let (mut elsewhere, _) = sign_up(&sidecar, "alice", LEAKED);
    with_list(&mut sidecar, "replace");
    let mut alice = sidecar.visitor();
    let asked = alice.sign_in("/wanted", "alice", LEAKED);
    assert!(alice.session().is_none());
    assert!(asked.text().contains("known from a data leak"), "{asked:?}");
    let give = |visitor: &mut Visitor, page: &Page, new: &str| {
        let form = page.form_with("new_password");
        let form = form.fill("password", LEAKED).fill("new_password", new);
        let answer = visitor.submit(page, &form);
        visitor.follow(answer)
    };
    let mut page = asked;
    for bad in [LEAKED, "short", ""] {
        let again = give(&mut alice, &page, bad);
        assert!(alice.session().is_none(), "{bad:?}");
        assert!(again.form_with("new_password").has("password"), "{again:?}");
        page = again;
    }
    // Who does not know the password changes nothing.
    let mut mallory = sidecar.visitor();
    let login = mallory.go("/wanted");
    let form = login.form_with("password").fill("login", "alice");
    let mut form = form.fill("password", "a wrong one");
    form.fields.push((
        "new_password".to_owned(),
        "mallory's own password".to_owned(),
    ));
    mallory.submit(&login, &form);
    assert!(mallory.session().is_none());
    let there = give(&mut alice, &page, "another battery staple");
    assert!(
        there.text().contains("upstream got GET /wanted"),
        "{there:?}"
    );
    assert!(
        elsewhere.me().is_none(),
        "the sessions of the old password are over"
    );
    let mut again = sidecar.visitor();
    again.sign_in("/wanted", "alice", LEAKED);
    assert!(again.session().is_none());
    let there = again.sign_in("/wanted", "alice", "another battery staple");
    assert!(there.text().contains("upstream got"), "{there:?}");
    assert!(sidecar.log_about("password-changed").contains("leaked"));
}

#[test]
fn a_password_that_is_replaced_on_the_way_to_another_account_ends_its_sessions_too() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").to(&upstream))
        .start();
    let mut elsewhere = sidecar.visitor();
    let page = elsewhere.go("/.auth/signup/staff");
    let form = page.form_with("password").fill("username", "al");
    elsewhere.submit(&page, &form.fill("password", LEAKED));
    assert!(elsewhere.me().is_some());
    let list = sidecar.path("leaked");
    fs::write(&list, format!("{LEAKED_SHA1}:7\n")).unwrap();
    let list = list.to_str().unwrap().to_owned();
    sidecar.change("connections.staff.password.breached.file", list);
    sidecar.change("connections.staff.password.breached.at_login", "replace");
    sidecar.write();
    sidecar.reload();
    let mut alice = sidecar.signed_up("alice");
    let account = alice.go("/.auth/account");
    let link = account.forms().into_iter().find(|form| {
        form.value("action") == Some("link") && form.value("connection") == Some("staff")
    });
    let login = alice.submit(&account, &link.unwrap());
    let asked = alice.try_password(&login, "al", LEAKED);
    let form = asked.form_with("new_password").fill("password", LEAKED);
    let form = form.fill("new_password", "another battery staple");
    let question = alice.submit(&asked, &form);
    assert!(
        elsewhere.me().is_none(),
        "the sessions of the old password are over"
    );
    let answer = alice.submit(&question, &question.form_with("ticket"));
    let end = alice.follow(answer);
    assert!(end.text().contains("is added"), "{end:?}");
}

#[test]
fn a_range_api_is_asked_with_five_digits_and_keeps_nobody_out() {
    let upstream = Upstream::start();
    let api = Upstream::start();
    let (range, rest) = LEAKED_SHA1.split_at(5);
    let known = format!("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n{rest}:3\r\n");
    api.on(&format!("/range/{range}"), Reply::ok(&known));
    let sidecar = Sidecar::new()
        .set(
            "connections.members.password.breached.range_api",
            format!("{}/range/", api.url()),
        )
        .route(route("/").to(&upstream))
        .start();
    assert_eq!(sha1(LEAKED), LEAKED_SHA1);
    let (refused, answer) = sign_up(&sidecar, "alice", LEAKED);
    assert_eq!(answer.answer.status, 422);
    assert!(refused.session().is_none());
    let asked = api.seen();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target(), format!("/range/{range}"));
    assert_eq!(asked[0].header("add-padding"), Some("true"));
    assert!(!asked[0].everything().contains(rest));
    // A password that breaks another rule is not asked about.
    sign_up(&sidecar, "alice", "too short");
    assert_eq!(api.seen().len(), 1);
    api.on(&format!("/range/{range}"), Reply::status(503, "not now"));
    let (taken, _) = sign_up(&sidecar, "alice", LEAKED);
    assert!(taken.session().is_some());
    assert!(sidecar.metric("vestibule_breach_lookups_failed_total") >= 1.0);
    let log = sidecar.log();
    assert!(!log.contains(LEAKED) && !log.contains(rest), "{log}");
}

#[test]
fn the_browser_marks_the_rules_while_one_types() {
    let sidecar = Sidecar::new()
        .set("connections.members.password.classes", 3)
        .set("connections.members.password.most_identical", 2)
        .set("connections.members.password.most_sequential", 3)
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    browser.goto(&format!("{}/.auth/signup/members", sidecar.origin()));
    browser.fill("#username", "wilhelmina");
    // Set as a whole: some chromedrivers type no characters beyond the Basic Multilingual Plane.
    let set = |typed: &str| {
        let typed = serde_json::to_string(typed).unwrap();
        browser.script(&format!(
            "const i = document.getElementById('password'); i.value = {typed};\
             i.dispatchEvent(new Event('input', {{bubbles: true}}))"
        ));
    };
    let marks = |typed: &str| {
        set(typed);
        let script = "return Object.fromEntries([...document.querySelectorAll('[data-check]')]\
                      .map(r => [r.dataset.check, r.className]))";
        browser.script(script)
    };
    let said = |typed: &str, rule: &str| marks(typed)[rule].as_str().unwrap().to_owned();
    for (rule, good, bad) in [
        ("length", "123456789 12345", "123456789 1234"),
        (
            "length",
            "🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂",
            "🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂",
        ),
        ("classes", "aB3", "aBc"),
        ("classes", "äÖ-", "äö-"),
        ("identical", "aabaab", "aabbbaa"),
        ("sequential", "abcbcd", "abcde"),
        ("sequential", "987", "9876"),
        ("personal", "something", "I am Wilhelmina!"),
    ] {
        assert_eq!(said(good, rule), "met", "{rule}: {good}");
        assert_eq!(said(bad, rule), "unmet", "{rule}: {bad}");
    }
    // Nothing is wrong with a password that nobody has typed yet.
    set("");
    assert!(!browser.has("li.met, li.unmet"));
    // The form is sent and judged in the same words.
    browser.fill("#password", "wilhelmina1111");
    assert!(browser.has("li.met") && browser.has("li.unmet"));
    for (width, height) in [(360, 900), (1280, 900)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("new-password-typed-{width}-{scheme}"));
        }
    }
    browser
        .click("button[type=submit].primary")
        .shows("does not keep all the rules");
    for (width, height) in [(360, 900), (1280, 900)] {
        browser.screen(width, height);
        browser.screenshot(&format!("new-password-refused-{width}"));
    }
    let console = browser.console();
    let violations: Vec<_> = console
        .iter()
        .filter(|line| line.contains("Content Security"))
        .collect();
    assert!(violations.is_empty(), "{violations:?}");
}
