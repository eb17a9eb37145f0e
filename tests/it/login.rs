//! The login page and the flow behind it: tabs, return addresses, loops, what comes too late.

use crate::support::{Request, Sidecar, Upstream, route, visitor::PASSWORD};

#[test]
fn two_tabs_sign_in_at_once() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let mut browser = sidecar.visitor();
    let first = browser.go("/first?tab=1");
    let second = browser.go("/second?tab=2");
    assert_eq!(browser.flows().len(), 2);
    let done = browser.try_password(&second, "alice", PASSWORD);
    browser.follow(done);
    assert_eq!(upstream.last().target(), "/second?tab=2");
    let done = browser.try_password(&first, "alice", PASSWORD);
    browser.follow(done);
    assert_eq!(upstream.last().target(), "/first?tab=1");
    assert!(browser.me().is_some());
}

#[test]
fn a_login_that_comes_back_late_starts_again_or_goes_on() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/wanted");
    let done = visitor.try_password(&page, "alice", PASSWORD);
    assert_eq!(done.answer.status, 303);
    // the back button and the same form once more: signed in already, so it just goes on
    let again = visitor.try_password(&page, "alice", PASSWORD);
    let end = visitor.follow(again);
    assert!(end.answer.status < 500, "{end:?}");
    assert!(visitor.me().is_some());
    // a form of another browser
    let mut stranger = sidecar.visitor();
    let lost = stranger.try_password(&page, "alice", PASSWORD);
    assert!((400..500).contains(&lost.answer.status), "{lost:?}");
    assert!(
        crate::support::forms::links(&lost.text())
            .iter()
            .any(|way| way.starts_with("/.auth/login")),
        "no way to start again: {lost:?}"
    );
    assert!(stranger.session().is_none());
    // a callback that nobody asked for
    let callback = stranger.open("/.auth/callback/members?code=x&state=y");
    assert!((400..500).contains(&callback.answer.status), "{callback:?}");
}

#[test]
fn somebody_signed_in_is_passed_on_from_the_login_page() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let mut alice = sidecar.signed_up("alice");
    let page = alice.open("/.auth/login?rd=/wanted");
    let to = page.url.join(page.answer.location()).unwrap();
    assert_eq!(to.path(), "/wanted");
    alice.follow(page);
    assert_eq!(upstream.last().target(), "/wanted");
}

#[test]
fn a_loop_is_broken_by_a_page_that_names_the_cause() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    // a browser that loses the session's cookie but keeps the others
    let mut visitor = sidecar.visitor();
    visitor.sign_in("/wanted", "alice", PASSWORD);
    let session = visitor.session().unwrap().clone();
    visitor.jar.retain(|cookie| cookie.name != session.name);
    let mut page = visitor.open("/wanted");
    let mut broken = None;
    for _ in 0..12 {
        if page.answer.status == 200 && page.text().contains("several times") {
            broken = Some(page.clone());
            break;
        }
        if (300..400).contains(&page.answer.status) {
            let next = page.url.join(page.answer.location()).unwrap();
            // the application never gets the cookie, the login page does
            visitor.jar.retain(|cookie| cookie.name != session.name);
            if next.path().starts_with("/.auth/") {
                visitor.jar.push(session.clone());
            }
            page = visitor.open(next.as_str());
        } else if page.answer.status == 400 {
            broken = Some(page.clone());
            break;
        } else {
            break;
        }
    }
    let broken = broken.unwrap_or_else(|| panic!("no end: {page:?}"));
    assert!(
        broken.text().contains("cookie"),
        "no cause named: {broken:?}"
    );
    assert!(broken.answer.header("location").is_none());
}

#[test]
fn a_browser_without_cookies_gets_a_page_and_no_loop() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/wanted");
    visitor.jar.clear();
    let answer = visitor.try_password(&page, "alice", PASSWORD);
    assert!((400..500).contains(&answer.answer.status), "{answer:?}");
    assert!(answer.answer.header("location").is_none());
}

