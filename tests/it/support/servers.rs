//! The servers of `tests/servers`: identity providers that run on the Node and the Python that
//! script/setup installs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    http::{Request, exchange},
    process::{Process, free_port},
};

/// A running script of `tests/servers`, on a loopback port of its own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Process,
    _dir: TempDir,
}

impl Server {
    /// Starts `NAME.mjs` with these settings and a `port`, and waits until it listens.
    pub(crate) fn node(name: &str, mut settings: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        settings["port"] = port.into();
        // a module finds others in the folder that it lies in, so the scripts go beside theirs
        for script in std::fs::read_dir(folder()).unwrap() {
            let script = script.unwrap().path();
            if script.extension().is_some_and(|kind| kind == "mjs") {
                std::fs::copy(&script, dir.path().join(script.file_name().unwrap())).unwrap();
            }
        }
        let modules = installed("servers/node_modules");
        std::os::unix::fs::symlink(modules, dir.path().join("node_modules")).unwrap();
        let mut command = Command::new(installed("servers/node"));
        command
            .current_dir(dir.path())
            .arg(format!("{name}.mjs"))
            .arg(settings.to_string());
        Self::spawn(name, &mut command, port, dir)
    }

    /// Waits until `command` listens at `port`; it may use `dir` as long as it runs.
    pub(crate) fn spawn(name: &str, command: &mut Command, port: u16, dir: TempDir) -> Self {
        let process = Process::spawn(name, command, dir.path()).wait_for_port(port);
        Self {
            port,
            process,
            _dir: dir,
        }
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.process.kill9();
    }

    /// Ends it with all that it has started, if it began a process group.
    pub(crate) fn stop_group(&self) {
        let group = format!("-{}", self.process.pid());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// Asks for what it says about itself.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer = exchange(self.port, &self.authority(), &Request::get(path));
        answer.expect(200).json()
    }

    /// Tells it to behave in another way.
    #[track_caller]
    pub(crate) fn tell(&self, path: &str, what: &Value) -> Value {
        let request = Request::new("POST", path).body("application/json", what.to_string());
        exchange(self.port, &self.authority(), &request)
            .expect(200)
            .json()
    }

    fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Where the scripts are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

/// Something that script/setup has installed.
pub(crate) fn installed(name: &str) -> PathBuf {
    let tools = std::env::var_os("VESTIBULE_TOOLS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/vestibule/tools"),
        PathBuf::from,
    );
    let found = tools.join(name);
    assert!(
        found.exists(),
        "{} is missing: run script/setup test",
        found.display()
    );
    found
}
