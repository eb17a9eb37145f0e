//! The proof that a request may pass.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use super::{Answer, Missing, expression::Person};
use crate::{
    clock::Timestamp,
    identity::ConnectionId,
    session::{Principal, Session},
};

/// A request may act as this session, or as nobody. [`Policy::decide`](super::Policy::decide)
/// makes it and nothing else does.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    holder: Option<(Arc<Session>, Arc<View>)>,
}

impl Permit {
    pub(in crate::policy) fn nobody() -> Self {
        Self { holder: None }
    }

    pub(in crate::policy) fn somebody(session: Arc<Session>, view: Arc<View>) -> Self {
        Self {
            holder: Some((session, view)),
        }
    }

    /// The session the request acts as; `None` is nobody, on a public path.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.holder.as_ref().map(|(session, _)| session)
    }

    /// The person as the connection knows them that opened the route.
    pub(crate) fn principal(&self) -> Option<Principal<'_>> {
        let (session, view) = self.holder.as_ref()?;
        let held = view.held.as_ref()?;
        session.principal(std::slice::from_ref(&held.connection))
    }

    /// A value that hangs on the person, the route and the configuration alone, made once and
    /// kept with the session. `None` for nobody.
    pub(crate) fn kept<T: Send + Sync + 'static>(
        &self,
        make: impl Fn(&Principal<'_>) -> T,
    ) -> Option<Arc<T>> {
        let (_, view) = self.holder.as_ref()?;
        if let Some(kept) = view.kept.get() {
            return kept.clone().downcast().ok();
        }
        let fresh: Arc<T> = Arc::new(make(&self.principal()?));
        let kept = view.kept.get_or_init(|| fresh);
        kept.clone().downcast().ok()
    }
}

/// What a policy makes of a session, kept with it.
#[derive(Debug)]
pub(in crate::policy) struct View {
    pub(in crate::policy) blocked: bool,
    /// `None`: the session holds no authentication of an offered connection.
    pub(in crate::policy) held: Option<Held>,
    /// One value for whoever uses the permit.
    kept: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// What hangs on the person, as one authentication shows them.
#[derive(Debug)]
pub(in crate::policy) struct Held {
    pub(in crate::policy) connection: ConnectionId,
    pub(in crate::policy) auth_time: Timestamp,
    /// The first `deny` rule that holds or fails, of those that do not look at the request.
    pub(in crate::policy) denied: Option<(usize, Answer)>,
    /// The first such `allow` rule that holds.
    pub(in crate::policy) allowed: Option<usize>,
    /// What `require` misses, its age aside.
    pub(in crate::policy) lacks: Option<Missing>,
    pub(in crate::policy) person: Person,
}

impl View {
    pub(in crate::policy) fn empty(blocked: bool) -> Self {
        Self {
            blocked,
            held: None,
            kept: OnceLock::new(),
        }
    }

    pub(in crate::policy) fn holding(blocked: bool, held: Held) -> Self {
        Self {
            blocked,
            held: Some(held),
            kept: OnceLock::new(),
        }
    }
}
