//! Where somebody signs in: by their domain, their network, and what their browser remembers.

use crate::support::{
    Browser, Page, Request, Sidecar, Upstream, Visitor,
    forms::{links, unescape},
    route,
    sidecar::list,
    trial::Trial,
    visitor::{PASSWORD, target},
};

/// A connection that sends people to a provider, where nobody need answer.
pub(crate) fn to_a_provider(sidecar: Sidecar, name: &str, domains: &[&str]) -> Sidecar {
    let key = |key: &str| format!("connections.{name}.{key}");
    let at = |page: &str| format!("https://{name}.provider.example/{page}");
    sidecar
        .set(&key("strategy"), "oauth2")
        .set(&key("client_id"), "vestibule")
        .set(&key("client_secret"), "a secret of the provider's")
        .set(&key("provider.authorization.endpoint"), at("authorize"))
        .set(&key("provider.token.endpoint"), at("token"))
        .set(&key("provider.subject"), "id")
        .set(&key("domains"), list(domains))
}

/// Types a name into the first form of the login page; redirects not followed.
#[track_caller]
pub(crate) fn type_name(visitor: &mut Visitor, name: &str) -> Page {
    let page = visitor.open("/.auth/login");
    let form = page.form_with("login").fill("login", name);
    assert!(!form.has("password"), "the name is not asked for first");
    visitor.submit(&page, &form)
}

/// What a page holds, its character references resolved.
pub(crate) fn html(page: &Page) -> String {
    unescape(&page.text())
}

fn goes_to(page: &Page, name: &str) -> bool {
    let to = format!("https://{name}.provider.example/authorize");
    html(page).contains(&to)
        || page
            .answer
            .header("location")
            .is_some_and(|at| at.starts_with(&to))
}

/// The `state` of the request that a redirect brings to a provider.
fn state_of(page: &Page) -> String {
    let to = url::Url::parse(page.answer.location()).unwrap();
    let state = to.query_pairs().find(|(name, _)| name == "state");
    state.unwrap().1.into_owned()
}

fn from(sidecar: &Sidecar, address: &str) -> Visitor {
    let mut visitor = sidecar.visitor();
    visitor
        .extra
        .push(("X-Forwarded-For".to_owned(), address.to_owned()));
    visitor
}

fn behind_a_proxy(sidecar: Sidecar) -> Sidecar {
    sidecar
        .set("server.trusted_proxies", list(&["127.0.0.0/8"]))
        .route(route("/").set("upstream", "builtin:demo"))
}

#[test]
fn a_domain_leads_to_its_connection_and_an_unknown_one_to_the_database() {
    let sidecar = to_a_provider(
        Sidecar::new(),
        "acme",
        &["acme.example", "*.acme.example", "bücher.example"],
    );
    let sidecar = to_a_provider(sidecar, "lab", &["lab.acme.example", "*.lab.acme.example"])
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    for (typed, name) in [
        ("al@acme.example", "acme"),
        (" AL@Acme.EXAMPLE", "acme"),
        ("al@eu.acme.example", "acme"),
        ("al@a.b.c.acme.example", "acme"),
        ("al@lab.acme.example", "lab"),
        ("al@x.lab.acme.example", "lab"),
        ("al@bücher.example", "acme"),
        ("al@BU\u{308}CHER.example", "acme"),
        ("al@xn--bcher-kva.example", "acme"),
        ("jörg@acme.example", "acme"),
    ] {
        let page = type_name(&mut sidecar.visitor(), typed);
        assert_eq!(page.answer.status, 200, "{typed}");
        assert!(goes_to(&page, name), "{typed}: {:?}", page.answer);
    }
    for typed in [
        "al@nobody.example",
        "al@x.lab.bücher.example",
        "al@evilacme.example",
        "al@acme.example.evil.test",
        "al@evil.test@acme.example",
        "alice",
        "ACME\\alice",
    ] {
        let page = type_name(&mut sidecar.visitor(), typed);
        assert_eq!(page.answer.status, 200, "{typed}");
        let form = page.form_with("password");
        assert!(form.action.ends_with("/.auth/login/members"), "{typed}");
        assert_eq!(form.value("login"), Some(typed));
    }
    // back from the provider, to type another name into the page that was left
    sidecar.signed_up("alice");
    let mut visitor = sidecar.visitor();
    let page = visitor.open("/.auth/login");
    let form = page.form_with("login");
    visitor.submit(&page, &form.clone().fill("login", "al@acme.example"));
    let page = visitor.submit(&page, &form.fill("login", "alice"));
    let page = visitor.try_password(&page, "alice", PASSWORD);
    visitor.follow(page);
    assert!(visitor.session().is_some(), "the form is refused");
}

