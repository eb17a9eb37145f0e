//! What is counted, and what a budget has left of it.

use std::time::Duration;

use crate::clock::Timestamp;

/// What a counter counts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Counts {
    /// Logins that were begun from one address by a call to the provider.
    BegunAddress,
    /// The same from one network.
    BegunNetwork,
    /// Wrong codes out of messages to one address, from browsers it does not know.
    CodeGuess,
    /// The same within a day.
    CodeGuessDay,
    /// Wrong codes out of messages to one address, from one browser it knows.
    CodeGuessKnownBrowser,
    /// Wrong one-time passwords of one user.
    Factor,
    /// The same within a day.
    FactorDay,
    /// Messages with a code for the second step of one user.
    FactorMail,
    /// Failed logins to one account from browsers it does not know.
    LoginAccount,
    /// The same from one network.
    LoginAccountNetwork,
    /// Failed logins from one address.
    LoginAddress,
    /// Failed logins in all.
    LoginAll,
    /// Failed logins to one account from one browser it knows.
    LoginKnownBrowser,
    /// Failed logins from one network.
    LoginNetwork,
    /// Messages that were asked for from one address.
    MailAddress,
    /// Messages that were asked for in all.
    MailAll,
    /// Codes out of messages that were tried in one flow.
    MailCode,
    /// Messages that one browser asked for to an address that it knows.
    MailKnownBrowser,
    /// Messages that were asked for by one name.
    MailName,
    /// Messages that were asked for from one network.
    MailNetwork,
    /// Messages to one address.
    MailRecipient,
    /// Messages to one account at which too much was guessed.
    MailUnblock,
    /// Wrong recovery codes of one user.
    Recovery,
    /// Messages to sign in with, to one address.
    SignInMail,
    /// The same, asked for from one network.
    SignInMailNetwork,
    /// Sign-ups from one address.
    SignUpAddress,
    /// Sign-ups in all.
    SignUpAll,
    /// Sign-ups from one network.
    SignUpNetwork,
    /// Text messages that were asked for from one address.
    TextAddress,
    /// Text messages of one connection.
    TextAll,
    /// Text messages to the numbers of one block.
    TextBlock,
    /// Text messages to the numbers of one country.
    TextCountry,
    /// Text messages that one browser asked for to a number that it knows.
    TextKnownBrowser,
    /// Text messages that were asked for from one network.
    TextNetwork,
    /// Text messages to one number, within an hour.
    TextNumber,
    /// The same within a day.
    TextNumberDay,
}

impl Counts {
    /// The name in the store. Never reuse one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BegunAddress => "begun-address",
            Self::BegunNetwork => "begun-network",
            Self::CodeGuess => "code-guess",
            Self::CodeGuessDay => "code-guess-day",
            Self::CodeGuessKnownBrowser => "code-guess-known-browser",
            Self::Factor => "factor",
            Self::FactorDay => "factor-day",
            Self::FactorMail => "factor-mail",
            Self::LoginAccount => "login-account",
            Self::LoginAccountNetwork => "login-account-network",
            Self::LoginAddress => "login-address",
            Self::LoginAll => "login-all",
            Self::LoginKnownBrowser => "login-known-browser",
            Self::LoginNetwork => "login-network",
            Self::MailAddress => "mail-address",
            Self::MailAll => "mail-all",
            Self::MailCode => "mail-code",
            Self::MailKnownBrowser => "mail-known-browser",
            Self::MailName => "mail-name",
            Self::MailNetwork => "mail-network",
            Self::MailRecipient => "mail-recipient",
            Self::MailUnblock => "mail-unblock",
            Self::Recovery => "recovery",
            Self::SignInMail => "sign-in-mail",
            Self::SignInMailNetwork => "sign-in-mail-network",
            Self::SignUpAddress => "sign-up-address",
            Self::SignUpAll => "sign-up-all",
            Self::SignUpNetwork => "sign-up-network",
            Self::TextAddress => "text-address",
            Self::TextAll => "text-all",
            Self::TextBlock => "text-block",
            Self::TextCountry => "text-country",
            Self::TextKnownBrowser => "text-known-browser",
            Self::TextNetwork => "text-network",
            Self::TextNumber => "text-number",
            Self::TextNumberDay => "text-number-day",
        }
    }
}

/// One of a fixed number of counters: 65,536 for each thing counted. Whoever counts maps a key to
/// a slot with a secret hash, so an outsider can neither grow the store nor aim at a slot.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Counter {
    pub(crate) counts: Counts,
    pub(crate) slot: u16,
}

/// One use of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spend {
    pub(crate) counter: Counter,
    pub(crate) limit: u32,
    pub(crate) window: Duration,
}

/// Whether there was something left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Budget {
    Exhausted { until: Timestamp },
    Spent { left: u32 },
}
