//! What a login proves: who somebody is, how that was proven, and what comes with it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ConnectionData;
use crate::{
    clock::Timestamp,
    identity::{Authentication, Groups, Identity, UserId},
    store::{AccountRecord, OneTimeKey, OneTimeUse, Purpose},
};

/// The proof that a provider or a password vouched for somebody. Only a strategy makes one.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    identity: Identity,
    proof: Proof,
    /// The account that this person is to have here from now on.
    account: Option<Box<AccountRecord>>,
    /// Whose identity this is: they set up what proves it while they were signed in.
    user: Option<UserId>,
}

/// How somebody was proven to be who they are, and what comes with that.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Proof {
    pub(crate) authentication: Authentication,
    pub(crate) kept: Kept,
    /// The message that proved it opens one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) once: Option<Once>,
    /// When a new password was set on the way, which ended all that was proven before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renewed_at: Option<Timestamp>,
    /// What the person is told once they are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<Advice>,
}

impl Proof {
    /// What a session holds already, to be made more of: it brings nothing else.
    pub(crate) fn of_session(authentication: Authentication) -> Self {
        Self {
            authentication,
            kept: Kept::default(),
            once: None,
            renewed_at: None,
            advice: None,
        }
    }
}

impl Authenticated {
    /// For strategies alone: `identity` was proven at `auth_time` by the methods in `amr`.
    pub(in crate::connection) fn new(
        identity: Identity,
        auth_time: Timestamp,
        amr: Vec<String>,
        acr: Option<String>,
    ) -> Self {
        let authentication = Authentication {
            connection: identity.connection.clone(),
            subject: identity.subject.clone(),
            auth_time,
            amr,
            acr,
            proven_at: None,
            second_factor_at: None,
        };
        let proof = Proof {
            authentication,
            kept: Kept::default(),
            once: None,
            renewed_at: None,
            advice: None,
        };
        Self {
            identity,
            proof,
            account: None,
            user: None,
        }
    }

    /// The same of an identity that says more.
    pub(in crate::connection) fn asserting(
        mut self,
        claims: Map<String, Value>,
        groups: Groups,
    ) -> Self {
        self.identity.claims = claims;
        self.identity.groups = groups;
        self
    }

    /// The same of somebody who is to have an account here from now on.
    pub(in crate::connection) fn bringing(mut self, account: AccountRecord) -> Self {
        self.account = Some(Box::new(account));
        self
    }

    /// The same, with what stays with its session.
    pub(in crate::connection) fn keeping(mut self, kept: Kept) -> Self {
        self.proof.kept = kept;
        self
    }

    /// When a new password was set on the way.
    pub(crate) fn renewed_at(&self) -> Option<Timestamp> {
        self.proof.renewed_at
    }

    /// The same, by a password that is new since then.
    pub(crate) fn renewed(mut self, at: Timestamp) -> Self {
        self.proof.renewed_at = Some(at);
        self
    }

    /// The same of what this user set up while they were signed in.
    pub(in crate::connection) fn of_user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// The same, where a second factor of theirs was proven here in one go.
    pub(in crate::connection) fn with_second_factor(mut self, at: Timestamp) -> Self {
        self.proof.authentication.second_factor_at = Some(at);
        self
    }

    /// Whose identity this is, where the strategy knows.
    pub(crate) fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// The same, with something that the person is told.
    pub(in crate::connection) fn advised(mut self, advice: Advice) -> Self {
        self.proof.advice = Some(advice);
        self
    }

    /// The same, by a message that counts once.
    pub(in crate::connection) fn once(mut self, once: Once) -> Self {
        self.proof.once = Some(once);
        self
    }

    /// A proof of nothing, for tests of what follows a login.
    #[cfg(test)]
    pub(crate) fn for_tests(identity: Identity) -> Self {
        Self::new(
            identity,
            Timestamp::default(),
            vec!["test".to_owned()],
            None,
        )
    }

    /// What the connection asserts.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How and when it was proven.
    pub(crate) fn authentication(&self) -> &Authentication {
        &self.proof.authentication
    }

    /// The account that they are to have here from now on.
    pub(crate) fn take_account(&mut self) -> Option<AccountRecord> {
        self.account.take().map(|account| *account)
    }

    /// Takes it apart.
    pub(crate) fn into_parts(self) -> (Identity, Proof) {
        (self.identity, self.proof)
    }
}

/// What stays with the session that a proof makes: sealed, for the strategy alone.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Kept {
    /// What the strategy wants back when the session is refreshed or ends.
    pub(crate) data: ConnectionData,
    /// By what the provider may name the session when it ends: `sid` (OpenID Connect Front-Channel
    /// Logout 1.0 section 3), NameID with SessionIndex and without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sids: Vec<String>,
    /// When the provider wants the session to end at the latest: SessionNotOnOrAfter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends: Option<Timestamp>,
}

/// Something of a provider that counts once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Once {
    /// The hash of what it is called, with the connection.
    pub(crate) hash: [u8; 32],
    /// Until when it could come again.
    pub(crate) until: Timestamp,
}

impl Once {
    /// That it is the first time.
    pub(crate) fn first(&self) -> OneTimeUse {
        OneTimeUse::First {
            key: OneTimeKey {
                purpose: Purpose::Answer,
                hash: self.hash,
            },
            until: self.until,
        }
    }
}

/// What somebody should know who is signed in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Advice {
    /// Their password is known from a leak.
    LeakedPassword,
}
