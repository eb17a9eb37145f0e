//! What is said by mail: one variant for each occasion, drawn by `mail.html` and `mail.txt`.
//!
//! Both templates get the same `letter`: its `kind`, a subject, a title, sentences, at most one
//! button with a link, at most one code. What a stranger typed is in none of them but the address
//! that a change is about, so nobody can have us send their words to somebody else.

mod samples;

use std::time::Duration;

use serde::Serialize;

pub(crate) use self::samples::samples;
use super::{message::Text, page::Href};

/// A message by mail, not yet in a language.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "Sheet")]
pub(crate) enum Letter {
    /// Somebody wanted an account for an address that has one.
    AccountExists {
        sign_in: Href,
        /// Where a new password is to be had, if there is such a place.
        reset: Option<Href>,
    },
    /// The address of the account is another one from now on; to the old one.
    AddressChanged { new: String },
    /// The old address is asked whether the account may have a new one.
    AllowNewAddress {
        new: String,
        link: Href,
        lifetime: Duration,
    },
    /// Whoever reads this has the address that an account was made with.
    ConfirmAddress(Proof),
    /// Whoever reads this has the address that an account shall have from now on.
    ConfirmNewAddress(Proof),
    /// The password is another one from now on.
    PasswordChanged {
        /// Where to get a new one, for whom it was not.
        reset: Option<Href>,
    },
    /// Whoever reads this may choose a new password.
    ResetPassword(Proof),
    /// The second step of a sign-in whose first one is done.
    SecondStep {
        code: String,
        lifetime: Duration,
        /// Where it is done from.
        address: Option<String>,
        /// By which browser and system, if they are known ones.
        device: Option<String>,
    },
    /// Whoever reads this may sign in, in the browser that asked.
    SignIn {
        proof: Proof,
        code_in_subject: bool,
        /// Where it was asked from.
        address: Option<String>,
        /// By which browser and system, if they are known ones.
        device: Option<String>,
    },
    /// There is one more way to sign in.
    SignInMethodAdded { method: AddedMethod, account: Href },
    /// Too much was guessed at the account; whoever reads this may try on.
    Unblock { link: Href, lifetime: Duration },
    /// The username is another one from now on.
    UsernameChanged { account: Href },
    /// The account is made.
    Welcome { sign_in: Href },
}

/// What somebody signs in with from now on.
#[derive(Clone, Debug)]
pub(crate) enum AddedMethod {
    /// A connection, by its display name.
    Connection(String),
    Passkey,
}

impl Letter {
    /// What the occasion is called in the templates and the log.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::AccountExists { .. } => "account-exists",
            Self::AddressChanged { .. } => "address-changed",
            Self::AllowNewAddress { .. } => "allow-new-address",
            Self::ConfirmAddress(_) => "confirm-address",
            Self::ConfirmNewAddress(_) => "confirm-new-address",
            Self::PasswordChanged { .. } => "password-changed",
            Self::ResetPassword(_) => "reset-password",
            Self::SecondStep { .. } => "second-step",
            Self::SignIn { .. } => "sign-in",
            Self::SignInMethodAdded { .. } => "sign-in-method-added",
            Self::Unblock { .. } => "unblock",
            Self::UsernameChanged { .. } => "username-changed",
            Self::Welcome { .. } => "welcome",
        }
    }
}

/// What proves that a person reads the mail of an address.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) link: Href,
    /// How long the link is good.
    pub(crate) lifetime: Duration,
    /// For the browser that asked.
    pub(crate) code: Option<String>,
    /// How long the code is good.
    pub(crate) code_lifetime: Duration,
}

/// What the templates see.
#[derive(Serialize)]
struct Sheet {
    kind: &'static str,
    subject: Text,
    title: Text,
    text: Vec<Text>,
    button: Option<Button>,
    code: Option<Code>,
    facts: Vec<Fact>,
    /// In small print.
    after: Vec<Text>,
}

#[derive(Serialize)]
struct Button {
    label: Text,
    href: Href,
}

/// What was seen of a request, with its label.
#[derive(Serialize)]
struct Fact {
    label: Text,
    value: String,
}

