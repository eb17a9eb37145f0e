//! The keys of a connection with `strategy = "sms"`.

use std::{path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Channel, Passwordless, Phone,
    config::{lifetime, problems_of},
};
use crate::{
    connection::{
        Common, Connection, TextCap,
        registry::{OpenConnection, Parts},
    },
    identity::ConnectionId,
    problem::Problem,
    protocol::Country,
    sms::{self, Gateway, template::Place},
    units::Span,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SmsConfig {
    /// How long a message is good to sign in with. Default: `5m`; at most `1h`.
    pub(crate) lifetime: Option<Span>,
    /// The countries whose numbers are written to, by their two letters (ISO 3166-1): `["GB", "DE"]`.
    /// There is no default.
    #[schemars(with = "Vec<String>")]
    pub(crate) countries: Vec<Country>,
    /// The one of them whose numbers are typed without `+`. Default: the only one, if there is one.
    #[schemars(with = "Option<String>")]
    pub(crate) default_country: Option<Country>,
    /// Whether a message has a link besides the code. Default: yes.
    pub(crate) link: Option<bool>,
    /// Whether the last line of a message lets telephones fill the code in, on our page alone:
    /// `@login.example.com #123456`. Default: no.
    pub(crate) autofill: bool,
    /// How many messages are sent in a day, to everybody together. Default: 1000.
    pub(crate) most_per_day: Option<u32>,
    /// Who hands messages to the telephone network.
    pub(crate) gateway: sms::Config,
}

/// How many messages leave in a day where nothing is set.
const MOST_PER_DAY: u32 = 1000;

impl SmsConfig {
    fn has_link(&self) -> bool {
        self.link.unwrap_or(true)
    }

    /// Whose numbers are typed without a country code.
    fn home(&self) -> Option<Country> {
        match self.countries.as_slice() {
            [only] => Some(*only),
            _ => self.default_country,
        }
    }
}

impl OpenConnection for SmsConfig {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let mut problems = problems_of(common);
        problems.extend(lifetime(self.lifetime).err());
        if self.countries.is_empty() {
            let message = "nobody's number would be written to";
            problems.push(
                Problem::new("countries", message)
                    .hint("name the countries that your people are in, like [\"GB\", \"DE\"]"),
            );
        } else if let Some(home) = self.default_country
            && !self.countries.contains(&home)
        {
            let message = "it is not among countries";
            problems.push(Problem::new("default_country", message));
        }
        if self.most_per_day == Some(0) {
            let message = "no message would ever be sent";
            let hint = "take the connection out, or set enabled = false";
            problems.push(Problem::new("most_per_day", message).hint(hint));
        }
        if !self.has_link() && self.gateway.has(Place::Link) {
            let message = "link is false, and the gateway is to be told one";
            problems.push(Problem::new("link", message).hint("take {{ link }} out of it"));
        }
        let gateway = self.gateway.problems().into_iter();
        problems.extend(gateway.map(|problem| problem.under("gateway")));
        problems
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let problems = self.problems(common);
        let lifetime = match lifetime(self.lifetime) {
            Ok(lifetime) if problems.is_empty() => lifetime,
            _ => return Err(problems),
        };
        let made_of = (parts.clock.clone(), parts.random.clone());
        let gateway = Gateway::open(&self.gateway, &parts.http, made_of).map_err(|found| {
            let problems = found.into_iter();
            problems
                .map(|problem| problem.under("gateway"))
                .collect::<Vec<_>>()
        })?;
        let host = parts.pages.host_str().map(str::to_owned);
        Ok(Arc::new(Passwordless {
            id,
            lifetime,
            channel: Channel::Phone(Phone {
                home: self.home(),
                countries: self.countries.clone(),
                gateway: Arc::new(gateway),
                link: self.has_link(),
                fill_in_at: host.filter(|_| self.autofill),
                cap: TextCap {
                    most_per_day: self.most_per_day.unwrap_or(MOST_PER_DAY),
                    one_country: self.countries.len() == 1,
                },
            }),
        }))
    }

    fn files(&self) -> Vec<&Path> {
        self.gateway.ca.as_deref().into_iter().collect()
    }
}
