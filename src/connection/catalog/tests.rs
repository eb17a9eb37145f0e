//! The files are sound, and what they say is laid under and not over.

use std::{collections::BTreeSet, fs, path::Path};

use toml::{Spanned, de::DeTable};

use super::*;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connection/catalog/data")
}

#[test]
fn every_file_is_listed_once_and_can_be_read() {
    let files = fs::read_dir(folder()).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| {
            let path = file.unwrap().path();
            assert_eq!(path.extension().unwrap(), "toml");
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let listed: Vec<String> = names().map(str::to_owned).collect();
    assert_eq!(listed, files.into_iter().collect::<Vec<_>>());
    for file in &FILES {
        let read = toml::from_str::<Entry>(file.text);
        assert!(read.is_ok(), "{}: {}", file.name, read.unwrap_err());
        assert!(Strategy::of_its_own(file.name).is_none(), "{}", file.name);
    }
    assert_eq!(all().count(), FILES.len());
}

#[test]
fn every_file_says_where_it_is_from() {
    for (name, entry) in all() {
        let about = &entry.about;
        assert!(about.docs.starts_with("https://"), "{name}");
        assert!(
            !about.evidence.is_empty() && !about.name.is_empty(),
            "{name}"
        );
        for variable in entry.variables.keys() {
            let used = entry.text.contains(&format!("{{{variable}}}"));
            assert!(used, "{name}: {variable} is used nowhere");
        }
        let mut addresses = entry.text.lines().filter(|line| {
            [
                "issuer",
                "endpoint",
                "docs",
                "metadata_url = \"{",
                "metadata_url = \"h",
            ]
            .iter()
            .any(|key| line.starts_with(key))
        });
        let plain = addresses.find(|line| !line.contains("\"https://"));
        assert!(plain.is_none(), "{name}: {plain:?}");
    }
}

fn laid(name: &str, written: &str) -> Result<toml::Table, Vec<crate::problem::Problem>> {
    let mut table = DeTable::parse(written).unwrap().into_inner();
    entry(name)
        .unwrap()
        .lay_under(&mut table, &(0..0), |_| None)?;
    let node = Spanned::new(0..0, table);
    Ok(toml::Table::deserialize(toml::de::Deserializer::from(node)).unwrap())
}

#[test]
fn what_the_operator_writes_counts_more() {
    let google = laid("google", "client_id = 'x'\ndisplay_name = 'Ours'").unwrap();
    assert_eq!(google["display_name"].as_str(), Some("Ours"));
    assert_eq!(google["client_id"].as_str(), Some("x"));
    let issuer = google["issuer"].as_str();
    assert_eq!(issuer, Some("https://accounts.google.com"));
}

/// What the guide says about a provider, word by word.
fn row_of_the_guide(name: &str, entry: &Entry) -> String {
    let about = &entry.about;
    if let Some(why) = &about.retired {
        return format!("| {} | `{name}` | {why} |", about.name);
    }
    let needed = entry.needs.keys().map(|key| format!("`{key}`"));
    let keys = needed.chain(entry.variables.iter().map(|(key, variable)| {
        let mark = variable.default.as_ref().map_or("", |_| "?");
        format!("`{key}`{mark}")
    }));
    format!(
        "| [{}]({}) | `{name}` | `{}` | {} | {} |",
        about.name,
        about.docs,
        about.protocol.strategy(),
        keys.collect::<Vec<_>>().join(" "),
        about.evidence.concat(),
    )
}

#[test]
fn the_guide_lists_them_all() {
    let guide = include_str!("../../../docs/connections/catalog.md");
    let (_, table) = guide.split_once("## The providers").unwrap();
    let rows: BTreeSet<&str> = table.lines().filter(|line| line.contains("| `")).collect();
    let heads = rows.iter().filter(|row| row.contains("`strategy`")).count();
    for (name, entry) in all() {
        let row = row_of_the_guide(name, entry);
        assert!(rows.contains(row.as_str()), "write into the guide: {row}");
    }
    assert_eq!(rows.len() - heads, FILES.len());
}

#[test]
fn what_an_operator_has_to_bring() {
    for (name, gives_secret, needs_keys, addresses) in [
        ("google", true, false, Addresses::IfVerified),
        ("github", true, false, Addresses::IfVerified),
        ("facebook", true, false, Addresses::Unverified),
        ("apple", false, false, Addresses::IfVerified),
        ("id-porten", false, true, Addresses::IfVerified),
        ("ftn", false, true, Addresses::IfVerified),
        ("vk", false, false, Addresses::Unverified),
        ("entra", true, false, Addresses::Never),
        ("entra-wsfed", false, false, Addresses::Never),
    ] {
        let entry = entry(name).unwrap();
        assert_eq!(entry.gives_secret(), gives_secret, "{name}");
        assert_eq!(entry.needs_keys(), needs_keys, "{name}");
        assert_eq!(entry.addresses(), addresses, "{name}");
    }
    let problems = laid("apple", "client_id = 'x'\nteam_id = 'T'\nkey_id = 'K'").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("private_key is missing"));
    // Apple's file says in its name which key it is.
    let by_file = |name| {
        let written = "client_id = 'x'\nteam_id = 'T'\nprivate_key = 'read'";
        let mut table = DeTable::parse(written).unwrap().into_inner();
        let apple = entry("apple").unwrap();
        apple.lay_under(&mut table, &(0..0), |key| {
            (key == "private_key").then_some(name)
        })
    };
    assert!(by_file("AuthKey_ABC123DEFG.p8").is_ok());
    for name in [
        "key.p8",
        "AuthKey_.p8",
        "AuthKey_A B.p8",
        "AuthKey_ABC123DEFG.pem",
    ] {
        let problems = by_file(name).unwrap_err();
        assert!(
            problems[0].to_string().starts_with("key_id: "),
            "{problems:?}"
        );
    }
}
