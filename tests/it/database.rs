//! The built-in accounts: sign-up, sign-in, passwords, and the three ways to sync a profile.

use crate::support::{Page, Sidecar, Upstream, Visitor, route, visitor::PASSWORD};

fn id_of(visitor: &mut Visitor) -> String {
    visitor.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn attempt(sidecar: &Sidecar, login: &str, password: &str) -> (Visitor, Page) {
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/login");
    let answer = visitor.try_password(&page, login, password);
    (visitor, answer)
}

#[test]
fn a_name_or_an_address_signs_in_in_any_case() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    for login in [
        "alice",
        "Alice",
        "alice@example.com",
        "ALICE@Example.COM",
        " alice ",
    ] {
        let (visitor, page) = attempt(&sidecar, login, PASSWORD);
        assert!(visitor.session().is_some(), "{login:?}: {page:?}");
    }
    for (login, password) in [
        ("alice", "correct horse battery stapl"),
        ("alice", "Correct horse battery staple"),
        ("alice", ""),
        ("", PASSWORD),
        ("bob", PASSWORD),
        ("alice@example.org", PASSWORD),
    ] {
        let (visitor, _) = attempt(&sidecar, login, password);
        assert!(visitor.session().is_none(), "{login:?} with {password:?}");
    }
}

#[test]
fn an_export_is_an_audit_event() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let exported = || sidecar.log_about("users-exported");
    sidecar.cli_ok(&["users", "export"]);
    assert_eventually!(exported().contains("operator"));
    assert!(!exported().contains("with-hashes"));
    sidecar.cli_ok(&["users", "export", "--with-hashes"]);
    assert_eventually!(exported().contains("with-hashes"));
}

#[test]
fn a_taken_name_is_not_taken_again() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    for name in ["alice", "ALICE"] {
        let mut other = sidecar.visitor();
        let page = other.go("/.auth/signup/members");
        other.finish_sign_up(&page, name);
        assert!(other.session().is_none(), "{name} was taken twice");
    }
    assert!(alice.me().is_some());
}

#[test]
fn sign_up_can_be_closed() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.signup", false)
        .route(route("/").to(&upstream))
        .start();
    let mut stranger = sidecar.visitor();
    assert!(
        !stranger
            .go("/.auth/login")
            .text()
            .contains("signup/members")
    );
    assert_eq!(stranger.open("/.auth/signup/members").answer.status, 404);
    sidecar.cli_told(
        &[
            "users",
            "add",
            "--connection",
            "members",
            "--username",
            "carol",
        ],
        PASSWORD,
    );
    let users = sidecar.cli_ok(&["users", "list", "--json"]);
    assert!(users.contains("carol"), "{users}");
}

#[test]
fn what_cannot_be_an_account_is_said_beside_the_field() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    for (field, value) in [
        ("password", "short"),
        ("email", "not-an-address"),
        ("username", "has spaces"),
        ("username", "../../etc"),
        ("email", "a@b\r\nBcc: x@example.com"),
    ] {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/signup/members");
        let form = page
            .form_with("password")
            .fill("email", "dora@example.com")
            .fill("username", "dora")
            .fill("password", PASSWORD)
            .fill(field, value);
        let answer = visitor.submit(&page, &form);
        assert!(visitor.session().is_none(), "{field}={value:?}");
        assert_eq!(answer.answer.status, 422, "{field}={value:?}");
        assert!(
            answer.text().contains("aria-invalid"),
            "{field}={value:?}: {answer:?}"
        );
        assert!(!answer.text().contains(PASSWORD), "the password came back");
    }
}

