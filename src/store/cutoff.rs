//! When all sessions of somebody or something were last ended.
//!
//! Who ends all sessions means those under way too: a proof that waits for its second step, a
//! password whose hash is being computed. So an engine keeps the time of each such end, and issues
//! nothing for a proof that is not newer.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{NewSession, Whose};
use crate::identity::{Authentication, UserId};

/// For how long the ends of sessions are remembered: far longer than any proof waits for its
/// session. Ends that lie further ahead are forgotten too: the clock was set back.
pub(crate) const CUTOFFS_KEPT: Duration = Duration::from_secs(3600);

impl Whose {
    /// The name under which an engine keeps when these sessions were last ended.
    pub(crate) fn cutoff(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Connection(connection) => format!("connection {connection}"),
            Self::Identity(connection, subject) => {
                format!("identity {}", UserId::new(connection, subject))
            }
            Self::Sid(hash) => format!("sid {}", URL_SAFE_NO_PAD.encode(hash)),
            Self::User(user) | Self::UserExcept(user, _) => format!("user {user}"),
        }
    }
}

impl NewSession {
    /// The ends of sessions that its proof must be newer than (see [`Whose::cutoff`]).
    pub(crate) fn cutoffs(&self) -> Vec<String> {
        let sids = self.record.sids.iter().map(|sid| Whose::Sid(*sid).cutoff());
        let mut all = cutoffs(&self.record.user, self.record.authentications.last());
        all.extend(sids);
        all
    }
}

/// The ends of sessions that a proof of this user must be newer than.
pub(crate) fn cutoffs(user: &UserId, proof: Option<&Authentication>) -> Vec<String> {
    let proof = proof.map(|proof| {
        let (connection, subject) = (proof.connection.clone(), proof.subject.clone());
        [
            Whose::Connection(connection.clone()),
            Whose::Identity(connection, subject),
        ]
    });
    [Whose::All, Whose::User(user.clone())]
        .into_iter()
        .chain(proof.into_iter().flatten())
        .map(|whose| whose.cutoff())
        .collect()
}
