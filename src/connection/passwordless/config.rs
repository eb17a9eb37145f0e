//! The keys of a connection with `strategy = "email"`.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Channel, Passwordless};
use crate::{
    connection::{
        Common, Connection,
        discovery::DomainRule,
        registry::{OpenConnection, Parts},
    },
    identity::ConnectionId,
    problem::Problem,
    units::Span,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EmailConfig {
    /// How long a message is good to sign in with. Default: `5m`; at most `1h`.
    pub(crate) lifetime: Option<Span>,
    /// E-mail domains whose people may sign in: `acme.example`, or `*.acme.example` for all below it.
    /// Nobody else gets a message, or is told so. Default: all.
    #[schemars(with = "Vec<String>")]
    pub(crate) allowed_domains: Vec<DomainRule>,
    /// Whether the subject of the message has the code, for lock screens. Default: no.
    pub(crate) code_in_subject: bool,
}

/// How long a message is good where nothing is set.
const LIFETIME: Duration = Duration::from_mins(5);
/// The browser that asked keeps what it asked for no longer than this.
const LONGEST: Duration = Duration::from_hours(1);
const SHORTEST: Duration = Duration::from_mins(1);

pub(super) fn lifetime(set: Option<Span>) -> Result<Duration, Problem> {
    match set {
        None => Ok(LIFETIME),
        Some(Span(set)) if (SHORTEST..=LONGEST).contains(&set) => Ok(set),
        Some(_) => Err(
            Problem::new("lifetime", "people need a minute, and nobody an hour")
                .hint("between \"1m\" and \"1h\", like \"5m\""),
        ),
    }
}

/// What no connection has whose people are proven by messages.
pub(super) fn problems_of(common: &Common) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !common.claims.is_empty() {
        let message = "there is no provider to map from";
        problems.push(Problem::new("claims", message));
    }
    if !common.upstream_params.is_empty() {
        let message = "such a connection sends nobody to a provider";
        problems.push(Problem::new("upstream_params", message));
    }
    problems
}

impl OpenConnection for EmailConfig {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let mut problems = problems_of(common);
        problems.extend(lifetime(self.lifetime).err());
        problems
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        _: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let problems = self.problems(common);
        match lifetime(self.lifetime) {
            Ok(lifetime) if problems.is_empty() => Ok(Arc::new(Passwordless {
                id,
                lifetime,
                channel: Channel::Email {
                    allowed: self.allowed_domains.clone(),
                    code_in_subject: self.code_in_subject,
                },
            })),
            _ => Err(problems),
        }
    }

    fn needs_mail(&self) -> bool {
        true
    }
}
