//! What signed-in people see about themselves, and how they leave.

use serde::Serialize;

use super::{
    Href, PasswordRule, Post,
    login::{Field, FieldProblem, LoginProblem, Notice, UsernameHint},
};
use crate::{clock::Timestamp, text::message::Text};

/// The account page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) now: Timestamp,
    pub(crate) notice: Option<AccountNotice>,
    /// The name shown on top: the profile's, or the handle.
    pub(crate) display_name: String,
    pub(crate) user_id: String,
    pub(crate) handle: String,
    pub(crate) email: Option<Email>,
    pub(crate) owner: bool,
    pub(crate) profile: ProfileFields,
    /// Where the profile is edited; `None`: the connection rules it.
    pub(crate) edit: Option<Post>,
    /// What people call the connection that rules the profile.
    pub(crate) ruled_by: String,
    pub(crate) password: Option<PasswordChange>,
    /// `None`: none is ever asked for.
    pub(crate) factors: Option<FactorRows>,
    /// `None`: browsers offer none here, or none would be asked for.
    pub(crate) passkeys: Option<PasskeyRows>,
    pub(crate) change_email: Option<EmailForm>,
    pub(crate) change_username: Option<UsernameForm>,
    pub(crate) sessions: Vec<SessionRow>,
    /// Ends all sessions but this one; `None` where there are no others.
    pub(crate) revoke_others: Option<Post>,
    pub(crate) identities: Vec<IdentityRow>,
    /// The ways in that can be added.
    pub(crate) link: Vec<LinkRow>,
    /// Asks to delete the account; `None` where that is the operator's to do.
    pub(crate) delete: Option<Post>,
    pub(crate) sign_out: Post,
    /// Back to the application.
    pub(crate) back: Option<Href>,
}

/// The five fields a person may edit where the connection allows it; inputs of the same names.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ProfileFields {
    pub(crate) name: Field,
    pub(crate) given_name: Field,
    pub(crate) family_name: Field,
    pub(crate) nickname: Field,
    pub(crate) picture: Field,
}

/// An e-mail address and what it is worth.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Email {
    pub(crate) address: String,
    pub(crate) verified: bool,
    /// Sends a mail that confirms it.
    pub(crate) confirm: Option<Post>,
}

/// The form that asks for another address. The inputs are `new_email` and `current_password`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EmailForm {
    pub(crate) post: Post,
    pub(crate) new: Field,
    pub(crate) current_problem: Option<FieldProblem>,
    /// What is wrong with neither of them.
    pub(crate) problem: Option<LoginProblem>,
}

/// The form that gives the account another username. The input is `new_username`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UsernameForm {
    pub(crate) post: Post,
    /// The one it has.
    pub(crate) current: Option<String>,
    pub(crate) new: Field,
    pub(crate) hint: UsernameHint,
    /// What is wrong with more than the name.
    pub(crate) problem: Option<LoginProblem>,
}

/// The form that changes a password. The inputs are `current_password` and `new_password`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasswordChange {
    pub(crate) post: Post,
    /// The name to sign in with, for the browser's password store.
    pub(crate) login: String,
    pub(crate) rules: Vec<PasswordRule>,
    pub(crate) current_problem: Option<FieldProblem>,
    pub(crate) new_problem: Option<FieldProblem>,
    /// What is wrong with neither of them.
    pub(crate) problem: Option<LoginProblem>,
}

/// The second factors.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FactorRows {
    pub(crate) rows: Vec<FactorRow>,
    /// Where a code is sent at each login, for want of a factor of their own.
    pub(crate) emailed_to: Option<String>,
    pub(crate) problem: Option<AccountProblem>,
    /// Where another one is set up.
    pub(crate) add: Option<Href>,
    /// `None` for whoever has no factor.
    pub(crate) recovery_codes_left: Option<u64>,
    pub(crate) new_recovery_codes: Option<Post>,
}

/// The passkeys.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PasskeyRows {
    pub(crate) rows: Vec<FactorRow>,
    pub(crate) problem: Option<AccountProblem>,
    /// Where another one is set up.
    pub(crate) add: Option<Href>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FactorRow {
    pub(crate) id: String,
    /// What the person calls it; may be empty.
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    /// Whether a passkey is synced to other devices; `None` for another factor.
    pub(crate) synced: Option<bool>,
    /// The input is `factor_name`.
    pub(crate) rename: Post,
    pub(crate) remove: Post,
}

