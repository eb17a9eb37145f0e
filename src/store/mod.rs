//! What is remembered, and the ports to whatever remembers it.
//!
//! Plain records and the traits of the engines live here; behaviour lives in [`crate::user`] and
//! [`crate::session`]. An engine is one value that implements every port it can ([`sql`] all of
//! them, [`memory`] and [`redis`] those of the sessions), and each runs the suite in `conformance`.
//!
//! Conventions: absent is `Ok(None)`, a lost race is `Ok(false)` or a variant that names it, and an
//! error always means that the store is broken: whoever gets one denies. Whatever is used once is
//! consumed in the transaction of the change it allows. Every change that another process must
//! notice is written to the `changes` feed in the same transaction.

#[cfg(test)]
mod conformance;
mod counts;
mod cutoff;
mod event;
mod factor;
pub(crate) mod memory;
mod one_time;
mod records;
pub(crate) mod redis;
pub(crate) mod sql;

use std::{fmt, time::Duration};

use async_trait::async_trait;

pub(crate) use self::{counts::*, cutoff::*, event::*, factor::*, one_time::*, records::*};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Identity, Subject, UserId},
};

/// The store is broken: away, full, locked or corrupt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// What is stored does not parse: the data or the schema is damaged.
    #[error("the storage holds something unreadable: {0}")]
    Corrupt(String),
    /// No room is left on the device.
    #[error("the storage is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine is there and does not do what it is asked, until somebody does something.
    #[error("the storage refuses: {why}")]
    Refused {
        why: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version of this program has changed the schema in a way that this one cannot read.
    #[error(
        "the storage demands a newer version of Vestibule: its schema is for programs that know \
         number {demands}, this one knows {knows}"
    )]
    TooNew { demands: i64, knows: i64 },
    /// The engine does not answer in time or at all.
    #[error("the storage does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sessions, the handles to them, and everything that is used once on the way to one.
