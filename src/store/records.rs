//! The rows.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Event, FactorRecord};
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

/// What a one-time thing is for. Two purposes never meet, whatever their bytes are.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Purpose {
    /// A message that asks the old address whether the account may have a new one.
    AllowEmail,
    /// A proof that came from a provider: code, assertion id, `jti`, `state`.
    Answer,
    /// A client certificate that was shown at another origin, on its way to the login.
    Certificate,
    /// The first proof, while a second factor is awaited.
    Factor,
    /// A code by mail that is to be the second factor.
    FactorCode,
    /// A message that confirms the new address of an account.
    ChangeEmail,
    /// Who has agreed to a new address.
    EmailSide,
    /// A flow that ended in a session.
    Flow,
    /// A ticket that gives another host its own handle.
    Handover,
    /// One of the few tries at a code that was sent.
    CodeTry,
    /// One process at a time does something.
    Lease,
    /// A code that was sent by mail, for one browser.
    MailedCode,
    /// Which message of several to one account counts.
    NewestMail,
    /// The first-run link that makes the owner.
    Owner,
    /// A proof, while the person is asked whether another session or account ends.
    Pending,
    /// A message that leads to a new password.
    ResetPassword,
    /// A message by which somebody signs in.
    SignIn,
    /// Where a person goes on when the provider has ended its session too.
    SignOut,
    /// A trial login that the operator asked for.
    Trial,
    /// A message that lets somebody in again at whose account too much was guessed.
    Unblock,
    /// The first proof, while the address of the account is to be confirmed.
    Unverified,
    /// A message that confirms the address of an account.
    VerifyEmail,
}

impl Purpose {
    /// The name in the store. Never reuse one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AllowEmail => "allow-email",
            Self::Answer => "answer",
            Self::Certificate => "certificate",
            Self::Factor => "factor",
            Self::FactorCode => "factor-code",
            Self::ChangeEmail => "change-email",
            Self::EmailSide => "email-side",
            Self::Flow => "flow",
            Self::Handover => "handover",
            Self::CodeTry => "code-try",
            Self::Lease => "lease",
            Self::MailedCode => "mailed-code",
            Self::NewestMail => "newest-mail",
            Self::Owner => "owner",
            Self::Pending => "pending",
            Self::ResetPassword => "reset-password",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::Trial => "trial",
            Self::Unblock => "unblock",
            Self::Unverified => "unverified",
            Self::VerifyEmail => "verify-email",
        }
    }
}

/// The key of a one-time thing: its purpose and the hash of its bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct OneTimeKey {
    pub(crate) purpose: Purpose,
    pub(crate) hash: [u8; 32],
}

/// A use that must be the first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OneTimeUse {
    /// Nothing was stored before; the use itself is noted until the time given.
    First { key: OneTimeKey, until: Timestamp },
    /// The row was put by us and is taken away; `now` decides whether it has run out.
    Row { key: OneTimeKey, now: Timestamp },
}

impl OneTimeUse {
    /// What is used.
    pub(crate) const fn key(&self) -> OneTimeKey {
        match self {
            Self::First { key, .. } | Self::Row { key, .. } => *key,
        }
    }
}

