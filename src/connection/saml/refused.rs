//! Why a login by SAML did not go on.

use std::sync::Arc;

use http::StatusCode;

use super::{metadata::MetadataError, response::ResponseError};
use crate::{
    connection::{Fault, TooManyClaims, cached::Passing},
    egress::http::HttpError,
    protocol::xml::SignatureError,
};

/// The steps, for the operator.
pub(super) const METADATA: &str = "provider-metadata";
pub(super) const REQUEST: &str = "authentication-request";
pub(super) const RESPONSE: &str = "verify-response";
pub(super) const IDENTITY: &str = "identity";

/// Why there are no metadata.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("{0} was not fetched: {1}")]
    Http(String, Arc<HttpError>),
    #[error("the metadata: {0}")]
    Metadata(#[from] MetadataError),
    #[error("what reads metadata did not end")]
    Reader,
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
}

impl Passing for ProviderError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Http(..) | Self::Reader => true,
            Self::Metadata(_) => false,
            Self::Status(_, status) => status.is_server_error(),
        }
    }
}

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error(
        "every certificate of the provider has ended, or does not begin yet: are its metadata old?"
    )]
    NoCertificate,
    #[error("there is no SAMLResponse in the form, or more than one, or it is no base64")]
    NoMessage,
    #[error("the provider wants requests that are signed: set signing_key")]
    NoSigningKey,
    #[error("nothing says who it is for longer than this login: set user_id_attribute")]
    NoSubject,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the request was not made: {0}")]
    Request(#[from] std::io::Error),
    #[error("the response: {0}")]
    Response(#[from] ResponseError),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error("what verifies signatures did not end")]
    Verifier,
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
            | Self::Verifier => RESPONSE,
            Self::Provider(_) => METADATA,
            Self::NoSigningKey | Self::Request(_) => REQUEST,
        }
    }

    /// Who must act.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Provider(error) if error.is_passing() => Fault::Unreachable,
            Self::Provider(_)
            | Self::NoCertificate
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
            Self::Request(_) | Self::Verifier => Fault::Internal,
            Self::Claims(_) | Self::NoMessage | Self::Response(_) => Fault::Misbehaved,
        }
    }
}
