//! How much guessing costs, and whom it is counted for: the `[protection]` table.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    problem::Problem,
    protocol::Network,
    units::{BadUnit, Span},
};

/// How many networks may be named in `allow`.
const MOST_ALLOWED: usize = 100;

/// The `[protection]` table: what stands in the way of guessing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where failures are counted. Default: `store`.
    pub(crate) counters: Counters,
    /// Whether a spent budget refuses. Default: `enforce`.
    pub(crate) mode: Mode,
    /// Networks whose people share no budget of their address: an office, a probe. What is tried at
    /// one account is counted there too.
    #[schemars(with = "Vec<String>")]
    pub(crate) allow: Vec<Network>,
    /// Failed logins.
    pub(crate) login: LoginConfig,
    /// Sign-ups.
    pub(crate) sign_up: SignUpConfig,
}

/// Where failures are counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counters {
    /// In this process: each counts for itself, and begins anew with a restart.
    Memory,
    /// In Redis if sessions are there, else in the storage.
    #[default]
    Store,
}

/// Whether a spent budget refuses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is logged and counted, and refuses nobody.
    Monitor,
}

impl Mode {
    /// The label of the metric.
    pub(super) const fn did(self) -> &'static str {
        match self {
            Self::Enforce => "refused",
            Self::Monitor => "monitored",
        }
    }
}

/// The `[protection.login]` table: failed logins.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LoginConfig {
    /// At one account from one network, and from all together. Default: `10/15m`.
    pub(crate) account: Rate,
    /// At one account from a browser that signed in to it before. Default: `10/15m`.
    pub(crate) known_browser: Rate,
    /// From one address. Default: `100/1d`.
    pub(crate) address: Rate,
    /// From one network (/24, /48). Default: `400/1d`.
    pub(crate) network: Rate,
    /// From everybody. Default: `10000/15m`.
    pub(crate) all: Rate,
}

impl Default for LoginConfig {
    fn default() -> Self {
        Self {
            account: Rate::minutes(10, 15),
            known_browser: Rate::minutes(10, 15),
            address: Rate::minutes(100, 24 * 60),
            network: Rate::minutes(400, 24 * 60),
            all: Rate::minutes(10_000, 15),
        }
    }
}

/// The `[protection.sign_up]` table: sign-ups.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SignUpConfig {
    /// From one address, whether or not they made a user. Default: `50/1m`.
    pub(crate) address: Rate,
    /// The same from one network (/24, /48). Default: `200/1h`.
    pub(crate) network: Rate,
    /// From everybody, that made a user. Default: `1000/1h`.
    pub(crate) all: Rate,
}

impl Default for SignUpConfig {
    fn default() -> Self {
        Self {
            address: Rate::minutes(50, 1),
            network: Rate::minutes(200, 60),
            all: Rate::minutes(1000, 60),
        }
    }
}

/// So many within so long: `10/15m`. The time begins with the first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^\d+/(\d+\s*(ms|s|m|min|h|d|w)\s*)+$"))]
pub(crate) struct Rate {
    pub(super) limit: u32,
    pub(super) window: Duration,
}

impl Rate {
    /// `limit` in so many minutes.
    pub(in crate::connection) const fn minutes(limit: u32, minutes: u64) -> Self {
        Self {
            limit,
            window: Duration::from_mins(minutes),
        }
    }

    /// No more than `most` in the same time.
    pub(super) fn at_most(self, most: u32) -> Self {
        Self {
            limit: self.limit.min(most),
            ..self
        }
    }
}

impl FromStr for Rate {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        const BAD: BadUnit = BadUnit {
            like: "\"10/15m\" or \"100/1d\"",
        };
        let (limit, window) = text.split_once('/').ok_or(BAD)?;
        let limit = limit.parse().ok().filter(|limit| *limit > 0).ok_or(BAD)?;
        let Span(window) = window.parse().map_err(|_| BAD)?;
        if window.is_zero() || window > Duration::from_hours(31 * 24) {
            return Err(BAD);
        }
        Ok(Self { limit, window })
    }
}

