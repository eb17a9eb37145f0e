//! Whether a password is known from a leak: looked up by its SHA-1, in the formats and by the
//! protocol of Pwned Passwords.
//!
//! | source | what is read |
//! |---|---|
//! | a file | `SHA-1:count` lines in the order of the hashes: some thirty reads, however large it is |
//! | a folder | the range file of the first five digits: `SUFFIX:count` lines |
//! | a range API | the same, asked for by these five digits (k-anonymity): nothing else leaves |
//!
//! A source that does not answer refuses nobody: it is counted, logged, and the password passes. The
//! file may be replaced at any time; it is opened for each look-up.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use url::Url;

use super::config;
use crate::{
    connection::Password,
    crypto::sha1,
    egress::http::{Client, HttpError, Written},
    metrics,
};

/// Where leaked passwords are looked up.
#[derive(Debug)]
pub(super) struct Breached {
    source: Source,
    min_count: u64,
}

#[derive(Debug)]
enum Source {
    Api(Url, Client),
    /// A file or a folder.
    Path(PathBuf),
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{0} is not readable: {1}")]
    Io(PathBuf, io::Error),
    #[error("the range API answered {0}")]
    Status(http::StatusCode),
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    #[error("the look-up broke off")]
    Stopped,
}

impl Breached {
    /// As set; `None` without a source, which [`config::Config::problems`] reports.
    pub(super) fn open(set: &config::Breached, http: &Client) -> Option<Self> {
        let source = match (&set.file, &set.range_api) {
            (Some(file), _) => Source::Path(file.clone()),
            (None, Some(api)) => {
                let hosts = api.host_str().map(str::to_owned).into_iter().collect();
                let written = Written {
                    hosts,
                    danger_plain_http: false,
                };
                Source::Api(api.clone(), http.written(written))
            }
            (None, None) => return None,
        };
        Some(Self {
            source,
            min_count: set.min_count,
        })
    }

    /// Whether it is known from so many leaks as are too many.
    pub(super) async fn knows(&self, password: &Password) -> bool {
        let hash = hex(&sha1(password.secret().expose().as_bytes()));
        match self.count(hash).await {
            Ok(count) => count >= self.min_count,
            Err(unknown) => {
                metrics::BREACH_LOOKUPS_FAILED.inc();
                tracing::warn!(error = %unknown, "whether a password is known from a leak was not found out");
                false
            }
        }
    }

    async fn count(&self, hash: String) -> Result<u64, Unknown> {
        match &self.source {
            Source::Path(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || {
                    let read = if path.is_dir() { in_folder } else { in_file };
                    read(&path, &hash).map_err(|error| Unknown::Io(path, error))
                })
                .await
                .unwrap_or(Err(Unknown::Stopped))
            }
            Source::Api(api, http) => in_range(api, http, &hash).await,
        }
    }
}

fn hex(hash: &[u8; 20]) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Five digits name a range, the rest stands in it.
const RANGE: usize = 5;

async fn in_range(api: &Url, http: &Client, hash: &str) -> Result<u64, Unknown> {
    let (range, rest) = hash.split_at_checked(RANGE).unwrap_or_default();
    let request = http::Request::get(format!("{api}{range}"))
        // How long the answer is tells nobody which range it was.
        .header("add-padding", "true")
        .header(http::header::USER_AGENT, "vestibule")
        .body(Bytes::new())?;
    let answer = http.send(request).await?;
    if answer.status() != http::StatusCode::OK {
        return Err(Unknown::Status(answer.status()));
    }
    Ok(count_in(answer.body(), rest))
}

/// The largest range file that is read, in bytes: real ones have some 40 KiB.
const MOST_RANGE: u64 = 1 << 20;

