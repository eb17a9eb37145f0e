//! Logins by SAML 2.0, at SimpleSAMLphp: what can be made of a genuine answer, and of a key that is
//! not the provider's. What is signed wrongly by the provider itself is tried with its own key.
//!
//! Everything here must be refused; each site shows before and afterwards that what is genuine, and
//! what is made here as it should be, gets in.

mod encrypted;
pub(crate) mod minting;
mod reading;
mod shapes;
mod wrapping;

use std::{net::TcpListener, thread, time::Duration};

use openssl::{
    base64::{decode_block, encode_block},
    pkey::PKey,
    x509::X509,
};
use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use self::minting::{Key, Minting, Signing};
use crate::support::{
    Request, Sidecar, Upstream, Visitor,
    federated::{APP, app, assertion_consumer_service, visitor},
    forms::Form,
    http::exchange,
    route,
    simplesamlphp::SimpleSamlPhp,
    visitor::Page,
};

/// An app behind a sidecar with a connection to each of some providers.
struct Site {
    upstream: Upstream,
    sidecar: Sidecar,
    providers: Vec<Known>,
}

/// A provider, and alice in a browser that is signed in there.
struct Known {
    name: &'static str,
    provider: SimpleSamlPhp,
    alice: Visitor,
}

/// An answer of a provider on its way.
struct Genuine {
    visitor: Visitor,
    page: Page,
    form: Form,
    /// The response.
    text: String,
}

