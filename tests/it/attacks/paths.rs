//! Paths, methods and hosts that mean one thing to the rule and another to the application.

use super::{Site, cookie_line};
use crate::support::{
    Request, Sidecar, Upstream, Visitor, corpus, http::exchange, process::free_port, route,
    sidecar::list, tls::Authority,
};

/// Sends each target without a session. Nothing may arrive but what lies under `/public/` in a
/// form that no application reads otherwise.
#[track_caller]
fn none_gets_past(site: &Site, targets: &[&str]) {
    let control = site.reached("a public path", || site.get("/public/ok?x=1", ""));
    assert_eq!(control.target(), "/public/ok?x=1");
    for target in targets {
        let before = site.upstream.hits();
        let answer = site.get(target, "");
        for seen in &site.upstream.seen()[before..] {
            let path = seen
                .target()
                .split('?')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let open = path.starts_with("/public/") || path == "/public" || path == "/health";
            let dots = path
                .split('/')
                .any(|segment| segment == "." || segment == "..");
            let plain = !dots
                && !["//", "\\", "%2e", "%2f", "%5c", "%00", "%252", "%255", "#"]
                    .iter()
                    .any(|trick| path.contains(trick));
            assert!(open && plain, "{target} arrived as {}", seen.target());
        }
        if let Some(answer) = answer {
            assert!(!answer.text().contains("upstream got") || site.upstream.hits() > before);
        }
    }
}

/// Sends each target with a session and expects 400 and nothing at the application.
#[track_caller]
fn all_are_ambiguous(site: &Site, targets: &[&str]) {
    let alice = site.sidecar.signed_up("alice");
    let line = cookie_line(&alice);
    site.reached("a path with a session", || site.get("/admin", &line));
    for target in targets {
        let answer = site.untouched(target, || site.get(target, &line));
        assert_eq!(answer.map(|answer| answer.status), Some(400), "{target}");
    }
}

#[test]
fn path_1_the_query_opens_nothing() {
    let site = Site::new();
    none_gets_past(
        &site,
        &[
            "/private?x=/public/",
            "/private?/public/",
            "/admin?/health",
            "/?path=/public/x",
        ],
    );
}

#[test]
fn path_2_a_fragment_opens_nothing() {
    let site = Site::new();
    none_gets_past(
        &site,
        &["/admin#/public/", "/admin%23/public/", "/#/public/"],
    );
    // HTTP libraries cut a fragment off before anybody can refuse it (RFC 9110 section 4.2.5 has
    // none in a request): then it must be gone for the rule and for the application alike
    let line = cookie_line(&site.sidecar.signed_up("alice"));
    for (target, rest) in [
        ("/admin#x", "/admin"),
        ("/public/#", "/public/"),
        ("/x?y#z", "/x?y"),
    ] {
        let before = site.upstream.hits();
        let answer = site.get(target, &line).expect("an answer");
        match &site.upstream.seen()[before..] {
            [] => assert_eq!(answer.status, 400, "{target}"),
            seen => assert_eq!(seen[0].target(), rest),
        }
    }
    let seen = site.reached("%23 is data", || site.get("/public/a%23b", ""));
    assert_eq!(seen.target(), "/public/a%23b");
}

#[test]
fn path_3_dot_segments_are_removed_once_for_all() {
    let site = Site::new();
    none_gets_past(
        &site,
        &[
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/.%2e/admin",
            "/public/%2E./admin",
            "/public/..",
            "/public/../",
            "/public/x/../../admin",
            "/public/./../admin",
            "/../public/../admin",
        ],
    );
    let seen = site.reached("dots inside", || site.get("/x/../public/./a/b/../c", ""));
    assert_eq!(seen.target(), "/public/a/c");
}

#[test]
fn path_4_encoded_separators_are_ambiguous() {
    let site = Site::new();
    let targets = [
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public%2f..%2fadmin",
        "/public/%2fadmin",
        "/public/%5c..%5cadmin",
        "/public/%00",
        "/public/a%00/../../admin",
        "/public/%0d%0a",
    ];
    none_gets_past(&site, &targets);
    all_are_ambiguous(
        &site,
        &[
            "/x%2fy", "/x%2Fy", "/x%5cy", "/x%5Cy", "/x%00y", "/x%0ay", "/x%7f",
        ],
    );
}

