//! The rows of sessions, users, their accounts and the keys, and how writing them ends.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Event, FactorRecord, OneTimeUse, Purpose};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Identity, Profile, Subject, UserId},
};

/// The public name of a session, for lists and revocation. It opens nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionId(pub(crate) [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for SessionId {
    type Err = BadSessionId;

    fn from_str(text: &str) -> Result<Self, BadSessionId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadSessionId);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| BadSessionId)
    }
}

/// Not the 32 hexadecimal digits of a session id.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a session id has 32 hexadecimal digits")]
pub(crate) struct BadSessionId;

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of what a session cookie carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct HandleHash(pub(crate) [u8; 32]);

/// A signed-in person, as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SessionRecord {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    /// Oldest first; at most one per connection and subject.
    pub(crate) authentications: Vec<Authentication>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    /// The absolute end.
    pub(crate) expires_at: Timestamp,
    /// Where the login came from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
    /// SHA-256 of the provider's `sid` or SessionIndex with its connection, for logout from there.
    pub(crate) sids: Vec<[u8; 32]>,
    /// Tokens and connection data under the key ring; empty when there are none.
    pub(crate) sealed: Vec<u8>,
    pub(crate) version: u64,
}

/// What one host's cookie opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HandleRecord {
    pub(crate) hash: HandleHash,
    pub(crate) session: SessionId,
    /// The canonical host that the handle is good for.
    pub(crate) host: String,
    pub(crate) created_at: Timestamp,
}

/// A session found by one of its handles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) host: String,
    pub(crate) session: SessionRecord,
}

/// What a login writes.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) record: SessionRecord,
    /// `Some`: the session exists in this version and gets a new state (and a new handle);
    /// `None`: it is new.
    pub(crate) was: Option<u64>,
    pub(crate) handle: HandleRecord,
    /// Another session that ends with this login (somebody else's in the same browser).
    pub(crate) ends: Option<SessionId>,
    /// The handle that the browser had so far.
    pub(crate) drops: Option<HandleHash>,
    pub(crate) uses: Vec<OneTimeUse>,
    /// When the request came that brought the proof, the newest of `record.authentications`. A
    /// provider's `auth_time` may be hours older.
    pub(crate) proven_at: Timestamp,
    pub(crate) event: Event,
}

/// How [`SessionStore::issue`](super::SessionStore::issue) ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Issued {
    /// One of the things to be used once was used before.
    AlreadyUsed(Purpose),
    /// The session changed or ended since it was read.
    Changed,
    Issued,
    /// All sessions of this user or kind were ended after the proof was given.
    Outdated,
}

/// Which sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Whose {
    All,
    Connection(ConnectionId),
    Identity(ConnectionId, Subject),
    Sid([u8; 32]),
    User(UserId),
    /// All of a user's but one.
    UserExcept(UserId, SessionId),
}

/// Something that caches must notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// All sessions that hold an identity of this connection.
    Connection(ConnectionId),
    Keys,
    /// A session changed or ended.
    Session(SessionId),
    /// A user, one of their identities, or all their sessions.
    User(UserId),
}

/// What a feed answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Changes {
    /// Some were swept: everything may have changed; the feed goes on after `newest`.
    Gap { newest: u64 },
    /// In order; `newest` is the number of the last one (or of the last one seen).
    Listed { changes: Vec<Change>, newest: u64 },
}

/// Vestibule's own record of a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct UserRecord {
    pub(crate) id: UserId,
    /// The short name for applications that want one: unique, claimed once, never reassigned.
    pub(crate) handle: String,
    pub(crate) profile: Profile,
    /// What the person may change about themselves.
    pub(crate) user_metadata: Map<String, Value>,
    /// What only the operator may change.
    pub(crate) app_metadata: Map<String, Value>,
    pub(crate) blocked: bool,
    pub(crate) owner: bool,
    /// The connection whose `sync_profile` mode rules this profile: the one of the last login.
    pub(crate) synced_by: ConnectionId,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) last_login_at: Option<Timestamp>,
    pub(crate) logins: u64,
    pub(crate) version: u64,
}

/// An identity that belongs to a user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct IdentityRecord {
    pub(crate) user: UserId,
    pub(crate) identity: Identity,
    pub(crate) created_at: Timestamp,
    /// When the connection last asserted it.
    pub(crate) refreshed_at: Timestamp,
}

/// The credentials of one person in a database connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AccountRecord {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    /// As typed, and the normalised form that a login is looked up by.
    pub(crate) email: Option<Login>,
    pub(crate) username: Option<Login>,
    pub(crate) email_verified: bool,
    /// PHC string format.
    pub(crate) password_hash: String,
    /// Those before it, the last one first: as many as the connection's rules ask for.
    pub(crate) previous_hashes: Vec<String>,
    pub(crate) password_changed_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) version: u64,
}

/// A name to sign in with. Unique over e-mail addresses and usernames of a connection together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Login {
    pub(crate) typed: String,
    pub(crate) normalised: String,
}

/// What [`UserStore::create`](super::UserStore::create) writes.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) user: UserRecord,
    pub(crate) identity: Identity,
    pub(crate) account: Option<AccountRecord>,
    /// The passkey that they sign in with.
    pub(crate) factor: Option<FactorRecord>,
    /// The owner's first-run link, used up by this.
    pub(crate) uses: Vec<OneTimeUse>,
    pub(crate) event: Event,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Created {
    AlreadyUsed(Purpose),
    Created,
    /// Another user has, or once had, this handle.
    HandleTaken,
    /// The identity belongs to somebody already.
    IdentityTaken,
    /// The e-mail address or username signs in somebody else.
    LoginTaken,
}

/// How [`UserStore::unlink`](super::UserStore::unlink) ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unlinked {
    /// Somebody else has this handle, or had it once.
    HandleTaken,
    /// Nobody has this identity.
    UnknownIdentity,
    Unlinked,
    /// There is a user of this id.
    UserTaken,
}

/// How [`UserStore::add_account`](super::UserStore::add_account) ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AccountAdded {
    Added,
    /// They have one.
    Exists,
    /// The e-mail address or username signs in somebody else.
    LoginTaken,
    /// Nobody has this identity.
    NoIdentity,
}

/// What a connection's name stands for: its issuer, entity id, base DN or, for a database
/// connection, itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pin {
    pub(crate) strategy: String,
    pub(crate) issuer: String,
}

/// Whether a name still stands for the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Pinned {
    Differs(Pin),
    Same,
}

/// How [`UserStore::rename`](super::UserStore::rename) ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Renamed {
    /// The new name stands for this already, which is something else.
    Differs(Pin),
    /// So many identities have the new name.
    Renamed(u64),
    /// The new name has identities of its own.
    Taken,
    /// Nothing is known under the old name.
    Unknown,
}

/// One key of the ring, sealed under the root secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyRecord {
    pub(crate) id: u32,
    pub(crate) state: KeyState,
    /// When it came into this state.
    pub(crate) since: Timestamp,
    pub(crate) sealed: Vec<u8>,
}

/// A key's place in the ring.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyState {
    /// Known to everybody, used by nobody yet.
    Next,
    /// Seals and signs.
    Current,
    /// Still opens and verifies.
    Old,
}
