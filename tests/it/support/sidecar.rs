//! The real program, in a folder of its own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use toml::{Table, Value};

use super::{
    http::{Answer, Raw, Request, exchange},
    process::{Process, free_port},
    upstream::Upstream,
    visitor::Visitor,
};

/// A sidecar that a test configures, starts and watches. By default: one database connection
/// `members` that lets everybody sign up, `public_url` `http://localhost:PORT`, an SQLite file, an
/// admin listener, and the log at its most talkative so that a search for secrets sees everything.
#[derive(Debug)]
pub(crate) struct Sidecar {
    /// The folder it runs in: `config.toml`, `data/`, and its output.
    pub(crate) dir: TempDir,
    /// The configuration as last written.
    pub(crate) config: Table,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl Sidecar {
    pub(crate) fn new() -> Self {
        let (port, admin) = (free_port(), free_port());
        let text = format!(
            "config_version = 1\n\
             [server]\n\
             listen = [\"127.0.0.1:{port}\"]\n\
             public_url = \"http://localhost:{port}\"\n\
             [admin]\n\
             listen = \"127.0.0.1:{admin}\"\n\
             [log]\n\
             level = \"trace\"\n\
             [connections.members]\n\
             strategy = \"database\"\n\
             signup = true\n"
        );
        Self {
            dir: tempfile::tempdir().unwrap(),
            config: text.parse().unwrap(),
            port,
            admin,
            environment: Vec::new(),
            process: None,
        }
    }

    /// One sidecar with everything open to signed-in people, in front of `upstream`.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Self::new().route(route("/").to(upstream)).start()
    }

