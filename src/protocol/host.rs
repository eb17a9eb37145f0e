//! Names of hosts in one canonical form, and the patterns an operator names them with.

use std::{borrow::Borrow, cmp::Reverse, fmt, sync::Arc};

/// The canonical name of a host: lower-case ASCII after IDNA (UTS 46, as the WHATWG URL standard
/// applies it), without port and trailing dot; IPv6 in brackets and compressed (RFC 5952).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Host(Arc<str>);

impl Host {
    /// Reads a name without a port; Unicode is mapped by IDNA.
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        refuse_by_name(text)?;
        if text.contains(':') && !text.starts_with('[') {
            return Err(HostError::SeveralColons);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if is_plainly_canonical(name) {
            return Ok(Self(name.into()));
        }
        match url::Host::parse(name).map_err(|_| HostError::NotAName)? {
            url::Host::Domain(domain) if labels_are_sound(&domain) => Ok(Self(domain.into())),
            url::Host::Domain(_) => Err(HostError::NotAName),
            // 127.1 and 0x7f000001 are read differently by different people
            url::Host::Ipv4(address) if address.to_string() != text => Err(HostError::OddAddress),
            address => Ok(Self(address.to_string().into())),
        }
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is an IP address.
    pub(crate) fn is_address(&self) -> bool {
        self.0.starts_with('[') || self.0.parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// Whether only this machine answers to it (RFC 6761 section 6.3, RFC 1122, RFC 4291).
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.as_str();
        name == "localhost"
            || name.ends_with(".localhost")
            || name == "[::1]"
            || name
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host and perhaps a port: the value of a Host header (RFC 9110 section 7.2) or `:authority`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct HostPort {
    /// The host.
    pub(crate) host: Host,
    /// The port, if one was written.
    pub(crate) port: Option<u16>,
}

impl HostPort {
    /// Reads what a peer sent: `host`, `host:port`, `[v6]` or `[v6]:port`, in ASCII.
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let after_host = match text.rfind(']') {
            Some(end) => end + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(after_host).unwrap_or((text, ""));
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return Err(HostError::NotAName),
            Some(port) if port.contains('@') => return Err(HostError::Userinfo),
            Some(port) if port.contains(':') => return Err(HostError::SeveralColons),
            Some(port) => Some(port),
        };
        let host = Host::parse(host)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host.as_str())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// One to five digits, without a sign; zero is no port.
pub(in crate::protocol) fn parse_port(text: &str) -> Result<u16, HostError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.len() > 5 {
        return Err(HostError::BadPort);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(HostError::BadPort),
        Ok(port) => Ok(port),
    }
}

/// Why a text names no host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HostError {
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    #[error("the host is empty")]
    Empty,
    #[error("the host is not a name or address")]
    NotAName,
    #[error("the host is not ASCII")]
    NotAscii,
    #[error("the address is not written in its usual form")]
    OddAddress,
    #[error("the host has several colons")]
    SeveralColons,
    #[error("the host holds a space or control character")]
    Space,
    #[error("the host has a user name in front of it")]
    Userinfo,
}

impl HostError {
    /// A stable name for logs and answers.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::BadPort => "host_bad_port",
            Self::Empty => "host_empty",
            Self::NotAName => "host_not_a_name",
            Self::NotAscii => "host_not_ascii",
            Self::OddAddress => "host_odd_address",
            Self::SeveralColons => "host_several_colons",
            Self::Space => "host_space",
            Self::Userinfo => "host_userinfo",
        }
    }
}

/// What the URL parser would decode, skip or take for something else.
fn refuse_by_name(text: &str) -> Result<(), HostError> {
    if text.is_empty() {
        return Err(HostError::Empty);
    }
    for byte in text.bytes() {
        match byte {
            b'@' => return Err(HostError::Userinfo),
            b' ' => return Err(HostError::Space),
            b'%' | b'/' | b'\\' | b'?' | b'#' | b',' => return Err(HostError::NotAName),
            byte if byte.is_ascii_control() => return Err(HostError::Space),
            _ => {}
        }
    }
    Ok(())
}

