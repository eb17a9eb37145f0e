//! WebSocket frames (RFC 6455 §5), enough for short messages.

use std::time::Duration;

use super::http::{Raw, Request};

/// A text message, as whoever opened the connection must send it: masked.
pub(crate) fn masked_text(text: &str) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap()];
    frame.extend(mask);
    frame.extend(
        text.bytes()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The next frame: its opcode and payload. `None` when the connection ended or nothing came.
pub(crate) fn frame(raw: &mut Raw, most: Duration) -> Option<(u8, Vec<u8>)> {
    let head = raw.exactly(2, most)?;
    let mut length = usize::from(head[1] & 0x7f);
    if length == 126 {
        let long = raw.exactly(2, most)?;
        length = usize::from(u16::from_be_bytes([long[0], long[1]]));
    }
    let mask = if head[1] & 0x80 == 0 {
        vec![0; 4]
    } else {
        raw.exactly(4, most)?
    };
    let payload = raw.exactly(length, most)?;
    let clear = payload
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key);
    Some((head[0] & 0x0f, clear.collect()))
}

/// The request that opens a WebSocket.
pub(crate) fn opening(target: &str, origin: &str) -> Request {
    Request::get(target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Origin", origin)
}

/// The answer to `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub(crate) fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    openssl::base64::encode_block(&openssl::sha::sha1(text.as_bytes()))
}