#[test]
fn several_connections_of_one_domain_are_a_choice() {
    let sidecar = to_a_provider(Sidecar::new(), "north", &["acme.example"]);
    let sidecar = to_a_provider(sidecar, "south", &["acme.example"]);
    let sidecar = to_a_provider(sidecar, "below", &["*.example.com"])
        .set("connections.north.button", false)
        .route(route("/").set("upstream", "builtin:demo"))
        .route(
            route("/south/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["south", "members"])),
        )
        .start();
    let mut visitor = sidecar.visitor();
    let page = type_name(&mut visitor, "al@acme.example");
    let text = html(&page);
    assert_eq!(page.answer.status, 200);
    assert!(text.contains("Choose how to sign in") && text.contains("al@acme.example"));
    for name in ["north", "south"] {
        let link = links(&page.text())
            .into_iter()
            .find(|link| link.contains(&format!("/login/{name}")))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        let next = visitor.open(page.url.join(&link).unwrap().as_str());
        assert!(goes_to(&next, name), "{:?}", next.answer);
    }
    assert!(!text.contains("/login/below") && !text.contains("/login/members"));
    // a route that offers one of them has no choice to give
    let page = visitor.open("/.auth/login?rd=/south/");
    let form = page.form_with("login").fill("login", "al@acme.example");
    let page = visitor.submit(&page, &form);
    assert!(goes_to(&page, "south"), "{:?}", page.answer);
}

#[test]
fn without_a_password_form_an_unknown_domain_gets_a_neutral_page() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &["acme.example"])
        .without("connections.members")
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    for typed in ["al@nobody.example", "alice"] {
        let page = type_name(&mut sidecar.visitor(), typed);
        assert_eq!(page.answer.status, 422, "{typed}");
        assert!(html(&page).contains("We do not know where you sign in"));
        assert!(html(&page).contains("/login/acme"), "the buttons are gone");
        assert_eq!(page.form_with("login").value("login"), Some(typed));
    }
}

#[test]
fn one_password_form_is_the_pages_and_the_others_are_buttons() {
    let sidecar = Sidecar::new()
        .set("connections.archive.strategy", "database")
        .set("connections.archive.signup", true)
        .set("connections.archive.domains", list(&["example.com"]))
        .set("connections.board.strategy", "database")
        .set("connections.board.button", false)
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let mut visitor = sidecar.visitor();
    let page = type_name(&mut visitor, "alice");
    let form = page.form_with("password");
    assert!(
        form.action.ends_with("/login/archive"),
        "not the first by name"
    );
    let text = html(&page);
    assert!(text.contains("/login/members?"), "{text}");
    assert!(!text.contains("/login/board"));
    // another way in, and from there back to the form of the page
    let link = links(&page.text())
        .into_iter()
        .find(|link| link.contains("/login/members?"))
        .unwrap();
    let members = visitor.open(page.url.join(&link).unwrap().as_str());
    assert!(
        members
            .form_with("password")
            .action
            .ends_with("/login/members")
    );
    let others = links(&members.text())
        .into_iter()
        .find(|link| link.contains("/login?flow="))
        .unwrap();
    let signup = visitor.go("/.auth/signup/archive");
    visitor.finish_sign_up(&signup, "al");
    visitor.sign_out();
    visitor.jar.retain(|cookie| !cookie.name.contains("known"));
    let back = visitor.open(members.url.join(&others).unwrap().as_str());
    let form = back.form_with("login").fill("login", "al");
    let page = visitor.submit(&back, &form);
    let page = visitor.try_password(&page, "al", PASSWORD);
    visitor.follow(page);
    assert!(
        visitor.session().is_some(),
        "the form after a change of the way in is refused"
    );
}

