//! Mail: how it leaves, and what its links and codes are good for.

use std::time::{Duration, Instant};

use crate::support::{
    Request, Sidecar, Visitor,
    codes::type_code,
    mail_server::{Mail, MailServer},
    route,
    tls::Authority,
    visitor::Page,
};

const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "seven green umbrellas at noon";

/// A sidecar that mails by `server`, with the demo behind it.
fn before(server: &MailServer) -> Sidecar {
    server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "off")
        .route(route("/").set("upstream", "builtin:demo"))
}

/// Asks for a new password as `login`; the page that follows.
#[track_caller]
fn forget(visitor: &mut Visitor, login: &str) -> Page {
    let page = visitor.go("/.auth/forgot/members");
    let form = page.form_with("login").fill("login", login);
    visitor.submit(&page, &form)
}

/// Chooses a new password on the page that asks for one.
#[track_caller]
fn choose(visitor: &mut Visitor, page: &Page, password: &str) -> Page {
    let form = page
        .form_with("new_password")
        .fill("new_password", password);
    visitor.submit(page, &form)
}

/// What somebody sees of an answer, but for the name they typed and what is another in each flow.
fn shape(page: &Page, login: &str) -> (u16, String, usize) {
    let text = page.text();
    let same = |line: &&str| !line.contains("type=\"hidden\"") && !line.contains("flow=");
    let lines: Vec<&str> = text.lines().filter(same).collect();
    let text = lines.join("\n");
    let text = if login.is_empty() {
        text
    } else {
        text.replace(login, "NAME")
    };
    (
        page.answer.status,
        text,
        page.answer.all("set-cookie").len(),
    )
}

fn reset_mail(server: &MailServer, address: &str, count: usize) -> Mail {
    let mail = server.nth(address, count);
    assert_eq!(
        mail.subject(),
        "A new password for your account at Vestibule"
    );
    mail
}

#[test]
fn a_forgotten_password_is_replaced_by_the_link_of_a_mail() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    let mut alice = sidecar.signed_up("alice");
    let mut stranger = sidecar.visitor();
    let page = stranger.go("/.auth/login");
    assert!(page.text().contains("Forgot password?"));
    let page = forget(&mut stranger, "alice@example.com");
    assert!(page.text().contains("Check your mail"), "{page:?}");
    let mail = reset_mail(&server, "alice@example.com", 1);
    for (header, value) in [
        ("From: Acme <no-reply@acme.example>", ""),
        ("Auto-Submitted: auto-generated", ""),
        ("Message-ID: <", "@acme.example>"),
        ("Date: ", "+0000"),
        ("Content-Type: multipart/alternative", ""),
    ] {
        let raw = mail.raw();
        let line = raw.lines().find(|line| line.starts_with(header));
        assert!(
            line.is_some_and(|line| line.ends_with(value) || value.is_empty()),
            "{header}: {raw}"
        );
    }
    // Where somebody else may read it: nothing is fetched, and the link is ours.
    for sign in ["<img", "src=", "@import", "url("] {
        assert!(!mail.html().contains(sign), "{sign}: {}", mail.html());
    }
    let link = mail.link("reset");
    assert!(mail.text().contains(&format!("{}{link}", sidecar.origin())));

    // A scanner looks at it, in every way that leaves things as they are.
    for method in ["GET", "HEAD", "GET"] {
        sidecar.ask(&Request::new(method, &link)).expect(200);
    }
    let mut elsewhere = sidecar.visitor();
    let page = elsewhere.go(&link);
    let page = choose(&mut elsewhere, &page, "password");
    assert_eq!(page.answer.status, 422, "{page:?}");
    let page = choose(&mut elsewhere, &page, NEW);
    assert!(page.text().contains("Your password is changed"), "{page:?}");
    assert!(elsewhere.session().is_none(), "nobody is signed in by it");
    assert!(alice.me().is_none(), "the sessions of before end");
    // Used once.
    let gone = sidecar.ask(&Request::navigation(&link)).expect(410);
    assert!(gone.text().contains("does not work any more"));
    let page = elsewhere.sign_in("/", "alice@example.com", NEW);
    assert!(elsewhere.session().is_some(), "{page:?}");
    let mut old = sidecar.visitor();
    old.sign_in("/", "alice@example.com", PASSWORD);
    assert!(old.session().is_none());
    assert_eq!(
        server.nth("alice@example.com", 2).subject(),
        "Your password at Vestibule was changed"
    );
    // The mailbox is theirs, which counts.
    let me = elsewhere.me().unwrap();
    assert_eq!(me["user"]["profile"]["email_verified"], true, "{me}");
}

