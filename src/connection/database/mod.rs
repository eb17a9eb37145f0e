//! People whose passwords are kept here.
//!
//! A sign-in asks for a name and a password ([`Form::Password`]), looks the name up in its one
//! normalised form, and verifies the password against the account's hash, or against a dummy of
//! the same cost where there is none: whoever watches the answer or the clock learns nothing about
//! who has an account. It hashes only with the proof that the try was paid for (see
//! [`Throttle`](super::Throttle)), and an account whose stored hash is damaged is one that nobody
//! signs in to, with an error in the log.
//!
//! The subject of an account is random and says nothing; e-mail address and username are names to
//! sign in with, unique over both kinds, and can change. A username cannot look like an e-mail
//! address. What a login asserts is the account's names, and the rest of the profile as it was
//! last asserted: here nobody else knows better.

mod accounts;
mod config;
mod mailed;
mod renamed;
#[cfg(test)]
mod tests;

use std::{error::Error, sync::Arc};

use async_trait::async_trait;

pub(crate) use self::config::{Config, VerifyEmail};
use super::{
    AccountKey, Accounts, Advice, AtLogin, Authenticated, Common, Connection, ConnectionData,
    Fault, Form, InlineForm, LoginName, LoginNames, Password, PasswordForm, PasswordReply,
    PasswordRules, Peer, Rejection, Reply, Start, Step, SyncProfile, TrustEmail, UsernameRules,
    registry::{OpenConnection, Parts},
};
use crate::{
    crypto::{HashError, Verified},
    identity::{ConnectionId, Groups, Identity, Profile},
    problem::Problem,
    store::{AccountRecord, Pin},
};

/// A connection whose accounts are in the storage.
#[derive(Debug)]
pub(crate) struct Database {
    id: ConnectionId,
    names: LoginNames,
    signup: bool,
    /// Whether an account needs an address.
    needs_email: bool,
    rules: PasswordRules,
    usernames: UsernameRules,
    /// Whether people change theirs.
    lets_rename: bool,
    parts: Parts,
}

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let mut problems = self.own_problems();
        if common.trust_email == TrustEmail::Always {
            let message = "anybody can sign up with any e-mail address here";
            problems
                .push(Problem::new("trust_email", message).hint("use \"verified\" or \"never\""));
        }
        if !common.claims.is_empty() {
            problems.push(Problem::new(
                "claims",
                "a database connection has no provider to map from",
            ));
        }
        if !common.upstream_params.is_empty() {
            let message = "a database connection sends nobody to a provider";
            problems.push(Problem::new("upstream_params", message));
        }
        problems
    }

    fn accounts(&self) -> Option<&Config> {
        Some(self)
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let problems = self.problems(common);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Arc::new(Database {
            id,
            names: self.login.into(),
            // Where only those come in who exist already, nobody signs up either.
            signup: common.signup.unwrap_or(false) && common.sync_profile != SyncProfile::Never,
            needs_email: self.verify_email == Some(VerifyEmail::Required),
            rules: PasswordRules::open(&self.password, &parts.http),
            usernames: UsernameRules::open(&self.username),
            lets_rename: self.username.lets_change(),
            parts: parts.clone(),
        }))
    }
}

/// The accounts of a connection to which people move from a store elsewhere.
pub(in crate::connection) fn local(
    config: &Config,
    (id, common, parts): (ConnectionId, &Common, &Parts),
) -> Result<Arc<dyn Connection>, Vec<Problem>> {
    let common = Common {
        // These are the store's.
        claims: std::collections::BTreeMap::new(),
        trust_email: TrustEmail::default(),
        ..common.clone()
    };
    let opened = config.open(id, &common, parts);
    opened.map_err(|found| {
        let under = |problem: Problem| problem.under("accounts");
        found.into_iter().map(under).collect()
    })
}

#[async_trait]
impl Connection for Database {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        Pin {
            strategy: "database".to_owned(),
            issuer: self.id.to_string(),
        }
    }

    async fn begin(&self, _: Start<'_>) -> Result<Step, Rejection> {
        Ok(Step::Prompt {
            form: Form::Password(self.form()),
            keep: ConnectionData::default(),
        })
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        if kept.is_none() {
            return Err(self.reject(Fault::Denied, "find-flow"));
        }
        let Reply::Form(body) = reply else {
            return Err(self.reject(Fault::Denied, "read-form"));
        };
        let reply = PasswordReply::parse(body)
            .map_err(|error| self.failed(Fault::Denied, "read-form", error))?;
        let account = self.find_account(&reply.login).await?;
        let key = self.key(account.as_ref(), &reply.login);
        if !peer.has_paid_for(&key) {
            return Err(self.reject(Fault::Internal, "spend-budget"));
        }
        let account = self.verify(account, &reply.password).await?;
        let identity = self.identity(&account).await?;
        let leaked = self.rules.at_login(&reply.password).await;
        let renewed = match leaked {
            AtLogin::Ignore | AtLogin::Warn => None,
            AtLogin::Replace => {
                let account = (account, &identity);
                match self.replace_leaked(account, &reply, peer).await? {
                    Some(asked) => return Ok(asked),
                    None => Some(peer.now),
                }
            }
        };
        let mut who = Authenticated::new(identity, peer.now, vec!["pwd".to_owned()], None);
        if let Some(at) = renewed {
            who = who.renewed(at);
        }
        if leaked == AtLogin::Warn {
            who = who.advised(Advice::LeakedPassword);
        }
        Ok(Step::Done { who: Box::new(who) })
    }

    /// It takes as long for a name that nobody has.
    async fn account_key(&self, login: LoginName) -> Result<AccountKey, Rejection> {
        let account = self.find_account(&login).await?;
        Ok(self.key(account.as_ref(), &login))
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
    }

    fn inline(&self) -> Option<InlineForm> {
        Some(InlineForm::Password(self.form()))
    }
}

