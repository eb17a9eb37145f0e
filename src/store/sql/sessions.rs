//! Sessions and the handles to them.

use std::slice;

use async_trait::async_trait;

use super::{
    RENAME_PATIENCE, Sql,
    dialect::Text,
    query::query,
    row::{column, hex, number, parsed, to_json},
    session_rows::{OUTDATED, ids, names, record},
    whose::{arguments, changes_of, list_statement},
};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Subject, UserId},
    store::{
        CUTOFFS_KEPT, Change, Event, HandleHash, HandleRecord, Issued, Loaded, NewSession,
        OneTimeUse, SessionId, SessionRecord, SessionStore, StoreError, Whose, cutoffs,
    },
};

/// A cache miss on the way of a request: one statement, two look-ups by primary key.
pub(super) const LOAD: &str = "SELECT session_handles.host, sessions.* FROM session_handles \
    JOIN sessions ON sessions.id = session_handles.session_id WHERE session_handles.hash = ?1";

const FIND: &str = "SELECT sessions.* FROM sessions WHERE id = ?1";

/// How many sessions one transaction ends when many end at once.
const ENDED_AT_ONCE: usize = 1000;

/// How many last uses one transaction notes.
const TOUCHED_AT_ONCE: usize = 1000;

#[async_trait]
impl SessionStore for Sql {
    async fn issue(&self, new: NewSession) -> Result<Issued, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let issued = write.issue_session(&new).await?;
            write.end(issued == Issued::Issued).await?;
            Ok(issued)
        })
        .await
    }

    async fn outdated(
        &self,
        (user, proof): (&UserId, &Authentication),
        proven_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.within_patience(async {
            let row = query(OUTDATED)
                .bind(names(cutoffs(user, Some(proof))))
                .bind(proven_at.millis())
                .fetch_optional(&self.readers)
                .await?;
            Ok(row.is_some())
        })
        .await
    }

    async fn load(&self, handle: &HandleHash) -> Result<Option<Loaded>, StoreError> {
        self.within_patience(async {
            let row = query(LOAD)
                .bind(handle.0.as_slice())
                .fetch_optional(&self.readers)
                .await?;
            row.map(|row| {
                Ok(Loaded {
                    host: column(&row, "host")?,
                    session: record(&row)?,
                })
            })
            .transpose()
        })
        .await
    }

    async fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.within_patience(async {
            let row = query(FIND)
                .bind(id.0.as_slice())
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(record).transpose()
        })
        .await
    }

    async fn add_handle(
        &self,
        handle: HandleRecord,
        paid: OneTimeUse,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let paid = write.use_up(slice::from_ref(&paid)).await?;
            write.lock_session(handle.session).await?;
            let dropped = write
                .delete_handles_for(handle.session, &handle.host)
                .await?;
            let added = paid.is_ok() && write.insert_handle(&handle).await?;
            if added && dropped {
                write
                    .note_changes(&[Change::Session(handle.session)])
                    .await?;
            }
            write.record(Some(&event)).await?;
            write.end(added).await?;
            Ok(added)
        })
        .await
    }

    async fn replace(&self, record: SessionRecord, was: u64) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let replaced = write.update_session(&record, was).await?;
            if replaced {
                write.note_changes(&[Change::Session(record.id)]).await?;
            }
            write.end(replaced).await?;
            Ok(replaced)
        })
        .await
    }

    async fn remove(&self, id: SessionId, event: Option<Event>) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let removed = write.delete_sessions(&[id]).await? == 1;
            if removed {
                write.note_changes(&[Change::Session(id)]).await?;
                write.record(event.as_ref()).await?;
            }
            write.end(removed).await?;
            Ok(removed)
        })
        .await
    }

    /// In transactions of bounded size; the event goes with the first of them, and so does the
    /// cutoff, so that no login slips in between them.
    async fn remove_all(&self, whose: &Whose, event: Option<Event>) -> Result<u64, StoreError> {
        let mut event = event.as_ref();
        let mut first = true;
        let mut removed = 0;
        loop {
            let some = || async {
                let mut write = self.write().await?;
                if first {
                    write.cut_off(whose).await?;
                }
                let ids = write.ids_of(whose, ENDED_AT_ONCE).await?;
                let ended = write.delete_sessions(&ids).await?;
                if ended > 0 {
                    write.note_changes(&changes_of(whose, &ids)).await?;
                    write.record(event).await?;
                }
                write.end(first || ended > 0).await?;
                Ok((ids.len(), ended))
            };
            // Another process may end some of the same.
            let (found, ended) = self.change(some).await?;
            removed += ended;
            if ended > 0 {
                event = None;
            }
            first = false;
            if found < ENDED_AT_ONCE {
                return Ok(removed);
            }
        }
    }

    async fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        self.within_patience(async {
            let rows = query(SIGNED_IN)
                .bind(connection.as_str())
                .bind(after.map_or("", Subject::as_str))
                .bind(number(most))
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(|row| parsed(row, "subject")).collect()
        })
        .await
    }

    async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError> {
        self.change_within(RENAME_PATIENCE, || async {
            let mut write = self.write().await?;
            write.take_time().await?;
            if write.rename_in_sessions(from, to).await? {
                write
                    .note_changes(&[Change::Connection(from.clone())])
                    .await?;
            }
            write.end(true).await
        })
        .await
    }

    /// In transactions of bounded size: a hundred thousand times at once would keep logins waiting
    /// for seconds, and no time depends on another.
    async fn touch(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        for some in used.chunks(TOUCHED_AT_ONCE) {
            let rows: Vec<_> = some
                .iter()
                .map(|(id, at)| (hex(&id.0), at.millis()))
                .collect();
            let rows = to_json(&rows)?;
            self.change(|| async {
                let mut write = self.write().await?;
                query(TOUCH)
                    .bind(rows.as_str())
                    .execute(write.sql())
                    .await?;
                write.end(true).await
            })
            .await?;
        }
        Ok(())
    }

    async fn list(&self, whose: &Whose, most: usize) -> Result<Vec<SessionRecord>, StoreError> {
        self.within_patience(async {
            let [first, second] = arguments(whose);
            let rows = query(list_statement(whose))
                .bind(first)
                .bind(second)
                .bind(number(most))
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(record).collect()
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, idle: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let rows = query(SWEEP)
                .bind(now.millis())
                .bind(idle.millis())
                .bind(number(most))
                .fetch_all(write.sql())
                .await?;
            let ids = ids(&rows)?;
            let swept = write.sweep_sessions(&ids, now, idle).await?;
            // A process that used one of them a moment ago still has it in its cache.
            let changes: Vec<_> = ids.into_iter().map(Change::Session).collect();
            write.note_changes(&changes).await?;
            let kept = now - CUTOFFS_KEPT..=now + CUTOFFS_KEPT;
            let forgotten = write.forget_cutoffs(kept).await?;
            write.end(swept > 0 || forgotten).await?;
            Ok(swept)
        })
        .await
    }
}

