//! Client certificates as a way to sign in: who holds the key of a certificate is whom it names.
//!
//! A login asks nobody anything. The handshake has proven the key, [`Desk`] finds the certificate
//! good, and that is all; a session so made ends with the certificate at the latest.
//!
//! Whether a certificate was revoked is asked at each login and not between, and a living session is
//! ended by hand. [`Connection::recheck`] would be the place to ask again: it is told who is signed in,
//! and would have to be told by which certificate too, kept in [`Kept::data`].

mod open;

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Authenticated, Check, Connection, ConnectionData, Facts, Kept, Mapping, Peer, Rejection, Reply,
    Start, Step, Tended,
    certificate::{self, CHECKS, Desk, Refused, Shown, SubjectFrom, Verified},
};
use crate::{
    clock::{Clock, Timestamp},
    identity::{ConnectionId, Identity},
    store::Pin,
};

/// What is set besides the common keys.
pub(crate) type Config = certificate::Config;

/// People with certificates.
#[derive(Debug)]
pub(crate) struct Mtls {
    id: ConnectionId,
    desk: Desk,
    subject: SubjectFrom,
    mapping: Mapping,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Connection for Mtls {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Authorities are renewed, and go by other names then; whom they name stays the same. Another
    /// part of the certificate names other people.
    fn pin(&self) -> Pin {
        Pin {
            strategy: "mtls".to_owned(),
            issuer: self.subject.name().to_owned(),
        }
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let shown = self.desk.begin(&start).await;
        self.step(shown, start.peer.now)
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let shown = match kept {
            Some(_) => self.desk.resume(reply, peer).await,
            None => Err(Refused::Unasked),
        };
        self.step(shown, peer.now)
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let reached = self.desk.authorities().reach(self.clock.now());
        reached.map_err(|refused| refused.rejection(&self.id))
    }

    fn checks(&self) -> Vec<Check> {
        CHECKS.to_vec()
    }

    fn certificates(&self) -> Option<&Desk> {
        Some(&self.desk)
    }

    async fn facts(&self) -> Facts {
        let mut facts = self.desk.authorities().facts();
        if let Some(origin) = self.desk.origin() {
            facts.insert(
                "certificates_shown_at".to_owned(),
                origin.to_string().into(),
            );
        }
        facts
    }

    async fn tend(&self) -> Tended {
        self.desk.authorities().tend(self.clock.now())
    }
}

impl Mtls {
    fn step(&self, shown: Result<Shown, Refused>, now: Timestamp) -> Result<Step, Rejection> {
        let step = shown.and_then(|shown| match shown {
            Shown::Elsewhere(step) => Ok(step),
            Shown::By(verified) => {
                let who = Box::new(self.authenticated(*verified, now)?);
                Ok(Step::Done { who })
            }
        });
        step.map_err(|refused| refused.rejection(&self.id))
    }

    fn authenticated(&self, verified: Verified, now: Timestamp) -> Result<Authenticated, Refused> {
        let Verified {
            subject,
            claims,
            not_after,
        } = verified;
        let (profile, groups) = self.mapping.apply(&claims)?;
        let identity = Identity {
            connection: self.id.clone(),
            subject,
            profile,
            claims,
            groups,
        };
        let kept = Kept {
            ends: Some(not_after),
            ..Kept::default()
        };
        let amr = self.desk.amr().to_vec();
        Ok(Authenticated::new(identity, now, amr, None).keeping(kept))
    }
}
