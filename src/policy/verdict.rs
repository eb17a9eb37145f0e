//! The words of a decision.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::Permit;
use crate::{connection::Demand, identity::ConnectionId};

/// What [`Policy::decide`](super::Policy::decide) says.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Another login could open the way.
    Challenge(Needs),
    Deny(Reason),
    Permit(Permit),
}

/// What [`Policy::judge`](super::Policy::judge) says.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) outcome: Outcome,
    /// With [`Outcome::Challenge`]: all that the login must be like.
    pub(crate) needs: Option<Needs>,
    /// The rule that decided; `None` when none did (nobody signed in, blocked, no rule matched).
    pub(crate) rule: Option<RuleRef>,
}

/// A decision without its proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Challenge(Missing),
    Deny(Reason),
    /// A public path, as nobody.
    Nobody,
    /// As the person asked about.
    Pass,
}

/// What a login must be like to open a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Needs {
    /// What was not enough about the present one.
    pub(crate) missing: Missing,
    /// By one of these connections.
    pub(crate) connections: Arc<[ConnectionId]>,
    /// By all of these methods (RFC 8176).
    pub(crate) amr: Arc<[String]>,
    /// In one of these contexts; any, if there are none.
    pub(crate) acr: Arc<[String]>,
    /// No longer ago than this.
    pub(crate) max_age: Option<Duration>,
    /// With a second factor.
    pub(crate) second_factor: Option<Demand>,
}

/// What is not enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Missing {
    /// The session holds no login of a connection that opens the route.
    Connection,
    /// The authentication context.
    Context,
    /// The login is too old.
    FreshLogin,
    /// A method of authentication.
    Methods,
    /// A second factor, which is asked here: the first proof is good.
    SecondFactor,
    /// There is no session.
    Session,
}

/// Why a request is refused. The codes are stable: people build alerts on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The user is blocked.
    Blocked,
    /// A `deny` rule holds.
    DenyRule,
    /// The identity headers would be larger than applications take.
    HeadersTooLarge,
    /// No `allow` rule holds.
    NoRuleMatched,
    /// A `deny` rule could not be evaluated.
    RuleFailed,
    /// A WebSocket opened by a page of another origin.
    WebSocketOrigin,
}

impl Reason {
    /// The stable code, for logs and audit.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::DenyRule => "deny-rule",
            Self::HeadersTooLarge => "headers-too-large",
            Self::NoRuleMatched => "no-rule-matched",
            Self::RuleFailed => "rule-failed",
            Self::WebSocketOrigin => "websocket-origin",
        }
    }

    /// What the person may know.
    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Blocked => Class::Account,
            Self::DenyRule | Self::NoRuleMatched | Self::RuleFailed => Class::NotAllowed,
            Self::HeadersTooLarge => Class::TooMuch,
            Self::WebSocketOrigin => Class::Origin,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The coarse reason, for the page the person sees: enough to ask the right question, nothing
/// about the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// The account cannot be used.
    Account,
    /// The account may not use this application.
    NotAllowed,
    /// The request came from a page of another site.
    Origin,
    /// The account carries too much, like hundreds of groups.
    TooMuch,
}

/// Which list a rule stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum List {
    Allow,
    Deny,
    Public,
}

/// A rule, named for `explain`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct RuleRef {
    pub(crate) list: List,
    pub(crate) index: usize,
    /// As the operator wrote it.
    pub(crate) text: String,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self.list {
            List::Allow => "allow",
            List::Deny => "deny",
            List::Public => "public",
        };
        write!(f, "{list}[{}] = {:?}", self.index, self.text)
    }
}
