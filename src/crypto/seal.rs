//! Sealing: XChaCha20-Poly1305 with a random nonce of 192 bits, which never needs counting
//! (draft-irtf-cfrg-xchacha, RFC 8439, RFC 5116).
//!
//! A sealed value is `version (1) | key id (4, big-endian) | nonce (24) | ciphertext | tag (16)`.
//! The associated data names version, key, purpose and place, each with its length in front, so a
//! value that is carried to another place does not open there.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};

use super::{
    digest::length,
    ring::{KeyRing, Purpose},
};
use crate::random::Random;

/// The one form there is; a value of another is refused, never read in an older way.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Where a sealed value belongs: its purpose, and whatever else identifies the place, like the
/// cookie's name and the host, or the key of the row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The purpose; it also chooses the key.
    pub(crate) purpose: Purpose,
    /// The rest of the place, in a fixed order.
    pub(crate) context: &'a [&'a [u8]],
}

impl Place<'_> {
    fn associated_data(&self, key: u32) -> Vec<u8> {
        let key = key.to_be_bytes();
        let own: [&[u8]; 3] = [&[VERSION], &key, self.purpose.name().as_bytes()];
        let mut data = Vec::with_capacity(128);
        for part in own.iter().chain(self.context) {
            data.extend_from_slice(&length(part));
            data.extend_from_slice(part);
        }
        data
    }
}

/// Seals under the current key.
#[expect(
    clippy::expect_used,
    reason = "the cipher takes up to 256 GiB, more than an address space of ours holds"
)]
pub(crate) fn seal(
    ring: &KeyRing,
    place: Place<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Vec<u8> {
    let key = ring.current();
    let mut nonce = [0; NONCE];
    random.fill(&mut nonce);
    let payload = Payload {
        msg: plaintext,
        aad: &place.associated_data(key.id()),
    };
    let hidden = key
        .cipher(place.purpose)
        .encrypt((&nonce).into(), payload)
        .expect("the plaintext fits into memory");
    let mut sealed = Vec::with_capacity(1 + 4 + NONCE + hidden.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&key.id().to_be_bytes());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&hidden);
    sealed
}

/// Opens what was sealed for this place by a key that is still known.
pub(crate) fn open(ring: &KeyRing, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (&version, rest) = sealed.split_first().ok_or(OpenError::TooShort)?;
    if version != VERSION {
        return Err(OpenError::UnknownVersion);
    }
    let (id, rest) = rest.split_first_chunk::<4>().ok_or(OpenError::TooShort)?;
    let (nonce, hidden) = rest
        .split_first_chunk::<NONCE>()
        .ok_or(OpenError::TooShort)?;
    let id = u32::from_be_bytes(*id);
    let key = ring.by_id(id).ok_or(OpenError::UnknownKey)?;
    let payload = Payload {
        msg: hidden,
        aad: &place.associated_data(id),
    };
    key.cipher(place.purpose)
        .decrypt(nonce.into(), payload)
        .map_err(|_| OpenError::Forged)
}

