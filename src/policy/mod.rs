//! Policies: who may pass a route, and on what proof. Only [`Policy::decide`] makes a [`Permit`].
//!
//! A person comes in as one of the connections that the route offers knows them, never as a union
//! of all they are. In this order: somebody blocked never passes; who holds no authentication of
//! an offered connection is challenged; a `deny` rule that holds, or that cannot be evaluated,
//! refuses; one `allow` rule must hold (without the list anybody signed in may pass); at last the
//! login must be as `require` says, or it is to be repeated. A public path turns everything but a
//! permit into a permit for nobody.
//!
//! What hangs on the person alone is worked out once for each version of a session, route and
//! configuration and kept with the session; only rules that name the request or the time are
//! evaluated for each request. [`Policy::judge`] runs the same code for somebody hypothetical.

mod build;
mod config;
mod email;
mod expression;
mod facts;
mod known;
mod permit;
mod references;
mod rule;
mod verdict;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub(crate) use self::{
    build::Keys, config::Require, email::EmailTrust, facts::Facts, known::*, permit::Permit,
    rule::Answer, verdict::*,
};
use self::{
    expression::{Person, Scope},
    known::Factors,
    permit::View,
    rule::Rule,
};
use crate::{
    clock::Timestamp,
    connection::Demand,
    identity::{Authentication, ConnectionId},
    protocol::PathPattern,
    session::{Principal, Session, ViewKey},
};

/// What a route demands of those who want to pass.
#[derive(Debug)]
pub(crate) struct Policy {
    key: ViewKey,
    offered: Arc<[ConnectionId]>,
    public: Vec<PathPattern>,
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
    amr: Arc<[String]>,
    acr: Arc<[String]>,
    max_age: Option<Duration>,
    /// Of everybody who comes here, whatever their connection asks.
    second_factor: Option<Demand>,
    factors: Arc<Factors>,
    trust: EmailTrust,
}

impl Policy {
    /// The connections that open this route and are switched on.
    pub(crate) fn offered(&self) -> &Arc<[ConnectionId]> {
        &self.offered
    }

    /// Whose e-mail addresses count.
    pub(crate) fn trust(&self) -> &EmailTrust {
        &self.trust
    }

    /// Decides about a request. The only way to a [`Permit`].
    pub(crate) fn decide(&self, facts: &Facts<'_>, session: Option<Arc<Session>>) -> Decision {
        let view = (session.as_ref()).map(|session| session.view(self.key, |s| self.view(s)));
        match self.weigh(facts, view.as_deref()).0 {
            Outcome::Challenge(missing) => Decision::Challenge(self.needs(missing)),
            Outcome::Deny(reason) => Decision::Deny(reason),
            Outcome::Nobody => Decision::Permit(Permit::nobody()),
            Outcome::Pass => Decision::Permit(match (session, view) {
                (Some(session), Some(view)) => Permit::somebody(session, view),
                _ => Permit::nobody(),
            }),
        }
    }

    /// Decides about somebody who may not exist, and says which rule decided. Makes no permit.
    pub(crate) fn judge(&self, facts: &Facts<'_>, who: Option<Principal<'_>>) -> Judgement {
        let view = who.map(|who| self.view_of(&who));
        let (outcome, rule) = self.weigh(facts, view.as_ref());
        let needs = match outcome {
            Outcome::Challenge(missing) => Some(self.needs(missing)),
            _ => None,
        };
        Judgement {
            outcome,
            needs,
            rule: rule.map(|at| self.name(at)),
        }
    }

    /// How every rule answers about somebody, in the order they are written, `deny` first.
    pub(crate) fn answers(&self, facts: &Facts<'_>, who: &Principal<'_>) -> Vec<(RuleRef, Answer)> {
        let person = Person::new(who, &self.trust);
        let scope = Scope {
            person: &person,
            facts: Some(facts),
        };
        let deny = self.deny.iter().map(|rule| (List::Deny, rule));
        let allow = self.allow.iter().flatten().map(|rule| (List::Allow, rule));
        ((0..).zip(deny))
            .chain((0..).zip(allow))
            .map(|(index, (list, rule))| {
                (
                    self.name(At { list, index }),
                    rule.ask(who, &self.trust, &scope),
                )
            })
            .collect()
    }

