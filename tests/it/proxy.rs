//! The proxy itself: bodies, streams, WebSockets, TLS both ways, sockets, limits.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{
    Raw, Reply, Request, Sidecar, Upstream, free_port,
    http::exchange,
    route,
    sidecar::list,
    tls::Authority,
    websocket::{self, masked_text},
};

fn open(upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .route(route("/").to(upstream).public(&["/**"]))
        .start()
}

#[test]
fn requests_and_answers_pass_unchanged() {
    let upstream = Upstream::start();
    upstream.on(
        "/made",
        Reply::status(201, "made")
            .with("X-Odd", "yes")
            .with("ETag", "\"1\""),
    );
    let sidecar = open(&upstream);
    let body: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let request = Request::new("PUT", "/made?a=%2F&b=+")
        .header("X-Custom", "kept")
        .body("application/octet-stream", body.clone());
    let answer = sidecar.ask(&request).expect(201);
    assert_eq!(
        (answer.header("x-odd"), answer.header("etag")),
        (Some("yes"), Some("\"1\""))
    );
    assert_eq!(answer.text(), "made");
    let seen = upstream.last();
    assert_eq!((seen.method(), seen.target()), ("PUT", "/made?a=%2F&b=+"));
    assert_eq!(seen.header("X-Custom"), Some("kept"));
    assert!(seen.body == body, "the body changed");
    assert_eq!(
        seen.header("Host"),
        Some(format!("localhost:{}", sidecar.port).as_str())
    );
    assert_eq!(seen.header("X-Forwarded-For"), Some("127.0.0.1"));
    assert!(
        seen.header("Forwarded")
            .is_some_and(|value| value.contains("for=127.0.0.1"))
    );
}

#[test]
fn an_answer_streams_as_it_comes() {
    let upstream = Upstream::start();
    upstream.on(
        "/events",
        Reply::Events {
            every: Duration::from_millis(100),
        },
    );
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    let start = Instant::now();
    raw.send(Request::get("/events").bytes("localhost"));
    let first = raw.rest(Duration::from_millis(600));
    let text = String::from_utf8_lossy(&first);
    assert!(
        text.contains("text/event-stream") && text.contains("data: 2"),
        "{text}"
    );
    assert!(start.elapsed() < Duration::from_secs(3));
    drop(raw);
    assert_eventually!(upstream.open() == 0);
}

#[test]
fn a_request_streams_as_it_comes() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    raw.send("POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 {
        raw.send("5\r\nhello\r\n");
        std::thread::sleep(Duration::from_millis(50));
    }
    raw.send("0\r\n\r\n");
    assert_eq!(raw.answer("POST").unwrap().status, 200);
    assert_eq!(upstream.last().body, b"hello".repeat(5));
}

#[test]
fn connections_are_kept_both_ways() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    for number in 0..5 {
        raw.send(Request::get(&format!("/{number}")).bytes("localhost"));
        assert_eq!(raw.answer("GET").unwrap().status, 200);
    }
    assert_eq!(upstream.hits(), 5);
    assert!(
        upstream.connections() < 3,
        "{} connections",
        upstream.connections()
    );
    assert_eq!(upstream.last().connection, upstream.seen()[3].connection);
}

#[test]
fn a_websocket_passes() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    raw.send(
        websocket::opening("/ws", &sidecar.origin()).bytes(&format!("localhost:{}", sidecar.port)),
    );
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    for text in ["one", "two"] {
        raw.send(masked_text(text));
        let frame = websocket::frame(&mut raw, Duration::from_secs(5));
        assert_eq!(frame, Some((1, text.as_bytes().to_vec())));
    }
}