#[test]
fn a_code_is_good_in_the_browser_that_asked_and_for_five_tries() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    drop(sidecar.signed_up("bob"));
    let mut bob = sidecar.visitor();
    let page = forget(&mut bob, "bob@example.com");
    let code = reset_mail(&server, "bob@example.com", 1).code();
    let mut other = sidecar.visitor();
    let theirs = forget(&mut other, "nobody@example.com");
    let form = theirs.form_with("code").fill("code", &code);
    let refused = other.submit(&theirs, &form);
    assert_eq!(refused.answer.status, 422, "another browser");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let mut page = page;
    for _ in 0..4 {
        let form = page.form_with("code").fill("code", wrong);
        page = bob.submit(&page, &form);
        assert_eq!(page.answer.status, 422);
    }
    // Typed as people do.
    let form = page
        .form_with("code")
        .fill("code", &format!("{} {}", &code[..3], &code[3..]));
    let asked = bob.submit(&page, &form);
    assert!(asked.text().contains("Choose a new password"), "{asked:?}");
    let form = page.form_with("code").fill("code", wrong);
    assert_eq!(bob.submit(&page, &form).answer.status, 422, "the fifth");
    let form = page.form_with("code").fill("code", &code);
    let refused = bob.submit(&page, &form);
    assert_eq!(refused.answer.status, 429, "the right one, too late");
}

#[test]
fn only_the_newest_message_counts_and_only_for_its_purpose() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    drop(sidecar.signed_up("carol"));
    let mut carol = sidecar.visitor();
    forget(&mut carol, "carol@example.com");
    let first = reset_mail(&server, "carol@example.com", 1);
    forget(&mut carol, "carol@example.com");
    let second = reset_mail(&server, "carol@example.com", 2);
    sidecar
        .ask(&Request::navigation(&first.link("reset")))
        .expect(410);
    sidecar
        .ask(&Request::navigation(&second.link("reset")))
        .expect(200);
    for nonsense in ["", "x", "AAAA", &"A".repeat(43)] {
        let link = format!("/.auth/reset?token={nonsense}");
        sidecar.ask(&Request::navigation(&link)).expect(410);
    }
    // The form of a link that is no longer the newest is of no use either.
    let mut early = sidecar.visitor();
    let page = early.go(&second.link("reset"));
    forget(&mut carol, "carol@example.com");
    reset_mail(&server, "carol@example.com", 3);
    assert_eq!(choose(&mut early, &page, NEW).answer.status, 410);
}

#[test]
fn of_fifty_who_use_a_link_at_once_one_succeeds() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    drop(sidecar.signed_up("dave"));
    let mut dave = sidecar.visitor();
    forget(&mut dave, "dave@example.com");
    let link = reset_mail(&server, "dave@example.com", 1).link("reset");
    let done: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50)
            .map(|number| {
                let mut visitor = sidecar.visitor();
                let link = &link;
                scope.spawn(move || {
                    let page = visitor.go(link);
                    let form = page
                        .forms()
                        .into_iter()
                        .find(|form| form.has("new_password"));
                    let Some(form) = form else { return false };
                    let form = form.fill("new_password", &format!("{NEW} {number}"));
                    let page = visitor.submit(&page, &form);
                    page.text().contains("Your password is changed")
                })
            })
            .collect();
        all.into_iter()
            .map(|one| usize::from(one.join().unwrap()))
            .sum()
    });
    assert_eq!(done, 1);
}

