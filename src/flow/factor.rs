//! The second factor of a login.
//!
//! When the first proof is good and a second one is asked for, there is no session yet: the proof
//! becomes a row of the store that only this flow of this browser names, sealed, for ten minutes.
//! Whoever proves the factor goes on from there, once. In between the user may have been blocked,
//! their sessions may have been ended, or their password replaced: that is looked at again at each
//! step, and last in the transaction that makes the session.
//!
//! A session that has the first proof alone is raised in the same way, where a route wants more.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    finish::Opening,
    fresh,
    pending::{PENDING, Pending, pending_key},
};
use crate::{
    connection::{Proof, SecondFactor, has_many_factors, passkey::ANSWER_FIELD},
    identity::{Authentication, UserId},
    protocol::ReturnTo,
    session::{Brings, Session},
    store::{
        FactorKind, FactorRecord, OneTimeKey, OneTimeRow, OneTimeUse, Purpose, SessionId,
        StoreError, UserRecord,
    },
    text::page::{
        Page,
        factor::{Factor, FactorProblem},
        login::StartAgainWhy,
    },
    user::{FactorRefusal, Refusal, SecondProof},
};

/// What is asked of a person besides the first proof.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asks {
    /// To prove a factor that they have.
    Code,
    /// To type a code that is sent to them by e-mail: they have no factor of their own.
    Email,
    /// To set one up.
    Enrol,
}

/// A first proof that waits for the second.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Waiting {
    pub(super) pending: Pending,
    pub(super) asks: Asks,
    /// The session that has the first proof already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) raises: Option<SessionId>,
}

/// The same, read again at a later step, with its user as they are now.
pub(super) struct Awaited {
    pub(super) waiting: Waiting,
    pub(super) user: UserRecord,
    pub(super) key: OneTimeKey,
}

impl Engine {
    /// What a proof lacks on the way to the page that was wanted.
    pub(super) async fn asked(
        &self,
        flow: &LoginFlow,
        user: &UserId,
        held: &Authentication,
    ) -> Result<Option<Asks>, StoreError> {
        let found = self.connections.enabled(&held.connection);
        let asks = found.map_or(SecondFactor::Optional, |(_, settings)| {
            settings.second_factor
        });
        if asks == SecondFactor::Off {
            return Ok(None);
        }
        let needs = self.needs(&self.parse_return(&flow.return_to));
        let of_route = needs.and_then(|needs| needs.second_factor);
        let demand = asks.demand().max(of_route);
        let met = demand.map_or_else(
            || has_many_factors(held) || held.second_factor_at.is_some(),
            |demand| demand.is_met_by(held),
        );
        if met {
            return Ok(None);
        }
        let has_one = !self.parts.factors.of(user).await?.is_empty();
        if has_one {
            return Ok(Some(Asks::Code));
        }
        // Who changes how they sign in, or joins an account, proves a factor like who has one:
        // otherwise the first proof alone would set up what is asked for in place of the code.
        let is_change = flow.fresh || flow.link.is_some();
        let is_asked = demand.is_some() || is_change;
        Ok(
            if is_asked && self.has_code_address(user, &held.connection).await? {
                Some(Asks::Email)
            } else {
                demand.map(|_| Asks::Enrol)
            },
        )
    }

    /// Keeps the first proof, and sends the browser to the page that asks for the second.
    pub(super) async fn await_factor(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        waiting: Waiting,
    ) -> Turn {
        let mut flow = flow.clone();
        let held = &waiting.pending.proof.authentication;
        // A provider that remembers its people may let in whoever sits there.
        let stale = !flow.fresh && !fresh::is_fresh(held, visit.now);
        if waiting.asks == Asks::Enrol && stale {
            let turn = self.to_fresh_login(&flow.return_to, flow.nonce.as_deref());
            return turn.with(self.end_flow(&flow));
        }
        let ticket = self.draw_ticket();
        let row = pending_key(Purpose::Factor, &ticket, &flow.id)
            .and_then(|key| Some((self.seal_row(&key, &waiting)?, key)));
        let Some((payload, key)) = row else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let put = OneTimeRow {
            key,
            payload,
            until: visit.now + PENDING,
        };
        if let Err(error) = self.parts.sessions.store().put(put).await {
            return self.store_is_away(visit, &error);
        }
        if waiting.asks == Asks::Email
            && let Err(error) = self.begin_by_email(visit, (&ticket, &waiting)).await
        {
            return self.store_is_away(visit, &error);
        }
        flow.factor = Some(ticket);
        Turn::see_other(self.path(&format!("factor?flow={}", flow.id)))
            .with(self.keep_flow(visit, &flow))
    }