#[test]
fn a_websocket_is_no_body_to_be_measured() {
    let upstream = Upstream::start();
    let limits: toml::Table = [("body".to_owned(), "1KiB".into())].into_iter().collect();
    let small = route("/")
        .to(&upstream)
        .public(&["/**"])
        .set("limits", limits);
    let sidecar = Sidecar::new().route(small).start();
    let long = Request::new("POST", "/x").body("text/plain", vec![b'a'; 1025]);
    assert_eq!(sidecar.ask(&long).status, 413);
    let mut raw = sidecar.raw();
    raw.send(
        websocket::opening("/ws", &sidecar.origin()).bytes(&format!("localhost:{}", sidecar.port)),
    );
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    let text = "a".repeat(120);
    for _ in 0..20 {
        raw.send(masked_text(&text));
        let frame = websocket::frame(&mut raw, Duration::from_secs(5));
        assert_eq!(frame, Some((1, text.as_bytes().to_vec())));
    }
}

#[test]
fn what_an_application_tells_its_neighbour_ends_with_us() {
    let upstream = Upstream::start();
    let told = Reply::status(200, "x")
        .with("Connection", "X-Hop")
        .with("X-Hop", "1")
        .with("Proxy-Connection", "keep-alive")
        .with("TE", "trailers")
        .with("X-End", "1");
    upstream.on("/told", told);
    let answer = open(&upstream).ask(&Request::get("/told")).expect(200);
    assert_eq!(answer.header("X-End"), Some("1"));
    for hop in ["X-Hop", "Proxy-Connection", "TE"] {
        assert_eq!(answer.header(hop), None, "{answer:?}");
    }
}

#[test]
fn the_words_beside_a_status_are_the_applications() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let host = format!("localhost:{}", sidecar.port);
    let ask = Request::get("/x").header("Connection", "close");
    let mut stream = TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap();
    stream.write_all(&ask.bytes(&host)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 Status\r\n"), "{answer}");
}

