//! Second factors: set up, asked for at a login and where a route wants more, lost and reset.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    Browser, Page, Sidecar, Upstream, Visitor,
    authenticator::Authenticator,
    federated::{Site, go_to_provider},
    forms::Form,
    jwt, route,
    visitor::PASSWORD,
};

fn members(upstream: &Upstream, setting: &str) -> Sidecar {
    Sidecar::new()
        .set("connections.members.second_factor", setting)
        .route(route("/").to(upstream).set("assertion", true))
}

/// Somebody who has signed up and set an app up on the account page, with their recovery codes.
fn enrolled(sidecar: &Sidecar, name: &str) -> (Visitor, Authenticator, Vec<String>) {
    let mut visitor = sidecar.signed_up(name);
    let (app, codes) = enrol(&mut visitor);
    (visitor, app, codes)
}

fn enrol(visitor: &mut Visitor) -> (Authenticator, Vec<String>) {
    let page = visitor.go("/.auth/account?add=totp");
    let mut app = Authenticator::scan(&page.text());
    let end = confirm(visitor, &page, &app.code());
    let codes = codes_of(&end);
    assert_eq!(codes.len(), 10, "{end:?}");
    (app, codes)
}

/// Types a code into whichever form takes one.
fn confirm(visitor: &mut Visitor, page: &Page, code: &str) -> Page {
    let form = page.form_with("code").fill("code", code);
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

fn recover(visitor: &mut Visitor, page: &Page, code: &str) -> Page {
    let form = page.form_with("recovery_code").fill("recovery_code", code);
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

/// The recovery codes that a page shows.
fn codes_of(page: &Page) -> Vec<String> {
    let text = page.text();
    let Some((_, rest)) = text.split_once("<pre class=\"codes\"") else {
        return Vec::new();
    };
    let (_, rest) = rest.split_once('>').unwrap();
    let (codes, _) = rest.split_once("</pre>").unwrap();
    codes.lines().map(str::to_owned).collect()
}

/// Gives the password; the page that asks for the second factor.
fn first_proof(sidecar: &Sidecar, path: &str, name: &str) -> (Visitor, Page) {
    let mut visitor = sidecar.visitor();
    let page = visitor.sign_in(path, name, PASSWORD);
    (visitor, page)
}

fn amr(visitor: &mut Visitor) -> Value {
    let me = visitor.me().expect("signed in");
    me["authentications"][0]["amr"].clone()
}

fn account_form(page: &Page, action: &str) -> Form {
    let mut forms = page.forms().into_iter();
    let form = forms.find(|form| form.value("action") == Some(action));
    form.unwrap_or_else(|| panic!("no form {action:?}: {page:?}"))
}

/// What the store says of a user's factors.
fn factors(sidecar: &Sidecar, name: &str) -> Value {
    sidecar.cli_json(&["users", "factors", name])
}

#[test]
fn whoever_has_a_factor_is_asked_for_it_and_has_no_session_before() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (_, mut app, _) = enrolled(&sidecar, "alice");
    let (mut alice, page) = first_proof(&sidecar, "/private?x=1", "alice");
    assert_eq!(page.url.path(), "/.auth/factor");
    assert_eq!(page.answer.status, 200);
    assert!(alice.session().is_none() && alice.me().is_none());
    assert!(upstream.seen().is_empty());
    let wrong = confirm(&mut alice, &page, "000000");
    assert_eq!(wrong.answer.status, 422);
    assert!(alice.session().is_none());
    // a page that is read again is the same
    let page = alice.go(page.url.as_str());
    let end = confirm(&mut alice, &page, &app.code());
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert!(end.url.as_str().ends_with("/private?x=1"));
    assert_eq!(amr(&mut alice), json!(["pwd", "otp", "mfa"]));
    let seen = upstream.seen();
    let token = seen
        .last()
        .unwrap()
        .header("x-vestibule-assertion")
        .unwrap();
    let claims = jwt::part(&token.into(), 1);
    assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
    // bob has none, and is not asked
    sidecar.signed_up("bob");
    let (mut bob, end) = first_proof(&sidecar, "/private", "bob");
    assert_eq!(end.url.path(), "/private");
    assert_eq!(amr(&mut bob), json!(["pwd"]));
    assert_eventually!(sidecar.log_about("factor-failed").contains("wrong-code"));
    assert!(!sidecar.log_about("factor-used").is_empty());
}

#[test]
fn a_code_counts_once_however_often_it_comes_at_once() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (_, mut app, _) = enrolled(&sidecar, "alice");
    let waiting: Vec<_> = (0..20)
        .map(|_| first_proof(&sidecar, "/private", "alice"))
        .collect();
    let code = app.code();
    let racing: Vec<_> = waiting
        .into_iter()
        .map(|(mut visitor, page)| {
            let code = code.clone();
            thread::spawn(move || {
                let form = page.form_with("code").fill("code", &code);
                visitor.submit(&page, &form);
                visitor.session().is_some()
            })
        })
        .collect();
    let won = racing.into_iter().map(|one| one.join().unwrap());
    assert_eq!(won.filter(|won| *won).count(), 1);
    // nor does it later, nor one of a step before it; the race has spent the budget of alice
    let (_, mut app, _) = enrolled(&sidecar, "bob");
    let (mut bob, page) = first_proof(&sidecar, "/private", "bob");
    let code = app.code();
    confirm(&mut bob, &page, &code);
    assert!(bob.session().is_some());
    let (mut late, page) = first_proof(&sidecar, "/private", "bob");
    let end = confirm(&mut late, &page, &code);
    assert_eq!(end.answer.status, 422);
    assert!(late.session().is_none());
    let before = app.at(Authenticator::step() - 1);
    let end = confirm(&mut late, &page, &before);
    assert_eq!(end.answer.status, 422);
    assert!(late.session().is_none());
    let end = confirm(&mut late, &page, &app.code());
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert!(late.session().is_some());
}

