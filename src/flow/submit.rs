//! A form of a connection comes back: the try is paid for, then the connection reads it.
//!
//! The form that shares the login page serves several connections, and the domain of what was typed
//! says which of them reads it. If one of those is private, nothing in a refusal tells which said no:
//! the page, its status and its cookies are those of the form, what only its provider could have
//! failed at reads like a wrong password, and no refusal comes sooner than another. Only a right
//! password is told more.

use std::time::Duration;

use super::{Engine, Fields, LoginFlow, Turn, Visit, login::MADE_FOR, passwordless::By};
use crate::{
    connection::{
        AccountKey, Allowance, Attempt, Authenticated, Connection, ConnectionSettings, Fault,
        LoginName, PasswordReply, Peer, Rejection, Reply, SharedForm, Step, Throttled,
    },
    identity::ConnectionId,
    store::{EventKind, StoreError, Whose},
    text::page::login::{LoginProblem, StartAgainWhy},
};

/// When a form that keeps a secret refuses: a hash and a directory's answer take less than this,
/// and not as long as each other.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// Who reads a form that came back.
#[derive(Clone, Copy)]
struct Reader<'a> {
    connection: &'a dyn Connection,
    settings: &'a ConnectionSettings,
    /// Whose form it is.
    form: &'a ConnectionId,
    typed: &'a str,
    /// That form, if it may be read by others too.
    shared: Option<&'a SharedForm>,
}

impl Reader<'_> {
    /// Whether an outsider must not notice that it is not the form's own connection.
    fn keeps_a_secret(&self) -> bool {
        self.shared.is_some_and(|shared| shared.keeps_a_secret)
    }
}

/// What the form says to a refusal, if it is shown again. Whether the provider of a private
/// connection is there is not for outsiders: the log says that.
fn form_problem(fault: Fault, keeps_a_secret: bool) -> Option<LoginProblem> {
    match fault {
        Fault::AccountClosed => Some(LoginProblem::AccountClosed),
        Fault::Denied => Some(LoginProblem::WrongCredentials),
        Fault::PasswordExpired => Some(LoginProblem::PasswordExpired),
        Fault::Misbehaved | Fault::Misconfigured | Fault::Unreachable => {
            keeps_a_secret.then_some(LoginProblem::WrongCredentials)
        }
        // The store and the hashing threads are everybody's.
        Fault::Busy | Fault::CertificateMissing | Fault::CertificateRefused | Fault::Internal => {
            None
        }
    }
}

impl Engine {
    /// POST login/{connection}: a form of the connection comes back.
    pub(crate) async fn submit(&self, visit: &Visit, id: &ConnectionId, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let found = self.connections.enabled(id);
        if let Some((connection, settings)) = found
            && let Some(passkeys) = connection.passkeys()
        {
            flow.add_fragment(fields.one("fragment"));
            let form = (id, passkeys, settings.as_ref());
            return Box::pin(self.submit_passkey(visit, flow, form, fields)).await;
        }
        let reader = match self.reader_of_form(visit, &flow, (id, fields)) {
            Ok(reader) => reader,
            Err(turn) => return *turn,
        };
        flow.add_fragment(fields.one("fragment"));
        if let Some(passwordless) = reader.connection.passwordless() {
            let by = By {
                connection: reader.connection,
                passwordless,
                settings: reader.settings,
            };
            return Box::pin(self.submit_passwordless(visit, flow, (by, fields))).await;
        }
        let not_before = tokio::time::sleep(REFUSED_AFTER);
        let tried = Box::pin(self.try_password(visit, flow, reader, fields));
        match tried.await {
            Ok(turn) => turn,
            Err(refused) => {
                if reader.keeps_a_secret() {
                    not_before.await;
                }
                *refused
            }
        }
    }

    /// Where a right password leads, or what to answer to a wrong one.
    async fn try_password(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        reader: Reader<'_>,
        fields: &Fields,
    ) -> Result<Turn, Box<Turn>> {
        let connection = reader.connection;
        let form = (reader.form, reader.typed);
        // What is no answer to the form costs no hash, so it is not paid for either.
        let body = fields.only(&["login", "password", "new_password"]);
        let Ok(PasswordReply { login, .. }) = PasswordReply::parse(body.as_bytes()) else {
            let problem = LoginProblem::WrongCredentials;
            return Err(Box::new(self.try_again(visit, &flow, form, problem).await));
        };
        let (allowance, away) = match self.pay(visit, connection, login.clone()).await {
            Ok(paid) => paid,
            Err(Throttled::Until(until)) => {
                self.note_throttled(visit, connection.id());
                self.mail_unblock(visit, connection.id(), login).await;
                let wait = until.since(visit.now);
                return Err(Box::new(self.too_many(visit, &flow, form.0, wait).await));
            }
            Err(Throttled::Store(error)) => {
                return Err(Box::new(self.store_is_away(visit, &error)));
            }
        };
        if let Some(rejection) = away {
            return Err(self.no(visit, &flow, reader, &rejection).await);
        }
        let peer = Peer {
            allowed: Some(allowance.proof()),
            ..visit.peer_in(&flow)
        };
        let reply = Reply::Form(body.as_bytes());
        let step = match connection.resume(Some(&flow.kept()), reply, &peer).await {
            Ok(step) => step,
            Err(rejection) => return Err(self.no(visit, &flow, reader, &rejection).await),
        };
        if matches!(step, Step::Done { .. })
            && let Err(error) = self.parts.throttle.succeeded(allowance).await
        {
            return Err(Box::new(self.store_is_away(visit, &error)));
        }
        let step = match step {
            Step::Done { who } if who.renewed_at().is_some() => {
                match self.end_others(visit, *who).await {
                    Ok(who) => Step::Done { who: Box::new(who) },
                    Err(error) => return Err(Box::new(self.store_is_away(visit, &error))),
                }
            }
            other => other,
        };
        // What comes next in this connection is asked on its own page.
        let settings = reader.settings;
        flow.connection = Some((connection.id().clone(), settings.fingerprint));
        Ok(self.advance(visit, flow, settings, (step, None)).await)
    }

