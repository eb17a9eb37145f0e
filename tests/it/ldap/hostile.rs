//! What is odd in a directory, and directories that lie.

use std::{fmt::Write as _, time::Instant};

use super::{attempt, started};
use crate::support::Slapd;

/// LDAP-2: exactly one entry, or nobody.
#[test]
fn two_people_with_one_name_are_nobody() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[]);
    let (visitor, page) = attempt(&sidecar, "twins@example.org", "twin-secret");
    assert!(visitor.session().is_none(), "{page:?}");
    assert_eq!(page.answer.status, 422);
    assert_eventually!(sidecar.output().contains("and one must"));
    let (visitor, _) = attempt(&sidecar, "twin1", "twin-secret");
    assert!(visitor.session().is_some());
}

/// LDAP-8: the members of a group are never read, and neither are more groups than anybody has.
#[test]
fn a_group_of_a_hundred_thousand_is_as_quick_as_any() {
    let slapd = Slapd::start();
    let mut ldif = String::from(
        "dn: cn=all,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: all\n\
         member: uid=alice,ou=people,dc=example,dc=org\n",
    );
    for number in 0..100_000 {
        _ = writeln!(ldif, "member: uid=u{number},ou=people,dc=example,dc=org");
    }
    slapd.add(&ldif);
    let (upstream, sidecar) = started(&slapd, &[]);
    let begun = Instant::now();
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.session().is_some(), "{page:?}");
    visitor.go("/");
    let groups = upstream
        .last()
        .header("x-forwarded-groups")
        .unwrap()
        .to_owned();
    assert_eq!(groups, "all,everybody,staff,unix");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
