//! Return addresses: nobody is sent away from the origins that the configuration names.

use super::{Site, cookie_line};
use crate::support::{Request, Sidecar, Upstream, corpus, route, visitor::PASSWORD};

/// Our own tries, beside the public corpus.
const PAYLOADS: &[&str] = &[
    "//evil.test",
    "///evil.test",
    "////evil.test/",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "/%09/evil.test",
    "/%5cevil.test",
    "/%2f%2fevil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/x/..//evil.test",
    "http://evil.test",
    "https://evil.test",
    "http:evil.test",
    "http:/evil.test",
    "http:///evil.test",
    "https:\\\\evil.test",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:http://localhost/x",
    "file:///etc/passwd",
    "http://localhost@evil.test",
    "http://localhost:80@evil.test",
    "http://user@localhost",
    "http://localhost.evil.test",
    "http://localhost%2eevil.test",
    "http://localhost%00.evil.test",
    "http://evil.test#localhost",
    "http://evil.test?localhost",
    "http://evil.test\\.localhost",
    "http://[::1]",
    "http://0x7f.1",
    "http://ｌocalhost.evil.test",
    "/x\r\nLocation: http://evil.test",
    "/x\u{2028}y",
    "@evil.test",
    ".evil.test",
    "evil.test",
    "",
];

/// Where a `Location` leads, as a browser at `base` reads it.
fn origin_of(location: &str, base: &str) -> String {
    let base: url::Url = base.parse().unwrap();
    base.join(location).unwrap().origin().ascii_serialization()
}

fn payloads() -> Vec<String> {
    let ours = PAYLOADS.iter().map(|text| (*text).to_owned());
    ours.chain(corpus::lines("openredirect-oauth2-proxy/openredirects.txt"))
        .collect()
}

fn encoded(payload: &str) -> String {
    url::form_urlencoded::byte_serialize(payload.as_bytes()).collect()
}

/// Sends every payload to these endpoints, with and without a session.
#[track_caller]
fn nobody_is_sent_away(endpoints: &[&str]) {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let (origin, cookie) = (site.sidecar.origin(), cookie_line(&alice));
    let mut redirects = 0;
    for payload in payloads() {
        for endpoint in endpoints {
            for form in [encoded(&payload), raw_query(&payload)] {
                let target = format!("/.auth/{endpoint}{form}");
                let lines = format!("{cookie}Sec-Fetch-Site: cross-site\r\nAccept: text/html\r\n");
                for lines in [
                    lines.as_str(),
                    "Accept: text/html\r\nSec-Fetch-Site: none\r\n",
                ] {
                    let Some(answer) = site.get(&target, lines) else {
                        continue;
                    };
                    if let Some(location) = answer.header("location") {
                        redirects += 1;
                        let to = origin_of(location, &origin);
                        assert_eq!(to, origin, "{target:?} leads to {location:?}");
                        assert!(!location.contains(['\r', '\n', '\t', '\\']), "{location:?}");
                    }
                    let refresh = answer.header("refresh").unwrap_or_default();
                    assert_eq!(refresh, "", "{target:?}");
                }
            }
        }
    }
    assert!(
        redirects > 0,
        "no payload ever led to a redirect: nothing was tried"
    );
}

/// The payload in a query with only what would end the request line encoded.
fn raw_query(payload: &str) -> String {
    payload
        .chars()
        .filter(|c| !c.is_control() && *c != ' ' && *c != '#' && c.is_ascii())
        .collect()
}

#[test]
fn rdr_1_rd_at_the_login_page() {
    nobody_is_sent_away(&["login?rd="]);
}

#[test]
fn rdr_7_rd_wherever_else_it_is_taken() {
    nobody_is_sent_away(&[
        "logout?rd=",
        "handover?rd=",
        "login/members?rd=",
        "signup/members?rd=",
    ]);
}

#[test]
fn rdr_1_control_an_honest_address_is_kept() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    for (rd, arrives) in [
        ("/a/b?c=d&e=%2F", "/a/b?c=d&e=%2F"),
        ("/a/../b", "/b"),
        (&format!("{}/x?y", site.sidecar.origin()), "/x?y"),
    ] {
        let page = alice.open(&format!("/.auth/login?rd={}", encoded(rd)));
        let at = page.url.join(page.answer.location()).unwrap();
        assert_eq!(crate::support::visitor::target(&at), arrives);
    }
}

#[test]
fn rdr_1_a_login_ends_at_home_when_it_was_sent_elsewhere() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for payload in [
        "//evil.test",
        "http://evil.test/",
        "/\\evil.test",
        "javascript:alert(1)",
    ] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go(&format!("/.auth/login?rd={}", encoded(payload)));
        let answer = visitor.try_password(&page, "alice", PASSWORD);
        let to = origin_of(answer.answer.location(), &site.sidecar.origin());
        assert_eq!(to, site.sidecar.origin(), "{payload}");
        assert!(visitor.session().is_some(), "{payload}");
    }
}

#[test]
fn rdr_1_a_form_cannot_change_the_address() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    for field in ["rd", "return_to", "next", "fragment"] {
        let mut visitor = site.sidecar.visitor();
        let page = visitor.go("/.auth/login?rd=/wanted");
        let mut form = page
            .form_with("password")
            .fill("login", "alice")
            .fill("password", PASSWORD);
        form.fields
            .push((field.to_owned(), "//evil.test/".to_owned()));
        let answer = visitor.submit(&page, &form);
        if let Some(location) = answer.answer.header("location") {
            assert_eq!(
                origin_of(location, &site.sidecar.origin()),
                site.sidecar.origin(),
                "{field}"
            );
        }
    }
}

