//! What a session cookie carries: 256 random bits, and a MAC that binds them to one host.
//!
//! `key id (4) | random (32) | MAC (32)`, base64url. The MAC is checked before anything is looked
//! up, so that a flood of forged cookies costs one HMAC each and touches neither cache nor store;
//! and since the host is under it, a token copied to another host is nothing there. The random
//! part is stored hashed: a stolen store opens no session.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::{self, KeyRing, Purpose},
    random::Random,
    store::HandleHash,
};

const ID: usize = 4;
const RANDOM: usize = 32;
const MAC: usize = 32;
const TOKEN: usize = ID + RANDOM + MAC;

/// A token that was made here, for the host it was shown to.
#[derive(Clone)]
pub(crate) struct Token {
    random: [u8; RANDOM],
}

impl Token {
    /// A new token for `host`, and the text of its cookie.
    pub(super) fn issue(ring: &KeyRing, host: &str, random: &dyn Random) -> (Self, String) {
        let token = Self {
            random: random.bytes(),
        };
        let key = ring.current();
        let mac = key
            .mac(Purpose::Handle)
            .sign(&[&token.random, host.as_bytes()]);
        let mut bytes = Vec::with_capacity(TOKEN);
        bytes.extend_from_slice(&key.id().to_be_bytes());
        bytes.extend_from_slice(&token.random);
        bytes.extend_from_slice(&mac);
        (token, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token in a cookie's value, if it was made here, for this host.
    pub(crate) fn verify(ring: &KeyRing, cookie: &[u8], host: &str) -> Option<Self> {
        let mut bytes = [0; TOKEN + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(cookie, &mut bytes).ok()?;
        let (id, rest) = bytes.get(..length)?.split_first_chunk::<ID>()?;
        let (random, mac) = rest.split_first_chunk::<RANDOM>()?;
        let key = ring.by_id(u32::from_be_bytes(*id))?;
        let made = key
            .mac(Purpose::Handle)
            .matches(&[random, host.as_bytes()], mac);
        made.then_some(Self { random: *random })
    }

    /// Under which the stores know the handle.
    pub(crate) fn hash(&self) -> HandleHash {
        HandleHash(crypto::sha256(&self.random))
    }

    /// Under which the cache knows it: never leaves the process.
    pub(super) fn key(&self) -> &[u8; RANDOM] {
        &self.random
    }

    /// What a form of ours carries to show that a page of this session sent it.
    pub(crate) fn csrf(&self, ring: &KeyRing) -> String {
        URL_SAFE_NO_PAD.encode(ring.current().mac(Purpose::Csrf).sign(&[&self.random]))
    }

    /// Whether a form came from a page of this session. Any key of the ring will do: a page that
    /// was open while the keys rotated still works.
    pub(crate) fn csrf_matches(&self, ring: &KeyRing, given: &str) -> bool {
        let Ok(code) = URL_SAFE_NO_PAD.decode(given) else {
            return false;
        };
        ring.keys()
            .any(|key| key.mac(Purpose::Csrf).matches(&[&self.random], &code))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([secret])")
    }
}
