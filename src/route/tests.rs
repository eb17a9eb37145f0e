use std::fmt::Write as _;

use super::*;
use crate::{
    policy::fixture::{known, public_url},
    protocol::{CanonicalPath, Host},
};

/// Routes as the operator writes them, without `[[routes]]` in front of a single one.
pub(crate) fn parse(toml: &str) -> Result<Router, Vec<Problem>> {
    #[derive(serde::Deserialize)]
    struct File {
        routes: Vec<Config>,
    }
    let file: File = toml::from_str(toml).unwrap();
    let known = known();
    let mut routes = Vec::new();
    let mut problems = Vec::new();
    for (index, config) in file.routes.iter().enumerate() {
        match config.build(index, &known) {
            Ok(route) => routes.push(route),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Router::build(routes, &public_url())
}

/// `host path` lines, each a route to the demo page; `-` is no host.
fn table(lines: &[&str]) -> Result<Router, Vec<Problem>> {
    let mut toml = String::new();
    for line in lines {
        let (host, path) = line.split_once(' ').unwrap();
        writeln!(
            toml,
            "[[routes]]\nupstream = 'builtin:demo'\npath = '{path}'"
        )
        .unwrap();
        if host != "-" {
            writeln!(toml, "host = '{host}'").unwrap();
        }
    }
    parse(&toml)
}

fn found(router: &Router, host: &str, path: &str) -> Result<usize, Miss> {
    let host = Host::parse(host).unwrap();
    let path = CanonicalPath::parse(path).unwrap();
    router.find(&host, &path).map(|route| route.index)
}

#[test]
fn the_longest_host_then_the_longest_path() {
    let router = table(&[
        "- /",
        "- /status",
        "wiki.example.com /",
        "wiki.example.com /api/v1",
        "wiki.example.com /api",
        "*.example.com /",
        "*.team.example.com /",
        "a.team.example.com /x",
        "intern.test /only",
    ])
    .unwrap();
    for (host, path, index) in [
        ("login.example.com", "/", Ok(0)),
        ("login.example.com", "/status/x", Ok(1)),
        ("wiki.example.com", "/", Ok(2)),
        ("wiki.example.com", "/api", Ok(4)),
        ("wiki.example.com", "/api/", Ok(4)),
        ("wiki.example.com", "/api/v1", Ok(3)),
        ("wiki.example.com", "/api/v1/x", Ok(3)),
        ("wiki.example.com", "/api/v10", Ok(4)),
        ("wiki.example.com", "/apiary", Ok(2)),
        ("other.example.com", "/", Ok(5)),
        ("other.example.com", "/status", Ok(1)),
        ("x.other.example.com", "/", Ok(5)),
        ("b.team.example.com", "/", Ok(6)),
        ("a.team.example.com", "/x/y", Ok(7)),
        ("a.team.example.com", "/z", Ok(6)),
        ("team.example.com", "/", Ok(5)),
        ("intern.test", "/only", Ok(8)),
        ("intern.test", "/", Ok(0)),
        ("example.com", "/", Err(Miss::Host)),
        ("evilexample.com", "/", Err(Miss::Host)),
        ("wiki.example.com.evil.test", "/", Err(Miss::Host)),
        ("localhost", "/", Err(Miss::Host)),
        ("127.0.0.1", "/", Err(Miss::Host)),
    ] {
        assert_eq!(found(&router, host, path), index, "{host}{path}");
        let known = router.knows(&Host::parse(host).unwrap());
        assert_eq!(known, index != Err(Miss::Host), "{host}");
    }
    assert_eq!(router.routes().len(), 9);
    assert_eq!(router.hosts().count(), 6);
}

/// A known host without a route for a path is not misdirected, and `public_url`'s is known.
#[test]
fn a_host_may_have_no_route_for_a_path() {
    let router = table(&["wiki.example.com /docs"]).unwrap();
    assert_eq!(found(&router, "wiki.example.com", "/"), Err(Miss::Path));
    assert_eq!(
        found(&router, "wiki.example.com", "/docsx"),
        Err(Miss::Path)
    );
    assert_eq!(found(&router, "login.example.com", "/"), Err(Miss::Path));
    assert_eq!(found(&router, "other.example.com", "/"), Err(Miss::Host));
}

/// PATH-3, PATH-6, PATH-9 and PATH-12, in the route's own terms; what is not canonical never
/// gets here.
#[test]
fn other_spellings_find_the_same_route() {
    let router = table(&["wiki.example.com /", "wiki.example.com /@admin"]).unwrap();
    for path in [
        "/@admin",
        "/%40admin/x",
        "//@admin",
        "/x/../@admin",
        "/x/%2e%2e/%40admin",
    ] {
        assert_eq!(found(&router, "wiki.example.com", path), Ok(1), "{path}");
    }
    for path in [
        "/@Admin",
        "/@admin;x",
        "/@administrator",
        "/x/@admin",
        "/@admin%20",
    ] {
        assert_eq!(found(&router, "wiki.example.com", path), Ok(0), "{path}");
    }
    for host in ["WIKI.example.com", "wiki.example.com.", "Wiki.Example.COM."] {
        assert_eq!(found(&router, host, "/@admin"), Ok(1), "{host}");
    }
}

#[test]
fn routes_that_are_never_reached_are_refused() {
    for (lines, keys) in [
        (&["a.test /", "a.test /"][..], &["routes[1].path"][..]),
        (&["a.test /x", "A.TEST /x/"], &["routes[1].path"]),
        (&["*.a.test /x", "*.a.test /x"], &["routes[1].path"]),
        (&["- /", "- /"], &["routes[1].path"]),
        (&["- /", "login.example.com /"], &["routes[0].path"]),
        (
            &["a.test /", "a.test /", "- /y", "- /y"],
            &["routes[1].path", "routes[3].path"],
        ),
        (&["a.test /@x", "a.test /%40x"], &["routes[1].path"]),
    ] {
        let Err(problems) = table(lines) else {
            panic!("{lines:?}");
        };
        let found: Vec<_> = problems
            .iter()
            .map(|problem| problem.key.as_str())
            .collect();
        assert_eq!(found, keys, "{lines:?}");
    }
    assert!(table(&["a.test /", "*.test.example /", "- /", "b.test /", "- /x"]).is_ok());
}

#[test]
fn a_thousand_routes_take_no_longer() {
    let lines: Vec<_> = (0..1000)
        .map(|at| match at % 3 {
            0 => format!("h{at}.example.com /"),
            1 => format!("*.w{at}.example.com /a/b"),
            _ => format!("one.example.com /p/{at}"),
        })
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let router = table(&lines).unwrap();
    assert_eq!(found(&router, "h999.example.com", "/x"), Ok(999));
    assert_eq!(found(&router, "a.b.w1.example.com", "/a/b/c"), Ok(1));
    assert_eq!(found(&router, "one.example.com", "/p/998/x"), Ok(998));
    assert_eq!(
        found(&router, "one.example.com", "/p/9980"),
        Err(Miss::Path)
    );
    // a path of many segments costs no more look-ups than the longest prefix has
    let deep = "/a".repeat(8000);
    assert_eq!(found(&router, "one.example.com", &deep), Err(Miss::Path));
}

#[test]
fn every_name_of_every_route_is_owned() {
    let router = parse(
        "[[routes]]\nupstream = 'builtin:demo'\nheaders = { X-Person = '{user}' }\n\
         [[routes]]\npath = '/b'\nupstream = 'builtin:demo'\nheaders = 'remote'",
    )
    .unwrap();
    for name in [
        "x_person",
        "X.Person",
        "Remote-User",
        "X-Webauth-User",
        "X-Forwarded-Groups",
    ] {
        assert!(router.owned().contains(name), "{name}");
    }
    assert!(!router.owned().contains("X-Personal"));
}

#[test]
fn upstreams_take_turns() {
    let router = parse(
        "[[routes]]\nupstream = ['http://127.0.0.1:3000', 'https://app.internal', \
         'unix:/run/app.sock', 'http://[::1]']",
    )
    .unwrap();
    let list = &router.routes()[0].upstreams;
    let host = |text: &str| Host::parse(text).unwrap();
    assert_eq!(
        list.all(),
        [
            Upstream::Http {
                host: host("127.0.0.1"),
                port: 3000
            },
            Upstream::Https {
                host: host("app.internal"),
                port: 443,
                tls: std::sync::Arc::default()
            },
            Upstream::Unix {
                path: "/run/app.sock".into()
            },
            Upstream::Http {
                host: host("[::1]"),
                port: 80
            },
        ]
    );
    for round in 0..3 {
        for place in 0..list.all().len() {
            assert_eq!(list.turn(), place, "{round}");
        }
    }
}

#[test]
fn mistakes_are_found_when_the_file_is_read() {
    for (line, key, says) in [
        ("upstream = 'localhost:3000'", "upstream", "http://"),
        (
            "upstream = 'http://a.test/path'",
            "upstream",
            "nothing behind",
        ),
        ("upstream = 'http://u:p@a.test'", "upstream", "user name"),
        ("upstream = 'ftp://a.test'", "upstream", "scheme"),
        ("upstream = 'unix:app.sock'", "upstream", "not absolute"),
        ("upstream = []", "upstream", "empty"),
        (
            "upstream = ['http://a.test', 'x']",
            "upstream[1]",
            "http://",
        ),
        (
            "upstream = ['http://a.test', 'builtin:demo']",
            "upstream",
            "take turns",
        ),
        (
            "upstream = 'http://a.test'\nupstream_tls = {}",
            "upstream_tls",
            "speaks TLS",
        ),
        (
            "upstream = 'https://a.test'\nupstream_tls.ca = '/no/file'",
            "upstream_tls.ca",
            "/no/file",
        ),
        (
            "upstream = 'https://a.test'\nupstream_tls.cert = '/dev/null'",
            "upstream_tls.cert",
            "key",
        ),
        ("host = 'https://a.test'", "host", "https://a.test"),
        ("host = '*.com'", "host", "public suffix"),
        ("host = 'a.test:80'", "host", "a.test:80"),
        ("path = 'x'", "path", "slash"),
        ("path = '/a/../b'", "path", "canonical"),
        ("path = '/a/*'", "path", "no *"),
        (
            "allow = ['group:admins']",
            "allow[0]",
            "several connections",
        ),
        ("connections = ['acne']", "connections[0]", "no connection"),
        ("headers = 'x'", "headers", "no preset"),
        (
            "headers = { Host = '{email}' }",
            "headers.Host",
            "cannot carry",
        ),
        (
            "websocket_origins = ['a.test']",
            "websocket_origins[0]",
            "http://",
        ),
    ] {
        let upstream = if line.starts_with("upstream") {
            ""
        } else {
            "upstream = 'builtin:demo'\n"
        };
        let Err(problems) = parse(&format!("[[routes]]\n{upstream}{line}")) else {
            panic!("{line}");
        };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, format!("routes[0].{key}"), "{line}");
        let text = problems[0].to_string();
        assert!(text.contains(says), "{line}: {text}");
    }
    let several = "[[routes]]\nupstream = 'x'\nhost = '*'\npath = ''\nallow = ['y']";
    assert_eq!(parse(several).err().unwrap().len(), 4);
}