    /// The first proof that this flow waits with, if it is still good.
    async fn awaited(&self, visit: &Visit, flow: &LoginFlow) -> Result<Awaited, Box<Turn>> {
        let wanted = Some(flow.return_to.as_str());
        let gone = |why| Box::new(self.start_again(visit, why, wanted));
        let ticket = flow.factor.as_deref();
        let key = ticket.and_then(|ticket| pending_key(Purpose::Factor, ticket, &flow.id));
        let key = key.ok_or_else(|| gone(StartAgainWhy::NoFlow))?;
        let away = |error| Box::new(self.store_is_away(visit, &error));
        let sessions = self.parts.sessions.store();
        let row = sessions.peek(&key, visit.now).await.map_err(away)?;
        let waiting = row.and_then(|row| self.open_row::<Waiting>(&key, &row));
        let mut waiting = waiting.ok_or_else(|| gone(StartAgainWhy::Expired))?;
        let pending = &waiting.pending;
        let held = &pending.proof.authentication;
        // A connection that was removed meanwhile opens no session any more.
        if self.connections.enabled(&held.connection).is_none() {
            return Err(gone(StartAgainWhy::ConnectionChanged));
        }
        let directory = self.parts.directory.store();
        let user = directory.find(&pending.user).await.map_err(away)?;
        let user = user.ok_or_else(|| gone(StartAgainWhy::Expired))?;
        if user.blocked {
            return Err(Box::new(self.refused(
                visit,
                &held.connection,
                &Refusal::Blocked,
            )));
        }
        if self.is_outdated(visit, &waiting).await.map_err(away)? {
            return Err(gone(StartAgainWhy::Expired));
        }
        if waiting.asks == Asks::Email {
            let factors = self.parts.factors.of(&user.id).await.map_err(away)?;
            if !factors.is_empty() {
                waiting.asks = Asks::Code;
            }
        }
        Ok(Awaited { waiting, user, key })
    }

    /// Whether the first proof is of no use any more: all sessions of this person were ended since,
    /// or the one that was to be raised.
    pub(super) async fn is_outdated(
        &self,
        visit: &Visit,
        waiting: &Waiting,
    ) -> Result<bool, StoreError> {
        let pending = &waiting.pending;
        if let Some(id) = waiting.raises {
            return Ok(visit.session().is_none_or(|held| held.id() != id));
        }
        let proof = (&pending.user, &pending.proof.authentication);
        let sessions = self.parts.sessions.store();
        sessions.outdated(proof, pending.proven_at).await
    }

    /// GET factor.
    pub(crate) async fn factor_page(&self, visit: &Visit, flow: Option<&str>) -> Turn {
        let flow = flow.and_then(|id| self.find_flow(visit, id));
        let Some(flow) = flow else {
            return self.start_again(visit, StartAgainWhy::NoFlow, None);
        };
        match self.awaited(visit, &flow).await {
            Ok(awaited) => match awaited.waiting.asks {
                Asks::Code => {
                    let user = &awaited.user.id;
                    self.ask_for_factor(visit, (&flow, user), None, false).await
                }
                Asks::Email => self.factor_code_page(visit, &flow, &awaited).await,
                Asks::Enrol => self.ask_to_enrol(visit, &flow, &awaited, None).await,
            },
            Err(turn) => *turn,
        }
    }

