//! MIT Kerberos: a key distribution centre of the realm `EXAMPLE.TEST`, and people with tickets.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::process::{Process, free_port};

/// A running centre. `alice`'s password is `alice-ticket`, `nobody`'s `nobody-ticket`; the services are
/// `HTTP/localhost` and `HTTP/elsewhere`, each in a keytab of its own.
#[derive(Debug)]
pub(crate) struct Kdc {
    _process: Process,
    dir: TempDir,
}

/// Somebody with tickets.
#[derive(Debug)]
pub(crate) struct Tickets {
    /// The settings of the library.
    pub(crate) config: PathBuf,
    /// Where the tickets are.
    pub(crate) cache: PathBuf,
}

impl Kdc {
    pub(crate) fn start() -> Self {
        Self::start_by(&[])
    }

    /// One whose programs, and those of [`tickets_by`](Self::tickets_by), are run by another that
    /// becomes them, like `env`.
    pub(crate) fn start_by(runner: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = dir.path().display();
        fs::write(
            dir.path().join("krb5.conf"),
            format!(
                "[libdefaults]
default_realm = EXAMPLE.TEST
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
EXAMPLE.TEST = {{
  kdc = 127.0.0.1:{port}
}}
[domain_realm]
localhost = EXAMPLE.TEST
"
            ),
        )
        .unwrap();
        fs::write(
            dir.path().join("kdc.conf"),
            format!(
                "[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
EXAMPLE.TEST = {{
  database_name = {at}/principal
  key_stash_file = {at}/stash
  acl_file = {at}/kadm5.acl
  supported_enctypes = aes256-cts:normal aes128-cts:normal
}}
[logging]
kdc = FILE:{at}/kdc.log
"
            ),
        )
        .unwrap();
        let run = |program: &str, words: &[&str]| {
            let mut command = by(runner, program);
            let done = environment(&mut command, dir.path()).args(words).output();
            let done = done.unwrap_or_else(|error| missing(program, &error));
            expect(program, &done);
        };
        let realm = ["-r", "EXAMPLE.TEST"];
        run(
            "/usr/sbin/kdb5_util",
            &["create", "-s", "-P", "master", realm[0], realm[1]],
        );
        for query in [
            "addprinc -pw alice-ticket alice".to_owned(),
            "addprinc -pw nobody-ticket nobody".to_owned(),
            "addprinc -randkey HTTP/localhost".to_owned(),
            "addprinc -randkey HTTP/elsewhere".to_owned(),
            // each time the key is another one
            format!("ktadd -k {at}/old.keytab HTTP/localhost"),
            format!("ktadd -k {at}/localhost.keytab HTTP/localhost"),
            format!("ktadd -k {at}/elsewhere.keytab HTTP/elsewhere"),
        ] {
            run("/usr/sbin/kadmin.local", &["-q", &query]);
        }
        let mut server = by(runner, "/usr/sbin/krb5kdc");
        environment(&mut server, dir.path()).arg("-n");
        let process = Process::spawn("krb5kdc", &mut server, dir.path()).wait_for_port(port);
        Self {
            _process: process,
            dir,
        }
    }

    /// The keys of `HTTP/HOST`; in `old` those that `HTTP/localhost` had before.
    pub(crate) fn keytab(&self, host: &str) -> PathBuf {
        self.dir.path().join(format!("{host}.keytab"))
    }

    /// The tickets of somebody who types the password.
    pub(crate) fn tickets(&self, who: &str) -> Tickets {
        self.tickets_by(&[], who)
    }

    pub(crate) fn tickets_by(&self, runner: &[&str], who: &str) -> Tickets {
        let config = self.dir.path().join("krb5.conf");
        let cache = self.dir.path().join(format!("{who}.cache"));
        Tickets::get(
            by(runner, "kinit"),
            (config, cache),
            (who, &format!("{who}-ticket")),
        )
    }
}

impl Tickets {
    /// Runs `kinit`.
    pub(crate) fn get(
        mut kinit: Command,
        (config, cache): (PathBuf, PathBuf),
        (who, password): (&str, &str),
    ) -> Self {
        let mut kinit = kinit
            .arg(who)
            .env("KRB5_CONFIG", &config)
            .env("KRB5CCNAME", &cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| missing("kinit", &error));
        let mut input = kinit.stdin.take().unwrap();
        writeln!(input, "{password}").unwrap();
        drop(input);
        expect("kinit", &kinit.wait_with_output().unwrap());
        Self { config, cache }
    }

    /// What a browser of theirs must know.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("KRB5_CONFIG", &self.config), ("KRB5CCNAME", &self.cache)]
    }

    /// A token for `HTTP/localhost`, in base64, as a browser makes it that has this channel binding
    /// (RFC 5929). Windows says in each token that it would have told one (MS-KILE section 3.2.5.8),
    /// and so does one that is `aware`.
    pub(crate) fn token(&self, binding: Option<&[u8]>, aware: bool) -> String {
        let settings = self.cache.with_extension("conf");
        let lines = format!("[libdefaults]\nclient_aware_channel_bindings = {aware}\n");
        fs::write(&settings, lines).unwrap();
        let both = format!("{}:{}", settings.display(), self.config.display());
        let done = Command::new("/usr/bin/python3")
            .args(["-c", TOKEN, &hex(binding.unwrap_or_default())])
            .env("KRB5_CONFIG", both)
            .env("KRB5CCNAME", &self.cache)
            .output()
            .unwrap_or_else(|error| missing("python3", &error));
        expect("python3 with python3-gssapi", &done);
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// What curl gets when it shows a ticket where it is asked for one; the head of each answer, what
    /// was sent, and the last body.
    pub(crate) fn curl(&self, url: &str) -> String {
        self.curl_by(&[], &[url])
    }

    /// They come as somebody new.
    pub(crate) fn forget_cookies(&self) {
        fs::remove_file(self.cache.with_extension("jar")).unwrap();
    }

    /// The same in another time, with more words for curl.
    pub(crate) fn curl_by(&self, runner: &[&str], words: &[&str]) -> String {
        let jar = self.cache.with_extension("jar");
        let done = by(runner, "curl")
            .args(["--negotiate", "-u", ":", "-sSLv", "--max-time", "20"])
            .args(["-H", "Accept: text/html"])
            .arg("-b")
            .arg(&jar)
            .arg("-c")
            .arg(&jar)
            .args(words)
            .envs(self.environment())
            .output()
            .unwrap();
        let said = [done.stderr, done.stdout].concat();
        String::from_utf8_lossy(&said).into_owned()
    }
}

const TOKEN: &str = "
import base64, sys
import gssapi
from gssapi.raw import ChannelBindings
binding = bytes.fromhex(sys.argv[1])
service = gssapi.Name('HTTP@localhost', gssapi.NameType.hostbased_service)
context = gssapi.SecurityContext(
    name=service,
    mech=gssapi.OID.from_int_seq('1.3.6.1.5.5.2'),
    channel_bindings=ChannelBindings(application_data=binding) if binding else None,
    usage='initiate',
)
print(base64.b64encode(context.step()).decode())
";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn by(runner: &[&str], program: &str) -> Command {
    let Some((first, rest)) = runner.split_first() else {
        return Command::new(program);
    };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

fn environment<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command
        .env("KRB5_CONFIG", dir.join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", dir.join("kdc.conf"))
}

#[track_caller]
fn expect(program: &str, done: &Output) {
    assert!(done.status.success(), "{program}: {done:?}");
}

fn missing(program: &str, error: &std::io::Error) -> ! {
    panic!("{program}: {error}; run script/setup test")
}