/// pingora is told to let all of it through, so every name is ours to drop.
#[test]
fn what_a_visitor_tells_their_neighbour_ends_with_us() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let hops = [
        ("Connection", "close, X-Hop, x-other-hop"),
        ("X-Hop", "1"),
        ("X-Other-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "trailers"),
        ("Trailer", "X-End"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    for body in [false, true] {
        let mut request = Request::get("/x").header("X-End", "1");
        if body {
            request = Request::new("POST", "/x")
                .header("X-End", "1")
                .body("text/plain", "a");
        }
        for (name, value) in hops {
            request = request.header(name, value);
        }
        sidecar.ask(&request).expect(200);
        let seen = upstream.last();
        assert_eq!(seen.header("X-End"), Some("1"));
        for (hop, _) in hops {
            assert_eq!(seen.header(hop), None, "{seen:?}");
        }
    }
}

#[test]
fn no_more_is_nominated_than_anybody_honest_does() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let nominating = |count: usize| {
        let names = (0..count).map(|number| format!("X-{number}"));
        let names = names.collect::<Vec<_>>().join(", ");
        Request::get("/x").header("Connection", &names)
    };
    sidecar.ask(&nominating(9)).expect(200);
    for bad in [
        nominating(10),
        Request::get("/x").header("Connection", ":authority"),
        Request::get("/x").header("Connection", "\"X-Other\""),
        Request::get("/x").header("Connection", "x other"),
    ] {
        sidecar.ask(&bad).expect(400);
    }
    assert_eq!(upstream.hits(), 1);
}

/// The fields of a request are kept aside while it is on its way, and are still there when the
/// connection turns out to be gone.
#[test]
fn a_second_try_says_the_same() {
    let upstream = Upstream::start();
    upstream.on("/half", Reply::CloseEarly { promised: None });
    let sidecar = open(&upstream);
    let tried_again = (1..=20).any(|_| {
        sidecar.ask(&Request::get("/x")).expect(200);
        upstream.forget();
        let asked = Request::get("/half").header("X-Custom", "kept");
        sidecar
            .ask(&asked.header("Cookie", "theme=dark"))
            .expect(502);
        let seen = upstream.seen();
        for seen in &seen {
            assert_eq!(seen.header("X-Custom"), Some("kept"), "{seen:?}");
            assert_eq!(seen.header("Cookie"), Some("theme=dark"), "{seen:?}");
            assert_eq!(
                seen.header("X-Forwarded-For"),
                Some("127.0.0.1"),
                "{seen:?}"
            );
        }
        seen.len() > 1
    });
    assert!(tried_again);
}

/// Over one connection, as a proxy in front sends them: each request brings what it says itself.
#[test]
fn nothing_of_one_request_is_said_of_the_next() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    let host = format!("localhost:{}", sidecar.port);
    for round in 0..3 {
        for (cookie, other, arrives) in [
            (Some("a=1"), Some("one"), Some("a=1")),
            (Some("a=1"), Some("one"), Some("a=1")),
            (Some("a=1"), None, Some("a=1")),
            (Some("b=2; __Host-vestibule=x"), None, Some("b=2")),
            (Some("b=2; __Host-vestibule=y"), Some("two"), Some("b=2")),
            (Some("__Host-vestibule=y"), None, None),
            (None, Some("three"), None),
            (None, None, None),
        ] {
            let mut request = Request::get("/x");
            for (name, value) in [("Cookie", cookie), ("X-Other", other)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            raw.send(request.bytes(&host));
            assert_eq!(raw.answer("GET").unwrap().status, 200);
            let seen = upstream.last();
            assert_eq!(seen.header("Cookie"), arrives, "round {round}");
            assert_eq!(seen.header("X-Other"), other, "round {round}");
        }
    }
}

#[test]
fn a_second_try_is_logged_without_its_query() {
    let upstream = Upstream::start();
    upstream.on("/half", Reply::CloseEarly { promised: None });
    let sidecar = open(&upstream);
    // Only a connection that was kept is tried again, and one is kept a moment after its answer.
    let tried_again = (1..=20).any(|round| {
        sidecar.ask(&Request::get("/x")).expect(200);
        assert_eq!(sidecar.ask(&Request::get("/half?token=canary")).status, 502);
        upstream.seen().len() > 2 * round
    });
    assert!(tried_again);
    assert!(sidecar.output().contains("/half"), "{}", sidecar.output());
    assert!(!sidecar.output().contains("canary"), "{}", sidecar.output());
}

#[test]
fn tls_and_unix_sockets_towards_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let leaf = authority.leaf(folder.path(), &["app.internal"]);
    let ours = authority.leaf(folder.path(), &["vestibule.internal"]);
    let other = Authority::new();
    let stranger = other.leaf(folder.path(), &["stranger.internal"]);
    let trusted = Upstream::start_tls(authority.acceptor(&leaf, true));
    let unknown = Upstream::start_tls(other.acceptor(&stranger, false));
    let socket = folder.path().join("app.sock");
    let local = Upstream::start_unix(&socket);
    let ca = authority.file(folder.path()).display().to_string();
    let tls = |name: &str, show: bool| -> toml::Table {
        let mut table = toml::Table::new();
        table.insert("ca".into(), ca.clone().into());
        table.insert("server_name".into(), name.into());
        if show {
            table.insert("cert".into(), ours.cert_file.display().to_string().into());
            table.insert("key".into(), ours.key_file.display().to_string().into());
        }
        table
    };
    let https = |port| format!("https://127.0.0.1:{port}");
    let at = |path: &str, upstream: String| route(path).set("upstream", upstream).public(&["/**"]);
    let sidecar = Sidecar::new()
        .route(at("/good", https(trusted.port())).set("upstream_tls", tls("app.internal", true)))
        .route(
            at("/anonymous", https(trusted.port())).set("upstream_tls", tls("app.internal", false)),
        )
        .route(
            at("/misnamed", https(trusted.port())).set("upstream_tls", tls("other.internal", true)),
        )
        .route(
            at("/unknown", https(unknown.port()))
                .set("upstream_tls", tls("stranger.internal", true)),
        )
        .route(at("/local", format!("unix:{}", socket.display())))
        .start();
    let status = |path: &str| sidecar.ask(&Request::get(path)).status;
    assert_eq!(status("/good"), 200);
    assert_eq!(status("/local"), 200);
    assert_eq!(
        [
            status("/anonymous"),
            status("/misnamed"),
            status("/unknown")
        ],
        [502; 3]
    );
    assert_eq!((trusted.hits(), unknown.hits(), local.hits()), (1, 0, 1));
}

