//! Values that must not be seen: they cannot be printed, compared by `==` or serialized.
//!
//! The configuration has a secret as its text, as the name of an environment variable or as that
//! of a file: [`SecretRef`]. A strategy's settings have a [`Secret`] in that place: the loader puts
//! the text there before the strategy reads its table, so only one part opens files and reads
//! variables. No error says what a secret is, only where it was looked for.

use std::{
    fmt, io,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::environment::Environment;

/// A secret text. `Debug` hides it, dropping it wipes it.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Every call site is a place where it could leak.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SecretRef::deserialize(deserializer)? {
            SecretRef::Value(secret) => Ok(secret),
            SecretRef::Env(_) | SecretRef::File(_) => {
                Err(D::Error::custom("the secret is not there"))
            }
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    /// The same as a [`SecretRef`]; the mark tells the loader to put the text in its place.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = SecretRef::json_schema(generator);
        schema.insert("x-vestibule".to_owned(), "secret".into());
        schema
    }
}

/// Where a secret is: `"the text"`, `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`.
#[derive(Clone, Debug)]
pub(crate) enum SecretRef {
    Env(String),
    File(PathBuf),
    Value(Secret),
}

/// The longest secret file; keys and certificates are a few kilobytes.
const MOST_BYTES: u64 = 64 << 10;

impl SecretRef {
    /// Fetches the secret. The error says what is wrong with the place and never what is in it.
    pub(crate) fn resolve(&self, environment: &Environment) -> Result<Secret, String> {
        match self {
            Self::Value(secret) if secret.expose().is_empty() => {
                Err("the secret is empty".to_owned())
            }
            Self::Value(secret) => Ok(secret.clone()),
            Self::Env(name) => match environment.variable(name) {
                None => Err(format!("the environment variable {name} is not set")),
                Some(Err(_)) => Err(format!("the environment variable {name} is not UTF-8")),
                Some(Ok("")) => Err(format!("the environment variable {name} is empty")),
                Some(Ok(text)) => Ok(Secret::new(text.to_owned())),
            },
            Self::File(path) => from_file(path).map_err(|error| match error {
                FileError::Io(error) => format!("{} cannot be read: {error}", path.display()),
                FileError::Unfit(why) => format!("{} {why}", path.display()),
            }),
        }
    }
}

/// Why there is no secret in a file.
enum FileError {
    Io(io::Error),
    Unfit(String),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a secret of which only its owner may know. One newline at the end is cut: editors and
/// `echo` put it there.
fn from_file(path: &Path) -> Result<Secret, FileError> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileError::Unfit("is not a file".to_owned()));
    }
    let file = std::fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o066 != 0 && !is_mounted(path) {
        return Err(FileError::Unfit(format!(
            "is open to others than its owner: its mode is {mode:04o}, and 0600 would be right"
        )));
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(MOST_BYTES + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(FileError::Unfit("is not UTF-8".to_owned()));
        }
        read => read?,
    };
    if text.len() as u64 > MOST_BYTES {
        return Err(FileError::Unfit("is too large for a secret".to_owned()));
    }
    let cut = text.strip_suffix('\n').unwrap_or(&text);
    let cut = cut.strip_suffix('\r').unwrap_or(cut);
    if cut.is_empty() {
        return Err(FileError::Unfit("is empty".to_owned()));
    }
    Ok(Secret::new(cut.to_owned()))
}

/// Docker and Kubernetes mount secrets here, for this process alone, and set the mode themselves.
fn is_mounted(path: &Path) -> bool {
    path.starts_with("/run/secrets") && !path.components().any(|part| part == Component::ParentDir)
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

struct RefVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PlaceKey {
    Env,
    File,
}

impl<'de> Visitor<'de> for RefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, { env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_str<E>(self, text: &str) -> Result<SecretRef, E> {
        Ok(SecretRef::Value(Secret::new(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let Some(key) = map.next_key()? else {
            return Err(A::Error::custom("expected env or file in the table"));
        };
        let place = match key {
            PlaceKey::Env => SecretRef::Env(map.next_value()?),
            PlaceKey::File => SecretRef::File(map.next_value()?),
        };
        match map.next_key::<PlaceKey>()? {
            None => Ok(place),
            Some(_) => Err(A::Error::custom("a secret has one place: env or file")),
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let table = |key: &str, value: serde_json::Value| {
            serde_json::json!({
                "type": "object",
                "properties": { key: value },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "A secret: its text, an environment variable or a file.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                table("env", serde_json::json!({ "type": "string" })),
                table("file", serde_json::json!({ "type": "string", "x-vestibule": "file" })),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(folder: &Path, text: &[u8], mode: u32) -> SecretRef {
        let path = folder.join("secret");
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretRef::File(path)
    }

    #[test]
    fn a_secret_is_found_where_it_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::of([("TOKEN", "from the environment"), ("NONE", "")]);
        let found = |place: &SecretRef| place.resolve(&environment);
        for (text, expected) in [
            ("s = 'as written'", "as written"),
            ("s = { env = 'TOKEN' }", "from the environment"),
        ] {
            let table: std::collections::BTreeMap<String, SecretRef> =
                toml::from_str(text).unwrap();
            assert_eq!(found(&table["s"]).unwrap().expose(), expected);
        }
        for (text, expected) in [
            ("a b", "a b"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
        ] {
            let place = file(folder.path(), text.as_bytes(), 0o600);
            assert_eq!(found(&place).unwrap().expose(), expected);
        }
        for (place, says) in [
            (SecretRef::Env("ABSENT".to_owned()), "ABSENT is not set"),
            (SecretRef::Env("NONE".to_owned()), "NONE is empty"),
            (SecretRef::Value(Secret::new(String::new())), "is empty"),
            (
                SecretRef::File(folder.path().join("absent")),
                "absent cannot be read",
            ),
            (SecretRef::File(folder.path().to_owned()), "is not a file"),
        ] {
            let error = found(&place).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
            let error = file(folder.path(), b"canary", mode)
                .resolve(&environment)
                .unwrap_err();
            assert!(error.contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.contains("canary"));
        }
        for (text, says) in [
            (&b"\n"[..], "is empty"),
            (b"can\xffary", "not UTF-8"),
            (&vec![b'c'; 70_000], "too large"),
        ] {
            let error = file(folder.path(), text, 0o600)
                .resolve(&environment)
                .unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(
            file(folder.path(), b"canary", 0o400)
                .resolve(&environment)
                .is_ok()
        );
        assert!(is_mounted(Path::new("/run/secrets/a")));
        assert!(!is_mounted(Path::new("/run/secrets/../b")));
        assert!(!is_mounted(Path::new("/run/secretsx")));
    }

    #[test]
    fn nothing_shows_it() {
        let shown = format!("{:?}", SecretRef::Value(Secret::new("canary".to_owned())));
        assert!(!shown.contains("canary"), "{shown}");
        for text in [
            "s = 'canary'\ns2 = 1",
            "s = { value = 'canary' }",
            "s = ['canary']",
        ] {
            let read = toml::from_str::<std::collections::BTreeMap<String, SecretRef>>(text);
            assert!(!read.unwrap_err().message().contains("canary"));
        }
    }
}
