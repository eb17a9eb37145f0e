//! Codes by e-mail as the second factor of whoever has set up none.

use serde_json::{Value, json};

use crate::support::{
    Page, Sidecar, Upstream, Visitor,
    authenticator::Authenticator,
    codes::{self, another, from},
    federated::{APP, Site},
    mail_server::{Mail, MailServer},
    route,
    sidecar::list,
    visitor::PASSWORD,
};

const ANN: &str = "ann@example.com";

/// A site whose people confirm their address, and need a second factor.
fn site(server: &MailServer) -> Sidecar {
    server
        .behind(Sidecar::new())
        .set("connections.members.verify_email", "required")
        .set("connections.members.second_factor", "required")
        .set("connections.members.second_factor_by_email", true)
        .set("server.trusted_proxies", list(&["127.0.0.0/8"]))
        .route(route("/").set("upstream", "builtin:demo"))
}

/// Somebody who signs up and confirms their address; the page that asks for the code.
#[track_caller]
fn new_member(sidecar: &Sidecar, server: &MailServer, name: &str) -> (Visitor, Page) {
    let mut visitor = from(sidecar, "192.0.2.7");
    let page = visitor.go("/.auth/signup/members");
    let page = visitor.submit_sign_up(&page, name);
    let code = server.nth(&format!("{name}@example.com"), 1).code();
    let page = type_code(&mut visitor, &page, &code);
    assert_eq!(page.url.path(), "/.auth/factor", "{page:?}");
    (visitor, page)
}

/// Ann's session of the password alone, where the route `/admin` wants a second factor.
#[track_caller]
fn by_the_password_alone(server: &MailServer, upstream: &Upstream) -> (Sidecar, Visitor) {
    let sidecar = site(server)
        .set("connections.members.second_factor", "optional")
        .route(
            route("/admin")
                .to(upstream)
                .set("second_factor", "required"),
        )
        .start();
    let mut ann = sidecar.visitor();
    let page = ann.go("/.auth/signup/members");
    let page = ann.submit_sign_up(&page, "ann");
    let code = server.nth(ANN, 1).code();
    type_code(&mut ann, &page, &code);
    assert_eq!(amr(&mut ann), json!(["pwd"]));
    (sidecar, ann)
}

#[track_caller]
fn type_code(visitor: &mut Visitor, page: &Page, code: &str) -> Page {
    let answer = codes::type_code(visitor, page, code);
    visitor.follow(answer)
}

#[track_caller]
fn code_mail(server: &MailServer, address: &str, count: usize) -> Mail {
    let mail = server.nth(address, count);
    assert_eq!(mail.subject(), "Your code for Vestibule");
    mail
}

fn amr(visitor: &mut Visitor) -> Value {
    let me = visitor.me().expect("signed in");
    me["authentications"][0]["amr"].clone()
}

#[test]
fn who_has_no_factor_types_a_code_that_is_sent_to_their_confirmed_address() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    assert!(
        page.text().contains("on its way to a•••@example.com"),
        "{page:?}"
    );
    assert!(ann.session().is_none() && ann.me().is_none());
    let mail = code_mail(&server, ANN, 2);
    assert!(mail.text().contains("Asked from: 192.0.2.7"), "{mail:?}");
    let code = mail.code();
    assert!(!mail.text().contains("http"), "nothing to open: {mail:?}");

    let wrong = type_code(&mut ann, &page, &another(&code, 1));
    assert_eq!(wrong.answer.status, 422);
    assert!(wrong.text().contains("This code is not right"), "{wrong:?}");
    // Read again it is the same, and nothing more is sent.
    let page = ann.go(page.url.as_str());
    let end = type_code(&mut ann, &page, &code);
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert_eq!(amr(&mut ann), json!(["pwd", "otp", "mfa"]));
    assert_eq!(server.of(ANN).len(), 2);
    let used = sidecar.log_about("factor-used");
    assert!(used.contains("email"), "{used}");

    // The next login asks again, and the code that was used is of no use there.
    let mut again = from(&sidecar, "192.0.2.7");
    let page = again.sign_in("/", ANN, PASSWORD);
    assert_eq!(page.url.path(), "/.auth/factor");
    let newest = code_mail(&server, ANN, 3).code();
    if newest != code {
        let reused = type_code(&mut again, &page, &code);
        assert_eq!(reused.answer.status, 422);
    }
    type_code(&mut again, &page, &newest);
    assert!(again.session().is_some());
}

