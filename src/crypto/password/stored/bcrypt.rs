//! bcrypt, and what others put before it.

use zeroize::Zeroizing;

use super::{BadHash, Prehash, Scheme, StoredHash, encoding, number, same};

/// A hash with its cost.
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
    /// Made by a version that took octets above 127 for negative numbers (`$2x$`).
    sign_extends: bool,
    /// Whether whoever made it cut passwords of more than [`MOST_OCTETS`].
    truncates: bool,
}

/// What the function looks at.
const MOST_OCTETS: usize = 72;
/// About three seconds.
const MOST_COST: u32 = 16;

impl Bcrypt {
    /// Reads `$2b$10$` and what follows.
    pub(super) fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("bcrypt");
        // All of it is ASCII, so a place in it is a number of bytes.
        if text.len() != 60 || !text.is_ascii() {
            return Err(damaged);
        }
        let mut fields = text.split('$').skip(1);
        let (Some(version), Some(cost), Some(rest), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(damaged);
        };
        if !text.starts_with('$') || !["2a", "2b", "2x", "2y"].contains(&version) {
            return Err(damaged);
        }
        let two_digits = cost.len() == 2;
        let cost = number(cost.strip_prefix('0').unwrap_or(cost)).filter(|cost| *cost >= 4);
        let cost = cost.filter(|_| two_digits).ok_or(damaged)?;
        if cost > MOST_COST {
            return Err(BadHash::TooCostly("bcrypt cost"));
        }
        let (salt, hash) = rest.split_at_checked(22).ok_or(damaged)?;
        let octets = |text| encoding::bcrypt64(text).ok_or(damaged);
        Ok(Self {
            cost,
            salt: octets(salt)?.try_into().map_err(|_| damaged)?,
            hash: octets(hash)?.try_into().map_err(|_| damaged)?,
            sign_extends: version == "2x",
            truncates: false,
        })
    }

    /// The same, made by software that cut passwords.
    pub(super) fn truncating(self) -> Self {
        Self {
            truncates: true,
            ..self
        }
    }

    /// A password of more octets than bcrypt looks at is refused, unless its maker is known to have
    /// cut it: everything with the same beginning would match.
    pub(super) fn matches(&self, octets: &[u8]) -> bool {
        if octets.len() > MOST_OCTETS && !self.truncates {
            return false;
        }
        // The two versions agree about ASCII.
        if self.sign_extends && !octets.is_ascii() {
            return false;
        }
        let ended = [octets, b"\0"].concat();
        let ended: Zeroizing<Vec<u8>> =
            Zeroizing::new(ended.into_iter().take(MOST_OCTETS).collect());
        let computed = bcrypt::bcrypt(self.cost, self.salt, &ended);
        same(
            computed.get(..self.hash.len()).unwrap_or_default(),
            &self.hash,
        )
    }
}

/// WordPress from 6.8 on: `$wp` before a bcrypt hash.
pub(super) fn word_press(text: &str) -> Result<StoredHash, BadHash> {
    Ok(StoredHash {
        reading: Prehash::WordPress.into(),
        scheme: Scheme::Bcrypt(Bcrypt::parse(text.strip_prefix("$wp").unwrap_or(text))?),
    })
}

/// passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$hash`, or `$bcrypt-sha256$2b,12$salt$hash` before.
pub(super) fn passlib_sha256(text: &str) -> Result<StoredHash, BadHash> {
    let damaged = BadHash::Damaged("bcrypt-sha256");
    let fields: Vec<&str> = text.split('$').collect();
    let ["", _, params, salt, hash] = *fields else {
        return Err(damaged);
    };
    let keyed = params.strip_prefix("v=2,t=");
    let (version, cost) = match keyed {
        Some(rest) => rest.split_once(",r="),
        None => params.split_once(','),
    }
    .ok_or(damaged)?;
    let bcrypt = Bcrypt::parse(&format!("${version}${cost:0>2}${salt}{hash}"))?;
    let prehash = match keyed {
        Some(_) => Prehash::HmacSha256Base64(salt.to_owned()),
        None => Prehash::Sha256Base64,
    };
    Ok(StoredHash {
        reading: prehash.into(),
        scheme: Scheme::Bcrypt(bcrypt),
    })
}
