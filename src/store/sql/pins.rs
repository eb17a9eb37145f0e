//! What the name of each connection stands for.

use std::collections::HashMap;

use super::{
    Sql,
    query::{Query, Value, query},
    row::{Row, column, damage, parsed},
    write::Write,
};
use crate::{
    identity::ConnectionId,
    store::{Change, Pin, Pinned, Renamed, StoreError},
};

impl Sql {
    /// Notes the pins of the names that have none, in one transaction, and compares the others.
    pub(super) async fn compare_pins(
        &self,
        pins: &[(ConnectionId, Pin)],
    ) -> Result<Vec<Pinned>, StoreError> {
        // A name is pinned once in its life: most calls find all pins and write nothing.
        let mut held = self.pinned(pins).await?;
        let new = |(connection, _): &&(ConnectionId, Pin)| !held.contains_key(connection);
        let new: Vec<_> = pins.iter().filter(new).collect();
        if !new.is_empty() {
            let mut write = self.write().await?;
            for some in new.chunks(AT_ONCE) {
                let some = some.iter().map(|(connection, pin)| (connection, pin));
                let insert = write.insert_pins(some).unless_there();
                insert.execute(write.sql()).await?;
            }
            write.end(true).await?;
            // Somebody else may have been first.
            held = self.pinned(pins).await?;
        }
        let compare = |(connection, pin): &(ConnectionId, Pin)| {
            let held = held.get(connection);
            let held =
                held.ok_or_else(|| damage("connection", "a pin that is there and is not"))?;
            Ok(if held == pin {
                Pinned::Same
            } else {
                Pinned::Differs(held.clone())
            })
        };
        pins.iter().map(compare).collect()
    }

    async fn pinned(
        &self,
        pins: &[(ConnectionId, Pin)],
    ) -> Result<HashMap<ConnectionId, Pin>, StoreError> {
        let mut held = HashMap::new();
        for some in pins.chunks(AT_ONCE) {
            let names = some
                .iter()
                .map(|(connection, _)| connection.as_str().into());
            let names: Vec<Value<'_>> = names.collect();
            let rows = query(PINS).bind(names).fetch_all(&self.readers).await?;
            for row in &rows {
                held.insert(parsed(row, "connection")?, record(row)?);
            }
        }
        Ok(held)
    }
}

const PINS: &str = "SELECT connection, strategy, issuer FROM pins WHERE connection IN (?1)";

/// So many names are asked for at once.
const AT_ONCE: usize = 500;

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
        self.insert_pins([(connection, pin)])
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
            self.insert_pins([(to, pin)])
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

    fn insert_pins<'q>(
        &self,
        pins: impl IntoIterator<Item = (&'q ConnectionId, &'q Pin)>,
    ) -> Query<'q> {
        let row = |(connection, pin): (&'q ConnectionId, &'q Pin)| {
            vec![
                connection.as_str().into(),
                pin.strategy.as_str().into(),
                pin.issuer.as_str().into(),
                self.now.millis().into(),
            ]
        };
        let rows: Vec<Vec<Value<'q>>> = pins.into_iter().map(row).collect();
        query("INSERT INTO pins (connection, strategy, issuer, pinned_at) VALUES ?1").bind(rows)
    }
}

fn record(row: &Row) -> Result<Pin, StoreError> {
    Ok(Pin {
        strategy: column(row, "strategy")?,
        issuer: column(row, "issuer")?,
    })
}
