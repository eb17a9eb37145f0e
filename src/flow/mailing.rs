//! What is written to people on the way: prepared and sent beside the request, so that no answer comes
//! later for it, and none tells whether anybody is written to.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{Engine, Parts, Visit};
use crate::{
    clock::Timestamp,
    connection::{CODE_LIFETIME, Claimed, Connection, EmailChange, LoginName, Throttled},
    identity::{ConnectionId, Subject},
    mail::Draft,
    problem::Causes,
    protocol::EmailAddress,
    store::Purpose,
    text::{
        Letter, Locale, Pages,
        letter::Proof,
        page::{Hidden, Href},
    },
};

/// How long a notice that asks for nothing is worth sending.
const NOTICE: Duration = Duration::from_hours(1);

/// Whom a message is for.
#[derive(Clone, Debug)]
pub(super) enum Whom {
    /// Whoever has this name, if anybody.
    Name(LoginName),
    Subject(Subject),
}

/// What a message with a proof is about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) purpose: Purpose,
    pub(super) whom: Whom,
    /// The flow of the browser that gets a code besides.
    pub(super) flow: Option<String>,
    pub(super) lifetime: Duration,
}

/// What writing takes, for as long as it takes.
pub(super) struct Scribe {
    pub(super) parts: Arc<Parts>,
    pub(super) connection: Arc<dyn Connection>,
    pub(super) text: Arc<Pages>,
    pub(super) locale: Locale,
    pub(super) now: Timestamp,
    /// Where our pages are, with a slash at the end: from the configuration, never from a request.
    pub(super) pages: String,
}

/// The longest that a link can be good: what was said by one of two is kept for as long.
pub(super) const LONGEST_LINK: Duration = Duration::from_hours(30 * 24);

/// Another address for an account.
#[derive(Clone, Debug)]
pub(super) struct EmailAsked {
    pub(super) subject: Subject,
    pub(super) new: EmailAddress,
    /// What tells this change from another one.
    pub(super) change: String,
    pub(super) lifetime: Duration,
}

