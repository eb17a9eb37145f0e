//! The keys of a connection with `strategy = "database"`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    connection::{LoginNames, MOST_PASSWORD},
    problem::Problem,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What people sign in with: `email`, `username` or `email_or_username` (default).
    pub(crate) login: Login,
    pub(crate) password: PasswordRules,
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

/// What a new password must be like.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PasswordRules {
    /// The shortest one, in characters: 8 (default) to 64.
    #[schemars(range(min = 8, max = 64))]
    pub(crate) min_length: usize,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 8 }
    }
}

impl Config {
    /// What does not fit, with keys that begin in this table.
    pub(in crate::connection) fn own_problems(&self) -> Vec<Problem> {
        let least = self.password.min_length;
        // NIST SP 800-63B section 3.1.1.2: at least 8 characters; at least 64 must be accepted.
        if (8..=64).contains(&least) {
            return Vec::new();
        }
        vec![
            Problem::new(
                "password.min_length",
                format!("a shortest password of {least} characters is not possible"),
            )
            .hint(format!(
                "use 8 to 64; passwords may have up to {MOST_PASSWORD} bytes in any case"
            )),
        ]
    }
}
