//! Who is let in, and by what way; and what is refused.

use super::*;
use crate::{
    problem::{Problem, causes},
    store::redis::options::Tls,
};

/// Why a server is not taken, in all its words.
async fn refusal(options: Options) -> String {
    let error = open(options).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    causes(&error)
}

#[tokio::test]
async fn a_user_of_the_server_needs_the_right_password_and_only_our_keys() {
    let rule = "user vestibule on >right-secret ~{mine}* +@all -@dangerous +info";
    let server = Server::redis(&[]).await;
    let mut words = vec!["acl", "setuser"];
    words.extend(rule.split(' ').skip(1));
    server.cli(&words);
    server.cli(&["acl", "setuser", "default", "off"]);
    let with = |password: &str, prefix: &str| Options {
        login: Login {
            username: Some("vestibule".to_owned()),
            password: Some(Secret::new(password.to_owned())),
        },
        prefix: prefix.to_owned(),
        ..options(Servers::One(address(server.port)))
    };
    let redis = open(with("right-secret", "mine")).await.unwrap().0;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    assert!(redis.remove(id(1), None).await.unwrap());

    let wrong = refusal(with("wrong-secret", "mine")).await;
    assert!(
        wrong.contains("127.0.0.1") && !wrong.contains("wrong-secret"),
        "{wrong}"
    );
    let other = refusal(with("right-secret", "other")).await;
    assert!(other.contains("permission"), "{other}");
    let nobody = refusal(options(Servers::One(address(server.port)))).await;
    assert!(nobody.contains("uthentication"), "{nobody}");
    let shown = format!("{:?}", with("right-secret", "mine"));
    assert!(!shown.contains("right-secret"), "{shown}");
}

