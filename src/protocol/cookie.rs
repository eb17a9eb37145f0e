//! Cookies as bytes on the wire (RFC 6265 sections 4 and 5.4).
//!
//! Ours are read by exact name, without decoding, trimming or unquoting: a more generous reader
//! could be shown a cookie that the browser keeps under another name, and so without the
//! guarantees of the `__Host-` prefix.

use std::{borrow::Cow, fmt, time::Duration};

/// How often a cookie stands in a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found<'a> {
    /// Not at all, or with a value that is not ASCII.
    None,
    /// Once, with this value.
    One(&'a str),
    /// More than once: somebody else may have set one of them, so it counts as none.
    Several,
}

/// Looks for a cookie in the Cookie lines of a request. Names that begin with `$` are the
/// attributes of RFC 2965, which some servers still read, and never match.
pub(crate) fn find<'a>(lines: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Found<'a> {
    let mut found = Found::None;
    let mut seen = false;
    if name.starts_with('$') {
        return found;
    }
    for pair in lines.into_iter().flat_map(pairs) {
        let Some(value) = pair
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
        else {
            continue;
        };
        if seen {
            return Found::Several;
        }
        seen = true;
        if let Ok(value) = std::str::from_utf8(value)
            && value.is_ascii()
        {
            found = Found::One(value);
        }
    }
    found
}

/// The names and values of all cookies whose name a caller asks for by a prefix.
pub(crate) fn with_prefix<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    prefix: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    lines.into_iter().flat_map(pairs).filter_map(move |pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.is_ascii())?;
        pair.split_once('=')
            .filter(|(name, _)| name.starts_with(prefix) && !name.starts_with('$'))
    })
}

/// A Cookie line for the application: without the cookies whose name is ours. `None` when nothing
/// is left; borrowed when there was nothing to take out.
pub(crate) fn without(line: &[u8], is_ours: impl Fn(&str) -> bool) -> Option<Cow<'_, [u8]>> {
    let ours = |pair: &[u8]| {
        let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let name = pair.get(..end).unwrap_or_default();
        std::str::from_utf8(name.trim_ascii()).is_ok_and(&is_ours)
    };
    if !pairs(line).any(ours) {
        return pairs(line)
            .any(|pair| !pair.is_empty())
            .then_some(Cow::Borrowed(line));
    }
    let mut kept = Vec::with_capacity(line.len());
    for pair in pairs(line).filter(|pair| !pair.is_empty() && !ours(pair)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    (!kept.is_empty()).then_some(Cow::Owned(kept))
}

/// The pairs of a line, without the spaces and tabs around the semicolons.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b';', line).chain([line.len()]);
    let parts = ends.map(move |end| {
        let part = line.get(begin..end).unwrap_or_default();
        begin = end + 1;
        part
    });
    parts.map(|mut pair| {
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = pair {
            pair = rest;
        }
        pair
    })
}

/// A Set-Cookie line of ours: for this host only, `Path=/`, HttpOnly and SameSite=Lax.
#[derive(Clone, Debug)]
pub(crate) struct SetCookie {
    name: String,
    value: crate::secret::Secret,
    secure: bool,
    kept: Kept,
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kept {
    /// For this long.
    For(Duration),
    /// Not any longer: it is deleted.
    NoLonger,
}

impl SetCookie {
    /// A cookie to set. A name with a `__Host-` or `__Secure-` prefix makes it Secure, or the
    /// browser would drop it.
    pub(crate) fn new(
        name: &str,
        value: &str,
        secure: bool,
        kept: Kept,
    ) -> Result<Self, BadCookie> {
        if name.is_empty() || !name.bytes().all(is_token) || name.starts_with('$') {
            return Err(BadCookie::Name);
        }
        if !value.bytes().all(is_cookie_octet) {
            return Err(BadCookie::Value);
        }
        Ok(Self {
            name: name.to_owned(),
            value: crate::secret::Secret::new(value.to_owned()),
            secure: secure || name.starts_with("__Host-") || name.starts_with("__Secure-"),
            kept,
        })
    }

    /// Takes a cookie away from the browser.
    pub(crate) fn delete(name: &str, secure: bool) -> Result<Self, BadCookie> {
        Self::new(name, "", secure, Kept::NoLonger)
    }
}

/// The value of a Set-Cookie header (RFC 6265 section 4.1.1).
impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}; Path=/", self.name, self.value.expose())?;
        match self.kept {
            Kept::For(time) => write!(f, "; Max-Age={}", time.as_secs())?,
            Kept::NoLonger => {
                f.write_str("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")?;
            }
        }
        f.write_str("; HttpOnly; SameSite=Lax")?;
        if self.secure {
            f.write_str("; Secure")?;
        }
        Ok(())
    }
}

