//! Ways in: one configured source of users is a [`Connection`]; the code behind it is a strategy.
//!
//! A login is a small machine: [`Connection::begin`] yields a [`Step`], the user agent carries it
//! out, and [`Connection::resume`] turns what came back into the next one, until
//! [`Step::Done`] holds an [`Authenticated`]. A strategy sees neither cookies nor pages nor
//! sessions: what it wants back later travels as opaque [`ConnectionData`] in the sealed flow.
//! What a strategy cannot do it does not offer: capabilities are asked for ([`Connection::inline`],
//! [`Connection::accounts`]). [`registry`] is the one table of strategies.

mod beginnings;
mod cached;
pub(crate) mod catalog;
mod claims;
mod config;
mod connections;
pub(crate) mod database;
mod login;
mod oauth;
pub(crate) mod oauth1;
pub(crate) mod oauth2;
pub(crate) mod oidc;
pub(crate) mod registry;
pub(crate) mod saml;
mod seen;
mod throttle;

use std::{error::Error, fmt, net::IpAddr, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

pub(crate) use self::{
    claims::{Mapping, PATH_HINT, Paths, TooManyClaims},
    config::{Common, Passed, SyncProfile, TrustEmail, UpstreamParam},
    connections::{ConnectionSettings, Connections},
    login::{LoginName, MOST_PASSWORD, Password, PasswordReply},
    seen::{Check, Said, Seen},
    throttle::{
        AccountKey, Allowance, Allowed, Attempt, Budgets, KnownBrowser, Throttle, Throttled,
    },
};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Identity, Subject},
    secret::Secret,
    store::Pin,
};

/// One configured way to sign in.
#[async_trait]
pub(crate) trait Connection: fmt::Debug + Send + Sync {
    /// Its name in the configuration.
    fn id(&self) -> &ConnectionId;
    /// What its name stands for; kept by the storage so that it cannot silently change.
    fn pin(&self) -> Pin;
    /// Whether [`begin`](Self::begin) is known to call the provider for each login: then it is
    /// counted by where it comes from.
    fn begins_with_a_call(&self) -> bool {
        false
    }

    /// The first step of a login.
    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection>;
    /// The next step. `kept: None` is an answer that nobody asked for: refused unless the strategy
    /// opts in.
    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection>;
    /// Sign-up and change of password, where the credentials are ours.
    fn accounts(&self) -> Option<&dyn Accounts> {
        None
    }
    /// A form that the login page can show before a connection is chosen.
    fn inline(&self) -> Option<InlineForm> {
        None
    }
    /// Asks the provider for what a login needs of it first, for `check --online`.
    async fn reach(&self) -> Result<(), Rejection> {
        Ok(())
    }
    /// What is done and checked on the way, in order. Empty for a connection that asks with a form
    /// of ours.
    fn checks(&self) -> Vec<Check> {
        Vec::new()
    }
    /// Signing out at the provider, and being told that somebody did.
    fn sign_out(&self) -> Option<&dyn SignOut> {
        None
    }
    /// The provider's tokens for the application, kept fresh.
    fn refresh(&self) -> Option<&dyn Refresh> {
        None
    }
    /// What this deployment says of itself as the provider's partner: SAML metadata.
    fn metadata(&self) -> Option<String> {
        None
    }
    /// The public keys of this deployment as the provider's client: a JWK set (RFC 7517 section 5).
    fn jwks(&self) -> Option<Result<String, Rejection>> {
        None
    }
}

