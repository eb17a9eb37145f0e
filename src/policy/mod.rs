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
    permit::View,
    rule::Rule,
};
use crate::{
    clock::Timestamp,
    identity::ConnectionId,
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
        deny.enumerate()
            .chain(allow.enumerate())
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
        let public =
            (self.public.iter()).position(|pattern| pattern.matches(facts.method, facts.path));
        match public {
            Some(index) => (
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
        let scope = Scope {
            person: &held.person,
            facts: Some(facts),
        };
        let denied = held
            .denied
            .clone()
            .or_else(|| per_request(&self.deny, &scope, |answer| answer != Answer::No));
        if let Some((index, answer)) = denied {
            let reason = match answer {
                Answer::Failed(_) => Reason::RuleFailed,
                Answer::No | Answer::Yes => Reason::DenyRule,
            };
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
                let held = held.allowed.or_else(|| {
                    per_request(allow, &scope, |answer| answer == Answer::Yes).map(|(at, _)| at)
                });
                match held {
                    Some(index) => Some(At {
                        list: List::Allow,
                        index,
                    }),
                    None => return (Outcome::Deny(Reason::NoRuleMatched), None),
                }
            }
        };
        match held
            .lacks
            .or_else(|| self.too_old(facts.now, held.auth_time))
        {
            Some(missing) => (Outcome::Challenge(missing), None),
            None => (Outcome::Pass, allowed),
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
        match session.principal(&self.offered) {
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
        let settled = |rules: &[Rule], decides: fn(&Answer) -> bool| {
            (rules.iter().enumerate())
                .filter(|(_, rule)| !rule.is_per_request())
                .map(|(at, rule)| (at, rule.ask(who, &self.trust, &scope)))
                .find(|(_, answer)| decides(answer))
        };
        let denied = settled(&self.deny, |answer| *answer != Answer::No);
        let allowed = settled(self.allow.as_deref().unwrap_or_default(), |answer| {
            *answer == Answer::Yes
        });
        let methods_missing =
            (self.amr.iter()).any(|wanted| !who.authentication.amr.contains(wanted));
        let context_missing = !self.acr.is_empty()
            && !(who.authentication.acr.as_ref()).is_some_and(|acr| self.acr.contains(acr));
        View::holding(
            who.user.blocked,
            permit::Held {
                connection: who.authentication.connection.clone(),
                auth_time: who.authentication.auth_time,
                denied,
                allowed: allowed.map(|(at, _)| at),
                lacks: match (methods_missing, context_missing) {
                    (true, _) => Some(Missing::Methods),
                    (false, true) => Some(Missing::Context),
                    (false, false) => None,
                },
                person,
            },
        )
    }

    fn name(&self, at: At) -> RuleRef {
        let text = match at.list {
            List::Allow => (self.allow.as_deref().unwrap_or_default())
                .get(at.index)
                .map(|rule| rule.text().to_owned()),
            List::Deny => self.deny.get(at.index).map(|rule| rule.text().to_owned()),
            List::Public => self.public.get(at.index).map(ToString::to_string),
        };
        RuleRef {
            list: at.list,
            index: at.index,
            text: text.unwrap_or_default(),
        }
    }
}

/// The place of a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct At {
    list: List,
    index: usize,
}

/// The first rule that must be evaluated now and whose answer decides.
fn per_request(
    rules: &[Rule],
    scope: &Scope<'_>,
    decides: fn(Answer) -> bool,
) -> Option<(usize, Answer)> {
    (rules.iter().enumerate())
        .filter(|(_, rule)| rule.is_per_request())
        .map(|(at, rule)| (at, rule.ask_expression(scope)))
        .find(|(_, answer)| decides(answer.clone()))
}
