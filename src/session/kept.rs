//! What strategies keep with a session: a provider's tokens, what it calls its own session.
//!
//! It is one sealed blob in the session's record, with the session's id as its place, so that a
//! stolen store is not a pile of tokens and a blob that is carried to another session does not open
//! there. It never comes into the cache.

use serde::{Deserialize, Serialize};

use super::Sessions;
use crate::{
    connection::Kept,
    crypto::{self, Place, Purpose},
    identity::{Authentication, ConnectionId, Subject},
    store::{SessionId, SessionRecord, StoreError},
};

/// What one authentication of a session keeps.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct KeptWith {
    #[serde(rename = "c")]
    pub(crate) connection: ConnectionId,
    #[serde(rename = "s")]
    pub(crate) subject: Subject,
    #[serde(rename = "k")]
    pub(crate) kept: Kept,
}

impl KeptWith {
    fn is_of(&self, one: &Authentication) -> bool {
        self.connection == one.connection && self.subject == one.subject
    }
}

/// How the store knows what a provider calls its session: hashed with the connection, for other
/// providers may use the same words.
pub(crate) fn sid_hash(connection: &ConnectionId, sid: &str) -> [u8; 32] {
    crypto::sha256(format!("{connection}\0{sid}").as_bytes())
}

impl Sessions {
    /// What the strategies keep with this session, oldest proof first. What no key opens any more
    /// is as good as nothing: it was kept to go on with, and the session goes on without it.
    pub(crate) fn kept(&self, record: &SessionRecord) -> Vec<KeptWith> {
        if record.sealed.is_empty() {
            return Vec::new();
        }
        let opened = crypto::open(&self.ring.load(), place(&[&record.id.0]), &record.sealed);
        let read = opened
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        read.unwrap_or_else(|| {
            tracing::warn!(session = %record.id, "what a session keeps of its provider does not open");
            Vec::new()
        })
    }

    /// What the strategies keep with the session of this id.
    pub(crate) async fn kept_by(&self, id: SessionId) -> Result<Vec<KeptWith>, StoreError> {
        let record = self.store.find(id).await?;
        Ok(record.map_or_else(Vec::new, |record| self.kept(&record)))
    }

    /// Puts what one authentication keeps into the record, instead of what it kept before.
    pub(super) fn keep(
        &self,
        record: &mut SessionRecord,
        of: &Authentication,
        kept: Kept,
    ) -> Result<(), StoreError> {
        let mut all = self.kept(record);
        // Those whose authentication went are of no use any more.
        let held = &record.authentications;
        all.retain(|one| !one.is_of(of) && held.iter().any(|proof| one.is_of(proof)));
        if kept != Kept::default() {
            all.push(KeptWith {
                connection: of.connection.clone(),
                subject: of.subject.clone(),
                kept,
            });
        }
        let sids = all.iter().flat_map(|one| {
            let sids = one.kept.sids.iter();
            sids.map(|sid| sid_hash(&one.connection, sid))
        });
        record.sids = sids.collect();
        record.sealed = if all.is_empty() {
            Vec::new()
        } else {
            let text =
                serde_json::to_vec(&all).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let (ring, random) = (self.ring.load(), self.random.as_ref());
            crypto::seal(&ring, place(&[&record.id.0]), &text, random)
        };
        Ok(())
    }
}

fn place<'a>(context: &'a [&'a [u8]]) -> Place<'a> {
    Place {
        purpose: Purpose::Session,
        context,
    }
}
