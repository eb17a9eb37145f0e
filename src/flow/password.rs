//! A new password, on the account page.

use http::StatusCode;

use super::{
    Engine, Fields, Turn, Visit,
    account::{Wrong, WrongPassword},
    password_rules,
};
use crate::{
    connection::{AccountError, AccountKey, Accounts, Attempt, Throttled},
    identity::{ConnectionId, Subject},
    secret::Secret,
    session::Session,
    store::Purpose,
    text::Letter,
    text::page::login::{FieldProblem, LoginProblem},
};

impl Engine {
    pub(super) async fn change_password(
        &self,
        visit: &Visit,
        session: &Session,
        fields: &Fields,
    ) -> Turn {
        let Some((id, subject)) = self.keeper(session) else {
            return self.done("");
        };
        let Some((connection, settings)) = self.connections.enabled(&id) else {
            return self.done("");
        };
        let Some(accounts) = connection.accounts() else {
            return self.done("");
        };
        let account = AccountKey::Subject(id.clone(), subject.clone());
        let browser = self.known_browser(visit, &account);
        let attempt = Attempt {
            account: &account,
            address: visit.address,
            browser: browser.as_ref(),
        };
        let allowance = match self.parts.throttle.login(attempt).await {
            Ok(allowance) => allowance,
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let password = WrongPassword {
                    problem: Some(LoginProblem::TooManyTries { minutes }),
                    ..WrongPassword::default()
                };
                let wrong = Wrong {
                    password,
                    ..Wrong::default()
                };
                return self
                    .account_page(visit, None, wrong)
                    .await
                    .status(StatusCode::TOO_MANY_REQUESTS)
                    .retry_after(wait);
            }
        };
        let secret = |name: &str| Secret::new(fields.one(name).unwrap_or_default().to_owned());
        let peer = visit.peer_allowed(allowance.proof());
        let changed = accounts
            .change_password(
                &subject,
                &secret("current_password"),
                &secret("new_password"),
                &peer,
            )
            .await;
        let wrong = match changed {
            Ok(()) => {
                if let Err(error) = self.parts.throttle.succeeded(allowance).await {
                    return self.store_is_away(visit, &error);
                }
                let whose = (&id, &subject);
                let proofs = &self.parts.mailed;
                let called_off = proofs.call_off(Purpose::ResetPassword, whose, visit.now);
                if let Err(error) = called_off.await {
                    return self.store_is_away(visit, &error);
                }
                let reset = self.reset_in_mail(&id);
                self.mail_notice(visit, whose, Letter::PasswordChanged { reset });
                // Whoever else was signed in with the old password is not any more.
                return self.revoke_others(visit, session, "password-changed").await;
            }
            Err(AccountError::WrongPassword) => WrongPassword {
                current: Some(FieldProblem::WrongPassword),
                ..WrongPassword::default()
            },
            Err(AccountError::BadNewPassword(refusal)) => {
                let rules = accounts.next_password_rules();
                WrongPassword {
                    new: Some(password_rules::refused(rules, &refusal)),
                    ..WrongPassword::default()
                }
            }
            Err(AccountError::Rejected(rejection)) => {
                return self.rejected(visit, settings, &rejection, None);
            }
            Err(_) => WrongPassword {
                problem: Some(LoginProblem::Busy),
                ..WrongPassword::default()
            },
        };
        self.password_wrong(visit, wrong).await
    }

    async fn password_wrong(&self, visit: &Visit, password: WrongPassword) -> Turn {
        let wrong = Wrong {
            password,
            ..Wrong::default()
        };
        self.account_page(visit, None, wrong)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// The connection of this session that keeps the person's password.
    pub(super) fn keeper(&self, session: &Session) -> Option<(ConnectionId, Subject)> {
        let mut held = session.contents().authentications.into_iter().rev();
        let held = held.find(|held| {
            let connection = self.connections.enabled(&held.connection);
            let accounts = connection.and_then(|(connection, _)| connection.accounts());
            accounts.is_some_and(Accounts::changes_passwords)
        })?;
        Some((held.connection, held.subject))
    }
}