impl Site {
    /// One whose providers know it with `registered` over what everybody says.
    fn new(names: &[&'static str], registered: &Value, keys: &[(&str, Toml)]) -> Self {
        let mut sidecar = app();
        let mut providers = Vec::new();
        for name in names {
            let acs = assertion_consumer_service(&sidecar, name);
            let entity_id = acs.replace("/acs", "/metadata");
            let mut known = json!({
                "AssertionConsumerService": [{
                    "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
                    "Location": acs,
                }],
                "metadata-set": "saml20-sp-remote",
            });
            for (key, value) in registered.as_object().unwrap() {
                known[key] = value.clone();
            }
            let provider = SimpleSamlPhp::with(&json!({ entity_id: known }), &[]);
            let mut table = Table::new();
            table.insert("strategy".into(), "saml".into());
            table.insert("metadata_url".into(), provider.entity_id().into());
            for (key, value) in keys {
                table.insert((*key).to_owned(), value.clone());
            }
            sidecar = sidecar.set(&format!("connections.{name}"), Toml::Table(table));
            providers.push((*name, provider));
        }
        let upstream = Upstream::start();
        let sidecar = sidecar.route(route("/").to(&upstream)).start();
        let providers = providers.into_iter().map(|(name, provider)| {
            let mut alice = visitor(&sidecar);
            let page = alice.go(&format!("/.auth/login/{name}"));
            let form = page.form_with("password");
            alice.submit(
                &page,
                &form.fill("username", "alice").fill("password", "alice"),
            );
            alice.jar.retain(|cookie| cookie.host != APP);
            Known {
                name,
                provider,
                alice,
            }
        });
        Self {
            providers: providers.collect(),
            upstream,
            sidecar,
        }
    }

    fn known(&self, name: &str) -> &Known {
        let mut all = self.providers.iter();
        all.find(|one| one.name == name).unwrap()
    }

    fn provider(&self, name: &str) -> &SimpleSamlPhp {
        &self.known(name).provider
    }

    /// A login of alice, as far as the provider's answer.
    #[track_caller]
    fn genuine(&self, name: &str) -> Genuine {
        self.genuine_beside(None, name)
    }

    /// One in a browser that has another login under way.
    #[track_caller]
    fn genuine_beside(&self, other: Option<&Genuine>, name: &str) -> Genuine {
        let mut visitor = self.known(name).alice.clone();
        let others = other.into_iter().flat_map(|one| &one.visitor.jar);
        let ours = others.filter(|cookie| cookie.host == APP);
        visitor.jar.extend(ours.cloned());
        let page = visitor.go(&format!("/.auth/login/{name}"));
        let form = page.form_with("SAMLResponse");
        let text = decode_block(form.value("SAMLResponse").unwrap()).unwrap();
        Genuine {
            visitor,
            page,
            form,
            text: String::from_utf8(text).unwrap(),
        }
    }

    /// Brings an answer; who came in by it, and the last page.
    fn bring(&self, genuine: &Genuine, text: &str) -> (Option<String>, Page) {
        let form = genuine.form.clone();
        let form = form.fill("SAMLResponse", &encode_block(text.as_bytes()));
        self.bring_form(genuine, &form)
    }

    fn bring_form(&self, genuine: &Genuine, form: &Form) -> (Option<String>, Page) {
        let mut visitor = genuine.visitor.clone();
        let page = visitor.submit(&genuine.page, form);
        let page = visitor.carry_on(page);
        (self.who(&mut visitor), page)
    }

    fn who(&self, visitor: &mut Visitor) -> Option<String> {
        visitor.session()?;
        let me = visitor.me()?;
        Some(me["user"]["profile"]["email"].to_string() + &me["user"]["id"].to_string())
    }

    /// Why answers were refused so far, by the log.
    fn refusals(&self) -> Vec<String> {
        let log = self.sidecar.log();
        let lines = log.lines().filter_map(|line| {
            let (_, why) = line.split_once(" at verify-response: ")?;
            Some(why.split_once("\",\"")?.0.to_owned())
        });
        lines.collect()
    }

    /// Brings something that must be refused; the page, and what the log says why.
    #[track_caller]
    fn expect_refused(&self, what: &str, genuine: &Genuine, text: &str) -> (Page, String) {
        let form = genuine.form.clone();
        let form = form.fill("SAMLResponse", &encode_block(text.as_bytes()));
        self.expect_form_refused(what, genuine, &form)
    }

    #[track_caller]
    fn expect_form_refused(&self, what: &str, genuine: &Genuine, form: &Form) -> (Page, String) {
        let before = self.refusals().len();
        let (who, page) = self.bring_form(genuine, form);
        assert_eq!(who, None, "{what} gets in: {form:?}");
        assert!(page.answer.status >= 400, "{what}: {page:?}");
        let mut left = 200;
        let why = loop {
            if let Some(why) = self.refusals().get(before) {
                break why.clone();
            }
            left -= 1;
            assert!(left > 0, "{what}: {page:?} {}", self.sidecar.log());
            thread::sleep(Duration::from_millis(10));
        };
        eprintln!("{what}: {why}");
        (page, why)
    }

    /// Shows that what is genuine gets in.
    #[track_caller]
    fn expect_genuine(&self, name: &str) {
        let genuine = self.genuine(name);
        let (who, page) = self.bring(&genuine, &genuine.text);
        let log = self.sidecar.log_about(name);
        assert!(who.is_some(), "{page:?} {log} {}", genuine.text);
    }
}

impl Genuine {
    /// The first value of an attribute.
    fn attribute(&self, name: &str) -> String {
        let (_, rest) = self.text.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// The text of the first element of that name.
    fn element(&self, name: &str) -> String {
        let (_, rest) = self.text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    }

    fn assertion(&self) -> &str {
        part(&self.text, "<saml:Assertion ", "</saml:Assertion>").unwrap()
    }

    fn assertion_signature(&self) -> Option<&str> {
        part(self.assertion(), "<ds:Signature ", "</ds:Signature>")
    }

    fn response_signature(&self) -> Option<&str> {
        let (before, _) = self.text.split_once("<samlp:Status>").unwrap();
        part(before, "<ds:Signature ", "</ds:Signature>")
    }

    /// The response, not signed, around something else.
    fn around(&self, inside: &str) -> String {
        let text = self.text.replace(self.assertion(), inside);
        match self.response_signature() {
            Some(signature) => text.replace(signature, ""),
            None => text,
        }
    }
}

fn part<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let begin = text.find(begin)?;
    let length = text[begin..].find(end)? + end.len();
    Some(&text[begin..begin + length])
}

/// What a provider signs.
const SIGNED: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

fn registered((response, assertion): (bool, bool)) -> Value {
    json!({ "saml20.sign.response": response, "saml20.sign.assertion": assertion })
}

#[test]
fn saml_1_nobody_is_named_but_in_what_was_signed() {
    for signed in SIGNED {
        let site = Site::new(&["idp"], &registered(signed), &[]);
        site.expect_genuine("idp");
        let count = wrapping::all(&site.genuine("idp")).len();
        for index in 0..count {
            let genuine = site.genuine("idp");
            let (name, text) = wrapping::all(&genuine).swap_remove(index);
            site.expect_refused(&format!("{signed:?} {name}"), &genuine, &text);
        }
        site.expect_genuine("idp");
    }
}

/// Somebody who listens, and hears nothing.
struct Canary(TcpListener);

impl Canary {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}/x", self.0.local_addr().unwrap())
    }

    #[track_caller]
    fn expect_silence(&self) {
        let called = self.0.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(called, Err(std::io::ErrorKind::WouldBlock));
    }
}