#[test]
fn an_address_leads_to_its_connection() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set(
            "connections.staff.domains",
            vec![toml::Value::from("acme.example")],
        )
        .set("connections.staff.display_name", "Acme staff")
        .route(route("/").to(&upstream))
        .start();
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/login?login_hint=bob@acme.example");
    let mut form = page.form_with("login");
    if form.value("login").unwrap_or_default().is_empty() {
        form = form.fill("login", "bob@acme.example");
    }
    let next = if form.has("password") {
        page
    } else {
        let answer = visitor.submit(&page, &form);
        visitor.follow(answer)
    };
    let form = next.form_with("password");
    assert!(form.action.contains("staff"), "{}", form.action);
    assert_eq!(form.value("login"), Some("bob@acme.example"));
}

#[test]
fn the_account_page_is_come_back_to() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    sidecar.signed_up("alice");
    for origin in [sidecar.origin(), sidecar.origin_of("wiki.localhost")] {
        let account = format!("{origin}/.auth/account");
        let mut visitor = sidecar.visitor();
        let end = visitor.sign_in(&account, "alice", PASSWORD);
        // it is a page of the login host
        let there = format!("{}/.auth/account", sidecar.origin());
        assert_eq!(end.url.as_str(), there);
        assert_eq!(end.answer.status, 200, "{end:?}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[test]
fn a_login_that_starts_again_keeps_the_page_that_was_wanted() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/wanted?x=1&y=2");
    // the flow ran out, and the browser has another cookie of ours, or none
    for kept in ["vestibule-other", ""] {
        let mut late = visitor.clone();
        late.jar
            .iter_mut()
            .for_each(|cookie| kept.clone_into(&mut cookie.name));
        late.jar.retain(|cookie| !cookie.name.is_empty());
        let lost = late.try_password(&page, "alice", PASSWORD);
        assert_eq!(lost.answer.status, 400, "{lost:?}");
        let again = crate::support::forms::links(&lost.text());
        let again = again.iter().find(|way| way.starts_with("/.auth/login"));
        let end = late.sign_in(again.unwrap(), "alice", PASSWORD);
        assert!(end.url.as_str().ends_with("/wanted?x=1&y=2"), "{end:?}");
    }
}

#[test]
fn sign_up_at_another_host_is_sign_up_and_comes_back() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").to(&upstream))
        .route(route("/").host("wiki.localhost").to(&upstream))
        .start();
    let wiki = sidecar.origin_of("wiki.localhost");
    let mut alice = sidecar.visitor();
    let page = alice.go(&format!("{wiki}/.auth/signup/members?rd=/wanted"));
    assert_eq!(page.url.path(), "/.auth/signup/members");
    // the ticket comes with the answer to the form: nothing begins again at the other host
    let onward = alice.submit_sign_up(&page, "alice");
    let ways = crate::support::forms::links(&onward.text());
    assert!(ways.iter().any(|way| way.contains("ticket=")), "{onward:?}");
    let end = alice.follow(onward);
    assert_eq!(end.url.as_str(), format!("{wiki}/wanted"));
}

#[test]
fn a_picture_of_the_operators_stands_on_the_button() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.icon", "acme.svg")
        .route(route("/").to(&upstream));
    let picture = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    std::fs::write(sidecar.path("acme.svg"), picture).unwrap();
    let sidecar = sidecar.start();
    let page = sidecar.visitor().go("/.auth/login").text();
    let at = page
        .find("/.auth/assets/connection-")
        .or_else(|| page.find("&#x2f;.auth&#x2f;assets&#x2f;connection-"));
    let address = page[at.expect(&page)..]
        .split('"')
        .next()
        .unwrap()
        .replace("&#x2f;", "/");
    let answer = sidecar.ask(&Request::get(&address)).expect(200);
    assert_eq!(answer.text(), picture);
    assert_eq!(answer.header("Content-Type"), Some("image/svg+xml"));
    assert!(
        answer
            .header("Content-Security-Policy")
            .unwrap()
            .contains("sandbox")
    );
}
