//! The keys of a connection with `strategy = "database"`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    connection::{LoginNames, PasswordConfig},
    problem::Problem,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What people sign in with: `email`, `username` or `email_or_username` (default).
    pub(crate) login: Login,
    pub(crate) password: PasswordConfig,
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
        self.password.problems()
    }
}
