//! Where a request came from: nobody is believed who was not named in `trusted_proxies`.

use super::Site;
use crate::support::{Request, sidecar::list};

#[test]
fn fwd_2_the_address_comes_from_the_right() {
    let site = Site::new();
    for lines in [
        "X-Forwarded-For: 10.9.9.9\r\n",
        "X-Forwarded-For: 10.9.9.9, 127.0.0.1\r\n",
        "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-For: 10.9.9.8\r\n",
        "X-Real-IP: 10.9.9.9\r\n",
        "Forwarded: for=10.9.9.9\r\n",
        "Forwarded: for=\"_x\"\r\n",
        "X_Forwarded_For: 10.9.9.9\r\n",
        "True-Client-IP: 10.9.9.9\r\n",
        "CF-Connecting-IP: 10.9.9.9\r\n",
        "X-Client-IP: 10.9.9.9\r\n",
        "X-Forwarded-For: garbage\r\n",
    ] {
        let seen = site.reached(lines, || site.get("/public/x", lines));
        assert_eq!(seen.header("X-Forwarded-For"), Some("127.0.0.1"), "{lines}");
        let text = seen.everything();
        assert!(
            !text.contains("10.9.9.") && !text.contains("garbage"),
            "{lines}: {seen:?}"
        );
    }
}

#[test]
fn fwd_2_a_trusted_proxy_vouches_for_one_hop() {
    let site = Site::with(|sidecar| sidecar.set("server.trusted_proxies", list(&["127.0.0.0/8"])));
    for (lines, expected) in [
        ("X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"),
        (
            "X-Forwarded-For: 10.9.9.9, 198.51.100.7\r\n",
            "198.51.100.7",
        ),
        (
            "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-For: 198.51.100.7\r\n",
            "198.51.100.7",
        ),
        (
            "X-Forwarded-For: 10.9.9.9, 198.51.100.7, 127.0.0.5\r\n",
            "198.51.100.7",
        ),
        (
            "Forwarded: for=10.9.9.9, for=198.51.100.7;proto=https\r\n",
            "198.51.100.7",
        ),
    ] {
        let seen = site.reached(lines, || site.get("/public/x", lines));
        let forwarded = seen.header("X-Forwarded-For").unwrap().to_owned();
        assert_eq!(
            forwarded.split(',').next().unwrap().trim(),
            expected,
            "{lines}"
        );
        assert!(!forwarded.contains("10.9.9.9"), "{lines}: {forwarded}");
    }
    let garbage = "X-Forwarded-For: 10.9.9.9, not-an-address\r\n";
    let before = site.upstream.hits();
    let answer = site.get("/public/x", garbage).unwrap();
    if site.upstream.hits() > before {
        assert!(!site.upstream.last().everything().contains("10.9.9.9"));
    } else {
        assert_eq!(answer.status, 400);
    }
}

#[test]
fn fwd_3_the_scheme_comes_from_the_listener() {
    let site = Site::new();
    for lines in [
        "X-Forwarded-Proto: https\r\n",
        "X-Forwarded-Scheme: https\r\nX-Forwarded-Ssl: on\r\nX-Url-Scheme: https\r\n",
        "Forwarded: proto=https;host=evil.test\r\n",
        "X-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 443\r\n",
    ] {
        let seen = site.reached(lines, || site.get("/public/x", lines));
        assert_eq!(seen.header("X-Forwarded-Proto"), Some("http"), "{lines}");
        assert_eq!(
            seen.header("X-Forwarded-Host"),
            Some(site.host().as_str()),
            "{lines}"
        );
        assert!(
            !seen.everything().contains("evil.test"),
            "{lines}: {seen:?}"
        );
        let request = Request::navigation("/private").header("X-Forwarded-Host", "evil.test");
        let answer = site.sidecar.ask(&request);
        assert!(!answer.everything().contains("evil.test"), "{answer:?}");
    }
}

#[test]
fn fwd_5_other_words_for_the_same_do_not_arrive() {
    let site = Site::new();
    for name in [
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Method",
        "X-Original-Forwarded-For",
        "X-Rewrite-URL",
        "X_Rewrite_Url",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Forwarded-Path",
        "Forwarded",
    ] {
        let line = format!("{name}: /admin-by-header\r\n");
        let seen = site.reached(name, || site.get("/public/x", &line));
        assert!(
            !seen.everything().contains("admin-by-header"),
            "{name}: {seen:?}"
        );
        site.untouched(name, || {
            site.get("/private", &format!("{name}: /public/x\r\n"))
        });
    }
}
