//! Leaving: the session ends on every host at once.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Engine, Fields, Turn, Visit, onward::post_onward};
use crate::{
    connection::{Departure, Leaving, ProviderSession},
    crypto,
    identity::ConnectionId,
    protocol::{Destination, ReturnTo},
    random::hex,
    session::KeptWith,
    store::{EventKind, OneTimeKey, OneTimeRow, Purpose, StoreError, UserRecord},
    text::page::{
        Page, Post,
        account::{SignOut as SignOutPage, SignedOut, StillAt},
    },
};

/// For how long somebody may stay at the provider's page.
const LEAVE: Duration = Duration::from_hours(1);

/// Somebody who signs out at a provider.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Leave {
    pub(super) connection: ConnectionId,
    /// Where they go on.
    pub(super) to: String,
}

fn leave_key(state: &str) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::SignOut,
        hash: crypto::sha256(state.as_bytes()),
    }
}

impl Engine {
    /// GET logout. A request that our own page, or the person in the address bar, made signs out;
    /// one that came from elsewhere is asked first.
    ///
    /// A provider that ended its own session sends the browser back to here, with the `state` that
    /// [`remember`](Self::remember) made, which leads on to where the person wanted to go.
    pub(crate) async fn sign_out_page(
        &self,
        visit: &Visit,
        (rd, state): (Option<&str>, Option<&str>),
        own: bool,
    ) -> Turn {
        if let Some(state) = state {
            match self.remembered(visit, state).await {
                Ok(Some(leave)) => return self.signed_out(visit, Some(&leave.to)),
                Ok(None) => {}
                Err(error) => return self.store_is_away(visit, &error),
            }
        }
        let Some((session, token)) = &visit.session else {
            return self.signed_out(visit, rd).with(self.stay());
        };
        if own {
            return self.end_session(visit, rd).await;
        }
        let query = rd.map(|rd| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            format!("?{}", query.append_pair("rd", rd).finish())
        });
        let page = SignOutPage {
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
            return self.signed_out(visit, rd).with(self.stay());
        };
        let given = fields.one("csrf").unwrap_or_default();
        if !token.csrf_matches(&self.parts.ring.load(), given) {
            return self.sign_out_page(visit, (rd, None), false).await;
        }
        self.end_session(visit, rd).await
    }

    async fn end_session(&self, visit: &Visit, rd: Option<&str>) -> Turn {
        let mut there = None;
        if let Some((session, _)) = &visit.session {
            there = Some(match self.parts.sessions.kept_by(session.id()).await {
                Ok(kept) => kept,
                Err(error) => return self.store_is_away(visit, &error),
            });
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
        let turn = match self
            .sign_out_there(&here, there.unwrap_or_default(), rd)
            .await
        {
            Some(turn) => turn,
            None => self.signed_out(&here, rd),
        };
        turn.with(names.clear(names.session())).with(self.stay())
    }

    /// The session here is over; that of the provider by which it began last ends too, if it offers
    /// that. `None`: there is nowhere to go.
    async fn sign_out_there(
        &self,
        visit: &Visit,
        kept: Vec<KeptWith>,
        rd: Option<&str>,
    ) -> Option<Turn> {
        let (sign_out, settings, one) = kept.iter().rev().find_map(|one| {
            let (connection, settings) = self.connections.enabled(&one.connection)?;
            Some((connection.sign_out()?, settings, one))
        })?;
        let back = Url::parse(&format!("{}{}", self.base.login, self.path("logout"))).ok()?;
        let leave = Leave {
            connection: one.connection.clone(),
            to: self.wanted_after(visit, rd),
        };
        let state = match self.remember(visit, &leave).await {
            Ok(state) => state,
            Err(error) => return Some(self.store_is_away(visit, &error)),
        };
        let leaving = Leaving {
            kept: &one.kept.data,
            back: &back,
            state: &state,
        };
        Some(match sign_out.begin(leaving).await {
            Ok(Departure::Nowhere) => return None,
            Ok(Departure::Redirect(to)) => self.leave(visit, to, &settings.display_name),
            Ok(Departure::Post(form)) => post_onward(form, &settings.display_name),
            Ok(Departure::Told(there)) => self.gone(visit, &leave, there),
            Err(rejection) => {
                self.refuse_notice(visit, &rejection);
                self.gone(visit, &leave, ProviderSession::Unknown)
            }
        })
    }

    /// The person is signed out here, and maybe there.
    pub(super) fn gone(&self, visit: &Visit, leave: &Leave, there: ProviderSession) -> Turn {
        let name = || {
            let known = self.connections.find(&leave.connection);
            known.map(|(_, settings)| settings.display_name.clone())
        };
        let still_at = match there {
            ProviderSession::Ended => return self.signed_out(visit, Some(&leave.to)),
            ProviderSession::PartlyEnded => name().map(StillAt::ItsApplications),
            ProviderSession::Unknown => name().map(StillAt::Provider),
        };
        let page = SignedOut {
            notice: None,
            still_at,
            sign_in: self.href("login"),
        };
        Turn::page(StatusCode::OK, Page::SignedOut(page))
    }

    /// Where a person wants to go after signing out, as an address that is good now. It is checked
    /// again when the provider has sent them back.
    fn wanted_after(&self, visit: &Visit, rd: Option<&str>) -> String {
        let here = self.base.login.at(visit.host.clone());
        let to = rd.and_then(|rd| self.read_return(rd, &here));
        match to.as_ref().map(ReturnTo::destination) {
            Some(Destination::Local { target }) => format!("{here}{target}"),
            Some(Destination::Other { url, .. }) => url.clone(),
            None => String::new(),
        }
    }

    /// Keeps where somebody goes on, under a name that a provider may give back: no longer than
    /// RelayState may be (SAML bindings section 3.4.3). Only who was signed in comes here.
    async fn remember(&self, visit: &Visit, leave: &Leave) -> Result<String, StoreError> {
        let state: [u8; 16] = self.parts.random.bytes();
        let state = hex(&state);
        let key = leave_key(&state);
        if let Some(payload) = self.seal_row(&key, leave) {
            let until = visit.now + LEAVE;
            let row = OneTimeRow {
                key,
                payload,
                until,
            };
            self.parts.once.put(row).await?;
        }
        Ok(state)
    }

    pub(super) async fn remembered(
        &self,
        visit: &Visit,
        state: &str,
    ) -> Result<Option<Leave>, StoreError> {
        let key = leave_key(state);
        let row = self.parts.once.peek(&key, visit.now).await?;
        Ok(row.and_then(|row| self.open_row(&key, &row)))
    }

    pub(super) fn signed_out(&self, visit: &Visit, rd: Option<&str>) -> Turn {
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
