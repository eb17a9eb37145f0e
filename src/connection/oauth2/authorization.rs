//! The authorization request (RFC 6749 section 4.1.1), and what its answer must be like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    OAuth2,
    refused::Refused,
    request::{Parameters, append, fill},
};
use crate::{
    connection::{
        Start, UpstreamParam,
        oauth::{Endpoint, Expected, NamedIssuer, ResponseMode, Seed, Template, Values},
    },
    random::Random,
};

/// The step, for the operator.
const STEP: &str = "authorization-request";

/// Parameters that nobody sets but us: the checks of the answer hang on these.
pub(super) const OURS: [&str; 7] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "response_type",
    "state",
];

/// What a flow remembers between the request and the answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Asked {
    #[serde(rename = "s")]
    pub(super) seed: Seed,
}

impl Asked {
    pub(super) fn new(random: &dyn Random) -> Self {
        Self {
            seed: Seed::new(random),
        }
    }
}

/// The request, read.
#[derive(Clone, Debug)]
pub(super) struct Authorize {
    pub(super) endpoint: Endpoint,
    pub(super) params: Vec<(String, Template)>,
    /// What the operator adds, over all others.
    pub(super) upstream_params: BTreeMap<String, UpstreamParam>,
    pub(super) names: BTreeMap<String, String>,
    /// The scopes, as the provider wants them.
    pub(super) scope: String,
    pub(super) carry: Vec<String>,
}

impl OAuth2 {
    /// Where the browser is sent.
    pub(super) fn authorization_url(
        &self,
        start: &Start<'_>,
        asked: &Asked,
    ) -> Result<Url, Refused> {
        let no_value = |name| Refused::NoValue { step: STEP, name };
        let authorize = &self.set.authorize;
        let mut standard: Parameters = Vec::new();
        let mut add = |name: &str, value: &str| standard.push((name.to_owned(), value.to_owned()));
        add("response_type", "code");
        add("client_id", &self.set.client_id);
        add("redirect_uri", self.parts.callback(&self.id).as_str());
        if !authorize.scope.is_empty() {
            add("scope", &authorize.scope);
        }
        add("state", start.state);
        if self.set.pkce {
            add("code_challenge", &asked.seed.challenge());
            add("code_challenge_method", "S256");
        }
        // RFC 6749 knows no such parameter; a provider that does has a name for it.
        if let Some(hint) = start.login_hint
            && authorize.names.contains_key("login_hint")
        {
            add("login_hint", hint);
        }
        let values = Values::from([("client_id".to_owned(), self.set.client_id.clone())]);
        let params = fill(
            rename(standard, &authorize.names),
            &authorize.params,
            &values,
        );
        let mut params = params.map_err(no_value)?;
        for (name, param) in &authorize.upstream_params {
            if let Some(value) = param.value(start.passed) {
                params.retain(|(known, _)| known != name);
                params.push((name.clone(), value.to_owned()));
            }
        }
        let mut to = authorize.endpoint.fill(&values).map_err(no_value)?;
        append(&mut to, &params);
        Ok(to)
    }

    /// What the answer must be like.
    pub(super) fn expected(&self) -> Expected<'_> {
        let named = |name: &'static str| {
            let found = self.set.authorize.names.get(name).map(String::as_str);
            found.filter(|name| !name.is_empty()).unwrap_or(name)
        };
        Expected {
            mode: ResponseMode::Query,
            issuer: self
                .set
                .issuer
                .as_deref()
                .map_or(NamedIssuer::Unknown, NamedIssuer::Always),
            code: named("code"),
            error: named("error"),
        }
    }
}

/// The parameters under the provider's names; those with an empty one are left out.
pub(super) fn rename(standard: Parameters, names: &BTreeMap<String, String>) -> Parameters {
    let renamed = standard.into_iter().map(|(name, value)| {
        let name = names.get(&name).cloned().unwrap_or(name);
        (name, value)
    });
    renamed.filter(|(name, _)| !name.is_empty()).collect()
}
