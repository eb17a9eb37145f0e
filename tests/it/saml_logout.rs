//! Single Logout by SAML 2.0, at SimpleSAMLphp: both sides begin it, by each binding.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use openssl::{
    base64::{decode_block, encode_block},
    hash::MessageDigest,
    pkey::PKey,
    sign::Signer,
};
use serde_json::json;
use toml::Value as Toml;
use url::{Url, form_urlencoded};

use crate::attacks::saml::minting::{Key, Signing};
use crate::support::{
    Visitor,
    browser::Browser,
    federated::{APP, go_to_provider},
    http::Request,
    saml::{Site, key_pair},
    visitor::Page,
};

const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

/// A provider that signs what it says of logouts, and wants the same. `ours` and `theirs` are the
/// bindings by which each side takes messages.
fn site(ours: &str, theirs: &str) -> Site {
    let (key, certificate) = key_pair();
    let registered = json!({
        "validate.logout": true,
        "sign.logout": true,
        "certData": certificate,
        "SingleLogoutService": [{ "Binding": ours, "Location": "SLO" }],
    });
    let there = json!({
        "SingleSignOnServiceBinding": [theirs],
        "SingleLogoutServiceBinding": [theirs],
    });
    let there = there.to_string();
    let environment = [("SAML_IDENTITY_PROVIDER", there.as_str())];
    let keys = [("signing_key", Toml::from(key))];
    Site::with(&registered, &environment, &keys)
}

/// The page behind both sign-outs, where nobody is signed in.
#[track_caller]
fn expect_goodbye(site: &Site, page: &Page) {
    let query = page.url.query().unwrap_or_default();
    assert!(
        page.url.path() == "/.auth/login" && query.contains("bye"),
        "{} {:?}\n{}\n{}",
        page.url,
        page.answer,
        site.sidecar.log(),
        site.provider.log()
    );
}

#[track_caller]
fn signed_in(site: &Site, login: &str) -> Visitor {
    let (visitor, page) = site.sign_in("/", login);
    site.expect_session(&visitor, &page);
    visitor
}

/// Where the provider ends its session.
fn provider_logout(site: &Site) -> String {
    let back = site.sidecar.origin_of(APP);
    format!(
        "{}/saml2/idp/SingleLogoutService.php?ReturnTo={back}/bye",
        site.provider.origin()
    )
}

#[test]
fn signing_out_ends_the_session_of_the_provider_by_each_binding() {
    for (ours, theirs) in [
        (REDIRECT, REDIRECT),
        (POST, POST),
        (REDIRECT, POST),
        (POST, REDIRECT),
    ] {
        let site = site(ours, theirs);
        let mut alice = signed_in(&site, "alice");
        let page = alice.go("/.auth/logout?rd=/bye");
        let page = alice.carry_on(page);
        expect_goodbye(&site, &page);
        assert!(alice.session().is_none());
        // who comes again is asked to sign in again
        let page = go_to_provider(&mut alice, "/", "idp");
        let page = alice.carry_on(page);
        page.form_with("password");
    }
}

#[test]
fn signing_out_at_the_provider_ends_the_session_here_by_each_binding() {
    for (ours, theirs) in [(REDIRECT, REDIRECT), (POST, POST)] {
        let site = site(ours, theirs);
        let mut alice = signed_in(&site, "alice");
        // on another machine
        let mut again = signed_in(&site, "alice");
        let mut bob = signed_in(&site, "bob");
        let page = alice.go(&provider_logout(&site));
        let page = alice.carry_on(page);
        expect_goodbye(&site, &page);
        assert!(alice.me().is_none());
        assert!(again.me().is_some(), "her other session there goes on");
        assert!(bob.me().is_some());
    }
}

