//! Logs, metrics, the admin listener, the configuration, and what happens when something is away.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, thread, time::Duration};

use super::{Site, cookie_line};
use crate::support::{
    Request, Sidecar, Upstream, http::exchange, route, sidecar::list, visitor::PASSWORD,
};

/// Goes through everything a person and an operator can do, with secrets that can be searched for;
/// what was secret, and everything that was said while it happened.
fn a_day(site: &mut Site) -> (Vec<(String, String)>, String) {
    let mut secrets = vec![("the password".to_owned(), PASSWORD.to_owned())];
    let mut said = String::new();
    let mut alice = site.sidecar.signed_up("alice");
    let new = "canary-new-password-7261";
    secrets.push(("the new password".to_owned(), new.to_owned()));
    secrets.push((
        "a wrong password".to_owned(),
        "canary-wrong-password-1182".to_owned(),
    ));
    let mut keep = |visitor: &crate::support::Visitor| {
        for cookie in &visitor.jar {
            secrets.push((format!("the cookie {}", cookie.name), cookie.value.clone()));
        }
    };
    alice.go("/x?token=canary-query-5512");
    keep(&alice);
    let page = alice.go("/.auth/account");
    let form = page.form_with("current_password");
    let form = form
        .fill("current_password", PASSWORD)
        .fill("new_password", new);
    alice.submit(&page, &form);
    keep(&alice);
    alice.sign_out();
    let mut late = site.sidecar.visitor();
    let page = late.go("/.auth/login?rd=/private");
    keep(&late);
    let answer = late.try_password(&page, "alice", "canary-wrong-password-1182");
    keep(&late);
    said += &answer.answer.text();
    late.try_password(&answer, "alice", new);
    keep(&late);
    let secret = std::fs::read(site.sidecar.path("data/secret")).unwrap();
    secrets.push((
        "the root secret".to_owned(),
        String::from_utf8_lossy(&secret).trim().to_owned(),
    ));
    said += &late.fetch("/.auth/me").text();
    said += &site
        .get("/.auth/nothing", "Accept: text/html\r\n")
        .unwrap()
        .everything();
    said += &site
        .get("/%00", "Accept: text/html\r\n")
        .unwrap()
        .everything();
    for words in [
        &["sessions", "list", "--json"][..],
        &["users", "list", "--json"],
        &["connections", "list", "--json"],
        &["keys", "list", "--json"],
        &["check"],
        &["explain", "--url", "http://localhost/private", "--json"],
    ] {
        let output = site.sidecar.cli(words);
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    said += &site.sidecar.ask_admin("/metrics").text();
    said += &site.sidecar.ask_admin("/readyz").text();
    said += &site.sidecar.output();
    (secrets, said)
}

#[test]
fn log_1_no_secret_is_said_anywhere() {
    let mut site = Site::new();
    let (secrets, said) = a_day(&mut site);
    assert!(secrets.len() > 8, "{secrets:?}");
    assert!(
        said.contains("login-succeeded"),
        "the log says nothing at all"
    );
    for (what, secret) in secrets {
        assert!(secret.len() > 7, "{what} is no secret: {secret:?}");
        let places: Vec<_> = said.lines().filter(|line| line.contains(&secret)).collect();
        assert!(places.is_empty(), "{what} is said: {places:?}");
    }
    assert!(
        !said.contains("canary-query-5512"),
        "the value of a query is in the log"
    );
}

#[test]
fn log_1_no_secret_is_stored_readable() {
    let mut site = Site::new();
    let (secrets, _) = a_day(&mut site);
    site.sidecar.stop();
    for file in std::fs::read_dir(site.sidecar.path("data")).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("secret") || !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for (what, secret) in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{what} is in {}",
                path.display()
            );
        }
    }
    let mode = std::fs::metadata(site.sidecar.path("data/secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "others can read the secret: {mode:o}");
}

#[test]
fn log_1_the_command_line_holds_no_secret() {
    let mut site = Site::new();
    let pid = site.sidecar.process().pid();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let secret = std::fs::read(site.sidecar.path("data/secret")).unwrap();
    let (line, secret) = (
        String::from_utf8_lossy(&line),
        String::from_utf8_lossy(&secret),
    );
    assert!(!line.contains(secret.trim()), "{line}");
}

#[test]
fn log_2_nobody_writes_a_line_of_their_own() {
    let site = Site::with(|sidecar| sidecar.set("log.format", "json"));
    let forged =
        "x\n{\"level\":\"INFO\",\"event\":\"login-succeeded\",\"user\":\"forged-line\"}\u{1b}[2J";
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/login");
    visitor.try_password(&page, forged, "wrong password");
    let encoded: String = url::form_urlencoded::byte_serialize(forged.as_bytes()).collect();
    site.get(
        &format!("/.auth/login?login_hint={encoded}&rd={encoded}"),
        "User-Agent: a\x1b[2Jb\r\n",
    );
    let output = site.sidecar.log();
    assert!(!output.contains('\u{1b}'), "an escape reached the log");
    let mut lines = 0;
    for line in output.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
        assert_ne!(parsed["user"], "forged-line", "{line}");
        lines += 1;
    }
    assert!(lines > 0, "no log");
}

