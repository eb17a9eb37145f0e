use std::time::Duration;

use http::HeaderName;

use super::*;
use crate::{
    policy::{
        Missing,
        fixture::{NOW, Someone, public_url},
    },
    protocol::{CanonicalPath, Scheme},
};

fn gate(routes: &str) -> Gate {
    Gate::new(crate::route::tests::parse(routes).unwrap(), public_url())
}

/// One route at wiki.example.com and one for everything else.
const ROUTES: &str = "
[[routes]]
host = 'wiki.example.com'
upstream = 'http://127.0.0.1:3000'
public = ['/healthz', 'GET /static/**']
allow = ['group:acme/staff']
assertion = true
websocket_origins = ['https://editor.example.com']
[[routes]]
upstream = 'builtin:demo'
path = '/docs'
headers = { X-User = '{handle}' }
";

/// `"METHOD host/path"` and headers, by decide and by judge alike.
fn ask(gate: &Gate, line: &str, headers: &[(&str, &str)], who: Option<&Someone>) -> Verdict {
    let (method, target) = line.split_once(' ').unwrap();
    let (host, path) = target.split_once('/').unwrap();
    let (host, path) = (Host::parse(host).unwrap(), format!("/{path}"));
    let path = CanonicalPath::parse(&path).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let request = RequestFacts {
        facts: Facts {
            scheme: Scheme::Https,
            host: &host,
            path: &path,
            method: &method,
            address: None,
            now: NOW,
        },
        headers: &map,
    };
    let judged = gate.judge(&request, who.map(Someone::principal));
    let verdict = gate.decide(&request, who.map(Someone::session));
    agree(&verdict, &judged);
    verdict
}

/// `explain` says what would happen.
fn agree(verdict: &Verdict, judged: &Judged) {
    let same = match (verdict, &judged.verdict) {
        (Verdict::BadRequest(one), JudgedVerdict::BadRequest(other)) => one == other,
        (Verdict::Challenge { needs, how, .. }, JudgedVerdict::Challenge { needs: n, how: h }) => {
            needs == n && how == h
        }
        (Verdict::Deny { reason, .. }, JudgedVerdict::Deny(other)) => reason == other,
        (Verdict::Forward(permitted), JudgedVerdict::Forward { as_nobody }) => {
            let headers: Vec<_> = judged.headers.iter().map(|(n, v)| (n, v.clone())).collect();
            permitted.permit().session().is_none() == *as_nobody
                && permitted.edits().unwrap().iter().collect::<Vec<_>>() == headers
                && judged.route.as_ref().unwrap().index == permitted.route().index
        }
        (Verdict::Misdirected, JudgedVerdict::Misdirected)
        | (Verdict::NotFound, JudgedVerdict::NotFound) => true,
        _ => false,
    };
    assert!(same, "{verdict:?}\n{judged:?}");
}

/// In one word, with what is of interest.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Challenge { how, .. } => format!("challenge {how:?}"),
        Verdict::Deny { reason, .. } => format!("deny {reason}"),
        Verdict::Forward(permitted) => match permitted.permit().session() {
            Some(session) => format!("forward {}", session.contents().user.handle),
            None => "forward nobody".to_owned(),
        },
        other => other.name().to_owned(),
    }
}

const NAVIGATE: &[(&str, &str)] = &[("sec-fetch-mode", "navigate")];

#[test]
fn each_request_has_one_verdict() {
    let gate = gate(ROUTES);
    let alice = Someone::by("acme");
    let bob = Someone::by("acme").groups(&["guests"]);
    let member = Someone::by("old");
    for (line, who, verdict) in [
        ("GET wiki.example.com/", None, "challenge Redirect"),
        ("GET wiki.example.com/", Some(&alice), "forward alice"),
        ("GET wiki.example.com/", Some(&bob), "deny no-rule-matched"),
        ("GET wiki.example.com/", Some(&member), "challenge Redirect"),
        ("GET wiki.example.com/healthz", None, "forward nobody"),
        (
            "GET wiki.example.com/healthz",
            Some(&alice),
            "forward alice",
        ),
        ("GET wiki.example.com/healthz", Some(&bob), "forward nobody"),
        ("GET wiki.example.com/healthz/x", None, "challenge Redirect"),
        (
            "POST wiki.example.com/static/x",
            None,
            "challenge SignInAgainPage",
        ),
        ("GET wiki.example.com/docs", Some(&bob), "forward alice"),
        ("GET login.example.com/docs", None, "challenge Redirect"),
        ("GET login.example.com/other", Some(&alice), "not-found"),
        ("GET evil.example/", Some(&alice), "misdirected"),
        ("GET 127.0.0.1/", Some(&alice), "misdirected"),
        ("CONNECT wiki.example.com/", Some(&alice), "bad-request"),
        (
            "TRACE wiki.example.com/healthz",
            Some(&alice),
            "bad-request",
        ),
        ("CONNECT evil.example/", None, "bad-request"),
        (
            "get wiki.example.com/static/x",
            None,
            "challenge SignInAgainPage",
        ),
    ] {
        assert_eq!(said(&ask(&gate, line, NAVIGATE, who)), verdict, "{line}");
    }
}

