//! What ties a proof to the TLS connection that it came by (RFC 5056).

use std::sync::Arc;

use openssl::{hash::MessageDigest, nid::Nid, x509::X509Ref};

/// The unique prefix of the type `tls-server-end-point` (RFC 5929 section 4).
const PREFIX: &[u8] = b"tls-server-end-point:";

/// The channel binding of a server's certificate: whoever ends TLS with another one has another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ChannelBinding(Arc<[u8]>);

impl ChannelBinding {
    /// That of connections at which this certificate is shown: its hash, by the function of its own
    /// signature. None where the RFC defines none, as for Ed25519, or OpenSSL does not tell which
    /// function it is, as for RSASSA-PSS.
    pub(crate) fn of(certificate: &X509Ref) -> Option<Self> {
        let signature = certificate.signature_algorithm().object().nid();
        let hash = match signature.signature_algorithms()?.digest {
            Nid::MD5 | Nid::SHA1 | Nid::SHA256 => MessageDigest::sha256(),
            Nid::SHA224 => MessageDigest::sha224(),
            Nid::SHA384 => MessageDigest::sha384(),
            Nid::SHA512 => MessageDigest::sha512(),
            _ => return None,
        };
        let hash = certificate.digest(hash).ok()?;
        Some(Self([PREFIX, &hash].concat().into()))
    }

    /// Prefix and hash, as GSS-API takes them for application data (RFC 2743 section 1.1.6).
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use openssl::{
        asn1::Asn1Time,
        ec::{EcGroup, EcKey},
        pkey::{PKey, Private},
        x509::X509,
    };

    use super::*;

    fn signed(key: &PKey<Private>, hash: MessageDigest) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder
            .set_not_after(&Asn1Time::days_from_now(1).unwrap())
            .unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(key, hash).unwrap();
        builder.build()
    }

    #[test]
    fn the_hash_is_that_of_the_signature_and_at_least_sha_256() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        for (signed_with, hashed_with) in [
            (MessageDigest::sha1(), MessageDigest::sha256()),
            (MessageDigest::sha224(), MessageDigest::sha224()),
            (MessageDigest::sha256(), MessageDigest::sha256()),
            (MessageDigest::sha384(), MessageDigest::sha384()),
            (MessageDigest::sha512(), MessageDigest::sha512()),
        ] {
            let certificate = signed(&key, signed_with);
            let hash = certificate.digest(hashed_with).unwrap();
            let binding = ChannelBinding::of(&certificate).unwrap();
            assert_eq!(
                binding.octets(),
                [b"tls-server-end-point:".as_slice(), &hash].concat()
            );
        }
    }

    #[test]
    fn a_signature_without_one_hash_has_no_binding() {
        let key = PKey::generate_ed25519().unwrap();
        let certificate = signed(&key, MessageDigest::null());
        assert_eq!(ChannelBinding::of(&certificate), None);
    }
}