#[test]
fn in_chromium_both_ways_with_four_lines() {
    for (ours, theirs) in [(REDIRECT, REDIRECT), (POST, POST)] {
        let site = site(ours, theirs);
        let browser = Browser::start();
        let page = format!("{}/page", site.sidecar.origin_of(APP));
        let login = format!("{}/.auth/login", site.sidecar.origin_of(APP));
        let sign_in = || {
            browser.goto(&page);
            browser.arrives(&login).click("a[href*='/login/idp']");
            site.provider.sign_in_by_browser(&browser, "alice");
            browser.arrives(&page);
        };
        sign_in();
        browser.goto(&format!(
            "{}/.auth/logout?rd=/bye",
            site.sidecar.origin_of(APP)
        ));
        if browser.has("form[action*='/.auth/logout']") {
            browser.click("form[action*='/.auth/logout'] button");
        }
        browser.arrives(&login);
        assert!(browser.url().contains("bye"), "{}", browser.url());
        // there, too
        sign_in();
        browser.goto(&provider_logout(&site));
        browser.arrives(&login);
        assert!(browser.url().contains("bye"), "{}", browser.url());
        let told = browser.console();
        let blocked = told.iter().find(|line| !line.contains("favicon"));
        assert_eq!(blocked, None);
    }
}

/// A request of the provider on its way to us, as the query or the form has it.
fn request_on_its_way(site: &Site, visitor: &mut Visitor) -> Page {
    at_the_providers(visitor, &provider_logout(site))
}

/// Goes on for as long as that is at the provider.
fn at_the_providers(visitor: &mut Visitor, address: &str) -> Page {
    let mut page = visitor.open(address);
    while (300..400).contains(&page.answer.status) {
        let next = page.url.join(page.answer.location()).unwrap();
        if next.host_str() != page.url.host_str() {
            break;
        }
        page = visitor.open(next.as_str());
    }
    page
}

/// A message for the Redirect binding, signed by this key.
fn signed_query(
    site: &Site,
    (name, xml): (&str, &str),
    relay_state: Option<&str>,
    algorithm: &str,
) -> String {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(xml.as_bytes()).unwrap();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, &encode_block(&deflate.finish().unwrap()));
    if let Some(state) = relay_state {
        query.append_pair("RelayState", state);
    }
    let query = query.append_pair("SigAlg", algorithm).finish();
    let key = PKey::private_key_from_pem(site.provider.key().as_bytes()).unwrap();
    let digest = if algorithm == RSA_SHA1 {
        MessageDigest::sha1()
    } else {
        MessageDigest::sha256()
    };
    let mut signer = Signer::new(digest, &key).unwrap();
    let signature = signer.sign_oneshot_to_vec(query.as_bytes()).unwrap();
    let mut more = form_urlencoded::Serializer::new(String::new());
    more.append_pair("Signature", &encode_block(&signature));
    format!("{query}&{}", more.finish())
}

