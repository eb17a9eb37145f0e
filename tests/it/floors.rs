//! Who may import whom. The list is the whole rule: a module imports only modules to its left.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the words to the assembly; modules of one floor see each other in this order too.
const FLOORS: &[&[&str]] = &[
    // words
    &[
        "environment",
        "secret",
        "clock",
        "random",
        "metrics",
        "units",
        "problem",
        "identity",
    ],
    // pure
    &["crypto", "protocol", "text"],
    // ports
    &["store", "egress", "mail", "sms"],
    // ways in
    &["connection", "user"],
    // memory
    &["keys", "session"],
    // decisions
    &["policy", "headers", "route", "gate"],
    // steps
    &["flow", "page"],
    // edge
    &["proxy"],
    // assembly
    &["config", "app", "cli", "main"],
];

/// Folders of `connection` that are no strategy: what several of them stand on.
const SHARED: &[&str] = &["certificate", "database", "federation", "foreign", "oauth"];

/// The root's own files: they list the modules and may name any of them.
const ROOTS: &[&str] = &["lib", "main"];

#[test]
fn a_module_imports_only_modules_to_its_left() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        for import in imports(&text) {
            match (rank(&module), rank(&import)) {
                (Some(own), Some(other)) if other > own => {
                    wrong.push(format!("{}: {module} imports {import}", file.display()));
                }
                (None, _) => wrong.push(format!("{}: {module} stands on no floor", file.display())),
                (_, None) => wrong.push(format!("{}: {import} stands on no floor", file.display())),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn strategies_do_not_import_each_other() {
    let mut wrong = Vec::new();
    for (file, _, text) in sources() {
        let Some(own) = strategy(&file) else { continue };
        for (at, _) in text.match_indices("connection::") {
            let other = word(&text[at + "connection::".len()..]);
            if other.is_empty() {
                continue;
            }
            let is_strategy =
                source_root().join("connection").join(other).is_dir() && !SHARED.contains(&other);
            let from_catalog = own == "catalog" && ["oauth2", "oidc"].contains(&other);
            if is_strategy && other != own && !from_catalog {
                wrong.push(format!("{}: {own} imports {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_edge_names_pingora() {
    let outside = sources().into_iter().filter(|(file, module, text)| {
        let names_it = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.match_indices("pingora")
                .any(|(at, _)| code[at + word(&code[at..]).len()..].starts_with("::"))
        });
        // `app` starts pingora's server, in which the edge is a service
        names_it && !["proxy", "app"].contains(&module.as_str()) && !file.ends_with("tests.rs")
    });
    let files: Vec<_> = outside
        .map(|(file, ..)| file.display().to_string())
        .collect();
    assert!(
        files.is_empty(),
        "pingora outside src/proxy: {}",
        files.join(", ")
    );
}

#[test]
fn only_egress_makes_an_http_client() {
    let outside = sources().into_iter().filter(|(_, module, text)| {
        module != "egress" && (text.contains("reqwest::") || text.contains("hyper::"))
    });
    let files: Vec<_> = outside
        .map(|(file, ..)| file.display().to_string())
        .collect();
    assert!(
        files.is_empty(),
        "an HTTP client outside src/egress: {}",
        files.join(", ")
    );
}

#[test]
fn the_guard_sees_every_way_to_write_an_import() {
    let text = "use crate::{clock::Clock, store::{self, Event}, secret::Secret};\n\
                fn f() { crate::user::find(); }\n\
                // crate::proxy in a comment, [`crate::flow`] in prose\n\
                pub(crate) use crate::session as s;\n\
                pub(in crate::session) fn g() {}";
    let mut found = imports(text);
    found.sort();
    assert_eq!(found, ["clock", "secret", "session", "store", "user"]);
}

fn rank(module: &str) -> Option<usize> {
    FLOORS
        .iter()
        .flat_map(|floor| floor.iter())
        .position(|name| *name == module)
}

/// Every source file with its top module and its text. Unit tests may reach anywhere.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut folders = vec![source_root()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && !path.ends_with("tests.rs")
            {
                let inside = path.strip_prefix(source_root()).unwrap();
                let first = inside
                    .components()
                    .next()
                    .unwrap()
                    .as_os_str()
                    .to_string_lossy();
                let module = first.trim_end_matches(".rs").to_owned();
                if ROOTS.contains(&module.as_str()) || module == "threats" {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let text = text
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap()
                    .to_owned();
                found.push((path, module, text));
            }
        }
    }
    assert!(found.len() > 10, "the sources are not where they should be");
    found
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The strategy whose folder a file is in.
fn strategy(file: &Path) -> Option<&str> {
    let inside = file.strip_prefix(source_root().join("connection")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let found = source_root().join("connection").join(first).is_dir();
    (found && !SHARED.contains(&first)).then(|| {
        file.strip_prefix(source_root().join("connection"))
            .ok()?
            .iter()
            .next()?
            .to_str()
    })?
}

/// The top modules that a text names behind `crate::`, comments and visibilities aside.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].trim_end();
        if before.ends_with("(in") || before.ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_names(list)),
            None => found.push(word(rest).to_owned()),
        }
    }
    found
}

/// The names at the first level of a braced list, which starts behind its brace.
fn top_names(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, true, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                found.push(word(&list[at..]).to_owned());
                start = false;
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}
