//! Servers that go away, come back, forget, and hand over to others.

use super::*;

#[tokio::test]
async fn a_silent_server_is_an_error_in_time_and_comes_back() {
    let server = Server::redis(&[]).await;
    let redis = opened(Servers::One(address(server.port))).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    server.signal("STOP");
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let redis = redis.clone();
            tokio::spawn(async move { redis.find(id(1)).await })
        })
        .collect();
    for task in tasks {
        let found = task.await.unwrap();
        assert!(
            matches!(found, Err(StoreError::Unavailable(_))),
            "{found:?}"
        );
    }
    server.signal("CONT");
    assert!(found_again(&redis, 1).await);
    // It is the same run of the same server: nobody has missed anything.
    assert!(matches!(
        redis.since(0, 10).await.unwrap(),
        Changes::Listed { .. }
    ));
}

/// Whether a session is there, once the server is.
async fn found_again(redis: &Redis, number: u8) -> bool {
    for _ in 0..100 {
        if let Ok(found) = redis.find(id(number)).await {
            return found.is_some();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server was never found again");
}

#[tokio::test]
async fn a_server_that_was_killed_keeps_what_is_on_its_disk_and_tells_of_a_gap() {
    let mut server = Server::redis(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let options = options(Servers::One(address(server.port)));
    let one = open(options.clone()).await.unwrap().0;
    let other = open(options).await.unwrap().0;
    assert_eq!(one.issue(login(1)).await.unwrap(), Issued::Issued);
    let used = conformance::first(Purpose::Answer, 1);
    assert!(one.first_use(used.clone()).await.unwrap());
    let seen = other.newest().await.unwrap();
    server.kill();
    let away = one.find(id(1)).await;
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    server.start_again().await;
    assert!(found_again(&one, 1).await);
    assert!(!one.first_use(used).await.unwrap());
    // Whatever was lost with it, every follower starts anew.
    let told = other.since(seen, 10).await.unwrap();
    assert!(
        matches!(told, Changes::Gap { newest } if newest > seen),
        "{told:?}"
    );
    // and once is enough
    let Changes::Gap { newest } = told else {
        unreachable!()
    };
    let told = other.since(newest, 10).await;
    let settled = one.newest().await.unwrap();
    assert!(told.is_ok() && settled >= newest);
    let told = one.since(settled, 10).await.unwrap();
    assert_eq!(
        told,
        Changes::Listed {
            changes: vec![],
            newest: settled
        }
    );
}

#[tokio::test]
async fn data_that_were_flushed_are_a_gap_however_much_has_come_since() {
    let server = Server::redis(&[]).await;
    let options = options(Servers::One(address(server.port)));
    let one = open(options.clone()).await.unwrap().0;
    let follower = open(options.clone()).await.unwrap().0;
    assert_eq!(one.issue(login(1)).await.unwrap(), Issued::Issued);
    assert!(one.remove(id(1), None).await.unwrap());
    let seen = follower.newest().await.unwrap();
    server.cli(&["flushall"]);
    // Somebody who knows nothing of the past makes more changes than there were.
    let newcomer = open(options).await.unwrap().0;
    for number in 1..=5 {
        assert_eq!(newcomer.issue(login(number)).await.unwrap(), Issued::Issued);
        assert!(newcomer.remove(id(number), None).await.unwrap());
    }
    let told = follower.since(seen, 10).await.unwrap();
    assert!(matches!(told, Changes::Gap { .. }), "{told:?}");
}

#[tokio::test]
async fn logins_go_on_at_the_replica_that_takes_over() {
    let mut master = Server::redis(&[]).await;
    let replica = replica(&master).await;
    let sentinel = sentinel(&master).await;
    // The sentinel learns of the replica from the master.
    while !sentinel
        .cli(&["sentinel", "replicas", "sessions"])
        .contains(&replica.port.to_string())
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let redis = open(Options {
        wait_for_replicas: 1,
        ..options(behind(&sentinel))
    });
    let redis = redis.await.unwrap().0;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    let used = conformance::first(Purpose::Answer, 1);
    assert!(redis.first_use(used.clone()).await.unwrap());
    let seen = redis.newest().await.unwrap();
    master.kill();
    assert!(
        found_again(&redis, 1).await,
        "the session was lost with the master"
    );
    // What waited for the replica is used there too.
    let again = redis.first_use(used).await;
    assert!(!again.unwrap(), "what was used once is new again");
    assert!(matches!(
        redis.since(seen, 10).await.unwrap(),
        Changes::Gap { .. }
    ));
    // Nobody acknowledges any more: a login that could be lost does not count.
    let alone = redis.issue(login(2)).await;
    assert!(
        matches!(alone, Err(StoreError::Unavailable(_))),
        "{alone:?}"
    );
    // Without that wish it goes on.
    let mut options = redis.links.options.clone();
    options.wait_for_replicas = 0;
    let redis = open(options).await.unwrap().0;
    assert_eq!(redis.issue(login(3)).await.unwrap(), Issued::Issued);
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left() {
    let first = Server::redis(&[]).await;
    let second = replica(&first).await;
    let sentinel = sentinel(&first).await;
    while !sentinel
        .cli(&["sentinel", "replicas", "sessions"])
        .contains(&second.port.to_string())
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let redis = opened(behind(&sentinel)).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    // Both stay up, and the connection to the first one stays open: it serves on for seconds. A
    // sentinel refuses while it has not yet heard how the replica is.
    let named = || sentinel.cli(&["sentinel", "get-master-addr-by-name", "sessions"]);
    let to = second.port.to_string();
    for _ in 0..200 {
        if named().contains(&to) {
            break;
        }
        let tried = sentinel.cli(&["sentinel", "failover", "sessions"]);
        let began = tried.contains("OK") || tried.contains("INPROG");
        let pause = if began { 3000 } else { 100 };
        for _ in 0..pause / 100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if named().contains(&to) {
                break;
            }
        }
    }
    assert!(named().contains(&to));
    for _ in 0..50 {
        if redis
            .links
            .get()
            .await
            .is_ok_and(|link| link.address.port == second.port)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first_is = first.cli(&["info", "replication"]);
    assert!(
        first_is.contains("role:master"),
        "it was left only when it refused"
    );
    assert_eq!(redis.issue(login(2)).await.unwrap(), Issued::Issued);
    while !first.cli(&["info", "replication"]).contains("role:slave") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(redis.list(&Whose::All, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_became_a_replica_refuses_until_it_is_a_master_again() {
    let (server, other) = (Server::redis(&[]).await, Server::redis(&[]).await);
    let redis = opened(Servers::One(address(server.port))).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    server.cli(&["replicaof", "127.0.0.1", &other.port.to_string()]);
    let refused = redis.issue(login(2)).await.unwrap_err();
    let said = crate::problem::causes(&refused);
    assert!(said.contains("no master"), "{said}");
    server.cli(&["replicaof", "no", "one"]);
    assert_eq!(redis.issue(login(3)).await.unwrap(), Issued::Issued);
}

#[tokio::test]
async fn the_slot_of_a_dead_node_comes_back_with_it() {
    let mut nodes = cluster().await;
    let seeds = nodes.iter().map(|node| address(node.port)).collect();
    let redis = opened(Servers::Cluster(seeds)).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    let port = redis.links.get().await.unwrap().address.port;
    let node = nodes.iter_mut().find(|node| node.port == port).unwrap();
    node.kill();
    let away = redis.find(id(1)).await;
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    node.start_again().await;
    // Nothing of it was on a disk.
    assert!(!found_again(&redis, 1).await);
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
}

#[tokio::test]
async fn a_full_server_refuses_whole_logins_and_says_so() {
    let server = Server::redis(&["--maxmemory", "100mb"]).await;
    let redis = opened(Servers::One(address(server.port))).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    server.cli(&["config", "set", "maxmemory", "1"]);
    let mut new = login(2);
    new.uses = vec![conformance::first(Purpose::Answer, 1)];
    let full = redis.issue(new.clone()).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    // Who is in stays in, and the login can be tried again: nothing of it was used.
    assert!(redis.find(id(1)).await.unwrap().is_some());
    server.cli(&["config", "set", "maxmemory", "100mb"]);
    assert_eq!(redis.issue(new).await.unwrap(), Issued::Issued);
}

#[tokio::test]
async fn what_ran_out_while_nobody_was_there_is_let_go() {
    let server = Server::redis(&[]).await;
    let redis = opened(Servers::One(address(server.port))).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    assert_eq!(redis.issue(login(2)).await.unwrap(), Issued::Issued);
    // The server has forgotten the session, and not yet what points at it.
    let front = format!("{{{}}}", redis.links.options.prefix);
    server.cli(&["del", &format!("{front}:s:{}", id(1))]);
    let handle = conformance::handle(1, 1, "a.example").hash;
    assert_eq!(redis.load(&handle).await.unwrap(), None);
    assert!(!redis.remove(id(1), None).await.unwrap());
    let user = Whose::User(conformance::session(1, "alice").user);
    assert_eq!(redis.list(&user, 10).await.unwrap().len(), 1);
    assert_eq!(redis.remove_all(&user, None).await.unwrap(), 1);
    let keys = server.cli(&["keys", &format!("{front}:u:*")]);
    assert_eq!(keys, "");
}

#[tokio::test]
async fn the_feed_is_bounded() {
    let server = Server::redis(&[]).await;
    let redis = opened(Servers::One(address(server.port))).await;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    let front = format!("{{{}}}", redis.links.options.prefix);
    // As many as it keeps, by the quick way.
    let fill = "for i = 1, 65536 do redis.call('RPUSH', KEYS[1] .. ':changes', '1 user a|b') end \
                return redis.call('HINCRBY', KEYS[1] .. ':feed', 'last', 65536)";
    let last: u64 = server.cli(&["eval", fill, "1", &front]).parse().unwrap();
    assert!(matches!(
        redis.since(0, 1).await.unwrap(),
        Changes::Listed { .. }
    ));
    assert!(redis.remove(id(1), None).await.unwrap());
    let newest = last + 1;
    assert_eq!(redis.since(0, 1).await.unwrap(), Changes::Gap { newest });
    let told = redis.since(last, 10).await.unwrap();
    let changes = vec![Change::Session(id(1))];
    assert_eq!(told, Changes::Listed { changes, newest });
}
