use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::{Padding, Rsa},
    sign::Signer as Openssl,
    symm::{Cipher, encrypt_aead},
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
    protocol::xml::{Ciphers, EncryptionError, Hashes, SignatureError, XmlError, fixture::Signer},
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
fn each_deviation_of_a_saml_1_1_assertion_is_named() {
    let signer = Signer::rsa();
    let instant = "AuthenticationInstant=\"2026-11-27T11:50:00Z\"";
    let bearer = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
    for (from, to, error) in [
        ("MajorVersion=\"1\"", "MajorVersion=\"2\"", E::Version),
        ("MinorVersion=\"1\"", "MinorVersion=\"0\"", E::Version),
        ("Issuer=\"idp\"", "Issuer=\"idp2\"", E::Issuer),
        (" Issuer=\"idp\"", "", E::Issuer),
        (
            "IssueInstant=\"2026-11-27T12:00:00Z\"",
            "IssueInstant=\"2026-11-27T12:01:01Z\"",
            E::IssuedInFuture,
        ),
        (
            "IssueInstant=\"2026-11-27T12:00:00Z\"",
            "IssueInstant=\"2026-11-27T10:59:59Z\"",
            E::IssuedLongAgo,
        ),
        (
            " IssueInstant=\"2026-11-27T12:00:00Z\"",
            "",
            E::Malformed("IssueInstant"),
        ),
        (" NotBefore=\"2026-11-27T11:59:00Z\"", "", E::NoConditions),
        (
            " NotOnOrAfter=\"2026-11-27T12:05:00Z\"",
            "",
            E::NoConditions,
        ),
        ("11:59:00Z", "12:01:01Z", E::NotYet),
        ("12:05:00Z", "11:59:00Z", E::Expired),
        (
            "<saml:Audience>urn:rp<",
            "<saml:Audience>urn:rp2<",
            E::Audience,
        ),
        (
            "<saml:AudienceRestrictionCondition><saml:Audience>urn:rp</saml:Audience>\
             </saml:AudienceRestrictionCondition>",
            "",
            E::Audience,
        ),
        (
            "</saml:AudienceRestrictionCondition>",
            "</saml:AudienceRestrictionCondition><saml:AudienceRestrictionCondition>\
             <saml:Audience>urn:other</saml:Audience></saml:AudienceRestrictionCondition>",
            E::Audience,
        ),
        (
            "</saml:Conditions>",
            "<saml:Condition></saml:Condition></saml:Conditions>",
            E::UnknownCondition,
        ),
        (
            "</saml:Conditions>",
            "</saml:Conditions><saml:Conditions></saml:Conditions>",
            E::NoConditions,
        ),
        (
            "</saml:Conditions>",
            "</saml:Conditions><saml:Statement></saml:Statement>",
            E::Malformed("Assertion"),
        ),
        (
            bearer,
            "urn:oasis:names:tc:SAML:1.0:cm:holder-of-key",
            E::NoConfirmation,
        ),
        (">alice<", ">mallory<", E::NotOneSubject),
        (">alice<", "><", E::NotOneSubject),
        (
            "<saml:NameIdentifier>",
            "<saml:NameIdentifier NameQualifier=\"x\">",
            E::NotOneSubject,
        ),
        (
            "</saml:NameIdentifier>",
            "</saml:NameIdentifier><saml:NameIdentifier>bob</saml:NameIdentifier>",
            E::NotOneSubject,
        ),
        (
            "<saml:AuthenticationStatement",
            "<saml:AttributeStatement></saml:AttributeStatement><saml:AuthenticationStatement",
            E::NotOneSubject,
        ),
        (
            instant,
            "AuthenticationInstant=\"2026-11-27T12:01:01Z\"",
            E::AuthenticatedInFuture,
        ),
        (instant, "", E::Malformed("AuthenticationInstant")),
        (" AttributeName=\"role\"", "", E::Malformed("AttributeName")),
    ] {
        let whole = SAML_1.replace("SUBJECT", SUBJECT_1);
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from}");
        let changed = changed
            .replace(" >", ">")
            .replace("  ", " ")
            .replace("Statement  ", "Statement ");
        let judged = judge(&answer_1(&signer, &changed), &signer).map(drop);
        assert_eq!(judged, Err(error), "{to}");
    }
    let statement = "</saml:AuthenticationStatement>";
    let (_, rest) = SAML_1.split_once("<saml:AuthenticationStatement").unwrap();
    let (inside, _) = rest.split_once(statement).unwrap();
    let whole = format!("<saml:AuthenticationStatement{inside}{statement}");
    for times in [0, 2] {
        let changed = SAML_1.replace(&whole, &whole.repeat(times));
        let judged = judge(&answer_1(&signer, &changed), &signer).map(drop);
        assert_eq!(judged, Err(E::NoStatement), "{times}");
    }
    // Nobody need confirm who brings it, and nobody need be named.
    let (before, rest) = SUBJECT_1.split_once("<saml:SubjectConfirmation>").unwrap();
    let (_, after) = rest.split_once("</saml:SubjectConfirmation>").unwrap();
    let unconfirmed = SAML_1.replace("SUBJECT", &format!("{before}{after}"));
    expect_alice(&judge(&answer_1(&signer, &unconfirmed), &signer).unwrap());
    for hidden in [
        "<saml:Subject></saml:Subject>",
        "<saml:Subject><saml:NameIdentifier \
         Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\">x</saml:NameIdentifier>\
         </saml:Subject>",
    ] {
        let unnamed = SAML_1.replace("SUBJECT", hidden);
        let token = judge(&answer_1(&signer, &unnamed), &signer).unwrap();
        assert_eq!(token.name, None);
    }
}