#[test]
fn a_code_is_for_the_browser_that_gave_the_first_proof() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let (mut ann, of_ann) = new_member(&sidecar, &server, "ann");
    let code = code_mail(&server, ANN, 2).code();
    let (mut eve, of_eve) = new_member(&sidecar, &server, "eve");
    code_mail(&server, "eve@example.com", 2);
    let refused = type_code(&mut eve, &of_eve, &code);
    assert_eq!(refused.answer.status, 422);
    // Who knows the password has a code of their own to guess at, and takes nothing of Ann's.
    let mut thief = from(&sidecar, "198.51.100.9");
    let waits = thief.sign_in("/", ANN, PASSWORD);
    let theirs = code_mail(&server, ANN, 3).code();
    if theirs != code {
        let refused = type_code(&mut thief, &waits, &code);
        assert_eq!(refused.answer.status, 422);
    }
    assert!(eve.session().is_none() && thief.session().is_none());
    type_code(&mut ann, &of_ann, &code);
    assert!(ann.session().is_some());
}

#[test]
fn three_wrong_tries_end_a_code_and_another_one_can_be_had() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    let code = code_mail(&server, ANN, 2).code();
    // One that was sent just now is waited for.
    let early = ann.submit(&page, &page.form_with("again"));
    assert!(
        early.text().contains("You can have another one in"),
        "{early:?}"
    );
    for by in 1..=3 {
        let wrong = type_code(&mut ann, &page, &another(&code, by));
        assert_eq!(wrong.answer.status, 422);
    }
    let right = type_code(&mut ann, &page, &code);
    assert_eq!(right.answer.status, 422);
    assert!(right.text().contains("not good any more"), "{right:?}");
    assert!(ann.session().is_none());
    assert_eq!(server.of(ANN).len(), 2);
    let failed = sidecar.log_about("factor-failed");
    assert!(failed.contains("wrong-emailed-code"), "{failed}");
}

#[test]
fn guesses_share_one_budget_over_logins_and_restarts() {
    let server = MailServer::start();
    let mut sidecar = site(&server).start();
    let (_, _) = new_member(&sidecar, &server, "ann");
    let (mut compared, mut refused) = (0, 0);
    for number in 0..6 {
        let mut thief = from(&sidecar, &format!("198.51.{number}.9"));
        let page = thief.sign_in("/", ANN, PASSWORD);
        let code = server.nth(ANN, number + 3).code();
        for by in 1..=3 {
            let tried = type_code(&mut thief, &page, &another(&code, by));
            match tried.answer.status {
                422 => compared += 1,
                429 => refused += 1,
                other => panic!("{other}: {tried:?}"),
            }
        }
        if number == 2 {
            sidecar.kill9();
            sidecar.start_again();
        }
    }
    assert_eq!((compared, refused), (10, 8));
}

#[test]
fn who_has_an_app_is_asked_for_it_alone_and_nobody_sets_one_up_by_the_first_proof() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    // What sets an app up, or stands in for one, is nothing to the page that waits for a code.
    for field in ["enrolment", "recovery_code", "passkey"] {
        let mut form = page.form_with("code").fill("code", "");
        form.fields.push((field.to_owned(), "x".to_owned()));
        let refused = ann.submit(&page, &form);
        assert_eq!(refused.answer.status, 422, "{field}: {refused:?}");
        assert!(refused.form_with("again").has("csrf"));
    }
    assert!(ann.session().is_none());
    // Those were three tries.
    let page = ann.sign_in("/", ANN, PASSWORD);
    let code = code_mail(&server, ANN, 3).code();
    type_code(&mut ann, &page, &code);
    assert!(ann.session().is_some());

    let told = "Until you add an app, a code is sent to ann@example.com.";
    assert!(ann.go("/.auth/account").text().contains(told));
    let page = ann.go("/.auth/account?add=totp");
    let mut app = Authenticator::scan(&page.text());
    type_code(&mut ann, &page, &app.code());
    assert!(!ann.go("/.auth/account").text().contains(told));
    let before = server.of(ANN).len();
    let mut again = from(&sidecar, "192.0.2.7");
    let page = again.sign_in("/", ANN, PASSWORD);
    assert!(
        page.text().contains("Code from your authenticator app"),
        "{page:?}"
    );
    assert!(!page.forms().iter().any(|form| form.has("again")));
    assert_eq!(server.of(ANN).len(), before, "{:#?}", server.all());
}

