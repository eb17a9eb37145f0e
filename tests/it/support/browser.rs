//! Chromium, by the WebDriver protocol of chromedriver.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    eventually,
    http::{Request, exchange},
    process::{Process, free_port},
    tls::Leaf,
};

/// One browser with a profile of its own. Names under `localhost` are loopback to it, and so are
/// those of [`Browser::knowing`].
#[derive(Debug)]
pub(crate) struct Browser {
    session: String,
    arguments: Vec<String>,
    port: u16,
    authenticator: RefCell<String>,
    _driver: Process,
    _profile: TempDir,
}

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    pub(crate) fn start() -> Self {
        Self::knowing(&[])
    }

    /// A browser to which these host names are loopback too.
    pub(crate) fn knowing(hosts: &[&str]) -> Self {
        Self::with(&[], rules(hosts))
    }

    /// The same, of somebody who has this certificate and has chosen it for an origin.
    pub(crate) fn holding(leaf: &Leaf, origin: &str, hosts: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        hold(leaf, origin, profile.path());
        let mut command = Command::new("chromedriver");
        command.env("HOME", profile.path());
        Self::driven(command, profile, rules(hosts))
    }

    /// A browser of somebody with a Kerberos ticket, which it shows to whatever is under `localhost`. A
    /// new profile cannot at first: it notes that where it is asked, at `url`, and can from then on.
    pub(crate) fn with_ticket(environment: &[(&str, &Path)], url: &str) -> Self {
        let allowed = "--auth-server-allowlist=localhost".to_owned();
        let mut browser = Self::with(environment, vec![allowed]);
        browser.goto(url);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let path = format!("/session/{}", browser.session);
        browser.call("DELETE", &path, &Value::Null).unwrap();
        browser.open();
        browser
    }

    fn with(environment: &[(&str, &Path)], more: Vec<String>) -> Self {
        let mut command = Command::new("chromedriver");
        command.envs(environment.iter().copied());
        Self::driven(command, tempfile::tempdir().unwrap(), more)
    }

    fn driven(mut command: Command, profile: TempDir, more: Vec<String>) -> Self {
        let port = free_port();
        command
            .arg(format!("--port={port}"))
            .arg("--allowed-ips=127.0.0.1");
        let driver =
            Process::spawn("chromedriver", &mut command, profile.path()).wait_for_port(port);
        let mut arguments: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-sync",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!(
            "--user-data-dir={}",
            profile.path().join("profile").display()
        ));
        arguments.extend(more);
        let mut browser = Self {
            session: String::new(),
            arguments,
            port,
            authenticator: RefCell::default(),
            _driver: driver,
            _profile: profile,
        };
        browser.open();
        browser
    }

    fn open(&mut self) {
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": self.arguments},
        }}});
        let made = self
            .call("POST", "/session", &wanted)
            .expect("Chromium does not start");
        self.session = made["sessionId"].as_str().unwrap().into();
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = Request::new(method, path);
        if method == "POST" {
            request = request.body("application/json", body.to_string());
        }
        let answer = exchange(self.port, &format!("127.0.0.1:{}", self.port), &request);
        let value = answer.json()["value"].clone();
        if answer.status == 200 {
            Ok(value)
        } else {
            Err(format!("{path}: {}", value["message"]))
        }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call("POST", &path, body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn ask(&self, path: &str) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call("GET", &path, &Value::Null)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn goto(&self, url: &str) -> &Self {
        self.post("/url", &json!({"url": url}));
        self
    }

    /// The address it shows.
    pub(crate) fn url(&self) -> String {
        self.ask("/url").as_str().unwrap().to_owned()
    }

    pub(crate) fn title(&self) -> String {
        self.ask("/title").as_str().unwrap().to_owned()
    }

    /// Whether an element is there now.
    pub(crate) fn has(&self, css: &str) -> bool {
        self.find(css).is_some()
    }

    fn find(&self, css: &str) -> Option<String> {
        let body = json!({"using": "css selector", "value": css});
        let path = format!("/session/{}/element", self.session);
        let found = self.call("POST", &path, &body).ok()?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    /// An element that is there or comes soon; otherwise the test fails with what is shown.
    #[track_caller]
    fn element(&self, css: &str) -> String {
        let mut found = None;
        eventually(super::PATIENCE, || {
            found = self.find(css);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no {css} at {}:\n{}", self.url(), self.text("body")))
    }

    /// Replaces what stands in a field.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) -> &Self {
        let element = self.element(css);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
        self
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) -> &Self {
        let element = self.element(css);
        self.post(&format!("/element/{element}/click"), &json!({}));
        self
    }

    /// What an attribute of an element says.
    #[track_caller]
    pub(crate) fn attribute(&self, css: &str, name: &str) -> String {
        let element = self.element(css);
        let said = self.ask(&format!("/element/{element}/attribute/{name}"));
        said.as_str().unwrap_or_default().to_owned()
    }

    /// The text that a person sees in an element.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let mut text = None;
        eventually(super::PATIENCE, || {
            // a page that goes away takes its elements along
            text = self.text_now(css);
            text.is_some()
        });
        text.unwrap_or_else(|| panic!("no {css} at {}", self.url()))
    }

    fn text_now(&self, css: &str) -> Option<String> {
        let element = self.find(css)?;
        let path = format!("/session/{}/element/{element}/text", self.session);
        let text = self.call("GET", &path, &Value::Null).ok()?;
        Some(text.as_str()?.to_owned())
    }

    /// Waits until the page shows these words.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) -> &Self {
        let mut text = String::new();
        let shown = eventually(super::PATIENCE, || {
            let shown = self.script("return document.body ? document.body.innerText : ''");
            text = shown.as_str().unwrap_or_default().into();
            text.contains(words)
        });
        assert!(
            shown,
            "never showed {words:?} at {}, but:\n{text}",
            self.url()
        );
        self
    }

    /// Waits until the address starts with this.
    #[track_caller]
    pub(crate) fn arrives(&self, at: &str) -> &Self {
        let arrived = eventually(super::PATIENCE, || self.url().starts_with(at));
        assert!(
            arrived,
            "never at {at}, but at {}:\n{}",
            self.url(),
            self.text("body")
        );
        self
    }

    /// Runs a function body in the page; what it returns.
    pub(crate) fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// Runs a function body whose last argument takes the result, within 30 s.
    pub(crate) fn script_async(&self, body: &str) -> Value {
        self.post("/execute/async", &json!({"script": body, "args": []}))
    }

    /// Name, value and attributes of every cookie that the current page is sent.
    pub(crate) fn cookies(&self) -> Vec<Value> {
        self.ask("/cookie").as_array().unwrap().clone()
    }

    /// Plugs a virtual authenticator in that verifies whoever is asked (WebAuthn level 3 section 11).
    pub(crate) fn authenticator(&self) -> &Self {
        let id = self.post(
            "/webauthn/authenticator",
            &json!({
                "protocol": "ctap2_1", "transport": "internal", "hasResidentKey": true,
                "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true,
            }),
        );
        self.authenticator.replace(id.as_str().unwrap().to_owned());
        self
    }

    fn of_authenticator(&self, what: &str) -> String {
        let id = self.authenticator.borrow();
        format!("/webauthn/authenticator/{id}/{what}")
    }

    /// What passkeys it has.
    pub(crate) fn passkeys(&self) -> Vec<Value> {
        let found = self.ask(&self.of_authenticator("credentials"));
        found.as_array().unwrap().clone()
    }

    /// Takes all of them away.
    pub(crate) fn remove_passkeys(&self) {
        let path = format!(
            "/session/{}{}",
            self.session,
            self.of_authenticator("credentials")
        );
        self.call("DELETE", &path, &Value::Null).unwrap();
    }

    /// Whether it verifies whoever is asked.
    pub(crate) fn verifies(&self, verified: bool) {
        self.post(
            &self.of_authenticator("uv"),
            &json!({"isUserVerified": verified}),
        );
    }

    pub(crate) fn delete_cookie(&self, name: &str) {
        let path = format!("/session/{}/cookie/{name}", self.session);
        self.call("DELETE", &path, &Value::Null).unwrap();
    }

    pub(crate) fn add_cookie(&self, cookie: &Value) {
        self.post("/cookie", &json!({"cookie": cookie}));
    }

    /// Opens a tab and turns to it; its handle and the one before.
    pub(crate) fn new_tab(&self) -> (String, String) {
        let before = self.ask("/window").as_str().unwrap().to_owned();
        let made = self.post("/window/new", &json!({"type": "tab"}));
        let handle = made["handle"].as_str().unwrap().to_owned();
        self.turn_to(&handle);
        (handle, before)
    }

    pub(crate) fn turn_to(&self, tab: &str) {
        self.post("/window", &json!({"handle": tab}));
    }

    /// What the console said, violations of the content security policy among it.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Makes pages prefer `dark` or `light`, at once: nothing is looked at on its way from one to the
    /// other.
    pub(crate) fn prefer(&self, scheme: &str) -> &Self {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}),
        );
        self
    }

    /// Pretends a screen of that size, narrower than a window can be.
    pub(crate) fn screen(&self, width: u32, height: u32) -> &Self {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": "Emulation.setDeviceMetricsOverride", "params":
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}}),
        );
        self
    }

    /// Turns JavaScript off for the pages that come.
    pub(crate) fn without_scripts(&self) -> &Self {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": "Emulation.setScriptExecutionDisabled",
            "params": {"value": true}}),
        );
        self
    }

    /// Keeps a picture as `screenshots/NAME.png` in the target folder.
    pub(crate) fn screenshot(&self, name: &str) -> PathBuf {
        let image = self.ask("/screenshot");
        let image = openssl::base64::decode_block(image.as_str().unwrap()).unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, image).unwrap();
        file
    }
}