#[test]
fn each_deviation_of_a_saml_2_0_assertion_is_named() {
    let signer = Signer::rsa();
    for (from, to, error) in [
        ("Version='2.0'", "Version='1.1'", E::Version),
        (
            "IssueInstant='2026-11-27T12:00:00Z'",
            "IssueInstant='2026-11-27T12:01:01Z'",
            E::IssuedInFuture,
        ),
        ("<saml:Issuer>idp<", "<saml:Issuer>idp2<", E::Issuer),
        ("<saml:Issuer>", "<saml:Issuer Format='urn:x'>", E::Issuer),
        (" NotBefore='2026-11-27T11:59:00Z'", "", E::NoConditions),
        (
            "'2026-11-27T11:59:00Z'",
            "'2026-11-27T12:01:01Z'",
            E::NotYet,
        ),
        (
            "'2026-11-27T11:59:00Z' NotOnOrAfter='2026-11-27T12:05:00Z'",
            "'2026-11-27T11:58:00Z' NotOnOrAfter='2026-11-27T11:59:00Z'",
            E::Expired,
        ),
        (
            "'2026-11-27T11:59:00Z' NotOnOrAfter='2026-11-27T12:05:00Z'",
            "'2026-11-27T11:58:00Z'",
            E::NoConditions,
        ),
        (
            "<saml:Audience>urn:rp<",
            "<saml:Audience>urn:rp2<",
            E::Audience,
        ),
        (
            "</saml:Conditions>",
            "<saml:Condition/></saml:Conditions>",
            E::UnknownCondition,
        ),
        (
            "</saml:Conditions>",
            "</saml:Conditions><saml:AuthzDecisionStatement/>",
            E::Malformed("Assertion"),
        ),
        ("cm:bearer", "cm:holder-of-key", E::NoConfirmation),
        ("callback/idp", "callback/other", E::OtherRecipient),
        (
            "<saml:SubjectConfirmationData ",
            "<saml:SubjectConfirmationData InResponseTo='_q' ",
            E::OtherRecipient,
        ),
        (
            "'2026-11-27T12:05:00Z'/>",
            "'2026-11-27T11:59:00Z'/>",
            E::Expired,
        ),
        (
            "<saml:NameID>alice</saml:NameID>",
            "<saml:EncryptedID/>",
            E::NotOneSubject,
        ),
        (
            "</saml:NameID>",
            "</saml:NameID><saml:NameID>bob</saml:NameID>",
            E::NotOneSubject,
        ),
        (
            "<saml:Subject>",
            "<saml:Subject/><saml:Subject>",
            E::NotOneSubject,
        ),
        (
            "AuthnInstant='2026-11-27T11:50:00Z'",
            "AuthnInstant='2026-11-27T12:01:01Z'",
            E::AuthenticatedInFuture,
        ),
        (
            "AuthnInstant='2026-11-27T11:50:00Z'",
            "",
            E::Malformed("AuthnInstant"),
        ),
        ("T20:00:00Z", "T11:59:00Z", E::SessionOver),
        ("AuthnStatement", "AuthnStatemen", E::Malformed("Assertion")),
    ] {
        let count = if from == "AuthnStatement" { 2 } else { 1 };
        let changed = SAML_2.replacen(from, to, count);
        assert_ne!(changed, SAML_2, "{from}");
        let judged = judge(&answer_2(&signer, &changed), &signer).map(drop);
        assert_eq!(judged, Err(error), "{to}");
    }
}

