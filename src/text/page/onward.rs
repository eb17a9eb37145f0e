//! What people see between their proof and the page that they wanted, and on the way to a provider.

use serde::Serialize;

use super::{Hidden, Href, Post};
use crate::text::message::Text;

/// The login proved somebody else than the person who is signed in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SwitchUser {
    /// Who is signed in.
    pub(crate) current: String,
    /// Who would be.
    pub(crate) new: String,
    /// Nobody would be: the new account becomes part of the current one.
    pub(crate) link: bool,
    pub(crate) go_on: Post,
    /// Back, with the session as it was.
    pub(crate) stay: Href,
}

/// Tells somebody who has signed in what they should do, before they go on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Advised {
    pub(crate) advice: AdviceText,
    /// Where they do it.
    pub(crate) follow: Href,
    /// Where they wanted to go.
    pub(crate) go_on: Href,
}

/// What they should know.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "AdviceTexts")]
pub(crate) enum AdviceText {
    LeakedPassword,
}

/// The same as the page says it.
#[derive(Serialize)]
struct AdviceTexts {
    title: Text,
    text: Text,
    follow: Text,
}

impl From<AdviceText> for AdviceTexts {
    fn from(advice: AdviceText) -> Self {
        let [title, text, follow] = match advice {
            AdviceText::LeakedPassword => [
                "advice.leaked",
                "advice.leaked-text",
                "advice.leaked-follow",
            ],
        };
        Self {
            title: Text::new(title),
            text: Text::new(text),
            follow: Text::new(follow),
        }
    }
}

/// Sends the browser on with a link and a refresh, where a redirect after a form would meet
/// `form-action 'self'`: to a provider found by e-mail domain, or to another host of ours.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Onward {
    pub(crate) to: Href,
    /// The provider's or the host's name.
    pub(crate) display_name: String,
}

/// The same with a form, where a provider wants one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PostOnward {
    pub(crate) action: Href,
    pub(crate) display_name: String,
    pub(crate) fields: Vec<Hidden>,
}

/// Asks before somebody is signed in by an answer that this browser did not ask for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfirmSignIn {
    /// The answer once more.
    pub(crate) action: Href,
    pub(crate) fields: Vec<Hidden>,
    /// What people call the connection.
    pub(crate) display_name: String,
    /// Who it says they are.
    pub(crate) name: String,
    pub(crate) stay: Href,
}

/// The end of a trial login, which signs nobody in: the operator reads in the terminal what came of
/// it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trial {
    /// What people call the connection.
    pub(crate) display_name: String,
    pub(crate) worked: bool,
}

/// A cross-site POST comes without our cookies; this page posts the same fields again from here.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Repost {
    pub(crate) action: Href,
    pub(crate) fields: Vec<Hidden>,
}
