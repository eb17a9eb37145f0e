//! From the keys of the configuration to a connection.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Config, Mtls};
use crate::{
    connection::{
        Common, Connection, Field, Mapping,
        certificate::{self, Desk},
        registry::{OpenConnection, Parts},
    },
    identity::ConnectionId,
    problem::Problem,
};

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let mut problems = Config::problems(self);
        problems.extend(mapping(&common.claims).err().unwrap_or_default());
        for name in common.upstream_params.keys() {
            let key = format!("upstream_params.{name}");
            let problem = Problem::new(key, "there is no provider to give it to");
            problems.push(problem.hint("take it out"));
        }
        problems
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let problems = OpenConnection::problems(self, common);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Arc::new(Mtls {
            desk: Desk::open(self, id.clone(), parts)?,
            id,
            subject: self.subject,
            mapping: mapping(&common.claims)?,
            clock: parts.clock.clone(),
        }))
    }

    /// Revocation lists are not among them: they are read whenever they are needed.
    fn files(&self) -> Vec<&Path> {
        self.ca.all().iter().map(PathBuf::as_path).collect()
    }

    fn certificates(&self) -> Option<&certificate::Config> {
        Some(self)
    }
}

/// Where the profile comes from. An attribute that is there several times is a list.
fn mapping(written: &BTreeMap<Field, String>) -> Result<Mapping, Vec<Problem>> {
    let own = [
        (Field::FamilyName, "surname"),
        (Field::Name, "common_name"),
        (Field::PreferredUsername, "upn"),
    ];
    let own = own.map(|(field, claim)| (field, claim.to_owned()));
    let mapping = Mapping::new(&BTreeMap::from(own))?.over(written)?;
    Ok(mapping.with_texts_as_lists())
}
