//! A code by e-mail as the second factor, where a connection has one sent to whoever has set up none.
//!
//! The code goes to the address of the user that is confirmed, as soon as the first proof is good. Who
//! has a factor of their own is asked for that alone: a mailbox must not stand in for it.

use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    factor::{Awaited, Waiting},
    mailing::hidden,
    passwordless::PAUSE,
};
use crate::{
    connection::{CodeFor, FACTOR_CODE_LIFETIME, Throttled, TrustEmail},
    identity::{ConnectionId, UserId},
    mail::Draft,
    protocol::EmailAddress,
    store::{StoreError, UserRecord},
    text::{
        Letter,
        device::known_device,
        page::{
            CheckMail, Page,
            login::StartAgainWhy,
            mail::{CodeProblem, WhyMail},
        },
    },
    user::FactorRefusal,
};

impl Engine {
    /// Where somebody who comes by this connection, and has no factor of their own, is sent a code;
    /// `None`: nowhere.
    pub(super) fn code_address(
        &self,
        user: &UserRecord,
        by: &ConnectionId,
    ) -> Option<EmailAddress> {
        self.mail.as_ref()?;
        let (_, settings) = self.connections.enabled(by)?;
        let (_, source) = self.connections.enabled(&user.synced_by)?;
        let is_trusted = source.common.trust_email != TrustEmail::Never;
        if !settings.common.second_factor_by_email || !user.profile.email_verified || !is_trusted {
            return None;
        }
        EmailAddress::parse(user.profile.email.as_deref()?).ok()
    }

    /// Whether somebody who comes by this connection, and has no factor of their own, is sent a code.
    pub(super) async fn has_code_address(
        &self,
        user: &UserId,
        by: &ConnectionId,
    ) -> Result<bool, StoreError> {
        let user = self.parts.directory.store().find(user).await?;
        Ok(user.is_some_and(|user| self.code_address(&user, by).is_some()))
    }

    /// Sends the first code of a login. One that is not sent can be asked for again on the page.
    pub(super) async fn begin_by_email(
        &self,
        visit: &Visit,
        (ticket, waiting): (&str, &Waiting),
    ) -> Result<(), StoreError> {
        let pending = &waiting.pending;
        let user = self.parts.directory.store().find(&pending.user).await?;
        let Some(user) = user else { return Ok(()) };
        if let Some(to) = self.code_address(&user, &pending.proof.authentication.connection) {
            let whose = CodeFor {
                user: &user.id,
                to: &to,
                ticket,
            };
            self.email_code(visit, whose).await?;
        }
        Ok(())
    }

    /// Makes a code and sends it; what keeps it from coming soon.
    async fn email_code(
        &self,
        visit: &Visit,
        whose: CodeFor<'_>,
    ) -> Result<Option<CodeProblem>, StoreError> {
        let paid = self.parts.throttle.factor_mail(whose.user).await;
        if let Some(problem) = too_many_messages(visit, paid)? {
            return Ok(Some(problem));
        }
        let code = self.parts.factors.make_code(whose).await?;
        let draft = Draft {
            to: whose.to.clone(),
            letter: Letter::SecondStep {
                code,
                lifetime: FACTOR_CODE_LIFETIME,
                address: visit.address.map(|address| address.to_string()),
                device: known_device(&visit.user_agent),
            },
            locale: visit.locale,
            text: self.text.clone(),
            until: visit.now + FACTOR_CODE_LIFETIME,
        };
        let outbox = &self.parts.outbox;
        outbox.post_when(async { Some(draft) });
        Ok(outbox.is_away().then_some(CodeProblem::MailIsAway))
    }

    /// GET factor, where a code by e-mail is awaited.
    pub(super) async fn factor_code_page(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: &Awaited,
    ) -> Turn {
        let Some((to, ticket)) = self.addressee(flow, awaited) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let whose = CodeFor {
            user: &awaited.user.id,
            to: &to,
            ticket: &ticket,
        };
        let problem = match self.parts.factors.code_made_at(whose).await {
            Ok(Some(_)) if self.parts.outbox.is_away() => Some(CodeProblem::MailIsAway),
            Ok(Some(_)) => None,
            Ok(None) => {
                // Perhaps there was none, for want of a message to send.
                let left = self.parts.throttle.factor_mail_is_left(whose.user).await;
                match too_many_messages(visit, left) {
                    Ok(problem) => Some(problem.unwrap_or(CodeProblem::Gone)),
                    Err(error) => return self.store_is_away(visit, &error),
                }
            }
            Err(error) => return self.store_is_away(visit, &error),
        };
        self.type_factor_code(visit, flow, (&to, problem))
    }

