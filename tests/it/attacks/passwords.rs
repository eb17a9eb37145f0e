//! Guessing, counting and overloading at the password form.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Site;
use crate::{
    ldap::directory,
    support::{
        Page, Request, Slapd, Visitor, http::exchange, route, sidecar::list, visitor::PASSWORD,
    },
};

/// What a person sees, without what differs from one page to the next by design.
fn essence(page: &Page) -> String {
    let mut text = page.text();
    for form in page.forms() {
        for (name, value) in form.fields {
            if name != "login" && !value.is_empty() {
                text = text.replace(&value, "…");
            }
        }
        text = text.replace(&form.action.replace('&', "&amp;"), "…");
    }
    // references, flow ids and nonces are long runs of letters and digits
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
    {
        out += if word.len() > 20 { "…" } else { word };
    }
    out
}

#[test]
fn pwd_1_an_unknown_name_looks_like_a_wrong_password() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    let attempt = |login: &str| {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login");
        let start = Instant::now();
        let answer = visitor.try_password(&page, login, "wrong password");
        (answer, start.elapsed())
    };
    let (known, _) = attempt("alice");
    let (unknown, _) = attempt("nobo1");
    assert_eq!(known.answer.status, unknown.answer.status);
    let names = |page: &Page| {
        page.answer
            .headers
            .iter()
            .map(|(n, _)| n.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
    assert_eq!(
        essence(&known).replace("alice", "_"),
        essence(&unknown).replace("nobo1", "_")
    );

    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..4 {
        times[0].push(attempt("alice").1);
        times[1].push(attempt("nobo2").1);
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    let ratio = unknown / known;
    assert!(
        (0.4..2.5).contains(&ratio),
        "an unknown name takes {ratio:.2} times as long"
    );
}

#[test]
fn pwd_2_guesses_are_counted_before_they_are_tried() {
    let mut site = Site::new();
    site.sidecar.signed_up("alice");
    let hashes = |site: &Site| {
        let text = site.sidecar.ask_admin("/metrics").expect(200).text();
        text.lines()
            .filter(|line| line.starts_with("vestibule_password_hashes_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>()
    };
    let before = hashes(&site);
    let guess = |site: &Site| {
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for number in 0..10 {
                        let mut visitor = site.sidecar.visitor();
                        let page = visitor.go("/.auth/login");
                        visitor.try_password(&page, "alice", &format!("guess {number}"));
                        assert!(visitor.session().is_none());
                    }
                });
            }
        });
    };
    guess(&site);
    let tried = hashes(&site) - before;
    assert!(tried < 60.0, "{tried} of 100 guesses were tried");
    site.sidecar.restart();
    guess(&site);
    let after = hashes(&site);
    assert!(after < 60.0, "a restart gave {after} more guesses");
}

#[test]
fn pwd_3_guessing_locks_nobody_out() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    alice.sign_out();
    let mut throttled = false;
    for number in 0..100 {
        let mut attacker = site.sidecar.visitor();
        let page = attacker.go("/.auth/login");
        let answer = attacker.try_password(&page, "alice", &format!("guess {number}"));
        throttled |= answer.answer.status == 429;
        assert!(attacker.session().is_none());
    }
    assert!(throttled, "100 guesses were never slowed down");
    let mut stranger = site.sidecar.visitor();
    let page = stranger.go("/.auth/login");
    stranger.try_password(&page, "alice", PASSWORD);
    assert!(
        stranger.session().is_none(),
        "an unknown browser got past the throttle"
    );
    alice.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(
        alice.session().is_some(),
        "the owner's known browser is locked out"
    );
}

/// The site behind a proxy that says where each visitor is.
fn site_behind_a_proxy() -> Site {
    Site::with(|sidecar| sidecar.set("server.trusted_proxies", list(&["127.0.0.0/8"])))
}

fn from(site: &Site, address: &str) -> Visitor {
    let mut visitor = site.sidecar.visitor();
    let forwarded = ("X-Forwarded-For".to_owned(), address.to_owned());
    visitor.extra.push(forwarded);
    visitor
}

