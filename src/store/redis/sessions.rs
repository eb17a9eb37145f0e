//! Sessions and the handles to them.

use async_trait::async_trait;

use super::{
    Redis, damage,
    reply::{Reply, parse},
    script::{
        ADD_HANDLE, Call, FIND, ISSUE, Kind, LIST, LOAD, NOTE, OUTDATED, REMOVE, REMOVE_ALL,
        REPLACE, SIGNED_IN, SWEEP, TOUCH,
    },
};
use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Subject, UserId},
    store::{
        CUTOFFS_KEPT, Event, HandleHash, HandleRecord, Issued, Loaded, NewSession, OneTimeUse,
        SessionId, SessionRecord, SessionStore, StoreError, Whose, cutoffs,
    },
};

/// How many sessions one script ends, touches or reads: the server does nothing else meanwhile.
const AT_ONCE: usize = 500;

/// The fields of a session, or nothing.
type Fields = Vec<Option<Vec<u8>>>;

#[async_trait]
impl SessionStore for Redis {
    /// There is no trail here; the log has the event.
    async fn issue(&self, new: NewSession) -> Result<Issued, StoreError> {
        let call = Call::new(Kind::Promise, &ISSUE).with_login(&new)?;
        match self.call::<i64>(call).await? {
            1 => Ok(Issued::Issued),
            0 => Ok(Issued::Changed),
            -1 => Ok(Issued::Outdated),
            number => {
                // see issue.lua
                let index = usize::try_from((-2_i64).saturating_sub(number)).unwrap_or(usize::MAX);
                let used = new.uses.get(index);
                let used = used.ok_or_else(|| damage("answer", "there is no such use"))?;
                Ok(Issued::AlreadyUsed(used.key().purpose))
            }
        }
    }

    async fn outdated(
        &self,
        (user, proof): (&UserId, &Authentication),
        proven_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let ends = cutoffs(user, Some(proof));
        let call = Call::new(Kind::Read, &OUTDATED).with(proven_at);
        self.call(call.with_all(ends.into_iter())).await
    }

    async fn load(&self, handle: &HandleHash) -> Result<Option<Loaded>, StoreError> {
        let call = Call::new(Kind::Read, &LOAD).with(super::session_arguments::hex(&handle.0));
        let fields: Option<Fields> = self.call(call).await?;
        fields
            .map(|fields| {
                let mut reply = Reply::new(fields);
                let session = reply.session()?;
                let host = reply.text("host")?;
                Ok(Loaded { host, session })
            })
            .transpose()
    }

    async fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let call = Call::new(Kind::Read, &FIND).with(id.to_string());
        let fields: Option<Fields> = self.call(call).await?;
        fields.map(|one| Reply::new(one).session()).transpose()
    }

    async fn add_handle(
        &self,
        handle: HandleRecord,
        paid: OneTimeUse,
        _: Event,
    ) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Promise, &ADD_HANDLE).with_handle(&handle);
        self.call(call.with_uses(&[paid])).await
    }

    async fn replace(&self, record: SessionRecord, was: u64) -> Result<bool, StoreError> {
        self.write_over(&record, was, "told").await
    }

    async fn remove(&self, id: SessionId, _: Option<Event>) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Promise, &REMOVE).with(id.to_string());
        self.call(call).await
    }

    /// In scripts of bounded size; the cutoff goes with the first of them, so that no login slips
    /// in between them.
    async fn remove_all(&self, whose: &Whose, _: Option<Event>) -> Result<u64, StoreError> {
        let mut cutoff = whose.cutoff();
        let (kind, subject) = match whose {
            Whose::Connection(connection) => ("connection", connection.to_string()),
            Whose::User(user) => ("user", user.to_string()),
            Whose::All | Whose::Identity(..) | Whose::Sid(_) | Whose::UserExcept(..) => {
                ("session", String::new())
            }
        };
        let mut removed = 0;
        loop {
            let call = Call::new(Kind::Promise, &REMOVE_ALL)
                .with_whose(whose)
                .with(std::mem::take(&mut cutoff))
                .with(AT_ONCE)
                .with(kind)
                .with(subject.as_str());
            let (ended, is_more): (u64, bool) = self.call(call).await?;
            removed += ended;
            if !is_more {
                return Ok(removed);
            }
        }
    }

    async fn touch(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        for some in used.chunks(AT_ONCE) {
            let counted = Call::new(Kind::Write, &TOUCH).with(some.len());
            let call = some.iter().fold(counted, |call, (id, at)| {
                call.with(id.to_string()).with(*at)
            });
            self.call::<()>(call).await?;
        }
        Ok(())
    }

    async fn list(&self, whose: &Whose, most: usize) -> Result<Vec<SessionRecord>, StoreError> {
        let call = Call::new(Kind::Read, &LIST).with_whose(whose).with(most);
        let all: Vec<Fields> = self.call(call).await?;
        all.into_iter()
            .map(|fields| Reply::new(fields).session())
            .collect()
    }

    async fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        let call = Call::new(Kind::Write, &SIGNED_IN)
            .with(connection.as_str())
            .with(after.map_or("", Subject::as_str))
            .with(most);
        let all: Vec<String> = self.call(call).await?;
        all.iter().map(|text| parse(text, "subject")).collect()
    }

    /// One after the other, each over the version that was read: a script cannot write JSON as it
    /// was. Whoever changes one meanwhile is not overwritten, and it is read again.
    async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError> {
        let whose = Whose::Connection(from.clone());
        let mut any = false;
        loop {
            let some = self.list(&whose, AT_ONCE).await?;
            if some.is_empty() {
                break;
            }
            for mut record in some {
                for held in &mut record.authentications {
                    if held.connection == *from {
                        held.connection.clone_from(to);
                    }
                }
                let was = record.version;
                any |= self.write_over(&record, was, "quiet").await?;
            }
        }
        if any {
            let call = Call::new(Kind::Promise, &NOTE).with("connection");
            self.call::<()>(call.with(from.as_str())).await?;
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp, idle: Timestamp, most: usize) -> Result<u64, StoreError> {
        let call = Call::new(Kind::Write, &SWEEP)
            .with(now)
            .with(idle)
            .with(most)
            .with(now - CUTOFFS_KEPT)
            .with(now + CUTOFFS_KEPT);
        self.call(call).await
    }
}

impl Redis {
    async fn write_over(
        &self,
        record: &SessionRecord,
        was: u64,
        told: &str,
    ) -> Result<bool, StoreError> {
        let call = Call::new(Kind::Promise, &REPLACE)
            .with_record(record, was.saturating_add(1))?
            .with(was)
            .with(told);
        self.call(call).await
    }
}
