//! `[mail]`, as the operator writes it and as it is meant.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::message::Mailbox;
use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use crate::{problem::Problem, secret::Secret, units::Span};

/// The `[mail]` table: how messages leave. Without it there are none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `smtp://USER@HOST:PORT` (STARTTLS, port 587 by default), `smtps://USER@HOST:PORT` (TLS from
    /// the start, port 465), or `file:` and a folder, for trials. The user is needed only where the
    /// server asks for one; an `@` in it is written `%40`.
    #[schemars(extend("x-vestibule" = "mail"))]
    pub(crate) url: Option<String>,
    /// The password of the user in `url`.
    pub(crate) password: Option<Secret>,
    /// Whom messages are from: `Acme <no-reply@acme.example>`, or an address alone.
    pub(crate) from: Option<String>,
    /// Where answers go. Default: to `from`.
    pub(crate) reply_to: Option<String>,
    /// A PEM file with the authorities whose certificates are trusted. Default: those of the system.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// How long a link that confirms an address is good. Default: 24 h.
    pub(crate) verify_lifetime: Span,
    /// How long a link to choose a new password is good. Default: 1 h.
    pub(crate) reset_lifetime: Span,
    /// Allow `smtp://` without TLS to another machine: whoever is between reads every link.
    pub(crate) danger_plain_smtp: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            from: None,
            reply_to: None,
            ca: None,
            verify_lifetime: Span(Duration::from_hours(24)),
            reset_lifetime: Span(Duration::from_hours(1)),
            danger_plain_smtp: false,
        }
    }
}

/// How messages leave, known to be sound.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) way: Way,
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    pub(super) lifetimes: Lifetimes,
}

/// How long links are good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// Of one that confirms an address.
    pub(crate) verify: Duration,
    /// Of one that leads to a new password.
    pub(crate) reset: Duration,
}

/// By what way.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Into a folder, a file each.
    Folder(PathBuf),
    Smtp(Server),
}

/// A mail server (RFC 5321) that takes our messages.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) login: Option<(String, Secret)>,
    /// A file with the authorities that are trusted; `None`: those of the system.
    pub(super) ca: Option<PathBuf>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Security {
    /// Not at all: to this machine, or because the operator accepts the danger.
    Plain,
    /// TLS from the start (RFC 8314 section 3.3).
    Tls,
    /// STARTTLS (RFC 3207), and no message without.
    StartTls,
}

const URL: &str = "mail.url";
const LIKE: &str = "like \"smtp://user@mail.example.com:587\", \"smtps://user@mail.example.com\" \
                    or \"file:data/outbox\"";
/// A code is good for as long, so a link is not good for less.
const LEAST: Duration = Duration::from_mins(5);
/// A message is in somebody's mailbox for good.
const MOST: Duration = Duration::from_hours(24 * 30);

