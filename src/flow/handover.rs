//! Another host's own token: one login, each host its handle.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CookieKind, Engine, Fields, LoginAsk, Turn, Visit, onward::hash_from_text};
use crate::{
    crypto,
    protocol::{Destination, ReturnTo},
    store::EventKind,
    text::page::login::{LoopCause, StartAgainWhy},
};

/// How long a nonce waits at another host for its ticket.
const NONCE: Duration = Duration::from_secs(3600);

impl Engine {
    /// A request at another host for a page that lives at the login host. What was posted there is
    /// lost: no page of ours posts to it.
    pub(crate) fn elsewhere(&self, visit: &Visit, page: &str, ask: &LoginAsk) -> Turn {
        if visit.posted {
            self.start_again(visit, StartAgainWhy::NoFlow, None)
        } else {
            self.go_to_login_host(visit, page, ask)
        }
    }

    /// At another host of ours: binds the browser there by a nonce, and goes where logins live.
    fn go_to_login_host(&self, visit: &Visit, page: &str, ask: &LoginAsk) -> Turn {
        let name = self.names().of(CookieKind::Nonce);
        let held = visit
            .jar
            .one(&name)
            .filter(|nonce| hash_from_text(nonce).is_some());
        let nonce = held.map_or_else(
            || URL_SAFE_NO_PAD.encode(self.parts.random.bytes::<32>()),
            str::to_owned,
        );
        let hash = crypto::sha256(nonce.as_bytes());
        let here = self.base.login.at(visit.host.clone());
        let rd = self.read_return(ask.rd.as_deref().unwrap_or("/"), &here);
        let wanted = match rd.as_ref().map(ReturnTo::destination) {
            Some(Destination::Local { target }) => format!("{here}{target}"),
            Some(Destination::Other { url, .. }) => url.clone(),
            None => format!("{here}/"),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("rd", &wanted);
        query.append_pair("nonce", &URL_SAFE_NO_PAD.encode(hash));
        if let Some(connection) = &ask.connection {
            query.append_pair("connection", connection);
        }
        if let Some(hint) = &ask.login_hint {
            query.append_pair("login_hint", hint);
        }
        if ask.switch {
            query.append_pair("switch", "1");
        }
        if ask.stay || self.stays(visit) {
            query.append_pair("stay", "1");
        }
        query.extend_pairs(self.passed(ask));
        let to = format!("{}{}?{}", self.base.login, self.path(page), query.finish());
        Turn::see_other(to).with(self.names().set(&name, &nonce, NONCE))
    }

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
