//! The response to an authentication request (SAML 2.0 core section 3.3.3, bindings section 3.5,
//! profiles section 4.1.4), and the checks of it.
//!
//! Who somebody is, is read from octets that were signed. What is read from others, the envelope of
//! an assertion that is signed itself, can only have a login refused.

use openssl::pkey::{PKey, Private};

use super::assertion::{Assertion, NameIdRules, SAML, check_issued, check_issuer};
use crate::{
    clock::Timestamp,
    connection::oauth::printable,
    protocol::xml::{
        self, Ciphers, DS, Document, Element, EncryptionError, Hashes, SignatureError,
        SigningCertificate, XmlError,
    },
};

/// The namespace of protocol messages.
pub(crate) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// The largest message, in bytes.
pub(crate) const MOST_BYTES: usize = 256 << 10;

/// What a response is held against.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    /// The entity IDs of both sides.
    pub(crate) identity_provider: &'a str,
    pub(crate) service_provider: &'a str,
    /// Where responses come to.
    pub(crate) acs: &'a str,
    /// The request that this is an answer to. `None`: nobody asked.
    pub(crate) request_id: Option<&'a str>,
    pub(crate) certificates: &'a [SigningCertificate],
    /// Our own, for what is encrypted.
    pub(crate) keys: &'a [PKey<Private>],
    pub(crate) ciphers: Ciphers,
    pub(crate) signed: Signed,
    pub(crate) hashes: Hashes,
    /// The oldest login that is good enough, in seconds.
    pub(crate) max_age: Option<u64>,
    /// The person must have signed in after that.
    pub(crate) signed_in_since: Option<Timestamp>,
    /// The kind of name that somebody must have; any, if none is set.
    pub(crate) name_id_format: Option<&'a str>,
    /// One of these contexts must come back; any, if there are none.
    pub(crate) authn_contexts: &'a [String],
    pub(crate) now: Timestamp,
}

impl Expected<'_> {
    /// What the name of the person is held against.
    pub(crate) fn names(&self) -> NameIdRules<'_> {
        NameIdRules {
            service_provider: self.service_provider,
            format: self.name_id_format,
            keys: self.keys,
            ciphers: self.ciphers,
        }
    }
}

/// What must be signed. One of both always is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signed {
    Assertion,
    Both,
    /// The response or the assertion, as the provider likes.
    #[default]
    Either,
    Response,
}