#[test]
fn a_clock_may_be_off_by_one_step_and_no_more() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (_, app, _) = enrolled(&sidecar, "alice");
    for (off, good) in [
        (-3_i64, false),
        (-2, false),
        (2, false),
        (3, false),
        (1, true),
    ] {
        let (mut visitor, page) = first_proof(&sidecar, "/private", "alice");
        // not at the end of a step
        let step = Authenticator::step();
        assert_eventually!(within 40, {
            let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            seconds % 30 < 20
        });
        let step = step.max(Authenticator::step());
        let end = confirm(
            &mut visitor,
            &page,
            &app.at(step.saturating_add_signed(off)),
        );
        assert_eq!(visitor.session().is_some(), good, "{off}: {end:?}");
    }
}

#[test]
fn two_hundred_guesses_at_once_are_held_by_the_budget() {
    let upstream = Upstream::start();
    let mut sidecar = members(&upstream, "optional").start();
    let (_, mut app, codes) = enrolled(&sidecar, "alice");
    let logins: Vec<_> = (0..10)
        .map(|_| first_proof(&sidecar, "/private", "alice"))
        .collect();
    let racing: Vec<_> = (0..200)
        .map(|guess| {
            let (mut visitor, page) = logins[guess % 10].clone();
            thread::spawn(move || {
                let form = page.form_with("code").fill("code", &format!("{guess:06}"));
                visitor.submit(&page, &form).answer.status
            })
        })
        .collect();
    let statuses: Vec<_> = racing.into_iter().map(|one| one.join().unwrap()).collect();
    let compared = statuses.iter().filter(|status| **status == 422).count();
    assert!((1..=10).contains(&compared), "{statuses:?}");
    // a store that is asked for so much at once may say no as well
    let denied = |status: &u16| matches!(status, 422 | 429 | 503);
    assert!(statuses.iter().all(denied), "{statuses:?}");
    let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
    let mut left = 10 - compared;
    while confirm(&mut alice, &page, "000000").answer.status == 422 {
        assert!(left > 0, "more than ten guesses were looked at");
        left -= 1;
    }
    // the right code is not looked at either: not in another login, not after a restart
    let code = app.code();
    let end = confirm(&mut alice, &page, &code);
    assert_eq!(end.answer.status, 429);
    assert!(end.answer.header("retry-after").is_some());
    sidecar.restart();
    let end = confirm(&mut alice, &page, &code);
    assert_eq!(end.answer.status, 429);
    assert!(alice.session().is_none());
    // somebody else has a budget of their own, and so have recovery codes
    let (_, mut other, _) = enrolled(&sidecar, "bob");
    let (mut bob, asked) = first_proof(&sidecar, "/private", "bob");
    assert_eq!(confirm(&mut bob, &asked, &other.code()).answer.status, 200);
    let end = recover(&mut alice, &page, &codes[3]);
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert!(alice.session().is_some());
}

