//! Rules in the Common Expression Language.
//!
//! An expression is compiled when the configuration is loaded; a name, a field or a function that
//! does not exist is refused then, not at the first request. Whatever goes wrong when it runs is
//! an error, and the list it stands in decides what that means.

use std::{
    collections::HashMap,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Program, Value,
    common::{
        ast::LiteralValue,
        types::{CelDuration, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp},
        value::{CowVal, Val},
    },
    context::VariableResolver,
    parser::Expression as Tree,
};

use super::{EmailTrust, Facts, references};
use crate::{clock::Timestamp, identity::Groups, session::Principal};

/// The longest expression, in bytes.
const LONGEST: usize = 2048;

/// The stack for compiling one; only what is touched of it costs memory.
const COMPILER_STACK: usize = 64 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    program: Program,
    per_request: bool,
}

impl Expression {
    /// Compiles an expression whose value is to be true or false.
    pub(in crate::policy) fn compile(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > LONGEST {
            return Err(ExpressionError::TooLong);
        }
        // the parser recurses; what it can make of a text this short fits into this stack
        let compiled = std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(COMPILER_STACK)
                .spawn_scoped(scope, || Self::compile_deep(text))
                .map(std::thread::ScopedJoinHandle::join)
        });
        match compiled {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(_)) | Err(_) => Err(ExpressionError::Crashed),
        }
    }

    fn compile_deep(text: &str) -> Result<Self, ExpressionError> {
        let program = (STANDARD.compile(text))
            .map_err(|errors| ExpressionError::Syntax(one_line(&errors.to_string())))?;
        let per_request = references::check(program.expression())?;
        Ok(Self {
            program,
            per_request,
        })
    }

    /// Whether the answer may change from request to request of one session.
    pub(in crate::policy) fn is_per_request(&self) -> bool {
        self.per_request
    }

    /// Evaluates it.
    pub(in crate::policy) fn matches(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        let evaluate = || {
            let mut context = Context::with_env(STANDARD.clone());
            context.set_variable_resolver(scope);
            self.program.execute(&context)
        };
        match catch_unwind(AssertUnwindSafe(evaluate)) {
            Ok(Ok(Value::Bool(truth))) => Ok(truth),
            Ok(Ok(other)) => Err(EvaluationError::NotBoolean(other.type_of().to_string())),
            Ok(Err(error)) => Err(EvaluationError::Failed(one_line(&error.to_string()))),
            Err(_) => Err(EvaluationError::Crashed),
        }
    }
}

/// The standard functions and macros, without optional values.
static STANDARD: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// Whether a regular expression that stands in a rule is one.
pub(in crate::policy) fn is_regex(literal: &LiteralValue) -> bool {
    let LiteralValue::String(text) = literal else {
        return true;
    };
    let mut context = Context::with_env(STANDARD.clone());
    context.add_variable_from_value("regex", text.inner().to_owned());
    let tried = catch_unwind(AssertUnwindSafe(|| {
        STANDARD
            .compile("''.matches(regex)")
            .is_ok_and(|program| program.execute(&context).is_ok())
    }));
    tried.unwrap_or(false)
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    while line.len() > 300 {
        line.pop();
    }
    line
}

/// Why an expression is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ExpressionError {
    #[error("{0:?} is not a regular expression")]
    BadRegex(String),
    #[error("the expression cannot be compiled")]
    Crashed,
    #[error("its value is never true or false")]
    NotBoolean,
    #[error("it is not an expression: {0}")]
    Syntax(String),
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    #[error("`{of}` has no field {name:?}")]
    UnknownField { of: String, name: String },
    #[error("there is no function {0:?}")]
    UnknownFunction(String),
    #[error("there is no variable {0:?}")]
    UnknownVariable(String),
}

/// Why an expression came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum EvaluationError {
    #[error("the expression crashed")]
    Crashed,
    #[error("{0}")]
    Failed(String),
    #[error("the value is of type {0}, not bool")]
    NotBoolean(String),
}

/// A person in the form expressions read, made once for each version of a session.
#[derive(Debug)]
pub(crate) struct Person {
    user: Box<dyn Val>,
    claims: Box<dyn Val>,
    /// `None`: they are not known, and an expression that asks for them has no answer.
    groups: Option<Box<dyn Val>>,
    connection: Box<dyn Val>,
    auth_time: Timestamp,
    amr: Vec<String>,
    acr: String,
}

