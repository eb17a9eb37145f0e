//! The link of a message by which somebody signs in.
//!
//! | request | what happens |
//! |---|---|
//! | GET code?token= | in the browser that asked: a button; in any other: the code to type there |
//! | POST code | the button, in the browser that asked: signs in |
//!
//! GET uses up nothing, for mail scanners open every link they see; and what they see signs nobody in
//! elsewhere than where it was asked for.

use std::net::IpAddr;

use http::StatusCode;

use super::{Engine, Fields, LoginFlow, Turn, Visit, mailing::hidden, passwordless::By};
use crate::{
    connection::{Asker, FoundSignIn, SignInProofs},
    identity::ConnectionId,
    text::page::{ConfirmLink, Page, TypeCode, mail::LinkWhat},
};

impl Engine {
    /// GET code?token=. Mail scanners come here, too: nothing is used up.
    pub(crate) async fn code_link_page(&self, visit: &Visit, token: &str) -> Turn {
        let found = match self.parts.sign_in.by_token(token, visit.now).await {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        let Some(flow) = self.flow_that_asked(visit, &found) else {
            return self.elsewhere_page(visit, token, &found);
        };
        let mut post = self.post(&flow, "code");
        post.hidden.push(hidden("token", token));
        let page = Page::ConfirmLink(ConfirmLink {
            what: LinkWhat::SignIn,
            email: found.asked().to.clone(),
            post,
        });
        self.shown(visit, &flow, page)
    }

    /// POST code: the button.
    pub(crate) async fn code_link(&self, visit: &Visit, fields: &Fields) -> Turn {
        let flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let token = fields.one("token").unwrap_or_default();
        let found = match self.parts.sign_in.by_token(token, visit.now).await {
            Err(error) => return self.store_is_away(visit, &error),
            Ok(None) => return self.link_gone(),
            Ok(Some(found)) => found,
        };
        if !found.is_of(&flow.id) {
            return self.elsewhere_page(visit, token, &found);
        }
        let id = found.asked().connection.clone();
        let Some(by) = self.passwordless(&id) else {
            return self.link_gone();
        };
        match self.take_message(visit, &flow, by, found).await {
            Ok(Some(turn)) => turn,
            Ok(None) => self.link_gone(),
            Err(error) => self.store_is_away(visit, &error),
        }
    }

    fn passwordless(&self, id: &ConnectionId) -> Option<By<'_>> {
        let (connection, settings) = self.connections.enabled(id)?;
        Some(By {
            connection: connection.as_ref(),
            passwordless: connection.passwordless()?,
            settings,
        })
    }

    /// The flow that asked for a message, if this browser holds it.
    fn flow_that_asked(&self, visit: &Visit, found: &FoundSignIn) -> Option<LoginFlow> {
        let names = self.names();
        let mut ids = visit.jar.names().filter_map(|name| names.flow_id(name));
        let id = ids.find(|id| found.is_of(id))?;
        self.find_flow(visit, id)
    }

    /// What a link shows in a browser that did not ask for it.
    fn elsewhere_page(&self, visit: &Visit, token: &str, found: &FoundSignIn) -> Turn {
        let Some(code) = SignInProofs::code_of(token) else {
            return self.link_gone();
        };
        let Asker {
            address,
            device,
            at,
        } = found.asked().asker.clone();
        let page = TypeCode {
            code,
            to: found.asked().to.clone(),
            address: address.as_ref().map(IpAddr::to_string),
            device,
            minutes: visit.now.since(at).as_secs() / 60,
        };
        Turn::page(StatusCode::OK, Page::TypeCode(page))
    }
}
