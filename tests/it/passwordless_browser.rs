//! Sign-in by a message, in Chromium: the code, and the link in the same browser and in another.

use crate::support::{Browser, Sidecar, mail_server::MailServer, route, sidecar::list};

const ANN: &str = "ann@example.com";

/// Keeps pictures of what is shown, small and large, light and dark, and holds it to the widths.
#[track_caller]
pub(crate) fn look(browser: &Browser, name: &str, height: u32) {
    for (width, size) in [(360, "small"), (1280, "large")] {
        browser.screen(width, height);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.screenshot(&format!("passwordless-{name}-{size}-{scheme}"));
        }
        let wide = browser.script("return document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{name}: {wide}");
    }
    browser.prefer("light");
}

fn site(server: &MailServer) -> Sidecar {
    server
        .behind(Sidecar::new())
        .without("connections.members")
        .set("connections.mail.strategy", "email")
        .route(route("/").set("upstream", "builtin:demo"))
}

/// Asks for a message on the way to a page.
fn ask(browser: &Browser, sidecar: &Sidecar) {
    browser.goto(&format!("{}/wanted?x=1#part", sidecar.origin()));
    browser.fill("#login", ANN);
    browser.click("button[type=submit].primary");
    browser.shows("Check your mail");
}

#[track_caller]
fn is_in(browser: &Browser) {
    browser.shows("mail|ann@example.com");
    let url = browser.url();
    assert!(url.ends_with("/wanted?x=1#part"), "{url}");
    let console = browser.console();
    assert!(!console.iter().any(|line| line.contains("Refused")));
}

#[test]
fn a_code_is_typed_where_it_was_asked_for() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let browser = Browser::start();
    ask(&browser, &sidecar);
    let mail = server.nth(ANN, 1);
    look(&browser, "check", 800);
    browser.fill("#code", "000000");
    browser.click("button[type=submit].primary");
    browser.shows("This code is not right");
    look(&browser, "wrong", 800);
    browser.fill("#code", &mail.code());
    browser.click("button[type=submit].primary");
    is_in(&browser);

    let file = sidecar.path("mail.html");
    std::fs::write(&file, mail.html()).unwrap();
    browser.goto(&format!("file://{}", file.display()));
    look(&browser, "mail", 900);
}

#[test]
fn a_link_signs_in_the_browser_that_asked_after_one_press() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let browser = Browser::start();
    ask(&browser, &sidecar);
    let link = server.nth(ANN, 1).link("code");
    browser.goto(&format!("{}{link}", sidecar.origin()));
    browser.shows(ANN);
    look(&browser, "confirm", 800);
    browser.click("button[type=submit].primary");
    // A link knows no fragment: it is the page that was wanted all the same.
    browser.shows("mail|ann@example.com");
    assert!(browser.url().contains("/wanted?x=1"), "{}", browser.url());
}

#[test]
fn a_link_opened_in_another_browser_shows_what_to_type_in_the_first() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let browser = Browser::start();
    ask(&browser, &sidecar);
    let link = server.nth(ANN, 1).link("code");
    let phone = Browser::start();
    phone.goto(&format!("{}{link}", sidecar.origin()));
    phone.shows("Type this code where you began");
    phone.shows("Chrome");
    look(&phone, "elsewhere", 800);
    let code = phone.text("#code");
    assert!(phone.cookies().is_empty(), "{:?}", phone.cookies());
    browser.fill("#code", &code);
    browser.click("button[type=submit].primary");
    is_in(&browser);
    phone.goto(&sidecar.origin());
    phone.shows("Send me a code");
}

#[test]
fn the_second_step_by_mail_is_typed_like_any_code() {
    let server = MailServer::start();
    let sidecar = server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "required")
        .set("connections.members.second_factor", "required")
        .set("connections.members.second_factor_by_email", true)
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/signup/members");
    let page = visitor.submit_sign_up(&page, "ann");
    let form = page.form_with("code");
    let code = server.nth(ANN, 1).code();
    visitor.submit(&page, &form.fill("code", &code));
    let browser = Browser::start();
    browser.goto(&format!("{}/wanted", sidecar.origin()));
    browser.fill("#login", ANN);
    browser.fill("#password", crate::support::visitor::PASSWORD);
    browser.click("button[type=submit].primary");
    browser.shows("on its way to a•••@example.com");
    look(&browser, "second-step", 800);
    assert_eventually!(server.of(ANN).len() >= 2);
    let mail = server.of(ANN).pop().unwrap();
    browser.fill("#code", &mail.code());
    browser.click("button[type=submit].primary");
    browser.shows("members|");
    let file = sidecar.path("mail.html");
    std::fs::write(&file, mail.html()).unwrap();
    browser.goto(&format!("file://{}", file.display()));
    look(&browser, "second-step-mail", 900);
}

/// Every kind of connection at once, as somebody sees it who has never been here.
#[test]
fn a_login_page_shows_every_kind_of_connection() {
    let server = MailServer::start();
    let mut sidecar = server
        .behind(Sidecar::new())
        .set("connections.mail.strategy", "email")
        .set("connections.mail.display_name", "E-mail")
        .set("connections.phone.strategy", "sms")
        .set("connections.phone.display_name", "Text message")
        .set("connections.phone.countries", list(&["GB", "DE"]))
        .set("connections.phone.gateway.kind", "http")
        .set("connections.phone.gateway.url", "http://127.0.0.1:9/send")
        .set(
            "connections.phone.gateway.body",
            "{\"to\": \"{{ to }}\", \"text\": \"{{ text }}\"}",
        )
        .set("connections.passkey.strategy", "passkey");
    for (name, strategy) in [("google", "google"), ("github", "github")] {
        sidecar = sidecar
            .set(&format!("connections.{name}.strategy"), strategy)
            .set(&format!("connections.{name}.client_id"), "the-app")
            .set(&format!("connections.{name}.client_secret"), "its secret");
    }
    let sidecar = sidecar
        .set("connections.work.strategy", "oidc")
        .set("connections.work.display_name", "Acme Work")
        .set("connections.work.issuer", "https://id.acme.example")
        .set("connections.work.client_id", "the-app")
        .set("connections.work.client_secret", "its secret")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    browser.goto(&format!("{}/wanted", sidecar.origin()));
    for words in [
        "E-mail",
        "Text message",
        "Google",
        "GitHub",
        "Acme Work",
        "passkey",
    ] {
        browser.shows(words);
    }
    look(&browser, "every-kind", 1100);
    browser.click("a[href*='/login/phone']");
    browser.shows("Telephone number");
    look(&browser, "phone", 800);
}
