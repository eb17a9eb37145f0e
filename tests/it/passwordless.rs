//! Sign-in by a message with a code and a link.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Request, Sidecar, Visitor,
    codes::{another, from, type_code},
    forms::links,
    mail_server::{Mail, MailServer},
    route,
    sidecar::list,
    visitor::Page,
};

const ANN: &str = "ann@example.com";

/// A site whose people sign in by mail.
fn site(server: &MailServer) -> Sidecar {
    server
        .behind(Sidecar::new())
        .without("connections.members")
        .set("connections.mail.strategy", "email")
        .set("server.trusted_proxies", list(&["127.0.0.0/8"]))
        .route(route("/").set("upstream", "builtin:demo"))
}

/// Asks for a message; the page that takes its code.
#[track_caller]
fn ask(visitor: &mut Visitor, address: &str) -> Page {
    let page = visitor.go("/wanted?page=1");
    ask_on(visitor, &page, address)
}

#[track_caller]
fn ask_on(visitor: &mut Visitor, page: &Page, address: &str) -> Page {
    let form = page.form_with("login").fill("login", address);
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

#[track_caller]
fn again(visitor: &mut Visitor, page: &Page) -> Page {
    visitor.submit(page, &page.form_with("again"))
}

fn mail_to(server: &MailServer, address: &str, count: usize) -> Mail {
    let mail = server.nth(address, count);
    assert_eq!(mail.subject(), "Sign in to Vestibule");
    mail
}

fn who(visitor: &mut Visitor) -> Option<String> {
    let me = visitor.me()?;
    Some(me["user"]["id"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_code_signs_in_the_browser_that_asked_and_no_other() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let page = ask(&mut ann, " Ann@Example.COM ");
    assert!(page.text().contains("Check your mail"), "{page:?}");
    let mail = mail_to(&server, ANN, 1);
    assert!(mail.text().contains("Asked from 192.0.2.7"), "{mail:?}");
    let code = mail.code();
    assert!(!mail.subject().contains(&code));

    // The same code is nothing to another browser, whether or not it asked for one itself.
    let mut eve = from(&sidecar, "192.0.2.66");
    let other = ask(&mut eve, "eve@example.com");
    server.nth("eve@example.com", 1);
    let refused = type_code(&mut eve, &other, &code);
    assert_eq!(refused.answer.status, 422);
    assert!(eve.session().is_none());

    let wrong = type_code(&mut ann, &page, &another(&code, 1));
    assert_eq!(wrong.answer.status, 422);
    assert!(wrong.text().contains("This code is not right"), "{wrong:?}");
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let signed_in = type_code(&mut ann, &wrong, &spaced);
    let demo = ann.follow(signed_in);
    assert!(demo.url.as_str().ends_with("/wanted?page=1"), "{demo:?}");
    assert!(demo.text().contains("X-Forwarded-Email"), "{demo:?}");
    assert_eq!(who(&mut ann).as_deref(), Some("mail|ann@example.com"));
    let shown = sidecar.cli_json(&["users", "show", "mail|ann@example.com", "--json"]);
    assert_eq!(shown["profile"]["email"], ANN);
    assert_eq!(shown["profile"]["email_verified"], true);

    // Once, and the link with it.
    let reused = type_code(&mut ann, &page, &code);
    assert!(reused.answer.status >= 400, "{reused:?}");
    let link = mail.link("code");
    sidecar.ask(&Request::get(&link)).expect(410);
}

#[test]
fn a_link_signs_in_after_a_press_in_the_browser_that_asked() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    ask(&mut ann, ANN);
    let mail = mail_to(&server, ANN, 1);
    let link = mail.link("code");
    // Scanners and previews open it, and use nothing up.
    for method in ["HEAD", "GET", "GET", "GET"] {
        let answer = sidecar.ask(&Request::new(method, &link)).expect(200);
        assert!(answer.all("set-cookie").is_empty(), "{answer:?}");
        assert_eq!(answer.all("referrer-policy"), ["same-origin"]);
    }
    let page = ann.go(&link);
    assert!(page.text().contains(ANN), "{page:?}");
    assert!(ann.session().is_none());
    let form = page.form_with("token");
    let pressed = ann.submit(&page, &form);
    let demo = ann.follow(pressed);
    assert!(demo.url.as_str().ends_with("/wanted?page=1"), "{demo:?}");
    assert_eq!(who(&mut ann).as_deref(), Some("mail|ann@example.com"));
    // The second press of an impatient person, and of somebody else, is none.
    let mut eve = from(&sidecar, "192.0.2.66");
    let gone = eve.open(&link);
    assert_eq!(gone.answer.status, 410);
}

#[test]
fn a_link_opened_elsewhere_shows_the_code_and_signs_nobody_in() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    ann.extra
        .push(("User-Agent".to_owned(), firefox.to_owned()));
    let waiting = ask(&mut ann, ANN);
    let mail = mail_to(&server, ANN, 1);
    assert!(mail.text().contains("with Firefox · Linux"), "{mail:?}");
    let mut phone = from(&sidecar, "198.51.100.9");
    let page = phone.go(&mail.link("code"));
    let (code, text) = (mail.code(), page.text());
    for part in [&code[..3], &code[3..], "192.0.2.7", "Firefox · Linux", ANN] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(page.forms().is_empty(), "nothing to press: {text}");
    assert!(phone.session().is_none() && phone.flows().is_empty());

    // Not by a flow of its own either.
    let login = phone.go("/.auth/login");
    let mut form = login.form_with("login");
    form.action = "/.auth/code".to_owned();
    form.fields.push(("token".to_owned(), mail.token("code")));
    let forced = phone.submit(&login, &form);
    assert!(forced.text().contains("Type this code"), "{forced:?}");
    assert!(phone.session().is_none());

    let signed_in = type_code(&mut ann, &waiting, &code);
    ann.follow(signed_in);
    assert!(ann.session().is_some());
}

#[test]
fn a_strangers_request_kills_nobodys_code_and_a_newer_one_in_the_same_browser_does() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let page = ask(&mut ann, ANN);
    let first = mail_to(&server, ANN, 1);
    let mut eve = from(&sidecar, "192.0.2.66");
    ask(&mut eve, ANN);
    mail_to(&server, ANN, 2);
    // Asked for again at once: none is sent, and the page says when.
    let early = again(&mut ann, &page);
    assert!(
        early.text().contains("You can have another one in"),
        "{early:?}"
    );
    assert_eq!(server.of(ANN).len(), 2);
    // Another one by the form replaces the first in this browser.
    let anew = ask(&mut ann, ANN);
    let second = mail_to(&server, ANN, 3);
    // that was a flow of its own, so the first one is still good in its own
    let signed_in = type_code(&mut ann, &page, &first.code());
    ann.follow(signed_in);
    assert!(ann.session().is_some());
    ann.sign_out();
    let signed_in = type_code(&mut ann, &anew, &second.code());
    ann.follow(signed_in);
    assert!(ann.session().is_some());
}

