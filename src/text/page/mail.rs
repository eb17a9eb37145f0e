//! Pages that mails lead to, and those that say that one is on its way.

use serde::Serialize;

use super::{
    Href, Names, PasswordRule, Post,
    login::{FieldProblem, LoginProblem},
};
use crate::text::message::Text;

/// Asks whose password was forgotten. The input is `login`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Forgot {
    pub(crate) post: Post,
    pub(crate) names: Names,
    /// What was typed before.
    pub(crate) login: String,
    pub(crate) problem: Option<LoginProblem>,
    pub(crate) sign_in: Href,
}

/// A message is on its way; whether anybody gets it is not said. The input is `code`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CheckMail {
    pub(crate) why: WhyMail,
    /// What was typed: an address or another name.
    pub(crate) login: String,
    /// Takes the code.
    pub(crate) post: Post,
    pub(crate) problem: Option<CodeProblem>,
    /// Sends another message.
    pub(crate) again: Post,
    pub(crate) sign_in: Href,
}

/// What the message is for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "MailTexts")]
pub(crate) enum WhyMail {
    ResetPassword,
    SecondStep,
    SignIn,
    /// To a telephone.
    SignInByPhone,
    /// The same, where there is no link in it.
    SignInByPhoneCode,
    VerifyEmail,
}

/// The same as the page says it.
#[derive(Serialize)]
struct MailTexts {
    title: Text,
    text: Text,
    nothing_yet: Text,
}

impl From<WhyMail> for MailTexts {
    fn from(why: WhyMail) -> Self {
        let text = match why {
            WhyMail::ResetPassword => "check-mail.reset-password",
            WhyMail::SecondStep => "factor.mail-sent",
            WhyMail::SignIn => "check-mail.sign-in",
            WhyMail::SignInByPhone => "check-mail.phone-sign-in",
            WhyMail::SignInByPhoneCode => "check-mail.phone-sign-in-code",
            WhyMail::VerifyEmail => "check-mail.verify-email",
        };
        let (title, nothing_yet) = match why {
            WhyMail::SecondStep => ("factor.title", "check-mail.nothing-yet"),
            WhyMail::SignInByPhone | WhyMail::SignInByPhoneCode => {
                ("check-mail.phone-title", "check-mail.phone-nothing-yet")
            }
            _ => ("check-mail.title", "check-mail.nothing-yet"),
        };
        Self {
            title: Text::new(title),
            text: Text::new(text),
            nothing_yet: Text::new(nothing_yet),
        }
    }
}

/// What was wrong with the code.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum CodeProblem {
    /// Too old, used, or typed wrong too often: another message is needed.
    Gone,
    /// A message was sent just now.
    JustSent {
        seconds: u64,
    },
    /// The mail server takes nothing at the moment.
    MailIsAway,
    /// The gateway for text messages takes nothing at the moment.
    TextsAreAway,
    TooManyMessages {
        minutes: u64,
    },
    TooManyTries {
        minutes: u64,
    },
    /// Too many codes were tried for this address; the link of the message is good.
    UseLink {
        minutes: u64,
    },
    Wrong,
}

impl From<CodeProblem> for Text {
    fn from(problem: CodeProblem) -> Self {
        match problem {
            CodeProblem::Gone => Self::new("check-mail.code-gone"),
            CodeProblem::JustSent { seconds } => Self::new("check-mail.just-sent").count(seconds),
            CodeProblem::MailIsAway => Self::new("check-mail.mail-is-away"),
            CodeProblem::TextsAreAway => Self::new("check-mail.phone-is-away"),
            CodeProblem::UseLink { minutes } => Self::new("check-mail.use-link").count(minutes),
            CodeProblem::TooManyMessages { minutes } => {
                Self::new("problem.too-many-messages").count(minutes)
            }
            CodeProblem::TooManyTries { minutes } => {
                Self::new("problem.too-many-tries").count(minutes)
            }
            CodeProblem::Wrong => Self::new("check-mail.wrong-code"),
        }
    }
}

