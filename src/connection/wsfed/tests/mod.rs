//! Each check of an answer and of the token in it.

mod deviations;
mod encrypted;
mod metadata;
mod wrapped;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    sign::Signer as Openssl,
    x509::X509,
};
use serde_json::{Value, json};

use super::{
    response::check,
    token::{Expected, Token, TokenError as E},
};
use crate::{
    clock::Timestamp,
    crypto::jose::{Algorithm, JwsError},
    protocol::xml::{Ciphers, Hashes, SignatureError, XmlError, fixture::Signer},
};

const NOW: i64 = 1_795_780_800; // 2026-11-27T12:00:00Z
const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
const TRUST_13: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
const REALM: &str = "urn:rp";
const REPLY: &str = "https://rp.example/.auth/callback/idp";

/// Canonical XML: the signer here writes none.
const SAML_1: &str = "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\" \
    AssertionID=\"_a\" IssueInstant=\"2026-11-27T12:00:00Z\" Issuer=\"idp\" MajorVersion=\"1\" \
    MinorVersion=\"1\"><saml:Conditions NotBefore=\"2026-11-27T11:59:00Z\" \
    NotOnOrAfter=\"2026-11-27T12:05:00Z\"><saml:AudienceRestrictionCondition><saml:Audience>urn:rp\
    </saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>\
    <saml:AuthenticationStatement AuthenticationInstant=\"2026-11-27T11:50:00Z\" \
    AuthenticationMethod=\"password\">SUBJECT</saml:AuthenticationStatement>\
    <saml:AttributeStatement>SUBJECT<saml:Attribute AttributeName=\"emailaddress\" \
    AttributeNamespace=\"urn:claims\"><saml:AttributeValue>alice@example.org</saml:AttributeValue>\
    </saml:Attribute><saml:Attribute AttributeName=\"role\" AttributeNamespace=\"urn:claims\">\
    <saml:AttributeValue>staff</saml:AttributeValue></saml:Attribute><saml:Attribute \
    AttributeName=\"role\" AttributeNamespace=\"urn:claims\"><saml:AttributeValue>admins\
    </saml:AttributeValue></saml:Attribute></saml:AttributeStatement>SIGNATURE</saml:Assertion>";
const SUBJECT_1: &str = "<saml:Subject><saml:NameIdentifier>alice</saml:NameIdentifier>\
    <saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer\
    </saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>";
const SAML_2: &str = "<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_a' \
    Version='2.0' IssueInstant='2026-11-27T12:00:00Z'><saml:Issuer>idp</saml:Issuer>SIGNATURE\
    <saml:Subject><saml:NameID>alice</saml:NameID><saml:SubjectConfirmation \
    Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'><saml:SubjectConfirmationData \
    Recipient='https://rp.example/.auth/callback/idp' NotOnOrAfter='2026-11-27T12:05:00Z'/>\
    </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore='2026-11-27T11:59:00Z' \
    NotOnOrAfter='2026-11-27T12:05:00Z'><saml:AudienceRestriction><saml:Audience>urn:rp\
    </saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement \
    AuthnInstant='2026-11-27T11:50:00Z' SessionNotOnOrAfter='2026-11-27T20:00:00Z'>\
    <saml:AuthnContext><saml:AuthnContextClassRef>password</saml:AuthnContextClassRef>\
    </saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute \
    Name='urn:claims/emailaddress'><saml:AttributeValue>alice@example.org</saml:AttributeValue>\
    </saml:Attribute><saml:Attribute Name='urn:claims/role'><saml:AttributeValue>staff\
    </saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute>\
    </saml:AttributeStatement></saml:Assertion>";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn judge_with(
    text: &str,
    signer: &Signer,
    change: impl FnOnce(&mut Expected<'_>),
) -> Result<Token, E> {
    let mut expected = Expected {
        provider: "idp",
        wtrealm: REALM,
        wreply: REPLY,
        certificates: std::slice::from_ref(&signer.certificate),
        keys: &[],
        ciphers: Ciphers::Authenticated,
        hashes: Hashes::Strong,
        max_age: None,
        signed_in_since: None,
        future_authentication: false,
        wauth: &[],
        now: at(NOW),
    };
    change(&mut expected);
    check(text, &expected)
}

fn judge(text: &str, signer: &Signer) -> Result<Token, E> {
    judge_with(text, signer, |_| ())
}

/// An answer with this token, and who it is for.
fn answer(trust: &str, token: &str) -> String {
    format!(
        "<t:RequestSecurityTokenResponse xmlns:t='{trust}' Context='state'><t:RequestedSecurityToken>\
         {token}</t:RequestedSecurityToken><wsp:AppliesTo \
         xmlns:wsp='http://schemas.xmlsoap.org/ws/2004/09/policy'><wsa:EndpointReference \
         xmlns:wsa='http://www.w3.org/2005/08/addressing'><wsa:Address>urn:rp</wsa:Address>\
         </wsa:EndpointReference></wsp:AppliesTo></t:RequestSecurityTokenResponse>"
    )
}

fn signed_1(signer: &Signer, assertion: &str) -> String {
    signer.sign_saml_1(&assertion.replace("SUBJECT", SUBJECT_1), "_a")
}

fn answer_1(signer: &Signer, assertion: &str) -> String {
    answer(TRUST, &signed_1(signer, assertion))
}

fn answer_2(signer: &Signer, assertion: &str) -> String {
    answer(TRUST, &signer.sign(assertion, "_a"))
}

fn jwt_by(key: &PKey<Private>, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signer = Openssl::new(MessageDigest::sha256(), key).unwrap();
    signer.update(signed.as_bytes()).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(signer.sign_to_vec().unwrap());
    format!("{signed}.{signature}")
}

fn claims() -> Value {
    json!({
        "iss": "idp", "aud": REALM, "sub": "alice", "iat": NOW, "nbf": NOW - 60,
        "exp": NOW + 300, "auth_time": NOW - 600, "acr": "password",
        "urn:claims/emailaddress": "alice@example.org",
        "urn:claims/role": ["staff", "admins"],
    })
}

fn jwt(signer: &Signer, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "of somebody"});
    jwt_by(signer.key(), &header, claims)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn expect_alice(token: &Token) {
    assert_eq!(token.name.as_deref(), Some("alice"));
    assert_eq!(token.claims["urn:claims/emailaddress"], "alice@example.org");
    assert_eq!(token.claims["urn:claims/role"], json!(["staff", "admins"]));
    assert_eq!(token.authenticated, Some(at(NOW - 600)));
    assert_eq!(token.method.as_deref(), Some("password"));
    assert_eq!(token.not_on_or_after, at(NOW + 300));
}