#[test]
fn nobody_learns_from_a_forgotten_password_who_has_an_account() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    drop(sidecar.signed_up("erin"));
    let mut visitor = sidecar.visitor();
    let ask = |visitor: &mut Visitor, login: &str| {
        let page = visitor.go("/.auth/forgot/members");
        let form = page.form_with("login").fill("login", login);
        let begun = Instant::now();
        let page = visitor.submit(&page, &form);
        let took = begun.elapsed();
        let code = page.form_with("code").fill("code", "123456");
        let wrong = visitor.submit(&page, &code);
        (shape(&page, login), shape(&wrong, login), took)
    };
    let known = ask(&mut visitor, "erin@example.com");
    let unknown = ask(&mut visitor, "nobody@example.com");
    assert_eq!((known.0, known.1), (unknown.0, unknown.1));
    // The answer waits for nothing that depends on it.
    assert!(
        known.2.abs_diff(unknown.2) < Duration::from_millis(150),
        "{:?} {:?}",
        known.2,
        unknown.2
    );
    server.nth("erin@example.com", 1);
    assert!(server.of("nobody@example.com").is_empty());
}

#[test]
fn mails_run_out_for_a_name_and_do_so_across_a_restart() {
    let server = MailServer::start();
    let mut sidecar = before(&server).start();
    drop(sidecar.signed_up("frank"));
    let mut visitor = sidecar.visitor();
    for _ in 0..3 {
        forget(&mut visitor, "frank@example.com");
    }
    server.nth("frank@example.com", 3);
    sidecar.restart();
    let mut visitor = sidecar.visitor();
    for _ in 0..2 {
        assert_eq!(forget(&mut visitor, "frank@example.com").answer.status, 200);
    }
    server.nth("frank@example.com", 5);
    let page = forget(&mut sidecar.visitor(), "FRANK@example.com");
    assert_eq!(
        page.answer.status, 429,
        "another browser and another spelling"
    );
    assert!(page.answer.header("retry-after").is_some());
    // Of a name that nobody has they run out in the same way.
    for _ in 0..5 {
        assert_eq!(
            forget(&mut visitor, "nobody@example.com").answer.status,
            200
        );
    }
    assert_eq!(
        forget(&mut visitor, "nobody@example.com").answer.status,
        429
    );
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.all().len(), 5);
}

#[test]
fn a_forged_host_gets_into_no_mail() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    drop(sidecar.signed_up("grace"));
    let mut grace = sidecar.visitor();
    let page = grace.go("/.auth/forgot/members");
    let form = page.form_with("login").fill("login", "grace@example.com");
    let cookies: Vec<String> = grace
        .flows()
        .iter()
        .map(|one| format!("{}={}", one.name, one.value))
        .collect();
    for (name, value) in [
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-Host", "evil.example"),
    ] {
        let request = Request::new("POST", "/.auth/forgot/members")
            .header("Cookie", &cookies.join("; "))
            .header(name, value)
            .body("application/x-www-form-urlencoded", form.body());
        sidecar.ask(&request).expect(200);
    }
    server.nth("grace@example.com", 3);
    for mail in server.all() {
        assert!(!mail.raw().contains("evil.example"), "{}", mail.raw());
        assert!(mail.link("reset").starts_with("/.auth/reset?token="));
        assert!(mail.text().contains(&sidecar.origin()));
    }
    // By that name there is no page at all.
    let request = Request::new("POST", "/.auth/forgot/members")
        .header("Cookie", &cookies.join("; "))
        .body("application/x-www-form-urlencoded", form.body());
    let answer = crate::support::http::exchange(sidecar.port, "evil.example", &request);
    assert_ne!(answer.status, 200);
    assert_eq!(server.all().len(), 3);
}

#[test]
fn a_page_waits_for_no_mail_server() {
    let server = MailServer::start();
    let mut sidecar = before(&server)
        .set("mail.url", "smtp://127.0.0.1:1")
        .start();
    drop(sidecar.signed_up("heidi"));
    let mut visitor = sidecar.visitor();
    visitor.go("/.auth/forgot/members");
    let begun = Instant::now();
    let page = forget(&mut visitor, "heidi@example.com");
    assert_eq!(page.answer.status, 200);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    let retried = "vestibule_mails_total{result=\"retried\"}";
    assert_eventually!(sidecar.metric(retried) >= 1.0);
    assert!(sidecar.metric("vestibule_mail_queue") > 0.5);
    // What waits leaves by the server of a new configuration.
    sidecar.change("mail.url", format!("smtp://127.0.0.1:{}", server.plain));
    sidecar.write();
    sidecar.reload();
    server.nth("heidi@example.com", 1);
    assert_eventually!(sidecar.metric("vestibule_mails_total{result=\"sent\"}") >= 1.0);
    assert_eventually!(sidecar.metric("vestibule_mail_queue") < 1.0);
}

