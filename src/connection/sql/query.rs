//! Queries with named parameters, and what each database wants instead of the names.
//!
//! The text is read once, when the configuration is: a name that nobody gives a value for is a mistake
//! of the configuration. Values travel beside the query, never in it.

/// The language of a database, as far as parameters go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    MySql,
    Postgres,
    Sqlite,
}

/// A query with its parameters in the order in which they stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Query {
    /// The text between the parameters: one piece more than there are parameters.
    pieces: Vec<String>,
    names: Vec<&'static str>,
}

/// Why a text is no query.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("it is empty")]
    Empty,
    #[error("it has no :{0}, so it would be the same for everybody")]
    Missing(&'static str),
    #[error("a placeholder {0:?} has no name")]
    Nameless(String),
    #[error("there is more than one statement")]
    Several,
    #[error("a quotation mark or comment is not closed")]
    Unclosed,
    #[error("there is no parameter :{0}")]
    Unknown(String),
}

impl Query {
    /// Reads a query that may use the names in `known` and must use those in `needed`.
    pub(super) fn parse(
        text: &str,
        dialect: Dialect,
        (known, needed): (&[&'static str], &[&'static str]),
    ) -> Result<Self, QueryError> {
        let text = text.trim().trim_end_matches(';').trim_end();
        if text.is_empty() {
            return Err(QueryError::Empty);
        }
        let mut query = Self {
            pieces: vec![String::new()],
            names: Vec::new(),
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let quoted = quoted(rest, dialect)?;
            if quoted > 0 {
                rest = query.take(rest, quoted);
                continue;
            }
            let after = rest.get(first.len_utf8()..).unwrap_or_default();
            match first {
                ';' => return Err(QueryError::Several),
                ':' if after.starts_with([':', '=']) => rest = query.take(rest, 2),
                ':' if after.starts_with(is_name) => {
                    let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                    let (name, further) = after.split_at(end);
                    let known = known.iter().find(|known| **known == name);
                    let name = known.ok_or_else(|| QueryError::Unknown(name.to_owned()))?;
                    query.names.push(name);
                    query.pieces.push(String::new());
                    rest = further;
                }
                '?' if dialect != Dialect::Postgres => {
                    return Err(QueryError::Nameless("?".to_owned()));
                }
                '$' if after.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Err(QueryError::Nameless("$1".to_owned()));
                }
                // A name that has a dollar or digits in it is passed over as a whole.
                first if is_name(first) => {
                    let end = rest.find(|c| !is_name(c) && c != '$');
                    rest = query.take(rest, end.unwrap_or(rest.len()));
                }
                first => rest = query.take(rest, first.len_utf8()),
            }
        }
        match needed.iter().find(|name| !query.names.contains(name)) {
            Some(name) => Err(QueryError::Missing(name)),
            None => Ok(query),
        }
    }

    /// The names whose values are bound, in that order.
    pub(super) fn names(&self, dialect: Dialect) -> Vec<&'static str> {
        if dialect == Dialect::MySql {
            return self.names.clone();
        }
        let mut names: Vec<&'static str> = Vec::new();
        for name in &self.names {
            if !names.contains(name) {
                names.push(name);
            }
        }
        names
    }

    /// The text with placeholders. `types` are those that the database finds for them, if it does: a
    /// value is sent as a text, and made into what is wanted there.
    pub(super) fn text(&self, dialect: Dialect, types: Option<&[String]>) -> String {
        let order = self.names(dialect);
        let mut text = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            text.push_str(piece);
            let Some(name) = self.names.get(index) else {
                continue;
            };
            let at = order.iter().position(|one| one == name).unwrap_or(0);
            let number = at + 1;
            let placeholder = match (dialect, types.and_then(|types| types.get(at))) {
                (Dialect::MySql, _) => "?".to_owned(),
                (Dialect::Sqlite, _) => format!("?{number}"),
                (Dialect::Postgres, None) => format!("${number}"),
                (Dialect::Postgres, Some(of)) => format!("CAST(${number}::text AS {of})"),
            };
            text.push_str(&placeholder);
        }
        text
    }

    fn take<'a>(&mut self, rest: &'a str, length: usize) -> &'a str {
        let (taken, further) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if let Some(piece) = self.pieces.last_mut() {
            piece.push_str(taken);
        }
        further
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the quoted text or comment is that stands here; 0 for anything else.
fn quoted(rest: &str, dialect: Dialect) -> Result<usize, QueryError> {
    let closed = |open: usize, close: &str| {
        let body = rest.get(open..).unwrap_or_default();
        let end = body.find(close).ok_or(QueryError::Unclosed)?;
        Ok(open + end + close.len())
    };
    match rest.as_bytes() {
        [b'-', b'-', ..] => Ok(rest.find('\n').unwrap_or(rest.len())),
        [b'#', ..] if dialect == Dialect::MySql => Ok(rest.find('\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => closed(2, "*/"),
        [b'$', b'$', ..] if dialect == Dialect::Postgres => closed(2, "$$"),
        [mark @ (b'\'' | b'"' | b'`'), ..] => {
            let escapes = dialect == Dialect::MySql && *mark != b'`';
            let mut bytes = rest.bytes().enumerate().skip(1);
            while let Some((at, byte)) = bytes.next() {
                if byte == b'\\' && escapes {
                    bytes.next();
                } else if byte == *mark {
                    return Ok(at + 1);
                }
            }
            Err(QueryError::Unclosed)
        }
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["login", "id", "password_hash"];

    fn parse(text: &str, dialect: Dialect) -> Result<Query, QueryError> {
        Query::parse(text, dialect, (KNOWN, &[]))
    }

    #[test]
    fn each_database_gets_its_placeholders() {
        let text = "SELECT a::text FROM t WHERE n = :login OR (e=:login AND id = :id);";
        let of = |dialect| {
            let query = parse(text, dialect).unwrap();
            (query.text(dialect, None), query.names(dialect))
        };
        assert_eq!(
            of(Dialect::Postgres),
            (
                "SELECT a::text FROM t WHERE n = $1 OR (e=$1 AND id = $2)".to_owned(),
                vec!["login", "id"]
            )
        );
        assert_eq!(
            of(Dialect::MySql),
            (
                "SELECT a::text FROM t WHERE n = ? OR (e=? AND id = ?)".to_owned(),
                vec!["login", "login", "id"]
            )
        );
        assert_eq!(
            of(Dialect::Sqlite).0,
            "SELECT a::text FROM t WHERE n = ?1 OR (e=?1 AND id = ?2)"
        );
        let typed = parse("x = :id", Dialect::Postgres).unwrap();
        assert_eq!(
            typed.text(Dialect::Postgres, Some(&["INT4".to_owned()])),
            "x = CAST($1::text AS INT4)"
        );
    }

    #[test]
    fn what_is_quoted_is_no_parameter() {
        for text in [
            "SELECT ':nobody', \":nobody\" -- :nobody ; ' \n FROM t",
            "SELECT '12:30' /* :nobody; ' */, 'it''s :nobody'",
            "SELECT x[1:2], y := 3",
        ] {
            assert_eq!(
                parse(text, Dialect::Postgres).map(|query| query.names.len()),
                if text.contains("1:2") {
                    Err(QueryError::Unknown("2".to_owned()))
                } else {
                    Ok(0)
                },
                "{text}"
            );
        }
        assert!(parse(r"SELECT 'it\'s :nobody'", Dialect::MySql).is_ok());
        assert!(parse("SELECT $$ :nobody $$", Dialect::Postgres).is_ok());
        assert!(parse("SELECT a ? 'b' FROM t", Dialect::Postgres).is_ok());
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for (text, error) in [
            (" ; ", QueryError::Empty),
            ("SELECT :logn", QueryError::Unknown("logn".to_owned())),
            ("SELECT 1; DROP TABLE t", QueryError::Several),
            ("SELECT 'a", QueryError::Unclosed),
            ("SELECT /* a", QueryError::Unclosed),
            ("SELECT ?", QueryError::Nameless("?".to_owned())),
            ("SELECT $1", QueryError::Nameless("$1".to_owned())),
        ] {
            assert_eq!(parse(text, Dialect::Sqlite), Err(error), "{text}");
        }
        let needed = Query::parse("SELECT 1", Dialect::MySql, (KNOWN, &["login"]));
        assert_eq!(needed, Err(QueryError::Missing("login")));
    }
}