    /// What a person without a session is asked for.
    pub(crate) fn needs(&self, missing: Missing) -> Needs {
        Needs {
            missing,
            connections: self.offered.clone(),
            amr: self.amr.clone(),
            acr: self.acr.clone(),
            max_age: self.max_age,
            second_factor: self.demand(),
        }
    }

    /// The decision itself, and what decided. Everything that hangs on the person alone was put
    /// into the view before.
    fn weigh(&self, facts: &Facts<'_>, view: Option<&View>) -> (Outcome, Option<At>) {
        let weighed = match view {
            None => (Outcome::Challenge(Missing::Session), None),
            Some(view) => self.weigh_person(facts, view),
        };
        if weighed.0 == Outcome::Pass {
            return weighed;
        }
        let public = ((0..).zip(&self.public))
            .find(|(_, pattern)| pattern.matches(facts.method, facts.path));
        match public {
            Some((index, _)) => (
                Outcome::Nobody,
                Some(At {
                    list: List::Public,
                    index,
                }),
            ),
            None => weighed,
        }
    }

    fn weigh_person(&self, facts: &Facts<'_>, view: &View) -> (Outcome, Option<At>) {
        if view.blocked {
            return (Outcome::Deny(Reason::Blocked), None);
        }
        let Some(held) = &view.held else {
            return (Outcome::Challenge(Missing::Connection), None);
        };
        let scope = held.person.as_deref().map(|person| Scope {
            person,
            facts: Some(facts),
        });
        let denied = held
            .denied
            .or_else(|| per_request(&self.deny, scope.as_ref(), denies));
        if let Some((index, reason)) = denied {
            return (
                Outcome::Deny(reason),
                Some(At {
                    list: List::Deny,
                    index,
                }),
            );
        }
        let allowed = match &self.allow {
            None => None,
            Some(allow) => {
                let held = held
                    .allowed
                    .or_else(|| per_request(allow, scope.as_ref(), allows).map(|(at, ())| at));
                match held {
                    Some(index) => Some(At {
                        list: List::Allow,
                        index,
                    }),
                    None => return (Outcome::Deny(Reason::NoRuleMatched), None),
                }
            }
        };
        let too_old = self.too_old(facts.now, held.auth_time);
        match (held.lacks, too_old) {
            // Whoever signs in anew is asked for both.
            (Some(Missing::SecondFactor), Some(too_old)) => (Outcome::Challenge(too_old), None),
            (Some(missing), _) | (None, Some(missing)) => (Outcome::Challenge(missing), None),
            (None, None) => (Outcome::Pass, allowed),
        }
    }

    /// Whether the login is older than `max_age`. One that lies ahead by more than a clock may
    /// differ proves nothing about its age.
    fn too_old(&self, now: Timestamp, auth_time: Timestamp) -> Option<Missing> {
        const SKEW: Duration = Duration::from_mins(1);
        let most = self.max_age?;
        let fresh = now.since(auth_time) <= most && auth_time.since(now) <= SKEW;
        (!fresh).then_some(Missing::FreshLogin)
    }

    fn view(&self, session: &Session) -> View {
        match session.contents().principal(&self.offered) {
            Some(who) => self.view_of(&who),
            None => View::empty(session.user().blocked),
        }
    }

    /// Everything that hangs on the person alone.
    fn view_of(&self, who: &Principal<'_>) -> View {
        if !self.offered.contains(&who.authentication.connection) {
            return View::empty(who.user.blocked);
        }
        let person = Person::new(who, &self.trust);
        let scope = Scope {
            person: &person,
            facts: None,
        };
        let ask = |rule: &Rule| rule.ask(who, &self.trust, &scope);
        let allow = self.allow.as_deref().unwrap_or_default();
        let denied = settled(&self.deny, ask, denies);
        let allowed = settled(allow, ask, allows).map(|(at, ())| at);
        View::holding(
            who.user.blocked,
            permit::Held {
                connection: self.shared(&who.authentication.connection),
                auth_time: who.authentication.auth_time,
                denied,
                allowed,
                lacks: self.lacks(who.authentication),
                person: (self.deny.iter().chain(allow))
                    .any(Rule::is_per_request)
                    .then(|| Box::new(person)),
            },
        )
    }

