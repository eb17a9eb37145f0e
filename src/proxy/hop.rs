//! What two neighbours on the way say to each other alone (RFC 9110 section 7.6.1).
//!
//! pingora is told to leave it in requests (`HttpUpstreamRequestPolicy::preserve`): it would look
//! for each of these names in two tables of each request.

use http::{HeaderMap, HeaderName, Version, header};
use pingora::http::RequestHeader;

use super::{head::BadHead, present::Present};
use crate::protocol::OwnedHeaders;

/// Nobody honest names more fields in the Connection lines of a request.
const MOST_NAMED: usize = 9;

/// Refuses Connection lines that name a header that decides something: whoever does that wants it to
/// be read here and missed by the application.
pub(super) fn check(fields: &HeaderMap, owned: &OwnedHeaders) -> Result<(), BadHead> {
    let bad = |code| Err(BadHead::Framing(code));
    for (before, name) in named(fields).enumerate() {
        if before == MOST_NAMED {
            return bad("connection-names-too-much");
        }
        let Ok(name) = std::str::from_utf8(name) else {
            return bad("connection-not-ascii");
        };
        let decides = ["authorization", "content-length", "cookie", "host"];
        if decides.iter().any(|one| one.eq_ignore_ascii_case(name)) || owned.contains(name) {
            return bad("connection-names-what-decides");
        }
        if !name.bytes().all(is_tchar) {
            return bad("connection-names-no-token");
        }
    }
    Ok(())
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What the Connection lines name.
fn named(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(header::CONNECTION).iter();
    let parts = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    // These two are said of the connection and are the names of no field that goes on.
    let of_connection = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"keep-alive") || name.eq_ignore_ascii_case(b"close")
    };
    parts
        .map(<[u8]>::trim_ascii)
        .filter(move |name| !name.is_empty() && !of_connection(name))
}

/// The same as names of fields.
pub(super) fn named_fields(fields: &HeaderMap) -> Vec<HeaderName> {
    named(fields)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect()
}

/// Whether a field of a request ends here, whatever the Connection lines say.
pub(super) fn ends_with(name: &HeaderName) -> bool {
    match *name {
        header::CONNECTION
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION
        | header::TE
        | header::TRAILER
        // pingora frames the body for the next hop.
        | header::TRANSFER_ENCODING
        | header::UPGRADE => true,
        ref other => matches!(
            other.as_str(),
            "http2-settings" | "keep-alive" | "proxy-connection"
        ),
    }
}

/// Whether a request asks for a WebSocket, the one protocol that is changed to (RFC 6455 section
/// 4.1).
pub(super) fn asks_for_websocket(request: &RequestHeader, present: Present) -> bool {
    if !present.any(&[Present::UPGRADE]) {
        return false;
    }
    let wanted = request.headers.get(header::UPGRADE);
    request.version == Version::HTTP_11
        && wanted.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
