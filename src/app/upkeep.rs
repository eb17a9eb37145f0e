//! What goes on beside the requests: changes are followed, rotated keys taken into use, and what is
//! over is removed.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::time::{MissedTickBehavior, interval};

use super::{App, recheck, tend};
use crate::{
    headers::assertion::Assertions,
    metrics,
    proxy::Live,
    store::{EventKind, StoreError},
};

impl App {
    /// What goes on beside the requests, for as long as the process lives.
    ///
    /// The feed is followed apart from the rest: a slow sweep must not delay a revocation.
    pub(crate) async fn watch(&self, live: &ArcSwap<Live>) {
        let clock = self.clock.as_ref();
        tokio::join!(
            self.follow(live),
            self.keep_house(),
            tend::tend(live, clock),
            recheck::recheck(live, &self.sessions, clock)
        );
    }

    async fn follow(&self, live: &ArcSwap<Live>) {
        let mut follow = interval(Duration::from_millis(250));
        follow.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keys_are_stale = false;
        loop {
            follow.tick().await;
            match self.sessions.follow().await {
                Ok(changed) => keys_are_stale |= changed,
                Err(error) => note_failure(&error),
            }
            if keys_are_stale {
                // Until it has worked: the notice comes once.
                keys_are_stale = !self.refresh_keys(live).await;
            }
        }
    }

    async fn keep_house(&self) {
        let mut flush = interval(Duration::from_secs(10));
        let mut sweep = interval(Duration::from_secs(60));
        let mut streams = interval(Duration::from_secs(2));
        for timer in [&mut flush, &mut sweep, &mut streams] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            let done = tokio::select! {
                _ = flush.tick() => self.sessions.flush().await,
                _ = sweep.tick() => self.sweep().await,
                _ = streams.tick() => {
                    self.sessions.watch_streams();
                    Ok(())
                }
            };
            if let Err(error) = done {
                note_failure(&error);
            }
        }
    }

    /// Removes what is over.
    async fn sweep(&self) -> Result<(), StoreError> {
        self.sessions.sweep().await?;
        let longest = self.sessions.lifetimes().absolute;
        self.keys.drop_expired(longest).await.map(drop)
    }

    /// The key ring was rotated, here or elsewhere. Says whether the new keys are in use.
    async fn refresh_keys(&self, live: &ArcSwap<Live>) -> bool {
        let read = self.keys.refresh().await;
        let signing = read.and_then(|()| Ok(self.keys.signing()?));
        let issuer = live.load().site.engine.base.login.clone();
        match signing.map(|keys| Assertions::new(&issuer, keys)) {
            Ok(Ok(assertions)) => {
                live.load().site.assertions.store(Arc::new(assertions));
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the rotated keys cannot be used");
                false
            }
            Err(error) => {
                tracing::error!(%error, "the rotated keys cannot be read");
                false
            }
        }
    }

    /// A connection that is gone, or switched off, ends the sessions that came by it.
    pub(super) async fn end_removed(&self, before: &Live, live: &ArcSwap<Live>) {
        let now = live.load_full();
        for (connection, _) in before.site.engine.connections.all_enabled() {
            if now
                .site
                .engine
                .connections
                .enabled(connection.id())
                .is_some()
            {
                continue;
            }
            let event = crate::store::Event::new(
                self.clock.now(),
                EventKind::SessionRevoked,
                "connection-removed",
            )
            .connection(connection.id());
            let whose = crate::store::Whose::Connection(connection.id().clone());
            if let Err(error) = self.sessions.revoke_all(&whose, event).await {
                tracing::error!(%error, connection = %connection.id(), "sessions were not ended");
            }
        }
    }
}

fn note_failure(error: &StoreError) {
    metrics::STORE_ERRORS.inc();
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the storage failed"
    );
}
