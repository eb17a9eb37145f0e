//! Leaving: the session ends on every host at once.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit};
use crate::{
    store::EventKind,
    text::{Page, Post, SignOut, SignedOut},
};

impl Engine {
    /// GET logout. A request that our own page, or the person in the address bar, made signs out;
    /// one that came from elsewhere is asked first.
    pub(crate) async fn sign_out_page(&self, visit: &Visit, rd: Option<&str>, own: bool) -> Turn {
        let Some((session, token)) = &visit.session else { return self.signed_out(visit, rd) };
        if own {
            return self.end_session(visit, rd).await;
        }
        let tokens = self.parts.sessions.tokens();
        let query = rd.map(|rd| {
            let query: String =
                url::form_urlencoded::Serializer::new("?".to_owned()).append_pair("rd", rd).finish();
            query
        });
        let page = SignOut {
            display_name: self.display_name(session),
            post: Post {
                action: self.href(&format!("logout{}", query.unwrap_or_default())),
                csrf: tokens.csrf(token),
                hidden: Vec::new(),
            },
            stay: self.href("account"),
        };
        Turn::page(StatusCode::OK, Page::SignOut(page))
    }

    /// POST logout.
    pub(crate) async fn sign_out(&self, visit: &Visit, rd: Option<&str>, fields: &Fields) -> Turn {
        let Some((_, token)) = &visit.session else { return self.signed_out(visit, rd) };
        let given = fields.one("csrf").unwrap_or_default();
        if !self.parts.sessions.tokens().csrf_matches(token, given) {
            return self.sign_out_page(visit, rd, false).await;
        }
        self.end_session(visit, rd).await
    }

    async fn end_session(&self, visit: &Visit, rd: Option<&str>) -> Turn {
        if let Some((session, _)) = &visit.session {
            let event = self
                .event(visit, EventKind::LogoutSucceeded, "asked")
                .user(&session.user().id)
                .session(session.id());
            if let Err(error) = self.parts.sessions.revoke(session.id(), event).await {
                return self.store_is_away(visit, &error);
            }
        }
        let here = Visit { session: None, ..visit.clone() };
        let names = self.names();
        self.signed_out(&here, rd).with([names.clear(names.session().to_owned())])
    }

    fn signed_out(&self, visit: &Visit, rd: Option<&str>) -> Turn {
        let login = self.base.login.with_host(&visit.host);
        match rd.and_then(|rd| crate::protocol::ReturnTo::parse(rd, &self.return_rules(&login)).ok())
        {
            Some(to) => Turn::see_other(to.location()),
            None => {
                let page =
                    SignedOut { notice: None, still_at: None, sign_in: self.href("login") };
                Turn::page(StatusCode::OK, Page::SignedOut(page))
            }
        }
    }
}
