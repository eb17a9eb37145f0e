//! Another host's own token: one login, each host its handle.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CookieKind, Engine, Fields, Turn, Visit};
use crate::{
    crypto,
    protocol::ReturnTo,
    store::EventKind,
    text::page::login::{LoopCause, StartAgainWhy},
};

impl Engine {
    /// GET handover: a ticket for a token of this host. It is good once, for a minute, here, and
    /// in the browser that holds the nonce it was asked for with.
    pub(crate) async fn handover(&self, visit: &Visit, fields: &Fields) -> Turn {
        let here = self.base.login.at(visit.host.clone());
        let rd = fields.one("rd").unwrap_or("/");
        let to = self.read_return(rd, &here).unwrap_or_else(ReturnTo::root);
        let Some(nonce) = visit.jar.one(&self.names().of(CookieKind::Nonce)) else {
            if visit.session.is_some() {
                return Turn::see_other(to.target());
            }
            // The redirect before this one set it.
            return self.loop_broken(visit, LoopCause::CookiesBlocked, Some(to.target()));
        };
        let nonce = crypto::sha256(nonce.as_bytes());
        let ticket = fields
            .one("ticket")
            .and_then(|ticket| <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(ticket).ok()?).ok());
        let Some(ticket) = ticket else {
            return self.start_again(visit, StartAgainWhy::NoFlow, Some(to.target()));
        };
        let event = self.event(visit, EventKind::HandleIssued, "handover");
        match self
            .parts
            .sessions
            .redeem(&ticket, (visit.host.as_str(), &nonce), event)
            .await
        {
            Ok(Some(cookie)) => {
                let names = self.names();
                let lifetime = self.parts.sessions.lifetimes().absolute;
                // The nonce stays: another tab may be on the same way, and a ticket is used once.
                Turn::see_other(to.target()).with(names.set(names.session(), &cookie, lifetime))
            }
            // Used already: with a session here, somebody merely went back.
            Ok(None) if visit.session.is_some() => Turn::see_other(to.target()),
            Ok(None) => self.start_again(visit, StartAgainWhy::AlreadyUsed, Some(to.target())),
            Err(error) => self.store_is_away(visit, &error),
        }
    }
}
