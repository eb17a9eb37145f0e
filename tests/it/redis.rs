//! Sessions in Redis: a restart, an outage, and two processes that are one to a browser.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    Answer, Request, Sidecar, Upstream, Visitor,
    http::exchange,
    redis::{Redis, Wire},
    route,
    visitor::{Cookie, PASSWORD},
};

fn in_redis(redis: &Redis, upstream: &Upstream) -> Sidecar {
    Sidecar::new()
        .set("session.store", redis.url())
        .route(route("/").to(upstream))
}

#[test]
fn a_session_outlives_the_program_and_ends_when_it_is_revoked() {
    let (redis, upstream) = (Redis::start(), Upstream::start());
    let mut sidecar = in_redis(&redis, &upstream).start();
    let mut alice = sidecar.signed_up("alice");
    let mut bob = sidecar.signed_up("bob");
    assert!(redis.cli(&["keys", "{vestibule}:s:*"]).lines().count() == 2);
    sidecar.kill9();
    sidecar.start_again();
    assert!(alice.me().is_some() && bob.me().is_some());
    let list = sidecar.cli_json(&["sessions", "list", "--json"]);
    assert!(
        list.to_string().contains("alice") || list.to_string().contains("members|"),
        "{list}"
    );
    sidecar.cli_ok(&["sessions", "revoke", "--user", "alice"]);
    assert!(alice.me().is_none(), "alice's session lives on");
    assert!(bob.me().is_some());
    // A person signs out and in again.
    bob.sign_out();
    assert!(bob.me().is_none());
    bob.sign_in("/.auth/login", "bob", PASSWORD);
    assert!(bob.me().is_some());
    // Commands work without the program, too.
    sidecar.stop();
    sidecar.cli_ok(&["sessions", "revoke", "--all"]);
    sidecar.start_again();
    assert!(bob.me().is_none());
    let log = sidecar.log();
    let cookie = bob.session().map(|cookie| cookie.value.clone());
    assert!(cookie.is_none_or(|value| !log.contains(&value)));
}

#[test]
fn what_is_counted_and_asked_for_lies_where_the_settings_say() {
    let (redis, upstream) = (Redis::start(), Upstream::start());
    for (counters, is_there) in [("store", true), ("memory", false)] {
        redis.cli(&["flushall"]);
        let sidecar = in_redis(&redis, &upstream)
            .set("protection.counters", counters)
            .start();
        let mut alice = sidecar.signed_up("alice");
        alice.sign_out();
        alice.sign_in("/.auth/login", "alice", "a wrong password");
        assert!(alice.me().is_none());
        let counted = redis.cli(&["keys", "{vestibule}:n:login*"]);
        assert_eq!(!counted.is_empty(), is_there, "{counters}: {counted}");
        let file = sidecar.path("data/vestibule.db");
        let rows = std::process::Command::new("sqlite3")
            .arg(file)
            .arg("SELECT COUNT(*) FROM counters")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&rows.stdout).trim(), "0");
        // A budget ends all the same.
        for _ in 0..12 {
            alice.sign_in("/.auth/login", "alice", "a wrong password");
        }
        alice.sign_in("/.auth/login", "alice", PASSWORD);
        let throttled = sidecar.log().contains("throttled");
        assert!(throttled, "{counters}: nobody was throttled");
    }
}

#[test]
fn a_server_that_is_not_there_or_unfit_stops_the_start_with_clear_words() {
    let (mut redis, upstream) = (Redis::start(), Upstream::start());
    let sidecar = in_redis(&redis, &upstream);
    redis.cli(&["config", "set", "maxmemory-policy", "volatile-lru"]);
    redis.cli(&["config", "set", "maxmemory", "50mb"]);
    let refused = |sidecar: &Sidecar, words: &str| {
        for output in [sidecar.refused(), sidecar.cli(&["check", "--online"])] {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success());
            assert!(
                said.contains("session.store") && said.contains(words),
                "{said}"
            );
        }
    };
    refused(&sidecar, "noeviction");
    redis.cli(&["config", "set", "requirepass", "hush-hush"]);
    refused(&sidecar, "uthentication");
    let with_password = format!("redis://:hush-hush@127.0.0.1:{}", redis.port);
    let sidecar = sidecar.set("session.store", with_password);
    refused(&sidecar, "noeviction");
    redis.kill9();
    refused(&sidecar, &redis.port.to_string());
    // It needs no network to see that the file is sound.
    sidecar.cli_ok(&["check"]);
    let output = sidecar.refused();
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("hush-hush"));
    // Off the loopback in plain text, and a table without its use.
    let plain = in_redis(&redis, &upstream).set("session.store", "redis://10.0.0.1");
    let refused = String::from_utf8(plain.refused().stderr).unwrap();
    assert!(
        refused.contains("config.toml:") && refused.contains("danger_plain_redis"),
        "{refused}"
    );
    let table = Sidecar::new().set("session.redis.prefix", "x");
    let refused = String::from_utf8(table.route(route("/").to(&upstream)).refused().stderr);
    assert!(refused.unwrap().contains("session.redis"));
}