fn private(pem: &str) -> Key {
    Key::Private(PKey::private_key_from_pem(pem.as_bytes()).unwrap())
}

fn certificate(base64: &str) -> X509 {
    let der = decode_block(&base64.replace('\n', "")).unwrap();
    X509::from_der(&der).unwrap()
}

/// A provider speaks for itself alone.
#[test]
fn saml_15_no_provider_answers_for_another() {
    let site = Site::new(&["idp", "other"], &registered((false, true)), &[]);
    let (own, theirs) = (site.provider("idp"), site.provider("other"));
    // a genuine answer of one, at the other
    let here = site.genuine("idp");
    let there = site.genuine_beside(Some(&here), "other");
    site.expect_refused("the answer of another", &here, &there.text);
    let form = Form {
        action: here.form.action.clone(),
        ..there.form.clone()
    };
    let (who, page) = site.bring_form(&there, &form);
    assert_eq!(who, None, "{page:?}");
    // one that is made for it
    let by = |key: &str| Signing::with(private(key));
    for (name, issuer, key) in [
        ("in its name", own, theirs),
        ("in our name", theirs, theirs),
        ("by our key", theirs, own),
    ] {
        for by_response in [false, true] {
            let genuine = site.genuine("idp");
            let mut minting = Minting::of(&genuine);
            minting.issuer = issuer.entity_id();
            let text = if by_response {
                minting.by_response(&by(&key.key()))
            } else {
                minting.by_assertion(&by(&key.key()))
            };
            site.expect_refused(name, &genuine, &text);
        }
    }
    let genuine = site.genuine("idp");
    let mut minting = Minting::of(&genuine);
    let acs = assertion_consumer_service(&site.sidecar, "other");
    minting.audience = acs.replace("/acs", "/metadata");
    let text = minting.by_assertion(&by(&own.key()));
    let (_, why) = site.expect_refused("for another service", &genuine, &text);
    assert!(why.contains("audience"), "{why}");
    site.expect_genuine("idp");
    site.expect_genuine("other");
}

/// An answer is good once, also for twenty at a time.
#[test]
fn saml_13_an_answer_is_good_once_also_for_twenty_at_a_time() {
    let site = Site::new(&["idp"], &registered((true, true)), &[]);
    let genuine = site.genuine("idp");
    let came_in = thread::scope(|scope| {
        let bring = || scope.spawn(|| site.bring(&genuine, &genuine.text).0);
        let all: Vec<_> = std::iter::repeat_with(bring).take(20).collect();
        let ended = all.into_iter().map(|one| one.join().unwrap());
        ended.flatten().count()
    });
    assert_eq!(came_in, 1, "{}", site.sidecar.log_about("idp"));
    let (later, _) = site.bring(&genuine, &genuine.text);
    assert_eq!(later, None);
    // one assertion for two logins
    let own = Signing::with(private(&site.provider("idp").key()));
    for first in [true, false] {
        let genuine = site.genuine("idp");
        let mut minting = Minting::of(&genuine);
        minting.id = "_minted".to_owned();
        let (who, page) = site.bring(&genuine, &minting.by_assertion(&own));
        assert_eq!(who.is_some(), first, "{page:?}");
    }
    site.expect_genuine("idp");
}

