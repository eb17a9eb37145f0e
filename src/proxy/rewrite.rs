//! What an application gets to see, and what of its answer goes out.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderName, HeaderValue, header};
use pingora::{
    ErrorType, OrErr,
    http::{RequestHeader, ResponseHeader},
};

use super::{Live, head::Head};
use crate::{
    clock::Timestamp,
    flow::CookieNames,
    gate::Permitted,
    headers::assertion::ASSERTION,
    protocol::{ClientFacts, cookie, folded},
    route::UpstreamHost,
};

/// What a visitor's requests have in common: the headers that say where they come from. They are
/// kept with the connection.
#[derive(Debug)]
pub(super) struct Forwarding {
    client: ClientFacts,
    host: HeaderValue,
    lines: Vec<(&'static str, HeaderValue)>,
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
pub(super) fn request(
    request: &mut RequestHeader,
    live: &Live,
    (head, forwarding): (&Head, &Forwarding),
    permitted: &Permitted,
    now: Timestamp,
) -> pingora::Result<()> {
    let owned = live.gate.owned();
    // Names are collected first: the map cannot change while it is read. Mostly there are none.
    let planted: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| owned.contains(name.as_str()) || is_disguised(name.as_str()))
        .cloned()
        .collect();
    for name in &planted {
        request.remove_header(name);
    }
    hide_our_cookies(request)?;
    if !head.is_verbatim() {
        request.set_raw_path(head.target().as_bytes())?;
    }
    if let UpstreamHost::Upstream = permitted.route().upstream_host {
        if let Some(authority) = permitted.route().upstreams.authority() {
            request.insert_header(header::HOST, authority)?;
        }
    } else if request.headers.get(header::HOST) != Some(&forwarding.host) {
        request.insert_header(header::HOST, forwarding.host.clone())?;
    }
    for (name, value) in &forwarding.lines {
        request.insert_header(*name, value.clone())?;
    }
    for (name, value) in permitted.edits().iter() {
        request.insert_header(name.clone(), value.clone())?;
    }
    if permitted.route().assertion {
        let assertion = permitted
            .assertion(&live.site.assertions.load(), now)
            .or_err(
                ErrorType::InternalError,
                "the assertion was not made, and the route does not go without",
            )?;
        if let Some(assertion) = assertion {
            request.insert_header(ASSERTION, assertion)?;
        }
    }
    Ok(())
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
    name.contains(['_', '.']) && MEANT.contains(&folded(name).trim_matches('-'))
}

/// Our cookies are nobody else's business, and whoever reads a log upstream must not hold them.
fn hide_our_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    let lines = request.headers.get_all(header::COOKIE);
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
        request.remove_header(&header::COOKIE);
        if let Some(kept) = HeaderValue::from_bytes(&kept)
            .ok()
            .filter(|kept| !kept.is_empty())
        {
            request.insert_header(header::COOKIE, kept)?;
        }
    }
    Ok(())
}

/// The application's answer: it neither speaks for us nor into the caches of others.
pub(super) fn response(
    response: &mut ResponseHeader,
    live: &Live,
    permitted: &Permitted,
) -> pingora::Result<()> {
    let owned = live.gate.owned();
    let planted: Vec<HeaderName> = response
        .headers
        .keys()
        .filter(|name| owned.contains(name.as_str()) || *name == "service-worker-allowed")
        .cloned()
        .collect();
    for name in &planted {
        response.remove_header(name);
    }
    drop_our_set_cookies(response)?;
    if permitted.permit().session().is_some() {
        keep_out_of_shared_caches(response)?;
    }
    let https = live.site.engine.base.login.scheme == crate::protocol::Scheme::Https;
    if https && ends_hsts(response) {
        response.remove_header(&header::STRICT_TRANSPORT_SECURITY);
    }
    Ok(())
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
fn keep_out_of_shared_caches(response: &mut ResponseHeader) -> pingora::Result<()> {
    response.append_header(header::VARY, HeaderValue::from_static("Cookie"))?;
    if !response.headers.contains_key(header::CACHE_CONTROL) {
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

fn ends_hsts(response: &ResponseHeader) -> bool {
    let lines = response.headers.get_all(header::STRICT_TRANSPORT_SECURITY);
    lines.iter().any(|line| {
        let line = line.to_str().unwrap_or_default().to_ascii_lowercase();
        line.split(';').any(|part| {
            part.trim()
                .strip_prefix("max-age=")
                .is_some_and(|age| age.trim_matches('"') == "0")
        })
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
        hide_our_cookies(&mut request).unwrap();
        let left = request.headers.get_all("cookie").iter();
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
}