#[test]
fn path_5_double_encoding_is_ambiguous() {
    let site = Site::new();
    let targets = [
        "/public/%252e%252e/admin",
        "/public/%252e%252e%252fadmin",
        "/public/%25%32%65%25%32%65/admin",
        "/public/%255c",
    ];
    none_gets_past(&site, &targets);
    all_are_ambiguous(&site, &["/x%252fy", "/%252e%252e/x"]);
}

#[test]
fn path_6_empty_segments_open_nothing() {
    let site = Site::new();
    none_gets_past(
        &site,
        &[
            "//admin",
            "/public//../admin",
            "//public/../admin",
            "/public///..//admin",
            "///",
            "//",
        ],
    );
}

#[test]
fn path_7_parameters_are_ordinary_characters() {
    let site = Site::new();
    none_gets_past(
        &site,
        &[
            "/public;/../admin",
            "/admin;/public/x",
            "/public/..;/admin",
            "/public;x",
            "/;/public/",
        ],
    );
    all_are_ambiguous(&site, &["/x/..;/y", "/x/.;a=b/y"]);
}

#[test]
fn path_8_a_backslash_is_ambiguous() {
    let site = Site::new();
    none_gets_past(
        &site,
        &["/public\\..\\admin", "/public/..\\admin", "\\public\\x"],
    );
    all_are_ambiguous(&site, &["/x\\y", "/x/..\\y"]);
}

#[test]
fn path_9_a_pattern_ends_at_a_segment() {
    let site = Site::new();
    none_gets_past(
        &site,
        &[
            "/publicadmin",
            "/public-admin",
            "/healthy",
            "/health/x",
            "/health/",
            "/healt",
            "/public.x",
        ],
    );
    site.reached("the exact path", || site.get("/health", ""));
}

#[test]
fn path_10_octets_are_compared_as_they_are() {
    let site = Site::new();
    none_gets_past(
        &site,
        &["/PUBLIC/x", "/Public/x", "/HEALTH", "/\u{ff50}ublic/x"],
    );
    all_are_ambiguous(
        &site,
        &[
            "/x%c0%ae",
            "/x%c0%af..",
            "/x%ff",
            "/x%e0%80%af",
            "/x%zz",
            "/x%",
        ],
    );
}

