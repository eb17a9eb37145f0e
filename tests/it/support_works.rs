//! The harness itself: what the tests take for granted.

use std::time::Duration;

use url::Url;

use crate::support::{
    Answer, Browser, Raw, Reply, Request, Seen, Upstream, Visitor, apps, corpus, forms, h2,
    http::{Duplex, exchange},
    tls::Authority,
    visitor::{is_flow, is_session, parse_cookie},
    websocket,
};

#[test]
fn the_upstream_records_every_octet_and_counts() {
    let upstream = Upstream::start();
    let request = Request::new("POST", "/a?b=%2F")
        .header("x_Odd", "  1 ")
        .body("text/plain", "body");
    let answer = exchange(upstream.port(), "app.test", &request).expect(200);
    assert_eq!(answer.text(), "upstream got POST /a?b=%2F HTTP/1.1\n");
    let seen = upstream.last();
    assert_eq!(
        (seen.method(), seen.target(), upstream.hits()),
        ("POST", "/a?b=%2F", 1)
    );
    assert_eq!(seen.header("X-Odd"), Some("1"));
    assert_eq!(seen.headers[1].0, "x_Odd");
    assert_eq!(seen.body, b"body");
}

#[test]
fn the_upstream_reads_pipelined_and_chunked_requests_apart() {
    let upstream = Upstream::start();
    let mut raw = Raw::connect(upstream.port());
    raw.send("POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    raw.send("GET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\n\r\n");
    assert_eq!(raw.answer("POST").unwrap().status, 200);
    assert_eq!(raw.answer("GET").unwrap().status, 200);
    assert_eq!(raw.answer("HEAD").unwrap().body, b"");
    let seen = upstream.seen();
    assert_eq!(
        seen.iter().map(Seen::target).collect::<Vec<_>>(),
        ["/1", "/2", "/3"]
    );
    assert_eq!(seen[0].body, b"abc");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn the_upstream_does_as_told() {
    let upstream = Upstream::start();
    upstream
        .on(
            "/teapot",
            Reply::status(418, "short")
                .with("X-Stout", "yes")
                .late(Duration::from_millis(50)),
        )
        .on(
            "/drip",
            Reply::Drip {
                every: Duration::from_millis(10),
                pieces: vec!["a".into(), "b".into()],
            },
        )
        .on("/half", Reply::CloseEarly { promised: Some(10) })
        .on(
            "/events",
            Reply::Events {
                every: Duration::from_millis(10),
            },
        );
    let get = |path| exchange(upstream.port(), "app.test", &Request::get(path));
    assert_eq!(get("/teapot").expect(418).header("x-stout"), Some("yes"));
    assert_eq!(get("/drip").text(), "ab");
    let mut raw = Raw::connect(upstream.port());
    assert!(
        raw.send("GET /half HTTP/1.1\r\n\r\n")
            .answer("GET")
            .is_none()
    );
    let mut raw = Raw::connect(upstream.port());
    raw.send("GET /events HTTP/1.1\r\n\r\n");
    let text = String::from_utf8(raw.rest(Duration::from_millis(500))).unwrap();
    assert!(text.contains("data: 3"), "{text}");
    drop(raw);
    assert_eventually!(upstream.open() == 0);
}

#[test]
fn the_upstream_echoes_websockets() {
    let upstream = Upstream::start();
    let mut raw = Raw::connect(upstream.port());
    raw.send(websocket::opening("/ws", "http://app.test").bytes("app.test"));
    let answer = raw.answer("GET").unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    raw.send(websocket::masked_text("hello"));
    let frame = websocket::frame(&mut raw, Duration::from_secs(5));
    assert_eq!(frame, Some((1, b"hello".to_vec())));
}

#[test]
fn the_upstream_speaks_tls_and_unix() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let leaf = authority.leaf(dir.path(), &["app.test", "127.0.0.1"]);
    let upstream = Upstream::start_tls(authority.acceptor(&leaf, false));
    let mut raw = Raw::over(Box::new(authority.connect(
        upstream.port(),
        "app.test",
        b"",
    )));
    assert_eq!(
        raw.send("GET / HTTP/1.1\r\n\r\n")
            .answer("GET")
            .unwrap()
            .status,
        200
    );
    assert!(authority.file(dir.path()).exists());

    let strict = Upstream::start_tls(authority.acceptor(&leaf, true));
    let mut raw = Raw::over(Box::new(authority.connect(strict.port(), "app.test", b"")));
    assert!(raw.send("GET / HTTP/1.1\r\n\r\n").answer("GET").is_none());
    assert_eq!(strict.hits(), 0);

    let socket = dir.path().join("app.sock");
    let local = Upstream::start_unix(&socket);
    let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream.patience(Duration::from_secs(5));
    let mut raw = Raw::over(Box::new(stream));
    assert_eq!(
        raw.send("GET / HTTP/1.1\r\n\r\n")
            .answer("GET")
            .unwrap()
            .status,
        200
    );
    assert_eq!(local.hits(), 1);
}

#[test]
fn forms_are_found_as_a_browser_finds_them() {
    let page = r#"<!doctype html><!-- <form action="/no"> -->
        <form method=post action="/a?x=1&amp;y=&#x2F;"><input type=hidden name=csrf value='t"1'/>
        <input name="login" value=""><input type="checkbox" name="unticked" value="1">
        <button name=go value=yes>Go</button></form> <a class=b href="/.auth/signup?rd=%2F&amp;z">s</a>
        <form><input name=q></form>"#;
    let found = forms::forms(page);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].method.as_str(), found[0].action.as_str()),
        ("POST", "/a?x=1&y=/")
    );
    assert_eq!(found[0].value("csrf"), Some("t\"1"));
    assert_eq!(
        found[0].clone().fill("login", "a b").body(),
        "csrf=t%221&login=a+b&go=yes"
    );
    assert_eq!(
        (found[1].method.as_str(), found[1].action.as_str()),
        ("GET", "")
    );
    assert_eq!(forms::links(page), ["/.auth/signup?rd=%2F&z"]);
}

