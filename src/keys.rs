//! The keys of this deployment: made once, kept sealed under the root secret, rotated with overlap.
//!
//! Each key of the ring gives a sealing key, a MAC key and a key that signs assertions. A new one
//! is first `next`, so that every process and every application knows it before it is used; then
//! `current`; then `old`, and still good for what it made until the longest session is over.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    crypto::{
        self, KeyRing, Place, Purpose, RingError, RingKey, RingState, SigningKey, SigningKeyError,
    },
    random::Random,
    store::{Event, EventKind, KeyRecord, KeyState, KeyStore, StoreError},
};

/// The keys in use by this process.
pub(crate) struct Keys {
    store: Arc<dyn KeyStore>,
    root: KeyRing,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ring: Arc<ArcSwap<KeyRing>>,
    /// The private halves (PKCS #8), by the state of their key.
    signing: ArcSwap<Signing>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error(
        "the keys in the storage were sealed under another server.secret: give the secret that the \
         storage was made with, or begin with an empty storage"
    )]
    OtherSecret,
    #[error("the key ring in the storage is broken: {0}")]
    Ring(#[from] RingError),
    #[error("a signing key does not work")]
    Signing(#[from] SigningKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Opens the ring in the storage, or makes the first one.
    pub(crate) async fn open(
        store: Arc<dyn KeyStore>,
        root: &[u8],
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeysError> {
        let root = KeyRing::of_root(root);
        let mut records = store.keys().await?;
        if records.is_empty() {
            let now = clock.now();
            let first = [(1, KeyState::Current), (2, KeyState::Next)]
                .into_iter()
                .map(|(id, state)| make(&root, id, state, (now, random.as_ref())))
                .collect::<Result<Vec<_>, _>>()?;
            // Another process may have been faster: what is stored counts.
            store.replace_keys(&[], first, None).await?;
            records = store.keys().await?;
        }
        let (ring, signing) = read(&root, &records)?;
        Ok(Self {
            store,
            root,
            clock,
            random,
            ring: Arc::new(ArcSwap::from_pointee(ring)),
            signing: ArcSwap::from_pointee(signing),
        })
    }

    /// The ring, as it is now and will be.
    pub(crate) fn ring(&self) -> Arc<ArcSwap<KeyRing>> {
        self.ring.clone()
    }

    /// The keys that sign assertions.
    pub(crate) fn signing(&self) -> Result<Vec<(RingState, SigningKey)>, SigningKeyError> {
        let signing = self.signing.load();
        signing
            .iter()
            .map(|(state, der)| Ok((*state, SigningKey::from_der(der)?)))
            .collect()
    }

    /// Reads the ring again: another process rotated it.
    pub(crate) async fn refresh(&self) -> Result<(), KeysError> {
        let (ring, signing) = read(&self.root, &self.store.keys().await?)?;
        self.ring.store(Arc::new(ring));
        self.signing.store(Arc::new(signing));
        Ok(())
    }

    /// What is known of the keys, oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.store.keys().await
    }

    /// `next` becomes current, current becomes old, and a new `next` is made. Old keys are dropped
    /// when what they made is over: `longest` after they were last used.
    pub(crate) async fn rotate(&self, longest: Duration) -> Result<bool, KeysError> {
        let was = self.store.keys().await?;
        let now = self.clock.now();
        let ids: Vec<u32> = was.iter().map(|key| key.id).collect();
        let mut ring: Vec<KeyRecord> = was
            .into_iter()
            .filter(|key| key.state != KeyState::Old || now.since(key.since) < longest)
            .map(|key| match key.state {
                KeyState::Next => KeyRecord {
                    state: KeyState::Current,
                    since: now,
                    ..key
                },
                KeyState::Current => KeyRecord {
                    state: KeyState::Old,
                    since: now,
                    ..key
                },
                KeyState::Old => key,
            })
            .collect();
        let next = ids
            .iter()
            .max()
            .copied()
            .unwrap_or_default()
            .wrapping_add(1);
        ring.push(make(
            &self.root,
            next,
            KeyState::Next,
            (now, self.random.as_ref()),
        )?);
        let event = Event::new(now, EventKind::KeysRotated, "operator");
        let done = self
            .store
            .replace_keys(&ids, ring, Some(event.clone()))
            .await?;
        if done {
            event.log();
            self.refresh().await?;
        }
        Ok(done)
    }
}

/// A new key, sealed.
fn make(
    root: &KeyRing,
    id: u32,
    state: KeyState,
    (now, random): (crate::clock::Timestamp, &dyn Random),
) -> Result<KeyRecord, SigningKeyError> {
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(random.bytes());
    let signing = SigningKey::generate()?;
    let mut plain = Zeroizing::new(secret.to_vec());
    plain.extend_from_slice(&signing.to_der());
    // The id is part of the place, so that two records cannot be exchanged.
    let place = Place {
        purpose: Purpose::Key,
        context: &[b"ring", &id.to_be_bytes()],
    };
    let sealed = crypto::seal(root, place, &plain, random);
    Ok(KeyRecord {
        id,
        state,
        since: now,
        sealed,
    })
}

type Signing = Vec<(RingState, Zeroizing<Vec<u8>>)>;

fn read(root: &KeyRing, records: &[KeyRecord]) -> Result<(KeyRing, Signing), KeysError> {
    let mut keys = Vec::with_capacity(records.len());
    let mut signing = Vec::with_capacity(records.len());
    for record in records {
        let id = record.id.to_be_bytes();
        let place = Place {
            purpose: Purpose::Key,
            context: &[b"ring", &id],
        };
        let plain = crypto::open(root, place, &record.sealed);
        let plain = Zeroizing::new(plain.map_err(|_| KeysError::OtherSecret)?);
        let (secret, der) = plain
            .split_first_chunk::<32>()
            .ok_or(KeysError::OtherSecret)?;
        let state = match record.state {
            KeyState::Next => RingState::Next,
            KeyState::Current => RingState::Current,
            KeyState::Old => RingState::Old,
        };
        keys.push(RingKey::new(record.id, state, &Zeroizing::new(*secret)));
        SigningKey::from_der(der)?;
        signing.push((state, Zeroizing::new(der.to_vec())));
    }
    Ok((KeyRing::new(keys)?, signing))
}
