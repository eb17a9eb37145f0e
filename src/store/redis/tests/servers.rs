//! Real servers for the tests, on the loopback, each ended by its own pid.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// One that runs.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) folder: TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// Debian's Redis with further settings.
    pub(super) async fn redis(settings: &[&str]) -> Self {
        Self::start("redis-server".into(), settings).await
    }

    /// The Valkey that is in a wheel.
    pub(super) async fn valkey(settings: &[&str]) -> Self {
        let tools = std::env::var_os("VESTIBULE_TOOLS").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/vestibule/tools"),
            PathBuf::from,
        );
        let found = Command::new("find")
            .arg(tools.join("venv/lib"))
            .args(["-name", "valkey-server"])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let program = found.lines().next();
        let program = program.expect("valkey-server is missing: run script/setup test");
        Self::start(program.into(), settings).await
    }

    /// `settings`: words of the command line; `DIR` stands for the folder of the server.
    async fn start(program: PathBuf, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        Self::start_in(program, folder, port, settings).await
    }

    pub(super) async fn start_in(
        program: PathBuf,
        folder: TempDir,
        port: u16,
        settings: &[&str],
    ) -> Self {
        let place = folder.path().to_str().unwrap();
        let port_text = port.to_string();
        let mut arguments: Vec<String> = Vec::new();
        if !settings.contains(&"--tls-port") {
            arguments.extend(["--port".to_owned(), port_text.clone()]);
        }
        arguments.extend(["--bind", "127.0.0.1", "--save", "", "--dir", place].map(str::to_owned));
        let given = settings.iter().map(|word| match *word {
            "PORT" => port_text.clone(),
            word => word.replace("DIR", place),
        });
        arguments.extend(given);
        let child = spawn(&program, &arguments, folder.path());
        let server = Self {
            port,
            folder,
            program,
            arguments,
            child,
        };
        server.accepts().await;
        server
    }

    async fn accepts(&self) {
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
        panic!("{} never got ready: {log}", self.program.display());
    }

    /// As a power cut would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// With the same settings, on what it has left in its folder.
    pub(super) async fn start_again(&mut self) {
        self.child = spawn(&self.program, &self.arguments, self.folder.path());
        self.accepts().await;
    }

    /// `STOP` and `CONT`.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(done.unwrap().success());
    }

    /// What an operator types.
    pub(super) fn cli(&self, words: &[&str]) -> String {
        let output = cli(self.port, words);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{words:?}: {output:?}");
        text
    }
}

fn cli(port: u16, words: &[&str]) -> Output {
    Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output()
        .unwrap()
}

fn spawn(program: &Path, arguments: &[String], folder: &Path) -> Child {
    let out = File::options()
        .create(true)
        .append(true)
        .open(folder.join("out"))
        .unwrap();
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; run script/setup test", program.display()))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that nobody listens at, nor where a cluster would have its bus.
pub(super) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Three nodes that have agreed.
pub(super) async fn cluster() -> Vec<Server> {
    let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Server::redis(&settings).await);
    }
    let addresses: Vec<_> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    let mut create = Command::new("redis-cli");
    create
        .args(["--cluster", "create"])
        .args(&addresses)
        .arg("--cluster-yes");
    let output = create.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for node in &nodes {
        for _ in 0..500 {
            if node.cli(&["cluster", "info"]).contains("cluster_state:ok") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    nodes
}

/// A replica of `master` that has all of its data.
pub(super) async fn replica(master: &Server) -> Server {
    let port = master.port.to_string();
    let replica = Server::redis(&["--replicaof", "127.0.0.1", &port]).await;
    for _ in 0..1000 {
        if replica
            .cli(&["info", "replication"])
            .contains("master_link_status:up")
        {
            return replica;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the replica never got the data");
}

/// A sentinel that watches `master` as `sessions`, and is alone to decide.
pub(super) async fn sentinel(master: &Server) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let place = folder.path().display();
    let text = format!(
        "sentinel monitor sessions 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds sessions 500\n\
         sentinel failover-timeout sessions 3000\n\
         logfile {place}/log\n",
        master.port
    );
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, text).unwrap();
    let out = format!("{place}");
    let arguments = vec![
        file.to_str().unwrap().to_owned(),
        "--sentinel".to_owned(),
        "--port".to_owned(),
        port.to_string(),
        "--bind".to_owned(),
        "127.0.0.1".to_owned(),
        "--dir".to_owned(),
        out,
    ];
    let program = PathBuf::from("redis-server");
    let child = spawn(&program, &arguments, folder.path());
    let sentinel = Server {
        port,
        folder,
        program,
        arguments,
        child,
    };
    sentinel.accepts().await;
    sentinel
}