/// Takes a new password. The input is `new_password`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewPassword {
    pub(crate) post: Post,
    /// Whose it is, for the browser's password store.
    pub(crate) login: String,
    pub(crate) rules: Vec<PasswordRule>,
    pub(crate) new_problem: Option<FieldProblem>,
    pub(crate) problem: Option<LoginProblem>,
}

/// Asks the person who opened a link whether they mean it: mail scanners open them too.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfirmLink {
    pub(crate) what: LinkWhat,
    /// The address in question.
    pub(crate) email: String,
    pub(crate) post: Post,
}

/// What the button does.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "LinkTexts")]
pub(crate) enum LinkWhat {
    /// The old address lets the account have a new one.
    AllowNewEmail,
    ConfirmNewEmail,
    SignIn,
    Unblock,
    VerifyEmail,
}

/// The same as the page says it.
#[derive(Serialize)]
struct LinkTexts {
    title: Text,
    text: Text,
    button: Text,
}

impl From<LinkWhat> for LinkTexts {
    fn from(what: LinkWhat) -> Self {
        let [title, text, button] = match what {
            LinkWhat::AllowNewEmail => [
                "confirm-link.allow-title",
                "confirm-link.allow-text",
                "mail.allow-new-address.button",
            ],
            LinkWhat::ConfirmNewEmail => [
                "confirm-link.email-title",
                "confirm-link.email-text",
                "mail.confirm-address.button",
            ],
            LinkWhat::SignIn => [
                "confirm-link.sign-in-title",
                "confirm-link.sign-in-text",
                "action.sign-in",
            ],
            LinkWhat::Unblock => [
                "confirm-link.unblock-title",
                "confirm-link.unblock-text",
                "mail.unblock.button",
            ],
            LinkWhat::VerifyEmail => [
                "confirm-link.verify-title",
                "confirm-link.verify-text",
                "mail.confirm-address.button",
            ],
        };
        Self {
            title: Text::new(title),
            text: Text::new(text),
            button: Text::new(button),
        }
    }
}

/// The link of a message was opened in another browser than the one that asked: what to type there.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TypeCode {
    pub(crate) code: String,
    /// Where the message went.
    pub(crate) to: String,
    /// Where it was asked from.
    pub(crate) address: Option<String>,
    /// By which browser and system, if they are known ones.
    pub(crate) device: Option<String>,
    /// How long ago.
    pub(crate) minutes: u64,
}

/// What came of a mail.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MailDone {
    pub(crate) what: DoneWhat,
    pub(crate) go_on: Href,
}

/// What was done, or could not be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "DoneTexts")]
pub(crate) enum DoneWhat {
    EmailChanged,
    EmailVerified,
    /// The link was used, is too old, or was replaced by a newer one.
    LinkGone,
    /// The mail to the other address is not answered yet.
    OtherSideAsked,
    PasswordChanged,
    /// This browser may try again.
    Unblocked,
}

/// The same as the page says it.
#[derive(Serialize)]
struct DoneTexts {
    title: Text,
    text: Text,
    button: Text,
}

impl From<DoneWhat> for DoneTexts {
    fn from(what: DoneWhat) -> Self {
        let [title, text, button] = match what {
            DoneWhat::EmailChanged => [
                "mail-done.email-changed",
                "mail-done.email-changed-text",
                "action.continue",
            ],
            DoneWhat::OtherSideAsked => [
                "mail-done.other-side",
                "mail-done.other-side-text",
                "action.continue",
            ],
            DoneWhat::EmailVerified => [
                "mail-done.verified",
                "mail-done.verified-text",
                "action.sign-in",
            ],
            DoneWhat::LinkGone => ["mail-done.gone", "mail-done.gone-text", "action.sign-in"],
            DoneWhat::PasswordChanged => [
                "mail-done.password",
                "mail-done.password-text",
                "action.sign-in",
            ],
            DoneWhat::Unblocked => [
                "mail-done.unblocked",
                "mail-done.unblocked-text",
                "action.sign-in",
            ],
        };
        Self {
            title: Text::new(title),
            text: Text::new(text),
            button: Text::new(button),
        }
    }
}