#[test]
fn whoever_lacks_the_first_factor_spends_nothing() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (_, mut app, _) = enrolled(&sidecar, "alice");
    let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
    let mut stranger = sidecar.visitor();
    stranger.go("/private");
    for _ in 0..30 {
        let form = page.form_with("code").fill("code", "123456");
        let answer = stranger.submit(&page, &form);
        assert_eq!(answer.answer.status, 400, "{answer:?}");
    }
    let end = confirm(&mut alice, &page, &app.code());
    assert_eq!(end.answer.status, 200, "{end:?}");
}

#[test]
fn a_recovery_code_works_once_in_any_spelling_and_new_ones_end_the_old() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (_, _, codes) = enrolled(&sidecar, "alice");
    let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
    let wrong = recover(&mut alice, &page, "aaaaa-aaaaa");
    assert_eq!(wrong.answer.status, 422);
    let spelled = codes[0].to_uppercase().replace('-', " ");
    let end = recover(&mut alice, &page, &spelled);
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert_eq!(amr(&mut alice), json!(["pwd", "otp", "mfa"]));
    assert_eq!(factors(&sidecar, "alice")["recovery_codes_left"], 9);
    let (mut again, page) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(recover(&mut again, &page, &codes[0]).answer.status, 422);
    assert!(again.session().is_none());
    // it was proven a moment ago, so new ones may be made
    let account = alice.go("/.auth/account");
    assert!(account.text().contains("9 recovery codes are left"));
    let made = alice.submit(&account, &account_form(&account, "new-recovery-codes"));
    let new = codes_of(&made);
    assert_eq!(new.len(), 10);
    assert!(codes.iter().all(|code| !new.contains(code)));
    assert_eq!(recover(&mut again, &page, &codes[1]).answer.status, 422);
    assert_eq!(recover(&mut again, &page, &new[1]).answer.status, 200);
    // the store has neither the codes nor the secret
    let (_, app, codes) = enrolled(&sidecar, "bob");
    let file = std::fs::read(sidecar.path("data/vestibule.db")).unwrap();
    let wal = std::fs::read(sidecar.path("data/vestibule.db-wal")).unwrap_or_default();
    let all = [file, wal].concat();
    let all = String::from_utf8_lossy(&all).to_lowercase();
    for code in &codes {
        assert!(!all.contains(code) && !all.contains(&code.replace('-', "")));
    }
    assert!(!all.contains(&app.secret().to_lowercase()));
}

