//! Keys that come and go: every sealed or signed value names its key, one key is used for new
//! values, the older ones still open what they made.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::{MacKey, derive};

/// What a key is used for. A value made for one purpose is nothing for another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Purpose {
    /// Keys of ours as the client of a provider.
    Client,
    /// The token that ties a form to the browser that got it.
    Csrf,
    /// The cookie that tells a browser which has signed in here before.
    Device,
    /// Secrets of second factors, at rest and on their way there.
    Factor,
    /// The cookie of a login under way.
    Flow,
    /// The session's token at one host.
    Handle,
    /// Keys at rest: those of the ring itself under the root, and those that sign.
    Key,
    /// What a one-time row or link carries.
    OneTime,
    /// The sealed part of a session's record.
    Session,
}

impl Purpose {
    const ALL: [Self; 9] = [
        Self::Client,
        Self::Csrf,
        Self::Device,
        Self::Factor,
        Self::Flow,
        Self::Handle,
        Self::Key,
        Self::OneTime,
        Self::Session,
    ];

    /// The name that goes into derivations and associated data; it never changes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Csrf => "csrf",
            Self::Device => "device",
            Self::Factor => "factor",
            Self::Flow => "flow",
            Self::Handle => "handle",
            Self::Key => "key",
            Self::OneTime => "one-time",
            Self::Session => "session",
        }
    }
}

/// A key's place in the ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RingState {
    /// Known to everybody, used by nobody yet: it opens.
    Next,
    /// Seals and signs.
    Current,
    /// Still opens and verifies.
    Old,
}

/// One key: its subkeys are derived when it is made, its secret is not kept.
pub(crate) struct RingKey {
    id: u32,
    state: RingState,
    subkeys: Vec<Subkeys>,
}

struct Subkeys {
    purpose: Purpose,
    mac: MacKey,
    cipher: XChaCha20Poly1305,
}

impl RingKey {
    /// Derives what every purpose needs.
    pub(crate) fn new(id: u32, state: RingState, secret: &Zeroizing<[u8; 32]>) -> Self {
        let subkeys = Purpose::ALL
            .into_iter()
            .map(|purpose| {
                let name = purpose.name();
                let sealing = derive(secret.as_ref(), &format!("ring seal {name}"));
                Subkeys {
                    purpose,
                    mac: MacKey::new(&derive(secret.as_ref(), &format!("ring mac {name}"))),
                    cipher: XChaCha20Poly1305::new((&*sealing).into()),
                }
            })
            .collect();
        Self { id, state, subkeys }
    }

    /// The number that values name it by.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Where it stands in the ring.
    pub(crate) fn state(&self) -> RingState {
        self.state
    }

    /// The key for codes of one purpose.
    pub(crate) fn mac(&self, purpose: Purpose) -> &MacKey {
        &self.subkeys(purpose).mac
    }

    /// The key that seals for one purpose.
    pub(in crate::crypto) fn cipher(&self, purpose: Purpose) -> &XChaCha20Poly1305 {
        &self.subkeys(purpose).cipher
    }

    #[expect(
        clippy::expect_used,
        reason = "new() derives for every purpose there is"
    )]
    fn subkeys(&self, purpose: Purpose) -> &Subkeys {
        self.subkeys
            .iter()
            .find(|subkeys| subkeys.purpose == purpose)
            .expect("every purpose has its subkeys")
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} ({:?})", self.id, self.state)
    }
}

/// All keys that are known, exactly one of them current.
#[derive(Debug)]
pub(crate) struct KeyRing {
    current: RingKey,
    others: Vec<RingKey>,
}

impl KeyRing {
    /// A ring of these keys.
    pub(crate) fn new(keys: Vec<RingKey>) -> Result<Self, RingError> {
        let mut current = None;
        let mut others: Vec<RingKey> = Vec::with_capacity(keys.len());
        for key in keys {
            let known = current.iter().chain(&others).any(|held| held.id == key.id);
            if known {
                return Err(RingError::IdTwice(key.id));
            }
            if key.state != RingState::Current {
                others.push(key);
            } else if current.replace(key).is_some() {
                return Err(RingError::SeveralCurrent);
            }
        }
        Ok(Self {
            current: current.ok_or(RingError::NoCurrent)?,
            others,
        })
    }

    /// The ring of the root secret: one key, which seals the keys of the real ring at rest. `root`
    /// has at least 256 unpredictable bits.
    pub(crate) fn of_root(root: &[u8]) -> Self {
        Self {
            current: RingKey::new(0, RingState::Current, &derive(root, "root ring")),
            others: Vec::new(),
        }
    }

    /// The key for new values.
    pub(crate) fn current(&self) -> &RingKey {
        &self.current
    }

    /// The key that a value names, whatever its state.
    pub(crate) fn by_id(&self, id: u32) -> Option<&RingKey> {
        if self.current.id == id {
            return Some(&self.current);
        }
        self.others.iter().find(|key| key.id == id)
    }

    /// All keys, the current one first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.current).chain(&self.others)
    }
}

/// Why some keys are no ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum RingError {
    #[error("two keys of the ring have the id {0}")]
    IdTwice(u32),
    #[error("no key of the ring is current")]
    NoCurrent,
    #[error("more than one key of the ring is current")]
    SeveralCurrent,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, state: RingState) -> RingKey {
        let secret = Zeroizing::new([u8::try_from(id).unwrap(); 32]);
        RingKey::new(id, state, &secret)
    }

    #[test]
    fn exactly_one_key_is_current() {
        use RingState as S;
        let made = |keys| KeyRing::new(keys).map(|ring| ring.current().id());
        assert_eq!(made(vec![]), Err(RingError::NoCurrent));
        assert_eq!(made(vec![key(1, S::Next)]), Err(RingError::NoCurrent));
        assert_eq!(
            made(vec![key(1, S::Current), key(2, S::Current)]),
            Err(RingError::SeveralCurrent)
        );
        assert_eq!(
            made(vec![key(1, S::Current), key(1, S::Old)]),
            Err(RingError::IdTwice(1))
        );
        let ring = KeyRing::new(vec![key(1, S::Old), key(2, S::Current), key(3, S::Next)]).unwrap();
        assert_eq!(ring.current().id(), 2);
        for id in 1..=3 {
            assert_eq!(ring.by_id(id).map(RingKey::id), Some(id));
        }
        assert!(ring.by_id(4).is_none());
        assert_eq!(ring.keys().count(), 3);
    }

    #[test]
    fn every_key_and_purpose_has_a_code_of_its_own() {
        let mut codes = Vec::new();
        for id in 1..=3 {
            let key = key(id, RingState::Current);
            codes.extend(Purpose::ALL.map(|purpose| key.mac(purpose).sign(&[b"x"])));
        }
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), all), (27, 27));
        assert!(!format!("{:?}", key(66, RingState::Old)).contains("66, 66"));
    }
}