#[test]
fn pwd_3_guessing_from_everywhere_locks_no_new_device_out() {
    let site = site_behind_a_proxy();
    site.sidecar.signed_up("alice");
    let mut throttled = 0;
    for network in 0..8 {
        for number in 0..5 {
            let mut attacker = from(&site, &format!("10.0.{network}.{number}"));
            let page = attacker.go("/.auth/login");
            let answer = attacker.try_password(&page, "alice", &format!("guess {number}"));
            throttled += usize::from(answer.answer.status == 429);
        }
    }
    // Ten tries, then three for each network that is new.
    assert_eq!(throttled, 40 - 10 - 6 * 3);
    let mut guesser = from(&site, "10.0.1.200");
    let page = guesser.go("/.auth/login");
    guesser.try_password(&page, "alice", PASSWORD);
    assert!(guesser.session().is_none(), "a guesser's network goes on");
    let mut new_device = from(&site, "192.0.2.1");
    new_device.sign_in("/.auth/login", "alice", "a typo");
    new_device.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(new_device.session().is_some(), "the owner is locked out");
}

/// Who has spent everything causes no search in the directory; a browser that signed in before has
/// a budget of its own.
#[test]
fn pwd_2_an_address_without_a_budget_reaches_no_directory() {
    let slapd = Slapd::start();
    let sidecar = directory(&slapd, &[])
        .set("server.trusted_proxies", list(&["127.0.0.0/8"]))
        .set("protection.login.address", "50/1d")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let from = |address: &str| {
        let mut visitor = sidecar.visitor();
        let forwarded = ("X-Forwarded-For".to_owned(), address.to_owned());
        visitor.extra.push(forwarded);
        visitor
    };
    let attempt = |visitor: &mut Visitor, login: &str, password: &str| {
        let page = visitor.go("/.auth/login");
        let start = Instant::now();
        let answer = visitor.try_password(&page, login, password);
        (answer.answer.status, start.elapsed())
    };
    let mut alice = from("10.0.0.1");
    attempt(&mut alice, "alice", "alice-secret");
    assert!(alice.session().is_some());
    alice.sign_out();
    for number in 0..50 {
        let (status, _) = attempt(&mut from("10.0.0.1"), &format!("nobody{number}"), "a guess");
        assert_eq!(status, 422, "{number}");
    }
    slapd.hang(true);
    for login in ["alice", "nobody", "bob@example.org"] {
        let (status, took) = attempt(&mut from("10.0.0.1"), login, "a guess");
        assert_eq!(status, 429, "{login}");
        assert!(took < Duration::from_secs(4), "{login} waited for {took:?}");
    }
    slapd.hang(false);
    let (status, _) = attempt(&mut from("10.0.0.2"), "alice", "a guess");
    assert_eq!(status, 422, "another address has its own budget");
    attempt(&mut alice, "alice", "alice-secret");
    assert!(alice.session().is_some(), "a known browser is locked out");
}

/// What costs no hash must not spend what hashes are paid from.
#[test]
fn pwd_3_forms_without_a_password_spend_no_budget() {
    let site = site_behind_a_proxy();
    site.sidecar.signed_up("alice");
    let long = "x".repeat(1025);
    for number in 0..12 {
        for (field, value) in [
            ("password", None),
            ("password", Some(&long)),
            ("login", None),
        ] {
            let mut attacker = from(&site, &format!("10.0.{number}.1"));
            let page = attacker.go("/.auth/login");
            let form = page.form_with("password").fill("login", "alice");
            let mut form = form.fill("password", "a guess");
            match value {
                Some(long) => form = form.fill(field, long),
                None => form.fields.retain(|(name, _)| name != field),
            }
            let answer = attacker.submit(&page, &form);
            assert_eq!(answer.answer.status, 422, "{field} {number}");
        }
    }
    // All ten tries at the account are there, and all of this network's.
    for number in 0..9 {
        let mut attacker = from(&site, "10.0.0.1");
        let page = attacker.go("/.auth/login");
        let answer = attacker.try_password(&page, "alice", "a guess");
        assert_eq!(answer.answer.status, 422, "{number}");
    }
    let mut alice = from(&site, "10.0.0.1");
    alice.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(alice.session().is_some(), "the budget was spent");
}

