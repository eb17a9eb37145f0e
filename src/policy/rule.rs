//! One line of `allow` or `deny`.

use super::{
    EmailTrust, Known,
    expression::{Expression, Scope},
};
use crate::{
    identity::{ConnectionId, Groups, UserId},
    problem::Problem,
    protocol::EmailAddress,
    session::Principal,
};

/// A rule, and the text it was read from.
#[derive(Debug)]
pub(crate) struct Rule {
    text: String,
    asks: Test,
}

/// What a rule asks. `Failed` answers are errors of an expression.
#[derive(Debug)]
enum Test {
    Any,
    Connection(ConnectionId),
    Domain(String),
    Email(String),
    Expression(Expression),
    /// A group as this connection names it.
    Group(ConnectionId, String),
    Handle(String),
    User(UserId),
}

/// What a rule may refer to while it is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Surroundings<'a> {
    pub(in crate::policy) known: &'a Known,
    /// The connections that the route names, or all that are enabled.
    pub(in crate::policy) named: &'a [ConnectionId],
}

/// How a rule answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The expression came to nothing, and why.
    Failed(String),
    No,
    Yes,
}

impl Rule {
    /// Reads a rule: a shorthand, or else an expression.
    pub(in crate::policy) fn parse(text: &str, around: Surroundings<'_>) -> Result<Self, Problem> {
        let asks = match text.split_once(':') {
            _ if text == "any" => Test::Any,
            Some(("connection", name)) => Test::Connection(connection(name, around)?),
            Some(("domain", domain)) => Test::Domain(parse_domain(domain)?),
            Some(("email", email)) => Test::Email(parse_email(email)?),
            Some(("group", group)) => parse_group(group, around)?,
            Some(("user", user)) => parse_user(user)?,
            _ => Test::Expression(parse_expression(text)?),
        };
        Ok(Self {
            text: text.to_owned(),
            asks,
        })
    }

    /// As the operator wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the answer may change from request to request of one session.
    pub(in crate::policy) fn is_per_request(&self) -> bool {
        matches!(&self.asks, Test::Expression(expression) if expression.is_per_request())
    }

    /// Asks it about a person; `scope` is what an expression sees.
    pub(in crate::policy) fn ask(
        &self,
        who: &Principal<'_>,
        trust: &EmailTrust,
        scope: &Scope<'_>,
    ) -> Answer {
        let identity = &who.identity.identity;
        let holds = match &self.asks {
            Test::Any => true,
            Test::Connection(id) => identity.connection == *id,
            Test::Domain(domain) => {
                (trust.email(who.identity)).is_some_and(|email| email.domain() == domain)
            }
            Test::Email(wanted) => {
                (trust.email(who.identity)).is_some_and(|email| email.normalized() == *wanted)
            }
            Test::Expression(_) => return self.ask_expression(scope),
            Test::Group(id, _) if identity.connection != *id => false,
            Test::Group(_, name) => match &identity.groups {
                Groups::Known(names) => names.contains(name),
                Groups::Unknown => return Answer::Failed("the groups are not known".to_owned()),
            },
            Test::Handle(handle) => who.user.handle == *handle,
            Test::User(id) => who.user.id == *id,
        };
        if holds { Answer::Yes } else { Answer::No }
    }

    /// The answer of an expression, which needs no more than its scope.
    pub(in crate::policy) fn ask_expression(&self, scope: &Scope<'_>) -> Answer {
        let Test::Expression(expression) = &self.asks else {
            return Answer::No;
        };
        match expression.matches(scope) {
            Ok(true) => Answer::Yes,
            Ok(false) => Answer::No,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

fn connection(name: &str, around: Surroundings<'_>) -> Result<ConnectionId, Problem> {
    let Some(known) = around.known.connection(name) else {
        return Err(unknown_connection("", name, around.known));
    };
    if known.enabled && !around.named.contains(&known.id) {
        return Err(Problem::new(
            "",
            format!("the route does not offer the connection {name:?}, so the rule never holds"),
        )
        .hint("add it to the route's `connections`"));
    }
    Ok(known.id.clone())
}

/// A name in `connections` or in a rule that stands for nothing.
pub(in crate::policy) fn unknown_connection(key: &str, name: &str, known: &Known) -> Problem {
    Problem::new(key, format!("there is no connection {name:?}")).hint(known.hint(name))
}

fn parse_domain(domain: &str) -> Result<String, Problem> {
    EmailAddress::parse(&format!("x@{domain}"))
        .map(|address| address.domain().to_owned())
        .map_err(|_| {
            Problem::new(
                "",
                format!("{domain:?} is not the domain of e-mail addresses"),
            )
            .hint("write it like \"domain:acme.example\"; subdomains need rules of their own")
        })
}

fn parse_email(email: &str) -> Result<String, Problem> {
    EmailAddress::parse(email)
        .map(|address| address.normalized())
        .map_err(|error| Problem::new("", format!("{email:?} is not an e-mail address: {error}")))
}

fn parse_group(group: &str, around: Surroundings<'_>) -> Result<Test, Problem> {
    let (id, name) = match (group.split_once('/'), around.named) {
        (Some((id, name)), _) if !id.is_empty() => (connection(id, around)?, name),
        (_, [only]) => (only.clone(), group),
        _ => {
            return Err(Problem::new(
                "",
                format!("several connections open this route; whose group is {group:?}"),
            )
            .hint(format!("write it like \"group:acme/{group}\"")));
        }
    };
    if name.is_empty() {
        return Err(Problem::new("", "the group has no name"));
    }
    Ok(Test::Group(id, name.to_owned()))
}

fn parse_user(user: &str) -> Result<Test, Problem> {
    if user.contains('|') {
        return (user.parse().map(Test::User)).map_err(|error: crate::identity::BadName| {
            Problem::new("", error.to_string()).hint("see the ids with `vestibule users list`")
        });
    }
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    if user.is_empty() || !user.chars().all(plain) {
        return Err(Problem::new(
            "",
            format!("{user:?} is neither a user id nor a handle"),
        ));
    }
    if user.chars().any(char::is_uppercase) {
        return Err(Problem::new("", "a handle has no upper-case letters")
            .hint(format!("did you mean \"user:{}\"", user.to_lowercase())));
    }
    Ok(Test::Handle(user.to_owned()))
}

fn parse_expression(text: &str) -> Result<Expression, Problem> {
    Expression::compile(text).map_err(|error| {
        Problem::new("", error.to_string()).hint(
            "a rule is any, user:, email:, domain:, group:, connection:, or a CEL expression \
             over user, claims, groups, connection, auth, request and now",
        )
    })
}