#[test]
fn path_11_only_origin_form_is_routed() {
    let site = Site::with(|sidecar| sidecar.route(open_host("open.localhost")));
    let host = site.host();
    let port = site.sidecar.port;
    for request in [
        format!("GET http://open.localhost:{port}/admin HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("CONNECT /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("TRACE /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET * HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ] {
        let answer = site.untouched(&request, || site.raw(&request));
        if let Some(answer) = answer {
            assert!(
                (400..=501).contains(&answer.status),
                "{request}: {answer:?}"
            );
        }
    }
    let same = format!("GET http://{host}/public/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = site.raw(same).unwrap();
    assert!([200, 400].contains(&answer.status), "{answer:?}");
}

/// A route that opens everything on another host, for attacks that borrow its policy.
fn open_host(host: &str) -> crate::support::Route {
    route("/")
        .host(host)
        .set("upstream", "builtin:demo")
        .public(&["/**"])
}

#[test]
fn path_12_a_host_has_one_spelling_and_an_unknown_one_is_refused() {
    let site = Site::with(|sidecar| sidecar.route(open_host("open.localhost")));
    let port = site.sidecar.port;
    let with_hosts = |lines: &str| site.raw(format!("GET /public/x HTTP/1.1\r\n{lines}\r\n"));
    for host in [
        "evil.test",
        "localhost.evil.test",
        "open.localhost.evil",
        "",
        "127.0.0.2",
    ] {
        let lines = format!("Host: {host}\r\n");
        let answer = site
            .untouched(host, || with_hosts(&lines))
            .expect("an answer");
        assert!([400, 421].contains(&answer.status), "{host}: {answer:?}");
    }
    for lines in [
        format!("Host: open.localhost:{port}\r\nHost: localhost:{port}\r\n"),
        format!("Host: localhost:{port}\r\nHost: localhost:{port}\r\n"),
        format!("Host: localhost:{port}@evil.test\r\n"),
        format!("Host: localhost:{port}, open.localhost\r\n"),
        "Host: user@localhost\r\n".to_owned(),
        "Host: localhost:notaport\r\n".to_owned(),
        "Host: local host\r\n".to_owned(),
        String::new(),
    ] {
        let answer = site.untouched(&lines, || with_hosts(&lines));
        assert!(
            answer.is_none_or(|answer| (400..=421).contains(&answer.status)),
            "{lines}"
        );
    }
    for host in [format!("LOCALHOST:{port}"), format!("localhost.:{port}")] {
        site.reached(&host, || with_hosts(&format!("Host: {host}\r\n")));
    }
}

#[test]
fn path_13_no_server_name_gets_around_a_client_certificate() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let a = authority.leaf(folder.path(), &["a.test"]);
    let b = authority.leaf(folder.path(), &["b.test"]);
    let person = authority.leaf(folder.path(), &["person"]);
    let port = free_port();
    let tls = [&a, &b].map(|leaf| {
        let mut table = toml::Table::new();
        table.insert("cert".into(), leaf.cert_file.display().to_string().into());
        table.insert("key".into(), leaf.key_file.display().to_string().into());
        toml::Value::Table(table)
    });
    let mut listener = toml::Table::new();
    listener.insert("address".into(), format!("127.0.0.1:{port}").into());
    listener.insert("tls".into(), tls.to_vec().into());
    listener.insert(
        "client_ca".into(),
        authority.file(folder.path()).display().to_string().into(),
    );
    let _sidecar = Sidecar::new()
        .without("server.listen")
        .set("server.listeners", vec![toml::Value::Table(listener)])
        .set("server.public_url", format!("https://a.test:{port}"))
        .route(route("/").host("a.test").to(&upstream).public(&["/**"]))
        .route(route("/").host("b.test").to(&upstream).public(&["/**"]))
        .start();
    let ask = |who: Option<&crate::support::tls::Leaf>, sni: &str, host: &str| {
        let stream = authority.connect_as(who, port, sni, b"");
        let mut raw = crate::support::Raw::over(Box::new(stream));
        raw.send(Request::get("/x").bytes(&format!("{host}:{port}")))
            .answer("GET")
    };
    let status = |answer: Option<crate::support::Answer>| answer.map(|answer| answer.status);
    assert_eq!(status(ask(Some(&person), "a.test", "a.test")), Some(200));
    assert_eq!(upstream.hits(), 1);
    // the listener asks for the certificate before it knows any host: no name gets around that
    for (sni, host) in [
        ("a.test", "a.test"),
        ("b.test", "a.test"),
        ("a.test", "b.test"),
    ] {
        let answer = status(ask(None, sni, host));
        assert!(
            answer.is_none_or(|status| status >= 400),
            "{sni} for {host}: {answer:?}"
        );
        assert_eq!(upstream.hits(), 1, "{sni} for {host}");
    }
}

#[test]
fn path_14_a_method_opens_only_itself() {
    let site = Site::new();
    let host = site.host();
    let ask = |method: &str, target: &str, lines: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}");
        let mut raw = site.sidecar.raw();
        raw.send(format!("{head}Connection: close\r\n\r\n"))
            .answer(method)
    };
    site.reached("GET", || ask("GET", "/only-get", ""));
    site.reached("HEAD", || ask("HEAD", "/only-get", ""));
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "Get", "PROPFIND", "GETX",
    ] {
        site.untouched(method, || ask(method, "/only-get", "Content-Length: 0\r\n"));
    }
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        let line = format!("{header}: GET\r\nContent-Length: 0\r\n");
        site.untouched(header, || ask("POST", "/only-get", &line));
        let line = format!(
            "{}: DELETE\r\nContent-Length: 0\r\n",
            header.replace('-', "_")
        );
        for line in [line.replace('_', "-"), line] {
            site.reached(&line, || ask("POST", "/public/x", &line));
            assert!(
                !site.upstream.last().everything().contains("DELETE"),
                "{line}"
            );
        }
    }
    for method in ["HEAD", "OPTIONS", "PATCH", "get", "FOO"] {
        site.untouched(method, || ask(method, "/private", "Content-Length: 0\r\n"));
    }
    let preflight = "Origin: http://evil.test\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = site
        .untouched("a preflight", || ask("OPTIONS", "/private", preflight))
        .unwrap();
    assert!(
        ![301, 302, 303, 307, 308].contains(&answer.status),
        "{answer:?}"
    );
}

