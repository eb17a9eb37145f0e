//! Six digits in a message, and what is kept of them.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    clock::Timestamp,
    connection::sealed_rows::SealedRows,
    crypto,
    store::{OneTimeKey, Purpose, StoreError},
};

/// How often one code can be typed wrong.
pub(crate) const TRIES: u8 = 3;

/// A code as the store keeps it: nobody reads it there.
#[derive(Deserialize, Serialize)]
pub(super) struct CodeRow {
    /// The hash of the token that the digits are worked out of.
    pub(super) token: [u8; 32],
    code: [u8; 32],
}

impl CodeRow {
    pub(super) fn of(token: &[u8; 32]) -> Self {
        let hash = crypto::sha256(token);
        Self {
            token: hash,
            code: code_hash(&hash, &digits(token)),
        }
    }

    /// Whether that is what was typed; anything but digits is passed over.
    fn is(&self, typed: &str) -> bool {
        let typed: String = typed.chars().filter(char::is_ascii_digit).collect();
        self.code.ct_eq(&code_hash(&self.token, &typed)).into()
    }

    /// Makes the tries that there are.
    pub(super) async fn put_tries(
        &self,
        rows: &SealedRows,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        for number in 0..TRIES {
            rows.put(self.try_key(number), &(), until).await?;
        }
        Ok(())
    }

    /// Compares what was typed. A try is taken away before, so tries at the same time are counted like
    /// others.
    pub(super) async fn compare(
        &self,
        rows: &SealedRows,
        (typed, now): (&str, Timestamp),
    ) -> Result<Compared, StoreError> {
        for number in 0..TRIES {
            if rows.take(self.try_key(number), now).await? {
                return Ok(if self.is(typed) {
                    Compared::Right
                } else {
                    let left = TRIES - 1 - number;
                    Compared::Wrong { left }
                });
            }
        }
        Ok(Compared::NoTryLeft)
    }

    fn try_key(&self, number: u8) -> OneTimeKey {
        OneTimeKey {
            purpose: Purpose::CodeTry,
            hash: crypto::sha256(&[self.token.as_slice(), &[number]].concat()),
        }
    }
}

/// What came of a try.
pub(super) enum Compared {
    NoTryLeft,
    Right,
    /// `left`: the tries that are left.
    Wrong {
        left: u8,
    },
}

/// Six digits of a token: of its 256 bits they tell nothing that helps.
pub(super) fn digits(token: &[u8; 32]) -> String {
    let hash = crypto::sha256(&[b"code\0", token.as_slice()].concat());
    let number = hash.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("{:06}", number % 1_000_000)
}

fn code_hash(token: &[u8; 32], code: &str) -> [u8; 32] {
    crypto::sha256(&[token.as_slice(), code.as_bytes()].concat())
}
