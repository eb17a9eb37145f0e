//! An address is confirmed: by the link of a mail, or by its code in the browser that asked.
//!
//! | request | what happens |
//! |---|---|
//! | sign-up, login | where it is required and the address is not confirmed: a mail, and no session yet |
//! | GET verify?token= | a page with a button; nothing is used up |
//! | POST verify, with the token | the proof is used up and the address confirmed |
//! | POST verify, with a ticket | the same by the code; then the login that waited goes on |
//!
//! What waits is a row under a purpose of its own, so that no other step of a login takes its ticket.
//! Somebody who signs up with an address that has an account gets the same page and waits for nothing,
//! and the owner of the address is told.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    forgot::Mistyped,
    mailing::{Asked, Whom, hidden},
    pending::Pending,
};
use crate::{
    connection::{AccountError, AccountKey, ByMail, Found, LoginName, Throttled, VerifyEmail},
    crypto,
    identity::ConnectionId,
    store::{OneTimeKey, OneTimeRow, OneTimeUse, Purpose},
    text::page::{
        CheckMail, ConfirmLink, Page,
        login::StartAgainWhy,
        mail::{CodeProblem, DoneWhat, LinkWhat, WhyMail},
    },
};

const PURPOSE: Purpose = Purpose::VerifyEmail;

/// Who waits for an address to be confirmed.
#[derive(Debug, Deserialize, Serialize)]
struct Waiting {
    connection: ConnectionId,
    /// What was typed as the address.
    email: String,
    /// The login that goes on then; `None`: the address has an account already.
    login: Option<Pending>,
}

impl Engine {
    /// What comes before the session of somebody who has to confirm their address first.
    pub(super) async fn must_verify(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        pending: Pending,
    ) -> Result<Pending, Box<Turn>> {
        let proven = &pending.proof.authentication;
        let id = proven.connection.clone();
        let Some((connection, settings)) = self.connections.enabled(&id) else {
            return Ok(pending);
        };
        let accounts = connection.accounts();
        let accounts = accounts.filter(|_| settings.mail.verify == VerifyEmail::Required);
        let Some(accounts) = accounts else {
            return Ok(pending);
        };
        match accounts.addressee_of(&proven.subject).await {
            Err(rejection) => Err(Box::new(self.rejected(visit, settings, &rejection, None))),
            Ok(Some(found)) if !found.verified => {
                let waiting = Waiting {
                    connection: id,
                    email: found.email.as_str().to_owned(),
                    login: Some(pending),
                };
                Err(Box::new(self.wait_for_mail(visit, flow, waiting).await))
            }
            Ok(_) => Ok(pending),
        }
    }

