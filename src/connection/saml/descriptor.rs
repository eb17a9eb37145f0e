//! What this service provider says of itself: its metadata, and the certificates of its keys (SAML
//! 2.0 metadata sections 2.3 and 2.4).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    sign::Signer,
    x509::{X509, X509Name},
};

use super::{
    message::{MessageError, push_attribute},
    metadata::METADATA,
    response::SAMLP,
};
use crate::{
    protocol::xml::{DS, XENC, escape, signature_algorithm_of, signed},
    secret::Secret,
};

pub(super) const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
pub(super) const ARTIFACT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact";
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const SOAP: &str = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP";
/// The ID of our metadata, when they are signed.
const ID: &str = "_metadata";
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

impl OwnKey {
    /// Reads PEM. `None`: it is neither RSA with 2048 bits nor on P-256.
    pub(crate) fn parse(text: &Secret) -> Option<Self> {
        let key = PKey::private_key_from_pem(text.expose().as_bytes()).ok()?;
        let is_good = match key.id() {
            Id::RSA => key.bits() >= 2048,
            Id::EC => key.ec_key().ok()?.group().curve_name() == Some(Nid::X9_62_PRIME256V1),
            _ => false,
        };
        let certificate = certificate(&key).ok()?;
        is_good.then_some(Self { key, certificate })
    }

    /// Whether something can be encrypted for it.
    pub(crate) fn is_rsa(&self) -> bool {
        self.key.id() == Id::RSA
    }

    pub(crate) fn key(&self) -> &PKey<Private> {
        &self.key
    }

    pub(crate) fn signature_algorithm(&self) -> &'static str {
        signature_algorithm_of(&self.key)
    }

    /// Its certificate, which stands for the key alone, in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// A signature over these octets.
    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(octets)?;
        let signature = signer.sign_to_vec()?;
        if self.is_rsa() {
            return Ok(signature);
        }
        // Both numbers in the length of the field, one behind the other (RFC 4050 section 3.3).
        let size = i32::try_from(self.key.bits().div_ceil(8)).unwrap_or_default();
        let signature = EcdsaSig::from_der(&signature)?;
        let (mut r, s) = (
            signature.r().to_vec_padded(size)?,
            signature.s().to_vec_padded(size)?,
        );
        r.extend(s);
        Ok(r)
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
    pub(crate) slo: &'a str,
    /// Whether responses come by artifact.
    pub(crate) artifact: bool,
    pub(crate) name_id_format: Option<&'a str>,
    pub(crate) signing: Option<&'a OwnKey>,
    /// The one that will sign.
    pub(crate) next_signing: Option<&'a OwnKey>,
    pub(crate) decryption: &'a [OwnKey],
    /// Whether they are signed themselves.
    pub(crate) signed: bool,
    /// What people may read about this service.
    pub(crate) name: &'a str,
    pub(crate) requested_attributes: &'a [String],
    pub(crate) wants_signed_assertions: bool,
}