fn inflated(message: &str) -> String {
    let mut text = String::new();
    let octets = decode_block(message).unwrap();
    DeflateDecoder::new(octets.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn parameter(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(known, _)| known == name);
    found.unwrap().1.into_owned()
}

/// A request of the provider that ends alice's session, before it has come.
struct OnItsWay {
    site: Site,
    alice: Visitor,
    query: String,
    xml: String,
}

impl OnItsWay {
    fn new() -> Self {
        let site = site(REDIRECT, REDIRECT);
        let alice = signed_in(&site, "alice");
        let on_its_way = request_on_its_way(&site, &mut alice.clone());
        let to: Url = on_its_way.answer.location().parse().unwrap();
        Self {
            xml: inflated(&parameter(&to, "SAMLRequest")),
            query: to.query().unwrap().to_owned(),
            alice,
            site,
        }
    }

    #[track_caller]
    fn refused(&self, query: &str, why: &str) {
        let before = self.site.sidecar.log().len();
        let page = stranger_opens(&self.site, query);
        assert_eq!(page.answer.status, 400, "{why}: {:?}", page.answer);
        let log = self.site.sidecar.log();
        assert!(log[before..].contains(why), "{why}: {}", &log[before..]);
        assert!(self.alice.clone().me().is_some(), "{why}");
    }

    /// The value of an attribute.
    fn value(&self, begin: &str) -> &str {
        let (_, rest) = self.xml.split_once(begin).unwrap();
        rest.split_once('"').unwrap().0
    }

    /// Another message by the provider's own key.
    fn mint(&self, xml: &str) -> String {
        signed_query(&self.site, ("SAMLRequest", xml), None, RSA_SHA256)
    }

    #[track_caller]
    fn changed(&self, from: &str, to: &str) -> String {
        let xml = self.xml.replace(from, to);
        assert_ne!(xml, self.xml, "{from}");
        self.mint(&xml)
    }
}

#[test]
fn a_request_is_believed_as_it_came_from_the_provider() {
    let mut request = OnItsWay::new();
    let query = request.query.clone();
    let (unsigned, _) = query.split_once("&SigAlg").unwrap();
    request.refused(unsigned, "it is not signed");
    let (without, signature) = query.split_once("&Signature=").unwrap();
    request.refused(without, "there is no message");
    request.refused(
        &format!("{without}&Signature=AAAA"),
        "the signature is wrong",
    );
    request.refused(&format!("{query}&SAMLRequest=AAAA"), "there is no message");
    request.refused(
        &format!(
            "{}&Signature={signature}",
            without.replace("SAMLRequest", "%53AMLRequest")
        ),
        "there is no message",
    );
    request.refused(
        &format!("{query}&RelayState=a&RelayState=b"),
        "there is no message",
    );
    request.refused(&format!("{query}&RelayState=other"), "there is no message");
    // and at last as it was meant
    let page = stranger_opens(&request.site, &query);
    let answer: Url = page.answer.location().parse().unwrap();
    assert!(inflated(&parameter(&answer, "SAMLResponse")).contains("status:Success"));
    assert!(request.alice.me().is_none());
}

#[test]
fn a_request_is_for_here_and_now() {
    let request = OnItsWay::new();
    request.refused(
        &request.changed("saml/idp/slo", "saml/other/slo"),
        "Destination is another address",
    );
    request.refused(
        &request.changed("/saml2/idp/metadata.php", "/evil"),
        "Issuer is somebody else",
    );
    let issued = request.value("IssueInstant=\"");
    request.refused(
        &request.changed(issued, "2020-01-01T00:00:00Z"),
        "it was issued long ago",
    );
    request.refused(
        &request.changed(issued, "2090-01-01T00:00:00Z"),
        "it was issued in the future",
    );
    let until = request.value("NotOnOrAfter=\"");
    request.refused(
        &request.changed(until, "2020-01-01T00:00:00Z"),
        "it is no longer good",
    );
    request.refused(
        &request.changed("Version=\"2.0\"", "Version=\"1.1\""),
        "it is of another version",
    );
    request.refused(
        &signed_query(&request.site, ("SAMLRequest", &request.xml), None, RSA_SHA1),
        "an algorithm is not accepted",
    );
    request.refused(
        &signed_query(
            &request.site,
            ("SAMLRequest", &format!("<!DOCTYPE a>{}", request.xml)),
            None,
            RSA_SHA256,
        ),
        "it cannot be read",
    );
    // somebody else's name ends nobody
    let start = request.xml.find("</saml:NameID>").unwrap();
    let somebody_else = format!("{}x{}", &request.xml[..start], &request.xml[start..]);
    let somebody_else = somebody_else.replace(request.value(" ID=\""), "_another");
    let page = stranger_opens(&request.site, &request.mint(&somebody_else));
    assert_eq!(page.answer.status, 303, "{:?}", page.answer);
    assert!(request.alice.clone().me().is_some());
}

fn stranger_opens(site: &Site, query: &str) -> Page {
    let mut stranger = site.sidecar.visitor();
    let url = format!(
        "http://{APP}:{}/.auth/saml/idp/slo?{query}",
        site.sidecar.port
    );
    stranger.open(&url)
}

#[test]
fn a_request_without_an_index_ends_all_sessions_of_the_person() {
    let site = site(REDIRECT, REDIRECT);
    let mut alice = signed_in(&site, "alice");
    let mut again = signed_in(&site, "alice");
    let mut bob = signed_in(&site, "bob");
    let on_its_way = request_on_its_way(&site, &mut alice.clone());
    let to: Url = on_its_way.answer.location().parse().unwrap();
    let genuine = inflated(&parameter(&to, "SAMLRequest"));
    let (before, rest) = genuine.split_once("<samlp:SessionIndex>").unwrap();
    let (_, after) = rest.split_once("</samlp:SessionIndex>").unwrap();
    let xml = format!("{before}{after}");
    let query = signed_query(&site, ("SAMLRequest", &xml), None, RSA_SHA256);
    stranger_opens(&site, &query);
    assert!(alice.me().is_none());
    assert!(again.me().is_none());
    assert!(bob.me().is_some());
    // the same once more is answered, and does not mean who has come since
    let mut since = signed_in(&site, "alice");
    let page = stranger_opens(&site, &query);
    let answer: Url = page.answer.location().parse().unwrap();
    assert!(inflated(&parameter(&answer, "SAMLResponse")).contains("status:Success"));
    assert!(since.me().is_some());
}

/// What the provider signs for a form is as good in an envelope.
#[test]
fn a_request_from_server_to_server_is_answered_in_an_envelope() {
    let site = site(POST, POST);
    let mut alice = signed_in(&site, "alice");
    let on_its_way = request_on_its_way(&site, &mut alice.clone());
    let form = on_its_way.form_with("SAMLRequest");
    let octets = decode_block(form.value("SAMLRequest").unwrap()).unwrap();
    let message = String::from_utf8(octets).unwrap();
    let message = message.trim_start_matches("<?xml version=\"1.0\"?>").trim();
    let envelope = |message: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{message}\
             </s:Body></s:Envelope>"
        )
    };
    let send = |text: &str| {
        let request = Request::new("POST", "/.auth/saml/idp/slo")
            .body("text/xml; charset=utf-8", text)
            .header(
                "SOAPAction",
                "http://www.oasis-open.org/committees/security",
            );
        site.sidecar.visitor().send(
            &format!("http://{APP}:{}/", site.sidecar.port)
                .parse()
                .unwrap(),
            &request,
        )
    };
    let forged = message.replace("</saml:NameID>", "x</saml:NameID>");
    assert_ne!(forged, message);
    assert_eq!(send(&envelope(&forged)).status, 400);
    assert_eq!(send(message).status, 400, "no envelope");
    assert_eq!(send(&envelope(&format!("{message}{message}"))).status, 400);
    assert!(alice.me().is_some());
    let answer = send(&envelope(message));
    assert_eq!(answer.status, 200, "{answer:?}\n{}", site.sidecar.log());
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    let text = answer.text();
    for part in [
        "Envelope",
        "LogoutResponse",
        "status:Success",
        "<ds:SignatureValue>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(alice.me().is_none());
}