#[async_trait]
pub(crate) trait SessionStore: OneTimeStore + ChangeFeed + fmt::Debug + Send + Sync {
    /// Writes a new session or a new state of one, with the handle that the browser gets, and
    /// consumes what the login used up. All of it or nothing, and nothing for a proof that is not
    /// newer than the last time that all such sessions were ended.
    async fn issue(&self, new: NewSession) -> Result<Issued, StoreError>;
    /// Whether a proof of this user comes too late for a session, as [`issue`](Self::issue) says.
    async fn outdated(
        &self,
        proof: (&UserId, &Authentication),
        proven_at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// The session behind a handle, with the host that the handle is for.
    async fn load(&self, handle: &HandleHash) -> Result<Option<Loaded>, StoreError>;
    /// One session by its id.
    async fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;
    /// Gives a live session a handle, paid for by a one-time row (a hand-over ticket), in place of
    /// those it had for that host. `false`: the ticket was used or ran out, or the session is gone.
    async fn add_handle(
        &self,
        handle: HandleRecord,
        paid: OneTimeUse,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Writes a new state over version `was`, as version `was + 1` and with the later of the two
    /// last uses; never brings a removed session back.
    async fn replace(&self, record: SessionRecord, was: u64) -> Result<bool, StoreError>;
    /// Ends a session: the record and all its handles.
    async fn remove(&self, id: SessionId, event: Option<Event>) -> Result<bool, StoreError>;
    /// Ends many; says how many. Whatever was proven until now for one of these opens no session
    /// any more.
    async fn remove_all(&self, whose: &Whose, event: Option<Event>) -> Result<u64, StoreError>;
    /// Notes last uses, in batches. A time never goes back; unknown sessions are passed over.
    async fn touch(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError>;
    /// The newest sessions first, at most `most`.
    async fn list(&self, whose: &Whose, most: usize) -> Result<Vec<SessionRecord>, StoreError>;
    /// Who is signed in by a connection, in the order of their subjects, after `after`; at most `most`.
    async fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Result<Vec<Subject>, StoreError>;
    /// Lets the sessions with an identity of connection `from` hold it as one of `to`. What a
    /// provider calls its own session is hashed with the name, and stays as it was.
    async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError>;
    /// Removes at most `most` sessions that ended before `now` or were last used before `idle`.
    async fn sweep(&self, now: Timestamp, idle: Timestamp, most: usize) -> Result<u64, StoreError>;
}

/// Things that work once, and counters that run out. Keyed by typed purpose and hash.
#[async_trait]
pub(crate) trait OneTimeStore: fmt::Debug + Send + Sync {
    /// `true` for the first caller only, until `used.until`.
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError>;
    /// Whether something was noted as used, by [`first_use`](Self::first_use) or in the transaction
    /// that issued a session, and still is at `now`.
    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError>;
    /// `true` for the first caller only, until `until` or until it is [released](Self::release).
    async fn lease(
        &self,
        key: &OneTimeKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Gives a lease back before its end.
    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError>;
    /// Keeps a row that [`take`](Self::take) will hand out once, instead of one with the same key.
    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError>;
    /// Reads a row without using it up; `None` when there is none or `now` is past its end.
    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;
    /// Removes and returns a row; the second caller gets `None`, and so does one after its end.
    async fn take(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;
    /// Adds one to a counter unless that would pass `limit` within `window`, atomically. The
    /// window starts with the first count. The number of counters is bounded by the type of
    /// [`Counter`], so nobody can grow the store by failing often.
    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError>;
    /// When a counter that is at `limit` begins anew; `None`, if [`count`](Self::count) would find
    /// something left. Nothing is spent.
    async fn exhausted(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;
    /// Takes one off a counter, for a use that turned out well; never below nothing.
    async fn refund(&self, counter: &Counter) -> Result<(), StoreError>;
    /// Removes at most `most` rows and counters that ended before `now`.
    async fn sweep_one_time(&self, now: Timestamp, most: usize) -> Result<u64, StoreError>;
}

/// What changed, in order, for the caches of every process.
#[async_trait]
pub(crate) trait ChangeFeed: fmt::Debug + Send + Sync {
    /// The number of the newest change; 0 when there was none.
    async fn newest(&self) -> Result<u64, StoreError>;
    /// The changes after `seen`, oldest first, at most `most`. [`Changes::Gap`] when some of them
    /// were swept already: the caller drops its whole cache.
    async fn since(&self, seen: u64, most: usize) -> Result<Changes, StoreError>;
    /// Forgets changes older than `before`.
    async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// Users, their identities, the accounts of the built-in database connections, and the pins that
/// tie a connection's name to its issuer.
#[async_trait]
pub(crate) trait UserStore: FactorStore + ChangeFeed + fmt::Debug + Send + Sync {
    async fn find(&self, id: &UserId) -> Result<Option<UserRecord>, StoreError>;
    async fn find_by_handle(&self, handle: &str) -> Result<Option<UserRecord>, StoreError>;
    /// The user that an identity belongs to.
    async fn find_by_identity(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<UserRecord>, StoreError>;
    /// A user's identities, oldest first.
    async fn identities(&self, id: &UserId) -> Result<Vec<IdentityRecord>, StoreError>;
    /// Writes user, identity and, for a sign-up, the account, or says which of them is taken. A
    /// user of the same id counts as the identity's: the one it made, and was unlinked from.
    async fn create(&self, new: NewUser) -> Result<Created, StoreError>;
    /// [`create`](Self::create) for many, with an answer for each; an engine that can writes those
    /// who are created in one transaction.
    async fn create_all(&self, new: Vec<NewUser>) -> Result<Vec<Created>, StoreError> {
        let mut all = Vec::with_capacity(new.len());
        for new in new {
            all.push(self.create(new).await?);
        }
        Ok(all)
    }
    /// Writes a new state over version `was`, as version `was + 1`. The handle never changes:
    /// `false` for a record with another one.
    async fn replace(
        &self,
        user: UserRecord,
        was: u64,
        event: Option<Event>,
    ) -> Result<bool, StoreError>;
    /// Refreshes what a connection last said; `false` when the identity is not known.
    async fn refresh_identity(
        &self,
        identity: &Identity,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Removes a user with all identities, accounts and factors, and the sessions that this engine holds.
    /// The handle stays taken.
    async fn delete(&self, id: &UserId, event: Event) -> Result<bool, StoreError>;
    /// Gives a user an identity that belongs to nobody; `false` when it does, or nobody has this id.
    async fn add_identity(
        &self,
        identity: &Identity,
        to: &UserId,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Moves an identity to another user. A user whose last identity leaves stays, without one.
    async fn link(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
        to: &UserId,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Makes a user of an identity that another user has: it moves there with its account.
    async fn unlink(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
        user: UserRecord,
        event: Event,
    ) -> Result<Unlinked, StoreError>;
    /// Users after `after` in the order of their ids, at most `most`, that match `search` in id,
    /// handle, name or e-mail (a plain substring, no wildcards; ASCII letters in either case).
    async fn list(
        &self,
        search: Option<&str>,
        after: Option<&UserId>,
        most: usize,
    ) -> Result<Vec<UserRecord>, StoreError>;
    /// How many users have an identity of each connection.
    async fn counts(&self) -> Result<Vec<(ConnectionId, u64)>, StoreError>;
    /// Whether some user is the owner.
    async fn has_owner(&self) -> Result<bool, StoreError>;

    /// The account that signs in with this normalised e-mail or username.
    async fn account_by_login(
        &self,
        connection: &ConnectionId,
        login: &str,
    ) -> Result<Option<AccountRecord>, StoreError>;
    async fn account(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<AccountRecord>, StoreError>;
    /// How many accounts of a connection have a password.
    async fn count_accounts(&self, connection: &ConnectionId) -> Result<u64, StoreError>;
    /// Gives somebody who has an identity of the connection an account there.
    async fn add_account(
        &self,
        account: AccountRecord,
        event: Option<Event>,
    ) -> Result<AccountAdded, StoreError>;
    /// Writes a new state over version `was`, as version `was + 1`; `false` also when one of its
    /// logins signs in somebody else.
    async fn replace_account(
        &self,
        account: AccountRecord,
        was: u64,
        event: Option<Event>,
    ) -> Result<bool, StoreError>;

    /// Notes what the names of connections stand for, or says, in the same order, which of them stand
    /// for something else.
    async fn pin(&self, pins: &[(ConnectionId, Pin)]) -> Result<Vec<Pinned>, StoreError>;
    /// Lets the name stand for `pin` from now on.
    async fn adopt(
        &self,
        connection: &ConnectionId,
        pin: &Pin,
        event: Event,
    ) -> Result<(), StoreError>;

    /// Gives a connection another name, all or nothing: its pin, its identities and accounts, whose
    /// profiles it rules, and the sessions that this engine holds. The ids of users stay. What
    /// stood for itself stands for itself under the new name.
    async fn rename(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
        event: Event,
    ) -> Result<Renamed, StoreError>;

    /// The newest audit events first, at most `most`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests hold what is recorded against it")
    )]
    async fn events(&self, most: usize) -> Result<Vec<Event>, StoreError>;
    /// Writes an event that no other change carries.
    async fn record(&self, event: Event) -> Result<(), StoreError>;
    /// Forgets events older than `before`.
    async fn sweep_events(&self, before: Timestamp, most: usize) -> Result<u64, StoreError>;
}

/// The sealed keys of the key ring.
#[async_trait]
pub(crate) trait KeyStore: fmt::Debug + Send + Sync {
    /// All keys by their ids, which grow: the oldest is the first.
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError>;
    /// Replaces the whole ring if it still is as `was` says (the ids, in order).
    async fn replace_keys(
        &self,
        was: &[u32],
        ring: Vec<KeyRecord>,
        event: Option<Event>,
    ) -> Result<bool, StoreError>;
}

/// How long audit events are kept.
pub(crate) const EVENTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
