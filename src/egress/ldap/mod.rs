//! The one LDAP client of this program (RFC 4511).
//!
//! It speaks TLS with checked certificates, or StartTLS and nothing before it; it follows no
//! referral, reads no message and no result larger than it was told, waits no longer than that, and
//! gives up a connection on which anything went wrong. One operation is under way at a time.

mod connect;
mod server;
mod stream;
#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use rasn_ldap::{Control, Filter, ResultCode};

pub(crate) use self::{
    server::{Server, Tls},
    stream::{LdapStream, Limits, NewPassword},
};
use crate::protocol::ldap::{FrameError, controls::PasswordPolicy};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) scope: Scope,
    pub(crate) filter: Filter,
    pub(crate) attributes: &'a [String],
    /// One more than that is an error.
    pub(crate) most: usize,
}

/// How far from the base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    Base,
    Subtree,
}

/// An entry, as far as it was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Bytes>)>,
}

impl Entry {
    /// The values of an attribute, of that very name: with options it is another one.
    pub(crate) fn values(&self, name: &str) -> &[Bytes] {
        let is = |(known, _): &&(String, Vec<Bytes>)| known.eq_ignore_ascii_case(name);
        let found = self.attributes.iter().find(is);
        found.map_or(&[], |(_, values)| values)
    }

    /// Whether the directory gives some values of an attribute only (`;range=0-1499`,
    /// [MS-ADTS] 3.1.1.3.1.3.3).
    pub(crate) fn has_more(&self, name: &str) -> bool {
        let mut names = self.attributes.iter().map(|(known, _)| known.as_str());
        names.any(|known| {
            let parts = known.split_once(';');
            parts.is_some_and(|(first, options)| {
                first.eq_ignore_ascii_case(name) && options.to_ascii_lowercase().contains("range=")
            })
        })
    }
}

/// What a directory said to an operation.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) code: ResultCode,
    /// For the operator.
    pub(crate) text: String,
    pub(crate) policy: PasswordPolicy,
    pub(super) controls: Vec<Control>,
}

/// Why there is no answer. Nothing that a person typed is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LdapError {
    #[error("the directory closed the connection")]
    Closed,
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the connection broke: {0}")]
    Io(io::Error),
    #[error("the name {0} is not known")]
    NoSuchHost(String),
    #[error("the directory sends elsewhere, where nobody follows")]
    Referral,
    #[error("the directory refuses: {code:?} {text:?}")]
    Refused { code: ResultCode, text: String },
    #[error("the directory does not start TLS: {code:?} {text:?}")]
    StartTls { code: ResultCode, text: String },
    #[error("no answer within {0} seconds")]
    TimedOut(f32),
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error("there are more than {0} entries")]
    TooMany(usize),
    #[error("the directory's message cannot be read: {0}")]
    Unreadable(String),
}

impl LdapError {
    /// Whether another server, or the same one later, may do better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Closed
            | Self::Connect(_)
            | Self::Io(_)
            | Self::NoSuchHost(_)
            | Self::StartTls { .. }
            | Self::TimedOut(_)
            | Self::Tls(_) => true,
            Self::Refused { code, .. } => {
                matches!(code, ResultCode::Busy | ResultCode::Unavailable)
            }
            // Another server would say the same.
            Self::Frame(_) | Self::Referral | Self::TooMany(_) | Self::Unreadable(_) => false,
        }
    }
}
