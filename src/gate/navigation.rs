//! Whether somebody is looking: what a request without the right login can be answered with.

use std::fmt;

use http::{HeaderMap, Method, header};

use super::RequestFacts;

/// How a challenge can be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answerable {
    /// A redirect to the login page, and back afterwards.
    Redirect,
    /// A page that says to sign in and to try again: a redirect would lose the body.
    SignInAgainPage,
    /// 401 with a small JSON body. Nobody is looking at the answer.
    Unauthorized,
}

impl Answerable {
    /// What this request can be answered with. A preflight (Fetch standard, section 4.8) is
    /// never redirected.
    pub(in crate::gate) fn of(request: &RequestFacts<'_>) -> Self {
        if !request.is_navigation() {
            return Self::Unauthorized;
        }
        match *request.facts.method {
            Method::GET | Method::HEAD => Self::Redirect,
            Method::OPTIONS => Self::Unauthorized,
            _ => Self::SignInAgainPage,
        }
    }
}

impl fmt::Display for Answerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redirect => "redirect to the login page",
            Self::SignInAgainPage => "a page that says to sign in again",
            Self::Unauthorized => "401",
        })
    }
}

impl RequestFacts<'_> {
    /// Whether a browser is to show the answer to a person, so that a page is better than JSON.
    pub(crate) fn is_navigation(&self) -> bool {
        is_navigation(self.headers)
    }
}

/// `Sec-Fetch-Mode: navigate`, or, where the browser does not send that header (plain http),
/// `text/html` in `Accept`.
fn is_navigation(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::UPGRADE) {
        return false;
    }
    let mut modes = headers.get_all("sec-fetch-mode").iter();
    match (modes.next(), modes.next()) {
        (Some(mode), None) => mode == "navigate",
        (Some(_), Some(_)) => false,
        (None, _) => headers
            .get_all(header::ACCEPT)
            .iter()
            .any(|accept| (accept.as_bytes().split(|octet| *octet == b',')).any(is_html)),
    }
}

/// Whether a media range (RFC 9110 section 12.5.1) is `text/html` with a weight above zero.
fn is_html(range: &[u8]) -> bool {
    let mut parts = range.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let html = (parts.next()).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"));
    let refused = |part: &[u8]| {
        let weight = (part.split_at_checked(2))
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"q="))
            .map(|(_, weight)| weight);
        weight.is_some_and(|weight| weight.iter().all(|octet| matches!(octet, b'0' | b'.')))
    };
    html && !parts.any(refused)
}
