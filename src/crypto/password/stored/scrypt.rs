//! scrypt (RFC 7914), in the six ways it is written.

use openssl::symm::{Cipher, encrypt};

use super::{BadHash, MOST_MEMORY, encoding, key, number, salted, same};

const DAMAGED: BadHash = BadHash::Damaged("scrypt");

/// What it costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScryptCost(scrypt::Params);

/// Bytes written in all: about three seconds.
const MOST_WORK: u64 = 1 << 30;

impl ScryptCost {
    /// From `N`, `r` and `p`.
    pub(super) fn new(n: u64, r: u32, p: u32) -> Result<Self, BadHash> {
        if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return Err(DAMAGED);
        }
        let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
        let work = memory.saturating_mul(u64::from(p));
        if memory > MOST_MEMORY || work > MOST_WORK {
            return Err(BadHash::TooCostly("scrypt cost"));
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| DAMAGED)?;
        let params = scrypt::Params::new(log_n, r, p).map_err(|_| DAMAGED)?;
        Ok(Self(params))
    }

    fn of_log(log_n: u32, r: u32, p: u32) -> Result<Self, BadHash> {
        let n = 1_u64
            .checked_shl(log_n)
            .ok_or(BadHash::TooCostly("scrypt cost"))?;
        Self::new(n, r, p)
    }

    fn memory(self) -> u64 {
        self.0.n().saturating_mul(u64::from(self.0.r())) * 128
    }
}

/// A derived key with what it was derived from.
pub(super) struct Scrypt {
    cost: ScryptCost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Scrypt {
    /// Takes the parts.
    pub(super) fn new(cost: ScryptCost, salt: Vec<u8>, hash: Vec<u8>) -> Result<Self, BadHash> {
        Ok(Self {
            cost,
            salt: salted(salt)?,
            hash: key(hash, "scrypt")?,
        })
    }

    /// `$scrypt$ln=16,r=8,p=1$salt$hash`.
    pub(super) fn phc(text: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let ["", _, params, salt, hash] = *fields else {
            return Err(DAMAGED);
        };
        let (log_n, r, p) = (
            param(params, "ln").ok_or(DAMAGED)?,
            param(params, "r").ok_or(DAMAGED)?,
            param(params, "p").ok_or(DAMAGED)?,
        );
        let octets = |text| encoding::base64(text).ok_or(DAMAGED);
        Self::new(
            ScryptCost::of_log(log_n, r, p)?,
            octets(salt)?,
            octets(hash)?,
        )
    }

    /// crypt(3): `$7$`, one digit for log N, five for r, five for p, the salt as text, the hash.
    pub(super) fn crypt(text: &str) -> Result<Self, BadHash> {
        let rest = text.strip_prefix("$7$").ok_or(DAMAGED)?;
        let (log_n, rest) = rest.split_at_checked(1).ok_or(DAMAGED)?;
        let (r, rest) = rest.split_at_checked(5).ok_or(DAMAGED)?;
        let (p, rest) = rest.split_at_checked(5).ok_or(DAMAGED)?;
        let (salt, hash) = rest.rsplit_once('$').ok_or(DAMAGED)?;
        let number = |text| encoding::crypt64_number(text).ok_or(DAMAGED);
        let cost = ScryptCost::of_log(number(log_n)?, number(r)?, number(p)?)?;
        let hash = encoding::crypt64(hash).ok_or(DAMAGED)?;
        Self::new(cost, salt.as_bytes().to_vec(), hash)
    }

    /// `N$salt$r$p$hash`, the salt as text.
    pub(super) fn django(rest: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [n, salt, r, p, hash] = *fields else {
            return Err(DAMAGED);
        };
        let hash = encoding::base64(hash).ok_or(DAMAGED)?;
        Self::new(cost(n, r, p)?, salt.as_bytes().to_vec(), hash)
    }

    /// `N:r:p$salt$hash`, the salt as text.
    pub(super) fn werkzeug(rest: &str) -> Result<Self, BadHash> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [params, salt, hash] = *fields else {
            return Err(DAMAGED);
        };
        let params: Vec<&str> = params.split(':').collect();
        let [n, r, p] = *params else {
            return Err(DAMAGED);
        };
        let hash = encoding::hex(hash).ok_or(DAMAGED)?;
        Self::new(cost(n, r, p)?, salt.as_bytes().to_vec(), hash)
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        let computed = derive(self.cost, octets, &self.salt, self.hash.len())?;
        Ok(same(&computed, &self.hash))
    }

    pub(super) fn memory(&self) -> u64 {
        self.cost.memory()
    }
}

/// Firebase's variant: the derived key encrypts a key of the project, and that is the hash.
pub(super) struct FirebaseScrypt {
    cost: ScryptCost,
    salt: Vec<u8>,
    signer_key: Vec<u8>,
    hash: Vec<u8>,
}

impl FirebaseScrypt {
    /// `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=key$salt$hash`: memory cost, rounds, parallelism, salt
    /// separator and signer key are the project's.
    pub(super) fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("Firebase scrypt");
        let fields: Vec<&str> = text.split('$').collect();
        let ["", _, params, salt, hash] = *fields else {
            return Err(damaged);
        };
        let octets = |text: &str| encoding::base64(text).ok_or(damaged);
        let octet_param = |name| octets(text_param(params, name).ok_or(damaged)?);
        let number_param = |name| param(params, name).ok_or(damaged);
        if number_param("v")? != 1 {
            return Err(damaged);
        }
        let cost = ScryptCost::of_log(number_param("n")?, number_param("r")?, number_param("p")?)?;
        let signer_key = octet_param("sk")?;
        let hash = octets(hash)?;
        if signer_key.len() != hash.len() {
            return Err(damaged);
        }
        Ok(Self {
            cost,
            salt: salted([octets(salt)?, octet_param("ss")?].concat())?,
            signer_key,
            hash: key(hash, "Firebase scrypt")?,
        })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        let derived = derive(self.cost, octets, &self.salt, 32)?;
        let cipher = Cipher::aes_256_ctr();
        let computed = encrypt(cipher, &derived, Some(&[0; 16]), &self.signer_key);
        let computed = computed.map_err(|_| BadHash::Damaged("Firebase scrypt"))?;
        Ok(same(&computed, &self.hash))
    }

    pub(super) fn memory(&self) -> u64 {
        self.cost.memory()
    }
}

fn derive(cost: ScryptCost, octets: &[u8], salt: &[u8], length: usize) -> Result<Vec<u8>, BadHash> {
    let mut computed = vec![0; length];
    scrypt::scrypt(octets, salt, &cost.0, &mut computed).map_err(|_| DAMAGED)?;
    Ok(computed)
}

fn cost(n: &str, r: &str, p: &str) -> Result<ScryptCost, BadHash> {
    let number = |text| number(text).ok_or(DAMAGED);
    ScryptCost::new(number(n)?.into(), number(r)?, number(p)?)
}

/// A number among `name=value,…`.
pub(super) fn param(params: &str, name: &str) -> Option<u32> {
    number(text_param(params, name)?)
}

fn text_param<'a>(params: &'a str, name: &str) -> Option<&'a str> {
    let pairs = params.split(',').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter_map(|(known, value)| (known == name).then_some(value));
    values.next().filter(|_| values.next().is_none())
}
