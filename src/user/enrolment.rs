//! How a factor comes to be: an app's secret is shown, confirmed with a code of it, and kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    Factors, MOST_FACTORS, Origin, RecoveryCodes, SecondProof,
    factors::{place, plain_name},
};
use crate::{
    clock::Timestamp,
    crypto::{self, TotpSecret},
    identity::UserId,
    store::{EventKind, FactorAdded, FactorId, FactorKind, FactorRecord, StoreError},
};

/// How long a secret that was shown may be confirmed.
const ENROLMENT: std::time::Duration = std::time::Duration::from_mins(15);

/// A TOTP that somebody is about to set up: shown, sealed in the form, and kept nowhere.
#[derive(Debug)]
pub(crate) struct Enrolment {
    pub(crate) secret: TotpSecret,
    /// What the form brings back.
    pub(crate) sealed: String,
}

/// What is sealed in the form.
#[derive(Deserialize, Serialize)]
struct Enrolling {
    #[serde(rename = "i")]
    id: FactorId,
    #[serde(rename = "s")]
    secret: String,
    #[serde(rename = "b")]
    began: Timestamp,
}

/// Why a factor was not set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolmentRefusal {
    /// The secret was confirmed before, with the same form.
    #[error("this factor was added before")]
    Exists,
    /// The form is not one that was made for this user, or too old.
    #[error("the form is not good any more")]
    Expired,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the user has as many factors as they may have")]
    TooMany,
    #[error("it is not the one-time password that the app shows")]
    Wrong,
}

impl Factors {
    /// A new secret, for the form that sets it up.
    pub(crate) fn draw(&self, user: &UserId) -> Enrolment {
        let random = self.directory.random.as_ref();
        let secret = TotpSecret::draw(random);
        let enrolling = Enrolling {
            id: FactorId(random.bytes()),
            secret: URL_SAFE_NO_PAD.encode(secret.octets()),
            began: self.now(),
        };
        let text = serde_json::to_vec(&enrolling).unwrap_or_default();
        let context: [&[u8]; 2] = [b"enrolment", user.as_str().as_bytes()];
        let sealed = crypto::seal_text(&self.sealing, place(&context), &text, random);
        Enrolment { secret, sealed }
    }

    /// The same form again, after a wrong password.
    pub(crate) fn drawn(&self, user: &UserId, sealed: &str) -> Option<Enrolment> {
        let (_, secret) = self.enrolling(user, sealed)?;
        Some(Enrolment {
            secret,
            sealed: sealed.to_owned(),
        })
    }

    fn enrolling(&self, user: &UserId, sealed: &str) -> Option<(FactorId, TotpSecret)> {
        let context: [&[u8]; 2] = [b"enrolment", user.as_str().as_bytes()];
        let text = crypto::open_text(&self.sealing, place(&context), sealed).ok()?;
        let Enrolling { id, secret, began } = serde_json::from_slice(&text).ok()?;
        let octets = URL_SAFE_NO_PAD.decode(secret).ok()?;
        let secret = TotpSecret::from_octets(&octets).ok()?;
        (self.now().since(began) < ENROLMENT).then_some((id, secret))
    }

    /// Sets a TOTP up that the person has proven to hold, if they have fewer than `most` factors,
    /// with recovery codes for whoever has none.
    pub(crate) async fn enrol(
        &self,
        user: &UserId,
        (sealed, typed, name): (&str, &str, &str),
        most: usize,
        origin: &Origin,
    ) -> Result<(SecondProof, Option<RecoveryCodes>), EnrolmentRefusal> {
        let enrolling = self.enrolling(user, sealed);
        let (id, secret) = enrolling.ok_or(EnrolmentRefusal::Expired)?;
        let now = self.now();
        let step = secret.step_of(typed, now).ok_or(EnrolmentRefusal::Wrong)?;
        let factor = FactorRecord {
            last_used_at: Some(now),
            ..self.record(user, (id, &secret), name, step)
        };
        self.add(factor, most, "person", origin).await?;
        let codes = self.first_recovery_codes(user, origin).await?;
        Ok((SecondProof::otp(now), codes))
    }

    /// Takes over a TOTP that somebody set up elsewhere.
    pub(crate) async fn import(
        &self,
        user: &UserId,
        secret: &TotpSecret,
        origin: &Origin,
    ) -> Result<(), EnrolmentRefusal> {
        let id = FactorId(self.directory.random.bytes());
        let factor = self.record(user, (id, secret), "", 0);
        self.add(factor, MOST_FACTORS, "imported", origin).await
    }

    pub(super) async fn add(
        &self,
        factor: FactorRecord,
        most: usize,
        reason: &str,
        origin: &Origin,
    ) -> Result<(), EnrolmentRefusal> {
        let event = origin.event(self.now(), EventKind::FactorAdded, reason);
        let event = event.user(&factor.user);
        match self.store().add_factor(factor, most, event.clone()).await? {
            FactorAdded::Added => {
                event.log();
                Ok(())
            }
            FactorAdded::Exists => Err(EnrolmentRefusal::Exists),
            FactorAdded::TooMany => Err(EnrolmentRefusal::TooMany),
            FactorAdded::UnknownUser => Err(EnrolmentRefusal::Expired),
        }
    }

    fn record(
        &self,
        user: &UserId,
        (id, secret): (FactorId, &TotpSecret),
        name: &str,
        last_step: u64,
    ) -> FactorRecord {
        let context: [&[u8]; 3] = [b"totp", user.as_str().as_bytes(), &id.0];
        let random = self.directory.random.as_ref();
        let sealed = crypto::seal(&self.sealing, place(&context), secret.octets(), random);
        FactorRecord {
            id,
            user: user.clone(),
            kind: FactorKind::Totp { sealed, last_step },
            name: plain_name(name),
            created_at: self.now(),
            last_used_at: None,
        }
    }
}