/// The common case, decided without IDNA: lower-case labels, none of them Punycode, and a last
/// one that begins with a letter, so that nothing could be an address.
fn is_plainly_canonical(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    name.bytes().all(known)
        && labels_are_sound(name)
        && !name.contains("xn--")
        && name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().next().is_some_and(|b| b.is_ascii_lowercase()))
}

/// RFC 1035 section 2.3.4, and no character that DNS names and `_` do not have.
fn labels_are_sound(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    name.len() <= 253
        && name
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(known))
}

/// The hosts an operator means: one, or every name below a domain.
///
/// Sorting puts the more specific first: exact names, then wildcards, the longer before the
/// shorter.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum HostPattern {
    /// This host.
    Exact(Host),
    /// `*.` and this domain: one or more labels in front of it, never the domain itself.
    Below(Host),
}

impl HostPattern {
    /// Reads `wiki.example.com` or `*.example.com`. A wildcard on a public suffix would take in
    /// the names of strangers (publicsuffix.org) and is refused; so is one on an address.
    pub(crate) fn parse(text: &str) -> Result<Self, HostPatternError> {
        let Some(domain) = text.strip_prefix("*.") else {
            if text.contains('*') {
                return Err(HostPatternError::StarInside);
            }
            return Ok(Self::Exact(Host::parse(text)?));
        };
        if domain.contains('*') {
            return Err(HostPatternError::StarInside);
        }
        let domain = Host::parse(domain)?;
        if domain.is_address() {
            return Err(HostPatternError::WildcardOnAddress);
        }
        let private = PRIVATE_SUFFIXES.contains(&domain.as_str());
        if !private && psl::suffix_str(domain.as_str()) == Some(domain.as_str()) {
            return Err(HostPatternError::PublicSuffix(domain));
        }
        Ok(Self::Below(domain))
    }

    /// Whether a host is meant. Labels are compared whole: `evilexample.com` is not below
    /// `example.com`.
    pub(crate) fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(domain) => host
                .as_str()
                .strip_suffix(domain.as_str())
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|front| !front.is_empty()),
        }
    }

    fn rank(&self) -> (bool, Reverse<usize>, &str) {
        match self {
            Self::Exact(name) => (false, Reverse(0), name.as_str()),
            Self::Below(domain) => (true, Reverse(domain.as_str().len()), domain.as_str()),
        }
    }
}

/// Names that are nobody's on the Internet, so everything below them is the operator's own
/// (RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of `internal`).
const PRIVATE_SUFFIXES: &[&str] = &["home.arpa", "internal", "local", "localhost", "test"];

