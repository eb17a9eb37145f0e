//! From the keys of the configuration to a connection.

use std::sync::Arc;

use url::Url;

use super::{Beginnings, Config, Method, OAuth1, Set, SignatureMethod};
use crate::{
    connection::{
        Common, Connection, Mapping, PATH_HINT, Paths,
        oauth::Endpoint,
        registry::{OpenConnection, Parts},
    },
    crypto::RsaKey,
    egress::http::{Client, Written},
    identity::ConnectionId,
    problem::Problem,
};

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let read = self.read(common, &Client::new());
        read.err().unwrap_or_default()
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        Ok(Arc::new(OAuth1 {
            id,
            set: self.read(common, &parts.http)?,
            beginnings: Beginnings::default(),
            parts: parts.clone(),
        }))
    }
}

impl Config {
    /// Everything that is set, or all that is wrong with it.
    fn read(&self, common: &Common, client: &Client) -> Result<Set, Vec<Problem>> {
        let mut problems = self.misfits(common);
        let provider = &self.provider;
        let method = self.method(&mut problems);
        let request_token = self.url("request_token_endpoint", &mut problems);
        let authorization = self.url("authorization_endpoint", &mut problems);
        let access_token = self.url("access_token_endpoint", &mut problems);
        let profile = self.profile(&mut problems);
        let at = provider.at.as_ref();
        let at = at.map(|text| paths("provider.at", text, &mut problems));
        let subject = paths("provider.subject", &provider.subject, &mut problems);
        let carry = provider.carry.iter().map(|(name, text)| {
            let found = paths(&format!("provider.carry.{name}"), text, &mut problems);
            Some((name.clone(), found?))
        });
        let carry = carry.collect::<Option<Vec<_>>>();
        let mapping = Mapping::new(&provider.claims).and_then(|all| all.over(&common.claims));
        let mapping = mapping.map_err(|found| problems.extend(found));
        let (Some(method), Some(request_token), Some(mut authorization), Some(access_token)) =
            (method, request_token, authorization, access_token)
        else {
            return Err(problems);
        };
        let (Some(subject), Some(carry), Ok(mapping), true) =
            (subject, carry, mapping, problems.is_empty())
        else {
            return Err(problems);
        };
        let own = provider.params.iter();
        let own: Vec<_> = own
            .filter(|(name, _)| !common.upstream_params.contains_key(*name))
            .collect();
        if !own.is_empty() {
            authorization.query_pairs_mut().extend_pairs(own);
        }
        let hosts = [&request_token, &access_token].into_iter();
        let hosts = hosts.chain(profile.iter().map(Endpoint::sample));
        let http = client.written(Written {
            hosts: hosts
                .filter_map(|url| url.host_str().map(str::to_owned))
                .collect(),
            danger_plain_http: self.danger_plain_http,
        });
        Ok(Set {
            client_id: self.client_id.clone(),
            method,
            request_token,
            authorization,
            upstream_params: common.upstream_params.clone(),
            access_token,
            profile,
            at: at.flatten(),
            carry,
            subject,
            subject_written: provider.subject.clone(),
            mapping,
            http,
        })
    }

    fn misfits(&self, common: &Common) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.client_id.is_empty() {
            problems.push(
                Problem::new("client_id", "the key client_id is missing")
                    .hint("the provider calls it the consumer key"),
            );
        }
        let own = self
            .provider
            .params
            .keys()
            .map(|name| ("provider.params", name));
        let common = common.upstream_params.keys();
        for (key, name) in own.chain(common.map(|name| ("upstream_params", name))) {
            if name.starts_with("oauth_") {
                problems.push(
                    Problem::new(format!("{key}.{name}"), "this parameter is set by us")
                        .hint("the checks of the answer hang on it"),
                );
            }
        }
        problems
    }

    fn method(&self, problems: &mut Vec<Problem>) -> Option<Method> {
        let missing = |key: &str| Problem::new(key, format!("the key {key} is missing"));
        match (
            self.provider.signature_method,
            &self.client_secret,
            &self.private_key,
        ) {
            (SignatureMethod::HmacSha1, Some(secret), _) => Some(Method::HmacSha1(secret.clone())),
            (SignatureMethod::HmacSha1, None, _) => {
                problems.push(missing("client_secret").hint("the provider's consumer secret"));
                None
            }
            (SignatureMethod::RsaSha1, _, Some(key)) => RsaKey::parse(key)
                .map_err(|why| problems.push(Problem::new("private_key", why)))
                .map(Method::RsaSha1)
                .ok(),
            (SignatureMethod::RsaSha1, _, None) => {
                problems.push(missing("private_key").hint("an RSA key in PEM"));
                None
            }
        }
    }

    /// An endpoint that is always the same.
    fn url(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Url> {
        let text = match key {
            "access_token_endpoint" => &self.provider.access_token_endpoint,
            "authorization_endpoint" => &self.provider.authorization_endpoint,
            _ => &self.provider.request_token_endpoint,
        };
        let endpoint = self.endpoint(key, text, problems)?;
        if endpoint.names().next().is_some() {
            let why = "nothing fills what stands in braces";
            problems.push(Problem::new(format!("provider.{key}"), why).hint(text));
            return None;
        }
        Some(endpoint.sample().clone())
    }

    fn profile(&self, problems: &mut Vec<Problem>) -> Option<Endpoint> {
        let text = self.provider.profile_endpoint.as_ref()?;
        let endpoint = self.endpoint("profile_endpoint", text, problems)?;
        for name in endpoint.names() {
            if !self.provider.carry.contains_key(name) {
                let why = format!("nothing gives {{{name}}} before this call");
                problems
                    .push(Problem::new("provider.profile_endpoint", why).hint("carry can name it"));
            }
        }
        Some(endpoint)
    }

    fn endpoint(&self, key: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Endpoint> {
        let read = Endpoint::parse(text).and_then(|endpoint| {
            endpoint.check_secure(self.danger_plain_http)?;
            Ok(endpoint)
        });
        let refused = read.map_err(|why| {
            problems.push(Problem::new(format!("provider.{key}"), why).hint(text));
        });
        refused.ok()
    }
}

fn paths(key: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Paths> {
    let read = Paths::parse(text);
    let refused = read.map_err(|error| {
        problems.push(Problem::new(key, error.to_string()).hint(PATH_HINT));
    });
    refused.ok()
}
