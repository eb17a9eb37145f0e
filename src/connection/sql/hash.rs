//! New passwords in the forms that applications understand.

use std::sync::{Arc, LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{hash::MessageDigest, pkcs5::pbkdf2_hmac};
use tokio::sync::Semaphore;

use super::config::NewHash;
use crate::{
    connection::{NewPassword, foreign::StoreFault, registry::Parts},
    crypto::HashError,
};

/// As Django 5.2 has it.
const ROUNDS: usize = 1_000_000;
/// What bcrypt reads of a password, in bytes: it would pass over the rest.
const MOST_BCRYPT: usize = 72;
const BCRYPT_COST: u32 = 12;

/// These are worked out one at a time: they come from people who change a password.
static ONE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// The hash of a new password.
pub(super) async fn make(
    how: NewHash,
    password: &NewPassword,
    parts: &Parts,
) -> Result<String, StoreFault> {
    match how {
        NewHash::Argon2id => Ok(parts.hasher.hash(password.secret()).await?),
        NewHash::DjangoArgon2 => {
            let phc = parts.hasher.hash(password.secret()).await?;
            Ok(format!("argon2{phc}"))
        }
        NewHash::Bcrypt if password.secret().expose().len() > MOST_BCRYPT => {
            Err(StoreFault::TooLong(MOST_BCRYPT))
        }
        NewHash::Bcrypt => {
            let salt: [u8; 16] = parts.random.bytes();
            let password = password.secret().clone();
            blocking(move || {
                let hash = bcrypt::hash_with_salt(password.expose(), BCRYPT_COST, salt);
                hash.ok().map(|hash| hash.to_string())
            })
            .await
        }
        NewHash::DjangoPbkdf2Sha256 => {
            let salt = salt(parts);
            let password = password.secret().clone();
            blocking(move || {
                let mut key = [0; 32];
                let text = password.expose().as_bytes();
                let salted = salt.as_bytes();
                pbkdf2_hmac(text, salted, ROUNDS, MessageDigest::sha256(), &mut key).ok()?;
                let key = STANDARD.encode(key);
                Some(format!("pbkdf2_sha256${ROUNDS}${salt}${key}"))
            })
            .await
        }
    }
}

/// Twenty-two letters and digits, as Django draws them: 110 random bits here.
fn salt(parts: &Parts) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bytes: [u8; 22] = parts.random.bytes();
    let letters = bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    letters.map(|letter| char::from(*letter)).collect()
}

async fn blocking(
    work: impl FnOnce() -> Option<String> + Send + 'static,
) -> Result<String, StoreFault> {
    let turn = ONE.clone().acquire_owned();
    let turn = tokio::time::timeout(std::time::Duration::from_secs(5), turn).await;
    let Ok(Ok(turn)) = turn else {
        return Err(HashError::Busy.into());
    };
    let hash = tokio::task::spawn_blocking(move || {
        let hash = work();
        drop(turn);
        hash
    });
    let made = hash.await.ok().flatten();
    made.ok_or_else(|| StoreFault::Misfit("this password cannot be stored in that form".to_owned()))
}