impl Config {
    /// What is meant; `None`: no mail is sent.
    pub(crate) fn build(&self) -> Result<Option<Settings>, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(url) = &self.url else {
            for (key, is_set) in [
                ("password", self.password.is_some()),
                ("from", self.from.is_some()),
                ("reply_to", self.reply_to.is_some()),
                ("ca", self.ca.is_some()),
            ] {
                if is_set {
                    let message = "it is not said where messages go";
                    let problem = Problem::new(format!("mail.{key}"), message);
                    problems.push(problem.hint("set mail.url, or leave the table out"));
                }
            }
            return if problems.is_empty() {
                Ok(None)
            } else {
                Err(problems)
            };
        };
        for (key, span) in [
            ("verify_lifetime", self.verify_lifetime),
            ("reset_lifetime", self.reset_lifetime),
        ] {
            if !(LEAST..=MOST).contains(&span.0) {
                let message = "a link is good for 5 minutes at least and for 30 days at most";
                problems.push(Problem::new(format!("mail.{key}"), message));
            }
        }
        let mut keep = |result: Result<_, Problem>| {
            let kept: Result<_, ()> = result.map_err(|problem| problems.push(problem));
            kept.ok()
        };
        let from = keep(match &self.from {
            Some(from) => mailbox("mail.from", from).map(Some),
            None => Err(Problem::new("mail", "the key from is missing")
                .hint("whom messages are from, like \"Acme <no-reply@acme.example>\"")),
        });
        let reply_to = self.reply_to.as_deref();
        let reply_to = keep(match reply_to {
            Some(reply_to) => mailbox("mail.reply_to", reply_to).map(Some),
            None => Ok(None),
        });
        let way = self.way(url).map_err(|found| problems.push(found)).ok();
        match (way, from.flatten(), reply_to) {
            (Some(way), Some(from), Some(reply_to)) if problems.is_empty() => Ok(Some(Settings {
                way,
                from,
                reply_to,
                lifetimes: Lifetimes {
                    verify: self.verify_lifetime.0,
                    reset: self.reset_lifetime.0,
                },
            })),
            _ => Err(problems),
        }
    }

    fn way(&self, url: &str) -> Result<Way, Problem> {
        let bad = |message: &str| Problem::new(URL, message).hint(LIKE);
        if let Some(folder) = url.strip_prefix("file:") {
            // `file:///dir` of RFC 8089, and a path as it is.
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            for (key, is_set) in [
                ("password", self.password.is_some()),
                ("ca", self.ca.is_some()),
            ] {
                if is_set {
                    let message = "a folder asks for none";
                    return Err(Problem::new(format!("mail.{key}"), message));
                }
            }
            return if folder.is_empty() {
                Err(bad("the URL names no folder"))
            } else {
                Ok(Way::Folder(folder.into()))
            };
        }
        let parsed = Url::parse(url).map_err(|_| bad("it is not a URL"))?;
        let says_more = parsed.query().is_some()
            || parsed.fragment().is_some()
            || !matches!(parsed.path(), "" | "/");
        if says_more {
            return Err(bad("it says more than where the server is"));
        }
        if parsed.password().is_some() {
            let hint = "write the password as mail.password, like { env = \"MAIL_PASSWORD\" }";
            return Err(Problem::new(URL, "a password stands in it").hint(hint));
        }
        // The host of a scheme that the URL standard does not know is not read as a name.
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.and_then(|host| Host::parse(host).ok());
        let host = host.ok_or_else(|| bad("it names no host"))?;
        let (is_here, host) = match host {
            Host::Domain(name) => (name == "localhost", name),
            Host::Ipv4(address) => (address.is_loopback(), address.to_string()),
            Host::Ipv6(address) => (address.is_loopback(), address.to_string()),
        };
        let (security, port) = match parsed.scheme() {
            "smtps" => (Security::Tls, 465),
            "smtp" if self.ca.is_some() => (Security::StartTls, 587),
            "smtp" if is_here || self.danger_plain_smtp => (Security::Plain, 587),
            "smtp" => (Security::StartTls, 587),
            _ => return Err(bad("it is of no kind that is known")),
        };
        Ok(Way::Smtp(Server {
            host,
            port: parsed.port().unwrap_or(port),
            security,
            login: self.login(parsed.username())?,
            ca: self.ca.clone(),
        }))
    }

    fn login(&self, user: &str) -> Result<Option<(String, Secret)>, Problem> {
        let user = percent_encoding::percent_decode_str(user).decode_utf8();
        let user = user.map_err(|_| Problem::new(URL, "the user in it is not UTF-8"))?;
        match (&self.password, user.is_empty()) {
            (None, true) => Ok(None),
            (Some(password), false) => Ok(Some((user.into_owned(), password.clone()))),
            (None, false) => Err(Problem::new("mail", "the key password is missing")
                .hint("there is a user in mail.url, and a user has a password")),
            (Some(_), true) => Err(Problem::new("mail.password", "it is nobody's")
                .hint("write the user into mail.url: \"smtp://user@mail.example.com\"")),
        }
    }
}

impl Settings {
    /// What is wrong with the files that are named.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        match &self.way {
            Way::Folder(_) => Vec::new(),
            Way::Smtp(server) => server.authorities().err().into_iter().collect(),
        }
    }
}

impl Server {
    /// The authorities that are trusted, in PEM, each for itself; none: those of the system.
    pub(super) fn authorities(&self) -> Result<Vec<Vec<u8>>, Problem> {
        let Some(file) = &self.ca else {
            return Ok(Vec::new());
        };
        read_authorities(file).map_err(|why| {
            let message = format!("{} cannot be used: {why}", file.display());
            Problem::new("mail.ca", message)
        })
    }
}

fn read_authorities(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let pem = fs::read(file).map_err(|error| error.to_string())?;
    let all = openssl::x509::X509::stack_from_pem(&pem);
    let all = all.map_err(|_| "it is not a PEM file of certificates".to_owned())?;
    let pem: Result<Vec<_>, _> = all.iter().map(|one| one.to_pem()).collect();
    match pem {
        Ok(pem) if !pem.is_empty() => Ok(pem),
        _ => Err("there is no certificate in it".to_owned()),
    }
}

/// A mailbox (RFC 5322 section 3.4) of the operator's.
fn mailbox(key: &str, text: &str) -> Result<Mailbox, Problem> {
    let bad = || {
        Problem::new(key, "it is not an e-mail address with or without a name")
            .hint("like \"Acme <no-reply@acme.example>\"")
    };
    if text.chars().any(char::is_control) {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}
