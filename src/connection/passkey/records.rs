//! What is known of passkeys, and the challenges they answer: one for the whole deployment.
//!
//! A passkey is a factor of its user. What is known of it is sealed under the root secret, so that
//! nobody who writes into the store puts a key of their own in its place. A challenge is made of the
//! ceremony it is for, the time, chance and a code over all of them: nothing is kept of one that
//! nobody answers, and an answer counts once, in the transaction of what it allows.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::Refused;
use crate::{
    clock::Timestamp,
    connection::Once,
    crypto::{self, KeyRing, MacKey, Place, Purpose},
    identity::UserId,
    protocol::webauthn::{self, Registered},
    random::Random,
    store::{FactorId, FactorKind, FactorRecord, StoreError, UserStore},
};

/// How long a challenge may be answered.
pub(crate) const CHALLENGE: Duration = Duration::from_mins(5);
/// The time and chance in front of a challenge's code.
const FRONT: usize = 8 + 16;

/// What a challenge is for. An answer to one ceremony is none to another, in another browser, or of
/// somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ceremony<'a> {
    /// Whoever it is signs in by a connection, in one flow.
    SignIn { connection: &'a str, flow: &'a str },
    /// A user proves a second factor, in one flow.
    SecondFactor { user: &'a UserId, flow: &'a str },
    /// A user sets one up, in one flow or one session.
    Enrol {
        user: &'a UserId,
        within: &'a str,
        handle: &'a [u8],
    },
    /// Somebody new makes an account, in one flow.
    SignUp {
        connection: &'a str,
        flow: &'a str,
        handle: &'a [u8],
    },
}

impl<'a> Ceremony<'a> {
    fn parts(&self) -> [&'a [u8]; 4] {
        match *self {
            Self::SignIn { connection, flow } => {
                [b"sign-in", connection.as_bytes(), flow.as_bytes(), b""]
            }
            Self::SecondFactor { user, flow } => [
                b"second-factor",
                user.as_str().as_bytes(),
                flow.as_bytes(),
                b"",
            ],
            Self::Enrol {
                user,
                within,
                handle,
            } => [
                b"enrol",
                user.as_str().as_bytes(),
                within.as_bytes(),
                handle,
            ],
            Self::SignUp {
                connection,
                flow,
                handle,
            } => [b"sign-up", connection.as_bytes(), flow.as_bytes(), handle],
        }
    }
}

/// What is known of a passkey besides its counter.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Credential {
    #[serde(rename = "i", with = "octets")]
    pub(crate) id: Vec<u8>,
    /// The public key, as COSE has it.
    #[serde(rename = "k", with = "octets")]
    pub(crate) key: Vec<u8>,
    /// The user handle.
    #[serde(rename = "h", with = "octets")]
    pub(crate) handle: Vec<u8>,
    #[serde(rename = "r")]
    pub(crate) party: String,
    #[serde(rename = "e")]
    pub(crate) backup_eligible: bool,
    #[serde(rename = "s")]
    pub(crate) backed_up: bool,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) transports: Vec<String>,
}

/// Octets as text.
mod octets {
    use super::{Deserialize, Engine, URL_SAFE_NO_PAD};

    pub(super) fn serialize<S: serde::Serializer>(
        octets: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(octets))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(serde::de::Error::custom)
    }
}

/// The passkeys of all users.
pub(crate) struct Records {
    pub(super) users: Arc<dyn UserStore>,
    /// Of the root secret alone.
    sealing: KeyRing,
    challenges: MacKey,
    random: Arc<dyn Random>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    /// The passkeys in the users' store, under keys derived from the root secret.
    pub(crate) fn new(users: Arc<dyn UserStore>, root: &[u8], random: Arc<dyn Random>) -> Self {
        Self {
            users,
            sealing: KeyRing::of_root(root),
            challenges: MacKey::new(&crypto::derive(root, "passkey challenges")),
            random,
        }
    }

    /// A user handle for somebody who has none.
    pub(crate) fn draw_handle(&self) -> [u8; 32] {
        self.random.bytes()
    }

