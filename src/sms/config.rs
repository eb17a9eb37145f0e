//! The `gateway` table of a connection with `strategy = "sms"`.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{gateway::Way, template::Place};
use crate::{
    egress::http::{Client, Written},
    problem::Problem,
    secret::Secret,
};

/// Who hands messages to the telephone network, and how it is asked to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `twilio`, or `http` for any other that is called over HTTP.
    pub(crate) kind: Option<Kind>,
    /// Where it is called. Twilio: where its API is, if not at `https://api.twilio.com`. Otherwise the
    /// whole address; values of its query may have places. Plain http: on this machine alone.
    pub(crate) url: Option<Secret>,
    /// Who a message comes from: a number, or a name that the gateway knows.
    pub(crate) from: Option<String>,
    /// Root certificates (PEM) for the server, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// Lets numbers and codes go over the network without TLS.
    pub(crate) danger_plain_http: bool,

    /// Twilio: the account, `AC…`.
    pub(crate) account_sid: Option<String>,
    /// Twilio: the account's token, or with `api_key` the secret of that.
    pub(crate) auth_token: Option<Secret>,
    /// Twilio: an API key, `SK…`, instead of the account's own token.
    pub(crate) api_key: Option<String>,
    /// Twilio: the messaging service that chooses the sender, `MG…`, instead of `from`.
    pub(crate) messaging_service_sid: Option<String>,

    /// `http`: a contract that is known: `auth0`, that of Auth0's custom gateways.
    pub(crate) preset: Option<Preset>,
    /// `http`: `POST` (default), `PUT` or `GET`.
    pub(crate) method: Option<HttpMethod>,
    /// `http`: further headers.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// `http`: what the body is: `json` (default), `form` or `plain`.
    pub(crate) format: Option<Format>,
    /// `http`: the body, with the places `{{ to }}`, `{{ to_digits }}`, `{{ text }}`, `{{ code }}`,
    /// `{{ link }}`, `{{ from }}`, `{{ user }}` and `{{ password }}`. What fills them is escaped.
    pub(crate) body: Option<Secret>,
    /// `http`: who we are there: a place, or else Basic credentials.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    /// `http`: a token for `Authorization: Bearer`.
    pub(crate) bearer: Option<Secret>,
    /// `http`: what requests are signed with, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes
    /// in base64.
    pub(crate) signing_secret: Option<Secret>,
    /// Another one beside it, while one takes the place of the other: requests have both signatures.
    pub(crate) next_signing_secret: Option<Secret>,

    /// `auth0`: who calls, by a token of HS256.
    pub(crate) jwt: Option<JwtConfig>,
    /// `auth0`: whether the gateway is told the address and the browser of whoever asked.
    pub(crate) forward_client: bool,
}

/// Who hands messages on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Http,
    Twilio,
}

/// A contract that is known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    Auth0,
}

/// How an address is called.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum HttpMethod {
    Get,
    #[default]
    Post,
    Put,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Form,
    #[default]
    Json,
    Plain,
}

/// The token for a gateway of Auth0's kind.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JwtConfig {
    pub(crate) secret: Option<Secret>,
    /// Whether the secret is written in base64.
    pub(crate) secret_is_base64: bool,
    /// `sub`.
    pub(crate) subject: String,
    /// `aud`.
    pub(crate) audience: String,
}

impl Config {
    /// All that is wrong with the table, by its keys.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.read().err().unwrap_or_default()
    }

    /// Whether a message has this in it.
    pub(crate) fn has(&self, place: Place) -> bool {
        match self.read() {
            Ok(Way::Described(way)) => way.has(place),
            _ => false,
        }
    }

    pub(super) fn read(&self) -> Result<Way, Vec<Problem>> {
        let mut problems = self.elsewhere();
        let way = match (self.kind, self.preset) {
            (None, _) => {
                let hint = "set kind = \"twilio\", or \"http\" for any other";
                problems.push(missing("kind", hint));
                return Err(problems);
            }
            (Some(Kind::Twilio), _) => self.twilio(&mut problems).map(Way::Twilio),
            (Some(Kind::Http), Some(Preset::Auth0)) => self.auth0(&mut problems).map(Way::Auth0),
            (Some(Kind::Http), None) => {
                let read = self.described(&mut problems);
                read.map(|way| Way::Described(Box::new(way)))
            }
        };
        match way {
            Some(way) if problems.is_empty() => Ok(way),
            _ => Err(problems),
        }
    }

    /// The client that calls it, which may go there although it is inside.
    pub(super) fn client(&self, way: &Way, http: &Client) -> Result<Client, Problem> {
        let hosts = way.url().url().host_str().map(str::to_owned);
        http.written(Written {
            hosts: hosts.into_iter().collect(),
            danger_plain_http: self.danger_plain_http,
        })
        .trusting(self.ca.as_deref())
    }

    /// Keys that say something about another kind.
    fn elsewhere(&self) -> Vec<Problem> {
        let of_twilio = [
            ("account_sid", self.account_sid.is_some()),
            ("auth_token", self.auth_token.is_some()),
            ("api_key", self.api_key.is_some()),
            (
                "messaging_service_sid",
                self.messaging_service_sid.is_some(),
            ),
        ];
        let described = [
            ("method", self.method.is_some()),
            ("headers", !self.headers.is_empty()),
            ("format", self.format.is_some()),
            ("body", self.body.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("bearer", self.bearer.is_some()),
            ("signing_secret", self.signing_secret.is_some()),
            ("next_signing_secret", self.next_signing_secret.is_some()),
        ];
        let of_auth0 = [
            ("jwt", self.jwt.is_some()),
            ("forward_client", self.forward_client),
        ];
        let preset = [("preset", self.preset.is_some())];
        let wrong: Vec<&[(&str, bool)]> = match (self.kind, self.preset) {
            (None, _) => Vec::new(),
            (Some(Kind::Twilio), _) => vec![&preset, &described, &of_auth0],
            (Some(Kind::Http), None) => vec![&of_twilio, &of_auth0],
            (Some(Kind::Http), Some(Preset::Auth0)) => vec![&of_twilio, &described],
        };
        let set = wrong.into_iter().flatten().filter(|(_, set)| *set);
        set.map(|(key, _)| Problem::new(*key, "this kind of gateway has no such key"))
            .collect()
    }
}

pub(super) fn missing(key: &str, hint: &str) -> Problem {
    Problem::new(key, "it is missing").hint(hint)
}
