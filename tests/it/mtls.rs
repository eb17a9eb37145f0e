//! Signing in by a client certificate: shown in the handshake, at an origin of its own, or by the
//! word of a proxy where TLS ends.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use openssl::{
    asn1::Asn1Time,
    base64::encode_block,
    ec::EcKey,
    pkey::PKey,
    ssl::{SslConnector, SslMethod, SslVersion},
    x509::X509,
};
use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::{
    Browser, Page, Raw, Request, Sidecar, Upstream, Visitor, apps,
    client_certificates::{Issuer, Says},
    free_port,
    h2::{Connection, Outcome},
    route,
    tls::{Authority, Leaf, Tls},
    trial::Trial,
};

const HOST: &str = "login.test";
const LOGIN: &str = "/.auth/login/card?rd=%2Fx";

/// A sidecar with TLS, and an authority whose people it lets in.
struct Site {
    upstream: Upstream,
    folder: TempDir,
    /// Who has certified the server.
    server: Authority,
    issuer: Issuer,
    sidecar: Sidecar,
    /// The port of `public_url`.
    port: u16,
    /// The port where certificates are asked for.
    asking: u16,
}

/// How a listener asks.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Everybody,
    /// At another port, and nothing else happens there.
    AtItsOrigin,
}

impl Site {
    fn new(asks: Asks) -> Self {
        Self::with(asks, |_, sidecar| sidecar)
    }

    fn with(asks: Asks, more: impl FnOnce(&Parts, Sidecar) -> Sidecar) -> Self {
        let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
        let (server, issuer) = (Authority::new(), Issuer::new("Acme People"));
        let leaf = server.leaf(folder.path(), &[HOST, "wiki.test"]);
        let port = free_port();
        let mut listeners = vec![listener(port, &leaf)];
        let mut asking = port;
        if asks == Asks::Everybody {
            listeners[0].insert("client_certificates".into(), "ask".into());
        } else {
            asking = free_port();
            let mut other = listener(asking, &leaf);
            other.insert("serves".into(), "certificate_login".into());
            listeners.push(other);
        }
        let listeners: Vec<Value> = listeners.into_iter().map(Value::Table).collect();
        let mut sidecar = Sidecar::new()
            .without("server.listen")
            .set("server.listeners", listeners)
            .set("server.public_url", format!("https://{HOST}:{port}"))
            .set("connections.card.strategy", "mtls")
            .set("connections.card.ca", text(&issuer.file(folder.path())))
            .set("connections.card.trust_email", "always")
            .route(route("/").to(&upstream))
            .route(route("/open").to(&upstream).public(&["/**"]));
        if asks == Asks::AtItsOrigin {
            let origin = format!("https://{HOST}:{asking}");
            sidecar = sidecar.set("connections.card.origin", origin);
        }
        let parts = Parts {
            folder: folder.path().to_owned(),
            issuer,
        };
        let sidecar = more(&parts, sidecar).start();
        Self {
            upstream,
            folder,
            server,
            issuer: parts.issuer,
            sidecar,
            port,
            asking,
        }
    }

    fn issue(&self, says: &Says) -> Leaf {
        self.issuer.issue(self.folder.path(), says)
    }

