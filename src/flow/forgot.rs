//! A forgotten password: a name is asked for, a mail is sent or not, and the answer is the same.
//!
//! | request | what happens |
//! |---|---|
//! | GET forgot/{connection} | asks for the name |
//! | POST forgot/{connection} | the mail is paid for and written beside the request; the page asks for its code |
//! | GET reset?token= | a form for the new password; nothing is used up |
//! | POST reset | with a code: that form; with a new password: the proof is used up, all sessions end |
//!
//! Nobody is signed in by it: whoever has the mailbox still needs a second factor where one is set.

use http::StatusCode;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    login_page::names,
    mailing::{Asked, Whom},
    password_rules,
};
use crate::{
    connection::{
        AccountError, AccountKey, Accounts, ByMail, Claimed, ConnectionSettings, Found, LoginName,
        Throttled,
    },
    identity::ConnectionId,
    secret::Secret,
    store::{EventKind, Purpose, StoreError, Whose},
    text::{
        Letter,
        page::{
            CheckMail, Forgot, Hidden, MailDone, NewPassword, Page,
            login::{LoginProblem, StartAgainWhy},
            mail::{CodeProblem, DoneWhat, WhyMail},
        },
    },
};

const PURPOSE: Purpose = Purpose::ResetPassword;

impl Engine {
    /// A connection whose forgotten passwords are replaced by mail.
    pub(super) fn resets(&self, id: &ConnectionId) -> Option<(&dyn Accounts, &ConnectionSettings)> {
        let (connection, settings) = self.connections.enabled(id)?;
        let accounts = connection.accounts()?;
        let resets = self.mail.is_some() && settings.mail.reset && accounts.changes_passwords();
        resets.then_some((accounts, settings))
    }

    /// GET forgot/{connection}.
    pub(crate) fn forgot_page(&self, visit: &Visit, id: &ConnectionId, flow: Option<&str>) -> Turn {
        if self.resets(id).is_none() {
            return self.no_reset(visit);
        }
        let held = flow.and_then(|flow| self.find_flow(visit, flow));
        let flow = held.unwrap_or_else(|| self.begin_flow("/".to_owned(), None));
        self.forgot_form(visit, (&flow, id), ("", None))
    }

