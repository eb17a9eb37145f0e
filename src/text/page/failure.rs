//! What people see when a request goes no further.

use serde::Serialize;

use super::Href;
use crate::text::message::Text;

/// An error page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// What the operator finds in the log.
    pub(crate) request_id: String,
    pub(crate) signed_in_as: Option<String>,
    /// The first one is the button, the others are links.
    pub(crate) actions: Vec<Action>,
}

/// What went wrong, as far as the person may know.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "FailureTexts")]
pub(crate) enum FailureKind {
    /// 502: nobody answers at the application.
    AppUnreachable,
    /// 504: the application took too long.
    AppTimeout,
    /// 400: the request is ambiguous or broken.
    BadRequest,
    /// 413
    BodyTooLarge,
    /// 503: we cannot take more.
    Busy,
    /// 403: the browser showed no certificate.
    CertificateMissing { display_name: String },
    /// 403: the certificate that it showed is not good.
    CertificateRefused { display_name: String },
    /// 500: the connection's settings do not fit its provider.
    ConnectionBroken { display_name: String },
    /// 403
    Denied(Denial),
    /// 400: a form's CSRF token is too old or not ours.
    FormExpired,
    /// 431: mostly too many cookies.
    HeadTooLarge,
    /// 500
    Internal,
    /// 405
    MethodNotAllowed,
    /// 404
    NotFound,
    /// 410: the first-run link was used or is too old.
    OwnerLinkGone,
    /// 502: the provider broke its protocol.
    ProviderMisbehaved { display_name: String },
    /// 403: the provider, or the person there, said no.
    ProviderRefused { display_name: String },
    /// 502: the provider does not answer.
    ProviderUnreachable { display_name: String },
    /// 408
    RequestTimeout,
    /// 429
    TooManyTries { minutes: u64 },
    /// 503: a store is away.
    Unavailable,
    /// 421: no route has this host.
    UnknownHost,
}

/// Why a signed-in person may not pass. The class is stable: it is in the audit trail too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denial {
    /// The operator blocked the person.
    Blocked,
    /// The route does not take the connection they came by.
    ConnectionNotOffered,
    /// A `deny` rule matched.
    DenyRule,
    /// A rule asks for an e-mail address that can be trusted.
    EmailNotTrusted,
    /// The identity cannot be linked: it belongs to another user.
    IdentityTaken,
    /// No `allow` rule matched.
    NotAllowed,
    /// A service worker of the application would see what is typed into our pages.
    ServiceWorker,
    /// The connection takes no new people.
    SignupClosed,
    /// The groups do not fit into a header.
    TooManyGroups,
}

impl Denial {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Blocked,
        Self::ConnectionNotOffered,
        Self::DenyRule,
        Self::EmailNotTrusted,
        Self::IdentityTaken,
        Self::NotAllowed,
        Self::ServiceWorker,
        Self::SignupClosed,
        Self::TooManyGroups,
    ];

    /// The stable name of the reason.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::ConnectionNotOffered => "connection-not-offered",
            Self::DenyRule => "deny-rule",
            Self::EmailNotTrusted => "email-not-trusted",
            Self::IdentityTaken => "identity-taken",
            Self::NotAllowed => "not-allowed",
            Self::ServiceWorker => "service-worker",
            Self::SignupClosed => "signup-closed",
            Self::TooManyGroups => "too-many-groups",
        }
    }

    /// The sentence.
    const fn key(self) -> &'static str {
        match self {
            Self::Blocked => "failure.blocked",
            Self::ConnectionNotOffered => "failure.connection-not-offered",
            Self::DenyRule => "failure.deny-rule",
            Self::EmailNotTrusted => "failure.email-not-trusted",
            Self::IdentityTaken => "failure.identity-taken",
            Self::NotAllowed => "failure.not-allowed",
            Self::ServiceWorker => "failure.service-worker",
            Self::SignupClosed => "failure.signup-closed",
            Self::TooManyGroups => "failure.too-many-groups",
        }
    }
}

