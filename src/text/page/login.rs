//! What people see on their way in.

use serde::Serialize;

use super::{
    Button, Href, Names, PasswordRule, Post,
    passkey::{PasskeyAccount, PasskeyProblem, PasskeyWay},
};
use crate::text::message::Text;

/// The ways in: buttons, a form, or both.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Login {
    /// The host of the page that was wanted.
    pub(crate) destination: Option<String>,
    pub(crate) notice: Option<Notice>,
    pub(crate) problem: Option<LoginProblem>,
    pub(crate) form: Option<LoginForm>,
    pub(crate) buttons: Vec<Button>,
    /// The way in by a passkey, which the browser also offers in the input of the form.
    pub(crate) passkey: Option<PasskeyWay>,
    /// Where strangers make an account.
    pub(crate) sign_up: Option<Href>,
    /// Back to all ways in, when this page shows one connection only.
    pub(crate) others: Option<Href>,
    /// The fragment of the page that was wanted, as far as it is known yet.
    pub(crate) fragment: String,
}

/// The form on the login page. The inputs are `login` and `password`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum LoginForm {
    /// An address that a message is sent to.
    Address {
        post: Post,
        names: AddressNames,
        login: String,
    },
    /// The name alone: the domain of an e-mail address decides what comes next.
    Identifier {
        post: Post,
        names: Names,
        login: String,
    },
    /// A name and a password together.
    Password {
        post: Post,
        names: Names,
        /// What was typed before, or hinted at.
        login: String,
        /// The name is settled; this leads back to change it.
        change: Option<Href>,
        /// Where a forgotten password is replaced.
        forgot: Option<Href>,
        /// Where a certificate is shown instead.
        certificate: Option<Href>,
    },
    /// The password was right and must be replaced: the inputs are `password` and `new_password`.
    NewPassword {
        post: Post,
        /// The name, which is settled.
        login: String,
        why: WhyNewPassword,
        /// What the new one must be like; none where nobody tells.
        rules: Vec<PasswordRule>,
    },
}

/// What kind of address it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AddressNames {
    Email,
    Phone,
}

/// Why a password must be replaced.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum WhyNewPassword {
    /// It is known from a leak.
    Breached,
    Expired,
    MustChange,
}

impl From<WhyNewPassword> for Text {
    fn from(why: WhyNewPassword) -> Self {
        Self::new(match why {
            WhyNewPassword::Breached => "new-password.breached",
            WhyNewPassword::Expired => "new-password.expired",
            WhyNewPassword::MustChange => "new-password.must-change",
        })
    }
}

/// Why the person sees this page, where they may wonder.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum Notice {
    /// The person deleted their own account.
    AccountDeleted,
    /// The page wanted needs another way in than the one used so far.
    OtherAccount {
        signed_in_as: String,
    },
    /// The page wanted needs a login that is newer than this one.
    Reauthenticate,
    SignedOut,
    /// The page wanted needs a stronger login.
    StepUp,
}

impl From<Notice> for Text {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::AccountDeleted => Self::new("notice.account-deleted"),
            Notice::OtherAccount { signed_in_as } => {
                Self::new("notice.other-account").with("name", signed_in_as)
            }
            Notice::Reauthenticate => Self::new("notice.reauthenticate"),
            Notice::SignedOut => Self::new("notice.signed-out"),
            Notice::StepUp => Self::new("notice.step-up"),
        }
    }
}

/// Why the last try did not sign anybody in. Only who had the right password learns more of an
/// account.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum LoginProblem {
    /// The password was right, and nobody may use the account.
    AccountClosed,
    Busy,
    /// Nothing says where this person signs in.
    NoConnection,
    Passkey(PasskeyProblem),
    /// The provider does not take the new password.
    NewPasswordRefused,
    /// What was typed is no address that a message could be sent to.
    NoAddress,
    /// What was typed is no telephone number that is written to.
    NoPhone,
    /// The password was right, is too old, and cannot be replaced here.
    PasswordExpired,
    /// No more messages are sent for a while.
    TooManyMessages {
        minutes: u64,
    },
    TooManyTries {
        minutes: u64,
    },
    WrongCredentials,
}