#[test]
fn several_listeners_plain_tls_and_unix() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let mut sidecar = Sidecar::new();
    let a = authority.leaf(sidecar.dir.path(), &["a.test"]);
    let b = authority.leaf(sidecar.dir.path(), &["b.test"]);
    let (plain, secure) = (free_port(), free_port());
    sidecar.port = plain;
    let listener = |pairs: &[(&str, toml::Value)]| -> toml::Value {
        toml::Value::Table(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
        )
    };
    let pair = |leaf: &crate::support::tls::Leaf| {
        listener(&[
            ("cert", leaf.cert_file.display().to_string().into()),
            ("key", leaf.key_file.display().to_string().into()),
        ])
    };
    let socket = sidecar.path("front.sock");
    let sidecar = sidecar
        .without("server.listen")
        .set(
            "server.listeners",
            vec![
                listener(&[
                    ("address", format!("127.0.0.1:{plain}").into()),
                    ("serves", list(&["redirect"])),
                ]),
                listener(&[
                    ("address", format!("127.0.0.1:{secure}").into()),
                    ("tls", vec![pair(&a), pair(&b)].into()),
                ]),
                listener(&[("address", format!("unix:{}", socket.display()).into())]),
            ],
        )
        .set("server.public_url", format!("https://a.test:{secure}"))
        .route(route("/").host("a.test").to(&upstream).public(&["/**"]))
        .route(route("/").host("b.test").to(&upstream).public(&["/**"]))
        .start();
    for host in ["a.test", "b.test"] {
        // the connector checks the name in the certificate: each host shows its own
        let mut raw = Raw::over(Box::new(authority.connect(secure, host, b"")));
        raw.send(Request::get("/x").bytes(&format!("{host}:{secure}")));
        assert_eq!(raw.answer("GET").unwrap().status, 200, "{host}");
        assert_eq!(upstream.last().header("X-Forwarded-Proto"), Some("https"));
    }
    let moved = exchange(plain, &format!("a.test:{plain}"), &Request::get("/x?y"));
    assert_eq!(moved.location(), format!("https://a.test:{secure}/x?y"));
    // no link is made of a host that somebody made up
    for host in ["evil.test", "a.test.evil.test", "127.0.0.1"] {
        let answer = exchange(plain, &format!("{host}:{plain}"), &Request::get("/x"));
        assert_eq!(answer.status, 421, "{host}: {answer:?}");
        assert!(answer.header("Location").is_none(), "{host}");
    }
    let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let mut raw = Raw::over(Box::new(stream));
    raw.send(Request::get("/x").bytes(&format!("a.test:{secure}")));
    assert_eq!(raw.answer("GET").unwrap().status, 200);

    // a new certificate for a.test is picked up without a restart
    let serial = |host: &str| {
        let stream = authority.connect(secure, host, b"");
        let shown = stream.ssl().peer_certificate().unwrap();
        shown.serial_number().to_bn().unwrap().to_string()
    };
    let before = serial("a.test");
    authority.leaf(sidecar.dir.path(), &["a.test"]);
    assert_eventually!(serial("a.test") != before);
}

