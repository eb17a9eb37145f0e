use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::response::{Expected, ResponseError, Signed, check};
use crate::{
    clock::Timestamp,
    protocol::xml::{Ciphers, Hashes},
};

pub(super) mod made_here {
    use openssl::{
        pkey::{PKey, Private},
        rsa::Rsa,
    };

    use super::*;
    use crate::{
        connection::saml::assertion::Assertion,
        protocol::xml::{
            EncryptionError, SignatureError, XmlError,
            fixture::{Signer, encrypted},
        },
    };

    const NOW: &str = "2026-11-27T12:00:00Z";
    pub(in crate::connection::saml) const RESPONSE: &str = "<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' \
        xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_r' Version='2.0' \
        IssueInstant='2026-11-27T12:00:00Z' Destination='https://sp/acs' InResponseTo='_q'>\
        <saml:Issuer>idp</saml:Issuer>RESPONSE_SIGNATURE<samlp:Status><samlp:StatusCode \
        Value='urn:oasis:names:tc:SAML:2.0:status:Success'/></samlp:Status>ASSERTION\
        </samlp:Response>";
    pub(in crate::connection::saml) const ASSERTION: &str = "<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' \
        ID='_a' Version='2.0' IssueInstant='2026-11-27T12:00:00Z'><saml:Issuer>idp</saml:Issuer>\
        SIGNATURE<saml:Subject><saml:NameID>alice</saml:NameID><saml:SubjectConfirmation \
        Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'><saml:SubjectConfirmationData \
        Recipient='https://sp/acs' NotOnOrAfter='2026-11-27T12:05:00Z' InResponseTo='_q'/>\
        </saml:SubjectConfirmation></saml:Subject><saml:Conditions \
        NotBefore='2026-11-27T11:59:00Z' NotOnOrAfter='2026-11-27T12:05:00Z'>\
        <saml:AudienceRestriction><saml:Audience>sp</saml:Audience></saml:AudienceRestriction>\
        </saml:Conditions><saml:AuthnStatement AuthnInstant='2026-11-27T11:50:00Z' \
        SessionIndex='_s' SessionNotOnOrAfter='2026-11-27T20:00:00Z'><saml:AuthnContext>\
        <saml:AuthnContextClassRef>high</saml:AuthnContextClassRef></saml:AuthnContext>\
        </saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name='mail'>\
        <saml:AttributeValue>alice@example.org</saml:AttributeValue></saml:Attribute>\
        <saml:Attribute Name='groups' FriendlyName='memberOf'><saml:AttributeValue>staff\
        </saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute>\
        </saml:AttributeStatement></saml:Assertion>";