#[test]
fn three_wrong_tries_end_a_code_and_not_the_link() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let page = ask(&mut ann, ANN);
    let mail = mail_to(&server, ANN, 1);
    for by in 1..=3 {
        let wrong = type_code(&mut ann, &page, &another(&mail.code(), by));
        assert_eq!(wrong.answer.status, 422);
    }
    let right = type_code(&mut ann, &page, &mail.code());
    assert_eq!(right.answer.status, 422);
    assert!(right.text().contains("not good any more"), "{right:?}");
    let page = ann.go(&mail.link("code"));
    let pressed = ann.submit(&page, &page.form_with("token"));
    ann.follow(pressed);
    assert!(ann.session().is_some());
}

#[test]
fn guesses_from_many_browsers_and_over_restarts_share_one_budget() {
    let server = MailServer::start();
    let mut sidecar = site(&server).start();
    // Ann's browser is known from now on.
    let mut ann = from(&sidecar, "192.0.2.7");
    let page = ask(&mut ann, ANN);
    let code = mail_to(&server, ANN, 1).code();
    let signed_in = type_code(&mut ann, &page, &code);
    ann.follow(signed_in);
    ann.sign_out();

    let (mut compared, mut refused) = (0, 0);
    let mut last = String::new();
    for number in 0..12 {
        let mut eve = from(&sidecar, &format!("198.51.{number}.9"));
        let page = ask(&mut eve, ANN);
        server.nth(ANN, number + 2);
        for by in 1..=4 {
            let tried = type_code(&mut eve, &page, &another("000000", by));
            match tried.answer.status {
                422 if tried.text().contains("is not right") => compared += 1,
                422 => {}
                429 => refused += 1,
                other => panic!("{other}: {tried:?}"),
            }
            last = tried.text();
        }
        if number == 6 {
            sidecar.kill9();
            sidecar.start_again();
        }
    }
    // Twenty guesses in an hour: at the third and fourth of each code the page says that it is gone.
    assert!(
        (10..=20).contains(&compared) && refused > 0,
        "{compared} {refused} {last}"
    );
    // The link of a message is no guess.
    let mut stranger = from(&sidecar, "203.0.113.1");
    ask(&mut stranger, ANN);
    let mail = server.nth(ANN, 14);
    let page = stranger.go(&mail.link("code"));
    let pressed = stranger.submit(&page, &page.form_with("token"));
    stranger.follow(pressed);
    assert!(stranger.session().is_some());

    // The owner gets a message, and in.
    let before = server.of(ANN).len();
    let page = ask(&mut ann, ANN);
    let code = mail_to(&server, ANN, before + 1).code();
    let signed_in = type_code(&mut ann, &page, &code);
    ann.follow(signed_in);
    assert!(ann.session().is_some());
}

