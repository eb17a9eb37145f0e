//! Why a login did not go on.

use std::{error::Error, fmt};

use crate::identity::ConnectionId;

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
    /// The password was right, but the provider lets nobody use the account.
    AccountClosed,
    /// We cannot take more at the moment.
    Busy,
    /// The browser showed no certificate.
    CertificateMissing,
    /// The certificate that it showed is not good.
    CertificateRefused,
    /// The person, or the provider on their behalf, got it wrong or said no.
    Denied,
    /// Our own store or code failed.
    Internal,
    /// The operator's settings do not fit the provider.
    Misconfigured,
    /// The provider broke its protocol.
    Misbehaved,
    /// The password was right, but is too old, and cannot be changed here.
    PasswordExpired,
    /// The provider does not answer.
    Unreachable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountClosed => "the account is closed",
            Self::Busy => "too busy",
            Self::CertificateMissing => "no certificate",
            Self::CertificateRefused => "certificate refused",
            Self::Denied => "denied",
            Self::Internal => "internal error",
            Self::Misconfigured => "misconfigured",
            Self::Misbehaved => "the provider broke the protocol",
            Self::PasswordExpired => "the password has expired",
            Self::Unreachable => "the provider is unreachable",
        })
    }
}
