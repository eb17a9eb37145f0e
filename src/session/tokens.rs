//! A provider's tokens for an application: read from the store, for they are never in memory, and
//! fetched anew before they end, by one request for all.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::{KeptWith, Session, Sessions};
use crate::{
    clock::Timestamp,
    connection::{Kept, ProviderTokens, Refresh, RefreshError, Refreshed, Rejection},
    crypto,
    identity::{Authentication, ConnectionId},
    problem::Causes,
    store::{Event, EventKind, OneTimeKey, Purpose, SessionId, SessionRecord, StoreError},
};

/// How long one process has; then another one tries.
const LEASE: Duration = Duration::from_secs(30);
/// How long a refresh may take, which must not go on when another process begins.
const DEADLINE: Duration = Duration::from_secs(25);
/// How long one waits for another process, and after one that failed.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often is looked whether another process has done it.
const POLL: Duration = Duration::from_millis(200);
/// How often a change of the session by somebody else is written over.
const TRIES: u8 = 5;
/// Those of sessions that nobody waits for are removed when there are more than this.
const FEW_TURNS: usize = 1024;

/// One turn for each session whose tokens are being fetched in this process.
#[derive(Debug, Default)]
pub(super) struct Refreshing(Mutex<HashMap<SessionId, Arc<Turn>>>);

/// Whoever holds it fetches; inside, when that last failed.
type Turn = tokio::sync::Mutex<Option<Timestamp>>;

impl Refreshing {
    fn turn_of(&self, id: SessionId, now: Timestamp) -> Arc<Turn> {
        let mut all = self.0.lock();
        if all.len() >= FEW_TURNS {
            // One that failed long ago is of no use to the next, either.
            let recent = |turn: &Turn| {
                turn.try_lock()
                    .is_ok_and(|failed| failed.is_some_and(|at| now.since(at) < PATIENCE))
            };
            all.retain(|_, turn| Arc::strong_count(turn) > 1 || recent(turn));
        }
        all.entry(id).or_default().clone()
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
    /// The provider failed a moment ago.
    #[error("the provider gave no new tokens a moment ago")]
    Away,
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
        let turn = self.refreshing.turn_of(id, self.clock.now());
        let mut failed = turn.lock().await;
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
            // Whoever waited for somebody whose try failed does not try again at once.
            if failed.is_some_and(|at| now.since(at) < PATIENCE) {
                return still_good(tokens, now).map(Some).ok_or(TokensError::Away);
            }
            let lease = lease_of(&record);
            if self.store.lease(&lease, now, now + LEASE).await? {
                let asked = refresh.refresh(&kept.kept, &kept.subject, now);
                let asked = timeout(DEADLINE, asked).await;
                if !matches!(asked, Ok(Ok(_) | Err(RefreshError::Disowned(_)))) {
                    *failed = Some(self.clock.now());
                }
                return match asked {
                    Ok(Ok(refreshed)) => self.write_tokens(id, &kept, refreshed, refresh).await,
                    Ok(Err(RefreshError::Disowned(rejection))) => {
                        self.disown(id, connection, &rejection).await?;
                        Err(TokensError::Disowned(rejection))
                    }
                    Ok(Err(RefreshError::Failed {
                        kept: replaced,
                        rejection,
                    })) => {
                        if let Some(replaced) = replaced {
                            self.write_kept(id, &kept, replaced).await?;
                        }
                        self.store.release(&lease).await?;
                        let good = still_good(tokens, now).map(Some);
                        good.ok_or(TokensError::Failed(rejection))
                    }
                    // Nobody knows what came of it: the lease goes on to its end.
                    Err(_) => still_good(tokens, now).map(Some).ok_or(TokensError::Away),
                };
            }
            // Another process is at it, or it failed a moment ago: nobody waits for that while what
            // there is will do.
            if let Some(tokens) = still_good(tokens, now) {
                return Ok(Some(tokens));
            }
            if now.since(begun) > PATIENCE {
                return Err(TokensError::Away);
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

    async fn write_tokens(
        &self,
        id: SessionId,
        of: &KeptWith,
        refreshed: Refreshed,
        refresh: &dyn Refresh,
    ) -> Result<Option<FreshTokens>, TokensError> {
        if let Some(newer) = self.write_kept(id, of, refreshed.kept.clone()).await? {
            // The person has signed in anew meanwhile.
            let tokens = refresh.tokens(&newer.data);
            return Ok(tokens.and_then(|tokens| still_good(tokens, self.clock.now())));
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
        Ok(Some(FreshTokens {
            tokens,
            refreshed: true,
        }))
    }

    /// Puts this in the place of what was read; or returns what somebody else has put there since.
    async fn write_kept(
        &self,
        id: SessionId,
        read: &KeptWith,
        kept: Kept,
    ) -> Result<Option<Kept>, TokensError> {
        for _ in 0..TRIES {
            let mut record = self.store.find(id).await?.ok_or(TokensError::Over)?;
            let is_of = |one: &&Authentication| {
                one.connection == read.connection && one.subject == read.subject
            };
            let proof = record.authentications.iter().find(is_of).cloned();
            let proof = proof.ok_or(TokensError::Over)?;
            let held = self.kept(&record).into_iter();
            let mut held =
                held.filter(|one| one.connection == read.connection && one.subject == read.subject);
            if let Some(newer) = held.next_back().filter(|held| held.kept != read.kept) {
                return Ok(Some(newer.kept));
            }
            let was = record.version;
            self.keep(&mut record, &proof, kept.clone())?;
            if self.store.replace(record, was).await? {
                return Ok(None);
            }
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

/// Whoever holds it may fetch the tokens of this state of the session: a refresh token that is
/// replaced with each use must not be used twice.
fn lease_of(record: &SessionRecord) -> OneTimeKey {
    let state = [
        &record.id.0[..],
        &record.version.to_be_bytes(),
        &record.sealed,
    ];
    OneTimeKey {
        purpose: Purpose::Lease,
        hash: crypto::sha256_parts(&state),
    }
}

/// Whether tokens last long enough not to be fetched anew.
fn lasts(tokens: &ProviderTokens, now: Timestamp) -> bool {
    tokens.lasting.is_none_or(|lasting| lasting.renew_at > now)
}

/// Tokens that are good for a moment yet.
fn still_good(tokens: ProviderTokens, now: Timestamp) -> Option<FreshTokens> {
    let good = (tokens.lasting).is_none_or(|lasting| lasting.expires_at > now);
    good.then_some(FreshTokens {
        tokens,
        refreshed: false,
    })
}
