//! Which paths an operator means: the prefix of a route, and the patterns of what is public.

use std::fmt;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{CanonicalPath, PathError};

/// A public path: `/healthz`, `/a/*/b`, `GET,POST /static/**`.
///
/// It is compared with the canonical path byte by byte and segment by segment, never with the
/// query. `*` stands for exactly one whole segment, `**` at the end for any number of them, none
/// included; everything else is exact, a trailing slash too. GET implies HEAD (RFC 9110 section
/// 9.3.2) and nothing else does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathPattern {
    text: String,
    methods: Vec<Method>,
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Any,
    Exactly(String),
}

impl PathPattern {
    /// Reads what the operator wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut words = text.split_ascii_whitespace();
        let (methods, path) = match (words.next(), words.next(), words.next()) {
            (Some(path), None, None) => (Vec::new(), path),
            (Some(methods), Some(path), None) => (parse_methods(methods)?, path),
            _ => return Err(PatternError::Shape),
        };
        let path = canonical(path)?;
        let mut segments = Vec::new();
        let mut open = false;
        for segment in path.as_str().split('/').skip(1) {
            if open {
                return Err(PatternError::DoubleStarInside);
            }
            match segment {
                "**" => open = true,
                "*" => segments.push(Segment::Any),
                part if part.contains('*') => return Err(PatternError::PartialStar),
                part => segments.push(Segment::Exactly(part.to_owned())),
            }
        }
        Ok(Self {
            text: text.to_owned(),
            methods,
            segments,
            open,
        })
    }

    /// Whether a request is meant.
    pub(crate) fn matches(&self, method: &Method, path: &CanonicalPath<'_>) -> bool {
        let method_fits = self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET));
        if !method_fits {
            return false;
        }
        let mut given = path.as_str().split('/').skip(1);
        let fits = self.segments.iter().all(|wanted| match wanted {
            Segment::Any => given.next().is_some_and(|part| !part.is_empty()),
            Segment::Exactly(text) => given.next() == Some(text),
        });
        fits && (self.open || given.next().is_none())
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_methods(list: &str) -> Result<Vec<Method>, PatternError> {
    let known = |method: &str| {
        !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    };
    list.split(',')
        .map(|method| {
            (known(method).then(|| Method::from_bytes(method.as_bytes()).ok()))
                .flatten()
                .ok_or_else(|| PatternError::Method(method.to_owned()))
        })
        .collect()
}

/// The path of a route: matches itself and whatever lies below it, by whole segments.
///
/// Octets are compared after decoding, because an application that decodes `/%40admin` serves
/// `/@admin`, and the stricter route of the two must not be missed. `/app/` means `/app`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct PathPrefix {
    /// Without a slash at the end: empty for the root.
    path: String,
    decoded: Vec<u8>,
}

impl PathPrefix {
    /// Reads what the operator wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let path = canonical(text)?;
        if path.as_str().contains('*') {
            return Err(PatternError::StarInPrefix);
        }
        let path = path.as_str().trim_end_matches('/').to_owned();
        let decoded = percent_decode_str(&path).collect();
        Ok(Self { path, decoded })
    }

    /// Whether a path is this one or lies below it.
    pub(crate) fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        let bounded = |next: Option<u8>| matches!(next, None | Some(b'/'));
        if path.is_encoded() {
            let mut given = percent_decode_str(path.as_str());
            self.decoded.iter().all(|&byte| given.next() == Some(byte)) && bounded(given.next())
        } else {
            path.as_str()
                .as_bytes()
                .strip_prefix(self.decoded.as_slice())
                .is_some_and(|rest| bounded(rest.first().copied()))
        }
    }

    /// The path as text; the root is `/`.
    pub(crate) fn as_str(&self) -> &str {
        if self.path.is_empty() {
            "/"
        } else {
            &self.path
        }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A path an operator wrote must be in its canonical form, or it would never match.
fn canonical(text: &str) -> Result<CanonicalPath<'_>, PatternError> {
    let path = CanonicalPath::parse(text)?;
    if path.as_str() == text {
        Ok(path)
    } else {
        Err(PatternError::NotCanonical(path.as_str().to_owned()))
    }
}