#[test]
fn nobody_comes_in_without_one_where_it_is_required() {
    let upstream = Upstream::start();
    let mut sidecar = members(&upstream, "required");
    sidecar = sidecar.start();
    let mut alice = sidecar.visitor();
    let page = alice.go("/.auth/signup/members");
    let page = alice.finish_sign_up(&page, "alice");
    assert_eq!(page.url.path(), "/.auth/factor");
    assert!(
        alice.session().is_none(),
        "a session without the second factor"
    );
    let mut app = Authenticator::scan(&page.text());
    let wrong = confirm(&mut alice, &page, "000000");
    assert_eq!(wrong.answer.status, 422);
    // the same secret stays on the page
    assert_eq!(Authenticator::scan(&wrong.text()).secret(), app.secret());
    let end = confirm(&mut alice, &wrong, &app.code());
    let codes = codes_of(&end);
    assert_eq!(codes.len(), 10, "{end:?}");
    assert_eq!(amr(&mut alice), json!(["pwd", "otp", "mfa"]));
    // the same form again sets up nothing
    let again = confirm(&mut alice, &wrong, &app.code());
    assert!(codes_of(&again).is_empty());
    assert_eq!(
        factors(&sidecar, "alice")["factors"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // and the last one stays
    let account = alice.go("/.auth/account");
    let kept = alice.submit(&account, &account_form(&account, "remove-factor"));
    assert_eq!(kept.answer.status, 422);
    assert!(kept.text().contains("the last one stays"), "{kept:?}");
    let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(confirm(&mut alice, &page, &app.code()).answer.status, 200);
    // whoever came in before it was required is asked at the next page
    let mut before = sidecar;
    before.change("connections.members.second_factor", "off");
    before.write();
    before.reload();
    let mut bob = before.signed_up("bob");
    assert_eq!(bob.go("/private").url.path(), "/private");
    before.change("connections.members.second_factor", "required");
    before.write();
    before.reload();
    assert_eventually!(bob.go("/private").url.path() == "/.auth/factor");
    assert_eq!(bob.fetch("/private").status, 401);
}

#[test]
fn one_of_two_who_set_up_the_first_factor_at_once_has_it() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "required").start();
    let mut alice = sidecar.visitor();
    let page = alice.go("/.auth/signup/members");
    let page = alice.finish_sign_up(&page, "alice");
    // somebody else has the password, too, and no more
    let (mut eve, trap) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(trap.url.path(), "/.auth/factor");
    let mut app = Authenticator::scan(&page.text());
    assert!(!codes_of(&confirm(&mut alice, &page, &app.code())).is_empty());
    let mut theirs = Authenticator::scan(&trap.text());
    let end = confirm(&mut eve, &trap, &theirs.code());
    assert_eq!(end.answer.status, 400, "{end:?}");
    assert!(eve.session().is_none());
    assert_eq!(
        factors(&sidecar, "alice")["factors"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_route_asks_a_session_for_the_second_factor_alone() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(
            route("/admin")
                .to(&upstream)
                .set("second_factor", "required"),
        )
        .start();
    let mut alice = sidecar.signed_up("alice");
    let before = alice.session().unwrap().clone();
    // set up elsewhere: this session has the password alone
    let mut elsewhere = sidecar.visitor();
    elsewhere.sign_in("/", "alice", PASSWORD);
    let (mut app, _) = enrol(&mut elsewhere);
    assert_eq!(
        elsewhere.go("/admin").url.path(),
        "/admin",
        "it was proven there"
    );
    assert_eq!(alice.go("/open").url.path(), "/open");
    let refused = alice.fetch("/admin/x");
    assert_eq!(refused.status, 401);
    let page = alice.go("/admin/x?y=1");
    assert_eq!(page.url.path(), "/.auth/factor");
    assert!(page.forms().iter().all(|form| !form.has("password")));
    assert!(alice.me().is_some(), "the session goes on");
    // the page is of no use to a session that is not this one
    let mut stolen = alice.clone();
    stolen.jar.retain(|cookie| *cookie != before);
    assert_eq!(confirm(&mut stolen, &page, "000000").answer.status, 400);
    let end = confirm(&mut alice, &page, &app.code());
    assert!(end.url.as_str().ends_with("/admin/x?y=1"), "{end:?}");
    assert_eq!(amr(&mut alice), json!(["pwd", "otp", "mfa"]));
    assert_ne!(alice.session().unwrap().value, before.value, "a new token");
    let mut old = sidecar.visitor();
    old.jar.push(before);
    assert!(old.me().is_none(), "the token before is good still");
    // one that ended meanwhile is not brought back
    let mut bob = sidecar.signed_up("bob");
    let mut other = sidecar.visitor();
    other.sign_in("/", "bob", PASSWORD);
    let (mut app, _) = enrol(&mut other);
    let page = bob.go("/admin");
    sidecar.cli_ok(&["sessions", "revoke", "--user", "bob"]);
    let end = confirm(&mut bob, &page, &app.code());
    assert_eq!(end.answer.status, 400, "{end:?}");
    assert!(bob.me().is_none());
    // who has none sets one up, while the first proof is fresh
    let mut carol = sidecar.signed_up("carol");
    let page = carol.go("/admin");
    let mut app = Authenticator::scan(&page.text());
    assert!(!codes_of(&confirm(&mut carol, &page, &app.code())).is_empty());
    assert_eq!(carol.go("/admin").url.path(), "/admin");
    let told = sidecar.cli_json(&[
        "explain",
        "--json",
        "--user",
        "carol",
        "--url",
        &format!("{}/admin", sidecar.origin()),
    ]);
    assert_eq!(told["missing"], "second-factor", "{told}");
    assert_eq!(told["route"]["second_factor"], "required");
    let told = sidecar.cli_json(&[
        "explain",
        "--json",
        "--user",
        "carol",
        "--second-factor",
        "--url",
        &format!("{}/admin", sidecar.origin()),
    ]);
    assert_eq!(told["verdict"], "forward", "{told}");
}

/// Something that the operator or the time does.
type Happening<'a> = (&'a str, &'a dyn Fn(&Sidecar));

#[test]
fn what_happens_between_the_two_proofs_counts() {
    let upstream = Upstream::start();
    let mut sidecar = members(&upstream, "optional").start();
    let (_, mut app, _) = enrolled(&sidecar, "alice");
    let meanwhile: [Happening<'_>; 4] = [
        ("blocked", &|sidecar| {
            sidecar.cli_ok(&["users", "block", "alice"]);
        }),
        ("ended", &|sidecar| {
            sidecar.cli_ok(&["sessions", "revoke", "--user", "alice"]);
        }),
        ("password", &|sidecar| {
            sidecar.cli_told(&["users", "set-password", "alice"], PASSWORD);
        }),
        ("expired", &|sidecar| {
            let sql = "UPDATE one_time_rows SET until = 1 WHERE purpose = 'factor'";
            change(sidecar, sql);
        }),
    ];
    let mut last = Vec::new();
    for (what, happens) in meanwhile {
        let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
        assert_eq!(page.url.path(), "/.auth/factor", "{what}: {page:?}");
        happens(&sidecar);
        let code = app.at(Authenticator::step());
        let end = confirm(&mut alice, &page, &code);
        let expected = if what == "blocked" { 403 } else { 400 };
        assert_eq!(end.answer.status, expected, "{what}: {end:?}");
        assert!(alice.session().is_none(), "{what}");
        if what == "blocked" {
            sidecar.cli_ok(&["users", "unblock", "alice"]);
        }
        last.push((alice, page));
    }
    // none of them comes back, and none of them has used the code up
    for (mut alice, page) in last {
        let end = confirm(&mut alice, &page, &app.at(Authenticator::step()));
        assert_eq!(end.answer.status, 400);
        assert!(alice.session().is_none());
    }
    // a restart is nothing
    let (mut alice, page) = first_proof(&sidecar, "/private", "alice");
    let flow = alice.clone();
    sidecar.restart();
    let end = confirm(&mut alice, &page, &app.code());
    assert_eq!(end.answer.status, 200, "{end:?}");
    assert!(alice.me().is_some());
    // the first proof opens one session
    let mut again = flow;
    let end = confirm(&mut again, &page, &app.code());
    assert_eq!(end.answer.status, 400, "{end:?}");
    assert!(again.session().is_none());
}

#[test]
fn a_first_proof_that_was_ended_sets_up_nothing() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "required").start();
    sidecar.cli_told(&["users", "add", "--username", "alice"], PASSWORD);
    let (mut eve, page) = first_proof(&sidecar, "/private", "alice");
    let mut app = Authenticator::scan(&page.text());
    sidecar.cli_told(
        &["users", "set-password", "alice"],
        "another horse battery staple",
    );
    let end = confirm(&mut eve, &page, &app.code());
    assert_eq!(end.answer.status, 400, "{end:?}");
    assert!(eve.session().is_none());
    assert_eq!(factors(&sidecar, "alice")["factors"], json!([]));
}

