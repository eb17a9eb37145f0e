//! Responses that are made here and signed, with a key of the provider or another one. They are
//! written as exclusive canonical XML would write them, so that nobody has to canonicalise.

use std::collections::BTreeMap;

use openssl::{
    base64::encode_block,
    hash::{MessageDigest, hash},
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    sign::Signer,
    symm::{Cipher, encrypt_aead},
    x509::X509,
};

use super::Genuine;

pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const SHA_256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// What is said of somebody.
#[derive(Clone)]
pub(super) struct Minting {
    /// `IssueInstant` and its like, as the genuine response has them.
    said: BTreeMap<&'static str, String>,
    /// Of the assertion.
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) name: String,
    /// More attributes of the assertion, more children of it.
    pub(super) declarations: String,
    pub(super) advice: String,
}

impl Minting {
    /// A response for the login that a genuine one is for.
    pub(super) fn of(genuine: &Genuine) -> Self {
        let said = ["IssueInstant", "Destination", "InResponseTo"];
        let said = said.map(|name| (name, genuine.attribute(name)));
        let audience = genuine.attribute("Destination");
        Self {
            said: said.into(),
            id: format!("_minted{}", genuine.attribute("InResponseTo")),
            issuer: genuine.element("saml:Issuer"),
            audience: audience.replace("/acs", "/metadata"),
            name: "minted".to_owned(),
            declarations: String::new(),
            advice: String::new(),
        }
    }

    pub(super) fn assertion(&self) -> String {
        let [issued, acs, request] =
            ["IssueInstant", "Destination", "InResponseTo"].map(|name| &self.said[name]);
        let until = "2099-12-31T00:00:00Z";
        let Self {
            id,
            issuer,
            audience,
            name,
            declarations,
            advice,
            ..
        } = self;
        format!(
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"{declarations} \
             ID=\"{id}\" IssueInstant=\"{issued}\" Version=\"2.0\"><saml:Issuer>{issuer}\
             </saml:Issuer>SIGNATURE<saml:Subject><saml:NameID>{name}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <saml:SubjectConfirmationData InResponseTo=\"{request}\" NotOnOrAfter=\"{until}\" \
             Recipient=\"{acs}\"></saml:SubjectConfirmationData></saml:SubjectConfirmation>\
             </saml:Subject><saml:Conditions NotOnOrAfter=\"{until}\"><saml:AudienceRestriction>\
             <saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>\
             </saml:Conditions>{advice}<saml:AuthnStatement AuthnInstant=\"{issued}\">\
             <saml:AuthnContext><saml:AuthnContextClassRef>urn:x</saml:AuthnContextClassRef>\
             </saml:AuthnContext></saml:AuthnStatement></saml:Assertion>"
        )
    }

    /// A response around something, with `SIGNATURE` where its own goes.
    pub(super) fn response(&self, inside: &str) -> String {
        let [issued, acs, request] =
            ["IssueInstant", "Destination", "InResponseTo"].map(|name| &self.said[name]);
        let issuer = &self.issuer;
        format!(
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             Destination=\"{acs}\" ID=\"_response\" InResponseTo=\"{request}\" \
             IssueInstant=\"{issued}\" Version=\"2.0\"><saml:Issuer \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</saml:Issuer>SIGNATURE\
             <samlp:Status><samlp:StatusCode \
             Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode>\
             </samlp:Status>{inside}</samlp:Response>"
        )
    }

    /// The assertion alone, signed.
    pub(super) fn signed(&self, signing: &Signing) -> String {
        signing.sign(&self.assertion(), &self.id)
    }

    /// A response in which the assertion is signed.
    pub(super) fn by_assertion(&self, signing: &Signing) -> String {
        let response = self.response(&self.signed(signing));
        response.replacen("SIGNATURE", "", 1)
    }

    /// A response that is signed itself.
    pub(super) fn by_response(&self, signing: &Signing) -> String {
        let bare = self.assertion().replace("SIGNATURE", "");
        signing.sign(&self.response(&bare), "_response")
    }

    /// One that nobody has signed.
    pub(super) fn unsigned(&self) -> String {
        self.response(&self.assertion()).replace("SIGNATURE", "")
    }

    /// One with this in the place of a signature.
    pub(super) fn with(&self, signature: &str) -> String {
        let response = self.response(&self.assertion());
        response
            .replacen("SIGNATURE", "", 1)
            .replace("SIGNATURE", signature)
    }
}

