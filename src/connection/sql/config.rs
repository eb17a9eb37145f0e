//! The keys of a connection with `strategy = "sql"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    digest::Digest,
    pool::Place,
    query::{Dialect, Query},
};
use crate::{
    connection::{
        Common, SyncProfile, database,
        foreign::{Columns, Import, People},
    },
    problem::Problem,
    secret::Secret,
    units::Span,
};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the database is: `postgres://USER:PASSWORD@HOST/NAME`, `mysql://…` (MariaDB too) or
    /// `sqlite://PATH`.
    pub(crate) url: Option<Secret>,
    /// Root certificates (PEM) for the database server, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    pub(crate) queries: Queries,
    /// Which columns of `get_user` have a meaning of their own; the others are claims.
    pub(crate) columns: Columns,
    /// How the hashes were made, where they have no mark that says so.
    pub(crate) digest: Option<Digest>,
    /// What a new password is stored as, for the application to understand: `argon2id` (default),
    /// `bcrypt`, `django_argon2` or `django_pbkdf2_sha256`.
    pub(crate) hash: NewHash,
    /// Whether people move to accounts that are kept here, each at their next login: `true`, `false`
    /// (default), or `"finished"`, with which the database is not asked any more.
    pub(crate) import: Import,
    /// The keys of the strategy `database`: what people sign in with, and what a new password is like.
    pub(crate) accounts: database::Config,
    /// How many connections are open at once. Default: 4.
    pub(crate) connections: Option<u32>,
    /// How long a query may take. Default: 5s.
    pub(crate) timeout: Option<Span>,
    /// Lets passwords and hashes go unprotected over the network to a database that has no TLS.
    pub(crate) danger_plain_database: bool,
}

/// The queries, with parameters like `:login`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queries {
    /// Who signs in with `:login`, which is in lower case: one row or none. Needed.
    pub(crate) get_user: Option<String>,
    /// The same by `:id`, the subject: for a change of password and the operator.
    pub(crate) get_user_by_id: Option<String>,
    /// Whether `:password` is right for `:id` or `:login`, where the database decides that: a row that
    /// begins with something true. The password reaches the database.
    pub(crate) verify: Option<String>,
    /// The groups of `:id`: one in each row.
    pub(crate) groups: Option<String>,
    /// Makes somebody, with `:email`, `:username`, `:name` and `:password_hash`.
    pub(crate) create: Option<String>,
    /// Replaces the `:password_hash` of `:id`.
    pub(crate) change_password: Option<String>,
    /// Removes `:id`.
    pub(crate) delete: Option<String>,
    /// How many people there are, for `vestibule users migration`.
    pub(crate) count: Option<String>,
}

/// What a new password is stored as.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NewHash {
    #[default]
    Argon2id,
    Bcrypt,
    DjangoArgon2,
    DjangoPbkdf2Sha256,
}

/// The queries, read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) get_user: Query,
    pub(super) get_user_by_id: Option<Query>,
    pub(super) verify: Option<Query>,
    pub(super) groups: Option<Query>,
    pub(super) create: Option<Query>,
    pub(super) change_password: Option<Query>,
    pub(super) delete: Option<Query>,
    pub(super) count: Option<Query>,
}

/// What the settings say, checked.
#[derive(Debug)]
pub(super) struct Set {
    /// `None`: everybody has moved.
    pub(super) store: Option<(Place, Asked)>,
    pub(super) people: People,
}

