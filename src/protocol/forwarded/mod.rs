//! Where a request came from, when proxies stand in between (RFC 7239 and the older
//! `X-Forwarded-*`).
//!
//! What these headers say counts only when the peer is a trusted proxy. The visitor's address is
//! found once, from the right: each trusted hop vouches for the entry to its left and for no other,
//! so the walk stops at the first address that is not trusted, or before the first entry that is
//! no address. Only the last scheme, host and port count: the ones the trusted peer itself wrote.
//!
//! One family of headers speaks. If any `X-Forwarded-*` line is there, `Forwarded` is not read: a
//! proxy that writes `X-Forwarded-*` usually passes a visitor's own `Forwarded` through untouched,
//! while those that write `Forwarded` are few and known to drop the older family.

mod rfc7239;
#[cfg(test)]
mod tests;

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::{Host, HostError, HostPort, Scheme, host::parse_port, network::unmapped};

/// The peers whose forwarding headers are believed: networks, and `unix` for those that come by a
/// Unix socket. Nobody by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Reads networks (`10.0.0.0/8`), addresses and the word `unix`. The first text that is none
    /// of these is handed back.
    pub(crate) fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut trusted = Self::default();
        for text in list {
            if text == "unix" {
                trusted.unix = true;
            } else if let Ok(network) = text.parse::<IpNet>() {
                trusted.networks.push(unmapped(network));
            } else {
                let address: IpAddr = text.parse().map_err(|_| text)?;
                trusted.networks.push(address.to_canonical().into());
            }
        }
        Ok(trusted)
    }

    /// Whether a peer is believed; `None` is one on a Unix socket.
    pub(crate) fn contains(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix,
            Some(address) => self.holds(address.to_canonical()),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// A request as it arrived, before anybody's word about it is heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// The other end of the connection; `None` on a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// The listener's scheme.
    pub(crate) scheme: Scheme,
    /// The request's own Host.
    pub(crate) host: &'a HostPort,
}

/// What is known about the visitor's side of a request. One function finds it, so limits, logs and
/// rules never disagree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ClientFacts {
    /// The visitor's address; `None` when it came by a Unix socket and nobody vouches for more.
    pub(crate) address: Option<IpAddr>,
    /// The scheme the visitor used.
    pub(crate) scheme: Scheme,
    /// The host the visitor asked for, without a default port.
    pub(crate) host: HostPort,
    /// Whether the peer is a trusted proxy.
    pub(crate) by_trusted_proxy: bool,
    /// The trusted hops between the visitor and us, the nearest first; the peer is one of them.
    hops: Vec<IpAddr>,
}

/// More trusted hops than this are no network anybody runs, but a list somebody sent.
const MOST_HOPS: usize = 32;

impl ClientFacts {
    /// Finds the visitor.
    pub(crate) fn find(
        trusted: &TrustedProxies,
        arrival: Arrival<'_>,
        headers: &HeaderMap,
    ) -> Result<Self, ForwardedError> {
        let mut facts = Self {
            address: arrival.peer.map(|address| address.to_canonical()),
            scheme: arrival.scheme,
            host: arrival.host.clone(),
            by_trusted_proxy: trusted.contains(arrival.peer),
            hops: Vec::new(),
        };
        if facts.by_trusted_proxy {
            // One look over the names costs less than to look each of them up.
            let says = |names: &[HeaderName]| headers.keys().any(|name| names.contains(name));
            if says(&[FOR, PROTO, HOST, PORT]) {
                facts.hear_x_forwarded(trusted, headers)?;
            } else if says(&[FORWARDED]) {
                facts.hear_forwarded(trusted, headers)?;
            }
        }
        let default = facts.scheme.default_port();
        facts.host.port = facts.host.port.filter(|port| *port != default);
        Ok(facts)
    }

