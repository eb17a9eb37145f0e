//! What a new password must be like, as a list beside its input.

use serde::Serialize;

use crate::text::message::Text;

/// One demand.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasswordRule {
    pub(crate) text: RuleText,
    /// What the page's script can tell while the person types.
    pub(crate) check: Option<Check>,
    /// Whether the password that was sent keeps it; `None` before one was.
    pub(crate) met: Option<bool>,
}

/// How a script tells whether a password keeps a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Check {
    /// `classes`, `identical`, `length`, `personal` or `sequential`.
    pub(crate) kind: &'static str,
    /// The least or the most.
    pub(crate) number: usize,
    /// The classes, with spaces between.
    pub(crate) of: String,
}

/// What the demand is called.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum RuleText {
    AllClasses,
    /// The operator's words are too many to list.
    BarredWords,
    HardToGuess,
    Identical {
        most: usize,
    },
    Length {
        least: usize,
    },
    NotBreached,
    NotCommon,
    NotPersonal,
    NotUsedBefore {
        last: usize,
    },
    Sequential {
        most: usize,
    },
    SomeClasses {
        least: usize,
    },
    TheseClasses {
        classes: String,
    },
    Words {
        words: String,
    },
}

impl From<RuleText> for Text {
    fn from(rule: RuleText) -> Self {
        match rule {
            RuleText::AllClasses => Self::new("rule.all-classes"),
            RuleText::BarredWords => Self::new("rule.barred-words"),
            RuleText::HardToGuess => Self::new("rule.hard-to-guess"),
            RuleText::Identical { most } => Self::new("rule.identical").with("most", most),
            RuleText::Length { least } => Self::new("rule.length").with("least", least),
            RuleText::NotBreached => Self::new("rule.not-breached"),
            RuleText::NotCommon => Self::new("rule.not-common"),
            RuleText::NotPersonal => Self::new("rule.not-personal"),
            RuleText::NotUsedBefore { last } => {
                Self::new("rule.not-used-before").with("last", last)
            }
            RuleText::Sequential { most } => Self::new("rule.sequential").with("most", most),
            RuleText::SomeClasses { least } => Self::new("rule.some-classes").with("least", least),
            RuleText::TheseClasses { classes } => {
                Self::new("rule.these-classes").with("classes", classes)
            }
            RuleText::Words { words } => Self::new("rule.words").with("words", words),
        }
    }
}
