//! From the path of a file to typed settings, or to everything that is wrong with them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer, Error},
};
use zeroize::Zeroizing;

use super::{
    check,
    inspect::{Findings, Inspector},
    overlay::{self, Environment},
    report::{Finding, Place, Places, Report},
    root::{ConnectionFile, File},
    secret_file,
    server::{AdminConfig, ServerConfig, StorageConfig, StorageUrl},
    shape::Shapes,
    tree::{self, Source, at, join},
};
use crate::{
    connection::{Common, registry::Strategy},
    crypto,
    identity::ConnectionId,
    problem::Problem,
    random::Random,
    secret::Secret,
};

/// Where the root of all keys is when nothing is said about it.
const SECRET: &str = "data/secret";

/// A configuration that can be built from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) file: File,
    /// Where each key stands, for what the parts find wrong when they are built.
    pub(crate) places: Places,
    /// The folder that relative paths begin in.
    pub(crate) base: PathBuf,
    /// The file of `server.secret` that does not exist yet.
    missing_secret: Option<PathBuf>,
}

impl Loaded {
    /// The root of all keys; made at the first start with SQLite, and kept in `file` from then on.
    /// Nothing is written before this is called, so a mere check leaves no traces.
    pub(crate) fn root_secret(&mut self, random: &dyn Random) -> Result<Secret, Report> {
        if let Some(secret) = &self.file.server.secret {
            return Ok(secret.clone());
        }
        let default = self.base.join(SECRET);
        let path = self.missing_secret.as_deref().unwrap_or(&default);
        let made = secret_file::make(path, random);
        let secret = made.map_err(|problem| self.places.report(vec![problem]))?;
        self.file.server.secret = Some(secret.clone());
        Ok(secret)
    }

    /// Where a key stands: `routes[2].allow[0]`.
    pub(crate) fn line_of(&self, key: &str) -> Place {
        self.places.of(key)
    }
}

/// Reads the file at `path` with the environment laid over it. Relative paths in it begin in its
/// folder.
pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let text = tree::read(path, &name)?;
    // Symbolic links are left alone: the folder is the one that the operator names.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let base = std::path::absolute(folder.unwrap_or(Path::new(".")));
    let base = base.map_err(|error| Report::of_file(&name, error.to_string(), None))?;
    from_text(&name, &text, base, environment)
}

/// A configuration without a file: one route to this application or to the demo page, one
/// connection, data below the working directory `base`, and nobody else can come in from outside.
pub(crate) fn trial(
    upstream: Option<&str>,
    base: &Path,
    environment: &Environment,
) -> Result<Loaded, Report> {
    let upstream = toml::Value::from(upstream.unwrap_or("builtin:demo"));
    let text = Zeroizing::new(format!(
        "[server]\n\
         listen = [\"127.0.0.1:8080\"]\n\
         public_url = \"http://localhost:8080\"\n\
         [storage]\n\
         url = \"sqlite://data/vestibule.db\"\n\
         [connections.members]\n\
         strategy = \"database\"\n\
         signup = false\n\
         [[routes]]\n\
         upstream = {upstream}\n"
    ));
    from_text("trial", &text, base.to_owned(), environment)
}

fn from_text(
    name: &str,
    text: &str,
    base: PathBuf,
    environment: &Environment,
) -> Result<Loaded, Report> {
    let mut source = Source::new(name, text);
    let mut root = source.parse()?;
    let shapes = Shapes::new();
    let mut findings = Findings::default();
    overlay::apply(&mut root, environment, &shapes, &mut source, &mut findings);
    let places = source.places(&root);
    let missing_secret = take_missing_secret(&mut root, &base);
    let mut inspector = Inspector {
        base: &base,
        environment,
        shapes: &shapes,
        findings: &mut findings,
    };
    inspector.root(&mut root);
    let mut reader = Reader {
        findings: &mut findings,
    };
    let file = reader.file(root, &base);
    let mut found: Vec<Finding> = (findings.0.into_iter())
        .map(|(offset, problem)| {
            let place = source.place(offset);
            Finding { place, problem }
        })
        .collect();
    // Beside a mistake in one of the values, whether they fit together is not known yet.
    if found.is_empty() {
        let mut problems = check::problems(&file);
        problems.extend(secret_problem(&file, missing_secret.as_deref()));
        found = places.report(problems).findings;
    }
    if found.is_empty() {
        let loaded = Loaded {
            file,
            places,
            base,
            missing_secret,
        };
        return Ok(loaded);
    }
    Err(Report::new(name, found))
}

