//! HTTP framing, upgrades, slow and large requests: one request is one request.

use std::time::Duration;

use super::{Site, cookie_line, h2_site};
use crate::support::{
    Raw, Reply, Request, corpus, h2,
    process::accepts,
    websocket::{self, masked_text},
};

/// How long a connection may stay quiet before a test takes it to wait for more.
const QUIET: Duration = Duration::from_millis(300);

/// Requests whose framing some server reads otherwise. Each hides a second request.
const SMUGGLERS: &[&str] = &[
    // both lengths (RFC 9112 §6.3)
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\nSECRET",
    // two lengths
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 0\r\nContent-Length: 60\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 60\r\nContent-Length: 0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 0, 60\r\n\r\nSECRET",
    // numbers that are none
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: +60\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 0x3c\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: -1\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 0 60\r\n\r\nSECRET",
    // codings that are not the last or not known
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding : chunked\r\n\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nSECRET",
    // HTTP/1.0 knows no chunks
    "POST /x HTTP/1.0\r\nHost: HOST\r\nCOOKIEConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSECRET",
    // chunks
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\n\r\n-0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\n\r\n00000000000000000\n\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\n\r\n1\r\nZZ\r\n0\r\n\r\nSECRET",
    "POST /x HTTP/1.1\r\nHost: HOST\r\nCOOKIETransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\nSECRET",
    // bare line feeds and returns
    "GET /x HTTP/1.1\nHost: HOST\nCOOKIE\nSECRET",
    "GET /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEX-A: b\rX-B: c\r\n\r\nSECRET",
    // a body where none is expected
    "GET /x HTTP/1.1\r\nHost: HOST\r\nCOOKIEContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSECRET",
];

/// The request that must never be taken for one of ours: it carries no cookie of its own, so the
/// application can only see it by a mistake in framing.
const SECRET: &str = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\nX-Pad: 1234567890\r\n\r\n";

#[test]
fn http_1_our_own_requests_smuggle_nothing() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = cookie_line(&alice);
    for case in SMUGGLERS {
        for line in ["", &cookie] {
            let text = case
                .replace("COOKIE", line)
                .replace("SECRET", SECRET)
                .replace("HOST", &site.host());
            never_smuggled(&site, case, text.as_bytes(), line.is_empty());
        }
    }
}

#[test]
fn http_1_the_requests_of_the_corpus_smuggle_nothing() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = cookie_line(&alice);
    let host = site.host();
    for case in corpus::http1_requests() {
        never_smuggled(&site, &case.place, &case.bytes, true);
        // the same with our host and a session behind the request line, and one more request after
        let Some(at) = case.bytes.windows(2).position(|pair| pair == b"\r\n") else {
            continue;
        };
        let lines = format!("\r\nHost: {host}\r\n{}", cookie.trim_end());
        let secret = SECRET.replace("HOST", &host);
        let (head, rest) = case.bytes.split_at(at);
        let whole = [head, lines.as_bytes(), rest, secret.as_bytes()].concat();
        never_smuggled(
            &site,
            &format!("{} with a session", case.place),
            &whole,
            false,
        );
    }
}

/// Sends octets on one connection. Without a session nothing arrives; with one, no request arrives
/// that was not answered as a request of its own, and none under a path that only the inside of
/// another request names with that request's session.
#[track_caller]
fn never_smuggled(site: &Site, place: &str, bytes: &[u8], anonymous: bool) {
    let before = site.upstream.hits();
    let mut raw = site.sidecar.raw();
    raw.send(bytes);
    let answers = raw.rest(QUIET);
    let answers = String::from_utf8_lossy(&answers);
    let new = site.upstream.seen().split_off(before);
    if anonymous {
        assert!(new.is_empty(), "{place} arrived without a session: {new:?}");
    }
    for seen in &new {
        assert!(
            !seen.line.contains("/smuggled"),
            "{place} smuggled: {new:?}\n{answers}"
        );
        assert!(framings(seen) <= 1, "{place} arrived ambiguous: {seen:?}");
    }
    let heads = answers.matches("HTTP/1.1 ").count() + answers.matches("HTTP/1.0 ").count();
    assert!(
        new.len() <= heads.max(1),
        "{place}: {} requests for {heads} answers",
        new.len()
    );
}

