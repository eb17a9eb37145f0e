//! The one form of a path that decides and is sent on (RFC 3986 section 6.2.2, RFC 9110 7.1).

use std::{borrow::Cow, fmt};

/// A path in its one canonical form.
///
/// Visible ASCII that begins with `/`; no empty segment but the last, no `.` or `..` segment, no
/// encoded slash, backslash or control character; percent-encoding is well-formed, upper-case, and
/// only where it must be (RFC 3986 sections 6.2.2.1 to 6.2.2.3); the octets it stands for are
/// UTF-8. Parsing a canonical path gives the same path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CanonicalPath<'a> {
    path: Cow<'a, str>,
    encoded: bool,
}

impl<'a> CanonicalPath<'a> {
    /// Reads the raw path of a request target, without its query. A path that is canonical already
    /// is borrowed.
    pub(crate) fn parse(raw: &'a str) -> Result<Self, PathError> {
        let seen = scan(raw.as_bytes())?;
        if seen.tidy && !seen.encoded {
            return Ok(Self {
                path: Cow::Borrowed(raw),
                encoded: false,
            });
        }
        let mut path = Cow::Borrowed(raw);
        let mut tidy = seen.tidy;
        if seen.encoded {
            path = normalize_escapes(raw)?;
            refuse_after_decoding(&path)?;
            tidy = scan(path.as_bytes())?.tidy;
        }
        if !tidy {
            path = Cow::Owned(remove_dot_segments(&path));
        }
        let encoded = path.contains('%');
        Ok(Self { path, encoded })
    }

    /// `/`
    pub(crate) const fn root() -> Self {
        Self {
            path: Cow::Borrowed("/"),
            encoded: false,
        }
    }

    /// The path as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.path
    }

    /// Whether some octet is percent-encoded.
    pub(crate) fn is_encoded(&self) -> bool {
        self.encoded
    }

    /// The same path, owned.
    pub(crate) fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath {
            path: Cow::Owned(self.path.into_owned()),
            encoded: self.encoded,
        }
    }
}

impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// A request target in origin-form (RFC 9112 section 3.2.1): the canonical path, and the query as
/// it was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CanonicalTarget<'a> {
    /// The path.
    pub(crate) path: CanonicalPath<'a>,
    /// What follows the first `?`.
    pub(crate) query: Option<&'a str>,
}

impl<'a> CanonicalTarget<'a> {
    /// Reads `path?query`. The query is visible ASCII without `#`; its meaning is the
    /// application's.
    pub(crate) fn parse(raw: &'a str) -> Result<Self, PathError> {
        let (path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        for byte in query.unwrap_or_default().bytes() {
            match byte {
                b'#' => return Err(PathError::Fragment),
                b'\x21'..=b'\x7e' => {}
                other => return Err(invisible(other)),
            }
        }
        Ok(Self {
            path: CanonicalPath::parse(path)?,
            query,
        })
    }
}

impl fmt::Display for CanonicalTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path.as_str())?;
        self.query.map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

/// Why a request target has no canonical form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path holds a backslash")]
    Backslash,
    #[error("the path holds a % that no two hexadecimal digits follow")]
    BadEscape,
    #[error("the target holds a control character")]
    Control,
    #[error("a segment of dots has parameters")]
    DotSegmentParameter,
    #[error("the path is percent-encoded twice")]
    DoubleEncoding,
    #[error("the path holds an encoded backslash")]
    EncodedBackslash,
    #[error("the path holds an encoded control character")]
    EncodedControl,
    #[error("the path holds an encoded slash")]
    EncodedSlash,
    #[error("the target holds a fragment")]
    Fragment,
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    #[error("the target holds octets outside ASCII")]
    NotAscii,
    #[error("the path's octets are not UTF-8")]
    NotUtf8,
    #[error("the target holds a space")]
    Space,
}

