//! Kerberos version 5 (RFC 4120) as far as it is looked at here: whose keys a keytab holds, and what in
//! a browser's token is never the same twice. Tickets are opened by the system's library.

mod keytab;
mod principal;
mod token;

pub(crate) use self::{
    keytab::Keytab,
    principal::{BadPrincipal, Principal},
    token::{NoTicket, Ticket},
};
