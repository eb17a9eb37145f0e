//! Active Directory, as Samba is it. It must be root and have its own ports, so whoever uses it goes
//! into a network of their own first: [`in_own_network`].

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;

use super::{kerberos::Tickets, process::Process, servers::folder, tls::Authority};

/// The domain and its entry.
pub(crate) const BASE: &str = "DC=corp,DC=test";
/// The account that looks people up, and its password.
pub(crate) const READER: (&str, &str) = ("vestibule@corp.test", "vestibule-secret");

/// What the Kerberos library must know.
const KERBEROS: &str = "[libdefaults]
default_realm = CORP.TEST
dns_lookup_realm = false
dns_lookup_kdc = false
rdns = false
dns_canonicalize_hostname = false
[realms]
CORP.TEST = {
  kdc = 127.0.0.1
}
[domain_realm]
localhost = CORP.TEST
";

/// A running domain controller. The people are `alice`, `bob` (who must change the password), `carol`
/// (who is disabled) and `dave`; a password is `NAME-secret`.
#[derive(Debug)]
pub(crate) struct ActiveDirectory {
    _process: Process,
    dir: TempDir,
}

impl ActiveDirectory {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("samba-tool")
            .args(["domain", "provision", "--realm=CORP.TEST", "--domain=CORP"])
            .args(["--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"])
            .args(["--host-ip=127.0.0.1", "--adminpass=Passw0rd!23"])
            .args([
                "--option=interfaces=lo",
                "--option=bind interfaces only=yes",
            ])
            .arg(format!("--targetdir={}", dir.path().display())));
        let conf = dir.path().join("etc/smb.conf");
        configure(&conf, dir.path());
        let people = folder().join("samba_ad/people.py");
        // The system's own Python: it has Samba's modules.
        run(Command::new("/usr/bin/python3").arg(people).arg(&conf));
        run(Command::new("samba-tool")
            .args(["domain", "exportkeytab"])
            .arg(dir.path().join("http.keytab"))
            .arg("--principal=HTTP/localhost")
            .arg("-s")
            .arg(&conf));
        fs::write(dir.path().join("krb5.conf"), KERBEROS).unwrap();
        let mut command = Command::new("samba");
        command
            .arg("-s")
            .arg(&conf)
            .args(["-i", "-M", "single", "--debug-stdout"]);
        let process = Process::spawn("samba", &mut command, dir.path())
            .wait_for_port(636)
            .wait_until(|| accepts(88));
        Self {
            _process: process,
            dir,
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.path("authority.crt")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The keys of `HTTP/localhost`.
    pub(crate) fn keytab(&self) -> PathBuf {
        self.path("http.keytab")
    }

    /// The tickets of somebody.
    pub(crate) fn tickets(&self, who: &str) -> Tickets {
        let files = (self.path("krb5.conf"), self.path(&format!("{who}.cache")));
        Tickets::get(
            Command::new("kinit"),
            files,
            (who, &format!("{who}-secret")),
        )
    }

    /// Administers the domain with Samba's own tool.
    #[track_caller]
    pub(crate) fn tool(&self, words: &[&str]) -> String {
        let done = run(Command::new("samba-tool")
            .args(words)
            .arg("-s")
            .arg(self.path("etc/smb.conf")));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

/// Runs an ignored test of this binary in a network that has nothing but its own loopback, as root.
#[track_caller]
pub(crate) fn in_own_network(test: &str) {
    let binary = std::env::current_exe().unwrap();
    let root = is_root();
    let mut command = if root {
        Command::new("unshare")
    } else {
        let mut command = Command::new("sudo");
        command.args(["--non-interactive", "--preserve-env", "unshare"]);
        command
    };
    let script = "ip link set lo up && exec \"$0\" \"$@\"";
    command
        .args(["--net", "bash", "-c", script])
        .arg(&binary)
        .args(["--exact", test, "--ignored", "--nocapture"]);
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn is_root() -> bool {
    let me = Command::new("id").arg("-u").output().unwrap();
    me.stdout.trim_ascii() == b"0"
}

/// LDAP and Kerberos alone, with a certificate that names the host.
fn configure(conf: &Path, dir: &Path) {
    let authority = Authority::new();
    let leaf = authority.leaf(dir, &["dc1.corp.test", "localhost", "127.0.0.1"]);
    let ca = authority.file(dir);
    let text = fs::read_to_string(conf).unwrap();
    let kept = text
        .lines()
        .filter(|line| !line.contains("server services"));
    let kept: Vec<&str> = kept.collect();
    let ours = format!(
        "[global]
    server services = ldap, cldap, kdc
    log file = {dir}/log.%m
    pid directory = {dir}
    disable netbios = yes
    ldap server require strong auth = allow_sasl_over_tls
    tls enabled = yes
    tls keyfile = {key}
    tls certfile = {cert}
    tls cafile = {ca}",
        dir = dir.display(),
        key = leaf.key_file.display(),
        cert = leaf.cert_file.display(),
        ca = ca.display(),
    );
    fs::write(conf, kept.join("\n").replacen("[global]", &ours, 1)).unwrap();
}

fn accepts(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let done = command.output();
    let done = done
        .unwrap_or_else(|error| panic!("{}: {error}; run script/setup test", program.display()));
    assert!(done.status.success(), "{done:?}");
    done
}
