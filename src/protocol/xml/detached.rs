//! Signatures beside a message, over octets of a query (SAML 2.0 bindings section 3.4.4.1).

use openssl::{
    bn::BigNum, ecdsa::EcdsaSig, error::ErrorStack, hash::MessageDigest, pkey::PKey, pkey::Public,
    sign::Verifier,
};

use super::{Hashes, SignatureError, SigningCertificate};
use crate::protocol::xml::{
    certificate::Family,
    signature::{printable, signature_algorithm},
};

/// Checks that one of these keys has signed the octets.
pub(crate) fn verify_octets(
    octets: &[u8],
    (algorithm, signature): (&str, &[u8]),
    certificates: &[SigningCertificate],
    hashes: Hashes,
) -> Result<(), SignatureError> {
    let family = signature_algorithm(algorithm, hashes == Hashes::WithSha1);
    let family = family.ok_or_else(|| SignatureError::Algorithm(printable(algorithm)))?;
    let digest = match algorithm.rsplit('-').next() {
        Some("sha256") => MessageDigest::sha256(),
        Some("sha384") => MessageDigest::sha384(),
        Some("sha512") => MessageDigest::sha512(),
        _ => MessageDigest::sha1(),
    };
    let fitting = certificates.iter().filter(|one| one.family == family);
    let is_by = |certificate: &SigningCertificate| {
        let key = certificate.public_key()?;
        match family {
            Family::Rsa => verify(&key, digest, octets, signature),
            Family::Ecdsa => {
                // As in XML signatures; some write it as X.509 does.
                let plain = der_of(signature)?;
                Ok(verify(&key, digest, octets, &plain)?
                    || verify(&key, digest, octets, signature)?)
            }
        }
    };
    let mut verdicts = fitting.map(|one| is_by(one).unwrap_or(false));
    verdicts
        .any(|good| good)
        .then_some(())
        .ok_or(SignatureError::BadSignature)
}

fn verify(
    key: &PKey<Public>,
    digest: MessageDigest,
    octets: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(digest, key)?;
    verifier.update(octets)?;
    // A signature of another shape is an error of the library's, which is a no.
    Ok(verifier.verify(signature).unwrap_or(false))
}

/// Both numbers, each half of the octets (RFC 4050 section 3.3), as ASN.1.
fn der_of(signature: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = signature.split_at(signature.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
}
