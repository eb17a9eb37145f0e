//! Applications as they come, behind the sidecar: they learn who is there from its header alone.

use std::time::Duration;

use crate::support::{
    Request, Sidecar, Visitor, apps,
    http::exchange,
    route,
    websocket::{self, masked_text},
};

/// A sidecar in front of an application that reads `X-Remote-User`.
fn before(app: &apps::App) -> Sidecar {
    let headers: toml::Table = [("X-Remote-User".to_owned(), "{handle}".into())]
        .into_iter()
        .collect();
    Sidecar::new()
        .route(
            route("/")
                .set("upstream", app.url())
                .set("headers", headers),
        )
        .start()
}

fn ask(sidecar: &Sidecar, who: &Visitor, request: Request) -> crate::support::Answer {
    let request = request
        .header("Cookie", &who.session().unwrap().pair())
        .header("X-Remote-User", "alice")
        .header("x_remote_user", "alice");
    exchange(
        sidecar.port,
        &format!("localhost:{}", sidecar.port),
        &request,
    )
}

#[test]
fn radicale_keeps_calendars_apart() {
    let radicale = apps::radicale();
    let sidecar = before(&radicale);
    let alice = sidecar.signed_up("alice");
    let bob = sidecar.signed_up("bob");
    let made = ask(&sidecar, &alice, Request::new("MKCALENDAR", "/alice/work/"));
    assert_eq!(made.status, 201, "{made:?}\n{}", radicale.output());
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n\
        DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nSUMMARY:Secret\r\nEND:VEVENT\r\n\
        END:VCALENDAR\r\n";
    let put = Request::new("PUT", "/alice/work/1.ics").body("text/calendar", event);
    assert_eq!(ask(&sidecar, &alice, put).status, 201);
    let find = || Request::new("PROPFIND", "/alice/work/").header("Depth", "1");
    assert_eq!(ask(&sidecar, &alice, find()).status, 207);
    let read = ask(&sidecar, &alice, Request::get("/alice/work/1.ics"));
    assert!(read.text().contains("Secret"), "{read:?}");
    let other = ask(&sidecar, &bob, Request::get("/alice/work/1.ics"));
    assert_eq!(other.status, 403, "{other:?}");
    assert_eq!(ask(&sidecar, &bob, find()).status, 403);
    assert_eq!(
        ask(&sidecar, &bob, Request::new("MKCALENDAR", "/bob/home/")).status,
        201
    );
    let anonymous = find().header("X-Remote-User", "alice");
    assert_eq!(sidecar.ask(&anonymous).status, 401);
}

#[test]
fn django_makes_the_users_it_is_told_of() {
    let django = apps::django();
    let sidecar = before(&django);
    let alice = sidecar.signed_up("alice");
    let bob = sidecar.signed_up("bob");
    for (who, name) in [(&alice, "alice"), (&bob, "bob")] {
        let told = ask(&sidecar, who, Request::get("/who")).expect(200).json();
        assert_eq!(told["user"], name, "{told}");
        let held = told["headers"].to_string();
        assert!(
            !held.contains(&who.session().unwrap().value),
            "our cookie arrived: {held}"
        );
    }
    let events = ask(&sidecar, &bob, Request::get("/sse?n=3")).expect(200);
    assert!(
        events
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(events.text().contains("data: bob 2"), "{events:?}");
    let admin = ask(&sidecar, &bob, Request::get("/admin/"));
    assert!([200, 302].contains(&admin.status), "{admin:?}");
    let big = Request::new("POST", "/who").body("text/plain", vec![b'x'; 1 << 20]);
    assert!(ask(&sidecar, &bob, big).status < 500);
}

#[test]
fn nginx_serves_files_and_large_bodies() {
    let nginx = apps::nginx();
    let sidecar = Sidecar::new()
        .route(
            route("/")
                .set("upstream", nginx.url())
                .public(&["/index.html"]),
        )
        .start();
    let page = sidecar.ask(&Request::get("/index.html")).expect(200);
    assert!(page.text().contains("nginx is here"));
    let mut alice = sidecar.signed_up("alice");
    let id = alice.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let echo = alice.fetch("/echo?x=1").expect(200).text();
    assert_eq!(echo, format!("user={id} uri=/echo?x=1\n"));
    assert_eq!(alice.fetch("/big.bin").expect(200).body.len(), 8 << 20);
    let part = Request::get("/big.bin")
        .header("Range", "bytes=10-19")
        .header("Cookie", &alice.session().unwrap().pair());
    assert_eq!(sidecar.ask(&part).expect(206).body.len(), 10);
    assert_eq!(alice.fetch("/none").status, 404);
}

#[test]
fn a_websocket_app_learns_who_speaks_and_the_stream_ends_with_the_session() {
    let app = apps::websocket();
    let sidecar = Sidecar::new()
        .route(route("/").set("upstream", app.url()))
        .start();
    let mut alice = sidecar.signed_up("alice");
    let id = alice.me().unwrap()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut raw = sidecar.raw();
    let opening = websocket::opening("/", &sidecar.origin())
        .header("Cookie", &alice.session().unwrap().pair())
        .header("X-Forwarded-User", "mallory");
    raw.send(opening.bytes(&format!("localhost:{}", sidecar.port)));
    assert_eq!(raw.answer("GET").unwrap().status, 101, "{}", app.output());
    raw.send(masked_text("hi"));
    let most = Duration::from_secs(5);
    assert_eq!(
        websocket::frame(&mut raw, most),
        Some((1, format!("{id}: hi").into_bytes()))
    );
    alice.sign_out();
    assert!(raw.ends_within(most), "the stream lives on");
}
