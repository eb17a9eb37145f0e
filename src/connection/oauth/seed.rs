//! What must be unguessable about one login, made of one seed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{crypto, random::Random};

/// 256 bits that travel in the flow's sealed cookie.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Seed(String);

impl Seed {
    pub(crate) fn new(random: &dyn Random) -> Self {
        let seed: [u8; 32] = random.bytes();
        Self(URL_SAFE_NO_PAD.encode(seed))
    }

    /// The value for one purpose: 43 characters.
    pub(crate) fn made_for(&self, what: &str) -> String {
        let made = crypto::sha256_parts(&[what.as_bytes(), self.0.as_bytes()]);
        URL_SAFE_NO_PAD.encode(made)
    }

    /// The code verifier (RFC 7636 section 4.1).
    pub(crate) fn verifier(&self) -> String {
        self.made_for("code verifier")
    }

    /// The code challenge, S256 (RFC 7636 section 4.2).
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(crypto::sha256(self.verifier().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    #[test]
    fn it_is_new_each_time_and_differs_by_purpose() {
        let (one, two) = (Seed::new(&OsRandom), Seed::new(&OsRandom));
        assert_ne!(one.verifier(), two.verifier());
        assert_ne!(one.made_for("nonce"), one.verifier());
        assert_eq!(one.verifier().len(), 43);
        let kept: Seed = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(kept.verifier(), one.verifier());
        let hash = crypto::sha256(one.verifier().as_bytes());
        assert_eq!(one.challenge(), URL_SAFE_NO_PAD.encode(hash));
    }
}