#[test]
fn what_a_server_refuses_for_good_is_given_up_and_the_rest_is_tried_again() {
    let server = MailServer::start();
    let sidecar = before(&server).start();
    for name in ["reject", "once", "slow"] {
        drop(sidecar.signed_up(name));
        let page = forget(&mut sidecar.visitor(), &format!("{name}@example.com"));
        assert_eq!(page.answer.status, 200);
    }
    let result =
        |result: &str| sidecar.metric(&format!("vestibule_mails_total{{result=\"{result}\"}}"));
    assert_eventually!(result("failed") >= 1.0);
    assert!(
        sidecar.log_about("was not sent").contains("no such user"),
        "{}",
        sidecar.log_about("mail")
    );
    server.nth("once@example.com", 1);
    server.nth("slow@example.com", 1);
    assert!(result("retried") >= 1.0);
    assert!(server.of("reject@example.com").is_empty());
}

#[test]
fn mail_leaves_by_tls_with_a_certificate_that_is_checked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let leaf = authority.leaf(dir.path(), &["localhost"]);
    let server = MailServer::with_tls(&leaf);
    let pem = |authority: &Authority| {
        String::from_utf8(authority.certificate().to_pem().unwrap()).unwrap()
    };
    let sidecar = |url: String, ca: Option<&Authority>, password: &str| {
        let sidecar = before(&server)
            .set("mail.url", url)
            .set("mail.password", password);
        let sidecar = match ca {
            Some(_) => sidecar.set("mail.ca", "ca.pem"),
            None => sidecar,
        };
        std::fs::write(sidecar.path("ca.pem"), ca.map_or_else(String::new, pem)).unwrap();
        sidecar.write();
        sidecar
    };
    let smtp = |port: u16| format!("smtp://user%40mail.test@localhost:{port}");
    let smtps = format!("smtps://user%40mail.test@localhost:{}", server.smtps);
    for (url, ca, password, says) in [
        (smtp(server.smtp), Some(&authority), "right", None),
        (smtps.clone(), Some(&authority), "right", None),
        (
            smtp(server.smtp),
            Some(&authority),
            "wrong",
            Some("bad credentials"),
        ),
        (
            smtp(server.smtp),
            Some(&stranger),
            "right",
            Some("certificate"),
        ),
        (smtps.clone(), Some(&stranger), "right", Some("certificate")),
        (smtps, None, "right", Some("certificate")),
        // It offers no STARTTLS, so nothing is said to it.
        (
            smtp(server.plain),
            Some(&authority),
            "right",
            Some("STARTTLS"),
        ),
        (smtp(1), Some(&authority), "right", Some("mail:")),
    ] {
        let sidecar = sidecar(url.clone(), ca, password);
        let output = sidecar.cli(&["check", "--online"]);
        let error = String::from_utf8_lossy(&output.stderr);
        match says {
            None => assert!(output.status.success(), "{url}: {error}"),
            Some(says) => assert!(
                !output.status.success() && error.contains(says),
                "{url}: {error}"
            ),
        }
        assert!(!error.contains(password) || password == "wrong", "{error}");
    }
    let sidecar = sidecar(smtp(server.smtp), Some(&authority), "right").start();
    drop(sidecar.signed_up("ivan"));
    forget(&mut sidecar.visitor(), "ivan@example.com");
    let mail = reset_mail(&server, "ivan@example.com", 1);
    assert!(mail.tls());
    assert_eq!(mail.user(), Some("user@mail.test"));
}

/// Signs up at a sidecar; the page that follows, redirects not followed.
#[track_caller]
fn sign_up(visitor: &mut Visitor, name: &str) -> Page {
    let page = visitor.go("/.auth/signup/members");
    visitor.submit_sign_up(&page, name)
}

