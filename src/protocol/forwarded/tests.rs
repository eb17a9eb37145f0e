use super::*;

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn found(
    trusted: &[&str],
    peer: &str,
    lines: &[(HeaderName, &str)],
) -> Result<ClientFacts, ForwardedError> {
    let trusted = TrustedProxies::parse(trusted.iter().copied()).unwrap();
    let host = HostPort::parse("app.test:8080").unwrap();
    let arrival = Arrival {
        peer: peer.parse().ok(),
        scheme: Scheme::Http,
        host: &host,
    };
    ClientFacts::find(&trusted, arrival, &headers(lines))
}

fn address(trusted: &[&str], peer: &str, lines: &[(HeaderName, &str)]) -> String {
    match found(trusted, peer, lines).unwrap().address {
        Some(address) => address.to_string(),
        None => "none".to_owned(),
    }
}

const TEN: &[&str] = &["10.0.0.0/8", "fd00::/8"];

#[test]
fn a_stranger_is_never_believed() {
    for trusted in [&[] as &[&str], TEN, &["unix"]] {
        let facts = found(
            trusted,
            "203.0.113.9",
            &[
                (FOR, "127.0.0.1"),
                (PROTO, "https"),
                (HOST, "evil.test"),
                (PORT, "443"),
                (FORWARDED, "for=127.0.0.1;proto=https;host=evil.test"),
            ],
        )
        .unwrap();
        assert_eq!(facts.address.unwrap().to_string(), "203.0.113.9");
        assert_eq!(facts.scheme, Scheme::Http);
        assert_eq!(facts.host.to_string(), "app.test:8080");
        assert!(!facts.by_trusted_proxy && facts.hops.is_empty());
    }
}

