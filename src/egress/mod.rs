//! Everything that this program calls: the way out.
//!
//! What a provider says never decides alone whom we call: [`http`] goes to public addresses, and to
//! others only where the operator wrote that very host.

mod address;
pub(crate) mod http;
pub(crate) mod ldap;
pub(crate) mod queue;
#[cfg(test)]
mod tests;
pub(crate) mod tickets;
#[cfg(test)]
mod tls_tests;
pub(crate) mod webhook;
