//! A username: what it is like, as pages say it, and another one, on the account page.
//!
//! Whether a name is free is told here as at sign-up, and costs what that costs. Only whoever has
//! proven a moment ago who they are can change theirs: a stolen session does not take the name away
//! that its owner signs in with.

use http::StatusCode;

use super::{Engine, Fields, Turn, Visit, account::Wrong};
use crate::{
    connection::{
        AccountError, Accounts, BadUsername, ConnectionSettings, Letters, Throttled, UsernameRules,
        UsernamesChange,
    },
    identity::{ConnectionId, Subject},
    session::{Session, Token},
    store::StoreError,
    text::{
        Letter,
        page::{
            account::UsernameForm,
            login::{Field, FieldProblem, LoginProblem, UsernameHint},
        },
    },
};

/// What is told before.
pub(super) fn hint(rules: &UsernameRules) -> UsernameHint {
    let (least, most) = rules.lengths();
    UsernameHint {
        least,
        most,
        ascii: rules.letters() == Letters::Ascii,
        symbols: rules.symbols().to_owned(),
    }
}

/// What is wrong with one.
pub(super) fn problem(bad: BadUsername) -> FieldProblem {
    match bad {
        BadUsername::Address => FieldProblem::UsernameIsAddress,
        BadUsername::Characters => FieldProblem::UsernameCharacters,
        BadUsername::Missing => FieldProblem::UsernameMissing,
        BadUsername::Reserved => FieldProblem::UsernameReserved,
        BadUsername::TooLong { most } => FieldProblem::TooLong { most },
        BadUsername::TooShort { least } => FieldProblem::TooShort { least },
    }
}

/// What was wrong with a change of the username.
#[derive(Debug, Default)]
pub(super) struct WrongUsername {
    pub(super) typed: String,
    pub(super) new: Option<FieldProblem>,
    /// What is wrong with more than the name.
    pub(super) problem: Option<LoginProblem>,
}

/// An account whose username its owner can change.
struct Renamed<'a> {
    id: ConnectionId,
    subject: Subject,
    accounts: &'a dyn Accounts,
    settings: &'a ConnectionSettings,
}

impl Engine {
    /// The form on the account page, where the username can be changed.
    pub(super) async fn username_form(
        &self,
        session: &Session,
        token: &Token,
        wrong: WrongUsername,
    ) -> Result<Option<UsernameForm>, StoreError> {
        let Some(renamed) = self.renamed(session) else {
            return Ok(None);
        };
        let users = self.parts.directory.store();
        let account = users.account(&renamed.id, &renamed.subject).await?;
        Ok(account.map(|account| UsernameForm {
            post: self.form(token, "username", None),
            current: account.username.map(|name| name.typed),
            new: Field {
                value: wrong.typed,
                problem: wrong.new,
            },
            hint: hint(renamed.accounts.username_rules()),
            problem: wrong.problem,
        }))
    }

    /// The account of this session whose username can be changed.
    fn renamed(&self, session: &Session) -> Option<Renamed<'_>> {
        let held = session.contents().authentications.into_iter().rev();
        held.into_iter().find_map(|held| {
            let (connection, settings) = self.connections.enabled(&held.connection)?;
            let accounts = connection.accounts()?;
            (accounts.usernames_change() == UsernamesChange::ByPerson).then_some(Renamed {
                id: held.connection,
                subject: held.subject,
                accounts,
                settings,
            })
        })
    }

    /// POST account, `action=username`.
    pub(super) async fn change_username(
        &self,
        visit: &Visit,
        session: &Session,
        fields: &Fields,
    ) -> Turn {
        let Some(renamed) = self.renamed(session) else {
            return self.done("");
        };
        if let Err(turn) = self.demand_fresh_proof(visit, session).await {
            return *turn;
        }
        let typed = fields.one("new_username").unwrap_or_default().trim();
        let wrong = |new, problem| WrongUsername {
            typed: typed.to_owned(),
            new,
            problem,
        };
        let allowance = match self.parts.throttle.sign_up(visit.address).await {
            Ok(allowance) => allowance,
            Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            Err(Throttled::Until(until)) => {
                let wait = until.since(visit.now);
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let wrong = wrong(None, Some(LoginProblem::TooManyTries { minutes }));
                let page = self.username_wrong(visit, wrong).await;
                let page = page.status(StatusCode::TOO_MANY_REQUESTS);
                return page.retry_after(wait);
            }
        };
        let peer = visit.peer_allowed(allowance.proof());
        let whose = (&renamed.id, &renamed.subject);
        let changed = (renamed.accounts)
            .change_username(whose.1, typed, &peer)
            .await;
        self.parts.throttle.made_nobody(allowance).await;
        let bad = match changed {
            Ok(None) => return self.done(""),
            Ok(Some(change)) => {
                let noted = self.parts.directory.note_username(whose, &change).await;
                if let Err(error) = noted {
                    return self.store_is_away(visit, &error);
                }
                self.parts.sessions.forget_user(&session.user().id);
                let account = self.page_in_mail("account");
                self.mail_notice(visit, whose, Letter::UsernameChanged { account });
                return self.done("username-changed");
            }
            Err(AccountError::Rejected(rejection)) => {
                return self.rejected(visit, renamed.settings, &rejection, None);
            }
            Err(AccountError::BadUsername(bad)) => problem(bad),
            Err(_) => FieldProblem::UsernameTaken,
        };
        self.username_wrong(visit, wrong(Some(bad), None)).await
    }

    async fn username_wrong(&self, visit: &Visit, username: WrongUsername) -> Turn {
        let wrong = Wrong {
            username,
            ..Wrong::default()
        };
        self.account_page(visit, None, wrong)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }
}
