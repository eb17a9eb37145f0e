//! One answer of a provider at a time for each flow. A code may be exchanged once (RFC 6749 section
//! 4.1.2), and a provider may take back all tokens when it is shown twice: so a second press of the
//! button must not get that far. What is remembered is as much as is under way, and a bounded number of answers
//! that were refused.

use std::collections::HashSet;

use moka::sync::Cache;
use parking_lot::Mutex;

use super::{Engine, FLOW_LIFETIME, LoginFlow, Visit};
use crate::store::StoreError;

/// The flows whose answer is being read, and those whose answer was refused.
#[derive(Debug)]
pub(crate) struct Answering {
    under_way: Mutex<HashSet<String>>,
    failed: Cache<String, ()>,
}

/// How many refused answers are remembered.
const MOST_FAILED: u64 = 10_000;

impl Default for Answering {
    fn default() -> Self {
        let failed = Cache::builder().max_capacity(MOST_FAILED);
        Self {
            under_way: Mutex::default(),
            failed: failed.time_to_live(FLOW_LIFETIME).build(),
        }
    }
}

/// The turn of one flow, until it is dropped.
pub(super) struct Turn<'a> {
    flow: String,
    all: &'a Answering,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.under_way.lock().remove(&self.flow);
    }
}

impl Engine {
    /// The turn of this flow. `None`: its answer is being read, or has been taken before.
    pub(super) async fn answer_turn(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
    ) -> Result<Option<Turn<'_>>, StoreError> {
        let all = &self.parts.answering;
        if all.failed.contains_key(&flow.id) || !all.under_way.lock().insert(flow.id.clone()) {
            return Ok(None);
        }
        let turn = Turn {
            flow: flow.id.clone(),
            all,
        };
        let key = flow.once().key();
        let store = self.parts.sessions.store();
        let used = store.was_used(&key, visit.now).await?;
        Ok((!used).then_some(turn))
    }

    /// An answer that was refused ends the flow, also for who brings its cookie once more. Nothing
    /// is stored for that: anybody can begin a login and answer it.
    pub(super) fn answer_failed(&self, flow: &LoginFlow) {
        self.parts.answering.failed.insert(flow.id.clone(), ());
    }
}
