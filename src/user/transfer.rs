//! Users as JSON lines: what `users export` prints and `users import` reads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Directory;
use crate::{
    crypto::{BadTotpSecret, TotpSecret},
    identity::{ConnectionId, Groups, Identity, Profile, Subject, UserId},
    store::{StoreError, UserRecord},
};

/// One user.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonLine {
    pub(crate) id: UserId,
    /// A wish when read: it may be taken.
    #[serde(default)]
    pub(crate) handle: Option<String>,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) user_metadata: Map<String, Value>,
    #[serde(default)]
    pub(crate) app_metadata: Map<String, Value>,
    /// Left out: nobody new is, and whoever exists stays as they are.
    #[serde(default)]
    pub(crate) blocked: Option<bool>,
    /// The same.
    #[serde(default)]
    pub(crate) owner: Option<bool>,
    /// The first one gives the user's id.
    pub(crate) identities: Vec<IdentityLine>,
    /// Added to whoever has none and was never here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) second_factors: Vec<FactorLine>,
}

/// A second factor, as Auth0's bulk import has them in `mfa_factors`.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum FactorLine {
    Totp {
        /// Base32 (RFC 4648 section 6).
        secret: String,
    },
}

impl FactorLine {
    /// The secret, if it is one.
    pub(crate) fn secret(&self) -> Result<TotpSecret, BadTotpSecret> {
        let Self::Totp { secret } = self;
        TotpSecret::from_base32(secret)
    }
}

impl std::fmt::Debug for FactorLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[second factor]")
    }
}

/// One of their identities.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityLine {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    #[serde(default)]
    pub(crate) groups: Groups,
    /// The credentials, where they are ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<AccountLine>,
}

/// What somebody signs in to a database connection with.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountLine {
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) email_verified: bool,
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// In any form that passwords are checked against. Without one nobody can sign in until a
    /// password is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_hash: Option<String>,
}

impl std::fmt::Debug for AccountLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountLine")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Directory {
    /// The user as a line; hashes only when asked for.
    pub(crate) async fn export(
        &self,
        user: UserRecord,
        with_hashes: bool,
    ) -> Result<PersonLine, StoreError> {
        let mut identities = Vec::new();
        for record in self.users.identities(&user.id).await? {
            let Identity {
                connection,
                subject,
                profile,
                claims,
                groups,
            } = record.identity;
            let account = self.users.account(&connection, &subject).await?;
            let account = account.map(|account| AccountLine {
                email: account.email.map(|email| email.typed),
                email_verified: account.email_verified,
                username: account.username.map(|username| username.typed),
                password_hash: Some(account.password_hash)
                    .filter(|hash| with_hashes && !hash.is_empty()),
            });
            identities.push(IdentityLine {
                connection,
                subject,
                profile,
                claims,
                groups,
                account,
            });
        }
        // The founding identity may not be the oldest one, after an import.
        identities.sort_by_key(|line| !user.id.is_of(&line.subject));
        Ok(PersonLine {
            id: user.id,
            handle: Some(user.handle),
            profile: user.profile,
            user_metadata: user.user_metadata,
            app_metadata: user.app_metadata,
            blocked: Some(user.blocked),
            owner: Some(user.owner),
            identities,
            second_factors: Vec::new(),
        })
    }
}