/// A cookie that would not be read back as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadCookie {
    #[error("a cookie's name is a token")]
    Name,
    #[error("a cookie's value holds only cookie octets")]
    Value,
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6265 section 4.1.1, `cookie-octet`.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "__Host-vestibule";

    fn found<'a>(lines: &[&'a str]) -> Found<'a> {
        find(lines.iter().map(|line| line.as_bytes()), NAME)
    }

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        assert_eq!(found(&[]), Found::None);
        assert_eq!(found(&["a=b; __Host-vestibule=x"]), Found::One("x"));
        assert_eq!(found(&["a=b", "__Host-vestibule=x;c=d"]), Found::One("x"));
        assert_eq!(found(&["__Host-vestibule=a=b=="]), Found::One("a=b=="));
        assert_eq!(found(&["a;\t __Host-vestibule=x \t;"]), Found::One("x"));
        assert_eq!(found(&["__Host-vestibule="]), Found::One(""));
        for near in [
            "__host-vestibule=x",
            "__Host-vestibule =x",
            "\"__Host-vestibule\"=x",
            "\u{2000}__Host-vestibule=x",
            "\u{a0}__Host-vestibule=x",
            "\x0b__Host-vestibule=x",
            "$__Host-vestibule=x",
            "x__Host-vestibule=x",
            "__Host-vestibule-2=x",
            "__Host-vestibule",
            "=__Host-vestibule=x",
            "a=__Host-vestibule=x",
            "a=b, __Host-vestibule=x",
            "__Host-vestibule=ä",
        ] {
            assert_eq!(found(&[near]), Found::None, "{near:?}");
        }
        assert_eq!(find([b"$Version=1".as_slice()], "$Version"), Found::None);
        assert_eq!(
            found(&["$Version=1; __Host-vestibule=\"x\""]),
            Found::One("\"x\"")
        );
    }

    #[test]
    fn twice_is_never_one() {
        assert_eq!(
            found(&["__Host-vestibule=x; __Host-vestibule=x"]),
            Found::Several
        );
        assert_eq!(
            found(&["__Host-vestibule=x", "__Host-vestibule=y"]),
            Found::Several
        );
        assert_eq!(
            found(&["__Host-vestibule=ä; __Host-vestibule=y"]),
            Found::Several
        );
    }

    #[test]
    fn octets_of_other_cookies_do_not_matter() {
        let line = [b"a=\xff\xfe; ".as_slice(), b"__Host-vestibule=x"].concat();
        assert_eq!(find([line.as_slice()], NAME), Found::One("x"));
    }

    #[test]
    fn cookies_are_listed_by_prefix() {
        let lines = [b"f-a=1; g=2; f-b=3".as_slice(), b"f-c; f-d=\xff"];
        let listed: Vec<_> = with_prefix(lines, "f-").collect();
        assert_eq!(listed, [("f-a", "1"), ("f-b", "3")]);
    }

    #[test]
    fn ours_never_reach_the_application() {
        let ours = |name: &str| name.starts_with(NAME);
        let left = |line: &str| {
            without(line.as_bytes(), ours).map(|kept| String::from_utf8(kept.to_vec()).unwrap())
        };
        assert_eq!(left("a=b;c=d").as_deref(), Some("a=b;c=d"));
        assert!(matches!(without(b"a=b", ours), Some(Cow::Borrowed(_))));
        assert_eq!(left("__Host-vestibule=x"), None);
        assert_eq!(
            left("a=b; __Host-vestibule=x;c=d").as_deref(),
            Some("a=b; c=d")
        );
        assert_eq!(
            left("__Host-vestibule-flow-1=x; a=b").as_deref(),
            Some("a=b")
        );
        assert_eq!(left("__Host-vestibule =x; a=b").as_deref(), Some("a=b"));
        assert_eq!(left("__Host-vestibule=x; __Host-vestibule=y; ; "), None);
        assert_eq!(left(" ; "), None);
        let kept = without(b"a=\xff; __Host-vestibule=x", ours).unwrap();
        assert_eq!(kept.as_ref(), b"a=\xff");
    }

    #[test]
    fn a_cookie_says_all_it_must() {
        let hour = Kept::For(Duration::from_hours(1));
        let text = |name, value, secure, kept| {
            SetCookie::new(name, value, secure, kept).map(|cookie| cookie.to_string())
        };
        assert_eq!(
            text("__Host-v", "x-_1", false, hour).unwrap(),
            "__Host-v=x-_1; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            text("v", "x", false, hour).unwrap(),
            "v=x; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            SetCookie::delete("v", true).unwrap().to_string(),
            "v=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; \
             SameSite=Lax; Secure"
        );
        for bad in ["", "a b", "a=b", "a;b", "ä", "$a", "a\n"] {
            assert_eq!(text(bad, "x", true, hour), Err(BadCookie::Name), "{bad:?}");
        }
        for bad in ["a b", "a;b", "a,b", "\"a\"", "a\\b", "a\r\nb", "ä"] {
            assert_eq!(text("v", bad, true, hour), Err(BadCookie::Value), "{bad:?}");
        }
        assert!(!format!("{:?}", SetCookie::new("v", "canary", true, hour)).contains("canary"));
    }
}
