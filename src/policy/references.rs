//! Which names an expression uses, and whether they exist.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr};

use super::expression::{ExpressionError, ExpressionTree, is_regex};

/// Checks every name in an expression. Says whether it must be evaluated for each request: when it
/// speaks of the request, of the time, or of how long ago the login was.
pub(in crate::policy) fn check(tree: &ExpressionTree) -> Result<bool, ExpressionError> {
    if matches!(&tree.expr, Expr::List(_) | Expr::Map(_) | Expr::Struct(_)) {
        return Err(ExpressionError::NotBoolean);
    }
    if let Expr::Literal(literal) = &tree.expr
        && !matches!(literal, cel::common::ast::LiteralValue::Boolean(_))
    {
        return Err(ExpressionError::NotBoolean);
    }
    let mut walk = Walk {
        bound: Vec::new(),
        per_request: false,
        depth: 0,
    };
    walk.visit(tree)?;
    Ok(walk.per_request)
}

/// The fields of the variables whose shape we know.
const FIELDS: [(&str, &[&str]); 3] = [
    ("auth", &["acr", "age", "amr", "time"]),
    ("request", &["address", "host", "method", "path", "scheme"]),
    (
        "user",
        &[
            "app_metadata",
            "email",
            "family_name",
            "given_name",
            "handle",
            "id",
            "name",
            "nickname",
            "owner",
            "picture",
            "user_metadata",
        ],
    ),
];

/// The other variables, and the names of types.
const VARIABLES: [&str; 14] = [
    "bool",
    "bytes",
    "claims",
    "connection",
    "double",
    "groups",
    "int",
    "list",
    "map",
    "now",
    "null_type",
    "string",
    "type",
    "uint",
];

/// The functions of the standard library. Operators begin with a mark and are the parser's.
const FUNCTIONS: [&str; 25] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

struct Walk<'t> {
    /// The variables of the macros around the place we are at.
    bound: Vec<&'t str>,
    per_request: bool,
    depth: usize,
}

/// How deep an expression may be nested: evaluation recurses, on the stack of whoever serves the
/// request.
const DEEPEST: usize = 40;

impl<'t> Walk<'t> {
    fn visit(&mut self, tree: &'t ExpressionTree) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ExpressionError::TooDeep);
        }
        self.visit_kind(tree)?;
        self.depth -= 1;
        Ok(())
    }

    fn visit_kind(&mut self, tree: &'t ExpressionTree) -> Result<(), ExpressionError> {
        match &tree.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Ident(name) => self.name(name, None),
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.visit(item)),
            Expr::Map(map) => map
                .entries
                .iter()
                .try_for_each(|entry| self.entry(&entry.expr)),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) => self.name(name, Some(&select.field)),
                _ => self.visit(&select.operand),
            },
            Expr::Struct(made) => Err(ExpressionError::UnknownVariable(made.type_name.clone())),
        }
    }

    fn name(&mut self, name: &'t str, field: Option<&str>) -> Result<(), ExpressionError> {
        if self.bound.contains(&name) || name.starts_with('@') {
            return Ok(());
        }
        let name = name.strip_prefix('.').unwrap_or(name);
        self.per_request |= matches!(name, "now" | "request")
            || (name == "auth" && field.is_none_or(|field| field == "age"));
        match (FIELDS.iter().find(|(known, _)| *known == name), field) {
            (Some((_, fields)), Some(field)) if !fields.contains(&field) => {
                Err(ExpressionError::UnknownField {
                    of: name.to_owned(),
                    name: field.to_owned(),
                })
            }
            (Some(_), _) => Ok(()),
            (None, _) if VARIABLES.contains(&name) => Ok(()),
            (None, _) => Err(ExpressionError::UnknownVariable(name.to_owned())),
        }
    }

    fn call(&mut self, call: &'t CallExpr) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        let operator = !name.starts_with(|first: char| first.is_alphanumeric());
        if !operator && !FUNCTIONS.contains(&name) {
            return Err(ExpressionError::UnknownFunction(name.to_owned()));
        }
        if name == "matches"
            && let Some(Expr::Literal(literal)) = call.args.last().map(|last| &last.expr)
            && !is_regex(literal)
        {
            return Err(ExpressionError::BadRegex(format!("{literal:?}")));
        }
        if let Some(target) = &call.target {
            self.visit(target)?;
        }
        call.args.iter().try_for_each(|arg| self.visit(arg))
    }

    fn comprehension(&mut self, made: &'t ComprehensionExpr) -> Result<(), ExpressionError> {
        self.visit(&made.iter_range)?;
        self.visit(&made.accu_init)?;
        let outside = self.bound.len();
        self.bound.push(&made.accu_var);
        self.visit(&made.result)?;
        self.bound.push(&made.iter_var);
        self.bound.extend(made.iter_var2.as_deref());
        self.visit(&made.loop_cond)?;
        self.visit(&made.loop_step)?;
        self.bound.truncate(outside);
        Ok(())
    }

    fn entry(&mut self, entry: &'t EntryExpr) -> Result<(), ExpressionError> {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key)?;
                self.visit(&entry.value)
            }
            EntryExpr::StructField(field) => self.visit(&field.value),
        }
    }
}
