//! OpenLDAP's slapd, with TLS, password policy and members' groups. People cannot read the directory;
//! the account `cn=reader` can.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    process::{Process, free_port},
    tls::Authority,
};

/// The entry that everything is below.
pub(crate) const BASE: &str = "dc=example,dc=org";
/// The account that looks people up, and its password.
pub(crate) const READER: (&str, &str) = ("cn=reader,dc=example,dc=org", "reader-secret");
const ADMIN: (&str, &str) = ("cn=admin,dc=example,dc=org", "admin-secret");

/// A running one.
#[derive(Debug)]
pub(crate) struct Slapd {
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    process: Process,
    dir: TempDir,
}

/// What there is at the beginning. `alice` is in `staff`, which is in `everybody`, which is in `staff`.
const ENTRIES: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=policy,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 20
pwdLockoutDuration: 60
pwdMustChange: TRUE
pwdAllowUserChange: TRUE
pwdMinLength: 8
pwdCheckQuality: 1

dn: cn=strict,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: strict
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 2
pwdMaxAge: 1

dn: cn=reader,dc=example,dc=org
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: ou=elsewhere,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/dc=elsewhere

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice Ng
displayName: Alice Ng
givenName: Alice
sn: Ng
mail: alice@example.org
telephoneNumber: +47 900 00 000
jpegPhoto:: /9j/4AAQ
userPassword: alice-secret

dn: uid=b*o)b,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: b*o)b
cn: Bob
sn: Bob
mail: bob@example.org
userPassword: bob-secret

dn: uid=twin1,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin1
cn: Twin One
sn: One
mail: twins@example.org
userPassword: twin-secret

dn: uid=twin2,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin2
cn: Twin Two
sn: Two
mail: twins@example.org
userPassword: twin-secret

dn: uid=carol,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: carol
cn: Carol
sn: Carol
mail: carol@example.org
userPassword: carol-secret
pwdPolicySubentry: cn=strict,dc=example,dc=org

";

/// These go through the server: its overlays do not see what is loaded before it starts.
const LATER: &str = "\
dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=alice,ou=people,dc=example,dc=org
member: cn=everybody,ou=groups,dc=example,dc=org

dn: cn=everybody,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: everybody
member: cn=staff,ou=groups,dc=example,dc=org

dn: cn=unix,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: unix
gidNumber: 1000
memberUid: alice

";

impl Slapd {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.leaf(dir.path(), &["localhost"]);
        authority.file(dir.path());
        let slapd = Self::with(dir, ENTRIES.as_bytes());
        slapd.add(LATER);
        slapd
    }

    /// Another server with the same entries and identifiers, and the same certificate.
    pub(crate) fn replica(&self) -> Self {
        let dumped = command("slapcat", &self.path("slapd.conf"))
            .output()
            .unwrap();
        assert!(dumped.status.success(), "{dumped:?}");
        let dir = tempfile::tempdir().unwrap();
        for file in ["authority.crt", "localhost.crt", "localhost.key"] {
            fs::copy(self.path(file), dir.path().join(file)).unwrap();
        }
        Self::with(dir, &dumped.stdout)
    }

    /// One with these entries, whose certificates lie in `dir`.
    fn with(dir: TempDir, entries: &[u8]) -> Self {
        let conf = dir.path().join("slapd.conf");
        let load = dir.path().join("entries.ldif");
        fs::create_dir(dir.path().join("db")).unwrap();
        fs::write(&conf, configuration(dir.path())).unwrap();
        fs::write(&load, entries).unwrap();
        let loaded = command("slapadd", &conf).arg("-l").arg(&load).output();
        let loaded =
            loaded.unwrap_or_else(|error| panic!("slapadd: {error}; run script/setup test"));
        assert!(loaded.status.success(), "{loaded:?}");
        let (port, tls_port) = (free_port(), free_port());
        let mut server = command("slapd", &conf);
        server.args(["-d", "stats", "-h"]).arg(format!(
            "ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
        ));
        let process = Process::spawn("slapd", &mut server, dir.path()).wait_for_port(tls_port);
        Self {
            port,
            tls_port,
            process,
            dir,
        }
    }

    /// `ldaps://…`
    pub(crate) fn url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// `ldap://…`, for StartTLS.
    pub(crate) fn start_tls_url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.path("authority.crt")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds entries, as its administrator.
    #[track_caller]
    pub(crate) fn add(&self, ldif: &str) {
        self.administer("ldapadd", ldif);
    }

    /// Changes entries, as its administrator.
    #[track_caller]
    pub(crate) fn modify(&self, ldif: &str) {
        self.administer("ldapmodify", ldif);
    }

    #[track_caller]
    fn administer(&self, program: &str, ldif: &str) {
        let input = self.path("input.ldif");
        fs::write(&input, ldif).unwrap();
        let done = Command::new(program)
            .args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.port)])
            .args(["-D", ADMIN.0, "-w", ADMIN.1])
            .arg("-f")
            .arg(&input)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; run script/setup test"));
        assert!(done.status.success(), "{done:?}");
    }

    /// The value of an attribute of an entry.
    pub(crate) fn read(&self, dn: &str, attribute: &str) -> Option<String> {
        let done = Command::new("ldapsearch")
            .args(["-x", "-LLL", "-o", "ldif-wrap=no"])
            .args(["-H", &format!("ldap://127.0.0.1:{}", self.port)])
            .args(["-D", ADMIN.0, "-w", ADMIN.1])
            .args(["-s", "base", "-b", dn, attribute])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let prefix = format!("{attribute}: ");
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    /// How often somebody has tried to bind as this entry.
    pub(crate) fn binds(&self, dn: &str) -> usize {
        let tried = format!("BIND dn=\"{dn}\" method=");
        self.process.output().matches(&tried).count()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill9();
    }

    /// It goes on to listen, and says nothing any more; or it says something again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.process.signal(if hangs { "STOP" } else { "CONT" });
    }
}

/// One of its programs, with its configuration.
fn command(program: &str, conf: &Path) -> Command {
    let mut command = Command::new(Path::new("/usr/sbin").join(program));
    command.arg("-f").arg(conf);
    command
}

fn configuration(dir: &Path) -> String {
    let (admin, password) = ADMIN;
    let (reader, _) = READER;
    let dir = dir.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
TLSCACertificateFile {dir}/authority.crt
TLSCertificateFile {dir}/localhost.crt
TLSCertificateKeyFile {dir}/localhost.key
sizelimit unlimited
allow bind_anon_cred
database mdb
maxsize 268435456
suffix \"{BASE}\"
rootdn \"{admin}\"
rootpw {password}
directory {dir}/db
index objectClass,uid,mail,member,entryUUID eq
overlay memberof
overlay ppolicy
ppolicy_default \"cn=policy,{BASE}\"
ppolicy_use_lockout
access to attrs=userPassword by self write by anonymous auth by * none
access to * by dn.exact=\"{reader}\" read by self read by * none
"
    )
}