#[test]
fn an_address_that_must_be_confirmed_is_before_there_is_a_session() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .set("connections.members.verify_email", "required")
        .start();
    let mut alice = sidecar.visitor();
    let page = sign_up(&mut alice, "alice");
    assert!(page.text().contains("Check your mail"), "{page:?}");
    assert!(alice.session().is_none());
    let mail = server.nth("alice@example.com", 1);
    assert_eq!(mail.subject(), "Confirm your e-mail address for Vestibule");
    // Not by the next login either, nor by a step of another kind.
    let mut again = sidecar.visitor();
    let waits = again.sign_in("/", "alice@example.com", PASSWORD);
    assert!(waits.text().contains("Check your mail"), "{waits:?}");
    assert!(again.session().is_none());
    let code = server.nth("alice@example.com", 2).code();
    let form = waits.form_with("code");
    for page in ["switch", "login/members", "reset"] {
        let mut answer = form.clone();
        answer.action = format!("/.auth/{page}");
        again.submit(&waits, &answer);
        assert!(again.session().is_none(), "{page}");
    }
    // The code of the newest mail is for the browser that it was sent for.
    let refused = type_code(&mut alice, &page, &code);
    assert_eq!(refused.answer.status, 422);
    assert!(alice.session().is_none());
    let done = type_code(&mut again, &waits, &code);
    again.follow(done);
    assert_eq!(
        again.me().unwrap()["user"]["profile"]["email_verified"],
        true
    );
    // The first browser goes on where it was: the address is confirmed by now.
    let done = type_code(&mut alice, &page, "");
    alice.follow(done);
    assert!(alice.session().is_some());
    assert!(
        server
            .all()
            .iter()
            .all(|mail| mail.to() == "alice@example.com")
    );
    let again = sidecar
        .visitor()
        .sign_in("/", "alice@example.com", PASSWORD);
    assert_eq!(again.answer.status, 200, "and from then on as ever");
    assert_eq!(server.all().len(), 2);
}

#[test]
fn a_link_confirms_an_address_by_its_button_alone() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .without("connections.members.verify_email")
        .start();
    let mut bob = sidecar.visitor();
    sign_up(&mut bob, "bob");
    assert!(bob.session().is_some(), "optional by default");
    let verified = |visitor: &mut Visitor| {
        visitor.me().unwrap()["user"]["profile"]["email_verified"].as_bool() == Some(true)
    };
    assert!(!verified(&mut bob));
    let mail = server.nth("bob@example.com", 1);
    let link = mail.link("verify");
    for method in ["GET", "HEAD", "GET"] {
        sidecar.ask(&Request::new(method, &link)).expect(200);
    }
    assert!(!verified(&mut bob), "looking is not confirming");
    // To another purpose its token is nothing, and no other way of asking is a POST.
    let reset = format!("/.auth/reset?token={}", mail.token("verify"));
    sidecar.ask(&Request::navigation(&reset)).expect(410);
    forget(&mut sidecar.visitor(), "bob@example.com");
    let other = server.nth("bob@example.com", 2).token("reset");
    let swapped = format!("/.auth/verify?token={other}");
    sidecar.ask(&Request::navigation(&swapped)).expect(410);
    // The account page sends another one; then the first counts no more.
    let page = bob.go("/.auth/account");
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.value("action") == Some("verify-email"));
    let page = bob.submit(&page, &form.unwrap());
    bob.follow(page);
    let newest = server.nth("bob@example.com", 3).link("verify");
    sidecar.ask(&Request::navigation(&link)).expect(410);
    let mut elsewhere = sidecar.visitor();
    let page = elsewhere.go(&newest);
    assert!(page.text().contains("bob@example.com"));
    let form = page.form_with("token");
    let done = elsewhere.submit(&page, &form);
    assert!(
        done.text().contains("Your address is confirmed"),
        "{done:?}"
    );
    assert!(elsewhere.session().is_none(), "it signs nobody in");
    assert_eq!(elsewhere.submit(&page, &form).answer.status, 410, "once");
    assert_eventually!(verified(&mut bob));
    assert!(!bob.go("/.auth/account").text().contains("Send me a mail"));
}