impl PathError {
    /// A stable name for logs and answers.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Backslash => "path_backslash",
            Self::BadEscape => "path_bad_escape",
            Self::Control => "path_control",
            Self::DotSegmentParameter => "path_dot_segment_parameter",
            Self::DoubleEncoding => "path_double_encoding",
            Self::EncodedBackslash => "path_encoded_backslash",
            Self::EncodedControl => "path_encoded_control",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Fragment => "path_fragment",
            Self::NotAbsolute => "path_not_absolute",
            Self::NotAscii => "path_not_ascii",
            Self::NotUtf8 => "path_not_utf8",
            Self::Space => "path_space",
        }
    }
}

/// What one look over a path finds.
struct Seen {
    /// It holds a `%`.
    encoded: bool,
    /// No segment is empty (but the last), `.` or `..`.
    tidy: bool,
}

/// Looks over each byte once: this runs on every request.
fn scan(bytes: &[u8]) -> Result<Seen, PathError> {
    let Some((b'/', rest)) = bytes.split_first() else {
        return Err(PathError::NotAbsolute);
    };
    let mut seen = Seen {
        encoded: false,
        tidy: true,
    };
    let mut segment = Segment::Empty;
    for &byte in rest {
        segment = match (byte, segment) {
            (b'/', Segment::Other) => Segment::Empty,
            (b'/', _) => {
                seen.tidy = false;
                Segment::Empty
            }
            (b'.', Segment::Empty) => Segment::Dot,
            (b'.', Segment::Dot) => Segment::Dots,
            (b';', Segment::Dot | Segment::Dots) => return Err(PathError::DotSegmentParameter),
            (b'%', _) => {
                seen.encoded = true;
                Segment::Other
            }
            (b'\\', _) => return Err(PathError::Backslash),
            (b'#', _) => return Err(PathError::Fragment),
            (b'\x21'..=b'\x7e', _) => Segment::Other,
            (other, _) => return Err(invisible(other)),
        };
    }
    seen.tidy &= !matches!(segment, Segment::Dot | Segment::Dots);
    Ok(seen)
}

/// What a segment is so far.
#[derive(Clone, Copy)]
enum Segment {
    Empty,
    Dot,
    Dots,
    Other,
}

fn invisible(byte: u8) -> PathError {
    match byte {
        b' ' => PathError::Space,
        byte if byte.is_ascii() => PathError::Control,
        _ => PathError::NotAscii,
    }
}

/// Decodes the unreserved characters (RFC 3986 section 6.2.2.2) and writes the other escapes in
/// upper case (6.2.2.1), or says which escape may not be there.
fn normalize_escapes(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let mut utf8 = Utf8Check::default();
    let mut canonical = true;
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            utf8.push(byte)?;
            continue;
        }
        let (octet, upper, after) = escape(after)?;
        rest = after;
        utf8.push(octet)?;
        match octet {
            b'/' => return Err(PathError::EncodedSlash),
            b'\\' => return Err(PathError::EncodedBackslash),
            byte if byte.is_ascii_control() => return Err(PathError::EncodedControl),
            byte => canonical &= upper && !unreserved(byte),
        }
    }
    utf8.end()?;
    if canonical {
        return Ok(Cow::Borrowed(raw));
    }
    rewrite_escapes(raw).map(Cow::Owned)
}

/// The second half of [`normalize_escapes`], for a path whose escapes are known to be good.
fn rewrite_escapes(raw: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        let (octet, _, after) = escape(after)?;
        rest = after;
        if unreserved(octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            out.extend([octet >> 4, octet & 0xf].map(|digit| {
                char::from_digit(digit.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
            }));
        }
    }
    Ok(out)
}

/// The octet of an escape whose `%` was read, whether its digits are upper-case, and what follows.
fn escape(after: &[u8]) -> Result<(u8, bool, &[u8]), PathError> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let &[high, low, ref rest @ ..] = after else {
        return Err(PathError::BadEscape);
    };
    match (digit(high), digit(low)) {
        (Some(first), Some(second)) => {
            let upper = !high.is_ascii_lowercase() && !low.is_ascii_lowercase();
            Ok((first << 4 | second, upper, rest))
        }
        _ => Err(PathError::BadEscape),
    }
}