/// DESIGN 2.4, word for word.
#[test]
fn only_a_navigation_is_sent_to_the_login_page() {
    let gate = gate(ROUTES);
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (method, headers, how) in [
        (
            "GET",
            &[("sec-fetch-mode", "navigate")][..],
            Answerable::Redirect,
        ),
        (
            "HEAD",
            &[("sec-fetch-mode", "navigate")],
            Answerable::Redirect,
        ),
        (
            "POST",
            &[("sec-fetch-mode", "navigate")],
            Answerable::SignInAgainPage,
        ),
        ("GET", &[("accept", browser)], Answerable::Redirect),
        ("GET", &[("accept", "Text/HTML")], Answerable::Redirect),
        (
            "GET",
            &[("accept", "a/b"), ("accept", "text/html;q=0.5")],
            Answerable::Redirect,
        ),
        ("POST", &[("accept", browser)], Answerable::SignInAgainPage),
        (
            "GET",
            &[("sec-fetch-mode", "cors"), ("accept", browser)],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("sec-fetch-mode", "no-cors"), ("accept", browser)],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("sec-fetch-mode", "websocket")],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("accept", "text/html;q=0")],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("accept", "text/html; Q=0.000")],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("accept", "text/htmlx, text/html2;x=text/html")],
            Answerable::Unauthorized,
        ),
        (
            "GET",
            &[("accept", "application/json")],
            Answerable::Unauthorized,
        ),
        ("GET", &[("accept", "*/*")], Answerable::Unauthorized),
        ("GET", &[], Answerable::Unauthorized),
        ("POST", &[], Answerable::Unauthorized),
        (
            "GET",
            &[("upgrade", "websocket"), ("accept", browser)],
            Answerable::Unauthorized,
        ),
        (
            "OPTIONS",
            &[
                ("origin", "https://a.test"),
                ("access-control-request-method", "GET"),
                ("accept", browser),
            ],
            Answerable::Unauthorized,
        ),
        (
            "OPTIONS",
            &[("sec-fetch-mode", "navigate")],
            Answerable::Unauthorized,
        ),
    ] {
        let line = format!("{method} wiki.example.com/x");
        let Verdict::Challenge { how: found, .. } = ask(&gate, &line, headers, None) else {
            panic!("{method} {headers:?}");
        };
        assert_eq!(found, how, "{method} {headers:?}");
    }
}

