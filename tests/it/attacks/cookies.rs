//! Cookies and sessions: what is not ours, not whole, not for this host or not alive opens nothing.

use std::{thread, time::Duration};

use super::{Site, cookie_line};
use crate::support::{
    Request, Sidecar, Upstream, Visitor, free_port,
    http::exchange,
    route,
    tls::Authority,
    visitor::{PASSWORD, parse_cookie},
};

/// Shows that these cookie lines open nothing, and that the answer is that to an anonymous request.
#[track_caller]
fn opens_nothing(site: &Site, lines: &str) {
    let answer = site.untouched(lines, || site.get("/private", lines));
    let answer = answer.expect("an answer");
    assert!(
        [400, 401, 431].contains(&answer.status),
        "{lines}: {answer:?}"
    );
}

#[test]
fn ck_1_attributes_over_plain_http() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    alice.open("/.auth/login?switch=1");
    assert!(alice.jar.len() >= 2, "{:?}", alice.jar);
    for cookie in &alice.jar {
        assert!(
            cookie.says("HttpOnly") && cookie.says("SameSite=Lax"),
            "{cookie:?}"
        );
        assert!(cookie.says("Path=/"), "{cookie:?}");
        assert!(
            !cookie.line.to_ascii_lowercase().contains("domain="),
            "{cookie:?}"
        );
        assert!(
            cookie.name.starts_with("vestibule-") && !cookie.says("Secure"),
            "{cookie:?}"
        );
    }
}

#[test]
fn ck_1_attributes_over_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new();
    let leaf = authority.leaf(sidecar.dir.path(), &["a.test"]);
    sidecar.port = free_port();
    let port = sidecar.port;
    let mut tls = toml::Table::new();
    tls.insert("cert".into(), leaf.cert_file.display().to_string().into());
    tls.insert("key".into(), leaf.key_file.display().to_string().into());
    let mut listener = toml::Table::new();
    listener.insert("address".into(), format!("127.0.0.1:{port}").into());
    listener.insert("tls".into(), vec![toml::Value::Table(tls)].into());
    let _sidecar = sidecar
        .without("server.listen")
        .set("server.listeners", vec![toml::Value::Table(listener)])
        .set("server.public_url", format!("https://a.test:{port}"))
        .route(route("/").to(&upstream))
        .start();
    let mut raw = crate::support::Raw::over(Box::new(authority.connect(port, "a.test", b"")));
    raw.send(Request::navigation("/.auth/login").bytes(&format!("a.test:{port}")));
    let answer = raw.answer("GET").unwrap().expect(200);
    let url = format!("https://a.test:{port}/").parse().unwrap();
    let cookies: Vec<_> = answer
        .all("set-cookie")
        .iter()
        .map(|line| parse_cookie(&url, line))
        .collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.name.starts_with("__Host-vestibule"), "{cookie:?}");
        assert!(
            cookie.says("Secure") && cookie.says("HttpOnly"),
            "{cookie:?}"
        );
        assert!(
            cookie.says("SameSite=Lax") && cookie.says("Path=/"),
            "{cookie:?}"
        );
    }
    assert!(answer.header("strict-transport-security").is_some());
}

#[test]
fn ck_2_a_name_is_exact_and_occurs_once() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let bob = site.sidecar.signed_up("bob");
    let (name, value) = {
        let cookie = alice.session().unwrap();
        (cookie.name.clone(), cookie.value.clone())
    };
    let other = &bob.session().unwrap().value;
    site.reached("the cookie itself", || {
        site.get("/private", &cookie_line(&alice))
    });
    for lines in [
        format!("Cookie: {name}={value}; {name}={value}\r\n"),
        format!("Cookie: {name}={value}; {name}={other}\r\n"),
        format!("Cookie: {name}={value}\r\nCookie: {name}={other}\r\n"),
        format!("Cookie: {name}=; {name}={value}\r\n"),
        format!("Cookie: {}={value}\r\n", name.to_ascii_uppercase()),
        format!("Cookie: \u{2000}{name}={value}\r\n"),
        format!("Cookie: \u{a0}{name}={value}\r\n"),
        format!("Cookie: $Version=1; ${name}={value}\r\n"),
        format!("Cookie: {name}=\"{value}\r\n"),
        format!("Cookie: {name}={value}x\r\n"),
        format!("Cookie: {name}={value}={value}\r\n"),
        format!("Cookie: __Host-vestibule={value}\r\n"),
        format!("Cookie: {name}\r\n"),
    ] {
        opens_nothing(&site, &lines);
    }
}

