//! What the rest of the configuration tells the routes.

use std::{collections::HashMap, sync::Arc};

use super::EmailTrust;
use crate::{
    connection::{SecondFactor, TrustEmail},
    identity::ConnectionId,
};

/// What a route may refer to. Made once per configuration and shared by all its routes.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The number of this configuration: what is worked out under one is not used under another.
    pub(crate) generation: u64,
    connections: HashMap<ConnectionId, KnownConnection>,
    enabled: Arc<[ConnectionId]>,
    trust: EmailTrust,
    factors: Arc<Factors>,
}

/// Of which connection's people a second factor may be asked here; of those of no other.
pub(in crate::policy) type Factors = HashMap<ConnectionId, SecondFactor>;

/// One `[connections.NAME]` table, as far as a route is concerned.
#[derive(Clone, Debug)]
pub(crate) struct KnownConnection {
    pub(crate) id: ConnectionId,
    pub(crate) enabled: bool,
    pub(crate) trust_email: TrustEmail,
    pub(crate) second_factor: SecondFactor,
}

impl Known {
    /// Takes the connections in.
    pub(crate) fn new(generation: u64, connections: Vec<KnownConnection>) -> Self {
        let mut enabled: Vec<_> = connections
            .iter()
            .filter(|known| known.enabled)
            .map(|known| known.id.clone())
            .collect();
        enabled.sort();
        let trust = connections
            .iter()
            .map(|known| (known.id.clone(), known.trust_email))
            .collect();
        let asks = |known: &&KnownConnection| known.second_factor != SecondFactor::Off;
        let factors = connections.iter().filter(asks);
        let factors: Factors = factors
            .map(|known| (known.id.clone(), known.second_factor))
            .collect();
        Self {
            generation,
            connections: connections
                .into_iter()
                .map(|known| (known.id.clone(), known))
                .collect(),
            enabled: enabled.into(),
            trust,
            factors: factors.into(),
        }
    }

    /// The connection of that name.
    pub(crate) fn connection(&self, name: &str) -> Option<&KnownConnection> {
        self.connections.get(name)
    }

    /// The connections that are switched on, sorted; what a route offers by default.
    pub(crate) fn enabled(&self) -> &Arc<[ConnectionId]> {
        &self.enabled
    }

    /// Whose e-mail addresses count.
    pub(crate) fn trust(&self) -> &EmailTrust {
        &self.trust
    }

    /// Of whom a second factor is asked.
    pub(in crate::policy) fn factors(&self) -> &Arc<Factors> {
        &self.factors
    }

    /// What to do about a connection's name that nobody knows.
    pub(in crate::policy) fn hint(&self, name: &str) -> String {
        let near = |known: &&ConnectionId| distance(name, known.as_str()) <= 2;
        let nearest = self
            .connections
            .keys()
            .filter(near)
            .min_by_key(|known| (distance(name, known.as_str()), (*known).clone()));
        match nearest {
            Some(nearest) => format!("did you mean {:?}", nearest.as_str()),
            None if self.connections.is_empty() => "there is no [connections.…] table".to_owned(),
            None => {
                let mut names: Vec<_> = self.connections.keys().map(ConnectionId::as_str).collect();
                names.sort_unstable();
                names.truncate(8);
                format!("the connections are {}", names.join(", "))
            }
        }
    }
}

/// How many letters must be put in, taken out or replaced to make one word of another
/// (Levenshtein).
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, theirs) in row.iter_mut().skip(1).zip(other.chars()) {
            let replaced = diagonal + usize::from(letter != theirs);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
