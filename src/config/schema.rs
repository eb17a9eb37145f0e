//! The JSON schema of `config.toml`, for editors and for the loader itself.

use std::sync::Arc;

use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::file::File;
use crate::connection::{
    Common,
    catalog::{self, Protocol},
    registry::{self, Strategy},
};

static MARKED: Mutex<Option<Arc<Value>>> = Mutex::new(None);

/// The schema with our own marks, which tell the loader what is a path and what is a secret.
pub(super) fn marked() -> Arc<Value> {
    let make = || {
        SchemaGenerator::default()
            .into_root_schema_for::<File>()
            .to_value()
    };
    let mut kept = MARKED.lock();
    Arc::clone(kept.get_or_insert_with(|| Arc::new(make())))
}

/// Lets go of the schema, which takes more than a megabyte, until a file is read again.
pub(crate) fn forget() {
    *MARKED.lock() = None;
}

/// The JSON schema of the whole file (draft 2020-12).
pub(crate) fn schema() -> Value {
    let mut schema = Value::clone(&marked());
    remove_marks(&mut schema);
    schema
}

fn remove_marks(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            keys.remove(super::marks::MARK);
            keys.values_mut().for_each(remove_marks);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_marks),
        _ => {}
    }
}

/// The schema of `[connections]`: for each strategy its own keys and the common ones in one table.
pub(super) fn connections(generator: &mut SchemaGenerator) -> Schema {
    let common = definition::<Common>(generator);
    let mut tables: Vec<Value> = registry::STRATEGIES
        .iter()
        .map(|strategy| {
            let own = (strategy.schema)(generator).to_value();
            let own = resolved(generator, &own);
            merged(&[strategy.name], &own, &common)
        })
        .collect();
    for protocol in Protocol::ALL {
        tables.push(presets(protocol, generator, &common));
    }
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z0-9-]{1,32}$" },
        "additionalProperties": { "type": "object", "oneOf": tables },
    })
}

/// The schema of a type, as it stands among the definitions.
fn definition<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let reference = generator.subschema_for::<T>().to_value();
    resolved(generator, &reference)
}

fn resolved(generator: &SchemaGenerator, schema: &Value) -> Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.rsplit('/').next())
        .and_then(|name| generator.definitions().get(name))
        .unwrap_or(schema)
        .clone()
}

/// One table for all providers of the catalogue that speak this: which of the variables one has, the
/// loader knows.
fn presets(protocol: Protocol, generator: &mut SchemaGenerator, common: &Value) -> Value {
    let speak = catalog::all().filter(|(_, entry)| entry.about.protocol == protocol);
    let names: Vec<&str> = speak.map(|(name, _)| name).collect();
    let own = Strategy::find(protocol.strategy()).map(|strategy| (strategy.schema)(generator));
    let own = own.map(|own| resolved(generator, &own.to_value()));
    let mut own = own.unwrap_or_default();
    if let Some(Value::Object(properties)) = own.get_mut("properties") {
        for (name, description) in catalog::variables(protocol) {
            let variable = json!({ "type": "string", "description": description });
            properties.insert(name.to_owned(), variable);
        }
    }
    merged(&names, &own, common)
}

fn merged(strategies: &[&str], own: &Value, common: &Value) -> Value {
    let keys = |schema: &Value| -> Map<String, Value> {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.cloned().unwrap_or_default()
    };
    let mut properties = keys(common);
    properties.extend(keys(own));
    let description = "How people sign in here.";
    let name = match strategies {
        [one] => json!({ "const": one, "description": description }),
        several => json!({ "enum": several, "description": description }),
    };
    properties.insert("strategy".to_owned(), name);
    let mut required = vec![json!("strategy")];
    required.extend(
        own.get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .cloned(),
    );
    json!({
        "title": strategies.first(),
        "description": own.get("description"),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