#[derive(Serialize)]
struct Code {
    digits: String,
    text: Text,
}

impl Sheet {
    fn about(kind: &'static str, subject: &'static str, title: &'static str) -> Self {
        Self {
            kind,
            subject: Text::new(subject),
            title: Text::new(title),
            text: Vec::new(),
            button: None,
            code: None,
            facts: Vec::new(),
            after: Vec::new(),
        }
    }

    fn text(mut self, text: Text) -> Self {
        self.text.push(text);
        self
    }

    fn after(mut self, text: Text) -> Self {
        self.after.push(text);
        self
    }

    fn button(mut self, label: &'static str, href: Href) -> Self {
        let label = Text::new(label);
        self.button = Some(Button { label, href });
        self
    }

    fn maybe_button(self, label: &'static str, href: Option<Href>) -> Self {
        match href {
            Some(href) => self.button(label, href),
            None => self,
        }
    }

    fn fact(mut self, label: &'static str, value: Option<String>) -> Self {
        let label = Text::new(label);
        self.facts.extend(value.map(|value| Fact { label, value }));
        self
    }

    fn code(mut self, digits: String, text: Text) -> Self {
        self.code = Some(Code { digits, text });
        self
    }

    fn proof(self, label: &'static str, proof: Proof) -> Self {
        let lasts = link_lasts(proof.lifetime);
        let minutes = whole(proof.code_lifetime, 60);
        let text = || Text::new("mail.code").count(minutes);
        let code = proof.code.map(|digits| Code {
            digits,
            text: text(),
        });
        Self {
            code,
            ..self.button(label, proof.link).after(lasts)
        }
    }
}

/// How long a link works.
fn link_lasts(lifetime: Duration) -> Text {
    match lifetime.as_secs() {
        0..=7200 => Text::new("mail.link-minutes").count(whole(lifetime, 60)),
        7201..=172_800 => Text::new("mail.link-hours").count(whole(lifetime, 3600)),
        _ => Text::new("mail.link-days").count(whole(lifetime, 86_400)),
    }
}

fn whole(lifetime: Duration, unit: u64) -> u64 {
    (lifetime.as_secs() / unit).max(1)
}

fn unblock(kind: &'static str, link: Href, lifetime: Duration) -> Sheet {
    Sheet::about(kind, "mail.unblock.subject", "mail.unblock.title")
        .text(Text::new("mail.unblock.text"))
        .text(Text::new("mail.unblock.if-you"))
        .button("mail.unblock.button", link)
        .after(link_lasts(lifetime))
        .after(Text::new("mail.unblock.not-you"))
}

fn sign_in(kind: &'static str, proof: Proof, code_in_subject: bool) -> Sheet {
    let mut sheet = Sheet::about(kind, "mail.sign-in.subject", "mail.sign-in.title");
    if let Some(code) = proof.code.as_ref().filter(|_| code_in_subject) {
        sheet.subject = Text::new("mail.sign-in.subject-with-code").with("code", code);
    }
    sheet
        .text(Text::new("mail.sign-in.text"))
        .proof("mail.sign-in.button", proof)
        .after(Text::new("mail.sign-in.elsewhere"))
}

fn second_step(kind: &'static str, (code, lifetime): (String, Duration)) -> Sheet {
    let lasts = Text::new("mail.second-step.code").count(whole(lifetime, 60));
    Sheet::about(kind, "mail.second-step.subject", "mail.second-step.title")
        .text(Text::new("mail.second-step.text"))
        .code(code, lasts)
        .after(Text::new("mail.second-step.not-you"))
}

fn account_exists(kind: &'static str, sign_in: Href, reset: Option<Href>) -> Sheet {
    let [subject, title] = ["mail.account-exists.subject", "mail.account-exists.title"];
    let sheet = Sheet::about(kind, subject, title)
        .text(Text::new("mail.account-exists.text"))
        .after(Text::new("mail.ignore"));
    match reset {
        Some(reset) => sheet
            .text(Text::new("mail.account-exists.forgot"))
            .button("mail.reset-password.button", reset),
        None => sheet.button("action.sign-in", sign_in),
    }
}