#[test]
fn a_visitor_keeps_cookies_and_follows_redirects() {
    let upstream = Upstream::start();
    upstream
        .on(
            "/",
            Reply::status(302, "").with("Location", "/in?x=1").with(
                "Set-Cookie",
                "vestibule-0af=1; Path=/; HttpOnly; SameSite=Lax",
            ),
        )
        .on(
            "/out",
            Reply::ok("bye").with("Set-Cookie", "vestibule-0af=; Path=/; Max-Age=0"),
        );
    let mut visitor = Visitor::new(&format!("http://localhost:{}", upstream.port()));
    let page = visitor.go("/");
    assert_eq!(page.url.path(), "/in");
    assert_eq!(upstream.last().header("cookie"), Some("vestibule-0af=1"));
    let cookie = visitor.session().unwrap();
    assert!(cookie.says("HttpOnly") && cookie.says("SameSite=Lax") && !cookie.says("Secure"));
    visitor.go("/out");
    assert!(visitor.session().is_none());
}

#[test]
fn our_cookies_are_told_apart() {
    assert!(is_session("__Host-vestibule") && is_session("vestibule-1f00"));
    assert!(!is_session("vestibule-flow-1f00") && !is_session("vestibule-known-1f"));
    assert!(is_flow("vestibule-flow-1f00") && is_flow("__Host-vestibule-flow-3"));
    let url: Url = "http://localhost:1/x".parse().unwrap();
    let cookie = parse_cookie(&url, "a=b=c; Path=/.auth; Secure");
    assert_eq!(
        (cookie.value.as_str(), cookie.path.as_str()),
        ("b=c", "/.auth")
    );
}