    fn origin(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// Somebody new who shows this to whoever asks.
    fn visitor(&self, who: Option<&Leaf>) -> Visitor {
        Visitor::over(&self.origin(), Tls::showing(&self.server, who))
    }

    /// Signs in by this certificate; where that ended.
    fn sign_in(&self, who: &Leaf) -> (Visitor, Page) {
        let mut visitor = self.visitor(Some(who));
        let page = visitor.go(LOGIN);
        (visitor, page)
    }

    /// That this certificate lets nobody in, and what the log says why.
    #[track_caller]
    fn refuses(&self, who: &Leaf, status: u16, why: &str) {
        let (mut visitor, page) = self.sign_in(who);
        assert_eq!(page.answer.status, status, "{why}: {}", page.text());
        assert_eq!(visitor.me(), None, "{why}");
        let shown = page.text();
        assert!(!shown.contains(why), "the visitor is told: {why}");
        assert!(
            self.sidecar.log().contains(why),
            "{why}: {}",
            self.sidecar.log_about("let somebody not in")
        );
    }

    /// That this certificate signs in, as a control.
    #[track_caller]
    fn takes(&self, who: &Leaf) {
        let (_, page) = self.sign_in(who);
        assert_eq!(
            page.answer.status,
            200,
            "{}\n{}",
            page.text(),
            self.sidecar.log_about("connection")
        );
        assert_eq!(page.url.path(), "/x");
    }
}

/// What a test may build on before the sidecar runs.
struct Parts {
    folder: PathBuf,
    issuer: Issuer,
}

fn text(path: &std::path::Path) -> Value {
    path.display().to_string().into()
}

fn listener(port: u16, leaf: &Leaf) -> Table {
    let mut pair = Table::new();
    pair.insert("cert".into(), text(&leaf.cert_file));
    pair.insert("key".into(), text(&leaf.key_file));
    let mut listener = Table::new();
    listener.insert("address".into(), format!("127.0.0.1:{port}").into());
    listener.insert("tls".into(), vec![Value::Table(pair)].into());
    listener
}

#[test]
fn a_certificate_signs_in_and_the_application_hears_whose() {
    let site = Site::with(Asks::Everybody, |_, sidecar| {
        sidecar.set("connections.card.amr", vec![Value::from("sc")])
    });
    let ada = site.issue(&Says::name("ada").days(-1, 3));
    let (mut visitor, page) = site.sign_in(&ada);
    assert_eq!(page.url.path(), "/x", "{}", page.text());
    let seen = site.upstream.last();
    let said = seen.everything();
    assert!(said.contains("ada@example.com"), "{said}");
    assert!(
        said.contains("card%7CCN") || said.contains("card|CN"),
        "{said}"
    );
    let me = visitor.me().unwrap();
    assert_eq!(me["user"]["id"], "card|CN%3Dada%2CO%3DAcme");
    assert_eq!(me["user"]["profile"]["name"], "ada");
    assert_eq!(me["user"]["profile"]["email"], "ada@example.com");
    assert_eq!(me["user"]["profile"]["email_verified"], false);
    assert_eq!(me["authentications"][0]["amr"], json!(["sc"]));
    // the session ends with the certificate, though sessions may live for seven days
    let expires = me["session"]["expires_at"].as_str().unwrap();
    assert!(expires.starts_with(&end_of(&ada.certificate)), "{expires}");
    // the same person by a new certificate
    let again = site.issue(&Says::name("ada"));
    let (mut visitor, _) = site.sign_in(&again);
    assert_eq!(visitor.me().unwrap()["user"]["id"], me["user"]["id"]);
    // who has no session goes nowhere, certificate or not
    let page = site.visitor(Some(&ada)).open("/x");
    assert_eq!(page.answer.status, 302);
}

/// When a certificate ends, as the program writes times.
fn end_of(certificate: &X509) -> String {
    let epoch = Asn1Time::from_unix(0).unwrap();
    let since = epoch.diff(certificate.not_after()).unwrap();
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%dT%H:%M:%S", "-d", &format!("@{seconds}")]);
    let said = date.output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

#[test]
fn each_part_of_a_certificate_can_say_who_somebody_is() {
    let subjects = [
        ("common_name", "ada"),
        ("email", "Ada%40example.com"),
        ("upn", "ada%40corp.example"),
        ("serial_number", "PNOEE-1"),
    ];
    for (from, subject) in subjects {
        let site = Site::with(Asks::Everybody, |_, sidecar| {
            sidecar.set("connections.card.subject", from)
        });
        let mut says = Says::name("ada").emails(&["Ada@Example.com"]);
        says.subject
            .insert(1, ("serialNumber", "PNOEE-1".to_owned()));
        says.upn = Some("Ada@Corp.Example".to_owned());
        let (mut visitor, page) = site.sign_in(&site.issue(&says));
        let me = visitor
            .me()
            .unwrap_or_else(|| panic!("{from}: {}", page.text()));
        let id = me["user"]["id"].as_str().unwrap().replace('@', "%40");
        assert_eq!(id, format!("card|{subject}"), "{from}");
    }
}

#[test]
fn a_certificate_signs_in_over_http_2() {
    let site = Site::new(Asks::Everybody);
    let ada = site.issue(&Says::name("ada"));
    let host = format!("{HOST}:{}", site.port);
    for (who, status) in [(Some(&ada), 303), (None, 403)] {
        let stream = site.server.connect_as(who, site.port, HOST, b"\x02h2");
        let mut connection = Connection::new(stream);
        let answer = connection.request(&[
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", host.as_bytes()),
            (b":path", LOGIN.as_bytes()),
            (b"accept", b"text/html"),
        ]);
        assert_eq!(answer, Outcome::Status(status));
    }
}

#[test]
fn certificates_that_are_not_good_let_nobody_in() {
    let site = Site::with(Asks::Everybody, |_, sidecar| {
        sidecar.set("connections.card.subject", "email")
    });
    let folder = site.folder.path();
    site.takes(&site.issue(&Says::name("ada")));
    let expired = site.issue(&Says::name("expired").days(-20, -1));
    site.refuses(&expired, 403, "certificate has expired");
    let early = site.issue(&Says::name("early").days(1, 20));
    site.refuses(&early, 403, "certificate is not yet valid");
    let other = Issuer::new("Others").issue(folder, &Says::name("other"));
    site.refuses(&other, 403, "none of the authorities in ca issued it");
    // somebody with the authority's name, and another key
    let named = Issuer::new("Acme People").issue(folder, &Says::name("named"));
    site.refuses(&named, 403, "certificate signature failure");
    let server = Says {
        for_servers: true,
        ..Says::name("server")
    };
    site.refuses(
        &site.issue(&server),
        403,
        "for something else than client authentication",
    );
    let two = Says::name("two").emails(&["one@example.com", "two@example.com"]);
    site.refuses(
        &site.issue(&two),
        403,
        "there are 2 of what says who somebody is, email",
    );
    let none = Says::name("none").emails(&[]);
    site.refuses(
        &site.issue(&none),
        403,
        "there are 0 of what says who somebody is, email",
    );
    let nul = Says::name("nul").emails(&["ada@example.com\0.evil.example"]);
    site.refuses(
        &site.issue(&nul),
        403,
        "an e-mail address in it is not plain ASCII text",
    );
}

#[test]
fn one_that_an_issuer_below_gave_comes_with_that_issuer() {
    let site = Site::new(Asks::Everybody);
    let below = site.issuer.below("Acme Berlin");
    let ada = below.issue(site.folder.path(), &Says::name("ada"));
    site.refuses(&ada, 403, "unable to get local issuer certificate");
    let tls = Tls::showing(&site.server, Some(&ada)).with(below.certificate());
    let page = Visitor::over(&site.origin(), tls).go(LOGIN);
    assert_eq!(page.answer.status, 200, "{}", page.text());
    // an issuer that is trusted by name needs nobody above it, and lets nobody else in
    let site = Site::with(Asks::Everybody, |parts, sidecar| {
        let below = parts.issuer.below("Acme Paris");
        let ada = below.issue(&parts.folder, &Says::name("paris"));
        drop(ada);
        sidecar.set("connections.card.ca", text(&below.file(&parts.folder)))
    });
    let read = |name: &str| std::fs::read(site.folder.path().join(name)).unwrap();
    let paris = Leaf {
        certificate: X509::from_pem(&read("paris.crt")).unwrap(),
        key: PKey::private_key_from_pem(&read("paris.key")).unwrap(),
        cert_file: site.folder.path().join("paris.crt"),
        key_file: site.folder.path().join("paris.key"),
    };
    site.takes(&paris);
    site.refuses(
        &site.issue(&Says::name("ada")),
        403,
        "none of the authorities in ca issued it",
    );
}

#[test]
fn who_was_revoked_is_refused_at_the_next_login_and_no_list_is_as_good_as_any() {
    let list = |parts: &Parts| parts.folder.join("list.pem");
    let site = Site::with(Asks::Everybody, |parts, sidecar| {
        parts.issuer.publish(&list(parts), &[], (-1, 7));
        sidecar.set("connections.card.crl", text(&list(parts)))
    });
    let file = site.folder.path().join("list.pem");
    let (ada, bob) = (
        site.issue(&Says::name("ada")),
        site.issue(&Says::name("bob")),
    );
    site.takes(&ada);
    let (mut signed_in, _) = site.sign_in(&ada);
    site.issuer.publish(&file, &[&ada.certificate], (-1, 7));
    site.refuses(&ada, 403, "it was revoked");
    site.takes(&bob);
    // no reload was needed, and who is in stays in
    assert!(!site.sidecar.log().contains("was taken into use"));
    assert!(signed_in.me().is_some());
    // DER, as authorities publish it
    let der = site.issuer.revokes(&[&ada.certificate], (-1, 7)).to_der();
    std::fs::write(&file, der.unwrap()).unwrap();
    site.refuses(&ada, 403, "it was revoked");
    site.takes(&bob);
    // an old list says nothing of today, a list of others nothing of ours, a broken one nothing
    site.issuer.publish(&file, &[], (-7, -1));
    site.refuses(
        &bob,
        500,
        "the revocation list of CN=Acme People cannot be used: it is too old",
    );
    let log = site.sidecar.log_about("it is too old");
    assert!(log.contains("WARN"), "the operator is not told: {log}");
    assert_eventually!(
        site.sidecar
            .log()
            .contains("what a connection needs has ended")
    );
    Issuer::new("Others").publish(&file, &[], (-1, 7));
    site.refuses(
        &bob,
        500,
        "the revocation list of CN=Acme People cannot be used: there is none",
    );
    // one that somebody else of that name has signed
    Issuer::new("Acme People").publish(&file, &[], (-1, 7));
    site.refuses(
        &bob,
        500,
        "the revocation list of CN=Acme People cannot be used",
    );
    std::fs::write(&file, "nothing").unwrap();
    site.refuses(&bob, 500, "cannot be read");
    std::fs::remove_file(&file).unwrap();
    site.refuses(&bob, 500, "cannot be read: No such file");
    site.issuer.publish(&file, &[], (-1, 7));
    site.takes(&bob);
}

#[test]
fn an_issuer_that_was_revoked_takes_its_people_along() {
    let site = Site::with(Asks::Everybody, |parts, sidecar| {
        parts
            .issuer
            .publish(&parts.folder.join("root.crl"), &[], (-1, 7));
        std::fs::copy(
            parts.folder.join("root.crl"),
            parts.folder.join("berlin.crl"),
        )
        .unwrap();
        let both = ["root.crl", "berlin.crl"].map(|name| text(&parts.folder.join(name)));
        sidecar.set("connections.card.crl", both.to_vec())
    });
    let folder = site.folder.path();
    let berlin = site.issuer.below("Acme Berlin");
    let ada = berlin.issue(folder, &Says::name("ada"));
    let tls = Tls::showing(&site.server, Some(&ada)).with(berlin.certificate());
    let comes_in = || {
        let mut visitor = Visitor::over(&site.origin(), tls.clone());
        visitor.go(LOGIN);
        visitor.me().is_some()
    };
    // its issuer has no list yet
    assert!(!comes_in());
    let log = site.sidecar.log();
    assert!(log.contains("the revocation list of CN=Acme Berlin cannot be used: there is none"));
    berlin.publish(&folder.join("berlin.crl"), &[], (-1, 7));
    assert!(comes_in(), "{}", site.sidecar.log_about("connection"));
    let root = folder.join("root.crl");
    site.issuer.publish(&root, &[berlin.certificate()], (-1, 7));
    assert!(!comes_in());
    assert!(site.sidecar.log().contains("it was revoked (at depth 1)"));
}

#[test]
fn without_a_certificate_a_page_says_what_to_do() {
    let site = Site::new(Asks::Everybody);
    let mut visitor = site.visitor(None);
    let page = visitor.go(LOGIN);
    assert_eq!(page.answer.status, 403);
    assert!(
        page.text().contains("showed no certificate for Card"),
        "{}",
        page.text()
    );
    // other ways in are where they always are
    let login = visitor.go("/.auth/login?rd=%2Fx");
    assert!(login.form_with("password").has("password"));
    let links = crate::support::forms::links(&login.text());
    let other = links.iter().find(|link| link.contains("login/card"));
    assert!(other.is_some(), "{links:?}");
}

#[test]
fn a_certificate_without_its_key_is_worth_nothing() {
    let site = Site::new(Asks::Everybody);
    let ada = site.issue(&Says::name("ada"));
    let mallory = site.issue(&Says::name("mallory"));
    site.takes(&ada);
    // to OpenSSL it is a pair; what it signs is not Ada's
    let (public, private) = (ada.key.ec_key().unwrap(), mallory.key.ec_key().unwrap());
    let group = public.group();
    let torn =
        EcKey::from_private_components(group, private.private_key(), public.public_key()).unwrap();
    let thief = Leaf {
        certificate: ada.certificate.clone(),
        key: PKey::from_ec_key(torn).unwrap(),
        cert_file: ada.cert_file.clone(),
        key_file: mallory.key_file.clone(),
    };
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let answer = |who: &Leaf| {
            let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
            builder.set_max_proto_version(Some(version)).unwrap();
            let trusted = site.server.certificate().clone();
            builder.cert_store_mut().add_cert(trusted).unwrap();
            builder.set_certificate(&who.certificate).unwrap();
            builder.set_private_key(&who.key).unwrap();
            let stream = std::net::TcpStream::connect(("127.0.0.1", site.port)).unwrap();
            let mut stream = builder.build().connect(HOST, stream).ok()?;
            let host = format!("{HOST}:{}", site.port);
            let request = Request::navigation(LOGIN).header("Connection", "close");
            stream.write_all(&request.bytes(&host)).ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok()?;
            Some(String::from_utf8_lossy(&answer).into_owned())
        };
        let honest = answer(&ada).expect("the control");
        assert!(honest.starts_with("HTTP/1.1 303"), "{honest}");
        let stolen = answer(&thief).unwrap_or_default();
        assert!(stolen.is_empty(), "{stolen}");
    }
}

#[test]
fn no_session_of_tls_carries_a_certificate_over() {
    let site = Site::new(Asks::AtItsOrigin);
    let (ada, bob) = (
        site.issue(&Says::name("ada")),
        site.issue(&Says::name("bob")),
    );
    let kept = site.folder.path().join("session.pem");
    let connect = |port: u16, who: &Leaf, version: &str, session: &str| {
        let mut child = Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{port}"),
                version,
            ])
            .args(["-servername", HOST, "-ign_eof", session])
            .arg(&kept)
            .arg("-cert")
            .arg(&who.cert_file)
            .arg("-key")
            .arg(&who.key_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = Request::navigation("/.auth/login").header("Connection", "close");
        let mut input = child.stdin.take().unwrap();
        let _ = input.write_all(&request.bytes(&format!("{HOST}:{port}")));
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for version in ["-tls1_2", "-tls1_3"] {
        for (port, resumes) in [(site.port, true), (site.asking, false)] {
            let _ = std::fs::remove_file(&kept);
            let first = connect(port, &ada, version, "-sess_out");
            assert!(first.contains("New, TLS"), "{first}");
            // without a word of the server's there may be nothing to write
            if !kept.exists() {
                assert!(!resumes, "the control: {version}: {first}");
                continue;
            }
            let second = connect(port, &bob, version, "-sess_in");
            let reused = second.contains("Reused, TLS");
            assert_eq!(reused, resumes, "{version} at {port}: {second}");
            assert!(
                second.contains("HTTP/1.1 "),
                "{version} at {port}: {second}"
            );
        }
    }
}

#[test]
fn the_authorities_are_named_in_the_handshake_and_followed() {
    let mut site = Site::new(Asks::Everybody);
    let port = site.port;
    let handshake = || {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
            .args(["-servername", HOST])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let named = || {
        let said = handshake();
        let (_, names) = said.split_once("Acceptable client certificate CA names\n")?;
        Some(names.lines().next().unwrap().to_owned())
    };
    assert_eq!(named().as_deref(), Some("CN = Acme People"));
    let others = Issuer::new("Others");
    let other = others.issue(site.folder.path(), &Says::name("other"));
    site.refuses(&other, 403, "none of the authorities in ca issued it");
    // the file has another authority now
    let file = site.folder.path().join("Acme-People.pem");
    std::fs::write(&file, others.certificate().to_pem().unwrap()).unwrap();
    assert_eventually!(named().as_deref() == Some("CN = Others"));
    site.takes(&other);
    let ada = site.issue(&Says::name("ada"));
    site.refuses(&ada, 403, "none of the authorities in ca issued it");
    // where no connection takes any, nobody is asked
    assert!(handshake().contains("Requested Signature Algorithms"));
    site.sidecar.change("connections.card.enabled", false);
    site.sidecar.write();
    site.sidecar.reload();
    assert!(!handshake().contains("Requested Signature Algorithms"));
}

/// What a proxy says of a certificate.
fn said_of(certificate: &X509) -> String {
    format!(":{}:", encode_block(&certificate.to_der().unwrap()))
}

#[test]
fn a_trusted_proxy_says_which_certificate_it_was_shown() {
    let site = Site::with(Asks::Everybody, |_, sidecar| {
        let proxies = vec![Value::from("127.0.0.1")];
        sidecar.set("server.trusted_proxies", proxies)
    });
    let ada = site.issue(&Says::name("ada"));
    let berlin = site.issuer.below("Acme Berlin");
    let bob = berlin.issue(site.folder.path(), &Says::name("bob"));
    let signs_in = |who: Option<&Leaf>, lines: &[(&str, String)]| {
        let mut visitor = site.visitor(who);
        let lines = lines
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        visitor.extra = lines.collect();
        let page = visitor.go(LOGIN);
        let me = visitor.me().map(|me| me["user"]["profile"]["name"].clone());
        (me, page.answer.status)
    };
    let says = said_of(&ada.certificate);
    let (me, status) = signs_in(None, &[("Client-Cert", says.clone())]);
    assert_eq!((me, status), (Some(json!("ada")), 200));
    // the application sees neither
    let seen = site.upstream.last();
    assert_eq!(seen.target(), "/x");
    assert!(!seen.everything().to_lowercase().contains("client-cert"));
    let chain = [
        ("Client-Cert", said_of(&bob.certificate)),
        ("Client-Cert-Chain", said_of(berlin.certificate())),
    ];
    assert_eq!(signs_in(None, &chain).0, Some(json!("bob")));
    assert_eq!(signs_in(None, &chain[..1]), (None, 403));
    // the certificate in the handshake is the proxy's own: nobody signs in by it
    assert_eq!(signs_in(Some(&ada), &[]), (None, 403));
    let (me, _) = signs_in(Some(&ada), &chain);
    assert_eq!(me, Some(json!("bob")));
    let cut = said_of(&ada.certificate).replace('=', "");
    let der = ada.certificate.to_der().unwrap();
    let behind = format!(":{}:", encode_block(&[der.as_slice(), b"more"].concat()));
    let refused = |lines: &[(&str, String)]| {
        assert_eq!(signs_in(None, lines), (None, 403), "{lines:?}");
    };
    let before = site.sidecar.log().matches("counts as none").count();
    refused(&[("Client-Cert", says.clone()), ("Client-Cert", says.clone())]);
    refused(&[("Client-Cert", format!("{says}, {says}"))]);
    refused(&[("Client-Cert", says.trim_matches(':').to_owned())]);
    refused(&[("Client-Cert", cut.trim_end_matches(':').to_owned())]);
    refused(&[("Client-Cert-Chain", says.clone())]);
    let after = site.sidecar.log().matches("counts as none").count();
    assert!(after >= before + 5, "{before} {after}");
    refused(&[("Client-Cert", behind)]);
    refused(&[("Client_Cert", says.clone())]);
    refused(&[("Client.Cert", says)]);
}

#[test]
fn connections_try_shows_what_a_certificate_says_and_which_check_failed() {
    let site = Site::with(Asks::Everybody, |parts, sidecar| {
        let list = parts.folder.join("list.pem");
        parts.issuer.publish(&list, &[], (-1, 7));
        sidecar.set("connections.card.crl", text(&list))
    });
    site.sidecar.cli_ok(&["check", "--online"]);
    let ada = site.issue(&Says::name("ada"));
    let tried = |who: Option<&Leaf>| {
        let trial = Trial::begin(&site.sidecar, "card");
        let mut visitor = site.visitor(who);
        visitor.go(&trial.url);
        assert_eq!(visitor.me(), None);
        trial.end()
    };
    let (report, code) = tried(Some(&ada));
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["said"]["profile"]["name"], "ada");
    assert_eq!(report["claims"][0]["claims"]["issuer"], "CN=Acme People");
    let (report, code) = tried(None);
    assert_ne!(code, Some(0));
    assert_eq!(report["steps"][0]["outcome"], "failed", "{report}");
    site.issuer.publish(
        &site.folder.path().join("list.pem"),
        &[&ada.certificate],
        (-1, 7),
    );
    let (report, _) = tried(Some(&ada));
    let steps = report["steps"].as_array().unwrap();
    let failed: Vec<_> = steps
        .iter()
        .filter(|step| step["outcome"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0]["check"], "revoked");
    site.issuer
        .publish(&site.folder.path().join("list.pem"), &[], (-7, -1));
    let output = site.sidecar.cli(&["check", "--online"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("it is too old"),
        "{said}"
    );
    let shown = site.sidecar.cli_ok(&["connections", "show", "card"]);
    assert!(shown.contains("CN=Acme People until"), "{shown}");
}

#[test]
fn at_an_origin_of_its_own_nobody_else_is_asked() {
    let site = Site::new(Asks::AtItsOrigin);
    let ada = site.issue(&Says::name("ada"));
    let mut visitor = site.visitor(Some(&ada));
    let page = visitor.open(LOGIN);
    let there = page.answer.location().to_owned();
    let callback = format!("https://{HOST}:{}/.auth/callback/card?state=", site.asking);
    assert!(there.starts_with(&callback), "{there}");
    let page = visitor.open(&there);
    let back = page.answer.location().to_owned();
    assert!(
        back.starts_with(&format!("{}/.auth/callback/card?", site.origin())),
        "{back}"
    );
    assert!(visitor.session().is_none(), "a session was made there");
    // what was shown is for this browser, and once
    let stranger = site.visitor(None).go(&back);
    assert_eq!(stranger.answer.status, 400);
    let page = visitor.go(&back);
    assert_eq!(
        (page.answer.status, page.url.port()),
        (200, Some(site.port))
    );
    assert_eq!(page.url.path(), "/x");
    let again = visitor.go(&back);
    assert_eq!(again.answer.status, 200, "who is signed in goes on");
    visitor.jar.retain(|cookie| cookie.name.contains("flow"));
    let again = visitor.go(&back);
    assert_ne!(again.answer.status, 200);
    // where everybody signs in nobody is asked, so whoever goes there by hand has shown nothing
    let mut visitor = site.visitor(Some(&ada));
    let there = visitor.open(LOGIN).answer.location().to_owned();
    let here = there.replace(&format!(":{}/", site.asking), &format!(":{}/", site.port));
    let page = visitor.go(&here);
    assert!(
        page.text().contains("showed no certificate"),
        "{}",
        page.text()
    );
    let mut visitor = site.visitor(Some(&ada));
    let there = visitor.open(LOGIN).answer.location().to_owned();
    let page = visitor.go(&there.replace("state=", "shown=1&state="));
    assert_eq!(page.answer.status, 403, "nothing was shown yet");
    assert!(visitor.session().is_none());
}

#[test]
fn nothing_else_is_served_there() {
    let site = Site::new(Asks::AtItsOrigin);
    let ada = site.issue(&Says::name("ada"));
    let (mut visitor, page) = site.sign_in(&ada);
    assert_eq!(page.url.path(), "/x");
    let there = format!("https://{HOST}:{}", site.asking);
    let hits = site.upstream.hits();
    // each login is a connection of its own, or a browser would not ask again
    let stream = site
        .server
        .connect_as(None, site.asking, HOST, b"\x02h2\x08http/1.1");
    assert_eq!(
        stream.ssl().selected_alpn_protocol(),
        Some(&b"http/1.1"[..])
    );
    let mut raw = Raw::over(Box::new(stream));
    raw.send(Request::get("/x").bytes(HOST));
    let answer = raw.answer("GET").unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    // cookies know no ports: the session comes along, and opens nothing here
    for path in [
        "/x?y=1",
        "/open/a",
        "/.auth/me",
        "/.auth/login",
        "/.auth/account",
        "/.auth/logout",
        "/.auth/callback/members",
        "/.auth/saml/card/acs",
        "/.auth/signup/members",
    ] {
        let page = visitor.open(&format!("{there}{path}"));
        assert_eq!(page.answer.status, 302, "{path}");
        assert_eq!(
            page.answer.location(),
            format!("{}{path}", site.origin()),
            "{path}"
        );
    }
    for path in [
        "/x",
        "/.auth/login/members",
        "/.auth/switch",
        "/.auth/logout",
    ] {
        let url = format!("{there}{path}").parse().unwrap();
        let request = Request::new("POST", path).body("text/plain", "a=b");
        assert_eq!(visitor.send(&url, &request).status, 421, "{path}");
    }
    assert_eq!(site.upstream.hits(), hits);
    // the page that says no can be read, and leads back
    let mut nobody = site.visitor(None);
    let page = nobody.go(LOGIN);
    assert_eq!(page.url.port(), Some(site.asking));
    assert!(
        page.text().contains("showed no certificate"),
        "{}",
        page.text()
    );
    let style = crate::support::forms::tags(&page.text());
    let style = style
        .iter()
        .find(|tag| tag.name == "link" && tag.value("rel").as_deref() == Some("stylesheet"));
    if let Some(href) = style.and_then(|tag| tag.value("href")) {
        assert_eq!(
            nobody
                .open(page.url.join(&href).unwrap().as_str())
                .answer
                .status,
            200
        );
    }
    let links = crate::support::forms::links(&page.text());
    let again = links
        .iter()
        .find(|link| link.contains("/.auth/login"))
        .unwrap();
    let login = nobody.go(page.url.join(again).unwrap().as_str());
    assert_eq!(login.url.port(), Some(site.port));
    assert!(login.form_with("password").has("password"));
}

#[test]
fn an_origin_that_does_not_fit_and_a_connection_that_nobody_reaches_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new("Acme People");
    let sidecar = |origin: Option<&str>| {
        let sidecar = Sidecar::new()
            .set("connections.card.strategy", "mtls")
            .set("connections.card.ca", text(&issuer.file(folder.path())))
            .route(route("/").set("upstream", "builtin:demo"));
        match origin {
            Some(origin) => sidecar.set("connections.card.origin", origin),
            None => sidecar,
        }
    };
    for (origin, why) in [
        (
            None,
            "connections.card: no listener asks for certificates there",
        ),
        (
            Some("https://localhost:8443"),
            "connections.card.origin: no listener asks for certificates there",
        ),
        (
            Some("https://other.test:8443"),
            "it is not another port of localhost",
        ),
        (
            Some("http://localhost:8443"),
            "only TLS asks for certificates",
        ),
        (Some("localhost:8443"), "begins with http"),
    ] {
        let output = sidecar(origin).refused();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{origin:?}: {said}");
    }
    let output = sidecar(None)
        .set("connections.card.ca", "nowhere.pem")
        .refused();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("connections.card.ca: cannot read"), "{said}");
}

