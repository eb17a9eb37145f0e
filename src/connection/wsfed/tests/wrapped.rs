//! Tokens with more around them than there must be.

use super::*;

/// Whoever is named, it is the one who was signed for; and what has more in it than it must is
/// refused as a whole.
#[test]
fn nobody_is_named_but_in_the_one_token_that_was_signed() {
    let signer = Signer::rsa();
    let one = signed_1(&signer, SAML_1);
    let two = signer.sign(SAML_2, "_a");
    let good = answer(TRUST, &one);
    expect_alice(&judge(&good, &signer).unwrap());
    for signed in [&one, &two] {
        for (number, text) in wrapped(signed).iter().enumerate() {
            let judged = judge(text, &signer);
            assert!(judged.is_err(), "{number}: {text}");
            let is_mistake = judged == Err(E::Xml(XmlError::Malformed));
            assert!(!is_mistake || text.starts_with("<doc>"), "{number}: {text}");
        }
        let mallory = Signer::rsa();
        let forged = judge(&answer(TRUST, signed), &mallory).map(drop);
        assert_eq!(forged, Err(E::Signature(SignatureError::BadSignature)));
    }
}

/// A good token with more around it, in it and beside it.
fn wrapped(signed: &str) -> Vec<String> {
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
        let inside = format!("</saml:Conditions><saml:Advice>{inner}</saml:Advice>");
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
    vec![
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
        signed.to_owned(),
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
    ]
}

#[test]
fn what_is_more_than_one_token_is_refused_for_that() {
    let signer = Signer::rsa();
    let one = signed_1(&signer, SAML_1);
    let good = answer(TRUST, &one);
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
        (answer(TRUST, &format!("{one}<x/>")), E::NotOneToken),
        (answer(TRUST, &format!("<x/>{one}")), E::NotOneToken),
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
