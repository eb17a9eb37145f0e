//! Mail to somebody who is in already: the link that confirms their address, and the welcome.

use super::{
    Engine, Turn, Visit,
    mailing::{Asked, Whom},
};
use crate::{
    connection::{AccountKey, LoginName, Throttled, VerifyEmail},
    identity::{ConnectionId, Subject},
    protocol::EmailAddress,
    session::Session,
    store::Purpose,
    text::Letter,
};

impl Engine {
    /// Sends the link that confirms an address of somebody who is in already.
    pub(super) fn send_link(&self, visit: &Visit, (id, subject): (&ConnectionId, &Subject)) {
        let Some(mail) = &self.mail else { return };
        let asked = Asked {
            purpose: Purpose::VerifyEmail,
            whom: Whom::Subject(subject.clone()),
            flow: None,
            lifetime: mail.lifetimes().verify,
        };
        self.mail_proof(visit, id, asked);
    }

    /// Welcomes somebody, where that is wanted.
    pub(super) fn welcome(&self, visit: &Visit, (id, subject): (&ConnectionId, &Subject)) {
        let settings = self.connections.enabled(id);
        if settings.is_some_and(|(_, settings)| settings.mail.welcome) {
            let sign_in = self.page_in_mail("login");
            self.mail_notice(visit, (id, subject), Letter::Welcome { sign_in });
        }
    }

    /// POST account: another mail for an address that is not confirmed yet.
    pub(super) async fn mail_link_again(&self, visit: &Visit, session: &Session) -> Turn {
        let Some((id, subject, email)) = self.unverified(session).await else {
            return self.done("");
        };
        let Ok(login) = LoginName::parse(email.as_str()) else {
            return self.done("");
        };
        let name = AccountKey::Name(id.clone(), login);
        match self.parts.throttle.mail(visit.address, &name).await {
            Ok(()) => self.send_link(visit, (&id, &subject)),
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                return self.throttled(visit, until.since(visit.now));
            }
        }
        self.done("mail-sent")
    }

    /// The account of this session whose address is to be confirmed.
    pub(super) async fn unverified(
        &self,
        session: &Session,
    ) -> Option<(ConnectionId, Subject, EmailAddress)> {
        self.mail.as_ref()?;
        let (id, subject) = self.keeper(session)?;
        let (connection, settings) = self.connections.enabled(&id)?;
        if settings.mail.verify == VerifyEmail::Off {
            return None;
        }
        let found = connection.accounts()?.addressee_of(&subject).await;
        let found = found.ok()?.filter(|found| !found.verified)?;
        Some((id, subject, found.email))
    }
}
