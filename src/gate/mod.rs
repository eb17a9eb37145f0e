//! The gate: what becomes of one request.
//!
//! It takes the canonical facts of a request and the session that was found, and returns a
//! [`Verdict`]. It awaits nothing, knows no server and no client, and serves the proxy, the
//! forward-auth endpoint and `vestibule explain` alike ([`Gate::judge`] runs the same steps for
//! somebody hypothetical). In this order: CONNECT and TRACE are refused; the route is found, an
//! unknown host is misdirected (RFC 9110 section 15.5.20); the route's policy decides; a WebSocket
//! that a page of another origin opened, or headers that do not fit, turn a permit into a refusal,
//! or, on a public path, into a permit for nobody. Everything that is not [`Permitted`] goes
//! nowhere.

mod judged;
mod navigation;
mod outlook;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value};

pub(crate) use self::{
    judged::*,
    navigation::Answerable,
    outlook::{Outlook, Wanted},
};
use crate::{
    clock::Timestamp,
    headers::{
        Edits, HeadersError,
        assertion::{AssertionError, Assertions},
    },
    policy::{Decision, Facts, Needs, Outcome, Permit, Reason},
    protocol::{Host, Origin, OwnedHeaders},
    route::{Miss, Route, Router},
    session::{Principal, Session},
};

/// One request, as far as the gate looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestFacts<'a> {
    /// What rules may see.
    pub(crate) facts: Facts<'a>,
    /// The headers as they came. No decision about a path or a person hangs on them; they only
    /// say what kind of answer can be read, and who opens a WebSocket.
    pub(crate) headers: &'a HeaderMap,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is none that is ever served.
    BadRequest(BadRequest),
    /// Another login could open the way.
    Challenge {
        needs: Needs,
        how: Answerable,
    },
    Deny {
        reason: Reason,
    },
    Forward(Permitted),
    /// No route names the host.
    Misdirected,
    /// No route of the host has the path.
    NotFound,
}

impl Verdict {
    /// A stable name, for metrics and logs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::Challenge { .. } => "challenge",
            Self::Deny { .. } => "deny",
            Self::Forward(_) => "forward",
            Self::Misdirected => "misdirected",
            Self::NotFound => "not-found",
        }
    }
}

/// Why a request is never served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BadRequest {
    /// CONNECT or TRACE.
    Method,
}

impl BadRequest {
    /// A stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Method => "method-refused",
        }
    }
}

/// The proof that a request may go to a route's application, with these headers. Only
/// [`Gate::decide`] makes it.
#[derive(Clone, Debug)]
pub(crate) struct Permitted {
    route: Arc<Route>,
    permit: Permit,
    /// Where the route wants assertions: whom they are for.
    audience: Option<Origin>,
}

impl Permitted {
    /// Where it goes.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// As whom.
    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The identity headers to set after all owned ones were stripped. The gate has seen that there
    /// are some; without them the request must not go on.
    pub(crate) fn edits(&self) -> Result<Edits, HeadersError> {
        self.route.headers.edits(&self.permit)
    }

    /// The signed assertion, if the route wants one and the request acts as somebody. Without it,
    /// when this fails, the request must not go on.
    pub(crate) fn assertion(
        &self,
        assertions: &Assertions,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, AssertionError> {
        let Some(audience) = &self.audience else {
            return Ok(None);
        };
        assertions.sign(&self.permit, self.route.policy.trust(), audience, now)
    }
}

/// The routes of one configuration, and the decision about every request to them.
#[derive(Debug)]
pub(crate) struct Gate {
    router: Router,
    public_url: Origin,
}

impl Gate {
    /// A gate before these routes.
    pub(crate) fn new(router: Router, public_url: Origin) -> Self {
        Self { router, public_url }
    }

    /// The routes.
    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// The headers to strip from every request and every answer.
    pub(crate) fn owned(&self) -> &OwnedHeaders {
        self.router.owned()
    }

    /// Decides about a request. The only way to a [`Permitted`].
    pub(crate) fn decide(
        &self,
        request: &RequestFacts<'_>,
        session: Option<Arc<Session>>,
    ) -> Verdict {
        let route = match self.route(request) {
            Ok(route) => route,
            Err(unrouted) => return unrouted.into(),
        };
        let permit = match route.policy.decide(&request.facts, session) {
            Decision::Challenge(needs) => {
                return Verdict::Challenge {
                    needs,
                    how: Answerable::of(request),
                };
            }
            Decision::Deny(reason) => {
                return Verdict::Deny { reason };
            }
            Decision::Permit(permit) => permit,
        };
        let somebody = permit.session().is_some();
        let refused = self.stop(request, route, somebody, || route.headers.check(&permit));
        match refused {
            Ok(()) => self.forward(request, route, permit),
            Err(reason) => self.refuse(request, route, reason),
        }
    }