/// How many headers say where the body ends; an application that frames by another spelling than
/// these exact names is none.
fn framings(seen: &crate::support::Seen) -> usize {
    let says = |(name, _): &&(String, String)| {
        let name = name.to_ascii_lowercase();
        name == "content-length" || name == "transfer-encoding"
    };
    seen.headers.iter().filter(says).count()
}

#[test]
fn http_1_control_a_second_request_with_a_session_arrives() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let (host, cookie) = (site.host(), cookie_line(&alice));
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n");
    let mut raw = site.sidecar.raw();
    for path in ["/1", "/2"] {
        assert_eq!(raw.send(request(path)).answer("GET").unwrap().status, 200);
    }
    assert_eq!(site.upstream.hits(), 2);
}

#[test]
fn http_2_nothing_follows_an_upgrade_that_was_not_granted() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = alice.session().unwrap().pair();
    site.upstream.on("/no-upgrade", Reply::ok("no"));
    let secret = SECRET.replace("HOST", &site.host());
    for (target, cookie) in [("/no-upgrade", Some(&cookie)), ("/ws", None)] {
        let mut opening = websocket::opening(target, &site.sidecar.origin());
        if let Some(cookie) = cookie {
            opening = opening.header("Cookie", cookie);
        }
        let before = site.upstream.hits();
        let mut raw = site.sidecar.raw();
        raw.send([opening.bytes(&site.host()), secret.clone().into_bytes()].concat());
        let status = raw.answer("GET").map(|answer| answer.status);
        raw.rest(QUIET);
        let new = &site.upstream.seen()[before..];
        assert!(new.iter().all(|seen| seen.target() == target), "{new:?}");
        assert_eq!(
            new.len(),
            usize::from(cookie.is_some()),
            "{target}: {status:?}"
        );
        assert_ne!(status, Some(101));
    }
}

#[test]
fn http_3_the_body_of_a_refused_request_is_no_request() {
    let site = Site::new();
    let secret = format!(
        "GET /public/smuggled HTTP/1.1\r\nHost: {}\r\n\r\n",
        site.host()
    );
    for (length, head) in [
        (1 << 20, format!("Content-Length: {}\r\n\r\n", 1 << 20)),
        (
            secret.len(),
            format!("Content-Length: {}\r\n\r\n", secret.len()),
        ),
        (
            secret.len(),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", secret.len()),
        ),
    ] {
        let mut body = secret.clone();
        while body.len() + secret.len() <= length {
            body += &secret;
        }
        body += &"\r\n".repeat(length.saturating_sub(body.len()));
        let request = format!("POST /private HTTP/1.1\r\nHost: {}\r\n{head}", site.host());
        site.untouched("the body of a refused POST", || {
            let mut raw = site.sidecar.raw();
            raw.send(&request);
            let answer = raw.answer_within("POST", Duration::from_secs(5));
            raw.send(&body);
            raw.rest(QUIET);
            assert!(answer.is_none_or(|answer| answer.status == 401));
        });
    }
    site.reached("the same request by itself", || site.raw(&secret));
}

#[test]
fn http_4_a_foreign_page_opens_no_websocket() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let cookie = alice.session().unwrap().pair();
    let open = |origin: Option<&str>| {
        let mut request = websocket::opening("/ws", "x").header("Cookie", &cookie);
        request.headers.retain(|(name, _)| name != "Origin");
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let mut raw = site.sidecar.raw();
        raw.send(request.bytes(&site.host()))
            .answer("GET")
            .map(|answer| answer.status)
    };
    let port = site.sidecar.port;
    for origin in [
        Some("http://evil.test".to_owned()),
        Some("null".to_owned()),
        Some(format!("https://localhost:{port}")),
        Some("http://localhost".to_owned()),
        Some(format!("http://localhost.evil.test:{port}")),
        Some(format!("http://evil.localhost:{port}")),
        Some(String::new()),
        None,
    ] {
        let status = site.untouched("a WebSocket", || open(origin.as_deref()));
        assert_eq!(status, Some(403), "{origin:?}");
    }
    assert_eq!(open(Some(&site.sidecar.origin())), Some(101));
}

