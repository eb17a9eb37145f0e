//! Changing the configuration of a running sidecar.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    Raw, Request, Sidecar, Upstream, Visitor,
    http::exchange,
    process::free_port,
    route,
    tls::{Authority, Leaf},
    visitor::PASSWORD,
};

#[test]
fn a_reload_under_load_fails_no_request() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let cookie = sidecar.signed_up("alice").session().unwrap().pair();
    let port = sidecar.port;
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = thread::scope(|scope| {
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut failed = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let request = Request::get("/x").header("Cookie", &cookie);
                        let answer = exchange(port, &format!("localhost:{port}"), &request);
                        sent.fetch_add(1, Ordering::SeqCst);
                        if answer.status != 200 {
                            failed.push(answer);
                        }
                    }
                    failed
                })
            })
            .collect();
        for number in 0..5 {
            sidecar.change(
                "connections.members.display_name",
                format!("Members {number}"),
            );
            sidecar.write();
            sidecar.reload();
        }
        stop.store(true, Ordering::SeqCst);
        load.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        failed.is_empty(),
        "{} of {sent:?} failed: {failed:?}",
        failed.len()
    );
    assert!(sent.load(Ordering::SeqCst) > 50);
}

#[test]
fn a_changed_file_is_taken_up_by_itself() {
    let (old, new) = (Upstream::start(), Upstream::start());
    let mut sidecar = Sidecar::new()
        .route(route("/").to(&old).public(&["/**"]))
        .start();
    sidecar.ask(&Request::get("/x")).expect(200);
    sidecar.config.remove("routes");
    let sidecar = sidecar.route(route("/").to(&new).public(&["/**"]));
    sidecar.write();
    assert_eventually!({
        sidecar.ask(&Request::get("/x"));
        new.hits() > 0
    });
    // it is counted when all of it is done, a moment after the swap
    assert_eventually!(sidecar.metric("vestibule_config_reloads_total{result=\"done\"}") >= 1.0);
}

#[test]
fn a_broken_file_leaves_the_last_good_one() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let failed = "vestibule_config_reloads_total{result=\"failed\"}";
    let before = sidecar.metric(failed);
    sidecar.write_text("[server]\nlisten = [\"127.0.0.1:1\"]\nbroken");
    sidecar.process().signal("HUP");
    assert_eventually!(
        sidecar.metric(failed) > before,
        "{}",
        sidecar.log_about("WARN")
    );
    assert_eq!(sidecar.ask(&Request::get("/x")).status, 401);
    sidecar.write();
    sidecar.reload();
}

#[test]
fn a_reload_is_an_audit_event() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let counted = |sidecar: &Sidecar, kind: &str| {
        sidecar.metric(&format!("vestibule_events_total{{event=\"{kind}\"}}"))
    };
    sidecar.process().signal("HUP");
    assert_eventually!(counted(&sidecar, "config-reloaded") >= 1.0);
    assert!(sidecar.log_about("config-reloaded").contains("\"signal\""));
    sidecar.write_text("broken");
    assert_eventually!(counted(&sidecar, "config-refused") >= 1.0);
    let line = sidecar.log_about("config-refused");
    assert!(line.contains("file-changed"), "{line}");
}

#[test]
fn what_needs_a_restart_is_said_and_not_done() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.change("storage.url", "sqlite://data/other.db");
    sidecar.write();
    sidecar.process().signal("HUP");
    assert_eventually!(
        sidecar.output().contains("restart"),
        "{}",
        sidecar.log_about("WARN")
    );
    assert!(!sidecar.path("data/other.db").exists());
    assert_eq!(sidecar.ask(&Request::get("/x")).status, 401);
}

#[test]
fn a_removed_connection_ends_its_sessions() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::new()
        .set("connections.staff.strategy", "database")
        .set("connections.staff.signup", true)
        .route(route("/").to(&upstream))
        .start();
    let mut member = sidecar.signed_up("alice");
    let mut staff = sidecar.visitor();
    let page = staff.go("/.auth/signup/staff");
    staff.finish_sign_up(&page, "bob");
    assert!(staff.me().is_some());
    sidecar.config["connections"]
        .as_table_mut()
        .unwrap()
        .remove("staff");
    sidecar.write();
    sidecar.reload();
    let fetch = |visitor: &mut Visitor| visitor.fetch("/x").status;
    assert_eventually!(fetch(&mut staff) == 401);
    assert_eq!(fetch(&mut member), 200);
}

#[test]
fn a_login_of_a_changed_connection_starts_again() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let (mut visitor, mut stranger) = (sidecar.visitor(), sidecar.visitor());
    let login = visitor.go("/wanted");
    let sign_up = stranger.go("/.auth/signup/members?rd=/wanted");
    sidecar.change("connections.members.display_name", "People");
    sidecar.write();
    sidecar.reload();
    let lost = visitor.try_password(&login, "alice", PASSWORD);
    let lost_too = stranger.submit_sign_up(&sign_up, "bob");
    for (who, lost) in [(&visitor, &lost), (&stranger, &lost_too)] {
        assert_eq!(lost.answer.status, 400, "{lost:?}");
        assert!(who.session().is_none());
    }
    let again = crate::support::forms::links(&lost.text());
    let again = again.iter().find(|way| way.starts_with("/.auth/login"));
    visitor.sign_in(again.unwrap(), "alice", PASSWORD);
    assert_eq!(upstream.last().target(), "/wanted");
}

