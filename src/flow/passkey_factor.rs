//! Passkeys of somebody who is known already: as a second factor on the way in, on the account page, and
//! offered after a login by something else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{
    CookieKind, Engine, Fields, LoginFlow, Turn, Visit,
    factor::Awaited,
    passkey::{HANDLE, answer, handle_field, handle_of, problem_of},
};
use crate::{
    connection::passkey::{self, Ceremony, Desk, Made, Refused},
    crypto,
    identity::{Authentication, UserId},
    protocol::{
        cookie::SetCookie,
        webauthn::{Verification, Whose},
    },
    session::{Session, Token},
    store::{IdentityRecord, StoreError, UserRecord},
    text::{
        Letter,
        page::{
            Hidden, Href, NewPasskey as NewPasskeyPage, Page, Post,
            account::{AccountProblem, PasskeyRows},
            factor::FactorProblem,
            login::StartAgainWhy,
            passkey::{NewPasskeyWhy, PasskeyCeremony, PasskeyForm, PasskeyProblem},
        },
    },
    user::{EnrolmentRefusal, MOST_FACTORS, NewPasskey},
};

/// How long nobody is asked again who did not want a passkey.
const DECLINED: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// Where a form came from that made a passkey.
struct Place<'a> {
    user: &'a UserId,
    /// The flow or the session.
    within: &'a str,
    /// How many factors they may have.
    most: usize,
}