#[test]
fn http_4_a_websocket_ends_with_its_session() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let bob = site.sidecar.signed_up("bob");
    let mut open = [&alice, &bob].map(|visitor| {
        let cookie = visitor.session().unwrap().pair();
        let request = websocket::opening("/ws", &site.sidecar.origin()).header("Cookie", &cookie);
        let mut raw = site.sidecar.raw();
        let answer = raw.send(request.bytes(&site.host())).answer("GET").unwrap();
        assert_eq!(answer.status, 101);
        raw
    });
    let mut echo = |index: usize| {
        open[index].send(masked_text("hello"));
        websocket::frame(&mut open[index], Duration::from_secs(5)).map(|(_, text)| text)
    };
    assert_eq!(
        [echo(0), echo(1)],
        [Some(b"hello".to_vec()), Some(b"hello".to_vec())]
    );
    alice.sign_out();
    assert!(
        open[0].ends_within(Duration::from_secs(5)),
        "alice's WebSocket lives on"
    );
    open[1].send(masked_text("still"));
    let frame = websocket::frame(&mut open[1], Duration::from_secs(5));
    assert_eq!(frame, Some((1, b"still".to_vec())));
}

#[test]
fn http_5_a_head_that_drips_is_cut_off() {
    let site = Site::new();
    let mut raw = site.sidecar.raw();
    raw.send(format!(
        "GET /public/x HTTP/1.1\r\nHost: {}\r\n",
        site.host()
    ));
    let mut cut = false;
    for _ in 0..50 {
        raw.send("X-A: b\r\n");
        if raw.ends_within(Duration::from_millis(400)) {
            cut = true;
            break;
        }
    }
    assert!(cut, "a head that took 20 s was still being read");
    site.untouched("half a head", || ());
    site.reached("a whole head", || site.get("/public/x", ""));
}

#[test]
fn http_5_an_http_2_connection_does_not_stay_for_nothing() {
    let (_upstream, sidecar, authority) = h2_site(|route| route);
    let host = format!("localhost:{}", sidecar.port);
    let connect = || authority.connect(sidecar.port, "localhost", b"\x02h2");
    let get: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/public/x"),
        (b":authority", host.as_bytes()),
    ];
    let mut wordless = Raw::over(Box::new(connect()));
    let mut idle = h2::Connection::new(connect());
    let mut used = h2::Connection::new(connect());
    assert_eq!(used.request(&get), h2::Outcome::Status(200));
    assert!(wordless.ends_within(Duration::from_secs(20)), "no preface");
    assert!(idle.ends_within(Duration::from_secs(5)), "no stream");
    assert_eq!(used.request(&get), h2::Outcome::Status(200), "still there");
    assert!(used.ends_within(Duration::from_secs(65)), "no more streams");
}

#[test]
fn http_5_a_body_comes_in_time() {
    let patience: toml::Table = [("client", "1s"), ("read", "30s")]
        .map(|(key, time)| (key.to_owned(), time.into()))
        .into_iter()
        .collect();
    let (upstream, sidecar, authority) = h2_site(|route| route.set("timeouts", patience));
    let host = format!("localhost:{}", sidecar.port);
    let post: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", b"/public/x"),
        (b":authority", host.as_bytes()),
        (b"accept", b"text/event-stream"),
    ];
    let stream = authority.connect(sidecar.port, "localhost", b"\x02h2");
    let outcome = h2::Connection::new(stream).request_without_its_body(&post);
    assert!(outcome.is_refusal(), "{outcome:?}");
    for asks in [
        "Accept: text/event-stream",
        "Connection: upgrade\r\nUpgrade: websocket",
    ] {
        let mut raw = Raw::over(Box::new(authority.connect(sidecar.port, "localhost", b"")));
        raw.send(format!(
            "POST /public/x HTTP/1.1\r\nHost: {host}\r\n{asks}\r\nContent-Length: 10\r\n\r\n"
        ));
        assert!(raw.ends_within(Duration::from_secs(8)), "{asks}");
    }
    assert_eventually!(upstream.open() == 0);
}

