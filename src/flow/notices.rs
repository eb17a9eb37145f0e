//! What providers say of sessions that ended, and how they are answered.

use std::time::Duration;

use http::StatusCode;

use super::{Engine, Turn, Visit, onward::post_onward, sign_out::Leave};
use crate::{
    connection::{
        ConnectionSettings, Ended, EndedWhose, Fault, LogoutMessage, LogoutReply, LogoutRequest,
        Notices, Once, Rejection, Reply, SingleLogout,
    },
    identity::ConnectionId,
    problem::Causes,
    session::sid_hash,
    store::{EventKind, StoreError, Whose},
    text::page::failure::FailureKind,
};

/// Who carries a notice out has so long for it; then it counts when it comes again.
const AT_WORK: Duration = Duration::from_mins(1);

impl Engine {
    /// POST backchannel-logout/{connection}: the provider says that sessions ended (OpenID Connect
    /// Back-Channel Logout 1.0 section 2.8).
    pub(crate) async fn backchannel_logout(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        body: &[u8],
    ) -> StatusCode {
        let Some(notices) = self.notices_of(id) else {
            return StatusCode::NOT_FOUND;
        };
        match notices.notified(Reply::Form(body), visit.now).await {
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
        let Some(notices) = self.notices_of(id) else {
            return StatusCode::NOT_FOUND;
        };
        match notices.notified_in_front(query) {
            Ok(ended) => self.end_by_provider(visit, id, ended, "frontchannel").await,
            Err(rejection) => self.refuse_notice(visit, &rejection),
        }
    }

    fn notices_of(&self, id: &ConnectionId) -> Option<&dyn Notices> {
        let (connection, _) = self.connections.enabled(id)?;
        connection.notices()
    }

    /// A message about a logout that led nowhere.
    pub(super) fn refuse_notice(&self, visit: &Visit, rejection: &Rejection) -> StatusCode {
        self.event(visit, EventKind::LogoutFailed, rejection.step)
            .connection(&rejection.connection)
            .log();
        tracing::warn!(
            error = %Causes(rejection),
            connection = %rejection.connection,
            step = rejection.step,
            request_id = visit.request_id,
            "a message about a logout failed"
        );
        match rejection.fault {
            Fault::Busy | Fault::Internal | Fault::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Fault::AccountClosed
            | Fault::CertificateMissing
            | Fault::CertificateRefused
            | Fault::Denied
            | Fault::Misbehaved
            | Fault::Misconfigured
            | Fault::PasswordExpired => StatusCode::BAD_REQUEST,
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
        match self
            .carried_out(visit, id, (&[ended.whose], way), ended.once)
            .await
        {
            Ok(true) => StatusCode::OK,
            Ok(false) => StatusCode::BAD_REQUEST,
            Err(error) => away(&error),
        }
    }

    /// Ends what a notice names, if that has not been done before. What did not work, for whatever
    /// reason, counts when it comes again.
    async fn carried_out(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        (whose, way): (&[EndedWhose], &'static str),
        once: Option<Once>,
    ) -> Result<bool, StoreError> {
        let store = &self.parts.once;
        let use_of_it = once.as_ref().map(Once::first);
        if let Some(use_of_it) = &use_of_it {
            let (key, until) = (use_of_it.key(), visit.now + AT_WORK);
            if !store.lease(&key, visit.now, until).await? {
                tracing::warn!(connection = %id, "a notice of a logout came twice");
                return Ok(false);
            }
        }
        let mut done = Ok(());
        for one in whose {
            if done.is_ok() {
                done = self.end_there(visit, id, one.clone(), way).await;
            }
        }
        if let Some(use_of_it) = use_of_it {
            store.release(&use_of_it.key()).await?;
            if done.is_ok() {
                store.first_use(use_of_it).await?;
            }
        }
        done.map(|()| true)
    }

    /// Ends what a provider names.
    async fn end_there(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        whose: EndedWhose,
        way: &'static str,
    ) -> Result<(), StoreError> {
        let event = self
            .event(visit, EventKind::SessionRevoked, way)
            .connection(id);
        let whose = match whose {
            EndedWhose::Sid(sid) => Whose::Sid(sid_hash(id, &sid)),
            EndedWhose::Subject(subject) => Whose::Identity(id.clone(), subject),
        };
        self.parts
            .sessions
            .revoke_all(&whose, event)
            .await
            .map(drop)
    }

    /// GET callback/{connection}, where the provider has the browser say that the person signed out
    /// there: the session of this browser ends, if it rests on that connection. Another site can
    /// have it say so too, and gains nothing by it: there is no way on from here.
    pub(super) async fn clean_up(&self, visit: &Visit, id: &ConnectionId) -> Turn {
        let Some(session) = visit.session() else {
            return self.signed_out(visit, None);
        };
        let contents = session.contents();
        let held = &contents.authentications;
        if !held.iter().any(|one| one.connection == *id) {
            return Turn::see_other(self.path("account"));
        }
        let event = self
            .event(visit, EventKind::SessionRevoked, "cleanup")
            .connection(id)
            .session(session.id());
        if let Err(error) = self.parts.sessions.revoke(session.id(), event).await {
            return self.store_is_away(visit, &error);
        }
        let here = Visit {
            session: None,
            ..visit.clone()
        };
        let names = self.names();
        let turn = self.signed_out(&here, None);
        turn.with(names.clear(names.session()))
    }

    /// GET and POST saml/{connection}/slo, brought by the browser: the provider asks for a logout, or
    /// answers ours (SAML profiles section 4.4).
    pub(crate) async fn single_logout(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        reply: Reply<'_>,
    ) -> Turn {
        let Some((settings, single_logout)) = self.logs_out(id) else {
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        };
        let request = match single_logout.read(reply, visit.now).await {
            Ok(LogoutMessage::Request(request)) => request,
            Ok(LogoutMessage::Response { state, there }) => {
                return match self.remembered(visit, &state).await {
                    Ok(Some(leave)) if leave.connection == *id => self.gone(visit, &leave, there),
                    Ok(_) => {
                        let connection = id.clone();
                        let to = String::new();
                        self.gone(visit, &Leave { connection, to }, there)
                    }
                    Err(error) => self.store_is_away(visit, &error),
                };
            }
            Err(rejection) => {
                let status = self.refuse_notice(visit, &rejection);
                return self
                    .failure(visit, FailureKind::BadRequest, Vec::new())
                    .status(status);
            }
        };
        if let Err(error) = self.end_requested(visit, id, &request).await {
            return self.store_is_away(visit, &error);
        }
        match single_logout.answer(&request).await {
            // A form that brought it was the provider's, and so is the policy of that page. In a frame
            // there is room for no page of ours.
            Ok(LogoutReply::Redirect(to)) => Turn::see_other(to.as_str()),
            Ok(LogoutReply::Post(form)) => post_onward(form, &settings.display_name),
            // It came with a browser.
            Ok(LogoutReply::Soap(_)) => self.signed_out(visit, None),
            Err(rejection) => {
                self.refuse_notice(visit, &rejection);
                self.signed_out(visit, None)
            }
        }
    }

    /// POST saml/{connection}/slo, from the provider itself (SAML bindings section 3.2).
    pub(crate) async fn single_logout_by_soap(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        body: &[u8],
    ) -> Result<String, StatusCode> {
        let (_, single_logout) = self.logs_out(id).ok_or(StatusCode::NOT_FOUND)?;
        let refused = |rejection: Rejection| self.refuse_notice(visit, &rejection);
        let message = single_logout.read(Reply::Soap(body), visit.now).await;
        let LogoutMessage::Request(request) = message.map_err(refused)? else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let done = self.end_requested(visit, id, &request).await;
        done.map_err(|error| {
            self.store_is_away(visit, &error);
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        match single_logout.answer(&request).await.map_err(refused)? {
            LogoutReply::Soap(envelope) => Ok(envelope),
            LogoutReply::Post(_) | LogoutReply::Redirect(_) => Err(StatusCode::BAD_REQUEST),
        }
    }

    fn logs_out(&self, id: &ConnectionId) -> Option<(&ConnectionSettings, &dyn SingleLogout)> {
        let (connection, settings) = self.connections.enabled(id)?;
        Some((settings, connection.single_logout()?))
    }

    /// Ends what a request names. One that was carried out before is answered as it was then: what
    /// began since is not meant.
    async fn end_requested(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        request: &LogoutRequest,
    ) -> Result<(), StoreError> {
        let way = if request.soap {
            "soap"
        } else {
            "single-logout"
        };
        let (whose, once) = ((request.whose.as_slice(), way), Some(request.once));
        self.carried_out(visit, id, whose, once).await.map(drop)
    }
}
