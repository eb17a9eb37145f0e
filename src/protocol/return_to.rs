//! Where somebody may be sent after a login or logout.
//!
//! The text comes from a link that anybody can make, so it is parsed into one of two things and
//! written anew: nothing of it is ever echoed. Whatever browsers and parsers are known to read
//! differently (backslashes, control characters, tabs that the URL parser drops, user names,
//! missing slashes) is refused before any parser sees it.

use std::fmt;

use url::Url;

use super::{CanonicalTarget, Host, HostError, Origin, PathError, PathPrefix, Scheme};

/// A return address that was allowed when it was parsed. It is sealed as text and parsed again,
/// under the rules of that moment, before it is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ReturnTo(Destination);

/// The two kinds of return address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Destination {
    /// On the login host: path, query and perhaps a fragment.
    Local {
        /// Begins with exactly one slash.
        target: String,
    },
    /// On another host that is allowed.
    Other {
        /// The host.
        host: Host,
        /// The whole URL.
        url: String,
    },
}

/// What return addresses are measured by.
#[derive(Clone, Copy)]
pub(crate) struct ReturnRules<'a> {
    /// The origin of `public_url`.
    pub(crate) login: &'a Origin,
    /// The prefix of our own pages; nobody is sent there.
    pub(crate) reserved: &'a PathPrefix,
    /// The one page below it where somebody may be sent: it only shows.
    pub(crate) account: &'a str,
    /// Whether a route names this host.
    pub(crate) allowed: &'a dyn Fn(&Host) -> bool,
}

/// More would not fit into a flow's cookie.
const LONGEST: usize = 1024;

impl ReturnTo {
    /// Reads a path, or a URL whose host is allowed and whose scheme and port are those of the
    /// login origin.
    pub(crate) fn parse(text: &str, rules: ReturnRules<'_>) -> Result<Self, ReturnToError> {
        if text.len() > LONGEST {
            return Err(ReturnToError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ReturnToError::NotVisibleAscii);
        }
        if text.contains('\\') {
            return Err(ReturnToError::Backslash);
        }
        let place = if text.starts_with('/') {
            if text.starts_with("//") {
                return Err(ReturnToError::NotOnePath);
            }
            Destination::Local {
                target: canonical(text, rules)?,
            }
        } else {
            absolute(text, rules)?
        };
        Ok(Self(place))
    }

    /// The root of the login host.
    pub(crate) fn root() -> Self {
        Self(Destination::Local {
            target: "/".to_owned(),
        })
    }

    /// Which kind it is.
    pub(crate) fn destination(&self) -> &Destination {
        &self.0
    }

    /// The address as it goes into a Location.
    pub(crate) fn target(&self) -> &str {
        match &self.0 {
            Destination::Local { target } => target,
            Destination::Other { url, .. } => url,
        }
    }

    /// The host, when it is not the login host.
    pub(crate) fn host(&self) -> Option<&Host> {
        match &self.0 {
            Destination::Local { .. } => None,
            Destination::Other { host, .. } => Some(host),
        }
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.target())
    }
}

/// `path?query#fragment` with the path in its canonical form, which has no second slash in front.
fn canonical(text: &str, rules: ReturnRules<'_>) -> Result<String, ReturnToError> {
    let (target, fragment) = match text.split_once('#') {
        Some((target, fragment)) => (target, Some(fragment)),
        None => (text, None),
    };
    let target = CanonicalTarget::parse(target)?;
    if rules.reserved.matches(&target.path) && target.path.as_str() != rules.account {
        return Err(ReturnToError::Reserved);
    }
    Ok(match fragment {
        Some(fragment) => format!("{target}#{fragment}"),
        None => target.to_string(),
    })
}

/// A whole URL. The authority is read by us and by the WHATWG parser, and both must agree.
fn absolute(text: &str, rules: ReturnRules<'_>) -> Result<Destination, ReturnToError> {
    let (scheme, rest) = text.split_once("://").ok_or(ReturnToError::NotOnePath)?;
    let scheme = Scheme::parse(scheme).ok_or(ReturnToError::OtherScheme)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(ReturnToError::Host(HostError::Userinfo));
    }
    let url = Url::parse(text).map_err(|_| ReturnToError::NotAUrl)?;
    let host = Host::parse(url.host_str().unwrap_or_default()).map_err(ReturnToError::Host)?;
    let origin = Origin::parse(&format!("{scheme}://{authority}"));
    if origin.map(|origin| origin.host).as_ref() != Ok(&host) {
        return Err(ReturnToError::NotAUrl);
    }
    if scheme != rules.login.scheme {
        return Err(ReturnToError::OtherScheme);
    }
    if url.port_or_known_default() != Some(rules.login.port()) {
        return Err(ReturnToError::OtherPort);
    }
    let target = if after.starts_with('/') {
        canonical(after, rules)?
    } else {
        canonical(&format!("/{after}"), rules)?
    };
    if host == rules.login.host {
        Ok(Destination::Local { target })
    } else if (rules.allowed)(&host) {
        let url = format!("{}{target}", rules.login.at(host.clone()));
        Ok(Destination::Other { host, url })
    } else {
        Err(ReturnToError::HostNotAllowed)
    }
}