#[test]
fn behind_a_proxy_the_other_port_is_known_by_its_name() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let issuer = Issuer::new("Acme People");
    let ada = issuer.issue(folder.path(), &Says::name("ada"));
    let sidecar = Sidecar::new()
        .set("server.public_url", format!("https://{HOST}"))
        .set("server.trusted_proxies", vec![Value::from("127.0.0.1")])
        .set("connections.card.strategy", "mtls")
        .set("connections.card.ca", text(&issuer.file(folder.path())))
        .set("connections.card.origin", format!("https://{HOST}:8443"))
        .route(route("/").to(&upstream).public(&["/open"]))
        .start();
    let mut visitor = Visitor::new(&format!("http://{HOST}:{}", sidecar.port));
    // what the proxy says at each of its ports
    let mut open = |host: &str, address: &str, certificate: bool| {
        let mut lines = vec![
            ("X-Forwarded-Proto".to_owned(), "https".to_owned()),
            ("X-Forwarded-Host".to_owned(), host.to_owned()),
        ];
        if certificate {
            lines.push(("Client-Cert".to_owned(), said_of(&ada.certificate)));
        }
        visitor.extra = lines;
        let path = address
            .strip_prefix(&format!("https://{host}"))
            .unwrap_or(address);
        visitor.open(path.split('#').next().unwrap()).answer
    };
    let there = format!("{HOST}:8443");
    open(HOST, "/open", false).expect(200);
    let sent = open(&there, "/open", true).expect(302);
    assert_eq!(sent.location(), format!("https://{HOST}/open"));
    assert_eq!(upstream.hits(), 1);
    let to = open(HOST, LOGIN, false).expect(303).location().to_owned();
    assert!(
        to.starts_with(&format!("https://{there}/.auth/callback/card?")),
        "{to}"
    );
    let back = open(&there, &to, true).expect(303).location().to_owned();
    assert!(
        back.starts_with(&format!("https://{HOST}/.auth/callback/card?")),
        "{back}"
    );
    assert_eq!(open(HOST, &back, false).expect(303).location(), "/x");
    open(HOST, "/x", false).expect(200);
    assert_eq!(upstream.hits(), 2);
}