    fn judge_with(
        text: &str,
        signer: &Signer,
        change: impl FnOnce(&mut Expected<'_>),
    ) -> Result<Assertion, ResponseError> {
        let now = chrono::DateTime::parse_from_rfc3339(NOW).unwrap();
        let mut expected = Expected {
            identity_provider: "idp",
            service_provider: "sp",
            acs: "https://sp/acs",
            request_id: Some("_q"),
            certificates: std::slice::from_ref(&signer.certificate),
            keys: &[],
            ciphers: Ciphers::Authenticated,
            signed: Signed::Either,
            hashes: Hashes::Strong,
            max_age: None,
            signed_in_since: None,
            name_id_format: None,
            authn_contexts: &[],
            now: Timestamp::from_millis(now.timestamp_millis()),
        };
        change(&mut expected);
        check(text.as_bytes(), &expected)
    }

    fn judge(text: &str, signer: &Signer) -> Result<Assertion, ResponseError> {
        judge_with(text, signer, |_| ())
    }

    /// A response whose assertion is signed.
    pub(in crate::connection::saml) fn signed_assertion(
        signer: &Signer,
        response: &str,
        assertion: &str,
    ) -> String {
        let assertion = signer.sign(assertion, "_a");
        response
            .replace("RESPONSE_SIGNATURE", "")
            .replace("ASSERTION", &assertion)
    }

    /// A response that is signed itself.
    pub(in crate::connection::saml) fn signed_response(
        signer: &Signer,
        response: &str,
        assertion: &str,
    ) -> String {
        let text = response
            .replace("ASSERTION", &assertion.replace("SIGNATURE", ""))
            .replace("RESPONSE_SIGNATURE", "SIGNATURE");
        signer.sign(&text, "_r")
    }

    #[test]
    fn a_good_response_is_taken() {
        let signer = Signer::rsa();
        for text in [
            signed_assertion(&signer, RESPONSE, ASSERTION),
            signed_response(&signer, RESPONSE, ASSERTION),
        ] {
            let assertion = judge(&text, &signer).unwrap();
            assert_eq!(assertion.name_id.value, "alice");
            assert_eq!(assertion.authn_context.as_deref(), Some("high"));
            assert_eq!(assertion.session_index.as_deref(), Some("_s"));
            let groups = &assertion.attributes[1];
            assert_eq!(groups.values, ["staff", "admins"]);
            assert_eq!(groups.friendly_name.as_deref(), Some("memberOf"));
        }
    }

    #[test]
    fn what_is_encrypted_is_opened_wherever_it_may_be() {
        let signer = Signer::rsa();
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let judge = |text: &str, keys: &[PKey<Private>]| {
            judge_with(text, &signer, |expected| {
                expected.keys = keys.to_vec().leak();
            })
        };
        let ours = std::slice::from_ref(&key);
        let around = |name: &str, inside: &str, bits: usize| {
            let namespace = "xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion'";
            let alone = inside.replacen(' ', &format!(" {namespace} "), 1);
            let alone = if alone == inside {
                inside.replacen('>', &format!(" {namespace}>"), 1)
            } else {
                alone
            };
            let sealed = encrypted(alone.as_bytes(), &key, bits);
            format!("<saml:{name}>{sealed}</saml:{name}>")
        };
        let name_id = "<saml:NameID>alice</saml:NameID>";
        let from = ASSERTION.find("<saml:Attribute Name='groups'").unwrap();
        let to = ASSERTION.find("</saml:AttributeStatement>").unwrap();
        let groups = ASSERTION.get(from..to).unwrap();
        for bits in [128, 192, 256] {
            let hidden = ASSERTION.replace(name_id, &around("EncryptedID", name_id, bits));
            let hidden = hidden.replace(groups, &around("EncryptedAttribute", groups, bits));
            let text = signed_assertion(&signer, RESPONSE, &hidden);
            let assertion = judge(&text, ours).unwrap();
            assert_eq!(assertion.name_id.value, "alice");
            assert_eq!(assertion.attributes[1].values, ["staff", "admins"]);
            let whole = signer.sign(ASSERTION, "_a");
            let sealed = encrypted(whole.as_bytes(), &key, bits);
            let sealed = format!("<saml:EncryptedAssertion>{sealed}</saml:EncryptedAssertion>");
            let text = RESPONSE
                .replace("RESPONSE_SIGNATURE", "")
                .replace("ASSERTION", &sealed);
            assert_eq!(judge(&text, ours).unwrap().name_id.value, "alice");
            let closed = Err(ResponseError::Encryption(EncryptionError));
            assert_eq!(judge(&text, &[]).map(drop), closed);
        }
        // one that is neither is passed over by nobody
        let hidden = ASSERTION.replace(
            name_id,
            &around("EncryptedID", "<saml:Other>alice</saml:Other>", 256),
        );
        let text = signed_assertion(&signer, RESPONSE, &hidden);
        assert_eq!(judge(&text, ours).map(drop), Err(ResponseError::NoSubject));
    }

    #[test]
    fn each_deviation_of_a_response_is_named() {
        use ResponseError as E;
        let signer = Signer::rsa();
        for (from, to, error) in [
            (
                "Destination='https://sp/acs'",
                "Destination='https://evil/acs'",
                E::Destination,
            ),
            ("samlp:Response ", "samlp:LogoutResponse ", E::NoResponse),
            (
                "Version='2.0' IssueInstant='2026-11-27T12:00:00Z' D",
                "Version='1.1' IssueInstant='2026-11-27T12:00:00Z' D",
                E::Version,
            ),
            ("12:00:00Z' D", "12:01:01Z' D", E::IssuedInFuture),
            ("12:00:00Z' D", "10:59:59Z' D", E::IssuedLongAgo),
            ("12:00:00Z' D", "noon' D", E::Malformed("IssueInstant")),
            (
                "InResponseTo='_q'><saml:Issuer>idp<",
                "InResponseTo='_p'><saml:Issuer>idp<",
                E::InResponseTo,
            ),
            (
                "InResponseTo='_q'><saml:Issuer>idp<",
                "><saml:Issuer>idp<",
                E::InResponseTo,
            ),
            (
                "InResponseTo='_q'><saml:Issuer>idp<",
                "InResponseTo='_q'><saml:Issuer>other<",
                E::Issuer,
            ),
            (
                "status:Success",
                "status:Responder",
                E::Status("Responder".to_owned()),
            ),
            ("<samlp:Status>", "<samlp:Other>", E::Malformed("Status")),
        ] {
            let changed = RESPONSE.replacen(from, to, 1);
            let changed = match to {
                "samlp:LogoutResponse " => {
                    changed.replace("</samlp:Response>", "</samlp:LogoutResponse>")
                }
                "<samlp:Other>" => changed.replace("</samlp:Status>", "</samlp:Other>"),
                _ => changed,
            };
            assert_ne!(changed, RESPONSE, "{from}");
            let found = judge(&signed_assertion(&signer, &changed, ASSERTION), &signer);
            assert_eq!(found.map(drop), Err(error), "{to}");
        }
    }

    #[test]
    fn each_deviation_of_an_assertion_is_named() {
        use ResponseError as E;
        let signer = Signer::rsa();
        for (from, to, error) in [
            ("ID='_a' Version='2.0'", "ID='_a' Version='1.1'", E::Version),
            (
                "12:00:00Z'><saml:Issuer>",
                "12:01:01Z'><saml:Issuer>",
                E::IssuedInFuture,
            ),
            ("<saml:Issuer>idp<", "<saml:Issuer>other<", E::Issuer),
            (
                "<saml:Issuer>idp<",
                "<saml:Issuer Format='urn:x'>idp<",
                E::Issuer,
            ),
            ("<saml:NameID>alice</saml:NameID>", "", E::NoSubject),
            (">alice<", "><", E::NoSubject),
            (">alice<", "><b xmlns='urn:b'/>alice<", E::NoSubject),
            (
                "<saml:NameID>",
                "<saml:NameID SPNameQualifier='other'>",
                E::OtherQualifier,
            ),
            ("cm:bearer", "cm:holder-of-key", E::NoConfirmation),
            (
                "Recipient='https://sp/acs' ",
                "Recipient='https://evil/acs' ",
                E::Recipient,
            ),
            ("Recipient='https://sp/acs' ", "", E::Recipient),
            (
                "NotOnOrAfter='2026-11-27T12:05:00Z' I",
                "NotOnOrAfter='2026-11-27T11:59:00Z' I",
                E::Expired,
            ),
            (
                "NotOnOrAfter='2026-11-27T12:05:00Z' I",
                "I",
                E::Malformed("NotOnOrAfter"),
            ),
            (
                "InResponseTo='_q'/>",
                "InResponseTo='_p'/>",
                E::InResponseTo,
            ),
            ("InResponseTo='_q'/>", "/>", E::InResponseTo),
            (
                "NotBefore='2026-11-27T11:59:00Z'",
                "NotBefore='2026-11-27T12:01:01Z'",
                E::NotYet,
            ),
            (
                "NotOnOrAfter='2026-11-27T12:05:00Z'>",
                "NotOnOrAfter='2026-11-27T11:59:00Z'>",
                E::Expired,
            ),
            ("<saml:Audience>sp<", "<saml:Audience>other<", E::Audience),
            (
                "</saml:AudienceRestriction>",
                "</saml:AudienceRestriction><saml:AudienceRestriction><saml:Audience>other</saml:Audience></saml:AudienceRestriction>",
                E::Audience,
            ),
            (
                "<saml:AudienceRestriction><saml:Audience>sp</saml:Audience></saml:AudienceRestriction>",
                "",
                E::Audience,
            ),
            (
                "<saml:AudienceRestriction>",
                "<saml:Condition/><saml:AudienceRestriction>",
                E::UnknownCondition,
            ),
            (
                "AuthnInstant='2026-11-27T11:50:00Z'",
                "AuthnInstant='2026-11-27T12:01:01Z'",
                E::AuthenticatedInFuture,
            ),
            (
                "SessionNotOnOrAfter='2026-11-27T20:00:00Z'",
                "SessionNotOnOrAfter='2026-11-27T11:00:00Z'",
                E::SessionOver,
            ),
        ] {
            let changed = ASSERTION.replacen(from, to, 1);
            assert_ne!(changed, ASSERTION, "{from}");
            for text in [
                signed_assertion(&signer, RESPONSE, &changed),
                signed_response(&signer, RESPONSE, &changed),
            ] {
                assert_eq!(judge(&text, &signer).map(drop), Err(error.clone()), "{to}");
            }
        }
    }

    #[test]
    fn what_must_be_signed_is_set_and_something_always_must() {
        let signer = Signer::rsa();
        let assertion = signed_assertion(&signer, RESPONSE, ASSERTION);
        let response = signed_response(&signer, RESPONSE, ASSERTION);
        let inner = signer.sign(ASSERTION, "_a");
        let both = RESPONSE
            .replace("ASSERTION", &inner)
            .replace("RESPONSE_SIGNATURE", "SIGNATURE");
        let both = signer.sign(&both, "_r");
        let none = RESPONSE
            .replace("RESPONSE_SIGNATURE", "")
            .replace("ASSERTION", &ASSERTION.replace("SIGNATURE", ""));
        for (signed, good) in [
            (Signed::Either, [true, true, true]),
            (Signed::Assertion, [true, false, true]),
            (Signed::Response, [false, true, true]),
            (Signed::Both, [false, false, true]),
        ] {
            let judged = [&assertion, &response, &both].map(|text| {
                let found = judge_with(text, &signer, |expected| expected.signed = signed);
                assert!(
                    matches!(found, Ok(_) | Err(ResponseError::Unsigned(_))),
                    "{found:?}"
                );
                found.is_ok()
            });
            assert_eq!(judged, good, "{signed:?}");
            let found = judge_with(&none, &signer, |expected| expected.signed = signed);
            assert!(found.is_err(), "{signed:?}");
        }
        // one that is good does not make up for one that is not
        let other = Signer::rsa();
        let forged = RESPONSE
            .replace("ASSERTION", &inner)
            .replace("RESPONSE_SIGNATURE", "SIGNATURE");
        let forged = other.sign(&forged, "_r");
        let bad = Err(ResponseError::Signature(SignatureError::BadSignature));
        assert_eq!(judge(&forged, &signer).map(drop), bad);
    }

    #[test]
    fn a_login_is_as_fresh_and_as_strong_as_was_asked_for() {
        let signer = Signer::rsa();
        let text = signed_assertion(&signer, RESPONSE, ASSERTION);
        let aged = |max_age| {
            judge_with(&text, &signer, |expected| expected.max_age = Some(max_age)).map(drop)
        };
        assert_eq!(aged(600), Ok(()));
        assert_eq!(aged(500), Err(ResponseError::AuthenticatedLongAgo(600)));
        let contexts = |wanted: &[String]| {
            judge_with(&text, &signer, |expected| {
                expected.authn_contexts = wanted.to_vec().leak();
            })
            .map(drop)
        };
        assert_eq!(contexts(&["higher".to_owned(), "high".to_owned()]), Ok(()));
        let lower = Err(ResponseError::AuthnContext("high".to_owned()));
        assert_eq!(contexts(&["higher".to_owned()]), lower);
    }

    #[test]
    fn values_of_one_name_go_together_and_empty_ones_mean_nothing() {
        let signer = Signer::rsa();
        let more = "<saml:Attribute Name='groups'><saml:AttributeValue>ops</saml:AttributeValue>\
             <saml:AttributeValue/></saml:Attribute></saml:AttributeStatement>";
        let several = ASSERTION.replace("</saml:AttributeStatement>", more);
        let found = judge(&signed_assertion(&signer, RESPONSE, &several), &signer).unwrap();
        assert_eq!(found.attributes.len(), 2);
        assert_eq!(found.attributes[1].values, ["staff", "admins", "ops"]);
    }

    #[test]
    fn what_was_asked_for_in_a_request_that_could_be_changed_is_checked_in_the_answer() {
        let signer = Signer::rsa();
        let text = signed_assertion(&signer, RESPONSE, ASSERTION);
        let since = |seconds: i64| {
            let now = chrono::DateTime::parse_from_rfc3339(NOW).unwrap();
            let at = Timestamp::from_millis(now.timestamp_millis() - seconds * 1000);
            let judged = judge_with(&text, &signer, |expected| {
                expected.signed_in_since = Some(at);
            });
            judged.map(drop)
        };
        // ten minutes ago
        assert_eq!(since(540), Ok(()));
        assert_eq!(since(539), Err(ResponseError::NotAgain));
        let persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
        let format = |text: &str, format: &'static str| {
            let judged = judge_with(text, &signer, |expected| {
                expected.name_id_format = Some(format);
            });
            judged.map(drop)
        };
        let unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
        assert_eq!(format(&text, unspecified), Ok(()));
        assert_eq!(format(&text, persistent), Err(ResponseError::OtherFormat));
        let named = format!("<saml:NameID Format='{persistent}'>");
        let named = ASSERTION.replace("<saml:NameID>", &named);
        let named = signed_assertion(&signer, RESPONSE, &named);
        assert_eq!(format(&named, persistent), Ok(()));
    }