    /// Sets a key by its dotted path: `session.idle_timeout`.
    pub(crate) fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.change(path, value);
        self
    }

    /// The same on a running one; [`write`](Self::write) and [`reload`](Self::reload) bring it out.
    pub(crate) fn change(&mut self, path: &str, value: impl Into<Value>) {
        let (tables, key) = path
            .rsplit_once('.')
            .map_or((None, path), |(t, k)| (Some(t), k));
        let mut table = &mut self.config;
        for name in tables.into_iter().flat_map(|path| path.split('.')) {
            table = table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .unwrap();
        }
        table.insert(key.to_owned(), value.into());
    }

    /// Takes a key or a whole table away.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let (tables, key) = path
            .rsplit_once('.')
            .map_or((None, path), |(t, k)| (Some(t), k));
        let mut table = &mut self.config;
        for name in tables.into_iter().flat_map(|path| path.split('.')) {
            table = table[name].as_table_mut().unwrap();
        }
        table.remove(key);
        self
    }

    pub(crate) fn route(mut self, route: Route) -> Self {
        let routes = self
            .config
            .entry("routes")
            .or_insert_with(|| Value::Array(Vec::new()));
        routes.as_array_mut().unwrap().push(Value::Table(route.0));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the configuration, starts the program and waits until it says that it is ready.
    pub(crate) fn start(mut self) -> Self {
        self.write();
        self.start_again();
        self
    }

    /// Starts it on the folder as it is.
    pub(crate) fn start_again(&mut self) {
        let mut command = self.command();
        command.arg("run");
        let admin = self.admin;
        // not beside the file that it watches: each line would be a change there
        let logs = self.path("logs");
        std::fs::create_dir_all(&logs).unwrap();
        let process = Process::spawn("vestibule", &mut command, &logs);
        self.process = Some(process.wait_until(|| is_ready(admin)));
    }

    /// Writes the configuration and starts a program that is expected to refuse it.
    pub(crate) fn refused(&self) -> Output {
        self.write();
        self.command().arg("run").output().unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .current_dir(self.dir.path())
            .env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Writes the configuration as it stands.
    pub(crate) fn write(&self) {
        self.write_text(&toml::to_string(&self.config).unwrap());
    }

    /// Writes something else in its place, whole at once as an editor does.
    pub(crate) fn write_text(&self, text: &str) {
        std::fs::write(self.path("config.toml.new"), text).unwrap();
        std::fs::rename(self.path("config.toml.new"), self.path("config.toml")).unwrap();
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command of the program beside the running one.
    pub(crate) fn cli(&self, words: &[&str]) -> Output {
        self.command()
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same, for a command that must succeed; its standard output.
    #[track_caller]
    pub(crate) fn cli_ok(&self, words: &[&str]) -> String {
        let output = self.cli(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{words:?}: {}: {error}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, for one that reads a line, like a password, from standard input.
    #[track_caller]
    pub(crate) fn cli_told(&self, words: &[&str], line: &str) {
        let mut child = self
            .command()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{line}").unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    /// The same, for one that prints JSON.
    #[track_caller]
    pub(crate) fn cli_json(&self, words: &[&str]) -> serde_json::Value {
        let text = self.cli_ok(words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// The login host's origin.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The origin of another host behind it.
    pub(crate) fn origin_of(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Somebody new, at the login host.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new(&self.origin())
    }

    /// Somebody new who has signed up as `NAME@example.com` and holds a session.
    #[track_caller]
    pub(crate) fn signed_up(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let page = visitor.go("/.auth/signup/members");
        let page = visitor.submit_sign_up(&page, name);
        assert!(
            visitor.session().is_some(),
            "no session after sign-up: {page:?}"
        );
        visitor
    }

    /// A raw connection to the public listener.
    pub(crate) fn raw(&self) -> Raw {
        Raw::connect(self.port)
    }

    /// One request to the login host without cookies.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        exchange(self.port, &format!("localhost:{}", self.port), request)
    }

    /// One request to the admin listener.
    pub(crate) fn ask_admin(&self, path: &str) -> Answer {
        exchange(
            self.admin,
            &format!("127.0.0.1:{}", self.admin),
            &Request::get(path),
        )
    }

    /// The value of a metric line, like `vestibule_events_total{event="login-failed"}`; 0 without it.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = self.ask_admin("/metrics").expect(200).text();
        text.lines()
            .find_map(|held| held.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(0.0)
    }

    /// The running process.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the sidecar was not started")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process
            .as_ref()
            .expect("the sidecar was not started")
            .pid()
    }

    /// The log of every start.
    pub(crate) fn log(&self) -> String {
        self.process
            .as_ref()
            .map(Process::errors)
            .unwrap_or_default()
    }

    /// The log lines that hold these words, for a failure's message.
    pub(crate) fn log_about(&self, words: &str) -> String {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(words));
        super::process::tail(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// Everything the program has written: standard output and error of every start.
    pub(crate) fn output(&self) -> String {
        self.process
            .as_ref()
            .map(Process::output)
            .unwrap_or_default()
    }

    /// Sends SIGHUP and waits until the reload that it asks for is done.
    #[track_caller]
    pub(crate) fn reload(&mut self) {
        // The watch reloads, too, and may be late with what was written before: that is not counted.
        let asked = |log: String| {
            let done = log.lines().filter(|line| line.contains("config-reloaded"));
            done.filter(|line| line.contains("signal")).count()
        };
        let before = asked(self.log());
        self.process().signal("HUP");
        assert_eventually!(asked(self.log()) > before, "{}", self.log_about("config"));
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.process().kill9();
    }

    /// Asks it to end and waits for that; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.process().signal("TERM");
        self.process().wait()
    }

    /// Lets every login be eleven minutes older; it is stopped meanwhile.
    #[track_caller]
    pub(crate) fn age_logins(&self) {
        let at = "json_extract(authentications, '$[0].auth_time') - 660000";
        let aged = format!(
            "UPDATE sessions SET authentications = \
             json_set(authentications, '$[0].auth_time', {at})"
        );
        let done = Command::new("sqlite3")
            .args(["-cmd", ".timeout 5000"])
            .arg(self.path("data/vestibule.db"))
            .arg(aged)
            .output();
        assert!(done.unwrap().status.success());
    }

    /// Ends it gracefully and starts it on the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }
}

/// One `[[routes]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Route(Table);

/// A route for everything under `path`.
pub(crate) fn route(path: &str) -> Route {
    Route(Table::new()).set("path", path)
}

impl Route {
    pub(crate) fn to(self, upstream: &Upstream) -> Self {
        self.set("upstream", upstream.url())
    }

    pub(crate) fn host(self, host: &str) -> Self {
        self.set("host", host)
    }

    pub(crate) fn public(self, patterns: &[&str]) -> Self {
        self.set("public", list(patterns))
    }

    pub(crate) fn allow(self, rules: &[&str]) -> Self {
        self.set("allow", list(rules))
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

/// A TOML array of strings.
pub(crate) fn list(words: &[&str]) -> Value {
    words
        .iter()
        .map(|&word| Value::from(word))
        .collect::<Vec<_>>()
        .into()
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("VESTIBULE_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_vestibule")),
        PathBuf::from,
    )
}

fn is_ready(admin: u16) -> bool {
    if !super::process::accepts(admin) {
        return false;
    }
    let request = Request::get("/readyz").header("Connection", "close");
    let mut raw = Raw::connect(admin);
    raw.send(request.bytes(&format!("127.0.0.1:{admin}")));
    raw.answer("GET").is_some_and(|answer| answer.status == 200)
}