#[test]
fn a_network_preselects_by_the_address_that_a_trusted_proxy_tells() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &["acme.example"])
        .set(
            "connections.acme.networks",
            list(&["10.0.0.0/8", "2001:db8::/32"]),
        )
        .set("connections.members.networks", list(&["192.0.2.0/24"]))
        .route(
            route("/members/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["members"])),
        );
    let sidecar = behind_a_proxy(sidecar).start();
    // only where it opens the page
    let page = from(&sidecar, "10.1.2.3").open("/.auth/login?rd=/members/x");
    assert_eq!(page.answer.status, 200);
    for inside in ["10.1.2.3", "203.0.113.9, 10.1.2.3", "2001:db8::7"] {
        let page = from(&sidecar, inside).open("/.auth/login?rd=/private");
        assert!(
            page.answer.status == 303 && goes_to(&page, "acme"),
            "{inside}"
        );
    }
    for outside in [
        "11.1.2.3",
        "10.1.2.3, 203.0.113.9",
        "2001:db9::7",
        "10.1.2.3, garbage",
    ] {
        let page = from(&sidecar, outside).open("/.auth/login?rd=/private");
        assert_eq!(page.answer.status, 200, "{outside}");
    }
    // a form of ours is shown, with the other ways behind it
    let mut visitor = from(&sidecar, "192.0.2.7");
    let page = visitor.open("/.auth/login");
    assert!(
        page.form_with("password")
            .action
            .ends_with("/login/members")
    );
    assert!(html(&page).contains("Other ways to sign in"));
    assert!(!html(&page).contains("/login/acme"));
    let others = links(&page.text())
        .into_iter()
        .find(|link| link.contains("/login?flow="))
        .unwrap();
    let page = visitor.open(page.url.join(&others).unwrap().as_str());
    assert!(html(&page).contains("/login/acme"), "{:?}", page.answer);
    // it opens nothing
    let answer = from(&sidecar, "10.1.2.3").fetch("/private");
    assert_eq!(answer.status, 401);
}

#[test]
fn several_connections_of_one_network_are_a_choice() {
    let sidecar = to_a_provider(Sidecar::new(), "north", &[]);
    let sidecar = to_a_provider(sidecar, "south", &[])
        .set("connections.north.networks", list(&["10.0.0.0/8"]))
        .set("connections.south.networks", list(&["10.1.0.0/16"]));
    let sidecar = behind_a_proxy(sidecar).start();
    let page = from(&sidecar, "10.1.2.3").open("/.auth/login");
    assert_eq!(page.answer.status, 200);
    let text = html(&page);
    assert!(
        text.contains("more than one way from your network"),
        "{text}"
    );
    assert!(text.contains("/login/north") && text.contains("/login/south"));
    assert!(!text.contains("/login/members"));
    let page = from(&sidecar, "10.2.2.3").open("/.auth/login");
    assert!(goes_to(&page, "north"));
}

