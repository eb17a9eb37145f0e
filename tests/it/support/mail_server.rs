//! Mail servers that keep what they are given: npm's `smtp-server`, as `tests/servers/mail-server.mjs`
//! starts it. Who is written to decides what goes wrong: see there.

use serde_json::{Value, json};

use super::{PATIENCE, Sidecar, eventually, process::free_port, servers::Server, tls::Leaf};

/// The mail servers and their mailbox.
#[derive(Debug)]
pub(crate) struct MailServer {
    server: Server,
    /// STARTTLS, and a login after it.
    pub(crate) smtp: u16,
    /// TLS from the start, and a login.
    pub(crate) smtps: u16,
    /// Neither.
    pub(crate) plain: u16,
}

/// A message as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Mail(Value);

impl MailServer {
    /// Servers without a certificate that anybody would trust.
    pub(crate) fn start() -> Self {
        Self::with(&json!({}))
    }

    pub(crate) fn with_tls(leaf: &Leaf) -> Self {
        let pem = |bytes: Result<Vec<u8>, _>| String::from_utf8(bytes.unwrap()).unwrap();
        Self::with(&json!({
            "key": pem(leaf.key.private_key_to_pem_pkcs8()),
            "cert": pem(leaf.certificate.to_pem()),
        }))
    }

    fn with(settings: &Value) -> Self {
        let (smtp, smtps, plain) = (free_port(), free_port(), free_port());
        let mut all = json!({"smtp": smtp, "smtps": smtps, "plain": plain});
        for (key, value) in settings.as_object().unwrap() {
            all[key] = value.clone();
        }
        Self {
            server: Server::node("mail-server", all),
            smtp,
            smtps,
            plain,
        }
    }

    /// Lets a sidecar write by the server without TLS.
    pub(crate) fn behind(&self, sidecar: Sidecar) -> Sidecar {
        sidecar
            .set("mail.url", format!("smtp://127.0.0.1:{}", self.plain))
            .set("mail.from", "Acme <no-reply@acme.example>")
    }

    /// What has arrived so far.
    pub(crate) fn all(&self) -> Vec<Mail> {
        let box_ = self.server.ask("/");
        let all = box_.as_array().unwrap();
        all.iter().cloned().map(Mail).collect()
    }

    /// What has arrived for this address, oldest first.
    pub(crate) fn of(&self, address: &str) -> Vec<Mail> {
        let mut all = self.all();
        all.retain(|mail| mail.to() == address);
        all
    }

    /// The newest one for this address, when there are `count`.
    #[track_caller]
    pub(crate) fn nth(&self, address: &str, count: usize) -> Mail {
        assert!(
            eventually(PATIENCE, || self.of(address).len() >= count),
            "{count} mails to {address}: {:#?}",
            self.all()
        );
        let mut mails = self.of(address);
        assert_eq!(mails.len(), count, "{mails:#?}");
        mails.pop().unwrap()
    }
}

impl Mail {
    fn text_of(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub(crate) fn to(&self) -> &str {
        self.0["to"][0].as_str().unwrap_or_default()
    }

    pub(crate) fn tls(&self) -> bool {
        self.0["tls"].as_bool().unwrap()
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.0["user"].as_str()
    }

    pub(crate) fn subject(&self) -> &str {
        self.text_of("subject")
    }

    pub(crate) fn text(&self) -> &str {
        self.text_of("text")
    }

    pub(crate) fn html(&self) -> &str {
        self.text_of("html")
    }

    /// Headers and all.
    pub(crate) fn raw(&self) -> &str {
        self.text_of("raw")
    }

    /// The path and query of the link whose page begins so.
    #[track_caller]
    pub(crate) fn link(&self, page: &str) -> String {
        let text = self.text();
        let (_, rest) = text
            .split_once(&format!("/.auth/{page}"))
            .unwrap_or_else(|| panic!("no link to {page}: {text}"));
        let rest = rest.split_whitespace().next().unwrap();
        format!("/.auth/{page}{rest}")
    }

    /// The token in it.
    #[track_caller]
    pub(crate) fn token(&self, page: &str) -> String {
        let link = self.link(page);
        link.split_once("token=").unwrap().1.to_owned()
    }

    /// The six digits.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let digits = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
        let mut lines = self.text().lines().map(str::trim);
        let code = lines.find(digits);
        code.unwrap_or_else(|| panic!("no code: {}", self.text()))
            .to_owned()
    }
}
