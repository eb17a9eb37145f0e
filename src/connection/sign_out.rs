//! The end of a session, at the provider and by its word.

use async_trait::async_trait;
use url::Url;

use super::{ConnectionData, Once, ProviderForm, Rejection, Reply};
use crate::{clock::Timestamp, identity::Subject};

/// The end of a session, at the provider and by its word. The session here has ended before the
/// browser is sent there.
#[async_trait]
pub(crate) trait SignOut: Send + Sync {
    /// How the provider's session ends too.
    async fn begin(&self, leaving: Leaving<'_>) -> Result<Departure, Rejection>;
}

/// Being told of the end of sessions, by OpenID Connect.
#[async_trait]
pub(crate) trait Notices: Send + Sync {
    /// The provider says, from server to server, that sessions ended.
    async fn notified(&self, reply: Reply<'_>, now: Timestamp) -> Result<Ended, Rejection>;
    /// The provider has the browser say so. Nothing is signed in it.
    fn notified_in_front(&self, query: &str) -> Result<Ended, Rejection>;
}

/// Single Logout by SAML (profiles section 4.4).
#[async_trait]
pub(crate) trait SingleLogout: Send + Sync {
    /// Verifies a message, whichever it is.
    async fn read(&self, reply: Reply<'_>, now: Timestamp) -> Result<LogoutMessage, Rejection>;
    /// Answers a request, when what it asks for was done.
    async fn answer(&self, request: &LogoutRequest) -> Result<LogoutReply, Rejection>;
}

/// A message of the provider about the end of sessions.
#[derive(Debug)]
pub(crate) enum LogoutMessage {
    Request(LogoutRequest),
    /// It answers ours.
    Response {
        /// The `state` that [`SignOut::begin`] was given.
        state: String,
        there: ProviderSession,
    },
}

/// The provider ends sessions.
#[derive(Debug)]
pub(crate) struct LogoutRequest {
    pub(crate) id: String,
    pub(crate) relay_state: Option<String>,
    /// Whether it came from server to server.
    pub(crate) soap: bool,
    /// Each of these.
    pub(crate) whose: Vec<EndedWhose>,
    pub(crate) once: Once,
}

/// What the provider gets for its request.
#[derive(Debug)]
pub(crate) enum LogoutReply {
    Redirect(Url),
    Post(ProviderForm),
    Soap(String),
}

/// How the provider's session ends.
#[derive(Clone, Debug)]
pub(crate) enum Departure {
    /// It offers no such thing.
    Nowhere,
    /// The browser goes there.
    Redirect(Url),
    /// The same with a form.
    Post(ProviderForm),
    /// It was told from server to server.
    Told(ProviderSession),
}

/// What became of the provider's session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProviderSession {
    Ended,
    /// Not everywhere where the person was signed in by it.
    PartlyEnded,
    /// It may go on.
    Unknown,
}

/// Somebody who signs out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    /// What was kept with the session.
    pub(crate) kept: &'a ConnectionData,
    /// Where the provider is to send the browser, and what it gives back with it.
    pub(crate) back: &'a Url,
    pub(crate) state: &'a str,
}

/// Which sessions ended at the provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    pub(crate) whose: EndedWhose,
    /// The notice counts once.
    pub(crate) once: Option<Once>,
}

/// Whose sessions ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum EndedWhose {
    /// The one that the provider has this name for.
    Sid(String),
    /// All of this person.
    Subject(Subject),
}
