//! What can be demanded of a password, and whether it is met.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zxcvbn::{
    Score,
    feedback::{Feedback, Warning},
    zxcvbn,
};

use super::Personal;

/// The longest run of characters that a rule can be about.
pub(super) const LONGEST_RUN: usize = 10;

/// One demand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    /// So many of these classes of characters.
    Classes { least: usize, of: Vec<Class> },
    /// No more equal characters in a row.
    Identical { most: usize },
    /// So many characters.
    Length { least: usize },
    /// It is in no leak that is known.
    NotBreached,
    /// It is not on the list of common ones.
    NotCommon,
    /// It holds no name or address of the person.
    NotPersonal,
    /// It is none of the person's last ones, the present one among them.
    NotUsedBefore { last: usize },
    /// It holds none of the operator's words.
    NoWords(Vec<String>),
    /// It is hard to guess.
    Score { least: u8 },
    /// No more characters in a row that count up or down.
    Sequential { most: usize },
}

/// A class of characters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Digit,
    Lower,
    Special,
    Upper,
}

impl Class {
    /// All of them, in the order in which they are named.
    pub(crate) const ALL: [Self; 4] = [Self::Lower, Self::Upper, Self::Digit, Self::Special];

    /// Its name in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Digit => "digit",
            Self::Lower => "lower",
            Self::Special => "special",
            Self::Upper => "upper",
        }
    }

    /// Letters without case count as lower-case ones.
    fn of(character: char) -> Self {
        if character.is_numeric() {
            Self::Digit
        } else if character.is_uppercase() {
            Self::Upper
        } else if character.is_alphabetic() {
            Self::Lower
        } else {
            Self::Special
        }
    }
}

/// As the operator reads it who sets somebody's password.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classes { least, of } => {
                let names: Vec<_> = of.iter().map(|class| class.name()).collect();
                write!(
                    f,
                    "characters of at least {least} of the classes {}",
                    names.join(", ")
                )
            }
            Self::Identical { most } => write!(f, "at most {most} equal characters in a row"),
            Self::Length { least } => write!(f, "at least {least} characters"),
            Self::NotBreached => write!(f, "not known from a leak"),
            Self::NotCommon => write!(f, "not a common password"),
            Self::NotPersonal => write!(f, "without the person's own names and address"),
            Self::NotUsedBefore { last } => {
                write!(f, "none of the last {last} passwords of this account")
            }
            Self::NoWords(_) => write!(f, "without the words in password.words"),
            Self::Score { least } => {
                write!(f, "hard to guess (a zxcvbn score of at least {least})")
            }
            Self::Sequential { most } => {
                write!(
                    f,
                    "at most {most} characters in a row that count up or down"
                )
            }
        }
    }
}

/// A rule, and whether a password keeps it. Of one that nobody has typed yet nothing is known.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Judged {
    pub(crate) rule: Rule,
    pub(crate) met: Option<bool>,
}

impl Judged {
    /// Before there is a password.
    pub(crate) fn untold(rule: Rule) -> Self {
        Self { rule, met: None }
    }

    /// Whether the password keeps it.
    pub(super) fn is_met(&self) -> bool {
        self.met == Some(true)
    }
}

/// Holds a password against rules. Whether it was in a leak or used before is not known here: that
/// counts as met.
pub(super) fn judge(rules: &[Rule], password: &str, personal: &Personal) -> Vec<Judged> {
    let lower = password.to_lowercase();
    let needs_estimate = |rule: &Rule| matches!(rule, Rule::NotCommon | Rule::Score { .. });
    let estimate = rules.iter().any(needs_estimate).then(|| {
        let own = rules.iter().find_map(|rule| match rule {
            Rule::NoWords(words) => Some(words.as_slice()),
            _ => None,
        });
        let words = personal.words().iter().chain(own.unwrap_or_default());
        let words: Vec<_> = words.map(String::as_str).collect();
        zxcvbn(password, &words)
    });
    let met = |rule: &Rule| match rule {
        Rule::Classes { least, of } => {
            let there = |class: &&Class| password.chars().any(|c| Class::of(c) == **class);
            of.iter().filter(there).count() >= *least
        }
        Rule::Identical { most } => longest_run(password, |a, b| a == b) <= *most,
        Rule::Length { least } => password.chars().count() >= *least,
        // Found out later: it takes time.
        Rule::NotBreached | Rule::NotUsedBefore { .. } => true,
        Rule::NotCommon => !estimate.as_ref().is_some_and(is_common),
        Rule::NotPersonal => !personal.is_in(&lower),
        Rule::NoWords(words) => !words
            .iter()
            .any(|word| lower.contains(&word.to_lowercase())),
        Rule::Score { least } => estimate
            .as_ref()
            .is_some_and(|e| score(e.score()) >= *least),
        Rule::Sequential { most } => longest_sequence(&lower) <= *most,
    };
    let judged = |rule: &Rule| Judged {
        rule: rule.clone(),
        met: Some(met(rule)),
    };
    rules.iter().map(judged).collect()
}

/// Whether the whole of it is one entry of the list of common passwords.
fn is_common(estimate: &zxcvbn::Entropy) -> bool {
    let warning = estimate.feedback().and_then(Feedback::warning);
    matches!(
        warning,
        Some(
            Warning::ThisIsACommonPassword
                | Warning::ThisIsATop10Password
                | Warning::ThisIsATop100Password
        )
    )
}

fn score(score: Score) -> u8 {
    score.into()
}

/// The length of the longest run in which each character follows the one before it.
fn longest_run(text: &str, follows: impl Fn(char, char) -> bool) -> usize {
    let mut longest = 0;
    let mut run = 0;
    let mut before = None;
    for character in text.chars() {
        run = match before {
            Some(before) if follows(before, character) => run + 1,
            _ => 1,
        };
        longest = longest.max(run);
        before = Some(character);
    }
    longest
}

/// The same for letters and digits that count up, or down.
fn longest_sequence(lower: &str) -> usize {
    let counts = |a: char, b: char| a.is_alphanumeric() && u32::from(a) + 1 == u32::from(b);
    let up = longest_run(lower, counts);
    up.max(longest_run(lower, |a, b| counts(b, a)))
}
