//! What the person sees when a login does not go on; what the operator reads in the log.

use std::time::Duration;

use http::StatusCode;

use super::{Engine, Turn, Visit};
use crate::{
    connection::{ConnectionSettings, Fault, Rejection},
    identity::ConnectionId,
    metrics,
    problem::Causes,
    protocol::ReturnTo,
    store::{Event, EventKind, StoreError},
    text::page::{
        Href, Page,
        failure::{Action, ActionLabel, Denial, Failure, FailureKind},
        login::{LoopBroken, LoopCause, StartAgain, StartAgainWhy},
    },
    user::Refusal,
};

/// When to come back after something that passes by itself.
const SOON: Duration = Duration::from_secs(5);

impl Engine {
    /// An error page with the actions that make sense.
    pub(crate) fn failure(&self, visit: &Visit, kind: FailureKind, actions: Vec<Action>) -> Turn {
        let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::FORBIDDEN);
        let retry_after = match kind {
            FailureKind::Busy | FailureKind::Unavailable => Some(SOON),
            FailureKind::TooManyTries { minutes } => Some(Duration::from_secs(minutes * 60)),
            _ => None,
        };
        let signed_in_as = visit
            .session()
            .map(|session| session.contents().user.handle);
        let request_id = visit.request_id.clone();
        let page = Page::Failure(Failure {
            kind,
            request_id,
            signed_in_as,
            actions,
        });
        Turn {
            retry_after,
            ..Turn::page(status, page)
        }
    }

    /// A store did not answer: the login ends here, and with a denial.
    pub(super) fn store_is_away(&self, visit: &Visit, error: &StoreError) -> Turn {
        metrics::STORE_ERRORS.inc();
        tracing::error!(
            error = error as &dyn std::error::Error,
            request_id = visit.request_id,
            "the storage failed during a login: see that it is reachable and has room"
        );
        self.failure(
            visit,
            FailureKind::Unavailable,
            self.action(ActionLabel::TryAgain, "login"),
        )
    }

    /// The login must begin again, and end at the page that was wanted if that is known.
    pub(super) fn start_again(
        &self,
        visit: &Visit,
        why: StartAgainWhy,
        wanted: Option<&str>,
    ) -> Turn {
        let page = StartAgain {
            why,
            again: self.login_for(visit, wanted),
            request_id: visit.request_id.clone(),
        };
        Turn::page(StatusCode::BAD_REQUEST, Page::StartAgain(page))
    }

    /// The browser goes round and round.
    pub(super) fn loop_broken(
        &self,
        visit: &Visit,
        cause: LoopCause,
        wanted: Option<&str>,
    ) -> Turn {
        tracing::warn!(
            ?cause,
            host = visit.host.as_str(),
            request_id = visit.request_id,
            "a redirect loop was broken: the browser does not keep or show our cookies"
        );
        let request_id = visit.request_id.clone();
        let page = LoopBroken {
            cause,
            again: self.login_for(visit, wanted),
            request_id,
        };
        Turn::page(StatusCode::BAD_REQUEST, Page::LoopBroken(page))
    }

    /// A strategy said no, for whatever reason but a wrong password.
    pub(super) fn rejected(
        &self,
        visit: &Visit,
        settings: &ConnectionSettings,
        rejection: &Rejection,
        wanted: Option<&str>,
    ) -> Turn {
        self.note_rejection(visit, rejection);
        let display_name = settings.display_name.clone();
        let kind = match rejection.fault {
            Fault::Busy => FailureKind::Busy,
            Fault::AccountClosed | Fault::Denied | Fault::PasswordExpired => {
                FailureKind::ProviderRefused { display_name }
            }
            Fault::CertificateMissing => FailureKind::CertificateMissing { display_name },
            Fault::CertificateRefused => FailureKind::CertificateRefused { display_name },
            Fault::Internal => FailureKind::Unavailable,
            Fault::Misbehaved => FailureKind::ProviderMisbehaved { display_name },
            Fault::Misconfigured => FailureKind::ConnectionBroken { display_name },
            Fault::Unreachable => FailureKind::ProviderUnreachable { display_name },
        };
        let again = Action {
            label: ActionLabel::TryAgain,
            href: self.login_for(visit, wanted),
        };
        self.failure(visit, kind, vec![again]).with(self.stay())
    }

    /// The audit trail and the log of a failed login.
    pub(super) fn note_rejection(&self, visit: &Visit, rejection: &Rejection) {
        let event = self
            .event(visit, EventKind::LoginFailed, rejection.step)
            .connection(&rejection.connection);
        event.log();
        if matches!(
            rejection.fault,
            Fault::AccountClosed
                | Fault::CertificateMissing
                | Fault::CertificateRefused
                | Fault::Denied
                | Fault::PasswordExpired
        ) {
            tracing::info!(
                error = %Causes(rejection),
                connection = %rejection.connection,
                step = rejection.step,
                request_id = visit.request_id,
                "a connection let somebody not in"
            );
        } else {
            tracing::warn!(
                error = %Causes(rejection),
                connection = %rejection.connection,
                step = rejection.step,
                request_id = visit.request_id,
                "a connection failed"
            );
        }
    }

    /// The person is proven but not admitted.
    pub(super) fn refused(
        &self,
        visit: &Visit,
        connection: &ConnectionId,
        refusal: &Refusal,
    ) -> Turn {
        let denial = match refusal {
            Refusal::Store(error) => return self.store_is_away(visit, error),
            Refusal::Blocked => Denial::Blocked,
            _ => Denial::SignupClosed,
        };
        self.event(visit, EventKind::LoginFailed, denial.class())
            .connection(connection)
            .log();
        let kind = FailureKind::Denied(denial);
        self.failure(
            visit,
            kind,
            self.action(ActionLabel::OtherAccount, "login?switch=1"),
        )
    }

    /// The audit trail of a try that was not made, because there have been too many.
    pub(super) fn note_throttled(&self, visit: &Visit, connection: &ConnectionId) {
        self.event(visit, EventKind::LoginFailed, "throttled")
            .connection(connection)
            .log();
    }

    /// Too many tries: when to come back.
    pub(super) fn throttled(&self, visit: &Visit, wait: Duration) -> Turn {
        let minutes = wait.as_secs().div_ceil(60).max(1);
        self.failure(visit, FailureKind::TooManyTries { minutes }, Vec::new())
    }

    /// An event of this request.
    pub(super) fn event(&self, visit: &Visit, kind: EventKind, reason: &str) -> Event {
        Event {
            address: visit.address,
            request_id: Some(visit.request_id.clone()),
            ..Event::new(visit.now, kind, reason)
        }
    }

    /// The login page, on the way to an address that may come from anywhere.
    pub(super) fn login_for(&self, visit: &Visit, wanted: Option<&str>) -> Href {
        let here = self.base.login.at(visit.host.clone());
        let wanted = wanted.and_then(|wanted| self.read_return(wanted, &here));
        let Some(wanted) = wanted.filter(|wanted| *wanted != ReturnTo::root()) else {
            return self.href("login");
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("rd", wanted.target());
        self.href(&format!("login?{}", query.finish()))
    }

    /// A link to a page of ours.
    pub(super) fn href(&self, page: &str) -> Href {
        Href::path(&self.path(page)).unwrap_or_else(Href::root)
    }

    pub(super) fn action(&self, label: ActionLabel, page: &str) -> Vec<Action> {
        vec![Action {
            label,
            href: self.href(page),
        }]
    }
}
