//! `server.secret`, the root of all keys: fetched, made on the first start, and never a weak one.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    environment::Environment,
    problem::Problem,
    random::{OsRandom, Random},
    secret::{Secret, SecretRef},
};

const KEY: &str = "server.secret";

/// How many bytes it has at least: as many as the keys that are derived from it.
const LEAST: usize = 32;

/// A text that repeats a few characters has less in it than its length says.
const LEAST_DISTINCT: usize = 8;

/// Texts that documentation and other people's examples have.
const KNOWN: [&str; 6] = [
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "example",
];

/// Fetches the secret. A file that is not there is made, unless something else is wrong with the
/// configuration: then there is no secret and no problem.
pub(super) fn root_secret(
    place: &SecretRef,
    environment: &Environment,
    may_make: bool,
) -> Result<Option<Secret>, Problem> {
    if let SecretRef::File(path) = place
        && matches!(path.try_exists(), Ok(false))
    {
        if !may_make {
            return Ok(None);
        }
        make(path, &OsRandom).map_err(|error| {
            Problem::new(KEY, format!("{} cannot be made: {error}", path.display()))
                .hint("the folder must belong to the user this runs as")
        })?;
    }
    let secret = place
        .resolve(environment)
        .map_err(|why| Problem::new(KEY, why))?;
    match weakness(secret.expose()) {
        None => Ok(Some(secret)),
        Some(why) => Err(Problem::new(KEY, why)
            .hint("make one with `openssl rand -base64 32`, or leave the key out")),
    }
}

/// Why a secret can be guessed, if it can.
fn weakness(secret: &str) -> Option<String> {
    let length = secret.len();
    if length < LEAST {
        return Some(format!(
            "the secret has {length} bytes and needs at least {LEAST}"
        ));
    }
    let distinct = secret.bytes().fold([false; 256], |mut seen, byte| {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
        seen
    });
    if distinct.into_iter().filter(|seen| *seen).count() < LEAST_DISTINCT {
        return Some("the secret repeats the same few characters".to_owned());
    }
    let folded = secret.to_lowercase();
    let known = KNOWN.iter().any(|known| folded.starts_with(known));
    known.then(|| "the secret looks like one from an example".to_owned())
}

/// Makes a secret of 32 random bytes. It appears under its name whole or not at all; if another
/// process is faster, its secret stays.
fn make(path: &Path, random: &dyn Random) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let name = BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<9>());
    let draft = folder.join(format!(".secret-{name}"));
    let made = write_new(&draft, random).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.and(removed)?,
    }
    fs::File::open(folder)?.sync_all()
}

fn write_new(path: &Path, random: &dyn Random) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let secret = zeroize::Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>()));
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data/secret");
        let place = SecretRef::File(path.clone());
        let environment = Environment::default();
        assert!(root_secret(&place, &environment, false).unwrap().is_none());
        assert!(!path.exists());
        let secret = root_secret(&place, &environment, true).unwrap().unwrap();
        assert_eq!(secret.expose().len(), 43);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let again = root_secret(&place, &environment, true).unwrap().unwrap();
        assert!(again.matches(secret.expose()));
        // Another process was faster: its secret stays, and nothing else does.
        make(&path, &OsRandom).unwrap();
        let again = root_secret(&place, &environment, true).unwrap().unwrap();
        assert!(again.matches(secret.expose()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn many_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let place = SecretRef::File(folder.path().join("secret"));
        let one = || {
            let secret = root_secret(&place, &Environment::default(), true);
            secret.unwrap().unwrap().expose().to_owned()
        };
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(all.iter().all(|secret| *secret == all[0]));
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        for (secret, says) in [
            ("short", "5 bytes"),
            (&"a".repeat(64), "same few"),
            (&"abcabcab".repeat(8), "same few"),
            ("changeme-0123456789-abcdefghijklmnop", "example"),
            ("ChangeMe0123456789abcdefghijklmnopqr", "example"),
        ] {
            let why = weakness(secret).unwrap();
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(weakness("d8FqM2xvT7pLr0ZcW5nYbKs3HgEjUa9i"), None);
    }
}