/// Why a second factor was not changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "Text")]
pub(crate) enum AccountProblem {
    FactorNeeded,
    FactorsFull,
    /// Nothing else would let them in.
    LastPasskey,
}

impl From<AccountProblem> for Text {
    fn from(problem: AccountProblem) -> Self {
        Self::new(match problem {
            AccountProblem::FactorNeeded => "account.factor-needed",
            AccountProblem::FactorsFull => "account.factors-full",
            AccountProblem::LastPasskey => "account.last-passkey",
        })
    }
}

/// A place where the person is signed in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SessionRow {
    /// What the browser calls itself, in short; see [`device`](crate::text::device::device).
    pub(crate) device: String,
    pub(crate) address: Option<String>,
    /// The display names of the connections used.
    pub(crate) connections: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    /// The session that shows this page.
    pub(crate) this: bool,
    pub(crate) revoke: Option<Post>,
}

/// An identity that belongs to the person.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdentityRow {
    pub(crate) display_name: String,
    pub(crate) icon: Option<String>,
    /// What tells it from another of the same connection: e-mail address, username or subject.
    pub(crate) label: String,
    pub(crate) refreshed_at: Timestamp,
    pub(crate) unlink: Option<Post>,
}

/// A way in that can be added: the form begins a login.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkRow {
    pub(crate) display_name: String,
    pub(crate) icon: Option<String>,
    pub(crate) post: Post,
}

/// What was done, after a redirect to the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "Text")]
pub(crate) enum AccountNotice {
    Confirmed,
    FactorAdded,
    FactorRemoved,
    FactorRenamed,
    EmailAsked,
    IdentityLinked,
    IdentityUnlinked,
    MailSent,
    OthersRevoked,
    PasskeyAdded,
    PasswordChanged,
    ProfileSaved,
    SessionRevoked,
    UsernameChanged,
}

impl From<AccountNotice> for Text {
    fn from(notice: AccountNotice) -> Self {
        Self::new(match notice {
            AccountNotice::Confirmed => "account.confirmed",
            AccountNotice::FactorAdded => "account.factor-added",
            AccountNotice::FactorRemoved => "account.factor-removed",
            AccountNotice::FactorRenamed => "account.factor-renamed",
            AccountNotice::EmailAsked => "account.email-asked",
            AccountNotice::IdentityLinked => "account.identity-linked",
            AccountNotice::IdentityUnlinked => "account.identity-unlinked",
            AccountNotice::MailSent => "account.mail-sent",
            AccountNotice::OthersRevoked => "account.others-revoked",
            AccountNotice::PasskeyAdded => "account.passkey-added",
            AccountNotice::PasswordChanged => "account.password-changed",
            AccountNotice::ProfileSaved => "account.profile-saved",
            AccountNotice::SessionRevoked => "account.session-revoked",
            AccountNotice::UsernameChanged => "account.username-changed",
        })
    }
}

/// Asks before it deletes an account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeleteAccount {
    pub(crate) display_name: String,
    pub(crate) handle: String,
    /// The display names of the connections by which the person signs in.
    pub(crate) ways: Vec<String>,
    pub(crate) post: Post,
    pub(crate) stay: Href,
}

/// Asks before it signs out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignOut {
    /// Who is signed in.
    pub(crate) display_name: String,
    pub(crate) post: Post,
    pub(crate) stay: Href,
}

/// The session is over.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignedOut {
    /// What is worth saying besides.
    pub(crate) notice: Option<Notice>,
    pub(crate) still_at: Option<StillAt>,
    pub(crate) sign_in: Href,
}

/// Where a person who signed out may be signed in still, by the name of the connection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StillAt {
    Provider(String),
    /// The provider has ended its own session, but not those of all that hang on it.
    ItsApplications(String),
}

/// The application that is built in: it shows what arrives.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Demo {
    /// Who is signed in; `None` on a public path.
    pub(crate) visitor: Option<Visitor>,
    /// The request line: method and path.
    pub(crate) request: String,
    /// The host that was asked for.
    pub(crate) host: String,
    /// What Vestibule says about the visitor, name and value.
    pub(crate) identity_headers: Vec<(String, String)>,
    /// Everything else that arrived.
    pub(crate) other_headers: Vec<(String, String)>,
    pub(crate) sign_in: Href,
    pub(crate) account: Href,
    pub(crate) sign_out: Href,
}

/// The person at the demo.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Visitor {
    pub(crate) display_name: String,
    pub(crate) user_id: String,
    pub(crate) email: Option<String>,
}
