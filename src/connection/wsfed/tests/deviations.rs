//! One change of a good token at a time, and which check finds it.

use super::*;

#[test]
fn each_deviation_of_a_saml_1_1_assertion_is_named() {
    let signer = Signer::rsa();
    for (from, to, error) in &CHANGES_OF_SAML_1 {
        let whole = SAML_1.replace("SUBJECT", SUBJECT_1);
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from}");
        // Canonical XML has one space where an attribute was taken away.
        let changed = changed.replace("  ", " ");
        let judged = judge(&answer_1(&signer, &changed), &signer).map(drop);
        assert_eq!(judged, Err(error.clone()), "{to}");
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

const INSTANT: &str = "AuthenticationInstant=\"2026-11-27T11:50:00Z\"";
const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";

/// What is changed in an assertion, to what, and which check finds it.
static CHANGES_OF_SAML_1: [(&str, &str, E); 26] = [
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
        BEARER,
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
        INSTANT,
        "AuthenticationInstant=\"2026-11-27T12:01:01Z\"",
        E::AuthenticatedInFuture,
    ),
    (INSTANT, "", E::Malformed("AuthenticationInstant")),
    (" AttributeName=\"role\"", "", E::Malformed("AttributeName")),
];

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
        assert!(!token.claims.contains_key("exp"), "{claims}");
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
