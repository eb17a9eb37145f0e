//! What the name of each connection stands for.

use super::{
    Sql,
    query::{Query, query},
    row::{Row, column, damage},
    write::Write,
};
use crate::{
    identity::ConnectionId,
    store::{Change, Pin, Pinned, Renamed, StoreError},
};

impl Sql {
    /// Notes the pin of a name that has none, else compares.
    pub(super) async fn compare_pin(
        &self,
        connection: &ConnectionId,
        pin: &Pin,
    ) -> Result<Pinned, StoreError> {
        // A name is pinned once in its life: most calls find the pin and write nothing.
        if let Some(held) = self.pinned(connection).await? {
            return Ok(compare(held, pin));
        }
        let mut write = self.write().await?;
        let insert = write.insert_pin(connection, pin).unless_there();
        let noted = insert.execute(write.sql()).await? == 1;
        write.end(noted).await?;
        if noted {
            return Ok(Pinned::Same);
        }
        let held = self.pinned(connection).await?;
        held.map(|held| compare(held, pin))
            .ok_or_else(|| damage("connection", "a pin that is there and is not"))
    }

    async fn pinned(&self, connection: &ConnectionId) -> Result<Option<Pin>, StoreError> {
        let row = query(PIN).bind(connection.as_str());
        let row = row.fetch_optional(&self.readers).await?;
        row.as_ref().map(record).transpose()
    }
}

const PIN: &str = "SELECT strategy, issuer FROM pins WHERE connection = ?1";

/// What points at an identity or an account follows it in PostgreSQL and MySQL (ON UPDATE CASCADE),
/// and has nothing left to do here.
const RENAME: [&str; 5] = [
    "UPDATE accounts SET version = version + 1 WHERE connection = ?1",
    "UPDATE identities SET connection = ?2 WHERE connection = ?1",
    "UPDATE accounts SET connection = ?2 WHERE connection = ?1",
    "UPDATE account_logins SET connection = ?2 WHERE connection = ?1",
    "UPDATE users SET synced_by = ?2, version = version + 1 WHERE synced_by = ?1",
];

/// Which of them numbers the identities.
const IDENTITIES: usize = 1;

impl Write {
    /// Lets a name stand for something else.
    pub(super) async fn replace_pin(
        &mut self,
        connection: &ConnectionId,
        pin: &Pin,
    ) -> Result<(), StoreError> {
        self.insert_pin(connection, pin)
            .or_update("connection", &["strategy", "issuer", "pinned_at"])
            .execute(self.sql())
            .await?;
        self.note_changes(&[Change::Connection(connection.clone())])
            .await
    }

    /// Moves everything that has a connection's name to another one.
    pub(super) async fn rename_connection(
        &mut self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<Renamed, StoreError> {
        if self.has_identities(to).await? {
            return Ok(Renamed::Taken);
        }
        let moved = self.pin_of(from).await?.map(|pin| Pin {
            issuer: if pin.issuer == from.as_str() {
                to.to_string()
            } else {
                pin.issuer
            },
            ..pin
        });
        match (&moved, self.pin_of(to).await?) {
            (None, _) if !self.has_identities(from).await? => return Ok(Renamed::Unknown),
            (Some(moved), Some(held)) if *moved != held => return Ok(Renamed::Differs(held)),
            _ => {}
        }
        // An account points at its identity: both have the new name only at the end.
        self.defer_references().await?;
        let mut identities = 0;
        for (index, statement) in RENAME.into_iter().enumerate() {
            let rows = query(statement)
                .bind(from.as_str())
                .bind(to.as_str())
                .execute(self.sql())
                .await?;
            if index == IDENTITIES {
                identities = rows;
            }
        }
        self.rename_in_sessions(from, to).await?;
        query("DELETE FROM pins WHERE connection = ?1")
            .bind(from.as_str())
            .execute(self.sql())
            .await?;
        if let Some(pin) = &moved {
            self.insert_pin(to, pin)
                .unless_there()
                .execute(self.sql())
                .await?;
        }
        self.note_changes(&[Change::Connection(from.clone())])
            .await?;
        Ok(Renamed::Renamed(identities))
    }

    async fn has_identities(&mut self, connection: &ConnectionId) -> Result<bool, StoreError> {
        let row = query("SELECT 1 AS held FROM identities WHERE connection = ?1 LIMIT 1")
            .bind(connection.as_str())
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    async fn pin_of(&mut self, connection: &ConnectionId) -> Result<Option<Pin>, StoreError> {
        let row = query(PIN).bind(connection.as_str());
        let row = row.fetch_optional(self.sql()).await?;
        row.as_ref().map(record).transpose()
    }

    fn insert_pin<'q>(&self, connection: &'q ConnectionId, pin: &'q Pin) -> Query<'q> {
        query("INSERT INTO pins (connection, strategy, issuer, pinned_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(connection.as_str())
            .bind(pin.strategy.as_str())
            .bind(pin.issuer.as_str())
            .bind(self.now.millis())
    }
}

fn record(row: &Row) -> Result<Pin, StoreError> {
    Ok(Pin {
        strategy: column(row, "strategy")?,
        issuer: column(row, "issuer")?,
    })
}

fn compare(held: Pin, pin: &Pin) -> Pinned {
    if held == *pin {
        Pinned::Same
    } else {
        Pinned::Differs(held)
    }
}
