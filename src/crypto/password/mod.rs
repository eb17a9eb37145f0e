//! Passwords at rest: argon2id (RFC 9106) in PHC strings, worked out on threads of their own.
//!
//! Hashes that other software made are checked too ([`stored`]) and called outdated, so that the
//! first login replaces them.
//!
//! A hash costs tens of milliseconds and megabytes on purpose, so whoever may ask for one could
//! take the machine away from everybody else. That is bounded three times: by the number of
//! threads, which cores and a memory budget set; by a queue of fixed length, behind which the
//! answer is [`HashError::Busy`] at once; and by a deadline for each wait. A stored hash that takes
//! more memory than ours is worked out on one more thread, so the budget is passed by one such hash
//! and never by two.
//!
//! # What the time of an answer tells
//!
//! A name that nobody has costs a dummy hash. A wrong password costs the stored hash, and where that
//! is not of today's cost the dummy as well; so an account never answers sooner than a name that
//! nobody has. While an account still has a slow hash from elsewhere it answers later, and that can
//! be measured; with the first login it is over.

mod stored;
mod workers;

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{
        Error as PhcError, PasswordHasher,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};

pub(crate) use self::stored::{BadHash, CustomHash, check_hash};
use self::{
    stored::StoredHash,
    workers::{NotDone, Workers},
};
use crate::{metrics::PASSWORD_HASHES, random::Random, secret::Secret, units::Size};

/// What one hash costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cost {
    /// Memory per hash; at least 8 KiB for each lane.
    pub(crate) memory: Size,
    /// Passes over the memory.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
}

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
impl Default for Cost {
    fn default() -> Self {
        Self {
            memory: Size(19 << 20),
            passes: 2,
            lanes: 1,
        }
    }
}

pub(crate) use self::workers::Pool;

/// Passwords of more bytes are refused before they are hashed; 64 characters always fit.
pub(crate) const LONGEST_PASSWORD: usize = 1024;

/// What a check of a password found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verified {
    /// It is another password.
    Differs,
    /// It is this one.
    Matches {
        /// Whether the stored hash was made in another way or at another cost than today's and
        /// should be renewed.
        outdated: bool,
    },
}

/// Makes and checks password hashes.
#[derive(Debug)]
pub(crate) struct Hasher {
    params: Params,
    dummy: String,
    workers: Workers,
    /// One thread for stored hashes that take more memory than `workers` have room for.
    roomy: Workers,
    random: Arc<dyn Random>,
}

impl Hasher {
    /// Starts the threads.
    pub(crate) fn start(
        cost: Cost,
        pool: Pool,
        random: Arc<dyn Random>,
    ) -> Result<Self, HashError> {
        let memory = u32::try_from(cost.memory.0 >> 10).map_err(|_| HashError::BadCost)?;
        let params = Params::new(memory, cost.passes, cost.lanes, Some(OUTPUT))
            .map_err(|_| HashError::BadCost)?;
        Ok(Self {
            dummy: dummy(&params, &*random)?,
            params,
            workers: Workers::start(pool, cost.memory).map_err(HashError::NoThreads)?,
            roomy: Workers::start(Pool { cores: 1, ..pool }, cost.memory)
                .map_err(HashError::NoThreads)?,
            random,
        })
    }

    /// A new hash, as a PHC string.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let argon2 = Argon2::from(&self.params);
        let salt: [u8; SALT] = self.random.bytes();
        let result = work(&self.workers, password, move |password| {
            let hash = argon2.hash_password_with_salt(password.expose().as_bytes(), &salt);
            hash.map(|hash| hash.to_string())
                .map_err(|_| HashError::Failed)
        })
        .await;
        count(match &result {
            Ok(_) => "made",
            Err(error) => error.label(),
        });
        result
    }

    /// Checks a password against a hash from the storage, in any form of [`stored`].
    pub(crate) async fn verify(
        &self,
        password: &Secret,
        stored: &str,
    ) -> Result<Verified, HashError> {
        let result = self.check(password, stored).await;
        count(match &result {
            Ok(Verified::Matches { .. }) => "matched",
            Ok(Verified::Differs) => "differs",
            Err(error) => error.label(),
        });
        result
    }

    /// Takes as long as [`verify`](Self::verify) and never matches: for users that do not exist,
    /// so that the time of an answer does not tell who does.
    pub(crate) async fn verify_dummy(&self, password: &Secret) -> Result<(), HashError> {
        self.verify(password, &self.dummy).await.map(drop)
    }

    async fn check(&self, password: &Secret, stored: &str) -> Result<Verified, HashError> {
        let stored = StoredHash::parse(stored).map_err(|_| HashError::Unreadable)?;
        let outdated = !stored.is_ours(&self.params);
        let dummy = outdated.then(|| self.dummy.clone());
        let own_memory = u64::from(self.params.m_cost()) << 10;
        let workers = if stored.memory() > own_memory {
            &self.roomy
        } else {
            &self.workers
        };
        work(workers, password, move |password| {
            let unreadable = |_| HashError::Unreadable;
            if stored.matches(password.expose()).map_err(unreadable)? {
                return Ok(Verified::Matches { outdated });
            }
            if let Some(dummy) = dummy {
                let dummy = StoredHash::parse(&dummy).map_err(unreadable)?;
                dummy.matches(password.expose()).map_err(unreadable)?;
            }
            Ok(Verified::Differs)
        })
        .await
    }
}

