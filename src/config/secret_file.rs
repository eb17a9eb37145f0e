//! Secrets from where they are: in the file, in an environment variable, or in a file of their own.
//! No error holds a secret or a part of one; a path or a variable that is wrong is an error and
//! never becomes the secret itself.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use toml::de::DeValue;
use zeroize::Zeroizing;

use super::{overlay::Environment, suggest};
use crate::{problem::Problem, random::Random, secret::Secret};

/// No key or password is larger.
const MOST: u64 = 64 << 10;
/// Where Docker and Kubernetes mount secrets. They choose the mode, and the folder is the
/// container's own.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// What a secret's place in the file stands for. `Ok(None)`: it stands there itself.
pub(super) fn fetch(
    value: &DeValue<'_>,
    base: &Path,
    environment: &Environment,
) -> Result<Option<Secret>, Problem> {
    let table = match value {
        DeValue::Table(table) => table,
        DeValue::String(text) if text.trim().is_empty() => {
            return Err(Problem::new("", "the secret is empty"));
        }
        _ => return Ok(None),
    };
    let mut entries = table.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        let message = "a secret comes from one place";
        return Err(Problem::new("", message).hint("write { env = \"NAME\" } or { file = \"PATH\" }"));
    };
    let key = key.get_ref().as_ref();
    match (key, value.get_ref().as_str()) {
        ("env", Some(name)) => from_variable(name, environment).map(Some),
        ("file", Some("")) => Err(Problem::new("file", "the path is empty")),
        ("file", Some(path)) => from_file(&base.join(path)).map(Some),
        ("env" | "file", None) => Err(Problem::new(key, "a text in quotes is expected")),
        _ => {
            let problem = Problem::new(super::tree::join("", key), "there is no such key");
            Err(problem.hint(suggest::hint(key, ["env", "file"])))
        }
    }
}

fn from_variable(name: &str, environment: &Environment) -> Result<Secret, Problem> {
    // The name is checked first: somebody may have put the secret itself there.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 128 || !name.bytes().all(plain) {
        let message = "this is no name of an environment variable";
        return Err(Problem::new("env", message).hint("names have letters, digits and underscores"));
    }
    let hint = "set it where this program is started";
    match environment.value(name) {
        Ok(Some(text)) if text.trim().is_empty() => {
            Err(Problem::new("env", format!("the environment variable {name} is empty")).hint(hint))
        }
        Ok(Some(text)) => Ok(Secret::new(text.to_owned())),
        Ok(None) => Err(
            Problem::new("env", format!("the environment variable {name} is not set")).hint(hint),
        ),
        Err(_) => Err(
            Problem::new("env", format!("the environment variable {name} is not UTF-8"))
                .hint("encode it with base64"),
        ),
    }
}

/// Reads a secret from its file, which nobody but its owner may touch.
pub(super) fn from_file(path: &Path) -> Result<Secret, Problem> {
    let shown = path.display();
    let fail = |message: String| Problem::new("file", message);
    // Opened first and asked afterwards: what is checked is what is read. O_NONBLOCK would be
    // needed for a pipe; the check of the kind comes before the first read.
    let metadata = fs::metadata(path).map_err(|error| fail(format!("{shown}: {error}")))?;
    if !metadata.is_file() {
        return Err(fail(format!("{shown} is not a file")));
    }
    let file = fs::File::open(path).map_err(|error| fail(format!("{shown}: {error}")))?;
    let metadata = file.metadata().map_err(|error| fail(format!("{shown}: {error}")))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 && !is_mounted(path) {
        let message = format!("{shown} is open to other users: its mode is {mode:04o}");
        let hint = format!("run: chmod 600 {shown}");
        return Err(fail(message).hint(hint));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail(format!("{shown}: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(fail(format!("{shown} is larger than 64 KiB")));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| fail(format!("{shown} is not UTF-8")).hint("encode it with base64"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(fail(format!("{shown} is empty")));
    }
    Ok(Secret::new(text.to_owned()))
}

fn is_mounted(path: &Path) -> bool {
    let clean = !path.components().any(|part| part == std::path::Component::ParentDir);
    clean && MOUNTED.iter().any(|folder| path.starts_with(folder))
}

/// Makes the root of all keys, once: of two starts at the same time one makes it and both read it.
pub(super) fn make(path: &Path, random: &dyn Random) -> Result<Secret, Problem> {
    match try_make(path, random) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let message = format!("{} cannot be made: {error}", path.display());
            let hint = "make the folder writable, or set server.secret";
            return Err(Problem::new("server.secret", message).hint(hint));
        }
    }
    let secret = from_file(path).map_err(|problem| problem.under("server.secret"))?;
    strength(&secret)?;
    Ok(secret)
}

fn try_make(path: &Path, random: &dyn Random) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.bytes::<32>()));
    let suffix = u64::from_le_bytes(random.bytes());
    let temporary = PathBuf::from(format!("{}.{suffix:016x}", path.display()));
    let written = write_new(&temporary, text.as_bytes())
        // A link appears with its whole content and never replaces a file.
        .and_then(|()| fs::hard_link(&temporary, path));
    // Whether it worked or not, this name has served; a leftover holds no key in use.
    let _ = fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // A file system without links.
        Err(_) => write_new(path, text.as_bytes())?,
        Ok(()) => {}
    }
    fs::File::open(folder)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Refuses what is not random enough to be the root of all keys (CWE-331): too short, a word, a
/// repetition, or a sequence.
pub(super) fn strength(secret: &Secret) -> Result<(), Problem> {
    let text = secret.expose();
    let bytes = text.as_bytes();
    let weak = |why: &str| {
        let problem = Problem::new("server.secret", format!("the secret is too weak: {why}"));
        Err(problem.hint("make one with: openssl rand -base64 32"))
    };
    if bytes.len() < 32 {
        return weak("it has fewer than 32 bytes");
    }
    let lower = text.to_ascii_lowercase();
    let words = ["changeme", "change-me", "change_me", "password", "secret", "example", "vestibule"];
    if words.iter().any(|word| lower.contains(word)) {
        return weak("it has a word in it that anybody would try");
    }
    let repeats = |period: usize| {
        let later = bytes.iter().skip(period);
        bytes.iter().zip(later).all(|(one, other)| one == other)
    };
    if (1..=bytes.len() / 2).any(repeats) {
        return weak("it repeats itself");
    }
    let steps = bytes.iter().zip(bytes.iter().skip(1));
    let even = steps.filter(|(one, other)| one.abs_diff(**other) <= 1).count();
    if even * 2 > bytes.len() {
        return weak("it is a sequence");
    }
    if entropy(bytes) < 96.0 {
        return weak("it has too few different characters");
    }
    Ok(())
}

/// The bits that the frequencies of the bytes allow at most (Shannon). 32 random bytes come to 156
/// bits or more raw, to about 200 in base64 and to 240 in hex.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    for byte in bytes {
        *counts.entry(*byte).or_default() += 1;
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    counts
        .values()
        .map(|count| f64::from(*count) * (total / f64::from(*count)).log2())
        .sum()
}
