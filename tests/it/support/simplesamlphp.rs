//! SimpleSAMLphp as an identity provider, on PHP's own web server. The people are `alice` and `bob`,
//! whose passwords are their names.

use std::{fs, os::unix::process::CommandExt as _, path::Path, process::Command};

use serde_json::Value;

use super::{
    browser::Browser,
    process::free_port,
    servers::{Server, folder},
    visitor::{Page, Visitor},
};

/// A running one.
#[derive(Debug)]
pub(crate) struct SimpleSamlPhp {
    server: Server,
    folder: std::path::PathBuf,
}

impl SimpleSamlPhp {
    /// One that knows these service providers, by their entity IDs.
    pub(crate) fn with(service_providers: &Value, environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        for name in ["cert", "data", "log", "sessions", "tmp"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        make_key(&dir.path().join("cert"), "idp");
        let mut command = Command::new("php");
        command
            .args([
                "-d",
                &format!("session.save_path={}/sessions", dir.path().display()),
            ])
            .args(["-S", &format!("127.0.0.1:{port}")])
            .args(["-t", "/usr/share/simplesamlphp/www"])
            .env("PHP_CLI_SERVER_WORKERS", "3")
            .env("SIMPLESAMLPHP_CONFIG_DIR", folder().join("simplesamlphp"))
            .env("SAML_FOLDER", dir.path())
            .env("SAML_ORIGIN", format!("http://idp.localhost:{port}"))
            .env("SAML_SERVICE_PROVIDERS", service_providers.to_string())
            .envs(environment.iter().copied())
            .current_dir(dir.path())
            .process_group(0);
        let folder = dir.path().to_owned();
        Self {
            server: Server::spawn("simplesamlphp", &mut command, port, dir),
            folder,
        }
    }

    /// One that knows these relying parties of WS-Federation, by their realms.
    pub(crate) fn with_relying_parties(known: &Value, environment: &[(&str, &str)]) -> Self {
        let known = known.to_string();
        let mut all = vec![("WSFED_RELYING_PARTIES", known.as_str())];
        all.extend(environment);
        Self::with(&Value::Object(serde_json::Map::new()), &all)
    }

    /// Where its metadata for WS-Federation are.
    pub(crate) fn federation_metadata(&self) -> String {
        format!("{}/module.php/adfs/idp/metadata.php", self.origin())
    }

    /// Its entity ID, and where its metadata are.
    pub(crate) fn entity_id(&self) -> String {
        format!("{}/saml2/idp/metadata.php", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://idp.localhost:{}", self.server.port)
    }

    /// The certificate of its key, in base64.
    pub(crate) fn certificate(&self) -> String {
        let text = fs::read_to_string(self.folder.join("cert/idp.crt")).unwrap();
        let lines = text.lines().filter(|line| !line.contains("---"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Makes another key and its certificate, in files of that name.
    pub(crate) fn make_key(&self, name: &str) {
        make_key(&self.folder.join("cert"), name);
    }

    /// It says and does this from now on, over what it does by default.
    pub(crate) fn change(&self, settings: &Value) {
        let path = self.folder.join("provider.json");
        let next = path.with_extension("next");
        fs::write(&next, settings.to_string()).unwrap();
        fs::rename(next, path).unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// Its private key, in PEM.
    pub(crate) fn key(&self) -> String {
        fs::read_to_string(self.folder.join("cert/idp.key")).unwrap()
    }

    /// Signs somebody in at its page.
    pub(crate) fn sign_in_by_browser(&self, browser: &Browser, login: &str) {
        browser.fill("input[name=username]", login);
        browser.fill("input[name=password]", login);
        browser.click("#submit_button, button[type=submit], input[type=submit]");
    }

    /// Signs somebody in at its page; where that led.
    #[track_caller]
    pub(crate) fn sign_in(&self, visitor: &mut Visitor, page: &Page, login: &str) -> Page {
        let form = page.form_with("password");
        let form = form.fill("username", login).fill("password", login);
        let page = visitor.submit(page, &form);
        visitor.carry_on(page)
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        let path = self.folder.join("log/simplesamlphp.log");
        fs::read_to_string(path).unwrap_or_default()
    }
}

/// Its workers outlive a server that is killed.
impl Drop for SimpleSamlPhp {
    fn drop(&mut self) {
        self.server.stop_group();
    }
}

fn make_key(folder: &Path, name: &str) {
    let path = |ending: &str| folder.join(format!("{name}.{ending}"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=idp", "-keyout"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("crt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}
