//! SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869).

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The digest of some octets.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The digest of several values, each with its length in front: no two lists of parts have the
/// same digest, wherever one part ends and the next begins.
pub(crate) fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(length(part));
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA256 as others compute it too: of one message, under a key of any length (RFC 2104).
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of this length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The key for one purpose, from a root of at least 256 unpredictable bits (RFC 5869).
#[expect(
    clippy::expect_used,
    reason = "HKDF-SHA256 gives up to 255 * 32 octets, and 32 are asked for"
)]
pub(crate) fn derive(root: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(b"vestibule v1"), root)
        .expand(purpose.as_bytes(), key.as_mut())
        .expect("the length is within what HKDF gives");
    key
}

/// An HMAC-SHA256 key whose schedule is worked out once; each use starts from a copy of it.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// A key of 32 octets.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of this length"))
    }

    /// The code of several values, each with its length in front.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&length(part));
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `code` is the code of these values, in constant time. All 32 octets are compared.
    pub(crate) fn matches(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        equal(&self.sign(parts), code)
    }
}

/// Whether two values are equal, in constant time for values of one length.
pub(crate) fn equal(first: &[u8], second: &[u8]) -> bool {
    first.ct_eq(second).into()
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// The length as eight octets.
pub(in crate::crypto) fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn the_digest_of_fips_180() {
        let expected = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(URL_SAFE_NO_PAD.encode(sha256(b"abc")), expected);
    }

    #[test]
    fn the_code_of_rfc_4231() {
        // section 4.3
        let code = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        let expected = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM";
        assert_eq!(URL_SAFE_NO_PAD.encode(code), expected);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let lists: &[&[&[u8]]] = &[
            &[],
            &[b""],
            &[b"", b""],
            &[b"ab"],
            &[b"a", b"b"],
            &[b"ab", b""],
            &[b"", b"ab"],
            &[b"\0\0\0\0\0\0\0\x01a"],
        ];
        let key = MacKey::new(&[7; 32]);
        for (at, first) in lists.iter().enumerate() {
            for second in &lists[at + 1..] {
                assert_ne!(sha256_parts(first), sha256_parts(second));
                assert_ne!(key.sign(first), key.sign(second));
            }
        }
    }

    #[test]
    fn a_code_matches_its_values_whole() {
        let key = MacKey::new(&[7; 32]);
        let code = key.sign(&[b"handle", b"a.test"]);
        assert!(key.matches(&[b"handle", b"a.test"], &code));
        assert!(!key.matches(&[b"handle", b"b.test"], &code));
        assert!(!key.matches(&[b"handle", b"a.test"], &code[..31]));
        assert!(!key.matches(&[b"handle", b"a.test"], b""));
        assert!(!MacKey::new(&[8; 32]).matches(&[b"handle", b"a.test"], &code));
        for bit in 0..256 {
            let mut other = code;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.matches(&[b"handle", b"a.test"], &other), "{bit}");
        }
        assert_eq!(format!("{key:?}"), "[key]");
        assert!(equal(b"ab", b"ab") && !equal(b"ab", b"aB") && !equal(b"ab", b"a"));
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let root = [1; 32];
        assert_eq!(derive(&root, "a"), derive(&root, "a"));
        assert_ne!(derive(&root, "a"), derive(&root, "b"));
        assert_ne!(derive(&root, "a"), derive(&[2; 32], "a"));
        assert_ne!(*derive(&root, "a"), root);
    }
}
