//! Processes and ports.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use super::{PATIENCE, eventually};

/// A server that a test started. It dies with this value, by its own pid; when the test has failed
/// the end of its output is shown.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output in files of `folder`.
    pub(crate) fn spawn(name: &str, command: &mut Command, folder: &Path) -> Self {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let open = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(open(&stdout))
            .stderr(open(&stderr))
            .spawn()
            .unwrap_or_else(|error| {
                let program = command.get_program().display();
                panic!("{name}: cannot start {program}: {error}; run script/setup test")
            });
        Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until `ready`, and fails the test when the process ends before or takes too long.
    pub(crate) fn wait_until(mut self, mut ready: impl FnMut() -> bool) -> Self {
        let mut ended = None;
        let in_time = eventually(PATIENCE, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some() || ready()
        });
        if let Some(status) = ended {
            panic!(
                "{} ended with {status}\n{}",
                self.name,
                tail(&self.output())
            );
        }
        assert!(
            in_time,
            "{} never got ready
{}",
            self.name,
            tail(&self.output())
        );
        self
    }

    /// Waits until something accepts connections at `address`.
    pub(crate) fn wait_for_port(self, port: u16) -> Self {
        self.wait_until(|| accepts(port))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name: `HUP`, `TERM`, `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(done.success(), "kill -{name} {}", self.name);
    }

    /// Waits until it has ended by itself; its exit code, or `None` if a signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut code = None;
        let ended = eventually(PATIENCE, || {
            self.child
                .try_wait()
                .unwrap()
                .inspect(|status| code = status.code())
                .is_some()
        });
        assert!(
            ended,
            "{} does not end
{}",
            self.name,
            tail(&self.output())
        );
        code
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Everything it has written so far to standard output and standard error.
    pub(crate) fn output(&self) -> String {
        let read =
            |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        format!("{}{}", read(&self.stdout), read(&self.stderr))
    }

    /// What it has written to standard error so far.
    pub(crate) fn errors(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// A figure of `/proc/PID/status` in KiB, like `VmRSS`.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with(figure))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let output = self.output();
            eprintln!(
                "--- the last lines of {}\n{}\n---",
                self.name,
                tail(&output)
            );
        }
    }
}

/// The end of a text, for a failure's message.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(40)..];
    let short = |line: &&str| line.chars().take(600).collect::<String>();
    last.iter().map(short).collect::<Vec<_>>().join("\n")
}

/// A loopback port that nothing listens on, and that no other test takes while this one runs. It
/// lies below the range from which the system takes the ports of outgoing connections, so none of
/// those can grab it before the server does.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let locks = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
    std::fs::create_dir_all(&locks).unwrap();
    let start = RandomState::new().hash_one(std::process::id()) % 12_000;
    for _ in 0..1000 {
        let step = u64::from(NEXT.fetch_add(1, Ordering::Relaxed)) * 7;
        let port = u16::try_from(20_000 + (start + step) % 12_000).unwrap();
        let lock = File::create(locks.join(port.to_string())).unwrap();
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            // held until the process ends
            std::mem::forget(lock);
            return port;
        }
    }
    panic!("no free port");
}

/// Whether something listens on this loopback port.
pub(crate) fn accepts(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}
