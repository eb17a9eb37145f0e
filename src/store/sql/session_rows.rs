//! The rows of sessions and handles, written inside a transaction.

use serde_json::{Map, Value as Json};

use super::{
    query::{Value, query},
    row::{Row, bytes, column, count, damage, json, number, parsed, parsed_option, time, to_json},
    whose::{arguments, ids_statement},
    write::{Cutoffs, Write},
};
use crate::{
    clock::Timestamp,
    identity::ConnectionId,
    store::{
        Change, HandleHash, HandleRecord, Issued, NewSession, SessionId, SessionRecord, StoreError,
        Whose,
    },
};

/// In pages of the id.
const OF_CONNECTION: &str = "SELECT id, authentications FROM sessions \
    WHERE id IN (SELECT session_id FROM session_identities WHERE connection = ?1) AND id > ?2 \
    ORDER BY id LIMIT ?3";

/// A new version, so that whoever read the old one does not write it back.
const RENAME: &str =
    "UPDATE sessions SET version = version + 1, authentications = ?2 WHERE id = ?1";

/// How many sessions are read at once when a connection gets another name.
const RENAMED_AT_ONCE: usize = 1000;

const RENAME_INDEX: &str = "UPDATE session_identities SET connection = ?2 WHERE connection = ?1";

impl Write {
    pub(super) async fn issue_session(&mut self, new: &NewSession) -> Result<Issued, StoreError> {
        if let Err(purpose) = self.use_up(&new.uses).await? {
            return Ok(Issued::AlreadyUsed(purpose));
        }
        self.lock_cutoffs(Cutoffs::Heed).await?;
        if self.outdated(new).await? {
            return Ok(Issued::Outdated);
        }
        let id = new.record.id;
        let mut changes = Vec::new();
        let written = match new.was {
            Some(was) => {
                changes.push(Change::Session(id));
                self.update_session(&new.record, was).await?
            }
            None => self.insert_session(&new.record).await?,
        };
        if !written {
            return Ok(Issued::Changed);
        }
        if let Some(ended) = new.ends.filter(|ended| *ended != id)
            && self.delete_sessions(&[ended]).await? == 1
        {
            changes.push(Change::Session(ended));
        }
        if let Some(dropped) = &new.drops
            && let Some(lost) = self.delete_handle(dropped).await?
            && !changes.contains(&Change::Session(lost))
        {
            changes.push(Change::Session(lost));
        }
        if !self.insert_handle(&new.handle).await? {
            return Ok(Issued::Changed);
        }
        self.note_changes(&changes).await?;
        self.record(Some(&new.event)).await?;
        Ok(Issued::Issued)
    }

