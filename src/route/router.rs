//! Which route a request belongs to.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use percent_encoding::percent_decode_str;

use super::Route;
use crate::{
    headers::preset_names,
    problem::Problem,
    protocol::{CanonicalPath, Host, HostPattern, Origin, OwnedHeaders, PathPrefix},
};

/// All routes, in the shape in which they are found.
///
/// An exact host is one look-up; wildcards are looked up by the parent domains of the host, the
/// longest first. Each host has its path prefixes in a table; the path of a request is looked up
/// from its end, segment by segment, but never beyond the longest prefix there is. If the more
/// specific host has no route for a path, the next one is asked.
///
/// A route without a host is entered at `public_url`'s host and at every host another route names,
/// unless a wildcard that a route names takes that host in: there the wildcard's routes are nearer.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<Arc<Route>>,
    exact: HashMap<Host, Paths, Hashing>,
    /// By the domain behind `*.`.
    below: HashMap<Host, Paths, Hashing>,
    owned: OwnedHeaders,
}

/// Fast rather than proof against collisions: an operator writes the keys.
type Hashing = foldhash::fast::RandomState;

/// The routes of one host, by their decoded path prefix.
#[derive(Debug, Default)]
struct Paths {
    /// Of every path. It has no prefix to be compared: a table that holds an empty one is slow to
    /// find it, for no octet of it is anywhere in memory.
    root: Option<Arc<Route>>,
    routes: HashMap<Vec<u8>, Arc<Route>, Hashing>,
    longest: usize,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Miss {
    /// The host is served, but not this path.
    Path,
    /// No route names the host.
    Host,
}

impl Router {
    /// Enters the routes, in the order of the file, or says which can never be reached.
    pub(crate) fn build(routes: Vec<Route>, public_url: &Origin) -> Result<Self, Vec<Problem>> {
        let routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        let mut built = Self {
            owned: owned(&routes),
            exact: HashMap::from_iter([(public_url.host.clone(), Paths::default())]),
            below: HashMap::default(),
            routes: Vec::new(),
        };
        let mut problems = Vec::new();
        let (everywhere, named): (Vec<_>, Vec<_>) =
            routes.iter().partition(|route| route.host.is_none());
        for route in named {
            if let Some(host) = &route.host
                && let Some(twin) = built.paths(host).enter(route)
            {
                problems.push(shadowed(route, &twin));
            }
        }
        let patterns: Vec<_> = built.hosts().collect();
        let wildcards: Vec<_> = (patterns.iter())
            .filter(|pattern| matches!(pattern, HostPattern::Below(_)))
            .collect();
        let mut hosts: Vec<_> = (patterns.iter())
            .filter(|host| !wildcards.iter().any(|wildcard| takes_in(wildcard, host)))
            .cloned()
            .collect();
        let login = HostPattern::Exact(public_url.host.clone());
        if !hosts.contains(&login) {
            hosts.push(login);
        }
        for route in everywhere {
            let twins: Vec<_> = (hosts.iter())
                .filter_map(|host| built.paths(host).enter(route))
                .collect();
            let same = twins.iter().find(|twin| twin.host.is_none());
            let all = (twins.len() == hosts.len())
                .then(|| twins.first())
                .flatten();
            problems.extend(same.or(all).map(|twin| shadowed(route, twin)));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        built.routes = routes;
        Ok(built)
    }

    /// The route of a request: by the longest matching host, then by the longest matching path.
    pub(crate) fn find(&self, host: &Host, path: &CanonicalPath<'_>) -> Result<&Arc<Route>, Miss> {
        let path = decoded(path.as_str(), path.is_encoded());
        let mut miss = Miss::Host;
        for paths in self.at(host) {
            miss = Miss::Path;
            if let Some(route) = paths.find(&path) {
                return Ok(route);
            }
        }
        Err(miss)
    }

    /// Whether the host is one of ours: `public_url`'s, or one that a route names.
    pub(crate) fn knows(&self, host: &Host) -> bool {
        self.at(host).next().is_some()
    }

    /// The hosts that are served: `public_url`'s and those that routes name.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = HostPattern> {
        let exact = self.exact.keys().cloned().map(HostPattern::Exact);
        exact.chain(self.below.keys().cloned().map(HostPattern::Below))
    }

    /// The routes, in the order of the file.
    pub(crate) fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The headers that are stripped from every request and every answer: the families that are
    /// always ours, and the names of all presets and all routes.
    pub(crate) fn owned(&self) -> &OwnedHeaders {
        &self.owned
    }

    /// The tables that a host's routes stand in, the most specific first.
    fn at<'r, 'h>(&'r self, host: &'h Host) -> impl Iterator<Item = &'r Paths> {
        let parent = |name: &&'h str| name.split_once('.').map(|(_, parent)| parent);
        let names = std::iter::successors(Some(host.as_str()), parent);
        let below = names.skip(1).filter_map(|domain| self.below.get(domain));
        self.exact.get(host).into_iter().chain(below)
    }

    fn paths(&mut self, host: &HostPattern) -> &mut Paths {
        match host {
            HostPattern::Below(domain) => self.below.entry(domain.clone()).or_default(),
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
        }
    }
}

impl Paths {
    /// Enters a route, or gives back the one that has its path already.
    fn enter(&mut self, route: &Arc<Route>) -> Option<Arc<Route>> {
        let prefix = prefix(&route.path);
        let twin = if prefix.is_empty() {
            self.root.as_ref()
        } else {
            self.routes.get(&prefix)
        };
        if let Some(twin) = twin {
            return Some(twin.clone());
        }
        if prefix.is_empty() {
            self.root = Some(route.clone());
        } else {
            self.longest = self.longest.max(prefix.len());
            self.routes.insert(prefix, route.clone());
        }
        None
    }

    fn find(&self, path: &[u8]) -> Option<&Arc<Route>> {
        for end in (1..=path.len().min(self.longest)).rev() {
            // a prefix ends where the path does, or before a slash
            if matches!(path.get(end), None | Some(b'/'))
                && let Some(route) = path.get(..end).and_then(|front| self.routes.get(front))
            {
                return Some(route);
            }
        }
        self.root.as_ref()
    }
}

/// The octets a path stands for. An application that decodes serves `/@a` and `/%40a` alike.
fn decoded(path: &str, encoded: bool) -> Cow<'_, [u8]> {
    if encoded {
        percent_decode_str(path).into()
    } else {
        Cow::Borrowed(path.as_bytes())
    }
}

fn prefix(path: &PathPrefix) -> Vec<u8> {
    decoded(path.as_str().trim_end_matches('/'), true).into_owned()
}

/// Whether every host that `host` means is also one of the wildcard's.
fn takes_in(wildcard: &HostPattern, host: &HostPattern) -> bool {
    match host {
        HostPattern::Below(domain) | HostPattern::Exact(domain) => wildcard.matches(domain),
    }
}

fn shadowed(route: &Route, twin: &Route) -> Problem {
    Problem::new(
        format!("routes[{}].path", route.index),
        format!(
            "routes[{}] has the same host and path, so this route is never reached",
            twin.index
        ),
    )
    .hint("give one of them another host or path, or join them")
}

fn owned(routes: &[Arc<Route>]) -> OwnedHeaders {
    let mut owned = OwnedHeaders::base();
    let mut names: HashSet<&str> = preset_names().collect();
    for route in routes {
        names.extend(route.headers.names().map(http::HeaderName::as_str));
    }
    for name in names {
        if !owned.contains(name) {
            owned.add_name(name);
        }
    }
    owned
}