/// Why a pattern or prefix cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("** stands for the rest of the path and can only be its last segment")]
    DoubleStarInside,
    #[error("{0:?} is not a method; methods are upper-case and separated by commas")]
    Method(String),
    #[error("a path is compared in its canonical form, and that is {0:?}")]
    NotCanonical(String),
    #[error("* stands for one whole segment; it cannot be part of one")]
    PartialStar,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("a pattern is a path, with methods in front of it if wanted, like \"GET /static/**\"")]
    Shape,
    #[error("a route's path is a prefix of whole segments and has no *")]
    StarInPrefix,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, method: &str, path: &str) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = CanonicalPath::parse(path).unwrap();
        PathPattern::parse(pattern).unwrap().matches(&method, &path)
    }

    #[test]
    fn patterns_are_anchored_and_segment_bounded() {
        for (pattern, path, expected) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/", false),
            ("/healthz", "/healthzz", false),
            ("/healthz", "/a/healthz", false),
            ("/healthz", "/HEALTHZ", false),
            ("/a/", "/a/", true),
            ("/a/", "/a", false),
            ("/", "/", true),
            ("/", "/a", false),
            ("/static/**", "/static", true),
            ("/static/**", "/static/", true),
            ("/static/**", "/static/a/b", true),
            ("/static/**", "/static-x", false),
            ("/static/**", "/x/static/a", false),
            ("/static/**", "/public/../static/x", true),
            ("/static/**", "/static/../admin", false),
            ("/static/**", "/static;/x", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/a/*/b", "/a/x/b", true),
            ("/a/*/b", "/a/b", false),
            ("/a/*/b", "/a/x/y/b", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/a", false),
            ("/a/*", "/a/b", true),
            ("/a/*/**", "/a", false),
            ("/a/*/**", "/a/b", true),
            ("/a/*/**", "/a/b/c/d", true),
        ] {
            assert_eq!(matches(pattern, "GET", path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn methods_are_exact_but_get_implies_head() {
        assert!(matches("GET /x", "GET", "/x"));
        assert!(matches("GET /x", "HEAD", "/x"));
        assert!(!matches("GET /x", "POST", "/x"));
        assert!(!matches("GET /x", "get", "/x"));
        assert!(!matches("GET /x", "OPTIONS", "/x"));
        assert!(!matches("HEAD /x", "GET", "/x"));
        assert!(matches("GET,POST /x", "POST", "/x"));
        assert!(matches("/x", "PROPFIND", "/x"));
    }

    #[test]
    fn patterns_that_cannot_mean_what_they_say_are_refused() {
        use PatternError as E;
        for (pattern, error) in [
            ("", E::Shape),
            ("GET /a /b", E::Shape),
            ("get /a", E::Method("get".to_owned())),
            ("GET, /a", E::Method(String::new())),
            ("/a/**/b", E::DoubleStarInside),
            ("/a/*.css", E::PartialStar),
            ("/a/***", E::PartialStar),
            ("/a//b", E::NotCanonical("/a/b".to_owned())),
            ("/a/../b", E::NotCanonical("/b".to_owned())),
            ("/%61", E::NotCanonical("/a".to_owned())),
            ("static/**", E::Path(PathError::NotAbsolute)),
            ("/a#b", E::Path(PathError::Fragment)),
            ("^/a$", E::Path(PathError::NotAbsolute)),
        ] {
            assert_eq!(PathPattern::parse(pattern), Err(error), "{pattern}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        for (prefix, path, expected) in [
            ("/app", "/app", true),
            ("/app", "/app/", true),
            ("/app", "/app/x", true),
            ("/app", "/application", false),
            ("/app", "/ap", false),
            ("/app", "/x/app", false),
            ("/app/", "/app", true),
            ("/", "/", true),
            ("/", "/anything", true),
            ("/@admin", "/%40admin/x", true),
            ("/@admin", "/%40administrator", false),
            ("/%40admin", "/@admin", true),
            ("/caf%C3%A9", "/caf%c3%a9/x", true),
            ("/app", "/x%20/app", false),
        ] {
            let parsed = PathPrefix::parse(prefix).unwrap();
            let given = CanonicalPath::parse(path).unwrap();
            assert_eq!(parsed.matches(&given), expected, "{prefix} {path}");
        }
        assert_eq!(PathPrefix::parse("/").unwrap().as_str(), "/");
        assert_eq!(PathPrefix::parse("/app/").unwrap().as_str(), "/app");
        assert_eq!(PathPrefix::parse("/a/*"), Err(PatternError::StarInPrefix));
        assert!(PathPrefix::parse("/a/../b").is_err());
    }
}
