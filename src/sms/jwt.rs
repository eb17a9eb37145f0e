//! The token by which a gateway knows who calls it, as Auth0's custom gateways want it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{clock::Timestamp, crypto::hmac_sha256};

/// How long one is good, in seconds: for a request.
const GOOD: i64 = 120;

/// Who says what to whom.
pub(super) struct Bearer {
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) subject: String,
    pub(super) audience: String,
}

impl Bearer {
    /// A JSON Web Token (RFC 7519) with HS256 (RFC 7515 section 3.1).
    pub(super) fn token(&self, now: Timestamp) -> String {
        let claims = json!({
            "sub": self.subject,
            "aud": self.audience,
            "iat": now.seconds(),
            "exp": now.seconds() + GOOD,
        });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let head = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", encode(claims.to_string().as_bytes()));
        let signature = encode(&hmac_sha256(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