/// The end of a session, at the provider and by its word. The session here has ended before the
/// browser is sent there.
#[async_trait]
pub(crate) trait SignOut: Send + Sync {
    /// Where the browser is sent, so that the provider's session ends too. `None`: it offers no
    /// such thing.
    async fn begin(&self, leaving: Leaving<'_>) -> Result<Option<Url>, Rejection>;
    /// The provider says, from server to server, that sessions ended.
    async fn notified(&self, reply: Reply<'_>, now: Timestamp) -> Result<Ended, Rejection>;
    /// The provider has the browser say so. Nothing is signed in it.
    fn notified_in_front(&self, query: &str) -> Result<Ended, Rejection>;
}

/// Tokens that a provider gave for its own interfaces, which an application may use in the name of
/// the person.
#[async_trait]
pub(crate) trait Refresh: Send + Sync {
    /// What was kept of them with the session. `None`: nothing was.
    fn tokens(&self, kept: &ConnectionData) -> Option<ProviderTokens>;
    /// Fetches new ones, and what the provider says of the person now.
    async fn refresh(
        &self,
        kept: &Kept,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Refreshed, RefreshError>;
}

/// A provider's tokens.
#[derive(Clone, Debug)]
pub(crate) struct ProviderTokens {
    pub(crate) access_token: Secret,
    pub(crate) id_token: Option<Secret>,
    /// From when on new ones are fetched, and when these have ended. `None`: the provider did not
    /// say.
    pub(crate) lasting: Option<Lasting>,
    /// Whether new ones can be had without the person.
    pub(crate) renewable: bool,
}

/// How long tokens are good for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Lasting {
    /// From here on new ones are fetched.
    #[serde(rename = "r")]
    pub(crate) renew_at: Timestamp,
    /// Here they end.
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
}

impl Lasting {
    /// Tokens that are good for so many seconds from now on: they are renewed half a minute before
    /// the end, and short-lived ones when a third is left.
    pub(crate) fn from(now: Timestamp, seconds: i64) -> Self {
        let after = |seconds: i64| {
            Timestamp::from_millis(now.millis().saturating_add(seconds.saturating_mul(1000)))
        };
        Self {
            renew_at: after(
                seconds
                    .saturating_sub(30)
                    .max(seconds.saturating_mul(2) / 3),
            ),
            expires_at: after(seconds),
        }
    }
}

/// What a refresh brought.
#[derive(Clone, Debug)]
pub(crate) struct Refreshed {
    pub(crate) kept: Kept,
    /// What the provider says of the person now; `None`: nothing new.
    pub(crate) identity: Option<Identity>,
}

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    /// The provider takes back what it said of this person, or speaks of another: the session that
    /// rests on it must end.
    #[error("the provider does not stand by this session: {0}")]
    Disowned(Rejection),
    /// It may work another time.
    #[error("{rejection}")]
    Failed {
        /// What stays with the session all the same: a provider that replaces refresh tokens has
        /// used up the one that was there.
        kept: Option<Kept>,
        rejection: Rejection,
    },
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
    /// The notice counts once: the hash of its name, and until when it could come again.
    pub(crate) once: Option<([u8; 32], Timestamp)>,
}

/// Whose sessions ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum EndedWhose {
    /// The one that the provider has this name for.
    Sid(String),
    /// All of this person.
    Subject(Subject),
}

/// What is known when a login begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    /// Whom the person says they are.
    pub(crate) login_hint: Option<&'a str>,
    /// What the provider is to give back with its answer, and nobody can guess: `state`,
    /// RelayState, `wctx`. The flow checks it.
    pub(crate) state: &'a str,
    /// What the query of the login had for the provider.
    pub(crate) passed: &'a Passed,
    pub(crate) wants: Wants<'a>,
    pub(crate) peer: &'a Peer,
}

/// What the page that was wanted demands of the login.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wants<'a> {
    /// How long ago it may have been.
    pub(crate) max_age: Option<Duration>,
    /// One of these authentication contexts; any, if there are none.
    pub(crate) acr: &'a [String],
    /// The person signed in before, and that is too long ago.
    pub(crate) again: bool,
}

/// The other end of the request, as far as a strategy may know it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: Timestamp,
    /// The proof that a try at a password or a sign-up was paid for; without one none is hashed.
    pub(crate) allowed: Option<Allowed>,
    /// Where the operator of a trial login sees what the provider says.
    pub(crate) seen: Seen,
}

/// What happens next in a login.
#[derive(Debug)]
pub(crate) enum Step {
    /// The person is known.
    Done { who: Box<Authenticated> },
    /// Ask the person, on a page of ours.
    Prompt { form: Form, keep: ConnectionData },
    /// Send the user agent away.
    Redirect { to: Url, keep: ConnectionData },
}

/// A form of ours, as data: the page renders it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Form {
    /// A name to sign in with and a password.
    Password(PasswordForm),
}

/// What the password form shows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct PasswordForm {
    /// What the person may type as the name.
    pub(crate) names: LoginNames,
    /// Whether a link to the sign-up page is shown.
    pub(crate) signup: bool,
}

/// What people of a connection sign in with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoginNames {
    Email,
    EmailOrUsername,
    Username,
}

/// A form that shares the login page.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum InlineForm {
    Password(PasswordForm),
}

/// What the user agent brought back, raw where a signature covers the octets; neither headers nor
/// cookies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply<'a> {
    /// The query of a GET, without its `?`.
    Query(&'a str),
    /// The body of a POST, `application/x-www-form-urlencoded`.
    Form(&'a [u8]),
}

/// Bytes that only the strategy that wrote them reads. They never hold a person's credential.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct ConnectionData(pub(crate) Bytes);

impl ConnectionData {
    /// The value as compact JSON.
    pub(in crate::connection) fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_vec(value).unwrap_or_default().into())
    }

    /// What [`of`](Self::of) wrote.
    pub(in crate::connection) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.0).ok()
    }
}

/// A provider's tokens may be in it.
impl fmt::Debug for ConnectionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl Serialize for ConnectionData {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for ConnectionData {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes
            .map(|bytes| Self(bytes.into()))
            .map_err(serde::de::Error::custom)
    }
}