#[test]
fn ck_4_a_jar_that_is_too_full_gets_an_answer() {
    let site = Site::new();
    let big: String = (0..60)
        .map(|n| format!("bomb{n}={}; ", "x".repeat(4000)))
        .collect();
    let answer = site.untouched("240 KB of cookies", || {
        site.get("/private", &format!("Cookie: {big}\r\n"))
    });
    assert_eq!(answer.expect("an answer").status, 431);
    let mut visitor = site.sidecar.visitor();
    for number in 0..20 {
        visitor.open(&format!("/.auth/login?rd=/{number}"));
    }
    let flows = visitor.flows();
    assert!(
        (1..=3).contains(&flows.len()),
        "{} logins under way in one jar",
        flows.len()
    );
    for flow in flows {
        assert!(flow.value.len() <= 1536, "{} bytes", flow.value.len());
    }
}

/// Another site of the same domain, or the application, can set one for this host.
#[test]
fn ck_4_a_foreign_cookie_keeps_nobody_from_signing_in() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for value in ["\u{fc}", "\u{fc}; y", "\"", "a=b="] {
        let mut visitor = site.sidecar.visitor();
        let line = format!("x={value}; Path=/");
        let url = visitor.url("/");
        let mut planted = parse_cookie(&url, &line);
        value.clone_into(&mut planted.value);
        visitor.jar.push(planted);
        visitor.sign_in("/private", "alice", PASSWORD);
        assert!(visitor.session().is_some(), "kept out by x={value}");
        let page = visitor.go("/private");
        assert_eq!(page.answer.status, 200, "x={value}: {page:?}");
        visitor.sign_out();
        assert!(visitor.me().is_none(), "x={value}");
    }
}

#[test]
fn ck_6_no_bit_of_a_session_cookie_can_change() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = alice.session().unwrap();
    site.reached("the cookie itself", || {
        site.get("/private", &cookie_line(&alice))
    });
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    let mut anonymous = None;
    for at in 0..cookie.value.len() {
        let held = cookie.value.as_bytes()[at];
        let other = alphabet
            .bytes()
            .find(|byte| byte ^ held == 1 || byte ^ held == 2)
            .unwrap_or(b'A');
        let mut value = cookie.value.clone().into_bytes();
        value[at] = if other == held { b'B' } else { other };
        let value = String::from_utf8(value).unwrap();
        let lines = format!("Cookie: {}={value}\r\n", cookie.name);
        let answer = site
            .untouched(&lines, || site.get("/private", &lines))
            .unwrap();
        let class = (answer.status, answer.all("set-cookie").len());
        assert_eq!(
            *anonymous.get_or_insert(class),
            class,
            "octet {at} is answered otherwise"
        );
    }
}

#[test]
fn ck_6_no_bit_of_a_flow_cookie_can_change() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for at in [0, 5, 20, 40, 80] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login?rd=/x");
        let value = &mut visitor
            .jar
            .iter_mut()
            .find(|c| c.name.contains("flow"))
            .unwrap()
            .value;
        let held = value.as_bytes()[at];
        let other = if held == b'A' { "B" } else { "A" };
        value.replace_range(at..=at, other);
        visitor.try_password(&page, "alice", PASSWORD);
        assert!(visitor.session().is_none(), "octet {at}");
    }
}

