//! The keys of a connection with `strategy = "http"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{
    connection::{
        Common, SyncProfile, database,
        foreign::{Import, People},
    },
    egress::{http::is_loopback, webhook::SigningKey},
    problem::Problem,
    secret::Secret,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The one address that everything is asked at. Plain http: on this machine alone.
    pub(crate) url: Option<String>,
    /// What requests are signed with: `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has
    /// it.
    pub(crate) signing_secret: Option<Secret>,
    /// Another one beside it, while one takes the place of the other: requests have both signatures.
    pub(crate) next_signing_secret: Option<Secret>,
    /// Root certificates (PEM) for the server, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// What else than `get_user` and `login` it answers: `create`, `change_password`, `delete`,
    /// `count`.
    pub(crate) operations: Vec<Operation>,
    /// Whether people move to accounts that are kept here, each at their next login: `true`, `false`
    /// (default), or `"finished"`, with which nothing is asked any more.
    pub(crate) import: Import,
    /// The keys of the strategy `database`: what people sign in with, and what a new password is like.
    pub(crate) accounts: database::Config,
    /// Lets passwords go over the network without TLS.
    pub(crate) danger_plain_http: bool,
}

/// What may be answered besides.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    ChangePassword,
    Count,
    Create,
    Delete,
}

/// Where requests go, and what signs them.
pub(super) struct Place {
    pub(super) url: Url,
    pub(super) keys: Vec<SigningKey>,
}

/// What the settings say, checked.
pub(super) struct Set {
    /// `None`: everybody has moved.
    pub(super) place: Option<Place>,
    pub(super) people: People,
}

impl Config {
    pub(super) fn read(&self, common: &Common) -> Result<Set, Vec<Problem>> {
        let own = self.accounts.problems_elsewhere().into_iter();
        let mut problems: Vec<Problem> = own.map(|problem| problem.under("accounts")).collect();
        let people = People::new(common).map_err(|found| problems.extend(found));
        if !common.upstream_params.is_empty() {
            let message = "such a connection sends nobody to a provider";
            problems.push(Problem::new("upstream_params", message));
        }
        let place = match self.import {
            Import::Finished => None,
            Import::No | Import::FromStore => self.place(&mut problems),
        };
        let makes = self.operations.contains(&Operation::Create) || self.import != Import::No;
        if common.signup == Some(true) && !makes && common.sync_profile != SyncProfile::Never {
            let message = "nobody can be made without the operation create";
            problems.push(Problem::new("signup", message).hint(
                "add it to operations, or take signup out: who is there comes in without it",
            ));
        }
        match people {
            Ok(people) if problems.is_empty() => Ok(Set { place, people }),
            _ => Err(problems),
        }
    }

    fn place(&self, problems: &mut Vec<Problem>) -> Option<Place> {
        let text = self.url.as_deref().unwrap_or_default();
        let url = Url::parse(text).ok().filter(|url| {
            ["http", "https"].contains(&url.scheme())
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        });
        if url.is_none() {
            let message = "there is no address that can be asked";
            let hint = "like \"https://app.example.com/vestibule\"";
            problems.push(Problem::new("url", message).hint(hint));
        }
        if let Some(url) = &url
            && url.scheme() == "http"
            && !self.danger_plain_http
            && !is_loopback(url)
        {
            let message = "passwords would go over the network unprotected";
            problems.push(Problem::new("url", message).hint("use https"));
        }
        let mut keys = Vec::new();
        let secrets = [
            ("signing_secret", &self.signing_secret),
            ("next_signing_secret", &self.next_signing_secret),
        ];
        for (name, secret) in secrets {
            match secret.as_ref().map(SigningKey::read) {
                Some(Some(key)) => keys.push(key),
                Some(None) => problems.push(
                    Problem::new(name, "it is no secret of Standard Webhooks")
                        .hint("echo whsec_$(openssl rand -base64 32)"),
                ),
                None if name == "signing_secret" => problems.push(
                    Problem::new(name, "it is missing")
                        .hint("echo whsec_$(openssl rand -base64 32)"),
                ),
                None => {}
            }
        }
        Some(Place { url: url?, keys })
    }
}