#[test]
fn every_kind_of_token_is_read_in_every_envelope() {
    let signer = Signer::rsa();
    let one = signed_1(&signer, SAML_1);
    let two = signer.sign(SAML_2, "_a");
    let jwt = jwt(&signer, &claims());
    let binary = format!(
        "<o:BinarySecurityToken xmlns:o='http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-wssecurity-secext-1.0.xsd' \
         ValueType='urn:ietf:params:oauth:token-type:jwt' EncodingType='http://docs.oasis-open.org/\
         wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary'>{}\
         </o:BinarySecurityToken>",
        STANDARD.encode(&jwt)
    );
    for token in [&one, &two, &jwt, &binary] {
        for trust in [TRUST, TRUST_13] {
            let text = answer(trust, token);
            expect_alice(&judge(&text, &signer).unwrap());
            let collection = format!(
                "<?xml version='1.0'?>\n<c:RequestSecurityTokenResponseCollection \
                 xmlns:c='{trust}'>{text}</c:RequestSecurityTokenResponseCollection>"
            );
            expect_alice(&judge(&collection, &signer).unwrap());
            // Whoever does not say who it is for in the envelope says it in the token.
            let (before, rest) = text.split_once("<wsp:AppliesTo").unwrap();
            let (_, after) = rest.split_once("</wsp:AppliesTo>").unwrap();
            expect_alice(&judge(&format!("{before}{after}"), &signer).unwrap());
        }
    }
    expect_alice(&judge(&jwt, &signer).unwrap());
    let ends = judge(&answer_2(&signer, SAML_2), &signer).unwrap();
    assert_eq!(ends.session_ends, Some(at(NOW + 8 * 3600)));
    // The second of two keys of the metadata, and one on a curve.
    let (other, curve) = (Signer::rsa(), Signer::ecdsa());
    let all = [&other, &curve, &signer].map(|one| one.certificate.clone());
    for text in [answer(TRUST, &one), answer(TRUST, &two), jwt] {
        let judged = judge_with(&text, &signer, |expected| {
            expected.certificates = all.to_vec().leak();
        });
        expect_alice(&judged.unwrap());
        let by_nobody = judge_with(&text, &signer, |expected| expected.certificates = &[]);
        assert!(by_nobody.is_err());
    }
    let by_curve = answer(TRUST, &curve.sign(SAML_2, "_a"));
    expect_alice(&judge(&by_curve, &curve).unwrap());
}

