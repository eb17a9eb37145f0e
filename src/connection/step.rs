//! What passes between a login and its connection: how it begins, what comes next, what came back.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use super::{AccountKey, Allowed, Authenticated, ByMessage, Judged, Passed, Seen, passkey};
use crate::{
    clock::Timestamp,
    protocol::{ChannelBinding, ClientCertificate},
};

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
    /// What the browser brought to `Negotiate` (RFC 4559 section 4.2).
    pub(crate) ticket: Option<&'a [u8]>,
    /// The person wants to show a certificate, and not type a password.
    pub(crate) certificate: bool,
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
    /// The certificate that was shown, in the handshake or by the word of a trusted proxy; its key
    /// was proven to whoever ended TLS, and nothing else is known of it.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// Of the TLS connection, where it ended here: a proxy in front has ended another one.
    pub(crate) channel_binding: Option<ChannelBinding>,
    /// The proof that a try at a password or a sign-up was paid for; without one none is hashed.
    pub(crate) allowed: Option<Allowed>,
    /// Where the operator of a trial login sees what the provider says.
    pub(crate) seen: Seen,
}

impl Peer {
    /// Whether a try at this account's password was paid for.
    pub(crate) fn has_paid_for(&self, account: &AccountKey) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_some_and(|allowed| allowed.covers(account))
    }
}

/// What happens next in a login.
#[derive(Debug)]
pub(crate) enum Step {
    /// The person is known.
    Done { who: Box<Authenticated> },
    /// Ask the person, on a page of ours.
    Prompt { form: Form, keep: ConnectionData },
    /// Ask the browser for a ticket (RFC 4559), and, in the same answer, the person.
    Negotiate { form: Form, keep: ConnectionData },
    /// Send the user agent away.
    Redirect { to: Url, keep: ConnectionData },
    /// The same, with a form that a page of ours posts there.
    Post {
        form: ProviderForm,
        keep: ConnectionData,
    },
}

/// A form for a provider (SAML bindings section 3.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ProviderForm {
    pub(crate) to: Url,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// A form of ours, as data: the page renders it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Form {
    /// An address that a message is sent to.
    Address(AddressForm),
    /// A name to sign in with and a password.
    Password(PasswordForm),
    /// The old password and a new one.
    NewPassword(NewPasswordForm),
    /// A passkey.
    Passkey(PasskeyForm),
}

/// What the form for a passkey asks for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct PasskeyForm {
    pub(crate) asked: passkey::Asked,
    /// Whether a link to where an account is made is shown.
    pub(crate) signup: bool,
}

/// What the form for an address shows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct AddressForm {
    pub(crate) kind: AddressKind,
}

/// What kind of address people name to be written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AddressKind {
    Email,
    Phone,
}

/// What the form for a new password shows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct NewPasswordForm {
    /// The name that was signed in with.
    pub(crate) login: String,
    pub(crate) why: NewPasswordWhy,
    /// The one that was typed is not good enough.
    pub(crate) refused: bool,
    /// What it must be like, as far as that is known here.
    pub(crate) rules: Vec<Judged>,
}

/// Why a new password is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NewPasswordWhy {
    /// It is known from a leak.
    Breached,
    Expired,
    MustChange,
}

/// What the password form shows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct PasswordForm {
    /// What the person may type as the name.
    pub(crate) names: LoginNames,
    /// Whether a link to the sign-up page is shown.
    pub(crate) signup: bool,
    /// Whether a link to where a certificate is asked for is shown.
    pub(crate) certificate: bool,
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
    /// The person reads what was sent to an address.
    Message(&'a ByMessage),
    /// The body of a POST by the provider itself, a SOAP envelope.
    Soap(&'a [u8]),
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
