//! What the name of each connection stands for.

use super::{
    Sqlite,
    row::{column, damage},
    write::Write,
};
use crate::{
    identity::ConnectionId,
    store::{Change, Pin, Pinned, StoreError},
};

impl Sqlite {
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
        let noted = write.insert_pin(connection, pin).await?;
        write.end(noted).await?;
        if noted {
            return Ok(Pinned::Same);
        }
        let held = self.pinned(connection).await?;
        held.map(|held| compare(held, pin))
            .ok_or_else(|| damage("connection", "a pin that is there and is not"))
    }

    async fn pinned(&self, connection: &ConnectionId) -> Result<Option<Pin>, StoreError> {
        let row = sqlx::query("SELECT strategy, issuer FROM pins WHERE connection = ?1")
            .bind(connection.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            Ok(Pin {
                strategy: column(&row, "strategy")?,
                issuer: column(&row, "issuer")?,
            })
        })
        .transpose()
    }
}

impl Write {
    /// Lets a name stand for something else.
    pub(super) async fn replace_pin(
        &mut self,
        connection: &ConnectionId,
        pin: &Pin,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM pins WHERE connection = ?1")
            .bind(connection.as_str())
            .execute(self.sql())
            .await?;
        self.insert_pin(connection, pin).await?;
        self.note_changes(&[Change::Connection(connection.clone())])
            .await
    }

    /// `false` when the connection has a pin.
    async fn insert_pin(
        &mut self,
        connection: &ConnectionId,
        pin: &Pin,
    ) -> Result<bool, StoreError> {
        let now = self.now.millis();
        let inserted = sqlx::query(
            "INSERT INTO pins (connection, strategy, issuer, pinned_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(connection.as_str())
        .bind(pin.strategy.as_str())
        .bind(pin.issuer.as_str())
        .bind(now)
        .execute(self.sql())
        .await?;
        Ok(inserted.rows_affected() == 1)
    }
}

fn compare(held: Pin, pin: &Pin) -> Pinned {
    if held == *pin {
        Pinned::Same
    } else {
        Pinned::Differs(held)
    }
}