    /// The first signature of a text.
    fn signature_of(text: &str) -> String {
        let (_, rest) = text.split_once("<ds:Signature").unwrap();
        let (inside, _) = rest.split_once("</ds:Signature>").unwrap();
        format!("<ds:Signature{inside}</ds:Signature>")
    }

    /// The eight ways of wrapping of SAML Raider, and some more.
    #[test]
    fn nobody_is_named_but_in_what_was_signed() {
        let signer = Signer::rsa();
        let signed = signer.sign(ASSERTION, "_a");
        let signature = &signature_of(&signed);
        let bare = signed.replace(signature, "");
        let evil = |id: &str| {
            let evil = bare.replace(">alice<", ">admin<");
            evil.replace("ID='_a'", &format!("ID='{id}'"))
                .replace("ID=\"_a\"", &format!("ID=\"{id}\""))
        };
        let inside = |outer: &str, inner: &str| {
            outer.replacen("<saml:Subject>", &format!("{inner}<saml:Subject>"), 1)
        };
        let with_object = |inner: &str| {
            let object = format!("<ds:Object>{inner}</ds:Object></ds:Signature>");
            signature.replace("</ds:Signature>", &object)
        };
        let response = |inside: &str| {
            RESPONSE
                .replace("RESPONSE_SIGNATURE", "")
                .replace("ASSERTION", inside)
        };
        let extensions = |extended: &str, rest: &str| {
            let text = response(rest);
            let extended = format!("<samlp:Extensions>{extended}</samlp:Extensions><samlp:Status>");
            text.replace("<samlp:Status>", &extended)
        };
        let advice = |outer: &str, inner: &str| {
            let advised = format!("</saml:Conditions><saml:Advice>{inner}</saml:Advice>");
            outer.replace("</saml:Conditions>", &advised)
        };
        let good = response(&signed);
        assert_eq!(judge(&good, &signer).unwrap().name_id.value, "alice");
        let mut texts = vec![
            response(&format!("{}{signed}", evil("_e"))),
            response(&format!("{signed}{}", evil("_e"))),
            response(&inside(&evil("_e"), &signed)),
            response(&inside(&evil("_e"), signature)),
            response(&format!("{}{bare}", inside(&evil("_e"), signature))),
            response(&format!("{}{bare}", inside(&evil("_a"), signature))),
            response(&inside(&evil("_e"), &with_object(&bare))),
            response(&inside(&evil("_a"), &with_object(&bare))),
            response(&with_object(&signed)),
            response(&format!("{}{}", evil("_e"), with_object(&bare))),
            response(&advice(&evil("_e"), &signed)),
            extensions(&signed, &evil("_e")),
            extensions(&signed, &evil("_a")),
            extensions(&evil("_a"), &signed),
            good.replace(">alice<", ">alice<!-- -->.evil<"),
            good.replace(">alice<", "><![CDATA[admin]]><"),
            good.replace(">alice<", ">admin<"),
            format!(
                "<!DOCTYPE x [<!ENTITY e 'admin'>]>{}",
                good.replace(">alice<", ">&e;<")
            ),
            good.replace("#_a", ""),
            good.replace("URI=\"#_a\"", "URI=\"\""),
            good.replace("#_a", "#xpointer(id('_a'))"),
            good.replace("#_a", "http://127.0.0.1:1/x"),
            good.replace("#_a", "file:///etc/passwd"),
            good.replace("enveloped-signature", "base64"),
            good.replace("rsa-sha256", "hmac-sha256"),
            good.replace("<ds:SignatureValue>", "<ds:SignatureValue>A"),
            good.replace(signature, &signature.repeat(2)),
            good.replace(">alice<", "> <"),
        ];
        let whole = signed_response(&signer, RESPONSE, ASSERTION);
        let of_whole = &signature_of(&whole);
        let bare_whole = whole.replace(of_whole, "");
        let evil_whole = bare_whole
            .replace(">alice<", ">admin<")
            .replace("ID=\"_r\"", "ID=\"_e\"");
        let wrapped = format!("<ds:Object>{bare_whole}</ds:Object></ds:Signature>");
        let wrapped = of_whole.replace("</ds:Signature>", &wrapped);
        texts.push(evil_whole.replace("<samlp:Status>", &format!("{wrapped}<samlp:Status>")));
        let detached = format!("{bare_whole}{of_whole}<samlp:Status>");
        texts.push(evil_whole.replace("<samlp:Status>", &detached));
        let extra = evil("_e");
        texts.push(whole.replace("</samlp:Response>", &format!("{extra}</samlp:Response>")));
        for (number, text) in texts.iter().enumerate() {
            let judged = judge(text, &signer);
            // The text itself is as good as it can be.
            let malformed = Err(ResponseError::Xml(XmlError::Malformed));
            let judged = judged.map(drop);
            assert!(judged.is_err() && judged != malformed, "{number}: {text}");
        }
    }
}