#[test]
fn an_outage_under_load_lets_nobody_in_and_ends_by_itself() {
    let (mut redis, upstream) = (Redis::start(), Upstream::start());
    let sidecar = in_redis(&redis, &upstream)
        .set("session.stale_for", "1s")
        .start();
    let mut alice = sidecar.signed_up("alice");
    let origin = sidecar.origin();
    let stop = AtomicBool::new(false);
    let signed = thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|thread| {
                let (origin, stop) = (&origin, &stop);
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let (origin, name) = (origin.clone(), format!("user-{thread}-{number}"));
                        // a page that says that it cannot be done has no form to go on with
                        let signed = std::panic::catch_unwind(move || {
                            let mut visitor = Visitor::new(&origin);
                            visitor.sign_up("/.auth/login", &name);
                            visitor
                        });
                        done.extend(signed.ok().filter(|visitor| visitor.session().is_some()));
                    }
                    done
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        redis.kill9();
        // A session in the cache goes on for a while, and then nobody can say.
        assert_eventually!(alice.fetch("/x").status == 503);
        let stranger = sidecar.visitor().open("/.auth/login");
        assert!(stranger.answer.status < 500, "{stranger:?}");
        assert!(sidecar.metric("vestibule_store_errors_total") > 0.0);
        redis.start_again();
        assert_eventually!(
            alice.fetch("/x").status == 200,
            "{}",
            sidecar.log_about("storage")
        );
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::SeqCst);
        load.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(!signed.is_empty(), "nobody signed up in time");
    for mut visitor in signed {
        assert!(
            visitor.me().is_some(),
            "a session that was answered for is lost"
        );
    }
}

/// Two processes with one storage and one Redis; the second has a wire of its own to it.
struct Replicas {
    one: Sidecar,
    two: Sidecar,
    wire: Wire,
    redis: Redis,
    upstream: Upstream,
}

impl Replicas {
    fn start() -> Self {
        let (redis, upstream) = (Redis::start(), Upstream::start());
        let one = in_redis(&redis, &upstream)
            .set("session.stale_for", "2s")
            .route(route("/").host("wiki.localhost").to(&upstream))
            .start();
        let wire = Wire::to(redis.port);
        let text = |path: &str| one.path(path).to_str().unwrap().to_owned();
        let mut secret = toml::Table::new();
        secret.insert("file".to_owned(), text("data/secret").into());
        let two = in_redis(&redis, &upstream)
            .set("session.store", format!("redis://127.0.0.1:{}", wire.port))
            .set("session.stale_for", "2s")
            .set("server.public_url", one.origin())
            .set("server.secret", secret)
            .set(
                "storage.url",
                format!("sqlite://{}", text("data/vestibule.db")),
            )
            .route(route("/").host("wiki.localhost").to(&upstream))
            .start();
        Self {
            one,
            two,
            wire,
            redis,
            upstream,
        }
    }

    /// What `visitor`'s request gets at the second process: a balancer could have sent it there.
    fn at_two(&self, visitor: &Visitor, host: &str, request: &Request) -> Answer {
        let cookies = visitor.jar.iter().filter(|cookie| cookie.host == host);
        let cookies: Vec<_> = cookies.map(Cookie::pair).collect();
        let request = request.clone().header("Cookie", &cookies.join("; "));
        let authority = format!("{host}:{}", self.one.port);
        exchange(self.two.port, &authority, &request)
    }

    fn status_at_two(&self, visitor: &Visitor) -> u16 {
        let request = Request::get("/x").header("Accept", "application/json");
        self.at_two(visitor, "localhost", &request).status
    }
}

