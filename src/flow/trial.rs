//! Trial logins (`vestibule connections try`): everything a login does up to the proof, and then a
//! report instead of a session.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Engine, LoginFlow, Turn, Visit};
use crate::{
    clock::Timestamp,
    connection::{Authenticated, ConnectionSettings, Rejection},
    crypto,
    identity::{ConnectionId, Groups, Profile},
    problem::causes,
    store::{OneTimeKey, OneTimeRow, Purpose},
    text::page::{Page, Trial, failure::FailureKind},
};

/// How long a report is kept for the operator.
const KEPT: std::time::Duration = std::time::Duration::from_mins(15);

/// What the operator reads about a trial login.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum TrialReport {
    /// Nobody has signed in yet.
    Waiting { connection: ConnectionId },
    Ended {
        connection: ConnectionId,
        worked: bool,
        steps: Vec<TrialStep>,
        /// What went wrong, with its causes.
        error: Option<String>,
        /// What the provider said; `None` when it did not come to that.
        said: Option<Box<TrialIdentity>>,
    },
}

/// A step of the login.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrialStep {
    pub(crate) step: String,
    /// What is done and checked there.
    pub(crate) checks: String,
    pub(crate) outcome: TrialOutcome,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrialOutcome {
    Passed,
    Failed,
    NotReached,
}

/// What the provider said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrialIdentity {
    pub(crate) subject: String,
    /// The profile that a login would store.
    pub(crate) profile: Profile,
    pub(crate) groups: Groups,
    /// The claims as they came.
    pub(crate) claims: Map<String, Value>,
    /// `None`: the provider does not say.
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) amr: Vec<String>,
    pub(crate) acr: Option<String>,
}

/// The row of a trial.
pub(crate) fn trial_key(token: &str) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::Trial,
        hash: crypto::sha256(token.as_bytes()),
    }
}

impl Engine {
    /// GET login/{connection}?trial=…: the operator's link. It works for the connection it was made
    /// for, also one that no page offers.
    pub(super) async fn begin_trial(&self, visit: &Visit, id: &ConnectionId, token: &str) -> Turn {
        let row = self.parts.once.peek(&trial_key(token), visit.now).await;
        let row = match row {
            Ok(row) => row,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let report = row.and_then(|row| serde_json::from_slice(&row).ok());
        match report {
            Some(TrialReport::Waiting { connection }) if connection == *id => {
                let mut flow = self.begin_flow("/".to_owned(), None);
                flow.trial = Some(token.to_owned());
                self.begin(visit, flow, id, None).await
            }
            _ => self.failure(visit, FailureKind::NotFound, Vec::new()),
        }
    }

    /// The end of a trial, good or bad. The operator's word made it, and makes it end but once.
    pub(super) async fn end_trial(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        settings: &ConnectionSettings,
        outcome: Result<&Authenticated, &Rejection>,
    ) -> Turn {
        let (Some(token), Some((id, _))) = (&flow.trial, &flow.connection) else {
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        };
        let steps = self.connections.enabled(id);
        let steps = steps.map_or(&[][..], |(connection, _)| connection.steps());
        let report = report(id, steps, outcome);
        let key = trial_key(token);
        let taken = match self.parts.once.take(&key, visit.now).await {
            Ok(taken) => taken,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let payload = serde_json::to_vec(&report).unwrap_or_default();
        if taken.is_some() {
            let until = visit.now + KEPT;
            let row = OneTimeRow {
                key,
                payload,
                until,
            };
            if let Err(error) = self.parts.once.put(row).await {
                return self.store_is_away(visit, &error);
            }
        }
        let page = Trial {
            display_name: settings.display_name.clone(),
            worked: outcome.is_ok(),
        };
        Turn::page(StatusCode::OK, Page::Trial(page)).with(self.end_flow(flow))
    }
}

fn report(
    id: &ConnectionId,
    steps: &[(&str, &str)],
    outcome: Result<&Authenticated, &Rejection>,
) -> TrialReport {
    let failed_at = outcome.err().map(|rejection| rejection.step);
    let at = failed_at.and_then(|step| steps.iter().position(|(name, _)| *name == step));
    let outcome_of = |index: usize| match (failed_at, at) {
        (None, _) => TrialOutcome::Passed,
        (Some(_), Some(at)) if index < at => TrialOutcome::Passed,
        (Some(_), Some(at)) if index == at => TrialOutcome::Failed,
        (Some(_), _) => TrialOutcome::NotReached,
    };
    let steps = steps.iter().enumerate();
    let steps = steps.map(|(index, (step, checks))| TrialStep {
        step: (*step).to_owned(),
        checks: (*checks).to_owned(),
        outcome: outcome_of(index),
    });
    TrialReport::Ended {
        connection: id.clone(),
        worked: outcome.is_ok(),
        steps: steps.collect(),
        error: outcome.err().map(|rejection| causes(rejection)),
        said: outcome.ok().map(|who| Box::new(said(who))),
    }
}

fn said(who: &Authenticated) -> TrialIdentity {
    let (identity, authentication) = (who.identity(), who.authentication());
    let auth_time = authentication.auth_time;
    TrialIdentity {
        subject: identity.subject.to_string(),
        profile: identity.profile.clone(),
        groups: identity.groups.clone(),
        claims: identity.claims.clone(),
        auth_time: (auth_time != Timestamp::default()).then_some(auth_time),
        amr: authentication.amr.clone(),
        acr: authentication.acr.clone(),
    }
}