#[test]
fn log_3_every_turn_of_a_login_is_an_event() {
    let site = Site::with(|sidecar| sidecar.set("log.format", "json"));
    let mut alice = site.sidecar.signed_up("alice");
    alice.sign_out();
    let page = alice.go("/.auth/login");
    alice.try_password(&page, "alice", "wrong password");
    alice.sign_in("/.auth/login", "alice", PASSWORD);
    site.sidecar.cli_ok(&["users", "block", "alice"]);
    let wanted: BTreeSet<_> = [
        "sign-up-succeeded",
        "logout-succeeded",
        "login-failed",
        "login-succeeded",
        "user-blocked",
    ]
    .into();
    let events = || -> Vec<serde_json::Value> {
        let output = site.sidecar.log();
        let lines = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &serde_json::Value| !find(line, "event").is_null())
            .collect()
    };
    assert_eventually!(
        wanted
            .iter()
            .all(|name| events().iter().any(|line| find(line, "event") == *name)),
        "{:#?}",
        events()
    );
    for line in events() {
        assert!(find(&line, "reason").is_string(), "no reason: {line}");
        let by_request = find(&line, "request_id").is_string();
        let event = find(&line, "event").as_str().unwrap_or_default();
        let by_operator = event.starts_with("user-") || find(&line, "reason") == "blocked";
        assert!(by_request || by_operator, "{line}");
    }
}

/// A field of a log line, at its top or among its `fields`.
fn find<'a>(line: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    if line[name].is_null() {
        &line["fields"][name]
    } else {
        &line[name]
    }
}

#[test]
fn log_4_nobody_makes_metrics_grow() {
    let site = Site::new();
    let series = || {
        site.sidecar
            .ask_admin("/metrics")
            .expect(200)
            .text()
            .lines()
            .count()
    };
    let mut visitor = site.sidecar.visitor();
    let page = visitor.go("/.auth/login");
    visitor.try_password(&page, "first", "wrong password");
    site.get("/public/first", "");
    site.get("/.auth/nothing", "");
    let before = series();
    for number in 0..300 {
        site.get(&format!("/public/{number}"), "");
        site.get(&format!("/{number}"), "");
        site.get(&format!("/.auth/{number}"), "");
        site.raw(format!(
            "GET / HTTP/1.1\r\nHost: h{number}.test\r\nConnection: close\r\n\r\n"
        ));
        site.raw(format!(
            "M{number} / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            site.host()
        ));
    }
    let grown = series().saturating_sub(before);
    assert!(
        grown < 40,
        "{grown} new lines after 1500 requests that differ"
    );
}

