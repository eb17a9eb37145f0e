//! A provider's tokens, which an application may use in the name of the person.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{ConnectionData, Kept, Rejection};
use crate::{
    clock::Timestamp,
    identity::{Identity, Subject},
    secret::Secret,
};

/// Tokens that a provider gave for its own interfaces, which an application may use in the name of
/// the person.
#[async_trait]
pub(crate) trait Refresh: Send + Sync {
    /// What was kept of them with the session. `None`: nothing was.
    fn tokens(&self, kept: &ConnectionData) -> Option<ProviderTokens>;
    /// Fetches new ones, and what the provider says of the person now.
    async fn refresh(
        &self,
        kept: &Kept,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Refreshed, RefreshError>;
}

/// A provider's tokens.
#[derive(Clone, Debug)]
pub(crate) struct ProviderTokens {
    pub(crate) access_token: Secret,
    pub(crate) id_token: Option<Secret>,
    /// From when on new ones are fetched, and when these have ended. `None`: the provider did not
    /// say.
    pub(crate) lasting: Option<Lasting>,
    /// Whether new ones can be had without the person.
    pub(crate) renewable: bool,
}

/// How long tokens are good for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Lasting {
    /// From here on new ones are fetched.
    #[serde(rename = "r")]
    pub(crate) renew_at: Timestamp,
    /// Here they end.
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
}

impl Lasting {
    /// Tokens that are good for so many seconds from now on: they are renewed half a minute before
    /// the end, and short-lived ones when a third is left.
    pub(crate) fn from(now: Timestamp, seconds: i64) -> Self {
        let after = |seconds: i64| {
            Timestamp::from_millis(now.millis().saturating_add(seconds.saturating_mul(1000)))
        };
        Self {
            renew_at: after(
                seconds
                    .saturating_sub(30)
                    .max(seconds.saturating_mul(2) / 3),
            ),
            expires_at: after(seconds),
        }
    }
}

/// What a refresh brought.
#[derive(Clone, Debug)]
pub(crate) struct Refreshed {
    pub(crate) kept: Kept,
    /// What the provider says of the person now; `None`: nothing new.
    pub(crate) identity: Option<Identity>,
}

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    /// The provider takes back what it said of this person, or speaks of another: the session that
    /// rests on it must end.
    #[error("the provider does not stand by this session: {0}")]
    Disowned(Rejection),
    /// It may work another time.
    #[error("{rejection}")]
    Failed {
        /// What stays with the session all the same: a provider that replaces refresh tokens has
        /// used up the one that was there.
        kept: Option<Kept>,
        rejection: Rejection,
    },
}
