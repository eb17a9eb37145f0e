//! The language of pages and mails: what the browser asks for, of what the operator lets be spoken.

use serde_json::json;

use crate::support::{
    Answer, Browser, Request, Sidecar, Visitor, authenticator::Authenticator,
    mail_server::MailServer, route, sidecar::list, visitor::PASSWORD,
};

fn demo(sidecar: Sidecar) -> Sidecar {
    sidecar.route(route("/").set("upstream", "builtin:demo"))
}

/// Somebody whose browser asks for a language.
fn asking(sidecar: &Sidecar, header: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    let asked = ("Accept-Language".to_owned(), header.to_owned());
    visitor.extra.push(asked);
    visitor
}

/// The login page as such a browser gets it.
fn login(sidecar: &Sidecar, header: &str) -> Answer {
    asking(sidecar, header).go("/.auth/login").answer
}

/// The language that a page says it is in, which all that say so agree about.
#[track_caller]
fn language(answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("<html lang=\"").expect("a page");
    let (lang, rest) = rest.split_once('"').unwrap();
    assert!(rest.starts_with(" dir=\"ltr\">"), "{rest}");
    assert_eq!(answer.header("content-language"), Some(lang));
    let vary = answer.header("vary").unwrap_or_default();
    assert!(vary.contains("Accept-Language"), "{vary}");
    lang.to_owned()
}

#[test]
fn a_page_is_in_the_language_that_the_browser_prefers() {
    let sidecar = demo(Sidecar::new()).start();
    let german = login(&sidecar, "de-AT,de;q=0.9,en;q=0.8");
    assert_eq!(language(&german), "de");
    assert!(german.text().contains(">Anmelden<"), "{german:?}");
    for (header, expected) in [
        ("xx, fr-CA;q=0.7, de;q=0.3", "fr"),
        ("nn-NO,no;q=0.9", "nb"),
        ("pt-BR", "pt"),
        ("zh-TW", "zh"),
        ("ja", "ja"),
        ("tlh", "en"),
        ("*", "en"),
        ("de;q=0", "en"),
    ] {
        assert_eq!(language(&login(&sidecar, header)), expected, "{header}");
    }
    let nothing = sidecar.visitor().go("/.auth/login").answer;
    assert_eq!(language(&nothing), "en");
    let missing = asking(&sidecar, "pl").go("/.auth/nothing-here").answer;
    assert_eq!(missing.status, 404);
    assert_eq!(language(&missing), "pl");
    assert!(missing.text().contains("Nie znaleziono strony"));
}

#[test]
fn what_broke_is_told_in_the_language_of_the_visitor() {
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .set("upstream", "http://127.0.0.1:9")
                .public(&["/**"]),
        )
        .start();
    let asked = Request::navigation("/x").header("Accept-Language", "pl");
    let answer = sidecar.ask(&asked).expect(502);
    assert_eq!(language(&answer), "pl");
    assert!(answer.text().contains("Aplikacja"), "{answer:?}");
}

#[test]
fn the_operator_says_what_is_spoken() {
    let mut sidecar = demo(Sidecar::new())
        .set("pages.languages", list(&["en", "de", "pl"]))
        .set("pages.default_language", "pl")
        .start();
    assert_eq!(language(&login(&sidecar, "de")), "de");
    assert_eq!(language(&login(&sidecar, "fr, de;q=0.1")), "de");
    assert_eq!(language(&login(&sidecar, "fr")), "pl");
    assert_eq!(language(&login(&sidecar, "fr, *;q=0.1, de;q=0.01")), "pl");
    // A login that began in a language which nobody speaks any more goes on in the default.
    let mut visitor = asking(&sidecar, "de");
    let page = visitor.go("/.auth/login");
    sidecar.change("pages.languages", list(&["sv", "da"]));
    sidecar.change("pages.default_language", "da");
    sidecar.write();
    sidecar.reload();
    let wrong = visitor.try_password(&page, "nobody", PASSWORD);
    assert_eq!(language(&wrong.answer), "da");
    assert_eq!(language(&login(&sidecar, "de")), "da");
    assert_eq!(language(&login(&sidecar, "sv-FI")), "sv");
    sidecar = sidecar.without("pages");
    sidecar.write();
    sidecar.reload();
    assert_eq!(language(&login(&sidecar, "de")), "de");
    assert_eq!(language(&login(&sidecar, "tlh")), "en");
}

