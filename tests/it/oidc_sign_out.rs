//! Signing out where the login was one of OpenID Connect: here, at the provider, and by its word.

use std::time::Duration;

use crate::support::{
    LyingProvider, OpenIdProvider, Sidecar, Upstream, Visitor, apps,
    federated::{APP, Site, app, callback, go_to_provider, oidc, visitor},
    openid_provider, route,
    visitor::Page,
    websocket,
};

#[test]
fn signing_out_ends_the_session_of_the_provider_as_well() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let page = alice.go("/.auth/logout");
    assert!(
        page.url.as_str().starts_with(&site.provider.issuer()),
        "{page:?}"
    );
    assert!(
        alice.me().is_none(),
        "the session here outlives the way there"
    );
    let left = leave(&mut alice, &page);
    assert!(
        left.url.as_str().starts_with(&site.url("/.auth/")),
        "{left:?}"
    );
    assert_eq!(left.answer.status, 200, "{left:?}");
    assert!(alice.session().is_none());
    // who comes again is asked to sign in again
    let page = go_to_provider(&mut alice, "/", "op");
    page.form_with("login");
    let asked = &site.provider.calls("/session/end")[0]["query"];
    assert!(asked["id_token_hint"].is_string(), "{asked}");
}

/// https://developers.login.gov/oidc/logout/
#[test]
fn a_provider_that_wants_the_client_alone_at_a_logout_is_told_no_more() {
    let liar = LyingProvider::start();
    let upstream = Upstream::start();
    let sidecar = oidc(app(), "gov", &liar.issuer("gov"))
        .set("connections.gov.quirks.id_token_hint_left_out", true)
        .route(route("/").to(&upstream))
        .start();
    let mut alice = visitor(&sidecar);
    alice.go("/.auth/login/gov?rd=/");
    assert!(alice.session().is_some());
    alice.go("/.auth/logout");
    let asked = &liar.calls("gov", "end")[0]["query"];
    assert!(asked["id_token_hint"].is_null(), "{asked}");
    assert!(
        asked["client_id"].is_string() && asked["state"].is_string(),
        "{asked}"
    );
}

/// Says yes at the provider's page about signing out; where that ended.
#[track_caller]
fn leave(visitor: &mut Visitor, page: &Page) -> Page {
    // the button stands outside of its form
    let mut form = page.form_with("xsrf");
    form.fields.push(("logout".to_owned(), "yes".to_owned()));
    let answer = visitor.submit(page, &form);
    visitor.follow(answer)
}

/// OpenID Connect Back-Channel Logout, from a provider that was signed out of elsewhere.
#[test]
fn a_logout_at_the_provider_ends_the_session_here_and_its_open_streams() {
    let sidecar_uri =
        |sidecar: &Sidecar| format!("{}/.auth/backchannel-logout/op", sidecar.origin_of(APP));
    let sidecar = app();
    let mut client = openid_provider::client(&callback(&sidecar, "op"));
    client["backchannel_logout_uri"] = sidecar_uri(&sidecar).into();
    client["backchannel_logout_session_required"] = true.into();
    let provider = OpenIdProvider::start(&[client]);
    let app = apps::websocket();
    let sidecar = oidc(sidecar, "op", &provider.issuer())
        .route(route("/").set("upstream", app.url()))
        .start();
    let mut people = Vec::new();
    for name in ["alice", "bob"] {
        let mut visitor = visitor(&sidecar);
        let page = go_to_provider(&mut visitor, "/.auth/account", "op");
        provider.sign_in(&mut visitor, &page, name);
        let session = visitor.session().expect("a session").pair();
        let mut raw = sidecar.raw();
        let opening = websocket::opening("/", &sidecar.origin_of(APP)).header("Cookie", &session);
        raw.send(opening.bytes(&format!("{APP}:{}", sidecar.port)));
        assert_eq!(raw.answer("GET").unwrap().status, 101, "{}", app.output());
        people.push((visitor, raw));
    }
    let [(mut alice, mut stream), (mut bob, mut other)] = <[_; 2]>::try_from(people).ok().unwrap();
    let page = alice.go(&format!("{}/session/end", provider.issuer()));
    leave(&mut alice, &page);
    assert!(
        stream.ends_within(Duration::from_secs(5)),
        "{:?}",
        provider.events()
    );
    assert!(alice.me().is_none());
    assert_eq!(
        provider.events()[0]["logout"],
        "done",
        "{:?}",
        provider.events()
    );
    assert!(bob.me().is_some());
    assert!(!other.ends_within(Duration::from_millis(300)));
}
