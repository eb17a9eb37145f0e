//! What an application is told of a visitor on a route, kept with the connection.

use std::{borrow::Cow, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{ErrorType, OrErr};

use crate::{
    flow::CookieNames,
    gate::Permitted,
    policy::Permit,
    protocol::{ClientFacts, cookie},
    route::{Route, UpstreamHost},
};

/// What a visitor's requests have in common: the headers that say where they come from.
#[derive(Debug)]
struct Forwarding {
    client: ClientFacts,
    host: HeaderValue,
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl Forwarding {
    fn of(client: &ClientFacts) -> pingora::Result<Self> {
        let host = HeaderValue::try_from(client.host.to_string())
            .or_err(ErrorType::InternalError, "a host is always a field value")?;
        let mut lines = Vec::with_capacity(6);
        client.outgoing(|name, value| lines.push((name, value)));
        Ok(Self {
            client: client.clone(),
            host,
            lines,
        })
    }
}

/// What the requests of one visitor on one route have in common, ready to be cloned: all that we
/// tell the application, and the visitor's cookies without ours. It is kept with the connection.
#[derive(Debug)]
pub(super) struct Ours {
    forwarding: Arc<Forwarding>,
    route: Arc<Route>,
    permit: Permit,
    /// As they came.
    cookies: Vec<HeaderValue>,
    /// Filled when the same visitor comes again: where a proxy in front sends everybody's requests
    /// over one connection, nobody does.
    fields: HeaderMap,
}

impl Ours {
    /// Those of this request, whose visitor sent these fields. What can be taken from `kept`, of an
    /// earlier request, is; and what can serve the next one is left there.
    pub(super) fn fields(
        permitted: &Permitted,
        (client, theirs): (&ClientFacts, &HeaderMap),
        kept: &mut Option<Box<Self>>,
        copy: impl Fn(&HeaderValue) -> HeaderValue,
    ) -> pingora::Result<HeaderMap> {
        if let Some(kept) = kept
            && kept.serves(permitted, (client, theirs))
        {
            if kept.fields.is_empty() {
                kept.fields = told(permitted, &kept.forwarding, &kept.cookies)?;
                pack(&mut kept.fields);
            }
            return Ok(kept.fields.clone());
        }
        let earlier = kept.take().map(|kept| kept.forwarding);
        let forwarding = match earlier.filter(|earlier| earlier.client == *client) {
            Some(earlier) => earlier,
            None => Arc::new(Forwarding::of(client)?),
        };
        let cookies: Vec<_> = theirs.get_all(header::COOKIE).iter().map(copy).collect();
        let fields = told(permitted, &forwarding, &cookies)?;
        *kept = Some(Box::new(Self {
            forwarding,
            route: Arc::clone(permitted.route()),
            permit: permitted.permit().clone(),
            cookies,
            fields: HeaderMap::new(),
        }));
        Ok(fields)
    }

    /// Whether it says what would be said now.
    pub(super) fn serves(
        &self,
        permitted: &Permitted,
        (client, theirs): (&ClientFacts, &HeaderMap),
    ) -> bool {
        Arc::ptr_eq(&self.route, permitted.route())
            && self.permit.is(permitted.permit())
            && self.forwarding.client == *client
            && self.cookies.iter().eq(theirs.get_all(header::COOKIE))
    }
}

/// One value of each name: what the application is told, and the visitor's cookies without ours.
fn told(
    permitted: &Permitted,
    forwarding: &Forwarding,
    cookies: &[HeaderValue],
) -> pingora::Result<HeaderMap> {
    let route = permitted.route();
    let host = match route.upstream_host {
        UpstreamHost::Upstream => route.upstreams.authority().map(HeaderValue::try_from),
        UpstreamHost::Preserve => None,
    };
    let host = host
        .transpose()
        .or_err(ErrorType::InternalError, "a host is always a field value")?;
    let edits = permitted.edits().or_err(
        ErrorType::InternalError,
        "the identity headers are gone, and the request does not go without",
    )?;
    let mut fields = HeaderMap::with_capacity(2 + forwarding.lines.len() + edits.most());
    let host = host.unwrap_or_else(|| forwarding.host.clone());
    fields.insert(header::HOST, host);
    for (name, value) in &forwarding.lines {
        fields.insert(name, value.clone());
    }
    for (name, value) in edits.iter() {
        fields.insert(name, value);
    }
    if let Some(left) = without_ours(cookies) {
        fields.entry(header::COOKIE).or_insert(left);
    }
    Ok(fields)
}

/// Puts the values one behind the other into one piece of memory: they are copied for each request
/// of a connection, and so they are one place to fetch and to count instead of ten.
fn pack(fields: &mut HeaderMap) {
    let mut all = BytesMut::with_capacity(fields.values().map(HeaderValue::len).sum());
    for value in fields.values() {
        all.extend_from_slice(value.as_bytes());
    }
    let mut all = all.freeze();
    for value in fields.values_mut() {
        let packed = HeaderValue::from_maybe_shared(all.split_to(value.len()));
        if let Ok(packed) = packed {
            *value = packed;
        }
    }
}

/// The visitor's cookies without ours, which are nobody else's business: whoever reads a log upstream
/// must not hold them. HTTP/2 may split them over several lines; an application wants one (RFC 9113
/// section 8.2.3), and so does RFC 6265 section 5.4 of every client.
fn without_ours(lines: &[HeaderValue]) -> Option<HeaderValue> {
    let lines = lines.iter().map(HeaderValue::as_bytes);
    let left = lines.filter_map(|line| cookie::without(line, CookieNames::is_ours));
    let left: Vec<Cow<'_, [u8]>> = left.collect();
    let line = left.join(b"; ".as_slice());
    let line = HeaderValue::from_maybe_shared(Bytes::from(line)).ok();
    line.filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies_sent(lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).unwrap())
            .collect();
        let left = without_ours(&lines);
        left.map(|line| line.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_application_gets_its_cookies_in_one_line() {
        let (ours, other) = ("__Host-vestibule=x", "vestibule-last-1=y");
        for (lines, sent) in [
            (vec!["a=1;b=2"], Some("a=1;b=2")),
            (vec!["a=1; vestibule-1=x; b=2"], Some("a=1; b=2")),
            (vec!["a=1", "b=2"], Some("a=1; b=2")),
            (
                vec!["a=1", ours, "b=2; vestibule-last-1=y"],
                Some("a=1; b=2"),
            ),
            (vec![ours, "a=1"], Some("a=1")),
            (vec!["a=1; b=2", ours, other], Some("a=1; b=2")),
            (vec![ours], None),
            (vec![ours, other], None),
            (vec![], None),
        ] {
            assert_eq!(cookies_sent(&lines).as_deref(), sent, "{lines:?}");
        }
    }
}
