//! Signatures (XML Signature Syntax and Processing 1.1, SAML 2.0 core section 5.4).
//!
//! A signature is looked at before anything verifies it: where it stands, what it refers to and by
//! which algorithms. Of all that the standard allows, SAML needs one shape, and that is the one
//! taken here. A reference names its parent by its ID: nothing is fetched, opened or executed.

use std::collections::HashSet;

use super::{
    Document, Element, SigningCertificate, XmlError,
    certificate::Family,
    library::{is_verified, verified_octets},
    reader::is_name,
};

/// The namespace of XML signatures.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// A document has at most a signed message and a signed assertion in it.
const MOST_SIGNATURES: usize = 2;
/// What may be signed, and by which attribute a signature refers to it.
const SIGNABLE: [(&str, &str, &str); 9] = [
    (SAML, "Assertion", "ID"),
    (SAMLP, "ArtifactResponse", "ID"),
    (SAMLP, "LogoutRequest", "ID"),
    (SAMLP, "LogoutResponse", "ID"),
    (SAMLP, "Response", "ID"),
    (METADATA, "EntitiesDescriptor", "ID"),
    (METADATA, "EntityDescriptor", "ID"),
    (SAML_1, "Assertion", "AssertionID"),
    (SAMLP_1, "Response", "ResponseID"),
];
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const SAML_1: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
const SAMLP_1: &str = "urn:oasis:names:tc:SAML:1.0:protocol";

/// The attributes in a signature, outside of what says whose key it is.
const ATTRIBUTES: [&str; 4] = ["Algorithm", "Id", "PrefixList", "URI"];
/// The longest list of prefixes: in bytes, and in prefixes, which are looked up at each element.
const MOST_PREFIX_LIST: usize = 128;
const MOST_PREFIXES: usize = 8;

/// Attributes that some reader takes for an ID.
const IDS: [&str; 5] = ["ID", "Id", "id", "AssertionID", "ResponseID"];

