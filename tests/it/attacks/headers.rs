//! Identity headers: what the application is told about a visitor comes from us alone.

use super::{Site, ask, cookie_line, h2_site, user_id};
use crate::support::{
    Raw, Reply, Request, Seen, Sidecar, Upstream,
    client_certificates::{Issuer, Says},
    h2, route,
    upstream::fold,
    websocket,
};

/// Every header by which some application takes its user from a proxy.
const NAMES: &[&str] = &[
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Groups",
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Preferred-Username",
    "X-WebAuth-User",
    "X-WebAuth-Email",
    "X-WebAuth-Groups",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Vestibule-Assertion",
];

/// What a forged header says; found anywhere at the application it is a break-in.
const FORGED: &str = "mallory";

/// The application was told the truth: exactly `user` or nobody, and nothing forged.
#[track_caller]
fn told_the_truth(seen: &Seen, user: Option<&str>) {
    assert!(!seen.everything().contains(FORGED), "forged: {seen:?}");
    assert_eq!(seen.header("X-Forwarded-User"), user, "{seen:?}");
    let names: Vec<_> = seen.headers.iter().map(|(name, _)| fold(name)).collect();
    for name in NAMES {
        let times = names.iter().filter(|held| **held == fold(name)).count();
        assert!(times <= 1, "{name} {times} times: {seen:?}");
    }
}

#[test]
fn hdr_1_headers_of_a_visitor_never_arrive() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let id = user_id(&mut alice);
    let cookie = alice.session().unwrap().pair();
    let host = site.host();
    site.upstream
        .on("/public/missing", Reply::status(404, "no"));
    let ours = [
        ("GET", "/public/x", false),
        ("GET", "/public/missing", false),
        ("OPTIONS", "/public/x", false),
        ("GET", "/public/x", true),
        ("GET", "/private", true),
        ("HEAD", "/private", true),
        ("OPTIONS", "/private", true),
        ("DELETE", "/private", true),
    ];
    for (method, path, signed_in) in ours {
        let mut request = Request::new(method, path).header("X-Mine", "stays");
        for name in NAMES {
            request = request.header(name, FORGED);
        }
        if signed_in {
            request = request.header("Cookie", &cookie);
        }
        let seen = site.reached(&format!("{method} {path}"), || {
            ask(&mut site.sidecar.raw(), &request, &host)
        });
        told_the_truth(&seen, signed_in.then_some(id.as_str()));
        assert_eq!(seen.header("X-Mine"), Some("stays"));
    }
    let mut opening = websocket::opening("/ws", &site.sidecar.origin()).header("Cookie", &cookie);
    for name in NAMES {
        opening = opening.header(name, FORGED);
    }
    let seen = site.reached("a WebSocket", || {
        ask(&mut site.sidecar.raw(), &opening, &host)
    });
    told_the_truth(&seen, Some(&id));
}

#[test]
fn hdr_1_the_names_of_every_preset_go_on_every_route() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/remote").to(&upstream).set("headers", "remote"))
        .route(
            route("/custom")
                .to(&upstream)
                .set("headers", table(&[("X-Acme-Person", "{email}")])),
        )
        .route(route("/").to(&upstream).public(&["/**"]))
        .start();
    let request = NAMES
        .iter()
        .fold(Request::get("/x"), |request, name| {
            request.header(name, FORGED)
        })
        .header("X-Acme-Person", FORGED)
        .header("x_acme.person", FORGED);
    sidecar.ask(&request).expect(200);
    told_the_truth(&upstream.last(), None);
    let alice = sidecar.signed_up("alice");
    let request = request.header("Cookie", &alice.session().unwrap().pair());
    let request = Request {
        target: "/remote/x".to_owned(),
        ..request
    };
    sidecar.ask(&request).expect(200);
    let seen = upstream.last();
    assert!(!seen.everything().contains(FORGED), "{seen:?}");
    assert_eq!(seen.header("Remote-User"), Some("alice"));
}

/// A table of headers for a route.
fn table(headers: &[(&str, &str)]) -> toml::Table {
    headers
        .iter()
        .map(|(name, template)| ((*name).to_owned(), (*template).into()))
        .collect()
}

