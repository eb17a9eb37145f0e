//! The audit trail: one event for each login, failure, logout, denial and act of an administrator.

use std::net::IpAddr;

use serde::Serialize;

use super::SessionId;
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, UserId},
};

/// What happened. The names are stable: people build alerts on them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EventKind {
    AccessDenied,
    AccountImported,
    ConfigRefused,
    ConfigReloaded,
    ConnectionAdopted,
    ConnectionRenamed,
    EmailChanged,
    EmailVerified,
    FactorAdded,
    FactorFailed,
    FactorRemoved,
    FactorRenamed,
    FactorUsed,
    FactorsReset,
    HandleIssued,
    IdentityLinked,
    IdentityUnlinked,
    KeysRotated,
    LoginFailed,
    LoginSucceeded,
    LogoutFailed,
    LogoutSucceeded,
    OwnerClaimed,
    PasswordChanged,
    RecoveryCodeUsed,
    RecoveryCodesMade,
    SessionRevoked,
    SignUpFailed,
    SignUpSucceeded,
    UserBlocked,
    UserChanged,
    UserCreated,
    UserDeleted,
    UserUnblocked,
    UsernameChanged,
    UsersExported,
}

impl EventKind {
    /// Every kind, for the stores.
    pub(crate) const ALL: [Self; 36] = [
        Self::AccessDenied,
        Self::AccountImported,
        Self::ConfigRefused,
        Self::ConfigReloaded,
        Self::ConnectionAdopted,
        Self::ConnectionRenamed,
        Self::EmailChanged,
        Self::EmailVerified,
        Self::FactorAdded,
        Self::FactorFailed,
        Self::FactorRemoved,
        Self::FactorRenamed,
        Self::FactorUsed,
        Self::FactorsReset,
        Self::HandleIssued,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::KeysRotated,
        Self::LoginFailed,
        Self::LoginSucceeded,
        Self::LogoutFailed,
        Self::LogoutSucceeded,
        Self::OwnerClaimed,
        Self::PasswordChanged,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesMade,
        Self::SessionRevoked,
        Self::SignUpFailed,
        Self::SignUpSucceeded,
        Self::UserBlocked,
        Self::UserChanged,
        Self::UserCreated,
        Self::UserDeleted,
        Self::UserUnblocked,
        Self::UsernameChanged,
        Self::UsersExported,
    ];

    /// The stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "access-denied",
            Self::AccountImported => "account-imported",
            Self::ConfigRefused => "config-refused",
            Self::ConfigReloaded => "config-reloaded",
            Self::ConnectionAdopted => "connection-adopted",
            Self::ConnectionRenamed => "connection-renamed",
            Self::EmailChanged => "email-changed",
            Self::EmailVerified => "email-verified",
            Self::FactorAdded => "factor-added",
            Self::FactorFailed => "factor-failed",
            Self::FactorRemoved => "factor-removed",
            Self::FactorRenamed => "factor-renamed",
            Self::FactorUsed => "factor-used",
            Self::FactorsReset => "factors-reset",
            Self::HandleIssued => "handle-issued",
            Self::IdentityLinked => "identity-linked",
            Self::IdentityUnlinked => "identity-unlinked",
            Self::KeysRotated => "keys-rotated",
            Self::LoginFailed => "login-failed",
            Self::LoginSucceeded => "login-succeeded",
            Self::LogoutFailed => "logout-failed",
            Self::LogoutSucceeded => "logout-succeeded",
            Self::OwnerClaimed => "owner-claimed",
            Self::PasswordChanged => "password-changed",
            Self::RecoveryCodeUsed => "recovery-code-used",
            Self::RecoveryCodesMade => "recovery-codes-made",
            Self::SessionRevoked => "session-revoked",
            Self::SignUpFailed => "sign-up-failed",
            Self::SignUpSucceeded => "sign-up-succeeded",
            Self::UserBlocked => "user-blocked",
            Self::UserChanged => "user-changed",
            Self::UserCreated => "user-created",
            Self::UserDeleted => "user-deleted",
            Self::UserUnblocked => "user-unblocked",
            Self::UsernameChanged => "username-changed",
            Self::UsersExported => "users-exported",
        }
    }

    /// The kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One line of the audit trail. It never holds a claim, a token or a password.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) kind: EventKind,
    /// A stable code: why, or by what means.
    pub(crate) reason: String,
    pub(crate) user: Option<UserId>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) address: Option<IpAddr>,
    /// The request that caused it; `None` for the command line.
    pub(crate) request_id: Option<String>,
}

impl Event {
    /// An event with nothing but what happened.
    pub(crate) fn new(at: Timestamp, kind: EventKind, reason: impl Into<String>) -> Self {
        Self {
            at,
            kind,
            reason: reason.into(),
            user: None,
            connection: None,
            session: None,
            address: None,
            request_id: None,
        }
    }

    /// The person concerned.
    pub(crate) fn user(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// The connection concerned.
    pub(crate) fn connection(mut self, connection: &ConnectionId) -> Self {
        self.connection = Some(connection.clone());
        self
    }

    /// The session concerned.
    pub(crate) fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Writes the event to the log. Failures that an anonymous request can cause go there alone;
    /// whatever changes something is stored with the change as well.
    pub(crate) fn log(&self) {
        tracing::info!(
            target: "audit",
            event = self.kind.name(),
            reason = %self.reason,
            user = self.user.as_ref().map(tracing::field::display),
            connection = self.connection.as_ref().map(tracing::field::display),
            session = self.session.map(tracing::field::display),
            address = self.address.map(tracing::field::display),
            request_id = self.request_id.as_deref(),
        );
        crate::metrics::EVENTS
            .with_label_values(&[self.kind.name()])
            .inc();
    }
}
