//! What is used once: what it is for, its key, its row, and its use.

use crate::clock::Timestamp;

/// What a one-time thing is for. Two purposes never meet, whatever their bytes are.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Purpose {
    /// A message that asks the old address whether the account may have a new one.
    AllowEmail,
    /// A proof that came from a provider: code, assertion id, `jti`, `state`.
    Answer,
    /// A client certificate that was shown at another origin, on its way to the login.
    Certificate,
    /// The first proof, while a second factor is awaited.
    Factor,
    /// A code by mail that is to be the second factor.
    FactorCode,
    /// A message that confirms the new address of an account.
    ChangeEmail,
    /// Who has agreed to a new address.
    EmailSide,
    /// A flow that ended in a session.
    Flow,
    /// A ticket that gives another host its own handle.
    Handover,
    /// One of the few tries at a code that was sent.
    CodeTry,
    /// One process at a time does something.
    Lease,
    /// A code that was sent by mail, for one browser.
    MailedCode,
    /// Which message of several to one account counts.
    NewestMail,
    /// The first-run link that makes the owner.
    Owner,
    /// A proof, while the person is asked whether another session or account ends.
    Pending,
    /// A message that leads to a new password.
    ResetPassword,
    /// A message by which somebody signs in.
    SignIn,
    /// Where a person goes on when the provider has ended its session too.
    SignOut,
    /// A trial login that the operator asked for.
    Trial,
    /// A message that lets somebody in again at whose account too much was guessed.
    Unblock,
    /// The first proof, while the address of the account is to be confirmed.
    Unverified,
    /// A message that confirms the address of an account.
    VerifyEmail,
}

impl Purpose {
    /// The name in the store. Never reuse one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AllowEmail => "allow-email",
            Self::Answer => "answer",
            Self::Certificate => "certificate",
            Self::Factor => "factor",
            Self::FactorCode => "factor-code",
            Self::ChangeEmail => "change-email",
            Self::EmailSide => "email-side",
            Self::Flow => "flow",
            Self::Handover => "handover",
            Self::CodeTry => "code-try",
            Self::Lease => "lease",
            Self::MailedCode => "mailed-code",
            Self::NewestMail => "newest-mail",
            Self::Owner => "owner",
            Self::Pending => "pending",
            Self::ResetPassword => "reset-password",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::Trial => "trial",
            Self::Unblock => "unblock",
            Self::Unverified => "unverified",
            Self::VerifyEmail => "verify-email",
        }
    }
}

/// The key of a one-time thing: its purpose and the hash of its bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct OneTimeKey {
    pub(crate) purpose: Purpose,
    pub(crate) hash: [u8; 32],
}

/// A use that must be the first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OneTimeUse {
    /// Nothing was stored before; the use itself is noted until the time given.
    First { key: OneTimeKey, until: Timestamp },
    /// The row was put by us and is taken away; `now` decides whether it has run out.
    Row { key: OneTimeKey, now: Timestamp },
}

impl OneTimeUse {
    /// What is used.
    pub(crate) const fn key(&self) -> OneTimeKey {
        match self {
            Self::First { key, .. } | Self::Row { key, .. } => *key,
        }
    }
}

/// A row that is handed out once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OneTimeRow {
    pub(crate) key: OneTimeKey,
    pub(crate) payload: Vec<u8>,
    pub(crate) until: Timestamp,
}
