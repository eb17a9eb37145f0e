//! The head of a request, read once: framing, host, canonical path, the visitor.
//!
//! pingora parses the bytes; here is refused whatever two parsers could read differently, before
//! anything is decided. What is read here is what the gate sees and what is sent on.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Version, header};
use pingora::{
    http::RequestHeader, protocols::http::v1::server::HttpSession as Http1,
    proxy::Session as Downstream,
};

use super::{Live, hop, present::Present, streams, tls::Handshaken};
use crate::{
    clock::Timestamp,
    protocol::{
        Arrival, CanonicalPath, CanonicalTarget, ClientFacts, ForwardedError, Host, HostError,
        HostPort, PathError, Scheme,
        cookie::{self, Found},
    },
};

/// No head is larger than this, whatever a route allows.
const MOST_HEAD: usize = 64 << 10;

/// A request's head in its one form.
#[derive(Debug)]
pub(super) struct Head {
    path: CanonicalPath<'static>,
    query: Option<String>,
    /// Whether path and query stand in the request as they stand here.
    verbatim: bool,
    pub(super) client: ClientFacts,
    /// Whether it came to where browsers are asked for certificates, and nothing else is served.
    pub(super) at_certificate_origin: bool,
    pub(super) present: Present,
    /// In bytes.
    pub(super) size: usize,
    /// When it was read; everything about this request happens now.
    pub(super) now: Timestamp,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum BadHead {
    #[error("the forwarding headers: {0}")]
    Forwarded(ForwardedError),
    #[error("the framing: {0}")]
    Framing(&'static str),
    #[error("the host: {0}")]
    Host(HostError),
    #[error("the host: {0}")]
    HostLines(&'static str),
    #[error("the method is not served")]
    Method,
    /// The certificates were exchanged for another name (RFC 9110 section 7.4).
    #[error("the host is not the one that the handshake asked for")]
    OtherName,
    #[error("the path: {0}")]
    Path(PathError),
    #[error("the head is too large")]
    TooLarge,
}

impl BadHead {
    /// A stable code for the log.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Forwarded(error) => error.code(),
            Self::Framing(code) | Self::HostLines(code) => code,
            Self::Host(error) => error.code(),
            Self::Method => "method",
            Self::OtherName => "other-name-in-handshake",
            Self::Path(error) => error.code(),
            Self::TooLarge => "head-too-large",
        }
    }
}

impl Head {
    /// Reads the head of a request that pingora has parsed.
    pub(super) fn read(
        downstream: &Downstream,
        live: &Live,
        now: Timestamp,
    ) -> Result<Self, BadHead> {
        let request = downstream.req_header();
        let octets = downstream.as_http1().map(Http1::get_headers_raw_bytes);
        let size = octets.as_ref().map_or_else(|| size(request), Bytes::len);
        if size > MOST_HEAD {
            return Err(BadHead::TooLarge);
        }
        if matches!(request.method, Method::CONNECT | Method::TRACE) {
            return Err(BadHead::Method);
        }
        if let Some(octets) = octets {
            unrepaired(&octets)?;
        }
        let present = Present::in_request(&request.headers);
        if present.any(&[Present::CONTENT_LENGTH, Present::TRANSFER_ENCODING]) {
            framing(request)?;
        }
        if present.any(&[Present::CONNECTION]) {
            hop::check(&request.headers, live.gate.owned())?;
        }
        let host = host(request)?;
        let handshaken = Handshaken::of(downstream);
        let asked_for = handshaken.and_then(|said| said.name.as_deref());
        if asked_for.is_some_and(|name| name != host.host.as_str()) {
            return Err(BadHead::OtherName);
        }
        let raw = std::str::from_utf8(request.raw_path())
            .map_err(|_| BadHead::Path(PathError::NotAscii))?;
        let raw = origin_form(raw, request, &host)?;
        let target = CanonicalTarget::parse(raw).map_err(BadHead::Path)?;
        let arrival = Arrival {
            peer: peer(downstream),
            scheme: scheme(downstream),
            host: &host,
        };
        let mut client = ClientFacts::find(&live.trusted, arrival, &request.headers)
            .map_err(BadHead::Forwarded)?;
        let engine = &live.site.engine;
        let at_certificate_origin = handshaken.is_some_and(|said| said.certificate_login)
            || (client.by_trusted_proxy && engine.connections.ask_for_certificates_at(&client));
        let login = &engine.base.login;
        if !client.by_trusted_proxy && client.scheme == login.scheme {
            // Nothing is decided by the port that a visitor names, so nobody is told of it.
            client.host.port = login.explicit_port();
        }
        let path_length = raw.len() - target.query.map_or(0, |query| query.len() + 1);
        let verbatim = raw.len() == request.raw_path().len()
            && raw.get(..path_length) == Some(target.path.as_str());
        Ok(Self {
            query: target.query.map(str::to_owned),
            path: target.path.into_owned(),
            verbatim,
            client,
            at_certificate_origin,
            present,
            size,
            now,
        })
    }

