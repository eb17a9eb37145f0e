//! phpass, which WordPress, phpBB and Drupal 7 to 10 used: one digest, many times.

use super::{BadHash, Digest, encoding, same};

/// `$P$`, a digit for the logarithm of the rounds, eight characters of salt, the hash.
pub(super) struct Phpass {
    digest: Digest,
    rounds: u32,
    salt: String,
    /// As it is written; Drupal cuts it.
    hash: String,
}

impl Phpass {
    pub(super) fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("phpass");
        let (mark, rest) = text.split_at_checked(3).ok_or(damaged)?;
        let (digest, length) = match mark {
            "$P$" | "$H$" => (Digest::Md5, 22),
            "$S$" => (Digest::Sha512, 43),
            _ => return Err(damaged),
        };
        let (log, rest) = rest.split_at_checked(1).ok_or(damaged)?;
        let (salt, hash) = rest.split_at_checked(8).ok_or(damaged)?;
        if hash.len() != length || !encoding::is_crypt64(hash) || !encoding::is_crypt64(salt) {
            return Err(damaged);
        }
        let rounds = match encoding::crypt64_number(log).ok_or(damaged)? {
            log @ 7..=22 => 1 << log,
            0..7 => return Err(damaged),
            _ => return Err(BadHash::TooCostly("number of rounds")),
        };
        Ok(Self {
            digest,
            rounds,
            salt: salt.to_owned(),
            hash: hash.to_owned(),
        })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> bool {
        let first = self.digest.of(&[self.salt.as_bytes(), octets]);
        let last = (0..self.rounds).fold(first, |hash, _| self.digest.of(&[&hash, octets]));
        let mut written = encoding::to_crypt64(&last);
        written.truncate(self.hash.len());
        same(written.as_bytes(), self.hash.as_bytes())
    }
}