    /// Whoever was signed in with the password that was replaced is not any more, but in this browser.
    /// What the new one proves is proven after that.
    async fn end_others(
        &self,
        visit: &Visit,
        who: Authenticated,
    ) -> Result<Authenticated, StoreError> {
        let proven = who.authentication();
        let (connection, subject) = (&proven.connection, &proven.subject);
        let users = self.parts.directory.store();
        if let Some(user) = users.find_by_identity(connection, subject).await? {
            let here = visit.session().filter(|held| held.user().id == user.id);
            let whose = here.map_or_else(
                || Whose::User(user.id.clone()),
                |held| Whose::UserExcept(user.id.clone(), held.id()),
            );
            let event = self
                .event(visit, EventKind::SessionRevoked, "password-changed")
                .user(&user.id);
            self.parts.sessions.revoke_all(&whose, event).await?;
        }
        Ok(who.renewed(self.parts.clock.now() + Duration::from_millis(1)))
    }

    /// What to answer when the connection said no.
    async fn no(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        reader: Reader<'_>,
        rejection: &Rejection,
    ) -> Box<Turn> {
        let settings = reader.settings;
        let problem = form_problem(rejection.fault, reader.keeps_a_secret());
        Box::new(if flow.trial.is_some() {
            self.end_trial(visit, flow, settings, Err(rejection)).await
        } else if let Some(problem) = problem {
            self.note_rejection(visit, rejection);
            let form = (reader.form, reader.typed);
            self.try_again(visit, flow, form, problem).await
        } else {
            self.rejected(visit, settings, rejection, Some(&flow.return_to))
        })
    }

    /// Who reads this form: the connection it was made for, or with the form that shares the login
    /// page the one whose domain was typed.
    fn reader_of_form<'a>(
        &'a self,
        visit: &Visit,
        flow: &LoginFlow,
        (form, fields): (&'a ConnectionId, &'a Fields),
    ) -> Result<Reader<'a>, Box<Turn>> {
        let return_to = self.parse_return(&flow.return_to);
        let offer = self.offer(&return_to);
        let typed = fields.one("login").unwrap_or_default();
        let shared = offer.form.as_ref().filter(|shared| {
            let made_for = flow.made_for(form, shared.fingerprint);
            flow.connection.is_none()
                && shared.id == *form
                && fields.one(MADE_FOR) == Some(&made_for)
        });
        let (connection, settings) = match shared {
            None => self.connection_of_form(visit, flow, (form, fields))?,
            Some(shared) => {
                let reads = self.connections.behind_form(offer, shared, typed);
                let found = self.connections.enabled(&reads);
                let found = found.map(|(one, settings)| (one.as_ref(), settings.as_ref()));
                found.ok_or_else(|| Box::new(self.form_is_out_of_date(visit, flow)))?
            }
        };
        Ok(Reader {
            connection,
            settings,
            form,
            typed,
            shared,
        })
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
            None => Err(Box::new(self.form_is_out_of_date(visit, flow))),
        }
    }

    fn form_is_out_of_date(&self, visit: &Visit, flow: &LoginFlow) -> Turn {
        let why = StartAgainWhy::ConnectionChanged;
        self.start_again(visit, why, Some(&flow.return_to))
    }

    /// Pays for one try at a password, before anything is hashed. Where the address has nothing
    /// left to pay from, the connection is not asked whose name it is. If it is asked and cannot say,
    /// the try counts as much, so that no count tells that; why comes with what was paid.
    async fn pay(
        &self,
        visit: &Visit,
        connection: &dyn Connection,
        login: LoginName,
    ) -> Result<(Allowance, Option<Rejection>), Throttled> {
        let throttle = &self.parts.throttle;
        if !self.knows_somebody_of(visit, connection.id()) {
            throttle.is_left_to(visit.address).await?;
        }
        let (account, away) = match connection.account_key(login.clone()).await {
            Ok(account) => (account, None),
            Err(rejection) => {
                let account = AccountKey::Name(connection.id().clone(), login);
                (account, Some(rejection))
            }
        };
        let browser = self.known_browser(visit, &account);
        let attempt = Attempt {
            account: &account,
            address: visit.address,
            browser: browser.as_ref(),
        };
        Ok((throttle.login(attempt).await?, away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_everybody_shares_is_told_of_where_a_secret_is_kept() {
        let wrong = |fault, secret| {
            matches!(
                form_problem(fault, secret),
                Some(LoginProblem::WrongCredentials)
            )
        };
        for fault in [Fault::Misbehaved, Fault::Misconfigured, Fault::Unreachable] {
            assert!(wrong(fault, true) && form_problem(fault, false).is_none());
        }
        for secret in [true, false] {
            assert!(wrong(Fault::Denied, secret));
            for fault in [Fault::Busy, Fault::Internal] {
                assert!(form_problem(fault, secret).is_none());
            }
        }
    }
}
