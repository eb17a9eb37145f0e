//! Whoever is kept out by the guesses of others is let in again by a mail.

use crate::support::{
    Request, Sidecar, Visitor,
    mail_server::{Mail, MailServer},
    route,
    sidecar::list,
    visitor::{PASSWORD, Page},
};

const ADDRESS: &str = "alice@example.com";

fn site(server: &MailServer) -> Sidecar {
    let sidecar = server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "off")
        .set("server.trusted_proxies", list(&["127.0.0.0/8"]))
        .set("protection.login.account", "3/1h")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    sidecar.signed_up("alice");
    sidecar
}

/// Somebody who comes from an address.
fn from(sidecar: &Sidecar, address: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    let forwarded = ("X-Forwarded-For".to_owned(), address.to_owned());
    visitor.extra.push(forwarded);
    visitor
}

fn attempt(visitor: &mut Visitor, login: &str, password: &str) -> u16 {
    let page = visitor.go("/.auth/login");
    visitor.try_password(&page, login, password).answer.status
}

fn told(server: &MailServer) -> Mail {
    let mail = server.nth(ADDRESS, 1);
    assert!(mail.subject().contains("Somebody tries"), "{mail:?}");
    mail
}

fn press(visitor: &mut Visitor, page: &Page) -> Page {
    visitor.submit(page, &page.form_with("token"))
}

#[test]
fn the_link_of_a_mail_lets_a_browser_try_again_and_signs_nobody_in() {
    let server = MailServer::start();
    let sidecar = site(&server);
    let guess = |times: usize, login: &str| {
        let all = (0..times).map(|_| attempt(&mut from(&sidecar, "10.0.0.1"), login, "a guess"));
        all.collect::<Vec<_>>()
    };
    assert_eq!(guess(3, "alice"), [422; 3]);
    assert!(server.of(ADDRESS).is_empty(), "nobody is refused yet");
    assert_eq!(guess(4, "alice"), [429; 4]);
    // A name that nobody has is answered alike, and nobody is written to.
    assert_eq!(guess(3, "nobody"), [422; 3]);
    assert_eq!(guess(1, "nobody"), [429]);
    let mail = told(&server);
    // The owner is in the same network, and has no browser that is known.
    let mut alice = from(&sidecar, "10.0.0.2");
    assert_eq!(attempt(&mut alice, "alice", PASSWORD), 429);

    // Scanners open the link and use nothing up.
    let link = mail.link("unblock");
    for method in ["GET", "HEAD", "GET"] {
        sidecar.ask(&Request::new(method, &link)).expect(200);
    }
    let mut scanner = from(&sidecar, "10.0.0.3");
    scanner.go(&link);
    assert_eq!(attempt(&mut scanner, "alice", PASSWORD), 429);

    let page = alice.go(&link);
    assert!(page.text().contains(ADDRESS), "{page:?}");
    let done = press(&mut alice, &page);
    assert!(done.text().contains("You can try again"), "{done:?}");
    assert!(alice.session().is_none(), "it signs nobody in");
    assert_eq!(attempt(&mut alice, "alice", "wrong"), 422);
    attempt(&mut alice, "alice", PASSWORD);
    assert!(alice.session().is_some());
    // Whoever guesses is as far as before, and the link is used up.
    assert_eq!(guess(1, "alice"), [429]);
    let mut other = from(&sidecar, "10.0.0.4");
    let page = other.go(&link);
    assert!(page.text().contains("does not work any more"), "{page:?}");
    // One mail in an hour, however much is guessed.
    assert_eq!(server.of(ADDRESS).len(), 1);
    assert!(server.all().len() == 1, "nobody else was written to");
}

#[test]
fn a_link_is_good_for_what_it_says_and_once() {
    let server = MailServer::start();
    let sidecar = site(&server);
    for _ in 0..4 {
        attempt(&mut from(&sidecar, "10.0.0.1"), "alice", "a guess");
    }
    let token = told(&server).token("unblock");
    let mut eve = from(&sidecar, "10.0.0.5");
    for page in ["reset", "verify"] {
        let page = eve.go(&format!("/.auth/{page}?token={token}"));
        assert!(page.text().contains("does not work any more"), "{page:?}");
    }
    let page = eve.go("/.auth/forgot/members");
    let form = page.form_with("login").fill("login", ADDRESS);
    eve.submit(&page, &form);
    let reset = server.nth(ADDRESS, 2).token("reset");
    let page = eve.go(&format!("/.auth/unblock?token={reset}"));
    assert!(page.text().contains("does not work any more"), "{page:?}");
    // Twenty press the button at once.
    let link = format!("/.auth/unblock?token={token}");
    let done: Vec<bool> = std::thread::scope(|scope| {
        let press_it = || {
            let mut visitor = from(&sidecar, "10.0.0.6");
            let page = visitor.go(&link);
            page.forms().iter().any(|form| form.has("token"))
                && press(&mut visitor, &page)
                    .text()
                    .contains("You can try again")
        };
        let all: Vec<_> = (0..20).map(|_| scope.spawn(press_it)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
}

#[test]
fn a_new_password_by_mail_lets_its_browser_in_past_the_guesses() {
    let server = MailServer::start();
    let sidecar = site(&server);
    for _ in 0..4 {
        attempt(&mut from(&sidecar, "10.0.0.1"), "alice", "a guess");
    }
    told(&server);
    let mut alice = from(&sidecar, "10.0.0.2");
    let page = alice.go("/.auth/forgot/members");
    let form = page.form_with("login").fill("login", ADDRESS);
    alice.submit(&page, &form);
    let page = alice.go(&server.nth(ADDRESS, 2).link("reset"));
    let new = "seven green umbrellas at noon";
    let form = page.form_with("new_password").fill("new_password", new);
    alice.submit(&page, &form);
    attempt(&mut alice, "alice", new);
    assert!(alice.session().is_some());
}