    /// The canonical path: the one that is decided on and sent on.
    pub(super) fn path(&self) -> &CanonicalPath<'static> {
        &self.path
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        match &self.query {
            None => self.path.as_str().to_owned(),
            Some(query) => format!("{}?{query}", self.path.as_str()),
        }
    }

    /// Whether the request's own target is already [`target`](Self::target).
    pub(super) fn is_verbatim(&self) -> bool {
        self.verbatim
    }

    /// The host the visitor asked for.
    pub(super) fn host(&self) -> &Host {
        &self.client.host.host
    }

    /// Where the visitor is.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.client.address
    }
}

/// The value of a cookie that occurs once in these lines.
pub(super) fn one_cookie<'a>(
    lines: impl IntoIterator<Item = &'a HeaderValue>,
    name: &str,
) -> Option<&'a [u8]> {
    match cookie::find(lines.into_iter().map(HeaderValue::as_bytes), name) {
        Found::One(value) => Some(value.as_bytes()),
        Found::None | Found::Several => None,
    }
}

/// Bytes of the request line and the header lines, as HTTP/1.1 writes them.
fn size(request: &RequestHeader) -> usize {
    let lines = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.raw_path().len() + 16 + lines.sum::<usize>()
}

/// What the parser repairs in silence, and another parser on the way may read differently: a line
/// feed alone as the end of a line, a fragment in the target, and a length beside a transfer
/// coding, of which it shows us only the coding (RFC 9112 sections 2.2, 3.2 and 6.1).
fn unrepaired(head: &[u8]) -> Result<(), BadHead> {
    let (mut coding, mut length) = (false, false);
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', head) {
        let line = head.get(begin..end).unwrap_or_default();
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(BadHead::Framing("bare-line-feed"));
        };
        if begin == 0 && memchr::memchr(b'#', line).is_some() {
            return Err(BadHead::Path(PathError::Fragment));
        }
        begin = end + 1;
        match line.first() {
            Some(b'T' | b't') => coding |= is_field(line, b"transfer-encoding:"),
            Some(b'C' | b'c') => length |= is_field(line, b"content-length:"),
            _ => {}
        }
    }
    if coding && length {
        return Err(BadHead::Framing("content-length-and-transfer-encoding"));
    }
    Ok(())
}

fn is_field(line: &[u8], name: &[u8]) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, _)| start.eq_ignore_ascii_case(name))
}

/// RFC 9112 section 6: what says where a body ends must say it once.
fn framing(request: &RequestHeader) -> Result<(), BadHead> {
    let headers = &request.headers;
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(BadHead::Framing("several-content-lengths"));
    }
    if length
        .is_some_and(|value| value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Err(BadHead::Framing("content-length"));
    }
    if request.version == Version::HTTP_2 {
        // Its frames say where a body ends; h2 refuses Transfer-Encoding (RFC 9113 section 8.2.2).
        return Ok(());
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if length.is_some() {
        return Err(BadHead::Framing("content-length-and-transfer-encoding"));
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(BadHead::Framing("transfer-encoding"));
    }
    if request.version != Version::HTTP_11 {
        return Err(BadHead::Framing("transfer-encoding-before-1.1"));
    }
    Ok(())
}