#[tokio::test]
async fn a_server_that_hides_its_settings_is_used_and_each_connection_is_a_gap() {
    let server = Server::redis(&[]).await;
    server.cli(&["acl", "setuser", "default", "-info", "-config"]);
    let options = options(Servers::One(address(server.port)));
    let one = open(options.clone()).await.unwrap().0;
    let newest = one.newest().await.unwrap();
    assert_eq!(one.issue(login(1)).await.unwrap(), Issued::Issued);
    open(options).await.unwrap();
    let told = one.since(newest, 10).await.unwrap();
    assert!(matches!(told, Changes::Gap { .. }), "{told:?}");
    assert!(one.find(id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_forgets_keys_is_refused() {
    let settings = ["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Server::redis(&settings).await;
    let refused = refusal(options(Servers::One(address(server.port)))).await;
    assert!(
        refused.contains("allkeys-lru") && refused.contains("noeviction"),
        "{refused}"
    );
    // Where memory has no limit there is nothing to forget for.
    server.cli(&["config", "set", "maxmemory", "0"]);
    opened(Servers::One(address(server.port))).await;
}

#[tokio::test]
async fn what_is_no_master_or_not_there_is_refused() {
    let master = Server::redis(&[]).await;
    let replica = replica(&master).await;
    let refused = refusal(options(Servers::One(address(replica.port)))).await;
    assert!(refused.contains("no master"), "{refused}");
    let nobody = servers::free_port();
    let refused = refusal(options(Servers::One(address(nobody)))).await;
    assert!(refused.contains(&nobody.to_string()), "{refused}");
    let sentinel = sentinel(&master).await;
    let refused = refusal(options(Servers::Sentinels {
        addresses: vec![address(nobody), address(sentinel.port)],
        master: "other".to_owned(),
        login: Login::default(),
    }))
    .await;
    assert!(
        refused.contains("other") && refused.contains(&nobody.to_string()),
        "{refused}"
    );
}

fn openssl(folder: &std::path::Path, words: &str) {
    let output = std::process::Command::new("openssl")
        .current_dir(folder)
        .args(words.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{words}: {output:?}");
}

#[tokio::test]
async fn over_tls_both_sides_show_certificates() {
    let keys = tempfile::tempdir().unwrap();
    let folder = keys.path();
    for authority in ["ca", "stranger"] {
        let words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=AUTHORITY -keyout \
                     AUTHORITY.key -out AUTHORITY.crt";
        openssl(folder, &words.replace("AUTHORITY", authority));
    }
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1").unwrap();
    for name in ["server", "client"] {
        let words = "req -newkey rsa:2048 -nodes -subj /CN=NAME -keyout NAME.key -out NAME.csr";
        openssl(folder, &words.replace("NAME", name));
        let words = "x509 -req -in NAME.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                     -extfile san -out NAME.crt";
        openssl(folder, &words.replace("NAME", name));
    }
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let server = Server::redis(&[
        "--port",
        "0",
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
    ])
    .await;
    let with = |ca: &str, identity: bool, host: &str| Options {
        tls: Some(Tls {
            ca: Some(folder.join(ca)),
            identity: identity.then(|| (folder.join("client.crt"), folder.join("client.key"))),
        }),
        ..options(Servers::One(Address {
            host: host.to_owned(),
            port: server.port,
        }))
    };
    let redis = open(with("ca.crt", true, "127.0.0.1")).await.unwrap().0;
    assert_eq!(redis.issue(login(1)).await.unwrap(), Issued::Issued);
    // No certificate of ours, an authority that did not sign theirs, another name, a file that is
    // not there, and no TLS.
    for wrong in [
        with("ca.crt", false, "127.0.0.1"),
        with("stranger.crt", true, "127.0.0.1"),
        with("ca.crt", true, "localhost"),
        with("missing.crt", true, "127.0.0.1"),
        options(Servers::One(address(server.port))),
    ] {
        let refused = refusal(wrong.clone()).await;
        assert!(
            refused.contains("127.0.0.1")
                || refused.contains("localhost")
                || refused.contains("missing"),
            "{wrong:?}: {refused}"
        );
    }
}

/// What a table comes to.
fn built(text: &str) -> Result<Options, Vec<Problem>> {
    let config: Config = toml::from_str(text).unwrap();
    config.build(None)
}

/// Tables, the keys that are wrong in them, and a part of what is said.
const REFUSED: &[(&str, &str, &str)] = &[
    ("", "session.store", "not said where"),
    (
        "url = \"redis://localhost\"\ncluster = [\"redis://localhost\"]",
        "session.redis",
        "more than one",
    ),
    (
        "url = \"redis://10.0.0.1\"",
        "session.redis.url",
        "plain text",
    ),
    (
        "cluster = [\"rediss://a\", \"redis://10.0.0.1\"]",
        "session.redis.cluster[1]",
        "plain text",
    ),
    (
        "cluster = [\"rediss://a\", \"redis://localhost\"]",
        "session.redis.cluster",
        "one or the other",
    ),
    (
        "cluster = [\"rediss://u:p@a\"]",
        "session.redis.cluster[0]",
        "says more",
    ),
    (
        "cluster = [\"rediss://a/1\"]",
        "session.redis.cluster[0]",
        "says more",
    ),
    (
        "cluster = [\"rediss://a\"]\ndatabase = 1",
        "session.redis.database",
        "one database",
    ),
    (
        "url = \"rediss://a\"\ndatabase = 1",
        "session.redis.database",
        "in its URL",
    ),
    (
        "url = \"rediss://a\"\nmaster = \"m\"",
        "session.redis.master",
        "sentinels only",
    ),
    (
        "sentinels = [\"rediss://a\"]",
        "session.redis.sentinels",
        "none is named",
    ),
    (
        "url = \"rediss://u:p@a\"\npassword = \"q\"",
        "session.redis.password",
        "keep one",
    ),
    ("url = \"http://a\"", "session.redis.url", "neither with"),
    ("url = \"rediss://a/x\"", "session.redis.url", "number"),
    (
        "url = \"rediss://a/1?protocol=3\"",
        "session.redis.url",
        "mean nothing",
    ),
    (
        "url = \"rediss://a/#insecure\"",
        "session.redis.url",
        "mean nothing",
    ),
    ("url = \"redis:///1\"", "session.redis.url", "no host"),
    (
        "url = \"rediss://a\"\ncertificate = \"c\"",
        "session.redis.certificate",
        "without its key",
    ),
    (
        "url = \"rediss://a\"\nkey = \"c\"",
        "session.redis.key",
        "without its cert",
    ),
    (
        "url = \"redis://localhost\"\nca = \"c\"",
        "session.redis.ca",
        "without TLS",
    ),
    (
        "url = \"rediss://a\"\nprefix = \"a{b\"",
        "session.redis.prefix",
        "1 to 64",
    ),
    (
        "url = \"rediss://a\"\nprefix = \"\"",
        "session.redis.prefix",
        "1 to 64",
    ),
    (
        "url = \"rediss://a\"\nwait_for_replicas = 17",
        "session.redis.wait_for_replicas",
        "0 to 16",
    ),
];

#[test]
fn one_of_three_ways_is_said_with_what_goes_with_it() {
    let one = built("url = \"rediss://us%20er:p%40ss@cache.example:7000/3\"").unwrap();
    assert_eq!(
        one.servers,
        Servers::One(Address {
            host: "cache.example".to_owned(),
            port: 7000
        })
    );
    assert_eq!(one.login.username.as_deref(), Some("us er"));
    assert!(one.login.password.as_ref().unwrap().matches("p@ss"));
    assert!(one.database == 3 && one.tls.is_some() && one.prefix == "vestibule");
    let plain = built("url = \"redis://[::1]\"\npassword = \"x\"").unwrap();
    assert!(plain.tls.is_none() && plain.login.password.is_some());
    let cluster =
        built("cluster = [\"rediss://a:1\", \"rediss://b:2\"]\nusername = \"v\"").unwrap();
    assert!(matches!(&cluster.servers, Servers::Cluster(nodes) if nodes.len() == 2));
    let sentinels = "sentinels = [\"redis://127.0.0.1:1\"]\nmaster = \"m\"\nsentinel_password = \
                     \"s\"\ndatabase = 2";
    let sentinels = built(sentinels).unwrap();
    assert_eq!(sentinels.database, 2);

    for (text, key, words) in REFUSED {
        let problems = built(text).unwrap_err();
        let found = problems
            .iter()
            .any(|one| one.key == *key && one.message.contains(words));
        assert!(found, "{text}: {problems:?}");
    }
    assert!(built("url = \"redis://10.0.0.1\"\ndanger_plain_redis = true").is_ok());
    let told = format!(
        "{:?}",
        built("url = \"redis://u:hush-hush@10.0.0.1/z\"").unwrap_err()
    );
    assert!(!told.contains("hush-hush"), "{told}");
}