#[test]
fn the_sign_up_page_says_what_a_username_is_like_and_which_rule_one_broke() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.username.min_length", 3)
        .set("connections.members.username.max_length", 8)
        .set("connections.members.username.letters", "ascii")
        .set("connections.members.username.symbols", "-")
        .route(route("/").to(&upstream))
        .start();
    let hint = "3 to 8 characters: the letters a to z, digits and -";
    let sign_up = |username: &str| {
        let mut visitor = sidecar.visitor();
        let page = visitor.go("/.auth/signup/members");
        assert!(page.text().contains(hint), "{}", page.text());
        let form = page
            .form_with("password")
            .fill("username", username)
            .fill("password", PASSWORD);
        let answer = visitor.submit(&page, &form);
        (visitor, answer)
    };
    for (username, said) in [
        ("ab", "Use at least 3 characters."),
        ("abcdefghi", "Use at most 8 characters."),
        ("a.bc", "Use only the characters that are named below."),
        ("älice", "Use only the characters that are named below."),
        ("a@b.c", "A username has no @ in it."),
        ("Admin-", "This name is not given to anybody here."),
    ] {
        let (visitor, answer) = sign_up(username);
        assert!(visitor.session().is_none(), "{username}");
        assert_eq!(answer.answer.status, 422, "{username}");
        let text = answer.text();
        assert!(
            text.contains(said) && text.contains(hint),
            "{username}: {text}"
        );
    }
    // The operator may, and the rules do not keep out who has a name already.
    let name = ["users", "add", "--username", "admin"];
    sidecar.cli_told(&name, PASSWORD);
    assert!(attempt(&sidecar, "admin", PASSWORD).0.session().is_some());
    assert!(sign_up("alice-1").0.session().is_some());
}

#[test]
fn each_login_takes_the_profile_from_the_connection_and_refuses_edits() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.sync_profile", "each_login")
        .route(route("/").to(&upstream))
        .start();
    let id = id_of(&mut sidecar.signed_up("alice"));
    for field in ["name", "nickname", "given_name", "family_name", "picture"] {
        let value = if field == "picture" {
            "https://example.com/a.png"
        } else {
            "Someone Else"
        };
        let set = sidecar.cli(&["users", "set", &id, &format!("{field}={value}")]);
        assert_eq!(set.status.code(), Some(1), "{field} was set by hand");
        let said = String::from_utf8_lossy(&set.stderr);
        assert!(
            said.contains("members"),
            "{field}: the connection is not named: {said}"
        );
    }
}

#[test]
fn the_first_login_sets_the_profile_and_leaves_it() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.members.sync_profile", "first_login")
        .route(route("/").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice);
    sidecar.cli_ok(&["users", "set", &id, "name=Alice the Great"]);
    let email = sidecar.cli(&["users", "set", &id, "email=other@example.com"]);
    assert_eq!(
        email.status.code(),
        Some(1),
        "an e-mail address was set by hand"
    );
    let mut again = sidecar.visitor();
    again.sign_in("/.auth/login", "alice", PASSWORD);
    assert_eq!(
        again.me().unwrap()["user"]["profile"]["name"],
        "Alice the Great"
    );
    let page = again.go("/.auth/account");
    let form = page.form_with("given_name").fill("name", "Alice Herself");
    again.submit(&page, &form);
    assert_eq!(
        again.me().unwrap()["user"]["profile"]["name"],
        "Alice Herself"
    );
}

#[test]
fn never_lets_in_only_those_who_are_there() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    sidecar.change("connections.members.sync_profile", "never");
    sidecar.write();
    sidecar.reload();
    let (alice, _) = attempt(&sidecar, "alice", PASSWORD);
    assert!(alice.session().is_some());
    let mut stranger = sidecar.visitor();
    let page = stranger.go("/.auth/signup/members");
    if page.answer.status == 200 {
        stranger.finish_sign_up(&page, "bob");
    }
    assert!(stranger.session().is_none(), "a stranger came in");
}

#[test]
fn an_operator_sets_a_password() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice);
    let new = "set by the operator";
    sidecar.cli_told(&["users", "set-password", &id], new);
    assert!(attempt(&sidecar, "alice", new).0.session().is_some());
    assert!(attempt(&sidecar, "alice", PASSWORD).0.session().is_none());
    assert!(
        alice.me().is_none(),
        "sessions under the old password live on"
    );
}

#[test]
fn a_deleted_user_is_gone_with_everything() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let id = id_of(&mut alice);
    sidecar.cli_ok(&["users", "delete", &id]);
    assert!(alice.me().is_none());
    assert!(attempt(&sidecar, "alice", PASSWORD).0.session().is_none());
    let users = sidecar.cli_ok(&["users", "list", "--json"]);
    assert!(!users.contains("alice"), "{users}");
    let text = sidecar.cli(&["users", "show", &id]);
    assert_eq!(text.status.code(), Some(1));
}
