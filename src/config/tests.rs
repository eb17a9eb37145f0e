use std::path::Path;

use super::*;

pub(super) fn loaded(text: &str) -> Result<Loaded, Report> {
    let folder = tempfile::tempdir().unwrap();
    parse(text, "config.toml", folder.path(), &Environment::default())
}

#[test]
fn smoke() {
    for text in [
        "",
        "[server]\nlisten = 5\nlisen = ['a']\nthreads = 'x'\n[storage]\nurl = 'mysql://a:b@c'\n",
        "[connections.a]\nstrategy='database'\nsing_up = true\n[connections.a.password]\nmin_length='x'\nmin_lenth=1\n",
        "[[routes]]\nupsteam = 'x'\n[[routes]]\nupstream = 5\nallow = [1,2]\n",
    ] {
        match loaded(text) {
            Ok(loaded) => println!("{:?}", loaded.settings),
            Err(report) => println!("{report}\n"),
        }
    }
}
#[test]
fn print_schema() {
    std::fs::write(
        "/tmp/schema.json",
        serde_json::to_string_pretty(&schema()).unwrap(),
    )
    .unwrap();
}