impl Database {
    fn form(&self) -> PasswordForm {
        PasswordForm {
            names: self.names,
            signup: self.signup,
            certificate: false,
        }
    }

    /// The account of a name, if it is one that this connection signs in with.
    async fn find_account(&self, login: &LoginName) -> Result<Option<AccountRecord>, Rejection> {
        let found = self
            .parts
            .users
            .account_by_login(&self.id, login.as_str())
            .await
            .map_err(|error| self.failed(Fault::Internal, "find-account", error))?;
        Ok(found.filter(|account| {
            let is = |name: &Option<crate::store::Login>| {
                name.as_ref()
                    .is_some_and(|name| name.normalised == login.as_str())
            };
            match self.names {
                LoginNames::Email => is(&account.email),
                LoginNames::EmailOrUsername => is(&account.email) || is(&account.username),
                LoginNames::Username => is(&account.username),
            }
        }))
    }

    fn key(&self, account: Option<&AccountRecord>, login: &LoginName) -> AccountKey {
        account.map_or_else(
            || AccountKey::Name(self.id.clone(), login.clone()),
            |account| AccountKey::Subject(self.id.clone(), account.subject.clone()),
        )
    }

    /// The account, given back only to the right password. One hash in every case but the last: a
    /// right password whose hash has weaker parameters than today's is hashed anew.
    async fn verify(
        &self,
        account: Option<AccountRecord>,
        password: &Password,
    ) -> Result<AccountRecord, Rejection> {
        let denied = || self.reject(Fault::Denied, "verify-password");
        let hasher = &self.parts.hasher;
        let account = account.filter(|account| !account.password_hash.is_empty());
        let Some(account) = account else {
            self.dummy(password).await?;
            return Err(denied());
        };
        match hasher
            .verify(password.secret(), &account.password_hash)
            .await
        {
            Ok(Verified::Differs) => Err(denied()),
            Ok(Verified::Matches { outdated }) => {
                if outdated {
                    self.rehash(&account, password).await;
                }
                Ok(account)
            }
            Err(HashError::Unreadable) => {
                tracing::error!(
                    connection = %self.id,
                    subject = %account.subject,
                    "the stored password hash is unreadable: nobody can sign in to this account"
                );
                self.dummy(password).await?;
                Err(denied())
            }
            Err(error) => Err(self.unhashed(error)),
        }
    }

    async fn dummy(&self, password: &Password) -> Result<(), Rejection> {
        let dummy = self.parts.hasher.verify_dummy(password.secret()).await;
        dummy.map_err(|error| self.unhashed(error))
    }

    /// The login is good whether or not this succeeds; the next one tries again.
    async fn rehash(&self, account: &AccountRecord, password: &Password) {
        let Ok(password_hash) = self.parts.hasher.hash(password.secret()).await else {
            return;
        };
        let renewed = AccountRecord {
            password_hash,
            version: account.version + 1,
            ..account.clone()
        };
        if let Err(error) = self
            .parts
            .users
            .replace_account(renewed, account.version, None)
            .await
        {
            tracing::warn!(connection = %self.id, error = %error, "a password was not hashed anew");
        }
    }

    /// What a login to this account asserts.
    async fn identity(&self, account: &AccountRecord) -> Result<Identity, Rejection> {
        let broken = |error| self.failed(Fault::Internal, "find-identity", error);
        let users = &self.parts.users;
        let user = users
            .find_by_identity(&self.id, &account.subject)
            .await
            .map_err(broken)?;
        let known = match user {
            Some(user) => users.identities(&user.id).await.map_err(broken)?,
            None => Vec::new(),
        };
        let profile = known
            .into_iter()
            .map(|record| record.identity)
            .find(|known| known.connection == self.id && known.subject == account.subject)
            .map(|known| known.profile)
            .unwrap_or_default();
        Ok(assertion(account, profile))
    }

    fn reject(&self, fault: Fault, step: &'static str) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault,
            step,
            check: None,
            source: None,
        }
    }

    fn failed(
        &self,
        fault: Fault,
        step: &'static str,
        source: impl Error + Send + Sync + 'static,
    ) -> Rejection {
        Rejection {
            source: Some(Box::new(source)),
            ..self.reject(fault, step)
        }
    }

    fn unhashed(&self, error: HashError) -> Rejection {
        let fault = match error {
            HashError::Busy => Fault::Busy,
            _ => Fault::Internal,
        };
        self.failed(fault, "hash-password", error)
    }
}

/// The identity of an account: its names over the rest of `profile`.
fn assertion(account: &AccountRecord, profile: Profile) -> Identity {
    let email = account.email.as_ref().map(|email| email.typed.clone());
    let username = account
        .username
        .as_ref()
        .map(|username| username.typed.clone());
    let local_part = email.as_deref().and_then(|email| email.split('@').next());
    let profile = Profile {
        nickname: (profile.nickname.clone())
            .or_else(|| username.clone())
            .or_else(|| local_part.map(ToOwned::to_owned)),
        preferred_username: username,
        email_verified: account.email_verified && email.is_some(),
        email,
        ..profile
    };
    let claims = match serde_json::to_value(&profile) {
        Ok(serde_json::Value::Object(claims)) => claims,
        _ => serde_json::Map::new(),
    };
    Identity {
        connection: account.connection.clone(),
        subject: account.subject.clone(),
        profile,
        claims,
        groups: Groups::default(),
    }
}
