//! Redis, and a wire to it that can be cut.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use tempfile::TempDir;

use super::process::{Process, free_port};

/// A running server that writes everything to its disk.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) port: u16,
    dir: TempDir,
    process: Process,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = spawn(port, &dir);
        Self { port, dir, process }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    /// On what it has left on its disk.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.port, &self.dir);
    }

    /// `STOP` and `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// What an operator types.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn spawn(port: u16, dir: &TempDir) -> Process {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args([
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
        .arg("--dir")
        .arg(dir.path());
    Process::spawn("redis-server", &mut command, dir.path()).wait_for_port(port)
}

/// A wire between a client and a server on this machine.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    /// `None`: it is cut.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let here = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let held = open.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut held = held.lock().unwrap();
                let (Some(streams), Ok(server)) =
                    (held.as_mut(), TcpStream::connect(("127.0.0.1", port)))
                else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                streams.extend([client, server]);
            }
        });
        Self { port: here, open }
    }

    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}