/// Why no passkey was made.
enum NotAdded {
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
    fn wanted_of_new(&self) -> Verification {
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
    async fn add_new(
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

    /// GET account, `add=passkey`.
    pub(super) async fn begin_to_add_passkey(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
    ) -> Turn {
        match self.has_fresh_proof(visit, session).await {
            Ok(true) => {
                let why = NewPasskeyWhy::Wanted;
                let go_on = self.href("account#passkeys");
                let page = self.new_passkey_page(visit, (session, token), (why, go_on), None);
                page.await
            }
            Ok(false) => self.to_fresh_login(&self.path("account?add=passkey"), None),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    async fn new_passkey_page(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
        (why, go_on): (NewPasskeyWhy, Href),
        problem: Option<PasskeyProblem>,
    ) -> Turn {
        let user = match self.parts.directory.store().find(&session.user().id).await {
            Ok(Some(user)) => user,
            Ok(None) => return self.start_again(visit, StartAgainWhy::Expired, None),
            Err(error) => return self.store_is_away(visit, &error),
        };
        let mut post = self.form(token, "add-passkey", None);
        if why == NewPasskeyWhy::Offered {
            post.hidden.push(Hidden {
                name: "rd".to_owned(),
                value: go_on.as_str().to_owned(),
            });
        }
        let within = session.id().to_string();
        match self.new_passkey(visit, &user, (&within, post)).await {
            Ok(Some(form)) => {
                let page = NewPasskeyPage {
                    why,
                    problem,
                    form,
                    go_on,
                };
                Turn::page(StatusCode::OK, Page::NewPasskey(page))
            }
            Ok(None) => self.done(""),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// POST account, `action=add-passkey`.
    pub(super) async fn add_passkey(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
        fields: &Fields,
    ) -> Turn {
        let within = session.id().to_string();
        let place = Place {
            user: &session.user().id,
            within: &within,
            most: MOST_FACTORS,
        };
        // After an offer, the person goes where they wanted to go in the first place.
        let wanted = fields.one("rd").and_then(Href::path);
        let (second, codes) = match self.add_new(visit, place, fields).await {
            Ok(added) => added,
            Err(NotAdded::Store(error)) => return self.store_is_away(visit, &error),
            Err(NotAdded::Full) => {
                return self
                    .account_problem(visit, AccountProblem::FactorsFull)
                    .await;
            }
            Err(NotAdded::Problem(problem)) => {
                let why = match wanted {
                    Some(go_on) => (NewPasskeyWhy::Offered, go_on),
                    None => (NewPasskeyWhy::Wanted, self.href("account#passkeys")),
                };
                return self
                    .new_passkey_page(visit, (session, token), why, Some(problem))
                    .await
                    .status(StatusCode::UNPROCESSABLE_ENTITY);
            }
        };
        self.tell_of_passkey(visit, session);
        let back = wanted.map_or_else(
            || self.path("account?done=passkey-added"),
            |wanted| self.parse_return(wanted.as_str()).target().to_owned(),
        );
        let raised = self.raise_own_session(visit, session, (second, back)).await;
        self.with_codes(codes, raised)
    }

    /// Whoever has the mail of the account hears of a new way in.
    fn tell_of_passkey(&self, visit: &Visit, session: &Session) {
        if let Some((id, subject)) = self.keeper(session) {
            let letter = Letter::SignInMethodAdded {
                method: "Passkey".to_owned(),
                account: self.page_in_mail("account"),
            };
            self.mail_notice(visit, (&id, &subject), letter);
        }
    }

    /// The passkeys as the account page lists them; `None`: none would be asked for.
    pub(super) async fn passkey_rows(
        &self,
        token: &Token,
        user: &UserId,
        (identities, problem): (&[IdentityRecord], Option<AccountProblem>),
    ) -> Result<Option<PasskeyRows>, StoreError> {
        let theirs = self.parts.factors.passkeys(user).await?;
        let may_sign_in = self.wanted_of_new() == Verification::Required;
        let of_use = self.desk.is_some() && (may_sign_in || self.is_asked(identities));
        if theirs.is_empty() && !of_use {
            return Ok(None);
        }
        let all = self.parts.factors.of(user).await?.len();
        let rows = theirs.iter().map(|(factor, credential)| {
            let synced = Some(credential.backed_up);
            self.factor_row(token, factor, synced)
        });
        let add = of_use && all < MOST_FACTORS;
        Ok(Some(PasskeyRows {
            rows: rows.collect(),
            problem: problem.filter(|problem| *problem == AccountProblem::LastPasskey),
            add: add.then(|| self.href("account?add=passkey")),
        }))
    }

    /// Whether this is the last passkey of somebody who has no other way to sign in.
    pub(super) async fn is_last_way_in(
        &self,
        user: &UserId,
        id: crate::store::FactorId,
    ) -> Result<bool, StoreError> {
        let theirs = self.parts.factors.passkeys(user).await?;
        let [(last, _)] = theirs.as_slice() else {
            return Ok(false);
        };
        if last.id != id {
            return Ok(false);
        }
        let identities = self.parts.directory.store().identities(user).await?;
        Ok(identities.iter().all(|known| {
            let found = self.connections.find(&known.identity.connection);
            found.is_some_and(|(connection, _)| connection.passkeys().is_some())
        }))
    }

    /// Whoever signed in another way is asked whether they want a passkey: on a page before the one
    /// that was wanted, and not again soon.
    pub(super) async fn offer_passkey(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        proven: &Authentication,
        turn: Turn,
    ) -> Turn {
        let (Some((session, token)), Some(go_on)) = (&visit.session, turn.leads_to()) else {
            return turn;
        };
        let user = session.user().id.clone();
        let offers = flow.link.is_none() && !flow.fresh && self.offers_passkeys(flow, proven);
        if !offers || self.was_offered(visit, &user) {
            return turn;
        }
        match (&self.desk, self.parts.factors.passkeys(&user).await) {
            (Some(desk), Ok(theirs)) if !desk.can_ask(&theirs) => {}
            _ => return turn,
        }
        let why = (NewPasskeyWhy::Offered, go_on);
        let page = self
            .new_passkey_page(visit, (session, token), why, None)
            .await;
        page.with(turn.cookies)
            .with(self.remember_offer(visit, &user))
    }

    /// Whether the page that is wanted opens to a passkey, and its connection offers them to whoever
    /// came another way.
    fn offers_passkeys(&self, flow: &LoginFlow, proven: &Authentication) -> bool {
        let return_to = self.parse_return(&flow.return_to);
        let offer = self.offer(&return_to);
        let passkeys = |id| {
            let (connection, _) = self.connections.enabled(id)?;
            connection.passkeys()
        };
        passkeys(&proven.connection).is_none()
            && self.connections.all_enabled().any(|(connection, _)| {
                let offers = connection
                    .passkeys()
                    .is_some_and(|passkeys| passkeys.offers);
                offers && offer.contains(connection.id())
            })
    }

    fn was_offered(&self, visit: &Visit, user: &UserId) -> bool {
        let name = self.names().of(CookieKind::Offered);
        visit.jar.one(&name) == Some(&offered(user))
    }

    fn remember_offer(&self, _: &Visit, user: &UserId) -> Option<SetCookie> {
        let name = self.names().of(CookieKind::Offered);
        self.names().set(&name, &offered(user), DECLINED)
    }
}

/// To whom it was offered, in a form that says nothing of them.
fn offered(user: &UserId) -> String {
    let hash = crypto::sha256_parts(&[b"passkey offer", user.as_str().as_bytes()]);
    URL_SAFE_NO_PAD.encode(hash.first_chunk::<12>().unwrap_or(&[0; 12]))
}