/// A `server.secret` in a file that does not exist is made later, so it is no mistake yet.
fn take_missing_secret(root: &mut DeTable<'_>, base: &Path) -> Option<PathBuf> {
    let server = match root.get_mut("server").map(Spanned::get_mut) {
        Some(DeValue::Table(server)) => server,
        Some(_) => return None,
        None => return default_secret(base),
    };
    let Some(secret) = server.get("secret") else {
        return default_secret(base).inspect(|_| ()).or_else(|| {
            let file = Spanned::new(0..0, DeValue::String(SECRET.into()));
            let key = Spanned::new(0..0, "file".into());
            let table: DeTable<'_> = [(key, file)].into_iter().collect();
            let secret = Spanned::new(0..0, DeValue::Table(table));
            server.insert(Spanned::new(0..0, "secret".into()), secret);
            None
        });
    };
    let table = secret.get_ref().as_table().filter(|table| table.len() == 1)?;
    let path = base.join(table.get("file")?.get_ref().as_str()?);
    if path.try_exists().unwrap_or(true) {
        return None;
    }
    server.remove("secret");
    Some(path)
}

fn default_secret(base: &Path) -> Option<PathBuf> {
    let path = base.join(SECRET);
    (!path.try_exists().unwrap_or(true)).then_some(path)
}

fn secret_problem(file: &File, missing: Option<&Path>) -> Option<Problem> {
    match (&file.server.secret, missing, &file.storage.url) {
        (Some(secret), _, _) => secret_file::strength(secret).err(),
        // One process alone uses SQLite, so it may make its own; several must be given the same.
        (None, _, StorageUrl::Sqlite(_)) => None,
    }
}

