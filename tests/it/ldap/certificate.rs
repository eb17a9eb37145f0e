//! A client certificate as the way into a directory.

use tempfile::TempDir;
use toml::{Table, Value};

use super::directory;
use crate::support::{
    Sidecar, Slapd, Upstream, Visitor,
    client_certificates::{Issuer, Says},
    free_port, route,
    tls::{Authority, Leaf, Tls},
};

const HOST: &str = "login.test";

/// A sidecar with TLS whose connection takes the certificates of an issuer, at a port of their own.
pub(crate) struct Site {
    pub(crate) upstream: Upstream,
    pub(crate) issuer: Issuer,
    pub(crate) folder: TempDir,
    server: Authority,
    sidecar: Sidecar,
    port: u16,
}

impl Site {
    /// Completes a sidecar that has the connection `name`.
    pub(crate) fn with(sidecar: Sidecar, name: &str, keys: &[(&str, Value)]) -> Self {
        let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
        let (server, issuer) = (Authority::new(), Issuer::new("Acme People"));
        let leaf = server.leaf(folder.path(), &[HOST]);
        let (port, asking) = (free_port(), free_port());
        let listener = |port: u16| {
            let mut tls = Table::new();
            tls.insert("cert".into(), leaf.cert_file.to_str().unwrap().into());
            tls.insert("key".into(), leaf.key_file.to_str().unwrap().into());
            let mut listener = Table::new();
            listener.insert("address".into(), format!("127.0.0.1:{port}").into());
            listener.insert("tls".into(), vec![Value::Table(tls)].into());
            listener
        };
        let mut other = listener(asking);
        other.insert("serves".into(), "certificate_login".into());
        let listeners = vec![Value::Table(listener(port)), Value::Table(other)];
        let ca = issuer.file(folder.path());
        let mut sidecar = sidecar
            .without("server.listen")
            .set("server.listeners", listeners)
            .set("server.public_url", format!("https://{HOST}:{port}"))
            .set(
                &format!("connections.{name}.certificate.ca"),
                ca.to_str().unwrap(),
            )
            .set(
                &format!("connections.{name}.certificate.origin"),
                format!("https://{HOST}:{asking}"),
            )
            .route(route("/").to(&upstream));
        for (key, value) in keys {
            sidecar.change(&format!("connections.{name}.{key}"), value.clone());
        }
        Self {
            upstream,
            issuer,
            folder,
            server,
            sidecar: sidecar.start(),
            port,
        }
    }

    pub(crate) fn issue(&self, says: &Says) -> Leaf {
        self.issuer.issue(self.folder.path(), says)
    }

    pub(crate) fn visitor(&self, who: Option<&Leaf>) -> Visitor {
        let origin = format!("https://{HOST}:{}", self.port);
        Visitor::over(&origin, Tls::showing(&self.server, who))
    }

    /// Somebody chooses the certificate on the login page; what the application was told of them, if
    /// they came in.
    pub(crate) fn sign_in(&self, who: &Leaf) -> Option<(String, String)> {
        let mut visitor = self.visitor(Some(who));
        let page = visitor.go("/page");
        let links = crate::support::forms::links(&page.text());
        let link = links.iter().find(|link| link.contains("certificate=1"));
        let link = link.unwrap_or_else(|| panic!("{page:?}"));
        let hits = self.upstream.hits();
        visitor.go(page.url.join(link).unwrap().as_str());
        (self.upstream.hits() > hits).then(|| self.told())
    }

    /// The user and the groups that the application saw last.
    pub(crate) fn told(&self) -> (String, String) {
        let seen = self.upstream.last();
        let header = |name| seen.header(name).unwrap_or_default().to_owned();
        (header("x-forwarded-user"), header("x-forwarded-groups"))
    }

    pub(crate) fn output(&self) -> String {
        self.sidecar.output()
    }
}

#[test]
fn a_certificate_is_the_same_person_as_the_password() {
    let slapd = Slapd::start();
    let site = Site::with(
        directory(&slapd, &[]),
        "dir",
        &[("certificate.subject", "email".into())],
    );
    let mut visitor = site.visitor(None);
    let page = visitor.go("/page");
    visitor.try_password(&page, "alice", "alice-secret");
    visitor.go("/page");
    let by_password = site.told();
    assert_eq!(by_password.1, "everybody,staff,unix");
    let alice = site.issue(&Says::name("Alice").emails(&["alice@example.org"]));
    assert_eq!(site.sign_in(&alice), Some(by_password));
    // of nobody there, of two people, of somebody who is disabled
    let nobody = site.issue(&Says::name("Nobody").emails(&["nobody@example.org"]));
    assert_eq!(site.sign_in(&nobody), None);
    let twins = site.issue(&Says::name("Twins").emails(&["twins@example.org"]));
    assert_eq!(site.sign_in(&twins), None);
    slapd.modify(
        "dn: uid=alice,ou=people,dc=example,dc=org\nchangetype: modify\n\
         replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
    );
    assert_eq!(site.sign_in(&alice), None);
    for why in ["nobody fits", "and one must", "disabled in the directory"] {
        assert_eventually!(site.output().contains(why), "{why}");
    }
}

#[test]
fn a_certificate_of_another_authority_lets_nobody_in() {
    let slapd = Slapd::start();
    let site = Site::with(
        directory(&slapd, &[]),
        "dir",
        &[("certificate.subject", "email".into())],
    );
    let other = Issuer::new("Somebody Else");
    let alice = other.issue(
        site.folder.path(),
        &Says::name("Alice").emails(&["alice@example.org"]),
    );
    assert_eq!(site.sign_in(&alice), None);
}