#[test]
fn the_http1_corpus_is_read_octet_for_octet() {
    let Some(_) = corpus::data("http1-llhttp") else {
        return;
    };
    let requests = corpus::http1_requests();
    assert!(requests.len() > 150, "{}", requests.len());
    let first = &requests[0];
    assert!(
        first
            .bytes
            .starts_with(b"PUT /url HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
    );
    let bare = requests.iter().filter(|request| {
        request
            .bytes
            .windows(2)
            .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
    });
    assert!(bare.count() > 0, "no request with a bare line feed");
    assert!(corpus::lines("openredirect-oauth2-proxy/openredirects.txt").len() > 500);
}

#[test]
fn the_h2_client_is_understood_by_a_server_it_did_not_come_with() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let leaf = authority.leaf(dir.path(), &["localhost"]);
    let nginx = apps::nginx_h2(&leaf.cert_file, &leaf.key_file);
    let mut connection = h2::Connection::new(authority.connect(nginx.port, "localhost", b"\x02h2"));
    let get = |path: &'static [u8]| -> [(&'static [u8], &'static [u8]); 4] {
        [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":path", path),
            (b":authority", b"localhost"),
        ]
    };
    assert_eq!(connection.request(&get(b"/")), h2::Outcome::Status(200));
    assert_eq!(connection.request(&get(b"/none")), h2::Outcome::Status(404));
    assert_eq!(
        connection.request(&get(b"/teapot")),
        h2::Outcome::Status(418)
    );
    let folded = connection.request(&[get(b"/").as_slice(), &[(b"X-Upper", b"1")]].concat());
    assert!(folded.is_refusal(), "{folded:?}");
}

#[test]
fn radicale_believes_the_header() {
    let radicale = apps::radicale();
    let ask = |method, path, user: Option<&str>| -> Answer {
        let mut request = Request::new(method, path);
        if let Some(user) = user {
            request = request.header("X-Remote-User", user);
        }
        exchange(radicale.port, "localhost", &request)
    };
    assert_eq!(
        ask("MKCALENDAR", "/alice/work/", Some("alice")).status,
        201,
        "{}",
        radicale.output()
    );
    assert_eq!(ask("PROPFIND", "/alice/work/", Some("alice")).status, 207);
    assert_eq!(ask("PROPFIND", "/alice/work/", Some("bob")).status, 403);
    assert!(radicale.url().starts_with("http://127.0.0.1:"));
}

#[test]
fn django_believes_the_header() {
    let django = apps::django();
    let request = Request::get("/who").header("X-Remote-User", "alice");
    let who = exchange(django.port, "localhost", &request)
        .expect(200)
        .json();
    assert_eq!(who["user"], "alice");
    let events = exchange(django.port, "localhost", &Request::get("/sse?n=2"));
    assert!(events.text().contains("data:  1"), "{events:?}");
}

#[test]
fn the_websocket_app_echoes() {
    let app = apps::websocket();
    let mut raw = Raw::connect(app.port);
    let opening = websocket::opening("/", "http://localhost").header("X-Forwarded-User", "alice");
    raw.send(opening.bytes("localhost"));
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    raw.send(websocket::masked_text("hi"));
    assert_eq!(
        websocket::frame(&mut raw, Duration::from_secs(5)),
        Some((1, b"alice: hi".to_vec()))
    );
}

#[test]
fn chromium_shows_an_upstream() {
    let upstream = Upstream::start();
    let html = "<title>T</title><form action=/in><input name=q><button>Go</button></form>";
    upstream.on("/", Reply::html(html).with("Set-Cookie", "a=1; HttpOnly"));
    let browser = Browser::knowing(&["a.test"]);
    let home = format!("http://a.test:{}/", upstream.port());
    browser.goto(&home);
    assert_eq!(browser.title(), "T");
    assert!(browser.has("form") && !browser.has("table"));
    assert_eq!(browser.cookies()[0]["httpOnly"], true);
    browser
        .fill("input", "words")
        .click("button")
        .arrives(&format!("{home}in?q=words"));
    browser.shows("upstream got GET /in?q=words");
    let (_, before) = browser.new_tab();
    browser
        .goto(&format!("http://wiki.localhost:{}/other", upstream.port()))
        .shows("/other");
    assert_eq!(browser.script("return isSecureContext"), true);
    browser.turn_to(&before);
    assert!(browser.text("body").contains("/in?q=words"));
    assert!(
        browser
            .screen(360, 800)
            .prefer("dark")
            .screenshot("support_works")
            .exists()
    );
}
