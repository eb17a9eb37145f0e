//! Passkeys of somebody who is known already: as a second factor on the way in, and set up.

use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    factor::Awaited,
    passkey::{HANDLE, answer, handle_field, handle_of, problem_of},
};
use crate::{
    connection::passkey::{self, Ceremony, Desk, Made, Refused},
    identity::UserId,
    protocol::webauthn::{Verification, Whose},
    store::{StoreError, UserRecord},
    text::page::{
        Post,
        factor::FactorProblem,
        login::StartAgainWhy,
        passkey::{PasskeyCeremony, PasskeyForm, PasskeyProblem},
    },
    user::{EnrolmentRefusal, NewPasskey},
};

/// Where a form came from that made a passkey.
pub(super) struct Place<'a> {
    pub(super) user: &'a UserId,
    /// The flow or the session.
    pub(super) within: &'a str,
    /// How many factors they may have.
    pub(super) most: usize,
}

/// Why no passkey was made.
pub(super) enum NotAdded {
    Full,
    Problem(PasskeyProblem),
    Store(StoreError),
}

impl From<StoreError> for NotAdded {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Engine {
    /// Asks for one of the passkeys of somebody whose first proof is good; `None`: they have none.
    pub(super) async fn second_passkey(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        user: &UserId,
    ) -> Result<Option<PasskeyForm>, StoreError> {
        let Some(desk) = &self.desk else {
            return Ok(None);
        };
        let theirs = self.parts.factors.passkeys(user).await?;
        if !desk.can_ask(&theirs) {
            return Ok(None);
        }
        let state = flow.state();
        let ceremony = Ceremony::SecondFactor { user, flow: &state };
        let asked = desk.ask_second(&ceremony, &theirs, visit.now);
        let post = self.post(flow, "factor");
        let form = self.passkey_form(post, PasskeyCeremony::Get, asked, None);
        Ok(Some(form))
    }

