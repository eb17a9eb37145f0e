//! What a person may expect at a page, before they are sent there.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};

use super::{Gate, RequestFacts, Verdict};
use crate::{
    clock::Timestamp,
    policy::{Facts, Missing, Needs},
    protocol::{CanonicalPath, Host},
    route::Route,
    session::Session,
};

/// A page that somebody wants to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a Host,
    pub(crate) path: &'a CanonicalPath<'a>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: Timestamp,
}

/// What the gate would say to a visit. It permits nothing: the visit itself is decided anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outlook {
    /// Another login could open it.
    Challenge(Missing),
    /// No login of this person opens it, or there is no such page.
    Closed,
    Open,
}

impl Gate {
    /// What a GET of this page would meet.
    pub(crate) fn outlook(&self, wanted: Wanted<'_>, session: Option<Arc<Session>>) -> Outlook {
        let headers = HeaderMap::new();
        let facts = Facts {
            scheme: self.public_url.scheme,
            host: wanted.host,
            path: wanted.path,
            method: &Method::GET,
            address: wanted.address,
            now: wanted.now,
        };
        match self.decide(
            &RequestFacts {
                facts,
                headers: &headers,
            },
            session,
        ) {
            Verdict::Forward(_) => Outlook::Open,
            Verdict::Challenge { needs, .. } => Outlook::Challenge(needs.missing),
            Verdict::BadRequest(_)
            | Verdict::Deny { .. }
            | Verdict::Misdirected
            | Verdict::NotFound => Outlook::Closed,
        }
    }

    /// The route that leads to this page.
    pub(crate) fn route_to(&self, host: &Host, path: &CanonicalPath<'_>) -> Option<&Arc<Route>> {
        self.router.find(host, path).ok()
    }

    /// What this page demands of a login; `None` when no route leads there.
    pub(crate) fn needs(&self, host: &Host, path: &CanonicalPath<'_>) -> Option<Needs> {
        let route = self.route_to(host, path)?;
        Some(route.policy.needs(Missing::Session))
    }

    /// Whether a route names this host.
    pub(crate) fn knows(&self, host: &Host) -> bool {
        self.router.knows(host)
    }
}
