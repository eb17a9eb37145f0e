use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::policy::fixture::{Someone, known};

fn table(fields: &[(&str, &str)]) -> Headers {
    Headers::Table(
        fields
            .iter()
            .map(|(name, template)| ((*name).to_owned(), (*template).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    )
}

fn headers(headers: &Headers) -> IdentityHeaders {
    IdentityHeaders::build(headers, HeaderEncoding::Percent, known().trust().clone()).unwrap()
}

fn preset(name: &str) -> IdentityHeaders {
    headers(&Headers::Preset(name.to_owned()))
}

fn written(headers: &IdentityHeaders, who: &Someone) -> Vec<(String, String)> {
    let edits = headers.render(&who.principal()).unwrap();
    edits
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8(value.as_bytes().to_vec()).unwrap();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn rendered(template: &str, who: &Someone) -> Option<String> {
    let headers = headers(&table(&[("x-it", template)]));
    written(&headers, who).pop().map(|(_, value)| value)
}

#[test]
fn presets_use_the_names_that_applications_know() {
    let alice = Someone::by("acme");
    assert_eq!(
        written(&headers(&Headers::default()), &alice),
        pairs(&[
            ("x-forwarded-user", "acme|a-1"),
            ("x-forwarded-email", "Alice@acme.example"),
            ("x-forwarded-preferred-username", "alice"),
            ("x-forwarded-groups", "staff,admins"),
        ])
    );
    assert_eq!(
        written(&preset("remote"), &alice),
        pairs(&[
            ("remote-user", "alice"),
            ("remote-email", "Alice@acme.example"),
            ("remote-name", "Alice %C3%84. Example"),
            ("remote-groups", "staff,admins"),
        ])
    );
    assert_eq!(
        written(&preset("x-auth-request"), &alice),
        pairs(&[
            ("x-auth-request-user", "acme|a-1"),
            ("x-auth-request-email", "Alice@acme.example"),
            ("x-auth-request-preferred-username", "alice"),
            ("x-auth-request-groups", "staff,admins"),
        ])
    );
    assert_eq!(
        written(&preset("x-webauth"), &alice),
        pairs(&[
            ("x-webauth-user", "alice"),
            ("x-webauth-email", "Alice@acme.example"),
            ("x-webauth-name", "Alice %C3%84. Example"),
            ("x-webauth-groups", "staff,admins"),
        ])
    );
}

/// Every name that a preset writes is one that is stripped.
#[test]
fn what_presets_write_is_owned() {
    let owned = crate::protocol::OwnedHeaders::base();
    for name in preset_names() {
        assert!(owned.contains(name), "{name}");
    }
    assert_eq!(preset_names().count(), 16);
}

#[test]
fn an_untrusted_email_is_not_sent() {
    for (connection, verified, sent) in [
        ("acme", true, true),
        ("acme", false, false),
        ("google", false, true),
        ("members", true, false),
    ] {
        let mut alice = Someone::by(connection).email("alice@acme.example", verified);
        alice.user.profile.email = Some("alice@acme.example".to_owned());
        let written = written(&headers(&Headers::default()), &alice);
        let email = written.iter().any(|(name, _)| name == "x-forwarded-email");
        assert_eq!(email, sent, "{connection} {verified}");
        assert_eq!(rendered("mailto:{email}", &alice).is_some(), sent);
    }
}

#[test]
fn templates_show_what_is_known() {
    let mut alice = Someone::by("acme")
        .claim("https://acme.example/roles", json!(["dev", "ops"]))
        .claim("flag", json!(true))
        .claim("mixed", json!(["a", ["b"]]))
        .claim("scalar", json!("users,admins"));
    alice.user.profile.picture = Some("https://x.example/a%20b.png".to_owned());
    for (template, value) in [
        ("{user}", Some("acme|a-1")),
        ("{handle}", Some("alice")),
        ("{given_name} <{email}>", Some("Alice <Alice@acme.example>")),
        ("{given_name} {family_name}", Some("Alice")),
        ("{family_name}", None),
        ("x-{family_name}", None),
        ("{connection}/{subject}", Some("acme/a-1")),
        ("{claims.plan}", Some("pro")),
        ("{claims.n}", Some("4")),
        ("{claims.flag}", Some("true")),
        ("{claims.roles}", Some("a,b%2Cc")),
        ("{claims.scalar}", Some("users%2Cadmins")),
        ("{claims.address.city}", Some("K%C3%B6ln")),
        ("{claims[\"address\"].city}", Some("K%C3%B6ln")),
        ("{claims[\"https://acme.example/roles\"]}", Some("dev,ops")),
        ("{claims.address}", None),
        ("{claims.mixed}", None),
        ("{claims.absent.deep}", None),
        ("{claims.plan.deep}", None),
        ("{app_metadata.role}", Some("editor")),
        ("{app_metadata.level}", Some("3")),
        ("{user_metadata.theme}", Some("dark")),
        ("{picture}", Some("https://x.example/a%2520b.png")),
        ("{amr}", Some("pwd")),
        ("{acr}", Some("low")),
        ("{auth_time}", Some("1799999940")),
        ("{{{handle}}}", Some("{alice}")),
        ("{{}}", Some("{}")),
        ("always", Some("always")),
        ("", None),
        ("  ", None),
    ] {
        assert_eq!(rendered(template, &alice).as_deref(), value, "{template}");
    }
}

/// A user id is in its one spelling already.
#[test]
fn a_user_id_is_not_encoded_twice() {
    let mut alice = Someone::by("acme");
    alice.user.id = "acme|%C3%A4lice".parse().unwrap();
    assert_eq!(
        rendered("{user}", &alice).as_deref(),
        Some("acme|%C3%A4lice")
    );
}

/// HDR-8: nothing about a person ends a header or begins another.
#[test]
fn values_stay_inside_their_header() {
    let mut alice = Someone::by("acme").groups(&["a\r\nX-Role: admin", "b\0"]);
    alice.user.profile.name = Some("a\r\nX-Role: admin".to_owned());
    assert_eq!(
        rendered("{name}", &alice).as_deref(),
        Some("a%0D%0AX-Role: admin")
    );
    assert_eq!(
        rendered("{groups}", &alice).as_deref(),
        Some("a%0D%0AX-Role: admin,b%00")
    );
    let utf8 = IdentityHeaders::build(
        &table(&[("x-it", "{name}{groups}")]),
        HeaderEncoding::Utf8,
        known().trust().clone(),
    );
    alice.user.profile.name = Some("Ä\n".to_owned());
    let written = written(&utf8.unwrap(), &alice);
    assert_eq!(written[0].1, "Ä%0Aa%0D%0AX-Role: admin,b%00");
}

/// HDR-9.
#[test]
fn one_group_with_a_comma_is_not_two() {
    let one = Someone::by("acme").groups(&["users,admins"]);
    let two = Someone::by("acme").groups(&["users", "admins"]);
    assert_eq!(
        rendered("{groups}", &one).as_deref(),
        Some("users%2Cadmins")
    );
    assert_eq!(rendered("{groups}", &two).as_deref(), Some("users,admins"));
}

/// A list that does not fit is refused, never cut.
#[test]
fn too_many_groups_are_an_error() {
    let groups = |count: usize| -> Someone {
        let names: Vec<_> = (0..count).map(|at| format!("group-{at:04}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Someone::by("acme").groups(&names)
    };
    let headers = headers(&Headers::default());
    assert!(headers.render(&groups(200).principal()).is_ok());
    let refused = headers.render(&groups(10_000).principal());
    assert_eq!(refused.unwrap_err(), HeadersError::TooLarge);
}

#[test]
fn mistakes_in_the_table_are_found_when_the_file_is_read() {
    for (name, template, key, says) in [
        ("X-It", "{emial}", "headers.X-It", "no placeholder {emial}"),
        ("X-It", "{claims}", "headers.X-It", "no placeholder"),
        ("X-It", "{claims.}", "headers.X-It", "no placeholder"),
        ("X-It", "{email.x}", "headers.X-It", "no placeholder"),
        ("X-It", "{claims[\"x}", "headers.X-It", "no placeholder"),
        ("X-It", "{email", "headers.X-It", "never closed"),
        ("X-It", "email}", "headers.X-It", "closes nothing"),
        ("X-It", "a\r\nb", "headers.X-It", "not printable"),
        ("Host", "{email}", "headers.Host", "cannot carry"),
        (
            "X-Forwarded-For",
            "{email}",
            "headers.X-Forwarded-For",
            "cannot carry",
        ),
    ] {
        let built = IdentityHeaders::build(
            &table(&[(name, template)]),
            HeaderEncoding::Percent,
            known().trust().clone(),
        );
        let problems = built.unwrap_err();
        assert_eq!((problems.len(), problems[0].key.as_str()), (1, key));
        assert!(problems[0].message.contains(says), "{}", problems[0]);
    }
    let twins = table(&[("X-It", "{email}"), ("X_It", "{user}"), ("X.It", "{name}")]);
    let trust = known().trust().clone();
    let problems = IdentityHeaders::build(&twins, HeaderEncoding::Percent, trust.clone());
    assert_eq!(problems.unwrap_err().len(), 2);
    let preset = Headers::Preset("x-forwardet".to_owned());
    let problems = IdentityHeaders::build(&preset, HeaderEncoding::Percent, trust).unwrap_err();
    assert!(
        problems[0].to_string().contains("x-webauth"),
        "{}",
        problems[0]
    );
}
