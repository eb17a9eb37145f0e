//! What a rule may know about a request.

use std::net::IpAddr;

use http::Method;

use crate::{
    clock::Timestamp,
    protocol::{CanonicalPath, Host, Scheme},
};

/// One request, in the canonical form that is also sent on. There is no query, no header and no
/// body here: nothing that is decided hangs on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a Host,
    pub(crate) path: &'a CanonicalPath<'a>,
    pub(crate) method: &'a Method,
    /// Where the request comes from, behind the trusted proxies.
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: Timestamp,
}