#[test]
fn whoever_left_failed_or_wants_another_way_is_asked() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &[])
        .set("connections.acme.networks", list(&["10.0.0.0/8"]))
        .route(
            route("/")
                .host("wiki.localhost")
                .set("upstream", "builtin:demo"),
        );
    let sidecar = behind_a_proxy(sidecar).start();
    let inside = || from(&sidecar, "10.1.2.3");
    let asked = |page: &Page| page.answer.status == 200 && html(page).contains("/login/acme");
    for query in [
        "switch=1",
        "stay=1",
        "connection=nobody",
        "flow=0011223344556677",
    ] {
        let page = inside().open(&format!("/.auth/login?{query}"));
        assert!(asked(&page), "{query}: {:?}", page.answer);
    }
    let page = inside().open("/.auth/login?connection=members");
    assert!(
        page.form_with("password")
            .action
            .ends_with("/login/members")
    );

    // after signing out, also at another host
    let mut alice = inside();
    let page = alice.open("/.auth/login?connection=members");
    let link = links(&page.text())
        .into_iter()
        .find(|link| link.contains("/signup/members"))
        .unwrap();
    let page = alice.go(page.url.join(&link).unwrap().as_str());
    alice.finish_sign_up(&page, "alice");
    alice.go(&sidecar.origin_of("wiki.localhost"));
    assert!(alice.session_at("wiki.localhost").is_some());
    let mut elsewhere = alice.clone();
    alice.sign_out();
    assert!(asked(&alice.open("/.auth/login")));
    let page = elsewhere.go(&format!(
        "{}/.auth/logout",
        sidecar.origin_of("wiki.localhost")
    ));
    if let Some(form) = page.forms().into_iter().find(|form| form.method == "POST") {
        elsewhere.submit(&page, &form);
    }
    let page = elsewhere.go(&format!(
        "{}/.auth/login?rd=/x",
        sidecar.origin_of("wiki.localhost")
    ));
    assert!(asked(&page), "{}: {:?}", page.url, page.answer);
    // and no longer, once they are in again
    let page = alice.open("/.auth/login?connection=members");
    let page = alice.try_password(&page, "alice", PASSWORD);
    alice.follow(page);
    let stay = alice.jar.iter().any(|cookie| cookie.name.contains("-stay"));
    assert!(!stay && alice.session().is_some());

    // the provider said no
    let mut visitor = inside();
    let page = visitor.open("/.auth/login");
    assert!(goes_to(&page, "acme"));
    let state = state_of(&page);
    let page = visitor.open(&format!(
        "/.auth/callback/acme?error=access_denied&state={state}"
    ));
    assert!(page.answer.status >= 400, "{:?}", page.answer);
    assert!(asked(&visitor.open("/.auth/login")));

    // a browser that comes back without a session each time is asked in the end
    let mut lost = inside();
    let rounds = (0..6).map(|_| {
        lost.jar.retain(|cookie| cookie.name.contains("trips"));
        lost.open("/.auth/login?rd=/x")
    });
    let rounds: Vec<_> = rounds.collect();
    assert!(goes_to(&rounds[0], "acme"));
    assert!(asked(rounds.last().unwrap()), "it never ends");
}

