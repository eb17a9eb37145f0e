//! What the application is told: presets, templates, encoding, the assertion.

use crate::support::{Request, Sidecar, Upstream, http::exchange, route};

#[test]
fn each_preset_says_who_is_there_in_its_own_words() {
    let upstream = Upstream::start();
    let presets = [
        ("x-forwarded", "X-Forwarded-Preferred-Username"),
        ("remote", "Remote-User"),
        ("x-auth-request", "X-Auth-Request-Preferred-Username"),
        ("x-webauth", "X-WebAuth-User"),
    ];
    let sidecar = presets
        .iter()
        .fold(Sidecar::new(), |sidecar, (preset, _)| {
            sidecar.route(
                route(&format!("/{preset}"))
                    .to(&upstream)
                    .set("headers", *preset),
            )
        })
        .start();
    let mut alice = sidecar.signed_up("alice");
    for (preset, header) in presets {
        assert_eq!(alice.go(&format!("/{preset}/x")).answer.status, 200);
        let seen = upstream.last();
        assert_eq!(seen.header(header), Some("alice"), "{preset}: {seen:?}");
        for (_, other) in presets.iter().filter(|(_, other)| *other != header) {
            assert_eq!(seen.header(other), None, "{preset}: {seen:?}");
        }
    }
}

#[test]
fn templates_make_headers_of_their_own() {
    let upstream = Upstream::start();
    let headers: toml::Table = [
        ("X-Remote-User", "{handle}"),
        ("X-Whole", "{user} as {connection}"),
    ]
    .map(|(name, template)| (name.to_owned(), template.into()))
    .into_iter()
    .collect();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream).set("headers", headers))
        .start();
    let mut alice = sidecar.signed_up("alice");
    alice.go("/x");
    let id = alice.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seen = upstream.last();
    assert_eq!(seen.header("X-Remote-User"), Some("alice"));
    assert_eq!(
        seen.header("X-Whole"),
        Some(format!("{id} as members").as_str())
    );
    assert_eq!(seen.header("X-Forwarded-User"), None);
}

#[test]
fn an_unverified_address_is_told_to_nobody() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice").go("/x");
    assert_eq!(upstream.last().header("X-Forwarded-Email"), None);
}

#[test]
fn two_people_never_share_a_handle() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").to(&upstream))
        .start();
    let mut first = sidecar.signed_up("alice");
    let mut second = sidecar.visitor();
    let page = second.go("/.auth/signup/staff");
    second.finish_sign_up(&page, "alice");
    let [first, second] = [&mut first, &mut second].map(|one| one.me().unwrap());
    assert_eq!(first["user"]["handle"], "alice");
    assert_eq!(second["user"]["handle"], "alice-staff");
    assert_ne!(first["user"]["id"], second["user"]["id"]);
}

#[test]
fn the_key_set_is_public_and_holds_no_private_part() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream).set("assertion", true))
        .start();
    let request = Request::get("/.auth/jwks.json");
    let answer = exchange(
        sidecar.port,
        &format!("localhost:{}", sidecar.port),
        &request,
    )
    .expect(200);
    let keys = answer.json();
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(
            (key["kty"].as_str(), key["crv"].as_str()),
            (Some("EC"), Some("P-256"))
        );
        assert!(key["d"].is_null() && key["kid"].is_string(), "{key}");
    }
    sidecar.cli_ok(&["keys", "rotate"]);
    assert_eventually!(
        sidecar.ask(&request).json()["keys"]
            .as_array()
            .unwrap()
            .len()
            > keys.len()
    );
}
