//! Which of the three, and the few words that differ between them.

/// The words that an engine wants to hear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL and what speaks its protocol.
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Takes the right to write. SQLite gives it to one at a time; elsewhere a statement sees what
    /// was committed before it, and whoever needs more locks a row.
    pub(super) const fn begin(self) -> &'static str {
        match self {
            Self::MySql => "START TRANSACTION READ WRITE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// The end of a `SELECT` whose rows nobody else may change until the transaction ends.
    pub(super) const fn for_update(self) -> &'static str {
        match self {
            Self::MySql | Self::Postgres => " FOR UPDATE",
            Self::Sqlite => "",
        }
    }
}

/// A statement. Its parameters are `?1`, `?2` and so on, whatever the engine writes for them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    Same(&'static str),
    Each {
        mysql: &'static str,
        postgres: &'static str,
        sqlite: &'static str,
    },
}

impl Text {
    pub(super) const fn in_dialect(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Same(text), _) => text,
            (Self::Each { mysql, .. }, Dialect::MySql) => mysql,
            (Self::Each { postgres, .. }, Dialect::Postgres) => postgres,
            (Self::Each { sqlite, .. }, Dialect::Sqlite) => sqlite,
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Same(text)
    }
}

/// A [`Text`] that deletes at most `?2` rows that are over at `?1`, the oldest first. A row that
/// was renewed meanwhile stays.
macro_rules! delete_some {
    ($table:literal, $key:literal, $time:literal) => {
        $crate::store::sql::dialect::Text::Each {
            mysql: concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $time,
                " < ?1 ORDER BY ",
                $time,
                " LIMIT ?2"
            ),
            postgres: concat!(
                "DELETE FROM ",
                $table,
                " WHERE (",
                $key,
                ") IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $time,
                " < ?1 ORDER BY ",
                $time,
                " LIMIT ?2) AND ",
                $time,
                " < ?1"
            ),
            sqlite: concat!(
                "DELETE FROM ",
                $table,
                " WHERE (",
                $key,
                ") IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $time,
                " < ?1 ORDER BY ",
                $time,
                " LIMIT ?2)"
            ),
        }
    };
}
pub(super) use delete_some;
