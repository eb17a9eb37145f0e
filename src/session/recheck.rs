//! People who are signed in are looked up again, now and then: who is gone at the provider is signed
//! out, and so is who has lost a group; what else is new about them is taken in.

use std::time::Duration;

use super::Sessions;
use crate::{
    connection::{Recheck, Rechecked, Rejection},
    crypto,
    identity::{ConnectionId, Groups, Identity, Subject},
    store::{Event, EventKind, OneTimeKey, Purpose, StoreError, Whose},
};

/// So many people are asked about at once.
const AT_ONCE: usize = 50;
/// One process has so long for them before another may begin.
const GRACE: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rechecks {
    /// People who were asked about.
    pub(crate) asked: usize,
    /// Those whose sessions have ended.
    pub(crate) ended: usize,
}

/// Why it came to nothing. Nobody is signed out for that.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecheckError {
    #[error("the provider did not answer")]
    Provider(#[from] Rejection),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Asks a provider about all who are signed in by it. `None`: another process does it, or has done
    /// it a moment ago.
    pub(crate) async fn recheck(
        &self,
        connection: &ConnectionId,
        recheck: &dyn Recheck,
    ) -> Result<Option<Rechecks>, RecheckError> {
        let lease = OneTimeKey {
            purpose: Purpose::Lease,
            hash: crypto::sha256_parts(&[b"recheck", connection.as_str().as_bytes()]),
        };
        let now = self.clock.now();
        let until = now + recheck.every().saturating_sub(GRACE);
        if !self.store.lease(&lease, now, until).await? {
            return Ok(None);
        }
        let done = self.recheck_all(connection, recheck).await;
        if done.is_err() {
            self.store.release(&lease).await?;
        }
        done.map(Some)
    }

    async fn recheck_all(
        &self,
        connection: &ConnectionId,
        recheck: &dyn Recheck,
    ) -> Result<Rechecks, RecheckError> {
        let mut done = Rechecks::default();
        let mut after: Option<Subject> = None;
        loop {
            let some = self
                .store
                .signed_in(connection, after.as_ref(), AT_ONCE)
                .await?;
            let Some(last) = some.last() else {
                return Ok(done);
            };
            done.asked += some.len();
            for (subject, now) in recheck.recheck(&some, self.clock.now()).await? {
                let ended = match now {
                    Rechecked::Gone => {
                        self.end_identity(connection, &subject, "recheck-gone")
                            .await?;
                        true
                    }
                    Rechecked::Stands(identity) => self.take_in(&identity).await?,
                };
                done.ended += usize::from(ended);
            }
            after = Some(last.clone());
        }
    }

    /// Keeps what is said of somebody now; whether their sessions have ended for that.
    async fn take_in(&self, identity: &Identity) -> Result<bool, StoreError> {
        let (connection, subject) = (&identity.connection, &identity.subject);
        let Some(user) = self.users.find_by_identity(connection, subject).await? else {
            self.end_identity(connection, subject, "recheck-gone")
                .await?;
            return Ok(true);
        };
        let known = self.users.identities(&user.id).await?.into_iter();
        let known = known
            .map(|record| record.identity)
            .find(|known| known.connection == *connection && known.subject == *subject);
        if known.as_ref() == Some(identity) {
            return Ok(false);
        }
        let lost = known.is_some_and(|known| has_lost(&known.groups, &identity.groups));
        if lost {
            // First: what is lost is seen only until it is taken in.
            self.end_identity(connection, subject, "recheck-group-removed")
                .await?;
        }
        self.users
            .refresh_identity(identity, self.clock.now())
            .await?;
        self.forget_user(&user.id);
        Ok(lost)
    }

    async fn end_identity(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
        why: &str,
    ) -> Result<(), StoreError> {
        let event = Event::new(self.clock.now(), EventKind::SessionRevoked, why);
        let event = event.connection(connection);
        tracing::info!(%connection, %subject, why, "sessions end: the provider says otherwise now");
        let whose = Whose::Identity(connection.clone(), subject.clone());
        self.revoke_all(&whose, event).await.map(drop)
    }
}

/// Whether there was a group that is not there any more. What is not known lets no rule pass.
fn has_lost(before: &Groups, now: &Groups) -> bool {
    let gone = |name: &String| !now.names().contains(name);
    before.names().iter().any(gone)
}
