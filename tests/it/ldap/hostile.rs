//! What is odd in a directory, and directories that lie.

use std::{fmt::Write as _, time::Instant};

use super::{attempt, started};
use crate::support::{Slapd, sidecar::list, trial::Trial};

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

#[test]
fn what_is_no_text_is_left_out() {
    let slapd = Slapd::start();
    let read = list(&["jpegPhoto", "telephoneNumber"]);
    let (_, sidecar) = started(&slapd, &[("attributes", read)]);
    let trial = Trial::begin(&sidecar, "dir");
    let mut alice = sidecar.visitor();
    let page = alice.go(&trial.url);
    alice.try_password(&page, "alice", "alice-secret");
    let (report, code) = trial.end();
    assert_eq!(code, Some(0), "{report:#}");
    let claims = &report["claims"][0]["claims"];
    assert_eq!(claims["telephoneNumber"], "+47 900 00 000", "{report:#}");
    assert!(claims.get("jpegPhoto").is_none(), "{report:#}");
}

/// Somebody whom the directory cannot tell about keeps nobody signed in who is gone.
#[test]
fn one_odd_person_does_not_stop_the_others_from_being_looked_up() {
    let slapd = Slapd::start();
    let (_, sidecar) = started(&slapd, &[("recheck", "10s".into())]);
    let (mut odd, _) = attempt(&sidecar, "twin1", "twin-secret");
    let (mut gone, _) = attempt(&sidecar, "b*o)b", "bob-secret");
    let (mut stays, _) = attempt(&sidecar, "alice", "alice-secret");
    let mut member = "uid=twin1,ou=people,dc=example,dc=org".to_owned();
    for depth in 0..18 {
        let group = format!("cn=g{depth},ou=groups,dc=example,dc=org");
        slapd.add(&format!(
            "dn: {group}\nobjectClass: groupOfNames\ncn: g{depth}\nmember: {member}\n"
        ));
        member = group;
    }
    slapd.modify("dn: uid=b*o)b,ou=people,dc=example,dc=org\nchangetype: delete\n");
    assert_eventually!(within 40, gone.me().is_none() && odd.me().is_none());
    assert!(stays.me().is_some());
}

/// What holds for everybody who signs in holds for who is signed in.
#[test]
fn who_does_not_fit_the_filter_any_more_is_signed_out() {
    let slapd = Slapd::start();
    let alice = "uid=alice,ou=people,dc=example,dc=org";
    slapd.modify(&format!(
        "dn: {alice}\nchangetype: modify\nadd: description\ndescription: allowed\n"
    ));
    let filter = "(&(uid={username})(description=allowed))";
    let keys = [("recheck", "10s".into()), ("user_filter", filter.into())];
    let (_, sidecar) = started(&slapd, &keys);
    let (mut visitor, page) = attempt(&sidecar, "alice", "alice-secret");
    assert!(visitor.me().is_some(), "{page:?}");
    let (bob, _) = attempt(&sidecar, "b*o)b", "bob-secret");
    assert!(bob.session().is_none());
    slapd.modify(&format!(
        "dn: {alice}\nchangetype: modify\ndelete: description\n"
    ));
    assert_eventually!(within 40, visitor.me().is_none());
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