#[test]
fn http_5_many_idle_connections_keep_nobody_out() {
    let site = Site::new();
    let idle: Vec<_> = (0..300)
        .map(|_| {
            let mut raw = site.sidecar.raw();
            raw.send("GET /public/x HTTP/1.1\r\n");
            raw
        })
        .collect();
    assert!(accepts(site.sidecar.admin));
    site.reached("somebody else", || site.get("/public/x", ""));
    drop(idle);
}

#[test]
fn http_6_bodies_for_us_are_small() {
    let site = Site::new();
    let host = site.host();
    let visitor = site.sidecar.visitor();
    let page = visitor.clone().go("/.auth/login");
    let action = page.url.join(&page.form_with("password").action).unwrap();
    for path in [
        action.path(),
        "/.auth/logout",
        "/.auth/signup/members",
        "/.auth/callback/members",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            site.sidecar.origin()
        );
        let mut raw = site.sidecar.raw();
        raw.send(format!("{head}Content-Length: 1073741824\r\n\r\n"));
        let answer = raw
            .answer_within("POST", Duration::from_secs(5))
            .expect("an early answer");
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        let mut raw = site.sidecar.raw();
        raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x1_0000));
        for _ in 0..16 {
            raw.send(&chunk);
        }
        let answer = raw.answer_within("POST", Duration::from_secs(5));
        assert!(answer.is_none_or(|answer| answer.status == 413), "{path}");
    }
    assert!(site.sidecar.ask_admin("/healthz").status == 200);
}

#[test]
fn http_6_a_route_limits_what_it_forwards() {
    let site = Site::with(|sidecar| {
        let mut limits = toml::Table::new();
        limits.insert("body".to_owned(), "64KiB".into());
        let upstream = "builtin:demo";
        sidecar.route(
            crate::support::route("/small")
                .set("upstream", upstream)
                .set("limits", limits)
                .public(&["/small/**"]),
        )
    });
    let post = |target: &str, length: usize| {
        let request = Request::new("POST", target).body("text/plain", vec![b'x'; length]);
        site.sidecar.ask(&request).status
    };
    assert_eq!(post("/small/x", 65 << 10), 413);
    assert_eq!(post("/small/x", 63 << 10), 200);
    assert_eq!(post("/public/x", 1 << 20), 200);
    assert_eq!(site.upstream.last().body.len(), 1 << 20);
}

#[test]
fn http_8_anonymous_requests_leave_nothing_behind() {
    let mut site = Site::new();
    let host = site.host();
    let navigation = Request::navigation("/private").bytes(&host);
    let script = Request::get("/private")
        .header("Accept", "application/json")
        .bytes(&host);
    let login = Request::navigation("/.auth/login?rd=/private").bytes(&host);
    let port = site.sidecar.port;
    let flood = |times: usize| {
        for request in [&navigation, &script, &login] {
            let mut raw = Raw::connect(port);
            for _ in 0..times {
                if raw.send(request).answer("GET").is_none() {
                    raw = Raw::connect(port);
                }
            }
        }
    };
    flood(1000);
    let size = |site: &Site| -> u64 {
        let folder = std::fs::read_dir(site.sidecar.path("data")).unwrap();
        folder
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    };
    let memory = site.sidecar.process().memory("VmRSS");
    let disk = size(&site);
    flood(4000);
    assert_eq!(size(&site), disk, "the storage grew");
    let grown = site
        .sidecar
        .process()
        .memory("VmRSS")
        .saturating_sub(memory);
    assert!(grown < 4096, "12,000 requests left {grown} KiB behind");
    let answer = site.raw(&script).unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.all("set-cookie").is_empty(), "{answer:?}");
    assert!(answer.json()["login_url"].is_string());
    assert_eq!(site.upstream.hits(), 0);
}

