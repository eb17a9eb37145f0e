//! The keys that stores elsewhere have in common.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

/// Whether people move from the store to accounts that are kept here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Import {
    /// `true`: who signs in is asked of the store once.
    FromStore,
    /// `"finished"`: the store is not asked any more.
    Finished,
    /// `false`: the store is asked each time.
    #[default]
    No,
}

impl<'de> Deserialize<'de> for Import {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "true, false or \"finished\"")]
        enum Written {
            Flag(bool),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Flag(true) => Ok(Self::FromStore),
            Written::Flag(false) => Ok(Self::No),
            Written::Word(word) if word == "finished" => Ok(Self::Finished),
            Written::Word(_) => Err(D::Error::custom("import is true, false or \"finished\"")),
        }
    }
}

impl JsonSchema for Import {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Import".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "const": "finished" }] })
    }
}