#[test]
fn a_session_without_the_factor_does_not_remove_it() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    // signed in a moment ago, by the password alone
    let mut eve = sidecar.signed_up("alice");
    let mut alice = sidecar.visitor();
    alice.sign_in("/", "alice", PASSWORD);
    enrol(&mut alice);
    let account = eve.go("/.auth/account");
    for action in ["remove-factor", "new-recovery-codes"] {
        let answer = eve.submit(&account, &account_form(&account, action));
        assert!(answer.answer.location().contains("/login?"), "{answer:?}");
    }
    assert_eq!(eve.go("/.auth/account?add=totp").url.path(), "/.auth/login");
    let told = factors(&sidecar, "alice");
    assert_eq!(told["factors"].as_array().unwrap().len(), 1);
    assert_eq!(told["recovery_codes_left"], 10);
    // who has proven it may
    let account = alice.go("/.auth/account");
    let removed = alice.submit(&account, &account_form(&account, "remove-factor"));
    assert!(alice.follow(removed).text().contains("It is removed"));
    assert_eq!(factors(&sidecar, "alice")["recovery_codes_left"], 0);
}

/// Changes the database as an operator with a shell could.
fn change(sidecar: &Sidecar, sql: &str) {
    let done = std::process::Command::new("sqlite3")
        .args(["-cmd", ".timeout 5000"])
        .arg(sidecar.path("data/vestibule.db"))
        .arg(sql)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn the_operator_resets_what_was_lost_and_says_why() {
    let upstream = Upstream::start();
    let sidecar = members(&upstream, "optional").start();
    let (mut alice, mut app, codes) = enrolled(&sidecar, "alice");
    let (mut waiting, page) = first_proof(&sidecar, "/private", "alice");
    let told = factors(&sidecar, "alice");
    assert_eq!(told["factors"][0]["kind"], "totp");
    assert_eq!(told["recovery_codes_left"], 10);
    assert!(!told.to_string().contains(app.secret()));
    for words in [
        &["users", "reset-factors", "alice"][..],
        &["users", "reset-factors", "alice", "--reason", " "],
    ] {
        assert!(!sidecar.cli(words).status.success());
    }
    assert!(alice.me().is_some());
    sidecar.cli_ok(&[
        "users",
        "reset-factors",
        "alice",
        "--reason",
        "lost telephone, ticket 4711",
    ]);
    assert!(alice.me().is_none(), "the session lives on");
    assert_eventually!(sidecar.log_about("factors-reset").contains("ticket 4711"));
    let end = confirm(&mut waiting, &page, &app.code());
    assert_eq!(end.answer.status, 400);
    assert_eq!(factors(&sidecar, "alice")["factors"], json!([]));
    let (mut alice, end) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(end.url.path(), "/private");
    assert_eq!(amr(&mut alice), json!(["pwd"]));
    assert_eq!(
        sidecar
            .cli(&["users", "reset-factors", "alice", "--reason", "again"])
            .status
            .code(),
        Some(1)
    );
    // the old codes are those of nobody
    let (_, _) = enrol(&mut alice);
    let (mut eve, page) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(recover(&mut eve, &page, &codes[0]).answer.status, 422);
}

#[test]
fn only_a_fresh_proof_changes_factors_and_ways_in() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .route(route("/").to(&upstream))
        .start();
    let (mut alice, mut app, _) = enrolled(&sidecar, "alice");
    let account = alice.go("/.auth/account");
    let before = [
        account_form(&account, "remove-factor"),
        account_form(&account, "rename-factor").fill("factor_name", "Mine"),
        account_form(&account, "new-recovery-codes"),
        account_form(&account, "link"),
    ];
    // eleven minutes later
    sidecar.stop();
    let at = "json_extract(authentications, '$[0].auth_time') - 660000";
    change(
        &sidecar,
        &format!(
            "UPDATE sessions SET authentications = json_set(authentications, '$[0].auth_time', {at})"
        ),
    );
    sidecar.start_again();
    for form in &before {
        let answer = alice.submit(&account, form);
        assert_eq!(answer.answer.status, 303);
        assert!(answer.answer.location().contains("/login?"), "{answer:?}");
    }
    let told = factors(&sidecar, "alice");
    assert_eq!(told["factors"][0]["name"], "");
    assert_eq!(told["recovery_codes_left"], 10);
    let asked = alice.go("/.auth/account?add=totp");
    assert_eq!(asked.url.path(), "/.auth/login");
    assert!(asked.text().contains("confirm that it is you"));
    // the password alone is not enough for who has a factor
    let page = alice.try_password(&asked, "alice", PASSWORD);
    let page = alice.follow(page);
    assert_eq!(page.url.path(), "/.auth/factor");
    let answer = alice.submit(&account, &before[0]);
    assert!(answer.answer.location().contains("/login?"), "{answer:?}");
    let end = confirm(&mut alice, &page, &app.code());
    assert!(end.url.as_str().contains("add=totp"), "{end:?}");
    let mut second = Authenticator::scan(&end.text());
    let form = end.form_with("code").fill("code", &second.code());
    let answer = alice.submit(&end, &form.fill("factor_name", "  Tablet\u{7} "));
    let account = alice.follow(answer);
    assert!(account.text().contains("Tablet"), "{account:?}");
    assert!(codes_of(&account).is_empty(), "the codes from before stay");
    let renamed = alice.submit(
        &account,
        &account_form(&account, "rename-factor").fill("factor_name", "Phone"),
    );
    let account = alice.follow(renamed);
    assert!(account.text().contains("new name"));
    let removed = alice.submit(&account, &account_form(&account, "remove-factor"));
    alice.follow(removed);
    let told = factors(&sidecar, "alice");
    assert_eq!(told["factors"][0]["name"], "Tablet");
    assert_eq!(told["factors"].as_array().unwrap().len(), 1);
    // the one that was removed is not good any more, the other is
    let (mut again, page) = first_proof(&sidecar, "/private", "alice");
    assert_eq!(confirm(&mut again, &page, &app.code()).answer.status, 422);
    assert_eq!(
        confirm(&mut again, &page, &second.code()).answer.status,
        200
    );
    // nobody touches the factors of others
    let (mut bob, _, _) = enrolled(&sidecar, "bob");
    let page = bob.go("/.auth/account");
    let id = told["factors"][0]["id"].as_str().unwrap();
    let forged = account_form(&page, "remove-factor").fill("factor", id);
    bob.submit(&page, &forged);
    assert_eq!(factors(&sidecar, "alice")["factors"][0]["id"], id);
}