/// Every way to write a name with its marks and cases exchanged.
fn spellings(name: &str, marks: &[char]) -> Vec<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let mut all = vec![String::new()];
    for (index, part) in parts.iter().enumerate() {
        let marks: &[char] = if index == 0 { &['\0'] } else { marks };
        all = all
            .iter()
            .flat_map(|front| {
                marks.iter().flat_map(move |mark| {
                    [
                        part.to_ascii_lowercase(),
                        part.to_ascii_uppercase(),
                        (*part).to_owned(),
                    ]
                    .map(|part| format!("{front}{mark}{part}"))
                })
            })
            .map(|name| name.replace('\0', ""))
            .collect();
    }
    all
}

/// Sends every spelling, with and without a session: it is refused, or arrives without it.
#[track_caller]
fn spellings_never_arrive(site: &Site, spellings: &[String]) {
    let mut alice = site.sidecar.signed_up("alice");
    let id = user_id(&mut alice);
    let cookie = cookie_line(&alice);
    for (target, line, user) in [("/public/x", "", None), ("/x", &cookie, Some(id.as_str()))] {
        for name in spellings {
            let before = site.upstream.hits();
            let lines = format!("{line}{name}: {FORGED}\r\n");
            let answer = site.get(target, &lines).expect("an answer");
            if answer.status == 400 && site.upstream.hits() == before {
                continue;
            }
            assert_eq!(site.upstream.hits(), before + 1, "{name}: {answer:?}");
            told_the_truth(&site.upstream.last(), user);
        }
    }
    let seen = site.reached("another header", || {
        site.get("/public/x", "X_Other: kept\r\n")
    });
    assert_eq!(seen.header("X-Other"), Some("kept"));
}

#[test]
fn hdr_2_alias_by_underscore() {
    let site = Site::new();
    let mut names = spellings("X-Forwarded-User", &['-', '_']);
    names.extend(spellings("Remote-User", &['-', '_']));
    assert_eq!(names.len(), 108 + 18);
    spellings_never_arrive(&site, &names);
}

#[test]
fn hdr_3_alias_by_dot() {
    let site = Site::new();
    let mut names = spellings("X-Forwarded-User", &['.', '_']);
    names.extend(["X!Forwarded!User", "X~Forwarded-User", "X Forwarded-User"].map(str::to_owned));
    spellings_never_arrive(&site, &names);
}

#[test]
fn hdr_4_whole_families_go() {
    let site = Site::new();
    let names = [
        "X-Forwarded-User-Id",
        "X-Forwarded-Anything-New",
        "X-Auth-Request-New",
        "X_Auth_Request_Access_Token",
        "Remote-User-Extra",
        "REMOTE_USER_EMAIL",
        "X-WebAuth-Role",
        "X-Vestibule-Anything",
        "X-Remote-Extra-Scope",
    ];
    spellings_never_arrive(&site, &names.map(str::to_owned));
}

#[test]
fn hdr_5_duplicates_and_broken_lines() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let id = user_id(&mut alice);
    let cookie = cookie_line(&alice);
    let twice = format!("{cookie}X-Forwarded-User: {FORGED}\r\nX-Forwarded-User: {FORGED}\r\n");
    let list = format!("{cookie}X-Forwarded-User: {id}, {FORGED}\r\n");
    let empty = format!("{cookie}X-Forwarded-User:\r\n");
    for lines in [twice, list, empty] {
        let seen = site.reached(&lines, || site.get("/x", &lines));
        told_the_truth(&seen, Some(&id));
    }
    for line in [
        "X-A: b\r\n X-Forwarded-User: mallory\r\n",
        "X-A: b\r\n\tX-Forwarded-User: mallory\r\n",
        " X-Forwarded-User: mallory\r\n",
        "X-A: b\0c\r\n",
        "X-A: b\rX-Forwarded-User: mallory\r\n",
        "X-Forwarded-User : mallory\r\n",
        "X-Forwarded-User\t: mallory\r\n",
        "X-A\0: b\r\n",
        ": b\r\n",
        "no colon\r\n",
        "X-(A): b\r\n",
    ] {
        let before = site.upstream.hits();
        let answer = site.get("/x", &format!("{cookie}{line}"));
        let new = &site.upstream.seen()[before..];
        if let Some(seen) = new.first() {
            told_the_truth(seen, Some(&id));
            assert!(
                !line.contains('\0') && !line.contains("\r\n "),
                "{line:?} arrived: {seen:?}"
            );
        } else {
            assert!(answer.is_none_or(|answer| answer.status == 400), "{line:?}");
        }
    }
}

