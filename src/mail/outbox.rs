//! What waits to be sent.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use super::{
    Post, Settings,
    message::{Stamp, message},
    post::NotTaken,
};
use crate::{
    clock::{Clock, Timestamp},
    egress::queue::{self, Kind, Lane, Queue},
    metrics,
    problem::Causes,
    protocol::EmailAddress,
    random::Random,
    text::{Letter, Locale, Pages, Written},
};

/// What the queue holds.
const MAILS: Kind = Kind {
    one: "a mail",
    many: "mails",
    counted: &metrics::MAILS,
    waiting: &metrics::MAIL_QUEUE,
};

/// A letter on its way.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) to: EmailAddress,
    pub(crate) letter: Letter,
    /// The language of whoever caused it.
    pub(crate) locale: Locale,
    pub(crate) text: Arc<Pages>,
    /// When what it says stops being of use.
    pub(crate) until: Timestamp,
}

/// Takes letters, and lives as long as the process.
pub(crate) struct Outbox {
    post: ArcSwapOption<Post>,
    queue: Arc<Queue>,
    lane: Lane,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox from which nothing leaves until there is a [`Post`]. Letters are carried by the
    /// runtime that it is made in.
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Arc<Self> {
        Arc::new(Self {
            post: ArcSwapOption::empty(),
            queue: Arc::new(Queue::new(MAILS, clock.clone())),
            lane: Lane::default(),
            clock,
            random,
        })
    }

    /// Makes ready what new settings say.
    pub(crate) fn open(&self, settings: Option<&Settings>) -> Result<Option<Arc<Post>>, NotTaken> {
        let _in = self.queue.runtime().enter();
        let post = settings.map(|settings| Post::open(settings.clone()));
        Ok(post.transpose()?.map(Arc::new))
    }

    /// Letters leave by this from now on, those that wait too.
    pub(crate) fn adopt(&self, post: Option<Arc<Post>>) {
        self.post.store(post);
    }

    /// Takes a letter that is still to be written, and returns at once. `None`: it turned out that
    /// there is nobody to write to. Where there is no room or no way out it is dropped and
    /// counted, and whoever called does the same as otherwise.
    pub(crate) fn post_when<F>(self: &Arc<Self>, drafted: F)
    where
        F: Future<Output = Option<Draft>> + Send + 'static,
    {
        if self.post.load().is_none() {
            return;
        }
        let outbox = self.clone();
        self.queue.put(async move {
            if let Some(draft) = drafted.await {
                outbox.carry(draft).await;
            }
        });
    }

    /// Whether the mail server does not take what is sent at the moment. What is written now waits.
    pub(crate) fn is_away(&self) -> bool {
        self.lane.is_away()
    }

    /// Tries what waits once more, for at most so long.
    pub(crate) async fn close(&self, most: Duration) {
        self.queue.close(most).await;
    }

    async fn carry(&self, draft: Draft) {
        let kind = draft.letter.kind();
        let stamp = Stamp {
            id: self.random.bytes(),
            at: self.clock.now(),
        };
        let written = draft.text.write(&draft.letter, draft.locale);
        let written = written.map_err(|error| error.to_string());
        let attempt = || self.send(&draft.to, written.clone(), stamp);
        self.queue
            .insist(&self.lane, (kind, draft.until), attempt)
            .await;
    }

    async fn send(
        &self,
        to: &EmailAddress,
        written: Result<Written, String>,
        stamp: Stamp,
    ) -> Result<(), Undelivered> {
        let written = written.map_err(Undelivered::Unwritten)?;
        let post = self.post.load_full().ok_or(Undelivered::NoWay)?;
        let message = message(&post.settings, to, written, stamp);
        let message = message.map_err(|error| Undelivered::Unwritten(error.to_string()))?;
        Ok(post.send(message, &stamp.id).await?)
    }
}

impl Post {
    /// Whether messages could leave by it, for `check --online`.
    pub(crate) async fn try_out(&self) -> Result<(), String> {
        let reached = self.reach().await;
        reached.map_err(|error| format!("mail: {}", Causes(&error)))
    }
}

/// Why a letter did not arrive.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    /// There is no `[mail]` any more.
    #[error("no mail is sent any more")]
    NoWay,
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error("it cannot be written: {0}")]
    Unwritten(String),
}

impl queue::NotTaken for Undelivered {
    fn is_for_good(&self) -> bool {
        match self {
            Self::NoWay | Self::Unwritten(_) => true,
            Self::NotTaken(why) => why.is_for_good(),
        }
    }
}
