//! Signing out: here, on every host, and never because another site asked.

use crate::support::{Request, Sidecar, Upstream, route};

#[test]
fn signing_out_ends_the_session_on_every_host() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let wiki = format!("{}/page", sidecar.origin_of("wiki.localhost"));
    alice.go(&wiki);
    assert_eq!(upstream.hits(), 1);
    let old = alice.clone();
    let page = alice.sign_out();
    assert!(page.text().contains("signed out"), "{page:?}");
    assert!(alice.session().is_none());
    for (mut visitor, address) in [(old.clone(), "/x"), (old, wiki.as_str())] {
        assert_ne!(visitor.open(address).answer.status, 200, "{address}");
    }
    assert_eq!(upstream.hits(), 1);
}

#[test]
fn another_site_cannot_sign_somebody_out() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let url = alice.url("/.auth/logout");
    for site in ["cross-site", "same-site"] {
        let request = Request::get("/.auth/logout")
            .header("Accept", "text/html")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Site", site);
        let answer = alice.send(&url, &request);
        assert_eq!(answer.status, 200, "{site}");
        assert!(alice.me().is_some(), "{site}: signed out by a link");
    }
    let image = Request::get("/.auth/logout")
        .header("Sec-Fetch-Mode", "no-cors")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Dest", "image");
    alice.send(&url, &image);
    assert!(alice.me().is_some(), "signed out by an image");
}

#[test]
fn signing_out_goes_where_it_was_asked_to_if_that_is_ours() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream).public(&["/bye"]))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let page = alice.open("/.auth/logout?rd=/bye");
    assert!(alice.session().is_none());
    let to = page.url.join(page.answer.location()).unwrap();
    assert_eq!(to.path(), "/bye");
}

#[test]
fn signing_out_twice_is_no_error() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    alice.sign_out();
    let again = alice.go("/.auth/logout");
    assert_eq!(again.answer.status, 200, "{again:?}");
}
