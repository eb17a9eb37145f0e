//! What the loader does to some values before anybody reads them: the one place for relative paths
//! and for secrets.
//!
//! The schema marks such keys with `x-vestibule`:
//! - `file`: the path of a file or folder that is read, relative to the folder of the configuration
//!   file; it is watched for changes;
//! - `unwatched`: the path of a file that is read whenever it is needed, relative in the same way;
//! - `socket`: the path of a file that is made, relative in the same way;
//! - `unix`: an address or URL, where only `unix:` and a path is one;
//! - `mail`: a mail URL, where only `file:` and a path is one;
//! - `sqlite`: a storage URL, where only `sqlite://` and a path is one;
//! - `icon`: a name, or with a slash or a dot in it a path;
//! - `secret`: a [`Secret`](crate::secret::Secret): `{ env = … }` and `{ file = … }` are replaced
//!   by the text.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use toml::de::{DeValue, ValueDeserializer};

use super::source::{Node, Source, push_index, push_key};
use crate::{environment::Environment, problem::Problem, secret::SecretRef};

/// The keyword of the schema.
pub(super) const MARK: &str = "x-vestibule";

/// Walks through a value along its schema.
pub(super) struct Marks<'a, 'i> {
    /// Where references in a schema point to.
    pub(super) root: &'a Value,
    pub(super) source: &'a Source<'i>,
    /// Where relative paths begin.
    pub(super) folder: &'a Path,
    pub(super) environment: &'a Environment,
    /// The files that are named.
    pub(super) files: Vec<PathBuf>,
    /// The files that secrets were read from, by their keys.
    pub(super) secret_files: BTreeMap<String, PathBuf>,
    pub(super) problems: Vec<Problem>,
}

impl<'a, 'i> Marks<'a, 'i> {
    /// Does what the marks of `schema` say to the value at `path`.
    pub(super) fn apply(&mut self, schema: &'a Value, node: &mut Node<'i>, path: &mut String) {
        // A mark may stand beside a reference.
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(target) = reference.and_then(|path| self.root.pointer(path.strip_prefix('#')?))
        {
            self.apply(target, node, path);
        }
        for any in ["anyOf", "oneOf", "allOf"] {
            for one in elements(schema, any) {
                if is_for(one, node.get_ref()) {
                    self.apply(one, node, path);
                }
            }
        }
        self.apply_inside(schema, node, path);
        match schema.get(MARK).and_then(Value::as_str) {
            Some("secret") => self.fetch_secret(node, path),
            Some(kind) => self.relocate(kind, node.get_mut(), path),
            None => {}
        }
    }

    fn apply_inside(&mut self, schema: &'a Value, node: &mut Node<'i>, path: &mut String) {
        match node.get_mut() {
            DeValue::Table(table) => {
                let properties = schema.get("properties");
                let others = schema.get("additionalProperties");
                for (key, value) in table.iter_mut() {
                    let named = properties.and_then(|known| known.get(key.get_ref().as_ref()));
                    if let Some(schema) = named.or(others) {
                        let length = path.len();
                        push_key(path, key.get_ref());
                        self.apply(schema, value, path);
                        path.truncate(length);
                    }
                }
            }
            DeValue::Array(array) => {
                let Some(schema) = schema.get("items") else {
                    // Serde would take the elements for the keys of a table in their order.
                    if schema.get("properties").is_some() {
                        self.refuse(path, "expected a table, found an array");
                    }
                    return;
                };
                for (index, value) in array.iter_mut().enumerate() {
                    let length = path.len();
                    push_index(path, index);
                    self.apply(schema, value, path);
                    path.truncate(length);
                }
            }
            // To serde it is a table with a key, so a table of free keys would take it.
            DeValue::Datetime(_) => self.refuse(path, "expected something else, found a date"),
            _ => {}
        }
    }

    fn refuse(&mut self, path: &str, message: &str) {
        if self.problems.last().is_none_or(|last| last.key != path) {
            self.problems.push(Problem::new(path, message));
        }
    }

    fn fetch_secret(&mut self, node: &mut Node<'i>, path: &str) {
        if let Some(overlay) = self.source.overlay_of(&node.span())
            && !matches!(node.get_ref(), DeValue::Table(_))
        {
            // A secret of digits alone is none the less a text.
            if !matches!(node.get_ref(), DeValue::String(_)) {
                *node.get_mut() = DeValue::String(overlay.raw.into());
            }
        }
        // What has another shape is complained about when the table is read.
        let Ok(place) = SecretRef::deserialize(ValueDeserializer::from(node.clone())) else {
            return;
        };
        if let SecretRef::File(file) = &place {
            self.secret_files.insert(path.to_owned(), file.clone());
        }
        match place.resolve(self.environment) {
            Ok(secret) => {
                *node.get_mut() = DeValue::String(secret.expose().to_owned().into());
            }
            Err(message) => {
                self.problems.push(Problem::new(path, message));
                // Its reader has nothing to complain about then.
                *node.get_mut() = DeValue::String("".into());
            }
        }
    }

