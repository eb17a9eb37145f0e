//! An address turned out to be its owner's.

use super::{Directory, TRIES};
use crate::{
    identity::{ConnectionId, Subject},
    protocol::EmailAddress,
    store::StoreError,
};

impl Directory {
    /// Lets what is known of an identity, and the profile that it rules, have another address, which is
    /// verified.
    pub(crate) async fn note_email(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        email: &str,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(mut user) = self.users.find_by_identity(connection, subject).await? else {
                return Ok(());
            };
            let now = self.clock.now();
            let identities = self.users.identities(&user.id).await?;
            let mut identities = identities.into_iter().map(|record| record.identity);
            let identity = identities
                .find(|known| known.connection == *connection && known.subject == *subject);
            if let Some(mut identity) = identity {
                identity.profile.email = Some(email.to_owned());
                identity.profile.email_verified = true;
                for (claim, value) in [
                    ("email", email.into()),
                    ("email_verified", serde_json::Value::from(true)),
                ] {
                    if let Some(known) = identity.claims.get_mut(claim) {
                        *known = value;
                    }
                }
                self.users.refresh_identity(&identity, now).await?;
            }
            if user.synced_by != *connection {
                return Ok(());
            }
            let was = user.version;
            user.profile.email = Some(email.to_owned());
            user.profile.email_verified = true;
            user.updated_at = now;
            user.version = was + 1;
            if self.users.replace(user, was, None).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets what is known of an identity, and the profile it has set, say that the address is verified,
    /// where it still is this one. The next login would say so as well.
    pub(crate) async fn note_verified(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        email: &str,
    ) -> Result<(), StoreError> {
        let is_it = |known: Option<&String>| {
            let known = known.and_then(|known| EmailAddress::parse(known).ok());
            known.is_some_and(|known| known.normalized() == email)
        };
        for _ in 0..TRIES {
            let Some(mut user) = self.users.find_by_identity(connection, subject).await? else {
                return Ok(());
            };
            let identities = self.users.identities(&user.id).await?;
            let mut identities = identities.into_iter().map(|record| record.identity);
            let identity = identities
                .find(|known| known.connection == *connection && known.subject == *subject);
            let now = self.clock.now();
            if let Some(mut identity) = identity
                && is_it(identity.profile.email.as_ref())
                && !identity.profile.email_verified
            {
                identity.profile.email_verified = true;
                let claim = identity.claims.get_mut("email_verified");
                if let Some(claim) = claim {
                    *claim = true.into();
                }
                self.users.refresh_identity(&identity, now).await?;
            }
            if user.synced_by != *connection
                || user.profile.email_verified
                || !is_it(user.profile.email.as_ref())
            {
                return Ok(());
            }
            let was = user.version;
            user.profile.email_verified = true;
            user.updated_at = now;
            user.version = was + 1;
            if self.users.replace(user, was, None).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}