    /// A challenge for this ceremony.
    pub(super) fn challenge(&self, ceremony: &Ceremony<'_>, now: Timestamp) -> Vec<u8> {
        let chance: [u8; 16] = self.random.bytes();
        let mut challenge = now.millis().to_be_bytes().to_vec();
        challenge.extend_from_slice(&chance);
        let code = self.code(ceremony, &challenge);
        challenge.extend_from_slice(&code);
        challenge
    }

    /// Whether a challenge is one of ours, for this ceremony, and not too old.
    pub(super) fn check(
        &self,
        challenge: &[u8],
        ceremony: &Ceremony<'_>,
        now: Timestamp,
    ) -> Result<Once, Refused> {
        let parts = challenge.split_at_checked(FRONT);
        let (front, code) = parts.ok_or(Refused::Challenge)?;
        if !crypto::equal(&self.code(ceremony, front), code) {
            return Err(Refused::Challenge);
        }
        let made = front.first_chunk::<8>().copied().unwrap_or_default();
        let made = Timestamp::from_millis(i64::from_be_bytes(made));
        if now.since(made) > CHALLENGE {
            return Err(Refused::Late);
        }
        Ok(Once {
            hash: crypto::sha256_parts(&[b"passkey challenge", challenge]),
            until: made + CHALLENGE + Duration::from_secs(60),
        })
    }

    fn code(&self, ceremony: &Ceremony<'_>, front: &[u8]) -> [u8; 32] {
        let [first, second, third, fourth] = ceremony.parts();
        self.challenges.sign(&[first, second, third, fourth, front])
    }

    /// What is known of a passkey; `None` for another factor.
    pub(crate) fn open(&self, factor: &FactorRecord) -> Result<Option<Credential>, StoreError> {
        let FactorKind::Passkey { sealed, .. } = &factor.kind else {
            return Ok(None);
        };
        let damage = |why: &dyn fmt::Display| {
            StoreError::Corrupt(format!("the passkey {}: {why}", factor.id))
        };
        let text = crypto::open(&self.sealing, place(&[b"passkey", &factor.id.0]), sealed);
        let text = text.map_err(|error| damage(&error))?;
        let credential = serde_json::from_slice(&text).map_err(|error| damage(&error))?;
        Ok(Some(credential))
    }

    /// The same to be stored.
    pub(super) fn seal(&self, id: FactorId, credential: &Credential) -> Vec<u8> {
        let text = serde_json::to_vec(credential).unwrap_or_default();
        let random = self.random.as_ref();
        crypto::seal(&self.sealing, place(&[b"passkey", &id.0]), &text, random)
    }

    /// A user's passkeys, with what is known of each.
    pub(crate) async fn of(
        &self,
        user: &UserId,
    ) -> Result<Vec<(FactorRecord, Credential)>, StoreError> {
        let mut found = Vec::new();
        for factor in self.users.factors(user).await? {
            if let Some(credential) = self.open(&factor)? {
                found.push((factor, credential));
            }
        }
        Ok(found)
    }

    /// The record of a credential that was made just now.
    pub(crate) fn record(
        &self,
        (user, handle): (&UserId, &[u8]),
        (made, party): (&Registered, &str),
        (name, now): (String, Timestamp),
    ) -> FactorRecord {
        let id = FactorId(webauthn::name_of(&made.id));
        let credential = Credential {
            id: made.id.clone(),
            key: made.key.clone(),
            handle: handle.to_vec(),
            party: party.to_owned(),
            backup_eligible: made.backup_eligible,
            backed_up: made.backed_up,
            transports: made.transports.clone(),
        };
        FactorRecord {
            id,
            user: user.clone(),
            kind: FactorKind::Passkey {
                sealed: self.seal(id, &credential),
                counter: u64::from(made.counter),
            },
            name,
            created_at: now,
            last_used_at: Some(now),
        }
    }

    /// Gives the passkeys with this user handle to another user, whose identity it is now.
    pub(crate) async fn move_to(
        &self,
        (from, handle): (&UserId, &[u8]),
        to: &UserId,
    ) -> Result<(), StoreError> {
        for (factor, credential) in self.of(from).await? {
            if credential.handle == handle {
                self.users.move_factor(factor.id, from, to).await?;
            }
        }
        Ok(())
    }
}

fn place<'a>(context: &'a [&'a [u8]]) -> Place<'a> {
    Place {
        purpose: Purpose::Factor,
        context,
    }
}
