//! Key pairs that are derived from the key ring: stored nowhere, the same in every process, and
//! gone with the key they came from.

use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey, EcPoint},
    error::ErrorStack,
    nid::Nid,
    pkey::PKey,
};
use zeroize::Zeroizing;

use super::{
    Purpose, RingKey,
    jose::{KeyParseError, PrivateKey},
};

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DerivedKeyError {
    #[error("the derived key: {0}")]
    OpenSsl(#[from] ErrorStack),
    #[error(transparent)]
    Parse(#[from] KeyParseError),
}

/// A P-256 key pair for what `label` says, from a key of the ring: 384 bits of it, reduced to a
/// number from 1 to n - 1 (FIPS 186-5 appendix A.2.1).
pub(crate) fn derived_p256(key: &RingKey, label: &[&str]) -> Result<PrivateKey, DerivedKeyError> {
    let mac = key.mac(Purpose::Client);
    let mut bits = Zeroizing::new(Vec::with_capacity(64));
    for part in ["p256 1", "p256 2"] {
        let mut parts = vec![part.as_bytes()];
        parts.extend(label.iter().map(|part| part.as_bytes()));
        bits.extend_from_slice(&mac.sign(&parts));
    }
    bits.truncate(48);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut context = BigNumContext::new_secure()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut context)?;
    order.sub_word(1)?;
    let drawn = BigNum::from_slice(&bits)?;
    let mut secret = BigNum::new_secure()?;
    secret.nnmod(&drawn, &order, &mut context)?;
    secret.add_word(1)?;
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &secret, &mut context)?;
    let pair = EcKey::from_private_components(&group, &secret, &public)?;
    let der = Zeroizing::new(PKey::from_ec_key(pair)?.private_key_to_pkcs8()?);
    Ok(PrivateKey::from_pkcs8(&der)?)
}
