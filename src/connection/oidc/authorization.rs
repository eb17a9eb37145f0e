//! The authorization request (OpenID Connect Core 1.0 section 3.1.2.1): as a query, pushed
//! (RFC 9126), signed (RFC 9101), or both.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Metadata, Oidc, Refused,
    client::{Call, Dpop},
};
use crate::connection::{
    Start,
    oauth::{ResponseMode, Seed},
};

/// The steps, for the operator.
pub(super) const STEP: &str = "authorization-request";
pub(super) const PUSHED: &str = "pushed-request";
/// How long a signed request is good for, in seconds.
const REQUEST_LIVES: i64 = 300;

/// What a flow remembers between the request and the answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Asked {
    /// Everything that must be unguessable is made of this.
    #[serde(rename = "s")]
    pub(crate) seed: Seed,
    /// The oldest login that is good enough, in seconds.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
    /// The contexts that are asked for; the answer is held against the next.
    #[serde(skip)]
    pub(crate) acr_values: Vec<String>,
    /// One of these contexts must come back.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) acr: Vec<String>,
}

impl Asked {
    /// The nonce that the ID token must hold.
    pub(crate) fn nonce(&self) -> String {
        self.seed.made_for("nonce")
    }
}

/// What the provider gives for pushed parameters (RFC 9126 section 2.2).
#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

/// Names and values.
pub(crate) type Parameters = Vec<(String, String)>;

/// What an operator may not set with `upstream_params`: the checks hang on these.
pub(crate) const OURS: [&str; 19] = [
    "acr_values",
    "claims",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "id_token_hint",
    "max_age",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl Oidc {
    /// Where the browser is sent.
    pub(super) async fn authorization_url(
        &self,
        metadata: &Metadata,
        start: &Start<'_>,
        asked: &Asked,
    ) -> Result<Url, Refused> {
        let mut parameters = self.parameters(metadata, start, asked);
        if self.set.signed_request {
            let request = self.signed_request(metadata, &parameters, start)?;
            // OpenID Connect Core 1.0 section 6.1: these two are also outside.
            parameters.retain(|(name, _)| {
                ["client_id", "response_type", "scope"].contains(&name.as_str())
            });
            parameters.push(("request".to_owned(), request));
        }
        if self.pushes(metadata) {
            let _turn = self.beginnings.turn().await?;
            let request_uri = self.push(metadata, &parameters, start).await?;
            parameters = vec![
                ("client_id".to_owned(), self.set.client_id.clone()),
                ("request_uri".to_owned(), request_uri),
            ];
        }
        let mut to = metadata.authorization_endpoint.clone();
        to.query_pairs_mut().extend_pairs(parameters);
        Ok(to)
    }

    /// Whether the parameters are pushed.
    pub(super) fn pushes(&self, metadata: &Metadata) -> bool {
        let pushed = self.set.pushed;
        pushed.unwrap_or(metadata.require_pushed_authorization_requests)
    }

    fn parameters(&self, metadata: &Metadata, start: &Start<'_>, asked: &Asked) -> Parameters {
        let set = &self.set;
        let mut all: Parameters = Vec::with_capacity(16);
        let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
        add("response_type", "code".to_owned());
        add("client_id", set.client_id.clone());
        add("redirect_uri", self.parts.callback(&self.id).to_string());
        add("scope", set.scopes.join(" "));
        add("state", start.state.to_owned());
        add("nonce", asked.nonce());
        if !set.quirks.code_verifier_left_out {
            add("code_challenge", asked.seed.challenge());
            add("code_challenge_method", "S256".to_owned());
        }
        if set.response_mode == ResponseMode::FormPost {
            add("response_mode", "form_post".to_owned());
        }
        if let Some(max_age) = asked.max_age {
            add("max_age", max_age.to_string());
        }
        if !asked.acr_values.is_empty() {
            add("acr_values", asked.acr_values.join(" "));
        }
        if !set.ui_locales.is_empty() {
            add("ui_locales", set.ui_locales.join(" "));
        }
        let essential = || self.essential_acr(metadata, asked);
        if let Some(claims) = set.request_claims.clone().or_else(essential) {
            add("claims", claims);
        }
        if let Some(domain) = &set.quirks.hosted_domain {
            add("hd", domain.clone());
        }
        let prompt = set.prompt.clone();
        // `max_age` alone lets a provider count a login that was good enough a moment ago.
        let again = start.wants.again.then(|| "login".to_owned());
        if let Some(prompt) = again.or(prompt) {
            add("prompt", prompt);
        }
        if let Some(hint) = start.login_hint {
            add("login_hint", hint.to_owned());
        }
        for (name, param) in &set.upstream_params {
            if name == "prompt" && start.wants.again {
                continue;
            }
            if let Some(value) = param.value(start.passed) {
                all.retain(|(known, _)| known != name);
                all.push((name.clone(), value.to_owned()));
            }
        }
        all
    }

    /// The context that is asked for, so that the provider does not answer with a lesser one that
    /// somebody has reached already: `acr_values` alone is a wish (OpenID Connect Core 1.0 section
    /// 5.5.1.1).
    fn essential_acr(&self, metadata: &Metadata, asked: &Asked) -> Option<String> {
        let elsewhere = self.set.quirks.acr_claim.is_some();
        if asked.acr.is_empty() || elsewhere || !metadata.claims_parameter_supported {
            return None;
        }
        let acr = json!({ "essential": true, "values": asked.acr });
        Some(json!({ "id_token": { "acr": acr } }).to_string())
    }

    /// A request object (RFC 9101 section 4).
    fn signed_request(
        &self,
        metadata: &Metadata,
        parameters: &Parameters,
        start: &Start<'_>,
    ) -> Result<String, Refused> {
        let now = start.peer.now.seconds();
        let mut claims: Map<String, Value> = parameters
            .iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    // A JSON object and a number in there (OpenID Connect Core 1.0 section 6.1).
                    "claims" | "max_age" => serde_json::from_str(value).unwrap_or(Value::Null),
                    _ => Value::String(value.clone()),
                };
                (name.clone(), value)
            })
            .collect();
        let more = [
            ("iss", json!(self.set.client_id)),
            ("aud", json!(metadata.issuer)),
            ("iat", json!(now)),
            ("nbf", json!(now)),
            ("exp", json!(now + REQUEST_LIVES)),
            ("jti", json!(self.draw())),
        ];
        claims.extend(more.map(|(name, value)| (name.to_owned(), value)));
        self.sign((STEP, "oauth-authz-req+jwt"), &claims)
    }

    /// Pushes the parameters and returns the `request_uri` that stands for them.
    async fn push(
        &self,
        metadata: &Metadata,
        parameters: &Parameters,
        start: &Start<'_>,
    ) -> Result<String, Refused> {
        let Some(to) = self.pushed_endpoint(metadata) else {
            return Err(Refused::NotOffered("pushed authorization requests"));
        };
        let call = Call {
            to: &to,
            step: PUSHED,
            now: start.peer.now,
            // The code is bound to the key as well (RFC 9449 section 10.1).
            dpop: if self.set.dpop { Dpop::Key } else { Dpop::No },
        };
        let answer = self.post(metadata, call, parameters.clone()).await?;
        let pushed: Pushed = answer.read(PUSHED)?;
        Ok(pushed.request_uri)
    }
}
