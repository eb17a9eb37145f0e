//! Bytes to types and back: what a peer wrote becomes a value that says what it means, or an
//! error that names the deviation. Nothing here does I/O, tells the time or draws chance.
//!
//! A request passes through in this order. Its target becomes a [`CanonicalTarget`]; the one
//! canonical path serves the decision and the application alike. Its Host becomes a [`HostPort`],
//! the forwarding headers of a trusted proxy become [`ClientFacts`], the certificate that it was shown
//! a [`ClientCertificate`], and its Cookie lines are read for our names with [`cookie::find`]. [`OwnedHeaders`] says which header names a visitor may
//! never set. What the operator writes is read by the same parsers: a route's [`PathPrefix`], its
//! public [`PathPattern`]s, its [`HostPattern`], the [`Origin`] of `public_url`. On the way back
//! from a login a [`ReturnTo`] says where the person may be sent.
//!
//! What is ambiguous is refused, never repaired into a guess: two readers that disagree about a
//! path, a host or a header are how such systems are broken.

mod canonical_path;
mod channel_binding;
mod client_cert;
pub(crate) mod cookie;
mod email;
mod forwarded;
mod header_name;
mod host;
pub(crate) mod kerberos;
pub(crate) mod ldap;
mod network;
mod origin;
mod path_pattern;
mod phone;
mod return_to;
pub(crate) mod webauthn;
mod x509;
pub(crate) mod xml;

pub(crate) use self::{
    canonical_path::*, channel_binding::*, client_cert::*, email::*, forwarded::*, header_name::*,
    host::*, network::*, origin::*, path_pattern::*, phone::*, return_to::*, x509::*,
};

/// The public test data beside the project, when it is there: `VESTIBULE_SHARED` or `../shared`.
#[cfg(test)]
pub(crate) fn shared_data(file: &str) -> Option<String> {
    std::fs::read_to_string(shared_folder().join(file)).ok()
}

/// Where that is.
#[cfg(test)]
pub(crate) fn shared_folder() -> std::path::PathBuf {
    let folder = std::env::var_os("VESTIBULE_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        Into::into,
    );
    folder.join("data")
}
