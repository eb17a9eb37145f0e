//! Leaving: the session ends on every host at once.

use http::StatusCode;
use url::Url;

use super::{Engine, Fields, Turn, Visit};
use crate::{
    connection::{
        ConnectionSettings, Ended, EndedWhose, Fault, Leaving, Rejection, Reply, SignOut,
    },
    crypto::{self, Place},
    identity::ConnectionId,
    problem::Causes,
    protocol::{Destination, ReturnTo},
    session::{KeptWith, sid_hash},
    store::{EventKind, OneTimeKey, OneTimeUse, Purpose, StoreError, UserRecord, Whose},
    text::page::{
        Page, Post,
        account::{SignOut as SignOutPage, SignedOut},
    },
};

/// Where a sealed return address belongs.
const RETURN: Place<'static> = Place {
    purpose: crypto::Purpose::Flow,
    context: &[b"logout"],
};

impl Engine {
    /// GET logout. A request that our own page, or the person in the address bar, made signs out;
    /// one that came from elsewhere is asked first.
    ///
    /// A provider that ended its own session sends the browser back to here, with the `state` that
    /// [`end_session`](Self::end_session) gave it, which leads on to where the person wanted to go.
    pub(crate) async fn sign_out_page(
        &self,
        visit: &Visit,
        (rd, state): (Option<&str>, Option<&str>),
        own: bool,
    ) -> Turn {
        if let Some(to) = state.and_then(|state| self.open_return(state)) {
            return self.signed_out(visit, Some(&to));
        }
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
            return self.signed_out(visit, rd);
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
        turn.with(names.clear(names.session()))
    }

    /// The session here is over; that of the provider by which it began last ends too, if it offers
    /// that. `None`: there is nowhere to go.
    async fn sign_out_there(
        &self,
        visit: &Visit,
        kept: Vec<KeptWith>,
        rd: Option<&str>,
    ) -> Option<Turn> {
        let (connection, settings, kept) = kept.iter().rev().find_map(|one| {
            let (connection, settings) = self.connections.enabled(&one.connection)?;
            Some((connection.sign_out()?, settings, &one.kept.data))
        })?;
        let back = Url::parse(&format!("{}{}", self.base.login, self.path("logout"))).ok()?;
        let state = self.seal_return(visit, rd);
        let leaving = Leaving {
            kept,
            back: &back,
            state: &state,
        };
        match connection.begin(leaving).await {
            Ok(to) => Some(self.leave(visit, to?, &settings.display_name)),
            Err(rejection) => {
                self.note_rejection(visit, &rejection);
                let page = SignedOut {
                    notice: None,
                    still_at: Some(settings.display_name.clone()),
                    sign_in: self.href("login"),
                };
                Some(Turn::page(StatusCode::OK, Page::SignedOut(page)))
            }
        }
    }

    /// Where a person wants to go after signing out, for the way over the provider. It is sealed,
    /// so that nobody makes one that leads elsewhere, and checked again when it comes back.
    fn seal_return(&self, visit: &Visit, rd: Option<&str>) -> String {
        let here = self.base.login.at(visit.host.clone());
        let to = rd.and_then(|rd| self.read_return(rd, &here));
        let to = match to.as_ref().map(ReturnTo::destination) {
            Some(Destination::Local { target }) => format!("{here}{target}"),
            Some(Destination::Other { url, .. }) => url.clone(),
            None => String::new(),
        };
        let (ring, random) = (self.parts.ring.load(), self.parts.random.as_ref());
        crypto::seal_text(&ring, RETURN, to.as_bytes(), random)
    }

    fn open_return(&self, state: &str) -> Option<String> {
        let to = crypto::open_text(&self.parts.ring.load(), RETURN, state).ok()?;
        String::from_utf8(to).ok()
    }

    /// POST backchannel-logout/{connection}: the provider says that sessions ended (OpenID Connect
    /// Back-Channel Logout 1.0 section 2.8).
    pub(crate) async fn backchannel_logout(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        body: &[u8],
    ) -> StatusCode {
        let Some((_, sign_out)) = self.signs_out(id) else {
            return StatusCode::NOT_FOUND;
        };
        match sign_out.notified(Reply::Form(body), visit.now).await {
            Ok(ended) => self.end_by_provider(visit, id, ended, "backchannel").await,
            Err(rejection) => self.refuse_notice(visit, &rejection),
        }
    }

    /// GET frontchannel-logout/{connection}, in a frame of the provider's page (OpenID Connect
    /// Front-Channel Logout 1.0 section 3). Our cookies do not come with it, so it is the name of
    /// the session that counts.
    pub(crate) async fn frontchannel_logout(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        query: &str,
    ) -> StatusCode {
        let Some((_, sign_out)) = self.signs_out(id) else {
            return StatusCode::NOT_FOUND;
        };
        match sign_out.notified_in_front(query) {
            Ok(ended) => self.end_by_provider(visit, id, ended, "frontchannel").await,
            Err(rejection) => self.refuse_notice(visit, &rejection),
        }
    }

    fn signs_out(&self, id: &ConnectionId) -> Option<(&ConnectionSettings, &dyn SignOut)> {
        let (connection, settings) = self.connections.enabled(id)?;
        Some((settings, connection.sign_out()?))
    }

    fn refuse_notice(&self, visit: &Visit, rejection: &Rejection) -> StatusCode {
        self.event(visit, EventKind::LogoutFailed, rejection.step)
            .connection(&rejection.connection)
            .log();
        tracing::warn!(
            error = %Causes(rejection),
            connection = %rejection.connection,
            step = rejection.step,
            request_id = visit.request_id,
            "a provider's notice of a logout was refused"
        );
        match rejection.fault {
            Fault::Busy | Fault::Internal | Fault::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Denied | Fault::Misbehaved | Fault::Misconfigured => StatusCode::BAD_REQUEST,
        }
    }

    async fn end_by_provider(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        ended: Ended,
        way: &'static str,
    ) -> StatusCode {
        let away = |error: &StoreError| {
            self.store_is_away(visit, error);
            StatusCode::SERVICE_UNAVAILABLE
        };
        if let Some((hash, until)) = ended.once {
            let key = OneTimeKey {
                purpose: Purpose::Answer,
                hash,
            };
            match self
                .parts
                .once
                .first_use(OneTimeUse::First { key, until })
                .await
            {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(connection = %id, "a notice of a logout came twice");
                    return StatusCode::BAD_REQUEST;
                }
                Err(error) => return away(&error),
            }
        }
        let event = self
            .event(visit, EventKind::SessionRevoked, way)
            .connection(id);
        let (whose, event) = match ended.whose {
            EndedWhose::Sid(sid) => (Whose::Sid(sid_hash(id, &sid)), event),
            EndedWhose::Subject(subject) => (Whose::Identity(id.clone(), subject), event),
        };
        match self.parts.sessions.revoke_all(&whose, event).await {
            Ok(_) => StatusCode::OK,
            Err(error) => away(&error),
        }
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
