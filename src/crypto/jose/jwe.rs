//! Encryption for us (RFC 7516).

use std::panic::{AssertUnwindSafe, catch_unwind};

use josekit::jwe::{
    self, JweDecrypter, alg::ecdh_es::EcdhEsJweAlgorithm, alg::rsaes::RsaesJweAlgorithm,
};
use openssl::pkey::Id;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{PrivateKey, json, jws};

/// The largest encrypted token, in bytes: what is inside is a signed one.
const MOST_BYTES: usize = 2 * jws::MOST_BYTES;
/// How the content may be encrypted (RFC 7518 section 5.1), with the exact lengths of the
/// initialization vector and of the authentication tag.
const CONTENT: [(&str, usize, usize); 6] = [
    ("A128CBC-HS256", 16, 16),
    ("A128GCM", 12, 16),
    ("A192CBC-HS384", 16, 24),
    ("A192GCM", 12, 16),
    ("A256CBC-HS512", 16, 32),
    ("A256GCM", 12, 16),
];

/// A token that does not open. It does not say why: whoever sends tokens until one opens would
/// learn from that.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not encrypted for any key here, by an algorithm that is accepted")]
pub(crate) struct JweError;

/// Opens a token in compact form (RFC 7516 section 5.2) that one of these keys can open. Keys are
/// agreed or wrapped by ECDH-ES, RSA-OAEP or RSA-OAEP-256: RSA1_5 leaks, and a password is no key
/// (RFC 8725 sections 3.2 and 3.5).
pub(crate) fn decrypt(token: &str, keys: &[PrivateKey]) -> Result<Vec<u8>, JweError> {
    if token.len() > MOST_BYTES {
        return Err(JweError);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let parts: Option<Vec<Vec<u8>>> = parts.into_iter().map(jws::octets).collect();
    let parts = parts.ok_or(JweError)?;
    let [header, _, iv, _, tag] = &*parts else {
        return Err(JweError);
    };
    let header = json::object(header).map_err(|_| JweError)?;
    jws::refuse_extensions(&header).map_err(|_| JweError)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let content = text("enc").ok_or(JweError)?;
    if !CONTENT.contains(&(content, iv.len(), tag.len())) {
        return Err(JweError);
    }
    let wanted = text("alg").ok_or(JweError)?;
    let opened = keys.iter().find_map(|key| {
        let decrypter = decrypter(key, wanted)?;
        // The library asserts the length of a content key that the sender chose.
        let open = AssertUnwindSafe(|| jwe::deserialize_compact(token, decrypter.as_ref()));
        let (inner, _) = catch_unwind(open).ok()?.ok()?;
        Some(inner)
    });
    opened.ok_or(JweError)
}

fn decrypter(key: &PrivateKey, algorithm: &str) -> Option<Box<dyn JweDecrypter>> {
    let der = Zeroizing::new(key.pair.private_key_to_pkcs8().ok()?);
    match (key.pair.id(), algorithm) {
        (Id::RSA, "RSA-OAEP") => rsa(RsaesJweAlgorithm::RsaOaep, &der),
        (Id::RSA, "RSA-OAEP-256") => rsa(RsaesJweAlgorithm::RsaOaep256, &der),
        (Id::EC, "ECDH-ES") => ecdh(EcdhEsJweAlgorithm::EcdhEs, &der),
        (Id::EC, "ECDH-ES+A128KW") => ecdh(EcdhEsJweAlgorithm::EcdhEsA128kw, &der),
        (Id::EC, "ECDH-ES+A192KW") => ecdh(EcdhEsJweAlgorithm::EcdhEsA192kw, &der),
        (Id::EC, "ECDH-ES+A256KW") => ecdh(EcdhEsJweAlgorithm::EcdhEsA256kw, &der),
        _ => None,
    }
}

fn rsa(algorithm: RsaesJweAlgorithm, der: &[u8]) -> Option<Box<dyn JweDecrypter>> {
    Some(Box::new(algorithm.decrypter_from_der(der).ok()?))
}

fn ecdh(algorithm: EcdhEsJweAlgorithm, der: &[u8]) -> Option<Box<dyn JweDecrypter>> {
    Some(Box::new(algorithm.decrypter_from_der(der).ok()?))
}
