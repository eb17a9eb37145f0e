//! Who types addresses to learn whose people sign in here.

use std::time::{Duration, Instant};

use crate::{
    discovery::{to_a_provider, type_name},
    ldap::directory,
    support::{Page, Sidecar, Slapd, Visitor, route, sidecar::list},
};

/// Everything that came, octet by octet, but for what is drawn anew for each browser.
fn essence(page: &Page, typed: &str) -> String {
    let mut text = page.text();
    for form in page.forms() {
        for (name, value) in form.fields {
            if name != "login" && value.len() > 10 {
                text = text.replace(&value, &"x".repeat(value.len()));
            }
        }
    }
    let mut headers: Vec<_> = page
        .answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    let all = format!(
        "{} {}\n{}\n{text}",
        page.answer.status,
        page.url.path(),
        headers.join("\n")
    );
    let all = all.replace(typed, "TYPED");
    let encoded: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
    let all = all.replace(&encoded, "TYPED");
    // flow ids, sealed cookies, nonces and times: long runs of letters and digits keep their length
    let mut out = String::new();
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for word in all.split_inclusive(|c: char| !part_of_word(c)) {
        let drawn = word.len() > 16 && word.chars().any(|c| c.is_ascii_digit());
        out += &if drawn {
            "x".repeat(word.len())
        } else {
            word.to_owned()
        };
    }
    out.lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date: "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `acme` is public and known to all; `covert`, which redirects, and `secret`, which asks for
/// passwords, are private.
fn site() -> Sidecar {
    let sidecar = to_a_provider(
        Sidecar::new(),
        "covert",
        &["covert.example", "*.covert.example"],
    );
    to_a_provider(sidecar, "acme", &["acme.example"])
        .set("connections.covert.discovery", "private")
        .set("connections.secret.strategy", "database")
        .set("connections.secret.signup", true)
        .set("connections.secret.discovery", "private")
        .set("connections.secret.domains", list(&["secret.example"]))
        .route(route("/").set("upstream", "builtin:demo"))
        .start()
}

#[test]
fn pwd_1_a_domain_of_a_private_connection_looks_like_one_of_nobody() {
    let sidecar = site();
    let typed = |name: &str| essence(&type_name(&mut sidecar.visitor(), name), name);
    let nobody = typed("al@nobody.example");
    assert!(
        nobody.contains("password") && nobody.contains("TYPED"),
        "{nobody}"
    );
    for name in ["al@covert.example", "al@secret.example"] {
        assert_eq!(typed(name), nobody, "{name}");
    }
    let below = typed("al@eu.covert.example");
    assert_eq!(below, typed("al@eu.nobody.example"));
    // the control: what is public is told
    assert_ne!(typed("al@acme.example"), nobody);
    // hinted at, nothing is shown but the name
    let hinted = |name: &str| {
        let mut visitor = sidecar.visitor();
        essence(
            &visitor.open(&format!("/.auth/login?login_hint={name}")),
            name,
        )
    };
    let nobody = hinted("al@nobody.example");
    for name in ["al@covert.example", "al@secret.example"] {
        assert_eq!(hinted(name), nobody, "{name}");
    }
}

#[test]
fn pwd_1_a_wrong_password_looks_alike_whoever_checked_it() {
    let sidecar = site();
    let mut owner = sidecar.visitor();
    let page = owner.go("/.auth/signup/secret");
    owner.finish_sign_up(&page, "al");
    let attempt = |name: &str, times: usize| {
        let mut visitor = sidecar.visitor();
        let mut page = type_name(&mut visitor, name);
        let mut seen = Vec::new();
        for _ in 0..times {
            let begin = Instant::now();
            page = visitor.try_password(&page, name, "a wrong password");
            // No refusal comes before the time of the slowest, so it does not tell which it was.
            assert!(
                begin.elapsed() >= Duration::from_secs(1),
                "{name}: {:?}",
                begin.elapsed()
            );
            seen.push(essence(&page, name));
        }
        seen
    };
    // to the end of the budget, which is as large for each
    let nobody = attempt("al@nobody.example", 12);
    assert!(
        nobody[0].starts_with("422 ") && nobody[11].starts_with("429 "),
        "{nobody:?}"
    );
    let secret = attempt("al@secret.example", 12);
    for (one, other) in secret.iter().zip(&nobody) {
        assert_eq!(one, other);
    }
    assert_eq!(attempt("al@covert.example", 1)[0], nobody[0]);
}

#[test]
fn pwd_1_a_private_directory_is_not_told_from_the_database() {
    let mut slapd = Slapd::start();
    let private = [
        ("discovery", "private".into()),
        ("domains", list(&["example.org"])),
    ];
    let sidecar = directory(&slapd, &private)
        .set("connections.members.strategy", "database")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let attempt = |name: &str, password: &str| {
        let mut visitor = sidecar.visitor();
        let page = visitor.open("/.auth/login");
        let form = page.form_with("password");
        assert!(form.action.ends_with("/login/members"), "{}", form.action);
        let page = visitor.try_password(&page, name, password);
        (essence(&page, name), visitor)
    };
    let (_, alice) = attempt("alice@example.org", "alice-secret");
    assert!(alice.session().is_some(), "the domain leads nowhere");
    let (nobody, _) = attempt("alice@nowhere.org", "a wrong password");
    assert!(nobody.starts_with("422 "), "{nobody}");
    assert_eq!(attempt("alice@example.org", "a wrong password").0, nobody);
    assert_eq!(attempt("nobod@example.org", "a wrong password").0, nobody);
    // whether it is there at all is not told either
    slapd.kill();
    let seen = (0..12).map(|_| attempt("alice@example.org", "alice-secret").0);
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen[0], nobody);
    assert!(seen[11].starts_with("429 "), "they count for nothing");
}

#[test]
fn fwd_2_a_forged_address_shows_no_private_connection() {
    let configure = |sidecar: Sidecar| {
        to_a_provider(sidecar, "covert", &[])
            .set("connections.covert.discovery", "private")
            .set("connections.covert.networks", list(&["10.0.0.0/8"]))
            .route(route("/").set("upstream", "builtin:demo"))
    };
    let from = |sidecar: &Sidecar, name: &str, value: &str| -> Page {
        let mut visitor: Visitor = sidecar.visitor();
        visitor.extra.push((name.to_owned(), value.to_owned()));
        visitor.open("/.auth/login")
    };
    let sidecar = configure(Sidecar::new()).start();
    for (name, value) in [
        ("X-Forwarded-For", "10.1.2.3"),
        ("X-Forwarded-For", "10.1.2.3, 10.1.2.4"),
        ("X-Real-IP", "10.1.2.3"),
        ("Forwarded", "for=10.1.2.3"),
        ("True-Client-IP", "10.1.2.3"),
    ] {
        let page = from(&sidecar, name, value);
        assert_eq!(page.answer.status, 200, "{name}");
        assert!(!page.answer.everything().contains("covert"), "{name}");
    }
    // the control: from a proxy that is trusted it counts, and there the last entry
    let trusting = configure(Sidecar::new())
        .set("server.trusted_proxies", list(&["127.0.0.1"]))
        .start();
    let page = from(&trusting, "X-Forwarded-For", "10.1.2.3");
    assert!(page.answer.location().contains("covert.provider.example"));
    let page = from(&trusting, "X-Forwarded-For", "10.1.2.3, 203.0.113.9");
    assert_eq!(page.answer.status, 200);
    assert!(!page.answer.everything().contains("covert"));
}
