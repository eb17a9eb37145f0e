//! Leaving: the session ends on every host at once.

use http::StatusCode;
use url::Url;

use super::{Engine, Fields, Turn, Visit};
use crate::{
    protocol::{Destination, ReturnTo},
    store::{EventKind, UserRecord},
    text::page::{
        Page, Post,
        account::{SignOut, SignedOut},
    },
};

impl Engine {
    /// GET logout. A request that our own page, or the person in the address bar, made signs out;
    /// one that came from elsewhere is asked first.
    pub(crate) async fn sign_out_page(&self, visit: &Visit, rd: Option<&str>, own: bool) -> Turn {
        let Some((session, token)) = &visit.session else {
            return self.signed_out(visit, rd);
        };
        if own {
            return self.end_session(visit, rd).await;
        }
        let query = rd.map(|rd| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            format!("?{}", query.append_pair("rd", rd).finish())
        });
        let page = SignOut {
            display_name: display_name(&session.contents().user),
            post: Post {
                action: self.href(&format!("logout{}", query.unwrap_or_default())),
                csrf: token.csrf(&self.parts.ring.load()),
                hidden: Vec::new(),
            },
            stay: self.href("account"),
        };
        Turn::page(StatusCode::OK, Page::SignOut(page))
    }

    /// POST logout.
    pub(crate) async fn sign_out(&self, visit: &Visit, rd: Option<&str>, fields: &Fields) -> Turn {
        let Some((_, token)) = &visit.session else {
            return self.signed_out(visit, rd);
        };
        let given = fields.one("csrf").unwrap_or_default();
        if !token.csrf_matches(&self.parts.ring.load(), given) {
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
        let here = Visit {
            session: None,
            ..visit.clone()
        };
        let names = self.names();
        self.signed_out(&here, rd)
            .with(names.clear(names.session()))
    }

    fn signed_out(&self, visit: &Visit, rd: Option<&str>) -> Turn {
        let here = self.base.login.at(visit.host.clone());
        let to = rd.and_then(|rd| self.read_return(rd, &here));
        match to.as_ref().map(ReturnTo::destination) {
            Some(Destination::Local { target }) => Turn::see_other(target),
            Some(Destination::Other { host, url }) => match Url::parse(url) {
                Ok(url) => self.leave(visit, url, host.as_str()),
                Err(_) => Turn::see_other("/"),
            },
            None => {
                let sign_in = self.href("login");
                let page = SignedOut {
                    notice: None,
                    still_at: None,
                    sign_in,
                };
                Turn::page(StatusCode::OK, Page::SignedOut(page))
            }
        }
    }
}

/// What a person is called.
pub(super) fn display_name(user: &UserRecord) -> String {
    user.profile
        .name
        .clone()
        .unwrap_or_else(|| user.handle.clone())
}
