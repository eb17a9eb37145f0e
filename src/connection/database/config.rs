//! The keys of a connection with `strategy = "database"`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    connection::{LoginNames, PasswordConfig, UsernameConfig},
    problem::Problem,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What people sign in with: `email`, `username` or `email_or_username` (default).
    pub(crate) login: Login,
    pub(crate) username: UsernameConfig,
    pub(crate) password: PasswordConfig,
    /// Whether a forgotten password is replaced by mail. Default: where there is a `[mail]`.
    pub(crate) reset: Option<bool>,
    /// Whether people confirm their e-mail address by a mail: `off`, `optional` or `required`, where
    /// nobody has a session before that. Default: `optional` where there is a `[mail]`.
    pub(crate) verify_email: Option<VerifyEmail>,
    /// Whether people who have signed up are welcomed by a mail, once their address is confirmed where
    /// that is asked. Default: no.
    pub(crate) welcome: bool,
}

/// Whether people confirm their e-mail address.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerifyEmail {
    #[default]
    Off,
    Optional,
    Required,
}

/// What people sign in with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Login {
    Email,
    #[default]
    EmailOrUsername,
    Username,
}

impl From<Login> for LoginNames {
    fn from(login: Login) -> Self {
        match login {
            Login::Email => Self::Email,
            Login::EmailOrUsername => Self::EmailOrUsername,
            Login::Username => Self::Username,
        }
    }
}

impl Config {
    /// What does not fit, with keys that begin in this table.
    pub(in crate::connection) fn own_problems(&self) -> Vec<Problem> {
        let mut problems = self.password.problems();
        problems.extend(self.username.problems());
        if self.login == Login::Email && self.username.lets_change() {
            let message = "nobody signs in by a username with login = \"email\"";
            problems.push(Problem::new("username.change", message));
        }
        if self.login == Login::Username && self.verify_email == Some(VerifyEmail::Required) {
            let message = "nobody is asked for an address with login = \"username\"";
            problems.push(Problem::new("verify_email", message));
        }
        problems
    }

    /// The same where the people are in a store elsewhere.
    pub(in crate::connection) fn problems_elsewhere(&self) -> Vec<Problem> {
        let mut problems = self.own_problems();
        if self.welcome {
            let message = "people who come from a store elsewhere are not new";
            problems.push(Problem::new("welcome", message));
        }
        if self.username.lets_change() {
            let message = "the names of people in a store elsewhere are its own";
            let hint = "it can be set for a connection with strategy = \"database\"";
            problems.push(Problem::new("username.change", message).hint(hint));
        }
        if self.verify_email.is_some() {
            let message = "what the store says of an address is its own";
            let hint = "it can be set for a connection with strategy = \"database\"";
            problems.push(Problem::new("verify_email", message).hint(hint));
        }
        problems
    }
}
