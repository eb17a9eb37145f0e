//! Passkeys: asked for, and made. A browser has them for scripts alone, so each form here needs one;
//! what it says without is beside it.

use serde::Serialize;

use super::{
    Href, Post,
    login::{Field, LoginProblem},
};
use crate::text::message::Text;

/// A form that the script sends when the browser has answered. The input is `passkey`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasskeyForm {
    pub(crate) post: Post,
    pub(crate) ceremony: PasskeyCeremony,
    /// What the browser is asked for, as JSON.
    pub(crate) options: String,
    /// Where the same page is had with a new challenge, once this one is too old.
    pub(crate) again: Option<Href>,
}

/// What the browser is asked to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PasskeyCeremony {
    Create,
    Get,
}

/// The way in by a passkey, on the login page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasskeyWay {
    pub(crate) form: PasskeyForm,
    /// What people call the connection.
    pub(crate) display_name: String,
    pub(crate) icon: String,
    /// Whether this browser signed in with it the last time.
    pub(crate) last_used: bool,
    /// Where strangers make an account with one.
    pub(crate) sign_up: Option<Href>,
}

/// Somebody new makes an account with a passkey. The inputs are `name` and `email`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasskeySignUp {
    pub(crate) destination: Option<String>,
    pub(crate) account: PasskeyAccount,
    /// For those who have an account.
    pub(crate) sign_in: Href,
    pub(crate) fragment: String,
}

/// The form that makes an account with a passkey, with what was typed and what was wrong with it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasskeyAccount {
    pub(crate) form: PasskeyForm,
    pub(crate) name: Field,
    pub(crate) email: Field,
    /// What is wrong with neither of them.
    pub(crate) problem: Option<LoginProblem>,
}

/// Somebody who is signed in makes a passkey. The input is `factor_name`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewPasskey {
    pub(crate) why: NewPasskeyWhy,
    pub(crate) problem: Option<PasskeyProblem>,
    pub(crate) form: PasskeyForm,
    /// On without one.
    pub(crate) go_on: Href,
}

/// Why somebody sees the page that makes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "WhyTexts")]
pub(crate) enum NewPasskeyWhy {
    /// They have signed in another way just now.
    Offered,
    /// They wanted to.
    Wanted,
}

/// A reason as the page says it.
#[derive(Serialize)]
struct WhyTexts {
    title: Text,
    text: Text,
    go_on: Text,
}

impl From<NewPasskeyWhy> for WhyTexts {
    fn from(why: NewPasskeyWhy) -> Self {
        let [title, text, go_on] = match why {
            NewPasskeyWhy::Offered => [
                "passkey.offer-title",
                "passkey.offer-text",
                "passkey.offer-later",
            ],
            NewPasskeyWhy::Wanted => ["passkey.add-title", "passkey.add-text", "enrol.back"],
        };
        Self {
            title: Text::new(title),
            text: Text::new(text),
            go_on: Text::new(go_on),
        }
    }
}

/// Why a passkey did not do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "Text")]
pub(crate) enum PasskeyProblem {
    /// The authenticator may have been copied.
    Cloned,
    /// This one is set up already, perhaps for somebody else.
    Exists,
    /// The page was open for too long.
    Late,
    /// The form came without one: the browser runs no script.
    NoScript,
    /// It proves nothing.
    Refused,
    /// Nobody here has it.
    Unknown,
}

impl PasskeyProblem {
    /// The message's name.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Cloned => "passkey.cloned",
            Self::Exists => "passkey.exists",
            Self::Late => "passkey.late",
            Self::NoScript => "passkey.no-script",
            Self::Refused => "passkey.refused",
            Self::Unknown => "passkey.unknown",
        }
    }
}

impl From<PasskeyProblem> for Text {
    fn from(problem: PasskeyProblem) -> Self {
        Self::new(problem.key())
    }
}