#[test]
fn an_account_with_a_factor_is_not_taken_by_its_password() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").to(&upstream))
        .start();
    let mut victim = sidecar.visitor();
    let page = victim.go("/.auth/signup/staff");
    victim.finish_sign_up(&page, "al");
    let (mut app, _) = enrol(&mut victim);
    let mut eve = sidecar.signed_up("eve");
    let account = eve.go("/.auth/account");
    let mut forms = account.forms().into_iter();
    let form = forms
        .find(|form| form.value("connection") == Some("staff"))
        .unwrap();
    let login = eve.submit(&account, &form);
    let asked = eve.try_password(&login, "al", PASSWORD);
    let asked = eve.follow(asked);
    assert_eq!(asked.url.path(), "/.auth/factor");
    assert!(!asked.forms().iter().any(|form| form.has("ticket")));
    let wrong = confirm(&mut eve, &asked, "000000");
    assert_eq!(wrong.answer.status, 422);
    assert!(victim.me().is_some());
    // who has both may join them
    let question = confirm(&mut eve, &asked, &app.code());
    let answer = eve.submit(&question, &question.form_with("ticket"));
    let end = eve.follow(answer);
    assert!(end.text().contains("is added"), "{end:?}");
    assert!(victim.me().is_none());
    // the one that stays keeps its own factors: none
    assert_eq!(factors(&sidecar, "eve")["factors"], json!([]));
}

