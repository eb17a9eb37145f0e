//! What mails lead to, and mails themselves, in Chromium.

use crate::support::{Browser, Sidecar, mail_server::MailServer, route, visitor::PASSWORD};

const NEW: &str = "seven green umbrellas at noon";

/// Keeps pictures of what is shown, small and large, light and dark, and holds it to the widths.
#[track_caller]
fn look(browser: &Browser, name: &str, height: u32) {
    for (width, size) in [(360, "small"), (1280, "large")] {
        browser.screen(width, height);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.screenshot(&format!("mail-{name}-{size}-{scheme}"));
        }
        let wide = browser.script("return document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{name}: {wide}");
    }
    browser.prefer("light");
}

#[test]
fn a_person_who_forgot_their_password_gets_in_again() {
    let server = MailServer::start();
    let sidecar = server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "off")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    drop(sidecar.signed_up("alice"));
    let browser = Browser::start();
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser.click("a[href*='/forgot/members']");
    browser.shows("Forgot your password?");
    look(&browser, "forgot", 800);
    browser.fill("#login", "alice@example.com");
    browser.click("button[type=submit].primary");
    browser.shows("Check your mail");
    let mail = server.nth("alice@example.com", 1);
    browser
        .fill("#code", "000000")
        .click("button[type=submit].primary");
    browser.shows("This code is not right");
    look(&browser, "check", 800);
    browser
        .fill("#code", &mail.code())
        .click("button[type=submit].primary");
    browser.shows("Choose a new password");
    browser
        .fill("#new_password", "short")
        .click("button[type=submit].primary");
    browser.shows("This password does not keep all the rules.");
    look(&browser, "reset", 900);
    browser
        .fill("#new_password", NEW)
        .click("button[type=submit].primary");
    browser.shows("Your password is changed");
    look(&browser, "done", 800);
    browser.click("a.primary");
    browser
        .fill("#login", "alice")
        .fill("#password", NEW)
        .click("button[type=submit].primary");
    browser.shows("members|");
    // The link of a mail that is no longer good, as somebody finds it later.
    browser.goto(&format!("{}{}", sidecar.origin(), mail.link("reset")));
    browser.shows("does not work any more");
    assert!(
        browser
            .console()
            .iter()
            .all(|line| !line.contains("Refused"))
    );
}

#[test]
fn an_address_is_confirmed_on_the_way_in() {
    let server = MailServer::start();
    let sidecar = server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "required")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    browser.goto(&format!("{}/wanted?x=1#part", sidecar.origin()));
    browser.click("a[href*='/signup/members']");
    browser.fill("#email", "bob@example.com");
    browser.fill("#username", "bob");
    browser
        .fill("#password", PASSWORD)
        .click("button[type=submit]");
    browser.shows("Check your mail");
    look(&browser, "verify", 800);
    let mail = server.nth("bob@example.com", 1);
    let other = Browser::start();
    other.goto(&format!("{}{}", sidecar.origin(), mail.link("verify")));
    other.shows("Is bob@example.com your address?");
    look(&other, "confirm", 800);
    browser
        .fill("#code", &mail.code())
        .click("button[type=submit].primary");
    browser.shows("members|");
    assert!(
        browser.url().ends_with("/wanted?x=1#part"),
        "{}",
        browser.url()
    );
    other.click("button[type=submit].primary");
    other.shows("does not work any more");
    look(&other, "gone", 800);
}

#[test]
fn mails_look_good() {
    let server = MailServer::start();
    let sidecar = server
        .behind(Sidecar::new())
        .set("pages.title", "Acme Field Notes")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let mut carol = sidecar.visitor();
    let page = carol.go("/.auth/signup/members");
    carol.submit_sign_up(&page, "carol");
    let page = carol.go("/.auth/forgot/members");
    let form = page.form_with("login").fill("login", "carol");
    carol.submit(&page, &form);
    server.nth("carol@example.com", 2);
    let browser = Browser::start();
    for (mail, name) in server
        .of("carol@example.com")
        .iter()
        .zip(["mail-a", "mail-b"])
    {
        let file = sidecar.path(format!("{name}.html"));
        std::fs::write(&file, mail.html()).unwrap();
        browser.goto(&format!("file://{}", file.display()));
        look(&browser, name, 900);
    }
    browser.goto(&format!("{}/.auth/login", sidecar.origin()));
}
