//! PostgreSQL and MariaDB, started by a test on a free port of the loopback, each with an account
//! `vestibule` that may do everything. The unit tests of the stores use this file too: it knows
//! nothing but the standard library.
//!
//! A server starts in about a second: its files are made once for this machine and copied then. It
//! dies with its value, by its own pid, and so do its files.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// The password of the account.
pub(crate) const PASSWORD: &str = "v-secret/1";

/// Which of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    MariaDb,
    Postgres,
}

/// A running one.
#[derive(Debug)]
pub(crate) struct DatabaseServer {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    child: Option<Child>,
    folder: TempDir,
    options: Vec<String>,
}

impl Engine {
    /// The account of the system that the server runs under, if root starts it.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::MariaDb => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// A database that is always there.
    fn first_database(self) -> &'static str {
        match self {
            Self::MariaDb => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// A command as the account that the server runs under: PostgreSQL refuses root.
    fn command(self, program: &str) -> Command {
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        if !is_root {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", self.account()))
            .arg(format!("--regid={}", self.account()))
            .args(["--clear-groups", program]);
        command
    }

    fn program(self, name: &str) -> String {
        let places = match self {
            Self::Postgres => ["/usr/lib/postgresql/15/bin", "/usr/bin"],
            Self::MariaDb => ["/usr/sbin", "/usr/bin"],
        };
        let found = places.iter().map(|place| format!("{place}/{name}"));
        let mut found = found.filter(|path| Path::new(path).exists());
        found
            .next()
            .unwrap_or_else(|| panic!("{name} is not there; run script/setup test"))
    }

    /// The files of a fresh server.
    fn template(self) -> PathBuf {
        let shared = std::env::temp_dir().join("vestibule-test-databases");
        fs::create_dir_all(&shared).unwrap();
        let template = shared.join(format!("{self:?}-1"));
        if template.exists() {
            return template;
        }
        let making = tempfile::Builder::new()
            .prefix("making-")
            .tempdir_in(&shared)
            .unwrap();
        give(making.path(), self.account());
        let data = making.path().join("data");
        match self {
            Self::Postgres => {
                let word = making.path().join("password");
                fs::write(&word, PASSWORD).unwrap();
                fs::set_permissions(&word, fs::Permissions::from_mode(0o644)).unwrap();
                let mut initdb = self.command(&self.program("initdb"));
                initdb
                    .args(["--username=vestibule", "--auth-local=trust", "--no-sync"])
                    .args(["--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C"])
                    .arg(format!("--pwfile={}", word.display()))
                    .arg(format!("--pgdata={}", data.display()));
                run(&mut initdb);
            }
            Self::MariaDb => {
                let mut install = self.command(&self.program("mariadb-install-db"));
                install
                    .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                    .args(["--skip-test-db", "--innodb-log-file-size=8M"])
                    .arg(format!("--datadir={}", data.display()));
                run(&mut install);
            }
        }
        // Whoever comes first is as good as this one.
        let _ = fs::rename(&data, &template);
        assert!(template.exists());
        template
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn give(path: &Path, account: &str) {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        run(Command::new("chown").arg(account).arg(path));
    }
}

fn run(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

impl DatabaseServer {
    pub(crate) fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[])
    }

    /// With more options on the server's command line.
    pub(crate) fn start_with(engine: Engine, options: &[&str]) -> Self {
        let template = engine.template();
        let folder = tempfile::Builder::new().prefix("vdb").tempdir().unwrap();
        give(folder.path(), engine.account());
        run(Command::new("cp")
            .arg("-a")
            .arg(&template)
            .arg(folder.path().join("data")));
        let port = free_port();
        let mut server = Self {
            engine,
            port,
            child: None,
            folder,
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        server.begin();
        if engine == Engine::MariaDb {
            server.sql(&format!(
                "CREATE USER vestibule@'%' IDENTIFIED BY '{PASSWORD}'; \
                 GRANT ALL ON *.* TO vestibule@'%' WITH GRANT OPTION"
            ));
        }
        server
    }

    /// Starts the server on its files, again after [`kill`](Self::kill).
    pub(crate) fn begin(&mut self) {
        let folder = self.folder.path();
        let data = folder.join("data");
        let mut command = match self.engine {
            Engine::Postgres => {
                let mut command = self.engine.command(&self.engine.program("postgres"));
                command
                    .arg(format!("-D{}", data.display()))
                    .arg(format!("-k{}", folder.display()))
                    .arg(format!("-p{}", self.port))
                    .args(["-clisten_addresses=127.0.0.1", "-cfsync=off"])
                    .args(["-cmax_connections=100", "-cshared_buffers=16MB"]);
                command
            }
            Engine::MariaDb => {
                let mut command = self.engine.command(&self.engine.program("mariadbd"));
                command
                    .args(["--no-defaults", "--bind-address=127.0.0.1"])
                    .args(["--skip-name-resolve", "--skip-log-bin"])
                    .args(["--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"])
                    .args(["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"])
                    .arg(format!("--datadir={}", data.display()))
                    .arg(format!("--port={}", self.port))
                    .arg(format!("--socket={}", folder.join("s").display()))
                    .arg(format!("--pid-file={}", folder.join("data/pid").display()));
                command
            }
        };
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let child = command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..600 {
            if self
                .try_sql(self.engine.first_database(), "SELECT 1")
                .is_ok()
            {
                return;
            }
            let child = self.child.as_mut().unwrap();
            if child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        panic!("{:?} did not start: {log}", self.engine);
    }

    /// Ends it at once, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            if self.engine == Engine::Postgres {
                // Its children see that it is gone only after a while: SIGQUIT ends them too.
                let quit = "-QUIT";
                let _ = Command::new("kill")
                    .arg(quit)
                    .arg(child.id().to_string())
                    .status();
            } else {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let folder = self.folder.path().display();
        let mut client = match self.engine {
            Engine::Postgres => {
                let mut client = Command::new("psql");
                client
                    .args(["-qAtX", "-Uvestibule"])
                    .arg(format!("-h{folder}"))
                    .arg(format!("-p{}", self.port))
                    .args(["-d", database, "-c", statements]);
                client
            }
            Engine::MariaDb => {
                let mut client = Command::new("mariadb");
                client
                    .args(["--no-defaults", "-N", "-uroot"])
                    .arg(format!("--socket={folder}/s"))
                    .args(["-e", statements, database]);
                client
            }
        };
        let done = client.stdin(Stdio::null()).output().unwrap();
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// Asks the server as its administrator.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.sql_in(self.engine.first_database(), statements)
    }

    /// The same in one of its databases.
    pub(crate) fn sql_in(&self, database: &str, statements: &str) -> String {
        self.try_sql(database, statements)
            .unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// Makes an empty database; says its URL, without the password.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        let scheme = match self.engine {
            Engine::MariaDb => "mysql",
            Engine::Postgres => "postgres",
        };
        format!("{scheme}://vestibule@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        self.kill();
    }
}