/// One statement for a JSON array of `[id, time]`, however many there are.
pub(super) const TOUCH: Text = Text::Each {
    mysql: "UPDATE sessions JOIN ( \
            SELECT UNHEX(told.id) AS id, MAX(told.at) AS at FROM JSON_TABLE(?1, '$[*]' \
                COLUMNS (id CHAR(32) PATH '$[0]', at BIGINT PATH '$[1]')) AS told GROUP BY 1 \
        ) AS used ON sessions.id = used.id \
        SET last_used_at = used.at WHERE last_used_at < used.at",
    postgres: "UPDATE sessions SET last_used_at = used.at \
        FROM (SELECT decode(value ->> 0, 'hex') AS id, MAX((value ->> 1)::bigint) AS at \
            FROM json_array_elements(?1::json) GROUP BY 1) AS used \
        WHERE sessions.id = used.id AND sessions.last_used_at < used.at",
    sqlite: "UPDATE sessions SET last_used_at = used.at \
        FROM (SELECT unhex(value ->> 0) AS id, MAX(value ->> 1) AS at FROM json_each(?1) \
            GROUP BY 1) AS used \
        WHERE sessions.id = used.id AND sessions.last_used_at < used.at",
};

/// In the order of the primary key.
const SIGNED_IN: &str = "SELECT DISTINCT subject FROM session_identities \
    WHERE connection = ?1 AND subject > ?2 ORDER BY subject LIMIT ?3";

/// Both arms stop at the limit.
pub(super) const SWEEP: &str = "SELECT id FROM \
        (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT ?3) AS ended \
    UNION SELECT id FROM \
        (SELECT id FROM sessions WHERE last_used_at < ?2 LIMIT ?3) AS idle \
    LIMIT ?3";
