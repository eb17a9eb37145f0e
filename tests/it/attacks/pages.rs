//! Our own pages in a browser: caches, frames, scripts, other origins.

use super::{Site, cookie_line};
use crate::support::{
    Answer, Reply, Request, Sidecar, Upstream, corpus, forms, route, visitor::target,
};

/// Every page of ours that a visitor can ask for, with and without a session.
fn our_answers(site: &Site) -> Vec<(String, Answer)> {
    let alice = site.sidecar.signed_up("alice");
    let cookie = cookie_line(&alice);
    let mut answers = Vec::new();
    for lines in ["", cookie.as_str()] {
        for path in [
            "/.auth/login",
            "/.auth/login?switch=1",
            "/.auth/login/members",
            "/.auth/signup/members",
            "/.auth/account",
            "/.auth/me",
            "/.auth/owner/none",
            "/.auth/handover",
            "/.auth/callback/members",
            "/.auth/nothing",
            "/.auth/../.auth/login",
            "/private%00",
        ] {
            let answer = site.get(path, &format!("{lines}Accept: text/html\r\n"));
            answers.push((path.to_owned(), answer.expect(path)));
        }
    }
    for path in ["/private", "/private/x.css"] {
        for accept in ["text/html", "application/json"] {
            let answer = site.get(path, &format!("Accept: {accept}\r\n"));
            answers.push((path.to_owned(), answer.expect(path)));
        }
    }
    answers
}

#[test]
fn web_1_our_answers_are_kept_by_nobody() {
    let site = Site::new();
    for (path, answer) in our_answers(&site) {
        let caching = answer.header("cache-control").unwrap_or_default();
        assert!(caching.contains("no-store"), "{path}: {answer:?}");
    }
}

#[test]
fn web_1_an_answer_for_one_person_is_for_nobody_else() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let asset = Reply::ok("alice's own").with("Cache-Control", "public, max-age=3600");
    site.upstream.on("/admin/x.css", asset);
    let mine = site.get("/admin/x.css", &cookie_line(&alice)).unwrap();
    assert_eq!(mine.text(), "alice's own");
    let vary = mine.all("vary").join(", ").to_ascii_lowercase();
    assert!(vary.contains("cookie"), "{mine:?}");
    let others = site
        .untouched("an anonymous request", || site.get("/admin/x.css", ""))
        .unwrap();
    assert!(!others.text().contains("alice's own"));
}

#[test]
fn web_2_nobody_frames_our_pages() {
    let site = Site::new();
    for (path, answer) in our_answers(&site) {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {answer:?}"
        );
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
    }
}

#[test]
fn web_3_nothing_that_was_sent_becomes_markup() {
    let site = Site::new();
    let mut tries: Vec<String> = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'\"><svg/onload=alert(1)>",
        "</title><script>alert(1)</script>",
        "{{31337*1009}}{% raw %}",
        "javascript:alert(1)",
        "\u{202e}<b>",
    ]
    .map(str::to_owned)
    .into();
    tries.extend(corpus::lines("naughty-strings/blns.txt"));
    let mut bare = 0;
    for text in &tries {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let header: String = text
            .chars()
            .filter(|c| c.is_ascii_graphic() && *c != ';')
            .collect();
        for target in [
            format!("/.auth/login?rd={encoded}&login_hint={encoded}&connection={encoded}"),
            format!("/.auth/{encoded}"),
            format!("/.auth/callback/members?error={encoded}&error_description={encoded}"),
        ] {
            let lines = format!(
                "Accept: text/html\r\nAccept-Language: {header}\r\nCookie: lang={header}\r\n\
                 Referer: http://x/{header}\r\n"
            );
            let Some(answer) = site.get(&target, &lines) else {
                continue;
            };
            only_our_markup(&answer, &target);
            bare += 1;
        }
    }
    assert!(bare > tries.len(), "too few answers to mean anything");
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/login");
    for text in tries.iter().take(40) {
        let answer = visitor.try_password(&page, text, "wrong password");
        only_our_markup(&answer.answer, text);
    }
}

/// No script, handler or address of ours comes from what was sent.
#[track_caller]
fn only_our_markup(answer: &Answer, sent: &str) {
    if !answer
        .header("content-type")
        .unwrap_or_default()
        .starts_with("text/html")
    {
        return;
    }
    for tag in forms::tags(&answer.text()) {
        let foreign = ["iframe", "object", "embed", "base"].contains(&tag.name.as_str());
        assert!(!foreign, "{sent:?}: <{}>", tag.name);
        for handler in ["onload", "onerror", "onclick", "onmouseover", "onfocus"] {
            assert!(
                tag.value(handler).is_none(),
                "{sent:?}: <{} {handler}>",
                tag.name
            );
        }
        for address in ["href", "src", "action"] {
            let value = tag
                .value(address)
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            let bad = ["javascript:", "data:", "vbscript:", "//", "http://evil"];
            assert!(
                !bad.iter().any(|bad| value.starts_with(bad)),
                "{sent:?}: {address}={value}"
            );
        }
        if tag.name == "script" {
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(
                policy.contains("'sha256-"),
                "{sent:?}: a script without a hash: {policy}"
            );
        }
    }
    let text = answer.text();
    assert!(
        !text.contains("<script>alert(1)") && !text.contains("<b>"),
        "{sent:?}: {text}"
    );
    assert!(!text.contains("31619033"), "{sent:?} was evaluated");
}

