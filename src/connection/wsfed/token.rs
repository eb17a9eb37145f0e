//! What a token says, whichever it is, and the checks that all have.

use chrono::DateTime;
use openssl::pkey::{PKey, Private};
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    crypto::jose::JwsError,
    protocol::xml::{
        Ciphers, Element, EncryptionError, Hashes, SignatureError, SigningCertificate, XmlError,
    },
};

/// How far clocks may be apart, in seconds.
pub(crate) const SKEW: i64 = 60;
/// A token is made when it is asked for: an hour is a clock that nobody sets, more is an old one.
const OLDEST: i64 = 3600;
/// The most claims, and values of one.
const MOST_CLAIMS: usize = 500;
const MOST_VALUES: usize = 10_000;

/// The names of one login only (SAML 2.0 core section 8.3.8).
pub(super) const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// What a good token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    /// What it is called, and nothing else of this provider.
    pub(crate) id: Vec<u8>,
    /// The name of the person, unless it is one for this login only.
    pub(crate) name: Option<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) issued: Timestamp,
    /// When the person signed in there, if that is known.
    pub(crate) authenticated: Option<Timestamp>,
    /// How.
    pub(crate) method: Option<String>,
    /// When the provider wants the session to end.
    pub(crate) session_ends: Option<Timestamp>,
    /// Until when it could be shown again.
    pub(crate) not_on_or_after: Timestamp,
}