impl Config {
    /// Reads all of it.
    pub(super) fn read(&self, common: &Common) -> Result<Set, Vec<Problem>> {
        let mut problems = self.accounts.problems_elsewhere();
        for problem in &mut problems {
            *problem = problem.clone().under("accounts");
        }
        let people = People::new(common).map_err(|found| problems.extend(found));
        if !common.upstream_params.is_empty() {
            let message = "a table of users sends nobody to a provider";
            problems.push(Problem::new("upstream_params", message));
        }
        let store = match (&self.url, self.import) {
            (_, Import::Finished) => None,
            (None, _) => {
                let hint = "like url = { env = \"APP_DATABASE_URL\" }, with postgres://, mysql:// or \
                            sqlite:// in it";
                problems.push(Problem::new("url", "it is missing").hint(hint));
                None
            }
            (Some(url), _) => {
                let place = Place::read(self, url).map_err(|found| problems.push(found));
                let place = place.ok();
                let dialect = place
                    .as_ref()
                    .map_or(Dialect::Sqlite, |place| place.dialect);
                let asked = self.queries.read(dialect, &mut problems);
                place.zip(asked)
            }
        };
        if self.queries.change_password.is_some() && self.queries.get_user_by_id.is_none() {
            let message = "change_password needs it: the current password is asked for again";
            problems.push(
                Problem::new("queries.get_user_by_id", message)
                    .hint("the same as get_user, with WHERE … = :id"),
            );
        }
        let makes = self.queries.create.is_some() || self.import != Import::No;
        if common.signup == Some(true) && !makes && common.sync_profile != SyncProfile::Never {
            // People of the table come in without it.
            let message = "nobody can be made without queries.create";
            problems.push(Problem::new("signup", message).hint(
                "add the query, or take signup out: who is in the table comes in without it",
            ));
        }
        if let Some(timeout) = self.timeout
            && (timeout.0.is_zero() || timeout.0.as_secs() > 60)
        {
            let message = "a query cannot take that long";
            problems.push(Problem::new("timeout", message).hint("more than 0s, up to 60s"));
        }
        if self
            .connections
            .is_some_and(|most| !(1..=64).contains(&most))
        {
            let message = "so many connections are not possible";
            problems.push(Problem::new("connections", message).hint("1 to 64"));
        }
        match people {
            Ok(people) if problems.is_empty() => Ok(Set { store, people }),
            _ => Err(problems),
        }
    }
}

impl Queries {
    fn read(&self, dialect: Dialect, problems: &mut Vec<Problem>) -> Option<Asked> {
        let mut one =
            |key: &str, text: &Option<String>, known: &[&'static str], needed: &[&'static str]| {
                let text = text.as_ref()?;
                let read = Query::parse(text, dialect, (known, needed));
                read.map_err(|error| {
                    let names: Vec<String> = known.iter().map(|name| format!(":{name}")).collect();
                    let hint = match names.as_slice() {
                        [] => "it has no parameters".to_owned(),
                        names => format!("it may have {}", names.join(", ")),
                    };
                    let key = format!("queries.{key}");
                    problems.push(Problem::new(key, error.to_string()).hint(hint));
                })
                .ok()
            };
        let asked = (
            one("get_user", &self.get_user, &["login"], &["login"]),
            one("get_user_by_id", &self.get_user_by_id, &["id"], &["id"]),
        );
        let person = &["email", "username", "name", "password_hash"];
        let verify = one(
            "verify",
            &self.verify,
            &["id", "login", "password"],
            &["password"],
        );
        let groups = one("groups", &self.groups, &["id"], &["id"]);
        let create = one("create", &self.create, person, &["password_hash"]);
        let change = one(
            "change_password",
            &self.change_password,
            &["id", "password_hash"],
            &["id", "password_hash"],
        );
        let delete = one("delete", &self.delete, &["id"], &["id"]);
        let count = one("count", &self.count, &[], &[]);
        if self.get_user.is_none() {
            let hint = "like \"SELECT id, email, username, password_hash FROM users WHERE \
                        lower(email) = :login\"";
            problems.push(Problem::new("queries.get_user", "it is missing").hint(hint));
        }
        Some(Asked {
            get_user: asked.0?,
            get_user_by_id: asked.1,
            verify,
            groups,
            create,
            change_password: change,
            delete,
            count,
        })
    }
}
