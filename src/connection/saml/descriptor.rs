//! What this service provider says of itself: its metadata, and the certificates of its keys (SAML
//! 2.0 metadata sections 2.3 and 2.4).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{Id, PKey, Private},
    sign::Signer,
    x509::{X509, X509Name},
};

use super::{metadata::METADATA, response::SAMLP};
use crate::{
    protocol::xml::{DS, XENC, escape},
    secret::Secret,
};

const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// When the certificates of our keys begin and end: they stand for the keys alone, which go with the
/// configuration.
const BEGIN: &str = "20000101000000Z";
const END: &str = "20991231235959Z";
/// What is taken of what is encrypted for us, the best first.
const CIPHERS: [&str; 3] = ["aes256-gcm", "aes192-gcm", "aes128-gcm"];

/// A key of this service provider.
#[derive(Clone)]
pub(crate) struct OwnKey {
    key: PKey<Private>,
    certificate: Vec<u8>,
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnKey").finish_non_exhaustive()
    }
}

/// How a key signs (RFC 9231 section 2.3).
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

impl OwnKey {
    /// Reads PEM.
    pub(crate) fn parse(text: &Secret) -> Result<Self, ErrorStack> {
        let key = PKey::private_key_from_pem(text.expose().as_bytes())?;
        let certificate = certificate(&key)?;
        Ok(Self { key, certificate })
    }

    /// Whether something can be encrypted for it.
    pub(crate) fn is_rsa(&self) -> bool {
        self.key.id() == Id::RSA
    }

    pub(crate) fn key(&self) -> &PKey<Private> {
        &self.key
    }

    pub(crate) fn signature_algorithm(&self) -> &'static str {
        if self.is_rsa() {
            RSA_SHA256
        } else {
            ECDSA_SHA256
        }
    }

    /// A signature over these octets.
    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(octets)?;
        signer.sign_to_vec()
    }
}

fn certificate(key: &PKey<Private>) -> Result<Vec<u8>, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "vestibule")?;
    let name = name.build();
    let mut x509 = X509::builder()?;
    x509.set_version(2)?;
    let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
    x509.set_serial_number(&serial)?;
    x509.set_subject_name(&name)?;
    x509.set_issuer_name(&name)?;
    x509.set_pubkey(key)?;
    let (begin, end) = (Asn1Time::from_str(BEGIN)?, Asn1Time::from_str(END)?);
    x509.set_not_before(&begin)?;
    x509.set_not_after(&end)?;
    x509.sign(key, MessageDigest::sha256())?;
    x509.build().to_der()
}

/// What is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor<'a> {
    pub(crate) entity_id: &'a str,
    pub(crate) acs: &'a str,
    pub(crate) name_id_format: Option<&'a str>,
    pub(crate) signing: Option<&'a OwnKey>,
    pub(crate) decryption: &'a [OwnKey],
    pub(crate) wants_signed_assertions: bool,
}

impl Descriptor<'_> {
    /// The metadata as XML.
    pub(crate) fn to_xml(self) -> String {
        let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        let _ = write!(
            xml,
            r#"<md:EntityDescriptor xmlns:md="{METADATA}" xmlns:ds="{DS}" entityID=""#
        );
        escape(&mut xml, self.entity_id, true);
        let (signed, wanted) = (self.signing.is_some(), self.wants_signed_assertions);
        let _ = write!(
            xml,
            r#""><md:SPSSODescriptor protocolSupportEnumeration="{SAMLP}" AuthnRequestsSigned="{signed}" WantAssertionsSigned="{wanted}">"#
        );
        if let Some(key) = self.signing {
            push_key(&mut xml, "signing", key);
        }
        for key in self.decryption {
            push_key(&mut xml, "encryption", key);
        }
        if let Some(format) = self.name_id_format {
            xml.push_str("<md:NameIDFormat>");
            escape(&mut xml, format, false);
            xml.push_str("</md:NameIDFormat>");
        }
        let _ = write!(
            xml,
            r#"<md:AssertionConsumerService Binding="{POST}" Location=""#
        );
        escape(&mut xml, self.acs, true);
        xml.push_str(
            r#"" index="0" isDefault="true"/></md:SPSSODescriptor></md:EntityDescriptor>"#,
        );
        xml
    }
}

fn push_key(xml: &mut String, usage: &str, key: &OwnKey) {
    let certificate = STANDARD.encode(&key.certificate);
    let _ = write!(
        xml,
        r#"<md:KeyDescriptor use="{usage}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"#
    );
    if usage == "encryption" {
        for cipher in CIPHERS {
            let _ = write!(
                xml,
                r#"<md:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#{cipher}"/>"#
            );
        }
        let _ = write!(
            xml,
            r#"<md:EncryptionMethod Algorithm="{XENC}rsa-oaep-mgf1p"/>"#
        );
    }
    xml.push_str("</md:KeyDescriptor>");
}