/// What stays with the session that a proof makes: sealed, for the strategy alone.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Kept {
    /// What the strategy wants back when the session is refreshed or ends.
    pub(crate) data: ConnectionData,
    /// What the provider calls its own session: `sid` (OpenID Connect Front-Channel Logout 1.0
    /// section 3), SessionIndex.
    pub(crate) sid: Option<String>,
    /// When the provider wants the session to end at the latest: SessionNotOnOrAfter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends: Option<Timestamp>,
}

/// The proof that a provider or a password vouched for somebody. Only a strategy makes one.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    identity: Identity,
    authentication: Authentication,
    kept: Kept,
}

impl Authenticated {
    /// For strategies alone: `identity` was proven at `auth_time` by the methods in `amr`.
    pub(in crate::connection) fn new(
        identity: Identity,
        auth_time: Timestamp,
        amr: Vec<String>,
        acr: Option<String>,
    ) -> Self {
        let authentication = Authentication {
            connection: identity.connection.clone(),
            subject: identity.subject.clone(),
            auth_time,
            amr,
            acr,
        };
        Self {
            identity,
            authentication,
            kept: Kept::default(),
        }
    }

    /// The same, with what stays with its session.
    pub(in crate::connection) fn keeping(self, kept: Kept) -> Self {
        Self { kept, ..self }
    }

    /// A proof of nothing, for tests of what follows a login.
    #[cfg(test)]
    pub(crate) fn for_tests(identity: Identity) -> Self {
        Self::new(
            identity,
            Timestamp::default(),
            vec!["test".to_owned()],
            None,
        )
    }

    /// What the connection asserts.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How and when it was proven.
    pub(crate) fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// Takes it apart.
    pub(crate) fn into_parts(self) -> (Identity, Authentication, Kept) {
        (self.identity, self.authentication, self.kept)
    }
}

/// Accounts whose credentials this connection keeps.
#[async_trait]
pub(crate) trait Accounts: Send + Sync {
    /// Whether strangers may make an account.
    fn signup(&self) -> bool;
    /// What an account is named by.
    fn names(&self) -> LoginNames;
    /// The shortest new password, in characters.
    fn least_password(&self) -> usize;
    /// Whose budget a try with this name is paid from. It takes as long for a name that nobody
    /// has.
    async fn account_key(&self, login: &LoginName) -> Result<AccountKey, Rejection>;
    /// Checks what was typed and hashes the password; the admission writes it.
    async fn sign_up(&self, wish: SignUp, peer: &Peer) -> Result<PreparedAccount, AccountError>;
    /// Replaces the password of a person who knows the current one.
    async fn change_password(
        &self,
        subject: &Subject,
        current: &Secret,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
    /// Replaces a password on the operator's word.
    async fn set_password(
        &self,
        subject: &Subject,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError>;
}

/// What a stranger typed into the sign-up form.
#[derive(Clone, Debug)]
pub(crate) struct SignUp {
    pub(crate) email: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) password: Secret,
}

/// An account that is ready to be written, and the proof of who it will be.
#[derive(Debug)]
pub(crate) struct PreparedAccount {
    pub(crate) account: crate::store::AccountRecord,
    pub(crate) who: Box<Authenticated>,
}

/// Why an account was not made or changed. The person may know all of it but
/// [`Rejected`](Self::Rejected).
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the e-mail address is not one")]
    BadEmail,
    #[error("a name has at most 256 bytes and no control characters")]
    BadName,
    #[error("a username has 1 to 64 letters, digits and . _ -")]
    BadUsername,
    #[error("the password is longer than {most} bytes")]
    PasswordTooLong { most: usize },
    #[error("the password is shorter than {least} characters")]
    PasswordTooShort { least: usize },
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("{0}")]
    Rejected(Rejection),
}

impl From<Rejection> for AccountError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// A login that did not go on: at whose fault, at which step, and why.
#[derive(Debug, thiserror::Error)]
#[error("connection {connection}: {fault} at {step}")]
pub(crate) struct Rejection {
    pub(crate) connection: ConnectionId,
    pub(crate) fault: Fault,
    /// The step that failed, for the operator: `verify-password`, `token-request`.
    pub(crate) step: &'static str,
    /// Which of the checks at this step, where there are several.
    pub(crate) check: Option<&'static str>,
    #[source]
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

/// Who must act.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// We cannot take more at the moment.
    Busy,
    /// The person, or the provider on their behalf, got it wrong or said no.
    Denied,
    /// Our own store or code failed.
    Internal,
    /// The operator's settings do not fit the provider.
    Misconfigured,
    /// The provider broke its protocol.
    Misbehaved,
    /// The provider does not answer.
    Unreachable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too busy",
            Self::Denied => "denied",
            Self::Internal => "internal error",
            Self::Misconfigured => "misconfigured",
            Self::Misbehaved => "the provider broke the protocol",
            Self::Unreachable => "the provider is unreachable",
        })
    }
}
