//! `[session.redis]`: where the server is, as the operator writes it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    options::{Address, Login, Options, Servers, Tls},
    place::Place,
};
use crate::{problem::Problem, secret::Secret};

/// The `[session.redis]` table: the server that sessions are in with `store = "redis"`. One of `url`,
/// `cluster` and `sentinels` says where it is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// One server: `rediss://USER:PASSWORD@HOST:PORT/DATABASE`, or `redis://` for plain TCP. Only the
    /// host is needed. The same can stand in `session.store`.
    pub(crate) url: Option<Secret>,
    /// Some nodes of a cluster, like `rediss://10.0.0.1:6379`.
    pub(crate) cluster: Vec<String>,
    /// Sentinels, like `rediss://10.0.0.1:26379`: they say which server is `master`.
    pub(crate) sentinels: Vec<String>,
    /// The name by which the sentinels know it.
    pub(crate) master: Option<String>,
    /// The user (ACL) of the server, if the URL does not have it. Default: the server's `default`.
    pub(crate) username: Option<String>,
    /// Its password.
    pub(crate) password: Option<Secret>,
    /// The user of the sentinels. Default: their `default`.
    pub(crate) sentinel_username: Option<String>,
    /// The password of the sentinels. Default: none.
    pub(crate) sentinel_password: Option<Secret>,
    /// The number of the database behind sentinels. Default: 0.
    #[schemars(range(min = 0, max = 65535))]
    pub(crate) database: Option<u16>,
    /// A PEM file with the authorities whose certificates are trusted. Default: those of the system.
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(crate) ca: Option<PathBuf>,
    /// A PEM file with our own certificate, for a server that asks for one.
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(crate) certificate: Option<PathBuf>,
    /// The PEM file with its private key (PKCS #8).
    #[schemars(extend("x-vestibule" = "unwatched"))]
    pub(crate) key: Option<PathBuf>,
    /// What the names of all keys begin with: a-z, 0-9, `-`, `_`, `.` and `:`. Default: `vestibule`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.:-]{1,64}$"))]
    pub(crate) prefix: Option<String>,
    /// How many replicas must have a login, a use or an end before it counts. Default: 0.
    #[schemars(range(min = 0, max = 16))]
    pub(crate) wait_for_replicas: u8,
    /// Allow plain TCP to another machine: whoever is between reads and writes sessions.
    pub(crate) danger_plain_redis: bool,
}

/// Where the keys of a [`Config`] are.
const TABLE: &str = "session.redis";

