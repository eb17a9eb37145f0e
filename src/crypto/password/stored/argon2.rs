//! argon2 (RFC 9106) in PHC strings.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};

use super::{
    super::{OUTPUT, SALT},
    BadHash, MOST_MEMORY, same,
};

/// A hash with all its parameters.
pub(super) struct Argon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    hash: Output,
}

/// Passes times memory, in KiB: about three seconds.
const MOST_WORK: u64 = 2 << 20;
const MOST_LANES: u32 = 64;

impl Argon2 {
    pub(super) fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("argon2");
        let stored = PasswordHash::new(text).map_err(|_| damaged)?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|_| damaged)?;
        // Version 1.0 of the function wrote none.
        let version = stored.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| damaged)?;
        let params = Params::try_from(&stored).map_err(|_| damaged)?;
        let (memory, passes) = (u64::from(params.m_cost()), u64::from(params.t_cost()));
        let cheap = memory << 10 <= MOST_MEMORY
            && memory.saturating_mul(passes) <= MOST_WORK
            && params.p_cost() <= MOST_LANES;
        if !cheap {
            return Err(BadHash::TooCostly("argon2 cost"));
        }
        Ok(Self {
            algorithm,
            version,
            params,
            salt: stored.salt.ok_or(damaged)?,
            hash: stored.hash.ok_or(damaged)?,
        })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        let argon2 = argon2::Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut computed = vec![0; self.hash.len()];
        argon2
            .hash_password_into(octets, &self.salt, &mut computed)
            .map_err(|_| BadHash::Damaged("argon2"))?;
        Ok(same(&computed, self.hash.as_ref()))
    }

    pub(super) fn memory(&self) -> u64 {
        u64::from(self.params.m_cost()) << 10
    }

    pub(super) fn is_ours(&self, params: &Params) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && cost(params) == cost(&self.params)
            && self.hash.len() == OUTPUT
            && self.salt.len() >= SALT
    }
}
