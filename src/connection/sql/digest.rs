//! Hashes that do not say how they were made: the settings do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::connection::foreign::StoreFault;

/// How the hashes of a table were made, which have no mark of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digest {
    algorithm: Algorithm,
    /// How they are written: `hex` (default) or `base64`.
    #[serde(default)]
    encoding: HashEncoding,
    salt: Option<Salt>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    Md4,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum HashEncoding {
    Base64,
    #[default]
    Hex,
}

/// What was hashed with the password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Salt {
    /// The column that it is in.
    column: String,
    /// Whether it stands before the password (`prefix`, default) or after it (`suffix`).
    #[serde(default)]
    position: Position,
    /// How it is written: `utf8` (default), `hex` or `base64`.
    #[serde(default)]
    encoding: SaltEncoding,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum Position {
    #[default]
    Prefix,
    Suffix,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum SaltEncoding {
    Base64,
    Hex,
    #[default]
    Utf8,
}

impl Digest {
    /// The column with the salt.
    pub(super) fn column(&self) -> Option<&str> {
        self.salt.as_ref().map(|salt| salt.column.as_str())
    }

    /// Takes the salt out of a row: it is no claim.
    pub(super) fn salt_of(&self, row: &mut Map<String, Value>) -> Option<Value> {
        row.remove(&self.salt.as_ref()?.column)
    }

    /// The hash with the declaration, as it can be verified. One that has a mark of its own, as that
    /// of a new password has, stays as it is and needs no salt.
    pub(super) fn declare(&self, hash: &str, salt: Option<Value>) -> Result<String, StoreFault> {
        if has_mark(hash) {
            return Ok(hash.to_owned());
        }
        let mut declared = json!({
            "algorithm": self.algorithm,
            "hash": { "value": hash, "encoding": self.encoding },
        });
        if let (Some(set), Some(fields)) = (&self.salt, declared.as_object_mut()) {
            let Some(Value::String(salt)) = salt else {
                return Err(StoreFault::Misbehaved(format!(
                    "the column {:?} has no salt that is a text",
                    set.column
                )));
            };
            let part = json!({
                "value": salt,
                "encoding": set.encoding,
                "position": set.position,
            });
            fields.insert("salt".to_owned(), part);
        }
        Ok(format!("custom:{declared}"))
    }
}

/// Neither hexadecimal digits nor base 64 have these characters, and every mark has one of them.
fn has_mark(hash: &str) -> bool {
    hash.contains(['$', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_one_that_is_verified() {
        let digest: Digest =
            toml::from_str("algorithm = 'sha256'\nsalt = { column = 'salt', position = 'suffix' }")
                .unwrap();
        let mut row = Map::from_iter([("salt".to_owned(), Value::from("pepper"))]);
        let salt = digest.salt_of(&mut row);
        assert!(row.is_empty());
        let hash = "00".repeat(32);
        let declared = digest.declare(&hash, salt).unwrap();
        assert!(declared.contains("suffix") && declared.contains("pepper"));
        crate::crypto::check_hash(&declared).unwrap();
        for none in [None, Some(Value::Null), Some(Value::from(7))] {
            assert!(digest.declare(&hash, none).is_err());
        }
        for marked in ["$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "{SSHA}x"] {
            assert_eq!(digest.declare(marked, None).unwrap(), marked);
        }
        assert!(toml::from_str::<Digest>("algorithm = 'crc32'").is_err());
    }
}
