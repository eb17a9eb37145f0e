//! Trial logins (`vestibule connections try`): everything a login does up to the proof, and then a
//! report instead of a session.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Engine, LoginFlow, Turn, Visit};
use crate::{
    clock::Timestamp,
    connection::{Authenticated, Check, ConnectionSettings, Rejection, Said, Seen},
    crypto,
    identity::{ConnectionId, Groups, Profile},
    problem::causes,
    store::{OneTimeKey, OneTimeRow, OneTimeUse, Purpose, StoreError},
    text::page::{Page, Trial, failure::FailureKind},
};

/// How long the link is good for, and then how long the report is kept for the operator.
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
        /// Who it was; `None` when it did not come to that.
        said: Option<Box<TrialIdentity>>,
        /// What the provider said, as it came, as far as it was had.
        claims: Vec<Said>,
    },
}

/// A step of the login, or one of the checks that are made at it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrialStep {
    pub(crate) step: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<String>,
    /// What is done there, or must be.
    pub(crate) what: String,
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

/// What a login makes of what the provider said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrialIdentity {
    pub(crate) subject: String,
    /// The profile that a login would store.
    pub(crate) profile: Profile,
    pub(crate) groups: Groups,
    /// `None`: the provider does not say.
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) amr: Vec<String>,
    pub(crate) acr: Option<String>,
}

/// The row of a trial.
fn trial_key(token: &str) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::Trial,
        hash: crypto::sha256(token.as_bytes()),
    }
}

impl Engine {
    /// The operator's word: a link for one trial login.
    pub(crate) async fn offer_trial(
        &self,
        id: &ConnectionId,
        token: &str,
    ) -> Result<String, StoreError> {
        let connection = id.clone();
        let until = self.parts.clock.now() + KEPT;
        self.keep_trial(token, &TrialReport::Waiting { connection }, until)
            .await?;
        let page = self.path(&format!("login/{id}?trial={token}"));
        Ok(format!("{}{page}", self.base.login))
    }

    /// What became of a trial. `None`: there is none any more.
    pub(crate) async fn trial(&self, token: &str) -> Result<Option<TrialReport>, StoreError> {
        let (key, now) = (trial_key(token), self.parts.clock.now());
        let row = self.parts.once.peek(&key, now).await?;
        Ok(row.and_then(|row| self.open_row(&key, &row)))
    }

    async fn keep_trial(
        &self,
        token: &str,
        report: &TrialReport,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let key = trial_key(token);
        let Some(payload) = self.seal_row(&key, report) else {
            return Ok(());
        };
        let row = OneTimeRow {
            key,
            payload,
            until,
        };
        self.parts.once.put(row).await
    }

    /// Whether somebody may sign in by this link. It works for the connection it was made for, also
    /// one that no page offers.
    async fn awaits(&self, token: &str, id: &ConnectionId) -> Result<bool, StoreError> {
        let report = self.trial(token).await?;
        Ok(matches!(report, Some(TrialReport::Waiting { connection }) if connection == *id))
    }

    /// GET login/{connection}?trial=…: the operator's link.
    pub(super) async fn begin_trial(&self, visit: &Visit, id: &ConnectionId, token: &str) -> Turn {
        match self.awaits(token, id).await {
            Ok(true) => {
                let mut flow = self.begin_flow("/".to_owned(), None);
                flow.trial = Some(token.to_owned());
                flow.seen = Seen::on();
                self.begin(visit, flow, id, None.into()).await
            }
            Ok(false) => self.failure(visit, FailureKind::NotFound, Vec::new()),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// The end of a trial, good or bad. The first of a link is the one that is reported: the link may
    /// have been opened twice before.
    pub(super) async fn end_trial(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        settings: &ConnectionSettings,
        outcome: Result<&Authenticated, &Rejection>,
    ) -> Turn {
        let gone = || {
            self.failure(visit, FailureKind::NotFound, Vec::new())
                .with(self.end_flow(flow))
        };
        let (Some(token), Some((id, _))) = (&flow.trial, &flow.connection) else {
            return gone();
        };
        let checks = self.connections.enabled(id);
        let checks = checks.map_or_else(Vec::new, |(connection, _)| connection.checks());
        let report = report((id, &checks), outcome, flow.seen.said());
        match self.report_trial(visit, (token, id), &report).await {
            Ok(true) => {}
            Ok(false) => return gone(),
            Err(error) => return self.store_is_away(visit, &error),
        }
        let page = Trial {
            display_name: settings.display_name.clone(),
            worked: outcome.is_ok(),
        };
        Turn::page(StatusCode::OK, Page::Trial(page)).with(self.end_flow(flow))
    }

    /// `false`: there was another report before, or nobody waits any more.
    async fn report_trial(
        &self,
        visit: &Visit,
        (token, id): (&str, &ConnectionId),
        report: &TrialReport,
    ) -> Result<bool, StoreError> {
        let until = visit.now + KEPT;
        let first = OneTimeUse::First {
            key: trial_key(token),
            until,
        };
        if !self.awaits(token, id).await? || !self.parts.once.first_use(first).await? {
            return Ok(false);
        }
        self.keep_trial(token, report, until).await?;
        Ok(true)
    }
}

fn report(
    (id, checks): (&ConnectionId, &[Check]),
    outcome: Result<&Authenticated, &Rejection>,
    claims: Vec<Said>,
) -> TrialReport {
    let failed = outcome.err();
    let at = failed.and_then(|rejection| {
        let is = |check: &Check| (check.step, check.check) == (rejection.step, rejection.check);
        checks.iter().position(is)
    });
    let outcome_of = |index: usize| match (failed, at) {
        (None, _) => TrialOutcome::Passed,
        (Some(_), Some(at)) if index < at => TrialOutcome::Passed,
        (Some(_), Some(at)) if index == at => TrialOutcome::Failed,
        (Some(_), _) => TrialOutcome::NotReached,
    };
    let checks = checks.iter().enumerate();
    let steps = checks.map(|(index, check)| TrialStep {
        step: check.step.to_owned(),
        check: check.check.map(str::to_owned),
        what: check.what.to_owned(),
        outcome: outcome_of(index),
    });
    TrialReport::Ended {
        connection: id.clone(),
        worked: outcome.is_ok(),
        steps: steps.collect(),
        error: outcome.err().map(|rejection| causes(rejection)),
        said: outcome.ok().map(|who| Box::new(said(who))),
        claims,
    }
}

fn said(who: &Authenticated) -> TrialIdentity {
    let (identity, authentication) = (who.identity(), who.authentication());
    let auth_time = authentication.auth_time;
    TrialIdentity {
        subject: identity.subject.to_string(),
        profile: identity.profile.clone(),
        groups: identity.groups.clone(),
        auth_time: (auth_time != Timestamp::default()).then_some(auth_time),
        amr: authentication.amr.clone(),
        acr: authentication.acr.clone(),
    }
}
