//! What an application gets to see, and what of its answer goes out.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};
use pingora::{
    ErrorType, OrErr,
    http::{RequestHeader, ResponseHeader},
};

use super::{Live, head::Head, hop, present::Present};
use crate::{
    flow::CookieNames, gate::Permitted, headers::assertion::ASSERTION, page::headers::HSTS_SECONDS,
    protocol::folded, route::Authorization,
};

/// The head for the application: `ours`, and of what the visitor said whatever is not for us alone.
/// `theirs` are the visitor's fields where the request has them no more.
///
/// The fields travel under their names in lower case, as over HTTP/2 (RFC 9113 section 8.2.1; names
/// are case-insensitive, RFC 9110 section 5.1): pingora keeps the case of each in a second table,
/// which would be filled, copied and searched for each request.
pub(super) fn request(
    request: &mut RequestHeader,
    (live, head): (&Live, &Head),
    (permitted, tokens): (&Permitted, &[(HeaderName, HeaderValue)]),
    (theirs, mut ours): (Option<&HeaderMap>, HeaderMap),
    websocket: bool,
) -> pingora::Result<()> {
    let nothing = RequestHeader::from(http::Request::new(()).into_parts().0);
    let mut parts = http::request::Parts::from(std::mem::replace(request, nothing));
    for (name, value) in tokens {
        ours.insert(name, value.clone());
    }
    let route = permitted.route();
    if route.assertion {
        let assertion = permitted
            .assertion(&live.site.assertions.load(), head.now)
            .or_err(
                ErrorType::InternalError,
                "the assertion was not made, and the route does not go without",
            )?;
        if let Some(assertion) = assertion {
            ours.insert(ASSERTION, assertion);
        }
    }
    if websocket {
        ours.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        ours.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let cloned = std::mem::replace(&mut parts.headers, ours);
    let theirs = theirs.unwrap_or(&cloned);
    let named = if head.present.any(&[Present::CONNECTION]) {
        hop::named_fields(theirs)
    } else {
        Vec::new()
    };
    let keeps_authorization = route.authorization != Authorization::Drop;
    add(&mut parts.headers, theirs, |name| match *name {
        header::AUTHORIZATION => keeps_authorization && !named.contains(name),
        header::COOKIE | header::HOST => false,
        _ => {
            !hop::ends_with(name)
                && !live.gate.owned().contains(name.as_str())
                && !is_disguised(name.as_str())
                && !named.contains(name)
        }
    });
    *request = RequestHeader::from(parts);
    if !head.is_verbatim() {
        request.set_raw_path(head.target().as_bytes())?;
    }
    Ok(())
}

/// Adds the lines of `theirs` whose name passes and is not there yet.
fn add(fields: &mut HeaderMap, theirs: &HeaderMap, passes: impl Fn(&HeaderName) -> bool) {
    // The lines of one name stand together.
    let mut last: Option<(&HeaderName, bool)> = None;
    for (name, value) in theirs {
        match last {
            Some((same, passed)) if std::ptr::eq(same, name) => {
                if passed {
                    fields.append(name, value.clone());
                }
            }
            _ => {
                let mut passed = false;
                if passes(name)
                    && let Entry::Vacant(place) = fields.entry(name)
                {
                    place.insert(value.clone());
                    passed = true;
                }
                last = Some((name, passed));
            }
        }
    }
}

/// A name that servers who fold `_` and `.` into `-` take for one that frames the message or says
/// who speaks: `Transfer_Encoding`. Nobody honest sends one.
fn is_disguised(name: &str) -> bool {
    const MEANT: [&str; 9] = [
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let marked = name.bytes().any(|byte| matches!(byte, b'_' | b'.'));
    marked && MEANT.contains(&folded(name).trim_matches('-'))
}

/// The application's answer: it neither speaks for us nor into the caches of others. Its names lose
/// their case, as those of [`request`] do. Says whether it tells how long it is.
pub(super) fn response(
    response: &mut ResponseHeader,
    live: &Live,
    permitted: &Permitted,
) -> pingora::Result<bool> {
    // pingora gives the phrase of the status itself where the application said no other.
    let usual = response.status.canonical_reason().map(str::as_ptr);
    let reason = response.get_reason_phrase();
    let reason = reason.filter(|phrase| Some(phrase.as_ptr()) != usual);
    let reason = reason.map(str::to_owned);
    let nothing = ResponseHeader::from(http::Response::new(()).into_parts().0);
    let mut parts = http::response::Parts::from(std::mem::replace(response, nothing));
    let seen = Seen::of(&parts, live);
    clean(&mut parts.headers, &seen, live, permitted);
    *response = ResponseHeader::from(parts);
    if reason.is_some() {
        response.set_reason_phrase(reason.as_deref())?;
    }
    Ok(seen.content_length)
}

fn clean(fields: &mut HeaderMap, seen: &Seen, live: &Live, permitted: &Permitted) {
    if seen.connection {
        remove_nominated(fields);
    }
    for name in &seen.unwanted {
        fields.remove(name);
    }
    if seen.set_cookie {
        drop_our_set_cookies(fields);
    }
    if permitted.permit().session().is_some() {
        keep_out_of_shared_caches(fields, seen);
    }
    let https = live.site.engine.base.login.scheme == crate::protocol::Scheme::Https;
    if https && seen.hsts && weakens_hsts(fields) {
        fields.remove(header::STRICT_TRANSPORT_SECURITY);
    }
}

/// What one look over the names of an answer finds.
#[derive(Debug, Default)]
struct Seen {
    cache_control: bool,
    connection: bool,
    content_length: bool,
    hsts: bool,
    /// It may be used again without asking for it (RFC 9111 section 4.2).
    lasts: bool,
    set_cookie: bool,
    /// Ours, or for the next hop alone (RFC 9110 section 7.6.1).
    unwanted: Vec<HeaderName>,
}

impl Seen {
    fn of(response: &http::response::Parts, live: &Live) -> Self {
        let owned = live.gate.owned();
        let changes = response.status == http::StatusCode::SWITCHING_PROTOCOLS;
        let mut seen = Self::default();
        for name in response.headers.keys() {
            match *name {
                header::CACHE_CONTROL => (seen.cache_control, seen.lasts) = (true, true),
                // A changed protocol is changed on both sides.
                header::CONNECTION => seen.connection = !changes,
                header::CONTENT_LENGTH => seen.content_length = true,
                header::EXPIRES | header::LAST_MODIFIED => seen.lasts = true,
                header::SET_COOKIE => seen.set_cookie = true,
                header::STRICT_TRANSPORT_SECURITY => seen.hsts = true,
                ref name if UNWANTED.contains(name) || owned.contains(name.as_str()) => {
                    seen.unwanted.push(name.clone());
                }
                _ => {}
            }
        }
        seen
    }
}

/// Said to us alone, or to a browser about a scope that is not the application's.
const UNWANTED: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("service-worker-allowed"),
    header::TE,
];

/// What an application says to its neighbour, who is us, ends here; pingora tells the visitor how
/// their connection goes on.
fn remove_nominated(fields: &mut HeaderMap) {
    // What says where an answer ends is not somebody's to nominate.
    const FRAMING: [HeaderName; 3] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ];
    let mut nominated = hop::named_fields(fields);
    nominated.retain(|name| !FRAMING.contains(name));
    for name in &nominated {
        fields.remove(name);
    }
}

