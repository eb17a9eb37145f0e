//! Several identities of one person, and one that leaves.
//!
//! An identity goes over to a user by [`link`](Directory::link), with its account. The user it came
//! from ends with their last one, and what the operator, or that person, had written about them goes
//! by a [`MetadataRule`]. Who is [unlinked](Directory::unlink) is a whole user again, under their own
//! id.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    ChangeError, Directory, NewPerson, Origin, TRIES,
    admit::{Logins, new_user},
    edit::MOST_METADATA,
    handle,
};
use crate::{
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{EventKind, Unlinked, UserRecord},
};

/// What the user who stays gets of the metadata of one who ends in them. What is theirs is never
/// overwritten.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MetadataRule {
    /// The keys that their `user_metadata` has not. `app_metadata` may be what allows something, so
    /// it stays the operator's own.
    #[default]
    Fill,
    /// The keys that either of theirs has not.
    FillAll,
    /// Nothing.
    Keep,
}

/// Not a rule.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a rule for metadata is fill, fill-all or keep")]
pub(crate) struct NoMetadataRule;

impl FromStr for MetadataRule {
    type Err = NoMetadataRule;

    fn from_str(text: &str) -> Result<Self, NoMetadataRule> {
        match text {
            "fill" => Ok(Self::Fill),
            "fill-all" => Ok(Self::FillAll),
            "keep" => Ok(Self::Keep),
            _ => Err(NoMetadataRule),
        }
    }
}

impl Directory {
    /// Gives an identity to another user; says whose it was: the caller ends the sessions that
    /// user has. Whoever asks has proven both, or is the operator; the reason says which. A user
    /// who is left without an identity is removed, when the other has what the rule gives them:
    /// nobody could sign in as them.
    pub(crate) async fn link(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        to: &UserId,
        (reason, rule): (&str, MetadataRule),
        origin: &Origin,
    ) -> Result<Option<UserId>, ChangeError> {
        let unknown = || ChangeError::UnknownIdentity(connection.clone(), subject.clone());
        let target = self.users.find(to).await?;
        let target = target.ok_or_else(|| ChangeError::UnknownUser(to.clone()))?;
        let from = self
            .users
            .find_by_identity(connection, subject)
            .await?
            .ok_or_else(unknown)?;
        if from.id == target.id {
            return Ok(None);
        }
        self.may_move((connection, subject), &from, &target).await?;
        let now = self.clock.now();
        let event = origin.event(now, EventKind::IdentityLinked, reason);
        let event = event.user(to).connection(connection);
        if !self
            .users
            .link(connection, subject, to, event.clone())
            .await?
        {
            return Err(unknown());
        }
        event.log();
        self.passkeys_follow((connection, subject), &from.id, to)
            .await?;
        if self.users.identities(&from.id).await?.is_empty() {
            self.inherit(&from, to, rule, origin).await?;
            let event = origin
                .event(now, EventKind::UserDeleted, "linked-away")
                .user(&from.id);
            self.users.delete(&from.id, event.clone()).await?;
            event.log();
        }
        Ok(Some(from.id))
    }

    async fn may_move(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        from: &UserRecord,
        to: &UserRecord,
    ) -> Result<(), ChangeError> {
        if let Some(blocked) = [from, to].into_iter().find(|user| user.blocked) {
            // Or somebody who is barred would come back as somebody else.
            return Err(ChangeError::Blocked(blocked.id.clone()));
        }
        if from.owner {
            return Err(ChangeError::Owner(from.id.clone()));
        }
        let founding = from.id == UserId::new(connection, subject);
        if founding && self.users.identities(&from.id).await?.len() > 1 {
            return Err(ChangeError::Founding(from.id.clone()));
        }
        Ok(())
    }