#[test]
fn rdr_1_headers_cannot_change_the_address() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    for name in [
        "X-Auth-Request-Redirect",
        "X-Forwarded-Uri",
        "X-Forwarded-Host",
        "Referer",
    ] {
        let lines = format!("{}{name}: http://evil.test/\r\n", cookie_line(&alice));
        let answer = site.get("/.auth/login", &lines).unwrap();
        assert!(
            !answer.everything().contains("evil.test"),
            "{name}: {answer:?}"
        );
        let lines = format!("{name}: http://evil.test/\r\nAccept: text/html\r\n");
        let answer = site.get("/private", &lines).unwrap();
        assert!(
            !answer.everything().contains("evil.test"),
            "{name}: {answer:?}"
        );
    }
}

#[test]
fn rdr_3_a_wildcard_is_bounded_by_labels() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .route(route("/").host("*.apps.localhost").to(&upstream))
        .start();
    let alice = sidecar.signed_up("alice");
    let port = sidecar.port;
    let leads_to = |rd: &str| {
        // a browser of its own each time: many trips in a short time are taken for a loop
        let mut visitor = alice.clone();
        let page = visitor.open(&format!("/.auth/login?rd={}", encoded(rd)));
        // the way to another host goes over its own handover page
        origin_of(page.answer.location(), &sidecar.origin())
    };
    for host in ["wiki.localhost", "one.apps.localhost"] {
        let wanted = format!("http://{host}:{port}");
        assert_eq!(leads_to(&format!("{wanted}/x")), wanted);
    }
    for origin in [
        format!("http://evilapps.localhost:{port}"),
        format!("http://apps.localhost.evil:{port}"),
        format!("http://evilwiki.localhost:{port}"),
        format!("http://wiki.localhost.evil.test:{port}"),
        format!("http://wiki.localhost:{}", port - 1),
        "http://wiki.localhost".to_owned(),
        format!("https://wiki.localhost:{port}"),
        format!("http://x@wiki.localhost:{port}"),
        format!("http://wiki.localhost%2eevil:{port}"),
    ] {
        assert_eq!(
            leads_to(&format!("{origin}/x")),
            sidecar.origin(),
            "{origin}"
        );
    }
}

#[test]
fn rdr_8_redirects_are_not_kept_and_lose_the_method() {
    let site = Site::new();
    site.sidecar.signed_up("alice");
    let mut visitor = site.sidecar.visitor();
    let challenge = visitor.open("/private");
    assert!([302, 303].contains(&challenge.answer.status));
    let page = visitor.follow(challenge.clone());
    let done = visitor.try_password(&page, "alice", PASSWORD);
    assert_eq!(
        done.answer.status, 303,
        "a POST with a password must not be repeated elsewhere"
    );
    for answer in [challenge.answer, done.answer] {
        assert!(
            answer
                .header("cache-control")
                .unwrap_or_default()
                .contains("no-store")
        );
    }
}

#[test]
fn rdr_9_a_lost_post_is_not_replayed() {
    let site = Site::new();
    let body = "a=</script><script>alert(1)</script>";
    let request = Request::new("POST", "/private/form?x=1")
        .header("Accept", "text/html")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Origin", &site.sidecar.origin())
        .body("application/x-www-form-urlencoded", body);
    let answer = site.untouched("a POST", || site.sidecar.ask(&request));
    assert!(answer.header("location").is_none(), "{answer:?}");
    assert!(!answer.text().contains("alert(1)"), "{answer:?}");
    let ways = crate::support::forms::links(&answer.text());
    assert!(
        ways.iter()
            .any(|way| way == "/.auth/login?rd=/private/form%3Fx%3D1"),
        "no way to sign in again and come back: {ways:?}"
    );
}

#[test]
fn rdr_10_the_host_header_builds_no_address() {
    let site = Site::new();
    let port = site.sidecar.port;
    for path in [
        "/.auth/login",
        "/private",
        "/.auth/signup/members",
        "/.auth/logout",
    ] {
        for lines in [
            "Host: evil.test\r\n".to_owned(),
            format!("Host: evil.test:{port}\r\n"),
            format!("Host: localhost:{port}\r\nX-Forwarded-Host: evil.test\r\n"),
            format!("Host: localhost:{port}\r\nX-Host: evil.test\r\nForwarded: host=evil.test\r\n"),
        ] {
            let request = format!(
                "GET {path} HTTP/1.1\r\n{lines}Accept: text/html\r\nConnection: close\r\n\r\n"
            );
            let answer = site.raw(request).unwrap();
            let addresses = crate::support::forms::tags(&answer.text())
                .into_iter()
                .flat_map(|tag| ["href", "action", "src"].map(|name| tag.value(name)));
            for address in addresses.flatten() {
                assert!(!address.contains("evil.test"), "{path} {lines}: {address}");
            }
            for (name, value) in &answer.headers {
                assert!(
                    !value.contains("evil.test"),
                    "{path} {lines}: {name}: {value}"
                );
            }
        }
    }
    // another port in Host changes no address either
    let request = "GET /private HTTP/1.1\r\nHost: localhost:1\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    if let Some(location) = site.raw(request).unwrap().header("location") {
        assert_eq!(
            origin_of(location, &site.sidecar.origin()),
            site.sidecar.origin()
        );
    }
}