#[test]
fn a_dead_application_is_said_to_be_dead() {
    let upstream = Upstream::start();
    upstream.on("/half", Reply::CloseEarly { promised: None });
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let sidecar = Sidecar::new()
        .route(route("/dead").set("upstream", nowhere).public(&["/**"]))
        .route(route("/").to(&upstream).public(&["/**"]))
        .start();
    assert_eq!(sidecar.ask(&Request::get("/dead/x")).status, 502);
    let page = sidecar.ask(&Request::navigation("/dead/x"));
    assert_eq!(page.status, 502);
    assert!(page.text().contains("Reference"), "{page:?}");
    assert_eq!(sidecar.ask(&Request::get("/half")).status, 502);
    assert_eq!(sidecar.ask(&Request::get("/alive")).status, 200);
}

#[test]
fn a_slow_application_is_given_up_on() {
    let upstream = Upstream::start();
    upstream.on("/slow", Reply::ok("late").late(Duration::from_secs(6)));
    let timeouts: toml::Table = [("read".to_owned(), "1s".into())].into_iter().collect();
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .to(&upstream)
                .public(&["/**"])
                .set("timeouts", timeouts),
        )
        .start();
    let start = Instant::now();
    let answer = sidecar.ask(&Request::get("/slow"));
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn several_upstreams_take_turns() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .set("upstream", list(&[&one.url(), &two.url()]))
                .public(&["/**"]),
        )
        .start();
    for _ in 0..6 {
        sidecar.ask(&Request::get("/x")).expect(200);
    }
    assert_eq!((one.hits(), two.hits()), (3, 3));
}

#[test]
fn a_dead_upstream_is_passed_over() {
    let alive = Upstream::start();
    let dead = format!("http://127.0.0.1:{}", free_port());
    let both = route("/")
        .set("upstream", list(&[&dead, &alive.url()]))
        .public(&["/**"]);
    let sidecar = Sidecar::new().route(both).start();
    for _ in 0..4 {
        sidecar.ask(&Request::get("/x")).expect(200);
    }
    let post = Request::new("POST", "/x").body("text/plain", "once");
    sidecar.ask(&post).expect(200);
    sidecar.ask(&post).expect(200);
    assert_eq!(alive.hits(), 6, "nothing was sent twice");
}

#[test]
fn the_host_can_be_the_applications_own() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .to(&upstream)
                .public(&["/**"])
                .set("upstream_host", "upstream"),
        )
        .start();
    sidecar.ask(&Request::get("/x")).expect(200);
    let seen = upstream.last();
    assert_eq!(
        seen.header("Host"),
        Some(format!("127.0.0.1:{}", upstream.port()).as_str())
    );
    let ours = format!("localhost:{}", sidecar.port);
    assert_eq!(seen.header("X-Forwarded-Host"), Some(ours.as_str()));
}

#[test]
fn stopping_lets_requests_finish() {
    let upstream = Upstream::start();
    upstream.on(
        "/slow",
        Reply::ok("finished").late(Duration::from_millis(1500)),
    );
    let mut sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    raw.send(Request::get("/slow").bytes("localhost"));
    assert_eventually!(upstream.hits() == 1);
    let code = sidecar.stop();
    assert_eq!(
        raw.answer("GET").map(|answer| answer.text()).as_deref(),
        Some("finished")
    );
    assert_eq!(code, Some(0));
}

#[test]
fn our_own_pages_take_head_and_say_what_they_take() {
    let upstream = Upstream::start();
    let sidecar = open(&upstream);
    let mut raw = sidecar.raw();
    raw.send(Request::new("HEAD", "/.auth/login").bytes("localhost"));
    let head = raw.answer("HEAD").unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    raw.send(Request::get("/x").bytes("localhost"));
    assert_eq!(
        raw.answer("GET").unwrap().status,
        200,
        "the connection is out of step"
    );
    let wrong = sidecar
        .ask(&Request::new("DELETE", "/.auth/login"))
        .expect(405);
    assert!(wrong.header("allow").unwrap().contains("GET"));
    let waits = Request::new("POST", "/.auth/logout").header("Expect", "100-continue");
    let start = Instant::now();
    sidecar.ask(&waits.body("application/x-www-form-urlencoded", "csrf=x"));
    assert!(start.elapsed() < Duration::from_secs(2));
}