#[test]
fn pwd_4_long_passwords_and_names_cost_nothing() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for (login, password) in [
        ("alice".to_owned(), "x".repeat(1 << 20)),
        ("alice".to_owned(), "x".repeat(1025)),
        ("a".repeat(257), PASSWORD.to_owned()),
        ("a".repeat(1 << 20), PASSWORD.to_owned()),
    ] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login");
        let start = Instant::now();
        let answer = visitor.try_password(&page, &login, &password);
        assert!(answer.answer.status < 500 && visitor.session().is_none());
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/signup/members");
    let long = "many unrelated words make one that is good, ".repeat(20);
    let form = page
        .form_with("password")
        .fill("email", "tall@example.com")
        .fill("password", &long[..64]);
    visitor.submit(&page, &form);
    assert!(
        visitor.session().is_some(),
        "a password of 64 characters is refused"
    );
}

/// Longer than bcrypt reads, in octets.
const LONG: &str =
    "eighty octets of a password that nobody guesses, with a tail of a few more words";

#[test]
fn pwd_5_no_octet_of_a_password_is_cut_off() {
    let site = Site::new();
    let base = LONG.to_owned();
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/signup/members");
    let form = page
        .form_with("password")
        .fill("email", "tall@example.com")
        .fill("password", &format!("{base}A"));
    visitor.submit(&page, &form);
    assert!(visitor.session().is_some());
    for (password, opens) in [
        (format!("{base}B"), false),
        (base.clone(), false),
        (base + "A", true),
    ] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login");
        visitor.try_password(&page, "tall@example.com", &password);
        assert_eq!(visitor.session().is_some(), opens, "{password}");
    }
    let mut nul = site.sidecar.visitor();
    let page = nul.go("/.auth/login");
    nul.try_password(&page, "tall@example.com", &format!("{LONG}A\0tail"));
    assert!(nul.session().is_none());
}

#[test]
fn pwd_6_a_storm_of_logins_is_bounded() {
    let mut site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = alice.session().unwrap().pair();
    let port = site.sidecar.port;
    let origin = site.sidecar.origin();
    let before = site.sidecar.process().memory("VmHWM");
    thread::scope(|scope| {
        for number in 0..60 {
            let origin = &origin;
            scope.spawn(move || {
                let mut visitor = Visitor::new(origin);
                let page = visitor.go("/.auth/login");
                let answer =
                    visitor.try_password(&page, &format!("user{number}"), "wrong password");
                let status = answer.answer.status;
                assert!(matches!(status, 200 | 401 | 422 | 429 | 503), "{status}");
                if status == 503 {
                    assert!(answer.answer.header("retry-after").is_some());
                }
            });
        }
        for _ in 0..20 {
            let start = Instant::now();
            let request = Request::get("/x").header("Cookie", &cookie);
            let answer = exchange(port, &format!("localhost:{port}"), &request);
            assert_eq!(answer.status, 200);
            assert!(
                start.elapsed() < Duration::from_secs(2),
                "{:?}",
                start.elapsed()
            );
        }
    });
    let grown = site
        .sidecar
        .process()
        .memory("VmHWM")
        .saturating_sub(before);
    assert!(grown < 256 << 10, "the storm took {grown} KiB");
}

#[test]
fn pwd_10_nothing_typed_is_a_query() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for login in [
        "' or 1=1 --",
        "%",
        "_____",
        "alice' --",
        "alice\0",
        "ALICE%",
        "*",
        "alice;",
    ] {
        for password in [PASSWORD, "' or '1'='1"] {
            let mut visitor = site.sidecar.visitor();
            let page = visitor.go("/.auth/login");
            let answer = visitor.try_password(&page, login, password);
            assert!(answer.answer.status < 500, "{login}: {:?}", answer.answer);
            assert!(visitor.session().is_none(), "{login}");
        }
    }
    for (login, password) in [("admin", "admin"), ("root", "root"), ("admin", "password")] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login");
        visitor.try_password(&page, login, password);
        assert!(visitor.session().is_none(), "a default account: {login}");
    }
}