impl Ord for HostPattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for HostPattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Why a text names no set of hosts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HostPatternError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("{0} is a public suffix: the names below it belong to strangers")]
    PublicSuffix(Host),
    #[error("a * is the whole first label, like \"*.example.com\"")]
    StarInside,
    #[error("a wildcard needs a domain, not an address")]
    WildcardOnAddress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::shared_data;

    #[test]
    fn a_host_has_one_form() {
        for (text, host, port) in [
            ("a.test", "a.test", None),
            ("A.TEST", "a.test", None),
            ("a.test.", "a.test", None),
            ("a.test:443", "a.test", Some(443)),
            ("a.test.:8080", "a.test", Some(8080)),
            ("localhost", "localhost", None),
            ("my_app", "my_app", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[0:0:0:0:0:0:0:1]:8443", "[::1]", Some(8443)),
            ("[2001:DB8::1]", "[2001:db8::1]", None),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ] {
            let parsed = HostPort::parse(text).unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
        }
        assert_eq!(
            HostPort::parse("A.test:81").unwrap().to_string(),
            "a.test:81"
        );
        assert_eq!(
            Host::parse("Bücher.example").unwrap().as_str(),
            "xn--bcher-kva.example"
        );
    }

    #[test]
    fn what_is_no_host_is_refused_by_name() {
        use HostError as E;
        for (text, error) in [
            ("", E::Empty),
            (":80", E::Empty),
            ("a@evil.test", E::Userinfo),
            ("a:80@evil.test", E::Userinfo),
            ("a b", E::Space),
            ("a\tb", E::Space),
            (" a", E::Space),
            ("a\0", E::Space),
            ("ä.test", E::NotAscii),
            ("a:1:2", E::SeveralColons),
            ("::1", E::SeveralColons),
            ("2001:db8::1", E::SeveralColons),
            ("a:", E::BadPort),
            ("a:0", E::BadPort),
            ("a:65536", E::BadPort),
            ("a:+80", E::BadPort),
            ("a:080000", E::BadPort),
            ("a:8x", E::BadPort),
            ("a%2eb", E::NotAName),
            ("a/b", E::NotAName),
            ("a\\b", E::NotAName),
            ("a?b", E::NotAName),
            ("a#b", E::NotAName),
            ("a,b", E::NotAName),
            ("a..b", E::NotAName),
            (".a", E::NotAName),
            ("a..", E::NotAName),
            (".", E::NotAName),
            ("*.a", E::NotAName),
            ("[::1", E::SeveralColons),
            ("[::1]x", E::NotAName),
            ("[::1%eth0]", E::NotAName),
            ("[a]", E::NotAName),
            ("xn--a", E::NotAName),
            ("127.1", E::OddAddress),
            ("0x7f000001", E::OddAddress),
            ("2130706433", E::OddAddress),
            ("127.0.0.1.", E::OddAddress),
            ("1.2.3.4.5", E::NotAName),
        ] {
            assert_eq!(HostPort::parse(text), Err(error), "{text:?}");
            assert!(error.code().starts_with("host_"));
        }
        assert!(Host::parse("a:80").is_err());
        assert!(Host::parse(&"a".repeat(64)).is_err());
        assert!(Host::parse(&"a.".repeat(127)).is_ok());
        assert!(Host::parse(&"a.".repeat(128)).is_err());
    }

    #[test]
    fn wildcards_end_at_a_label() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        for (host, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("evilexample.com", false),
            ("example.com.evil.test", false),
        ] {
            assert_eq!(
                pattern.matches(&Host::parse(host).unwrap()),
                expected,
                "{host}"
            );
        }
        let exact = HostPattern::parse("example.com").unwrap();
        assert!(exact.matches(&Host::parse("EXAMPLE.com.").unwrap()));
        assert!(!exact.matches(&Host::parse("a.example.com").unwrap()));
    }

    #[test]
    fn strangers_are_never_taken_in() {
        for bad in [
            "*.com",
            "*.co.uk",
            "*.github.io",
            "*.example",
            "*.CO.UK.",
            "*.s3.amazonaws.com",
        ] {
            let parsed = HostPattern::parse(bad);
            assert!(
                matches!(parsed, Err(HostPatternError::PublicSuffix(_))),
                "{bad}"
            );
        }
        for good in [
            "*.example.com",
            "*.localhost",
            "*.internal",
            "*.home.arpa",
            "*.a.github.io",
        ] {
            assert!(HostPattern::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "*.",
            "a.*.b",
            "*.*.a.test",
            "a*.b.test",
            "*.127.0.0.1",
            "*.[::1]",
            "*a.b",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_public_suffix_list_agrees() {
        let Some(tests) = shared_data("psl-tests/tests.txt") else {
            return;
        };
        let mut seen = 0;
        for line in tests.lines().filter(|line| !line.starts_with("//")) {
            let Some((name, registrable)) = line.split_once(' ') else {
                continue;
            };
            let parsed = HostPattern::parse(&format!("*.{name}"));
            if name == "null" || name.starts_with('.') {
                continue;
            }
            seen += 1;
            assert_eq!(parsed.is_err(), registrable == "null", "{line}: {parsed:?}");
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn the_most_specific_comes_first() {
        let mut patterns = [
            "*.example.com",
            "a.test",
            "*.a.example.com",
            "b.a.example.com",
        ]
        .map(|text| HostPattern::parse(text).unwrap());
        patterns.sort();
        assert_eq!(
            patterns.map(|pattern| pattern.to_string()),
            [
                "a.test",
                "b.a.example.com",
                "*.a.example.com",
                "*.example.com"
            ]
        );
    }
}
