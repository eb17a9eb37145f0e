//! A provider that signs, for tests.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::{Padding, Rsa},
    symm::{Cipher, encrypt_aead},
    x509::{X509, X509Name},
};
use samael::crypto::{Crypto, CryptoProvider as _};

use super::{DS, SigningCertificate, XENC};

/// A key and its certificate.
pub(crate) struct Signer {
    key: PKey<Private>,
    pub(crate) certificate: SigningCertificate,
    der: Vec<u8>,
    method: &'static str,
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        Self::of(key, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")
    }

    pub(crate) fn ecdsa() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self::of(key, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
    }

    fn of(key: PKey<Private>, method: &'static str) -> Self {
        let der = certificate(&key);
        let certificate = SigningCertificate::from_der(&der).unwrap();
        Self {
            key,
            certificate,
            der,
            method,
        }
    }

    /// Its key.
    pub(crate) fn key(&self) -> &PKey<Private> {
        &self.key
    }

    /// The certificate.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate and the key.
    pub(crate) fn pem(&self) -> (String, String) {
        let certificate = X509::from_der(&self.der).unwrap().to_pem().unwrap();
        let key = self.key.private_key_to_pem_pkcs8().unwrap();
        let text = |pem| String::from_utf8(pem).unwrap();
        (text(certificate), text(key))
    }

    /// The metadata of a provider whose key it is.
    pub(crate) fn metadata(&self, entity_id: &str) -> String {
        let certificate = openssl::base64::encode_block(&self.der);
        format!(
            "<md:EntityDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata' \
             entityID='{entity_id}'><md:IDPSSODescriptor \
             protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'>\
             <md:KeyDescriptor use='signing'><ds:KeyInfo xmlns:ds='{DS}'><ds:X509Data>\
             <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </md:KeyDescriptor><md:SingleSignOnService \
             Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' \
             Location='https://idp.example/sso'/></md:IDPSSODescriptor></md:EntityDescriptor>"
        )
    }

    /// Signs the element with that ID, which has `SIGNATURE` where its signature goes.
    pub(crate) fn sign(&self, text: &str, id: &str) -> String {
        let shape = format!(
            "<ds:Signature xmlns:ds='{DS}'><ds:SignedInfo><ds:CanonicalizationMethod \
             Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/><ds:SignatureMethod \
             Algorithm='{}'/><ds:Reference URI='#{id}'><ds:Transforms><ds:Transform \
             Algorithm='{DS}enveloped-signature'/><ds:Transform \
             Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/></ds:Transforms>\
             <ds:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/>\
             <ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
             </ds:Signature>",
            self.method
        );
        let text = text.replace("SIGNATURE", &shape);
        let signed = Crypto::sign_xml(text, &self.key.private_key_to_der().unwrap()).unwrap();
        signed
            .trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
            .to_owned()
    }

    /// The same for an assertion of SAML 1.1, whose ID has a name of its own. The text must be
    /// canonical XML.
    pub(crate) fn sign_saml_1(&self, text: &str, id: &str) -> String {
        const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
        let digested = text.replace("SIGNATURE", "");
        let digest = STANDARD.encode(openssl::sha::sha256(digested.as_bytes()));
        let info = |declared: &str| {
            format!(
                "<ds:SignedInfo{declared}><ds:CanonicalizationMethod Algorithm=\"{C14N}\">\
                 </ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{}\">\
                 </ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform \
                 Algorithm=\"{DS}enveloped-signature\"></ds:Transform><ds:Transform \
                 Algorithm=\"{C14N}\"></ds:Transform></ds:Transforms><ds:DigestMethod \
                 Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
                 <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
                self.method
            )
        };
        let canonical = info(&format!(" xmlns:ds=\"{DS}\""));
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        signer.update(canonical.as_bytes()).unwrap();
        let value = STANDARD.encode(signer.sign_to_vec().unwrap());
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DS}\">{}<ds:SignatureValue>{value}</ds:SignatureValue>\
             </ds:Signature>",
            info("")
        );
        text.replace("SIGNATURE", &signature)
    }
}

fn certificate(key: &PKey<Private>) -> Vec<u8> {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "idp").unwrap();
    let name = name.build();
    let mut x509 = X509::builder().unwrap();
    x509.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    x509.set_serial_number(&serial).unwrap();
    x509.set_subject_name(&name).unwrap();
    x509.set_issuer_name(&name).unwrap();
    x509.set_pubkey(key).unwrap();
    x509.set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    x509.set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    x509.sign(key, MessageDigest::sha256()).unwrap();
    x509.build().to_der().unwrap()
}

/// What is sent to whoever has the key, by AES-GCM with a key of so many bits.
pub(crate) fn encrypted(octets: &[u8], key: &PKey<Private>, bits: usize) -> String {
    let cipher = match bits {
        128 => Cipher::aes_128_gcm(),
        192 => Cipher::aes_192_gcm(),
        _ => Cipher::aes_256_gcm(),
    };
    let content = &[7; 32][..bits / 8];
    let mut tag = [0; 16];
    let sealed = encrypt_aead(cipher, content, Some(&[9; 12]), &[], octets, &mut tag).unwrap();
    let octets = [&[9; 12][..], &sealed, &tag].concat();
    let rsa = key.rsa().unwrap();
    let mut sent = vec![0; usize::try_from(rsa.size()).unwrap()];
    let sent_len = rsa
        .public_encrypt(content, &mut sent, Padding::PKCS1_OAEP)
        .unwrap();
    sent.truncate(sent_len);
    format!(
        "<x:EncryptedData xmlns:x='{XENC}' Type='{XENC}Element'><x:EncryptionMethod \
         Algorithm='http://www.w3.org/2009/xmlenc11#aes{bits}-gcm'/><ds:KeyInfo xmlns:ds='{DS}'>\
         <x:EncryptedKey><x:EncryptionMethod Algorithm='{XENC}rsa-oaep-mgf1p'/><x:CipherData>\
         <x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedKey></ds:KeyInfo>\
         <x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedData>",
        STANDARD.encode(sent),
        STANDARD.encode(octets)
    )
}