#[test]
fn hdr_1_nobody_brings_a_certificate_in_a_header() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let issuer = Issuer::new("Acme People");
    let ada = issuer.issue(folder.path(), &Says::name("ada"));
    let der = ada.certificate.to_der().unwrap();
    let said = format!(":{}:", openssl::base64::encode_block(&der));
    let ca = issuer.file(folder.path()).display().to_string();
    let trusting = |proxy: &str| {
        Sidecar::new()
            .set(
                "server.trusted_proxies",
                crate::support::sidecar::list(&[proxy]),
            )
            .set("connections.card.strategy", "mtls")
            .set("connections.card.ca", ca.as_str())
            .route(route("/").to(&upstream).public(&["/**"]))
            .start()
    };
    let login = "/.auth/login/card?rd=%2Fx";
    // the control: from the proxy that is trusted the certificate signs in
    let trusted = trusting("127.0.0.1");
    let honest = Request::navigation(login).header("Client-Cert", &said);
    trusted.ask(&honest).expect(303);
    let sidecar = trusting("192.0.2.1");
    for name in [
        "Client-Cert",
        "client-cert",
        "CLIENT_CERT",
        "Client.Cert",
        "Client-Cert-Chain",
        "client_cert.chain",
        "Client-Cert-Anything-New",
    ] {
        let forged = Request::navigation(login).header(name, &said);
        let answer = sidecar.ask(&forged).expect(403);
        assert!(answer.text().contains("showed no certificate"), "{name}");
        assert_eq!(answer.header("set-cookie"), None, "{name}");
        for sidecar in [&sidecar, &trusted] {
            upstream.forget();
            let open = Request::get("/open").header("X-Other", "arrives");
            sidecar.ask(&open.header(name, &said)).expect(200);
            let seen = upstream.last();
            assert_eq!(seen.header("X-Other"), Some("arrives"));
            assert!(
                !fold(&seen.everything()).contains("client-cert"),
                "{name}: {seen:?}"
            );
            assert!(!seen.everything().contains(&said), "{name}: {seen:?}");
        }
        let nominated = Request::get("/open").header("Connection", name);
        sidecar.ask(&nominated).expect(400);
    }
    assert!(!sidecar.log().contains("counts as none"), "it was read");
}

#[test]
fn hdr_6_connection_options_take_nothing_away() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let id = user_id(&mut alice);
    let cookie = cookie_line(&alice);
    let host = site.host();
    let ask = |options: &str| {
        site.raw(format!(
            "GET /x HTTP/1.1\r\nHost: {host}\r\n{cookie}Authorization: Basic eDp5\r\n{options}\r\n"
        ))
    };
    for options in [
        "Connection: close, X-Forwarded-User\r\n",
        "Connection: x-forwarded-user\r\n",
        "connection: X-FORWARDED-USER, keep-alive\r\n",
        "Connection: keep-alive\r\nConnection: X_Forwarded_User\r\n",
        "Connection: Cookie\r\n",
        "Connection: Host\r\n",
        "Connection: keep-alive,content-length\r\n",
        "Connection: X-Forwarded-For, X-Forwarded-Proto\r\n",
        "Connection: Authorization\r\n",
        "Connection: forwarded\r\n",
    ] {
        let answer = site.untouched(options, || ask(options)).unwrap();
        assert_eq!(answer.status, 400, "{options}");
    }
    for options in [
        "Connection: keep-alive, X-Other\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\n",
        "Proxy-Connection: X-Forwarded-User\r\n",
    ] {
        site.reached(options, || ask(options));
        let seen = site.upstream.last();
        told_the_truth(&seen, Some(&id));
        for hop in ["Keep-Alive", "TE", "Proxy-Connection", "X-Other"] {
            assert_eq!(seen.header(hop), None, "{options}");
        }
    }
}

