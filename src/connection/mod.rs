//! Ways in: one configured source of users is a [`Connection`]; the code behind it is a strategy.
//!
//! A login is a small machine: [`Connection::begin`] yields a [`Step`], the user agent carries it
//! out, and [`Connection::resume`] turns what came back into the next one, until
//! [`Step::Done`] holds an [`Authenticated`]. A strategy sees neither cookies nor pages nor
//! sessions: what it wants back later travels as opaque [`ConnectionData`] in the sealed flow.
//! What a strategy cannot do it does not offer: capabilities are asked for ([`Connection::inline`],
//! [`Connection::accounts`]). [`registry`] is the one table of strategies.

mod accounts;
mod beginnings;
mod cached;
pub(crate) mod catalog;
pub(crate) mod certificate;
mod claims;
mod config;
mod connections;
pub(crate) mod database;
mod discovery;
mod federation;
mod foreign;
pub(crate) mod http_store;
pub(crate) mod ldap;
mod login;
mod mailed;
pub(crate) mod mtls;
mod names;
mod new_password;
mod oauth;
pub(crate) mod oauth1;
pub(crate) mod oauth2;
mod offer;
pub(crate) mod oidc;
pub(crate) mod passkey;
pub(crate) mod passwordless;
mod proof;
mod recheck;
pub(crate) mod registry;
mod rejection;
pub(crate) mod saml;
mod sealed_rows;
mod seen;
mod sign_out;
pub(crate) mod sql;
mod step;
mod tended;
mod throttle;
mod tokens;
mod username;
pub(crate) mod wsfed;

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use self::{
    accounts::{AccountError, Accounts, Addressee, Migration, PreparedAccount, SignUp},
    claims::{Mapping, PATH_HINT, Paths, TooManyClaims},
    config::{
        Common, Demand, Field, Passed, SecondFactor, SyncProfile, TrustEmail, UpstreamParam,
        has_many_factors,
    },
    connections::{ConnectionSettings, Connections, MailRules},
    database::VerifyEmail,
    discovery::realm_of,
    login::{BadLogin, BadReply, LoginName, MOST_PASSWORD, Password, PasswordReply},
    mailed::{ByMail, CODE_LIFETIME, Claimed, EmailChange, Found, MailedProofs},
    new_password::{
        AtLogin, BadNewPassword, Config as PasswordConfig, Judged, NewPassword, NextPassword,
        NotNext, PasswordRules, Personal, Rule,
    },
    offer::{Offer, SharedForm},
    passwordless::{
        Asker, ByMessage, CodeFor, FACTOR_CODE_LIFETIME, FactorCodes, FoundSignIn, NoCode,
        NoSignIn, Passwordless, Phone, ReadsMail, Recipient, SentTo, SignInAsked, SignInProofs,
        SignInSecret,
    },
    proof::{Advice, Authenticated, Kept, Once, Proof},
    recheck::{Recheck, Rechecked},
    rejection::{Fault, Rejection},
    sealed_rows::SealedRows,
    seen::{Check, Said, Seen},
    sign_out::{
        Departure, Ended, EndedWhose, Leaving, LogoutMessage, LogoutReply, LogoutRequest, Notices,
        ProviderSession, SignOut, SingleLogout,
    },
    step::{
        AddressForm, AddressKind, ConnectionData, Form, InlineForm, LoginNames, NewPasswordForm,
        NewPasswordWhy, PasskeyForm, PasswordForm, Peer, ProviderForm, Reply, Start, Step, Wants,
    },
    tended::{Expiry, Tended},
    throttle::{
        AccountKey, Allowance, Allowed, Attempt, Budgets, Config as ProtectionConfig, Counters,
        KnownBrowser, TextCap, Throttle, Throttled,
    },
    tokens::{Lasting, ProviderTokens, Refresh, RefreshError, Refreshed},
    username::{
        BadUsername, Config as UsernameConfig, Letters, UsernameChange, UsernameRules,
        UsernamesChange,
    },
};
use crate::{identity::ConnectionId, store::Pin};

