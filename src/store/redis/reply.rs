//! From what scripts answer to records. What does not parse is reported as damage.

use std::{fmt::Display, str::FromStr};

use serde::de::DeserializeOwned;

use super::damage;
use crate::{
    clock::Timestamp,
    store::{SessionRecord, StoreError},
};

/// The fields of a hash, read one after the other.
pub(super) struct Reply(std::vec::IntoIter<Option<Vec<u8>>>);

impl Reply {
    pub(super) fn new(fields: Vec<Option<Vec<u8>>>) -> Self {
        Self(fields.into_iter())
    }

    /// A session, with its id before its fields, as `FIELDS` in `common.lua` names them.
    pub(super) fn session(&mut self) -> Result<SessionRecord, StoreError> {
        Ok(SessionRecord {
            id: self.parsed("id")?,
            user: self.parsed("user")?,
            authentications: self.json("proofs")?,
            created_at: self.time("created")?,
            last_used_at: self.time("used")?,
            expires_at: self.time("expires")?,
            address: match self.text("address")? {
                text if text.is_empty() => None,
                text => Some(parse(&text, "address")?),
            },
            user_agent: self.text("agent")?,
            sids: self.sids()?,
            sealed: self.octets("sealed")?,
            version: self.parsed("version")?,
        })
    }

    pub(super) fn octets(&mut self, name: &str) -> Result<Vec<u8>, StoreError> {
        let next = self.0.next().flatten();
        next.ok_or_else(|| damage(name, "it is not there"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, StoreError> {
        String::from_utf8(self.octets(name)?).map_err(|_| damage(name, "not UTF-8"))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, StoreError> {
        parse(&self.text(name)?, name)
    }

    fn time(&mut self, name: &str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_millis(self.parsed(name)?))
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, StoreError> {
        serde_json::from_slice(&self.octets(name)?).map_err(|error| {
            // serde's own words quote the value.
            damage(
                name,
                format_args!("{:?} error in its JSON", error.classify()),
            )
        })
    }

    fn sids(&mut self) -> Result<Vec<[u8; 32]>, StoreError> {
        let octets = self.octets("sids")?;
        let (sids, rest) = octets.as_chunks();
        if rest.is_empty() {
            Ok(sids.to_vec())
        } else {
            Err(damage("sids", "not a multiple of 32 bytes"))
        }
    }
}

/// A text that has a form.
pub(super) fn parse<T: FromStr<Err: Display>>(text: &str, name: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| damage(name, error))
}