/// What makes these names loopback.
fn rules(hosts: &[&str]) -> Vec<String> {
    let rules = hosts.iter().map(|host| format!("MAP {host} 127.0.0.1"));
    let rules = rules.collect::<Vec<_>>().join(", ");
    let rules = format!("--host-resolver-rules={rules}");
    (!hosts.is_empty()).then_some(rules).into_iter().collect()
}

/// Puts a certificate and its key where Chromium looks for them, and the choice into the profile.
fn hold(leaf: &Leaf, origin: &str, home: &Path) {
    let run = |program: &str, words: &[&str]| {
        let done = Command::new(program).args(words).output().unwrap();
        assert!(done.status.success(), "{program}: {done:?}");
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (store, bundle) = (home.join(".pki/nssdb"), text(&home.join("person.p12")));
    std::fs::create_dir_all(&store).unwrap();
    let store = format!("sql:{}", text(&store));
    run("certutil", &["-N", "-d", &store, "--empty-password"]);
    let (certificate, key) = (text(&leaf.cert_file), text(&leaf.key_file));
    let make = ["pkcs12", "-export", "-passout", "pass:", "-out", &bundle];
    run(
        "openssl",
        &[&make[..], &["-in", &certificate, "-inkey", &key]].concat(),
    );
    run("pk12util", &["-d", &store, "-i", &bundle, "-W", ""]);
    // what the policy AutoSelectCertificateForUrls comes to
    let chosen = json!({format!("{origin},*"): {"setting": {"filters": [{}]}}});
    let preferences = json!({"profile": {"content_settings": {"exceptions": {
        "auto_select_certificate": chosen,
    }}}});
    let profile = home.join("profile/Default");
    std::fs::create_dir_all(&profile).unwrap();
    std::fs::write(profile.join("Preferences"), preferences.to_string()).unwrap();
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver ends Chromium, which is no child of ours
        let _ = self.call(
            "DELETE",
            &format!("/session/{}", self.session),
            &Value::Null,
        );
    }
}
