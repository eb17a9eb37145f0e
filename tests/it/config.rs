//! The configuration file: what is refused, and how that is said.

use crate::support::{Sidecar, Upstream, route, sidecar::list};

/// Checks a configuration that must be refused; what was said.
#[track_caller]
fn refused(sidecar: &Sidecar) -> String {
    sidecar.write();
    let check = sidecar.cli(&["check"]);
    let text = String::from_utf8_lossy(&check.stderr).into_owned()
        + &String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{text}");
    let start = sidecar.refused();
    assert!(!start.status.success(), "check refuses it and run does not");
    text
}

#[test]
fn a_mistake_is_named_with_its_line() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .set("session.idle_timeot", "8h");
    let text = refused(&sidecar);
    let file = std::fs::read_to_string(sidecar.path("config.toml")).unwrap();
    let line = file
        .lines()
        .position(|line| line.starts_with("idle_timeot"))
        .unwrap()
        + 1;
    assert!(text.contains(&format!("config.toml:{line}")), "{text}");
    assert!(text.contains("idle_timeout"), "no hint: {text}");
}

#[test]
fn every_mistake_is_said_at_once() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .set("session.idle_timeout", "soon")
        .set("connections.members.sync_profile", "sometimes")
        .set("connections.other.strategy", "no-such-strategy");
    let text = refused(&sidecar);
    for word in [
        "session.idle_timeout",
        "sync_profile",
        "connections.other.strategy",
    ] {
        assert!(text.contains(word), "{word} is not named: {text}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let upstream = Upstream::start();
    let start = || Sidecar::new().route(route("/").to(&upstream));
    for (what, sidecar, named) in [
        (
            "an unknown connection",
            start().route(
                route("/a")
                    .to(&upstream)
                    .set("connections", list(&["nobody"])),
            ),
            "nobody",
        ),
        (
            "a rule that does not parse",
            start().route(route("/a").to(&upstream).allow(&["claims.plan =="])),
            "allow",
        ),
        (
            "a relative public path",
            start().route(route("/a").to(&upstream).public(&["static/**"])),
            "public",
        ),
        (
            "a public path with dots",
            start().route(route("/a").to(&upstream).public(&["/a/../b"])),
            "public",
        ),
        (
            "a route under our prefix",
            start().route(route("/.auth/x").to(&upstream)),
            ".auth",
        ),
        (
            "an upstream that is no address",
            start().route(route("/a").set("upstream", "localhost")),
            "localhost",
        ),
        ("no upstream", start().route(route("/a")), "upstream"),
        (
            "a name with capitals",
            start().set("connections.Members.strategy", "database"),
            "Members",
        ),
        (
            "a bad network",
            start().set("server.trusted_proxies", list(&["10.0.0.0/33"])),
            "trusted_proxies",
        ),
        (
            "a public_url with a path",
            start().set("server.public_url", "http://localhost:8080/x"),
            "public_url",
        ),
        (
            "another version",
            start().set("config_version", 2),
            "config_version",
        ),
    ] {
        eprintln!("{what}");
        let text = refused(&sidecar);
        assert!(text.contains(named), "{what}: {text}");
        assert!(text.contains("config.toml:"), "{what}: no line: {text}");
    }
}

#[test]
fn the_environment_overrides_a_key() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .env("VESTIBULE__SESSION__IDLE_TIMEOUT", "nonsense");
    sidecar.write();
    let check = sidecar.cli(&["check"]);
    let text = String::from_utf8_lossy(&check.stderr).into_owned()
        + &String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{text}");
    assert!(text.contains("VESTIBULE__SESSION__IDLE_TIMEOUT"), "{text}");
    let misspelt = Sidecar::new()
        .route(route("/").to(&upstream))
        .env("VESTIBULE__SESION__IDLE_TIMEOUT", "8h")
        .refused();
    assert!(!misspelt.status.success());
}

#[test]
fn check_and_schema_know_the_same_file() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new().route(route("/").to(&upstream));
    sidecar.write();
    assert!(sidecar.cli(&["check"]).status.success());
    let schema = sidecar.cli_json(&["schema"]);
    for key in sidecar.config.keys() {
        assert!(
            !schema["properties"][key].is_null(),
            "{key} is not in the schema"
        );
    }
}

#[test]
fn the_file_of_the_repository_is_the_demo() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let sidecar = Sidecar::new();
    sidecar.write_text(&text);
    let check = sidecar.cli(&["check"]);
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[test]
fn an_unusable_call_is_told_from_a_wish_that_fails() {
    let sidecar = Sidecar::new();
    assert_eq!(sidecar.cli(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(sidecar.cli(&["explain"]).status.code(), Some(2));
    let missing = sidecar.cli(&["--config", "config.toml", "check"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr) + String::from_utf8_lossy(&missing.stdout);
    assert!(said.contains("config.toml"), "{said}");
}