impl FailureKind {
    /// The status of the answer (RFC 9110 section 15, RFC 6585).
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::BadRequest | Self::FormExpired => 400,
            Self::CertificateMissing { .. }
            | Self::CertificateRefused { .. }
            | Self::Denied(_)
            | Self::ProviderRefused { .. } => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::OwnerLinkGone => 410,
            Self::BodyTooLarge => 413,
            Self::UnknownHost => 421,
            Self::TooManyTries { .. } => 429,
            Self::HeadTooLarge => 431,
            Self::ConnectionBroken { .. } | Self::Internal => 500,
            Self::AppUnreachable
            | Self::ProviderMisbehaved { .. }
            | Self::ProviderUnreachable { .. } => 502,
            Self::Busy | Self::Unavailable => 503,
            Self::AppTimeout => 504,
        }
    }

    /// A stable name, for clients that read JSON.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::AppTimeout => "app-timeout",
            Self::AppUnreachable => "app-unreachable",
            Self::BadRequest => "bad-request",
            Self::BodyTooLarge => "body-too-large",
            Self::Busy => "busy",
            Self::CertificateMissing { .. } => "certificate-missing",
            Self::CertificateRefused { .. } => "certificate-refused",
            Self::ConnectionBroken { .. } => "connection-broken",
            Self::Denied(_) => "denied",
            Self::FormExpired => "form-expired",
            Self::HeadTooLarge => "head-too-large",
            Self::Internal => "internal",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NotFound => "not-found",
            Self::OwnerLinkGone => "owner-link-gone",
            Self::ProviderMisbehaved { .. } => "provider-misbehaved",
            Self::ProviderRefused { .. } => "provider-refused",
            Self::ProviderUnreachable { .. } => "provider-unreachable",
            Self::RequestTimeout => "request-timeout",
            Self::TooManyTries { .. } => "too-many-tries",
            Self::Unavailable => "unavailable",
            Self::UnknownHost => "unknown-host",
        }
    }

    /// The stable class of a 403.
    pub(crate) const fn class(&self) -> Option<&'static str> {
        match self {
            Self::Denied(denial) => Some(denial.class()),
            _ => None,
        }
    }

    /// Heading and sentence.
    fn texts(self) -> (Text, Text) {
        let plain = |title, sentence| (Text::new(title), Text::new(sentence));
        let named =
            |title, sentence, name| (Text::new(title), Text::new(sentence).with("name", name));
        match self {
            Self::AppUnreachable => plain("failure.app-title", "failure.app-unreachable"),
            Self::AppTimeout => plain("failure.app-timeout-title", "failure.app-timeout"),
            Self::BadRequest => plain("failure.bad-request-title", "failure.bad-request"),
            Self::BodyTooLarge => plain("failure.body-title", "failure.body"),
            Self::Busy => plain("failure.busy-title", "failure.busy"),
            Self::CertificateMissing { display_name } => named(
                "failure.certificate-missing-title",
                "failure.certificate-missing",
                display_name,
            ),
            Self::CertificateRefused { display_name } => named(
                "failure.certificate-refused-title",
                "failure.certificate-refused",
                display_name,
            ),
            Self::ConnectionBroken { display_name } => named(
                "failure.provider-title",
                "failure.connection-broken",
                display_name,
            ),
            Self::Denied(denial) => plain("failure.denied-title", denial.key()),
            Self::FormExpired => plain("failure.form-title", "failure.form"),
            Self::HeadTooLarge => plain("failure.head-title", "failure.head"),
            Self::Internal => plain("failure.internal-title", "failure.internal"),
            Self::MethodNotAllowed => plain("failure.bad-request-title", "failure.method"),
            Self::NotFound => plain("failure.not-found-title", "failure.not-found"),
            Self::OwnerLinkGone => plain("failure.owner-title", "failure.owner"),
            Self::ProviderMisbehaved { display_name } => named(
                "failure.provider-title",
                "failure.provider-misbehaved",
                display_name,
            ),
            Self::ProviderRefused { display_name } => named(
                "failure.provider-title",
                "failure.provider-refused",
                display_name,
            ),
            Self::ProviderUnreachable { display_name } => named(
                "failure.provider-title",
                "failure.provider-unreachable",
                display_name,
            ),
            Self::RequestTimeout => plain("failure.timeout-title", "failure.timeout"),
            Self::TooManyTries { minutes } => (
                Text::new("failure.tries-title"),
                Text::new("failure.tries").count(minutes),
            ),
            Self::Unavailable => plain("failure.unavailable-title", "failure.unavailable"),
            Self::UnknownHost => plain("failure.host-title", "failure.host"),
        }
    }
}

/// A failure as the page says it.
#[derive(Serialize)]
struct FailureTexts {
    status: u16,
    class: Option<&'static str>,
    title: Text,
    sentence: Text,
}

impl From<FailureKind> for FailureTexts {
    fn from(kind: FailureKind) -> Self {
        let (status, class) = (kind.status(), kind.class());
        let (title, sentence) = kind.texts();
        Self {
            status,
            class,
            title,
            sentence,
        }
    }
}

/// What the person can do about it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Action {
    pub(crate) label: ActionLabel,
    pub(crate) href: Href,
}

/// What an action is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "Text")]
pub(crate) enum ActionLabel {
    Account,
    OtherAccount,
    SignOut,
    TryAgain,
}

impl From<ActionLabel> for Text {
    fn from(label: ActionLabel) -> Self {
        Self::new(match label {
            ActionLabel::Account => "action.account",
            ActionLabel::OtherAccount => "action.other-account",
            ActionLabel::SignOut => "action.sign-out",
            ActionLabel::TryAgain => "action.try-again",
        })
    }
}
