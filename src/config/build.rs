//! From [`File`] to [`Settings`]: every value read, and everything that does not fit together.

use std::{net::SocketAddr, time::Duration};

use super::{
    file::{AdminConfig, File, LogConfig, ServerConfig, SessionConfig},
    root_secret::root_secret,
    settings::{Admin, Log, Session, SessionStore, Settings},
};
use crate::{
    connection::{Budgets, ProtectionConfig},
    environment::Environment,
    problem::Problem,
    protocol::{Host, Origin, PathPrefix, Scheme, TrustedProxies},
    store::sql,
    units::Span,
};

/// Checks the file and makes the settings, or says all that is wrong with it.
/// `is_sound`: nothing has been found so far.
pub(super) fn build(
    file: File,
    environment: &Environment,
    is_sound: bool,
) -> Result<Settings, Vec<Problem>> {
    let mut checks = Checks::default();
    if file.config_version.is_some_and(|version| version != 1) {
        checks.add(
            Problem::new(
                "config_version",
                "this program knows version 1 of the file only",
            )
            .hint("a newer program may know more"),
        );
    }
    let server = &file.server;
    let public_url = checks.public_url(server);
    let trusted_proxies = checks.trusted_proxies(&server.trusted_proxies);
    let auth_prefix = checks.auth_prefix(&server.auth_prefix);
    let listeners = checks.listeners(server, public_url.as_ref());
    checks.threads(server.threads);
    let admin = checks.admin(file.admin);
    let storage = checks.storage(&file.storage);
    let session = checks.session(&file.session);
    let budgets = checks.budgets(&file.protection);
    let log = checks.log(file.log);
    let mail = checks.keep_all(file.mail.build());
    let may_make = is_sound && checks.0.is_empty();
    let secret = checks.keep(root_secret(&file.server.secret, environment, may_make));
    let settings = (|| {
        Some(Settings {
            listeners,
            public_url: public_url?,
            trusted_proxies: trusted_proxies?,
            auth_prefix: auth_prefix?,
            secret: secret??,
            threads: file.server.threads,
            shutdown_timeout: file.server.shutdown_timeout.0,
            admin: admin?,
            storage: storage?,
            session: session?,
            counters: file.protection.counters,
            budgets: budgets?,
            log: log?,
            pages: file.pages,
            mail: mail?,
            connections: file.connections.0,
            routes: file.routes,
        })
    })();
    settings.filter(|_| checks.0.is_empty()).ok_or(checks.0)
}

/// What has been found to be wrong so far.
#[derive(Default)]
pub(super) struct Checks(Vec<Problem>);

impl Checks {
    /// One more.
    pub(super) fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// How many there are.
    pub(super) fn found(&self) -> usize {
        self.0.len()
    }

    /// What was checked, or one more.
    pub(super) fn keep<T>(&mut self, checked: Result<T, Problem>) -> Option<T> {
        checked.map_err(|problem| self.add(problem)).ok()
    }

    /// What was checked, or several more.
    fn keep_all<T>(&mut self, checked: Result<T, Vec<Problem>>) -> Option<T> {
        checked.map_err(|found| self.0.extend(found)).ok()
    }

    fn public_url(&mut self, server: &ServerConfig) -> Option<Origin> {
        const KEY: &str = "server.public_url";
        let parsed = Origin::parse(&server.public_url).map_err(|error| {
            Problem::new(KEY, error.to_string())
                .hint("an origin is like \"https://login.example.com\"")
        });
        let origin = self.keep(parsed)?;
        let plain = origin.scheme == Scheme::Http && !origin.is_loopback();
        if plain && !server.danger_plain_http {
            self.add(
                Problem::new(KEY, "passwords and sessions would travel in plain http")
                    .hint("use https, or set server.danger_plain_http = true"),
            );
        }
        Some(origin)
    }

    fn trusted_proxies(&mut self, list: &[String]) -> Option<TrustedProxies> {
        let before = self.0.len();
        for (index, text) in list.iter().enumerate() {
            let key = || format!("server.trusted_proxies[{index}]");
            if TrustedProxies::parse([text.as_str()]).is_err() {
                self.add(
                    Problem::new(
                        key(),
                        format!("{text:?} is neither a network nor an address"),
                    )
                    .hint("like \"10.0.0.0/8\", \"192.0.2.1\" or \"unix\""),
                );
            } else if text.ends_with("/0") {
                self.add(
                    Problem::new(key(), "everybody could claim any address and any host")
                        .hint("name the network of the proxies in front"),
                );
            }
        }
        if self.0.len() > before {
            return None;
        }
        TrustedProxies::parse(list.iter().map(String::as_str)).ok()
    }

    fn auth_prefix(&mut self, text: &str) -> Option<PathPrefix> {
        const KEY: &str = "server.auth_prefix";
        let parsed = PathPrefix::parse(text).map_err(|error| Problem::new(KEY, error.to_string()));
        let prefix = self.keep(parsed)?;
        let wrong = if prefix.as_str() == "/" {
            "the applications would have no path left"
        } else if prefix.as_str() != text {
            "the path ends in a slash"
        } else {
            return Some(prefix);
        };
        self.add(Problem::new(KEY, wrong).hint("use a path like \"/.auth\""));
        None
    }