/// PATH-14 and PATH-15: no header opens anything.
#[test]
fn headers_open_nothing() {
    let gate = gate(ROUTES);
    for (name, value) in [
        ("x-http-method-override", "GET"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-forwarded-uri", "/healthz"),
        ("x-forwarded-user", "alice"),
        ("user-agent", "GoogleHC/1.0"),
        ("authorization", "Basic YWxpY2U6eA=="),
        ("access-control-request-method", "GET"),
    ] {
        for method in ["POST", "OPTIONS", "GET"] {
            let line = format!("{method} wiki.example.com/static/../private");
            let verdict = ask(&gate, &line, &[(name, value)], None);
            assert_eq!(said(&verdict), "challenge Unauthorized", "{name}");
        }
    }
}

#[test]
fn a_websocket_needs_an_origin_of_ours() {
    let gate = gate(ROUTES);
    let alice = Someone::by("acme");
    for (origins, opens) in [
        (&["https://wiki.example.com"][..], true),
        (&["https://wiki.example.com:443"], true),
        (&["https://editor.example.com"], true),
        (&[], false),
        (&["null"], false),
        (&[""], false),
        (&["http://wiki.example.com"], false),
        (&["https://wiki.example.com:8443"], false),
        (&["https://login.example.com"], false),
        (&["https://evil.example"], false),
        (&["https://wiki.example.com.evil.example"], false),
        (&["https://wiki.example.com@evil.example"], false),
        (&["https://wiki.example.com", "https://evil.example"], false),
        (&["https://wiki.example.com https://evil.example"], false),
    ] {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket", "websocket/13"] {
            let mut headers = vec![("connection", "Upgrade"), ("upgrade", upgrade)];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            let verdict = ask(&gate, "GET wiki.example.com/ws", &headers, Some(&alice));
            let expected = if opens {
                "forward alice"
            } else {
                "deny websocket-origin"
            };
            assert_eq!(said(&verdict), expected, "{upgrade} {origins:?}");
            // on a public path a page of another site is nobody
            let verdict = ask(
                &gate,
                "GET wiki.example.com/healthz",
                &headers,
                Some(&alice),
            );
            let expected = if opens {
                "forward alice"
            } else {
                "forward nobody"
            };
            assert_eq!(said(&verdict), expected, "{upgrade} {origins:?}");
            let verdict = ask(&gate, "GET wiki.example.com/healthz", &headers, None);
            assert_eq!(said(&verdict), "forward nobody");
            let verdict = ask(&gate, "GET wiki.example.com/ws", &headers, None);
            assert_eq!(said(&verdict), "challenge Unauthorized");
        }
    }
    let plain = ask(
        &gate,
        "GET wiki.example.com/",
        &[("origin", "https://evil.example")],
        Some(&alice),
    );
    assert_eq!(said(&plain), "forward alice");
}

#[test]
fn headers_that_do_not_fit_refuse_and_are_never_cut() {
    let gate = gate(ROUTES);
    let names: Vec<_> = (0..5000).map(|at| format!("group-{at}")).collect();
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.push("staff");
    let alice = Someone::by("acme").groups(&names);
    let verdict = ask(&gate, "GET wiki.example.com/", NAVIGATE, Some(&alice));
    assert_eq!(said(&verdict), "deny headers-too-large");
    let verdict = ask(
        &gate,
        "GET wiki.example.com/healthz",
        NAVIGATE,
        Some(&alice),
    );
    assert_eq!(said(&verdict), "forward nobody");
    let verdict = ask(
        &gate,
        "GET login.example.com/docs/x",
        NAVIGATE,
        Some(&alice),
    );
    assert_eq!(said(&verdict), "forward alice");
}

#[test]
fn a_permitted_request_carries_its_headers() {
    let gate = gate(ROUTES);
    let alice = Someone::by("acme");
    let forwarded = |line: &str, who| match ask(&gate, line, &[], who) {
        Verdict::Forward(permitted) => permitted,
        other => panic!("{other:?}"),
    };
    let names = |permitted: &Permitted| -> Vec<String> {
        permitted
            .edits()
            .unwrap()
            .iter()
            .map(|(name, _)| name.to_string())
            .collect()
    };
    let wiki = forwarded("GET wiki.example.com/", Some(&alice));
    assert_eq!(
        names(&wiki),
        [
            "x-forwarded-user",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
            "x-forwarded-groups"
        ]
    );
    let docs = forwarded("GET login.example.com/docs", Some(&alice));
    assert_eq!(names(&docs), ["x-user"]);
    let nobody = forwarded("GET wiki.example.com/healthz", None);
    assert!(names(&nobody).is_empty());

    let keys = vec![(
        crate::crypto::RingState::Current,
        crate::crypto::SigningKey::generate().unwrap(),
    )];
    let assertions = Assertions::new(&public_url(), keys).unwrap();
    assert!(wiki.assertion(&assertions, NOW).unwrap().is_some());
    assert!(docs.assertion(&assertions, NOW).unwrap().is_none());
    assert!(nobody.assertion(&assertions, NOW).unwrap().is_none());
    assert_eq!(
        wiki.audience.unwrap().to_string(),
        "https://wiki.example.com"
    );
}

