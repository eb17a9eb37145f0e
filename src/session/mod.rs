//! Sessions: who is signed in, and how a request proves that it speaks for them.
//!
//! A session is a list of authentications of one user. Each host that the browser visits holds its
//! own token to it ([`token`]): a MAC binds it to the host, the store knows only its hash. A
//! request's token is looked up in the cache ([`sessions`]); the store is asked on a miss. What
//! ends a session is written to the store first and reaches every cache by the change feed
//! ([`follow`]); streams that are open under it are cut ([`streams`]).

mod follow;
mod sessions;
mod streams;
mod token;

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

pub(crate) use self::{sessions::*, streams::*, token::*};
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
    last_used: AtomicI64,
    /// The last use that was handed on to be written.
    noted: AtomicI64,
    views: RwLock<Vec<(ViewKey, Arc<dyn Any + Send + Sync>)>>,
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
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
    /// For [`Sessions`] and tests: a record with everything it speaks of.
    pub(in crate::session) fn new(
        record: SessionRecord,
        user: UserRecord,
        identities: Vec<IdentityRecord>,
    ) -> Self {
        let last_used = AtomicI64::new(record.last_used_at.millis());
        let noted = AtomicI64::new(record.last_used_at.millis());
        Self {
            record,
            user,
            identities,
            last_used,
            noted,
            views: RwLock::default(),
        }
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

    pub(crate) fn record(&self) -> &SessionRecord {
        &self.record
    }

    pub(crate) fn user(&self) -> &UserRecord {
        &self.user
    }

    pub(crate) fn last_used_at(&self) -> Timestamp {
        Timestamp::from_millis(self.last_used.load(Ordering::Relaxed))
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
