//! Kannel, a gateway between HTTP and telephone networks, with its own simulation of one. It listens for that
//! everywhere, so it needs a network of its own: see `active_directory::in_own_network`.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::process::{Process, accepts, free_port};

/// Where Debian keeps the simulated network.
const NETWORK: &str = "/usr/lib/kannel/test/fakesmsc";

/// A gateway, and the telephones behind it.
#[derive(Debug)]
pub(crate) struct Kannel {
    /// Where `/cgi-bin/sendsms` is.
    pub(crate) port: u16,
    telephones: Process,
    _gateway: [Process; 2],
    _dir: TempDir,
}

impl Kannel {
    /// The user is `app`, the password as given.
    pub(crate) fn start(password: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [admin, box_, network, port] = [0; 4].map(|_| free_port());
        let conf = format!(
            "group = core\nadmin-port = {admin}\nadmin-password = admin\nadmin-interface = 127.0.0.1\n\
             smsbox-port = {box_}\nsmsbox-interface = 127.0.0.1\nbox-allow-ip = \"127.0.0.1\"\n\
             box-deny-ip = \"*.*.*.*\"\n\n\
             group = smsc\nsmsc = fake\nsmsc-id = FAKE\nport = {network}\nconnect-allow-ip = \"127.0.0.1\"\n\n\
             group = smsbox\nbearerbox-host = 127.0.0.1\nsendsms-port = {port}\n\
             sendsms-interface = 127.0.0.1\n\n\
             group = sendsms-user\nusername = app\npassword = {password}\nconcatenation = true\n\
             max-messages = 5\n\n\
             group = sms-service\nkeyword = default\ntext = no\n"
        );
        fs::write(dir.path().join("kannel.conf"), conf).unwrap();
        let start = |program: &str, port: u16| {
            let mut command = Command::new(format!("/usr/sbin/{program}"));
            command.current_dir(dir.path()).arg("kannel.conf");
            Process::spawn(program, &mut command, dir.path()).wait_until(|| accepts(port))
        };
        let bearer = start("bearerbox", network);
        // It ends when nothing more can be typed into it.
        let mut command = Command::new("bash");
        let script = "mkfifo typed && exec \"$0\" \"$@\" <>typed";
        command
            .current_dir(dir.path())
            .args(["-c", script, NETWORK, "-H", "127.0.0.1", "-r"])
            .arg(network.to_string());
        let telephones = Process::spawn("telephones", &mut command, dir.path());
        let sms = start("smsbox", port);
        Self {
            port,
            telephones,
            _gateway: [sms, bearer],
            _dir: dir,
        }
    }

    /// What the telephones show.
    pub(crate) fn shown(&self) -> String {
        self.telephones.output()
    }
}
