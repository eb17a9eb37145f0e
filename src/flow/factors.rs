//! The second factors of the account page.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit, account::Wrong, fresh, pending::Pending};
use crate::{
    connection::{Proof, SecondFactor},
    identity::UserId,
    session::{Session, Token},
    store::{FactorId, FactorKind, FactorRecord, IdentityRecord, StoreError},
    text::page::account::{AccountProblem, FactorRow, FactorRows},
    user::{MOST_FACTORS, SecondProof},
};

impl Engine {
    /// POST account, with one of the actions on factors. Whoever holds no more than a session proves
    /// anew who they are.
    pub(super) async fn change_factors(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
        (action, fields): (&str, &Fields),
    ) -> Turn {
        if let Err(turn) = self.demand_fresh_proof(visit, session).await {
            return *turn;
        }
        let id = fields.one("factor").and_then(|id| id.parse().ok());
        match (action, id) {
            ("add-factor", _) => self.add_factor(visit, (session, token), fields).await,
            ("add-passkey", _) => self.add_passkey(visit, (session, token), fields).await,
            ("new-recovery-codes", _) => self.new_recovery_codes(visit, session).await,
            ("remove-factor", Some(id)) => self.remove_factor(visit, session, id).await,
            ("rename-factor", Some(id)) => self.rename_factor(visit, session, (id, fields)).await,
            _ => self.done(""),
        }
    }