    /// POST factor, with a passkey.
    pub(super) async fn prove_by_passkey(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        fields: &Fields,
    ) -> Turn {
        let state = flow.state();
        let user = awaited.user.id.clone();
        let ceremony = Ceremony::SecondFactor {
            user: &user,
            flow: &state,
        };
        let proven = match &self.desk {
            Some(desk) => {
                let (factors, origin) = (&self.parts.factors, visit.origin());
                factors
                    .prove_passkey((desk, &ceremony), answer(fields), &user, &origin)
                    .await
            }
            None => Err(Refused::Unasked),
        };
        let problem = match proven {
            Ok((second, once)) => match self.parts.once.first_use(once.first()).await {
                Ok(true) => return self.factor_proven(visit, flow, awaited, second).await,
                Ok(false) => PasskeyProblem::Late,
                Err(error) => return self.store_is_away(visit, &error),
            },
            Err(Refused::Store(error)) => return self.store_is_away(visit, &error),
            Err(refused) => {
                tracing::info!(
                    error = &refused as &dyn std::error::Error,
                    request_id = visit.request_id,
                    "a passkey was refused as a second factor"
                );
                problem_of(refused.check())
            }
        };
        let problem = Some(FactorProblem::Passkey(problem));
        self.ask_for_factor(visit, (flow, &user), problem, false)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Asks somebody who is known for a new passkey; `None`: browsers offer none here.
    pub(super) async fn new_passkey(
        &self,
        visit: &Visit,
        user: &UserRecord,
        (within, mut post): (&str, Post),
    ) -> Result<Option<PasskeyForm>, StoreError> {
        let Some(desk) = &self.desk else {
            return Ok(None);
        };
        let handle = self.user_handle(&user.id).await?;
        let theirs = self.parts.factors.passkeys(&user.id).await?;
        let ceremony = Ceremony::Enrol {
            user: &user.id,
            within,
            handle: &handle,
        };
        let name = user.profile.email.as_deref().unwrap_or(&user.handle);
        let whose = Whose {
            handle: &handle,
            name,
            display_name: user.profile.name.as_deref().unwrap_or(name),
        };
        let how = (self.wanted_of_new(), theirs.as_slice());
        let asked = desk.ask_new(&ceremony, whose, how, visit.now);
        post.hidden.push(handle_field(&handle));
        let form = self.passkey_form(post, PasskeyCeremony::Create, asked, None);
        Ok(Some(form))
    }

    /// What is wanted of a new passkey: where it may be the only proof one day, that it can be.
    pub(super) fn wanted_of_new(&self) -> Verification {
        let mut all = self.connections.all_enabled();
        if all.any(|(connection, _)| connection.passkeys().is_some()) {
            Verification::Required
        } else {
            Verification::Preferred
        }
    }

    /// The user handle of somebody: all their passkeys have one.
    async fn user_handle(&self, user: &UserId) -> Result<Vec<u8>, StoreError> {
        let identities = self.parts.directory.store().identities(user).await?;
        let of_identity = identities.iter().find_map(|known| {
            let (connection, _) = self.connections.find(&known.identity.connection)?;
            connection.passkeys()?;
            passkey::handle_of(&known.identity.subject)
        });
        match of_identity {
            Some(handle) => Ok(handle),
            None => self.parts.factors.passkey_handle(user).await,
        }
    }

    /// Takes a passkey that was made.
    async fn take_new(
        &self,
        visit: &Visit,
        desk: &Desk,
        place: &Place<'_>,
        fields: &Fields,
    ) -> Result<(Vec<u8>, Made), NotAdded> {
        let handle = fields.one(HANDLE).and_then(handle_of);
        let handle = handle.ok_or(NotAdded::Problem(PasskeyProblem::Refused))?;
        let ceremony = Ceremony::Enrol {
            user: place.user,
            within: place.within,
            handle: &handle,
        };
        let how = self.wanted_of_new();
        let made = match desk.made(&ceremony, answer(fields), how, visit.now) {
            Ok(made) => made,
            Err(refused) => {
                tracing::info!(
                    error = &refused as &dyn std::error::Error,
                    request_id = visit.request_id,
                    "a new passkey was refused"
                );
                return Err(NotAdded::Problem(problem_of(refused.check())));
            }
        };
        if !self.parts.once.first_use(made.once.first()).await? {
            return Err(NotAdded::Problem(PasskeyProblem::Late));
        }
        Ok((handle, made))
    }

    /// The same, and gives it to its user.
    pub(super) async fn add_new(
        &self,
        visit: &Visit,
        place: Place<'_>,
        fields: &Fields,
    ) -> Result<(crate::user::SecondProof, Option<Vec<String>>), NotAdded> {
        let Some(desk) = &self.desk else {
            return Err(NotAdded::Problem(PasskeyProblem::Refused));
        };
        let (handle, made) = self.take_new(visit, desk, &place, fields).await?;
        let new = NewPasskey {
            handle: &handle,
            made: &made,
            party: desk.party(),
            name: fields.one("factor_name").unwrap_or_default(),
        };
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let added = factors.add_passkey(place.user, new, place.most, &origin);
        let second = added.await.map_err(|refusal| match refusal {
            EnrolmentRefusal::Store(error) => NotAdded::Store(error),
            EnrolmentRefusal::TooMany => NotAdded::Full,
            EnrolmentRefusal::Exists => NotAdded::Problem(PasskeyProblem::Exists),
            EnrolmentRefusal::Expired | EnrolmentRefusal::Wrong => {
                NotAdded::Problem(PasskeyProblem::Refused)
            }
        })?;
        // They are for whoever is asked for a second factor, and has lost it.
        let identities = self.parts.directory.store().identities(place.user).await?;
        let asked = place.most == 1 || self.is_asked(&identities);
        let codes = if asked {
            factors.first_recovery_codes(place.user, &origin).await?
        } else {
            None
        };
        Ok((second, codes))
    }

    /// POST factor, where one is set up and that is a passkey.
    pub(super) async fn enrol_passkey_and_go_on(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        fields: &Fields,
    ) -> Turn {
        let wanted = Some(flow.return_to.as_str());
        let user = awaited.user.id.clone();
        let place = Place {
            user: &user,
            within: &flow.state(),
            most: 1,
        };
        let (second, codes) = match self.add_new(visit, place, fields).await {
            Ok(added) => added,
            Err(NotAdded::Store(error)) => return self.store_is_away(visit, &error),
            // They have one now, which is to be proven.
            Err(NotAdded::Full) => {
                return self.start_again(visit, StartAgainWhy::AlreadyUsed, wanted);
            }
            Err(NotAdded::Problem(problem)) => {
                return self
                    .ask_to_enrol_again(visit, flow, &awaited, problem)
                    .await;
            }
        };
        self.enrolled(visit, flow, awaited, (second, codes)).await
    }
}
