//! An engine that counts the calls, and fails or waits when it is told to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    clock::Timestamp,
    identity::{Authentication, ConnectionId, Subject, UserId},
    store::{
        Budget, ChangeFeed, Changes, Counter, Event, HandleHash, HandleRecord, Issued, Loaded,
        NewSession, OneTimeKey, OneTimeRow, OneTimeStore, OneTimeUse, SessionId, SessionRecord,
        SessionStore, Spend, StoreError, Whose,
    },
};

/// In front of a real engine.
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn SessionStore>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    calls: HashMap<&'static str, usize>,
    failing: Vec<&'static str>,
    pauses: Vec<(&'static str, Moment, Pause)>,
    touched: Vec<Vec<(SessionId, Timestamp)>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    /// Before the engine is asked.
    Before,
    /// When it has answered, and nobody knows yet.
    After,
}

/// One call that waits.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    reached: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Pause {
    /// Until the call waits; it does not come at all when a check is missing.
    pub(super) async fn reached(&self) {
        let reached = tokio::time::timeout(PATIENCE, self.reached.acquire()).await;
        reached
            .expect("the call that is to wait comes")
            .unwrap()
            .forget();
    }

    pub(super) fn go_on(&self) {
        self.go.add_permits(1);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Fails every call.
pub(super) const EVERYTHING: &str = "everything";

impl Guarded {
    pub(super) fn new(inner: Arc<dyn SessionStore>) -> Self {
        Self {
            inner,
            told: Mutex::default(),
        }
    }

    pub(super) fn fail(&self, call: &'static str) {
        self.told.lock().failing.push(call);
    }

    pub(super) fn recover(&self) {
        self.told.lock().failing.clear();
    }

    /// The next such call waits.
    pub(super) fn pause(&self, call: &'static str, moment: Moment) -> Pause {
        let closed = || Arc::new(Semaphore::new(0));
        let pause = Pause {
            reached: closed(),
            go: closed(),
        };
        self.told.lock().pauses.push((call, moment, pause.clone()));
        pause
    }

    pub(super) fn calls(&self, call: &'static str) -> usize {
        self.told.lock().calls.get(call).copied().unwrap_or(0)
    }

    pub(super) fn all_calls(&self) -> usize {
        self.told.lock().calls.values().sum()
    }

    /// The batches of last uses since the last question.
    pub(super) fn touched(&self) -> Vec<Vec<(SessionId, Timestamp)>> {
        std::mem::take(&mut self.told.lock().touched)
    }

    async fn around<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let failing = {
            let mut told = self.told.lock();
            *told.calls.entry(call).or_default() += 1;
            told.failing
                .iter()
                .any(|failing| [call, EVERYTHING].contains(failing))
        };
        if failing {
            return Err(StoreError::Unavailable("the test says so".into()));
        }
        self.wait(call, Moment::Before).await;
        let answer = work.await;
        self.wait(call, Moment::After).await;
        answer
    }

    async fn wait(&self, call: &str, moment: Moment) {
        let pause = {
            let mut told = self.told.lock();
            let found = (told.pauses.iter())
                .position(|(paused, when, _)| *paused == call && *when == moment);
            found.map(|at| told.pauses.remove(at).2)
        };
        if let Some(pause) = pause {
            pause.reached.add_permits(1);
            pause.go.acquire().await.unwrap().forget();
        }
    }
}

#[async_trait]
impl SessionStore for Guarded {
    async fn issue(&self, new: NewSession) -> Result<Issued, StoreError> {
        self.around("issue", self.inner.issue(new)).await
    }

    async fn outdated(
        &self,
        proof: (&UserId, &Authentication),
        proven_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.around("outdated", self.inner.outdated(proof, proven_at))
            .await
    }

    async fn load(&self, handle: &HandleHash) -> Result<Option<Loaded>, StoreError> {
        self.around("load", self.inner.load(handle)).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.around("find", self.inner.find(id)).await
    }

    async fn add_handle(
        &self,
        handle: HandleRecord,
        paid: OneTimeUse,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.around("add_handle", self.inner.add_handle(handle, paid, event))
            .await
    }

    async fn replace(&self, record: SessionRecord, was: u64) -> Result<bool, StoreError> {
        self.around("replace", self.inner.replace(record, was))
            .await
    }

    async fn remove(&self, id: SessionId, event: Option<Event>) -> Result<bool, StoreError> {
        self.around("remove", self.inner.remove(id, event)).await
    }

    async fn remove_all(&self, whose: &Whose, event: Option<Event>) -> Result<u64, StoreError> {
        self.around("remove_all", self.inner.remove_all(whose, event))
            .await
    }

    async fn signed_in(
        &self,
        connection: &ConnectionId,
        after: Option<&Subject>,
        most: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        self.around("signed_in", self.inner.signed_in(connection, after, most))
            .await
    }
    async fn rename_connection(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
    ) -> Result<(), StoreError> {
        self.around("rename_connection", self.inner.rename_connection(from, to))
            .await
    }

    async fn touch(&self, used: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        self.around("touch", self.inner.touch(used)).await?;
        self.told.lock().touched.push(used.to_vec());
        Ok(())
    }

    async fn list(&self, whose: &Whose, most: usize) -> Result<Vec<SessionRecord>, StoreError> {
        self.around("list", self.inner.list(whose, most)).await
    }

    async fn sweep(&self, now: Timestamp, idle: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.around("sweep", self.inner.sweep(now, idle, most))
            .await
    }
}

#[async_trait]
impl OneTimeStore for Guarded {
    async fn first_use(&self, used: OneTimeUse) -> Result<bool, StoreError> {
        self.around("first_use", self.inner.first_use(used)).await
    }

    async fn was_used(&self, key: &OneTimeKey, now: Timestamp) -> Result<bool, StoreError> {
        self.inner.was_used(key, now).await
    }

    async fn lease(
        &self,
        key: &OneTimeKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.around("lease", self.inner.lease(key, now, until))
            .await
    }

    async fn release(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.around("release", self.inner.release(key)).await
    }

    async fn put(&self, row: OneTimeRow) -> Result<(), StoreError> {
        self.around("put", self.inner.put(row)).await
    }

    async fn peek(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.around("peek", self.inner.peek(key, now)).await
    }

    async fn take(&self, key: &OneTimeKey, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.around("take", self.inner.take(key, now)).await
    }

    async fn count(&self, spend: &Spend, now: Timestamp) -> Result<Budget, StoreError> {
        self.around("count", self.inner.count(spend, now)).await
    }

    async fn exhausted(
        &self,
        spend: &Spend,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.inner.exhausted(spend, now).await
    }

    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        self.around("refund", self.inner.refund(counter)).await
    }

    async fn sweep_one_time(&self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.around("sweep_one_time", self.inner.sweep_one_time(now, most))
            .await
    }
}

#[async_trait]
impl ChangeFeed for Guarded {
    async fn newest(&self) -> Result<u64, StoreError> {
        self.around("newest", self.inner.newest()).await
    }

    async fn since(&self, seen: u64, most: usize) -> Result<Changes, StoreError> {
        self.around("since", self.inner.since(seen, most)).await
    }

    async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.around("sweep_changes", self.inner.sweep_changes(before))
            .await
    }
}