#[test]
fn each_deviation_of_a_jwt_is_named() {
    let signer = Signer::rsa();
    for (claims, error) in [
        (with("iss", "idp2".into()), E::Issuer),
        (without("iss"), E::Issuer),
        (with("aud", "urn:rp2".into()), E::Audience),
        (with("aud", json!(["urn:rp2"])), E::Audience),
        (without("aud"), E::Audience),
        (without("exp"), E::Malformed("exp")),
        (with("exp", "soon".into()), E::Malformed("exp")),
        (with("exp", (NOW - 60).into()), E::Expired),
        (with("nbf", (NOW + 61).into()), E::NotYet),
        (with("iat", (NOW + 61).into()), E::IssuedInFuture),
        (with("iat", (NOW - 3601).into()), E::IssuedLongAgo),
        (
            with("auth_time", (NOW + 61).into()),
            E::AuthenticatedInFuture,
        ),
        (with("auth_time", "then".into()), E::Malformed("auth_time")),
    ] {
        let judged = judge(&jwt(&signer, &claims), &signer).map(drop);
        assert_eq!(judged, Err(error), "{claims}");
    }
    for (claims, name) in [
        (with("aud", json!(["urn:x", REALM])), Some("alice")),
        (without("sub"), None),
        (without("iat"), Some("alice")),
        (
            with("auth_time", "2026-11-27T11:50:00Z".into()),
            Some("alice"),
        ),
    ] {
        let token = judge(&jwt(&signer, &claims), &signer).unwrap();
        assert_eq!(token.name.as_deref(), name, "{claims}");
    }
    // Another type of token, no algorithm, and one whose key everybody knows.
    let access = json!({"alg": "RS256", "typ": "at+jwt"});
    let judged = judge(&jwt_by(signer.key(), &access, &claims()), &signer);
    assert_eq!(judged.map(drop), Err(E::Malformed("typ")));
    let good = jwt(&signer, &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
    let judged = judge(&format!("{none}.{payload}."), &signer);
    assert_eq!(judged.map(drop), Err(E::Jws(JwsError::UnknownAlgorithm)));
    let x509 = X509::from_der(signer.der()).unwrap();
    let secrets = [
        signer.der().to_vec(),
        x509.to_pem().unwrap(),
        x509.public_key().unwrap().public_key_to_pem().unwrap(),
    ];
    for secret in secrets {
        let key = PKey::hmac(&secret).unwrap();
        let forged = jwt_by(&key, &json!({"alg": "HS256"}), &claims());
        let judged = judge(&forged, &signer).map(drop);
        assert_eq!(judged, Err(E::Jws(JwsError::NotAllowed(Algorithm::HS256))));
    }
    let altered = URL_SAFE_NO_PAD.encode(with("sub", "admin".into()).to_string());
    let (header, _) = signed.split_once('.').unwrap();
    let judged = judge(&format!("{header}.{altered}.{signature}"), &signer);
    assert_eq!(judged.map(drop), Err(E::Jws(JwsError::BadSignature)));
    let mallory = Signer::rsa();
    let judged = judge(&jwt(&mallory, &claims()), &signer).map(drop);
    assert_eq!(judged, Err(E::Jws(JwsError::BadSignature)));
    // A key that comes along is nobody's.
    let key = x509.public_key().unwrap().rsa().unwrap();
    let number = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
    let jwk = json!({"kty": "RSA", "n": number(key.n()), "e": number(key.e())});
    let header = json!({"alg": "RS256", "jwk": jwk, "x5c": [STANDARD.encode(mallory.der())]});
    let judged = judge(&jwt_by(mallory.key(), &header, &claims()), &signer).map(drop);
    assert_eq!(judged, Err(E::Jws(JwsError::BadSignature)));
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

/// Whoever is named, it is the one who was signed for; and what has more in it than it must is
/// refused as a whole.
#[test]
fn nobody_is_named_but_in_the_one_token_that_was_signed() {
    let signer = Signer::rsa();
    let one = signed_1(&signer, SAML_1);
    let two = signer.sign(SAML_2, "_a");
    let good = answer(TRUST, &one);
    expect_alice(&judge(&good, &signer).unwrap());
    for (signed, advised) in [
        (&one, "</saml:Conditions><saml:Advice>"),
        (&two, "</saml:Conditions><saml:Advice>"),
    ] {
        let (_, rest) = signed.split_once("<ds:Signature").unwrap();
        let (inside, _) = rest.split_once("</ds:Signature>").unwrap();
        let signature = &format!("<ds:Signature{inside}</ds:Signature>");
        let bare = signed.replace(signature, "");
        let evil = |id: &str| {
            let evil = bare.replace(">alice<", ">admin<");
            evil.replace("\"_a\"", &format!("\"{id}\""))
                .replace("'_a'", &format!("'{id}'"))
        };
        let advice = |outer: &str, inner: &str| {
            let inside = format!("{advised}{inner}</saml:Advice>");
            outer.replace("</saml:Conditions>", &inside)
        };
        let object = |inner: &str| {
            let object = format!("<ds:Object>{inner}</ds:Object></ds:Signature>");
            signature.replace("</ds:Signature>", &object)
        };
        let closing = "</t:RequestedSecurityToken>";
        let whole = answer(TRUST, signed);
        let twice = |more: &str| {
            let more = format!("{closing}<t:RequestedSecurityToken>{more}{closing}");
            whole.replace(closing, &more)
        };
        let collection = |inside: &str| {
            format!(
                "<t:RequestSecurityTokenResponseCollection xmlns:t='{TRUST}'>{inside}\
                 </t:RequestSecurityTokenResponseCollection>"
            )
        };
        let outside = |more: &str| whole.replace(closing, &format!("{closing}{more}"));
        let texts = vec![
            // a second assertion, before and behind, with the same ID and with another
            answer(TRUST, &format!("{signed}{}", evil("_e"))),
            answer(TRUST, &format!("{}{signed}", evil("_e"))),
            answer(TRUST, &format!("{signed}{}", evil("_a"))),
            // two responses, and two tokens
            collection(&format!("{whole}{}", answer(TRUST, &evil("_e")))),
            collection(&format!("{}{whole}", answer(TRUST, &evil("_e")))),
            collection(""),
            collection(&collection(&whole)),
            twice(&evil("_e")),
            twice(""),
            answer(TRUST, ""),
            // a token where none is looked for
            outside(&evil("_e")),
            answer(TRUST, &evil("_e")).replace(closing, &format!("{closing}{signed}")),
            format!("<x>{whole}</x>"),
            signed.clone(),
            // one in the other
            answer(TRUST, &advice(&evil("_e"), signed)),
            answer(TRUST, &advice(&evil("_a"), signed)),
            answer(TRUST, &advice(signed, &evil("_e"))),
            answer(
                TRUST,
                &evil("_e").replace("<saml:Conditions ", &format!("{signed}<saml:Conditions ")),
            ),
            answer(
                TRUST,
                &bare.replace(
                    "</saml:Assertion>",
                    &format!("{}</saml:Assertion>", object(&evil("_e"))),
                ),
            ),
            // a signature that is somebody else's, twice, or not there
            answer(
                TRUST,
                &evil("_e").replace(
                    "</saml:Assertion>",
                    &format!("{signature}</saml:Assertion>"),
                ),
            ),
            answer(TRUST, &signed.replace(signature, &signature.repeat(2))),
            answer(TRUST, &bare),
            answer(TRUST, &signed.replace(">alice<", ">admin<")),
            answer(TRUST, &signed.replace("#_a", "")),
            answer(TRUST, &signed.replace("rsa-sha256", "hmac-sha256")),
            answer(TRUST, &signed.replace("enveloped-signature", "base64")),
            // what no reader may see in two ways
            whole.replace(">alice<", ">alice<!-- -->.evil<"),
            whole.replace(">alice<", "><![CDATA[admin]]><"),
            whole.replace(">alice<", ">&e;<"),
            format!(
                "<!DOCTYPE x [<!ENTITY e 'admin'>]>{}",
                whole.replace(">alice<", ">&e;<")
            ),
            format!("{whole}<!-- -->"),
            format!("<?x?>{whole}"),
            "<doc><![CDATA[</doc>".to_owned(),
            whole.replace("urn:rp</wsa:Address>", "urn:rp2</wsa:Address>"),
        ];
        for (number, text) in texts.iter().enumerate() {
            let judged = judge(text, &signer);
            assert!(judged.is_err(), "{number}: {text}");
            let is_mistake = judged == Err(E::Xml(XmlError::Malformed));
            assert!(!is_mistake || text.starts_with("<doc>"), "{number}: {text}");
        }
        let mallory = Signer::rsa();
        let forged = judge(&whole, &mallory).map(drop);
        assert_eq!(forged, Err(E::Signature(SignatureError::BadSignature)));
    }
    // What is signed along with the token is one assertion too many all the same.
    let inner = SAML_1
        .replace("SUBJECT", SUBJECT_1)
        .replace(">alice<", ">admin<");
    let inner = inner.replace("SIGNATURE", "").replace("_a", "_e");
    let advice = format!("</saml:Conditions><saml:Advice>{inner}</saml:Advice>");
    let advised = SAML_1.replace("</saml:Conditions>", &advice);
    // it is declared around it
    let advised = advised.replace(
        "<saml:Advice><saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\" ",
        "<saml:Advice><saml:Assertion ",
    );
    let judged = judge(&answer_1(&signer, &advised), &signer).map(drop);
    assert_eq!(judged, Err(E::NotOneToken));
    let empty = SAML_1.replace(
        "</saml:Conditions>",
        "</saml:Conditions><saml:Advice></saml:Advice>",
    );
    expect_alice(&judge(&answer_1(&signer, &empty), &signer).unwrap());
    // Which check stands in the way.
    let other = signer.sign(&SAML_2.replace("'_a'", "'_b'"), "_b");
    for (text, error) in [
        (answer(TRUST, &format!("{one}{other}")), E::NotOneToken),
        (
            answer(TRUST, &one.repeat(2)),
            E::Signature(SignatureError::Id),
        ),
        (answer(TRUST, ""), E::NotOneToken),
        (
            answer(TRUST, "").replace(
                "</t:RequestedSecurityToken>",
                &format!("</t:RequestedSecurityToken>{one}"),
            ),
            E::NotOneToken,
        ),
        (
            good.replace("urn:rp</wsa:Address>", "urn:rp2</wsa:Address>"),
            E::AppliesTo,
        ),
        (good.replace("wsa:Address", "wsa:Metadata"), E::AppliesTo),
        (
            format!(
                "<t:RequestSecurityTokenResponseCollection xmlns:t='{TRUST}'>{good}{}\
                 </t:RequestSecurityTokenResponseCollection>",
                answer(TRUST, "")
            ),
            E::NoResponse,
        ),
        (one.clone(), E::NoResponse),
        (good.replace(TRUST, "urn:trust"), E::NoResponse),
        (
            format!("<!DOCTYPE x>{good}"),
            E::Xml(XmlError::DocumentType),
        ),
        (
            good.replace(">alice<", ">alice<!-- --><"),
            E::Xml(XmlError::Extra),
        ),
        ("e30.e30".to_owned(), E::Jws(JwsError::Malformed)),
        (String::new(), E::Jws(JwsError::Malformed)),
        (
            good.replace(
                "<t:RequestedSecurityToken>",
                &format!("<t:RequestedSecurityToken>{}", " ".repeat(256 << 10)),
            ),
            E::Xml(XmlError::TooLarge(256 << 10)),
        ),
    ] {
        assert_eq!(judge(&text, &signer).map(drop), Err(error), "{text}");
    }
    // An ID that is there twice, if it has another name the second time.
    let same = good.replace(
        "<t:RequestedSecurityToken>",
        "<t:RequestedSecurityToken ID='_a'>",
    );
    assert_eq!(
        judge(&same, &signer).map(drop),
        Err(E::Signature(SignatureError::Id))
    );
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

/// A token as it is sent to one recipient.
fn encrypted(token: &[u8], key: &PKey<Private>, data: &str) -> String {
    let content = [7; 32];
    let mut tag = [0; 16];
    let sealed = encrypt_aead(
        Cipher::aes_256_gcm(),
        &content,
        Some(&[9; 12]),
        &[],
        token,
        &mut tag,
    )
    .unwrap();
    let octets = [&[9; 12][..], &sealed, &tag].concat();
    let rsa = key.rsa().unwrap();
    let mut sent = vec![0; usize::try_from(rsa.size()).unwrap()];
    let sent_len = rsa
        .public_encrypt(&content, &mut sent, Padding::PKCS1_OAEP)
        .unwrap();
    sent.truncate(sent_len);
    let xenc = "http://www.w3.org/2001/04/xmlenc#";
    format!(
        "<x:EncryptedData xmlns:x='{xenc}' Type='{xenc}Element'><x:EncryptionMethod \
         Algorithm='{data}'/><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>\
         <x:EncryptedKey><x:EncryptionMethod Algorithm='{xenc}rsa-oaep-mgf1p'/><x:CipherData>\
         <x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedKey></ds:KeyInfo>\
         <x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedData>",
        STANDARD.encode(sent),
        STANDARD.encode(octets)
    )
}

#[test]
fn encrypted_tokens_open_by_our_keys_alone_and_are_checked_like_any_other() {
    let gcm = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
    let signer = Signer::rsa();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let open = |text: &str, keys: &[PKey<Private>]| {
        judge_with(text, &signer, |expected| {
            expected.keys = keys.to_vec().leak()
        })
    };
    let one = signed_1(&signer, SAML_1);
    let two = signer.sign(SAML_2, "_a");
    for token in [&one, &two] {
        let sealed = encrypted(token.as_bytes(), &key, gcm);
        let text = answer(TRUST_13, &sealed);
        expect_alice(&open(&text, std::slice::from_ref(&key)).unwrap());
        let wrapped = format!(
            "<s:EncryptedAssertion xmlns:s='urn:oasis:names:tc:SAML:2.0:assertion'>{sealed}\
             </s:EncryptedAssertion>"
        );
        let wrapped = answer(TRUST, &wrapped);
        expect_alice(&open(&wrapped, std::slice::from_ref(&key)).unwrap());
        let closed = Err(E::Encryption(EncryptionError));
        assert_eq!(open(&text, &[]).map(drop), closed);
        let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        assert_eq!(open(&text, &[other]).map(drop), closed);
        // Beside another in the open.
        let beside = answer(TRUST, &format!("{sealed}{token}"));
        assert_eq!(
            open(&beside, std::slice::from_ref(&key)).map(drop),
            Err(E::NotOneToken)
        );
    }
    let keys = std::slice::from_ref(&key);
    let unsigned = SAML_2.replace("SIGNATURE", "");
    let forged = two.replace(">alice<", ">admin<");
    let twice = format!("<x>{two}{}</x>", two.replace("'_a'", "'_b'"));
    for (inside, error) in [
        (unsigned.as_str(), E::Signature(SignatureError::NotSigned)),
        (&forged, E::Signature(SignatureError::BadSignature)),
        (&twice, E::Encryption(EncryptionError)),
        ("<x/>", E::Encryption(EncryptionError)),
        ("no XML", E::Encryption(EncryptionError)),
    ] {
        let text = answer(TRUST, &encrypted(inside.as_bytes(), &key, gcm));
        assert_eq!(open(&text, keys).map(drop), Err(error), "{inside}");
    }
}

mod metadata {
    use super::*;
    use crate::{
        connection::{
            federation::{Demands, MetadataError},
            wsfed::metadata::SecurityTokenService,
        },
        protocol::{shared_data, xml::SigningCertificate},
    };

    /// In the shape of what AD FS publishes, as
    /// <https://learn.microsoft.com/entra/identity-platform/federation-metadata> describes it:
    /// roles of an application, of a token service with two keys, and of SAML.
    fn like_ad_fs(primary: &str, secondary: &str) -> String {
        let key = |purpose: &str, certificate: &str| {
            format!(
                "<KeyDescriptor use=\"{purpose}\"><KeyInfo \
                 xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>\
                 {certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
            )
        };
        let role = |kind: &str, inside: &str| {
            format!(
                "<RoleDescriptor xsi:type=\"fed:{kind}\" \
                 protocolSupportEnumeration=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512 \
                 http://schemas.xmlsoap.org/ws/2005/02/trust \
                 http://docs.oasis-open.org/wsfed/federation/200706\" \
                 ServiceDisplayName=\"Contoso\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\">{inside}\
                 </RoleDescriptor>"
            )
        };
        let address = |path: &str| {
            format!(
                "<EndpointReference xmlns=\"http://www.w3.org/2005/08/addressing\"><Address>\
                 https://sts.contoso.example/adfs/{path}</Address></EndpointReference>"
            )
        };
        let application = role(
            "ApplicationServiceType",
            &format!(
                "{}<fed:TargetScopes>{}</fed:TargetScopes><fed:PassiveRequestorEndpoint>{}\
                 </fed:PassiveRequestorEndpoint>",
                key("encryption", secondary),
                address("services/trust/2005/issuedtokenmixedasymmetricbasic256"),
                address("other/"),
            ),
        );
        let service = role(
            "SecurityTokenServiceType",
            &format!(
                "{}{}{}<fed:TokenTypesOffered><fed:TokenType \
                 Uri=\"urn:oasis:names:tc:SAML:2.0:assertion\"/></fed:TokenTypesOffered>\
                 <fed:SecurityTokenServiceEndpoint>{}</fed:SecurityTokenServiceEndpoint>\
                 <fed:PassiveRequestorEndpoint>{}</fed:PassiveRequestorEndpoint>",
                key("encryption", "AAAA"),
                key("signing", primary),
                key("signing", secondary),
                address("services/trust/2005/certificatemixed"),
                address("ls/"),
            ),
        );
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EntityDescriptor ID=\"_m\" \
             entityID=\"http://sts.contoso.example/adfs/services/trust\" \
             xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{application}{service}\
             <SPSSODescriptor \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>\
             <IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             {}</IDPSSODescriptor></EntityDescriptor>",
            key("signing", primary)
        )
    }

    fn parse(text: &str) -> Result<SecurityTokenService, MetadataError> {
        let demands = Demands {
            entity_id: None,
            signer: None,
            now: at(NOW),
            danger_plain_http: false,
        };
        SecurityTokenService::parse(text.as_bytes(), &demands)
    }

    /// A document that Microsoft has published and signed.
    #[test]
    fn metadata_of_entra_are_read_and_are_as_they_were_signed() {
        let folder = "xmldsig-xml-crypto";
        let file = |name| shared_data(&format!("{folder}/wsfederation_metadata.{name}"));
        let (Some(text), Some(pem)) = (file("xml"), file("pem")) else {
            return;
        };
        let x509 = X509::from_pem(pem.as_bytes()).unwrap();
        let signer = SigningCertificate::from_der(&x509.to_der().unwrap()).unwrap();
        let parse = |text: &str| {
            let demands = Demands {
                entity_id: None,
                signer: Some(&signer),
                now: at(NOW),
                danger_plain_http: false,
            };
            SecurityTokenService::parse(text.as_bytes(), &demands)
        };
        let service = parse(&text).unwrap();
        let tenant = "8bd6e98d-e212-4022-b13f-a244fab4c253";
        assert_eq!(
            service.entity_id,
            format!("https://sts.windows.net/{tenant}/")
        );
        let address = format!("https://login.windows.net/{tenant}/wsfed");
        assert_eq!(service.passive_requestor.as_str(), address);
        assert_eq!(service.certificates.len(), 2);
        let elsewhere = text.replace("login.windows.net", "login.evil.example");
        assert!(matches!(
            parse(&elsewhere),
            Err(MetadataError::Signature(_))
        ));
    }

    #[test]
    fn federation_metadata_name_an_address_and_all_keys_that_sign() {
        use MetadataError as M;
        let [primary, secondary] =
            [Signer::rsa(), Signer::ecdsa()].map(|one| STANDARD.encode(one.der()));
        let text = like_ad_fs(&primary, &secondary);
        let service = parse(&text).unwrap();
        assert_eq!(
            service.entity_id,
            "http://sts.contoso.example/adfs/services/trust"
        );
        assert_eq!(
            service.passive_requestor.as_str(),
            "https://sts.contoso.example/adfs/ls/"
        );
        assert_eq!(service.certificates.len(), 2);
        // Keys that the role of SAML alone has.
        let (before, rest) = text.split_once("<KeyDescriptor use=\"signing\">").unwrap();
        let (_, after) = rest.split_once("<fed:TokenTypesOffered>").unwrap();
        let elsewhere = format!("{before}<fed:TokenTypesOffered>{after}");
        assert_eq!(parse(&elsewhere).unwrap().certificates.len(), 1);
        let nowhere = elsewhere.replace("use=\"signing\"", "use=\"encryption\"");
        let no_address = text
            .replace("<fed:PassiveRequestorEndpoint>", "<fed:Endpoint>")
            .replace("</fed:PassiveRequestorEndpoint>", "</fed:Endpoint>");
        for (text, error) in [
            (nowhere, M::NoCertificate),
            (no_address, M::NoSignOn),
            (
                text.replace(
                    "https://sts.contoso.example/adfs/ls/",
                    "http://sts.contoso.example/",
                ),
                M::Malformed("Location"),
            ),
            (
                text.replace(
                    "https://sts.contoso.example/adfs/ls/",
                    "javascript:alert(1)",
                ),
                M::Malformed("Location"),
            ),
            (
                text.replace("fed:SecurityTokenServiceType", "fed:AttributeServiceType"),
                M::NoProvider(None),
            ),
            (
                text.replace("ID=\"_m\"", "ID=\"_m\" validUntil=\"2026-11-27T11:59:59Z\""),
                M::Expired(at(NOW - 1)),
            ),
        ] {
            assert_eq!(parse(&text).map(drop), Err(error), "{text}");
        }
    }
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