    /// POST factor, where a code by e-mail is awaited.
    pub(super) async fn prove_by_email(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        awaited: Awaited,
        fields: &Fields,
    ) -> Turn {
        let Some((to, ticket)) = self.addressee(flow, &awaited) else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let user = awaited.user.id.clone();
        let whose = CodeFor {
            user: &user,
            to: &to,
            ticket: &ticket,
        };
        let again = |problem, status| {
            let page = self.type_factor_code(visit, flow, (&to, Some(problem)));
            page.status(status)
        };
        if fields.one("again").is_some() {
            return match self.email_code_again(visit, whose).await {
                Ok(problem) => self.type_factor_code(visit, flow, (&to, problem)),
                Err(error) => self.store_is_away(visit, &error),
            };
        }
        let (factors, origin) = (&self.parts.factors, visit.origin());
        let typed = fields.one("code").unwrap_or_default();
        match factors.prove_by_email(whose, typed, &origin).await {
            Ok(second) => self.factor_proven(visit, flow, awaited, second).await,
            Err(FactorRefusal::Store(error)) => self.store_is_away(visit, &error),
            Err(FactorRefusal::Throttled(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let problem = CodeProblem::TooManyTries { minutes };
                again(problem, StatusCode::TOO_MANY_REQUESTS).retry_after(wait)
            }
            Err(FactorRefusal::Gone) => again(CodeProblem::Gone, StatusCode::UNPROCESSABLE_ENTITY),
            Err(FactorRefusal::Wrong) => {
                again(CodeProblem::Wrong, StatusCode::UNPROCESSABLE_ENTITY)
            }
        }
    }

    /// Sends another code, if the last one was not sent just now.
    async fn email_code_again(
        &self,
        visit: &Visit,
        whose: CodeFor<'_>,
    ) -> Result<Option<CodeProblem>, StoreError> {
        let made_at = self.parts.factors.code_made_at(whose).await?;
        let since = made_at.map(|at| visit.now.since(at));
        match since.filter(|since| *since < PAUSE) {
            Some(since) => {
                let seconds = (PAUSE - since).as_secs().max(1);
                Ok(Some(CodeProblem::JustSent { seconds }))
            }
            None => self.email_code(visit, whose).await,
        }
    }

    /// Where the code of this login goes, and what names its first proof.
    fn addressee(&self, flow: &LoginFlow, awaited: &Awaited) -> Option<(EmailAddress, String)> {
        let held = &awaited.waiting.pending.proof.authentication;
        let to = self.code_address(&awaited.user, &held.connection)?;
        Some((to, flow.factor.clone()?))
    }

    /// The page that takes the code.
    fn type_factor_code(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (to, problem): (&EmailAddress, Option<CodeProblem>),
    ) -> Turn {
        let post = self.post(flow, "factor");
        let mut again = post.clone();
        again.hidden.push(hidden("again", "1"));
        let page = Page::CheckMail(CheckMail {
            why: WhyMail::SecondStep,
            login: to.masked(),
            post,
            problem,
            again,
            sign_in: self.href(&format!("login?flow={}&switch=1", flow.id)),
        });
        self.shown(visit, flow, page)
    }
}

/// What a spent budget of messages says.
fn too_many_messages(
    visit: &Visit,
    paid: Result<(), Throttled>,
) -> Result<Option<CodeProblem>, StoreError> {
    match paid {
        Ok(()) => Ok(None),
        Err(Throttled::Store(error)) => Err(error),
        Err(Throttled::Until(until)) => {
            let minutes = until.since(visit.now).as_secs().div_ceil(60).max(1);
            Ok(Some(CodeProblem::TooManyMessages { minutes }))
        }
    }
}
