//! The passwords that an account had before.

use super::{BadNewPassword, NewPassword, PasswordRules, Personal, Rule};
use crate::{
    crypto::{HashError, Hasher, Verified},
    secret::Secret,
    store::AccountRecord,
};

/// A new password for an account that is there: it keeps the rules, and is none of its last ones.
#[derive(Clone, Debug)]
pub(crate) struct NextPassword {
    new: NewPassword,
    previous_hashes: Vec<String>,
}

impl NextPassword {
    /// What is hashed.
    pub(crate) fn new_password(&self) -> &NewPassword {
        &self.new
    }

    /// What the account then remembers of those before.
    pub(crate) fn previous_hashes(&self) -> &[String] {
        &self.previous_hashes
    }
}

/// Why one is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotNext {
    #[error(transparent)]
    Bad(#[from] BadNewPassword),
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl PasswordRules {
    /// Takes the next password of an account. Each that it is compared with costs a hash, so it is
    /// compared when it keeps all other rules.
    pub(crate) async fn admit_next(
        &self,
        typed: &Secret,
        personal: Personal,
        account: &AccountRecord,
        hasher: &Hasher,
    ) -> Result<NextPassword, NotNext> {
        let (new, mut judged) = self.keeping(&self.next_rules, typed, personal).await?;
        let hashes = (std::iter::once(&account.password_hash).chain(&account.previous_hashes))
            .filter(|hash| !hash.is_empty())
            .take(self.history);
        for hash in hashes.clone() {
            if is(&new, hash, hasher).await? {
                for judged in &mut judged {
                    judged.met = Some(!matches!(judged.rule, Rule::NotUsedBefore { .. }));
                }
                return Err(BadNewPassword::Refused(judged).into());
            }
        }
        Ok(NextPassword {
            new,
            previous_hashes: hashes.cloned().collect(),
        })
    }
}

/// Whether it is the password of this hash. One that cannot be read is nobody's.
async fn is(new: &NewPassword, hash: &str, hasher: &Hasher) -> Result<bool, HashError> {
    match hasher.verify(new.secret(), hash).await {
        Ok(Verified::Matches { .. }) => Ok(true),
        Ok(Verified::Differs) | Err(HashError::Unreadable) => Ok(false),
        Err(error) => Err(error),
    }
}
