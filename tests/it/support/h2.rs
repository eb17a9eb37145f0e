//! HTTP/2 frames by hand (RFC 9113), for requests that no library would send.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use openssl::ssl::SslStream;

use super::http::Duplex;

/// What the other side did with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It answered with this status.
    Status(u16),
    /// It reset the stream, with this error code.
    Reset(u32),
    /// It ended the connection, with a GOAWAY of this error code or without a word.
    Gone(Option<u32>),
}

impl Outcome {
    /// Whether the request was turned away: an error of the protocol or a 4xx.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Status(status) => (400..500).contains(status),
            Self::Reset(_) | Self::Gone(_) => true,
        }
    }
}

/// One HTTP/2 connection.
pub(crate) struct Connection {
    stream: SslStream<TcpStream>,
    unread: Vec<u8>,
    next_stream: u32,
}

impl Connection {
    /// Over TLS that has settled on `h2`.
    pub(crate) fn new(mut stream: SslStream<TcpStream>) -> Self {
        assert_eq!(
            stream.ssl().selected_alpn_protocol(),
            Some(&b"h2"[..]),
            "no h2 by ALPN"
        );
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        let mut connection = Self {
            stream,
            unread: Vec::new(),
            next_stream: 1,
        };
        connection.frame(4, 0, 0, &[]);
        connection
    }

    /// Sends a request with exactly these header fields in this order, pseudo-header fields among
    /// them, and waits for what comes of it.
    pub(crate) fn request(&mut self, fields: &[(&[u8], &[u8])]) -> Outcome {
        self.begin(fields, 0x5) // END_STREAM and END_HEADERS
    }

    /// The same, with a body that never comes.
    pub(crate) fn request_without_its_body(&mut self, fields: &[(&[u8], &[u8])]) -> Outcome {
        self.begin(fields, 0x4) // END_HEADERS
    }

    /// Whether the other side ends the connection in time, where nothing more is asked of it.
    pub(crate) fn ends_within(&mut self, most: Duration) -> bool {
        let end = Instant::now() + most;
        while let Some((kind, flags, _, payload)) = self.next(end) {
            match kind {
                4 if flags & 1 == 0 => self.frame(4, 1, 0, &[]),
                6 if flags & 1 == 0 => self.frame(6, 1, 0, &payload),
                _ => {}
            }
        }
        Instant::now() < end
    }

    fn begin(&mut self, fields: &[(&[u8], &[u8])], flags: u8) -> Outcome {
        let stream = self.next_stream;
        self.next_stream += 2;
        let block: Vec<u8> = fields
            .iter()
            .flat_map(|(name, value)| literal(name, value))
            .collect();
        self.frame(1, flags, stream, &block);
        self.outcome(stream)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _ = self.stream.write_all(&frame);
    }

    fn outcome(&mut self, stream: u32) -> Outcome {
        let end = Instant::now() + Duration::from_secs(10);
        while let Some((kind, flags, on, payload)) = self.next(end) {
            match kind {
                1 if on == stream => return Outcome::Status(status(&payload, flags)),
                3 if on == stream => return Outcome::Reset(number(&payload)),
                4 if flags & 1 == 0 => self.frame(4, 1, 0, &[]),
                6 if flags & 1 == 0 => self.frame(6, 1, 0, &payload),
                7 => return Outcome::Gone(Some(number(&payload[4..]))),
                _ => {}
            }
        }
        Outcome::Gone(None)
    }

    fn next(&mut self, end: Instant) -> Option<(u8, u8, u32, Vec<u8>)> {
        self.fill(9, end)?;
        let length = number(&[&[0], &self.unread[..3]].concat()) as usize;
        self.fill(9 + length, end)?;
        let frame: Vec<u8> = self.unread.drain(..9 + length).collect();
        Some((
            frame[3],
            frame[4],
            number(&frame[5..9]) & 0x7fff_ffff,
            frame[9..].to_vec(),
        ))
    }

    fn fill(&mut self, length: usize, end: Instant) -> Option<()> {
        let mut piece = [0; 4096];
        while self.unread.len() < length {
            self.stream
                .patience(end.checked_duration_since(Instant::now())?);
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unread.extend_from_slice(&piece[..read]),
            }
        }
        Some(())
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// A field as an HPACK literal without indexing or Huffman code (RFC 7541 §6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut length = text.len();
    let mut out = Vec::new();
    if length < 127 {
        out.push(u8::try_from(length).unwrap());
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap());
    }
    out.extend(text);
    out
}

/// The status from the front of a header block: encoders write `:status` first, either as an entry
/// of the static table or as a literal whose digits may be in Huffman code (RFC 7541, appendix B).
fn status(block: &[u8], flags: u8) -> u16 {
    let mut block = if flags & 0x8 == 0 { block } else { &block[1..] };
    while block[0] & 0xe0 == 0x20 {
        block = &block[1..]; // a change of the table's size
    }
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ if block[1] & 0x80 == 0 => std::str::from_utf8(&block[2..5]).unwrap().parse().unwrap(),
        _ => huffman_digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
    }
}

fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
        .collect();
    let value = |bits: &[u8]| {
        bits.iter()
            .fold(0_u16, |sum, bit| sum * 2 + u16::from(*bit))
    };
    let mut rest = &bits[..];
    let mut status = 0;
    while rest.len() >= 5 && status < 100 {
        let (digit, used) = match value(&rest[..5]) {
            short @ 0..=2 => (short, 5),
            _ => (value(&rest[..6]) - 0b01_1001 + 3, 6),
        };
        status = status * 10 + digit;
        rest = &rest[used..];
    }
    status
}