    /// Gives a user an identity that was just proven, as they are. `Ok(Some(other))`: it belongs to
    /// another user, from whom [`link`](Self::link) would take it.
    pub(crate) async fn add_identity(
        &self,
        identity: &Identity,
        to: &UserId,
        (reason, origin): (&str, &Origin),
    ) -> Result<Option<UserRecord>, ChangeError> {
        let (connection, subject) = (&identity.connection, &identity.subject);
        let target = self.users.find(to).await?;
        let target = target.ok_or_else(|| ChangeError::UnknownUser(to.clone()))?;
        let now = self.clock.now();
        for _ in 0..TRIES {
            match self.users.find_by_identity(connection, subject).await? {
                Some(user) if user.id == *to => {
                    self.users.refresh_identity(identity, now).await?;
                    return Ok(None);
                }
                Some(other) => {
                    self.may_move((connection, subject), &other, &target)
                        .await?;
                    return Ok(Some(other));
                }
                None => {}
            }
            if target.blocked {
                return Err(ChangeError::Blocked(target.id));
            }
            let founded = UserId::new(connection, subject);
            if founded != *to && self.users.find(&founded).await?.is_some() {
                // That user's identity once, and by its name still.
                return Err(ChangeError::Founding(founded));
            }
            let event = origin.event(now, EventKind::IdentityLinked, reason);
            let event = event.user(to).connection(connection);
            let added = self.users.add_identity(identity, to, event.clone());
            if added.await? {
                event.log();
                return Ok(None);
            }
        }
        Err(ChangeError::Contended)
    }

    /// Gives what the rule says of a user who ends to the one who stays.
    async fn inherit(
        &self,
        from: &UserRecord,
        to: &UserId,
        rule: MetadataRule,
        origin: &Origin,
    ) -> Result<(), ChangeError> {
        for _ in 0..TRIES {
            let Some(before) = self.users.find(to).await? else {
                return Ok(());
            };
            let mut user = before.clone();
            if rule != MetadataRule::Keep {
                fill(&mut user.user_metadata, &from.user_metadata);
            }
            if rule == MetadataRule::FillAll {
                fill(&mut user.app_metadata, &from.app_metadata);
            }
            if user == before {
                return Ok(());
            }
            let now = self.clock.now();
            let was = user.version;
            user.updated_at = now;
            user.version = was + 1;
            let event = origin.event(now, EventKind::UserChanged, "identity-linked");
            let event = event.user(to);
            if self.users.replace(user, was, Some(event.clone())).await? {
                event.log();
                return Ok(());
            }
        }
        Err(ChangeError::Contended)
    }

    /// Makes a user of an identity that another user has, and says whose it was and who it is. They
    /// are blocked if that one is, or somebody who is barred would come back as somebody else.
    pub(crate) async fn unlink(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        reason: &str,
        origin: &Origin,
    ) -> Result<(UserId, UserId), ChangeError> {
        let unknown = || ChangeError::UnknownIdentity(connection.clone(), subject.clone());
        let from = self
            .users
            .find_by_identity(connection, subject)
            .await?
            .ok_or_else(unknown)?;
        let id = UserId::new(connection, subject);
        if from.id == id {
            return Err(ChangeError::Founding(from.id));
        }
        let held = self.users.identities(&from.id).await?;
        // After a rename even the first identity is not what the user is named after.
        if held.len() < 2 {
            return Err(ChangeError::Last(from.id));
        }
        let leaving = held.into_iter().map(|one| one.identity);
        let mut leaving =
            leaving.filter(|one| one.connection == *connection && one.subject == *subject);
        let person = NewPerson {
            identity: leaving.next().ok_or_else(unknown)?,
            account: None,
            factor: None,
            owner: false,
            uses: Vec::new(),
        };
        let now = self.clock.now();
        let mut user = new_user(&person, Logins::None, now);
        user.blocked = from.blocked;
        let event = origin.event(now, EventKind::IdentityUnlinked, reason);
        let event = event.user(&from.id).connection(connection);
        for handle in self.free_handles(&handle::wish(&person.identity), connection) {
            user.handle = handle;
            let unlinked = (self.users)
                .unlink(connection, subject, user.clone(), event.clone())
                .await?;
            match unlinked {
                Unlinked::HandleTaken => {}
                Unlinked::UnknownIdentity => return Err(unknown()),
                Unlinked::Unlinked => {
                    event.log();
                    self.passkeys_follow((connection, subject), &from.id, &id)
                        .await?;
                    return Ok((from.id, id));
                }
                Unlinked::UserTaken => return Err(ChangeError::UserTaken(id)),
            }
        }
        Err(ChangeError::Contended)
    }
}

/// Adds what is not there, as long as the whole is not too large.
fn fill(to: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        if to.contains_key(key) {
            continue;
        }
        to.insert(key.clone(), value.clone());
        let size = serde_json::to_vec(to).map_or(usize::MAX, |text| text.len());
        if size > MOST_METADATA {
            to.remove(key);
        }
    }
}
