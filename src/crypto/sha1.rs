//! SHA-1, where others know nothing else: signatures of OAuth 1.0a (RFC 5849 section 3.4), and lists
//! of leaked passwords. HMAC under it is not broken; RSA is as good as the few providers are that
//! still ask for it; a list needs no resistance at all.

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    sign::Signer,
};

use crate::secret::Secret;

/// The digest, by which lists of leaked passwords are looked up.
pub(crate) fn sha1(message: &[u8]) -> [u8; 20] {
    openssl::sha::sha1(message)
}

/// HMAC-SHA1 (RFC 2104).
pub(crate) fn hmac_sha1(key: &[u8], message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    Signer::new(MessageDigest::sha1(), &key)?.sign_oneshot_to_vec(message)
}

/// A key for [`rsa_sha1`].
#[derive(Clone)]
pub(crate) struct RsaKey(PKey<Private>);

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[RSA key]")
    }
}

impl RsaKey {
    /// Reads a PEM text.
    pub(crate) fn parse(pem: &Secret) -> Result<Self, &'static str> {
        let key = PKey::private_key_from_pem(pem.expose().as_bytes());
        let key = key.map_err(|_| "this is no private key in PEM")?;
        if key.rsa().is_err() {
            return Err("this is no RSA key");
        }
        Ok(Self(key))
    }
}

/// RSASSA-PKCS1-v1_5 with SHA-1 (RFC 8017 section 8.2).
pub(crate) fn rsa_sha1(key: &RsaKey, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    Signer::new(MessageDigest::sha1(), &key.0)?.sign_oneshot_to_vec(message)
}

#[cfg(test)]
mod tests {
    use openssl::{base64::encode_block, rsa::Rsa, sign::Verifier};

    use super::*;

    #[test]
    fn the_code_of_rfc_2202() {
        // section 3, test case 2
        let code = hmac_sha1(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(encode_block(&code), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
    }

    #[test]
    fn an_rsa_signature_verifies_under_the_public_key() {
        let rsa = Rsa::generate(2048).unwrap();
        let pem = String::from_utf8(rsa.private_key_to_pem().unwrap()).unwrap();
        let key = RsaKey::parse(&Secret::new(pem)).unwrap();
        let signature = rsa_sha1(&key, b"message").unwrap();
        let public = PKey::from_rsa(rsa).unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha1(), &public).unwrap();
        assert!(verifier.verify_oneshot(&signature, b"message").unwrap());
        assert!(RsaKey::parse(&Secret::new("no key".to_owned())).is_err());
    }
}
