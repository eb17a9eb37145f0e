//! What is written for people and can be held against the program.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Sidecar, route, sidecar::binary};

/// An example is read in one look.
const MOST_LINES: usize = 30;

#[test]
fn every_example_is_short_and_valid() {
    let mut folders: Vec<_> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 5, "{folders:?}");
    for folder in folders {
        let file = folder.join("config.toml");
        let text = fs::read_to_string(&file).expect("config.toml");
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", folder.display());
        let secrets = text.split("{ env = \"").skip(1);
        let secrets = secrets.filter_map(|rest| {
            let name = rest.split('"').next()?;
            let value = if name.ends_with("DATABASE_URL") {
                "postgres://reader:some-secret@db.example.com/app"
            } else {
                "some-secret"
            };
            Some((name, value))
        });
        let mut check = Command::new(binary());
        check.arg("--config").arg(&file).arg("check").envs(secrets);
        let output = check.output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", folder.display());
    }
}

#[test]
fn the_list_of_threats_names_the_tests_that_there_are() {
    let page = fs::read_to_string(root().join("src/threats.rs")).unwrap();
    let named: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | "))
        .flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2))
        .filter(|name| !name.contains('/'))
        .collect();
    let attacks = tests_in(&root().join("tests/it/attacks"));
    let all: BTreeSet<String> = tests_in(&root().join("src"))
        .into_iter()
        .chain(tests_in(&root().join("tests/it")))
        .collect();
    let gone: Vec<_> = named.iter().filter(|name| !all.contains(**name)).collect();
    assert!(gone.is_empty(), "there are no such tests: {gone:?}");
    let left_out: Vec<_> = attacks
        .iter()
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    assert!(left_out.is_empty(), "not on the page: {left_out:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the tests in a folder's sources.
fn tests_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                names.extend(text.split("test]\n").skip(1).filter_map(name_of_first));
            }
        }
    }
    names
}

/// The name of the function that a text begins with, after attributes.
fn name_of_first(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("fn ")?;
    Some(rest.split('(').next()?.to_owned())
}

#[test]
fn every_metric_and_every_event_is_documented() {
    let sidecar = Sidecar::new()
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let guide = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let metrics = sidecar.ask_admin("/metrics").expect(200).text();
    let mut names = 0;
    for line in metrics.lines() {
        if let Some(name) = line.strip_prefix("# TYPE vestibule_") {
            let name = name.split(' ').next().unwrap();
            assert!(guide.contains(&format!("`vestibule_{name}")), "{name}");
            names += 1;
        }
        if let Some(rest) = line.strip_prefix("vestibule_events_total{event=\"") {
            let event = rest.split('"').next().unwrap();
            assert!(guide.contains(&format!("`{event}`")), "{event}");
            names += 1;
        }
    }
    assert!(names > 25, "{metrics}");
}

#[test]
fn one_tls_library_and_a_sound_http_2_are_linked() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages: Vec<(&str, &str)> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["version"].as_str().unwrap(),
            )
        })
        .collect();
    let refused = |name: &str| {
        // The system's OpenSSL by another name, and the names of certificates.
        if ["native-tls", "rustls-pki-types"].contains(&name) {
            return false;
        }
        let families = ["rustls", "aws-lc", "boring", "s2n-tls", "mbedtls"];
        name == "ring" || families.iter().any(|family| name.starts_with(family))
    };
    let second: Vec<_> = (packages.iter().filter(|(name, _)| refused(name))).collect();
    assert!(second.is_empty(), "a second library for TLS: {second:?}");
    assert!(packages.iter().any(|(name, _)| *name == "openssl"));
    // RUSTSEC-2026-0258, and the floods before it (CVE-2023-44487, CVE-2024-27316)
    let (_, version) = packages.iter().find(|(name, _)| *name == "h2").unwrap();
    let parts: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(parts >= vec![0, 4, 16], "h2 {version}");
}
