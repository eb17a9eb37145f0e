//! What one request of a connection leaves to the next (HTTP/1.1 only).
//!
//! Most requests of a connection come from one visitor and say the same about them. What was worked
//! out from such a line is kept with the line: the same bytes, under the same circumstances, need
//! not be read again. Whatever can change meanwhile (the session, the routes) is not kept.

use std::sync::Arc;

use http::HeaderValue;

use super::{head::BadHead, rewrite::Forwarding};
use crate::{
    crypto::KeyRing,
    protocol::{Host, HostPort},
    session::{Sessions, Token},
};

/// Each is kept with what it was read from.
#[derive(Debug, Default)]
pub(super) struct Kept {
    host: Option<(HeaderValue, HostPort)>,
    forwarding: Option<Arc<Forwarding>>,
    proof: Option<Proof>,
}

/// A token whose MAC was found right.
#[derive(Debug)]
struct Proof {
    line: HeaderValue,
    host: Host,
    ring: Arc<KeyRing>,
    token: Token,
}

impl Kept {
    /// The host in a Host line.
    pub(super) fn host(
        &mut self,
        line: &HeaderValue,
        read: impl FnOnce(&HeaderValue) -> Result<HostPort, BadHead>,
    ) -> Result<HostPort, BadHead> {
        if let Some((kept, host)) = &self.host
            && kept == line
        {
            return Ok(host.clone());
        }
        let host = read(line)?;
        self.host = Some((line.clone(), host.clone()));
        Ok(host)
    }

    /// The token in a request's only Cookie line. `cookie` finds the value in it.
    pub(super) fn token<'l>(
        &mut self,
        sessions: &Sessions,
        (line, host): (&'l HeaderValue, &Host),
        cookie: impl FnOnce(&'l HeaderValue) -> Option<&'l [u8]>,
    ) -> Option<Token> {
        let ring = sessions.ring();
        if let Some(proof) = &self.proof
            && proof.line == *line
            && proof.host == *host
            && Arc::ptr_eq(&proof.ring, &ring)
        {
            return Some(proof.token.clone());
        }
        let token = Token::verify(&ring, cookie(line)?, host.as_str())?;
        self.proof = Some(Proof {
            line: line.clone(),
            host: host.clone(),
            ring: Arc::clone(&ring),
            token: token.clone(),
        });
        Some(token)
    }

    /// The forwarding headers of an earlier request.
    pub(super) fn forwarding(&self) -> Option<Arc<Forwarding>> {
        self.forwarding.clone()
    }

    /// Leaves them for the next one.
    pub(super) fn keep_forwarding(&mut self, forwarding: Arc<Forwarding>) {
        self.forwarding = Some(forwarding);
    }
}