    /// What [`decide`](Self::decide) would do with somebody who may not exist.
    pub(crate) fn judge(&self, request: &RequestFacts<'_>, who: Option<Principal<'_>>) -> Judged {
        let route = match self.route(request) {
            Ok(route) => route,
            Err(unrouted) => return Judged::without_route(unrouted.into()),
        };
        let mut judged = Judged {
            route: Some(route.clone()),
            verdict: JudgedVerdict::Forward { as_nobody: true },
            rule: None,
            answers: who.map_or_else(Vec::new, |who| route.policy.answers(&request.facts, &who)),
            headers: Vec::new(),
        };
        let judgement = route.policy.judge(&request.facts, who);
        judged.rule = judgement.rule;
        let render = || match (judgement.outcome, &who) {
            (Outcome::Pass, Some(who)) => route.headers.render(who),
            _ => Ok(Edits::default()),
        };
        let somebody = judgement.outcome == Outcome::Pass;
        judged.verdict = match (judgement.outcome, judgement.needs) {
            (Outcome::Deny(reason), _) => JudgedVerdict::Deny(reason),
            (Outcome::Challenge(_), Some(needs)) => JudgedVerdict::Challenge {
                needs,
                how: Answerable::of(request),
            },
            _ => match self.stop(request, route, somebody, render) {
                Ok(edits) => {
                    judged.headers = edits
                        .iter()
                        .map(|(name, value)| (name.clone(), value))
                        .collect();
                    JudgedVerdict::Forward {
                        as_nobody: !somebody,
                    }
                }
                Err(reason) => {
                    let nobody = route.policy.judge(&request.facts, None);
                    judged.rule = nobody.rule.or(judged.rule);
                    match nobody.outcome {
                        Outcome::Nobody => JudgedVerdict::Forward { as_nobody: true },
                        _ => JudgedVerdict::Deny(reason),
                    }
                }
            },
        };
        judged
    }

    /// What the assertion of a request would say, after [`judge`](Self::judge) forwarded it as
    /// `who`; `None` where none is sent. It names no session: there is none.
    pub(crate) fn claims(
        &self,
        judged: &Judged,
        request: &RequestFacts<'_>,
        who: Option<Principal<'_>>,
        assertions: &Assertions,
    ) -> Option<Map<String, Value>> {
        let route = judged.route.as_ref().filter(|route| route.assertion)?;
        if judged.verdict != (JudgedVerdict::Forward { as_nobody: false }) {
            return None;
        }
        let audience = self.origin(request.facts.host);
        Some(assertions.claims(&who?, route.policy.trust(), &audience, request.facts.now))
    }

    /// The route of a request that can be served at all.
    fn route(&self, request: &RequestFacts<'_>) -> Result<&Arc<Route>, Unrouted> {
        let facts = &request.facts;
        if matches!(*facts.method, Method::CONNECT | Method::TRACE) {
            return Err(Unrouted::BadRequest(BadRequest::Method));
        }
        self.router
            .find(facts.host, facts.path)
            .map_err(|miss| match miss {
                Miss::Host => Unrouted::Misdirected,
                Miss::Path => Unrouted::NotFound,
            })
    }

    /// What can still stop a request that the policy lets pass; else what `headers` says of those it
    /// goes with.
    fn stop<T>(
        &self,
        request: &RequestFacts<'_>,
        route: &Route,
        somebody: bool,
        headers: impl FnOnce() -> Result<T, HeadersError>,
    ) -> Result<T, Reason> {
        if somebody && !self.may_open_websocket(request, route) {
            return Err(Reason::WebSocketOrigin);
        }
        headers().map_err(|_| Reason::HeadersTooLarge)
    }

    /// Refuses what was permitted to somebody; a public path goes on as nobody.
    fn refuse(&self, request: &RequestFacts<'_>, route: &Arc<Route>, reason: Reason) -> Verdict {
        match route.policy.decide(&request.facts, None) {
            Decision::Permit(nobody) => self.forward(request, route, nobody),
            Decision::Challenge(_) | Decision::Deny(_) => Verdict::Deny { reason },
        }
    }

    fn forward(&self, request: &RequestFacts<'_>, route: &Arc<Route>, permit: Permit) -> Verdict {
        Verdict::Forward(Permitted {
            route: route.clone(),
            permit,
            audience: (route.assertion).then(|| self.origin(request.facts.host)),
        })
    }

    /// A browser sends its cookies along with a WebSocket that any page opens (RFC 6455 section
    /// 10.2), so the page's origin must be the route's own or one the operator named. A handshake
    /// without an origin comes from no browser, or from a page that hides.
    fn may_open_websocket(&self, request: &RequestFacts<'_>, route: &Route) -> bool {
        if !opens_websocket(request.headers) {
            return true;
        }
        let mut origins = request.headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return false;
        };
        let Some(origin) = (origin.to_str().ok()).and_then(|text| Origin::parse(text).ok()) else {
            return false;
        };
        origin == self.origin(request.facts.host) || route.websocket_origins.contains(&origin)
    }

    /// The origin under which a host is visited.
    fn origin(&self, host: &Host) -> Origin {
        self.public_url.at(host.clone())
    }
}

/// Whether a request asks for a WebSocket, or for anything an application could take for one.
fn opens_websocket(headers: &HeaderMap) -> bool {
    const PROTOCOL: &[u8] = b"websocket";
    headers.get_all(header::UPGRADE).iter().any(|value| {
        (value.as_bytes().windows(PROTOCOL.len())).any(|part| part.eq_ignore_ascii_case(PROTOCOL))
    })
}

/// Why a request has no route.
#[derive(Clone, Copy, Debug)]
enum Unrouted {
    BadRequest(BadRequest),
    Misdirected,
    NotFound,
}

impl From<Unrouted> for Verdict {
    fn from(unrouted: Unrouted) -> Self {
        match unrouted {
            Unrouted::BadRequest(why) => Self::BadRequest(why),
            Unrouted::Misdirected => Self::Misdirected,
            Unrouted::NotFound => Self::NotFound,
        }
    }
}