#[test]
fn who_signs_up_with_an_address_of_somebody_else_learns_nothing() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .set("connections.members.verify_email", "required")
        .set("connections.members.login", "email")
        .start();
    let mut first = sidecar.visitor();
    let begun = Instant::now();
    let fresh = sign_up(&mut first, "carol");
    let took = begun.elapsed();
    let code = server.nth("carol@example.com", 1).code();
    let mut second = sidecar.visitor();
    let begun = Instant::now();
    let taken = sign_up(&mut second, "carol");
    let took_too = begun.elapsed();
    assert_eq!(shape(&fresh, ""), shape(&taken, ""));
    assert!(
        took.abs_diff(took_too) < Duration::from_millis(300),
        "{took:?} {took_too:?}"
    );
    let notice = server.nth("carol@example.com", 2);
    assert_eq!(notice.subject(), "You already have an account at Vestibule");
    assert_eq!(notice.link("forgot"), "/.auth/forgot/members");
    let wrong = type_code(&mut second, &taken, &code);
    assert_eq!(wrong.answer.status, 422);
    assert!(second.session().is_none());
    let done = type_code(&mut first, &fresh, &code);
    first.follow(done);
    assert!(first.session().is_some(), "who was first goes on");
}

#[test]
fn a_folder_takes_mail_too() {
    let sidecar = Sidecar::new()
        .set("mail.url", "file:outbox")
        .set("mail.from", "no-reply@acme.example")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    drop(sidecar.signed_up("judy"));
    forget(&mut sidecar.visitor(), "judy@example.com");
    let files = || {
        let all = std::fs::read_dir(sidecar.path("outbox"));
        let all = all.into_iter().flatten().map(|one| one.unwrap().path());
        let whole = |path: &std::path::PathBuf| path.extension().is_some_and(|kind| kind == "eml");
        all.filter(whole).collect::<Vec<_>>()
    };
    assert_eventually!(files().len() == 1);
    let text = std::fs::read_to_string(&files()[0]).unwrap();
    assert!(text.contains("To: judy@example.com"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&files()[0]).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_waits_when_the_program_stops_is_sent_then_or_said_to_be_lost() {
    let mut sidecar = Sidecar::new()
        .set("mail.url", "file:outbox")
        .set("mail.from", "no-reply@acme.example")
        .set("connections.members.verify_email", "off")
        .route(route("/").set("upstream", "builtin:demo"));
    // Where a file is no folder can be made, until it is gone.
    let place = sidecar.path("outbox");
    std::fs::write(&place, "").unwrap();
    sidecar.write();
    sidecar.start_again();
    drop(sidecar.signed_up("kim"));
    let waiting = |sidecar: &Sidecar| {
        forget(&mut sidecar.visitor(), "kim@example.com");
        let retried = "vestibule_mails_total{result=\"retried\"}";
        assert_eventually!(sidecar.metric(retried) >= 1.0);
        assert!(sidecar.metric("vestibule_mail_queue") > 0.5);
    };
    waiting(&sidecar);
    std::fs::remove_file(&place).unwrap();
    let begun = Instant::now();
    assert_eq!(sidecar.stop(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "no pause is waited for"
    );
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);

    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "").unwrap();
    sidecar.start_again();
    waiting(&sidecar);
    assert_eq!(
        sidecar.stop(),
        Some(0),
        "nobody waits for a server that is away"
    );
    assert!(sidecar.log_about("was not sent").contains("reset-password"));
}

/// Asks on the account page for another address.
#[track_caller]
fn ask_for_address(visitor: &mut Visitor, new: &str, password: &str) -> Page {
    let page = visitor.go("/.auth/account");
    let form = page
        .form_with("new_email")
        .fill("new_email", new)
        .fill("current_password", password);
    let page = visitor.submit(&page, &form);
    visitor.follow(page)
}

/// Presses the button behind a link.
#[track_caller]
fn press(sidecar: &Sidecar, link: &str) -> Page {
    let mut visitor = sidecar.visitor();
    let page = visitor.go(link);
    let form = page.form_with("token");
    visitor.submit(&page, &form)
}

#[test]
fn an_address_changes_when_the_old_and_the_new_one_have_said_yes() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .set("connections.members.verify_email", "optional")
        .start();
    drop(sidecar.signed_up("mallory"));
    let mut alice = sidecar.signed_up("alice");
    let address = |visitor: &mut Visitor| {
        let profile = visitor.me().unwrap()["user"]["profile"].clone();
        (
            profile["email"].as_str().unwrap().to_owned(),
            profile["email_verified"] == true,
        )
    };
    // Not confirmed yet: the new one alone is asked.
    let page = ask_for_address(
        &mut alice,
        "alice@new.example",
        "wrong horse battery staple",
    );
    assert!(
        page.text().contains("not your current password"),
        "{page:?}"
    );
    let page = ask_for_address(&mut alice, "nonsense", PASSWORD);
    assert!(page.text().contains("not an e-mail address"), "{page:?}");
    let page = ask_for_address(&mut alice, "alice@new.example", PASSWORD);
    assert!(
        page.text().contains("Messages are on their way"),
        "{page:?}"
    );
    let link = server.nth("alice@new.example", 1).link("email");
    sidecar.ask(&Request::navigation(&link)).expect(200);
    assert!(press(&sidecar, &link).text().contains("is changed"));
    // The first confirmation, and the news.
    server.nth("alice@example.com", 2);
    assert_eventually!(address(&mut alice) == ("alice@new.example".to_owned(), true));
    sidecar.ask(&Request::navigation(&link)).expect(410);

    // Confirmed: both are, in either order, and sessions stay.
    ask_for_address(&mut alice, "alice@third.example", PASSWORD);
    let new = server.nth("alice@third.example", 1).link("email");
    let old = server.nth("alice@new.example", 2);
    assert!(old.text().contains("alice@third.example"));
    let old = old.link("email");
    assert!(
        press(&sidecar, &new)
            .text()
            .contains("at your other address")
    );
    assert_eq!(
        address(&mut alice).0,
        "alice@new.example",
        "one has not said yes"
    );
    assert!(press(&sidecar, &old).text().contains("is changed"));
    assert_eventually!(address(&mut alice) == ("alice@third.example".to_owned(), true));
    let mut again = sidecar.visitor();
    again.sign_in("/", "alice@third.example", PASSWORD);
    assert!(again.session().is_some());
    let mut never = sidecar.visitor();
    never.sign_in("/", "alice@example.com", PASSWORD);
    assert!(never.session().is_none());

    // What is somebody else's stays theirs, and only they are told.
    let page = ask_for_address(&mut alice, "mallory@example.com", PASSWORD);
    assert!(
        page.text().contains("Messages are on their way"),
        "{page:?}"
    );
    let told = server.nth("mallory@example.com", 2);
    assert_eq!(told.subject(), "You already have an account at Vestibule");
    assert_eq!(address(&mut alice).0, "alice@third.example");
}

