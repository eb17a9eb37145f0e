//! What an application gets to see, and what of its answer goes out.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{
    ErrorType, OrErr,
    http::{RequestHeader, ResponseHeader},
};

use super::{Live, head::Head};
use crate::{
    flow::CookieNames,
    gate::Permitted,
    headers::assertion::ASSERTION,
    page::headers::HSTS_SECONDS,
    protocol::{ClientFacts, cookie, folded},
    route::{Authorization, UpstreamHost},
};

/// What a visitor's requests have in common: the headers that say where they come from. They are
/// kept with the connection.
#[derive(Debug)]
pub(super) struct Forwarding {
    client: ClientFacts,
    host: HeaderValue,
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl Forwarding {
    /// That of `client`: what is kept, if it is theirs.
    pub(super) fn of(client: &ClientFacts, kept: Option<Arc<Self>>) -> pingora::Result<Arc<Self>> {
        if let Some(kept) = kept.filter(|kept| kept.client == *client) {
            return Ok(kept);
        }
        let host = HeaderValue::try_from(client.host.to_string())
            .or_err(ErrorType::InternalError, "a host is always a field value")?;
        let mut lines = Vec::with_capacity(6);
        client.outgoing(|name, value| lines.push((name, value)));
        Ok(Arc::new(Self {
            client: client.clone(),
            host,
            lines,
        }))
    }
}

/// The head for the application: every owned header out, one value of each in.
///
/// The fields travel under their names in lower case, as over HTTP/2 (RFC 9113 section 8.2.1; names
/// are case-insensitive, RFC 9110 section 5.1): pingora keeps the case of each in a second table,
/// which would be filled, copied and searched for each request.
pub(super) fn request(
    request: &mut RequestHeader,
    live: &Live,
    (head, forwarding): (&Head, &Forwarding),
    (permitted, tokens): (&Permitted, &[(HeaderName, HeaderValue)]),
) -> pingora::Result<()> {
    let nothing = RequestHeader::from(http::Request::new(()).into_parts().0);
    let mut parts = http::request::Parts::from(std::mem::replace(request, nothing));
    let fields = &mut parts.headers;
    remove_owned(fields, live);
    hide_our_cookies(fields);
    let route = permitted.route();
    if route.authorization == Authorization::Drop {
        fields.remove(header::AUTHORIZATION);
    }
    let authority = match route.upstream_host {
        UpstreamHost::Upstream => route.upstreams.authority().map(HeaderValue::try_from),
        UpstreamHost::Preserve => None,
    };
    let authority = authority
        .transpose()
        .or_err(ErrorType::InternalError, "a host is always a field value")?;
    let host = authority.as_ref().unwrap_or(&forwarding.host);
    if fields.get(header::HOST) != Some(host) {
        fields.insert(header::HOST, host.clone());
    }
    let edits = permitted.edits();
    fields.reserve(forwarding.lines.len() + edits.most());
    for (name, value) in forwarding.lines.iter().map(|(name, value)| (name, value)) {
        fields.insert(name, value.clone());
    }
    for (name, value) in edits.iter() {
        fields.insert(name, value);
    }
    for (name, value) in tokens {
        fields.insert(name, value.clone());
    }
    if route.assertion {
        let assertion = permitted
            .assertion(&live.site.assertions.load(), head.now)
            .or_err(
                ErrorType::InternalError,
                "the assertion was not made, and the route does not go without",
            )?;
        if let Some(assertion) = assertion {
            fields.insert(ASSERTION, assertion);
        }
    }
    *request = RequestHeader::from(parts);
    if !head.is_verbatim() {
        request.set_raw_path(head.target().as_bytes())?;
    }
    Ok(())
}

/// Whatever a visitor said under a name of ours.
fn remove_owned(fields: &mut HeaderMap, live: &Live) {
    let owned = live.gate.owned();
    // Names are collected first: the map cannot change while it is read. Mostly there are none.
    let planted: Vec<HeaderName> = fields
        .keys()
        .filter(|name| owned.contains(name.as_str()) || is_disguised(name.as_str()))
        .cloned()
        .collect();
    for name in planted {
        fields.remove(name);
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

/// Our cookies are nobody else's business, and whoever reads a log upstream must not hold them.
fn hide_our_cookies(fields: &mut HeaderMap) {
    let lines = fields.get_all(header::COOKIE);
    let mut kept: Vec<u8> = Vec::new();
    // HTTP/2 may split the cookies over several lines; an application wants one (RFC 9113 section
    // 8.2.3), and so does RFC 6265 section 5.4 of every client.
    let mut changed = lines.iter().nth(1).is_some();
    for line in lines {
        match cookie::without(line.as_bytes(), CookieNames::is_ours) {
            None => changed = true,
            // Nothing was taken out of the only line.
            Some(Cow::Borrowed(_)) if !changed => {}
            Some(left) => {
                changed |= matches!(left, Cow::Owned(_));
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(&left);
            }
        }
    }
    if changed {
        fields.remove(header::COOKIE);
        let kept = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept));
        if let Some(kept) = kept.ok().filter(|kept| !kept.is_empty()) {
            fields.insert(header::COOKIE, kept);
        }
    }
}

/// The application's answer: it neither speaks for us nor into the caches of others.
pub(super) fn response(
    response: &mut ResponseHeader,
    live: &Live,
    permitted: &Permitted,
) -> pingora::Result<()> {
    let seen = Seen::of(response, live);
    if seen.connection {
        remove_nominated(response);
    }
    for name in &seen.unwanted {
        response.remove_header(name);
    }
    if seen.set_cookie {
        drop_our_set_cookies(response)?;
    }
    if permitted.permit().session().is_some() {
        keep_out_of_shared_caches(response, &seen)?;
    }
    let https = live.site.engine.base.login.scheme == crate::protocol::Scheme::Https;
    if https && seen.hsts && weakens_hsts(response) {
        response.remove_header(&header::STRICT_TRANSPORT_SECURITY);
    }
    Ok(())
}

/// What one look over the names of an answer finds.
#[derive(Debug, Default)]
struct Seen {
    cache_control: bool,
    connection: bool,
    hsts: bool,
    /// It may be used again without asking for it (RFC 9111 section 4.2).
    lasts: bool,
    set_cookie: bool,
    /// Ours, or for the next hop alone (RFC 9110 section 7.6.1).
    unwanted: Vec<HeaderName>,
}

impl Seen {
    fn of(response: &ResponseHeader, live: &Live) -> Self {
        let owned = live.gate.owned();
        let changes = response.status == http::StatusCode::SWITCHING_PROTOCOLS;
        let mut seen = Self::default();
        for name in response.headers.keys() {
            match *name {
                header::CACHE_CONTROL => (seen.cache_control, seen.lasts) = (true, true),
                // A changed protocol is changed on both sides.
                header::CONNECTION => seen.connection = !changes,
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
fn remove_nominated(response: &mut ResponseHeader) {
    // What says where an answer ends is not somebody's to nominate.
    const FRAMING: [HeaderName; 3] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ];
    let lines = response.headers.get_all(header::CONNECTION).iter();
    let nominated: Vec<HeaderName> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !FRAMING.contains(name))
        .collect();
    for name in &nominated {
        response.remove_header(name);
    }
}

fn drop_our_set_cookies(response: &mut ResponseHeader) -> pingora::Result<()> {
    let lines = response.headers.get_all(header::SET_COOKIE);
    if !lines.iter().any(|line| sets_ours(line.as_bytes())) {
        return Ok(());
    }
    let lines: Vec<HeaderValue> = lines.iter().cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for line in lines.into_iter().filter(|line| !sets_ours(line.as_bytes())) {
        response.append_header(header::SET_COOKIE, line)?;
    }
    Ok(())
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
fn keep_out_of_shared_caches(response: &mut ResponseHeader, seen: &Seen) -> pingora::Result<()> {
    // What a browser may use again is good for the cookies it was given for: the next person at
    // this browser has others.
    if seen.lasts {
        response.append_header("Vary", HeaderValue::from_static("Cookie"))?;
    }
    if !seen.cache_control {
        let private = HeaderValue::from_static("private");
        return response.insert_header(header::CACHE_CONTROL, private);
    }
    let lines = response.headers.get_all(header::CACHE_CONTROL);
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
        return Ok(());
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
        response.insert_header(header::CACHE_CONTROL, value)?;
    }
    Ok(())
}

/// Whether a browser would be told to keep to https for less time than our own pages tell it, in
/// whatever words (RFC 6797 section 6.1; the first line counts, section 8.1).
fn weakens_hsts(response: &ResponseHeader) -> bool {
    let lines = response.headers.get_all(header::STRICT_TRANSPORT_SECURITY);
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
    use http::HeaderMap;

    use super::*;
    use crate::protocol::{Arrival, HostPort, Scheme, TrustedProxies};

    fn client(address: &str, scheme: Scheme, host: &str) -> ClientFacts {
        let arrival = Arrival {
            peer: address.parse().ok(),
            scheme,
            host: &HostPort::parse(host).unwrap(),
        };
        ClientFacts::find(&TrustedProxies::default(), arrival, &HeaderMap::new()).unwrap()
    }

    #[test]
    fn what_a_connection_keeps_serves_the_same_visitor_only() {
        let first = client("192.0.2.1", Scheme::Https, "a.test:8443");
        let kept = Forwarding::of(&first, None).unwrap();
        assert_eq!(kept.host, "a.test:8443");
        assert!(Arc::ptr_eq(
            &kept,
            &Forwarding::of(&first.clone(), Some(kept.clone())).unwrap()
        ));
        for other in [
            client("192.0.2.2", Scheme::Https, "a.test:8443"),
            client("192.0.2.1", Scheme::Http, "a.test:8443"),
            client("192.0.2.1", Scheme::Https, "b.test:8443"),
            client("192.0.2.1", Scheme::Https, "a.test"),
        ] {
            let fresh = Forwarding::of(&other, None).unwrap();
            let given = Forwarding::of(&other, Some(kept.clone())).unwrap();
            assert_eq!((&given.host, &given.lines), (&fresh.host, &fresh.lines));
            assert_ne!(given.lines, kept.lines);
        }
    }

    fn cookies_sent(lines: &[&str]) -> Vec<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for line in lines {
            request.append_header("cookie", *line).unwrap();
        }
        let mut fields = request.headers.clone();
        hide_our_cookies(&mut fields);
        let left = fields.get_all("cookie").iter();
        left.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_application_gets_its_cookies_in_one_line() {
        assert_eq!(cookies_sent(&["a=1;b=2"]), ["a=1;b=2"]);
        let ours_between = ["a=1; vestibule-1=x; b=2"];
        assert_eq!(cookies_sent(&ours_between), ["a=1; b=2"]);
        assert_eq!(cookies_sent(&["a=1", "b=2"]), ["a=1; b=2"]);
        assert_eq!(
            cookies_sent(&["a=1", "__Host-vestibule=x", "b=2; vestibule-last-1=y"]),
            ["a=1; b=2"]
        );
        assert!(cookies_sent(&["vestibule-e7453f2a=x"]).is_empty());
    }

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

    fn answer(fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        response
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
            let weak = answer(&[("strict-transport-security", weak)]);
            assert!(weakens_hsts(&weak), "{weak:?}");
        }
        for strong in ["max-age=31536000", "preload; Max-Age = \"63072000\""] {
            assert!(!weakens_hsts(&answer(&[(
                "strict-transport-security",
                strong
            )])));
        }
        assert!(!weakens_hsts(&answer(&[])));
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
        let mut response = answer(&fields);
        remove_nominated(&mut response);
        let mut left: Vec<_> = response.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["connection", "content-length", "x-end"]);
    }
}