#[test]
fn who_has_no_confirmed_address_sets_a_factor_up() {
    let server = MailServer::start();
    let sidecar = site(&server)
        .set("connections.members.verify_email", "off")
        .start();
    let mut ann = sidecar.visitor();
    let page = ann.go("/.auth/signup/members");
    let page = ann.submit_sign_up(&page, "ann");
    let page = ann.follow(page);
    assert!(page.text().contains("Set up a"), "{page:?}");
    assert!(ann.session().is_none());
    assert!(server.all().is_empty(), "{:#?}", server.all());
}

#[test]
fn a_route_that_wants_a_second_factor_asks_a_session_for_the_code_alone() {
    let server = MailServer::start();
    let upstream = Upstream::start();
    let (_sidecar, mut ann) = by_the_password_alone(&server, &upstream);
    let page = ann.go("/admin?x=1");
    assert!(
        page.text().contains("on its way to a•••@example.com"),
        "{page:?}"
    );
    assert!(upstream.seen().is_empty());
    let code = code_mail(&server, ANN, 2).code();
    let end = type_code(&mut ann, &page, &code);
    assert!(end.url.as_str().ends_with("/admin?x=1"), "{end:?}");
    assert_eq!(amr(&mut ann), json!(["pwd", "otp", "mfa"]));
}

#[test]
fn people_of_a_provider_are_sent_codes_too() {
    let server = MailServer::start();
    let keys = [("second_factor", "required_here".into())];
    let mut site = Site::with(&json!({}), &json!({}), &keys);
    let sidecar = std::mem::replace(&mut site.sidecar, Sidecar::new());
    let mut sidecar = server.behind(sidecar);
    sidecar.change("connections.op.second_factor_by_email", true);
    sidecar.write();
    sidecar.reload();
    site.sidecar = sidecar;
    let (mut ann, page) = site.sign_in("/wanted", &[("login", "ann")]);
    assert_eq!(page.url.path(), "/.auth/factor", "{page:?}");
    assert_eq!(page.url.host_str(), Some(APP));
    assert!(page.text().contains("on its way to"), "{page:?}");
    assert_eventually!(!server.all().is_empty());
    let to = server.all().remove(0).to().to_owned();
    let code = code_mail(&server, &to, 1).code();
    type_code(&mut ann, &page, &code);
    assert!(ann.session().is_some());
}

#[test]
fn where_it_can_be_no_second_proof_it_is_refused() {
    let told = |sidecar: Sidecar| {
        let refused = sidecar.refused();
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let server = MailServer::start();
    let by_mail = server
        .behind(Sidecar::new())
        .set("connections.mail.strategy", "email")
        .set("connections.mail.second_factor_by_email", true);
    assert!(told(by_mail).contains("so it is no second one"));
    let without = Sidecar::new().set("connections.members.second_factor_by_email", true);
    assert!(told(without).contains("it needs mail"));
    let off = site(&server).set("connections.members.second_factor", "off");
    let off = told(off);
    assert!(
        off.contains("connections.members.second_factor_by_email"),
        "{off}"
    );
    assert!(off.contains("nobody is asked"), "{off}");
}

#[test]
fn an_app_that_is_set_up_meanwhile_is_asked_for_in_place_of_the_code() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    let code = code_mail(&server, ANN, 2).code();
    let mut thief = from(&sidecar, "198.51.100.9");
    let waits = thief.sign_in("/", ANN, PASSWORD);
    let theirs = code_mail(&server, ANN, 3).code();
    type_code(&mut ann, &page, &code);
    let page = ann.go("/.auth/account?add=totp");
    let mut app = Authenticator::scan(&page.text());
    type_code(&mut ann, &page, &app.code());
    let refused = type_code(&mut thief, &waits, &theirs);
    assert_eq!(refused.answer.status, 422);
    assert!(
        refused.text().contains("Code from your authenticator app"),
        "{refused:?}"
    );
    assert!(thief.session().is_none());
}

#[test]
fn an_account_is_not_joined_to_another_by_its_password_alone() {
    let server = MailServer::start();
    let sidecar = site(&server)
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    let code = code_mail(&server, ANN, 2).code();
    type_code(&mut ann, &page, &code);
    let mut eve = sidecar.visitor();
    let page = eve.go("/.auth/signup/staff");
    let page = eve.submit_sign_up(&page, "eve");
    eve.follow(page);
    let account = eve.go("/.auth/account");
    let mut forms = account.forms().into_iter();
    let form = forms.find(|form| form.value("connection") == Some("members"));
    let login = eve.submit(&account, &form.unwrap());
    let asked = eve.try_password(&login, ANN, PASSWORD);
    let asked = eve.follow(asked);
    assert_eq!(asked.url.path(), "/.auth/factor", "{asked:?}");
    assert!(!asked.forms().iter().any(|form| form.has("ticket")));
    assert!(ann.me().is_some());
    // who has both may join them
    let code = code_mail(&server, ANN, 3).code();
    let question = type_code(&mut eve, &asked, &code);
    let answer = eve.submit(&question, &question.form_with("ticket"));
    let end = eve.follow(answer);
    assert!(end.text().contains("is added"), "{end:?}");
    assert!(ann.me().is_none());
}

