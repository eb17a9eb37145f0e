//! The answer: a RequestSecurityTokenResponse (WS-Trust, February 2005, section 5; WS-Trust 1.3
//! section 3.2) in `wresult`, and the one token in it.
//!
//! The envelope is signed by nobody. What is read from it can only have a login refused: who somebody
//! is, is read from octets that were signed.

use super::{
    jwt,
    metadata::referenced,
    saml11::{self, SAML_1},
    saml20::{self, SAML_2},
    token::{Expected, Token, TokenError as E, text_in},
};
use crate::protocol::xml::{self, Ciphers, Document, Element, EncryptionError, XENC, base64};

/// The largest answer, in bytes.
pub(crate) const MOST_BYTES: usize = 256 << 10;
/// So much of a provider's words is told.
const MOST_SAID: usize = 200;
/// The namespaces of WS-Trust.
const TRUST: [&str; 2] = [
    "http://schemas.xmlsoap.org/ws/2005/02/trust",
    "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
];
const SOAP: [&str; 2] = [
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
];
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// Checks an answer, and returns what the token in it says.
pub(crate) fn check(wresult: &str, expected: &Expected<'_>) -> Result<Token, E> {
    let wresult = wresult.trim();
    if !wresult.starts_with('<') {
        // Some providers answer with nothing around a JWT.
        return jwt::check(wresult, expected);
    }
    let document = Document::parse(wresult.as_bytes(), MOST_BYTES)?;
    document.check_signatures(expected.hashes)?;
    let response = response(&document.root)?;
    check_applies_to(response, expected)?;
    let requested = TRUST
        .iter()
        .find_map(|trust| response.only(trust, "RequestedSecurityToken"));
    let requested = requested.ok_or(E::NotOneToken)?;
    let mut inside = requested.elements();
    let assertions = assertions(&document);
    match (inside.next(), inside.next()) {
        (None, _) if assertions == 0 => {
            let text = requested.text().unwrap_or_default();
            let text = Some(text.trim()).filter(|text| !text.is_empty());
            jwt::check(text.ok_or(E::NotOneToken)?, expected)
        }
        (Some(token), None) if is_assertion(token) && assertions == 1 => {
            checked(&document, token, expected)
        }
        (Some(token), None) if token.is(XENC, "EncryptedData") && assertions == 0 => {
            encrypted(requested, expected)
        }
        (Some(token), None) if token.is(SAML_2, "EncryptedAssertion") && assertions == 0 => {
            encrypted(token, expected)
        }
        (Some(token), None) if token.is(SECURITY, "BinarySecurityToken") && assertions == 0 => {
            jwt::check(&binary(token)?, expected)
        }
        _ => Err(E::NotOneToken),
    }
}

/// The one response.
fn response(root: &Element) -> Result<&Element, E> {
    for soap in SOAP {
        if root.is(soap, "Envelope") {
            return Err(E::Fault(fault(root, soap)));
        }
    }
    for trust in TRUST {
        let response = if root.is(trust, "RequestSecurityTokenResponseCollection") {
            let mut all = root.elements();
            let (first, more) = (all.next(), all.next());
            first.filter(|_| more.is_none()).ok_or(E::NoResponse)?
        } else {
            root
        };
        if response.is(trust, "RequestSecurityTokenResponse") {
            let status = response.all(trust, "Status").next();
            let code = status.map(|status| text_in(status, trust, "Code").unwrap_or_default());
            return match code {
                Some(code) if !code.ends_with("/status/valid") => Err(E::Fault(printable(&code))),
                _ => Ok(response),
            };
        }
    }
    Err(E::NoResponse)
}

/// What a SOAP fault says, for the log: its innermost code and its reason (SOAP 1.2 part 1 section
/// 5.4, SOAP 1.1 section 4.4).
fn fault(envelope: &Element, soap: &str) -> String {
    let body = envelope.only(soap, "Body");
    let fault = body.and_then(|body| body.only(soap, "Fault"));
    let parts = fault.into_iter().flat_map(Element::walk);
    let codes = ["Value", "faultcode", "Text", "faultstring"];
    let said = parts.filter(|part| codes.contains(&&*part.name));
    let said = said.filter_map(Element::text);
    let said: Vec<String> = said.take(4).map(|text| printable(text.trim())).collect();
    if said.is_empty() {
        "an envelope without a fault".to_owned()
    } else {
        said.join(": ")
    }
}

/// What a sender wrote, for the log.
fn printable(text: &str) -> String {
    let plain = |char: &char| char.is_ascii_graphic() || *char == ' ';
    text.chars().filter(plain).take(MOST_SAID).collect()
}

/// Whom the token is for, if the envelope says so (WS-Trust section 4.1).
fn check_applies_to(response: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let all = response.elements().filter(|one| &*one.name == "AppliesTo");
    for applies_to in all {
        let address = referenced(applies_to);
        if address.is_none_or(|address| address.trim() != expected.wtrealm) {
            return Err(E::AppliesTo);
        }
    }
    Ok(())
}

fn is_assertion(element: &Element) -> bool {
    element.is(SAML_1, "Assertion") || element.is(SAML_2, "Assertion")
}

/// All assertions, wherever they are and whatever they are called besides.
fn assertions(document: &Document) -> usize {
    let all = document.root.walk();
    all.filter(|one| &*one.name == "Assertion").count()
}

/// Verifies an assertion, and checks what is read of it from the octets that were digested.
fn checked(document: &Document, assertion: &Element, expected: &Expected<'_>) -> Result<Token, E> {
    let verified = document.verified(assertion, expected.certificates, expected.hashes)?;
    if verified.is(SAML_1, "Assertion") {
        saml11::check(&verified, expected)
    } else {
        saml20::check(&verified, expected)
    }
}

/// An assertion that was encrypted: a document of its own, to be looked at like any other.
fn encrypted(around: &Element, expected: &Expected<'_>) -> Result<Token, E> {
    let octets = xml::open(around, expected.keys, expected.ciphers)?;
    // What comes out is no more to be told from what does not open than the key is.
    let document = Document::parse(&octets, MOST_BYTES).map_err(|_| EncryptionError)?;
    let signatures = document.check_signatures(expected.hashes);
    if signatures.is_err() || !is_assertion(&document.root) || assertions(&document) != 1 {
        return Err(EncryptionError.into());
    }
    checked(&document, &document.root, expected).map_err(|error| match (error, expected.ciphers) {
        // Whoever can change what is in it must not learn how it then looks.
        (E::Signature(_), Ciphers::WithCbc) => E::Encryption(EncryptionError),
        (error, _) => error,
    })
}

/// A JWT as octets (WS-Security 1.1 section 6.3).
fn binary(token: &Element) -> Result<String, E> {
    let malformed = E::Malformed("BinarySecurityToken");
    let kind = token.attribute("ValueType").unwrap_or_default();
    let encoding = token.attribute("EncodingType");
    let is_base64 = encoding.is_none_or(|encoding| encoding.ends_with("#Base64Binary"));
    if !kind.to_ascii_lowercase().ends_with("jwt") || !is_base64 {
        return Err(malformed);
    }
    let octets = token.text().and_then(|text| base64(&text));
    let text = octets.and_then(|octets| String::from_utf8(octets).ok());
    text.ok_or(malformed)
}
