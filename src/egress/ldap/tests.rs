//! Directories that break the protocol, octet by octet: no real one does.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use rasn_ldap::Filter;

use super::{server::BadServer, *};
use crate::secret::Secret;

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    operation: Duration::from_millis(500),
};

/// A message of this protocol operation.
fn message(id: u8, tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut op = vec![tag, u8::try_from(contents.len()).unwrap()];
    op.extend_from_slice(contents);
    let mut message = vec![0x30, u8::try_from(op.len() + 3).unwrap(), 2, 1, id];
    message.extend(op);
    message
}

/// The result `code` and two empty texts.
fn result(code: u8) -> [u8; 7] {
    [0x0a, 1, code, 4, 0, 4, 0]
}

/// Answers what comes with these octets, one after the other, and then reads on to the end; what it
/// was sent comes back.
fn directory(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        for answer in answers {
            read(&mut stream, &mut seen);
            stream.write_all(&answer).unwrap();
        }
        _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
        _ = stream.read_to_end(&mut seen);
        seen
    });
    (url, served)
}

fn read(stream: &mut TcpStream, seen: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).unwrap();
    seen.extend_from_slice(&buffer[..read]);
}

async fn opened(url: &str, danger_plain: bool) -> Result<LdapStream, LdapError> {
    let server = Server::parse(url, danger_plain).unwrap();
    LdapStream::open(&server, &Tls::new(None).unwrap(), LIMITS).await
}

async fn bound(answer: Vec<u8>) -> Result<Said, LdapError> {
    let (url, _served) = directory(vec![answer]);
    let mut stream = opened(&url, true).await.unwrap();
    let password = Secret::new("secret".to_owned());
    stream.bind("cn=a,dc=x", &password).await
}

fn search(most: usize) -> Search<'static> {
    Search {
        base: "dc=x",
        scope: Scope::Subtree,
        filter: Filter::Present("cn".into()),
        attributes: &[],
        most,
    }
}

#[test]
fn a_server_is_an_ldap_url_and_plain_only_on_this_machine() {
    let parse = |text, plain| Server::parse(text, plain).map(|server| server.to_string());
    assert_eq!(
        parse("ldaps://LDAP.example.com", false).unwrap(),
        "ldaps://ldap.example.com:636"
    );
    assert_eq!(
        parse("ldap://localhost:1389/", true).unwrap(),
        "ldap://localhost:1389"
    );
    assert_eq!(parse("ldaps://[::1]", false).unwrap(), "ldaps://[::1]:636");
    assert_eq!(
        parse("ldap://ldap.example.com", true),
        Err(BadServer::NotLoopback)
    );
    for text in [
        "",
        "ldap.example.com",
        "https://a",
        "ldap://",
        "ldaps://a/dc=x",
        "ldaps://u:p@a",
        "ldaps://a?x",
        "ldapi:///run/slapd",
    ] {
        assert_eq!(parse(text, false), Err(BadServer::NoUrl), "{text}");
    }
    let secure = Server::parse("ldap://127.0.0.1", false).unwrap();
    assert_eq!(secure.security, server::Security::StartTls);
}

/// LDAP-5: without TLS nothing is said.
#[tokio::test]
async fn a_directory_that_does_not_start_tls_gets_no_password() {
    let (url, served) = directory(vec![message(1, 0x78, &result(53))]);
    let error = opened(&url, false).await.unwrap_err();
    assert!(matches!(error, LdapError::StartTls { .. }), "{error}");
    let seen = served.join().unwrap();
    assert!(seen.len() < 40, "{seen:x?}");
}

/// LDAP-5: what comes before the handshake does not count after it.
#[tokio::test]
async fn an_answer_before_the_handshake_is_none() {
    let mut both = message(1, 0x78, &result(0));
    both.extend(message(2, 0x61, &result(0)));
    let (url, _served) = directory(vec![both]);
    let error = opened(&url, false).await.unwrap_err();
    assert!(matches!(error, LdapError::Tls(_)), "{error}");
}

#[tokio::test]
async fn an_answer_to_another_question_is_none() {
    assert_eq!(
        bound(message(1, 0x61, &result(0))).await.unwrap().code,
        ResultCode::Success
    );
    for (why, answer) in [
        ("another number", message(2, 0x61, &result(0))),
        ("another operation", message(1, 0x65, &result(0))),
        ("no result", message(1, 0x61, &[])),
        ("a code that nobody knows", message(1, 0x61, &result(99))),
        (
            "no UTF-8",
            message(1, 0x61, &[0x0a, 1, 0, 4, 0, 4, 2, 0xff, 0xfe]),
        ),
    ] {
        let error = bound(answer).await.unwrap_err();
        assert!(matches!(error, LdapError::Unreadable(_)), "{why}: {error}");
    }
    // the notice of disconnection
    let error = bound(message(0, 0x78, &result(52))).await.unwrap_err();
    assert!(matches!(error, LdapError::Closed), "{error}");
}