/// Two routes keep what they work out about one session apart.
#[test]
fn one_session_on_several_routes() {
    let gate = gate(
        "[[routes]]\npath = '/a'\nupstream = 'builtin:demo'\nheaders = { X-A = '{handle}' }\n\
         [[routes]]\npath = '/b'\nupstream = 'builtin:demo'\nheaders = { X-B = '{user}' }\n\
         [[routes]]\npath = '/c'\nupstream = 'builtin:demo'\ndeny = ['user:alice']",
    );
    let session = Someone::by("acme").session();
    let host = public_url().host;
    let headers = HeaderMap::new();
    for _ in 0..3 {
        for (path, expected) in [("/a", Some("x-a")), ("/b", Some("x-b")), ("/c", None)] {
            let path = CanonicalPath::parse(path).unwrap();
            let request = RequestFacts {
                facts: Facts {
                    scheme: Scheme::Https,
                    host: &host,
                    path: &path,
                    method: &Method::GET,
                    address: None,
                    now: NOW,
                },
                headers: &headers,
            };
            let found = match gate.decide(&request, Some(session.clone())) {
                Verdict::Forward(permitted) => permitted
                    .edits()
                    .unwrap()
                    .iter()
                    .next()
                    .map(|(name, _)| name.to_string()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected);
        }
    }
}

#[test]
fn a_challenge_says_what_is_needed() {
    let gate = gate(
        "[[routes]]\nupstream = 'builtin:demo'\nconnections = ['acme', 'google']\n\
         require = { amr = ['mfa'], acr = ['high'], max_age = '1h' }",
    );
    let Verdict::Challenge { needs, .. } = ask(&gate, "GET login.example.com/", NAVIGATE, None)
    else {
        panic!("no challenge");
    };
    assert_eq!(needs.missing, Missing::Session);
    let names: Vec<_> = needs
        .connections
        .iter()
        .map(crate::identity::ConnectionId::as_str)
        .collect();
    assert_eq!(names, ["acme", "google"]);
    assert_eq!(
        (&*needs.amr, &*needs.acr),
        (&["mfa".to_owned()][..], &["high".to_owned()][..])
    );
    assert_eq!(needs.max_age, Some(Duration::from_hours(1)));
    let alice = Someone::by("acme");
    let Verdict::Challenge { needs, .. } =
        ask(&gate, "GET login.example.com/", NAVIGATE, Some(&alice))
    else {
        panic!("no challenge");
    };
    assert_eq!(needs.missing, Missing::Methods);
}

#[test]
fn explain_shows_how_it_came_about() {
    let gate = gate(ROUTES);
    let alice = Someone::by("acme");
    let host = Host::parse("wiki.example.com").unwrap();
    let path = CanonicalPath::parse("/x").unwrap();
    let request = RequestFacts {
        facts: Facts {
            scheme: Scheme::Https,
            host: &host,
            path: &path,
            method: &Method::GET,
            address: None,
            now: NOW,
        },
        headers: &HeaderMap::new(),
    };
    let judged = gate.judge(&request, Some(alice.principal()));
    assert_eq!(judged.verdict.to_string(), "forward");
    assert_eq!(judged.route.unwrap().to_string(), "wiki.example.com/");
    assert_eq!(
        judged.rule.unwrap().to_string(),
        "allow[0] = \"group:acme/staff\""
    );
    assert_eq!(judged.answers.len(), 1);
    assert_eq!(judged.headers.len(), 4);
    let judged = gate.judge(&request, None);
    assert_eq!(judged.verdict.to_string(), "challenge (401)");
}

/// Prints what a cached decision costs; `cargo test --lib gate::tests::cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn cost_of_a_cached_decision() {
    let mut routes = ROUTES.to_owned();
    for at in 0..1000 {
        use std::fmt::Write;
        write!(
            routes,
            "[[routes]]\nhost = 'h{at}.example.com'\nupstream = 'builtin:demo'\n"
        )
        .unwrap();
    }
    routes.push_str("[[routes]]\nhost = 'cel.example.com'\nupstream = 'builtin:demo'\nallow = [\"request.path.startsWith('/x')\"]\n");
    let gate = gate(&routes);
    let session = Someone::by("acme").session();
    let headers = HeaderMap::new();
    for host in ["wiki.example.com", "h999.example.com", "cel.example.com"] {
        let host = Host::parse(host).unwrap();
        let path = CanonicalPath::parse("/x/y/z").unwrap();
        let request = RequestFacts {
            facts: Facts {
                scheme: Scheme::Https,
                host: &host,
                path: &path,
                method: &Method::GET,
                address: None,
                now: NOW,
            },
            headers: &headers,
        };
        let rounds = 200_000;
        let start = std::time::Instant::now();
        let mut set = 0;
        for _ in 0..rounds {
            if let Verdict::Forward(permitted) = gate.decide(&request, Some(session.clone())) {
                set += permitted.edits().unwrap().iter().count();
            }
        }
        let each = start.elapsed() / rounds;
        println!("{host}: {each:?} for each decision, {set} headers in all");
    }
}
