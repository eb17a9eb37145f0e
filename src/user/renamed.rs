//! A username became another one.

use super::{Directory, TRIES};
use crate::{
    connection::UsernameChange,
    identity::{ConnectionId, Profile, Subject},
    store::StoreError,
};

impl Directory {
    /// Lets what is known of an identity, and the profile that it rules, have the new username at once;
    /// the next login would say so as well. Whoever had none but the old name as their nickname has
    /// the new one. The handle stays: applications know people by it.
    pub(crate) async fn note_username(
        &self,
        (connection, subject): (&ConnectionId, &Subject),
        change: &UsernameChange,
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
                rename(&mut identity.profile, change);
                let Profile {
                    nickname,
                    preferred_username,
                    ..
                } = &identity.profile;
                for (claim, value) in [
                    ("nickname", nickname),
                    ("preferred_username", preferred_username),
                ] {
                    if let Some(value) = value {
                        let value = value.clone().into();
                        identity.claims.insert(claim.to_owned(), value);
                    }
                }
                self.users.refresh_identity(&identity, now).await?;
            }
            if user.synced_by != *connection {
                return Ok(());
            }
            let was = user.version;
            rename(&mut user.profile, change);
            user.updated_at = now;
            user.version = was + 1;
            if self.users.replace(user, was, None).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn rename(profile: &mut Profile, change: &UsernameChange) {
    if change.was.is_some() && profile.nickname == change.was {
        profile.nickname = Some(change.now.clone());
    }
    profile.preferred_username = Some(change.now.clone());
}
