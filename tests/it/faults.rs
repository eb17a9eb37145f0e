//! When something breaks: clear words, nothing lost, nobody let in.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    Request, Sidecar, Upstream, Visitor, http::exchange, route, visitor::PASSWORD,
};

#[test]
fn a_power_cut_under_load_loses_no_committed_session() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let origin = sidecar.origin();
    let stop = AtomicBool::new(false);
    let visitors = thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|thread| {
                let (origin, stop) = (&origin, &stop);
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let (origin, name) = (origin.clone(), format!("user-{thread}-{number}"));
                        // a connection that breaks in the middle is no committed session
                        let signed = std::panic::catch_unwind(move || {
                            let mut visitor = Visitor::new(&origin);
                            visitor.sign_up("/.auth/login", &name);
                            visitor
                        });
                        done.extend(signed.ok().filter(|visitor| visitor.session().is_some()));
                    }
                    done
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(4));
        sidecar.kill9();
        stop.store(true, Ordering::SeqCst);
        load.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(!visitors.is_empty(), "nobody signed up in time");
    sidecar.start_again();
    for mut visitor in visitors {
        assert!(
            visitor.me().is_some(),
            "a session that was answered for is lost"
        );
    }
    let check = Command::new("sqlite3")
        .arg(sidecar.path("data/vestibule.db"))
        .arg("pragma integrity_check")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&check.stdout).trim(), "ok");
}

#[test]
fn a_locked_database_denies_and_recovers() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    assert_eq!(alice.fetch("/x").status, 200);
    let mut lock = Command::new("sqlite3")
        .arg(sidecar.path("data/vestibule.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut words = lock.stdin.take().unwrap();
    std::io::Write::write_all(&mut words, b"pragma busy_timeout=5000; begin exclusive;\n").unwrap();
    thread::sleep(Duration::from_millis(500));
    let mut bob = sidecar.visitor();
    let page = bob.go("/.auth/login");
    let answer = bob.try_password(&page, "alice", PASSWORD);
    assert_eq!(answer.answer.status, 503, "{answer:?}");
    assert!(
        bob.session().is_none(),
        "somebody got in without the storage"
    );
    assert!(
        !answer.text().to_lowercase().contains("sqlite"),
        "{answer:?}"
    );
    drop(words);
    lock.wait().unwrap();
    assert_eventually!({
        let mut again = sidecar.visitor();
        let page = again.go("/.auth/login");
        again.try_password(&page, "alice", PASSWORD);
        again.session().is_some()
    });
    assert_eq!(alice.fetch("/x").status, 200);
}

#[test]
fn a_corrupt_database_stops_the_start_with_a_word() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    sidecar.stop();
    for name in ["vestibule.db-wal", "vestibule.db-shm"] {
        let _ = std::fs::remove_file(sidecar.path("data").join(name));
    }
    std::fs::write(sidecar.path("data/vestibule.db"), vec![0x5a; 64 << 10]).unwrap();
    let refused = sidecar.refused();
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        text.contains("vestibule.db"),
        "the file is not named: {text}"
    );
    assert!(!text.contains("panicked"), "{text}");
    let held = std::fs::read(sidecar.path("data/vestibule.db")).unwrap();
    assert_eq!(held.len(), 64 << 10, "the broken file was overwritten");
}

#[test]
fn a_full_disk_denies_and_loses_nothing() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new().route(route("/").to(&upstream));
    let disk = SmallDisk::mount(&sidecar.path("data"), "3m");
    sidecar.write();
    sidecar.start_again();
    let mut alice = sidecar.signed_up("alice");
    disk.fill();
    let mut refused = None;
    for number in 0..60 {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/signup/members");
        let page = visitor.finish_sign_up(&page, &format!("user{number}"));
        if visitor.session().is_none() {
            refused = Some(page);
            break;
        }
    }
    let refused = refused.expect("the disk was never full");
    assert_eq!(refused.answer.status, 503, "{refused:?}");
    assert_eq!(
        alice.fetch("/x").status,
        200,
        "a session was lost to a full disk"
    );
    assert_eventually!(
        sidecar.output().contains("full"),
        "nobody is told: {}",
        sidecar.output()
    );
    disk.empty();
    assert_eventually!({
        let mut late = sidecar.visitor();
        let page = late.go("/.auth/signup/members");
        late.finish_sign_up(&page, "late");
        late.session().is_some()
    });
    assert_eq!(alice.fetch("/x").status, 200);
    sidecar.stop();
}

/// A file system of a few megabytes; needs root, like the rest of what CI does here.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path, size: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let done = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "vestibule-test",
            ])
            .arg(at)
            .status()
            .unwrap();
        assert!(
            done.success(),
            "cannot mount a small file system: this test needs root"
        );
        Self(at.to_owned())
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn without_its_storage_a_cookie_is_not_a_stranger() {
    let upstream = Upstream::start();
    let stale: toml::Value = "1s".into();
    let mut sidecar = Sidecar::new()
        .set("session.stale_for", stale)
        .route(route("/").to(&upstream).public(&["/open"]))
        .start();
    let alice = sidecar.signed_up("alice");
    let cookie = alice.session().unwrap().pair();
    sidecar.restart();
    // the cache is empty and the tables are gone: nothing can be checked any more
    let done = Command::new("sqlite3")
        // the sidecar writes as well just after its start
        .args(["-cmd", ".timeout 5000"])
        .arg(sidecar.path("data/vestibule.db"))
        .arg("alter table sessions rename to sessions_away")
        .status()
        .unwrap();
    assert!(done.success());
    let port = sidecar.port;
    let ask = |path: &str| {
        let request = Request::navigation(path).header("Cookie", &cookie);
        exchange(port, &format!("localhost:{port}"), &request)
    };
    let before = upstream.hits();
    assert_eq!(ask("/x").status, 503);
    assert_eq!(upstream.hits(), before, "let in without a check");
    assert_eq!(ask("/open").status, 200);
    assert_eq!(upstream.last().header("X-Forwarded-User"), None);
}

#[test]
fn the_secret_is_not_made_anew_when_it_is_lost() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    sidecar.stop();
    std::fs::remove_file(sidecar.path("data/secret")).unwrap();
    let refused = Command::new("timeout")
        .arg("10")
        .arg(crate::support::sidecar::binary())
        .arg("run")
        .current_dir(sidecar.dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("secret"), "{text}");
}