#[test]
fn a_private_connection_is_found_by_who_knows_it() {
    let sidecar = to_a_provider(Sidecar::new(), "covert", &["covert.example"]);
    let sidecar = to_a_provider(sidecar, "acme", &["acme.example"])
        .set("connections.covert.discovery", "private")
        .set("connections.covert.networks", list(&["10.0.0.0/8"]))
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .set("connections.staff.discovery", "private")
        .set("connections.staff.domains", list(&["staff.example"]))
        .route(
            route("/only/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["covert"])),
        );
    let sidecar = behind_a_proxy(sidecar).start();
    let shown = |page: &Page| html(page).contains("covert") || html(page).contains("/login/staff");
    let stranger = || from(&sidecar, "203.0.113.9");
    assert!(!shown(&stranger().open("/.auth/login")));
    assert!(!goes_to(
        &type_name(&mut stranger(), "al@covert.example"),
        "covert"
    ));
    // by its link, by a network, by a page that nothing else opens
    assert!(goes_to(&stranger().open("/.auth/login/covert"), "covert"));
    assert!(goes_to(
        &from(&sidecar, "10.1.2.3").open("/.auth/login"),
        "covert"
    ));
    assert!(goes_to(
        &stranger().open("/.auth/login?rd=/only/x"),
        "covert"
    ));
    let mut inside = from(&sidecar, "10.1.2.3");
    let page = inside.open("/.auth/login?switch=1");
    assert!(html(&page).contains("/login/covert"), "{:?}", page.answer);
    let form = page.form_with("login").fill("login", "al@covert.example");
    assert!(goes_to(&inside.submit(&page, &form), "covert"));
    let page = stranger().open("/.auth/login?rd=/only/x&switch=1");
    assert!(html(&page).contains("/login/covert"), "{:?}", page.answer);
    // by the browser that signed in with it last
    let mut al = stranger();
    let page = al.go("/.auth/signup/staff");
    al.finish_sign_up(&page, "al");
    assert!(al.session().is_some());
    al.sign_out();
    let page = al.open("/.auth/login");
    assert!(html(&page).contains("/login/staff?") && html(&page).contains("Last used"));
    let form = page.form_with("login").fill("login", "al@staff.example");
    let page = al.submit(&page, &form);
    assert!(page.form_with("password").action.ends_with("/login/staff"));
}

#[test]
fn the_shared_form_is_read_by_the_connection_of_the_domain() {
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .set("connections.staff.discovery", "private")
        .set("connections.staff.domains", list(&["example.com"]))
        .route(route("/").set("upstream", "builtin:demo"))
        .route(
            route("/members/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["members"])),
        );
    let mut sidecar = sidecar.start();
    let mut visitor = sidecar.visitor();
    let page = visitor.go("/.auth/signup/staff");
    visitor.finish_sign_up(&page, "al");
    sidecar.signed_up("bo");
    let mut al = sidecar.visitor();
    al.sign_in("/.auth/login", "al@example.com", PASSWORD);
    let me = al
        .me()
        .expect("the domain does not lead to the account")
        .to_string();
    assert!(me.contains("staff"), "{me}");
    // a name without a domain is the form's own
    let mut bo = sidecar.visitor();
    bo.sign_in("/.auth/login", "bo", PASSWORD);
    assert!(bo.me().unwrap().to_string().contains("members"));
    // where the other connection does not open the page, its domain says nothing
    let mut bo = sidecar.visitor();
    bo.sign_in("/.auth/login?rd=/members/x", "bo@example.com", PASSWORD);
    assert!(bo.me().unwrap().to_string().contains("members"));
    // whoever chose a connection is asked by that one
    let mut bo = sidecar.visitor();
    bo.sign_in("/.auth/login/members", "bo@example.com", PASSWORD);
    assert!(bo.me().unwrap().to_string().contains("members"));
    // until they come back to all ways in
    let mut bo = sidecar.visitor();
    let page = bo.open("/.auth/login/members");
    let others = links(&page.text())
        .into_iter()
        .find(|link| link.contains("/login?flow="))
        .unwrap();
    bo.sign_in(page.url.join(&others).unwrap().as_str(), "bo", PASSWORD);
    assert!(bo.session().is_some(), "the form is refused");
    // a form is for the settings it was made for, of each connection that may read it
    let mut late = sidecar.visitor();
    let page = late.open("/.auth/login");
    sidecar.change("connections.staff.display_name", "Something else");
    sidecar.write();
    sidecar.reload();
    let answer = late.try_password(&page, "al@example.com", PASSWORD);
    assert_eq!(answer.answer.status, 400, "{:?}", answer.answer);
    assert!(late.session().is_none());
}

#[test]
fn a_trial_is_of_the_connection_it_was_made_for() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &[])
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    sidecar.signed_up("alice");
    let trial = Trial::begin(&sidecar, "acme");
    let mut operator = sidecar.visitor();
    let page = operator.open(&trial.url);
    assert!(goes_to(&page, "acme"), "{:?}", page.answer);
    let state = state_of(&page);
    let flow = state.split_once('.').unwrap().0;
    let page = operator.open(&format!("/.auth/login?flow={flow}"));
    let answer = operator.try_password(&page, "alice", PASSWORD);
    assert_eq!(answer.answer.status, 400, "{:?}", answer.answer);
    assert!(operator.session().is_none());
    operator.open(&format!(
        "/.auth/callback/acme?error=access_denied&state={state}"
    ));
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "{report}");
    assert!(report.to_string().contains("acme"), "{report}");
}