#[test]
fn haproxy_in_front_says_which_certificate_it_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (upstream, server) = (Upstream::start(), Authority::new());
    let issuer = Issuer::new("Acme People");
    let leaf = server.leaf(folder.path(), &[HOST]);
    let ca = issuer.file(folder.path());
    let front = free_port();
    let sidecar = Sidecar::new()
        .set("server.public_url", format!("https://{HOST}:{front}"))
        .set("server.trusted_proxies", vec![Value::from("127.0.0.1")])
        .set("connections.card.strategy", "mtls")
        .set("connections.card.ca", text(&ca))
        .route(route("/").to(&upstream))
        .start();
    let proxy = apps::haproxy((front, sidecar.port), &leaf, &ca);
    let home = format!("https://{HOST}:{}", proxy.port);
    let ada = issuer.issue(folder.path(), &Says::name("ada"));
    let mut visitor = Visitor::over(&home, Tls::showing(&server, Some(&ada)));
    // what a visitor says of certificates is not heard
    let forged = issuer.issue(folder.path(), &Says::name("mallory"));
    let lines = [("Client-Cert".to_owned(), said_of(&forged.certificate))];
    visitor.extra = lines.to_vec();
    let page = visitor.go(LOGIN);
    assert_eq!(
        page.answer.status,
        200,
        "{}\n{}",
        page.text(),
        proxy.output()
    );
    assert_eq!(visitor.me().unwrap()["user"]["profile"]["name"], "ada");
    let mut nobody = Visitor::over(&home, Tls::showing(&server, None));
    nobody.extra = lines.to_vec();
    let page = nobody.go(LOGIN);
    assert!(
        page.text().contains("showed no certificate"),
        "{}",
        page.text()
    );
}