    /// GET account, `add=totp`.
    pub(super) async fn begin_to_add(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
    ) -> Turn {
        match self.has_fresh_proof(visit, session).await {
            Ok(true) => self.add_factor_page(visit, (session, token), None).await,
            Ok(false) => self.to_fresh_login(&self.path("account?add=totp"), None),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    async fn rename_factor(
        &self,
        visit: &Visit,
        session: &Session,
        (id, fields): (FactorId, &Fields),
    ) -> Turn {
        let name = fields.one("factor_name").unwrap_or_default();
        let (factors, origin) = (&self.parts.factors, visit.origin());
        match factors.rename(&session.user().id, id, name, &origin).await {
            Ok(true) => self.done("factor-renamed"),
            Ok(false) => self.done(""),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    async fn remove_factor(&self, visit: &Visit, session: &Session, id: FactorId) -> Turn {
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let user = &session.user().id;
        match self.is_needed(user).await {
            Ok(true) => {
                return self
                    .account_problem(visit, AccountProblem::FactorNeeded)
                    .await;
            }
            Ok(false) => {}
            Err(error) => return self.store_is_away(visit, &error),
        }
        match self.is_last_way_in(user, id).await {
            Ok(true) => {
                return self
                    .account_problem(visit, AccountProblem::LastPasskey)
                    .await;
            }
            Ok(false) => {}
            Err(error) => return self.store_is_away(visit, &error),
        }
        match factors.remove(user, id, "person", &origin).await {
            Ok(true) => self.done("factor-removed"),
            Ok(false) => self.done(""),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// Whether one of the ways in of somebody who has one factor demands it.
    async fn is_needed(&self, user: &UserId) -> Result<bool, StoreError> {
        if self.parts.factors.of(user).await?.len() > 1 {
            return Ok(false);
        }
        let identities = self.parts.directory.store().identities(user).await?;
        let person = self.parts.directory.store().find(user).await?;
        Ok(identities.iter().any(|known| {
            let address = |person| self.code_address(person, &known.identity.connection);
            let is_replaced = person.as_ref().and_then(address).is_some();
            self.factor_of(known).demand().is_some() && !is_replaced
        }))
    }

    /// Whether a second factor is asked of somebody who comes by this identity.
    fn factor_of(&self, known: &IdentityRecord) -> SecondFactor {
        let found = self.connections.enabled(&known.identity.connection);
        found.map_or(SecondFactor::Off, |(_, settings)| settings.second_factor)
    }

    pub(super) async fn account_problem(&self, visit: &Visit, problem: AccountProblem) -> Turn {
        let wrong = Wrong {
            factors: Some(problem),
            ..Wrong::default()
        };
        self.account_page(visit, None, wrong)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// The factors as the account page lists them; `None` for somebody who is never asked.
    pub(super) async fn factor_rows(
        &self,
        token: &Token,
        user: &UserId,
        (identities, problem): (&[IdentityRecord], Option<AccountProblem>),
    ) -> Result<Option<FactorRows>, StoreError> {
        let factors = self.parts.factors.of(user).await?;
        let code = |factor: &&FactorRecord| matches!(factor.kind, FactorKind::Totp { .. });
        let asked = self.is_asked(identities);
        if !factors.iter().any(|factor| code(&factor)) && !asked {
            return Ok(None);
        }
        let left = if factors.is_empty() {
            None
        } else {
            Some(self.parts.factors.recovery_codes_left(user).await?)
        };
        let add = factors.len() < MOST_FACTORS;
        let emailed_to = if factors.is_empty() {
            self.sent_to(user, identities).await?
        } else {
            None
        };
        let codes = factors.iter().filter(code);
        Ok(Some(FactorRows {
            rows: codes
                .map(|factor| self.factor_row(token, factor, None))
                .collect(),
            emailed_to,
            problem: problem.filter(|problem| *problem != AccountProblem::LastPasskey),
            add: add.then(|| self.href("account?add=totp")),
            recovery_codes_left: left,
            new_recovery_codes: left.map(|_| self.form(token, "new-recovery-codes", None)),
        }))
    }

    /// Where a code is sent at each login of somebody with these identities, who has no factor of
    /// their own.
    async fn sent_to(
        &self,
        user: &UserId,
        identities: &[IdentityRecord],
    ) -> Result<Option<String>, StoreError> {
        let Some(person) = self.parts.directory.store().find(user).await? else {
            return Ok(None);
        };
        let mut asked = identities
            .iter()
            .filter(|known| self.factor_of(known).demand().is_some());
        let address =
            asked.find_map(|known| self.code_address(&person, &known.identity.connection));
        Ok(address.map(|address| address.as_str().to_owned()))
    }

    /// One factor as the account page lists it.
    pub(super) fn factor_row(
        &self,
        token: &Token,
        factor: &FactorRecord,
        synced: Option<bool>,
    ) -> FactorRow {
        FactorRow {
            id: factor.id.to_string(),
            name: factor.name.clone(),
            created_at: factor.created_at,
            last_used_at: factor.last_used_at,
            synced,
            rename: self.form(token, "rename-factor", Some(("factor", &factor.id))),
            remove: self.form(token, "remove-factor", Some(("factor", &factor.id))),
        }
    }

    /// Whether a second factor may be asked of somebody with these identities.
    pub(super) fn is_asked(&self, identities: &[IdentityRecord]) -> bool {
        let asked = |known| self.factor_of(known) != SecondFactor::Off;
        identities.iter().any(asked)
    }

    /// Whoever set a factor up has proven it, too: the session has it from now on.
    pub(super) async fn raise_own_session(
        &self,
        visit: &Visit,
        session: &Session,
        (second, back): (SecondProof, String),
    ) -> Turn {
        let contents = session.contents();
        let mut held = contents.authentications.into_iter().rev();
        let held = held.find(|held| fresh::is_fresh(held, visit.now));
        let user = self.parts.directory.store().find(&session.user().id).await;
        let (Some(held), Ok(Some(user))) = (held, user) else {
            return Turn::see_other(back);
        };
        let flow = self.begin_flow(back, None);
        let mut proof = Proof::of_session(held);
        second.add_to(&mut proof.authentication);
        let pending = Pending {
            user: user.id.clone(),
            proof,
            proven_at: visit.now,
        };
        self.raise_session(visit, &flow, (user, pending), Vec::new())
            .await
    }
}
