//! A stranger makes an account where a connection keeps accounts.

use std::time::Duration;

use http::StatusCode;

use super::{
    Engine, Fields, LoginAsk, LoginFlow, Turn, Visit, passkey_sign_up::BadPerson, password_rules,
    username,
};
use crate::{
    connection::{
        AccountError, Accounts, ConnectionSettings, LoginNames, PreparedAccount, SignUp, Throttled,
        VerifyEmail,
    },
    identity::ConnectionId,
    secret::Secret,
    store::{EventKind, OneTimeUse},
    text::page::{
        Names, Page, Post,
        login::{self, Field, FieldProblem, LoginProblem, NewAccount, StartAgainWhy},
        passkey::PasskeyAccount,
    },
    user::{Admitted, NewPerson, Refusal},
};

/// When a sign-up is answered that must not tell whether the address has an account.
const ANSWERED_AFTER: Duration = Duration::from_secs(1);

impl Engine {
    /// GET signup/{connection}.
    pub(crate) async fn sign_up_page(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        ask: &LoginAsk,
    ) -> Turn {
        let Some((accounts, settings)) = self.open_for_strangers(id).await else {
            let turn = self.passkey_sign_up_page(visit, id, ask).await;
            return turn.unwrap_or_else(|| self.closed(visit, ask.rd.as_deref()));
        };
        let held = ask
            .flow
            .as_deref()
            .and_then(|flow| self.find_flow(visit, flow));
        let mut flow = held.unwrap_or_else(|| {
            let return_to = self.parse_return(ask.rd.as_deref().unwrap_or("/"));
            self.begin_flow(return_to.target().to_owned(), ask.nonce.clone())
        });
        flow.add_fragment(ask.fragment.as_deref());
        let post = self.post_to(&flow, "signup", id);
        let form = new_account(post, settings, accounts, &Fields::default());
        self.sign_up_form(visit, &flow, form, StatusCode::OK)
    }

    /// POST signup/{connection}.
    pub(crate) async fn sign_up(&self, visit: &Visit, id: &ConnectionId, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        if let Err(turn) = self.connection_of_form(visit, &flow, (id, fields)) {
            return *turn;
        }
        let Some((accounts, settings)) = self.open_for_strangers(id).await else {
            let wanted = flow.return_to.clone();
            let made = Box::pin(self.passkey_sign_up(visit, flow, (id, fields))).await;
            return made.unwrap_or_else(|| self.closed(visit, Some(&wanted)));
        };
        flow.add_fragment(fields.one("fragment"));
        let post = self.post_to(&flow, "signup", id);
        let mut form = new_account(post, settings, accounts, fields);
        let allowance = match self.parts.throttle.sign_up(visit.address).await {
            Ok(allowance) => allowance,
            Err(Throttled::Until(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                form.problem = Some(LoginProblem::TooManyTries { minutes });
                self.event(visit, EventKind::SignUpFailed, "throttled")
                    .connection(id)
                    .log();
                return self
                    .sign_up_form(visit, &flow, form, StatusCode::TOO_MANY_REQUESTS)
                    .retry_after(wait);
            }
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
        };
        // Where an address must be confirmed, no answer comes sooner than another.
        let hides = settings.mail.verify == VerifyEmail::Required;
        let not_before = tokio::time::sleep(ANSWERED_AFTER);
        let peer = visit.peer_allowed(allowance.proof());
        let prepared = match accounts.sign_up(wish(fields, false), &peer).await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.parts.throttle.made_nobody(allowance).await;
                if let AccountError::Rejected(rejection) = error {
                    return self.rejected(visit, settings, &rejection, None);
                }
                mark(&mut form, accounts, &error);
                self.event(visit, EventKind::SignUpFailed, "not-acceptable")
                    .connection(id)
                    .log();
                return self.sign_up_form(visit, &flow, form, StatusCode::UNPROCESSABLE_ENTITY);
            }
        };
        let made = self
            .make_account(visit, prepared, (false, Vec::new()))
            .await;
        if made.is_err() {
            self.parts.throttle.made_nobody(allowance).await;
        }
        match made {
            Ok(admitted) => {
                let proven = &admitted.proof.authentication;
                match settings.mail.verify {
                    VerifyEmail::Off => self.welcome(visit, (id, &proven.subject)),
                    VerifyEmail::Optional => self.send_link(visit, (id, &proven.subject)),
                    VerifyEmail::Required => {}
                }
                let turn = self.enter(visit, &flow, admitted).await;
                if hides {
                    not_before.await;
                }
                turn
            }
            Err(Refusal::LoginTaken | Refusal::Exists) if hides => {
                self.event(visit, EventKind::SignUpFailed, "taken")
                    .connection(id)
                    .log();
                let typed = fields.one("email").unwrap_or_default().trim();
                let turn = self.seem_to_verify(visit, &flow, (id, typed)).await;
                not_before.await;
                turn
            }
            Err(Refusal::LoginTaken | Refusal::Exists) => {
                taken(&mut form);
                self.event(visit, EventKind::SignUpFailed, "taken")
                    .connection(id)
                    .log();
                self.sign_up_form(visit, &flow, form, StatusCode::UNPROCESSABLE_ENTITY)
            }
            Err(refusal) => self.refused(visit, id, &refusal),
        }
    }

    /// Writes the user with the account.
    pub(super) async fn make_account(
        &self,
        visit: &Visit,
        prepared: PreparedAccount,
        (owner, uses): (bool, Vec<OneTimeUse>),
    ) -> Result<Admitted, Refusal> {
        let person = NewPerson {
            identity: prepared.who.identity().clone(),
            account: prepared.account,
            factor: None,
            owner,
            uses,
        };
        self.parts
            .directory
            .sign_up(person, *prepared.who, &visit.origin())
            .await
    }

    /// The sign-up form, as it stands.
    pub(super) fn sign_up_form(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        form: NewAccount,
        status: StatusCode,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let page = login::SignUp {
            destination: self.destination(&return_to),
            form,
            sign_in: self.href(&format!("login?flow={}", flow.id)),
            fragment: flow.fragment().unwrap_or_default().to_owned(),
        };
        Turn::page(status, Page::SignUp(page)).with(self.keep_flow(visit, flow))
    }

    /// The accounts of a connection that takes strangers now.
    async fn open_for_strangers(
        &self,
        id: &ConnectionId,
    ) -> Option<(&dyn Accounts, &ConnectionSettings)> {
        let (connection, settings) = self.connections.enabled(id)?;
        let accounts = connection.accounts()?;
        (accounts.signup() && self.strangers_welcome().await).then_some((accounts, settings))
    }

    /// In a trial nobody comes before the owner.
    pub(super) async fn strangers_welcome(&self) -> bool {
        !self.parts.trial
            || self
                .parts
                .directory
                .store()
                .has_owner()
                .await
                .unwrap_or(false)
    }

    fn closed(&self, visit: &Visit, wanted: Option<&str>) -> Turn {
        self.start_again(visit, StartAgainWhy::ConnectionChanged, wanted)
            .status(StatusCode::NOT_FOUND)
    }
}