impl Descriptor<'_> {
    /// The metadata as XML.
    pub(crate) fn to_xml(self) -> Result<String, MessageError> {
        let mut before =
            format!(r#"<md:EntityDescriptor xmlns:md="{METADATA}" xmlns:ds="{DS}" ID="{ID}""#);
        push_attribute(&mut before, "entityID", self.entity_id);
        before.push('>');
        let role = self.role();
        let after = format!("{role}</md:EntityDescriptor>");
        let signing = self.signing.filter(|_| self.signed);
        let xml = match signing {
            None => format!("{before}{after}"),
            Some(key) => {
                let both = (before.as_str(), after.as_str());
                let signed = signed(both, ID, (key.key(), key.certificate()));
                signed.ok_or(MessageError::SignXml)?
            }
        };
        Ok(format!(r#"<?xml version="1.0" encoding="UTF-8"?>{xml}"#))
    }

    fn role(&self) -> String {
        let mut xml = String::from("<md:SPSSODescriptor");
        let (signs, wants) = (self.signing.is_some(), self.wants_signed_assertions);
        push_attribute(&mut xml, "protocolSupportEnumeration", SAMLP);
        push_attribute(&mut xml, "AuthnRequestsSigned", &signs.to_string());
        push_attribute(&mut xml, "WantAssertionsSigned", &wants.to_string());
        xml.push('>');
        for key in [self.signing, self.next_signing].into_iter().flatten() {
            push_key(&mut xml, "signing", key);
        }
        for key in self.decryption {
            push_key(&mut xml, "encryption", key);
        }
        for binding in [REDIRECT, POST, SOAP] {
            xml.push_str("<md:SingleLogoutService");
            push_attribute(&mut xml, "Binding", binding);
            push_attribute(&mut xml, "Location", self.slo);
            xml.push_str("/>");
        }
        if let Some(format) = self.name_id_format {
            push_element(&mut xml, "NameIDFormat", format);
        }
        let bindings: &[&str] = if self.artifact {
            &[ARTIFACT, POST]
        } else {
            &[POST]
        };
        for (index, binding) in bindings.iter().enumerate() {
            xml.push_str("<md:AssertionConsumerService");
            push_attribute(&mut xml, "Binding", binding);
            push_attribute(&mut xml, "Location", self.acs);
            push_attribute(&mut xml, "index", &index.to_string());
            if index == 0 {
                push_attribute(&mut xml, "isDefault", "true");
            }
            xml.push_str("/>");
        }
        if !self.requested_attributes.is_empty() {
            xml.push_str(
                "<md:AttributeConsumingService index=\"0\"><md:ServiceName xml:lang=\"en\">",
            );
            escape(&mut xml, self.name, false);
            xml.push_str("</md:ServiceName>");
            for name in self.requested_attributes {
                xml.push_str("<md:RequestedAttribute");
                push_attribute(&mut xml, "Name", name);
                push_attribute(&mut xml, "NameFormat", name_format(name));
                xml.push_str("/>");
            }
            xml.push_str("</md:AttributeConsumingService>");
        }
        xml.push_str("</md:SPSSODescriptor>");
        xml
    }
}

/// Which kind of name that is (core section 8.2).
fn name_format(name: &str) -> &'static str {
    if name.contains(':') {
        "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
    } else {
        "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
    }
}

fn push_element(xml: &mut String, name: &str, text: &str) {
    let _ = write!(xml, "<md:{name}>");
    escape(xml, text, false);
    let _ = write!(xml, "</md:{name}>");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::xml::{Document, Hashes, SigningCertificate, fixture::Signer};

    fn own_key() -> OwnKey {
        let pem = Signer::rsa().key().private_key_to_pem_pkcs8().unwrap();
        OwnKey::parse(&Secret::new(String::from_utf8(pem).unwrap())).unwrap()
    }

    #[test]
    fn metadata_say_what_this_service_takes_and_can_be_signed() {
        let (signing, next, decryption) = (own_key(), own_key(), [own_key()]);
        let wanted = ["mail".to_owned(), "urn:oid:2.5.4.3".to_owned()];
        let descriptor = Descriptor {
            entity_id: "https://sp.example/metadata?a=1&b=2",
            acs: "https://sp.example/acs",
            slo: "https://sp.example/slo",
            artifact: true,
            name_id_format: Some("urn:name"),
            signing: Some(&signing),
            next_signing: Some(&next),
            decryption: &decryption,
            signed: true,
            name: "A & B",
            requested_attributes: &wanted,
            wants_signed_assertions: true,
        };
        let xml = descriptor.to_xml().unwrap();
        let document = Document::parse(xml.as_bytes(), 64 << 10).unwrap();
        let certificate = SigningCertificate::from_der(signing.certificate()).unwrap();
        let read = document.verified(&document.root, &[certificate], Hashes::Strong);
        let read = read.unwrap();
        let role = read.only(METADATA, "SPSSODescriptor").unwrap();
        let uses: Vec<_> = role
            .all(METADATA, "KeyDescriptor")
            .map(|key| key.attribute("use").unwrap_or_default())
            .collect();
        assert_eq!(uses, ["signing", "signing", "encryption"]);
        let services = role.all(METADATA, "AssertionConsumerService");
        let bindings: Vec<_> = services.map(|one| one.attribute("Binding")).collect();
        assert_eq!(bindings, [Some(ARTIFACT), Some(POST)]);
        assert_eq!(role.all(METADATA, "SingleLogoutService").count(), 3);
        let asked = role.only(METADATA, "AttributeConsumingService").unwrap();
        assert_eq!(asked.all(METADATA, "RequestedAttribute").count(), 2);
        // in the order of the schema (SAML 2.0 metadata section 2.4.4)
        let mut names: Vec<String> = role.elements().map(|one| one.name.to_string()).collect();
        names.dedup();
        assert_eq!(
            names,
            [
                "KeyDescriptor",
                "SingleLogoutService",
                "NameIDFormat",
                "AssertionConsumerService",
                "AttributeConsumingService"
            ]
        );
        let unsigned = Descriptor {
            signed: false,
            ..descriptor
        };
        assert!(!unsigned.to_xml().unwrap().contains("SignatureValue"));
    }
}