#[test]
fn who_may_not_come_in_is_answered_alike_and_nobody_is_written_to() {
    let server = MailServer::start();
    let sidecar = site(&server)
        .set("connections.mail.signup", false)
        .set(
            "connections.mail.allowed_domains",
            list(&["example.com", "*.example.org"]),
        )
        .start();
    let add = ["users", "add", "--connection", "mail", "--without-password"];
    sidecar.cli_ok(&[&add[..], &["--email", ANN]].concat());
    let shape = |address: &str, number: u8| {
        let mut visitor = from(&sidecar, &format!("192.0.2.{number}"));
        let page = ask(&mut visitor, address);
        let asked = page.text().replace(address, "NAME");
        let wrong = type_code(&mut visitor, &page, "000000");
        let wrong = (wrong.answer.status, wrong.text().replace(address, "NAME"));
        let plain = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains("hidden"));
            lines
                .filter(|line| !line.contains("flow="))
                .collect::<Vec<_>>()
                .join("\n")
        };
        (plain(&asked), wrong.0, plain(&wrong.1))
    };
    let known = shape(ANN, 1);
    mail_to(&server, ANN, 1);
    for (number, address) in [
        (2, "bob@example.com"),
        (3, "ann@example.org"),
        (4, "ann@evilexample.com"),
        (5, "ann@x.example.org"),
    ] {
        assert_eq!(shape(address, number), known, "{address}");
    }
    assert_eq!(server.all().len(), 1, "{:#?}", server.all());
}

#[test]
fn what_is_no_address_is_said_and_nothing_is_sent() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    for typed in [
        "ann",
        "ann@example.com,eve@example.org",
        "ann@example.com\r\nBcc: eve@example.org",
        "\u{ff41}nn@example.com",
        "ann@@example.com",
        "",
    ] {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/");
        let form = page.form_with("login").fill("login", typed);
        let refused = visitor.submit(&page, &form);
        assert_eq!(refused.answer.status, 422, "{typed}");
        assert!(
            refused.text().contains("not an e-mail address"),
            "{refused:?}"
        );
    }
    assert!(server.all().is_empty());
}

#[test]
fn without_mail_there_is_no_such_connection() {
    let sidecar = Sidecar::new()
        .without("connections.members")
        .set("connections.mail.strategy", "email")
        .set("connections.mail.lifetime", "2h")
        .route(route("/").set("upstream", "builtin:demo"));
    let refused = sidecar.refused();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("connections.mail.strategy"), "{told}");
    assert!(told.contains("connections.mail.lifetime"), "{told}");
}

#[test]
fn an_older_cookie_of_the_same_login_guesses_at_nobody_else() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut eve = from(&sidecar, "192.0.2.66");
    let own = ask(&mut eve, "eve@example.com");
    server.nth("eve@example.com", 1);
    let older = eve.jar.clone();
    let other = links(&own.text())
        .into_iter()
        .find(|link| link.contains("login/mail?flow="));
    let form = eve.go(&other.expect("a way to another address"));
    let of_ann = ask_on(&mut eve, &form, ANN);
    let code = mail_to(&server, ANN, 1).code();
    let wrong = type_code(&mut eve, &of_ann, &another(&code, 1));
    assert!(wrong.text().contains("is not right"), "{wrong:?}");

    // The cookie still names her own address, and the newest message of this login went to Ann.
    eve.jar = older;
    for guess in [another(&code, 2), code] {
        let refused = type_code(&mut eve, &own, &guess);
        assert_eq!(refused.answer.status, 422);
        assert!(refused.text().contains("not good any more"), "{refused:?}");
    }
    assert!(eve.session().is_none());
}