impl From<LoginProblem> for Text {
    fn from(problem: LoginProblem) -> Self {
        match problem {
            LoginProblem::AccountClosed => Self::new("problem.account-closed"),
            LoginProblem::Busy => Self::new("problem.busy"),
            LoginProblem::NoConnection => Self::new("problem.no-connection"),
            LoginProblem::Passkey(problem) => problem.into(),
            LoginProblem::NewPasswordRefused => Self::new("problem.new-password-refused"),
            LoginProblem::NoAddress => Self::new("problem.no-address"),
            LoginProblem::NoPhone => Self::new("problem.no-phone"),
            LoginProblem::TooManyMessages { minutes } => {
                Self::new("problem.too-many-messages").count(minutes)
            }
            LoginProblem::PasswordExpired => Self::new("problem.password-expired"),
            LoginProblem::TooManyTries { minutes } => {
                Self::new("problem.too-many-tries").count(minutes)
            }
            LoginProblem::WrongCredentials => Self::new("problem.wrong-credentials"),
        }
    }
}

/// Several connections serve one e-mail domain, or one network.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChooseConnection {
    pub(crate) destination: Option<String>,
    /// What was typed; without it, the visitor's network says that it is one of these.
    pub(crate) login: Option<String>,
    pub(crate) buttons: Vec<Button>,
    /// Back to all ways in, or to type another address.
    pub(crate) change: Href,
}

/// A stranger makes an account. The inputs are `name`, `email`, `username` and `password`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignUp {
    pub(crate) destination: Option<String>,
    pub(crate) form: NewAccount,
    /// For those who have an account.
    pub(crate) sign_in: Href,
    pub(crate) fragment: String,
}

/// The first-run link: whoever holds it makes the owner's account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Owner {
    /// By a password, where a connection keeps one.
    pub(crate) form: Option<NewAccount>,
    /// By a passkey, where a connection takes one.
    pub(crate) passkey: Option<PasskeyAccount>,
    pub(crate) fragment: String,
}

/// The form that makes an account, with what was typed and what was wrong with it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewAccount {
    pub(crate) post: Post,
    /// What people call the connection that keeps the account.
    pub(crate) display_name: String,
    pub(crate) names: Names,
    pub(crate) name: Field,
    pub(crate) email: Field,
    pub(crate) username: Field,
    /// What a username is like.
    pub(crate) username_hint: UsernameHint,
    /// The password is never shown again.
    pub(crate) password_problem: Option<FieldProblem>,
    /// What a password must be like.
    pub(crate) rules: Vec<PasswordRule>,
    /// What is wrong with no field in particular.
    pub(crate) problem: Option<LoginProblem>,
}

/// What a username is like.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) struct UsernameHint {
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// The letters `a` to `z` alone.
    pub(crate) ascii: bool,
    /// What else can be in it.
    pub(crate) symbols: String,
}

impl From<UsernameHint> for Text {
    fn from(hint: UsernameHint) -> Self {
        let spaced: Vec<String> = hint.symbols.chars().map(String::from).collect();
        let text = Self::new(match (hint.ascii, spaced.is_empty()) {
            (false, false) => "username.hint",
            (false, true) => "username.hint-plain",
            (true, false) => "username.hint-ascii",
            (true, true) => "username.hint-ascii-plain",
        });
        let text = text.with("least", hint.least).with("most", hint.most);
        if spaced.is_empty() {
            text
        } else {
            // They stay on one line.
            text.with("symbols", spaced.join("\u{a0}"))
        }
    }
}

/// An input with what it holds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Field {
    pub(crate) value: String,
    pub(crate) problem: Option<FieldProblem>,
}