/// How something may be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hashes {
    /// SHA-256, SHA-384 and SHA-512.
    Strong,
    /// SHA-1 as well, which collides.
    WithSha1,
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("an algorithm is not accepted: {0:?}")]
    Algorithm(String),
    #[error("the signature is wrong, or by a key that is not this provider's")]
    BadSignature,
    #[error("an ID is there twice, or is none")]
    Id,
    #[error("a signature is where none may be")]
    Misplaced,
    #[error("it is not signed")]
    NotSigned,
    #[error("a signature refers to something else than the element it is in")]
    Reference,
    #[error("a signature has an unexpected {0}")]
    Shape(&'static str),
    #[error("what was signed cannot be read: {0}")]
    Xml(#[from] XmlError),
}

impl Document {
    /// Whether everything in it that looks like a signature is one, at its place, and every ID is
    /// there once. To be asked before anything is verified.
    pub(crate) fn check_signatures(&self, hashes: Hashes) -> Result<(), SignatureError> {
        let mut ids = HashSet::new();
        let mut found = 0;
        for element in self.root.walk() {
            // The library looks at the local name alone.
            let all = element.attributes.iter();
            for one in all.filter(|one| IDS.contains(&&*one.name)) {
                let id = one.value.as_str();
                if !is_name(id) || !ids.insert(id) {
                    return Err(SignatureError::Id);
                }
            }
            for signature in element.all(DS, "Signature") {
                found += 1;
                let id = signable(element).ok_or(SignatureError::Misplaced)?;
                let is_only = element.only(DS, "Signature").is_some();
                if !is_only || found > MOST_SIGNATURES {
                    return Err(SignatureError::Misplaced);
                }
                check_shape(signature, id, hashes)?;
            }
        }
        // A root of that name has no parent to be looked at.
        if self.root.is(DS, "Signature") {
            return Err(SignatureError::Misplaced);
        }
        Ok(())
    }

    /// One of its elements, as one of these keys has signed it: read from the octets that were
    /// digested. The element is not looked at again.
    pub(crate) fn verified(
        &self,
        element: &Element,
        certificates: &[SigningCertificate],
        hashes: Hashes,
    ) -> Result<Element, SignatureError> {
        self.check_signatures(hashes)?;
        let signature = element.only(DS, "Signature");
        let signature = signature.ok_or(SignatureError::NotSigned)?;
        // The library verifies the first that it finds.
        let first = element.walk().find(|one| one.is(DS, "Signature"));
        if !first.is_some_and(|first| std::ptr::eq(first, signature)) {
            return Err(SignatureError::Misplaced);
        }
        let family = family(signature).ok_or(SignatureError::Shape("SignatureMethod"))?;
        let alone = self.detach(element).ok_or(SignatureError::Misplaced)?;
        let by_id = element.attribute("ID").is_some();
        let text = alone.to_xml();
        for certificate in certificates.iter().filter(|one| one.family == family) {
            if by_id {
                if let Some(digested) = verified_octets(&text, certificate) {
                    let signed = Self::parse(digested.as_bytes(), digested.len())?;
                    // The library digested what was asked for, and nothing else.
                    let same = signed.root.is(&element.namespace, &element.name)
                        && signed.root.attribute("ID") == element.attribute("ID");
                    return same.then_some(signed.root).ok_or(SignatureError::Reference);
                }
            } else if is_verified(&text, certificate) {
                // SAML 1.1 has its own attribute, of which the library returns no octets: then it is
                // the element as it was written for it, without the signature.
                return Ok(alone.root.without_signature());
            }
        }
        Err(SignatureError::BadSignature)
    }
}

impl Element {
    fn without_signature(mut self) -> Self {
        self.children.retain(
            |node| !matches!(node, super::Node::Element(element) if element.is(DS, "Signature")),
        );
        self
    }
}

/// The ID of an element that may be signed.
fn signable(element: &Element) -> Option<&str> {
    let mut all = SIGNABLE.iter();
    let (.., attribute) = all.find(|(namespace, name, _)| element.is(namespace, name))?;
    element.attribute(attribute)
}

/// Section 4.4: the one shape.
fn check_shape(signature: &Element, id: &str, hashes: Hashes) -> Result<(), SignatureError> {
    let [info, value, rest @ ..] = &children(signature)[..] else {
        return Err(SignatureError::Shape("child"));
    };
    if !info.is(DS, "SignedInfo") || !value.is(DS, "SignatureValue") {
        return Err(SignatureError::Shape("child"));
    }
    match rest {
        [] => {}
        [key] if key.is(DS, "KeyInfo") => check_key_info(key)?,
        _ => return Err(SignatureError::Shape("child")),
    }
    // The library takes the first attribute of a local name, whatever its namespace.
    let is_known = |element: &Element| {
        let mut all = element.attributes.iter();
        all.all(|one| one.namespace.is_empty() && ATTRIBUTES.contains(&&*one.name))
    };
    if !is_known(signature) || !is_known(value) || !info.walk().all(is_known) {
        return Err(SignatureError::Shape("attribute"));
    }
    let [canonicalization, method, reference] = &children(info)[..] else {
        return Err(SignatureError::Shape("SignedInfo"));
    };
    if !canonicalization.is(DS, "CanonicalizationMethod")
        || !method.is(DS, "SignatureMethod")
        || !reference.is(DS, "Reference")
    {
        return Err(SignatureError::Shape("SignedInfo"));
    }
    check_canonicalization(canonicalization)?;
    check_algorithm(method, hashes, |name, sha1| {
        signature_algorithm(name, sha1).is_some()
    })?;
    if reference
        .attribute("URI")
        .and_then(|uri| uri.strip_prefix('#'))
        != Some(id)
    {
        return Err(SignatureError::Reference);
    }
    let [transforms, digest, digest_value] = &children(reference)[..] else {
        return Err(SignatureError::Shape("Reference"));
    };
    if !transforms.is(DS, "Transforms")
        || !digest.is(DS, "DigestMethod")
        || !digest_value.is(DS, "DigestValue")
    {
        return Err(SignatureError::Shape("Reference"));
    }
    check_algorithm(digest, hashes, is_digest_algorithm)?;
    let [enveloped, canonicalization @ ..] = &children(transforms)[..] else {
        return Err(SignatureError::Shape("Transforms"));
    };
    let is_enveloped = enveloped.is(DS, "Transform")
        && enveloped.attribute("Algorithm") == Some(ENVELOPED)
        && children(enveloped).is_empty();
    match canonicalization {
        [] if is_enveloped => Ok(()),
        [transform] if is_enveloped && transform.is(DS, "Transform") => {
            check_canonicalization(transform)
        }
        _ => Err(SignatureError::Shape("Transform")),
    }
}

fn children(element: &Element) -> Vec<&Element> {
    element.elements().collect()
}

/// Which key it is, metadata say; what would be fetched for it is refused.
fn check_key_info(key: &Element) -> Result<(), SignatureError> {
    let fetched = ["RetrievalMethod", "KeyInfoReference"];
    let fetches = key.walk().any(|one| fetched.contains(&&*one.name));
    (!fetches)
        .then_some(())
        .ok_or(SignatureError::Shape("KeyInfo"))
}

/// Exclusive canonical XML. There are no comments, with which the other form would differ.
fn check_canonicalization(element: &Element) -> Result<(), SignatureError> {
    let algorithm = element.attribute("Algorithm").unwrap_or_default();
    if algorithm.strip_suffix("WithComments").unwrap_or(algorithm) != EXC_C14N {
        return Err(SignatureError::Algorithm(printable(algorithm)));
    }
    match &children(element)[..] {
        [] => Ok(()),
        [prefixes] if is_prefix_list(prefixes) => Ok(()),
        _ => Err(SignatureError::Shape("canonicalization")),
    }
}

fn is_prefix_list(element: &Element) -> bool {
    let list = element.attribute("PrefixList").unwrap_or_default();
    element.is(EXC_C14N, "InclusiveNamespaces")
        && children(element).is_empty()
        && list.len() <= MOST_PREFIX_LIST
        && list.split_ascii_whitespace().count() <= MOST_PREFIXES
}

fn check_algorithm(
    element: &Element,
    hashes: Hashes,
    is_accepted: impl Fn(&str, bool) -> bool,
) -> Result<(), SignatureError> {
    let algorithm = element.attribute("Algorithm").unwrap_or_default();
    if !is_accepted(algorithm, hashes == Hashes::WithSha1) {
        return Err(SignatureError::Algorithm(printable(algorithm)));
    }
    // HMACOutputLength and its like
    let is_plain = children(element).is_empty();
    is_plain
        .then_some(())
        .ok_or(SignatureError::Shape("parameter"))
}

/// What a sender wrote, for the log.
pub(super) fn printable(text: &str) -> String {
    let chars = text.chars().filter(char::is_ascii_graphic);
    chars.take(100).collect()
}

fn family(signature: &Element) -> Option<Family> {
    let info = signature.only(DS, "SignedInfo")?;
    let method = info.only(DS, "SignatureMethod")?.attribute("Algorithm")?;
    signature_algorithm(method, true)
}

/// RFC 9231 section 2.3.
pub(super) fn signature_algorithm(name: &str, sha1: bool) -> Option<Family> {
    if let Some(more) = name.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#") {
        return match more {
            "rsa-sha256" | "rsa-sha384" | "rsa-sha512" => Some(Family::Rsa),
            "ecdsa-sha256" | "ecdsa-sha384" | "ecdsa-sha512" => Some(Family::Ecdsa),
            _ => None,
        };
    }
    (sha1 && name == "http://www.w3.org/2000/09/xmldsig#rsa-sha1").then_some(Family::Rsa)
}

/// RFC 9231 section 2.1.
fn is_digest_algorithm(name: &str, sha1: bool) -> bool {
    match name {
        "http://www.w3.org/2001/04/xmlenc#sha256"
        | "http://www.w3.org/2001/04/xmldsig-more#sha384"
        | "http://www.w3.org/2001/04/xmlenc#sha512" => true,
        "http://www.w3.org/2000/09/xmldsig#sha1" => sha1,
        _ => false,
    }
}
