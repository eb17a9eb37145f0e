//! How sessions, and what works once, are told to the scripts.

use std::fmt::Write as _;

use super::{damage, script::Call};
use crate::store::{
    Counter, HandleRecord, NewSession, OneTimeKey, OneTimeUse, SessionRecord, StoreError, Whose,
};

impl Call {
    /// A record in this version, with the indexes that it is found by.
    pub(super) fn with_record(
        self,
        record: &SessionRecord,
        version: u64,
    ) -> Result<Self, StoreError> {
        let proofs = serde_json::to_string(&record.authentications)
            .map_err(|error| damage("proofs", error))?;
        let address = record.address.map(|address| address.to_string());
        let call = self
            .with(record.id.to_string())
            .with(record.user.to_string())
            .with(proofs)
            .with(record.created_at)
            .with(record.last_used_at)
            .with(record.expires_at)
            .with(address.unwrap_or_default())
            .with(record.user_agent.as_str())
            .with(record.sids.concat())
            .with(record.sealed.clone())
            .with(version);
        Ok(call.with_all(indexes_of(record).into_iter()))
    }

    /// Everything that a login writes, as `issue.lua` reads it.
    pub(super) fn with_login(self, new: &NewSession) -> Result<Self, StoreError> {
        let version = new
            .was
            .map_or(new.record.version, |was| was.saturating_add(1));
        let cutoffs = new.cutoffs();
        let call = self
            .with_record(&new.record, version)?
            .with(new.was.map(|was| was.to_string()).unwrap_or_default())
            .with(hex(&new.handle.hash.0))
            .with(new.handle.host.as_str())
            .with(new.ends.map(|id| id.to_string()).unwrap_or_default())
            .with(new.drops.map(|hash| hex(&hash.0)).unwrap_or_default())
            .with_uses(&new.uses)
            .with(new.proven_at);
        Ok(call.with_all(cutoffs.into_iter()))
    }

    /// What is to be used up.
    pub(super) fn with_uses(self, uses: &[OneTimeUse]) -> Self {
        let counted = self.with(uses.len());
        uses.iter().fold(counted, |call, used| {
            let (mode, time) = match used {
                OneTimeUse::First { until, .. } => ("first", *until),
                OneTimeUse::Row { now, .. } => ("row", *now),
            };
            call.with(mode).with(name_of(&used.key())).with(time)
        })
    }

    /// A handle for a session that is there.
    pub(super) fn with_handle(self, handle: &HandleRecord) -> Self {
        self.with(hex(&handle.hash.0))
            .with(handle.session.to_string())
            .with(handle.host.as_str())
    }

    /// The index that has them all, and the one that is not meant.
    pub(super) fn with_whose(self, whose: &Whose) -> Self {
        let except = match whose {
            Whose::UserExcept(_, except) => except.to_string(),
            _ => String::new(),
        };
        self.with(index_of(whose)).with(except)
    }
}

/// `PURPOSE:HASH`.
pub(super) fn name_of(key: &OneTimeKey) -> String {
    format!("{}:{}", key.purpose.name(), hex(&key.hash))
}

/// `COUNTS:SLOT`.
pub(super) fn name_of_counter(counter: Counter) -> String {
    format!("{}:{}", counter.counts.name(), counter.slot)
}

fn index_of(whose: &Whose) -> String {
    match whose {
        Whose::All => "created".to_owned(),
        Whose::Connection(connection) => format!("c:{connection}"),
        Whose::Identity(connection, subject) => format!("i:{connection}\0{subject}"),
        Whose::Sid(sid) => format!("p:{}", hex(sid)),
        Whose::User(user) | Whose::UserExcept(user, _) => format!("u:{user}"),
    }
}

fn indexes_of(record: &SessionRecord) -> Vec<String> {
    let mut all = vec![index_of(&Whose::User(record.user.clone()))];
    for held in &record.authentications {
        let (connection, subject) = (held.connection.clone(), held.subject.clone());
        all.push(index_of(&Whose::Connection(connection.clone())));
        all.push(index_of(&Whose::Identity(connection, subject)));
    }
    all.extend(record.sids.iter().map(|sid| index_of(&Whose::Sid(*sid))));
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