    fn threads(&mut self, threads: Option<usize>) {
        if threads.is_some_and(|threads| !(1..=1024).contains(&threads)) {
            self.add(Problem::new(
                "server.threads",
                "the number is not from 1 to 1024",
            ));
        }
    }

    fn admin(&mut self, config: AdminConfig) -> Option<Admin> {
        let listen = self.keep(socket_address(&config.listen, "admin.listen"));
        let before = self.0.len();
        let on_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if listen.is_some_and(|address| !on_loopback(&address)) && !config.danger_off_loopback {
            self.add(
                Problem::new("admin.listen", "others than this machine could read it")
                    .hint("use \"127.0.0.1:9091\", or set admin.danger_off_loopback = true"),
            );
        }
        let mut hosts = Vec::new();
        for (index, text) in config.hosts.iter().enumerate() {
            let host = Host::parse(text).map_err(|error| {
                Problem::new(format!("admin.hosts[{index}]"), error.to_string())
                    .hint("a host is like \"vestibule.internal\", without a port")
            });
            hosts.extend(self.keep(host));
        }
        if config.socket.as_os_str().is_empty() {
            self.add(Problem::new("admin.socket", "the path is empty"));
        }
        (self.0.len() == before).then_some(Admin {
            listen: listen?,
            socket: config.socket,
            hosts,
        })
    }

    fn storage(&mut self, config: &sql::Config) -> Option<sql::Place> {
        match config.build() {
            Ok(place) => Some(place),
            Err(problems) => {
                self.0.extend(problems);
                None
            }
        }
    }

    fn session(&mut self, config: &SessionConfig) -> Option<Session> {
        let before = self.0.len();
        let store = self.session_store(config);
        let usual = Span(Duration::from_secs(8 * 3600)).min(config.absolute_timeout);
        let idle_timeout = config.idle_timeout.unwrap_or(usual);
        if idle_timeout > config.absolute_timeout {
            self.add(
                Problem::new(
                    "session.idle_timeout",
                    format!(
                        "{} is longer than absolute_timeout, {}",
                        idle_timeout, config.absolute_timeout
                    ),
                )
                .hint("a session ends at absolute_timeout in any case"),
            );
        }
        for (key, span) in [
            ("idle_timeout", idle_timeout),
            ("absolute_timeout", config.absolute_timeout),
        ] {
            if span.0.is_zero() {
                let problem = Problem::new(format!("session.{key}"), "no session would ever live");
                self.add(problem.hint("use a time like \"8h\""));
            }
        }
        if !(1..=100_000_000).contains(&config.cache) {
            self.add(Problem::new(
                "session.cache",
                "the number is not from 1 to 100000000",
            ));
        }
        (self.0.len() == before).then_some(Session {
            store: store?,
            idle_timeout: idle_timeout.0,
            absolute_timeout: config.absolute_timeout.0,
            stale_for: config.stale_for.0,
            cache: config.cache,
        })
    }

    fn session_store(&mut self, config: &SessionConfig) -> Option<SessionStore> {
        let url = match config.store.expose() {
            text @ ("memory" | "storage") => {
                if !config.redis.is_empty() {
                    let message = format!("sessions are not in Redis with store = {text:?}");
                    let hint = "set session.store = \"redis\", or leave the table out";
                    self.add(Problem::new("session.redis", message).hint(hint));
                }
                return Some(match text {
                    "memory" => SessionStore::Memory,
                    _ => SessionStore::Storage,
                });
            }
            // It could not be fetched, which is said already.
            "" => return None,
            "redis" => None,
            text if text.starts_with("redis:") || text.starts_with("rediss:") => {
                Some(&config.store)
            }
            _ => {
                let message = "the value is not one of those that are possible";
                let hint = "it can be \"storage\", \"memory\", \"redis\" or the URL of a Redis";
                self.add(Problem::new("session.store", message).hint(hint));
                return None;
            }
        };
        match config.redis.build(url) {
            Ok(options) => Some(SessionStore::Redis(Box::new(options))),
            Err(problems) => {
                self.0.extend(problems);
                None
            }
        }
    }

    fn budgets(&mut self, config: &ProtectionConfig) -> Option<Budgets> {
        Budgets::open(config)
            .map_err(|found| {
                let found = found.into_iter();
                self.0.extend(found.map(|one| one.under("protection")));
            })
            .ok()
    }

    fn log(&mut self, config: LogConfig) -> Option<Log> {
        let parsed = tracing_subscriber::EnvFilter::try_new(&config.level).map_err(|error| {
            Problem::new("log.level", error.to_string())
                .hint("like \"info\" or \"info,vestibule::proxy=debug\"")
        });
        self.keep(parsed)?;
        Some(Log {
            format: config.format,
            level: config.level,
            access: config.access,
        })
    }
}

pub(super) fn socket_address(text: &str, key: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        Problem::new(key, format!("{text:?} is not an address and a port"))
            .hint("like \"127.0.0.1:8080\" or \"[::1]:8080\"; a name is no address")
    })
}