/// What a token is held against.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    /// The entity ID of the provider.
    pub(crate) provider: &'a str,
    /// What it knows this deployment as.
    pub(crate) wtrealm: &'a str,
    /// Where answers come to.
    pub(crate) wreply: &'a str,
    pub(crate) certificates: &'a [SigningCertificate],
    /// Our own, for what is encrypted.
    pub(crate) keys: &'a [PKey<Private>],
    pub(crate) ciphers: Ciphers,
    pub(crate) hashes: Hashes,
    /// The oldest login that is good enough, in seconds.
    pub(crate) max_age: Option<u64>,
    /// The person must have signed in after that.
    pub(crate) signed_in_since: Option<Timestamp>,
    /// Whether a login in the future is one that is not known.
    pub(crate) future_authentication: bool,
    /// One of these ways to sign in must come back; any, if there are none.
    pub(crate) wauth: &'a [String],
    pub(crate) now: Timestamp,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("AppliesTo is somebody else")]
    AppliesTo,
    #[error("an audience restriction names others, or there is none")]
    Audience,
    #[error("the person signed in in the future")]
    AuthenticatedInFuture,
    #[error("the person signed in {0} seconds ago, which is longer than was asked for")]
    AuthenticatedLongAgo(i64),
    #[error("the person signed in by {0:?}, which is not what was asked for")]
    AuthenticationMethod(String),
    #[error("it does not open: {0}")]
    Encryption(#[from] EncryptionError),
    #[error("it is no longer good")]
    Expired,
    #[error("the provider said {0}")]
    Fault(String),
    #[error("it was issued in the future")]
    IssuedInFuture,
    #[error("it was issued long ago")]
    IssuedLongAgo,
    #[error("it was issued by somebody else")]
    Issuer,
    #[error("the JWT: {0}")]
    Jws(#[from] JwsError),
    #[error("{0} is missing or is not what it must be")]
    Malformed(&'static str),
    #[error("there are no conditions, or they say not until when")]
    NoConditions,
    #[error("the subject is confirmed for somebody else than the bearer")]
    NoConfirmation,
    #[error("it does not say when the person signed in, which was asked for")]
    NoInstant,
    #[error("it is no RequestSecurityTokenResponse, or several")]
    NoResponse,
    #[error("there is no statement of an authentication")]
    NoStatement,
    #[error("the subject is missing, or there are several")]
    NotOneSubject,
    #[error("there is no token in the RequestedSecurityToken, or more than one")]
    NotOneToken,
    #[error("the person did not sign in again, as was asked for")]
    NotAgain,
    #[error("it is not good yet")]
    NotYet,
    #[error("the confirmation of the subject is for another address or request")]
    OtherRecipient,
    #[error("the session at the provider is over")]
    SessionOver,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("it has too many parts")]
    TooMuch,
    #[error("there is a condition that is not known")]
    UnknownCondition,
    #[error("it is of another version")]
    Version,
    #[error("it cannot be read: {0}")]
    Xml(#[from] XmlError),
}

use TokenError as E;

impl Expected<'_> {
    /// Issued about now.
    pub(super) fn check_issued(&self, at: Timestamp) -> Result<(), E> {
        if at.seconds() > self.now.seconds() + SKEW {
            return Err(E::IssuedInFuture);
        }
        if at.seconds() < self.now.seconds() - OLDEST {
            return Err(E::IssuedLongAgo);
        }
        Ok(())
    }

    /// Good now.
    pub(super) fn check_window(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<(), E> {
        let now = self.now.seconds();
        if from.is_some_and(|from| from.seconds() > now + SKEW) {
            return Err(E::NotYet);
        }
        if until.is_some_and(|until| until.seconds() <= now - SKEW) {
            return Err(E::Expired);
        }
        Ok(())
    }

    /// As fresh a login as was asked for; when it was, if that is known.
    pub(super) fn check_authenticated(
        &self,
        at: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, E> {
        let now = self.now.seconds();
        let is_ahead = |at: &Timestamp| at.seconds() > now + SKEW;
        let at = match at {
            Some(at) if is_ahead(&at) && self.future_authentication => None,
            Some(at) if is_ahead(&at) => return Err(E::AuthenticatedInFuture),
            at => at,
        };
        let Some(at) = at else {
            let is_asked = self.max_age.is_some() || self.signed_in_since.is_some();
            return if is_asked {
                Err(E::NoInstant)
            } else {
                Ok(None)
            };
        };
        if let Some(max_age) = self.max_age {
            let age = now.saturating_sub(at.seconds());
            let most = i64::try_from(max_age).unwrap_or(i64::MAX);
            if age > most.saturating_add(SKEW) {
                return Err(E::AuthenticatedLongAgo(age));
            }
        }
        let since = self.signed_in_since.map(Timestamp::seconds);
        if since.is_some_and(|since| at.seconds() < since - SKEW) {
            return Err(E::NotAgain);
        }
        Ok(Some(at.min(self.now)))
    }

    /// One of the ways to sign in that were asked for; the first of `methods` that is one.
    pub(super) fn check_method(&self, methods: Vec<String>) -> Result<Option<String>, E> {
        if self.wauth.is_empty() {
            return Ok(methods.into_iter().next());
        }
        let fits = |method: &String| self.wauth.contains(method);
        match methods.iter().find(|method| fits(method)) {
            Some(method) => Ok(Some(method.clone())),
            None => Err(E::AuthenticationMethod(methods.join(" "))),
        }
    }
}

/// The claims of a SAML assertion.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: Map<String, Value>,
    attributes: usize,
}

impl Claims {
    /// Adds the values of an attribute to those of its name: many providers write each role as an
    /// attribute of its own. What is no text means nothing here, as does an empty one.
    pub(super) fn add<'a>(
        &mut self,
        name: String,
        values: impl Iterator<Item = &'a Element>,
    ) -> Result<(), E> {
        self.attributes += 1;
        if self.attributes > MOST_CLAIMS {
            return Err(E::TooMuch);
        }
        let texts = values.filter_map(Element::text);
        let texts = texts.filter(|text| !text.is_empty()).map(Value::from);
        let held = self
            .held
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(held) = held {
            held.extend(texts);
            if held.len() > MOST_VALUES {
                return Err(E::TooMuch);
            }
        }
        Ok(())
    }

    /// One value stands for itself.
    pub(super) fn finish(self) -> Map<String, Value> {
        let all = self.held.into_iter().map(|(name, value)| match value {
            Value::Array(mut values) if values.len() == 1 => {
                (name, values.pop().unwrap_or_default())
            }
            value => (name, value),
        });
        all.collect()
    }
}

/// An xs:dateTime.
pub(super) fn time(element: &Element, name: &'static str) -> Result<Option<Timestamp>, E> {
    let text = element.attribute(name);
    let at = text.map(|text| instant(text).ok_or(E::Malformed(name)));
    at.transpose()
}

pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let parsed = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from_millis(parsed.timestamp_millis()))
}

/// A text in an element, if it is the only one of its name.
pub(super) fn text_in(around: &Element, namespace: &str, name: &str) -> Option<String> {
    let text = around.only(namespace, name)?.text()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