fn drop_our_set_cookies(fields: &mut HeaderMap) {
    let lines = fields.get_all(header::SET_COOKIE);
    if !lines.iter().any(|line| sets_ours(line.as_bytes())) {
        return;
    }
    let lines: Vec<HeaderValue> = lines.iter().cloned().collect();
    fields.remove(header::SET_COOKIE);
    for line in lines.into_iter().filter(|line| !sets_ours(line.as_bytes())) {
        fields.append(header::SET_COOKIE, line);
    }
}

/// Whether a Set-Cookie line could come back from a browser as a cookie of ours. A cookie without
/// a name comes back as its value alone, so `=ours=x` is one of ours too.
fn sets_ours(line: &[u8]) -> bool {
    let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let mut parts = pair.split(|byte| *byte == b'=').map(<[u8]>::trim_ascii);
    let name = parts.find(|part| !part.is_empty()).unwrap_or_default();
    std::str::from_utf8(name).map_or(true, CookieNames::is_ours)
}

/// An answer to a signed-in person is theirs: a cache on the way must not give it to the next one
/// (RFC 9111 section 3.5 knows Authorization, but not cookies).
fn keep_out_of_shared_caches(fields: &mut HeaderMap, seen: &Seen) {
    // What a browser may use again is good for the cookies it was given for: the next person at
    // this browser has others.
    if seen.lasts {
        fields.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
    if !seen.cache_control {
        let private = HeaderValue::from_static("private");
        fields.insert(header::CACHE_CONTROL, private);
        return;
    }
    let lines = fields.get_all(header::CACHE_CONTROL);
    let text = |line: &HeaderValue| line.to_str().unwrap_or_default().to_owned();
    let said = lines.iter().map(text).collect::<Vec<_>>().join(",");
    let mut kept: Vec<&str> = said
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let is = |part: &str, name: &str| {
        let directive = part.split('=').next().unwrap_or_default();
        directive.eq_ignore_ascii_case(name)
    };
    if kept
        .iter()
        .any(|part| is(part, "private") || is(part, "no-store"))
    {
        return;
    }
    // What a shared cache may keep of it is nothing, whatever the application thinks: it does not
    // know that its pages are for one person.
    kept.retain(|part| {
        !["public", "s-maxage", "proxy-revalidate"]
            .iter()
            .any(|name| is(part, name))
    });
    kept.insert(0, "private");
    if let Ok(value) = HeaderValue::from_str(&kept.join(", ")) {
        fields.insert(header::CACHE_CONTROL, value);
    }
}

/// Whether a browser would be told to keep to https for less time than our own pages tell it, in
/// whatever words (RFC 6797 section 6.1; the first line counts, section 8.1).
fn weakens_hsts(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(header::STRICT_TRANSPORT_SECURITY);
    lines.iter().any(|line| {
        let age = line.to_str().ok().and_then(|line| {
            line.split(';').find_map(|part| {
                let (name, age) = part.split_once('=')?;
                let is_age = name.trim().eq_ignore_ascii_case("max-age");
                is_age.then(|| age.trim().trim_matches('"').parse().ok())?
            })
        });
        age.is_none_or(|age: u64| age < HSTS_SECONDS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_sets_no_cookie_of_ours() {
        for ours in [
            "__Host-vestibule=x; Path=/",
            "vestibule-e7453f2a=x",
            " vestibule =x",
            "=vestibule-e7453f2a=x",
            "= = __Host-vestibule=x",
        ] {
            assert!(sets_ours(ours.as_bytes()), "{ours}");
        }
        assert!(sets_ours(b"\xff=x"), "nobody can tell what that is");
        for theirs in [
            "app=__Host-vestibule",
            "vestibules=1",
            "a=b; vestibule-x=1",
            "",
        ] {
            assert!(!sets_ours(theirs.as_bytes()), "{theirs}");
        }
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn nothing_takes_the_place_of_what_is_ours() {
        let ours = [("host", "a.test"), ("x-user", "alice")];
        let mut fields = map(&ours);
        let theirs = map(&[
            ("accept", "a"),
            ("accept", "b"),
            ("x-user", "root"),
            ("x-user", "mallory"),
            ("x-other", "1"),
            ("x-dropped", "1"),
            ("x-dropped", "2"),
        ]);
        add(&mut fields, &theirs, |name| name != "x-dropped");
        let mut wanted = map(&ours);
        wanted.extend(map(&[("accept", "a"), ("x-other", "1")]));
        wanted.append("accept", HeaderValue::from_static("b"));
        assert_eq!(fields, wanted);
    }

    #[test]
    fn an_application_does_not_shorten_hsts() {
        for weak in [
            "max-age=0",
            "max-age=1",
            "max-age =0",
            "max-age=00; includeSubDomains",
            "MAX-AGE=\"5\"",
            "includeSubDomains",
            "max-age=forever",
            "\u{fc}",
        ] {
            let weak = map(&[("strict-transport-security", weak)]);
            assert!(weakens_hsts(&weak), "{weak:?}");
        }
        for strong in ["max-age=31536000", "preload; Max-Age = \"63072000\""] {
            assert!(!weakens_hsts(&map(&[(
                "strict-transport-security",
                strong
            )])));
        }
        assert!(!weakens_hsts(&map(&[])));
    }

    #[test]
    fn what_is_meant_for_the_next_hop_ends_there() {
        let fields = [
            ("connection", "X-Hop, keep-alive"),
            ("connection", "close,Content-Length"),
            ("x-hop", "1"),
            ("content-length", "3"),
            ("x-end", "1"),
        ];
        let mut fields = map(&fields);
        remove_nominated(&mut fields);
        let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["connection", "content-length", "x-end"]);
    }
}
