//! An application's own table of users: `strategy = "sql"`.
//!
//! The operator writes the queries, with named parameters ([`query`]); a row is who somebody is
//! ([`Columns`]), and their password is checked here against the hash in it, or by a query. What a
//! sign-in is stands in [`foreign`](super::foreign). Nothing that a visitor types becomes a part of a
//! query; what a database says about a value goes nowhere.

mod ask;
mod config;
mod digest;
mod hash;
mod pool;
mod query;
mod row;

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use self::config::Config;
use self::{
    ask::{Kind, Ready},
    config::{Asked, NewHash},
    digest::Digest,
    pool::{Place, Pools},
    query::Query,
};
use super::{
    Common, Connection, LoginName, NewPassword, Password,
    foreign::{
        Abilities, Columns, Foreign, ForeignStore, Found, NewPerson, Settings, StoreFault,
        StoredHash, Who, subject_of,
    },
    registry::{OpenConnection, Parts},
};
use crate::{
    crypto::{HashError, Verified},
    identity::{ConnectionId, Subject},
    problem::Problem,
};

/// More groups than this are not read.
const MOST_GROUPS: usize = 10_001;

/// A table of users, and the queries about it.
#[derive(Debug)]
struct Table {
    id: ConnectionId,
    pools: Pools,
    columns: Columns,
    digest: Option<Digest>,
    hash: NewHash,
    parts: Parts,
    get_user: Ready,
    get_user_by_id: Option<Ready>,
    verify: Option<Ready>,
    groups: Option<Ready>,
    create: Option<Ready>,
    change_password: Option<Ready>,
    delete: Option<Ready>,
    count: Option<Ready>,
    /// A hash of the table: what is checked for a name that nobody has, so that it costs the same.
    decoy: ArcSwapOption<StoredHash>,
}

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        self.read(common).err().unwrap_or_default()
    }

    fn accounts(&self) -> Option<&super::database::Config> {
        Some(&self.accounts)
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let set = self.read(common)?;
        let store = set.store.map(|(place, asked)| {
            let table = Table::new(self, (place, asked), (id.clone(), parts));
            Arc::new(table) as Arc<dyn ForeignStore>
        });
        let set = Settings {
            strategy: "sql",
            import: self.import,
            accounts: &self.accounts,
            people: set.people,
            store,
        };
        Foreign::open(set, (id, common, parts))
    }

    fn files(&self) -> Vec<&Path> {
        pool::files(self)
    }
}

impl Table {
    fn new(
        config: &Config,
        (place, asked): (Place, Asked),
        (id, parts): (ConnectionId, &Parts),
    ) -> Self {
        let reads = |query: Query, most| Ready::new(query, Kind::Read(most));
        let writes = |query: Option<Query>| query.map(|query| Ready::new(query, Kind::Write));
        Self {
            id,
            pools: Pools::new(place),
            columns: config.columns.clone(),
            digest: config.digest.clone(),
            hash: config.hash,
            parts: parts.clone(),
            get_user: reads(asked.get_user, 2),
            get_user_by_id: asked.get_user_by_id.map(|query| reads(query, 2)),
            verify: asked.verify.map(|query| reads(query, 2)),
            groups: asked.groups.map(|query| reads(query, MOST_GROUPS)),
            create: writes(asked.create),
            change_password: writes(asked.change_password),
            delete: writes(asked.delete),
            count: asked.count.map(|query| reads(query, 1)),
            decoy: ArcSwapOption::empty(),
        }
    }

    /// The one row as a person, with their groups.
    async fn person(&self, mut rows: Vec<Map<String, Value>>) -> Result<Option<Found>, StoreFault> {
        let Some(mut row) = rows.pop() else {
            return Ok(None);
        };
        if !rows.is_empty() {
            return Err(StoreFault::Ambiguous);
        }
        let digest = self.digest.as_ref();
        let salt = digest.and_then(|digest| digest.salt_of(&mut row));
        let mut found = self.columns.read(row)?;
        if let (Some(digest), Some(hash)) = (digest, &mut found.password_hash)
            && !hash.0.is_empty()
        {
            hash.0 = digest.declare(&hash.0, salt)?;
        }
        if let Some(groups) = &self.groups {
            let id = Some(found.subject.as_str());
            let rows = groups.rows(&self.pools, &[("id", id)]).await?;
            let names = rows.into_iter().map(|row| {
                let name = row.into_iter().next().map(|(_, name)| name);
                name.unwrap_or(Value::Null)
            });
            found.claims.insert("groups".to_owned(), names.collect());
        }
        if let Some(hash) = found
            .password_hash
            .clone()
            .filter(|hash| !hash.0.is_empty())
        {
            self.decoy.store(Some(Arc::new(hash)));
        }
        Ok(Some(found))
    }

