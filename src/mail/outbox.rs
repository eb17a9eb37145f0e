//! What waits to be sent, and how often it is tried.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    Post, Settings,
    message::{Stamp, message},
    post::NotTaken,
};
use crate::{
    clock::{Clock, Timestamp},
    metrics,
    problem::Causes,
    protocol::EmailAddress,
    random::Random,
    text::{Letter, Locale, Pages},
};

/// The most letters that wait.
const MOST: usize = 1000;
/// So many are tried at once.
const AT_ONCE: usize = 4;
/// How long it is before the second try; each pause after that is twice as long.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// No letter is tried for longer.
const PATIENCE: Duration = Duration::from_hours(1);

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
    /// One permit for each letter that may still come.
    room: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    /// Where letters are carried: not among the requests, which end sooner.
    runtime: Handle,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    closing: watch::Sender<bool>,
    /// Whether the last try of all was not taken, and may be later.
    away: AtomicBool,
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
            room: Arc::new(Semaphore::new(MOST)),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            runtime: Handle::current(),
            clock,
            random,
            closing: watch::Sender::new(false),
            away: AtomicBool::new(false),
        })
    }

    /// Makes ready what new settings say.
    pub(crate) fn open(&self, settings: Option<&Settings>) -> Result<Option<Arc<Post>>, NotTaken> {
        let _in = self.runtime.enter();
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
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            metrics::MAILS.with_label_values(&["dropped"]).inc();
            tracing::error!("a mail was dropped: too many wait");
            return;
        };
        self.note_length();
        let outbox = self.clone();
        self.runtime.spawn(async move {
            if let Some(draft) = drafted.await {
                outbox.carry(draft).await;
            }
            drop(place);
            outbox.note_length();
        });
    }

    /// Whether the mail server does not take what is sent at the moment. What is written now waits.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Tries what waits once more, for at most so long.
    pub(crate) async fn close(&self, most: Duration) {
        self.closing.send_replace(true);
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        if timeout(most, self.room.acquire_many(all)).await.is_err() {
            let left = MOST - self.room.available_permits();
            tracing::warn!(left, "mails that were not sent yet are lost");
        }
    }

    async fn carry(&self, draft: Draft) {
        let kind = draft.letter.kind();
        let result = match self.deliver(draft).await {
            Ok(()) => "sent",
            Err(undelivered) => {
                tracing::error!(kind, error = %Causes(&undelivered), "a mail was not sent");
                "failed"
            }
        };
        metrics::MAILS.with_label_values(&[result]).inc();
    }

    async fn deliver(&self, draft: Draft) -> Result<(), Undelivered> {
        let written = draft.text.write(&draft.letter, draft.locale);
        let written = written.map_err(|error| Undelivered::Unwritten(error.to_string()))?;
        let now = self.clock.now();
        let until = draft.until.min(now + PATIENCE);
        let stamp = Stamp {
            id: self.random.bytes(),
            at: now,
        };
        let mut closing = self.closing.subscribe();
        let mut pause = PAUSE;
        loop {
            let is_last = *closing.borrow();
            let post = self.post.load_full().ok_or(Undelivered::NoWay)?;
            let message = message(&post.settings, &draft.to, written.clone(), stamp);
            let message = message.map_err(|error| Undelivered::Unwritten(error.to_string()))?;
            let sent = {
                let _turn = self.at_once.acquire().await;
                post.send(message, &stamp.id).await
            };
            let is_away = sent.as_ref().is_err_and(|error| !error.is_for_good());
            self.away.store(is_away, Ordering::Relaxed);
            let error = match sent {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let next = self.clock.now() + pause;
            if error.is_for_good() || is_last || next >= until {
                return Err(Undelivered::NotTaken(error));
            }
            metrics::MAILS.with_label_values(&["retried"]).inc();
            tracing::warn!(
                kind = draft.letter.kind(),
                error = %Causes(&error),
                "a mail was not taken, and is tried again"
            );
            tokio::select! {
                () = sleep(pause) => {}
                _ = closing.wait_for(|is| *is) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn note_length(&self) {
        let waiting = MOST - self.room.available_permits();
        metrics::MAIL_QUEUE.set(i64::try_from(waiting).unwrap_or(i64::MAX));
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
    NotTaken(NotTaken),
    #[error("it cannot be written: {0}")]
    Unwritten(String),
}
