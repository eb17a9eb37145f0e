//! Why a login by WS-Federation did not go on.

use super::token::TokenError;
use crate::{
    connection::{
        Check, Fault, TooManyClaims,
        cached::Passing,
        federation::{NotDone, ProviderError},
    },
    crypto::jose::JwsError,
    protocol::xml::SignatureError,
};

/// The steps, for the operator.
pub(super) const METADATA: &str = "provider-metadata";
pub(super) const REQUEST: &str = "authentication-request";
pub(super) const TOKEN: &str = "verify-token";
pub(super) const IDENTITY: &str = "identity";

/// What is done and checked at a login, in order.
pub(super) const STEPS: [Check; 19] = [
    Check::step(
        METADATA,
        "the provider's federation metadata are there and good",
    ),
    Check::step(REQUEST, "the request was made"),
    Check::step(
        TOKEN,
        "there is one answer, and certificates to verify it by",
    ),
    of_token(
        "xml",
        "it is XML without a document type, entities and comments, or a JWT",
    ),
    of_token(
        "signature-shape",
        "its signatures stand where they may, of the one shape and by good algorithms",
    ),
    of_token(
        "response",
        "it is one RequestSecurityTokenResponse, and no fault",
    ),
    of_token("applies-to", "AppliesTo, if it is there, is our wtrealm"),
    of_token("one-token", "there is one token, where tokens are"),
    of_token("encryption", "what is encrypted opens by our keys"),
    of_token(
        "signature",
        "the signature is good, by a certificate of the metadata",
    ),
    of_token("version", "it is an assertion of SAML 1.1 or 2.0, or a JWT"),
    of_token("issue-instant", "it was issued about now"),
    of_token(
        "issuer",
        "it was issued by the provider that the metadata name",
    ),
    of_token("times", "it says when it is good, and it is now"),
    of_token(
        "audience",
        "it is for our wtrealm, and no other condition is there",
    ),
    of_token("subject", "it is about one person, for the bearer"),
    of_token(
        "authentication",
        "the person signed in when it was asked for",
    ),
    of_token("wauth", "the person signed in as was asked for"),
    Check::step(IDENTITY, "it says who that is for longer than this login"),
];

const fn of_token(check: &'static str, what: &'static str) -> Check {
    Check {
        step: TOKEN,
        check: Some(check),
        what,
    }
}

impl TokenError {
    /// Which of the [`STEPS`] it is.
    fn check(&self) -> &'static str {
        match self {
            Self::Xml(_) | Self::TooMuch | Self::Malformed(_) => "xml",
            Self::Signature(SignatureError::BadSignature | SignatureError::NotSigned)
            | Self::Jws(JwsError::BadSignature) => "signature",
            Self::Signature(_) | Self::Jws(_) => "signature-shape",
            Self::NoResponse | Self::Fault(_) => "response",
            Self::AppliesTo => "applies-to",
            Self::NotOneToken => "one-token",
            Self::Encryption(_) => "encryption",
            Self::Version => "version",
            Self::IssuedInFuture | Self::IssuedLongAgo => "issue-instant",
            Self::Issuer => "issuer",
            Self::Expired | Self::NoConditions | Self::NotYet => "times",
            Self::Audience | Self::UnknownCondition => "audience",
            Self::NoConfirmation | Self::NotOneSubject | Self::OtherRecipient => "subject",
            Self::AuthenticatedInFuture
            | Self::AuthenticatedLongAgo(_)
            | Self::NoInstant
            | Self::NoStatement
            | Self::NotAgain
            | Self::SessionOver => "authentication",
            Self::AuthenticationMethod(_) => "wauth",
        }
    }
}

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("there is no wa=wsignin1.0 with one wresult in the form")]
    NoAnswer,
    #[error(
        "every certificate of the provider has ended, or does not begin yet: are its metadata old?"
    )]
    NoCertificate,
    #[error("nothing says who it is for longer than this login: set user_id_attribute")]
    NoSubject,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the answer: {0}")]
    Token(#[from] TokenError),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error(transparent)]
    Work(#[from] NotDone),
}

impl Refused {
    /// The step that failed.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Claims(_) | Self::NoSubject => IDENTITY,
            Self::NoAnswer
            | Self::NoCertificate
            | Self::Token(_)
            | Self::Unasked
            | Self::Work(_) => TOKEN,
            Self::Provider(_) => METADATA,
        }
    }

    /// Which of several checks at that step.
    pub(super) fn check(&self) -> Option<&'static str> {
        match self {
            Self::Token(error) => Some(error.check()),
            _ => None,
        }
    }

    /// Who must act.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Provider(error) if error.is_passing() => Fault::Unreachable,
            Self::Provider(_)
            | Self::NoCertificate
            | Self::NoSubject
            | Self::Token(
                TokenError::Signature(SignatureError::Algorithm(_))
                | TokenError::Jws(JwsError::NotAllowed(_)),
            ) => Fault::Misconfigured,
            Self::Token(
                TokenError::AuthenticatedLongAgo(_)
                | TokenError::AuthenticationMethod(_)
                | TokenError::Fault(_)
                | TokenError::NoInstant
                | TokenError::NotAgain,
            )
            | Self::Unasked => Fault::Denied,
            Self::Work(NotDone::Busy) => Fault::Busy,
            Self::Work(NotDone::Broken) => Fault::Internal,
            Self::Claims(_) | Self::NoAnswer | Self::Token(_) => Fault::Misbehaved,
        }
    }
}
