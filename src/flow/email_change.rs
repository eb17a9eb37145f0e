//! Another e-mail address: asked for on the account page, and changed when all have said yes who read
//! the mail in question.
//!
//! | request | what happens |
//! |---|---|
//! | POST account, `action=email` | the password is checked; a mail to the new address, and to the old one if it is confirmed |
//! | GET email?token= | a page with a button; nothing is used up |
//! | POST email | this side has said yes; if it is the last one, the address is another one |
//!
//! The answer on the account page does not tell whether the new address has an account: then its
//! owner is told, and nothing happens. What each side said is a mark of its own, set before the other
//! one is looked for, so of two that come at once at least one sees both.

use http::StatusCode;

use super::{
    Engine, Fields, Turn, Visit,
    account::Wrong,
    mailing::{EmailAsked, hidden},
};
use crate::{
    connection::{
        AccountError, AccountKey, Attempt, ByMail, Claimed, EmailChange, Found, LoginName,
        Throttled,
    },
    crypto,
    identity::{ConnectionId, Subject},
    protocol::EmailAddress,
    random::hex,
    secret::Secret,
    session::{Session, Token},
    store::{OneTimeKey, OneTimeUse, Purpose, StoreError},
    text::{
        Letter,
        page::{
            ConfirmLink, Page,
            account::EmailForm,
            login::{Field, FieldProblem, LoginProblem},
            mail::{DoneWhat, LinkWhat},
        },
    },
};

/// Who is asked, in the order in which a link is looked for.
const SIDES: [Purpose; 2] = [Purpose::ChangeEmail, Purpose::AllowEmail];

/// What was wrong with a change of the address.
#[derive(Debug, Default)]
pub(super) struct WrongEmail {
    pub(super) typed: String,
    pub(super) new: Option<FieldProblem>,
    pub(super) current: Option<FieldProblem>,
    /// What is wrong with neither of them.
    pub(super) problem: Option<LoginProblem>,
}

impl Engine {
    /// The form on the account page, where the address can be changed.
    pub(super) fn email_form(
        &self,
        session: &Session,
        token: &Token,
        wrong: WrongEmail,
    ) -> Option<EmailForm> {
        self.changes_email(session)?;
        Some(EmailForm {
            post: self.form(token, "email", None),
            new: Field {
                value: wrong.typed,
                problem: wrong.new,
            },
            current_problem: wrong.current,
            problem: wrong.problem,
        })
    }

    /// The account of this session whose address can be changed.
    pub(super) fn changes_email(&self, session: &Session) -> Option<(ConnectionId, Subject)> {
        self.mail.as_ref()?;
        let (id, subject) = self.keeper(session)?;
        let (connection, _) = self.connections.enabled(&id)?;
        let changes = connection.accounts()?.changes_email();
        changes.then_some((id, subject))
    }

