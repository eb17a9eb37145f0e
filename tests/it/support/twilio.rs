//! Twilio's Messages API as its published description has it, served by Prism: see
//! `tests/servers/twilio.mjs`. The description is no part of the repository.

use serde_json::{Value, json};

use super::{PATIENCE, corpus, eventually, process::free_port, servers::Server};

/// The API, and what came to it.
#[derive(Debug)]
pub(crate) struct Twilio(Server);

impl Twilio {
    /// `None` where the description is absent and that is allowed.
    pub(crate) fn start() -> Option<Self> {
        let description = corpus::shared("testbed/twilio-messages.openapi.json")?;
        let description = description.canonicalize().unwrap();
        let settings = json!({ "prism": free_port(), "description": description });
        Some(Self(Server::node("twilio", settings)))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// All requests so far, when there are so many.
    #[track_caller]
    pub(crate) fn seen(&self, count: usize) -> Vec<Value> {
        let all = || self.0.ask("/").as_array().unwrap().clone();
        assert!(
            eventually(PATIENCE, || all().len() >= count),
            "{count} requests: {:#?}",
            all()
        );
        all()
    }
}
