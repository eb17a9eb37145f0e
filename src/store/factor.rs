//! Second factors: what a person proves besides their first proof.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Event, StoreError};
use crate::{clock::Timestamp, identity::UserId};

/// The name of a factor. It opens nothing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FactorId(pub(crate) [u8; 16]);

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for FactorId {
    type Err = BadFactorId;

    fn from_str(text: &str) -> Result<Self, BadFactorId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadFactorId);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| BadFactorId)
    }
}

impl TryFrom<String> for FactorId {
    type Error = BadFactorId;

    fn try_from(text: String) -> Result<Self, BadFactorId> {
        text.parse()
    }
}

impl From<FactorId> for String {
    fn from(id: FactorId) -> Self {
        id.to_string()
    }
}

/// Not the 32 hexadecimal digits of a factor's id.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a factor's id has 32 hexadecimal digits")]
pub(crate) struct BadFactorId;

/// A second factor of a user. One that exists was proven once: there is no half of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FactorRecord {
    pub(crate) id: FactorId,
    pub(crate) user: UserId,
    pub(crate) kind: FactorKind,
    /// What the person calls it.
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// What the factor is, with what is kept of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FactorKind {
    /// Time-based one-time passwords (RFC 6238).
    Totp {
        /// The secret, sealed for this factor of this user.
        sealed: Vec<u8>,
        /// The last time step whose password was accepted; neither it nor one before is again.
        last_step: u64,
    },
    /// A WebAuthn credential. Its id is made of the credential's own, so that whoever shows one is
    /// found by it, and nobody has one that somebody else has.
    Passkey {
        /// What is known of it, sealed for this credential.
        sealed: Vec<u8>,
        /// What the authenticator counted last; 0 where it does not count.
        counter: u64,
    },
}

impl FactorKind {
    /// The name in the store and in what programs read. Never reuse one.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Passkey { .. } => "passkey",
            Self::Totp { .. } => "totp",
        }
    }
}

/// How [`FactorStore::add_factor`] ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FactorAdded {
    Added,
    /// There is a factor of this id: the form was sent twice.
    Exists,
    /// The user has as many as they may have.
    TooMany,
    /// There is no such user.
    UnknownUser,
}

/// The second factors of users, and the recovery codes that stand in for a lost one.
///
/// They belong to the user, not to an identity: who is deleted takes them along, and where an
/// identity is moved to another user, each user keeps their own.
#[async_trait]
pub(crate) trait FactorStore: fmt::Debug + Send + Sync {
    /// A factor by its id, and whose it is.
    async fn find_factor(&self, id: FactorId) -> Result<Option<FactorRecord>, StoreError>;
    /// A user's factors, oldest first. A kind that this program does not know is an error, since
    /// passing over it would let somebody in without it.
    async fn factors(&self, user: &UserId) -> Result<Vec<FactorRecord>, StoreError>;
    /// Adds a factor to a user who has fewer than `most`. Two at once are counted one after the
    /// other.
    async fn add_factor(
        &self,
        factor: FactorRecord,
        most: usize,
        event: Event,
    ) -> Result<FactorAdded, StoreError>;
    /// Gives a factor of this user another name; `false` when they have none of this id.
    async fn rename_factor(
        &self,
        user: &UserId,
        id: FactorId,
        name: &str,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Removes a factor of this user, and with the last one their recovery codes.
    async fn remove_factor(
        &self,
        user: &UserId,
        id: FactorId,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Notes that a one-time password of this time step was used; `false` when one of it, or of a
    /// later one, was used before, or the factor is gone.
    async fn use_step(&self, id: FactorId, step: u64, event: Event) -> Result<bool, StoreError>;
    /// Notes that a passkey was used, with what is known of it now; `false` when its counter did not
    /// go up (one that stays at 0 is none), or it is gone.
    async fn use_passkey(
        &self,
        id: FactorId,
        known: (u64, &[u8]),
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Gives a factor of one user to another; `false` when `from` has none of this id.
    async fn move_factor(
        &self,
        id: FactorId,
        from: &UserId,
        to: &UserId,
    ) -> Result<bool, StoreError>;
    /// Replaces all recovery codes of a user by these (hashes); `false` when they have no factor
    /// that could be lost.
    async fn replace_recovery_codes(
        &self,
        user: &UserId,
        hashes: &[[u8; 32]],
        event: Option<Event>,
    ) -> Result<bool, StoreError>;
    /// How many recovery codes of a user are left.
    async fn recovery_codes_left(&self, user: &UserId) -> Result<u64, StoreError>;
    /// Uses a recovery code up: `true` for the first caller only.
    async fn use_recovery_code(
        &self,
        user: &UserId,
        hash: &[u8; 32],
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Removes all factors and recovery codes of a user; says how many factors there were. Nothing
    /// is recorded where there was nothing.
    async fn reset_factors(&self, user: &UserId, event: Event) -> Result<u64, StoreError>;
}
