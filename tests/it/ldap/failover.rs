//! Servers that die, hang and come back.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{attempt, started};
use crate::support::{Slapd, sidecar::list};

#[test]
fn one_of_two_servers_can_die_under_load_and_nobody_notices() {
    let mut first = Slapd::start();
    let second = first.replica();
    let servers = list(&[&first.url(), &second.url()]);
    let (_, sidecar) = started(&first, &[("servers", servers)]);
    let (done, failed, over) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
                    if visitor.session().is_none() {
                        eprintln!("{page:?}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        assert_eventually!(done.load(Ordering::Relaxed) > 20);
        first.kill();
        let at = done.load(Ordering::Relaxed);
        assert_eventually!(done.load(Ordering::Relaxed) > at + 40);
        over.store(true, Ordering::Relaxed);
    });
    let (done, failed) = (done.into_inner(), failed.into_inner());
    assert_eq!(failed, 0, "of {done}");
    assert_eventually!(sidecar.output().contains("others are asked"));
}

#[test]
fn a_server_that_hangs_costs_some_seconds_once() {
    let first = Slapd::start();
    let second = first.replica();
    let servers = list(&[&first.url(), &second.url()]);
    let (_, sidecar) = started(
        &first,
        &[
            ("servers", servers),
            ("timeout", "1s".into()),
            ("connect_timeout", "1s".into()),
        ],
    );
    let (visitor, _) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some());
    first.hang(true);
    let begun = Instant::now();
    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    assert!(begun.elapsed() > Duration::from_secs(1));
    let begun = Instant::now();
    let (visitor, _) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    first.hang(false);
}

#[test]
fn without_any_server_people_are_told_so() {
    let mut slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    slapd.kill();
    let (visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_none());
    assert_eq!(page.answer.status, 502, "{page:?}");
    assert!(!page.text().contains("localhost:"), "{page:?}");
    assert_eventually!(
        sidecar
            .output()
            .contains("no server of the directory answers")
    );
}