#[test]
fn ck_7_no_weaker_form_is_accepted() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let name = &alice.session().unwrap().name;
    for value in [
        "{\"user\":\"members|alice\"}",
        "eyJ1c2VyIjoiYWxpY2UifQ",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
        "members%7Calice",
        "0",
        "..",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        opens_nothing(&site, &format!("Cookie: {name}={value}\r\n"));
    }
}

#[test]
fn ck_9_a_session_is_dead_after_sign_out() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let line = cookie_line(&alice);
    site.reached("before", || site.get("/private", &line));
    alice.sign_out();
    opens_nothing(&site, &line);
    assert!(alice.session().is_none(), "the browser keeps the cookie");
}

#[test]
fn ck_9_sign_out_wins_every_race() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let line = cookie_line(&alice);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..20 {
                    site.get("/private", &line);
                }
            });
        }
        thread::sleep(Duration::from_millis(50));
        alice.sign_out();
    });
    opens_nothing(&site, &line);
}

#[test]
fn ck_10_a_token_is_for_one_host() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let wiki = sidecar.origin_of("wiki.localhost");
    alice.go(&format!("{wiki}/x"));
    assert_eq!(upstream.hits(), 1);
    let here = alice.session_at("localhost").unwrap().clone();
    let there = alice.session_at("wiki.localhost").unwrap().clone();
    assert_ne!(here.value, there.value);
    let port = sidecar.port;
    let ask = |host: &str, value: &str| {
        let request = Request::get("/y").header("Cookie", &format!("{}={value}", here.name));
        exchange(port, &format!("{host}:{port}"), &request).status
    };
    assert_eq!(ask("localhost", &there.value), 401);
    assert_eq!(ask("wiki.localhost", &here.value), 401);
    assert_eq!(upstream.hits(), 1);
    assert_eq!(
        [
            ask("localhost", &here.value),
            ask("wiki.localhost", &there.value)
        ],
        [200, 200]
    );
}

#[test]
fn ck_11_a_session_that_idles_or_grows_old_ends() {
    let site = Site::with(|sidecar| sidecar.set("session.idle_timeout", "2s"));
    let line = cookie_line(&site.sidecar.signed_up("alice"));
    site.reached("at once", || site.get("/x", &line));
    thread::sleep(Duration::from_millis(2600));
    opens_nothing(&site, &line);

    let site = Site::with(|sidecar| {
        sidecar
            .set("session.absolute_timeout", "3s")
            .set("session.idle_timeout", "3s")
    });
    let line = cookie_line(&site.sidecar.signed_up("alice"));
    for _ in 0..3 {
        site.reached("while young", || site.get("/x", &line));
        thread::sleep(Duration::from_millis(500));
    }
    thread::sleep(Duration::from_secs(2));
    opens_nothing(&site, &line);
}

#[test]
fn ck_12_a_rotated_key_signs_nobody_out() {
    let site = Site::new();
    let line = cookie_line(&site.sidecar.signed_up("alice"));
    for _ in 0..2 {
        site.sidecar.cli_ok(&["keys", "rotate"]);
        let before = site.upstream.hits();
        assert_eq!(site.get("/x", &line).map(|answer| answer.status), Some(200));
        assert_eq!(site.upstream.hits(), before + 1);
        site.sidecar.signed_up(&format!("new-{before}"));
    }
}

#[test]
fn ck_13_a_known_browser_is_not_signed_in() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    alice.sign_out();
    assert!(!alice.jar.is_empty(), "the browser is not remembered");
    let all: Vec<_> = alice
        .jar
        .iter()
        .map(crate::support::visitor::Cookie::pair)
        .collect();
    opens_nothing(&site, &format!("Cookie: {}\r\n", all.join("; ")));
    assert!(alice.me().is_none());
}

