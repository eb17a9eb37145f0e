//! The audit trail.

use super::{
    Sql,
    dialect::{Text, delete_some},
    query::query,
    row::{Row, column, damage, number, parsed_option, time},
    write::Write,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, UserId},
    store::{Event, EventKind, SessionId, StoreError},
};

impl Write {
    /// Writes an event with whatever else this transaction does.
    pub(super) async fn record(&mut self, event: Option<&Event>) -> Result<(), StoreError> {
        let Some(event) = event else {
            return Ok(());
        };
        query(
            "INSERT INTO events (at, kind, reason, user_id, connection, session_id, address, \
             request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(event.at.millis())
        .bind(event.kind.name())
        .bind(event.reason.as_str())
        .bind(event.user.as_ref().map(UserId::as_str))
        .bind(event.connection.as_ref().map(ConnectionId::as_str))
        .bind(event.session.as_ref().map(|id| id.0.as_slice()))
        .bind(event.address.map(|address| address.to_string()))
        .bind(event.request_id.as_deref())
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

const FORGET: Text = delete_some!("events", "number", "at");

impl Sql {
    /// The newest first.
    pub(super) async fn newest_events(&self, most: usize) -> Result<Vec<Event>, StoreError> {
        let rows = query("SELECT events.* FROM events ORDER BY number DESC LIMIT ?1")
            .bind(number(most))
            .fetch_all(&self.readers)
            .await?;
        // A kind that only a newer program knows is passed over, not taken for damage.
        rows.iter()
            .filter_map(|row| event(row).transpose())
            .collect()
    }

    pub(super) async fn forget_events(
        &self,
        before: Timestamp,
        most: usize,
    ) -> Result<u64, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let forgotten = query(FORGET)
                .bind(before.millis())
                .bind(number(most))
                .execute(write.sql())
                .await?;
            write.end(forgotten > 0).await?;
            Ok(forgotten)
        })
        .await
    }
}

fn event(row: &Row) -> Result<Option<Event>, StoreError> {
    let Some(kind) = EventKind::from_name(column(row, "kind")?) else {
        return Ok(None);
    };
    let session = column::<Option<&[u8]>>(row, "session_id")?
        .map(|bytes| bytes.try_into().map(SessionId))
        .transpose()
        .map_err(|error| damage("session_id", error))?;
    Ok(Some(Event {
        at: time(row, "at")?,
        kind,
        reason: column(row, "reason")?,
        user: parsed_option(row, "user_id")?,
        connection: parsed_option(row, "connection")?,
        session,
        address: parsed_option(row, "address")?,
        request_id: column(row, "request_id")?,
    }))
}