impl TryFrom<String> for Rate {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, Span(self.window))
    }
}

/// How many failures each budget holds, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    pub(super) mode: Mode,
    pub(super) allow: Vec<Network>,
    pub(in crate::connection) login: LoginConfig,
    /// What is left to a network when a shared budget is empty.
    pub(in crate::connection) scarce: u32,
    pub(in crate::connection) sign_up: SignUpConfig,
    /// Logins begun from one address by a call to the provider: a whole office may be behind one.
    pub(super) begun: Rate,
    /// The same from one network.
    pub(super) begun_network: Rate,
    pub(super) mail: MailRates,
}

/// How many messages somebody can have sent, and how many codes out of them tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct MailRates {
    /// Asked for by one name.
    pub(super) name: Rate,
    /// Sent to one address.
    pub(super) recipient: Rate,
    /// Asked for from one address.
    pub(super) address: Rate,
    /// The same from one network.
    pub(super) network: Rate,
    pub(super) all: Rate,
    /// Wrong codes in one flow.
    pub(super) code: Rate,
    /// Told to one account that too much was guessed there.
    pub(super) unblock: Rate,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            allow: Vec::new(),
            login: LoginConfig::default(),
            scarce: 3,
            sign_up: SignUpConfig::default(),
            begun: Rate::minutes(300, 1),
            begun_network: Rate::minutes(1000, 1),
            mail: MailRates {
                name: Rate::minutes(5, 60),
                recipient: Rate::minutes(5, 60),
                address: Rate::minutes(20, 60),
                network: Rate::minutes(100, 60),
                all: Rate::minutes(1000, 60),
                code: Rate::minutes(5, 60),
                unblock: Rate::minutes(1, 60),
            },
        }
    }
}

impl Budgets {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// What cannot be meant, by its key under `[protection]`.
    pub(crate) fn open(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.allow.len() > MOST_ALLOWED {
            let message = format!("more than {MOST_ALLOWED} networks");
            problems.push(Problem::new("allow", message).hint("name the networks around them"));
        }
        for (index, network) in config.allow.iter().enumerate() {
            if network.prefix_length() == 0 {
                let message = "nobody's address would be counted";
                let hint = "set mode = \"monitor\" to refuse nobody";
                problems.push(Problem::new(format!("allow[{index}]"), message).hint(hint));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            mode: config.mode,
            allow: config.allow.clone(),
            login: config.login,
            sign_up: config.sign_up,
            ..Self::default()
        })
    }

    /// Whether what this address does is counted for it and the network around it.
    pub(super) fn count_address(&self, address: Option<IpAddr>) -> bool {
        let allowed = |address| {
            let holds = |network: &Network| {
                Network::around(address, network.prefix_length()).as_ref() == Some(network)
            };
            self.allow.iter().any(holds)
        };
        !address.is_some_and(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let rate: Rate = "10/15m".parse().unwrap();
        assert_eq!(rate, Rate::minutes(10, 15));
        assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        for bad in [
            "", "10", "10/", "/15m", "0/1m", "10/0s", "-1/1m", "10/40d", "1 0/1m",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_that_is_allowed_is_not_counted() {
        let config = |allow: &str| {
            let text = format!("allow = [{allow}]");
            Budgets::open(&toml::from_str(&text).unwrap())
        };
        let budgets = config("'192.0.2.0/24', '2001:db8::/32'").unwrap();
        let counted = |address: &str| budgets.count_address(Some(address.parse().unwrap()));
        assert!(!counted("192.0.2.9") && !counted("::ffff:192.0.2.9") && !counted("2001:db8::1"));
        assert!(counted("192.0.3.1") && counted("2001:db9::1") && budgets.count_address(None));
        let refused = config("'0.0.0.0/0'").unwrap_err();
        assert_eq!(refused[0].key, "allow[0]");
        let many = (0..101)
            .map(|n| format!("'10.0.0.{n}'"))
            .collect::<Vec<_>>();
        assert_eq!(config(&many.join(",")).unwrap_err()[0].key, "allow");
    }
}