    /// POST factor.
    pub(crate) async fn prove_factor(&self, visit: &Visit, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let awaited = match self.awaited(visit, &flow).await {
            Ok(awaited) => awaited,
            Err(turn) => return *turn,
        };
        match awaited.waiting.asks {
            Asks::Code => {}
            Asks::Email => return self.prove_by_email(visit, &flow, awaited, fields).await,
            Asks::Enrol => return self.enrol_and_go_on(visit, &flow, awaited, fields).await,
        }
        if fields.one(ANSWER_FIELD).is_some() {
            return self.prove_by_passkey(visit, &flow, awaited, fields).await;
        }
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let user = &awaited.user.id;
        let recovering = fields.one("recovery_code");
        let proven = if let Some(typed) = recovering {
            factors.recover(user, typed, &origin).await
        } else {
            let typed = fields.one("code").unwrap_or_default();
            factors.prove(user, typed, &origin).await
        };
        let recovering = recovering.is_some();
        match proven {
            Ok(second) => self.factor_proven(visit, &flow, awaited, second).await,
            Err(FactorRefusal::Store(error)) => self.store_is_away(visit, &error),
            Err(FactorRefusal::Throttled(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let problem = FactorProblem::TooManyTries { minutes };
                self.ask_for_factor(visit, (&flow, user), Some(problem), recovering)
                    .await
                    .status(StatusCode::TOO_MANY_REQUESTS)
                    .retry_after(wait)
            }
            Err(FactorRefusal::Gone | FactorRefusal::Wrong) => {
                let problem = if recovering {
                    FactorProblem::WrongRecoveryCode
                } else {
                    FactorProblem::WrongCode
                };
                self.ask_for_factor(visit, (&flow, user), Some(problem), recovering)
                    .await
                    .status(StatusCode::UNPROCESSABLE_ENTITY)
            }
        }
    }

    /// Both factors are proven: the login goes on, once.
    pub(super) async fn factor_proven(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        second: SecondProof,
    ) -> Turn {
        let Awaited { waiting, user, key } = awaited;
        let mut pending = waiting.pending;
        second.add_to(&mut pending.proof.authentication);
        let uses = vec![OneTimeUse::Row {
            key,
            now: visit.now,
        }];
        if waiting.raises.is_some() {
            self.raise_session(visit, flow, (user, pending), uses).await
        } else {
            self.let_in(visit, flow, (user, pending), uses).await
        }
    }

    pub(super) async fn ask_for_factor(
        &self,
        visit: &Visit,
        (flow, user): (&LoginFlow, &UserId),
        problem: Option<FactorProblem>,
        recovering: bool,
    ) -> Turn {
        let passkey = self.second_passkey(visit, flow, user).await;
        let (passkey, factors) = match (passkey, self.parts.factors.of(user).await) {
            (Ok(passkey), Ok(factors)) => (passkey, factors),
            (Err(error), _) | (_, Err(error)) => return self.store_is_away(visit, &error),
        };
        let code = |factor: &FactorRecord| matches!(factor.kind, FactorKind::Totp { .. });
        let return_to = self.parse_return(&flow.return_to);
        let page = Factor {
            destination: self.destination(&return_to),
            problem,
            post: self.post(flow, "factor"),
            code: factors.iter().any(code),
            passkey,
            recovering,
            others: self.href(&format!("login?flow={}&switch=1", flow.id)),
        };
        Turn::page(StatusCode::OK, Page::Factor(page))
    }

    /// The session that this browser has gets more about one of its authentications, and a new
    /// token.
    pub(super) async fn raise_session(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (user, pending): (UserRecord, Pending),
        mut uses: Vec<OneTimeUse>,
    ) -> Turn {
        uses.push(flow.once());
        let raised = Opening {
            user,
            authentication: pending.proof.authentication,
            brings: Brings::StepUp,
            // The session itself says that nothing was ended since.
            proven_at: visit.now,
            uses,
            advice: None,
        };
        self.open(visit, flow, raised).await
    }

    /// A session that has the first proof, at a page that wants the second: only that is asked.
    /// `None`: the login must begin with the first.
    pub(super) async fn step_up(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        return_to: &ReturnTo,
    ) -> Option<Turn> {
        let session: &Session = visit.session()?;
        let needs = self.needs(return_to)?;
        let contents = session.contents();
        let held = contents.principal(&needs.connections)?.authentication;
        let asks = match self.asked(flow, &session.user().id, held).await {
            Ok(asks) => asks?,
            Err(error) => return Some(self.store_is_away(visit, &error)),
        };
        if asks == Asks::Enrol && !fresh::is_fresh(held, visit.now) {
            return None;
        }
        let proof = Proof::of_session(held.clone());
        let waiting = Waiting {
            pending: Pending {
                user: session.user().id.clone(),
                proof,
                proven_at: visit.now,
            },
            asks,
            raises: Some(session.id()),
        };
        Some(self.await_factor(visit, flow, waiting).await)
    }
}
