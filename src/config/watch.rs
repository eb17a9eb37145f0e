//! Noticing that files changed.
//!
//! The folders are watched and not the files: an editor renames a new file over the old one, and
//! Kubernetes swaps a symbolic link beside it, which is no event of the file. Something happened in
//! a folder, so the files are looked at: only another size, time or inode is a change, not what
//! else goes on there. They are also looked at now and then without an event, for file systems
//! that have none.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Its drop ends the events, and that ends the thread.
    _notify: RecommendedWatcher,
}

/// After an event it must be quiet this long: a file is written in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// At most so many times: a folder may never be quiet.
const MOST_WAITS: usize = 10;

/// How often is looked without an event.
const NOW_AND_THEN: Duration = Duration::from_secs(10);

/// Tells when one of these files, or a file directly in one of these folders, has changed. A
/// message that was not taken yet stands for later changes, too.
pub(crate) fn watch(
    paths: Vec<PathBuf>,
    tell: tokio::sync::mpsc::Sender<()>,
) -> notify::Result<Watcher> {
    let (sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading is no change, and we read ourselves. An error may mean lost events.
        if !matches!(
            event,
            Ok(notify::Event {
                kind: EventKind::Access(_),
                ..
            })
        ) {
            let _ = sender.send(());
        }
    })?;
    // Before the events begin: what changes in between is seen at the first look.
    let mut known = look(&paths);
    for folder in folders(&paths) {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    let watching = move || {
        loop {
            match events.recv_timeout(NOW_AND_THEN) {
                Ok(()) => {
                    let mut waits = 0;
                    while waits < MOST_WAITS && events.recv_timeout(QUIET).is_ok() {
                        waits += 1;
                        events.try_iter().for_each(drop);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = look(&paths);
            if now != known {
                known = now;
                if let Err(tokio::sync::mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
                    return;
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("config-watch".to_owned());
    thread.spawn(watching).map_err(notify::Error::io)?;
    Ok(Watcher { _notify: watcher })
}

/// The folders in which a change of these paths can be noticed.
fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for path in paths {
        if path.is_dir() {
            folders.push(path.clone());
        }
        folders.push(parent(path));
        if let Ok(target) = path.canonicalize() {
            folders.push(parent(&target));
        }
    }
    folders.sort();
    folders.dedup();
    folders.retain(|folder| folder.is_dir());
    folders
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => ".".into(),
    }
}

/// What tells one state of a file from another; `None`: it is not there.
#[derive(Debug, Eq, PartialEq)]
struct Look(Vec<Option<Trait>>);

/// Device, inode, size, and seconds and nanoseconds of the last change.
type Trait = (u64, u64, u64, i64, i64);

fn look(paths: &[PathBuf]) -> Look {
    let mut found = Vec::new();
    for path in paths {
        found.push(look_at(path).ok());
        if let Ok(entries) = fs::read_dir(path) {
            let mut inside: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            inside.sort();
            found.extend(inside.iter().map(|path| look_at(path).ok()));
        }
    }
    Look(found)
}

fn look_at(path: &Path) -> io::Result<Trait> {
    let file = fs::metadata(path)?;
    Ok((
        file.dev(),
        file.ino(),
        file.size(),
        file.mtime(),
        file.mtime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn told(changes: &mut tokio::sync::mpsc::Receiver<()>) -> bool {
        tokio::time::timeout(Duration::from_secs(5), changes.recv())
            .await
            .is_ok()
    }

    async fn quiet(changes: &mut tokio::sync::mpsc::Receiver<()>) -> bool {
        tokio::time::timeout(Duration::from_millis(700), changes.recv())
            .await
            .is_err()
    }

    #[tokio::test]
    async fn each_way_to_change_a_file_is_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, "a").unwrap();
        let (tell, mut changes) = tokio::sync::mpsc::channel(1);
        let watcher = watch(vec![file.clone()], tell).unwrap();

        fs::write(&file, "bb").unwrap();
        assert!(told(&mut changes).await, "written");
        let new = folder.path().join(".config.toml.swp");
        fs::write(&new, "cc").unwrap();
        fs::rename(&new, &file).unwrap();
        assert!(told(&mut changes).await, "renamed over");
        assert!(quiet(&mut changes).await, "told twice");
        fs::write(folder.path().join("vestibule.db-wal"), "x").unwrap();
        fs::read(&file).unwrap();
        assert!(quiet(&mut changes).await, "another file");
        fs::remove_file(&file).unwrap();
        assert!(told(&mut changes).await, "removed");

        drop(watcher);
        let end = tokio::time::timeout(Duration::from_secs(5), changes.recv()).await;
        assert!(end.unwrap().is_none(), "it ends with the watcher");
    }

    #[tokio::test]
    async fn a_swapped_link_and_a_file_in_a_folder_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "a"), ("..2", "b")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("config.toml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/config.toml", at("config.toml")).unwrap();
        fs::create_dir(at("pages")).unwrap();
        let (tell, mut changes) = tokio::sync::mpsc::channel(1);
        let _watcher = watch(vec![at("config.toml"), at("pages")], tell).unwrap();

        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(told(&mut changes).await, "swapped");
        fs::write(at("pages/login.html"), "x").unwrap();
        assert!(told(&mut changes).await, "template");
    }
}
