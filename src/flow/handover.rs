//! Another host's own token: one login, each host its handle.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CookieKind, Engine, Fields, Turn, Visit};
use crate::{
    crypto,
    protocol::ReturnTo,
    session::OpenError,
    text::{LoopCause, StartAgainWhy},
};

impl Engine {
    /// GET handover: a ticket for a token of this host. It is good once, for a minute, here, and
    /// in the browser that holds the nonce it was asked for with.
    pub(crate) async fn handover(&self, visit: &Visit, fields: &Fields) -> Turn {
        let name = self.names().of(CookieKind::Nonce);
        let Some(nonce) = visit.jar.one(&name) else {
            // The redirect before this one set it.
            return self.loop_broken(visit, LoopCause::CookiesBlocked);
        };
        let nonce = crypto::sha256(nonce.as_bytes());
        let ticket = fields.one("ticket").and_then(|ticket| {
            <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(ticket).ok()?).ok()
        });
        let Some(ticket) = ticket else { return self.start_again(visit, StartAgainWhy::NoFlow) };
        let here = self.base.login.with_host(&visit.host);
        let rd = fields.one("rd").unwrap_or("/");
        let to = ReturnTo::parse(rd, &self.return_rules(&here)).unwrap_or_else(|_| ReturnTo::root());
        match self.parts.sessions.redeem(&ticket, visit.host.as_str(), &nonce).await {
            Ok(Some(cookie)) => {
                let names = self.names();
                let lifetime = self.parts.sessions.lifetimes().absolute.as_secs();
                let session = names.set(names.session().to_owned(), cookie, Some(lifetime));
                Turn::see_other(to.location()).with([session, names.clear(name)])
            }
            // Used already: with a session here, somebody merely went back.
            Ok(None) if visit.session.is_some() => Turn::see_other(to.location()),
            Ok(None) => self.start_again(visit, StartAgainWhy::AlreadyUsed),
            Err(OpenError::Store(error)) => self.store_is_away(visit, &error),
            Err(_) => self.start_again(visit, StartAgainWhy::NoFlow),
        }
    }
}