    /// Whether all sessions like this one were ended since its proof was given.
    async fn outdated(&mut self, new: &NewSession) -> Result<bool, StoreError> {
        let row = query(OUTDATED)
            .bind(names(new.cutoffs()))
            .bind(new.proven_at.millis())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// From now on nothing that was proven before opens one of these sessions.
    pub(super) async fn cut_off(&mut self, whose: &Whose) -> Result<(), StoreError> {
        self.lock_cutoffs(Cutoffs::Set).await?;
        let now = self.now.millis();
        query("INSERT INTO session_cutoffs (whose, at) VALUES (?1, ?2)")
            .or_update("whose", &["at"])
            .bind(whose.cutoff())
            .bind(now)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Forgets when sessions were ended, outside of these times.
    pub(super) async fn forget_cutoffs(
        &mut self,
        kept: std::ops::RangeInclusive<Timestamp>,
    ) -> Result<bool, StoreError> {
        let forgotten = query("DELETE FROM session_cutoffs WHERE at < ?1 OR at > ?2")
            .bind(kept.start().millis())
            .bind(kept.end().millis())
            .execute(self.sql())
            .await?;
        Ok(forgotten > 0)
    }

    /// `false` when there is a session of this id.
    async fn insert_session(&mut self, record: &SessionRecord) -> Result<bool, StoreError> {
        let inserted = query(
            "INSERT INTO sessions (id, user_id, authentications, created_at, last_used_at, \
             expires_at, address, user_agent, sids, sealed, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .unless_there()
        .bind(record.id.0.as_slice())
        .bind(record.user.as_str())
        .bind(to_json(&record.authentications)?)
        .bind(record.created_at.millis())
        .bind(record.last_used_at.millis())
        .bind(record.expires_at.millis())
        .bind(record.address.map(|address| address.to_string()))
        .bind(record.user_agent.as_str())
        .bind(record.sids.concat())
        .bind(record.sealed.as_slice())
        .bind(number(record.version))
        .execute(self.sql())
        .await?
            == 1;
        if inserted {
            self.index_session(record).await?;
        }
        Ok(inserted)
    }

    /// `false` when there is no such session in version `was`.
    pub(super) async fn update_session(
        &mut self,
        record: &SessionRecord,
        was: u64,
    ) -> Result<bool, StoreError> {
        let updated = query(
            "UPDATE sessions SET user_id = ?3, authentications = ?4, created_at = ?5, \
             last_used_at = CASE WHEN last_used_at < ?6 THEN ?6 ELSE last_used_at END, \
             expires_at = ?7, address = ?8, user_agent = ?9, sids = ?10, sealed = ?11, version = ?12 \
             WHERE id = ?1 AND version = ?2",
        )
        .bind(record.id.0.as_slice())
        .bind(number(was))
        .bind(record.user.as_str())
        .bind(to_json(&record.authentications)?)
        .bind(record.created_at.millis())
        .bind(record.last_used_at.millis())
        .bind(record.expires_at.millis())
        .bind(record.address.map(|address| address.to_string()))
        .bind(record.user_agent.as_str())
        .bind(record.sids.concat())
        .bind(record.sealed.as_slice())
        .bind(number(was.saturating_add(1)))
        .execute(self.sql())
        .await?
            == 1;
        if updated {
            for statement in [
                "DELETE FROM session_identities WHERE session_id = ?1",
                "DELETE FROM session_sids WHERE session_id = ?1",
            ] {
                let id = record.id.0.as_slice();
                query(statement).bind(id).execute(self.sql()).await?;
            }
            self.index_session(record).await?;
        }
        Ok(updated)
    }

    /// Makes a session findable by its identities and provider sessions.
    async fn index_session(&mut self, record: &SessionRecord) -> Result<(), StoreError> {
        for held in &record.authentications {
            query(
                "INSERT INTO session_identities (connection, subject, session_id) \
                 VALUES (?1, ?2, ?3)",
            )
            .unless_there()
            .bind(held.connection.as_str())
            .bind(held.subject.as_str())
            .bind(record.id.0.as_slice())
            .execute(self.sql())
            .await?;
        }
        for sid in &record.sids {
            query("INSERT INTO session_sids (sid, session_id) VALUES (?1, ?2)")
                .unless_there()
                .bind(sid.as_slice())
                .bind(record.id.0.as_slice())
                .execute(self.sql())
                .await?;
        }
        Ok(())
    }

    /// `false` when its session is gone (or the handle is known, which chance does not bring).
    pub(super) async fn insert_handle(
        &mut self,
        handle: &HandleRecord,
    ) -> Result<bool, StoreError> {
        let inserted = query(
            "INSERT INTO session_handles (hash, session_id, host, created_at) \
             SELECT ?1, id, ?3, ?4 FROM sessions WHERE id = ?2",
        )
        .unless_there()
        .bind(handle.hash.0.as_slice())
        .bind(handle.session.0.as_slice())
        .bind(handle.host.as_str())
        .bind(handle.created_at.millis())
        .execute(self.sql())
        .await?;
        Ok(inserted == 1)
    }

    /// Lets sessions hold an identity of `from` as one of `to`; whether there were any.
    pub(super) async fn rename_in_sessions(
        &mut self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<bool, StoreError> {
        let mut after = Vec::new();
        loop {
            let rows = query(OF_CONNECTION)
                .bind(from.as_str())
                .bind(after)
                .bind(number(RENAMED_AT_ONCE))
                .locking()
                .fetch_all(self.sql())
                .await?;
            for row in &rows {
                query(RENAME)
                    .bind(column::<&[u8]>(row, "id")?)
                    .bind(renamed(row, from, to)?)
                    .execute(self.sql())
                    .await?;
            }
            match rows.last() {
                Some(last) if rows.len() == RENAMED_AT_ONCE => after = column(last, "id")?,
                _ => break,
            }
        }
        let moved = query(RENAME_INDEX)
            .bind(from.as_str())
            .bind(to.as_str())
            .execute(self.sql())
            .await?;
        Ok(moved > 0)
    }

    /// Keeps a session from others until the end; `false` when it is gone.
    pub(super) async fn lock_session(&mut self, id: SessionId) -> Result<bool, StoreError> {
        let row = query("SELECT id FROM sessions WHERE id = ?1")
            .bind(id.0.as_slice())
            .locking()
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// The session that the handle opened.
    async fn delete_handle(&mut self, hash: &HandleHash) -> Result<Option<SessionId>, StoreError> {
        let row = query("SELECT session_id AS id FROM session_handles WHERE hash = ?1")
            .bind(hash.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let deleted = query("DELETE FROM session_handles WHERE hash = ?1")
            .bind(hash.0.as_slice())
            .execute(self.sql())
            .await?;
        Ok((deleted == 1).then_some(SessionId(bytes(&row, "id")?)))
    }

    /// Whether the session had handles for this host.
    pub(super) async fn delete_handles_for(
        &mut self,
        session: SessionId,
        host: &str,
    ) -> Result<bool, StoreError> {
        let deleted = query("DELETE FROM session_handles WHERE session_id = ?1 AND host = ?2")
            .bind(session.0.as_slice())
            .bind(host)
            .execute(self.sql())
            .await?;
        Ok(deleted > 0)
    }

    pub(super) async fn ids_of(
        &mut self,
        whose: &Whose,
        most: usize,
    ) -> Result<Vec<SessionId>, StoreError> {
        let [first, second] = arguments(whose);
        let rows = query(ids_statement(whose))
            .bind(first)
            .bind(second)
            .bind(number(most))
            .fetch_all(self.sql())
            .await?;
        ids(&rows)
    }

    /// Removes those of them that are over; whoever was used in between stays.
    pub(super) async fn sweep_sessions(
        &mut self,
        ids: &[SessionId],
        now: Timestamp,
        idle: Timestamp,
    ) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        query(SWEEP_AWAY)
            .bind(list(ids))
            .bind(now.millis())
            .bind(idle.millis())
            .execute(self.sql())
            .await
    }

    /// Removes sessions with everything that points at them; says how many there were.
    pub(super) async fn delete_sessions(&mut self, ids: &[SessionId]) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        query(DELETE).bind(list(ids)).execute(self.sql()).await
    }
}

pub(super) const DELETE: &str = "DELETE FROM sessions WHERE id IN (?1)";

const SWEEP_AWAY: &str =
    "DELETE FROM sessions WHERE id IN (?1) AND (expires_at < ?2 OR last_used_at < ?3)";

fn list(ids: &[SessionId]) -> Vec<Value<'_>> {
    ids.iter().map(|id| id.0.as_slice().into()).collect()
}

/// `?1` are [`names`], `?2` when the proof was given.
pub(super) const OUTDATED: &str = "SELECT at FROM session_cutoffs WHERE whose IN (?1) AND at >= ?2";

/// A list of the names of cutoffs.
pub(super) fn names(cutoffs: Vec<String>) -> Vec<Value<'static>> {
    cutoffs.into_iter().map(Value::from).collect()
}

/// What a session holds, with an identity of `from` as one of `to`.
fn renamed(row: &Row, from: &ConnectionId, to: &ConnectionId) -> Result<String, StoreError> {
    let mut held: Vec<Map<String, Json>> = json(row, "authentications")?;
    for one in &mut held {
        if let Some(connection) = one.get_mut("connection")
            && connection.as_str() == Some(from.as_str())
        {
            *connection = Json::from(to.as_str());
        }
    }
    to_json(&held)
}

/// The ids in rows that have little else.
pub(super) fn ids(rows: &[Row]) -> Result<Vec<SessionId>, StoreError> {
    rows.iter()
        .map(|row| Ok(SessionId(bytes(row, "id")?)))
        .collect()
}

/// A whole row.
pub(super) fn record(row: &Row) -> Result<SessionRecord, StoreError> {
    let (sids, rest) = column::<&[u8]>(row, "sids")?.as_chunks();
    if !rest.is_empty() {
        return Err(damage("sids", "not a multiple of 32 bytes"));
    }
    Ok(SessionRecord {
        id: SessionId(bytes(row, "id")?),
        user: parsed(row, "user_id")?,
        authentications: json(row, "authentications")?,
        created_at: time(row, "created_at")?,
        last_used_at: time(row, "last_used_at")?,
        expires_at: time(row, "expires_at")?,
        address: parsed_option(row, "address")?,
        user_agent: column(row, "user_agent")?,
        sids: sids.to_vec(),
        sealed: column(row, "sealed")?,
        version: count(row, "version")?,
    })
}
