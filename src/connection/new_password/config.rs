//! The key `password` of a connection that keeps passwords.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::rule::{Class, LONGEST_RUN};
use crate::{connection::MOST_PASSWORD, egress::http::is_loopback, problem::Problem};

/// What a new password must be like.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The shortest one, in characters: 8 to 64, 15 by default.
    #[schemars(range(min = 8, max = 64))]
    pub(super) min_length: usize,
    /// How many of the four classes `lower`, `upper`, `digit` and `special` it needs, or which. None
    /// by default: demands like these make passwords shorter and no better.
    pub(super) classes: Classes,
    /// The most equal characters in a row; any number by default.
    #[schemars(range(min = 1, max = 10))]
    pub(super) most_identical: Option<usize>,
    /// The most characters in a row that count up or down, like `abc` or `321`; any number by default.
    #[schemars(range(min = 2, max = 10))]
    pub(super) most_sequential: Option<usize>,
    /// Refuses what is on the list of common passwords. Default: true.
    pub(super) refuse_common: bool,
    /// Refuses what holds the person's own names or address. Default: true.
    pub(super) refuse_personal: bool,
    /// What no password may hold, in either case: the company's name, the product's.
    pub(super) words: Vec<String>,
    /// The least score of zxcvbn, 0 to 4; 2 by default, which outlasts guessing against the login
    /// form, 3 outlasts guessing against stolen hashes.
    #[schemars(range(min = 0, max = 4))]
    pub(super) min_score: u8,
    /// How many of the person's last passwords are not taken again, the one they have among them: 0
    /// to 24. Default: 0.
    #[schemars(range(min = 0, max = 24))]
    pub(super) history: usize,
    /// Where passwords that have been in a leak are looked up; nowhere by default.
    pub(super) breached: Option<Breached>,
}

/// Classes of characters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a number from 0 to 4, or a list of lower, upper, digit and special"
)]
pub(crate) enum Classes {
    /// So many of the four.
    Some(usize),
    /// Each of these.
    These(Vec<Class>),
}

/// Where leaked passwords are known, and what follows at a login.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breached {
    /// A file of `SHA-1:count` lines in the order of the hashes, or a folder of range files
    /// (`00000.txt` to `FFFFF.txt`, or without `.txt`) of `SUFFIX:count` lines.
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(super) file: Option<PathBuf>,
    /// A range API: it is asked with the first five digits of the hash behind this address, and
    /// learns no more.
    #[schemars(with = "Option<String>")]
    pub(super) range_api: Option<Url>,
    /// From how many leaks on a password is refused. Default: 1.
    #[serde(default = "one")]
    pub(super) min_count: u64,
    /// What follows a login with such a password.
    #[serde(default)]
    pub(super) at_login: AtLogin,
}

fn one() -> u64 {
    1
}

/// What follows a login with a password that is known from a leak.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtLogin {
    /// Nothing; it is not looked up.
    Ignore,
    /// A new password must be chosen before there is a session.
    Replace,
    /// The person is told and goes on.
    #[default]
    Warn,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // NIST SP 800-63B-4 section 3.1.1.2, for a password that is the only factor.
            min_length: 15,
            classes: Classes::Some(0),
            most_identical: None,
            most_sequential: None,
            refuse_common: true,
            refuse_personal: true,
            words: Vec::new(),
            min_score: 2,
            history: 0,
            breached: None,
        }
    }
}

/// The longest list of words, and the shortest and longest of them in characters.
const MOST_WORDS: usize = 1000;
const WORD: std::ops::RangeInclusive<usize> = 3..=64;

/// The most passwords that a new one is compared with: each costs a hash.
const LONGEST_HISTORY: usize = 24;

impl Config {
    /// Whether the passwords before count.
    pub(in crate::connection) fn has_history(&self) -> bool {
        self.history > 0
    }

    /// What does not fit, with keys that begin at `password`.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, message: String, hint: String| {
            problems.push(Problem::new(format!("password.{key}"), message).hint(hint));
        };
        // At least 64 characters must be accepted (NIST SP 800-63B-4 section 3.1.1.2).
        if !(8..=64).contains(&self.min_length) {
            add(
                "min_length",
                format!(
                    "a shortest password of {} characters is not possible",
                    self.min_length
                ),
                format!("use 8 to 64; passwords may have up to {MOST_PASSWORD} bytes in any case"),
            );
        }
        if matches!(self.classes, Classes::Some(5..)) {
            add(
                "classes",
                "there are four classes of characters".to_owned(),
                "use 0 to 4, or a list of lower, upper, digit and special".to_owned(),
            );
        }
        let runs = [
            ("most_identical", self.most_identical, 1),
            ("most_sequential", self.most_sequential, 2),
        ];
        for (key, most, least) in runs {
            if most.is_some_and(|most| !(least..=LONGEST_RUN).contains(&most)) {
                add(
                    key,
                    format!("{} in a row is no bound", most.unwrap_or_default()),
                    format!("use {least} to {LONGEST_RUN}, or leave it out"),
                );
            }
        }
        if self.history > LONGEST_HISTORY {
            add(
                "history",
                format!("{} passwords are too many to compare with", self.history),
                format!("use 0 to {LONGEST_HISTORY}"),
            );
        }
        if self.min_score > 4 {
            add(
                "min_score",
                format!("zxcvbn has no score {}", self.min_score),
                "use 0 to 4".to_owned(),
            );
        }
        let misfit = |word: &String| !WORD.contains(&word.chars().count());
        if self.words.len() > MOST_WORDS || self.words.iter().any(misfit) {
            add(
                "words",
                format!(
                    "these are more than {MOST_WORDS}, or one has fewer than {} or more than {} \
                     characters",
                    WORD.start(),
                    WORD.end()
                ),
                "a word that is too short would refuse nearly everything".to_owned(),
            );
        }
        problems.extend(self.breached.as_ref().and_then(Breached::problem));
        problems
    }
}

impl Breached {
    fn problem(&self) -> Option<Problem> {
        let (key, message, hint) = match (&self.file, &self.range_api) {
            (Some(file), None) if !file.exists() => (
                "file",
                format!("{} is not there", file.display()),
                "a file of hashes in order, or a folder of range files",
            ),
            (None, Some(api)) if !is_range_api(api) => (
                "range_api",
                format!("{api} is no https address that five digits can be put behind"),
                "for example https://api.pwnedpasswords.com/range/; http only on this machine",
            ),
            (Some(_), None) | (None, Some(_)) if self.min_count == 0 => (
                "min_count",
                "a password that was in no leak is in none".to_owned(),
                "use 1 or more",
            ),
            (Some(_), None) | (None, Some(_)) => return None,
            _ => (
                "file",
                "either file or range_api says where leaked passwords are looked up".to_owned(),
                "set one of them",
            ),
        };
        Some(Problem::new(format!("password.breached.{key}"), message).hint(hint))
    }
}

/// What comes over plain http from elsewhere could be made up, so nothing would ever be refused.
fn is_range_api(api: &Url) -> bool {
    let safe = match api.scheme() {
        "https" => true,
        "http" => is_loopback(api),
        _ => false,
    };
    safe && api.query().is_none() && api.fragment().is_none()
}
