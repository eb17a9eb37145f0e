//! Somebody who is kept out, because too much was guessed at their account, is let in by a mail.
//!
//! | request | what happens |
//! |---|---|
//! | POST login, refused by a budget | the owner of the account gets a mail, at most one in an hour |
//! | GET unblock?token= | a page with a button; nothing is used up |
//! | POST unblock | the proof is used up, and this browser is one that the account knows |
//!
//! A browser that an account knows pays from a budget of its own, which nobody else can spend. It
//! signs nobody in: the password is asked for as before.

use std::time::Duration;

use super::{
    Engine, Fields, Turn, Visit,
    mailing::{Asked, Whom},
};
use crate::{
    connection::{AccountKey, LoginName, Throttled},
    identity::ConnectionId,
    store::Purpose,
    text::page::{
        ConfirmLink, Hidden, Page,
        mail::{DoneWhat, LinkWhat},
    },
};

const PURPOSE: Purpose = Purpose::Unblock;
/// How long the link is good.
const LIFETIME: Duration = Duration::from_hours(1);

impl Engine {
    /// Writes to whoever has this name, if anybody. The answer to the refused try is the same.
    pub(super) async fn mail_unblock(&self, visit: &Visit, id: &ConnectionId, login: LoginName) {
        let throttle = &self.parts.throttle;
        if self.mail.is_none() {
            return;
        }
        let name = AccountKey::Name(id.clone(), login.clone());
        let paid = match throttle.unblock(&name).await {
            Ok(()) => throttle.mail(visit.address, &name).await,
            refused => refused,
        };
        match paid {
            Ok(()) => {
                let asked = Asked {
                    purpose: PURPOSE,
                    whom: Whom::Name(login),
                    flow: None,
                    lifetime: LIFETIME,
                };
                self.mail_proof(visit, id, asked);
            }
            Err(Throttled::Until(_)) => {}
            Err(Throttled::Store(error)) => {
                tracing::warn!(%error, connection = %id, "a mail that lets somebody in was not sent");
            }
        }
    }

    /// GET unblock?token=. Mail scanners come here, too: nothing is used up.
    pub(crate) async fn unblock_page(&self, visit: &Visit, token: &str) -> Turn {
        let found = self.parts.mailed.by_token(PURPOSE, token, visit.now).await;
        let found = match found {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        let flow = self.begin_flow("/".to_owned(), None);
        let mut post = self.post(&flow, "unblock");
        post.hidden.push(Hidden {
            name: "token".to_owned(),
            value: token.to_owned(),
        });
        let page = Page::ConfirmLink(ConfirmLink {
            what: LinkWhat::Unblock,
            email: found.claimed().email.clone(),
            post,
        });
        self.shown(visit, &flow, page)
    }

    /// POST unblock: the button.
    pub(crate) async fn unblock(&self, visit: &Visit, fields: &Fields) -> Turn {
        if let Err(turn) = self.flow_of_form(visit, fields) {
            return *turn;
        }
        let token = fields.one("token").unwrap_or_default();
        let found = self.parts.mailed.by_token(PURPOSE, token, visit.now).await;
        let found = match found {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        match self.parts.mailed.use_up(found, visit.now).await {
            Err(error) => self.store_is_away(visit, &error),
            Ok(None) => self.link_gone(),
            Ok(Some(proof)) => {
                let claimed = proof.claimed();
                let account = (claimed.connection.clone(), claimed.subject.clone());
                self.mail_done(DoneWhat::Unblocked)
                    .with(self.remember_account(visit, account))
            }
        }
    }
}