/// Another application of the provider cannot be told, which the person should know.
#[test]
fn a_partial_logout_is_told() {
    let site = site(REDIRECT, REDIRECT);
    let mut alice = signed_in(&site, "alice");
    let mut page = alice.open("/.auth/logout?rd=/bye");
    // as the provider would answer, had it not been able to end them all
    let asked: Url = page.answer.location().parse().unwrap();
    let request = inflated(&parameter(&asked, "SAMLRequest"));
    let state = parameter(&asked, "RelayState");
    let answer = at_the_providers(&mut alice, asked.as_str());
    let answer: Url = answer.answer.location().parse().unwrap();
    let response = inflated(&parameter(&answer, "SAMLResponse"));
    let partial = response.replace(
        "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>",
        "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/></samlp:StatusCode>",
    );
    assert_ne!(partial, response, "{request}");
    let query = signed_query(&site, ("SAMLResponse", &partial), Some(&state), RSA_SHA256);
    page = stranger_opens(&site, &query);
    assert_eq!(page.answer.status, 200);
    assert!(
        page.text().contains("of all of its applications"),
        "{}",
        page.text()
    );
    // one that answers another request, and one that nobody signed
    let (_, id) = response.split_once("InResponseTo=\"").unwrap();
    let (id, _) = id.split_once('"').unwrap();
    let other = response.replace(id, "_other");
    let query = signed_query(&site, ("SAMLResponse", &other), Some(&state), RSA_SHA256);
    assert_eq!(stranger_opens(&site, &query).answer.status, 400);
    let query = answer.query().unwrap();
    let (unsigned, _) = query.split_once("&SigAlg").unwrap();
    assert_eq!(stranger_opens(&site, unsigned).answer.status, 400);
    // the genuine one leads on
    assert_eq!(stranger_opens(&site, query).answer.location(), "/bye");
}