#[test]
fn a_provider_is_believed_where_the_operator_says_so() {
    let amr_of = |setting: &str, methods: &str| {
        let keys = [("second_factor", setting.into())];
        let site = Site::with(&json!({}), &json!({}), &keys);
        let mut alice = site.visitor();
        let page = go_to_provider(&mut alice, &site.url("/private"), "op");
        let fields = [("login", "alice"), ("amr", methods)];
        let page = site.provider.sign_in_with(&mut alice, &page, &fields);
        let asked = page.url.path() == "/.auth/factor";
        assert_eq!(alice.me().is_none(), asked, "{page:?}");
        if asked {
            let mut app = Authenticator::scan(&page.text());
            let end = confirm(&mut alice, &page, &app.code());
            assert_eq!(codes_of(&end).len(), 10, "{end:?}");
        }
        let me = alice.me().unwrap();
        (asked, me["authentications"][0]["amr"].clone())
    };
    assert_eq!(
        amr_of("required", "pwd mfa"),
        (false, json!(["pwd", "mfa"]))
    );
    assert_eq!(
        amr_of("required", "pwd"),
        (true, json!(["pwd", "otp", "mfa"]))
    );
    assert_eq!(
        amr_of("required_here", "pwd mfa"),
        (true, json!(["pwd", "mfa", "otp"]))
    );
    assert_eq!(amr_of("off", "pwd"), (false, json!(["pwd"])));
}

