//! Why a login by SAML did not go on.

use super::{message::MessageError, response::ResponseError};
use crate::{
    connection::{
        Check, Fault, TooManyClaims,
        beginnings::AllWaiting,
        cached::Passing,
        federation::{NotDone, ProviderError},
    },
    protocol::xml::SignatureError,
};

/// The steps, for the operator.
pub(super) const METADATA: &str = "provider-metadata";
pub(super) const REQUEST: &str = "authentication-request";
pub(super) const RESPONSE: &str = "verify-response";
pub(super) const ARTIFACT: &str = "resolve-artifact";
pub(super) const IDENTITY: &str = "identity";
/// Not of a login: the messages that end sessions.
pub(super) const LOGOUT: &str = "single-logout";

/// What is done and checked at a login, in order.
pub(super) const STEPS: [Check; 25] = [
    Check::step(METADATA, "the provider's metadata are there and good"),
    Check::step(REQUEST, "the request was made"),
    Check::step(ARTIFACT, "the provider gave the response for the artifact"),
    Check::step(
        RESPONSE,
        "there is one response, and certificates to verify it by",
    ),
    of_response(
        "xml",
        "it is XML without a document type, entities and comments",
    ),
    of_response(
        "signature-shape",
        "its signatures stand where they may, of the one shape and by good algorithms",
    ),
    of_response("version", "Version is 2.0"),
    of_response("issue-instant", "IssueInstant is about now"),
    of_response(
        "destination",
        "Destination is our assertion consumer service",
    ),
    of_response("issuer", "Issuer is the provider's entity ID"),
    of_response(
        "in-response-to",
        "InResponseTo is the request of this login",
    ),
    of_response("status", "Status is Success"),
    of_response("one-assertion", "there is one assertion"),
    of_response("encryption", "what is encrypted opens by our keys"),
    of_response(
        "signature",
        "the signature is good, by a certificate of the metadata",
    ),
    of_response("signed", "what must be signed is signed"),
    of_response(
        "name-id",
        "one NameID is there, of the kind that is set and for this service",
    ),
    of_response("confirmation", "the subject is confirmed for the bearer"),
    of_response("recipient", "Recipient is our assertion consumer service"),
    of_response("times", "NotBefore and NotOnOrAfter are around now"),
    of_response("audience", "each audience restriction names this service"),
    of_response(
        "authn-instant",
        "the person signed in when it was asked for",
    ),
    of_response(
        "authn-context",
        "the authentication context is one that was asked for",
    ),
    of_response("session", "the session at the provider goes on"),
    Check::step(IDENTITY, "it says who that is for longer than this login"),
];

const fn of_response(check: &'static str, what: &'static str) -> Check {
    Check {
        step: RESPONSE,
        check: Some(check),
        what,
    }
}

impl ResponseError {
    /// Which of the [`STEPS`] it is.
    fn check(&self) -> &'static str {
        match self {
            Self::Xml(_)
            | Self::TooMuch
            | Self::Malformed(_)
            | Self::NoLogout
            | Self::NoResponse => "xml",
            Self::Signature(SignatureError::BadSignature | SignatureError::NotSigned) => {
                "signature"
            }
            Self::Signature(_) => "signature-shape",
            Self::Version => "version",
            Self::IssuedInFuture | Self::IssuedLongAgo => "issue-instant",
            Self::Destination => "destination",
            Self::Issuer => "issuer",
            Self::InResponseTo => "in-response-to",
            Self::Status(_) => "status",
            Self::NotOneAssertion => "one-assertion",
            Self::Encryption(_) => "encryption",
            Self::Unsigned(_) => "signed",
            Self::NoSubject | Self::OtherFormat | Self::OtherQualifier => "name-id",
            Self::NoConfirmation => "confirmation",
            Self::Recipient => "recipient",
            Self::Expired | Self::NotYet | Self::NoConditions => "times",
            Self::Audience | Self::UnknownCondition => "audience",
            Self::NoStatement
            | Self::AuthenticatedInFuture
            | Self::AuthenticatedLongAgo(_)
            | Self::NotAgain => "authn-instant",
            Self::AuthnContext(_) => "authn-context",
            Self::SessionOver => "session",
        }
    }
}

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the artifact is none of this provider's")]
    Artifact,
    #[error("the answer about the artifact: {0}")]
    ArtifactResponse(ResponseError),
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the logout message: {0}")]
    Logout(ResponseError),
    #[error("the provider takes no requests by the binding that is set")]
    NoBinding,
    #[error(
        "every certificate of the provider has ended, or does not begin yet: are its metadata old?"
    )]
    NoCertificate,
    #[error("the provider's metadata name no address for what answers a logout")]
    NoLogoutService,
    #[error("there is no message, or more than one, or it is no base64")]
    NoMessage,
    #[error("the provider wants requests that are signed: set signing_key")]
    NoSigningKey,
    #[error("nothing says who it is for longer than this login: set user_id_attribute")]
    NoSubject,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("a message was not made: {0}")]
    Message(#[from] MessageError),
    #[error("{error}")]
    At {
        step: &'static str,
        error: Box<Refused>,
    },
    #[error("the response: {0}")]
    Response(#[from] ResponseError),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error(transparent)]
    Waiting(#[from] AllWaiting),
    #[error(transparent)]
    Work(#[from] NotDone),
}

impl Refused {
    /// The step that failed.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Claims(_) | Self::NoSubject => IDENTITY,
            Self::NoCertificate
            | Self::NoMessage
            | Self::Response(_)
            | Self::Unasked
            | Self::Work(_) => RESPONSE,
            Self::Artifact | Self::ArtifactResponse(_) | Self::Waiting(_) => ARTIFACT,
            Self::Provider(_) => METADATA,
            Self::NoBinding | Self::NoSigningKey | Self::Message(_) => REQUEST,
            Self::Logout(_) | Self::NoLogoutService => LOGOUT,
            Self::At { step, .. } => step,
        }
    }

    /// The same at another step than that of a login.
    pub(super) fn at(self, step: &'static str) -> Self {
        Self::At {
            step,
            error: Box::new(self),
        }
    }

    /// Which of several checks at that step.
    pub(super) fn check(&self) -> Option<&'static str> {
        match self {
            Self::Response(error) => Some(error.check()),
            _ => None,
        }
    }

    /// Who must act.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Provider(error) if error.is_passing() => Fault::Unreachable,
            Self::Provider(_)
            | Self::NoBinding
            | Self::NoCertificate
            | Self::NoLogoutService
            | Self::NoSigningKey
            | Self::NoSubject
            | Self::Response(ResponseError::Signature(SignatureError::Algorithm(_))) => {
                Fault::Misconfigured
            }
            Self::Response(
                ResponseError::Status(_)
                | ResponseError::AuthnContext(_)
                | ResponseError::AuthenticatedLongAgo(_)
                | ResponseError::NotAgain,
            )
            | Self::Unasked => Fault::Denied,
            Self::Waiting(_) | Self::Work(NotDone::Busy) => Fault::Busy,
            Self::Message(_) | Self::Work(NotDone::Broken) => Fault::Internal,
            Self::Artifact
            | Self::ArtifactResponse(_)
            | Self::Claims(_)
            | Self::Logout(_)
            | Self::NoMessage
            | Self::Response(_) => Fault::Misbehaved,
            Self::At { error, .. } => error.fault(),
        }
    }
}
