//! Which headers may carry an identity.

use http::HeaderName;

use crate::protocol::{HeaderClass, OwnedHeaders, folded};

/// Reads the name of a header of the operator's own table.
pub(in crate::headers) fn parse(name: &str) -> Result<HeaderName, NameError> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| NameError::NotAToken)?;
    let folded = folded(name);
    if RESERVED.contains(&folded.as_str()) {
        return Err(NameError::Reserved);
    }
    if RESERVED_FAMILIES
        .iter()
        .any(|family| folded.starts_with(family))
    {
        return Err(NameError::Reserved);
    }
    if FORWARDING.contains(&folded.as_str())
        || OwnedHeaders::base().class(name) == Some(HeaderClass::ClientAddress)
    {
        return Err(NameError::Forwarding);
    }
    Ok(parsed)
}

/// Names with a meaning for the connection, the framing or the credentials of a request, folded.
const RESERVED: [&str; 19] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The beginnings of such names.
const RESERVED_FAMILIES: [&str; 6] = [
    "access-control-",
    "client-cert",
    "content-transfer-",
    "proxy-",
    "sec-",
    "x-vestibule-",
];

/// What says how the request came, folded; written from the connection, never from a person.
const FORWARDING: [&str; 18] = [
    "forwarded",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Why a header cannot carry an identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::headers) enum NameError {
    #[error("it says where the request comes from and is written by Vestibule")]
    Forwarding,
    #[error("it is not the name of a header")]
    NotAToken,
    #[error("it has a meaning of its own in HTTP or for Vestibule")]
    Reserved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        for name in [
            "Host",
            "Cookie",
            "Authorization",
            "authorization",
            "Proxy-Authorization",
            "Connection",
            "Transfer_Encoding",
            "Content-Length",
            "TE",
            "Upgrade",
            "Sec-WebSocket-Protocol",
            "X-Vestibule-Assertion",
            "X_Vestibule.Assertion",
            "Client-Cert",
            "client_cert.chain",
        ] {
            assert_eq!(parse(name), Err(NameError::Reserved), "{name}");
        }
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "x_forwarded_proto",
            "X.Real-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
        ] {
            assert_eq!(parse(name), Err(NameError::Forwarding), "{name}");
        }
        for name in ["", "X User", "X:User", "Ü", "X\r\nY"] {
            assert_eq!(parse(name), Err(NameError::NotAToken), "{name:?}");
        }
        for name in ["X-User", "X-Forwarded-User", "Remote-User", "X_REMOTE_USER"] {
            assert!(parse(name).is_ok(), "{name}");
        }
    }
}