    fn hear_x_forwarded(
        &mut self,
        trusted: &TrustedProxies,
        headers: &HeaderMap,
    ) -> Result<(), ForwardedError> {
        let lines = headers.get_all(FOR).iter().rev();
        let entries = lines
            .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','))
            .map(|entry| std::str::from_utf8(entry.trim_ascii()).unwrap_or("?"))
            .filter(|entry| !entry.is_empty());
        self.walk(trusted, entries.map(parse_address));
        if let Some(proto) = last(headers, PROTO)? {
            self.scheme = parse_proto(proto)?;
        }
        if let Some(host) = last(headers, HOST)? {
            self.host = HostPort::parse(host).map_err(ForwardedError::Host)?;
        }
        if let Some(port) = last(headers, PORT)? {
            let port = parse_port(port).map_err(ForwardedError::Host)?;
            self.host.port = self.host.port.or(Some(port));
        }
        Ok(())
    }

    fn hear_forwarded(
        &mut self,
        trusted: &TrustedProxies,
        headers: &HeaderMap,
    ) -> Result<(), ForwardedError> {
        let mut elements = Vec::new();
        for line in headers.get_all(FORWARDED).iter().rev() {
            let Some(line) = line.to_str().ok().and_then(rfc7239::parse_line) else {
                // an unbalanced quote in an older line says nothing about a newer one
                elements.push(rfc7239::Element::default());
                break;
            };
            elements.extend(line.into_iter().rev());
        }
        let nodes = elements.iter().map(|element| element.node);
        self.walk(trusted, nodes.map(|node| parse_address(node?)));
        let newest = elements.first().copied().unwrap_or_default();
        if let Some(proto) = newest.proto {
            self.scheme = parse_proto(proto)?;
        }
        if let Some(host) = newest.host {
            self.host = HostPort::parse(host).map_err(ForwardedError::Host)?;
        }
        Ok(())
    }

    /// Goes from the peer, which is trusted, to the left.
    fn walk(&mut self, trusted: &TrustedProxies, entries: impl Iterator<Item = Option<IpAddr>>) {
        for entry in entries.take(MOST_HOPS) {
            let Some(address) = entry else { return };
            self.hops.extend(self.address);
            self.address = Some(address);
            if !trusted.holds(address) {
                return;
            }
        }
    }

    /// The one set of forwarding headers that an application gets: handed to `set` one by one, each
    /// name once. Everything a visitor sent under these names has been dropped before.
    pub(crate) fn outgoing(&self, mut set: impl FnMut(HeaderName, HeaderValue)) {
        let mut text = |name: HeaderName, value: String| {
            // addresses, names and numbers are always a field value
            if let Ok(value) = HeaderValue::try_from(value) {
                set(name, value);
            }
        };
        if let Some(address) = self.address {
            let mut chain = address.to_string();
            text(REAL_IP, chain.clone());
            for hop in self.hops.iter().rev() {
                let _ = write!(chain, ", {hop}");
            }
            text(FOR, chain);
        }
        text(HOST, self.host.to_string());
        let port = self.host.port.unwrap_or(self.scheme.default_port());
        text(PORT, port.to_string());
        text(FORWARDED, self.to_rfc7239());
        set(PROTO, HeaderValue::from_static(self.scheme.as_str()));
    }

    /// RFC 7239 section 4: the visitor's element carries host and scheme, those of the hops follow.
    fn to_rfc7239(&self) -> String {
        let mut out = String::with_capacity(96);
        // writing to a String does not fail
        let _ = match self.address {
            None => write!(out, "for=unknown"),
            Some(IpAddr::V4(address)) => write!(out, "for={address}"),
            Some(IpAddr::V6(address)) => write!(out, "for=\"[{address}]\""),
        };
        let _ = match (self.host.port, is_token(&self.host.host)) {
            (None, true) => write!(out, ";host={}", self.host),
            _ => write!(out, ";host=\"{}\"", self.host),
        };
        let _ = write!(out, ";proto={}", self.scheme);
        for hop in self.hops.iter().rev() {
            let _ = match hop {
                IpAddr::V4(address) => write!(out, ", for={address}"),
                IpAddr::V6(address) => write!(out, ", for=\"[{address}]\""),
            };
        }
        out
    }
}

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Of a host's characters only those of an IPv6 address are no token (RFC 9110 section 5.6.2).
fn is_token(host: &Host) -> bool {
    !host.as_str().starts_with('[')
}

/// What a trusted proxy says makes no sense. The request is refused: guessing would let somebody
/// choose between two readings.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ForwardedError {
    #[error("the forwarded host: {0}")]
    Host(#[source] HostError),
    #[error("a forwarding header is not text")]
    NotText,
    #[error("the forwarded scheme is neither http nor https")]
    Scheme,
}

impl ForwardedError {
    /// A stable name for logs and answers.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Host(_) => "forwarded_host",
            Self::NotText => "forwarded_not_text",
            Self::Scheme => "forwarded_scheme",
        }
    }
}

/// The value that the nearest proxy wrote: the last element of the last line.
fn last(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ForwardedError> {
    let Some(line) = headers.get_all(name).iter().next_back() else {
        return Ok(None);
    };
    let line = line.to_str().map_err(|_| ForwardedError::NotText)?;
    let value = line.rsplit(',').next().unwrap_or_default().trim_ascii();
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Some proxies name the protocol of a WebSocket by its own scheme.
fn parse_proto(text: &str) -> Result<Scheme, ForwardedError> {
    if text.eq_ignore_ascii_case("wss") {
        return Ok(Scheme::Https);
    }
    if text.eq_ignore_ascii_case("ws") {
        return Ok(Scheme::Http);
    }
    Scheme::parse(text).ok_or(ForwardedError::Scheme)
}

/// An address, perhaps with a port and brackets (RFC 7239 section 6). `unknown` and obfuscated
/// identifiers (section 6.3) are none.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, port) = inner.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        if !port.is_empty() {
            parse_port(port.strip_prefix(':')?).ok()?;
        }
        return Some(IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    parse_port(port).ok()?;
    Some(IpAddr::V4(address.parse::<Ipv4Addr>().ok()?))
}
