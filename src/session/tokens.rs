//! A provider's tokens for an application: read from the store, for they are never in memory, and
//! fetched anew before they end, by one request for all.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::sleep;

use super::{KeptWith, Session, Sessions};
use crate::{
    clock::Timestamp,
    connection::{ProviderTokens, Refresh, RefreshError, Refreshed, Rejection},
    crypto,
    identity::ConnectionId,
    problem::Causes,
    store::{
        Event, EventKind, OneTimeKey, OneTimeUse, Purpose, SessionId, SessionRecord, StoreError,
    },
};

/// Tokens are fetched anew when they have no longer than this.
const EARLY: Duration = Duration::from_secs(30);
/// How long one process may take; then another one tries.
const LEASE: Duration = Duration::from_secs(15);
/// How often is looked whether another process has done it.
const POLL: Duration = Duration::from_millis(200);
/// How often a change of the session by somebody else is written over.
const TRIES: u8 = 5;
/// Locks of sessions that nobody waits for are removed when there are more than this.
const FEW_LOCKS: usize = 1024;

/// One lock for each session whose tokens are being fetched in this process.
#[derive(Debug, Default)]
pub(super) struct Refreshing(Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>);

impl Refreshing {
    fn lock_of(&self, id: SessionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock();
        if let Some(lock) = all.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        if all.len() >= FEW_LOCKS {
            all.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        all.insert(id, Arc::downgrade(&lock));
        lock
    }
}

/// Tokens that are good now.
#[derive(Debug)]
pub(crate) struct FreshTokens {
    pub(crate) tokens: ProviderTokens,
    /// They were fetched just now: what is known of the person may be new.
    pub(crate) refreshed: bool,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    /// The provider does not stand by this session, which has ended.
    #[error("the session has ended, for its provider does not stand by it")]
    Disowned(#[source] Rejection),
    #[error("the provider gave no new tokens")]
    Failed(#[source] Rejection),
    /// The session has ended meanwhile.
    #[error("the session has ended")]
    Over,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// The tokens that a connection's provider gave for this session. `None`: it gave none, or they
    /// have ended and no new ones can be had.
    pub(crate) async fn provider_tokens(
        &self,
        session: &Session,
        connection: &ConnectionId,
        refresh: &dyn Refresh,
    ) -> Result<Option<FreshTokens>, TokensError> {
        let id = session.id();
        let Some((_, _, tokens)) = self.read_tokens(id, connection, refresh).await? else {
            return Ok(None);
        };
        if lasts(&tokens, self.clock.now()) {
            return Ok(Some(FreshTokens {
                tokens,
                refreshed: false,
            }));
        }
        if !tokens.renewable {
            return Ok(still_good(tokens, self.clock.now()));
        }
        let lock = self.refreshing.lock_of(id);
        let _guard = lock.lock().await;
        let begun = self.clock.now();
        loop {
            let Some((record, kept, tokens)) = self.read_tokens(id, connection, refresh).await?
            else {
                return Ok(None);
            };
            let now = self.clock.now();
            if lasts(&tokens, now) {
                // Somebody else has done it.
                return Ok(Some(FreshTokens {
                    tokens,
                    refreshed: true,
                }));
            }
            if self.lease(&record, now).await? {
                return match refresh.refresh(&kept.kept, &kept.subject, now).await {
                    Ok(refreshed) => self.write_tokens(id, &kept, refreshed, refresh).await,
                    Err(RefreshError::Disowned(rejection)) => {
                        self.disown(id, connection, &rejection).await?;
                        Err(TokensError::Disowned(rejection))
                    }
                    Err(RefreshError::Failed(rejection)) => match still_good(tokens, now) {
                        Some(tokens) => Ok(Some(tokens)),
                        None => Err(TokensError::Failed(rejection)),
                    },
                };
            }
            // Another process is at it, or it failed a moment ago: nobody waits for that while what
            // there is will do.
            if let Some(tokens) = still_good(tokens, now) {
                return Ok(Some(tokens));
            }
            if now.since(begun) > LEASE {
                return Ok(None);
            }
            sleep(POLL).await;
        }
    }

    /// The session's record, and what its newest proof by this connection keeps.
    async fn read_tokens(
        &self,
        id: SessionId,
        connection: &ConnectionId,
        refresh: &dyn Refresh,
    ) -> Result<Option<(SessionRecord, KeptWith, ProviderTokens)>, TokensError> {
        let record = self.store.find(id).await?.ok_or(TokensError::Over)?;
        let mut kept = self.kept(&record).into_iter();
        let newest = kept.rfind(|one| one.connection == *connection);
        Ok(newest.and_then(|kept| {
            let tokens = refresh.tokens(&kept.kept.data)?;
            Some((record, kept, tokens))
        }))
    }

    /// Whether this process may fetch the tokens of this state of the session: a refresh token that
    /// is replaced with each use must not be used twice.
    async fn lease(&self, record: &SessionRecord, now: Timestamp) -> Result<bool, StoreError> {
        let state = [
            &record.id.0[..],
            &record.version.to_be_bytes(),
            &record.sealed,
        ];
        let key = OneTimeKey {
            purpose: Purpose::Lease,
            hash: crypto::sha256_parts(&state),
        };
        let until = now + LEASE;
        self.store.first_use(OneTimeUse::First { key, until }).await
    }

    async fn write_tokens(
        &self,
        id: SessionId,
        of: &KeptWith,
        refreshed: Refreshed,
        refresh: &dyn Refresh,
    ) -> Result<Option<FreshTokens>, TokensError> {
        for _ in 0..TRIES {
            let mut record = self.store.find(id).await?.ok_or(TokensError::Over)?;
            let proof = record.authentications.iter();
            let mut proof =
                proof.filter(|one| one.connection == of.connection && one.subject == of.subject);
            let proof = proof.next().cloned().ok_or(TokensError::Over)?;
            let was = record.version;
            self.keep(&mut record, &proof, refreshed.kept.clone())?;
            if !self.store.replace(record, was).await? {
                continue;
            }
            if let Some(identity) = &refreshed.identity {
                self.users
                    .refresh_identity(identity, self.clock.now())
                    .await?;
            }
            // What is in memory may speak of groups that are gone.
            self.forget_session(id, false);
            let tokens = refresh
                .tokens(&refreshed.kept.data)
                .ok_or(TokensError::Over)?;
            return Ok(Some(FreshTokens {
                tokens,
                refreshed: true,
            }));
        }
        Err(TokensError::Over)
    }

    async fn disown(
        &self,
        id: SessionId,
        connection: &ConnectionId,
        rejection: &Rejection,
    ) -> Result<(), StoreError> {
        let event = Event::new(
            self.clock.now(),
            EventKind::SessionRevoked,
            "refresh-refused",
        )
        .connection(connection)
        .session(id);
        tracing::warn!(
            error = %Causes(rejection),
            connection = %connection,
            session = %id,
            "a session was ended: its provider does not stand by it any more"
        );
        self.revoke(id, event).await.map(drop)
    }
}

/// Whether tokens last long enough not to be fetched anew.
fn lasts(tokens: &ProviderTokens, now: Timestamp) -> bool {
    tokens.expires_at.is_none_or(|end| end > now + EARLY)
}

/// Tokens that are good for a moment yet.
fn still_good(tokens: ProviderTokens, now: Timestamp) -> Option<FreshTokens> {
    let good = tokens.expires_at.is_none_or(|end| end > now);
    good.then_some(FreshTokens {
        tokens,
        refreshed: false,
    })
}