    /// What is not enough about a proof, its age aside.
    fn lacks(&self, held: &Authentication) -> Option<Missing> {
        let asks = self.factors.get(&held.connection);
        let asked_here = asks.is_some();
        let missing = (self.amr.iter()).filter(|wanted| !held.amr.contains(wanted));
        let (ours, others): (Vec<_>, Vec<_>) =
            missing.partition(|method| asked_here && is_second_factor(method));
        let context =
            !self.acr.is_empty() && !(held.acr.as_ref()).is_some_and(|acr| self.acr.contains(acr));
        let of_connection = asks.and_then(|asks| asks.demand());
        let demand = self.second_factor.max(of_connection);
        let unmet = !ours.is_empty() || demand.is_some_and(|demand| !demand.is_met_by(held));
        match (others.is_empty(), context, unmet) {
            (false, ..) => Some(Missing::Methods),
            (_, true, _) => Some(Missing::Context),
            (_, _, true) if asked_here => Some(Missing::SecondFactor),
            (_, _, true) => Some(Missing::Methods),
            _ => None,
        }
    }

    /// The second factor that the route itself asks for, by whichever key.
    pub(crate) fn demand(&self) -> Option<Demand> {
        let by_method = self.amr.iter().any(|method| is_second_factor(method));
        self.second_factor
            .max(by_method.then_some(Demand::Required))
    }

    /// The same name, of which the policy holds the one copy that is needed.
    fn shared(&self, connection: &ConnectionId) -> ConnectionId {
        let known = self.offered.iter().find(|known| *known == connection);
        known.unwrap_or(connection).clone()
    }

    fn name(&self, at: At) -> RuleRef {
        let index = usize::try_from(at.index).unwrap_or(usize::MAX);
        let text = match at.list {
            List::Allow => (self.allow.as_deref().unwrap_or_default())
                .get(index)
                .map(|rule| rule.text().to_owned()),
            List::Deny => self.deny.get(index).map(|rule| rule.text().to_owned()),
            List::Public => self.public.get(index).map(ToString::to_string),
        };
        RuleRef {
            list: at.list,
            index,
            text: text.unwrap_or_default(),
        }
    }
}

/// Whether a method (RFC 8176) is one that a second factor of ours proves.
fn is_second_factor(method: &str) -> bool {
    matches!(method, "mfa" | "otp")
}

/// The place of a rule; it is kept with sessions, so it is small.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct At {
    list: List,
    index: u32,
}

/// The first rule that must be evaluated now and whose answer decides. Without a scope each comes
/// to nothing.
fn per_request<D>(
    rules: &[Rule],
    scope: Option<&Scope<'_>>,
    decides: fn(&Answer) -> Option<D>,
) -> Option<(u32, D)> {
    ((0..).zip(rules))
        .filter(|(_, rule)| rule.is_per_request())
        .find_map(|(at, rule)| {
            let answer = scope.map_or_else(
                || Answer::Failed("nobody is known".to_owned()),
                |scope| rule.ask_expression(scope),
            );
            decides(&answer).map(|decision| (at, decision))
        })
}

/// The first rule that hangs on the person alone and whose answer decides.
fn settled<D>(
    rules: &[Rule],
    ask: impl Fn(&Rule) -> Answer,
    decides: fn(&Answer) -> Option<D>,
) -> Option<(u32, D)> {
    ((0..).zip(rules))
        .filter(|(_, rule)| !rule.is_per_request())
        .find_map(|(at, rule)| decides(&ask(rule)).map(|decision| (at, decision)))
}

/// Whether, and why, the answer of a `deny` rule refuses.
fn denies(answer: &Answer) -> Option<Reason> {
    match answer {
        Answer::Failed(_) => Some(Reason::RuleFailed),
        Answer::No => None,
        Answer::Yes => Some(Reason::DenyRule),
    }
}

/// Whether the answer of an `allow` rule lets pass.
fn allows(answer: &Answer) -> Option<()> {
    (*answer == Answer::Yes).then_some(())
}
