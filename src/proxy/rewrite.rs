//! What an application gets to see, and what of its answer goes out.

use http::{HeaderName, HeaderValue, header};
use pingora::{
    OrErr,
    http::{RequestHeader, ResponseHeader},
};

use super::{Live, head::Head};
use crate::{
    clock::Timestamp, flow::CookieNames, gate::Permitted, headers::assertion::ASSERTION,
    protocol::cookie, route::UpstreamHost,
};

/// The head for the application: every owned header out, one value of each in.
pub(super) fn request(
    request: &mut RequestHeader,
    live: &Live,
    head: &Head,
    permitted: &Permitted,
    now: Timestamp,
) -> pingora::Result<()> {
    let owned = live.gate.owned();
    // Names are collected first: the map cannot change while it is read. Mostly there are none.
    let planted: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| owned.contains(name.as_str()))
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
    } else {
        request.insert_header(header::HOST, head.client.host.to_string())?;
    }
    let mut failed = None;
    head.client.outgoing(|name, value| {
        if let Err(error) = request.insert_header(name, value) {
            failed = Some(error);
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    for (name, value) in permitted.edits().iter() {
        request.insert_header(name.clone(), value.clone())?;
    }
    let assertion = permitted
        .assertion(&live.site.assertions.load(), now)
        .or_err(
            pingora::ErrorType::InternalError,
            "the assertion was not made, and the route does not go without",
        )?;
    if let Some(assertion) = assertion {
        request.insert_header(ASSERTION, assertion)?;
    }
    Ok(())
}

/// Our cookies are nobody else's business, and whoever reads a log upstream must not hold them.
fn hide_our_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    let lines: Vec<HeaderValue> = request
        .headers
        .get_all(header::COOKIE)
        .iter()
        .cloned()
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::with_capacity(lines.len());
    let mut changed = false;
    for line in &lines {
        let left = cookie::without(line.as_bytes(), CookieNames::is_ours);
        changed |= left.as_deref() != Some(line.as_bytes());
        kept.extend(left.and_then(|left| HeaderValue::from_bytes(&left).ok()));
    }
    if changed {
        request.remove_header(&header::COOKIE);
        for line in kept {
            request.append_header(header::COOKIE, line)?;
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
    let lines: Vec<HeaderValue> = response
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .cloned()
        .collect();
    let is_ours = |line: &HeaderValue| {
        let name = line
            .as_bytes()
            .split(|byte| *byte == b'=')
            .next()
            .unwrap_or_default();
        std::str::from_utf8(name.trim_ascii()).map_or(true, CookieNames::is_ours)
    };
    if !lines.iter().any(is_ours) {
        return Ok(());
    }
    response.remove_header(&header::SET_COOKIE);
    for line in lines.into_iter().filter(|line| !is_ours(line)) {
        response.append_header(header::SET_COOKIE, line)?;
    }
    Ok(())
}

/// An answer to a signed-in person is theirs: a cache on the way must not give it to the next one
/// (RFC 9111 section 3.5 knows Authorization, but not cookies).
fn keep_out_of_shared_caches(response: &mut ResponseHeader) -> pingora::Result<()> {
    response.append_header(header::VARY, HeaderValue::from_static("Cookie"))?;
    let cached = response.headers.get(header::CACHE_CONTROL);
    if cached.is_none() {
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("private"))?;
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
