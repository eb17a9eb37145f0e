//! The public keys of credentials as COSE has them (RFC 9052 section 7, RFC 9053).

use super::cbor::{self, CborError, Value};
use crate::crypto::{BadCredentialKey, CredentialAlgorithm, CredentialKey};

/// The labels of a key's parameters.
const KTY: i64 = 1;
const ALG: i64 = 3;
/// The curve of an elliptic key, and the modulus of an RSA key.
const FIRST: i64 = -1;
/// The x coordinate, and the exponent.
const SECOND: i64 = -2;
const Y: i64 = -3;

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CoseError {
    #[error("the key is for the algorithm {0}, which is not taken")]
    Algorithm(i64),
    #[error("the key is not CBOR: {0}")]
    Cbor(#[from] CborError),
    #[error("{0}")]
    Key(#[from] BadCredentialKey),
    #[error("the key is of another type or curve than its algorithm is for")]
    Kind,
    #[error("the key has no {0}")]
    Missing(&'static str),
}

/// Reads a key.
pub(super) fn key(bytes: &[u8]) -> Result<CredentialKey, CoseError> {
    let map = cbor::read(bytes)?;
    let algorithm = map.at(ALG).and_then(Value::int);
    let algorithm = algorithm.ok_or(CoseError::Missing("algorithm"))?;
    let known = CredentialAlgorithm::ALL
        .into_iter()
        .find(|known| known.cose() == algorithm)
        .ok_or(CoseError::Algorithm(algorithm))?;
    // Key types: octet pair 1, elliptic curve with two coordinates 2, RSA 3. Curves: P-256 1,
    // Ed25519 6.
    let (kty, curve) = match known {
        CredentialAlgorithm::Es256 => (2, Some(1)),
        CredentialAlgorithm::EdDsa => (1, Some(6)),
        CredentialAlgorithm::Rs256 => (3, None),
    };
    let number = |label| map.at(label).and_then(Value::int);
    if number(KTY) != Some(kty) || (curve.is_some() && number(FIRST) != curve) {
        return Err(CoseError::Kind);
    }
    let bytes = |label, what| {
        let found = map.at(label).and_then(Value::bytes);
        found.ok_or(CoseError::Missing(what))
    };
    Ok(match known {
        CredentialAlgorithm::Es256 => {
            CredentialKey::p256(bytes(SECOND, "x coordinate")?, bytes(Y, "y coordinate")?)?
        }
        CredentialAlgorithm::EdDsa => CredentialKey::ed25519(bytes(SECOND, "x coordinate")?)?,
        CredentialAlgorithm::Rs256 => {
            CredentialKey::rsa(bytes(FIRST, "modulus")?, bytes(SECOND, "exponent")?)?
        }
    })
}
