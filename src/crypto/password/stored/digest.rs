//! Digests that were computed once, with a salt or under a key.

use hmac::{KeyInit, Mac, SimpleHmac, digest::block_api::BlockSizeUser};
use openssl::hash::MessageDigest;
use serde::{Deserialize, Serialize};

use super::{BadHash, same};

/// A hash function.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Digest {
    Md4,
    Md5,
    Ripemd160,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Whirlpool,
}

/// Calls a generic function with the type that implements a [`Digest`].
macro_rules! with_type {
    ($digest:expr, $function:ident ($($argument:expr),*)) => {
        match $digest {
            Digest::Md4 => $function::<md4::Md4>($($argument),*),
            Digest::Md5 => $function::<md5::Md5>($($argument),*),
            Digest::Ripemd160 => $function::<ripemd::Ripemd160>($($argument),*),
            Digest::Sha1 => $function::<sha1::Sha1>($($argument),*),
            Digest::Sha224 => $function::<sha2::Sha224>($($argument),*),
            Digest::Sha256 => $function::<sha2::Sha256>($($argument),*),
            Digest::Sha384 => $function::<sha2::Sha384>($($argument),*),
            Digest::Sha512 => $function::<sha2::Sha512>($($argument),*),
            Digest::Whirlpool => $function::<whirlpool::Whirlpool>($($argument),*),
        }
    };
}

impl Digest {
    /// A digest by the name that hashes carry, in either case and with or without a hyphen.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().replace('-', "").as_str() {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// Octets of its output.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Md4 | Self::Md5 => 16,
            Self::Ripemd160 | Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 | Self::Whirlpool => 64,
        }
    }

    /// The digest of the parts, one after the other.
    pub(super) fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        with_type!(self, digest(parts))
    }

    /// HMAC (RFC 2104).
    pub(super) fn hmac(self, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        with_type!(self, mac(key, message))
    }

    /// The same function of OpenSSL, if it has it without its legacy provider.
    pub(super) fn openssl(self) -> Option<MessageDigest> {
        Some(match self {
            Self::Md4 | Self::Ripemd160 | Self::Whirlpool => return None,
            Self::Md5 => MessageDigest::md5(),
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        })
    }
}

fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().to_vec()
}

fn mac<D: sha2::Digest + BlockSizeUser>(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut mac = SimpleHmac::<D>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().to_vec())
}

/// A digest, computed once.
pub(super) struct PlainDigest {
    digest: Digest,
    hash: Vec<u8>,
}

impl PlainDigest {
    /// Takes the octets of a hash, if there are as many as the digest makes.
    pub(super) fn new(digest: Digest, hash: Option<Vec<u8>>) -> Result<Self, BadHash> {
        let hash = hash.filter(|hash| hash.len() == digest.length());
        let hash = hash.ok_or(BadHash::Damaged("digest"))?;
        Ok(Self { digest, hash })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> bool {
        same(&self.digest.of(&[octets]), &self.hash)
    }
}

/// A digest under a key.
pub(super) struct Hmac {
    digest: Digest,
    key: Vec<u8>,
    hash: Vec<u8>,
}

impl Hmac {
    /// Takes the octets of a hash and of its key.
    pub(super) fn new(
        digest: Digest,
        key: Vec<u8>,
        hash: Option<Vec<u8>>,
    ) -> Result<Self, BadHash> {
        let PlainDigest { digest, hash } = PlainDigest::new(digest, hash)?;
        Ok(Self { digest, key, hash })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        let computed = self.digest.hmac(&self.key, octets);
        Ok(same(&computed.ok_or(BadHash::Damaged("HMAC"))?, &self.hash))
    }
}