#[test]
fn the_link_is_of_no_use_to_any_other_page() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut ann = from(&sidecar, "192.0.2.7");
    ask(&mut ann, ANN);
    let token = mail_to(&server, ANN, 1).token("code");
    for page in ["verify", "reset", "unblock", "email"] {
        let address = format!("/.auth/{page}?token={token}");
        sidecar.ask(&Request::get(&address)).expect(410);
    }
    sidecar
        .ask(&Request::get(&format!("/.auth/code?token={token}")))
        .expect(200);
}

#[test]
fn a_mail_server_that_is_away_is_told_to_whoever_asks_and_keeps_nobody_waiting() {
    let server = MailServer::start();
    let mut sidecar = site(&server).set("mail.url", "smtp://127.0.0.1:1").start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let begun = Instant::now();
    let page = ask(&mut ann, ANN);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(page.text().contains("Check your mail"), "{page:?}");
    assert_eventually!(sidecar.metric("vestibule_mails_total{result=\"retried\"}") >= 1.0);
    let mut bob = from(&sidecar, "192.0.2.8");
    let told = ask(&mut bob, "bob@example.com");
    assert_eq!(told.answer.status, 200);
    assert!(told.text().contains("delayed at the moment"), "{told:?}");
    // What waits leaves when there is a way again, and is as good as it was.
    sidecar.change("mail.url", format!("smtp://127.0.0.1:{}", server.plain));
    sidecar.write();
    sidecar.reload();
    let code = mail_to(&server, ANN, 1).code();
    let signed_in = type_code(&mut ann, &page, &code);
    ann.follow(signed_in);
    assert!(ann.session().is_some());
    mail_to(&server, "bob@example.com", 1);
    let next = ask(&mut from(&sidecar, "192.0.2.9"), "eve@example.com");
    assert!(!next.text().contains("delayed at the moment"), "{next:?}");
}

#[test]
fn what_the_mail_server_refuses_for_good_is_told_the_operator() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let mut visitor = from(&sidecar, "192.0.2.7");
    let page = ask(&mut visitor, "reject@example.com");
    assert!(page.text().contains("Check your mail"), "{page:?}");
    assert_eventually!(sidecar.log_about("was not sent").contains("no such user"));
    // Nobody else is kept from theirs.
    ask(&mut from(&sidecar, "192.0.2.8"), ANN);
    mail_to(&server, ANN, 1);
}

#[test]
fn of_twenty_who_use_a_message_at_once_one_signs_in() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    for (number, by_link) in [(1, true), (2, false)] {
        let mut ann = from(&sidecar, "192.0.2.7");
        let page = ask(&mut ann, ANN);
        let mail = mail_to(&server, ANN, number);
        let (page, form) = if by_link {
            let page = ann.go(&mail.link("code"));
            let form = page.form_with("token");
            (page, form)
        } else {
            let form = page.form_with("code").fill("code", &mail.code());
            (page, form)
        };
        let racing: Vec<_> = (0..20)
            .map(|_| {
                let (mut same, page, form) = (ann.clone(), page.clone(), form.clone());
                thread::spawn(move || {
                    same.submit(&page, &form);
                    same.session().is_some()
                })
            })
            .collect();
        let won = racing.into_iter().map(|one| one.join().unwrap());
        assert_eq!(won.filter(|won| *won).count(), 1, "by link: {by_link}");
    }
}

#[test]
fn neither_a_link_nor_a_code_is_in_the_log() {
    let server = MailServer::start();
    let sidecar = site(&server).set("log.level", "trace").start();
    let mut ann = from(&sidecar, "192.0.2.7");
    let page = ask(&mut ann, ANN);
    let mail = mail_to(&server, ANN, 1);
    let token = mail.token("code");
    sidecar.ask(&Request::get(&mail.link("code"))).expect(200);
    let signed_in = type_code(&mut ann, &page, &mail.code());
    ann.follow(signed_in);
    assert!(ann.session().is_some());
    let told = sidecar.output();
    assert!(told.contains("login"), "{told}");
    assert!(!told.contains(&token));
    let code = format!("code={}", mail.code());
    assert!(!told.contains(&code) && !told.contains(&format!("\"{}\"", mail.code())));
}