    async fn is_right(&self, password: &Password, hash: &str) -> Result<bool, StoreFault> {
        match self.parts.hasher.verify(password.secret(), hash).await {
            Ok(verified) => Ok(matches!(verified, Verified::Matches { .. })),
            Err(HashError::Unreadable) => {
                self.parts.hasher.verify_dummy(password.secret()).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl ForeignStore for Table {
    fn can(&self) -> Abilities {
        Abilities {
            create: self.create.is_some(),
            change_password: self.change_password.is_some(),
            delete: self.delete.is_some(),
        }
    }

    async fn find(&self, who: Who<'_>) -> Result<Option<Found>, StoreFault> {
        match who {
            Who::Login(login) => {
                // No text of PostgreSQL holds a NUL, and no name here a control character.
                let values = [("login", Some(login.as_str()))];
                self.person(self.get_user.rows(&self.pools, &values).await?)
                    .await
            }
            Who::Subject(subject) => {
                let missing = "there is no query get_user_by_id";
                let query = (self.get_user_by_id.as_ref()).ok_or(StoreFault::Unable(missing))?;
                let values = [("id", Some(subject.as_str()))];
                let found = self.person(query.rows(&self.pools, &values).await?).await?;
                // MySQL compares "12x" with a number as 12.
                Ok(found.filter(|found| found.subject == *subject))
            }
        }
    }

    async fn verify(
        &self,
        who: Who<'_>,
        found: &Found,
        password: &Password,
    ) -> Result<Option<Found>, StoreFault> {
        let right = match (&self.verify, &found.password_hash) {
            (Some(verify), _) => {
                let login = match who {
                    Who::Login(login) => Some(login.as_str()),
                    Who::Subject(_) => None,
                };
                let values = [
                    ("id", Some(found.subject.as_str())),
                    ("login", login),
                    ("password", Some(password.secret().expose())),
                ];
                let rows = verify.rows(&self.pools, &values).await?;
                matches!(rows.as_slice(), [row] if is_true(row))
            }
            (None, Some(hash)) => {
                let right = self.is_right(password, &hash.0).await?;
                if !right && hash.0.is_empty() {
                    tracing::info!(connection = %self.id, subject = %found.subject, "this person has no password in the table");
                }
                right
            }
            (None, None) => {
                let column = &self.columns.password_hash;
                let message =
                    format!("get_user gives no column {column:?} with the password's hash");
                return Err(StoreFault::Misfit(message));
            }
        };
        Ok(right.then(|| found.clone()))
    }

    async fn verify_nobody(&self, _: &LoginName, password: &Password) -> Result<(), StoreFault> {
        match self.decoy.load_full() {
            _ if self.verify.is_some() => Ok(()),
            Some(hash) => self.is_right(password, &hash.0).await.map(drop),
            None => Ok(self.parts.hasher.verify_dummy(password.secret()).await?),
        }
    }

    async fn create(&self, new: &NewPerson) -> Result<bool, StoreFault> {
        let query = self.create.as_ref();
        let query = query.ok_or(StoreFault::Unable("there is no query create"))?;
        let hash = hash::make(self.hash, &new.password, &self.parts).await?;
        let values = [
            ("email", new.email.as_deref()),
            ("username", new.username.as_deref()),
            ("name", new.name.as_deref()),
            ("password_hash", Some(hash.as_str())),
        ];
        Ok(query.write(&self.pools, &values).await?.is_some())
    }

    async fn change_password(
        &self,
        subject: &Subject,
        new: &NewPassword,
    ) -> Result<(), StoreFault> {
        let query = self.change_password.as_ref();
        let query = query.ok_or(StoreFault::Unable("there is no query change_password"))?;
        let hash = hash::make(self.hash, new, &self.parts).await?;
        let values = [
            ("id", Some(subject.as_str())),
            ("password_hash", Some(hash.as_str())),
        ];
        match query.write(&self.pools, &values).await? {
            Some(1) => Ok(()),
            changed => {
                let message = format!("change_password changed {} rows", changed.unwrap_or(0));
                Err(StoreFault::Misbehaved(message))
            }
        }
    }

    async fn delete(&self, subject: &Subject) -> Result<(), StoreFault> {
        let query = self.delete.as_ref();
        let query = query.ok_or(StoreFault::Unable("there is no query delete"))?;
        let values = [("id", Some(subject.as_str()))];
        query.write(&self.pools, &values).await.map(drop)
    }

    async fn count(&self) -> Result<Option<u64>, StoreFault> {
        let Some(query) = &self.count else {
            return Ok(None);
        };
        let rows = query.rows(&self.pools, &[]).await?;
        let first = rows.first().and_then(|row| row.values().next());
        let number = first.and_then(|value| subject_of(value)?.as_str().parse().ok());
        let message = "count does not give a number";
        number
            .map(Some)
            .ok_or_else(|| StoreFault::Misfit(message.to_owned()))
    }

    async fn reach(&self) -> Result<(), StoreFault> {
        let said = |name: &str, fault| match fault {
            StoreFault::Misfit(why) => StoreFault::Misfit(format!("queries.{name}: {why}")),
            other => other,
        };
        let columns = self.get_user.columns(&self.pools).await;
        let columns = columns.map_err(|fault| said("get_user", fault))?;
        let mut needed = vec![("subject", &self.columns.subject)];
        if self.verify.is_none() {
            needed.push(("password_hash", &self.columns.password_hash));
        }
        needed.extend(
            self.columns
                .blocked
                .iter()
                .map(|column| ("blocked", column)),
        );
        needed.extend(self.columns.active.iter().map(|column| ("active", column)));
        let salt = self
            .digest
            .as_ref()
            .and_then(Digest::column)
            .map(str::to_owned);
        needed.extend(salt.iter().map(|column| ("digest.salt", column)));
        for (key, column) in needed {
            if !columns.contains(column) {
                let message = format!(
                    "queries.get_user has no column {column:?}, which the settings name as {key}; it has {}",
                    columns.join(", ")
                );
                return Err(StoreFault::Misfit(message));
            }
        }
        let others = [
            ("get_user_by_id", &self.get_user_by_id),
            ("verify", &self.verify),
            ("groups", &self.groups),
            ("create", &self.create),
            ("change_password", &self.change_password),
            ("delete", &self.delete),
            ("count", &self.count),
        ];
        for (name, query) in others {
            if let Some(query) = query {
                let shown = query.columns(&self.pools).await;
                shown.map_err(|fault| said(name, fault))?;
            }
        }
        Ok(())
    }
}

/// Whether the first column is something true.
fn is_true(row: &Map<String, Value>) -> bool {
    match row.values().next() {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
        Some(Value::String(text)) => !["", "0", "f", "false"].contains(&text.as_str()),
        _ => false,
    }
}