async fn work<T: Send + 'static>(
    workers: &Workers,
    password: &Secret,
    work: impl FnOnce(&Secret) -> Result<T, HashError> + Send + 'static,
) -> Result<T, HashError> {
    if password.expose().len() > LONGEST_PASSWORD {
        return Err(HashError::TooLong);
    }
    let password = password.clone();
    match workers.run(move || work(&password)).await {
        Ok(result) => result,
        Err(NotDone::Busy) => Err(HashError::Busy),
        Err(NotDone::Panicked) => Err(HashError::Failed),
    }
}

/// Octets of a new hash and of its salt (RFC 9106 section 4 asks for 128 bits of salt).
const OUTPUT: usize = 32;
const SALT: usize = 16;

/// A PHC string that no password is known for: drawn, not worked out, so that a start costs no
/// hash.
fn dummy(params: &Params, random: &dyn Random) -> Result<String, HashError> {
    let hash = || -> Result<PasswordHash, PhcError> {
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(Salt::new(&random.bytes::<SALT>())?),
            hash: Some(Output::new(&random.bytes::<OUTPUT>())?),
        })
    };
    hash()
        .map(|hash| hash.to_string())
        .map_err(|_| HashError::BadCost)
}

fn count(result: &str) {
    PASSWORD_HASHES.with_label_values(&[result]).inc();
}

/// Why there is no answer about a password. Each of them denies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error("argon2id cannot work with this memory, number of passes or lanes")]
    BadCost,
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password could not be hashed")]
    Failed,
    #[error("no thread for password hashes could be started")]
    NoThreads(#[source] std::io::Error),
    #[error("the password has more than {LONGEST_PASSWORD} bytes")]
    TooLong,
    #[error("the stored password hash is not readable")]
    Unreadable,
}