#[test]
fn messages_run_out_for_a_user_and_whoever_waits_is_told() {
    let server = MailServer::start();
    let sidecar = site(&server).start();
    new_member(&sidecar, &server, "ann");
    for number in 0..9 {
        from(&sidecar, "192.0.2.7").sign_in("/", ANN, PASSWORD);
        code_mail(&server, ANN, number + 3);
    }
    let mut last = from(&sidecar, "192.0.2.7");
    let page = last.sign_in("/", ANN, PASSWORD);
    assert!(page.text().contains("too many messages"), "{page:?}");
    let again = last.submit(&page, &page.form_with("again"));
    assert!(again.text().contains("too many messages"), "{again:?}");
    assert_eq!(server.of(ANN).len(), 11, "one confirmed the address");
}

#[test]
fn nobody_sets_an_app_up_past_the_code_by_the_password_alone() {
    let server = MailServer::start();
    let upstream = Upstream::start();
    let (sidecar, mut ann) = by_the_password_alone(&server, &upstream);
    // The session has the first proof alone, however fresh it is: an app would open the route.
    for add in ["totp", "passkey"] {
        let page = ann.go(&format!("/.auth/account?add={add}"));
        assert_eq!(page.url.path(), "/.auth/login", "{add}: {page:?}");
    }
    let page = ann.go("/.auth/account?add=totp");
    let asked = ann.try_password(&page, ANN, PASSWORD);
    let asked = ann.follow(asked);
    assert!(
        asked.text().contains("on its way to a•••@example.com"),
        "{asked:?}"
    );
    assert!(!asked.text().contains("otpauth:"));
    let code = code_mail(&server, ANN, 2).code();
    let page = type_code(&mut ann, &asked, &code);
    let mut app = Authenticator::scan(&page.text());
    type_code(&mut ann, &page, &app.code());
    let factors = sidecar.cli_json(&["users", "factors", "ann"]);
    assert_eq!(factors["factors"].as_array().unwrap().len(), 1);
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_last_app_may_go_where_a_code_takes_its_place() {
    let server = MailServer::start();
    let mut sidecar = site(&server).start();
    let (mut ann, page) = new_member(&sidecar, &server, "ann");
    let code = code_mail(&server, ANN, 2).code();
    type_code(&mut ann, &page, &code);
    let page = ann.go("/.auth/account?add=totp");
    let mut app = Authenticator::scan(&page.text());
    type_code(&mut ann, &page, &app.code());
    let removed = |ann: &mut Visitor| {
        let account = ann.go("/.auth/account");
        let mut forms = account.forms().into_iter();
        let form = forms.find(|form| form.value("action") == Some("remove-factor"));
        let page = ann.submit(&account, &form.unwrap());
        ann.follow(page).answer.status == 200
    };
    sidecar.change("connections.members.second_factor_by_email", false);
    sidecar.write();
    sidecar.reload();
    assert!(!removed(&mut ann));
    sidecar.change("connections.members.second_factor_by_email", true);
    sidecar.write();
    sidecar.reload();
    assert!(removed(&mut ann));
}

#[test]
fn an_address_that_counts_for_nothing_is_sent_no_code() {
    let server = MailServer::start();
    let keys = [
        ("second_factor", "required_here".into()),
        ("trust_email", "never".into()),
    ];
    let mut site = Site::with(&json!({}), &json!({}), &keys);
    let sidecar = std::mem::replace(&mut site.sidecar, Sidecar::new());
    let mut sidecar = server.behind(sidecar);
    sidecar.change("connections.op.second_factor_by_email", true);
    sidecar.write();
    sidecar.reload();
    site.sidecar = sidecar;
    let (ann, page) = site.sign_in("/wanted", &[("login", "ann")]);
    assert!(page.text().contains("Set up a"), "{page:?}");
    assert!(ann.session().is_none());
    assert!(server.all().is_empty(), "{:#?}", server.all());
}
