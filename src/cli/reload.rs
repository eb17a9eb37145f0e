//! Taking the configuration into use anew while the process serves.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::Place;
use crate::{
    app::App,
    config::{self, Loaded, Watcher},
    metrics,
    proxy::{Live, tls::ListenerTls},
    store::{Event, EventKind},
};

/// What a reload needs.
pub(super) struct Reloader {
    pub(super) place: Place,
    /// There is no file: only certificates change.
    pub(super) trial: bool,
    /// What the process was started with: what needs a restart is still so.
    pub(super) started: Loaded,
    pub(super) app: Arc<App>,
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) tls: Vec<ListenerTls>,
}

/// Takes the file into use anew when it, or a file that it names, changes, and on SIGHUP.
pub(super) async fn follow_files(reloader: Reloader) {
    let (tell, mut told) = mpsc::channel(1);
    let mut watch = Watch {
        paths: Vec::new(),
        watcher: None,
        // It stays here even without a watch, so that `told` waits for ever rather than ends.
        tell,
    };
    watch.turn_to(reloader.files(&reloader.started));
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    loop {
        let why = tokio::select! {
            _ = hangup.recv() => "signal",
            Some(()) = told.recv() => "file-changed",
        };
        reloader.reload(&mut watch, why).await;
    }
}

/// The files that are watched.
struct Watch {
    paths: Vec<PathBuf>,
    watcher: Option<Watcher>,
    tell: mpsc::Sender<()>,
}

impl Watch {
    /// Watches these files from now on. Says whether they are others than before.
    fn turn_to(&mut self, mut paths: Vec<PathBuf>) -> bool {
        paths.sort();
        paths.dedup();
        if paths == self.paths {
            return false;
        }
        self.paths.clone_from(&paths);
        self.watcher = match config::watch(paths, self.tell.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "files are not watched; send SIGHUP after a change");
                None
            }
        };
        true
    }
}

impl Reloader {
    /// The file, what it names, and what the listeners show, which are as they were at the start.
    fn files(&self, loaded: &Loaded) -> Vec<PathBuf> {
        let of_listeners = self.tls.iter().flat_map(ListenerTls::files);
        loaded.files.iter().chain(of_listeners).cloned().collect()
    }

    async fn reload(&self, watch: &mut Watch, why: &str) {
        for tls in &self.tls {
            if let Err(problems) = tls.reload() {
                for problem in problems {
                    tracing::error!(%problem, "a certificate was not taken; the old one stays");
                }
            }
        }
        if self.trial {
            return;
        }
        let kind = match self.adopt(watch).await {
            Ok(()) => {
                metrics::CONFIG_RELOADS.with_label_values(&["done"]).inc();
                tracing::info!("the configuration was taken into use");
                EventKind::ConfigReloaded
            }
            Err(error) => {
                metrics::CONFIG_RELOADS.with_label_values(&["failed"]).inc();
                tracing::error!(
                    error = format!("{error:#}"),
                    "the configuration was not taken; the last good one stays"
                );
                EventKind::ConfigRefused
            }
        };
        let event = Event::new(self.app.clock.now(), kind, why);
        event.log();
        if let Err(error) = self.app.directory.store().record(event).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "a reload is noted in the log alone");
        }
    }

    async fn adopt(&self, watch: &mut Watch) -> anyhow::Result<()> {
        let mut loaded = self.place.load()?;
        if watch.turn_to(self.files(&loaded)) {
            // What changed between reading and watching was seen by nobody.
            loaded = self.place.load()?;
        }
        let restart = self.started.settings.needs_restart(&loaded.settings);
        if !restart.is_empty() {
            tracing::warn!(
                keys = restart.join(", "),
                "these changes count after a restart"
            );
        }
        self.app
            .adopt(&self.live, &loaded.settings)
            .await
            .map_err(|problems| loaded.report(problems))?;
        Ok(())
    }
}