/// RFC 3986 section 2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Refuses what would mean something else to a reader that decodes once more, and dot segments
/// with an encoded parameter mark.
fn refuse_after_decoding(path: &str) -> Result<(), PathError> {
    let twice = |window: &[u8]| {
        matches!(window, [b'%', b'2', b'5', high, low]
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    };
    if path.as_bytes().windows(5).any(twice) {
        return Err(PathError::DoubleEncoding);
    }
    let dots = |segment: &str| {
        let mark = segment.trim_start_matches('.');
        (1..=2).contains(&(segment.len() - mark.len())) && mark.starts_with("%3B")
    };
    if path.split('/').any(dots) {
        return Err(PathError::DotSegmentParameter);
    }
    Ok(())
}

/// Merges slashes, as most servers do, then RFC 3986 section 5.2.4.
fn remove_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut last = "";
    for segment in path.split('/') {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            segment => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if matches!(last, "" | "." | "..") {
        out.push('/');
    }
    out
}

/// Checks octets for UTF-8 one after the other (RFC 3629), without collecting them.
#[derive(Default)]
struct Utf8Check {
    held: [u8; 4],
    length: usize,
    wanted: usize,
}

impl Utf8Check {
    fn push(&mut self, byte: u8) -> Result<(), PathError> {
        if self.wanted == 0 {
            self.wanted = match byte {
                0x00..=0x7f => return Ok(()),
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Err(PathError::NotUtf8),
            };
        }
        if let Some(place) = self.held.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
        if self.length == self.wanted {
            let whole = self.held.get(..self.length).unwrap_or_default();
            std::str::from_utf8(whole).map_err(|_| PathError::NotUtf8)?;
            *self = Self::default();
        }
        Ok(())
    }

    fn end(&self) -> Result<(), PathError> {
        if self.wanted == 0 {
            Ok(())
        } else {
            Err(PathError::NotUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> Result<String, PathError> {
        CanonicalPath::parse(raw).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn one_form_for_all_spellings() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//admin", "/admin"),
            ("/public//../admin", "/admin"),
            ("/public/../admin", "/admin"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/public/.%2e/", "/"),
            ("/public/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/../../..", "/"),
            ("/a/./b//c", "/a/b/c"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/..c", "/a..b/..c"),
            ("/%61dmin%7e", "/admin~"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%23b", "/a%23b"),
            ("/a%3fb", "/a%3Fb"),
            ("/100%25", "/100%25"),
            ("/100%25/x", "/100%25/x"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/admin;/public.css", "/admin;/public.css"),
            ("/a%20b", "/a%20b"),
            ("/x|y^z", "/x|y^z"),
            ("/*", "/*"),
        ] {
            assert_eq!(parsed(raw).as_deref(), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused_by_name() {
        use PathError as E;
        for (raw, error) in [
            ("", E::NotAbsolute),
            ("admin", E::NotAbsolute),
            ("*", E::NotAbsolute),
            ("/a#b", E::Fragment),
            ("/admin#/public", E::Fragment),
            ("/a\\b", E::Backslash),
            ("/public\\..\\admin", E::Backslash),
            ("/a b", E::Space),
            ("/a\tb", E::Control),
            ("/a\0b", E::Control),
            ("/a\x7fb", E::Control),
            ("/ä", E::NotAscii),
            ("/%", E::BadEscape),
            ("/%4", E::BadEscape),
            ("/%zz", E::BadEscape),
            ("/%+1", E::BadEscape),
            ("/%u002e", E::BadEscape),
            ("/a%2fb", E::EncodedSlash),
            ("/a%2Fb", E::EncodedSlash),
            ("/a%5cb", E::EncodedBackslash),
            ("/%00", E::EncodedControl),
            ("/%0d%0a", E::EncodedControl),
            ("/%7f", E::EncodedControl),
            ("/%252e%252e%252fadmin", E::DoubleEncoding),
            ("/%25%32%65", E::DoubleEncoding),
            ("/%2525", E::DoubleEncoding),
            ("/%255c", E::DoubleEncoding),
            ("/%c0%ae", E::NotUtf8),
            ("/%ff", E::NotUtf8),
            ("/%e2%82", E::NotUtf8),
            ("/%e2%82/", E::NotUtf8),
            ("/%ed%a0%80", E::NotUtf8),
            ("/%f4%90%80%80", E::NotUtf8),
            ("/public/..;/admin", E::DotSegmentParameter),
            ("/public/..;x=1/admin", E::DotSegmentParameter),
            ("/public/.;/admin", E::DotSegmentParameter),
            ("/public;/..;", E::DotSegmentParameter),
            ("/public/%2e%2e;/admin", E::DotSegmentParameter),
            ("/public/..%3b/admin", E::DotSegmentParameter),
            ("/public/.%2E%3Bx/admin", E::DotSegmentParameter),
        ] {
            assert_eq!(parsed(raw), Err(error), "{raw}");
            assert!(error.code().starts_with("path_"));
        }
    }

    #[test]
    fn a_canonical_path_is_borrowed() {
        for raw in ["/", "/a/b", "/a/b/", "/caf%C3%A9/%20", "/.hidden/..."] {
            let path = CanonicalPath::parse(raw).unwrap();
            assert!(matches!(path.path, Cow::Borrowed(_)), "{raw}");
            assert_eq!(path.is_encoded(), raw.contains('%'));
        }
    }

    /// Many paths out of the pieces that matter: the canonical form is a fixed point and holds
    /// nothing that a later reader could read otherwise.
    #[test]
    fn parsing_twice_changes_nothing() {
        const PIECES: &[&str] = &[
            "/", "/", "//", ".", "..", ";", "a", "B", "%2e", "%2E", "%2f", "%25", "%32", "65",
            "%61", "%c3%a9", "%C3", "%3b", "%3B", "%41", "?", "~", "%7e", "%20", "*", "%", "é",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |most: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % most
        };
        let mut accepted = 0;
        for _ in 0..200_000 {
            let mut raw = String::from("/");
            for _ in 0..next(9) {
                raw.push_str(PIECES[next(PIECES.len())]);
            }
            let Ok(path) = CanonicalPath::parse(&raw) else {
                continue;
            };
            accepted += 1;
            let again = CanonicalPath::parse(path.as_str()).unwrap();
            assert_eq!(again, path, "{raw}");
            assert!(matches!(again.path, Cow::Borrowed(_)), "{raw}");
            let text = path.as_str();
            assert!(text.starts_with('/') && !text.contains("//"), "{raw}");
            assert!(!text.split('/').any(|s| s == "." || s == ".."), "{raw}");
            let once = percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .unwrap();
            assert!(!once.split('/').any(|s| s == "." || s == ".."), "{raw}");
            let upper = once.to_ascii_uppercase();
            assert!(
                !["%2E", "%2F", "%5C"].iter().any(|bad| upper.contains(bad)),
                "{raw}"
            );
        }
        assert!(accepted > 20_000, "{accepted}");
    }

    #[test]
    fn a_target_keeps_its_query_as_it_is() {
        let target = CanonicalTarget::parse("/a/../b?x=%2f..//&y=?").unwrap();
        assert_eq!(target.path.as_str(), "/b");
        assert_eq!(target.query, Some("x=%2f..//&y=?"));
        assert_eq!(target.to_string(), "/b?x=%2f..//&y=?");
        assert_eq!(CanonicalTarget::parse("/a?").unwrap().to_string(), "/a?");
        for (raw, error) in [
            ("/a?x#y", PathError::Fragment),
            ("/a?x y", PathError::Space),
            ("/a?x\ty", PathError::Control),
            ("/a?ä", PathError::NotAscii),
            ("?x", PathError::NotAbsolute),
            ("http://a.test/", PathError::NotAbsolute),
        ] {
            assert_eq!(CanonicalTarget::parse(raw), Err(error), "{raw}");
        }
    }
}
