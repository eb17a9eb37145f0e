//! What `vestibule explain` is told.

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{Answerable, BadRequest, Unrouted};
use crate::{
    policy::{Answer, Missing, Needs, Reason, RuleRef},
    route::Route,
};

/// A verdict about somebody hypothetical, and how it came about. It permits nothing.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) verdict: JudgedVerdict,
    /// The rule that decided, if one did.
    pub(crate) rule: Option<RuleRef>,
    /// How every rule of the route answers about the person.
    pub(crate) answers: Vec<(RuleRef, Answer)>,
    /// The identity headers that would be sent, the assertion aside.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// [`Verdict`](super::Verdict) without its proofs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum JudgedVerdict {
    BadRequest(BadRequest),
    Challenge { needs: Needs, how: Answerable },
    Deny(Reason),
    Forward { as_nobody: bool },
    Misdirected,
    NotFound,
}

impl Judged {
    pub(in crate::gate) fn without_route(verdict: JudgedVerdict) -> Self {
        Self {
            route: None,
            verdict,
            rule: None,
            answers: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl JudgedVerdict {
    /// What another login would have to bring.
    pub(crate) fn missing(&self) -> Option<Missing> {
        match self {
            Self::Challenge { needs, .. } => Some(needs.missing),
            _ => None,
        }
    }
}

impl fmt::Display for JudgedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(why) => write!(f, "bad request ({})", why.code()),
            Self::Challenge { how, .. } => write!(f, "challenge ({how})"),
            Self::Deny(reason) => write!(f, "deny ({reason})"),
            Self::Forward { as_nobody: false } => f.write_str("forward"),
            Self::Forward { as_nobody: true } => f.write_str("forward as nobody"),
            Self::Misdirected => f.write_str("misdirected (no route names the host)"),
            Self::NotFound => f.write_str("not found (no route of the host has the path)"),
        }
    }
}

impl From<Unrouted> for JudgedVerdict {
    fn from(unrouted: Unrouted) -> Self {
        match unrouted {
            Unrouted::BadRequest(why) => Self::BadRequest(why),
            Unrouted::Misdirected => Self::Misdirected,
            Unrouted::NotFound => Self::NotFound,
        }
    }
}
