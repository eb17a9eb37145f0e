//! Keys and self-signed certificates of parties that sign and encrypt XML.

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::PKey,
    rsa::Rsa,
    x509::{X509, X509Name},
};

/// A key and its certificate, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    pub(crate) key: String,
    pub(crate) certificate: String,
}

impl KeyPair {
    /// An RSA key of 2048 bits, good for two days.
    pub(crate) fn rsa() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_text("CN", "party").unwrap();
        let name = name.build();
        let mut x509 = X509::builder().unwrap();
        x509.set_version(2).unwrap();
        let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
        x509.set_serial_number(&serial).unwrap();
        x509.set_subject_name(&name).unwrap();
        x509.set_issuer_name(&name).unwrap();
        x509.set_pubkey(&key).unwrap();
        let (begin, end) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(2));
        x509.set_not_before(&begin.unwrap()).unwrap();
        x509.set_not_after(&end.unwrap()).unwrap();
        x509.sign(&key, MessageDigest::sha256()).unwrap();
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        Self {
            key: text(key.private_key_to_pem_pkcs8().unwrap()),
            certificate: text(x509.build().to_pem().unwrap()),
        }
    }
}
