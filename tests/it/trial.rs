//! The first minutes: no configuration, a link that makes the owner.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{
    Browser, Upstream, Visitor, process::Process, sidecar::binary, visitor::PASSWORD,
};

struct Trial {
    process: Process,
    origin: String,
    link: String,
    dir: TempDir,
}

/// Runs the program in an empty folder and reads from its terminal what a person would read.
fn trial(words: &[&str]) -> Trial {
    trial_in(tempfile::tempdir().unwrap(), words)
}

fn trial_in(dir: TempDir, words: &[&str]) -> Trial {
    let port = crate::support::free_port();
    let mut command = Command::new(binary());
    command
        .arg("run")
        .args(words)
        .current_dir(dir.path())
        .env(
            "VESTIBULE__SERVER__LISTEN",
            format!("[\"127.0.0.1:{port}\"]"),
        )
        .env(
            "VESTIBULE__SERVER__PUBLIC_URL",
            format!("http://localhost:{port}"),
        )
        .env(
            "VESTIBULE__ADMIN__LISTEN",
            format!("127.0.0.1:{}", crate::support::free_port()),
        );
    let process = Process::spawn("trial", &mut command, dir.path()).wait_for_port(port);
    assert_eventually!(
        process.output().contains("/.auth/owner/"),
        "{}",
        process.output()
    );
    let output = process.output();
    let link = output
        .split_whitespace()
        .find(|word| word.contains("/.auth/owner/"))
        .unwrap();
    Trial {
        origin: format!("http://localhost:{port}"),
        link: link.to_owned(),
        process,
        dir,
    }
}

/// The words that claim the owner's account by the link.
fn claim(trial: &Trial, name: &str) -> Visitor {
    let mut owner = Visitor::new(&trial.origin);
    let page = owner.go(&trial.link);
    owner.finish_sign_up(&page, name);
    owner
}

#[test]
fn the_link_makes_the_owner_once() {
    let upstream = Upstream::start();
    let trial = trial(&["--upstream", &upstream.url()]);
    assert!(trial.process.output().contains(&trial.origin));
    let mut stranger = Visitor::new(&trial.origin);
    assert_ne!(
        stranger.open("/.auth/signup/members").answer.status,
        200,
        "strangers sign up first"
    );
    // looking at the link does not use it up: mail scanners and chat previews look
    for _ in 0..3 {
        assert_eq!(
            Visitor::new(&trial.origin).go(&trial.link).answer.status,
            200
        );
    }
    let mut owner = claim(&trial, "olga");
    assert_eq!(owner.me().unwrap()["user"]["owner"], true);
    assert_eq!(owner.go("/page").answer.status, 200);
    assert_eq!(
        upstream.last().header("X-Forwarded-Preferred-Username"),
        Some("olga")
    );
    let mut late = Visitor::new(&trial.origin);
    let page = late.go(&trial.link);
    assert_ne!(page.answer.status, 200, "the link works twice");
    assert!(late.session().is_none());
}

#[test]
fn a_wrong_link_is_nothing() {
    let trial = trial(&[]);
    let mut visitor = Visitor::new(&trial.origin);
    for token in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let page = visitor.open(&format!("/.auth/owner/{token}"));
        assert!(
            (400..500).contains(&page.answer.status),
            "{token}: {page:?}"
        );
    }
}

#[test]
fn the_demo_shows_what_arrives() {
    let trial = trial(&[]);
    let mut owner = claim(&trial, "olga");
    let page = owner.go("/");
    assert!(page.text().contains("X-Forwarded-User"), "{page:?}");
    assert!(page.text().contains("olga"), "{page:?}");
}

#[test]
fn after_the_owner_there_is_no_link() {
    let first = trial(&[]);
    claim(&first, "olga");
    let Trial {
        mut process, dir, ..
    } = first;
    process.signal("TERM");
    process.wait();
    drop(process);
    for name in ["trial.out", "trial.err"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let port = crate::support::free_port();
    let mut command = Command::new(binary());
    command
        .arg("run")
        .current_dir(dir.path())
        .env(
            "VESTIBULE__SERVER__LISTEN",
            format!("[\"127.0.0.1:{port}\"]"),
        )
        .env(
            "VESTIBULE__SERVER__PUBLIC_URL",
            format!("http://localhost:{port}"),
        )
        .env(
            "VESTIBULE__ADMIN__LISTEN",
            format!("127.0.0.1:{}", crate::support::free_port()),
        );
    let again = Process::spawn("trial", &mut command, dir.path()).wait_for_port(port);
    let mut owner = Visitor::new(&format!("http://localhost:{port}"));
    owner.sign_in("/.auth/login", "olga", PASSWORD);
    assert!(owner.me().is_some());
    assert!(
        !again.output().contains("/.auth/owner/"),
        "{}",
        again.output()
    );
}

#[test]
fn the_link_is_for_the_terminal_and_not_for_the_log() {
    let trial = trial(&[]);
    let read =
        |name: &str| std::fs::read_to_string(Path::new(trial.dir.path()).join(name)).unwrap();
    let (out, err) = (read("trial.out"), read("trial.err"));
    let token = trial.link.rsplit('/').next().unwrap();
    let times = out.matches(token).count() + err.matches(token).count();
    assert_eq!(times, 1, "the link is said {times} times:\n{out}\n{err}");
    for entry in std::fs::read_dir(trial.dir.path().join("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(token),
            "the link is stored readable"
        );
    }
}

#[test]
fn the_owner_may_take_a_passkey_in_place_of_a_password() {
    let trial = trial(&[]);
    let browser = Browser::start();
    browser.authenticator();
    browser.goto(&trial.link).shows("Create a passkey");
    for (width, height) in [(360, 1100), (1280, 1100)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height).prefer(scheme);
            browser.screenshot(&format!("passkey-owner-{width}-{scheme}"));
        }
    }
    browser.fill("#passkey-name", "Olga Owner");
    browser.click("form[data-passkey=create] button");
    browser
        .arrives(&format!("{}/", trial.origin))
        .shows("Olga Owner");
    // the link is used up, by whatever way
    let mut late = Visitor::new(&trial.origin);
    assert_ne!(late.go(&trial.link).answer.status, 200);
    browser.goto(&format!("{}/.auth/account", trial.origin));
    browser.shows("Owner");
    // who has no name to type comes back by the passkey alone
    browser
        .click("nav form button[type=submit]")
        .shows("signed out");
    // and by what the browser offers in the field of the name
    browser.goto(&format!("{}/", trial.origin));
    browser.shows("Olga Owner");
}