    fn relocate(&mut self, kind: &str, value: &mut DeValue<'_>, path: &str) {
        match value {
            DeValue::String(text) => {
                if let Some(moved) = relocated(kind, text, self.folder) {
                    // The root of all keys is read at the start alone, and lies beside a database
                    // whose folder is never quiet.
                    if matches!(kind, "file" | "icon") && path != "server.secret.file" {
                        self.files.push(moved.clone().into());
                    }
                    *text = moved.into();
                }
            }
            DeValue::Array(array) => {
                for element in array.iter_mut() {
                    self.relocate(kind, element.get_mut(), path);
                }
            }
            _ => {}
        }
    }
}

/// The text with its path seen from `folder`; `None`: it has none, or stays as it is.
fn relocated(kind: &str, text: &str, folder: &Path) -> Option<String> {
    let (front, path) = match kind {
        "file" | "socket" | "unwatched" => ("", text),
        "icon" if text.contains(['/', '.']) => ("", text),
        "mail" => {
            let path = text.strip_prefix("file:")?;
            ("file:", path.strip_prefix("//").unwrap_or(path))
        }
        "sqlite" => ("sqlite://", text.strip_prefix("sqlite://")?),
        "unix" => ("unix:", text.strip_prefix("unix:")?),
        _ => return None,
    };
    if path.is_empty() {
        return None;
    }
    let path: PathBuf = folder.join(path);
    Some(format!("{front}{}", path.to_str()?))
}

fn elements<'s>(schema: &'s Value, key: &str) -> impl Iterator<Item = &'s Value> {
    schema
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether a table is of the strategy that this schema is about; other values always are.
fn is_for(schema: &Value, value: &DeValue<'_>) -> bool {
    let strategy = schema.pointer("/properties/strategy");
    let names = |given: &str| {
        let is = |name: &Value| name.as_str() == Some(given);
        let one = strategy.and_then(|one| one.get("const")).is_some_and(is);
        let several = strategy.and_then(|several| several.get("enum"));
        let several = several.and_then(Value::as_array);
        one || several.is_some_and(|all| all.iter().any(is))
    };
    if strategy.is_none() {
        return true;
    }
    match value {
        DeValue::Table(table) => table
            .get("strategy")
            .and_then(|given| given.get_ref().as_str())
            .is_some_and(names),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, SchemaGenerator};

    use super::*;
    use crate::secret::Secret;

    /// What a strategy's settings look like.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        client_secret: Secret,
        #[serde(default)]
        more: Vec<Secret>,
    }

    fn read(text: &str, variable: Option<&'static str>) -> (Result<Config, String>, Vec<Problem>) {
        let mut generator = SchemaGenerator::new(
            schemars::generate::SchemaSettings::default().with(|settings| {
                settings.inline_subschemas = true;
            }),
        );
        let schema = generator.root_schema_for::<Config>().to_value();
        let environment = Environment::of([("TOKEN", "from the environment")]);
        let mut source = Source::new("config.toml", text);
        let mut root = toml::de::DeTable::parse(text).unwrap().into_inner();
        if let Some(raw) = variable {
            let (value, span) = source.overlay("VARIABLE", raw);
            root.insert(toml::Spanned::new(span(0), "client_secret".into()), value);
        }
        let mut marks = Marks {
            root: &schema,
            source: &source,
            folder: Path::new("/nowhere"),
            environment: &environment,
            files: Vec::new(),
            secret_files: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut node = toml::Spanned::new(0..0, DeValue::Table(root));
        marks.apply(&schema, &mut node, &mut "connections.a".to_owned());
        let config = Config::deserialize(ValueDeserializer::from(node));
        (
            config.map_err(|error| error.message().to_owned()),
            marks.problems,
        )
    }

    #[test]
    fn a_strategy_finds_its_secrets_in_place() {
        let text = "client_secret = { env = 'TOKEN' }\nmore = ['a', { env = 'TOKEN' }]";
        let (config, problems) = read(text, None);
        let config = config.unwrap();
        assert!(problems.is_empty());
        assert_eq!(config.client_secret.expose(), "from the environment");
        assert_eq!(config.more[0].expose(), "a");
        assert_eq!(config.more[1].expose(), "from the environment");
        for (variable, secret) in [
            ("1234", "1234"),
            ("true", "true"),
            ("[a]", "[a]"),
            ("a \"b", "a \"b"),
            ("{ env = 'TOKEN' }", "from the environment"),
        ] {
            let (config, _) = read("", Some(variable));
            assert_eq!(config.unwrap().client_secret.expose(), secret);
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_once() {
        for (secret, says) in [
            ("{ env = 'NONE' }", "NONE is not set"),
            ("{ file = 'keys/a' }", "/nowhere/keys/a cannot be read"),
            ("''", "empty"),
        ] {
            let (config, problems) = read(&format!("client_secret = {secret}"), None);
            assert!(config.is_ok());
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].key, "connections.a.client_secret");
            assert!(problems[0].message.contains(says), "{problems:?}");
        }
        let (config, problems) = read("client_secret = 5", None);
        assert!(config.unwrap_err().contains("expected a string, { env"));
        assert!(problems.is_empty());
    }
}
