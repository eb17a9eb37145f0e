//! A few threads for work that would block everybody else, behind a queue of fixed length.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use crate::units::Size;

/// How much may happen at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pool {
    /// The machine's cores; all but one of them may hash.
    pub(crate) cores: usize,
    /// The memory that all hashes at work may take together.
    pub(crate) memory: Size,
    /// How many may wait.
    pub(crate) queue: usize,
    /// How long one may wait for its answer.
    pub(crate) deadline: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: Size(256 << 20),
            queue: 64,
            deadline: Duration::from_secs(5),
        }
    }
}

impl Pool {
    /// The number of threads for pieces of work of this size; never none.
    fn threads(&self, each: Size) -> usize {
        let by_memory = self.memory.0 / each.0.max(1);
        let by_memory = usize::try_from(by_memory).unwrap_or(usize::MAX);
        self.cores.saturating_sub(1).min(by_memory).max(1)
    }
}

/// The threads. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    queue: SyncSender<Job>,
    deadline: Duration,
}

type Job = Box<dyn FnOnce() + Send>;

impl Workers {
    /// Starts them, for pieces of work that take `each` of memory.
    pub(super) fn start(pool: Pool, each: Size) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(pool.queue.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..pool.threads(each) {
            let jobs = jobs.clone();
            thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || work_off(&jobs))?;
        }
        Ok(Self {
            queue,
            deadline: pool.deadline,
        })
    }

    /// Does `work` on one of the threads. Work that nobody waits for any more is not begun.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move || {
            if !reply.is_closed() {
                // nobody waits any more: the answer is dropped
                let _ = reply.send(work());
            }
        });
        self.queue.try_send(job).map_err(|_| NotDone::Busy)?;
        match timeout(self.deadline, answer).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(NotDone::Panicked),
            Err(_) => Err(NotDone::Busy),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotDone {
    /// The queue is full, or the wait was too long.
    Busy,
    /// The work ended in a panic; the thread goes on.
    Panicked,
}

/// One thread: takes job after job until the queue is gone.
fn work_off(jobs: &Mutex<Receiver<Job>>) {
    give_way();
    loop {
        let next = jobs.lock().recv();
        let Ok(job) = next else { return };
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Lowers this thread's priority, so that a storm of logins leaves the processor to those who are
/// signed in. On Linux the call is about one thread; elsewhere it would be about the process, and
/// is left out. Where it is refused the threads work at the usual priority.
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const EACH: Size = Size(1 << 20);

    #[test]
    fn cores_and_memory_bound_the_threads() {
        for (cores, mebibytes, threads) in [
            (1, 256, 1),
            (2, 256, 1),
            (8, 256, 7),
            (8, 3, 3),
            (8, 0, 1),
            (0, 0, 1),
        ] {
            let pool = Pool {
                cores,
                memory: Size(mebibytes << 20),
                ..Pool::default()
            };
            assert_eq!(pool.threads(EACH), threads, "{cores} {mebibytes}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn never_more_at_once_than_there_are_threads() {
        let pool = Pool {
            cores: 4,
            queue: 100,
            ..Pool::default()
        };
        let workers = Workers::start(pool, EACH).unwrap();
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all = (0..60).map(|_| {
            let (now, peak) = (now.clone(), peak.clone());
            workers.run(move || {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::park_timeout(Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let results = futures_util::future::join_all(all).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(peak.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_at_once_and_a_long_wait_later() {
        let pool = Pool {
            cores: 1,
            queue: 2,
            deadline: Duration::from_millis(200),
            ..Pool::default()
        };
        let workers = Workers::start(pool, EACH).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = |begun: &Arc<AtomicUsize>| {
            let begun = begun.clone();
            move || begun.fetch_add(1, Ordering::SeqCst)
        };
        let first = workers.run(move || held.recv());
        let (second, third) = (workers.run(counted(&begun)), workers.run(counted(&begun)));
        let fourth = async {
            // by now the first is at work and two are waiting
            tokio::time::sleep(Duration::from_millis(50)).await;
            let asked = tokio::time::Instant::now();
            let result = workers.run(counted(&begun)).await;
            (result, asked.elapsed())
        };
        let later = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            tokio::join!(second, third)
        };
        let (first, (second, third), (fourth, took)) = tokio::join!(first, later, fourth);
        assert_eq!(first, Err(NotDone::Busy));
        assert_eq!((second, third), (Err(NotDone::Busy), Err(NotDone::Busy)));
        assert_eq!(fourth, Err(NotDone::Busy));
        assert!(took < Duration::from_millis(100), "{took:?}");
        release.send(()).unwrap();
        let again = async {
            while workers.run(|| ()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), again).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0, "nobody waited for it");
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_but_not_the_thread() {
        let pool = Pool {
            cores: 1,
            ..Pool::default()
        };
        let workers = Workers::start(pool, EACH).unwrap();
        assert_eq!(
            workers.run(|| panic!("x")).await,
            Err::<(), _>(NotDone::Panicked)
        );
        assert_eq!(workers.run(|| 7).await, Ok(7));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_give_way_and_nobody_else_does() {
        let workers = Workers::start(Pool::default(), EACH).unwrap();
        let nice = || rustix::process::getpriority_process(None).ok();
        let before = nice();
        assert_eq!(workers.run(nice).await, Ok(Some(10)));
        assert_eq!(nice(), before);
    }
}