#[test]
fn a_command_says_where_somebody_signs_in_and_why() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &["acme.example", "*.acme.example"]);
    let sidecar = to_a_provider(sidecar, "other", &["acme.example"]);
    let sidecar = to_a_provider(sidecar, "covert", &["covert.example"])
        .set("connections.covert.discovery", "private")
        .set("connections.covert.networks", list(&["10.0.0.0/8"]))
        .route(route("/").set("upstream", "builtin:demo"))
        .route(
            route("/other/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["other"])),
        )
        .route(
            route("/covert/")
                .set("upstream", "builtin:demo")
                .set("connections", list(&["covert"])),
        );
    sidecar.write();
    let find = |words: &[&str]| {
        let words = [&["connections", "find"], words, &["--json"]].concat();
        sidecar.cli_json(&words)
    };
    let found = find(&["Al@EU.Acme.Example"]);
    assert_eq!(found["domain"], "eu.acme.example");
    assert_eq!(found["rule"], "*.acme.example");
    assert_eq!(found["leads_to"], serde_json::json!(["acme"]));
    let found = find(&["al@acme.example"]);
    assert_eq!(found["rule"], "acme.example");
    assert_eq!(found["leads_to"], serde_json::json!(["acme", "other"]));
    let page = format!("{}/other/x", sidecar.origin());
    let found = find(&["al@acme.example", "--url", &page]);
    assert_eq!(found["leads_to"], serde_json::json!(["other"]));
    let page = format!("{}/covert/x", sidecar.origin());
    let found = find(&["al@covert.example", "--url", &page]);
    assert_eq!(found["preselected"], serde_json::json!(["covert"]));
    assert_eq!(found["leads_to"], serde_json::json!(["covert"]));
    let found = find(&["al@covert.example"]);
    assert_eq!(found["connections"][0]["name"], "covert");
    assert_eq!(found["connections"][0]["discovery"], "private");
    assert_eq!(found["leads_to"], serde_json::json!([]));
    assert_eq!(found["form"], "members");
    let found = find(&["al@covert.example", "--address", "10.1.2.3"]);
    assert_eq!(found["leads_to"], serde_json::json!(["covert"]));
    assert_eq!(found["preselected"], serde_json::json!(["covert"]));
    let text = sidecar.cli_ok(&["connections", "find", "al@acme.example"]);
    assert!(text.contains("a choice of acme, other"), "{text}");
    let text = sidecar.cli_ok(&["connections", "find", "CORP\\al"]);
    assert!(text.contains("the password form of members"), "{text}");
    let output = sidecar.cli(&["connections", "find", "al", "--url", "nothing"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_pages_fit_a_phone_and_a_desk() {
    let upstream = Upstream::start();
    let sidecar = to_a_provider(Sidecar::new(), "north", &["acme.example"]);
    let sidecar = to_a_provider(sidecar, "south", &["acme.example"])
        .without("connections.members")
        .set("connections.north.display_name", "Acme North")
        .set("connections.north.networks", list(&["127.0.0.0/8"]))
        .set(
            "connections.south.display_name",
            "Acme South, with a name that takes more than one line",
        )
        .set("connections.south.networks", list(&["127.0.0.0/8"]))
        .route(route("/").to(&upstream))
        .start();
    let browser = Browser::start();
    for width in [360, 1280] {
        let shoot = |name: &str| {
            browser.screenshot(&format!("discovery-{name}-{width}"));
            let wide = browser.script("return document.documentElement.scrollWidth > innerWidth");
            assert_eq!(wide, false, "{name} at {width}");
        };
        browser.screen(width, 800);
        browser.goto(&format!("{}/x#part", sidecar.origin()));
        browser.shows("There is more than one way from your network.");
        shoot("network");
        browser.click(".below a");
        browser.shows("E-mail address");
        browser
            .fill("#login", "somebody.with.a.long.name@nobody.example")
            .click("button[type=submit].primary");
        browser.shows("We do not know where you sign in.");
        shoot("neutral");
        browser
            .fill("#login", "somebody.with.a.long.name@acme.example")
            .click("button[type=submit].primary");
        browser.shows("There is more than one way for this address.");
        shoot("choice");
    }
    let console = browser.console();
    let faults = console
        .iter()
        .filter(|line| line.contains("Security Policy"));
    assert_eq!(faults.count(), 0, "{console:?}");
}

/// The requests above are as a browser's; this one is not of a page.
#[test]
fn nothing_is_preselected_for_what_no_login_can_answer() {
    let sidecar = to_a_provider(Sidecar::new(), "acme", &[])
        .set("connections.acme.networks", list(&["127.0.0.0/8"]))
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let url = sidecar.visitor().url("/private");
    let answer = sidecar.ask(&Request::get(&target(&url)).header("Accept", "application/json"));
    assert_eq!(answer.status, 401);
}
