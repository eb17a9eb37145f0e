//! Asking a provider, without the person, whether what it said of people still holds.

use std::time::Duration;

use async_trait::async_trait;

use super::Rejection;
use crate::{
    clock::Timestamp,
    identity::{Identity, Subject},
};

/// A provider that can be asked about people who are signed in.
#[async_trait]
pub(crate) trait Recheck: Send + Sync {
    /// How often.
    fn every(&self) -> Duration;
    /// What it says now of each of these.
    async fn recheck(
        &self,
        subjects: &[Subject],
        now: Timestamp,
    ) -> Result<Vec<(Subject, Rechecked)>, Rejection>;
}

/// What a provider says of somebody now.
#[derive(Clone, Debug)]
pub(crate) enum Rechecked {
    /// They are not there any more, or must not come in.
    Gone,
    /// They may; this is who they are.
    Stands(Box<Identity>),
}