#[test]
fn ck_14_a_login_makes_its_own_token() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let fixed = alice.session().unwrap().clone();
    site.sidecar.signed_up("bob");
    let mut bob = site.sidecar.visitor();
    bob.jar.push(fixed.clone());
    let page = bob.go("/.auth/login?switch=1&rd=/x");
    let mut done = bob.try_password(&page, "bob", PASSWORD);
    // another user's session: a page says so and asks to confirm
    if done.answer.status == 200 {
        let form = done
            .forms()
            .into_iter()
            .find(|form| form.method == "POST")
            .unwrap();
        done = bob.submit(&done, &form);
    }
    bob.follow(done);
    let issued = bob.session().expect("bob signs in");
    assert_ne!(issued.value, fixed.value);
    let me = bob.me().unwrap();
    assert_eq!(me["user"]["handle"], "bob");

    let mut again = site.sidecar.visitor();
    again.sign_in("/.auth/login", "bob", PASSWORD);
    assert_ne!(again.session().unwrap().value, bob.session().unwrap().value);
}

#[test]
fn ck_15_every_post_of_ours_is_ours() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let origin = site.sidecar.origin();
    let logout = |visitor: &mut Visitor, headers: &[(&str, &str)], csrf: Option<&str>| {
        let url = visitor.url("/.auth/logout");
        let body = csrf.map(|csrf| format!("csrf={csrf}")).unwrap_or_default();
        let request = headers
            .iter()
            .fold(Request::new("POST", "/.auth/logout"), |request, (n, v)| {
                request.header(n, v)
            })
            .body("application/x-www-form-urlencoded", body);
        visitor.send(&url, &request);
        visitor.me().is_none()
    };
    let page = alice.go("/.auth/account");
    let csrf = page.form_with("csrf").value("csrf").unwrap().to_owned();
    let csrf: String = url::form_urlencoded::byte_serialize(csrf.as_bytes()).collect();
    for headers in [
        vec![
            ("Origin", "http://evil.test"),
            ("Sec-Fetch-Site", "cross-site"),
        ],
        vec![("Origin", "null")],
        vec![("Origin", "http://evil.localhost")],
        vec![
            ("Referer", "http://evil.test/"),
            ("Sec-Fetch-Site", "cross-site"),
        ],
        vec![
            ("Origin", origin.as_str()),
            ("Sec-Fetch-Site", "cross-site"),
        ],
        vec![("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-site")],
    ] {
        assert!(
            !logout(&mut alice, &headers, Some(&csrf)),
            "{headers:?} signed alice out"
        );
    }
    let own = [
        ("Origin", origin.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    assert!(
        !logout(&mut alice, &own, None),
        "signed out without a token"
    );
    assert!(
        !logout(&mut alice, &own, Some("AAAA")),
        "signed out with a wrong token"
    );
    assert!(
        logout(&mut alice, &own, Some(&csrf)),
        "the honest form does not sign out"
    );
}

#[test]
fn ck_15_a_foreign_form_signs_nobody_in() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/login");
    let form = page
        .form_with("password")
        .fill("login", "alice")
        .fill("password", PASSWORD);
    let url = page.url.join(&form.action).unwrap();
    let post = |visitor: &mut Visitor, origin: &str, site: &str, body: String| {
        let request = Request::new("POST", &crate::support::visitor::target(&url))
            .header("Origin", origin)
            .header("Sec-Fetch-Site", site)
            .header("Sec-Fetch-Mode", "navigate")
            .header("Accept", "text/html")
            .body("application/x-www-form-urlencoded", body);
        visitor.send(&url, &request);
        visitor.session().is_some()
    };
    let own = site.sidecar.origin();
    assert!(!post(
        &mut visitor,
        "http://evil.test",
        "cross-site",
        form.body()
    ));
    assert!(!post(&mut visitor, "null", "cross-site", form.body()));
    let mut without = form.clone();
    without.fields.retain(|(name, _)| name != "csrf");
    assert!(!post(&mut visitor, &own, "same-origin", without.body()));
    let mut stranger = site.sidecar.visitor();
    assert!(
        !post(&mut stranger, &own, "same-origin", form.body()),
        "without the flow's cookie"
    );
    assert!(
        post(&mut visitor, &own, "same-origin", form.body()),
        "the honest form"
    );
}