#[test]
fn both_sides_at_once_are_both_heard() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .set("connections.members.verify_email", "optional")
        .start();
    let mut bob = sidecar.signed_up("bob");
    let link = server.nth("bob@example.com", 1).link("verify");
    press(&sidecar, &link);
    ask_for_address(&mut bob, "bob@new.example", PASSWORD);
    let links = [
        server.nth("bob@new.example", 1).link("email"),
        server.nth("bob@example.com", 2).link("email"),
    ];
    // A change that was asked for later counts, the one before does not.
    let pages: Vec<String> = std::thread::scope(|scope| {
        let all = links.each_ref().map(|link| {
            let sidecar = &sidecar;
            scope.spawn(move || press(sidecar, link).text())
        });
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let changed = pages
        .iter()
        .filter(|page| page.contains("is changed"))
        .count();
    assert!(changed >= 1, "{pages:#?}");
    let mut again = sidecar.visitor();
    again.sign_in("/", "bob@new.example", PASSWORD);
    assert!(again.session().is_some());
}

#[test]
fn people_are_welcomed_and_told_what_was_done_to_their_account() {
    let server = MailServer::start();
    let sidecar = before(&server)
        .set("connections.members.welcome", true)
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .set("connections.staff.verify_email", "off")
        .start();
    let mut carol = sidecar.signed_up("carol");
    assert_eq!(
        server.nth("carol@example.com", 1).subject(),
        "Welcome to Vestibule"
    );
    let page = carol.go("/.auth/account");
    let form = page
        .form_with("new_password")
        .fill("current_password", PASSWORD)
        .fill("new_password", NEW);
    let page = carol.submit(&page, &form);
    carol.follow(page);
    let mail = server.nth("carol@example.com", 2);
    assert_eq!(mail.subject(), "Your password at Vestibule was changed");
    assert_eq!(mail.link("forgot"), "/.auth/forgot/members");
}