#[test]
fn hdr_12_one_request_speaks_for_one_person() {
    let api = Upstream::start();
    let own = route("/own").to(&api).public(&["/own/**"]);
    let site = Site::with(|sidecar| sidecar.route(own.set("authorization", "forward")));
    let cookie = cookie_line(&site.sidecar.signed_up("alice"));
    let host = site.host();
    for (path, cookie) in [("/x", cookie.as_str()), ("/public/x", "")] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookie}Authorization: Basic Ym9iOmJvYg==\r\n\r\n"
        );
        site.reached(path, || site.raw(&request));
        assert_eq!(site.upstream.last().header("Authorization"), None, "{path}");
    }
    site.get("/own/x", "Authorization: Bearer token\r\n");
    assert_eq!(api.last().header("Authorization"), Some("Bearer token"));
}

#[test]
fn fwd_2_the_port_that_a_visitor_names_is_nobodys_business() {
    let site = Site::new();
    let true_host = site.host();
    for port in ["1", "65535", &true_host[10..]] {
        let request = format!("GET /public/x HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        site.reached(port, || site.raw(&request));
        let seen = site.upstream.last();
        assert_eq!(seen.header("Host"), Some(true_host.as_str()));
        assert_eq!(seen.header("X-Forwarded-Host"), Some(true_host.as_str()));
        assert_eq!(seen.header("X-Forwarded-Port"), Some(&true_host[10..]));
        assert!(
            !seen
                .header("Forwarded")
                .unwrap()
                .contains(&format!(":{port}\""))
                || port == &true_host[10..]
        );
    }
}

#[test]
fn hdr_12_authorization_makes_nobody_else() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let mut bob = site.sidecar.signed_up("bob");
    let id = user_id(&mut alice);
    let token = bob.session().unwrap().pair();
    let token = token.split_once('=').unwrap().1;
    let host = site.host();
    for credential in [
        "Basic Ym9iOmNvcnJlY3QgaG9yc2UgYmF0dGVyeSBzdGFwbGU=".to_owned(),
        format!("Bearer {token}"),
        format!("Bearer {}", user_id(&mut bob)),
    ] {
        let line = format!("Authorization: {credential}\r\n");
        site.untouched("a credential without a session", || {
            site.get("/private", &line)
        });
        let lines = format!("{line}{}", cookie_line(&alice));
        let head = format!("GET /private HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        site.reached("with a session", || site.raw(&head));
        let seen = site.upstream.last();
        told_the_truth(&seen, Some(&id));
        assert_eq!(seen.header("Authorization"), None);
    }
}

#[test]
fn hdr_7_nothing_is_smuggled_through_http_2() {
    let (upstream, sidecar, authority) = h2_site(|route| route);
    let host = format!("localhost:{}", sidecar.port);
    let path: &[u8] = b"/public/x";
    let base: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", path),
        (b":authority", host.as_bytes()),
    ];
    let send = |fields: &[(&[u8], &[u8])]| {
        let stream = authority.connect(sidecar.port, "localhost", b"\x02h2");
        h2::Connection::new(stream).request(fields)
    };
    assert_eq!(send(&base), h2::Outcome::Status(200));
    assert_eq!(upstream.hits(), 1);
    let forged: &[(&[u8], &[u8])] = &[
        (b"x-forwarded-user", b"mallory"),
        (b"remote_user", b"mallory"),
    ];
    assert_eq!(
        send(&[&base[..], forged].concat()),
        h2::Outcome::Status(200)
    );
    told_the_truth(&upstream.last(), None);
    upstream.forget();
    let more: &[&[(&[u8], &[u8])]] = &[
        &[(b"x-a", b"b\r\nX-Forwarded-User: mallory")],
        &[(b"x-a", b"b\nX-Forwarded-User: mallory")],
        &[(b"x-a", b"b\0c")],
        &[(b"x-a\r\nX-Forwarded-User", b"mallory")],
        &[(b"x a", b"b")],
        &[(b"X-Upper", b"b")],
        &[(b"transfer-encoding", b"chunked")],
        &[(b"connection", b"x-forwarded-user")],
        &[(b"keep-alive", b"timeout=5")],
        &[(b"upgrade", b"websocket")],
        &[(b":path", b"/admin")],
        &[(b"x-a", b"b"), (b":path", b"/admin")],
        &[(b":odd", b"x")],
        &[(b"host", b"evil.test")],
    ];
    for fields in more {
        let outcome = send(&[&base[..], fields].concat());
        assert!(outcome.is_refusal(), "{fields:?}: {outcome:?}");
        assert_eq!(upstream.hits(), 0, "{fields:?}");
    }
    for (index, value) in [
        (2, &b"public/x"[..]),
        (2, b"/public/x y"),
        (2, b"/public/x HTTP/1.1\r\nX-Forwarded-User: mallory"),
        (2, b""),
        (3, b"evil.test"),
        (3, b"localhost@evil.test"),
        (0, b"GET /admin HTTP/1.1\r\n"),
        (0, b"CONNECT"),
    ] {
        let mut fields = base.clone();
        fields[index].1 = value;
        let outcome = send(&fields);
        assert!(outcome.is_refusal(), "{value:?}: {outcome:?}");
        assert_eq!(upstream.hits(), 0, "{value:?}");
    }
}

