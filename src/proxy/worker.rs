//! Service workers of an application at the login host.
//!
//! A service worker sees each request in its scope before the network does, a typed password too.
//! Its scope is the folder of its script or what lies below it (Service Workers, section "Path
//! restriction"): an answer that would widen it loses `Service-Worker-Allowed` in
//! [`rewrite`](super::rewrite). So a script whose folder holds our prefix is refused. At other
//! hosts nobody signs in, and an application may have one at its root.

use http::{HeaderMap, HeaderName};

use crate::protocol::{CanonicalPath, PathPrefix};

/// Whether this asks for the script of a service worker that would see the requests to our pages.
/// A browser marks such a request with `Service-Worker: script`.
pub(super) fn covers(prefix: &PathPrefix, path: &CanonicalPath<'_>, headers: &HeaderMap) -> bool {
    if !headers.contains_key(SERVICE_WORKER) {
        return false;
    }
    let folder = path
        .as_str()
        .rsplit_once('/')
        .map_or("", |(above, _)| above);
    let below = prefix.as_str().strip_prefix(folder);
    below.is_some_and(|below| below.starts_with('/'))
}

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_script_above_our_pages_covers_them() {
        let covers = |prefix: &str, path: &str, header: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header, HeaderValue::from_static("script"));
            let path = CanonicalPath::parse(path).unwrap();
            covers(&PathPrefix::parse(prefix).unwrap(), &path, &headers)
        };
        for (prefix, path, expected) in [
            ("/.auth", "/sw.js", true),
            ("/.auth", "/", true),
            ("/.auth", "/app/sw.js", false),
            ("/.auth", "/.auth-2/sw.js", false),
            ("/.auth", "/.au/sw.js", false),
            ("/a/b", "/sw.js", true),
            ("/a/b", "/a/sw.js", true),
            ("/a/b", "/a/sw/x.js", false),
            ("/a/b", "/b/sw.js", false),
        ] {
            assert_eq!(
                covers(prefix, path, "service-worker"),
                expected,
                "{path} over {prefix}"
            );
            assert!(!covers(prefix, path, "accept"), "{path}");
        }
    }
}