impl Config {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            url,
            cluster,
            sentinels,
            master,
            username,
            password,
            sentinel_username,
            sentinel_password,
            database,
            ca,
            certificate,
            key,
            prefix,
            wait_for_replicas,
            danger_plain_redis,
        } = self;
        let texts = [master, username, sentinel_username, prefix];
        let secrets = [url, password, sentinel_password];
        let files = [ca, certificate, key];
        cluster.is_empty()
            && sentinels.is_empty()
            && texts.iter().all(|text| text.is_none())
            && secrets.iter().all(|secret| secret.is_none())
            && files.iter().all(|file| file.is_none())
            && database.is_none()
            && *wait_for_replicas == 0
            && !danger_plain_redis
    }

    /// What is meant; `store` is a URL that stands in `session.store`.
    pub(crate) fn build(&self, store: Option<&Secret>) -> Result<Options, Vec<Problem>> {
        let mut problems = Problems(Vec::new());
        let servers = self.servers(store, &mut problems);
        self.check_names(&mut problems);
        let tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                problems.add("certificate", "a certificate is of no use without its key");
                None
            }
            (None, Some(_)) => {
                problems.add("key", "a key is of no use without its certificate");
                None
            }
        };
        let tls = Tls {
            ca: self.ca.clone(),
            identity: tls,
        };
        if let Some((_, false, ..)) = &servers
            && tls != Tls::default()
        {
            let key = if tls.ca.is_some() {
                "ca"
            } else {
                "certificate"
            };
            problems.add(key, "there are no certificates without TLS; use rediss://");
        }
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        let Some((servers, is_tls, login, database)) = servers else {
            return Err(problems.0);
        };
        Ok(Options {
            servers,
            login,
            database,
            tls: is_tls.then_some(tls),
            prefix: self
                .prefix
                .clone()
                .unwrap_or_else(|| "vestibule".to_owned()),
            wait_for_replicas: self.wait_for_replicas,
        })
    }

    fn servers(
        &self,
        store: Option<&Secret>,
        problems: &mut Problems,
    ) -> Option<(Servers, bool, Login, u16)> {
        let in_store = store.map(|secret| ("session.store".to_owned(), secret));
        let url = self.url.as_ref().map(|secret| (key_of("url"), secret));
        let ways = [
            in_store.is_some(),
            url.is_some(),
            !self.cluster.is_empty(),
            !self.sentinels.is_empty(),
        ];
        match ways.iter().filter(|is| **is).count() {
            0 => {
                let hint = "set session.redis.url to something like \"rediss://10.0.0.1:6379\", or \
                            cluster, or sentinels";
                let message = "it is not said where Redis is";
                problems
                    .0
                    .push(Problem::new("session.store", message).hint(hint));
                return None;
            }
            1 => {}
            _ => {
                let message = "there is more than one of url, cluster, sentinels and a URL in \
                               session.store";
                problems
                    .0
                    .push(Problem::new(TABLE, message).hint("keep one of them"));
                return None;
            }
        }
        self.check_company(problems);
        if let Some((key, secret)) = in_store.or(url) {
            return self.one(&key, secret, problems);
        }
        let (name, list) = if self.cluster.is_empty() {
            ("sentinels", &self.sentinels)
        } else {
            ("cluster", &self.cluster)
        };
        let (addresses, is_tls) = self.several(name, list, problems)?;
        let login = Login {
            username: self.username.clone(),
            password: self.password.clone(),
        };
        let servers = if name == "cluster" {
            Servers::Cluster(addresses)
        } else {
            Servers::Sentinels {
                addresses,
                master: self.master.clone().unwrap_or_default(),
                login: Login {
                    username: self.sentinel_username.clone(),
                    password: self.sentinel_password.clone(),
                },
            }
        };
        Some((servers, is_tls, login, self.database.unwrap_or(0)))
    }

    /// Which keys go with which.
    fn check_company(&self, problems: &mut Problems) {
        let is_sentinel = !self.sentinels.is_empty();
        if is_sentinel && self.master.as_ref().is_none_or(String::is_empty) {
            problems.add(
                "sentinels",
                "the sentinels are asked for a master, and none is named",
            );
        }
        for (name, is_set) in [
            ("master", self.master.is_some()),
            ("sentinel_username", self.sentinel_username.is_some()),
            ("sentinel_password", self.sentinel_password.is_some()),
        ] {
            if is_set && !is_sentinel {
                problems.add(name, "it counts with sentinels only");
            }
        }
        if self.database.is_some() && !is_sentinel {
            let message = if self.cluster.is_empty() {
                "the database of one server stands in its URL, like redis://localhost/1"
            } else {
                "a cluster has one database"
            };
            problems.add("database", message);
        }
    }

    fn check_names(&self, problems: &mut Problems) {
        let fits =
            |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
        let prefix = self.prefix.as_deref().unwrap_or("vestibule");
        if !(1..=64).contains(&prefix.len()) || !prefix.chars().all(fits) {
            problems.add(
                "prefix",
                "a prefix has 1 to 64 letters, digits, -, _, . and :",
            );
        }
        if self.wait_for_replicas > 16 {
            problems.add("wait_for_replicas", "the number is not from 0 to 16");
        }
    }

    fn one(
        &self,
        key: &str,
        secret: &Secret,
        problems: &mut Problems,
    ) -> Option<(Servers, bool, Login, u16)> {
        // Where the secret could not be fetched, that is said already.
        if secret.expose().is_empty() {
            return None;
        }
        let place = match Place::parse(secret.expose()) {
            Ok(place) => place,
            Err(why) => {
                let hint = "a URL is like \"rediss://user:password@10.0.0.1:6379/0\"";
                problems.0.push(Problem::new(key, why).hint(hint));
                return None;
            }
        };
        self.check_plain(key, &place, problems);
        let mut login = place.login;
        for (name, is_set, is_in_url) in [
            (
                "username",
                self.username.is_some(),
                login.username.is_some(),
            ),
            (
                "password",
                self.password.is_some(),
                login.password.is_some(),
            ),
        ] {
            if is_set && is_in_url {
                problems.add(name, "the URL has one too; keep one of them");
            }
        }
        login.username = login.username.or_else(|| self.username.clone());
        login.password = login.password.or_else(|| self.password.clone());
        let database = place.database.unwrap_or(0);
        Some((Servers::One(place.address), place.is_tls, login, database))
    }

    fn several(
        &self,
        name: &str,
        list: &[String],
        problems: &mut Problems,
    ) -> Option<(Vec<Address>, bool)> {
        let before = problems.0.len();
        let mut places = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let key = format!("{TABLE}.{name}[{index}]");
            let place = Place::parse(text).and_then(|place| {
                let says_more = place.login != Login::default() || place.database.is_some();
                if says_more {
                    Err("it says more than where it is; the rest has keys of its own".to_owned())
                } else {
                    Ok(place)
                }
            });
            match place {
                Ok(place) => {
                    self.check_plain(&key, &place, problems);
                    places.push(place);
                }
                Err(why) => {
                    let hint = "an address is like \"rediss://10.0.0.1:6379\"";
                    problems.0.push(Problem::new(key, why).hint(hint));
                }
            }
        }
        let is_tls = places.iter().any(|place| place.is_tls);
        if places.iter().any(|place| place.is_tls != is_tls) {
            problems.add(
                name,
                "some speak TLS and some do not: it is one or the other",
            );
        }
        (problems.0.len() == before)
            .then(|| (places.into_iter().map(|one| one.address).collect(), is_tls))
    }

    fn check_plain(&self, key: &str, place: &Place, problems: &mut Problems) {
        if !place.is_tls && !place.is_on_loopback() && !self.danger_plain_redis {
            problems.0.push(
                Problem::new(key, "sessions would travel in plain text")
                    .hint("use rediss://, or set session.redis.danger_plain_redis = true"),
            );
        }
    }
}

/// What was found to be wrong.
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, name: &str, message: &str) {
        self.0.push(Problem::new(key_of(name), message));
    }
}

fn key_of(name: &str) -> String {
    format!("{TABLE}.{name}")
}
