//! The rules of a connection for new passwords, as pages list them.

use crate::{
    connection::{BadNewPassword, Judged, MOST_PASSWORD, Rule},
    text::page::{Check, PasswordRule, RuleText, login::FieldProblem},
};

/// More words than these are not listed.
const MOST_WORDS: usize = 10;

/// The list before a password was sent.
pub(super) fn untold(rules: &[Rule]) -> Vec<PasswordRule> {
    rules.iter().cloned().map(Judged::untold).map(row).collect()
}

/// The list after one was refused, with what is wrong with the input.
pub(super) fn refused(
    rules: &[Rule],
    refusal: &BadNewPassword,
) -> (FieldProblem, Vec<PasswordRule>) {
    match refusal {
        BadNewPassword::Refused(judged) => (FieldProblem::PasswordRefused, told(judged.clone())),
        BadNewPassword::TooLong => {
            let most = MOST_PASSWORD;
            (FieldProblem::PasswordTooLong { most }, untold(rules))
        }
    }
}

/// The list as it was judged.
pub(super) fn told(judged: Vec<Judged>) -> Vec<PasswordRule> {
    judged.into_iter().map(row).collect()
}

fn row(Judged { rule, met }: Judged) -> PasswordRule {
    let check = |kind, number| {
        let of = String::new();
        Some(Check { kind, number, of })
    };
    let (text, check) = match rule {
        Rule::Classes { least, of } => {
            let all = least == of.len();
            let names: Vec<_> = of.iter().map(|class| class.name()).collect();
            let text = match names.as_slice() {
                _ if !all => RuleText::SomeClasses { least },
                ["lower", "upper", "digit", "special"] => RuleText::AllClasses,
                _ => RuleText::TheseClasses {
                    classes: names.join(", "),
                },
            };
            let check = Check {
                kind: "classes",
                number: least,
                of: names.join(" "),
            };
            (text, Some(check))
        }
        Rule::Identical { most } => {
            let text = RuleText::Identical { most };
            (text, check("identical", most))
        }
        Rule::Length { least } => {
            let text = RuleText::Length { least };
            (text, check("length", least))
        }
        Rule::NoWords(words) => {
            let text = if words.len() > MOST_WORDS {
                RuleText::BarredWords
            } else {
                RuleText::Words {
                    words: words.join(", "),
                }
            };
            (text, None)
        }
        Rule::NotBreached => (RuleText::NotBreached, None),
        Rule::NotCommon => (RuleText::NotCommon, None),
        Rule::NotUsedBefore { last } => (RuleText::NotUsedBefore { last }, None),
        Rule::NotPersonal => (RuleText::NotPersonal, check("personal", 0)),
        Rule::Score { .. } => (RuleText::HardToGuess, None),
        Rule::Sequential { most } => {
            let text = RuleText::Sequential { most };
            (text, check("sequential", most))
        }
    };
    PasswordRule { text, check, met }
}