#[test]
fn adm_1_the_admin_listener_is_elsewhere_and_knows_its_host() {
    let site = Site::new();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(site.sidecar.ask_admin(path).status, 200, "{path}");
        let answer = site.untouched(path, || site.get(path, "")).unwrap();
        assert!(
            [401, 404].contains(&answer.status),
            "{path} on the public listener"
        );
        let under = site.get(&format!("/.auth{path}"), "").unwrap();
        assert_eq!(under.status, 404, "{path} under our prefix");
        for host in [
            "evil.test",
            "evil.test:9091",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
        ] {
            let answer = exchange(site.sidecar.admin, host, &Request::get(path));
            assert!(
                [400, 403, 421].contains(&answer.status),
                "{host}: {answer:?}"
            );
            assert!(!answer.text().contains("vestibule_"), "{host}");
        }
    }
    for path in [
        "/",
        "/debug",
        "/debug/pprof",
        "/admin",
        "/config",
        "/../metrics",
        "/metrics/x",
    ] {
        let status = site.sidecar.ask_admin(path).status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let post = Request::new("POST", "/metrics").body("text/plain", "x");
    let answer = exchange(
        site.sidecar.admin,
        &format!("127.0.0.1:{}", site.sidecar.admin),
        &post,
    );
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

#[test]
fn adm_1_the_admin_socket_is_the_owners() {
    let site = Site::new();
    let mode = std::fs::metadata(site.sidecar.path("data/admin.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}

#[test]
fn adm_2_me_tells_no_token() {
    let site = Site::new();
    let mut alice = site.sidecar.signed_up("alice");
    let text = alice.fetch("/.auth/me").text();
    for cookie in &alice.jar {
        assert!(!text.contains(&cookie.value), "{}", cookie.name);
    }
    for word in ["token", "secret", "password", "argon2", "csrf"] {
        assert!(!text.to_ascii_lowercase().contains(word), "{word}: {text}");
    }
    let sessions = site
        .sidecar
        .cli_json(&["sessions", "list", "--json"])
        .to_string();
    assert!(
        !sessions.contains(&alice.session().unwrap().value),
        "{sessions}"
    );
}

#[test]
fn cfg_1_a_secret_that_is_missing_does_not_become_its_name() {
    let upstream = Upstream::start();
    let name = "A_VARIABLE_WITH_A_NAME_AS_LONG_AS_A_GOOD_SECRET_8c1f";
    let refused = Sidecar::new()
        .route(route("/").to(&upstream))
        .set(
            "server.secret",
            toml::Table::from_iter([("env".to_owned(), name.into())]),
        )
        .refused();
    assert!(!refused.status.success(), "it started");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        text.contains("config.toml:") && text.contains("server.secret"),
        "{text}"
    );
}

#[test]
fn cfg_1_no_error_repeats_a_secret() {
    let upstream = Upstream::start();
    let canary = "canary-secret-4417-canary-secret-4417";
    for (key, value) in [
        ("server.secret", toml::Value::from(canary)),
        ("server.typo", canary.into()),
    ] {
        let sidecar = Sidecar::new()
            .route(route("/").to(&upstream))
            .set(key, value);
        sidecar.write();
        let check = sidecar.cli(&["check"]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&check.stdout),
            String::from_utf8_lossy(&check.stderr)
        );
        assert!(!text.contains(canary), "{key}: {text}");
    }
}

#[test]
fn cfg_2_every_key_misspelt_once_stops_the_start() {
    let upstream = Upstream::start();
    let sidecar = every_key(&upstream);
    sidecar.write();
    let good = sidecar.cli(&["check"]);
    assert!(
        good.status.success(),
        "{}",
        String::from_utf8_lossy(&good.stderr)
    );
    let text = toml::to_string(&sidecar.config).unwrap();
    let mut tried = 0;
    for (number, line) in text.lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        // names that the operator chooses are no keys of ours
        if key.starts_with('"') || key == "config_version" {
            continue;
        }
        let misspelt = line.replacen(key, &format!("{key}x"), 1);
        let broken: Vec<_> = text
            .lines()
            .enumerate()
            .map(|(at, held)| {
                if at == number {
                    misspelt.as_str()
                } else {
                    held
                }
            })
            .collect();
        sidecar.write_text(&broken.join("\n"));
        let check = sidecar.cli(&["check"]);
        let said = String::from_utf8_lossy(&check.stderr).into_owned()
            + &String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.code(), Some(1), "{misspelt} passes: {said}");
        assert!(
            said.contains(&format!("{key}x")),
            "{misspelt} is not named: {said}"
        );
        assert!(
            said.contains(&format!("config.toml:{}", number + 1)),
            "{misspelt}: no line: {said}"
        );
        tried += 1;
    }
    assert!(tried > 40, "only {tried} keys");
}

/// A configuration that uses every key there is.
fn every_key(upstream: &Upstream) -> Sidecar {
    let table = |pairs: &[(&str, toml::Value)]| -> toml::Table {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    };
    let whole = route("/whole")
        .to(upstream)
        .host("wiki.localhost")
        .public(&["/whole/open"])
        .allow(&[
            "any",
            "user:members|x",
            "email:a@example.com",
            "domain:example.com",
        ])
        .set("deny", list(&["email:b@example.com"]))
        .set("connections", list(&["members"]))
        .set(
            "require",
            table(&[("amr", list(&["pwd"])), ("max_age", "1h".into())]),
        )
        .set("headers", "remote")
        .set("header_encoding", "utf8")
        .set("assertion", true)
        .set("upstream_host", "upstream")
        .set("websocket_origins", list(&["https://example.com"]))
        .set(
            "limits",
            table(&[("body", "1MiB".into()), ("head", "16KiB".into())]),
        )
        .set(
            "timeouts",
            table(&[
                ("connect", "1s".into()),
                ("read", "2s".into()),
                ("write", "3s".into()),
                ("client", "4s".into()),
            ]),
        );
    let listen = Sidecar::new();
    let address = format!("127.0.0.1:{}", listen.port);
    listen
        .set("server.auth_prefix", "/.auth")
        .set("server.trusted_proxies", list(&["10.0.0.0/8"]))
        .set("server.secret", table(&[("file", "data/secret".into())]))
        .set("server.listen", list(&[&address]))
        .set("admin.socket", "data/admin.sock")
        .set("storage.url", "sqlite://data/vestibule.db")
        .set("session.store", "storage")
        .set("session.idle_timeout", "8h")
        .set("session.absolute_timeout", "7d")
        .set("session.stale_for", "10s")
        .set("connections.members.display_name", "Members")
        .set("connections.members.enabled", true)
        .set("connections.members.button", true)
        .set("connections.members.domains", list(&["example.com"]))
        .set("connections.members.sync_profile", "each_login")
        .set("connections.members.trust_email", "verified")
        .route(whole)
        .route(route("/").to(upstream))
}