#[test]
fn http_9_heads_have_a_limit() {
    let site = Site::new();
    let many = "X-A: b\r\n".repeat(300);
    let long = format!("X-A: {}\r\n", "b".repeat(40 << 10));
    let target = format!("/public/{}", "x".repeat(40 << 10));
    for (target, lines) in [
        ("/public/x", &many),
        ("/public/x", &long),
        (target.as_str(), &String::new()),
    ] {
        let answer = site.untouched("too large a head", || site.get(target, lines));
        assert!(
            answer
                .as_ref()
                .is_none_or(|answer| [400, 414, 431].contains(&answer.status)),
            "{answer:?}"
        );
    }
    let fits = format!("X-A: {}\r\n", "b".repeat(8 << 10));
    site.reached("8 KiB", || site.get("/public/x", &fits));
}

#[test]
fn http_10_no_input_ends_the_process() {
    let mut site = Site::new();
    let pid = site.sidecar.pid();
    let host = site.host();
    let mut inputs: Vec<Vec<u8>> = vec![
        b"\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"GET /.auth/login?rd=%ff%fe HTTP/1.1\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        vec![b'A'; 100_000],
    ];
    if let Some(folder) = corpus::data("fuzzseeds-mod_auth_openidc") {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    inputs.push(std::fs::read(path).unwrap());
                }
            }
        }
    }
    for input in &inputs {
        let text = String::from_utf8_lossy(input);
        let encoded: String = url::form_urlencoded::byte_serialize(input)
            .take(512)
            .collect();
        site.sidecar.raw().send(input);
        for target in [
            format!("/.auth/login?rd={encoded}"),
            format!("/.auth/callback/members?state={encoded}&code={encoded}"),
            format!("/.auth/owner/{encoded}"),
            format!("/.auth/assets/{encoded}"),
            format!("/.auth/handover?ticket={encoded}"),
        ] {
            let line = text.lines().next().unwrap_or_default().replace('\0', "");
            let cookie: String = line
                .chars()
                .filter(|c| !c.is_control())
                .take(2000)
                .collect();
            let name = "vestibule-00000000";
            let lines = format!("Cookie: {name}={cookie}\r\n");
            let answer = site.get(&target, &lines);
            assert!(answer.is_none_or(|answer| answer.status < 500), "{target}");
        }
        for path in [
            "/.auth/login",
            "/.auth/login/members",
            "/.auth/callback/members",
            "/.auth/logout",
        ] {
            let request = Request::new("POST", path)
                .header("Connection", "close")
                .body("application/x-www-form-urlencoded", input.clone());
            let answer = site.raw(request.bytes(&host));
            assert!(
                answer.is_none_or(|answer| answer.status < 500),
                "{path}: {text}"
            );
        }
    }
    assert_eq!(site.sidecar.process().pid(), pid);
    assert_eq!(site.sidecar.ask_admin("/healthz").status, 200);
    assert!(
        !site.sidecar.output().contains("panicked at"),
        "{}",
        site.sidecar.log_about("WARN")
    );
}

#[test]
fn http_11_no_early_data_is_taken() {
    let (_upstream, sidecar, authority) = h2_site(|route| route);
    let mut stream = authority.connect(sidecar.port, "localhost", b"");
    // the tickets come with the first answer
    let request = Request::get("/public/x").header("Connection", "close");
    let request = request.bytes(&format!("localhost:{}", sidecar.port));
    std::io::Write::write_all(&mut stream, &request).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    let ssl = stream.ssl();
    assert_eq!(ssl.version_str(), "TLSv1.3");
    assert_eq!(ssl.session().unwrap().max_early_data(), 0);
}
