use std::sync::Arc;

use serde_json::json;

use super::{
    fixture::{NOW, Someone, at, known},
    *,
};
use crate::{connection::SecondFactor, identity::Groups, problem::Problem};

/// A route's keys as TOML.
fn build(toml: &str) -> Result<Policy, Vec<Problem>> {
    build_with(toml, &known())
}

fn build_with(toml: &str, known: &Known) -> Result<Policy, Vec<Problem>> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        connections: Option<Vec<String>>,
        #[serde(default)]
        public: Vec<String>,
        allow: Option<Vec<String>>,
        #[serde(default)]
        deny: Vec<String>,
        require: Option<Require>,
        second_factor: Option<Demand>,
    }
    let table: Table = toml::from_str(toml).unwrap();
    let keys = Keys {
        connections: table.connections.as_deref(),
        public: &table.public,
        allow: table.allow.as_deref(),
        deny: &table.deny,
        require: table.require.as_ref(),
        second_factor: table.second_factor,
    };
    Policy::build(keys, 0, known)
}

fn policy(toml: &str) -> Policy {
    build(toml).unwrap()
}

/// The outcome, by `decide` and by `judge` alike.
fn outcome(policy: &Policy, method: &str, path: &str, who: Option<&Someone>) -> Outcome {
    at(method, path, |facts| {
        let judged = policy.judge(facts, who.map(Someone::principal)).outcome;
        let session = who.map(Someone::session);
        // twice: the second time from the session's view
        for _ in 0..2 {
            let decided = match policy.decide(facts, session.clone()) {
                Decision::Challenge(needs) => Outcome::Challenge(needs.missing),
                Decision::Deny(reason) => Outcome::Deny(reason),
                Decision::Permit(permit) if permit.session().is_some() => Outcome::Pass,
                Decision::Permit(_) => Outcome::Nobody,
            };
            assert_eq!(decided, judged, "decide and judge differ");
        }
        judged
    })
}

fn passes(rule: &str, who: &Someone) -> bool {
    let policy = policy(&format!("allow = [{}]", toml::Value::from(rule)));
    match outcome(&policy, "GET", "/docs/x", Some(who)) {
        Outcome::Pass => true,
        Outcome::Deny(Reason::NoRuleMatched) => false,
        other => panic!("{rule}: {other:?}"),
    }
}

