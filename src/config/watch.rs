//! Notices that files changed, however that is done: written in place, replaced by a rename as
//! editors do, or by swapping a symbolic link as Kubernetes does with a mounted ConfigMap.
//!
//! Folders are watched, because a watch on a file goes away with the file. Much happens in a folder
//! that has nothing to do with the files (a database may lie there), so what counts is whether one
//! of them is another than before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long it must be quiet before a change counts: a file is often written in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// Changes that never cease are reported this often all the same.
const LONGEST: Duration = Duration::from_secs(2);

/// One of the files changed, or more of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Changed;

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    changes: mpsc::Receiver<Changed>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Watches these files, and all files in those of them that are folders. Must be called inside
    /// the runtime.
    pub(crate) fn new(paths: &[PathBuf]) -> Result<Self, notify::Error> {
        // One place is enough: it says that something happened, not what.
        let (wake, woken) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, _>| {
            // Reading a file is no change; ours would wake us for ever.
            let read = event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_)));
            if !read {
                // Full means that a look is due already.
                let _ = wake.try_send(());
            }
        })?;
        for folder in folders(paths) {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        let (tell, changes) = mpsc::channel(1);
        let task = tokio::spawn(follow(watcher, woken, tell, paths.to_vec(), look(paths)));
        Ok(Self { changes, task })
    }

    /// The next change; `None`: the watch has ended.
    pub(crate) async fn changed(&mut self) -> Option<Changed> {
        self.changes.recv().await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    mut watcher: notify::RecommendedWatcher,
    mut woken: mpsc::Receiver<()>,
    tell: mpsc::Sender<Changed>,
    paths: Vec<PathBuf>,
    mut before: BTreeMap<PathBuf, Seen>,
) {
    let mut watched = folders(&paths);
    while woken.recv().await.is_some() {
        let settle =
            async { while tokio::time::timeout(QUIET, woken.recv()).await == Ok(Some(())) {} };
        // Either it is quiet now, or it has gone on for so long that it is time to look.
        let _ = tokio::time::timeout(LONGEST, settle).await;
        // A link may lead to another folder now.
        let folders = folders(&paths);
        for new in folders.difference(&watched) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %new.display(), %error, "cannot watch a folder");
            }
        }
        for old in watched.difference(&folders) {
            // A folder that is gone has taken its watch with it.
            let _ = watcher.unwatch(old);
        }
        watched = folders;
        let now = look(&paths);
        if now != before {
            before = now;
            if tell.send(Changed).await.is_err() {
                return;
            }
        }
    }
}

/// The folders in which something must happen for one of the paths to change: the one it is in, the
/// ones that links on the way to it are in, and itself if it is a folder.
fn folders(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut next = Some(path.clone());
        // A chain of links has an end, or the file cannot be opened anyway.
        for _ in 0..8 {
            let Some(path) = next.take() else { break };
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            folders.insert(parent.to_owned());
            next = fs::read_link(&path).ok().map(|to| parent.join(to));
        }
        if path.is_dir() {
            folders.insert(path.clone());
        }
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

/// What a file looked like.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// What all files look like now.
fn look(paths: &[PathBuf]) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    for path in paths {
        let Ok(metadata) = fs::metadata(path) else {
            continue;
        };
        if metadata.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                note(&entry.path(), &mut seen);
            }
        } else {
            note(path, &mut seen);
        }
    }
    seen
}

fn note(path: &Path, seen: &mut BTreeMap<PathBuf, Seen>) {
    if let Ok(metadata) = fs::metadata(path) {
        let file = Seen {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        };
        seen.insert(path.to_owned(), file);
    }
}