/// serde's part: typed settings out of tables that have the right keys.
struct Reader<'a> {
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn file(&mut self, mut root: DeTable<'_>, base: &Path) -> File {
        let mut admin: AdminConfig = self.section(&mut root, "admin");
        admin.socket = base.join(&admin.socket);
        let mut storage: StorageConfig = self.section(&mut root, "storage");
        let StorageUrl::Sqlite(path) = &mut storage.url;
        *path = base.join(&*path);
        let server: ServerConfig = self.section(&mut root, "server");
        File {
            server,
            admin,
            storage,
            session: self.section(&mut root, "session"),
            log: self.section(&mut root, "log"),
            pages: self.section(&mut root, "pages"),
            connections: self.connections(&mut root),
            routes: self.routes(&mut root),
        }
    }

    fn section<T: Default + DeserializeOwned>(&mut self, root: &mut DeTable<'_>, key: &str) -> T {
        let Some(value) = root.remove(key) else {
            return T::default();
        };
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            return T::default();
        };
        let read = self.read(Spanned::new(span, table), key, T::deserialize);
        read.unwrap_or_default()
    }

    fn connections(
        &mut self,
        root: &mut DeTable<'_>,
    ) -> BTreeMap<ConnectionId, ConnectionFile> {
        let Some(DeValue::Table(all)) = root.remove("connections").map(Spanned::into_inner) else {
            return BTreeMap::new();
        };
        all.into_iter()
            .filter_map(|(name, value)| {
                let id: ConnectionId = name.get_ref().parse().ok()?;
                let span = value.span();
                let DeValue::Table(table) = value.into_inner() else {
                    return None;
                };
                let path = join("connections", id.as_str());
                let connection = self.connection(Spanned::new(span, table), &path)?;
                Some((id, connection))
            })
            .collect()
    }

    /// In two steps: the common keys, then what is left, by the strategy's own type.
    fn connection(
        &mut self,
        mut own: Spanned<DeTable<'_>>,
        path: &str,
    ) -> Option<ConnectionFile> {
        let fingerprint = fingerprint(own.get_ref());
        let span = own.span();
        let name = own.get_mut().remove("strategy")?;
        let strategy = Strategy::find(name.get_ref().as_str()?)?;
        let common: DeTable<'_> = Common::KEYS
            .iter()
            .filter_map(|key| own.get_mut().remove_entry(*key))
            .collect();
        let common = self.read(Spanned::new(span, common), path, Common::deserialize);
        let settings = self.read(own, path, strategy.parse);
        Some(ConnectionFile {
            common: common?,
            strategy: strategy.name,
            settings: settings?,
            fingerprint,
        })
    }

    fn routes(&mut self, root: &mut DeTable<'_>) -> Vec<crate::route::Config> {
        let Some(DeValue::Array(all)) = root.remove("routes").map(Spanned::into_inner) else {
            return Vec::new();
        };
        all.into_iter()
            .enumerate()
            .filter_map(|(number, value)| {
                let span = value.span();
                let DeValue::Table(table) = value.into_inner() else {
                    return None;
                };
                let path = at("routes", number);
                self.read(Spanned::new(span, table), &path, crate::route::Config::deserialize)
            })
            .collect()
    }

    /// Reads one table. A value that its type refuses is reported and left out, and the rest is
    /// read again, so that one mistake does not hide the next.
    fn read<'de, T>(
        &mut self,
        mut table: Spanned<DeTable<'de>>,
        path: &str,
        parse: impl Fn(Deserializer<'de>) -> Result<T, Error>,
    ) -> Option<T> {
        loop {
            let error = match parse(table.clone().into()) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            // Whatever was needed and is gone was reported when it was taken out.
            let missing = error.message().starts_with("missing field");
            if missing && !self.findings.0.is_empty() {
                return None;
            }
            let span = error.span().unwrap_or_else(|| table.span());
            let cut = tree::cut(table.get_mut(), &span, path);
            let key = cut.clone().unwrap_or_else(|| path.to_owned());
            let problem = Problem::new(key, unrepeated(error.message()));
            self.findings.push(span.start, problem);
            cut.as_ref()?;
        }
    }
}

use serde::Deserialize as _;

/// The part of serde's message that holds nothing of the value: it could be a secret in the wrong
/// place.
fn unrepeated(message: &str) -> String {
    let repeats = ["invalid type", "invalid value", "invalid length", "unknown variant", "unknown field"];
    let message = message.trim_end();
    if repeats.iter().any(|start| message.starts_with(start)) {
        match message.rsplit_once(", expected ") {
            Some((_, expected)) => format!("{expected} is expected"),
            None => "this does not fit here".to_owned(),
        }
    } else if message.starts_with("data did not match any variant") {
        "this does not fit here".to_owned()
    } else {
        message.to_owned()
    }
}

/// A number that changes with anything in these tables.
fn fingerprint(table: &DeTable<'_>) -> u64 {
    let mut bytes = Zeroizing::new(Vec::new());
    write_table(table, &mut bytes);
    let [a, b, c, d, e, f, g, h, ..] = crypto::sha256(&bytes);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn write_table(table: &DeTable<'_>, bytes: &mut Vec<u8>) {
    bytes.push(b'{');
    for (key, value) in table {
        write_text(key.get_ref(), bytes);
        write_value(value.get_ref(), bytes);
    }
    bytes.push(b'}');
}

fn write_value(value: &DeValue<'_>, bytes: &mut Vec<u8>) {
    match value {
        DeValue::Array(items) => {
            bytes.push(b'[');
            for item in items.iter() {
                write_value(item.get_ref(), bytes);
            }
            bytes.push(b']');
        }
        DeValue::Table(table) => write_table(table, bytes),
        DeValue::String(text) => write_text(text, bytes),
        DeValue::Boolean(yes) => bytes.push(if *yes { b'+' } else { b'-' }),
        DeValue::Integer(number) => write_text(number.as_str(), bytes),
        DeValue::Float(number) => write_text(number.as_str(), bytes),
        DeValue::Datetime(time) => write_text(&time.to_string(), bytes),
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(b'"');
    bytes.extend_from_slice(&text.len().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