#[test]
fn settings_that_name_no_language_are_refused() {
    for (key, value, told) in [
        ("pages.languages", json!([]), "no language is spoken"),
        ("pages.languages", json!(["en", "klingon"]), "en, da, de"),
        ("pages.default_language", json!("klingon"), "en, da, de"),
    ] {
        let value: toml::Value = serde_json::from_value(value).unwrap();
        let refused = demo(Sidecar::new()).set(key, value).refused();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(key) && said.contains(told), "{said}");
    }
    let refused = demo(Sidecar::new())
        .set("pages.languages", list(&["de", "pl"]))
        .set("pages.default_language", "en")
        .refused();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("pages.default_language"), "{said}");
    assert!(said.contains("de, pl"), "{said}");
}

#[test]
fn a_mail_is_in_the_language_of_the_browser_that_asked() {
    let server = MailServer::start();
    let sidecar = demo(server.behind(Sidecar::new()))
        .without("connections.members")
        .set("connections.mail.strategy", "email")
        .start();
    for (header, to, subject, words) in [
        (
            "fr-FR, en;q=0.5",
            "ann@example.com",
            "Connexion à",
            "Utilisez le bouton",
        ),
        ("ja", "bob@example.com", "Vestibule", "コード"),
        (
            "tlh",
            "eve@example.com",
            "Sign in to Vestibule",
            "Press the button",
        ),
    ] {
        let mut visitor = asking(&sidecar, header);
        let page = visitor.go("/wanted");
        let form = page.form_with("login").fill("login", to);
        visitor.submit(&page, &form);
        let mail = server.nth(to, 1);
        assert!(mail.subject().contains(subject), "{}", mail.subject());
        assert!(mail.text().contains(words), "{}", mail.text());
        let tag = &header
            .split(['-', ','])
            .next()
            .unwrap()
            .replace("tlh", "en");
        let html = mail.html();
        assert!(html.contains(&format!("<html lang=\"{tag}\"")), "{html}");
        let raw = mail.raw();
        assert!(
            raw.contains(&format!("Content-Language: {tag}\r\n")),
            "{raw}"
        );
    }
}

/// The languages whose words are longest, and one that has no spaces between them.
#[test]
fn long_words_do_not_break_out_of_small_screens() {
    let mut sidecar = demo(Sidecar::new())
        .set("connections.members.second_factor", "required")
        .set("pages.languages", list(&["de"]))
        .start();
    let browser = Browser::start();
    let submit = "form:not([data-passkey]) button.primary";
    let account = format!("{}/.auth/account", sidecar.origin());
    browser.goto(&account.replace("account", "signup/members"));
    browser.fill("#email", "alice@example.com");
    browser.fill("#username", "alice");
    browser.fill("#password", PASSWORD).click(submit);
    fits(&browser, "de-enrol", "summary");
    browser.click("summary");
    let mut app = Authenticator::with(&browser.text(".secret"));
    browser.fill("#code", &app.code()).click(submit);
    fits(&browser, "de-codes", ".codes");
    browser.click("a.primary");
    assert_eventually!(!browser.url().contains("/.auth/"));
    let tags = ["pl", "ja", "fi", "de"];
    let mut speak = |tag: &str| {
        sidecar.change("pages.languages", list(&[tag]));
        sidecar.write();
        sidecar.reload();
    };
    for tag in tags {
        speak(tag);
        browser.goto(&account);
        fits(&browser, &format!("{tag}-account"), "nav form");
    }
    browser.click("nav form button[type=submit]");
    fits(&browser, "de-signed-out", "a.primary[href$=login]");
    for tag in tags {
        speak(tag);
        for (page, shown) in [
            ("signup/members", "#email"),
            ("nothing", "h1"),
            ("login", "#login"),
        ] {
            browser.goto(&account.replace("account", page));
            fits(
                &browser,
                &format!("{tag}-{}", page.replace('/', "-")),
                shown,
            );
        }
    }
    browser.fill("#login", "alice").fill("#password", PASSWORD);
    browser.click(submit);
    drop(browser.text("#code"));
    let factor = browser.url();
    for tag in tags {
        speak(tag);
        browser.goto(&factor);
        fits(&browser, &format!("{tag}-factor"), "#code");
    }
}

/// Nothing of the page is wider than a small screen, or cut off.
#[track_caller]
fn fits(browser: &Browser, name: &str, shown: &str) {
    browser.screen(360, 1600);
    drop(browser.text(shown));
    browser.screenshot(&format!("language-{name}"));
    let wide = browser.script(
        "return [...document.querySelectorAll('body *')].filter(e => {
            const box = e.getBoundingClientRect(), style = getComputedStyle(e);
            const cut = style.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1;
            return box.width > 1 && style.position !== 'absolute' && (box.right > 361 || cut);
        }).map(e => e.outerHTML.slice(0, 200))",
    );
    assert_eq!(wide, json!([]), "{name}");
}
