//! Sign-in by a message.
//!
//! | request | what happens |
//! |---|---|
//! | POST login/{connection}, `login` | a message is sent to that address, if its owner may come in; the page that takes the code |
//! | POST login/{connection}, `again` | another one |
//! | POST login/{connection}, `code` | the code of this flow's newest message signs in |
//!
//! Whether anybody is written to is not told: an address that may not come in has a code like others,
//! which nobody is sent. The link of the message is followed in `sign_in_link.rs`.

use std::time::Duration;

use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit, mailing::hidden, sign_in_message::SignInMessage,
};
use crate::{
    connection::{
        AccountKey, AddressForm, AddressKind, Asker, Connection, ConnectionSettings, Fault, Form,
        FoundSignIn, NoSignIn, Passwordless, Recipient, Rejection, Reply, SentTo, SignInAsked,
        Throttled,
    },
    identity::ConnectionId,
    store::StoreError,
    text::{
        device::known_device,
        page::{
            CheckMail, Page,
            login::{LoginProblem, StartAgainWhy},
            mail::{CodeProblem, WhyMail},
        },
    },
};

/// How long it is before the same browser is sent another message.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// The connection that a form came back to.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) connection: &'a dyn Connection,
    pub(super) passwordless: &'a Passwordless,
    pub(super) settings: &'a ConnectionSettings,
}

impl By<'_> {
    fn id(&self) -> &ConnectionId {
        self.connection.id()
    }

    fn wrong_code(&self) -> Rejection {
        Rejection {
            connection: self.id().clone(),
            fault: Fault::Denied,
            step: "check-code",
            check: None,
            source: None,
        }
    }

    fn account(&self, to: &Recipient) -> Option<AccountKey> {
        let subject = to.subject()?;
        Some(AccountKey::Subject(self.id().clone(), subject))
    }
}

impl Engine {
    /// POST login/{connection}, where a message proves who somebody is.
    pub(super) async fn submit_passwordless(
        &self,
        visit: &Visit,
        flow: LoginFlow,
        (by, fields): (By<'_>, &Fields),
    ) -> Turn {
        let begun = flow.began_with(by.id(), by.settings.fingerprint);
        let kept = if begun {
            by.passwordless.kept(&flow.kept())
        } else {
            None
        };
        match (kept, fields.one("code")) {
            (Some((to, _)), Some(code)) => self.try_code(visit, flow, by, (&to, code)).await,
            (Some((to, at)), None) if fields.one("again").is_some() => {
                let since = visit.now.since(at);
                if since < PAUSE {
                    let seconds = (PAUSE - since).as_secs().max(1);
                    let problem = CodeProblem::JustSent { seconds };
                    return self.code_page(visit, &flow, (by, &to), Some(problem));
                }
                self.send_code(visit, flow, by, to).await
            }
            _ => {
                let typed = fields.one("login").unwrap_or_default();
                let Some(to) = by.passwordless.recipient(typed) else {
                    let problem = match by.passwordless.kind() {
                        AddressKind::Email => LoginProblem::NoAddress,
                        AddressKind::Phone => LoginProblem::NoPhone,
                    };
                    return self
                        .address_again(visit, flow, by, (typed, problem))
                        .await
                        .status(StatusCode::UNPROCESSABLE_ENTITY);
                };
                self.send_code(visit, flow, by, to).await
            }
        }
    }

    /// Sends a message, which is paid for, and asks for its code.
    async fn send_code(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        by: By<'_>,
        to: Recipient,
    ) -> Turn {
        let Some(account) = by.account(&to) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let browser = self.known_browser(visit, &account);
        match self
            .pay_for_message(visit, by, (&account, &to), browser.as_ref())
            .await
        {
            Ok(()) => {}
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                self.note_throttled(visit, by.id());
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let problem = LoginProblem::TooManyMessages { minutes };
                return self
                    .address_again(visit, flow, by, ("", problem))
                    .await
                    .status(StatusCode::TOO_MANY_REQUESTS)
                    .retry_after(wait);
            }
        }
        flow.connection = Some((by.id().clone(), by.settings.fingerprint));
        flow.keep(&Passwordless::keep(&SentTo {
            to: to.normalized(),
            at: visit.now,
        }));
        let asked = SignInAsked {
            connection: by.id().clone(),
            to: to.normalized(),
            asker: Asker {
                address: visit.address,
                device: known_device(&visit.user_agent),
                at: visit.now,
            },
        };
        let how = (flow.id.as_str(), visit.now, by.passwordless.lifetime());
        let secret = match self.parts.sign_in.send(&asked, how).await {
            Ok(secret) => secret,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let message = SignInMessage {
            asked,
            to: to.clone(),
            secret,
            strangers: by.settings.signup && self.strangers_welcome().await,
        };
        self.send_sign_in(visit, message);
        let away = match by.passwordless.phone() {
            None => (self.parts.outbox.is_away(), CodeProblem::MailIsAway),
            Some(phone) => (phone.gateway.is_away(), CodeProblem::TextsAreAway),
        };
        let problem = away.0.then_some(away.1);
        self.code_page(visit, &flow, (by, &to), problem)
    }

    /// A code was typed: it is paid for, and compared.
    ///
    /// Whose budget pays is said by this flow's cookie, and what is compared by its newest message: an
    /// older cookie of the same flow may name somebody else.
    async fn try_code(
        &self,
        visit: &Visit,
        flow: LoginFlow,
        by: By<'_>,
        (to, code): (&Recipient, &str),
    ) -> Turn {
        let again = |problem, status| {
            let page = self.code_page(visit, &flow, (by, to), Some(problem));
            page.status(status)
        };
        let proofs = &self.parts.sign_in;
        let awaited = match proofs.awaited(&flow.id, visit.now).await {
            Ok(awaited) => awaited,
            Err(error) => return self.store_is_away(visit, &error),
        };
        let is_theirs =
            |asked: &SignInAsked| asked.connection == *by.id() && asked.to == to.normalized();
        // Nothing can be guessed at, so nothing is paid.
        let Some(awaited) = awaited.filter(|awaited| is_theirs(awaited.asked())) else {
            return again(CodeProblem::Gone, StatusCode::UNPROCESSABLE_ENTITY);
        };
        let Some(account) = by.account(to) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let browser = self.known_browser(visit, &account);
        let throttle = &self.parts.throttle;
        let paid = throttle.code_guess((&account, visit.address), browser.as_ref());
        let allowance = match paid.await {
            Ok(allowance) => allowance,
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                self.note_throttled(visit, by.id());
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let problem = CodeProblem::UseLink { minutes };
                return again(problem, StatusCode::TOO_MANY_REQUESTS).retry_after(wait);
            }
        };
        match proofs.by_code(awaited, (code, visit.now)).await {
            Err(NoSignIn::Store(error)) => self.store_is_away(visit, &error),
            Err(NoSignIn::Gone | NoSignIn::Wrong { left: 0 }) => {
                self.note_rejection(visit, &by.wrong_code());
                again(CodeProblem::Gone, StatusCode::UNPROCESSABLE_ENTITY)
            }
            Err(NoSignIn::Wrong { .. }) => {
                self.note_rejection(visit, &by.wrong_code());
                again(CodeProblem::Wrong, StatusCode::UNPROCESSABLE_ENTITY)
            }
            Ok(found) => {
                if let Err(error) = throttle.succeeded(allowance).await {
                    return self.store_is_away(visit, &error);
                }
                match self.take_message(visit, &flow, by, found).await {
                    Ok(Some(turn)) => turn,
                    Ok(None) => again(CodeProblem::Gone, StatusCode::UNPROCESSABLE_ENTITY),
                    Err(error) => self.store_is_away(visit, &error),
                }
            }
        }
    }