#[test]
fn the_walk_goes_from_the_right_and_stops_at_the_first_stranger() {
    for (entries, client) in [
        ("198.51.100.7", "198.51.100.7"),
        ("127.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.9.9.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("198.51.100.7, fd00::1", "198.51.100.7"),
        ("198.51.100.7, ::ffff:10.0.0.2", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7,, ,", "198.51.100.7"),
        // no address: the last good hop stands
        ("198.51.100.7, unknown", "10.0.0.1"),
        ("198.51.100.7, _hidden", "10.0.0.1"),
        ("198.51.100.7, garbage, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.7, 10.0.0.256", "10.0.0.1"),
        ("198.51.100.7, 010.0.0.2", "10.0.0.1"),
        ("198.51.100.7, 10.0.0.2:", "10.0.0.1"),
        ("198.51.100.7, 10.0.0.2:0x50", "10.0.0.1"),
        ("198.51.100.7, [10.0.0.2]", "10.0.0.1"),
        ("198.51.100.7, [::1", "10.0.0.1"),
        ("198.51.100.7, fe80::1%eth0", "10.0.0.1"),
        ("198.51.100.7, ä", "10.0.0.1"),
        ("", "10.0.0.1"),
    ] {
        assert_eq!(
            address(TEN, "10.0.0.1", &[(FOR, entries)]),
            client,
            "{entries}"
        );
        assert_eq!(
            address(TEN, "::ffff:10.0.0.1", &[(FOR, entries)]),
            client,
            "{entries}"
        );
    }
    let lines = [(FOR, "127.0.0.1"), (FOR, "198.51.100.7, 10.0.0.2")];
    assert_eq!(address(TEN, "10.0.0.1", &lines), "198.51.100.7");
    let lines = [(FOR, "198.51.100.7"), (FOR, "10.0.0.2")];
    assert_eq!(address(TEN, "10.0.0.1", &lines), "198.51.100.7");
}

#[test]
fn a_list_without_end_is_not_walked_to_its_end() {
    let long = vec!["10.0.0.2"; 5000].join(",");
    let facts = found(TEN, "10.0.0.1", &[(FOR, &long)]).unwrap();
    assert_eq!(facts.hops.len(), MOST_HOPS);
}

#[test]
fn a_unix_socket_is_trusted_by_its_word_only() {
    let lines = [(FOR, "198.51.100.7, 10.0.0.2")];
    assert_eq!(address(TEN, "", &lines), "none");
    assert_eq!(address(&["unix", "10.0.0.0/8"], "", &lines), "198.51.100.7");
    assert_eq!(address(&["unix"], "", &lines), "10.0.0.2");
    assert_eq!(address(&["unix"], "10.0.0.1", &lines), "10.0.0.1");
}

#[test]
fn forwarded_is_read_the_same_way_when_the_older_family_is_silent() {
    for (line, client) in [
        ("for=198.51.100.7", "198.51.100.7"),
        ("for=127.0.0.1, for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("for=198.51.100.7, For=10.0.0.2;proto=https", "198.51.100.7"),
        ("for=198.51.100.7, for=unknown", "10.0.0.1"),
        ("for=198.51.100.7, for=_x", "10.0.0.1"),
        ("for=198.51.100.7, proto=https", "10.0.0.1"),
        ("for=198.51.100.7, for=\"", "10.0.0.1"),
    ] {
        assert_eq!(
            address(TEN, "10.0.0.1", &[(FORWARDED, line)]),
            client,
            "{line}"
        );
    }
    // a visitor's broken line does not reach into the proxy's
    let lines = [
        (FORWARDED, "for=127.0.0.1;x=\""),
        (FORWARDED, "for=10.0.0.2"),
    ];
    assert_eq!(address(TEN, "10.0.0.1", &lines), "10.0.0.2");
    let lines = [
        (FOR, "198.51.100.7"),
        (FORWARDED, "for=127.0.0.1;host=evil.test"),
    ];
    let facts = found(TEN, "10.0.0.1", &lines).unwrap();
    assert_eq!(facts.address.unwrap().to_string(), "198.51.100.7");
    assert_eq!(facts.host.to_string(), "app.test:8080");
    let lines = [(PROTO, "https"), (FORWARDED, "for=127.0.0.1")];
    assert_eq!(address(TEN, "10.0.0.1", &lines), "10.0.0.1");
}

#[test]
fn scheme_and_host_are_the_nearest_proxys() {
    let facts = found(
        TEN,
        "10.0.0.1",
        &[
            (PROTO, "http"),
            (PROTO, "http, HTTPS"),
            (HOST, "evil.test, Wiki.Test:443"),
        ],
    )
    .unwrap();
    assert_eq!(facts.scheme, Scheme::Https);
    assert_eq!(facts.host.to_string(), "wiki.test");
    let line = "host=evil.test;proto=http, host=\"wiki.test:8443\";proto=https";
    let facts = found(TEN, "10.0.0.1", &[(FORWARDED, line)]).unwrap();
    assert_eq!(facts.scheme, Scheme::Https);
    assert_eq!(facts.host.to_string(), "wiki.test:8443");
    for (lines, host) in [
        (&[(HOST, "a.test"), (PORT, "8443")] as &[_], "a.test:8443"),
        (&[(HOST, "a.test"), (PORT, "80")], "a.test"),
        (&[(HOST, "a.test:81"), (PORT, "8443")], "a.test:81"),
        (&[(HOST, ""), (PROTO, "")], "app.test:8080"),
        (&[(PROTO, "wss"), (HOST, "a.test:443")], "a.test"),
    ] {
        assert_eq!(
            found(TEN, "10.0.0.1", lines).unwrap().host.to_string(),
            host
        );
    }
}

#[test]
fn nonsense_from_a_trusted_proxy_is_an_error() {
    use ForwardedError as E;
    for (lines, error) in [
        ([(PROTO, "gopher")], E::Scheme),
        ([(HOST, "a b")], E::Host(HostError::Space)),
        ([(HOST, "u@evil.test")], E::Host(HostError::Userinfo)),
        ([(PORT, "0")], E::Host(HostError::BadPort)),
        ([(HOST, "ä.test")], E::NotText),
        ([(FORWARDED, "host=\"a/b\"")], E::Host(HostError::NotAName)),
        ([(FORWARDED, "proto=x")], E::Scheme),
    ] {
        assert_eq!(found(TEN, "10.0.0.1", &lines), Err(error), "{lines:?}");
        assert!(error.code().starts_with("forwarded_"));
    }
}

fn sent(facts: &ClientFacts) -> Vec<(String, String)> {
    let mut sent = Vec::new();
    facts.outgoing(|name, value| {
        sent.push((name.to_string(), value.to_str().unwrap().to_owned()));
    });
    sent.sort();
    let names = sent.len();
    sent.dedup_by(|(one, _), (other, _)| one == other);
    assert_eq!(names, sent.len(), "each name once");
    sent
}

#[test]
fn one_consistent_set_goes_on() {
    let lines = [
        (FOR, "1.1.1.1, 2001:db8::7, fd00::2"),
        (PROTO, "https"),
        (HOST, "wiki.test"),
    ];
    let expected =
        |list: [(HeaderName, &str); 6]| list.map(|(n, v)| (n.to_string(), v.to_owned())).to_vec();
    assert_eq!(
        sent(&found(TEN, "10.0.0.1", &lines).unwrap()),
        expected([
            (
                FORWARDED,
                "for=\"[2001:db8::7]\";host=wiki.test;proto=https, for=\"[fd00::2]\", for=10.0.0.1"
            ),
            (FOR, "2001:db8::7, fd00::2, 10.0.0.1"),
            (HOST, "wiki.test"),
            (PORT, "443"),
            (PROTO, "https"),
            (REAL_IP, "2001:db8::7"),
        ])
    );
    assert_eq!(
        sent(&found(&[], "10.0.0.1", &lines).unwrap()),
        expected([
            (FORWARDED, "for=10.0.0.1;host=\"app.test:8080\";proto=http"),
            (FOR, "10.0.0.1"),
            (HOST, "app.test:8080"),
            (PORT, "8080"),
            (PROTO, "http"),
            (REAL_IP, "10.0.0.1"),
        ])
    );
    let sent = sent(&found(&[], "", &[]).unwrap());
    assert_eq!(sent[0].1, "for=unknown;host=\"app.test:8080\";proto=http");
    assert_eq!(sent.len(), 4);
}

#[test]
fn what_is_sent_is_read_back() {
    let lines = [
        (FOR, "198.51.100.7"),
        (PROTO, "https"),
        (HOST, "wiki.test:8443"),
    ];
    let first = found(TEN, "10.0.0.1", &lines).unwrap();
    let (mut older, mut newer) = (HeaderMap::new(), HeaderMap::new());
    first.outgoing(|name, value| {
        let to = if name == FORWARDED {
            &mut newer
        } else {
            &mut older
        };
        to.insert(name, value);
    });
    let trusted = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
    let arrival = Arrival {
        peer: Some("10.0.0.9".parse().unwrap()),
        scheme: Scheme::Http,
        host: &HostPort::parse("inner.test").unwrap(),
    };
    let next = ClientFacts::find(&trusted, arrival, &older).unwrap();
    assert_eq!(
        (next.address, next.scheme, &next.host),
        (first.address, first.scheme, &first.host)
    );
    let next = ClientFacts::find(&trusted, arrival, &newer).unwrap();
    assert_eq!(next.address, first.address);
}

#[test]
fn the_list_of_proxies_is_read_strictly() {
    for bad in ["", "10.0.0.0/33", "all", "UNIX", "10.0.0", "a.test"] {
        assert_eq!(TrustedProxies::parse(["10.0.0.1", bad]), Err(bad));
    }
    let trusted = TrustedProxies::parse(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]).unwrap();
    assert!(trusted.contains("10.1.2.3".parse().ok()));
    assert!(trusted.contains("::ffff:192.0.2.1".parse().ok()));
    assert!(!trusted.contains("11.0.0.1".parse().ok()));
    assert!(!trusted.contains(None));
}