#[test]
fn cfg_3_a_broken_file_changes_nothing_under_load() {
    let mut site = Site::new();
    let cookie = site.sidecar.signed_up("alice").session().unwrap().pair();
    let port = site.sidecar.port;
    let failed = "vestibule_config_reloads_total{result=\"failed\"}";
    let before = site.sidecar.metric(failed);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let refused = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut refused = 0;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let request = Request::get("/x").header("Cookie", &cookie);
                let answer = exchange(port, &format!("localhost:{port}"), &request);
                refused += usize::from(answer.status != 200);
            }
            refused
        });
        site.sidecar.write_text("config_version = 1\n[server\n");
        site.sidecar.process().signal("HUP");
        assert_eventually!(
            site.sidecar.metric(failed) > before,
            "{}",
            site.sidecar.log_about("WARN")
        );
        thread::sleep(Duration::from_millis(300));
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        load.join().unwrap()
    });
    assert_eq!(refused, 0, "a broken file broke requests");
    assert!(
        site.sidecar.output().contains("config.toml"),
        "nobody is told"
    );
    assert_eq!(site.get("/public/x", "").unwrap().status, 200);
}

#[test]
fn cfg_4_a_weak_secret_stops_the_start() {
    let upstream = Upstream::start();
    for weak in [
        "changeme",
        "0123456789abcdef",
        &"a".repeat(64),
        &"abab".repeat(16),
        "",
    ] {
        let sidecar = Sidecar::new()
            .route(route("/").to(&upstream))
            .set(
                "server.secret",
                toml::Table::from_iter([("env".to_owned(), "WEAK".into())]),
            )
            .env("WEAK", weak);
        let refused = sidecar.refused();
        assert!(!refused.status.success(), "{weak:?} is taken");
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(weak.is_empty() || !text.contains(weak), "{text}");
    }
    let sidecar = Sidecar::new().route(route("/").to(&upstream));
    sidecar.write();
    std::fs::create_dir_all(sidecar.path("data")).unwrap();
    let strong = "M5a8mJp0Zc3l1T9wQv7xYb2nKd4fGh6uRsEiOtLzXyA";
    let file = sidecar.path("data/secret");
    std::fs::write(&file, strong).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = sidecar.refused();
    assert!(
        !refused.status.success(),
        "a secret that everybody can read is taken"
    );
}

#[test]
fn cfg_4_plain_http_off_loopback_stops_the_start() {
    let upstream = Upstream::start();
    let refused = Sidecar::new()
        .route(route("/").to(&upstream))
        .set("server.public_url", "http://login.example.com")
        .refused();
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("danger_plain_http"), "{text}");
}

#[test]
fn fail_2_errors_say_a_sentence_and_a_reference() {
    let mut site = Site::new();
    let alice = site.sidecar.signed_up("alice");
    let dead = Upstream::start();
    drop(dead);
    let cookie = cookie_line(&alice);
    let mut answers = vec![
        site.get("/%00", "Accept: text/html\r\n").unwrap(),
        site.get("/.auth/nothing", "Accept: text/html\r\n").unwrap(),
        site.get("/.auth/callback/members?code=x", "Accept: text/html\r\n")
            .unwrap(),
        site.get("/private", "").unwrap(),
    ];
    site.upstream.on(
        "/half",
        crate::support::Reply::CloseEarly { promised: None },
    );
    let gone = site.get("/half", &cookie).unwrap();
    assert_eq!(gone.status, 502);
    answers.push(gone);
    for answer in answers {
        let text = answer.text();
        for detail in [
            "sqlite",
            "SELECT",
            "panicked",
            "src/",
            ".rs:",
            "pingora",
            "127.0.0.1:",
            "os error",
        ] {
            assert!(!text.contains(detail), "{detail}: {answer:?}");
        }
        assert!(
            !answer
                .header("server")
                .unwrap_or_default()
                .to_lowercase()
                .contains("pingora")
        );
    }
    let output = site.sidecar.process().output();
    assert!(!output.contains("panicked at"), "{output}");
}