    /// Uses a message up, and goes on with whom it proves. `None`: somebody was faster.
    pub(super) async fn take_message(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        by: By<'_>,
        found: FoundSignIn,
    ) -> Result<Option<Turn>, StoreError> {
        let proof = self.parts.sign_in.use_up(found, visit.now).await?;
        let Some(proof) = proof else { return Ok(None) };
        let peer = visit.peer_in(flow);
        let reply = Reply::Message(&proof);
        let step = by.connection.resume(Some(&flow.kept()), reply, &peer).await;
        let mut flow = flow.clone();
        flow.connection = Some((by.id().clone(), by.settings.fingerprint));
        Ok(Some(match step {
            Ok(step) => self.advance(visit, flow, by.settings, (step, None)).await,
            Err(rejection) if flow.trial.is_some() => {
                self.end_trial(visit, &flow, by.settings, Err(&rejection))
                    .await
            }
            Err(rejection) => self.rejected(visit, by.settings, &rejection, Some(&flow.return_to)),
        }))
    }

    /// The page that takes the code.
    fn code_page(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (by, to): (By<'_>, &Recipient),
        problem: Option<CodeProblem>,
    ) -> Turn {
        let post = self.post_to(flow, "login", by.id());
        let mut again = post.clone();
        again.hidden.push(hidden("again", "1"));
        let phone = by.passwordless.phone();
        let has_link = phone.is_none_or(|phone| phone.link);
        let why = match phone {
            None => WhyMail::SignIn,
            Some(_) if has_link => WhyMail::SignInByPhone,
            Some(_) => WhyMail::SignInByPhoneCode,
        };
        let problem = problem.map(|problem| match problem {
            // There is none.
            CodeProblem::UseLink { minutes } if !has_link => CodeProblem::TooManyTries { minutes },
            other => other,
        });
        let page = Page::CheckMail(CheckMail {
            why,
            login: to.normalized(),
            post,
            problem,
            again,
            sign_in: self.href(&format!("login/{}?flow={}", by.id(), flow.id)),
        });
        self.shown(visit, flow, page)
    }

    /// The form for the address once more.
    async fn address_again(
        &self,
        visit: &Visit,
        flow: LoginFlow,
        by: By<'_>,
        (typed, problem): (&str, LoginProblem),
    ) -> Turn {
        let form = Form::Address(AddressForm {
            kind: by.passwordless.kind(),
        });
        let mut page = self.prompt(&flow, by.id(), form, typed);
        page.problem = Some(problem);
        self.show(visit, &flow, page).await
    }
}
