//! The request to replace a password (RFC 3062 section 2).

#![expect(
    clippy::no_effect_underscore_binding,
    reason = "what is derived for tagged fields has them"
)]

use rasn::prelude::*;

/// PasswdModifyRequestValue.
#[derive(AsnType, Encode)]
struct PasswdModifyRequestValue {
    #[rasn(tag(0))]
    user_identity: OctetString,
    #[rasn(tag(1))]
    old_passwd: OctetString,
    #[rasn(tag(2))]
    new_passwd: OctetString,
}

/// The value of the extended request: whose password, the old one and the new one.
pub(crate) fn password_modify(dn: &str, old: &str, new: &str) -> Option<Vec<u8>> {
    let octets = |text: &str| OctetString::from(text.as_bytes().to_vec());
    let value = PasswdModifyRequestValue {
        user_identity: octets(dn),
        old_passwd: octets(old),
        new_passwd: octets(new),
    };
    rasn::ber::encode(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_sequence_of_three() {
        let value = password_modify("cn=a", "b", "c").unwrap();
        assert_eq!(value, b"\x30\x0c\x80\x04cn=a\x81\x01b\x82\x01c");
    }
}
