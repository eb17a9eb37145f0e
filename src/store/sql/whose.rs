//! Which sessions: the statements that ask for them, and what to say of their end.

use super::query::Value;
use crate::store::{Change, SessionId, Whose};

/// `?1` and `?2` say whose (see [`arguments`]), `?3` how many; in any order.
pub(super) const fn ids_statement(whose: &Whose) -> &'static str {
    match whose {
        Whose::All => "SELECT id FROM sessions LIMIT ?3",
        Whose::Connection(_) => {
            "SELECT DISTINCT session_id AS id FROM session_identities WHERE connection = ?1 LIMIT ?3"
        }
        Whose::Identity(..) => {
            "SELECT session_id AS id FROM session_identities \
             WHERE connection = ?1 AND subject = ?2 LIMIT ?3"
        }
        Whose::Sid(_) => "SELECT session_id AS id FROM session_sids WHERE sid = ?1 LIMIT ?3",
        Whose::User(_) => "SELECT id FROM sessions WHERE user_id = ?1 LIMIT ?3",
        Whose::UserExcept(..) => "SELECT id FROM sessions WHERE user_id = ?1 AND id <> ?2 LIMIT ?3",
    }
}

/// The arguments of a statement that asks whose.
pub(super) fn arguments(whose: &Whose) -> [Value<'_>; 2] {
    let none = || Value::Text(None);
    match whose {
        Whose::All => [none(), none()],
        Whose::Connection(connection) => [connection.as_str().into(), none()],
        Whose::Identity(connection, subject) => {
            [connection.as_str().into(), subject.as_str().into()]
        }
        Whose::Sid(sid) => [sid.as_slice().into(), none()],
        Whose::User(user) => [user.as_str().into(), none()],
        Whose::UserExcept(user, session) => [user.as_str().into(), session.0.as_slice().into()],
    }
}

/// `?1` and `?2` say whose, `?3` how many. A user's, an identity's and everybody's are read in the
/// order of an index.
pub(super) const fn list_statement(whose: &Whose) -> &'static str {
    match whose {
        Whose::All => "SELECT sessions.* FROM sessions ORDER BY created_at DESC LIMIT ?3",
        Whose::Connection(_) => {
            "SELECT sessions.* FROM sessions WHERE id IN (SELECT session_id FROM session_identities \
             WHERE connection = ?1) ORDER BY created_at DESC LIMIT ?3"
        }
        Whose::Identity(..) => {
            "SELECT sessions.* FROM sessions WHERE id IN (SELECT session_id FROM session_identities \
             WHERE connection = ?1 AND subject = ?2) ORDER BY created_at DESC LIMIT ?3"
        }
        Whose::Sid(_) => {
            "SELECT sessions.* FROM sessions WHERE id IN (SELECT session_id FROM session_sids \
             WHERE sid = ?1) ORDER BY created_at DESC LIMIT ?3"
        }
        Whose::User(_) => {
            "SELECT sessions.* FROM sessions WHERE user_id = ?1 ORDER BY created_at DESC LIMIT ?3"
        }
        Whose::UserExcept(..) => {
            "SELECT sessions.* FROM sessions WHERE user_id = ?1 AND id <> ?2 \
             ORDER BY created_at DESC LIMIT ?3"
        }
    }
}

/// As few changes as say it all.
pub(super) fn changes_of(whose: &Whose, ended: &[SessionId]) -> Vec<Change> {
    match whose {
        Whose::Connection(connection) => vec![Change::Connection(connection.clone())],
        Whose::User(user) => vec![Change::User(user.clone())],
        Whose::All | Whose::Identity(..) | Whose::Sid(_) | Whose::UserExcept(..) => {
            ended.iter().copied().map(Change::Session).collect()
        }
    }
}
