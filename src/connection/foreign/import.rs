//! People move: whoever signs in from the store elsewhere gets an account here.
//!
//! The account is asked first and the store second, so a store that is away concerns only those who
//! have not moved. The account is written by the admission, with the user where there is none yet, and
//! has the subject that the store gave: the id of the user is the same before, during and after. What
//! is half there is completed: a user without an account gets one at the next login, and an account
//! without a password counts as none.

use super::{Foreign, Refused};
use crate::{
    clock::Timestamp,
    connection::{Authenticated, ConnectionData, LoginName, PasswordReply, Peer, Reply, Step},
    identity::{Identity, Profile},
    protocol::EmailAddress,
    store::{AccountRecord, Login},
};

impl Foreign {
    /// The account here of whoever has moved.
    pub(super) async fn local_account(
        &self,
        login: &LoginName,
    ) -> Result<Option<AccountRecord>, Refused> {
        if self.local.is_none() {
            return Ok(None);
        }
        let users = &self.parts.users;
        let account = users.account_by_login(&self.id, login.as_str()).await?;
        Ok(account.filter(|account| !account.password_hash.is_empty()))
    }

    /// The account decides alone. What the store said last stays what is asserted: here nobody knows
    /// better.
    pub(super) async fn sign_in_here(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Refused> {
        let local = self.local.as_ref().ok_or(Refused::Unasked)?;
        let step = local.resume(kept, reply, peer).await;
        let step = step.map_err(Refused::Local)?;
        let Step::Done { who } = step else {
            return Ok(step);
        };
        let subject = who.identity().subject.clone();
        let users = &self.parts.users;
        let user = users.find_by_identity(&self.id, &subject).await?;
        let known = match user {
            Some(user) => users.identities(&user.id).await?,
            None => Vec::new(),
        };
        let known = known
            .into_iter()
            .map(|record| record.identity)
            .find(|known| known.connection == self.id && known.subject == subject);
        let who = match known {
            Some(known) => Box::new(who.asserting(known.claims, known.groups)),
            None => who,
        };
        Ok(Step::Done { who })
    }

    /// The proof with the account that the admission writes, where people move.
    pub(super) async fn with_account(
        &self,
        who: Authenticated,
        typed: &PasswordReply,
        now: Timestamp,
    ) -> Result<Authenticated, Refused> {
        if self.local.is_none() {
            return Ok(who);
        }
        let password_hash = self.parts.hasher.hash(typed.password.secret()).await?;
        let account = account(who.identity(), password_hash, now);
        Ok(who.bringing(with_login(account, &typed.login)))
    }
}

/// The account of somebody who moves.
pub(super) fn account(identity: &Identity, password_hash: String, now: Timestamp) -> AccountRecord {
    let Profile {
        email,
        email_verified,
        preferred_username,
        ..
    } = &identity.profile;
    let email = email.as_deref().and_then(|email| {
        let email = EmailAddress::parse(email).ok()?;
        login(email.as_str())
    });
    let username = preferred_username.as_deref().and_then(login);
    AccountRecord {
        connection: identity.connection.clone(),
        subject: identity.subject.clone(),
        email_verified: *email_verified && email.is_some(),
        email,
        username,
        password_hash,
        previous_hashes: Vec::new(),
        password_changed_at: now,
        created_at: now,
        version: 1,
    }
}

/// What was typed signs in from now on, too: the store may know people by what it does not say.
fn with_login(account: AccountRecord, typed: &LoginName) -> AccountRecord {
    let is = |name: &Option<Login>| {
        name.as_ref()
            .is_some_and(|name| name.normalised == typed.as_str())
    };
    if is(&account.email) || is(&account.username) {
        return account;
    }
    AccountRecord {
        username: Some(Login {
            typed: typed.to_string(),
            normalised: typed.to_string(),
        }),
        ..account
    }
}

fn login(typed: &str) -> Option<Login> {
    let name = LoginName::parse(typed).ok()?;
    Some(Login {
        typed: typed.to_owned(),
        normalised: name.as_str().to_owned(),
    })
}
