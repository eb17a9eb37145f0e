//! The keys of this deployment: made once, kept sealed under the root secret, rotated with overlap.
//!
//! Each key of the ring gives a sealing key, a MAC key and a key that signs assertions. A new one
//! is first `next`, so that every process and every application knows it before it is used; then
//! `current`; then `old`, and still good for what it made until the longest session is over.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Timestamp},
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
            .filter(|key| !is_over(key, now, longest))
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
        // A ring that cannot be read again would lock everybody out.
        read(&self.root, &ring)?;
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

impl Keys {
    /// Drops the old keys whose work is over: `longest` after they were last used. Part of the
    /// regular house-keeping; every process hears of it by the feed.
    pub(crate) async fn drop_expired(&self, longest: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let was = self.store.keys().await?;
        let ids: Vec<u32> = was.iter().map(|key| key.id).collect();
        let ring: Vec<_> = (was.into_iter())
            .filter(|key| !is_over(key, now, longest))
            .collect();
        if ring.len() == ids.len() {
            return Ok(false);
        }
        let event = Event::new(now, EventKind::KeysRotated, "expired");
        let done = self
            .store
            .replace_keys(&ids, ring, Some(event.clone()))
            .await?;
        if done {
            event.log();
        }
        Ok(done)
    }
}

/// Whether everything that a key made is over, `longest` after it was last used.
fn is_over(key: &KeyRecord, now: Timestamp, longest: Duration) -> bool {
    key.state == KeyState::Old && now.since(key.since) >= longest
}

