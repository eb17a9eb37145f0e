//! The client's credentials, and what an endpoint answers to them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::form_urlencoded;

use crate::secret::Secret;

/// The credentials as a header (RFC 6749 section 2.3.1): both parts encoded as in a form.
pub(crate) fn basic(client_id: &str, secret: &Secret) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", STANDARD.encode(pair))
}

/// Whether a token can go into a header.
pub(crate) fn check_access_token(token: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    if token.is_empty() || !token.bytes().all(plain) {
        return Err("the access token has other characters than RFC 6750 allows");
    }
    Ok(())
}

/// How long a token is good for, in seconds (RFC 6749 section 5.1); some providers write text.
pub(crate) fn lifetime(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| (0..=i64::from(u32::MAX)).contains(seconds))
}

/// An error code as RFC 6749 section 4.1.2.1 has them, short and without anything that could do
/// harm in a log.
pub(crate) fn printable(code: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() && *c != '"' && *c != '\\';
    code.chars().filter(plain).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let header = basic("a:b c", &Secret::new("é:%".to_owned()));
        let pair = STANDARD
            .decode(header.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(pair, b"a%3Ab+c:%C3%A9%3A%25");
    }

    #[test]
    fn a_token_that_would_break_a_header_is_none() {
        assert!(check_access_token("a.b-c_d~e+f/g=").is_ok());
        for token in ["", "a b", "a\r\nX: y", "é"] {
            assert!(check_access_token(token).is_err(), "{token:?}");
        }
    }
}
