//! The pages in a real browser, under their real policy.

use crate::support::{Browser, Sidecar, Upstream, route, visitor::PASSWORD};

fn demo() -> Sidecar {
    Sidecar::new()
        .route(route("/").set("upstream", "builtin:demo"))
        .start()
}

/// Signs up by clicking, from whatever page shows the login form.
fn sign_up(browser: &Browser, name: &str) {
    browser.click("a[href*='/signup/members']");
    browser.fill("#email", &format!("{name}@example.com"));
    browser.fill("#username", name);
    browser.fill("#password", PASSWORD);
    browser.click("button[type=submit]");
}

fn sign_in(browser: &Browser, name: &str) {
    browser
        .fill("#login", name)
        .fill("#password", PASSWORD)
        .click("button[type=submit].primary");
}

/// Nothing of ours broke our own policy or failed to load.
#[track_caller]
fn quiet(browser: &Browser) {
    let said: Vec<_> = browser
        .console()
        .into_iter()
        .filter(|line| !line.contains("favicon.ico"))
        .filter(|line| line.contains("Content Security Policy") || line.contains("Refused"))
        .collect();
    assert!(said.is_empty(), "the console says: {said:#?}");
}

#[test]
fn a_stranger_arrives_signs_up_and_signs_out() {
    let sidecar = demo();
    let browser = Browser::start();
    browser.goto(&format!("{}/private/page?x=1#part", sidecar.origin()));
    browser
        .arrives(&format!("{}/.auth/login", sidecar.origin()))
        .shows("Sign in");
    sign_up(&browser, "alice");
    browser.arrives(&format!("{}/private/page?x=1", sidecar.origin()));
    browser.shows("X-Forwarded-User").shows("members|");
    assert!(
        browser.url().ends_with("#part"),
        "the fragment is lost: {}",
        browser.url()
    );
    let session = browser
        .cookies()
        .into_iter()
        .find(|cookie| crate::support::visitor::is_session(cookie["name"].as_str().unwrap()));
    let session = session.expect("a session cookie");
    assert_eq!(
        (&session["httpOnly"], &session["sameSite"]),
        (&true.into(), &"Lax".into())
    );
    assert_eq!(browser.script("return document.cookie"), "");
    quiet(&browser);
    browser
        .goto(&format!("{}/.auth/account", sidecar.origin()))
        .shows("alice");
    browser
        .click("nav form button[type=submit]")
        .shows("signed out");
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser.arrives(&format!("{}/.auth/login", sidecar.origin()));
    browser.add_cookie(&session);
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser.arrives(&format!("{}/.auth/login", sidecar.origin()));
    quiet(&browser);
}

#[test]
fn a_user_name_passes_the_field_that_asks_for_a_domain() {
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set(
            "connections.staff.domains",
            vec![toml::Value::from("acme.example")],
        )
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    sidecar.signed_up("alice");
    let browser = Browser::start();
    browser.goto(&format!("{}/private", sidecar.origin()));
    browser
        .shows("E-mail address or username")
        .screenshot("identifier");
    // an e-mail field of the browser would not let it go
    browser
        .fill("#login", "alice")
        .click("button[type=submit].primary");
    browser
        .fill("#password", PASSWORD)
        .click("button[type=submit].primary");
    browser.arrives(&format!("{}/private", sidecar.origin()));
    quiet(&browser);
}

#[test]
fn a_way_to_sign_in_is_added_by_signing_in_with_it() {
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let mut staff = sidecar.visitor();
    let page = staff.go("/.auth/signup/staff");
    staff.finish_sign_up(&page, "al");
    let browser = Browser::start();
    browser.screen(1280, 1800);
    browser.goto(&format!("{}/.auth/account", sidecar.origin()));
    sign_up(&browser, "alice");
    browser.shows("Ways you sign in").screenshot("link-begin");
    browser.click("form:has(input[value=staff]) .way");
    sign_in(&browser, "al");
    browser
        .shows("Join the two accounts?")
        .screenshot("link-ask");
    browser.click("button[type=submit].primary");
    browser.shows("is added").screenshot("link-done");
    quiet(&browser);
}

#[test]
fn everything_works_without_scripts() {
    let sidecar = demo();
    let browser = Browser::start();
    browser.without_scripts();
    browser.goto(&format!("{}/private", sidecar.origin()));
    sign_up(&browser, "alice");
    browser.arrives(&format!("{}/private", sidecar.origin()));
    assert!(browser.text("body").contains("X-Forwarded-User"));
}