/// A provider's service for logouts by SOAP, which answers `status` with a signature or without.
fn soap_service(site: &Site, status: &str, signed: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = PKey::private_key_from_pem(site.provider.key().as_bytes()).unwrap();
    let (issuer, status) = (site.provider.entity_id(), status.to_owned());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        while !request.contains("</s:Envelope>") {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).unwrap();
            assert!(count > 0, "{request}");
            request.push_str(std::str::from_utf8(&some[..count]).unwrap());
        }
        assert!(request.contains("<ds:SignatureValue>"), "{request}");
        let value = |name: &str| {
            let (_, rest) = request.split_once(&format!(" {name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let (id, instant) = (value("ID"), value("IssueInstant"));
        // as exclusive canonical XML writes it
        let answer = format!(
            "<p:LogoutResponse xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_r\" \
             InResponseTo=\"{id}\" IssueInstant=\"{instant}\" Version=\"2.0\"><a:Issuer \
             xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</a:Issuer>SIGNATURE\
             <p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{status}\">\
             </p:StatusCode></p:Status></p:LogoutResponse>"
        );
        let answer = if signed {
            Signing::with(Key::Private(key)).sign(&answer, "_r")
        } else {
            answer.replace("SIGNATURE", "")
        };
        let body = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{answer}\
             </s:Body></s:Envelope>"
        );
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
    });
    port
}

/// No peer here takes them: the provider's own key answers.
#[test]
fn a_provider_that_takes_logouts_by_soap_alone_is_told_before_the_page_comes() {
    for (status, signed, shows) in [
        ("Success", true, None),
        ("PartialLogout", true, Some("of all of its applications")),
        ("Responder", true, Some("may still be signed in")),
        ("Success", false, Some("may still be signed in")),
    ] {
        let mut site = site(REDIRECT, REDIRECT);
        let port = soap_service(&site, status, signed);
        let metadata = site
            .sidecar
            .visitor()
            .open(&site.provider.entity_id())
            .text();
        let (before, rest) = metadata.split_once("<md:SingleLogoutService").unwrap();
        let (_, after) = rest.split_once("/>").unwrap();
        let metadata = format!(
            "{before}<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\" \
             Location=\"http://idp.localhost:{port}/soap\"/>{after}"
        );
        let file = site.sidecar.path("idp.xml");
        std::fs::write(&file, metadata).unwrap();
        site.sidecar = site.sidecar.without("connections.idp.metadata_url");
        site.sidecar
            .change("connections.idp.metadata", file.display().to_string());
        site.sidecar.write();
        site.sidecar.cli_ok(&["connections", "adopt", "idp"]);
        site.sidecar.restart();
        let mut alice = signed_in(&site, "alice");
        let page = alice.go("/.auth/logout?rd=/bye");
        assert!(alice.me().is_none());
        match shows {
            None => expect_goodbye(&site, &page),
            Some(words) => assert!(page.text().contains(words), "{status}: {}", page.text()),
        }
    }
}
