//! What a session cookie carries: 256 random bits, and a MAC that binds them to one host.
//!
//! `key id (4) | random (32) | MAC (16)`, base64url. The MAC is checked before anything is looked
//! up, so that a flood of forged cookies costs one HMAC each and touches neither cache nor store;
//! and since the host is under it, a token copied to another host is nothing there. The random
//! part is stored hashed: a stolen store opens no session.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use crate::{
    crypto::{
        digest::{self, MacKey},
        ring::KeyRing,
    },
    random::Random,
    store::HandleHash,
};

const ID: usize = 4;
const RANDOM: usize = 32;
const MAC: usize = 16;
const TOKEN: usize = ID + RANDOM + MAC;

/// A token whose MAC held for the host it was shown to.
#[derive(Clone)]
pub(crate) struct Token {
    random: [u8; RANDOM],
}

impl Token {
    /// Under which the stores know the handle.
    pub(crate) fn hash(&self) -> HandleHash {
        HandleHash(digest::sha256(&self.random))
    }

    /// Under which the cache knows it: never leaves the process.
    pub(super) fn key(&self) -> [u8; RANDOM] {
        self.random
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([secret])")
    }
}

/// Makes and checks tokens with the keys of the ring.
#[derive(Debug)]
pub(crate) struct Tokens {
    current: u32,
    keys: Vec<TokenKeys>,
}

#[derive(Debug)]
struct TokenKeys {
    id: u32,
    token: MacKey,
    csrf: MacKey,
}

impl Tokens {
    /// With the keys of `ring`: the current one signs, all verify.
    pub(crate) fn new(ring: &KeyRing) -> Self {
        let keys = ring.keys().map(|key| TokenKeys {
            id: key.id(),
            token: MacKey::new(&key.derive("session token")),
            csrf: MacKey::new(&key.derive("csrf token")),
        });
        Self { current: ring.current().id(), keys: keys.collect() }
    }

    /// A new token for `host`, and the text of its cookie.
    pub(crate) fn issue(&self, host: &str, random: &dyn Random) -> Option<(Token, String)> {
        let token = Token { random: random.bytes() };
        let mac = self.mac(self.current, host, &token.random)?;
        let mut bytes = Vec::with_capacity(TOKEN);
        bytes.extend_from_slice(&self.current.to_be_bytes());
        bytes.extend_from_slice(&token.random);
        bytes.extend_from_slice(&mac);
        Some((token, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The token in a cookie's value, if it was made here, for this host.
    pub(crate) fn verify(&self, cookie: &str, host: &str) -> Option<Token> {
        let mut bytes = [0; TOKEN + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(cookie, &mut bytes).ok()?;
        let (id, rest) = bytes.get(..length)?.split_first_chunk::<ID>()?;
        let (random, mac) = rest.split_first_chunk::<RANDOM>()?;
        let expected = self.mac(u32::from_be_bytes(*id), host, random)?;
        bool::from(expected.as_slice().ct_eq(mac)).then_some(Token { random: *random })
    }

    /// What a form of ours carries to show that the session's own page sent it.
    pub(crate) fn csrf(&self, token: &Token) -> String {
        let key = self.keys.iter().find(|key| key.id == self.current);
        key.map(|key| URL_SAFE_NO_PAD.encode(key.csrf.mac(&[&token.random]))).unwrap_or_default()
    }

    /// Whether `given` is what [`csrf`](Self::csrf) says.
    pub(crate) fn csrf_matches(&self, token: &Token, given: &str) -> bool {
        // Any key of the ring: a page that was open while the keys rotated still works.
        self.keys.iter().any(|key| {
            let expected = URL_SAFE_NO_PAD.encode(key.csrf.mac(&[&token.random]));
            expected.as_bytes().ct_eq(given.as_bytes()).into()
        })
    }

    fn mac(&self, id: u32, host: &str, random: &[u8; RANDOM]) -> Option<[u8; MAC]> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        key.token.mac(&[random, host.as_bytes()]).first_chunk::<MAC>().copied()
    }
}