#[test]
fn one_login_serves_both_and_what_was_used_at_one_is_refused_by_the_other() {
    let replicas = Replicas::start();
    let one = &replicas.one;
    let alice = one.signed_up("alice");
    assert_eq!(replicas.status_at_two(&alice), 200);
    assert_eq!(replicas.upstream.last().target(), "/x");

    // A login that was begun at one ends at the other, and is over then at both.
    let mut again = one.visitor();
    let page = again.go("/.auth/login");
    let form = page.form_with("password");
    let form = form.fill("login", "alice").fill("password", PASSWORD);
    let target = page.url.join(&form.action).unwrap();
    let posted = Request::new("POST", &crate::support::visitor::target(&target))
        .header("Accept", "text/html")
        .header("Origin", &one.origin())
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Site", "same-origin")
        .body("application/x-www-form-urlencoded", form.body());
    let has_session = |answer: &Answer| {
        answer.all("set-cookie").iter().any(|line| {
            let (name, rest) = line.split_once('=').unwrap();
            crate::support::visitor::is_session(name) && !rest.starts_with(';')
        })
    };
    let before = again.clone();
    let first = replicas.at_two(&before, "localhost", &posted);
    assert!(has_session(&first), "{first:?}");
    let replayed = again.submit(&page, &form);
    assert!(!has_session(&replayed.answer), "{replayed:?}");
    let replayed = replicas.at_two(&before, "localhost", &posted);
    assert!(!has_session(&replayed), "{replayed:?}");

    // A ticket for another host.
    let wiki = one.origin_of("wiki.localhost");
    let mut alice = alice;
    let mut page = alice.open(&format!("{wiki}/x"));
    while !page.answer.location().contains("/.auth/handover?ticket") {
        page = alice.open(page.url.join(page.answer.location()).unwrap().as_str());
    }
    let ticket = page.url.join(page.answer.location()).unwrap();
    let redeem = Request::navigation(&crate::support::visitor::target(&ticket));
    let before = alice.clone();
    let redeemed = replicas.at_two(&before, "wiki.localhost", &redeem);
    assert!(has_session(&redeemed), "{redeemed:?}");
    let again = alice.open(ticket.as_str());
    assert!(!has_session(&again.answer), "{again:?}");
}

#[test]
fn a_revocation_reaches_the_other_process_whatever_was_cut_in_between() {
    let mut replicas = Replicas::start();
    let people = ["alice", "bob", "carol", "dave"].map(|name| replicas.one.signed_up(name));
    let [alice, bob, carol, dave] = people;
    for visitor in [&alice, &bob, &carol, &dave] {
        assert_eq!(replicas.status_at_two(visitor), 200);
    }
    let revoke = |replicas: &Replicas, name: &str| {
        replicas.one.cli_ok(&["sessions", "revoke", "--user", name]);
    };
    revoke(&replicas, "alice");
    assert_eventually!(replicas.status_at_two(&alice) == 401);
    assert_eq!(replicas.status_at_two(&bob), 200);

    // Only the other's feed is cut: it stops to believe its cache, and hears of it afterwards.
    replicas.wire.cut();
    revoke(&replicas, "bob");
    assert_eventually!(replicas.status_at_two(&bob) == 503);
    assert_eq!(replicas.status_at_two(&carol), 503);
    replicas.wire.mend();
    assert_eventually!(replicas.status_at_two(&carol) == 200);
    assert_eq!(replicas.status_at_two(&bob), 401);

    // Redis does not answer for a while.
    replicas.redis.signal("STOP");
    assert_eventually!(replicas.status_at_two(&carol) == 503);
    replicas.redis.signal("CONT");
    assert_eventually!(replicas.status_at_two(&carol) == 200);
    revoke(&replicas, "carol");
    assert_eventually!(replicas.status_at_two(&carol) == 401);

    // It is killed and comes back.
    replicas.redis.kill9();
    assert_eventually!(replicas.status_at_two(&dave) == 503);
    replicas.redis.start_again();
    assert_eventually!(replicas.status_at_two(&dave) == 200);
    assert_eq!(replicas.status_at_two(&alice), 401);
    assert_eventually!({
        let revoked = ["sessions", "revoke", "--user", "dave"];
        replicas.one.cli(&revoked).status.success()
    });
    assert_eventually!(replicas.status_at_two(&dave) == 401);
}
