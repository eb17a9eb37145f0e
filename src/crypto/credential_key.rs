//! Public keys of passkeys, and the signatures that they verify.

use std::fmt;

use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Public},
    rsa::Rsa,
    sign::Verifier,
};

/// The sizes of RSA moduli that are taken, in bits: TPMs make 2048.
const RSA_BITS: std::ops::RangeInclusive<i32> = 2048..=4096;
/// The longest RSA exponent, in octets.
const MOST_EXPONENT: usize = 4;

/// How a credential signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CredentialAlgorithm {
    /// ECDSA with SHA-256 over P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl CredentialAlgorithm {
    /// All that are taken, the preferred first.
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its number in the COSE registry.
    pub(crate) const fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// Why a key is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadCredentialKey {
    #[error("the point is not on the curve")]
    NotOnCurve,
    #[error("the coordinates have a wrong length")]
    Length,
    #[error("the RSA key is of a size or an exponent that is not taken")]
    Rsa,
}

/// A public key, and how it signs.
#[derive(Clone)]
pub(crate) struct CredentialKey {
    algorithm: CredentialAlgorithm,
    key: PKey<Public>,
}

impl fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CredentialKey")
            .field(&self.algorithm)
            .finish()
    }
}

impl CredentialKey {
    /// A key on P-256, for ES256.
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, BadCredentialKey> {
        if x.len() != 32 || y.len() != 32 {
            return Err(BadCredentialKey::Length);
        }
        let key = || -> Result<_, ErrorStack> {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
            // Refuses what is not on the curve.
            let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
            key.check_key()?;
            PKey::from_ec_key(key)
        };
        Ok(Self {
            algorithm: CredentialAlgorithm::Es256,
            key: key().map_err(|_| BadCredentialKey::NotOnCurve)?,
        })
    }

    /// A key on the curve of Ed25519.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, BadCredentialKey> {
        if x.len() != 32 {
            return Err(BadCredentialKey::Length);
        }
        let key = PKey::public_key_from_raw_bytes(x, Id::ED25519);
        Ok(Self {
            algorithm: CredentialAlgorithm::EdDsa,
            key: key.map_err(|_| BadCredentialKey::NotOnCurve)?,
        })
    }

    /// An RSA key.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, BadCredentialKey> {
        let too_long = modulus.len() > 4096 / 8 || exponent.len() > MOST_EXPONENT;
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if too_long || !odd(modulus) || !odd(exponent) || exponent == [1] {
            return Err(BadCredentialKey::Rsa);
        }
        let key = || -> Result<_, ErrorStack> {
            let (n, e) = (BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?);
            let bits = n.num_bits();
            let key = PKey::from_rsa(Rsa::from_public_components(n, e)?)?;
            Ok(RSA_BITS.contains(&bits).then_some(key))
        };
        Ok(Self {
            algorithm: CredentialAlgorithm::Rs256,
            key: key().ok().flatten().ok_or(BadCredentialKey::Rsa)?,
        })
    }

    /// Whether the holder of the private key signed the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = || -> Result<bool, ErrorStack> {
            let mut verifier = match self.algorithm {
                CredentialAlgorithm::EdDsa => Verifier::new_without_digest(&self.key)?,
                CredentialAlgorithm::Es256 | CredentialAlgorithm::Rs256 => {
                    Verifier::new(MessageDigest::sha256(), &self.key)?
                }
            };
            verifier.verify_oneshot(signature, message)
        };
        verified().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused() {
        let zero = [0; 32];
        assert_eq!(
            CredentialKey::p256(&[1; 32], &[1; 32]).unwrap_err(),
            BadCredentialKey::NotOnCurve
        );
        assert_eq!(
            CredentialKey::p256(&zero, &zero).unwrap_err(),
            BadCredentialKey::NotOnCurve
        );
        assert_eq!(
            CredentialKey::p256(&[1; 31], &[1; 32]).unwrap_err(),
            BadCredentialKey::Length
        );
        assert_eq!(
            CredentialKey::ed25519(&[1; 33]).unwrap_err(),
            BadCredentialKey::Length
        );
        let large = [0xff; 256];
        assert!(CredentialKey::rsa(&large, &[1, 0, 1]).is_ok());
        for (modulus, exponent) in [
            (&large[..128], &[1, 0, 1][..]),
            (&[0xff; 600], &[1, 0, 1]),
            (&[0xfe; 256], &[1, 0, 1]),
            (&large, &[1]),
            (&large, &[]),
            (&large, &[1, 0, 0]),
            (&large, &[1, 0, 0, 0, 1]),
        ] {
            let refused = CredentialKey::rsa(modulus, exponent).unwrap_err();
            assert_eq!(
                refused,
                BadCredentialKey::Rsa,
                "{} {exponent:?}",
                modulus.len()
            );
        }
    }
}