/// [`seal`] in the alphabet of cookies and URLs (RFC 4648 section 5, without padding).
pub(crate) fn seal_text(
    ring: &KeyRing,
    place: Place<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> String {
    URL_SAFE_NO_PAD.encode(seal(ring, place, plaintext, random))
}

/// [`open`] for what [`seal_text`] wrote.
pub(crate) fn open_text(
    ring: &KeyRing,
    place: Place<'_>,
    sealed: &str,
) -> Result<Vec<u8>, OpenError> {
    let sealed = URL_SAFE_NO_PAD
        .decode(sealed)
        .map_err(|_| OpenError::NotBase64)?;
    open(ring, place, &sealed)
}

/// Why something does not open. To the outside they are all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the sealed value was changed or belongs elsewhere")]
    Forged,
    #[error("the sealed value is not base64url")]
    NotBase64,
    #[error("the sealed value is cut off")]
    TooShort,
    #[error("the key of the sealed value is not in the ring")]
    UnknownKey,
    #[error("the sealed value has an unknown form")]
    UnknownVersion,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        crypto::{RingKey, RingState},
        random::OsRandom,
    };

    fn ring(keys: &[(u32, RingState)]) -> KeyRing {
        let key = |&(id, state)| {
            RingKey::new(id, state, &Zeroizing::new([u8::try_from(id).unwrap(); 32]))
        };
        KeyRing::new(keys.iter().map(key).collect()).unwrap()
    }

    const FLOW: Place<'_> = Place {
        purpose: Purpose::Flow,
        context: &[b"__Host-vestibule-flow-1", b"a.test"],
    };

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let ring = ring(&[(7, RingState::Current)]);
        for text in [b"".as_slice(), b"x", &[0xff; 5000]] {
            let sealed = seal(&ring, FLOW, text, &OsRandom);
            assert_eq!(open(&ring, FLOW, &sealed).unwrap(), text);
            assert_eq!(sealed.len(), 1 + 4 + 24 + text.len() + 16);
        }
        let sealed = seal(&ring, FLOW, b"secret", &OsRandom);
        for (purpose, context) in [
            (Purpose::Session, FLOW.context),
            (
                Purpose::Flow,
                &[b"__Host-vestibule-flow-1".as_slice(), b"b.test"],
            ),
            (Purpose::Flow, &[b"__Host-vestibule-flow-2", b"a.test"]),
            (Purpose::Flow, &[b"__Host-vestibule-flow-1a.test"]),
            (Purpose::Flow, &[b"__Host-vestibule-flow-", b"1a.test"]),
            (Purpose::Flow, &[b"a.test", b"__Host-vestibule-flow-1"]),
            (Purpose::Flow, &[]),
        ] {
            let place = Place { purpose, context };
            assert_eq!(
                open(&ring, place, &sealed),
                Err(OpenError::Forged),
                "{place:?}"
            );
        }
    }

    /// The purpose is in the associated data as well as in the key.
    #[test]
    fn the_purpose_and_the_key_are_named_in_the_associated_data() {
        let other = Place {
            purpose: Purpose::Session,
            ..FLOW
        };
        assert_ne!(FLOW.associated_data(1), other.associated_data(1));
        assert_ne!(FLOW.associated_data(1), FLOW.associated_data(2));
    }

    #[test]
    fn every_bit_counts() {
        let ring = ring(&[(7, RingState::Current), (6, RingState::Old)]);
        let sealed = seal(&ring, FLOW, b"some plaintext", &OsRandom);
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&ring, FLOW, &other).is_err(), "{bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&ring, FLOW, &sealed[..length]).is_err(), "{length}");
        }
        let longer = [sealed.as_slice(), b"x"].concat();
        assert_eq!(open(&ring, FLOW, &longer), Err(OpenError::Forged));
    }

    #[test]
    fn keys_come_and_go() {
        use RingState as S;
        let before = ring(&[(1, S::Current), (2, S::Next)]);
        let after = ring(&[(1, S::Old), (2, S::Current)]);
        let later = ring(&[(2, S::Current)]);
        let old = seal(&before, FLOW, b"x", &OsRandom);
        let new = seal(&after, FLOW, b"y", &OsRandom);
        assert_eq!(open(&after, FLOW, &old).unwrap(), b"x");
        assert_eq!(open(&before, FLOW, &new).unwrap(), b"y");
        assert_eq!(open(&later, FLOW, &old), Err(OpenError::UnknownKey));
        assert_eq!(open(&later, FLOW, &new).unwrap(), b"y");
        // another key under the same id
        let mut relabelled = old;
        relabelled[4] = 2;
        assert_eq!(open(&later, FLOW, &relabelled), Err(OpenError::Forged));
    }

    #[test]
    fn nonces_never_repeat() {
        let ring = ring(&[(1, RingState::Current)]);
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let sealed = seal(&ring, FLOW, b"", &OsRandom);
            assert!(seen.insert(sealed[5..29].to_vec()));
        }
    }

    #[test]
    fn there_is_no_other_form() {
        let ring = ring(&[(1, RingState::Current)]);
        let text = seal_text(&ring, FLOW, b"x", &OsRandom);
        assert_eq!(open_text(&ring, FLOW, &text).unwrap(), b"x");
        for (text, error) in [
            ("", OpenError::TooShort),
            ("AQ", OpenError::TooShort),
            ("AA", OpenError::UnknownVersion),
            ("{\"user\":1}", OpenError::NotBase64),
            (&format!("{text}="), OpenError::NotBase64),
            (&format!(" {text}"), OpenError::NotBase64),
        ] {
            assert_eq!(open_text(&ring, FLOW, text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_root_seals_the_ring_at_rest() {
        let place = Place {
            purpose: Purpose::Key,
            context: &[b"3"],
        };
        let root = KeyRing::of_root(b"0123456789abcdef0123456789abcdef");
        let sealed = seal(&root, place, &[3; 32], &OsRandom);
        assert_eq!(open(&root, place, &sealed).unwrap(), [3; 32]);
        let other = KeyRing::of_root(b"0123456789abcdef0123456789abcdee");
        assert_eq!(open(&other, place, &sealed), Err(OpenError::Forged));
    }
}
