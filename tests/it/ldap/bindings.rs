//! A Kerberos ticket that is tied to the TLS connection it comes by (RFC 5929 section 4).

use std::process::Command;

use openssl::hash::MessageDigest;
use tempfile::TempDir;
use toml::{Table, Value};

use super::directory;
use crate::support::{
    Sidecar, Slapd, Upstream, Visitor, free_port, h2,
    kerberos::{Kdc, Tickets},
    route,
    sidecar::list,
    tls::{Authority, Leaf, Tls},
};

const HOST: &str = "login.test";

/// A sidecar with TLS that takes tickets, and shows this certificate for its host and another one for
/// any other.
struct Site {
    sidecar: Sidecar,
    port: u16,
    authority: Authority,
    leaf: Leaf,
    other: Leaf,
    folder: TempDir,
    alice: Tickets,
    _centre: (Slapd, Kdc, Upstream),
}

impl Site {
    fn start(keys: &[(&str, Value)]) -> Self {
        let (slapd, kdc, upstream) = (Slapd::start(), Kdc::start(), Upstream::start());
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let leaf = authority.leaf(folder.path(), &[HOST]);
        let other = authority.leaf(folder.path(), &["other.test"]);
        let port = free_port();
        let mut kerberos = Table::new();
        let keytab = kdc.keytab("localhost");
        kerberos.insert("keytab".to_owned(), keytab.to_str().unwrap().into());
        kerberos.insert("networks".to_owned(), list(&["127.0.0.0/8"]));
        let files = [&other, &leaf].map(|leaf| {
            let mut files = Table::new();
            files.insert("cert".to_owned(), leaf.cert_file.to_str().unwrap().into());
            files.insert("key".to_owned(), leaf.key_file.to_str().unwrap().into());
            Value::Table(files)
        });
        let mut listener = Table::new();
        listener.insert("address".to_owned(), format!("127.0.0.1:{port}").into());
        listener.insert("tls".to_owned(), files.to_vec().into());
        let mut sidecar = directory(&slapd, &[("kerberos", Value::Table(kerberos))])
            .without("server.listen")
            .set("server.listeners", vec![Value::Table(listener)])
            .set("server.public_url", format!("https://{HOST}:{port}"))
            .route(route("/").to(&upstream));
        for (key, value) in keys {
            sidecar.change(key, value.clone());
        }
        Self {
            sidecar: sidecar.start(),
            port,
            authority,
            leaf,
            other,
            folder,
            alice: kdc.tickets("alice"),
            _centre: (slapd, kdc, upstream),
        }
    }

    /// Whether somebody new who shows this token is signed in; who is not has the form.
    #[track_caller]
    fn lets_in(&self, token: &str) -> bool {
        let origin = format!("https://{HOST}:{}", self.port);
        let mut visitor = Visitor::over(&origin, Tls::showing(&self.authority, None));
        let negotiate = format!("Negotiate {token}");
        visitor.extra.push(("Authorization".to_owned(), negotiate));
        // counts from a trusted proxy alone
        let address = ("X-Forwarded-For".to_owned(), "127.0.0.9".to_owned());
        visitor.extra.push(address);
        let page = visitor.open("/.auth/login/dir");
        let signed_in = visitor.session().is_some();
        if !signed_in {
            assert_eq!(page.answer.status, 200, "{page:?}");
            page.form_with("password");
        }
        signed_in
    }

    #[track_caller]
    fn lets_in_with(&self, binding: Option<&[u8]>) -> bool {
        self.lets_in(&self.alice.token(binding, false))
    }
}

/// What a browser knows that saw this certificate.
fn binding(leaf: &Leaf) -> Vec<u8> {
    let hash = leaf.certificate.digest(MessageDigest::sha256()).unwrap();
    [b"tls-server-end-point:".as_slice(), &hash].concat()
}

#[test]
fn a_ticket_is_taken_by_the_connection_it_was_made_for() {
    let site = Site::start(&[]);
    assert!(site.lets_in_with(Some(&binding(&site.leaf))));
    // made for the connection to somebody between; for another certificate of ours; for nothing
    let somebody = Authority::new().leaf(site.folder.path(), &["somebody.test"]);
    for wrong in [binding(&somebody), binding(&site.other), b"x".to_vec()] {
        assert!(!site.lets_in_with(Some(&wrong)), "{wrong:?}");
    }
    assert_eventually!(
        site.sidecar
            .output()
            .contains("Incorrect channel bindings were supplied")
    );
    // a browser that tells none
    assert!(site.lets_in_with(None));
    // one of Windows, that would have
    assert!(site.lets_in(&site.alice.token(Some(&binding(&site.leaf)), true)));
    assert!(!site.lets_in(&site.alice.token(None, true)));
}

#[test]
fn what_is_between_can_be_allowed() {
    let key = "connections.dir.kerberos.danger_ignore_channel_binding";
    let site = Site::start(&[(key, true.into())]);
    assert!(site.lets_in_with(Some(&binding(&site.other))));
    assert!(site.lets_in(&site.alice.token(None, true)));
}

#[test]
fn the_connection_of_a_trusted_proxy_is_not_the_visitors() {
    let site = Site::start(&[("server.trusted_proxies", list(&["127.0.0.0/8"]))]);
    assert!(site.lets_in_with(Some(&binding(&site.other))));
}

#[test]
fn over_http_2_it_is_the_same() {
    let site = Site::start(&[]);
    let status = |binding: &[u8]| {
        let stream = site.authority.connect(site.port, HOST, b"\x02h2");
        let authority = format!("{HOST}:{}", site.port);
        let negotiate = format!("Negotiate {}", site.alice.token(Some(binding), false));
        h2::Connection::new(stream).request(&[
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", authority.as_bytes()),
            (b":path", b"/.auth/login/dir"),
            (b"accept", b"text/html"),
            (b"authorization", negotiate.as_bytes()),
        ])
    };
    assert_eq!(status(&binding(&site.leaf)), h2::Outcome::Status(303));
    assert_eq!(status(&binding(&site.other)), h2::Outcome::Status(200));
}

/// Opens a session, resumes it, and shows a token; whether it was resumed, and the status.
const RESUME: &str = "
import socket, ssl, sys
port, host, authority, token = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=authority)
def ask(session, lines):
    tcp = socket.create_connection(('127.0.0.1', port))
    tls = context.wrap_socket(tcp, server_hostname=host, session=session)
    request = f'GET /.auth/login/dir HTTP/1.1\\r\\nHost: {host}\\r\\nAccept: text/html\\r\\n{lines}'
    tls.sendall((request + 'Connection: close\\r\\n\\r\\n').encode())
    answer = b''
    while part := tls.recv(65536):
        answer += part
    return tls.session, tls.session_reused, answer.split(b'\\r\\n')[0].decode()
session, _, _ = ask(None, '')
_, reused, status = ask(session, f'Authorization: Negotiate {token}\\r\\n')
print(reused, status.split()[1])
";

#[test]
fn a_resumed_session_is_of_the_same_certificate() {
    let site = Site::start(&[]);
    let authority = site.authority.file(site.folder.path());
    let resumed = |binding: &[u8]| {
        let done = Command::new("/usr/bin/python3")
            .args(["-c", RESUME, &site.port.to_string(), HOST])
            .arg(&authority)
            .arg(site.alice.token(Some(binding), false))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(resumed(&binding(&site.leaf)), "True 303\n");
    assert_eq!(resumed(&binding(&site.other)), "True 200\n");
}
