//! The proof that a request may pass.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Missing, Reason, expression::Person};
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

    /// The connection that opened the route. `None` for nobody.
    pub(crate) fn connection(&self) -> Option<&ConnectionId> {
        let (_, view) = self.holder.as_ref()?;
        Some(&view.held.as_ref()?.connection)
    }

    /// Something about the person as that connection knows them; it is worked out anew each time.
    /// `None` for nobody.
    pub(crate) fn with_principal<T>(&self, then: impl FnOnce(&Principal<'_>) -> T) -> Option<T> {
        let connection = std::slice::from_ref(self.connection()?);
        let contents = self.session()?.contents();
        contents.principal(connection).map(|who| then(&who))
    }

    /// Whether both speak for the same version of the same session before the same policy, or for
    /// nobody.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.holder, &other.holder) {
            (None, None) => true,
            (Some((_, view)), Some((_, other))) => Arc::ptr_eq(view, other),
            _ => false,
        }
    }

    /// Whether there is something [`kept`](Self::kept).
    pub(crate) fn keeps(&self, make: impl Fn(&Principal<'_>) -> Option<Box<[u8]>>) -> bool {
        self.keeper(make).is_some()
    }

    /// What somebody makes of the person, which hangs on the route and the configuration and on
    /// nothing else; it is made once and kept with the session. `None` for nobody, and when there
    /// is nothing that could be made.
    pub(crate) fn kept(&self, make: impl Fn(&Principal<'_>) -> Option<Box<[u8]>>) -> Option<Bytes> {
        // No copy: the view stays for as long as anybody reads what it keeps.
        let view = self.keeper(make)?.clone();
        Some(Bytes::from_owner(Kept(view)))
    }

    fn keeper(&self, make: impl Fn(&Principal<'_>) -> Option<Box<[u8]>>) -> Option<&Arc<View>> {
        let (_, view) = self.holder.as_ref()?;
        if view.kept.get().is_none() {
            let fresh = self.with_principal(make)?;
            view.kept.get_or_init(|| fresh);
        }
        view.kept.get()?.as_ref()?;
        Some(view)
    }
}

/// What a policy makes of a session, kept with it.
#[derive(Debug)]
pub(in crate::policy) struct View {
    pub(in crate::policy) blocked: bool,
    /// `None`: the session holds no authentication of an offered connection.
    pub(in crate::policy) held: Option<Held>,
    /// One value for whoever uses the permit; inside, `None` if it cannot be made.
    kept: OnceLock<Option<Box<[u8]>>>,
}

/// A reader of what a view keeps.
struct Kept(Arc<View>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        let kept = self.0.kept.get().and_then(Option::as_deref);
        kept.unwrap_or_default()
    }
}

/// What hangs on the person, as one authentication shows them.
#[derive(Debug)]
pub(in crate::policy) struct Held {
    pub(in crate::policy) connection: ConnectionId,
    pub(in crate::policy) auth_time: Timestamp,
    /// The first `deny` rule that holds or fails, of those that do not look at the request.
    pub(in crate::policy) denied: Option<(u32, Reason)>,
    /// The first such `allow` rule that holds.
    pub(in crate::policy) allowed: Option<u32>,
    /// What `require` misses, its age aside.
    pub(in crate::policy) lacks: Option<Missing>,
    /// For the rules that do look at the request, if there are any.
    pub(in crate::policy) person: Option<Box<Person>>,
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
