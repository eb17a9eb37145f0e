//! The pages as data: one struct for each, so that none is drawn with something missing.
//!
//! Whoever answers a request fills in one of these and hands it to
//! [`Pages::render`](super::Pages::render). A page holds finished values: addresses that were
//! parsed ([`Href`]), forms that carry their CSRF token ([`Post`]), and messages by name
//! ([`Text`](super::message::Text)), never a sentence and never markup. The templates decide how
//! it looks, the catalogue what it says. [`sample`] has one of everything: the templates are tried
//! with it when they are loaded.

pub(crate) mod account;
pub(crate) mod factor;
pub(crate) mod failure;
pub(crate) mod login;
pub(crate) mod mail;
pub(crate) mod onward;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod sample;

use serde::Serialize;
use url::Url;

pub(crate) use account::{Account, DeleteAccount, Demo, SignOut, SignedOut};
pub(crate) use factor::{Enrol, Factor, NewRecoveryCodes};
pub(crate) use failure::Failure;
pub(crate) use login::{
    ChooseConnection, Login, LoopBroken, Owner, SignInAgain, SignUp, StartAgain,
};
pub(crate) use mail::{CheckMail, ConfirmLink, Forgot, MailDone, NewPassword, TypeCode};
pub(crate) use onward::{Advised, ConfirmSignIn, Onward, PostOnward, Repost, SwitchUser, Trial};
pub(crate) use passkey::{NewPasskey, PasskeySignUp};
pub(crate) use password::{Check, PasswordRule, RuleText};

/// A page of ours with everything it shows.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Page {
    Account(Box<Account>),
    Advised(Advised),
    CheckMail(CheckMail),
    ChooseConnection(ChooseConnection),
    ConfirmLink(ConfirmLink),
    ConfirmSignIn(ConfirmSignIn),
    DeleteAccount(DeleteAccount),
    Demo(Demo),
    Enrol(Enrol),
    Factor(Factor),
    Failure(Failure),
    Forgot(Forgot),
    Login(Login),
    LoopBroken(LoopBroken),
    MailDone(MailDone),
    NewPasskey(NewPasskey),
    NewPassword(NewPassword),
    NewRecoveryCodes(NewRecoveryCodes),
    Onward(Onward),
    Owner(Owner),
    PasskeySignUp(PasskeySignUp),
    PostOnward(PostOnward),
    Repost(Repost),
    SignInAgain(SignInAgain),
    SignOut(SignOut),
    SignUp(SignUp),
    SignedOut(SignedOut),
    StartAgain(StartAgain),
    SwitchUser(SwitchUser),
    Trial(Trial),
    TypeCode(TypeCode),
}

impl Page {
    /// The file that draws it.
    pub(crate) const fn template(&self) -> &'static str {
        match self {
            Self::Account(_) => "account.html",
            Self::Advised(_) => "advised.html",
            Self::CheckMail(_) => "check-mail.html",
            Self::ConfirmLink(_) => "confirm-link.html",
            Self::Forgot(_) => "forgot.html",
            Self::MailDone(_) => "mail-done.html",
            Self::NewPasskey(_) => "new-passkey.html",
            Self::NewPassword(_) => "reset.html",
            Self::ChooseConnection(_) => "choose-connection.html",
            Self::ConfirmSignIn(_) => "confirm-sign-in.html",
            Self::DeleteAccount(_) => "delete-account.html",
            Self::Demo(_) => "demo.html",
            Self::Enrol(_) => "enrol.html",
            Self::Factor(_) => "factor.html",
            Self::Failure(_) => "failure.html",
            Self::Login(_) => "login.html",
            Self::LoopBroken(_) => "loop-broken.html",
            Self::NewRecoveryCodes(_) => "recovery-codes.html",
            Self::Onward(_) => "onward.html",
            Self::Owner(_) => "owner.html",
            Self::PasskeySignUp(_) => "passkey-sign-up.html",
            Self::PostOnward(_) => "post-onward.html",
            Self::Repost(_) => "repost.html",
            Self::SignInAgain(_) => "sign-in-again.html",
            Self::SignOut(_) => "sign-out.html",
            Self::SignUp(_) => "sign-up.html",
            Self::SignedOut(_) => "signed-out.html",
            Self::StartAgain(_) => "start-again.html",
            Self::SwitchUser(_) => "switch-user.html",
            Self::Trial(_) => "trial.html",
            Self::TypeCode(_) => "type-code.html",
        }
    }

    /// The scripts it may carry.
    pub(crate) const fn scripts(&self) -> &'static [Script] {
        match self {
            Self::ChooseConnection(_) => &[Script::Fragment],
            Self::SignUp(_) => &[Script::Fragment, Script::NewPassword],
            Self::Login(_) | Self::Owner(_) => {
                &[Script::Fragment, Script::NewPassword, Script::Passkey]
            }
            Self::Enrol(_) | Self::Factor(_) | Self::NewPasskey(_) => &[Script::Passkey],
            Self::PasskeySignUp(_) => &[Script::Fragment, Script::Passkey],
            Self::Account(_) | Self::NewPassword(_) => &[Script::NewPassword],
            Self::PostOnward(_) | Self::Repost(_) => &[Script::Submit],
            Self::Advised(_)
            | Self::CheckMail(_)
            | Self::ConfirmLink(_)
            | Self::ConfirmSignIn(_)
            | Self::DeleteAccount(_)
            | Self::Demo(_)
            | Self::Failure(_)
            | Self::Forgot(_)
            | Self::LoopBroken(_)
            | Self::MailDone(_)
            | Self::NewRecoveryCodes(_)
            | Self::Onward(_)
            | Self::SignInAgain(_)
            | Self::SignOut(_)
            | Self::SignedOut(_)
            | Self::StartAgain(_)
            | Self::SwitchUser(_)
            | Self::Trial(_)
            | Self::TypeCode(_) => &[],
        }
    }
}

