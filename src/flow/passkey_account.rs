//! Passkeys on the account page, and offered after a login by something else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{
    CookieKind, Engine, Fields, LoginFlow, Turn, Visit,
    passkey_factor::{NotAdded, Place},
};
use crate::{
    crypto,
    identity::{Authentication, UserId},
    protocol::{cookie::SetCookie, webauthn::Verification},
    session::{Session, Token},
    store::{FactorId, IdentityRecord, StoreError},
    text::{
        Letter,
        letter::AddedMethod,
        page::{
            Hidden, Href, NewPasskey as NewPasskeyPage, Page,
            account::{AccountProblem, PasskeyRows},
            login::StartAgainWhy,
            passkey::{NewPasskeyWhy, PasskeyProblem},
        },
    },
    user::MOST_FACTORS,
};

/// How long nobody is asked again who did not want a passkey.
const DECLINED: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

impl Engine {
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
                method: AddedMethod::Passkey,
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
        id: FactorId,
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
        page.with(turn.cookies).with(self.remember_offer(&user))
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

    fn remember_offer(&self, user: &UserId) -> Option<SetCookie> {
        let name = self.names().of(CookieKind::Offered);
        self.names().set(&name, &offered(user), DECLINED)
    }
}

/// To whom it was offered, in a form that says nothing of them.
fn offered(user: &UserId) -> String {
    let hash = crypto::sha256_parts(&[b"passkey offer", user.as_str().as_bytes()]);
    URL_SAFE_NO_PAD.encode(hash.first_chunk::<12>().unwrap_or(&[0; 12]))
}