#[tokio::test]
async fn what_is_no_message_or_too_long_ends_the_connection() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\n\r\n"[..],
        &[0x30, 0x80, 0, 0],
        &[0x30, 0x84, 0xff, 0, 0, 0],
    ] {
        let error = bound(answer.to_vec()).await.unwrap_err();
        assert!(matches!(error, LdapError::Frame(_)), "{error}");
    }
    // nested deeper than any stack
    let depth = 100_000;
    let mut nested = vec![0x30, 0x83, 0x03, 0x0d, 0x40];
    nested.extend(std::iter::repeat_n([0x30, 0x80], depth).flatten());
    let error = bound(nested).await.unwrap_err();
    assert!(
        matches!(error, LdapError::Frame(_) | LdapError::Unreadable(_)),
        "{error}"
    );
    // it ends in the middle
    let error = bound(message(1, 0x61, &result(0))[..8].to_vec())
        .await
        .unwrap_err();
    assert!(matches!(error, LdapError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn a_directory_that_dies_in_the_middle_of_a_bind_is_gone_and_another_may_do_better() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read(&mut stream, &mut Vec::new());
        let answer = message(1, 0x61, &result(0));
        stream.write_all(&answer[..answer.len() - 1]).unwrap();
    });
    let mut stream = opened(&url, true).await.unwrap();
    let password = Secret::new("secret".to_owned());
    let error = stream.bind("cn=a,dc=x", &password).await.unwrap_err();
    assert!(matches!(error, LdapError::Closed), "{error}");
    assert!(error.is_passing());
    served.join().unwrap();
}

/// LDAP-4: nobody goes where a directory sends them.
#[tokio::test]
async fn a_referral_is_not_followed() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let elsewhere = format!("ldap://127.0.0.1:{}/", canary.local_addr().unwrap().port());
    let url = elsewhere.as_bytes();
    let length = u8::try_from(url.len()).unwrap();
    let mut reference = vec![4, length];
    reference.extend_from_slice(url);
    let mut referral = result(10).to_vec();
    referral.extend([0xa3, length + 2]);
    referral.extend(&reference);
    let mut answers = message(1, 0x73, &reference);
    answers.extend(message(1, 0x65, &referral));
    let (url, _served) = directory(vec![answers]);
    let mut stream = opened(&url, true).await.unwrap();
    let error = stream.search(&search(1)).await.unwrap_err();
    assert!(matches!(error, LdapError::Referral), "{error}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(canary.accept().is_err(), "somebody followed it");
}

#[tokio::test]
async fn more_entries_than_were_asked_for_are_an_error() {
    let entry = message(1, 0x64, &[4, 4, b'c', b'n', b'=', b'a', 0x30, 0]);
    let done = message(1, 0x65, &result(0));
    let said = |times: usize| [entry.repeat(times), done.clone()].concat();
    for (times, fits) in [(0, true), (1, true), (2, false)] {
        let (url, _served) = directory(vec![said(times)]);
        let mut stream = opened(&url, true).await.unwrap();
        let found = stream.search(&search(1)).await;
        assert_eq!(found.is_ok(), fits, "{found:?}");
    }
}

#[tokio::test]
async fn a_directory_that_says_nothing_is_waited_for_and_not_longer() {
    let (url, _served) = directory(vec![]);
    let mut stream = opened(&url, true).await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = stream.search(&search(1)).await.unwrap_err();
    assert!(matches!(error, LdapError::TimedOut(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// A page with nothing on it and a cookie for the next, for ever.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the directory has a thread of its own"
)]
async fn pages_without_end_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut pages = 0;
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            pages += 1;
            let done = message(pages, 0x65, &result(0));
            let controls = b"\xa0\x25\x30\x23\x04\x161.2.840.113556.1.4.319\x04\x09\x30\x07\x02\x01\x00\x04\x02ok";
            let mut page = vec![0x30, u8::try_from(done.len() - 2 + controls.len()).unwrap()];
            page.extend_from_slice(&done[2..]);
            page.extend_from_slice(controls);
            if stream.write_all(&page).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        pages
    });
    let mut stream = opened(&url, true).await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = stream.search(&search(1)).await.unwrap_err();
    assert!(matches!(error, LdapError::TimedOut(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(stream);
    let pages = served.join().unwrap();
    assert!(pages > 3, "{pages} pages");
}

#[tokio::test]
async fn what_a_policy_says_must_be_readable() {
    let accepted = message(1, 0x61, &result(0));
    let control =
        b"\xa0\x25\x30\x23\x04\x191.3.6.1.4.1.42.2.27.8.5.1\x04\x06\x30\x04\x81\x01\x63\x00";
    let mut answer = vec![
        0x30,
        u8::try_from(accepted.len() - 2 + control.len()).unwrap(),
    ];
    answer.extend_from_slice(&accepted[2..]);
    answer.extend_from_slice(control);
    let error = bound(answer).await.unwrap_err();
    assert!(matches!(error, LdapError::Unreadable(_)), "{error}");
}

#[test]
fn an_attribute_with_options_is_another_one() {
    let attribute = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned().into()]);
    let entry = Entry {
        dn: "cn=a".to_owned(),
        attributes: vec![
            attribute("mail;lang-x", "other"),
            attribute("Mail", "own"),
            ("memberOf".to_owned(), Vec::new()),
            attribute("memberOf;range=0-1499", "cn=b"),
        ],
    };
    assert_eq!(entry.values("mail"), [&b"own"[..]]);
    assert_eq!(entry.values("memberof").len(), 0);
    assert!(entry.has_more("MemberOf") && !entry.has_more("mail"));
}
