//! Routes: which upstream a host and path lead to, and on what terms.
//!
//! The operator's [`Config`] becomes a [`Route`]: its upstreams, its policy, its identity headers.
//! All mistakes of a route are found together and named by key. The [`Router`] finds the route of
//! a request by the longest matching host and then the longest matching path, in a time that does
//! not depend on how many routes there are. A host that no route names is not served.

mod config;
mod router;
mod upstream;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

pub(crate) use self::{
    config::*,
    router::{Miss, Router},
    upstream::*,
};
use crate::{
    headers::IdentityHeaders,
    policy::{Keys, Known, Policy},
    problem::Problem,
    protocol::{HostPattern, Origin, PathPrefix},
};

/// A host and path prefix that lead to an application.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its place in the file, from 0.
    pub(crate) index: usize,
    /// `None`: the host of `public_url` and every host that another route names.
    pub(crate) host: Option<HostPattern>,
    pub(crate) path: PathPrefix,
    pub(crate) upstreams: UpstreamList,
    pub(crate) upstream_host: UpstreamHost,
    pub(crate) authorization: Authorization,
    pub(crate) policy: Policy,
    pub(crate) headers: IdentityHeaders,
    /// Whether the signed assertion is sent too.
    pub(crate) assertion: bool,
    /// Tokens of the provider that are sent too.
    pub(crate) tokens: Vec<ForwardedToken>,
    /// Origins besides the route's own that may open a WebSocket.
    pub(crate) websocket_origins: Vec<Origin>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
}

/// The host and path, for logs: `wiki.example.com/docs`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}{}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

impl Config {
    /// Builds the route of that number, or says everything that is wrong with it.
    pub(crate) fn build(&self, index: usize, known: &Known) -> Result<Route, Vec<Problem>> {
        let mut problems = Vec::new();
        let host = self.build_host(&mut problems);
        let path = PathPrefix::parse(&self.path);
        let path = noted(
            path.map_err(|e| vec![Problem::new("path", e.to_string())]),
            &mut problems,
        );
        let upstreams = UpstreamList::build(&self.upstream, self.upstream_tls.as_ref());
        let upstreams = noted(upstreams, &mut problems);
        let keys = Keys {
            connections: self.connections.as_deref(),
            public: &self.public,
            allow: self.allow.as_deref(),
            deny: &self.deny,
            require: self.require.as_ref(),
            second_factor: self.second_factor,
        };
        let policy = noted(Policy::build(keys, index, known), &mut problems);
        let trust = known.trust().clone();
        let headers = IdentityHeaders::build(&self.headers, self.header_encoding, trust);
        let headers = noted(headers, &mut problems);
        let websocket_origins = self.build_origins(&mut problems);
        match (path, upstreams, policy, headers) {
            (Some(path), Some(upstreams), Some(policy), Some(headers)) if problems.is_empty() => {
                Ok(Route {
                    index,
                    host,
                    path,
                    upstreams,
                    upstream_host: self.upstream_host,
                    authorization: self.authorization,
                    policy,
                    headers,
                    assertion: self.assertion,
                    tokens: self.tokens.clone(),
                    websocket_origins,
                    limits: self.limits,
                    timeouts: self.timeouts,
                })
            }
            _ => Err(problems
                .into_iter()
                .map(|problem| problem.under(&format!("routes[{index}]")))
                .collect()),
        }
    }

    fn build_host(&self, problems: &mut Vec<Problem>) -> Option<HostPattern> {
        let text = self.host.as_deref()?;
        match HostPattern::parse(text) {
            Ok(host) => return Some(host),
            Err(error) => problems.push(
                Problem::new("host", format!("{text:?}: {error}"))
                    .hint("a host has no scheme and no port, like \"wiki.example.com\""),
            ),
        }
        None
    }

    fn build_origins(&self, problems: &mut Vec<Problem>) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (at, text) in self.websocket_origins.iter().enumerate() {
            match Origin::parse(text) {
                Ok(origin) => origins.push(origin),
                Err(error) => problems.push(Problem::new(
                    format!("websocket_origins[{at}]"),
                    format!("{text:?}: {error}"),
                )),
            }
        }
        origins
    }
}

fn noted<T>(built: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    built.map_err(|found| problems.extend(found)).ok()
}
