//! From the keys of a route to its policy.

use std::sync::Arc;

use super::{
    Known, Policy, Require,
    rule::{self, Rule, Surroundings},
};
use crate::{
    connection::Demand, identity::ConnectionId, problem::Problem, protocol::PathPattern,
    session::ViewKey,
};

/// The keys of a route that make its policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) connections: Option<&'a [String]>,
    pub(crate) public: &'a [String],
    pub(crate) allow: Option<&'a [String]>,
    pub(crate) deny: &'a [String],
    pub(crate) require: Option<&'a Require>,
    pub(crate) second_factor: Option<Demand>,
}

impl Policy {
    /// Reads the policy of the route of that number. The problems' keys are the route's own.
    pub(crate) fn build(keys: Keys<'_>, route: usize, known: &Known) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let named = named(keys.connections, known, &mut problems);
        let around = Surroundings {
            known,
            named: &named,
        };
        let allow = (keys.allow).map(|texts| rules("allow", texts, around, &mut problems));
        let deny = rules("deny", keys.deny, around, &mut problems);
        if keys.allow.is_some_and(<[String]>::is_empty) {
            problems.push(
                Problem::new("allow", "an empty list lets nobody pass")
                    .hint("leave `allow` out to let any signed-in user pass"),
            );
        }
        let public = patterns(keys.public, &mut problems);
        let require = keys.require.cloned().unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        let offered = (named.iter()).filter(|id| {
            known
                .connection(id.as_str())
                .is_some_and(|known| known.enabled)
        });
        Ok(Self {
            key: ViewKey::new(known.generation, route),
            offered: if keys.connections.is_none() {
                named.clone()
            } else {
                offered.cloned().collect()
            },
            public,
            allow,
            deny,
            amr: require.amr.into(),
            acr: require.acr.into(),
            max_age: require.max_age.map(|span| span.0),
            second_factor: keys.second_factor,
            factors: known.factors().clone(),
            trust: known.trust().clone(),
        })
    }
}

fn named(
    names: Option<&[String]>,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Arc<[ConnectionId]> {
    let Some(names) = names else {
        return known.enabled().clone();
    };
    if names.is_empty() {
        problems.push(
            Problem::new("connections", "an empty list lets nobody in")
                .hint("leave `connections` out to offer every enabled one"),
        );
    }
    let mut ids = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let key = format!("connections[{index}]");
        match known.connection(name) {
            None => problems.push(rule::unknown_connection(&key, name, known)),
            Some(found) if ids.contains(&found.id) => {
                problems.push(Problem::new(key, format!("{name:?} is named twice")));
            }
            Some(found) => ids.push(found.id.clone()),
        }
    }
    ids.into()
}

fn rules(
    list: &str,
    texts: &[String],
    around: Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match Rule::parse(text, around) {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(Problem {
                key: format!("{list}[{index}]"),
                ..problem
            }),
        }
    }
    rules
}

fn patterns(texts: &[String], problems: &mut Vec<Problem>) -> Vec<PathPattern> {
    let mut patterns = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match PathPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                problems.push(Problem::new(format!("public[{index}]"), error.to_string()));
            }
        }
    }
    patterns
}