mod metadata {
    use super::*;
    use crate::{
        connection::{
            federation::{Demands, Described as _, MetadataError},
            saml::metadata::IdentityProvider,
        },
        protocol::xml::fixture::Signer,
    };

    fn entity(id: &str, inside: &str) -> String {
        format!(
            "<md:EntityDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata' ID='_m' \
             entityID='{id}'>{inside}</md:EntityDescriptor>"
        )
    }

    fn role(keys: &str, services: &str) -> String {
        format!(
            "<md:IDPSSODescriptor \
             protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'>{keys}{services}\
             </md:IDPSSODescriptor>"
        )
    }

    fn key(certificate: &str) -> String {
        format!(
            "<md:KeyDescriptor use='signing'><ds:KeyInfo \
             xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:X509Data><ds:X509Certificate>\
             {certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    }

    fn service(location: &str) -> String {
        format!(
            "<md:SingleSignOnService \
             Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' Location='{location}'/>"
        )
    }

    fn parse(text: &str, entity_id: Option<&str>) -> Result<IdentityProvider, MetadataError> {
        let now = chrono::DateTime::parse_from_rfc3339("2026-11-27T12:00:00Z").unwrap();
        let demands = Demands {
            entity_id,
            signer: None,
            now: Timestamp::from_millis(now.timestamp_millis()),
            danger_plain_http: false,
        };
        IdentityProvider::parse(text.as_bytes(), &demands)
    }

    #[test]
    fn metadata_name_one_provider_and_its_keys() {
        use MetadataError as E;
        let signer = Signer::rsa();
        let (good, there) = (
            key(&STANDARD.encode(signer.der())),
            service("https://idp/sso"),
        );
        let one = entity("idp", &role(&good, &there));
        let provider = parse(&one, None).unwrap();
        assert_eq!(provider.entity_id, "idp");
        assert_eq!(provider.sign_on[0].location.as_str(), "https://idp/sso");
        assert_eq!(provider.certificates.len(), 1);
        let several = |ends: &str| {
            let other = entity("other", &role(&good, &there)).replace("'_m'", "'_n'");
            format!(
                "<md:EntitiesDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata' {ends}>\
                 {one}{other}</md:EntitiesDescriptor>"
            )
        };
        assert_eq!(
            parse(&several(""), Some("other")).unwrap().entity_id,
            "other"
        );
        let ended = "2026-11-27T11:59:59Z";
        let at = chrono::DateTime::parse_from_rfc3339(ended).unwrap();
        let at = Timestamp::from_millis(at.timestamp_millis());
        let ends = |place: &str| one.replacen(place, &format!("{place} validUntil='{ended}'"), 1);
        // A certificate of no use may stand beside one that is.
        let beside = format!("{}{good}", key("AAAA"));
        assert!(parse(&entity("idp", &role(&beside, &there)), None).is_ok());
        for (text, wanted, error) in [
            (several(""), None, E::SeveralProviders),
            (
                several(""),
                Some("third"),
                E::NoProvider(Some("third".to_owned())),
            ),
            (entity("idp", ""), None, E::NoProvider(None)),
            (
                several(&format!("validUntil='{ended}'")),
                Some("idp"),
                E::Expired(at),
            ),
            (ends("<md:EntityDescriptor"), None, E::Expired(at)),
            (ends("<md:IDPSSODescriptor"), None, E::Expired(at)),
            (entity("idp", &role("", &there)), None, E::NoCertificate),
            (entity("idp", &role(&good, "")), None, E::NoSignOn),
            (
                entity("idp", &role(&good, &service("http://idp/sso"))),
                None,
                E::Malformed("Location"),
            ),
            (
                entity("idp", &role(&good, &service("javascript:alert(1)"))),
                None,
                E::Malformed("Location"),
            ),
            (
                entity("idp", &role(&key("no base64!"), &there)),
                None,
                E::Malformed("X509Certificate"),
            ),
            (
                entity("", &role(&good, &there)),
                None,
                E::Malformed("entityID"),
            ),
        ] {
            assert_eq!(parse(&text, wanted).map(drop), Err(error), "{text}");
        }
        let commented = format!("<!-- ours --><?x?>{one}");
        assert_eq!(parse(&commented, None).unwrap().entity_id, "idp");
        let short = parse(&entity("idp", &role(&key("AAAA"), &there)), None);
        assert!(matches!(short.map(drop), Err(E::Certificate(_))));
    }
}