impl HashError {
    fn label(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            _ => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::random::OsRandom;

    const CHEAP: Cost = Cost {
        memory: Size(64 << 10),
        passes: 1,
        lanes: 1,
    };

    fn hasher(cost: Cost) -> Hasher {
        Hasher::start(cost, Pool::default(), Arc::new(OsRandom)).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_itself_only() {
        let hasher = hasher(CHEAP);
        let phc = hasher.hash(&secret("correct horse")).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        let verify = async |text: &str| hasher.verify(&secret(text), &phc).await.unwrap();
        assert_eq!(
            verify("correct horse").await,
            Verified::Matches { outdated: false }
        );
        for other in [
            "",
            "correct hors",
            "correct horse ",
            "Correct horse",
            "correct horse\0",
        ] {
            assert_eq!(verify(other).await, Verified::Differs, "{other:?}");
        }
        let again = hasher.hash(&secret("correct horse")).await.unwrap();
        assert_ne!(again, phc, "each hash has a salt of its own");
        hasher.verify_dummy(&secret("correct horse")).await.unwrap();
    }

    #[tokio::test]
    async fn the_default_is_what_owasp_says() {
        let hasher = hasher(Cost::default());
        let phc = hasher.hash(&secret("x")).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(hasher.dummy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(hasher.dummy.len(), phc.len());
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated() {
        let old = hasher(CHEAP).hash(&secret("x")).await.unwrap();
        let new = hasher(Cost { passes: 2, ..CHEAP });
        let found = new.verify(&secret("x"), &old).await.unwrap();
        assert_eq!(found, Verified::Matches { outdated: true });
        assert_eq!(
            new.verify(&secret("y"), &old).await.unwrap(),
            Verified::Differs
        );
    }

    /// Passwords that share their first 72 bytes differ: nothing is cut.
    #[tokio::test]
    async fn long_passwords_count_whole_and_too_long_ones_are_refused() {
        let hasher = hasher(CHEAP);
        let long = "p".repeat(LONGEST_PASSWORD);
        let phc = hasher.hash(&secret(&long)).await.unwrap();
        let shorter = secret(&"p".repeat(LONGEST_PASSWORD - 1));
        assert_eq!(
            hasher.verify(&shorter, &phc).await.unwrap(),
            Verified::Differs
        );
        let longer = secret(&format!("{long}p"));
        assert!(matches!(
            hasher.hash(&longer).await,
            Err(HashError::TooLong)
        ));
        assert!(matches!(
            hasher.verify(&longer, &phc).await,
            Err(HashError::TooLong)
        ));
        assert!(matches!(
            hasher.verify_dummy(&longer).await,
            Err(HashError::TooLong)
        ));
    }

    #[tokio::test]
    async fn damaged_rows_are_errors_and_cost_nothing() {
        let hasher = hasher(CHEAP);
        let good = hasher.hash(&secret("x")).await.unwrap();
        let tail = good.rsplit_once("p=1").unwrap().1;
        for phc in [
            "",
            "x",
            "$argon2id$",
            "$argon2id$v=19$m=64,t=1,p=1",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
            &format!("$argon2x$v=19$m=64,t=1,p=1{tail}"),
            &format!("$argon2id$v=19$m=4294967295,t=1,p=1{tail}"),
            &format!("$argon2id$v=19$m=2097152,t=1,p=1{tail}"),
            &format!("$argon2id$v=19$m=64,t=4000000000,p=1{tail}"),
            &format!("$argon2id$v=19$m=1024,t=1,p=100{tail}"),
            "$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde",
            "{CLEARTEXT}x",
        ] {
            let found = hasher.verify(&secret("x"), phc).await;
            assert!(
                matches!(found, Err(HashError::Unreadable)),
                "{phc} {found:?}"
            );
        }
    }

    /// bcrypt's, of an empty password.
    const FOREIGN: &str = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";

    #[tokio::test]
    async fn a_hash_from_elsewhere_is_checked_and_outdated() {
        let hasher = hasher(CHEAP);
        let verify = async |text| hasher.verify(&secret(text), FOREIGN).await.unwrap();
        assert_eq!(verify("").await, Verified::Matches { outdated: true });
        assert_eq!(verify("x").await, Verified::Differs);
        // the same function and cost, but the other flavours of it
        let ours = hasher.hash(&secret("x")).await.unwrap();
        let wrapped = format!("{{ARGON2}}{ours}");
        let found = hasher.verify(&secret("x"), &wrapped).await.unwrap();
        assert_eq!(found, Verified::Matches { outdated: false });
    }

    /// Otherwise a name with a fast hash would answer sooner than one that nobody has.
    #[tokio::test]
    async fn a_wrong_password_costs_the_dummy_where_the_hash_is_outdated() {
        let mut hasher = hasher(CHEAP);
        let ours = hasher.hash(&secret("x")).await.unwrap();
        hasher.dummy = "no hash: whoever looks at it fails".to_owned();
        let found = hasher.verify(&secret("y"), &ours).await.unwrap();
        assert_eq!(found, Verified::Differs);
        let found = hasher.verify(&secret(""), FOREIGN).await.unwrap();
        assert_eq!(found, Verified::Matches { outdated: true });
        for stored in [FOREIGN, "!", "$1$abcdefgh$G7Bt8v5uGq6VxvSyn4TtR0"] {
            let found = hasher.verify(&secret("y"), stored).await;
            assert!(matches!(found, Err(HashError::Unreadable)), "{stored}");
        }
    }

    #[tokio::test]
    async fn a_hash_that_needs_more_room_waits_in_a_queue_of_its_own() {
        let pool = Pool {
            cores: 1,
            queue: 1,
            ..Pool::default()
        };
        let hasher = Hasher::start(Cost::default(), pool, Arc::new(OsRandom)).unwrap();
        let large = Cost {
            memory: Size(20 << 20),
            passes: 1,
            lanes: 1,
        };
        let large = Hasher::start(large, pool, Arc::new(OsRandom)).unwrap();
        let password = secret("x");
        let stored = large.hash(&password).await.unwrap();
        let all = (0..8).map(|_| hasher.hash(&password));
        let (all, found) = tokio::join!(
            futures_util::future::join_all(all),
            hasher.verify(&password, &stored)
        );
        assert!(all.iter().any(Result::is_err));
        assert_eq!(found.unwrap(), Verified::Matches { outdated: true });
    }

    #[tokio::test]
    async fn a_full_queue_says_busy_and_the_metric_counts_it() {
        let busy = || PASSWORD_HASHES.with_label_values(&["busy"]).get();
        let before = busy();
        let pool = Pool {
            cores: 1,
            queue: 1,
            ..Pool::default()
        };
        let hasher = Hasher::start(Cost::default(), pool, Arc::new(OsRandom)).unwrap();
        let password = secret("x");
        let all = (0..8).map(|_| hasher.hash(&password));
        let results = futures_util::future::join_all(all).await;
        let refused = results
            .iter()
            .filter(|result| matches!(result, Err(HashError::Busy)))
            .count();
        assert!((6..=7).contains(&refused), "{refused}");
        assert!(busy() >= before + 6);
    }

    #[tokio::test]
    async fn nobody_waits_past_the_deadline() {
        let pool = Pool {
            cores: 1,
            deadline: Duration::from_micros(1),
            ..Pool::default()
        };
        let hasher = Hasher::start(Cost::default(), pool, Arc::new(OsRandom)).unwrap();
        assert!(matches!(
            hasher.hash(&secret("x")).await,
            Err(HashError::Busy)
        ));
    }

    #[test]
    fn impossible_costs_are_refused() {
        for cost in [
            Cost {
                memory: Size(0),
                ..CHEAP
            },
            Cost { passes: 0, ..CHEAP },
            Cost { lanes: 0, ..CHEAP },
            Cost { lanes: 9, ..CHEAP },
            Cost {
                memory: Size(1 << 60),
                ..CHEAP
            },
        ] {
            let started = Hasher::start(cost, Pool::default(), Arc::new(OsRandom));
            assert!(matches!(started, Err(HashError::BadCost)), "{cost:?}");
        }
    }
}
