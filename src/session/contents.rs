//! What a session says of its person, and how it is kept small.
//!
//! There are many sessions in memory, and a request needs little of them: what hangs on the person
//! is worked out once and kept as a view. So the rest is packed: JSON, compressed (LZ4) against
//! [`SAMPLE`], which has the names that nearly every session repeats.

use std::hash::{DefaultHasher, Hash, Hasher};

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId},
    store::{IdentityRecord, StoreError, UserRecord},
};

/// Everything a session says of its person. The records are without the times and numbers of their
/// rows, which are zero.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Contents {
    pub(crate) user: UserRecord,
    /// Oldest first; at most one per connection and subject.
    pub(crate) authentications: Vec<Authentication>,
    /// Those of the user's identities that the authentications are of.
    pub(crate) identities: Vec<IdentityRecord>,
    pub(crate) created_at: Timestamp,
}

impl Contents {
    /// The person as one of these connections knows them: by the newest authentication among
    /// them. `None` when the session holds none, and then the route is not open to it.
    pub(crate) fn principal(&self, offered: &[ConnectionId]) -> Option<Principal<'_>> {
        let authentication = self
            .authentications
            .iter()
            // The newest is the last: a provider need not say when.
            .rfind(|held| offered.contains(&held.connection))?;
        let identity = self.identities.iter().find(|known| {
            known.identity.connection == authentication.connection
                && known.identity.subject == authentication.subject
        })?;
        Some(Principal {
            user: &self.user,
            authentication,
            identity,
        })
    }
}

/// The person a decision is about: a user, as one identity and one authentication show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Principal<'a> {
    pub(crate) user: &'a UserRecord,
    pub(crate) authentication: &'a Authentication,
    pub(crate) identity: &'a IdentityRecord,
}

/// [`Contents`] in few bytes.
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// Packs. What could not be read again is refused now, and not when a request needs it.
    pub(super) fn new(contents: &Contents) -> Result<Self, StoreError> {
        let damage = |error: serde_json::Error| StoreError::Corrupt(format!("a person: {error}"));
        let plain = serde_json::to_vec(contents).map_err(damage)?;
        serde_json::from_slice::<Contents>(&plain).map_err(damage)?;
        let packed = compress_prepend_size_with_dict(&plain, SAMPLE.as_bytes());
        // A copy, because there is room for far more in what was compressed into.
        Ok(Self(packed.as_slice().into()))
    }

    /// What was packed.
    #[expect(clippy::expect_used, reason = "new() has read the same once")]
    pub(super) fn contents(&self) -> Contents {
        let plain = decompress_size_prepended_with_dict(&self.0, SAMPLE.as_bytes())
            .expect("it was compressed against the same sample");
        serde_json::from_slice(&plain).expect("it was read when it was packed")
    }

    /// Differs for different contents.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    /// How much it takes.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A person is not printed by accident.
impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// A session as most are, in the order in which [`Contents`] are written. What is not in it, or
/// not like this, merely takes more room.
const SAMPLE: &str = concat!(
    r#"{"iss":"https://login.microsoftonline.com/accounts.google.com/realms/","aud":"","azp":"","#,
    r#""exp":17,"iat":17,"auth_time":17,"nonce":"","sid":"","at_hash":"","hd":"","oid":"","tid":"","#,
    r#""acr":"1","amr":["mfa","otp","hwk"],"roles":[""],"groups":["","upn":"","updated_at":"","#,
    r#""website":"","zoneinfo":"Europe/","locale":"en-US","picture":"https://lh3.googleusercontent.com/a/","#,
    r#""user_metadata":{},"app_metadata":{},"blocked":false,"owner":true,"synced_by":"google","#,
    r#"{"user":{"id":"members|","handle":"","profile":{"name":"","given_name":"","family_name":"","#,
    r#""nickname":"","preferred_username":"","picture":"https://www.","email":"@gmail.com","#,
    r#""email_verified":true,"locale":"en","phone_number_verified":false},"user_metadata":{},"#,
    r#""app_metadata":{},"blocked":false,"owner":false,"synced_by":"members","created_at":0,"#,
    r#""updated_at":0,"last_login_at":null,"logins":0,"version":0},"authentications":[{"connection":"#,
    r#""members","subject":"","auth_time":17,"amr":["pwd"],"acr":null}],"identities":[{"user":"#,
    r#""members|","identity":{"connection":"members","subject":"","profile":{"name":"","#,
    r#""given_name":"","family_name":"","nickname":"","preferred_username":"","email":"@","#,
    r#""email_verified":true,"phone_number_verified":false},"claims":{"sub":"","email_verified":true,"#,
    r#""name":"","preferred_username":"","given_name":"","locale":"","family_name":"","email":""},"#,
    r#""groups":["staff","admins"]},"created_at":0,"refreshed_at":0}],"created_at":17}"#,
);