/// What somebody signs with.
#[derive(Clone)]
pub(crate) enum Key {
    Private(PKey<Private>),
    /// A secret, which both sides of an HMAC know.
    Secret(Vec<u8>),
}

/// How something is signed.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(super) key: Key,
    pub(super) method: String,
    pub(super) digest: String,
    pub(super) canonicalization: String,
    /// What is in each of the elements that say an algorithm.
    pub(super) in_method: &'static str,
    pub(super) transforms: Vec<String>,
    /// Instead of `#` and the ID.
    pub(super) uri: Option<String>,
    /// Instead of what was digested.
    pub(super) digested: Option<String>,
    pub(super) key_info: String,
}

impl Signing {
    pub(crate) fn with(key: Key) -> Self {
        Self {
            key,
            method: format!("{MORE}rsa-sha256"),
            digest: SHA_256.to_owned(),
            canonicalization: EXC_C14N.to_owned(),
            in_method: "",
            transforms: [ENVELOPED, EXC_C14N].map(transform).into(),
            uri: None,
            digested: None,
            key_info: String::new(),
        }
    }

    /// By the same key in another way.
    pub(super) fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// Signs what is around `SIGNATURE`.
    pub(crate) fn sign(&self, text: &str, id: &str) -> String {
        let digested = self.digested.clone();
        let digested = digested.unwrap_or_else(|| text.replace("SIGNATURE", ""));
        let digest = hash(algorithm(&self.digest), digested.as_bytes()).unwrap();
        let digest = encode_block(&digest);
        let uri = self.uri.clone().unwrap_or_else(|| format!("#{id}"));
        let Self {
            method,
            canonicalization,
            in_method,
            key_info,
            ..
        } = self;
        let (transforms, digest_method) = (self.transforms.concat(), &self.digest);
        let info = format!(
            "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod \
             Algorithm=\"{canonicalization}\"></ds:CanonicalizationMethod><ds:SignatureMethod \
             Algorithm=\"{method}\">{in_method}</ds:SignatureMethod><ds:Reference URI=\"{uri}\">\
             <ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod \
             Algorithm=\"{digest_method}\"></ds:DigestMethod><ds:DigestValue>{digest}\
             </ds:DigestValue></ds:Reference></ds:SignedInfo>"
        );
        let value = encode_block(&self.signature(info.as_bytes()));
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}\
             </ds:SignatureValue>{key_info}</ds:Signature>"
        );
        text.replace("SIGNATURE", &signature)
    }

    fn signature(&self, octets: &[u8]) -> Vec<u8> {
        let key = match &self.key {
            Key::Private(key) => key.clone(),
            Key::Secret(secret) => PKey::hmac(secret).unwrap(),
        };
        let mut signer = Signer::new(algorithm(&self.method), &key).unwrap();
        signer.update(octets).unwrap();
        signer.sign_to_vec().unwrap()
    }
}

/// A transform without parameters.
pub(super) fn transform(algorithm: &str) -> String {
    format!("<ds:Transform Algorithm=\"{algorithm}\"></ds:Transform>")
}

fn algorithm(name: &str) -> MessageDigest {
    match name {
        _ if name.contains("md5") => MessageDigest::md5(),
        _ if name.ends_with("sha1") => MessageDigest::sha1(),
        _ if name.ends_with("sha512") => MessageDigest::sha512(),
        _ => MessageDigest::sha256(),
    }
}

/// Something encrypted for a key of the service provider, as anybody can.
pub(super) fn encrypted(inside: &str, certificate: &X509) -> String {
    let (key, nonce, mut tag) = ([7; 32], [9; 12], [0; 16]);
    let cipher = Cipher::aes_256_gcm();
    let sealed = encrypt_aead(cipher, &key, Some(&nonce), &[], inside.as_bytes(), &mut tag);
    let sealed = [&nonce[..], &sealed.unwrap(), &tag].concat();
    let public = certificate.public_key().unwrap();
    let mut context = PkeyCtx::new(&public).unwrap();
    context.encrypt_init().unwrap();
    context.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
    let mut transported = Vec::new();
    context.encrypt_to_vec(&key, &mut transported).unwrap();
    let (transported, sealed) = (encode_block(&transported), encode_block(&sealed));
    format!(
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
         <xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:EncryptionMethod \
         Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/><ds:KeyInfo xmlns:ds=\"{DS}\">\
         <xenc:EncryptedKey><xenc:EncryptionMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/><xenc:CipherData>\
         <xenc:CipherValue>{transported}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>\
         </ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{sealed}</xenc:CipherValue>\
         </xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"
    )
}