#[test]
fn hdr_8_values_that_are_no_header_text_are_encoded() {
    let upstream = Upstream::start();
    let templates = table(&[("X-Person", "{name}"), ("X-Handle", "{handle}")]);
    let sidecar = Sidecar::new()
        .set("connections.members.sync_profile", "first_login")
        .route(route("/").to(&upstream).set("headers", templates))
        .start();
    let alice = sidecar.signed_up("alice");
    let id = user_id(&mut alice.clone());
    for (name, arrives) in [
        ("Zoë", "Zo%C3%AB"),
        ("a\r\nX-Role: admin", "a%0D%0AX-Role: admin"),
        ("100% 😀", "100%25 %F0%9F%98%80"),
    ] {
        // what the provider of a later login would say, said by an administrator
        let set = sidecar.cli(&["users", "set", &id, &format!("name={name}")]);
        if !set.status.success() {
            assert!(name.contains('\r'), "users set {name:?}: {set:?}");
            continue;
        }
        let cookie = alice.session().unwrap().pair();
        sidecar
            .ask(&Request::get("/x").header("Cookie", &cookie))
            .expect(200);
        let seen = upstream.last();
        assert_eq!(seen.header("X-Person"), Some(arrives));
        assert_eq!(seen.header("X-Role"), None);
        assert_eq!(seen.header("X-Handle"), Some("alice"));
    }
}

#[test]
fn hdr_10_our_cookies_never_reach_the_application() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    alice.open("/.auth/login?switch=1");
    let ours: Vec<_> = alice
        .jar
        .iter()
        .map(|cookie| (cookie.name.clone(), cookie.pair()))
        .collect();
    assert!(!ours.is_empty());
    let all = ours
        .iter()
        .map(|(_, pair)| pair.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    for line in [
        format!("Cookie: theme=dark; {all}; lang=en\r\n"),
        format!("Cookie: theme=dark\r\nCookie: {all}\r\nCookie: lang=en\r\n"),
        format!("Cookie: {all};theme=dark;lang=en\r\n"),
    ] {
        let seen = site.reached(&line, || site.get("/x", &line));
        for cookie in alice.jar.iter().filter(|cookie| cookie.value.len() > 16) {
            let text = seen.everything();
            assert!(!text.contains(&cookie.value), "{}: {seen:?}", cookie.name);
            assert!(!text.contains(&cookie.name), "{}: {seen:?}", cookie.name);
        }
        let kept = seen.all("cookie").join("; ");
        assert!(
            kept.contains("theme=dark") && kept.contains("lang=en"),
            "{kept}"
        );
    }
    let line = format!("Cookie: {all}\r\n");
    let seen = site.reached("only ours", || site.get("/x", &line));
    assert_eq!(seen.all("cookie"), Vec::<&str>::new());
}