#[test]
fn web_3_the_policy_lets_nothing_in() {
    let site = Site::new();
    let answer = site.get("/.auth/login", "Accept: text/html\r\n").unwrap();
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    for weak in [
        "unsafe-inline",
        "unsafe-eval",
        "*",
        "http:",
        "https:",
        "data:",
    ] {
        assert!(
            !policy
                .split([' ', ';'])
                .any(|word| word.trim_matches('\'') == weak),
            "{policy}"
        );
    }
    assert!(policy.contains("base-uri 'none'"), "{policy}");
    assert!(policy.contains("form-action"), "{policy}");
}

#[test]
fn web_4_other_origins_read_nothing() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    for path in [
        "/.auth/me",
        "/.auth/login",
        "/.auth/account",
        "/private",
        "/.auth/jwks.json",
    ] {
        for (method, extra) in [
            ("GET", ""),
            ("OPTIONS", "Access-Control-Request-Method: GET\r\n"),
        ] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Origin: http://evil.test\r\n{extra}\
                 Connection: close\r\n\r\n",
                site.host(),
                if path == "/private" {
                    String::new()
                } else {
                    cookie_line(&alice)
                },
            );
            let answer = site.raw(request).unwrap();
            assert!(
                answer.header("access-control-allow-origin").is_none(),
                "{path}: {answer:?}"
            );
            assert!(
                answer.header("access-control-allow-credentials").is_none(),
                "{path}"
            );
        }
    }
}

#[test]
fn web_5_nothing_under_our_prefix_is_the_application() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    for path in [
        "/.auth/x",
        "/.auth/",
        "/.auth",
        "/.auth/assets/none",
        "/x/../.auth/x",
        "/.%61uth/x",
    ] {
        for lines in [String::new(), cookie_line(&alice)] {
            site.untouched(path, || site.get(path, &lines));
        }
    }
    site.reached("a neighbour", || site.get("/.authx", &cookie_line(&alice)));
}

#[test]
fn web_6_the_application_cannot_reach_into_our_prefix() {
    let site = Site::new();
    let answer = Reply::ok("x")
        .with("Service-Worker-Allowed", "/.auth/")
        .with("Set-Cookie", "vestibule-1=x; Path=/.auth");
    site.upstream.on("/public/sw.js", answer);
    let answer = site
        .get("/public/sw.js", "Service-Worker: script\r\n")
        .unwrap();
    assert!(
        answer.header("service-worker-allowed").is_none(),
        "{answer:?}"
    );
    assert!(answer.all("set-cookie").is_empty(), "{answer:?}");
}

/// An application at the root of the login host installs one that watches the whole host.
#[test]
fn web_6_no_service_worker_of_the_application_sees_the_login() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let wiki = sidecar.origin_of("wiki.localhost");
    alice.go(&format!("{wiki}/"));
    let mut ask = |at: &str, marked: bool| {
        let url = alice.url(at);
        let mut request = Request::get(&target(&url)).header("Sec-Fetch-Dest", "serviceworker");
        if marked {
            request = request.header("Service-Worker", "script");
        }
        let before = upstream.hits();
        let answer = alice.send(&url, &request);
        (answer.status, upstream.hits() - before)
    };
    assert_eq!(ask("/sw.js", true), (403, 0));
    assert_eq!(ask("/app/../sw.js?x=/app/", true), (403, 0));
    // The same file is no worker, nor does one below a folder or at another host see the login.
    assert_eq!(ask("/sw.js", false), (200, 1));
    assert_eq!(ask("/app/sw.js", true), (200, 1));
    assert_eq!(ask(&format!("{wiki}/sw.js"), true), (200, 1));
}

/// A script of an application can read and post what its own host serves.
#[test]
fn web_5_the_account_page_is_at_the_login_host_alone() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let wiki = sidecar.origin_of("wiki.localhost");
    let arrived = alice.go(&format!("{wiki}/x"));
    assert_eq!(arrived.answer.status, 200, "{arrived:?}");
    let there = alice.open(&format!("{wiki}/.auth/account"));
    let here = format!("{}/.auth/account", sidecar.origin());
    assert_eq!(
        (there.answer.status, there.answer.location()),
        (303, here.as_str())
    );
    let page = alice.follow(there.clone());
    let form = page.form_with("current_password");
    let moved = alice.submit(&there, &form);
    assert_eq!(moved.url.host_str(), Some("wiki.localhost"));
    assert!(moved.answer.status >= 400, "{moved:?}");
    assert!(
        !moved.text().contains("current_password"),
        "the page is there: {moved:?}"
    );
    let control = alice.submit(&page, &form);
    assert!(control.text().contains("current_password"), "{control:?}");
}

#[test]
fn web_7_types_are_not_guessed_and_addresses_not_told() {
    let site = Site::new();
    for (path, answer) in our_answers(&site) {
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        let referrer = answer.header("referrer-policy").unwrap_or_default();
        assert!(
            ["no-referrer", "same-origin"].contains(&referrer),
            "{path}: {referrer}"
        );
        assert!(
            answer.header("strict-transport-security").is_none(),
            "{path}: HSTS over http"
        );
    }
    let asset = site.get("/.auth/login", "Accept: text/html\r\n").unwrap();
    let links: Vec<_> = forms::tags(&asset.text())
        .into_iter()
        .filter(|tag| tag.name == "link")
        .filter_map(|tag| tag.value("href"))
        .collect();
    assert!(!links.is_empty());
    for link in links {
        let answer = site.sidecar.ask(&Request::get(&link));
        assert_eq!(answer.status, 200, "{link}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{link}"
        );
    }
}
