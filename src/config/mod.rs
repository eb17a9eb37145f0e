//! The configuration: `config.toml`, the environment on top of it, and what both mean.
//!
//! It is read in this order. The text becomes a tree whose values know where they stand
//! ([`source`]). Variables are put over it ([`overlay`]). Paths are made relative to the folder of
//! the file and secrets are fetched ([`marks`]). Each table is read into its type ([`reader`],
//! [`connections`]): [`File`] is what the operator wrote. Then everything is parsed and
//! checked against the rest ([`build`]): [`Settings`] is what it means. Mistakes are collected on
//! the way and shown all at once with their lines.
//!
//! Connections and routes are opened by others, who find more mistakes: [`Loaded::report`] gives
//! these their lines, too.

mod build;
mod connections;
pub(crate) mod file;
mod listeners;
mod marks;
mod overlay;
mod reader;
mod report;
mod root_secret;
mod schema;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod trial;
mod watch;
mod words;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(crate) use self::{
    file::{ClientCertificates, LogFormat, Serves},
    report::Report,
    schema::{forget as forget_schema, schema},
    settings::{Address, ConnectionEntry, Listener, SessionStore, Settings},
    watch::{Watcher, watch},
};
use self::{
    file::{DEFAULT_SECRET, DEFAULT_SOCKET, File},
    marks::Marks,
    reader::{Reader, unknown_key},
    source::{Node, Place, Places, Source},
};
use crate::{environment::Environment, problem::Problem, store::sql};

/// A configuration and the lines of its keys.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// The files it came from and those it names, for [`mod@watch`]: another content of one of them
    /// means another configuration.
    pub(crate) files: Vec<PathBuf>,
    places: Places,
}

impl Loaded {
    /// Gives lines to problems that were found later. There must be at least one.
    pub(crate) fn report(&self, problems: Vec<Problem>) -> Report {
        Report::new(&self.places, problems)
    }
}

/// What others find wrong with settings.
pub(crate) type Also<'a> = &'a dyn Fn(&Settings) -> Vec<Problem>;

/// The largest file: 10,000 connections have one megabyte.
const MOST_BYTES: u64 = 8 << 20;