/// The form with what was typed but the password.
pub(super) fn new_account(
    post: Post,
    settings: &ConnectionSettings,
    accounts: &dyn Accounts,
    fields: &Fields,
) -> NewAccount {
    let field = |name: &str| Field {
        value: fields.one(name).unwrap_or_default().to_owned(),
        problem: None,
    };
    NewAccount {
        post,
        display_name: settings.display_name.clone(),
        names: match accounts.names() {
            LoginNames::Email => Names::Email,
            LoginNames::EmailOrUsername => Names::EmailOrUsername,
            LoginNames::Username => Names::Username,
        },
        name: field("name"),
        email: field("email"),
        username: field("username"),
        username_hint: username::hint(accounts.username_rules()),
        password_problem: None,
        rules: password_rules::untold(accounts.password_rules()),
        problem: None,
    }
}

/// What the person typed, who may have a `reserved` name.
pub(super) fn wish(fields: &Fields, reserved: bool) -> SignUp {
    let text = |name: &str| {
        let typed = fields.one(name).unwrap_or_default().trim();
        (!typed.is_empty()).then(|| typed.to_owned())
    };
    SignUp {
        email: text("email"),
        username: text("username"),
        name: text("name"),
        password: Secret::new(fields.one("password").unwrap_or_default().to_owned()),
        reserved,
    }
}

/// Puts the error beside the input it is about.
pub(super) fn mark(form: &mut NewAccount, accounts: &dyn Accounts, error: &AccountError) {
    match error {
        AccountError::BadEmail => form.email.problem = Some(FieldProblem::BadEmail),
        AccountError::BadName => form.name.problem = Some(FieldProblem::TooLong { most: 256 }),
        AccountError::BadUsername(bad) => form.username.problem = Some(username::problem(*bad)),
        AccountError::LoginTaken => taken(form),
        AccountError::BadNewPassword(refusal) => {
            let (problem, rules) = password_rules::refused(accounts.password_rules(), refusal);
            form.password_problem = Some(problem);
            form.rules = rules;
        }
        AccountError::UsernameTaken => form.username.problem = Some(FieldProblem::Taken),
        AccountError::WrongPassword | AccountError::Rejected(_) => {
            form.problem = Some(LoginProblem::Busy);
        }
    }
}

/// What somebody says of themselves who makes an account with a passkey.
pub(super) fn bad_person(account: &mut PasskeyAccount, bad: BadPerson) {
    match bad {
        BadPerson::Email => account.email.problem = Some(FieldProblem::BadEmail),
        BadPerson::Name => account.name.problem = Some(FieldProblem::TooLong { most: 256 }),
    }
}

/// The name to sign in with belongs to somebody.
pub(super) fn taken(form: &mut NewAccount) {
    let field = if form.email.value.trim().is_empty() {
        &mut form.username
    } else {
        &mut form.email
    };
    field.problem = Some(FieldProblem::Taken);
}
