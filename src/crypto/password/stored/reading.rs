//! How a typed password becomes the octets that were hashed.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Digest, encoding};

/// First the encoding, then a hash before the hash, then what is put around it.
#[derive(Clone, Default, Eq, PartialEq)]
pub(super) struct Reading {
    pub(super) encoding: TextEncoding,
    pub(super) prehash: Option<Prehash>,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

/// How characters became octets.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TextEncoding {
    Ascii,
    #[serde(alias = "binary")]
    Latin1,
    #[serde(alias = "ucs2")]
    Utf16le,
    #[default]
    Utf8,
}

/// What some software hashes before it hashes.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Prehash {
    /// passlib's `bcrypt_sha256`, version 2: under the salt as it is written.
    HmacSha256Base64(String),
    Md5Hex,
    Sha256Base64,
    Sha256Hex,
    /// WordPress from 6.8 on, which takes the blanks at both ends away first.
    WordPress,
}

impl From<Prehash> for Reading {
    fn from(prehash: Prehash) -> Self {
        Self {
            prehash: Some(prehash),
            ..Self::default()
        }
    }
}

impl Reading {
    /// The octets, or none if this encoding cannot write the password, so that it cannot have been
    /// the one that was hashed.
    pub(super) fn octets(&self, password: &str) -> Option<Zeroizing<Vec<u8>>> {
        let password = match self.prehash {
            Some(Prehash::WordPress) => password.trim_matches([' ', '\t', '\n', '\r', '\x0b']),
            _ => password,
        };
        let octets = self.encoding.encode(password)?;
        let octets = match &self.prehash {
            None => octets,
            Some(prehash) => Zeroizing::new(prehash.apply(&octets)?.into_bytes()),
        };
        Some(Zeroizing::new(
            [&self.before, &**octets, &self.after].concat(),
        ))
    }
}

impl TextEncoding {
    /// The octets of a text, if it has some in this encoding.
    pub(super) fn encode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let octets = match self {
            Self::Ascii if !text.is_ascii() => return None,
            Self::Ascii | Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect::<Option<_>>()?,
            Self::Utf16le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        };
        Some(Zeroizing::new(octets))
    }
}

impl Prehash {
    fn apply(&self, octets: &[u8]) -> Option<String> {
        Some(match self {
            Self::HmacSha256Base64(salt) => {
                encoding::to_base64(&Digest::Sha256.hmac(salt.as_bytes(), octets)?)
            }
            Self::Md5Hex => encoding::to_hex(&Digest::Md5.of(&[octets])),
            Self::Sha256Base64 => encoding::to_base64(&Digest::Sha256.of(&[octets])),
            Self::Sha256Hex => encoding::to_hex(&Digest::Sha256.of(&[octets])),
            Self::WordPress => encoding::to_base64(&Digest::Sha384.hmac(b"wp-sha384", octets)?),
        })
    }
}
