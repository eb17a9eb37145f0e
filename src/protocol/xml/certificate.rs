//! Certificates whose keys sign.

use openssl::{
    ec::EcKeyRef,
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Public},
    x509::{X509, X509NameEntryRef},
};
use samael::crypto::CertificateDer;

use super::signature::printable;
use crate::{clock::Timestamp, protocol::timestamp};

/// The smallest RSA modulus, in bits.
const LEAST_RSA: u32 = 2048;

/// The kinds of keys that sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    Ecdsa,
    Rsa,
}

/// A certificate whose key signs. Who issued it means nothing: it is the very one that was named.
#[derive(Clone, Debug)]
pub(crate) struct SigningCertificate {
    pub(super) der: CertificateDer,
    pub(super) family: Family,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// Why a certificate is none to verify by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it is no X.509 certificate: {0}")]
    Malformed(#[from] ErrorStack),
    #[error("its RSA key has {0} bits, and must have {LEAST_RSA} at least")]
    ShortKey(u32),
    #[error("its key is neither RSA nor on the curves P-256, P-384 and P-521")]
    OtherKey,
}

impl SigningCertificate {
    /// Reads DER.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::with_rsa_of(LEAST_RSA, der)
    }

    /// One with a key as short as those of old test data.
    #[cfg(test)]
    pub(crate) fn short_from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::with_rsa_of(512, der)
    }

    fn with_rsa_of(least: u32, der: &[u8]) -> Result<Self, CertificateError> {
        let x509 = X509::from_der(der)?;
        let key = x509.public_key()?;
        let family = match key.id() {
            Id::RSA if key.bits() < least => {
                return Err(CertificateError::ShortKey(key.bits()));
            }
            Id::RSA => Family::Rsa,
            Id::EC if has_known_curve(&*key.ec_key()?) => Family::Ecdsa,
            _ => return Err(CertificateError::OtherKey),
        };
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            family,
            not_before: timestamp(x509.not_before())?,
            not_after: timestamp(x509.not_after())?,
        })
    }

    /// Its subject and the SHA-256 of it, as people compare certificates.
    pub(crate) fn name(&self) -> String {
        let x509 = X509::from_der(self.der.der_data());
        let subject = x509.ok().map(|one| {
            let entries = one.subject_name().entries();
            let text = |entry: &X509NameEntryRef| {
                let value = entry.data().to_string().ok()?;
                let name = entry.object().nid().short_name().ok()?;
                Some(format!("{name}={}", printable(&value)))
            };
            entries.filter_map(text).collect::<Vec<_>>().join(", ")
        });
        let hash: Vec<String> = openssl::sha::sha256(self.der.der_data())
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        format!(
            "{} (SHA-256 {})",
            subject.unwrap_or_default(),
            hash.join(":")
        )
    }

    /// Its key.
    pub(crate) fn public_key(&self) -> Result<PKey<Public>, ErrorStack> {
        X509::from_der(self.der.der_data())?.public_key()
    }

    /// Whether that is between its dates.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

fn has_known_curve(key: &EcKeyRef<Public>) -> bool {
    let known = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
    let curve = key.group().curve_name();
    curve.is_some_and(|curve| known.contains(&curve))
}
