//! Origins (RFC 6454): scheme, host and port.

use std::fmt;

use super::{Host, HostError, HostPort, host::parse_port};

/// The two schemes a browser and we speak.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is written (RFC 9110 sections 4.2.1 and 4.2.2).
    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Reads `http` or `https`, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An origin, like that of `public_url`. Written, it has no path and no default port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Origin {
    /// The scheme.
    pub(crate) scheme: Scheme,
    /// The host.
    pub(crate) host: Host,
    port: Option<u16>,
}

impl Origin {
    /// Reads `scheme://host[:port]`, with at most a slash behind it.
    pub(crate) fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::NoScheme)?;
        let scheme = Scheme::parse(scheme).ok_or(OriginError::OtherScheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err(OriginError::Host(HostError::Userinfo));
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::NotOnlyAnOrigin);
        }
        let at = match authority.rfind(']') {
            Some(end) => end + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at_checked(at).unwrap_or((authority, ""));
        let host = Host::parse(host)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if port.is_empty() => None,
            None => return Err(OriginError::Host(HostError::NotAName)),
        };
        Ok(Self::new(scheme, HostPort { host, port }))
    }

    /// The origin of a request that came by `scheme` for `host`.
    pub(crate) fn new(scheme: Scheme, host: HostPort) -> Self {
        let port = host.port.filter(|port| *port != scheme.default_port());
        Self {
            scheme,
            host: host.host,
            port,
        }
    }

    /// The port, whether written or not.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The port, if it is not the scheme's own.
    pub(crate) fn explicit_port(&self) -> Option<u16> {
        self.port
    }

    /// The same scheme and port at another host.
    pub(crate) fn at(&self, host: Host) -> Self {
        Self {
            scheme: self.scheme,
            host,
            port: self.port,
        }
    }

    /// Whether only this machine answers there.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.is_loopback()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OriginError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("an origin begins with http:// or https://")]
    NoScheme,
    #[error("an origin is a scheme, a host and perhaps a port, and nothing behind them")]
    NotOnlyAnOrigin,
    #[error("the scheme is neither http nor https")]
    OtherScheme,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_form() {
        for (text, origin, port) in [
            ("http://localhost:8080", "http://localhost:8080", 8080),
            (
                "https://Login.Example.com/",
                "https://login.example.com",
                443,
            ),
            ("HTTPS://a.test:443", "https://a.test", 443),
            ("http://a.test:443", "http://a.test:443", 443),
            ("http://[::1]:81", "http://[::1]:81", 81),
            (
                "https://bücher.example",
                "https://xn--bcher-kva.example",
                443,
            ),
        ] {
            let parsed = Origin::parse(text).unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.port()), (origin, port));
            assert_eq!(Origin::parse(origin).unwrap(), parsed);
        }
    }

    #[test]
    fn whatever_else_a_url_has_is_refused() {
        use OriginError as E;
        for (text, error) in [
            ("login.example.com", E::NoScheme),
            ("", E::NoScheme),
            ("ftp://a.test", E::OtherScheme),
            ("javascript://a.test", E::OtherScheme),
            ("https://a.test/app", E::NotOnlyAnOrigin),
            ("https://a.test//", E::NotOnlyAnOrigin),
            ("https://a.test?x", E::NotOnlyAnOrigin),
            ("https://a.test/#x", E::NotOnlyAnOrigin),
            ("https://a.test\\", E::NotOnlyAnOrigin),
            ("https://u:p@a.test", E::Host(HostError::Userinfo)),
            ("https:///a.test", E::NotOnlyAnOrigin),
            ("https://", E::Host(HostError::Empty)),
            ("https://:80", E::Host(HostError::Empty)),
            ("https://a.test:x", E::Host(HostError::BadPort)),
            ("https://a test", E::Host(HostError::Space)),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for (text, expected) in [
            ("http://localhost", true),
            ("http://app.localhost:81", true),
            ("http://127.0.0.53", true),
            ("http://[::1]", true),
            ("http://localhost.evil.test", false),
            ("http://notlocalhost", false),
            ("http://128.0.0.1", false),
            ("http://[::2]", false),
            ("http://0.0.0.0", false),
        ] {
            assert_eq!(
                Origin::parse(text).unwrap().is_loopback(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_default_port_is_no_difference() {
        let host = HostPort::parse("a.test:443").unwrap();
        let origin = Origin::new(Scheme::Https, host);
        assert_eq!(origin, Origin::parse("https://a.test").unwrap());
        let other = origin.at(Host::parse("b.test").unwrap());
        assert_eq!(other.to_string(), "https://b.test");
    }
}