#[test]
fn two_tabs_and_two_hosts() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .route(route("/").host("wiki.localhost").to(&upstream))
        .route(route("/").host("git.localhost").to(&upstream))
        .start();
    let (wiki, git) = (
        sidecar.origin_of("wiki.localhost"),
        sidecar.origin_of("git.localhost"),
    );
    sidecar.signed_up("alice");
    let browser = Browser::start();
    browser.goto(&format!("{wiki}/first"));
    let (second, first) = browser.new_tab();
    browser.goto(&format!("{git}/second"));
    sign_in(&browser, "alice");
    browser
        .arrives(&format!("{git}/second"))
        .shows("upstream got GET /second");
    browser.turn_to(&first);
    sign_in(&browser, "alice");
    browser
        .arrives(&format!("{wiki}/first"))
        .shows("upstream got GET /first");
    browser.turn_to(&second);
    browser
        .goto(&format!("{wiki}/third"))
        .shows("upstream got GET /third");
    quiet(&browser);
}

#[test]
fn a_page_of_another_site_cannot_act_for_the_person() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream);
    let evil = Upstream::start();
    let browser = Browser::knowing(&["evil.test"]);
    browser.goto(&format!("{}/x", sidecar.origin()));
    sign_up(&browser, "alice");
    browser.shows("upstream got GET /x");
    let page = format!(
        "<form method=post action='{0}/.auth/logout'><input name=csrf value=x></form>\
         <iframe src='{0}/.auth/login'></iframe><img src='{0}/.auth/logout'>\
         <script>document.forms[0].submit()</script>",
        sidecar.origin()
    );
    evil.on("/", crate::support::Reply::html(&page));
    browser.goto(&format!("http://evil.test:{}/", evil.port()));
    browser.arrives(&sidecar.origin());
    browser
        .goto(&format!("{}/y", sidecar.origin()))
        .shows("upstream got GET /y");
    let socket = format!(
        "const done = arguments[0]; const s = new WebSocket('ws://localhost:{}/ws');\
         s.onopen = () => done('open'); s.onerror = () => done('refused');",
        sidecar.port
    );
    assert_eq!(browser.script_async(&socket), "open");
    evil.on("/", crate::support::Reply::html("<h1>evil</h1>"));
    browser
        .goto(&format!("http://evil.test:{}/", evil.port()))
        .shows("evil");
    assert_eq!(browser.script_async(&socket), "refused");
}

#[test]
fn pages_look_right_on_a_phone_and_on_a_desk_by_day_and_night() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.display_name", "Acme staff")
        .route(
            route("/denied")
                .to(&upstream)
                .allow(&["user.handle == 'nobody'"]),
        )
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    let browser = Browser::start();
    let origin = sidecar.origin();
    let shoot = |page: &str| {
        for (width, height) in [(360, 740), (1280, 800)] {
            for scheme in ["light", "dark"] {
                browser.screen(width, height).prefer(scheme);
                browser.screenshot(&format!("{page}-{width}-{scheme}"));
                let wide = browser.script("return document.documentElement.scrollWidth");
                assert!(
                    wide.as_u64().unwrap() <= u64::from(width),
                    "{page} is {wide} wide at {width}"
                );
            }
        }
        accessible(&browser, page);
    };
    browser.goto(&format!("{origin}/.auth/login"));
    shoot("login");
    browser.goto(&format!("{origin}/.auth/signup/members"));
    shoot("sign-up");
    browser.goto(&format!("{origin}/.auth/login"));
    sign_up(&browser, "alice");
    browser.goto(&format!("{origin}/"));
    shoot("demo");
    browser.goto(&format!("{origin}/.auth/account"));
    shoot("account");
    browser.goto(&format!("{origin}/denied"));
    shoot("denied");
    quiet(&browser);
}

/// Every control has a name, the page a language and one heading, and text stands out from what is
/// behind it by at least 4.5 to 1 (WCAG 2.2 §1.4.3).
#[track_caller]
fn accessible(browser: &Browser, page: &str) {
    let faults = browser.script(
        r"const faults = [];
        if (!document.documentElement.lang) faults.push('no language');
        if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
        for (const input of document.querySelectorAll('input:not([type=hidden]):not([hidden]), select, textarea')) {
          if (!input.labels.length && !input.getAttribute('aria-label')) faults.push('no label: ' + input.name);
        }
        for (const control of document.querySelectorAll('button, a')) {
          const name = control.textContent.trim() || control.getAttribute('aria-label');
          if (!name) faults.push('no name: ' + control.outerHTML);
        }
        const parts = text => (text.match(/[\d.]+/g) || []).map(Number);
        const light = ([r, g, b]) => {
          const part = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
          return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
        };
        const behind = element => {
          for (let at = element; at; at = at.parentElement) {
            const c = parts(getComputedStyle(at).backgroundColor);
            if (c.length === 3 || c[3] === 1) return c;
          }
          return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
        };
        for (const element of document.body.querySelectorAll('*')) {
          const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
          const style = getComputedStyle(element);
          if (!own || style.visibility === 'hidden' || !element.offsetParent || !style.color.startsWith('rgb')) continue;
          const [a, b] = [light(parts(style.color)), light(behind(element))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) faults.push(ratio.toFixed(2) + ': ' + element.textContent.trim().slice(0, 40));
        }
        return faults;",
    );
    assert_eq!(faults, serde_json::json!([]), "{page}");
}