/// A new key, sealed.
fn make(
    root: &KeyRing,
    id: u32,
    state: KeyState,
    (now, random): (Timestamp, &dyn Random),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ManualClock,
        random::OsRandom,
        store::{UserStore as _, sql::Sql},
    };

    const ROOT: &[u8] = b"0123456789abcdef0123456789abcdef";
    const LONGEST: Duration = Duration::from_hours(7 * 24);
    const DAY: Duration = Duration::from_hours(24);

    struct World {
        clock: Arc<ManualClock>,
        store: Arc<Sql>,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
            let folder = tempfile::tempdir().unwrap();
            let store = Sql::open_file(&folder.path().join("v.db"), clock.clone())
                .await
                .unwrap();
            Self {
                clock,
                store: Arc::new(store),
                _folder: folder,
            }
        }

        async fn keys(&self) -> Keys {
            self.under(ROOT).await.unwrap()
        }

        async fn under(&self, root: &[u8]) -> Result<Keys, KeysError> {
            Keys::open(
                self.store.clone(),
                root,
                self.clock.clone(),
                Arc::new(OsRandom),
            )
            .await
        }
    }

    /// Number and state of each, oldest first.
    async fn states(keys: &Keys) -> Vec<(u32, KeyState)> {
        let listed = keys.list().await.unwrap();
        let mut states: Vec<_> = listed.iter().map(|key| (key.id, key.state)).collect();
        states.sort_by_key(|(id, _)| *id);
        states
    }

    fn code(keys: &Keys) -> (u32, [u8; 32]) {
        let ring = keys.ring().load_full();
        (
            ring.current().id(),
            ring.current().mac(Purpose::Handle).sign(&[b"x"]),
        )
    }

    fn is_known(keys: &Keys, (id, code): &(u32, [u8; 32])) -> bool {
        let ring = keys.ring().load_full();
        ring.by_id(*id)
            .is_some_and(|key| key.mac(Purpose::Handle).matches(&[b"x"], code))
    }

    #[tokio::test]
    async fn the_ring_is_made_once() {
        let world = World::new().await;
        let first = world.keys().await;
        assert_eq!(
            states(&first).await,
            [(1, KeyState::Current), (2, KeyState::Next)]
        );
        let again = world.keys().await;
        assert!(is_known(&again, &code(&first)));
        let der = |keys: &Keys| -> Vec<_> {
            let signing = keys.signing().unwrap();
            signing
                .iter()
                .map(|(state, key)| (*state, key.to_der().to_vec()))
                .collect()
        };
        assert_eq!(der(&again), der(&first));
        assert_eq!(der(&again).len(), 2);
        // Of two that begin at the same moment, one makes it.
        let world = World::new().await;
        let (one, two) = tokio::join!(world.keys(), world.keys());
        assert!(is_known(&one, &code(&two)));
        assert_eq!(states(&one).await.len(), 2);
    }

    #[tokio::test]
    async fn a_key_is_next_then_current_then_old_and_then_gone() {
        use KeyState::{Current, Next, Old};
        let world = World::new().await;
        let keys = world.keys().await;
        let first = code(&keys);
        assert!(keys.rotate(LONGEST).await.unwrap());
        assert_eq!(states(&keys).await, [(1, Old), (2, Current), (3, Next)]);
        assert_eq!(code(&keys).0, 2);
        assert!(is_known(&keys, &first), "what it made is still good");
        assert_eq!(keys.signing().unwrap().len(), 3);

        world
            .clock
            .advance(LONGEST.saturating_sub(Duration::from_millis(1)));
        assert!(keys.rotate(LONGEST).await.unwrap());
        assert_eq!(
            states(&keys).await,
            [(1, Old), (2, Old), (3, Current), (4, Next)]
        );
        assert!(is_known(&keys, &first));
        // The second was current until just now.
        world.clock.advance(Duration::from_millis(1));
        assert!(keys.rotate(LONGEST).await.unwrap());
        assert_eq!(
            states(&keys).await,
            [(2, Old), (3, Old), (4, Current), (5, Next)]
        );
        assert!(!is_known(&keys, &first));
        let told = world.store.events(10).await.unwrap();
        assert_eq!(told.len(), 3);
        assert!(
            told.iter()
                .all(|event| event.kind == EventKind::KeysRotated)
        );
    }

    #[tokio::test]
    async fn an_old_key_is_gone_when_its_work_is_over() {
        use KeyState::{Current, Next};
        let world = World::new().await;
        let keys = world.keys().await;
        let first = code(&keys);
        assert!(keys.rotate(LONGEST).await.unwrap());
        world
            .clock
            .advance(LONGEST.saturating_sub(Duration::from_millis(1)));
        assert!(!keys.drop_expired(LONGEST).await.unwrap());
        assert!(is_known(&keys, &first));
        world.clock.advance(Duration::from_millis(1));
        assert!(keys.drop_expired(LONGEST).await.unwrap());
        assert_eq!(states(&keys).await, [(2, Current), (3, Next)]);
        // by the feed, like every process
        keys.refresh().await.unwrap();
        assert!(!is_known(&keys, &first));
        assert_eq!(keys.signing().unwrap().len(), 2, "and in no jwks.json");
        // neither a current key nor a next one grows too old
        world.clock.advance(LONGEST * 2);
        assert!(!keys.drop_expired(LONGEST).await.unwrap());
        let told = world.store.events(1).await.unwrap();
        assert_eq!(told[0].reason, "expired");
    }

    #[tokio::test]
    async fn another_process_learns_of_a_rotation() {
        let world = World::new().await;
        let (one, two) = (world.keys().await, world.keys().await);
        assert!(one.rotate(LONGEST).await.unwrap());
        // It knew the key before it was used.
        assert!(is_known(&two, &code(&one)));
        let ring = two.ring();
        two.refresh().await.unwrap();
        assert_eq!(
            ring.load().current().id(),
            2,
            "whoever holds the ring has the new one"
        );
        assert_eq!(two.signing().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn two_rotations_at_once_are_one() {
        let world = World::new().await;
        let (one, two) = (world.keys().await, world.keys().await);
        let (first, second) = tokio::join!(one.rotate(LONGEST), two.rotate(LONGEST));
        let turns = u32::from(first.unwrap()) + u32::from(second.unwrap());
        assert_eq!(states(&one).await.len(), 2 + turns as usize);
    }

    #[tokio::test]
    async fn another_root_secret_is_refused_by_name() {
        let world = World::new().await;
        world.keys().await;
        let refused = world
            .under(b"0123456789abcdef0123456789abcdee")
            .await
            .unwrap_err();
        assert!(matches!(refused, KeysError::OtherSecret), "{refused:?}");
        assert!(refused.to_string().contains("server.secret"));
        world.keys().await;
    }

    #[tokio::test]
    async fn records_that_were_exchanged_are_refused() {
        let world = World::new().await;
        let keys = world.keys().await;
        let mut ring = keys.list().await.unwrap();
        let ids: Vec<_> = ring.iter().map(|key| key.id).collect();
        let [first, second] = &mut ring[..] else {
            panic!("two")
        };
        std::mem::swap(&mut first.sealed, &mut second.sealed);
        assert!(world.store.replace_keys(&ids, ring, None).await.unwrap());
        assert!(matches!(
            world.under(ROOT).await,
            Err(KeysError::OtherSecret)
        ));
        assert!(keys.refresh().await.is_err());
        assert_eq!(code(&keys).0, 1, "the last good ring stays");
    }

    /// A ring without a next key, put back by hand, must not be turned into one without a current.
    #[tokio::test]
    async fn a_rotation_that_would_leave_no_current_key_is_refused() {
        let world = World::new().await;
        let keys = world.keys().await;
        let ring = keys.list().await.unwrap();
        let ids: Vec<_> = ring.iter().map(|key| key.id).collect();
        let current = ring
            .into_iter()
            .filter(|key| key.state == KeyState::Current)
            .collect();
        assert!(world.store.replace_keys(&ids, current, None).await.unwrap());
        let refused = keys.rotate(DAY).await;
        assert!(
            matches!(refused, Err(KeysError::Ring(RingError::NoCurrent))),
            "{refused:?}"
        );
        assert_eq!(states(&keys).await, [(1, KeyState::Current)]);
        world.keys().await;
    }

    #[tokio::test]
    async fn keys_are_not_printed_and_not_stored_in_the_open() {
        let world = World::new().await;
        let keys = world.keys().await;
        let secret = keys.signing().unwrap()[0].1.to_der().to_vec();
        for record in keys.list().await.unwrap() {
            assert!(
                !record
                    .sealed
                    .windows(16)
                    .any(|part| part == &secret[40..56])
            );
        }
        assert!(!format!("{keys:?}").contains("signing"));
    }
}
