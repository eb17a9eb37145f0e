//! The algorithms that sign.

use std::borrow::Cow;

use josekit::jws;
use openssl::hash::{MessageDigest, hash};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A digital signature or MAC algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864).
/// There is none for no signature.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Algorithm {
    Ed25519,
    EdDSA,
    ES256,
    ES384,
    ES512,
    HS256,
    HS384,
    HS512,
    PS256,
    PS384,
    PS512,
    RS256,
    RS384,
    RS512,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::Ed25519,
        Self::EdDSA,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
    ];

    /// Its registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
        }
    }

    /// The algorithm of that name, letter by letter.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether both sides have the same secret.
    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// The hash function it signs with, of some octets: for `at_hash` (OpenID Connect Core 1.0
    /// section 3.1.3.6).
    pub(crate) fn hash(self, octets: &[u8]) -> Vec<u8> {
        let digest = match self {
            Self::ES256 | Self::HS256 | Self::PS256 | Self::RS256 => MessageDigest::sha256(),
            Self::ES384 | Self::HS384 | Self::PS384 | Self::RS384 => MessageDigest::sha384(),
            Self::Ed25519 | Self::EdDSA | Self::ES512 | Self::HS512 | Self::PS512 | Self::RS512 => {
                MessageDigest::sha512()
            }
        };
        // OpenSSL fails only when memory does; no hash fits nothing.
        hash(digest, octets).map_or_else(|_| Vec::new(), |hash| hash.to_vec())
    }

    /// The exact length of its signature, where that does not hang on the key.
    pub(super) const fn signature_length(self) -> Option<usize> {
        match self {
            Self::Ed25519 | Self::EdDSA | Self::ES256 | Self::HS512 => Some(64),
            Self::ES384 => Some(96),
            Self::ES512 => Some(132),
            Self::HS256 => Some(32),
            Self::HS384 => Some(48),
            Self::PS256 | Self::PS384 | Self::PS512 | Self::RS256 | Self::RS384 | Self::RS512 => {
                None
            }
        }
    }

    /// The key type and curve that it needs (RFC 7518 section 6.1, RFC 8037 section 2).
    pub(super) const fn key_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Ed25519 | Self::EdDSA => ("OKP", Some("Ed25519")),
            Self::ES256 => ("EC", Some("P-256")),
            Self::ES384 => ("EC", Some("P-384")),
            Self::ES512 => ("EC", Some("P-521")),
            Self::HS256 | Self::HS384 | Self::HS512 => ("oct", None),
            Self::PS256 | Self::PS384 | Self::PS512 | Self::RS256 | Self::RS384 | Self::RS512 => {
                ("RSA", None)
            }
        }
    }
}

/// The library's own.
pub(super) enum Family {
    Ecdsa(jws::alg::ecdsa::EcdsaJwsAlgorithm),
    Eddsa,
    Hmac(jws::alg::hmac::HmacJwsAlgorithm),
    Pss(jws::alg::rsassa_pss::RsassaPssJwsAlgorithm),
    Rsa(jws::alg::rsassa::RsassaJwsAlgorithm),
}

impl From<Algorithm> for Family {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 | Algorithm::EdDSA => Self::Eddsa,
            Algorithm::ES256 => Self::Ecdsa(jws::ES256),
            Algorithm::ES384 => Self::Ecdsa(jws::ES384),
            Algorithm::ES512 => Self::Ecdsa(jws::ES512),
            Algorithm::HS256 => Self::Hmac(jws::HS256),
            Algorithm::HS384 => Self::Hmac(jws::HS384),
            Algorithm::HS512 => Self::Hmac(jws::HS512),
            Algorithm::PS256 => Self::Pss(jws::PS256),
            Algorithm::PS384 => Self::Pss(jws::PS384),
            Algorithm::PS512 => Self::Pss(jws::PS512),
            Algorithm::RS256 => Self::Rsa(jws::RS256),
            Algorithm::RS384 => Self::Rsa(jws::RS384),
            Algorithm::RS512 => Self::Rsa(jws::RS512),
        }
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|one| one.name()).collect();
            serde::de::Error::custom(format!("the algorithms are {}", names.join(", ")))
        })
    }
}

impl JsonSchema for Algorithm {
    fn schema_name() -> Cow<'static, str> {
        "SignatureAlgorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Self::ALL.map(Self::name);
        json_schema!({ "type": "string", "enum": names })
    }
}
