//! Passkeys of users: as second factors, and as what an identity of a passkey connection is proven by.

use super::{
    ChangeError, Directory, EnrolmentRefusal, Factors, Origin, SecondProof, factors::plain_name,
};
use crate::{
    connection::{
        Once,
        passkey::{self, Answer, Ceremony, Credential, Desk, Made, Refused},
    },
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{EventKind, FactorRecord, StoreError},
};

/// A passkey that is to become somebody's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPasskey<'a> {
    /// The user handle that it was made with.
    pub(crate) handle: &'a [u8],
    pub(crate) made: &'a Made,
    /// The RP ID that it was made for.
    pub(crate) party: &'a str,
    /// What the person calls it.
    pub(crate) name: &'a str,
}

impl Factors {
    /// A user's passkeys, with what is known of each.
    pub(crate) async fn passkeys(
        &self,
        user: &UserId,
    ) -> Result<Vec<(FactorRecord, Credential)>, StoreError> {
        self.passkeys.of(user).await
    }

    /// What is known of a factor that is a passkey.
    pub(crate) fn passkey(&self, factor: &FactorRecord) -> Result<Option<Credential>, StoreError> {
        self.passkeys.open(factor)
    }

    /// The user handle of somebody: that of their other passkeys, or of an identity that they were
    /// known by, or a new one.
    pub(crate) async fn passkey_handle(&self, user: &UserId) -> Result<Vec<u8>, StoreError> {
        let theirs = self.passkeys(user).await?.into_iter().next();
        if let Some((_, credential)) = theirs {
            return Ok(credential.handle);
        }
        Ok(self.passkeys.draw_handle().to_vec())
    }

    /// The record of a new passkey.
    pub(crate) fn passkey_record(&self, user: &UserId, new: NewPasskey<'_>) -> FactorRecord {
        let NewPasskey {
            handle,
            made,
            party,
            name,
        } = new;
        let known = (&made.registered, party);
        let about = (plain_name(name), self.now());
        self.passkeys.record((user, handle), known, about)
    }

    /// Gives a user a passkey that they made just now, if they have fewer than `most` factors.
    pub(crate) async fn add_passkey(
        &self,
        user: &UserId,
        new: NewPasskey<'_>,
        most: usize,
        origin: &Origin,
    ) -> Result<SecondProof, EnrolmentRefusal> {
        let methods = new.made.methods();
        let record = self.passkey_record(user, new);
        self.add(record, most, "passkey", origin).await?;
        Ok(SecondProof::new(self.now(), methods))
    }

    /// Checks a proof by one of this user's passkeys.
    pub(crate) async fn prove_passkey(
        &self,
        (desk, ceremony): (&Desk, &Ceremony<'_>),
        answer: Answer<'_>,
        user: &UserId,
        origin: &Origin,
    ) -> Result<(SecondProof, Once), Refused> {
        let event = origin.event(self.now(), EventKind::FactorUsed, "passkey");
        match desk.prove(ceremony, answer, Some(user), event).await {
            Ok(proven) => {
                let proof = SecondProof::new(self.now(), proven.methods());
                Ok((proof, proven.once))
            }
            Err(refused) => {
                // Nobody is here without the first proof, and the same proof comes once.
                let why = refused.check().unwrap_or("passkey");
                let event = origin.event(self.now(), EventKind::FactorFailed, why);
                event.user(user).log();
                Err(refused)
            }
        }
    }
}

impl Directory {
    /// The first time that somebody signs in with what they set up while they were signed in, the
    /// identity becomes theirs. It is nobody else's, or that fails.
    pub(crate) async fn claim(
        &self,
        identity: &Identity,
        user: &UserId,
        origin: &Origin,
    ) -> Result<(), ChangeError> {
        let (connection, subject) = (&identity.connection, &identity.subject);
        let known = self.users.find_by_identity(connection, subject).await?;
        if known.is_some_and(|known| known.id == *user) {
            return Ok(());
        }
        match self
            .add_identity(identity, user, ("passkey", origin))
            .await?
        {
            None => Ok(()),
            Some(other) => Err(ChangeError::UserTaken(other.id)),
        }
    }

    /// Passkeys go where the identity goes that they prove.
    pub(super) async fn passkeys_follow(
        &self,
        (_, subject): (&ConnectionId, &Subject),
        from: &UserId,
        to: &UserId,
    ) -> Result<(), StoreError> {
        match (&self.passkeys, passkey::handle_of(subject)) {
            (Some(passkeys), Some(handle)) => passkeys.move_to((from, &handle), to).await,
            _ => Ok(()),
        }
    }
}