/// A hidden input of a form.
pub(super) fn hidden(name: &str, value: &str) -> Hidden {
    Hidden {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

impl Engine {
    /// Asks the new address, and the old one if it is known to be the person's.
    pub(super) fn mail_email_change(&self, visit: &Visit, id: &ConnectionId, asked: EmailAsked) {
        let scribes = self.scribe(visit, id).zip(self.scribe(visit, id));
        let Some((to_old, to_new)) = scribes else {
            return;
        };
        let (sign_in, reset) = (self.page_in_mail("login"), self.reset_in_mail(id));
        let exists = Letter::AccountExists { sign_in, reset };
        let outbox = &self.parts.outbox;
        outbox.post_when(to_old.allow_change(asked.clone()));
        outbox.post_when(to_new.confirm_change(asked, exists));
    }

    /// Tells an address something, whoever has it.
    pub(super) fn mail_to(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        (to, letter): (EmailAddress, Letter),
    ) {
        if let Some(scribe) = self.scribe(visit, id) {
            let draft = scribe.draft(to, letter, NOTICE);
            self.parts.outbox.post_when(async { Some(draft) });
        }
    }

    /// Sends a message with a link and a code to whom it may concern.
    pub(super) fn mail_proof(&self, visit: &Visit, id: &ConnectionId, asked: Asked) {
        if let Some(scribe) = self.scribe(visit, id) {
            self.parts.outbox.post_when(scribe.proof(asked));
        }
    }

    /// Tells whoever has this name that somebody wanted an account with it.
    pub(super) fn mail_account_exists(&self, visit: &Visit, id: &ConnectionId, login: LoginName) {
        let Some(scribe) = self.scribe(visit, id) else {
            return;
        };
        let letter = Letter::AccountExists {
            sign_in: self.page_in_mail("login"),
            reset: self.reset_in_mail(id),
        };
        let notice = scribe.notice(Whom::Name(login), letter);
        self.parts.outbox.post_when(notice);
    }

    /// Tells somebody what was done to their account.
    pub(super) fn mail_notice(
        &self,
        visit: &Visit,
        (id, subject): (&ConnectionId, &Subject),
        letter: Letter,
    ) {
        if let Some(scribe) = self.scribe(visit, id) {
            let whom = Whom::Subject(subject.clone());
            self.parts.outbox.post_when(scribe.notice(whom, letter));
        }
    }

    /// Where a forgotten password is replaced, for a message.
    pub(super) fn reset_in_mail(&self, id: &ConnectionId) -> Option<Href> {
        let resets = self.resets(id).is_some();
        resets.then(|| self.page_in_mail(&format!("forgot/{id}")))
    }

    /// The address of a page of ours, for a message.
    pub(super) fn page_in_mail(&self, page: &str) -> Href {
        absolute(&self.pages(), page)
    }

    fn pages(&self) -> String {
        format!("{}{}/", self.base.login, self.base.prefix.as_str())
    }

    /// What writes mails; `None` where none are sent.
    fn scribe(&self, visit: &Visit, id: &ConnectionId) -> Option<Scribe> {
        self.mail.as_ref()?;
        self.scribe_of_any(visit, id)
    }

    /// What writes messages, whatever way they go.
    pub(super) fn scribe_of_any(&self, visit: &Visit, id: &ConnectionId) -> Option<Scribe> {
        let (connection, _) = self.connections.enabled(id)?;
        Some(Scribe {
            parts: self.parts.clone(),
            connection: connection.clone(),
            text: self.text.clone(),
            locale: visit.locale,
            now: visit.now,
            pages: self.pages(),
        })
    }
}

pub(super) fn absolute(pages: &str, page: &str) -> Href {
    let url = Url::parse(&format!("{pages}{page}")).ok();
    url.and_then(|url| Href::url(&url))
        .unwrap_or_else(Href::root)
}

impl Scribe {
    async fn proof(self, asked: Asked) -> Option<Draft> {
        let (subject, to) = self.recipient(&asked.whom).await?;
        let claimed = Claimed {
            connection: self.connection.id().clone(),
            subject,
            email: to.normalized(),
            change: None,
        };
        let (lifetime, purpose) = (asked.lifetime, asked.purpose);
        let flow = asked.flow.as_deref();
        let proofs = &self.parts.mailed;
        let sent = proofs.send(purpose, &claimed, (self.now, lifetime), flow);
        let sent = sent.await.map_err(|error| self.unsent(&error)).ok()?;
        let page = match purpose {
            Purpose::ResetPassword => "reset",
            Purpose::Unblock => "unblock",
            _ => "verify",
        };
        let proof = Proof {
            link: absolute(&self.pages, &format!("{page}?token={}", sent.token)),
            lifetime,
            code: sent.code,
            code_lifetime: CODE_LIFETIME.min(lifetime),
        };
        let letter = match purpose {
            Purpose::ResetPassword => Letter::ResetPassword(proof),
            Purpose::Unblock => Letter::Unblock {
                link: proof.link,
                lifetime,
            },
            _ => Letter::ConfirmAddress(proof),
        };
        Some(self.draft(to, letter, lifetime))
    }

    /// The mail to the old address, if that is asked.
    async fn allow_change(self, asked: EmailAsked) -> Option<Draft> {
        let (_, old, verified) = self.found(&Whom::Subject(asked.subject.clone())).await?;
        if !verified || self.has_somebody_else(&asked).await? || !self.is_left_to(&old).await {
            return None;
        }
        let claimed = self.change(&asked, Some(&old), &old, verified);
        let token = self
            .sent(Purpose::AllowEmail, &claimed, asked.lifetime)
            .await?;
        let letter = Letter::AllowNewAddress {
            new: asked.new.as_str().to_owned(),
            link: absolute(&self.pages, &format!("email?token={token}")),
            lifetime: asked.lifetime,
        };
        Some(self.draft(old, letter, asked.lifetime))
    }

    /// The mail to the new address: the owner of another account with it is told that there is one.
    async fn confirm_change(self, asked: EmailAsked, exists: Letter) -> Option<Draft> {
        if !self.is_left_to(&asked.new).await {
            return None;
        }
        if self.has_somebody_else(&asked).await? {
            return Some(self.draft(asked.new, exists, NOTICE));
        }
        let whom = Whom::Subject(asked.subject.clone());
        let old = self.found(&whom).await;
        let verified = old.as_ref().is_some_and(|(_, _, verified)| *verified);
        let old = old.map(|(_, old, _)| old);
        let claimed = self.change(&asked, old.as_ref(), &asked.new, verified);
        let token = self
            .sent(Purpose::ChangeEmail, &claimed, asked.lifetime)
            .await?;
        let letter = Letter::ConfirmNewAddress(Proof {
            link: absolute(&self.pages, &format!("email?token={token}")),
            lifetime: asked.lifetime,
            code: None,
            code_lifetime: CODE_LIFETIME,
        });
        Some(self.draft(asked.new, letter, asked.lifetime))
    }

    /// What both mails are about.
    fn change(
        &self,
        asked: &EmailAsked,
        was: Option<&EmailAddress>,
        to: &EmailAddress,
        both: bool,
    ) -> Claimed {
        Claimed {
            connection: self.connection.id().clone(),
            subject: asked.subject.clone(),
            email: to.normalized(),
            change: Some(EmailChange {
                id: asked.change.clone(),
                new: asked.new.as_str().to_owned(),
                was: was.map(EmailAddress::normalized),
                both,
            }),
        }
    }

    async fn sent(
        &self,
        purpose: Purpose,
        claimed: &Claimed,
        lifetime: Duration,
    ) -> Option<String> {
        let sent = self
            .parts
            .mailed
            .send(purpose, claimed, (self.now, lifetime), None);
        let sent = sent.await.map_err(|error| self.unsent(&error)).ok()?;
        Some(sent.token)
    }

    /// Whether another account has the new address.
    async fn has_somebody_else(&self, asked: &EmailAsked) -> Option<bool> {
        let login = LoginName::parse(asked.new.as_str()).ok()?;
        let found = self.connection.accounts()?.addressee(&login).await;
        let found = found.map_err(|error| self.unsent(&error)).ok()?;
        Some(found.is_some_and(|found| found.subject != asked.subject))
    }

    async fn notice(self, whom: Whom, letter: Letter) -> Option<Draft> {
        let (_, to) = self.recipient(&whom).await?;
        Some(self.draft(to, letter, NOTICE))
    }

    pub(super) fn draft(self, to: EmailAddress, letter: Letter, lifetime: Duration) -> Draft {
        Draft {
            to,
            letter,
            locale: self.locale,
            text: self.text,
            until: self.now + lifetime,
        }
    }

    /// Who gets it: nobody who is not there or blocked, and nobody too often.
    async fn recipient(&self, whom: &Whom) -> Option<(Subject, EmailAddress)> {
        let (subject, email, _) = self.found(whom).await?;
        let left = self.is_left_to(&email).await;
        left.then_some((subject, email))
    }

    /// Who that is, unless they are blocked, and whether their address is confirmed.
    async fn found(&self, whom: &Whom) -> Option<(Subject, EmailAddress, bool)> {
        let accounts = self.connection.accounts()?;
        let found = match whom {
            Whom::Name(login) => accounts.addressee(login).await,
            Whom::Subject(subject) => accounts.addressee_of(subject).await,
        };
        let found = found.map_err(|error| self.unsent(&error)).ok()??;
        let users = self.parts.directory.store();
        let user = users
            .find_by_identity(self.connection.id(), &found.subject)
            .await;
        let user = user.map_err(|error| self.unsent(&error)).ok()?;
        let blocked = user.is_some_and(|user| user.blocked);
        (!blocked).then_some((found.subject, found.email, found.verified))
    }

    /// Whether one more mail may go to an address.
    async fn is_left_to(&self, email: &EmailAddress) -> bool {
        match self.parts.throttle.mail_to(email).await {
            Ok(()) => true,
            Err(Throttled::Until(_)) => {
                tracing::warn!(connection = %self.connection.id(), "a mail was not sent: too many go to this address");
                false
            }
            Err(Throttled::Store(error)) => {
                self.unsent(&error);
                false
            }
        }
    }

    pub(super) fn unsent(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(
            connection = %self.connection.id(),
            error = %Causes(error),
            "a mail was not sent: it could not be prepared"
        );
    }
}
