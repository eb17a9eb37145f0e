//! A form of a connection comes back: the try is paid for, then the connection reads it.

use super::{Engine, Fields, LoginFlow, Turn, Visit, login::MADE_FOR};
use crate::{
    connection::{
        Allowance, Attempt, Connection, ConnectionSettings, Fault, LoginName, PasswordReply, Peer,
        Rejection, Reply, Step, Throttled,
    },
    identity::ConnectionId,
    text::page::login::{LoginProblem, StartAgainWhy},
};

impl Engine {
    /// POST login/{connection}: a form of the connection comes back.
    pub(crate) async fn submit(&self, visit: &Visit, id: &ConnectionId, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let (connection, settings) = match self.connection_of_form(visit, &flow, (id, fields)) {
            Ok(found) => found,
            Err(turn) => return *turn,
        };
        flow.add_fragment(fields.one("fragment"));
        let typed = fields.one("login").unwrap_or_default();
        // What is no answer to the form costs no hash, so it is not paid for either.
        let body = fields.only(&["login", "password", "new_password"]);
        let Ok(PasswordReply { login, .. }) = PasswordReply::parse(body.as_bytes()) else {
            let problem = LoginProblem::WrongCredentials;
            return self.try_again(visit, &flow, (id, typed), problem).await;
        };
        let allowance = match self.pay(visit, connection, login).await {
            Ok(allowance) => allowance,
            Err(Unpaid::Rejected(rejection)) => {
                return self.rejected(visit, settings, &rejection, Some(&flow.return_to));
            }
            Err(Unpaid::Throttled(Throttled::Until(until))) => {
                let wait = until.since(visit.now);
                return self.too_many(visit, &flow, id, wait).await;
            }
            Err(Unpaid::Throttled(Throttled::Store(error))) => {
                return self.store_is_away(visit, &error);
            }
        };
        let peer = Peer {
            allowed: Some(allowance.proof()),
            ..visit.peer_in(&flow)
        };
        match connection
            .resume(Some(&flow.kept()), Reply::Form(body.as_bytes()), &peer)
            .await
        {
            Ok(step) => {
                if matches!(step, Step::Done { .. })
                    && let Err(error) = self.parts.throttle.succeeded(allowance).await
                {
                    return self.store_is_away(visit, &error);
                }
                // What comes next in this connection is asked on its own page.
                let begun = (id.clone(), settings.fingerprint);
                flow.connection.get_or_insert(begun);
                self.advance(visit, flow, settings, (step, None)).await
            }
            Err(rejection) if flow.trial.is_some() => {
                self.end_trial(visit, &flow, settings, Err(&rejection))
                    .await
            }
            Err(rejection) if let Some(problem) = form_problem(rejection.fault) => {
                self.note_rejection(visit, &rejection);
                self.try_again(visit, &flow, (id, typed), problem).await
            }
            Err(rejection) => self.rejected(visit, settings, &rejection, Some(&flow.return_to)),
        }
    }

    /// The connection that a form was made for, if it is still set as it was then.
    pub(super) fn connection_of_form(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, fields): (&ConnectionId, &Fields),
    ) -> Result<(&dyn Connection, &ConnectionSettings), Box<Turn>> {
        let found = self.connections.enabled(id).filter(|(_, settings)| {
            let made_for = flow.made_for(id, settings.fingerprint);
            // What another connection kept is not for this one to read.
            let begun = flow.connection.as_ref();
            let begun = begun.is_none_or(|_| flow.began_with(id, settings.fingerprint));
            begun && fields.one(MADE_FOR) == Some(&made_for)
        });
        match found {
            Some((connection, settings)) => Ok((connection.as_ref(), settings)),
            None => Err(Box::new(self.start_again(
                visit,
                StartAgainWhy::ConnectionChanged,
                Some(&flow.return_to),
            ))),
        }
    }

    /// Pays for one try at a password, before anything is hashed.
    async fn pay(
        &self,
        visit: &Visit,
        connection: &dyn Connection,
        name: LoginName,
    ) -> Result<Allowance, Unpaid> {
        let account = connection.account_key(name).await;
        let account = account.map_err(Unpaid::Rejected)?;
        let browser = self.known_browser(visit, &account);
        let attempt = Attempt {
            account: &account,
            address: visit.address,
            browser: browser.as_ref(),
        };
        self.parts
            .throttle
            .login(attempt)
            .await
            .map_err(Unpaid::Throttled)
    }
}

/// What the form says to a refusal that is between the person and the connection.
fn form_problem(fault: Fault) -> Option<LoginProblem> {
    match fault {
        Fault::AccountClosed => Some(LoginProblem::AccountClosed),
        Fault::Denied => Some(LoginProblem::WrongCredentials),
        Fault::PasswordExpired => Some(LoginProblem::PasswordExpired),
        Fault::Busy
        | Fault::CertificateMissing
        | Fault::CertificateRefused
        | Fault::Internal
        | Fault::Misbehaved
        | Fault::Misconfigured
        | Fault::Unreachable => None,
    }
}

/// Why a try at a password was not made.
enum Unpaid {
    Rejected(Rejection),
    Throttled(Throttled),
}