#[test]
fn path_15_no_path_or_user_agent_is_magic() {
    let site = Site::new();
    for agent in [
        "GoogleHC/1.0",
        "kube-probe/1.29",
        "ELB-HealthChecker/2.0",
        "curl/8",
    ] {
        let line = format!("User-Agent: {agent}\r\n");
        let answer = site
            .untouched(agent, || site.get("/private", &line))
            .unwrap();
        assert!([302, 401].contains(&answer.status), "{agent}: {answer:?}");
    }
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/ping",
        "/ready",
        "/.well-known/x",
        "/robots.txt",
    ] {
        let answer = site.untouched(path, || site.get(path, "")).unwrap();
        assert!([302, 401].contains(&answer.status), "{path}: {answer:?}");
    }
}

#[test]
fn path_17_the_most_specific_route_decides_whatever_the_order() {
    for backwards in [false, true] {
        let upstream = Upstream::start();
        let mut routes = vec![
            route("/open").to(&upstream).public(&["/open/**"]),
            route("/open/inner").to(&upstream),
            route("/").to(&upstream),
        ];
        if backwards {
            routes.reverse();
        }
        let sidecar = routes
            .into_iter()
            .fold(Sidecar::new(), Sidecar::route)
            .start();
        let status = |path| sidecar.ask(&Request::get(path)).status;
        assert_eq!(status("/open/x"), 200, "backwards: {backwards}");
        assert_eq!(upstream.hits(), 1);
        assert_eq!(
            [
                status("/open/inner"),
                status("/open/inner/x"),
                status("/openx")
            ],
            [401; 3]
        );
        assert_eq!(upstream.hits(), 1, "backwards: {backwards}");
    }
}

#[test]
fn path_17_two_routes_for_the_same_requests_stop_the_start() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/a").to(&upstream))
        .route(route("/a").to(&upstream).set("public", list(&["/a/**"])));
    let refused = sidecar.refused();
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("config.toml:"), "no line named: {text}");
}

/// URLs of the Web Platform Tests, as raw targets behind a public prefix.
#[test]
fn path_4_the_paths_of_the_url_corpus_open_nothing() {
    let Some(file) = corpus::data("url-wpt-rust-url") else {
        return;
    };
    let site = Site::new();
    let file = find(&file, "urltestdata.json");
    let cases: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let targets: Vec<String> = cases
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|case| case["input"].as_str())
        .filter(|input| input.bytes().all(|byte| byte > b' ' && byte < 0x7f))
        .flat_map(|input| [format!("/public/../{input}"), format!("/public/{input}")])
        .collect();
    assert!(targets.len() > 500);
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    none_gets_past(&site, &targets);
}

fn find(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                return path;
            }
        }
    }
    panic!("no {name} in {}", folder.display());
}

#[test]
fn path_12_ip_literals_lead_to_the_login_host() {
    let site = Site::new();
    let port = site.sidecar.port;
    let request = Request::navigation("/public/x?y=1");
    let answer = exchange(port, &format!("127.0.0.1:{port}"), &request);
    assert!(
        [301, 302, 303, 307, 308].contains(&answer.status),
        "{answer:?}"
    );
    let url = Visitor::new(&site.sidecar.origin()).url(answer.location());
    assert_eq!(url.origin().ascii_serialization(), site.sidecar.origin());
    assert_eq!(site.upstream.hits(), 0);
}