#[test]
fn a_login_is_as_fresh_and_as_strong_as_was_asked_for() {
    let signer = Signer::rsa();
    let texts = [
        answer_1(&signer, SAML_1),
        answer_2(&signer, SAML_2),
        jwt(&signer, &claims()),
    ];
    for text in &texts {
        let aged = |max_age| {
            let judged = judge_with(text, &signer, |expected| expected.max_age = Some(max_age));
            judged.map(drop)
        };
        assert_eq!(aged(540), Ok(()));
        assert_eq!(aged(539), Err(E::AuthenticatedLongAgo(600)));
        let since = |seconds| {
            let judged = judge_with(text, &signer, |expected| {
                expected.signed_in_since = Some(at(NOW - seconds));
            });
            judged.map(drop)
        };
        assert_eq!(since(540), Ok(()));
        assert_eq!(since(539), Err(E::NotAgain));
        let by = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
            let judged = judge_with(text, &signer, |expected| expected.wauth = wanted.leak());
            judged.map(drop)
        };
        assert_eq!(by(&["smartcard", "password"]), Ok(()));
        let other = E::AuthenticationMethod("password".to_owned());
        assert_eq!(by(&["smartcard"]), Err(other));
    }
    // Who does not say when is not known to be fresh.
    let silent = jwt(&signer, &without("auth_time"));
    let token = judge(&silent, &signer).unwrap();
    assert_eq!((token.authenticated, token.issued), (None, at(NOW)));
    let judged = judge_with(&silent, &signer, |expected| expected.max_age = Some(600));
    assert_eq!(judged.map(drop), Err(E::NoInstant));
    // Nor is who says that it will be.
    let ahead = SAML_1.replace("T11:50:00Z", "T20:00:00Z");
    let ahead = answer_1(&signer, &ahead);
    assert_eq!(
        judge(&ahead, &signer).map(drop),
        Err(E::AuthenticatedInFuture)
    );
    let danger = |max_age| {
        judge_with(&ahead, &signer, |expected| {
            expected.future_authentication = true;
            expected.max_age = max_age;
        })
    };
    assert_eq!(danger(None).unwrap().authenticated, None);
    assert_eq!(danger(Some(600)).map(drop), Err(E::NoInstant));
}

#[test]
fn what_the_provider_says_instead_is_told_and_bounded() {
    let signer = Signer::rsa();
    let of_2003 = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body><e:Fault>\
        <e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>fed:BadRequest</e:Value></e:Subcode>\
        </e:Code><e:Reason><e:Text xml:lang='en'>no &lt;b>\n\u{202e}realm</e:Text></e:Reason></e:Fault>\
        </e:Body></e:Envelope>";
    let said = Err(E::Fault("e:Sender: fed:BadRequest: no <b>realm".to_owned()));
    assert_eq!(judge(of_2003, &signer).map(drop), said);
    let of_2000 = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><e:Fault>\
        <faultcode>e:Client</faultcode><faultstring>TEXT</faultstring></e:Fault></e:Body></e:Envelope>";
    let long = of_2000.replace("TEXT", &"no ".repeat(5000));
    let Err(E::Fault(said)) = judge(&long, &signer) else {
        panic!("{long}")
    };
    assert!(
        said.len() < 300 && said.starts_with("e:Client: no no"),
        "{said}"
    );
    let empty = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'/>";
    assert!(matches!(judge(empty, &signer), Err(E::Fault(_))));
    let status = answer_1(&signer, SAML_1).replace(
        "<t:RequestedSecurityToken>",
        "<t:Status><t:Code>http://schemas.xmlsoap.org/ws/2005/02/trust/status/invalid</t:Code>\
         </t:Status><t:RequestedSecurityToken>",
    );
    assert!(matches!(judge(&status, &signer), Err(E::Fault(_))));
    let valid = status.replace("/status/invalid", "/status/valid");
    expect_alice(&judge(&valid, &signer).unwrap());
}

#[test]
fn an_answer_is_one_form_with_one_of_each() {
    use super::answer as read;
    use crate::connection::Reply;
    for (body, found) in [
        ("wa=wsignin1.0&wresult=x&wctx=y", Some("x")),
        ("wresult=x", None),
        ("wa=wsignout1.0&wresult=x", None),
        ("wa=wsignin1.0&wa=wsignin1.0&wresult=x", None),
        ("wa=wsignin1.0&wresult=x&wresult=y", None),
        ("wa=wsignin1.0", None),
    ] {
        assert_eq!(
            read(Reply::Form(body.as_bytes())).as_deref(),
            found,
            "{body}"
        );
        assert_eq!(read(Reply::Query(body)), None, "{body}");
    }
    let long = format!("wa=wsignin1.0&wresult={}", "x".repeat((256 << 10) + 1));
    assert_eq!(read(Reply::Form(long.as_bytes())), None);
}

#[test]
fn the_provider_may_end_a_session_and_nothing_else() {
    use super::sign_out::is_cleanup;
    use crate::connection::Reply;
    for (query, is) in [
        ("wa=wsignoutcleanup1.0", true),
        ("wa=wsignout1.0&wreply=https://evil.example", true),
        ("wa=wsignin1.0", false),
        ("wa=wsignoutcleanup1.0&wa=wsignin1.0", false),
        ("wctx=x", false),
        ("", false),
    ] {
        assert_eq!(is_cleanup(Reply::Query(query)), is, "{query}");
        assert!(!is_cleanup(Reply::Form(query.as_bytes())), "{query}");
    }
}