fn in_folder(folder: &Path, hash: &str) -> io::Result<u64> {
    let (range, rest) = hash.split_at_checked(RANGE).unwrap_or_default();
    let file = match File::open(folder.join(format!("{range}.txt"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(folder.join(range))?,
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(MOST_RANGE).read_to_end(&mut text)?;
    Ok(count_in(&text, rest))
}

/// The count that stands behind `hash`, among lines in any order and in either case.
fn count_in(lines: &[u8], hash: &str) -> u64 {
    let mut counts = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| count_of(line, hash).ok());
    counts.next().unwrap_or(0)
}

/// What `line` says of `hash`; if it is about another one, on which side of it that one stands.
fn count_of(line: &[u8], hash: &str) -> Result<u64, std::cmp::Ordering> {
    let (stands, count) = line.split_at_checked(hash.len()).unwrap_or((line, b""));
    let upper = stands.to_ascii_uppercase();
    match hash.as_bytes().cmp(&upper) {
        std::cmp::Ordering::Equal => {
            let count = count.strip_prefix(b":").unwrap_or(b"1").trim_ascii();
            let count = std::str::from_utf8(count).ok().and_then(|n| n.parse().ok());
            Ok(count.unwrap_or(1))
        }
        side => Err(side),
    }
}

/// No line of the file is longer, in bytes: 40 digits, a colon, a count and an end.
const LONGEST_LINE: usize = 80;

/// Halves the file until one line is left.
fn in_file(path: &Path, hash: &str) -> io::Result<u64> {
    let file = File::open(path)?;
    // The line looked for begins in here.
    let (mut from, mut to) = (0, file.metadata()?.len());
    while from < to {
        let middle = from + (to - from) / 2;
        let (begins, line) = line_at_or_after(&file, middle)?;
        // Between the middle and the end no line begins: the one looked for begins before.
        if begins >= to {
            to = middle;
            continue;
        }
        match count_of(&line, hash) {
            Ok(count) => return Ok(count),
            Err(std::cmp::Ordering::Less) => to = middle,
            Err(_) => from = begins + line.len() as u64 + 1,
        }
    }
    Ok(0)
}

/// The first line that begins at `offset` or behind it, with where it begins.
fn line_at_or_after(file: &File, offset: u64) -> io::Result<(u64, Vec<u8>)> {
    let mut buffer = [0; 2 * LONGEST_LINE];
    // The octet before says whether a line begins here.
    let start = offset.saturating_sub(1);
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    let read = buffer.get(..filled).unwrap_or_default();
    let skipped = match offset {
        0 => 0,
        _ => read
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(read.len(), |end| end + 1),
    };
    let rest = read.get(skipped..).unwrap_or_default();
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok((start + skipped as u64, line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn password(text: &str) -> Password {
        Password::parse(&Secret::new(text.to_owned())).unwrap()
    }

    fn breached(path: &Path, min_count: u64) -> Breached {
        Breached {
            source: Source::Path(path.to_owned()),
            min_count,
        }
    }

    /// Hashes of `0`, `1` … with counts of their own, in order.
    fn lines(many: u32, end: &str) -> String {
        let mut hashes: Vec<_> = (0..many)
            .map(|n| (hex(&sha1(n.to_string().as_bytes())), n + 1))
            .collect();
        hashes.sort();
        hashes
            .iter()
            .fold(String::new(), |mut text, (hash, count)| {
                write!(text, "{hash}:{count}{end}").unwrap();
                text
            })
    }

    #[tokio::test]
    async fn every_line_of_a_file_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hashes");
        for (many, end) in [
            (0, "\n"),
            (1, "\n"),
            (2, "\r\n"),
            (333, "\r\n"),
            (1000, "\n"),
        ] {
            let text = lines(many, end);
            std::fs::write(&path, &text).unwrap();
            for n in 0..many {
                let hash = hex(&sha1(n.to_string().as_bytes()));
                assert_eq!(
                    in_file(&path, &hash).unwrap(),
                    u64::from(n) + 1,
                    "{n} of {many}"
                );
            }
            for n in many..many + 50 {
                let hash = hex(&sha1(n.to_string().as_bytes()));
                assert_eq!(in_file(&path, &hash).unwrap(), 0, "{n} of {many}");
            }
            for hash in ["0".repeat(40), "F".repeat(40)] {
                assert_eq!(in_file(&path, &hash).unwrap(), 0);
            }
            // Without an end of the last line.
            std::fs::write(&path, text.trim_end()).unwrap();
            for n in 0..many {
                assert!(breached(&path, 1).knows(&password(&n.to_string())).await);
            }
        }
    }

    #[tokio::test]
    async fn a_folder_of_ranges_is_read_with_and_without_an_ending() {
        let folder = tempfile::tempdir().unwrap();
        // SHA-1 of "password" and of "letmein".
        let known = [
            (
                "5BAA6.txt",
                "1E4C9B93F3F0682250B6CF8331B7EE68FD8:52256179\r\nFFF:1",
            ),
            ("B7A87", "5fc1ea228b9061041b7cec4bd3c52ab3ce3:3"),
        ];
        for (name, text) in known {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let breached = |least| breached(folder.path(), least);
        assert!(breached(1).knows(&password("password")).await);
        assert!(breached(3).knows(&password("letmein")).await);
        assert!(!breached(4).knows(&password("letmein")).await);
        assert!(
            !breached(1)
                .knows(&password("not in a range that is there"))
                .await
        );
    }

    #[tokio::test]
    async fn a_source_that_is_gone_refuses_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let before = metrics::BREACH_LOOKUPS_FAILED.get();
        assert!(
            !breached(&folder.path().join("gone"), 1)
                .knows(&password("password"))
                .await
        );
        assert!(metrics::BREACH_LOOKUPS_FAILED.get() > before);
    }

    #[test]
    fn what_is_no_list_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for text in [
            vec![b'x'; 5000],
            vec![b'\n'; 500],
            b"5BAA6:1\n".to_vec(),
            vec![0xff; 200],
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(in_file(&path, &"5BAA6".repeat(8)).unwrap(), 0);
        }
    }
}