/// One configured way to sign in.
#[async_trait]
pub(crate) trait Connection: fmt::Debug + Send + Sync {
    /// Its name in the configuration.
    fn id(&self) -> &ConnectionId;
    /// What its name stands for; kept by the storage so that it cannot silently change.
    fn pin(&self) -> Pin;
    /// Whether [`begin`](Self::begin) is known to call the provider for each login: then it is
    /// counted by where it comes from.
    fn begins_with_a_call(&self) -> bool {
        false
    }
    /// Whether somebody from there may come in without a word: by a ticket that their browser is asked
    /// for, or by a certificate that it has shown.
    fn needs_no_word(&self, _: &Peer) -> bool {
        false
    }

    /// The first step of a login.
    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection>;
    /// The next step. `kept: None` is an answer that nobody asked for: refused unless the strategy
    /// opts in.
    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection>;
    /// Whose budget a try at a password with this name is paid from.
    async fn account_key(&self, login: LoginName) -> Result<AccountKey, Rejection> {
        Ok(AccountKey::Name(self.id().clone(), login))
    }
    /// Sign-up and change of password, where the credentials are ours.
    fn accounts(&self) -> Option<&dyn Accounts> {
        None
    }
    /// How far people have come who move here from a store elsewhere; `None`: nobody moves.
    async fn migration(&self) -> Option<Result<Migration, Rejection>> {
        None
    }
    /// A form that the login page can show before a connection is chosen.
    fn inline(&self) -> Option<InlineForm> {
        None
    }
    /// Sign-in by a message to an address that the person names.
    fn passwordless(&self) -> Option<&Passwordless> {
        None
    }
    /// Asks the provider for what a login needs of it first, for `check --online`.
    async fn reach(&self) -> Result<(), Rejection> {
        Ok(())
    }
    /// What is done and checked on the way, in order. Empty for a connection that asks with a form
    /// of ours.
    fn checks(&self) -> Vec<Check> {
        Vec::new()
    }
    /// Whose client certificates it takes, and where browsers are asked for them.
    fn certificates(&self) -> Option<&certificate::Desk> {
        None
    }
    /// What is done with passkeys, where it is one of these.
    fn passkeys(&self) -> Option<passkey::Passkeys<'_>> {
        None
    }
    /// Whether its provider answers at an assertion consumer service (SAML).
    fn takes_saml(&self) -> bool {
        false
    }
    /// SAML Single Logout: messages of the provider that the browser or the provider brings.
    fn single_logout(&self) -> Option<&dyn SingleLogout> {
        None
    }
    /// Signing out at the provider.
    fn sign_out(&self) -> Option<&dyn SignOut> {
        None
    }
    /// Whether the provider has the browser say that the person signed out there (WS-Federation 1.2
    /// section 13.2.4). Anybody could have it say so: it ends a session in this browser, no more.
    fn is_cleanup(&self, _: Reply<'_>) -> bool {
        false
    }
    /// Being told that somebody signed out there.
    fn notices(&self) -> Option<&dyn Notices> {
        None
    }
    /// The provider's tokens for the application, kept fresh.
    fn refresh(&self) -> Option<&dyn Refresh> {
        None
    }
    /// Asking the provider, without the person, whether what it said still holds.
    fn recheck(&self) -> Option<&dyn Recheck> {
        None
    }
    /// What this deployment says of itself as the provider's partner: SAML metadata.
    fn metadata(&self) -> Option<Result<String, Rejection>> {
        None
    }
    /// What the operator may want to know of it besides its settings: who the provider is, and until
    /// when its certificates are good. The provider may be asked for that.
    async fn facts(&self) -> Facts {
        Facts::new()
    }
    /// What is done now and then, whether people come or not: documents of the provider are read
    /// again.
    async fn tend(&self) -> Tended {
        Tended::default()
    }
    /// The public keys of this deployment as the provider's client: a JWK set (RFC 7517 section 5).
    fn jwks(&self) -> Option<Result<String, Rejection>> {
        None
    }
}

/// Names and values, for the operator.
pub(crate) type Facts = Map<String, Value>;
