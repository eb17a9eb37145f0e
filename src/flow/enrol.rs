//! A second factor is set up: on the way in, where nobody comes in without, or on the account page.

use http::StatusCode;

use super::{Engine, Fields, LoginFlow, Next, Turn, Visit, factor::Awaited};
use crate::{
    connection::passkey::ANSWER_FIELD,
    protocol::Host,
    session::{Session, Token},
    store::UserRecord,
    text::page::{
        Hidden, Href, Page, Post,
        account::AccountProblem,
        factor::{Enrol, FactorProblem, KeyUri, NewRecoveryCodes, Qr, WhyEnrol},
        login::StartAgainWhy,
        passkey::{PasskeyForm, PasskeyProblem},
    },
    user::{Enrolment, EnrolmentRefusal, MOST_FACTORS, RecoveryCodes, SecondProof},
};

/// The hidden field with what is being set up.
const ENROLMENT: &str = "enrolment";

/// Which form sets it up.
struct Form {
    post: Post,
    why: Option<WhyEnrol>,
    passkey: Option<PasskeyForm>,
    back: Href,
}

impl Engine {
    /// The page that sets one up, on the way in.
    pub(super) async fn ask_to_enrol(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: &Awaited,
        again: Option<(Enrolment, &str)>,
    ) -> Turn {
        let (state, post) = (flow.state(), self.post(flow, "factor"));
        let passkey = self.new_passkey(visit, &awaited.user, (&state, post));
        let passkey = match passkey.await {
            Ok(passkey) => passkey,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let form = Form {
            post: self.post(flow, "factor"),
            why: Some(WhyEnrol::Required),
            passkey,
            back: self.href(&format!("login?flow={}&switch=1", flow.id)),
        };
        self.enrol_page(visit, &awaited.user, form, again)
    }

    /// The same page, after a passkey that did not do.
    pub(super) async fn ask_to_enrol_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: &Awaited,
        problem: PasskeyProblem,
    ) -> Turn {
        let mut turn = self.ask_to_enrol(visit, flow, awaited, None).await;
        if let Next::Page(_, page) = &mut turn.next
            && let Page::Enrol(page) = page.as_mut()
        {
            page.passkey_problem = Some(problem);
        }
        turn.status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// The secret, as a picture, as a link and as text.
    fn enrol_page(
        &self,
        visit: &Visit,
        user: &UserRecord,
        form: Form,
        again: Option<(Enrolment, &str)>,
    ) -> Turn {
        let wrong = again.is_some();
        let (enrolment, name) = again.unwrap_or_else(|| (self.parts.factors.draw(&user.id), ""));
        let email = user.profile.email.as_ref();
        let account = email.unwrap_or(&user.handle);
        let host: &Host = &self.base.login.host;
        let uri = enrolment.secret.key_uri(host.as_str(), account);
        let (Some(qr), Some(key_uri)) = (Qr::of(&uri), KeyUri::new(&uri)) else {
            return self.start_again(visit, StartAgainWhy::Expired, None);
        };
        let Form {
            mut post,
            why,
            passkey,
            back,
        } = form;
        post.hidden.push(Hidden {
            name: ENROLMENT.to_owned(),
            value: enrolment.sealed,
        });
        let page = Enrol {
            why,
            problem: wrong.then_some(FactorProblem::WrongCode),
            post,
            qr,
            uri: key_uri,
            secret: in_groups(&enrolment.secret.base32()),
            name: name.to_owned(),
            passkey,
            passkey_problem: None,
            back,
        };
        let status = if wrong {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        Turn::page(status, Page::Enrol(page))
    }

    /// POST factor, where one is set up: the first factor of somebody who has none still.
    pub(super) async fn enrol_and_go_on(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        fields: &Fields,
    ) -> Turn {
        if fields.one(ANSWER_FIELD).is_some() {
            let enrolled = self.enrol_passkey_and_go_on(visit, flow, awaited, fields);
            return Box::pin(enrolled).await;
        }
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let user = &awaited.user.id;
        let sealed = fields.one(ENROLMENT).unwrap_or_default();
        let name = fields.one("factor_name").unwrap_or_default();
        let typed = (sealed, fields.one("code").unwrap_or_default(), name);
        let wanted = Some(flow.return_to.as_str());
        let (second, codes) = match factors.enrol(user, typed, 1, &origin).await {
            Ok(enrolled) => enrolled,
            Err(EnrolmentRefusal::Store(error)) => return self.store_is_away(visit, &error),
            Err(EnrolmentRefusal::Wrong) => {
                let again = factors.drawn(user, sealed).map(|drawn| (drawn, name));
                return self.ask_to_enrol(visit, flow, &awaited, again).await;
            }
            Err(EnrolmentRefusal::Expired) => {
                return self.ask_to_enrol(visit, flow, &awaited, None).await;
            }
            // They have one now, which is to be proven.
            Err(EnrolmentRefusal::Exists | EnrolmentRefusal::TooMany) => {
                return self.start_again(visit, StartAgainWhy::AlreadyUsed, wanted);
            }
        };
        self.enrolled(visit, flow, awaited, (second, codes)).await
    }

    /// The factor is set up: the login goes on with it.
    pub(super) async fn enrolled(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        (second, codes): (SecondProof, Option<RecoveryCodes>),
    ) -> Turn {
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let user = &awaited.user.id;
        let wanted = Some(flow.return_to.as_str());
        // What ended all sessions meanwhile must end this factor too: it may be somebody else's.
        match self.is_outdated(visit, &awaited.waiting).await {
            Ok(false) => {}
            Ok(true) => {
                return match factors.reset(user, "outdated", &origin).await {
                    Ok(_) => self.start_again(visit, StartAgainWhy::Expired, wanted),
                    Err(error) => self.store_is_away(visit, &error),
                };
            }
            Err(error) => return self.store_is_away(visit, &error),
        }
        let turn = self.factor_proven(visit, flow, awaited, second).await;
        self.with_codes(codes, turn)
    }

    /// Shows recovery codes before the person goes on.
    pub(super) fn with_codes(&self, codes: Option<RecoveryCodes>, turn: Turn) -> Turn {
        let Some(codes) = codes else { return turn };
        let (advice, go_on) = match &turn.next {
            Next::Page(_, page) => match page.as_ref() {
                Page::Advised(advised) => (Some(advised.clone()), Some(advised.go_on.clone())),
                _ => (None, turn.leads_to()),
            },
            Next::SeeOther(_) => (None, turn.leads_to()),
        };
        let Some(go_on) = go_on else { return turn };
        let page = NewRecoveryCodes {
            codes,
            advice,
            go_on,
        };
        Turn::page(StatusCode::OK, Page::NewRecoveryCodes(page)).with(turn.cookies)
    }

    /// GET account, with `add=totp`.
    pub(super) async fn add_factor_page(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
        again: Option<(Enrolment, &str)>,
    ) -> Turn {
        let user = match self.parts.directory.store().find(&session.user().id).await {
            Ok(Some(user)) => user,
            Ok(None) => return self.start_again(visit, StartAgainWhy::Expired, None),
            Err(error) => return self.store_is_away(visit, &error),
        };
        let form = Form {
            post: self.form(token, "add-factor", None),
            why: None,
            passkey: None,
            back: self.href("account#factors"),
        };
        self.enrol_page(visit, &user, form, again)
    }

    /// POST account, `action=add-factor`.
    pub(super) async fn add_factor(
        &self,
        visit: &Visit,
        (session, token): (&Session, &Token),
        fields: &Fields,
    ) -> Turn {
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let user = &session.user().id;
        let sealed = fields.one(ENROLMENT).unwrap_or_default();
        let name = fields.one("factor_name").unwrap_or_default();
        let typed = (sealed, fields.one("code").unwrap_or_default(), name);
        match factors.enrol(user, typed, MOST_FACTORS, &origin).await {
            Ok((second, codes)) => {
                let back = self.path("account?done=factor-added");
                let raised = self.raise_own_session(visit, session, (second, back));
                self.with_codes(codes, raised.await)
            }
            Err(EnrolmentRefusal::Store(error)) => self.store_is_away(visit, &error),
            Err(EnrolmentRefusal::Exists) => self.done("factor-added"),
            Err(EnrolmentRefusal::TooMany) => {
                self.account_problem(visit, AccountProblem::FactorsFull)
                    .await
            }
            Err(EnrolmentRefusal::Wrong) => {
                let again = factors.drawn(user, sealed).map(|drawn| (drawn, name));
                self.add_factor_page(visit, (session, token), again).await
            }
            Err(EnrolmentRefusal::Expired) => {
                self.add_factor_page(visit, (session, token), None).await
            }
        }
    }

    /// POST account, `action=new-recovery-codes`.
    pub(super) async fn new_recovery_codes(&self, visit: &Visit, session: &Session) -> Turn {
        let (factors, origin) = (&self.parts.factors, visit.origin());
        match factors
            .new_recovery_codes(&session.user().id, &origin)
            .await
        {
            Ok(codes) => self.with_codes(codes, self.done("")),
            Err(error) => self.store_is_away(visit, &error),
        }
    }
}

/// A secret as people read it: four letters at a time.
fn in_groups(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len() * 5 / 4);
    for (at, letter) in secret.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}