    /// POST forgot/{connection}.
    pub(crate) async fn forgot(&self, visit: &Visit, id: &ConnectionId, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let (Some(mail), true) = (&self.mail, self.resets(id).is_some()) else {
            return self.no_reset(visit);
        };
        let typed = fields.one("login").unwrap_or_default().trim();
        let Ok(login) = LoginName::parse(typed) else {
            let form = self.forgot_form(visit, (&flow, id), ("", None));
            return form.status(StatusCode::UNPROCESSABLE_ENTITY);
        };
        let name = AccountKey::Name(id.clone(), login.clone());
        match self.parts.throttle.mail(visit.address, &name).await {
            Ok(()) => {}
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let problem = Some(LoginProblem::TooManyTries { minutes });
                return self
                    .forgot_form(visit, (&flow, id), (typed, problem))
                    .status(StatusCode::TOO_MANY_REQUESTS)
                    .retry_after(wait);
            }
        }
        let asked = Asked {
            purpose: PURPOSE,
            whom: Whom::Name(login),
            flow: Some(flow.id.clone()),
            lifetime: mail.lifetimes().reset,
        };
        self.mail_proof(visit, id, asked);
        self.check_mail(visit, &flow, (id.as_str(), typed), None)
    }

    /// GET reset?token=. Mail scanners come here, too: nothing is used up.
    pub(crate) async fn reset_page(&self, visit: &Visit, token: &str) -> Turn {
        match self.parts.mailed.by_token(PURPOSE, token, visit.now).await {
            Err(error) => self.store_is_away(visit, &error),
            Ok(None) => self.link_gone(),
            Ok(Some(found)) => {
                let flow = self.begin_flow("/".to_owned(), None);
                let held = ("token", token);
                let form = self.new_password_form(&flow, held, found.claimed(), &Ok(()));
                self.shown(visit, &flow, form)
            }
        }
    }

    /// POST reset: a code, or a new password with whatever proves that it may be set.
    pub(crate) async fn reset(&self, visit: &Visit, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let (held, found) = match self.reset_proof(visit, &flow, fields).await {
            Ok(proven) => proven,
            Err(turn) => return *turn,
        };
        let claimed = found.claimed().clone();
        let Some((accounts, settings)) = self.resets(&claimed.connection) else {
            return self.no_reset(visit);
        };
        let form = |wrong| {
            let form = self.new_password_form(&flow, held, &claimed, &wrong);
            self.shown(visit, &flow, form)
        };
        let Some(new) = fields.one("new_password") else {
            return form(Ok(()));
        };
        let new = Secret::new(new.to_owned());
        let judged = accounts.judge_password(&claimed.subject, &new).await;
        let changed = match judged {
            Err(error) => Err(error),
            Ok(()) => match self.parts.mailed.use_up(found, visit.now).await {
                Err(error) => return self.store_is_away(visit, &error),
                Ok(None) => return self.link_gone(),
                Ok(Some(proof)) => {
                    let changed = accounts.reset_password(&proof, &new, &visit.peer()).await;
                    changed.map(|()| proof)
                }
            },
        };
        match changed {
            Ok(proof) => match self.after_reset(visit, &proof).await {
                Ok(()) => {
                    // They need not wait for those who guessed before.
                    let account = (claimed.connection, claimed.subject);
                    let known = self.remember_account(visit, account);
                    self.mail_done(DoneWhat::PasswordChanged).with(known)
                }
                Err(error) => self.store_is_away(visit, &error),
            },
            Err(AccountError::Rejected(rejection)) => {
                self.rejected(visit, settings, &rejection, None)
            }
            Err(error) => form(Err(error)).status(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }

    /// Whoever was signed in with the old password is not any more, and the person is told.
    async fn after_reset(&self, visit: &Visit, proof: &ByMail) -> Result<(), StoreError> {
        let Claimed {
            connection,
            subject,
            email,
            ..
        } = proof.claimed();
        let directory = &self.parts.directory;
        let user = directory.store().find_by_identity(connection, subject);
        if let Some(user) = user.await? {
            let event = self
                .event(visit, EventKind::SessionRevoked, "password-reset")
                .user(&user.id);
            let whose = Whose::User(user.id.clone());
            self.parts.sessions.revoke_all(&whose, event).await?;
            directory
                .note_verified((connection, subject), email)
                .await?;
        }
        let letter = Letter::PasswordChanged {
            reset: self.reset_in_mail(connection),
        };
        self.mail_notice(visit, (connection, subject), letter);
        Ok(())
    }

    /// What allows a new password, with the field that holds it; or what to answer instead.
    async fn reset_proof<'a>(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        fields: &'a Fields,
    ) -> Result<((&'static str, &'a str), Found), Box<Turn>> {
        let away = |error| Box::new(self.store_is_away(visit, &error));
        let proofs = &self.parts.mailed;
        if let Some(token) = fields.one("token") {
            let found = proofs.by_token(PURPOSE, token, visit.now).await;
            let found = found.map_err(away)?;
            return match found {
                Some(found) => Ok((("token", token), found)),
                None => Err(Box::new(self.link_gone())),
            };
        }
        let code = fields.one("code").unwrap_or_default();
        match self.by_code(visit, PURPOSE, (flow, code)).await {
            Ok(found) => Ok((("code", code), found)),
            Err(Mistyped::Store(error)) => Err(away(error)),
            Err(Mistyped::Code(problem, status)) => {
                let id = fields.one("connection").unwrap_or_default();
                let login = fields.one("login").unwrap_or_default();
                let page = self.check_mail(visit, flow, (id, login), Some(problem));
                Err(Box::new(page.status(status)))
            }
        }
    }

    /// The proof of a code, which is paid for.
    pub(super) async fn by_code(
        &self,
        visit: &Visit,
        purpose: Purpose,
        (flow, code): (&LoginFlow, &str),
    ) -> Result<Found, Mistyped> {
        let throttle = &self.parts.throttle;
        let allowance = match throttle.code(&flow.id).await {
            Ok(allowance) => allowance,
            Err(Throttled::Store(error)) => return Err(error.into()),
            Err(Throttled::Until(until)) => {
                let minutes = until.since(visit.now).as_secs().div_ceil(60).max(1);
                let problem = CodeProblem::TooManyTries { minutes };
                return Err(Mistyped::Code(problem, StatusCode::TOO_MANY_REQUESTS));
            }
        };
        let proofs = &self.parts.mailed;
        let typed = (flow.id.as_str(), code);
        match proofs.by_code(purpose, typed, visit.now).await? {
            Some(found) => {
                throttle.succeeded(allowance).await?;
                Ok(found)
            }
            None => Err(Mistyped::Code(
                CodeProblem::Wrong,
                StatusCode::UNPROCESSABLE_ENTITY,
            )),
        }
    }

    fn forgot_form(
        &self,
        visit: &Visit,
        (flow, id): (&LoginFlow, &ConnectionId),
        (typed, problem): (&str, Option<LoginProblem>),
    ) -> Turn {
        let Some((accounts, _)) = self.resets(id) else {
            return self.no_reset(visit);
        };
        let page = Page::Forgot(Forgot {
            post: self.post(flow, &format!("forgot/{id}")),
            names: names(accounts.names()),
            login: typed.to_owned(),
            problem,
            sign_in: self.login_href(flow),
        });
        self.shown(visit, flow, page)
    }

    /// The page that asks for the code.
    fn check_mail(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, login): (&str, &str),
        problem: Option<CodeProblem>,
    ) -> Turn {
        let hidden = |name: &str, value: &str| Hidden {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let mut post = self.post(flow, "reset");
        post.hidden.push(hidden("connection", id));
        post.hidden.push(hidden("login", login));
        // A name that is none leads nowhere, so it needs no look.
        let id = id.parse::<ConnectionId>().ok();
        let page = id.map_or_else(|| "login".to_owned(), |id| format!("forgot/{id}"));
        let mut again = self.post(flow, &page);
        again.hidden.push(hidden("login", login));
        let page = Page::CheckMail(CheckMail {
            why: WhyMail::ResetPassword,
            login: login.to_owned(),
            post,
            problem,
            again,
            sign_in: self.login_href(flow),
        });
        self.shown(visit, flow, page)
    }

    fn new_password_form(
        &self,
        flow: &LoginFlow,
        (name, value): (&str, &str),
        claimed: &Claimed,
        wrong: &Result<(), AccountError>,
    ) -> Page {
        let mut post = self.post(flow, "reset");
        post.hidden.push(Hidden {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        let rules = self.resets(&claimed.connection);
        let rules = rules.map(|(accounts, _)| accounts.password_rules());
        let rules = rules.unwrap_or_default();
        let mut form = NewPassword {
            post,
            login: claimed.email.clone(),
            rules: password_rules::untold(rules),
            new_problem: None,
            problem: None,
        };
        match wrong {
            Ok(()) => {}
            Err(AccountError::BadNewPassword(refusal)) => {
                let (problem, rules) = password_rules::refused(rules, refusal);
                form.new_problem = Some(problem);
                form.rules = rules;
            }
            Err(_) => form.problem = Some(LoginProblem::Busy),
        }
        Page::NewPassword(form)
    }

    /// A page of a flow.
    pub(super) fn shown(&self, visit: &Visit, flow: &LoginFlow, page: Page) -> Turn {
        Turn::page(StatusCode::OK, page).with(self.keep_flow(visit, flow))
    }

    /// The link was used, is too old, or is not the newest.
    pub(super) fn link_gone(&self) -> Turn {
        self.mail_done(DoneWhat::LinkGone).status(StatusCode::GONE)
    }

    pub(super) fn mail_done(&self, what: DoneWhat) -> Turn {
        let go_on = self.href("login");
        Turn::page(StatusCode::OK, Page::MailDone(MailDone { what, go_on }))
    }

    fn no_reset(&self, visit: &Visit) -> Turn {
        self.start_again(visit, StartAgainWhy::ConnectionChanged, None)
            .status(StatusCode::NOT_FOUND)
    }
}

/// Why there is no proof by a code.
#[derive(Debug)]
pub(super) enum Mistyped {
    /// With the status of the page that says so.
    Code(CodeProblem, StatusCode),
    Store(StoreError),
}

impl From<StoreError> for Mistyped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
