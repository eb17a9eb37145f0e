//! One answer of a provider at a time for each flow. A code may be exchanged once (RFC 6749 section
//! 4.1.2), and a provider may take back all tokens when it is shown twice: so a second press of the
//! button must not get that far. What is remembered is as much as is under way.

use std::collections::HashSet;

use parking_lot::Mutex;

use super::{Engine, LoginFlow, Visit};
use crate::store::StoreError;

/// The flows whose answer is being read.
#[derive(Debug, Default)]
pub(crate) struct Answering(Mutex<HashSet<String>>);

/// The turn of one flow, until it is dropped.
pub(super) struct Turn<'a> {
    flow: String,
    all: &'a Answering,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.flow);
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
        if !all.0.lock().insert(flow.id.clone()) {
            return Ok(None);
        }
        let turn = Turn {
            flow: flow.id.clone(),
            all,
        };
        let key = flow.once().key();
        let used = self.parts.sessions.store().peek(&key, visit.now).await?;
        Ok(used.is_none().then_some(turn))
    }
}