/// What is wrong with an input.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum FieldProblem {
    BadEmail,
    BadPicture,
    /// Some of the rules beside it are not met.
    PasswordRefused,
    PasswordTooLong {
        most: usize,
    },
    /// The e-mail address or username signs in somebody already.
    Taken,
    TooLong {
        most: usize,
    },
    TooShort {
        least: usize,
    },
    /// Something is in it that the hint beside it does not name.
    UsernameCharacters,
    UsernameIsAddress,
    UsernameMissing,
    UsernameReserved,
    /// Somebody else has it.
    UsernameTaken,
    WrongPassword,
}

impl From<FieldProblem> for Text {
    fn from(problem: FieldProblem) -> Self {
        match problem {
            FieldProblem::BadEmail => Self::new("field.bad-email"),
            FieldProblem::BadPicture => Self::new("field.bad-picture"),
            FieldProblem::PasswordRefused => Self::new("field.password-refused"),
            FieldProblem::PasswordTooLong { most } => {
                Self::new("field.password-too-long").with("most", most)
            }
            FieldProblem::Taken => Self::new("field.taken"),
            FieldProblem::TooLong { most } => Self::new("field.too-long").with("most", most),
            FieldProblem::TooShort { least } => Self::new("field.too-short").with("least", least),
            FieldProblem::UsernameCharacters => Self::new("field.username-characters"),
            FieldProblem::UsernameIsAddress => Self::new("field.username-is-address"),
            FieldProblem::UsernameMissing => Self::new("field.username-missing"),
            FieldProblem::UsernameReserved => Self::new("field.username-reserved"),
            FieldProblem::UsernameTaken => Self::new("field.username-taken"),
            FieldProblem::WrongPassword => Self::new("field.wrong-password"),
        }
    }
}

/// A form was sent without a session; what it held was not passed on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignInAgain {
    /// The host the form was for.
    pub(crate) destination: String,
    pub(crate) sign_in: Href,
}

/// The login cannot go on and must begin again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StartAgain {
    pub(crate) why: StartAgainWhy,
    pub(crate) again: Href,
    pub(crate) request_id: String,
}

/// Why a login cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "Text")]
pub(crate) enum StartAgainWhy {
    /// It was finished already, perhaps in another tab.
    AlreadyUsed,
    /// The operator changed the connection meanwhile.
    ConnectionChanged,
    /// It took too long.
    Expired,
    /// The cookie that ties it to this browser is missing or not ours.
    NoFlow,
}

impl From<StartAgainWhy> for Text {
    fn from(why: StartAgainWhy) -> Self {
        Self::new(match why {
            StartAgainWhy::AlreadyUsed => "start-again.already-used",
            StartAgainWhy::ConnectionChanged => "start-again.connection-changed",
            StartAgainWhy::Expired => "start-again.expired",
            StartAgainWhy::NoFlow => "start-again.no-flow",
        })
    }
}

/// The browser was sent round and round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoopBroken {
    pub(crate) cause: LoopCause,
    pub(crate) again: Href,
    pub(crate) request_id: String,
}

/// What makes a browser come back without a session each time.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "LoopTexts")]
pub(crate) enum LoopCause {
    /// No cookie of ours came back.
    CookiesBlocked,
    /// The cookie comes back and is refused.
    SessionRefused,
}

/// A cause as the page says it.
#[derive(Serialize)]
struct LoopTexts {
    cause: Text,
    advice: Text,
}

impl From<LoopCause> for LoopTexts {
    fn from(cause: LoopCause) -> Self {
        let (cause, advice) = match cause {
            LoopCause::CookiesBlocked => ("loop.cookies", "loop.cookies-advice"),
            LoopCause::SessionRefused => ("loop.session", "loop.session-advice"),
        };
        Self {
            cause: Text::new(cause),
            advice: Text::new(advice),
        }
    }
}
