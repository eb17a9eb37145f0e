//! Proofs that wait in the store for another step: sealed, and named by one flow of one browser.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Engine, LoginFlow, Visit};
use crate::{
    clock::Timestamp,
    connection::Proof,
    crypto,
    identity::UserId,
    store::{OneTimeKey, Purpose, UserRecord},
};

/// How long the first of two steps is good for.
pub(super) const PENDING: Duration = Duration::from_secs(600);

/// A proof that waits for another step: kept in the store, named by the browser.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Pending {
    pub(super) user: UserId,
    pub(super) proof: Proof,
    /// When the request came that brought it.
    pub(super) proven_at: Timestamp,
}

impl Pending {
    /// A proof that this visit brought, of somebody who was admitted.
    pub(super) fn new(
        user: &UserRecord,
        mut proof: Proof,
        (visit, flow): (&Visit, &LoginFlow),
    ) -> Self {
        let held = &mut proof.authentication;
        // Where the provider does not tell when that was, or was asked to have it proven anew.
        if flow.fresh || held.auth_time == Timestamp::default() {
            held.proven_at = Some(visit.now);
        }
        Self {
            user: user.id.clone(),
            proven_at: proof.renewed_at.unwrap_or(visit.now),
            proof,
        }
    }
}

impl Engine {
    /// What names a row: only the browser of the flow is told, or keeps it sealed.
    pub(super) fn draw_ticket(&self) -> String {
        let ticket: [u8; 32] = self.parts.random.bytes();
        URL_SAFE_NO_PAD.encode(ticket)
    }

    /// A row as the store keeps it: a provider's tokens or a person's claims are in it, so it is
    /// sealed as they are in a session.
    pub(super) fn seal_row(&self, key: &OneTimeKey, row: &impl Serialize) -> Option<Vec<u8>> {
        let text = serde_json::to_vec(row).ok()?;
        let (ring, random) = (self.parts.ring.load(), self.parts.random.as_ref());
        Some(crypto::seal(&ring, row_place(&[&key.hash]), &text, random))
    }

    /// What [`seal_row`](Self::seal_row) made.
    pub(super) fn open_row<T: DeserializeOwned>(&self, key: &OneTimeKey, row: &[u8]) -> Option<T> {
        let ring = self.parts.ring.load();
        let text = crypto::open(&ring, row_place(&[&key.hash]), row).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn row_place<'a>(context: &'a [&'a [u8]]) -> crypto::Place<'a> {
    crypto::Place {
        purpose: crypto::Purpose::OneTime,
        context,
    }
}

/// The row of a ticket in one flow: a ticket is of no use to a browser that holds another flow.
pub(super) fn pending_key(purpose: Purpose, ticket: &str, flow: &str) -> Option<OneTimeKey> {
    let mut ticket = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    (ticket.len() == 32).then(|| {
        ticket.extend_from_slice(flow.as_bytes());
        OneTimeKey {
            purpose,
            hash: crypto::sha256(&ticket),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_in_its_own_flow() {
        let ticket = URL_SAFE_NO_PAD.encode([7; 32]);
        let key = |flow| pending_key(Purpose::Pending, &ticket, flow).map(|key| key.hash);
        assert!(key("a").is_some());
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("b"));
        assert!(pending_key(Purpose::Pending, "", "a").is_none());
        assert!(pending_key(Purpose::Pending, &URL_SAFE_NO_PAD.encode([7; 33]), "").is_none());
    }
}
