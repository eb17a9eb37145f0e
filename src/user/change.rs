//! What is done to users as a whole: blocking and deleting; and to what a connection's name stands
//! for.

use super::{Directory, Origin, TRIES};
use crate::{
    connection::Connection,
    identity::{ConnectionId, Subject, UserId},
    store::{EventKind, Pin, Pinned, Renamed, StoreError},
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("the user {0} is blocked")]
    Blocked(UserId),
    #[error("the user's record changes too fast; try again")]
    Contended,
    /// The user's id is made of it, and a login that finds it nowhere would want the same id.
    #[error("{0} is named after this identity; link the other identities to another user instead")]
    Founding(UserId),
    #[error("{0} has no other identity to sign in with; delete the user instead")]
    Last(UserId),
    #[error("{0} is an owner; link the other identity to them instead")]
    Owner(UserId),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no identity {1} of connection {0}")]
    UnknownIdentity(ConnectionId, Subject),
    #[error("there is no user {0}")]
    UnknownUser(UserId),
    /// Who is unlinked would be named so.
    #[error("there is a user {0} already; link the identity to them instead")]
    UserTaken(UserId),
}

/// Why a connection keeps its name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenameError {
    #[error("the name {to} stands for {} {} already; use another one", is.strategy, is.issuer)]
    Differs { to: ConnectionId, is: Pin },
    #[error("it has that name already")]
    Same,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("somebody has signed in by a connection {0} already; use another name")]
    Taken(ConnectionId),
    #[error("nobody has signed in by a connection {0}, and it stands for nothing")]
    Unknown(ConnectionId),
}

/// A connection's name stands for something else than it did.
#[derive(Debug, thiserror::Error)]
#[error(
    "the name {connection} stood for {} {}, and is now set to {} {}: its users would become \
     somebody else's; use another name, or run `vestibule connections adopt {connection}` if it means the \
     same people, or `vestibule connections rename {connection} NEW` if these have another \
     connection now",
    was.strategy, was.issuer, is.strategy, is.issuer
)]
pub(crate) struct PinDiffers {
    connection: ConnectionId,
    was: Pin,
    is: Pin,
}

impl Directory {
    /// Bars a user. Whoever calls ends their sessions. `Ok(false)`: they were barred already.
    pub(crate) async fn block(&self, id: &UserId, origin: &Origin) -> Result<bool, ChangeError> {
        self.set_blocked(id, true, origin).await
    }

    /// Lets a user in again.
    pub(crate) async fn unblock(&self, id: &UserId, origin: &Origin) -> Result<bool, ChangeError> {
        self.set_blocked(id, false, origin).await
    }

    async fn set_blocked(
        &self,
        id: &UserId,
        blocked: bool,
        origin: &Origin,
    ) -> Result<bool, ChangeError> {
        for _ in 0..TRIES {
            let found = self.users.find(id).await?;
            let mut user = found.ok_or_else(|| ChangeError::UnknownUser(id.clone()))?;
            if user.blocked == blocked {
                return Ok(false);
            }
            let now = self.clock.now();
            let kind = if blocked {
                EventKind::UserBlocked
            } else {
                EventKind::UserUnblocked
            };
            let was = user.version;
            user.blocked = blocked;
            user.updated_at = now;
            user.version = was + 1;
            let event = origin.event(now, kind, "operator").user(id);
            if self.users.replace(user, was, Some(event.clone())).await? {
                event.log();
                return Ok(true);
            }
        }
        Err(ChangeError::Contended)
    }

    /// Removes a user with all identities and accounts; the handle stays taken. The reason says who
    /// wants that.
    pub(crate) async fn delete(
        &self,
        id: &UserId,
        reason: &str,
        origin: &Origin,
    ) -> Result<(), ChangeError> {
        let event = origin
            .event(self.clock.now(), EventKind::UserDeleted, reason)
            .user(id);
        if self.users.delete(id, event.clone()).await? {
            event.log();
            Ok(())
        } else {
            Err(ChangeError::UnknownUser(id.clone()))
        }
    }

    /// Notes what the names of connections stand for, or finds those that stand for something else.
    /// No login may go through a connection before this.
    pub(crate) async fn check_pins<'c>(
        &self,
        connections: impl IntoIterator<Item = &'c dyn Connection>,
    ) -> Result<Vec<PinDiffers>, StoreError> {
        let pins = connections.into_iter();
        let pins: Vec<_> = pins.map(|one| (one.id().clone(), one.pin())).collect();
        let said = self.users.pin(&pins).await?;
        let differs = |((connection, is), said)| match said {
            Pinned::Same => None,
            Pinned::Differs(was) => Some(PinDiffers {
                connection,
                was,
                is,
            }),
        };
        Ok(pins.into_iter().zip(said).filter_map(differs).collect())
    }

    /// Gives a connection another name; says how many identities it has. Users keep their ids,
    /// which still begin with the old name: applications know them by these.
    pub(crate) async fn rename(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
        origin: &Origin,
    ) -> Result<u64, RenameError> {
        if from == to {
            return Err(RenameError::Same);
        }
        let event = origin.event(self.clock.now(), EventKind::ConnectionRenamed, "operator");
        let event = event.connection(to);
        match self.users.rename(from, to, event.clone()).await? {
            Renamed::Differs(pin) => Err(RenameError::Differs {
                to: to.clone(),
                is: pin,
            }),
            Renamed::Renamed(identities) => {
                tracing::info!(%from, %to, identities, "a connection has another name");
                event.log();
                Ok(identities)
            }
            Renamed::Taken => Err(RenameError::Taken(to.clone())),
            Renamed::Unknown => Err(RenameError::Unknown(from.clone())),
        }
    }

    /// Lets a connection's name stand for what it is set to now.
    pub(crate) async fn adopt(
        &self,
        connection: &dyn Connection,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let id = connection.id();
        let event = origin.event(self.clock.now(), EventKind::ConnectionAdopted, "operator");
        let event = event.connection(id);
        self.users
            .adopt(id, &connection.pin(), event.clone())
            .await?;
        event.log();
        Ok(())
    }
}