/// Where logins may begin at the provider, an answer to somebody's request is none of those.
#[test]
fn saml_14_an_answer_that_was_asked_for_begins_no_login_elsewhere() {
    let keys = [("idp_initiated", true.into())];
    let site = Site::new(&["idp"], &registered((true, true)), &keys);
    for state in [None, Some(""), Some("/")] {
        let genuine = site.genuine("idp");
        let mut form = genuine.form.clone();
        if let Some(state) = state {
            form = form.fill("RelayState", state);
        }
        let victim = Genuine {
            visitor: visitor(&site.sidecar),
            ..genuine
        };
        let mut elsewhere = victim.visitor.clone();
        let page = elsewhere.submit(&victim.page, &form);
        let page = elsewhere.carry_on(page);
        assert!(elsewhere.session().is_none(), "{state:?}: {page:?}");
        // and nobody is asked to go on
        for form in page.forms() {
            let page = elsewhere.submit(&page, &form);
            elsewhere.carry_on(page);
        }
        assert!(elsewhere.session().is_none(), "{state:?}");
    }
    site.expect_genuine("idp");
}

/// Parameters that are there twice, and in the wrong place.
#[test]
fn saml_18_one_answer_is_in_one_place() {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    let field = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let other = encode_block(Minting::of(&site.genuine("idp")).unsigned().as_bytes());
    for (name, at, added) in [
        ("another one behind", 9, "SAMLResponse"),
        ("another one before", 0, "SAMLResponse"),
        ("the same twice", 9, "SAMLResponse"),
    ] {
        let genuine = site.genuine("idp");
        let mut form = genuine.form.clone();
        let own = form.value("SAMLResponse").unwrap();
        let text = if name == "the same twice" {
            own
        } else {
            &other
        };
        let at = at.min(form.fields.len());
        form.fields.insert(at, field(added, text));
        site.expect_form_refused(name, &genuine, &form);
    }
    for text in ["", "*", "PHg+", "PHg", "PHgvPg==PHgvPg=="] {
        let genuine = site.genuine("idp");
        let form = genuine.form.clone().fill("SAMLResponse", text);
        site.expect_form_refused(&format!("{text:?} for one"), &genuine, &form);
    }
    // the state of a login twice is no login
    let genuine = site.genuine("idp");
    let mut form = genuine.form.clone();
    form.fields.push(field("RelayState", "x"));
    assert_eq!(site.bring_form(&genuine, &form).0, None);
    for state in [
        "",
        "//evil.test",
        "javascript:alert(1)",
        "\"><script>alert(1)</script>",
    ] {
        let genuine = site.genuine("idp");
        let form = genuine.form.clone().fill("RelayState", state);
        let (who, page) = site.bring_form(&genuine, &form);
        assert_eq!(who, None, "{state}");
        assert!(!page.text().contains("<script>alert"), "{page:?}");
    }
    site.expect_genuine("idp");
}

/// A client that says that it speaks for itself (profiles section 4.2) is nobody.
#[test]
fn saml_21_a_client_of_its_own_is_nobody() {
    let site = Site::new(&["idp"], &registered((false, true)), &[]);
    let host = format!("{APP}:{}", site.sidecar.port);
    let paos = "ver=\"urn:liberty:paos:2003-08\";\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"";
    let envelope =
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body/></S:Envelope>";
    for target in ["/", "/.auth/login/idp", "/.auth/saml/idp/acs"] {
        for method in ["GET", "POST"] {
            let request = Request::new(method, target)
                .header("Accept", "text/html; application/vnd.paos+xml")
                .header("PAOS", paos);
            let request = match method {
                "POST" => request.body("application/vnd.paos+xml", envelope),
                _ => request,
            };
            let answer = exchange(site.sidecar.port, &host, &request);
            // what comes from elsewhere is posted once more, from here
            let again = answer.status == 200 && target == "/.auth/saml/idp/acs";
            assert!(
                again || answer.status != 200,
                "{method} {target}: {answer:?}"
            );
            assert!(answer.header("paos").is_none());
            assert!(!answer.text().contains("<S:"), "{answer:?}");
        }
    }
    assert_eq!(site.upstream.hits(), 0);
    site.expect_genuine("idp");
}