/// A row that is handed out once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OneTimeRow {
    pub(crate) key: OneTimeKey,
    pub(crate) payload: Vec<u8>,
    pub(crate) until: Timestamp,
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Counts {
    /// Logins that were begun from one address by a call to the provider.
    BegunAddress,
    /// The same from one network.
    BegunNetwork,
    /// Wrong codes out of messages to one address, from browsers it does not know.
    CodeGuess,
    /// The same within a day.
    CodeGuessDay,
    /// Wrong codes out of messages to one address, from one browser it knows.
    CodeGuessKnownBrowser,
    /// Wrong one-time passwords of one user.
    Factor,
    /// The same within a day.
    FactorDay,
    /// Messages with a code for the second step of one user.
    FactorMail,
    /// Failed logins to one account from browsers it does not know.
    LoginAccount,
    /// The same from one network.
    LoginAccountNetwork,
    /// Failed logins from one address.
    LoginAddress,
    /// Failed logins in all.
    LoginAll,
    /// Failed logins to one account from one browser it knows.
    LoginKnownBrowser,
    /// Failed logins from one network.
    LoginNetwork,
    /// Messages that were asked for from one address.
    MailAddress,
    /// Messages that were asked for in all.
    MailAll,
    /// Codes out of messages that were tried in one flow.
    MailCode,
    /// Messages that one browser asked for to an address that it knows.
    MailKnownBrowser,
    /// Messages that were asked for by one name.
    MailName,
    /// Messages that were asked for from one network.
    MailNetwork,
    /// Messages to one address.
    MailRecipient,
    /// Messages to one account at which too much was guessed.
    MailUnblock,
    /// Wrong recovery codes of one user.
    Recovery,
    /// Messages to sign in with, to one address.
    SignInMail,
    /// The same, asked for from one network.
    SignInMailNetwork,
    /// Sign-ups from one address.
    SignUpAddress,
    /// Sign-ups in all.
    SignUpAll,
    /// Sign-ups from one network.
    SignUpNetwork,
    /// Text messages that were asked for from one address.
    TextAddress,
    /// Text messages of one connection.
    TextAll,
    /// Text messages to the numbers of one block.
    TextBlock,
    /// Text messages to the numbers of one country.
    TextCountry,
    /// Text messages that one browser asked for to a number that it knows.
    TextKnownBrowser,
    /// Text messages that were asked for from one network.
    TextNetwork,
    /// Text messages to one number, within an hour.
    TextNumber,
    /// The same within a day.
    TextNumberDay,
}

impl Counts {
    /// The name in the store. Never reuse one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BegunAddress => "begun-address",
            Self::BegunNetwork => "begun-network",
            Self::CodeGuess => "code-guess",
            Self::CodeGuessDay => "code-guess-day",
            Self::CodeGuessKnownBrowser => "code-guess-known-browser",
            Self::Factor => "factor",
            Self::FactorDay => "factor-day",
            Self::FactorMail => "factor-mail",
            Self::LoginAccount => "login-account",
            Self::LoginAccountNetwork => "login-account-network",
            Self::LoginAddress => "login-address",
            Self::LoginAll => "login-all",
            Self::LoginKnownBrowser => "login-known-browser",
            Self::LoginNetwork => "login-network",
            Self::MailAddress => "mail-address",
            Self::MailAll => "mail-all",
            Self::MailCode => "mail-code",
            Self::MailKnownBrowser => "mail-known-browser",
            Self::MailName => "mail-name",
            Self::MailNetwork => "mail-network",
            Self::MailRecipient => "mail-recipient",
            Self::MailUnblock => "mail-unblock",
            Self::Recovery => "recovery",
            Self::SignInMail => "sign-in-mail",
            Self::SignInMailNetwork => "sign-in-mail-network",
            Self::SignUpAddress => "sign-up-address",
            Self::SignUpAll => "sign-up-all",
            Self::SignUpNetwork => "sign-up-network",
            Self::TextAddress => "text-address",
            Self::TextAll => "text-all",
            Self::TextBlock => "text-block",
            Self::TextCountry => "text-country",
            Self::TextKnownBrowser => "text-known-browser",
            Self::TextNetwork => "text-network",
            Self::TextNumber => "text-number",
            Self::TextNumberDay => "text-number-day",
        }
    }
}

/// One of a fixed number of counters: 65,536 for each thing counted. Whoever counts maps a key to
/// a slot with a secret hash, so an outsider can neither grow the store nor aim at a slot.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Counter {
    pub(crate) counts: Counts,
    pub(crate) slot: u16,
}

/// One use of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spend {
    pub(crate) counter: Counter,
    pub(crate) limit: u32,
    pub(crate) window: Duration,
}

/// Whether there was something left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Budget {
    Exhausted { until: Timestamp },
    Spent { left: u32 },
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