/// RFC 9112 section 3.2, RFC 9113 section 8.3.1: one host, and `:authority` does not differ from
/// a Host header beside it.
fn host(request: &RequestHeader) -> Result<HostPort, BadHead> {
    let mut lines = request.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(BadHead::HostLines("several-hosts"));
    }
    let authority = match request.version {
        Version::HTTP_2 => request.uri.authority().map(http::uri::Authority::as_str),
        _ => None,
    };
    let of_line = |line| match streams::with_kept(|kept| kept.host(line, read_host)) {
        Some(host) => host,
        None => read_host(line),
    };
    let of_authority = |text| HostPort::parse(text).map_err(BadHead::Host);
    match (line, authority) {
        (None, None) => Err(BadHead::HostLines("no-host")),
        (Some(line), None) => of_line(line),
        (None, Some(authority)) => of_authority(authority),
        (Some(line), Some(authority)) => {
            let (line, authority) = (of_line(line)?, of_authority(authority)?);
            if line == authority {
                Ok(line)
            } else {
                Err(BadHead::HostLines("hosts-differ"))
            }
        }
    }
}

fn read_host(line: &HeaderValue) -> Result<HostPort, BadHead> {
    let line = line.to_str();
    let line = line.map_err(|_| BadHead::HostLines("host-not-ascii"))?;
    HostPort::parse(line).map_err(BadHead::Host)
}

/// The target without the `http://host` that absolute-form puts in front (RFC 9112 section 3.2.2);
/// its host must be the request's.
fn origin_form<'a>(
    raw: &'a str,
    request: &RequestHeader,
    host: &HostPort,
) -> Result<&'a str, BadHead> {
    if raw.starts_with('/') {
        return Ok(raw);
    }
    if request.version == Version::HTTP_2 {
        return Err(BadHead::Path(PathError::NotAbsolute));
    }
    let Some((scheme, rest)) = raw.split_once("://") else {
        return Err(BadHead::Path(PathError::NotAbsolute));
    };
    if Scheme::parse(scheme).is_none() {
        return Err(BadHead::HostLines("absolute-form-scheme"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if HostPort::parse(authority).map_err(BadHead::Host)? != *host {
        return Err(BadHead::HostLines("absolute-form-host"));
    }
    if target.starts_with('/') {
        Ok(target)
    } else {
        Err(BadHead::Path(PathError::NotAbsolute))
    }
}

/// The other end of the connection; `None` on a Unix socket.
fn peer(downstream: &Downstream) -> Option<IpAddr> {
    downstream
        .client_addr()
        .and_then(|address| address.as_inet())
        .map(std::net::SocketAddr::ip)
}

fn scheme(downstream: &Downstream) -> Scheme {
    let tls = downstream
        .digest()
        .is_some_and(|digest| digest.ssl_digest.is_some());
    if tls { Scheme::Https } else { Scheme::Http }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_repairs_is_refused() {
        let code = |head: &[u8]| unrepaired(head).err().map(BadHead::code);
        let good = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: #\r\n\r\n";
        assert_eq!(code(good), None);
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(code(chunked), None);
        for bare in [
            b"GET / HTTP/1.1\nHost: a\r\n\r\n".as_slice(),
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        ] {
            assert_eq!(code(bare), Some("bare-line-feed"));
        }
        for both in [
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\ntransfer-encoding: chunked\r\n\r\n"
                .as_slice(),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH:4\r\n\r\n",
        ] {
            assert_eq!(code(both), Some("content-length-and-transfer-encoding"));
        }
        assert_eq!(
            code(b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
            Some(PathError::Fragment.code())
        );
    }
}
