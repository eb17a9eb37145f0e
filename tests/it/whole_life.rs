//! The whole life of an account, as a person sees it in Chromium: from the sign-up to the last page.

use crate::support::{
    Browser, Sidecar, authenticator::Authenticator, mail_server::MailServer, route,
    visitor::PASSWORD,
};

const NEW: &str = "seven green umbrellas at noon";
const ADDRESS: &str = "alice@example.com";

/// Pictures of a page in both widths and colour schemes, for the eyes of whoever works on it.
fn look(browser: &Browser, name: &str) {
    for (width, height) in [(360, 1600), (1280, 1400)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("life-{name}-{width}-{scheme}"));
        }
    }
}

fn sign_in(browser: &Browser, private: &str, password: &str) {
    browser.goto(private);
    browser.fill("#login", ADDRESS).fill("#password", password);
    browser.click("button[type=submit].primary");
}

fn sign_out(browser: &Browser) {
    browser
        .click("nav form button[type=submit]")
        .shows("signed out");
}

/// The second step of a login, with the code of an app.
fn confirm(browser: &Browser, code: &str, end: &str) {
    browser.shows("Confirm that it is you");
    browser.fill("#code", code).click("form button.primary");
    browser.arrives(end);
}

#[test]
fn from_the_sign_up_to_the_end_of_an_account() {
    let mail = MailServer::start();
    let sidecar = mail
        .behind(Sidecar::new())
        .set("connections.members.login", "email")
        .set("connections.members.verify_email", "required")
        .set("connections.members.second_factor", "optional")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let private = format!("{}/private", sidecar.origin());
    let account = format!("{}/.auth/account", sidecar.origin());
    let browser = Browser::start();

    // Signs up; nothing is open before the address is confirmed by the code of a mail.
    browser.goto(&private);
    browser.click("a[href*='/signup/members']");
    browser.fill("#email", ADDRESS).fill("#password", PASSWORD);
    look(&browser, "1-sign-up");
    browser.click("button[type=submit].primary");
    browser.has("#code");
    look(&browser, "2-check-mail");
    let elsewhere = sidecar.visitor();
    assert!(elsewhere.session().is_none());
    browser.fill("#code", &mail.nth(ADDRESS, 1).code());
    browser.click("button[type=submit].primary");
    browser.arrives(&private);

    // Sets an authenticator app up, on the account page.
    browser.goto(&account);
    browser.shows(ADDRESS);
    look(&browser, "3-account");
    browser.goto(&format!("{account}?add=totp"));
    browser.click("summary");
    let mut app = Authenticator::with(&browser.text(".secret"));
    browser.fill("#code", &app.code());
    browser.click("form button.primary");
    browser.shows("Keep your recovery codes");
    let codes = browser.text(".codes");
    let code = codes.lines().next().unwrap().trim().to_owned();
    browser.goto(&account);
    sign_out(&browser);

    // Signs in with it, then without it: the telephone is lost, and a recovery code is left.
    sign_in(&browser, &private, PASSWORD);
    confirm(&browser, &app.code(), &private);
    browser.goto(&account);
    sign_out(&browser);
    sign_in(&browser, &private, PASSWORD);
    browser.shows("Confirm that it is you");
    browser.click("summary");
    browser.fill("#recovery_code", &code);
    browser.click("details button");
    browser.arrives(&private);
    browser.goto(&account);
    browser.shows("9 recovery codes");
    sign_out(&browser);

    // Forgets the password: the link of a mail leads to a new one, and past no second factor.
    browser.goto(&private);
    browser.click("a[href*='/forgot/']");
    browser.fill("#login", ADDRESS);
    browser.click("button[type=submit].primary");
    look(&browser, "4-forgot");
    let link = mail.nth(ADDRESS, 2).link("reset");
    browser.goto(&format!("{}{link}", sidecar.origin()));
    browser.fill("#new_password", NEW);
    look(&browser, "5-reset");
    browser.click("button[type=submit].primary");
    look(&browser, "6-reset-done");
    sign_in(&browser, &private, PASSWORD);
    browser.shows("do not match");
    sign_in(&browser, &private, NEW);
    confirm(&browser, &app.code(), &private);

    // Sees another session and ends it.
    let other = Browser::start();
    sign_in(&other, &private, NEW);
    confirm(&other, &app.code(), &private);
    browser.goto(&account);
    browser.shows("127.0.0.1").shows("Chrome");
    look(&browser, "7-two-sessions");
    browser
        .click("form:has(input[value='revoke']) button")
        .shows("That session is ended");
    other.goto(&private);
    other.shows("Sign in");
    assert!(other.has("#password"));
    browser.goto(&private);
    browser.arrives(&private);

    // Deletes the account. Nothing opens it again.
    browser.goto(&account);
    browser.click("form:has(input[value='delete-account']) button");
    browser.shows("for good");
    look(&browser, "8-delete");
    browser.click("form button.primary");
    browser.shows("Your account is deleted");
    look(&browser, "9-deleted");
    sign_in(&browser, &private, NEW);
    browser.shows("do not match");
    assert_eq!(
        sidecar.cli_json(&["users", "list", "--json"]),
        serde_json::json!([])
    );
}