/// Reads a file, with the variables of `environment` on top.
///
/// `also` says what the parts that are built from the settings find wrong with them, so that all
/// mistakes are told at once.
pub(crate) fn load(
    path: &Path,
    environment: &Environment,
    also: Also<'_>,
) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let refuse = |message: String| Report::at(&name, Place::File, Problem::new("", message));
    let file = fs::File::open(path).map_err(|error| {
        let problem = Problem::new("", format!("the file cannot be read: {error}"))
            .hint("name another with --config, or try without one by --upstream URL");
        Report::at(&name, Place::File, problem)
    })?;
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| refuse(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        let most = MOST_BYTES >> 20;
        return Err(refuse(format!("the file has more than {most} MiB")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let sound = String::from_utf8_lossy(sound);
        let place = Source::new(&name, &sound).place(&(sound.len()..sound.len()));
        Report::at(
            &name,
            place,
            Problem::new("", "the file is not UTF-8 from here"),
        )
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut loaded = parse(text, &name, (&folder, environment), also)?;
    loaded.files.push(path.to_owned());
    Ok(loaded)
}

/// Reads a text. `name` is what the file is called in messages, and relative paths begin at
/// `folder`.
pub(crate) fn parse(
    text: &str,
    name: &str,
    (folder, environment): (&Path, &Environment),
    also: Also<'_>,
) -> Result<Loaded, Report> {
    let mut source = Source::new(name, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_errors(&source, &errors));
    }
    let mut root = root.into_inner();
    let unplaced = overlay::overlay(&mut root, &mut source, environment);
    let places = source.places(&root);
    put_defaults(&mut root);

    let schema = schema::marked();
    let mut marks = Marks {
        root: &schema,
        source: &source,
        folder,
        environment,
        files: Vec::new(),
        secret_files: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut root = Spanned::new(0..0, DeValue::Table(root));
    marks.apply(&schema, &mut root, &mut String::new());
    let (files, mut problems) = (marks.files, marks.problems);

    let mut reader = Reader::new(&source);
    reader.secret_files = marks.secret_files;
    let file = read(&mut reader, root);
    add_new(&mut problems, reader.problems);
    let is_sound = problems.is_empty() && unplaced.is_empty();
    // What could not be read has its default here, so the others are checked as well. What is
    // wrong with a default is no mistake of its own.
    let settings = match build::build(file, environment, is_sound) {
        Ok(settings) => {
            let lost = problems
                .iter()
                .any(|one| one.key.starts_with("connections"));
            let mut more = also(&settings);
            // A connection that could not be read is missing only because of its own mistake.
            more.retain(|one| !lost || !one.key.contains("].connections["));
            add_new(&mut problems, more);
            Some(settings)
        }
        Err(more) => {
            add_new(&mut problems, more);
            None
        }
    };
    match settings {
        Some(settings) if is_sound && problems.is_empty() => Ok(Loaded {
            settings,
            files,
            places,
        }),
        _ => {
            let mut report = Report::new(&places, problems);
            report.add(unplaced);
            Err(report)
        }
    }
}

/// Adds the problems of keys that have none yet.
fn add_new(problems: &mut Vec<Problem>, more: Vec<Problem>) {
    let known: HashSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    let new = |problem: &Problem| !known.contains(&problem.key);
    problems.extend(more.into_iter().filter(new));
}

fn syntax_errors(source: &Source<'_>, errors: &[toml::de::Error]) -> Report {
    let findings = errors.iter().take(20).map(|error| {
        let place = error.span().map_or(Place::File, |span| source.place(&span));
        // Only the message: the whole error would show the line, and a secret may be in it.
        (place, Problem::new("", error.message().trim_end()))
    });
    let mut report = Report::new(&Places::nowhere(source.name), Vec::new());
    report.add(findings.collect());
    report
}

/// Puts the paths in that hold when nobody says so: they begin at the same folder as the others.
fn put_defaults(root: &mut DeTable<'_>) {
    let file = |path: &'static str| {
        let path = Spanned::new(0..0, DeValue::String(path.into()));
        DeValue::Table(
            [(Spanned::new(0..0, "file".into()), path)]
                .into_iter()
                .collect(),
        )
    };
    for (table, key, value) in [
        ("server", "secret", file(DEFAULT_SECRET)),
        ("admin", "socket", DeValue::String(DEFAULT_SOCKET.into())),
        ("storage", "url", DeValue::String(sql::DEFAULT_URL.into())),
    ] {
        let table = root
            .entry(Spanned::new(0..0, table.into()))
            .or_insert_with(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
        if let DeValue::Table(table) = table.get_mut() {
            let key = Spanned::new(0..0, key.into());
            table.entry(key).or_insert(Spanned::new(0..0, value));
        }
    }
}

/// Reads every table of the root. What cannot be read is noted and has its default.
fn read<'i>(reader: &mut Reader<'_, 'i>, root: Node<'i>) -> File {
    let DeValue::Table(mut root) = root.into_inner() else {
        return File::default();
    };
    let version = root.remove("config_version");
    let config_version = version.and_then(|node| reader.read("config_version", node));
    let file = File {
        config_version,
        server: section(reader, &mut root, "server"),
        admin: section(reader, &mut root, "admin"),
        storage: section(reader, &mut root, "storage"),
        session: section(reader, &mut root, "session"),
        protection: section(reader, &mut root, "protection"),
        log: section(reader, &mut root, "log"),
        pages: section(reader, &mut root, "pages"),
        mail: section(reader, &mut root, "mail"),
        connections: file::Connections(
            root.remove("connections")
                .map(|node| connections::read(reader, node))
                .unwrap_or_default(),
        ),
        routes: routes(reader, &mut root),
    };
    for key in root.keys() {
        let (problem, _) = unknown_key(key.get_ref(), File::KEYS.into_iter());
        reader.problems.push(problem);
    }
    file
}

fn section<'i, T: serde::de::DeserializeOwned + Default>(
    reader: &mut Reader<'_, 'i>,
    root: &mut DeTable<'i>,
    key: &str,
) -> T {
    let table = root.remove(key);
    let is_table = |node: &Node<'_>| matches!(node.get_ref(), DeValue::Table(_));
    if table.as_ref().is_some_and(|node| !is_table(node)) {
        let problem = Problem::new(key, "expected a table");
        reader.problems.push(problem.hint(format!("write [{key}]")));
        return T::default();
    }
    table
        .and_then(|node| reader.read(key, node))
        .unwrap_or_default()
}

fn routes<'i>(reader: &mut Reader<'_, 'i>, root: &mut DeTable<'i>) -> Vec<crate::route::Config> {
    let Some(node) = root.remove("routes") else {
        return Vec::new();
    };
    let DeValue::Array(routes) = node.into_inner() else {
        let problem = Problem::new("routes", "expected an array of tables");
        reader.problems.push(problem.hint("write [[routes]]"));
        return Vec::new();
    };
    let numbered = routes.into_iter().enumerate();
    numbered
        .filter_map(|(index, node)| reader.read(&format!("routes[{index}]"), node))
        .collect()
}