#[test]
fn hdr_11_the_assertion_is_for_one_host_and_a_minute() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream).set("assertion", true))
        .route(
            route("/")
                .host("wiki.localhost")
                .to(&upstream)
                .set("assertion", true),
        )
        .start();
    let mut alice = sidecar.signed_up("alice");
    let id = user_id(&mut alice);
    let keys = sidecar
        .ask(&Request::get("/.auth/jwks.json"))
        .expect(200)
        .json();
    let mut audiences = Vec::new();
    for address in [
        "/x".to_owned(),
        format!("{}/x", sidecar.origin_of("wiki.localhost")),
    ] {
        alice.go(&address);
        let seen = upstream.last();
        let token = seen
            .header("X-Vestibule-Assertion")
            .expect("an assertion")
            .to_owned();
        let claims = verify_es256(&token, &keys);
        assert_eq!(claims["sub"], id.as_str());
        let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert!((1..=120).contains(&lifetime), "{claims}");
        audiences.push(claims["aud"].to_string());
    }
    assert_ne!(audiences[0], audiences[1]);
    assert!(audiences[1].contains("wiki.localhost"), "{audiences:?}");
}

/// Checks a compact JWS with ES256 against a key set (RFC 7515, RFC 7518 §3.4); its claims.
fn verify_es256(token: &str, keys: &serde_json::Value) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use openssl::{bn::BigNum, ec, ecdsa::EcdsaSig, nid::Nid, sha::sha256};
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let json = |text: &str| -> serde_json::Value { serde_json::from_slice(&decode(text)).unwrap() };
    let header = json(parts[0]);
    assert_eq!(header["alg"], "ES256");
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"]);
    let key = key.expect("the key of the assertion is published");
    let number = |name: &str| BigNum::from_slice(&decode(key[name].as_str().unwrap())).unwrap();
    let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = ec::EcKey::from_public_key_affine_coordinates(&group, &number("x"), &number("y"));
    let signature = decode(parts[2]);
    let (r, s) = signature.split_at(32);
    let signature = EcdsaSig::from_private_components(
        BigNum::from_slice(r).unwrap(),
        BigNum::from_slice(s).unwrap(),
    );
    let digest = sha256(format!("{}.{}", parts[0], parts[1]).as_bytes());
    assert!(
        signature.unwrap().verify(&digest, &key.unwrap()).unwrap(),
        "a wrong signature"
    );
    json(parts[1])
}

#[test]
fn hdr_13_the_application_cannot_speak_for_us() {
    let site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let name = &alice.session().unwrap().name;
    let answer = Reply::ok("x")
        .with("Set-Cookie", &format!("{name}=stolen; Path=/"))
        .with("Set-Cookie", "__Host-vestibule=stolen; Path=/; Secure")
        .with("Set-Cookie", "vestibule-flow-1=stolen; Path=/")
        .with("Set-Cookie", "theme=dark; Path=/")
        .with("X-Forwarded-User", FORGED)
        .with("Remote_User", FORGED)
        .with("X-Other", "kept");
    site.upstream.on("/public/x", answer);
    let answer = site.get("/public/x", "").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.all("set-cookie"), ["theme=dark; Path=/"]);
    assert_eq!(answer.header("x-other"), Some("kept"));
    assert!(!answer.everything().contains(FORGED) && !answer.everything().contains("stolen"));
}

/// Keeps the helpers of this file honest: a forged header does arrive where nobody strips it.
#[test]
fn hdr_1_control_without_a_sidecar_the_forged_header_arrives() {
    let upstream = Upstream::start();
    let mut raw = Raw::connect(upstream.port());
    let request = Request::get("/x").header("x_forwarded.USER", FORGED);
    ask(&mut raw, &request, "localhost").unwrap();
    assert_eq!(upstream.last().header("X-Forwarded-User"), Some(FORGED));
}
