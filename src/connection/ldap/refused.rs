//! Why a login at a directory did not go on.

use rasn_ldap::ResultCode;

use crate::{
    connection::{BadReply, Fault, TooManyClaims},
    egress::{ldap::LdapError, tickets::TicketError},
    protocol::{
        kerberos::{BadPrincipal, NoTicket},
        ldap::BindDiagnosis,
    },
};

/// The steps, for the operator.
pub(super) const FORM: &str = "read-form";
pub(super) const CONNECT: &str = "connect";
pub(super) const TLS: &str = "tls";
pub(super) const READER: &str = "bind-reader";
pub(super) const SEARCH: &str = "search";
pub(super) const BIND: &str = "bind";
pub(super) const ACCOUNT: &str = "account";
pub(super) const GROUPS: &str = "groups";
pub(super) const IDENTITY: &str = "identity";
pub(super) const TICKET: &str = "open-ticket";
pub(super) const CHANGE: &str = "change-password";

/// The deviation, for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0} entries fit what was typed, and one must")]
    Ambiguous(usize),
    #[error("no server of the directory answers{}", .0.as_ref().map(|error| format!("; the last one: {error}")).unwrap_or_default())]
    Away(Option<LdapError>),
    #[error("all connections to the directory are in use")]
    Busy,
    #[error("the directory does not change the password: {code:?} {text:?}")]
    Change { code: ResultCode, text: String },
    #[error(transparent)]
    Claims(#[from] TooManyClaims),
    #[error("the account is disabled in the directory")]
    Disabled,
    #[error("a password of nothing but white space, or with a NUL in it, is not asked about")]
    EmptyPassword,
    #[error("what was sent is no answer to the form: {0}")]
    Form(#[from] BadReply),
    #[error("{error}")]
    Ldap {
        step: &'static str,
        error: LdapError,
    },
    #[error("the entry has no {0} that says who it is, or several")]
    NoId(String),
    #[error("nobody fits what was typed")]
    NoPerson,
    #[error("there is no entry {0:?}, or the account that looks people up may not see it")]
    NoPlace(String),
    #[error("the group {0:?} has no name that can be read")]
    OddGroup(String),
    #[error("the entry {0:?} is not below the base")]
    Outside(String),
    #[error("the directory lets the person not in ({why:?}): {text:?}")]
    Person { why: BindDiagnosis, text: String },
    #[error(transparent)]
    Principal(#[from] BadPrincipal),
    #[error("the ticket is for {0:?}, which the keytab has no key of")]
    OtherService(String),
    #[error("the ticket is of the realm {0:?}, which is not taken here")]
    Realm(String),
    #[error("the account that looks people up cannot bind ({why:?}): {text:?}")]
    Reader { why: BindDiagnosis, text: String },
    #[error(transparent)]
    NoTicket(#[from] NoTicket),
    #[error(transparent)]
    Ticket(#[from] TicketError),
    #[error("the person is in more than {0} groups, or deeper than they are followed")]
    TooManyGroups(usize),
    #[error("nobody asked for this answer")]
    Unasked,
    #[error("this try was not paid for")]
    Unpaid,
}

impl Refused {
    /// A connection that did not come about.
    pub(super) fn connect(error: LdapError) -> Self {
        let step = match error {
            LdapError::Tls(_) | LdapError::StartTls { .. } => TLS,
            _ => CONNECT,
        };
        Self::Ldap { step, error }
    }

    /// An operation that failed.
    pub(super) fn ldap(step: &'static str, error: LdapError) -> Self {
        Self::Ldap { step, error }
    }

    /// What another server may do better; or the refusal as it is.
    pub(super) fn passing(self) -> Result<LdapError, Self> {
        match self {
            Self::Ldap { error, .. } if error.is_passing() => Ok(error),
            other => Err(other),
        }
    }

    /// Whether it is about this person, so that the same question about another may be answered.
    pub(super) fn is_personal(&self) -> bool {
        matches!(
            self,
            Self::Claims(_)
                | Self::Disabled
                | Self::NoId(_)
                | Self::OddGroup(_)
                | Self::Outside(_)
                | Self::TooManyGroups(_)
        )
    }

    /// The step that failed.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Ambiguous(_) | Self::NoPerson | Self::NoPlace(_) | Self::Outside(_) => SEARCH,
            Self::Disabled => ACCOUNT,
            Self::Away(Some(LdapError::Tls(_) | LdapError::StartTls { .. })) => TLS,
            Self::Away(_) | Self::Busy => CONNECT,
            Self::Change { .. } => CHANGE,
            Self::Claims(_) | Self::NoId(_) => IDENTITY,
            Self::EmptyPassword | Self::Form(_) | Self::Unasked => FORM,
            Self::Ldap { step, .. } => step,
            Self::Person { .. } => BIND,
            Self::NoTicket(_)
            | Self::OtherService(_)
            | Self::Principal(_)
            | Self::Realm(_)
            | Self::Ticket(_) => TICKET,
            Self::Reader { .. } => READER,
            Self::OddGroup(_) | Self::TooManyGroups(_) => GROUPS,
            Self::Unpaid => "spend-budget",
        }
    }

    /// Who must act.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Busy | Self::Ticket(TicketError::TimedOut) => Fault::Busy,
            Self::Disabled => Fault::AccountClosed,
            Self::Change { .. } => Fault::PasswordExpired,
            Self::Person { why, .. } => match why {
                BindDiagnosis::Disabled | BindDiagnosis::AccountExpired | BindDiagnosis::NotNow => {
                    Fault::AccountClosed
                }
                BindDiagnosis::PasswordExpired | BindDiagnosis::MustChange => {
                    Fault::PasswordExpired
                }
                // To tell that an account is locked would tell that there is one.
                BindDiagnosis::Wrong | BindDiagnosis::Locked => Fault::Denied,
                BindDiagnosis::Unavailable => Fault::Unreachable,
                BindDiagnosis::Unsafe | BindDiagnosis::Referral | BindDiagnosis::Failed => {
                    Fault::Misconfigured
                }
            },
            Self::Ambiguous(_)
            | Self::EmptyPassword
            | Self::Form(_)
            | Self::NoPerson
            | Self::NoTicket(_)
            | Self::Principal(_)
            | Self::OtherService(_)
            | Self::Realm(_)
            | Self::Ticket(TicketError::Refused(_) | TicketError::TooLarge(_))
            | Self::Unasked => Fault::Denied,
            Self::Away(_) => Fault::Unreachable,
            Self::Ldap { error, .. } if error.is_passing() => Fault::Unreachable,
            Self::Claims(_)
            | Self::Outside(_)
            | Self::Ldap {
                error: LdapError::Frame(_) | LdapError::Unreadable(_),
                ..
            } => Fault::Misbehaved,
            Self::Ldap { .. }
            | Self::NoId(_)
            | Self::NoPlace(_)
            | Self::OddGroup(_)
            | Self::Reader { .. }
            | Self::TooManyGroups(_) => Fault::Misconfigured,
            Self::Ticket(TicketError::NotRunning(_)) | Self::Unpaid => Fault::Internal,
        }
    }
}
