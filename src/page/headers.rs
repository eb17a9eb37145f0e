//! The headers of our own answers.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{self, HeaderName},
};
use serde::Serialize;

use crate::text::{Locale, assets::ASSET_POLICY};

/// How long a browser keeps to https after a page of ours, in seconds (RFC 6797 section 6.1.1).
pub(crate) const HSTS_SECONDS: u64 = 31_536_000;
const HSTS: &str = "max-age=31536000";

/// On every answer of ours. Assets set their own caching first.
pub(crate) fn common(headers: &mut HeaderMap, https: bool) {
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (header::VARY, "Cookie, Accept-Language"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let or = |headers: &mut HeaderMap, name, value| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    or(headers, header::CACHE_CONTROL, "no-store");
    or(headers, header::REFERRER_POLICY, "no-referrer");
    or(
        headers,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    if https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(HSTS),
        );
    }
}

/// A page.
pub(super) fn html(
    status: StatusCode,
    text: String,
    policy: &str,
    locale: Locale,
) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_LANGUAGE,
        HeaderValue::from_static(locale.0.tag),
    );
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // With `no-referrer` a browser sends `Origin: null` with our own forms, and then their origin
    // could not be checked. `same-origin` tells other sites as little.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    answer
}

/// Data.
pub(crate) fn json(status: StatusCode, data: &impl Serialize) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(serde_json::to_vec(data).unwrap_or_default()));
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static("application/json");
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    answer
}

/// The keys of the assertion (RFC 7517 section 8.5.1).
pub(super) fn jwks(keys: String) -> Response<Bytes> {
    published(keys, "application/jwk-set+json")
}

/// What a connection says of this deployment (SAML 2.0 metadata section 4.1.1).
pub(super) fn metadata(document: String) -> Response<Bytes> {
    published(document, "application/samlmetadata+xml")
}

/// A document that is the same for everybody and may be kept for some minutes.
fn published(document: String, media_type: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(document));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    common(headers, false);
    answer
}

/// What a provider hears of its notice (OpenID Connect Back-Channel Logout 1.0 section 2.8).
pub(super) fn notified(status: StatusCode) -> Response<Bytes> {
    let mut answer = if status == StatusCode::BAD_REQUEST {
        json(status, &serde_json::json!({ "error": "invalid_request" }))
    } else {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        answer
    };
    common(answer.headers_mut(), false);
    answer
}

/// What a provider that spoke itself hears (SAML bindings section 3.2.3).
pub(super) fn soap(envelope: Result<String, StatusCode>) -> Response<Bytes> {
    let mut answer = match envelope {
        Ok(envelope) => {
            let mut answer = Response::new(Bytes::from(envelope));
            let media_type = HeaderValue::from_static("text/xml; charset=utf-8");
            answer
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
            answer
        }
        Err(status) => {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = status;
            answer
        }
    };
    common(answer.headers_mut(), false);
    answer
}

/// A file that never changes: its name holds its hash.
pub(super) fn asset(media_type: &'static str, bytes: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(bytes);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    let policy = HeaderValue::from_static(ASSET_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    common(headers, false);
    answer
}

/// Somewhere else, by GET, and never from a cache (RFC 9110 section 15.4.4).
pub(super) fn see_other(to: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    // An address that is no header value was not one of ours: the page stays empty.
    if let Ok(location) = HeaderValue::from_str(to) {
        *answer.status_mut() = StatusCode::SEE_OTHER;
        answer.headers_mut().insert(header::LOCATION, location);
    } else {
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    answer
}