    /// The same page for an address that has an account already.
    pub(super) async fn seem_to_verify(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, email): (&ConnectionId, &str),
    ) -> Turn {
        let waiting = Waiting {
            connection: id.clone(),
            email: email.to_owned(),
            login: None,
        };
        self.wait_for_mail(visit, flow, waiting).await
    }

    /// GET verify?token=. Mail scanners come here, too: nothing is used up.
    pub(crate) async fn verify_page(&self, visit: &Visit, token: &str) -> Turn {
        let found = self.parts.mailed.by_token(PURPOSE, token, visit.now).await;
        let found = match found {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        let flow = self.begin_flow("/".to_owned(), None);
        let mut post = self.post(&flow, "verify");
        post.hidden.push(hidden("token", token));
        let page = Page::ConfirmLink(ConfirmLink {
            what: LinkWhat::VerifyEmail,
            email: found.claimed().email.clone(),
            post,
        });
        self.shown(visit, &flow, page)
    }

    /// POST verify: the button of a link, or the code in the browser that asked.
    pub(crate) async fn verify(&self, visit: &Visit, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        if let Some(token) = fields.one("token") {
            let found = self.parts.mailed.by_token(PURPOSE, token, visit.now).await;
            return match found {
                Err(error) => self.store_is_away(visit, &error),
                Ok(None) => self.link_gone(),
                Ok(Some(found)) => match self.confirm(visit, found).await {
                    Ok(()) => self.mail_done(DoneWhat::EmailVerified),
                    Err(turn) => *turn,
                },
            };
        }
        let ticket = fields.one("ticket").unwrap_or_default();
        let gone = || self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        let Some(key) = waiting_key(ticket, &flow.id) else {
            return gone();
        };
        let row = self.parts.sessions.store().peek(&key, visit.now).await;
        let waiting = match row {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(row) => row.and_then(|row| self.open_row::<Waiting>(&key, &row)),
        };
        let Some(waiting) = waiting else {
            return gone();
        };
        if fields.one("again").is_some() {
            let problem = self.mail_again(visit, &flow, &waiting).await;
            return match problem {
                Ok(problem) => self.check_verify(visit, &flow, (ticket, &waiting), problem),
                Err(turn) => *turn,
            };
        }
        let code = fields.one("code").unwrap_or_default();
        match self.by_code(visit, PURPOSE, (&flow, code)).await {
            Ok(found) => match self.confirm(visit, found).await {
                Ok(()) => self.go_on_verified(visit, &flow, (key, waiting)).await,
                Err(turn) => *turn,
            },
            Err(Mistyped::Store(error)) => self.store_is_away(visit, &error),
            Err(Mistyped::Code(problem, status)) => {
                // They may have used the link in the meantime.
                if self.is_verified(&waiting).await {
                    return self.go_on_verified(visit, &flow, (key, waiting)).await;
                }
                let held = (ticket, &waiting);
                self.check_verify(visit, &flow, held, Some(problem))
                    .status(status)
            }
        }
    }

    /// Uses a proof up and notes what it says.
    async fn confirm(&self, visit: &Visit, found: Found) -> Result<(), Box<Turn>> {
        let used = self.parts.mailed.use_up(found, visit.now).await;
        let proof = match used {
            Err(error) => return Err(Box::new(self.store_is_away(visit, &error))),
            Ok(None) => return Err(Box::new(self.link_gone())),
            Ok(Some(proof)) => proof,
        };
        self.note_verified(visit, &proof).await
    }

    async fn note_verified(&self, visit: &Visit, proof: &ByMail) -> Result<(), Box<Turn>> {
        let claimed = proof.claimed();
        let (id, subject) = (&claimed.connection, &claimed.subject);
        let found = self.connections.enabled(id);
        let accounts = found.and_then(|(connection, settings)| {
            let accounts = connection.accounts()?;
            Some((accounts, settings))
        });
        let Some((accounts, settings)) = accounts else {
            return Err(Box::new(self.link_gone()));
        };
        let before = accounts.addressee_of(subject).await;
        let is_new = before.is_ok_and(|before| before.is_some_and(|before| !before.verified));
        match accounts.confirm_email(proof, &visit.peer()).await {
            Ok(true) if is_new => self.welcome(visit, (id, subject)),
            Ok(true) => {}
            Err(AccountError::Rejected(rejection)) => {
                return Err(Box::new(self.rejected(visit, settings, &rejection, None)));
            }
            Ok(false) | Err(_) => return Err(Box::new(self.link_gone())),
        }
        let directory = &self.parts.directory;
        let noted = directory.note_verified((id, subject), &claimed.email).await;
        noted.map_err(|error| Box::new(self.store_is_away(visit, &error)))
    }

    /// The login that waited, if the address is confirmed now and they may still come in.
    async fn go_on_verified(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (key, waiting): (OneTimeKey, Waiting),
    ) -> Turn {
        let gone = || self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        let is_verified = self.is_verified(&waiting).await;
        let Some(pending) = waiting.login.filter(|_| is_verified) else {
            return gone();
        };
        let user = match self.parts.directory.store().find(&pending.user).await {
            Ok(user) => user,
            Err(error) => return self.store_is_away(visit, &error),
        };
        match user {
            Some(user) if !user.blocked => {
                let now = visit.now;
                let uses = vec![OneTimeUse::Row { key, now }];
                self.enter_proven(visit, flow, (user, pending), uses).await
            }
            _ => gone(),
        }
    }

    async fn is_verified(&self, waiting: &Waiting) -> bool {
        let Some(pending) = &waiting.login else {
            return false;
        };
        let proven = &pending.proof.authentication;
        let found = self.connections.enabled(&proven.connection);
        let Some(accounts) = found.and_then(|(connection, _)| connection.accounts()) else {
            return false;
        };
        let found = accounts.addressee_of(&proven.subject).await;
        found.is_ok_and(|found| found.is_some_and(|found| found.verified))
    }

    /// Keeps what waits, sends the mail, and asks for its code.
    async fn wait_for_mail(&self, visit: &Visit, flow: &LoginFlow, waiting: Waiting) -> Turn {
        let ticket: [u8; 32] = self.parts.random.bytes();
        let ticket = URL_SAFE_NO_PAD.encode(ticket);
        let key = waiting_key(&ticket, &flow.id);
        let row = key.and_then(|key| Some((self.seal_row(&key, &waiting)?, key)));
        let Some((payload, key)) = row else {
            return self.start_again(visit, StartAgainWhy::Expired, Some(&flow.return_to));
        };
        let put = OneTimeRow {
            key,
            payload,
            until: visit.now + crate::connection::CODE_LIFETIME,
        };
        if let Err(error) = self.parts.sessions.store().put(put).await {
            return self.store_is_away(visit, &error);
        }
        // Whether one was sent just now is not said here: whoever signs in often has it already.
        match self.mail_again(visit, flow, &waiting).await {
            Ok(_) => self.check_verify(visit, flow, (&ticket, &waiting), None),
            Err(turn) => *turn,
        }
    }

    /// Sends the mail, unless there were too many.
    async fn mail_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        waiting: &Waiting,
    ) -> Result<Option<CodeProblem>, Box<Turn>> {
        let (Some(mail), Ok(login)) = (&self.mail, LoginName::parse(&waiting.email)) else {
            return Ok(None);
        };
        let id = &waiting.connection;
        let name = AccountKey::Name(id.clone(), login.clone());
        match self.parts.throttle.mail(visit.address, &name).await {
            Err(Throttled::Store(error)) => Err(Box::new(self.store_is_away(visit, &error))),
            Err(Throttled::Until(until)) => {
                let minutes = until.since(visit.now).as_secs().div_ceil(60).max(1);
                Ok(Some(CodeProblem::TooManyTries { minutes }))
            }
            Ok(()) => {
                match &waiting.login {
                    None => self.mail_account_exists(visit, id, login),
                    Some(pending) => {
                        let subject = pending.proof.authentication.subject.clone();
                        let asked = Asked {
                            purpose: PURPOSE,
                            whom: Whom::Subject(subject),
                            flow: Some(flow.id.clone()),
                            lifetime: mail.lifetimes().verify,
                        };
                        self.mail_proof(visit, id, asked);
                    }
                }
                Ok(None)
            }
        }
    }

    fn check_verify(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (ticket, waiting): (&str, &Waiting),
        problem: Option<CodeProblem>,
    ) -> Turn {
        let mut post = self.post(flow, "verify");
        post.hidden.push(hidden("ticket", ticket));
        let mut again = post.clone();
        again.hidden.push(hidden("again", "1"));
        let page = Page::CheckMail(CheckMail {
            why: WhyMail::VerifyEmail,
            login: waiting.email.clone(),
            post,
            problem,
            again,
            sign_in: self.login_href(flow),
        });
        let status = match problem {
            Some(CodeProblem::TooManyTries { .. }) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        self.shown(visit, flow, page).status(status)
    }
}

/// The row of a ticket in one flow, as for other steps; under a purpose that none of them knows.
fn waiting_key(ticket: &str, flow: &str) -> Option<OneTimeKey> {
    let mut ticket = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    (ticket.len() == 32).then(|| {
        ticket.extend_from_slice(flow.as_bytes());
        OneTimeKey {
            purpose: Purpose::Unverified,
            hash: crypto::sha256(&ticket),
        }
    })
}