/// Who asked, and that it is of no consequence if that was somebody else.
fn asked_from(address: Option<String>, device: Option<String>) -> Text {
    match (address, device) {
        (Some(address), Some(device)) => Text::new("mail.asked-from.both")
            .with("address", address)
            .with("device", device),
        (Some(address), None) => Text::new("mail.asked-from.address").with("address", address),
        (None, Some(device)) => Text::new("mail.asked-from.device").with("device", device),
        (None, None) => Text::new("mail.ignore"),
    }
}

impl From<Letter> for Sheet {
    fn from(letter: Letter) -> Self {
        let ignore = || Text::new("mail.ignore");
        let not_you = || Text::new("mail.not-you");
        let kind = letter.kind();
        match letter {
            Letter::AccountExists { sign_in, reset } => account_exists(kind, sign_in, reset),
            Letter::AddressChanged { new } => Self::about(
                kind,
                "mail.address-changed.subject",
                "mail.address-changed.title",
            )
            .text(Text::new("mail.address-changed.text").with("address", new))
            .after(not_you()),
            Letter::AllowNewAddress {
                new,
                link,
                lifetime,
            } => Self::about(
                kind,
                "mail.allow-new-address.subject",
                "mail.allow-new-address.title",
            )
            .text(Text::new("mail.allow-new-address.text").with("address", new))
            .button("mail.allow-new-address.button", link)
            .after(link_lasts(lifetime))
            .after(Text::new("mail.allow-new-address.not-you")),
            Letter::ConfirmAddress(proof) => Self::about(
                kind,
                "mail.confirm-address.subject",
                "mail.confirm-address.title",
            )
            .text(Text::new("mail.confirm-address.text"))
            .proof("mail.confirm-address.button", proof)
            .after(ignore()),
            Letter::ConfirmNewAddress(proof) => Self::about(
                kind,
                "mail.confirm-address.subject",
                "mail.confirm-address.title",
            )
            .text(Text::new("mail.confirm-new-address.text"))
            .proof("mail.confirm-address.button", proof)
            .after(ignore()),
            Letter::PasswordChanged { reset } => Self::about(
                kind,
                "mail.password-changed.subject",
                "mail.password-changed.title",
            )
            .text(Text::new("mail.password-changed.text"))
            .text(Text::new("mail.password-changed.not-you"))
            .maybe_button("mail.reset-password.button", reset),
            Letter::ResetPassword(proof) => Self::about(
                kind,
                "mail.reset-password.subject",
                "mail.reset-password.title",
            )
            .text(Text::new("mail.reset-password.text"))
            .proof("mail.reset-password.button", proof)
            .after(Text::new("mail.reset-password.ignore")),
            Letter::SecondStep {
                code,
                lifetime,
                address,
                device,
            } => second_step(kind, (code, lifetime))
                .fact("type-code.address", address)
                .fact("type-code.device", device),
            Letter::SignIn {
                proof,
                code_in_subject,
                address,
                device,
            } => sign_in(kind, proof, code_in_subject).after(asked_from(address, device)),
            Letter::SignInMethodAdded { method, account } => Self::about(
                kind,
                "mail.sign-in-method-added.subject",
                "mail.sign-in-method-added.title",
            )
            .text(match method {
                AddedMethod::Connection(name) => {
                    Text::new("mail.sign-in-method-added.text").with("method", name)
                }
                AddedMethod::Passkey => Text::new("mail.sign-in-method-added.text-passkey"),
            })
            .button("action.account", account)
            .after(not_you()),
            Letter::Unblock { link, lifetime } => unblock(kind, link, lifetime),
            Letter::UsernameChanged { account } => Self::about(
                kind,
                "mail.username-changed.subject",
                "mail.username-changed.title",
            )
            .text(Text::new("mail.username-changed.text"))
            .button("action.account", account)
            .after(not_you()),
            Letter::Welcome { sign_in } => {
                Self::about(kind, "mail.welcome.subject", "mail.welcome.title")
                    .text(Text::new("mail.welcome.text"))
                    .button("action.sign-in", sign_in)
            }
        }
    }
}
