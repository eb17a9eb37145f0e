//! Requests that are signed as Standard Webhooks 1.0 has it: `webhook-id`, `webhook-timestamp`, and in
//! `webhook-signature` HMAC-SHA256 over `ID.TIMESTAMP.BODY`, so that whoever gets them knows who
//! asks, and whether it has been asked before.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{clock::Timestamp, crypto::hmac_sha256, secret::Secret};

/// What requests are signed with. `Debug` hides it.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<Vec<u8>>);

/// The headers of one request, by their names.
pub(crate) type SignatureHeaders = [(&'static str, String); 3];

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl SigningKey {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub(crate) fn read(secret: &Secret) -> Option<Self> {
        let text = secret.expose().strip_prefix("whsec_")?;
        let key = Zeroizing::new(STANDARD.decode(text).ok()?);
        (24..=64).contains(&key.len()).then_some(Self(key))
    }

    fn sign(&self, message: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(hmac_sha256(&self.0, message)))
    }
}

/// What a request with this body carries besides: one signature for each key, with spaces between.
pub(crate) fn sign(
    keys: &[SigningKey],
    (drawn, now): ([u8; 16], Timestamp),
    body: &[u8],
) -> SignatureHeaders {
    let id = format!("msg_{:032x}", u128::from_be_bytes(drawn));
    let seconds = now.millis() / 1000;
    let mut message = format!("{id}.{seconds}.").into_bytes();
    message.extend_from_slice(body);
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(&message)).collect();
    [
        ("webhook-id", id),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Openssl says so: `printf 'msg_…1.1700000000.{}' | openssl dgst -sha256 -hmac KEY -binary`.
    #[test]
    fn a_signature_is_over_id_and_time_and_body() {
        let secret = Secret::new(format!("whsec_{}", STANDARD.encode([b'k'; 24])));
        let keys = [SigningKey::read(&secret).unwrap()];
        let drawn = 1_u128.to_be_bytes();
        let now = Timestamp::from_millis(1_700_000_000_999);
        let [id, time, signature] = sign(&keys, (drawn, now), b"{}");
        assert_eq!(id.1, "msg_00000000000000000000000000000001");
        assert_eq!(time.1, "1700000000");
        let by_hand = hmac_sha256(
            &[b'k'; 24],
            b"msg_00000000000000000000000000000001.1700000000.{}",
        );
        assert_eq!(signature.1, format!("v1,{}", STANDARD.encode(by_hand)));
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!", "c2VjcmV0"] {
            assert!(SigningKey::read(&Secret::new(bad.to_owned())).is_none());
        }
    }
}
