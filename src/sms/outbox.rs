//! Messages on their way to a gateway.

use std::{sync::Arc, time::Duration};

use super::gateway::{Client, Gateway, Message, NotTaken};
use crate::{
    clock::{Clock, Timestamp},
    egress::queue::{self, Kind, Queue},
    metrics,
    protocol::PhoneNumber,
    text::{Locale, Pages, TextMessage},
};

/// What the queue holds.
const TEXTS: Kind = Kind {
    one: "a text message",
    many: "text messages",
    counted: &metrics::TEXTS,
    waiting: &metrics::TEXT_QUEUE,
};

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) to: PhoneNumber,
    pub(crate) message: TextMessage,
    /// The language of whoever caused it.
    pub(crate) locale: Locale,
    pub(crate) text: Arc<Pages>,
    /// When what it says stops being of use.
    pub(crate) until: Timestamp,
    /// Whoever caused it, for a gateway that wants to know.
    pub(crate) client: Client,
}

/// Takes messages, and lives as long as the process.
#[derive(Debug)]
pub(crate) struct Outbox(Arc<Queue>);

impl Outbox {
    /// An outbox whose messages are carried by the runtime that it is made in.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Queue::new(TEXTS, clock)))
    }

    /// Takes a message that is still to be written, and returns at once. `None`: it turned out that
    /// there is nobody to write to.
    pub(crate) fn post_when<F>(&self, gateway: Arc<Gateway>, drafted: F)
    where
        F: Future<Output = Option<Draft>> + Send + 'static,
    {
        let queue = self.0.clone();
        self.0.put(async move {
            if let Some(draft) = drafted.await {
                carry(&queue, &gateway, draft).await;
            }
        });
    }

    /// Tries what waits once more, for at most so long.
    pub(crate) async fn close(&self, most: Duration) {
        self.0.close(most).await;
    }
}

async fn carry(queue: &Queue, gateway: &Gateway, draft: Draft) {
    let written = draft.text.write_text(&draft.message, draft.locale);
    let written = written.map_err(|error| error.to_string()).map(|text| {
        let link = draft.message.link.as_ref();
        Message {
            to: draft.to,
            text,
            code: draft.message.code.clone(),
            link: link.map(|link| link.as_str().to_owned()),
            client: draft.client,
        }
    });
    let send = || async {
        match &written {
            Ok(message) => gateway.send(message).await,
            Err(why) => Err(NotTaken::Unwritten(why.clone())),
        }
    };
    let lane = gateway.lane();
    queue.insist(lane, ("sign-in", draft.until), send).await;
}

impl queue::NotTaken for NotTaken {
    fn is_for_good(&self) -> bool {
        self.is_for_good()
    }

    fn is_for_all(&self) -> bool {
        self.is_for_all()
    }
}