fn problem(toml: &str) -> Problem {
    let mut problems = build(toml).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn without_rules_any_signed_in_user_passes_and_nobody_else() {
    let policy = policy("");
    let outcome = |who| outcome(&policy, "GET", "/", who);
    assert_eq!(outcome(None), Outcome::Challenge(Missing::Session));
    assert_eq!(outcome(Some(&Someone::by("members"))), Outcome::Pass);
}

#[test]
fn shorthands_mean_what_they_say() {
    let alice = Someone::by("acme");
    for (rule, expected) in [
        ("any", true),
        ("user:alice", true),
        ("user:alic", false),
        ("user:acme|a-1", true),
        ("user:members|a-1", false),
        ("email:alice@acme.example", true),
        ("email:ALICE@ACME.example", true),
        ("email:bob@acme.example", false),
        ("domain:acme.example", true),
        ("domain:Acme.Example", true),
        ("domain:example", false),
        ("domain:cme.example", false),
        ("domain:x.acme.example", false),
        ("group:acme/admins", true),
        ("group:acme/Admins", false),
        ("group:acme/admin", false),
        ("group:google/admins", false),
        ("connection:acme", true),
        ("connection:google", false),
    ] {
        assert_eq!(passes(rule, &alice), expected, "{rule}");
    }
}

/// HDR-9: one group with a comma is not two groups.
#[test]
fn a_group_with_a_comma_is_one_group() {
    let alice = Someone::by("acme").groups(&["users,admins"]);
    assert!(!passes("group:acme/admins", &alice));
    assert!(!passes("'admins' in groups", &alice));
    assert!(passes("group:acme/users,admins", &alice));
}

/// ACC-1 and the e-mail rules: only an address its connection is trusted for counts.
#[test]
fn only_a_trusted_email_counts() {
    for (connection, verified, expected) in [
        ("acme", true, true),
        ("acme", false, false),
        ("google", false, true),
        ("members", true, false),
        ("old", true, false),
    ] {
        let alice = Someone::by(connection).email("alice@acme.example", verified);
        if connection != "old" {
            for rule in [
                "email:alice@acme.example",
                "domain:acme.example",
                "user.email == 'alice@acme.example'",
                "user.email.endsWith('@acme.example')",
            ] {
                assert_eq!(passes(rule, &alice), expected, "{connection} {rule}");
            }
        }
    }
}

/// The user's profile may hold what another connection said; rules do not look at it.
#[test]
fn the_email_of_the_profile_does_not_count() {
    let mut alice = Someone::by("acme").email("alice@acme.example", false);
    alice.user.profile.email = Some("alice@acme.example".to_owned());
    alice.user.profile.email_verified = true;
    assert!(!passes("email:alice@acme.example", &alice));
    assert!(!passes("user.email != ''", &alice));
}

/// ACC-3.
#[test]
fn addresses_that_read_two_ways_match_no_domain() {
    for email in [
        "a@evil@acme.example",
        "\"a@evil\"@acme.example",
        "a@acme.example.evil",
        "a@evilacme.example",
        "a\u{ff20}acme.example",
        "a@acme.example\0",
        "a@acme.example ",
        " a@acme.example",
        "a@x, b@acme.example",
        "a@evil.example,b@acme.example",
        "a@[1.2.3.4]",
        "a(x)@acme.example",
        "a@acme\u{3002}example",
        "a@acme.example\r\nb",
        "a@acme.example.",
        "acme.example",
        "@acme.example",
    ] {
        let alice = Someone::by("google").email(email, true);
        assert!(!passes("domain:acme.example", &alice), "{email:?}");
    }
}

#[test]
fn expressions_see_the_person() {
    let alice = Someone::by("acme");
    for (rule, expected) in [
        ("claims.plan == 'pro'", true),
        ("claims.plan == 'free'", false),
        ("claims.n > 3", true),
        ("claims.n == 4.0", true),
        ("claims.address.city == 'Köln'", true),
        ("'b,c' in claims.roles", true),
        ("'staff' in groups && 'admins' in groups", true),
        ("groups.exists(g, g.startsWith('adm'))", true),
        ("groups.all(g, g == 'staff')", false),
        ("connection == 'acme'", true),
        ("user.id == 'acme|a-1' && user.handle == 'alice'", true),
        ("user.given_name == 'Alice' && user.family_name == ''", true),
        ("user.owner", false),
        ("user.app_metadata.role == 'editor'", true),
        ("user.user_metadata.theme == 'dark'", true),
        ("has(user.app_metadata.team)", false),
        ("'pwd' in auth.amr && auth.acr == 'low'", true),
        ("auth.time < timestamp('2100-01-01T00:00:00Z')", true),
        ("auth.age < duration('2m')", true),
        ("auth.age < duration('30s')", false),
        ("now > auth.time", true),
        ("now - auth.time == auth.age", true),
        ("request.path.startsWith('/docs/')", true),
        ("request.path.matches('^/docs/[a-z]$')", true),
        ("request.host == 'wiki.example.com'", true),
        ("request.method == 'POST'", false),
        ("request.scheme == 'https'", true),
        ("request.address == '192.0.2.7'", true),
        ("now.getFullYear() == 2027", true),
    ] {
        assert_eq!(passes(rule, &alice), expected, "{rule}");
    }
}

/// ACC-5: a claim of another type than the rule expects never matches.
#[test]
fn claims_of_another_type_do_not_match() {
    let rule = "'admins' in claims.groups";
    for value in [
        json!("admins"),
        json!({"x": 1}),
        json!(null),
        json!(7),
        json!([["admins"]]),
    ] {
        let alice = Someone::by("acme").claim("groups", value.clone());
        assert!(!passes(rule, &alice), "{value}");
    }
    assert!(!passes(rule, &Someone::by("acme")));
    assert!(passes(
        rule,
        &Someone::by("acme").claim("groups", json!(["admins"]))
    ));
    assert!(!passes("claims.plan", &Someone::by("acme")));
    assert!(!passes(
        "claims.verified",
        &Someone::by("acme").claim("verified", json!("true"))
    ));
    assert!(passes(
        "claims.verified",
        &Someone::by("acme").claim("verified", json!(true))
    ));
}

/// What a provider says of somebody's groups was not had: nobody is let in, or past a `deny`, by it.
#[test]
fn a_rule_about_groups_that_are_not_known_refuses() {
    let mut alice = Someone::by("acme");
    for held in &mut alice.identities {
        held.identity.groups = Groups::Unknown;
    }
    let denies = [
        "group:acme/suspended",
        "'suspended' in groups",
        "size(groups) > 9",
    ];
    for rule in denies {
        let quoted = toml::Value::from(rule);
        let denying = policy(&format!("deny = [{quoted}]"));
        assert_eq!(
            outcome(&denying, "GET", "/docs/x", Some(&alice)),
            Outcome::Deny(Reason::RuleFailed),
            "{rule}"
        );
        let knows = Someone::by("acme").groups(&["staff"]);
        assert_eq!(
            outcome(&denying, "GET", "/docs/x", Some(&knows)),
            Outcome::Pass
        );
        assert!(!passes(rule, &alice), "{rule}");
    }
    assert!(!passes("!('suspended' in groups)", &alice));
    assert!(passes("user.handle == 'alice'", &alice));
}

#[test]
fn deny_wins_and_an_error_in_it_denies() {
    let alice = Someone::by("acme");
    for (deny, reason) in [
        ("user:alice", Some(Reason::DenyRule)),
        ("claims.plan == 'pro'", Some(Reason::DenyRule)),
        ("request.path == '/docs/x'", Some(Reason::DenyRule)),
        ("claims.absent == 'x'", Some(Reason::RuleFailed)),
        ("claims.plan", Some(Reason::RuleFailed)),
        (
            "request.path == '/docs/x' && claims.absent",
            Some(Reason::RuleFailed),
        ),
        ("has(claims.absent) && claims.absent == 'x'", None),
        ("user:bob", None),
        ("request.path == '/other'", None),
    ] {
        let policy = policy(&format!(
            "allow = ['any']\ndeny = [\"user:carol\", \"{deny}\"]"
        ));
        let expected = reason.map_or(Outcome::Pass, Outcome::Deny);
        assert_eq!(
            outcome(&policy, "GET", "/docs/x", Some(&alice)),
            expected,
            "{deny}"
        );
    }
}

#[test]
fn rules_about_the_request_are_asked_each_time() {
    let policy = policy("allow = [\"request.path == '/a'\", \"request.method == 'POST'\"]");
    let session = Someone::by("acme").session();
    for (method, path, pass) in [
        ("GET", "/a", true),
        ("GET", "/b", false),
        ("POST", "/b", true),
        ("GET", "/a", true),
    ] {
        at(method, path, |facts| {
            let decision = policy.decide(facts, Some(session.clone()));
            assert_eq!(
                matches!(decision, Decision::Permit(_)),
                pass,
                "{method} {path}"
            );
        });
    }
}

/// What hangs on the age of the login is never kept, however the age is spelt.
#[test]
fn rules_about_the_age_follow_the_clock() {
    for age in ["auth.age", "auth['age']", ".auth.age"] {
        let policy = policy(&format!("allow = [\"{age} <= duration('2m')\"]"));
        let session = Someone::by("acme").session();
        for (later, pass) in [(0, true), (60, true), (61, false)] {
            at("GET", "/", |facts| {
                let facts = Facts {
                    now: NOW + Duration::from_secs(later),
                    ..*facts
                };
                let decision = policy.decide(&facts, Some(session.clone()));
                let passed = matches!(decision, Decision::Permit(_));
                assert_eq!(passed, pass, "{age} {later}");
            });
        }
    }
}

#[test]
fn somebody_blocked_never_passes() {
    let mut alice = Someone::by("acme");
    alice.user.blocked = true;
    let blocked = Outcome::Deny(Reason::Blocked);
    assert_eq!(
        outcome(&policy("allow = ['any']"), "GET", "/", Some(&alice)),
        blocked
    );
    let elsewhere = policy("connections = ['google']");
    assert_eq!(outcome(&elsewhere, "GET", "/", Some(&alice)), blocked);
    let public = policy("public = ['/']");
    assert_eq!(outcome(&public, "GET", "/", Some(&alice)), Outcome::Nobody);
}

/// One session, many routes: what the route does not offer does not open it.
#[test]
fn only_an_offered_connection_opens_a_route() {
    let acme = policy("connections = ['acme']");
    let mut alice = Someone::by("members");
    let lacking = Outcome::Challenge(Missing::Connection);
    assert_eq!(outcome(&acme, "GET", "/", Some(&alice)), lacking);
    at("GET", "/", |facts| {
        let Decision::Challenge(needs) = acme.decide(facts, Some(alice.session())) else {
            panic!("no challenge");
        };
        assert_eq!(needs.connections.as_ref(), ["acme".parse().unwrap()]);
    });
    alice.also_by("acme");
    assert_eq!(outcome(&acme, "GET", "/", Some(&alice)), Outcome::Pass);
    // a connection that was switched off opens nothing
    let old = policy("connections = ['old', 'acme']");
    assert_eq!(
        outcome(&old, "GET", "/", Some(&Someone::by("old"))),
        lacking
    );
    assert_eq!(
        outcome(&policy(""), "GET", "/", Some(&Someone::by("old"))),
        lacking
    );
}

/// Rules see the identity that opened the route, never a union.
#[test]
fn rules_see_one_identity_only() {
    let mut alice = Someone::by("acme").groups(&["admins"]);
    alice.also_by("members");
    alice.identities[1].identity.groups = vec!["players".to_owned()].into();
    alice.identities[1].identity.claims.clear();
    let passes = |toml: &str| {
        let policy = policy(toml);
        let session = alice.session();
        at("GET", "/", |facts| {
            matches!(policy.decide(facts, Some(session)), Decision::Permit(_))
        })
    };
    assert!(passes("connections = ['acme']\nallow = ['group:admins']"));
    assert!(!passes(
        "connections = ['members']\nallow = ['group:admins']"
    ));
    assert!(!passes(
        "connections = ['members']\nallow = [\"claims.plan == 'pro'\"]"
    ));
    // by both: the newer login, that of `members`, stands for her
    assert!(passes("allow = ['group:members/players']"));
    assert!(!passes("allow = ['group:acme/admins']"));
    assert!(!passes("allow = [\"'admins' in groups\"]"));
}

#[test]
fn step_up_is_a_challenge() {
    let alice = Someone::by("acme");
    let mut strong = alice.clone();
    strong.authentications[0].amr = vec!["otp".to_owned(), "pwd".to_owned(), "mfa".to_owned()];
    strong.authentications[0].acr = Some("high".to_owned());
    let mut unsaid = strong.clone();
    unsaid.authentications[0].acr = None;
    let mut ahead = strong.clone();
    ahead.authentications[0].auth_time = NOW + Duration::from_hours(1);
    for (require, who, missing) in [
        ("amr = ['mfa']", &alice, Some(Missing::Methods)),
        ("amr = ['mfa', 'hwk']", &strong, Some(Missing::Methods)),
        ("amr = ['mfa', 'otp']", &strong, None),
        ("acr = ['high', 'top']", &alice, Some(Missing::Context)),
        ("acr = ['high', 'top']", &strong, None),
        ("acr = ['']", &unsaid, Some(Missing::Context)),
        ("max_age = '30s'", &strong, Some(Missing::FreshLogin)),
        ("max_age = '60s'", &strong, None),
        ("max_age = '60s'", &ahead, Some(Missing::FreshLogin)),
        (
            "amr = ['mfa'], max_age = '1s'",
            &alice,
            Some(Missing::Methods),
        ),
    ] {
        let policy = policy(&format!("require = {{ {require} }}"));
        let expected = missing.map_or(Outcome::Pass, Outcome::Challenge);
        assert_eq!(
            outcome(&policy, "GET", "/", Some(who)),
            expected,
            "{require}"
        );
    }
    // who may not pass anyway is not sent to prove more
    let policy = policy("allow = ['user:bob']\nrequire = { amr = ['mfa'] }");
    let refused = Outcome::Deny(Reason::NoRuleMatched);
    assert_eq!(outcome(&policy, "GET", "/", Some(&alice)), refused);
}

/// PATH-1, PATH-9, PATH-14: by the canonical path and the method, anchored, by whole segments.
#[test]
fn public_paths_are_for_nobody_or_for_who_may_pass() {
    let policy = policy("public = ['/healthz', 'GET /static/**']\nallow = ['user:alice']");
    let alice = Someone::by("acme");
    let mut bob = Someone::by("acme");
    bob.user.handle = "bob".to_owned();
    bob.user.id = "acme|b-1".parse().unwrap();
    for (method, path, anonymous) in [
        ("GET", "/healthz", true),
        ("POST", "/healthz", true),
        ("GET", "/static/a/b.css", true),
        ("HEAD", "/static/a", true),
        ("GET", "/static", true),
        ("GET", "/x/../static/a", true),
        ("POST", "/static/a", false),
        ("OPTIONS", "/static/a", false),
        ("GET", "/healthz/x", false),
        ("GET", "/healthzz", false),
        ("GET", "/static-admin", false),
        ("GET", "/x/healthz", false),
        ("GET", "/static/../admin", false),
        ("GET", "/HEALTHZ", false),
        ("GET", "/static;/x", false),
    ] {
        let (challenge, denied) = if anonymous {
            (Outcome::Nobody, Outcome::Nobody)
        } else {
            (
                Outcome::Challenge(Missing::Session),
                Outcome::Deny(Reason::NoRuleMatched),
            )
        };
        assert_eq!(
            outcome(&policy, method, path, None),
            challenge,
            "{method} {path}"
        );
        assert_eq!(
            outcome(&policy, method, path, Some(&bob)),
            denied,
            "{method} {path}"
        );
        assert_eq!(
            outcome(&policy, method, path, Some(&alice)),
            Outcome::Pass,
            "{path}"
        );
    }
}

#[test]
fn a_permit_carries_who_it_is_for() {
    let session = Someone::by("acme").session();
    at("GET", "/", |facts| {
        let Decision::Permit(permit) = policy("").decide(facts, Some(session.clone())) else {
            panic!("no permit");
        };
        assert!(Arc::ptr_eq(permit.session().unwrap(), &session));
        let handle = permit.with_principal(|who| who.user.handle.clone());
        assert_eq!(handle.as_deref(), Some("alice"));
        let made = permit.kept(|who| Some(who.user.handle.as_bytes().into()));
        let again = permit.kept(|_| panic!("it was kept"));
        assert_eq!(
            (made.as_deref(), again.as_deref()),
            (Some(&b"alice"[..]), made.as_deref())
        );
        let Decision::Permit(nobody) = policy("public = ['/']").decide(facts, None) else {
            panic!("no permit");
        };
        assert!(nobody.session().is_none() && nobody.connection().is_none());
        assert!(nobody.kept(|_| Some(Box::default())).is_none());
    });
}

#[test]
fn judge_names_the_rule_that_decided() {
    let policy = policy(
        "public = ['/open']\nallow = ['user:bob', 'group:acme/staff']\ndeny = ['claims.x == 1']",
    );
    let alice = Someone::by("acme").claim("x", json!(2));
    let named = |path: &str, who: Option<&Someone>| {
        at("GET", path, |facts| {
            policy.judge(facts, who.map(Someone::principal)).rule
        })
        .map(|rule| rule.to_string())
    };
    assert_eq!(
        named("/", Some(&alice)).as_deref(),
        Some("allow[1] = \"group:acme/staff\"")
    );
    let denied = alice.clone().claim("x", json!(1));
    assert_eq!(
        named("/", Some(&denied)).as_deref(),
        Some("deny[0] = \"claims.x == 1\"")
    );
    assert_eq!(
        named("/open", None).as_deref(),
        Some("public[0] = \"/open\"")
    );
    assert_eq!(named("/", None), None);
    let answers = at("GET", "/", |facts| {
        policy.answers(facts, &Someone::by("acme").principal())
    });
    let answers: Vec<_> = answers
        .iter()
        .map(|(rule, a)| (rule.text.as_str(), a))
        .collect();
    assert!(
        matches!(
            answers[..],
            [
                ("claims.x == 1", Answer::Failed(_)),
                ("user:bob", Answer::No),
                ("group:acme/staff", Answer::Yes)
            ]
        ),
        "{answers:?}"
    );
}

#[test]
fn mistakes_are_found_when_the_file_is_read() {
    for (toml, key, says, hint) in [
        (
            "connections = ['acne']",
            "connections[0]",
            "no connection \"acne\"",
            "did you mean \"acme\"",
        ),
        (
            "connections = ['nowhere']",
            "connections[0]",
            "no connection",
            "the connections are acme",
        ),
        (
            "connections = ['acme', 'acme']",
            "connections[1]",
            "named twice",
            "",
        ),
        ("connections = []", "connections", "nobody", "leave"),
        ("allow = []", "allow", "nobody", "leave"),
        (
            "allow = ['any', 'group:admins']",
            "allow[1]",
            "several connections",
            "group:acme/admins",
        ),
        (
            "allow = ['group:acne/admins']",
            "allow[0]",
            "no connection \"acne\"",
            "did you mean",
        ),
        ("allow = ['group:acme/']", "allow[0]", "no name", ""),
        (
            "deny = ['connection:gogle']",
            "deny[0]",
            "no connection",
            "did you mean \"google\"",
        ),
        (
            "connections = ['acme']\nallow = ['connection:google']",
            "allow[0]",
            "does not offer",
            "add it",
        ),
        ("allow = ['user:']", "allow[0]", "neither", ""),
        (
            "allow = ['user:Alice']",
            "allow[0]",
            "upper-case",
            "user:alice",
        ),
        (
            "allow = ['user:a|b|c']",
            "allow[0]",
            "user id",
            "users list",
        ),
        ("allow = ['email:alice']", "allow[0]", "no @", ""),
        (
            "allow = ['domain:@acme.example']",
            "allow[0]",
            "not the domain",
            "",
        ),
        (
            "allow = ['domain:*.acme.example']",
            "allow[0]",
            "not the domain",
            "",
        ),
    ] {
        refused(toml, key, says, hint);
    }
    let several = build("connections = ['x']\nallow = ['y', 'any', 'z']\npublic = ['w']");
    assert_eq!(several.unwrap_err().len(), 4);
    assert!(build("connections = ['acme']\nallow = ['group:admins']").is_ok());
    assert!(build("connections = ['acme', 'old']\nallow = ['connection:old']").is_ok());
}

fn refused(toml: &str, key: &str, says: &str, hint: &str) {
    let problem = problem(toml);
    assert_eq!(problem.key, key, "{toml}");
    assert!(problem.message.contains(says), "{toml}: {problem}");
    assert!(problem.hint.unwrap_or_default().contains(hint), "{toml}");
}

#[test]
fn names_that_do_not_exist_are_found_when_the_file_is_read() {
    for (toml, key, says, hint) in [
        (
            "allow = ['claims.plan =']",
            "allow[0]",
            "not an expression",
            "a rule is",
        ),
        (
            "allow = ['grup:acme/admins']",
            "allow[0]",
            "not an expression",
            "a rule is",
        ),
        (
            "allow = ['admins']",
            "allow[0]",
            "no variable \"admins\"",
            "a rule is",
        ),
        (
            "allow = ['user.emial == 1']",
            "allow[0]",
            "no field \"emial\"",
            "",
        ),
        (
            "allow = ['request.query == 1']",
            "allow[0]",
            "no field \"query\"",
            "",
        ),
        ("allow = ['auth.mfa']", "allow[0]", "no field", ""),
        (
            "allow = ['lower(connection) == 1']",
            "allow[0]",
            "no function \"lower\"",
            "",
        ),
        (
            "allow = [\"connection.matches('(')\"]",
            "allow[0]",
            "regular expression",
            "",
        ),
        (
            "allow = [\"'admins'\"]",
            "allow[0]",
            "never true or false",
            "",
        ),
        ("allow = ['[1]']", "allow[0]", "never true or false", ""),
        (
            "allow = ['groups.exists(g, h == g)']",
            "allow[0]",
            "no variable \"h\"",
            "",
        ),
        ("public = ['/a/**/b']", "public[0]", "**", ""),
        ("public = ['/a/../b']", "public[0]", "canonical", ""),
    ] {
        refused(toml, key, says, hint);
    }
}

/// Whatever a rule's text is, the file is read or refused, and nothing falls over.
#[test]
fn odd_expressions_are_refused_or_harmless() {
    let alice = Someone::by("acme");
    for text in [
        "(".repeat(1000),
        "!".repeat(2000) + "true",
        "-".repeat(2000) + "1 == 1",
        "[".repeat(500) + &"]".repeat(500) + " == []",
        "true&&".repeat(330) + "true",
        "1+".repeat(1000) + "1 == 1",
        "1+".repeat(38) + "1 == 39",
        "true?".repeat(300) + "true" + &":true".repeat(300),
        "claims".to_owned() + &".a".repeat(1000),
        "claims".to_owned() + &"[0]".repeat(650),
        "\u{0}".to_owned(),
        "'\u{202e}' == ''".to_owned(),
        "9223372036854775807 + 1 > 0".to_owned(),
        "1 / 0 == 1".to_owned(),
        "groups[-1] == ''".to_owned(),
        "duration('99999999999999h') > auth.age".to_owned(),
        "timestamp('9999-12-31T23:59:59Z') + duration('9999h') > now".to_owned(),
        "a".repeat(3000),
        "user.handle.matches('(a*)*b$')".to_owned(),
        "user.handle.matches('((a{100}){100}){100}')".to_owned(),
    ] {
        if let Ok(policy) = build(&format!("allow = [{}]", toml::Value::from(text.clone()))) {
            outcome(&policy, "GET", "/", Some(&alice));
        }
    }
    assert!(passes(&("1+".repeat(38) + "1 == 39"), &alice));
    let deep = "1+".repeat(100) + "1 == 101";
    assert!(
        problem(&format!("allow = ['{deep}']"))
            .message
            .contains("too deeply")
    );
    let large = "allow = [\"user.handle.matches('((a{100}){100}){100}')\"]";
    assert!(build(large).is_err(), "a regular expression of any size");
    let long = format!("connection == '{}'", "x".repeat(2048));
    assert!(
        problem(&format!("allow = [\"{long}\"]"))
            .message
            .contains("longer")
    );
}

/// Policies whose connection `members` asks for a second factor like this.
fn asking(toml: &str, members: SecondFactor) -> Policy {
    let of = |id: &str, second_factor| KnownConnection {
        id: id.parse().unwrap(),
        enabled: true,
        trust_email: crate::connection::TrustEmail::Verified,
        second_factor,
    };
    let known = Known::new(
        7,
        vec![of("acme", SecondFactor::Off), of("members", members)],
    );
    build_with(toml, &known).unwrap()
}

#[test]
fn a_second_factor_is_asked_for_where_it_can_be_given() {
    use SecondFactor as S;
    let (plain, at_provider, here) = (
        Someone::by("members"),
        with_methods("members", &["pwd", "mfa"], false),
        with_methods("members", &["pwd", "otp", "mfa"], true),
    );
    let pass = Outcome::Pass;
    let second = Outcome::Challenge(Missing::SecondFactor);
    let methods = Outcome::Challenge(Missing::Methods);
    for (route, members, expected) in [
        ("", S::Off, [pass, pass, pass]),
        ("", S::Optional, [pass, pass, pass]),
        ("", S::Required, [second, pass, pass]),
        ("", S::RequiredHere, [second, second, pass]),
        (
            "second_factor = 'required'",
            S::Optional,
            [second, pass, pass],
        ),
        (
            "second_factor = 'required_here'",
            S::Optional,
            [second, second, pass],
        ),
        (
            "second_factor = 'required'",
            S::RequiredHere,
            [second, second, pass],
        ),
        (
            "second_factor = 'required_here'",
            S::Required,
            [second, second, pass],
        ),
        ("second_factor = 'required'", S::Off, [methods, pass, pass]),
        (
            "second_factor = 'required_here'",
            S::Off,
            [methods, methods, pass],
        ),
        (
            "require = { amr = ['mfa'] }",
            S::Optional,
            [second, pass, pass],
        ),
        (
            "require = { amr = ['otp'] }",
            S::Optional,
            [second, second, pass],
        ),
        ("require = { amr = ['mfa'] }", S::Off, [methods, pass, pass]),
        (
            "require = { amr = ['mfa', 'hwk'] }",
            S::Optional,
            [methods, methods, methods],
        ),
    ] {
        let policy = asking(route, members);
        for (who, expected) in [&plain, &at_provider, &here].into_iter().zip(expected) {
            let found = outcome(&policy, "GET", "/", Some(who));
            assert_eq!(
                found, expected,
                "{route} {members:?} {:?}",
                who.authentications
            );
        }
        // the other connection is not asked for what the first one is
        if route.is_empty() {
            let other = Someone::by("acme");
            assert_eq!(outcome(&policy, "GET", "/", Some(&other)), pass);
        }
    }
}

/// Whoever must sign in anew is asked for both.
#[test]
fn an_old_login_without_a_second_factor_begins_anew() {
    let text = "second_factor = 'required'\nrequire = { max_age = '10s' }";
    let policy = asking(text, SecondFactor::Optional);
    let old = Someone::by("members");
    let found = outcome(&policy, "GET", "/", Some(&old));
    assert_eq!(found, Outcome::Challenge(Missing::FreshLogin));
    assert_eq!(
        policy.needs(Missing::Session).second_factor,
        Some(Demand::Required)
    );
}

fn with_methods(connection: &str, methods: &[&str], here: bool) -> Someone {
    let mut who = Someone::by(connection);
    let held = who.authentications.last_mut().unwrap();
    held.amr = methods.iter().map(ToString::to_string).collect();
    held.second_factor_at = here.then_some(NOW);
    who
}
