//! Sessions: who is signed in, and how a request proves that it speaks for them.
//!
//! A session is a list of authentications of one user. Each host that the browser visits holds its
//! own token to it ([`token`]): a MAC binds it to the host, the store knows only its hash. A
//! request's token is looked up in memory ([`hot`]); the store is asked on a miss ([`sessions`]).
//! A login, or a ticket from another host, makes a new token ([`open`]). What ends a session is
//! written to the store first and reaches every process by the change feed ([`follow`]); streams
//! that are open under it are cut ([`streams`]).

mod follow;
mod hot;
mod open;
mod sessions;
mod streams;
#[cfg(test)]
mod tests;
mod token;

use std::{any::Any, sync::Arc, time::Duration};

use parking_lot::RwLock;

use self::hot::{Mark, Pulse};
pub(crate) use self::{open::*, sessions::*, streams::*, token::*};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId},
    store::{IdentityRecord, SessionId, SessionRecord, UserRecord},
};

/// A signed-in person. It was alive when it was found; [`Sessions`] watches that it stays so.
#[derive(Debug)]
pub(crate) struct Session {
    record: SessionRecord,
    user: UserRecord,
    identities: Vec<IdentityRecord>,
    pulse: Arc<Pulse>,
    user_mark: Arc<Mark>,
    /// How the session's mark and the user's stood when this copy was read.
    seen: (u64, u64),
    views: RwLock<Vec<(ViewKey, Arc<dyn Any + Send + Sync>)>>,
}

/// How long sessions live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Lifetimes {
    /// Without a request.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) absolute: Duration,
    /// How long the cache is trusted while the store does not answer.
    pub(crate) stale_for: Duration,
}

/// What a derived view of a session depends on besides the session's version: the generation of
/// the configuration and the number of the route in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ViewKey {
    pub(crate) generation: u64,
    pub(crate) route: usize,
}

impl Session {
    /// A record with everything it speaks of, and nothing else: tokens are not kept in memory,
    /// and there are many sessions.
    fn new(
        mut record: SessionRecord,
        user: UserRecord,
        mut identities: Vec<IdentityRecord>,
    ) -> Self {
        (record.sealed, record.sids) = (Vec::new(), Vec::new());
        record.user_agent = String::new();
        record.authentications.shrink_to_fit();
        identities.retain(|known| {
            record.authentications.iter().any(|held| {
                held.connection == known.identity.connection
                    && held.subject == known.identity.subject
            })
        });
        identities.shrink_to_fit();
        Self {
            pulse: Arc::new(Pulse::new(record.last_used_at)),
            record,
            user,
            identities,
            user_mark: Arc::default(),
            seen: (0, 0),
            views: RwLock::default(),
        }
    }

    /// Whether nothing has changed since this copy was read.
    pub(crate) fn is_current(&self) -> bool {
        self.seen == (self.pulse.mark.now(), self.user_mark.now())
    }

    /// The same, for tests elsewhere.
    #[cfg(test)]
    pub(crate) fn for_test(
        record: SessionRecord,
        user: UserRecord,
        identities: Vec<IdentityRecord>,
    ) -> Self {
        Self::new(record, user, identities)
    }

    pub(crate) fn id(&self) -> SessionId {
        self.record.id
    }

    /// What is stored, without what is sealed and what the lists show: those are in the store.
    pub(crate) fn record(&self) -> &SessionRecord {
        &self.record
    }

    pub(crate) fn user(&self) -> &UserRecord {
        &self.user
    }

    pub(crate) fn last_used_at(&self) -> Timestamp {
        self.pulse.last_used()
    }

    /// The person as one of these connections knows them: by the newest authentication among
    /// them. `None` when the session holds none, and then the route is not open to it.
    pub(crate) fn principal(&self, offered: &[ConnectionId]) -> Option<Principal<'_>> {
        let authentication = self
            .record
            .authentications
            .iter()
            .filter(|held| offered.contains(&held.connection))
            .max_by_key(|held| held.auth_time)?;
        let identity = self.identities.iter().find(|known| {
            known.identity.connection == authentication.connection
                && known.identity.subject == authentication.subject
        })?;
        Some(Principal {
            user: &self.user,
            authentication,
            identity,
        })
    }

    /// A value worked out once for this version of the session, this route and this
    /// configuration. Older generations are forgotten.
    pub(crate) fn view<T: Send + Sync + 'static>(
        &self,
        key: ViewKey,
        make: impl FnOnce(&Self) -> T,
    ) -> Arc<T> {
        let held = self
            .views
            .read()
            .iter()
            .find(|(held, _)| *held == key)
            .map(|(_, v)| v.clone());
        if let Some(view) = held.and_then(|view| view.downcast::<T>().ok()) {
            return view;
        }
        let view = Arc::new(make(self));
        let mut views = self.views.write();
        views.retain(|(held, _)| held.generation == key.generation && *held != key);
        views.push((key, view.clone()));
        view
    }
}

/// The person a decision is about: a user, as one identity and one authentication show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Principal<'a> {
    pub(crate) user: &'a UserRecord,
    pub(crate) authentication: &'a Authentication,
    pub(crate) identity: &'a IdentityRecord,
}