#[test]
fn chromium_shows_its_certificate_at_the_other_port_and_comes_back() {
    let site = Site::new(Asks::AtItsOrigin);
    let ada = site.issue(&Says::name("ada"));
    let there = format!("https://{HOST}:{}", site.asking);
    let browser = Browser::holding(&ada, &there, &[HOST]);
    browser.goto(&format!("{}/x?y=1", site.origin()));
    browser.shows("Card").screenshot("certificate-login");
    browser.click("a[href*='login/card'], a[href*='connection=card']");
    browser.arrives(&format!("{}/x?y=1", site.origin()));
    let seen = site.upstream.seen();
    assert!(seen.iter().any(|one| one.target() == "/x?y=1"), "{seen:?}");
    // nobody had to be asked twice, and the person is known everywhere at this host
    browser.goto(&format!("{}/.auth/account", site.origin()));
    browser.shows("ada");
    // who holds none is told so, and finds the way back
    let browser = Browser::knowing(&[HOST]);
    browser.goto(&format!("{}/x", site.origin()));
    browser.click("a[href*='login/card'], a[href*='connection=card']");
    browser
        .shows("No certificate")
        .screenshot("certificate-missing");
    assert!(browser.url().starts_with(&there), "{}", browser.url());
    assert!(
        browser
            .console()
            .iter()
            .all(|line| !line.contains("Content Security Policy"))
    );
    browser.click("a[href*='/.auth/login']");
    browser.arrives(&site.origin());
    browser.shows("Password");
    // one that is no good
    let other = Issuer::new("Acme People").issue(site.folder.path(), &Says::name("other"));
    let browser = Browser::holding(&other, &there, &[HOST]);
    browser.goto(&format!("{}/.auth/login/card", site.origin()));
    browser
        .shows("Certificate not accepted")
        .screenshot("certificate-refused");
}