/// Why nobody is sent there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ReturnToError {
    #[error("the return address holds a backslash")]
    Backslash,
    #[error("the return address: {0}")]
    Host(#[source] HostError),
    #[error("no route names the host of the return address")]
    HostNotAllowed,
    #[error("the return address is not a URL")]
    NotAUrl,
    #[error("the return address is neither a path with one slash in front nor a URL")]
    NotOnePath,
    #[error("the return address holds a space, a control character or something outside ASCII")]
    NotVisibleAscii,
    #[error("the return address names another port")]
    OtherPort,
    #[error("the return address names another scheme")]
    OtherScheme,
    #[error("the return address: {0}")]
    Path(#[from] PathError),
    #[error("the return address is one of our own pages")]
    Reserved,
    #[error("the return address is too long")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{HostPattern, shared_data};

    fn parsed(text: &str) -> Result<ReturnTo, ReturnToError> {
        let login = Origin::parse("https://login.example.com").unwrap();
        let routes = [
            "wiki.example.com",
            "*.apps.example.com",
            "www.whitelisteddomain.tld",
        ]
        .map(|text| HostPattern::parse(text).unwrap());
        let rules = ReturnRules {
            login: &login,
            reserved: &PathPrefix::parse("/.auth").unwrap(),
            account: "/.auth/account",
            allowed: &|host| routes.iter().any(|route| route.matches(host)),
        };
        ReturnTo::parse(text, rules)
    }

    #[test]
    fn what_is_allowed_is_written_anew() {
        for (text, target) in [
            ("/", "/"),
            ("/a/b?x=1&y=%2f#top", "/a/b?x=1&y=%2f#top"),
            ("/a/../b", "/b"),
            ("/.//evil.test", "/evil.test"),
            ("/a//b", "/a/b"),
            ("/a#", "/a#"),
            ("/.auth/account", "/.auth/account"),
            (
                "https://wiki.example.com/.auth/account",
                "https://wiki.example.com/.auth/account",
            ),
            ("/http://evil.test", "/http:/evil.test"),
            ("/?rd=https://evil.test", "/?rd=https://evil.test"),
            ("https://login.example.com", "/"),
            ("https://LOGIN.example.com:443/a?b", "/a?b"),
            ("https://login.example.com//evil.test", "/evil.test"),
            ("https://login.example.com:0443/", "/"),
            ("https://login.example.com?x", "/?x"),
            ("https://wiki.example.com", "https://wiki.example.com/"),
            (
                "HTTPS://Wiki.Example.com./a/./b#f",
                "https://wiki.example.com/a/b#f",
            ),
            (
                "https://x.y.apps.example.com/",
                "https://x.y.apps.example.com/",
            ),
        ] {
            let place = parsed(text).unwrap();
            assert_eq!(place.target(), target, "{text}");
            assert_eq!(parsed(target).unwrap(), place, "{text}");
            assert_eq!(
                place.host().is_some(),
                target.starts_with("https"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_leads_away_is_refused_by_name() {
        use ReturnToError as E;
        for (text, error) in [
            ("", E::NotOnePath),
            ("a", E::NotOnePath),
            ("//evil.test", E::NotOnePath),
            ("///evil.test", E::NotOnePath),
            ("/\\evil.test", E::Backslash),
            ("https:\\\\evil.test", E::Backslash),
            ("/\t/evil.test", E::NotVisibleAscii),
            ("/\n/evil.test", E::NotVisibleAscii),
            (" //evil.test", E::NotVisibleAscii),
            ("/a b", E::NotVisibleAscii),
            ("/〱evil.test", E::NotVisibleAscii),
            ("/%09/evil.test", E::Path(PathError::EncodedControl)),
            ("/%2f/evil.test", E::Path(PathError::EncodedSlash)),
            ("/%5cevil.test", E::Path(PathError::EncodedBackslash)),
            ("/..;/x", E::Path(PathError::DotSegmentParameter)),
            ("/a#b#c\u{7f}", E::NotVisibleAscii),
            ("javascript:alert(1)", E::NotOnePath),
            ("javascript://login.example.com/%0aalert(1)", E::OtherScheme),
            ("data:text/html,x", E::NotOnePath),
            ("https:login.example.com", E::NotOnePath),
            ("https:/login.example.com", E::NotOnePath),
            ("https:///login.example.com", E::NotAUrl),
            (
                "https://login.example.com@evil.test",
                E::Host(HostError::Userinfo),
            ),
            ("https://@login.example.com", E::Host(HostError::Userinfo)),
            ("http://login.example.com/", E::OtherScheme),
            ("https://login.example.com:8443/", E::OtherPort),
            ("https://evil.test/", E::HostNotAllowed),
            ("https://login.example.com.evil.test/", E::HostNotAllowed),
            ("https://evilapps.example.com/", E::HostNotAllowed),
            ("https://apps.example.com/", E::HostNotAllowed),
            ("https://evil.test#.apps.example.com", E::HostNotAllowed),
            ("https://evil.test?.apps.example.com", E::HostNotAllowed),
            ("https://evil.test%2f.apps.example.com", E::NotAUrl),
            ("https://wiki%2eexample.com/", E::NotAUrl),
            (
                "https://wiki.example.com/%2f",
                E::Path(PathError::EncodedSlash),
            ),
            ("/.auth", E::Reserved),
            ("/.auth/logout", E::Reserved),
            ("/.auth/account/", E::Reserved),
            ("/.auth/account/../logout", E::Reserved),
            ("/.auth/accounts", E::Reserved),
            ("/x/../.auth/logout", E::Reserved),
            ("/%2eauth/logout", E::Reserved),
            ("https://wiki.example.com/.auth/logout", E::Reserved),
        ] {
            assert_eq!(parsed(text), Err(error), "{text:?}");
        }
        assert_eq!(parsed(&format!("/{}", "a".repeat(1024))), Err(E::TooLong));
    }

    /// Resolves as a browser would and looks where that leads.
    fn assert_it_stays(text: &str) -> bool {
        let Ok(place) = parsed(text) else {
            return false;
        };
        let base = Url::parse("https://login.example.com/.auth/callback/x").unwrap();
        let resolved = base.join(place.target()).unwrap();
        assert_eq!(resolved.scheme(), "https", "{text:?}");
        assert_eq!(resolved.port(), None, "{text:?}");
        assert_eq!(
            (resolved.username(), resolved.password()),
            ("", None),
            "{text:?}"
        );
        let host = resolved.host_str().unwrap();
        let expected = place.host().map_or("login.example.com", Host::as_str);
        assert_eq!(host, expected, "{text:?}");
        let known = [
            "login.example.com",
            "wiki.example.com",
            "www.whitelisteddomain.tld",
        ];
        assert!(
            known.contains(&host) || host.ends_with(".apps.example.com"),
            "{text:?}"
        );
        assert!(!place.target().starts_with("//"), "{text:?}");
        assert_eq!(parsed(place.target()).as_ref(), Ok(&place), "{text:?}");
        true
    }

    #[test]
    fn no_payload_of_oauth2_proxy_leads_away() {
        let Some(payloads) = shared_data("openredirect-oauth2-proxy/openredirects.txt") else {
            return;
        };
        let mut tried = 0;
        for line in payloads.lines() {
            let decoded = percent_encoding::percent_decode_str(line).decode_utf8_lossy();
            for text in [
                line,
                &decoded,
                &format!("/{line}"),
                &format!("https://{line}"),
            ] {
                assert_it_stays(text);
                tried += 1;
            }
        }
        assert!(tried > 2000, "{tried}");
    }

    #[test]
    fn no_input_of_the_url_standards_tests_leads_away() {
        let Some(tests) = shared_data("url-wpt-rust-url/url/tests/urltestdata.json") else {
            return;
        };
        let tests: Vec<serde_json::Value> = serde_json::from_str(&tests).unwrap();
        let (mut tried, mut stayed) = (0, 0);
        for input in tests.iter().filter_map(|test| test["input"].as_str()) {
            for host in ["wiki.example.com", "x.apps.example.com", "evil.test"] {
                let aimed = input
                    .replace("example.com", host)
                    .replace("example.org", host);
                for text in [aimed.clone(), aimed.replace("http:", "https:")] {
                    tried += 1;
                    stayed += u32::from(assert_it_stays(&text));
                }
            }
        }
        assert!(tried > 2000 && stayed > 20, "{tried} {stayed}");
    }
}