    /// POST account, `action=email`.
    pub(super) async fn change_email(
        &self,
        visit: &Visit,
        session: &Session,
        fields: &Fields,
    ) -> Turn {
        let (Some((id, subject)), Some(mail)) = (self.changes_email(session), &self.mail) else {
            return self.done("");
        };
        let typed = fields.one("new_email").unwrap_or_default().trim();
        let parsed = EmailAddress::parse(typed).ok();
        let login = LoginName::parse(typed).ok();
        let (Some(new), Some(login)) = (parsed, login) else {
            let wrong = WrongEmail {
                typed: typed.to_owned(),
                new: Some(FieldProblem::BadEmail),
                ..WrongEmail::default()
            };
            return self.email_wrong(visit, wrong).await;
        };
        if let Err(turn) = self
            .own_password(visit, (&id, &subject), (typed, fields))
            .await
        {
            return *turn;
        }
        let name = AccountKey::Name(id.clone(), login);
        match self.parts.throttle.mail(visit.address, &name).await {
            Ok(()) => {}
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                return self.throttled(visit, until.since(visit.now));
            }
        }
        let change: [u8; 16] = self.parts.random.bytes();
        let asked = EmailAsked {
            subject,
            new,
            change: hex(&change),
            lifetime: mail.lifetimes().verify,
        };
        self.mail_email_change(visit, &id, asked);
        self.done("email-asked")
    }

    /// Whether the person at the account page knows their password, or what to answer instead.
    async fn own_password(
        &self,
        visit: &Visit,
        (id, subject): (&ConnectionId, &Subject),
        (typed, fields): (&str, &Fields),
    ) -> Result<(), Box<Turn>> {
        let found = self.connections.enabled(id);
        let Some((connection, settings)) = found else {
            return Err(Box::new(self.done("")));
        };
        let Some(accounts) = connection.accounts() else {
            return Err(Box::new(self.done("")));
        };
        let account = AccountKey::Subject(id.clone(), subject.clone());
        let browser = self.known_browser(visit, &account);
        let attempt = Attempt {
            account: &account,
            address: visit.address,
            browser: browser.as_ref(),
        };
        let wrong = |current, problem| WrongEmail {
            typed: typed.to_owned(),
            new: None,
            current,
            problem,
        };
        let allowance = match self.parts.throttle.login(attempt).await {
            Ok(allowance) => allowance,
            Err(Throttled::Store(error)) => {
                return Err(Box::new(self.store_is_away(visit, &error)));
            }
            Err(Throttled::Until(until)) => {
                let minutes = until.since(visit.now).as_secs().div_ceil(60).max(1);
                let problem = Some(LoginProblem::TooManyTries { minutes });
                let page = self.email_wrong(visit, wrong(None, problem)).await;
                return Err(Box::new(page.status(StatusCode::TOO_MANY_REQUESTS)));
            }
        };
        let peer = visit.peer_allowed(allowance.proof());
        let current = Secret::new(
            fields
                .one("current_password")
                .unwrap_or_default()
                .to_owned(),
        );
        match accounts.check_password(subject, &current, &peer).await {
            Ok(()) => {
                let given_back = self.parts.throttle.succeeded(allowance).await;
                given_back.map_err(|error| Box::new(self.store_is_away(visit, &error)))
            }
            Err(AccountError::Rejected(rejection)) => {
                Err(Box::new(self.rejected(visit, settings, &rejection, None)))
            }
            Err(_) => {
                let current = Some(FieldProblem::WrongPassword);
                Err(Box::new(
                    self.email_wrong(visit, wrong(current, None)).await,
                ))
            }
        }
    }

    async fn email_wrong(&self, visit: &Visit, email: WrongEmail) -> Turn {
        let wrong = Wrong {
            email,
            ..Wrong::default()
        };
        self.account_page(visit, None, wrong)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// GET email?token=. Mail scanners come here, too: nothing is used up.
    pub(crate) async fn email_page(&self, visit: &Visit, token: &str) -> Turn {
        let (side, found) = match self.email_proof(visit, token).await {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        let Some(change) = &found.claimed().change else {
            return self.link_gone();
        };
        let flow = self.begin_flow("/".to_owned(), None);
        let mut post = self.post(&flow, "email");
        post.hidden.push(hidden("token", token));
        let page = Page::ConfirmLink(ConfirmLink {
            what: match side {
                Purpose::AllowEmail => LinkWhat::AllowNewEmail,
                _ => LinkWhat::ConfirmNewEmail,
            },
            email: change.new.clone(),
            post,
        });
        self.shown(visit, &flow, page)
    }

    /// POST email: one side says yes.
    pub(crate) async fn email(&self, visit: &Visit, fields: &Fields) -> Turn {
        if let Err(turn) = self.flow_of_form(visit, fields) {
            return *turn;
        }
        let token = fields.one("token").unwrap_or_default();
        let (side, found) = match self.email_proof(visit, token).await {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        let proof = match self.parts.mailed.use_up(found, visit.now).await {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(proof)) => proof,
        };
        match self.is_agreed(visit, side, &proof).await {
            Err(error) => self.store_is_away(visit, &error),
            Ok(false) => self.mail_done(DoneWhat::OtherSideAsked),
            Ok(true) => self.take_email(visit, &proof).await,
        }
    }

    async fn email_proof(
        &self,
        visit: &Visit,
        token: &str,
    ) -> Result<Option<(Purpose, Found)>, StoreError> {
        for side in SIDES {
            let found = self.parts.mailed.by_token(side, token, visit.now).await?;
            if let Some(found) = found {
                return Ok(Some((side, found)));
            }
        }
        Ok(None)
    }

    /// Notes what one side said; whether it was the last one.
    async fn is_agreed(
        &self,
        visit: &Visit,
        side: Purpose,
        proof: &ByMail,
    ) -> Result<bool, StoreError> {
        let Some(change) = &proof.claimed().change else {
            return Ok(false);
        };
        let mark = |side: Purpose| OneTimeKey {
            purpose: Purpose::EmailSide,
            hash: crypto::sha256(format!("{}\0{}", change.id, side.name()).as_bytes()),
        };
        let until = visit.now + super::mailing::LONGEST_LINK;
        let key = mark(side);
        let once = &self.parts.once;
        once.first_use(OneTimeUse::First { key, until }).await?;
        for other in SIDES {
            let asked = other == Purpose::ChangeEmail || change.both;
            if asked && other != side && !once.was_used(&mark(other), visit.now).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The account has the new address from now on.
    async fn take_email(&self, visit: &Visit, proof: &ByMail) -> Turn {
        let claimed = proof.claimed();
        let found = self.connections.enabled(&claimed.connection);
        let accounts = found.and_then(|(connection, settings)| {
            let accounts = connection.accounts()?;
            Some((accounts, settings))
        });
        let (Some((accounts, settings)), Some(change)) = (accounts, &claimed.change) else {
            return self.link_gone();
        };
        let changed = accounts.change_email(proof, &visit.peer()).await;
        match changed {
            Ok(true) => {}
            Err(AccountError::Rejected(rejection)) => {
                return self.rejected(visit, settings, &rejection, None);
            }
            Ok(false) | Err(_) => return self.link_gone(),
        }
        match self.after_email_change(visit, claimed, change).await {
            Ok(()) => self.mail_done(DoneWhat::EmailChanged),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    /// What else is on its way was for the old address; its owner is told.
    async fn after_email_change(
        &self,
        visit: &Visit,
        claimed: &Claimed,
        change: &EmailChange,
    ) -> Result<(), StoreError> {
        let (id, subject) = (&claimed.connection, &claimed.subject);
        for purpose in [
            Purpose::AllowEmail,
            Purpose::ChangeEmail,
            Purpose::ResetPassword,
            Purpose::VerifyEmail,
        ] {
            let proofs = &self.parts.mailed;
            proofs.call_off(purpose, (id, subject), visit.now).await?;
        }
        let directory = &self.parts.directory;
        directory.note_email((id, subject), &change.new).await?;
        if let Some(old) = change
            .was
            .as_deref()
            .and_then(|old| EmailAddress::parse(old).ok())
        {
            let new = change.new.clone();
            self.mail_to(visit, id, (old, Letter::AddressChanged { new }));
        }
        Ok(())
    }
}
