//! Public attack and conformance data that nobody here wrote. It is no part of the repository: it
//! lies in the folder that `VESTIBULE_SHARED` names, or beside the repository in `shared`.

use std::path::{Path, PathBuf};

/// A file or folder of the data; `None` where the data is absent and that is allowed.
/// `VESTIBULE_REQUIRE_SHARED=1`, as in CI, makes its absence a failure.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    shared(&format!("data/{name}"))
}

/// The same of anything in that folder.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("VESTIBULE_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = shared.join(name);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("VESTIBULE_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{} is required and absent", path.display());
    eprintln!("{} is absent: only our own cases are tried", path.display());
    None
}

/// The lines of a data file that are neither empty nor comments.
pub(crate) fn lines(name: &str) -> Vec<String> {
    data(name).map_or_else(Vec::new, |path| {
        let bytes = std::fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with("# "))
            .map(str::to_owned)
            .collect()
    })
}

/// One raw request of the HTTP corpus.
#[derive(Clone, Debug)]
pub(crate) struct RawRequest {
    /// Where it stands: `transfer-encoding.md:120`.
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
}

/// Every ```` ```http ```` block of the corpus of nodejs/llhttp. A block is written one line each;
/// the corpus reads a line's end as CRLF, drops one that a backslash precedes, and knows the
/// escapes `\r`, `\n`, `\t`, `\f` and `\xHH`.
pub(crate) fn http1_requests() -> Vec<RawRequest> {
    let Some(folder) = data("http1-llhttp/request") else {
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let mut block: Option<(usize, Vec<&str>)> = None;
        for (number, line) in text.lines().enumerate() {
            match (&mut block, line) {
                (None, "```http") => block = Some((number + 1, Vec::new())),
                (Some((start, lines)), "```") => {
                    let place = format!("{name}:{start}");
                    found.push(RawRequest {
                        place,
                        bytes: octets(lines),
                    });
                    block = None;
                }
                (Some((_, lines)), line) => lines.push(line),
                (None, _) => {}
            }
        }
    }
    found
}

fn octets(lines: &[&str]) -> Vec<u8> {
    let joined = lines
        .iter()
        .fold(String::new(), |text, line| match line.strip_suffix('\\') {
            Some(open) => text + open,
            None => text + line + "\r\n",
        });
    // The last line's end belongs to the block, not to the message.
    let text = joined.strip_suffix("\r\n").unwrap_or(&joined);
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.bytes());
        let (byte, used) = match after.as_bytes() {
            [b'f', ..] => (0x0c, 1),
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'x', ..] if after.len() >= 3 => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            _ => (b'\\', 0),
        };
        out.push(byte);
        rest = &after[used..];
    }
    out.extend(rest.bytes());
    out
}