#[test]
fn pwd_12_a_new_password_needs_the_old_one_and_ends_other_sessions() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let mut elsewhere = site.sidecar.visitor();
    elsewhere.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(elsewhere.me().is_some());
    let change = |visitor: &mut Visitor, current: &str, new: &str| {
        let page = visitor.go("/.auth/account");
        let form = page.form_with("current_password");
        let form = form
            .fill("current_password", current)
            .fill("new_password", new);
        let answer = visitor.submit(&page, &form);
        visitor.follow(answer)
    };
    let new = "another battery staple";
    change(&mut alice, "wrong password", new);
    assert!(
        elsewhere.me().is_some(),
        "a wrong current password changed something"
    );
    change(&mut alice, PASSWORD, new);
    assert!(
        alice.me().is_some(),
        "the browser that changed it is signed out"
    );
    assert!(elsewhere.me().is_none(), "another session lives on");
    let mut late = site.sidecar.visitor();
    late.sign_in("/.auth/login", "alice", PASSWORD);
    assert!(late.session().is_none(), "the old password still opens");
    let mut late = site.sidecar.visitor();
    late.sign_in("/.auth/login", "alice", new);
    assert!(late.session().is_some(), "the new password does not open");
}

/// Somebody who is signed in as himself knows a password of alice that is about to change. He
/// proves it, and is asked whether his own session shall end.
#[test]
fn pwd_12_what_an_old_password_proved_waits_for_nobody() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let mut password = PASSWORD.to_owned();
    let asked = |name: &str, password: &str| {
        let mut mallory = site.sidecar.signed_up(name);
        let page = mallory.go("/.auth/login?switch=1");
        let page = mallory.try_password(&page, "alice", password);
        let form = page.form_with("ticket");
        (mallory, page, form)
    };
    let is_alice = |visitor: &mut Visitor| {
        let me = visitor.me().expect("a session");
        me.to_string().contains("alice@example.com")
    };
    // The control: nothing happens meanwhile.
    let (mut mallory, page, form) = asked("mallory", &password);
    assert!(!is_alice(&mut mallory));
    mallory.submit(&page, &form);
    assert!(is_alice(&mut mallory), "the control was refused");

    for (number, end) in ["change", "set-password", "revoke", "block"]
        .iter()
        .enumerate()
    {
        let (mut mallory, page, form) = asked(&format!("mallory{number}"), &password);
        match *end {
            "change" => {
                "another battery staple".clone_into(&mut password);
                let page = alice.go("/.auth/account");
                let form = page
                    .form_with("current_password")
                    .fill("current_password", PASSWORD)
                    .fill("new_password", &password);
                alice.submit(&page, &form);
            }
            "set-password" => {
                "yet another battery staple".clone_into(&mut password);
                site.sidecar
                    .cli_told(&["users", "set-password", "alice"], &password);
            }
            "revoke" => {
                site.sidecar
                    .cli_ok(&["sessions", "revoke", "--user", "alice"]);
            }
            _ => {
                site.sidecar.cli_ok(&["users", "block", "alice"]);
                site.sidecar.cli_ok(&["users", "unblock", "alice"]);
            }
        }
        let answer = mallory.submit(&page, &form);
        assert!(
            !is_alice(&mut mallory),
            "after {end} an old proof opened a session: {answer:?}"
        );
        assert!(answer.answer.status >= 400, "{end}: {answer:?}");
        assert!(answer.answer.all("set-cookie").is_empty(), "{answer:?}");
        // Whoever proves it anew gets in.
        let mut again = site.sidecar.visitor();
        again.sign_in("/.auth/login", "alice", &password);
        assert!(again.session().is_some(), "after {end}");
    }
}
