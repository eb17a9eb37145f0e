//! Sessions: who is signed in, and how a request proves that it speaks for them.
//!
//! A session is a list of authentications of one user. Each host that the browser visits holds its
//! own token to it ([`token`]): a MAC binds it to the host, the store knows only its hash. A
//! request's token is looked up in memory ([`hot`]); the store is asked on a miss ([`sessions`]).
//! What the session says of its person is packed there ([`contents`]), and what a route makes of it
//! kept beside ([`Session::view`]).
//! A login, or a ticket from another host, makes a new token ([`open`]). What ends a session is
//! written to the store first and reaches every process by the change feed ([`follow`]); streams
//! that are open under it are cut ([`streams`]).

mod contents;
mod follow;
mod hot;
mod kept;
mod open;
mod recheck;
mod sessions;
mod streams;
#[cfg(test)]
mod tests;
mod token;
mod tokens;

use std::{any::Any, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use self::{
    contents::Packed,
    hot::{Pulse, UserMarks},
};
pub(crate) use self::{
    contents::{Contents, Principal},
    kept::{KeptWith, sid_hash},
    open::*,
    sessions::*,
    streams::*,
    token::*,
    tokens::TokensError,
};
use crate::{
    clock::Timestamp,
    identity::UserId,
    store::{IdentityRecord, SessionId, SessionRecord, StoreError, UserRecord},
};

/// A signed-in person. It was alive when it was found; [`Sessions`] watches that it stays so.
#[derive(Debug)]
pub(crate) struct Session {
    id: SessionId,
    user: SessionUser,
    expires_at: Timestamp,
    packed: Packed,
    pulse: Arc<Pulse>,
    user_marks: Arc<UserMarks>,
    /// How the session's mark and the user's stood when this copy was read.
    seen: u64,
    views: ArcSwapOption<View>,
}

/// What every request may need of the user.
#[derive(Clone, Debug)]
pub(crate) struct SessionUser {
    pub(crate) id: UserId,
    pub(crate) blocked: bool,
    /// The place of the mark.
    mark: u16,
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
    generation: u32,
    route: u32,
}

impl ViewKey {
    /// Of a route in this generation. Nobody has as many of either as would not fit.
    pub(crate) fn new(generation: u64, route: usize) -> Self {
        Self {
            generation: u32::try_from(generation).unwrap_or(u32::MAX),
            route: u32::try_from(route).unwrap_or(u32::MAX),
        }
    }
}

/// A view, and those that were made before it: most sessions visit few routes.
#[derive(Debug)]
struct View {
    key: ViewKey,
    value: Arc<dyn Any + Send + Sync>,
    older: Option<Arc<View>>,
}

impl Session {
    /// A record with everything it speaks of, and nothing else: tokens are not kept in memory,
    /// and there are many sessions. When and how often a user or an identity was written is in
    /// the store.
    fn new(
        record: SessionRecord,
        mut user: UserRecord,
        mut identities: Vec<IdentityRecord>,
        user_marks: &Arc<UserMarks>,
    ) -> Result<Self, StoreError> {
        identities.retain(|known| {
            record.authentications.iter().any(|held| {
                held.connection == known.identity.connection
                    && held.subject == known.identity.subject
            })
        });
        for known in &mut identities {
            (known.created_at, known.refreshed_at) = Default::default();
        }
        (user.created_at, user.updated_at, user.last_login_at) = Default::default();
        (user.logins, user.version) = Default::default();
        let contents = Contents {
            user,
            authentications: record.authentications,
            identities,
            created_at: record.created_at,
        };
        Ok(Self {
            id: record.id,
            packed: Packed::new(&contents)?,
            user: SessionUser {
                mark: UserMarks::place(&contents.user.id),
                blocked: contents.user.blocked,
                id: contents.user.id,
            },
            expires_at: record.expires_at,
            pulse: Arc::new(Pulse::new(record.last_used_at)),
            user_marks: user_marks.clone(),
            seen: 0,
            views: ArcSwapOption::empty(),
        })
    }

    /// Whether nothing has changed since this copy was read.
    pub(crate) fn is_current(&self) -> bool {
        self.seen == self.marks_now()
    }

    /// Marks are only ever raised, so their sum stays the same only if both do.
    fn marks_now(&self) -> u64 {
        let user = self.user_marks.now(self.user.mark);
        self.pulse.mark.now().wrapping_add(user)
    }

    /// The same, for tests elsewhere.
    #[cfg(test)]
    pub(crate) fn for_test(
        record: SessionRecord,
        user: UserRecord,
        identities: Vec<IdentityRecord>,
    ) -> Self {
        let user_marks = hot::Hot::new(0).user_marks;
        Self::new(record, user, identities, &user_marks).unwrap()
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn user(&self) -> &SessionUser {
        &self.user
    }

    /// The absolute end.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    pub(crate) fn last_used_at(&self) -> Timestamp {
        self.pulse.last_used()
    }

    /// Everything it says of its person. This unpacks: what each request needs is to be kept in a
    /// view.
    pub(crate) fn contents(&self) -> Contents {
        self.packed.contents()
    }

    /// A number that is another one when the contents are others.
    pub(crate) fn digest(&self) -> u64 {
        self.packed.digest()
    }

    /// A value worked out once for this version of the session, this route and this
    /// configuration. Those of other configurations are forgotten.
    pub(crate) fn view<T: Send + Sync + 'static>(
        &self,
        key: ViewKey,
        make: impl FnOnce(&Self) -> T,
    ) -> Arc<T> {
        if let Some(view) = self.held_view(key).and_then(|view| view.downcast().ok()) {
            return view;
        }
        let made = Arc::new(make(self));
        self.views.rcu(|views| {
            let same = |view: &&Arc<View>| view.key.generation == key.generation;
            Arc::new(View {
                key,
                value: made.clone(),
                older: views.as_ref().filter(same).cloned(),
            })
        });
        made
    }

    fn held_view(&self, key: ViewKey) -> Option<Arc<dyn Any + Send + Sync>> {
        let views = self.views.load();
        let mut next = views.as_deref();
        while let Some(view) = next {
            if view.key == key {
                return Some(view.value.clone());
            }
            next = view.older.as_deref();
        }
        None
    }
}