impl Page {
    /// Whether its form leaves the site.
    pub(crate) const fn leaves(&self) -> bool {
        matches!(self, Self::PostOnward(_))
    }
}

/// The inline scripts. No page needs one but for passkeys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Script {
    /// Keeps the fragment of the page that was wanted through the login.
    Fragment,
    /// Marks the rules for a new password while it is typed.
    NewPassword,
    /// Asks the browser for passkeys.
    Passkey,
    /// Submits the only form of the page.
    Submit,
}

impl Script {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Fragment,
        Self::NewPassword,
        Self::Passkey,
        Self::Submit,
    ];

    /// What a template calls it: `{{ script("fragment") }}`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fragment => "fragment",
            Self::NewPassword => "new-password",
            Self::Passkey => "passkey",
            Self::Submit => "submit",
        }
    }

    /// The script, byte for byte as the page holds it and as the policy hashes it.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Fragment => include_str!("../templates/fragment.js"),
            Self::NewPassword => include_str!("../templates/new-password.js"),
            Self::Passkey => include_str!("../templates/passkey.js"),
            Self::Submit => include_str!("../templates/submit.js"),
        }
    }
}

/// An address that a link or a form may hold: a path of this host or an `http` or `https` URL.
/// `javascript:` and its like cannot be one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Href(String);

impl Href {
    /// Takes `/path?query`; `None` for anything a browser could read as another host.
    pub(crate) fn path(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '\'' | '<' | '>');
        let local = text.starts_with('/') && !text.starts_with("//");
        (local && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The start page.
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }

    /// Takes an absolute URL, already parsed; `None` for another scheme than `http` and `https`.
    pub(crate) fn url(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then(|| Self(url.as_str().replace('\'', "%27")))
    }

    /// An address that is one for certain.
    pub(super) fn sample(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The address as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A form that changes something: it cannot exist without its CSRF token.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Post {
    /// Where it is sent.
    pub(crate) action: Href,
    /// The value of the input `csrf`.
    pub(crate) csrf: String,
    /// What else travels with it unseen: the flow's id, the row that is meant.
    pub(crate) hidden: Vec<Hidden>,
}

/// A hidden input.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hidden {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What a person types as the name to sign in with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Names {
    Email,
    EmailOrUsername,
    Username,
}

/// A link that goes on with one connection. Links, not forms: Chrome applies `form-action` to the
/// redirects that follow a submit, and these leave the site.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Button {
    /// The connection's name.
    pub(crate) connection: String,
    /// What people call it.
    pub(crate) display_name: String,
    /// What `icon` or the strategy is called.
    pub(crate) icon: Option<String>,
    pub(crate) href: Href,
    /// Whether this browser signed in with it the last time.
    pub(crate) last_used: bool,
}

/// Declares [`Icon`] from the files in `icons/`.
macro_rules! icons {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A picture for a connection, built in. The brands' marks are those of Simple Icons (CC0),
        /// Google's and Microsoft's in their own colours.
        #[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
        pub(crate) enum Icon {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $variant,)+
        }

        impl Icon {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the configuration.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The SVG.
            pub(crate) const fn svg(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../icons/", $name, ".svg"))),+
                }
            }
        }
    };
}

icons! {
    Apple = "apple", Auth0 = "auth0", Bitbucket = "bitbucket", Building = "building",
    Discord = "discord", Facebook = "facebook", Fingerprint = "fingerprint",
    Forgejo = "forgejo", Gitea = "gitea", GitHub = "github", GitLab = "gitlab",
    Google = "google", Key = "key", Keycloak = "keycloak", LinkedIn = "linkedin",
    Mail = "mail", Microsoft = "microsoft", Okta = "okta", Person = "person",
    Phone = "phone", Slack = "slack", Twitch = "twitch", X = "x",
}

impl Icon {
    /// The icon that a connection's `icon` or strategy names.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let name = match name {
            "database" | "sql" | "ldap" | "http" => "person",
            "email" => "mail",
            "adfs" | "azure" | "entra" => "microsoft",
            "github-enterprise" => "github",
            "google-workspace" => "google",
            "passkey" => "fingerprint",
            "saml" | "wsfed" => "building",
            "sms" => "phone",
            "x-oauth1" => "x",
            other => other,
        };
        Self::ALL.iter().copied().find(|icon| icon.name() == name)
    }
}
