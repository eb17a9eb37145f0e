//! PBKDF2 (RFC 8018 section 5.2), in the seven ways it is written.

use openssl::pkcs5::pbkdf2_hmac;

use super::{BadHash, Digest, encoding, key, number, salted, same, scrypt::param};

const DAMAGED: BadHash = BadHash::Damaged("PBKDF2");

/// A derived key with what it was derived from.
pub(super) struct Pbkdf2 {
    digest: Digest,
    rounds: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Rounds over all blocks of the key: about three seconds.
const MOST_WORK: u64 = 6_000_000;

impl Pbkdf2 {
    fn new(
        digest: Digest,
        rounds: u32,
        salt: Option<Vec<u8>>,
        hash: Option<Vec<u8>>,
    ) -> Result<Self, BadHash> {
        let (salt, hash) = (salt.ok_or(DAMAGED)?, key(hash.ok_or(DAMAGED)?, "PBKDF2")?);
        let blocks = hash.len().div_ceil(digest.length()) as u64;
        if digest.openssl().is_none() || rounds == 0 {
            return Err(DAMAGED);
        }
        if blocks * u64::from(rounds) > MOST_WORK {
            return Err(BadHash::TooCostly("number of PBKDF2 rounds"));
        }
        Ok(Self {
            digest,
            rounds,
            salt: salted(salt)?,
            hash,
        })
    }

    /// `$pbkdf2-sha512$i=100000,l=64$salt$hash`, where both parameters may be left out, or passlib's
    /// `$pbkdf2-sha512$25000$salt$hash`; without a digest in its name it is SHA-1.
    pub(super) fn phc(text: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let (name, params, salt, hash) = match *fields {
            ["", name, params, salt, hash] => (name, params, salt, hash),
            ["", name, salt, hash] => (name, "", salt, hash),
            _ => return Err(DAMAGED),
        };
        let digest = match name.strip_prefix("pbkdf2").ok_or(DAMAGED)? {
            "" => Digest::Sha1,
            name => name
                .strip_prefix('-')
                .and_then(Digest::named)
                .ok_or(DAMAGED)?,
        };
        let hash = encoding::base64(hash).ok_or(DAMAGED)?;
        let rounds = if params.is_empty() || params.contains('=') {
            let known = |pair: &str| pair.starts_with("i=") || pair.starts_with("l=");
            if !params.is_empty() && !params.split(',').all(known) {
                return Err(DAMAGED);
            }
            if params.contains("l=") && param(params, "l").map(|l| l as usize) != Some(hash.len()) {
                return Err(DAMAGED);
            }
            if params.contains("i=") {
                param(params, "i")
            } else {
                Some(100_000)
            }
        } else {
            number(params)
        };
        let rounds = rounds.ok_or(DAMAGED)?;
        Self::new(digest, rounds, encoding::base64(salt), Some(hash))
    }

    /// `rounds$salt$hash` in passlib's base64, as OpenLDAP's `{PBKDF2-SHA256}` has it.
    pub(super) fn ldap(digest: Digest, rest: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [rounds, salt, hash] = *fields else {
            return Err(DAMAGED);
        };
        let rounds = number(rounds).ok_or(DAMAGED)?;
        let (salt, hash) = (encoding::base64(salt), encoding::base64(hash));
        Self::new(digest, rounds, salt, hash)
    }

    /// Atlassian's `{PKCS5S2}`: salt and key in one.
    pub(super) fn atlassian(rest: &str) -> Result<Self, BadHash> {
        let octets = encoding::base64(rest).ok_or(DAMAGED)?;
        let (salt, hash) = octets.split_at_checked(16).ok_or(DAMAGED)?;
        let (salt, hash) = (Some(salt.to_vec()), Some(hash.to_vec()));
        Self::new(Digest::Sha1, 10_000, salt, hash)
    }

    /// `rounds$salt$hash`, the salt as text.
    pub(super) fn django(digest: Digest, rest: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [rounds, salt, hash] = *fields else {
            return Err(DAMAGED);
        };
        let rounds = number(rounds).ok_or(DAMAGED)?;
        let salt = Some(salt.as_bytes().to_vec());
        Self::new(digest, rounds, salt, encoding::base64(hash))
    }

    /// `sha256:rounds$salt$hash`, the salt as text.
    pub(super) fn werkzeug(rest: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [params, salt, hash] = *fields else {
            return Err(DAMAGED);
        };
        let (digest, rounds) = params.split_once(':').ok_or(DAMAGED)?;
        let digest = Digest::named(digest).ok_or(DAMAGED)?;
        let rounds = number(rounds).ok_or(DAMAGED)?;
        let salt = Some(salt.as_bytes().to_vec());
        Self::new(digest, rounds, salt, encoding::hex(hash))
    }

    /// ASP.NET Identity. Version 2 is a zero, 16 octets of salt and 32 of key; version 3 a one, then
    /// function, rounds and length of the salt in four octets each, the salt and the key.
    pub(super) fn asp_net(text: &str) -> Result<Self, BadHash> {
        let octets = encoding::base64(text).ok_or(BadHash::Unknown)?;
        let (version, rest) = octets.split_first().ok_or(BadHash::Unknown)?;
        match version {
            0 if rest.len() == 48 => {
                let (salt, hash) = rest.split_at_checked(16).ok_or(DAMAGED)?;
                let (salt, hash) = (Some(salt.to_vec()), Some(hash.to_vec()));
                Self::new(Digest::Sha1, 1000, salt, hash)
            }
            1 => {
                let (words, rest) = rest.split_at_checked(12).ok_or(BadHash::Unknown)?;
                let (words, _) = words.as_chunks::<4>();
                let words: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
                let [function, rounds, length] = *words else {
                    return Err(BadHash::Unknown);
                };
                let digest = match function {
                    0 => Digest::Sha1,
                    1 => Digest::Sha256,
                    2 => Digest::Sha512,
                    _ => return Err(BadHash::Unknown),
                };
                let (salt, hash) = rest.split_at_checked(length as usize).ok_or(DAMAGED)?;
                Self::new(digest, rounds, Some(salt.to_vec()), Some(hash.to_vec()))
            }
            _ => Err(BadHash::Unknown),
        }
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        let mut computed = vec![0; self.hash.len()];
        let digest = self.digest.openssl().ok_or(DAMAGED)?;
        let rounds = self.rounds as usize;
        pbkdf2_hmac(octets, &self.salt, rounds, digest, &mut computed).map_err(|_| DAMAGED)?;
        Ok(same(&computed, &self.hash))
    }
}