#[test]
fn a_login_goes_on_when_another_connection_changes() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    sidecar.signed_up("alice");
    let mut unchanged = sidecar.visitor();
    let page = unchanged.go("/.auth/login");
    sidecar.change("connections.staff.strategy", "database");
    sidecar.write();
    sidecar.reload();
    unchanged.try_password(&page, "alice", PASSWORD);
    assert!(
        unchanged.session().is_some(),
        "a connection that did not change lost its flow"
    );
}

#[test]
fn a_websocket_lives_through_a_reload() {
    use crate::support::websocket::{frame, masked_text, opening};
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::before(&upstream);
    let cookie = sidecar.signed_up("alice").session().unwrap().pair();
    let mut raw = sidecar.raw();
    let request = opening("/ws", &sidecar.origin()).header("Cookie", &cookie);
    raw.send(request.bytes(&format!("localhost:{}", sidecar.port)));
    assert_eq!(raw.answer("GET").unwrap().status, 101);
    sidecar.change("connections.members.display_name", "New");
    sidecar.write();
    sidecar.reload();
    raw.send(masked_text("still"));
    assert_eq!(
        frame(&mut raw, Duration::from_secs(5)),
        Some((1, b"still".to_vec()))
    );
}

#[test]
fn the_authority_of_an_application_is_followed() {
    let upstream_folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let leaf = authority.leaf(upstream_folder.path(), &["app.internal"]);
    let upstream = Upstream::start_tls(authority.acceptor(&leaf, false));
    let plain = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    // somebody else's, and only named after the start
    let ca = Authority::new().file(folder.path());
    let mut sidecar = Sidecar::new()
        .route(route("/").to(&plain).public(&["/**"]))
        .start();
    sidecar.config.remove("routes");
    let mut tls = toml::Table::new();
    tls.insert("ca".into(), ca.display().to_string().into());
    tls.insert("server_name".into(), "app.internal".into());
    let mut sidecar = sidecar.route(
        route("/")
            .set("upstream", format!("https://127.0.0.1:{}", upstream.port()))
            .set("upstream_tls", tls)
            .public(&["/**"]),
    );
    sidecar.write();
    sidecar.reload();
    assert_eq!(sidecar.ask(&Request::get("/x")).status, 502);
    authority.file(folder.path());
    assert_eventually!(
        sidecar.ask(&Request::get("/x")).status == 200,
        "{}",
        sidecar.log_about("config")
    );
    // a connection that is still open is not used when it would not be made any more
    sidecar.ask(&Request::get("/x")).expect(200);
    assert!(upstream.open() > 0, "no connection is kept");
    Authority::new().file(folder.path());
    assert_eventually!(sidecar.ask(&Request::get("/x")).status == 502);
}

#[test]
fn the_authority_of_client_certificates_is_followed() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (ours, others) = (Authority::new(), Authority::new());
    let server = ours.leaf(folder.path(), &["a.test"]);
    let before = ours.leaf(folder.path(), &["before"]);
    let after = others.leaf(folder.path(), &["after"]);
    let port = free_port();
    let text = |path: &std::path::Path| toml::Value::from(path.display().to_string());
    let mut pair = toml::Table::new();
    pair.insert("cert".into(), text(&server.cert_file));
    pair.insert("key".into(), text(&server.key_file));
    let mut listener = toml::Table::new();
    listener.insert("address".into(), format!("127.0.0.1:{port}").into());
    listener.insert("tls".into(), vec![toml::Value::Table(pair)].into());
    listener.insert("client_ca".into(), text(&ours.file(folder.path())));
    let sidecar = Sidecar::new()
        .without("server.listen")
        .set("server.listeners", vec![toml::Value::Table(listener)])
        .set("server.public_url", format!("https://a.test:{port}"))
        .route(route("/").to(&upstream).public(&["/**"]))
        .start();
    let passes = |who: &Leaf| {
        let mut raw = Raw::over(Box::new(ours.connect_as(Some(who), port, "a.test", b"")));
        raw.send(Request::get("/x").bytes(&format!("a.test:{port}")));
        raw.answer("GET").is_some_and(|answer| answer.status == 200)
    };
    assert_eq!((passes(&before), passes(&after)), (true, false));
    others.file(folder.path());
    assert_eventually!(passes(&after), "{}", sidecar.log_about("certificate"));
    assert!(!passes(&before));
    // what is broken does not replace it
    std::fs::write(folder.path().join("authority.crt"), "no certificate").unwrap();
    assert_eventually!(sidecar.log().contains("holds no PEM certificate"));
    assert_eq!((passes(&before), passes(&after)), (false, true));
}