/// What is wrong with a response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error("an audience restriction names others, or there is none")]
    Audience,
    #[error("the person signed in in the future")]
    AuthenticatedInFuture,
    #[error("the person signed in {0} seconds ago, which is longer than was asked for")]
    AuthenticatedLongAgo(i64),
    #[error("the authentication context is {0:?}, which is not what was asked for")]
    AuthnContext(String),
    #[error("Destination is another address, or missing in what is signed")]
    Destination,
    #[error("it does not open: {0}")]
    Encryption(#[from] EncryptionError),
    #[error("it is no longer good")]
    Expired,
    #[error("it is no answer to the request of this login")]
    InResponseTo,
    #[error("it was issued in the future")]
    IssuedInFuture,
    #[error("it was issued long ago")]
    IssuedLongAgo,
    #[error("Issuer is somebody else")]
    Issuer,
    #[error("{0} is missing or is not what it must be")]
    Malformed(&'static str),
    #[error("there are no conditions")]
    NoConditions,
    #[error("no confirmation of the subject is for the bearer")]
    NoConfirmation,
    #[error("there is no assertion, or more than one")]
    NotOneAssertion,
    #[error("it is no response")]
    NoResponse,
    #[error("it is no message about a logout")]
    NoLogout,
    #[error("there is no statement of an authentication")]
    NoStatement,
    #[error("nobody is named")]
    NoSubject,
    #[error("the person did not sign in again, as was asked for")]
    NotAgain,
    #[error("it is not good yet")]
    NotYet,
    #[error("the name of the person is of another kind than is set here")]
    OtherFormat,
    #[error("the name of the person is qualified for somebody else")]
    OtherQualifier,
    #[error("Recipient is another address")]
    Recipient,
    #[error("the session at the provider is over")]
    SessionOver,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the provider said {0}")]
    Status(String),
    #[error("it has too many parts")]
    TooMuch,
    #[error("there is a condition that is not known")]
    UnknownCondition,
    #[error("it is of another version")]
    Version,
    #[error("it cannot be read: {0}")]
    Xml(#[from] XmlError),
    #[error("{0} must be signed, as is set here")]
    Unsigned(&'static str),
}

/// Checks a response and returns the assertion in it.
pub(crate) fn check(octets: &[u8], expected: &Expected<'_>) -> Result<Assertion, ResponseError> {
    use ResponseError as E;
    let document = Document::parse(octets, MOST_BYTES)?;
    document.check_signatures(expected.hashes)?;
    let sent = &document.root;
    if !sent.is(SAMLP, "Response") {
        return Err(E::NoResponse);
    }
    // It can only refuse, and costs less than a signature.
    check_envelope(sent, is_signed(sent), expected)?;
    let verified_in = |document: &Document, element: &Element| {
        let signed = is_signed(element);
        signed.then(|| document.verified(element, expected.certificates, expected.hashes))
    };
    let verified = |element: &Element| verified_in(&document, element);
    let signed_response = verified(sent).transpose()?;
    let response = signed_response.as_ref().unwrap_or(sent);
    check_envelope(response, signed_response.is_some(), expected)?;
    let assertion = match found(sent)? {
        Found::Plain(assertion) => Found::Plain(assertion),
        // If the response is signed, then so is what is opened.
        Found::Encrypted(_) => match found(response)? {
            Found::Encrypted(around) => Found::Encrypted(decrypted(around, expected)?),
            Found::Plain(_) => return Err(E::NotOneAssertion),
        },
    };
    let signed_assertion = match &assertion {
        Found::Plain(assertion) => verified(assertion).transpose()?,
        Found::Encrypted(inner) => {
            let verified = verified_in(inner, &inner.root).transpose();
            verified.map_err(|error| match expected.ciphers {
                Ciphers::Authenticated => E::Signature(error),
                // Whoever can change what is in it must not learn how it then looks.
                Ciphers::WithCbc => E::Encryption(EncryptionError),
            })?
        }
    };
    let is_open = matches!(assertion, Found::Encrypted(_)) && signed_assertion.is_none();
    if is_open && signed_response.is_none() && expected.ciphers == Ciphers::WithCbc {
        // The same: that there is no signature in it would be told of what was changed.
        return Err(EncryptionError.into());
    }
    match (expected.signed, &signed_response, &signed_assertion) {
        (Signed::Assertion | Signed::Both, _, None) => return Err(E::Unsigned("the assertion")),
        (Signed::Response | Signed::Both, None, _) => return Err(E::Unsigned("the response")),
        _ => {}
    }
    match (signed_assertion, signed_response, assertion) {
        (Some(assertion), ..) => Assertion::check(&assertion, expected),
        (None, Some(response), Found::Plain(_)) => match found(&response)? {
            Found::Plain(assertion) => Assertion::check(assertion, expected),
            Found::Encrypted(_) => Err(E::NotOneAssertion),
        },
        (None, Some(_), Found::Encrypted(document)) => Assertion::check(&document.root, expected),
        (None, None, _) => Err(E::Signature(SignatureError::NotSigned)),
    }
}

/// The one assertion of a response.
enum Found<P, E> {
    Plain(P),
    Encrypted(E),
}

fn found(response: &Element) -> Result<Found<&Element, &Element>, ResponseError> {
    let mut plain = response.all(SAML, "Assertion");
    let mut encrypted = response.all(SAML, "EncryptedAssertion");
    let found = match (plain.next(), encrypted.next()) {
        (Some(one), None) => Found::Plain(one),
        (None, Some(one)) => Found::Encrypted(one),
        _ => return Err(ResponseError::NotOneAssertion),
    };
    let (Found::Plain(one) | Found::Encrypted(one)) = &found;
    // Also none around it, where an extension could be: it is there to be mistaken for it.
    let all = response.walk().filter(|one| is_assertion(one)).count();
    let own = one.walk().filter(|one| is_assertion(one)).count();
    (all == own)
        .then_some(found)
        .ok_or(ResponseError::NotOneAssertion)
}

fn is_assertion(element: &Element) -> bool {
    element.is(SAML, "Assertion") || element.is(SAML, "EncryptedAssertion")
}

/// An assertion that was encrypted: a document of its own, to be looked at like any other.
fn decrypted(around: &Element, expected: &Expected<'_>) -> Result<Document, ResponseError> {
    let octets = xml::open(around, expected.keys, expected.ciphers)?;
    // What comes out is no more to be told from what does not open than the key is.
    let document = Document::parse(&octets, MOST_BYTES).map_err(|_| EncryptionError)?;
    let signatures = document.check_signatures(expected.hashes);
    if signatures.is_err() || !document.root.is(SAML, "Assertion") {
        return Err(EncryptionError.into());
    }
    Ok(document)
}

fn is_signed(element: &Element) -> bool {
    element.all(DS, "Signature").next().is_some()
}

fn check_envelope(
    response: &Element,
    is_signed: bool,
    expected: &Expected<'_>,
) -> Result<(), ResponseError> {
    use ResponseError as E;
    if response.attribute("Version") != Some("2.0") {
        return Err(E::Version);
    }
    check_issued(response, expected.now)?;
    match response.attribute("Destination") {
        Some(destination) if destination == expected.acs => {}
        // Bindings section 3.5.5.2: what is signed says where it goes.
        None if !is_signed => {}
        _ => return Err(E::Destination),
    }
    if let Some(issuer) = response.all(SAML, "Issuer").next() {
        check_issuer(issuer, expected.identity_provider)?;
    }
    if response.attribute("InResponseTo") != expected.request_id {
        return Err(E::InResponseTo);
    }
    let status = response.only(SAMLP, "Status");
    let status = status.ok_or(E::Malformed("Status"))?;
    let code = status.only(SAMLP, "StatusCode");
    let code = code.ok_or(E::Malformed("StatusCode"))?;
    if code.attribute("Value") != Some(SUCCESS) {
        return Err(E::Status(said(code)));
    }
    Ok(())
}

/// The codes of a status, without what they begin with (core section 3.2.2.2).
pub(super) fn said(code: &Element) -> String {
    let names = code.walk().filter_map(|code| code.attribute("Value"));
    let names = names.map(|name| name.rsplit(':').next().unwrap_or_default());
    let names: Vec<String> = names.take(3).map(printable).collect();
    names.join(" ")
}