impl Person {
    /// The person as rules see them. What is unknown is the empty text.
    pub(in crate::policy) fn new(who: &Principal<'_>, trust: &EmailTrust) -> Self {
        let profile = &who.user.profile;
        let or_empty = |field: &Option<String>| text(field.as_deref().unwrap_or_default());
        let email = trust.email(who.identity);
        let user = [
            ("id", text(who.user.id.as_str())),
            ("handle", text(&who.user.handle)),
            ("name", or_empty(&profile.name)),
            ("given_name", or_empty(&profile.given_name)),
            ("family_name", or_empty(&profile.family_name)),
            ("nickname", or_empty(&profile.nickname)),
            ("picture", or_empty(&profile.picture)),
            (
                "email",
                text(email.as_ref().map_or("", |email| email.as_str())),
            ),
            (
                "owner",
                Box::new(cel::common::types::CelBool::from(who.user.owner)),
            ),
            ("user_metadata", object(&who.user.user_metadata)),
            ("app_metadata", object(&who.user.app_metadata)),
        ];
        Self {
            user: map(user),
            claims: object(&who.identity.identity.claims),
            groups: match &who.identity.identity.groups {
                Groups::Known(names) => Some(list(names)),
                Groups::Unknown => None,
            },
            connection: text(who.identity.identity.connection.as_str()),
            auth_time: who.authentication.auth_time,
            amr: who.authentication.amr.clone(),
            acr: who.authentication.acr.clone().unwrap_or_default(),
        }
    }
}

/// What an expression sees: a person, and the request if the answer is for one.
pub(in crate::policy) struct Scope<'a> {
    pub(in crate::policy) person: &'a Person,
    pub(in crate::policy) facts: Option<&'a Facts<'a>>,
}

impl Scope<'_> {
    fn auth(&self) -> Box<dyn Val> {
        let mut auth = vec![
            ("time", timestamp(self.person.auth_time)),
            ("amr", list(&self.person.amr)),
            ("acr", text(&self.person.acr)),
        ];
        if let Some(facts) = self.facts {
            let age = facts.now.since(self.person.auth_time);
            let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            auth.push((
                "age",
                Box::new(CelDuration::from(chrono::Duration::milliseconds(millis))),
            ));
        }
        map(auth)
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let owned = |value: Box<dyn Val>| Some(CowVal::Owned(value));
        match variable {
            "user" => Some(CowVal::Borrowed(self.person.user.as_ref())),
            "claims" => Some(CowVal::Borrowed(self.person.claims.as_ref())),
            "groups" => self.person.groups.as_deref().map(CowVal::Borrowed),
            "connection" => Some(CowVal::Borrowed(self.person.connection.as_ref())),
            "auth" => owned(self.auth()),
            "now" => owned(timestamp(self.facts?.now)),
            "request" => owned(request(self.facts?)),
            _ => None,
        }
    }
}

fn request(facts: &Facts<'_>) -> Box<dyn Val> {
    let address = facts.address.map(|address: IpAddr| address.to_string());
    map([
        ("scheme", text(facts.scheme.as_str())),
        ("host", text(facts.host.as_str())),
        ("path", text(facts.path.as_str())),
        ("method", text(facts.method.as_str())),
        ("address", text(&address.unwrap_or_default())),
    ])
}

fn text(text: &str) -> Box<dyn Val> {
    Box::new(CelString::from(text.to_owned()))
}

fn timestamp(time: Timestamp) -> Box<dyn Val> {
    let time = chrono::DateTime::from_timestamp_millis(time.millis()).unwrap_or_default();
    Box::new(CelTimestamp::from(time.fixed_offset()))
}

fn list(texts: &[String]) -> Box<dyn Val> {
    let items: Vec<_> = texts.iter().map(|item| text(item)).collect();
    Box::new(CelList::from(items))
}

fn map<'k>(fields: impl IntoIterator<Item = (&'k str, Box<dyn Val>)>) -> Box<dyn Val> {
    let fields: HashMap<_, _> = fields
        .into_iter()
        .map(|(name, value)| (CelMapKey::from(name.to_owned()), value))
        .collect();
    Box::new(CelMap::from(fields))
}

fn object(object: &serde_json::Map<String, serde_json::Value>) -> Box<dyn Val> {
    map(object
        .iter()
        .map(|(name, value)| (name.as_str(), json(value))))
}

fn json(value: &serde_json::Value) -> Box<dyn Val> {
    use cel::common::types::{CelBool, CelDouble, CelInt, CelUInt};
    match value {
        serde_json::Value::Array(items) => {
            Box::new(CelList::from(items.iter().map(json).collect::<Vec<_>>()))
        }
        serde_json::Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        serde_json::Value::Null => Box::new(CelNull),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Box::new(CelInt::from(int)),
            (None, Some(uint)) => Box::new(CelUInt::from(uint)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        serde_json::Value::Object(fields) => object(fields),
        serde_json::Value::String(words) => text(words),
    }
}

/// The tree of a compiled expression, for the check of its names.
pub(in crate::policy) type ExpressionTree = Tree;