#[test]
fn factors_come_from_elsewhere_and_leave_only_when_asked_for() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let hash = "$2b$05$agLXco1xzNPRHG.Alqhk7O1Bic0/lnw2iKeghphF/X5l2IYjkNpPu";
    let password = "Tr0ubadör & 3";
    let user = |name: &str, factors: Value| {
        json!({
            "user_id": format!("auth0|{name}"), "email": format!("{name}@example.com"),
            "email_verified": true, "password_hash": hash, "mfa_factors": factors,
        })
    };
    let secret = "JBSWY3DPEHPK3PXP";
    let users = json!([
        user(
            "ann",
            json!([{ "totp": { "secret": secret } }, { "phone": { "value": "+15550100" } }])
        ),
        user("bad", json!([{ "totp": { "secret": "not base32!" } }])),
        user("old", json!([])),
    ]);
    let file = sidecar.path("users.json");
    std::fs::write(&file, users.to_string()).unwrap();
    let words = [
        "users",
        "import",
        "--connection",
        "members",
        file.to_str().unwrap(),
    ];
    for created in [2, 0] {
        let output = sidecar.cli(&words);
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&done["created"], &done["refused"]),
            (&json!(created), &json!(1))
        );
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.contains("no TOTP") && told.contains("not base32"),
            "{told}"
        );
        assert!(!told.contains("base32!"), "an error repeats what was given");
    }
    assert_eq!(
        factors(&sidecar, "ann@example.com")["factors"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let mut ann = sidecar.visitor();
    let page = ann.sign_in("/private", "ann@example.com", password);
    assert_eq!(page.url.path(), "/.auth/factor");
    let end = confirm(&mut ann, &page, &Authenticator::with(secret).code());
    assert_eq!(end.answer.status, 200, "{end:?}");
    let plain = sidecar.cli_ok(&["users", "export", "--with-password-hashes"]);
    assert!(!plain.contains("second_factors") && !plain.contains(secret));
    let all = sidecar.cli(&["users", "export", "--with-second-factors"]);
    let told = String::from_utf8_lossy(&all.stderr).into_owned();
    assert!(told.contains("plain text"), "{told}");
    let lines = String::from_utf8(all.stdout).unwrap();
    let line = lines
        .lines()
        .find(|line| line.contains("second_factors"))
        .unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        line["second_factors"],
        json!([{ "totp": { "secret": secret } }])
    );
    assert_eventually!(
        sidecar
            .log_about("users-exported")
            .contains("with-second-factors")
    );
    // what was exported is imported elsewhere
    let other = Sidecar::before(&upstream);
    let file = other.path("users.jsonl");
    std::fs::write(&file, &lines).unwrap();
    other.cli_ok(&["users", "import", file.to_str().unwrap()]);
    let told = other.cli_json(&["users", "factors", "ann@example.com"]);
    assert_eq!(told["factors"][0]["kind"], "totp", "{told}");
}

/// The pages as people see them, in four sizes and colours.
fn look(browser: &Browser, name: &str) {
    for (width, height) in [(360, 900), (1280, 900)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("{name}-{width}-{scheme}"));
        }
    }
}

#[test]
fn in_a_browser_it_is_set_up_and_asked_for_without_scripts() {
    let sidecar = Sidecar::new()
        .set("connections.members.second_factor", "required")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    browser.without_scripts();
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser.click("a[href*='/signup/members']");
    browser.fill("#email", "alice@example.com");
    browser.fill("#username", "alice");
    browser.fill("#password", PASSWORD);
    browser.click("button[type=submit].primary");
    browser.shows("An authenticator app");
    look(&browser, "factor-enrol");
    let secret = browser.attribute("input[name=enrolment]", "value");
    assert!(!secret.is_empty());
    browser.click("summary");
    let mut app = Authenticator::with(&browser.text(".secret"));
    let submit = "form:not([data-passkey]) button.primary";
    browser.fill("#code", "000000").click(submit);
    browser.shows("That code is not right");
    look(&browser, "factor-enrol-wrong");
    browser
        .fill("#code", &app.code())
        .fill("#factor_name", "Telephone");
    browser.click(submit);
    browser.shows("Keep your recovery codes");
    look(&browser, "factor-codes");
    let file = browser.attribute("a[download]", "href");
    assert!(file.starts_with("data:text/plain"), "{file}");
    let shown = browser.text(".codes");
    let first = shown.lines().next().unwrap().trim().to_owned();
    assert!(file.contains(&first), "{file} {shown}");
    browser.click("a.primary");
    browser.arrives(&format!("{}/private", sidecar.origin()));
    browser.goto(&format!("{}/.auth/account", sidecar.origin()));
    browser
        .shows("Second step")
        .shows("Telephone")
        .shows("10 recovery codes");
    for (width, height) in [(360, 2600), (1280, 2000)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("factor-account-{width}-{scheme}"));
        }
    }
    browser
        .click("nav form button[type=submit]")
        .shows("signed out");
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser
        .fill("#login", "alice")
        .fill("#password", PASSWORD)
        .click("button[type=submit].primary");
    browser.shows("Confirm that it is you");
    look(&browser, "factor-asked");
    browser.fill("#code", "000000").click("form button.primary");
    browser.shows("That code is not right");
    browser.click("summary");
    look(&browser, "factor-recovery");
    browser.fill("#recovery_code", &first);
    browser.click("details button");
    browser.arrives(&format!("{}/private", sidecar.origin()));
    let said: Vec<_> = browser
        .console()
        .into_iter()
        .filter(|line| line.contains("Content Security Policy") || line.contains("Refused"))
        .collect();
    assert!(said.is_empty(), "the console says: {said:#?}");
}
